/* loop_state: the loop's own structure, shared by loop.c (its work) and loop_owner.c (who holds it) alone. */
#ifndef RTC_IO_LOOP_STATE_H
#define RTC_IO_LOOP_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/ring.h"
#include "io/coalesce.h"
#include "io/handshake.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/shelf.h"
#include "io/socks.h"
#include "io/wake.h"

typedef enum rtc_loop_state { RTC_LOOP_NEW, RTC_LOOP_RUNNING, RTC_LOOP_STOPPED } rtc_loop_state_t;

/* Written by the loop's thread, read by anyone. */
typedef struct rtc_loop_counts {
  _Atomic int64_t cpu_us;
  _Atomic uint64_t steps, recv_calls, send_calls, kernel_drops, send_refused, frames_refused;
  _Atomic uint64_t gso_runs, gso_datagrams, gso_refused;
  _Atomic int64_t window_us;
  _Atomic uint64_t put_off;
  _Atomic bool runs;
} rtc_loop_counts_t;

struct rtc_loop {
  rtc_ring_t events;
  rtc_hub_t *hub;
  rtc_sealer_t sealer; /* the hub's */
  rtc_dtls_ctx_t *dtls;
  rtc_udp_t udp[RTC_LOOP_SOCKETS]; /* from the start, numbered from 0 */
  int udp_n, epoll_fd;
  rtc_socks_t socks;     /* opened while it runs */
  struct pollfd *polled; /* what the thread waits for: udp, wake, and what socks says */
  uint32_t polled_cap;
  struct { /* of TCP: io/loop_conns.c */
    rtc_stream_scratch_t *scratch;
    rtc_sock_t *touched, *news, *news_last;
    rtc_sock_t *oldest, *newest; /* accepted, and nobody's yet */
    uint32_t accepted_n, unclaimed_n, paused_n, number;
    rtc_time_t look_at; /* for those that are nobody's, RTC_NEVER: there are none */
  } conns;
  rtc_udp_counts_t count; /* of all sockets that there were */
  bool portable, single;
  bool socks_run;   /* one of socks sends runs */
  rtc_wake_t wake;  /* to the loop */
  rtc_wake_t owner; /* to who collects */
  rtc_mailbox_t mail;
  rtc_shelf_t shelf;
  bool has_shelf, frames_wait; /* frames_wait: the shelf was held */
  _Atomic bool starved;        /* events wait inside for room in the ring */
  _Atomic bool stop, closed;
  _Atomic int state; /* rtc_loop_state_t */
  pid_t pid;
  pthread_t thread;
  rtc_handshake_t *helper;         /* NULL without a thread */
  rtc_pkt_t *slots[RTC_UDP_BATCH]; /* ready to receive into */
  int slot_n;
  rtc_pkt_t *later, *later_last; /* put off, in order */
  uint32_t later_n, later_cap;
  uint32_t hot;      /* bits of the fixed sockets that had something in this turn, unless it was much */
  bool at_once;      /* the last wait was none */
  bool more;         /* something is left over from this turn: the next one comes at once */
  uint32_t flush_at; /* datagrams that may wait */
  uint64_t steps;    /* times it has waited, or was stepped */
  uint64_t frames_refused;
  rtc_coalesce_t coalesce;
  int64_t wait_us; /* what is left of RTC_LOOP_STALL_US */
  rtc_time_t published;
  rtc_loop_counts_t counts;
};

/* One turn over everything that may be due; `ready` has a bit per fixed socket to read, `socks` says whether to look at the others. */
void rtc_loop_turn(rtc_loop_t *l, uint32_t ready, bool socks);
/* Room in `polled` for all that there is and one socket more. 0 or RTC_ENOMEM. */
int rtc_loop_reserve(rtc_loop_t *l);
/* The last things a loop does: goodbyes, results, events. Nothing is received any more. */
void rtc_loop_finish(rtc_loop_t *l);
/* Hands a datagram on, now or, when others wait, in its turn. */
void rtc_loop_take(rtc_loop_t *l, rtc_pkt_t *k, rtc_time_t now, bool crowded);

/* loop_conns.c: TCP. Any of these may leave a socket to be settled, which is done once a turn, before events are moved: then watches are
 * set, and what has ended goes. */
int rtc_conns_add(rtc_loop_t *l, rtc_sock_t *s); /* before it is in the table: 0, or RTC_ENOMEM */
void rtc_conns_remove(rtc_loop_t *l, rtc_sock_t *s);
void rtc_conns_ready(rtc_loop_t *l, rtc_sock_t *s, bool crowded);
int rtc_conns_send(rtc_loop_t *l, rtc_sock_t *s, rtc_pkt_t *const *v, int n);
void rtc_conns_tick(rtc_loop_t *l, rtc_time_t now);
void rtc_conns_settle(rtc_loop_t *l);
int rtc_conns_event(rtc_loop_t *l, rtc_event_t *out); /* 1 or 0 */

/* The thread. */
void *rtc_loop_run(void *loop);

#endif
