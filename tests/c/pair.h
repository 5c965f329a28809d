/* pair: two engines in virtual time that know each other's addresses, credentials and fingerprints and have yet to connect. OpenSSL's
 * time-outs run on the same clock because this defines gettimeofday: for one test program each. */
#ifndef RTC_TESTS_PAIR_H
#define RTC_TESTS_PAIR_H

#include <sys/time.h>

#include "check.h"
#include "engine/hub.h"
#include "sim/sim.h"
#include "test_cert.h"

static rtc_sim_t *clock_of;

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  (void)zone;
  rtc_time_t now = clock_of ? rtc_sim_now(clock_of) : 0;
  tv->tv_sec = 1700000000 + now / 1000000;
  tv->tv_usec = now % 1000000;
  return 0;
}

typedef struct pair {
  rtc_sim_t *sim;
  rtc_dtls_ctx_t *ctx;
  rtc_hub_t *hub[2]; /* 0: lite server, 1: checking client */
  int at[2];
  rtc_event_t last[2];
} pair_t;

static inline void do_(pair_t *p, int side, const rtc_cmd_t *c) {
  int err = rtc_hub_exec(p->hub[side], c, rtc_sim_now(p->sim));
  if (err < 0) {
    fprintf(stderr, "command %d: %s\n", c->op, rtc_err_text(err));
    exit(2);
  }
}

static inline rtc_cmd_t transport_of(pair_t *p, int side, bool server_is_dtls_client) {
  static const char *const ufrag[2] = {"serverfrag", "clientfrag"};
  static const char *const pwd[2] = {"server-password-long-enough", "client-password-long-enough"};
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = 1};
  rtc_transport_cfg_t *t = &c.u.transport;
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s", ufrag[side]);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "%s", pwd[side]);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s", ufrag[1 - side]);
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "%s", pwd[1 - side]);
  t->ice_role = side == 1 ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
  t->dtls_client = (side == 1) != server_is_dtls_client;
  t->fp_n = 1;
  t->fp[0].bits = 256;
  int n = rtc_dtls_ctx_fingerprint(p->ctx, 256, t->fp[0].value);
  t->fp[0].len = (uint8_t)n;
  rtc_extmap_init(&t->ext);
  t->reduced_rtcp = true;
  return c;
}

/* Without transports. */
static inline void open_hubs(pair_t *p, uint64_t seed) {
  int err;
  *p = (pair_t){.sim = rtc_sim_new(seed)};
  clock_of = p->sim;
  p->ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  for (int i = 0; i < 2; i++) {
    rtc_hub_cfg_t cfg = {.dtls = p->ctx, .slots = 4096};
    memset(cfg.seed, (int)seed + i, sizeof cfg.seed);
    p->hub[i] = rtc_hub_new(&cfg, rtc_sim_now(p->sim));
    uint8_t ip[4] = {10, 0, 0, (uint8_t)(i + 1)};
    rtc_addr_t a;
    rtc_addr_set(&a, ip, 4, (uint16_t)(5000 + i));
    p->at[i] = rtc_sim_add(p->sim, p->hub[i], &a);
  }
}

/* The client starts to check. */
static inline void dial(pair_t *p) {
  rtc_path_t path = rtc_sim_path(p->sim, p->at[1], p->at[0]);
  do_(p, 1, &(rtc_cmd_t){.op = RTC_OP_PATH, .id = 1, .u.path = path});
  rtc_sim_flush(p->sim, p->at[1]);
}

static inline void open_pair(pair_t *p, uint64_t seed, bool server_is_dtls_client, int wrong_side) {
  open_hubs(p, seed);
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(p, i, server_is_dtls_client);
    if (wrong_side == i) c.u.transport.fp[0].value[5] ^= 1;
    do_(p, i, &c);
  }
  dial(p);
}

static inline void close_pair(pair_t *p) {
  for (int i = 0; i < 2; i++) rtc_hub_free(p->hub[i]);
  rtc_dtls_ctx_free(p->ctx);
  rtc_sim_free(p->sim);
  clock_of = NULL;
}

static inline void look(pair_t *p) {
  rtc_event_t e;
  for (int i = 0; i < 2; i++)
    while (rtc_hub_event(p->hub[i], &e))
      if (e.type == RTC_EV_TRANSPORT) p->last[i] = e;
}

static inline void both_ways(pair_t *p, const rtc_link_t *link) {
  rtc_sim_link(p->sim, p->at[0], p->at[1], link);
  rtc_sim_link(p->sim, p->at[1], p->at[0], link);
}

/* Runs until both have this state; how long it took, or RTC_NEVER after `most`. */
static inline rtc_time_t until(pair_t *p, rtc_tstate_t state, rtc_time_t most) {
  rtc_time_t start = rtc_sim_now(p->sim);
  while (rtc_sim_now(p->sim) - start < most) {
    rtc_sim_run(p->sim, rtc_sim_now(p->sim) + RTC_MS(1));
    look(p);
    if (p->last[0].state == state && p->last[1].state == state) return rtc_sim_now(p->sim) - start;
  }
  return RTC_NEVER;
}

#endif
