/* dtls_wire: DTLS records and handshake fragments written by hand, for the tests that forge them. */
#ifndef RTC_TESTS_DTLS_WIRE_H
#define RTC_TESTS_DTLS_WIRE_H

#include "base/bytes.h"

static inline size_t record(uint8_t *p, uint8_t type, uint16_t epoch, uint64_t seq, const uint8_t *body, size_t n) {
  p[0] = type;
  rtc_put16(p + 1, 0xfefd);
  rtc_put64(p + 3, ((uint64_t)epoch << 48) | seq);
  rtc_put16(p + 11, (uint16_t)n);
  memcpy(p + 13, body, n);
  return 13 + n;
}

static inline size_t fragment(uint8_t *p, uint8_t type, uint32_t length, uint16_t seq, uint32_t at, uint32_t n) {
  memset(p, 0, 12 + n);
  p[0] = type;
  rtc_put24(p + 1, length);
  rtc_put16(p + 4, seq);
  rtc_put24(p + 6, at);
  rtc_put24(p + 9, n);
  return 12 + n;
}

#endif
