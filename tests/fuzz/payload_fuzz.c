/* payload: the look at a payload of every codec, the VP8 descriptor, splitting a frame, of which the pieces joined are the frame, and
 * joining whatever comes: counted first, then into a buffer of that size.
 * Input: codec (1 byte; bit 7: split, bit 6: join), for a split max (2), picture id (2), then the payload or the frame; for a join its
 * payloads, each after its length (1, in eighths). */
#include "fuzz.h"
#include "wire/payload/payload.h"

static void vp8(const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (rtc_vp8_parse(&d, p, n) < 0) return;
  MUST(d.len >= 1 && d.len <= 6 && d.len <= n);
  MUST(d.partition <= 7 && d.tid <= 3 && d.keyidx <= 31 && d.picture_id <= 0x7fff);
}

static bool is_whole(int codec) { return codec == RTC_CODEC_OPUS || codec == RTC_CODEC_PCMU || codec == RTC_CODEC_PCMA; }

static void look(int codec, const uint8_t *p, size_t n) {
  rtc_payload_info_t i = rtc_payload_look((rtc_codec_t)codec, p, n);
  MUST(i.start || !i.key);
  if (is_whole(codec)) MUST(i.start && i.key);
  if (codec <= RTC_CODEC_NONE || codec >= RTC_CODEC_COUNT) MUST(!i.start);
}

static void split(rtc_rd_t *r, int codec) {
  size_t max = rtc_rd16(r), n, at = 0;
  uint32_t picture_id = rtc_rd16(r);
  const uint8_t *rest = fuzz_take(r, 65536, &n);
  uint8_t *frame = fuzz_copy(rest, n);
  rtc_split_t s;
  int got = rtc_split_init(&s, (rtc_codec_t)codec, frame, n, max, picture_id, false);
  MUST(got == 0 || got == RTC_EINVAL);
  MUST(got || (n && max >= 64 && (is_whole(codec) || codec == RTC_CODEC_VP8)));
  size_t head = codec == RTC_CODEC_VP8 ? RTC_VP8_SPLIT_HEAD : 0;
  bool last = got < 0;
  uint8_t *joined = fuzz_room(n);
  rtc_join_t j;
  rtc_join_init(&j, (rtc_codec_t)codec, joined, n);
  while (!last) {
    uint8_t *out = fuzz_room(max);
    bool no_last = true;
    MUST(rtc_split_next(&s, out, head, &no_last) == RTC_ENOBUFS && !no_last);
    got = rtc_split_next(&s, out, max, &last);
    MUST(got > 0 && (size_t)got > head && (size_t)got <= max && at + (size_t)got - head <= n);
    MUST(memcmp(out + head, frame + at, (size_t)got - head) == 0);
    rtc_vp8_desc_t d;
    if (head)
      MUST(rtc_vp8_parse(&d, out, (size_t)got) == 0 && d.len == head && d.start == (at == 0) && d.picture_id == (picture_id & 0x7fff));
    MUST(rtc_join_put(&j, out, (size_t)got) == (j.payloads == RTC_JOIN_PAYLOADS ? RTC_ENOBUFS : 0));
    at += (size_t)got - head;
    MUST(last == (at == n));
    if (last) MUST(rtc_split_next(&s, out, max, &no_last) == 0);
    fuzz_free(out, max);
  }
  if (last && at == n && n && j.len == n) MUST(rtc_join_end(&j) == (int)n && memcmp(joined, frame, n) == 0);
  fuzz_free(joined, n);
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
  int codec = what % 8;
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
  fuzz_free(p, n);
}
