/* udp: one UDP socket, many datagrams a call. Each datagram comes with the address it was sent to, and leaves from
 * the address it is told to (IP_PKTINFO, RFC 3542), so one socket on the wildcard address serves a machine with many. Two ways below:
 * udp_linux.c (recvmmsg, sendmmsg) and udp_posix.c (one call a datagram), chosen when the socket is opened.
 * Belongs to one thread at a time. Guarantee: nothing here waits longer than the caller's budget. */
#ifndef RTC_IO_UDP_H
#define RTC_IO_UDP_H

#include "base/err.h"
#include "base/pkt.h"

enum {
  RTC_UDP_BATCH = 64,                 /* datagrams a call */
  RTC_UDP_FETCH = 8,                  /* messages of several datagrams a call */
  RTC_UDP_TOO_BIG = RTC_PKT_DATA + 1, /* rtc_pkt.len of a datagram that did not fit its slot */
  RTC_UDP_BUFFER_DEFAULT = 4 << 20,   /* what a loop asks for when it is told nothing */
  RTC_UDP_BUFFER_SMALL = 512 << 10,   /* and for a socket that is one peer's */
};

typedef struct rtc_udp_cfg {
  rtc_addr_t bind;
  int recv_buffer, send_buffer; /* bytes; 0: as the system has it */
  bool portable;                /* udp_posix.c, also where there is better */
  bool single;                  /* no runs: each datagram is given to the kernel by itself */
  bool lent;                    /* rtc_udp_lend before the first datagram: one scratch for many sockets */
} rtc_udp_cfg_t;

typedef struct rtc_udp_scratch rtc_udp_scratch_t;
typedef struct rtc_udp_gro rtc_udp_gro_t;

typedef struct rtc_udp_counts {
  uint64_t recv_calls, send_calls;
  uint64_t sent, refused;            /* datagrams that the kernel took, and that it did not */
  uint64_t runs_sent, run_datagrams; /* runs that were taken as one, and the datagrams in them */
  uint64_t runs_refused;             /* runs that were not, and went one by one */
  uint64_t kernel_drops;             /* datagrams that the kernel dropped because the receive buffer was full (Linux) */
} rtc_udp_counts_t;

typedef struct rtc_udp {
  int fd; /* -1 when closed */
  bool v6, wildcard, portable, lent;
  bool whole;                   /* IPv4, Linux: datagrams leave with DF, until one is too big for its way */
  bool runs;                    /* sends runs as one (UDP GSO): where the kernel can, until a device cannot */
  rtc_addr_t bound;             /* really bound, with its port */
  int recv_buffer, send_buffer; /* bytes that the kernel granted */
  rtc_udp_counts_t count;
  uint32_t kernel_drops_seen;
  int came;                /* datagrams of the last batch's first call: the owner's */
  int64_t unix_offset_us;  /* wall clock minus ours, for the kernel's time stamps */
  int64_t unix_offset_for; /* wall clock when it was taken */
  rtc_udp_scratch_t *scratch;
  rtc_udp_gro_t *gro; /* NULL: rtc_udp_recv; else rtc_udp_fetch */
} rtc_udp_t;

/* 0, RTC_ENOMEM, or RTC_EINVAL with *sys = errno. */
RTC_MUST_USE int rtc_udp_open(rtc_udp_t *u, const rtc_udp_cfg_t *cfg, int *sys);
void rtc_udp_close(rtc_udp_t *u); /* idempotent */

/* What a socket works with (some 15 KB), for sockets of one thread to share; NULL: memory is out. Borrowed: outlives them. With `gro` (512
 * KB of addresses; NULL where the system has none, or as the caller likes) what comes together comes joined, where the kernel can. */
rtc_udp_scratch_t *rtc_udp_scratch_new(void);
void rtc_udp_scratch_free(rtc_udp_scratch_t *s);
rtc_udp_gro_t *rtc_udp_gro_new(void);
void rtc_udp_gro_free(rtc_udp_gro_t *g);
void rtc_udp_lend(rtc_udp_t *u, rtc_udp_scratch_t *s, rtc_udp_gro_t *g);

/* Receives up to n datagrams (n <= RTC_UDP_BATCH) into the slots' data, without waiting. Sets len, path.remote,
 * path.local (no port) and at (when the kernel took it in, on the monotonic clock; 0 where it does not tell) of each. Returns how many; 0
 * when there are none. */
int rtc_udp_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n);
/* The same where u->gro is set: up to RTC_UDP_FETCH messages, then while some are left one datagram after the other into a slot; NULL: it
 * is thrown away. All of one message arrived when its first did. Nothing else uses this gro in between. */
int rtc_udp_fetch(rtc_udp_t *u);
bool rtc_udp_left(const rtc_udp_t *u);
void rtc_udp_next(rtc_udp_t *u, rtc_pkt_t *slot);
/* Throws away up to n datagrams for which there is no slot; returns how many. */
int rtc_udp_discard(rtc_udp_t *u, int n);

/* Sends all in order from path.local to path.remote; returns how many the kernel took. What it refuses (no route, firewall,
 * no such address) is lost alone and counted; what is too big for its way is cut by the kernel. When its buffer is full, waits for room
 * while *wait_us lasts, then loses the rest. What is marked RTC_RUN_JOINS (base/pkt.h) goes as one with what is before it, if both have one
 * path and the sizes allow it. A run that the kernel refuses is sent one by one: EIO (the device or the way has no checksums for it) ends
 * runs for the socket; after EINVAL or EMSGSIZE (too big for this way) its first datagram is marked RTC_RUN_REFUSED. */
int rtc_udp_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us);

/* Moves what u has counted to a total of many sockets. */
void rtc_udp_tally(rtc_udp_t *u, rtc_udp_counts_t *total);

typedef struct rtc_udp_fault {
  int err;   /* RTC_E* */
  int sys;   /* errno, or 0 */
  int index; /* which address, -1 when it is not one address's */
} rtc_udp_fault_t;

/* Opens a socket per address. Those with port 0 get one free port, the same for all. An address of a family that this machine lacks is
 * left out, but not the last one. Returns how many sockets (u[0..]), or RTC_E* and all closed; then *why says which address. */
RTC_MUST_USE int rtc_udp_open_all(rtc_udp_t *u, const rtc_addr_t *addr, int n, const rtc_udp_cfg_t *cfg, rtc_udp_fault_t *why);

#endif
