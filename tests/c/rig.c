#include "rig.h"

#include "check.h"
#include "wire/demux.h"
#include "wire/stun.h"

void rig_open(rig_t *r, uint32_t slots) {
  *r = (rig_t){.now = RTC_SEC(1)};
  rtc_hub_cfg_t cfg = {.slots = slots, .unix_offset_us = 1700000000000000};
  memset(cfg.seed, 42, sizeof cfg.seed);
  r->hub = rtc_hub_new(&cfg, r->now);
  r->got = malloc(RIG_KEPT * sizeof *r->got);
  if (!r->hub || !r->got) exit(2);
}

void rig_close(rig_t *r) {
  for (int i = 0; i < r->peer_n; i++) {
    rtc_srtp_clear(&r->peer[i].tx);
    rtc_srtp_clear(&r->peer[i].rx);
  }
  rtc_hub_free(r->hub);
  free(r->got);
}

void rig_do(rig_t *r, const rtc_cmd_t *c) {
  int err = rtc_hub_exec(r->hub, c, r->now);
  if (err < 0) {
    fprintf(stderr, "rig: command %d of %u: %s\n", c->op, c->id, rtc_err_text(err));
    exit(2);
  }
  rig_drain(r);
}

rtc_transport_cfg_t rig_transport(uint32_t id) {
  rtc_transport_cfg_t t = {.reduced_rtcp = true, .cname = "rig"};
  snprintf(t.ice.local_ufrag, sizeof t.ice.local_ufrag, "user-%u", id);
  snprintf(t.ice.local_pwd, sizeof t.ice.local_pwd, "password-of-user-%u-is-long", id);
  rtc_extmap_init(&t.ext);
  if (rtc_extmap_set(&t.ext, RTC_EXT_TWCC, RIG_TWCC_ID) | rtc_extmap_set(&t.ext, RTC_EXT_ABS_SEND_TIME, RIG_ABS_ID) |
      rtc_extmap_set(&t.ext, RTC_EXT_MID, RIG_MID_ID))
    exit(2);
  return t;
}

rtc_transport_cfg_t rig_telling(uint32_t id) {
  rtc_transport_cfg_t t = rig_transport(id);
  if (rtc_extmap_set(&t.ext, RTC_EXT_VIDEO_ORIENTATION, RIG_TURN_ID) | rtc_extmap_set(&t.ext, RTC_EXT_ABS_CAPTURE_TIME, RIG_MOMENT_ID) |
      rtc_extmap_set(&t.ext, RTC_EXT_DEPENDENCY, RIG_DEP_ID) | rtc_extmap_set(&t.ext, RTC_EXT_CSRC_AUDIO_LEVEL, RIG_HEARD_ID))
    exit(2);
  return t;
}

rtc_path_t rig_path(int n) {
  rtc_path_t p = {0};
  uint8_t ip[4] = {10, 1, (uint8_t)(n >> 8), (uint8_t)n}, ours[4] = {10, 0, 0, 1};
  rtc_addr_set(&p.remote, ip, 4, 7000);
  rtc_addr_set(&p.local, ours, 4, 8189);
  return p;
}

void rig_wait_for(rig_t *r, uint32_t id) { rig_do(r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = id, .u.transport = rig_transport(id)}); }

int rig_join(rig_t *r, rtc_srtp_profile_t profile) {
  rtc_transport_cfg_t cfg = rig_transport((uint32_t)r->peer_n + 1);
  return rig_join_as(r, profile, &cfg);
}

int rig_join_as(rig_t *r, rtc_srtp_profile_t profile, const rtc_transport_cfg_t *cfg) {
  int n = r->peer_n++;
  rig_peer_t *p = &r->peer[n];
  p->id = (uint32_t)n + 1;
  p->path = rig_path(n);
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = p->id, .u.transport = *cfg});
  rtc_dtls_keys_t k = {.profile = profile};
  for (int i = 0; i < 32; i++) {
    k.local_key[i] = (uint8_t)(n * 3 + i);
    k.remote_key[i] = (uint8_t)(n * 3 + i * 5 + 100);
    if (i < 14) k.local_salt[i] = k.remote_salt[i] = (uint8_t)(n + i * 7);
  }
  size_t key = rtc_srtp_key_len(profile), salt = rtc_srtp_salt_len(profile);
  if (rtc_srtp_init(&p->tx, profile, k.remote_key, key, k.remote_salt, salt, 1) < 0 ||
      rtc_srtp_init(&p->rx, profile, k.local_key, key, k.local_salt, salt, 0) < 0 ||
      rtc_hub_connect_with_keys(r->hub, p->id, &k, &p->path, r->now) < 0)
    exit(2);
  return n;
}

rtc_recv_cfg_t rig_recv(int peer, bool video) {
  return (rtc_recv_cfg_t){.transport = (uint32_t)peer + 1,
                          .video = video,
                          .codec = video ? RTC_CODEC_VP8 : RTC_CODEC_OPUS,
                          .pt = video ? 96 : 111,
                          .rtx_pt = video ? 97 : -1,
                          .clock_rate = video ? 90000 : 48000,
                          .mid = {video ? '1' : '0'},
                          .nack = video,
                          .pli = video};
}

rtc_send_cfg_t rig_send(int peer, bool video, uint32_t ssrc) {
  return (rtc_send_cfg_t){.transport = (uint32_t)peer + 1,
                          .video = video,
                          .codec = video ? RTC_CODEC_VP8 : RTC_CODEC_OPUS,
                          .pt = video ? 96 : 111,
                          .rtx_pt = video ? 97 : -1,
                          .clock_rate = video ? 90000 : 48000,
                          .ssrc = ssrc,
                          .rtx_ssrc = video ? ssrc + 1 : 0,
                          .mid = {video ? '1' : '0'},
                          .ext_mask = 1u << RTC_EXT_TWCC | 1u << RTC_EXT_ABS_SEND_TIME | 1u << RTC_EXT_MID,
                          .nack = video};
}

void rig_add_recv(rig_t *r, uint32_t id, const rtc_recv_cfg_t *cfg) {
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = id, .u.recv = *cfg});
}
void rig_add_send(rig_t *r, uint32_t id, const rtc_send_cfg_t *cfg) {
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = id, .u.send = *cfg});
}
void rig_link(rig_t *r, uint32_t sender, uint32_t receiver) {
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = sender, .u.link = receiver});
}

void rig_frame(rig_t *r, uint32_t sender, uint32_t n, uint32_t ts, bool key) {
  uint8_t *p = malloc(n);
  if (!p) exit(2);
  memset(p, (int)ts, n);
  p[0] = key ? 0x10 : 0x11; /* VP8's first bit: 0 on a key frame (RFC 6386 §9.1) */
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = sender, .u.frame = {.data = p, .len = n, .ts = ts, .key = key}});
}

void rig_raw(rig_t *r, const rtc_path_t *from, const uint8_t *p, size_t n) {
  rtc_pkt_t *k = rtc_hub_slot(r->hub);
  if (!k) {
    rtc_hub_dropped(r->hub, RTC_DROP_POOL);
    return;
  }
  if (n) memcpy(k->data, p, n);
  k->len = (uint32_t)n;
  k->path = *from;
  k->at = r->now;
  rtc_hub_recv(r->hub, k, r->now);
  rig_pass(r, 0);
}

void rig_rtp(rig_t *r, int peer, const rig_rtp_t *p) {
  uint8_t b[RTC_PKT_DATA + RTC_PKT_TAIL];
  rtc_rtp_t h = {.ts = (uint32_t)p->ts,
                 .ssrc = p->ssrc,
                 .seq = (uint16_t)p->index,
                 .pt = p->pt,
                 .marker = p->marker,
                 .padding = p->pad > 0,
                 .has_ext = p->mid || p->twcc || p->ext || p->dep};
  rtc_rtp_write(b, &h);
  b[0] = (uint8_t)(b[0] | p->csrc_n);
  rtc_wr_t w = rtc_wr(b + RTC_RTP_HEADER, sizeof b - RTC_RTP_HEADER);
  for (int i = 0; i < p->csrc_n; i++) rtc_wr32(&w, p->csrc[i]);
  if (h.has_ext) {
    uint8_t *len = rtc_wr_room(&w, 4);
    rtc_put16(len, 0xbede);
    if (p->mid) {
      rtc_wr8(&w, (uint8_t)(RIG_MID_ID << 4 | (strlen(p->mid) - 1)));
      rtc_wr_bytes(&w, p->mid, strlen(p->mid));
    }
    if (p->twcc) {
      rtc_wr8(&w, RIG_TWCC_ID << 4 | 1);
      rtc_wr16(&w, (uint16_t)(p->twcc - 1));
    }
    if (p->ext) rtc_wr_bytes(&w, p->ext, p->ext_len);
    if (p->dep) {
      rtc_wr8(&w, (uint8_t)(RIG_DEP_ID << 4 | (p->dep_n - 1)));
      rtc_wr_bytes(&w, p->dep, p->dep_n);
    }
    while (rtc_wr_len(&w) % 4) rtc_wr8(&w, 0);
    rtc_put16(len + 2, (uint16_t)(rtc_wr_len(&w) / 4 - 1 - p->csrc_n));
  }
  rtc_wr_bytes(&w, p->payload, p->len);
  for (int i = 1; i <= p->pad; i++) rtc_wr8(&w, i == p->pad ? p->pad : 0);
  rig_peer_t *from = &r->peer[peer];
  int n = w.bad ? RTC_ENOBUFS : rtc_srtp_protect(&from->tx, b, RTC_RTP_HEADER + rtc_wr_len(&w), sizeof b, p->index);
  if (n < 0) {
    fprintf(stderr, "rig: packet %lld of %u: %s\n", (long long)p->index, p->ssrc, rtc_err_text(n));
    exit(2);
  }
  rig_raw(r, &from->path, b, (size_t)n);
}

void rig_vp8(rig_t *r, int peer, uint32_t ssrc, int64_t index, int64_t ts, bool start, bool key) {
  uint8_t payload[100];
  memset(payload, (int)index, sizeof payload);
  payload[0] = start ? 0x10 : 0;
  payload[1] = key ? 0x10 : 0x11;
  rig_rtp(r, peer, &(rig_rtp_t){.ssrc = ssrc, .index = index, .ts = ts, .pt = 96, .mid = "1", .payload = payload, .len = sizeof payload});
}

void rig_rtcp(rig_t *r, int peer, const uint8_t *p, size_t n) {
  uint8_t b[RTC_PKT_DATA];
  memcpy(b, p, n);
  int len = rtc_srtp_protect_rtcp(&r->peer[peer].tx, b, n, sizeof b);
  if (len < 0) {
    fprintf(stderr, "rig: RTCP: %s\n", rtc_err_text(len));
    exit(2);
  }
  rig_raw(r, &r->peer[peer].path, b, (size_t)len);
}

size_t rig_write_check(uint8_t *out, size_t cap, const char *user, const char *pwd, bool nominate) {
  static const uint8_t tid[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  uint8_t number[8] = {0x6e, 0, 0, 1, 0, 0, 0, 9};
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, tid);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, user, strlen(user));
  rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, number, 8);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, number, 4);
  if (nominate) rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  int n = rtc_stun_end(&w, (const uint8_t *)pwd, strlen(pwd));
  if (n < 0) exit(2);
  return (size_t)n;
}

void rig_check(rig_t *r, const rtc_path_t *from, const char *user, const char *pwd, bool nominate) {
  uint8_t b[512];
  rig_raw(r, from, b, rig_write_check(b, sizeof b, user, pwd, nominate));
}

static bool open_as(rig_got_t *g, rig_peer_t *p, const rtc_pkt_t *k, bool rtcp) {
  memcpy(g->data, k->data, k->len);
  int n = rtcp ? rtc_srtp_unprotect_rtcp(&p->rx, g->data, k->len) : rtc_srtp_unprotect(&p->rx, g->data, k->len, &g->index);
  if (n < 0) return false;
  g->len = (uint32_t)n;
  return rtcp || (rtc_rtp_parse(&g->rtp, g->data, g->len) == 0 && rtc_rtp_parse_payload(&g->rtp, g->data, g->len) == 0);
}

static void keep(rig_t *r, const rtc_pkt_t *k) {
  rig_got_t spare, *g = r->got_n < RIG_KEPT ? &r->got[r->got_n++] : &spare;
  r->datagrams++;
  *g = (rig_got_t){.peer = -1, .at = r->now, .to = k->path.remote, .len = k->len};
  memcpy(g->data, k->data, k->len);
  rtc_kind_t kind = rtc_demux(k->data, k->len);
  bool rtcp = kind == RTC_KIND_RTCP, srtp = rtcp || kind == RTC_KIND_RTP, known = false;
  for (int j = 0; j < 2 * r->peer_n; j++) { /* first who is at that address; then any, for it may have moved on */
    int i = j % r->peer_n;
    bool here = rtc_path_eq(&k->path, &r->peer[i].path);
    known |= here;
    if (j < r->peer_n ? !here : here || !known || !srtp) continue;
    if (srtp && !open_as(g, &r->peer[i], k, rtcp)) continue;
    g->peer = i;
    g->rtcp = rtcp;
    g->media = srtp && !rtcp;
    return;
  }
  r->unread += known && srtp;
}

void rig_drain(rig_t *r) {
  rtc_pkt_t *out[64];
  for (int n; (n = rtc_hub_pop(r->hub, out, 64)) > 0;)
    for (int i = 0; i < n; i++) {
      keep(r, out[i]);
      rtc_pkt_put(out[i]);
    }
}

void rig_pass(rig_t *r, rtc_time_t us) {
  rtc_time_t end = r->now + us;
  rig_drain(r);
  int still = 0;
  for (rtc_time_t at; (at = rtc_hub_next_at(r->hub)) <= end;) {
    still = at > r->now ? 0 : still + 1;
    if (at > r->now) r->now = at;
    if (still > 100) { /* a deadline that has passed and stays: a real loop would spin on it */
      r->spins++;
      break;
    }
    rtc_hub_tick(r->hub, r->now);
    r->ticks++;
    rig_drain(r);
  }
  r->now = end;
}

void rig_forget(rig_t *r) { r->got_n = 0; }

static bool is_media(const rig_got_t *g, int peer, uint32_t ssrc) { return g->media && g->peer == peer && (!ssrc || g->rtp.ssrc == ssrc); }

int rig_media_n(const rig_t *r, int peer, uint32_t ssrc) {
  int n = 0;
  for (int i = 0; i < r->got_n; i++) n += is_media(&r->got[i], peer, ssrc);
  return n;
}

const rig_got_t *rig_media(const rig_t *r, int peer, uint32_t ssrc, int i) {
  for (int j = 0; j < r->got_n; j++)
    if (is_media(&r->got[j], peer, ssrc) && i-- == 0) return &r->got[j];
  return NULL;
}

bool rig_block(const rig_t *r, int peer, int type, int count, int i, rtc_rtcp_t *out) {
  for (int j = 0; j < r->got_n; j++) {
    const rig_got_t *g = &r->got[j];
    if (!g->rtcp || g->peer != peer) continue;
    rtc_rd_t rd = rtc_rd(g->data, g->len);
    while (rtc_rtcp_next(&rd, out) > 0)
      if (out->type == type && (count < 0 || out->count == count) && i-- == 0) return true;
  }
  return false;
}

int rig_block_n(const rig_t *r, int peer, int type, int count) {
  rtc_rtcp_t b;
  int n = 0;
  while (rig_block(r, peer, type, count, n, &b)) n++;
  return n;
}

void rig_stats(rig_t *r, rtc_stats_t *out) {
  static rtc_transport_stats_t t[256];
  static rtc_recv_stats_t recv[256];
  static rtc_send_stats_t send[256];
  *out = (rtc_stats_t){.transport_cap = 256, .recv_cap = 256, .send_cap = 256, .transport = t, .recv = recv, .send = send};
  if (rtc_hub_exec(r->hub, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = out}, r->now) < 0) exit(2);
}

uint64_t rig_drops(rig_t *r, rtc_drop_t why) {
  rtc_stats_t s;
  rig_stats(r, &s);
  return s.hub.drops[why];
}

uint32_t rig_pool(rig_t *r) {
  rtc_stats_t s;
  rig_stats(r, &s);
  return s.hub.pool_used;
}

#define ROW(name, type, rows, n)                  \
  const type *name(rig_t *r, uint32_t id) {       \
    rtc_stats_t s;                                \
    rig_stats(r, &s);                             \
    for (uint32_t i = 0; i < s.n && i < 256; i++) \
      if (s.rows[i].id == id) return &s.rows[i];  \
    fprintf(stderr, "rig: no row of %u\n", id);   \
    exit(2);                                      \
  }
ROW(rig_recv_stats, rtc_recv_stats_t, recv, recv_n)
ROW(rig_send_stats, rtc_send_stats_t, send, send_n)
ROW(rig_transport_stats, rtc_transport_stats_t, transport, transport_n)
#undef ROW

bool rig_events(rig_t *r, uint32_t transport, rtc_event_t *out) {
  rtc_event_t e;
  bool any = false;
  while (rtc_hub_event(r->hub, &e)) {
    if (e.type != RTC_EV_TRANSPORT || e.id != transport) continue;
    *out = e;
    any = true;
  }
  return any;
}
