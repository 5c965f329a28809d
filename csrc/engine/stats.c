/* stats: copies counters out; the hub's own first, then one row a transport, receiver and sender. */
#include "engine/state.h"

static void of_transport(const rtc_transport_t *t, rtc_transport_stats_t *o) {
  *o = (rtc_transport_stats_t){.id = t->id,
                               .state = t->state,
                               .has_path = t->has_path,
                               .path = t->path,
                               .in_packets = t->in_packets,
                               .in_bytes = t->in_bytes,
                               .out_packets = t->out_packets,
                               .out_bytes = t->out_bytes,
                               .heard = t->heard,
                               .added = t->added,
                               .connected = t->connected,
                               .rtt_us = t->rtt_us,
                               .srtp_profile = t->profile,
                               .dtls_client = t->cfg->dtls_client,
                               .pacer_bps = t->pacer.rate_bps,
                               .twcc_sent = t->twcc_sent,
                               .twcc_received = t->twcc_received,
                               .twcc_told = t->twcc_told,
                               .twcc_missing = t->twcc_missing};
  rtc_way_stats(t, o);
}

static void of_recv(const rtc_recv_t *r, rtc_recv_stats_t *o) {
  *o = (rtc_recv_stats_t){.id = r->id,
                          .transport = r->transport->id,
                          .ssrc = r->ssrc,
                          .packets = r->packets,
                          .bytes = r->bytes,
                          .repeated = r->repeated,
                          .lost = r->highest < 0 ? 0 : rtc_rxstat_lost(&r->stat),
                          .jitter_s = r->stat.jitter / r->cfg.clock_rate,
                          .rtx_packets = r->rtx_packets,
                          .rtx_bytes = r->rtx_bytes,
                          .came_packets = r->came_packets,
                          .came_bytes = r->came_bytes,
                          .red_blocks = r->red_blocks,
                          .red_bytes = r->red_bytes,
                          .nacks = r->nacks,
                          .nack_messages = r->nack_messages,
                          .pli = r->pli,
                          .fir = r->fir,
                          .frames = r->frames,
                          .key_frames = r->key_frames,
                          .width = r->size.width,
                          .height = r->size.height,
                          .last = r->last,
                          .sr_n = r->sr_n,
                          .sr_packets = r->sr_packets,
                          .sr_bytes = r->sr_bytes,
                          .sr_ntp = r->stat.sr_ntp,
                          .sr_at = r->sr_n ? r->stat.sr_at : 0};
  const rtc_tap_t *p = r->tap;
  if (!p) return;
  o->frames_given = p->given;
  o->frames_dropped = p->dropped + p->ready.dropped;
  o->frames_late = p->buf.given_up;
  o->frames_broken = p->broken;
  o->frames_restored = p->restored;
}

static void of_send(const rtc_send_t *s, rtc_send_stats_t *o) {
  *o = (rtc_send_stats_t){.id = s->id,
                          .transport = s->transport->id,
                          .ssrc = s->cfg.ssrc,
                          .source = s->source ? s->source->id : 0,
                          .packets = s->packets,
                          .bytes = s->bytes,
                          .rtx_packets = s->rtx_packets,
                          .rtx_bytes = s->rtx_bytes,
                          .rtx_refused = s->rtx.refused,
                          .nacks = s->nacks,
                          .nack_messages = s->nack_messages,
                          .pli = s->pli,
                          .fir = s->fir,
                          .lost = s->lost,
                          .fraction_lost = s->fraction_lost,
                          .jitter_s = s->jitter_s,
                          .rtt_us = s->rtt_us,
                          .reports = s->reports,
                          .report = s->reported,
                          .rtt_n = s->rtt_n,
                          .rtt_sum_us = s->rtt_sum_us,
                          .remb_bps = s->remb_bps,
                          .waiting = s->waiting};
}

static void rows_of(const rtc_transport_t *t, rtc_stats_t *s) {
  if (t->state == RTC_T_CLOSED) return;
  if (s->transport_n < s->transport_cap) of_transport(t, &s->transport[s->transport_n]);
  s->transport_n++;
  for (const rtc_recv_t *r = t->recvs; r; r = r->next, s->recv_n++)
    if (s->recv_n < s->recv_cap) of_recv(r, &s->recv[s->recv_n]);
  for (const rtc_send_t *o = t->sends; o; o = o->next, s->send_n++)
    if (s->send_n < s->send_cap) of_send(o, &s->send[s->send_n]);
}

void rtc_stats_fill(rtc_hub_t *h, uint32_t id, rtc_stats_t *s, rtc_time_t now) {
  s->hub = h->st;
  s->hub.now = now;
  s->hub.pool_used = rtc_pool_used(h->pool);
  s->transport_n = s->recv_n = s->send_n = 0;
  uint32_t pos = 0;
  const rtc_transport_t *t;
  if (id) {
    if ((t = rtc_map_get(&h->transports, &id))) rows_of(t, s);
    return;
  }
  while ((t = rtc_map_next(&h->transports, &pos))) rows_of(t, s);
}
