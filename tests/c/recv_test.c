#include "check.h"
#include "engine/state.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

/* A publisher (peer 0, receiver 1) and a viewer (peer 1, sender 2). */
static void open_relay(rig_t *r, bool video) {
  rig_open(r, 0);
  int pub = rig_join(r, GCM), view = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, video);
  rtc_send_cfg_t out = rig_send(view, video, 9000);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
}

static void rtx(rig_t *r, uint32_t ssrc, int64_t index, uint16_t original, int64_t ts, bool start, bool key) {
  uint8_t p[60] = {(uint8_t)(original >> 8), (uint8_t)original, start ? 0x10 : 0, key ? 0x10 : 0x11};
  rig_rtp(r, 0, &(rig_rtp_t){.ssrc = ssrc, .index = index, .ts = ts, .pt = 97, .mid = "1", .payload = p, .len = sizeof p});
}

/* The numbers that a viewer gets of one SSRC are consecutive. */
static void check_no_gap(const rig_t *r, int peer, uint32_t ssrc) {
  int n = rig_media_n(r, peer, ssrc);
  for (int i = 1; i < n; i++) CHECK_EQ(rig_media(r, peer, ssrc, i)->index, rig_media(r, peer, ssrc, i - 1)->index + 1);
}

/* A publisher goes on under another SSRC (camera changed): the viewer's stream runs on from its key frame. What still comes under the
 * old one, media or RTX, is not taken for the new one's. */
static void new_ssrc_replaces_the_old(void) {
  static const int64_t starts[] = {10, 65530, 32760, 0x7fffffff - 5};
  for (size_t k = 0; k < 4; k++) {
    int64_t at = starts[k] & 0xffff; /* a first packet has roll-over 0 */
    rig_t r;
    open_relay(&r, true);
    for (int i = 0; i < 10; i++) rig_vp8(&r, 0, 100, at + i, 3000 * i, true, i == 0);
    rtx(&r, 101, 5, (uint16_t)(at + 9), 27000, true, false); /* a duplicate, but now its RTX stream is known */
    CHECK_EQ(rig_media_n(&r, 1, 9000), 10);
    for (int i = 0; i < 5; i++) {
      rig_vp8(&r, 0, 200, 1000 + i, 777000 + 3000 * i, true, i == 0);
      rig_vp8(&r, 0, 100, at + 10 + i, 3000 * (10 + i), true, false);        /* late */
      rtx(&r, 101, 6 + i, (uint16_t)(1000 + 7 + i), 3000 * i, false, false); /* would fit the new numbering */
    }
    CHECK_EQ(rig_media_n(&r, 1, 9000), 15);
    check_no_gap(&r, 1, 9000);
    CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 200);
    CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_STREAM), 10);
    rtx(&r, 201, 9, 1005, 777000 + 15000, true, false); /* the new one's own RTX */
    CHECK_EQ(rig_media_n(&r, 1, 9000), 16);
    rig_pass(&r, RTC_SEC(2)); /* the new one falls silent and the old one is used again */
    rig_vp8(&r, 0, 100, at + 20, 3000 * 20, true, true);
    CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 100);
    CHECK_EQ(rig_media_n(&r, 1, 9000), 17);
    check_no_gap(&r, 1, 9000);
    CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
    rig_close(&r);
  }
}

/* SSRC after SSRC, all authentic: the last one still plays, the table stays small, memory too. */
static void thousand_ssrcs(void) {
  rig_t r;
  open_relay(&r, true);
  for (uint32_t i = 0; i < 900; i++) {
    for (int j = 0; j < 3; j++) rig_vp8(&r, 0, 1000 + i, 10 + j, 3000 * j, true, j == 0);
    if (i % 50 == 49) { /* our own sending side keeps 64: a fresh one with the same keys, never the same SSRC twice */
      rtc_srtp_t fresh;
      rtc_dtls_keys_t k = {0};
      for (int b = 0; b < 32; b++) {
        k.remote_key[b] = (uint8_t)(b * 5 + 100);
        if (b < 14) k.remote_salt[b] = (uint8_t)(b * 7);
      }
      if (rtc_srtp_init(&fresh, GCM, k.remote_key, 16, k.remote_salt, 12, 1) < 0) exit(2);
      rtc_srtp_clear(&r.peer[0].tx);
      r.peer[0].tx = fresh;
    }
    rig_pass(&r, RTC_MS(100));
    if (rig_media_n(&r, 1, 9000) > 3000) rig_forget(&r);
  }
  CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 1899);
  CHECK_EQ(rig_send_stats(&r, 2)->packets, 2700);
  CHECK(rig_pool(&r) < 1100);
  rig_close(&r);
}

/* How late a packet may be is the hub's to say. */
static void replay_window(void) {
  static const uint32_t sizes[] = {64, 0};
  for (size_t i = 0; i < 2; i++) {
    rig_t r;
    rig_open(&r, 0);
    r.hub->cfg.srtp_window = sizes[i];
    rtc_recv_cfg_t in = rig_recv(rig_join(&r, GCM), true);
    rig_add_recv(&r, 1, &in);
    rig_vp8(&r, 0, 77, 5000, 3000, true, true);
    rig_vp8(&r, 0, 77, 5000 - 63, 3000, true, true);
    CHECK_EQ(rig_recv_stats(&r, 1)->packets, 2);
    rig_vp8(&r, 0, 77, 5000 - 64, 3000, true, true);
    CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_REPLAY), sizes[i] != 0);
    CHECK_EQ(rig_recv_stats(&r, 1)->packets, sizes[i] ? 2 : 3);
    rig_close(&r);
  }
}

/* Padding alone (probing) takes numbers of the stream: the viewer's numbering has no hole, and no padding reaches it. */
static void padding_only(void) {
  rig_t r;
  open_relay(&r, true);
  for (int i = 0; i < 20; i++) {
    if (i % 4 == 3)
      rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = 65530 + i, .ts = 3000, .pt = 96, .pad = 200});
    else
      rig_vp8(&r, 0, 100, 65530 + i, 3000 * i, true, i == 0);
  }
  CHECK_EQ(rig_media_n(&r, 1, 9000), 20);
  check_no_gap(&r, 1, 9000);
  for (int i = 0; i < 20; i++) CHECK_EQ(rig_media(&r, 1, 9000, i)->rtp.pad_len, 0);
  CHECK_EQ(rig_recv_stats(&r, 1)->lost, 0);
  uint64_t repeated = rig_recv_stats(&r, 1)->repeated;
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 101, .index = 3, .pt = 97, .mid = "1", .pad = 100}); /* and on the RTX stream */
  CHECK_EQ(rig_recv_stats(&r, 1)->repeated, repeated);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTX_FORM), 0);
  rig_close(&r);
}

/* What was repaired is not what was received: reports tell of the loss on the way (RFC 4588 §4, RFC 3550 §6.4.1). */
static void repair_does_not_hide_loss(void) {
  rig_t r;
  open_relay(&r, true);
  for (int i = 0; i < 100; i++) {
    if (i % 10 != 5) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, i == 0);
    rig_pass(&r, RTC_MS(10));
  }
  for (int i = 5; i < 100; i += 10) rtx(&r, 101, i, (uint16_t)(500 + i), 3000 * i, true, false);
  const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
  CHECK_EQ(s->packets, 100);
  CHECK_EQ(s->lost, 10);
  CHECK_EQ(s->rtx_packets, 10);
  CHECK_EQ(s->came_packets, 90 + 10);
  CHECK_EQ(s->came_bytes, s->bytes + s->rtx_packets * 2); /* each repair begins with the number of before */
  CHECK(s->rtx_bytes > 20 && s->rtx_bytes < s->came_bytes);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 100);
  double jitter = s->jitter_s;
  CHECK(jitter < 0.04);
  rig_vp8(&r, 0, 100, 505, 15000, true, false); /* the original after all, too late: it did come, but is not wanted twice */
  CHECK_EQ(rig_recv_stats(&r, 1)->lost, 9);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 100);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 100);
  rig_close(&r);
}

/* The start of a key frame comes after the rest of it: the viewer gets the rest from the history, in order. */
static void late_start_of_a_key_frame(void) {
  for (int way = 0; way < 2; way++) { /* reordered, or repaired */
    rig_t r;
    open_relay(&r, true);
    rig_vp8(&r, 0, 100, 49, 1, true, false);
    for (int i = 1; i < 20; i++) rig_vp8(&r, 0, 100, 50 + i, 3000 + (i > 10 ? 3000 : 0), i == 11, false);
    CHECK_EQ(rig_media_n(&r, 1, 9000), 0);
    if (way)
      rtx(&r, 101, 1, 50, 3000, true, true);
    else
      rig_vp8(&r, 0, 100, 50, 3000, true, true);
    CHECK_EQ(rig_media_n(&r, 1, 9000), 20);
    check_no_gap(&r, 1, 9000);
    rig_vp8(&r, 0, 100, 70, 9000, true, false);
    CHECK_EQ(rig_media_n(&r, 1, 9000), 21);
    check_no_gap(&r, 1, 9000);
    rig_close(&r);
  }
}

typedef struct look {
  uint8_t codec, n, p[12];
  bool joins;
} look_t;

/* At which payloads a waiting viewer joins, by codec. */
static void joins_at_key_frames_only(void) {
  static const look_t looks[] = {
      {RTC_CODEC_VP8, 3, {0x10, 0x10, 0}, true},
      {RTC_CODEC_VP8, 3, {0x10, 0x11, 0}, false},
      {RTC_CODEC_VP8, 3, {0x11, 0x10, 0}, false},          /* second partition */
      {RTC_CODEC_VP8, 3, {0x00, 0x10, 0}, false},          /* goes on */
      {RTC_CODEC_VP9, 3, {0x88, 0x05, 0}, true},           /* I, B, no P */
      {RTC_CODEC_VP9, 3, {0xc8, 0x05, 0}, false},          /* P: predicted */
      {RTC_CODEC_VP9, 3, {0x80, 0x05, 0}, false},          /* not its beginning */
      {RTC_CODEC_H264, 4, {0x67, 0x42, 0x00, 0x1f}, true}, /* SPS */
      {RTC_CODEC_H264, 3, {0x68, 0xce, 0x3c}, false},      /* PPS alone */
      {RTC_CODEC_H264, 3, {0x65, 0x88, 0x84}, true},       /* IDR */
      {RTC_CODEC_H264, 3, {0x41, 0x9a, 0x00}, false},
      {RTC_CODEC_H264, 9, {0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce}, true}, /* STAP-A of SPS and PPS */
      {RTC_CODEC_H264, 4, {0x7c, 0x85, 0x88, 0x84}, true},                   /* FU-A, start of an IDR */
      {RTC_CODEC_H264, 4, {0x7c, 0x05, 0x88, 0x84}, false},                  /* FU-A, middle */
      {RTC_CODEC_AV1, 4, {0x18, 0x0a, 0x0b, 0}, true},                       /* N: new sequence */
      {RTC_CODEC_AV1, 4, {0x10, 0x32, 0x0b, 0}, false},
      {RTC_CODEC_AV1, 4, {0x98, 0x0a, 0x0b, 0}, false}, /* Z: goes on */
      {RTC_CODEC_H265, 3, {0x40, 0x01, 0x0c}, true},    /* VPS */
      {RTC_CODEC_H265, 3, {0x44, 0x01, 0xc1}, false},   /* PPS alone */
      {RTC_CODEC_H265, 3, {0x26, 0x01, 0xaf}, true},    /* IDR */
      {RTC_CODEC_H265, 3, {0x02, 0x01, 0xd0}, false},
      {RTC_CODEC_H265, 9, {0x60, 1, 0, 3, 0x40, 1, 0x0c, 0, 0}, false}, /* AP that is damaged */
      {RTC_CODEC_H265, 4, {0x62, 0x01, 0x93, 0xaf}, true},              /* FU, start of an IDR */
      {RTC_CODEC_H265, 4, {0x62, 0x01, 0x13, 0xaf}, false},             /* FU, middle */
      {RTC_CODEC_OPUS, 1, {0xfc}, true},
  };
  for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
    rig_t r;
    rig_open(&r, 0);
    int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
    bool video = looks[i].codec != RTC_CODEC_OPUS;
    rtc_recv_cfg_t in = rig_recv(pub, video);
    rtc_send_cfg_t out = rig_send(view, video, 9000);
    in.codec = out.codec = looks[i].codec;
    rig_add_recv(&r, 1, &in);
    rig_add_send(&r, 2, &out);
    rig_link(&r, 2, 1);
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 7, .pt = (uint8_t)in.pt, .payload = looks[i].p, .len = looks[i].n});
    if (rig_media_n(&r, 1, 9000) != looks[i].joins) fprintf(stderr, "look %d\n", (int)i);
    CHECK_EQ(rig_media_n(&r, 1, 9000), looks[i].joins);
    rig_close(&r);
  }
}

/* SPS, PPS and IDR in packets of their own are one key frame; a viewer gets all three. */
static void parameter_sets_apart(void) {
  static const uint8_t nals[3][4] = {{0x67, 0x42, 0x00, 0x1f}, {0x68, 0xce, 0x3c, 0x80}, {0x65, 0x88, 0x84, 0x00}};
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  in.codec = out.codec = RTC_CODEC_H264;
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  rig_link(&r, 2, 1);
  for (int f = 0; f < 3; f++)
    for (int i = 0; i < 3; i++)
      rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 7 + 3 * f + i, .ts = 3000 * f, .pt = 96, .payload = nals[i], .len = 4});
  CHECK_EQ(rig_media_n(&r, 1, 9000), 9);
  CHECK_EQ(rig_recv_stats(&r, 1)->key_frames, 3);
  CHECK_EQ(rig_recv_stats(&r, 1)->frames, 3);
  rig_close(&r);
}

/* The first parameter set is lost and comes by RTX: it was still asked for, its number was kept, and who joined gets all three. */
static void lost_parameter_set(void) {
  static const uint8_t nals[4][4] = {{0x41, 0x9a, 0, 1}, {0x67, 0x42, 0x00, 0x1f}, {0x68, 0xce, 0x3c, 0x80}, {0x65, 0x88, 0x84, 0x00}};
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  in.codec = out.codec = RTC_CODEC_H264;
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  rig_link(&r, 2, 1);
  for (int i = 0; i < 4; i++)
    if (i != 1)
      rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 9 + i, .ts = i ? 3000 : 0, .pt = 96, .mid = "1", .payload = nals[i], .len = 4});
  CHECK_EQ(rig_media_n(&r, 1, 9000), 2);
  rig_pass(&r, RTC_MS(10));
  rtc_rtcp_t b;
  uint16_t seq = 0;
  CHECK(rig_block(&r, 0, RTC_RTCP_RTPFB, RTC_FB_NACK, 0, &b) && rtc_rtcp_read_nack(&b, &seq, 1) == 1);
  CHECK_EQ(seq, 10);
  uint8_t repair[6] = {0, 10, 0x67, 0x42, 0x00, 0x1f};
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 1, .ts = 3000, .pt = 97, .mid = "1", .payload = repair, .len = 6});
  CHECK_EQ(rig_media_n(&r, 1, 9000), 3);
  CHECK_EQ(rig_media(&r, 1, 9000, 1)->index, rig_media(&r, 1, 9000, 0)->index + 1);
  CHECK_EQ(rig_media(&r, 1, 9000, 2)->index, rig_media(&r, 1, 9000, 0)->index - 1);
  CHECK_EQ(r.unread, 0);
  rig_close(&r);
}

/* RFC 9143 §9.2: an SSRC follows the MID that it carries, also when it was in another section before. */
static void mid_moves_an_ssrc(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM);
  rtc_recv_cfg_t in[2] = {rig_recv(pub, false), rig_recv(pub, false)};
  in[1].mid[0] = '7';
  rig_add_recv(&r, 1, &in[0]);
  rig_add_recv(&r, 2, &in[1]);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 1, .pt = 111, .payload = "a", .len = 1}); /* no MID, two could take it */
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_STREAM), 1);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 2, .pt = 111, .mid = "0", .payload = "a", .len = 1});
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 3, .ts = 960, .pt = 111, .payload = "a", .len = 1});
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 2);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 4, .ts = 1920, .pt = 111, .mid = "7", .payload = "a", .len = 1});
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 5, .ts = 2880, .pt = 111, .payload = "a", .len = 1});
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 2);
  CHECK_EQ(rig_recv_stats(&r, 2)->packets, 2);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 4, .pt = 111, .mid = "x", .payload = "a", .len = 1}); /* no such section */
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 6, .pt = 99, .payload = "a", .len = 1});              /* no such type */
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_STREAM), 2);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_PT), 1);
  rig_close(&r);
}

/* A section ends while its SSRC is sent on without a MID: it is not taken for another one's stream, until that has fallen silent or it is
 * named. */
static void what_is_left_over_takes_no_place(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM);
  rtc_recv_cfg_t in[2] = {rig_recv(pub, false), rig_recv(pub, false)};
  in[1].mid[0] = '7';
  rig_add_recv(&r, 1, &in[0]);
  rig_add_recv(&r, 2, &in[1]);
  for (int i = 0; i < 2; i++) {
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 1 + i, .ts = 960 * i, .pt = 111, .mid = "0", .payload = "a", .len = 1});
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 1 + i, .ts = 960 * i, .pt = 111, .mid = "7", .payload = "a", .len = 1});
  }
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_RECV_END, .id = 2});
  for (int i = 2; i < 100; i++) {
    rig_pass(&r, RTC_MS(20));
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 1 + i, .ts = 960 * i, .pt = 111, .payload = "a", .len = 1});
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 1 + i, .ts = 960 * i, .pt = 111, .payload = "a", .len = 1});
  }
  CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 5);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 100);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_STREAM), 98);
  rig_add_recv(&r, 3, &in[1]); /* the section goes on: two could take it, then its name comes */
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 101, .ts = 96000, .pt = 111, .payload = "a", .len = 1});
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_STREAM), 99);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 102, .ts = 96960, .pt = 111, .mid = "7", .payload = "a", .len = 1});
  CHECK_EQ(rig_recv_stats(&r, 3)->packets, 1);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_RECV_END, .id = 3});
  rig_pass(&r, RTC_SEC(2)); /* the first one has fallen silent */
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 6, .index = 103, .ts = 99840, .pt = 111, .payload = "a", .len = 1});
  CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 6);
  rig_close(&r);
}

/* Comfort noise and silence: ten minutes without sound, then it goes on; the viewer's times go on with it. */
static void long_silence_in_sound(void) {
  rig_t r;
  open_relay(&r, false);
  int64_t ts = 0xfffff000;
  for (int i = 0; i < 10; i++) {
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 65533 + i, .ts = ts, .pt = 111, .mid = "0", .payload = "a", .len = i % 3 ? 1u : 0u});
    rig_pass(&r, i == 5 ? RTC_SEC(600) : RTC_MS(20));
    ts += i == 5 ? 48000 * INT64_C(600) : 960;
  }
  CHECK_EQ(rig_media_n(&r, 1, 9000), 10);
  check_no_gap(&r, 1, 9000);
  uint32_t step = rig_media(&r, 1, 9000, 6)->rtp.ts - rig_media(&r, 1, 9000, 5)->rtp.ts;
  CHECK_EQ(step, 48000 * 600);
  CHECK(rig_recv_stats(&r, 1)->jitter_s < 0.01);
  rig_close(&r);
}

/* Histories share the pool: however many publishers there are, slots remain to receive and to send with. */
static void histories_leave_room(void) {
  rig_t r;
  rig_open(&r, 4096);
  int peers[12];
  for (int p = 0; p < 12; p++) {
    peers[p] = rig_join(&r, GCM);
    rtc_recv_cfg_t in = rig_recv(peers[p], true);
    rig_add_recv(&r, (uint32_t)p + 1, &in);
  }
  for (int i = 0; i < 1500; i++)
    for (int p = 0; p < 12; p++) rig_vp8(&r, peers[p], 40, 65000 + i, i * 3000, true, i == 0);
  CHECK(rig_pool(&r) < 3000);
  for (int p = 0; p < 12; p++) CHECK_EQ(rig_recv_stats(&r, (uint32_t)p + 1)->packets, 1500);
  CHECK_EQ(rig_drops(&r, RTC_DROP_POOL), 0);
  for (uint32_t p = 0; p < 11; p++) rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = p + 1});
  for (int i = 1500; i < 3000; i++) rig_vp8(&r, peers[11], 40, 65000 + i, i * 3000, true, false);
  CHECK_EQ(rig_pool(&r), 1024); /* the last one has its whole history again */
  rig_close(&r);
}

/* After a BYE nothing more is asked for, and no report speaks of the source until it comes back (RFC 3550 §6.6). */
static void bye_ends_a_source(void) {
  rig_t r;
  open_relay(&r, true);
  for (int i = 0; i < 10; i++) {
    if (i != 5) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, i == 0);
  }
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_rr(&w, 100, NULL, 0);
  rtc_rtcp_write_bye(&w, &(uint32_t){100}, 1);
  rig_rtcp(&r, 0, b, rtc_wr_len(&w));
  rig_forget(&r);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = 1});
  rig_pass(&r, RTC_SEC(2));
  CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_RTPFB, RTC_FB_NACK), 0);
  CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_PSFB, -1), 0);
  CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_RR, 1), 0);
  rig_vp8(&r, 0, 100, 510, 30000, true, false);
  rig_pass(&r, RTC_SEC(2));
  CHECK(rig_block_n(&r, 0, RTC_RTCP_RR, 1) > 0);
  CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_PSFB, RTC_FB_PLI) > 0, 1); /* the wish was kept */
  rig_close(&r);
}

/* A packet of before a change of payload type that comes late changes nothing back; more others than there is room for are refused. */
static void others_have_a_cap(void) {
  rig_t r;
  rig_open(&r, 4096);
  int peer = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(peer, true);
  in.other_n = RTC_RECV_OTHERS + 1;
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in}, r.now), RTC_EINVAL);
  in.other_n = RTC_RECV_OTHERS;
  for (int i = 0; i < RTC_RECV_OTHERS; i++)
    in.other[i] = (rtc_recv_pt_t){.codec = RTC_CODEC_VP8, .pt = (int16_t)(40 + i), .rtx_pt = -1, .clock_rate = 90000};
  rig_add_recv(&r, 1, &in);
  uint8_t vp8[20] = {0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
  rig_rtp_t p = {.pt = 54, .ssrc = 9, .index = 100, .ts = 0, .marker = true, .payload = vp8, .len = sizeof vp8};
  rig_rtp(&r, peer, &p);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1);
  p.pt = 41, p.index = 102;
  rig_rtp(&r, peer, &p);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 2);
  p.pt = 54, p.index = 101;
  rig_rtp(&r, peer, &p);
  p.pt = 39, p.index = 103;
  rig_rtp(&r, peer, &p);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 2);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_PT), 2);
  rig_close(&r);
}

static void event(rig_t *r, int64_t index, int64_t ts, uint8_t pt, bool marker, uint8_t code, bool end, uint16_t duration) {
  uint8_t b[4] = {code, (uint8_t)(end << 7 | 10), (uint8_t)(duration >> 8), (uint8_t)duration};
  rig_rtp(r, 0, &(rig_rtp_t){.ssrc = 5, .index = index, .ts = ts, .pt = pt, .marker = marker, .mid = "0", .payload = b, .len = sizeof b});
}

/* Telephone events are told, and are nothing of the sound: no frame, no loss, no part of what viewers get. */
static void telephone_events(void) {
  rig_t r;
  rtc_event_t e;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  rtc_send_cfg_t out = rig_send(view, false, 9000);
  in.frames = true;
  in.tone_n = 2;
  in.tone[0] = (rtc_tone_pt_t){.pt = 110, .rate = 48000};
  in.tone[1] = (rtc_tone_pt_t){.pt = 126, .rate = 8000};
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  rig_link(&r, 2, 1);
  int64_t index = 65530, ts = 0xfffffc00; /* an event may be the first that is heard of a stream */
  int told = 0, frames = 0;
  for (int round = 0; round < 8; round++) {
    bool slow = round & 1;
    for (int i = 1; i <= 7; i++, index++) {
      uint16_t duration = (uint16_t)((slow ? 160 : 960) * (i < 5 ? i : 5));
      if (i != round) event(&r, index, ts, slow ? 126 : 110, i == 1, (uint8_t)round, i >= 5, duration);
      rig_pass(&r, RTC_MS(20));
    }
    ts += 7 * 960;
    for (int i = 0; i < 3; i++, index++, ts += 960) {
      rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = index, .ts = ts, .pt = 111, .mid = "0", .payload = "abc", .len = 3});
      rig_pass(&r, RTC_MS(20));
    }
    while (rtc_hub_event(r.hub, &e)) {
      if (e.type != RTC_EV_TONE) continue;
      CHECK_EQ(e.id, 1);
      CHECK_EQ(e.tone, told);
      CHECK_EQ(e.volume, 10);
      CHECK_EQ(e.tone_us, RTC_MS(100));
      told++;
    }
  }
  rig_pass(&r, RTC_SEC(1));
  for (rtc_frame_t *f; (f = rtc_hub_frame(r.hub)); free(f)) {
    CHECK_EQ(f->len, 3);
    CHECK_EQ(f->lost, 0 + (frames % 3 == 0 && frames >= 3)); /* one packet of each tone but the first was lost */
    frames++;
  }
  CHECK_EQ(told, 8);
  CHECK_EQ(frames, 24);
  CHECK_EQ(rig_media_n(&r, view, 9000), 24);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_PT), 0);
  const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
  CHECK_EQ(s->lost, 7);
  CHECK_EQ(s->packets, 8 * 10 - 7);
  CHECK(s->jitter_s < 0.02); /* their times stand still, which is no jitter */
  rig_close(&r);
}

/* One whose ends are all lost is told when nothing more comes of it; what is cut, and of a type that is none, is not. */
static void events_without_end(void) {
  rig_t r;
  rtc_event_t e;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  in.tone_n = 1;
  in.tone[0] = (rtc_tone_pt_t){.pt = 110, .rate = 0};
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in}, r.now), RTC_EINVAL);
  in.tone[0].rate = 48000;
  for (int i = 1; i < RTC_RECV_TONES; i++) in.tone[i] = (rtc_tone_pt_t){.pt = (int16_t)(120 + i), .rate = 8000};
  in.tone_n = RTC_RECV_TONES + 1;
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in}, r.now), RTC_EINVAL);
  in.tone_n = RTC_RECV_TONES;
  rig_add_recv(&r, 1, &in);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 5, .index = 1, .pt = 110, .mid = "0", .payload = "abc", .len = 3});
  event(&r, 2, 960, 110, true, 11, false, 960);
  event(&r, 3, 960, 109, false, 11, true, 1920);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_PT), 1);
  int told = 0;
  for (int i = 0; i < 60; i++) {
    while (rtc_hub_event(r.hub, &e)) told += e.type == RTC_EV_TONE && e.tone == 11 && e.tone_us == RTC_MS(20);
    if (i == 49) CHECK_EQ(told, 0);
    rig_pass(&r, RTC_MS(20));
  }
  CHECK_EQ(told, 1);
  CHECK_EQ(r.spins, 0);
  rig_close(&r);
}

int main(void) {
  RUN(new_ssrc_replaces_the_old);
  RUN(thousand_ssrcs);
  RUN(replay_window);
  RUN(padding_only);
  RUN(repair_does_not_hide_loss);
  RUN(late_start_of_a_key_frame);
  RUN(joins_at_key_frames_only);
  RUN(parameter_sets_apart);
  RUN(lost_parameter_set);
  RUN(mid_moves_an_ssrc);
  RUN(what_is_left_over_takes_no_place);
  RUN(long_silence_in_sound);
  RUN(histories_leave_room);
  RUN(bye_ends_a_source);
  RUN(others_have_a_cap);
  RUN(telephone_events);
  RUN(events_without_end);
  return CHECK_END();
}
