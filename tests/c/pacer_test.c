#include "proto/pacer.h"

#include <stdbool.h>

#include "check.h"

enum { POPS = 200000 };

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

static rtc_pkt_t *packet(rtc_pool_t *pool, uint32_t len) {
  rtc_pkt_t *k = rtc_pkt_get(pool);
  if (!k) exit(2);
  k->len = len;
  return k;
}

static void put(rtc_pacer_t *p, rtc_pool_t *pool, rtc_pace_t c, uint32_t len, uint64_t mark, rtc_time_t now) {
  rtc_pkt_t *k = packet(pool, len);
  k->tag[0] = mark;
  if (rtc_pacer_put(p, k, c, now) != 0) rtc_pkt_put(k);
}

/* What leaves at once, as letters: a r v. */
static const char *pop_all(rtc_pacer_t *p, rtc_time_t now) {
  static char text[2048];
  size_t n = 0;
  rtc_pace_t c;
  for (rtc_pkt_t *k; n < sizeof text - 1 && (k = rtc_pacer_pop(p, &c, now)) != NULL; rtc_pkt_put(k)) text[n++] = "arv"[c];
  text[n] = 0;
  return text;
}

static void test_empty(void) {
  rtc_pacer_t p;
  rtc_pace_t c;
  rtc_pacer_init(&p, 1000000, 0);
  CHECK_EQ(rtc_pacer_next_at(&p), RTC_NEVER);
  CHECK(rtc_pacer_pop(&p, &c, RTC_SEC(1)) == NULL);
  rtc_pacer_clear(&p);
}

/* 10 ms of the rate, or 40 up to 100,000 bytes. */
static void test_burst(void) {
  static const struct {
    int64_t bps, bytes;
  } t[] = {{0, 0}, {100000, 500}, {20000000, 100000}, {50000000, 100000}, {80000000, 100000}, {400000000, 500000}};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) CHECK_EQ(rtc_pacer_burst(t[i].bps), t[i].bytes * 8000000);
}

/* Pictures of 30 a second at 2.5 times their rate: each leaves whole, at once, and the next one too. */
static void test_pictures_leave_as_one(void) {
  static const int64_t rates[] = {300000, 2500000, 20000000};
  rtc_pool_t *pool = rtc_pool_new(1024);
  for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
    rtc_pacer_t p;
    rtc_pacer_init(&p, rates[r] * 5 / 2, 0);
    for (int picture = 0; picture < 100; picture++) {
      rtc_time_t now = picture * RTC_SEC(1) / 30;
      int n = (int)(rates[r] / 8 / 30 / 1000) + 1;
      for (int i = 0; i < n; i++) put(&p, pool, RTC_PACE_VIDEO, 1000, 0, now);
      CHECK_EQ(strlen(pop_all(&p, now)), n);
      CHECK_EQ(rtc_pacer_next_at(&p), RTC_NEVER);
    }
  }
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
}

#define V20 "vvvvvvvvvvvvvvvvvvvv"

/* 4 Mb/s is a byte in two microseconds: a burst is 20000 bytes, a step 2500. */
static void test_steps(void) {
  static const struct {
    rtc_time_t now;
    int put; /* video packets of 1000 bytes that come now */
    const char *out;
    rtc_time_t next;
  } t[] = {
      {0, 25, V20 "v", 7000}, /* 20 of the burst and one on debt; then a step's worth */
      {1998, 0, "", 7000},
      {2000, 0, "v", 8000}, /* who asks before gets what there is; the last of three is due at 8000 */
      {3000, 0, "", 8000},
      {7000, 0, "vv", 8000},
      {8000, 0, "v", RTC_NEVER}, /* the last */
      {8000, 1, "", 10000},
      {10000, 0, "v", RTC_NEVER},
      {52000, 22, V20 "v", 54000},                        /* full again after debt and burst */
      {RTC_SEC(1000), 23, V20 "v", RTC_SEC(1000) + 6000}, /* silence earns no more than one burst */
      {RTC_SEC(999), 0, "", RTC_SEC(1000) + 6000},        /* a clock that goes back earns nothing */
      {RTC_SEC(1000) + 2000, 0, "v", RTC_SEC(1000) + 6000},
  };
  rtc_pool_t *pool = rtc_pool_new(1024);
  rtc_pacer_t p;
  rtc_pacer_init(&p, 4000000, 0);
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    for (int n = 0; n < t[i].put; n++) put(&p, pool, RTC_PACE_VIDEO, 1000, 0, t[i].now);
    const char *out = pop_all(&p, t[i].now);
    if (strcmp(out, t[i].out) != 0) fprintf(stderr, "step %zu: \"%s\"\n", i, out);
    CHECK(strcmp(out, t[i].out) == 0);
    CHECK_EQ(rtc_pacer_next_at(&p), t[i].next);
  }
  rtc_pacer_clear(&p);
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
}

static void test_order(void) {
  rtc_pool_t *pool = rtc_pool_new(1024);
  rtc_pacer_t p;
  rtc_pacer_init(&p, 80000000, 0);
  for (int i = 0; i < 3; i++) {
    put(&p, pool, RTC_PACE_VIDEO, 100, (uint64_t)i, 0);
    put(&p, pool, RTC_PACE_AUDIO, 100, (uint64_t)i, 0);
    put(&p, pool, RTC_PACE_REPAIR, 100, (uint64_t)i, 0);
  }
  for (int i = 0; i < 9; i++) {
    rtc_pace_t c;
    rtc_pkt_t *k = rtc_pacer_pop(&p, &c, 0);
    CHECK(k != NULL);
    if (!k) break;
    CHECK_EQ(c, i / 3); /* audio, repair, video; first in, first out in each */
    CHECK_EQ(k->tag[0], i % 3);
    CHECK(k->next == NULL && k->refs == 1);
    rtc_pkt_put(k);
  }
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
}

static void test_cap(void) {
  rtc_pool_t *pool = rtc_pool_new(4 * RTC_PACER_QUEUE_MAX);
  rtc_pacer_t p;
  rtc_pacer_init(&p, 0, 0);
  for (int c = 0; c < RTC_PACE_CLASSES; c++) {
    for (int i = 0; i < RTC_PACER_QUEUE_MAX; i++) CHECK_EQ(rtc_pacer_put(&p, packet(pool, 10), (rtc_pace_t)c, 0), 0);
    rtc_pkt_t *k = packet(pool, 10);
    CHECK_EQ(rtc_pacer_put(&p, k, (rtc_pace_t)c, 0), RTC_ENOBUFS);
    CHECK_EQ(k->refs, 1);
    rtc_pkt_put(k); /* still the caller's */
    CHECK_EQ(p.dropped, c + 1);
  }
  CHECK_EQ(rtc_pool_used(pool), RTC_PACE_CLASSES * RTC_PACER_QUEUE_MAX);
  rtc_pacer_clear(&p);
  CHECK_EQ(rtc_pool_used(pool), 0);
  CHECK_EQ(rtc_pacer_next_at(&p), RTC_NEVER);
  CHECK_EQ(rtc_pacer_put(&p, packet(pool, 10), RTC_PACE_AUDIO, 0), 0); /* of use again */
  rtc_pacer_clear(&p);
  rtc_pool_free(pool);
}

static void test_rates(void) {
  rtc_pool_t *pool = rtc_pool_new(1024);
  rtc_pacer_t p;
  rtc_pacer_init(&p, 0, 0);
  put(&p, pool, RTC_PACE_AUDIO, 100, 0, 0);
  put(&p, pool, RTC_PACE_VIDEO, 1000, 0, 0);
  put(&p, pool, RTC_PACE_VIDEO, 1000, 0, 0);
  CHECK(strcmp(pop_all(&p, RTC_SEC(5)), "") == 0); /* 0 and below hold everything */
  rtc_pacer_set_rate(&p, -1, RTC_SEC(5));
  CHECK(strcmp(pop_all(&p, RTC_SEC(6)), "") == 0);
  CHECK_EQ(rtc_pacer_next_at(&p), RTC_NEVER);
  rtc_pacer_set_rate(&p, 8000, RTC_SEC(6)); /* a byte a millisecond; no credit from the time at 0 */
  CHECK(strcmp(pop_all(&p, RTC_SEC(6)), "a") == 0);
  CHECK_EQ(rtc_pacer_next_at(&p), RTC_SEC(6) + 100000 + RTC_PACER_STEP_US); /* two wait: the second's share of a step */
  CHECK(strcmp(pop_all(&p, RTC_SEC(6) + 100000), "v") == 0);
  rtc_pacer_set_rate(&p, 8000000, RTC_SEC(6) + 600000); /* half of the debt is paid at the old rate, the rest at the new */
  CHECK_EQ(rtc_pacer_next_at(&p), RTC_SEC(6) + 600500);
  rtc_pacer_set_rate(&p, INT64_MAX, RTC_SEC(7)); /* capped, and nothing overflows */
  CHECK(strcmp(pop_all(&p, INT64_MAX - 1), "v") == 0);
  rtc_pacer_set_rate(&p, 1, INT64_MAX - 1);
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
}

/* ---- the guarantees, over random schedules ---- */

typedef struct pop {
  rtc_time_t at;
  uint32_t len;
  rtc_pace_t c;
  uint64_t mark;
} pop_t;
static pop_t pops[POPS];

/* Most bits * 1e6 by which a span that ends with a packet of class `last` exceeds rate * d + B without that packet; counting
 * audio alone when `audio`. For all spans at once: sent before i less the least of (sent before j - rate * time of j). */
static int64_t excess(int n, int64_t rate, bool audio) {
  int64_t worst = INT64_MIN, sent = 0, least = INT64_MAX;
  for (int i = 0; i < n; i++) {
    if (audio && pops[i].c != RTC_PACE_AUDIO) continue;
    int64_t earned = rate * pops[i].at;
    if (sent - earned < least) least = sent - earned;
    bool counts = audio || pops[i].c != RTC_PACE_AUDIO;
    if (counts && sent - earned - least - rtc_pacer_burst(rate) > worst) worst = sent - earned - least - rtc_pacer_burst(rate);
    sent += (int64_t)pops[i].len * 8000000;
  }
  return worst;
}

typedef struct plan {
  rtc_time_t at;
  rtc_pace_t c;
  uint32_t len;
} plan_t;

/* Plays a schedule, waking exactly at next_at and, when `late`, up to 3 ms after it. Returns how many packets left. */
static int play(rtc_pacer_t *p, rtc_pool_t *pool, const plan_t *plan, int n, int64_t rate, bool late) {
  int out = 0, i = 0;
  rtc_time_t now = 0;
  rtc_pacer_init(p, rate, now);
  while (i < n || rtc_pacer_next_at(p) != RTC_NEVER) {
    rtc_time_t next = rtc_pacer_next_at(p);
    if (late && next != RTC_NEVER) next += below(3000);
    if (i < n && plan[i].at <= next) next = plan[i].at;
    if (next > now) now = next;
    for (; i < n && plan[i].at <= now; i++) put(p, pool, plan[i].c, plan[i].len, (uint64_t)i, now);
    rtc_pace_t c;
    for (rtc_pkt_t *k; out < POPS && (k = rtc_pacer_pop(p, &c, now)) != NULL; rtc_pkt_put(k))
      pops[out++] = (pop_t){now, k->len, c, k->tag[0]};
  }
  return out;
}

static int make_plan(plan_t *plan, int cap, int64_t rate) {
  rtc_time_t now = 0, packet_us = 1000 * INT64_C(8000000) / rate;
  uint32_t load = 20 + below(300); /* per cent of the rate, in bursts */
  int n = 0;
  while (n < cap) {
    int burst = 1 + (int)below(below(4) ? 3 : 60);
    now += (rtc_time_t)below((uint32_t)(2 * packet_us * burst * 100 / load) + 2);
    if (!below(100)) now += below(2000000);
    for (int i = 0; i < burst && n < cap; i++) {
      uint32_t die = below(10);
      plan[n++] = (plan_t){now, die < 2 ? RTC_PACE_AUDIO : die < 4 ? RTC_PACE_REPAIR : RTC_PACE_VIDEO, 1 + below(1500)};
    }
  }
  return n;
}

static void test_guarantees(void) {
  enum { N = 3000 };
  static plan_t plan[N], alone[N];
  static rtc_time_t audio_at[N];
  static const int64_t rates[] = {30000, 300000, 1000000, 2500000, 20000000, 1000000000};
  rtc_pool_t *pool = rtc_pool_new(4 * RTC_PACER_QUEUE_MAX);
  rtc_pacer_t p;
  int moved = 0, dropped = 0;
  for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
    for (int round = 0; round < 20; round++) {
      int n = make_plan(plan, N, rates[r]);
      int out = play(&p, pool, plan, n, rates[r], round % 2);
      CHECK_EQ(rtc_pool_used(pool), 0);
      CHECK_EQ(out + (int)p.dropped, n);
      CHECK(excess(out, rates[r], false) <= 0);
      CHECK(excess(out, rates[r], true) <= 0);
      for (int i = 0; i < out; i++) moved += pops[i].at > plan[pops[i].mark].at;
      dropped += (int)p.dropped;
      if (round % 2) continue;
      /* The same with the audio only: it leaves at the very same times. */
      int a = 0;
      for (int i = 0; i < out; i++) {
        if (pops[i].c == RTC_PACE_AUDIO) audio_at[a++] = pops[i].at;
      }
      int m = 0;
      for (int i = 0; i < n; i++) {
        if (plan[i].c == RTC_PACE_AUDIO) alone[m++] = plan[i];
      }
      out = play(&p, pool, alone, m, rates[r], false);
      CHECK_EQ(out, a);
      for (int i = 0; i < out && i < a; i++) CHECK_EQ(pops[i].at, audio_at[i]);
    }
  }
  CHECK(moved > 10000 && dropped > 0); /* the schedules did make it wait, and did fill it */
  rtc_pool_free(pool);
}

/* Under constant load the rate is used up, not only kept. */
static void test_throughput(void) {
  static plan_t plan[500];
  rtc_pool_t *pool = rtc_pool_new(4 * RTC_PACER_QUEUE_MAX);
  rtc_pacer_t p;
  for (int i = 0; i < 500; i++) plan[i] = (plan_t){0, RTC_PACE_VIDEO, 1250};
  int out = play(&p, pool, plan, 500, 10000000, false);
  CHECK_EQ(out, 500);
  CHECK_EQ(pops[499].at, 499 * 1000 - RTC_PACER_PICTURE_US); /* one a millisecond, one burst ahead */
  rtc_pool_free(pool);
}

int main(void) {
  RUN(test_empty);
  RUN(test_burst);
  RUN(test_pictures_leave_as_one);
  RUN(test_steps);
  RUN(test_order);
  RUN(test_cap);
  RUN(test_rates);
  RUN(test_guarantees);
  RUN(test_throughput);
  return CHECK_END();
}
