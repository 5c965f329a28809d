/* consent: the lite responder's answers and its path, the checker's checks, and both against each other. */
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
  if (rtc_consent_init(c, LU, LP, RU, RP, false, 1)) exit(2);
}
static uint16_t chosen(const rtc_consent_t *c) { return c->has_path ? c->path.remote.port : 0; }

static void texts_are_checked(void) {
  char long_text[300];
  memset(long_text, 'a', sizeof long_text);
  long_text[257] = 0;
  rtc_consent_t c;
  CHECK_EQ(rtc_consent_init(&c, "abc", LP, RU, RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, "short", RU, RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, "ab:cd", LP, RU, RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, NULL, LP, RU, RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, RU, "", false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, "", RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, long_text, LP, RU, RP, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, RU, long_text, false, 1), RTC_EINVAL);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, "", "", true, 1), RTC_EINVAL);
  long_text[256] = 0;
  CHECK_EQ(rtc_consent_init(&c, long_text, long_text, long_text, long_text, true, 1), 0);
  rtc_path_t p = path(9), to;
  uint8_t out[700];
  CHECK_EQ(rtc_consent_add_path(&c, &p, 0), 0);
  CHECK_EQ(rtc_consent_pop(&c, out, 100, &to, 0), RTC_ENOBUFS);
  int n = rtc_consent_pop(&c, out, sizeof out, &to, 0);
  rtc_stun_t m;
  CHECK(n > 0 && rtc_stun_parse(&m, out, (size_t)n) == 0 && m.username_len == 513);
  rtc_consent_clear(&c);
  rtc_consent_clear(&c);
  CHECK_EQ(rtc_consent_init(&c, LU, LP, NULL, NULL, false, 1), 0);
  CHECK_EQ(rtc_consent_add_path(&c, &p, 0), RTC_EINVAL);
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
  CHECK_EQ(rtc_consent_init(&c, LU, LP, "", "", false, 1), 0);
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

/* The network of the checker's tests: a lite peer behind each address, which may be deaf. */
typedef struct net {
  rtc_consent_t client, server;
  bool deaf[20];
  int sent[20]; /* requests that went to this port */
  rtc_time_t delay;
} net_t;

static void net_init(net_t *n) {
  memset(n, 0, sizeof *n);
  n->delay = RTC_MS(20);
  if (rtc_consent_init(&n->client, RU, RP, LU, LP, true, 99) || rtc_consent_init(&n->server, LU, LP, RU, RP, false, 1)) exit(2);
}
static void net_clear(net_t *n) {
  rtc_consent_clear(&n->client);
  rtc_consent_clear(&n->server);
}

/* Sends what is due; answers come back after the delay. Returns what the client made of the last answer, -1 for none. */
static int net_step(net_t *n, rtc_time_t now) {
  msg_t q, a, none;
  rtc_path_t to;
  int last = -1, got;
  while ((got = rtc_consent_pop(&n->client, q.raw, sizeof q.raw, &to, now)) > 0) {
    uint16_t port = to.remote.port;
    n->sent[port]++;
    CHECK_EQ(rtc_stun_parse(&q.m, q.raw, (size_t)got), 0);
    CHECK(q.m.has_controlling && q.m.has_use_candidate && q.m.has_priority && q.m.has_fingerprint);
    if (n->deaf[port]) continue;
    CHECK(feed(&n->server, &q, &to, &a, now) >= RTC_CONSENT_OK);
    last = feed(&n->client, &a, &to, &none, now + n->delay);
    CHECK_EQ(none.n, 0);
  }
  return last;
}

static void checker_chooses_first_that_answers(void) {
  net_t n;
  net_init(&n);
  n.deaf[1] = n.deaf[3] = true;
  for (uint16_t port = 1; port <= 3; port++) {
    rtc_path_t p = path(port);
    CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
    CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0); /* twice is once */
  }
  CHECK_EQ(n.client.check_n, 3);
  CHECK_EQ(rtc_consent_next_at(&n.client), 0);
  CHECK_EQ(net_step(&n, 0), -1);
  CHECK(n.sent[1] == 1 && n.sent[2] == 0); /* paced */
  CHECK_EQ(rtc_consent_next_at(&n.client), RTC_MS(5));
  CHECK_EQ(net_step(&n, RTC_MS(5)), RTC_CONSENT_MOVED);
  CHECK(chosen(&n.client) == 2 && n.client.nominated && chosen(&n.server) == 2 && n.server.nominated);
  CHECK_EQ(n.client.rtt_us, RTC_MS(20));
  CHECK_EQ(n.client.expires, RTC_MS(25) + RTC_SEC(30));
  rtc_path_t p1 = path(1), p2 = path(2);
  CHECK(rtc_consent_knows(&n.client, &p2) && !rtc_consent_knows(&n.client, &p1));
  /* Confirmed once more, since other checks nominated too; then only consent is kept, about every 5 s. */
  CHECK_EQ(net_step(&n, RTC_MS(25)), RTC_CONSENT_OK);
  rtc_time_t now = RTC_MS(45);
  for (int i = 0; i < 20; i++) {
    rtc_time_t at = rtc_consent_next_at(&n.client);
    CHECK(at - now >= RTC_MS(3900) && at - now <= RTC_MS(6000));
    CHECK_EQ(net_step(&n, at - 1), -1);
    CHECK_EQ(net_step(&n, at), RTC_CONSENT_OK);
    CHECK(!rtc_consent_expired(&n.client, at) && !rtc_consent_expired(&n.server, at));
    now = at + n.delay;
  }
  CHECK(n.sent[1] <= 1 && n.sent[2] == 22 && n.sent[3] == 0);
  net_clear(&n);
}

static void checker_backs_off_and_gives_up(void) {
  net_t n;
  net_init(&n);
  n.deaf[1] = true;
  rtc_path_t p = path(1);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p, RTC_SEC(7)), 0);
  rtc_time_t at = RTC_SEC(7), gap = RTC_MS(RTC_CHECK_FIRST_MS);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(rtc_consent_next_at(&n.client), at);
    net_step(&n, at);
    CHECK_EQ(n.sent[1], i + 1);
    at += gap;
    gap = rtc_time_min(gap * 2, RTC_MS(RTC_CHECK_MAX_MS));
  }
  while ((at = rtc_consent_next_at(&n.client)) != RTC_NEVER) {
    CHECK(at <= RTC_SEC(7) + RTC_MS(RTC_CONSENT_MS + RTC_CHECK_MAX_MS));
    net_step(&n, at);
  }
  CHECK(n.sent[1] > 10 && n.sent[1] <= RTC_CONSENT_MS / RTC_CHECK_MAX_MS + 5 && !n.client.has_path);
  net_clear(&n);
}

static void checker_loses_consent(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p = path(1);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
  CHECK_EQ(net_step(&n, 0), RTC_CONSENT_MOVED);
  n.deaf[1] = true;
  rtc_time_t now = 0;
  for (int i = 0; i < 100 && !rtc_consent_expired(&n.client, now); i++) {
    now = rtc_consent_next_at(&n.client);
    net_step(&n, now);
  }
  CHECK_EQ(now, RTC_MS(20) + RTC_SEC(30));
  CHECK(n.sent[1] >= 5 && n.sent[1] <= 9);
  n.deaf[1] = false;
  int before = n.sent[1];
  net_step(&n, now + RTC_SEC(10));
  CHECK_EQ(n.sent[1], before); /* it has to be asked anew: ICE restart */
  CHECK_EQ(rtc_consent_restart(&n.client, RU2, RP2, LU2, LP2), 0);
  CHECK_EQ(rtc_consent_restart(&n.server, LU2, LP2, RU2, RP2), 0);
  CHECK_EQ(net_step(&n, now + RTC_SEC(10)), RTC_CONSENT_OK);
  CHECK(!rtc_consent_expired(&n.client, now + RTC_SEC(39)));
  net_clear(&n);
}

/* What flowed in stops: the peer may know us by another address by now, so it is asked at once and again until it answers, however long
 * the answer takes. Where nothing flows, the rhythm stays. */
static void checker_asks_when_it_becomes_silent(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p = path(1);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
  CHECK_EQ(net_step(&n, 0), RTC_CONSENT_MOVED);
  CHECK(rtc_consent_next_at(&n.client) >= RTC_SEC(4));
  for (int i = 1; i <= 30; i++) {
    rtc_consent_on_heard(&n.client, &p, RTC_MS(100 * i));
    CHECK_EQ(rtc_consent_next_at(&n.client), rtc_time_min(n.client.check->at, RTC_MS(100 * i + RTC_CHECK_SILENT_MS)));
  }
  CHECK_EQ(n.sent[1], 1);
  n.deaf[1] = true;
  rtc_time_t now = RTC_MS(3000 + RTC_CHECK_SILENT_MS);
  for (int i = 0; i < 4; i++, now += RTC_MS(RTC_CHECK_MAX_MS)) {
    CHECK_EQ(rtc_consent_next_at(&n.client), now);
    CHECK_EQ(net_step(&n, now - 1), -1);
    net_step(&n, now);
    CHECK_EQ(n.sent[1], 2 + i);
  }
  n.deaf[1] = false;
  n.delay = RTC_MS(900); /* longer than from one request to the next */
  CHECK_EQ(net_step(&n, now), RTC_CONSENT_OK);
  CHECK(rtc_consent_next_at(&n.client) >= now + n.delay + RTC_SEC(4)); /* nothing has flowed since */
  CHECK(!rtc_consent_expired(&n.client, now + n.delay + RTC_SEC(29)));
  net_clear(&n);
}

/* A peer whose answers take longer than the repeats are apart keeps consent all the same. */
static void checker_answers_may_be_late(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p = path(1), to;
  CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
  CHECK_EQ(net_step(&n, 0), RTC_CONSENT_MOVED);
  rtc_consent_on_heard(&n.client, &p, RTC_SEC(1));
  msg_t q, a, none, later;
  int held = 0;
  for (rtc_time_t now = RTC_SEC(2); now < RTC_SEC(3); now += RTC_MS(RTC_CHECK_MAX_MS)) {
    int got = rtc_consent_pop(&n.client, q.raw, sizeof q.raw, &to, now);
    CHECK(got > 0);
    if (got <= 0) break;
    CHECK_EQ(rtc_stun_parse(&q.m, q.raw, (size_t)got), 0);
    if (held++) continue;
    CHECK(feed(&n.server, &q, &to, &a, now) >= RTC_CONSENT_OK);
    later = a;
    CHECK_EQ(rtc_stun_parse(&later.m, later.raw, later.n), 0);
  }
  CHECK_EQ(held, 3);
  CHECK_EQ(feed(&n.client, &later, &to, &none, RTC_SEC(3)), RTC_CONSENT_OK); /* of the first of three */
  net_clear(&n);
}

static void checker_believes_only_its_own_answers(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p = path(1), other = path(2), to;
  CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
  msg_t q, a, none;
  q.n = (size_t)rtc_consent_pop(&n.client, q.raw, sizeof q.raw, &to, 0);
  CHECK_EQ(rtc_stun_parse(&q.m, q.raw, q.n), 0);
  CHECK_EQ(feed(&n.server, &q, &to, &a, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(feed(&n.client, &a, &other, &none, 1), RTC_CONSENT_DROP); /* came from elsewhere */
  msg_t bad = a;
  bad.raw[8] ^= 1; /* a tid that was not sent */
  bad.m.tid = bad.raw + 8;
  CHECK_EQ(rtc_consent_on_stun(&n.client, &bad.m, bad.raw, &p, none.raw, sizeof none.raw, &none.n, 1), RTC_CONSENT_DROP);
  bad = a;
  bad.m.tid = bad.raw + 8;
  bad.raw[25] ^= 1; /* integrity fails */
  CHECK_EQ(rtc_consent_on_stun(&n.client, &bad.m, bad.raw, &p, none.raw, sizeof none.raw, &none.n, 1), RTC_CONSENT_DROP);
  CHECK(!n.client.has_path && n.client.answers == 0);
  CHECK_EQ(feed(&n.client, &a, &p, &none, 1), RTC_CONSENT_MOVED);
  CHECK_EQ(feed(&n.client, &a, &p, &none, RTC_SEC(3)), RTC_CONSENT_DROP); /* replayed: consent is not renewed */
  CHECK(n.client.answers == 1 && n.client.expires == 1 + RTC_SEC(30));
  net_clear(&n);
}

static void checker_late_answers_of_other_paths(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p1 = path(1), p2 = path(2), to;
  CHECK_EQ(rtc_consent_add_path(&n.client, &p1, 0), 0);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p2, 0), 0);
  msg_t q1, q2, a1, a2, none;
  q1.n = (size_t)rtc_consent_pop(&n.client, q1.raw, sizeof q1.raw, &to, RTC_MS(5));
  q2.n = (size_t)rtc_consent_pop(&n.client, q2.raw, sizeof q2.raw, &to, RTC_MS(5));
  CHECK(!rtc_stun_parse(&q1.m, q1.raw, q1.n) && !rtc_stun_parse(&q2.m, q2.raw, q2.n));
  CHECK_EQ(feed(&n.server, &q1, &p1, &a1, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(feed(&n.server, &q2, &p2, &a2, 0), RTC_CONSENT_MOVED); /* the server is now at 2 */
  CHECK_EQ(feed(&n.client, &a1, &p1, &none, RTC_MS(20)), RTC_CONSENT_MOVED);
  CHECK_EQ(feed(&n.client, &a2, &p2, &none, RTC_MS(21)), RTC_CONSENT_OK);
  CHECK(chosen(&n.client) == 1 && rtc_consent_knows(&n.client, &p2));
  CHECK_EQ(net_step(&n, RTC_MS(22)), RTC_CONSENT_OK);
  CHECK(chosen(&n.server) == 1); /* both agree again */
  net_clear(&n);
}

static void checker_answers_and_conflicts(void) {
  net_t n;
  net_init(&n);
  msg_t a, none;
  CHECK_EQ(ask(&n.client, "clie:serv", RP, CONTROLLING, 5, &a, 0), RTC_CONSENT_DROP);
  CHECK(a.m.error == 487 && n.client.conflicts == 1);
  CHECK_EQ(ask(&n.client, "clie:serv", RP, CONTROLLED, 5, &a, 0), RTC_CONSENT_OK);
  CHECK(a.m.type == RTC_STUN_BINDING_SUCCESS && !n.client.has_path && n.client.expires == RTC_NEVER);
  CHECK_EQ(n.client.check_n, 1); /* triggers a check of where it came from */
  CHECK_EQ(ask(&n.client, "clie:serv", LP, CONTROLLED, 6, &a, 0), RTC_CONSENT_DROP);
  CHECK(a.n == 0 && n.client.check_n == 1);

  rtc_path_t to;
  msg_t q, e;
  q.n = (size_t)rtc_consent_pop(&n.client, q.raw, sizeof q.raw, &to, 0);
  CHECK_EQ(rtc_stun_parse(&q.m, q.raw, q.n), 0);
  rtc_wr_t w = rtc_wr(e.raw, sizeof e.raw);
  rtc_stun_begin(&w, RTC_STUN_BINDING_ERROR, q.m.tid);
  rtc_stun_put_error(&w, 487, NULL);
  e.n = (size_t)rtc_stun_end(&w, (const uint8_t *)LP, strlen(LP));
  CHECK_EQ(rtc_stun_parse(&e.m, e.raw, e.n), 0);
  CHECK_EQ(feed(&n.client, &e, &to, &none, 1), RTC_CONSENT_DROP);
  CHECK(n.client.conflicts == 2 && !n.client.has_path && rtc_consent_next_at(&n.client) == RTC_MS(50));
  net_clear(&n);
}

static void checker_restart(void) {
  net_t n;
  net_init(&n);
  rtc_path_t p1 = path(1), p2 = path(2);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p1, 0), 0);
  CHECK_EQ(net_step(&n, 0), RTC_CONSENT_MOVED);
  CHECK_EQ(rtc_consent_restart(&n.client, RU2, RP2, LU2, LP2), 0);
  CHECK_EQ(rtc_consent_restart(&n.server, LU2, LP2, RU2, RP2), 0);
  CHECK_EQ(rtc_consent_add_path(&n.client, &p2, RTC_SEC(1)), 0);
  CHECK(chosen(&n.client) == 1 && n.client.expires == RTC_MS(20) + RTC_SEC(30));
  n.deaf[1] = true; /* the peer is elsewhere now */
  net_step(&n, RTC_SEC(1));
  net_step(&n, RTC_SEC(1) + RTC_MS(5));
  CHECK(chosen(&n.client) == 2 && n.client.answers == 2 && n.sent[1] >= 2);
  CHECK(chosen(&n.server) == 2 && !n.server.old_local_ufrag);
  net_clear(&n);
}

static void checker_caps(void) {
  net_t n;
  net_init(&n);
  for (uint16_t port = 0; port < RTC_CHECK_PATHS; port++) {
    rtc_path_t p = path((uint16_t)(port + 1));
    CHECK_EQ(rtc_consent_add_path(&n.client, &p, 0), 0);
  }
  rtc_path_t more = path(100);
  CHECK_EQ(rtc_consent_add_path(&n.client, &more, 0), RTC_ENOBUFS);
  msg_t a;
  CHECK_EQ(ask(&n.client, "clie:serv", RP, CONTROLLED, 100, &a, 0), RTC_CONSENT_OK); /* answered, not followed */
  CHECK_EQ(n.client.check_n, RTC_CHECK_PATHS);
  net_clear(&n);
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
  RUN(checker_chooses_first_that_answers);
  RUN(checker_backs_off_and_gives_up);
  RUN(checker_loses_consent);
  RUN(checker_asks_when_it_becomes_silent);
  RUN(checker_answers_may_be_late);
  RUN(checker_believes_only_its_own_answers);
  RUN(checker_late_answers_of_other_paths);
  RUN(checker_answers_and_conflicts);
  RUN(checker_restart);
  RUN(checker_caps);
  return CHECK_END();
}
