#include "codec/lib.h"

#if RTC_HAVE_AOM

#include <string.h>

#include "codec/aom_lib.h"

#define ENTRY(field, name) \
  { name, offsetof(rtc_aom_lib_t, field) }
static const rtc_lib_entry_t entries[] = {
    ENTRY(version_str, "aom_codec_version_str"),
    ENTRY(av1_cx, "aom_codec_av1_cx"),
    ENTRY(enc_config_default, "aom_codec_enc_config_default"),
    ENTRY(enc_init_ver, "aom_codec_enc_init_ver"),
    ENTRY(enc_config_set, "aom_codec_enc_config_set"),
    ENTRY(control, "aom_codec_control"),
    ENTRY(encode, "aom_codec_encode"),
    ENTRY(get_cx_data, "aom_codec_get_cx_data"),
    ENTRY(destroy, "aom_codec_destroy"),
    ENTRY(img_wrap, "aom_img_wrap"),
};

int rtc_aom_lib_open(rtc_aom_lib_t *lib) {
  memset(lib, 0, sizeof *lib);
  return rtc_lib_open(&lib->handle, RTC_AOM_SONAME, entries, sizeof entries / sizeof *entries, lib);
}

void rtc_aom_lib_close(rtc_aom_lib_t *lib) { rtc_lib_close(&lib->handle); }

#endif
