/* bytering: records of any size between one producer thread and one consumer thread, in a fixed block of bytes, without a lock (C11
 * atomics). Full means put returns RTC_ENOBUFS and takes nothing; what then happens is the producer's decision. */
#ifndef RTC_BASE_BYTERING_H
#define RTC_BASE_BYTERING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct rtc_bytering {
  uint8_t *buf;
  uint64_t cap;                       /* bytes, a power of two */
  _Alignas(64) _Atomic uint64_t head; /* written by the consumer */
  _Alignas(64) _Atomic uint64_t tail; /* written by the producer */
} rtc_bytering_t;

/* cap: bytes, four of them a record besides its own; rounded up to a power of two. 0 or RTC_ENOMEM. */
RTC_MUST_USE int rtc_bytering_init(rtc_bytering_t *r, uint64_t cap);
void rtc_bytering_clear(rtc_bytering_t *r);
/* One record of two parts. 0 or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_bytering_put(rtc_bytering_t *r, const void *head, uint32_t head_len, const void *body, uint32_t body_len);
/* The oldest record's length, or -1 when there is none; one longer than cap is lost, and its length tells so. */
int64_t rtc_bytering_get(rtc_bytering_t *r, void *out, uint32_t cap);

#endif
