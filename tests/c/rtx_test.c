#include "proto/rtx.h"

#include "base/err.h"
#include "check.h"

static const int64_t starts[] = {0, 1, 65535, 65536, INT32_MAX, (int64_t)UINT32_MAX, (int64_t)1 << 40};
enum { STARTS = sizeof starts / sizeof *starts, GAP = RTC_RTX_MIN_GAP_US };

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

static void test_history_init(void) {
  rtc_history_t h;
  static const uint32_t bad[] = {0, 3, 6, 100, 0xffffffff};
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(rtc_history_init(&h, bad[i]), RTC_EINVAL);
    CHECK(rtc_history_get(&h, 0) == NULL); /* a refused one is empty and may be cleared */
    rtc_history_clear(&h);
  }
  CHECK_EQ(rtc_history_init(&h, 1), 0);
  CHECK(rtc_history_get(&h, 0) == NULL && rtc_history_get(&h, -1) == NULL);
  rtc_history_clear(&h);
  rtc_history_clear(&h);
}

static void test_history_ring(void) {
  for (int s = 0; s < STARTS; s++) {
    rtc_pool_t *pool = rtc_pool_new(256);
    rtc_history_t h;
    CHECK_EQ(rtc_history_init(&h, 16), 0);
    for (int i = 0; i < 100; i++) {
      rtc_pkt_t *k = rtc_pkt_get(pool);
      k->tag[0] = (uint64_t)i;
      rtc_history_put(&h, starts[s] + i, k);
      CHECK_EQ(k->refs, 2);
      rtc_pkt_put(k); /* the history keeps its own reference */
      CHECK_EQ(rtc_pool_used(pool), i < 16 ? i + 1 : 16);
      for (int j = 0; j <= i + 1; j++) {
        rtc_pkt_t *got = rtc_history_get(&h, starts[s] + j);
        CHECK((got != NULL) == (j <= i && j > i - 16));
        if (got) CHECK_EQ(got->tag[0], j);
      }
    }
    rtc_history_clear(&h);
    CHECK_EQ(rtc_pool_used(pool), 0);
    rtc_pool_free(pool);
  }
}

static void test_history_order(void) {
  rtc_pool_t *pool = rtc_pool_new(256);
  rtc_history_t h;
  CHECK_EQ(rtc_history_init(&h, 8), 0);
  rtc_pkt_t *a = rtc_pkt_get(pool), *b = rtc_pkt_get(pool), *c = rtc_pkt_get(pool);
  rtc_history_put(&h, 20, a);
  rtc_history_put(&h, 12, b); /* late by a whole ring: the newer one stays */
  CHECK(rtc_history_get(&h, 20) == a && rtc_history_get(&h, 12) == NULL);
  CHECK_EQ(b->refs, 1);
  rtc_history_put(&h, 19, b); /* a little late is in time */
  CHECK(rtc_history_get(&h, 19) == b);
  rtc_history_put(&h, 20, c); /* again: replaced */
  CHECK(rtc_history_get(&h, 20) == c && a->refs == 1);
  rtc_history_put(&h, 20, c); /* the same slot again does not lose it */
  CHECK(rtc_history_get(&h, 20) == c && c->refs == 2);
  rtc_history_put(&h, -3, a); /* numbers may start below zero */
  CHECK(rtc_history_get(&h, -3) == a);
  rtc_pkt_put(a);
  rtc_pkt_put(b);
  rtc_pkt_put(c);
  CHECK_EQ(rtc_pool_used(pool), 3);
  rtc_history_clear(&h);
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
}

static void test_map(void) {
  for (int s = 0; s < STARTS; s++) {
    rtc_rtx_t r;
    rtc_rtx_init(&r);
    CHECK_EQ(rtc_rtx_ask(&r, starts[s], 10, GAP, 0), RTC_EINVAL);
    for (int i = 0; i < 2 * RTC_RTX_MAP; i++) CHECK_EQ(rtc_rtx_put(&r, starts[s] + i, 7000 + 3 * i, 1000), 0);
    CHECK_EQ(r.sent_bytes, 2000 * RTC_RTX_MAP);
    for (int i = 0; i < 2 * RTC_RTX_MAP + 2; i++) {
      int64_t want = i >= RTC_RTX_MAP && i < 2 * RTC_RTX_MAP ? 7000 + 3 * i : RTC_EINVAL;
      CHECK_EQ(rtc_rtx_ask(&r, starts[s] + i, 10, GAP, 0), want);
    }
    CHECK_EQ(rtc_rtx_put(&r, starts[s], 5, 1000), 0); /* older than what its place holds */
    CHECK_EQ(rtc_rtx_ask(&r, starts[s], 10, GAP, 0), RTC_EINVAL);
    CHECK_EQ(r.repaired, RTC_RTX_MAP);
    CHECK_EQ(r.repaired_bytes, 10 * RTC_RTX_MAP);
    CHECK_EQ(r.refused, 0);
    rtc_rtx_clear(&r);
    rtc_rtx_clear(&r);
  }
}

static void test_empty_places(void) {
  rtc_rtx_t r;
  rtc_rtx_init(&r);
  CHECK_EQ(rtc_rtx_put(&r, 5, 5, 1000), 0);
  CHECK_EQ(rtc_rtx_ask(&r, -1, 10, GAP, 0), RTC_EINVAL); /* the mark of an empty place is no number */
  CHECK_EQ(rtc_rtx_ask(&r, INT64_MIN, 10, GAP, 0), RTC_EINVAL);
  CHECK_EQ(rtc_rtx_put(&r, -1, 5, 1000), RTC_EINVAL);
  CHECK_EQ(rtc_rtx_ask(&r, 5 + RTC_RTX_MAP, 10, GAP, 0), RTC_EINVAL);
  CHECK_EQ(rtc_rtx_ask(&r, 5, 10, GAP, 0), 5);
  rtc_rtx_clear(&r);
}

static void test_gap_and_tries(void) {
  static const rtc_time_t gaps[] = {-1, 0, GAP - 1, GAP, GAP + 1, 300000};
  for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
    rtc_time_t gap = gaps[g] < GAP ? GAP : gaps[g], now = 0; /* the first repair may come at time 0 */
    rtc_rtx_t r;
    rtc_rtx_init(&r);
    CHECK_EQ(rtc_rtx_put(&r, 65535, 9, 1000), 0);
    for (int i = 0; i < RTC_RTX_TRIES; i++) {
      if (i) CHECK_EQ(rtc_rtx_ask(&r, 65535, 10, gaps[g], now - 1), RTC_EREPLAY);
      CHECK_EQ(rtc_rtx_ask(&r, 65535, 10, gaps[g], now), 9);
      CHECK_EQ(rtc_rtx_ask(&r, 65535, 10, gaps[g], now), RTC_EREPLAY);
      now += gap;
    }
    CHECK_EQ(rtc_rtx_ask(&r, 65535, 10, gaps[g], now + RTC_SEC(100)), RTC_EREPLAY);
    CHECK_EQ(r.repaired, RTC_RTX_TRIES);
    CHECK_EQ(r.refused, 2 * RTC_RTX_TRIES);
    rtc_rtx_clear(&r);
  }
}

static void test_budget_edge(void) {
  rtc_rtx_t r;
  rtc_rtx_init(&r);
  CHECK_EQ(rtc_rtx_put(&r, 1, 1, 500), 0);
  uint32_t all = RTC_RTX_START + 500 * RTC_RTX_PERCENT / 100;
  CHECK_EQ(rtc_rtx_ask(&r, 1, all + 1, GAP, 0), RTC_ENOBUFS);
  CHECK_EQ(rtc_rtx_ask(&r, 1, all, GAP, 0), 1); /* a refusal does not count as a try, nor as time */
  CHECK_EQ(rtc_rtx_ask(&r, 1, 1, GAP, GAP), RTC_ENOBUFS);
  CHECK_EQ(rtc_rtx_put(&r, 2, 2, 5), 0); /* earns one byte more */
  CHECK_EQ(rtc_rtx_ask(&r, 1, 2, GAP, GAP), RTC_ENOBUFS);
  CHECK_EQ(rtc_rtx_ask(&r, 1, 1, GAP, GAP), 1);
  CHECK_EQ(r.refused, 3);
  rtc_rtx_clear(&r);
}

/* A viewer that asks 10,000 times a second for whatever it was sent. */
static void test_flood(void) {
  rtc_rtx_t r;
  uint64_t repaired = 0, sent = 0, calls = 0;
  rtc_rtx_init(&r);
  int64_t seq = 65000;
  for (rtc_time_t now = 0; now < RTC_SEC(10); now += 100) {
    if (now % 2000 == 0) { /* 500 packets a second */
      seq++;
      CHECK_EQ(rtc_rtx_put(&r, seq, seq, 1100), 0);
      sent += 1100;
    }
    int64_t got = rtc_rtx_ask(&r, seq - below(600), 1100, GAP, now);
    calls++;
    if (got >= 0) repaired += 1100;
    if (repaired > sent * RTC_RTX_PERCENT / 100 + RTC_RTX_START) break;
  }
  CHECK(repaired <= sent / 4);
  CHECK(repaired > sent / 5); /* and it is used */
  CHECK_EQ(r.repaired_bytes, repaired);
  CHECK_EQ(calls, 100000);
  rtc_rtx_clear(&r);
}

int main(void) {
  RUN(test_history_init);
  RUN(test_history_ring);
  RUN(test_history_order);
  RUN(test_map);
  RUN(test_empty_places);
  RUN(test_gap_and_tries);
  RUN(test_budget_edge);
  RUN(test_flood);
  return CHECK_END();
}
