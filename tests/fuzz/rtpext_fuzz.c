/* rtpext: elements in both forms under any mapping of ids, and what was read written again into a buffer of any size.
 * Input: flags (1 byte: bit 0 two-byte form allowed, bit 1 other ids for writing), room (1), ids (14, one a kind; that of a kind
 * beyond these follows from the first), profile (2), elements. */
#include "fuzz.h"
#include "wire/rtpext.h"

enum { IDS = 14 };

static void map_ids(rtc_extmap_t *m, const uint8_t *ids, uint8_t turn) {
  rtc_extmap_init(m);
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++) {
    uint8_t id = (uint8_t)((k < IDS ? ids[k] : ids[0] + k) + turn);
    MUST(rtc_extmap_set(m, (rtc_ext_t)k, id) == (id ? 0 : RTC_EINVAL));
  }
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++) MUST(!m->id_of[k] || m->kind_of[m->id_of[k]] == k);
}

/* What write gives must read as the same, less the elements that it has to leave out. */
static void write_again(const rtc_ext_view_t *v, const rtc_extmap_t *m, bool two, size_t cap) {
  uint16_t at[RTC_EXT_COUNT];
  uint8_t *out = fuzz_room(cap);
  int n = rtc_rtpext_write(out, cap, v, m, two, at);
  MUST(n == RTC_ENOBUFS || (n >= 0 && (size_t)n <= cap && n % 4 == 0 && n != 4));
  if (n > 0) {
    rtc_ext_view_t w;
    MUST(rtc_get16(out + 2) * 4 + 4 == n);
    rtc_rtpext_parse(&w, rtc_get16(out), out + 4, (size_t)n - 4, m);
    MUST((w.have & ~v->have) == 0 && w.have != 0);
    for (unsigned k = 0; k < RTC_EXT_COUNT; k++) {
      bool has = rtc_ext_has(&w, (rtc_ext_t)k);
      MUST(has == (at[k] != 0));
      if (has) MUST(w.p[k] == out + at[k] && w.len[k] == v->len[k] && memcmp(w.p[k], v->p[k], w.len[k]) == 0);
      if (!has && rtc_ext_has(v, (rtc_ext_t)k) && m->id_of[k]) MUST(!two && (m->id_of[k] > 14 || !v->len[k] || v->len[k] > 16));
    }
  }
  fuzz_free(out, cap);
}

void fuzz_one(const uint8_t *data, size_t size) {
  rtc_extmap_t map, other;
  rtc_ext_view_t v;
  rtc_rd_t r = rtc_rd(data, size);
  uint8_t flags = rtc_rd8(&r);
  size_t cap = rtc_rd8(&r) * 4u, n;
  const uint8_t *ids = rtc_rd_take(&r, IDS);
  uint16_t profile = rtc_rd16(&r);
  if (r.bad) return;
  map_ids(&map, ids, 0);
  map_ids(&other, ids, 1);
  const uint8_t *rest = fuzz_take(&r, 65536, &n);
  uint8_t *p = fuzz_copy(rest, n);
  rtc_rtpext_parse(&v, profile, p, n, &map);
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++)
    if (rtc_ext_has(&v, (rtc_ext_t)k)) MUST(map.id_of[k] && v.p[k] >= p && v.p[k] + v.len[k] <= p + n);
  const rtc_extmap_t *m = flags & 2 ? &other : &map;
  write_again(&v, m, flags & 1, cap);
  write_again(&v, m, flags & 1, 4 + RTC_EXT_COUNT * 257 + 4);
  (void)rtc_ext_of_uri((const char *)p, n);
  fuzz_free(p, n);
}
