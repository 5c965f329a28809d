/* base/crypto: published vectors of each primitive, and what its callers lean on beyond them. */
#include "base/crypto.h"

#include <openssl/err.h>

#include "check.h"

static void gcm_vectors(void) { /* McGrew and Viega, "The Galois/Counter Mode", appendix B: cases 1-4, 13, 14, 16 */
  static const char p64[] =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
  static const char p60[] =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
  static const char zero16[] = "00000000000000000000000000000000", iv0[] = "000000000000000000000000", iv[] = "cafebabefacedbaddecaf888";
  static const char aad[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2", key[] = "feffe9928665731c6d6a8f9467308308";
  static const char zero32[] = "0000000000000000000000000000000000000000000000000000000000000000";
  static const char key32[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  static const struct {
    const char *key, *iv, *aad, *plain, *cipher, *tag;
  } t[] = {
      {zero16, iv0, "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
      {zero16, iv0, "", zero16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
      {key, iv, "", p64,
       "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
       "4d5c2af327cd64a62cf35abd2ba6fab4"},
      {key, iv, aad, p60,
       "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
       "5bc94fbc3221a5db94fae95ae7121a47"},
      {zero32, iv0, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {zero32, iv0, "", zero16, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
      {key32, iv, aad, p60,
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    uint8_t k[32], n[12], a[32], p[64], want[64], tag[16], want_tag[16], work[64];
    size_t kn = check_hex(k, sizeof k, t[i].key), an = check_hex(a, sizeof a, t[i].aad), pn = check_hex(p, sizeof p, t[i].plain);
    check_hex(n, sizeof n, t[i].iv);
    check_hex(want, sizeof want, t[i].cipher);
    check_hex(want_tag, sizeof want_tag, t[i].tag);
    rtc_gcm_t seal, open;
    CHECK_EQ(rtc_gcm_init(&seal, k, kn, true), 0);
    CHECK_EQ(rtc_gcm_init(&open, k, kn, false), 0);
    for (int twice = 0; twice < 2; twice++) { /* nothing is left over in the context */
      memcpy(work, p, pn);
      CHECK_EQ(rtc_gcm_seal(&seal, n, a, an, work, pn, tag), 0);
      CHECK_MEM(work, want, pn);
      CHECK_MEM(tag, want_tag, 16);
      CHECK_EQ(rtc_gcm_open(&open, n, a, an, work, pn, tag), 0);
      CHECK_MEM(work, p, pn);
    }
    rtc_gcm_clear(&seal);
    rtc_gcm_clear(&open);
  }
}

/* A wrong tag is refused; the same nonce again brings the ciphertext back; a later good packet opens; and nothing
 * stays in OpenSSL's error queue, where SSL_get_error would take it for its own. */
static void gcm_wrong_tag(void) {
  uint8_t key[16] = {1}, iv[12] = {2}, aad[12] = {3}, tag[16];
  for (size_t n = 0; n <= 64; n++) {
    uint8_t plain[64], sealed[64], work[64];
    rtc_gcm_t seal, open;
    for (size_t i = 0; i < n; i++) plain[i] = (uint8_t)(i * 7 + n);
    memcpy(sealed, plain, n);
    CHECK_EQ(rtc_gcm_init(&seal, key, 16, true), 0);
    CHECK_EQ(rtc_gcm_init(&open, key, 16, false), 0);
    CHECK_EQ(rtc_gcm_seal(&seal, iv, aad, sizeof aad, sealed, n, tag), 0);
    for (size_t bit = 0; bit < 128; bit += 9) {
      memcpy(work, sealed, n);
      tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
      CHECK_EQ(rtc_gcm_open(&open, iv, aad, sizeof aad, work, n, tag), RTC_EAUTH);
      CHECK_EQ(rtc_gcm_open(&open, iv, aad, sizeof aad, work, n, tag), RTC_EAUTH);
      CHECK_MEM(work, sealed, n);
      tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_EQ(rtc_gcm_open(&open, iv, aad, sizeof aad, work, n, tag), 0);
    CHECK_MEM(work, plain, n);
    rtc_gcm_clear(&seal);
    rtc_gcm_clear(&open);
    rtc_gcm_clear(&open);
  }
  CHECK_EQ(ERR_peek_error(), 0);
}

static void ctr_vectors(void) {
  static const char rfc_iv[] = "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", nist_iv[] = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
  static const char nist_plain[] = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51";
  static const char zero[] = "00000000000000000000000000000000 00000000000000000000000000000000 00000000000000000000000000000000";
  static const struct {
    const char *key, *iv, *plain, *cipher;
  } t[] = {
      /* RFC 3711 B.2, from counter 0000 and from feff */
      {"2b7e151628aed2a6abf7158809cf4f3c", rfc_iv, zero,
       "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0"},
      {"2b7e151628aed2a6abf7158809cf4f3c", nist_iv, zero,
       "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44"},
      /* RFC 6188 §7.1 and the AES-192 keystream */
      {"57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98", rfc_iv, zero,
       "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31"},
      {"eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7", rfc_iv, zero,
       "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a"},
      /* NIST SP 800-38A F.5.1 and F.5.5 */
      {"2b7e151628aed2a6abf7158809cf4f3c", nist_iv, nist_plain, "874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff"},
      {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", nist_iv, nist_plain,
       "601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5"},
  };
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    uint8_t key[32], iv[16], plain[48], want[48], work[48];
    size_t kn = check_hex(key, sizeof key, t[i].key), n = check_hex(want, sizeof want, t[i].cipher);
    check_hex(iv, sizeof iv, t[i].iv);
    check_hex(plain, sizeof plain, t[i].plain);
    rtc_ctr_t c;
    CHECK_EQ(rtc_ctr_init(&c, key, kn), 0);
    for (size_t len = 0; len <= n; len++) { /* a short packet leaves no half block to the next one */
      memcpy(work, plain, len);
      CHECK_EQ(rtc_ctr_xor(&c, iv, work, len), 0);
      CHECK_MEM(work, want, len);
    }
    rtc_ctr_clear(&c);
    rtc_ctr_clear(&c);
  }
}

static size_t repeat(uint8_t *out, uint8_t v, size_t n) {
  memset(out, v, n);
  return n;
}

static void hmac_sha1_vectors(void) { /* RFC 2202 §3 */
  static const char want[7][41] = {"b617318655057264e28bc0b6fb378c8ef146be00", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
                                   "125d7342b9ac11cd91a39af48aa17b4f63f175d3", "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
                                   "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04", "aa4ae5e15272d00e95705637ce8a3b55ed402112",
                                   "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"};
  static const char *const text[7] = {"Hi There",
                                      "what do ya want for nothing?",
                                      NULL,
                                      NULL,
                                      "Test With Truncation",
                                      "Test Using Larger Than Block-Size Key - Hash Key First",
                                      "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"};
  for (int i = 0; i < 7; i++) {
    uint8_t key[80], data[80], out[20], expect[20];
    size_t kn = 0, n = 0;
    switch (i) {
      case 0:
        kn = repeat(key, 0x0b, 20);
        break;
      case 1:
        memcpy(key, "Jefe", kn = 4);
        break;
      case 2:
        kn = repeat(key, 0xaa, 20);
        n = repeat(data, 0xdd, 50);
        break;
      case 3:
        for (; kn < 25; kn++) key[kn] = (uint8_t)(kn + 1);
        n = repeat(data, 0xcd, 50);
        break;
      case 4:
        kn = repeat(key, 0x0c, 20);
        break;
      default:
        kn = repeat(key, 0xaa, 80);
    }
    if (text[i]) memcpy(data, text[i], n = strlen(text[i]));
    check_hex(expect, 20, want[i]);
    CHECK_EQ(rtc_hmac_sha1_once(key, kn, data, n / 3, data + n / 3, n - n / 3, out), 0);
    CHECK_MEM(out, expect, 20);
    rtc_hmac_t h;
    CHECK_EQ(rtc_hmac_init(&h, key, kn), 0);
    for (size_t cut = 0; cut <= n; cut++) {
      memset(out, 0, sizeof out);
      CHECK_EQ(rtc_hmac_sha1(&h, data, cut, cut < n ? data + cut : NULL, n - cut, out), 0);
      CHECK_MEM(out, expect, 20);
    }
    rtc_hmac_clear(&h);
    rtc_hmac_clear(&h);
  }
}

static void hmac_sha256_vectors(void) { /* RFC 4231 §4.2, 4.3, 4.7 */
  uint8_t key[131], out[32], want[32];
  memset(key, 0x0b, 20);
  check_hex(want, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK_EQ(rtc_hmac_sha256_once(key, 20, (const uint8_t *)"Hi There", 8, out), 0);
  CHECK_MEM(out, want, 32);
  check_hex(want, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK_EQ(rtc_hmac_sha256_once((const uint8_t *)"Jefe", 4, (const uint8_t *)"what do ya want for nothing?", 28, out), 0);
  CHECK_MEM(out, want, 32);
  memset(key, 0xaa, sizeof key);
  check_hex(want, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
  CHECK_EQ(rtc_hmac_sha256_once(key, sizeof key, (const uint8_t *)text, sizeof text - 1, out), 0);
  CHECK_MEM(out, want, 32);
  for (size_t cut = 0; cut < sizeof text; cut++) { /* in two pieces */
    memset(out, 0, sizeof out);
    CHECK_EQ(rtc_hmac_sha256_parts(key, sizeof key, (const uint8_t *)text, cut, (const uint8_t *)text + cut, sizeof text - 1 - cut, out),
             0);
    CHECK_MEM(out, want, 32);
  }
  CHECK_EQ(rtc_hmac_sha256_once(NULL, 0, (const uint8_t *)text, 5, want), 0);
  CHECK_EQ(rtc_hmac_sha256_parts(NULL, 0, (const uint8_t *)text, 5, NULL, 0, out), 0);
  CHECK_MEM(out, want, 32);
}

static void md5_vectors(void) { /* RFC 1321 §A.5, and the key of RFC 5389 §15.4 */
  uint8_t out[16], want[16];
  CHECK_EQ(rtc_md5(NULL, 0, out), 0);
  check_hex(want, 16, "d41d8cd98f00b204e9800998ecf8427e");
  CHECK_MEM(out, want, 16);
  CHECK_EQ(rtc_md5((const uint8_t *)"user:realm:pass", 15, out), 0);
  check_hex(want, 16, "8493fbc53ba582fb4c044c456bdc40eb");
  CHECK_MEM(out, want, 16);
}

static void hash_vectors(void) { /* FIPS 180-4, "abc" and nothing */
  static const struct {
    int bits, len;
    const char *text, *want;
  } t[] = {
      {1, 20, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {1, 20, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {256, 32, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {384, 48, "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed 8086072ba1e7cc2358baeca134c825a7"},
      {512, 64, "abc",
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
  };
  uint8_t out[64], want[64];
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    check_hex(want, sizeof want, t[i].want);
    CHECK_EQ(rtc_sha(t[i].bits, (const uint8_t *)t[i].text, strlen(t[i].text), out), t[i].len);
    CHECK_MEM(out, want, (size_t)t[i].len);
  }
  CHECK_EQ(rtc_sha(224, out, 1, out), RTC_EINVAL);
  CHECK_EQ(rtc_sha(1, NULL, 0, out), 20);
}

static void crc32_vectors(void) {
  CHECK_EQ(rtc_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
  CHECK_EQ(rtc_crc32(NULL, 0), 0);
  uint8_t m[80]; /* RFC 5769 §2.2, whose FINGERPRINT is the CRC xor "STUN" */
  size_t n = check_hex(m, sizeof m,
                       "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
                       "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96");
  CHECK_EQ(rtc_crc32(m, n - 8) ^ 0x5354554e, 0xc07d4c96);
}

static void small_things(void) {
  uint8_t a[32] = {0}, b[32] = {0}, key[33] = {0};
  rtc_gcm_t g;
  rtc_ctr_t c;
  for (size_t n = 0; n <= 33; n++) {
    int ok = n == 16 || n == 32;
    CHECK_EQ(rtc_gcm_init(&g, key, n, true), ok ? 0 : RTC_EINVAL);
    rtc_gcm_clear(&g);
    CHECK_EQ(rtc_ctr_init(&c, key, n), ok || n == 24 ? 0 : RTC_EINVAL);
    rtc_ctr_clear(&c);
  }
  CHECK(rtc_equal_ct(a, b, sizeof a));
  for (size_t bit = 0; bit < 256; bit++) {
    b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    CHECK(!rtc_equal_ct(a, b, sizeof a));
    b[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  CHECK(rtc_equal_ct(a, b, 0));
  CHECK_EQ(rtc_random(a, sizeof a), 0);
  CHECK_EQ(rtc_random(b, sizeof b), 0);
  CHECK(memcmp(a, b, sizeof a) != 0);
  rtc_cleanse(a, 31);
  CHECK(memcmp(a, key, 31) == 0);
  CHECK(strncmp(rtc_crypto_version(), "OpenSSL ", 8) == 0);
}

static void flaws(void) {
  static const uint32_t bad[] = {0x10101130, 0x30000000, 0x30000010, 0x30000040},
                        good[] = {0x30000020, 0x30000030, 0x30000050, 0x300000d0, 0x30500040, 0x40100000};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(rtc_crypto_flaw(bad[i]));
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) CHECK(!rtc_crypto_flaw(good[i]));
  CHECK(!rtc_crypto_flaw(rtc_crypto_number()));
}

int main(void) {
  RUN(gcm_vectors);
  RUN(gcm_wrong_tag);
  RUN(ctr_vectors);
  RUN(hmac_sha1_vectors);
  RUN(hmac_sha256_vectors);
  RUN(md5_vectors);
  RUN(hash_vectors);
  RUN(crc32_vectors);
  RUN(small_things);
  RUN(flaws);
  return CHECK_END();
}
