/* rtcp: compound and reduced-size RTCP (RFC 3550 §6, 4585, 5104, 5506, REMB). A walk over blocks, typed readers
 * that check length before count, and writers that append to a cursor. Nothing is kept. */
#ifndef RTC_WIRE_RTCP_H
#define RTC_WIRE_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
  RTC_RTCP_SR = 200,
  RTC_RTCP_RR = 201,
  RTC_RTCP_SDES = 202,
  RTC_RTCP_BYE = 203,
  RTC_RTCP_APP = 204,
  RTC_RTCP_RTPFB = 205,
  RTC_RTCP_PSFB = 206,
  RTC_RTCP_XR = 207,
  RTC_FB_NACK = 1,
  RTC_FB_CCFB = 11,
  RTC_FB_TWCC = 15, /* of RTPFB */
  RTC_FB_PLI = 1,
  RTC_FB_FIR = 4,
  RTC_FB_AFB = 15, /* of PSFB; REMB is AFB */
};

/* One block of a compound packet. */
typedef struct rtc_rtcp {
  uint8_t type, count; /* count is the feedback format for 205 and 206 */
  uint32_t ssrc;       /* first word: the sender (0 when the block has none) */
  uint32_t media;      /* second word of 205 and 206 */
  const uint8_t *body; /* after the common header (4 bytes), padding taken off */
  size_t len;
} rtc_rtcp_t;

/* Next block: 1, 0 at the end, RTC_EPROTO when the rest does not parse (blocks already given stay valid). */
RTC_MUST_USE int rtc_rtcp_next(rtc_rd_t *r, rtc_rtcp_t *out);

typedef struct rtc_sr {
  uint32_t ssrc, rtp_ts, packets, octets;
  uint64_t ntp;
} rtc_sr_t;
typedef struct rtc_rb { /* report block */
  uint32_t ssrc;
  uint8_t fraction;
  int32_t lost; /* signed 24 bits */
  uint32_t highest, jitter, lsr, dlsr;
} rtc_rb_t;
RTC_MUST_USE int rtc_rtcp_read_sr(const rtc_rtcp_t *b, rtc_sr_t *out);
/* Report blocks of SR or RR into out[cap]; how many, or RTC_EPROTO. */
RTC_MUST_USE int rtc_rtcp_read_rbs(const rtc_rtcp_t *b, rtc_rb_t *out, int cap);
/* Sequence numbers of a NACK into out[cap]; how many (at most cap), or RTC_EPROTO. */
RTC_MUST_USE int rtc_rtcp_read_nack(const rtc_rtcp_t *b, uint16_t *out, int cap);
typedef struct rtc_fir {
  uint32_t ssrc;
  uint8_t seq;
} rtc_fir_t;
RTC_MUST_USE int rtc_rtcp_read_fir(const rtc_rtcp_t *b, rtc_fir_t *out, int cap);
/* REMB: bits per second and its SSRCs; how many SSRCs, or RTC_EPROTO when it is not REMB. */
RTC_MUST_USE int rtc_rtcp_read_remb(const rtc_rtcp_t *b, uint64_t *bps, uint32_t *ssrcs, int cap);
/* SSRCs of a BYE; how many, or RTC_EPROTO. */
RTC_MUST_USE int rtc_rtcp_read_bye(const rtc_rtcp_t *b, uint32_t *ssrcs, int cap);
/* First CNAME of an SDES: its length and place, or RTC_EPROTO. */
RTC_MUST_USE int rtc_rtcp_read_cname(const rtc_rtcp_t *b, uint32_t *ssrc, const uint8_t **cname);

/* Writers append one block; no room sets w->bad and leaves w->p as it was. n <= 31 report blocks. */
void rtc_rtcp_write_sr(rtc_wr_t *w, const rtc_sr_t *sr, const rtc_rb_t *rbs, int n);
void rtc_rtcp_write_rr(rtc_wr_t *w, uint32_t ssrc, const rtc_rb_t *rbs, int n);
void rtc_rtcp_write_sdes_cname(rtc_wr_t *w, uint32_t ssrc, const char *cname);
void rtc_rtcp_write_bye(rtc_wr_t *w, const uint32_t *ssrcs, int n);
/* seqs ascending in wrapping order; packed into PID and BLP pairs. */
void rtc_rtcp_write_nack(rtc_wr_t *w, uint32_t ssrc, uint32_t media, const uint16_t *seqs, int n);
void rtc_rtcp_write_pli(rtc_wr_t *w, uint32_t ssrc, uint32_t media);
void rtc_rtcp_write_fir(rtc_wr_t *w, uint32_t ssrc, const rtc_fir_t *firs, int n);
void rtc_rtcp_write_remb(rtc_wr_t *w, uint32_t ssrc, uint64_t bps, const uint32_t *ssrcs, int n);

#endif
