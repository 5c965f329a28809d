#include "check.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

/* Arrays that are too small, or absent, are filled as far as they go; the counts tell the truth. */
static void small_arrays(void) {
  rig_t r;
  rig_open(&r, 0);
  for (int i = 0; i < 5; i++) {
    int p = rig_join(&r, GCM);
    rtc_recv_cfg_t in = rig_recv(p, true);
    rtc_send_cfg_t out = rig_send(p, true, 100);
    rig_add_recv(&r, 10 + (uint32_t)i, &in);
    rig_add_send(&r, 20 + (uint32_t)i, &out);
  }
  for (uint32_t cap = 0; cap <= 6; cap++) {
    rtc_transport_stats_t t[7] = {0};
    rtc_recv_stats_t recv[7] = {0};
    rtc_send_stats_t send[7] = {0};
    rtc_stats_t s = {.transport_cap = cap, .recv_cap = cap, .send_cap = cap, .transport = t, .recv = recv, .send = send};
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
    CHECK_EQ(s.transport_n, 5);
    CHECK_EQ(s.recv_n, 5);
    CHECK_EQ(s.send_n, 5);
    for (uint32_t i = 0; i < 7; i++) {
      CHECK_EQ(t[i].id != 0, i < cap && i < 5);
      CHECK_EQ(recv[i].id != 0, i < cap && i < 5);
      CHECK_EQ(send[i].id != 0, i < cap && i < 5);
    }
  }
  rtc_stats_t none = {0};
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &none});
  CHECK_EQ(none.transport_n, 5);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 3}); /* closed, though its event was not read */
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &none});
  CHECK_EQ(none.transport_n, 4);
  CHECK_EQ(none.recv_n, 4);
  rig_close(&r);
}

/* The rows say what happened. */
static void rows(void) {
  rig_t r;
  rig_open(&r, 0);
  int pub = rig_join(&r, GCM), view = rig_join(&r, RTC_SRTP_AES_CM_128_HMAC_SHA1_80);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  CHECK(rig_send_stats(&r, 2)->waiting);
  rig_link(&r, 2, 1);
  CHECK_EQ(rig_send_stats(&r, 2)->source, 1);
  for (int i = 0; i < 30; i++) {
    rig_vp8(&r, pub, 100, 500 + i, 3000 * (i / 3), i % 3 == 0, i == 0);
    rig_pass(&r, RTC_MS(10));
  }
  const rtc_recv_stats_t *a = rig_recv_stats(&r, 1);
  CHECK_EQ(a->ssrc, 100);
  CHECK_EQ(a->transport, 1);
  CHECK_EQ(a->packets, 30);
  CHECK_EQ(a->bytes, 3000);
  CHECK_EQ(a->frames, 10);
  CHECK_EQ(a->key_frames, 1);
  CHECK_EQ(a->last, r.now - RTC_MS(10));
  const rtc_send_stats_t *b = rig_send_stats(&r, 2);
  CHECK_EQ(b->packets, 30);
  CHECK_EQ(b->bytes, 3000);
  CHECK(!b->waiting);
  const rtc_transport_stats_t *t = rig_transport_stats(&r, 1);
  CHECK_EQ(t->state, RTC_T_CONNECTED);
  CHECK_EQ(t->in_packets, 30);
  CHECK_EQ(t->heard, r.now - RTC_MS(10));
  CHECK_EQ(t->srtp_profile, GCM);
  CHECK_EQ(rig_transport_stats(&r, 2)->srtp_profile, RTC_SRTP_AES_CM_128_HMAC_SHA1_80);
  rtc_stats_t s;
  rig_stats(&r, &s);
  CHECK_EQ(s.hub.forwarded, 30);
  CHECK_EQ(s.hub.rtp_in, 30);
  CHECK_EQ(s.hub.rtp_out, 30);
  CHECK_EQ(s.hub.out_packets, r.datagrams);
  CHECK_EQ(s.hub.pool_used, 30); /* the history */
  rig_close(&r);
}

/* Asked for one transport, only its rows come; of one that is gone or never was, none. */
static void of_one_transport(void) {
  rig_t r;
  rig_open(&r, 0);
  for (int i = 0; i < 4; i++) {
    int p = rig_join(&r, GCM);
    rtc_recv_cfg_t in = rig_recv(p, true);
    rtc_send_cfg_t out = rig_send(p, true, 100);
    rig_add_recv(&r, 10 + (uint32_t)i, &in);
    rig_add_send(&r, 20 + (uint32_t)i, &out);
  }
  rtc_transport_stats_t t[2] = {0};
  rtc_recv_stats_t recv[2] = {0};
  rtc_send_stats_t send[2] = {0};
  rtc_stats_t s = {.transport_cap = 2, .recv_cap = 2, .send_cap = 2, .transport = t, .recv = recv, .send = send};
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_STATS, .id = 3, .u.stats = &s});
  CHECK_EQ(s.transport_n, 1);
  CHECK_EQ(s.recv_n, 1);
  CHECK_EQ(s.send_n, 1);
  CHECK_EQ(t[0].id, 3);
  CHECK_EQ(recv[0].id, 12);
  CHECK_EQ(send[0].id, 22);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 3});
  for (uint32_t id = 3; id < 100; id += 96) {
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_STATS, .id = id, .u.stats = &s});
    CHECK_EQ(s.transport_n, 0);
    CHECK_EQ(s.recv_n, 0);
  }
  rig_close(&r);
}

static void rtcp(rig_t *r, int peer, const rtc_sr_t *sr, const rtc_rb_t *rb) {
  uint8_t buf[100];
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  if (sr)
    rtc_rtcp_write_sr(&w, sr, NULL, 0);
  else
    rtc_rtcp_write_rr(&w, 4711, rb, 1);
  rig_rtcp(r, peer, buf, (size_t)(w.p - buf));
}

/* What the peer says of its stream and of ours, and how often. */
static void reports(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(p, true);
  rtc_send_cfg_t out = rig_send(p, true, 9000);
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  rig_vp8(&r, p, 100, 0, 0, true, true);
  CHECK_EQ(rig_recv_stats(&r, 1)->sr_at, 0);
  CHECK_EQ(rig_send_stats(&r, 2)->report, 0);
  for (uint32_t i = 1; i <= 3; i++) {
    rig_pass(&r, RTC_MS(100));
    rtcp(&r, p, &(rtc_sr_t){.ssrc = 100, .ntp = UINT64_C(7) << 32, .packets = 10 * i, .octets = 1000 * i}, NULL);
    const rtc_recv_stats_t *a = rig_recv_stats(&r, 1);
    CHECK_EQ(a->sr_n, i);
    CHECK_EQ(a->sr_packets, 10 * i);
    CHECK_EQ(a->sr_bytes, 1000 * i);
    CHECK_EQ(a->sr_ntp, UINT64_C(7) << 32);
    CHECK_EQ(a->sr_at, r.now);
    rtcp(&r, p, NULL, &(rtc_rb_t){.ssrc = 9000, .lost = 4, .fraction = 64, .lsr = 0, .dlsr = 0});
    const rtc_send_stats_t *b = rig_send_stats(&r, 2);
    CHECK_EQ(b->reports, i);
    CHECK_EQ(b->report, r.now);
    CHECK_EQ(b->lost, 4);
    CHECK_EQ(b->rtt_n, 0); /* no report of ours was echoed */
  }
  /* Another source in its place has not reported anything. */
  rig_pass(&r, RTC_MS(5000));
  rig_vp8(&r, p, 101, 0, 0, true, true);
  CHECK_EQ(rig_recv_stats(&r, 1)->ssrc, 101);
  CHECK_EQ(rig_recv_stats(&r, 1)->sr_n, 0);
  CHECK_EQ(rig_recv_stats(&r, 1)->sr_at, 0);
  rig_close(&r);
}

static void every_drop_has_a_name(void) {
  for (int i = 0; i < RTC_DROP_COUNT; i++) CHECK(rtc_drop_name(i) && strlen(rtc_drop_name(i)) > 2);
  CHECK(!rtc_drop_name(-1) && !rtc_drop_name(RTC_DROP_COUNT));
}

int main(void) {
  RUN(small_arrays);
  RUN(rows);
  RUN(of_one_transport);
  RUN(reports);
  RUN(every_drop_has_a_name);
  return CHECK_END();
}
