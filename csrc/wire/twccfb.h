/* twccfb: transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1)
 * as bytes. Arrival times in, run-length and vector chunks out, and back. */
#ifndef RTC_WIRE_TWCCFB_H
#define RTC_WIRE_TWCCFB_H

#include "base/bytes.h"
#include "base/time.h"
#include "wire/rtcp.h"

enum { RTC_TWCC_MAX = 2048 }; /* statuses taken from or put in one message */

/* Writes one feedback for numbers base .. base+n-1; at[i] is the arrival time or RTC_NEVER for "not seen".
 * at[0] need not be received. Writes as many statuses as fit in the room of w and in the wire's limits and returns how many
 * (>= 1), or RTC_ENOBUFS. The first received packet's time sets the reference time (64 ms units); a delta that
 * does not fit 16 bits ends the message before it. */
RTC_MUST_USE int rtc_twccfb_write(rtc_wr_t *w, uint32_t ssrc, uint32_t media, uint16_t base, const rtc_time_t *at, int n, uint8_t fb_count);

typedef struct rtc_twccfb {
  uint16_t base;
  int n;
  uint8_t fb_count;
  int64_t ref_us; /* 24-bit time in 64 ms units, in us */
} rtc_twccfb_t;
/* Reads statuses; at[i] becomes the arrival on the peer's clock in us (ref_us based) or RTC_NEVER. The count is
 * capped by cap and by what the bytes can hold; 0 or RTC_EPROTO. */
RTC_MUST_USE int rtc_twccfb_read(const rtc_rtcp_t *b, rtc_twccfb_t *out, rtc_time_t *at, int cap);

#endif
