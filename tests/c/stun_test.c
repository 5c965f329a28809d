/* stun: RFC 5769's messages, what each attribute gives, and bytes that are no STUN message. */
#include "wire/stun.h"

#include "base/crypto.h"
#include "check.h"

static const char PWD[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const uint8_t TID[12] = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

static const char REQUEST[] =
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576"
    "746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
static const char RESPONSE4[] =
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9"
    "ba53f06be7d780280004c07d4c96";
static const char RESPONSE6[] =
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382"
    "954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
static const char LONG_TERM[] =
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b39353464364f4c33346f4c"
    "394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";
/* SASLprep-ed: MD5("マトリックス:example.org:TheMatrIX"), RFC 8489 §9.2.2 */
static const char LONG_TERM_KEY[] = "e8ca7ad59d5eb0518e312911d2dab2a9";

static int check_pwd(const rtc_stun_t *m, const uint8_t *p) { return rtc_stun_check(m, p, (const uint8_t *)PWD, strlen(PWD)); }

static void rfc5769_request(void) {
  uint8_t p[256];
  size_t n = check_hex(p, sizeof p, REQUEST);
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK_EQ(m.type, RTC_STUN_BINDING_REQUEST);
  CHECK_MEM(m.tid, TID, 12);
  CHECK_EQ(m.username_len, 9);
  CHECK_MEM(m.username, "evtj:h6vY", 9);
  CHECK(m.has_priority && m.has_controlled && !m.has_controlling && !m.has_use_candidate && m.has_fingerprint && m.has_integrity);
  CHECK_EQ(m.priority, 0x6e0001ff);
  CHECK(m.tie_breaker == 0x932ff9b151263b36u);
  CHECK_EQ(m.unknown_n, 0);
  CHECK_EQ(check_pwd(&m, p), 0);
  CHECK_EQ(rtc_stun_check(&m, p, (const uint8_t *)"VOkJxbRl1RmTxUk/WvJxBu", 22), RTC_EAUTH);
}

static void rfc5769_responses(void) {
  uint8_t p[256];
  rtc_stun_t m;
  rtc_addr_t want;
  size_t n = check_hex(p, sizeof p, RESPONSE4);
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK_EQ(m.type, RTC_STUN_BINDING_SUCCESS);
  CHECK(m.has_mapped);
  CHECK_EQ(rtc_addr_parse(&want, "192.0.2.1", 32853), 0);
  CHECK(rtc_addr_eq(&m.mapped, &want));
  CHECK_EQ(check_pwd(&m, p), 0);

  n = check_hex(p, sizeof p, RESPONSE6);
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK_EQ(rtc_addr_parse(&want, "2001:db8:1234:5678:11:2233:4455:6677", 32853), 0);
  CHECK(m.has_mapped && rtc_addr_eq(&m.mapped, &want));
  CHECK_EQ(check_pwd(&m, p), 0);
}

static void rfc5769_long_term(void) {
  uint8_t p[256], key[16];
  rtc_stun_t m;
  size_t n = check_hex(p, sizeof p, LONG_TERM);
  CHECK_EQ(check_hex(key, sizeof key, LONG_TERM_KEY), 16);
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK(!m.has_fingerprint && m.has_integrity);
  CHECK_EQ(m.username_len, 18);
  CHECK_EQ(m.realm_len, 11);
  CHECK_MEM(m.realm, "example.org", 11);
  CHECK_EQ(m.nonce_len, 28);
  CHECK_MEM(m.nonce, "f//499k954d6OL34oL9FSTvy64sA", 28);
  CHECK_EQ(rtc_stun_check(&m, p, key, sizeof key), 0);
}

/* RFC 8489 B.1 as erratum 6268 has it, built from its parts: the key by SHA-256, USERHASH, and MESSAGE-INTEGRITY-SHA256. */
static void rfc8489_sha256(void) {
  static const char HASH[] = "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704";
  static const char MAC[] = "b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";
  static const char USER[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9:example.org:TheMatrIX";
  uint8_t p[256], key[64], hash[64], want[32], tid[12], short_mac[32];
  check_hex(tid, sizeof tid, "78ad3433c6ad72c029da412e");
  check_hex(want, sizeof want, HASH);
  CHECK_EQ(rtc_sha(256, (const uint8_t *)USER, strlen(USER) - 10, hash), 32);
  CHECK_MEM(hash, want, 32);
  CHECK_EQ(rtc_sha(256, (const uint8_t *)USER, strlen(USER), key), 32);
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, tid);
  rtc_stun_put(&w, RTC_STUN_A_USERHASH, hash, 32);
  rtc_stun_put(&w, RTC_STUN_A_NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", 41);
  rtc_stun_put(&w, RTC_STUN_A_REALM, "example.org", 11);
  rtc_stun_put(&w, RTC_STUN_A_ALGORITHM, "\0\2\0\0", 4);
  rtc_wr_t before = w;
  int n = rtc_stun_end256(&w, key, 32);
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
  CHECK(m.has_integrity256 && !m.has_integrity && m.has_fingerprint && m.unknown_n == 0);
  CHECK_EQ(m.integrity256_len, 32);
  check_hex(want, sizeof want, MAC);
  CHECK_MEM(p + m.integrity256_off + 4, want, 32);
  CHECK_EQ(rtc_stun_check256(&m, p, key, 32), 0);
  CHECK_EQ(rtc_stun_check(&m, p, key, 32), RTC_EAUTH);
  for (size_t bit = 0; bit < (size_t)(n - 8) * 8; bit++) { /* without the fingerprint's help */
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    rtc_put16(p + 2, (uint16_t)(n - 28));
    CHECK(rtc_stun_parse(&m, p, (size_t)n - 8) < 0 || rtc_stun_check256(&m, p, key, 32) < 0 || bit / 8 == 2 || bit / 8 == 3);
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    rtc_put16(p + 2, (uint16_t)(n - 20));
  }
  for (uint16_t len = 0; len <= 40; len++) { /* cut short: down to 16 bytes, by fours (§14.6) */
    w = before;
    rtc_put16(p + 2, (uint16_t)(rtc_wr_len(&w) - 20 + 4 + len));
    CHECK_EQ(rtc_hmac_sha256_once(key, 32, p, rtc_wr_len(&w), short_mac), 0);
    rtc_stun_put(&w, RTC_STUN_A_INTEGRITY256, len > 32 ? p : short_mac, len);
    rtc_put16(p + 2, (uint16_t)(rtc_wr_len(&w) - 20));
    bool good = len >= 16 && len <= 32 && len % 4 == 0;
    CHECK_EQ(rtc_stun_parse(&m, p, rtc_wr_len(&w)), good ? 0 : RTC_EPROTO);
    if (good) CHECK_EQ(rtc_stun_check256(&m, p, key, 32), 0);
  }
}

/* Any single flipped bit is found by the form, the fingerprint or the integrity, but one that makes the FINGERPRINT's own
 * type another: that is then an attribute after MESSAGE-INTEGRITY, ignored. */
static void flipped_bits(void) {
  uint8_t p[256];
  rtc_stun_t m;
  size_t n = check_hex(p, sizeof p, REQUEST);
  int passed = 0;
  for (size_t bit = 0; bit < n * 8; bit++) {
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    bool in_type = bit / 8 == n - 8 || bit / 8 == n - 7;
    if (rtc_stun_parse(&m, p, n) == 0) passed += m.has_fingerprint || (!in_type && check_pwd(&m, p) == 0);
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  CHECK_EQ(passed, 0);
  n = check_hex(p, sizeof p, LONG_TERM);
  uint8_t key[16];
  check_hex(key, sizeof key, LONG_TERM_KEY);
  for (size_t bit = 0; bit < n * 8; bit++) {
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    passed += rtc_stun_parse(&m, p, n) == 0 && rtc_stun_check(&m, p, key, sizeof key) == 0;
    p[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  CHECK_EQ(passed, 0);
}

/* Each prefix, in a block of exactly its size so that a read behind it is seen by the sanitizer. */
static void truncated(void) {
  static const char *const all[] = {REQUEST, RESPONSE4, RESPONSE6, LONG_TERM};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    uint8_t full[256];
    size_t n = check_hex(full, sizeof full, all[i]);
    for (size_t cut = 0; cut < n; cut++) {
      uint8_t *p = malloc(cut ? cut : 1);
      rtc_stun_t m;
      memcpy(p, full, cut);
      CHECK_EQ(rtc_stun_parse(&m, p, cut), RTC_EPROTO);
      if (cut >= RTC_STUN_HEADER) { /* with a length that fits the prefix only whole attributes pass */
        rtc_put16(p + 2, (uint16_t)(cut - RTC_STUN_HEADER));
        if (rtc_stun_parse(&m, p, cut) == 0) CHECK(cut % 4 == 0 && !m.has_fingerprint);
      }
      free(p);
    }
  }
}

static void no_stun_at_all(void) {
  rtc_stun_t m;
  uint8_t p[64] = {0};
  for (size_t n = 0; n <= sizeof p; n++) {
    for (int first = 0; first < 256; first++) {
      p[0] = (uint8_t)first;
      CHECK_EQ(rtc_stun_parse(&m, p, n), RTC_EPROTO);
    }
  }
  /* Random attributes behind a right header: only has to stay inside the block. */
  uint32_t x = 12345;
  for (int round = 0; round < 20000; round++) {
    size_t n = 20 + (size_t)(round % 16) * 4;
    uint8_t *q = malloc(n);
    for (size_t i = 0; i < n; i++) q[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    rtc_put16(q, RTC_STUN_BINDING_REQUEST);
    rtc_put16(q + 2, (uint16_t)(n - 20));
    rtc_put32(q + 4, 0x2112a442);
    if (n >= 28) {
      rtc_put16(q + 20, (uint16_t)(x % 3 ? x % 0x2b : 0x8022 + x % 10));
      rtc_put16(q + 22, (uint16_t)(x >> 8) % 24);
    }
    int r = rtc_stun_parse(&m, q, n);
    CHECK(r == 0 || r == RTC_EPROTO);
    if (!r && m.has_integrity) CHECK_EQ(check_pwd(&m, q), RTC_EAUTH);
    free(q);
  }
}

typedef struct bad_attr {
  uint16_t attr, len;
  const char *value;
} bad_attr_t;

static void wrong_sizes(void) {
  static const bad_attr_t table[] = {
      {RTC_STUN_A_PRIORITY, 3, "000000"},
      {RTC_STUN_A_PRIORITY, 8, "0000000000000000"},
      {RTC_STUN_A_USE_CANDIDATE, 4, "00000000"},
      {RTC_STUN_A_CONTROLLING, 4, "00000000"},
      {RTC_STUN_A_CONTROLLED, 12, "000000000000000000000000"},
      {RTC_STUN_A_LIFETIME, 2, "0000"},
      {RTC_STUN_A_INTEGRITY, 16, "00000000000000000000000000000000"},
      {RTC_STUN_A_ALTERNATE, 4, "00010000"},
      {RTC_STUN_A_FINGERPRINT, 8, "0000000000000000"},
      {RTC_STUN_A_XOR_MAPPED, 8, "0003000011223344"},
      {RTC_STUN_A_XOR_MAPPED, 4, "00010000"},
      {RTC_STUN_A_XOR_MAPPED, 20, "0001000011223344112233441122334411223344"},
      {RTC_STUN_A_MAPPED, 8, "0002000011223344"},
      {RTC_STUN_A_RELAYED, 12, "000100001122334411223344"},
      {RTC_STUN_A_PEER, 0, ""},
      {RTC_STUN_A_ERROR, 3, "000004"},
      {RTC_STUN_A_ERROR, 4, "00000200"},
      {RTC_STUN_A_ERROR, 4, "00000700"},
      {RTC_STUN_A_ERROR, 4, "00000464"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    uint8_t p[128], value[32];
    rtc_wr_t w = rtc_wr(p, sizeof p);
    rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
    CHECK_EQ(check_hex(value, sizeof value, table[i].value), table[i].len);
    rtc_stun_put(&w, table[i].attr, value, table[i].len);
    int n = rtc_stun_end(&w, NULL, 0);
    CHECK(n > 0);
    rtc_stun_t m;
    CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), RTC_EPROTO);
  }
}

static void addresses_there_and_back(void) {
  static const char *const ips[] = {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::1", "fe80::1234"};
  for (size_t i = 0; i < sizeof ips / sizeof ips[0]; i++) {
    rtc_addr_t a;
    uint8_t p[256];
    CHECK_EQ(rtc_addr_parse(&a, ips[i], (uint16_t)(i * 13107)), 0);
    rtc_wr_t w = rtc_wr(p, sizeof p);
    rtc_stun_begin(&w, RTC_STUN_BINDING_SUCCESS, TID);
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &a, TID);
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_RELAYED, &a, TID);
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, &a, TID);
    int n = rtc_stun_end(&w, (const uint8_t *)PWD, strlen(PWD));
    rtc_stun_t m;
    CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
    CHECK(m.has_mapped && rtc_addr_eq(&m.mapped, &a));
    CHECK(m.has_relayed && rtc_addr_eq(&m.relayed, &a));
    CHECK(m.has_peer && rtc_addr_eq(&m.peer, &a));
    CHECK_EQ(check_pwd(&m, p), 0);
  }
}

static void attributes_there_and_back(void) {
  uint8_t p[512], v[8];
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, 0x0113, TID); /* an Allocate error */
  rtc_stun_put_error(&w, 438, "Stale Nonce");
  rtc_stun_put(&w, RTC_STUN_A_ALGORITHMS, "\0\2\0\0\0\1\0\0", 8);
  rtc_stun_put(&w, RTC_STUN_A_ALTERNATE, "\0\1\x0d\x96\xc0\0\2\7", 8);
  rtc_stun_put(&w, RTC_STUN_A_REALM, "r", 1);
  rtc_stun_put(&w, RTC_STUN_A_NONCE, "nonce", 5);
  rtc_stun_put(&w, RTC_STUN_A_DATA, "\1\2\3\4\5\6\7", 7);
  rtc_put32(v, 600);
  rtc_stun_put(&w, RTC_STUN_A_LIFETIME, v, 4);
  rtc_put64(v, 0x0102030405060708);
  rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, v, 8);
  rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, "", 0);
  int n = rtc_stun_end(&w, NULL, 0);
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
  CHECK_EQ(m.type, 0x0113);
  CHECK_EQ(m.error, 438);
  CHECK_EQ(m.reason_len, 11);
  CHECK_MEM(m.reason, "Stale Nonce", 11);
  CHECK_EQ(m.algorithms_len, 8);
  rtc_addr_t alternate;
  CHECK_EQ(rtc_addr_parse(&alternate, "192.0.2.7", 3478), 0);
  CHECK(m.has_alternate && rtc_addr_eq(&m.alternate, &alternate));
  CHECK(m.realm_len == 1 && m.realm[0] == 'r');
  CHECK(m.nonce_len == 5 && !memcmp(m.nonce, "nonce", 5));
  CHECK(m.data_len == 7 && m.data[6] == 7);
  CHECK(m.has_lifetime && m.lifetime == 600);
  CHECK(m.has_controlling && !m.has_controlled && m.tie_breaker == 0x0102030405060708);
  CHECK(m.has_use_candidate && m.username && m.username_len == 0);
  CHECK(!m.has_integrity && m.has_fingerprint);
  CHECK_EQ(rtc_stun_check(&m, p, (const uint8_t *)PWD, strlen(PWD)), RTC_EAUTH);
}

/* A message by hand: begin, attributes, then this exact length. */
static size_t finish(rtc_wr_t *w) {
  rtc_put16(w->start + 2, (uint16_t)(rtc_wr_len(w) - RTC_STUN_HEADER));
  return rtc_wr_len(w);
}

static void what_follows_integrity_is_ignored(void) {
  uint8_t p[512];
  rtc_stun_t m;
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, "abcd:efgh", 9);
  CHECK(rtc_stun_end(&w, (const uint8_t *)PWD, strlen(PWD)) > 0);
  w.p -= 8; /* without the fingerprint */
  w.bad = false;
  rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, "\1\2\3\4", 4);
  rtc_stun_put(&w, 0x7fff, "x", 1);
  rtc_stun_put(&w, RTC_STUN_A_INTEGRITY, "01234567890123456789", 20);
  size_t n = finish(&w);
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK(!m.has_use_candidate && !m.has_priority && m.unknown_n == 0);
  CHECK_EQ(check_pwd(&m, p), 0);
  n = (size_t)rtc_stun_end(&w, NULL, 0); /* and then a fingerprint over all of it */
  CHECK_EQ(rtc_stun_parse(&m, p, n), 0);
  CHECK(m.has_fingerprint && !m.has_use_candidate);
  CHECK_EQ(check_pwd(&m, p), 0);
  rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0); /* nothing may follow the fingerprint */
  n = finish(&w);
  CHECK_EQ(rtc_stun_parse(&m, p, n), RTC_EPROTO);
}

static void first_of_equals_counts(void) {
  uint8_t p[256];
  rtc_addr_t a, b;
  CHECK_EQ(rtc_addr_parse(&a, "192.0.2.7", 7), 0);
  CHECK_EQ(rtc_addr_parse(&b, "192.0.2.8", 8), 0);
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_SUCCESS, TID);
  rtc_stun_put(&w, RTC_STUN_A_MAPPED, "\0\1\0\x63\xc0\0\2\x63", 8);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &a, TID);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &b, TID);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, "one", 3);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, "two", 3);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, "\0\0\0\1", 4);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, "\0\0\0\2", 4);
  int n = rtc_stun_end(&w, NULL, 0);
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
  CHECK(rtc_addr_eq(&m.mapped, &a)); /* the XOR form wins although it came second */
  CHECK_MEM(m.username, "one", 3);
  CHECK_EQ(m.priority, 1);

  w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_SUCCESS, TID);
  rtc_stun_put(&w, RTC_STUN_A_MAPPED, "\0\1\0\x63\xc0\0\2\x63", 8);
  n = rtc_stun_end(&w, NULL, 0);
  CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
  CHECK_EQ(rtc_addr_parse(&b, "192.0.2.99", 99), 0);
  CHECK(m.has_mapped && rtc_addr_eq(&m.mapped, &b));
}

static void unknown_attributes(void) {
  uint8_t p[512];
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
  for (uint16_t i = 0; i < 12; i++) {
    rtc_stun_put(&w, (uint16_t)(0x7000 + i), "abc", 3);
    rtc_stun_put(&w, (uint16_t)(0xc050 + i), "abc", 3); /* browsers send such; they may be ignored */
  }
  int n = rtc_stun_end(&w, NULL, 0);
  rtc_stun_t m;
  CHECK_EQ(rtc_stun_parse(&m, p, (size_t)n), 0);
  CHECK_EQ(m.unknown_n, 8);
  for (int i = 0; i < m.unknown_n; i++) CHECK_EQ(m.unknown[i], 0x7000 + i);
}

static void no_room(void) {
  uint8_t p[256];
  for (size_t cap = 0; cap < 20 + 16 + 24 + 8; cap++) {
    rtc_wr_t w = rtc_wr(p, cap);
    rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
    rtc_stun_put(&w, RTC_STUN_A_USERNAME, "abcd:efgh", 9);
    CHECK_EQ(rtc_stun_end(&w, (const uint8_t *)PWD, strlen(PWD)), RTC_ENOBUFS);
  }
  rtc_wr_t w = rtc_wr(p, 20 + 16 + 24 + 8);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, "abcd:efgh", 9);
  CHECK_EQ(rtc_stun_end(&w, (const uint8_t *)PWD, strlen(PWD)), 68);
  w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, TID);
  rtc_stun_put(&w, RTC_STUN_A_DATA, p, 70000); /* more than a length field can say */
  CHECK_EQ(rtc_stun_end(&w, NULL, 0), RTC_ENOBUFS);
}

int main(void) {
  RUN(rfc5769_request);
  RUN(rfc5769_responses);
  RUN(rfc5769_long_term);
  RUN(rfc8489_sha256);
  RUN(flipped_bits);
  RUN(truncated);
  RUN(no_stun_at_all);
  RUN(wrong_sizes);
  RUN(addresses_there_and_back);
  RUN(attributes_there_and_back);
  RUN(what_follows_integrity_is_ignored);
  RUN(first_of_equals_counts);
  RUN(unknown_attributes);
  RUN(no_room);
  return CHECK_END();
}
