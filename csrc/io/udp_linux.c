/* udp_linux: up to 64 datagrams a system call. */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/udp_sys.h"

#ifdef __linux__

#include <errno.h>
#include <stdlib.h>

struct rtc_udp_scratch {
  struct mmsghdr msg[RTC_UDP_BATCH];
  struct iovec iov[RTC_UDP_BATCH];
  rtc_sockaddr_t addr[RTC_UDP_BATCH];
  rtc_udp_control_t control[RTC_UDP_BATCH];
};

bool rtc_udp_linux_init(rtc_udp_t *u) {
  u->scratch = malloc(sizeof *u->scratch);
  return u->scratch != NULL;
}

int rtc_udp_linux_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) {
  rtc_udp_scratch_t *s = u->scratch;
  for (int i = 0; i < n; i++) rtc_udp_fill_in(slots[i], &s->msg[i].msg_hdr, &s->iov[i], &s->addr[i], &s->control[i]);
  int got;
  do {
    u->recv_calls++;
    got = recvmmsg(u->fd, s->msg, (unsigned)n, MSG_DONTWAIT, NULL);
  } while (got < 0 && errno == EINTR);
  for (int i = 0; i < got; i++) rtc_udp_take_in(u, slots[i], &s->msg[i].msg_hdr, s->msg[i].msg_len);
  return got < 0 ? 0 : got;
}

/* One run of messages that are filled in; how many were taken. */
static int send_filled(rtc_udp_t *u, struct mmsghdr *msg, int n, int64_t *wait_us) {
  int sent = 0;
  for (int i = 0; i < n;) {
    u->send_calls++;
    /* A failure is told only for the first message of a call: what came before it has been sent. */
    int r = sendmmsg(u->fd, msg + i, (unsigned)(n - i), MSG_DONTWAIT);
    if (r > 0) {
      sent += r;
      i += r;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!rtc_udp_wait_writable(u, wait_us)) break;
    } else if (errno != EINTR) {
      i++; /* this goal's own trouble */
    }
  }
  return sent;
}

int rtc_udp_linux_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) {
  rtc_udp_scratch_t *s = u->scratch;
  int sent = 0;
  for (int i = 0; i < n;) {
    int m = 0;
    for (; i < n && m < RTC_UDP_BATCH; i++) m += rtc_udp_fill_out(u, v[i], &s->msg[m].msg_hdr, &s->iov[m], &s->addr[m], &s->control[m]);
    sent += send_filled(u, s->msg, m, wait_us);
  }
  return sent;
}

#else

bool rtc_udp_linux_init(rtc_udp_t *u) {
  u->portable = true;
  return true;
}
int rtc_udp_linux_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) { return rtc_udp_posix_recv(u, slots, n); }
int rtc_udp_linux_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) { return rtc_udp_posix_send(u, v, n, wait_us); }

#endif
