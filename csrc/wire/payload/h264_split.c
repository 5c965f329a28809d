/* H.264 (RFC 6184 §6.3, packetization-mode 1): the units of an Annex B stream as payloads. What is too big for one goes as FU-A in even
 * parts, neighbours that fit go together as STAP-A, what is left goes alone. In packetization-mode 0 (§6.2) all go alone. */
#include "base/bytes.h"
#include "wire/payload/payload.h"

enum { END_OF_SEQUENCE = 10, FILLER = 12, STAP_A = 24, FU_A = 28, FU_START = 0x80, FU_END = 0x40 };
enum { FORBIDDEN = 0x80, NRI = 0x60, TYPE = 0x1f };
enum { FU_HEAD = 2, STAP_HEAD = 1, STAP_LENGTH = 2, START_CODE = 3 };

/* Whether two zeros are neighbours, the second among the STEP bytes at q; by vectors, since every byte of a frame passes here. */
typedef uint8_t lane_t __attribute__((vector_size(32)));
typedef uint64_t words_t __attribute__((vector_size(32)));
enum { LANE = sizeof(lane_t), STEP = 4 * LANE };
/* glibc's loader takes the better of two, before a thread sanitizer has begun. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define WIDEST
#endif
static inline __attribute__((always_inline)) bool has_pair(const uint8_t *q) {
  lane_t before, at, any = {0};
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    memcpy(&before, q + i * LANE - 1, LANE);
    memcpy(&at, q + i * LANE, LANE);
    any |= (lane_t)((before | at) == 0);
  }
  words_t w = (words_t)any;
  return w[0] | w[1] | w[2] | w[3];
}

/* Where 00 00 01 begins, at or after `at`; n when it does not. */
WIDEST static size_t find_code(const uint8_t *p, size_t n, size_t at) {
  if (n - at < START_CODE) return n;
  for (size_t i = at + 1; i + 1 < n;) { /* i: where the second zero may be */
    if (n - i > STEP && !has_pair(p + i)) {
      i += STEP;
      continue;
    }
    for (size_t stop = n - i > STEP ? i + STEP : n - 1; i < stop; i++)
      if (!p[i] && !p[i - 1] && p[i + 1] == 1) return i - 1;
  }
  return n;
}

/* The next unit of the stream from `from` on. The ends of a sequence and of the stream (one byte) and filler say nothing to who gets
 * packets. */
static rtc_split_unit_t search(const rtc_split_t *s, size_t from) {
  const uint8_t *p = s->frame;
  for (;;) {
    size_t code = find_code(p, s->len, from);
    if (code == s->len) return (rtc_split_unit_t){.pos = s->len};
    size_t begin = code + START_CODE, end = find_code(p, s->len, begin);
    from = end;
    while (end > begin && !p[end - 1]) end--; /* zeros before a start code belong to no unit (H.264 §B.1) */
    if (end - begin >= 2 && ((p[begin] & TYPE) < END_OF_SEQUENCE || (p[begin] & TYPE) > FILLER))
      return (rtc_split_unit_t){begin, end - begin};
  }
}

/* Where a walk over the units is: which it is at, and how many are before it. */
typedef struct walk {
  rtc_split_unit_t at;
  size_t before;
} walk_t;

static walk_t here(const rtc_split_t *s) { return (walk_t){{s->pos, s->unit}, s->before}; }

static void go(const rtc_split_t *s, walk_t *w) {
  w->before++;
  w->at = w->before < s->found ? s->units[w->before] : search(s, w->at.pos + w->at.len);
}

static void stand(rtc_split_t *s, walk_t w) {
  s->pos = w.at.pos;
  s->unit = w.at.len;
  s->before = w.before;
}

/* Units of other types mean something else to who gets them. */
static bool may_go(uint8_t head) { return !(head & FORBIDDEN) && head & TYPE && (head & TYPE) < STAP_A; }

static int part(rtc_split_t *s, uint8_t *out, size_t cap) {
  bool first = !s->parts;
  size_t parts = s->parts, pos = s->pos, left = s->unit, room = s->max - FU_HEAD;
  uint8_t head = s->head;
  if (first) {
    head = s->frame[pos++];
    if (!may_go(head)) return RTC_EINVAL;
    left--;
    parts = left / room + (left % room != 0);
  }
  size_t n = left / parts + (left % parts != 0);
  if (cap < FU_HEAD + n) return RTC_ENOBUFS;
  parts--;
  out[0] = (uint8_t)((head & NRI) | FU_A);
  out[1] = (uint8_t)((first ? FU_START : 0) | (parts ? 0 : FU_END) | (head & TYPE));
  memcpy(out + FU_HEAD, s->frame + pos, n);
  s->head = head;
  s->parts = parts;
  s->pos = pos + n;
  s->unit = left - n;
  if (!parts) {
    walk_t w = here(s);
    go(s, &w);
    stand(s, w);
  }
  return (int)(FU_HEAD + n);
}

/* What goes out next as one payload, no parts: how many units, how long it is, and where the walk is then. */
typedef struct whole {
  size_t count, len;
  uint8_t nri; /* RFC 6184 §5.7: the highest of them */
} whole_t;

/* RTC_EINVAL for a unit that may not go. */
static int gather(const rtc_split_t *s, walk_t *w, whole_t *all) {
  *all = (whole_t){.len = STAP_HEAD};
  size_t one = w->at.len;
  do {
    uint8_t head = s->frame[w->at.pos];
    if (!may_go(head)) return RTC_EINVAL;
    if ((head & NRI) > all->nri) all->nri = head & NRI;
    all->len += STAP_LENGTH + w->at.len;
    all->count++;
    go(s, w);
  } while (w->at.len && !s->single && all->len + STAP_LENGTH + w->at.len <= s->max);
  if (all->count == 1) all->len = one;
  return 0;
}

static void write_stap(const rtc_split_t *s, const whole_t *all, uint8_t *out) {
  walk_t w = here(s);
  *out = (uint8_t)(all->nri | STAP_A);
  out += STAP_HEAD;
  for (size_t i = 0; i < all->count; i++, go(s, &w)) {
    rtc_put16(out, (uint16_t)w.at.len);
    memcpy(out + STAP_LENGTH, s->frame + w.at.pos, w.at.len);
    out += STAP_LENGTH + w.at.len;
  }
}

int rtc_h264_split_next(rtc_split_t *s, uint8_t *out, size_t cap) {
  if (s->parts || (s->unit > s->max && !s->single)) return part(s, out, cap);
  walk_t w = here(s);
  whole_t all;
  int err = gather(s, &w, &all);
  if (err < 0) return err;
  if (cap < all.len) return RTC_ENOBUFS;
  if (all.count == 1)
    memcpy(out, s->frame + s->pos, all.len);
  else
    write_stap(s, &all, out);
  stand(s, w);
  return (int)all.len;
}

int rtc_h264_split_single(rtc_split_t *s) {
  size_t count = 0;
  for (walk_t w = here(s); w.at.len; go(s, &w), count++)
    if (w.at.len > s->max) return RTC_EINVAL;
  if (s->parts || count == 0 || count > UINT16_MAX) return RTC_EINVAL;
  s->single = true;
  s->left = (uint16_t)count;
  return 0;
}

/* The payloads of the whole frame; RTC_EINVAL when one of its units may not go. */
static int count_payloads(const rtc_split_t *s, size_t *count) {
  const size_t room = s->max - FU_HEAD;
  whole_t all;
  *count = 0;
  for (walk_t w = here(s); w.at.len;) {
    if (w.at.len <= s->max) {
      int err = gather(s, &w, &all);
      if (err < 0) return err;
      ++*count;
      continue;
    }
    if (!may_go(s->frame[w.at.pos])) return RTC_EINVAL;
    *count += (w.at.len - 1 + room - 1) / room;
    go(s, &w);
  }
  return 0;
}

/* Nothing of a frame goes out that has a unit which would be taken for something else. */
int rtc_h264_split_init(rtc_split_t *s) {
  size_t code = find_code(s->frame, s->len, 0), count = 0;
  for (size_t i = 0; i < code; i++)
    if (s->frame[i]) return RTC_EINVAL;
  for (size_t from = 0; s->found < RTC_SPLIT_UNITS && (s->found == 0 || s->units[s->found - 1].len); s->found++) {
    s->units[s->found] = search(s, from);
    from = s->units[s->found].pos + s->units[s->found].len;
  }
  stand(s, (walk_t){s->units[0], 0});
  int err = count_payloads(s, &count);
  if (err < 0) return err;
  if (count == 0 || count > UINT16_MAX) return RTC_EINVAL;
  s->left = (uint16_t)count;
  return 0;
}
