/* way: a transport's ICE, lite or full, behind one face: where datagrams go to, and whom they are taken from. */
#include <stdlib.h>

#include "engine/state.h"

enum { MAPPED_MAX = 4 /* addresses of a peer that checks us: as many as consent holds for valid */ };

/* What the agent says now; a change is told. */
static void follow(rtc_transport_t *t, rtc_time_t now) {
  const rtc_ice_t *c = t->ice;
  t->has_path = c ? c->has_path : t->consent.has_path;
  t->path = c ? c->path : t->consent.path;
  if (!c) return;
  if (c->has_path && !t->checked) t->checked = now;
  if (c->has_path && t->state == RTC_T_NEW) t->state = RTC_T_CHECKED;
  rtc_ice_state_t state = rtc_ice_state(c);
  if (state == t->ice_state) return;
  t->ice_state = (uint8_t)state;
  rtc_hub_touch(t);
}

static rtc_ice_flow_t all_flow(const rtc_transport_t *t) {
  return (rtc_ice_flow_t){t->in_packets, t->in_bytes, t->out_packets, t->out_bytes};
}

/* What went over the chosen pair, with what has flowed since it was credited last. */
static rtc_ice_flow_t flow_of(const rtc_transport_t *t) {
  rtc_ice_flow_t f = t->ice->pair[t->ice->selected].flow, all = all_flow(t), was = t->flow;
  f.packets_in += all.packets_in - was.packets_in;
  f.bytes_in += all.bytes_in - was.bytes_in;
  f.packets_out += all.packets_out - was.packets_out;
  f.bytes_out += all.bytes_out - was.bytes_out;
  return f;
}

/* Before another one may be chosen. */
static void credit(rtc_transport_t *t) {
  if (t->ice->selected >= 0) t->ice->pair[t->ice->selected].flow = flow_of(t);
  t->flow = all_flow(t);
}

int rtc_way_new(rtc_transport_t *t, const rtc_transport_cfg_t *cfg) {
  const rtc_ice_cfg_t *ice = &cfg->ice;
  bool lite = cfg->ice_role == RTC_ICE_ROLE_LITE;
  if (cfg->ice_role > RTC_ICE_ROLE_CONTROLLED || (lite && cfg->ice_survives)) return RTC_EINVAL;
  t->mapped_cap = lite ? MAPPED_MAX : RTC_ICE_PAIRS;
  t->mapped_room = MAPPED_MAX;
  t->mapped = malloc((size_t)t->mapped_room * sizeof *t->mapped);
  if (!lite) t->ice = calloc(1, sizeof *t->ice);
  if (!t->mapped || (!lite && !t->ice)) return RTC_ENOMEM;
  t->ice_survives = cfg->ice_survives;
  if (lite) return rtc_consent_init(&t->consent, ice->local_ufrag, ice->local_pwd, ice->remote_ufrag, ice->remote_pwd);
  uint64_t seed = rtc_hub_draw(t->hub);
  bool controlling = cfg->ice_role == RTC_ICE_ROLE_CONTROLLING;
  int err = rtc_ice_init(t->ice, ice->local_ufrag, ice->local_pwd, ice->remote_ufrag, ice->remote_pwd, controlling, seed);
  rtc_ice_mark(t->ice, t->id, &t->hub->mark);
  return err;
}

void rtc_way_free(rtc_transport_t *t) {
  rtc_consent_clear(&t->consent);
  if (t->ice) rtc_ice_clear(t->ice);
  free(t->ice);
  free(t->srflx);
  free(t->mapped);
}

int rtc_way_meet(rtc_transport_t *t, const rtc_peer_cfg_t *peer, rtc_time_t now) {
  if (!t->ice || rtc_ice_introduced(t->ice)) return RTC_EINVAL;
  int err = rtc_ice_set_remote(t->ice, peer->remote_ufrag, peer->remote_pwd);
  if (err == 0) follow(t, now);
  return err;
}

int rtc_way_restart(rtc_transport_t *t, const rtc_ice_cfg_t *ice, rtc_time_t now) {
  if (!t->ice) return rtc_consent_restart(&t->consent, ice->local_ufrag, ice->local_pwd, ice->remote_ufrag, ice->remote_pwd);
  credit(t);
  int err = rtc_ice_restart(t->ice, ice->local_ufrag, ice->local_pwd, ice->remote_ufrag, ice->remote_pwd, now);
  if (err == 0) follow(t, now);
  return err;
}

bool rtc_way_used(const rtc_transport_t *t) { return t->ice ? t->ice->used : t->consent.used; }

static int ask_server(rtc_transport_t *t, const rtc_stun_cfg_t *ask, rtc_time_t now) {
  if (!t->srflx) {
    t->srflx = malloc(sizeof *t->srflx);
    if (!t->srflx) return RTC_ENOMEM;
    rtc_srflx_init(t->srflx, t->id, &t->hub->mark);
  }
  return rtc_srflx_add(t->srflx, ask->number, &ask->path, now);
}

int rtc_way_exec(rtc_transport_t *t, const rtc_cmd_t *c, rtc_time_t now) {
  if (!t->ice) return RTC_EINVAL;
  int err = 0;
  switch (c->op) {
    case RTC_OP_PATH:
      err = rtc_ice_add_path(t->ice, &c->u.path, now);
      break;
    case RTC_OP_LOCAL:
      err = rtc_ice_add_local(t->ice, &c->u.cand, now);
      break;
    case RTC_OP_REMOTE:
      err = rtc_ice_add_remote(t->ice, &c->u.cand, now);
      break;
    case RTC_OP_STUN:
      return ask_server(t, &c->u.stun, now);
    case RTC_OP_LOCAL_LOST:
      credit(t);
      rtc_ice_lose(t->ice, c->u.path.sock, now);
      break;
    case RTC_OP_ICE_END:
      rtc_ice_end(t->ice, c->u.ends.local, c->u.ends.remote, now);
      break;
    default:
      rtc_ice_set_role(t->ice, c->u.controlling);
      break;
  }
  follow(t, now);
  return err;
}

int rtc_way_on_stun(rtc_transport_t *t, const rtc_stun_t *m, const rtc_pkt_t *k, uint8_t *out, size_t cap, size_t *n, rtc_time_t now) {
  int r;
  if (t->ice) {
    bool role = t->ice->controlling;
    credit(t);
    r = rtc_ice_on_stun(t->ice, m, k->data, &k->path, out, cap, n, now);
    if (role != t->ice->controlling) rtc_hub_touch(t);
    if (t->ice->has_path) rtc_hub_map_path(t, &t->ice->path, now); /* another one may have had it while neither had settled */
  } else {
    r = rtc_consent_on_stun(&t->consent, m, k->data, &k->path, out, cap, n, now);
  }
  follow(t, now);
  return r;
}

void rtc_way_on_heard(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now) {
  if (!t->ice) {
    rtc_consent_on_heard(&t->consent, from, now);
    return;
  }
  bool lost = t->ice->lost;
  int was = t->ice->selected;
  if (!rtc_path_eq(&t->path, from)) credit(t); /* another one may be chosen */
  rtc_ice_on_heard(t->ice, from, now);
  if (was != t->ice->selected) rtc_hub_touch(t);
  if (lost || was != t->ice->selected) follow(t, now);
}

bool rtc_way_settled(const rtc_transport_t *t) { return t->has_path && (!t->ice || t->ice->nominated); }

/* Whose the datagrams of a path are that several have checked is clear when one has settled on it. */
static bool clear(const rtc_transport_t *t) { return !t->shared || t->state >= RTC_T_CONNECTED || rtc_way_settled(t); }

bool rtc_way_open(const rtc_transport_t *t) { return t->has_path && clear(t); }

rtc_time_t rtc_way_heard(const rtc_transport_t *t) { return t->ice ? t->ice->heard : t->consent.heard; }

bool rtc_way_knows(const rtc_transport_t *t, const rtc_path_t *from) {
  /* Also before a check of ours has passed: a peer whose own has begins with DTLS at once, and its first datagram is kept. */
  return t->ice ? clear(t) && rtc_ice_knows(t->ice, from) : rtc_consent_knows(&t->consent, from);
}

static void send_checks(rtc_transport_t *t, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  for (;;) {
    rtc_path_t path;
    rtc_pkt_t *k = rtc_pkt_get(h->pool);
    if (!k) return;
    int n = rtc_ice_pop(t->ice, k->data, RTC_PKT_DATA, &path, now);
    if (n <= 0) {
      rtc_pkt_put(k);
      return;
    }
    if (!rtc_hub_path_free(t, &path, now)) { /* what comes from there would be another's */
      rtc_hub_drop(h, RTC_DROP_PATH);
      rtc_pkt_put(k);
      rtc_ice_refuse(t->ice, &path, now);
      continue;
    }
    k->len = (uint32_t)n;
    h->st.stun_out++;
    rtc_captured(t, &path, RTC_KIND_STUN, true, k->data, k->len, now);
    rtc_out_to(h, k, &path);
  }
}

static bool has_candidate(const rtc_ice_t *c, const rtc_srflx_query_t *q) {
  for (int i = 0; i < c->local_n; i++)
    if (c->local[i].type == RTC_ICE_SRFLX && c->local[i].sock == q->path.sock && rtc_addr_eq(&c->local[i].addr, &q->mapped)) return true;
  return false;
}

static void ask_servers(rtc_transport_t *t, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  rtc_srflx_t *q = t->srflx;
  const rtc_srflx_query_t *due;
  for (int i = 0; (due = rtc_srflx_due(q, &i, now));) {
    if (has_candidate(t->ice, due))
      i++;
    else
      rtc_srflx_unused(q, &i);
  }
  while (rtc_srflx_next_at(q) <= now) {
    rtc_path_t path;
    rtc_pkt_t *k = rtc_pkt_get(h->pool);
    if (!k) return;
    int n = rtc_srflx_pop(q, rtc_hub_draw(h), k->data, RTC_PKT_DATA, &path, now);
    if (n <= 0) {
      rtc_pkt_put(k);
      break;
    }
    k->len = (uint32_t)n;
    h->st.stun_out++;
    rtc_captured(t, &path, RTC_KIND_STUN, true, k->data, k->len, now);
    rtc_out_to(h, k, &path);
  }
  for (int i = 0; i < q->n; i++)
    if (q->v[i].news) rtc_hub_touch(t);
}

bool rtc_way_on_server(rtc_transport_t *t, const rtc_stun_t *m, const rtc_path_t *from, rtc_time_t now) {
  if (!t->srflx || !rtc_srflx_on_stun(t->srflx, m, from, rtc_hub_draw(t->hub), now)) return false;
  rtc_hub_touch(t);
  rtc_transport_arm(t);
  return true;
}

bool rtc_way_news(rtc_transport_t *t, rtc_event_t *e) {
  rtc_srflx_query_t q;
  if (!t->srflx || !rtc_srflx_news(t->srflx, &q)) return false;
  *e = (rtc_event_t){.type = RTC_EV_STUN, .id = t->id, .has_path = q.known, .path = q.path, .query = q.number, .stun_error = q.error};
  e->path.remote = q.mapped;
  return true;
}

bool rtc_way_tick(rtc_transport_t *t, rtc_time_t now) {
  if (!t->ice) return !rtc_consent_expired(&t->consent, now);
  if (t->srflx) ask_servers(t, now);
  credit(t);
  send_checks(t, now);
  follow(t, now);
  return t->ice_survives || t->ice_state != RTC_ICE_FAILED;
}

rtc_time_t rtc_way_next_at(const rtc_transport_t *t) {
  if (!t->ice) return rtc_consent_next_at(&t->consent);
  return rtc_time_min(rtc_ice_next_at(t->ice), t->srflx ? rtc_srflx_next_at(t->srflx) : RTC_NEVER);
}

void rtc_way_event(const rtc_transport_t *t, rtc_event_t *e) {
  const rtc_ice_t *c = t->ice;
  if (!c) return;
  e->ice = t->ice_state;
  e->controlling = c->controlling;
  if (c->selected < 0) return;
  const rtc_ice_pair_t *p = &c->pair[c->selected];
  e->local_type = c->local[p->seen_as].type;
  e->remote_type = c->remote[p->remote].type;
  e->tcp = c->remote[p->remote].tcp;
}

void rtc_way_stats(const rtc_transport_t *t, rtc_transport_stats_t *o) {
  const rtc_ice_t *c = t->ice;
  if (c && c->selected >= 0) {
    const rtc_ice_pair_t *p = &c->pair[c->selected];
    o->pair_requests = p->requests_out - p->repeats_out;
    o->pair_answers = p->answers_in;
    o->pair_requests_in = p->requests_in;
    o->pair_answers_out = p->answers_out;
    o->pair_consents = p->consents_out;
    o->pair_rtt_us = p->rtt_us;
    o->pair_rtt_sum_us = p->rtt_sum_us;
    o->pair_flow = flow_of(t);
  }
  o->nominated = c ? c->nominated : t->consent.nominated;
  o->stun_requests = c ? c->requests : t->consent.requests;
  o->stun_answers = c ? c->answers : 0;
  o->ice_state = t->ice_state;
  if (c && c->rtt_us) o->rtt_us = c->rtt_us;
}

void rtc_way_rows(rtc_transport_t *t, rtc_ice_stats_t *o, rtc_time_t now) {
  const rtc_ice_t *c = t->ice;
  o->now = now;
  o->local_n = o->remote_n = o->pair_n = 0;
  o->selected = -1;
  if (!c) return;
  credit(t);
  o->selected = c->has_path ? c->selected : -1;
  for (int i = 0; i < c->local_n; i++) o->local[o->local_n++] = c->local[i];
  for (int i = 0; i < c->remote_n; i++) o->remote[o->remote_n++] = c->remote[i];
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    o->pair[o->pair_n++] = (rtc_pair_stats_t){.local = p->seen_as,
                                              .remote = p->remote,
                                              .state = p->state,
                                              .nominated = c->nominated && i == c->selected,
                                              .priority = p->priority,
                                              .requests_out = p->requests_out,
                                              .answers_in = p->answers_in,
                                              .requests_in = p->requests_in,
                                              .answers_out = p->answers_out,
                                              .consents_out = p->consents_out,
                                              .rtt_us = p->rtt_us,
                                              .rtt_sum_us = p->rtt_sum_us,
                                              .flow = p->flow};
  }
}

void rtc_way_capture(const rtc_transport_t *t, const rtc_path_t *path, rtc_kind_t kind, bool sent, const uint8_t *p, size_t n,
                     rtc_time_t at) {
  rtc_capture_head_t h = {.at = at, .path = *path, .transport = t->id, .kind = (uint8_t)kind, .sent = sent};
  for (int i = 0; t->ice && !h.path.local.port && i < t->ice->local_n; i++)
    if (t->ice->local[i].sock == path->sock && t->ice->local[i].base.port) h.path.local = t->ice->local[i].base;
  rtc_capture_put(t->capture, &h, p, n);
}
