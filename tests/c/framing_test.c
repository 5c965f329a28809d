#include "wire/framing.h"

#include "check.h"

static void lengths(void) {
  static const uint8_t p[] = {0x01, 0x02, 9};
  rtc_framed_t f;
  CHECK_EQ(rtc_framing_look(RTC_FRAMING_LENGTH, p, 0, &f), 0);
  CHECK_EQ(rtc_framing_look(RTC_FRAMING_LENGTH, p, 1, &f), 0);
  CHECK_EQ(rtc_framing_look(RTC_FRAMING_LENGTH, p, 2, &f), 1);
  CHECK(f.head == 2 && f.len == 0x102 && f.total == 0x104);
  CHECK_EQ(rtc_framing_look(RTC_FRAMING_LENGTH, (const uint8_t[]){0, 0}, 2, &f), 1);
  CHECK(f.head == 2 && f.len == 0 && f.total == 2);
  uint8_t head[RTC_FRAMING_HEAD_MAX];
  CHECK_EQ(rtc_framing_head(RTC_FRAMING_LENGTH, head, 0xfffe), 2);
  CHECK(head[0] == 0xff && head[1] == 0xfe);
  CHECK_EQ(rtc_framing_tail(RTC_FRAMING_LENGTH, p, 3), 0);
}

static void turn(void) {
  static const struct {
    uint8_t p[4];
    size_t n;
    int result;
    size_t len, total;
  } row[] = {
      {{0x00, 0x01, 0x00, 0x08}, 4, 1, 28, 28}, /* STUN: its header is 20 bytes */
      {{0x01, 0x01, 0x00, 0x00}, 4, 1, 20, 20},
      {{0x3f, 0xff, 0x00, 0x04}, 4, 1, 24, 24},
      {{0x00, 0x01, 0x00, 0x08}, 3, 0, 0, 0},
      {{0x00, 0x01, 0x00, 0x06}, 4, RTC_EPROTO, 0, 0}, /* attributes are padded */
      {{0x40, 0x00, 0x00, 0x05}, 4, 1, 9, 12},
      {{0x4f, 0xff, 0x00, 0x08}, 4, 1, 12, 12},
      {{0x40, 0x00, 0x00, 0x00}, 4, 1, 4, 4},
      {{0x40}, 1, 0, 0, 0},
      {{0x50, 0x00}, 2, RTC_EPROTO, 0, 0}, /* reserved since RFC 8656 */
      {{0x80}, 1, RTC_EPROTO, 0, 0},
      {{0}, 0, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    rtc_framed_t f = {0};
    CHECK_EQ(rtc_framing_look(RTC_FRAMING_TURN, row[i].p, row[i].n, &f), row[i].result);
    if (row[i].result == 1) CHECK(f.head == 0 && f.len == row[i].len && f.total == row[i].total);
  }
  static const uint8_t channel[8] = {0x40, 0, 0, 1, 7}, stun[20] = {0, 1};
  uint8_t head[RTC_FRAMING_HEAD_MAX];
  CHECK_EQ(rtc_framing_head(RTC_FRAMING_TURN, head, 5), 0);
  CHECK_EQ(rtc_framing_tail(RTC_FRAMING_TURN, channel, 5), 3);
  CHECK_EQ(rtc_framing_tail(RTC_FRAMING_TURN, channel, 6), 2);
  CHECK_EQ(rtc_framing_tail(RTC_FRAMING_TURN, channel, 8), 0); /* padded already */
  CHECK_EQ(rtc_framing_tail(RTC_FRAMING_TURN, stun, 20), 0);
}

int main(void) {
  RUN(lengths);
  RUN(turn);
  return CHECK_END();
}
