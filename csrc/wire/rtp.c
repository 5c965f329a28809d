#include "wire/rtp.h"

#include <string.h>

#include "base/bytes.h"

enum { VERSION = 2, PADDING_BIT = 0x20, EXT_BIT = 0x10, CSRC_MASK = 0x0f, MARKER_BIT = 0x80 };

int rtc_rtp_parse(rtc_rtp_t *r, const uint8_t *p, size_t n) {
  memset(r, 0, sizeof *r);
  if (n < RTC_RTP_HEADER || n > UINT16_MAX) return RTC_EPROTO;
  if (p[0] >> 6 != VERSION) return RTC_EPROTO;
  r->padding = (p[0] & PADDING_BIT) != 0;
  r->has_ext = (p[0] & EXT_BIT) != 0;
  r->csrc_n = p[0] & CSRC_MASK;
  r->marker = (p[1] & MARKER_BIT) != 0;
  r->pt = p[1] & 0x7f;
  r->seq = rtc_get16(p + 2);
  r->ts = rtc_get32(p + 4);
  r->ssrc = rtc_get32(p + 8);

  size_t off = RTC_RTP_HEADER + 4 * (size_t)r->csrc_n;
  if (off > n) return RTC_EPROTO;
  if (r->has_ext) { /* §5.3.1: profile, length in words without these four bytes */
    if (n - off < 4) return RTC_EPROTO;
    size_t len = 4 * (size_t)rtc_get16(p + off + 2);
    r->ext_profile = rtc_get16(p + off);
    off += 4;
    if (n - off < len) return RTC_EPROTO;
    r->ext_off = (uint16_t)off;
    r->ext_len = (uint16_t)len;
    off += len;
  }
  r->hdr_len = (uint16_t)off;
  return 0;
}

int rtc_rtp_parse_payload(rtc_rtp_t *r, const uint8_t *p, size_t n) {
  if (n < r->hdr_len || n > UINT16_MAX) return RTC_EPROTO;
  size_t left = n - r->hdr_len, pad = 0;
  if (r->padding) { /* the last byte counts itself (§5.1) */
    if (left == 0) return RTC_EPROTO;
    pad = p[n - 1];
    if (pad == 0 || pad > left) return RTC_EPROTO;
  }
  r->payload_len = (uint16_t)(left - pad);
  r->pad_len = (uint8_t)pad;
  return 0;
}

void rtc_rtp_write(uint8_t out[RTC_RTP_HEADER], const rtc_rtp_t *r) {
  out[0] = (uint8_t)(VERSION << 6 | (r->padding ? PADDING_BIT : 0) | (r->has_ext ? EXT_BIT : 0));
  out[1] = (uint8_t)((r->marker ? MARKER_BIT : 0) | (r->pt & 0x7f));
  rtc_put16(out + 2, r->seq);
  rtc_put32(out + 4, r->ts);
  rtc_put32(out + 8, r->ssrc);
}
