/* socks: sockets that an owner opens and closes while the loop runs, some 20,000 of them. The owner's thread opens one, so that
 * what is wrong is told at once, gives it a number of its own and hands it over (RTC_OP_SOCKET); from then on it is the loop's. Waiting
 * costs what is ready, not what there is (epoll), where the system can; elsewhere all are polled. Guarantee: a number that is gone, or not
 * there yet, finds nothing. */
#ifndef RTC_IO_SOCKS_H
#define RTC_IO_SOCKS_H

#include <poll.h>

#include "base/map.h"
#include "io/stream.h"
#include "io/udp.h"

enum {
  RTC_SOCK_FIRST = 64,            /* owners number their sockets from here on, and use no number twice */
  RTC_SOCK_ACCEPTED = 0x20000000, /* and below this: from here on a loop numbers connections that it accepts */
  RTC_SOCK_END = 0x40000000,
};

typedef enum rtc_sock_kind { RTC_SOCK_UDP, RTC_SOCK_STREAM, RTC_SOCK_LISTENER } rtc_sock_kind_t;

typedef struct rtc_sock rtc_sock_t;
struct rtc_sock {
  uint32_t number;
  uint32_t at;          /* place in the table */
  uint8_t kind;         /* rtc_sock_kind_t */
  short events;         /* what is waited for, as poll has it */
  rtc_udp_t udp;        /* of RTC_SOCK_UDP */
  rtc_stream_t *stream; /* of RTC_SOCK_STREAM */
  int listener;         /* of RTC_SOCK_LISTENER */
  rtc_addr_t bound;
  /* Who runs the loop (io/loop_conns.c) keeps here of streams: */
  bool accepted, claimed, touched, has_news;
  uint8_t told; /* the state that the owner was told */
  rtc_time_t since;
  rtc_sock_t *older, *newer, *next_touched, *next_news;
};

typedef struct rtc_socks {
  rtc_map_t by_number;
  rtc_sock_t **v;
  struct pollfd *polled; /* of v, without epoll */
  uint32_t n, cap, turn; /* turn: where a look at all of them begins */
  int epoll_fd;          /* readable when one of them is; -1: there is none */
  rtc_udp_scratch_t *scratch;
  rtc_udp_gro_t *gro; /* NULL: the system has none, or is not asked */
} rtc_socks_t;

/* cfg->lent is set here. NULL and *why (its index is 0); portable must be the loop's. Any thread. */
rtc_sock_t *rtc_sock_open_udp(const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why);
/* The same of a TCP connection, which begins to open, and of a TCP socket that listens. */
rtc_sock_t *rtc_sock_open_tcp(const rtc_stream_cfg_t *cfg, rtc_udp_fault_t *why);
rtc_sock_t *rtc_sock_listen(const rtc_addr_t *bind, rtc_udp_fault_t *why);
rtc_sock_t *rtc_sock_of_stream(rtc_stream_t *s); /* takes it over; NULL (freed): s is NULL or memory is out */
rtc_addr_t rtc_sock_bound(const rtc_sock_t *s);  /* our address and port */
void rtc_sock_free(rtc_sock_t *s);               /* closes; NULL allowed */

/* seed: random. 0, RTC_ENOMEM or RTC_ENOBUFS (no descriptor left). */
RTC_MUST_USE int rtc_socks_init(rtc_socks_t *t, bool portable, const uint8_t seed[16]);
void rtc_socks_clear(rtc_socks_t *t); /* closes all; init may have failed */
/* Takes s over, always. 0, RTC_EINVAL (the number is not from RTC_SOCK_FIRST to RTC_SOCK_END, or in use), RTC_ENOMEM or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_socks_add(rtc_socks_t *t, rtc_sock_t *s, uint32_t number);
rtc_sock_t *rtc_socks_get(const rtc_socks_t *t, uint32_t number); /* NULL: there is none */
void rtc_socks_del(rtc_socks_t *t, uint32_t number);              /* closes it; no such number: nothing */
/* Waits for these events of it from now on (POLLIN, POLLOUT, 0). 0, or RTC_ENOBUFS and it is as before. */
int rtc_socks_watch(rtc_socks_t *t, rtc_sock_t *s, short events);
/* Numbers of sockets that have what is waited for, without waiting; how many. At cap there may be more, which come first the next time. */
uint32_t rtc_socks_ready(rtc_socks_t *t, uint32_t *out, uint32_t cap);
/* What a wait for all of them has to look at; how many, at most rtc_socks_fds_max. */
uint32_t rtc_socks_fds_max(const rtc_socks_t *t);
uint32_t rtc_socks_fds(const rtc_socks_t *t, struct pollfd *out);

#endif
