/* bits: reads the headers of codecs' own streams, the highest bit of a byte first. Beyond the end it gives zeros and says so. */
#ifndef RTC_WIRE_PAYLOAD_BITS_H
#define RTC_WIRE_PAYLOAD_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rtc_bits {
  const uint8_t *p; /* borrowed */
  size_t n, at;     /* bits */
  bool bad;
} rtc_bits_t;

static inline rtc_bits_t rtc_bits(const uint8_t *p, size_t bytes) { return (rtc_bits_t){.p = p, .n = bytes * 8}; }

/* 32 at most. */
static inline uint32_t rtc_bits_get(rtc_bits_t *b, unsigned n) {
  if (n > b->n - b->at) {
    b->bad = true;
    return 0;
  }
  uint32_t v = 0;
  for (; n > 0; n--, b->at++) v = v << 1 | ((uint32_t)b->p[b->at >> 3] >> (7 - (b->at & 7)) & 1);
  return v;
}

static inline void rtc_bits_skip(rtc_bits_t *b, size_t n) {
  if (n > b->n - b->at)
    b->bad = true;
  else
    b->at += n;
}

/* Exp-Golomb's ue(v) (H.264 §9.1), which AV1 calls uvlc(): so many zeros, a one, so many bits. */
static inline uint32_t rtc_bits_ue(rtc_bits_t *b) {
  unsigned zeros = 0;
  while (!b->bad && !rtc_bits_get(b, 1)) zeros++;
  if (b->bad || zeros > 31) {
    b->bad = true;
    return 0;
  }
  return (1u << zeros) - 1 + rtc_bits_get(b, zeros);
}

#endif
