/* loop_conns: a loop's TCP: connections that its owner opens, listeners, and what these accept. The first datagram of an accepted
 * connection says whose it is: it has to be a check that a transport finds authentic. Those that nobody claims are few, and go soon. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/clock.h"
#include "io/loop_state.h"
#include "wire/demux.h"

enum {
  RTC_CONN_UNCLAIMED_MAX = 256, /* beyond it the one that has waited longest goes */
  RTC_CONN_UNCLAIMED_BYTES = 8192,
  CLAIM_US = 10000000,
  LOOK_US = 1000000, /* between looks at those that nobody claims, or nobody has any more */
  ACCEPT_TURN = 16,  /* accepted at a time */
};

static void touch(rtc_loop_t *l, rtc_sock_t *s) {
  if (s->touched) return;
  s->touched = true;
  s->next_touched = l->conns.touched;
  l->conns.touched = s;
}

static void count_unclaimed(rtc_loop_t *l, rtc_sock_t *s) {
  s->older = l->conns.newest;
  s->newer = NULL;
  if (s->older)
    s->older->newer = s;
  else
    l->conns.oldest = s;
  l->conns.newest = s;
  l->conns.unclaimed_n++;
}

static void claim(rtc_loop_t *l, rtc_sock_t *s) {
  if (s->claimed) return;
  s->claimed = true;
  *(s->older ? &s->older->newer : &l->conns.oldest) = s->newer;
  *(s->newer ? &s->newer->older : &l->conns.newest) = s->older;
  l->conns.unclaimed_n--;
}

int rtc_conns_add(rtc_loop_t *l, rtc_sock_t *s) {
  s->claimed = true; /* its owner's */
  if (s->kind == RTC_SOCK_UDP || l->conns.scratch) return 0;
  l->conns.scratch = malloc(sizeof *l->conns.scratch);
  return l->conns.scratch ? 0 : RTC_ENOMEM;
}

void rtc_conns_remove(rtc_loop_t *l, rtc_sock_t *s) {
  for (rtc_sock_t **p = &l->conns.touched; s->touched && *p; p = &(*p)->next_touched) {
    if (*p != s) continue;
    *p = s->next_touched;
    break;
  }
  rtc_sock_t *before = NULL;
  for (rtc_sock_t *n = l->conns.news; s->has_news && n; before = n, n = n->next_news) {
    if (n != s) continue;
    *(before ? &before->next_news : &l->conns.news) = s->next_news;
    if (l->conns.news_last == s) l->conns.news_last = before;
    break;
  }
  if (s->accepted) {
    claim(l, s);
    l->conns.accepted_n--;
  }
  if (s->kind == RTC_SOCK_LISTENER && !s->events) l->conns.paused_n--;
}

static void drop(rtc_loop_t *l, rtc_sock_t *s) {
  if (!s->claimed) rtc_hub_dropped(l->hub, RTC_DROP_STRANGER);
  rtc_conns_remove(l, s);
  rtc_socks_del(&l->socks, s->number);
}

static rtc_path_t path_of(const rtc_sock_t *s) {
  return (rtc_path_t){.remote = s->stream->remote, .local = s->stream->local, .sock = s->number};
}

/* A check of somebody's, as far as a stranger's first words tell. */
static bool may_speak(const rtc_sock_t *s, const uint8_t *p, size_t n) {
  return p && rtc_demux(p, n) == RTC_KIND_STUN && s->stream->in_bytes <= RTC_CONN_UNCLAIMED_BYTES;
}

static void receive(rtc_loop_t *l, rtc_sock_t *s, bool crowded) {
  const uint8_t *p;
  size_t n;
  rtc_time_t now = rtc_clock_now();
  rtc_path_t path = path_of(s);
  while (rtc_stream_next(s->stream, &p, &n)) {
    if (!s->claimed && !may_speak(s, p, n)) s->stream->state = RTC_STREAM_ENDED;
    if (s->stream->state == RTC_STREAM_ENDED) continue;
    rtc_pkt_t *k = p ? rtc_hub_slot(l->hub) : NULL;
    if (!k) {
      rtc_hub_dropped(l->hub, p ? RTC_DROP_POOL : RTC_DROP_TOO_BIG);
      continue;
    }
    memcpy(k->data, p, n);
    k->len = (uint32_t)n;
    k->path = path;
    k->at = now;
    rtc_loop_take(l, k, now, crowded && s->claimed);
    if (!s->claimed && rtc_hub_knows(l->hub, &path)) claim(l, s);
  }
}

/* A place among those that are nobody's yet. */
static void take_in(rtc_loop_t *l, int fd, rtc_time_t now) {
  rtc_sock_t *s = rtc_sock_of_stream(rtc_stream_accepted(fd, RTC_FRAMING_LENGTH));
  if (!s) return;
  if (l->conns.unclaimed_n == RTC_CONN_UNCLAIMED_MAX) drop(l, l->conns.oldest);
  s->accepted = true;
  s->since = now;
  s->told = RTC_STREAM_OPEN;
  uint32_t number = l->conns.number;
  while (rtc_socks_get(&l->socks, number)) number = number + 1 < RTC_SOCK_END ? number + 1 : RTC_SOCK_ACCEPTED;
  l->conns.number = number + 1 < RTC_SOCK_END ? number + 1 : RTC_SOCK_ACCEPTED;
  if (rtc_loop_reserve(l) < 0) {
    rtc_sock_free(s);
    return;
  }
  if (rtc_socks_add(&l->socks, s, number) < 0) return;
  l->conns.accepted_n++;
  count_unclaimed(l, s);
  if (l->conns.look_at == RTC_NEVER) l->conns.look_at = now + LOOK_US;
}

static void accept_some(rtc_loop_t *l, rtc_sock_t *s) {
  rtc_time_t now = rtc_clock_now();
  for (int i = 0; i < ACCEPT_TURN; i++) {
    int fd = accept(s->listener, NULL, NULL);
    if (fd >= 0) {
      take_in(l, fd, now);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    /* No descriptor or memory is left: those that wait stay where they are, and nobody spins. */
    if (rtc_socks_watch(&l->socks, s, 0) == 0) l->conns.paused_n++;
    if (l->conns.look_at == RTC_NEVER) l->conns.look_at = now + LOOK_US;
    return;
  }
}

void rtc_conns_ready(rtc_loop_t *l, rtc_sock_t *s, bool crowded) {
  if (s->kind == RTC_SOCK_LISTENER) {
    accept_some(l, s);
    return;
  }
  touch(l, s);
  rtc_stream_push(s->stream, l->conns.scratch);
  if (rtc_stream_read(s->stream, l->conns.scratch)) receive(l, s, crowded);
}

int rtc_conns_send(rtc_loop_t *l, rtc_sock_t *s, rtc_pkt_t *const *v, int n) {
  touch(l, s);
  return rtc_stream_send(s->stream, v, n, l->conns.scratch);
}

void rtc_conns_tick(rtc_loop_t *l, rtc_time_t now) {
  if (l->conns.look_at > now) return;
  for (uint32_t i = l->socks.n; i-- > 0;) { /* from the end: what goes is replaced by the last */
    rtc_sock_t *s = l->socks.v[i];
    if (s->kind == RTC_SOCK_LISTENER && !s->events && rtc_socks_watch(&l->socks, s, POLLIN) == 0) l->conns.paused_n--;
    if (!s->accepted || (!s->claimed && now - s->since < CLAIM_US)) continue;
    rtc_path_t path = path_of(s);
    if (!rtc_hub_knows(l->hub, &path))
      drop(l, s);
    else
      claim(l, s);
  }
  l->conns.look_at = l->conns.accepted_n || l->conns.paused_n ? now + LOOK_US : RTC_NEVER;
}

static void tell(rtc_loop_t *l, rtc_sock_t *s) {
  if (s->has_news || s->accepted || s->told == s->stream->state) return;
  s->has_news = true;
  s->next_news = NULL;
  *(l->conns.news_last ? &l->conns.news_last->next_news : &l->conns.news) = s;
  l->conns.news_last = s;
}

void rtc_conns_settle(rtc_loop_t *l) {
  for (rtc_sock_t *s; (s = l->conns.touched);) {
    l->conns.touched = s->next_touched;
    s->touched = false;
    bool ended = s->stream->state == RTC_STREAM_ENDED;
    short events = ended ? 0 : s->stream->connected ? POLLIN : 0;
    if (!ended && rtc_stream_waits(s->stream)) events |= POLLOUT;
    if (ended && s->accepted) {
      drop(l, s);
      continue;
    }
    if (ended && s->events) rtc_hub_disconnected(l->hub, s->number, rtc_clock_now());
    (void)rtc_socks_watch(&l->socks, s, events);
    tell(l, s);
  }
}

int rtc_conns_event(rtc_loop_t *l, rtc_event_t *out) {
  rtc_sock_t *s = l->conns.news;
  if (!s) return 0;
  l->conns.news = s->next_news;
  if (!l->conns.news) l->conns.news_last = NULL;
  s->has_news = false;
  s->told = s->stream->state;
  *out = (rtc_event_t){.type = RTC_EV_SOCKET, .id = s->number};
  out->state = s->told == RTC_STREAM_ENDED ? RTC_T_CLOSED : RTC_T_CONNECTED;
  snprintf(out->text, sizeof out->text, "%s", s->stream->why);
  return 1;
}
