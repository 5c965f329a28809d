/* proto/srtp: the rules of the index: estimate, limits, replay, roll-over, eviction. The long runs against a reference model:
 * tests/attack/keys_test.c. */
#include "srtp_pair.h"

/* RFC 3711 §3.3.1 as it is written there, roll-over kept at 0 or above. */
static int64_t rfc_estimate(int64_t top, uint16_t seq) {
  int64_t roc = top >> 16, s_l = top & 0xffff, v = roc;
  if (s_l < 32768) {
    if (seq - s_l > 32768) v = roc - 1;
  } else {
    if (s_l - 32768 > seq) v = roc + 1;
  }
  return (v < 0 ? 0 : v) << 16 | seq;
}

static void estimate_is_rfc(void) {
  static const int64_t tops[] = {0, 1, 32767, 32768, 32769, 65534, 65535, 65536, 98303, 98304, 0x7fffffff, 0x80000000, 0xffffffff7fff};
  pair_t d;
  uint8_t p[ROOM];
  pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
  size_t n = make_rtp(p, 3, 4);
  CHECK_EQ(rtc_srtp_estimate(&d.tx, p, n), 4);
  sealed(&d.tx, p, 3, 4);
  for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
    long wrong = 0;
    d.tx.src[0].rtp.top = tops[i];
    for (int seq = 0; seq < 65536; seq++) {
      rtc_put16(p + 2, (uint16_t)seq);
      wrong += rtc_srtp_estimate(&d.tx, p, n) != rfc_estimate(tops[i], (uint16_t)seq);
    }
    CHECK_EQ(wrong, 0);
  }
  CHECK_EQ(rtc_srtp_estimate(&d.tx, p, 11), RTC_EPROTO);
  p[0] = 0x40;
  CHECK_EQ(rtc_srtp_estimate(&d.tx, p, n), RTC_EPROTO);
  pair_clear(&d);
}

static void protect_refuses(void) {
  const int64_t limit = INT64_C(1) << 48;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    uint8_t p[ROOM];
    pair_init(&d, profiles[i]);
    size_t n = make_rtp(p, 8, 65535);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, 65534), RTC_EINVAL); /* not the header's sequence number */
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, -1), RTC_EINVAL);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, n + RTC_SRTP_OVERHEAD - 1, 65535), RTC_ENOBUFS);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, limit + 65535), RTC_ESTATE);
    CHECK_EQ(d.tx.src_n, 0);
    CHECK_EQ(rtc_srtp_protect(&d.rx, p, n, ROOM, 65535), RTC_ESTATE); /* the other direction's object */
    for (int64_t start = 65535; start < limit; start = start * 2 + 1) {
      sealed(&d.tx, p, 9, start);
      if (start > 65535) sealed(&d.tx, p, 9, start - 1023); /* the window's last place */
      n = make_rtp(p, 9, start);
      CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, start), RTC_EREPLAY);
      n = make_rtp(p, 9, start - 1024);
      CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, start - 1024), RTC_EREPLAY);
    }
    sealed(&d.tx, p, 10, limit - 1);
    n = make_rtp(p, 10, limit);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, limit), RTC_ESTATE);

    n = make_rtcp(p, 8, 0);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.rx, p, n, ROOM), RTC_ESTATE);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, n, n + RTC_SRTP_OVERHEAD - 1), RTC_ENOBUFS);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, n, ROOM) > 0, 1);
    rtc_srtp_src_t *src = &d.tx.src[d.tx.src_n - 1];
    CHECK_EQ(src->rtcp_index, 1);
    src->rtcp_index = 0x7fffffff; /* the last one */
    n = make_rtcp(p, 8, 0);
    int rn = rtc_srtp_protect_rtcp(&d.tx, p, n, ROOM);
    CHECK(rn > 0);
    CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, p, (size_t)rn), n);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, n, ROOM), RTC_ESTATE);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, n, ROOM), RTC_ESTATE);
    for (uint32_t ssrc = 100; d.tx.src_n < RTC_SRTP_SSRC_MAX; ssrc++) sealed(&d.tx, p, ssrc, 1);
    n = make_rtp(p, 99, 1);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, n, ROOM, 1), RTC_ENOBUFS);
    n = make_rtcp(p, 99, 1);
    CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, n, ROOM), RTC_ENOBUFS);
    sealed(&d.tx, p, 100, 2); /* those that are known go on */
    pair_clear(&d);
  }
}

static void unprotect_at_the_limit(void) {
  const int64_t last = (INT64_C(1) << 48) - 1;
  pair_t d;
  uint8_t p[ROOM];
  int64_t got;
  pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
  size_t n = sealed(&d.tx, p, 1, 1);
  CHECK(opened(&d.rx, p, n, &got) > 0);
  d.rx.src[0].rtp.top = last - 2;
  n = sealed(&d.tx, p, 1, last);
  CHECK(opened(&d.rx, p, n, &got) > 0);
  CHECK_EQ(got, last);
  rtc_put16(p + 2, 0);
  CHECK_EQ(opened(&d.rx, p, n, &got), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_protect(&d.rx, p, n, ROOM, last), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_unprotect(&d.tx, p, n, &got), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.tx, p, n), RTC_ESTATE);
  pair_clear(&d);
}

/* The first packet that arrives may be of roll-over 0 or 1, also when forgeries or RTCP came first. */
static void first_roll_over(void) {
  static const int64_t firsts[] = {0, 1, 32767, 32768, 65535, 65536, 65541, 98304, 131071, 131072, 0x7fffffff};
  for (int i = 0; i < 4; i++) {
    for (size_t k = 0; k < sizeof firsts / sizeof firsts[0]; k++) {
      pair_t d;
      snapshot_t before;
      uint8_t p[ROOM], q[ROOM];
      int64_t got = -7, first = firsts[k];
      pair_init(&d, profiles[i]);
      size_t n = sealed(&d.tx, p, 77, first), plain = make_rtp(q, 77, first);
      if (k % 2) {
        uint8_t r[ROOM];
        int rn = rtc_srtp_protect_rtcp(&d.tx, r, make_rtcp(r, 77, 1), sizeof r);
        CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, r, (size_t)rn), 32);
      }
      snap(&before, &d.rx);
      p[n - 1] ^= 1;
      CHECK_EQ(opened(&d.rx, p, n, &got), RTC_EAUTH);
      p[n - 1] ^= 1;
      CHECK_EQ(got, -7);
      check_unchanged(&before, &d.rx);
      int r = rtc_srtp_unprotect(&d.rx, p, n, &got);
      if (first >= 131072) {
        CHECK_EQ(r, RTC_EAUTH);
        check_unchanged(&before, &d.rx);
      } else {
        CHECK_EQ(r, plain);
        CHECK_EQ(got, first);
        CHECK_MEM(p, q, plain);
        n = sealed(&d.tx, p, 77, first + 30000);
        CHECK(opened(&d.rx, p, n, &got) >= 0);
        CHECK_EQ(got, first + 30000);
      }
      pair_clear(&d);
    }
  }
}

/* At the cap of SSRCs the idlest goes; what it had sent stays unusable, and it goes on where it was. */
static void eviction(void) {
  for (int i = 0; i < 4; i++) {
    enum { TOTAL = RTC_SRTP_SSRC_MAX + 36 };
    static uint8_t old[TOTAL][ROOM], old_rtcp[TOTAL][ROOM];
    size_t len[TOTAL], rtcp_len[TOTAL];
    uint8_t p[ROOM];
    int64_t got;
    pair_t d[2]; /* two senders, since one may not have so many SSRCs */
    pair_init(&d[0], profiles[i]);
    pair_init(&d[1], profiles[i]);
    rtc_srtp_t *rx = &d[0].rx;
    for (uint32_t k = 0; k < TOTAL; k++) {
      rtc_srtp_t *tx = &d[k >= TOTAL / 2].tx;
      int64_t top = 140000 + (int64_t)k * 3; /* roll-over 2, which no first packet may have: three steps to it */
      for (int64_t at = top - 90000; at <= top; at += 30000) {
        len[k] = sealed(tx, old[k], k, at);
        CHECK(opened(rx, old[k], len[k], &got) >= 0);
        CHECK_EQ(got, at);
      }
      rtcp_len[k] = (size_t)rtc_srtp_protect_rtcp(tx, old_rtcp[k], make_rtcp(old_rtcp[k], k, k), ROOM);
      memcpy(p, old_rtcp[k], rtcp_len[k]);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(rx, p, rtcp_len[k]), 32);
    }
    CHECK_EQ(rx->src_n, RTC_SRTP_SSRC_MAX);
    CHECK_EQ(rx->gone_n, TOTAL - RTC_SRTP_SSRC_MAX);
    for (uint32_t k = 0; k < TOTAL; k++) { /* evicted or not: no replay */
      CHECK_EQ(opened(rx, old[k], len[k], &got), RTC_EREPLAY);
      memcpy(p, old_rtcp[k], rtcp_len[k]);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(rx, p, rtcp_len[k]), RTC_EREPLAY);
    }
    CHECK_EQ(rx->gone_n, TOTAL - RTC_SRTP_SSRC_MAX);
    for (int round = 0; round < 3; round++) {
      for (uint32_t k = 0; k < TOTAL; k++) { /* all take turns; each keeps its roll-over and its windows */
        int64_t next = 140000 + (int64_t)k * 3 + 1 + round;
        size_t n = sealed(&d[k >= TOTAL / 2].tx, p, k, next);
        CHECK(opened(rx, p, n, &got) >= 0);
        CHECK_EQ(got, next);
        CHECK_EQ(opened(rx, p, n, &got), RTC_EREPLAY);
        CHECK_EQ(opened(rx, old[k], len[k], &got), RTC_EREPLAY);
      }
    }
    CHECK_EQ(rx->src_n, RTC_SRTP_SSRC_MAX);
    CHECK_EQ(rx->gone_n, TOTAL - RTC_SRTP_SSRC_MAX);
    pair_clear(&d[0]);
    pair_clear(&d[1]);
  }
}

static int follows(const rtc_srtp_t *s, uint32_t ssrc) {
  for (uint32_t i = 0; i < s->src_n; i++)
    if (s->src[i].ssrc == ssrc) return 1;
  return 0;
}

/* What is in use stays: of 64 only those heard of longest ago make room, RTP and RTCP alike. */
static void the_idlest_goes(void) {
  pair_t d, e;
  uint8_t p[ROOM];
  int64_t got;
  pair_init(&d, RTC_SRTP_AES_CM_128_HMAC_SHA1_80);
  pair_init(&e, RTC_SRTP_AES_CM_128_HMAC_SHA1_80);
  for (uint32_t k = 0; k < RTC_SRTP_SSRC_MAX; k++) {
    size_t n = sealed(&d.tx, p, k, 0);
    CHECK(opened(&d.rx, p, n, &got) >= 0);
  }
  for (uint32_t k = 0; k < RTC_SRTP_SSRC_MAX / 2; k++) { /* the first half speaks again: 0 by RTP, 1 by RTCP, .. */
    size_t n = k % 2 ? (size_t)rtc_srtp_protect_rtcp(&d.tx, p, make_rtcp(p, k, k), ROOM) : sealed(&d.tx, p, k, 1);
    CHECK((k % 2 ? rtc_srtp_unprotect_rtcp(&d.rx, p, n) : rtc_srtp_unprotect(&d.rx, p, n, &got)) >= 0);
  }
  for (uint32_t k = 0; k < RTC_SRTP_SSRC_MAX / 2; k++) {
    size_t n = sealed(&e.tx, p, 1000 + k, 0);
    CHECK(opened(&d.rx, p, n, &got) >= 0);
    CHECK(!follows(&d.rx, RTC_SRTP_SSRC_MAX / 2 + k));
    for (uint32_t j = 0; j < RTC_SRTP_SSRC_MAX / 2; j++) CHECK(follows(&d.rx, j) && (j > k || follows(&d.rx, 1000 + j)));
  }
  pair_clear(&d);
  pair_clear(&e);
}

static void ssrc_floods(void) {
  pair_t d;
  snapshot_t before;
  uint8_t p[ROOM];
  int64_t got;
  pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
  size_t n = sealed(&d.tx, p, 0, 0);
  CHECK(opened(&d.rx, p, n, &got) >= 0);
  snap(&before, &d.rx);
  for (uint32_t k = 1; k < 20000; k++) { /* forged: no place is taken */
    rtc_put32(p + 8, k);
    CHECK_EQ(opened(&d.rx, p, n, &got), RTC_EAUTH);
  }
  check_unchanged(&before, &d.rx);

  /* Valid: as many as can be remembered, the rest refused, memory bounded, those known go on. */
  enum { KNOWN = RTC_SRTP_SSRC_MAX + RTC_SRTP_GONE_MAX };
  rtc_srtp_t tx = {0};
  int refused = 0;
  for (uint32_t k = 1; k < 3000; k++) {
    if (k % RTC_SRTP_SSRC_MAX == 1) { /* a sender follows so many; take a new one */
      rtc_srtp_clear(&tx);
      pair_t e;
      pair_init(&e, RTC_SRTP_AEAD_AES_128_GCM);
      tx = e.tx;
      rtc_srtp_clear(&e.rx);
    }
    n = sealed(&tx, p, k, 5);
    int r = opened(&d.rx, p, n, &got);
    CHECK_EQ(r < 0 ? r : 0, k < KNOWN ? 0 : RTC_ENOBUFS);
    refused += r < 0;
  }
  CHECK_EQ(refused, 3000 - KNOWN);
  CHECK_EQ(d.rx.src_cap, RTC_SRTP_SSRC_MAX);
  CHECK_EQ(d.rx.gone_cap, RTC_SRTP_GONE_MAX);
  n = sealed(&d.tx, p, 0, 1);
  CHECK(opened(&d.rx, p, n, &got) >= 0);
  n = sealed(&d.tx, p, 1, 6);
  CHECK(opened(&d.rx, p, n, &got) >= 0);
  rtc_srtp_clear(&tx);
  pair_clear(&d);
}

/* Each window ends where it should, also of SSRCs that take the place of others, and of one that comes again. */
static void windows_of_another_size(void) {
  static const uint32_t sizes[] = {64, 1000, 1024, 1025, 32768};
  enum { TOP = 40000 };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    pair_t d;
    uint8_t beyond[ROOM], edge[ROOM], top[ROOM];
    int64_t got, size = sizes[i];
    pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
    CHECK_EQ(rtc_srtp_window(&d.rx, 63), RTC_EINVAL);
    CHECK_EQ(rtc_srtp_window(&d.rx, 32769), RTC_EINVAL);
    CHECK_EQ(rtc_srtp_window(&d.tx, 64), RTC_ESTATE);
    CHECK_EQ(rtc_srtp_window(&d.rx, sizes[i]), 0);
    for (uint32_t ssrc = 0; ssrc < RTC_SRTP_SSRC_MAX + 10; ssrc++) {
      size_t beyond_n = sealed(&d.tx, beyond, ssrc, TOP - size), edge_n = sealed(&d.tx, edge, ssrc, TOP - size + 1);
      size_t top_n = sealed(&d.tx, top, ssrc, TOP);
      rtc_srtp_end(&d.tx, ssrc);
      CHECK(opened(&d.rx, top, top_n, &got) > 0);
      CHECK_EQ(opened(&d.rx, beyond, beyond_n, &got), RTC_EREPLAY);
      CHECK(opened(&d.rx, edge, edge_n, &got) > 0);
      CHECK_EQ(got, TOP - size + 1);
      CHECK_EQ(opened(&d.rx, edge, edge_n, &got), RTC_EREPLAY);
    }
    CHECK_EQ(rtc_srtp_window(&d.rx, 64), RTC_ESTATE); /* too late */
    pair_t again;
    pair_init(&again, RTC_SRTP_AEAD_AES_128_GCM);
    size_t edge_n = sealed(&again.tx, edge, 0, TOP - 5), top_n = sealed(&again.tx, top, 0, TOP + 2);
    CHECK_EQ(opened(&d.rx, edge, edge_n, &got), RTC_EREPLAY); /* above the highest alone */
    CHECK(opened(&d.rx, top, top_n, &got) > 0);
    CHECK_EQ(opened(&d.rx, edge, edge_n, &got), RTC_EREPLAY);
    pair_clear(&again);
    pair_clear(&d);
  }
}

int main(void) {
  RUN(estimate_is_rfc);
  RUN(protect_refuses);
  RUN(unprotect_at_the_limit);
  RUN(first_roll_over);
  RUN(eviction);
  RUN(the_idlest_goes);
  RUN(ssrc_floods);
  RUN(windows_of_another_size);
  return CHECK_END();
}
