#include "wire/twccfb.h"

#include "check.h"

enum { N = RTC_TWCC_MAX };
#define NO RTC_NEVER
#define WRAP_US (INT64_C(64000) << 24) /* the reference time comes round after 12 days */

static uint32_t seed = 1;
static uint32_t rnd(void) { return seed = seed * 1664525u + 1013904223u, seed >> 8; }
static uint32_t below(uint32_t n) { return rnd() % n; }

static int read_message(const uint8_t *p, size_t n, rtc_twccfb_t *out, rtc_time_t *at, int cap) {
  uint8_t *copy = malloc(n ? n : 1); /* in its exact size: a sanitizer sees any read past it */
  memcpy(copy, p, n);
  rtc_rd_t r = rtc_rd(copy, n);
  rtc_rtcp_t b;
  int res = rtc_rtcp_next(&r, &b);
  res = res == 1 ? rtc_twccfb_read(&b, out, at, cap) : RTC_EPROTO;
  free(copy);
  return res;
}

/* Messages worked out by hand from the draft's figures, both ways. */
static void test_bytes(void) {
  static const struct {
    const char *hex;
    uint16_t base;
    uint8_t fb;
    int n;
    rtc_time_t at[16];
  } t[] = {
      /* one packet: run of 1, delta 0 */
      {"8fcd 0005 0a0b0c0d 01020304 ffff 0001 000000 00 2001 00 00", 65535, 0, 1, {0}},
      /* run of three small deltas 0, 1, 255 */
      {"8fcd 0006 0a0b0c0d 01020304 0001 0003 000001 05 2003 00 01 ff 000000", 1, 5, 3, {64000, 64250, 128000}},
      /* one-bit vector 1010 0..; first at tick 3 of the second reference step */
      {"8fcd 0005 0a0b0c0d 01020304 0007 0003 000001 ff a800 03 04", 7, 255, 3, {64750, NO, 65750}},
      /* two-bit vector: small, lost, large 256, large -1 */
      {"8fcd 0006 0a0b0c0d 01020304 0007 0004 000000 01 d280 00 0100 ffff 00", 7, 1, 4, {0, NO, 64000, 63750}},
      /* eight lost, then one: a one-bit vector cut short by the end; the reference time is negative */
      {"8fcd 0005 0a0b0c0d 01020304 0000 0009 fffff6 09 8020 00 00", 0, 9, 9, {NO, NO, NO, NO, NO, NO, NO, NO, -640000}},
      /* widest deltas */
      {"8fcd 0006 0a0b0c0d 01020304 0000 0003 0000c8 00 da00 00 7fff 8000 00", 0, 0, 3, {12800000, 20991750, 12799750}},
      /* 15 statuses of zeros and ones: a full one-bit vector, then a run of one; each first bit the most significant */
      {"8fcd 0009 0a0b0c0d 01020304 0000 000f 000000 00 9fff 2001 00 01 01 01 01 01 01 01 01 01 01 01 01 01",
       0,
       0,
       15,
       {NO, 0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2250, 2500, 2750, 3000, 3250}},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    uint8_t want[128], buf[128];
    rtc_time_t back[16];
    rtc_twccfb_t got;
    size_t n = check_hex(want, sizeof want, t[i].hex);
    while (n % 4) want[n++] = 0;
    rtc_wr_t w = rtc_wr(buf, sizeof buf);
    CHECK_EQ(rtc_twccfb_write(&w, 0x0a0b0c0d, 0x01020304, t[i].base, t[i].at, t[i].n, t[i].fb), t[i].n);
    CHECK_EQ(rtc_wr_len(&w), n);
    CHECK_MEM(buf, want, n);
    CHECK_EQ(read_message(want, n, &got, back, 16), 0);
    CHECK_EQ(got.base, t[i].base);
    CHECK_EQ(got.n, t[i].n);
    CHECK_EQ(got.fb_count, t[i].fb);
    for (int k = 0; k < t[i].n; k++) CHECK_EQ(back[k], t[i].at[k]);
  }
}

/* What others write and we do not: runs where a vector is shorter, padding counted in the header, spare slots not zero. */
static void test_read_forms(void) {
  static const struct {
    const char *hex;
    int res, n;
    rtc_time_t at[4];
  } t[] = {
      {"afcd 0006 00000001 00000002 0001 0002 000000 05 2001 2001 04 05 0002", 0, 2, {1000, 2250}},
      {"8fcd 0006 00000001 00000002 0001 0002 800000 05 2000 4002 0001 ffff", 0, 2, {-536870912000 + 250, -536870912000}},
      {"8fcd 0005 00000001 00000002 0001 0002 7fffff 05 dfff 04 05", RTC_EPROTO, 0, {0}}, /* 01 then reserved */
      {"8fcd 0005 00000001 00000002 0001 0001 000000 05 dfff 04 00", 0, 1, {1000}},       /* reserved only in spare slots */
      {"8fcd 0005 00000001 00000002 0001 0001 000000 05 6001 0400", RTC_EPROTO, 0, {0}},  /* run of the reserved symbol */
      {"8fcd 0005 00000001 00000002 0001 0000 000000 05 2001 0000", RTC_EPROTO, 0, {0}},  /* no status at all */
      {"8fcd 0004 00000001 00000002 0001 0001 000000 05", RTC_EPROTO, 0, {0}},            /* no chunk */
      {"8fcd 0003 00000001 00000002 00010001", RTC_EPROTO, 0, {0}},
      {"8fcd 0005 00000001 00000002 0001 0003 000000 05 2001 0400", RTC_EPROTO, 0, {0}}, /* 0400 is read as a chunk: delta gone */
      {"8fcd 0005 00000001 00000002 0001 0004 000000 05 2004 0400", 0, 2, {1000, 1000}}, /* two deltas of four: what is whole stays */
      {"8fcd 0005 00000001 00000002 0001 0002 000000 05 2001 4001", RTC_EPROTO, 0, {0}},
      {"8fcd 0005 00000001 00000002 0001 ffff 000000 05 2001 3fff", RTC_EPROTO, 0, {0}}, /* count beyond all chunks */
      {"81cd 0005 00000001 00000002 0001 0001 000000 05 2001 0000", RTC_EPROTO, 0, {0}}, /* a NACK */
      {"8fce 0005 00000001 00000002 0001 0001 000000 05 2001 0000", RTC_EPROTO, 0, {0}},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    uint8_t buf[64];
    rtc_time_t at[4];
    rtc_twccfb_t got = {0};
    size_t n = check_hex(buf, sizeof buf, t[i].hex);
    int res = read_message(buf, n, &got, at, 4);
    if (res != t[i].res) fprintf(stderr, "%s\n", t[i].hex);
    CHECK_EQ(res, t[i].res);
    if (res < 0) continue;
    CHECK_EQ(got.n, t[i].n);
    for (int k = 0; k < t[i].n; k++) CHECK_EQ(at[k], t[i].at[k]);
  }
}

static void fill(rtc_time_t *at, int n, rtc_time_t start, rtc_time_t step) {
  for (int i = 0; i < n; i++) at[i] = start + i * step;
}

/* Sizes show whether chunks are well chosen: 20 bytes, chunks, deltas. */
static void test_chunk_choice(void) {
  static rtc_time_t at[N];
  static uint8_t buf[8192];
  static const struct {
    const char *pattern; /* repeated over n: . lost, s small, L large */
    int n, chunks;
  } t[] = {
      {"s", 2000, 1},
      {".", 2000, 1},
      {"s.", 1400, 100},
      {"s..", 1400, 100},
      {"L", 500, 1},
      {"Ls", 700, 100},
      {"ssssssssssssssssssssL", 21, 2},
      {"L......................", 23, 2},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    size_t len = strlen(t[i].pattern), deltas = 0;
    rtc_time_t now = RTC_SEC(1000);
    for (int k = 0; k < t[i].n; k++) {
      char c = t[i].pattern[(size_t)k % len];
      if (c != '.') now += c == 'L' ? 70000 : 1000;
      if (k == 0 && c == 'L') now = RTC_SEC(1000); /* the first sets the reference: always small */
      at[k] = c == '.' ? NO : now;
      deltas += c == '.' ? 0 : c == 'L' && k > 0 ? 2 : 1;
    }
    rtc_wr_t w = rtc_wr(buf, sizeof buf);
    CHECK_EQ(rtc_twccfb_write(&w, 1, 2, 3, at, t[i].n, 0), t[i].n);
    size_t extra = t[i].pattern[0] == 'L' && t[i].n > 23 && len == 1 ? 2 : 0; /* the small first one has a chunk of its own */
    size_t want = (20 + deltas + (size_t)t[i].chunks * 2 + extra + 3) / 4 * 4;
    CHECK_EQ(rtc_wr_len(&w), want);
  }
}

static void test_room(void) {
  rtc_time_t at[300];
  fill(at, 300, 12345678, 3000);
  for (int i = 7; i < 300; i += 13) at[i] = NO;
  for (size_t cap = 0; cap < 700; cap++) {
    uint8_t *p = malloc(cap ? cap : 1);
    rtc_wr_t w = rtc_wr(p, cap);
    int n = rtc_twccfb_write(&w, 1, 2, 3, at, 300, 0);
    if (cap < 24) {
      CHECK_EQ(n, RTC_ENOBUFS);
      CHECK(w.bad && w.p == p);
    } else {
      CHECK(n >= 1 && rtc_wr_len(&w) <= cap);
      rtc_twccfb_t got;
      rtc_time_t back[300];
      CHECK_EQ(read_message(p, rtc_wr_len(&w), &got, back, 300), 0);
      CHECK_EQ(got.n, n);
      if (n < 300) CHECK(rtc_wr_len(&w) + 8 > cap); /* no room was wasted */
    }
    free(p);
  }
  uint8_t buf[64];
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  CHECK_EQ(rtc_twccfb_write(&w, 1, 2, 3, at, 0, 0), RTC_EINVAL);
  CHECK_EQ(rtc_wr_len(&w), 0);
}

static void test_limits(void) {
  static rtc_time_t at[N + 10];
  static uint8_t buf[8192];
  for (int i = 0; i < N + 10; i++) at[i] = NO;
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  CHECK_EQ(rtc_twccfb_write(&w, 1, 2, 3, at, N + 10, 0), N);
  rtc_time_t two[2] = {0, 0};
  static const struct {
    rtc_time_t first, second;
    int n;
  } t[] = {{0, 32767 * 250, 2},
           {0, 32768 * 250, 1},
           {RTC_SEC(64), RTC_SEC(64) - 32768 * 250, 2},
           {RTC_SEC(64), RTC_SEC(64) - 32769 * 250, 1},
           {0, INT64_MAX / 4, 1}};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    two[0] = t[i].first, two[1] = t[i].second;
    w = rtc_wr(buf, sizeof buf);
    CHECK_EQ(rtc_twccfb_write(&w, 1, 2, 3, two, 2, 0), t[i].n);
  }
}

/* One random pattern: loss, small steps, gaps, reordering, now and then a step that no delta holds. */
static int make_pattern(rtc_time_t *at) {
  int n = 1 + (int)below(below(50) ? 120 : N);
  uint32_t loss = below(4) ? below(30) : below(100), gap = below(3) ? 0 : below(20), back = below(2) ? 0 : below(30);
  uint32_t step = 1 + below(below(2) ? 2000 : 100000);
  rtc_time_t now = (rtc_time_t)(((uint64_t)rnd() << 20 | rnd()) % (UINT64_C(1) << (10 + below(34)))) - (below(5) ? 0 : RTC_SEC(100));
  for (int i = 0; i < n; i++) {
    now += below(step);
    if (below(100) < gap) now += below(RTC_SEC(2));
    if (!below(500)) now += RTC_SEC(below(20));
    rtc_time_t shift = below(100) < back ? (rtc_time_t)below(500000) : 0;
    at[i] = below(100) < loss ? NO : now - shift;
  }
  return n;
}

static void test_round_trip(void) {
  static rtc_time_t at[N], got[N];
  uint64_t statuses = 0, messages = 0, wrong = 0;
  rtc_time_t worst = 0;
  for (int round = 0; round < 100000; round++) {
    int n = make_pattern(at);
    uint16_t base = below(3) ? (uint16_t)rnd() : (uint16_t)(65535 - below(64));
    uint8_t buf[1472];
    for (int from = 0; from < n; messages++) {
      size_t room = below(10) ? sizeof buf : 24 + below(300);
      rtc_wr_t w = rtc_wr(buf, room);
      int k = rtc_twccfb_write(&w, 1, 2, (uint16_t)(base + from), at + from, n - from, (uint8_t)messages);
      size_t len = rtc_wr_len(&w);
      rtc_twccfb_t fb = {0};
      if (k < 1 || len > room || len % 4 || len != ((size_t)rtc_get16(buf + 2) + 1) * 4 || read_message(buf, len, &fb, got, N) != 0 ||
          fb.n != k || fb.base != (uint16_t)(base + from) || fb.fb_count != (uint8_t)messages) {
        wrong++;
        break;
      }
      for (int i = 0; i < k; i++) {
        if ((got[i] == NO) != (at[from + i] == NO)) wrong++;
        if (got[i] == NO || at[from + i] == NO) continue;
        rtc_time_t diff = (got[i] - at[from + i]) % WRAP_US;
        if (diff > WRAP_US / 2) diff -= WRAP_US;
        if (diff < -WRAP_US / 2) diff += WRAP_US;
        if (diff < 0) diff = -diff;
        if (diff > worst) worst = diff;
      }
      statuses += (uint64_t)k;
      from += k;
    }
  }
  CHECK_EQ(wrong, 0);
  CHECK(worst <= 250);
  CHECK(worst > 0 && statuses > 5000000 && messages > 100000);
}

static void test_random(void) {
  int good = 0;
  for (int round = 0; round < 20000; round++) {
    for (size_t n = 0; n <= 64; n++) {
      uint8_t buf[64];
      rtc_time_t at[40];
      rtc_twccfb_t fb = {0};
      for (size_t i = 0; i < n; i++) buf[i] = (uint8_t)rnd();
      if (n >= 4) buf[0] = 0x80 | RTC_FB_TWCC, buf[1] = RTC_RTCP_RTPFB, rtc_put16(buf + 2, (uint16_t)(n / 4 - 1));
      if (n >= 16 && round % 2) buf[14] = 0; /* counts that the bytes may hold */
      int res = read_message(buf, n < 4 ? n : n - n % 4, &fb, at, 40);
      CHECK(res == RTC_EPROTO || (res == 0 && fb.n >= 1 && fb.n <= 40));
      good += res == 0;
    }
  }
  CHECK(good > 10000);
}

int main(void) {
  RUN(test_bytes);
  RUN(test_read_forms);
  RUN(test_chunk_choice);
  RUN(test_room);
  RUN(test_limits);
  RUN(test_round_trip);
  RUN(test_random);
  return CHECK_END();
}
