/* socks: sockets that an owner opens and closes while the loop runs, some 20,000 of them. The owner's thread opens one, so that
 * what is wrong is told at once, gives it a number of its own and hands it over (RTC_OP_SOCKET); from then on it is the loop's. Waiting
 * costs what is ready, not what there is (epoll), where the system can; elsewhere all are polled. Guarantee: a number that is gone, or not
 * there yet, finds nothing. */
#ifndef RTC_IO_SOCKS_H
#define RTC_IO_SOCKS_H

#include <poll.h>

#include "base/map.h"
#include "io/udp.h"

enum {
  RTC_SOCK_FIRST = 64, /* owners number their sockets from here on, and use no number twice */
};

typedef struct rtc_sock {
  uint32_t number;
  uint32_t at; /* place in the table */
  rtc_udp_t udp;
} rtc_sock_t;

typedef struct rtc_socks {
  rtc_map_t by_number;
  rtc_sock_t **v;
  struct pollfd *polled; /* of v, without epoll */
  uint32_t n, cap, turn; /* turn: where a look at all of them begins */
  int epoll_fd;          /* readable when one of them is; -1: there is none */
  rtc_udp_scratch_t *scratch;
} rtc_socks_t;

/* cfg->lent is set here. NULL and *why (its index is 0); portable must be the loop's. Any thread. */
rtc_sock_t *rtc_sock_open_udp(const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why);
static inline rtc_addr_t rtc_sock_bound(const rtc_sock_t *s) { return s->udp.bound; }
void rtc_sock_free(rtc_sock_t *s); /* closes; NULL allowed */

/* seed: random. 0, RTC_ENOMEM or RTC_ENOBUFS (no descriptor left). */
RTC_MUST_USE int rtc_socks_init(rtc_socks_t *t, bool portable, const uint8_t seed[16]);
void rtc_socks_clear(rtc_socks_t *t); /* closes all; init may have failed */
/* Takes s over, always. 0, RTC_EINVAL (the number is below RTC_SOCK_FIRST or in use), RTC_ENOMEM or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_socks_add(rtc_socks_t *t, rtc_sock_t *s, uint32_t number);
rtc_sock_t *rtc_socks_get(const rtc_socks_t *t, uint32_t number); /* NULL: there is none */
void rtc_socks_del(rtc_socks_t *t, uint32_t number);              /* closes it; no such number: nothing */
/* Numbers of sockets that have something to read, without waiting; how many. At cap there may be more, which come first the next time. */
uint32_t rtc_socks_ready(rtc_socks_t *t, uint32_t *out, uint32_t cap);
/* What a wait for all of them has to look at; how many, at most rtc_socks_fds_max. */
uint32_t rtc_socks_fds_max(const rtc_socks_t *t);
uint32_t rtc_socks_fds(const rtc_socks_t *t, struct pollfd *out);

#endif
