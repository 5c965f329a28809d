/* loop: drives a hub with sockets, a clock and a thread. Moves datagrams, commands, events and handshakes; decides nothing.
 * Two forms: start gives it a thread of its own (and a helper for handshakes); without start the owner waits for rtc_loop_fd or
 * rtc_loop_next_at and calls rtc_loop_step, and handshakes run inside it. Any thread may submit; one thread at a time collects events and
 * results. Guarantee: nothing the owner does or leaves undone stops the thread; what it has not collected waits. */
#ifndef RTC_IO_LOOP_H
#define RTC_IO_LOOP_H

#include "engine/hub.h"
#include "io/socks.h"

enum {
  RTC_LOOP_SOCKETS = 16,    /* most addresses from the start */
  RTC_LOOP_EVENTS = 1024,   /* events that wait outside the engine; at the cap they wait inside */
  RTC_LOOP_FLUSH = 4096,    /* datagrams that wait inside a receive batch before they are sent: a frame's packets to many viewers */
  RTC_LOOP_FLUSH_PART = 8,  /* and at most this part of the slots */
  RTC_LOOP_BATCHES = 4,     /* receive batches of one socket before others get their turn */
  RTC_LOOP_LATER = 1024,    /* checks and handshake datagrams that wait while media comes; beyond it none is put off */
  RTC_LOOP_LATER_TURN = 16, /* of these, and of finished handshakes, so many a turn */
  RTC_LOOP_STALL_US = 2000  /* most time one step waits for a full send buffer */
};

typedef struct rtc_loop rtc_loop_t;

typedef struct rtc_loop_cfg {
  const rtc_addr_t *bind;       /* see rtc_udp_open_all */
  int bind_n;                   /* may be 0 */
  int recv_buffer, send_buffer; /* bytes a socket; 0: as the system has it */
  const char *cert_pem, *key_pem;
  size_t cert_len, key_len;
  uint32_t slots;       /* see rtc_hub_cfg_t */
  uint32_t srtp_window; /* the same */
  bool portable;        /* only what POSIX has: no recvmmsg, sendmmsg, eventfd */
  bool openssl;         /* OpenSSL's ciphers alone, one packet after the other: to measure what batches bring */
  bool single;          /* no runs of datagrams as one (UDP GSO) */
  /* Most that packets are held for others to the same goals while the thread is busy (io/coalesce.h); 0: never, and never by step. */
  int64_t window_us;
} rtc_loop_cfg_t;

/* Numbers as they stand; a thread's own are at most 100 ms old, and exact at the result of a batch. Addresses and buffers are those of
 * the sockets from the start, counters those of all. */
typedef struct rtc_loop_info {
  int socket_n;
  rtc_addr_t bound[RTC_LOOP_SOCKETS];
  int recv_buffer[RTC_LOOP_SOCKETS], send_buffer[RTC_LOOP_SOCKETS];
  bool portable;
  bool runs;      /* some socket sends runs as one (UDP GSO) */
  int64_t cpu_us; /* of the loop's thread */
  uint64_t steps, recv_calls, send_calls, kernel_drops, send_refused;
  uint64_t gso_runs, gso_datagrams, gso_refused; /* runs taken as one, datagrams in them; runs that then went one by one */
  int64_t window_us;                             /* how long packets are held now */
  uint64_t put_off;                              /* checks and handshake datagrams that had to wait while media came */
  uint64_t frames_refused;                       /* frames that the engine did not take: unknown sender, or one fed by a receiver */
  uint64_t batches_refused;                      /* too many commands, or frames of a sender, waited */
} rtc_loop_info_t;

/* Binds the sockets. NULL, and *why tells: index -1 and RTC_EINVAL is the certificate or the number of addresses,
 * RTC_ESTATE an OpenSSL with a known flaw. */
rtc_loop_t *rtc_loop_new(const rtc_loop_cfg_t *cfg, rtc_udp_fault_t *why);
/* Starts the thread "rtc-loop" and its helper "rtc-dtls". 0, RTC_ESTATE (started or stopped before) or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_loop_start(rtc_loop_t *l);
/* Executes what was submitted, closes every transport, sends what they say and joins the threads. Idempotent. Results and last
 * events can still be collected; what comes later is refused with RTC_ECLOSED. In a forked child it only lets go. */
void rtc_loop_stop(rtc_loop_t *l);
void rtc_loop_free(rtc_loop_t *l); /* stops first; nobody may use it meanwhile; NULL allowed */
/* Digest of the certificate by SHA-256, as an SDP has it ("AB:CD:.."); needs 96 bytes. Its length, or RTC_E*. */
RTC_MUST_USE int rtc_loop_fingerprint(const rtc_loop_t *l, char *out, size_t cap);

/* A batch, executed without a packet in between, up to the first command that fails. ticket NULL: nobody asks. What commands hold (frames,
 * certificates, sockets) is taken over always. 0, RTC_ECLOSED, RTC_ESTATE (a forked child), or as rtc_mailbox_post. */
RTC_MUST_USE int rtc_loop_submit(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket);
/* The same in two steps, for several batches with one wake-up behind them: until the nudge they may wait. */
RTC_MUST_USE int rtc_loop_post(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket);
void rtc_loop_nudge(rtc_loop_t *l);

/* A socket for RTC_OP_SOCKET, as those from the start are; buffers in bytes, 0: as the system has it. NULL, and *why tells. Any thread. */
rtc_sock_t *rtc_loop_open_udp(const rtc_loop_t *l, const rtc_addr_t *bind, int recv_buffer, int send_buffer, rtc_udp_fault_t *why);

/* Readable when there are events or results. Call rtc_loop_look first, then collect both until 0. */
int rtc_loop_event_fd(const rtc_loop_t *l);
void rtc_loop_look(rtc_loop_t *l);
int rtc_loop_event(rtc_loop_t *l, rtc_event_t *out); /* 1 or 0 */
/* Result of a batch: 1 or 0. err 0, or that of command number index; RTC_ECLOSED when the loop stopped before. */
int rtc_loop_acked(rtc_loop_t *l, uint64_t *ticket, int *err, uint32_t *index);
/* Frames of receivers whose owner wants them (RTC_OP_FRAMES). Open before that command, and close when the receiver is gone: what is not
 * taken until then goes. news: a receiver that has got frames since it was named last, 0 none. Any thread. */
RTC_MUST_USE int rtc_loop_frames_open(rtc_loop_t *l, uint32_t receiver); /* 0 or RTC_ENOMEM, RTC_ESTATE (a forked child) */
void rtc_loop_frames_close(rtc_loop_t *l, uint32_t receiver);
uint32_t rtc_loop_frames_news(rtc_loop_t *l);
rtc_frame_t *rtc_loop_frame(rtc_loop_t *l, uint32_t receiver); /* the caller's to free(), NULL when there is none */
void rtc_loop_info(const rtc_loop_t *l, rtc_loop_info_t *out);

/* Without a thread. fd: readable when step has something to do (Linux; RTC_ESTATE elsewhere, and when portable: use fds). fds: all that may
 * be polled for input; how many. next_at: when step is due by the clock (io/clock.h), RTC_NEVER when not. RTC_ESTATE once started. */
int rtc_loop_fd(rtc_loop_t *l);
int rtc_loop_fds(const rtc_loop_t *l, int *out, int cap);
rtc_time_t rtc_loop_next_at(const rtc_loop_t *l);
RTC_MUST_USE int rtc_loop_step(rtc_loop_t *l);

#endif
