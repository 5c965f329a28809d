/* VP9 (RFC 9628 §4.2):  |I|P|L|F|B|E|V|Z|  I: picture id  L: |TID|U|SID|D| and TL0PICIDX unless F
 *                       F and P: up to three |P_DIFF|N|  V: scalability structure */
#include "base/bytes.h"
#include "wire/payload/bits.h"
#include "wire/payload/payload.h"

enum { I = 0x80, P = 0x40, L = 0x20, F = 0x10, B = 0x08, E = 0x04, V = 0x02, P_DIFF_MAX = 3 };

/* RFC 9628 §4.2.1:  |N_S|Y|G|RES|, Y: width and height for each spatial layer, G: the pictures of a group. */
static void skip_structure(rtc_rd_t *r) {
  uint8_t b = rtc_rd8(r);
  if (b & 0x10) (void)rtc_rd_take(r, ((size_t)(b >> 5) + 1) * 4);
  uint8_t pictures = b & 0x08 ? rtc_rd8(r) : 0;
  for (; pictures > 0 && !r->bad; pictures--) {
    uint8_t refs = rtc_rd8(r) >> 2 & 3;
    (void)rtc_rd_take(r, refs);
  }
}

typedef struct head {
  uint8_t bits, spatial;
  size_t len;
} head_t;

/* 0, or RTC_EPROTO when the descriptor does not end, or nothing is behind it. */
static int parse(head_t *h, const uint8_t *p, size_t n) {
  rtc_rd_t r = rtc_rd(p, n);
  *h = (head_t){.bits = rtc_rd8(&r)};
  if (h->bits & I && rtc_rd8(&r) & 0x80) (void)rtc_rd8(&r);
  if (h->bits & L) {
    h->spatial = rtc_rd8(&r) >> 1 & 7;
    if (!(h->bits & F)) (void)rtc_rd8(&r);
  }
  if (h->bits & F && h->bits & P) {
    bool more = true;
    for (int i = 0; i < P_DIFF_MAX && more; i++) more = rtc_rd8(&r) & 1;
    if (more) return RTC_EPROTO;
  }
  if (h->bits & V) skip_structure(&r);
  if (rtc_rd_left(&r) == 0) return RTC_EPROTO;
  h->len = (size_t)(r.p - p);
  return 0;
}

rtc_payload_info_t rtc_vp9_look(const uint8_t *p, size_t n) {
  head_t h;
  if (parse(&h, p, n) < 0) return (rtc_payload_info_t){false, false};
  /* B starts each layer's frame; a picture starts with its lowest layer, and is a key when that one refers to no other picture. */
  bool start = h.bits & B && h.spatial == 0;
  return (rtc_payload_info_t){.start = start, .key = start && !(h.bits & P)};
}

/* VP9 bitstream §6.2, of the lowest layer: sync code and colours stand before the size. */
rtc_picture_size_t rtc_vp9_size(const uint8_t *p, size_t n) {
  enum { SYNC = 0x498342, RGB = 7 };
  head_t h;
  if (!rtc_vp9_look(p, n).key || parse(&h, p, n) < 0 || !rtc_vp9_is_key(p[h.len])) return rtc_picture_size(0, 0);
  rtc_bits_t b = rtc_bits(p + h.len, n - h.len);
  rtc_bits_skip(&b, 2); /* marker */
  uint32_t profile = rtc_bits_get(&b, 1);
  profile |= rtc_bits_get(&b, 1) << 1;
  rtc_bits_skip(&b, 4 + (profile == 3)); /* show_existing_frame, frame_type, show_frame, error_resilient_mode */
  if (rtc_bits_get(&b, 24) != SYNC) return rtc_picture_size(0, 0);
  rtc_bits_skip(&b, profile >= 2); /* bits of a sample */
  if (rtc_bits_get(&b, 3) != RGB)
    rtc_bits_skip(&b, profile & 1 ? 4 : 1); /* range, subsampling */
  else
    rtc_bits_skip(&b, profile & 1);
  uint32_t width = rtc_bits_get(&b, 16) + 1, height = rtc_bits_get(&b, 16) + 1;
  return b.bad ? rtc_picture_size(0, 0) : rtc_picture_size(width, height);
}

/* The layers of a picture, lowest first, each from its beginning to its end. */
int rtc_vp9_join(rtc_join_t *j, const uint8_t *p, size_t n) {
  head_t h;
  if (parse(&h, p, n) < 0) return RTC_EPROTO;
  bool start = h.bits & B;
  if (start == j->open || (j->payloads == 0 && h.spatial != 0)) return RTC_EPROTO;
  j->open = !(h.bits & E);
  return rtc_join_add(j, p + h.len, n - h.len);
}

/* VP9 bitstream §6.2: marker (2 bits), profile (2, one more of profile 3), show_existing_frame, frame_type, which is 0 of a key frame. */
bool rtc_vp9_is_key(uint8_t first) {
  int at = (first & 0x30) == 0x30 ? 2 : 3;
  return !(first >> at & 1) && !(first >> (at - 1) & 1);
}

/* Flexible mode, one spatial layer. Of frames whose layer is not said a picture says that it needs the one before it. The encoder may
 * take older ones too; with each of them whoever has the last one has had those. */
size_t rtc_vp9_split_head(const rtc_split_t *s, uint8_t *out) {
  static const rtc_layer_t last = {.refs = 1, .ref = {1}};
  const rtc_layer_t *layer = s->layered ? &s->layer : &last;
  size_t refs = rtc_vp9_is_key(s->frame[0]) ? 0 : layer->refs, len = 3 + (size_t)s->layered + refs;
  if (!out) return len;
  out[0] = (uint8_t)(I | (refs ? P : 0) | (s->layered ? L : 0) | F | (s->pos == 0 ? B : 0) | (s->left == 1 ? E : 0));
  rtc_put16(out + 1, (uint16_t)(0x8000 | (s->picture_id & 0x7fff)));
  out += 3;
  if (s->layered) *out++ = (uint8_t)(layer->tid << 5 | (layer->up ? 0x10 : 0)); /* SID = 0, D = 0; no TL0PICIDX in flexible mode */
  for (size_t i = 0; i < refs; i++) *out++ = (uint8_t)(layer->ref[i] << 1 | (i + 1 < refs)); /* P_DIFF, N */
  return len;
}
