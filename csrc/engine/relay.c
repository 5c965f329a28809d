/* relay: one publisher's stream to its viewers. A viewer joins at a key frame; its numbers run on over sources and layers, so
 * that an SSRC never goes back. The shared packet is never changed: each viewer's own is built by send.c. */
#include "engine/state.h"

static void unlink_viewer(rtc_send_t *s) {
  for (rtc_send_t **at = &s->source->viewers; *at; at = &(*at)->next_viewer) {
    if (*at != s) continue;
    *at = s->next_viewer;
    break;
  }
  s->source = NULL;
  s->next_viewer = NULL;
}

void rtc_relay_link(rtc_send_t *s, rtc_recv_t *r, rtc_time_t now) {
  if (s->source) unlink_viewer(s);
  /* What was sent came from numbers that mean something else from now on; the budget goes on. */
  uint64_t sent = s->rtx.sent_bytes, repaired = s->rtx.repaired_bytes;
  rtc_rtx_clear(&s->rtx);
  rtc_rtx_init(&s->rtx);
  s->rtx.sent_bytes = sent;
  s->rtx.repaired_bytes = repaired;
  s->waiting = true;
  if (!r) return;
  s->source = r;
  s->next_viewer = r->viewers;
  r->viewers = s;
  rtc_recv_ask_key(r, now);
}

/* From this packet on: our next number and a time that goes on from the last by the clock. */
static void join(rtc_send_t *s, const rtc_media_t *m, int64_t ts, rtc_time_t now) {
  s->waiting = false;
  s->from = m->index;
  s->seq_off = s->top + 1 - m->index;
  if (s->live) {
    int64_t gap = (now - s->top_at) * (int64_t)s->cfg.clock_rate / 1000000;
    s->ts_off = s->top_ts + (gap > 0 ? gap : 1) - ts;
  } else {
    s->ts_off = 0;
  }
  s->said_sr = false;
}

void rtc_relay_forward(rtc_recv_t *r, const rtc_media_t *m, bool start, bool key, rtc_time_t now) {
  int64_t ts = rtc_ts_near(r->highest_ts, m->rtp.ts);
  for (rtc_send_t *s = r->viewers; s; s = s->next_viewer) {
    if (!s->transport->keyed) continue;
    if (s->waiting) {
      if (r->cfg.video && !(start && key)) continue;
      join(s, m, ts, now);
    }
    if (m->index < s->from) continue;
    rtc_send_packet(s, m, m->index + s->seq_off, ts + s->ts_off, now);
    r->transport->hub->st.forwarded++;
  }
}
