/* payload: the look at a payload of every codec, the VP8 descriptor, splitting a frame, of which the pieces joined are the frame, and
 * joining whatever comes: counted first, then into a buffer of that size.
 * What is read as redundancy (RFC 2198) is written the same again. Of H.264 and AV1, the pieces joined are the units that a plain reader of
 * their streams finds. Input: codec (1 byte; bit 7: split, bit 6: join), for a split max (2), picture id (2), whose highest bit says that a
 * layer is said, of what is left, and the next one that units go alone, then the payload or the frame; for a join its payloads, each after
 * its length (1, in eighths). */
#include "fuzz.h"
#include "wire/payload/payload.h"
#include "wire/payload/red.h"

static void vp8(const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (rtc_vp8_parse(&d, p, n) < 0) return;
  MUST(d.len >= 1 && d.len <= 6 && d.len <= n);
  MUST(d.partition <= 7 && d.tid <= 3 && d.keyidx <= 31 && d.picture_id <= 0x7fff);
}

static void red(const uint8_t *p, size_t n) {
  rtc_red_t r;
  rtc_red_part_t part[RTC_RED_BLOCKS];
  if (rtc_red_parse(&r, p, n) < 0) return;
  MUST(r.n >= 1 && r.n <= RTC_RED_BLOCKS);
  size_t at = r.block[0].off, parts = r.n - 1u, front = r.block[parts].off;
  for (int i = 0; i < r.n; i++) {
    const rtc_red_block_t *b = &r.block[i];
    MUST(b->off == at && b->len <= n - at);
    at += b->len;
    part[i] = (rtc_red_part_t){.pt = b->pt, .back_ts = b->back_ts, .len = b->len, .p = p + b->off};
  }
  MUST(at == n);
  uint8_t *out = fuzz_room(front);
  MUST(rtc_red_write(out, front, part, parts, r.block[parts].pt) == (int)front && memcmp(out, p, front) == 0);
  MUST(rtc_red_write(out, front - 1, part, parts, r.block[parts].pt) == RTC_ENOBUFS);
  fuzz_free(out, front);
}

static bool is_whole(int codec) { return codec == RTC_CODEC_OPUS || (codec >= RTC_CODEC_PCMU && codec <= RTC_CODEC_G722); }

static void look(int codec, const uint8_t *p, size_t n) {
  rtc_payload_info_t i = rtc_payload_look((rtc_codec_t)codec, p, n);
  MUST(i.start || !i.key);
  rtc_picture_size_t size = rtc_payload_size((rtc_codec_t)codec, p, n);
  MUST(!size.width == !size.height);
  if (is_whole(codec)) MUST(i.start && i.key);
  if (codec <= RTC_CODEC_NONE || codec >= RTC_CODEC_COUNT) MUST(!i.start);
}

/* The units of an Annex B stream that go out, behind start codes of four bytes, found byte by byte; 0 when one of them may not. */
static size_t units(const uint8_t *p, size_t n, uint8_t *out) {
  size_t len = 0, open = 0;
  bool in = false;
  for (size_t i = 0; i <= n; i++) {
    bool code = i + 3 <= n && !p[i] && !p[i + 1] && p[i + 2] == 1;
    if (!in && !code && i < n && p[i]) return 0;
    if (!code && i < n) {
      if (in) out[len++] = p[i];
      continue;
    }
    if (in) {
      while (len > open && !out[len - 1]) len--;
      uint8_t type = out[open] & 0x1f;
      if (len - open < 2 || (type >= 10 && type <= 12)) {
        len = open - 4;
      } else if (out[open] & 0x80 || type == 0 || type >= 24) {
        return 0;
      }
    }
    if (i == n) break;
    memcpy(out + len, (uint8_t[]){0, 0, 0, 1}, 4);
    len = open = len + 4;
    in = true;
    i += 2;
  }
  return len;
}

/* The OBUs of a stream that go out, with sizes in as few bytes as they need; 0 when one of them may not, or none does. */
static size_t obus(const uint8_t *p, size_t n, uint8_t *out) {
  size_t len = 0;
  for (size_t at = 0; at < n;) {
    uint8_t head = p[at], type = head >> 3 & 0x0f;
    size_t size = 0, bits = 0, heads = head & 4 ? 2 : 1, from = at;
    bool more = true;
    at += heads;
    for (; more; bits += 7) {
      if (at >= n || bits > 49) return 0;
      size |= (size_t)(p[at] & 0x7f) << bits;
      more = p[at++] & 0x80;
    }
    if (head & 0x80 || !(head & 2) || size > n - at) return 0;
    if (type != 2 && type != 8 && type != 15) {
      memcpy(out + len, p + from, heads);
      len += heads;
      for (size_t left = size; left > 0x7f; left >>= 7) out[len++] = (uint8_t)(left | 0x80);
      out[len++] = (uint8_t)(size >> (size > 0x1fffff ? 21 : size > 0x3fff ? 14 : size > 0x7f ? 7 : 0));
      memcpy(out + len, p + at, size);
      len += size;
    }
    at += size;
  }
  return len;
}

/* Payloads of a frame: within max, whole in a room of just their size, and joined they are `want`, if there is one. */
static void payloads(rtc_split_t *s, const uint8_t *want, size_t n) {
  uint8_t *joined = fuzz_room(n);
  rtc_join_t j;
  rtc_join_init(&j, (rtc_codec_t)s->codec, joined, n);
  bool last = false, no_last = true;
  while (!last) {
    rtc_split_t ahead = *s, same = *s;
    uint8_t *all = fuzz_room(s->max);
    int got = rtc_split_next(&ahead, all, s->max, &last);
    MUST(got > 0 && (size_t)got <= s->max);
    MUST(rtc_split_next(s, all, (size_t)got - 1, &no_last) == RTC_ENOBUFS && !no_last);
    MUST(memcmp(&same, s, sizeof same) == 0);
    uint8_t *out = fuzz_room((size_t)got);
    MUST(rtc_split_next(s, out, (size_t)got, &no_last) == got && no_last == last);
    MUST(rtc_join_put(&j, out, (size_t)got) == (j.payloads == RTC_JOIN_PAYLOADS ? RTC_ENOBUFS : 0));
    fuzz_free(out, (size_t)got);
    fuzz_free(all, s->max);
  }
  MUST(rtc_split_next(s, NULL, 0, &last) == 0);
  if (j.payloads < RTC_JOIN_PAYLOADS) MUST(rtc_join_end(&j) == (int)n && memcmp(joined, want, n) == 0);
  fuzz_free(joined, n);
}

static void split(rtc_rd_t *r, int codec) {
  size_t max = rtc_rd16(r), n;
  uint32_t picture_id = rtc_rd16(r);
  const uint8_t *rest = fuzz_take(r, 65536, &n);
  uint8_t *frame = fuzz_copy(rest, n), *stream = fuzz_room(n * 4 / 3 + 4);
  size_t want = codec == RTC_CODEC_H264 ? units(frame, n, stream) : codec == RTC_CODEC_AV1 ? obus(frame, n, stream) : n;
  bool known = codec > RTC_CODEC_NONE && codec < RTC_CODEC_COUNT && codec != RTC_CODEC_H265;
  rtc_split_t s;
  memset(&s, 0, sizeof s);
  int got = rtc_split_init(&s, (rtc_codec_t)codec, frame, n, max, picture_id, false);
  MUST(got == (known && want && max >= 64 && (n <= max || !is_whole(codec)) ? 0 : RTC_EINVAL));
  if (got == 0 && picture_id & 0x8000 && n > 6) { /* it may be refused, and then all is as it was */
    rtc_layer_t layer = {.tid = frame[1] & 7, .sync = frame[2] & 1, .up = frame[2] & 2, .droppable = frame[2] & 4};
    layer.refs = frame[2] >> 4 & 7;
    for (int i = 0; i < RTC_LAYER_REFS; i++) layer.ref[i] = frame[3 + i];
    int said = rtc_split_layer(&s, &layer, frame[6]);
    MUST(said == 0 || said == RTC_EINVAL);
    MUST(s.layered == (said == 0) && (said < 0 || codec == RTC_CODEC_VP8 || codec == RTC_CODEC_VP9));
  }
  if (got == 0 && picture_id & 0x4000) {
    int said = rtc_split_single(&s);
    MUST(said == 0 || said == RTC_EINVAL);
    MUST(s.single == (said == 0) && (said < 0 || codec == RTC_CODEC_H264));
  }
  if (got == 0) payloads(&s, codec == RTC_CODEC_H264 || codec == RTC_CODEC_AV1 ? stream : frame, want);
  fuzz_free(stream, n * 4 / 3 + 4);
  fuzz_free(frame, n);
}

/* One pass over the payloads: the frame's length or the error. */
static int pass(rtc_rd_t r, int codec, uint8_t *out, size_t cap) {
  rtc_join_t j;
  rtc_join_init(&j, (rtc_codec_t)codec, out, cap);
  while (rtc_rd_left(&r) > 0) {
    size_t n;
    const uint8_t *rest = fuzz_take(&r, (size_t)rtc_rd8(&r) * 8, &n);
    uint8_t *p = fuzz_copy(rest, n);
    int err = rtc_join_put(&j, p, n);
    fuzz_free(p, n);
    MUST(j.len <= cap && j.len <= RTC_JOIN_BYTES);
    if (err < 0) return err;
  }
  return rtc_join_end(&j);
}

static void join(rtc_rd_t *r, int codec) {
  int n = pass(*r, codec, NULL, SIZE_MAX);
  MUST(n > 0 || n == RTC_EPROTO || n == RTC_ENOBUFS);
  if (n < 0) return;
  uint8_t *out = fuzz_room((size_t)n);
  MUST(pass(*r, codec, out, (size_t)n) == n);
  MUST(pass(*r, codec, out, (size_t)n - 1) < 0);
  fuzz_free(out, (size_t)n);
}

void fuzz_one(const uint8_t *data, size_t size) {
  rtc_rd_t r = rtc_rd(data, size);
  uint8_t what = rtc_rd8(&r);
  int codec = what & 15;
  if (what & 0x80) {
    split(&r, codec);
    return;
  }
  if (what & 0x40) {
    join(&r, codec);
    return;
  }
  size_t n;
  const uint8_t *rest = fuzz_take(&r, 65536, &n);
  uint8_t *p = fuzz_copy(rest, n);
  look(codec, p, n);
  vp8(p, n);
  red(p, n);
  fuzz_free(p, n);
}
