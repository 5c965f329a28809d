#include "base/pkt.h"

#include <stdlib.h>

/* A slot that lies in the pool is poisoned under AddressSanitizer: a use after put would else go unseen. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Slots start on a cache line, and so do buf and the data mark: the fields fill exactly two lines. */
enum { LINE = 64 };
_Static_assert(offsetof(rtc_pkt_t, buf) % LINE == 0, "buf starts a cache line");
_Static_assert(sizeof(rtc_pkt_t) % LINE == 0, "slots stay aligned in a chunk");
_Static_assert(RTC_PKT_HEAD % LINE == 0, "data starts a cache line");
_Static_assert(offsetof(rtc_pkt_t, next) == 0, "the free list's link is the only part not poisoned");

typedef struct chunk {
  struct chunk *next;
  _Alignas(LINE) rtc_pkt_t slots[RTC_PKT_CHUNK];
} chunk_t;

struct rtc_pool {
  rtc_pkt_t *free; /* last in, first out: the warmest slot leaves first */
  chunk_t *chunks; /* newest first */
  uint32_t fresh;  /* slots of the newest chunk that were never handed out: growing touches no memory */
  uint32_t used, chunk_n, chunk_max;
};

rtc_pool_t *rtc_pool_new(uint32_t cap) {
  rtc_pool_t *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->chunk_max = cap / RTC_PKT_CHUNK + (cap % RTC_PKT_CHUNK != 0);
  return p;
}

void rtc_pool_free(rtc_pool_t *p) {
  if (!p) return;
  for (chunk_t *c = p->chunks; c;) {
    chunk_t *next = c->next;
    UNPOISON(c->slots, sizeof c->slots);
    free(c);
    c = next;
  }
  free(p);
}

uint32_t rtc_pool_used(const rtc_pool_t *p) { return p->used; }

static bool pool_grow(rtc_pool_t *p) {
  if (p->chunk_n == p->chunk_max) return false;
  chunk_t *c = aligned_alloc(LINE, sizeof *c);
  if (!c) return false;
  POISON(c->slots, sizeof c->slots);
  c->next = p->chunks;
  p->chunks = c;
  p->chunk_n++;
  p->fresh = RTC_PKT_CHUNK;
  return true;
}

rtc_pkt_t *rtc_pkt_get(rtc_pool_t *p) {
  rtc_pkt_t *k = p->free;
  if (k) {
    p->free = k->next;
  } else {
    if (p->fresh == 0 && !pool_grow(p)) return NULL;
    k = &p->chunks->slots[RTC_PKT_CHUNK - p->fresh--];
  }
  UNPOISON(k, sizeof *k);
  /* No time, path or note of an earlier owner survives; the bytes themselves are whatever they were. */
  memset(k, 0, offsetof(rtc_pkt_t, buf));
  k->pool = p;
  k->refs = 1;
  k->data = k->buf + RTC_PKT_HEAD;
  p->used++;
  return k;
}

void rtc_pkt_put(rtc_pkt_t *k) {
  if (!k || --k->refs) return;
  rtc_pool_t *p = k->pool;
  k->next = p->free;
  p->free = k;
  p->used--;
  POISON((uint8_t *)k + sizeof k->next, sizeof *k - sizeof k->next);
}
