/* mark: numbers hidden in what looks random. */
#include "base/mark.h"

#include "check.h"

static const rtc_mark_key_t KEY = {0x0123456789abcdef, 0xfedcba9876543210}, OTHER = {0x0123456789abcdee, 0xfedcba9876543210};

static void what_is_written_is_read(void) {
  static const uint32_t numbers[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    for (uint64_t r = 0; r < 100; r++) {
      uint8_t b[RTC_MARK_LEN];
      rtc_mark_write(b, r * 0x9e3779b97f4a7c15u, numbers[i], &KEY);
      CHECK_EQ(rtc_mark_read(b, &KEY), numbers[i]);
    }
}

/* Another key, or any bit changed, gives another number; small numbers are not seen in the bytes. */
static void hidden_from_others(void) {
  uint8_t b[RTC_MARK_LEN], c[RTC_MARK_LEN];
  int right = 0, alike = 0;
  for (uint64_t r = 0; r < 1000; r++) {
    rtc_mark_write(b, r, 7, &KEY);
    right += rtc_mark_read(b, &OTHER) == 7;
    rtc_mark_write(c, r + 1, 7, &KEY);
    alike += rtc_get32(b + 8) == rtc_get32(c + 8);
    for (int bit = 0; bit < 96; bit++) {
      memcpy(c, b, sizeof c);
      c[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      right += rtc_mark_read(c, &KEY) == 7;
    }
  }
  CHECK_EQ(right, 0);
  CHECK_EQ(alike, 0);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(what_is_written_is_read);
  RUN(hidden_from_others);
  return CHECK_END();
}
