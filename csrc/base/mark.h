/* mark: twelve bytes that look random to everybody else and hide a number for who has the key. So an answer that repeats them leads to
 * who asked, without a table of what is asked. It proves nothing by itself: the asker compares all twelve. */
#ifndef RTC_BASE_MARK_H
#define RTC_BASE_MARK_H

#include "base/bytes.h"
#include "base/map.h"

enum { RTC_MARK_LEN = 12 };

typedef struct rtc_mark_key {
  uint64_t k0, k1; /* random, secret */
} rtc_mark_key_t;

/* random: unlike all others of this key, unforeseeable where the answer is not authenticated otherwise. */
static inline void rtc_mark_write(uint8_t out[RTC_MARK_LEN], uint64_t random, uint32_t number, const rtc_mark_key_t *key) {
  rtc_put64(out, random);
  rtc_put32(out + 8, number ^ (uint32_t)rtc_siphash(out, 8, key->k0, key->k1));
}

static inline uint32_t rtc_mark_read(const uint8_t in[RTC_MARK_LEN], const rtc_mark_key_t *key) {
  return rtc_get32(in + 8) ^ (uint32_t)rtc_siphash(in, 8, key->k0, key->k1);
}

#endif
