#define _POSIX_C_SOURCE 200809L
#include "io/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id) {
  struct timespec t;
  if (clock_gettime(id, &t) != 0) return 0;
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

rtc_time_t rtc_clock_now(void) { return read_us(CLOCK_MONOTONIC); }

int64_t rtc_clock_unix_offset(void) {
  /* The reading between the closest pair of monotonic ones: being scheduled away in between must not tilt it. */
  int64_t best = INT64_MAX, offset = 0;
  for (int i = 0; i < 3; i++) {
    int64_t before = read_us(CLOCK_MONOTONIC), unix_us = read_us(CLOCK_REALTIME), after = read_us(CLOCK_MONOTONIC);
    if (after - before < best) {
      best = after - before;
      offset = unix_us - (before + (after - before) / 2);
    }
  }
  return offset;
}

int64_t rtc_clock_thread_cpu_us(void) { return read_us(CLOCK_THREAD_CPUTIME_ID); }
