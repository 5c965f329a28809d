#include "wire/demux.h"

enum { STUN_MIN = 20, DTLS_MIN = 13, CHANNEL_MIN = 4, RTP_MIN = 12, RTCP_MIN = 8 };

/* A type with the marker bit: 192..223 (payload types 64..95) is RTCP when both share a port (RFC 5761 §4). */
static int is_rtcp_type(uint8_t b) { return b >= 192 && b <= 223; }

/* The ranges of RFC 7983 §7; what lies between (ZRTP 16..19, unassigned, QUIC of RFC 9443) is not ours. */
rtc_kind_t rtc_demux(const uint8_t *p, size_t n) {
  if (n < CHANNEL_MIN) return RTC_KIND_NONE;
  uint8_t b = p[0];
  if (b <= 3) return n >= STUN_MIN ? RTC_KIND_STUN : RTC_KIND_NONE;
  if (b >= 20 && b <= 63) return n >= DTLS_MIN ? RTC_KIND_DTLS : RTC_KIND_NONE;
  if (b >= 64 && b <= 79) return RTC_KIND_TURN;
  if (b >= 128 && b <= 191) {
    if (is_rtcp_type(p[1])) return n >= RTCP_MIN ? RTC_KIND_RTCP : RTC_KIND_NONE;
    return n >= RTP_MIN ? RTC_KIND_RTP : RTC_KIND_NONE;
  }
  return RTC_KIND_NONE;
}
