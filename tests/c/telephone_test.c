#include "wire/telephone.h"

#include "check.h"

static void written_and_parsed(void) {
  static const struct {
    rtc_telephone_t event;
    uint8_t bytes[RTC_TELEPHONE_LEN];
  } rows[] = {
      {{.code = 0, .volume = 0, .duration = 160}, {0, 0, 0, 160}},
      {{.code = 9, .volume = 7, .duration = 1600}, {9, 7, 6, 0x40}}, /* the example of RFC 4733 §2.3 with its end: */
      {{.code = 9, .end = true, .volume = 7, .duration = 1600}, {9, 0x87, 6, 0x40}},
      {{.code = 255, .end = true, .volume = 63, .duration = 65535}, {255, 0xbf, 255, 255}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t out[RTC_TELEPHONE_LEN];
    rtc_telephone_t e;
    rtc_telephone_write(&rows[i].event, out);
    CHECK_MEM(out, rows[i].bytes, sizeof out);
    CHECK_EQ(rtc_telephone_parse(&e, out, sizeof out), 0);
    CHECK(e.code == rows[i].event.code && e.end == rows[i].event.end && e.volume == rows[i].event.volume);
    CHECK_EQ(e.duration, rows[i].event.duration);
  }
}

static void what_is_none(void) {
  rtc_telephone_t e;
  static const uint8_t long_one[8] = {5, 0xca, 0, 80, 1, 2, 3, 4};
  for (size_t n = 0; n < RTC_TELEPHONE_LEN; n++) CHECK_EQ(rtc_telephone_parse(&e, long_one, n), RTC_EPROTO);
  CHECK_EQ(rtc_telephone_parse(&e, long_one, sizeof long_one), 0);
  CHECK(e.code == 5 && e.end && e.volume == 10 && e.duration == 80); /* the reserved bit says nothing */
}

int main(void) {
  RUN(written_and_parsed);
  RUN(what_is_none);
  return CHECK_END();
}
