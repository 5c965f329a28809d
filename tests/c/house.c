#include "house.h"

#include "check.h"

static void addr(rtc_addr_t *a, int n, uint16_t port) {
  uint8_t ip[4] = {10, 0, 0, (uint8_t)n};
  rtc_addr_set(a, ip, 4, port);
}

static rtc_hub_t *hub(uint8_t n, rtc_dtls_ctx_t *dtls) {
  rtc_hub_cfg_t cfg = {.dtls = dtls, .slots = 16384, .unix_offset_us = 1700000000000000};
  memset(cfg.seed, n, sizeof cfg.seed);
  rtc_hub_t *h = rtc_hub_new(&cfg, RTC_SEC(1));
  if (h) rtc_hub_runs(h, 0, true); /* padding must trouble nobody */
  return h;
}

void house_do(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  int err = rtc_hub_exec(h, c, now);
  if (err < 0) {
    fprintf(stderr, "house: command %d failed: %s\n", c->op, rtc_err_text(err));
    exit(2);
  }
}

/* peer NULL: it is not checked, and keys are given. */
static void transport(rtc_hub_t *h, uint32_t id, const char *user, const char *peer, uint32_t peer_id, rtc_dtls_ctx_t *dtls,
                      rtc_time_t now) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id};
  rtc_transport_cfg_t *t = &c.u.transport;
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s%u", user, id);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "password-of-%s-is-long-enough", user);
  if (peer) {
    snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s%u", peer, peer_id);
    snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "password-of-%s-is-long-enough", peer);
    t->dtls_client = strcmp(user, "rlay") != 0;
    t->ice_role = t->dtls_client ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
    int n = rtc_dtls_ctx_fingerprint(dtls, 256, t->fp[0].value);
    if (n < 0) exit(2);
    t->fp[0].bits = 256;
    t->fp[0].len = (uint8_t)n;
    t->fp_n = 1;
  }
  rtc_extmap_init(&t->ext);
  int err = rtc_extmap_set(&t->ext, RTC_EXT_TWCC, 3) | rtc_extmap_set(&t->ext, RTC_EXT_ABS_SEND_TIME, 2) |
            rtc_extmap_set(&t->ext, RTC_EXT_MID, 4);
  if (err) exit(2);
  t->reduced_rtcp = true;
  snprintf(t->cname, sizeof t->cname, "%s", user);
  house_do(h, &c, now);
}

static void stream(rtc_hub_t *h, bool recv, uint32_t id, uint32_t owner, bool video, uint32_t ssrc, rtc_time_t now) {
  rtc_cmd_t c = {.op = recv ? RTC_OP_RECV : RTC_OP_SEND, .id = id};
  uint8_t codec = video ? RTC_CODEC_VP8 : RTC_CODEC_OPUS;
  uint32_t rate = video ? 90000 : 48000;
  if (recv) {
    c.u.recv = (rtc_recv_cfg_t){.transport = owner,
                                .video = video,
                                .codec = codec,
                                .pt = video ? 96 : 111,
                                .rtx_pt = video ? 97 : -1,
                                .clock_rate = rate,
                                .nack = video,
                                .pli = video,
                                .twcc = true};
    snprintf(c.u.recv.mid, sizeof c.u.recv.mid, "%d", video);
  } else {
    c.u.send = (rtc_send_cfg_t){.transport = owner,
                                .video = video,
                                .codec = codec,
                                .pt = video ? 96 : 111,
                                .rtx_pt = video ? 97 : -1,
                                .clock_rate = rate,
                                .ssrc = ssrc,
                                .rtx_ssrc = video ? ssrc + 1 : 0,
                                .nack = video,
                                .ext_mask = 1u << RTC_EXT_TWCC | 1u << RTC_EXT_ABS_SEND_TIME | 1u << RTC_EXT_MID};
    snprintf(c.u.send.mid, sizeof c.u.send.mid, "%d", video);
  }
  house_do(h, &c, now);
}

static void keys(rtc_dtls_keys_t *k, rtc_srtp_profile_t profile, uint8_t seed, bool swap) {
  k->profile = profile;
  for (int i = 0; i < 32; i++) {
    uint8_t a = (uint8_t)(seed * 7 + i), b = (uint8_t)(seed * 13 + 101 + i);
    k->local_key[i] = swap ? b : a;
    k->remote_key[i] = swap ? a : b;
    if (i < 14) {
      k->local_salt[i] = (uint8_t)(swap ? b ^ 0x55 : a ^ 0x55);
      k->remote_salt[i] = (uint8_t)(swap ? a ^ 0x55 : b ^ 0x55);
    }
  }
}

static void connect(house_t *h, rtc_hub_t *a, uint32_t ida, int at_a, rtc_hub_t *b, uint32_t idb, int at_b, rtc_srtp_profile_t profile,
                    uint8_t seed) {
  rtc_dtls_keys_t ka = {0}, kb = {0};
  keys(&ka, profile, seed, false);
  keys(&kb, profile, seed, true);
  rtc_path_t pa = rtc_sim_path(h->sim, at_a, at_b), pb = rtc_sim_path(h->sim, at_b, at_a);
  rtc_time_t now = rtc_sim_now(h->sim);
  if (rtc_hub_connect_with_keys(a, ida, &ka, &pa, now) < 0 || rtc_hub_connect_with_keys(b, idb, &kb, &pb, now) < 0) exit(2);
}

/* A relay transport and its peer's, who meet by keys that are given or by ICE and DTLS. */
static void pair_up(house_t *h, uint32_t at_relay, rtc_hub_t *peer, int peer_at, const char *user, rtc_dtls_ctx_t *dtls) {
  rtc_time_t now = rtc_sim_now(h->sim);
  transport(h->relay, at_relay, "rlay", dtls ? user : NULL, 1, dtls, now);
  transport(peer, 1, user, dtls ? "rlay" : NULL, at_relay, dtls, now);
  if (!dtls) return;
  house_do(peer, &(rtc_cmd_t){.op = RTC_OP_PATH, .id = 1, .u.path = rtc_sim_path(h->sim, peer_at, h->relay_at)}, now);
}

/* dtls NULL: with keys for profile. */
static void open_by(house_t *h, uint64_t seed, int viewers, rtc_srtp_profile_t profile, rtc_dtls_ctx_t *dtls) {
  *h = (house_t){.viewers = viewers};
  h->sim = rtc_sim_new(seed);
  h->pub = hub(1, dtls);
  h->relay = hub(2, dtls);
  rtc_addr_t a;
  addr(&a, 1, 5001);
  h->pub_at = rtc_sim_add(h->sim, h->pub, &a);
  addr(&a, 2, 8189);
  h->relay_at = rtc_sim_add(h->sim, h->relay, &a);
  rtc_time_t now = rtc_sim_now(h->sim);
  pair_up(h, 1, h->pub, h->pub_at, "publ", dtls);
  stream(h->pub, false, 1, 1, true, 1000, now);
  stream(h->pub, false, 2, 1, false, 2000, now);
  stream(h->relay, true, 1, 1, true, 0, now);
  stream(h->relay, true, 2, 1, false, 0, now);
  if (!dtls) connect(h, h->pub, 1, h->pub_at, h->relay, 1, h->relay_at, profile, 1);
  for (int v = 0; v < viewers; v++) {
    uint32_t uv = (uint32_t)v;
    h->view[v] = hub((uint8_t)(10 + v), dtls);
    addr(&a, 10 + v, (uint16_t)(6000 + v));
    h->view_at[v] = rtc_sim_add(h->sim, h->view[v], &a);
    pair_up(h, 10 + uv, h->view[v], h->view_at[v], "view", dtls);
    stream(h->relay, false, 100 + 2 * uv, 10 + uv, true, 50000 + 10 * uv, now);
    stream(h->relay, false, 101 + 2 * uv, 10 + uv, false, 50005 + 10 * uv, now);
    stream(h->view[v], true, 1, 1, true, 0, now);
    stream(h->view[v], true, 2, 1, false, 0, now);
    if (!dtls) connect(h, h->relay, 10 + uv, h->relay_at, h->view[v], 1, h->view_at[v], profile, (uint8_t)(20 + v));
    house_do(h->relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 100 + 2 * uv, .u.link = 1}, now);
    house_do(h->relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 101 + 2 * uv, .u.link = 2}, now);
  }
}

void house_open(house_t *h, uint64_t seed, int viewers, rtc_srtp_profile_t profile) { open_by(h, seed, viewers, profile, NULL); }

void house_meet(house_t *h, uint64_t seed, int viewers, rtc_dtls_ctx_t *dtls) { open_by(h, seed, viewers, RTC_SRTP_NONE, dtls); }

void house_close(house_t *h) {
  rtc_sim_free(h->sim);
  rtc_hub_free(h->pub);
  rtc_hub_free(h->relay);
  for (int v = 0; v < h->viewers; v++) rtc_hub_free(h->view[v]);
}

static void give(house_t *h, uint32_t sender, const uint8_t *p, uint32_t n, uint32_t ts, bool key) {
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = sender, .u.frame = {.data = malloc(n), .len = n, .ts = ts, .key = key}};
  if (!c.u.frame.data) exit(2);
  memcpy(c.u.frame.data, p, n);
  house_do(h->pub, &c, rtc_sim_now(h->sim));
}

void house_frame(house_t *h, uint32_t n, bool key, rtc_time_t us) {
  static uint8_t frame[200000];
  for (uint32_t i = 0; i < n; i++) frame[i] = (uint8_t)(h->frame + i * 31);
  frame[0] = key ? 0x10 : 0x11; /* VP8's first bit: 0 on a key frame (RFC 6386 §9.1) */
  give(h, 1, frame, n, h->frame * 3000, key);
  give(h, 2, frame + 1, 80, h->frame * 1600, true);
  h->frame++;
  rtc_sim_flush(h->sim, h->pub_at);
  rtc_sim_run(h->sim, rtc_sim_now(h->sim) + us);
}

void house_stream(house_t *h, int frames, uint32_t n) {
  bool key = h->frame == 0;
  for (int i = 0; i < frames; i++) {
    rtc_event_t e;
    while (rtc_hub_event(h->pub, &e)) key |= e.type == RTC_EV_KEYFRAME;
    house_frame(h, n, key, 33333);
    key = false;
  }
}

void house_stats(rtc_hub_t *hub_, rtc_stats_t *out) {
  static rtc_transport_stats_t t[64];
  static rtc_recv_stats_t r[64];
  static rtc_send_stats_t s[64];
  *out = (rtc_stats_t){.transport_cap = 64, .recv_cap = 64, .send_cap = 64, .transport = t, .recv = r, .send = s};
  house_do(hub_, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = out}, RTC_SEC(1));
}

const rtc_recv_stats_t *house_recv(const rtc_stats_t *s, uint32_t id) {
  for (uint32_t i = 0; i < s->recv_n; i++)
    if (s->recv[i].id == id) return &s->recv[i];
  return NULL;
}

const rtc_send_stats_t *house_send(const rtc_stats_t *s, uint32_t id) {
  for (uint32_t i = 0; i < s->send_n; i++)
    if (s->send[i].id == id) return &s->send[i];
  return NULL;
}
