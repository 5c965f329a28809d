#include "base/bytering.h"

#include <stdlib.h>
#include <string.h>

/* head and tail count bytes for ever and each has one writer, whose release store publishes the record or the freed room. */

int rtc_bytering_init(rtc_bytering_t *r, uint64_t cap) {
  uint64_t n = 64;
  while (n < cap && n <= SIZE_MAX / 4) n *= 2;
  r->cap = 0;
  atomic_init(&r->head, 0);
  atomic_init(&r->tail, 0);
  r->buf = n < cap ? NULL : malloc((size_t)n);
  if (!r->buf) return RTC_ENOMEM;
  r->cap = n;
  return 0;
}

void rtc_bytering_clear(rtc_bytering_t *r) {
  free(r->buf);
  r->buf = NULL;
  r->cap = 0;
}

static void copy_in(rtc_bytering_t *r, uint64_t at, const void *src, uint64_t n) {
  uint64_t from = at & (r->cap - 1), first = r->cap - from < n ? r->cap - from : n;
  if (first) memcpy(r->buf + from, src, (size_t)first);
  if (n > first) memcpy(r->buf, (const uint8_t *)src + first, (size_t)(n - first));
}

static void copy_out(const rtc_bytering_t *r, uint64_t at, void *dst, uint64_t n) {
  uint64_t from = at & (r->cap - 1), first = r->cap - from < n ? r->cap - from : n;
  if (first) memcpy(dst, r->buf + from, (size_t)first);
  if (n > first) memcpy((uint8_t *)dst + first, r->buf, (size_t)(n - first));
}

int rtc_bytering_put(rtc_bytering_t *r, const void *head, uint32_t head_len, const void *body, uint32_t body_len) {
  uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
  uint64_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire);
  uint64_t n = (uint64_t)head_len + body_len;
  uint32_t len = (uint32_t)n;
  if (n > UINT32_MAX || r->cap - used < sizeof len + n) return RTC_ENOBUFS;
  copy_in(r, tail, &len, sizeof len);
  copy_in(r, tail + sizeof len, head, head_len);
  copy_in(r, tail + sizeof len + head_len, body, body_len);
  atomic_store_explicit(&r->tail, tail + sizeof len + n, memory_order_release);
  return 0;
}

int64_t rtc_bytering_get(rtc_bytering_t *r, void *out, uint32_t cap) {
  uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
  uint32_t len;
  if (head == atomic_load_explicit(&r->tail, memory_order_acquire)) return -1;
  copy_out(r, head, &len, sizeof len);
  if (len <= cap) copy_out(r, head + sizeof len, out, len);
  atomic_store_explicit(&r->head, head + sizeof len + len, memory_order_release);
  return len;
}
