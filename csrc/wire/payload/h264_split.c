/* H.264 (RFC 6184 §6.3, packetization-mode 1): the units of an Annex B stream as payloads. What is too big for one goes as FU-A in even
 * parts, neighbours that fit go together as STAP-A, what is left goes alone. In packetization-mode 0 (§6.2) all go alone. Each byte of the
 * frame is looked at a few times at most. */
#include "base/bytes.h"
#include "wire/payload/payload.h"

enum { END_OF_SEQUENCE = 10, FILLER = 12, STAP_A = 24, FU_A = 28, FU_START = 0x80, FU_END = 0x40 };
enum { FORBIDDEN = 0x80, NRI = 0x60, TYPE = 0x1f };
enum { FU_HEAD = 2, STAP_HEAD = 1, STAP_LENGTH = 2, START_CODE = 3 };

/* Where 00 00 01 begins, at or after `at`; n when it does not. */
static size_t find_code(const uint8_t *p, size_t n, size_t at) {
  if (n - at < START_CODE) return n;
  for (const uint8_t *q = p + at + 2, *end = p + n; q < end && (q = memchr(q, 1, (size_t)(end - q))); q++)
    if (!q[-1] && !q[-2]) return (size_t)(q - p) - 2;
  return n;
}

/* To the next unit, from the end of the last one: `pos`, `unit`, which is 0 when there is none. The ends of a sequence and of the
 * stream (one byte) and filler say nothing to who gets packets. */
static void seek(rtc_split_t *s) {
  const uint8_t *p = s->frame;
  for (;;) {
    size_t code = find_code(p, s->len, s->pos);
    s->pos = s->len;
    s->unit = 0;
    if (code == s->len) return;
    size_t begin = code + START_CODE, end = find_code(p, s->len, begin);
    while (end > begin && !p[end - 1]) end--; /* zeros before a start code belong to no unit (H.264 §B.1) */
    s->pos = end;
    if (end - begin < 2 || ((p[begin] & TYPE) >= END_OF_SEQUENCE && (p[begin] & TYPE) <= FILLER)) continue;
    s->pos = begin;
    s->unit = end - begin;
    return;
  }
}

static void skip(rtc_split_t *s) {
  s->pos += s->unit;
  seek(s);
}

/* Units of other types mean something else to who gets them. */
static bool may_go(uint8_t head) { return !(head & FORBIDDEN) && head & TYPE && (head & TYPE) < STAP_A; }

static int part(rtc_split_t *s, uint8_t *out, size_t cap) {
  rtc_split_t at = *s;
  bool first = !at.parts;
  if (first) {
    if (!may_go(at.frame[at.pos])) return RTC_EINVAL;
    size_t room = at.max - FU_HEAD, data = at.unit - 1;
    at.parts = data / room + (data % room != 0);
    at.head = at.frame[at.pos++];
    at.unit = data;
  }
  size_t n = at.unit / at.parts + (at.unit % at.parts != 0);
  if (cap < FU_HEAD + n) return RTC_ENOBUFS;
  at.parts--;
  if (out) {
    out[0] = (uint8_t)((at.head & NRI) | FU_A);
    out[1] = (uint8_t)((first ? FU_START : 0) | (at.parts ? 0 : FU_END) | (at.head & TYPE));
    memcpy(out + FU_HEAD, at.frame + at.pos, n);
  }
  at.pos += n;
  at.unit -= n;
  if (!at.parts) seek(&at);
  *s = at;
  return (int)(FU_HEAD + n);
}

static void write_stap(rtc_split_t s, size_t count, uint8_t nri, uint8_t *out) {
  *out = (uint8_t)(nri | STAP_A);
  for (out += STAP_HEAD; count > 0; count--, skip(&s)) {
    rtc_put16(out, (uint16_t)s.unit);
    memcpy(out + STAP_LENGTH, s.frame + s.pos, s.unit);
    out += STAP_LENGTH + s.unit;
  }
}

/* out NULL: only counts. */
int rtc_h264_split_next(rtc_split_t *s, uint8_t *out, size_t cap) {
  if (s->parts || (s->unit > s->max && !s->single)) return part(s, out, cap);
  rtc_split_t at = *s;
  size_t n = STAP_HEAD, count = 0;
  uint8_t nri = 0;
  do {
    uint8_t head = at.frame[at.pos], own = head & NRI;
    if (!may_go(head)) return RTC_EINVAL;
    if (own > nri) nri = own; /* RFC 6184 §5.7: the highest of them */
    n += STAP_LENGTH + at.unit;
    count++;
    skip(&at);
  } while (at.unit && !at.single && n + STAP_LENGTH + at.unit <= at.max);
  if (count == 1) n = s->unit;
  if (cap < n) return RTC_ENOBUFS;
  if (out && count > 1) write_stap(*s, count, nri, out);
  if (out && count == 1) memcpy(out, s->frame + s->pos, n);
  *s = at;
  return (int)n;
}

int rtc_h264_split_single(rtc_split_t *s) {
  size_t count = 0;
  for (rtc_split_t at = *s; at.unit; skip(&at), count++)
    if (at.unit > at.max) return RTC_EINVAL;
  if (s->parts || count == 0 || count > UINT16_MAX) return RTC_EINVAL;
  s->single = true;
  s->left = (uint16_t)count;
  return 0;
}

/* Nothing of a frame goes out that has a unit which would be taken for something else. */
int rtc_h264_split_init(rtc_split_t *s) {
  size_t code = find_code(s->frame, s->len, 0), count = 0;
  for (size_t i = 0; i < code; i++)
    if (s->frame[i]) return RTC_EINVAL;
  seek(s);
  for (rtc_split_t at = *s; at.unit; count++)
    if (rtc_h264_split_next(&at, NULL, SIZE_MAX) < 0) return RTC_EINVAL;
  if (count == 0 || count > UINT16_MAX) return RTC_EINVAL;
  s->left = (uint16_t)count;
  return 0;
}
