/* rtcp: the walk over a compound packet and every typed reader, into arrays of exactly the size told; and what was read,
 * written and read again. Input: cap (1 byte: entries the readers may give), a compound packet. */
#include "fuzz.h"
#include "wire/rtcp.h"

enum { CAP = 300, ROOM = 70000 };

static uint8_t room[ROOM];

/* The one block in w. */
static rtc_rtcp_t reread(const rtc_wr_t *w) {
  rtc_rd_t r = rtc_rd(w->start, rtc_wr_len(w));
  rtc_rtcp_t b;
  MUST(!w->bad && rtc_rtcp_next(&r, &b) == 1 && rtc_rd_left(&r) == 0);
  return b;
}

#define READ(type, n, call)                               \
  uint8_t *block = fuzz_room(sizeof(type) * (size_t)cap); \
  type *out = (type *)(void *)block;                      \
  int n = call;                                           \
  MUST(n <= cap && (n >= 0 || n == RTC_EPROTO));          \
  rtc_wr_t w = rtc_wr(room, sizeof room)
#define READ_END(type) fuzz_free(block, sizeof(type) * (size_t)cap)

static void reports(const rtc_rtcp_t *b, int cap) {
  READ(rtc_rb_t, n, rtc_rtcp_read_rbs(b, out, cap));
  rtc_sr_t sr, sr2;
  bool is_sr = rtc_rtcp_read_sr(b, &sr) == 0;
  MUST(is_sr == (b->type == RTC_RTCP_SR));
  if (n >= 0) {
    if (is_sr)
      rtc_rtcp_write_sr(&w, &sr, out, n);
    else
      rtc_rtcp_write_rr(&w, b->ssrc, out, n);
    rtc_rtcp_t again = reread(&w);
    rtc_rb_t rbs[31];
    MUST(again.type == b->type && again.ssrc == b->ssrc && rtc_rtcp_read_rbs(&again, rbs, 31) == n);
    for (int i = 0; i < n; i++)
      MUST(memcmp(&rbs[i].ssrc, &out[i].ssrc, 4) == 0 && rbs[i].lost == out[i].lost && rbs[i].dlsr == out[i].dlsr);
    if (is_sr) MUST(rtc_rtcp_read_sr(&again, &sr2) == 0 && sr2.ntp == sr.ntp && sr2.octets == sr.octets && sr2.rtp_ts == sr.rtp_ts);
  }
  READ_END(rtc_rb_t);
}

static void nacks(const rtc_rtcp_t *b, int cap) {
  READ(uint16_t, n, rtc_rtcp_read_nack(b, out, cap));
  if (n > 0) {
    uint16_t all[CAP * 17];
    rtc_rtcp_write_nack(&w, b->ssrc, b->media, out, n);
    rtc_rtcp_t again = reread(&w);
    MUST(again.ssrc == b->ssrc && again.media == b->media);
    int m = rtc_rtcp_read_nack(&again, all, CAP * 17);
    for (int i = 0, j; i < n; i++) { /* the writer may name a repeated number once */
      for (j = 0; j < m && all[j] != out[i]; j++) {}
      MUST(j < m);
    }
  }
  READ_END(uint16_t);
}

static void firs(const rtc_rtcp_t *b, int cap) {
  READ(rtc_fir_t, n, rtc_rtcp_read_fir(b, out, cap));
  if (n > 0) {
    rtc_fir_t all[CAP];
    rtc_rtcp_write_fir(&w, b->ssrc, out, n);
    rtc_rtcp_t again = reread(&w);
    MUST(rtc_rtcp_read_fir(&again, all, CAP) == n);
    for (int i = 0; i < n; i++) MUST(all[i].ssrc == out[i].ssrc && all[i].seq == out[i].seq);
  }
  READ_END(rtc_fir_t);
}

static void rembs(const rtc_rtcp_t *b, int cap) {
  uint64_t bps = 0, bps2 = 0;
  READ(uint32_t, n, rtc_rtcp_read_remb(b, &bps, out, cap));
  if (n >= 0) {
    uint32_t all[255];
    rtc_rtcp_write_remb(&w, b->ssrc, bps, out, n < 255 ? n : 255);
    rtc_rtcp_t again = reread(&w);
    MUST(rtc_rtcp_read_remb(&again, &bps2, all, 255) == n && bps2 == bps && memcmp(all, out, (size_t)n * 4) == 0);
  }
  READ_END(uint32_t);
}

static void byes(const rtc_rtcp_t *b, int cap) {
  READ(uint32_t, n, rtc_rtcp_read_bye(b, out, cap));
  if (n >= 0) {
    uint32_t all[31];
    rtc_rtcp_write_bye(&w, out, n);
    rtc_rtcp_t again = reread(&w);
    MUST(rtc_rtcp_read_bye(&again, all, 31) == n && memcmp(all, out, (size_t)n * 4) == 0);
  }
  READ_END(uint32_t);
}

static void cname(const rtc_rtcp_t *b) {
  uint32_t ssrc = 0, ssrc2 = 0;
  const uint8_t *text = NULL, *text2 = NULL;
  char copy[256];
  int n = rtc_rtcp_read_cname(b, &ssrc, &text);
  MUST(n == RTC_EPROTO || (n >= 0 && n <= 255 && text >= b->body && text + n <= b->body + b->len));
  if (n < 0 || memchr(text, 0, (size_t)n)) return; /* the writer takes a C string */
  memcpy(copy, text, (size_t)n);
  copy[n] = 0;
  rtc_wr_t w = rtc_wr(room, sizeof room);
  rtc_rtcp_write_sdes_cname(&w, ssrc, copy);
  rtc_rtcp_t again = reread(&w);
  MUST(rtc_rtcp_read_cname(&again, &ssrc2, &text2) == n && ssrc2 == ssrc && memcmp(text, text2, (size_t)n) == 0);
}

void fuzz_one(const uint8_t *data, size_t size) {
  if (size < 1) return;
  size_t n = size - 1 < 65535 ? size - 1 : 65535;
  int cap = data[0] & 1 ? CAP : data[0] >> 1, got;
  uint8_t *p = fuzz_copy(data + 1, n);
  rtc_rd_t r = rtc_rd(p, n);
  rtc_rtcp_t b;
  const uint8_t *before = r.p;
  while ((got = rtc_rtcp_next(&r, &b)) == 1) {
    MUST(r.p >= before + 4 && b.body >= before + 4 && b.body + b.len <= r.p);
    MUST(b.type >= RTC_RTCP_SR && b.type <= RTC_RTCP_XR);
    before = r.p;
    reports(&b, cap);
    nacks(&b, cap);
    firs(&b, cap);
    rembs(&b, cap);
    byes(&b, cap);
    cname(&b);
  }
  MUST(got == 0 || got == RTC_EPROTO);
  MUST(rtc_rtcp_next(&r, &b) == got); /* what has ended stays so */
  fuzz_free(p, n);
}
