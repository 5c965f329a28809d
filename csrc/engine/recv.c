/* recv: the way of a media packet inward: parse, open, find its stream, undo RTX, count, keep for repair, hand on. Nothing
 * is learnt from a packet before it has been opened. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

rtc_recv_t *rtc_recv_new(rtc_transport_t *t, uint32_t id, const rtc_recv_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!cfg->clock_rate || cfg->pt < 0 || cfg->pt > 127 || cfg->rtx_pt > 127 || cfg->codec >= RTC_CODEC_COUNT) return NULL;
  *err = RTC_ENOMEM;
  rtc_recv_t *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->id = id;
  r->transport = t;
  r->cfg = *cfg;
  r->ssrc = cfg->ssrc;
  r->rtx_ssrc = cfg->rtx_ssrc;
  r->highest = r->highest_ts = -1;
  r->key_asked = r->probe_at = RTC_NEVER;
  r->key_gap = RTC_KEY_GAP_US;
  rtc_rxstat_init(&r->stat, cfg->clock_rate);
  if (rtc_history_init(&r->history, cfg->video ? RTC_HISTORY_VIDEO : RTC_HISTORY_AUDIO) < 0) goto fail;
  if (cfg->nack) {
    r->nack = malloc(sizeof *r->nack);
    if (!r->nack) goto fail;
    rtc_nack_init(r->nack);
  }
  if (cfg->twcc && !t->arrival) {
    t->arrival = malloc(sizeof *t->arrival);
    if (!t->arrival) goto fail;
    rtc_arrival_init(t->arrival);
  }
  r->next = t->recvs;
  t->recvs = r;
  return r;
fail:
  rtc_history_clear(&r->history);
  free(r->nack);
  free(r);
  return NULL;
}

void rtc_recv_free(rtc_recv_t *r) {
  rtc_transport_t *t = r->transport;
  while (r->viewers) rtc_relay_link(r->viewers, NULL, 0);
  for (rtc_recv_t **at = &t->recvs; *at; at = &(*at)->next) {
    if (*at != r) continue;
    *at = r->next;
    break;
  }
  int n = 0;
  for (int i = 0; i < t->route_n; i++)
    if (t->route[i].recv != r) t->route[n++] = t->route[i];
  t->route_n = n;
  rtc_history_clear(&r->history);
  free(r->nack);
  free(r);
}

static bool same_text(const char *have, const uint8_t *p, size_t n) { return n && strlen(have) == n && memcmp(have, p, n) == 0; }

static bool takes_pt(const rtc_recv_t *r, uint8_t pt) { return r->cfg.pt == pt || r->cfg.rtx_pt == pt; }

/* Which section an SSRC belongs to (RFC 9143 §9.2): as declared, by MID with RID, by payload type when only one takes it. */
static rtc_recv_t *section_of(rtc_transport_t *t, const rtc_media_t *m) {
  uint32_t ssrc = m->rtp.ssrc;
  for (rtc_recv_t *r = t->recvs; r; r = r->next)
    if ((r->cfg.ssrc && r->cfg.ssrc == ssrc) || (r->cfg.rtx_ssrc && r->cfg.rtx_ssrc == ssrc)) return r;
  if (rtc_ext_has(&m->ext, RTC_EXT_MID)) {
    const uint8_t *mid = m->ext.p[RTC_EXT_MID];
    rtc_ext_t rid = rtc_ext_has(&m->ext, RTC_EXT_RRID) ? RTC_EXT_RRID : RTC_EXT_RID;
    for (rtc_recv_t *r = t->recvs; r; r = r->next) {
      if (!takes_pt(r, m->rtp.pt) || !same_text(r->cfg.mid, mid, m->ext.len[RTC_EXT_MID])) continue;
      if (!r->cfg.rid[0] || (rtc_ext_has(&m->ext, rid) && same_text(r->cfg.rid, m->ext.p[rid], m->ext.len[rid]))) return r;
    }
    return NULL;
  }
  rtc_recv_t *only = NULL;
  for (rtc_recv_t *r = t->recvs; r; r = r->next) {
    if (!takes_pt(r, m->rtp.pt)) continue;
    if (only) return NULL;
    only = r;
  }
  return only;
}

/* A new SSRC in a section that had another: the stream starts afresh, its viewers wait for a key frame. */
static void renew(rtc_recv_t *r, uint32_t ssrc, rtc_time_t now) {
  if (r->highest >= 0) {
    uint32_t cap = r->history.cap;
    rtc_history_clear(&r->history);
    if (rtc_history_init(&r->history, cap) < 0) r->history = (rtc_history_t){0};
    rtc_rxstat_init(&r->stat, r->cfg.clock_rate);
    if (r->nack) rtc_nack_init(r->nack);
    r->highest = r->highest_ts = -1;
    r->probe_at = RTC_NEVER;
    for (rtc_send_t *s = r->viewers, *next; s; s = next) {
      next = s->next_viewer;
      rtc_relay_link(s, r, now);
    }
  }
  r->ssrc = ssrc;
}

/* The stream of an SSRC: known, or learnt now (the packet is authentic). NULL: no section takes it, or too many SSRCs. */
static const rtc_route_t *route(rtc_transport_t *t, const rtc_media_t *m, rtc_time_t now) {
  for (int i = 0; i < t->route_n; i++)
    if (t->route[i].ssrc == m->rtp.ssrc) return &t->route[i];
  rtc_recv_t *r = section_of(t, m);
  if (!r || t->route_n == RTC_SSRC_ROUTES_MAX) return NULL;
  bool rtx = r->cfg.rtx_pt == m->rtp.pt;
  if (!rtx && m->rtp.ssrc != r->ssrc) renew(r, m->rtp.ssrc, now);
  if (rtx) r->rtx_ssrc = m->rtp.ssrc;
  rtc_route_t *e = &t->route[t->route_n++];
  *e = (rtc_route_t){m->rtp.ssrc, r, rtx};
  return e;
}

/* Turns an RTX packet into the one it repeats, in place (RFC 4588 §4). False: nothing in it (padding), or not ours. */
static bool undo_rtx(rtc_recv_t *r, rtc_media_t *m) {
  rtc_rtp_t *p = &m->rtp;
  if (p->payload_len == 0) return false;
  if (p->payload_len < 2 || r->highest < 0) {
    rtc_hub_drop(r->transport->hub, RTC_DROP_RTX_FORM);
    return false;
  }
  rtc_pkt_t *k = m->pkt;
  uint16_t seq = rtc_get16(k->data + p->hdr_len);
  memmove(k->data + 2, k->data, p->hdr_len);
  k->data += 2;
  k->len -= 2;
  p->payload_len = (uint16_t)(p->payload_len - 2);
  p->seq = seq;
  p->pt = (uint8_t)r->cfg.pt;
  p->ssrc = r->ssrc;
  k->data[1] = (uint8_t)((k->data[1] & 0x80) | p->pt);
  rtc_put16(k->data + 2, seq);
  rtc_put32(k->data + 8, r->ssrc);
  if (p->has_ext) rtc_rtpext_parse(&m->ext, p->ext_profile, k->data + p->ext_off, p->ext_len, &r->transport->cfg->ext);
  m->index = rtc_seq_near(r->highest, seq);
  m->repaired = true;
  return true;
}

static void learn_round_trip(rtc_recv_t *r, int64_t index, rtc_time_t now) {
  if (r->probe_at == RTC_NEVER) return;
  if (index == r->probe_seq) {
    rtc_time_t sample = now - r->probe_at;
    rtc_transport_t *t = r->transport;
    t->rtt_us = t->rtt_us ? (t->rtt_us * 7 + sample) / 8 : sample;
    r->probe_at = RTC_NEVER;
  } else if (now - r->probe_at > RTC_SEC(1)) {
    r->probe_at = RTC_NEVER;
  }
}

static void on_media(rtc_recv_t *r, rtc_media_t *m, rtc_time_t now) {
  rtc_transport_t *t = r->transport;
  if (m->rtp.pt != r->cfg.pt) {
    rtc_hub_drop(t->hub, RTC_DROP_RTP_PT);
    return;
  }
  if (m->index < 0 || (r->highest >= 0 && m->index <= r->highest - (int64_t)r->history.cap) || rtc_history_get(&r->history, m->index)) {
    r->stat.repeated++;
    return;
  }
  if (m->repaired) learn_round_trip(r, m->index, now);
  int64_t ts = r->highest_ts < 0 ? (int64_t)m->rtp.ts : rtc_ts_near(r->highest_ts, m->rtp.ts);
  if (r->highest < 0) {
    r->active_event = true;
    rtc_hub_touch(t);
  }
  if (m->index > r->highest) {
    if (ts != r->highest_ts) r->frames++;
    r->highest = m->index;
    r->highest_ts = ts;
  }
  r->last = now;
  r->bytes += m->rtp.payload_len;
  if (!t->first_media) {
    t->first_media = now;
    rtc_hub_touch(t);
  }
  rtc_rxstat_on_packet(&r->stat, m->index, ts, m->rtp.payload_len, now);
  rtc_payload_info_t info = rtc_payload_look((rtc_codec_t)r->cfg.codec, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len);
  if (r->nack) rtc_nack_on_packet(r->nack, m->index, now);
  if (info.start && info.key && r->cfg.video) {
    r->key_frames++;
    r->key_wanted = false;
    r->key_gap = RTC_KEY_GAP_US;
    if (r->nack) rtc_nack_on_key(r->nack, m->index);
  }
  if (r->history.cap) rtc_history_put(&r->history, m->index, m->pkt);
  rtc_relay_forward(r, m, info.start, info.key, now);
}

static rtc_drop_t why_not(int err) {
  return err == RTC_EREPLAY ? RTC_DROP_RTP_REPLAY : err == RTC_EAUTH ? RTC_DROP_RTP_AUTH : RTC_DROP_RTP_FORM;
}

void rtc_recv_rtp(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  rtc_media_t m = {.pkt = k};
  h->st.rtp_in++;
  if (rtc_rtp_parse(&m.rtp, k->data, k->len) < 0) {
    rtc_hub_drop(h, RTC_DROP_RTP_FORM);
    return;
  }
  int n = rtc_srtp_unprotect(&t->rx, k->data, k->len, &m.index);
  if (n < 0) {
    rtc_hub_drop(h, why_not(n));
    return;
  }
  rtc_transport_on_heard(t, &k->path, now);
  uint32_t wire_len = k->len;
  k->len = (uint32_t)n;
  if (rtc_rtp_parse_payload(&m.rtp, k->data, k->len) < 0) {
    rtc_hub_drop(h, RTC_DROP_RTP_FORM);
    return;
  }
  if (m.rtp.padding) { /* of use on the wire alone */
    k->len -= m.rtp.pad_len;
    k->data[0] &= 0xdf;
    m.rtp.padding = false;
  }
  if (m.rtp.has_ext) rtc_rtpext_parse(&m.ext, m.rtp.ext_profile, k->data + m.rtp.ext_off, m.rtp.ext_len, &t->cfg->ext);
  if (t->arrival && rtc_ext_has(&m.ext, RTC_EXT_TWCC) && m.ext.len[RTC_EXT_TWCC] >= 2) {
    rtc_arrival_on_packet(t->arrival, rtc_get16(m.ext.p[RTC_EXT_TWCC]), wire_len, k->at);
    t->fb_media = m.rtp.ssrc;
  }
  const rtc_route_t *e = route(t, &m, now);
  if (!e) {
    rtc_hub_drop(h, RTC_DROP_RTP_STREAM);
    return;
  }
  rtc_recv_t *r = e->recv;
  if (e->rtx) {
    r->rtx_packets++;
    if (!undo_rtx(r, &m)) return;
  }
  on_media(r, &m, now);
}

void rtc_recv_ask_key(rtc_recv_t *r, rtc_time_t now) {
  (void)now;
  if (!r->cfg.video || r->key_wanted) return;
  r->key_wanted = true;
  rtc_transport_arm(r->transport);
}
