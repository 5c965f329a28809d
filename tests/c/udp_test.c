/* links: io/udp.c io/udp_sys.c io/udp_linux.c io/udp_posix.c io/clock.c base/addr.c base/pkt.c base/err.c */
#define _GNU_SOURCE
#include "io/udp.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "io/clock.h"

/* The system calls that must fail on demand, which loopback cannot show. They stand before libc's. */
static int busy_sends;        /* so many sends say that the buffer is full; -1: all */
static bool no_ipv6;          /* socket() knows no IPv6 */
static int failing_bind = -1; /* the n-th bind from now finds its port taken */

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags) {
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
static rtc_pool_t *pool;

static rtc_addr_t addr(const char *text, uint16_t port) {
  rtc_addr_t a;
  if (rtc_addr_parse(&a, text, port) < 0) exit(2);
  return a;
}

static void open_on(rtc_udp_t *u, const char *ip, int recv_buffer) {
  rtc_udp_cfg_t cfg = {.bind = addr(ip, 0), .recv_buffer = recv_buffer, .portable = portable};
  int sys;
  CHECK_EQ(rtc_udp_open(u, &cfg, &sys), 0);
  CHECK_EQ(sys, 0);
  CHECK(u->bound.port != 0);
}

static rtc_pkt_t *packet(const rtc_addr_t *to, uint32_t number, uint32_t len) {
  rtc_pkt_t *k = rtc_pkt_get(pool);
  if (!k) exit(2);
  memset(k->data, (int)(number & 0xff), len);
  if (len >= 4) memcpy(k->data, &number, 4);
  k->len = len;
  memset(&k->path, 0, sizeof k->path);
  k->path.remote = *to;
  return k;
}

static int send_all(rtc_udp_t *u, rtc_pkt_t **v, int n) {
  int64_t wait_us = 0;
  int sent = rtc_udp_send(u, v, n, &wait_us);
  for (int i = 0; i < n; i++) rtc_pkt_put(v[i]);
  return sent;
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
  if (portable) CHECK(a.send_calls == 150 && b.recv_calls > 150);
#ifdef __linux__
  else
    CHECK(a.send_calls == 3 && b.recv_calls <= 10);
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
  rtc_pkt_t *v[7] = {packet(&broadcast, 0, 8), packet(&good, 1, 8), packet(&other_family, 2, 8), packet(&good, 3, 8),
                     packet(&no_port, 4, 8),   packet(&good, 5, 8), packet(&good, 6, 8)};
  v[6]->path.local = addr("203.0.113.77", 0); /* not an address of this machine */
  CHECK_EQ(send_all(&a, v, 7), 3);
  CHECK_EQ(a.refused, 4);
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
  uint64_t calls = a.send_calls;
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 0); /* patience is used up: one try, no wait */
  CHECK_EQ(a.send_calls, calls + 1);
  CHECK_EQ(a.refused, 6);
  busy_sends = 0;
  CHECK_EQ(rtc_udp_send(&a, v, 3, &wait_us), 3);
  put_all(v, 3);
  int seen = 0;
  for (int n; seen < 6 && (n = recv_some(&b, in, 4)) > 0; seen += n) put_all(in, n);
  CHECK_EQ(seen, 6);
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
  CHECK_EQ(b.kernel_drops, 0); /* told with the next datagram */
  rtc_pkt_t *v[1] = {packet(&b.bound, 0, 8)};
  CHECK_EQ(send_all(&a, v, 1), 1);
  CHECK_EQ(recv_some(&b, in, 1), 1);
  put_all(in, 1);
  CHECK_EQ(b.kernel_drops, SENT - got);
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
    RUN(a_full_buffer_never_stalls);
    RUN(arrival_is_the_kernels);
    RUN(what_has_no_slot_can_be_thrown_away);
    RUN(buffers_and_kernel_drops);
    RUN(one_port_for_all);
    RUN(a_missing_family_is_left_out);
  }
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
  return CHECK_END();
}
