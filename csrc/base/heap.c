#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { CAP_MIN = 16, CAP_MAX = 1 << 26 };

void rtc_heap_init(rtc_heap_t *h) { memset(h, 0, sizeof *h); }

void rtc_heap_clear(rtc_heap_t *h) {
  for (uint32_t i = 0; i < h->n; i++) h->v[i]->place = 0;
  free(h->v);
  rtc_heap_init(h);
}

int rtc_heap_reserve(rtc_heap_t *h, uint32_t n) {
  if (n <= h->cap) return 0;
  if (n > CAP_MAX) return RTC_ENOMEM;
  uint32_t cap = h->cap < CAP_MIN ? CAP_MIN : h->cap; /* doubled, so that reserving one more each time stays cheap */
  while (cap < n) cap *= 2;
  rtc_heap_entry_t **v = realloc(h->v, (size_t)cap * sizeof *v);
  if (!v) return RTC_ENOMEM;
  h->v = v;
  h->cap = cap;
  return 0;
}

static void place_at(rtc_heap_t *h, uint32_t i, rtc_heap_entry_t *e) {
  h->v[i] = e;
  e->place = i + 1;
}

/* Index i is free; e goes there or further up, or further down. */
static void settle(rtc_heap_t *h, uint32_t i, rtc_heap_entry_t *e) {
  while (i > 0 && e->at < h->v[(i - 1) / 2]->at) {
    place_at(h, i, h->v[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  for (;;) {
    uint64_t kid = 2 * (uint64_t)i + 1;
    if (kid >= h->n) break;
    if (kid + 1 < h->n && h->v[kid + 1]->at < h->v[kid]->at) kid++;
    if (h->v[kid]->at >= e->at) break;
    place_at(h, i, h->v[kid]);
    i = (uint32_t)kid;
  }
  place_at(h, i, e);
}

void rtc_heap_set(rtc_heap_t *h, rtc_heap_entry_t *e, rtc_time_t at) {
  e->at = at;
  if (at == RTC_NEVER) {
    if (e->place == 0) return;
    uint32_t i = e->place - 1;
    rtc_heap_entry_t *last = h->v[--h->n];
    if (last != e) settle(h, i, last);
    e->place = 0;
  } else if (e->place == 0) {
    /* Room is reserved by the caller; this is for one who forgot. */
    if (h->n == h->cap && rtc_heap_reserve(h, h->n + 1) < 0) return;
    h->n++;
    settle(h, h->n - 1, e);
  } else {
    settle(h, e->place - 1, e);
  }
}
