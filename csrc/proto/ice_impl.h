/* ice_impl: what the files of the agent share. */
#ifndef RTC_PROTO_ICE_IMPL_H
#define RTC_PROTO_ICE_IMPL_H

#include <string.h>

#include "proto/ice.h"

/* ice.c */
uint64_t rtc_ice_random(rtc_ice_t *c);
bool rtc_ice_on_path(const rtc_ice_t *c, const rtc_path_t *from);
void rtc_ice_follow(rtc_ice_t *c); /* the peer has used the present credentials: the old ones are gone */

/* ice_list.c: candidates and pairs */
rtc_path_t rtc_ice_path(const rtc_ice_t *c, const rtc_ice_pair_t *p);
/* The pair of this path; learn: made if it is not there, with a peer-reflexive candidate of this priority if need be (§7.3.1.3). -1
 * when there is none. */
int rtc_ice_find(rtc_ice_t *c, const rtc_path_t *from, bool learn, uint32_t priority, rtc_time_t now);
/* The peer sees us at this address: the candidate of ours that has it, learnt if need be (§7.2.5.3.1). */
void rtc_ice_seen_as(rtc_ice_t *c, rtc_ice_pair_t *p, const rtc_addr_t *mapped);
bool rtc_ice_serves(const rtc_ice_t *c, const rtc_path_t *from);   /* it came to a socket of ours */
bool rtc_ice_was_told(const rtc_ice_t *c, const rtc_addr_t *addr); /* a candidate of the peer, told or learnt */
void rtc_ice_sort(rtc_ice_t *c);                                   /* priorities, after a change of role */
void rtc_ice_repair(rtc_ice_t *c, rtc_time_t now);                 /* all pairs anew */

/* ice_check.c: the checklist */
void rtc_ice_trigger(rtc_ice_t *c, rtc_ice_pair_t *p, rtc_time_t now);
void rtc_ice_start(rtc_ice_t *c, rtc_ice_pair_t *p, rtc_time_t now); /* a new transaction, due now */
void rtc_ice_thaw(rtc_ice_t *c, const rtc_ice_pair_t *like);         /* the frozen ones of its foundation */
void rtc_ice_plan(rtc_ice_t *c);                                     /* sets plan_at */

/* ice_choose.c: nomination and consent */
void rtc_ice_select(rtc_ice_t *c, int pair, bool nominated, rtc_time_t now);
void rtc_ice_leave(rtc_ice_t *c, rtc_time_t now);                  /* the chosen pair is no more */
void rtc_ice_on_nominated(rtc_ice_t *c, int pair, rtc_time_t now); /* the controlling peer's word */
void rtc_ice_on_valid(rtc_ice_t *c, int pair, bool nominating, rtc_time_t now);
void rtc_ice_nominate(rtc_ice_t *c, rtc_time_t now); /* starts to, when it is time */
rtc_time_t rtc_ice_nominate_at(const rtc_ice_t *c);
rtc_time_t rtc_ice_keep_at(const rtc_ice_t *c);    /* next check of the chosen pair */
void rtc_ice_kept(rtc_ice_t *c, rtc_time_t now);   /* it has been sent */
void rtc_ice_expire(rtc_ice_t *c, rtc_time_t now); /* what time alone brings */
rtc_time_t rtc_ice_expire_at(const rtc_ice_t *c);

#endif
