#include "base/err.h"

#if RTC_HAVE_VPX

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "codec/vpx_lib.h"

typedef struct entry {
  const char *name;
  size_t at;
} entry_t;

#define ENTRY(field, name) \
  { name, offsetof(rtc_vpx_lib_t, field) }
static const entry_t entries[] = {
    ENTRY(version_str, "vpx_codec_version_str"),
    ENTRY(vp8_cx, "vpx_codec_vp8_cx"),
    ENTRY(vp9_cx, "vpx_codec_vp9_cx"),
    ENTRY(enc_config_default, "vpx_codec_enc_config_default"),
    ENTRY(enc_init_ver, "vpx_codec_enc_init_ver"),
    ENTRY(enc_config_set, "vpx_codec_enc_config_set"),
    ENTRY(control_, "vpx_codec_control_"),
    ENTRY(encode, "vpx_codec_encode"),
    ENTRY(get_cx_data, "vpx_codec_get_cx_data"),
    ENTRY(destroy, "vpx_codec_destroy"),
    ENTRY(img_wrap, "vpx_img_wrap"),
};

int rtc_vpx_lib_open(rtc_vpx_lib_t *lib) {
  memset(lib, 0, sizeof *lib);
  /* By the name that a program linked against it would ask for: another version has another name, and init checks once more. */
  lib->handle = dlopen(RTC_VPX_SONAME, RTLD_NOW | RTLD_LOCAL);
  if (!lib->handle) return RTC_ESTATE;
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    void *found = dlsym(lib->handle, entries[i].name);
    if (!found) {
      rtc_vpx_lib_close(lib);
      return RTC_ESTATE;
    }
    memcpy((char *)lib + entries[i].at, &found, sizeof found); /* POSIX: a function's address is one of data too */
  }
  return RTC_OK;
}

void rtc_vpx_lib_close(rtc_vpx_lib_t *lib) {
  if (lib->handle) dlclose(lib->handle);
  lib->handle = NULL;
}

#endif
