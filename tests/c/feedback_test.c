#include "check.h"
#include "engine/state.h"
#include "rig.h"
#include "wire/twccfb.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static void open_relay(rig_t *r, int viewers) {
  rig_open(r, 0);
  int pub = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rig_add_recv(r, 1, &in);
  for (int v = 0; v < viewers; v++) {
    int view = rig_join(r, GCM);
    rtc_send_cfg_t out = rig_send(view, true, 9000);
    rig_add_send(r, 100 + (uint32_t)v, &out);
    rig_link(r, 100 + (uint32_t)v, 1);
  }
}

static void send_sr(rig_t *r, int peer, uint32_t ssrc, uint64_t ntp, uint32_t ts) {
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_sr(&w, &(rtc_sr_t){.ssrc = ssrc, .ntp = ntp, .rtp_ts = ts}, NULL, 0);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static void send_rr(rig_t *r, int peer, const rtc_rb_t *rb) {
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_rr(&w, 4711, rb, 1);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static void pli(rig_t *r, int peer, uint32_t media) {
  uint8_t b[32];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_pli(&w, 4711, media);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static void fir(rig_t *r, int peer, uint32_t media, uint8_t seq) {
  uint8_t b[32];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_fir(&w, 4711, &(rtc_fir_t){media, seq}, 1);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

/* The last sender report that a viewer got, and when. */
static bool last_sr(const rig_t *r, int peer, rtc_sr_t *sr, rtc_time_t *at) {
  bool any = false;
  for (int i = 0; i < r->got_n; i++) {
    if (r->got[i].peer != peer || !r->got[i].rtcp) continue;
    rtc_rd_t rd = rtc_rd(r->got[i].data, r->got[i].len);
    rtc_rtcp_t b;
    while (rtc_rtcp_next(&rd, &b) > 0)
      if (rtc_rtcp_read_sr(&b, sr) == 0) {
        *at = r->got[i].at;
        any = true;
      }
  }
  return any;
}

/* The round trip by reports is right whatever the publisher's clock says, and over a change of publisher in between. */
static void round_trip_by_reports(void) {
  static const uint64_t clocks[] = {0, UINT64_C(0xe8000000) << 32, UINT64_C(0xffffffff) << 32, UINT64_C(0x10) << 32,
                                    UINT64_C(100000000) << 32};
  for (size_t k = 0; k < 5; k++) {
    rig_t r;
    open_relay(&r, 1);
    int other = rig_join(&r, GCM);
    rtc_recv_cfg_t in = rig_recv(other, true);
    rig_add_recv(&r, 2, &in);
    rig_vp8(&r, 0, 100, 1, 0, true, true);
    rig_vp8(&r, other, 300, 1, 0, true, true);
    send_sr(&r, 0, 100, clocks[k], 0);
    send_sr(&r, other, 300, clocks[k] + (UINT64_C(5) << 32), 0);
    rig_pass(&r, RTC_MS(1500));
    rtc_sr_t sr;
    rtc_time_t at = 0;
    CHECK(last_sr(&r, 1, &sr, &at));
    rig_link(&r, 100, 2); /* another clock, five seconds off */
    rig_vp8(&r, other, 300, 2, 3000, true, true);
    rtc_time_t held = r.now - at + RTC_MS(40);
    rig_pass(&r, RTC_MS(120)); /* 80 ms on the way, 40 ms held by the viewer before */
    send_rr(&r, 1,
            &(rtc_rb_t){
                .ssrc = 9000, .lsr = rtc_ntp_compact(sr.ntp), .dlsr = (uint32_t)(held * 65536 / 1000000), .fraction = 64, .jitter = 900});
    const rtc_send_stats_t *s = rig_send_stats(&r, 100);
    CHECK(s->rtt_us >= RTC_MS(79) && s->rtt_us <= RTC_MS(81));
    CHECK(s->fraction_lost == 0.25 && s->jitter_s == 0.01);
    int64_t rtt = s->rtt_us;
    send_rr(&r, 1, &(rtc_rb_t){.ssrc = 9000, .lsr = 12345, .dlsr = 5}); /* of no report of ours */
    CHECK_EQ(rig_send_stats(&r, 100)->rtt_us, rtt);
    send_rr(&r, 1, &(rtc_rb_t){.ssrc = 9000, .lsr = rtc_ntp_compact(sr.ntp), .dlsr = 0xffffffff}); /* held it longer than there was time */
    CHECK_EQ(rig_send_stats(&r, 100)->rtt_us, rtt);
    rig_close(&r);
  }
}

/* A publisher that does not answer is asked twice a second at first: what was lost was the request. Then less and less, but asked. */
static void unanswered_key_requests_back_off(void) {
  rig_t r;
  open_relay(&r, 1);
  rig_vp8(&r, 0, 100, 1, 0, true, false);
  rig_pass(&r, RTC_MS(6600));
  int asked = rig_block_n(&r, 0, RTC_RTCP_PSFB, RTC_FB_PLI);
  CHECK(asked >= RTC_KEY_TRIES && asked <= RTC_KEY_TRIES + 2);
  rig_pass(&r, RTC_SEC(60));
  asked = rig_block_n(&r, 0, RTC_RTCP_PSFB, RTC_FB_PLI);
  CHECK(asked >= RTC_KEY_TRIES + 12 && asked <= RTC_KEY_TRIES + 20);
  CHECK_EQ(r.spins, 0);
  rig_close(&r);
}

/* A receiver whose publisher takes neither PLI nor FIR, and one whose SSRC is not known: no request, no spinning. */
static void nobody_to_ask(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(p, true);
  rig_add_recv(&r, 1, &in);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = 1});
  rig_pass(&r, RTC_SEC(2));
  CHECK_EQ(r.spins, 0);
  CHECK_EQ(rig_block_n(&r, p, RTC_RTCP_PSFB, -1), 0);
  int q = rig_join(&r, GCM);
  in = rig_recv(q, true);
  in.pli = false;
  rig_add_recv(&r, 2, &in);
  rig_vp8(&r, q, 100, 1, 0, true, false);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = 2});
  rig_pass(&r, RTC_SEC(2));
  CHECK_EQ(r.spins, 0);
  CHECK_EQ(rig_block_n(&r, q, RTC_RTCP_PSFB, -1), 0);
  rig_close(&r);
}

static void fir_counts_once(void) {
  rig_t r;
  open_relay(&r, 1);
  rig_vp8(&r, 0, 100, 1, 0, true, true);
  for (int i = 0; i < 5; i++) fir(&r, 1, 9000, 7);
  CHECK_EQ(rig_send_stats(&r, 100)->fir, 1);
  for (int i = 0; i < 600; i++) fir(&r, 1, 9000, (uint8_t)(8 + i)); /* over 255 and on */
  CHECK_EQ(rig_send_stats(&r, 100)->fir, 601);
  fir(&r, 1, 1, 99);
  CHECK_EQ(rig_send_stats(&r, 100)->fir, 601);
  rig_close(&r);
}

static void remb_is_noted(void) {
  rig_t r;
  open_relay(&r, 2);
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_remb(&w, 4711, 1000000, (uint32_t[]){5, 9000}, 2);
  rig_rtcp(&r, 1, b, rtc_wr_len(&w));
  CHECK(rig_send_stats(&r, 100)->remb_bps > 990000 && rig_send_stats(&r, 100)->remb_bps <= 1000000);
  CHECK_EQ(rig_send_stats(&r, 101)->remb_bps, 0);
  rig_close(&r);
}

/* Feedback is about our own streams to this peer: what names another's changes nothing. */
static void feedback_for_others_is_ignored(void) {
  rig_t r;
  rig_open(&r, 0);
  int a = rig_join(&r, GCM), b = rig_join(&r, GCM);
  rtc_send_cfg_t out = rig_send(a, true, 100);
  rig_add_send(&r, 1, &out);
  rig_frame(&r, 1, 5000, 0, true);
  uint64_t before = r.datagrams;
  pli(&r, b, 100);
  uint8_t w_[64];
  rtc_wr_t w = rtc_wr(w_, sizeof w_);
  rtc_rtcp_write_nack(&w, 1, 100, &(uint16_t){rig_media(&r, a, 100, 0)->rtp.seq}, 1);
  rig_rtcp(&r, b, w_, rtc_wr_len(&w));
  send_rr(&r, b, &(rtc_rb_t){.ssrc = 100, .fraction = 9});
  CHECK_EQ(r.datagrams, before);
  const rtc_send_stats_t *s = rig_send_stats(&r, 1);
  CHECK_EQ(s->pli + s->nacks, 0);
  CHECK(s->fraction_lost == 0);
  rig_close(&r);
}

/* What the peer loses is told where an encoder can do something about it: more at once, less bit by bit, the same not again. */
static void loss_is_told(void) {
  static const uint8_t fraction[] = {0, 0, 26, 26, 0, 0, 13, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  static const int told[] = {-1, -1, 10, -1, 7, 5, -1, 3, 100, 75, 56, 42, 31, 23, 17, 12, 9, 6, 4, 3, 2, 1, 0, -1, -1};
  rig_t r;
  rtc_event_t e;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM), pub = rig_join(&r, GCM);
  rtc_send_cfg_t sound = rig_send(p, false, 100), picture = rig_send(p, true, 200), relayed = rig_send(p, false, 300);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  rig_add_send(&r, 1, &sound);
  rig_add_send(&r, 2, &picture);
  rig_add_send(&r, 3, &relayed);
  rig_add_recv(&r, 1, &in);
  rig_link(&r, 3, 1);
  for (size_t i = 0; i < sizeof fraction; i++) {
    for (uint32_t ssrc = 100; ssrc <= 300; ssrc += 100) send_rr(&r, p, &(rtc_rb_t){.ssrc = ssrc, .fraction = fraction[i]});
    int got = -1;
    while (rtc_hub_event(r.hub, &e)) {
      if (e.type != RTC_EV_LOSS) continue;
      CHECK_EQ(e.id, 1);
      CHECK_EQ(got, -1);
      got = e.loss;
    }
    CHECK_EQ(got, told[i]);
  }
  rig_close(&r);
}

/* Every RTCP type with every length that fits and noise inside, authentic: nothing but counters moves. */
static void noise_in_authentic_rtcp(void) {
  rig_t r;
  open_relay(&r, 2);
  for (int i = 0; i < 30; i++) rig_vp8(&r, 0, 100, 1 + i, 3000 * i, true, i == 0);
  uint32_t rnd = 1;
  for (int type = 192; type < 224; type++)
    for (int count = 0; count < 32; count++)
      for (int len = 8; len <= 64; len += 4) {
        uint8_t b[64];
        for (int i = 0; i < len; i++) b[i] = (uint8_t)((rnd = rnd * 1664525 + 1013904223) >> 24);
        b[0] = (uint8_t)(0x80u | (uint32_t)count | (rnd >> 16 & 0x20));
        b[1] = (uint8_t)type;
        rtc_put32(b + 4, 4711);
        rtc_put16(b + 2, (uint16_t)(rnd >> 20 & 1 ? (uint32_t)len / 4 - 1 : rnd >> 24));
        if (len >= 12) rtc_put32(b + 8, rnd >> 8 & 1 ? 9000 : 100);
        rig_rtcp(&r, type & 1, b, (size_t)len);
        if (r.got_n == RIG_KEPT) rig_forget(&r);
      }
  CHECK_EQ(r.unread, 0);
  CHECK_EQ(r.spins, 0);
  rig_pass(&r, RTC_SEC(5));
  rig_vp8(&r, 0, 100, 31, 93000, true, true);
  CHECK(rig_send_stats(&r, 100)->packets >= 31);
  rig_close(&r);
}

/* What transport-wide feedback says of our packets is counted; a message that lies is not. */
static void transport_wide_feedback(void) {
  rig_t r;
  open_relay(&r, 1);
  rtc_time_t at[70];
  for (int i = 0; i < 70; i++) at[i] = i % 10 == 3 ? RTC_NEVER : i * 1000;
  for (int n = 0; n < 3; n++) {
    uint8_t b[512];
    rtc_wr_t w = rtc_wr(b, sizeof b);
    CHECK_EQ(rtc_twccfb_write(&w, 4711, 9000, (uint16_t)(65500 + 70 * n), at, 70, (uint8_t)n), 70);
    if (n == 2) rtc_put16(b + 14, 0); /* of no packets */
    rig_rtcp(&r, 1, b, rtc_wr_len(&w));
  }
  CHECK_EQ(rig_transport_stats(&r, 2)->twcc_received, 3);
  CHECK_EQ(rig_transport_stats(&r, 2)->twcc_told, 140);
  CHECK_EQ(rig_transport_stats(&r, 2)->twcc_missing, 14);
  CHECK_EQ(rig_transport_stats(&r, 1)->twcc_told, 0);
  rig_close(&r);
}

int main(void) {
  RUN(round_trip_by_reports);
  RUN(unanswered_key_requests_back_off);
  RUN(nobody_to_ask);
  RUN(fir_counts_once);
  RUN(remb_is_noted);
  RUN(feedback_for_others_is_ignored);
  RUN(loss_is_told);
  RUN(noise_in_authentic_rtcp);
  RUN(transport_wide_feedback);
  return CHECK_END();
}
