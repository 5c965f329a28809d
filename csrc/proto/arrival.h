/* arrival: which transport-wide numbers came and when, until they are reported (transport-wide-cc-01). Owns a ring of arrival
 * times; does not know RTCP. Guarantee: every received number is reported at least once unless numbers advance by more than
 * RTC_ARRIVAL_MAX between two reports; at half of that a report is due at once; memory is fixed. A report waits a little for packets
 * that come anyway, so that it seldom wakes anybody by itself. */
#ifndef RTC_PROTO_ARRIVAL_H
#define RTC_PROTO_ARRIVAL_H

#include <stdint.h>

#include "base/time.h"

enum {
  RTC_ARRIVAL_MAX = 2048,
  RTC_ARRIVAL_MIN_US = 50000,
  RTC_ARRIVAL_MAX_US = 250000,
  RTC_ARRIVAL_SLACK_US = 40000, /* a picture of 25 a second */
};

typedef struct rtc_arrival {
  int64_t from;    /* first number of the next report, -1 before any */
  int64_t top;     /* highest seen */
  rtc_time_t due;  /* the first packet from then on is reported at once; RTC_NEVER when there is nothing to report */
  rtc_time_t late; /* when there is a report though none came */
  uint8_t fb_count;
  int64_t bytes;                  /* since last_report */
  rtc_time_t last_report;         /* end of the last report, or when counting began after silence; RTC_NEVER before any packet */
  rtc_time_t interval;            /* from one report to the next: feedback takes about 5 % of what is received */
  rtc_time_t at[RTC_ARRIVAL_MAX]; /* ring by number; RTC_NEVER = not seen */
} rtc_arrival_t;

void rtc_arrival_init(rtc_arrival_t *a);
/* `bytes` as on the wire. A late number below `from` makes the next report start there, as libwebrtc does; one that was seen
 * before, or is too old for the ring, changes nothing. */
void rtc_arrival_on_packet(rtc_arrival_t *a, uint16_t seq, uint32_t bytes, rtc_time_t now);
/* Next run to report: first number to *base, up to cap times to at; how many (0: nothing due). Call rtc_arrival_done with how
 * many were written; call again while > 0. */
int rtc_arrival_peek(const rtc_arrival_t *a, uint16_t *base, rtc_time_t *at, int cap, rtc_time_t now);
void rtc_arrival_done(rtc_arrival_t *a, int n, rtc_time_t now);
rtc_time_t rtc_arrival_next_at(const rtc_arrival_t *a);

#endif
