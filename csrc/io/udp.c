/* udp: opening sockets, and the choice between the two ways of moving datagrams. */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/udp_sys.h"

enum { PORT_TRIES = 32 };

static int set_on(int fd, int level, int option) {
  int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

/* Asks for a buffer, past the system's limit where we may, and tells what was granted. */
static int set_buffer(int fd, int option, int force, int bytes) {
  if (bytes > 0) {
    int r = force >= 0 ? setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) : -1;
    if (r != 0) (void)setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
  }
  int got = 0;
  socklen_t n = sizeof got;
  if (getsockopt(fd, SOL_SOCKET, option, &got, &n) != 0) return 0;
#ifdef __linux__
  got /= 2; /* Linux doubles what it was asked for, for its own books (socket(7)) */
#endif
  return got;
}

static int set_options(rtc_udp_t *u, const rtc_udp_cfg_t *cfg) {
  if (fcntl(u->fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(u->fd, F_SETFL, O_NONBLOCK) != 0) return -1;
  if (u->v6) {
    /* Each family has its own socket, so that an IPv4 peer never looks like an IPv6 one. */
    if (set_on(u->fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0) return -1;
    if (u->wildcard && set_on(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) != 0) return -1;
  } else if (u->wildcard) {
#if defined(IP_PKTINFO)
    if (set_on(u->fd, IPPROTO_IP, IP_PKTINFO) != 0) return -1;
#elif defined(IP_RECVDSTADDR)
    if (set_on(u->fd, IPPROTO_IP, IP_RECVDSTADDR) != 0) return -1;
#endif
  }
#ifdef SO_TIMESTAMPNS
  (void)set_on(u->fd, SOL_SOCKET, SO_TIMESTAMPNS); /* without it a datagram that waited for us looks late */
#endif
#ifdef SO_RXQ_OVFL
  (void)set_on(u->fd, SOL_SOCKET, SO_RXQ_OVFL); /* a statistic: its lack is no fault */
#endif
#ifdef SO_RCVBUFFORCE
  u->recv_buffer = set_buffer(u->fd, SO_RCVBUF, SO_RCVBUFFORCE, cfg->recv_buffer);
  u->send_buffer = set_buffer(u->fd, SO_SNDBUF, SO_SNDBUFFORCE, cfg->send_buffer);
#else
  u->recv_buffer = set_buffer(u->fd, SO_RCVBUF, -1, cfg->recv_buffer);
  u->send_buffer = set_buffer(u->fd, SO_SNDBUF, -1, cfg->send_buffer);
#endif
  return 0;
}

static bool is_wildcard(const rtc_addr_t *a) {
  rtc_addr_t any4, any6;
  static const uint8_t zero[16] = {0};
  rtc_addr_set(&any4, zero, 4, a->port);
  rtc_addr_set(&any6, zero, 16, a->port);
  return rtc_addr_eq(a, &any4) || rtc_addr_eq(a, &any6);
}

int rtc_udp_open(rtc_udp_t *u, const rtc_udp_cfg_t *cfg, int *sys) {
  memset(u, 0, sizeof *u);
  u->v6 = !rtc_addr_is_v4(&cfg->bind);
  u->wildcard = is_wildcard(&cfg->bind);
  u->portable = cfg->portable;
  u->lent = cfg->lent;
  u->runs = !cfg->portable && !cfg->single;
  *sys = 0;
  rtc_sockaddr_t sa;
  socklen_t n = rtc_sockaddr_set(&sa, &cfg->bind, u->v6);
  u->fd = socket(u->v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  if (u->fd < 0 || set_options(u, cfg) != 0 || bind(u->fd, &sa.sa, n) != 0 || getsockname(u->fd, &sa.sa, &n) != 0) {
    *sys = errno;
    rtc_udp_close(u);
    return RTC_EINVAL;
  }
  rtc_sockaddr_get(&sa, &u->bound);
  rtc_udp_keep_whole(u);
  if (!u->portable && !rtc_udp_linux_init(u)) {
    rtc_udp_close(u);
    return RTC_ENOMEM;
  }
  return 0;
}

void rtc_udp_close(rtc_udp_t *u) {
  if (u->fd >= 0) close(u->fd);
  u->fd = -1;
  if (!u->lent) rtc_udp_scratch_free(u->scratch);
  u->scratch = NULL;
  u->gro = NULL;
}

void rtc_udp_lend(rtc_udp_t *u, rtc_udp_scratch_t *s, rtc_udp_gro_t *g) {
  if (!u->lent) return;
  u->scratch = s;
  if (g && u->runs && rtc_udp_gro_start(u->fd)) u->gro = g;
}

int rtc_udp_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) {
  return u->portable ? rtc_udp_posix_recv(u, slots, n) : rtc_udp_linux_recv(u, slots, n);
}

int rtc_udp_discard(rtc_udp_t *u, int n) {
  int got = 0;
  uint8_t byte;
  while (got < n) {
    u->count.recv_calls++;
    if (recv(u->fd, &byte, 1, MSG_DONTWAIT) >= 0)
      got++;
    else if (errno != EINTR)
      break;
  }
  return got;
}

int rtc_udp_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) {
  int sent = u->portable ? rtc_udp_posix_send(u, v, n, wait_us) : rtc_udp_linux_send(u, v, n, wait_us);
  u->count.sent += (uint64_t)sent;
  u->count.refused += (uint64_t)(n - sent);
  return sent;
}

void rtc_udp_tally(rtc_udp_t *u, rtc_udp_counts_t *total) {
  rtc_udp_counts_t *c = &u->count;
  total->recv_calls += c->recv_calls;
  total->send_calls += c->send_calls;
  total->sent += c->sent;
  total->refused += c->refused;
  total->runs_sent += c->runs_sent;
  total->run_datagrams += c->run_datagrams;
  total->runs_refused += c->runs_refused;
  total->kernel_drops += c->kernel_drops;
  *c = (rtc_udp_counts_t){0};
}

/* A machine without IPv6 says so at socket(), or at bind() to `::` or `::1`. */
static bool family_missing(const rtc_addr_t *a, int sys) {
  if (sys == EAFNOSUPPORT || sys == EPFNOSUPPORT) return true;
  return sys == EADDRNOTAVAIL && !rtc_addr_is_v4(a) && is_wildcard(a);
}

static void close_all(rtc_udp_t *u, int n) {
  for (int i = 0; i < n; i++) rtc_udp_close(&u[i]);
}

/* One try; *shared is the port that port 0 stands for once one was given. */
static int open_once(rtc_udp_t *u, const rtc_addr_t *addr, int n, const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why, uint16_t *shared) {
  int opened = 0;
  *shared = 0;
  *why = (rtc_udp_fault_t){RTC_EINVAL, 0, -1};
  for (int i = 0; i < n; i++) {
    rtc_udp_cfg_t one = *cfg;
    one.bind = addr[i];
    if (!one.bind.port) one.bind.port = *shared;
    int sys, r = rtc_udp_open(&u[opened], &one, &sys);
    if (r < 0) {
      *why = (rtc_udp_fault_t){r, sys, i};
      if (r == RTC_EINVAL && family_missing(&addr[i], sys)) continue;
      close_all(u, opened);
      return r;
    }
    if (!addr[i].port) *shared = u[opened].bound.port;
    opened++;
  }
  return opened ? opened : RTC_EINVAL;
}

int rtc_udp_open_all(rtc_udp_t *u, const rtc_addr_t *addr, int n, const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why) {
  int r = RTC_EINVAL;
  /* The port that is free for one address may be taken on another: then all start again with the next one. */
  for (int i = 0; i < PORT_TRIES; i++) {
    uint16_t shared;
    r = open_once(u, addr, n, cfg, why, &shared);
    if (r >= 0) return r;
    bool again = why->sys == EADDRINUSE && shared && why->index >= 0 && !addr[why->index].port;
    if (!again) break;
  }
  return r;
}
