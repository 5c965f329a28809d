/* Lanes on intel-ipsec-mb >= 1.3, the only file with its header. GCM goes through the direct call, which keeps the
 * pipes full with one packet; counter mode and HMAC-SHA1 go as two bursts, because SHA-1 of one packet is a chain
 * that only other packets can fill. A burst ends with all its jobs done: nothing waits from call to call. */
#include "base/crypto_lanes.h"

#if RTC_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_WRITTEN = 12 }; /* the library writes 12 bytes of a MAC or all 20 */
_Static_assert((int)RTC_CTR_HMAC_TAG_MAX <= (int)TAG_WRITTEN, "a tag comes out of what the library writes");

struct rtc_lanes {
  IMB_MGR *mgr;
  struct gcm_context_data gcm;  /* scratch of one call */
  IMB_JOB jobs[RTC_LANES_JOBS]; /* what is the same in all of them is set once */
  uint8_t tags[RTC_LANES_JOBS][TAG_WRITTEN];
};

/* Keys. The expanded forms depend on the code path, so they are made when a batch first meets the key. */

typedef struct lane_key {
  uint32_t size; /* of the whole object, for the wipe */
  uint32_t arch; /* that the expanded form is for; IMB_ARCH_NONE: there is none yet */
  uint32_t key_len;
  uint8_t key[32];
} lane_key_t;

typedef struct gcm_key {
  _Alignas(64) lane_key_t head;
  _Alignas(64) struct gcm_key_data expanded;
} gcm_key_t;

typedef struct ctr_key {
  _Alignas(16) lane_key_t head;
  _Alignas(16) uint8_t expanded[16 * 15]; /* AES-256 has the most round keys */
} ctr_key_t;

static int key_new(void **out, size_t size, size_t align, const uint8_t *key, size_t key_len) {
  lane_key_t *k = aligned_alloc(align, size);
  if (!k) return RTC_ENOMEM;
  memset(k, 0, size);
  k->size = (uint32_t)size;
  k->arch = IMB_ARCH_NONE;
  k->key_len = (uint32_t)key_len;
  memcpy(k->key, key, key_len);
  *out = k;
  return RTC_OK;
}

int rtc_lanes_gcm_key(void **batch_key, const uint8_t *key, size_t key_len) {
  return key_new(batch_key, sizeof(gcm_key_t), _Alignof(gcm_key_t), key, key_len);
}

int rtc_lanes_ctr_key(void **batch_key, const uint8_t *key, size_t key_len) {
  return key_new(batch_key, sizeof(ctr_key_t), _Alignof(ctr_key_t), key, key_len);
}

void rtc_lanes_key_free(void *batch_key) {
  lane_key_t *k = batch_key;
  if (k) rtc_cleanse(k, k->size);
  free(k);
}

static void gcm_expand(const rtc_lanes_t *l, gcm_key_t *k) {
  if (k->head.key_len == 16)
    IMB_AES128_GCM_PRE(l->mgr, k->head.key, &k->expanded);
  else
    IMB_AES256_GCM_PRE(l->mgr, k->head.key, &k->expanded);
  k->head.arch = l->mgr->used_arch;
}

static void ctr_expand(const rtc_lanes_t *l, ctr_key_t *k) {
  _Alignas(16) uint8_t unused[sizeof k->expanded]; /* for decryption */
  if (k->head.key_len == 16)
    IMB_AES_KEYEXP_128(l->mgr, k->head.key, k->expanded, unused);
  else if (k->head.key_len == 24)
    IMB_AES_KEYEXP_192(l->mgr, k->head.key, k->expanded, unused);
  else
    IMB_AES_KEYEXP_256(l->mgr, k->head.key, k->expanded, unused);
  rtc_cleanse(unused, sizeof unused);
  k->head.arch = l->mgr->used_arch;
}

/* Opening */

/* Its initialisers run a self-test, so one for a path that the CPU has not ends in a crash, not in an error. */
static bool has(const IMB_MGR *m, uint64_t flags) { return (m->features & flags) == flags; }

static bool start(IMB_MGR *m, rtc_sealer_path_t path) {
  IMB_ARCH arch;
  switch (path) {
    case RTC_SEALER_BEST:
      init_mb_mgr_auto(m, &arch);
      break;
    case RTC_SEALER_SSE:
      if (!has(m, IMB_CPUFLAGS_SSE)) return false;
      init_mb_mgr_sse(m);
      break;
    case RTC_SEALER_AVX2:
      if (!has(m, IMB_CPUFLAGS_AVX2)) return false;
      init_mb_mgr_avx2(m);
      break;
    case RTC_SEALER_AVX512:
      if (!has(m, IMB_CPUFLAGS_AVX512)) return false;
      init_mb_mgr_avx512(m);
      break;
    case RTC_SEALER_OPENSSL:
    default:
      return false;
  }
  return imb_get_errno(m) == 0;
}

rtc_lanes_t *rtc_lanes_open(rtc_sealer_path_t path) {
  rtc_lanes_t *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->mgr = alloc_mb_mgr(0);
  /* Without AES-NI the library emulates it, far slower than OpenSSL's constant-time code. */
  if (!l->mgr || !has(l->mgr, IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ) || !start(l->mgr, path)) {
    rtc_lanes_close(l);
    return NULL;
  }
  for (size_t i = 0; i < RTC_LANES_JOBS; i++) {
    IMB_JOB *j = &l->jobs[i];
    j->cipher_mode = IMB_CIPHER_CNTR;
    j->cipher_direction = IMB_DIR_ENCRYPT;
    j->hash_alg = IMB_AUTH_HMAC_SHA_1;
    j->chain_order = IMB_ORDER_CIPHER_HASH;
    j->iv_len_in_bytes = 16;
    j->auth_tag_output = l->tags[i];
    j->auth_tag_output_len_in_bytes = TAG_WRITTEN;
  }
  return l;
}

void rtc_lanes_close(rtc_lanes_t *l) {
  if (!l) return;
  if (l->mgr) free_mb_mgr(l->mgr);
  rtc_cleanse(l, sizeof *l);
  free(l);
}

const char *rtc_lanes_name(const rtc_lanes_t *l) {
  if (l->mgr->used_arch >= IMB_ARCH_AVX512)
    return l->mgr->features & IMB_FEATURE_VAES ? "intel-ipsec-mb (AVX-512, VAES)" : "intel-ipsec-mb (AVX-512)";
  return l->mgr->used_arch == IMB_ARCH_AVX2 ? "intel-ipsec-mb (AVX2)" : "intel-ipsec-mb (SSE)";
}

size_t rtc_lanes_width(const rtc_lanes_t *l) {
  return l->mgr->used_arch >= IMB_ARCH_AVX512 ? 16 : l->mgr->used_arch == IMB_ARCH_AVX2 ? 8 : 4;
}

/* GCM */

void rtc_lanes_gcm_prefetch(const rtc_lanes_t *l, const rtc_gcm_job_t *job) {
  const uint8_t *k = job->key->batch_key;
  if (!k) return;
  /* The round keys, and as many powers of the hash key as this code path has. */
  size_t powers = l->mgr->used_arch >= IMB_ARCH_AVX512 ? 48 : 16;
  size_t end = offsetof(gcm_key_t, expanded) + offsetof(struct gcm_key_data, ghash_keys) + 16 * powers;
  for (size_t at = 0; at < end; at += 64) __builtin_prefetch(k + at);
}

void rtc_lanes_gcm_seal(rtc_lanes_t *l, rtc_gcm_job_t *job) {
  gcm_key_t *k = job->key->batch_key;
  if (k->head.arch != l->mgr->used_arch) gcm_expand(l, k);
  if (k->head.key_len == 16)
    IMB_AES128_GCM_ENC(l->mgr, &k->expanded, &l->gcm, job->p, job->p, job->n, job->iv, job->aad, job->aad_len, job->tag, RTC_GCM_TAG);
  else
    IMB_AES256_GCM_ENC(l->mgr, &k->expanded, &l->gcm, job->p, job->p, job->n, job->iv, job->aad, job->aad_len, job->tag, RTC_GCM_TAG);
  job->result = RTC_OK;
}

void rtc_lanes_gcm_open(rtc_lanes_t *l, void *batch_key, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                        uint8_t tag[16]) {
  gcm_key_t *k = batch_key;
  if (k->head.arch != l->mgr->used_arch) gcm_expand(l, k);
  if (k->head.key_len == 16)
    IMB_AES128_GCM_DEC(l->mgr, &k->expanded, &l->gcm, p, p, n, iv, aad, aad_len, tag, RTC_GCM_TAG);
  else
    IMB_AES256_GCM_DEC(l->mgr, &k->expanded, &l->gcm, p, p, n, iv, aad, aad_len, tag, RTC_GCM_TAG);
}

/* Counter mode and HMAC-SHA1 */

static void ctr_hmac_fill(rtc_lanes_t *l, IMB_JOB *to, rtc_ctr_hmac_job_t *from) {
  ctr_key_t *k = from->key->batch_key;
  const rtc_hmac_state_t *mac = from->mac->ctx;
  if (k->head.arch != l->mgr->used_arch) ctr_expand(l, k);
  to->enc_keys = to->dec_keys = k->expanded;
  to->key_len_in_bytes = k->head.key_len;
  to->iv = from->iv;
  to->src = from->p;
  to->dst = from->p + from->clear;
  to->cipher_start_src_offset_in_bytes = from->clear;
  to->msg_len_to_cipher_in_bytes = from->len - from->clear;
  to->hash_start_src_offset_in_bytes = 0;
  to->msg_len_to_hash_in_bytes = from->len + sizeof from->suffix;
  to->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)mac->inner;
  to->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)mac->outer;
  memcpy(from->p + from->len, from->suffix, sizeof from->suffix); /* in the tag's place, until the tag is known */
}

/* Counter mode of all jobs, a burst for each run with the same key length; how many were done. */
static size_t encrypt(rtc_lanes_t *l, size_t n) {
  size_t done = 0;
  for (size_t a = 0, b; a < n; a = b) {
    uint64_t key_len = l->jobs[a].key_len_in_bytes;
    for (b = a + 1; b < n && l->jobs[b].key_len_in_bytes == key_len;) b++;
    done += IMB_SUBMIT_CIPHER_BURST_NOCHECK(l->mgr, &l->jobs[a], (uint32_t)(b - a), IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                            (IMB_KEY_SIZE_BYTES)key_len);
  }
  return done;
}

void rtc_lanes_ctr_hmac(rtc_lanes_t *l, rtc_ctr_hmac_job_t *const *jobs, size_t n) {
  for (size_t i = 0; i < n; i++) ctr_hmac_fill(l, &l->jobs[i], jobs[i]);
  bool done = encrypt(l, n) == n && IMB_SUBMIT_HASH_BURST_NOCHECK(l->mgr, l->jobs, (uint32_t)n, IMB_AUTH_HMAC_SHA_1) == n;
  for (size_t i = 0; i < n; i++) {
    memcpy(jobs[i]->p + jobs[i]->len, l->tags[i], jobs[i]->tag_len);
    jobs[i]->result = done ? RTC_OK : RTC_ESTATE;
  }
}

#endif
