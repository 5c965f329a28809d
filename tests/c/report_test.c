#include "base/seq.h"
#include "check.h"
#include "rig.h"
#include "wire/twccfb.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static void send_sr(rig_t *r, int peer, uint32_t ssrc, uint64_t ntp, uint32_t ts) {
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_sr(&w, &(rtc_sr_t){.ssrc = ssrc, .ntp = ntp, .rtp_ts = ts}, NULL, 0);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static void opus(rig_t *r, int peer, uint32_t ssrc, int64_t index, int64_t ts) {
  rig_rtp(r, peer, &(rig_rtp_t){.ssrc = ssrc, .index = index, .ts = ts, .pt = 111, .mid = "0", .payload = "abc", .len = 3});
}

/* The last SR of a stream that a peer got. */
static bool last_sr(const rig_t *r, int peer, uint32_t ssrc, rtc_sr_t *sr, rtc_time_t *at) {
  bool any = false;
  for (int i = 0; i < r->got_n; i++) {
    if (r->got[i].peer != peer || !r->got[i].rtcp) continue;
    rtc_rd_t rd = rtc_rd(r->got[i].data, r->got[i].len);
    rtc_rtcp_t b;
    rtc_sr_t one;
    while (rtc_rtcp_next(&rd, &b) > 0)
      if (rtc_rtcp_read_sr(&b, &one) == 0 && one.ssrc == ssrc) {
        *sr = one;
        *at = r->got[i].at;
        any = true;
      }
  }
  return any;
}

/* A viewer's SRs lie on the publisher's own line from NTP to RTP time, and picture and sound on one clock: at the same NTP time the
 * publisher's camera and microphone saw the same moment. For every sort of clock: eras' ends, uptime clocks, a fast one. */
static void reports_carry_the_publishers_clock(void) {
  static const uint64_t epochs[] = {UINT64_C(0xe9000000) << 32, /* 2023 */
                                    0,                          /* counts from its start */
                                    UINT64_C(0xfffffffe) << 32, /* the era of 1900 ends meanwhile (2036) */
                                    UINT64_C(0x0a000000) << 32, /* 2041; also what a clock of uptime may say */
                                    UINT64_C(0x60000000) << 32};
  for (size_t k = 0; k < 5; k++)
    for (int fast = 0; fast < 2; fast++) {
      rig_t r;
      rig_open(&r, 0);
      int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
      rtc_recv_cfg_t in[2] = {rig_recv(pub, true), rig_recv(pub, false)};
      rtc_send_cfg_t out[2] = {rig_send(view, true, 9000), rig_send(view, false, 9100)};
      for (uint32_t i = 0; i < 2; i++) {
        rig_add_recv(&r, 1 + i, &in[i]);
        rig_add_send(&r, 11 + i, &out[i]);
        rig_link(&r, 11 + i, 1 + i);
      }
      uint32_t v0 = 0xfffff000, a0 = 0x7fffff00; /* both roll over */
      for (int i = 0; i < 500; i++) {
        int64_t us = i * 20000;
        int64_t theirs = fast ? us + us / 1000 : us; /* 1000 ppm */
        uint64_t ntp = epochs[k] + ((uint64_t)(theirs / 1000000) << 32) + (((uint64_t)(theirs % 1000000) << 32) / 1000000);
        rig_vp8(&r, pub, 100, 10 + i, v0 + theirs * 90 / 1000, true, i % 100 == 0);
        opus(&r, pub, 200, 10 + i, a0 + theirs * 48 / 1000);
        if (i % 50 == 3) send_sr(&r, pub, 100, ntp, (uint32_t)(v0 + theirs * 90 / 1000));
        if (i % 50 == 20) send_sr(&r, pub, 200, ntp, (uint32_t)(a0 + theirs * 48 / 1000));
        if (i == 250) { /* the picture is cut off for a moment and comes back under the same numbers */
          rig_link(&r, 11, 0);
          rig_link(&r, 11, 1);
        }
        rig_pass(&r, 20000);
      }
      rtc_sr_t v = {0}, a = {0};
      rtc_time_t at_v = 0, at_a = 0;
      CHECK(last_sr(&r, view, 9000, &v, &at_v) && last_sr(&r, view, 9100, &a, &at_a));
      CHECK_EQ(at_v, at_a); /* one datagram, one moment */
      CHECK(v.ntp == a.ntp);
      const rig_got_t *pv = rig_media(&r, view, 9000, rig_media_n(&r, view, 9000) - 1);
      const rig_got_t *pa = rig_media(&r, view, 9100, rig_media_n(&r, view, 9100) - 1);
      /* The newest packets of both were captured at the same moment. */
      double late_v = (int32_t)(v.rtp_ts - pv->rtp.ts) / 90000.0, late_a = (int32_t)(a.rtp_ts - pa->rtp.ts) / 48000.0;
      double diff = late_v - late_a;
      if (diff < -0.001 || diff > 0.001) fprintf(stderr, "clock %d: picture %f s, sound %f s\n", (int)k, late_v, late_a);
      CHECK(diff > -0.001 && diff < 0.001);
      CHECK(late_v > -1.3 && late_v < 0.1);
      /* And the stated time is the publisher's now, as far as it was known. */
      int64_t off = rtc_ntp_diff_us(v.ntp, epochs[k]) - (at_v - RTC_SEC(1));
      CHECK(off > -RTC_MS(200) && off < RTC_MS(200));
      rig_close(&r);
    }
}

/* A viewer that comes late is told the clock with its first pictures, not a second later. */
static void late_viewer_is_told_the_clock_soon(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  rtc_send_cfg_t out = rig_send(view, false, 9100);
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  opus(&r, pub, 200, 1, 0);
  send_sr(&r, pub, 200, UINT64_C(0xe9000000) << 32, 0);
  for (int i = 0; i < 20; i++) {
    rig_pass(&r, RTC_SEC(1) + RTC_MS(37)); /* at any moment of the report's period */
    rig_link(&r, 2, 1);
    rig_forget(&r);
    opus(&r, pub, 200, 2 + i, 960 * (2 + i));
    rig_pass(&r, RTC_MS(160));
    rtc_sr_t sr;
    rtc_time_t at;
    CHECK(last_sr(&r, view, 9100, &sr, &at));
    rig_link(&r, 2, 0);
  }
  rig_close(&r);
}

/* Report blocks speak of who was heard since the last report (RFC 3550 §6.4), of all of them, in datagrams of at most 1200 bytes. */
static void blocks_for_all_who_were_heard(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM);
  for (uint32_t i = 0; i < 50; i++) {
    rtc_recv_cfg_t in = rig_recv(pub, false);
    in.ssrc = 1000 + i;
    rig_add_recv(&r, 1 + i, &in);
  }
  rig_pass(&r, RTC_SEC(3));
  rig_forget(&r);
  for (uint32_t i = 0; i < 50; i++)
    if (i != 7) opus(&r, pub, 1000 + i, 5, 0);
  rig_pass(&r, RTC_MS(1300));
  int seen[50] = {0};
  rtc_rtcp_t b;
  for (int i = 0; rig_block(&r, pub, RTC_RTCP_RR, -1, i, &b); i++) {
    rtc_rb_t rb[31];
    int n = rtc_rtcp_read_rbs(&b, rb, 31);
    for (int j = 0; j < n; j++) {
      CHECK(rb[j].ssrc >= 1000 && rb[j].ssrc < 1050);
      if (rb[j].ssrc >= 1000 && rb[j].ssrc < 1050) seen[rb[j].ssrc - 1000]++;
    }
  }
  for (int i = 0; i < 50; i++) CHECK_EQ(seen[i], i != 7);
  for (int i = 0; i < r.got_n; i++) CHECK(r.got[i].len <= 1172);
  rig_forget(&r);
  rig_pass(&r, RTC_SEC(3)); /* nobody was heard since */
  for (int i = 0; rig_block(&r, pub, RTC_RTCP_RR, -1, i, &b); i++) CHECK_EQ(b.count, 0);
  CHECK(rig_block_n(&r, pub, RTC_RTCP_RR, 0) > 0);
  rig_close(&r);
}

/* Without RFC 5506 each datagram begins with a report and has a CNAME (RFC 3550 §6.1). */
static void compound_for_peers_that_want_it(void) {
  for (int reduced = 0; reduced < 2; reduced++) {
    rig_t r;
    rig_open(&r, 0);
    rtc_transport_cfg_t t = rig_transport(1);
    t.reduced_rtcp = reduced;
    r.peer_n = 1;
    r.peer[0] = (rig_peer_t){.id = 1, .path = rig_path(0)};
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = 1, .u.transport = t});
    rtc_dtls_keys_t k = {.profile = GCM};
    k.local_key[0] = 1;
    if (rtc_srtp_init(&r.peer[0].tx, GCM, k.remote_key, 16, k.remote_salt, 12, 1) < 0 ||
        rtc_srtp_init(&r.peer[0].rx, GCM, k.local_key, 16, k.local_salt, 12, 0) < 0 ||
        rtc_hub_connect_with_keys(r.hub, 1, &k, &r.peer[0].path, r.now) < 0)
      exit(2);
    rtc_recv_cfg_t in = rig_recv(0, true);
    in.twcc = true;
    rig_add_recv(&r, 1, &in);
    for (int i = 0; i < 50; i++) {
      uint8_t payload[2] = {0x10, 0x11};
      if (i % 7 != 3)
        rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 7, .index = i, .ts = i * 3000, .pt = 96, .twcc = i + 1, .payload = payload, .len = 2});
      rig_pass(&r, RTC_MS(33));
    }
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
    int feedback = 0, alone = 0;
    for (int i = 0; i < r.got_n; i++) {
      CHECK(r.got[i].rtcp);
      uint8_t type = r.got[i].data[1];
      rtc_rd_t rd = rtc_rd(r.got[i].data, r.got[i].len);
      rtc_rtcp_t b;
      bool cname = false;
      while (rtc_rtcp_next(&rd, &b) > 0) {
        cname |= b.type == RTC_RTCP_SDES;
        feedback += b.type == RTC_RTCP_RTPFB || b.type == RTC_RTCP_PSFB;
      }
      CHECK(!rd.bad);
      if (type != RTC_RTCP_SR && type != RTC_RTCP_RR)
        alone++;
      else
        CHECK(cname);
    }
    CHECK(feedback > 10);
    CHECK_EQ(alone > 0, reduced);
    CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_BYE, -1), 1);
    rig_close(&r);
  }
}

/* Transport-wide feedback names every number once they are over 2^16, several times. */
static void transport_wide_numbers_roll_over(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, false);
  in.twcc = true;
  rig_add_recv(&r, 1, &in);
  int64_t told = 0, sent = 0, last = -1;
  bool first = true;
  int64_t unwrapped = 0;
  for (int i = 0; i < 150000; i++) {
    if (i % 1000 >= 3) {
      rig_rtp(&r, pub,
              &(rig_rtp_t){.ssrc = 7, .index = i, .ts = i * 48, .pt = 111, .twcc = ((60000 + i) & 0xffff) + 1, .payload = "x", .len = 1});
      sent++;
    }
    rig_pass(&r, 1000);
    if (r.got_n < 100 && i < 149999) continue;
    if (i == 149999) rig_pass(&r, RTC_SEC(1));
    rtc_rtcp_t b;
    for (int j = 0; rig_block(&r, pub, RTC_RTCP_RTPFB, RTC_FB_TWCC, j, &b); j++) {
      static rtc_time_t at[RTC_TWCC_MAX];
      rtc_twccfb_t fb;
      if (rtc_twccfb_read(&b, &fb, at, RTC_TWCC_MAX) < 0) {
        CHECK(false);
        continue;
      }
      unwrapped = first ? fb.base : rtc_seq_near(unwrapped, fb.base);
      first = false;
      CHECK(unwrapped > last); /* nothing twice */
      for (int n = 0; n < fb.n; n++) told += at[n] != RTC_NEVER;
      last = unwrapped + fb.n - 1;
    }
    rig_forget(&r);
  }
  CHECK_EQ(told, sent);
  rig_close(&r);
}

int main(void) {
  RUN(reports_carry_the_publishers_clock);
  RUN(late_viewer_is_told_the_clock_soon);
  RUN(blocks_for_all_who_were_heard);
  RUN(compound_for_peers_that_want_it);
  RUN(transport_wide_numbers_roll_over);
  return CHECK_END();
}
