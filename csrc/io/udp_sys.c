#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/udp_sys.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "io/clock.h"

socklen_t rtc_sockaddr_set(rtc_sockaddr_t *s, const rtc_addr_t *a, bool v6) {
  memset(s, 0, sizeof *s);
  if (v6 == rtc_addr_is_v4(a)) return 0;
  if (v6) {
    s->v6.sin6_family = AF_INET6;
    s->v6.sin6_port = htons(a->port);
    memcpy(&s->v6.sin6_addr, a->ip, 16);
    s->v6.sin6_scope_id = a->scope;
    return sizeof s->v6;
  }
  s->v4.sin_family = AF_INET;
  s->v4.sin_port = htons(a->port);
  memcpy(&s->v4.sin_addr, a->ip + 12, 4);
  return sizeof s->v4;
}

void rtc_sockaddr_get(const rtc_sockaddr_t *s, rtc_addr_t *a) {
  if (s->sa.sa_family == AF_INET6) {
    rtc_addr_set(a, s->v6.sin6_addr.s6_addr, 16, ntohs(s->v6.sin6_port));
    a->scope = s->v6.sin6_scope_id;
  } else {
    rtc_addr_set(a, (const uint8_t *)&s->v4.sin_addr, 4, ntohs(s->v4.sin_port));
  }
}

static bool unspecified(const rtc_addr_t *a) {
  static const uint8_t zero[16] = {0};
  return memcmp(a->ip, zero, rtc_addr_is_v4(a) ? 10 : 12) == 0 && memcmp(a->ip + 12, zero, 4) == 0;
}

/* One control message that makes the datagram leave from `local`; bytes used. */
static size_t put_source(const rtc_addr_t *local, bool v6, struct msghdr *m) {
  struct cmsghdr *c = CMSG_FIRSTHDR(m);
  if (v6) {
    struct in6_pktinfo info;
    memset(&info, 0, sizeof info);
    memcpy(&info.ipi6_addr, local->ip, 16);
    info.ipi6_ifindex = local->scope; /* link-local addresses mean something on their link only */
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
  }
#if defined(IP_PKTINFO)
  struct in_pktinfo info;
  memset(&info, 0, sizeof info);
  memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(c), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
#elif defined(IP_SENDSRCADDR)
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_SENDSRCADDR;
  c->cmsg_len = CMSG_LEN(4);
  memcpy(CMSG_DATA(c), local->ip + 12, 4);
  return CMSG_SPACE(4);
#else
  return 0;
#endif
}

bool rtc_udp_fill_out(const rtc_udp_t *u, const rtc_pkt_t *k, struct msghdr *m, struct iovec *iov, rtc_sockaddr_t *to,
                      rtc_udp_control_t *control) {
  memset(m, 0, sizeof *m);
  m->msg_namelen = rtc_sockaddr_set(to, &k->path.remote, u->v6);
  if (!m->msg_namelen) return false;
  m->msg_name = to;
  iov->iov_base = k->data;
  iov->iov_len = k->len;
  m->msg_iov = iov;
  m->msg_iovlen = 1;
  /* A socket on one address has no choice; an address of the other family cannot be obeyed. */
  if (!u->wildcard || unspecified(&k->path.local) || u->v6 == rtc_addr_is_v4(&k->path.local)) return true;
  memset(control, 0, sizeof *control);
  m->msg_control = control;
  m->msg_controllen = sizeof *control;
  m->msg_controllen = (socklen_t)put_source(&k->path.local, u->v6, m);
  if (!m->msg_controllen) m->msg_control = NULL;
  return true;
}

bool rtc_udp_any_source(struct msghdr *m, int why) {
  bool source = why == EINVAL || why == ENETUNREACH || why == EADDRNOTAVAIL;
  if (!source || !m->msg_controllen) return false;
  m->msg_control = NULL;
  m->msg_controllen = 0;
  return true;
}

void rtc_udp_fill_in(rtc_pkt_t *k, struct msghdr *m, struct iovec *iov, rtc_sockaddr_t *from, rtc_udp_control_t *control) {
  memset(m, 0, sizeof *m);
  *iov = k ? (struct iovec){k->data, RTC_PKT_DATA} : (struct iovec){0};
  m->msg_name = from;
  m->msg_namelen = sizeof *from;
  m->msg_iov = iov;
  m->msg_iovlen = 1;
  m->msg_control = control;
  m->msg_controllen = sizeof *control;
}

#ifdef SCM_TIMESTAMPNS
/* The wall clock runs at most half a per mille too fast or slow. Where it was set, forth or by more than OLDEST_US back, the offset is
 * taken anew at once. */
static rtc_time_t monotonic(rtc_udp_t *u, int64_t unix_us) {
  enum { GOOD_FOR_US = 10000, OLDEST_US = 100000 /* in the socket, unless we are behind */ };
  if (unix_us > u->unix_offset_for + GOOD_FOR_US || unix_us < u->unix_offset_for - OLDEST_US) {
    u->unix_offset_us = rtc_clock_unix_offset();
    u->unix_offset_for = rtc_clock_now() + u->unix_offset_us;
  }
  return unix_us - u->unix_offset_us;
}
#endif

static void take_control(rtc_udp_t *u, const struct cmsghdr *c, rtc_addr_t *local, rtc_time_t *at) {
#ifdef SCM_TIMESTAMPNS
  if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    *at = monotonic(u, (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
    return;
  }
#endif
#if defined(SO_RXQ_OVFL)
  if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
    uint32_t seen;
    memcpy(&seen, CMSG_DATA(c), sizeof seen);
    u->count.kernel_drops += seen - u->kernel_drops_seen; /* the kernel's counter wraps at 2^32 */
    u->kernel_drops_seen = seen;
  }
#endif
  (void)u;
  if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    rtc_addr_set(local, info.ipi6_addr.s6_addr, 16, 0);
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) local->scope = (uint32_t)info.ipi6_ifindex;
  }
#if defined(IP_PKTINFO)
  if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    /* spec_dst, not addr: what came to a broadcast address must be answered from one of ours. */
    rtc_addr_set(local, (const uint8_t *)&info.ipi_spec_dst, 4, 0);
  }
#elif defined(IP_RECVDSTADDR)
  if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVDSTADDR) rtc_addr_set(local, CMSG_DATA(c), 4, 0);
#endif
}

void rtc_udp_take_in(rtc_udp_t *u, rtc_pkt_t *k, struct msghdr *m, size_t len) {
  k->len = m->msg_flags & MSG_TRUNC ? RTC_UDP_TOO_BIG : (uint32_t)len;
  rtc_udp_take_path(u, &k->path, &k->at, m);
}

void rtc_udp_take_path(rtc_udp_t *u, rtc_path_t *path, rtc_time_t *at, struct msghdr *m) {
  *at = 0;
  rtc_sockaddr_get(m->msg_name, &path->remote);
  rtc_addr_t *local = &path->local;
  memset(local, 0, sizeof *local);
  if (!u->wildcard) {
    *local = u->bound;
    local->port = 0;
  }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) take_control(u, c, local, at);
}

bool rtc_udp_wait_writable(const rtc_udp_t *u, int64_t *wait_us) {
  struct pollfd p = {.fd = u->fd, .events = POLLOUT};
  if (*wait_us <= 0) return false;
  rtc_time_t start = rtc_clock_now();
  int r = poll(&p, 1, (int)((*wait_us + 999) / 1000));
  *wait_us -= 1 + rtc_clock_now() - start; /* also when it was writable at once, so that the wait ends */
  return r > 0 || (r < 0 && errno == EINTR);
}

#if defined(__linux__)
void rtc_udp_keep_whole(rtc_udp_t *u) {
  int rule = IP_PMTUDISC_DO;
  u->whole = !u->v6 && setsockopt(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, &rule, sizeof rule) == 0;
}

bool rtc_udp_let_cut(rtc_udp_t *u) {
  int rule = IP_PMTUDISC_WANT;
  if (!u->whole || setsockopt(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, &rule, sizeof rule) != 0) return false;
  u->whole = false;
  return true;
}
#else
void rtc_udp_keep_whole(rtc_udp_t *u) { u->whole = false; }
bool rtc_udp_let_cut(rtc_udp_t *u) { return (void)u, false; }
#endif
