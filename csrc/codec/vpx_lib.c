#include "codec/lib.h"

#if RTC_HAVE_VPX

#include <string.h>

#include "codec/vpx_lib.h"

#define ENTRY(field, name) \
  { name, offsetof(rtc_vpx_lib_t, field) }
static const rtc_lib_entry_t entries[] = {
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
  return rtc_lib_open(&lib->handle, RTC_VPX_SONAME, entries, sizeof entries / sizeof *entries, lib);
}

void rtc_vpx_lib_close(rtc_vpx_lib_t *lib) { rtc_lib_close(&lib->handle); }

#endif
