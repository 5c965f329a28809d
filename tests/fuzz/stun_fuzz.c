/* stun: messages as they come; and the same attributes signed anew with the right password, so that what stands behind
 * FINGERPRINT and MESSAGE-INTEGRITY is reached: the state of a lite agent and of a full one.
 * Input: mode (1 byte: bit 0 sign, bit 1 full agent, bit 2 sign with the transaction id of the check that is due, bit 3 sign with another
 * password, bit 4 controlling), the message. */
#include "fuzz.h"
#include "proto/consent.h"
#include "proto/ice.h"
#include "wire/stun.h"

static const char PWD[] = "password-of-22-or-more", OTHER[] = "another-one-of-22-chars";

static void inside(const uint8_t *v, size_t len, const uint8_t *p, size_t n) {
  MUST(!v || (v >= p && v <= p + n && len <= (size_t)(p + n - v)));
}

static void check_view(const rtc_stun_t *m, const uint8_t *p, size_t n) {
  MUST(n >= RTC_STUN_HEADER && n % 4 == 0 && m->tid == p + 8);
  inside(m->username, m->username_len, p, n);
  inside(m->realm, m->realm_len, p, n);
  inside(m->nonce, m->nonce_len, p, n);
  inside(m->data, m->data_len, p, n);
  inside(m->reason, m->reason_len, p, n);
  inside(m->algorithms, m->algorithms_len, p, n);
  if (m->has_integrity256) inside(p + m->integrity256_off + 4, m->integrity256_len, p, n);
  MUST(m->unknown_n <= 8 && (m->error == 0 || (m->error >= 300 && m->error <= 699)));
  MUST(!m->has_integrity || (size_t)m->integrity_off + 24 <= n);
}

/* Type, id and attributes of a message whose form need not be right, with integrity and fingerprint of our own. */
static int sign(uint8_t *out, size_t cap, const uint8_t *p, size_t n, const uint8_t *tid, const char *key) {
  if (n < RTC_STUN_HEADER) return RTC_EPROTO;
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, rtc_get16(p) & 0x3fff, tid ? tid : p + 8);
  for (size_t at = RTC_STUN_HEADER; n - at >= 4;) {
    uint16_t attr = rtc_get16(p + at), len = rtc_get16(p + at + 2);
    at += 4;
    if (len > n - at) break;
    if (attr != RTC_STUN_A_FINGERPRINT) rtc_stun_put(&w, attr, p + at, len);
    size_t padded = ((size_t)len + 3) & ~(size_t)3;
    if (padded > n - at) break;
    at += padded;
  }
  return rtc_stun_end(&w, (const uint8_t *)key, strlen(key));
}

static void check_answer(const rtc_stun_t *m, uint8_t *out, size_t n) {
  rtc_stun_t answer;
  MUST(rtc_stun_parse(&answer, out, n) == 0 && memcmp(answer.tid, m->tid, RTC_STUN_TID) == 0);
  MUST(rtc_stun_check(&answer, out, (const uint8_t *)PWD, strlen(PWD)) == 0);
}

static void deliver(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *p, const rtc_path_t *from, bool genuine) {
  size_t out_len = 0, cap = 100;
  uint8_t *out = fuzz_room(cap);
  uint32_t requests = c->requests;
  int r = rtc_consent_on_stun(c, m, p, from, out, cap, &out_len, RTC_SEC(1));
  MUST(r == RTC_CONSENT_DROP || r == RTC_CONSENT_OK || r == RTC_CONSENT_MOVED || r == RTC_ENOBUFS);
  MUST(out_len <= cap);
  if (!genuine) MUST(r == RTC_CONSENT_DROP && out_len == 0 && !c->has_path && c->requests == requests);
  if (r == RTC_CONSENT_MOVED) MUST(c->has_path && rtc_consent_knows(c, from));
  if (out_len) check_answer(m, out, out_len);
  fuzz_free(out, cap);
}

/* From where it is checked, and from somewhere else; then whatever falls due. */
static void deliver_full(rtc_ice_t *c, const rtc_stun_t *m, const uint8_t *p, rtc_path_t from, bool genuine) {
  rtc_time_t now = RTC_SEC(1);
  for (int i = 0; i < 3; i++, from.remote.port++) {
    size_t out_len = 0, cap = 100;
    uint8_t *out = fuzz_room(cap), check[1300];
    uint32_t requests = c->requests, answers = c->answers;
    int r = rtc_ice_on_stun(c, m, p, &from, out, cap, &out_len, now), n;
    MUST(r == RTC_ICE_DROP || r == RTC_ICE_OK || r == RTC_ICE_MOVED || r == RTC_ENOBUFS);
    MUST(out_len <= cap);
    if (!genuine) MUST(r == RTC_ICE_DROP && out_len == 0 && !c->has_path && c->requests == requests && c->answers == answers);
    if (r == RTC_ICE_MOVED) MUST(c->has_path && rtc_ice_knows(c, &from) && c->answers > 0);
    if (out_len) check_answer(m, out, out_len);
    fuzz_free(out, cap);
    MUST(c->remote_n <= RTC_ICE_CANDS && c->local_n <= RTC_ICE_CANDS && c->pair_n <= RTC_ICE_PAIRS && c->selected < c->pair_n);
    rtc_path_t to;
    for (int k = 0; k < 20; k++) {
      now += RTC_MS(60);
      while ((n = rtc_ice_pop(c, check, sizeof check, &to, now)) > 0) {}
      MUST(n == 0 && rtc_ice_next_at(c) > now);
    }
  }
}

void fuzz_one(const uint8_t *data, size_t size) {
  if (size < 1) return;
  uint8_t mode = data[0], due[1300], *made = NULL;
  size_t n = size - 1;
  uint8_t *p = fuzz_copy(data + 1, n);
  bool full = mode & 2, genuine = false;
  rtc_consent_t c;
  static rtc_ice_t ice;
  rtc_path_t path = {.sock = 0}, to;
  uint8_t ip[4] = {192, 0, 2, 1};
  rtc_addr_set(&path.remote, ip, 4, 5000);
  if (rtc_consent_init(&c, "lfrg", PWD, "rfrg", PWD) < 0 || rtc_ice_init(&ice, "lfrg", PWD, "rfrg", PWD, mode & 16, 1) < 0) abort();
  int due_n = 0;
  if (full) {
    MUST(rtc_ice_add_path(&ice, &path, RTC_SEC(1)) == 0);
    due_n = rtc_ice_pop(&ice, due, sizeof due, &to, RTC_SEC(1));
    MUST(due_n >= RTC_STUN_HEADER);
  }
  if (mode & 1) {
    size_t cap = n + 64;
    made = fuzz_room(cap);
    int r = sign(made, cap, p, n, due_n && mode & 4 ? due + 8 : NULL, mode & 8 ? OTHER : PWD);
    MUST(r != 0);
    fuzz_free(p, n);
    n = r > 0 ? (size_t)r : 0;
    p = fuzz_copy(made, n);
    fuzz_free(made, cap);
    genuine = r > 0 && !(mode & 8);
  }
  rtc_stun_t m;
  if (rtc_stun_parse(&m, p, n) == 0) {
    check_view(&m, p, n);
    int r = rtc_stun_check(&m, p, (const uint8_t *)PWD, strlen(PWD));
    MUST(r == 0 || r == RTC_EAUTH);
    int r256 = rtc_stun_check256(&m, p, (const uint8_t *)PWD, strlen(PWD));
    MUST(r256 == 0 || r256 == RTC_EAUTH);
    MUST(r || rtc_stun_check(&m, p, (const uint8_t *)OTHER, strlen(OTHER)) == RTC_EAUTH);
    if (full) {
      deliver_full(&ice, &m, p, path, genuine || r == 0);
    } else {
      deliver(&c, &m, p, &path, genuine || r == 0);
      deliver(&c, &m, p, &path, genuine || r == 0 || c.has_path);
    }
  }
  MUST(!rtc_consent_expired(&c, 0));
  rtc_consent_clear(&c);
  rtc_ice_clear(&ice);
  fuzz_free(p, n);
}
