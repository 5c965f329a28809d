/* relayed: allocations on TURN servers, each as a socket of its own: what goes to a path with its number is wrapped at the last moment and
 * leaves by the real socket, what comes from its server is unwrapped in place and goes on as if it had come to that number. So ICE, DTLS
 * and media do not know. The owner makes and ends one; a transport may be named whose end ends it too. */
#include <stdlib.h>

#include "engine/state.h"
#include "wire/demux.h"

static rtc_relayed_t *by_number(const rtc_hub_t *h, uint32_t sock) {
  uint32_t id = sock & ~(uint32_t)RTC_RELAYED_SOCK;
  return rtc_map_get(&h->relayed, &id);
}

static void touch(rtc_relayed_t *r) {
  rtc_hub_t *h = r->hub;
  if (r->dirty) return;
  r->dirty = true;
  r->next_dirty = NULL;
  if (h->relayed_last)
    h->relayed_last->next_dirty = r;
  else
    h->relayed_dirty = r;
  h->relayed_last = r;
}

/* Sends the requests that are due, and tells what has become of it. */
static void follow(rtc_relayed_t *r, rtc_time_t now) {
  rtc_hub_t *h = r->hub;
  for (;;) {
    rtc_pkt_t *k = rtc_pkt_get(h->pool);
    if (!k) {
      rtc_hub_drop(h, RTC_DROP_POOL);
      break;
    }
    int n = rtc_turn_pop(&r->turn, k->data, RTC_PKT_DATA, now);
    if (n <= 0) {
      rtc_pkt_put(k);
      break;
    }
    k->len = (uint32_t)n;
    h->st.stun_out++;
    rtc_out_to(h, k, &r->path);
  }
  rtc_heap_set(&h->relayed_timers, &r->timer, rtc_turn_next_at(&r->turn));
  if (r->told != r->turn.state && r->turn.state != RTC_TURN_CLOSING) touch(r);
}

static rtc_relayed_key_t key_of(const rtc_path_t *path) {
  rtc_relayed_key_t k;
  memset(&k, 0, sizeof k);
  k.server = path->remote;
  k.sock = path->sock;
  return k;
}

static void free_one(rtc_relayed_t *r) {
  rtc_hub_t *h = r->hub;
  rtc_relayed_key_t key = key_of(&r->path);
  rtc_heap_set(&h->relayed_timers, &r->timer, RTC_NEVER);
  rtc_map_del(&h->relayed, &r->id);
  rtc_map_del(&h->turn_servers, &key);
  rtc_turn_clear(&r->turn);
  free(r);
}

static int add(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  const rtc_turn_server_t *s = &c->u.turn;
  rtc_relayed_key_t key = key_of(&s->path);
  if (!c->id || c->id >= RTC_RELAYED_SOCK || s->path.sock >= RTC_RELAYED_SOCK || !s->path.remote.port) return RTC_EINVAL;
  const rtc_transport_t *t = rtc_map_get(&h->transports, &s->transport);
  if (rtc_map_get(&h->relayed, &c->id) || (s->transport && (!t || t->state == RTC_T_CLOSED))) return RTC_EINVAL;
  if (rtc_map_get(&h->turn_servers, &key)) return RTC_ESTATE; /* one allocation a way (RFC 8656 §3) */
  if (rtc_heap_reserve(&h->relayed_timers, h->relayed.used + 1) < 0) return RTC_ENOMEM;
  rtc_relayed_t *r = calloc(1, sizeof *r);
  if (!r) return RTC_ENOMEM;
  *r = (rtc_relayed_t){.hub = h, .id = c->id, .transport = s->transport, .path = s->path, .told = RTC_TURN_ASKING};
  rtc_turn_cfg_t cfg = {.username = s->username, .password = s->password, .v6 = s->v6, .stream = s->stream, .seed = rtc_hub_draw(h)};
  int err = rtc_turn_init(&r->turn, &cfg, now);
  if (err == 0) err = rtc_map_put(&h->relayed, &r->id, r);
  if (err == 0) err = rtc_map_put(&h->turn_servers, &key, r);
  if (err < 0)
    free_one(r);
  else
    follow(r, now);
  return err;
}

static void end(rtc_relayed_t *r, rtc_time_t now) {
  rtc_turn_close(&r->turn, now);
  follow(r, now);
}

int rtc_relayed_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  if (c->op == RTC_OP_TURN) return add(h, c, now);
  rtc_relayed_t *r = c->id ? rtc_map_get(&h->relayed, &c->id) : NULL;
  uint32_t pos = 0;
  if (r)
    end(r, now);
  else if (!c->id)
    while ((r = rtc_map_next(&h->relayed, &pos))) end(r, now);
  return 0;
}

void rtc_relayed_on_closed(const rtc_transport_t *t, rtc_time_t now) {
  uint32_t pos = 0;
  for (rtc_relayed_t *r; (r = rtc_map_next(&t->hub->relayed, &pos));)
    if (r->transport == t->id) end(r, now);
}

void rtc_hub_disconnected(rtc_hub_t *h, uint32_t sock, rtc_time_t now) {
  uint32_t pos = 0;
  for (rtc_relayed_t *r; (r = rtc_map_next(&h->relayed, &pos));) {
    if (r->path.sock != sock) continue;
    rtc_turn_lost(&r->turn);
    follow(r, now);
  }
}

void rtc_relayed_free_all(rtc_hub_t *h) {
  uint32_t pos = 0;
  for (rtc_relayed_t *r; (r = rtc_map_next(&h->relayed, &pos));) free_one(r);
  rtc_map_clear(&h->relayed);
  rtc_map_clear(&h->turn_servers);
  rtc_heap_clear(&h->relayed_timers);
}

bool rtc_relayed_is_server(const rtc_hub_t *h, const rtc_path_t *path) {
  if (!h->turn_servers.used) return false;
  rtc_relayed_key_t key = key_of(path);
  return rtc_map_get(&h->turn_servers, &key) != NULL;
}

static rtc_relayed_result_t inner(rtc_relayed_t *r, rtc_pkt_t *k, uint8_t *data, size_t n, const rtc_addr_t *peer) {
  k->data = data;
  k->len = (uint32_t)n;
  k->path = (rtc_path_t){.remote = *peer, .local = r->turn.relayed, .sock = r->id | RTC_RELAYED_SOCK};
  r->hub->st.turn_in++;
  return RTC_RELAYED_INNER;
}

static rtc_relayed_result_t refuse(rtc_hub_t *h, rtc_drop_t why) {
  rtc_hub_drop(h, why);
  return RTC_RELAYED_DONE;
}

rtc_relayed_result_t rtc_relayed_in(rtc_hub_t *h, rtc_pkt_t *k, rtc_kind_t kind, rtc_time_t now) {
  if (!h->turn_servers.used) return RTC_RELAYED_OTHER;
  rtc_relayed_key_t key = key_of(&k->path);
  rtc_relayed_t *r = rtc_map_get(&h->turn_servers, &key);
  if (!r) return RTC_RELAYED_OTHER;
  rtc_addr_t peer;
  size_t n;
  if (kind == RTC_KIND_TURN) {
    int off = rtc_turn_channel_data(&r->turn, k->data, k->len, &peer, &n, now);
    if (off >= 0) return inner(r, k, k->data + off, n, &peer);
    return refuse(h, off == RTC_EAUTH ? RTC_DROP_TURN_PEER : RTC_DROP_TURN_FORM);
  }
  rtc_stun_t m;
  if (rtc_stun_parse(&m, k->data, k->len) < 0) return RTC_RELAYED_OTHER;                /* counted there */
  if ((m.type & ~RTC_STUN_CLASS) == RTC_STUN_BINDING_REQUEST) return RTC_RELAYED_OTHER; /* checks, and what a STUN server answers */
  if (m.type == RTC_STUN_DATA) {
    int err = rtc_turn_data(&r->turn, &m);
    if (err < 0) return refuse(h, err == RTC_EAUTH ? RTC_DROP_TURN_PEER : RTC_DROP_TURN_FORM);
    return inner(r, k, k->data + (m.data - k->data), m.data_len, &m.peer);
  }
  h->st.stun_in++;
  if (!rtc_turn_on_stun(&r->turn, &m, k->data, now)) return refuse(h, RTC_DROP_TURN_AUTH);
  follow(r, now);
  return RTC_RELAYED_DONE;
}

void rtc_relayed_meet(rtc_hub_t *h, const rtc_path_t *path, rtc_time_t now) {
  rtc_relayed_t *r = by_number(h, path->sock);
  if (r && rtc_turn_meet(&r->turn, &path->remote, now) == 0 && rtc_turn_next_at(&r->turn) <= now) follow(r, now);
}

bool rtc_relayed_wrap(rtc_hub_t *h, rtc_pkt_t *k) {
  rtc_relayed_t *r = by_number(h, k->path.sock);
  rtc_kind_t kind = rtc_demux(k->data, k->len);
  size_t before = (size_t)(k->data - k->buf), n;
  if (before < RTC_TURN_HEAD || rtc_pkt_cap(k) < k->len + RTC_TURN_TAIL) {
    rtc_hub_drop(h, RTC_DROP_TOO_BIG);
    return false;
  }
  /* A check alone is not worth a channel: most addresses of a peer never carry more. */
  int err = !r ? RTC_ESTATE : rtc_turn_wrap(&r->turn, &k->path.remote, k->data, k->len, kind != RTC_KIND_STUN, &n, h->st.now);
  if (err < 0) {
    rtc_hub_drop(h, err == RTC_ESTATE ? RTC_DROP_TURN_GONE : RTC_DROP_TURN_PEER);
    return false;
  }
  k->data -= err;
  k->len = (uint32_t)n;
  k->path = r->path;
  h->st.turn_out++;
  if (rtc_turn_next_at(&r->turn) != r->timer.at) rtc_heap_set(&h->relayed_timers, &r->timer, rtc_turn_next_at(&r->turn));
  return true;
}

void rtc_relayed_tick(rtc_hub_t *h, rtc_time_t now) {
  for (rtc_heap_entry_t *e; (e = rtc_heap_top(&h->relayed_timers)) && e->at <= now;) {
    rtc_relayed_t *r = (rtc_relayed_t *)(void *)e;
    follow(r, now);
    if (r->timer.place && r->timer.at <= now) rtc_heap_set(&h->relayed_timers, &r->timer, now + RTC_MS(1)); /* no slot was left */
  }
}

int rtc_relayed_event(rtc_hub_t *h, rtc_event_t *e) {
  rtc_relayed_t *r = h->relayed_dirty;
  if (!r) return 0;
  h->relayed_dirty = r->next_dirty;
  if (!h->relayed_dirty) h->relayed_last = NULL;
  r->dirty = false;
  const rtc_turn_t *t = &r->turn;
  *e = (rtc_event_t){.type = RTC_EV_TURN, .id = r->id, .state = t->state, .code = t->code};
  bool failed = t->state == RTC_TURN_FAILED;
  e->path.local = t->relayed;
  e->path.remote = failed ? t->alternate : t->mapped;
  e->has_path = e->path.remote.port != 0;
  if (failed) memcpy(e->text, t->text, sizeof t->text);
  r->told = t->state;
  if (failed || t->state == RTC_TURN_CLOSED) free_one(r);
  return 1;
}
