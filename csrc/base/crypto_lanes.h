/* crypto_lanes: what crypto_batch.c asks of a backend that seals many packets side by side; inside base only. Without
 * one (RTC_HAVE_IPSEC_MB unset) nothing opens and no key keeps an expanded form. */
#ifndef RTC_BASE_CRYPTO_LANES_H
#define RTC_BASE_CRYPTO_LANES_H

#include "base/crypto.h"

/* What rtc_hmac_t.ctx begins with: SHA-1 after the block of key xor ipad, and of key xor opad (RFC 2104). */
typedef struct rtc_hmac_state {
  uint32_t inner[5], outer[5];
} rtc_hmac_state_t;

typedef struct rtc_lanes rtc_lanes_t;

enum { RTC_LANES_JOBS = 64 }; /* most jobs of one rtc_lanes_ctr_hmac; a multiple of every width */

#if RTC_HAVE_IPSEC_MB

rtc_lanes_t *rtc_lanes_open(rtc_sealer_path_t path); /* NULL without memory, AES-NI, or the named path */
void rtc_lanes_close(rtc_lanes_t *l);
const char *rtc_lanes_name(const rtc_lanes_t *l);
size_t rtc_lanes_width(const rtc_lanes_t *l); /* HMACs computed at the same time */

/* A place for a key's expanded form, which the first batch fills in: RTC_OK or RTC_ENOMEM. */
RTC_MUST_USE int rtc_lanes_gcm_key(void **batch_key, const uint8_t *key, size_t key_len);
RTC_MUST_USE int rtc_lanes_ctr_key(void **batch_key, const uint8_t *key, size_t key_len);
void rtc_lanes_key_free(void *batch_key); /* wipes; NULL is fine */

/* Arguments have been checked and every key has a batch_key. They set the results. */
void rtc_lanes_gcm_seal(rtc_lanes_t *l, rtc_gcm_job_t *job);
void rtc_lanes_gcm_prefetch(const rtc_lanes_t *l, const rtc_gcm_job_t *job); /* of any job, without waiting */
/* Decrypts in place; `tag` is what the packet's has to be. */
void rtc_lanes_gcm_open(rtc_lanes_t *l, void *batch_key, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                        uint8_t tag[16]);
/* n <= RTC_LANES_JOBS; nothing to encrypt (clear == len) is not taken. */
void rtc_lanes_ctr_hmac(rtc_lanes_t *l, rtc_ctr_hmac_job_t *const *jobs, size_t n);

#else

static inline rtc_lanes_t *rtc_lanes_open(rtc_sealer_path_t path) { return (void)path, NULL; }
static inline void rtc_lanes_close(rtc_lanes_t *l) { (void)l; }
static inline const char *rtc_lanes_name(const rtc_lanes_t *l) { return (void)l, ""; }
static inline size_t rtc_lanes_width(const rtc_lanes_t *l) { return (void)l, 1; }
RTC_MUST_USE static inline int rtc_lanes_gcm_key(void **batch_key, const uint8_t *key, size_t key_len) {
  return (void)batch_key, (void)key, (void)key_len, RTC_OK;
}
RTC_MUST_USE static inline int rtc_lanes_ctr_key(void **batch_key, const uint8_t *key, size_t key_len) {
  return (void)batch_key, (void)key, (void)key_len, RTC_OK;
}
static inline void rtc_lanes_key_free(void *batch_key) { (void)batch_key; }
static inline void rtc_lanes_gcm_seal(rtc_lanes_t *l, rtc_gcm_job_t *job) { (void)l, (void)job; }
static inline void rtc_lanes_gcm_prefetch(const rtc_lanes_t *l, const rtc_gcm_job_t *job) { (void)l, (void)job; }
static inline void rtc_lanes_gcm_open(rtc_lanes_t *l, void *batch_key, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p,
                                      size_t n, uint8_t tag[16]) {
  (void)l, (void)batch_key, (void)iv, (void)aad, (void)aad_len, (void)p, (void)n, (void)tag;
}
static inline void rtc_lanes_ctr_hmac(rtc_lanes_t *l, rtc_ctr_hmac_job_t *const *jobs, size_t n) { (void)l, (void)jobs, (void)n; }

#endif

#endif
