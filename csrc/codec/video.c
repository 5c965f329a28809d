#include "codec/video.h"

enum { RAISE_S = 4 };

bool rtc_video_good_rate(uint32_t bitrate_bps, double fps) {
  return bitrate_bps >= RTC_VIDEO_BPS_MIN && bitrate_bps <= RTC_VIDEO_BPS_MAX && fps > 0 && fps <= 1000;
}

bool rtc_video_good_size(uint32_t width, uint32_t height) {
  return width >= 1 && height >= 1 && width <= RTC_VIDEO_SIDE_MAX && height <= RTC_VIDEO_SIDE_MAX;
}

bool rtc_video_good(const rtc_video_cfg_t *c, int slowest, int quickest) {
  return rtc_video_good_size(c->width, c->height) && rtc_video_good_rate(c->bitrate_bps, c->fps) && c->threads >= 1 &&
         c->threads <= RTC_VIDEO_THREADS_MAX && c->layers >= 1 && c->layers <= RTC_LAYERS_MAX && c->min_q <= c->max_q && c->max_q <= 63 &&
         (c->cpu_used == 0 || (c->cpu_used >= slowest && c->cpu_used <= quickest));
}

static void time_frames(rtc_video_t *v) {
  v->duration = (int64_t)(RTC_VIDEO_CLOCK_HZ / v->set.fps + 0.5);
  if (v->duration < 1) v->duration = 1;
}

void rtc_video_init(rtc_video_t *v, const rtc_video_cfg_t *cfg) {
  *v = (rtc_video_t){.set = *cfg};
  rtc_layers_init(&v->layers, cfg->layers);
  time_frames(v);
}

void rtc_video_begin(rtc_video_t *v) {
  v->key = true;
  v->undropped = 0;
  v->time = 0;
}

unsigned rtc_video_threads(const rtc_video_t *v) {
  uint64_t pixels = (uint64_t)v->set.width * v->set.height;
  unsigned useful = pixels >= 1920 * 1080 ? 8 : pixels >= 1280 * 720 ? 4 : pixels > 640 * 360 ? 2 : 1;
  return v->set.threads < useful ? v->set.threads : useful;
}

int rtc_video_columns(unsigned threads) {
  int columns = 0;
  while (2u << columns <= threads) columns++;
  return columns;
}

unsigned rtc_video_kbps(const rtc_video_t *v, uint8_t tid) {
  static const unsigned percent[RTC_LAYERS_MAX][RTC_LAYERS_MAX] = {{100}, {60, 100}, {40, 60, 100}};
  unsigned kbps = (v->set.bitrate_bps + 500) / 1000;
  unsigned part = (unsigned)((uint64_t)kbps * percent[v->set.layers - 1][tid] / 100);
  return part ? part : 1;
}

unsigned rtc_video_intra_percent(const rtc_video_t *v) {
  double percent = 0.5 * RTC_VIDEO_AIM_MS * v->set.fps / 10;
  return percent < 300 ? 300 : (unsigned)percent;
}

int rtc_video_set_rate(rtc_video_t *v, uint32_t bitrate_bps, double fps) {
  if (!rtc_video_good_rate(bitrate_bps, fps)) return RTC_EINVAL;
  int changed = bitrate_bps > v->set.bitrate_bps ? RTC_VIDEO_MORE : bitrate_bps < v->set.bitrate_bps ? RTC_VIDEO_LESS : 0;
  if (fps < v->set.fps || fps > v->set.fps) changed |= RTC_VIDEO_FPS;
  v->set.bitrate_bps = bitrate_bps;
  v->set.fps = fps;
  time_frames(v);
  /* What was full for the lower rate is low for the higher one: nothing is left out because of that. */
  if ((changed & RTC_VIDEO_MORE) && v->set.drop) v->undropped = (uint32_t)(fps * RAISE_S) + 1;
  return changed;
}

bool rtc_video_drops_again(rtc_video_t *v) { return v->undropped && --v->undropped == 0; }

int rtc_video_check(const rtc_video_t *v, const rtc_video_picture_t *picture) {
  int width = (int)v->set.width, chroma = (width + 1) / 2;
  return picture->stride[0] < width || picture->stride[1] < chroma || picture->stride[2] < chroma ? RTC_EINVAL : RTC_OK;
}
