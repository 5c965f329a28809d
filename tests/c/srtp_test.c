/* proto/srtp: the RFCs' vectors, hostile input, index rules, and a long run against a reference model. */
#include "proto/srtp.h"

#include "base/bytes.h"
#include "check.h"

static const rtc_srtp_profile_t profiles[4] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80,
                                               RTC_SRTP_AES_CM_128_HMAC_SHA1_32};
enum { ROOM = 256 };

typedef struct pair {
  rtc_srtp_t tx, rx;
} pair_t;

static void pair_init(pair_t *d, rtc_srtp_profile_t p) {
  uint8_t key[32], salt[14];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 11 + 1);
  for (size_t i = 0; i < sizeof salt; i++) salt[i] = (uint8_t)(i * 5 + 2);
  CHECK_EQ(rtc_srtp_init(&d->tx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 1), 0);
  CHECK_EQ(rtc_srtp_init(&d->rx, p, key, rtc_srtp_key_len(p), salt, rtc_srtp_salt_len(p), 0), 0);
}

static void pair_clear(pair_t *d) {
  rtc_srtp_clear(&d->tx);
  rtc_srtp_clear(&d->rx);
}

static uint64_t rnd(uint64_t *s) { /* splitmix64 */
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static size_t below(uint64_t *s, size_t n) { return (size_t)(rnd(s) % n); }

/* An RTP packet whose bytes follow from its index; every third has a CSRC, every fifth an extension. */
static size_t make_rtp(uint8_t *p, uint32_t ssrc, int64_t index) {
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

static size_t make_rtcp(uint8_t *p, uint32_t ssrc, uint32_t fill) {
  rtc_put32(p, 0x81c90007);
  rtc_put32(p + 4, ssrc);
  for (size_t i = 8; i < 32; i++) p[i] = (uint8_t)(fill + i);
  return 32;
}

/* Seals packet `index` of ssrc; the wire length. */
static size_t sealed(rtc_srtp_t *tx, uint8_t *p, uint32_t ssrc, int64_t index) {
  int n = rtc_srtp_protect(tx, p, make_rtp(p, ssrc, index), ROOM, index);
  CHECK(n > 0);
  return n > 0 ? (size_t)n : 0;
}

/* Opens a copy of p. */
static int opened(rtc_srtp_t *rx, const uint8_t *p, size_t n, int64_t *index) {
  uint8_t copy[ROOM];
  memcpy(copy, p, n);
  return rtc_srtp_unprotect(rx, copy, n, index);
}

/* Everything a rejected packet must not have changed. */
typedef struct snapshot {
  rtc_srtp_t s;
  rtc_srtp_src_t src[RTC_SRTP_SSRC_MAX];
} snapshot_t;
static void snap(snapshot_t *out, const rtc_srtp_t *s) {
  memset(out, 0, sizeof *out);
  memcpy(&out->s, s, sizeof *s);
  if (s->src_n) memcpy(out->src, s->src, s->src_n * sizeof *s->src);
}
static void check_unchanged(const snapshot_t *before, const rtc_srtp_t *s) {
  CHECK_MEM(&before->s, s, sizeof *s);
  if (s->src_n) CHECK_MEM(before->src, s->src, s->src_n * sizeof *s->src);
}

/* Vectors */

static void kdf_vectors(void) { /* RFC 3711 B.3; RFC 6188 §7.2 */
  static const struct {
    const char *key, *salt, *want;
    uint8_t label;
  } t[] = {
      {"e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6", "c61e7a93744f39ee10734afe3ff7a087", 0},
      {"e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6", "30cbbc08863d8c85d49db34a9ae1", 2},
      {"e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6", "cebe321f6ff7716b6fd4ab49af256a156d38baa4", 1},
      {"e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6",
       "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25"
       "6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2",
       1},
      {"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
       "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4", 0},
      {"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2", "fa31791685ca444a9e07c6c64e93",
       2},
      {"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
       "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05", 1},
  };
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    uint8_t key[32], salt[14], want[94], got[94];
    size_t kn = check_hex(key, sizeof key, t[i].key), sn = check_hex(salt, sizeof salt, t[i].salt);
    size_t n = check_hex(want, sizeof want, t[i].want);
    CHECK_EQ(rtc_srtp_kdf(key, kn, salt, sn, t[i].label, got, n), 0);
    CHECK_MEM(got, want, n);
  }
}

static void session_init(rtc_srtp_t *s, rtc_srtp_profile_t p, int sending) { /* RFC 7714 §16: RTP and RTCP share the keys */
  rtc_srtp_session_t k = {{0}, {0}, {0}};
  for (uint8_t i = 0; i < sizeof k.key; i++) k.key[i] = i;
  check_hex(k.salt, sizeof k.salt, "517569642070726f2071756f");
  CHECK_EQ(rtc_srtp_init_session(s, p, &k, &k, sending), 0);
}

static void rfc7714_rtp(void) { /* §16.1.1, §16.2.1 */
  static const char plain_hex[] = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573";
  static const char *const wire_hex[2] = {
      "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390c"
      "ce",
      "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c"
      "13"};
  for (int i = 0; i < 2; i++) {
    uint8_t plain[64], want[96], p[96];
    size_t n = check_hex(plain, sizeof plain, plain_hex), wn = check_hex(want, sizeof want, wire_hex[i]);
    rtc_srtp_t tx, rx;
    int64_t index = -1;
    session_init(&tx, profiles[i], 1);
    session_init(&rx, profiles[i], 0);
    memcpy(p, plain, n);
    CHECK_EQ(rtc_srtp_protect(&tx, p, n, sizeof p, 0xf17b), wn);
    CHECK_MEM(p, want, wn);
    CHECK_EQ(rtc_srtp_unprotect(&rx, p, wn, &index), n);
    CHECK_MEM(p, plain, n);
    CHECK_EQ(index, 0xf17b);
    rtc_srtp_clear(&tx);
    rtc_srtp_clear(&rx);
  }
}

static void rfc7714_auth_only_rtp(void) { /* §16.1.3, §16.2.3: the packet as AAD; no SRTP profile of ours sends it */
  static const char *const want_hex[2] = {"22493f82d2bce397e9d79e3b19aa4216", "a866d5910f887463067ceefec45215d4"};
  uint8_t key[32], iv[12], p[64], tag[16], want[16];
  size_t n =
      check_hex(p, sizeof p, "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573");
  check_hex(iv, sizeof iv, "51753c6580c2726f20718414");
  for (uint8_t i = 0; i < sizeof key; i++) key[i] = i;
  for (int i = 0; i < 2; i++) {
    rtc_gcm_t g;
    check_hex(want, sizeof want, want_hex[i]);
    CHECK_EQ(rtc_gcm_init(&g, key, i ? 32 : 16, true), 0);
    CHECK_EQ(rtc_gcm_seal(&g, iv, p, n, NULL, 0, tag), 0);
    CHECK_MEM(tag, want, 16);
    rtc_gcm_clear(&g);
  }
}

static void rfc7714_rtcp(void) { /* §17.1, §17.3 */
  static const char plain_hex[] =
      "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
  static const char *const wire_hex[2] = {
      "81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245"
      "d9eade 800005d4",
      "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb2"
      "6ac3be 800005d4"};
  for (int i = 0; i < 2; i++) {
    uint8_t plain[64], want[96], p[96], other[96];
    size_t n = check_hex(plain, sizeof plain, plain_hex), wn = check_hex(want, sizeof want, wire_hex[i]);
    rtc_srtp_t tx, rx;
    session_init(&tx, profiles[i], 1);
    session_init(&rx, profiles[i], 0);
    memcpy(other, plain, n); /* makes the SSRC known, so that its index can be set */
    CHECK_EQ(rtc_srtp_protect_rtcp(&tx, other, n, sizeof other), wn);
    tx.src[0].rtcp_index = 0x5d4;
    memcpy(p, plain, n);
    CHECK_EQ(rtc_srtp_protect_rtcp(&tx, p, n, sizeof p), wn);
    CHECK_MEM(p, want, wn);
    CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, wn), n);
    CHECK_MEM(p, plain, n);
    rtc_srtp_clear(&tx);
    rtc_srtp_clear(&rx);
  }
}

static void rfc7714_auth_only_rtcp(void) { /* §17.2: E = 0 */
  uint8_t plain[64], p[96];
  size_t n = check_hex(plain, sizeof plain,
                       "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
  rtc_srtp_t rx;
  session_init(&rx, RTC_SRTP_AEAD_AES_128_GCM, 0);
  for (size_t bit = 0; bit < (n + 20) * 8; bit++) {
    memcpy(p, plain, n);
    check_hex(p + n, 20, "841dd9683dd78ec92ae58790125f62b3 000005d4");
    p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    CHECK(rtc_srtp_unprotect_rtcp(&rx, p, n + 20) < 0);
  }
  memcpy(p, plain, n);
  check_hex(p + n, 20, "841dd9683dd78ec92ae58790125f62b3 000005d4");
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, n + 20), n);
  CHECK_MEM(p, plain, n);
  memcpy(p, plain, n);
  check_hex(p + n, 20, "841dd9683dd78ec92ae58790125f62b3 000005d4");
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, n + 20), RTC_EREPLAY);
  rtc_srtp_clear(&rx);
}

static void b3_init(rtc_srtp_t *s, int sending) { /* master key and salt of RFC 3711 B.3 */
  uint8_t key[16], salt[14];
  check_hex(key, sizeof key, "e1f97a0d3e018be0d64fa32c06de4139");
  check_hex(salt, sizeof salt, "0ec675ad498afeebb6960b3aabe6");
  CHECK_EQ(rtc_srtp_init(s, RTC_SRTP_AES_CM_128_HMAC_SHA1_80, key, 16, salt, 14, sending), 0);
}

static void libsrtp_packets(void) {
  uint8_t plain[32], want[64], p[64];
  rtc_srtp_t tx, rx;
  int64_t index = -1;
  b3_init(&tx, 1);
  b3_init(&rx, 0);
  size_t n = check_hex(plain, sizeof plain, "800f1234decafbadcafebabe abababababababababababababababab");
  size_t wn = check_hex(want, sizeof want, "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
  memcpy(p, plain, n);
  CHECK_EQ(rtc_srtp_protect(&tx, p, n, sizeof p, 0x1234), wn);
  CHECK_MEM(p, want, wn);
  CHECK_EQ(rtc_srtp_unprotect(&rx, p, wn, &index), n);
  CHECK_MEM(p, plain, n);
  CHECK_EQ(index, 0x1234);

  n = check_hex(plain, sizeof plain, "81c8000bcafebabe abababababababababababababababab");
  wn = check_hex(want, sizeof want, "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
  tx.src[0].rtcp_index = 1;
  memcpy(p, plain, n);
  CHECK_EQ(rtc_srtp_protect_rtcp(&tx, p, n, sizeof p), wn);
  CHECK_MEM(p, want, wn);
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, wn), n);
  CHECK_MEM(p, plain, n);
  rtc_srtp_clear(&tx);
  rtc_srtp_clear(&rx);
}

static void cm_rtcp_not_encrypted(void) { /* E = 0, the MAC over packet and word made here from the derived key */
  uint8_t key[16], salt[14], auth[20], mac[20], plain[32], p[64];
  check_hex(key, sizeof key, "e1f97a0d3e018be0d64fa32c06de4139");
  check_hex(salt, sizeof salt, "0ec675ad498afeebb6960b3aabe6");
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 14, 4, auth, 20), 0);
  size_t n = make_rtcp(plain, 0xcafebabe, 3);
  memcpy(p, plain, n);
  rtc_put32(p + n, 77);
  CHECK_EQ(rtc_hmac_sha1_once(auth, 20, p, n + 4, mac), 0);
  memcpy(p + n + 4, mac, 10);
  rtc_srtp_t rx;
  b3_init(&rx, 0);
  for (size_t bit = 0; bit < (n + 14) * 8; bit++) {
    p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    CHECK(rtc_srtp_unprotect_rtcp(&rx, p, n + 14) < 0);
    p[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, n + 14), n);
  CHECK_MEM(p, plain, n);
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&rx, p, n + 14), RTC_EREPLAY);
  rtc_srtp_clear(&rx);
}

/* Form and hostile input */

static void every_length(void) {
  uint64_t seed = 1;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    pair_init(&d, profiles[i]);
    int64_t index = 0, got;
    for (size_t n = 0; n <= 64; n++) {
      for (int round = 0; round < 64; round++) {
        uint8_t *p = malloc(n + RTC_SRTP_OVERHEAD); /* exactly as long, for the address sanitizer */
        uint8_t *q = malloc(n ? n : 1);             /* garbage with plausible first bytes */
        if (!p || !q) exit(2);
        for (size_t j = 0; j < n; j++) p[j] = q[j] = (uint8_t)rnd(&seed);
        if (n && round % 8) p[0] = q[0] = (uint8_t)(round % 2 ? 0x80 : 0x80 | (p[0] & 0x3f));
        CHECK(rtc_srtp_unprotect(&d.rx, q, n, &got) < 0);
        CHECK(rtc_srtp_unprotect_rtcp(&d.rx, q, n) < 0);
        if (n >= 12) {
          rtc_put16(p + 2, (uint16_t)index);
          rtc_put32(p + 8, 0x1000 + (uint32_t)i);
        }
        int r = rtc_srtp_protect(&d.tx, p, n, n + RTC_SRTP_OVERHEAD, index);
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

/* Every length of a good packet cut short is refused, RTP and RTCP. */
static void cut_short(void) {
  for (int i = 0; i < 4; i++) {
    pair_t d;
    int64_t got;
    uint8_t p[ROOM], q[ROOM];
    pair_init(&d, profiles[i]);
    size_t n = sealed(&d.tx, p, 1, 15);
    int rn = rtc_srtp_protect_rtcp(&d.tx, q, make_rtcp(q, 1, 9), sizeof q);
    for (size_t cut = 0; cut < n; cut++) CHECK(opened(&d.rx, p, cut, &got) < 0);
    for (size_t cut = 0; cut < (size_t)rn; cut++) {
      uint8_t copy[ROOM];
      memcpy(copy, q, cut);
      CHECK(rtc_srtp_unprotect_rtcp(&d.rx, copy, cut) < 0);
    }
    CHECK_EQ(d.rx.src_n, 0);
    CHECK(opened(&d.rx, p, n, &got) > 0);
    CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, q, (size_t)rn), 32);
    pair_clear(&d);
  }
}

/* 10^6 packets with one wrong bit: none is taken, nothing changes, and the right one opens afterwards. */
static void bit_flips(void) {
  uint64_t seed = 7;
  long flips = 0;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    snapshot_t before;
    uint8_t p[ROOM], q[ROOM], r[ROOM];
    int64_t got = 0;
    pair_init(&d, profiles[i]);
    for (int64_t index = 65500; flips < 250000L * (i + 1); index++) {
      size_t n = sealed(&d.tx, p, 5, index);
      int rn = rtc_srtp_protect_rtcp(&d.tx, r, make_rtcp(r, 5, (uint32_t)index), sizeof r);
      snap(&before, &d.rx);
      int taken = 0;
      for (int k = 0; k < 500; k++, flips++) {
        int rtcp = k % 5 == 0;
        size_t len = rtcp ? (size_t)rn : n, bit = below(&seed, len * 8);
        memcpy(q, rtcp ? r : p, len);
        q[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += (rtcp ? rtc_srtp_unprotect_rtcp(&d.rx, q, len) : rtc_srtp_unprotect(&d.rx, q, len, &got)) >= 0;
      }
      CHECK_EQ(taken, 0);
      check_unchanged(&before, &d.rx);
      size_t plain = make_rtp(q, 5, index);
      CHECK_EQ(rtc_srtp_unprotect(&d.rx, p, n, &got), plain);
      CHECK_MEM(p, q, plain);
      CHECK_EQ(got, index);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, r, (size_t)rn), 32);
    }
    pair_clear(&d);
  }
  CHECK(flips >= 1000000);
}

/* Index rules */

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

/* 10^6 arrivals a profile over four roll-overs: loss in bursts up to 5000, reordering over more than the window,
 * duplicates, forgeries. The model keeps every index that was taken and the highest. */
static void reference_model(void) {
  enum { SENT = 4 * 65536 + 3000, KEEP = 2048, PER_STEP = 5 };
  static const int64_t starts[4] = {65500, 0, 32767, 65535};
  static uint8_t wire[KEEP][ROOM], seen[SENT];
  static size_t len[KEEP];
  for (int i = 0; i < 4; i++) {
    uint64_t seed = 42 + (uint64_t)i;
    int64_t start = starts[i], top = -1;
    long arrivals = 0, taken = 0, replayed_in = 0, valid_out = 0, forged_in = 0, wrong = 0, replays = 0;
    int burst = 0;
    pair_t d;
    pair_init(&d, profiles[i]);
    memset(seen, 0, sizeof seen);
    for (int64_t k = 0; k < SENT; k++) {
      len[k % KEEP] = sealed(&d.tx, wire[k % KEEP], 0xabcdef01, start + k);
      if (burst == 0 && below(&seed, 4000) == 0) burst = 1 + (int)below(&seed, below(&seed, 8) ? 50 : 5000);
      if (burst > 0 && burst--) continue;
      for (int a = 0; a < PER_STEP; a++, arrivals++) {
        uint8_t p[ROOM], plain[ROOM];
        size_t back = a == 0 ? 0 : below(&seed, a == 1 ? 8 : KEEP);
        int64_t which = k - (int64_t)back, index = start + which, got = -1;
        if (which < 0) continue;
        size_t n = len[which % KEEP];
        int forged = below(&seed, 16) == 0;
        memcpy(p, wire[which % KEEP], n);
        if (forged) p[below(&seed, n)] ^= (uint8_t)(1 << below(&seed, 8));
        int r = rtc_srtp_unprotect(&d.rx, p, n, &got);
        int fresh = !seen[which] && index > top - RTC_WINDOW_SIZE;
        if (forged) {
          forged_in += r >= 0;
        } else if (r >= 0) {
          taken++;
          replayed_in += !fresh;
          wrong += got != index || (size_t)r != make_rtp(plain, 0xabcdef01, index) || memcmp(plain, p, (size_t)r) != 0;
          seen[which] = 1;
          if (index > top) top = index;
        } else {
          valid_out += fresh;
          replays++;
          wrong += r != RTC_EREPLAY;
        }
      }
    }
    CHECK_EQ(replayed_in, 0);
    CHECK_EQ(valid_out, 0);
    CHECK_EQ(forged_in, 0);
    CHECK_EQ(wrong, 0);
    CHECK(arrivals >= 1000000 && taken > 200000 && replays > 100000);
    CHECK(top - start >= 4 * 65536);
    pair_clear(&d);
  }
}

/* RTCP indices: a gap is no matter, order none, a duplicate never. */
static void rtcp_replay(void) {
  for (int i = 0; i < 4; i++) {
    enum { N = 3000 };
    static uint8_t wire[N][64];
    static int len[N], seen[N];
    uint64_t seed = 3;
    int64_t top = -1;
    pair_t d;
    pair_init(&d, profiles[i]);
    memset(seen, 0, sizeof seen);
    for (uint32_t k = 0; k < N; k++) len[k] = rtc_srtp_protect_rtcp(&d.tx, wire[k], make_rtcp(wire[k], 4, k), sizeof wire[k]);
    for (int k = 0; k < N * 3; k++) {
      uint8_t p[64], plain[64];
      size_t at = below(&seed, 1 + (size_t)k / 3);
      memcpy(p, wire[at], (size_t)len[at]);
      int r = rtc_srtp_unprotect_rtcp(&d.rx, p, (size_t)len[at]);
      int fresh = !seen[at] && (int64_t)at > top - RTC_WINDOW_SIZE;
      CHECK_EQ(r, fresh ? 32 : RTC_EREPLAY);
      if (r > 0) {
        make_rtcp(plain, 4, (uint32_t)at);
        CHECK_MEM(p, plain, 32);
        seen[at] = 1;
        if ((int64_t)at > top) top = (int64_t)at;
      }
    }
    pair_clear(&d);
  }
}

static void init_and_clear(void) {
  uint8_t key[33] = {1}, salt[15] = {2};
  static const struct { size_t key, salt, tag; } size[4] = {{16, 12, 16}, {32, 12, 16}, {16, 14, 10}, {16, 14, 4}};
  rtc_srtp_t s, zero;
  memset(&zero, 0, sizeof zero);
  for (int i = 0; i < 4; i++) {
    rtc_srtp_profile_t p = profiles[i];
    CHECK_EQ(rtc_srtp_key_len(p), size[i].key);
    CHECK_EQ(rtc_srtp_salt_len(p), size[i].salt);
    CHECK_EQ(rtc_srtp_tag_len(p), size[i].tag);
    for (size_t kn = 0; kn <= 33; kn++)
      for (size_t sn = 0; sn <= 15; sn++) {
        memset(&s, 0xee, sizeof s);
        CHECK_EQ(rtc_srtp_init(&s, p, key, kn, salt, sn, 1), kn == size[i].key && sn == size[i].salt ? 0 : RTC_EINVAL);
        rtc_srtp_clear(&s);
        CHECK_MEM(&s, &zero, sizeof s); /* keys wiped */
      }
    rtc_srtp_clear(&s);
  }
  static const int unknown[] = {0, 3, 4, 5, 6, 9, 0x7fff};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    rtc_srtp_profile_t p = (rtc_srtp_profile_t)unknown[i];
    CHECK_EQ(rtc_srtp_init(&s, p, key, 16, salt, 14, 1), RTC_EINVAL);
    CHECK_EQ(rtc_srtp_key_len(p) + rtc_srtp_salt_len(p) + rtc_srtp_tag_len(p), 0);
  }
  int64_t got;
  uint8_t p[ROOM];
  size_t n = make_rtp(p, 1, 1);
  CHECK_EQ(rtc_srtp_protect(&zero, p, n, ROOM, 1), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_unprotect(&zero, p, n, &got), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_protect_rtcp(&zero, p, n, ROOM), RTC_ESTATE);
  CHECK_EQ(rtc_srtp_unprotect_rtcp(&zero, p, n), RTC_ESTATE);
}

int main(void) {
  RUN(kdf_vectors);
  RUN(rfc7714_rtp);
  RUN(rfc7714_auth_only_rtp);
  RUN(rfc7714_rtcp);
  RUN(rfc7714_auth_only_rtcp);
  RUN(libsrtp_packets);
  RUN(cm_rtcp_not_encrypted);
  RUN(every_length);
  RUN(cut_short);
  RUN(bit_flips);
  RUN(estimate_is_rfc);
  RUN(protect_refuses);
  RUN(unprotect_at_the_limit);
  RUN(first_roll_over);
  RUN(eviction);
  RUN(ssrc_floods);
  RUN(reference_model);
  RUN(rtcp_replay);
  RUN(init_and_clear);
  return CHECK_END();
}
