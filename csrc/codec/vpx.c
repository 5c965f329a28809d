#include "codec/vpx.h"

#if RTC_HAVE_VPX

#include <stdlib.h>
#include <string.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include "codec/lib.h"
#include "codec/vpx_lib.h"

enum { BUFFER_START_MS = 500 };

struct rtc_vpx {
  rtc_vpx_lib_t lib;
  vpx_codec_ctx_t ctx;
  vpx_codec_enc_cfg_t cfg;
  rtc_vpx_codec_t codec;
  rtc_video_t video;
  bool open;
  uint32_t first_w, first_h; /* of the first frame since it was opened, 0 before: VP9's buffers have this size */
  uint32_t last_w, last_h;   /* of the newest frame, and of those in all buffers */
  int cpu_used;              /* as the encoder has it */
};

int rtc_vpx_version(char *out, size_t cap) {
  rtc_vpx_lib_t lib;
  int err = rtc_vpx_lib_open(&lib);
  if (err < 0) return err;
  err = rtc_lib_say(lib.version_str(), out, cap);
  rtc_vpx_lib_close(&lib);
  return err;
}

static int err_of(vpx_codec_err_t err) {
  switch (err) {
    case VPX_CODEC_OK:
      return RTC_OK;
    case VPX_CODEC_MEM_ERROR:
      return RTC_ENOMEM;
    case VPX_CODEC_INVALID_PARAM:
    case VPX_CODEC_UNSUP_FEATURE:
      return RTC_EINVAL;
    default:
      return RTC_ESTATE;
  }
}

static bool good(rtc_vpx_codec_t codec, const rtc_video_cfg_t *c) {
  int quickest = codec == RTC_VPX_VP8 ? 16 : 9;
  return (codec == RTC_VPX_VP8 || codec == RTC_VPX_VP9) && rtc_video_good(c, -quickest, quickest);
}

/* Small pictures have time for a better search. */
static int cpu_used_for(const rtc_vpx_t *e) {
  if (e->video.set.cpu_used) return e->video.set.cpu_used;
  if (e->codec == RTC_VPX_VP8) return -6;
  uint64_t pixels = (uint64_t)e->video.set.width * e->video.set.height;
  return pixels <= 352 * 288 ? 6 : pixels <= 640 * 360 ? 7 : 8;
}

/* Each layer's rate has those below in it, as libvpx counts. */
static void put_rates(rtc_vpx_t *e) {
  vpx_codec_enc_cfg_t *c = &e->cfg;
  unsigned kbps = rtc_video_kbps(&e->video, (uint8_t)(e->video.set.layers - 1));
  c->rc_target_bitrate = kbps;
  c->layer_target_bitrate[0] = c->ss_target_bitrate[0] = kbps;
  if (e->video.set.layers == 1) return;
  for (uint8_t i = 0; i < e->video.set.layers; i++) { c->ts_target_bitrate[i] = c->layer_target_bitrate[i] = rtc_video_kbps(&e->video, i); }
}

static void put_layers(rtc_vpx_t *e) {
  vpx_codec_enc_cfg_t *c = &e->cfg;
  if (e->video.set.layers == 1) return;
  c->ts_number_layers = e->video.set.layers;
  for (uint8_t i = 0; i < e->video.set.layers; i++) c->ts_rate_decimator[i] = rtc_layers_decimator(&e->video.layers, i);
  c->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_BYPASS; /* the flags of each frame say it */
  c->ts_periodicity = 1u << (e->video.set.layers - 1);
  rtc_layers_t walk = e->video.layers;
  rtc_layer_frame_t f;
  rtc_layers_begin(&walk);
  for (unsigned i = 0; i < c->ts_periodicity; i++) {
    rtc_layers_next(&walk, i == 0, &f);
    c->ts_layer_id[i] = f.tid;
    rtc_layers_commit(&walk, &f);
  }
}

static int put_intra(rtc_vpx_t *e) { return e->lib.control_(&e->ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, rtc_video_intra_percent(&e->video)); }

static int put_screen(rtc_vpx_t *e) {
  bool on = e->video.set.screen;
  if (e->codec == RTC_VPX_VP9) return e->lib.control_(&e->ctx, VP9E_SET_TUNE_CONTENT, on ? VP9E_CONTENT_SCREEN : VP9E_CONTENT_DEFAULT);
  int err = e->lib.control_(&e->ctx, VP8E_SET_STATIC_THRESHOLD, on ? 100u : 1u);
  return err ? err : (int)e->lib.control_(&e->ctx, VP8E_SET_SCREEN_CONTENT_MODE, on ? 1u : 0u);
}

static int put_speed(rtc_vpx_t *e) {
  int wanted = cpu_used_for(e);
  if (wanted == e->cpu_used) return VPX_CODEC_OK;
  e->cpu_used = wanted;
  return e->lib.control_(&e->ctx, VP8E_SET_CPUUSED, wanted);
}

static int put_vp9_layers(rtc_vpx_t *e) {
  vpx_svc_extra_cfg_t svc;
  memset(&svc, 0, sizeof svc);
  for (int i = 0; i < VPX_MAX_LAYERS; i++) {
    svc.max_quantizers[i] = e->video.set.max_q;
    svc.min_quantizers[i] = e->video.set.min_q;
    svc.scaling_factor_num[i] = svc.scaling_factor_den[i] = 1;
    svc.speed_per_layer[i] = e->cpu_used;
  }
  int err = e->lib.control_(&e->ctx, VP9E_SET_SVC, 1);
  return err ? err : (int)e->lib.control_(&e->ctx, VP9E_SET_SVC_PARAMETERS, &svc);
}

static int put_controls(rtc_vpx_t *e) {
  int err = put_speed(e);
  if (!err) err = put_intra(e);
  if (!err && e->codec == RTC_VPX_VP9) {
    err = e->lib.control_(&e->ctx, VP9E_SET_TILE_COLUMNS, rtc_video_columns(e->cfg.g_threads));
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_AQ_MODE, 3u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_ROW_MT, 1u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_FRAME_PARALLEL_DECODING, 0u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_NOISE_SENSITIVITY, e->video.set.denoise ? 1u : 0u);
    if (!err && e->video.set.layers > 1) err = put_vp9_layers(e);
  } else if (!err) {
    err = e->lib.control_(&e->ctx, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION);
    if (!err) err = e->lib.control_(&e->ctx, VP8E_SET_NOISE_SENSITIVITY, e->video.set.denoise ? 1u : 0u);
  }
  return err ? err : put_screen(e);
}

static int open_encoder(rtc_vpx_t *e) {
  bool vp8 = e->codec == RTC_VPX_VP8;
  vpx_codec_iface_t *iface = vp8 ? e->lib.vp8_cx() : e->lib.vp9_cx();
  if (e->open) e->lib.destroy(&e->ctx);
  e->open = false;
  vpx_codec_enc_cfg_t *c = &e->cfg;
  vpx_codec_err_t err = e->lib.enc_config_default(iface, c, 0);
  if (err) return err_of(err);
  c->g_w = e->video.set.width;
  c->g_h = e->video.set.height;
  c->g_timebase = (vpx_rational_t){1, RTC_VIDEO_CLOCK_HZ};
  c->g_threads = rtc_video_threads(&e->video);
  c->g_pass = VPX_RC_ONE_PASS;
  c->g_lag_in_frames = 0;
  c->g_error_resilient = e->video.set.resilient || e->video.set.layers > 1 ? VPX_ERROR_RESILIENT_DEFAULT : 0;
  c->rc_end_usage = VPX_CBR;
  c->rc_dropframe_thresh = e->video.set.drop ? RTC_VIDEO_DROP_PERCENT : 0;
  c->rc_resize_allowed = 0;
  c->rc_min_quantizer = e->video.set.min_q;
  c->rc_max_quantizer = e->video.set.max_q;
  c->rc_undershoot_pct = vp8 ? 100 : 50;
  c->rc_overshoot_pct = vp8 ? 15 : 50;
  c->rc_buf_sz = RTC_VIDEO_BUFFER_MS;
  c->rc_buf_initial_sz = BUFFER_START_MS;
  c->rc_buf_optimal_sz = RTC_VIDEO_AIM_MS;
  c->kf_mode = VPX_KF_DISABLED; /* key frames are asked for */
  put_rates(e);
  put_layers(e);
  err = e->lib.enc_init_ver(&e->ctx, iface, c, 0, VPX_ENCODER_ABI_VERSION);
  if (err) return err_of(err);
  e->open = true;
  rtc_video_begin(&e->video);
  e->cpu_used = 0;
  e->first_w = e->first_h = e->last_w = e->last_h = 0;
  return err_of((vpx_codec_err_t)put_controls(e));
}

rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_video_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!good(codec, cfg)) return NULL;
  *err = RTC_ENOMEM;
  rtc_vpx_t *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->codec = codec;
  rtc_video_init(&e->video, cfg);
  *err = rtc_vpx_lib_open(&e->lib);
  if (*err == RTC_OK) *err = open_encoder(e);
  if (*err == RTC_OK) return e;
  rtc_vpx_free(e);
  return NULL;
}

void rtc_vpx_free(rtc_vpx_t *e) {
  if (!e) return;
  if (e->open) e->lib.destroy(&e->ctx);
  rtc_vpx_lib_close(&e->lib);
  free(e);
}

int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps) {
  int changed = e->open ? rtc_video_set_rate(&e->video, bitrate_bps, fps) : RTC_ESTATE;
  if (changed < 0) return changed;
  int err = changed & RTC_VIDEO_FPS ? put_intra(e) : VPX_CODEC_OK;
  if (!err && (changed & (RTC_VIDEO_LESS | RTC_VIDEO_MORE))) {
    put_rates(e);
    if (e->video.undropped) e->cfg.rc_dropframe_thresh = 0;
    /* What was saved up at the higher rate is not for spending at the lower one. */
    if (changed & RTC_VIDEO_LESS) e->cfg.rc_buf_sz = RTC_VIDEO_AIM_MS;
    err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    if (!err && (changed & RTC_VIDEO_LESS)) {
      e->cfg.rc_buf_sz = RTC_VIDEO_BUFFER_MS;
      err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    }
  }
  return err_of((vpx_codec_err_t)err);
}

/* VP9 bitstream §7.2: a frame may be predicted from one up to twice and down to a 16th of its size. */
static bool predictable(uint32_t side, uint32_t last) { return 2 * side >= last && side <= 16 * last; }

int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) {
  if (!rtc_video_good_size(width, height)) return RTC_EINVAL;
  if (!e->open) return RTC_ESTATE;
  if (width == e->video.set.width && height == e->video.set.height) return e->video.key;
  e->video.set.width = width;
  e->video.set.height = height;
  if (e->codec == RTC_VPX_VP8 || !e->first_w || width > e->first_w || height > e->first_h) {
    int err = open_encoder(e);
    return err < 0 ? err : 1;
  }
  e->cfg.g_w = width;
  e->cfg.g_h = height;
  int err = e->lib.enc_config_set(&e->ctx, &e->cfg);
  if (!err) err = put_speed(e);
  if (err) return err_of((vpx_codec_err_t)err);
  if (!predictable(width, e->last_w) || !predictable(height, e->last_h)) e->video.key = true;
  if (width != e->last_w || height != e->last_h) rtc_layers_begin(&e->video.layers);
  return e->video.key;
}

int rtc_vpx_set_screen(rtc_vpx_t *e, bool on) {
  if (!e->open) return RTC_ESTATE;
  if (on == e->video.set.screen) return RTC_OK;
  e->video.set.screen = on;
  return err_of((vpx_codec_err_t)put_screen(e));
}

static vpx_enc_frame_flags_t flags_of(const rtc_vpx_t *e, const rtc_layer_frame_t *f, bool key) {
  if (key) return VPX_EFLAG_FORCE_KF;
  if (f->free) return 0;
  vpx_enc_frame_flags_t flags = 0;
  if (!(f->uses & RTC_BUF_LAST)) flags |= VP8_EFLAG_NO_REF_LAST;
  if (!(f->uses & RTC_BUF_GOLDEN)) flags |= VP8_EFLAG_NO_REF_GF;
  if (!(f->uses & RTC_BUF_ALT)) flags |= VP8_EFLAG_NO_REF_ARF;
  if (!(f->updates & RTC_BUF_LAST)) flags |= VP8_EFLAG_NO_UPD_LAST;
  flags |= f->updates & RTC_BUF_GOLDEN ? VP8_EFLAG_FORCE_GF : VP8_EFLAG_NO_UPD_GF;
  flags |= f->updates & RTC_BUF_ALT ? VP8_EFLAG_FORCE_ARF : VP8_EFLAG_NO_UPD_ARF;
  /* Statistics of a frame that others may lack are not used for the next ones. */
  if (f->tid > 0 && e->codec == RTC_VPX_VP8) flags |= VP8_EFLAG_NO_UPD_ENTROPY;
  return flags;
}

static int tell_layer(rtc_vpx_t *e, const rtc_layer_frame_t *f) {
  if (e->video.set.layers == 1) return VPX_CODEC_OK;
  if (e->codec == RTC_VPX_VP8) return e->lib.control_(&e->ctx, VP8E_SET_TEMPORAL_LAYER_ID, f->tid);
  vpx_svc_layer_id_t id;
  memset(&id, 0, sizeof id);
  id.temporal_layer_id = id.temporal_layer_id_per_spatial[0] = f->tid;
  return e->lib.control_(&e->ctx, VP9E_SET_SVC_LAYER_ID, &id);
}

static int drop_again(rtc_vpx_t *e) {
  if (!rtc_video_drops_again(&e->video)) return VPX_CODEC_OK;
  e->cfg.rc_dropframe_thresh = RTC_VIDEO_DROP_PERCENT;
  return e->lib.enc_config_set(&e->ctx, &e->cfg);
}

static bool take(rtc_vpx_t *e, rtc_layer_frame_t *f, int64_t pts, rtc_video_packet_t *out) {
  vpx_codec_iter_t iter = NULL;
  const vpx_codec_cx_pkt_t *p;
  while ((p = e->lib.get_cx_data(&e->ctx, &iter)) && p->kind != VPX_CODEC_CX_FRAME_PKT) {}
  if (!p || !p->data.frame.sz) return false;
  bool key = p->data.frame.flags & VPX_FRAME_IS_KEY;
  if (key != (f->refs == 0)) rtc_layers_next(&e->video.layers, key, f); /* one that libvpx has made by itself */
  *out = (rtc_video_packet_t){.data = p->data.frame.buf, .len = p->data.frame.sz, .pts = pts, .key = key, .layer = *f};
  return true;
}

int rtc_vpx_encode(rtc_vpx_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out) {
  if (!e->open) return RTC_ESTATE;
  if (rtc_video_check(&e->video, picture) < 0) return RTC_EINVAL;
  vpx_image_t image;
  uint8_t none = 0;
  if (!e->lib.img_wrap(&image, VPX_IMG_FMT_I420, e->video.set.width, e->video.set.height, 1, &none)) return RTC_EINVAL;
  for (int i = 0; i < 3; i++) {
    image.planes[i] = (uint8_t *)(uintptr_t)picture->plane[i]; /* which libvpx does not write to */
    image.stride[i] = picture->stride[i];
  }
  rtc_layer_frame_t f;
  key = key || e->video.key;
  rtc_layers_next(&e->video.layers, key, &f);
  int err = drop_again(e);
  if (!err) err = tell_layer(e, &f);
  if (!err) err = e->lib.encode(&e->ctx, &image, e->video.time, (unsigned long)e->video.duration, flags_of(e, &f, key), VPX_DL_REALTIME);
  if (err) return err_of((vpx_codec_err_t)err);
  e->video.time += e->video.duration;
  if (!e->first_w) {
    e->first_w = e->video.set.width;
    e->first_h = e->video.set.height;
  }
  if (!take(e, &f, pts, out)) return 0;
  rtc_layers_commit(&e->video.layers, &f);
  e->video.key = false;
  e->last_w = e->video.set.width;
  e->last_h = e->video.set.height;
  return 1;
}

#else

int rtc_vpx_version(char *out, size_t cap) { return (void)out, (void)cap, RTC_ESTATE; }

rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_video_cfg_t *cfg, int *err) {
  (void)codec, (void)cfg;
  *err = RTC_ESTATE;
  return NULL;
}

void rtc_vpx_free(rtc_vpx_t *e) { (void)e; }
int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps) { return (void)e, (void)bitrate_bps, (void)fps, RTC_ESTATE; }
int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) { return (void)e, (void)width, (void)height, RTC_ESTATE; }
int rtc_vpx_set_screen(rtc_vpx_t *e, bool on) { return (void)e, (void)on, RTC_ESTATE; }

int rtc_vpx_encode(rtc_vpx_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out) {
  return (void)e, (void)picture, (void)pts, (void)key, (void)out, RTC_ESTATE;
}

#endif
