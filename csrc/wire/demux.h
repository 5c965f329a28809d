/* demux: which protocol a datagram's first bytes announce (RFC 7983, RFC 5761 §4). Looks at nothing else. */
#ifndef RTC_WIRE_DEMUX_H
#define RTC_WIRE_DEMUX_H

#include <stddef.h>
#include <stdint.h>

typedef enum rtc_kind { RTC_KIND_NONE, RTC_KIND_STUN, RTC_KIND_DTLS, RTC_KIND_TURN, RTC_KIND_RTP, RTC_KIND_RTCP } rtc_kind_t;

/* NONE for anything too short to be what its first byte says (STUN 20, DTLS 13, RTP 12, RTCP 8, channel data 4). */
rtc_kind_t rtc_demux(const uint8_t *p, size_t n);

#endif
