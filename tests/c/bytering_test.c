#include "base/bytering.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"

/* Records tell their number and length, so that one that is torn or lost shows. */
static uint32_t length_of(uint32_t n) { return 4 + n * 7919 % 251; }

static void fill(uint8_t *b, uint32_t n) {
  memset(b, (int)(n * 31), length_of(n));
  memcpy(b, &n, 4);
}

static int put(rtc_bytering_t *r, uint32_t n) {
  uint8_t b[256];
  uint32_t cut = n % 5 < length_of(n) ? n % 5 : 0;
  fill(b, n);
  return rtc_bytering_put(r, b, cut, b + cut, length_of(n) - cut);
}

static void get(rtc_bytering_t *r, uint32_t n) {
  uint8_t want[256], b[256];
  fill(want, n);
  CHECK_EQ(rtc_bytering_get(r, b, sizeof b), length_of(n));
  CHECK_MEM(b, want, length_of(n));
}

static void first_in_first_out_until_full(void) {
  rtc_bytering_t r;
  CHECK_EQ(rtc_bytering_init(&r, 1000), 0);
  CHECK_EQ(r.cap, 1024);
  uint32_t in = 0, out = 0;
  for (int lap = 0; lap < 300; lap++) {
    while (put(&r, in) == 0) in++;
    CHECK(in - out >= 3);
    while (out < in) get(&r, out++);
    CHECK_EQ(rtc_bytering_get(&r, &(uint8_t){0}, 1), -1);
  }
  rtc_bytering_clear(&r);
}

static void to_the_last_byte(void) {
  rtc_bytering_t r;
  uint8_t b[64] = {1};
  CHECK_EQ(rtc_bytering_init(&r, 64), 0);
  CHECK_EQ(rtc_bytering_put(&r, b, 0, b, 61), RTC_ENOBUFS);
  CHECK_EQ(rtc_bytering_put(&r, b, 60, b, 0), 0);
  CHECK_EQ(rtc_bytering_put(&r, b, 0, b, 0), RTC_ENOBUFS);
  CHECK_EQ(rtc_bytering_get(&r, b, 64), 60);
  CHECK_EQ(rtc_bytering_put(&r, b, UINT32_MAX, b, UINT32_MAX), RTC_ENOBUFS);
  CHECK_EQ(rtc_bytering_put(&r, b, 0, b, 0), 0); /* an empty record is one */
  CHECK_EQ(rtc_bytering_get(&r, b, 64), 0);
  CHECK_EQ(rtc_bytering_put(&r, b, 20, b, 20), 0);
  CHECK_EQ(rtc_bytering_put(&r, b, 1, b, 0), 0);
  CHECK_EQ(rtc_bytering_get(&r, b, 39), 40); /* too long for its reader: lost, and the next is found */
  CHECK_EQ(rtc_bytering_get(&r, b, 39), 1);
  rtc_bytering_clear(&r);
}

enum { PASSED = 200000 };

static void *produce(void *arg) {
  for (uint32_t n = 0; n < PASSED;) {
    if (put(arg, n) == 0)
      n++;
    else
      sched_yield();
  }
  return NULL;
}

static void between_threads(void) {
  rtc_bytering_t r;
  CHECK_EQ(rtc_bytering_init(&r, 4096), 0);
  pthread_t t;
  CHECK_EQ(pthread_create(&t, NULL, produce, &r), 0);
  uint8_t want[256], b[256];
  int wrong = 0;
  for (uint32_t n = 0; n < PASSED;) {
    int64_t len = rtc_bytering_get(&r, b, sizeof b);
    if (len < 0) {
      sched_yield();
      continue;
    }
    fill(want, n);
    wrong += len != length_of(n) || memcmp(b, want, length_of(n)) != 0;
    n++;
  }
  CHECK_EQ(wrong, 0);
  pthread_join(t, NULL);
  rtc_bytering_clear(&r);
}

int main(void) {
  RUN(first_in_first_out_until_full);
  RUN(to_the_last_byte);
  RUN(between_threads);
  return CHECK_END();
}
