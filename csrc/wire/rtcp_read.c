/* Reading: the walk trusts the length word first (RFC 3550 §6.4), the readers check length before count. */
#include "wire/rtcp.h"

enum { HEADER = 4, SR_BODY = 24, RB_SIZE = 24, FB_BODY = 8, FIR_SIZE = 8, REMB_BODY = 16, SDES_END = 0, SDES_CNAME = 1 };

/* Bytes after the common header without which a block of this type means nothing. */
static size_t least_body(uint8_t type) {
  switch (type) {
    case RTC_RTCP_SR:
      return SR_BODY;
    case RTC_RTCP_RR:
    case RTC_RTCP_XR:
      return 4;
    case RTC_RTCP_APP:
    case RTC_RTCP_RTPFB:
    case RTC_RTCP_PSFB:
      return FB_BODY;
    default:
      return 0; /* SDES and BYE may be empty; of unknown types nothing is known */
  }
}

/* One block by its length word. Padding need not be a multiple of four: libwebrtc pads feedback by 1 to 3 bytes. */
static bool take_block(rtc_rd_t *r, rtc_rtcp_t *out) {
  const uint8_t *h = rtc_rd_take(r, HEADER);
  if (!h || h[0] >> 6 != 2) return false;
  size_t len = (size_t)rtc_get16(h + 2) * 4;
  const uint8_t *body = rtc_rd_take(r, len);
  if (!body) return false;
  if (h[0] & 0x20) {
    if (len == 0 || body[len - 1] == 0 || body[len - 1] > len) return false;
    len -= body[len - 1];
  }
  *out = (rtc_rtcp_t){.type = h[1], .count = h[0] & 0x1f, .body = body, .len = len};
  return true;
}

static bool is_known(uint8_t type) { return type >= RTC_RTCP_SR && type <= RTC_RTCP_XR; }
static bool is_fb(uint8_t type) { return type == RTC_RTCP_RTPFB || type == RTC_RTCP_PSFB; }
/* SDES and BYE list sources: without any, their first word is not an SSRC. */
static bool has_ssrc(const rtc_rtcp_t *b) {
  bool list = b->type == RTC_RTCP_SDES || b->type == RTC_RTCP_BYE;
  return b->len >= 4 && !(list && b->count == 0);
}

int rtc_rtcp_next(rtc_rd_t *r, rtc_rtcp_t *out) {
  *out = (rtc_rtcp_t){0};
  while (rtc_rd_left(r) > 0) {
    rtc_rtcp_t b;
    if (!take_block(r, &b) || b.len < least_body(b.type)) {
      r->bad = true; /* after one lie the lengths that follow mean nothing */
      break;
    }
    if (!is_known(b.type)) continue;
    if (has_ssrc(&b)) b.ssrc = rtc_get32(b.body);
    if (is_fb(b.type)) b.media = rtc_get32(b.body + 4);
    *out = b;
    return 1;
  }
  return r->bad ? RTC_EPROTO : 0;
}

int rtc_rtcp_read_sr(const rtc_rtcp_t *b, rtc_sr_t *out) {
  if (b->type != RTC_RTCP_SR || b->len < SR_BODY) return RTC_EPROTO;
  const uint8_t *p = b->body;
  out->ssrc = rtc_get32(p);
  out->ntp = rtc_get64(p + 4);
  out->rtp_ts = rtc_get32(p + 12);
  out->packets = rtc_get32(p + 16);
  out->octets = rtc_get32(p + 20);
  return 0;
}

int rtc_rtcp_read_rbs(const rtc_rtcp_t *b, rtc_rb_t *out, int cap) {
  if (b->type != RTC_RTCP_SR && b->type != RTC_RTCP_RR) return RTC_EPROTO;
  size_t off = b->type == RTC_RTCP_SR ? SR_BODY : 4;
  if (b->len < off + (size_t)b->count * RB_SIZE) return RTC_EPROTO;
  int n = b->count < cap ? b->count : cap;
  for (int i = 0; i < n; i++) {
    const uint8_t *p = b->body + off + (size_t)i * RB_SIZE;
    uint32_t lost = rtc_get24(p + 5);
    out[i].ssrc = rtc_get32(p);
    out[i].fraction = p[4];
    out[i].lost = (int32_t)lost - (lost & 0x800000 ? 0x1000000 : 0);
    out[i].highest = rtc_get32(p + 8);
    out[i].jitter = rtc_get32(p + 12);
    out[i].lsr = rtc_get32(p + 16);
    out[i].dlsr = rtc_get32(p + 20);
  }
  return n;
}

/* How many entries of `size` bytes the feedback control information holds; RFC 4585 and 5104 want one at least. */
static int fci_count(const rtc_rtcp_t *b, uint8_t type, uint8_t format, size_t size) {
  if (b->type != type || b->count != format || b->len < FB_BODY + size || (b->len - FB_BODY) % size) return RTC_EPROTO;
  return (int)((b->len - FB_BODY) / size);
}

int rtc_rtcp_read_nack(const rtc_rtcp_t *b, uint16_t *out, int cap) {
  int pairs = fci_count(b, RTC_RTCP_RTPFB, RTC_FB_NACK, 4), n = 0;
  if (pairs < 0) return pairs;
  for (int i = 0; i < pairs && n < cap; i++) {
    const uint8_t *p = b->body + FB_BODY + (size_t)i * 4;
    uint16_t pid = rtc_get16(p), blp = rtc_get16(p + 2);
    out[n++] = pid;
    for (int bit = 0; bit < 16 && n < cap; bit++) {
      if (blp >> bit & 1) out[n++] = (uint16_t)(pid + bit + 1);
    }
  }
  return n;
}

int rtc_rtcp_read_fir(const rtc_rtcp_t *b, rtc_fir_t *out, int cap) {
  int n = fci_count(b, RTC_RTCP_PSFB, RTC_FB_FIR, FIR_SIZE);
  if (n > cap) n = cap;
  for (int i = 0; i < n; i++) {
    const uint8_t *p = b->body + FB_BODY + (size_t)i * FIR_SIZE;
    out[i].ssrc = rtc_get32(p);
    out[i].seq = p[4];
  }
  return n;
}

int rtc_rtcp_read_remb(const rtc_rtcp_t *b, uint64_t *bps, uint32_t *ssrcs, int cap) {
  if (b->type != RTC_RTCP_PSFB || b->count != RTC_FB_AFB || b->len < REMB_BODY) return RTC_EPROTO;
  const uint8_t *p = b->body + FB_BODY;
  if (memcmp(p, "REMB", 4) != 0 || b->len < REMB_BODY + (size_t)p[4] * 4) return RTC_EPROTO;
  int exponent = p[5] >> 2;
  uint64_t mantissa = rtc_get24(p + 5) & 0x3ffff;
  if ((mantissa << exponent) >> exponent != mantissa) return RTC_EPROTO; /* more than 64 bits: a lie */
  *bps = mantissa << exponent;
  int n = p[4] < cap ? p[4] : cap;
  for (int i = 0; i < n; i++) ssrcs[i] = rtc_get32(b->body + REMB_BODY + (size_t)i * 4);
  return n;
}

int rtc_rtcp_read_bye(const rtc_rtcp_t *b, uint32_t *ssrcs, int cap) {
  size_t list = (size_t)b->count * 4;
  if (b->type != RTC_RTCP_BYE || b->len < list) return RTC_EPROTO;
  if (b->len > list && b->len - list < 1u + b->body[list]) return RTC_EPROTO; /* the reason's length lies */
  int n = b->count < cap ? b->count : cap;
  for (int i = 0; i < n; i++) ssrcs[i] = rtc_get32(b->body + (size_t)i * 4);
  return n;
}

int rtc_rtcp_read_cname(const rtc_rtcp_t *b, uint32_t *ssrc, const uint8_t **cname) {
  if (b->type != RTC_RTCP_SDES) return RTC_EPROTO;
  rtc_rd_t r = rtc_rd(b->body, b->len);
  for (int chunk = 0; chunk < b->count && !r.bad; chunk++) {
    uint32_t source = rtc_rd32(&r);
    for (uint8_t item = rtc_rd8(&r); item != SDES_END; item = rtc_rd8(&r)) {
      uint8_t n = rtc_rd8(&r);
      const uint8_t *text = rtc_rd_take(&r, n);
      if (!text) return RTC_EPROTO;
      if (item != SDES_CNAME) continue;
      *ssrc = source;
      *cname = text;
      return n;
    }
    while (!r.bad && (size_t)(r.p - b->body) % 4) (void)rtc_rd8(&r); /* chunks start on words */
  }
  return RTC_EPROTO;
}
