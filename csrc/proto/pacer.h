/* pacer: when the next packet may leave. A leaky bucket over three classes (audio, repair, video and padding), in this order.
 * Owns queued packets (one reference each) under a cap a class; at the cap put refuses. Guarantees, over any span d at rate r
 * with B = rtc_pacer_burst(r): (1) up to a repair or video packet, bytes popped <= r * d + B + that packet; (2) audio alone
 * <= r * d + B + one packet; (3) audio leaves exactly when it would if it were alone: the others pay for it afterwards. */
#ifndef RTC_PROTO_PACER_H
#define RTC_PROTO_PACER_H

#include "base/err.h"
#include "base/pkt.h"
#include "base/time.h"

enum {
  RTC_PACER_BURST_US = 10000,
  /* A picture leaves as one, which wakes either side once: of a rate that has pictures leave 2.5 times as fast as they come, this is one
   * of ten a second. libwebrtc's burst is as long; the bytes are a fifth of what sockets hold, ours and those of others. */
  RTC_PACER_PICTURE_US = 40000,
  RTC_PACER_PICTURE_BYTES = 100000,
  RTC_PACER_STEP_US = 5000,  /* what leaves together once the burst is used up; half of it, so that a late wake-up loses nothing */
  RTC_PACER_QUEUE_MAX = 512, /* packets a class */
};
typedef enum rtc_pace { RTC_PACE_AUDIO, RTC_PACE_REPAIR, RTC_PACE_VIDEO, RTC_PACE_CLASSES } rtc_pace_t;

typedef struct rtc_pacer {
  int64_t rate_bps;
  rtc_time_t last;
  int64_t credit;       /* of all classes, in bits * 1e6 (rate times microseconds); below zero is debt, above it at most B's worth */
  int64_t audio_credit; /* of audio by itself */
  struct {
    rtc_pkt_t *first, *last;
    uint32_t n;
  } q[RTC_PACE_CLASSES];
  uint64_t dropped;
} rtc_pacer_t;

/* What may leave at once after silence, in bits * 1e6: RTC_PACER_BURST_US of the rate, or RTC_PACER_PICTURE_US of it up to the bytes. */
int64_t rtc_pacer_burst(int64_t rate_bps);
void rtc_pacer_init(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now);
void rtc_pacer_clear(rtc_pacer_t *p); /* puts the queued packets back */
/* A rate of 0 holds everything back. What was earned until now counts at the old rate. */
void rtc_pacer_set_rate(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now);
/* Queues k (keeps the caller's reference when 0 is returned). RTC_ENOBUFS at the cap: counted, the caller still owns k. */
RTC_MUST_USE int rtc_pacer_put(rtc_pacer_t *p, rtc_pkt_t *k, rtc_pace_t c, rtc_time_t now);
/* Next packet that may leave now, with its class; NULL when none. Ownership passes to the caller. */
rtc_pkt_t *rtc_pacer_pop(rtc_pacer_t *p, rtc_pace_t *c, rtc_time_t now);
rtc_time_t rtc_pacer_next_at(const rtc_pacer_t *p); /* RTC_NEVER when empty or held back */

#endif
