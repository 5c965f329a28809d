/* Sealing packets: one at a time, as a batch, and by the library's bare calls into the same slots. Prints ns a packet
 * (median of rounds; CPU time of this thread). An argument names another path: openssl, sse, avx2, avx512. Build:
 * gcc -O2 -Icsrc -DRTC_HAVE_IPSEC_MB=1 bench/c/crypto_bench.c csrc/base/{crypto_*,err}.c -lIPSec_MB -lcrypto -o crypto_bench
 * (without -D and -lIPSec_MB where the library is missing) */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#if RTC_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

enum { BATCH = 64, KEYS = 500, SLOT = 2048 + 128, HEAD = 12, ROUNDS = 41, PACKETS = 6400 };

static uint8_t slots[KEYS][SLOT] __attribute__((aligned(64)));
static rtc_gcm_t gcm[KEYS];
static rtc_ctr_t ctr[KEYS];
static rtc_hmac_t mac[KEYS];
static EVP_CIPHER_CTX *evp[KEYS];
static rtc_sealer_t best, portable, *sealer;
static size_t keys, len; /* of the run: how many keys, bytes a packet without the tag */
static uint64_t nonce;   /* every packet of every run has its own */

static void set_nonce(uint8_t *iv, size_t i) {
  uint64_t n = nonce++;
  memset(iv, 0, 12);
  memcpy(iv, &n, sizeof n);
  iv[8] = (uint8_t)i;
}

/* Each seals packets at..at+63, wrapping at `keys`. */
typedef void (*run_fn)(size_t at);

static void gcm_single(size_t at) {
  uint8_t iv[16];
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    set_nonce(iv, i);
    if (rtc_gcm_seal(&gcm[k], iv, slots[k], HEAD, slots[k] + HEAD, len - HEAD, slots[k] + len) != RTC_OK) abort();
  }
}

static void gcm_evp(size_t at) {
  uint8_t iv[16];
  int got;
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    set_nonce(iv, i);
    EVP_EncryptInit_ex(evp[k], NULL, NULL, NULL, iv);
    EVP_EncryptUpdate(evp[k], NULL, &got, slots[k], HEAD);
    EVP_EncryptUpdate(evp[k], slots[k] + HEAD, &got, slots[k] + HEAD, (int)len - HEAD);
    EVP_EncryptFinal_ex(evp[k], slots[k] + len, &got);
    EVP_CIPHER_CTX_ctrl(evp[k], EVP_CTRL_AEAD_GET_TAG, 16, slots[k] + len);
  }
}

static void gcm_batch(size_t at) {
  rtc_gcm_job_t jobs[BATCH];
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    jobs[i].key = &gcm[k];
    jobs[i].aad = slots[k];
    jobs[i].aad_len = HEAD;
    jobs[i].p = slots[k] + HEAD;
    jobs[i].n = (uint32_t)len - HEAD;
    jobs[i].tag = slots[k] + len;
    set_nonce(jobs[i].iv, i);
  }
  if (rtc_sealer_gcm(sealer, jobs, BATCH) != RTC_OK) abort();
}

static void cm_single(size_t at) {
  uint8_t iv[16] = {0}, full[20], suffix[4] = {0};
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    set_nonce(iv, i);
    if (rtc_ctr_xor(&ctr[k], iv, slots[k] + HEAD, len - HEAD) != RTC_OK) abort();
    if (rtc_hmac_sha1(&mac[k], slots[k], len, suffix, 4, full) != RTC_OK) abort();
    memcpy(slots[k] + len, full, 10);
  }
}

static size_t cm_jobs = BATCH; /* how many of the 64 go into one call */

static void cm_batch(size_t at) {
  rtc_ctr_hmac_job_t jobs[BATCH];
  memset(jobs, 0, sizeof jobs);
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    jobs[i].key = &ctr[k];
    jobs[i].mac = &mac[k];
    jobs[i].p = slots[k];
    jobs[i].clear = HEAD;
    jobs[i].len = (uint32_t)len;
    jobs[i].tag_len = 10;
    set_nonce(jobs[i].iv, i);
  }
  for (size_t i = 0; i < BATCH; i += cm_jobs)
    if (rtc_sealer_ctr_hmac(sealer, jobs + i, i + cm_jobs < BATCH ? cm_jobs : BATCH - i) != RTC_OK) abort();
}

#if RTC_HAVE_IPSEC_MB
static IMB_MGR *mgr;
static struct gcm_key_data *gcm_keys;
static struct gcm_context_data gcm_ctx;
static uint8_t ctr_keys[KEYS][240] __attribute__((aligned(64))), ctr_unused[240] __attribute__((aligned(64)));
static uint8_t pads[2][KEYS][20];
static bool aes256;

static void gcm_bare(size_t at) {
  uint8_t iv[16];
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    set_nonce(iv, i);
    if (aes256)
      IMB_AES256_GCM_ENC(mgr, &gcm_keys[k], &gcm_ctx, slots[k] + HEAD, slots[k] + HEAD, len - HEAD, iv, slots[k], HEAD, slots[k] + len, 16);
    else
      IMB_AES128_GCM_ENC(mgr, &gcm_keys[k], &gcm_ctx, slots[k] + HEAD, slots[k] + HEAD, len - HEAD, iv, slots[k], HEAD, slots[k] + len, 16);
  }
}

/* The library's usual form: jobs of cipher and hash, in its own queue, flushed at the end. */
static void cm_bare(size_t at) {
  static uint8_t iv[BATCH][16];
  for (size_t i = 0; i < BATCH; i++) {
    size_t k = (at + i) % keys;
    IMB_JOB *j = IMB_GET_NEXT_JOB(mgr);
    set_nonce(iv[i], i);
    j->cipher_mode = IMB_CIPHER_CNTR;
    j->cipher_direction = IMB_DIR_ENCRYPT;
    j->chain_order = IMB_ORDER_CIPHER_HASH;
    j->hash_alg = IMB_AUTH_HMAC_SHA_1;
    j->enc_keys = j->dec_keys = ctr_keys[k];
    j->key_len_in_bytes = 16;
    j->iv = iv[i];
    j->iv_len_in_bytes = 16;
    j->src = slots[k];
    j->dst = slots[k] + HEAD;
    j->cipher_start_src_offset_in_bytes = HEAD;
    j->msg_len_to_cipher_in_bytes = len - HEAD;
    j->hash_start_src_offset_in_bytes = 0;
    j->msg_len_to_hash_in_bytes = len + 4;
    j->auth_tag_output = slots[k] + len;
    j->auth_tag_output_len_in_bytes = 12;
    j->u.HMAC._hashed_auth_key_xor_ipad = pads[0][k];
    j->u.HMAC._hashed_auth_key_xor_opad = pads[1][k];
    IMB_SUBMIT_JOB_NOCHECK(mgr);
  }
  while (IMB_FLUSH_JOB(mgr)) continue;
}
#endif

static double thread_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(run_fn f) {
  double ns[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) {
    double start = thread_ns();
    for (size_t at = 0; at < PACKETS; at += BATCH) f(at);
    ns[r] = (thread_ns() - start) / PACKETS;
  }
  qsort(ns, ROUNDS, sizeof ns[0], by_value);
  return ns[ROUNDS / 2];
}

static double with(rtc_sealer_t *b, run_fn f) {
  sealer = b;
  return median(f);
}

static void set_keys(size_t gcm_len) {
  uint8_t key[32];
  for (size_t k = 0; k < KEYS; k++) {
    if (rtc_random(key, sizeof key) != RTC_OK) abort();
    rtc_gcm_clear(&gcm[k]);
    rtc_ctr_clear(&ctr[k]);
    rtc_hmac_clear(&mac[k]);
    EVP_CIPHER_CTX_free(evp[k]);
    evp[k] = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(evp[k], gcm_len == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), NULL, key, NULL);
    if (rtc_gcm_init(&gcm[k], key, gcm_len, true) != RTC_OK || rtc_gcm_prepare(&gcm[k], key, gcm_len) != RTC_OK ||
        rtc_ctr_init(&ctr[k], key, 16) != RTC_OK || rtc_ctr_prepare(&ctr[k], key, 16) != RTC_OK ||
        rtc_hmac_init(&mac[k], key, 20) != RTC_OK)
      abort();
#if RTC_HAVE_IPSEC_MB
    aes256 = gcm_len == 32;
    if (aes256)
      IMB_AES256_GCM_PRE(mgr, key, &gcm_keys[k]);
    else
      IMB_AES128_GCM_PRE(mgr, key, &gcm_keys[k]);
    IMB_AES_KEYEXP_128(mgr, key, ctr_keys[k], ctr_unused);
    memcpy(pads[0][k], key, 20); /* any state costs the same */
    memcpy(pads[1][k], key, 20);
#endif
  }
}

static void table(const char *name, run_fn single, run_fn evp_form, run_fn batched, run_fn bare) {
  static const size_t key_counts[] = {64, KEYS}, lens[] = {100, 200, 1200};
  for (size_t a = 0; a < 2; a++)
    for (size_t b = 0; b < 3; b++) {
      keys = key_counts[a];
      len = lens[b];
      printf("%-12s %4zu %5zu", name, keys, len);
      if (evp_form)
        printf(" %8.0f", median(evp_form));
      else
        printf("        -");
      printf(" %8.0f %8.0f %8.0f", median(single), with(&portable, batched), with(&best, batched));
      if (bare)
        printf(" %8.0f\n", median(bare));
      else
        printf("        -\n");
    }
}

int main(int argc, char **argv) {
  static const char *const names[] = {"best", "openssl", "sse", "avx2", "avx512"};
  run_fn bare_gcm = NULL, bare_cm = NULL;
  int path = RTC_SEALER_BEST;
  for (int i = 0; i < 5 && argc > 1; i++)
    if (strcmp(argv[1], names[i]) == 0) path = i;
  if (rtc_sealer_init(&best, (rtc_sealer_path_t)path) != RTC_OK || rtc_sealer_init(&portable, RTC_SEALER_OPENSSL) != RTC_OK) return 1;
#if RTC_HAVE_IPSEC_MB
  IMB_ARCH arch;
  mgr = alloc_mb_mgr(0);
  gcm_keys = aligned_alloc(64, (KEYS * sizeof *gcm_keys + 63) / 64 * 64);
  if (!mgr || !gcm_keys) return 1;
  init_mb_mgr_auto(mgr, &arch);
  bare_gcm = gcm_bare;
  bare_cm = cm_bare;
#endif
  printf("%s; batches by %s\n", rtc_crypto_version(), rtc_sealer_backend(&best));
  printf("%-12s %4s %5s %8s %8s %8s %8s %8s\n", "ns a packet", "keys", "bytes", "bare EVP", "single", "OpenSSL*", "batch", "bare mb");
  set_keys(16);
  table("GCM-128", gcm_single, gcm_evp, gcm_batch, bare_gcm);
  set_keys(32);
  table("GCM-256", gcm_single, gcm_evp, gcm_batch, bare_gcm);
  table("CM-SHA1-80", cm_single, NULL, cm_batch, bare_cm);
  printf("(OpenSSL*: the batch's portable path)\nCM by jobs a call, ns a packet at 100, 200, 1200 bytes: OpenSSL, batch\n");
  keys = 64;
  for (cm_jobs = 1; cm_jobs <= 32; cm_jobs = cm_jobs < 8 ? cm_jobs + 1 : cm_jobs * 4 / 3) {
    printf("%4zu", cm_jobs);
    for (size_t i = 0; i < 3; i++) {
      static const size_t lens[] = {100, 200, 1200};
      len = lens[i];
      printf("   %5.0f %5.0f", with(&portable, cm_batch), with(&best, cm_batch));
    }
    printf("\n");
  }
  return 0;
}
