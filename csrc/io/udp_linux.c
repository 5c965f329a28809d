/* udp_linux: up to 64 datagrams a system call, and runs of equal ones to one goal as one message (UDP_SEGMENT), which costs the kernel
 * its way out once. The bytes stay in their slots: a message has one iovec a datagram. */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/udp_sys.h"

#ifdef __linux__

#include <errno.h>
#include <stdlib.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { RUN_MAX = 64, RUN_BYTES = 65000 /* of one message: UDP_MAX_SEGMENTS of older kernels, and what an IP packet holds */ };

struct rtc_udp_scratch {
  struct mmsghdr msg[RTC_UDP_BATCH];
  struct iovec iov[RTC_UDP_BATCH];
  rtc_sockaddr_t addr[RTC_UDP_BATCH];
  rtc_udp_control_t control[RTC_UDP_BATCH];
  int first[RTC_UDP_BATCH], count[RTC_UDP_BATCH]; /* of a message out: its datagrams */
};

rtc_udp_scratch_t *rtc_udp_scratch_new(void) { return malloc(sizeof(rtc_udp_scratch_t)); }
void rtc_udp_scratch_free(rtc_udp_scratch_t *s) { free(s); }

bool rtc_udp_linux_init(rtc_udp_t *u) {
  if (!u->lent) u->scratch = rtc_udp_scratch_new();
  int size;
  socklen_t n = sizeof size;
  if (u->runs && getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &size, &n) != 0) u->runs = false; /* before Linux 4.18 */
  return u->lent || u->scratch;
}

int rtc_udp_linux_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) {
  rtc_udp_scratch_t *s = u->scratch;
  for (int i = 0; i < n; i++) rtc_udp_fill_in(slots[i], &s->msg[i].msg_hdr, &s->iov[i], &s->addr[i], &s->control[i]);
  int got;
  do {
    u->count.recv_calls++;
    got = recvmmsg(u->fd, s->msg, (unsigned)n, MSG_DONTWAIT, NULL);
  } while (got < 0 && errno == EINTR);
  for (int i = 0; i < got; i++) rtc_udp_take_in(u, slots[i], &s->msg[i].msg_hdr, s->msg[i].msg_len);
  return got < 0 ? 0 : got;
}

/* How many from v on are one run, at most n. */
static int run_length(const rtc_udp_t *u, rtc_pkt_t *const *v, int n) {
  uint32_t size = v[0]->len, bytes = size;
  int k = 1;
  if (!u->runs || !size) return 1;
  if (n > RUN_MAX) n = RUN_MAX;
  for (; k < n && v[k]->tag[RTC_PKT_RUN] == RTC_RUN_JOINS; k++) {
    /* Only the last one may be shorter. */
    if (v[k - 1]->len != size || v[k]->len > size || !v[k]->len || bytes + v[k]->len > RUN_BYTES) break;
    if (!rtc_path_eq(&v[k]->path, &v[0]->path) || !rtc_addr_eq(&v[k]->path.local, &v[0]->path.local)) break;
    bytes += v[k]->len;
  }
  return k;
}

static void put_segment_size(struct msghdr *m, rtc_udp_control_t *control, uint16_t size) {
  if (!m->msg_control) memset(control, 0, sizeof *control);
  m->msg_control = control;
  struct cmsghdr *c = (struct cmsghdr *)(void *)(control->bytes + m->msg_controllen);
  c->cmsg_level = IPPROTO_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(c), &size, sizeof size);
  m->msg_controllen += CMSG_SPACE(sizeof size);
}

/* Fills in messages for v[at..], those below `single` one by one; how many, and *next is the first that had no room. */
static int fill(const rtc_udp_t *u, rtc_pkt_t *const *v, int at, int n, int single, int *next) {
  rtc_udp_scratch_t *s = u->scratch;
  int m = 0, used = 0;
  while (at < n && used < RTC_UDP_BATCH) {
    int left = n - at < RTC_UDP_BATCH - used ? n - at : RTC_UDP_BATCH - used;
    int count = at < single ? 1 : run_length(u, v + at, left);
    struct msghdr *h = &s->msg[m].msg_hdr;
    if (rtc_udp_fill_out(u, v[at], h, &s->iov[used], &s->addr[m], &s->control[m])) {
      for (int i = 1; i < count; i++) s->iov[used + i] = (struct iovec){v[at + i]->data, v[at + i]->len};
      h->msg_iovlen = (size_t)count;
      if (count > 1) put_segment_size(h, &s->control[m], (uint16_t)v[at]->len);
      s->first[m] = at;
      s->count[m++] = count;
      used += count;
    }
    at += count;
  }
  *next = at;
  return m;
}

static int count_sent(rtc_udp_t *u, int at, int n) {
  int sent = 0;
  for (int i = at; i < at + n; i++) {
    int count = u->scratch->count[i];
    sent += count;
    if (count == 1) continue;
    u->count.runs_sent++;
    u->count.run_datagrams += (uint64_t)count;
  }
  return sent;
}

static void run_refused(rtc_udp_t *u, rtc_pkt_t *first, int why) {
  u->count.runs_refused++;
  if (why == EIO) u->runs = false;
  if (why == EINVAL || why == EMSGSIZE) first->tag[RTC_PKT_RUN] = RTC_RUN_REFUSED;
}

int rtc_udp_linux_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) {
  rtc_udp_scratch_t *s = u->scratch;
  int sent = 0, next;
  for (int at = 0, single = 0; at < n; at = next) {
    int m = fill(u, v, at, n, single, &next);
    for (int i = 0; i < m;) {
      u->count.send_calls++;
      /* A failure is told only for the first message of a call: what came before it has been sent. */
      int r = sendmmsg(u->fd, s->msg + i, (unsigned)(m - i), MSG_DONTWAIT);
      if (r > 0) {
        sent += count_sent(u, i, r);
        i += r;
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!rtc_udp_wait_writable(u, wait_us)) break;
      } else if (errno == EINTR) {
        continue;
      } else if (s->count[i] == 1 && errno == EMSGSIZE && rtc_udp_let_cut(u)) {
        continue;
      } else if (s->count[i] == 1 && rtc_udp_any_source(&s->msg[i].msg_hdr, errno)) {
        continue;
      } else if (s->count[i] == 1) {
        i++; /* this goal's own trouble */
      } else {
        /* Whatever it was, none may be lost that would not be lost by itself: from here on again. */
        run_refused(u, v[s->first[i]], errno);
        next = s->first[i];
        single = next + s->count[i];
        break;
      }
    }
  }
  return sent;
}

#else

#include <stdlib.h>

rtc_udp_scratch_t *rtc_udp_scratch_new(void) { return malloc(1); } /* nothing is needed, but no NULL */
void rtc_udp_scratch_free(rtc_udp_scratch_t *s) { free(s); }

bool rtc_udp_linux_init(rtc_udp_t *u) {
  u->portable = true;
  u->runs = false;
  return true;
}
int rtc_udp_linux_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) { return rtc_udp_posix_recv(u, slots, n); }
int rtc_udp_linux_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) { return rtc_udp_posix_send(u, v, n, wait_us); }

#endif
