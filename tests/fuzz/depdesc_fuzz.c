/* depdesc: one descriptor after another under the structure of those before, and what was read written again.
 * Input: descriptors, each a length (1 byte) and its bytes. */
#include "fuzz.h"
#include "wire/depdesc.h"

static bool same_place(const rtc_depdesc_structure_t *s, const rtc_depdesc_place_t *a, const rtc_depdesc_place_t *b) {
  return a->spatial == b->spatial && a->temporal == b->temporal && a->diff_n == b->diff_n &&
         memcmp(a->diff, b->diff, a->diff_n * sizeof a->diff[0]) == 0 && memcmp(a->dti, b->dti, s->target_n) == 0 &&
         memcmp(a->chain, b->chain, s->chain_n) == 0;
}

static bool same_structure(const rtc_depdesc_structure_t *a, const rtc_depdesc_structure_t *b) {
  if (a->offset != b->offset || a->template_n != b->template_n || a->target_n != b->target_n || a->chain_n != b->chain_n) return false;
  if (a->spatial_n != b->spatial_n || a->sized != b->sized || memcmp(a->protected_by, b->protected_by, sizeof a->protected_by))
    return false;
  for (int t = 0; t < a->template_n; t++)
    if (!same_place(a, &a->template[t], &b -> template[t])) return false;
  return memcmp(a->width, b->width, sizeof a->width) == 0 && memcmp(a->height, b->height, sizeof a->height) == 0;
}

/* What is read is within the limits, and reads as the same once written, in no more bytes than it came in. */
static void write_again(const rtc_depdesc_t *d, const rtc_depdesc_structure_t *s, size_t n) {
  MUST(s->template_n <= RTC_DEPDESC_TEMPLATES && s->target_n <= RTC_DEPDESC_TARGETS && s->chain_n <= s->target_n);
  MUST(s->spatial_n <= RTC_DEPDESC_SPATIAL && d->frame.diff_n <= RTC_DEPDESC_DIFFS);
  uint8_t *out = fuzz_room(n);
  int len = rtc_depdesc_write(d, s, out, n);
  MUST(len >= RTC_DEPDESC_SHORT && (size_t)len <= n);
  uint8_t *short_of = fuzz_room((size_t)len - 1);
  MUST(rtc_depdesc_write(d, s, short_of, (size_t)len - 1) == RTC_ENOBUFS);
  fuzz_free(short_of, (size_t)len - 1);
  static rtc_depdesc_structure_t again;
  rtc_depdesc_t e;
  again = *s;
  if (d->key) memset(&again, 0x5a, sizeof again);
  MUST(rtc_depdesc_parse(&e, &again, out, (size_t)len) == 0);
  MUST(e.placed && e.key == d->key && e.start == d->start && e.end == d->end && e.number == d->number && e.has_active == d->has_active);
  MUST(e.active == d->active && same_place(s, &e.frame, &d->frame) && same_structure(s, &again));
  fuzz_free(out, n);
}

void fuzz_one(const uint8_t *data, size_t size) {
  static rtc_depdesc_structure_t s, before;
  memset(&s, 0, sizeof s);
  rtc_rd_t r = rtc_rd(data, size);
  while (rtc_rd_left(&r)) {
    size_t n, want = rtc_rd8(&r);
    const uint8_t *given = fuzz_take(&r, want, &n);
    uint8_t *p = fuzz_copy(given, n);
    rtc_depdesc_t d, look;
    before = s;
    int err = rtc_depdesc_parse(&d, &s, p, n);
    MUST(err == 0 || err == RTC_EPROTO);
    MUST((rtc_depdesc_look(&look, p, n) == 0) == (n >= RTC_DEPDESC_SHORT));
    if (err < 0) MUST(memcmp(&before, &s, sizeof s) == 0);
    if (err == 0) MUST(look.start == d.start && look.key == d.key && look.number == d.number);
    if (err == 0 && !d.placed) MUST(!s.template_n);
    if (err == 0 && d.placed) write_again(&d, &s, n);
    fuzz_free(p, n);
  }
}
