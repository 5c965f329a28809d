#include "wire/stun.h"

#include "base/crypto.h"

enum {
  COOKIE = 0x2112a442,
  ATTR_HEADER = 4,
  INTEGRITY_LEN = 20,
  INTEGRITY256_LEN = 32, /* whole; at least 16 (RFC 8489 §14.6) */
  FINGERPRINT_XOR = 0x5354554e,
  FAMILY_V4 = 1,
  FAMILY_V6 = 2,
  OPTIONAL_FROM = 0x8000, /* attributes from here on may be ignored when unknown (RFC 8489 §14) */
};

/* The mask of XOR addresses: cookie, then transaction id (RFC 8489 §14.2). Plain addresses use zeros. */
static void xor_mask(uint8_t mask[16], const uint8_t *tid) {
  rtc_put32(mask, COOKIE);
  memcpy(mask + 4, tid, RTC_STUN_TID);
}

static int read_addr(rtc_addr_t *a, const uint8_t *v, size_t n, const uint8_t mask[16]) {
  if (n < 8) return RTC_EPROTO;
  size_t ip_len = v[1] == FAMILY_V4 ? 4 : v[1] == FAMILY_V6 ? 16 : 0;
  if (!ip_len || n != 4 + ip_len) return RTC_EPROTO;
  uint8_t ip[16];
  for (size_t i = 0; i < ip_len; i++) ip[i] = v[4 + i] ^ mask[i];
  rtc_addr_set(a, ip, ip_len, rtc_get16(v + 2) ^ rtc_get16(mask));
  return 0;
}

static void note_unknown(rtc_stun_t *m, uint16_t attr) {
  const size_t cap = sizeof m->unknown / sizeof m->unknown[0];
  if (m->unknown_n < cap) m->unknown[m->unknown_n++] = attr;
}

static int read_flag(bool *flag, size_t n, size_t want) {
  if (n != want) return RTC_EPROTO;
  *flag = true;
  return 0;
}

static int read_error(rtc_stun_t *m, const uint8_t *v, size_t n) {
  if (n < 4) return RTC_EPROTO;
  unsigned hundreds = v[2] & 7u, rest = v[3];
  if (hundreds < 3 || hundreds > 6 || rest > 99) return RTC_EPROTO;
  m->error = (uint16_t)(hundreds * 100 + rest);
  m->reason = v + 4;
  m->reason_len = (uint16_t)(n - 4);
  return 0;
}

/* One attribute that stands before any MESSAGE-INTEGRITY. The first of several alike counts (RFC 8489 §14). */
static int read_attr(rtc_stun_t *m, uint16_t attr, const uint8_t *v, uint16_t n) {
  static const uint8_t plain[16];
  uint8_t mask[16];
  xor_mask(mask, m->tid);
  int r = 0;
  switch (attr) {
    case RTC_STUN_A_USERNAME:
      if (!m->username) m->username = v, m->username_len = n;
      return 0;
    case RTC_STUN_A_REALM:
      if (!m->realm) m->realm = v, m->realm_len = n;
      return 0;
    case RTC_STUN_A_NONCE:
      if (!m->nonce) m->nonce = v, m->nonce_len = n;
      return 0;
    case RTC_STUN_A_DATA:
      if (!m->data) m->data = v, m->data_len = n;
      return 0;
    case RTC_STUN_A_ERROR:
      return m->error ? 0 : read_error(m, v, n);
    case RTC_STUN_A_XOR_MAPPED: /* wins over MAPPED-ADDRESS wherever it stands, see rtc_stun_parse */
      r = m->has_mapped ? 0 : read_addr(&m->mapped, v, n, mask);
      m->has_mapped = true;
      return r;
    case RTC_STUN_A_RELAYED:
      r = m->has_relayed ? 0 : read_addr(&m->relayed, v, n, mask);
      m->has_relayed = true;
      return r;
    case RTC_STUN_A_PEER:
      r = m->has_peer ? 0 : read_addr(&m->peer, v, n, mask);
      m->has_peer = true;
      return r;
    case RTC_STUN_A_ALTERNATE:
      r = m->has_alternate ? 0 : read_addr(&m->alternate, v, n, plain);
      m->has_alternate = true;
      return r;
    case RTC_STUN_A_ALGORITHMS:
      if (!m->algorithms) m->algorithms = v, m->algorithms_len = n;
      return 0;
    case RTC_STUN_A_LIFETIME:
      if (m->has_lifetime) return 0;
      r = read_flag(&m->has_lifetime, n, 4);
      if (!r) m->lifetime = rtc_get32(v);
      return r;
    case RTC_STUN_A_PRIORITY:
      if (m->has_priority) return 0;
      r = read_flag(&m->has_priority, n, 4);
      if (!r) m->priority = rtc_get32(v);
      return r;
    case RTC_STUN_A_USE_CANDIDATE:
      return read_flag(&m->has_use_candidate, n, 0);
    case RTC_STUN_A_CONTROLLING:
    case RTC_STUN_A_CONTROLLED:
      if (m->has_controlling || m->has_controlled) return 0;
      r = read_flag(attr == RTC_STUN_A_CONTROLLING ? &m->has_controlling : &m->has_controlled, n, 8);
      if (!r) m->tie_breaker = rtc_get64(v);
      return r;
    case RTC_STUN_A_MAPPED: { /* only its form here; its value is taken at the end if nothing better came */
      rtc_addr_t ignored;
      return read_addr(&ignored, v, n, plain);
    }
    case RTC_STUN_A_UNKNOWN:
    case RTC_STUN_A_CHANNEL:
    case RTC_STUN_A_FAMILY:
    case RTC_STUN_A_TRANSPORT:
    case RTC_STUN_A_ALGORITHM:
    case RTC_STUN_A_USERHASH:
      return 0;
    default:
      if (attr < OPTIONAL_FROM) note_unknown(m, attr);
      return 0;
  }
}

int rtc_stun_parse(rtc_stun_t *m, const uint8_t *p, size_t n) {
  static const uint8_t plain[16];
  memset(m, 0, sizeof *m);
  if (n < RTC_STUN_HEADER || n > UINT16_MAX || (p[0] & 0xc0) || rtc_get32(p + 4) != COOKIE) return RTC_EPROTO;
  if (rtc_get16(p + 2) != n - RTC_STUN_HEADER || n % 4) return RTC_EPROTO;
  m->type = rtc_get16(p);
  m->tid = p + 8;
  const uint8_t *mapped = NULL;
  uint16_t mapped_len = 0;

  for (size_t at = RTC_STUN_HEADER; at < n;) {
    if (n - at < ATTR_HEADER || m->has_fingerprint) return RTC_EPROTO; /* FINGERPRINT is the last (RFC 8489 §14.7) */
    uint16_t attr = rtc_get16(p + at), len = rtc_get16(p + at + 2);
    const uint8_t *v = p + at + ATTR_HEADER;
    size_t padded = ((size_t)len + 3) & ~(size_t)3;
    if (n - at - ATTR_HEADER < padded) return RTC_EPROTO;
    if (attr == RTC_STUN_A_FINGERPRINT) {
      if (len != 4 || (rtc_crc32(p, at) ^ FINGERPRINT_XOR) != rtc_get32(v)) return RTC_EPROTO;
      m->has_fingerprint = true;
    } else if (attr == RTC_STUN_A_INTEGRITY256 && !m->has_integrity256) { /* behind MESSAGE-INTEGRITY when both are there */
      if (len < 16 || len > INTEGRITY256_LEN || len % 4) return RTC_EPROTO;
      m->has_integrity256 = true;
      m->integrity256_off = (uint16_t)at;
      m->integrity256_len = len;
    } else if (!m->has_integrity && !m->has_integrity256) {
      if (attr == RTC_STUN_A_INTEGRITY) {
        if (len != INTEGRITY_LEN) return RTC_EPROTO;
        m->has_integrity = true;
        m->integrity_off = (uint16_t)at;
      } else if (read_attr(m, attr, v, len)) {
        return RTC_EPROTO;
      } else if (attr == RTC_STUN_A_MAPPED && !mapped) {
        mapped = v;
        mapped_len = len;
      }
    }
    at += ATTR_HEADER + padded;
  }
  if (mapped && !m->has_mapped) {
    m->has_mapped = true;
    return read_addr(&m->mapped, mapped, mapped_len, plain);
  }
  return 0;
}

int rtc_stun_check(const rtc_stun_t *m, const uint8_t *p, const uint8_t *key, size_t key_len) {
  if (!m->has_integrity) return RTC_EAUTH;
  /* The MAC was taken when MESSAGE-INTEGRITY was the last attribute: the length said so (RFC 8489 §14.5). */
  uint8_t header[RTC_STUN_HEADER], mac[20];
  memcpy(header, p, sizeof header);
  rtc_put16(header + 2, (uint16_t)(m->integrity_off + ATTR_HEADER + INTEGRITY_LEN - RTC_STUN_HEADER));
  int r = rtc_hmac_sha1_once(key, key_len, header, sizeof header, p + sizeof header, m->integrity_off - sizeof header, mac);
  if (r || !rtc_equal_ct(mac, p + m->integrity_off + ATTR_HEADER, sizeof mac)) return RTC_EAUTH;
  return 0;
}

int rtc_stun_check256(const rtc_stun_t *m, const uint8_t *p, const uint8_t *key, size_t key_len) {
  if (!m->has_integrity256) return RTC_EAUTH;
  uint8_t header[RTC_STUN_HEADER], mac[INTEGRITY256_LEN];
  memcpy(header, p, sizeof header);
  rtc_put16(header + 2, (uint16_t)(m->integrity256_off + ATTR_HEADER + m->integrity256_len - RTC_STUN_HEADER));
  int r = rtc_hmac_sha256_parts(key, key_len, header, sizeof header, p + sizeof header, m->integrity256_off - sizeof header, mac);
  if (r || !rtc_equal_ct(mac, p + m->integrity256_off + ATTR_HEADER, m->integrity256_len)) return RTC_EAUTH;
  return 0;
}

void rtc_stun_begin(rtc_wr_t *w, uint16_t type, const uint8_t tid[12]) {
  rtc_wr16(w, type);
  rtc_wr16(w, 0);
  rtc_wr32(w, COOKIE);
  rtc_wr_bytes(w, tid, RTC_STUN_TID);
}

/* Header and room of one attribute, padding zeroed; NULL with the writer's error set when it does not fit. */
static uint8_t *open_attr(rtc_wr_t *w, uint16_t attr, size_t n) {
  size_t padded = (n + 3) & ~(size_t)3;
  uint8_t *p = n > UINT16_MAX ? NULL : rtc_wr_room(w, ATTR_HEADER + padded);
  if (!p) {
    w->bad = true;
    return NULL;
  }
  rtc_put16(p, attr);
  rtc_put16(p + 2, (uint16_t)n);
  memset(p + ATTR_HEADER + n, 0, padded - n);
  return p + ATTR_HEADER;
}

void rtc_stun_put(rtc_wr_t *w, uint16_t attr, const void *value, size_t n) {
  uint8_t *v = open_attr(w, attr, n);
  if (v && n) memcpy(v, value, n);
}

void rtc_stun_put_xor_addr(rtc_wr_t *w, uint16_t attr, const rtc_addr_t *a, const uint8_t tid[12]) {
  bool v4 = rtc_addr_is_v4(a);
  size_t ip_len = v4 ? 4 : 16;
  const uint8_t *ip = v4 ? a->ip + 12 : a->ip;
  uint8_t mask[16];
  xor_mask(mask, tid);
  uint8_t *v = open_attr(w, attr, 4 + ip_len);
  if (!v) return;
  v[0] = 0;
  v[1] = v4 ? FAMILY_V4 : FAMILY_V6;
  rtc_put16(v + 2, a->port ^ rtc_get16(mask));
  for (size_t i = 0; i < ip_len; i++) v[4 + i] = ip[i] ^ mask[i];
}

void rtc_stun_put_error(rtc_wr_t *w, int code, const char *reason) {
  size_t n = reason ? strlen(reason) : 0;
  uint8_t *v = open_attr(w, RTC_STUN_A_ERROR, 4 + n);
  if (!v) return;
  rtc_put16(v, 0);
  v[2] = (uint8_t)(code / 100);
  v[3] = (uint8_t)(code % 100);
  if (n) memcpy(v + 4, reason, n);
}

/* The header's length as it will be once the attribute being added is there. */
static void set_length(rtc_wr_t *w, size_t value_len) {
  rtc_put16(w->start + 2, (uint16_t)(rtc_wr_len(w) - RTC_STUN_HEADER + ATTR_HEADER + value_len));
}

/* Integrity of `n` bytes over what is written, then the fingerprint. */
static int end(rtc_wr_t *w, const uint8_t *key, size_t key_len, size_t n) {
  const size_t tail = (key ? ATTR_HEADER + n : 0) + ATTR_HEADER + 4;
  if (w->bad || rtc_wr_left(w) < tail || rtc_wr_len(w) < RTC_STUN_HEADER || rtc_wr_len(w) + tail > UINT16_MAX) return RTC_ENOBUFS;
  if (key) {
    uint8_t mac[INTEGRITY256_LEN];
    set_length(w, n);
    int r = n == INTEGRITY_LEN ? rtc_hmac_sha1_once(key, key_len, w->start, rtc_wr_len(w), NULL, 0, mac)
                               : rtc_hmac_sha256_once(key, key_len, w->start, rtc_wr_len(w), mac);
    if (r) return r;
    rtc_stun_put(w, n == INTEGRITY_LEN ? RTC_STUN_A_INTEGRITY : RTC_STUN_A_INTEGRITY256, mac, n);
  }
  set_length(w, 4);
  uint8_t crc[4];
  rtc_put32(crc, rtc_crc32(w->start, rtc_wr_len(w)) ^ FINGERPRINT_XOR);
  rtc_stun_put(w, RTC_STUN_A_FINGERPRINT, crc, sizeof crc);
  return (int)rtc_wr_len(w);
}

int rtc_stun_end(rtc_wr_t *w, const uint8_t *key, size_t key_len) { return end(w, key, key_len, INTEGRITY_LEN); }
int rtc_stun_end256(rtc_wr_t *w, const uint8_t *key, size_t key_len) { return end(w, key, key_len, INTEGRITY256_LEN); }

bool rtc_stun_username_is(const rtc_stun_t *m, const char *first, const char *second) {
  size_t a = strlen(first), b = strlen(second);
  if (m->username_len <= a + 1 || memcmp(m->username, first, a) || m->username[a] != ':') return false;
  return b == 0 || (m->username_len == a + 1 + b && !memcmp(m->username + a + 1, second, b));
}

int rtc_stun_answer(const rtc_stun_t *m, const rtc_addr_t *asker, int code, const char *pwd, uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap < RTC_STUN_ANSWER_MAX ? cap : RTC_STUN_ANSWER_MAX);
  rtc_stun_begin(&w, code ? RTC_STUN_BINDING_ERROR : RTC_STUN_BINDING_SUCCESS, m->tid);
  if (code)
    rtc_stun_put_error(&w, code, NULL);
  else
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, asker, m->tid);
  if (code == RTC_STUN_UNKNOWN_ATTRIBUTE) {
    uint8_t list[sizeof m->unknown];
    for (int i = 0; i < m->unknown_n; i++) rtc_put16(list + 2 * i, m->unknown[i]);
    rtc_stun_put(&w, RTC_STUN_A_UNKNOWN, list, 2u * m->unknown_n);
  }
  return rtc_stun_end(&w, (const uint8_t *)pwd, strlen(pwd));
}
