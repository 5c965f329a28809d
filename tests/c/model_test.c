/* A hub under random commands, packets and passing time, with a pool that is too small; whatever comes, the books balance: every
 * transport ends once, every slot comes back, nothing that was sent is unreadable, no deadline spins. */
#include "check.h"
#include "rig.h"

enum { PEERS = 24, STEPS = 20000, SEEDS = 5, HELD = 700 };

typedef struct model {
  rig_t r;
  uint64_t rng;
  uint32_t next_id; /* of transports: never used again */
  uint32_t next_stream;
  struct {
    bool open, keyed;
    rtc_path_t path;
    uint32_t id;
    int64_t index[3]; /* video, its RTX, audio */
    uint32_t recv[2], send[3];
  } peer[PEERS];
  uint8_t ended[100000]; /* by transport id */
  rtc_pkt_t *held[HELD];
  int held_n;
} model_t;

static uint32_t roll(model_t *m, uint32_t n) {
  m->rng = m->rng * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(m->rng >> 33) % n;
}

/* Expected failures are RTC_E*; only what happens to the hub matters here. */
static void try(model_t *m, const rtc_cmd_t *c) {
  int err = rtc_hub_exec(m->r.hub, c, m->r.now);
  CHECK(err <= 0);
}

static void join(model_t *m, int p) {
  if (m->peer[p].open || m->next_id + 1 >= sizeof m->ended) return;
  uint32_t id = ++m->next_id;
  rig_peer_t *k = &m->r.peer[p];
  rtc_srtp_clear(&k->tx);
  rtc_srtp_clear(&k->rx);
  m->peer[p].open = true;
  m->peer[p].keyed = false;
  m->peer[p].id = k->id = id;
  k->path = rig_path((int)id);
  memset(m->peer[p].recv, 0, sizeof m->peer[p].recv);
  memset(m->peer[p].send, 0, sizeof m->peer[p].send);
  for (int i = 0; i < 3; i++) m->peer[p].index[i] = roll(m, 0x10000);
  rtc_transport_cfg_t cfg = rig_transport(id);
  cfg.reduced_rtcp = roll(m, 2);
  try(m, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = id, .u.transport = cfg});
}

static void connect(model_t *m, int p) {
  if (!m->peer[p].open || m->peer[p].keyed) return;
  static const rtc_srtp_profile_t profiles[] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80};
  rtc_dtls_keys_t k = {.profile = profiles[roll(m, 3)]};
  rtc_put32(k.local_key, m->peer[p].id);
  rtc_put32(k.remote_key, ~m->peer[p].id);
  size_t key = rtc_srtp_key_len(k.profile), salt = rtc_srtp_salt_len(k.profile);
  rig_peer_t *peer = &m->r.peer[p];
  if (rtc_srtp_init(&peer->tx, k.profile, k.remote_key, key, k.remote_salt, salt, 1) < 0 ||
      rtc_srtp_init(&peer->rx, k.profile, k.local_key, key, k.local_salt, salt, 0) < 0)
    exit(2);
  m->peer[p].keyed = rtc_hub_connect_with_keys(m->r.hub, m->peer[p].id, &k, &peer->path, m->r.now) == 0;
}

static void add_recv(model_t *m, int p) {
  int video = (int)roll(m, 2);
  rtc_recv_cfg_t cfg = rig_recv(p, video);
  cfg.transport = m->peer[p].id;
  cfg.twcc = roll(m, 2);
  cfg.pli = roll(m, 4) > 0;
  cfg.fir = roll(m, 2);
  if (roll(m, 4) == 0) cfg.codec = video ? RTC_CODEC_H264 : RTC_CODEC_OPUS;
  cfg.tone_n = !video;
  cfg.tone[0] = (rtc_tone_pt_t){.pt = 110, .rate = 48000};
  if (m->peer[p].recv[video]) return;
  uint32_t id = ++m->next_stream;
  if (rtc_hub_exec(m->r.hub, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = id, .u.recv = cfg}, m->r.now) == 0) m->peer[p].recv[video] = id;
}

static void add_send(model_t *m, int p) {
  uint32_t slot = roll(m, 3), id = ++m->next_stream;
  if (m->peer[p].send[slot]) return;
  rtc_send_cfg_t cfg = rig_send(p, slot != 0, 5000 + 10 * slot);
  cfg.transport = m->peer[p].id;
  if (roll(m, 4) == 0) cfg.rtx_ssrc = 0;
  cfg.has_tone = slot == 0;
  cfg.tone = (rtc_tone_pt_t){.pt = 110, .rate = roll(m, 2) ? 8000 : 48000};
  if (rtc_hub_exec(m->r.hub, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = id, .u.send = cfg}, m->r.now) == 0) m->peer[p].send[slot] = id;
}

static void link(model_t *m, int p) {
  uint32_t slot = roll(m, 3), to = roll(m, PEERS);
  try(m, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = m->peer[p].send[slot], .u.link = roll(m, 4) ? m->peer[to].recv[slot != 0] : 0});
}

static void media(model_t *m, int p) {
  if (!m->peer[p].keyed) return;
  uint32_t kind = roll(m, 8), burst = 1 + roll(m, 12);
  uint8_t payload[1100];
  memset(payload, (int)roll(m, 256), sizeof payload);
  for (uint32_t i = 0; i < burst; i++) {
    int s = kind < 5 ? 0 : kind == 5 ? 1 : 2;
    int64_t index = m->peer[p].index[s]++;
    if (roll(m, 10) == 0) continue;                                   /* lost */
    if (roll(m, 300) == 0) m->peer[p].index[s] += 1 + roll(m, 20000); /* an outage */
    size_t len = roll(m, 12) ? 10 + roll(m, 1000) : 0;
    uint32_t ssrc = (roll(m, 500) ? 100u : 100u + 10 * roll(m, 3)) + (s == 2 ? 1000u : 0); /* sometimes another */
    payload[0] = roll(m, 3) ? 0x10 : 0;
    payload[1] = roll(m, 8) ? 0x11 : 0x10;
    if (s == 1) rtc_put16(payload, (uint16_t)(m->peer[p].index[0] - roll(m, 40)));
    rig_rtp_t pkt = {.ssrc = ssrc + (s == 1),
                     .index = index,
                     .ts = m->r.now * 9 / 100,
                     .pt = s == 0       ? 96
                           : s == 1     ? 97
                           : roll(m, 4) ? 111
                                        : 110,
                     .marker = roll(m, 2),
                     .mid = roll(m, 3) ? (s == 2 ? "0" : "1") : NULL,
                     .twcc = (int)roll(m, 2) * (int)(index & 0xffff) + 1,
                     .pad = (uint8_t)(roll(m, 5) ? 0 : 1 + roll(m, 200)),
                     .payload = payload,
                     .len = len};
    rig_rtp(&m->r, p, &pkt);
  }
}

static void feedback(model_t *m, int p) {
  if (!m->peer[p].keyed) return;
  uint8_t b[1000];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  uint32_t media = roll(m, 8) ? 5000 + 10 * roll(m, 3) : roll(m, 2) ? 100 : roll(m, 0x7fffffff);
  uint16_t seqs[100];
  uint16_t base = (uint16_t)roll(m, 0x10000);
  for (int i = 0; i < 100; i++) seqs[i] = (uint16_t)(base + i);
  switch (roll(m, 7)) {
    case 0:
      rtc_rtcp_write_pli(&w, 1, media);
      break;
    case 1:
      rtc_rtcp_write_fir(&w, 1, &(rtc_fir_t){media, (uint8_t)roll(m, 256)}, 1);
      break;
    case 2: /* what was sent lately, asked for again */
      for (int i = m->r.got_n - 1, n = 0; i >= 0 && n < 100; i--)
        if (m->r.got[i].media && m->r.got[i].peer == p && m->r.got[i].rtp.ssrc == media) seqs[n++] = m->r.got[i].rtp.seq;
      rtc_rtcp_write_nack(&w, 1, media, seqs, 1 + (int)roll(m, 99));
      break;
    case 3:
      rtc_rtcp_write_rr(&w, 1, &(rtc_rb_t){.ssrc = media, .lsr = roll(m, 0x7fffffff), .dlsr = roll(m, 100000), .lost = -5}, 1);
      break;
    case 4:
      rtc_rtcp_write_sr(&w, &(rtc_sr_t){.ssrc = 100, .ntp = m->rng, .rtp_ts = roll(m, 0x7fffffff)}, NULL, 0);
      break;
    case 5:
      rtc_rtcp_write_bye(&w, &media, 1);
      break;
    default:
      rtc_rtcp_write_remb(&w, 1, roll(m, 100000000), &media, 1);
      break;
  }
  rig_rtcp(&m->r, p, b, rtc_wr_len(&w));
}

static void noise(model_t *m, int p) {
  uint8_t b[300];
  size_t n = roll(m, sizeof b);
  for (size_t i = 0; i < n; i++) b[i] = (uint8_t)roll(m, 256);
  if (n && roll(m, 2)) b[0] = (uint8_t[]){0x80, 0, 22, 64}[roll(m, 4)];
  rtc_path_t stranger = rig_path((int)(30000 + roll(m, 100)));
  rig_raw(&m->r, roll(m, 2) ? &m->r.peer[p].path : &stranger, b, n);
}

static void check(model_t *m, int p) {
  if (!m->peer[p].id) return;
  char user[40], pwd[64];
  snprintf(user, sizeof user, "user-%u:x", m->peer[p].id);
  snprintf(pwd, sizeof pwd, "password-of-user-%u-is-%s", m->peer[p].id, roll(m, 5) ? "long" : "wrong");
  rtc_path_t other = rig_path((int)(40000 + roll(m, 3 * PEERS))); /* shared with others now and then */
  rtc_path_t from = roll(m, 20) ? m->r.peer[p].path : other;
  if (rtc_path_eq(&from, &other) && roll(m, 2)) m->r.peer[p].path = from; /* it has moved */
  rig_check(&m->r, &from, user, pwd, roll(m, 2));
}

static void events(model_t *m) {
  rtc_event_t e;
  while (rtc_hub_event(m->r.hub, &e)) {
    if (e.type != RTC_EV_TRANSPORT) continue;
    CHECK(e.id && e.id <= m->next_id);
    CHECK(!m->ended[e.id]); /* nothing after the end */
    if (e.state != RTC_T_CLOSED) continue;
    m->ended[e.id] = 1;
    for (int p = 0; p < PEERS; p++)
      if (m->peer[p].id == e.id) m->peer[p].open = m->peer[p].keyed = false;
  }
}

static void hold(model_t *m) {
  if (roll(m, 3))
    while (m->held_n) rtc_pkt_put(m->held[--m->held_n]);
  else
    for (uint32_t n = roll(m, HELD); n && m->held_n < HELD && (m->held[m->held_n] = rtc_hub_slot(m->r.hub)); n--) m->held_n++;
}

static void step(model_t *m) {
  int p = (int)roll(m, PEERS);
  uint32_t what = roll(m, 100);
  if (what < 5)
    join(m, p);
  else if (what < 12)
    connect(m, p);
  else if (what < 17)
    add_recv(m, p);
  else if (what < 22)
    add_send(m, p);
  else if (what < 28)
    link(m, p);
  else if (what < 60)
    media(m, p);
  else if (what < 72)
    feedback(m, p);
  else if (what < 76)
    noise(m, p);
  else if (what < 82)
    check(m, p);
  else if (what < 84)
    events(m);
  else if (what < 85)
    hold(m);
  else if (what < 88)
    rig_drain(&m->r);
  else if (what < 90)
    try(m, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = m->peer[p].recv[1]});
  else if (what < 93 && m->peer[p].send[1]) {
    rtc_cmd_t f = {
        .op = RTC_OP_FRAME, .id = m->peer[p].send[1], .u.frame = {.len = 1 + roll(m, 30000), .ts = (uint32_t)(m->r.now * 9 / 100)}};
    f.u.frame.key = roll(m, 3) == 0;
    f.u.frame.data = calloc(1, f.u.frame.len);
    try(m, &f);
  } else if (what == 93 && roll(m, 2)) {
    try(m, &(rtc_cmd_t){
               .op = RTC_OP_TONE, .id = m->peer[p].send[0], .u.tone = {(uint8_t)roll(m, 17), (uint8_t)roll(m, 70), roll(m, 7000000)}});
  } else if (what < 94)
    try(m, &(rtc_cmd_t){.op = RTC_OP_RATE, .id = m->peer[p].id, .u.rate_bps = 1 + roll(m, 10000000)});
  else if (what < 95) {
    rtc_cmd_t c = {.op = RTC_OP_RESTART, .id = m->peer[p].id, .u.ice = rig_transport(m->peer[p].id).ice};
    snprintf(c.u.ice.local_ufrag, sizeof c.u.ice.local_ufrag, "again-%u", roll(m, 100000));
    try(m, &c);
  } else if (what == 95 && roll(m, 3) == 0)
    try(m, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = m->peer[p].id});
  else
    rig_pass(&m->r, roll(m, 200) ? roll(m, 60000) : roll(m, 10) ? RTC_SEC(4) : RTC_SEC(35));
  if (m->r.got_n > RIG_KEPT - 600) rig_forget(&m->r);
}

static void run(uint64_t seed) {
  model_t *m = calloc(1, sizeof *m);
  if (!m) exit(2);
  m->rng = seed;
  rig_open(&m->r, 1536);
  m->r.peer_n = PEERS;
  for (int i = 0; i < STEPS; i++) {
    step(m);
    CHECK(rig_pool(&m->r) <= 1536);
  }
  while (m->held_n) rtc_pkt_put(m->held[--m->held_n]);
  rtc_stats_t s;
  rig_stats(&m->r, &s);
  printf("seed %d: %u transports, %llu in, %llu out, %llu forwarded, drops", (int)seed, m->next_id, (unsigned long long)s.hub.in_packets,
         (unsigned long long)s.hub.out_packets, (unsigned long long)s.hub.forwarded);
  for (int i = 0; i < RTC_DROP_COUNT; i++)
    if (s.hub.drops[i]) printf(" %s %llu", rtc_drop_name(i), (unsigned long long)s.hub.drops[i]);
  printf("\n");
  CHECK(s.hub.forwarded > 1000);
  CHECK_EQ(s.hub.drops[RTC_DROP_SEAL], 0); /* no index twice, no SSRC too many */
  for (uint32_t id = 1; id <= m->next_id; id++) try(m, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id});
  rig_drain(&m->r);
  events(m);
  for (uint32_t id = 1; id <= m->next_id; id++) CHECK(m->ended[id]);
  CHECK_EQ(rig_pool(&m->r), 0);
  rig_stats(&m->r, &s);
  CHECK_EQ(s.transport_n + s.recv_n + s.send_n, 0);
  CHECK_EQ(rtc_hub_next_at(m->r.hub), RTC_NEVER);
  CHECK_EQ(m->r.unread, 0);
  CHECK_EQ(m->r.spins, 0);
  rig_close(&m->r);
  free(m);
}

static void random_lives(void) {
  for (uint64_t seed = 1; seed <= SEEDS; seed++) run(seed);
}

int main(void) {
  RUN(random_lives);
  return CHECK_END();
}
