#include "base/heap.h"

#include <stdbool.h>

#include "base/err.h"
#include "check.h"

static bool is_heap(const rtc_heap_t *h) {
  for (uint32_t i = 0; i < h->n; i++) {
    if (h->v[i]->place != i + 1) return false;
    if (i && h->v[(i - 1) / 2]->at > h->v[i]->at) return false;
  }
  return true;
}

static void empty_and_one(void) {
  rtc_heap_t h;
  rtc_heap_entry_t e = {0, 0};
  rtc_heap_init(&h);
  CHECK(rtc_heap_top(&h) == NULL);
  rtc_heap_set(&h, &e, RTC_NEVER); /* removing what is not in needs no room */
  CHECK_EQ(e.place, 0);
  CHECK(e.at == RTC_NEVER);
  CHECK_EQ(rtc_heap_reserve(&h, 1), 0);
  rtc_heap_set(&h, &e, -5);
  CHECK(rtc_heap_top(&h) == &e);
  rtc_heap_set(&h, &e, 5);
  CHECK_EQ(h.n, 1);
  CHECK_EQ(rtc_heap_top(&h)->at, 5);
  rtc_heap_set(&h, &e, RTC_NEVER);
  CHECK(rtc_heap_top(&h) == NULL);
  CHECK_EQ(e.place, 0);
  rtc_heap_clear(&h);
}

static void clear_forgets_the_entries(void) {
  rtc_heap_t h;
  rtc_heap_entry_t e[3] = {{0, 0}, {0, 0}, {0, 0}};
  rtc_heap_init(&h);
  CHECK_EQ(rtc_heap_reserve(&h, 3), 0);
  for (int i = 0; i < 3; i++) rtc_heap_set(&h, &e[i], i);
  rtc_heap_clear(&h);
  for (int i = 0; i < 3; i++) CHECK_EQ(e[i].place, 0);
  CHECK_EQ(h.n, 0);
  CHECK_EQ(h.cap, 0);
  CHECK(rtc_heap_top(&h) == NULL);
}

static void reserve_keeps_and_grows(void) {
  rtc_heap_t h;
  static rtc_heap_entry_t e[1000];
  memset(e, 0, sizeof e);
  rtc_heap_init(&h);
  for (uint32_t i = 0; i < 1000; i++) {
    CHECK_EQ(rtc_heap_reserve(&h, i + 1), 0);
    CHECK(h.cap > i);
    rtc_heap_set(&h, &e[i], 1000 - (rtc_time_t)i);
    CHECK(rtc_heap_top(&h) == &e[i]);
  }
  CHECK(h.cap < 2048);
  CHECK(is_heap(&h));
  CHECK_EQ(rtc_heap_reserve(&h, UINT32_MAX), RTC_ENOMEM);
  CHECK(is_heap(&h));
  rtc_heap_clear(&h);
}

/* Random adds, moves and removals against a search through all of them. */
static void agrees_with_a_plain_search(void) {
  enum { N = 257 };
  static rtc_heap_entry_t e[N];
  memset(e, 0, sizeof e);
  for (int i = 0; i < N; i++) e[i].at = RTC_NEVER;
  rtc_heap_t h;
  rtc_heap_init(&h);
  CHECK_EQ(rtc_heap_reserve(&h, N), 0);
  uint64_t x = 2463534242u;
  int wrong = 0;
  for (int round = 0; round < 40000; round++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    rtc_heap_entry_t *k = &e[x % N];
    rtc_heap_set(&h, k, x >> 60 < 4 ? RTC_NEVER : (rtc_time_t)(x >> 20 & 0xff));
    rtc_time_t least = RTC_NEVER;
    uint32_t n = 0;
    for (int i = 0; i < N; i++) {
      least = rtc_time_min(least, e[i].at);
      n += e[i].at != RTC_NEVER;
    }
    wrong += h.n != n || (n ? rtc_heap_top(&h)->at != least : rtc_heap_top(&h) != NULL);
    if (round % 64 == 0) wrong += !is_heap(&h);
  }
  CHECK_EQ(wrong, 0);
  rtc_time_t last = INT64_MIN;
  while (rtc_heap_top(&h)) { /* and out they come in order */
    CHECK(rtc_heap_top(&h)->at >= last);
    last = rtc_heap_top(&h)->at;
    rtc_heap_set(&h, rtc_heap_top(&h), RTC_NEVER);
  }
  rtc_heap_clear(&h);
}

int main(void) {
  RUN(empty_and_one);
  RUN(clear_forgets_the_entries);
  RUN(reserve_keeps_and_grows);
  RUN(agrees_with_a_plain_search);
  return CHECK_END();
}
