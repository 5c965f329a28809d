/* rtx: repair of what we sent (RFC 4588). Two parts that know nothing of each other: a shared history of a stream's plaintext
 * packets (one a source, whatever the number of viewers), and for each viewer a map from its own numbers to the source's with
 * the times of repair and a budget. Guarantee: a packet is repeated to one viewer at most RTC_RTX_TRIES times and not within
 * RTC_RTX_GAP of the last time; repair stays within RTC_RTX_START bytes and RTC_RTX_PERCENT of what was sent to that viewer: a quarter
 * in all after ten seconds of 2 Mb/s, and enough for an outage in the first ones. */
#ifndef RTC_PROTO_RTX_H
#define RTC_PROTO_RTX_H

#include <stdbool.h>

#include "base/pkt.h"
#include "base/time.h"

enum { RTC_RTX_TRIES = 3, RTC_RTX_PERCENT = 22, RTC_RTX_START = 64 * 1024, RTC_RTX_MIN_GAP_US = 20000, RTC_RTX_MAP = 256 };

/* Shared: packets by source index in a ring of cap (a power of two). Owns one reference each. */
typedef struct rtc_history {
  rtc_pkt_t **v;
  int64_t *index;
  uint32_t cap;
} rtc_history_t;
int rtc_history_init(rtc_history_t *h, uint32_t cap); /* 0 or RTC_EINVAL; memory comes with the first packet */
void rtc_history_clear(rtc_history_t *h);
void rtc_history_put(rtc_history_t *h, int64_t index, rtc_pkt_t *k); /* takes its own reference; memory is out: none */
rtc_pkt_t *rtc_history_get(const rtc_history_t *h, int64_t index);   /* borrowed, NULL when gone */

/* Per viewer. */
typedef struct rtc_rtx_entry {
  int64_t seq, src;
  uint32_t at; /* of the last repair, modulo 2^32 µs: long before that comes round the history has forgotten the packet */
  uint8_t tries;
} rtc_rtx_entry_t; /* seq -1: empty */
typedef struct rtc_rtx {
  rtc_rtx_entry_t *v;                                     /* RTC_RTX_MAP of them, NULL until the first put */
  uint64_t sent_bytes, repaired_bytes, repaired, refused; /* refused: over budget, too soon or too often */
} rtc_rtx_t;
void rtc_rtx_init(rtc_rtx_t *r);
void rtc_rtx_clear(rtc_rtx_t *r);
/* A packet went out under the viewer's number seq, made from the source's src, with `bytes` of payload. 0, RTC_EINVAL (seq < 0) or
 * RTC_ENOMEM. */
int rtc_rtx_put(rtc_rtx_t *r, int64_t seq, int64_t src, uint32_t bytes);
/* The viewer asks for seq: the source's index >= 0 when it may be repeated now (counted as done with the bytes given), else RTC_E*:
 * RTC_EINVAL unknown, RTC_EREPLAY too soon or too often, RTC_ENOBUFS over budget. gap_us: the round trip, at least RTC_RTX_MIN_GAP_US. */
int64_t rtc_rtx_ask(rtc_rtx_t *r, int64_t seq, uint32_t bytes, rtc_time_t gap_us, rtc_time_t now);

#endif
