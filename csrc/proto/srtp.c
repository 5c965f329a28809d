#include "proto/srtp.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/seq.h"
#include "wire/rtp.h"

#define RTP_INDEX_MAX ((INT64_C(1) << 48) - 1) /* RFC 3711 §9.2 */
#define RTCP_INDEX_MAX UINT32_C(0x7fffffff)
#define RTCP_E UINT32_C(0x80000000) /* "encrypted", in the word that carries the index (RFC 3711 §3.4) */

enum {
  PACKET_MAX = 65535,
  RTCP_CLEAR = 8,   /* first header and SSRC stay readable */
  RTCP_WORD = 4,    /* E flag and index */
  CM_RTCP_TAG = 10, /* with either CM profile (RFC 5764 §4.1.2) */
  SALT_MAX = 14,
  MAC_LEN = 20,       /* of HMAC-SHA1 before truncation; also its key's length */
  LABEL_RTP_KEY = 0,  /* RFC 3711 §4.3.2: key, authentication, salt */
  LABEL_RTCP_KEY = 3, /* the same three for SRTCP */
};

/* Profiles */

static bool is_gcm(rtc_srtp_profile_t p) { return p == RTC_SRTP_AEAD_AES_128_GCM || p == RTC_SRTP_AEAD_AES_256_GCM; }

size_t rtc_srtp_key_len(rtc_srtp_profile_t p) {
  switch (p) {
    case RTC_SRTP_AES_CM_128_HMAC_SHA1_80:
    case RTC_SRTP_AES_CM_128_HMAC_SHA1_32:
    case RTC_SRTP_AEAD_AES_128_GCM:
      return 16;
    case RTC_SRTP_AEAD_AES_256_GCM:
      return 32;
    case RTC_SRTP_NONE:
      break;
  }
  return 0;
}

size_t rtc_srtp_salt_len(rtc_srtp_profile_t p) {
  if (is_gcm(p)) return 12;
  return rtc_srtp_key_len(p) ? 14 : 0;
}

size_t rtc_srtp_tag_len(rtc_srtp_profile_t p) {
  if (is_gcm(p)) return RTC_GCM_TAG;
  if (p == RTC_SRTP_AES_CM_128_HMAC_SHA1_80) return 10;
  return p == RTC_SRTP_AES_CM_128_HMAC_SHA1_32 ? 4 : 0;
}

static size_t rtcp_tag_len(rtc_srtp_profile_t p) { return is_gcm(p) ? RTC_GCM_TAG : CM_RTCP_TAG; }

/* Keys */

static int kdf(rtc_ctr_t *prf, const uint8_t *salt, size_t salt_len, uint8_t label, uint8_t *out, size_t n) {
  uint8_t iv[16] = {0}; /* a 12-byte salt is padded with zeros on the right (RFC 7714 §11) */
  memcpy(iv, salt, salt_len);
  iv[7] ^= label; /* the label stands above the 48 bits of index DIV rate, which are 0 */
  memset(out, 0, n);
  int r = rtc_ctr_xor(prf, iv, out, n);
  rtc_cleanse(iv, sizeof iv);
  return r;
}

int rtc_srtp_kdf(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, uint8_t label, uint8_t *out, size_t n) {
  rtc_ctr_t prf;
  if (salt_len > SALT_MAX) return RTC_EINVAL;
  int r = rtc_ctr_init(&prf, key, key_len);
  if (r == RTC_OK) r = kdf(&prf, salt, salt_len, label, out, n);
  rtc_ctr_clear(&prf);
  return r;
}

static int derive(rtc_srtp_session_t *k, rtc_srtp_profile_t p, rtc_ctr_t *prf, const uint8_t *salt, uint8_t label) {
  size_t key_len = rtc_srtp_key_len(p), salt_len = rtc_srtp_salt_len(p);
  int r = kdf(prf, salt, salt_len, label, k->key, key_len);
  if (r == RTC_OK && !is_gcm(p)) r = kdf(prf, salt, salt_len, (uint8_t)(label + 1), k->auth, sizeof k->auth);
  if (r == RTC_OK) r = kdf(prf, salt, salt_len, (uint8_t)(label + 2), k->salt, salt_len);
  return r;
}

int rtc_srtp_init_session(rtc_srtp_t *s, rtc_srtp_profile_t p, const rtc_srtp_session_t *rtp, const rtc_srtp_session_t *rtcp, int sending) {
  size_t key_len = rtc_srtp_key_len(p), salt_len = rtc_srtp_salt_len(p);
  int r;
  memset(s, 0, sizeof *s);
  if (!key_len) return RTC_EINVAL;
  s->profile = p;
  s->sending = sending != 0;
  memcpy(s->salt_rtp, rtp->salt, salt_len);
  memcpy(s->salt_rtcp, rtcp->salt, salt_len);
  if (is_gcm(p)) {
    r = rtc_gcm_init(&s->gcm_rtp, rtp->key, key_len, sending);
    if (r == RTC_OK && sending) r = rtc_gcm_prepare(&s->gcm_rtp, rtp->key, key_len);
    if (r == RTC_OK) r = rtc_gcm_init(&s->gcm_rtcp, rtcp->key, key_len, sending);
  } else {
    r = rtc_ctr_init(&s->ctr_rtp, rtp->key, key_len);
    if (r == RTC_OK && sending) r = rtc_ctr_prepare(&s->ctr_rtp, rtp->key, key_len);
    if (r == RTC_OK) r = rtc_ctr_init(&s->ctr_rtcp, rtcp->key, key_len);
    if (r == RTC_OK) r = rtc_hmac_init(&s->mac_rtp, rtp->auth, sizeof rtp->auth);
    if (r == RTC_OK) r = rtc_hmac_init(&s->mac_rtcp, rtcp->auth, sizeof rtcp->auth);
  }
  if (r != RTC_OK) rtc_srtp_clear(s);
  return r;
}

int rtc_srtp_init(rtc_srtp_t *s, rtc_srtp_profile_t p, const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len,
                  int sending) {
  rtc_srtp_session_t rtp = {0}, rtcp = {0};
  memset(s, 0, sizeof *s);
  if (!rtc_srtp_key_len(p) || key_len != rtc_srtp_key_len(p) || salt_len != rtc_srtp_salt_len(p)) return RTC_EINVAL;
  rtc_ctr_t prf;
  int r = rtc_ctr_init(&prf, key, key_len);
  if (r == RTC_OK) r = derive(&rtp, p, &prf, salt, LABEL_RTP_KEY);
  if (r == RTC_OK) r = derive(&rtcp, p, &prf, salt, LABEL_RTCP_KEY);
  rtc_ctr_clear(&prf);
  if (r == RTC_OK) r = rtc_srtp_init_session(s, p, &rtp, &rtcp, sending);
  rtc_cleanse(&rtp, sizeof rtp);
  rtc_cleanse(&rtcp, sizeof rtcp);
  return r;
}

int rtc_srtp_window(rtc_srtp_t *s, uint32_t size) {
  if (size < RTC_WINDOW_SIZE_LEAST || size > RTC_WINDOW_SIZE_MOST) return RTC_EINVAL;
  if (s->sending || s->src_n) return RTC_ESTATE;
  s->window = size;
  return RTC_OK;
}

static void src_close(rtc_srtp_src_t *src) {
  rtc_window_clear(&src->rtp);
  rtc_window_clear(&src->rtcp);
}

void rtc_srtp_clear(rtc_srtp_t *s) {
  rtc_gcm_clear(&s->gcm_rtp);
  rtc_gcm_clear(&s->gcm_rtcp);
  rtc_ctr_clear(&s->ctr_rtp);
  rtc_ctr_clear(&s->ctr_rtcp);
  rtc_hmac_clear(&s->mac_rtp);
  rtc_hmac_clear(&s->mac_rtcp);
  for (uint32_t i = 0; i < s->src_n; i++) src_close(&s->src[i]);
  free(s->src);
  free(s->gone);
  rtc_cleanse(s, sizeof *s);
}

/* Sources. Finding changes nothing, so it may come before authentication; src_add and src_touch come after it. */

static rtc_srtp_src_t *src_find(const rtc_srtp_t *s, uint32_t ssrc) {
  if (s->src_last < s->src_n && s->src[s->src_last].ssrc == ssrc) return &s->src[s->src_last];
  for (uint32_t i = 0; i < s->src_n; i++)
    if (s->src[i].ssrc == ssrc) return &s->src[i];
  return NULL;
}

static rtc_srtp_gone_t *gone_find(const rtc_srtp_t *s, uint32_t ssrc) {
  for (uint32_t i = 0; i < s->gone_n; i++)
    if (s->gone[i].ssrc == ssrc) return &s->gone[i];
  return NULL;
}

/* Room for n entries of the given size, doubling up to max. */
static int grow(void **v, uint32_t *cap, uint32_t n, uint32_t max, size_t size) {
  if (n <= *cap) return RTC_OK;
  if (n > max) return RTC_ENOBUFS;
  uint32_t want = *cap ? *cap * 2 : 1; /* a viewer has one SSRC: that of its reports */
  if (want > max) want = max;
  void *p = realloc(*v, want * size);
  if (!p) return RTC_ENOMEM;
  *v = p;
  *cap = want;
  return RTC_OK;
}

static int src_grow(rtc_srtp_t *s) {
  void *v = s->src;
  int r = grow(&v, &s->src_cap, s->src_n + 1, RTC_SRTP_SSRC_MAX, sizeof *s->src);
  s->src = v;
  return r;
}

static int src_open(const rtc_srtp_t *s, rtc_srtp_src_t *src) {
  uint32_t size = s->window ? s->window : RTC_WINDOW_SIZE;
  memset(src, 0, sizeof *src);
  int r = rtc_window_init_size(&src->rtp, size);
  if (r == RTC_OK) r = rtc_window_init_size(&src->rtcp, size);
  if (r != RTC_OK) rtc_window_clear(&src->rtp);
  return r;
}

static int gone_grow(rtc_srtp_t *s) {
  void *v = s->gone;
  int r = grow(&v, &s->gone_cap, s->gone_n + 1, RTC_SRTP_GONE_MAX, sizeof *s->gone);
  s->gone = v;
  return r;
}

static rtc_srtp_src_t *src_idlest(const rtc_srtp_t *s) {
  rtc_srtp_src_t *idlest = s->src;
  for (uint32_t i = 1; i < s->src_n; i++)
    if (s->src[i].used < idlest->used) idlest = &s->src[i];
  return idlest;
}

/* Makes room for an SSRC that src_find does not know. When all places are taken the idlest one's numbers move to
 * `gone`, into the very place that the new SSRC leaves there if it was evicted itself before. */
static int src_add(rtc_srtp_t *s, uint32_t ssrc, rtc_srtp_src_t **out) {
  rtc_srtp_gone_t before = {ssrc, -1, -1};
  rtc_srtp_src_t *src;
  if (s->src_n < RTC_SRTP_SSRC_MAX) {
    int r = src_grow(s);
    if (r == RTC_OK) r = src_open(s, &s->src[s->src_n]);
    if (r != RTC_OK) return r;
    src = &s->src[s->src_n++];
    rtc_srtp_gone_t *place = s->sending ? gone_find(s, ssrc) : NULL; /* receiving none goes before all places are taken */
    if (place) {
      before = *place;
      *place = s->gone[--s->gone_n];
    }
  } else {
    if (s->sending) return RTC_ENOBUFS; /* forgetting one would let its indices be used again */
    rtc_srtp_gone_t *place = gone_find(s, ssrc);
    if (place) {
      before = *place;
    } else {
      int r = gone_grow(s);
      if (r != RTC_OK) return r;
      place = &s->gone[s->gone_n++];
    }
    src = src_idlest(s);
    *place = (rtc_srtp_gone_t){src->ssrc, (int32_t)src->rtcp.top, src->rtp.top};
  }
  src->ssrc = ssrc;
  rtc_window_above(&src->rtp, before.rtp_top);
  rtc_window_above(&src->rtcp, before.rtcp_top);
  src->rtcp_index = (uint32_t)(before.rtcp_top + 1);
  *out = src;
  return RTC_OK;
}

void rtc_srtp_end(rtc_srtp_t *s, uint32_t ssrc) {
  rtc_srtp_src_t *src = s->sending ? src_find(s, ssrc) : NULL;
  if (!src || gone_grow(s) != RTC_OK) return;
  s->gone[s->gone_n++] = (rtc_srtp_gone_t){ssrc, (int32_t)src->rtcp_index - 1, src->rtp.top};
  src_close(src);
  *src = s->src[--s->src_n];
  s->src_last = 0;
}

static void src_touch(rtc_srtp_t *s, rtc_srtp_src_t *src) {
  src->used = ++s->clock;
  s->src_last = (uint32_t)(src - s->src);
}

/* RFC 3711 §3.3.1: the index nearest to top, where a tie goes up from the lower half of the numbers and down from
 * the upper, and roll-over never goes below 0. */
static int64_t estimate(int64_t top, uint16_t seq) {
  if (top < 0) return seq;
  int64_t index = rtc_seq_near(top, seq);
  if (index < 0 || (index == top - 0x8000 && !(top & 0x8000))) index += 0x10000;
  return index;
}

/* Nonces: the session salt xor SSRC and index (RFC 3711 §4.1.1; RFC 7714 §8.1, §9.1). The AEAD nonce holds the
 * index as 48 bits right after the SSRC, for RTP as roll-over and sequence, for RTCP with 17 zero bits above it;
 * the CM one is the same two bytes further right, with the block counter behind. */

static void xor_ssrc_index(uint8_t *p, uint32_t ssrc, uint64_t index) {
  rtc_put32(p, rtc_get32(p) ^ ssrc);
  rtc_put16(p + 4, (uint16_t)(rtc_get16(p + 4) ^ (index >> 32)));
  rtc_put32(p + 6, rtc_get32(p + 6) ^ (uint32_t)index);
}

static void gcm_nonce(uint8_t iv[RTC_GCM_IV], const uint8_t *salt, uint32_t ssrc, uint64_t index) {
  memcpy(iv, salt, RTC_GCM_IV);
  xor_ssrc_index(iv + 2, ssrc, index);
}

static void cm_iv(uint8_t iv[16], const uint8_t *salt, uint32_t ssrc, uint64_t index) {
  memcpy(iv, salt, 14);
  rtc_put16(iv + 14, 0);
  xor_ssrc_index(iv + 4, ssrc, index);
}

static bool version_2(const uint8_t *p) { return p[0] >> 6 == 2; }

/* SRTP */

static int rtp_seal(rtc_srtp_t *s, const rtc_rtp_t *h, uint8_t *p, size_t len, int64_t index) {
  uint8_t iv[16], roc[4], mac[MAC_LEN];
  if (is_gcm(s->profile)) {
    gcm_nonce(iv, s->salt_rtp, h->ssrc, (uint64_t)index);
    return rtc_gcm_seal(&s->gcm_rtp, iv, p, h->hdr_len, p + h->hdr_len, len - h->hdr_len, p + len);
  }
  cm_iv(iv, s->salt_rtp, h->ssrc, (uint64_t)index);
  int r = rtc_ctr_xor(&s->ctr_rtp, iv, p + h->hdr_len, len - h->hdr_len);
  if (r != RTC_OK) return r;
  rtc_put32(roc, (uint32_t)(index >> 16));
  r = rtc_hmac_sha1(&s->mac_rtp, p, len, roc, sizeof roc, mac);
  if (r == RTC_OK) memcpy(p + len, mac, rtc_srtp_tag_len(s->profile));
  return r;
}

/* len without the tag, which stands at p + len. CM leaves p as it was when the tag is wrong; GCM does not. */
static int rtp_open(rtc_srtp_t *s, const rtc_rtp_t *h, uint8_t *p, size_t len, int64_t index) {
  uint8_t iv[16], roc[4], mac[MAC_LEN];
  if (is_gcm(s->profile)) {
    gcm_nonce(iv, s->salt_rtp, h->ssrc, (uint64_t)index);
    return rtc_sealer_gcm_open(s->opener, &s->gcm_rtp, iv, p, h->hdr_len, p + h->hdr_len, len - h->hdr_len, p + len);
  }
  rtc_put32(roc, (uint32_t)(index >> 16));
  int r = rtc_hmac_sha1(&s->mac_rtp, p, len, roc, sizeof roc, mac);
  if (r != RTC_OK) return r;
  if (!rtc_equal_ct(mac, p + len, rtc_srtp_tag_len(s->profile))) return RTC_EAUTH;
  cm_iv(iv, s->salt_rtp, h->ssrc, (uint64_t)index);
  return rtc_ctr_xor(&s->ctr_rtp, iv, p + h->hdr_len, len - h->hdr_len);
}

/* No number of this SSRC is known yet: its first packets may have been lost around a wrap, so roll-over 0, then 1. */
static int rtp_open_first(rtc_srtp_t *s, const rtc_rtp_t *h, uint8_t *p, size_t len, int64_t *index) {
  int r = rtp_open(s, h, p, len, *index);
  if (r != RTC_EAUTH) return r;
  if (is_gcm(s->profile)) { /* the failed try has xored the payload with its keystream; so does a second one, back */
    r = rtp_open(s, h, p, len, *index);
    if (r != RTC_EAUTH) return r == RTC_OK ? RTC_EAUTH : r;
  }
  *index += 0x10000;
  return rtp_open(s, h, p, len, *index);
}

int64_t rtc_srtp_estimate(const rtc_srtp_t *s, const uint8_t *p, size_t len) {
  if (len < RTC_RTP_HEADER || !version_2(p)) return RTC_EPROTO;
  const rtc_srtp_src_t *src = src_find(s, rtc_get32(p + 8));
  return estimate(src ? src->rtp.top : -1, rtc_get16(p + 2));
}

/* All of protect that comes before the cipher: whatever happens to that, the index is used from here on. */
static int rtp_begin(rtc_srtp_t *s, rtc_rtp_t *h, const uint8_t *p, size_t len, size_t cap, int64_t index) {
  if (s->profile == RTC_SRTP_NONE || !s->sending) return RTC_ESTATE;
  if (len > PACKET_MAX || rtc_rtp_parse(h, p, len) != RTC_OK) return RTC_EPROTO;
  if (cap < len + RTC_SRTP_OVERHEAD) return RTC_ENOBUFS;
  if (index < 0 || (index & 0xffff) != h->seq) return RTC_EINVAL;
  if (index > RTP_INDEX_MAX) return RTC_ESTATE;
  rtc_srtp_src_t *src = src_find(s, h->ssrc);
  int r = src ? rtc_window_check(&src->rtp, index) : src_add(s, h->ssrc, &src);
  if (r != RTC_OK) return r;
  rtc_window_commit(&src->rtp, index);
  src_touch(s, src);
  return RTC_OK;
}

int rtc_srtp_protect(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap, int64_t index) {
  rtc_rtp_t h;
  int r = rtp_begin(s, &h, p, len, cap, index);
  if (r == RTC_OK) r = rtp_seal(s, &h, p, len, index);
  return r == RTC_OK ? (int)(len + rtc_srtp_tag_len(s->profile)) : r;
}

int rtc_srtp_unprotect(rtc_srtp_t *s, uint8_t *p, size_t len, int64_t *index) {
  rtc_rtp_t h;
  size_t tag = rtc_srtp_tag_len(s->profile);
  if (s->profile == RTC_SRTP_NONE || s->sending) return RTC_ESTATE;
  if (len > PACKET_MAX || len < RTC_RTP_HEADER + tag) return RTC_EPROTO;
  len -= tag;
  if (rtc_rtp_parse(&h, p, len) != RTC_OK) return RTC_EPROTO;

  rtc_srtp_src_t *src = src_find(s, h.ssrc);
  const rtc_srtp_gone_t *gone = src ? NULL : gone_find(s, h.ssrc);
  int64_t top = src ? src->rtp.top : gone ? gone->rtp_top : -1;
  int64_t i = estimate(top, h.seq);
  if (i > RTP_INDEX_MAX) return RTC_ESTATE;
  int r = src ? rtc_window_check(&src->rtp, i) : i > top ? RTC_OK : RTC_EREPLAY;
  if (r != RTC_OK) return r;

  r = top < 0 ? rtp_open_first(s, &h, p, len, &i) : rtp_open(s, &h, p, len, i);
  if (r == RTC_OK && !src) r = src_add(s, h.ssrc, &src);
  if (r != RTC_OK) return r;
  rtc_window_commit(&src->rtp, i);
  src_touch(s, src);
  *index = i;
  return (int)len;
}

/* SRTCP. On the wire: GCM packet | tag | word; CM packet | word | tag (RFC 7714 §9.2, RFC 3711 §3.4). */

int rtc_srtp_protect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap) {
  uint8_t iv[16], aad[RTCP_CLEAR + RTCP_WORD], mac[MAC_LEN];
  if (s->profile == RTC_SRTP_NONE || !s->sending) return RTC_ESTATE;
  if (len > PACKET_MAX || len < RTCP_CLEAR || !version_2(p)) return RTC_EPROTO;
  if (cap < len + RTC_SRTP_OVERHEAD) return RTC_ENOBUFS;
  uint32_t ssrc = rtc_get32(p + 4);
  rtc_srtp_src_t *src = src_find(s, ssrc);
  int r = src ? RTC_OK : src_add(s, ssrc, &src);
  if (r != RTC_OK) return r;
  if (src->rtcp_index > RTCP_INDEX_MAX) return RTC_ESTATE;
  uint32_t index = src->rtcp_index++;
  src_touch(s, src);

  size_t tag = rtcp_tag_len(s->profile);
  if (is_gcm(s->profile)) {
    memcpy(aad, p, RTCP_CLEAR);
    rtc_put32(aad + RTCP_CLEAR, RTCP_E | index);
    gcm_nonce(iv, s->salt_rtcp, ssrc, index);
    r = rtc_gcm_seal(&s->gcm_rtcp, iv, aad, sizeof aad, p + RTCP_CLEAR, len - RTCP_CLEAR, p + len);
    rtc_put32(p + len + tag, RTCP_E | index);
  } else {
    cm_iv(iv, s->salt_rtcp, ssrc, index);
    r = rtc_ctr_xor(&s->ctr_rtcp, iv, p + RTCP_CLEAR, len - RTCP_CLEAR);
    if (r != RTC_OK) return r;
    rtc_put32(p + len, RTCP_E | index);
    r = rtc_hmac_sha1(&s->mac_rtcp, p, len + RTCP_WORD, NULL, 0, mac);
    if (r == RTC_OK) memcpy(p + len + RTCP_WORD, mac, tag);
  }
  return r == RTC_OK ? (int)(len + tag + RTCP_WORD) : r;
}

static int rtcp_open_gcm(rtc_srtp_t *s, uint8_t *p, size_t len, uint32_t ssrc, uint32_t word) {
  uint8_t iv[RTC_GCM_IV], aad[RTCP_CLEAR + RTCP_WORD], tag[RTC_GCM_TAG];
  gcm_nonce(iv, s->salt_rtcp, ssrc, word & RTCP_INDEX_MAX);
  if (word & RTCP_E) {
    memcpy(aad, p, RTCP_CLEAR);
    rtc_put32(aad + RTCP_CLEAR, word);
    return rtc_sealer_gcm_open(s->opener, &s->gcm_rtcp, iv, aad, sizeof aad, p + RTCP_CLEAR, len - RTCP_CLEAR, p + len);
  }
  /* Only authenticated: packet and word are the associated data, so the word takes the tag's place behind the packet. */
  memcpy(tag, p + len, sizeof tag);
  rtc_put32(p + len, word);
  return rtc_sealer_gcm_open(s->opener, &s->gcm_rtcp, iv, p, len + RTCP_WORD, NULL, 0, tag);
}

static int rtcp_open_cm(rtc_srtp_t *s, uint8_t *p, size_t len, uint32_t ssrc, uint32_t word) {
  uint8_t iv[16], mac[MAC_LEN];
  int r = rtc_hmac_sha1(&s->mac_rtcp, p, len + RTCP_WORD, NULL, 0, mac);
  if (r != RTC_OK) return r;
  if (!rtc_equal_ct(mac, p + len + RTCP_WORD, CM_RTCP_TAG)) return RTC_EAUTH;
  if (!(word & RTCP_E)) return RTC_OK;
  cm_iv(iv, s->salt_rtcp, ssrc, word & RTCP_INDEX_MAX);
  return rtc_ctr_xor(&s->ctr_rtcp, iv, p + RTCP_CLEAR, len - RTCP_CLEAR);
}

int rtc_srtp_unprotect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len) {
  size_t tag = rtcp_tag_len(s->profile);
  if (s->profile == RTC_SRTP_NONE || s->sending) return RTC_ESTATE;
  if (len > PACKET_MAX || len < RTCP_CLEAR + tag + RTCP_WORD || !version_2(p)) return RTC_EPROTO;
  len -= tag + RTCP_WORD;
  uint32_t ssrc = rtc_get32(p + 4), word = rtc_get32(p + len + (is_gcm(s->profile) ? tag : 0));
  int64_t index = word & RTCP_INDEX_MAX;

  rtc_srtp_src_t *src = src_find(s, ssrc);
  const rtc_srtp_gone_t *gone = src ? NULL : gone_find(s, ssrc);
  int r = src ? rtc_window_check(&src->rtcp, index) : !gone || index > gone->rtcp_top ? RTC_OK : RTC_EREPLAY;
  if (r != RTC_OK) return r;

  r = is_gcm(s->profile) ? rtcp_open_gcm(s, p, len, ssrc, word) : rtcp_open_cm(s, p, len, ssrc, word);
  if (r == RTC_OK && !src) r = src_add(s, ssrc, &src);
  if (r != RTC_OK) return r;
  rtc_window_commit(&src->rtcp, index);
  src_touch(s, src);
  return (int)len;
}

/* Batches */

enum { SET = 64 }; /* ciphers that run at a time */

typedef struct sealing { /* what a set's packets ask of the two ciphers, and whose they are */
  rtc_gcm_job_t gcm[SET];
  rtc_ctr_hmac_job_t cm[SET];
  rtc_srtp_job_t *gcm_of[SET], *cm_of[SET];
  size_t gcm_n, cm_n;
} sealing_t;

static void seal_later(sealing_t *q, rtc_srtp_job_t *j, const rtc_rtp_t *h) {
  rtc_srtp_t *s = j->s;
  if (is_gcm(s->profile)) {
    rtc_gcm_job_t *g = &q->gcm[q->gcm_n];
    q->gcm_of[q->gcm_n++] = j;
    g->key = &s->gcm_rtp;
    g->aad = j->p;
    g->aad_len = (uint32_t)h->hdr_len;
    g->p = j->p + h->hdr_len;
    g->n = (uint32_t)(j->len - h->hdr_len);
    g->tag = j->p + j->len;
    gcm_nonce(g->iv, s->salt_rtp, h->ssrc, (uint64_t)j->index);
  } else {
    rtc_ctr_hmac_job_t *c = &q->cm[q->cm_n];
    q->cm_of[q->cm_n++] = j;
    c->key = &s->ctr_rtp;
    c->mac = &s->mac_rtp;
    c->p = j->p;
    c->clear = (uint32_t)h->hdr_len;
    c->len = (uint32_t)j->len;
    c->tag_len = (uint32_t)rtc_srtp_tag_len(s->profile);
    cm_iv(c->iv, s->salt_rtp, h->ssrc, (uint64_t)j->index);
    rtc_put32(c->suffix, (uint32_t)(j->index >> 16));
  }
}

static int sealed(const rtc_srtp_job_t *j, int r) { return r == RTC_OK ? (int)(j->len + rtc_srtp_tag_len(j->s->profile)) : r; }

static void seal_now(rtc_sealer_t *sealer, sealing_t *q) {
  /* Each job has a result of its own. */
  (void)!rtc_sealer_gcm(sealer, q->gcm, q->gcm_n);
  (void)!rtc_sealer_ctr_hmac(sealer, q->cm, q->cm_n);
  for (size_t i = 0; i < q->gcm_n; i++) q->gcm_of[i]->result = sealed(q->gcm_of[i], q->gcm[i].result);
  for (size_t i = 0; i < q->cm_n; i++) q->cm_of[i]->result = sealed(q->cm_of[i], q->cm[i].result);
  q->gcm_n = q->cm_n = 0;
}

int rtc_srtp_protect_batch(rtc_sealer_t *sealer, rtc_srtp_job_t *jobs, int n) {
  sealing_t q;
  int done = 0;
  q.gcm_n = q.cm_n = 0;
  for (int i = 0; i < n; i++) {
    rtc_srtp_job_t *j = &jobs[i];
    rtc_rtp_t h;
    if (j->index == RTC_SRTP_ESTIMATE) {
      int64_t index = rtc_srtp_estimate(j->s, j->p, j->len);
      j->result = index < 0 ? (int)index : RTC_OK;
      if (index < 0) continue;
      j->index = index;
    }
    j->result = rtp_begin(j->s, &h, j->p, j->len, j->cap, j->index);
    if (j->result == RTC_OK) seal_later(&q, j, &h);
    if (q.gcm_n + q.cm_n == SET) seal_now(sealer, &q);
  }
  seal_now(sealer, &q);
  for (int i = 0; i < n; i++) done += jobs[i].result >= 0;
  return done;
}

int rtc_srtp_unprotect_batch(rtc_srtp_job_t *jobs, int n) {
  int done = 0;
  for (int i = 0; i < n; i++) {
    rtc_srtp_job_t *j = &jobs[i];
    j->result = rtc_srtp_unprotect(j->s, j->p, j->len, &j->index);
    done += j->result >= 0;
  }
  return done;
}
