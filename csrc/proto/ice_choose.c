/* ice_choose: which valid pair is used: nomination (RFC 8445 §8), and how long (consent, RFC 7675). */
#include "proto/ice_impl.h"

enum { ANSWER_MS = 100 /* the chosen pair has this long, or twice its round trip, to answer before another takes its place */ };

/* 5 s, +- 20 % so that many peers do not beat together (RFC 7675 §5.1). */
static rtc_time_t keep_interval(rtc_ice_t *c) { return (rtc_time_t)((800 + rtc_ice_random(c) % 401) * RTC_ICE_KEEP_MS); }

/* The peer's proof of this moment that it wants to be sent to. */
static void renew(rtc_ice_t *c, rtc_time_t now) {
  c->heard = now;
  c->expires = now + RTC_MS(RTC_ICE_CONSENT_MS);
  c->asking = c->elsewhere = RTC_NEVER;
  c->lost = c->failed = false;
}

void rtc_ice_select(rtc_ice_t *c, int pair, bool nominated, rtc_time_t now) {
  rtc_ice_pair_t *p = &c->pair[pair];
  c->selected = pair;
  c->path = rtc_ice_path(c, p);
  c->has_path = true;
  c->nominated = nominated;
  p->wanted = false;
  p->at = now + keep_interval(c);
  renew(c, now);
  rtc_ice_plan(c);
}

/* The latest nomination does not win by itself: peers of RFC 5245 nominate all that they check, and mean the best. One that does not win
 * stays wanted, should the chosen pair turn out to be silent. */
void rtc_ice_on_nominated(rtc_ice_t *c, int pair, rtc_time_t now) {
  if (pair == c->selected) {
    c->nominated = true;
    c->pair[pair].wanted = false;
    rtc_ice_plan(c);
    return;
  }
  bool better = !c->nominated || c->pair[pair].priority > c->pair[c->selected].priority;
  if (better || now - c->heard >= RTC_MS(RTC_ICE_SILENT_MS)) {
    rtc_ice_select(c, pair, true, now);
    return;
  }
  c->pair[pair].wanted = true;
  rtc_ice_plan(c);
}

void rtc_ice_on_valid(rtc_ice_t *c, int pair, bool nominating, rtc_time_t now) {
  rtc_ice_pair_t *p = &c->pair[pair];
  if (c->valid_since == RTC_NEVER) c->valid_since = now;
  if (c->controlling && nominating) {
    rtc_ice_select(c, pair, true, now);
  } else if (!c->controlling && p->wanted) {
    rtc_ice_on_nominated(c, pair, now);
  } else if (!c->nominated && pair != c->selected) { /* any valid pair may be used until one is nominated (§12.1) */
    bool before =
        c->has_path && c->selected < 0 && !c->lost && now - c->heard < RTC_MS(RTC_ICE_SILENT_MS); /* that of before a restart lives */
    bool worse = c->has_path && c->selected >= 0 && p->priority <= c->pair[c->selected].priority;
    if (!before && !worse) rtc_ice_select(c, pair, false, now);
  }
  if (pair != c->selected) return;
  renew(c, now);
  p->at = now + keep_interval(c);
}

/* The best valid pair; when one is nominated, only such as answered after the last that was heard on it. */
static int best_valid(const rtc_ice_t *c) {
  int best = -1;
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (p->state != RTC_PAIR_SUCCEEDED || (c->nominated && (i == c->selected || p->answered <= c->heard))) continue;
    if (best < 0 || p->priority > c->pair[best].priority) best = i;
  }
  return best;
}

void rtc_ice_refuse(rtc_ice_t *c, const rtc_path_t *path, rtc_time_t now) {
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    rtc_path_t its = rtc_ice_path(c, p);
    if (!rtc_path_eq(&its, path)) continue;
    p->state = RTC_PAIR_FAILED;
    p->live = p->nominating = p->triggered = p->wanted = false;
    p->asked_at = 0;
  }
  if (rtc_ice_on_path(c, path)) {
    c->has_path = c->nominated = false;
    c->selected = -1;
    int other = best_valid(c);
    if (other >= 0) rtc_ice_select(c, other, false, now);
  }
  rtc_ice_plan(c);
}

/* Until another pair works there is a path that is lost, and consent goes on to run out. What failed before may do on another network. */
void rtc_ice_leave(rtc_ice_t *c, rtc_time_t now) {
  c->nominated = false;
  c->lost = true;
  c->asking = c->valid_since = RTC_NEVER;
  c->selected = -1;
  for (int i = 0; i < c->pair_n; i++)
    if (c->pair[i].state == RTC_PAIR_FAILED) c->pair[i].state = RTC_PAIR_WAITING;
  int other = best_valid(c);
  if (other < 0) return;
  c->valid_since = now;
  rtc_ice_select(c, other, false, now);
}

/* The best pair that the peer has nominated after the last that was heard on the chosen one, within a second of what flowed there: the
 * peer may have noticed the silence a little before us. */
static int best_wanted(const rtc_ice_t *c) {
  int best = -1;
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (p->state != RTC_PAIR_SUCCEEDED || !p->wanted || i == c->selected || p->wanted_at <= c->heard) continue;
    if (p->wanted_at - c->flowed >= RTC_MS(RTC_ICE_SILENT_MS)) continue;
    if (best < 0 || p->priority > c->pair[best].priority) best = i;
  }
  return best;
}

/* How long a question needs, at most a second. */
static rtc_time_t answer_at(const rtc_ice_t *c) {
  int64_t wait = c->pair[c->selected].rtt_us * 2;
  if (wait < RTC_MS(ANSWER_MS)) wait = RTC_MS(ANSWER_MS);
  if (wait > RTC_MS(RTC_ICE_SILENT_MS)) wait = RTC_MS(RTC_ICE_SILENT_MS);
  return c->asking + wait;
}

/* A chosen pair that is asked in vain may be dead: a NAT has moved one of us. That takes a second, unless what flowed on it has stopped for
 * one already, or flows by another pair: then it is time for an answer. */
static rtc_time_t leave_at(const rtc_ice_t *c) {
  if (c->flowed <= c->pair[c->selected].answered && c->elsewhere == RTC_NEVER) return c->asking + RTC_MS(RTC_ICE_SILENT_MS);
  rtc_time_t asked = answer_at(c), silent = c->heard + RTC_MS(RTC_ICE_SILENT_MS);
  return silent > asked && c->elsewhere == RTC_NEVER ? silent : asked;
}

/* The controlled side's: a pair that the peer nominated, or, when the chosen one is asked in vain for long, one that it asks by itself: a
 * NAT has moved the peer, which need not notice, for its checks are answered as before. Only where more than checks flowed: loss alone
 * can look so. */
static int best_instead(const rtc_ice_t *c, rtc_time_t *at) {
  int best = best_wanted(c);
  *at = c->heard + RTC_MS(RTC_ICE_SILENT_MS);
  if (best >= 0 || c->asking == RTC_NEVER || !c->flowed) return best;
  *at = c->elsewhere == RTC_NEVER ? c->asking + 2 * RTC_MS(RTC_ICE_SILENT_MS) : answer_at(c);
  best = best_valid(c);
  return best >= 0 && c->pair[best].asked_at > c->heard ? best : -1;
}

static bool is_relayed(const rtc_ice_t *c, const rtc_ice_pair_t *p) {
  return c->local[p->local].type == RTC_ICE_RELAY || c->remote[p->remote].type == RTC_ICE_RELAY;
}

/* What is used when nothing else works: while candidates may still come, a better pair is waited for that is not even known. */
static bool last_resort(const rtc_ice_t *c, const rtc_ice_pair_t *p) { return c->local[p->local].tcp || is_relayed(c, p); }

rtc_time_t rtc_ice_nominate_at(const rtc_ice_t *c) {
  if (c->revoked || c->valid_since == RTC_NEVER) return RTC_NEVER;
  if (!c->controlling) {
    rtc_time_t at;
    return c->nominated && c->selected >= 0 && best_instead(c, &at) >= 0 ? at : RTC_NEVER;
  }
  if (c->nominated && c->asking == RTC_NEVER) return RTC_NEVER;
  int best = best_valid(c);
  if (best < 0) return RTC_NEVER;
  bool open = !(c->local_end && c->remote_end) && last_resort(c, &c->pair[best]);
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (p->live && p->nominating) return RTC_NEVER;
    open = open || (p->state <= RTC_PAIR_IN_PROGRESS && p->priority > c->pair[best].priority);
  }
  if (c->nominated) return leave_at(c);
  if (!open) return c->valid_since;
  return c->valid_since + (is_relayed(c, &c->pair[best]) ? RTC_MS(RTC_ICE_RELAY_MS) : RTC_MS(RTC_ICE_NOMINATE_MS));
}

void rtc_ice_nominate(rtc_ice_t *c, rtc_time_t now) {
  if (rtc_ice_nominate_at(c) > now) return;
  if (!c->controlling) {
    rtc_time_t at;
    rtc_ice_on_nominated(c, best_instead(c, &at), now);
    return;
  }
  rtc_ice_pair_t *p = &c->pair[best_valid(c)];
  rtc_ice_start(c, p, now);
  p->nominating = true;
}

/* A pause of screen sharing or of speech costs a check at most once a second. */
static rtc_time_t silence(const rtc_ice_t *c) {
  rtc_time_t least = RTC_MS(RTC_ICE_SILENT_LEAST_MS), most = RTC_MS(RTC_ICE_SILENT_MS), some = c->gap_us * RTC_ICE_SILENT_GAPS;
  return some < least ? least : rtc_time_min(some, most);
}

/* Earlier when what flowed in besides STUN has stopped: our own address may be another one by now, and the peer learns the new one by
 * a check alone. Else a check that is not answered is soon repeated. */
rtc_time_t rtc_ice_keep_at(const rtc_ice_t *c) {
  if (!c->has_path || c->selected < 0) return RTC_NEVER;
  const rtc_ice_pair_t *p = &c->pair[c->selected];
  if (p->live && p->nominating) return RTC_NEVER;
  if (c->flowed > p->answered || c->elsewhere != RTC_NEVER) {
    rtc_time_t silent = c->flowed + silence(c), again = p->sent + RTC_MS(RTC_ICE_RTO_MAX_MS);
    if (p->answered && silent < p->answered + RTC_MS(RTC_ICE_SILENT_MS)) silent = p->answered + RTC_MS(RTC_ICE_SILENT_MS);
    if (c->flowed > p->answered) silent = rtc_time_min(silent, c->elsewhere);
    return rtc_time_min(p->at, silent > again ? silent : again);
  }
  return p->live ? rtc_time_min(p->at, p->sent + RTC_MS(RTC_ICE_SILENT_MS)) : p->at;
}

void rtc_ice_kept(rtc_ice_t *c, rtc_time_t now) {
  rtc_ice_pair_t *p = &c->pair[c->selected];
  p->consents_out++;
  if (p->sends == 1) p->at = now + keep_interval(c);
  if (c->asking == RTC_NEVER) c->asking = now;
}

static bool alive(const rtc_ice_t *c) {
  for (int i = 0; i < c->pair_n; i++)
    if (c->pair[i].state != RTC_PAIR_FAILED) return true;
  return false;
}

static rtc_time_t lost_at(const rtc_ice_t *c) {
  if (!c->has_path || c->lost || c->asking == RTC_NEVER) return RTC_NEVER;
  rtc_time_t silent = c->heard + RTC_MS(RTC_ICE_LOST_MS), asked = c->asking + RTC_MS(RTC_ICE_SILENT_MS);
  return silent > asked ? silent : asked;
}

static rtc_time_t give_up_at(const rtc_ice_t *c) {
  if (c->has_path || c->failed || c->started == RTC_NEVER || alive(c)) return RTC_NEVER;
  return c->started + RTC_MS(RTC_ICE_PATIENCE_MS);
}

rtc_time_t rtc_ice_expire_at(const rtc_ice_t *c) {
  rtc_time_t at = c->has_path ? c->expires : give_up_at(c);
  return rtc_time_min(at, lost_at(c));
}

void rtc_ice_expire(rtc_ice_t *c, rtc_time_t now) {
  if (now >= lost_at(c)) c->lost = true;
  if (c->has_path && now >= c->expires) {
    c->has_path = c->nominated = c->lost = false;
    if (c->selected >= 0) c->revoked = c->failed = true; /* that of before a restart leaves the checks to go on */
  }
  if (now >= give_up_at(c)) c->failed = true;
}
