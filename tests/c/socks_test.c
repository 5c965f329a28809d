/* Sockets that are opened and closed while a loop runs: peers in one process, each with its own. */
#define _GNU_SOURCE
#include "io/socks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "check.h"
#include "io/clock.h"
#include "io/loop.h"
#include "test_cert.h"

enum { MANY = 2000, BUFFER = 64 << 10 };

static char print[96];
static uint8_t digest[32];
static bool stepped; /* the loop has no thread, and is stepped while it is waited for */

static rtc_loop_t *make(bool portable, bool threaded) {
  rtc_udp_fault_t why;
  rtc_loop_cfg_t cfg = {.portable = portable};
  cfg.cert_pem = TEST_CERT;
  cfg.cert_len = sizeof TEST_CERT - 1;
  cfg.key_pem = TEST_KEY;
  cfg.key_len = sizeof TEST_KEY - 1;
  rtc_loop_t *l = rtc_loop_new(&cfg, &why);
  if (!l || rtc_loop_fingerprint(l, print, sizeof print) != 95) exit(2);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)strtol(print + i * 3, NULL, 16);
  stepped = !threaded;
  if (threaded && rtc_loop_start(l) < 0) exit(2);
  return l;
}

static rtc_sock_t *open_on(const rtc_loop_t *l, const char *ip, uint16_t port) {
  rtc_addr_t a;
  rtc_udp_fault_t why;
  if (rtc_addr_parse(&a, ip, port) < 0) exit(2);
  rtc_sock_t *s = rtc_loop_open_udp(l, &a, BUFFER, BUFFER, &why);
  if (!s) exit(2);
  return s;
}

static void pass(rtc_loop_t *l) {
  struct pollfd p[8];
  int fds[8], n = stepped ? rtc_loop_fds(l, fds, 8) : 0;
  for (int i = 0; i < n; i++) p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  poll(p, (nfds_t)n, 1);
  if (stepped) CHECK_EQ(rtc_loop_step(l), 0);
}

static int run(rtc_loop_t *l, const rtc_cmd_t *c, uint32_t n, uint32_t *index) {
  uint64_t want, ticket;
  uint32_t at = 0;
  int err = rtc_loop_submit(l, c, n, &want);
  if (err < 0) return err;
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); rtc_clock_now() < end; pass(l)) {
    rtc_loop_look(l);
    while (rtc_loop_acked(l, &ticket, &err, &at)) {
      if (ticket != want) continue;
      if (index) *index = at;
      return err;
    }
  }
  return 1;
}

static rtc_stats_t stats(rtc_loop_t *l) {
  static rtc_recv_stats_t r[4];
  rtc_stats_t s = {.recv_cap = 4, .recv = r};
  CHECK_EQ(run(l, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s}, 1, NULL), 0);
  return s;
}

static rtc_cmd_t socket_of(rtc_loop_t *l, uint32_t number, const char *ip, rtc_addr_t *bound) {
  rtc_cmd_t c = {.op = RTC_OP_SOCKET, .id = number, .u.sock = open_on(l, ip, 0)};
  *bound = rtc_sock_bound(c.u.sock);
  return c;
}

static rtc_cmd_t closing(uint32_t number) { return (rtc_cmd_t){.op = RTC_OP_SOCKET_CLOSE, .id = number}; }

static rtc_cmd_t peer(uint32_t id, bool first) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id};
  rtc_transport_cfg_t *t = &c.u.transport;
  const char *name[2] = {first ? "first" : "second", first ? "second" : "first"};
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s", name[0]);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s", name[1]);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "password-of-the-%s-one", name[0]);
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "password-of-the-%s-one", name[1]);
  t->ice_role = first ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_CONTROLLED;
  t->dtls_client = first;
  t->fp_n = 1;
  t->fp[0] = (rtc_fingerprint_t){.bits = 256, .len = 32};
  memcpy(t->fp[0].value, digest, 32);
  rtc_extmap_init(&t->ext);
  return c;
}

static rtc_cmd_t candidate(uint32_t id, bool local, rtc_addr_t at, uint32_t sock) {
  rtc_cmd_t c = {.op = local ? RTC_OP_LOCAL : RTC_OP_REMOTE, .id = id};
  c.u.cand = (rtc_ice_cand_t){.addr = at, .sock = sock, .priority = 2130706431, .type = RTC_ICE_HOST};
  if (local) c.u.cand.base = at;
  return c;
}

static rtc_event_t last[3]; /* of transports 1 and 2 */

static bool reach(rtc_loop_t *l, uint32_t id, rtc_tstate_t state) {
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); rtc_clock_now() < end; pass(l)) {
    rtc_event_t e;
    rtc_loop_look(l);
    while (rtc_loop_event(l, &e))
      if (e.type == RTC_EV_TRANSPORT && e.id < 3) last[e.id] = e;
    if (last[id].state == state) return true;
  }
  return false;
}

/* Two peers of one loop find each other through their own sockets, one sends to the other, and says goodbye with the socket's end. */
static void two_peers(bool portable, bool threaded, const char *bind, const char *ip) {
  enum { FRAMES = 30, A = RTC_SOCK_FIRST, B = 1000000 };
  rtc_loop_t *l = make(portable, threaded);
  memset(last, 0, sizeof last);
  rtc_addr_t a, b;
  rtc_cmd_t first[6] = {socket_of(l, A, bind, &a), socket_of(l, B, bind, &b), peer(1, true), peer(2, false)};
  CHECK_EQ(rtc_addr_parse(&a, ip, a.port), 0);
  CHECK_EQ(rtc_addr_parse(&b, ip, b.port), 0);
  first[4] = candidate(1, true, a, A);
  first[5] = candidate(2, true, b, B);
  rtc_cmd_t second[5] = {candidate(1, false, b, 0),
                         candidate(2, false, a, 0),
                         {.op = RTC_OP_SEND, .id = 7},
                         {.op = RTC_OP_RECV, .id = 8},
                         {.op = RTC_OP_RATE, .id = 1, .u.rate_bps = 1000000000}};
  second[2].u.send =
      (rtc_send_cfg_t){.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000, .ssrc = 77};
  second[3].u.recv = (rtc_recv_cfg_t){.transport = 2, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000};
  CHECK_EQ(run(l, first, 6, NULL), 0);
  CHECK_EQ(run(l, second, 5, NULL), 0);
  CHECK(reach(l, 1, RTC_T_CONNECTED));
  CHECK(reach(l, 2, RTC_T_CONNECTED));
  CHECK(last[1].path.sock == A && rtc_addr_eq(&last[1].path.remote, &b));
  CHECK(last[2].path.sock == B && rtc_addr_eq(&last[2].path.remote, &a));
  for (uint32_t i = 0; i < FRAMES; i++) {
    rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = 7};
    c.u.frame = (rtc_frame_cfg_t){.data = calloc(1, 2500), .len = 2500, .ts = i * 3000, .key = !i, .captured = rtc_clock_now()};
    c.u.frame.data[0] = i ? 0x11 : 0x10;
    CHECK_EQ(run(l, &c, 1, NULL), 0);
  }
  rtc_stats_t s = {0};
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); rtc_clock_now() < end; pass(l)) {
    s = stats(l);
    if (s.recv[0].frames == FRAMES) break;
  }
  CHECK_EQ(s.recv[0].frames, FRAMES);
  CHECK_EQ(s.recv[0].lost, 0);
  rtc_loop_info_t info;
  rtc_loop_info(l, &info);
  CHECK(info.recv_calls > 0 && info.send_calls > 0);
  if (!portable) CHECK(info.runs && info.gso_runs >= FRAMES); /* where the kernel can */
  rtc_cmd_t end[2] = {{.op = RTC_OP_CLOSE, .id = 1}, closing(A)};
  CHECK_EQ(run(l, end, 2, NULL), 0);
  CHECK(reach(l, 2, RTC_T_CLOSED));
  CHECK_EQ(last[2].reason, RTC_WHY_CLOSE_NOTIFY);
  CHECK_EQ(stats(l).hub.drops[RTC_DROP_SOCKET], 0);
  rtc_loop_free(l);
}

static void peers_of_a_thread(void) { two_peers(false, true, "127.0.0.1", "127.0.0.1"); }
static void peers_on_ipv6(void) { two_peers(false, true, "::1", "::1"); }
static void peers_on_a_wildcard(void) { two_peers(false, true, "0.0.0.0", "127.0.0.3"); }
static void portable_peers(void) { two_peers(true, true, "127.0.0.1", "127.0.0.1"); }
static void peers_without_a_thread(void) { two_peers(false, false, "127.0.0.1", "127.0.0.1"); }
static void portable_without_a_thread(void) { two_peers(true, false, "127.0.0.1", "127.0.0.1"); }

static int open_fds(void) {
  int n = 0;
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) != 0) exit(2);
  for (int fd = 0; fd < (int)r.rlim_cur; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static void numbers(void) {
  int before = open_fds();
  rtc_loop_t *l = make(false, true);
  int held = open_fds();
  rtc_addr_t at;
  rtc_cmd_t c = socket_of(l, RTC_SOCK_FIRST - 1, "127.0.0.1", &at);
  CHECK_EQ(run(l, &c, 1, NULL), RTC_EINVAL);
  c = socket_of(l, 100, "127.0.0.1", &at);
  CHECK_EQ(run(l, &c, 1, NULL), 0);
  rtc_udp_fault_t why;
  CHECK(rtc_loop_open_udp(l, &at, 0, 0, &why) == NULL);
  CHECK(why.err == RTC_EINVAL && why.sys == EADDRINUSE && why.index == 0);
  c = socket_of(l, 100, "127.0.0.1", &at);
  CHECK_EQ(run(l, &c, 1, NULL), RTC_EINVAL);
  CHECK_EQ(open_fds(), held + 1);
  rtc_cmd_t off[3] = {closing(100), closing(100), closing(5)};
  CHECK_EQ(run(l, off, 3, NULL), 0);
  CHECK_EQ(open_fds(), held);
  /* What comes after a command that failed is let go. */
  uint32_t index;
  rtc_cmd_t bad[2] = {{.op = RTC_OP_RATE, .id = 99}, socket_of(l, 101, "127.0.0.1", &at)};
  CHECK_EQ(run(l, bad, 2, &index), RTC_EINVAL);
  CHECK_EQ(index, 0);
  CHECK_EQ(open_fds(), held);
  c = socket_of(l, 102, "127.0.0.1", &at);
  CHECK_EQ(run(l, &c, 1, NULL), 0);
  c = socket_of(l, 103, "127.0.0.1", &at);
  rtc_loop_stop(l);
  CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), RTC_ECLOSED);
  CHECK_EQ(open_fds(), held - 1); /* 102 went with the loop, and what it was waited for by */
  rtc_loop_free(l);
  CHECK_EQ(open_fds(), before);
}

/* A peer whose socket is gone goes on asking for a while: nothing leaves. */
static void what_a_closed_socket_would_send(void) {
  rtc_loop_t *l = make(false, true);
  rtc_addr_t a, b;
  rtc_cmd_t c[5] = {socket_of(l, 64, "127.0.0.1", &a), peer(1, true)};
  CHECK_EQ(rtc_addr_parse(&b, "127.0.0.1", 9), 0);
  c[2] = closing(64);
  c[3] = candidate(1, true, a, 64);
  c[4] = candidate(1, false, b, 0);
  CHECK_EQ(run(l, c, 5, NULL), 0);
  rtc_stats_t s = {0};
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); rtc_clock_now() < end; pass(l)) {
    s = stats(l);
    if (s.hub.drops[RTC_DROP_SOCKET]) break;
  }
  CHECK(s.hub.drops[RTC_DROP_SOCKET] > 0);
  CHECK_EQ(s.hub.drops[RTC_DROP_SEND], 0);
  rtc_loop_free(l);
}

/* Each is heard, whatever the others do, and none is left. */
static void many(bool portable) {
  int before = open_fds();
  rtc_loop_t *l = make(portable, true);
  int held = open_fds();
  static rtc_addr_t at[MANY];
  for (uint32_t i = 0; i < MANY; i++) {
    rtc_cmd_t c = socket_of(l, 500 + i, "127.0.0.1", &at[i]);
    CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), 0);
  }
  CHECK_EQ(stats(l).hub.in_packets, 0);
  CHECK_EQ(open_fds(), held + MANY);
  rtc_udp_t u;
  int sys;
  rtc_udp_cfg_t cfg = {.bind = at[0], .portable = true};
  cfg.bind.port = 0;
  CHECK_EQ(rtc_udp_open(&u, &cfg, &sys), 0);
  rtc_pool_t *pool = rtc_pool_new(1);
  rtc_pkt_t *k = rtc_pkt_get(pool);
  for (uint64_t round = 1; round <= 2; round++) {
    for (int i = 0; i < MANY; i++) {
      int64_t wait_us = 100000;
      k->path.remote = at[i];
      k->len = 1;
      CHECK_EQ(rtc_udp_send(&u, &k, 1, &wait_us), 1);
    }
    rtc_stats_t s = {0};
    for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); rtc_clock_now() < end; poll(NULL, 0, 1)) {
      s = stats(l);
      if (s.hub.in_packets == round * MANY) break;
    }
    CHECK_EQ(s.hub.in_packets, round * MANY);
    CHECK_EQ(s.hub.drops[RTC_DROP_SHORT], round * MANY);
    /* Every other one gives its port to a new one. */
    for (uint32_t i = 0; round == 1 && i < MANY; i += 2) {
      rtc_cmd_t c = closing(500 + i);
      CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), 0);
    }
    stats(l);
    for (uint32_t i = 0; round == 1 && i < MANY; i += 2) {
      rtc_cmd_t c = {.op = RTC_OP_SOCKET, .id = 5000 + i, .u.sock = open_on(l, "127.0.0.1", at[i].port)};
      CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), 0);
    }
  }
  for (uint32_t i = 0; i < MANY; i++) {
    rtc_cmd_t c = closing(i % 2 ? 500 + i : 5000 + i);
    CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), 0);
  }
  stats(l);
  CHECK_EQ(open_fds(), held + 1);
  rtc_udp_close(&u);
  rtc_pkt_put(k);
  rtc_pool_free(pool);
  rtc_loop_free(l);
  CHECK_EQ(open_fds(), before);
}

static void many_by_epoll(void) { many(false); }
static void many_by_poll(void) { many(true); }

int main(void) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < MANY + 100) {
    r.rlim_cur = MANY + 100;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0) perror("RLIMIT_NOFILE");
  }
  RUN(peers_of_a_thread);
  RUN(peers_on_ipv6);
  RUN(peers_on_a_wildcard);
  RUN(portable_peers);
  RUN(peers_without_a_thread);
  RUN(portable_without_a_thread);
  RUN(numbers);
  RUN(what_a_closed_socket_would_send);
  RUN(many_by_epoll);
  RUN(many_by_poll);
  return CHECK_END();
}
