/* vpx_lib: libvpx's encoder as a table of its functions. Inside codec only. */
#ifndef RTC_CODEC_VPX_LIB_H
#define RTC_CODEC_VPX_LIB_H

#include <vpx/vpx_encoder.h>

#include "base/err.h"

typedef struct rtc_vpx_lib {
  void *handle;
  const char *(*version_str)(void);
  vpx_codec_iface_t *(*vp8_cx)(void);
  vpx_codec_iface_t *(*vp9_cx)(void);
  vpx_codec_err_t (*enc_config_default)(vpx_codec_iface_t *iface, vpx_codec_enc_cfg_t *cfg, unsigned int usage);
  vpx_codec_err_t (*enc_init_ver)(vpx_codec_ctx_t *ctx, vpx_codec_iface_t *iface, const vpx_codec_enc_cfg_t *cfg, vpx_codec_flags_t flags,
                                  int version);
  vpx_codec_err_t (*enc_config_set)(vpx_codec_ctx_t *ctx, const vpx_codec_enc_cfg_t *cfg);
  vpx_codec_err_t (*control_)(vpx_codec_ctx_t *ctx, int id, ...);
  vpx_codec_err_t (*encode)(vpx_codec_ctx_t *ctx, const vpx_image_t *image, vpx_codec_pts_t pts, unsigned long duration,
                            vpx_enc_frame_flags_t flags, unsigned long deadline);
  const vpx_codec_cx_pkt_t *(*get_cx_data)(vpx_codec_ctx_t *ctx, vpx_codec_iter_t *iter);
  vpx_codec_err_t (*destroy)(vpx_codec_ctx_t *ctx);
  vpx_image_t *(*img_wrap)(vpx_image_t *image, vpx_img_fmt_t form, unsigned int width, unsigned int height, unsigned int align,
                           unsigned char *data);
} rtc_vpx_lib_t;

/* As in lib.h; that the headers are of this very library is checked once more by enc_init_ver. */
RTC_MUST_USE int rtc_vpx_lib_open(rtc_vpx_lib_t *lib);
void rtc_vpx_lib_close(rtc_vpx_lib_t *lib);

#endif
