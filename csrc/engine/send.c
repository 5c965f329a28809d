/* send: the way of a media packet outward under the sender's own numbers: forwarded media as a copy that out makes, all else built
 * here and paced. Also repair on request, and frames from the owner. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

static bool has_ssrc(const rtc_send_cfg_t *c, uint32_t ssrc) { return ssrc && (c->ssrc == ssrc || c->rtx_ssrc == ssrc); }

static bool sound_red(const rtc_send_cfg_t *c) {
  return !c->has_red || (!c->video && c->red_pt >= 0 && c->red_pt <= 127 && c->red_levels <= RTC_RED_LEVELS);
}

static bool sound_tone(const rtc_send_cfg_t *c) { return !c->has_tone || (c->tone.rate && c->tone.pt >= 0 && c->tone.pt <= 127); }

rtc_send_t *rtc_send_new(rtc_transport_t *t, uint32_t id, const rtc_send_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!cfg->clock_rate || !cfg->ssrc || cfg->pt < 0 || cfg->pt > 127 || cfg->rtx_pt > 127 || cfg->codec >= RTC_CODEC_COUNT) return NULL;
  if (cfg->ssrc == cfg->rtx_ssrc || !sound_tone(cfg) || !sound_red(cfg)) return NULL;
  int ssrcs = 2 + (cfg->rtx_ssrc != 0); /* our own for reports, and this one's */
  for (rtc_send_t *o = t->sends; o; o = o->next) {
    if (has_ssrc(&o->cfg, cfg->ssrc) || has_ssrc(&o->cfg, cfg->rtx_ssrc)) return NULL;
    ssrcs += 1 + (o->cfg.rtx_ssrc != 0);
  }
  *err = RTC_ENOBUFS;
  if (ssrcs > RTC_SRTP_SSRC_MAX) return NULL;
  *err = rtc_out_reserve(&t->hub->out, t->hub->sends.used + 1);
  if (*err < 0) return NULL;
  *err = RTC_ENOMEM;
  rtc_send_t *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->id = id;
  s->transport = t;
  s->cfg = *cfg;
  rtc_shape_init(&s->shape, cfg, &t->cfg->ext, t->cfg->ext_two_byte);
  s->waiting = true;
  /* Below 2^15: RFC 3711 §3.3.1 finds the roll-over even when the first packets are lost. */
  s->top = (int64_t)(rtc_hub_draw(t->hub) & 0x7fff) - 1;
  s->rtx_next = (int64_t)(rtc_hub_draw(t->hub) & 0x7fff);
  s->picture_id = (uint16_t)(rtc_hub_draw(t->hub) & 0x7fff);
  s->tl0 = (uint8_t)s->picture_id;
  s->key_told = RTC_NEVER;
  s->fir_last = -1;
  rtc_rtx_init(&s->rtx);
  s->next = t->sends;
  t->sends = s;
  return s;
}

void rtc_send_free(rtc_send_t *s) {
  rtc_transport_t *t = s->transport;
  rtc_relay_unwant(s);
  rtc_relay_unlink(s);
  for (rtc_send_t **at = &t->sends; *at; at = &(*at)->next) {
    if (*at != s) continue;
    *at = s->next;
    break;
  }
  rtc_rtx_clear(&s->rtx);
  rtc_keep_close(t->hub, &s->own);
  free(s->tone);
  free(s);
}

void rtc_send_reshape(rtc_send_t *s) {
  const rtc_agreed_t *a = s->transport->cfg;
  rtc_shape_init(&s->shape, &s->cfg, &a->ext, a->ext_two_byte);
}

int rtc_send_agree(rtc_send_t *s, const rtc_send_cfg_t *cfg) {
  if (!cfg->clock_rate || cfg->pt < 0 || cfg->pt > 127 || cfg->rtx_pt > 127 || cfg->codec >= RTC_CODEC_COUNT) return RTC_EINVAL;
  if (!sound_tone(cfg) || !sound_red(cfg)) return RTC_EINVAL;
  if (cfg->ssrc != s->cfg.ssrc || cfg->video != s->cfg.video) return RTC_EINVAL;
  if (cfg->rtx_ssrc && s->cfg.rtx_ssrc && cfg->rtx_ssrc != s->cfg.rtx_ssrc) return RTC_EINVAL;
  for (int i = 0; i < 2; i++) {
    const rtc_recv_t *r = i ? s->wanted : s->source;
    if (r && (cfg->codec != r->cfg.codec || cfg->clock_rate != r->cfg.clock_rate)) return RTC_EINVAL;
  }
  bool other = cfg->codec != s->cfg.codec;
  uint32_t rtx_ssrc = cfg->rtx_ssrc ? cfg->rtx_ssrc : s->cfg.rtx_ssrc;
  if (strcmp(cfg->mid, s->cfg.mid) != 0 || strcmp(cfg->rid, s->cfg.rid) != 0) s->mid_known = false;
  s->cfg = *cfg;
  s->cfg.rtx_ssrc = rtx_ssrc;
  if (other) { /* a decoder begins at a key frame, and what was kept is of no use to it */
    s->waiting = true;
    rtc_keep_empty(&s->own);
  }
  rtc_send_reshape(s);
  return 0;
}

typedef struct label {
  uint8_t pt;
  uint32_t ssrc;
  int64_t seq, ts;
  int32_t osn; /* RTX: original number, else -1 */
} label_t;

/* Repairs keep their names: reports say nothing of their SSRC, and Firefox, once it has bound a MID, drops what comes without. */
static bool named(const rtc_send_t *s, bool repair) { return !s->mid_known || repair; }

static const char *rid_of(const rtc_send_t *s, bool repair) { return s->cfg.rid[0] && named(s, repair) ? s->cfg.rid : NULL; }

/* A slot of its own for one viewer; the shared packet is read only. NULL: no slot, or it would not fit. */
static rtc_pkt_t *build(rtc_send_t *s, const rtc_media_t *m, const label_t *l, rtc_stamps_t *at) {
  rtc_transport_t *t = s->transport;
  rtc_pkt_t *k = rtc_pkt_get(t->hub->pool);
  if (!k) {
    rtc_hub_drop(t->hub, RTC_DROP_POOL);
    return NULL;
  }
  const bool again = l->osn >= 0;
  int head = rtc_head_write(k->data, RTC_PKT_DATA, m, &s->shape, &t->cfg->ext, named(s, again), again ? RTC_EXT_RRID : RTC_EXT_RID,
                            rid_of(s, again), at);
  size_t osn = again ? 2 : 0, len = head > 0 ? (size_t)head + osn : 0;
  if (!len || len + m->rtp.payload_len > RTC_PKT_DATA) {
    rtc_hub_drop(t->hub, RTC_DROP_TOO_BIG);
    rtc_pkt_put(k);
    return NULL;
  }
  rtc_head_number(k->data, l->pt, (uint16_t)l->seq, (uint32_t)l->ts, l->ssrc);
  if (osn) rtc_put16(k->data + len - osn, (uint16_t)l->osn);
  memcpy(k->data + len, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len);
  k->len = (uint32_t)len + m->rtp.payload_len;
  return k;
}

static void leave(rtc_transport_t *t, rtc_pkt_t *k, bool video, int64_t index, rtc_stamps_t at) {
  t->hub->st.rtp_out++;
  rtc_out_rtp(t, k, index, at, video);
}

/* Queues for the pacer; tag: index, stamps. */
static void pace(rtc_transport_t *t, rtc_pkt_t *k, rtc_pace_t class, int64_t index, rtc_stamps_t at, rtc_time_t now) {
  k->tag[0] = (uint64_t)index;
  k->tag[1] = (uint64_t)at.abs_send_time << 16 | at.twcc;
  if (rtc_pacer_put(&t->pacer, k, class, now) < 0) {
    rtc_hub_drop(t->hub, RTC_DROP_PACER);
    rtc_pkt_put(k);
  }
}

void rtc_send_pace(rtc_transport_t *t, rtc_time_t now) {
  rtc_pace_t class;
  for (rtc_pkt_t *k; (k = rtc_pacer_pop(&t->pacer, &class, now));)
    leave(t, k, class == RTC_PACE_VIDEO, (int64_t)k->tag[0], (rtc_stamps_t){(uint16_t)(k->tag[1] >> 16), (uint16_t)k->tag[1]});
}

static void count_sent(rtc_send_t *s, const rtc_media_t *m, int64_t seq, int64_t ts, rtc_time_t now) {
  rtc_transport_t *t = s->transport;
  s->live = true;
  if (seq > s->top) {
    s->top = seq;
    s->top_ts = ts;
    s->top_at = now;
  }
  s->packets++;
  s->bytes += m->rtp.payload_len;
  s->rtx.sent_bytes += m->rtp.payload_len; /* all that repair needs to know of it before somebody asks */
  if (!t->first_media) {
    t->first_media = now;
    rtc_hub_touch(t);
  }
}

static uint8_t pt_of(const rtc_send_t *s, const rtc_media_t *m) { return (uint8_t)(m->whole ? s->cfg.red_pt : s->cfg.pt); }

void rtc_send_packet(rtc_send_t *s, const rtc_media_t *m, int64_t seq, int64_t ts, rtc_time_t now) {
  rtc_stamps_t at;
  rtc_media_t whole;
  if (rtc_redundant_wanted(s, m)) m = rtc_redundant_whole(m, &whole);
  rtc_pkt_t *k = build(s, m, &(label_t){pt_of(s, m), s->cfg.ssrc, seq, ts, -1}, &at);
  if (!k) return;
  count_sent(s, m, seq, ts, now);
  leave(s->transport, k, s->cfg.video, seq, at);
}

void rtc_send_forward(rtc_send_t *s, rtc_fan_t *f, int64_t seq, int64_t ts, rtc_time_t now) {
  rtc_transport_t *t = s->transport;
  int form = rid_of(s, false) ? -1 : rtc_fan_head(f, &s->shape, &t->cfg->ext, named(s, false));
  if (form < 0) {
    rtc_send_packet(s, &f->m, seq, ts, now);
    return;
  }
  count_sent(s, &f->m, seq, ts, now);
  t->hub->st.rtp_out++;
  rtc_out_copy(t, &(rtc_out_item_t){.fan = f,
                                    .form = (uint8_t)form,
                                    .pt = pt_of(s, &f->m),
                                    .index = seq,
                                    .ts = (uint32_t)ts,
                                    .ssrc = s->cfg.ssrc,
                                    .video = s->cfg.video});
}

bool rtc_send_view(rtc_media_t *m, rtc_pkt_t *k, int64_t index, const rtc_extmap_t *ext) {
  *m = (rtc_media_t){.pkt = k, .index = index};
  if (rtc_rtp_parse(&m->rtp, k->data, k->len) < 0 || rtc_rtp_parse_payload(&m->rtp, k->data, k->len) < 0) return false;
  if (m->rtp.has_ext) rtc_rtpext_parse(&m->ext, m->rtp.ext_profile, k->data + m->rtp.ext_off, m->rtp.ext_len, ext);
  rtc_redundant_view(m);
  return true;
}

/* One packet once more. Which of the source's it was is plain from its number; what is not there any more is not counted as
 * repeated. The map of repairs has places for those that were asked for alone: nothing of it is touched while all goes well. */
static void repair(rtc_send_t *s, int64_t seq, rtc_time_t now) {
  int64_t src = s->source ? seq - s->seq_off : seq, base = s->source ? s->source->highest_ts : s->top_ts;
  if (seq > s->top || (s->source && (s->waiting || src < s->from))) return;
  rtc_pkt_t *k = rtc_history_get(s->source ? &s->source->history : &s->own, src);
  /* It has gone out just now, late itself: the request is from before that. */
  if (k && s->source && now - k->at < s->rtt_us / 2) return;
  const rtc_transport_t *owner = s->source ? s->source->transport : s->transport;
  rtc_media_t m;
  if (!k || !rtc_send_view(&m, k, src, &owner->cfg->ext)) return;
  if (rtc_rtx_put(&s->rtx, seq, src, 0) < 0 || rtc_rtx_ask(&s->rtx, seq, m.rtp.payload_len, s->rtt_us, now) != src) return;
  int64_t ts = rtc_ts_near(base, m.rtp.ts) + (s->source ? s->ts_off : 0); /* our own plaintext has its time already */
  rtc_stamps_t at;
  rtc_pkt_t *copy = build(s, &m, &(label_t){(uint8_t)s->cfg.rtx_pt, s->cfg.rtx_ssrc, s->rtx_next, ts, (uint16_t)seq}, &at);
  if (!copy) return;
  s->rtx_packets++;
  s->rtx_bytes += m.rtp.payload_len + 2; /* its payload begins with the number of before (RFC 4588 §4) */
  pace(s->transport, copy, RTC_PACE_REPAIR, s->rtx_next++, at, now);
}

void rtc_send_on_nack(rtc_send_t *s, const uint16_t *seqs, int n, rtc_time_t now) {
  s->nacks += (uint64_t)n;
  s->nack_messages++;
  if (!s->cfg.rtx_ssrc || s->cfg.rtx_pt < 0 || !s->live) return;
  for (int i = 0; i < n; i++) repair(s, rtc_seq_near(s->top, seqs[i]), now);
  rtc_send_pace(s->transport, now);
}

rtc_time_t rtc_send_key_at(const rtc_send_t *s) { return s->key_owed ? s->key_told + RTC_KEY_GAP_US : RTC_NEVER; }

void rtc_send_tell_key(rtc_send_t *s, rtc_time_t now) {
  s->key_owed = false;
  s->key_told = now;
  s->key_event = true;
  rtc_hub_touch(s->transport);
}

void rtc_send_on_key_wanted(rtc_send_t *s, rtc_time_t now) {
  if (!s->cfg.video) return;
  if (s->source) {
    rtc_recv_ask_key(s->source);
  } else if (s->key_told == RTC_NEVER || now - s->key_told >= RTC_KEY_GAP_US) {
    rtc_send_tell_key(s, now);
  } else {
    s->key_owed = true;
    rtc_transport_arm(s->transport);
  }
}

/* What goes with a frame's packets beside its bytes, where the peer has agreed to it. Repairs do without. */
typedef struct told {
  bool has_level, has_orientation, begins;
  uint8_t level, orientation, moment[8];
} told_t;

/* The moment of capture leads, orientation comes last (3GPP TS 26.114 §7.4.5), the level of sound is in each. */
static void put_told(rtc_ext_view_t *e, const told_t *d, bool first, bool last) {
  if (first) rtc_ext_put(e, RTC_EXT_ABS_CAPTURE_TIME, d->moment, sizeof d->moment);
  if (d->has_level) rtc_ext_put(e, RTC_EXT_AUDIO_LEVEL, &d->level, 1);
  if (d->has_orientation && last) rtc_ext_put(e, RTC_EXT_VIDEO_ORIENTATION, &d->orientation, 1);
}

/* One payload of a frame: kept as plaintext for repair, with what describes it, and sent by the pacer. */
static int send_payload(rtc_send_t *s, rtc_split_t *split, const told_t *told, rtc_described_t *d, int64_t ts, rtc_time_t now, bool first,
                        bool *last) {
  rtc_transport_t *t = s->transport;
  uint8_t *said = d->begun ? d->rest : d->first, said_n = d->begun ? d->rest_n : d->first_n;
  rtc_pkt_t *k = rtc_pkt_get(t->hub->pool);
  if (!k) {
    rtc_hub_drop(t->hub, RTC_DROP_POOL);
    return RTC_ENOBUFS;
  }
  int64_t seq = s->top + 1;
  rtc_media_t m = {.pkt = k, .index = seq};
  size_t head = RTC_RTP_HEADER;
  if (said_n) {
    rtc_ext_put(&m.ext, RTC_EXT_DEPENDENCY, said, said_n);
    int ext = rtc_rtpext_write(k->data + head, RTC_PKT_DATA - head, &m.ext, &t->cfg->ext, t->cfg->ext_two_byte, NULL);
    if (ext > 0) head += (size_t)ext;
  }
  size_t front = s->cfg.has_red ? rtc_redundant_write(s, k, head, split->len, ts, told->begins) : 0, at_own = head + front;
  int n = rtc_split_next(split, k->data + at_own, RTC_PKT_DATA - at_own, last);
  if (n <= 0) {
    rtc_pkt_put(k);
    return n;
  }
  d->begun = true;
  if (said_n && *last) { /* known only now */
    said[0] |= RTC_DESCRIBE_END;
    (void)!rtc_rtpext_write(k->data + RTC_RTP_HEADER, head - RTC_RTP_HEADER, &m.ext, &t->cfg->ext, t->cfg->ext_two_byte, NULL);
  }
  m.rtp = (rtc_rtp_t){.ts = (uint32_t)ts,
                      .ssrc = s->cfg.ssrc,
                      .seq = (uint16_t)seq,
                      .pt = (uint8_t)(front ? s->cfg.red_pt : s->cfg.pt),
                      .marker = s->cfg.video ? *last : told->begins,
                      .has_ext = head > RTC_RTP_HEADER,
                      .hdr_len = (uint16_t)head,
                      .payload_len = (uint16_t)((size_t)n + front)};
  m.whole = front > 0;
  rtc_rtp_write(k->data, &m.rtp);
  k->len = (uint32_t)head + m.rtp.payload_len;
  rtc_keep_put(t->hub, &s->own, seq, k);
  put_told(&m.ext, told, first, *last);
  rtc_stamps_t at;
  rtc_pkt_t *copy = build(s, &m, &(label_t){m.rtp.pt, s->cfg.ssrc, seq, ts, -1}, &at);
  if (copy) {
    count_sent(s, &m, seq, ts, now);
    pace(t, copy, s->cfg.video ? RTC_PACE_VIDEO : RTC_PACE_AUDIO, seq, at, now);
  }
  rtc_pkt_put(k);
  return n;
}

/* Our RTP time of a frame's: as the owner counts, but going on by the clock where another source was before. */
static int64_t time_of(rtc_send_t *s, uint32_t ts, rtc_time_t now) {
  if (!s->live) return ts;
  if (!s->waiting) return rtc_ts_near(s->top_ts - s->ts_off, ts) + s->ts_off;
  int64_t gap = rtc_ticks(now - s->top_at, s->cfg.clock_rate);
  s->ts_off = s->top_ts + (gap > 0 ? gap : 1) - ts;
  return ts + s->ts_off;
}

/* A frame that is much bigger than the rate allows for is not held back for long. */
static void hurry(rtc_transport_t *t, rtc_time_t now) {
  int64_t need = (int64_t)t->pacer.q[RTC_PACE_VIDEO].n * RTC_RTP_MAX * 8 * 1000000 / RTC_PACER_DRAIN_US;
  if (!t->pacer_fixed && need > t->pacer.rate_bps) rtc_pacer_set_rate(&t->pacer, need, now);
}

int rtc_send_frame(rtc_send_t *s, const rtc_frame_cfg_t *f, rtc_time_t now) {
  rtc_transport_t *t = s->transport;
  if (s->source || !t->keyed) return RTC_ESTATE;
  if (rtc_send_tone_at(s) != RTC_NEVER) return 0;
  if (s->waiting && s->cfg.video && !f->key) {
    rtc_send_on_key_wanted(s, now);
    return 0;
  }
  if (!s->own.cap) {
    int err = rtc_keep_open(t->hub, &s->own, s->cfg.video ? RTC_HISTORY_VIDEO : RTC_HISTORY_AUDIO);
    if (err < 0) return err;
  }
  rtc_split_t split;
  const bool described = f->described && s->cfg.video && s->cfg.ext_mask >> RTC_EXT_DEPENDENCY & 1u;
  size_t room = RTC_RTP_MAX - RTC_RTP_HEADER - RTC_SEND_SPARE;
  if (described) room -= RTC_DESCRIBE_ROOM;
  int err = rtc_split_init(&split, (rtc_codec_t)s->cfg.codec, f->data, f->len, room, s->picture_id, f->key);
  if (err == 0 && s->cfg.single_units) err = rtc_split_single(&split);
  uint8_t tl0 = (uint8_t)(s->tl0 + (f->layered && f->layer.tid == 0));
  /* AV1's payloads have no place for it: dependency descriptors say it. */
  if (err == 0 && f->layered && s->cfg.codec != RTC_CODEC_AV1) err = rtc_split_layer(&split, &f->layer, tl0);
  if (err < 0) return err;
  int64_t ts = time_of(s, f->ts, now);
  s->waiting = false;
  if (f->key) s->key_owed = false;
  s->picture_id = (s->picture_id + 1) & 0x7fff;
  s->tl0 = tl0;
  s->has_map = true;
  s->map_ts = ts;
  s->map_at = f->captured > now - RTC_CAPTURED_US && f->captured < now ? f->captured : now;
  told_t told = {f->has_level, f->has_orientation && s->cfg.video, f->begins, f->level, f->orientation, {0}};
  rtc_put64(told.moment, rtc_ntp_from_unix_us(s->map_at + t->hub->cfg.unix_offset_us));
  rtc_described_t d = {0};
  if (described) rtc_describe_next(&s->describe, &d, f, t->cfg->ext_two_byte);
  bool first = true, last = false;
  int n;
  for (; (n = send_payload(s, &split, &told, &d, ts, now, first, &last)) > 0; first = false) {}
  hurry(t, now);
  rtc_send_pace(t, now);
  return n;
}

/* One packet of a tone, outside of what is kept for repair: the next one says all that it does. */
static void send_tone(rtc_send_t *s, const rtc_tone_packet_t *p, rtc_time_t now) {
  rtc_transport_t *t = s->transport;
  rtc_pkt_t *k = rtc_pkt_get(t->hub->pool);
  if (!k) {
    rtc_hub_drop(t->hub, RTC_DROP_POOL);
    return;
  }
  int64_t seq = s->top + 1, ts = s->tone_ts + rtc_ticks(p->shift_us, s->cfg.clock_rate);
  rtc_media_t m = {.pkt = k, .index = seq};
  m.rtp = (rtc_rtp_t){.marker = p->marker, .hdr_len = RTC_RTP_HEADER, .payload_len = RTC_TELEPHONE_LEN};
  rtc_rtp_write(k->data, &m.rtp);
  rtc_telephone_write(&p->event, k->data + RTC_RTP_HEADER);
  k->len = RTC_RTP_HEADER + RTC_TELEPHONE_LEN;
  rtc_stamps_t at;
  rtc_pkt_t *copy = build(s, &m, &(label_t){(uint8_t)s->cfg.tone.pt, s->cfg.ssrc, seq, ts, -1}, &at);
  if (copy) {
    rtc_time_t began = s->tone->start + p->shift_us;
    count_sent(s, &m, seq, ts, now);
    s->top_at = began; /* the time that ts is of */
    pace(t, copy, RTC_PACE_AUDIO, seq, at, now);
  }
  rtc_pkt_put(k);
}

static void send_tones(rtc_send_t *s, bool cut, rtc_time_t now) {
  rtc_tone_packet_t p;
  /* Agreed no more, or the numbers are a source's now: nothing is left of it. */
  if (!s->cfg.has_tone || s->source) rtc_tone_tx_init(s->tone);
  while (rtc_tone_tx_pop(s->tone, &p, cut, now)) send_tone(s, &p, now);
  rtc_send_pace(s->transport, now);
}

void rtc_send_tone_tick(rtc_send_t *s, rtc_time_t now) { send_tones(s, false, now); }

int rtc_send_tone(rtc_send_t *s, const rtc_tone_cfg_t *c, rtc_time_t now) {
  rtc_transport_t *t = s->transport;
  if (!s->cfg.has_tone) return RTC_EINVAL;
  if (s->source || !t->keyed) return RTC_ESTATE;
  if (!s->tone) {
    s->tone = malloc(sizeof *s->tone);
    if (!s->tone) return RTC_ENOMEM;
    rtc_tone_tx_init(s->tone);
  }
  send_tones(s, true, now);
  int err = rtc_tone_tx_start(s->tone, c->code, c->volume, c->length_us, s->cfg.tone.rate, now);
  if (err < 0) return err;
  int64_t gap = rtc_ticks(now - s->top_at, s->cfg.clock_rate);
  s->tone_ts = s->live ? s->top_ts + (gap > 0 ? gap : 1) : (int64_t)(rtc_hub_draw(t->hub) & 0x7fffffff);
  if (!s->has_map) {
    s->has_map = true;
    s->map_ts = s->tone_ts;
    s->map_at = now;
  }
  return 0;
}
