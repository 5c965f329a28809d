/* ice_net: two agents, or one and a hand-made peer, over a network of addresses that a test draws: who hears whom, after how long. */
#ifndef RTC_TESTS_ICE_NET_H
#define RTC_TESTS_ICE_NET_H

#include "check.h"
#include "proto/ice.h"

static const char LU[] = "left", LP[] = "left-password-of-22-xx", RU[] = "rght", RP[] = "right-password-of-22-x";
static const char LU2[] = "lft2", LP2[] = "left-password-the-2nd-x", RU2[] = "rgh2", RP2[] = "right-password-the-2nd-";

enum { FLYING = 256, HOSTS = 64 };

typedef struct flight {
  uint8_t data[1300];
  size_t n;
  rtc_addr_t from, to;
  rtc_time_t at;
} flight_t;

typedef struct net {
  rtc_ice_t side[2];
  rtc_time_t now, delay;
  flight_t fly[FLYING];
  int fly_n;
  double loss;
  uint64_t rng;
  bool dead[2][HOSTS];        /* this side's host n neither sends nor hears */
  rtc_addr_t nat[2];          /* what the other side sees this side's host 1 as; port 0: itself */
  int sent[2], nominating[2]; /* requests; those with USE-CANDIDATE */
  int moved[2];
  bool silent[2];                       /* this side's agent has gone */
  int aggressive;                       /* this side's checks all nominate, as RFC 5245 let them; -1: none */
  int once;                             /* this side's do no longer, what it is sure of included; -1: none */
  rtc_time_t media_at[2], media_gap[2]; /* when this side heard media last, and the longest time without */
} net_t;

/* Side s has the addresses 10.s.0.n:5000 on socket n. */
static inline rtc_addr_t host(int side, int n) {
  uint8_t ip[4] = {10, (uint8_t)side, 0, (uint8_t)n};
  rtc_addr_t a;
  rtc_addr_set(&a, ip, 4, 5000);
  return a;
}

static inline rtc_ice_cand_t cand(int side, int n, uint32_t pref) {
  rtc_addr_t a = host(side, n);
  return (rtc_ice_cand_t){
      .addr = a, .base = a, .sock = (uint32_t)n, .priority = (126u << 24) | (pref << 8) | 255u, .foundation = (uint32_t)n};
}

static inline void net_open(net_t *n, bool left_controls, bool right_controls) { /* n is static: zero, or that of the run before */
  for (int i = 0; i < 2; i++) rtc_ice_clear(&n->side[i]);
  memset(n, 0, sizeof *n);
  n->delay = RTC_MS(10);
  n->aggressive = n->once = -1;
  n->rng = 88172645463325252u;
  if (rtc_ice_init(&n->side[0], LU, LP, RU, RP, left_controls, 1) || rtc_ice_init(&n->side[1], RU, RP, LU, LP, right_controls, 2)) exit(2);
}

static inline void give(net_t *n, int side, int host_n, uint32_t pref) { /* to both */
  rtc_ice_cand_t c = cand(side, host_n, pref);
  CHECK_EQ(rtc_ice_add_local(&n->side[side], &c, n->now), 0);
  CHECK_EQ(rtc_ice_add_remote(&n->side[1 - side], &c, n->now), 0);
}

static inline double draw(net_t *n) {
  n->rng ^= n->rng << 13, n->rng ^= n->rng >> 7, n->rng ^= n->rng << 17;
  return (double)(n->rng >> 11) / 9007199254740992.0;
}

/* The same request of a controlling agent, but it nominates, or does not. */
static inline size_t rewritten(const net_t *n, int side, bool nominates, const uint8_t *p, size_t len, uint8_t *out, size_t cap) {
  rtc_stun_t m;
  const rtc_ice_creds_t *k = &n->side[side].creds;
  if (rtc_stun_parse(&m, p, len) || m.type != RTC_STUN_BINDING_REQUEST) return 0;
  uint8_t number[8];
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, m.type, m.tid);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, m.username, m.username_len);
  rtc_put64(number, m.tie_breaker);
  rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, number, 8);
  rtc_put32(number, m.priority);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, number, 4);
  if (nominates) rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  int r = rtc_stun_end(&w, (const uint8_t *)k->remote_pwd, strlen(k->remote_pwd));
  return r > 0 ? (size_t)r : 0;
}

static inline void post(net_t *n, int side, const uint8_t *p, size_t len, const rtc_path_t *path) {
  uint8_t other[1300];
  if (n->aggressive == side || n->once == side) {
    size_t more = rewritten(n, side, n->aggressive == side, p, len, other, sizeof other);
    if (more) p = other, len = more;
  }
  int h = path->local.ip[15];
  if (n->dead[side][h] || draw(n) < n->loss || n->fly_n == FLYING) return;
  flight_t *f = &n->fly[n->fly_n++];
  *f = (flight_t){.n = len, .from = path->local, .to = path->remote, .at = n->now + n->delay};
  if (h == 1 && n->nat[side].port) f->from = n->nat[side];
  memcpy(f->data, p, len);
}

static inline void arrive(net_t *n, const flight_t *f) {
  int side = -1;
  rtc_path_t path = {.remote = f->from, .local = f->to};
  for (int s = 0; s < 2; s++) {
    if (n->nat[s].port && rtc_addr_eq(&f->to, &n->nat[s]))
      side = s, path.local = host(s, 1);
    else if (f->to.ip[13] == s && f->to.ip[12] == 10 && f->to.port == 5000 && !(n->nat[s].port && f->to.ip[15] == 1))
      side = s;
  }
  if (side < 0 || n->silent[side] || n->dead[side][path.local.ip[15]]) return;
  path.sock = path.local.ip[15];
  if (f->data[0] == 0x80) {
    if (!rtc_ice_knows(&n->side[side], &path)) return;
    rtc_ice_on_heard(&n->side[side], &path, n->now);
    rtc_time_t gap = n->now - n->media_at[side];
    if (n->media_at[side] && gap > n->media_gap[side]) n->media_gap[side] = gap;
    n->media_at[side] = n->now;
    return;
  }
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, f->data, f->n), 0);
  if (m.type == RTC_STUN_BINDING_REQUEST) n->sent[1 - side]++, n->nominating[1 - side] += m.has_use_candidate;
  uint8_t out[128];
  size_t len = 0;
  int r = rtc_ice_on_stun(&n->side[side], &m, f->data, &path, out, sizeof out, &len, n->now);
  n->moved[side] += r == RTC_ICE_MOVED;
  CHECK(r != RTC_ICE_MOVED || (n->side[side].has_path && rtc_ice_knows(&n->side[side], &n->side[side].path)));
  if (len) post(n, side, out, len, &path);
}

static inline void run(net_t *n, rtc_time_t us) {
  rtc_time_t end = n->now + us;
  for (;;) {
    for (int s = 0; s < 2; s++) {
      uint8_t out[1300];
      rtc_path_t path;
      int got, spins = 0;
      while (!n->silent[s] && (got = rtc_ice_pop(&n->side[s], out, sizeof out, &path, n->now)) > 0 && ++spins < 20)
        post(n, s, out, (size_t)got, &path);
      CHECK(spins < 20);
      if (!n->silent[s]) CHECK(rtc_ice_next_at(&n->side[s]) > n->now); /* nothing spins */
    }
    rtc_time_t at = end;
    int first = -1;
    for (int i = 0; i < n->fly_n; i++)
      if (n->fly[i].at <= at && (first < 0 || n->fly[i].at < n->fly[first].at)) first = i, at = n->fly[i].at;
    for (int s = 0; s < 2; s++)
      if (!n->silent[s] && rtc_ice_next_at(&n->side[s]) < at) at = rtc_ice_next_at(&n->side[s]), first = -1;
    n->now = at;
    if (first >= 0) {
      flight_t f = n->fly[first];
      n->fly[first] = n->fly[--n->fly_n];
      arrive(n, &f);
    } else if (at >= end) {
      return;
    }
  }
}

/* A packet of media each 20 ms, both ways. */
static inline void stream(net_t *n, rtc_time_t us) {
  static const uint8_t packet[] = {0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (rtc_time_t end = n->now + us; n->now < end;) {
    for (int s = 0; s < 2; s++)
      if (n->side[s].has_path) post(n, s, packet, sizeof packet, &n->side[s].path);
    run(n, RTC_MS(20));
  }
}

static inline int at_host(const net_t *n, int side) { return n->side[side].has_path ? n->side[side].path.local.ip[15] : -1; }
static inline int goal(const net_t *n, int side) { return n->side[side].has_path ? n->side[side].path.remote.ip[15] : -1; }
static inline rtc_ice_state_t state(const net_t *n, int side) { return rtc_ice_state(&n->side[side]); }

#endif
