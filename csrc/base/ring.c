#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* head and tail count records for ever (mod 2^32) and each has one writer. Its release store publishes the record
 * (or the freed slot); the other side's acquire load sees it. */

int rtc_ring_init(rtc_ring_t *r, uint32_t cap, uint32_t width) {
  uint32_t n = 1;
  r->buf = NULL;
  r->cap = 0;
  r->width = width;
  atomic_init(&r->head, 0);
  atomic_init(&r->tail, 0);
  while (n < cap) {
    if (n > UINT32_MAX / 2) return RTC_ENOMEM;
    n *= 2;
  }
  if (width && n > SIZE_MAX / width) return RTC_ENOMEM;
  r->buf = malloc(width ? (size_t)n * width : 1);
  if (!r->buf) return RTC_ENOMEM;
  r->cap = n;
  return 0;
}

void rtc_ring_clear(rtc_ring_t *r) {
  free(r->buf);
  r->buf = NULL;
  r->cap = 0;
  atomic_store_explicit(&r->head, 0, memory_order_relaxed);
  atomic_store_explicit(&r->tail, 0, memory_order_relaxed);
}

static uint8_t *rec_at(const rtc_ring_t *r, uint32_t n) { return r->buf + (size_t)(n & (r->cap - 1)) * r->width; }

int rtc_ring_put(rtc_ring_t *r, const void *rec) {
  uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
  uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
  if (tail - head >= r->cap) return RTC_ENOBUFS;
  memcpy(rec_at(r, tail), rec, r->width);
  atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
  return 0;
}

int rtc_ring_get(rtc_ring_t *r, void *rec) {
  uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
  uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
  if (head == tail) return 0;
  memcpy(rec, rec_at(r, head), r->width);
  atomic_store_explicit(&r->head, head + 1, memory_order_release);
  return 1;
}

uint32_t rtc_ring_room(const rtc_ring_t *r) {
  uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
  uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
  return r->cap - (tail - head);
}
