#include "proto/dtlsrec.h"

#include <string.h>

#include "base/bytes.h"

enum {
  VERSION = 0xfefd, /* DTLS 1.2 */
  EPOCH = 1,
  NONCE = RTC_DTLSREC_HEAD - RTC_DTLSREC_HEADER,
  AAD = 13,
  LEVEL_WARNING = 1,
  CLOSE_NOTIFY = 0,
};

static int way_init(rtc_dtlsrec_way_t *w, const uint8_t *key, size_t key_len, const uint8_t *salt, bool seal) {
  memcpy(w->salt, salt, sizeof w->salt);
  return rtc_gcm_init(&w->gcm, key, key_len, seal);
}

static void way_clear(rtc_dtlsrec_way_t *w) {
  rtc_gcm_clear(&w->gcm);
  rtc_cleanse(w, sizeof *w);
}

int rtc_dtlsrec_init(rtc_dtlsrec_t *r, const rtc_dtlsrec_cfg_t *cfg) {
  memset(r, 0, sizeof *r);
  if (cfg->next_seq < 0) return RTC_EINVAL;
  int err = way_init(&r->out, cfg->local_key, cfg->key_len, cfg->local_salt, true);
  if (err == 0) err = way_init(&r->in, cfg->remote_key, cfg->key_len, cfg->remote_salt, false);
  if (err < 0) {
    rtc_dtlsrec_clear(r);
    return err;
  }
  r->key_len = (uint8_t)cfg->key_len;
  r->next_seq = cfg->next_seq;
  r->nonce_base = cfg->nonce_base;
  if (cfg->seen)
    r->seen = *cfg->seen;
  else
    rtc_window_init(&r->seen);
  return 0;
}

void rtc_dtlsrec_clear(rtc_dtlsrec_t *r) {
  way_clear(&r->out);
  way_clear(&r->in);
  memset(r, 0, sizeof *r);
}

/* Epoch and sequence number, type, version, length of the content (RFC 5246 §6.2.3.3, RFC 6347 §4.1.2.1). */
static void write_aad(uint8_t aad[AAD], const uint8_t *header, size_t n) {
  memcpy(aad, header + 3, 8);
  memcpy(aad + 8, header, 3);
  rtc_put16(aad + 11, (uint16_t)n);
}

static void write_iv(uint8_t iv[RTC_GCM_IV], const rtc_dtlsrec_way_t *w, const uint8_t explicit_nonce[NONCE]) {
  memcpy(iv, w->salt, sizeof w->salt);
  memcpy(iv + sizeof w->salt, explicit_nonce, NONCE);
}

static int seal(rtc_dtlsrec_t *r, rtc_dtlsrec_type_t type, const uint8_t *p, size_t n, uint8_t *out, size_t cap) {
  if (r->closed) return RTC_ECLOSED;
  if (!n || n > RTC_DTLSREC_CONTENT_MAX) return RTC_EINVAL;
  if (cap < n + RTC_DTLSREC_OVERHEAD) return RTC_ENOBUFS;
  if (r->next_seq >= RTC_DTLSREC_SEQ_END) return RTC_ESTATE;
  if (!r->key_len) return RTC_ESTATE;
  uint8_t aad[AAD], iv[RTC_GCM_IV], *content = out + RTC_DTLSREC_HEAD;
  memmove(content, p, n);                 /* first: it may lie where the header goes */
  uint64_t seq = (uint64_t)r->next_seq++; /* used up whatever comes: a failure must not let it be used again */
  out[0] = (uint8_t)type;
  rtc_put16(out + 1, VERSION);
  rtc_put64(out + 3, (uint64_t)EPOCH << 48 | seq);
  rtc_put16(out + 11, (uint16_t)(NONCE + n + RTC_GCM_TAG));
  rtc_put64(out + RTC_DTLSREC_HEADER, r->nonce_base + seq);
  write_aad(aad, out, n);
  write_iv(iv, &r->out, out + RTC_DTLSREC_HEADER);
  int err = rtc_gcm_seal(&r->out.gcm, iv, aad, sizeof aad, content, n, content + n);
  return err < 0 ? err : (int)(n + RTC_DTLSREC_OVERHEAD);
}

int rtc_dtlsrec_seal(rtc_dtlsrec_t *r, const uint8_t *p, size_t n, uint8_t *out, size_t cap) {
  return seal(r, RTC_DTLSREC_TYPE_DATA, p, n, out, cap);
}

int rtc_dtlsrec_close(rtc_dtlsrec_t *r, uint8_t *out, size_t cap) {
  static const uint8_t alert[2] = {LEVEL_WARNING, CLOSE_NOTIFY};
  int n = seal(r, RTC_DTLSREC_TYPE_ALERT, alert, sizeof alert, out, cap);
  if (n > 0) r->closed = true;
  return n;
}

int rtc_dtlsrec_open(rtc_dtlsrec_t *r, uint8_t *p, size_t n, size_t *at, rtc_dtlsrec_content_t *content) {
  uint8_t *head = p + *at;
  size_t left = n - *at;
  memset(content, 0, sizeof *content);
  *at = n;
  if (left < RTC_DTLSREC_HEADER) return RTC_EPROTO;
  size_t body = rtc_get16(head + 11);
  if (body > left - RTC_DTLSREC_HEADER) return RTC_EPROTO;
  *at = n - left + RTC_DTLSREC_HEADER + body;
  bool known = head[0] == RTC_DTLSREC_TYPE_ALERT || head[0] == RTC_DTLSREC_TYPE_DATA;
  if (!known || rtc_get16(head + 1) != VERSION || rtc_get16(head + 3) != EPOCH) return RTC_EPROTO;
  if (body < NONCE + RTC_GCM_TAG || body > NONCE + RTC_GCM_TAG + RTC_DTLSREC_CONTENT_MAX) return RTC_EPROTO;
  if (!r->key_len || r->closed || r->forged >= RTC_DTLSREC_FORGED_MAX) return RTC_ESTATE;
  int64_t seq = (int64_t)(rtc_get64(head + 3) & (RTC_DTLSREC_SEQ_END - 1));
  if (rtc_window_check(&r->seen, seq) < 0) return RTC_EREPLAY;

  uint8_t aad[AAD], iv[RTC_GCM_IV], *text = head + RTC_DTLSREC_HEAD;
  size_t len = body - NONCE - RTC_GCM_TAG;
  write_aad(aad, head, len);
  write_iv(iv, &r->in, head + RTC_DTLSREC_HEADER);
  int err = rtc_gcm_open(&r->in.gcm, iv, aad, sizeof aad, text, len, text + len);
  if (err < 0) {
    r->forged += err == RTC_EAUTH;
    return err;
  }
  rtc_window_commit(&r->seen, seq);
  *content = (rtc_dtlsrec_content_t){.type = head[0], .p = text, .n = len};
  if (head[0] == RTC_DTLSREC_TYPE_DATA) return 0;
  if (len != 2) return RTC_EPROTO;
  content->level = text[0];
  content->description = text[1];
  return 0;
}
