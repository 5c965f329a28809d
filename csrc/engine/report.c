/* report: RTCP outward. Sender and receiver reports about once a second, transport-wide feedback, NACK, and key-frame
 * requests (the first at once, then at most two a second a stream). A viewer's reports carry its publisher's clock. */
#include <string.h>

#include "engine/state.h"
#include "wire/twccfb.h"

enum { ROOM = 1160, SDES_ROOM = 80, BLOCKS = 31, RR_ROOM = 8 + BLOCKS * 24 + SDES_ROOM };

static rtc_pkt_t *begin(rtc_transport_t *t, rtc_wr_t *w) {
  rtc_pkt_t *k = rtc_pkt_get(t->hub->pool);
  if (!k) {
    rtc_hub_drop(t->hub, RTC_DROP_POOL);
    return NULL;
  }
  *w = rtc_wr(k->data, ROOM);
  return k;
}

static void end(rtc_transport_t *t, rtc_pkt_t *k, const rtc_wr_t *w) {
  if (w->bad || !rtc_wr_len(w)) {
    rtc_pkt_put(k);
    return;
  }
  k->len = (uint32_t)rtc_wr_len(w);
  t->hub->st.rtcp_out++;
  rtc_out_rtcp(t, k);
}

/* Feedback alone, or after the empty report that a peer without RFC 5506 needs. */
static rtc_pkt_t *begin_feedback(rtc_transport_t *t, rtc_wr_t *w) {
  rtc_pkt_t *k = begin(t, w);
  if (!k || t->cfg->reduced_rtcp) return k;
  rtc_rtcp_write_rr(w, t->cfg->ssrc, NULL, 0);
  rtc_rtcp_write_sdes_cname(w, t->cfg->ssrc, t->cfg->cname);
  return k;
}

static void send_twcc(rtc_transport_t *t, rtc_time_t now) {
  rtc_time_t at[512];
  uint16_t base;
  for (int n; (n = rtc_arrival_peek(t->arrival, &base, at, 512, now)) > 0;) {
    rtc_wr_t w;
    rtc_pkt_t *k = begin_feedback(t, &w);
    if (!k) return;
    int wrote = rtc_twccfb_write(&w, t->cfg->ssrc, t->fb_media, base, at, n, t->arrival->fb_count);
    if (wrote <= 0) {
      rtc_pkt_put(k);
      rtc_arrival_done(t->arrival, n, now);
      return;
    }
    rtc_arrival_done(t->arrival, wrote, now);
    t->twcc_sent++;
    end(t, k, &w);
  }
}

static void send_nack(rtc_recv_t *r, rtc_time_t now) {
  rtc_transport_t *t = r->transport;
  int64_t seqs[128];
  uint16_t wire[128];
  int n = rtc_nack_pop(r->nack, seqs, 128, t->rtt_us ? t->rtt_us : RTC_MS(100), now);
  if (r->nack->want_key) {
    r->nack->want_key = false;
    rtc_recv_ask_key(r);
  }
  if (n <= 0) return;
  rtc_wr_t w;
  rtc_pkt_t *k = begin_feedback(t, &w);
  if (!k) return;
  for (int i = 0; i < n; i++) wire[i] = (uint16_t)seqs[i];
  rtc_rtcp_write_nack(&w, t->cfg->ssrc, r->ssrc, wire, n);
  r->nacks += (uint64_t)n;
  r->nack_messages++;
  if (r->probe_at == RTC_NEVER && seqs[n - 1] > r->probe_seq) {
    r->probe_seq = seqs[n - 1];
    r->probe_at = now;
  }
  end(t, k, &w);
}

static rtc_time_t key_at(const rtc_recv_t *r) {
  if (!r->key_wanted || !r->ssrc || r->gone) return RTC_NEVER;
  return r->key_asked == RTC_NEVER ? 0 : r->key_asked + r->key_gap;
}

static void send_key_request(rtc_recv_t *r, rtc_time_t now) {
  rtc_transport_t *t = r->transport;
  rtc_wr_t w;
  rtc_pkt_t *k = begin_feedback(t, &w);
  if (!k) return;
  if (r->cfg.pli) {
    rtc_rtcp_write_pli(&w, t->cfg->ssrc, r->ssrc);
    r->pli++;
  } else if (r->cfg.fir) {
    rtc_fir_t fir = {r->ssrc, r->fir_seq++};
    rtc_rtcp_write_fir(&w, t->cfg->ssrc, &fir, 1);
    r->fir++;
  } else {
    r->key_wanted = false; /* nothing was agreed: its own key frames must do */
    rtc_pkt_put(k);
    return;
  }
  if (r->key_asked == RTC_NEVER || now - r->key_asked >= 2 * r->key_gap) {
    r->key_gap = RTC_KEY_GAP_US;
    r->key_tries = 0;
  }
  if (r->key_tries < RTC_KEY_TRIES)
    r->key_tries++;
  else
    r->key_gap = r->key_gap * 3 / 2 > RTC_KEY_GAP_MAX_US ? RTC_KEY_GAP_MAX_US : r->key_gap * 3 / 2;
  r->key_asked = now;
  end(t, k, &w);
}

/* NTP time of `now` on the clock that this sender's stream lives by. */
static bool clock_of(const rtc_send_t *s, rtc_time_t now, uint64_t *ntp) {
  const rtc_hub_t *h = s->transport->hub;
  if (!s->live) return false;
  if (!s->source) {
    *ntp = rtc_ntp_from_unix_us(now + h->cfg.unix_offset_us);
    return s->has_map;
  }
  const rtc_transport_t *p = s->source->transport;
  *ntp = rtc_ntp_from_unix_us(now) + p->clock_off;
  return p->has_clock && s->source->stat.sr_at != RTC_NEVER && !s->waiting;
}

static void write_sr(rtc_send_t *s, rtc_wr_t *w, rtc_time_t now) {
  uint64_t ntp;
  if (!clock_of(s, now, &ntp)) return;
  uint32_t rate = s->cfg.clock_rate, ts;
  if (s->source) {
    const rtc_rxstat_t *src = &s->source->stat;
    ts = src->sr_rtp + (uint32_t)rtc_ticks(rtc_ntp_diff_us(ntp, src->sr_ntp), rate) + (uint32_t)s->ts_off;
  } else {
    ts = (uint32_t)s->map_ts + (uint32_t)rtc_ticks(now - s->map_at, rate);
  }
  rtc_sr_t sr = {.ssrc = s->cfg.ssrc, .rtp_ts = ts, .packets = (uint32_t)s->packets, .octets = (uint32_t)s->bytes, .ntp = ntp};
  rtc_rtcp_write_sr(w, &sr, NULL, 0);
  rtc_rtcp_write_sdes_cname(w, sr.ssrc, s->transport->cfg->cname);
  if (w->bad) return;
  s->sr[s->sr_n % RTC_SRS_KEPT].ntp = rtc_ntp_compact(ntp);
  s->sr[s->sr_n++ % RTC_SRS_KEPT].at = now;
}

/* Blocks for receivers from *r on that were heard since their last report (RFC 3550 §6.4), as many as one report holds. */
static void write_rr(rtc_transport_t *t, rtc_recv_t **r, rtc_wr_t *w, rtc_time_t now) {
  rtc_rb_t blocks[BLOCKS];
  int n = 0;
  for (; *r && n < BLOCKS; *r = (*r)->next) {
    if ((*r)->gone || (*r)->stat.received == (*r)->reported) continue;
    (*r)->reported = (*r)->stat.received;
    rtc_rxstat_report(&(*r)->stat, (*r)->ssrc, &blocks[n++], now);
  }
  rtc_rtcp_write_rr(w, t->cfg->ssrc, blocks, n);
  rtc_rtcp_write_sdes_cname(w, t->cfg->ssrc, t->cfg->cname);
}

static bool next_datagram(rtc_transport_t *t, rtc_pkt_t **k, rtc_wr_t *w) {
  end(t, *k, w);
  *k = begin(t, w);
  return *k != NULL;
}

static void send_reports(rtc_transport_t *t, rtc_time_t now) {
  rtc_wr_t w;
  rtc_pkt_t *k = begin(t, &w);
  if (!k) return;
  for (rtc_send_t *s = t->sends; s; s = s->next) {
    if (rtc_wr_left(&w) < 28 + SDES_ROOM + RR_ROOM && !next_datagram(t, &k, &w)) return;
    write_sr(s, &w, now);
  }
  rtc_recv_t *r = t->recvs;
  if (r || !rtc_wr_len(&w)) write_rr(t, &r, &w, now);
  while (r) {
    if (!next_datagram(t, &k, &w)) return;
    write_rr(t, &r, &w, now);
  }
  end(t, k, &w);
}

void rtc_report_soon(rtc_transport_t *t, rtc_time_t now) {
  if (!t->keyed) return;
  rtc_time_t at = now + RTC_REPORT_FIRST_US;
  if (t->report_at == RTC_NEVER || t->report_at > at) t->report_at = at;
  rtc_transport_arm(t);
}

/* What is paced beside forwarded media (repair) gets as much again as the media itself, and at least a floor; frames of our own,
 * which are all that there is, leave faster than they come. */
static void size_pacer(rtc_transport_t *t, rtc_time_t now) {
  if (t->pacer_fixed) return;
  uint64_t bytes = 0;
  bool own = false;
  for (rtc_send_t *s = t->sends; s; s = s->next) {
    bytes += s->bytes;
    own |= s->live && !s->source;
  }
  int64_t span = now - t->rate_at;
  if (span < RTC_MS(500)) return;
  int64_t bps = (int64_t)(bytes - t->rate_bytes) * 8 * 1000000 / span;
  if (own) bps = bps * 5 / 2;
  t->rate_at = now;
  t->rate_bytes = bytes;
  rtc_pacer_set_rate(&t->pacer, bps > RTC_PACER_START_BPS ? bps : RTC_PACER_START_BPS, now);
}

void rtc_report_tick(rtc_transport_t *t, rtc_time_t now) {
  if (t->arrival && rtc_arrival_next_at(t->arrival) <= now) send_twcc(t, now);
  for (rtc_recv_t *r = t->recvs; r; r = r->next) {
    if (r->nack && rtc_nack_next_at(r->nack) <= now) send_nack(r, now);
    if (rtc_tap_next_at(r) <= now) rtc_tap_tick(r, now);
    if (rtc_recv_tones_at(r) <= now) rtc_recv_tones(r, now);
    if (key_at(r) <= now) send_key_request(r, now);
  }
  for (rtc_send_t *s = t->sends; s; s = s->next) {
    if (rtc_send_key_at(s) <= now) rtc_send_tell_key(s, now);
    if (rtc_send_tone_at(s) <= now) rtc_send_tone_tick(s, now);
  }
  if (t->report_at > now) return;
  send_reports(t, now);
  size_pacer(t, now);
  t->report_at = now + RTC_REPORT_US * 3 / 4 + (rtc_time_t)(rtc_hub_draw(t->hub) % (RTC_REPORT_US / 2)); /* RFC 3550 §6.2: not in step */
}

rtc_time_t rtc_report_next_at(const rtc_transport_t *t) {
  rtc_time_t at = t->report_at;
  if (t->arrival) at = rtc_time_min(at, rtc_arrival_next_at(t->arrival));
  for (const rtc_recv_t *r = t->recvs; r; r = r->next) {
    at = rtc_time_min(at, rtc_time_min(key_at(r), rtc_tap_next_at(r)));
    at = rtc_time_min(at, rtc_recv_tones_at(r));
    if (r->nack) at = rtc_time_min(at, rtc_nack_next_at(r->nack));
  }
  for (const rtc_send_t *s = t->sends; s; s = s->next) at = rtc_time_min(at, rtc_time_min(rtc_send_key_at(s), rtc_send_tone_at(s)));
  return at;
}

void rtc_report_bye(rtc_transport_t *t, const rtc_send_t *only, rtc_time_t now) {
  (void)now;
  uint32_t ssrcs[31];
  int n = 0;
  for (rtc_send_t *s = t->sends; s && n < 31; s = s->next)
    if (s->live && (!only || s == only)) ssrcs[n++] = s->cfg.ssrc;
  if (!n) ssrcs[n++] = t->cfg->ssrc;
  rtc_wr_t w;
  rtc_pkt_t *k = begin(t, &w);
  if (!k) return;
  rtc_rtcp_write_rr(&w, t->cfg->ssrc, NULL, 0);
  rtc_rtcp_write_sdes_cname(&w, t->cfg->ssrc, t->cfg->cname);
  rtc_rtcp_write_bye(&w, ssrcs, n);
  end(t, k, &w);
}
