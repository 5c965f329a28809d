/* Floods by authentic peers, in virtual time: rows C8 to C11. */
#include "check.h"
#include "engine/state.h"
#include "heap.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static uint64_t state = 88172645463325252u;
static uint32_t rnd(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 24);
}

/* A publisher (peer 0, receiver 1) and viewers (peer 1 + v, sender 100 + v, SSRC 9000, RTX 9001). */
static void open_relay(rig_t *r, int viewers) {
  rig_open(r, 0);
  rtc_recv_cfg_t in = rig_recv(rig_join(r, GCM), true);
  in.twcc = true;
  rig_add_recv(r, 1, &in);
  for (int v = 0; v < viewers; v++) {
    rtc_send_cfg_t out = rig_send(rig_join(r, GCM), true, 9000);
    rig_add_send(r, 100 + (uint32_t)v, &out);
    rig_link(r, 100 + (uint32_t)v, 1);
  }
}

/* What transport-wide feedback to peer 0 speaks of, in what is kept from `first` on. */
static uint32_t statuses(const rig_t *r, int first) {
  uint32_t n = 0;
  for (int i = first; i < r->got_n; i++) {
    const rig_got_t *g = &r->got[i];
    rtc_rd_t rd = rtc_rd(g->data, g->len);
    rtc_rtcp_t b;
    while (g->rtcp && g->peer == 0 && rtc_rtcp_next(&rd, &b) > 0)
      if (b.type == RTC_RTCP_RTPFB && b.count == RTC_FB_TWCC) n += rtc_get16(b.body + 10);
  }
  return n;
}

/* C8: sequence numbers, times and transport-wide numbers that jump, 10^6 times: what is kept of them is bounded, nothing overflows, and a
 * picture that follows is seen. */
static void c8_jumps(void) {
  rig_t r;
  open_relay(&r, 1);
  int64_t n = 1000000 * check_scale(), top = 65000, missing_most = 0;
  uint32_t most = 0, told_most = 0;
  size_t early = 0, late = 0;
  for (int64_t i = 0; i < n; i++) {
    uint8_t payload[4] = {0x10, rnd() % 50 ? 0x11 : 0x10, 0, 0};
    /* Ahead by less than 2^15, beyond which no receiver could follow; or late, each number once. */
    int64_t at = top + 1 + (rnd() % 4 ? rnd() % 3 : rnd() % 32000);
    if (i && rnd() % 8 == 0) at = top - rnd() % 900;
    if (i && rtc_window_check(&r.peer[0].tx.src[0].rtp, at) < 0) at = top + 1;
    if (at > top) top = at;
    int had = r.got_n;
    rig_rtp(&r, 0,
            &(rig_rtp_t){.ssrc = 77,
                         .index = at,
                         .ts = rnd() % 3 ? i * 3000 : (int64_t)rnd() << 8,
                         .pt = 96,
                         .twcc = 1 + (int)(rnd() % 16 ? i & 0xffff : rnd() & 0xffff),
                         .payload = payload,
                         .len = sizeof payload});
    uint32_t told = statuses(&r, had);
    if (told > told_most) told_most = told;
    if (rnd() % 16 == 0) rig_pass(&r, rnd() % 64 ? RTC_MS(rnd() % 10) : RTC_SEC(rnd() % 100));
    if (r.got_n > 2000) rig_forget(&r);
    if (i % 5000 == 4999) {
      uint32_t id = 1;
      const rtc_recv_t *in = rtc_map_get(&r.hub->recvs, &id);
      if (in->nack->n > missing_most) missing_most = in->nack->n;
      if (rig_pool(&r) > most) most = rig_pool(&r);
    }
    if (i == n / 2) early = heap_bytes();
    if (i == n - 1) late = heap_bytes();
  }
  CHECK(missing_most <= RTC_NACK_MAX);
  CHECK(most <= RTC_HISTORY_VIDEO + 64);
  CHECK(told_most <= RTC_ARRIVAL_MAX);
  CHECK(late <= early + 4096);
  CHECK_EQ(r.spins, 0);
  CHECK_EQ(r.unread, 0);
  rig_forget(&r);
  for (int i = 1; i <= 3; i++) rig_vp8(&r, 0, 77, top + i, n * 3000 + i, true, i == 1);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 3);
  check_figure("jumps", (double)n);
  check_figure("held_slots", most);
  check_figure("missing_followed", (double)missing_most);
  check_figure("statuses_at_once", told_most);
  rig_close(&r);
}

/* C9: ten seconds of a stream of 2.4 Mb/s, and a viewer that asks 10,000 times a second for packets it was sent. */
static void c9_nack_flood(void) {
  rig_t r;
  open_relay(&r, 2);
  uint64_t media = 0, repair = 0, nacks = 0, other = 0;
  int64_t index = 500;
  for (int ms = 0; ms < 10000 * check_scale(); ms += 5, index++) {
    uint8_t payload[1500] = {0x10, ms ? 0x11 : 0x10};
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 77, .index = index, .ts = 18 * ms, .pt = 96, .payload = payload, .len = 1100});
    const rig_got_t *last = rig_media(&r, 1, 9000, 0);
    CHECK(last);
    for (int k = 0; last && k < 50; k++, nacks++) {
      uint8_t b[64];
      uint16_t seq = (uint16_t)(last->rtp.seq - rnd() % 600);
      rtc_wr_t w = rtc_wr(b, sizeof b);
      rtc_rtcp_write_nack(&w, 4711, 9000, &seq, 1);
      rig_rtcp(&r, 1, b, rtc_wr_len(&w));
    }
    rig_pass(&r, RTC_MS(5));
    for (int i = 0; i < r.got_n; i++) {
      const rig_got_t *g = &r.got[i];
      if (!g->media) continue;
      if (g->peer == 2)
        other++;
      else if (g->rtp.ssrc == 9000)
        media += g->rtp.payload_len;
      else
        repair += g->rtp.payload_len; /* with the original's number before it */
    }
    rig_forget(&r);
  }
  CHECK_EQ(nacks, 100000 * check_scale());
  CHECK_EQ(media, 2000 * 1100 * check_scale());
  CHECK_EQ(other, 2000 * check_scale());
  CHECK(repair <= media / 4);
  CHECK(repair > media / 5); /* and it is used */
  CHECK_EQ(rig_send_stats(&r, 100)->rtx_bytes, repair);
  CHECK_EQ(r.unread, 0);
  check_figure("rtx_percent", 100 * (double)repair / (double)media);
  rig_close(&r);
}

/* The same packet again and again: three times in all, and not before a round trip has passed. */
static void c9_one_packet(void) {
  rig_t r;
  open_relay(&r, 1);
  for (int i = 0; i < 400; i++) rig_vp8(&r, 0, 77, 500 + i, 3000 * i, true, i == 0);
  uint16_t seq = rig_media(&r, 1, 9000, 300)->rtp.seq;
  rig_forget(&r);
  rtc_time_t last = 0;
  int repairs = 0;
  for (int i = 0; i < 10000; i++) { /* one second */
    uint8_t b[64];
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_rtcp_write_nack(&w, 4711, 9000, &seq, 1);
    rig_rtcp(&r, 1, b, rtc_wr_len(&w));
    rig_pass(&r, 100);
    if (rig_media_n(&r, 1, 9001) > repairs) {
      const rig_got_t *g = rig_media(&r, 1, 9001, repairs++);
      CHECK(!last || g->at - last >= RTC_RTX_MIN_GAP_US);
      last = g->at;
    }
  }
  CHECK_EQ(repairs, RTC_RTX_TRIES);
  rig_close(&r);
}

static void ask_key(rig_t *r, int peer, bool by_fir, uint8_t number) {
  uint8_t b[64];
  rtc_fir_t f = {9000, number};
  rtc_wr_t w = rtc_wr(b, sizeof b);
  if (by_fir)
    rtc_rtcp_write_fir(&w, 4711, &f, 1);
  else
    rtc_rtcp_write_pli(&w, 4711, 9000);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

/* C10: fifty viewers ask twenty times a second each, by PLI and FIR, for ten seconds; the publisher answers a request after 100 to 150
 * ms, or not at all. Upstream the first is passed on at once, and then any two are half a second apart. */
static void c10_key_frame_storm(void) {
  for (int answers = 0; answers < 2; answers++) {
    rig_t r;
    open_relay(&r, 50);
    rig_vp8(&r, 0, 77, 1, 0, true, true);
    rig_pass(&r, RTC_SEC(3));
    rig_forget(&r);
    rtc_time_t from = r.now, first = RTC_NEVER, last = RTC_NEVER, nearest = RTC_NEVER;
    int asked = 0, due = -1;
    for (int i = 0; i < 200; i++) {
      for (int v = 1; v <= 50; v++) ask_key(&r, v, i % 2 == 0, (uint8_t)i);
      rig_pass(&r, RTC_MS(50));
      for (int j = 0; j < r.got_n; j++) {
        const rig_got_t *g = &r.got[j];
        rtc_rd_t rd = rtc_rd(g->data, g->len);
        rtc_rtcp_t b;
        while (g->peer == 0 && g->rtcp && rtc_rtcp_next(&rd, &b) > 0) {
          if (b.type != RTC_RTCP_PSFB) continue;
          if (first == RTC_NEVER) first = g->at - from;
          if (last != RTC_NEVER && g->at - last < nearest) nearest = g->at - last;
          last = g->at;
          asked++;
          due = i + 2;
        }
      }
      rig_forget(&r);
      rig_vp8(&r, 0, 77, 2 + i, 3000 * (2 + i), true, answers && i == due);
    }
    CHECK(first <= RTC_MS(50));
    CHECK(nearest >= RTC_MS(500));
    CHECK(asked >= (answers ? 14 : 4) && asked <= 21);
    CHECK_EQ(rig_recv_stats(&r, 1)->pli, asked);
    check_figure(answers ? "upstream_in_10_s" : "upstream_in_10_s_unanswered", asked);
    check_figure("first_ms", (double)first / 1000);
    rig_close(&r);
  }
}

/* C11: 10^5 SSRCs, all of them authentic. What is remembered of them is bounded, another publisher loses nothing meanwhile, and when
 * the flood is over its author's stream goes on. */
static void c11_ssrc_flood(void) {
  rig_t r;
  open_relay(&r, 1);
  int pub = rig_join(&r, GCM), view = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 5000);
  rig_add_recv(&r, 2, &in);
  rig_add_send(&r, 200, &out);
  rig_link(&r, 200, 2);
  rig_vp8(&r, 0, 77, 1000, 0, true, true);
  rtc_dtls_keys_t k = {0};
  for (int b = 0; b < 32; b++) { /* as the rig gives them to peer 0: a sender follows 64 SSRCs, so it takes many of them */
    k.remote_key[b] = (uint8_t)(b * 5 + 100);
    if (b < 14) k.remote_salt[b] = (uint8_t)(b * 7);
  }
  int64_t n = 100000 * check_scale(), sent = 0, seen = 0;
  size_t early = 0;
  uint32_t most = 0;
  rtc_srtp_t flood = {0};
  for (int64_t i = 0; i < n; i++) {
    if (i % RTC_SRTP_SSRC_MAX == 0) {
      rtc_srtp_clear(&flood);
      if (rtc_srtp_init(&flood, GCM, k.remote_key, 16, k.remote_salt, 12, 1) < 0) exit(2);
    }
    uint8_t p[128] = {0x80, i % 2 ? 97 : 96};
    rtc_put32(p + 8, 100000 + (uint32_t)i);
    memset(p + 12, (int)i, 40);
    int len = rtc_srtp_protect(&flood, p, 52, sizeof p, 0);
    if (len < 0) exit(2);
    rig_raw(&r, &r.peer[0].path, p, (size_t)len);
    if (i % 16 == 0) {
      rig_vp8(&r, pub, 88, 1000 + sent, 3000 * sent, true, sent == 0);
      sent++;
      rig_pass(&r, RTC_MS(5));
    }
    seen += rig_media_n(&r, view, 5000);
    rig_forget(&r);
    if (i % 1000 == 0 && rig_pool(&r) > most) most = rig_pool(&r);
    if (i == n / 2) early = heap_bytes();
  }
  size_t late = heap_bytes();
  CHECK(late <= early + 4096);
  CHECK_EQ(seen, sent);
  uint32_t id = 1;
  const rtc_transport_t *t = rtc_map_get(&r.hub->transports, &id);
  CHECK_EQ(t->route_n, RTC_SSRC_ROUTES_MAX);
  CHECK_EQ(t->rx.src_n, RTC_SRTP_SSRC_MAX);
  CHECK_EQ(t->rx.gone_n, RTC_SRTP_GONE_MAX);
  CHECK(most <= 2 * RTC_HISTORY_VIDEO + 64);
  rig_pass(&r, RTC_SEC(2));
  rig_forget(&r);
  for (int i = 1; i <= 3; i++) rig_vp8(&r, 0, 77, 1000 + i, 3000 * i, true, i == 1);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 3);
  check_figure("ssrcs", (double)n);
  check_figure("followed", t->route_n);
  check_figure("heap_growth", (double)late - (double)early);
  rtc_srtp_clear(&flood);
  rig_close(&r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(c8_jumps);
  RUN(c9_nack_flood);
  RUN(c9_one_packet);
  RUN(c10_key_frame_storm);
  RUN(c11_ssrc_flood);
  return CHECK_END();
}
