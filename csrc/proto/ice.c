/* ice: the agent's life: credentials, restarts, role, state. */
#include <stdlib.h>

#include "base/crypto.h"
#include "proto/ice_impl.h"

enum { UFRAG_MIN = 4, PWD_MIN = 22 };

static bool length_in(const char *s, size_t min) {
  size_t n = s ? strlen(s) : 0;
  return n >= min && n <= RTC_ICE_TEXT_MAX;
}

static int creds_set(rtc_ice_creds_t *k, const char *lu, const char *lp, const char *ru, const char *rp) {
  if (!length_in(lu, UFRAG_MIN) || !length_in(lp, PWD_MIN) || strchr(lu, ':')) return RTC_EINVAL;
  bool unknown = !ru[0] && !rp[0]; /* until the peer's description has come */
  if (!unknown && (!length_in(ru, UFRAG_MIN) || !length_in(rp, PWD_MIN))) return RTC_EINVAL;
  memset(k, 0, sizeof *k);
  memcpy(k->local_ufrag, lu, strlen(lu));
  memcpy(k->local_pwd, lp, strlen(lp));
  memcpy(k->remote_ufrag, ru, strlen(ru));
  memcpy(k->remote_pwd, rp, strlen(rp));
  return 0;
}

/* splitmix64: spreads the caller's random seed. What guards a check is its MESSAGE-INTEGRITY, so transaction ids need to be unlike each
 * other, not secret. */
uint64_t rtc_ice_random(rtc_ice_t *c) {
  uint64_t x = c->seed += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

int rtc_ice_init(rtc_ice_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag, const char *remote_pwd,
                 bool controlling, uint64_t seed) {
  memset(c, 0, sizeof *c);
  c->local = c->few_local, c->local_room = RTC_ICE_FEW_LOCAL;
  c->remote = c->few_remote, c->remote_room = RTC_ICE_FEW_REMOTE;
  c->pair = c->few_pairs, c->pair_room = RTC_ICE_FEW_PAIRS;
  c->selected = -1;
  c->gap_us = RTC_MS(RTC_ICE_SILENT_MS);
  c->controlling = controlling;
  c->seed = seed;
  c->elsewhere = c->expires = c->asking = c->started = c->valid_since = c->plan_at = RTC_NEVER;
  c->tie_breaker = rtc_ice_random(c);
  return creds_set(&c->creds, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
}

void rtc_ice_mark(rtc_ice_t *c, uint32_t number, const rtc_mark_key_t *key) {
  c->mark = number;
  c->mark_key = *key;
}

void rtc_ice_clear(rtc_ice_t *c) {
  if (c->local != c->few_local) free(c->local);
  if (c->remote != c->few_remote) free(c->remote);
  if (c->pair != c->few_pairs) free(c->pair);
  rtc_cleanse(c, sizeof *c);
}

void rtc_ice_follow(rtc_ice_t *c) {
  if (c->used) return;
  c->used = true;
  c->has_old = false;
  rtc_cleanse(&c->old, sizeof c->old);
}

/* What was learnt, and connections, are of one session; that of TCP which is in use stays until another path is. */
static bool outlives(const rtc_ice_cand_t *ours) { return ours->type != RTC_ICE_PRFLX && !ours->peer.port; }

int rtc_ice_restart(rtc_ice_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag, const char *remote_pwd,
                    rtc_time_t now) {
  rtc_ice_creds_t next;
  int err = creds_set(&next, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
  if (err < 0) return err;
  if (c->used || !c->has_old) c->old = c->creds; /* else what the peer uses are those of before the last restart */
  c->has_old = true;
  c->used = false;
  c->creds = next;
  rtc_cleanse(&next, sizeof next);
  int was = c->selected >= 0 ? c->selected : c->has_path ? rtc_ice_find(c, &c->path, false, 0, now) : -1;
  rtc_ice_pair_t kept = was >= 0 ? c->pair[was] : (rtc_ice_pair_t){0};
  rtc_path_t path = was >= 0 ? rtc_ice_path(c, &kept) : (rtc_path_t){.sock = 0};
  if (was >= 0) c->remote[0] = c->remote[kept.remote];
  c->remote_n = was >= 0;
  int n = 0;
  for (int i = 0; i < c->local_n; i++)
    if (outlives(&c->local[i]) || (was >= 0 && i == kept.local && c->local[i].tcp)) c->local[n++] = c->local[i];
  c->local_n = n;
  c->selected = -1;
  c->nominated = c->revoked = c->failed = c->local_end = c->remote_end = false;
  c->elsewhere = c->asking = c->started = c->valid_since = RTC_NEVER;
  rtc_ice_repair(c, now);
  if (was >= 0) rtc_ice_find(c, &path, true, 0, now); /* one that was given as a path */
  rtc_ice_plan(c);
  return 0;
}

int rtc_ice_set_remote(rtc_ice_t *c, const char *remote_ufrag, const char *remote_pwd) {
  rtc_ice_creds_t next;
  if (!remote_ufrag[0]) return RTC_EINVAL;
  int err = creds_set(&next, c->creds.local_ufrag, c->creds.local_pwd, remote_ufrag, remote_pwd);
  if (err == 0) c->creds = next;
  rtc_cleanse(&next, sizeof next);
  if (c->pair_n == 0) return err;
  c->started = RTC_NEVER; /* the peer's patience and ours begin together */
  rtc_ice_plan(c);
  return err;
}

void rtc_ice_set_role(rtc_ice_t *c, bool controlling) {
  if (c->controlling == controlling) return;
  c->controlling = controlling;
  rtc_ice_sort(c);
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    p->wanted = p->nominating = false;
    if (p->live && p->state == RTC_PAIR_IN_PROGRESS) p->live = false, p->state = RTC_PAIR_WAITING; /* asked anew, in the new role */
  }
  rtc_ice_plan(c);
}

void rtc_ice_end(rtc_ice_t *c, bool local, bool remote, rtc_time_t now) {
  c->local_end = c->local_end || local;
  c->remote_end = c->remote_end || remote;
  /* Nothing to check, and only a check of the peer's would bring something: not waited for without end. */
  if (c->local_end && c->remote_end && c->started == RTC_NEVER) c->started = now;
}

bool rtc_ice_on_path(const rtc_ice_t *c, const rtc_path_t *from) { return c->has_path && rtc_path_eq(&c->path, from); }

bool rtc_ice_knows(const rtc_ice_t *c, const rtc_path_t *from) {
  if (c->has_path && rtc_path_eq(&c->path, from)) return true;
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    rtc_path_t path = rtc_ice_path(c, p);
    if ((p->asked_at || p->state == RTC_PAIR_SUCCEEDED) && rtc_path_eq(&path, from)) return true;
  }
  return false;
}

rtc_time_t rtc_ice_next_at(const rtc_ice_t *c) {
  if (c->revoked || !rtc_ice_introduced(c)) return RTC_NEVER;
  return rtc_time_min(rtc_time_min(c->plan_at, rtc_ice_keep_at(c)), rtc_ice_expire_at(c));
}

rtc_ice_state_t rtc_ice_state(const rtc_ice_t *c) {
  if (c->failed) return RTC_ICE_FAILED;
  if (!c->has_path) return c->pair_n ? RTC_ICE_CHECKING : RTC_ICE_NEW;
  if (c->lost) return RTC_ICE_DISCONNECTED;
  return c->nominated && c->local_end && c->remote_end ? RTC_ICE_COMPLETED : RTC_ICE_CONNECTED;
}
