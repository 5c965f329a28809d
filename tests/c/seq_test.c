#include "base/seq.h"

#include "base/time.h"
#include "check.h"

static const int64_t refs[] = {-70000,          -1, 0, 1, 32767, 32768, 65535, 65536, INT32_MAX, (int64_t)INT32_MAX + 1, (int64_t)1 << 32,
                               (int64_t)1 << 47};
enum { REFS = sizeof refs / sizeof *refs };

static void seq_is_the_nearest_number(void) {
  for (int i = 0; i < REFS; i++) {
    int wrong = 0;
    for (int64_t d = -32768; d < 32768; d++) wrong += rtc_seq_near(refs[i], (uint16_t)(refs[i] + d)) != refs[i] + d;
    CHECK_EQ(wrong, 0);
  }
}

static void a_stream_unwraps_over_many_rounds(void) {
  for (int i = 0; i < REFS; i++) {
    int64_t at = refs[i];
    int wrong = 0;
    for (int64_t n = refs[i]; n < refs[i] + 1000000; n += 1 + (n & 7)) {
      at = rtc_seq_near(at, (uint16_t)n);
      wrong += at != n;
      wrong += rtc_seq_near(at, (uint16_t)(n - 100)) != n - 100; /* late, seen from the highest */
    }
    CHECK_EQ(wrong, 0);
  }
}

static void rtp_time_is_the_nearest_number(void) {
  static const int64_t steps[] = {INT32_MIN, -90000, -1, 0, 1, 3000, 90000, INT32_MAX};
  for (int i = 0; i < REFS; i++)
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
      CHECK_EQ(rtc_ts_near(refs[i], (uint32_t)(refs[i] + steps[s])), refs[i] + steps[s]);
  int64_t at = 0, n = 0;
  for (int i = 0; i < 100000; i++) { /* past 2^32 seventy times */
    n += 3000 * 1000;
    at = rtc_ts_near(at, (uint32_t)n);
  }
  CHECK_EQ(at, n);
}

static void ntp_conversions(void) {
  CHECK_EQ(rtc_ntp_from_unix_us(0) >> 32, 2208988800); /* 1900 to 1970 */
  CHECK_EQ(rtc_ntp_from_unix_us(500000) & 0xffffffffu, 0x80000000u);
  CHECK_EQ(rtc_ntp_diff_us(rtc_ntp_from_unix_us(1700000001250000), rtc_ntp_from_unix_us(1700000000000000)), 1250000);
  CHECK_EQ(rtc_ntp_diff_us(rtc_ntp_from_unix_us(1700000000000000), rtc_ntp_from_unix_us(1700000001250000)), -1250000);
  CHECK_EQ(rtc_ntp_compact(0x1122334455667788u), 0x33445566);
  static const int64_t moments[] = {0, 1, 999999, 1700000000123456, 2085978495999999, 2085978496000000, 4000000000000001};
  for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) CHECK_EQ(rtc_ntp_to_unix_us(rtc_ntp_from_unix_us(moments[i])), moments[i]);
  CHECK_EQ(rtc_ntp_to_unix_us(UINT64_C(1) << 32), 2085978497000000); /* a second into era 1 (RFC 5905 §6), in 2036 */
  CHECK_EQ(rtc_time_min(RTC_NEVER, RTC_MS(3)), 3000);
  CHECK_EQ(RTC_SEC(2), RTC_MS(2000));
}

int main(void) {
  RUN(seq_is_the_nearest_number);
  RUN(a_stream_unwraps_over_many_rounds);
  RUN(rtp_time_is_the_nearest_number);
  RUN(ntp_conversions);
  return CHECK_END();
}
