/* srtp: one sender, one receiver and the network between them, against a model of what may be taken. Noise and changed packets
 * never pass and change nothing; a packet passes once; one that lies in the window passes.
 * Input: profile (1 byte), then operations: what (1), its bytes. */
#include "fuzz.h"
#include "proto/srtp.h"

enum { PACKETS = 32, PLAIN_MAX = 600, SSRCS = 3, OPERATIONS = 300, NEAR = 512 };

typedef struct sealed {
  bool rtcp, taken;
  uint32_t ssrc;
  int64_t index;
  size_t plain_n, n;
  uint8_t plain[PLAIN_MAX], wire[PLAIN_MAX + RTC_SRTP_OVERHEAD];
} sealed_t;

typedef struct world {
  rtc_srtp_t tx, rx;
  sealed_t packet[PACKETS];
  int n;
  int64_t at[SSRCS]; /* the sender's next index */
} world_t;

static world_t w;

static const rtc_srtp_src_t *src_of(const rtc_srtp_t *s, uint32_t ssrc) {
  for (uint32_t i = 0; i < s->src_n; i++)
    if (s->src[i].ssrc == ssrc) return &s->src[i];
  return NULL;
}

static int unprotect(bool rtcp, const uint8_t *wire, size_t n, uint8_t **plain, int64_t *index) {
  *plain = fuzz_copy(wire, n);
  *index = -1;
  return rtcp ? rtc_srtp_unprotect_rtcp(&w.rx, *plain, n) : rtc_srtp_unprotect(&w.rx, *plain, n, index);
}

/* What nobody with the key has made. */
static void forged(bool rtcp, const uint8_t *wire, size_t n) {
  uint8_t *plain;
  int64_t index;
  rtc_srtp_src_t before[SSRCS];
  uint32_t src_n = w.rx.src_n;
  MUST(src_n <= SSRCS);
  if (src_n) memcpy(before, w.rx.src, src_n * sizeof before[0]);
  int r = unprotect(rtcp, wire, n, &plain, &index);
  MUST(r == RTC_EPROTO || r == RTC_EAUTH || r == RTC_EREPLAY);
  MUST(w.rx.src_n == src_n && w.rx.gone_n == 0);
  if (src_n) MUST(memcmp(before, w.rx.src, src_n * sizeof before[0]) == 0);
  fuzz_free(plain, n);
}

static void seal(rtc_rd_t *r, bool rtcp) {
  if (w.n == PACKETS) return;
  sealed_t *k = &w.packet[w.n];
  uint8_t pick = rtc_rd8(r);
  uint16_t jump = rtc_rd16(r);
  size_t n;
  const uint8_t *bytes = fuzz_take(r, rtc_rd16(r) % PLAIN_MAX, &n);
  *k = (sealed_t){.rtcp = rtcp, .ssrc = pick % SSRCS, .plain_n = n};
  if (n) memcpy(k->plain, bytes, n);
  int64_t index = w.at[k->ssrc] + (pick & 0x80 ? -(int64_t)(jump % 64) : pick & 0x40 ? jump : 0);
  if (index < 0) index = 0;
  if (n) k->plain[0] = (uint8_t)(0x80 | (k->plain[0] & 0x3f));
  if (n >= 12 && !rtcp) rtc_put16(k->plain + 2, (uint16_t)index), rtc_put32(k->plain + 8, k->ssrc);
  if (n >= 8 && rtcp) rtc_put32(k->plain + 4, k->ssrc);
  size_t cap = n + RTC_SRTP_OVERHEAD - (pick >> 3 & 1);
  uint8_t *p = fuzz_room(cap);
  if (n) memcpy(p, k->plain, n);
  int got = rtcp ? rtc_srtp_protect_rtcp(&w.tx, p, n, cap) : rtc_srtp_protect(&w.tx, p, n, cap, index);
  MUST(got < 0 || ((size_t)got <= cap && (size_t)got > n && cap == n + RTC_SRTP_OVERHEAD));
  for (int i = 0; !rtcp && i < w.n; i++) /* an index is used once */
    MUST(got < 0 || w.packet[i].rtcp || w.packet[i].ssrc != k->ssrc || w.packet[i].index != index);
  if (got > 0) {
    MUST(memcmp(p, k->plain, rtcp ? 8 : 12) == 0);
    memcpy(k->wire, p, (size_t)got);
    k->n = (size_t)got;
    k->index = index;
    if (!rtcp && index >= w.at[k->ssrc]) w.at[k->ssrc] = index + 1;
    w.n++;
  }
  fuzz_free(p, cap);
}

/* A genuine packet arrives: late, early, again. */
static void deliver(sealed_t *k) {
  uint8_t *plain;
  int64_t index;
  const rtc_srtp_src_t *src = src_of(&w.rx, k->ssrc);
  int64_t top = !src ? -1 : k->rtcp ? -1 : src->rtp.top;
  bool due = !k->rtcp && !k->taken && (top < 0 ? k->index < 1 << 16 : k->index > top - NEAR && k->index < top + NEAR);
  int r = unprotect(k->rtcp, k->wire, k->n, &plain, &index);
  MUST(r >= 0 || r == RTC_EAUTH || r == RTC_EREPLAY);
  MUST(!(k->taken && r >= 0));
  MUST(!due || r >= 0);
  if (r >= 0) {
    MUST((size_t)r == k->plain_n && memcmp(plain, k->plain, k->plain_n) == 0);
    MUST(k->rtcp || index == k->index);
    k->taken = true;
  }
  fuzz_free(plain, k->n);
}

static void deliver_changed(const sealed_t *k, rtc_rd_t *r) {
  uint8_t wire[sizeof k->wire + 16];
  uint16_t where = rtc_rd16(r);
  uint8_t how = rtc_rd8(r);
  size_t n = k->n;
  memcpy(wire, k->wire, n);
  if (how >> 6 == 0) {
    n -= 1 + where % n;
  } else if (how >> 6 == 1) {
    memset(wire + n, how, 1 + where % 16);
    n += 1 + where % 16;
  } else {
    wire[where % n] ^= (uint8_t)(how & 0x7f ? how & 0x7f : 0x80);
  }
  forged(k->rtcp, wire, n);
}

static void operation(rtc_rd_t *r) {
  size_t n;
  uint8_t what = rtc_rd8(r);
  sealed_t *k = w.n ? &w.packet[(what >> 3) % w.n] : NULL;
  switch (what & 7) {
    case 0:
    case 1: {
      size_t most = rtc_rd16(r) % 1500;
      const uint8_t *p = fuzz_take(r, most, &n);
      if (n) forged(what & 1, p, n);
      return;
    }
    case 2:
    case 3:
      seal(r, false);
      return;
    case 4:
      seal(r, true);
      return;
    case 5:
    case 6:
      if (k) deliver(k);
      return;
    default:
      if (k) deliver_changed(k, r);
  }
}

void fuzz_one(const uint8_t *data, size_t size) {
  static const rtc_srtp_profile_t profiles[] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80};
  static const uint8_t key[32] = {7}, salt[14] = {9};
  rtc_rd_t r = rtc_rd(data, size);
  rtc_srtp_profile_t p = profiles[rtc_rd8(&r) % 3]; /* 32-bit tags can be guessed by chance: not here */
  memset(&w, 0, sizeof w);
  if (rtc_srtp_init(&w.tx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 1) < 0 ||
      rtc_srtp_init(&w.rx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 0) < 0)
    abort();
  for (int i = 0; i < OPERATIONS && rtc_rd_left(&r); i++) operation(&r);
  rtc_srtp_clear(&w.tx);
  rtc_srtp_clear(&w.rx);
}
