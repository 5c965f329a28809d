#include "proto/consent.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum {
  UFRAG_MIN = 4,
  PWD_MIN = 22,
  ANSWER_MAX = 100,
  ERROR_UNKNOWN_ATTRIBUTE = 420,
  ERROR_ROLE_CONFLICT = 487,
  PACE_MS = 5, /* between first requests of different paths: the least that RFC 8445 §14.2 allows */
};

/* Priority that a peer-reflexive candidate learnt from this check would have: type preference 110, one component
 * (RFC 8445 §7.1.1, §5.1.2). */
static const uint32_t CHECK_PRIORITY = (110u << 24) | (65535u << 8) | 255u;

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

static int texts_new(texts_t *t, const char *lu, const char *lp, const char *ru, const char *rp, bool need_remote) {
  if (!ru) ru = "";
  if (!rp) rp = "";
  if (!lu || !lp || !length_in(lu, UFRAG_MIN, RTC_UFRAG_MAX) || !length_in(lp, PWD_MIN, RTC_PWD_MAX) || strchr(lu, ':')) return RTC_EINVAL;
  bool no_remote = !*ru && !*rp;
  if (no_remote ? need_remote : !length_in(ru, UFRAG_MIN, RTC_UFRAG_MAX) || !length_in(rp, PWD_MIN, RTC_PWD_MAX)) return RTC_EINVAL;
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

/* splitmix64: spreads the caller's random seed over transaction ids and jitter. What guards a check is its
 * MESSAGE-INTEGRITY, so the ids need to be unlike each other, not secret. */
static uint64_t next_random(rtc_consent_t *c) {
  uint64_t x = c->seed += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

int rtc_consent_init(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag, const char *remote_pwd,
                     bool checker, uint64_t seed) {
  memset(c, 0, sizeof *c);
  c->expires = RTC_NEVER;
  c->checker = checker;
  c->seed = seed;
  texts_t t;
  int r = texts_new(&t, local_ufrag, local_pwd, remote_ufrag, remote_pwd, checker);
  if (r) return r;
  texts_take(c, &t);
  c->tie_breaker = next_random(c);
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
  free(c->check);
  memset(c, 0, sizeof *c);
  c->expires = RTC_NEVER;
}

/* Starts a check anew: at once, as fast as at first. */
static void check_start(rtc_consent_t *c, rtc_check_t *k, rtc_time_t at) {
  rtc_put64(k->tid, next_random(c));
  rtc_put32(k->tid + 8, (uint32_t)next_random(c));
  k->at = at;
  k->sends = 0;
  k->wait_ms = RTC_CHECK_FIRST_MS;
  k->live = true;
  k->answered = false;
}

int rtc_consent_restart(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                        const char *remote_pwd) {
  texts_t t;
  int r = texts_new(&t, local_ufrag, local_pwd, remote_ufrag, remote_pwd, c->checker);
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
  for (int i = 0; i < c->check_n; i++) check_start(c, &c->check[i], 0); /* 0: due at the next pop */
  return 0;
}

int rtc_consent_add_path(rtc_consent_t *c, const rtc_path_t *path, rtc_time_t now) {
  if (!c->checker) return RTC_EINVAL;
  for (int i = 0; i < c->check_n; i++)
    if (rtc_path_eq(&c->check[i].path, path)) return 0;
  if (c->check_n == RTC_CHECK_PATHS) return RTC_ENOBUFS;
  if (!c->check && !(c->check = calloc(RTC_CHECK_PATHS, sizeof *c->check))) return RTC_ENOMEM;
  rtc_time_t at = now;
  for (int i = 0; i < c->check_n; i++) {
    const rtc_check_t *k = &c->check[i];
    if (k->live && !k->sends && k->at + RTC_MS(PACE_MS) > at) at = k->at + RTC_MS(PACE_MS);
  }
  rtc_check_t *k = &c->check[c->check_n++];
  k->path = *path;
  check_start(c, k, at);
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

static bool username_is(const rtc_stun_t *m, const char *first, const char *second) {
  size_t a = strlen(first), b = strlen(second);
  if (m->username_len <= a + 1 || memcmp(m->username, first, a) || m->username[a] != ':') return false;
  if (!b) return true; /* the peer's part is not known yet */
  return m->username_len == a + 1 + b && !memcmp(m->username + a + 1, second, b);
}

/* The password that guards this request, NULL when its USERNAME is not ours. */
static const char *password_for(const rtc_consent_t *c, const rtc_stun_t *m, bool *old) {
  *old = false;
  if (!m->username || !m->has_integrity) return NULL;
  if (username_is(m, c->local_ufrag, c->remote_ufrag)) return c->local_pwd;
  *old = c->old_local_ufrag && username_is(m, c->old_local_ufrag, c->old_remote_ufrag);
  return *old ? c->old_local_pwd : NULL;
}

/* The answer to an authenticated request: its length, or RTC_ENOBUFS. code 0 is success. */
static int write_answer(const rtc_stun_t *m, const rtc_path_t *from, int code, const char *pwd, uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap < ANSWER_MAX ? cap : ANSWER_MAX);
  rtc_stun_begin(&w, code ? RTC_STUN_BINDING_ERROR : RTC_STUN_BINDING_SUCCESS, m->tid);
  if (code) {
    rtc_stun_put_error(&w, code, NULL); /* no words: an answer stays short */
  } else {
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &from->remote, m->tid);
  }
  if (code == ERROR_UNKNOWN_ATTRIBUTE) {
    uint8_t list[sizeof m->unknown];
    for (int i = 0; i < m->unknown_n; i++) rtc_put16(list + 2 * i, m->unknown[i]);
    rtc_stun_put(&w, RTC_STUN_A_UNKNOWN, list, 2u * m->unknown_n);
  }
  return rtc_stun_end(&w, (const uint8_t *)pwd, strlen(pwd));
}

/* LITE: which path a valid request leaves chosen (design: latest nomination wins; without one the path moves only
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
  /* A lite agent is always controlled, a checker always controlling: the peer has to change its role. */
  bool conflict = c->checker ? m->has_controlling : m->has_controlled;
  int code = m->unknown_n ? ERROR_UNKNOWN_ATTRIBUTE : conflict ? ERROR_ROLE_CONFLICT : 0;
  int n = write_answer(m, from, code, pwd, out, cap);
  if (n < 0) return n;
  *out_len = (size_t)n;
  if (code) {
    c->conflicts += code == ERROR_ROLE_CONFLICT;
    return RTC_CONSENT_DROP;
  }
  c->requests++;
  if (!old && !c->used) {
    c->used = true;
    drop_old(c);
  }
  if (c->checker) { /* a full peer's own checks show where it is, but what we choose is what answers us (RFC 8445 §7.3.1.3) */
    if (!c->has_path && c->check_n < RTC_CHECK_PATHS) return rtc_consent_add_path(c, from, now) ? RTC_CONSENT_DROP : RTC_CONSENT_OK;
    rtc_consent_on_heard(c, from, now);
    return RTC_CONSENT_OK;
  }
  int result = follow(c, from, m->has_use_candidate, now);
  note_valid(c, from);
  if (on_path(c, from)) renew(c, now);
  return result;
}

/* Between requests that keep consent: 5 s, ± 20 % so that many peers do not beat together (RFC 7675 §5.1). */
static rtc_time_t keep_interval(rtc_consent_t *c) {
  uint64_t permille = 800 + next_random(c) % 401;
  return (rtc_time_t)(permille * RTC_CHECK_KEEP_MS);
}

/* When a check is due. The chosen path earlier when what flowed in on it besides answers has stopped: our own address may be another one
 * by now (a NAT has forgotten us), and the peer learns the new one by a check alone. */
static rtc_time_t due_at(const rtc_consent_t *c, const rtc_check_t *k) {
  bool flowed = c->used && on_path(c, &k->path) && c->heard > c->expires - RTC_MS(RTC_CONSENT_MS);
  if (!flowed) return k->at;
  rtc_time_t silent = c->heard + RTC_MS(RTC_CHECK_SILENT_MS), again = k->sent + RTC_MS(RTC_CHECK_MAX_MS);
  return rtc_time_min(k->at, silent > again ? silent : again);
}

static rtc_check_t *find_check(rtc_consent_t *c, const rtc_stun_t *m, const rtc_path_t *from) {
  for (int i = 0; i < c->check_n; i++) {
    rtc_check_t *k = &c->check[i];
    if (k->sends && !memcmp(k->tid, m->tid, sizeof k->tid)) return rtc_path_eq(&k->path, from) ? k : NULL;
  }
  return NULL;
}

static int on_answer(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, rtc_time_t now) {
  rtc_check_t *k = c->checker ? find_check(c, m, from) : NULL; /* symmetric addresses: RFC 8445 §7.2.5.2.1 */
  if (!k || rtc_stun_check(m, raw, (const uint8_t *)c->remote_pwd, strlen(c->remote_pwd))) return RTC_CONSENT_DROP;
  if (m->type == RTC_STUN_BINDING_ERROR) {
    c->conflicts += m->error == ERROR_ROLE_CONFLICT;
    return RTC_CONSENT_DROP;
  }
  if (m->unknown_n || k->answered) return RTC_CONSENT_DROP;
  c->answers++;
  if (k->sends == 1) c->rtt_us = now - k->sent;
  k->answered = true;
  note_valid(c, from);
  /* A path of before an ICE restart does not hold what answers with the new credentials back. */
  bool first = !c->has_path || !c->used;
  c->used = true;
  drop_old(c);
  if (!first) {
    if (!on_path(c, from)) return RTC_CONSENT_OK;
    renew(c, now);
    k->at = now + keep_interval(c);
    return RTC_CONSENT_OK;
  }
  int result = on_path(c, from) ? RTC_CONSENT_OK : RTC_CONSENT_MOVED;
  move_to(c, from, true);
  renew(c, now);
  for (int i = 0; i < c->check_n; i++) c->check[i].live = false;
  k->live = true;
  /* All requests nominated. If others went out too, the peer's latest nomination may be another path: say it again. */
  k->at = c->check_n > 1 ? now : now + keep_interval(c);
  return result;
}

int rtc_consent_on_stun(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                        size_t *out_len, rtc_time_t now) {
  *out_len = 0;
  switch (m->type) {
    case RTC_STUN_BINDING_REQUEST:
      return on_request(c, m, raw, from, out, cap, out_len, now);
    case RTC_STUN_BINDING_SUCCESS:
    case RTC_STUN_BINDING_ERROR:
      return on_answer(c, m, raw, from, now);
    default: /* indications keep a NAT open and prove nothing */
      return RTC_CONSENT_DROP;
  }
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

static int write_check(const rtc_consent_t *c, const rtc_check_t *k, uint8_t *out, size_t cap) {
  uint8_t name[RTC_UFRAG_MAX * 2 + 1], number[8];
  rtc_wr_t user = rtc_wr(name, sizeof name);
  rtc_wr_bytes(&user, c->remote_ufrag, strlen(c->remote_ufrag));
  rtc_wr8(&user, ':');
  rtc_wr_bytes(&user, c->local_ufrag, strlen(c->local_ufrag));
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, k->tid);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, name, rtc_wr_len(&user));
  rtc_put64(number, c->tie_breaker);
  rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, number, 8);
  rtc_put32(number, CHECK_PRIORITY);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, number, 4);
  rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  return rtc_stun_end(&w, (const uint8_t *)c->remote_pwd, strlen(c->remote_pwd));
}

int rtc_consent_pop(rtc_consent_t *c, uint8_t *out, size_t cap, rtc_path_t *path, rtc_time_t now) {
  if (c->used && rtc_consent_expired(c, now)) return 0; /* nothing more goes out before an ICE restart (RFC 7675 §5.1) */
  for (int i = 0; i < c->check_n; i++) {
    rtc_check_t *k = &c->check[i];
    if (!k->live || due_at(c, k) > now) continue;
    /* Consent is kept by a fresh transaction each time, a first check by repeating one (RFC 7675 §5.1, RFC 8489 §6.2.1). */
    bool keeping = on_path(c, &k->path) && c->used;
    if (keeping && (k->answered || k->at <= now)) check_start(c, k, now); /* what silence asks is repeated: its answer may take long */
    if (!k->sends) k->since = now;
    if (!keeping && now - k->since >= RTC_MS(RTC_CONSENT_MS)) {
      k->live = false;
      continue;
    }
    int n = write_check(c, k, out, cap);
    if (n < 0) return n;
    k->sends++;
    k->sent = now;
    k->at = now + (keeping ? keep_interval(c) : RTC_MS(k->wait_ms));
    k->wait_ms = k->wait_ms * 2 > RTC_CHECK_MAX_MS ? RTC_CHECK_MAX_MS : k->wait_ms * 2;
    *path = k->path;
    return n;
  }
  return 0;
}

bool rtc_consent_expired(const rtc_consent_t *c, rtc_time_t now) { return now >= c->expires; }

rtc_time_t rtc_consent_next_at(const rtc_consent_t *c) {
  rtc_time_t at = c->expires;
  for (int i = 0; i < c->check_n; i++)
    if (c->check[i].live) at = rtc_time_min(at, due_at(c, &c->check[i]));
  return at;
}
