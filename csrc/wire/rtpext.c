#include "wire/rtpext.h"

#include <string.h>

#include "base/bytes.h"

enum { ONE_BYTE = 0xBEDE, TWO_BYTE = 0x1000, APPBITS = 0x000f, PREFIX = 4, ID_STOP = 15, ONE_BYTE_ID_MAX = 14, ONE_BYTE_LEN_MAX = 16 };

_Static_assert(RTC_EXT_COUNT <= 32, "a view has a bit for each kind");

void rtc_extmap_init(rtc_extmap_t *m) {
  memset(m->kind_of, RTC_EXT_UNKNOWN, sizeof m->kind_of);
  memset(m->id_of, 0, sizeof m->id_of);
}

int rtc_extmap_set(rtc_extmap_t *m, rtc_ext_t kind, uint8_t id) {
  if ((unsigned)kind >= RTC_EXT_COUNT || id == 0) return RTC_EINVAL;
  if (m->id_of[kind] != 0) m->kind_of[m->id_of[kind]] = RTC_EXT_UNKNOWN;
  if (m->kind_of[id] != RTC_EXT_UNKNOWN) m->id_of[m->kind_of[id]] = 0;
  m->kind_of[id] = (uint8_t)kind;
  m->id_of[kind] = id;
  return 0;
}

uint8_t rtc_ext_of_uri(const char *uri, size_t n) {
#define EXT_URI(name, text) {text, sizeof text - 1},
  static const struct {
    const char *text;
    size_t n;
  } uris[RTC_EXT_COUNT] = {RTC_EXTS(EXT_URI)};
#undef EXT_URI
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++)
    if (uris[k].n == n && memcmp(uris[k].text, uri, n) == 0) return (uint8_t)k;
  return RTC_EXT_UNKNOWN;
}

static void take(rtc_ext_view_t *v, const rtc_extmap_t *m, uint8_t id, const uint8_t *p, size_t n) {
  uint8_t kind = m->kind_of[id];
  if (kind != RTC_EXT_UNKNOWN) rtc_ext_put(v, (rtc_ext_t)kind, p, (uint8_t)n);
}

/* RFC 8285 §4.2. */
static void parse_one_byte(rtc_ext_view_t *v, const uint8_t *p, size_t n, const rtc_extmap_t *m) {
  for (size_t i = 0; i < n;) {
    uint8_t id = p[i] >> 4;
    size_t len = (size_t)(p[i] & 0x0f) + 1;
    if (p[i] == 0) { /* padding */
      i++;
      continue;
    }
    if (id == 0 || id == ID_STOP) return; /* id 0 with a length ends the processing too (§4.1.2) */
    if (n - i - 1 < len) return;
    take(v, m, id, p + i + 1, len);
    i += 1 + len;
  }
}

/* RFC 8285 §4.3: id 0 is one byte of padding, without a length. */
static void parse_two_byte(rtc_ext_view_t *v, const uint8_t *p, size_t n, const rtc_extmap_t *m) {
  for (size_t i = 0; i < n;) {
    if (p[i] == 0) {
      i++;
      continue;
    }
    if (n - i < 2 || n - i - 2 < p[i + 1]) return;
    take(v, m, p[i], p + i + 2, p[i + 1]);
    i += 2 + (size_t)p[i + 1];
  }
}

void rtc_rtpext_parse(rtc_ext_view_t *v, uint16_t profile, const uint8_t *p, size_t n, const rtc_extmap_t *m) {
  memset(v, 0, sizeof *v);
  if (profile == ONE_BYTE)
    parse_one_byte(v, p, n, m);
  else if ((profile & ~APPBITS) == TWO_BYTE)
    parse_two_byte(v, p, n, m);
}

static bool fits_one_byte(uint8_t id, uint8_t len) { return id <= ONE_BYTE_ID_MAX && len >= 1 && len <= ONE_BYTE_LEN_MAX; }

int rtc_rtpext_write(uint8_t *out, size_t cap, const rtc_ext_view_t *v, const rtc_extmap_t *m, bool allow_two, uint16_t at[RTC_EXT_COUNT]) {
  if (at) memset(at, 0, RTC_EXT_COUNT * sizeof *at);
  bool two = false;
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++)
    if (rtc_ext_has(v, (rtc_ext_t)k) && m->id_of[k] && !fits_one_byte(m->id_of[k], v->len[k])) two = allow_two;

  rtc_wr_t w = rtc_wr(out, cap);
  (void)rtc_wr_room(&w, PREFIX); /* profile and length, known at the end */
  bool any = false;
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++) {
    uint8_t id = m->id_of[k], len = v->len[k];
    if (!rtc_ext_has(v, (rtc_ext_t)k) || id == 0 || (!two && !fits_one_byte(id, len))) continue;
    any = true;
    if (two) {
      rtc_wr8(&w, id);
      rtc_wr8(&w, len);
    } else {
      rtc_wr8(&w, (uint8_t)(id << 4 | (len - 1)));
    }
    if (at) at[k] = (uint16_t)rtc_wr_len(&w);
    rtc_wr_bytes(&w, v->p[k], len);
  }
  if (!any) return 0;
  while (!w.bad && rtc_wr_len(&w) % 4) rtc_wr8(&w, 0);
  if (w.bad) return RTC_ENOBUFS;
  rtc_put16(out, two ? TWO_BYTE : ONE_BYTE);
  rtc_put16(out + 2, (uint16_t)((rtc_wr_len(&w) - PREFIX) / 4));
  return (int)rtc_wr_len(&w);
}
