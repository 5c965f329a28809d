#include "base/ring.h"

#include <pthread.h>
#include <sched.h>

#include "base/err.h"
#include "check.h"

static void the_cap_is_a_power_of_two(void) {
  static const struct { uint32_t cap, slots; } rows[] = {{0, 1}, {1, 1}, {2, 2}, {3, 4}, {5, 8}, {64, 64}, {65, 128}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_ring_t r;
    CHECK_EQ(rtc_ring_init(&r, rows[i].cap, 4), 0);
    CHECK_EQ(r.cap, rows[i].slots);
    CHECK_EQ(rtc_ring_room(&r), rows[i].slots);
    rtc_ring_clear(&r);
    CHECK_EQ(rtc_ring_room(&r), 0);
  }
  rtc_ring_t r;
  CHECK_EQ(rtc_ring_init(&r, UINT32_MAX, 4), RTC_ENOMEM);
  rtc_ring_clear(&r);
}

static void first_in_first_out_until_full(void) {
  rtc_ring_t r;
  CHECK_EQ(rtc_ring_init(&r, 8, 3), 0);
  uint8_t in = 0, out = 0, rec[3];
  for (int lap = 0; lap < 50; lap++) {
    CHECK_EQ(rtc_ring_get(&r, rec), 0);
    for (uint32_t n = 0; n < 8; n++, in++) {
      CHECK_EQ(rtc_ring_room(&r), 8 - n);
      CHECK_EQ(rtc_ring_put(&r, (uint8_t[3]){in, (uint8_t)(in ^ 0x55), 7}), 0);
    }
    CHECK_EQ(rtc_ring_put(&r, rec), RTC_ENOBUFS);
    CHECK_EQ(rtc_ring_room(&r), 0);
    for (int n = 0; n < 8; n++, out++) {
      CHECK_EQ(rtc_ring_get(&r, rec), 1);
      CHECK_MEM(rec, ((uint8_t[3]){out, (uint8_t)(out ^ 0x55), 7}), 3);
    }
    if (lap % 3 == 0) { /* so that laps start at every place */
      CHECK_EQ(rtc_ring_put(&r, rec), 0);
      CHECK_EQ(rtc_ring_get(&r, rec), 1);
    }
  }
  rtc_ring_clear(&r);
}

static void the_counters_wrap(void) {
  rtc_ring_t r;
  CHECK_EQ(rtc_ring_init(&r, 4, sizeof(uint32_t)), 0);
  atomic_store(&r.head, UINT32_MAX - 5);
  atomic_store(&r.tail, UINT32_MAX - 5);
  for (uint32_t n = 0; n < 20; n += 4) {
    uint32_t got;
    for (uint32_t i = 0; i < 4; i++) CHECK_EQ(rtc_ring_put(&r, &(uint32_t){n + i}), 0);
    CHECK_EQ(rtc_ring_put(&r, &n), RTC_ENOBUFS);
    for (uint32_t i = 0; i < 4; i++) {
      CHECK_EQ(rtc_ring_get(&r, &got), 1);
      CHECK_EQ(got, n + i);
    }
    CHECK_EQ(rtc_ring_get(&r, &got), 0);
  }
  rtc_ring_clear(&r);
}

enum { RECORDS = 300000 };
typedef struct rec {
  uint64_t n, twin[4]; /* twins of n: a torn record would show */
} rec_t;

static void *produce(void *arg) {
  rtc_ring_t *r = arg;
  for (uint64_t n = 0; n < RECORDS;) {
    rec_t rec = {n, {~n, n * 3, n ^ 0xff, n + 1}};
    if (rtc_ring_put(r, &rec) == 0)
      n++;
    else
      sched_yield();
  }
  return NULL;
}

static void two_threads_lose_and_tear_nothing(void) {
  rtc_ring_t r;
  pthread_t producer;
  CHECK_EQ(rtc_ring_init(&r, 64, sizeof(rec_t)), 0);
  CHECK_EQ(pthread_create(&producer, NULL, produce, &r), 0);
  uint64_t wrong = 0;
  for (uint64_t n = 0; n < RECORDS;) {
    rec_t k;
    if (!rtc_ring_get(&r, &k)) {
      sched_yield();
      continue;
    }
    wrong += k.n != n || k.twin[0] != ~n || k.twin[1] != n * 3 || k.twin[2] != (n ^ 0xff) || k.twin[3] != n + 1;
    n++;
  }
  CHECK_EQ(pthread_join(producer, NULL), 0);
  CHECK_EQ(wrong, 0);
  CHECK_EQ(rtc_ring_room(&r), 64);
  rtc_ring_clear(&r);
}

int main(void) {
  RUN(the_cap_is_a_power_of_two);
  RUN(first_in_first_out_until_full);
  RUN(the_counters_wrap);
  RUN(two_threads_lose_and_tear_nothing);
  return CHECK_END();
}
