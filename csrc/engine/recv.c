/* recv: the way of a media packet inward: parse, open, find its stream, undo RTX, count, keep for repair, hand on. Nothing
 * is learnt from a packet before it has been opened. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"
#include "wire/depdesc.h"

static bool sound(const rtc_recv_cfg_t *c) {
  if (!c->clock_rate || c->pt < 0 || c->pt > 127 || c->rtx_pt > 127 || c->codec >= RTC_CODEC_COUNT || c->other_n > RTC_RECV_OTHERS)
    return false;
  for (int i = 0; i < c->other_n; i++) {
    const rtc_recv_pt_t *o = &c->other[i];
    if (!o->clock_rate || o->pt < 0 || o->pt > 127 || o->rtx_pt > 127 || o->codec >= RTC_CODEC_COUNT) return false;
  }
  if (c->tone_n > RTC_RECV_TONES) return false;
  for (int i = 0; i < c->tone_n; i++)
    if (!c->tone[i].rate || c->tone[i].pt < 0 || c->tone[i].pt > 127) return false;
  return !c->has_red || (!c->video && c->red_pt >= 0 && c->red_pt <= 127);
}

rtc_recv_t *rtc_recv_new(rtc_transport_t *t, uint32_t id, const rtc_recv_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!sound(cfg)) return NULL;
  *err = RTC_ENOMEM;
  rtc_recv_t *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->id = id;
  r->transport = t;
  r->cfg = *cfg;
  r->ssrc = cfg->ssrc;
  r->rtx_ssrc = cfg->rtx_ssrc;
  r->highest = r->highest_ts = r->probe_seq = r->key_ts = -1;
  r->key_asked = r->probe_at = RTC_NEVER;
  r->key_gap = RTC_KEY_GAP_US;
  rtc_rxstat_init(&r->stat, cfg->clock_rate);
  if (rtc_keep_open(t->hub, &r->history, cfg->video ? RTC_HISTORY_VIDEO : RTC_HISTORY_AUDIO) < 0) goto fail;
  t->wants_arrivals = t->wants_arrivals || cfg->twcc;
  if (cfg->frames && rtc_tap_open(r) < 0) goto fail;
  r->next = t->recvs;
  t->recvs = r;
  return r;
fail:
  rtc_keep_close(t->hub, &r->history);
  free(r);
  return NULL;
}

void rtc_recv_free(rtc_recv_t *r) {
  rtc_transport_t *t = r->transport;
  rtc_tap_close(r);
  rtc_relay_ended(r);
  for (rtc_recv_t **at = &t->recvs; *at; at = &(*at)->next) {
    if (*at != r) continue;
    *at = r->next;
    break;
  }
  for (int i = 0; i < t->route_n; i++)
    if (t->route[i].recv == r) t->route[i].recv = NULL; /* what is still on its way is no stream of another section */
  rtc_keep_close(t->hub, &r->history);
  free(r->nack);
  free(r->tones);
  free(r);
}

static bool same_text(const char *have, const uint8_t *p, size_t n) { return n && strlen(have) == n && memcmp(have, p, n) == 0; }

/* Place among the others of the one with this payload type, as media or as its repair; -1: none. */
static int other_of(const rtc_recv_t *r, uint8_t pt, bool rtx) {
  for (int i = 0; i < r->cfg.other_n; i++)
    if ((rtx ? r->cfg.other[i].rtx_pt : r->cfg.other[i].pt) == pt) return i;
  return -1;
}

static bool repairs_pt(const rtc_recv_t *r, uint8_t pt) { return r->cfg.rtx_pt == pt || other_of(r, pt, true) >= 0; }

/* Units of duration a second of the telephone events with this payload type; 0: it is none of theirs. */
static uint32_t tone_rate(const rtc_recv_t *r, uint8_t pt) {
  for (int i = 0; i < r->cfg.tone_n; i++)
    if (r->cfg.tone[i].pt == pt) return r->cfg.tone[i].rate;
  return 0;
}

static bool is_red(const rtc_recv_t *r, uint8_t pt) { return r->cfg.has_red && r->cfg.red_pt == pt; }

static bool takes_pt(const rtc_recv_t *r, uint8_t pt) {
  return r->cfg.pt == pt || other_of(r, pt, false) >= 0 || repairs_pt(r, pt) || tone_rate(r, pt) || is_red(r, pt);
}

/* Which section an SSRC belongs to (RFC 9143 §9.2): as declared, by MID with RID, or a guess: by payload type when only one takes it. */
static rtc_recv_t *section_of(rtc_transport_t *t, const rtc_media_t *m, bool *guessed) {
  uint32_t ssrc = m->rtp.ssrc;
  *guessed = false;
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
  *guessed = true;
  for (rtc_recv_t *r = t->recvs; r; r = r->next) {
    if (!takes_pt(r, m->rtp.pt)) continue;
    if (only) return NULL;
    only = r;
  }
  return only;
}

/* Another SSRC in a section that had one: the stream starts afresh, its viewers wait for a key frame. */
static void renew(rtc_recv_t *r, uint32_t ssrc, rtc_time_t now) {
  if (r->highest >= 0) {
    rtc_keep_empty(&r->history);
    rtc_rxstat_init(&r->stat, r->cfg.clock_rate);
    if (r->nack) rtc_nack_init(r->nack);
    if (r->tones) rtc_tone_rx_renew(r->tones);
    rtc_tap_renew(r);
    r->reported = 0;
    r->sr_n = r->sr_packets = r->sr_bytes = 0;
    r->highest = r->highest_ts = r->probe_seq = r->key_ts = -1;
    r->probe_at = RTC_NEVER;
    r->key_gap = RTC_KEY_GAP_US;
    r->key_tries = 0;
    r->rtx_ssrc = ssrc == r->cfg.ssrc ? r->cfg.rtx_ssrc : 0;
    for (uint32_t i = 0; i < r->viewer_n; i++) rtc_relay_renew(r->viewers[i], now);
  }
  r->ssrc = ssrc;
  r->since = now;
}

/* Few at first, since most peers send one or two. */
static bool has_room(rtc_transport_t *t) {
  if (t->route_n < t->route_room) return true;
  const int more = t->route_room ? RTC_SSRC_ROUTES_MAX : RTC_SSRC_ROUTES_FEW;
  rtc_route_t *grown = more > t->route_room ? realloc(t->route, (size_t)more * sizeof *grown) : NULL;
  if (!grown) return false;
  t->route = grown;
  t->route_room = more;
  return true;
}

/* Makes room for one more SSRC: the one that was silent longest goes, but none that is in use. NULL: all are. */
static rtc_route_t *free_route(rtc_transport_t *t) {
  if (has_room(t)) return &t->route[t->route_n++];
  rtc_route_t *idlest = NULL;
  for (int i = 0; i < t->route_n; i++) {
    rtc_route_t *e = &t->route[i];
    if (e->recv && e->ssrc == (e->rtx ? e->recv->rtx_ssrc : e->recv->ssrc)) continue;
    if (!idlest || e->used < idlest->used) idlest = e;
  }
  return idlest;
}

/* An SSRC that is new here (the packet is authentic). NULL: no section takes it. A new one is what its section goes on with. */
static rtc_route_t *learn(rtc_transport_t *t, const rtc_media_t *m, rtc_time_t now) {
  bool guessed;
  rtc_recv_t *r = section_of(t, m, &guessed);
  rtc_route_t *e = r ? free_route(t) : NULL;
  if (!e) return NULL;
  *e = (rtc_route_t){.ssrc = m->rtp.ssrc, .recv = r, .rtx = repairs_pt(r, m->rtp.pt)};
  if (e->rtx)
    r->rtx_ssrc = e->ssrc;
  else if (e->ssrc != r->ssrc)
    renew(r, e->ssrc, now);
  return e;
}

/* Of a section that has ended: some packets are on their way still, and a peer sends on until it has heard of it. Without a MID,
 * which senders leave out once it has been told, they look like those of whichever section takes their payload type. */
static bool is_left_over(rtc_transport_t *t, const rtc_media_t *m, rtc_time_t now) {
  bool guessed;
  const rtc_recv_t *r = section_of(t, m, &guessed);
  return !r || (guessed && r->highest >= 0 && now - r->last < RTC_SSRC_QUIET_US);
}

/* A section has one SSRC (and one for RTX) at a time. What still comes under a former one must not be taken for the present one's;
 * only when that has fallen silent it is used again. */
static bool is_current(rtc_route_t *e, rtc_time_t now) {
  rtc_recv_t *r = e->recv;
  if (e->ssrc == (e->rtx ? r->rtx_ssrc : r->ssrc)) return true;
  if (now - (e->rtx ? r->since : r->last) < RTC_SSRC_QUIET_US) return false;
  if (!e->rtx)
    renew(r, e->ssrc, now);
  else if (r->rtx_ssrc)
    return false;
  else
    r->rtx_ssrc = e->ssrc;
  return true;
}

/* The codec has changed: what was kept of the one before is of no use, numbers and SSRCs go on. */
static void begin_codec(rtc_recv_t *r, rtc_time_t now) {
  uint32_t rtx_ssrc = r->rtx_ssrc;
  renew(r, r->ssrc, now);
  r->rtx_ssrc = rtx_ssrc;
  rtc_rxstat_init(&r->stat, r->cfg.clock_rate);
  (void)rtc_tap_codec(r); /* out of memory: no frames any more, packets all the same */
}

/* The i-th of the others and the one in use change places. */
static void use_other(rtc_recv_cfg_t *c, int i) {
  rtc_recv_pt_t had = {c->codec, c->pt, c->rtx_pt, c->clock_rate}, *o = &c->other[i];
  c->codec = o->codec;
  c->pt = o->pt;
  c->rtx_pt = o->rtx_pt;
  c->clock_rate = o->clock_rate;
  *o = had;
}

/* The peer goes on with another payload type. One of before that comes late changes nothing. */
static bool change_pt(rtc_recv_t *r, const rtc_media_t *m, rtc_time_t now) {
  int i = other_of(r, m->rtp.pt, false);
  if (i < 0 || m->index <= r->highest) return false;
  use_other(&r->cfg, i);
  begin_codec(r, now);
  return true;
}

int rtc_recv_agree(rtc_recv_t *r, const rtc_recv_cfg_t *cfg, rtc_time_t now) {
  rtc_transport_t *t = r->transport;
  if (!sound(cfg) || cfg->video != r->cfg.video) return RTC_EINVAL;
  t->wants_arrivals = t->wants_arrivals || cfg->twcc;
  if (!cfg->nack) {
    free(r->nack);
    r->nack = NULL;
  }
  rtc_recv_cfg_t had = r->cfg;
  r->cfg = *cfg;
  r->cfg.frames = had.frames;
  /* The one in use goes on being it, whatever place it has now. */
  for (int i = 0; i < cfg->other_n && had.pt != cfg->pt; i++) {
    if (cfg->other[i].pt != had.pt || cfg->other[i].codec != had.codec) continue;
    use_other(&r->cfg, i);
    break;
  }
  if (cfg->ssrc && cfg->ssrc != had.ssrc && cfg->ssrc != r->ssrc) {
    r->ssrc = cfg->ssrc; /* declared anew */
    r->rtx_ssrc = cfg->rtx_ssrc;
  } else if (cfg->rtx_ssrc && cfg->ssrc == r->ssrc) {
    r->rtx_ssrc = cfg->rtx_ssrc;
  }
  if (r->cfg.codec != had.codec || r->cfg.clock_rate != had.clock_rate) begin_codec(r, now);
  return 0;
}

/* The stream that a packet belongs to; NULL: none, and counted. */
static const rtc_route_t *route(rtc_transport_t *t, rtc_media_t *m, rtc_time_t now) {
  rtc_route_t *e = NULL;
  for (int i = 0; i < t->route_n && !e; i++)
    if (t->route[i].ssrc == m->rtp.ssrc) e = &t->route[i];
  if (e && !e->recv) {
    e->used = now;
    if (is_left_over(t, m, now)) {
      rtc_hub_drop(t->hub, RTC_DROP_RTP_STREAM);
      return NULL;
    }
    *e = t->route[--t->route_n];
    e = NULL;
  }
  /* An SSRC follows the MID that it carries (RFC 9143 §9.2). */
  if (e && rtc_ext_has(&m->ext, RTC_EXT_MID) && e->recv->cfg.mid[0] &&
      !same_text(e->recv->cfg.mid, m->ext.p[RTC_EXT_MID], m->ext.len[RTC_EXT_MID])) {
    *e = t->route[--t->route_n];
    e = NULL;
  }
  if (!e) e = learn(t, m, now);
  if (!e || !is_current(e, now)) {
    rtc_hub_drop(t->hub, RTC_DROP_RTP_STREAM);
    return NULL;
  }
  e->used = now;
  if (!e->rtx && is_red(e->recv, m->rtp.pt) && !rtc_redundant_open(e->recv, m)) {
    rtc_hub_drop(t->hub, RTC_DROP_RED_FORM);
    return NULL;
  }
  if (m->rtp.pt == (e->rtx ? e->recv->cfg.rtx_pt : e->recv->cfg.pt)) return e;
  if (!e->rtx && (tone_rate(e->recv, m->rtp.pt) || change_pt(e->recv, m, now))) return e;
  rtc_hub_drop(t->hub, RTC_DROP_RTP_PT);
  return NULL;
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

/* The first number of the frame that m starts. In H.264 and H.265 parameter sets may go before it in packets of their own, lost ones too:
 * what follows the last packet of an earlier time may be one. */
static int64_t first_of_frame(const rtc_recv_t *r, const rtc_media_t *m) {
  enum { LOOK_BACK = 16 };
  if (!rtc_codec_has_sets(r->cfg.codec)) return m->index;
  for (int64_t i = m->index - 1; i >= m->index - LOOK_BACK; i--) {
    const rtc_pkt_t *k = rtc_history_get(&r->history, i);
    if (k && rtc_get32(k->data + 4) != m->rtp.ts) return i + 1;
  }
  return m->index;
}

static bool is_described(const rtc_recv_t *r, const rtc_media_t *m) { return r->cfg.video && rtc_ext_has(&m->ext, RTC_EXT_DEPENDENCY); }

/* What m starts: as its sender says, since the payload may be encrypted for others, else by the payload. */
static rtc_payload_info_t look(const rtc_recv_t *r, const rtc_media_t *m) {
  rtc_depdesc_t d;
  if (is_described(r, m) && rtc_depdesc_look(&d, m->ext.p[RTC_EXT_DEPENDENCY], m->ext.len[RTC_EXT_DEPENDENCY]) == 0)
    return (rtc_payload_info_t){.start = d.start, .key = d.start && d.key};
  return rtc_payload_look((rtc_codec_t)r->cfg.codec, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len);
}

/* How large the pictures are that m, which starts a key frame, begins. */
static rtc_picture_size_t size_of(const rtc_recv_t *r, const rtc_media_t *m) {
  if (is_described(r, m)) {
    rtc_depdesc_t d;
    rtc_depdesc_structure_t s = {0};
    int err = rtc_depdesc_parse(&d, &s, m->ext.p[RTC_EXT_DEPENDENCY], m->ext.len[RTC_EXT_DEPENDENCY]);
    if (err == 0 && s.sized) return rtc_picture_size(s.width[s.spatial_n - 1], s.height[s.spatial_n - 1]);
  }
  return rtc_payload_size((rtc_codec_t)r->cfg.codec, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len);
}

/* Number from which a viewer may begin with m, or -1. Counts key frames. */
static int64_t key_frame(rtc_recv_t *r, const rtc_media_t *m, int64_t ts) {
  if (!r->cfg.video) return m->index;
  if (!m->info.start || !m->info.key) return -1;
  int64_t first = first_of_frame(r, m);
  if (ts != r->key_ts) r->key_frames++;
  rtc_picture_size_t size = size_of(r, m);
  if (size.width) r->size = size;
  r->key_ts = ts;
  r->key_wanted = false;
  r->key_gap = RTC_KEY_GAP_US;
  r->key_tries = 0;
  if (r->nack) rtc_nack_on_key(r->nack, first);
  return first;
}

static void on_first(rtc_recv_t *r) {
  r->active_event = true;
  rtc_hub_touch(r->transport);
}

static void open_nack(rtc_recv_t *r) {
  r->nack = malloc(sizeof *r->nack);
  if (r->nack) rtc_nack_init(r->nack);
}

/* How long after its RTP time a packet was sent: an event keeps that of its beginning. */
static int64_t age_of(const rtc_recv_t *r, const rtc_media_t *m) {
  rtc_telephone_t e;
  if (m->rtp.pt == r->cfg.pt) return 0;
  return rtc_telephone_parse(&e, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len) < 0 ? 0 : e.duration;
}

/* A telephone event: its number is one of the stream's, but nothing in it is for a decoder. */
static void on_tone(rtc_recv_t *r, const rtc_media_t *m, int64_t ts, rtc_time_t now) {
  rtc_telephone_t e;
  rtc_media_t empty = *m;
  empty.rtp.payload_len = 0;
  if (r->tap) rtc_tap_on_packet(r, &empty, ts, now);
  if (rtc_telephone_parse(&e, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len) < 0) return;
  if (!r->tones) {
    r->tones = malloc(sizeof *r->tones);
    if (!r->tones) return;
    rtc_tone_rx_init(r->tones);
  }
  rtc_tone_rx_on_packet(r->tones, &e, ts, m->rtp.marker, tone_rate(r, m->rtp.pt), now);
  if (r->tones->n) rtc_hub_touch(r->transport);
  rtc_transport_arm(r->transport);
}

void rtc_recv_tones(rtc_recv_t *r, rtc_time_t now) {
  rtc_tone_rx_tick(r->tones, now);
  if (r->tones->n) rtc_hub_touch(r->transport);
}

static void on_media(rtc_recv_t *r, rtc_media_t *m, rtc_time_t now) {
  rtc_transport_t *t = r->transport;
  int64_t ts = r->highest_ts < 0 ? (int64_t)m->rtp.ts : rtc_ts_near(r->highest_ts, m->rtp.ts);
  r->last = now;
  r->gone = false;
  if (!m->repaired) rtc_rxstat_on_packet(&r->stat, m->index, ts + age_of(r, m), m->front + m->rtp.payload_len, now);
  int64_t depth = rtc_keep_depth(t->hub, &r->history);
  if (m->index < 0 || (r->highest >= 0 && m->index <= r->highest - depth) || rtc_history_get(&r->history, m->index)) {
    r->repeated++;
    return;
  }
  if (m->repaired) learn_round_trip(r, m->index, now);
  if (r->highest < 0) on_first(r);
  if (m->index > r->highest) {
    if (ts != r->highest_ts) r->frames++;
    r->highest = m->index;
    r->highest_ts = ts;
  }
  r->packets++;
  r->bytes += m->front + m->rtp.payload_len;
  if (!t->first_media) {
    t->first_media = now;
    rtc_hub_touch(t);
  }
  if (r->cfg.nack && !r->nack) open_nack(r);
  if (r->nack) rtc_nack_on_packet(r->nack, m->index, now);
  if (m->rtp.pt != r->cfg.pt) { /* not kept: it is no part of what is forwarded and repaired */
    on_tone(r, m, ts, now);
    return;
  }
  rtc_keep_put(t->hub, &r->history, m->index, m->pkt);
  m->info = look(r, m);
  int64_t join_at = key_frame(r, m, ts);
  if (r->nack && r->nack->want_key) {
    r->nack->want_key = false;
    rtc_recv_ask_key(r);
  }
  rtc_relay_forward(r, m, join_at, now);
  if (r->tap) rtc_tap_on_packet(r, m, ts, now);
}

static rtc_drop_t why_not(int err) {
  return err == RTC_EREPLAY ? RTC_DROP_RTP_REPLAY : err == RTC_EAUTH ? RTC_DROP_RTP_AUTH : RTC_DROP_RTP_FORM;
}

/* What only a stream that runs needs comes with its first packet. Memory is out: the stream goes on without, and the next packet asks. */
static void open_arrival(rtc_transport_t *t) {
  t->arrival = malloc(sizeof *t->arrival);
  if (t->arrival) rtc_arrival_init(t->arrival);
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
  rtc_transport_on_srtp(t, &k->path, now);
  uint32_t wire_len = k->len;
  t->in_packets++;
  t->in_bytes += wire_len;
  k->len = (uint32_t)n;
  rtc_captured(t, &k->path, RTC_KIND_RTP, false, k->data, k->len, k->at);
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
  if (t->wants_arrivals && rtc_ext_has(&m.ext, RTC_EXT_TWCC) && m.ext.len[RTC_EXT_TWCC] >= 2) {
    if (!t->arrival) open_arrival(t);
    if (t->arrival) rtc_arrival_on_packet(t->arrival, rtc_get16(m.ext.p[RTC_EXT_TWCC]), wire_len, k->at);
    t->fb_media = m.rtp.ssrc;
  }
  const rtc_route_t *e = route(t, &m, now);
  if (!e) return;
  rtc_recv_t *r = e->recv;
  r->came_packets++;
  r->came_bytes += m.front + m.rtp.payload_len;
  if (e->rtx) {
    r->rtx_packets++;
    r->rtx_bytes += m.rtp.payload_len;
    if (!undo_rtx(r, &m)) return;
  }
  on_media(r, &m, now);
}

void rtc_recv_ask_key(rtc_recv_t *r) {
  if (!r->cfg.video || r->key_wanted) return;
  r->key_wanted = true;
  rtc_transport_arm(r->transport);
}

void rtc_recv_bye(rtc_recv_t *r) {
  r->gone = true;
  r->probe_at = RTC_NEVER;
  if (r->nack) rtc_nack_init(r->nack);
}
