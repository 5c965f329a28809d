#define _GNU_SOURCE
#include "io/socks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

enum { LOOK = 64 /* at so many at a time */ };

rtc_sock_t *rtc_sock_open_udp(const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why) {
  *why = (rtc_udp_fault_t){RTC_ENOMEM, 0, 0};
  rtc_sock_t *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  rtc_udp_cfg_t own = *cfg;
  own.lent = true;
  why->err = rtc_udp_open(&s->udp, &own, &why->sys);
  if (why->err == 0) return s;
  free(s);
  return NULL;
}

rtc_sock_t *rtc_sock_of_stream(rtc_stream_t *stream) {
  rtc_sock_t *s = stream ? calloc(1, sizeof *s) : NULL;
  if (!s) {
    rtc_stream_free(stream);
    return NULL;
  }
  s->kind = RTC_SOCK_STREAM;
  s->stream = stream;
  return s;
}

rtc_sock_t *rtc_sock_open_tcp(const rtc_stream_cfg_t *cfg, rtc_udp_fault_t *why) {
  return rtc_sock_of_stream(rtc_stream_connect(cfg, why));
}

rtc_sock_t *rtc_sock_listen(const rtc_addr_t *bind, rtc_udp_fault_t *why) {
  *why = (rtc_udp_fault_t){RTC_ENOMEM, 0, 0};
  rtc_sock_t *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->kind = RTC_SOCK_LISTENER;
  s->listener = rtc_stream_listen(bind, &s->bound, &why->sys);
  if (s->listener >= 0) return s;
  why->err = RTC_EINVAL;
  free(s);
  return NULL;
}

rtc_addr_t rtc_sock_bound(const rtc_sock_t *s) {
  return s->kind == RTC_SOCK_UDP ? s->udp.bound : s->kind == RTC_SOCK_STREAM ? s->stream->local : s->bound;
}

void rtc_sock_free(rtc_sock_t *s) {
  if (!s) return;
  if (s->kind == RTC_SOCK_UDP) rtc_udp_close(&s->udp);
  if (s->kind == RTC_SOCK_LISTENER) close(s->listener);
  rtc_stream_free(s->stream);
  free(s);
}

static int fd_of(const rtc_sock_t *s) {
  return s->kind == RTC_SOCK_UDP ? s->udp.fd : s->kind == RTC_SOCK_STREAM ? s->stream->fd : s->listener;
}

int rtc_socks_init(rtc_socks_t *t, bool portable, const uint8_t seed[16]) {
  *t = (rtc_socks_t){.epoll_fd = -1};
  rtc_map_init(&t->by_number, sizeof(uint32_t), seed);
  t->scratch = rtc_udp_scratch_new();
  if (!t->scratch) return RTC_ENOMEM;
  if (!portable) t->gro = rtc_udp_gro_new(); /* datagrams come one by one without it */
#ifdef __linux__
  if (!portable && (t->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) return RTC_ENOBUFS;
#else
  (void)portable;
#endif
  return 0;
}

void rtc_socks_clear(rtc_socks_t *t) {
  for (uint32_t i = 0; i < t->n; i++) rtc_sock_free(t->v[i]);
  if (t->epoll_fd >= 0) close(t->epoll_fd);
  rtc_map_clear(&t->by_number);
  rtc_udp_scratch_free(t->scratch);
  rtc_udp_gro_free(t->gro);
  free(t->v);
  free(t->polled);
  *t = (rtc_socks_t){.epoll_fd = -1};
}

static int reserve(rtc_socks_t *t) {
  if (t->n < t->cap) return 0;
  uint32_t cap = t->cap ? 2 * t->cap : LOOK;
  rtc_sock_t **v = realloc(t->v, cap * sizeof *v);
  if (!v) return RTC_ENOMEM;
  t->v = v;
  if (t->epoll_fd < 0) {
    struct pollfd *p = realloc(t->polled, cap * sizeof *p);
    if (!p) return RTC_ENOMEM;
    t->polled = p;
  }
  t->cap = cap;
  return 0;
}

int rtc_socks_watch(rtc_socks_t *t, rtc_sock_t *s, short events) {
  if (s->events == events) return 0;
#ifdef __linux__
  if (t->epoll_fd >= 0) {
    struct epoll_event e = {.events = (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u), .data.u32 = s->number};
    /* Closing would end it too, unless a forked child has the descriptor. */
    int op = !events ? EPOLL_CTL_DEL : s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(t->epoll_fd, op, fd_of(s), &e) != 0) return RTC_ENOBUFS;
    s->events = events;
    return 0;
  }
#endif
  t->polled[s->at] = (struct pollfd){.fd = events ? fd_of(s) : -1, .events = events};
  s->events = events;
  return 0;
}

static int add(rtc_socks_t *t, rtc_sock_t *s, uint32_t number) {
  if (number < RTC_SOCK_FIRST || number >= RTC_SOCK_END || rtc_socks_get(t, number)) return RTC_EINVAL;
  int err = reserve(t);
  if (err < 0) return err;
  s->number = number;
  s->at = t->n;
  err = rtc_map_put(&t->by_number, &number, s);
  if (err < 0) return err;
  err = rtc_socks_watch(t, s, s->kind == RTC_SOCK_STREAM && !s->stream->connected ? POLLOUT : POLLIN);
  if (err < 0) {
    rtc_map_del(&t->by_number, &number);
    return err;
  }
  if (s->kind == RTC_SOCK_UDP) rtc_udp_lend(&s->udp, t->scratch, t->gro);
  t->v[t->n++] = s;
  return 0;
}

int rtc_socks_add(rtc_socks_t *t, rtc_sock_t *s, uint32_t number) {
  int err = add(t, s, number);
  if (err < 0) rtc_sock_free(s);
  return err;
}

rtc_sock_t *rtc_socks_get(const rtc_socks_t *t, uint32_t number) { return rtc_map_get(&t->by_number, &number); }

void rtc_socks_del(rtc_socks_t *t, uint32_t number) {
  rtc_sock_t *s = rtc_map_del(&t->by_number, &number);
  if (!s) return;
  (void)rtc_socks_watch(t, s, 0);
  rtc_sock_t *last = t->v[--t->n];
  if (t->epoll_fd < 0) t->polled[s->at] = t->polled[t->n];
  last->at = s->at;
  t->v[s->at] = last;
  rtc_sock_free(s);
}

uint32_t rtc_socks_ready(rtc_socks_t *t, uint32_t *out, uint32_t cap) {
  uint32_t found = 0;
  if (!t->n) return 0;
#ifdef __linux__
  if (t->epoll_fd >= 0) {
    struct epoll_event e[LOOK];
    int n = epoll_wait(t->epoll_fd, e, (int)(cap < LOOK ? cap : LOOK), 0);
    for (int i = 0; i < n; i++) out[found++] = e[i].data.u32;
    return found;
  }
#endif
  if (poll(t->polled, t->n, 0) <= 0) return 0;
  for (uint32_t i = 0; i < t->n && found < cap; i++) {
    uint32_t at = (t->turn + i) % t->n;
    if (t->polled[at].revents) out[found++] = t->v[at]->number;
    if (found == cap) t->turn = at + 1;
  }
  return found;
}

uint32_t rtc_socks_fds_max(const rtc_socks_t *t) { return t->epoll_fd >= 0 ? 1 : t->n; }

uint32_t rtc_socks_fds(const rtc_socks_t *t, struct pollfd *out) {
  if (!t->n) return 0;
  if (t->epoll_fd >= 0) {
    *out = (struct pollfd){.fd = t->epoll_fd, .events = POLLIN};
    return 1;
  }
  memcpy(out, t->polled, t->n * sizeof *out);
  return t->n;
}
