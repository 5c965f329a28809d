#include "proto/consent.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum {
  UFRAG_MIN = 4,
  PWD_MIN = 22,
};

/* A text that is wiped before its memory goes back. */
static void drop_text(char **s) {
  if (*s) rtc_cleanse(*s, strlen(*s));
  free(*s);
  *s = NULL;
}

static char *copy_text(const char *s) {
  size_t n = strlen(s) + 1;
  char *p = malloc(n);
  if (p) memcpy(p, s, n);
  return p;
}

static bool length_in(const char *s, size_t min, size_t max) {
  size_t n = strlen(s);
  return n >= min && n <= max;
}

typedef struct texts {
  char *local_ufrag, *local_pwd, *remote_ufrag, *remote_pwd;
} texts_t;

static int texts_new(texts_t *t, const char *lu, const char *lp, const char *ru, const char *rp) {
  if (!ru) ru = "";
  if (!rp) rp = "";
  if (!lu || !lp || !length_in(lu, UFRAG_MIN, RTC_UFRAG_MAX) || !length_in(lp, PWD_MIN, RTC_PWD_MAX) || strchr(lu, ':')) return RTC_EINVAL;
  bool no_remote = !*ru && !*rp;
  if (!no_remote && (!length_in(ru, UFRAG_MIN, RTC_UFRAG_MAX) || !length_in(rp, PWD_MIN, RTC_PWD_MAX))) return RTC_EINVAL;
  t->local_ufrag = copy_text(lu);
  t->local_pwd = copy_text(lp);
  t->remote_ufrag = copy_text(ru);
  t->remote_pwd = copy_text(rp);
  if (t->local_ufrag && t->local_pwd && t->remote_ufrag && t->remote_pwd) return 0;
  drop_text(&t->local_ufrag);
  drop_text(&t->local_pwd);
  drop_text(&t->remote_ufrag);
  drop_text(&t->remote_pwd);
  return RTC_ENOMEM;
}

static void texts_take(rtc_consent_t *c, const texts_t *t) {
  c->local_ufrag = t->local_ufrag;
  c->local_pwd = t->local_pwd;
  c->remote_ufrag = t->remote_ufrag;
  c->remote_pwd = t->remote_pwd;
}

int rtc_consent_init(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag, const char *remote_pwd) {
  memset(c, 0, sizeof *c);
  c->expires = RTC_NEVER;
  texts_t t;
  int r = texts_new(&t, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
  if (r) return r;
  texts_take(c, &t);
  return 0;
}

static void drop_old(rtc_consent_t *c) {
  drop_text(&c->old_local_ufrag);
  drop_text(&c->old_local_pwd);
  drop_text(&c->old_remote_ufrag);
}

void rtc_consent_clear(rtc_consent_t *c) {
  drop_old(c);
  drop_text(&c->local_ufrag);
  drop_text(&c->local_pwd);
  drop_text(&c->remote_ufrag);
  drop_text(&c->remote_pwd);
  memset(c, 0, sizeof *c);
  c->expires = RTC_NEVER;
}

int rtc_consent_restart(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                        const char *remote_pwd) {
  texts_t t;
  int r = texts_new(&t, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
  if (r) return r;
  if (c->used || !c->old_local_ufrag) {
    drop_old(c);
    c->old_local_ufrag = c->local_ufrag;
    c->old_local_pwd = c->local_pwd;
    c->old_remote_ufrag = c->remote_ufrag;
  } else { /* restarted twice before the peer followed: what it uses are still the old ones */
    drop_text(&c->local_ufrag);
    drop_text(&c->local_pwd);
    drop_text(&c->remote_ufrag);
  }
  drop_text(&c->remote_pwd);
  texts_take(c, &t);
  c->used = false;
  return 0;
}

static bool on_path(const rtc_consent_t *c, const rtc_path_t *from) { return c->has_path && rtc_path_eq(&c->path, from); }

/* Puts `from` at the front of the paths that passed a check; the oldest falls out. */
static void note_valid(rtc_consent_t *c, const rtc_path_t *from) {
  const int cap = (int)(sizeof c->valid / sizeof c->valid[0]);
  int i = 0;
  while (i < c->valid_n && !rtc_path_eq(&c->valid[i], from)) i++;
  if (i == c->valid_n) {
    if (c->valid_n < cap) c->valid_n++;
    i = c->valid_n - 1;
  }
  memmove(c->valid + 1, c->valid, (size_t)i * sizeof c->valid[0]);
  c->valid[0] = *from;
}

static void move_to(rtc_consent_t *c, const rtc_path_t *from, bool nominated) {
  c->path = *from;
  c->has_path = true;
  c->nominated = nominated;
}

/* The peer's proof of this moment that it wants to be sent to at the chosen path. */
static void renew(rtc_consent_t *c, rtc_time_t now) {
  c->heard = now;
  c->expires = now + RTC_MS(RTC_CONSENT_MS);
}

/* The password that guards this request, NULL when its USERNAME is not ours. */
static const char *password_for(const rtc_consent_t *c, const rtc_stun_t *m, bool *old) {
  *old = false;
  if (!m->username || !m->has_integrity) return NULL;
  if (rtc_stun_username_is(m, c->local_ufrag, c->remote_ufrag)) return c->local_pwd;
  *old = c->old_local_ufrag && rtc_stun_username_is(m, c->old_local_ufrag, c->old_remote_ufrag);
  return *old ? c->old_local_pwd : NULL;
}

/* Which path a valid request leaves chosen (design: latest nomination wins; without one the path moves only
 * from where nothing came for RTC_CONSENT_MOVE_MS, so that checks of other pairs do not pull media to and fro). */
static int follow(rtc_consent_t *c, const rtc_path_t *from, bool nominates, rtc_time_t now) {
  if (on_path(c, from)) {
    c->path = *from; /* our own address on it may have changed */
    c->nominated = c->nominated || nominates;
    return RTC_CONSENT_OK;
  }
  if (!nominates && c->has_path && now - c->heard < RTC_MS(RTC_CONSENT_MOVE_MS)) return RTC_CONSENT_OK;
  move_to(c, from, nominates);
  return RTC_CONSENT_MOVED;
}

static int on_request(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                      size_t *out_len, rtc_time_t now) {
  bool old;
  const char *pwd = password_for(c, m, &old);
  if (!pwd || rtc_stun_check(m, raw, (const uint8_t *)pwd, strlen(pwd))) return RTC_CONSENT_DROP;
  /* A lite agent is always controlled: the peer has to change its role. */
  int code = m->unknown_n ? RTC_STUN_UNKNOWN_ATTRIBUTE : m->has_controlled ? RTC_STUN_ROLE_CONFLICT : 0;
  int n = rtc_stun_answer(m, &from->remote, code, pwd, out, cap);
  if (n < 0) return n;
  *out_len = (size_t)n;
  if (code) {
    c->conflicts += code == RTC_STUN_ROLE_CONFLICT;
    return RTC_CONSENT_DROP;
  }
  c->requests++;
  if (!old && !c->used) {
    c->used = true;
    drop_old(c);
  }
  int result = follow(c, from, m->has_use_candidate, now);
  note_valid(c, from);
  if (on_path(c, from)) renew(c, now);
  return result;
}

int rtc_consent_on_stun(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                        size_t *out_len, rtc_time_t now) {
  *out_len = 0;
  /* Answers are to nothing that we asked, and indications keep a NAT open and prove nothing. */
  return m->type == RTC_STUN_BINDING_REQUEST ? on_request(c, m, raw, from, out, cap, out_len, now) : RTC_CONSENT_DROP;
}

void rtc_consent_on_heard(rtc_consent_t *c, const rtc_path_t *from, rtc_time_t now) {
  if (on_path(c, from) && now > c->heard) c->heard = now;
}

bool rtc_consent_knows(const rtc_consent_t *c, const rtc_path_t *from) {
  if (on_path(c, from)) return true;
  for (int i = 0; i < c->valid_n; i++)
    if (rtc_path_eq(&c->valid[i], from)) return true;
  return false;
}

bool rtc_consent_expired(const rtc_consent_t *c, rtc_time_t now) { return now >= c->expires; }

rtc_time_t rtc_consent_next_at(const rtc_consent_t *c) { return c->expires; }
