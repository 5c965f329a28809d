/* rtp: the fixed header, CSRCs, extension bounds and padding; then what a receiver reads next: elements and payload.
 * Input: a packet. */
#include "fuzz.h"
#include "wire/payload/payload.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"

static void check_header(const rtc_rtp_t *r, const uint8_t *p, size_t n) {
  MUST(r->csrc_n <= 15 && r->hdr_len <= n && r->hdr_len >= RTC_RTP_HEADER + 4 * r->csrc_n);
  if (r->has_ext) MUST(r->ext_off + r->ext_len == r->hdr_len && r->ext_off == RTC_RTP_HEADER + 4 * r->csrc_n + 4);
  if (!r->has_ext) MUST(r->hdr_len == RTC_RTP_HEADER + 4 * r->csrc_n);
  uint8_t again[RTC_RTP_HEADER];
  rtc_rtp_write(again, r);
  MUST((again[0] | r->csrc_n) == p[0] && memcmp(again + 1, p + 1, sizeof again - 1) == 0);
}

static void check_elements(const rtc_rtp_t *r, const uint8_t *p) {
  rtc_extmap_t map;
  rtc_ext_view_t v;
  rtc_extmap_init(&map);
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++) MUST(rtc_extmap_set(&map, (rtc_ext_t)k, (uint8_t)(k + 1)) == 0);
  rtc_rtpext_parse(&v, r->ext_profile, p + r->ext_off, r->ext_len, &map);
  for (unsigned k = 0; k < RTC_EXT_COUNT; k++)
    if (rtc_ext_has(&v, (rtc_ext_t)k)) MUST(v.p[k] >= p + r->ext_off && v.p[k] + v.len[k] <= p + r->hdr_len);
}

void fuzz_one(const uint8_t *data, size_t size) {
  rtc_rtp_t r;
  uint8_t *p = fuzz_copy(data, size);
  if (rtc_rtp_parse(&r, p, size) == 0) {
    check_header(&r, p, size);
    if (r.has_ext) check_elements(&r, p);
    for (size_t n = 0; n < r.hdr_len; n += 7) MUST(rtc_rtp_parse_payload(&r, p, n) == RTC_EPROTO);
    if (rtc_rtp_parse_payload(&r, p, size) == 0) {
      MUST((size_t)r.hdr_len + r.payload_len + r.pad_len == size);
      MUST((r.pad_len > 0) == r.padding);
      (void)rtc_payload_look((rtc_codec_t)(r.pt % (RTC_CODEC_COUNT + 1)), p + r.hdr_len, r.payload_len);
    } else {
      MUST(r.padding); /* all else was checked with the header */
    }
  }
  fuzz_free(p, size);
}
