#include "proto/rxstat.h"

#include "check.h"

/* Where the numbers begin: the roll-over of 16 bits, the signs of 32, below zero, beyond 32 bits. */
static const int64_t starts[] = {0, 1, -1, -40000, 65535, INT32_MAX, (int64_t)UINT32_MAX, (int64_t)1 << 47};
enum { STARTS = sizeof starts / sizeof *starts, RATE = 90000, GAP_US = 10000, GAP_TS = 900 };

/* A packet on time: its transit is always the same. */
static void on_time(rtc_rxstat_t *s, int64_t start, int64_t n) {
  rtc_rxstat_on_packet(s, start + n, 5000 + n * GAP_TS, 100, 7 + n * GAP_US);
}
static rtc_rb_t report(rtc_rxstat_t *s) {
  rtc_rb_t rb;
  rtc_rxstat_report(s, 0xabcd, &rb, 0);
  return rb;
}

static void nothing_came(void) {
  rtc_rxstat_t s;
  memset(&s, 0x5a, sizeof s);
  rtc_rxstat_init(&s, RATE);
  static const rtc_rb_t none = {.ssrc = 0xabcd};
  rtc_rb_t rb = report(&s);
  CHECK_MEM(&rb, &none, sizeof rb);
  CHECK_EQ(rtc_rxstat_lost(&s), 0);
  CHECK_EQ(s.first, -1);
  CHECK_EQ(s.highest, -1);
  CHECK(s.sr_at == RTC_NEVER);
}

static void all_came_on_time(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    for (int64_t n = 0; n < 3000; n++) on_time(&s, starts[i], n);
    rtc_rb_t rb = report(&s);
    CHECK_EQ(rb.fraction, 0);
    CHECK_EQ(rb.lost, 0);
    CHECK_EQ(rb.highest, (uint32_t)(starts[i] + 2999));
    CHECK_EQ(rb.jitter, 0);
    CHECK_EQ(s.first, starts[i]);
    CHECK_EQ(s.received, 3000);
    CHECK_EQ(s.bytes, 300000);
    CHECK_EQ(s.repeated, 0);
  }
}

static void loss_is_per_interval(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    for (int64_t n = 0; n < 100; n++)
      if (n % 4 != 2) on_time(&s, starts[i], n); /* 25 of 100 */
    rtc_rb_t rb = report(&s);
    CHECK_EQ(rb.fraction, 64);
    CHECK_EQ(rb.lost, 25);
    for (int64_t n = 100; n < 200; n++) on_time(&s, starts[i], n);
    rb = report(&s);
    CHECK_EQ(rb.fraction, 0); /* the loss was told; the sum stays */
    CHECK_EQ(rb.lost, 25);
    on_time(&s, starts[i], 1000); /* 800 of 801 */
    rb = report(&s);
    CHECK_EQ(rb.fraction, 255);
    CHECK_EQ(rb.lost, 825);
    rb = report(&s);
    CHECK_EQ(rb.fraction, 0); /* nothing was expected */
    CHECK_EQ(rb.lost, 825);
    CHECK_EQ(rtc_rxstat_lost(&s), 825);
  }
}

static void late_ones_are_not_lost(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    on_time(&s, starts[i], 0);
    for (int64_t n = 1; n < 1999; n += 2) { /* pairs change places */
      on_time(&s, starts[i], n + 1);
      on_time(&s, starts[i], n);
    }
    on_time(&s, starts[i], 1999);
    CHECK_EQ(rtc_rxstat_lost(&s), 0);
    for (int64_t n = 2001; n < 2000 + 1023; n++) on_time(&s, starts[i], n);
    CHECK_EQ(rtc_rxstat_lost(&s), 1);
    on_time(&s, starts[i], 2000); /* 1022 late: still in the window */
    CHECK_EQ(rtc_rxstat_lost(&s), 0);
    CHECK_EQ(s.repeated, 0);
    CHECK_EQ(s.highest, starts[i] + 3022);
    on_time(&s, starts[i], -3); /* far too late: not counted */
    CHECK_EQ(s.received, 3023);
  }
}

static void one_before_the_first_counts_as_received(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    on_time(&s, starts[i], 0);
    on_time(&s, starts[i], -1);
    on_time(&s, starts[i], -1);
    CHECK_EQ(s.first, starts[i]);
    CHECK_EQ(s.received, 3);
    CHECK_EQ(s.repeated, 1);
    rtc_rb_t rb = report(&s);
    CHECK_EQ(rb.lost, -2); /* signed, by RFC 3550 §6.4.1 */
    CHECK_EQ(rb.fraction, 0);
  }
}

static void duplicates_are_counted_and_hide_loss(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    for (int64_t n = 0; n < 100; n++) on_time(&s, starts[i], n);
    double jitter = s.jitter;
    for (int64_t n = 90; n < 100; n++) rtc_rxstat_on_packet(&s, starts[i] + n, 5000 + n * GAP_TS, 100, 99999999);
    CHECK_EQ(s.repeated, 10);
    CHECK_EQ(s.received, 110);
    CHECK(s.jitter == jitter); /* when a copy comes says nothing about jitter */
    CHECK_EQ(rtc_rxstat_lost(&s), -10);
    CHECK_EQ(report(&s).lost, -10);
    on_time(&s, starts[i], 105); /* 5 lost */
    CHECK_EQ(report(&s).lost, -5);
  }
}

static void a_lone_far_number_is_ignored(void) {
  static const int64_t jumps[] = {3000, 10000, 40000, -1024, -20000};
  for (int i = 0; i < STARTS; i++)
    for (size_t j = 0; j < sizeof jumps / sizeof *jumps; j++) {
      rtc_rxstat_t s;
      rtc_rxstat_init(&s, RATE);
      for (int64_t n = 0; n < 50; n++) on_time(&s, starts[i], n);
      on_time(&s, starts[i], 49 + jumps[j]);
      CHECK_EQ(s.received, 50);
      CHECK_EQ(s.highest, starts[i] + 49);
      on_time(&s, starts[i], 49 + jumps[j]); /* the same again proves nothing */
      CHECK_EQ(s.received, 50);
      on_time(&s, starts[i], 50);
      on_time(&s, starts[i], 50 + jumps[j]); /* nor does another one after the stream went on */
      CHECK_EQ(s.received, 51);
      CHECK_EQ(rtc_rxstat_lost(&s), 0);
    }
  rtc_rxstat_t s; /* a jump within the limit is loss */
  rtc_rxstat_init(&s, RATE);
  on_time(&s, 0, 0);
  on_time(&s, 0, 2999);
  CHECK_EQ(s.received, 2);
  CHECK_EQ(report(&s).lost, 2998);
}

static void two_far_numbers_must_be_near_each_other(void) {
  rtc_rxstat_t s;
  rtc_rxstat_init(&s, RATE);
  on_time(&s, 0, 0);
  on_time(&s, 0, 10000);
  on_time(&s, 0, 13000); /* 3000 on: again a lone one */
  CHECK_EQ(s.received, 1);
  on_time(&s, 0, 15999);
  CHECK_EQ(s.received, 2);
  CHECK_EQ(rtc_rxstat_lost(&s), 2998);
}

/* The sender starts anew elsewhere: neither the gap nor the lone first number is lost, what was lost before and after is. */
static void a_restart_is_not_loss(void) {
  static const int64_t jumps[] = {3000, 30000, INT64_C(1) << 33, -1100, -20000};
  for (int i = 0; i < STARTS; i++)
    for (size_t j = 0; j < sizeof jumps / sizeof *jumps; j++) {
      rtc_rxstat_t s;
      rtc_rxstat_init(&s, RATE);
      for (int64_t n = 0; n < 100; n++)
        if (n != 50) on_time(&s, starts[i], n);
      int64_t at = 99 + jumps[j];
      on_time(&s, starts[i], at);
      CHECK_EQ(s.received, 99);
      on_time(&s, starts[i], at + 3); /* two lost on the way: A.1 alone would wait for ever for a neighbour */
      CHECK_EQ(s.highest, starts[i] + at + 3);
      CHECK_EQ(s.received, 100);
      CHECK_EQ(rtc_rxstat_lost(&s), 3);
      for (int64_t n = at + 4; n < at + 100; n++) on_time(&s, starts[i], n);
      on_time(&s, starts[i], at + 99);
      CHECK_EQ(s.repeated, 1);
      rtc_rb_t rb = report(&s);
      CHECK_EQ(rb.lost, 2); /* 3, and a duplicate */
      CHECK_EQ(rb.highest, (uint32_t)(starts[i] + at + 99));
      CHECK_EQ(rb.jitter, 0);
    }
}

static void lost_is_kept_to_24_bits(void) {
  rtc_rxstat_t s;
  rtc_rxstat_init(&s, RATE);
  for (int64_t n = 0; n < 3000; n++) on_time(&s, 0, n * 2999);
  CHECK_EQ(rtc_rxstat_lost(&s), 2999 * 2998 + 2999 - 2999);
  CHECK_EQ(report(&s).lost, 0x7fffff);
  rtc_rxstat_init(&s, RATE);
  on_time(&s, 0, 0);
  for (int64_t n = 0; n < 0x800010; n++) on_time(&s, 0, 0);
  CHECK_EQ(rtc_rxstat_lost(&s), -0x800010);
  CHECK_EQ(report(&s).lost, -0x800000);
}

/* A.8 by hand: J += (|D| - J) / 16, in RTP units. */
static void jitter_by_hand(void) {
  static const struct {
    uint32_t rate;
    int64_t late_us, units;
  } rows[] = {{90000, 10000, 900}, {48000, 5000, 240}, {8000, 20000, 160}, {90000, -10000, 900}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, rows[i].rate);
    int64_t ts = 1000, unit = rows[i].rate / 50;
    rtc_time_t now = RTC_SEC(3);
    rtc_rxstat_on_packet(&s, 1, ts, 10, now);
    CHECK(s.jitter == 0); /* one packet has no difference */
    rtc_rxstat_on_packet(&s, 2, ts + unit, 10, now + 20000 + rows[i].late_us);
    double want = (double)rows[i].units / 16;
    CHECK(s.jitter > want - 1e-6 && s.jitter < want + 1e-6);
    rtc_rxstat_on_packet(&s, 3, ts + 2 * unit, 10, now + 40000); /* the same way back */
    want += ((double)rows[i].units - want) / 16;
    CHECK(s.jitter > want - 1e-6 && s.jitter < want + 1e-6);
    CHECK_EQ(report(&s).jitter, (uint32_t)want);
    rtc_rxstat_on_packet(&s, 4, ts + 3 * unit, 10, now + 60000);
    CHECK(s.jitter > want * 15 / 16 - 1e-6 && s.jitter < want * 15 / 16 + 1e-6);
  }
}

/* Alternating by d settles at d. */
static void jitter_settles(void) {
  for (int i = 0; i < STARTS; i++) {
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    for (int64_t n = 0; n < 1000; n++)
      rtc_rxstat_on_packet(&s, starts[i] + n, starts[i] + n * GAP_TS, 1, RTC_SEC(100000000) + n * GAP_US + n % 2 * 1000);
    uint32_t jitter = report(&s).jitter;
    CHECK(jitter >= 89 && jitter <= 91); /* 1 ms */
  }
  rtc_rxstat_t s; /* no clock rate, no jitter; a jump of RTP time stays inside the field */
  rtc_rxstat_init(&s, 0);
  on_time(&s, 0, 0);
  on_time(&s, 0, 1);
  (void)report(&s);
  rtc_rxstat_init(&s, RATE);
  for (int64_t n = 0; n < 100; n++) rtc_rxstat_on_packet(&s, n, n % 2 << 40, 1, n);
  CHECK_EQ(report(&s).jitter, UINT32_MAX);
}

static void sender_reports_are_answered(void) {
  rtc_rxstat_t s;
  rtc_rb_t rb;
  rtc_rxstat_init(&s, RATE);
  rtc_rxstat_on_sr(&s, 0x1122334455667788u, 99, RTC_SEC(10));
  CHECK_EQ(s.sr_rtp, 99);
  static const struct {
    rtc_time_t after;
    uint32_t dlsr;
  } rows[] = {{0, 0},
              {-5, 0},
              {RTC_SEC(1), 65536},
              {RTC_MS(500), 32768},
              {RTC_MS(5250), 344064},
              {RTC_SEC(65535), 0xffff0000u},
              {RTC_SEC(65536), UINT32_MAX},
              {RTC_SEC(1000000), UINT32_MAX}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_rxstat_report(&s, 1, &rb, RTC_SEC(10) + rows[i].after);
    CHECK_EQ(rb.lsr, 0x33445566);
    CHECK_EQ(rb.dlsr, rows[i].dlsr);
  }
  rtc_rxstat_on_sr(&s, 0xaaaabbbbccccddddu, 100, RTC_SEC(20)); /* the latest counts */
  rtc_rxstat_report(&s, 1, &rb, RTC_SEC(21));
  CHECK_EQ(rb.lsr, 0xbbbbcccc);
  CHECK_EQ(rb.dlsr, 65536);
}

/* Random loss, reordering and copies against sums kept by hand. */
static void agrees_with_plain_sums(void) {
  enum { SPAN = 20000 };
  static uint8_t times[SPAN + 64];
  for (int i = 0; i < STARTS; i++) {
    memset(times, 0, sizeof times);
    rtc_rxstat_t s;
    rtc_rxstat_init(&s, RATE);
    uint64_t x = 88172645463325252u + (uint64_t)i, came = 0, copies = 0;
    int64_t top = 0, expected_before = 0, came_before = 0;
    for (int64_t n = 0; n < SPAN; n++) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      if (n && x % 10 == 0) continue;
      int64_t k = n && x % 10 == 1 && n > 900 ? n - (int64_t)(x >> 20) % 900 : n;
      on_time(&s, starts[i], k);
      came++;
      copies += times[k]++ > 0;
      if (k > top) top = k;
      if (n % 500 != 499) continue;
      rtc_rb_t rb = report(&s);
      int64_t want = top + 1 - expected_before, lost = want - ((int64_t)came - came_before);
      CHECK_EQ(rb.fraction, lost > 0 ? lost * 256 / want : 0);
      CHECK_EQ(rb.lost, top + 1 - (int64_t)came);
      CHECK_EQ(rb.highest, (uint32_t)(starts[i] + top));
      expected_before = top + 1;
      came_before = (int64_t)came;
    }
    CHECK_EQ(s.received, came);
    CHECK_EQ(s.repeated, copies);
    CHECK(copies > 100);
  }
}

int main(void) {
  RUN(nothing_came);
  RUN(all_came_on_time);
  RUN(loss_is_per_interval);
  RUN(late_ones_are_not_lost);
  RUN(one_before_the_first_counts_as_received);
  RUN(duplicates_are_counted_and_hide_loss);
  RUN(a_lone_far_number_is_ignored);
  RUN(two_far_numbers_must_be_near_each_other);
  RUN(a_restart_is_not_loss);
  RUN(lost_is_kept_to_24_bits);
  RUN(jitter_by_hand);
  RUN(jitter_settles);
  RUN(sender_reports_are_answered);
  RUN(agrees_with_plain_sums);
  return CHECK_END();
}
