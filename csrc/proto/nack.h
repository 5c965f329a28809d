/* nack: which packets to ask for again. Owns the list of what is missing; does not know RTCP. Guarantee: a number is asked at most
 * RTC_NACK_TRIES times, first after RTC_NACK_REORDER_US, then not before one round trip has passed, and never when it is more than
 * RTC_NACK_AGE behind; at most RTC_NACK_MAX numbers are followed: beyond, the oldest are given up and want_key is set. RFC 4585 §6.2.1 */
#ifndef RTC_PROTO_NACK_H
#define RTC_PROTO_NACK_H

#include <stdbool.h>

#include "base/time.h"

enum { RTC_NACK_MAX = 256, RTC_NACK_TRIES = 10, RTC_NACK_AGE = 8192, RTC_NACK_REORDER_US = 5000, RTC_NACK_MIN_WAIT_US = 20000 };

typedef struct rtc_nack_item {
  int64_t seq;
  rtc_time_t at; /* when it may be asked next */
  uint8_t tries;
} rtc_nack_item_t;
typedef struct rtc_nack {
  int64_t highest; /* -1 before the first packet */
  int n;
  bool want_key; /* something was given up: ask for a key frame, then clear this */
  uint64_t asked, recovered, given_up;
  rtc_nack_item_t item[RTC_NACK_MAX]; /* ascending by seq */
} rtc_nack_t;

void rtc_nack_init(rtc_nack_t *n);
/* A packet came, by itself or by RTX. */
void rtc_nack_on_packet(rtc_nack_t *n, int64_t seq, rtc_time_t now);
/* A key frame starts at seq: nothing older needs repair. */
void rtc_nack_on_key(rtc_nack_t *n, int64_t seq);
/* Numbers to ask for now, ascending, at most cap; how many. */
int rtc_nack_pop(rtc_nack_t *n, int64_t *seqs, int cap, rtc_time_t rtt_us, rtc_time_t now);
rtc_time_t rtc_nack_next_at(const rtc_nack_t *n);

#endif
