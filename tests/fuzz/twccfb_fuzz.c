/* twccfb: feedback as it comes, and arrival times of any kind written and read again.
 * Input: bit 0 of the first byte says which. Reading: cap (2 bytes), an RTCP packet. Writing: room (2), base (2), then per
 * packet a byte of kind and 0 to 4 of time step. */
#include "fuzz.h"
#include "wire/twccfb.h"

enum { STATUS_MAX = RTC_TWCC_MAX + 40, TICK_US = 250 };

static void read_one(rtc_rd_t *in) {
  int cap = rtc_rd16(in) % 4096;
  size_t n;
  const uint8_t *rest = fuzz_take(in, 65535, &n);
  uint8_t *p = fuzz_copy(rest, n), *block = fuzz_room((size_t)cap * sizeof(rtc_time_t));
  rtc_time_t *at = (rtc_time_t *)(void *)block;
  rtc_rd_t r = rtc_rd(p, n);
  rtc_rtcp_t b;
  while (rtc_rtcp_next(&r, &b) == 1) {
    rtc_twccfb_t fb;
    int got = rtc_twccfb_read(&b, &fb, at, cap);
    MUST(got == 0 || got == RTC_EPROTO);
    if (got == 0) {
      MUST(fb.n >= 1 && fb.n <= cap && fb.ref_us % 64000 == 0);
      for (int i = 0; i < fb.n; i++) MUST(at[i] == RTC_NEVER || (at[i] - fb.ref_us) % TICK_US == 0);
    }
  }
  fuzz_free(block, (size_t)cap * sizeof(rtc_time_t));
  fuzz_free(p, n);
}

static void write_one(rtc_rd_t *in) {
  static rtc_time_t at[STATUS_MAX], back[STATUS_MAX];
  size_t cap = rtc_rd16(in) % 6000;
  uint16_t base = rtc_rd16(in);
  rtc_time_t now = RTC_SEC(100);
  int n = 0;
  while (n < STATUS_MAX && rtc_rd_left(in) > 0) { /* a byte of kind: repetitions, then what */
    uint8_t kind = rtc_rd8(in);
    int64_t step = kind & 1 ? RTC_NEVER : kind & 2 ? (int16_t)rtc_rd16(in) : (int64_t)(int8_t)rtc_rd8(in) * (kind & 4 ? 100000 : 250);
    for (int times = 1 + (kind >> 3) * (kind & 4 ? 16 : 1); times && n < STATUS_MAX; times--)
      at[n++] = step == RTC_NEVER ? RTC_NEVER : (now += step);
  }
  uint8_t *p = fuzz_room(cap);
  rtc_wr_t w = rtc_wr(p, cap);
  int wrote = rtc_twccfb_write(&w, 1, 2, base, at, n, 3);
  MUST(wrote == RTC_ENOBUFS || wrote == RTC_EINVAL || (wrote >= 1 && wrote <= n));
  MUST((wrote == RTC_EINVAL) == (n == 0));
  if (wrote > 0) {
    rtc_rd_t r = rtc_rd(p, rtc_wr_len(&w));
    rtc_rtcp_t b;
    rtc_twccfb_t fb;
    MUST(rtc_rtcp_next(&r, &b) == 1 && rtc_rd_left(&r) == 0 && b.ssrc == 1 && b.media == 2);
    MUST(rtc_twccfb_read(&b, &fb, back, STATUS_MAX) == 0 && fb.n == wrote && fb.base == base && fb.fb_count == 3);
    const rtc_time_t turn = (rtc_time_t)64000 << 24; /* the wire has 24 bits of 64 ms */
    for (int i = 0; i < wrote; i++) {
      MUST((at[i] == RTC_NEVER) == (back[i] == RTC_NEVER));
      if (at[i] == RTC_NEVER) continue;
      rtc_time_t off = ((at[i] - back[i]) % turn + turn + turn / 2) % turn - turn / 2;
      MUST(off >= -TICK_US / 2 && off <= TICK_US / 2);
    }
  }
  fuzz_free(p, cap);
}

void fuzz_one(const uint8_t *data, size_t size) {
  rtc_rd_t in = rtc_rd(data, size);
  if (rtc_rd8(&in) & 1)
    write_one(&in);
  else
    read_one(&in);
}
