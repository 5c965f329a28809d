/* hub: datagrams, commands and time for a hub with an open session; the input says which. What is authentic is made here from
 * the input's bytes with the session's keys, so that what stands behind the keys is reached too.
 * Input: records: what (1 byte), length (2), bytes. */
#include "engine/hub.h"
#include "fuzz.h"

enum { PEERS = 2, SLOTS = 512 };

typedef struct world {
  rtc_hub_t *hub;
  rtc_time_t now;
  rtc_path_t path[PEERS];
  rtc_srtp_t tx[PEERS];
} world_t;

static void do_(world_t *w, const rtc_cmd_t *c) {
  if (rtc_hub_exec(w->hub, c, w->now) < 0) abort();
}

static void join(world_t *w, int n) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = (uint32_t)n + 1};
  rtc_transport_cfg_t *t = &c.u.transport;
  memcpy(t->ice.local_ufrag, n ? "fuzb" : "fuza", 5);
  memcpy(t->ice.local_pwd, "password-that-is-long-enough", 29);
  rtc_extmap_init(&t->ext);
  for (uint8_t e = 0; e < RTC_EXT_COUNT; e++)
    if (rtc_extmap_set(&t->ext, (rtc_ext_t)e, (uint8_t)(e + 1)) < 0) abort();
  t->ext_two_byte = true;
  t->reduced_rtcp = n == 0;
  do_(w, &c);
  uint8_t ip[4] = {10, 0, 0, (uint8_t)(n + 1)};
  rtc_addr_set(&w->path[n].remote, ip, 4, 5000);
  rtc_dtls_keys_t keys = {.profile = RTC_SRTP_AEAD_AES_128_GCM};
  if (rtc_hub_connect_with_keys(w->hub, c.id, &keys, &w->path[n], w->now) < 0 ||
      rtc_srtp_init(&w->tx[n], keys.profile, keys.remote_key, 16, keys.remote_salt, 12, 1) < 0)
    abort();
}

static void open_world(world_t *w) {
  *w = (world_t){.now = RTC_SEC(1)};
  rtc_hub_cfg_t cfg = {.slots = SLOTS};
  w->hub = rtc_hub_new(&cfg, w->now);
  if (!w->hub) abort();
  static const uint8_t codecs[5] = {RTC_CODEC_OPUS, RTC_CODEC_VP8, RTC_CODEC_VP9, RTC_CODEC_H264, RTC_CODEC_AV1};
  for (int n = 0; n < PEERS; n++) join(w, n);
  for (uint32_t i = 0; i < 5; i++) {
    uint32_t rate = i ? 90000 : 48000;
    rtc_recv_cfg_t in = {.transport = 1,
                         .video = i > 0,
                         .codec = codecs[i],
                         .pt = (int16_t)(96 + i),
                         .rtx_pt = (int16_t)(106 + i),
                         .clock_rate = rate,
                         .mid = {(char)('0' + i)},
                         .nack = true,
                         .pli = i < 3,
                         .fir = true,
                         .twcc = true,
                         .frames = i == 0,
                         .has_red = i == 0,
                         .red_pt = 63,
                         .tone_n = i == 0,
                         .tone = {{.pt = 101, .rate = 48000}}};
    rtc_send_cfg_t out = {.transport = 2,
                          .video = i > 0,
                          .codec = codecs[i],
                          .pt = (int16_t)(96 + i),
                          .rtx_pt = (int16_t)(106 + i),
                          .clock_rate = rate,
                          .ssrc = 1000 + 2 * i,
                          .rtx_ssrc = 1001 + 2 * i,
                          .mid = {(char)('0' + i)},
                          .has_red = i == 0,
                          .red_pt = 63,
                          .ext_mask = (1u << RTC_EXT_COUNT) - 1};
    do_(w, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = i + 1, .u.recv = in});
    do_(w, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = i + 1, .u.send = out});
    do_(w, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = i + 1, .u.link = i + 1});
  }
}

static void drain(world_t *w) {
  rtc_pkt_t *out[32];
  for (int n; (n = rtc_hub_pop(w->hub, out, 32)) > 0;)
    for (int i = 0; i < n; i++) rtc_pkt_put(out[i]);
  rtc_event_t e;
  while (rtc_hub_event(w->hub, &e)) {}
  for (rtc_frame_t *f; (f = rtc_hub_frame(w->hub));) free(f);
}

/* One datagram; sealed: 1 as RTP, 2 as RTCP. */
static void datagram(world_t *w, int peer, int sealed, const uint8_t *p, size_t n) {
  rtc_pkt_t *k = rtc_hub_slot(w->hub);
  if (!k) return;
  int len = (int)n;
  if (n) memcpy(k->data, p, n);
  if (sealed && n >= 12) {
    k->data[0] = (uint8_t)(0x80 | (k->data[0] & 0x3f));
    if (sealed == 2) {
      k->data[1] = (uint8_t)(192 + k->data[1] % 32);
      rtc_put32(k->data + 4, (uint32_t)k->data[4] % 4);
      len = rtc_srtp_protect_rtcp(&w->tx[peer], k->data, n, RTC_PKT_DATA);
    } else {
      rtc_put32(k->data + 8, (uint32_t)k->data[8] % 16);
      len = rtc_srtp_protect(&w->tx[peer], k->data, n, RTC_PKT_DATA, rtc_srtp_estimate(&w->tx[peer], k->data, n));
    }
  }
  if (len < 0) {
    rtc_pkt_put(k);
    return;
  }
  k->len = (uint32_t)len;
  k->path = w->path[peer];
  k->at = w->now;
  rtc_hub_recv(w->hub, k, w->now);
}

/* Time passes; a deadline that stays in the past would be a loop that spins. */
static void pass(world_t *w, rtc_time_t us) {
  rtc_time_t end = w->now + us;
  int still = 0;
  for (rtc_time_t at; (at = rtc_hub_next_at(w->hub)) <= end;) {
    still = at > w->now ? 0 : still + 1;
    if (still > 100) abort();
    if (at > w->now) w->now = at;
    rtc_hub_tick(w->hub, w->now);
    drain(w);
  }
  w->now = end;
}

void fuzz_one(const uint8_t *data, size_t size) {
  world_t w;
  open_world(&w);
  rtc_rd_t r = rtc_rd(data, size);
  for (int records = 0; records < 200 && rtc_rd_left(&r) >= 3; records++) {
    uint8_t what = rtc_rd8(&r);
    size_t n = rtc_rd16(&r) % 1400;
    if (n > rtc_rd_left(&r)) n = rtc_rd_left(&r);
    const uint8_t *p = rtc_rd_take(&r, n);
    int peer = what >> 7;
    switch (what & 7) {
      case 0:
        datagram(&w, peer, 0, p, n);
        break;
      case 1:
      case 2:
      case 3:
        datagram(&w, peer, 1, p, n);
        break;
      case 4:
      case 5:
        datagram(&w, peer, 2, p, n);
        break;
      case 6:
        pass(&w, (rtc_time_t)n * (what & 8 ? 10000 : 100));
        break;
      default: {
        rtc_cmd_t c = {.op = what & 16 ? RTC_OP_LINK : RTC_OP_KEYFRAME, .id = (uint32_t)(what >> 5 & 3) + 1};
        if (what & 16) c.u.link = what & 8 ? c.id : 0;
        if (rtc_hub_exec(w.hub, &c, w.now) < 0) break;
      }
    }
    drain(&w);
  }
  pass(&w, RTC_SEC(2));
  for (uint32_t i = 1; i <= PEERS; i++) do_(&w, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = i});
  drain(&w);
  rtc_stats_t s = {0};
  do_(&w, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  if (s.hub.pool_used || s.transport_n || s.hub.drops[RTC_DROP_SEAL]) { /* all slots are back, no index was used twice */
    fprintf(stderr, "slots %u, transports %u, not sealed %u\n", s.hub.pool_used, s.transport_n, (unsigned)s.hub.drops[RTC_DROP_SEAL]);
    abort();
  }
  for (int n = 0; n < PEERS; n++) rtc_srtp_clear(&w.tx[n]);
  rtc_hub_free(w.hub);
}
