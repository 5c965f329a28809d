/* redundant: sound that is sent twice, inward, outward and through a relay. */
#include "check.h"
#include "engine/state.h"
#include "rig.h"
#include "wire/payload/red.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

enum { OPUS = 111, RED = 63, LEN = 40 };

static void fill(uint8_t out[LEN], int64_t n) {
  for (int i = 0; i < LEN; i++) out[i] = (uint8_t)(n + i);
}

/* Sound n of a peer's, which repeats as many frames of before. */
static void sound_as(rig_t *r, int64_t n, int levels, uint8_t pt, uint8_t inner) {
  uint8_t p[256], data[3][LEN];
  rtc_red_part_t part[2];
  for (int i = 0; i < levels; i++) {
    int64_t back = levels - i;
    fill(data[i], n - back);
    part[i] = (rtc_red_part_t){.pt = inner, .back_ts = (uint16_t)(960 * back), .len = LEN, .p = data[i]};
  }
  int front = pt == RED ? rtc_red_write(p, sizeof p, part, (size_t)levels, inner) : 0;
  if (front < 0) exit(2);
  fill(p + front, n);
  rig_rtp(r, 0, &(rig_rtp_t){.ssrc = 100, .index = n, .ts = 960 * n, .pt = pt, .payload = p, .len = (size_t)front + LEN});
}
static void sound(rig_t *r, int64_t n, int levels) { sound_as(r, n, levels, RED, OPUS); }

static int open_receiver(rig_t *r, bool frames) {
  rig_open(r, 0);
  int pub = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  in.frames = frames;
  in.has_red = true;
  in.red_pt = RED;
  rig_add_recv(r, 1, &in);
  return pub;
}

/* The next frame is n, and so many are missing before it. */
static void check_frame(rig_t *r, int64_t n, uint64_t lost) {
  uint8_t want[LEN];
  fill(want, n);
  rtc_frame_t *f = rtc_hub_frame(r->hub);
  CHECK(f && f->ts == 960 * n && f->len == LEN && f->lost == lost && f->key && !f->video);
  if (f && f->len == LEN) CHECK_MEM(f->data, want, LEN);
  free(f);
}

static void comes(void) {
  static const int64_t starts[] = {0, 32700, 30000};
  for (size_t k = 0; k < 3; k++)
    for (int levels = 0; levels <= 2; levels++) {
      rig_t r;
      open_receiver(&r, true);
      for (int64_t i = 0; i < 40; i++) {
        int64_t n = starts[k] + i;
        bool first = i % 10 == 5, second = i % 20 == 6; /* 5, 6, 15, 25, 26, 35 are lost */
        if (!first && !second) sound(&r, n, levels);
        rig_pass(&r, RTC_MS(20));
      }
      rig_pass(&r, RTC_SEC(1));
      uint64_t lost = 0, restored = 0;
      for (int64_t i = 0; i < 40; i++) {
        bool first = i % 10 == 5, pair = i % 20 == 5, second = i % 20 == 6;
        bool have = levels == 2 || (levels == 1 && (second || (first && !pair)));
        if ((first || second) && !have) {
          lost++;
          continue;
        }
        restored += first || second;
        check_frame(&r, starts[k] + i, lost);
        lost = 0;
      }
      CHECK(!rtc_hub_frame(r.hub));
      const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
      CHECK_EQ(s->frames_restored, restored);
      CHECK_EQ(s->packets, 34);
      CHECK_EQ(s->lost, 6); /* it was lost all the same */
      CHECK_EQ(s->red_blocks, 34 * levels);
      CHECK_EQ(s->red_bytes, 34 * (1 + levels * (RTC_RED_HEAD + LEN)));
      CHECK_EQ(s->bytes, s->red_bytes + 34 * LEN);
      rig_close(&r);
    }
}

/* With the plain type between, as who has nothing to repeat sends it; late, and with other codecs inside. */
static void mixed(void) {
  rig_t r;
  open_receiver(&r, true);
  sound_as(&r, 0, 0, OPUS, 0);
  sound(&r, 2, 1);
  sound_as(&r, 1, 0, OPUS, 0); /* overtaken: it has been given already */
  sound_as(&r, 3, 0, OPUS, 0);
  sound_as(&r, 5, 1, RED, 8); /* a codec that was not agreed */
  for (int64_t n = 0; n < 4; n++) check_frame(&r, n, 0);
  CHECK(!rtc_hub_frame(r.hub));
  const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
  CHECK_EQ(s->packets, 4);
  CHECK_EQ(s->frames_restored, 1);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_PT), 1);
  rig_close(&r);
}

static void malformed(void) {
  static const uint8_t cut[] = {0xef, 0x0f, 0x00, 0x7f, 0x6f, 1, 2, 3};
  rig_t r;
  open_receiver(&r, true);
  sound(&r, 0, 0);
  check_frame(&r, 0, 0);
  for (size_t n = 1; n <= sizeof cut; n++)
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = (int64_t)n, .ts = 960, .pt = RED, .payload = cut, .len = n});
  CHECK_EQ(rig_drops(&r, RTC_DROP_RED_FORM), sizeof cut);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1);
  CHECK(!rtc_hub_frame(r.hub));
  rig_close(&r);
}

/* Padding takes numbers between, and is nothing to a viewer but that. */
static void padding(void) {
  rig_t r;
  int pub = open_receiver(&r, true), view = rig_join(&r, GCM);
  rtc_send_cfg_t out = rig_send(view, false, 9000);
  out.has_red = true;
  out.red_pt = RED;
  rig_add_send(&r, 10, &out);
  rig_link(&r, 10, 1);
  sound(&r, 0, 0);
  for (int64_t n = 1; n <= 3; n++) rig_rtp(&r, pub, &(rig_rtp_t){.ssrc = 100, .index = n, .ts = 0, .pt = RED, .pad = 200});
  uint8_t p[5 + 2 * LEN] = {0x80 | OPUS, 0x0f, 0, LEN, OPUS}; /* which repeats the one before the padding */
  p[1] = 960 >> 6;
  fill(p + 5, 0);
  fill(p + 5 + LEN, 1);
  rig_rtp(&r, pub, &(rig_rtp_t){.ssrc = 100, .index = 4, .ts = 960, .pt = RED, .payload = p, .len = sizeof p});
  check_frame(&r, 0, 0);
  check_frame(&r, 1, 0);
  CHECK(!rtc_hub_frame(r.hub));
  const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
  CHECK(s->packets == 5 && s->lost == 0 && s->frames_restored == 0);
  CHECK_EQ(rig_media_n(&r, view, 9000), 5);
  for (int i = 1; i <= 3; i++) CHECK_EQ(rig_media(&r, view, 9000, i)->rtp.payload_len, 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RED_FORM), 0);
  rig_close(&r);
}

static void send_sound(rig_t *r, int64_t n, uint32_t len, int64_t ts, bool begins) {
  rtc_cmd_t c = {
      .op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = malloc(len), .len = len, .ts = (uint32_t)ts, .key = true, .begins = begins}};
  if (!c.u.frame.data) exit(2);
  memset(c.u.frame.data, (int)n, len);
  rig_do(r, &c);
  rig_pass(r, RTC_MS(20));
}

static int open_sender(rig_t *r, uint8_t levels) {
  rig_open(r, 0);
  int peer = rig_join(r, GCM);
  rtc_send_cfg_t out = rig_send(peer, false, 100);
  out.has_red = true;
  out.red_pt = RED;
  out.red_levels = levels;
  rig_add_send(r, 1, &out);
  return peer;
}

/* The i-th packet that the peer got: how many frames are in it. The last is n, and each byte of one that is repeated tells which it is. */
static int frames_in(const rig_t *r, int i, int64_t n, int64_t *repeated) {
  const rig_got_t *g = rig_media(r, 0, 100, i);
  CHECK(g != NULL);
  if (!g) return 0;
  const uint8_t *p = g->data + g->rtp.hdr_len;
  CHECK(g->rtp.hdr_len + g->rtp.payload_len <= RTC_RTP_MAX);
  if (g->rtp.pt == OPUS) {
    CHECK_EQ(p[0], (uint8_t)n);
    return 1;
  }
  rtc_red_t red;
  CHECK_EQ(g->rtp.pt, RED);
  CHECK_EQ(rtc_red_parse(&red, p, g->rtp.payload_len), 0);
  for (int b = 0; b < red.n; b++) {
    CHECK_EQ(red.block[b].pt, OPUS);
    CHECK(red.block[b].len && p[red.block[b].off] == p[red.block[b].off + red.block[b].len - 1]);
  }
  CHECK_EQ(p[red.block[red.n - 1].off], (uint8_t)n);
  if (red.n > 1) *repeated = p[red.block[0].off];
  return red.n;
}

static void goes(void) {
  for (uint8_t levels = 0; levels <= 2; levels++) { /* 0: nobody has told of a loss */
    rig_t r;
    open_sender(&r, levels);
    int most = levels ? levels : 1;
    for (int64_t n = 0; n < 20; n++) send_sound(&r, n, LEN, 960 * n, n == 0);
    CHECK_EQ(rig_media_n(&r, 0, 100), 20);
    for (int n = 0; n < 20; n++) {
      int64_t oldest = -1;
      int in = frames_in(&r, n, n, &oldest), want = 1 + (n < most ? n : most);
      CHECK_EQ(in, want);
      if (want > 1) CHECK_EQ(oldest, n + 1 - want);
    }
    CHECK_EQ(rig_send_stats(&r, 1)->packets, 20);
    rig_close(&r);
  }
}

/* Behind silence nothing of before it is repeated; nor is what is too old, too long or finds no room. */
static void left_out(void) {
  typedef struct step {
    int64_t ts;
    uint32_t len;
    bool begins;
    int in, oldest;
  } step_t;
  static const step_t t[] = {
      {0, LEN, true, 1, -1},
      {960, LEN, false, 2, 0},
      {1920, LEN, false, 3, 0},
      {9600, LEN, true, 1, -1}, /* 160 ms of silence, which 14 bits could span */
      {10560, LEN, false, 2, 3},
      {11520, LEN, false, 3, 3},
      {11520 + 16384, LEN, false, 1, -1},
      {11520 + 16384 + 16383, LEN, false, 2, 6}, /* and the one before it is too old */
      {30000 + 16384, 1023, false, 2, 7},        /* as above: 6 is more than 14 bits away */
      {30960 + 16384, 40, false, 3, 7},
      {31920 + 16384, 1024, false, 2, 9}, /* no room for both */
      {32880 + 16384, 40, false, 2, 9},   /* the last one is longer than 10 bits say */
      {33840 + 16384, 1100, false, 2, 11},
      {34800 + 16384, 1145, false, 1, -1},
      {35760 + 16384, 1147, false, 1, -1},
      {36720 + 16384, 40, false, 1, -1},
  };
  rig_t r;
  open_sender(&r, 2);
  for (size_t n = 0; n < sizeof t / sizeof *t; n++) {
    send_sound(&r, (int64_t)n, t[n].len, t[n].ts, t[n].begins);
    int64_t oldest = -1;
    int in = frames_in(&r, (int)n, (int64_t)n, &oldest);
    if (in != t[n].in || oldest != t[n].oldest) fprintf(stderr, "step %zu: %d frames from %d on\n", n, in, (int)oldest);
    CHECK(in == t[n].in && oldest == t[n].oldest);
  }
  rig_close(&r);
}

static void report_loss(rig_t *r, uint8_t fraction) {
  uint8_t b[128];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_rr(&w, 4711, &(rtc_rb_t){.ssrc = 100, .fraction = fraction}, 1);
  rig_rtcp(r, 0, b, rtc_wr_len(&w));
}

/* As FEC does: more when the peer loses more, less bit by bit. */
static void follows_loss(void) {
  rig_t r;
  open_sender(&r, 0);
  static const uint8_t fraction[] = {0, 11, 13, 0, 26, 0, 0, 0, 0};
  static const int in[] = {2, 2, 3, 2, 3, 3, 3, 2, 2};
  int64_t n = 0, oldest;
  for (; n < 3; n++) send_sound(&r, n, LEN, 960 * n, n == 0);
  for (size_t i = 0; i < sizeof fraction; i++, n++) {
    report_loss(&r, fraction[i]);
    send_sound(&r, n, LEN, 960 * n, false);
    int got = frames_in(&r, (int)n, n, &oldest);
    if (got != in[i]) fprintf(stderr, "report %zu: %d frames\n", i, got);
    CHECK_EQ(got, in[i]);
  }
  rig_close(&r);
}

/* A repair has the codec's own format: its payload type stands for that one (RFC 4588 §8.6). Other numbers change nothing of before. */
static void repaired_and_agreed(void) {
  rig_t r;
  rig_open(&r, 0);
  int peer = rig_join(&r, GCM);
  rtc_send_cfg_t out = rig_send(peer, false, 100);
  out.has_red = true;
  out.red_pt = RED;
  out.rtx_pt = 112;
  out.rtx_ssrc = 101;
  rig_add_send(&r, 1, &out);
  for (int64_t n = 0; n < 5; n++) send_sound(&r, n, LEN, 960 * n, n == 0);
  uint8_t b[128];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  uint16_t lost = rig_media(&r, 0, 100, 3)->rtp.seq;
  rtc_rtcp_write_nack(&w, 4711, 100, &lost, 1);
  rig_rtcp(&r, 0, b, rtc_wr_len(&w));
  const rig_got_t *g = rig_media(&r, 0, 101, 0);
  CHECK(g && g->rtp.pt == 112 && g->rtp.payload_len == 2 + LEN);
  if (g) CHECK(rtc_get16(g->data + g->rtp.hdr_len) == lost && g->data[g->rtp.hdr_len + 2] == 3);
  out.red_pt = 64;
  out.pt = 100;
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_SEND_AGREE, .id = 1, .u.send = out});
  send_sound(&r, 5, LEN, 4800, false);
  g = rig_media(&r, 0, 100, 5);
  rtc_red_t red;
  CHECK(g && g->rtp.pt == 64 && rtc_red_parse(&red, g->data + g->rtp.hdr_len, g->rtp.payload_len) == 0);
  CHECK(g && red.n == 2 && red.block[0].pt == 100 && red.block[0].len == LEN && g->data[g->rtp.hdr_len + red.block[0].off] == 4);
  rig_close(&r);
}

static void bad_settings(void) {
  rig_t r;
  rig_open(&r, 0);
  int peer = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(peer, false), picture = rig_recv(peer, true);
  in.has_red = picture.has_red = true;
  picture.red_pt = RED;
  in.red_pt = 128;
  rtc_cmd_t c = {.op = RTC_OP_RECV, .id = 1, .u.recv = in};
  CHECK_EQ(rtc_hub_exec(r.hub, &c, r.now), RTC_EINVAL);
  c.u.recv = picture;
  CHECK_EQ(rtc_hub_exec(r.hub, &c, r.now), RTC_EINVAL);
  rtc_send_cfg_t out = rig_send(peer, false, 100), shown = rig_send(peer, true, 100);
  out.has_red = shown.has_red = true;
  out.red_pt = shown.red_pt = RED;
  out.red_levels = RTC_RED_LEVELS + 1;
  c = (rtc_cmd_t){.op = RTC_OP_SEND, .id = 1, .u.send = out};
  CHECK_EQ(rtc_hub_exec(r.hub, &c, r.now), RTC_EINVAL);
  c.u.send = shown;
  CHECK_EQ(rtc_hub_exec(r.hub, &c, r.now), RTC_EINVAL);
  out.red_levels = 0;
  rig_add_send(&r, 1, &out);
  out.red_pt = -1;
  c = (rtc_cmd_t){.op = RTC_OP_SEND_AGREE, .id = 1, .u.send = out};
  CHECK_EQ(rtc_hub_exec(r.hub, &c, r.now), RTC_EINVAL);
  rig_close(&r);
}

/* To viewers as it is where they take it so, and number Opus as the publisher does, which is said inside; to others its own frame alone. */
static void relayed(void) {
  enum { DOUBLED, PLAIN, NUMBERED, VIEWERS, N = 600 };
  rig_t r;
  open_receiver(&r, false);
  for (int v = 0; v < VIEWERS; v++) {
    int peer = rig_join(&r, GCM);
    rtc_send_cfg_t out = rig_send(peer, false, 9000);
    out.has_red = v != PLAIN;
    out.red_pt = 65;
    if (v == NUMBERED) out.pt = 109;
    rig_add_send(&r, 10 + (uint32_t)v, &out);
    rig_link(&r, 10 + (uint32_t)v, 1);
  }
  for (int n = 0; n < N; n++) sound(&r, n, n % 3);
  for (int v = 0; v < VIEWERS; v++) {
    CHECK_EQ(rig_media_n(&r, 1 + v, 9000), N);
    for (int i = 0; i < N; i++) {
      uint8_t want[LEN];
      const rig_got_t *g = rig_media(&r, 1 + v, 9000, i);
      if (!g) break;
      fill(want, i);
      size_t front = v == DOUBLED ? 1 + (size_t)(i % 3) * (RTC_RED_HEAD + LEN) : 0;
      CHECK_EQ(g->rtp.pt, v == DOUBLED ? 65 : v == NUMBERED ? 109 : OPUS);
      CHECK_EQ(g->rtp.payload_len, front + LEN);
      CHECK_MEM(g->data + g->rtp.hdr_len + front, want, LEN);
    }
  }
  rig_close(&r);
}

/* Copies that wait are bounded: however many do, each viewer gets its own form. */
static void relayed_while_nothing_leaves(void) {
  rig_t r;
  open_receiver(&r, false);
  for (int v = 0; v < 3; v++) {
    rtc_send_cfg_t out = rig_send(rig_join(&r, GCM), false, 9000);
    out.has_red = v != 1;
    out.red_pt = RED;
    rig_add_send(&r, 10 + (uint32_t)v, &out);
    rig_link(&r, 10 + (uint32_t)v, 1);
  }
  sound(&r, 0, 0);
  rig_forget(&r);
  enum { N = 3 * RTC_FANS_MAX / 2 };
  for (int64_t n = 1; n <= N; n++) { /* not drained: by hand; the first is plain, so that forms of one packet are the last and the first */
    uint8_t p[RTC_PKT_DATA], data[LEN];
    fill(data, n - 1);
    int front = n == 1 ? 0 : rtc_red_write(p + 12, 200, &(rtc_red_part_t){.pt = OPUS, .back_ts = 960, .len = LEN, .p = data}, 1, OPUS);
    fill(p + 12 + front, n);
    rtc_rtp_write(p, &(rtc_rtp_t){.ts = (uint32_t)(960 * n), .ssrc = 100, .seq = (uint16_t)n, .pt = n == 1 ? OPUS : RED});
    int len = rtc_srtp_protect(&r.peer[0].tx, p, 12 + (size_t)front + LEN, sizeof p, n);
    rtc_pkt_t *k = rtc_hub_slot(r.hub);
    if (len < 0 || !k) exit(2);
    memcpy(k->data, p, (size_t)len);
    k->len = (uint32_t)len;
    k->path = r.peer[0].path;
    k->at = r.now;
    rtc_hub_recv(r.hub, k, r.now);
  }
  rig_drain(&r);
  for (int v = 0; v < 3; v++) {
    CHECK_EQ(rig_media_n(&r, 1 + v, 9000), N);
    for (int i = 0; i < N; i++) {
      uint8_t want[LEN];
      const rig_got_t *g = rig_media(&r, 1 + v, 9000, i);
      if (!g) break;
      fill(want, i + 1);
      bool doubled = v != 1 && i;
      CHECK_EQ(g->rtp.pt, doubled ? RED : OPUS);
      CHECK_MEM(g->data + g->len - LEN, want, LEN);
      CHECK_EQ(g->rtp.payload_len, doubled ? 5 + 2 * LEN : LEN);
    }
  }
  rig_close(&r);
}

int main(void) {
  RUN(comes);
  RUN(mixed);
  RUN(malformed);
  RUN(padding);
  RUN(goes);
  RUN(left_out);
  RUN(follows_loss);
  RUN(repaired_and_agreed);
  RUN(bad_settings);
  RUN(relayed);
  RUN(relayed_while_nothing_leaves);
  return CHECK_END();
}
