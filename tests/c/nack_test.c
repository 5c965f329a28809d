#include "proto/nack.h"

#include "check.h"

static const int64_t starts[] = {0, 1, 65533, 65535, 65536, INT32_MAX - 2, INT32_MAX, (int64_t)UINT32_MAX, (int64_t)1 << 40};
enum { STARTS = sizeof starts / sizeof *starts, REORDER = RTC_NACK_REORDER_US, WAIT = RTC_NACK_MIN_WAIT_US };

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

static rtc_nack_t k;
static int64_t out[RTC_NACK_MAX + 8];

static void test_nothing_missing(void) {
  for (int s = 0; s < STARTS; s++) {
    rtc_nack_init(&k);
    CHECK_EQ(rtc_nack_next_at(&k), RTC_NEVER);
    for (int i = 0; i < 1000; i++) rtc_nack_on_packet(&k, starts[s] + i, i);
    CHECK_EQ(rtc_nack_next_at(&k), RTC_NEVER);
    CHECK_EQ(rtc_nack_pop(&k, out, 8, 0, RTC_SEC(9)), 0);
    rtc_nack_on_packet(&k, starts[s] - 5, 1000); /* before the first: nothing was asked for */
    rtc_nack_on_packet(&k, starts[s] + 7, 1000);
    CHECK(k.n == 0 && k.asked == 0 && k.recovered == 0 && k.given_up == 0 && !k.want_key);
  }
}

static void test_grace_for_reordering(void) {
  for (int s = 0; s < STARTS; s++) {
    rtc_nack_init(&k);
    rtc_nack_on_packet(&k, starts[s], 0);
    rtc_nack_on_packet(&k, starts[s] + 4, 1000);
    CHECK_EQ(k.n, 3);
    CHECK_EQ(rtc_nack_next_at(&k), 1000 + REORDER);
    rtc_nack_on_packet(&k, starts[s] + 2, 2000); /* only late */
    CHECK_EQ(rtc_nack_pop(&k, out, 8, 0, 1000 + REORDER - 1), 0);
    CHECK_EQ(rtc_nack_pop(&k, out, 8, 0, 1000 + REORDER), 2);
    CHECK(out[0] == starts[s] + 1 && out[1] == starts[s] + 3);
    CHECK(k.asked == 2 && k.recovered == 0);
    rtc_nack_on_packet(&k, starts[s] + 3, 9000);
    rtc_nack_on_packet(&k, starts[s] + 3, 9001); /* twice */
    CHECK(k.recovered == 1 && k.n == 1);
  }
}

/* Ten questions, each at least a round trip after the one before and each wait a little longer; then it is given up. */
static void test_tries(void) {
  static const rtc_time_t rtts[] = {0, -5, 1, WAIT - 1, WAIT, 100000, RTC_SEC(1), RTC_SEC(10)};
  for (size_t r = 0; r < sizeof rtts / sizeof *rtts; r++) {
    rtc_time_t least = rtts[r] < WAIT ? WAIT : rtts[r], last = 0, last_gap = 0;
    rtc_nack_init(&k);
    rtc_nack_on_packet(&k, 10, 0);
    rtc_nack_on_packet(&k, 12, 0);
    for (int i = 0; i < RTC_NACK_TRIES; i++) {
      rtc_time_t at = rtc_nack_next_at(&k), gap = at - last;
      CHECK_EQ(rtc_nack_pop(&k, out, 8, rtts[r], at - 1), 0);
      CHECK_EQ(rtc_nack_pop(&k, out, 8, rtts[r], at), 1);
      CHECK_EQ(out[0], 11);
      if (i == 0) CHECK_EQ(at, REORDER);
      if (i > 0) CHECK(gap >= least && gap <= least * 9 / 4);
      if (i > 1) CHECK(gap > last_gap && gap <= last_gap + least / 8);
      last = at;
      last_gap = gap;
    }
    CHECK(!k.want_key && k.given_up == 0);
    rtc_time_t at = rtc_nack_next_at(&k);
    CHECK(at >= last + least);
    CHECK_EQ(rtc_nack_pop(&k, out, 8, rtts[r], at - 1), 0);
    CHECK(!k.want_key); /* the last answer may still come */
    CHECK_EQ(rtc_nack_pop(&k, out, 8, rtts[r], at), 0);
    CHECK(k.want_key && k.given_up == 1 && k.n == 0 && k.asked == RTC_NACK_TRIES);
    CHECK_EQ(rtc_nack_next_at(&k), RTC_NEVER);
  }
  rtc_nack_init(&k); /* a round trip that is no measurement does not overflow */
  rtc_nack_on_packet(&k, 10, 0);
  rtc_nack_on_packet(&k, 12, 0);
  CHECK_EQ(rtc_nack_pop(&k, out, 8, RTC_NEVER, REORDER), 1);
  CHECK(rtc_nack_next_at(&k) > RTC_SEC(9) && rtc_nack_next_at(&k) < RTC_SEC(60));
}

static void test_pop_in_parts(void) {
  rtc_nack_init(&k);
  rtc_nack_on_packet(&k, 100, 0);
  rtc_nack_on_packet(&k, 151, 0);
  int64_t next = 101;
  for (int n; (n = rtc_nack_pop(&k, out, 7, 0, REORDER)) > 0;) {
    for (int i = 0; i < n; i++) CHECK_EQ(out[i], next++);
  }
  CHECK_EQ(next, 151);
  CHECK_EQ(rtc_nack_next_at(&k), REORDER + WAIT);
  CHECK_EQ(rtc_nack_pop(&k, out, 0, 0, RTC_SEC(1)), 0);
}

static void test_caps(void) {
  static const int64_t gaps[] = {RTC_NACK_MAX, RTC_NACK_MAX + 1, 1000, RTC_NACK_AGE + 5, 30000, (int64_t)1 << 45};
  for (int s = 0; s < STARTS; s++) {
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
      rtc_nack_init(&k);
      rtc_nack_on_packet(&k, starts[s], 0);
      rtc_nack_on_packet(&k, starts[s] + gaps[g] + 1, 0);
      CHECK_EQ(k.n, RTC_NACK_MAX); /* the newest are followed */
      CHECK_EQ(k.given_up, gaps[g] - RTC_NACK_MAX);
      CHECK_EQ(k.want_key, gaps[g] > RTC_NACK_MAX);
      CHECK_EQ(k.item[0].seq, starts[s] + gaps[g] + 1 - RTC_NACK_MAX);
      CHECK_EQ(k.item[RTC_NACK_MAX - 1].seq, starts[s] + gaps[g]);
    }
    rtc_nack_init(&k); /* many small gaps: one in two is lost */
    for (int i = 0; i <= 2 * (RTC_NACK_MAX + 10); i += 2) rtc_nack_on_packet(&k, starts[s] + i, 0);
    CHECK(k.n == RTC_NACK_MAX && k.given_up == 10 && k.want_key);
    CHECK_EQ(k.item[0].seq, starts[s] + 21);
  }
}

static void test_age(void) {
  rtc_nack_init(&k);
  rtc_nack_on_packet(&k, 100, 0);
  rtc_nack_on_packet(&k, 102, 0);
  for (int64_t seq = 103; seq <= 101 + RTC_NACK_AGE; seq++) rtc_nack_on_packet(&k, seq, 0);
  CHECK(k.n == 1 && !k.want_key);
  rtc_nack_on_packet(&k, 102 + RTC_NACK_AGE, 0);
  CHECK(k.n == 0 && k.want_key && k.given_up == 1);
}

static void test_key_frame(void) {
  for (int s = 0; s < STARTS; s++) {
    int64_t b = starts[s];
    rtc_nack_init(&k);
    rtc_nack_on_packet(&k, b, 0);
    rtc_nack_on_packet(&k, b + 3, 0);
    rtc_nack_on_packet(&k, b + 6, 0);
    k.want_key = true;
    rtc_nack_on_key(&k, b + 3); /* not the newest: what was given up may lie behind it */
    CHECK(k.n == 2 && k.item[0].seq == b + 4 && k.want_key && k.given_up == 0);
    rtc_nack_on_key(&k, b + 6);
    CHECK(k.n == 0 && !k.want_key);
    k.want_key = true;
    rtc_nack_on_key(&k, b + 20); /* told before its packet: the gap in front of it is not asked for */
    rtc_nack_on_packet(&k, b + 20, 0);
    CHECK(k.n == 0 && !k.want_key && k.highest == b + 20);
    rtc_nack_on_packet(&k, b + 22, 0);
    CHECK(k.n == 1 && k.item[0].seq == b + 21);
  }
  rtc_nack_init(&k);
  rtc_nack_on_key(&k, 50);
  rtc_nack_on_packet(&k, 50, 0);
  CHECK(k.n == 0 && k.highest == 50);
}

enum { COUNT = 20000, RTT = 40000 };
static rtc_time_t asked_at[COUNT], came_at[COUNT], known_at[COUNT];
static uint8_t asked[COUNT], came[COUNT];
static int64_t origin, highest;

static void arrive(int64_t i, rtc_time_t now) {
  came[i] = 1;
  for (int64_t j = highest + 1; j < i; j++) known_at[j] = now;
  if (i > highest) highest = i;
  rtc_nack_on_packet(&k, origin + i, now);
}

/* A lossy link in both directions. What the header promises holds for every number, and the list is always in order. */
static void test_guarantee(void) {
  for (int s = 0; s < STARTS; s++) {
    int64_t wrong = 0, lost = 0;
    rtc_time_t now = 0;
    memset(asked, 0, sizeof asked);
    memset(came, 0, sizeof came);
    for (int i = 0; i < COUNT; i++) came_at[i] = RTC_NEVER;
    origin = starts[s];
    highest = 0;
    rtc_nack_init(&k);
    for (int i = 0; i < COUNT; i++) {
      now += 1000;
      int64_t oldest = i > 1000 ? i - 1000 : 0;
      for (int64_t j = oldest; j < i; j++) { /* repaired packets and late ones */
        if (came_at[j] <= now && !came[j]) arrive(j, now);
      }
      uint32_t fate = i == 0 ? 99 : below(100);
      if (fate < 5) lost++;
      if (fate >= 5 && fate < 10) came_at[i] = now + below(10000);
      if (fate >= 10) arrive(i, now);
      int n = rtc_nack_pop(&k, out, RTC_NACK_MAX, RTT, now);
      for (int j = 0; j < n; j++) {
        int64_t x = out[j] - starts[s];
        if (x < 0 || x >= highest || came[x] || (j && out[j] <= out[j - 1])) {
          wrong++;
          continue;
        }
        if (asked[x] ? now - asked_at[x] < RTT : now - known_at[x] < REORDER) wrong++;
        if (++asked[x] > RTC_NACK_TRIES || highest - x > RTC_NACK_AGE) wrong++;
        asked_at[x] = now;
        if (below(4) && came_at[x] == RTC_NEVER) came_at[x] = now + RTT;
      }
      for (int j = 1; j < k.n; j++) wrong += k.item[j].seq <= k.item[j - 1].seq;
    }
    CHECK_EQ(wrong, 0);
    CHECK(lost > 800 && k.recovered > 800 && k.n <= 40);
  }
}

int main(void) {
  RUN(test_nothing_missing);
  RUN(test_grace_for_reordering);
  RUN(test_tries);
  RUN(test_pop_in_parts);
  RUN(test_caps);
  RUN(test_age);
  RUN(test_key_frame);
  RUN(test_guarantee);
  return CHECK_END();
}
