/* crypto on OpenSSL >= 3. Each context fetches its cipher and expands its key once; a packet then costs one
 * nonce and the cipher itself. SHA-1 goes through SHA_CTX, the one deprecated interface used here: a keyed state
 * is copied as a plain struct, where EVP_MD_CTX_copy_ex and EVP_MAC allocate on every packet. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_lanes.h"

/* OpenSSL counts in int. */
static bool fits_int(size_t n) { return n <= INT_MAX; }

/* A context with its cipher and key set and no nonce yet; NULL without memory or cipher. */
static EVP_CIPHER_CTX *keyed(const char *name, const uint8_t *key, int encrypt) {
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (!cipher || !ctx || EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) != 1) {
    EVP_CIPHER_CTX_free(ctx);
    ctx = NULL;
  }
  EVP_CIPHER_free(cipher); /* the context holds its own reference */
  return ctx;
}

/* AES-GCM */

int rtc_gcm_init(rtc_gcm_t *g, const uint8_t *key, size_t key_len, bool seal) {
  memset(g, 0, sizeof *g);
  if (key_len != 16 && key_len != 32) return RTC_EINVAL;
  memcpy(g->key, key, key_len);
  g->key_len = (uint8_t)key_len;
  g->seal = seal;
  return RTC_OK;
}

/* The cipher, made when it is wanted first; NULL with *err. */
static EVP_CIPHER_CTX *gcm_ctx(rtc_gcm_t *g, bool seal, int *err) {
  *err = RTC_ESTATE;
  if (!g->key_len || g->seal != seal) return NULL;
  if (g->ctx) return g->ctx;
  *err = RTC_ENOMEM;
  g->ctx = keyed(g->key_len == 16 ? "AES-128-GCM" : "AES-256-GCM", g->key, seal);
  if (g->ctx) rtc_cleanse(g->key, sizeof g->key);
  return g->ctx;
}

void rtc_gcm_clear(rtc_gcm_t *g) {
  EVP_CIPHER_CTX_free(g->ctx); /* wipes the key schedule */
  rtc_lanes_key_free(g->batch_key);
  rtc_cleanse(g, sizeof *g);
}

int rtc_gcm_seal(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n, uint8_t tag[16]) {
  uint8_t none[16];
  int got;
  if (!fits_int(aad_len) || !fits_int(n)) return RTC_EINVAL;
  EVP_CIPHER_CTX *ctx = gcm_ctx(g, true, &got);
  if (!ctx) return got;
  if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) != 1 || (aad_len && EVP_EncryptUpdate(ctx, NULL, &got, aad, (int)aad_len) != 1) ||
      (n && EVP_EncryptUpdate(ctx, p, &got, p, (int)n) != 1) || EVP_EncryptFinal_ex(ctx, none, &got) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, RTC_GCM_TAG, tag) != 1)
    return RTC_ESTATE;
  return RTC_OK;
}

int rtc_gcm_open(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n, const uint8_t tag[16]) {
  uint8_t none[16], want[RTC_GCM_TAG];
  int got;
  if (!fits_int(aad_len) || !fits_int(n)) return RTC_EINVAL;
  EVP_CIPHER_CTX *ctx = gcm_ctx(g, false, &got);
  if (!ctx) return got;
  memcpy(want, tag, sizeof want); /* OpenSSL's ctrl takes no const pointer */
  if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, iv) != 1 || (aad_len && EVP_DecryptUpdate(ctx, NULL, &got, aad, (int)aad_len) != 1) ||
      (n && EVP_DecryptUpdate(ctx, p, &got, p, (int)n) != 1) || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, RTC_GCM_TAG, want) != 1)
    return RTC_ESTATE;
  return EVP_DecryptFinal_ex(ctx, none, &got) == 1 ? RTC_OK : RTC_EAUTH;
}

/* AES counter mode */

int rtc_ctr_init(rtc_ctr_t *c, const uint8_t *key, size_t key_len) {
  const char *name = key_len == 16 ? "AES-128-CTR" : key_len == 24 ? "AES-192-CTR" : "AES-256-CTR";
  c->ctx = c->batch_key = NULL;
  if (key_len != 16 && key_len != 24 && key_len != 32) return RTC_EINVAL;
  c->ctx = keyed(name, key, 1);
  return c->ctx ? RTC_OK : RTC_ENOMEM;
}

void rtc_ctr_clear(rtc_ctr_t *c) {
  EVP_CIPHER_CTX_free(c->ctx);
  rtc_lanes_key_free(c->batch_key);
  c->ctx = c->batch_key = NULL;
}

int rtc_ctr_xor(rtc_ctr_t *c, const uint8_t iv[16], uint8_t *p, size_t n) {
  int got;
  if (!fits_int(n)) return RTC_EINVAL;
  if (EVP_EncryptInit_ex(c->ctx, NULL, NULL, NULL, iv) != 1 || (n && EVP_EncryptUpdate(c->ctx, p, &got, p, (int)n) != 1)) return RTC_ESTATE;
  return RTC_OK;
}

/* HMAC-SHA1 (RFC 2104) */

typedef struct hmac_key {
  rtc_hmac_state_t state; /* first: what a batch reads */
  SHA_CTX inner, outer;   /* after the first block: key xor ipad, key xor opad */
} hmac_key_t;

static void sha1_state(const SHA_CTX *c, uint32_t out[5]) {
  const uint32_t h[5] = {c->h0, c->h1, c->h2, c->h3, c->h4};
  memcpy(out, h, sizeof h);
}

static void hmac_key_set(hmac_key_t *k, const uint8_t *key, size_t key_len) {
  uint8_t pad[SHA_CBLOCK] = {0};
  if (key_len > sizeof pad)
    SHA1(key, key_len, pad);
  else if (key_len)
    memcpy(pad, key, key_len);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
  SHA1_Init(&k->inner);
  SHA1_Update(&k->inner, pad, sizeof pad);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
  SHA1_Init(&k->outer);
  SHA1_Update(&k->outer, pad, sizeof pad);
  sha1_state(&k->inner, k->state.inner);
  sha1_state(&k->outer, k->state.outer);
  rtc_cleanse(pad, sizeof pad);
}

static void hmac_run(const hmac_key_t *k, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t out[20]) {
  SHA_CTX h = k->inner;
  if (an) SHA1_Update(&h, a, an);
  if (bn) SHA1_Update(&h, b, bn);
  SHA1_Final(out, &h);
  h = k->outer;
  SHA1_Update(&h, out, SHA_DIGEST_LENGTH);
  SHA1_Final(out, &h);
}

int rtc_hmac_init(rtc_hmac_t *h, const uint8_t *key, size_t key_len) {
  h->ctx = malloc(sizeof(hmac_key_t));
  if (!h->ctx) return RTC_ENOMEM;
  hmac_key_set(h->ctx, key, key_len);
  return RTC_OK;
}

void rtc_hmac_clear(rtc_hmac_t *h) {
  if (h->ctx) rtc_cleanse(h->ctx, sizeof(hmac_key_t));
  free(h->ctx);
  h->ctx = NULL;
}

int rtc_hmac_sha1(rtc_hmac_t *h, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t out[20]) {
  hmac_run(h->ctx, a, an, b, bn, out);
  return RTC_OK;
}

int rtc_hmac_sha1_once(const uint8_t *key, size_t key_len, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t out[20]) {
  hmac_key_t k;
  hmac_key_set(&k, key, key_len);
  hmac_run(&k, a, an, b, bn, out);
  rtc_cleanse(&k, sizeof k);
  return RTC_OK;
}

int rtc_hmac_sha256_once(const uint8_t *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[32]) {
  static const uint8_t empty[1];
  if (!fits_int(key_len)) return RTC_EINVAL;
  /* A NULL key would mean "the key of last time" to HMAC. */
  return HMAC(EVP_sha256(), key_len ? key : empty, (int)key_len, p ? p : empty, n, out, NULL) ? RTC_OK : RTC_ENOMEM;
}

/* RFC 2104 by hand: the one-shot call of OpenSSL takes a single piece, and its contexts are deprecated or costly. */
int rtc_hmac_sha256_parts(const uint8_t *key, size_t key_len, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t out[32]) {
  uint8_t pad[SHA256_CBLOCK] = {0};
  SHA256_CTX h;
  if (key_len > sizeof pad)
    SHA256(key, key_len, pad);
  else if (key_len)
    memcpy(pad, key, key_len);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
  SHA256_Init(&h);
  SHA256_Update(&h, pad, sizeof pad);
  if (an) SHA256_Update(&h, a, an);
  if (bn) SHA256_Update(&h, b, bn);
  SHA256_Final(out, &h);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
  SHA256_Init(&h);
  SHA256_Update(&h, pad, sizeof pad);
  SHA256_Update(&h, out, SHA256_DIGEST_LENGTH);
  SHA256_Final(out, &h);
  rtc_cleanse(pad, sizeof pad);
  return RTC_OK;
}

/* Hashes, checksum, random */

int rtc_md5(const uint8_t *p, size_t n, uint8_t out[16]) {
  static const uint8_t empty[1];
  unsigned len = 0;
  return EVP_Digest(p ? p : empty, n, out, &len, EVP_md5(), NULL) == 1 && len == 16 ? RTC_OK : RTC_ESTATE;
}

int rtc_sha(int bits, const uint8_t *p, size_t n, uint8_t out[64]) {
  static const uint8_t empty[1];
  const EVP_MD *md = bits == 1 ? EVP_sha1() : bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : bits == 512 ? EVP_sha512() : NULL;
  unsigned len = 0;
  if (!md) return RTC_EINVAL;
  return EVP_Digest(p ? p : empty, n, out, &len, md, NULL) == 1 ? (int)len : RTC_ENOMEM;
}

/* The reflected polynomial 0xedb88320, a nibble a step: FINGERPRINT covers short messages only, so a small table
 * that stays in cache beats a large one. */
uint32_t rtc_crc32(const uint8_t *p, size_t n) {
  static const uint32_t t[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t c = 0xffffffff;
  for (size_t i = 0; i < n; i++) {
    c = t[(c ^ p[i]) & 15] ^ (c >> 4);
    c = t[(c ^ (uint32_t)(p[i] >> 4)) & 15] ^ (c >> 4);
  }
  return ~c;
}

int rtc_random(void *out, size_t n) {
  if (!fits_int(n)) return RTC_EINVAL;
  return RAND_bytes(out, (int)n) == 1 ? RTC_OK : RTC_ESTATE;
}

void rtc_cleanse(void *p, size_t n) { OPENSSL_cleanse(p, n); }

bool rtc_equal_ct(const void *a, const void *b, size_t n) { return CRYPTO_memcmp(a, b, n) == 0; }

const char *rtc_crypto_version(void) { return OpenSSL_version(OPENSSL_VERSION); }
uint32_t rtc_crypto_number(void) { return (uint32_t)OpenSSL_version_num(); }

const char *rtc_crypto_flaw(uint32_t number) {
  static const struct {
    uint32_t first, mended;
    const char *what;
  } flaws[] = {
      {0x30000000, 0x30000020, "a peer's certificate can keep it busy for ever (CVE-2022-0778); use 3.0.2 or later"},
      {0x30000040, 0x30000050, "a handshake with an RSA key can corrupt memory (CVE-2022-2274); use 3.0.5 or later"},
  };
  if (number < 0x30000000) return "it is older than 3.0";
  for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++)
    if (number >= flaws[i].first && number < flaws[i].mended) return flaws[i].what;
  return NULL;
}
