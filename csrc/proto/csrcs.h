/* csrcs: whose media a mixer has put into one stream (RFC 3550 §5.1), and how loud each was (RFC 6465). Does not know packets. Guarantee:
 * each source once, newest first, RTC_CSRCS_MAX at most: with more the longest silent ones are forgotten. */
#ifndef RTC_PROTO_CSRCS_H
#define RTC_PROTO_CSRCS_H

#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

enum { RTC_CSRCS_MAX = 32, RTC_CSRC_NO_LEVEL = -1 };
#define RTC_CSRCS_US RTC_SEC(10) /* W3C webrtc §5.3: how long one is told of */

typedef struct rtc_csrc {
  rtc_time_t at; /* when media of it came last */
  uint32_t id, ts;
  int16_t level; /* -dBov, 0 to 127; RTC_CSRC_NO_LEVEL: not said */
} rtc_csrc_t;

typedef struct rtc_csrcs {
  uint32_t n;
  rtc_csrc_t v[RTC_CSRCS_MAX];
} rtc_csrcs_t;

/* The list of one packet: n of four bytes each as they stand in it, and levels_n of the bytes of RFC 6465, which belong to the first of
 * them. */
void rtc_csrcs_on(rtc_csrcs_t *s, const uint8_t *list, size_t n, const uint8_t *levels, size_t levels_n, uint32_t ts, rtc_time_t at);
/* How many are not older than RTC_CSRCS_US: those in front. */
uint32_t rtc_csrcs_n(const rtc_csrcs_t *s, rtc_time_t now);

#endif
