/* stream: one TCP connection that carries datagrams (wire/framing.h), in the clear or by TLS. Opens itself while its user goes on, never
 * waits, and keeps what the kernel does not take in a bounded buffer: beyond it whole datagrams are lost, never parts of one. Belongs to
 * one thread at a time. Guarantee: what a peer sends costs no memory beyond a datagram that is not whole yet. */
#ifndef RTC_IO_STREAM_H
#define RTC_IO_STREAM_H

#include "base/pkt.h"
#include "io/udp.h"
#include "proto/tls.h"
#include "wire/framing.h"

enum {
  RTC_STREAM_OUT_BYTES = 256 << 10, /* that wait for the kernel */
  RTC_STREAM_FRAME = RTC_FRAMING_HEAD_MAX + RTC_FRAMING_TAIL_MAX,
  RTC_STREAM_PART = RTC_PKT_DATA + RTC_STREAM_FRAME,
  RTC_STREAM_READ = 32 << 10, /* bytes read at a time */
  RTC_STREAM_PLAIN = 64 << 10,
  RTC_STREAM_WHY = 96,
};

typedef enum rtc_stream_state { RTC_STREAM_OPENING, RTC_STREAM_OPEN, RTC_STREAM_ENDED } rtc_stream_state_t;

typedef struct rtc_stream_cfg {
  rtc_addr_t remote;
  rtc_addr_t bind; /* the address to leave from; no port and zero: the system's choice */
  bool has_bind;
  uint8_t framing;          /* rtc_framing_t */
  const rtc_tls_cfg_t *tls; /* NULL: in the clear */
} rtc_stream_cfg_t;

/* What streams of one thread share. */
typedef struct rtc_stream_scratch {
  uint8_t plain[RTC_STREAM_PART + RTC_STREAM_PLAIN];
  uint8_t sealed[RTC_STREAM_READ];
  uint8_t
      gather[RTC_UDP_BATCH * (RTC_PKT_DATA + RTC_PKT_TAIL + RTC_STREAM_FRAME)]; /* of what goes out, while the others are gone through */
} rtc_stream_scratch_t;

typedef struct rtc_stream {
  int fd;
  uint8_t framing, state; /* rtc_stream_state_t */
  bool connected;         /* of TCP */
  rtc_addr_t remote, local;
  rtc_tls_t *tls;
  bool ending;  /* once rtc_stream_next is through */
  uint8_t *out; /* RTC_STREAM_OUT_BYTES once something had to wait; by TLS only until it is open: then what waits is in there */
  uint32_t out_head, out_n;
  uint32_t skip; /* bytes still to come of a datagram that is too large */
  uint32_t part_n;
  uint8_t part[RTC_STREAM_PART];
  uint8_t *at; /* what rtc_stream_next goes through, in the scratch */
  size_t left;
  uint64_t in_bytes;
  char why[RTC_STREAM_WHY]; /* it ended, or "" when the peer closed it in order */
} rtc_stream_t;

/* Begins to connect. NULL, and *why tells (RTC_EINVAL with an errno, or without: what TLS was told cannot be used). Any thread. */
rtc_stream_t *rtc_stream_connect(const rtc_stream_cfg_t *cfg, rtc_udp_fault_t *why);
/* A socket that listens: its descriptor and *bound, or -1 and *sys = errno. */
int rtc_stream_listen(const rtc_addr_t *bind, rtc_addr_t *bound, int *sys);
/* Takes over an accepted connection; NULL (closed) when memory is out or it is gone again. */
rtc_stream_t *rtc_stream_accepted(int fd, rtc_framing_t framing);
void rtc_stream_free(rtc_stream_t *s); /* NULL allowed */

/* Goes on with opening and with what waits to be sent. Call when the descriptor is ready; the state may change. */
void rtc_stream_push(rtc_stream_t *s, rtc_stream_scratch_t *x);
/* Whether it has to be called when the descriptor can be written to. */
bool rtc_stream_waits(const rtc_stream_t *s);
/* Reads what has come. False: nothing. Then next, until it says 0, before anything else is done with the scratch: 1 and a datagram,
 * which is NULL and *n bytes long when it is larger than RTC_PKT_DATA. */
bool rtc_stream_read(rtc_stream_t *s, rtc_stream_scratch_t *x);
int rtc_stream_next(rtc_stream_t *s, const uint8_t **p, size_t *n);
/* Sends in order; how many were taken, the others are lost. */
int rtc_stream_send(rtc_stream_t *s, rtc_pkt_t *const *v, int n, rtc_stream_scratch_t *x);

#endif
