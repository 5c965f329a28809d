/* udp_gro: what came together from one peer comes in as one message (UDP GRO), which costs the kernel its way in once, and on loopback the
 * cutting too. It is taken apart here, by a copy into a slot a datagram. */
#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/udp_sys.h"

#ifdef __linux__

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { ROOM = 65536 /* of one message */ };

struct rtc_udp_gro {
  struct mmsghdr msg[RTC_UDP_FETCH];
  struct iovec iov[RTC_UDP_FETCH];
  rtc_sockaddr_t addr[RTC_UDP_FETCH];
  rtc_udp_control_t control[RTC_UDP_FETCH];
  int n, at;         /* messages that came, and the one that is being taken apart */
  size_t from, size; /* in that one: the next datagram, and how long each is but the last; size 0: it has not begun */
  rtc_path_t path;
  rtc_time_t arrived;
  uint8_t room[RTC_UDP_FETCH][ROOM]; /* touched as far as messages are long */
};

rtc_udp_gro_t *rtc_udp_gro_new(void) {
  rtc_udp_gro_t *g = malloc(sizeof *g);
  if (g) g->n = g->at = 0;
  return g;
}

void rtc_udp_gro_free(rtc_udp_gro_t *g) { free(g); }

bool rtc_udp_gro_start(int fd) {
  int on = 1;
  return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0; /* before Linux 5.0 */
}

int rtc_udp_fetch(rtc_udp_t *u) {
  rtc_udp_gro_t *g = u->gro;
  for (int i = 0; i < RTC_UDP_FETCH; i++) {
    rtc_udp_fill_in(NULL, &g->msg[i].msg_hdr, &g->iov[i], &g->addr[i], &g->control[i]);
    g->iov[i] = (struct iovec){g->room[i], ROOM};
  }
  do {
    u->count.recv_calls++;
    g->n = recvmmsg(u->fd, g->msg, RTC_UDP_FETCH, MSG_DONTWAIT, NULL);
  } while (g->n < 0 && errno == EINTR);
  if (g->n < 0) g->n = 0;
  g->at = 0;
  g->size = 0;
  return g->n;
}

bool rtc_udp_left(const rtc_udp_t *u) { return u->gro->at < u->gro->n; }

/* How long each datagram of a message is but the last. */
static size_t size_of(struct mmsghdr *m) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr); c; c = CMSG_NXTHDR(&m->msg_hdr, c)) {
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    int size;
    memcpy(&size, CMSG_DATA(c), sizeof size);
    if (size > 0) return (size_t)size;
  }
  return m->msg_len ? m->msg_len : 1;
}

static void begin(rtc_udp_t *u, rtc_udp_gro_t *g) {
  struct mmsghdr *m = &g->msg[g->at];
  rtc_udp_take_path(u, &g->path, &g->arrived, &m->msg_hdr);
  g->from = 0;
  g->size = size_of(m);
}

void rtc_udp_next(rtc_udp_t *u, rtc_pkt_t *slot) {
  rtc_udp_gro_t *g = u->gro;
  if (!g->size) begin(u, g);
  size_t whole = g->msg[g->at].msg_len, len = whole - g->from < g->size ? whole - g->from : g->size;
  if (slot) {
    slot->path = g->path;
    slot->at = g->arrived;
    slot->len = len > RTC_PKT_DATA ? RTC_UDP_TOO_BIG : (uint32_t)len;
    if (len <= RTC_PKT_DATA) memcpy(slot->data, g->room[g->at] + g->from, len);
  }
  g->from += len;
  if (g->from < whole) return;
  g->at++;
  g->size = 0;
}

#else

rtc_udp_gro_t *rtc_udp_gro_new(void) { return NULL; }
void rtc_udp_gro_free(rtc_udp_gro_t *g) { (void)g; }
bool rtc_udp_gro_start(int fd) { return (void)fd, false; }
int rtc_udp_fetch(rtc_udp_t *u) { return (void)u, 0; }
bool rtc_udp_left(const rtc_udp_t *u) { return (void)u, false; }
void rtc_udp_next(rtc_udp_t *u, rtc_pkt_t *slot) { (void)u, (void)slot; }

#endif
