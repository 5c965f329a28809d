/* udp_posix: one system call a datagram. Compiled everywhere; on Linux it runs when it is asked for, so that tests cover it. */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include <errno.h>

#include "io/udp_sys.h"

int rtc_udp_posix_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n) {
  int got = 0;
  while (got < n) {
    struct msghdr m;
    struct iovec iov;
    rtc_sockaddr_t from;
    rtc_udp_control_t control;
    rtc_udp_fill_in(slots[got], &m, &iov, &from, &control);
    u->count.recv_calls++;
    ssize_t len = recvmsg(u->fd, &m, MSG_DONTWAIT);
    if (len >= 0)
      rtc_udp_take_in(u, slots[got++], &m, (size_t)len);
    else if (errno != EINTR)
      break;
  }
  return got;
}

int rtc_udp_posix_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us) {
  int sent = 0;
  for (int i = 0; i < n;) {
    struct msghdr m;
    struct iovec iov;
    rtc_sockaddr_t to;
    rtc_udp_control_t control;
    if (!rtc_udp_fill_out(u, v[i], &m, &iov, &to, &control)) {
      i++;
      continue;
    }
    u->count.send_calls++;
    ssize_t r = sendmsg(u->fd, &m, MSG_DONTWAIT);
    if (r < 0 && rtc_udp_any_source(&m, errno)) {
      u->count.send_calls++;
      r = sendmsg(u->fd, &m, MSG_DONTWAIT);
    }
    if (r >= 0) {
      sent++;
      i++;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!rtc_udp_wait_writable(u, wait_us)) break;
    } else if (errno != EINTR && !(errno == EMSGSIZE && rtc_udp_let_cut(u))) {
      i++; /* this goal's own trouble */
    }
  }
  return sent;
}
