#include "proto/rxstat.h"

#include <string.h>

/* A.1's limits. Ours for lateness is the window's size: what is later than that does not pass SRTP's replay check,
 * and within it every duplicate is known. */
enum { MAX_DROPOUT = 3000, MAX_MISORDER = RTC_WINDOW_SIZE };

enum { LOST_MAX = 0x7fffff, LOST_MIN = -0x800000 }; /* signed 24 bits (§6.4.1) */

void rtc_rxstat_init(rtc_rxstat_t *s, uint32_t clock_rate) {
  memset(s, 0, sizeof *s);
  s->clock_rate = clock_rate;
  s->first = s->highest = -1;
  s->sr_at = RTC_NEVER;
}

static int64_t expected(const rtc_rxstat_t *s) { return s->received ? s->highest - s->first + 1 : 0; }
int64_t rtc_rxstat_lost(const rtc_rxstat_t *s) { return expected(s) - (int64_t)s->received; }

static void start_run(rtc_rxstat_t *s, int64_t index) {
  s->highest = index;
  s->origin = index - MAX_MISORDER; /* the window takes no number below zero, an index may be */
  s->has_suspect = false;
  s->has_transit = 0;
  rtc_window_init(&s->seen);
}

/* A.1 without probation: false when the packet is not to be counted. A jump too far for loss or reordering counts only
 * once a second number from there follows: then the sender has started anew. (A.1 wants the very next number; on a lossy
 * way that could take for ever.) What lies between was never sent, so `first` moves along, and expected, received and
 * lost go on as if there had been no gap. */
static bool accept(rtc_rxstat_t *s, int64_t index) {
  if (s->received == 0) {
    start_run(s, index);
    s->first = index;
    return true;
  }
  int64_t ahead = index - s->highest;
  if (ahead < MAX_DROPOUT && ahead > -MAX_MISORDER) {
    if (ahead > 0) s->highest = index;
    s->has_suspect = false;
    return true;
  }
  if (!s->has_suspect || index <= s->suspect || index - s->suspect >= MAX_DROPOUT) {
    s->has_suspect = true;
    s->suspect = index;
    return false;
  }
  s->first += s->suspect - s->highest;
  start_run(s, index);
  return true;
}

/* A.8: the mean deviation of the transit time, smoothed by 1/16. Only differences count, so any clock will do. */
static void add_jitter(rtc_rxstat_t *s, int64_t ts, rtc_time_t now) {
  /* Whole seconds apart: µs times a clock rate would overflow within a few years of uptime. */
  int64_t rate = s->clock_rate, arrival = now / 1000000 * rate + now % 1000000 * rate / 1000000;
  int64_t transit = arrival - ts;
  if (s->has_transit) {
    double d = (double)(transit - s->last_transit);
    s->jitter += ((d < 0 ? -d : d) - s->jitter) / 16;
  }
  s->last_transit = transit;
  s->has_transit = 1;
}

void rtc_rxstat_on_packet(rtc_rxstat_t *s, int64_t index, int64_t ts, uint32_t payload_len, rtc_time_t now) {
  if (!accept(s, index)) return;
  s->received++;
  s->bytes += payload_len;
  int64_t n = index - s->origin;
  if (rtc_window_check(&s->seen, n) != 0) {
    s->repeated++;
    return;
  }
  rtc_window_commit(&s->seen, n);
  add_jitter(s, ts, now);
}

void rtc_rxstat_on_sr(rtc_rxstat_t *s, uint64_t ntp, uint32_t rtp, rtc_time_t now) {
  s->sr_ntp = ntp;
  s->sr_rtp = rtp;
  s->sr_at = now;
}

/* A.3: 1/256 of what was expected since the last report; 0 when duplicates outweigh the loss. */
static uint8_t fraction_lost(int64_t want, int64_t got) {
  int64_t lost = want - got;
  if (want <= 0 || lost <= 0) return 0;
  int64_t f = lost * 256 / want;
  return f > 255 ? 255 : (uint8_t)f;
}

static uint32_t dlsr(rtc_time_t since) { /* in 1/65536 s, at its cap after 18 hours */
  if (since <= 0) return 0;
  if (since >= RTC_SEC(65536)) return UINT32_MAX;
  return (uint32_t)(since * 65536 / 1000000);
}

void rtc_rxstat_report(rtc_rxstat_t *s, uint32_t ssrc, rtc_rb_t *out, rtc_time_t now) {
  int64_t want = expected(s), lost = rtc_rxstat_lost(s);
  memset(out, 0, sizeof *out);
  out->ssrc = ssrc;
  out->fraction = fraction_lost(want - s->prior_expected, (int64_t)(s->received - s->prior_received));
  out->lost = lost > LOST_MAX ? LOST_MAX : lost < LOST_MIN ? LOST_MIN : (int32_t)lost;
  out->highest = s->received ? (uint32_t)s->highest : 0;
  out->jitter = s->jitter < (double)UINT32_MAX ? (uint32_t)s->jitter : UINT32_MAX;
  if (s->sr_at != RTC_NEVER) {
    out->lsr = rtc_ntp_compact(s->sr_ntp);
    out->dlsr = dlsr(now - s->sr_at);
  }
  s->prior_expected = want;
  s->prior_received = s->received;
}
