/* rtp: the RTP fixed header, CSRCs and the bounds of the extension (RFC 3550 §5.1). A view over the caller's
 * bytes; nothing in it may be believed before the packet is authenticated. */
#ifndef RTC_WIRE_RTP_H
#define RTC_WIRE_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { RTC_RTP_HEADER = 12 };

typedef struct rtc_rtp {
  uint32_t ts, ssrc;
  uint16_t seq;
  uint8_t pt, csrc_n;
  bool marker, padding, has_ext;
  uint16_t ext_profile;      /* 0xBEDE, 0x100x, or other; valid when has_ext */
  uint16_t ext_off, ext_len; /* the words after profile and length */
  uint16_t hdr_len;          /* up to the payload: 12 + CSRCs + extension */
  uint16_t payload_len;      /* set by rtc_rtp_parse_payload */
  uint8_t pad_len;           /* set by rtc_rtp_parse_payload */
} rtc_rtp_t;

/* Header only; the bytes after it may still be encrypted. 0 or RTC_EPROTO. n <= 65535. */
RTC_MUST_USE int rtc_rtp_parse(rtc_rtp_t *r, const uint8_t *p, size_t n);
/* After decryption: payload and padding (0 < pad <= what is there). n = plain length. 0 or RTC_EPROTO. */
RTC_MUST_USE int rtc_rtp_parse_payload(rtc_rtp_t *r, const uint8_t *p, size_t n);
/* Writes the 12 fixed bytes (no CSRC); the extension bit by has_ext, padding bit by padding. */
void rtc_rtp_write(uint8_t out[RTC_RTP_HEADER], const rtc_rtp_t *r);

#endif
