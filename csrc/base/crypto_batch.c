/* Batches of packets: which jobs a backend's lanes take, and OpenSSL one by one for all others. */
#include <string.h>

#include "base/crypto.h"
#include "base/crypto_lanes.h"

/* One job at a time */

static int gcm_one(rtc_gcm_job_t *j) { return rtc_gcm_seal(j->key, j->iv, j->aad, j->aad_len, j->p, j->n, j->tag); }

static int ctr_hmac_one(rtc_ctr_hmac_job_t *j) {
  uint8_t mac[20];
  int r = rtc_ctr_xor(j->key, j->iv, j->p + j->clear, j->len - j->clear);
  if (r == RTC_OK) r = rtc_hmac_sha1(j->mac, j->p, j->len, j->suffix, sizeof j->suffix, mac);
  if (r == RTC_OK) memcpy(j->p + j->len, mac, j->tag_len);
  return r;
}

static bool ctr_hmac_valid(const rtc_ctr_hmac_job_t *j) {
  return j->clear <= j->len && j->len <= RTC_CTR_HMAC_LEN_MAX && j->tag_len >= RTC_CTR_HMAC_TAG_MIN && j->tag_len <= RTC_CTR_HMAC_TAG_MAX &&
         j->iv[14] == 0 && j->iv[15] == 0;
}

/* Lanes take as long as the longest of them and few cost as much as all, so few packets go to OpenSSL: whole batches
 * under LANES_MIN, where lanes would gain little, and what is left beside full sets of lanes under REST_MIN, where
 * they would lose (OpenSSL 3.0 with SHA-NI against 16 lanes: 910 and 770 ns a packet at 4 of 1200 bytes). */
enum { LANES_MIN = 8, REST_MIN = 4 };
/* A lane counts bytes in 16 bits; the suffix is among them. */
enum { LANES_LEN_MAX = 65530 };

int rtc_sealer_init(rtc_sealer_t *b, rtc_sealer_path_t path) {
  b->lanes = path == RTC_SEALER_OPENSSL ? NULL : rtc_lanes_open(path);
  return b->lanes || path <= RTC_SEALER_OPENSSL ? RTC_OK : RTC_ESTATE;
}

void rtc_sealer_clear(rtc_sealer_t *b) {
  rtc_lanes_close(b->lanes);
  b->lanes = NULL;
}

const char *rtc_sealer_backend(const rtc_sealer_t *b) {
  rtc_lanes_t *l = b ? b->lanes : rtc_lanes_open(RTC_SEALER_BEST);
  const char *name = l ? rtc_lanes_name(l) : "OpenSSL";
  if (!b) rtc_lanes_close(l);
  return name;
}

int rtc_gcm_prepare(rtc_gcm_t *g, const uint8_t *key, size_t key_len) {
  if (key_len != 16 && key_len != 32) return RTC_EINVAL;
  return g->batch_key ? RTC_OK : rtc_lanes_gcm_key(&g->batch_key, key, key_len);
}

int rtc_ctr_prepare(rtc_ctr_t *c, const uint8_t *key, size_t key_len) {
  if (key_len != 16 && key_len != 24 && key_len != 32) return RTC_EINVAL;
  return c->batch_key ? RTC_OK : rtc_lanes_ctr_key(&c->batch_key, key, key_len);
}

int rtc_sealer_gcm(rtc_sealer_t *b, rtc_gcm_job_t *jobs, size_t n) {
  rtc_lanes_t *l = b ? b->lanes : NULL;
  int all = RTC_OK;
  for (size_t i = 0; i < n; i++) {
    rtc_gcm_job_t *j = &jobs[i];
    if (l && i + 1 < n) rtc_lanes_gcm_prefetch(l, j + 1);
    if (l && j->key->batch_key)
      rtc_lanes_gcm_seal(l, j);
    else
      j->result = gcm_one(j);
    if (j->result != RTC_OK) all = j->result;
  }
  return all;
}

int rtc_sealer_gcm_open(rtc_sealer_t *b, rtc_gcm_t *g, const uint8_t iv[12], const uint8_t *aad, size_t aad_len, uint8_t *p, size_t n,
                        const uint8_t tag[16]) {
  uint8_t is[RTC_GCM_TAG];
  rtc_lanes_t *l = b ? b->lanes : NULL;
  if (!l || g->ctx || !g->key_len || g->seal) return rtc_gcm_open(g, iv, aad, aad_len, p, n, tag);
  int r = rtc_gcm_prepare(g, g->key, g->key_len);
  if (r != RTC_OK) return r;
  rtc_lanes_gcm_open(l, g->batch_key, iv, aad, aad_len, p, n, is);
  return rtc_equal_ct(is, tag, sizeof is) ? RTC_OK : RTC_EAUTH;
}

/* `alone`: these are the whole batch. */
static void ctr_hmac_many(rtc_lanes_t *l, rtc_ctr_hmac_job_t *const *jobs, size_t n, bool alone) {
  size_t rest = n % rtc_lanes_width(l);
  if (alone && n < LANES_MIN)
    rest = n;
  else if (rest >= REST_MIN)
    rest = 0;
  if (n > rest) rtc_lanes_ctr_hmac(l, jobs, n - rest);
  for (size_t i = n - rest; i < n; i++) jobs[i]->result = ctr_hmac_one(jobs[i]);
}

int rtc_sealer_ctr_hmac(rtc_sealer_t *b, rtc_ctr_hmac_job_t *jobs, size_t n) {
  rtc_lanes_t *l = b ? b->lanes : NULL;
  rtc_ctr_hmac_job_t *set[RTC_LANES_JOBS];
  size_t held = 0;
  int all = RTC_OK;
  for (size_t i = 0; i < n; i++) {
    rtc_ctr_hmac_job_t *j = &jobs[i];
    if (!ctr_hmac_valid(j))
      j->result = RTC_EINVAL;
    else if (!l || !j->key->batch_key || j->clear == j->len || j->len > LANES_LEN_MAX)
      j->result = ctr_hmac_one(j);
    else
      set[held++] = j;
    if (held == RTC_LANES_JOBS || (held && i + 1 == n)) {
      ctr_hmac_many(l, set, held, i < RTC_LANES_JOBS);
      held = 0;
    }
  }
  for (size_t i = 0; i < n; i++)
    if (jobs[i].result != RTC_OK) all = jobs[i].result;
  return all;
}
