#include "base/bytes.h"

#include "check.h"

static const uint8_t eight[8] = {0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8};

static void numbers_are_big_endian(void) {
  CHECK_EQ(rtc_get16(eight), 0x8192);
  CHECK_EQ(rtc_get24(eight), 0x8192a3);
  CHECK_EQ(rtc_get32(eight), 0x8192a3b4u);
  CHECK(rtc_get64(eight) == 0x8192a3b4c5d6e7f8u);
  uint8_t out[8];
  rtc_put16(out, 0x8192);
  CHECK_MEM(out, eight, 2);
  rtc_put24(out, 0xff8192a3); /* the top byte is not written */
  CHECK_MEM(out, eight, 3);
  rtc_put32(out, 0x8192a3b4u);
  CHECK_MEM(out, eight, 4);
  rtc_put64(out, 0x8192a3b4c5d6e7f8u);
  CHECK_MEM(out, eight, 8);
}

/* Each reader at each length: the number when it fits; else zero, the error set, and nothing more to be had. */
static void a_failed_reader_stays_failed(void) {
  static const size_t need[] = {1, 2, 3, 4, 8};
  for (size_t i = 0; i < 5; i++) {
    for (size_t n = 0; n <= 8; n++) {
      uint8_t *p = malloc(n ? n : 1); /* exact, for the address sanitizer */
      memcpy(p, eight, n);
      rtc_rd_t r = rtc_rd(p, n);
      uint64_t v = need[i] == 1   ? rtc_rd8(&r)
                   : need[i] == 2 ? rtc_rd16(&r)
                   : need[i] == 3 ? rtc_rd24(&r)
                   : need[i] == 4 ? rtc_rd32(&r)
                                  : rtc_rd64(&r);
      if (n >= need[i]) {
        CHECK(v == rtc_get64(eight) >> (64 - 8 * need[i]));
        CHECK(!r.bad);
        CHECK_EQ(rtc_rd_left(&r), n - need[i]);
      } else {
        CHECK(v == 0);
        CHECK(r.bad);
        CHECK_EQ(rtc_rd_left(&r), 0);
        CHECK_EQ(rtc_rd8(&r), 0);
        CHECK(rtc_rd_take(&r, 0) == NULL);
        CHECK(rtc_rd_take(&r, 1) == NULL);
      }
      free(p);
    }
  }
  rtc_rd_t r = rtc_rd(eight, 8);
  CHECK(rtc_rd_take(&r, SIZE_MAX) == NULL);
  CHECK(r.bad);
}

static void a_full_writer_writes_nothing_more(void) {
  for (size_t cap = 0; cap <= 18; cap++) {
    uint8_t *p = malloc(cap ? cap : 1);
    rtc_wr_t w = rtc_wr(p, cap);
    rtc_wr8(&w, 0x81);
    rtc_wr16(&w, 0x8192);
    rtc_wr24(&w, 0x8192a3);
    rtc_wr32(&w, 0x8192a3b4u);
    rtc_wr64(&w, 0x8192a3b4c5d6e7f8u);
    size_t fits = cap >= 18 ? 18 : cap >= 10 ? 10 : cap >= 6 ? 6 : cap >= 3 ? 3 : cap >= 1 ? 1 : 0;
    CHECK_EQ(rtc_wr_len(&w), fits);
    CHECK_EQ(w.bad, cap < 18);
    CHECK_EQ(rtc_wr_left(&w), 0);
    size_t len = fits;
    rtc_wr8(&w, 1); /* would fit sometimes, but the writer has failed (or is full) */
    rtc_wr_bytes(&w, eight, 1);
    CHECK_EQ(rtc_wr_len(&w), len);
    CHECK(w.bad);
    static const size_t parts[] = {1, 2, 3, 4, 8};
    for (size_t i = 0, at = 0; i < 5 && at + parts[i] <= fits; at += parts[i++]) CHECK_MEM(p + at, eight, parts[i]);
    free(p);
  }
}

static void no_bytes_from_nowhere_are_no_error(void) {
  rtc_rd_t r = rtc_rd(NULL, 0);
  CHECK_EQ(rtc_rd_left(&r), 0);
  (void)rtc_rd_take(&r, 0);
  CHECK(!r.bad);
  CHECK_EQ(rtc_rd8(&r), 0);
  CHECK(r.bad);
  rtc_wr_t w = rtc_wr(NULL, 0);
  rtc_wr_bytes(&w, NULL, 0);
  CHECK(!w.bad);
  CHECK_EQ(rtc_wr_len(&w), 0);
  rtc_wr8(&w, 1);
  CHECK(w.bad);
}

int main(void) {
  RUN(numbers_are_big_endian);
  RUN(a_failed_reader_stays_failed);
  RUN(a_full_writer_writes_nothing_more);
  RUN(no_bytes_from_nowhere_are_no_error);
  return CHECK_END();
}
