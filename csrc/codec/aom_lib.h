/* aom_lib: libaom's encoder as a table of its functions. Inside codec only. */
#ifndef RTC_CODEC_AOM_LIB_H
#define RTC_CODEC_AOM_LIB_H

#include <aom/aom_encoder.h>

#include "base/err.h"

typedef struct rtc_aom_lib {
  void *handle;
  const char *(*version_str)(void);
  aom_codec_iface_t *(*av1_cx)(void);
  aom_codec_err_t (*enc_config_default)(aom_codec_iface_t *iface, aom_codec_enc_cfg_t *cfg, unsigned int usage);
  aom_codec_err_t (*enc_init_ver)(aom_codec_ctx_t *ctx, aom_codec_iface_t *iface, const aom_codec_enc_cfg_t *cfg, aom_codec_flags_t flags,
                                  int version);
  aom_codec_err_t (*enc_config_set)(aom_codec_ctx_t *ctx, const aom_codec_enc_cfg_t *cfg);
  aom_codec_err_t (*control)(aom_codec_ctx_t *ctx, int id, ...);
  aom_codec_err_t (*encode)(aom_codec_ctx_t *ctx, const aom_image_t *image, aom_codec_pts_t pts, unsigned long duration,
                            aom_enc_frame_flags_t flags);
  const aom_codec_cx_pkt_t *(*get_cx_data)(aom_codec_ctx_t *ctx, aom_codec_iter_t *iter);
  aom_codec_err_t (*destroy)(aom_codec_ctx_t *ctx);
  aom_image_t *(*img_wrap)(aom_image_t *image, aom_img_fmt_t form, unsigned int width, unsigned int height, unsigned int align,
                           unsigned char *data);
} rtc_aom_lib_t;

/* As in lib.h; that the headers are of this very library is checked once more by enc_init_ver. */
RTC_MUST_USE int rtc_aom_lib_open(rtc_aom_lib_t *lib);
void rtc_aom_lib_close(rtc_aom_lib_t *lib);

#endif
