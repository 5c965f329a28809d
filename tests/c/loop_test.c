/* Loops with real sockets, threads and handshakes: a lite server and a checking client on loopback. */
#define _GNU_SOURCE
#include "io/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "engine/state.h"
#include "io/clock.h"
#include "io/loop_state.h"
#include "io/mailbox.h"
#include "io/thread.h"
#include "rig.h"
#include "test_cert.h"

#ifdef __linux__
/* What a run of datagrams as one meets, 0: nothing. Stands before libc's. */
static _Atomic int run_errno;

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
  unsigned whole = 0;
  while (whole < n && !(run_errno && m[whole].msg_hdr.msg_iovlen > 1)) whole++;
  if (whole) return (int)syscall(SYS_sendmmsg, fd, m, whole, flags);
  errno = run_errno;
  return -1;
}
#endif

static uint32_t slots; /* of the loops that are made; 0: as usual */

static rtc_loop_t *make(const char *const *ips, const uint16_t *ports, int n, bool portable, rtc_udp_fault_t *why) {
  rtc_addr_t bind[RTC_LOOP_SOCKETS + 1];
  for (int i = 0; i < n; i++) {
    if (rtc_addr_parse(&bind[i], ips[i], ports[i]) < 0) exit(2);
  }
  rtc_loop_cfg_t cfg = {.bind = bind, .bind_n = n, .slots = slots, .portable = portable};
  cfg.cert_pem = TEST_CERT;
  cfg.cert_len = sizeof TEST_CERT - 1;
  cfg.key_pem = TEST_KEY;
  cfg.key_len = sizeof TEST_KEY - 1;
  return rtc_loop_new(&cfg, why);
}

static rtc_loop_t *make_on(const char *ip, bool portable) {
  rtc_udp_fault_t why;
  uint16_t port = 0;
  rtc_loop_t *l = make(&ip, &port, 1, portable, &why);
  if (!l) exit(2);
  return l;
}

static rtc_addr_t bound(const rtc_loop_t *l) {
  rtc_loop_info_t info;
  rtc_loop_info(l, &info);
  return info.bound[0];
}

/* All sides show the same certificate. */
static char print[96];

static void learn_fingerprint(void) {
  rtc_loop_t *l = make_on("127.0.0.1", false);
  CHECK_EQ(rtc_loop_fingerprint(l, print, 95), RTC_ENOBUFS);
  CHECK_EQ(rtc_loop_fingerprint(l, print, sizeof print), 95);
  CHECK_EQ(print[2], ':');
  char *to = print;
  for (const char *from = print; *from; from++) {
    if (*from != ':') *to++ = (char)(*from >= 'A' ? *from - 'A' + 'a' : *from);
  }
  *to = 0;
  rtc_loop_free(l);
}

static rtc_cmd_t transport(uint32_t id, bool client, int pair) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id};
  rtc_transport_cfg_t *t = &c.u.transport;
  const char *side[2] = {client ? "client" : "server", client ? "server" : "client"};
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s%d", side[0], pair);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s%d", side[1], pair);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "password-of-the-%s", side[0]);
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "password-of-the-%s", side[1]);
  t->dtls_client = client;
  t->ice_role = client ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
  t->fp_n = 1;
  t->fp[0].bits = 256;
  t->fp[0].len = (uint8_t)check_hex(t->fp[0].value, 32, print);
  rtc_extmap_init(&t->ext);
  return c;
}

static rtc_cmd_t path_to(uint32_t id, const rtc_loop_t *l) {
  rtc_cmd_t c = {.op = RTC_OP_PATH, .id = id};
  c.u.path.remote = bound(l);
  return c;
}

static rtc_cmd_t receiver(uint32_t id, uint32_t on) {
  rtc_cmd_t c = {.op = RTC_OP_RECV, .id = id};
  c.u.recv =
      (rtc_recv_cfg_t){.transport = on, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000, .nack = true};
  return c;
}

static rtc_cmd_t sender(uint32_t id, uint32_t on, uint32_t ssrc) {
  rtc_cmd_t c = {.op = RTC_OP_SEND, .id = id};
  c.u.send =
      (rtc_send_cfg_t){.transport = on, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000, .ssrc = ssrc};
  return c;
}

static rtc_cmd_t frame(uint32_t id, uint32_t ts, bool key) {
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = id};
  c.u.frame = (rtc_frame_cfg_t){.data = calloc(1, 2500), .len = 2500, .ts = ts, .key = key, .captured = rtc_clock_now()};
  c.u.frame.data[0] = key ? 0x10 : 0x11;
  return c;
}

/* A loop without a thread is stepped while it is waited for. */
typedef struct side {
  rtc_loop_t *l;
  bool stepped;
  rtc_event_t last; /* of a transport */
  int events, actives;
} side_t;

static void collect(side_t *s) {
  rtc_event_t e;
  rtc_loop_look(s->l);
  while (rtc_loop_event(s->l, &e)) {
    s->events++;
    if (e.type == RTC_EV_TRANSPORT) s->last = e;
    if (e.type == RTC_EV_RECV) s->actives++;
  }
}

static void step(side_t *s, int wait_ms) {
  struct pollfd p = {.fd = s->stepped ? rtc_loop_fd(s->l) : rtc_loop_event_fd(s->l), .events = POLLIN};
  if (s->stepped) {
    rtc_time_t in = rtc_loop_next_at(s->l) - rtc_clock_now();
    if (in < RTC_MS(wait_ms)) wait_ms = in > 0 ? (int)(in / 1000) : 0;
  }
  poll(&p, 1, wait_ms);
  if (s->stepped) CHECK_EQ(rtc_loop_step(s->l), 0);
}

/* The result of a batch: 0 or the error. */
static int run(side_t *s, const rtc_cmd_t *c, uint32_t n, uint32_t *index) {
  uint64_t want, ticket;
  uint32_t at = 0;
  int err = rtc_loop_submit(s->l, c, n, &want);
  if (err < 0) return err;
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end; step(s, 10)) {
    rtc_loop_look(s->l);
    while (rtc_loop_acked(s->l, &ticket, &err, &at)) {
      if (ticket != want) continue;
      if (index) *index = at;
      return err;
    }
  }
  return 1;
}

static bool reach(side_t *s, side_t *other, rtc_tstate_t state) {
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end;) {
    collect(s);
    if (s->last.state == state) return true;
    step(s, 5);
    if (other) step(other, 5);
  }
  return false;
}

static rtc_stats_t stats(side_t *s) {
  static rtc_transport_stats_t t[8];
  static rtc_recv_stats_t r[8];
  static rtc_send_stats_t d[8];
  rtc_stats_t out = {.transport_cap = 8, .recv_cap = 8, .send_cap = 8, .transport = t, .recv = r, .send = d};
  rtc_cmd_t c = {.op = RTC_OP_STATS, .u.stats = &out};
  CHECK_EQ(run(s, &c, 1, NULL), 0);
  return out;
}

/* One pair, handshake, frames from the client, goodbye. */
static void whole_way(bool stepped, bool portable, const char *ip, const char *dial) {
  side_t a = {.l = make_on(ip, portable), .stepped = stepped}, b = {.l = make_on(dial, portable)};
  if (!stepped) CHECK_EQ(rtc_loop_start(a.l), 0);
  CHECK_EQ(rtc_loop_start(b.l), 0);
  CHECK_EQ(rtc_loop_start(b.l), RTC_ESTATE);
  CHECK_EQ(rtc_loop_step(b.l), RTC_ESTATE);
  rtc_cmd_t server[2] = {transport(1, false, 0), receiver(1, 1)};
  rtc_cmd_t client[3] = {transport(1, true, 0), sender(7, 1, 0x1234), path_to(1, a.l)};
  rtc_addr_t goal = bound(a.l);
  CHECK_EQ(rtc_addr_parse(&client[2].u.path.remote, dial, goal.port), 0);
  CHECK_EQ(run(&a, server, 2, NULL), 0);
  CHECK_EQ(run(&b, client, 3, NULL), 0);
  CHECK(reach(&b, &a, RTC_T_CONNECTED));
  CHECK(reach(&a, &b, RTC_T_CONNECTED));
  CHECK(b.last.checked >= b.last.added && b.last.connected >= b.last.checked);
  enum { FRAMES = 40 };
  for (uint32_t i = 0; i < FRAMES; i++) {
    rtc_cmd_t c = frame(7, i * 3000, i == 0);
    CHECK_EQ(rtc_loop_submit(b.l, &c, 1, NULL), 0);
    if (i % 10 == 9) CHECK_EQ(run(&b, &(rtc_cmd_t){.op = RTC_OP_RATE, .id = 1, .u.rate_bps = 50000000}, 1, NULL), 0);
  }
  rtc_stats_t s = {0};
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end;) {
    s = stats(&a);
    if (s.recv_n == 1 && s.recv[0].frames == FRAMES) break;
    step(&a, 5);
  }
  CHECK_EQ(s.recv_n, 1);
  CHECK_EQ(s.recv[0].frames, FRAMES);
  CHECK_EQ(s.recv[0].key_frames, 1);
  CHECK_EQ(s.recv[0].ssrc, 0x1234);
  CHECK_EQ(s.recv[0].lost, 0);
  collect(&a);
  CHECK_EQ(a.actives, 1);
  rtc_loop_info_t info;
  rtc_loop_info(a.l, &info);
  CHECK(info.recv_calls > 0 && info.send_calls > 0 && info.steps > 0);
  CHECK_EQ(info.kernel_drops, 0);
  CHECK_EQ(info.portable, portable);
  rtc_loop_stop(b.l);
  rtc_loop_stop(b.l);
  collect(&b);
  CHECK_EQ(b.last.state, RTC_T_CLOSED);
  CHECK_EQ(b.last.reason, RTC_WHY_COMMAND);
  CHECK(reach(&a, NULL, RTC_T_CLOSED)); /* it was told, at once */
  CHECK_EQ(a.last.reason, RTC_WHY_CLOSE_NOTIFY);
  rtc_cmd_t late = frame(7, 0, true);
  CHECK_EQ(rtc_loop_submit(b.l, &late, 1, NULL), RTC_ECLOSED);
  rtc_loop_free(a.l);
  rtc_loop_free(b.l);
}

static void threads_on_ipv4(void) { whole_way(false, false, "127.0.0.1", "127.0.0.1"); }
static void threads_on_ipv6(void) { whole_way(false, false, "::", "::1"); }
static void portable_on_a_wildcard(void) { whole_way(false, true, "0.0.0.0", "127.0.0.2"); }
static void without_a_thread(void) { whole_way(true, false, "127.0.0.1", "127.0.0.1"); }

/* Many that want to join stand before media in the socket: they are put off, and nothing of either is lost. */
static void a_crowd_waits_for_media(bool stepped) {
  enum { CROWD = 150 /* what a socket takes whose buffer nobody has asked to be larger */ };
  side_t a = {.l = make_on("127.0.0.1", false), .stepped = stepped}, b = {.l = make_on("127.0.0.1", false)};
  if (!stepped) CHECK_EQ(rtc_loop_start(a.l), 0);
  CHECK_EQ(rtc_loop_start(b.l), 0);
  rtc_cmd_t server[3] = {transport(1, false, 0), receiver(1, 1), transport(2, false, 5)};
  rtc_cmd_t client[3] = {transport(1, true, 0), sender(7, 1, 0x1234), path_to(1, a.l)};
  CHECK_EQ(run(&a, server, 3, NULL), 0);
  CHECK_EQ(run(&b, client, 3, NULL), 0);
  CHECK(reach(&b, &a, RTC_T_CONNECTED));
  CHECK(reach(&a, &b, RTC_T_CONNECTED));
  rtc_udp_t crowd;
  int sys;
  rtc_udp_cfg_t cfg = {.recv_buffer = 1 << 20};
  CHECK_EQ(rtc_addr_parse(&cfg.bind, "127.0.0.1", 0), 0);
  CHECK_EQ(rtc_udp_open(&crowd, &cfg, &sys), 0);
  rtc_pool_t *pool = rtc_pool_new(RTC_UDP_BATCH);
  rtc_pkt_t *check = rtc_pkt_get(pool), *in[RTC_UDP_BATCH];
  check->path.remote = bound(a.l);
  uint32_t frames = 0;
  int answers = 0;
  rtc_loop_info_t info = {0};
  /* A threaded loop may keep up with a crowd: then again. */
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); !info.put_off && rtc_clock_now() < end;) {
    for (int i = 0; i < CROWD; i++) {
      check->len = (uint32_t)rig_write_check(check->data, RTC_PKT_DATA, "server5:client5", "password-of-the-server", false);
      int64_t wait_us = 100000;
      CHECK_EQ(rtc_udp_send(&crowd, &check, 1, &wait_us), 1);
    }
    rtc_cmd_t c = frame(7, frames * 3000, frames == 0);
    frames++;
    CHECK_EQ(run(&b, &c, 1, NULL), 0);
    rtc_stats_t s = {0};
    for (int got; rtc_clock_now() < end;) {
      s = stats(&a);
      for (int i = 0; i < RTC_UDP_BATCH; i++) in[i] = i ? rtc_pkt_get(pool) : check;
      while ((got = rtc_udp_recv(&crowd, in + 1, RTC_UDP_BATCH - 1)) > 0) answers += got;
      for (int i = 1; i < RTC_UDP_BATCH; i++) rtc_pkt_put(in[i]);
      if (s.recv_n == 1 && s.recv[0].frames == frames && answers == (int)frames * CROWD) break;
      step(&a, 5);
    }
    CHECK_EQ(s.recv[0].frames, frames);
    CHECK_EQ(s.recv[0].lost, 0);
    CHECK_EQ(answers, frames * CROWD);
    rtc_loop_info(a.l, &info);
  }
  CHECK(info.put_off > 0);
  rtc_pkt_put(check);
  rtc_pool_free(pool);
  rtc_udp_close(&crowd);
  rtc_loop_free(b.l);
  rtc_loop_free(a.l);
}

static void a_crowd_waits_for_a_thread(void) { a_crowd_waits_for_media(false); }
static void a_crowd_waits_for_a_step(void) { a_crowd_waits_for_media(true); }

/* More than may be put off: those beyond have their turn at once. */
static void a_crowd_beyond_the_cap(void) {
  slots = 512;
  rtc_loop_t *l = make_on("127.0.0.1", false);
  CHECK_EQ(l->later_cap, 512 / RTC_LOOP_FLUSH_PART);
  rtc_loop_free(l);
  a_crowd_waits_for_media(true);
  slots = 0;
  l = make_on("127.0.0.1", false);
  CHECK_EQ(l->later_cap, RTC_LOOP_LATER);
  rtc_loop_free(l);
}

static void a_batch_ends_at_its_first_failure(void) {
  side_t a = {.l = make_on("127.0.0.1", false)};
  CHECK_EQ(rtc_loop_start(a.l), 0);
  uint32_t index = 99;
  rtc_cmd_t good[2] = {transport(1, false, 1), sender(1, 1, 5)};
  CHECK_EQ(run(&a, good, 2, &index), 0);
  rtc_cmd_t bad[4] = {transport(2, false, 2), sender(2, 77, 6), frame(1, 0, true), transport(3, false, 3)};
  CHECK_EQ(run(&a, bad, 4, &index), RTC_EINVAL);
  CHECK_EQ(index, 1);
  rtc_stats_t s = stats(&a);
  CHECK_EQ(s.transport_n, 2); /* the one before, and none after */
  rtc_cmd_t lost = frame(42, 0, true);
  CHECK_EQ(rtc_loop_submit(a.l, &lost, 1, NULL), 0);
  stats(&a);
  rtc_loop_info_t info;
  rtc_loop_info(a.l, &info);
  CHECK_EQ(info.frames_refused, 1);
  CHECK_EQ(rtc_loop_submit(a.l, &lost, 0, NULL), RTC_EINVAL);
  rtc_loop_free(a.l);
}

/* More than the ring holds, and nobody looks meanwhile: all are there afterwards. */
static void events_wait_for_who_sleeps(void) {
  enum { MANY = RTC_LOOP_EVENTS + 300 };
  side_t a = {.l = make_on("127.0.0.1", false)};
  CHECK_EQ(rtc_loop_start(a.l), 0);
  for (uint32_t i = 1; i <= MANY; i++) {
    rtc_cmd_t c[2] = {transport(i, false, (int)i), {.op = RTC_OP_CLOSE, .id = i}};
    CHECK_EQ(rtc_loop_submit(a.l, c, 2, NULL), 0);
  }
  stats(&a);
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end && a.events < MANY; step(&a, 10)) collect(&a);
  CHECK_EQ(a.events, MANY);
  CHECK_EQ(a.last.state, RTC_T_CLOSED);
  rtc_loop_free(a.l);
}

static void why_a_loop_is_not_made(void) {
  rtc_udp_fault_t why;
  const char *both[2] = {"0.0.0.0", "::"};
  uint16_t ports[2] = {0, 0};
  rtc_loop_t *l = make(both, ports, 2, false, &why), *m;
  CHECK(l != NULL);
  if (!l) return;
  rtc_loop_info_t info;
  rtc_loop_info(l, &info);
  CHECK_EQ(info.socket_n, 2);
  CHECK_EQ(info.bound[0].port, info.bound[1].port);
  ports[1] = info.bound[1].port;
  m = make(both, ports, 2, false, &why);
  CHECK(m == NULL && why.sys == EADDRINUSE && why.index == 1 && why.err == RTC_EINVAL);
  const char *many[RTC_LOOP_SOCKETS + 1];
  uint16_t any_port[RTC_LOOP_SOCKETS + 1] = {0};
  for (int i = 0; i <= RTC_LOOP_SOCKETS; i++) many[i] = "127.0.0.1";
  CHECK(make(many, any_port, RTC_LOOP_SOCKETS + 1, false, &why) == NULL && why.err == RTC_EINVAL && why.index == -1);
  rtc_addr_t any;
  CHECK_EQ(rtc_addr_parse(&any, "127.0.0.1", 0), 0);
  rtc_loop_cfg_t cfg = {.bind = &any,
                        .bind_n = 1,
                        .cert_pem = TEST_KEY,
                        .cert_len = sizeof TEST_KEY - 1,
                        .key_pem = TEST_KEY,
                        .key_len = sizeof TEST_KEY - 1};
  CHECK(rtc_loop_new(&cfg, &why) == NULL && why.err == RTC_EINVAL && why.index == -1);
  cfg.cert_pem = TEST_CERT;
  cfg.cert_len = sizeof TEST_CERT - 1;
  cfg.srtp_window = 64;
  rtc_loop_t *narrow = rtc_loop_new(&cfg, &why);
  CHECK(narrow && narrow->hub->cfg.srtp_window == 64 && l && !l->hub->cfg.srtp_window);
  rtc_loop_free(narrow);
  rtc_loop_free(l); /* never started */
  rtc_loop_free(NULL);
}

typedef struct many {
  rtc_loop_t *l;
  _Atomic int accepted;
} many_t;

/* Goes on until the loop is stopped. */
static void *submitter(void *arg) {
  many_t *m = arg;
  for (int i = 0, err = 0; err != RTC_ECLOSED; i++) {
    uint64_t ticket;
    rtc_cmd_t c[2] = {{.op = RTC_OP_CLOSE, .id = 1}, frame(1, 0, true)};
    err = rtc_loop_submit(m->l, c, 2, i % 2 ? &ticket : NULL);
    if (err == 0 && i % 2) atomic_fetch_add(&m->accepted, 1);
    if (err == RTC_ENOBUFS) sched_yield();
  }
  return NULL;
}

/* Threads submit while another collects and the loop is stopped under them: each ticket has its result. */
static void many_threads(void) {
  many_t m = {.l = make_on("127.0.0.1", false)};
  CHECK_EQ(rtc_loop_start(m.l), 0);
  pthread_t t[3];
  for (int i = 0; i < 3; i++) CHECK_EQ(rtc_thread_start(&t[i], submitter, &m), 0);
  int results = 0, err;
  uint64_t ticket;
  uint32_t index;
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); results < 100 && rtc_clock_now() < end;) {
    rtc_loop_look(m.l);
    while (rtc_loop_acked(m.l, &ticket, &err, &index)) results++;
    rtc_loop_info_t info;
    rtc_loop_info(m.l, &info);
  }
  rtc_loop_stop(m.l);
  for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
  while (rtc_loop_acked(m.l, &ticket, &err, &index)) results++;
  CHECK(results >= 100);
  CHECK_EQ(results, atomic_load(&m.accepted));
  rtc_loop_free(m.l);
}

static void a_forked_child_is_refused(void) {
  side_t a = {.l = make_on("127.0.0.1", false)};
  CHECK_EQ(rtc_loop_start(a.l), 0);
  pid_t child = fork();
  if (child == 0) {
    rtc_cmd_t c = {.op = RTC_OP_KEYFRAME, .id = 1};
    int err = rtc_loop_submit(a.l, &c, 1, NULL);
    rtc_loop_look(a.l);
    rtc_loop_free(a.l); /* must not wait for a thread that is not here */
    _exit(err == RTC_ESTATE ? 7 : 8);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  stats(&a); /* the parent's goes on */
  rtc_loop_free(a.l);
}

#ifdef __linux__
static rtc_loop_info_t frames_until(side_t *from, side_t *to, uint32_t first, uint32_t n) {
  for (uint32_t i = first; i < first + n; i++) {
    rtc_cmd_t c = frame(7, i * 3000, i == 0);
    CHECK_EQ(run(from, &c, 1, NULL), 0);
  }
  rtc_stats_t s = {0};
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end; step(to, 5)) {
    s = stats(to);
    if (s.recv_n == 1 && s.recv[0].packets >= (first + n) * 3) break;
  }
  CHECK_EQ(s.recv_n, 1);
  CHECK_EQ(s.recv[0].frames, first + n);
  CHECK_EQ(s.recv[0].packets, (first + n) * 3);
  CHECK_EQ(s.recv[0].lost, 0);
  stats(from);
  rtc_loop_info_t info;
  rtc_loop_info(from->l, &info);
  return info;
}

/* Frames leave as runs; when the kernel refuses them nothing is lost, and the engine learns it at once. */
static void refused_runs(void) {
  static const int errors[] = {EINVAL, EMSGSIZE, EIO};
  for (int e = 0; e < 3; e++) {
    side_t a = {.l = make_on("127.0.0.1", false)}, b = {.l = make_on("127.0.0.1", false)};
    CHECK_EQ(rtc_loop_start(a.l), 0);
    CHECK_EQ(rtc_loop_start(b.l), 0);
    rtc_cmd_t server[2] = {transport(1, false, 0), receiver(1, 1)};
    rtc_cmd_t client[4] = {
        transport(1, true, 0), sender(7, 1, 0x1234), path_to(1, a.l), {.op = RTC_OP_RATE, .id = 1, .u.rate_bps = 1000000000}};
    CHECK_EQ(run(&a, server, 2, NULL), 0);
    CHECK_EQ(run(&b, client, 4, NULL), 0);
    CHECK(reach(&b, &a, RTC_T_CONNECTED));
    CHECK(reach(&a, &b, RTC_T_CONNECTED));
    rtc_loop_info_t before = frames_until(&b, &a, 0, 10);
    CHECK(before.runs);
    CHECK(before.gso_runs >= 10 && before.gso_datagrams >= 3 * 10 && before.gso_refused == 0);
    run_errno = errors[e];
    rtc_loop_info_t after = frames_until(&b, &a, 10, 20);
    CHECK_EQ(after.gso_refused, 1);
    CHECK_EQ(after.gso_runs, before.gso_runs);
    CHECK_EQ(after.send_refused, 0);
    CHECK_EQ(after.runs, errors[e] != EIO);
    run_errno = 0;
    after = frames_until(&b, &a, 30, 5);
    CHECK_EQ(after.gso_runs, before.gso_runs); /* and it stays so on this way */
    rtc_loop_stop(b.l);
    CHECK_EQ(b.l->hub->run_socks, errors[e] != EIO); /* nothing is padded for a socket that sends no runs */
    rtc_loop_free(b.l);
    rtc_loop_free(a.l);
  }
}
#endif

int main(void) {
  RUN(learn_fingerprint);
  RUN(threads_on_ipv4);
  RUN(threads_on_ipv6);
  RUN(portable_on_a_wildcard);
  RUN(without_a_thread);
#ifdef __linux__
  RUN(refused_runs);
#endif
  RUN(a_crowd_waits_for_a_thread);
  RUN(a_crowd_waits_for_a_step);
  RUN(a_crowd_beyond_the_cap);
  RUN(a_batch_ends_at_its_first_failure);
  RUN(events_wait_for_who_sleeps);
  RUN(why_a_loop_is_not_made);
  RUN(many_threads);
  RUN(a_forked_child_is_refused);
  return CHECK_END();
}
