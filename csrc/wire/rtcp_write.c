/* Writing: each block asks for all its room at once, so that a full buffer never holds half a block. */
#include "wire/rtcp.h"

enum { COUNT_MAX = 31, RB_SIZE = 24, REMB_SSRC_MAX = 255, SDES_CNAME = 1, SDES_TEXT_MAX = 255 };

/* Room for header and body with the header written; `body` is a multiple of four. Returns the body. */
static uint8_t *begin(rtc_wr_t *w, uint8_t type, int count, size_t body) {
  if (count < 0 || count > COUNT_MAX || body / 4 > UINT16_MAX) {
    w->bad = true;
    return NULL;
  }
  uint8_t *p = rtc_wr_room(w, 4 + body);
  if (!p) return NULL;
  p[0] = (uint8_t)(0x80 | count);
  p[1] = type;
  rtc_put16(p + 2, (uint16_t)(body / 4));
  return p + 4;
}

/* Feedback's common part (RFC 4585 §6.1): sender, media source. Returns the control information. */
static uint8_t *begin_fb(rtc_wr_t *w, uint8_t type, int format, uint32_t ssrc, uint32_t media, size_t fci) {
  uint8_t *p = begin(w, type, format, 8 + fci);
  if (!p) return NULL;
  rtc_put32(p, ssrc);
  rtc_put32(p + 4, media);
  return p + 8;
}

static void put_rbs(uint8_t *p, const rtc_rb_t *rbs, int n) {
  for (int i = 0; i < n; i++, p += RB_SIZE) {
    int32_t lost = rbs[i].lost;
    if (lost > 0x7fffff) lost = 0x7fffff; /* RFC 3550 A.3 clamps rather than wraps */
    if (lost < -0x800000) lost = -0x800000;
    rtc_put32(p, rbs[i].ssrc);
    p[4] = rbs[i].fraction;
    rtc_put24(p + 5, (uint32_t)lost & 0xffffff);
    rtc_put32(p + 8, rbs[i].highest);
    rtc_put32(p + 12, rbs[i].jitter);
    rtc_put32(p + 16, rbs[i].lsr);
    rtc_put32(p + 20, rbs[i].dlsr);
  }
}

/* A negative count becomes a huge size in the sum; begin() refuses it by the count first. */
static size_t rbs_size(int n) { return n > 0 ? (size_t)n * RB_SIZE : 0; }

void rtc_rtcp_write_sr(rtc_wr_t *w, const rtc_sr_t *sr, const rtc_rb_t *rbs, int n) {
  uint8_t *p = begin(w, RTC_RTCP_SR, n, 24 + rbs_size(n));
  if (!p) return;
  rtc_put32(p, sr->ssrc);
  rtc_put64(p + 4, sr->ntp);
  rtc_put32(p + 12, sr->rtp_ts);
  rtc_put32(p + 16, sr->packets);
  rtc_put32(p + 20, sr->octets);
  put_rbs(p + 24, rbs, n);
}

void rtc_rtcp_write_rr(rtc_wr_t *w, uint32_t ssrc, const rtc_rb_t *rbs, int n) {
  uint8_t *p = begin(w, RTC_RTCP_RR, n, 4 + rbs_size(n));
  if (!p) return;
  rtc_put32(p, ssrc);
  put_rbs(p + 4, rbs, n);
}

void rtc_rtcp_write_sdes_cname(rtc_wr_t *w, uint32_t ssrc, const char *cname) {
  size_t len = strlen(cname);
  if (len > SDES_TEXT_MAX) {
    w->bad = true;
    return;
  }
  size_t chunk = (4 + 2 + len) / 4 * 4 + 4; /* at least one zero ends the chunk (RFC 3550 §6.5) */
  uint8_t *p = begin(w, RTC_RTCP_SDES, 1, chunk);
  if (!p) return;
  memset(p, 0, chunk);
  rtc_put32(p, ssrc);
  p[4] = SDES_CNAME;
  p[5] = (uint8_t)len;
  memcpy(p + 6, cname, len);
}

void rtc_rtcp_write_bye(rtc_wr_t *w, const uint32_t *ssrcs, int n) {
  uint8_t *p = begin(w, RTC_RTCP_BYE, n, n > 0 ? (size_t)n * 4 : 0);
  if (!p) return;
  for (int i = 0; i < n; i++) rtc_put32(p + i * 4, ssrcs[i]);
}

/* Takes the numbers that one PID and BLP pair can name, from seqs[*i] on. Repeated numbers are named once. */
static void next_pair(const uint16_t *seqs, int n, int *i, uint16_t *pid, uint16_t *blp) {
  *pid = seqs[(*i)++];
  *blp = 0;
  for (; *i < n; (*i)++) {
    uint16_t ahead = (uint16_t)(seqs[*i] - *pid);
    if (ahead > 16) break;
    if (ahead) *blp |= (uint16_t)(1u << (ahead - 1));
  }
}

void rtc_rtcp_write_nack(rtc_wr_t *w, uint32_t ssrc, uint32_t media, const uint16_t *seqs, int n) {
  uint16_t pid, blp;
  size_t pairs = 0;
  for (int i = 0; i < n; pairs++) next_pair(seqs, n, &i, &pid, &blp);
  if (!pairs) return;
  uint8_t *p = begin_fb(w, RTC_RTCP_RTPFB, RTC_FB_NACK, ssrc, media, pairs * 4);
  if (!p) return;
  for (int i = 0; i < n; p += 4) {
    next_pair(seqs, n, &i, &pid, &blp);
    rtc_put16(p, pid);
    rtc_put16(p + 2, blp);
  }
}

void rtc_rtcp_write_pli(rtc_wr_t *w, uint32_t ssrc, uint32_t media) { (void)begin_fb(w, RTC_RTCP_PSFB, RTC_FB_PLI, ssrc, media, 0); }

void rtc_rtcp_write_fir(rtc_wr_t *w, uint32_t ssrc, const rtc_fir_t *firs, int n) {
  if (n <= 0) return;
  /* The media source is unused and zero: the entries name theirs (RFC 5104 §4.3.1.2). */
  uint8_t *p = begin_fb(w, RTC_RTCP_PSFB, RTC_FB_FIR, ssrc, 0, (size_t)n * 8);
  if (!p) return;
  for (int i = 0; i < n; i++, p += 8) {
    rtc_put32(p, firs[i].ssrc);
    rtc_put32(p + 4, (uint32_t)firs[i].seq << 24);
  }
}

void rtc_rtcp_write_remb(rtc_wr_t *w, uint32_t ssrc, uint64_t bps, const uint32_t *ssrcs, int n) {
  if (n < 0 || n > REMB_SSRC_MAX) {
    w->bad = true;
    return;
  }
  uint8_t *p = begin_fb(w, RTC_RTCP_PSFB, RTC_FB_AFB, ssrc, 0, 8 + (size_t)n * 4);
  if (!p) return;
  uint32_t exponent = 0;
  while (bps >> exponent > 0x3ffff) exponent++;
  memcpy(p, "REMB", 4);
  p[4] = (uint8_t)n;
  rtc_put24(p + 5, exponent << 18 | (uint32_t)(bps >> exponent)); /* rounded down: never promises more */
  for (int i = 0; i < n; i++) rtc_put32(p + 8 + i * 4, ssrcs[i]);
}
