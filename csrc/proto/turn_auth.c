/* turn_auth: long-term credentials (RFC 8489 §9.2): keys, challenges, and the attributes that sign a request. Names and passwords are taken
 * as they are: what needs more of OpaqueString (RFC 8265) than UTF-8 is the caller's. */
#include "base/crypto.h"
#include "proto/turn_impl.h"

enum { ALGORITHM_MD5 = 1, ALGORITHM_SHA256 = 2, COOKIE_LEN = 9, FEATURE_ALGORITHMS = 0x800000, FEATURE_ANONYMITY = 0x400000 };

/* What the nonce says that the server can (§9.2, §18.1): four digits of base64 behind the cookie. 0: nothing. */
static uint32_t features_of(const uint8_t *nonce, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t v = 0;
  if (n < COOKIE_LEN + 4 || memcmp(nonce, "obMatJos2", COOKIE_LEN) != 0) return 0;
  for (int i = 0; i < 4; i++) {
    uint8_t c = nonce[COOKIE_LEN + i];
    const char *at = c ? strchr(digits, c) : NULL;
    if (!at) return 0;
    v = v << 6 | (uint32_t)(at - digits);
  }
  return v;
}

/* Whether this list has SHA-256 (§14.11): algorithm, length of its parameters, these padded. */
static bool offers_sha256(const uint8_t *p, size_t n) {
  for (rtc_rd_t r = rtc_rd(p, n); rtc_rd_left(&r) >= 4;) {
    uint16_t algorithm = rtc_rd16(&r), len = rtc_rd16(&r);
    if (algorithm == ALGORITHM_SHA256 && len == 0) return true;
    if (!rtc_rd_take(&r, ((size_t)len + 3) & ~(size_t)3)) return false;
  }
  return false;
}

/* §9.2.2: a hash of name ":" realm ":" password. */
static int make_key(rtc_turn_t *t) {
  uint8_t text[RTC_TURN_USER_MAX + RTC_TURN_REALM_MAX + RTC_TURN_PASSWORD_MAX + 2], hash[64];
  rtc_wr_t w = rtc_wr(text, sizeof text);
  rtc_wr_bytes(&w, t->username, strlen(t->username));
  rtc_wr8(&w, ':');
  rtc_wr_bytes(&w, t->realm, t->realm_len);
  int err = rtc_sha(256, text, rtc_wr_len(&w), hash);
  if (err > 0) memcpy(t->userhash, hash, sizeof t->userhash);
  rtc_wr8(&w, ':');
  rtc_wr_bytes(&w, t->password, strlen(t->password));
  if (err > 0) err = t->sha256 ? rtc_sha(256, text, rtc_wr_len(&w), hash) : rtc_md5(text, rtc_wr_len(&w), hash);
  if (err >= 0) memcpy(t->key, hash, sizeof t->key);
  rtc_cleanse(text, sizeof text);
  rtc_cleanse(hash, sizeof hash);
  return err < 0 ? err : 0;
}

int rtc_turn_challenge(rtc_turn_t *t, const rtc_stun_t *m) {
  bool stale = m->error == 438;
  if (!m->nonce || !m->nonce_len || m->nonce_len > sizeof t->nonce) return 0;
  if (stale ? !t->keyed : !m->realm) return 0;
  if (m->realm && (!m->realm_len || m->realm_len > sizeof t->realm)) return 0;
  bool same_realm = !m->realm || (m->realm_len == t->realm_len && memcmp(m->realm, t->realm, t->realm_len) == 0);
  uint32_t features = features_of(m->nonce, m->nonce_len);
  /* §9.2.5: somebody has taken the list away, to have the weaker hash. */
  if ((features & FEATURE_ALGORITHMS) && !m->algorithms) return 0;
  if (t->keyed && t->sha256 && !(features & FEATURE_ALGORITHMS)) return 0;
  if (!stale && t->keyed && same_realm && t->state == RTC_TURN_ASKING) return RTC_EAUTH; /* the same again would not help */
  bool sha256 =
      (features & FEATURE_ALGORITHMS) && m->algorithms_len <= sizeof t->algorithms && offers_sha256(m->algorithms, m->algorithms_len);
  if (t->keyed && t->sha256 && !sha256) return 0;
  memcpy(t->nonce, m->nonce, m->nonce_len);
  t->nonce_len = m->nonce_len;
  if (sha256) {
    memcpy(t->algorithms, m->algorithms, m->algorithms_len);
    t->algorithms_len = m->algorithms_len;
  }
  t->hashed = features & FEATURE_ANONYMITY;
  if (t->keyed && same_realm && sha256 == t->sha256) return 1;
  t->sha256 = sha256;
  if (m->realm) {
    memcpy(t->realm, m->realm, m->realm_len);
    t->realm_len = m->realm_len;
  }
  if (make_key(t) < 0) return RTC_EAUTH;
  t->keyed = true;
  return 1;
}

void rtc_turn_sign(const rtc_turn_t *t, rtc_wr_t *w) {
  if (!t->keyed) return;
  if (t->hashed)
    rtc_stun_put(w, RTC_STUN_A_USERHASH, t->userhash, sizeof t->userhash);
  else
    rtc_stun_put(w, RTC_STUN_A_USERNAME, t->username, strlen(t->username));
  rtc_stun_put(w, RTC_STUN_A_REALM, t->realm, t->realm_len);
  rtc_stun_put(w, RTC_STUN_A_NONCE, t->nonce, t->nonce_len);
  if (!t->sha256) return;
  static const uint8_t sha256[4] = {0, ALGORITHM_SHA256, 0, 0};
  rtc_stun_put(w, RTC_STUN_A_ALGORITHMS, t->algorithms, t->algorithms_len);
  rtc_stun_put(w, RTC_STUN_A_ALGORITHM, sha256, sizeof sha256);
}

int rtc_turn_end(const rtc_turn_t *t, rtc_wr_t *w) {
  if (!t->keyed) return rtc_stun_end(w, NULL, 0);
  return t->sha256 ? rtc_stun_end256(w, t->key, 32) : rtc_stun_end(w, t->key, 16);
}

int rtc_turn_check(const rtc_turn_t *t, const rtc_stun_t *m, const uint8_t *raw) {
  return t->sha256 ? rtc_stun_check256(m, raw, t->key, 32) : rtc_stun_check(m, raw, t->key, 16);
}
