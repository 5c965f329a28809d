/* crypto: ciphers, hashes and random bytes for everything above; the only header that leads to openssl/evp.h
 * (crypto_openssl.c) and intel-ipsec-mb.h (crypto_ipsecmb.c). Keys are expanded once; per packet only the nonce is set. All functions are
 * deterministic but rtc_random. */
#ifndef RTC_BASE_CRYPTO_H
#define RTC_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* AES-GCM, one direction, one key. The first packet makes the cipher (1.2 KB): many keys never see one, and those of a batch have
 * another form. */
typedef struct rtc_gcm {
  void *ctx;       /* NULL until then */
  void *batch_key; /* see rtc_gcm_prepare */
  uint8_t key[32]; /* until then */
  uint8_t key_len; /* 0: not initialised, or cleared */
  bool seal;
} rtc_gcm_t;
enum { RTC_GCM_TAG = 16, RTC_GCM_IV = 12 };
RTC_MUST_USE int rtc_gcm_init(rtc_gcm_t *g, const uint8_t *key, size_t key_len, bool seal); /* key_len 16 or 32 */
void rtc_gcm_clear(rtc_gcm_t *g); /* wipes; idempotent, all zeros is a cleared one */
/* In place over p[0..n); the tag goes to tag[16]. 0 or RTC_E*: RTC_ESTATE without a key, RTC_ENOMEM by the first packet. */
RTC_MUST_USE int rtc_gcm_seal(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                              uint8_t tag[16]);
/* In place; RTC_EAUTH when the tag is wrong. p was xored with the keystream of iv even then: it must not be used, and
 * another call with the same iv brings the former bytes back. */
RTC_MUST_USE int rtc_gcm_open(rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                              const uint8_t tag[16]);

/* AES in counter mode (RFC 3711 §4.1.1, 6188), key 16, 24 or 32 bytes; xor in place. */
typedef struct rtc_ctr {
  void *ctx;
  void *batch_key; /* see rtc_ctr_prepare */
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

/* A sealer runs batches: many packets, each with keys of its own, sealed by one call. The result is byte for byte that
 * of one rtc_gcm_seal, or rtc_ctr_xor and rtc_hmac_sha1, a job; where the machine has intel-ipsec-mb it is there several
 * times faster. Nothing is allocated and nothing outside a job's own bytes is written. Jobs of one batch may share keys
 * but not bytes. A sealer belongs to one thread; so do, meanwhile, the keys in its jobs. */
typedef enum rtc_sealer_path { RTC_SEALER_BEST, RTC_SEALER_OPENSSL, RTC_SEALER_SSE, RTC_SEALER_AVX2, RTC_SEALER_AVX512 } rtc_sealer_path_t;
typedef struct rtc_sealer {
  void *lanes; /* NULL: jobs go to OpenSSL one by one; so all zeros, and a NULL sealer, work too */
} rtc_sealer_t;
/* BEST takes what the CPU runs fastest and never fails; a named path is for tests and measurements: RTC_ESTATE when
 * the build or the CPU has it not. Costs milliseconds (self-test) and 200 KB with intel-ipsec-mb. */
RTC_MUST_USE int rtc_sealer_init(rtc_sealer_t *b, rtc_sealer_path_t path);
void rtc_sealer_clear(rtc_sealer_t *b); /* idempotent */
/* What runs the jobs: "OpenSSL" or "intel-ipsec-mb .."; static text. NULL asks what BEST would take here. */
const char *rtc_sealer_backend(const rtc_sealer_t *b);

/* Lets batches use the key that init was given: keeps about 1.1 KB (GCM) or 0.3 KB (CTR) for its expanded form until
 * clear. Without it, or in a build without a backend, where it does nothing, the key's jobs go to OpenSSL. */
RTC_MUST_USE int rtc_gcm_prepare(rtc_gcm_t *g, const uint8_t *key, size_t key_len);
RTC_MUST_USE int rtc_ctr_prepare(rtc_ctr_t *c, const uint8_t *key, size_t key_len);

typedef struct rtc_gcm_job {
  rtc_gcm_t *key; /* made for sealing */
  const uint8_t *aad;
  uint8_t *p, *tag; /* in place over p[0..n); tag[16] may follow p directly */
  uint32_t aad_len, n;
  uint8_t iv[12];
  int result; /* RTC_OK or RTC_E*; then p may be half encrypted and must not be sent */
} rtc_gcm_job_t;
/* RTC_OK when every job's result is; else one of the results. */
RTC_MUST_USE int rtc_sealer_gcm(rtc_sealer_t *b, rtc_gcm_job_t *jobs, size_t n);
/* rtc_gcm_open by the sealer's backend, for which the key's first packet makes the expanded form, in place of OpenSSL's. */
RTC_MUST_USE int rtc_sealer_gcm_open(rtc_sealer_t *b, rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p,
                                     size_t n, const uint8_t tag[16]);

/* Encrypt, then authenticate: p[clear..len) in counter mode, then HMAC-SHA1 over p[0..len) and `suffix`, which is not
 * sent; the first tag_len bytes of it go to p + len. The IV's last two bytes count blocks and start at 0. */
enum { RTC_CTR_HMAC_LEN_MAX = 65535, RTC_CTR_HMAC_TAG_MIN = 4, RTC_CTR_HMAC_TAG_MAX = 12 };
typedef struct rtc_ctr_hmac_job {
  rtc_ctr_t *key;
  rtc_hmac_t *mac;
  uint8_t *p; /* room for len + tag_len */
  uint32_t clear, len, tag_len;
  uint8_t iv[16], suffix[4];
  int result;
} rtc_ctr_hmac_job_t;
RTC_MUST_USE int rtc_sealer_ctr_hmac(rtc_sealer_t *b, rtc_ctr_hmac_job_t *jobs, size_t n);

/* One-shot forms for the control path; the first allocates nothing. MAC over a then b (b may be NULL with 0). */
RTC_MUST_USE int rtc_hmac_sha1_once(const uint8_t *key, size_t key_len, const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
                                    uint8_t out[20]);
RTC_MUST_USE int rtc_hmac_sha256_once(const uint8_t *key, size_t key_len, const uint8_t *p, size_t n, uint8_t out[32]);
/* MAC over a then b. */
RTC_MUST_USE int rtc_hmac_sha256_parts(const uint8_t *key, size_t key_len, const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
                                       uint8_t out[32]);
/* TLS 1.2's PRF (RFC 5246 §5) by P_hash with SHA-256 or SHA-384 (bits); label and seed are one block. Allocates nothing. */
RTC_MUST_USE int rtc_tls_prf(int bits, const uint8_t *secret, size_t secret_len, const uint8_t *seed, size_t seed_len, uint8_t *out,
                             size_t n);
/* MD5, which nothing but the keys of TURN's long-term credentials needs (RFC 8489 §9.2.2). RTC_ESTATE when this OpenSSL refuses it. */
RTC_MUST_USE int rtc_md5(const uint8_t *p, size_t n, uint8_t out[16]);
/* bits: 1, 256, 384 or 512; returns the digest's length or RTC_EINVAL. */
RTC_MUST_USE int rtc_sha(int bits, const uint8_t *p, size_t n, uint8_t out[64]);
uint32_t rtc_crc32(const uint8_t *p, size_t n); /* ISO 3309, for STUN FINGERPRINT */

RTC_MUST_USE int rtc_random(void *out, size_t n);
void rtc_cleanse(void *p, size_t n); /* never optimised away */
/* Constant time; true when equal. */
bool rtc_equal_ct(const void *a, const void *b, size_t n);
/* "OpenSSL 3.0.19 .." as linked. */
const char *rtc_crypto_version(void);
uint32_t rtc_crypto_number(void); /* the same as a number: 0x300000d0 is 3.0.13 */
/* Why a library of this number must not be used: a flaw that a peer reaches before anybody knows who it is. NULL: none is known. */
const char *rtc_crypto_flaw(uint32_t number);

#endif
