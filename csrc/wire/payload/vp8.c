/* VP8 (RFC 7741 §4.2):  |X|R|N|S|R| PID |  X: |I|L|T|K|RSV|  I: 7 or 15 bits  L: TL0PICIDX  T/K: |TID|Y|KEYIDX| */
#include "base/bytes.h"
#include "wire/payload/payload.h"

int rtc_vp8_parse(rtc_vp8_desc_t *d, const uint8_t *p, size_t n) {
  *d = (rtc_vp8_desc_t){0};
  rtc_rd_t r = rtc_rd(p, n);
  uint8_t first = rtc_rd8(&r);
  d->non_ref = first & 0x20;
  d->start = first & 0x10;
  d->partition = first & 0x07;
  uint8_t ext = first & 0x80 ? rtc_rd8(&r) : 0;
  d->has_picture_id = ext & 0x80;
  d->has_tl0 = ext & 0x40;
  d->has_tid = ext & 0x20;
  d->has_keyidx = ext & 0x10;
  if (d->has_picture_id) {
    d->picture_id = rtc_rd8(&r);
    d->long_picture_id = d->picture_id & 0x80;
    if (d->long_picture_id) d->picture_id = (uint16_t)((d->picture_id & 0x7f) << 8 | rtc_rd8(&r));
  }
  if (d->has_tl0) d->tl0 = rtc_rd8(&r);
  if (d->has_tid || d->has_keyidx) {
    uint8_t b = rtc_rd8(&r);
    d->tid = b >> 6;
    d->layer_sync = b & 0x20;
    d->keyidx = b & 0x1f;
  }
  if (r.bad) return RTC_EPROTO;
  d->len = (uint8_t)(r.p - p);
  return 0;
}

rtc_payload_info_t rtc_vp8_look(const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (rtc_vp8_parse(&d, p, n) < 0 || n == d.len || !d.start || d.partition != 0) return (rtc_payload_info_t){false, false};
  return (rtc_payload_info_t){.start = true, .key = !(p[d.len] & 0x01)}; /* P bit of the frame's own header (§4.3) */
}

/* RFC 6386 §9.1: a tag of three bytes, a start code, both sides with their scale in the upper two bits. */
rtc_picture_size_t rtc_vp8_size(const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (!rtc_vp8_look(p, n).key || rtc_vp8_parse(&d, p, n) < 0) return rtc_picture_size(0, 0);
  const uint8_t *f = p + d.len;
  if (n - d.len < 10 || f[3] != 0x9d || f[4] != 0x01 || f[5] != 0x2a) return rtc_picture_size(0, 0);
  return rtc_picture_size((f[6] | f[7] << 8) & 0x3fff, (f[8] | f[9] << 8) & 0x3fff);
}

/* A frame has one start of its first partition, and that is its first payload. */
int rtc_vp8_join(rtc_join_t *j, const uint8_t *p, size_t n) {
  rtc_vp8_desc_t d;
  if (rtc_vp8_parse(&d, p, n) < 0 || n == d.len) return RTC_EPROTO;
  if ((d.start && d.partition == 0) != (j->payloads == 0)) return RTC_EPROTO;
  return rtc_join_add(j, p + d.len, n - d.len);
}

size_t rtc_vp8_split_head(const rtc_split_t *s, uint8_t *out) {
  enum { PLAIN = 4, LAYERED = 6 };
  if (!out) return s->layered ? LAYERED : PLAIN;
  out[0] = 0x80 | (s->pos == 0 ? 0x10 : 0); /* S once: the whole frame goes as partition 0 */
  out[1] = 0x80;
  rtc_put16(out + 2, (uint16_t)(0x8000 | (s->picture_id & 0x7fff)));
  if (!s->layered) return PLAIN;
  if (s->layer.droppable) out[0] |= 0x20;
  out[1] |= 0x60;
  out[4] = s->tl0;
  out[5] = (uint8_t)(s->layer.tid << 6 | (s->layer.sync ? 0x20 : 0));
  return LAYERED;
}
