/* map: fixed-width keys to a pointer, open addressing, hashed with SipHash under a random key so that an
 * attacker cannot choose buckets. Owns copies of the keys, never the values. Keys are at most 64 bytes. */
#ifndef RTC_BASE_MAP_H
#define RTC_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct rtc_map {
  uint8_t *slots; /* opaque */
  uint32_t cap, used, dead, key_len;
  uint64_t k0, k1;
} rtc_map_t;

/* seed = 16 random bytes. No allocation until the first put. */
void rtc_map_init(rtc_map_t *m, uint32_t key_len, const uint8_t seed[16]);
void rtc_map_clear(rtc_map_t *m);
void *rtc_map_get(const rtc_map_t *m, const void *key);
/* Adds or replaces. 0 or RTC_ENOMEM. value must not be NULL. */
int rtc_map_put(rtc_map_t *m, const void *key, void *value);
/* Returns the value that was removed, or NULL. */
void *rtc_map_del(rtc_map_t *m, const void *key);
/* Walk: *pos from 0; NULL at the end. No put or del meanwhile but del of the current key. */
void *rtc_map_next(const rtc_map_t *m, uint32_t *pos);

uint64_t rtc_siphash(const uint8_t *p, size_t n, uint64_t k0, uint64_t k1);

#endif
