/* The message (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): sender, media, base (16), count (16), reference time (24),
 * feedback count (8), chunks of 16 bits, deltas of 8 or 16 bits, zeros up to a word.
 * Times are kept as absolute ticks of 250 us and deltas are differences of ticks, so that rounding never adds up. */
#include "wire/twccfb.h"

enum {
  TICK_US = 250,
  REF_TICKS = 256, /* 64 ms */
  FIXED = 16,      /* body before the chunks */
  RUN_MAX = 0x1fff,
  ONE_BIT_MAX = 14,
  TWO_BIT_MAX = 7
};
/* Symbols of a status; the first three are also the bytes of its delta. */
enum { LOST = 0, SMALL = 1, LARGE = 2 };

/* Rounds towards minus infinity: a monotonic clock may start below zero. */
static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* ---- writing ---- */

typedef struct statuses {
  int n;
  int64_t ref; /* in REF_TICKS */
  uint8_t sym[RTC_TWCC_MAX];
  int16_t delta[RTC_TWCC_MAX];
} statuses_t;

/* Symbols and deltas, up to the first delta that 16 bits cannot hold. */
static void measure(statuses_t *s, const rtc_time_t *at, int n) {
  int64_t last = 0;
  bool first = true;
  s->ref = 0;
  for (s->n = 0; s->n < n; s->n++) {
    int i = s->n;
    s->sym[i] = LOST;
    if (at[i] == RTC_NEVER) continue;
    int64_t now = floor_div(at[i] + TICK_US / 2, TICK_US);
    if (first) {
      s->ref = floor_div(now, REF_TICKS);
      last = s->ref * REF_TICKS;
      first = false;
    }
    int64_t delta = now - last;
    if (delta < INT16_MIN || delta > INT16_MAX) return;
    last = now;
    s->delta[i] = (int16_t)delta;
    s->sym[i] = delta >= 0 && delta <= UINT8_MAX ? SMALL : LARGE;
  }
}

typedef enum chunk_kind { RUN, ONE_BIT, TWO_BIT } chunk_kind_t;

/* The kind that takes most statuses from i on. A run may stop anywhere, a vector spans its width but at the message's end. */
static chunk_kind_t choose(const statuses_t *s, int i, int *take) {
  int left = s->n - i, run = 1, narrow = 0;
  while (run < left && run < RUN_MAX && s->sym[i + run] == s->sym[i]) run++;
  int one = left < ONE_BIT_MAX ? left : ONE_BIT_MAX, two = left < TWO_BIT_MAX ? left : TWO_BIT_MAX;
  while (narrow < one && s->sym[i + narrow] != LARGE) narrow++;
  int vector = narrow == one ? one : two;
  *take = run >= vector ? run : vector;
  if (run >= vector) return RUN;
  return narrow == one ? ONE_BIT : TWO_BIT;
}

static uint16_t pack(const statuses_t *s, int i, chunk_kind_t kind, int n) {
  if (kind == RUN) return (uint16_t)(s->sym[i] << 13 | n);
  int width = kind == ONE_BIT ? 1 : 2, bits = kind == ONE_BIT ? 0x8000 : 0xc000;
  for (int j = 0; j < n; j++) bits |= s->sym[i + j] << (14 - width * (j + 1));
  return (uint16_t)bits;
}

/* Chunks for as many statuses as `room` bytes take with their deltas. Cuts s->n to that; returns the chunks' end.
 * A chunk that is cut leaves less room than another one needs, so it is the last. */
static uint8_t *put_chunks(uint8_t *p, size_t room, statuses_t *s) {
  int i = 0;
  while (i < s->n && room >= 2) {
    int take, fit = 0;
    chunk_kind_t kind = choose(s, i, &take);
    room -= 2;
    while (fit < take && room >= s->sym[i + fit]) room -= s->sym[i + fit++];
    if (fit == 0) break;
    rtc_put16(p, pack(s, i, kind, fit));
    p += 2;
    i += fit;
  }
  s->n = i;
  return p;
}

static uint8_t *put_deltas(uint8_t *p, const statuses_t *s) {
  for (int i = 0; i < s->n; i++) {
    if (s->sym[i] == SMALL) *p++ = (uint8_t)s->delta[i];
    if (s->sym[i] == LARGE) {
      rtc_put16(p, (uint16_t)s->delta[i]);
      p += 2;
    }
  }
  return p;
}

int rtc_twccfb_write(rtc_wr_t *w, uint32_t ssrc, uint32_t media, uint16_t base, const rtc_time_t *at, int n, uint8_t fb_count) {
  if (n < 1) return RTC_EINVAL;
  size_t room = rtc_wr_left(w) & ~(size_t)3;
  if (room < 4 + FIXED + 4) {
    w->bad = true;
    return RTC_ENOBUFS;
  }
  statuses_t s;
  measure(&s, at, n < RTC_TWCC_MAX ? n : RTC_TWCC_MAX);
  uint8_t *p = w->p, *body = p + 4;
  uint8_t *end = put_deltas(put_chunks(body + FIXED, room - 4 - FIXED, &s), &s);
  while ((size_t)(end - p) % 4) *end++ = 0; /* as the draft draws it; no padding bit, whose count RFC 3550 wants in words */
  p[0] = 0x80 | RTC_FB_TWCC;
  p[1] = RTC_RTCP_RTPFB;
  rtc_put16(p + 2, (uint16_t)((end - p) / 4 - 1));
  rtc_put32(body, ssrc);
  rtc_put32(body + 4, media);
  rtc_put16(body + 8, base);
  rtc_put16(body + 10, (uint16_t)s.n);
  rtc_put24(body + 12, (uint32_t)((uint64_t)s.ref & 0xffffff));
  body[15] = fb_count;
  w->p = end;
  return s.n;
}

/* ---- reading ---- */

/* Statuses of a chunk, from the most significant. */
static int chunk_span(uint16_t c) {
  if (!(c & 0x8000)) return c & RUN_MAX;
  return c & 0x4000 ? TWO_BIT_MAX : ONE_BIT_MAX;
}
static int chunk_symbol(uint16_t c, int i) {
  if (!(c & 0x8000)) return c >> 13 & 3;
  return c & 0x4000 ? c >> (12 - 2 * i) & 3 : c >> (13 - i) & 1;
}

/* Steps over the chunks of `count` statuses without looking into them, so that a lie costs nothing. */
static bool skip_chunks(rtc_rd_t *r, int count) {
  for (int seen = 0; seen < count && !r->bad;) seen += chunk_span(rtc_rd16(r));
  return !r->bad;
}

int rtc_twccfb_read(const rtc_rtcp_t *b, rtc_twccfb_t *out, rtc_time_t *at, int cap) {
  if (b->type != RTC_RTCP_RTPFB || b->count != RTC_FB_TWCC || b->len < FIXED || cap < 1) return RTC_EPROTO;
  rtc_rd_t chunks = rtc_rd(b->body + FIXED, b->len - FIXED), deltas = chunks;
  uint32_t ref = rtc_get24(b->body + 12);
  int count = rtc_get16(b->body + 10), n = 0;
  if (count == 0 || !skip_chunks(&deltas, count)) return RTC_EPROTO;
  out->base = rtc_get16(b->body + 8);
  out->fb_count = b->body[15];
  out->ref_us = ((int64_t)ref - (ref & 0x800000 ? 0x1000000 : 0)) * REF_TICKS * TICK_US;
  rtc_time_t now = out->ref_us;
  if (count > cap) count = cap;
  while (n < count) {
    uint16_t c = rtc_rd16(&chunks);
    for (int i = 0, span = chunk_span(c); i < span && n < count; i++, n++) {
      int sym = chunk_symbol(c, i);
      if (sym > LARGE) return RTC_EPROTO; /* reserved: how long its delta is cannot be known */
      if (sym == SMALL) now += (rtc_time_t)rtc_rd8(&deltas) * TICK_US;
      if (sym == LARGE) now += (rtc_time_t)(int16_t)rtc_rd16(&deltas) * TICK_US;
      if (deltas.bad) { /* fewer deltas than promised: what was whole stays */
        out->n = n;
        return n > 0 ? 0 : RTC_EPROTO;
      }
      at[n] = sym == LOST ? RTC_NEVER : now;
    }
  }
  out->n = n;
  return 0;
}
