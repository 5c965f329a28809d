/* feedback: RTCP inward. Sender reports give the publisher's clock; receiver reports, NACK, PLI, FIR and REMB reach the sender
 * they name. Nothing is read before the packet has been opened. */
#include "engine/state.h"
#include "wire/twccfb.h"

static rtc_send_t *sender_of(rtc_transport_t *t, uint32_t ssrc) {
  for (rtc_send_t *s = t->sends; s; s = s->next)
    if (s->cfg.ssrc == ssrc) return s;
  return NULL;
}

static void on_sr(rtc_transport_t *t, const rtc_rtcp_t *b, rtc_time_t now) {
  rtc_sr_t sr;
  if (rtc_rtcp_read_sr(b, &sr) < 0) return;
  rtc_recv_t *r = t->recvs;
  while (r && r->ssrc != sr.ssrc) r = r->next;
  if (!r) return;
  bool first = r->stat.sr_at == RTC_NEVER;
  rtc_rxstat_on_sr(&r->stat, sr.ntp, sr.rtp_ts, now);
  r->sr_n++;
  r->sr_packets = sr.packets;
  r->sr_bytes = sr.octets;
  if (!t->has_clock) { /* one mapping for all of a publisher's streams, so that they stay in step */
    t->has_clock = true;
    t->clock_off = sr.ntp - rtc_ntp_from_unix_us(now);
  }
  if (!first) return;
  for (uint32_t i = 0; i < r->viewer_n; i++) rtc_report_soon(r->viewers[i]->transport, now);
}

/* RFC 3550 §6.4.1, by our own clock: from the report of ours that is echoed. 0: it is none of the latest, or the times are a lie. */
static rtc_time_t round_trip(const rtc_send_t *s, const rtc_rb_t *b, rtc_time_t now) {
  rtc_time_t held = (rtc_time_t)b->dlsr * 1000000 / 65536;
  for (uint32_t i = 0; i < RTC_SRS_KEPT && i < s->sr_n; i++) {
    if (s->sr[i].ntp != b->lsr) continue;
    rtc_time_t trip = now - s->sr[i].at - held;
    return trip > 0 ? trip : trip > -RTC_MS(1) ? 1 : 0; /* a fast link may come out below zero by rounding */
  }
  return 0;
}

/* For an encoder that can do something about it. A loss is believed at once, its end bit by bit: it comes in bursts. */
static void tell_loss(rtc_send_t *s, uint8_t fraction) {
  uint8_t said = (uint8_t)((fraction * 100 + 128) / 256), before = s->loss, calmed = (uint8_t)(before * 3 / 4);
  s->loss = said > calmed ? said : calmed;
  if (s->loss == before) return;
  s->loss_event = true;
  rtc_hub_touch(s->transport);
}

static void on_report_block(rtc_transport_t *t, const rtc_rb_t *b, rtc_time_t now) {
  rtc_send_t *s = sender_of(t, b->ssrc);
  if (!s) return;
  s->mid_known = s->live;
  s->lost = b->lost;
  s->fraction_lost = b->fraction / 256.0;
  s->jitter_s = (double)b->jitter / s->cfg.clock_rate;
  if (!s->cfg.video && !s->source) tell_loss(s, b->fraction);
  s->reports++;
  s->reported = now;
  rtc_time_t trip = round_trip(s, b, now);
  if (trip <= 0) return;
  s->rtt_us = t->rtt_us = trip;
  s->rtt_sum_us += trip;
  s->rtt_n++;
}

static void on_bye(rtc_transport_t *t, const rtc_rtcp_t *b) {
  uint32_t ssrcs[31];
  int n = rtc_rtcp_read_bye(b, ssrcs, 31);
  for (int i = 0; i < n; i++)
    for (rtc_recv_t *r = t->recvs; r; r = r->next)
      if (r->ssrc == ssrcs[i]) rtc_recv_bye(r);
}

static void on_nack(rtc_transport_t *t, const rtc_rtcp_t *b, rtc_time_t now) {
  uint16_t seqs[256];
  rtc_send_t *s = sender_of(t, b->media);
  int n = rtc_rtcp_read_nack(b, seqs, (int)(sizeof seqs / sizeof seqs[0]));
  if (s && n > 0) rtc_send_on_nack(s, seqs, n, now);
}

static void on_twcc(rtc_transport_t *t, const rtc_rtcp_t *b) {
  rtc_time_t at[RTC_TWCC_MAX];
  rtc_twccfb_t fb;
  t->twcc_received++;
  if (rtc_twccfb_read(b, &fb, at, RTC_TWCC_MAX) < 0) return;
  t->twcc_told += (uint64_t)fb.n;
  for (int i = 0; i < fb.n; i++) t->twcc_missing += at[i] == RTC_NEVER;
}

static void on_payload_feedback(rtc_transport_t *t, const rtc_rtcp_t *b, rtc_time_t now) {
  if (b->count == RTC_FB_PLI) {
    rtc_send_t *s = sender_of(t, b->media);
    if (!s) return;
    s->pli++;
    rtc_send_on_key_wanted(s, now);
  } else if (b->count == RTC_FB_FIR) {
    rtc_fir_t firs[16];
    int n = rtc_rtcp_read_fir(b, firs, 16);
    for (int i = 0; i < n; i++) {
      rtc_send_t *s = sender_of(t, firs[i].ssrc);
      if (!s || s->fir_last == firs[i].seq) continue; /* the same request again (RFC 5104 §4.3.1.2) */
      s->fir_last = firs[i].seq;
      s->fir++;
      rtc_send_on_key_wanted(s, now);
    }
  } else if (b->count == RTC_FB_AFB) {
    uint64_t bps;
    uint32_t ssrcs[16];
    int n = rtc_rtcp_read_remb(b, &bps, ssrcs, 16);
    for (int i = 0; i < n; i++) {
      rtc_send_t *s = sender_of(t, ssrcs[i]);
      if (s) s->remb_bps = bps;
    }
  }
}

static void on_block(rtc_transport_t *t, const rtc_rtcp_t *b, rtc_time_t now) {
  rtc_rb_t blocks[31];
  int n;
  switch (b->type) {
    case RTC_RTCP_SR:
      on_sr(t, b, now); /* fallthrough */
    case RTC_RTCP_RR:
      n = rtc_rtcp_read_rbs(b, blocks, 31);
      for (int i = 0; i < n; i++) on_report_block(t, &blocks[i], now);
      break;
    case RTC_RTCP_BYE:
      on_bye(t, b);
      break;
    case RTC_RTCP_RTPFB:
      if (b->count == RTC_FB_NACK) on_nack(t, b, now);
      if (b->count == RTC_FB_TWCC) on_twcc(t, b);
      break;
    case RTC_RTCP_PSFB:
      on_payload_feedback(t, b, now);
      break;
    default:
      break;
  }
}

void rtc_feedback_rtcp(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  h->st.rtcp_in++;
  int n = rtc_srtp_unprotect_rtcp(&t->rx, k->data, k->len);
  if (n < 0) {
    rtc_hub_drop(h, n == RTC_EREPLAY ? RTC_DROP_RTCP_REPLAY : n == RTC_EAUTH ? RTC_DROP_RTCP_AUTH : RTC_DROP_RTCP_FORM);
    return;
  }
  rtc_captured(t, &k->path, RTC_KIND_RTCP, false, k->data, (size_t)n, k->at);
  rtc_transport_on_srtp(t, &k->path, now);
  t->in_packets++;
  t->in_bytes += k->len;
  rtc_rd_t r = rtc_rd(k->data, (size_t)n);
  rtc_rtcp_t b;
  int got;
  while ((got = rtc_rtcp_next(&r, &b)) > 0) on_block(t, &b, now);
  if (got < 0) rtc_hub_drop(h, RTC_DROP_RTCP_FORM);
}
