/* consent: a lite agent's answers and the path that it follows. */
#include "proto/consent.h"

#include "check.h"

static const char LU[] = "serv", LP[] = "server-password-of-22x", RU[] = "clie", RP[] = "client-password-of-22x";
static const char LU2[] = "srv2", LP2[] = "second-password-of-22xy", RU2[] = "cli2", RP2[] = "second-client-pass-22xy";

static rtc_path_t path(uint16_t port) {
  rtc_path_t p = {.sock = 0};
  if (rtc_addr_parse(&p.remote, "192.0.2.1", port) || rtc_addr_parse(&p.local, "192.0.2.200", 0)) exit(2);
  return p;
}

enum { NOMINATE = 1, CONTROLLED = 2, CONTROLLING = 4, NO_INTEGRITY = 8, UNKNOWN = 16, NO_USERNAME = 32 };

typedef struct msg {
  uint8_t raw[1024];
  size_t n;
  rtc_stun_t m;
} msg_t;

static uint8_t tid_counter;

static void request(msg_t *q, const char *user, const char *pwd, int flags) {
  uint8_t tid[12] = {0}, eight[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  tid[0] = ++tid_counter;
  rtc_wr_t w = rtc_wr(q->raw, sizeof q->raw);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, tid);
  if (!(flags & NO_USERNAME)) rtc_stun_put(&w, RTC_STUN_A_USERNAME, user, strlen(user));
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, eight, 4);
  if (flags & NOMINATE) rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  if (flags & CONTROLLED) rtc_stun_put(&w, RTC_STUN_A_CONTROLLED, eight, 8);
  if (flags & CONTROLLING) rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, eight, 8);
  if (flags & UNKNOWN)
    for (uint16_t i = 0; i < 8; i++) rtc_stun_put(&w, (uint16_t)(0x7100 + i), "x", 1);
  int n = rtc_stun_end(&w, flags & NO_INTEGRITY ? NULL : (const uint8_t *)pwd, strlen(pwd));
  if (n < 0 || rtc_stun_parse(&q->m, q->raw, (size_t)n)) exit(2);
  q->n = (size_t)n;
}

static int feed(rtc_consent_t *c, const msg_t *q, const rtc_path_t *from, msg_t *answer, rtc_time_t now) {
  answer->n = 0;
  int r = rtc_consent_on_stun(c, &q->m, q->raw, from, answer->raw, sizeof answer->raw, &answer->n, now);
  if (answer->n) {
    CHECK(answer->n <= 100);
    CHECK_EQ(rtc_stun_parse(&answer->m, answer->raw, answer->n), 0);
    CHECK_MEM(answer->m.tid, q->m.tid, 12);
  }
  return r;
}

static int ask(rtc_consent_t *c, const char *user, const char *pwd, int flags, uint16_t port, msg_t *answer, rtc_time_t now) {
  msg_t q;
  request(&q, user, pwd, flags);
  rtc_path_t from = path(port);
  return feed(c, &q, &from, answer, now);
}

static void lite(rtc_consent_t *c) {
  if (rtc_consent_init(c, LU, LP, RU, RP)) exit(2);
}
static uint16_t chosen(const rtc_consent_t *c) { return c->has_path ? c->path.remote.port : 0; }

static void texts_are_checked(void) {
  char long_text[300];
  memset(long_text, 'a', sizeof long_text);
  long_text[257] = 0;
  rtc_consent_t c;
  CHECK_EQ(rtc_consent_init(&c, "abc", LP, RU, RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, "short", RU, RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, "ab:cd", LP, RU, RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, NULL, LP, RU, RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, RU, ""), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, "", RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, long_text, LP, RU, RP), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, RU, long_text), RTC_EINVAL);
  long_text[256] = 0;
  CHECK_EQ(rtc_consent_init(&c, long_text, long_text, long_text, long_text), 0);
  rtc_consent_clear(&c);
  rtc_consent_clear(&c);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, NULL, NULL), 0);
  rtc_consent_clear(&c);
}

static void lite_answers(void) {
  rtc_consent_t c;
  msg_t a;
  lite(&c);
  CHECK(!c.has_path && !rtc_consent_expired(&c, RTC_SEC(1000)) && rtc_consent_next_at(&c) == RTC_NEVER);
  CHECK_EQ(ask(&c, "serv:clie", LP, CONTROLLING | NOMINATE, 7, &a, 0), RTC_CONSENT_MOVED);
  CHECK(a.n > 0 && a.m.type == RTC_STUN_BINDING_SUCCESS && a.m.has_fingerprint);
  CHECK_EQ(rtc_stun_check(&a.m, a.raw, (const uint8_t *)LP, strlen(LP)), 0);
  rtc_path_t p = path(7);
  CHECK(a.m.has_mapped && rtc_addr_eq(&a.m.mapped, &p.remote));
  CHECK(chosen(&c) == 7 && c.nominated && c.requests == 1);
  CHECK_EQ(rtc_consent_next_at(&c), RTC_SEC(30));
  rtc_consent_clear(&c);
}

/* Nothing is answered and nothing changes without a valid MESSAGE-INTEGRITY under our name (A4, A6). */
static void lite_is_silent_to_strangers(void) {
  static const struct {
    const char *user, *pwd;
    int flags;
  } table[] = {
      {"serv:clie", LP, NOMINATE | NO_INTEGRITY},
      {"serv:clie", RP, NOMINATE},
      {"serv:clie", "", NOMINATE},
      {"clie:serv", LP, NOMINATE},
      {"serv:clix", LP, NOMINATE},
      {"serv:clie2", LP, NOMINATE},
      {"serv:cli", LP, NOMINATE},
      {"serv:", LP, NOMINATE},
      {"serv", LP, NOMINATE},
      {"ser:clie", LP, NOMINATE},
      {"servclie", LP, NOMINATE},
      {"", LP, NOMINATE},
      {"serv:clie", LP, NOMINATE | NO_USERNAME},
      {"serv:clie", RP, NOMINATE | CONTROLLED},
      {"serv:clie", RP, NOMINATE | UNKNOWN},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    rtc_consent_t c;
    msg_t a;
    lite(&c);
    CHECK_EQ(ask(&c, table[i].user, table[i].pwd, table[i].flags, 7, &a, 0), RTC_CONSENT_DROP);
    CHECK(a.n == 0 && !c.has_path && c.requests == 0 && c.valid_n == 0 && c.expires == RTC_NEVER && !c.used);
    CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 8, &a, 0), RTC_CONSENT_MOVED);
    CHECK_EQ(ask(&c, table[i].user, table[i].pwd, table[i].flags, 9, &a, RTC_SEC(20)), RTC_CONSENT_DROP);
    CHECK(a.n == 0 && chosen(&c) == 8 && c.expires == RTC_SEC(30) && c.valid_n == 1 && c.heard == 0);
    rtc_consent_clear(&c);
  }
  /* An indication, and answers that nobody asked for. */
  static const uint16_t types[] = {RTC_STUN_BINDING_INDICATION, RTC_STUN_BINDING_SUCCESS, RTC_STUN_BINDING_ERROR, 0x0003, 0x3fff};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    rtc_consent_t c;
    msg_t q, a;
    lite(&c);
    request(&q, "serv:clie", LP, NOMINATE);
    q.m.type = types[i];
    rtc_path_t from = path(7);
    CHECK_EQ(feed(&c, &q, &from, &a, 0), RTC_CONSENT_DROP);
    CHECK(a.n == 0 && !c.has_path);
    rtc_consent_clear(&c);
  }
}

static void lite_takes_any_peer_name_until_known(void) {
  rtc_consent_t c;
  msg_t a;
  CHECK_EQ(rtc_consent_init(&c, LU, LP, "", ""), 0);
  CHECK_EQ(ask(&c, "serv:", LP, 0, 7, &a, 0), RTC_CONSENT_DROP);
  CHECK_EQ(ask(&c, "serv:whoever", LP, 0, 7, &a, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(ask(&c, "serv:x:y", LP, 0, 7, &a, 0), RTC_CONSENT_OK);
  rtc_consent_clear(&c);
}

static void lite_errors(void) {
  rtc_consent_t c;
  msg_t a;
  lite(&c);
  CHECK_EQ(ask(&c, "serv:clie", LP, CONTROLLED | NOMINATE, 7, &a, 0), RTC_CONSENT_DROP);
  CHECK(a.n && a.m.type == RTC_STUN_BINDING_ERROR && a.m.error == 487);
  CHECK_EQ(rtc_stun_check(&a.m, a.raw, (const uint8_t *)LP, strlen(LP)), 0);
  CHECK_EQ(c.conflicts, 1);
  CHECK_EQ(ask(&c, "serv:clie", LP, UNKNOWN | NOMINATE, 7, &a, 0), RTC_CONSENT_DROP);
  CHECK(a.n && a.m.type == RTC_STUN_BINDING_ERROR && a.m.error == 420);
  CHECK_EQ(rtc_stun_check(&a.m, a.raw, (const uint8_t *)LP, strlen(LP)), 0);
  uint8_t want[20] = {0x00, 0x0a, 0x00, 0x10}; /* UNKNOWN-ATTRIBUTES right after the error without a reason */
  for (uint16_t i = 0; i < 8; i++) rtc_put16(want + 4 + 2 * i, (uint16_t)(0x7100 + i));
  CHECK_MEM(a.raw + 28, want, sizeof want);
  CHECK(!c.has_path && c.expires == RTC_NEVER && c.valid_n == 0);

  msg_t q;
  uint8_t small[75];
  size_t n = 1;
  request(&q, "serv:clie", LP, NOMINATE);
  rtc_path_t p6 = {.sock = 3};
  CHECK_EQ(rtc_addr_parse(&p6.remote, "2001:db8::1", 7), 0);
  CHECK_EQ(rtc_consent_on_stun(&c, &q.m, q.raw, &p6, small, sizeof small, &n, 0), RTC_ENOBUFS);
  CHECK(n == 0 && !c.has_path && c.requests == 0);
  rtc_consent_clear(&c);
}

static void lite_path_moves(void) {
  rtc_consent_t c;
  msg_t a;
  rtc_path_t p7 = path(7), p8 = path(8), p9 = path(9);
  lite(&c);
  CHECK(!rtc_consent_knows(&c, &p7));
  /* The first valid request chooses, nominated or not. */
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 7, &a, 0), RTC_CONSENT_MOVED);
  CHECK(chosen(&c) == 7 && !c.nominated && rtc_consent_knows(&c, &p7));
  /* Another pair's check leaves it there while it is alive. */
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 8, &a, RTC_MS(900)), RTC_CONSENT_OK);
  CHECK(chosen(&c) == 7 && rtc_consent_knows(&c, &p8) && !rtc_consent_knows(&c, &p9));
  CHECK_EQ(c.expires, RTC_SEC(30)); /* consent is for the chosen path, and only its requests renew it */
  /* Nomination moves at once, the latest wins. */
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 8, &a, RTC_MS(910)), RTC_CONSENT_MOVED);
  CHECK(chosen(&c) == 8 && c.nominated && c.expires == RTC_MS(30910));
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 7, &a, RTC_MS(920)), RTC_CONSENT_MOVED);
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 7, &a, RTC_MS(930)), RTC_CONSENT_OK);
  CHECK_EQ(chosen(&c), 7);
  /* Media heard holds the path, as long as it comes. */
  rtc_consent_on_heard(&c, &p7, RTC_MS(5000));
  rtc_consent_on_heard(&c, &p8, RTC_MS(9000));
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 9, &a, RTC_MS(5999)), RTC_CONSENT_OK);
  CHECK_EQ(chosen(&c), 7);
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 9, &a, RTC_MS(6000)), RTC_CONSENT_MOVED);
  CHECK(chosen(&c) == 9 && !c.nominated);
  rtc_consent_clear(&c);
}

static void lite_same_peer_on_other_local_address(void) {
  rtc_consent_t c;
  msg_t q, a;
  lite(&c);
  rtc_path_t from = path(7);
  request(&q, "serv:clie", LP, NOMINATE);
  CHECK_EQ(feed(&c, &q, &from, &a, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(rtc_addr_parse(&from.local, "192.0.2.201", 0), 0);
  request(&q, "serv:clie", LP, 0);
  CHECK_EQ(feed(&c, &q, &from, &a, 0), RTC_CONSENT_OK);
  CHECK(c.nominated && rtc_addr_eq(&c.path.local, &from.local)); /* replies leave from what was asked last */
  from.sock = 1;
  request(&q, "serv:clie", LP, NOMINATE);
  CHECK_EQ(feed(&c, &q, &from, &a, 0), RTC_CONSENT_MOVED); /* another socket is another path */
  rtc_consent_clear(&c);
}

static void lite_remembers_four_paths(void) {
  rtc_consent_t c;
  msg_t a;
  lite(&c);
  for (uint16_t port = 1; port <= 6; port++) CHECK(ask(&c, "serv:clie", LP, 0, port, &a, port) >= RTC_CONSENT_OK);
  CHECK_EQ(c.valid_n, 4);
  for (uint16_t port = 1; port <= 6; port++) {
    rtc_path_t p = path(port);
    CHECK_EQ(rtc_consent_knows(&c, &p), port == 1 || port >= 3); /* 1 is the chosen one */
  }
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 3, &a, 10), RTC_CONSENT_OK);
  CHECK(c.valid_n == 4 && c.valid[0].remote.port == 3 && c.valid[1].remote.port == 6 && c.valid[3].remote.port == 4);
  rtc_consent_clear(&c);
}

static void consent_ends_after_30_s(void) {
  rtc_consent_t c;
  msg_t a;
  rtc_path_t p = path(7);
  lite(&c);
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 7, &a, RTC_SEC(100)), RTC_CONSENT_MOVED);
  rtc_consent_on_heard(&c, &p, RTC_SEC(125)); /* media is no consent (RFC 7675 §4) */
  CHECK(!rtc_consent_expired(&c, RTC_SEC(130) - 1) && rtc_consent_expired(&c, RTC_SEC(130)));
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 7, &a, RTC_SEC(129)), RTC_CONSENT_OK);
  CHECK(!rtc_consent_expired(&c, RTC_SEC(159) - 1) && rtc_consent_expired(&c, RTC_SEC(159)));
  rtc_consent_clear(&c);
}

static void lite_restart(void) {
  rtc_consent_t c;
  msg_t a;
  lite(&c);
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 7, &a, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(rtc_consent_restart(&c, "x", LP2, RU2, RP2), RTC_EINVAL);
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 7, &a, 0), RTC_CONSENT_OK); /* a refused restart changed nothing */
  CHECK_EQ(rtc_consent_restart(&c, LU2, LP2, RU2, RP2), 0);
  CHECK(chosen(&c) == 7 && c.expires == RTC_SEC(30));
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 7, &a, RTC_SEC(1)), RTC_CONSENT_OK);
  CHECK_EQ(rtc_stun_check(&a.m, a.raw, (const uint8_t *)LP, strlen(LP)), 0);
  CHECK_EQ(ask(&c, "serv:clie", LP2, 0, 7, &a, RTC_SEC(1)), RTC_CONSENT_DROP);
  CHECK_EQ(ask(&c, "srv2:clie", LP2, 0, 7, &a, RTC_SEC(1)), RTC_CONSENT_DROP);
  CHECK_EQ(ask(&c, "srv2:cli2", LP, 0, 7, &a, RTC_SEC(1)), RTC_CONSENT_DROP);
  /* Restarted again before the peer followed: it may still be at the first set. */
  CHECK_EQ(rtc_consent_restart(&c, "srv3", LP2, RU2, RP2), 0);
  CHECK_EQ(ask(&c, "serv:clie", LP, 0, 7, &a, RTC_SEC(2)), RTC_CONSENT_OK);
  CHECK_EQ(ask(&c, "srv2:cli2", LP2, 0, 7, &a, RTC_SEC(2)), RTC_CONSENT_DROP);
  CHECK_EQ(ask(&c, "srv3:cli2", LP2, NOMINATE, 8, &a, RTC_SEC(2)), RTC_CONSENT_MOVED);
  CHECK_EQ(rtc_stun_check(&a.m, a.raw, (const uint8_t *)LP2, strlen(LP2)), 0);
  /* The new ones are in use: the old ones are gone. */
  CHECK_EQ(ask(&c, "serv:clie", LP, NOMINATE, 7, &a, RTC_SEC(2)), RTC_CONSENT_DROP);
  CHECK(a.n == 0 && chosen(&c) == 8);
  rtc_consent_clear(&c);
}

int main(void) {
  RUN(texts_are_checked);
  RUN(lite_answers);
  RUN(lite_is_silent_to_strangers);
  RUN(lite_takes_any_peer_name_until_known);
  RUN(lite_errors);
  RUN(lite_path_moves);
  RUN(lite_same_peer_on_other_local_address);
  RUN(lite_remembers_four_paths);
  RUN(consent_ends_after_30_s);
  RUN(lite_restart);
  return CHECK_END();
}
