/* video: what encoders of live pictures have in common, whatever library encodes: what is asked of them, a picture, a packet,
 * and those parts of keeping to a rate that go by size and time alone. Knows no library. */
#ifndef RTC_CODEC_VIDEO_H
#define RTC_CODEC_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/layers.h"

enum { RTC_VIDEO_SIDE_MAX = 16383, RTC_VIDEO_THREADS_MAX = 16, RTC_VIDEO_BPS_MIN = 1000, RTC_VIDEO_BPS_MAX = 1000000000 };

typedef struct rtc_video_cfg {
  uint32_t width, height; /* 1 to RTC_VIDEO_SIDE_MAX */
  uint32_t bitrate_bps;   /* RTC_VIDEO_BPS_MIN to RTC_VIDEO_BPS_MAX */
  double fps;             /* above 0, to 1000 */
  uint8_t threads;        /* at most so many; fewer for small pictures. To RTC_VIDEO_THREADS_MAX */
  uint8_t layers;         /* temporal: 1 to RTC_LAYERS_MAX */
  uint8_t min_q, max_q;   /* quantizer: 0 to 63, 63 the coarsest */
  int8_t cpu_used;        /* 0: by the size. VP8: -16 to 16, VP9: -9 to 9, AV1: 5 to 10, the further from 0 the quicker */
  bool screen;            /* text and sharp edges, mostly still */
  bool resilient;         /* a frame needs no statistics of those before it; always so of VP8 and VP9 with layers */
  bool drop;              /* pictures may be left out where the rate cannot be kept to otherwise */
  bool denoise;
} rtc_video_cfg_t;

/* I420. Read during the call alone. */
typedef struct rtc_video_picture {
  const uint8_t *plane[3];
  int stride[3];
} rtc_video_picture_t;

typedef struct rtc_video_packet {
  const uint8_t *data; /* the encoder's, until its next call */
  size_t len;
  int64_t pts;
  bool key;
  rtc_layer_frame_t layer;
} rtc_video_packet_t;

/* --- Inside codec only ---------------------------------------------------------------------------------------------- */

/* Rate control as WebRTC's encoders have it: a second of buffer. */
enum { RTC_VIDEO_CLOCK_HZ = 90000, RTC_VIDEO_BUFFER_MS = 1000, RTC_VIDEO_AIM_MS = 600, RTC_VIDEO_DROP_PERCENT = 30 };

typedef struct rtc_video {
  rtc_video_cfg_t set;
  rtc_layers_t layers;
  bool key;               /* the next frame is one */
  uint32_t undropped;     /* pictures until those that are too many are left out again */
  int64_t time, duration; /* the library's clock, which goes by the frame rate alone */
} rtc_video_t;

bool rtc_video_good_size(uint32_t width, uint32_t height);
bool rtc_video_good_rate(uint32_t bitrate_bps, double fps);
/* cpu_used goes from slowest to quickest, or is 0. */
bool rtc_video_good(const rtc_video_cfg_t *c, int slowest, int quickest);

void rtc_video_init(rtc_video_t *v, const rtc_video_cfg_t *cfg);
/* The library's encoder is a new one. */
void rtc_video_begin(rtc_video_t *v);

unsigned rtc_video_threads(const rtc_video_t *v);
/* Of columns of tiles, each a thread's: the logarithm. */
int rtc_video_columns(unsigned threads);
/* Of the frames up to layer tid. */
unsigned rtc_video_kbps(const rtc_video_t *v, uint8_t tid);
/* What a key frame may take at most, in percent of a frame's part of the rate: half of what the buffer aims at. */
unsigned rtc_video_intra_percent(const rtc_video_t *v);

/* Bits of what has changed; RTC_EINVAL and nothing has. */
enum { RTC_VIDEO_FPS = 1, RTC_VIDEO_LESS = 2, RTC_VIDEO_MORE = 4 };
int rtc_video_set_rate(rtc_video_t *v, uint32_t bitrate_bps, double fps);
/* Another picture comes: whether those that are too many are left out again from it on. */
bool rtc_video_drops_again(rtc_video_t *v);

/* RTC_EINVAL for strides below the width. */
RTC_MUST_USE int rtc_video_check(const rtc_video_t *v, const rtc_video_picture_t *picture);

#endif
