/* transport: one peer's ICE and DTLS, from its first check to its end. Media is in recv.c and send.c. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

rtc_transport_t *rtc_transport_new(rtc_hub_t *h, uint32_t id, const rtc_transport_cfg_t *cfg, rtc_time_t now, int *err) {
  rtc_dtls_ctx_t *dtls = cfg->dtls ? cfg->dtls : h->cfg.dtls;
  *err = RTC_EINVAL;
  if (cfg->fp_n > RTC_DTLS_FINGERPRINT_MAX) return NULL;
  bool unknown = !cfg->ice.remote_ufrag[0] && cfg->ice_role != RTC_ICE_ROLE_LITE; /* who comes: RTC_OP_PEER says */
  if (dtls && !cfg->fp_n && !unknown) return NULL;
  *err = RTC_ENOMEM;
  rtc_transport_t *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->hub = h;
  t->id = id;
  t->added = now;
  t->dtls_at = t->again_at = t->hand_at = t->report_at = t->held_till = RTC_NEVER;
  t->hold_ms = cfg->hold_ms;
  t->wants_certs = cfg->certs;
  rtc_pacer_init(&t->pacer, RTC_PACER_START_BPS, now);
  t->rate_at = now;
  t->cfg = calloc(1, sizeof *t->cfg);
  if (!t->cfg) goto fail;
  *t->cfg = (rtc_agreed_t){.ext = cfg->ext,
                           .ext_two_byte = cfg->ext_two_byte,
                           .reduced_rtcp = cfg->reduced_rtcp,
                           .dtls_client = cfg->dtls_client,
                           .ssrc = cfg->ssrc ? cfg->ssrc : (uint32_t)rtc_hub_draw(h) | 1u};
  memcpy(t->cfg->cname, cfg->cname, sizeof t->cfg->cname);
  *err = rtc_way_new(t, cfg);
  if (*err < 0) goto fail;
  *err = RTC_ENOMEM;
  if (unknown && cfg->dtls) t->meet_with = rtc_dtls_ctx_ref(cfg->dtls);
  if (dtls && !unknown) {
    t->dtls = rtc_dtls_new(dtls, cfg->dtls_client, cfg->fp, cfg->fp_n);
    if (!t->dtls) goto fail;
  }
  *err = rtc_name_put(&t->name, t, cfg->ice.local_ufrag);
  if (*err == 0) return t;
fail:
  rtc_transport_free(t);
  return NULL;
}

/* From now on nobody finds it: no datagram, no user name. */
static void unmap(rtc_transport_t *t) {
  rtc_hub_unmap_paths(t);
  rtc_name_drop(&t->name);
  rtc_name_drop(&t->old_name);
}

static void unqueue(rtc_transport_t *t) {
  rtc_hub_t *h = t->hub;
  if (!t->queued) return;
  rtc_transport_t *before = NULL;
  for (rtc_transport_t **at = &h->jobs; *at; before = *at, at = &(*at)->next_job) {
    if (*at != t) continue;
    *at = t->next_job;
    if (h->jobs_last == t) h->jobs_last = before;
    break;
  }
  h->job_n--;
  t->queued = false;
}

static void undirty(rtc_transport_t *t) {
  rtc_hub_t *h = t->hub;
  if (!t->dirty) return;
  rtc_transport_t *before = NULL;
  for (rtc_transport_t **at = &h->dirty; *at; before = *at, at = &(*at)->next_dirty) {
    if (*at != t) continue;
    *at = t->next_dirty;
    if (h->dirty_last == t) h->dirty_last = before;
    break;
  }
  t->dirty = false;
}

/* What a closed transport no longer needs; its record stays until its last event is told. */
static void shed(rtc_transport_t *t) {
  unmap(t);
  unqueue(t);
  rtc_out_seal(t->hub);
  while (t->recvs) {
    rtc_map_del(&t->hub->recvs, &t->recvs->id);
    rtc_recv_free(t->recvs);
  }
  while (t->sends) {
    rtc_map_del(&t->hub->sends, &t->sends->id);
    rtc_send_free(t->sends);
  }
  rtc_pacer_clear(&t->pacer);
  for (rtc_pkt_t *k; (k = t->early);) {
    t->early = k->next;
    rtc_pkt_put(k);
  }
  t->early_last = NULL;
  t->early_n = 0;
  free(t->arrival);
  t->arrival = NULL;
  if (t->keyed) {
    rtc_srtp_clear(&t->rx);
    rtc_srtp_clear(&t->tx);
  }
  t->keyed = false;
  rtc_keying_free(t->held);
  t->held = NULL;
}

void rtc_transport_free(rtc_transport_t *t) {
  if (!t) return;
  shed(t);
  undirty(t);
  rtc_heap_set(&t->hub->timers, &t->timer, RTC_NEVER);
  rtc_dtls_free(t->dtls);
  rtc_dtlsrec_clear(&t->rec);
  rtc_dtls_ctx_free(t->meet_with);
  rtc_way_free(t);
  rtc_capture_free(t->capture);
  free(t->certs);
  free(t->cfg);
  free(t->route);
  free(t);
}

static void start_dtls_client(rtc_transport_t *t);

int rtc_transport_meet(rtc_transport_t *t, const rtc_peer_cfg_t *peer, rtc_time_t now) {
  rtc_dtls_ctx_t *ctx = t->meet_with ? t->meet_with : t->hub->cfg.dtls;
  if (t->dtls || t->keyed || peer->fp_n > RTC_DTLS_FINGERPRINT_MAX || (ctx && !peer->fp_n)) return RTC_EINVAL;
  rtc_dtls_t *dtls = NULL;
  if (ctx) {
    dtls = rtc_dtls_new(ctx, peer->dtls_client, peer->fp, peer->fp_n);
    if (!dtls) return RTC_ENOMEM;
  }
  int err = rtc_way_meet(t, peer, now);
  if (err < 0) {
    rtc_dtls_free(dtls);
    return err;
  }
  rtc_dtls_ctx_free(t->meet_with);
  t->meet_with = NULL;
  t->dtls = dtls;
  t->cfg->dtls_client = peer->dtls_client;
  start_dtls_client(t);
  return 0;
}

int rtc_transport_restart(rtc_transport_t *t, const rtc_ice_cfg_t *ice, rtc_time_t now) {
  rtc_name_t name;
  bool followed = rtc_way_used(t) || !t->old_name.transport; /* else the peer still uses the ones from before the last restart */
  int err = rtc_name_put(&name, t, ice->local_ufrag);
  if (err < 0) return err;
  err = rtc_way_restart(t, ice, now);
  if (err < 0) {
    rtc_name_drop(&name);
    return err;
  }
  if (followed) rtc_name_move(&t->name, &t->old_name);
  rtc_name_move(&name, &t->name);
  return 0;
}

/* Puts t into the list of handshakes that need work. False when the list is full. */
static bool queue(rtc_transport_t *t) {
  rtc_hub_t *h = t->hub;
  if (t->queued || t->busy) return true;
  if (h->job_n == RTC_HUB_JOBS_MAX) return false;
  t->queued = true;
  t->next_job = NULL;
  if (h->jobs_last)
    h->jobs_last->next_job = t;
  else
    h->jobs = t;
  h->jobs_last = t;
  h->job_n++;
  return true;
}

/* True when there were some. */
static bool put_early(rtc_transport_t *t) {
  bool any = t->early != NULL;
  for (rtc_pkt_t *k; (k = t->early);) {
    t->early = k->next;
    if (rtc_dtls_put(t->dtls, k->data, k->len) < 0) rtc_hub_drop(t->hub, RTC_DROP_DTLS_QUEUE);
    rtc_pkt_put(k);
  }
  t->early_last = NULL;
  t->early_n = 0;
  return any;
}

/* What the peer said before there was a way to answer. */
static void take_early(rtc_transport_t *t) {
  if (!t->early || t->busy || !t->dtls || !t->has_path || t->hub->job_n == RTC_HUB_JOBS_MAX) return;
  put_early(t);
  if (queue(t)) t->dtls_started = true;
}

static void start_dtls_client(rtc_transport_t *t) {
  if (!t->dtls || t->dtls_started || !t->cfg->dtls_client || !rtc_way_open(t)) return;
  if (queue(t)) t->dtls_started = true;
}

static void count_in(rtc_transport_t *t, const rtc_pkt_t *k) {
  t->in_packets++;
  t->in_bytes += k->len;
}

static void answer(rtc_hub_t *h, const rtc_path_t *to, const uint8_t *p, size_t n) {
  rtc_pkt_t *k = rtc_pkt_get(h->pool);
  if (!k) {
    rtc_hub_drop(h, RTC_DROP_POOL);
    return;
  }
  memcpy(k->data, p, n);
  k->len = (uint32_t)n;
  h->st.stun_out++;
  rtc_out_to(h, k, to);
}

static void note_heard(rtc_transport_t *t, rtc_time_t now) {
  t->heard = now;
  if (t->state != RTC_T_STALLED) return;
  t->state = RTC_T_CONNECTED;
  rtc_hub_touch(t);
}

void rtc_transport_on_stun(rtc_transport_t *t, rtc_pkt_t *k, const rtc_stun_t *m, rtc_time_t now) {
  rtc_hub_t *h = t->hub;
  uint8_t out[128];
  size_t n = 0;
  int r = rtc_way_on_stun(t, m, k, out, sizeof out, &n, now);
  if (r <= 0 && !n) {
    rtc_hub_drop(h, RTC_DROP_STUN_AUTH);
    return;
  }
  if (n) {
    rtc_captured(t, &k->path, RTC_KIND_STUN, true, out, n, now);
    answer(h, &k->path, out, n);
  }
  if (r <= 0) return;
  rtc_hub_map_path(t, &k->path, now);
  note_heard(t, now);
  if (r == RTC_CONSENT_MOVED) {
    if (!t->checked) t->checked = now;
    if (t->state == RTC_T_NEW) t->state = RTC_T_CHECKED;
    rtc_hub_touch(t);
  }
  start_dtls_client(t);
  take_early(t);
}

void rtc_transport_on_dtls(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now) {
  if (t->handed) {
    rtc_records_in(t, k, now);
    rtc_pkt_put(k);
    return;
  }
  if ((t->busy || !t->has_path) && t->early_n < RTC_EARLY_MAX) { /* a peer may begin before a check of ours has told us where to answer */
    count_in(t, k);
    k->next = NULL;
    if (t->early_last)
      t->early_last->next = k;
    else
      t->early = k;
    t->early_last = k;
    t->early_n++;
    return;
  }
  bool room = t->dtls && !t->busy && t->has_path && (t->queued || t->hub->job_n < RTC_HUB_JOBS_MAX);
  if (room && rtc_dtls_put(t->dtls, k->data, k->len) == 0 && queue(t)) {
    count_in(t, k);
    t->dtls_started = true;
  } else {
    rtc_hub_drop(t->hub, RTC_DROP_DTLS_QUEUE);
  }
  rtc_pkt_put(k);
}

static void flush_dtls(rtc_transport_t *t) {
  rtc_hub_t *h = t->hub;
  for (;;) {
    rtc_pkt_t *k = rtc_pkt_get(h->pool);
    if (!k) {
      rtc_hub_drop(h, RTC_DROP_POOL); /* the time-out sends the flight again */
      return;
    }
    int n = rtc_dtls_get(t->dtls, k->data, RTC_PKT_DATA);
    if (n <= 0) {
      rtc_pkt_put(k);
      return;
    }
    k->len = (uint32_t)n;
    h->st.dtls_out++;
    rtc_out_clear_text(t, k);
  }
}

int rtc_transport_set_keys(rtc_transport_t *t, rtc_keying_t *k, rtc_time_t now) {
  uint32_t window = t->hub->cfg.srtp_window;
  int err = k->err < 0 ? k->err : window ? rtc_srtp_window(&k->rx, window) : 0;
  if (err < 0) return err;
  t->rx = k->rx;
  t->rx.opener = t->hub->cfg.sealer;
  t->tx = k->tx;
  t->keyed = true;
  t->profile = (uint16_t)k->profile;
  if (k->certs) t->certs = k->certs;
  rtc_cleanse(k, sizeof *k);
  t->state = RTC_T_CONNECTED;
  t->connected = now;
  t->heard = now;
  rtc_way_on_heard(t, &t->path, now);
  rtc_report_soon(t, now);
  for (rtc_send_t *s = t->sends; s; s = s->next) rtc_send_on_key_wanted(s, now);
  rtc_hub_touch(t);
  return 0;
}

/* A loss each way costs a round of time-outs; sent twice at some distance, both come through far more often. */
static void send_again(rtc_transport_t *t) {
  t->again_at = RTC_NEVER;
  if (t->dtls && rtc_dtls_again(t->dtls) == 0) flush_dtls(t);
}

/* The peer has finished its handshake: it will not repeat its last flight to get ours again. */
static void hand_over_soon(rtc_transport_t *t, rtc_time_t now) {
  if (t->hand_at != RTC_NEVER) t->hand_at = rtc_time_min(t->hand_at, now);
}

/* Another version or cipher: OpenSSL stays. */
static void hand_over(rtc_transport_t *t, rtc_time_t now) {
  flush_dtls(t);
  int err = rtc_records_take_over(t);
  t->hand_at = err == RTC_ESTATE || err == RTC_ENOMEM ? now + RTC_MS(10) : RTC_NEVER;
  if (err == RTC_ESTATE) queue(t); /* something still waits in it */
  if (err < 0) return;
  t->dtls_at = t->again_at = RTC_NEVER;
  if (queue(t)) return; /* to be freed, which is dear too */
  rtc_dtls_free(t->dtls);
  t->dtls = NULL;
}

/* The handshake is over, and somebody else has to say whether this is the right peer. */
static int hold(rtc_transport_t *t, rtc_keying_t *k, rtc_time_t now) {
  if (k->err < 0) return k->err;
  t->held = k;
  t->held_till = now + RTC_MS(t->hold_ms);
  t->certs = k->certs;
  k->certs = NULL;
  t->state = RTC_T_HELD;
  rtc_way_on_heard(t, &t->path, now);
  rtc_hub_touch(t);
  return 0;
}

static int take_keys(rtc_transport_t *t, const rtc_job_t *job, rtc_time_t now) {
  rtc_job_t made = *job;
  rtc_job_work(&made); /* the helper has done it, unless it had no memory */
  int err = !made.keying ? RTC_ENOMEM : t->hold_ms ? hold(t, made.keying, now) : rtc_transport_set_keys(t, made.keying, now);
  if (err < 0 || !t->held) rtc_keying_free(made.keying);
  return err;
}

int rtc_transport_accept(rtc_transport_t *t, rtc_time_t now) {
  if (!t->held) return t->keyed ? 0 : RTC_ESTATE;
  rtc_keying_t *k = t->held;
  t->held = NULL;
  t->held_till = RTC_NEVER;
  int err = rtc_transport_set_keys(t, k, now);
  rtc_keying_free(k);
  return err;
}

void rtc_transport_job_done(rtc_transport_t *t, const rtc_job_t *job, rtc_time_t now) {
  if (job->spent) return;
  flush_dtls(t);
  rtc_dtls_state_t state = rtc_dtls_state(t->dtls);
  if (state == RTC_DTLS_CONNECTED && !t->keyed && !t->held) {
    if (take_keys(t, job, now) < 0) {
      rtc_transport_close(t, RTC_WHY_DTLS, "no SRTP profile agreed", now);
      return;
    }
    t->hand_at = now + RTC_HAND_OVER_US;
  }
  if (state == RTC_DTLS_FAILED || state == RTC_DTLS_CLOSED) {
    bool failed = state == RTC_DTLS_FAILED;
    rtc_transport_close(t, failed ? RTC_WHY_DTLS : RTC_WHY_CLOSE_NOTIFY, failed ? rtc_dtls_error(t->dtls) : "", now);
    return;
  }
  bool more = put_early(t);
  if (rtc_dtls_settled(t->dtls)) hand_over_soon(t, now);
  rtc_time_t in = rtc_dtls_timeout_in(t->dtls);
  t->dtls_at = in == RTC_NEVER ? RTC_NEVER : now + in;
  rtc_time_t again_at = now + (in == RTC_NEVER ? RTC_AGAIN_US : in / 2);
  t->again_at = rtc_dtls_wants_again(t->dtls) ? rtc_time_min(t->again_at, again_at) : RTC_NEVER;
  if (more && !queue(t)) t->dtls_at = now + RTC_MS(10);
}

void rtc_transport_on_heard(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now) {
  rtc_way_on_heard(t, from, now);
  note_heard(t, now);
}

/* Only who has finished the handshake has these keys, or would use them. */
void rtc_transport_on_srtp(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now) {
  rtc_transport_on_heard(t, from, now);
  hand_over_soon(t, now);
}

void rtc_transport_close(rtc_transport_t *t, rtc_reason_t why, const char *text, rtc_time_t now) {
  if (t->state == RTC_T_CLOSED) return;
  bool may_send = why != RTC_WHY_CONSENT; /* without consent not even a goodbye (RFC 7675 §5.1) */
  if (t->keyed && may_send) rtc_report_bye(t, NULL, now);
  if (t->handed && may_send) {
    rtc_records_close(t);
  } else if (t->dtls && !t->busy && t->dtls_started && may_send) {
    rtc_dtls_close(t->dtls);
    flush_dtls(t);
  }
  t->state = RTC_T_CLOSED;
  t->reason = (uint8_t)why;
  size_t n = strlen(text);
  memcpy(t->text, text, n < sizeof t->text ? n : sizeof t->text - 1); /* the rest is zero since calloc */
  shed(t);
  rtc_relayed_on_closed(t, now);
  if (t->busy) return;
  rtc_dtls_free(t->dtls);
  t->dtls = NULL;
  rtc_dtlsrec_clear(&t->rec);
  rtc_hub_touch(t);
}

void rtc_transport_part(rtc_transport_t *t) {
  if (t->handed || !t->dtls || !t->dtls_started || !t->has_path || t->reason == RTC_WHY_CONSENT) return;
  rtc_dtls_close(t->dtls);
  flush_dtls(t);
}

static bool publishes(const rtc_transport_t *t) { return t->recvs != NULL; }

void rtc_transport_tick(rtc_transport_t *t, rtc_time_t now) {
  if (t->state == RTC_T_CLOSED) return;
  if (!rtc_way_tick(t, now)) {
    rtc_transport_close(t, t->checked ? RTC_WHY_CONSENT : RTC_WHY_TIMEOUT, t->checked ? "" : "no check was answered", now);
    return;
  }
  if (!t->ice_survives && t->state < RTC_T_CONNECTED && now - t->added >= RTC_MS(RTC_SETUP_MS)) {
    rtc_transport_close(t, RTC_WHY_TIMEOUT, t->checked ? "DTLS did not finish" : "no check reached us", now);
    return;
  }
  if (t->held_till <= now) {
    rtc_transport_close(t, RTC_WHY_TIMEOUT, "the peer was not accepted in time", now);
    return;
  }
  if (t->dtls_at <= now && !t->busy) t->dtls_at = queue(t) ? RTC_NEVER : now + RTC_MS(10);
  if (t->again_at <= now && !t->busy && !t->queued) send_again(t);
  if (t->hand_at <= now && !t->busy && !t->queued) hand_over(t, now);
  start_dtls_client(t);
  if (t->state == RTC_T_CONNECTED && publishes(t) && now - t->heard >= RTC_MS(RTC_STALL_MS)) {
    t->state = RTC_T_STALLED;
    rtc_hub_touch(t);
  }
  if (!t->keyed) return;
  rtc_report_tick(t, now);
  rtc_send_pace(t, now);
}

void rtc_transport_arm(rtc_transport_t *t) {
  rtc_time_t at = RTC_NEVER;
  if (t->state != RTC_T_CLOSED) {
    at = rtc_time_min(rtc_way_next_at(t), t->busy ? RTC_NEVER : t->dtls_at);
    at = rtc_time_min(at, t->held_till);
    if (!t->busy && !t->queued) at = rtc_time_min(at, rtc_time_min(t->again_at, t->hand_at)); /* else when the job is done */
    if (t->state < RTC_T_CONNECTED && !t->ice_survives) at = rtc_time_min(at, t->added + RTC_MS(RTC_SETUP_MS));
    if (t->state == RTC_T_CONNECTED && publishes(t)) at = rtc_time_min(at, t->heard + RTC_MS(RTC_STALL_MS));
    if (t->keyed) at = rtc_time_min(at, rtc_time_min(rtc_report_next_at(t), rtc_pacer_next_at(&t->pacer)));
  }
  if (at == t->timer.at && t->timer.place) return;
  rtc_heap_set(&t->hub->timers, &t->timer, at);
}
