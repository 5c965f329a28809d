/* Batches against their scalar twins on random input: every path that this build and CPU have, every length from 0 to
 * 1500, every number of jobs from 1 to 70. A packet and its tag end where an unreadable page begins, so one byte read
 * or written too far stops the test; what lies before must stay as it was. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto.h"
#include "check.h"

enum { JOBS = 70, KEYS = 90, LEN_MAX = 1500, AAD_MIN = 12, AAD_MAX = 80, SLOT = 8192 };

static const rtc_sealer_path_t paths[] = {RTC_SEALER_OPENSSL, RTC_SEALER_SSE, RTC_SEALER_AVX2, RTC_SEALER_AVX512, RTC_SEALER_BEST};
static const char *const path_names[] = {"OpenSSL", "intel-ipsec-mb (SSE", "intel-ipsec-mb (AVX2", "intel-ipsec-mb (AVX-512", ""};

static uint8_t *slot[JOBS];      /* SLOT bytes, then a page that must not be touched */
static uint8_t want[JOBS][SLOT]; /* what the scalar forms make of the same bytes */
static rtc_gcm_t gcm[KEYS];
static rtc_ctr_t ctr[KEYS];
static rtc_hmac_t mac[KEYS];
static uint64_t seed = 1;

static uint32_t rnd(uint32_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(seed >> 33) % below;
}
static void rnd_fill(uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)rnd(256);
}

static void set_up(void) {
  uint8_t key[32];
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (SLOT + page - 1) / page * page;
  for (int i = 0; i < JOBS; i++) {
    uint8_t *m = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED || mprotect(m + room, page, PROT_NONE) != 0) abort();
    slot[i] = m + room - SLOT;
  }
  for (size_t i = 0; i < KEYS; i++) {
    size_t gcm_len = i % 2 ? 32 : 16, ctr_len = i % 16 == 5 ? 24 : i % 16 == 9 ? 32 : 16;
    rnd_fill(key, sizeof key);
    CHECK_EQ(rtc_gcm_init(&gcm[i], key, gcm_len, true), RTC_OK);
    CHECK_EQ(rtc_ctr_init(&ctr[i], key, ctr_len), RTC_OK);
    CHECK_EQ(rtc_hmac_init(&mac[i], key, 20), RTC_OK);
    if (i % 11 == 7) continue; /* never prepared: such a key works in a batch too */
    CHECK_EQ(rtc_gcm_prepare(&gcm[i], key, gcm_len), RTC_OK);
    CHECK_EQ(rtc_ctr_prepare(&ctr[i], key, ctr_len), RTC_OK);
  }
}

static void tear_down(void) {
  for (size_t i = 0; i < KEYS; i++) {
    rtc_gcm_clear(&gcm[i]);
    rtc_ctr_clear(&ctr[i]);
    rtc_hmac_clear(&mac[i]);
  }
}

/* The last `back` bytes of a slot and of its twin, with the same random bytes all over. */
static uint8_t *place(int i, size_t back) {
  rnd_fill(want[i], SLOT);
  memcpy(slot[i], want[i], SLOT);
  return slot[i] + SLOT - back;
}
static uint8_t *twin(int i, const uint8_t *p) { return want[i] + (p - slot[i]); }

static void compare(int n) {
  for (int i = 0; i < n; i++) CHECK_MEM(slot[i], want[i], SLOT);
}

/* A header, n bytes to encrypt, the tag; then `gap` bytes that must stay. */
static void gcm_one(rtc_gcm_job_t *j, int i, rtc_gcm_t *key, uint32_t n, size_t gap) {
  uint32_t aad = AAD_MIN + rnd(AAD_MAX - AAD_MIN + 1);
  uint8_t *head = place(i, aad + n + RTC_GCM_TAG + gap);
  *j = (rtc_gcm_job_t){.key = key, .aad = head, .aad_len = aad, .p = head + aad, .n = n, .tag = head + aad + n, .result = 1};
  rnd_fill(j->iv, sizeof j->iv);
  if (gap && rnd(2)) { /* the associated data apart, ending at the guard */
    j->aad = slot[i] + SLOT - (aad < gap ? aad : gap);
    j->aad_len = aad < gap ? aad : (uint32_t)gap;
  }
  CHECK_EQ(rtc_gcm_seal(key, j->iv, twin(i, j->aad), j->aad_len, twin(i, j->p), n, twin(i, j->tag)), RTC_OK);
}

static void cm_one(rtc_ctr_hmac_job_t *j, int i, size_t key, uint32_t n, size_t gap) {
  static const uint8_t tags[] = {10, 4, 10, 12};
  uint8_t full[20];
  uint32_t clear = AAD_MIN + rnd(AAD_MAX - AAD_MIN + 1), tag = tags[rnd(4)];
  uint8_t *p = place(i, clear + n + tag + gap), *t = twin(i, p);
  *j = (rtc_ctr_hmac_job_t){
      .key = &ctr[key], .mac = &mac[KEYS - 1 - key], .p = p, .clear = clear, .len = clear + n, .tag_len = tag, .result = 1};
  rnd_fill(j->iv, 14);
  rnd_fill(j->suffix, sizeof j->suffix);
  CHECK_EQ(rtc_ctr_xor(j->key, j->iv, t + clear, n), RTC_OK);
  CHECK_EQ(rtc_hmac_sha1(j->mac, t, j->len, j->suffix, sizeof j->suffix, full), RTC_OK);
  memcpy(t + j->len, full, tag);
}

static void gcm_batch(rtc_sealer_t *b, int n, const uint32_t *len) {
  rtc_gcm_job_t jobs[JOBS];
  size_t key = rnd(KEYS), step = rnd(4); /* step 0: all under one key */
  for (int i = 0; i < n; i++) gcm_one(&jobs[i], i, &gcm[(key + (size_t)i * step) % KEYS], len[i], rnd(2) ? 0 : rnd(64));
  CHECK_EQ(rtc_sealer_gcm(b, jobs, (size_t)n), RTC_OK);
  for (int i = 0; i < n; i++) CHECK_EQ(jobs[i].result, RTC_OK);
  compare(n);
}

static void cm_batch(rtc_sealer_t *b, int n, const uint32_t *len) {
  rtc_ctr_hmac_job_t jobs[JOBS];
  size_t key = rnd(KEYS), step = rnd(4);
  for (int i = 0; i < n; i++) cm_one(&jobs[i], i, (key + (size_t)i * step) % KEYS, len[i], rnd(2) ? 0 : rnd(64));
  CHECK_EQ(rtc_sealer_ctr_hmac(b, jobs, (size_t)n), RTC_OK);
  for (int i = 0; i < n; i++) CHECK_EQ(jobs[i].result, RTC_OK);
  compare(n);
}

/* What OpenSSL has sealed is opened; with a wrong tag, or after one, twice brings the bytes back. */
static void open_one(rtc_sealer_t *b, rtc_gcm_t *key, rtc_gcm_t *seal, uint32_t n) {
  rtc_gcm_job_t j;
  gcm_one(&j, 0, seal, n, rnd(2) ? 0 : rnd(64));
  uint8_t plain[LEN_MAX], *sealed = twin(0, j.p), *tag = twin(0, j.tag);
  memcpy(plain, j.p, n);
  memcpy(slot[0], want[0], SLOT);
  tag[rnd(RTC_GCM_TAG)] ^= (uint8_t)(1 << rnd(8));
  for (int i = 0; i < 2; i++) CHECK_EQ(rtc_sealer_gcm_open(b, key, j.iv, j.aad, j.aad_len, j.p, n, tag), RTC_EAUTH);
  CHECK_MEM(j.p, sealed, n);
  CHECK_EQ(rtc_sealer_gcm_open(b, key, j.iv, j.aad, j.aad_len, j.p, n, j.tag), RTC_OK);
  CHECK_MEM(j.p, plain, n);
  memcpy(want[0] + (j.p - slot[0]), plain, n);
  memcpy(tag, j.tag, RTC_GCM_TAG);
  compare(1);
}

static void opened(rtc_sealer_t *b) {
  rtc_gcm_t open[2], seal[2];
  for (uint32_t i = 0; i < 2; i++) {
    uint8_t key[32], iv[RTC_GCM_IV] = {0}, tag[RTC_GCM_TAG] = {0};
    size_t key_len = i ? 32 : 16;
    rnd_fill(key, sizeof key);
    CHECK_EQ(rtc_gcm_init(&open[i], key, key_len, false), RTC_OK);
    CHECK_EQ(rtc_gcm_init(&seal[i], key, key_len, true), RTC_OK);
    for (uint32_t n = 0; n <= LEN_MAX; n++) open_one(b, &open[i], &seal[i], n);
    CHECK_EQ(rtc_sealer_gcm_open(b, &seal[i], iv, NULL, 0, NULL, 0, tag), RTC_ESTATE);
    rtc_gcm_clear(&open[i]);
    rtc_gcm_clear(&seal[i]);
    CHECK_EQ(rtc_sealer_gcm_open(b, &open[i], iv, NULL, 0, NULL, 0, tag), RTC_ESTATE);
  }
}

/* f for each path there is; the others say so. */
static void on_paths(void (*f)(rtc_sealer_t *b)) {
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    rtc_sealer_t b;
    int r = rtc_sealer_init(&b, paths[i]);
    if (r == RTC_OK) {
      CHECK_EQ(strncmp(rtc_sealer_backend(&b), path_names[i], strlen(path_names[i])), 0);
      f(&b);
    } else {
      CHECK_EQ(r, RTC_ESTATE);
      CHECK(paths[i] != RTC_SEALER_OPENSSL && paths[i] != RTC_SEALER_BEST);
      printf("skipped, not in this build or CPU: %s)\n", path_names[i]);
    }
    rtc_sealer_clear(&b);
    rtc_sealer_clear(&b);
  }
}

static void every_count(rtc_sealer_t *b) {
  uint32_t len[JOBS];
  for (int n = 1; n <= JOBS; n++) {
    uint32_t same = rnd(LEN_MAX + 1);
    for (int i = 0; i < n; i++) len[i] = n % 3 ? same : rnd(LEN_MAX + 1); /* copies of one packet, or any */
    gcm_batch(b, n, len);
    cm_batch(b, n, len);
  }
}

static void every_length(rtc_sealer_t *b) {
  uint32_t len[JOBS];
  for (uint32_t from = 0; from <= LEN_MAX; from += 64) {
    for (uint32_t i = 0; i < 64; i++) len[i] = from + (i * 37) % 64; /* short and long side by side */
    gcm_batch(b, 64, len);
    cm_batch(b, 64, len);
  }
}

static void empty_packets(rtc_sealer_t *b) {
  uint32_t len[JOBS] = {0};
  gcm_batch(b, 20, len);
  cm_batch(b, 20, len);
  for (int i = 0; i < 40; i += 3) len[i] = 700;
  gcm_batch(b, 40, len);
  cm_batch(b, 40, len);
  CHECK_EQ(rtc_sealer_gcm(b, NULL, 0), RTC_OK);
  CHECK_EQ(rtc_sealer_ctr_hmac(b, NULL, 0), RTC_OK);
}

/* No associated data, nothing to encrypt: only the IV is authenticated. */
static void nothing_at_all(rtc_sealer_t *b) {
  uint8_t tag[2][RTC_GCM_TAG];
  rtc_gcm_job_t j = {.key = &gcm[0], .tag = tag[0], .iv = {1, 2, 3}};
  CHECK_EQ(rtc_gcm_seal(j.key, j.iv, NULL, 0, NULL, 0, tag[1]), RTC_OK);
  CHECK_EQ(rtc_sealer_gcm(b, &j, 1), RTC_OK);
  CHECK_MEM(tag[0], tag[1], sizeof tag[0]);
}

/* Longest packets: the block counter passes 255 and the lanes' lengths 16 bits nearly. */
static void longest(rtc_sealer_t *b) {
  static uint8_t buf[17][RTC_CTR_HMAC_LEN_MAX + 16], twins[RTC_CTR_HMAC_LEN_MAX + 16];
  rtc_ctr_hmac_job_t jobs[17];
  uint8_t full[20];
  for (uint32_t i = 0; i < 17; i++) {
    rnd_fill(buf[i], 64);
    jobs[i] = (rtc_ctr_hmac_job_t){
        .key = &ctr[i], .mac = &mac[i], .p = buf[i], .clear = 12, .len = RTC_CTR_HMAC_LEN_MAX - i, .tag_len = 10, .iv = {9}};
  }
  for (int turn = 0; turn < 2; turn++) { /* the second turn decrypts the first */
    CHECK_EQ(rtc_sealer_ctr_hmac(b, jobs, 17), RTC_OK);
    for (uint32_t i = 0; i < 17; i++) {
      memcpy(twins, buf[i], jobs[i].len);
      CHECK_EQ(rtc_hmac_sha1(&mac[i], twins, jobs[i].len, jobs[i].suffix, 4, full), RTC_OK);
      CHECK_MEM(buf[i] + jobs[i].len, full, 10);
      CHECK_EQ(rtc_ctr_xor(&ctr[i], jobs[i].iv, twins + 12, jobs[i].len - 12), RTC_OK);
      if (turn == 0) CHECK_EQ(twins[jobs[i].len - 1], 0);
    }
  }
  for (uint32_t i = 0; i < 17; i++) {
    CHECK_EQ(buf[i][jobs[i].len - 1], 0);
    memset(buf[i], 0, sizeof buf[i]);
  }
}

static void bad_jobs(rtc_sealer_t *b) {
  rtc_ctr_hmac_job_t jobs[20];
  for (int i = 0; i < 20; i++) cm_one(&jobs[i], i, (size_t)i, 300, 0);
  for (int i = 2; i < 18; i += 3) memcpy(want[i], slot[i], SLOT); /* those stay as they are */
  jobs[2].clear = jobs[2].len + 1;
  jobs[5].tag_len = RTC_CTR_HMAC_TAG_MIN - 1;
  jobs[8].tag_len = RTC_CTR_HMAC_TAG_MAX + 1;
  jobs[11].iv[15] = 1;
  jobs[14].iv[14] = 1;
  jobs[17].len = RTC_CTR_HMAC_LEN_MAX + 1;
  CHECK_EQ(rtc_sealer_ctr_hmac(b, jobs, 20), RTC_EINVAL);
  for (int i = 0; i < 20; i++) CHECK_EQ(jobs[i].result, i % 3 == 2 ? RTC_EINVAL : RTC_OK);
  compare(20);
}

static void counts(void) { on_paths(every_count); }
static void lengths(void) { on_paths(every_length); }
static void empties(void) {
  on_paths(empty_packets);
  on_paths(nothing_at_all);
}
static void longest_packets(void) { on_paths(longest); }
static void opens(void) { on_paths(opened); }
static void errors(void) {
  uint8_t key[32] = {0};
  rtc_sealer_t b;
  on_paths(bad_jobs);
  for (size_t len = 0; len <= sizeof key; len++) {
    rtc_gcm_t g = {0};
    rtc_ctr_t c = {0};
    CHECK_EQ(rtc_gcm_prepare(&g, key, len), len == 16 || len == 32 ? RTC_OK : RTC_EINVAL);
    CHECK_EQ(rtc_ctr_prepare(&c, key, len), len == 16 || len == 24 || len == 32 ? RTC_OK : RTC_EINVAL);
    rtc_gcm_clear(&g);
    rtc_ctr_clear(&c);
  }
  CHECK_EQ(rtc_sealer_init(&b, (rtc_sealer_path_t)99), RTC_ESTATE);
}

/* A batch that was never set up, and none. */
static void without_object(void) {
  rtc_sealer_t zero = {0};
  every_count(&zero);
  every_count(NULL);
  CHECK(strcmp(rtc_sealer_backend(&zero), "OpenSSL") == 0);
}

static void names(void) {
  rtc_sealer_t b;
  CHECK_EQ(rtc_sealer_init(&b, RTC_SEALER_BEST), RTC_OK);
  CHECK(strcmp(rtc_sealer_backend(&b), rtc_sealer_backend(NULL)) == 0);
  printf("best path: %s\n", rtc_sealer_backend(&b));
  rtc_sealer_clear(&b);
}

int main(void) {
  RUN(set_up);
  RUN(names);
  RUN(counts);
  RUN(lengths);
  RUN(empties);
  RUN(opens);
  RUN(longest_packets);
  RUN(errors);
  RUN(without_object);
  RUN(tear_down);
  return CHECK_END();
}
