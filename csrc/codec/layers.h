/* layers: the pattern of temporal layers that a video encoder follows, and which frames each frame was made from. Knows
 * no codec: buffers are bits, an encoder's file makes its own flags of them. Patterns as L1T1, L1T2 and L1T3 of W3C's
 * webrtc-svc: a frame needs none of a higher layer, and without the upper layers half or a quarter of the frames are left. */
#ifndef RTC_CODEC_LAYERS_H
#define RTC_CODEC_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

enum { RTC_LAYERS_MAX = 3, RTC_LAYERS_BUFFERS = 3 };
enum { RTC_BUF_LAST = 1, RTC_BUF_GOLDEN = 2, RTC_BUF_ALT = 4, RTC_BUF_ALL = 7 };

typedef struct rtc_layers {
  uint8_t count, at;                /* at: place in the pattern of the next frame */
  bool anew;                        /* the next frame begins the pattern and all buffers, from the last one of the lowest layer */
  int64_t frames;                   /* that were kept */
  int64_t held[RTC_LAYERS_BUFFERS]; /* number of the frame in each buffer */
} rtc_layers_t;

typedef struct rtc_layer_frame {
  uint8_t tid;
  bool sync;             /* of the layers above the lowest: made from its newest frame alone, as is what comes after (RFC 7741 §4.2, Y) */
  bool droppable;        /* no other frame is made from it */
  bool free;             /* one layer: which buffers are used and filled is the encoder's choice */
  uint8_t uses, updates; /* bits of buffers */
  uint8_t refs;          /* frames that this one was made from ... */
  uint8_t ref[RTC_LAYERS_BUFFERS]; /* ... so many before it, nearest first */
} rtc_layer_frame_t;

/* count 1 to RTC_LAYERS_MAX. */
void rtc_layers_init(rtc_layers_t *l, uint8_t count);
/* All buffers are to be filled anew, because the frames are of another size: the next frame is of the lowest layer. */
void rtc_layers_begin(rtc_layers_t *l);
/* What the next frame is. Nothing changes: the encoder may leave it out. */
void rtc_layers_next(const rtc_layers_t *l, bool key, rtc_layer_frame_t *f);
/* It was made as said. */
void rtc_layers_commit(rtc_layers_t *l, const rtc_layer_frame_t *f);
/* Frames of the lowest layers up to tid are one in so many. */
uint8_t rtc_layers_decimator(const rtc_layers_t *l, uint8_t tid);

#endif
