/* rxstat: reception statistics of one RTP stream (RFC 3550 §6.4.1, A.1, A.3, A.8): highest number, loss,
 * jitter, and what a report block says. Knows sequence numbers as int64 only. As in the RFC `received` includes
 * duplicates, so that loss can be below zero; they do not count for jitter. */
#ifndef RTC_PROTO_RXSTAT_H
#define RTC_PROTO_RXSTAT_H

#include <stdbool.h>

#include "base/time.h"
#include "base/window.h"
#include "wire/rtcp.h"

typedef struct rtc_rxstat {
  uint32_t clock_rate;
  int64_t first, highest;             /* unwrapped; first -1 before any packet */
  uint64_t received, bytes, repeated; /* packets, payload bytes, duplicates */
  rtc_window_t seen;                  /* to know a duplicate; counts from origin */
  int64_t origin, suspect;            /* suspect: a lone number beyond A.1's limits, not counted so far */
  bool has_suspect;
  int64_t prior_expected;
  uint64_t prior_received;
  double jitter; /* in RTP time units */
  int64_t last_transit;
  int has_transit;
  uint64_t sr_ntp;
  uint32_t sr_rtp;
  rtc_time_t sr_at; /* last sender report; sr_at RTC_NEVER before */
} rtc_rxstat_t;

void rtc_rxstat_init(rtc_rxstat_t *s, uint32_t clock_rate);
/* index is the unwrapped sequence number, ts the unwrapped RTP time. */
void rtc_rxstat_on_packet(rtc_rxstat_t *s, int64_t index, int64_t ts, uint32_t payload_len, rtc_time_t now);
void rtc_rxstat_on_sr(rtc_rxstat_t *s, uint64_t ntp, uint32_t rtp, rtc_time_t now);
/* Fills a report block for `ssrc` and starts the next interval. */
void rtc_rxstat_report(rtc_rxstat_t *s, uint32_t ssrc, rtc_rb_t *out, rtc_time_t now);
int64_t rtc_rxstat_lost(const rtc_rxstat_t *s); /* expected - received, may be below zero */

#endif
