/* srflx: which addresses of ours STUN servers see (RFC 8489 Binding, RFC 8445 §5.1.1.2), and keeping those bindings open (§11). Owns
 * queries under way and answered; does not know sockets or candidates. Guarantee: an answer is believed only from the address that was
 * asked, with the transaction id that was sent there, which nobody else can foresee; it makes us send nothing. */
#ifndef RTC_PROTO_SRFLX_H
#define RTC_PROTO_SRFLX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/time.h"
#include "wire/stun.h"

enum {
  RTC_SRFLX_QUERIES = 16, /* of a transport, answered ones that are kept open among them */
  RTC_SRFLX_TA_MS = 50,   /* between first requests (RFC 8445 §14.2) */
  /* RFC 8489 §6.2.1 sends seven requests too, from 500 ms on, each pause twice the last: 39.5 s until it is known that nobody answers, and
   * two losses cost 1.5 s. Gathering is waited for; these seven are over after 5.75 s, and with 30 % lost each way 99 % succeed. */
  RTC_SRFLX_RTO_MS = 250,
  RTC_SRFLX_RTO_MAX_MS = 1000,
  RTC_SRFLX_SENDS = 7,
  RTC_SRFLX_KEEP_MS =
      20000, /* between requests that keep a binding open, +- 25 %: NATs hold UDP for 30 s at least (RFC 4787 REQ-5 has 2 min) */
  RTC_SRFLX_NO_ANSWER = 701, /* as W3C's RTCPeerConnectionIceErrorEvent numbers it */
};

typedef struct rtc_srflx_query {
  uint32_t number;
  rtc_path_t path; /* remote: the server */
  bool asking, known, news, unused;
  uint8_t sends;
  uint16_t error; /* above 0: it is over, the code says why */
  uint8_t tid[RTC_MARK_LEN];
  rtc_time_t at;     /* next request */
  rtc_addr_t mapped; /* when known */
} rtc_srflx_query_t;

typedef struct rtc_srflx {
  int n;
  rtc_srflx_query_t v[RTC_SRFLX_QUERIES];
  rtc_time_t pace_at;
  uint32_t mark;
  rtc_mark_key_t key;
} rtc_srflx_t;

/* mark, key: transaction ids carry this number. */
void rtc_srflx_init(rtc_srflx_t *q, uint32_t mark, const rtc_mark_key_t *key);
/* Asks the server path.remote from path.sock and path.local. number: not 0, and no other query's. A binding that is kept open on this very
 * path is asked anew under the new number. 0, RTC_EINVAL, RTC_ENOBUFS beyond RTC_SRFLX_QUERIES. */
RTC_MUST_USE int rtc_srflx_add(rtc_srflx_t *q, uint32_t number, const rtc_path_t *path, rtc_time_t now);
/* An answer. True when it was to one of these. random: as below. */
bool rtc_srflx_on_stun(rtc_srflx_t *q, const rtc_stun_t *m, const rtc_path_t *from, uint64_t random, rtc_time_t now);
/* Next request that is due: writes it to out, its goal to *path, returns its length; 0 when none is due, RTC_ENOBUFS (cap < 28). Call
 * until 0: it also sees to time-outs. random: unforeseeable, another one for each call. */
RTC_MUST_USE int rtc_srflx_pop(rtc_srflx_t *q, uint64_t random, uint8_t *out, size_t cap, rtc_path_t *path, rtc_time_t now);
rtc_time_t rtc_srflx_next_at(const rtc_srflx_t *q);
/* A binding that is known, told and due to be kept open, from *i on, or NULL. One that nobody uses is kept open once more, since its
 * candidate may be on its way; then it goes. */
const rtc_srflx_query_t *rtc_srflx_due(const rtc_srflx_t *q, int *i, rtc_time_t now);
void rtc_srflx_unused(rtc_srflx_t *q, int *i);
/* What has come out since the last call: true and a copy, of one query. One that is over is gone then. */
bool rtc_srflx_news(rtc_srflx_t *q, rtc_srflx_query_t *out);

#endif
