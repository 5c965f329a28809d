/* turn_impl: what the files of the client share. */
#ifndef RTC_PROTO_TURN_IMPL_H
#define RTC_PROTO_TURN_IMPL_H

#include <string.h>

#include "proto/turn.h"

/* turn.c */
void rtc_turn_begin(rtc_turn_t *t, rtc_turn_ask_t *a, rtc_time_t now); /* a new transaction, due now */
void rtc_turn_fail(rtc_turn_t *t, int code, const uint8_t *text, size_t n);
void rtc_turn_plan(rtc_turn_t *t); /* sets at */

/* turn_auth.c: credentials. challenge: 1 when the request can be sent anew, 0 when it is of no use, or RTC_EAUTH: the server has refused
 * these credentials. */
int rtc_turn_challenge(rtc_turn_t *t, const rtc_stun_t *m);
void rtc_turn_sign(const rtc_turn_t *t, rtc_wr_t *w); /* the attributes before integrity */
int rtc_turn_end(const rtc_turn_t *t, rtc_wr_t *w);
int rtc_turn_check(const rtc_turn_t *t, const rtc_stun_t *m, const uint8_t *raw);

/* turn_peers.c: permissions and channels. What time brings; then something may be due. */
void rtc_turn_permit_due(rtc_turn_t *t, rtc_turn_permit_t *p, rtc_time_t now);
void rtc_turn_channel_due(rtc_turn_t *t, rtc_turn_channel_t *c, rtc_time_t now);
/* The server has said yes, or no. */
void rtc_turn_permit_answer(rtc_turn_permit_t *p, bool yes, rtc_time_t now);
void rtc_turn_channel_answer(rtc_turn_channel_t *c, bool yes, rtc_time_t now);

#endif
