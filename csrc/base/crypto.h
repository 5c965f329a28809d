/* crypto: ciphers, hashes and random bytes for everything above; the only header that leads to openssl/evp.h
 * (crypto_openssl.c). Keys are expanded once; per packet only the nonce is set. All functions are
 * deterministic but rtc_random. */
#ifndef RTC_BASE_CRYPTO_H
#define RTC_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* AES-GCM, one direction, one key. */
typedef struct rtc_gcm {
  void *ctx;
} rtc_gcm_t;
enum { RTC_GCM_TAG = 16, RTC_GCM_IV = 12 };
RTC_MUST_USE int rtc_gcm_init(rtc_gcm_t *g, const uint8_t *key, size_t key_len, bool seal); /* key_len 16 or 32 */
void rtc_gcm_clear(rtc_gcm_t *g);
/* In place over p[0..n); the tag goes to tag[16]. 0 or RTC_E*. */
RTC_MUST_USE int rtc_gcm_seal(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                              uint8_t tag[16]);
/* In place; RTC_EAUTH when the tag is wrong. p was xored with the keystream of iv even then: it must not be used, and
 * another call with the same iv brings the former bytes back. */
RTC_MUST_USE int rtc_gcm_open(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                              const uint8_t tag[16]);

/* AES in counter mode (RFC 3711 §4.1.1, 6188), key 16, 24 or 32 bytes; xor in place. */
typedef struct rtc_ctr {
  void *ctx;
} rtc_ctr_t;
RTC_MUST_USE int rtc_ctr_init(rtc_ctr_t *c, const uint8_t *key, size_t key_len);
void rtc_ctr_clear(rtc_ctr_t *c);
RTC_MUST_USE int rtc_ctr_xor(rtc_ctr_t *c, const uint8_t iv[16], uint8_t *p, size_t n);

/* HMAC-SHA1 with the two pads hashed once (by the key), so a packet costs only its own blocks. */
typedef struct rtc_hmac {
  void *ctx;
} rtc_hmac_t;
RTC_MUST_USE int rtc_hmac_init(rtc_hmac_t *h, const uint8_t *key, size_t key_len);
void rtc_hmac_clear(rtc_hmac_t *h);
/* MAC over a then b (b may be NULL with 0). */
RTC_MUST_USE int rtc_hmac_sha1(rtc_hmac_t *h, const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t out[20]);

/* One-shot forms for the control path. */
RTC_MUST_USE int rtc_hmac_sha1_once(const uint8_t *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[20]);
RTC_MUST_USE int rtc_hmac_sha256_once(const uint8_t *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[32]);
/* bits: 1, 256, 384 or 512; returns the digest's length or RTC_EINVAL. */
RTC_MUST_USE int rtc_sha(int bits, const uint8_t *p, size_t n, uint8_t out[64]);
uint32_t rtc_crc32(const uint8_t *p, size_t n); /* ISO 3309, for STUN FINGERPRINT */

RTC_MUST_USE int rtc_random(void *out, size_t n);
void rtc_cleanse(void *p, size_t n); /* never optimised away */
/* Constant time; true when equal. */
bool rtc_equal_ct(const void *a, const void *b, size_t n);
/* "OpenSSL 3.0.19 .." as linked. */
const char *rtc_crypto_version(void);

#endif
