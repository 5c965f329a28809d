#include "codec/aom.h"

#if RTC_HAVE_AOM

#define AOM_DISABLE_CTRL_TYPECHECKS 1

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
#include <stdlib.h>
#include <string.h>

#include "codec/aom_lib.h"
#include "codec/lib.h"

enum { BUFFER_START_MS = 600, SLOWEST = 5, QUICKEST = 10 };

struct rtc_aom {
  rtc_aom_lib_t lib;
  aom_codec_ctx_t ctx;
  aom_codec_enc_cfg_t cfg;
  rtc_video_t video;
  bool open;
};

int rtc_aom_version(char *out, size_t cap) {
  rtc_aom_lib_t lib;
  int err = rtc_aom_lib_open(&lib);
  if (err < 0) return err;
  err = rtc_lib_say(lib.version_str(), out, cap);
  rtc_aom_lib_close(&lib);
  return err;
}

static int err_of(aom_codec_err_t err) {
  switch (err) {
    case AOM_CODEC_OK:
      return RTC_OK;
    case AOM_CODEC_MEM_ERROR:
      return RTC_ENOMEM;
    case AOM_CODEC_INVALID_PARAM:
    case AOM_CODEC_UNSUP_FEATURE:
      return RTC_EINVAL;
    default:
      return RTC_ESTATE;
  }
}

/* Small pictures have time for a better search. */
static int cpu_used_for(const rtc_video_cfg_t *set) {
  if (set->cpu_used) return set->cpu_used;
  uint64_t pixels = (uint64_t)set->width * set->height;
  return pixels <= 320 * 180 ? 8 : pixels <= 640 * 360 ? 9 : 10;
}

/* Tools that cost more time than a live picture has, and statistics told once a frame, as WebRTC's encoder has them. */
static const struct {
  int id, value;
} always[] = {
    {AV1E_SET_AQ_MODE, 3},
    {AV1E_SET_ROW_MT, 1},
    {AV1E_SET_ENABLE_CDEF, 1},
    {AV1E_SET_ENABLE_TPL_MODEL, 0},
    {AV1E_SET_DELTAQ_MODE, 0},
    {AV1E_SET_ENABLE_ORDER_HINT, 0},
    {AV1E_SET_COEFF_COST_UPD_FREQ, 3},
    {AV1E_SET_MODE_COST_UPD_FREQ, 3},
    {AV1E_SET_MV_COST_UPD_FREQ, 3},
    {AV1E_SET_ENABLE_OBMC, 0},
    {AV1E_SET_ENABLE_WARPED_MOTION, 0},
    {AV1E_SET_ENABLE_GLOBAL_MOTION, 0},
    {AV1E_SET_ENABLE_REF_FRAME_MVS, 0},
    {AV1E_SET_ENABLE_CFL_INTRA, 0},
    {AV1E_SET_ENABLE_SMOOTH_INTRA, 0},
    {AV1E_SET_ENABLE_ANGLE_DELTA, 0},
    {AV1E_SET_ENABLE_FILTER_INTRA, 0},
    {AV1E_SET_INTRA_DEFAULT_TX_ONLY, 1},
    {AV1E_SET_DISABLE_TRELLIS_QUANT, 1},
    {AV1E_SET_ENABLE_DIST_WTD_COMP, 0},
    {AV1E_SET_ENABLE_DIFF_WTD_COMP, 0},
    {AV1E_SET_ENABLE_DUAL_FILTER, 0},
    {AV1E_SET_ENABLE_INTERINTRA_COMP, 0},
    {AV1E_SET_ENABLE_INTERINTRA_WEDGE, 0},
    {AV1E_SET_ENABLE_INTRA_EDGE_FILTER, 0},
    {AV1E_SET_ENABLE_INTRABC, 0},
    {AV1E_SET_ENABLE_MASKED_COMP, 0},
    {AV1E_SET_ENABLE_PAETH_INTRA, 0},
    {AV1E_SET_ENABLE_QM, 0},
    {AV1E_SET_ENABLE_RECT_PARTITIONS, 0},
    {AV1E_SET_ENABLE_RESTORATION, 0},
    {AV1E_SET_ENABLE_SMOOTH_INTERINTRA, 0},
    {AV1E_SET_ENABLE_TX64, 0},
    {AV1E_SET_MAX_REFERENCE_FRAMES, 3},
};

static aom_codec_err_t put_screen(rtc_aom_t *e) {
  bool on = e->video.set.screen;
  aom_codec_err_t err = e->lib.control(&e->ctx, AV1E_SET_TUNE_CONTENT, on ? AOM_CONTENT_SCREEN : AOM_CONTENT_DEFAULT);
  return err ? err : e->lib.control(&e->ctx, AV1E_SET_ENABLE_PALETTE, on ? 1 : 0);
}

static aom_codec_err_t put_intra(rtc_aom_t *e) {
  return e->lib.control(&e->ctx, AOME_SET_MAX_INTRA_BITRATE_PCT, rtc_video_intra_percent(&e->video));
}

/* Each layer's rate has those below in it, as libaom counts. */
static aom_codec_err_t put_layers(rtc_aom_t *e) {
  const rtc_video_cfg_t *set = &e->video.set;
  if (set->layers == 1) return AOM_CODEC_OK;
  aom_svc_params_t svc;
  memset(&svc, 0, sizeof svc);
  svc.number_spatial_layers = svc.scaling_factor_num[0] = svc.scaling_factor_den[0] = 1;
  svc.number_temporal_layers = set->layers;
  for (uint8_t i = 0; i < set->layers; i++) {
    svc.min_quantizers[i] = set->min_q;
    svc.max_quantizers[i] = set->max_q;
    svc.layer_target_bitrate[i] = (int)rtc_video_kbps(&e->video, i);
    svc.framerate_factor[i] = rtc_layers_decimator(&e->video.layers, i);
  }
  return e->lib.control(&e->ctx, AV1E_SET_SVC_PARAMS, &svc);
}

static aom_codec_err_t put_controls(rtc_aom_t *e) {
  aom_codec_err_t err = e->lib.control(&e->ctx, AOME_SET_CPUUSED, cpu_used_for(&e->video.set));
  for (size_t i = 0; !err && i < sizeof always / sizeof *always; i++) err = e->lib.control(&e->ctx, always[i].id, always[i].value);
  if (!err) err = e->lib.control(&e->ctx, AV1E_SET_TILE_COLUMNS, rtc_video_columns(e->cfg.g_threads));
  if (!err) err = e->lib.control(&e->ctx, AV1E_SET_NOISE_SENSITIVITY, e->video.set.denoise ? 1u : 0u);
  if (!err) err = put_intra(e);
  if (!err) err = put_layers(e);
  return err ? err : put_screen(e);
}

static int open_encoder(rtc_aom_t *e) {
  const rtc_video_cfg_t *set = &e->video.set;
  aom_codec_iface_t *iface = e->lib.av1_cx();
  if (e->open) e->lib.destroy(&e->ctx);
  e->open = false;
  aom_codec_enc_cfg_t *c = &e->cfg;
  aom_codec_err_t err = e->lib.enc_config_default(iface, c, AOM_USAGE_REALTIME);
  if (err) return err_of(err);
  c->g_w = set->width;
  c->g_h = set->height;
  c->g_timebase = (aom_rational_t){1, RTC_VIDEO_CLOCK_HZ};
  c->g_threads = rtc_video_threads(&e->video);
  c->g_pass = AOM_RC_ONE_PASS;
  c->g_lag_in_frames = 0;
  c->g_error_resilient = set->resilient ? AOM_ERROR_RESILIENT_DEFAULT : 0;
  c->rc_end_usage = AOM_CBR;
  c->rc_dropframe_thresh = set->drop ? RTC_VIDEO_DROP_PERCENT : 0;
  c->rc_resize_mode = 0;
  c->rc_min_quantizer = set->min_q;
  c->rc_max_quantizer = set->max_q;
  c->rc_undershoot_pct = c->rc_overshoot_pct = 100; /* with half of it, layers and 60 pictures a second stay a tenth above the rate */
  c->rc_buf_sz = RTC_VIDEO_BUFFER_MS;
  c->rc_buf_initial_sz = BUFFER_START_MS;
  c->rc_buf_optimal_sz = RTC_VIDEO_AIM_MS;
  c->kf_mode = AOM_KF_DISABLED; /* key frames are asked for */
  c->rc_target_bitrate = rtc_video_kbps(&e->video, (uint8_t)(set->layers - 1));
  err = e->lib.enc_init_ver(&e->ctx, iface, c, 0, AOM_ENCODER_ABI_VERSION);
  if (err) return err_of(err);
  e->open = true;
  rtc_video_begin(&e->video);
  return err_of(put_controls(e));
}

rtc_aom_t *rtc_aom_new(const rtc_video_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!rtc_video_good(cfg, SLOWEST, QUICKEST)) return NULL;
  *err = RTC_ENOMEM;
  rtc_aom_t *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  rtc_video_init(&e->video, cfg);
  *err = rtc_aom_lib_open(&e->lib);
  if (*err == RTC_OK) *err = open_encoder(e);
  if (*err == RTC_OK) return e;
  rtc_aom_free(e);
  return NULL;
}

void rtc_aom_free(rtc_aom_t *e) {
  if (!e) return;
  if (e->open) e->lib.destroy(&e->ctx);
  rtc_aom_lib_close(&e->lib);
  free(e);
}

int rtc_aom_set_rate(rtc_aom_t *e, uint32_t bitrate_bps, double fps) {
  int changed = e->open ? rtc_video_set_rate(&e->video, bitrate_bps, fps) : RTC_ESTATE;
  if (changed < 0) return changed;
  aom_codec_err_t err = changed & RTC_VIDEO_FPS ? put_intra(e) : AOM_CODEC_OK;
  if (!err && (changed & (RTC_VIDEO_LESS | RTC_VIDEO_MORE))) {
    e->cfg.rc_target_bitrate = rtc_video_kbps(&e->video, (uint8_t)(e->video.set.layers - 1));
    if (e->video.undropped) e->cfg.rc_dropframe_thresh = 0;
    /* What was saved up at the higher rate is not for spending at the lower one. */
    if (changed & RTC_VIDEO_LESS) e->cfg.rc_buf_sz = RTC_VIDEO_AIM_MS;
    err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    if (!err) err = put_layers(e);
    if (!err && (changed & RTC_VIDEO_LESS)) {
      e->cfg.rc_buf_sz = RTC_VIDEO_BUFFER_MS;
      err = e->lib.enc_config_set(&e->ctx, &e->cfg);
    }
  }
  return err_of(err);
}

int rtc_aom_set_size(rtc_aom_t *e, uint32_t width, uint32_t height) {
  if (!rtc_video_good_size(width, height)) return RTC_EINVAL;
  if (!e->open) return RTC_ESTATE;
  if (width == e->video.set.width && height == e->video.set.height) return e->video.key;
  e->video.set.width = width;
  e->video.set.height = height;
  int err = open_encoder(e);
  return err < 0 ? err : 1;
}

int rtc_aom_set_screen(rtc_aom_t *e, bool on) {
  if (!e->open) return RTC_ESTATE;
  if (on == e->video.set.screen) return RTC_OK;
  e->video.set.screen = on;
  return open_encoder(e); /* changed under way, coarse pictures of ten times the size come out */
}

/* Buffers of the pattern are libaom's first three, and LAST, GOLDEN and ALTREF the names that they are referred to by. All others
 * stand for the first, which always has a frame of the lowest layer: a decoder wants every name to mean a frame that it has. */
static aom_codec_err_t tell_layer(rtc_aom_t *e, const rtc_layer_frame_t *f) {
  static const int names[RTC_LAYERS_BUFFERS] = {0, 3, 6};
  if (e->video.set.layers == 1) return AOM_CODEC_OK;
  aom_svc_layer_id_t id = {.temporal_layer_id = f->tid};
  aom_svc_ref_frame_config_t frames;
  memset(&frames, 0, sizeof frames);
  for (int b = 0; b < RTC_LAYERS_BUFFERS; b++) {
    frames.ref_idx[names[b]] = b;
    frames.reference[names[b]] = f->uses >> b & 1;
    frames.refresh[b] = f->updates >> b & 1;
  }
  aom_codec_err_t err = e->lib.control(&e->ctx, AV1E_SET_SVC_LAYER_ID, &id);
  return err ? err : e->lib.control(&e->ctx, AV1E_SET_SVC_REF_FRAME_CONFIG, &frames);
}

static aom_codec_err_t drop_again(rtc_aom_t *e) {
  if (!rtc_video_drops_again(&e->video)) return AOM_CODEC_OK;
  e->cfg.rc_dropframe_thresh = RTC_VIDEO_DROP_PERCENT;
  return e->lib.enc_config_set(&e->ctx, &e->cfg);
}

static bool take(rtc_aom_t *e, rtc_layer_frame_t *f, int64_t pts, rtc_video_packet_t *out) {
  static const uint8_t delimiter[] = {0x12, 0}; /* AV1 §5.6: an OBU of that type with a size of 0 */
  aom_codec_iter_t iter = NULL;
  const aom_codec_cx_pkt_t *p;
  while ((p = e->lib.get_cx_data(&e->ctx, &iter)) && p->kind != AOM_CODEC_CX_FRAME_PKT) {}
  if (!p || p->data.frame.sz <= sizeof delimiter) return false;
  const uint8_t *data = p->data.frame.buf;
  size_t before = memcmp(data, delimiter, sizeof delimiter) ? 0 : sizeof delimiter;
  bool key = p->data.frame.flags & AOM_FRAME_IS_KEY;
  if (key != (f->refs == 0)) rtc_layers_next(&e->video.layers, key, f); /* one that libaom has made by itself */
  *out = (rtc_video_packet_t){.data = data + before, .len = p->data.frame.sz - before, .pts = pts, .key = key, .layer = *f};
  return true;
}

int rtc_aom_encode(rtc_aom_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out) {
  rtc_video_t *v = &e->video;
  if (!e->open) return RTC_ESTATE;
  if (rtc_video_check(v, picture) < 0) return RTC_EINVAL;
  aom_image_t image;
  uint8_t none = 0;
  if (!e->lib.img_wrap(&image, AOM_IMG_FMT_I420, v->set.width, v->set.height, 1, &none)) return RTC_EINVAL;
  for (int i = 0; i < 3; i++) {
    image.planes[i] = (uint8_t *)(uintptr_t)picture->plane[i]; /* which libaom does not write to */
    image.stride[i] = picture->stride[i];
  }
  rtc_layer_frame_t f;
  key = key || v->key;
  rtc_layers_next(&v->layers, key, &f);
  aom_codec_err_t err = drop_again(e);
  if (!err) err = tell_layer(e, &f);
  if (!err) err = e->lib.encode(&e->ctx, &image, v->time, (unsigned long)v->duration, key ? AOM_EFLAG_FORCE_KF : 0);
  if (err) return err_of(err);
  v->time += v->duration;
  if (!take(e, &f, pts, out)) return 0;
  rtc_layers_commit(&v->layers, &f);
  v->key = false;
  return 1;
}

#else

int rtc_aom_version(char *out, size_t cap) { return (void)out, (void)cap, RTC_ESTATE; }

rtc_aom_t *rtc_aom_new(const rtc_video_cfg_t *cfg, int *err) {
  (void)cfg;
  *err = RTC_ESTATE;
  return NULL;
}

void rtc_aom_free(rtc_aom_t *e) { (void)e; }
int rtc_aom_set_rate(rtc_aom_t *e, uint32_t bitrate_bps, double fps) { return (void)e, (void)bitrate_bps, (void)fps, RTC_ESTATE; }
int rtc_aom_set_size(rtc_aom_t *e, uint32_t width, uint32_t height) { return (void)e, (void)width, (void)height, RTC_ESTATE; }
int rtc_aom_set_screen(rtc_aom_t *e, bool on) { return (void)e, (void)on, RTC_ESTATE; }

int rtc_aom_encode(rtc_aom_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out) {
  return (void)e, (void)picture, (void)pts, (void)key, (void)out, RTC_ESTATE;
}

#endif
