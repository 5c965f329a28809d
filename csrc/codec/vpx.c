#include "codec/vpx.h"

#if RTC_HAVE_VPX

#include <stdlib.h>
#include <string.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include "codec/vpx_lib.h"

/* Rate control as WebRTC's encoders have it: a second of buffer, which begins half full. */
enum { CLOCK_HZ = 90000, BUFFER_MS = 1000, BUFFER_START_MS = 500, BUFFER_AIM_MS = 600, DROP_BELOW_PERCENT = 30, RAISE_S = 4 };

struct rtc_vpx {
  rtc_vpx_lib_t lib;
  vpx_codec_ctx_t ctx;
  vpx_codec_enc_cfg_t cfg;
  rtc_vpx_codec_t codec;
  rtc_vpx_cfg_t set;
  rtc_layers_t layers;
  bool open;
  bool key;                       /* the next frame is one */
  uint32_t first_w, first_h;      /* of the first frame since it was opened, 0 before: VP9's buffers have this size */
  uint32_t last_w, last_h;        /* of the newest frame, and of those in all buffers */
  int cpu_used;                   /* as the encoder has it */
  uint32_t undropped;             /* pictures until those that are too many are left out again */
  vpx_codec_pts_t time, duration; /* libvpx's clock, which goes by the frame rate alone */
};

int rtc_vpx_version(char *out, size_t cap) {
  rtc_vpx_lib_t lib;
  int err = rtc_vpx_lib_open(&lib);
  if (err < 0) return err;
  const char *version = lib.version_str();
  size_t n = strlen(version);
  if (n < cap) memcpy(out, version, n + 1);
  rtc_vpx_lib_close(&lib);
  return n < cap ? (int)n : RTC_ENOBUFS;
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

static bool good_rate(uint32_t bitrate_bps, double fps) {
  return bitrate_bps >= RTC_VPX_BPS_MIN && bitrate_bps <= RTC_VPX_BPS_MAX && fps > 0 && fps <= 1000;
}

static bool good_size(uint32_t width, uint32_t height) {
  return width >= 1 && height >= 1 && width <= RTC_VPX_SIDE_MAX && height <= RTC_VPX_SIDE_MAX;
}

static bool good(rtc_vpx_codec_t codec, const rtc_vpx_cfg_t *c) {
  int quickest = codec == RTC_VPX_VP8 ? 16 : 9;
  return (codec == RTC_VPX_VP8 || codec == RTC_VPX_VP9) && good_size(c->width, c->height) && good_rate(c->bitrate_bps, c->fps) &&
         c->threads >= 1 && c->threads <= RTC_VPX_THREADS_MAX && c->layers >= 1 && c->layers <= RTC_LAYERS_MAX && c->min_q <= c->max_q &&
         c->max_q <= 63 && c->cpu_used >= -quickest && c->cpu_used <= quickest;
}

static unsigned threads_for(const rtc_vpx_t *e) {
  uint64_t pixels = (uint64_t)e->set.width * e->set.height;
  unsigned useful = pixels >= 1920 * 1080 ? 8 : pixels >= 1280 * 720 ? 4 : pixels > 640 * 360 ? 2 : 1;
  return e->set.threads < useful ? e->set.threads : useful;
}

/* Small pictures have time for a better search. */
static int cpu_used_for(const rtc_vpx_t *e) {
  if (e->set.cpu_used) return e->set.cpu_used;
  if (e->codec == RTC_VPX_VP8) return -6;
  uint64_t pixels = (uint64_t)e->set.width * e->set.height;
  return pixels <= 352 * 288 ? 6 : pixels <= 640 * 360 ? 7 : 8;
}

/* A key frame takes no more than half of what the buffer aims at. */
static unsigned intra_percent(const rtc_vpx_t *e) {
  double percent = 0.5 * BUFFER_AIM_MS * e->set.fps / 10;
  return percent < 300 ? 300 : (unsigned)percent;
}

/* Each layer's rate has those below in it, as libvpx counts. */
static void put_rates(rtc_vpx_t *e) {
  static const unsigned percent[RTC_LAYERS_MAX][RTC_LAYERS_MAX] = {{100}, {60, 100}, {40, 60, 100}};
  vpx_codec_enc_cfg_t *c = &e->cfg;
  unsigned kbps = (e->set.bitrate_bps + 500) / 1000;
  c->rc_target_bitrate = kbps;
  c->layer_target_bitrate[0] = c->ss_target_bitrate[0] = kbps;
  if (e->set.layers == 1) return;
  for (uint8_t i = 0; i < e->set.layers; i++) {
    unsigned part = (unsigned)((uint64_t)kbps * percent[e->set.layers - 1][i] / 100);
    c->ts_target_bitrate[i] = c->layer_target_bitrate[i] = part ? part : 1;
  }
}

static void put_layers(rtc_vpx_t *e) {
  vpx_codec_enc_cfg_t *c = &e->cfg;
  if (e->set.layers == 1) return;
  c->ts_number_layers = e->set.layers;
  for (uint8_t i = 0; i < e->set.layers; i++) c->ts_rate_decimator[i] = rtc_layers_decimator(&e->layers, i);
  c->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_BYPASS; /* the flags of each frame say it */
  c->ts_periodicity = 1u << (e->set.layers - 1);
  rtc_layers_t walk = e->layers;
  rtc_layer_frame_t f;
  rtc_layers_begin(&walk);
  for (unsigned i = 0; i < c->ts_periodicity; i++) {
    rtc_layers_next(&walk, i == 0, &f);
    c->ts_layer_id[i] = f.tid;
    rtc_layers_commit(&walk, &f);
  }
}

static int put_duration(rtc_vpx_t *e) {
  e->duration = (vpx_codec_pts_t)(CLOCK_HZ / e->set.fps + 0.5);
  if (e->duration < 1) e->duration = 1;
  return e->lib.control_(&e->ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, intra_percent(e));
}

static int put_screen(rtc_vpx_t *e) {
  bool on = e->set.screen;
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
    svc.max_quantizers[i] = e->set.max_q;
    svc.min_quantizers[i] = e->set.min_q;
    svc.scaling_factor_num[i] = svc.scaling_factor_den[i] = 1;
    svc.speed_per_layer[i] = e->cpu_used;
  }
  int err = e->lib.control_(&e->ctx, VP9E_SET_SVC, 1);
  return err ? err : (int)e->lib.control_(&e->ctx, VP9E_SET_SVC_PARAMETERS, &svc);
}

static int put_controls(rtc_vpx_t *e) {
  int err = put_speed(e);
  if (!err) err = put_duration(e);
  if (!err && e->codec == RTC_VPX_VP9) {
    int columns = 0;
    while (2u << columns <= e->cfg.g_threads) columns++;
    err = e->lib.control_(&e->ctx, VP9E_SET_TILE_COLUMNS, columns);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_AQ_MODE, 3u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_ROW_MT, 1u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_FRAME_PARALLEL_DECODING, 0u);
    if (!err) err = e->lib.control_(&e->ctx, VP9E_SET_NOISE_SENSITIVITY, e->set.denoise ? 1u : 0u);
    if (!err && e->set.layers > 1) err = put_vp9_layers(e);
  } else if (!err) {
    err = e->lib.control_(&e->ctx, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION);
    if (!err) err = e->lib.control_(&e->ctx, VP8E_SET_NOISE_SENSITIVITY, e->set.denoise ? 1u : 0u);
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
  c->g_w = e->set.width;
  c->g_h = e->set.height;
  c->g_timebase = (vpx_rational_t){1, CLOCK_HZ};
  c->g_threads = threads_for(e);
  c->g_pass = VPX_RC_ONE_PASS;
  c->g_lag_in_frames = 0;
  c->g_error_resilient = e->set.resilient || e->set.layers > 1 ? VPX_ERROR_RESILIENT_DEFAULT : 0;
  c->rc_end_usage = VPX_CBR;
  c->rc_dropframe_thresh = e->set.drop ? DROP_BELOW_PERCENT : 0;
  c->rc_resize_allowed = 0;
  c->rc_min_quantizer = e->set.min_q;
  c->rc_max_quantizer = e->set.max_q;
  c->rc_undershoot_pct = vp8 ? 100 : 50;
  c->rc_overshoot_pct = vp8 ? 15 : 50;
  c->rc_buf_sz = BUFFER_MS;
  c->rc_buf_initial_sz = BUFFER_START_MS;
  c->rc_buf_optimal_sz = BUFFER_AIM_MS;
  c->kf_mode = VPX_KF_DISABLED; /* key frames are asked for */
  put_rates(e);
  put_layers(e);
  err = e->lib.enc_init_ver(&e->ctx, iface, c, 0, VPX_ENCODER_ABI_VERSION);
  if (err) return err_of(err);
  e->open = e->key = true;
  e->cpu_used = 0;
  e->first_w = e->first_h = e->last_w = e->last_h = e->undropped = 0;
  e->time = 0;
  return err_of((vpx_codec_err_t)put_controls(e));
}

rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_vpx_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!good(codec, cfg)) return NULL;
  *err = RTC_ENOMEM;
  rtc_vpx_t *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->codec = codec;
  e->set = *cfg;
  rtc_layers_init(&e->layers, cfg->layers);
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
  if (!good_rate(bitrate_bps, fps)) return RTC_EINVAL;
  if (!e->open) return RTC_ESTATE;
  bool rate = bitrate_bps != e->set.bitrate_bps, more = bitrate_bps > e->set.bitrate_bps, frames = fps < e->set.fps || fps > e->set.fps;
  e->set.bitrate_bps = bitrate_bps;
  e->set.fps = fps;
  int err = frames ? put_duration(e) : VPX_CODEC_OK;
  if (!err && rate) {
    put_rates(e);
    /* What was full for the lower rate is low for the higher one: nothing is left out because of that. */
    if (more && e->set.drop) {
      e->cfg.rc_dropframe_thresh = 0;
      e->undropped = (uint32_t)(fps * RAISE_S) + 1;
    }
    /* What was saved up at the higher rate is not for spending at the lower one. */
    if (!more) e->cfg.rc_buf_sz = BUFFER_AIM_MS;
    err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    if (!err && !more) {
      e->cfg.rc_buf_sz = BUFFER_MS;
      err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    }
  }
  return err_of((vpx_codec_err_t)err);
}

/* VP9 bitstream §7.2: a frame may be predicted from one up to twice and down to a 16th of its size. */
static bool predictable(uint32_t side, uint32_t last) { return 2 * side >= last && side <= 16 * last; }

int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) {
  if (!good_size(width, height)) return RTC_EINVAL;
  if (!e->open) return RTC_ESTATE;
  if (width == e->set.width && height == e->set.height) return e->key;
  e->set.width = width;
  e->set.height = height;
  if (e->codec == RTC_VPX_VP8 || !e->first_w || width > e->first_w || height > e->first_h) {
    int err = open_encoder(e);
    return err < 0 ? err : 1;
  }
  e->cfg.g_w = width;
  e->cfg.g_h = height;
  int err = e->lib.enc_config_set(&e->ctx, &e->cfg);
  if (!err) err = put_speed(e);
  if (err) return err_of((vpx_codec_err_t)err);
  if (!predictable(width, e->last_w) || !predictable(height, e->last_h)) e->key = true;
  if (width != e->last_w || height != e->last_h) rtc_layers_begin(&e->layers);
  return e->key;
}

int rtc_vpx_set_screen(rtc_vpx_t *e, bool on) {
  if (!e->open) return RTC_ESTATE;
  if (on == e->set.screen) return RTC_OK;
  e->set.screen = on;
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
  if (e->set.layers == 1) return VPX_CODEC_OK;
  if (e->codec == RTC_VPX_VP8) return e->lib.control_(&e->ctx, VP8E_SET_TEMPORAL_LAYER_ID, f->tid);
  vpx_svc_layer_id_t id;
  memset(&id, 0, sizeof id);
  id.temporal_layer_id = id.temporal_layer_id_per_spatial[0] = f->tid;
  return e->lib.control_(&e->ctx, VP9E_SET_SVC_LAYER_ID, &id);
}

static int drop_again(rtc_vpx_t *e) {
  if (!e->undropped || --e->undropped) return VPX_CODEC_OK;
  e->cfg.rc_dropframe_thresh = DROP_BELOW_PERCENT;
  return e->lib.enc_config_set(&e->ctx, &e->cfg);
}

static bool take(rtc_vpx_t *e, rtc_layer_frame_t *f, int64_t pts, rtc_vpx_packet_t *out) {
  vpx_codec_iter_t iter = NULL;
  const vpx_codec_cx_pkt_t *p;
  while ((p = e->lib.get_cx_data(&e->ctx, &iter)) && p->kind != VPX_CODEC_CX_FRAME_PKT) {}
  if (!p || !p->data.frame.sz) return false;
  bool key = p->data.frame.flags & VPX_FRAME_IS_KEY;
  if (key != (f->refs == 0)) rtc_layers_next(&e->layers, key, f); /* one that libvpx has made by itself */
  *out = (rtc_vpx_packet_t){.data = p->data.frame.buf, .len = p->data.frame.sz, .pts = pts, .key = key, .layer = *f};
  return true;
}

int rtc_vpx_encode(rtc_vpx_t *e, const rtc_vpx_picture_t *picture, int64_t pts, bool key, rtc_vpx_packet_t *out) {
  if (!e->open) return RTC_ESTATE;
  int width = (int)e->set.width, chroma = (width + 1) / 2;
  if (picture->stride[0] < width || picture->stride[1] < chroma || picture->stride[2] < chroma) return RTC_EINVAL;
  vpx_image_t image;
  uint8_t none = 0;
  if (!e->lib.img_wrap(&image, VPX_IMG_FMT_I420, e->set.width, e->set.height, 1, &none)) return RTC_EINVAL;
  for (int i = 0; i < 3; i++) {
    image.planes[i] = (uint8_t *)(uintptr_t)picture->plane[i]; /* which libvpx does not write to */
    image.stride[i] = picture->stride[i];
  }
  rtc_layer_frame_t f;
  key = key || e->key;
  rtc_layers_next(&e->layers, key, &f);
  int err = drop_again(e);
  if (!err) err = tell_layer(e, &f);
  if (!err) err = e->lib.encode(&e->ctx, &image, e->time, (unsigned long)e->duration, flags_of(e, &f, key), VPX_DL_REALTIME);
  if (err) return err_of((vpx_codec_err_t)err);
  e->time += e->duration;
  if (!e->first_w) {
    e->first_w = e->set.width;
    e->first_h = e->set.height;
  }
  if (!take(e, &f, pts, out)) return 0;
  rtc_layers_commit(&e->layers, &f);
  e->key = false;
  e->last_w = e->set.width;
  e->last_h = e->set.height;
  return 1;
}

#else

int rtc_vpx_version(char *out, size_t cap) { return (void)out, (void)cap, RTC_ESTATE; }

rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_vpx_cfg_t *cfg, int *err) {
  (void)codec, (void)cfg;
  *err = RTC_ESTATE;
  return NULL;
}

void rtc_vpx_free(rtc_vpx_t *e) { (void)e; }
int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps) { return (void)e, (void)bitrate_bps, (void)fps, RTC_ESTATE; }
int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) { return (void)e, (void)width, (void)height, RTC_ESTATE; }
int rtc_vpx_set_screen(rtc_vpx_t *e, bool on) { return (void)e, (void)on, RTC_ESTATE; }

int rtc_vpx_encode(rtc_vpx_t *e, const rtc_vpx_picture_t *picture, int64_t pts, bool key, rtc_vpx_packet_t *out) {
  return (void)e, (void)picture, (void)pts, (void)key, (void)out, RTC_ESTATE;
}

#endif
