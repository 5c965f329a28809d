/* frame: an encoded frame on its way to who wants it, one block of memory with its bytes, and the queue of one receiver's frames.
 * Guarantee: a queue holds at most RTC_FRAMES_MAX frames and RTC_FRAMES_BYTES (one frame at least). At the cap the oldest go, and of video
 * all up to the next key frame with them; when there is none, what comes is refused until one comes. So who slept finds the newest. */
#ifndef RTC_ENGINE_FRAME_H
#define RTC_ENGINE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { RTC_FRAMES_MAX = 64, RTC_FRAMES_BYTES = 4 << 20, RTC_FRAME_NO_LEVEL = -1, RTC_FRAME_NO_ORIENTATION = -1 };

typedef struct rtc_frame {
  struct rtc_frame *next;
  uint32_t receiver, len;
  int64_t ts;    /* RTP time, unwrapped */
  uint64_t lost; /* packets missing before it */
  rtc_time_t at; /* when its last packet came */
  uint8_t codec; /* rtc_codec_t */
  bool video, key;
  int16_t level;       /* of sound, as the peer says it (RFC 6464 §3): voice in bit 7, -dBov below; RTC_FRAME_NO_LEVEL when it does not */
  int16_t orientation; /* of video, as the peer said it last (3GPP TS 26.114 §7.4.5); RTC_FRAME_NO_ORIENTATION before */
  int64_t captured_us; /* when it was captured, since 1970 by its sender's clock; 0: not known yet */
  uint8_t csrc_n;      /* whose media a mixer put into this stream lately: so many rtc_csrc_t behind the frame's len bytes, newest first */
  uint8_t data[];
} rtc_frame_t;

typedef struct rtc_frameq {
  rtc_frame_t *first, *last;
  uint32_t n;
  uint64_t bytes, dropped;
  bool skip; /* until a key frame comes */
} rtc_frameq_t;

/* Takes f over. How many frames were dropped, f perhaps among them. */
uint32_t rtc_frameq_put(rtc_frameq_t *q, rtc_frame_t *f);
/* The oldest, the caller's to free(); NULL when there is none. */
rtc_frame_t *rtc_frameq_get(rtc_frameq_t *q);
void rtc_frameq_clear(rtc_frameq_t *q);

#endif
