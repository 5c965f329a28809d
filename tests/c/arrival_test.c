#include "proto/arrival.h"

#include <stdbool.h>

#include "check.h"

static const uint16_t starts[] = {0, 1, 100, 2047, 2048, 32767, 32768, 63488, 65530, 65535};
enum { STARTS = sizeof starts / sizeof *starts };
#define MS RTC_MS

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

static rtc_arrival_t a; /* 16 KB */

static void test_nothing(void) {
  uint16_t base;
  rtc_time_t at[4];
  rtc_arrival_init(&a);
  CHECK_EQ(rtc_arrival_next_at(&a), RTC_NEVER);
  CHECK_EQ(rtc_arrival_peek(&a, &base, at, 4, RTC_SEC(1000)), 0);
  rtc_arrival_done(&a, 1, RTC_SEC(1000));
  CHECK_EQ(a.fb_count, 0);
}

static void test_one_report(void) {
  for (int s = 0; s < STARTS; s++) {
    uint16_t base = 0, first = starts[s];
    rtc_time_t at[16];
    rtc_arrival_init(&a);
    rtc_arrival_on_packet(&a, first, 100, MS(1000));
    CHECK_EQ(rtc_arrival_next_at(&a), MS(1140)); /* starts at 100 ms; 40 more when nothing comes */
    rtc_arrival_on_packet(&a, (uint16_t)(first + 3), 100, MS(1010));
    rtc_arrival_on_packet(&a, (uint16_t)(first + 1), 100, MS(1020)); /* reordered */
    rtc_arrival_on_packet(&a, (uint16_t)(first + 1), 100, MS(1030)); /* twice: the first time counts */
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, 16, MS(1100) - 1), 0);
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, 16, MS(1100)), 4);
    CHECK_EQ(base, first);
    CHECK(at[0] == MS(1000) && at[1] == MS(1020) && at[2] == RTC_NEVER && at[3] == MS(1010));
    rtc_arrival_done(&a, 4, MS(1100));
    CHECK_EQ(a.fb_count, 1);
    CHECK_EQ(rtc_arrival_next_at(&a), RTC_NEVER);
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, 16, MS(9000)), 0);
    rtc_arrival_on_packet(&a, (uint16_t)(first + 3), 100, MS(1105)); /* reported already */
    CHECK_EQ(rtc_arrival_next_at(&a), RTC_NEVER);
  }
}

/* Losses before a report's first packet belong to it. */
static void test_loss_between_reports(void) {
  uint16_t base;
  rtc_time_t at[16];
  rtc_arrival_init(&a);
  rtc_arrival_on_packet(&a, 65533, 100, 0);
  rtc_arrival_done(&a, rtc_arrival_peek(&a, &base, at, 16, MS(100)), MS(100));
  rtc_arrival_on_packet(&a, 1, 100, MS(110));
  CHECK_EQ(rtc_arrival_peek(&a, &base, at, 16, rtc_arrival_next_at(&a)), 4);
  CHECK_EQ(base, 65534);
  CHECK(at[0] == RTC_NEVER && at[1] == RTC_NEVER && at[2] == RTC_NEVER && at[3] == MS(110));
}

static void test_late_packet_starts_there(void) {
  for (int s = 0; s < STARTS; s++) {
    uint16_t base = 0, first = starts[s];
    rtc_time_t at[32];
    rtc_arrival_init(&a);
    for (int i = 0; i < 10; i++) {
      if (i != 4) rtc_arrival_on_packet(&a, (uint16_t)(first + i), 100, MS(i));
    }
    rtc_arrival_done(&a, rtc_arrival_peek(&a, &base, at, 32, MS(100)), MS(100));
    rtc_arrival_on_packet(&a, (uint16_t)(first + 10), 100, MS(101));
    rtc_arrival_on_packet(&a, (uint16_t)(first + 4), 100, MS(102));
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, 32, rtc_arrival_next_at(&a)), 7);
    CHECK_EQ(base, (uint16_t)(first + 4));
    CHECK_EQ(at[0], MS(102));
    for (int i = 5; i < 10; i++) CHECK_EQ(at[i - 4], MS(i)); /* told again with the same times */
    CHECK_EQ(at[6], MS(101));
    rtc_arrival_done(&a, 7, MS(200));
    rtc_arrival_on_packet(&a, (uint16_t)(first - 1), 100, MS(201)); /* before the very first */
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, 32, rtc_arrival_next_at(&a)), 12);
    CHECK_EQ(base, (uint16_t)(first - 1));
    CHECK_EQ(at[0], MS(201));
  }
}

static void test_too_late(void) {
  uint16_t base;
  static rtc_time_t at[RTC_ARRIVAL_MAX];
  for (int behind = RTC_ARRIVAL_MAX - 2; behind <= RTC_ARRIVAL_MAX + 1; behind++) {
    rtc_arrival_init(&a);
    rtc_arrival_on_packet(&a, 5000, 100, 0);
    rtc_arrival_done(&a, rtc_arrival_peek(&a, &base, at, RTC_ARRIVAL_MAX, MS(100)), MS(100));
    rtc_arrival_on_packet(&a, (uint16_t)(5000 - behind), 100, MS(101));
    int want = behind < RTC_ARRIVAL_MAX ? behind + 1 : 0;
    CHECK_EQ(rtc_arrival_peek(&a, &base, at, RTC_ARRIVAL_MAX, MS(9000)), want);
  }
}

static void test_in_parts(void) {
  uint16_t base, next = 65000;
  rtc_time_t at[7];
  rtc_arrival_init(&a);
  for (int i = 0; i < 1000; i++) rtc_arrival_on_packet(&a, (uint16_t)(next + i), 100, i);
  int n, sum = 0;
  uint8_t messages = 0;
  while ((n = rtc_arrival_peek(&a, &base, at, 7, MS(100))) > 0) {
    CHECK_EQ(base, next);
    CHECK_EQ(at[0], sum);
    int written = n > 3 ? 3 + sum % 4 : n; /* the writer may take fewer than offered */
    next = (uint16_t)(next + written);
    sum += written;
    rtc_arrival_done(&a, written, MS(100));
    messages++;
    CHECK_EQ(a.fb_count, messages);
  }
  CHECK_EQ(sum, 1000);
  CHECK_EQ(rtc_arrival_next_at(&a), RTC_NEVER);
}

/* At half of the ring the report is due at once; a jump over the whole ring leaves a report of that many. */
static void test_full(void) {
  uint16_t base;
  static rtc_time_t at[4096];
  rtc_arrival_init(&a);
  for (int i = 0; i < RTC_ARRIVAL_MAX / 2; i++) rtc_arrival_on_packet(&a, (uint16_t)(65000 + i), 1200, MS(1));
  CHECK_EQ(rtc_arrival_next_at(&a), MS(141));
  rtc_arrival_on_packet(&a, (uint16_t)(65000 + RTC_ARRIVAL_MAX / 2), 1200, MS(2));
  CHECK_EQ(rtc_arrival_next_at(&a), MS(2));
  rtc_arrival_on_packet(&a, (uint16_t)(65000 + 20000), 1200, MS(3));
  CHECK_EQ(rtc_arrival_peek(&a, &base, at, 4096, MS(3)), RTC_ARRIVAL_MAX);
  CHECK_EQ(base, (uint16_t)(65000 + 20000 - RTC_ARRIVAL_MAX + 1));
  CHECK_EQ(at[RTC_ARRIVAL_MAX - 1], MS(3));
  for (int i = 0; i < RTC_ARRIVAL_MAX - 1; i++) CHECK_EQ(at[i], RTC_NEVER);
}

/* A steady stream: how long from report to report. 88 bytes a report are 5 % of what comes in one interval. */
static void test_interval(void) {
  static const struct {
    int64_t bps;
    rtc_time_t us;
  } t[] = {{20000, 250000}, {50000, 250000}, {56320, 250000},  {100000, 140800},
           {200000, 70400}, {281600, 50000}, {2000000, 50000}, {100000000, 50000}};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    uint16_t base, seq = 60000;
    static rtc_time_t at[2048];
    rtc_time_t now = 0, last = 0;
    int64_t bytes = 50 + t[i].bps / 100000, reports = 0;
    rtc_time_t step = bytes * 8000000 / t[i].bps;
    rtc_arrival_init(&a);
    for (int k = 0; k < 30000 && now < RTC_SEC(20); k++) {
      now += step;
      while (rtc_arrival_next_at(&a) <= now) {
        rtc_time_t due = rtc_arrival_next_at(&a);
        rtc_arrival_done(&a, rtc_arrival_peek(&a, &base, at, 2048, due), due);
        if (reports++ > 2) {
          rtc_time_t gap = due - last;
          CHECK(gap >= RTC_ARRIVAL_MIN_US && gap <= RTC_ARRIVAL_MAX_US);
          CHECK(gap >= t[i].us - t[i].us / 8 - 500 && gap <= t[i].us + t[i].us / 8 + 500);
        }
        last = due;
      }
      rtc_arrival_on_packet(&a, seq++, (uint32_t)bytes, now);
    }
    CHECK(reports > 5);
  }
}

/* After silence a lone packet is reported 100 ms later, not by a rate that is long past. */
static void test_silence(void) {
  uint16_t base;
  rtc_time_t at[4];
  rtc_arrival_init(&a);
  rtc_arrival_on_packet(&a, 1, 10, 0);
  rtc_arrival_done(&a, rtc_arrival_peek(&a, &base, at, 4, MS(100)), MS(100));
  rtc_arrival_on_packet(&a, 2, 10, RTC_SEC(60));
  CHECK_EQ(rtc_arrival_next_at(&a), RTC_SEC(60) + MS(140));
}

/* Pictures of two packets: a report leaves when one comes anyway, with that one in it, and waits 40 ms for it at most. */
static void test_waits_for_packets(void) {
  static const struct {
    rtc_time_t between;
    int pictures; /* a report */
  } t[] = {{MS(10), 5}, {33333, 2}, {MS(40), 2}, {MS(66), 1}, {MS(90), 1}};
  uint16_t base, seq = 65500;
  rtc_time_t at[16];
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    rtc_arrival_init(&a);
    a.interval = MS(50); /* of a rate that has the shortest */
    a.last_report = 0;
    rtc_time_t now = t[i].between;
    for (int report = 0; report < 100; report++) {
      for (int k = 1; k <= t[i].pictures; k++, now += t[i].between) {
        for (int p = 0; p < 2; p++) rtc_arrival_on_packet(&a, seq++, 5000, now);
        CHECK_EQ(rtc_arrival_next_at(&a) <= now, k == t[i].pictures);
        if (rtc_arrival_next_at(&a) > now) CHECK(rtc_arrival_next_at(&a) >= now + t[i].between); /* nobody is woken in between */
      }
      rtc_time_t sent = now - t[i].between;
      int n = rtc_arrival_peek(&a, &base, at, 16, sent);
      CHECK_EQ(n, 2 * t[i].pictures);
      CHECK_EQ(at[n - 1], sent);
      rtc_arrival_done(&a, n, sent);
    }
  }
  rtc_arrival_on_packet(&a, seq, 5000, a.last_report + MS(91)); /* too long after: silence */
  CHECK_EQ(rtc_arrival_next_at(&a), a.last_report + MS(140));
}

/* Random loss, reordering, repeats and message sizes: each received number is told at least once and with its own time; what is
 * told as lost had not come by then. */
static void test_all_are_reported(void) {
  enum { COUNT = 20000 };
  static rtc_time_t came[COUNT], out[2048];
  static uint8_t told[COUNT];
  for (int s = 0; s < STARTS; s++) {
    rtc_time_t now = 0;
    int64_t wrong = 0, missing = 0;
    memset(told, 0, sizeof told);
    for (int i = 0; i < COUNT; i++) came[i] = RTC_NEVER;
    rtc_arrival_init(&a);
    int64_t told_end = 0;
    for (int i = 0; i < COUNT + 200; i++) {
      now += below(3000);
      int k = i < COUNT && below(10) ? i : i - (int)below(200); /* one in ten comes late, or twice, or never */
      if (k >= 0 && k < COUNT && (i < COUNT || came[k] == RTC_NEVER)) {
        rtc_arrival_on_packet(&a, (uint16_t)(starts[s] + k), 100 + below(1000), now);
        if (came[k] == RTC_NEVER) came[k] = now;
      }
      int n;
      uint16_t base;
      bool flush = i == COUNT + 199;
      if (flush) now += RTC_SEC(1);
      while ((n = rtc_arrival_peek(&a, &base, out, 1 + (int)below(100), now)) > 0) {
        int64_t from = told_end + (int16_t)(uint16_t)(base - (uint16_t)(starts[s] + told_end));
        for (int j = 0; j < n; j++) {
          if (from + j < 0 || from + j >= COUNT || out[j] != came[from + j])
            wrong++;
          else
            told[from + j] = 1;
        }
        told_end = from + n;
        rtc_arrival_done(&a, n, now);
      }
    }
    for (int i = 0; i < COUNT; i++) missing += came[i] != RTC_NEVER && !told[i];
    CHECK_EQ(wrong, 0);
    CHECK_EQ(missing, 0);
  }
}

int main(void) {
  RUN(test_nothing);
  RUN(test_one_report);
  RUN(test_loss_between_reports);
  RUN(test_late_packet_starts_there);
  RUN(test_too_late);
  RUN(test_in_parts);
  RUN(test_full);
  RUN(test_interval);
  RUN(test_silence);
  RUN(test_waits_for_packets);
  RUN(test_all_are_reported);
  return CHECK_END();
}
