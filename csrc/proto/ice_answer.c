/* ice_answer: what the peer's requests and answers bring: triggered checks, peer-reflexive candidates, roles (RFC 8445 §7). */
#include "base/crypto.h"
#include "proto/ice_impl.h"

/* The credentials that guard this request, NULL when its USERNAME is not ours. */
static const rtc_ice_creds_t *creds_of(const rtc_ice_t *c, const rtc_stun_t *m) {
  if (!m->username || !m->has_integrity) return NULL;
  if (rtc_stun_username_is(m, c->creds.local_ufrag, c->creds.remote_ufrag)) return &c->creds;
  return c->has_old && rtc_stun_username_is(m, c->old.local_ufrag, c->old.remote_ufrag) ? &c->old : NULL;
}

int rtc_ice_fits(const rtc_ice_t *c, const rtc_stun_t *m, const rtc_path_t *from) {
  return 4 * rtc_ice_serves(c, from) + 2 * (creds_of(c, m) != NULL) + rtc_ice_was_told(c, &from->remote);
}

/* §7.3.1.1: when both claim one role, the larger tie-breaker is the controlling one. True: the peer has to change. */
static bool peer_must_switch(const rtc_ice_t *c, const rtc_stun_t *m) {
  bool larger = c->tie_breaker >= m->tie_breaker;
  return c->controlling ? m->has_controlling && larger : m->has_controlled && !larger;
}

static void heard(rtc_ice_t *c, const rtc_path_t *from, rtc_time_t now) {
  if (!rtc_ice_on_path(c, from)) return;
  c->heard = now;
  c->asking = c->elsewhere = RTC_NEVER;
  c->lost = false;
}

static int on_request(rtc_ice_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                      size_t *out_len, rtc_time_t now) {
  const rtc_ice_creds_t *creds = creds_of(c, m);
  if (!creds || rtc_stun_check(m, raw, (const uint8_t *)creds->local_pwd, strlen(creds->local_pwd))) return RTC_ICE_DROP;
  int code = m->unknown_n ? RTC_STUN_UNKNOWN_ATTRIBUTE : peer_must_switch(c, m) ? RTC_STUN_ROLE_CONFLICT : 0;
  int n = rtc_stun_answer(m, &from->remote, code, creds->local_pwd, out, cap);
  if (n < 0) return n;
  *out_len = (size_t)n;
  if (code) {
    c->conflicts += code == RTC_STUN_ROLE_CONFLICT;
    return RTC_ICE_DROP;
  }
  if (c->controlling ? m->has_controlling : m->has_controlled) rtc_ice_set_role(c, !c->controlling);
  c->requests++;
  rtc_path_t before = c->path;
  bool had = c->has_path;
  heard(c, from, now);
  if (creds == &c->old) return RTC_ICE_OK;
  rtc_ice_follow(c);
  int i = c->revoked ? -1 : rtc_ice_find(c, from, true, m->priority, now);
  if (i < 0) return RTC_ICE_OK; /* answered, not followed */
  rtc_ice_pair_t *p = &c->pair[i];
  p->asked_at = now;
  p->requests_in++;
  p->answers_out++;
  bool nominated = m->has_use_candidate && !c->controlling;
  if (nominated) p->wanted_at = now;
  if (nominated && p->state == RTC_PAIR_SUCCEEDED)
    rtc_ice_on_nominated(c, i, now);
  else if (nominated)
    p->wanted = true;
  rtc_ice_trigger(c, p, now);
  return c->has_path && !(had && rtc_path_eq(&before, &c->path)) ? RTC_ICE_MOVED : RTC_ICE_OK;
}

static int find_transaction(const rtc_ice_t *c, const rtc_stun_t *m, const rtc_path_t *from) {
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (!p->live || !p->sends || memcmp(p->tid, m->tid, sizeof p->tid)) continue;
    rtc_path_t path = rtc_ice_path(c, p);
    return rtc_path_eq(&path, from) ? i : -1; /* symmetric addresses: §7.2.5.2.1 */
  }
  return -1;
}

static int on_error(rtc_ice_t *c, rtc_ice_pair_t *p, uint16_t error, rtc_time_t now) {
  if (error == RTC_STUN_ROLE_CONFLICT) { /* §7.2.5.1 */
    c->conflicts++;
    if (c->controlling == p->as_controlling) rtc_ice_set_role(c, !c->controlling);
    c->tie_breaker = rtc_ice_random(c);
    rtc_ice_start(c, p, now);
  } else if (p->state != RTC_PAIR_SUCCEEDED) {
    p->live = p->triggered = false;
    p->state = RTC_PAIR_FAILED;
  }
  rtc_ice_plan(c);
  return RTC_ICE_DROP;
}

static int on_answer(rtc_ice_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, rtc_time_t now) {
  int i = c->revoked ? -1 : find_transaction(c, m, from);
  const char *pwd = c->creds.remote_pwd;
  if (i < 0 || rtc_stun_check(m, raw, (const uint8_t *)pwd, strlen(pwd))) return RTC_ICE_DROP;
  rtc_ice_pair_t *p = &c->pair[i];
  if (m->type == RTC_STUN_BINDING_ERROR) return on_error(c, p, m->error, now);
  if (m->unknown_n || !m->has_mapped) return RTC_ICE_DROP;
  bool nominating = p->nominating, had = c->has_path;
  rtc_path_t before = c->path;
  if (p->sends == 1) c->rtt_us = p->rtt_us = now - p->sent;
  p->rtt_sum_us += p->rtt_us ? p->rtt_us : now - p->sent;
  c->answers++;
  p->answers_in++;
  p->live = p->nominating = p->triggered = false;
  p->state = RTC_PAIR_SUCCEEDED;
  p->answered = now;
  rtc_ice_follow(c);
  rtc_ice_seen_as(c, p, &m->mapped);
  rtc_ice_thaw(c, p);
  rtc_ice_on_valid(c, i, nominating, now);
  rtc_ice_plan(c);
  return c->has_path && !(had && rtc_path_eq(&before, &c->path)) ? RTC_ICE_MOVED : RTC_ICE_OK;
}

int rtc_ice_on_stun(rtc_ice_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                    size_t *out_len, rtc_time_t now) {
  *out_len = 0;
  switch (m->type) {
    case RTC_STUN_BINDING_REQUEST:
      return on_request(c, m, raw, from, out, cap, out_len, now);
    case RTC_STUN_BINDING_SUCCESS:
    case RTC_STUN_BINDING_ERROR:
      return on_answer(c, m, raw, from, now);
    default: /* indications keep a NAT open and prove nothing */
      return RTC_ICE_DROP;
  }
}

/* Who sends by one pair alone has left the chosen one, if that does not answer any more; and the one of before a restart in any case. */
static void heard_elsewhere(rtc_ice_t *c, const rtc_path_t *from, rtc_time_t now) {
  bool before = c->has_path && c->selected < 0;
  if (!before && (c->elsewhere != RTC_NEVER || !c->nominated || c->selected < 0)) return;
  int i = rtc_ice_find(c, from, false, 0, now);
  if (i < 0 || c->pair[i].state != RTC_PAIR_SUCCEEDED) return;
  if (before) {
    if (!c->pair[i].nominating) rtc_ice_select(c, i, false, now); /* else that goes on */
    return;
  }
  c->elsewhere = now;
  rtc_ice_plan(c);
}

void rtc_ice_on_heard(rtc_ice_t *c, const rtc_path_t *from, rtc_time_t now) {
  if (!rtc_ice_on_path(c, from)) {
    heard_elsewhere(c, from, now);
    return;
  }
  heard(c, from, now);
  rtc_time_t gap = rtc_time_min(now - c->flowed, RTC_MS(RTC_ICE_SILENT_MS));
  c->gap_us += (gap - c->gap_us) / 16;
  c->flowed = now;
}
