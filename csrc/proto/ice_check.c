/* ice_check: the checklist: which pair is asked next and when, and the requests (RFC 8445 §6.1.4, §7.2.4, §14). */
#include "proto/ice_impl.h"

enum {
  THAW_SENDS = 3, /* a pair that was asked so often does not hold back the others of its foundation */
  PRFLX = 110,    /* type preference of a candidate that is learnt from a check (RFC 8445 §5.1.2.2) */
  RANKS = 16      /* what is added stays below that of a host */
};

/* §14.3, but from RTC_ICE_RTO_MS: with a third of the datagrams lost each way, half a second and its doubles connect too few in 10 s. */
static uint32_t first_wait(const rtc_ice_t *c) {
  uint32_t n = 0;
  for (int i = 0; i < c->pair_n; i++) n += c->pair[i].state == RTC_PAIR_WAITING || c->pair[i].state == RTC_PAIR_IN_PROGRESS;
  return n * RTC_ICE_TA_MS > RTC_ICE_RTO_MS ? n * RTC_ICE_TA_MS : RTC_ICE_RTO_MS;
}

void rtc_ice_start(rtc_ice_t *c, rtc_ice_pair_t *p, rtc_time_t now) {
  rtc_mark_write(p->tid, rtc_ice_random(c), c->mark, &c->mark_key);
  if (p->state != RTC_PAIR_SUCCEEDED) p->state = RTC_PAIR_IN_PROGRESS;
  p->live = true;
  p->nominating = false;
  p->as_controlling = c->controlling;
  p->sends = 0;
  p->at = p->since = now;
  p->wait_ms = first_wait(c);
}

void rtc_ice_trigger(rtc_ice_t *c, rtc_ice_pair_t *p, rtc_time_t now) {
  if (p->state == RTC_PAIR_SUCCEEDED) return;
  p->triggered = true;
  if (p->state != RTC_PAIR_IN_PROGRESS)
    p->state = RTC_PAIR_WAITING;
  else if (now - p->sent >= RTC_MS(RTC_ICE_TA_MS))
    p->at = now; /* the same transaction: whichever answer comes first holds (§7.3.1.4) */
  rtc_ice_plan(c);
}

void rtc_ice_thaw(rtc_ice_t *c, const rtc_ice_pair_t *like) {
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    if (p->state != RTC_PAIR_FROZEN || c->local[p->local].foundation != c->local[like->local].foundation) continue;
    if (c->remote[p->remote].foundation == c->remote[like->remote].foundation) p->state = RTC_PAIR_WAITING;
  }
}

/* A frozen pair waits for another one of its foundation that is under way or comes before it (§6.1.4.2). */
static bool held_back(const rtc_ice_t *c, const rtc_ice_pair_t *p) {
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *o = &c->pair[i];
    if (o->state != RTC_PAIR_WAITING && (o->state != RTC_PAIR_IN_PROGRESS || o->sends >= THAW_SENDS)) continue;
    if (c->local[o->local].foundation != c->local[p->local].foundation) continue;
    if (c->remote[o->remote].foundation == c->remote[p->remote].foundation) return true;
  }
  return false;
}

/* Once a pair is nominated only what the peer itself has asked for goes on (§8.1.1). */
static bool wanted(const rtc_ice_t *c, const rtc_ice_pair_t *p) { return !c->nominated || p->triggered; }

static bool startable(const rtc_ice_t *c, const rtc_ice_pair_t *p) {
  if (!wanted(c, p)) return false;
  return p->state == RTC_PAIR_WAITING || (p->state == RTC_PAIR_FROZEN && !held_back(c, p));
}

static bool repeated(const rtc_ice_t *c, const rtc_ice_pair_t *p) {
  return p->live && (p->nominating || (p->state == RTC_PAIR_IN_PROGRESS && wanted(c, p)));
}

void rtc_ice_plan(rtc_ice_t *c) {
  c->plan_at = rtc_ice_nominate_at(c);
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (repeated(c, p))
      c->plan_at = rtc_time_min(c->plan_at, p->at);
    else if (c->plan_at > c->pace_at && startable(c, p))
      c->plan_at = c->pace_at;
  }
}

static rtc_ice_pair_t *due_repeat(rtc_ice_t *c, rtc_time_t now) {
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    if (!repeated(c, p) || p->at > now) continue;
    if (now - p->since < RTC_MS(RTC_ICE_GIVE_UP_MS)) return p;
    p->live = p->nominating = p->triggered = false;
    if (i != c->selected) p->state = RTC_PAIR_FAILED; /* the chosen one ends with its consent */
  }
  return NULL;
}

/* What the peer asked for first, then the most important. */
static rtc_ice_pair_t *next_new(rtc_ice_t *c) {
  rtc_ice_pair_t *best = NULL;
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    bool better = !best || (p->triggered != best->triggered ? p->triggered : p->priority > best->priority);
    if (better && startable(c, p)) best = p;
  }
  return best;
}

static int write_check(const rtc_ice_t *c, const rtc_ice_pair_t *p, bool nominate, uint8_t *out, size_t cap) {
  uint8_t name[RTC_ICE_TEXT_MAX * 2 + 1], number[8];
  rtc_wr_t user = rtc_wr(name, sizeof name);
  rtc_wr_bytes(&user, c->creds.remote_ufrag, strlen(c->creds.remote_ufrag));
  rtc_wr8(&user, ':');
  rtc_wr_bytes(&user, c->creds.local_ufrag, strlen(c->creds.local_ufrag));
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, p->tid);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, name, rtc_wr_len(&user));
  rtc_put64(number, c->tie_breaker);
  rtc_stun_put(&w, p->as_controlling ? RTC_STUN_A_CONTROLLING : RTC_STUN_A_CONTROLLED, number, 8);
  /* What a peer-reflexive candidate learnt from this would have: the rest is ours (§7.1.1). */
  rtc_put32(number, ((PRFLX + c->rank) << 24) | (c->local[p->local].priority & 0xffffff));
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, number, 4);
  if (nominate) rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  return rtc_stun_end(&w, (const uint8_t *)c->creds.remote_pwd, strlen(c->creds.remote_pwd));
}

/* The chosen pair's: a fresh transaction each time; what silence asks is repeated, since its answer may take long. A NAT may have moved
 * us: then the peer learns a new candidate from this, and one that goes by priorities alone shall prefer it to the one it had. */
static rtc_ice_pair_t *due_keep(rtc_ice_t *c, rtc_time_t now) {
  if (rtc_ice_keep_at(c) > now) return NULL;
  rtc_ice_pair_t *p = &c->pair[c->selected];
  if (c->asking == RTC_NEVER && p->at > now) c->rank = (c->rank + 1) % RANKS;
  if (!p->live || p->at <= now) rtc_ice_start(c, p, now);
  return p;
}

int rtc_ice_pop(rtc_ice_t *c, uint8_t *out, size_t cap, rtc_path_t *path, rtc_time_t now) {
  if (!rtc_ice_introduced(c)) return 0;
  rtc_ice_expire(c, now);
  if (c->revoked) return 0;
  if (c->started == RTC_NEVER && c->pair_n) c->started = now;
  rtc_ice_nominate(c, now);
  rtc_ice_pair_t *p = due_keep(c, now);
  bool keep = p != NULL;
  if (!p) p = due_repeat(c, now);
  if (!p && now >= c->pace_at) {
    p = next_new(c);
    if (p) {
      rtc_ice_start(c, p, now);
      c->pace_at = now + RTC_MS(RTC_ICE_TA_MS);
    }
  }
  int n = 0;
  if (p) {
    bool nominate = p->as_controlling && (p->nominating || (c->nominated && p == &c->pair[c->selected]));
    n = write_check(c, p, nominate, out, cap);
  }
  if (n > 0) {
    *path = rtc_ice_path(c, p);
    if (p->sends++) p->repeats_out++;
    p->requests_out++;
    p->sent = now;
    if (keep) {
      rtc_ice_kept(c, now);
    } else {
      uint32_t most = first_wait(c) > RTC_ICE_RTO_MAX_MS ? first_wait(c) : RTC_ICE_RTO_MAX_MS;
      p->at = now + RTC_MS(p->wait_ms);
      p->wait_ms = p->wait_ms * 2 > most ? most : p->wait_ms * 2;
    }
  }
  rtc_ice_plan(c);
  return n;
}
