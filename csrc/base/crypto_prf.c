/* The PRF of TLS 1.2. Hash states are copied as plain structs, by OpenSSL's older interface: its KDF and MAC contexts take several times
 * the hashing itself. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "base/crypto.h"

enum { BLOCK_MAX = SHA512_CBLOCK };

/* SHA-256, or SHA-384 when wide. */
typedef struct hash {
  union {
    SHA256_CTX narrow;
    SHA512_CTX wide;
  } u;
  bool is_wide;
} hash_t;

static void start(hash_t *h, bool wide) {
  h->is_wide = wide;
  if (wide)
    SHA384_Init(&h->u.wide);
  else
    SHA256_Init(&h->u.narrow);
}

static void add(hash_t *h, const uint8_t *p, size_t n) {
  if (!n) return;
  if (h->is_wide)
    SHA384_Update(&h->u.wide, p, n);
  else
    SHA256_Update(&h->u.narrow, p, n);
}

static size_t finish(hash_t *h, uint8_t *out) {
  if (h->is_wide)
    SHA384_Final(out, &h->u.wide);
  else
    SHA256_Final(out, &h->u.narrow);
  return h->is_wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
}

/* HMAC (RFC 2104) with the key's blocks hashed once. */
typedef struct mac {
  hash_t inner, outer;
} mac_t;

static void mac_start(mac_t *m, bool wide, const uint8_t *key, size_t key_len) {
  uint8_t pad[BLOCK_MAX] = {0};
  size_t block = wide ? SHA512_CBLOCK : SHA256_CBLOCK;
  if (key_len > block) {
    hash_t h;
    start(&h, wide);
    add(&h, key, key_len);
    finish(&h, pad);
    rtc_cleanse(&h, sizeof h);
  } else if (key_len) {
    memcpy(pad, key, key_len);
  }
  for (size_t i = 0; i < block; i++) pad[i] ^= 0x36;
  start(&m->inner, wide);
  add(&m->inner, pad, block);
  for (size_t i = 0; i < block; i++) pad[i] ^= 0x36 ^ 0x5c;
  start(&m->outer, wide);
  add(&m->outer, pad, block);
  rtc_cleanse(pad, sizeof pad);
}

/* Of a, then b. */
static size_t mac_of(const mac_t *m, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t *out) {
  hash_t h = m->inner;
  add(&h, a, an);
  add(&h, b, bn);
  size_t n = finish(&h, out);
  h = m->outer;
  add(&h, out, n);
  return finish(&h, out);
}

int rtc_tls_prf(int bits, const uint8_t *secret, size_t secret_len, const uint8_t *seed, size_t seed_len, uint8_t *out, size_t n) {
  uint8_t a[SHA384_DIGEST_LENGTH], piece[SHA384_DIGEST_LENGTH];
  mac_t m;
  if (bits != 256 && bits != 384) return RTC_EINVAL;
  mac_start(&m, bits == 384, secret, secret_len);
  size_t len = mac_of(&m, seed, seed_len, NULL, 0, a); /* A(1) */
  while (n) {
    mac_of(&m, a, len, seed, seed_len, piece);
    size_t take = n < len ? n : len;
    memcpy(out, piece, take);
    out += take;
    n -= take;
    if (n) mac_of(&m, a, len, NULL, 0, a);
  }
  rtc_cleanse(&m, sizeof m);
  rtc_cleanse(a, sizeof a);
  rtc_cleanse(piece, sizeof piece);
  return RTC_OK;
}
