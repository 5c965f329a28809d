/* links: io/udp.c io/udp_sys.c io/udp_linux.c io/udp_gro.c io/udp_posix.c io/clock.c base/addr.c base/pkt.c base/err.c */
#define _GNU_SOURCE
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "datagrams.h"
#include "io/clock.h"

/* The system calls that must fail on demand, which loopback cannot show. They stand before libc's. */
static int busy_sends;        /* so many sends say that the buffer is full; -1: all */
static bool no_ipv6;          /* socket() knows no IPv6 */
static int failing_bind = -1; /* the n-th bind from now finds its port taken */
static int run_errno;         /* what a run of datagrams meets, 0: nothing .. */
static uint16_t run_port;     /* .. to this port, 0: to all */
static int run_tries;
static size_t way_bytes; /* larger datagrams do not fit their way unless they may be cut; 0: all fit */

static bool too_big(int fd, const struct msghdr *m) {
  size_t bytes = 0;
  for (size_t i = 0; i < (size_t)m->msg_iovlen; i++) bytes += m->msg_iov[i].iov_len;
#ifdef __linux__
  int rule = 0;
  socklen_t n = sizeof rule;
  if (!way_bytes || bytes <= way_bytes || getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &rule, &n) != 0 || rule != IP_PMTUDISC_DO)
    return false;
  errno = EMSGSIZE;
  return true;
#else
  return (void)fd, false;
#endif
}

#ifdef __linux__
static bool run_fails(const struct mmsghdr *m) {
  const struct sockaddr_in *to = m->msg_hdr.msg_name;
  return run_errno && m->msg_hdr.msg_iovlen > 1 && (!run_port || to->sin_port == htons(run_port));
}
#endif

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
#ifdef __linux__
  for (unsigned i = 0; i < n; i++) { /* as the kernel does: what is before the failing one is sent */
    if (!run_fails(&m[i]) && !too_big(fd, &m[i].msg_hdr)) continue;
    if (i == 0 && run_fails(&m[i])) {
      run_tries++;
      errno = run_errno;
    }
    if (i == 0) return -1;
    n = i;
  }
#endif
  if (busy_sends) {
    if (busy_sends > 0) busy_sends--;
    errno = EAGAIN;
    return -1;
  }
  return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
  if (busy_sends) {
    if (busy_sends > 0) busy_sends--;
    errno = EAGAIN;
    return -1;
  }
  if (too_big(fd, m)) return -1;
  return syscall(SYS_sendmsg, fd, m, flags);
}
int socket(int domain, int type, int protocol) {
  if (no_ipv6 && domain == AF_INET6) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return (int)syscall(SYS_socket, domain, type, protocol);
}
int bind(int fd, const struct sockaddr *a, socklen_t n) {
  if (failing_bind >= 0 && failing_bind-- == 0) {
    errno = EADDRINUSE;
    return -1;
  }
  return (int)syscall(SYS_bind, fd, a, n);
}

static bool portable; /* which backend the tests below use */

static void open_on(rtc_udp_t *u, const char *ip, int recv_buffer) {
  rtc_udp_cfg_t cfg = {.bind = addr(ip, 0), .recv_buffer = recv_buffer, .portable = portable};
  int sys;
  CHECK_EQ(rtc_udp_open(u, &cfg, &sys), 0);
  CHECK_EQ(sys, 0);
  CHECK(u->bound.port != 0);
}

/* Waits for the first datagram, then takes what is there. The slots are the caller's to put. */
static int recv_some(rtc_udp_t *u, rtc_pkt_t **v, int cap) {
  struct pollfd p = {.fd = u->fd, .events = POLLIN};
  if (poll(&p, 1, 2000) != 1) return 0;
  for (int i = 0; i < cap; i++) v[i] = rtc_pkt_get(pool);
  int n = rtc_udp_recv(u, v, cap);
  for (int i = n; i < cap; i++) rtc_pkt_put(v[i]);
  return n;
}

static void put_all(rtc_pkt_t **v, int n) {
  for (int i = 0; i < n; i++) rtc_pkt_put(v[i]);
}

static void batches(const char *any, const char *loopback) {
  rtc_udp_t a, b;
  open_on(&a, loopback, 0);
  open_on(&b, any, 1 << 20);
  rtc_addr_t to = addr(loopback, b.bound.port), local = addr(loopback, 0);
  rtc_pkt_t *v[150], *in[RTC_UDP_BATCH];
  for (uint32_t i = 0; i < 150; i++) v[i] = packet(&to, i, 4 + i * 9);
  CHECK_EQ(send_all(&a, v, 150), 150);
  uint32_t seen = 0;
  for (int n; seen < 150 && (n = recv_some(&b, in, RTC_UDP_BATCH)) > 0;) {
    for (int i = 0; i < n; i++, seen++) {
      uint32_t number;
      memcpy(&number, in[i]->data, 4);
      CHECK_EQ(number, seen);
      CHECK_EQ(in[i]->len, 4 + seen * 9);
      CHECK(rtc_addr_eq(&in[i]->path.remote, &a.bound));
      CHECK(rtc_addr_eq(&in[i]->path.local, &local));
    }
    put_all(in, n);
  }
  CHECK_EQ(seen, 150);
  if (portable) CHECK(a.count.send_calls == 150 && b.count.recv_calls > 150);
#ifdef __linux__
  else
    CHECK(a.count.send_calls == 3 && b.count.recv_calls <= 10);
#endif
  CHECK_EQ(rtc_udp_recv(&a, in, 0), 0);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
  rtc_udp_close(&b);
}

static void batches_v4(void) { batches("0.0.0.0", "127.0.0.1"); }
static void batches_v6(void) { batches("::", "::1"); }

/* One socket on the wildcard address, asked on several of the machine's: each answer comes from the one that was asked. */
static void answers_leave_from_the_address_that_was_asked(void) {
  rtc_udp_t a, b;
  open_on(&a, "0.0.0.0", 0);
  open_on(&b, "127.0.0.9", 0);
  const char *asked[] = {"127.0.0.5", "127.0.0.77", "127.0.0.1"};
  for (int i = 0; i < 3; i++) {
    rtc_addr_t to = addr(asked[i], a.bound.port);
    rtc_pkt_t *v[1] = {packet(&to, 1, 10)};
    CHECK_EQ(send_all(&b, v, 1), 1);
    CHECK_EQ(recv_some(&a, v, 1), 1);
    rtc_addr_t local = addr(asked[i], 0);
    CHECK(rtc_addr_eq(&v[0]->path.local, &local));
    CHECK_EQ(send_all(&a, v, 1), 1); /* the path as it came */
    CHECK_EQ(recv_some(&b, v, 1), 1);
    CHECK(rtc_addr_eq(&v[0]->path.remote, &to));
    local = addr("127.0.0.9", 0);
    CHECK(rtc_addr_eq(&v[0]->path.local, &local)); /* a socket on one address says so without asking the kernel */
    put_all(v, 1);
  }
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

static void sizes(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "0.0.0.0", 1 << 20);
  rtc_addr_t to = addr("127.0.0.1", b.bound.port);
  static const struct {
    uint32_t sent, got;
  } row[] = {{1200, 1200}, {RTC_PKT_DATA, RTC_PKT_DATA}, {RTC_PKT_DATA + 1, RTC_UDP_TOO_BIG}, {RTC_PKT_DATA + 60, RTC_UDP_TOO_BIG}, {0, 0},
             {1, 1}};
  enum { ROWS = sizeof row / sizeof row[0] };
  rtc_pkt_t *v[ROWS];
  for (uint32_t i = 0; i < ROWS; i++) v[i] = packet(&to, i, row[i].sent);
  CHECK_EQ(send_all(&a, v, ROWS), ROWS);
  int seen = 0;
  for (int n; seen < ROWS && (n = recv_some(&b, v, ROWS)) > 0;) {
    for (int i = 0; i < n; i++, seen++) CHECK_EQ(v[i]->len, row[seen].got);
    put_all(v, n);
  }
  CHECK_EQ(seen, ROWS);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

/* A goal that the kernel refuses costs its own datagram only. */
static void a_bad_goal_is_lost_alone(void) {
  rtc_udp_t a, b;
  open_on(&a, "0.0.0.0", 0);
  open_on(&b, "127.0.0.1", 0);
  rtc_addr_t good = b.bound, broadcast = addr("255.255.255.255", 9), other_family = addr("::1", 9), no_port = addr("127.0.0.1", 0);
  rtc_pkt_t *v[6] = {packet(&broadcast, 0, 8), packet(&good, 1, 8),    packet(&other_family, 2, 8),
                     packet(&good, 3, 8),      packet(&no_port, 4, 8), packet(&good, 5, 8)};
  CHECK_EQ(send_all(&a, v, 6), 3);
  CHECK_EQ(a.count.refused, 3);
  rtc_pkt_t *in[4];
  uint32_t expect = 1;
  for (int n, seen = 0; seen < 3 && (n = recv_some(&b, in, 4)) > 0; seen += n) {
    for (int i = 0; i < n; i++, expect += 2) CHECK_EQ(in[i]->data[0], expect);
    put_all(in, n);
  }
  CHECK_EQ(expect, 7);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

static void a_full_buffer_never_stalls(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "127.0.0.1", 0);
  rtc_pkt_t *v[3] = {packet(&b.bound, 0, 8), packet(&b.bound, 1, 8), packet(&b.bound, 2, 8)}, *in[4];
  int64_t wait_us = 1000000;
  busy_sends = 2; /* room comes in time */
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 3);
  CHECK(wait_us < 1000000 && wait_us > 0);
  wait_us = 2000;
  busy_sends = -1; /* it never comes */
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 0);
  CHECK(wait_us <= 0);
  uint64_t calls = a.count.send_calls;
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 0); /* patience is used up: one try, no wait */
  CHECK_EQ(a.count.send_calls, calls + 1);
  CHECK_EQ(a.count.refused, 6);
  busy_sends = 0;
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 3);
  put_all(v, 3);
  int seen = 0;
  for (int n; seen < 6 && (n = recv_some(&b, in, 4)) > 0; seen += n) put_all(in, n);
  CHECK_EQ(seen, 6);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

/* Whole as long as all fit; then the kernel may cut them, and the one that was too big is not lost. */
static void too_big_for_the_way(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "127.0.0.1", 0);
#ifdef __linux__
  CHECK(a.whole);
#endif
  rtc_pkt_t *v[5], *in[8];
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < 5; i++) v[i] = packet(&b.bound, i, i == 2 ? 1300 : 1200);
    bool whole = a.whole;
    way_bytes = round ? 1250 : 1300;
    CHECK_EQ(send_all(&a, v, 5), 5);
    CHECK_EQ(a.whole, whole && round == 0);
  }
  int seen = 0;
  for (int n; seen < 10 && (n = recv_some(&b, in, 8)) > 0; seen += n) {
    for (int i = 0; i < n; i++) CHECK_EQ(in[i]->data[0], (seen + i) % 5);
    put_all(in, n);
  }
  CHECK_EQ(seen, 10);
  CHECK_EQ(a.count.refused, 0);
  way_bytes = 0;
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

/* A datagram that waited for its reader came when it came. The kernel begins to stamp by deferred work (Linux:
   net_enable_timestamp), and what arrives before that is stamped when it is read: so until the first stamp of arrival. */
static void arrival_is_the_kernels(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "127.0.0.1", 0);
  rtc_addr_t to = b.bound;
  bool at_arrival = false;
  for (int tries = 0; !at_arrival && tries < 100; tries++) {
    rtc_pkt_t *v[1] = {packet(&to, 1, 100)}, *in[1];
    rtc_time_t before = rtc_clock_now();
    CHECK_EQ(send_all(&a, v, 1), 1);
    rtc_time_t sent = rtc_clock_now();
    while (rtc_clock_now() - sent < RTC_MS(30)) {}
    CHECK_EQ(recv_some(&b, in, 1), 1);
    CHECK(in[0]->at >= before - RTC_MS(1) && in[0]->at <= rtc_clock_now() + RTC_MS(1));
    at_arrival = in[0]->at < sent + RTC_MS(25);
    put_all(in, 1);
  }
  CHECK(at_arrival);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

/* ---- runs ---- */

static rtc_pkt_t *member(const rtc_addr_t *to, uint32_t number, uint32_t len, bool joins) {
  rtc_pkt_t *k = packet(to, number, len);
  k->tag[RTC_PKT_RUN] = joins ? RTC_RUN_JOINS : RTC_RUN_ALONE;
  return k;
}

/* So many datagrams arrive at u, of these lengths, numbered from `first` on. */
static void expect(rtc_udp_t *u, const uint32_t *len, int n, uint32_t first) {
  rtc_pkt_t *in[RTC_UDP_BATCH];
  int seen = 0;
  for (int got; seen < n && (got = recv_some(u, in, RTC_UDP_BATCH)) > 0;) {
    for (int i = 0; i < got; i++, seen++) {
      uint32_t number = first + (uint32_t)seen;
      if (seen >= n) continue;
      CHECK_EQ(in[i]->len, len[seen]);
      CHECK_MEM(in[i]->data, &number, 4);
      for (uint32_t j = 4; j < in[i]->len; j++) {
        if (in[i]->data[j] != (uint8_t)number) CHECK_EQ(j, 0);
      }
    }
    put_all(in, got);
  }
  CHECK_EQ(seen, n);
  CHECK_EQ(rtc_udp_discard(u, 1), 0);
}

static void open_sender(rtc_udp_t *u, const char *ip, bool single) {
  rtc_udp_cfg_t cfg = {.bind = addr(ip, 0), .portable = portable, .single = single};
  int sys;
  CHECK_EQ(rtc_udp_open(u, &cfg, &sys), 0);
}

/* The same datagrams arrive whether runs are sent as one or not; how many messages and calls it took. */
static void runs_arrive_as_datagrams(void) {
  static const struct {
    const char *name;
    int n;
    uint32_t len[8];
    bool joins[8];
    uint64_t runs, in_runs;
  } row[] = {
      {"equal", 4, {1200, 1200, 1200, 1200}, {0, 1, 1, 1}, 1, 4},
      {"the last one shorter", 4, {1200, 1200, 1200, 7}, {0, 1, 1, 1}, 1, 4},
      {"not marked", 3, {500, 500, 500}, {0, 0, 0}, 0, 0},
      {"two runs", 5, {900, 900, 800, 800, 800}, {0, 1, 0, 1, 1}, 2, 5},
      {"the mark is wrong about sizes", 5, {900, 900, 901, 901, 5}, {0, 1, 1, 1, 1}, 2, 5},
      {"nothing after a shorter one", 5, {900, 800, 800, 800, 900}, {0, 1, 1, 1, 1}, 2, 4},
      {"marked from the first", 2, {64, 64}, {1, 1}, 1, 2},
      {"one", 1, {1200}, {1}, 0, 0},
  };
  static const char *const from[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};
  for (int single = 0; single < 2; single++) {
    for (int f = 0; f < 4; f++) {
      rtc_udp_t a, b;
      open_sender(&a, from[f], single);
      open_on(&b, f < 2 ? "127.0.0.1" : "::1", 1 << 20);
      bool runs = a.runs;
#ifdef __linux__
      CHECK_EQ(runs, !portable && !single);
#else
      CHECK(!runs);
#endif
      for (uint32_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        rtc_pkt_t *v[8];
        for (int i = 0; i < row[r].n; i++) {
          v[i] = member(&b.bound, r * 100 + (uint32_t)i, row[r].len[i], row[r].joins[i]);
          if (f == 1) v[i]->path.local = addr("127.0.0.7", 0);
          if (f == 3) v[i]->path.local = addr("::1", 0);
        }
        uint64_t n = a.count.runs_sent, in = a.count.run_datagrams, calls = a.count.send_calls;
        CHECK_EQ(send_all(&a, v, row[r].n), row[r].n);
        CHECK_EQ(a.count.runs_sent - n, runs ? row[r].runs : 0);
        CHECK_EQ(a.count.run_datagrams - in, runs ? row[r].in_runs : 0);
        CHECK_EQ(a.count.send_calls - calls, portable ? row[r].n : 1);
        expect(&b, row[r].len, row[r].n, r * 100);
      }
      CHECK_EQ(a.count.refused, 0);
      CHECK_EQ(a.count.runs_refused, 0);
      rtc_udp_close(&a);
      rtc_udp_close(&b);
    }
  }
}

/* Marked or not, what goes to another address, or leaves from another, is not of the run. */
static void a_run_has_one_path(void) {
  rtc_udp_t a, b, c;
  open_sender(&a, "0.0.0.0", false);
  open_on(&b, "127.0.0.1", 0);
  open_on(&c, "127.0.0.1", 0);
  rtc_pkt_t *v[6];
  for (uint32_t i = 0; i < 6; i++) {
    v[i] = member(i < 2 ? &b.bound : &c.bound, i < 2 ? i : i - 2, 300, i > 0);
    v[i]->path.local = addr(i < 4 ? "127.0.0.1" : "127.0.0.9", 0);
  }
  uint32_t len[4] = {300, 300, 300, 300};
  bool runs = a.runs;
  CHECK_EQ(send_all(&a, v, 6), 6);
  CHECK_EQ(a.count.runs_sent, runs ? 3 : 0);
  expect(&b, len, 2, 0);
  expect(&c, len, 4, 0);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
  rtc_udp_close(&c);
}

/* 150 at once: 64 a message at most and 65,000 bytes, and a call's 64 places are not exceeded. */
static void long_runs(void) {
  static const uint32_t lens[] = {100, 1016, 1400};
  static const uint64_t runs[] = {3, 5, 6}; /* 64 64 22; 63 1 .. cut by 64 places a call; 46 18 46 18 22 */
  for (int r = 0; r < 3; r++) {
    rtc_udp_t a, b;
    open_sender(&a, "127.0.0.1", false);
    open_on(&b, "127.0.0.1", 1 << 20);
    rtc_pkt_t *v[150];
    uint32_t len[150];
    for (uint32_t i = 0; i < 150; i++) {
      v[i] = member(&b.bound, i, lens[r], i > 0);
      len[i] = lens[r];
    }
    bool on = a.runs;
    CHECK_EQ(send_all(&a, v, 150), 150);
    CHECK_EQ(a.count.refused, 0);
    if (on) CHECK(a.count.runs_sent >= 3 && a.count.runs_sent <= runs[r] && a.count.run_datagrams >= 147);
    expect(&b, len, 150, 0);
    rtc_udp_close(&a);
    rtc_udp_close(&b);
  }
}

/* A host that has changed networks: what was to leave from its old address leaves from the new one, each datagram alone or a run of them.
 */
static void an_address_that_is_gone_stops_nothing(void) {
  static const char *any[] = {"0.0.0.0", "::"}, *here[] = {"127.0.0.1", "::1"}, *gone[] = {"203.0.113.77", "2001:db8::77"};
  for (int f = 0; f < 2; f++) {
    rtc_udp_t a, b;
    open_on(&a, any[f], 0);
    open_on(&b, here[f], 1 << 20);
    rtc_pkt_t *v[8], *in[8];
    for (uint32_t i = 0; i < 8; i++) {
      v[i] = i < 4 ? packet(&b.bound, i, 8) : member(&b.bound, i, 1000, i > 4);
      if (i % 4 != 1 || i > 4) v[i]->path.local = addr(gone[f], 0);
    }
    CHECK_EQ(send_all(&a, v, 8), 8);
    CHECK_EQ(a.count.refused, 0);
    int seen = 0;
    for (int n; seen < 8 && (n = recv_some(&b, in, 8)) > 0; seen += n) put_all(in, n);
    CHECK_EQ(seen, 8);
    rtc_udp_close(&a);
    rtc_udp_close(&b);
  }
}

/* The kernel refuses runs: nothing is lost, nothing comes twice, nothing out of order, and it is remembered. */
static void refused_runs_go_one_by_one(void) {
  static const int errors[] = {EIO, EINVAL, EMSGSIZE, ENOBUFS};
  for (int e = 0; e < 4; e++) {
    rtc_udp_t a, b, c;
    open_sender(&a, "127.0.0.1", false);
    open_on(&b, "127.0.0.1", 0);
    open_on(&c, "127.0.0.1", 0);
    bool runs = a.runs;
    rtc_pkt_t *v[10];
    uint32_t len[5] = {700, 700, 700, 700, 300};
    for (uint32_t i = 0; i < 10; i++) v[i] = member(i < 5 ? &b.bound : &c.bound, i % 5, len[i % 5], i % 5 > 0);
    run_errno = errors[e];
    run_port = errors[e] == EIO ? 0 : c.bound.port;
    run_tries = 0;
    int64_t wait_us = 0;
    CHECK_EQ(rtc_udp_send(&a, v, 10, &wait_us), 10);
    CHECK_EQ(a.count.refused, 0);
    CHECK_EQ(a.count.runs_refused, runs);
    CHECK_EQ(run_tries, runs);
    CHECK_EQ(a.count.runs_sent, runs && e > 0 ? 1 : 0);
    CHECK_EQ(a.runs, runs && e > 0);
    bool told = runs && (errors[e] == EINVAL || errors[e] == EMSGSIZE);
    for (int i = 0; i < 10; i++) CHECK_EQ(v[i]->tag[RTC_PKT_RUN] == RTC_RUN_REFUSED, told && i == 5);
    expect(&b, len, 5, 0);
    expect(&c, len, 5, 0);
    run_errno = 0;
    rtc_udp_close(&a);
    rtc_udp_close(&b);
    rtc_udp_close(&c);
    put_all(v, 10);
  }
}

/* A goal that can never be reached costs its own datagrams, as runs too, and a full buffer a wait. */
static void runs_meet_the_usual_trouble(void) {
  rtc_udp_t a, b;
  open_sender(&a, "0.0.0.0", false);
  open_on(&b, "127.0.0.1", 0);
  rtc_addr_t broadcast = addr("255.255.255.255", 9), family = addr("::1", 9);
  rtc_pkt_t *v[9];
  uint32_t len[3] = {400, 400, 400};
  for (uint32_t i = 0; i < 9; i++) v[i] = member(i < 3 ? &broadcast : i < 6 ? &family : &b.bound, i % 3, 400, i % 3 > 0);
  int64_t wait_us = 0;
  CHECK_EQ(rtc_udp_send(&a, v, 9, &wait_us), 3);
  CHECK_EQ(a.count.refused, 6);
  expect(&b, len, 3, 0);
  busy_sends = 2;
  wait_us = 1000000;
  CHECK_EQ(rtc_udp_send(&a, v + 6, 3, &wait_us), 3);
  expect(&b, len, 3, 0);
  busy_sends = -1;
  wait_us = 0;
  CHECK_EQ(rtc_udp_send(&a, v + 6, 3, &wait_us), 0);
  CHECK_EQ(a.count.refused, 9);
  busy_sends = 0;
  put_all(v, 9);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

static void what_has_no_slot_can_be_thrown_away(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "127.0.0.1", 0);
  rtc_pkt_t *v[5], *in[8];
  for (uint32_t i = 0; i < 5; i++) v[i] = packet(&b.bound, i, 100);
  CHECK_EQ(send_all(&a, v, 5), 5);
  CHECK_EQ(rtc_udp_discard(&b, 3), 3);
  CHECK_EQ(recv_some(&b, in, 8), 2);
  CHECK_EQ(in[0]->data[0], 3);
  put_all(in, 2);
  CHECK_EQ(rtc_udp_discard(&b, 3), 0);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

static void buffers_and_kernel_drops(void) {
  rtc_udp_t a, b;
  open_on(&a, "127.0.0.1", 0);
  open_on(&b, "127.0.0.1", 65536);
  CHECK_EQ(b.recv_buffer, 65536);
  CHECK(b.send_buffer > 0);
#ifdef SO_RXQ_OVFL
  enum { SENT = 400 };
  for (uint32_t i = 0; i < SENT; i++) {
    rtc_pkt_t *v[1] = {packet(&b.bound, i, 1000)};
    CHECK_EQ(send_all(&a, v, 1), 1);
  }
  rtc_pkt_t *in[RTC_UDP_BATCH];
  uint64_t got = 0;
  for (int n; (n = rtc_udp_discard(&b, RTC_UDP_BATCH)) > 0;) got += (uint64_t)n;
  CHECK(got < SENT);
  CHECK_EQ(b.count.kernel_drops, 0); /* told with the next datagram */
  rtc_pkt_t *v[1] = {packet(&b.bound, 0, 8)};
  CHECK_EQ(send_all(&a, v, 1), 1);
  CHECK_EQ(recv_some(&b, in, 1), 1);
  put_all(in, 1);
  CHECK_EQ(b.count.kernel_drops, SENT - got);
#endif
  rtc_udp_close(&a);
  rtc_udp_close(&b);
}

static void one_port_for_all(void) {
  rtc_addr_t both[2] = {addr("0.0.0.0", 0), addr("::", 0)};
  rtc_udp_t u[2], v[2];
  rtc_udp_cfg_t cfg = {.portable = portable};
  rtc_udp_fault_t why;
  CHECK_EQ(rtc_udp_open_all(u, both, 2, &cfg, &why), 2);
  CHECK_EQ(u[0].bound.port, u[1].bound.port);
  CHECK(u[0].bound.port != 0);
  /* Taken: said with the address, whichever it is. */
  for (int i = 0; i < 2; i++) {
    rtc_addr_t taken[2] = {both[0], both[1]};
    taken[i].port = u[0].bound.port;
    CHECK_EQ(rtc_udp_open_all(v, taken, 2, &cfg, &why), RTC_EINVAL);
    CHECK_EQ(why.sys, EADDRINUSE);
    CHECK_EQ(why.index, i);
  }
  rtc_udp_close(&u[0]);
  rtc_udp_close(&u[1]);
  /* The port that is free for the first is taken for the second: another one is tried. */
  failing_bind = 1;
  CHECK_EQ(rtc_udp_open_all(u, both, 2, &cfg, &why), 2);
  CHECK_EQ(failing_bind, -1);
  CHECK_EQ(u[0].bound.port, u[1].bound.port);
  rtc_udp_close(&u[0]);
  rtc_udp_close(&u[1]);
  rtc_addr_t foreign = addr("203.0.113.77", 0);
  CHECK_EQ(rtc_udp_open_all(u, &foreign, 1, &cfg, &why), RTC_EINVAL);
  CHECK_EQ(why.sys, EADDRNOTAVAIL);
  CHECK_EQ(why.index, 0);
}

static void a_missing_family_is_left_out(void) {
  rtc_addr_t both[2] = {addr("::", 0), addr("0.0.0.0", 0)};
  rtc_udp_t u[2];
  rtc_udp_cfg_t cfg = {.portable = portable};
  rtc_udp_fault_t why;
  no_ipv6 = true;
  CHECK_EQ(rtc_udp_open_all(u, both, 2, &cfg, &why), 1);
  CHECK(!u[0].v6);
  rtc_udp_close(&u[0]);
  CHECK_EQ(rtc_udp_open_all(u, both, 1, &cfg, &why), RTC_EINVAL); /* nothing is left */
  CHECK_EQ(why.sys, EAFNOSUPPORT);
  CHECK_EQ(why.index, 0);
  no_ipv6 = false;
}

int main(void) {
  pool = rtc_pool_new(512);
  for (int i = 0; i < 2; i++) {
    portable = i == 1;
    printf("%s\n", portable ? "portable:" : "native:");
    RUN(batches_v4);
    RUN(batches_v6);
    RUN(answers_leave_from_the_address_that_was_asked);
    RUN(sizes);
    RUN(a_bad_goal_is_lost_alone);
    RUN(an_address_that_is_gone_stops_nothing);
    RUN(a_full_buffer_never_stalls);
    RUN(too_big_for_the_way);
    RUN(arrival_is_the_kernels);
    RUN(runs_arrive_as_datagrams);
    RUN(a_run_has_one_path);
    RUN(long_runs);
    RUN(refused_runs_go_one_by_one);
    RUN(runs_meet_the_usual_trouble);
    RUN(what_has_no_slot_can_be_thrown_away);
    RUN(buffers_and_kernel_drops);
    RUN(one_port_for_all);
    RUN(a_missing_family_is_left_out);
  }
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
  return CHECK_END();
}
