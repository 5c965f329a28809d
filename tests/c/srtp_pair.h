/* srtp_pair: a sender and a receiver under one key, packets to pass between them, and snapshots of a receiver. */
#ifndef RTC_TESTS_SRTP_PAIR_H
#define RTC_TESTS_SRTP_PAIR_H

#include "base/bytes.h"
#include "check.h"
#include "proto/srtp.h"

static const rtc_srtp_profile_t profiles[4] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80,
                                               RTC_SRTP_AES_CM_128_HMAC_SHA1_32};
enum { ROOM = 256 };

typedef struct pair {
  rtc_srtp_t tx, rx;
} pair_t;

static inline void pair_init(pair_t *d, rtc_srtp_profile_t p) {
  uint8_t key[32], salt[14];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 11 + 1);
  for (size_t i = 0; i < sizeof salt; i++) salt[i] = (uint8_t)(i * 5 + 2);
  CHECK_EQ(rtc_srtp_init(&d->tx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 1), 0);
  CHECK_EQ(rtc_srtp_init(&d->rx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 0), 0);
}

static inline void pair_clear(pair_t *d) {
  rtc_srtp_clear(&d->tx);
  rtc_srtp_clear(&d->rx);
}

static inline uint64_t rnd(uint64_t *s) { /* splitmix64 */
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static inline size_t below(uint64_t *s, size_t n) { return (size_t)(rnd(s) % n); }

/* An RTP packet whose bytes follow from its index; every third has a CSRC, every fifth an extension. */
static inline size_t make_rtp(uint8_t *p, uint32_t ssrc, int64_t index) {
  size_t n = 12, payload = (size_t)(index * 7 % 64);
  memset(p, 0, n);
  p[0] = 0x80;
  p[1] = 96;
  rtc_put16(p + 2, (uint16_t)index);
  rtc_put32(p + 4, (uint32_t)index * 960);
  rtc_put32(p + 8, ssrc);
  if (index % 3 == 0) {
    p[0] |= 1;
    rtc_put32(p + n, 0xc5c5c5c5);
    n += 4;
  }
  if (index % 5 == 0) {
    p[0] |= 0x10;
    rtc_put32(p + n, 0xbede0001);
    rtc_put32(p + n + 4, (uint32_t)index);
    n += 8;
  }
  for (size_t i = 0; i < payload; i++) p[n++] = (uint8_t)(index * 31 + (int64_t)i);
  return n;
}

static inline size_t make_rtcp(uint8_t *p, uint32_t ssrc, uint32_t fill) {
  rtc_put32(p, 0x81c90007);
  rtc_put32(p + 4, ssrc);
  for (size_t i = 8; i < 32; i++) p[i] = (uint8_t)(fill + i);
  return 32;
}

/* Seals packet `index` of ssrc; the wire length. */
static inline size_t sealed(rtc_srtp_t *tx, uint8_t *p, uint32_t ssrc, int64_t index) {
  int n = rtc_srtp_protect(tx, p, make_rtp(p, ssrc, index), ROOM, index);
  CHECK(n > 0);
  return n > 0 ? (size_t)n : 0;
}

/* Opens a copy of p. */
static inline int opened(rtc_srtp_t *rx, const uint8_t *p, size_t n, int64_t *index) {
  uint8_t copy[ROOM];
  memcpy(copy, p, n);
  return rtc_srtp_unprotect(rx, copy, n, index);
}

/* Everything that a rejected packet must not have changed. */
typedef struct snapshot {
  rtc_srtp_t s;
  rtc_srtp_src_t src[RTC_SRTP_SSRC_MAX];
} snapshot_t;
static inline void snap(snapshot_t *out, const rtc_srtp_t *s) {
  memset(out, 0, sizeof *out);
  memcpy(&out->s, s, sizeof *s);
  if (s->src_n) memcpy(out->src, s->src, s->src_n * sizeof *s->src);
}
static inline void check_unchanged(const snapshot_t *before, const rtc_srtp_t *s) {
  rtc_srtp_t want;
  memcpy(&want, &before->s, sizeof want);
  want.gcm_rtp = s->gcm_rtp; /* any packet may have made the ciphers */
  want.gcm_rtcp = s->gcm_rtcp;
  CHECK_MEM(&want, s, sizeof *s);
  if (s->src_n) CHECK_MEM(before->src, s->src, s->src_n * sizeof *s->src);
}

#endif
