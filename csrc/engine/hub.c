/* hub: finds the transport that a datagram belongs to, keeps deadlines, runs commands, hands out events and jobs. */
#include "engine/hub.h"

#include <stdlib.h>
#include <string.h>

#include "engine/state.h"
#include "wire/demux.h"

/* What the path map compares: no padding bytes, every field set. */
typedef struct path_key {
  rtc_addr_t remote;
  uint32_t sock;
} path_key_t;

static path_key_t key_of(const rtc_path_t *p) {
  path_key_t k;
  memset(&k, 0, sizeof k);
  k.remote = p->remote;
  k.sock = p->sock;
  return k;
}

rtc_hub_t *rtc_hub_new(const rtc_hub_cfg_t *cfg, rtc_time_t now) {
  rtc_hub_t *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->cfg = *cfg;
  h->st.now = now;
  memcpy(&h->k0, cfg->seed, 8);
  memcpy(&h->k1, cfg->seed + 8, 8);
  h->mark.k0 = rtc_hub_draw(h);
  h->mark.k1 = rtc_hub_draw(h);
  rtc_map_init(&h->paths, sizeof(path_key_t), cfg->seed + 16);
  rtc_map_init(&h->ufrags, RTC_LOCAL_UFRAG_MAX, cfg->seed + 16);
  rtc_map_init(&h->transports, sizeof(uint32_t), cfg->seed + 16);
  rtc_map_init(&h->recvs, sizeof(uint32_t), cfg->seed + 16);
  rtc_map_init(&h->sends, sizeof(uint32_t), cfg->seed + 16);
  rtc_map_init(&h->run_more, sizeof(uint32_t), cfg->seed + 16);
  rtc_heap_init(&h->timers);
  rtc_map_init(&h->relayed, sizeof(uint32_t), cfg->seed + 16);
  rtc_map_init(&h->turn_servers, sizeof(rtc_relayed_key_t), cfg->seed + 16);
  rtc_heap_init(&h->relayed_timers);
  h->slots = cfg->slots ? cfg->slots : 32768;
  h->pool = rtc_pool_new(h->slots);
  if (!h->pool || rtc_out_init(&h->out) < 0) {
    rtc_hub_free(h);
    return NULL;
  }
  return h;
}

void rtc_hub_free(rtc_hub_t *h) {
  if (!h) return;
  uint32_t pos = 0;
  for (rtc_transport_t *t; (t = rtc_map_next(&h->transports, &pos));) {
    rtc_map_del(&h->transports, &t->id);
    rtc_transport_free(t);
  }
  rtc_relayed_free_all(h);
  rtc_map_clear(&h->paths);
  rtc_map_clear(&h->ufrags);
  rtc_map_clear(&h->transports);
  rtc_map_clear(&h->recvs);
  rtc_map_clear(&h->sends);
  rtc_map_clear(&h->run_more);
  rtc_heap_clear(&h->timers);
  rtc_out_clear(&h->out);
  rtc_pool_free(h->pool);
  rtc_cleanse(&h->cfg, sizeof h->cfg);
  free(h);
}

uint64_t rtc_hub_draw(rtc_hub_t *h) {
  uint64_t n = h->draw++;
  return rtc_siphash((const uint8_t *)&n, sizeof n, h->k0, h->k1);
}

rtc_pkt_t *rtc_hub_slot(rtc_hub_t *h) { return rtc_pkt_get(h->pool); }

void rtc_hub_dropped(rtc_hub_t *h, rtc_drop_t why) { rtc_hub_drop(h, why); }

void rtc_hub_touch(rtc_transport_t *t) {
  if (t->dirty) return;
  rtc_hub_t *h = t->hub;
  t->dirty = true;
  t->next_dirty = NULL;
  if (h->dirty_last)
    h->dirty_last->next_dirty = t;
  else
    h->dirty = t;
  h->dirty_last = t;
}

/* Whose path it is. What comes next is mostly from where the last one came: then nothing is looked up. */
static rtc_transport_t *at_path(rtc_hub_t *h, const rtc_path_t *p) {
  if (h->last && h->last_path.sock == p->sock && rtc_addr_eq(&h->last_path.remote, &p->remote)) return h->last;
  path_key_t key = key_of(p);
  h->last = rtc_map_get(&h->paths, &key);
  h->last_path = *p;
  return h->last;
}

/* Whoever has a session can forge a valid check from another's address; so one that is alive keeps its own. What a full agent uses
 * until a pair is nominated does not count: of two agents here that check each other, each would bar the other's way to agree. */
bool rtc_hub_path_free(const rtc_transport_t *t, const rtc_path_t *path, rtc_time_t now) {
  path_key_t key = key_of(path);
  const rtc_transport_t *had = rtc_map_get(&t->hub->paths, &key);
  if (!had || had == t) return true;
  return !rtc_way_settled(had) || !rtc_path_eq(&had->path, path) || now - rtc_way_heard(had) >= RTC_MS(RTC_STALL_MS);
}

void rtc_hub_map_path(rtc_transport_t *t, const rtc_path_t *path, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  path_key_t key = key_of(path);
  rtc_transport_t *had = rtc_map_get(&h->paths, &key);
  if (had == t) return;
  if (had && had->ice && t->ice) had->shared = t->shared = true;
  if (!rtc_hub_path_free(t, path, now)) return;
  h->last = NULL;
  if (had) {
    for (int i = 0; i < had->mapped_n; i++) {
      if (!rtc_path_eq(&had->mapped[i], path)) continue;
      had->mapped[i] = had->mapped[--had->mapped_n];
      break;
    }
  }
  int cap = t->mapped_cap;
  if (t->mapped_n == cap) { /* the oldest that is not in use goes */
    int gone = t->has_path && rtc_path_eq(&t->mapped[0], &t->path) ? 1 : 0;
    path_key_t old = key_of(&t->mapped[gone]);
    rtc_map_del(&h->paths, &old);
    memmove(&t->mapped[gone], &t->mapped[gone + 1], (size_t)(cap - gone - 1) * sizeof t->mapped[0]);
    t->mapped_n--;
  }
  if (t->mapped_n == t->mapped_room) {
    int room = 2 * t->mapped_room < cap ? 2 * t->mapped_room : cap;
    rtc_path_t *more = realloc(t->mapped, (size_t)room * sizeof *more);
    if (!more) return;
    t->mapped = more;
    t->mapped_room = room;
  }
  if (rtc_map_put(&h->paths, &key, t) == 0) t->mapped[t->mapped_n++] = *path;
}

void rtc_hub_unmap_paths(rtc_transport_t *t) {
  t->hub->last = NULL;
  for (int i = 0; i < t->mapped_n; i++) {
    path_key_t key = key_of(&t->mapped[i]);
    rtc_map_del(&t->hub->paths, &key);
  }
  t->mapped_n = 0;
}

void rtc_hub_runs(rtc_hub_t *h, uint32_t sock, bool on) {
  if (sock >= RTC_RUN_SOCKETS_MAX) {
    if (on)
      (void)rtc_map_put(&h->run_more, &sock, h); /* memory is out: then one by one */
    else
      rtc_map_del(&h->run_more, &sock);
    return;
  }
  uint64_t bit = (uint64_t)1 << sock;
  h->run_socks = on ? h->run_socks | bit : h->run_socks & ~bit;
}

void rtc_hub_run_refused(rtc_hub_t *h, const rtc_path_t *path) {
  path_key_t key = key_of(path);
  rtc_transport_t *t = rtc_map_get(&h->paths, &key);
  if (t && rtc_path_eq(&t->out_path, path)) t->no_run = true;
}

/* Who asked what this answers, as its transaction id says, which only we can have made. Several may ask one address by one socket. */
static rtc_transport_t *by_transaction(rtc_hub_t *h, const rtc_stun_t *m) {
  uint32_t id = rtc_mark_read(m->tid, &h->mark);
  return rtc_map_get(&h->transports, &id);
}

static void on_stun(rtc_hub_t *h, rtc_pkt_t *k, rtc_time_t now) {
  rtc_stun_t m;
  h->st.stun_in++;
  if (rtc_stun_parse(&m, k->data, k->len) < 0) {
    rtc_hub_drop(h, RTC_DROP_STUN_FORM);
    return;
  }
  if (m.type == RTC_STUN_BINDING_INDICATION) return; /* keeps a NAT open and asks for nothing (RFC 8445 §11): no drop */
  bool asks = m.type == RTC_STUN_BINDING_REQUEST;
  rtc_transport_t *t = asks ? rtc_name_find(h, &m, &k->path) : by_transaction(h, &m);
  if (!t || t->state == RTC_T_CLOSED) {
    rtc_hub_drop(h, RTC_DROP_STUN_USER);
    return;
  }
  rtc_captured(t, &k->path, RTC_KIND_STUN, false, k->data, k->len, k->at);
  if (!asks && rtc_way_on_server(t, &m, &k->path, now)) return;
  if (asks && !rtc_hub_path_free(t, &k->path, now)) { /* nothing from there would reach it anyway */
    rtc_hub_drop(h, RTC_DROP_PATH);
    return;
  }
  rtc_transport_on_stun(t, k, &m, now);
  rtc_transport_arm(t);
}

bool rtc_hub_urgent(const rtc_hub_t *h, const rtc_pkt_t *k) {
  rtc_kind_t kind = rtc_demux(k->data, k->len);
  if (kind == RTC_KIND_TURN) return rtc_relayed_is_server(h, &k->path);
  if (kind != RTC_KIND_RTP && kind != RTC_KIND_RTCP && kind != RTC_KIND_DTLS) return false;
  path_key_t key = key_of(&k->path);
  const rtc_transport_t *t = rtc_map_get(&h->paths, &key);
  return t && (kind == RTC_KIND_DTLS ? t->handed : t->keyed);
}

bool rtc_hub_knows(const rtc_hub_t *h, const rtc_path_t *path) {
  path_key_t key = key_of(path);
  return rtc_map_get(&h->paths, &key) != NULL;
}

void rtc_hub_recv(rtc_hub_t *h, rtc_pkt_t *k, rtc_time_t now) {
  h->st.now = now;
  h->st.in_packets++;
  h->st.in_bytes += k->len;
  rtc_kind_t kind = rtc_demux(k->data, k->len);
  if (kind == RTC_KIND_TURN || kind == RTC_KIND_STUN) {
    rtc_relayed_result_t r = rtc_relayed_in(h, k, kind, now);
    if (r == RTC_RELAYED_DONE) {
      rtc_pkt_put(k);
      return;
    }
    if (r == RTC_RELAYED_INNER) kind = rtc_demux(k->data, k->len);
  }
  if (kind == RTC_KIND_STUN) {
    on_stun(h, k, now);
    rtc_pkt_put(k);
    return;
  }
  if (kind == RTC_KIND_NONE || kind == RTC_KIND_TURN) {
    rtc_hub_drop(h, RTC_DROP_SHORT);
    rtc_pkt_put(k);
    return;
  }
  rtc_transport_t *t = at_path(h, &k->path);
  if (!t || t->state == RTC_T_CLOSED || !rtc_way_knows(t, &k->path)) {
    rtc_hub_drop(h, RTC_DROP_PATH);
    rtc_pkt_put(k);
    return;
  }
  if (kind == RTC_KIND_DTLS) {
    h->st.dtls_in++;
    rtc_captured(t, &k->path, RTC_KIND_DTLS, false, k->data, k->len, k->at);
    rtc_transport_on_dtls(t, k, now);
    rtc_transport_arm(t);
    return;
  }
  if (!t->keyed)
    rtc_hub_drop(h, t->held ? RTC_DROP_HELD : RTC_DROP_NO_KEYS);
  else if (kind == RTC_KIND_RTP)
    rtc_recv_rtp(t, k, now);
  else
    rtc_feedback_rtcp(t, k, now);
  rtc_pkt_put(k);
  rtc_transport_arm(t);
}

void rtc_hub_tick(rtc_hub_t *h, rtc_time_t now) {
  h->st.now = now;
  rtc_relayed_tick(h, now);
  for (rtc_heap_entry_t *e; (e = rtc_heap_top(&h->timers)) && e->at <= now;) {
    rtc_transport_t *t = (rtc_transport_t *)(void *)e;
    rtc_transport_tick(t, now);
    rtc_transport_arm(t);
    /* What could not be done (no slot left, say) waits a little: the others have their turn, and nothing spins. */
    if (t->timer.at <= now) rtc_heap_set(&h->timers, &t->timer, now + RTC_MS(1));
  }
}

rtc_time_t rtc_hub_next_at(const rtc_hub_t *h) {
  rtc_heap_entry_t *e = rtc_heap_top(&h->timers);
  rtc_time_t at = e ? e->at : RTC_NEVER, leave = rtc_out_next_at(&h->out);
  return rtc_time_min(rtc_time_min(leave, at), rtc_relayed_next_at(h));
}

static int add_transport(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  if (!c->id || rtc_map_get(&h->transports, &c->id)) return RTC_EINVAL;
  int err = rtc_heap_reserve(&h->timers, h->transports.used + 1);
  if (err < 0) return err;
  rtc_transport_t *t = rtc_transport_new(h, c->id, &c->u.transport, now, &err);
  if (!t) return err;
  if (rtc_map_put(&h->transports, &c->id, t) < 0) {
    rtc_transport_free(t);
    return RTC_ENOMEM;
  }
  rtc_transport_arm(t);
  return 0;
}

static int add_stream(rtc_hub_t *h, const rtc_cmd_t *c) {
  bool recv = c->op == RTC_OP_RECV;
  rtc_map_t *map = recv ? &h->recvs : &h->sends;
  uint32_t owner = recv ? c->u.recv.transport : c->u.send.transport;
  rtc_transport_t *t = rtc_map_get(&h->transports, &owner);
  if (!c->id || rtc_map_get(map, &c->id) || !t || t->state == RTC_T_CLOSED) return RTC_EINVAL;
  int err = RTC_ENOMEM;
  void *s = recv ? (void *)rtc_recv_new(t, c->id, &c->u.recv, &err) : (void *)rtc_send_new(t, c->id, &c->u.send, &err);
  if (!s) return err;
  if (rtc_map_put(map, &c->id, s) < 0) {
    if (recv)
      rtc_recv_free(s);
    else
      rtc_send_free(s);
    return RTC_ENOMEM;
  }
  rtc_transport_arm(t);
  return 0;
}

static int on_stream(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  if (c->op == RTC_OP_KEYFRAME || c->op == RTC_OP_FRAMES) {
    rtc_recv_t *r = rtc_map_get(&h->recvs, &c->id);
    if (!r) return c->op == RTC_OP_FRAMES && !c->u.on ? 0 : RTC_EINVAL;
    if (c->op == RTC_OP_FRAMES && c->u.on) return rtc_tap_open(r);
    if (c->op == RTC_OP_FRAMES)
      rtc_tap_close(r);
    else
      rtc_recv_ask_key(r);
    return 0;
  }
  rtc_send_t *s = rtc_map_get(&h->sends, &c->id);
  if (!s) return c->op == RTC_OP_LINK ? 0 : RTC_EINVAL;
  if (c->op == RTC_OP_FRAME) {
    int err = rtc_send_frame(s, &c->u.frame, now);
    rtc_transport_arm(s->transport);
    return err;
  }
  if (c->op == RTC_OP_TONE) {
    int err = rtc_send_tone(s, &c->u.tone, now);
    rtc_transport_arm(s->transport);
    return err;
  }
  rtc_recv_t *r = c->u.link ? rtc_map_get(&h->recvs, &c->u.link) : NULL;
  if (r && (r->cfg.codec != s->cfg.codec || r->cfg.clock_rate != s->cfg.clock_rate)) return RTC_EINVAL;
  if (r) return rtc_relay_link(s, r, now);
  rtc_relay_unwant(s);
  rtc_relay_unlink(s);
  return 0;
}

static int on_transport(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  rtc_transport_t *t = rtc_map_get(&h->transports, &c->id);
  bool late = c->op == RTC_OP_CLOSE || c->op == RTC_OP_ACCEPT || c->op == RTC_OP_CAPTURE;
  if (!t || t->state == RTC_T_CLOSED) return late ? 0 : RTC_EINVAL;
  int err = 0;
  switch (c->op) {
    case RTC_OP_RESTART:
      err = rtc_transport_restart(t, &c->u.ice, now);
      break;
    case RTC_OP_PATH:
      if (!rtc_hub_path_free(t, &c->u.path, now)) return RTC_ESTATE;
      err = rtc_way_exec(t, c, now);
      break;
    case RTC_OP_LOCAL:
    case RTC_OP_REMOTE:
    case RTC_OP_STUN:
    case RTC_OP_LOCAL_LOST:
    case RTC_OP_ICE_END:
    case RTC_OP_ROLE:
      err = rtc_way_exec(t, c, now);
      break;
    case RTC_OP_PEER:
      err = rtc_transport_meet(t, &c->u.peer, now);
      break;
    case RTC_OP_ACCEPT:
      err = rtc_transport_accept(t, now);
      break;
    case RTC_OP_CAPTURE:
      rtc_out_seal(h); /* what waits was sent before */
      rtc_capture_free(t->capture);
      t->capture = rtc_capture_ref(c->u.capture);
      break;
    case RTC_OP_ICE_STATS:
      rtc_way_rows(t, c->u.ice_stats, now);
      break;
    case RTC_OP_RATE:
      if (c->u.rate_bps <= 0) return RTC_EINVAL;
      t->pacer_fixed = true;
      rtc_pacer_set_rate(&t->pacer, c->u.rate_bps, now);
      break;
    default:
      rtc_transport_close(t, RTC_WHY_COMMAND, c->u.why, now);
      break;
  }
  rtc_transport_arm(t);
  return err;
}

int rtc_hub_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  h->st.now = now;
  int err;
  switch ((rtc_op_t)c->op) {
    case RTC_OP_TRANSPORT:
      err = add_transport(h, c, now);
      rtc_dtls_ctx_free(c->u.transport.dtls); /* its association has its own reference */
      return err;
    case RTC_OP_CAPTURE:
      err = on_transport(h, c, now);
      rtc_capture_free(c->u.capture); /* the transport has its own reference */
      return err;
    case RTC_OP_RESTART:
    case RTC_OP_PEER:
    case RTC_OP_PATH:
    case RTC_OP_LOCAL:
    case RTC_OP_REMOTE:
    case RTC_OP_STUN:
    case RTC_OP_LOCAL_LOST:
    case RTC_OP_ICE_END:
    case RTC_OP_ROLE:
    case RTC_OP_ICE_STATS:
    case RTC_OP_RATE:
    case RTC_OP_ACCEPT:
    case RTC_OP_CLOSE:
      return on_transport(h, c, now);
    case RTC_OP_TURN:
    case RTC_OP_TURN_CLOSE:
      return rtc_relayed_exec(h, c, now);
    case RTC_OP_RECV:
    case RTC_OP_SEND:
      return add_stream(h, c);
    case RTC_OP_LINK:
    case RTC_OP_KEYFRAME:
    case RTC_OP_FRAMES:
    case RTC_OP_TONE:
      return on_stream(h, c, now);
    case RTC_OP_AGREE:
    case RTC_OP_RECV_AGREE:
    case RTC_OP_SEND_AGREE:
    case RTC_OP_RECV_END:
    case RTC_OP_SEND_END:
      return rtc_agree_exec(h, c, now);
    case RTC_OP_FRAME:
      err = on_stream(h, c, now);
      free(c->u.frame.data);
      return err;
    case RTC_OP_STATS:
      rtc_stats_fill(h, c->id, c->u.stats, now);
      return 0;
    default:
      return RTC_EINVAL;
  }
}

static void event_of(rtc_transport_t *t, rtc_event_t *e) {
  *e = (rtc_event_t){.type = RTC_EV_TRANSPORT,
                     .id = t->id,
                     .state = t->state,
                     .reason = t->reason,
                     .has_path = t->has_path,
                     .srtp_profile = t->profile,
                     .path = t->path,
                     .added = t->added,
                     .checked = t->checked,
                     .connected = t->connected,
                     .first_media = t->first_media,
                     .certs = t->certs};
  t->certs = NULL;
  memcpy(e->text, t->text, sizeof e->text);
  rtc_way_event(t, e);
}

/* One event of t's queries and streams that is due: 1 or 0. */
static int stream_event(rtc_transport_t *t, rtc_event_t *e) {
  if (rtc_way_news(t, e)) return 1;
  for (rtc_recv_t *r = t->recvs; r; r = r->next) {
    if (!r->active_event) continue;
    r->active_event = false;
    *e = (rtc_event_t){.type = RTC_EV_RECV, .id = r->id, .ssrc = r->ssrc};
    return 1;
  }
  for (rtc_recv_t *r = t->recvs; r; r = r->next) {
    rtc_tone_t tone;
    if (!r->tones || !rtc_tone_rx_pop(r->tones, &tone)) continue;
    *e = (rtc_event_t){.type = RTC_EV_TONE, .id = r->id, .tone = tone.code, .volume = tone.volume, .tone_us = tone.length_us};
    return 1;
  }
  for (rtc_send_t *s = t->sends; s; s = s->next) {
    if (!s->key_event && !s->loss_event) continue;
    *e = (rtc_event_t){.type = s->key_event ? RTC_EV_KEYFRAME : RTC_EV_LOSS, .id = s->id, .ssrc = s->cfg.ssrc, .loss = s->loss};
    if (s->key_event)
      s->key_event = false;
    else
      s->loss_event = false;
    return 1;
  }
  return 0;
}

int rtc_hub_event(rtc_hub_t *h, rtc_event_t *out) {
  if (rtc_relayed_event(h, out)) return 1;
  for (rtc_transport_t *t; (t = h->dirty);) {
    bool closed = t->state == RTC_T_CLOSED;
    if (!closed && stream_event(t, out)) return 1;
    h->dirty = t->next_dirty;
    if (!h->dirty) h->dirty_last = NULL;
    t->dirty = false;
    if (closed && t->busy) continue; /* its end is told when the helper has given the handshake back */
    event_of(t, out);
    if (closed) {
      rtc_map_del(&h->transports, &t->id);
      rtc_transport_free(t);
    }
    return 1;
  }
  return 0;
}

int rtc_hub_job(rtc_hub_t *h, rtc_job_t *out) {
  rtc_transport_t *t = h->jobs;
  if (!t) return 0;
  h->jobs = t->next_job;
  if (!h->jobs) h->jobs_last = NULL;
  h->job_n--;
  t->queued = false;
  t->busy = true;
  *out = (rtc_job_t){.transport = t->id, .dtls = t->dtls, .keyed = t->keyed || t->held, .certs = t->wants_certs, .spent = t->handed};
  return 1;
}

void rtc_hub_job_done(rtc_hub_t *h, const rtc_job_t *job, rtc_time_t now) {
  h->st.now = now;
  rtc_transport_t *t = rtc_map_get(&h->transports, &job->transport);
  if (!t || !t->busy) return;
  t->busy = false;
  if (job->spent) {
    rtc_dtls_free(job->dtls); /* NULL when it has been worked on */
    t->dtls = NULL;
  }
  if (t->state == RTC_T_CLOSED) { /* closed meanwhile: its last event has waited for this */
    rtc_keying_free(job->keying);
    rtc_transport_part(t);
    rtc_hub_touch(t);
    return;
  }
  rtc_transport_job_done(t, job, now);
  rtc_transport_arm(t);
}

int rtc_hub_connect_with_keys(rtc_hub_t *h, uint32_t transport, const rtc_dtls_keys_t *keys, const rtc_path_t *path, rtc_time_t now) {
  rtc_transport_t *t = rtc_map_get(&h->transports, &transport);
  if (!t || t->keyed || t->state == RTC_T_CLOSED) return RTC_EINVAL;
  t->consent.has_path = t->has_path = true;
  t->consent.path = t->path = *path;
  t->consent.expires = RTC_NEVER;
  t->checked = now;
  rtc_hub_map_path(t, path, now);
  rtc_keying_t k;
  rtc_keying_init(&k, keys);
  int err = rtc_transport_set_keys(t, &k, now);
  rtc_transport_arm(t);
  return err;
}
