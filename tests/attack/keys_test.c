/* Attacks on SRTP and its keys: rows B1 to B5 and B7. */
#include "srtp_pair.h"

static bool is_gcm(int profile) { return profiles[profile] >= RTC_SRTP_AEAD_AES_128_GCM; }

/* B1: every length from 0 to 64, of garbage with plausible first bytes and of packets that are in order, in memory exactly as long. */
static void b1_short_packets(void) {
  uint64_t seed = 1;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    pair_init(&d, profiles[i]);
    int64_t index = 0, got;
    for (size_t n = 0; n <= 64; n++) {
      for (int round = 0; round < 64; round++) {
        uint8_t *p = malloc(n + RTC_SRTP_OVERHEAD);
        uint8_t *q = malloc(n ? n : 1);
        if (!p || !q) exit(2);
        for (size_t j = 0; j < n; j++) p[j] = q[j] = (uint8_t)rnd(&seed);
        if (n && round % 8) p[0] = q[0] = (uint8_t)(round % 2 ? 0x80 : 0x80 | (p[0] & 0x3f));
        int r = rtc_srtp_unprotect(&d.rx, q, n, &got); /* too short ends before any cipher */
        CHECK(n < 12 + rtc_srtp_tag_len(profiles[i]) ? r == RTC_EPROTO : r < 0);
        r = rtc_srtp_unprotect_rtcp(&d.rx, q, n);
        CHECK(n < (is_gcm(i) ? 28 : 22) ? r == RTC_EPROTO : r < 0);
        if (n >= 12) {
          rtc_put16(p + 2, (uint16_t)index);
          rtc_put32(p + 8, 0x1000 + (uint32_t)i);
        }
        r = rtc_srtp_protect(&d.tx, p, n, n + RTC_SRTP_OVERHEAD, index);
        CHECK(r == RTC_EPROTO || (n >= 12 && r == (int)(n + rtc_srtp_tag_len(profiles[i]))));
        if (r > 0) {
          CHECK_EQ(rtc_srtp_unprotect(&d.rx, p, (size_t)r, &got), n);
          CHECK_EQ(got, index++);
        } else {
          CHECK(n < 12 || round % 2 == 0); /* a plain header is always taken */
        }
        for (size_t j = 0; j < n; j++) p[j] = (uint8_t)rnd(&seed);
        if (n) p[0] = 0x80;
        if (n >= 8) rtc_put32(p + 4, 0x2000 + (uint32_t)i);
        r = rtc_srtp_protect_rtcp(&d.tx, p, n, n + RTC_SRTP_OVERHEAD);
        CHECK_EQ(r < 0, n < 8);
        if (r > 0) CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, p, (size_t)r), n);
        free(p);
        free(q);
      }
    }
    CHECK(index >= 53 * 32); /* half of the headers from 12 bytes on are plain */
    pair_clear(&d);
  }
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(b1_short_packets);
  return CHECK_END();
}
