#include "wire/payload/red.h"

#include "base/bytes.h"

int rtc_red_parse(rtc_red_t *r, const uint8_t *p, size_t n) {
  rtc_rd_t in = rtc_rd(p, n);
  size_t data = 0; /* of the repeated blocks together */
  r->n = 0;
  if (n > UINT16_MAX) return RTC_EPROTO;
  for (bool more = true; more;) {
    if (r->n == RTC_RED_BLOCKS) return RTC_EPROTO;
    rtc_red_block_t *b = &r->block[r->n++];
    uint8_t head = rtc_rd8(&in);
    more = head & 0x80;
    *b = (rtc_red_block_t){.pt = head & 0x7f};
    if (!more) break;
    uint32_t said = rtc_rd24(&in);
    b->back_ts = (uint16_t)(said >> 10);
    b->len = (uint16_t)(said & RTC_RED_BLOCK_MAX);
    data += b->len;
  }
  if (in.bad || data > rtc_rd_left(&in)) return RTC_EPROTO;
  size_t at = n - rtc_rd_left(&in);
  for (int i = 0; i < r->n; i++) {
    rtc_red_block_t *b = &r->block[i];
    b->off = (uint16_t)at;
    if (i == r->n - 1) b->len = (uint16_t)(n - at);
    at += b->len;
  }
  return 0;
}

int rtc_red_write(uint8_t *out, size_t cap, const rtc_red_part_t *part, size_t n, uint8_t pt) {
  if (n >= RTC_RED_BLOCKS || pt > 0x7f) return RTC_EINVAL;
  rtc_wr_t w = rtc_wr(out, cap);
  for (size_t i = 0; i < n; i++) {
    if (part[i].pt > 0x7f || part[i].back_ts > RTC_RED_BACK_MAX || part[i].len > RTC_RED_BLOCK_MAX) return RTC_EINVAL;
    rtc_wr8(&w, (uint8_t)(0x80 | part[i].pt));
    rtc_wr24(&w, (uint32_t)part[i].back_ts << 10 | part[i].len);
  }
  rtc_wr8(&w, pt);
  for (size_t i = 0; i < n; i++) rtc_wr_bytes(&w, part[i].p, part[i].len);
  return w.bad ? RTC_ENOBUFS : (int)rtc_wr_len(&w);
}
