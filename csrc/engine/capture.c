#include "engine/capture.h"

#include <stdlib.h>
#include <string.h>

struct rtc_capture {
  rtc_bytering_t ring;
  _Atomic uint32_t refs;
  _Atomic uint64_t dropped;
  bool wire;
  uint16_t port;
};

rtc_capture_t *rtc_capture_new(uint64_t bytes, bool wire, uint16_t port) {
  rtc_capture_t *c = aligned_alloc(_Alignof(rtc_capture_t), sizeof *c); /* malloc does not promise the ring's alignment */
  if (!c) return NULL;
  memset(c, 0, sizeof *c);
  atomic_init(&c->refs, 1);
  c->wire = wire;
  c->port = port;
  if (rtc_bytering_init(&c->ring, bytes) == 0) return c;
  free(c);
  return NULL;
}

rtc_capture_t *rtc_capture_ref(rtc_capture_t *c) {
  if (c) atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
  return c;
}

void rtc_capture_free(rtc_capture_t *c) {
  if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) return;
  rtc_bytering_clear(&c->ring);
  free(c);
}

void rtc_capture_put(rtc_capture_t *c, const rtc_capture_head_t *h, const uint8_t *p, size_t n) {
  bool media = h->kind == RTC_KIND_RTP || h->kind == RTC_KIND_RTCP;
  if (!media && !c->wire) return;
  if (n > RTC_CAPTURE_DATAGRAM || rtc_bytering_put(&c->ring, h, sizeof *h, p, (uint32_t)n) < 0)
    atomic_fetch_add_explicit(&c->dropped, 1, memory_order_relaxed);
}

int rtc_capture_get(rtc_capture_t *c, rtc_capture_head_t *h, uint8_t *out) {
  uint8_t b[sizeof *h + RTC_CAPTURE_DATAGRAM];
  int64_t n = rtc_bytering_get(&c->ring, b, sizeof b);
  if (n < (int64_t)sizeof *h) return -1;
  size_t len = (size_t)n - sizeof *h;
  memcpy(h, b, sizeof *h);
  if (!h->path.local.port) h->path.local.port = c->port;
  memcpy(out, b + sizeof *h, len);
  return (int)len;
}

uint64_t rtc_capture_dropped(const rtc_capture_t *c) { return atomic_load_explicit(&c->dropped, memory_order_relaxed); }
