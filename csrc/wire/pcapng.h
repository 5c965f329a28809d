/* pcapng: blocks of a capture file (draft-ietf-opsawg-pcapng), big-endian: one section, one interface of bare IP packets (LINKTYPE_RAW)
 * with stamps in nanoseconds. A datagram gets the IP and UDP headers that it had, or would have had. */
#ifndef RTC_WIRE_PCAPNG_H
#define RTC_WIRE_PCAPNG_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

enum {
  RTC_PCAPNG_COMMENT = 80, /* longer ones are cut */
  RTC_PCAPNG_EXTRA = 240,  /* bytes that a packet block has besides the datagram and its end, at most */
};

typedef struct rtc_pcapng_packet {
  int64_t unix_ns;
  bool sent; /* by us; epb_flags says so too */
  rtc_addr_t from, to;
  const char *comment;
  const uint8_t *data;
  size_t len;
} rtc_pcapng_packet_t;

/* Each: bytes written, RTC_ENOBUFS; RTC_EINVAL for a datagram that fits into no UDP. */
RTC_MUST_USE int rtc_pcapng_write_head(uint8_t *out, size_t cap, const char *interface);
RTC_MUST_USE int rtc_pcapng_write_packet(uint8_t *out, size_t cap, const rtc_pcapng_packet_t *p);
/* The interface's counters at the end: what it took, and what was lost between. */
RTC_MUST_USE int rtc_pcapng_write_counts(uint8_t *out, size_t cap, int64_t unix_ns, uint64_t taken, uint64_t dropped);

#endif
