/* relay: one publisher's stream to its viewers. A viewer joins at a key frame; its numbers run on over sources and layers, so
 * that an SSRC never goes back. The shared packet is never changed: each viewer's own is built by send.c. */
#include "engine/state.h"

static void unlink_viewer(rtc_send_t *s) {
  *s->viewer_at = s->next_viewer;
  if (s->next_viewer) s->next_viewer->viewer_at = s->viewer_at;
  s->source = NULL;
  s->next_viewer = NULL;
  s->viewer_at = NULL;
}

static void link_viewer(rtc_send_t *s, rtc_recv_t *r) {
  s->source = r;
  s->next_viewer = r->viewers;
  s->viewer_at = &r->viewers;
  if (r->viewers) r->viewers->viewer_at = &s->next_viewer;
  r->viewers = s;
}

void rtc_relay_link(rtc_send_t *s, rtc_recv_t *r, rtc_time_t now) {
  if (s->source) unlink_viewer(s);
  /* What was sent came from numbers that mean something else from now on; the budget goes on. */
  uint64_t sent = s->rtx.sent_bytes, repaired = s->rtx.repaired_bytes, refused = s->rtx.refused;
  rtc_rtx_clear(&s->rtx);
  rtc_rtx_init(&s->rtx);
  s->rtx.sent_bytes = sent;
  s->rtx.repaired_bytes = repaired;
  s->rtx.refused = refused;
  s->waiting = true;
  if (!r) return;
  link_viewer(s, r);
  if (s->transport->keyed) rtc_send_on_key_wanted(s, now); /* else when it is */
}

/* From the source's number `at` on: our next number, and a time that goes on from the last by the clock. */
static void join(rtc_send_t *s, int64_t at, int64_t ts, rtc_time_t now) {
  s->waiting = false;
  s->from = at;
  s->seq_off = s->top + 1 - at;
  if (s->live) {
    int64_t gap = rtc_ticks(now - s->top_at, s->cfg.clock_rate);
    s->ts_off = s->top_ts + (gap > 0 ? gap : 1) - ts;
  } else {
    s->ts_off = 0;
  }
  if (s->source->transport->has_clock) rtc_report_soon(s->transport, now);
}

/* What is there from the joining point on: more than the packet at hand when that came late or lacks its parameter sets. */
static void catch_up(rtc_send_t *s, const rtc_media_t *m, int64_t ts, rtc_time_t now) {
  rtc_recv_t *r = s->source;
  for (int64_t i = s->from; i <= r->highest; i++) {
    rtc_media_t kept;
    rtc_pkt_t *k = i == m->index ? NULL : rtc_history_get(&r->history, i);
    if (i == m->index)
      rtc_send_packet(s, m, i + s->seq_off, ts + s->ts_off, now);
    else if (k && rtc_send_view(&kept, k, i, &r->transport->cfg->ext))
      rtc_send_packet(s, &kept, i + s->seq_off, rtc_ts_near(ts, kept.rtp.ts) + s->ts_off, now);
    else
      continue;
    r->transport->hub->st.forwarded++;
  }
}

void rtc_relay_forward(rtc_recv_t *r, const rtc_media_t *m, int64_t join_at, rtc_time_t now) {
  int64_t ts = rtc_ts_near(r->highest_ts, m->rtp.ts);
  for (rtc_send_t *s = r->viewers; s; s = s->next_viewer) {
    if (!s->transport->keyed) continue;
    if (s->waiting) {
      if (join_at < 0) continue;
      join(s, join_at, ts, now);
      catch_up(s, m, ts, now);
      continue;
    }
    if (m->index < s->from) continue;
    rtc_send_packet(s, m, m->index + s->seq_off, ts + s->ts_off, now);
    r->transport->hub->st.forwarded++;
  }
}
