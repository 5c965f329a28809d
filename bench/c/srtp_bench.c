/* srtp_bench: protecting RTP packets, 64 packets of 64 keys at a time: our SRTP one by one and as a batch, the bare ciphers into the
 * same slots, and libsrtp where the build has it (BENCH_LIBSRTP). They take turns, round after round; prints each round's CPU
 * nanoseconds a packet as JSON. Built and read by bench/srtp.py. Argument: rounds. */
#define _GNU_SOURCE
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "proto/srtp.h"
#if RTC_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#ifdef BENCH_LIBSRTP
#include <srtp.h>
#endif

enum { KEYS = 64, SLOT = 2048 + 128, HEAD = 12, PACKETS = 64 * 48 };

static uint8_t slots[KEYS][SLOT] __attribute__((aligned(64)));
static uint8_t master[KEYS][30];
static rtc_srtp_t session[KEYS];
static rtc_sealer_t best, *sealer;
static EVP_CIPHER_CTX *evp[KEYS];
static EVP_MAC_CTX *mac[KEYS];
static size_t len; /* of the RTP packets */
static int64_t turn;
static bool gcm;

/* Every packet of every run has its own number, ours as its index. */
static void renew(void) {
  turn++;
  for (size_t k = 0; k < KEYS; k++) rtc_put16(slots[k] + 2, (uint16_t)turn);
}

static void check(bool fine, const char *what) {
  if (fine) return;
  fprintf(stderr, "srtp_bench: %s\n", what);
  exit(1);
}

static void single(void) {
  renew();
  for (size_t k = 0; k < KEYS; k++) check(rtc_srtp_protect(&session[k], slots[k], len, SLOT, turn) > (int)len, "protect");
}

static void batch(void) {
  static rtc_srtp_job_t jobs[KEYS];
  renew();
  for (size_t k = 0; k < KEYS; k++) jobs[k] = (rtc_srtp_job_t){.s = &session[k], .p = slots[k], .len = len, .cap = SLOT, .index = turn};
  check(rtc_srtp_protect_batch(sealer, jobs, KEYS) == KEYS, "protect_batch");
}

static void batch_best(void) {
  sealer = &best;
  batch();
}

static void batch_openssl(void) {
  sealer = NULL;
  batch();
}

/* Only the cipher's own calls, with a new IV. */
static void bare_evp(void) {
  uint8_t iv[16] = {0};
  int got;
  size_t mac_len;
  renew();
  for (size_t k = 0; k < KEYS; k++) {
    uint8_t *p = slots[k] + HEAD, *end = slots[k] + len;
    memcpy(iv, &turn, 8);
    EVP_EncryptInit_ex(evp[k], NULL, NULL, NULL, iv);
    if (gcm) EVP_EncryptUpdate(evp[k], NULL, &got, slots[k], HEAD);
    EVP_EncryptUpdate(evp[k], p, &got, p, (int)len - HEAD);
    if (gcm) {
      EVP_EncryptFinal_ex(evp[k], end, &got);
      EVP_CIPHER_CTX_ctrl(evp[k], EVP_CTRL_AEAD_GET_TAG, 16, end);
    } else {
      uint8_t tag[20];
      EVP_MAC_init(mac[k], NULL, 0, NULL);
      EVP_MAC_update(mac[k], slots[k], len);
      EVP_MAC_update(mac[k], iv, 4);
      EVP_MAC_final(mac[k], tag, &mac_len, sizeof tag);
      memcpy(end, tag, 10);
    }
  }
}

#if RTC_HAVE_IPSEC_MB
static IMB_MGR *mgr;
static struct gcm_key_data *gcm_keys;
static struct gcm_context_data gcm_ctx;
static uint8_t ctr_keys[KEYS][240] __attribute__((aligned(64))), unused[240] __attribute__((aligned(64)));

static void bare_gcm(void) {
  uint8_t iv[16] = {0};
  renew();
  for (size_t k = 0; k < KEYS; k++) {
    uint8_t *p = slots[k] + HEAD;
    memcpy(iv, &turn, 8);
    IMB_AES128_GCM_ENC(mgr, &gcm_keys[k], &gcm_ctx, p, p, len - HEAD, iv, slots[k], HEAD, slots[k] + len, 16);
  }
}

static void bare_jobs(void) {
  static uint8_t iv[KEYS][16];
  renew();
  for (size_t k = 0; k < KEYS; k++) {
    IMB_JOB *j = IMB_GET_NEXT_JOB(mgr);
    memcpy(iv[k], &turn, 8);
    j->cipher_mode = IMB_CIPHER_CNTR;
    j->cipher_direction = IMB_DIR_ENCRYPT;
    j->chain_order = IMB_ORDER_CIPHER_HASH;
    j->hash_alg = IMB_AUTH_HMAC_SHA_1;
    j->enc_keys = j->dec_keys = ctr_keys[k];
    j->key_len_in_bytes = 16;
    j->iv = iv[k];
    j->iv_len_in_bytes = 16;
    j->src = slots[k];
    j->dst = slots[k] + HEAD;
    j->cipher_start_src_offset_in_bytes = HEAD;
    j->msg_len_to_cipher_in_bytes = len - HEAD;
    j->hash_start_src_offset_in_bytes = 0;
    j->msg_len_to_hash_in_bytes = len + 4;
    j->auth_tag_output = slots[k] + len;
    j->auth_tag_output_len_in_bytes = 12;
    j->u.HMAC._hashed_auth_key_xor_ipad = master[k]; /* any state costs the same */
    j->u.HMAC._hashed_auth_key_xor_opad = master[k];
    IMB_SUBMIT_JOB_NOCHECK(mgr);
  }
  while (IMB_FLUSH_JOB(mgr)) continue;
}

static void bare_mb(void) {
  if (gcm)
    bare_gcm();
  else
    bare_jobs();
}

static void mb_keys(void) {
  IMB_ARCH arch;
  if (!mgr) {
    mgr = alloc_mb_mgr(0);
    gcm_keys = aligned_alloc(64, (KEYS * sizeof *gcm_keys + 63) / 64 * 64);
    check(mgr && gcm_keys, "intel-ipsec-mb");
    init_mb_mgr_auto(mgr, &arch);
  }
  for (size_t k = 0; k < KEYS; k++) {
    IMB_AES128_GCM_PRE(mgr, master[k], &gcm_keys[k]);
    IMB_AES_KEYEXP_128(mgr, master[k], ctr_keys[k], unused);
  }
}
#endif

#ifdef BENCH_LIBSRTP
static srtp_t theirs[KEYS];

static void libsrtp(void) {
  renew();
  for (size_t k = 0; k < KEYS; k++) {
    int n = (int)len;
    check(srtp_protect(theirs[k], slots[k], &n) == srtp_err_status_ok, "libsrtp");
  }
}

static void libsrtp_keys(void) {
  srtp_policy_t policy = {.ssrc = {.type = ssrc_any_outbound}, .window_size = 1024};
  if (gcm) {
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
  } else {
    srtp_crypto_policy_set_rtp_default(&policy.rtp);
    srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
  }
  for (size_t k = 0; k < KEYS; k++) {
    if (theirs[k]) srtp_dealloc(theirs[k]);
    policy.key = master[k];
    check(srtp_create(&theirs[k], &policy) == srtp_err_status_ok, "srtp_create");
  }
}
#endif

static void set_keys(void) {
  EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA1"}, 0), OSSL_PARAM_construct_end()};
  rtc_srtp_profile_t profile = gcm ? RTC_SRTP_AEAD_AES_128_GCM : RTC_SRTP_AES_CM_128_HMAC_SHA1_80;
  turn = 0;
  for (size_t k = 0; k < KEYS; k++) {
    check(rtc_random(master[k], sizeof master[k]) == RTC_OK, "random");
    rtc_srtp_clear(&session[k]);
    check(rtc_srtp_init(&session[k], profile, master[k], 16, master[k] + 16, gcm ? 12 : 14, 1) == RTC_OK, "init");
    EVP_CIPHER_CTX_free(evp[k]);
    EVP_MAC_CTX_free(mac[k]);
    evp[k] = EVP_CIPHER_CTX_new();
    mac[k] = EVP_MAC_CTX_new(hmac);
    check(EVP_EncryptInit_ex(evp[k], gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr(), NULL, master[k], NULL) == 1 &&
              EVP_MAC_init(mac[k], master[k], 20, params) == 1,
          "OpenSSL");
    rtc_put32(slots[k], 0x80600000);
    rtc_put32(slots[k] + 8, 0x1234);
  }
  EVP_MAC_free(hmac);
#if RTC_HAVE_IPSEC_MB
  mb_keys();
#endif
#ifdef BENCH_LIBSRTP
  libsrtp_keys();
#endif
}

static double cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const struct {
  const char *name;
  void (*run)(void);
} contender[] = {
    {"single", single},         {"batch", batch_best}, {"batch, OpenSSL", batch_openssl}, {"bare EVP", bare_evp},
#if RTC_HAVE_IPSEC_MB
    {"bare ipsec-mb", bare_mb},
#endif
#ifdef BENCH_LIBSRTP
    {"libsrtp", libsrtp},
#endif
};
enum { CONTENDERS = sizeof contender / sizeof contender[0], ROUNDS_MAX = 200 };

int main(int argc, char **argv) {
  static const size_t lens[] = {100, 200, 1200};
  static double ns[CONTENDERS][ROUNDS_MAX];
  int rounds = argc > 1 ? atoi(argv[1]) : 21;
  check(rounds > 0 && rounds <= ROUNDS_MAX, "rounds");
  check(rtc_sealer_init(&best, RTC_SEALER_BEST) == RTC_OK, "sealer");
#ifdef BENCH_LIBSRTP
  check(srtp_init() == srtp_err_status_ok, "srtp_init");
  const char *other = srtp_get_version_string();
#else
  const char *other = "";
#endif
  printf("{\"crypto\": \"%s\", \"batches\": \"%s\", \"libsrtp\": \"%s\", \"rows\": [", rtc_crypto_version(), rtc_sealer_backend(&best),
         other);
  for (int profile = 0; profile < 2; profile++) {
    gcm = profile == 0;
    for (size_t l = 0; l < 3; l++) {
      len = lens[l];
      set_keys();
      for (int r = -1; r < rounds; r++) /* the round before the first is not kept */
        for (size_t c = 0; c < CONTENDERS; c++) {
          size_t who = r % 2 ? CONTENDERS - 1 - c : c;
          double start = cpu_ns();
          for (int done = 0; done < PACKETS; done += KEYS) contender[who].run();
          if (r >= 0) ns[who][r] = (cpu_ns() - start) / PACKETS;
        }
      printf("%s{\"profile\": \"%s\", \"bytes\": %zu, \"ns\": {", profile || l ? ", " : "", gcm ? "GCM" : "CM", len);
      for (size_t c = 0; c < CONTENDERS; c++) {
        printf("%s\"%s\": [", c ? ", " : "", contender[c].name);
        for (int r = 0; r < rounds; r++) printf("%s%.1f", r ? ", " : "", ns[c][r]);
        printf("]");
      }
      printf("}}");
    }
  }
  printf("]}\n");
  return 0;
}
