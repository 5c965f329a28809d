/* proto/srtp: the vectors of the RFCs and of libsrtp, and what is cut short. The rules of the index: srtp_index_test; hostile input:
 * tests/attack/keys_test.c. */
#include "srtp_pair.h"

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
  CHECK_EQ(rtc_hmac_sha1_once(auth, 20, p, n + 4, NULL, 0, mac), 0);
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

/* All 48 bits of an index reach the nonce: whole packets made by hand from the derived keys. */
static void high_index(void) {
  const int64_t index = INT64_C(0x89abcdef1235);
  uint8_t key[16], salt[14], k[16], ks[14], auth[20], iv[16], mac[20], want[ROOM], p[ROOM];
  const uint8_t roc[4] = {0x89, 0xab, 0xcd, 0xef}, gcm_xor[12] = {0, 0, 0xa1, 0xa2, 0xa3, 0xa4, 0x89, 0xab, 0xcd, 0xef, 0x12, 0x35};
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 11 + 1); /* as pair_init has them */
  for (size_t i = 0; i < sizeof salt; i++) salt[i] = (uint8_t)(i * 5 + 2);
  pair_t d;
  size_t n = make_rtp(want, 0xa1a2a3a4, index), head = 12;
  CHECK_EQ(want[0], 0x80); /* no CSRC, no extension */

  pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 12, 0, k, 16), 0);
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 12, 2, ks, 12), 0);
  for (int i = 0; i < 12; i++) iv[i] = ks[i] ^ gcm_xor[i];
  rtc_gcm_t g;
  CHECK_EQ(rtc_gcm_init(&g, k, 16, true), 0);
  CHECK_EQ(rtc_gcm_seal(&g, iv, want, head, want + head, n - head, want + n), 0);
  CHECK_EQ(sealed(&d.tx, p, 0xa1a2a3a4, index), n + 16);
  CHECK_MEM(p, want, n + 16);
  rtc_gcm_clear(&g);
  pair_clear(&d);

  pair_init(&d, RTC_SRTP_AES_CM_128_HMAC_SHA1_80);
  make_rtp(want, 0xa1a2a3a4, index);
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 14, 0, k, 16), 0);
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 14, 1, auth, 20), 0);
  CHECK_EQ(rtc_srtp_kdf(key, 16, salt, 14, 2, ks, 14), 0);
  memset(iv, 0, sizeof iv);
  memcpy(iv, ks, 14);
  for (int i = 2; i < 12; i++) iv[i + 2] ^= gcm_xor[i];
  rtc_ctr_t c;
  CHECK_EQ(rtc_ctr_init(&c, k, 16), 0);
  CHECK_EQ(rtc_ctr_xor(&c, iv, want + head, n - head), 0);
  memcpy(want + n, roc, 4);
  CHECK_EQ(rtc_hmac_sha1_once(auth, 20, want, n + 4, NULL, 0, mac), 0);
  memcpy(want + n, mac, 10);
  CHECK_EQ(sealed(&d.tx, p, 0xa1a2a3a4, index), n + 10);
  CHECK_MEM(p, want, n + 10);
  rtc_ctr_clear(&c);
  pair_clear(&d);
}

/* Form and hostile input */

/* Every length of a good packet cut short is refused, RTP and RTCP. */
static void cut_short(void) {
  for (int i = 0; i < 4; i++) {
    pair_t d;
    int64_t got;
    uint8_t p[ROOM], q[ROOM];
    pair_init(&d, profiles[i]);
    size_t n = sealed(&d.tx, p, 1, 15);
    int rn = rtc_srtp_protect_rtcp(&d.tx, q, make_rtcp(q, 1, 9), sizeof q);
    size_t least = 12 + 4 + 8 + rtc_srtp_tag_len(profiles[i]), rtcp_least = profiles[i] >= RTC_SRTP_AEAD_AES_128_GCM ? 28 : 22;
    for (size_t cut = 0; cut < n; cut++) CHECK_EQ(opened(&d.rx, p, cut, &got), cut < least ? RTC_EPROTO : RTC_EAUTH);
    for (size_t cut = 0; cut < (size_t)rn; cut++) {
      uint8_t copy[ROOM];
      memcpy(copy, q, cut);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, copy, cut), cut < rtcp_least ? RTC_EPROTO : RTC_EAUTH);
    }
    CHECK_EQ(d.rx.src_n, 0);
    CHECK(opened(&d.rx, p, n, &got) > 0);
    CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, q, (size_t)rn), 32);
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
  RUN(high_index);
  RUN(cut_short);
  RUN(init_and_clear);
  return CHECK_END();
}
