/* payload: the look at a payload of every codec, the VP8 descriptor, and splitting a frame: the pieces joined are the frame.
 * Input: codec (1 byte; bit 7: split), for a split max (2), picture id (2), then the payload or the frame. */
#include "fuzz.h"
#include "wire/payload/payload.h"

static void vp8(const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (rtc_vp8_parse(&d, p, n) < 0) return;
  MUST(d.len >= 1 && d.len <= 6 && d.len <= n);
  MUST(d.partition <= 7 && d.tid <= 3 && d.keyidx <= 31 && d.picture_id <= 0x7fff);
}

static void look(int codec, const uint8_t *p, size_t n) {
  rtc_payload_info_t i = rtc_payload_look((rtc_codec_t)codec, p, n);
  MUST(i.start || !i.key);
  if (codec == RTC_CODEC_OPUS) MUST(i.start && i.key);
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
  MUST(got || (n && max >= 64 && (codec == RTC_CODEC_OPUS || codec == RTC_CODEC_VP8)));
  size_t head = codec == RTC_CODEC_VP8 ? RTC_VP8_SPLIT_HEAD : 0;
  bool last = got < 0;
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
    at += (size_t)got - head;
    MUST(last == (at == n));
    if (last) MUST(rtc_split_next(&s, out, max, &no_last) == 0);
    fuzz_free(out, max);
  }
  fuzz_free(frame, n);
}

void fuzz_one(const uint8_t *data, size_t size) {
  rtc_rd_t r = rtc_rd(data, size);
  uint8_t what = rtc_rd8(&r);
  int codec = what % 8;
  if (what & 0x80) {
    split(&r, codec);
    return;
  }
  size_t n;
  const uint8_t *rest = fuzz_take(&r, 65536, &n);
  uint8_t *p = fuzz_copy(rest, n);
  look(codec, p, n);
  vp8(p, n);
  fuzz_free(p, n);
}
