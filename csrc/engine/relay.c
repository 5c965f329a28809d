/* relay: one publisher's stream to its viewers. A viewer joins at a key frame; its numbers run on over sources and layers, so
 * that an SSRC never goes back. The shared packet is never changed: each viewer's own is built by send.c. */
#include <stdlib.h>

#include "engine/state.h"

/* What was sent came from numbers that mean something else from now on; the budget goes on. */
static void begin_afresh(rtc_send_t *s) {
  uint64_t sent = s->rtx.sent_bytes, repaired = s->rtx.repaired_bytes, refused = s->rtx.refused;
  rtc_rtx_clear(&s->rtx);
  rtc_rtx_init(&s->rtx);
  s->rtx.sent_bytes = sent;
  s->rtx.repaired_bytes = repaired;
  s->rtx.refused = refused;
  s->waiting = true;
}

void rtc_relay_renew(rtc_send_t *s, rtc_time_t now) {
  begin_afresh(s);
  if (s->transport->keyed) rtc_send_on_key_wanted(s, now); /* else when it is */
}

/* The last one takes the place of who leaves: their order means nothing. */
void rtc_relay_unlink(rtc_send_t *s) {
  rtc_recv_t *r = s->source;
  if (!r) return;
  rtc_send_t *last = r->viewers[--r->viewer_n];
  r->viewers[s->viewer_at] = last;
  last->viewer_at = s->viewer_at;
  s->source = NULL;
  begin_afresh(s);
}

static bool has_room(rtc_recv_t *r) {
  if (r->viewer_n < r->viewer_cap) return true;
  uint32_t cap = r->viewer_cap ? 2 * r->viewer_cap : 8;
  rtc_send_t **v = realloc(r->viewers, cap * sizeof *v);
  if (!v) return false;
  r->viewers = v;
  r->viewer_cap = cap;
  return true;
}

/* r, which has room, is the source from now on. */
static void take(rtc_send_t *s, rtc_recv_t *r) {
  rtc_relay_unwant(s);
  rtc_relay_unlink(s);
  s->source = r;
  s->viewer_at = r->viewer_n;
  r->viewers[r->viewer_n++] = s;
}

static void want(rtc_send_t *s, rtc_recv_t *r) {
  rtc_relay_unwant(s);
  s->wanted = r;
  s->want_next = r->wanted_by;
  s->want_at = &r->wanted_by;
  if (s->want_next) s->want_next->want_at = &s->want_next;
  r->wanted_by = s;
}

void rtc_relay_unwant(rtc_send_t *s) {
  if (!s->wanted) return;
  *s->want_at = s->want_next;
  if (s->want_next) s->want_next->want_at = s->want_at;
  s->wanted = NULL;
}

int rtc_relay_link(rtc_send_t *s, rtc_recv_t *r, rtc_time_t now) {
  if (s->source == r) {
    rtc_relay_unwant(s);
    return 0;
  }
  if (s->source && !s->waiting && s->cfg.video) { /* a picture goes on until there is the other one */
    want(s, r);
    rtc_recv_ask_key(r);
    return 0;
  }
  if (!has_room(r)) return RTC_ENOMEM;
  take(s, r);
  rtc_relay_renew(s, now);
  return 0;
}

/* The time to change has come. Who finds no memory waits for the next key frame. */
static void take_wanting(rtc_recv_t *r) {
  while (r->wanted_by && has_room(r)) {
    rtc_send_t *s = r->wanted_by;
    take(s, r);
    begin_afresh(s);
  }
}

/* Who wants another source has it without a source that runs. */
static void leave(rtc_send_t *s) {
  rtc_recv_t *next = s->wanted;
  rtc_relay_unlink(s);
  if (next && has_room(next)) take(s, next);
}

void rtc_relay_ended(rtc_recv_t *r) {
  while (r->wanted_by) rtc_relay_unwant(r->wanted_by);
  while (r->viewer_n) leave(r->viewers[r->viewer_n - 1]);
  free(r->viewers);
  r->viewers = NULL;
  r->viewer_cap = 0;
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

/* What forwarding to a viewer touches; senders and their transports lie anywhere. */
static void fetch(const rtc_send_t *s) {
  __builtin_prefetch(&s->transport);
  __builtin_prefetch(&s->top, 1);
  __builtin_prefetch(&s->shape);
  __builtin_prefetch(&s->cfg.pt);
}

static void fetch_transport(const rtc_transport_t *t) {
  __builtin_prefetch(&t->keyed);
  __builtin_prefetch(&t->out_path, 1);
  __builtin_prefetch(&t->path);
}

/* A second one for the same packet may have taken the place of the first. */
static rtc_fan_t *another_fan(rtc_hub_t *h, const rtc_media_t *m, rtc_fan_t **first) {
  rtc_fan_t *f = rtc_out_fan(h, m);
  if (h->out.fan_n == 1) *first = NULL;
  return f;
}

void rtc_relay_forward(rtc_recv_t *r, const rtc_media_t *m, int64_t join_at, rtc_time_t now) {
  enum { AHEAD = 4 };
  int64_t ts = rtc_ts_near(r->highest_ts, m->rtp.ts);
  rtc_hub_t *h = r->transport->hub;
  rtc_fan_t *f = NULL, *doubled = NULL; /* doubled: with what it repeats */
  rtc_media_t whole;
  if (join_at >= 0 && r->wanted_by) take_wanting(r);
  for (uint32_t i = 0; i < r->viewer_n; i++) {
    if (i + AHEAD < r->viewer_n) fetch(r->viewers[i + AHEAD]);
    if (i + AHEAD / 2 < r->viewer_n) fetch_transport(r->viewers[i + AHEAD / 2]->transport);
    rtc_send_t *s = r->viewers[i];
    if (!s->transport->keyed) continue;
    if (s->waiting) {
      if (join_at < 0) continue;
      join(s, join_at, ts, now);
      catch_up(s, m, ts, now);
      continue;
    }
    if (m->index < s->from) continue;
    const bool wanted = rtc_redundant_wanted(s, m);
    if (wanted && !doubled) doubled = another_fan(h, rtc_redundant_whole(m, &whole), &f);
    if (!wanted && !f) f = another_fan(h, m, &doubled);
    rtc_send_forward(s, wanted ? doubled : f, m->index + s->seq_off, ts + s->ts_off, now);
    h->st.forwarded++;
  }
}
