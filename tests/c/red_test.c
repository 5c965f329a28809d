#include "wire/payload/red.h"

#include "base/bytes.h"
#include "check.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

/* The bytes on the heap in their exact size, so that a sanitizer sees any read past them. */
static int parse(rtc_red_t *r, const uint8_t *p, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  if (!copy) exit(2);
  if (n) memcpy(copy, p, n);
  int err = rtc_red_parse(r, copy, n);
  free(copy);
  return err;
}

static int parse_hex(rtc_red_t *r, const char *hex) {
  uint8_t p[256];
  return parse(r, p, check_hex(p, sizeof p, hex));
}

/* The example of RFC 2198 §7: DVI4 (5) behind LPC (7) of 20 ms before. Of the data only the lengths matter: 14 and 84 bytes. */
static void example(void) {
  uint8_t p[5 + 14 + 84] = {0x87, 0x02, 0x80, 0x0e, 0x05};
  rtc_red_t r;
  for (size_t i = 5; i < sizeof p; i++) p[i] = (uint8_t)i;
  CHECK_EQ(parse(&r, p, sizeof p), 0);
  CHECK_EQ(r.n, 2);
  CHECK(r.block[0].pt == 7 && r.block[0].back_ts == 160 && r.block[0].off == 5 && r.block[0].len == 14);
  CHECK(r.block[1].pt == 5 && r.block[1].back_ts == 0 && r.block[1].off == 19 && r.block[1].len == 84);
  uint8_t out[sizeof p];
  const rtc_red_part_t part = {.pt = 7, .back_ts = 160, .len = 14, .p = p + 5};
  CHECK_EQ(rtc_red_write(out, sizeof out, &part, 1, 5), 19);
  CHECK_MEM(out, p, 19);
}

static void forms(void) {
  rtc_red_t r;
  /* Nothing is repeated. */
  CHECK_EQ(parse_hex(&r, "6f aa bb"), 0);
  CHECK(r.n == 1 && r.block[0].pt == 111 && r.block[0].off == 1 && r.block[0].len == 2);
  /* As browsers have it: Opus of 20 and 40 ms before. */
  CHECK_EQ(parse_hex(&r, "ef 1e 00 02 ef 0f 00 01 6f a1 a2 b1 c1 c2 c3"), 0);
  CHECK_EQ(r.n, 3);
  CHECK(r.block[0].back_ts == 1920 && r.block[0].off == 9 && r.block[0].len == 2);
  CHECK(r.block[1].back_ts == 960 && r.block[1].off == 11 && r.block[1].len == 1);
  CHECK(r.block[2].back_ts == 0 && r.block[2].off == 12 && r.block[2].len == 3);
  /* All bits of both fields; nothing is left for the packet's own. */
  uint8_t p[4 + 1 + 1023] = {0xff, 0xff, 0xff, 0xff, 0x7f};
  CHECK_EQ(parse(&r, p, sizeof p), 0);
  CHECK(r.block[0].pt == 127 && r.block[0].back_ts == RTC_RED_BACK_MAX && r.block[0].len == RTC_RED_BLOCK_MAX);
  CHECK(r.block[1].off == sizeof p && r.block[1].len == 0);
  CHECK_EQ(parse_hex(&r, "ef 0f 00 00 6f"), 0); /* an empty block is one */
  CHECK(r.n == 2 && r.block[0].len == 0 && r.block[1].len == 0);
}

static void malformed(void) {
  static const char *const t[] = {
      "",
      "ef",                /* a head that is cut */
      "ef 0f 00",          /* .. */
      "ef 0f 00 01",       /* the last head is missing */
      "ef 0f 00 01 6f",    /* the block is */
      "ef 0f 00 02 6f aa", /* part of it is */
      "ef 0f 00 01 ef 0f 00 01 6f aa",
  };
  rtc_red_t r;
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) CHECK_EQ(parse_hex(&r, t[i]), RTC_EPROTO);
  uint8_t p[4 * RTC_RED_BLOCKS + 1] = {0};
  for (size_t i = 0; i < RTC_RED_BLOCKS; i++) p[4 * i] = 0xef;
  p[4 * RTC_RED_BLOCKS] = 0x6f;
  CHECK_EQ(parse(&r, p, sizeof p), RTC_EPROTO);
  CHECK_EQ(parse(&r, p + 4, sizeof p - 4), 0); /* the most */
  CHECK_EQ(r.n, RTC_RED_BLOCKS);
  static uint8_t long_one[UINT16_MAX + 1];
  CHECK_EQ(rtc_red_parse(&r, long_one, sizeof long_one), RTC_EPROTO);
  CHECK_EQ(rtc_red_parse(&r, long_one, UINT16_MAX), 0);
}

static void refused(void) {
  uint8_t data[RTC_RED_BLOCK_MAX + 1] = {0}, out[64];
  const rtc_red_part_t good = {.pt = 111, .back_ts = 960, .len = 10, .p = data};
  rtc_red_part_t t[RTC_RED_BLOCKS];
  for (size_t i = 0; i < RTC_RED_BLOCKS; i++) t[i] = good;
  CHECK_EQ(rtc_red_write(out, sizeof out, t, RTC_RED_BLOCKS, 111), RTC_EINVAL);
  CHECK_EQ(rtc_red_write(out, sizeof out, t, 1, 128), RTC_EINVAL);
  t[0].pt = 128;
  CHECK_EQ(rtc_red_write(out, sizeof out, t, 1, 111), RTC_EINVAL);
  t[0] = good;
  t[0].back_ts = RTC_RED_BACK_MAX + 1;
  CHECK_EQ(rtc_red_write(out, sizeof out, t, 1, 111), RTC_EINVAL);
  t[0] = good;
  t[0].len = RTC_RED_BLOCK_MAX + 1;
  CHECK_EQ(rtc_red_write(out, sizeof out, t, 1, 111), RTC_EINVAL);
  for (size_t cap = 0; cap < 15; cap++) CHECK_EQ(rtc_red_write(out, cap, &good, 1, 111), RTC_ENOBUFS);
  CHECK_EQ(rtc_red_write(out, 15, &good, 1, 111), 15);
  CHECK_EQ(rtc_red_write(out, 1, NULL, 0, 111), 1);
}

/* What is written is read again, and cut anywhere it is refused, or its own block is shorter. */
static void round_trips(void) {
  for (int round = 0; round < 2000; round++) {
    uint8_t data[300], packet[RTC_RED_BLOCKS * 304 + 300];
    rtc_red_part_t part[RTC_RED_BLOCKS];
    size_t n = below(4) ? below(3) : below(RTC_RED_BLOCKS), own = below(200), kept = 0;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)below(256);
    for (size_t i = 0; i < n; i++) {
      size_t from = below(100);
      part[i] = (rtc_red_part_t){
          .pt = (uint8_t)below(128), .back_ts = (uint16_t)below(RTC_RED_BACK_MAX + 1), .len = (uint16_t)below(200), .p = data + from};
      kept += part[i].len;
    }
    uint8_t pt = (uint8_t)below(128);
    int front = rtc_red_write(packet, sizeof packet, part, n, pt);
    CHECK_EQ(front, 4 * n + 1 + kept);
    memcpy(packet + front, data, own);
    rtc_red_t r;
    size_t len = (size_t)front + own;
    CHECK_EQ(parse(&r, packet, len), 0);
    CHECK_EQ(r.n, n + 1);
    for (size_t i = 0; i < n; i++) {
      CHECK(r.block[i].pt == part[i].pt && r.block[i].back_ts == part[i].back_ts && r.block[i].len == part[i].len);
      CHECK_MEM(packet + r.block[i].off, part[i].p, part[i].len);
    }
    CHECK(r.block[n].pt == pt && r.block[n].off == front && r.block[n].len == own);
    size_t cut = below((uint32_t)len);
    CHECK_EQ(parse(&r, packet, cut), cut < (size_t)front ? RTC_EPROTO : 0);
  }
}

int main(void) {
  RUN(example);
  RUN(forms);
  RUN(malformed);
  RUN(refused);
  RUN(round_trips);
  return CHECK_END();
}
