/* ring: fixed-size records between one producer thread and one consumer thread, without a lock (C11 atomics).
 * Full means put returns RTC_ENOBUFS; what then happens is the producer's decision. */
#ifndef RTC_BASE_RING_H
#define RTC_BASE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rtc_ring {
  uint8_t *buf;
  uint32_t cap; /* a power of two */
  uint32_t width;
  _Alignas(64) _Atomic uint32_t head; /* written by the consumer */
  _Alignas(64) _Atomic uint32_t tail; /* written by the producer */
} rtc_ring_t;

/* cap is rounded up to a power of two. 0 or RTC_ENOMEM. */
int rtc_ring_init(rtc_ring_t *r, uint32_t cap, uint32_t width);
void rtc_ring_clear(rtc_ring_t *r);
int rtc_ring_put(rtc_ring_t *r, const void *rec); /* 0 or RTC_ENOBUFS */
int rtc_ring_get(rtc_ring_t *r, void *rec);       /* 1, or 0 when empty */
uint32_t rtc_ring_room(const rtc_ring_t *r);

#endif
