/* framing: datagrams in a stream of bytes. Two ways: a length before each (RFC 4571, as ICE over TCP has it, RFC 6544 §3), and messages of
 * STUN and TURN that tell their own (RFC 8489 §6.2.2, RFC 8656 §12.5: ChannelData is padded to four bytes). */
#ifndef RTC_WIRE_FRAMING_H
#define RTC_WIRE_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum rtc_framing { RTC_FRAMING_LENGTH, RTC_FRAMING_TURN } rtc_framing_t;

enum { RTC_FRAMING_HEAD_MAX = 2, RTC_FRAMING_TAIL_MAX = 3 };

typedef struct rtc_framed {
  size_t head, len, total; /* bytes before the datagram, its own, and all with what follows it */
} rtc_framed_t;

/* What begins at p, of which n bytes are there. 1: *out tells it, whether or not all of it is there; 0: more is needed to tell;
 * RTC_EPROTO: nothing can begin so, and what follows cannot be found any more. */
RTC_MUST_USE int rtc_framing_look(rtc_framing_t kind, const uint8_t *p, size_t n, rtc_framed_t *out);
/* Writing a datagram of n bytes: what comes before it (at most RTC_FRAMING_HEAD_MAX bytes to out), and how many zeros after it. */
size_t rtc_framing_head(rtc_framing_t kind, uint8_t *out, size_t n);
size_t rtc_framing_tail(rtc_framing_t kind, const uint8_t *p, size_t n);

#endif
