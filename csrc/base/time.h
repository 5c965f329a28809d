/* time: the one clock type. Microseconds, monotonic, passed in by the caller; nothing below io/ reads a clock. */
#ifndef RTC_BASE_TIME_H
#define RTC_BASE_TIME_H

#include <stdint.h>

typedef int64_t rtc_time_t;

#define RTC_NEVER INT64_MAX
#define RTC_MS(x) ((rtc_time_t)(x)*1000)
#define RTC_SEC(x) ((rtc_time_t)(x)*1000000)

static inline rtc_time_t rtc_time_min(rtc_time_t a, rtc_time_t b) { return a < b ? a : b; }

/* NTP 64-bit (RFC 5905) from microseconds since 1970. */
static inline uint64_t rtc_ntp_from_unix_us(int64_t unix_us) {
  uint64_t s = (uint64_t)(unix_us / 1000000) + 2208988800u;
  uint64_t frac = (((uint64_t)(unix_us % 1000000)) << 32) / 1000000u;
  return (s << 32) | frac;
}
/* The way back; of era 1 (from 2036 on) too. */
static inline int64_t rtc_ntp_to_unix_us(uint64_t ntp) {
  uint32_t s = (uint32_t)(ntp >> 32) - 2208988800u;
  return (int64_t)s * 1000000 + (int64_t)(((ntp & 0xffffffffu) * 1000000u + (1u << 31)) >> 32);
}
/* Difference a - b of two NTP times in microseconds. */
static inline int64_t rtc_ntp_diff_us(uint64_t a, uint64_t b) {
  int64_t d = (int64_t)(a - b);
  int64_t whole = d >> 32;
  return whole * 1000000 + (int64_t)((((uint64_t)d & 0xffffffffu) * 1000000u) >> 32);
}
/* Middle 32 bits, as in LSR and DLSR (RFC 3550 §6.4.1). */
static inline uint32_t rtc_ntp_compact(uint64_t ntp) { return (uint32_t)(ntp >> 16); }

#endif
