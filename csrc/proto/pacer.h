/* pacer: when the next packet may leave. A leaky bucket over three classes (audio, repair, video and padding), in this order.
 * Owns queued packets (one reference each) under a cap in bytes. Guarantee: over any span d at least RTC_PACER_BURST_US long,
 * bytes popped <= rate * (d + RTC_PACER_BURST_US) + one packet; audio never waits for another class. At the cap put refuses. */
#ifndef RTC_PROTO_PACER_H
#define RTC_PROTO_PACER_H

#include "base/err.h"
#include "base/pkt.h"
#include "base/time.h"

enum { RTC_PACER_BURST_US = 5000, RTC_PACER_QUEUE_MAX = 512 /* packets a class */ };
typedef enum rtc_pace { RTC_PACE_AUDIO, RTC_PACE_REPAIR, RTC_PACE_VIDEO, RTC_PACE_CLASSES } rtc_pace_t;

typedef struct rtc_pacer {
  int64_t rate_bps;
  rtc_time_t last;
  int64_t credit; /* in byte-microseconds-per-second units: bits * 1e6 */
  struct {
    rtc_pkt_t *first, *last;
    uint32_t n;
  } q[RTC_PACE_CLASSES];
  uint64_t dropped;
} rtc_pacer_t;

void rtc_pacer_init(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now);
void rtc_pacer_clear(rtc_pacer_t *p); /* puts the queued packets back */
void rtc_pacer_set_rate(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now);
/* Queues k (keeps the caller's reference when 0 is returned). RTC_ENOBUFS at the cap: counted, the caller still owns k. */
RTC_MUST_USE int rtc_pacer_put(rtc_pacer_t *p, rtc_pkt_t *k, rtc_pace_t c, rtc_time_t now);
/* Next packet that may leave now, with its class; NULL when none. Ownership passes to the caller. */
rtc_pkt_t *rtc_pacer_pop(rtc_pacer_t *p, rtc_pace_t *c, rtc_time_t now);
rtc_time_t rtc_pacer_next_at(const rtc_pacer_t *p); /* RTC_NEVER when empty */

#endif
