#include "check.h"
#include "house.h"

static const rtc_srtp_profile_t profiles[] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80};

/* Every viewer gets every packet once, in every profile. */
static void everybody_gets_everything(void) {
  for (size_t p = 0; p < sizeof profiles / sizeof profiles[0]; p++) {
    house_t h;
    rtc_stats_t s;
    house_open(&h, 1, 3, profiles[p]);
    house_stream(&h, 90, 4000);
    rtc_sim_run(h.sim, rtc_sim_now(h.sim) + RTC_MS(500));
    house_stats(h.pub, &s);
    uint64_t sent = house_send(&s, 1)->packets, audio = house_send(&s, 2)->packets;
    CHECK(sent >= 90 * 4);
    CHECK_EQ(audio, 90);
    for (int v = 0; v < 3; v++) {
      house_stats(h.view[v], &s);
      CHECK_EQ(house_recv(&s, 1)->packets, sent);
      CHECK_EQ(house_recv(&s, 2)->packets, audio);
      CHECK_EQ(house_recv(&s, 1)->lost, 0);
      CHECK_EQ(house_recv(&s, 1)->frames, 90);
      for (int d = 0; d < RTC_DROP_COUNT; d++) CHECK_EQ(s.hub.drops[d], 0);
    }
    house_stats(h.relay, &s);
    CHECK_EQ(s.hub.forwarded, 3 * (sent + audio));
    for (int d = 0; d < RTC_DROP_COUNT; d++) CHECK_EQ(s.hub.drops[d], 0);
    CHECK(s.transport[0].twcc_sent + s.transport[1].twcc_sent > 10);
    house_close(&h);
  }
}

/* 5 % lost on both hops: RTX mends it, from one shared history. */
static void loss_is_repaired(void) {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    house_t h;
    rtc_stats_t s;
    house_open(&h, seed, 2, RTC_SRTP_AEAD_AES_128_GCM);
    rtc_link_t bad = {.delay_us = 20000, .jitter_us = 3000, .loss = 0.05, .duplicate = 0.01, .reorder = 0.01};
    rtc_sim_link(h.sim, h.pub_at, h.relay_at, &bad);
    rtc_sim_link(h.sim, h.relay_at, h.view_at[0], &bad);
    house_stream(&h, 300, 5000);
    rtc_sim_run(h.sim, rtc_sim_now(h.sim) + RTC_SEC(2));
    house_stats(h.pub, &s);
    int64_t sent = (int64_t)house_send(&s, 1)->packets;
    CHECK(house_send(&s, 1)->rtx_packets > 10);
    for (int v = 0; v < 2; v++) {
      house_stats(h.view[v], &s);
      int64_t got = (int64_t)house_recv(&s, 1)->packets;
      if (got < sent * 98 / 100) fprintf(stderr, "seed %d viewer %d: %d of %d\n", (int)seed, v, (int)got, (int)sent);
      CHECK(got >= sent * 98 / 100);
      CHECK(v == 1 || house_recv(&s, 1)->rtx_packets > 10);
    }
    house_close(&h);
  }
}

/* A viewer who joins late starts with a key frame that was asked for once. */
static void late_viewer_starts_with_key_frame(void) {
  house_t h;
  rtc_stats_t s;
  house_open(&h, 7, 2, RTC_SRTP_AEAD_AES_128_GCM);
  rtc_time_t now = rtc_sim_now(h.sim);
  house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 102, .u.link = 0}, now);
  house_stream(&h, 60, 3000);
  house_stats(h.view[1], &s);
  CHECK_EQ(house_recv(&s, 1)->packets, 0);
  house_stats(h.relay, &s);
  uint64_t keys = house_recv(&s, 1)->key_frames, asked = house_recv(&s, 1)->pli;
  house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 102, .u.link = 1}, rtc_sim_now(h.sim));
  house_stream(&h, 30, 3000);
  house_stats(h.relay, &s);
  CHECK_EQ(house_recv(&s, 1)->key_frames, keys + 1);
  CHECK_EQ(house_recv(&s, 1)->pli, asked + 1);
  CHECK(!house_send(&s, 102)->waiting);
  house_stats(h.view[1], &s);
  CHECK_EQ(house_recv(&s, 1)->key_frames, 1);
  CHECK(house_recv(&s, 1)->packets > 0);
  CHECK_EQ(house_recv(&s, 1)->lost, 0);
  house_close(&h);
}

/* Numbers of an SSRC run on when a viewer is linked anew, and again: no index is used twice, the viewer sees no gap. */
static void numbers_run_on_over_sources(void) {
  house_t h;
  rtc_stats_t s;
  house_open(&h, 9, 1, RTC_SRTP_AEAD_AES_128_GCM);
  for (int i = 0; i < 10; i++) {
    house_stream(&h, 20, 3000);
    house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 100, .u.link = 0}, rtc_sim_now(h.sim));
    house_stream(&h, 10, 3000);
    house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 100, .u.link = 1}, rtc_sim_now(h.sim));
  }
  house_stream(&h, 30, 3000);
  house_stats(h.view[0], &s);
  CHECK(house_recv(&s, 1)->packets > 500);
  CHECK_EQ(house_recv(&s, 1)->lost, 0);
  CHECK(house_recv(&s, 1)->key_frames >= 11);
  house_stats(h.relay, &s);
  CHECK_EQ(s.hub.drops[RTC_DROP_SEAL], 0);
  house_close(&h);
}

/* A viewer that answers nothing and is out of reach costs the others nothing. */
static void stalled_viewer_harms_nobody(void) {
  house_t h;
  rtc_stats_t s;
  house_open(&h, 11, 3, RTC_SRTP_AEAD_AES_128_GCM);
  rtc_link_t dead = {.loss = 1};
  rtc_sim_link(h.sim, h.relay_at, h.view_at[0], &dead);
  rtc_sim_link(h.sim, h.view_at[0], h.relay_at, &dead);
  house_stream(&h, 300, 4000);
  rtc_sim_run(h.sim, rtc_sim_now(h.sim) + RTC_MS(500));
  house_stats(h.pub, &s);
  uint64_t sent = house_send(&s, 1)->packets;
  for (int v = 1; v < 3; v++) {
    house_stats(h.view[v], &s);
    CHECK_EQ(house_recv(&s, 1)->packets, sent);
    CHECK_EQ(house_recv(&s, 1)->nacks, 0);
  }
  house_close(&h);
}

/* Two key-frame requests a second at most reach the publisher, whatever the viewers ask; the first at once. */
static void key_requests_are_merged(void) {
  house_t h;
  rtc_stats_t s;
  house_open(&h, 13, 8, RTC_SRTP_AEAD_AES_128_GCM);
  house_stream(&h, 30, 2000);
  house_stats(h.relay, &s);
  uint64_t before = house_recv(&s, 1)->pli;
  for (int i = 0; i < 60; i++) { /* 2 s: every viewer asks with every frame */
    for (int v = 0; v < 8; v++) {
      house_do(h.view[v], &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = 1}, rtc_sim_now(h.sim));
      rtc_sim_flush(h.sim, h.view_at[v]);
    }
    house_stream(&h, 1, 2000);
  }
  house_stats(h.relay, &s);
  uint64_t asked = house_recv(&s, 1)->pli - before;
  CHECK(asked >= 2 && asked <= 5);
  house_close(&h);
}

static void same_seed_same_trace(void) {
  uint64_t trace[3];
  for (int i = 0; i < 3; i++) {
    house_t h;
    house_open(&h, i == 2 ? 78 : 77, 2, RTC_SRTP_AEAD_AES_128_GCM);
    rtc_link_t bad = {.delay_us = 10000, .jitter_us = 8000, .loss = 0.03, .burst = 3, .rate_bps = 3000000};
    rtc_sim_link(h.sim, h.pub_at, h.relay_at, &bad);
    rtc_sim_link(h.sim, h.relay_at, h.view_at[1], &bad);
    house_stream(&h, 200, 4000);
    trace[i] = rtc_sim_trace(h.sim);
    house_close(&h);
  }
  CHECK(trace[0] == trace[1]);
  CHECK(trace[0] != trace[2]);
}

int main(void) {
  RUN(everybody_gets_everything);
  RUN(loss_is_repaired);
  RUN(late_viewer_starts_with_key_frame);
  RUN(numbers_run_on_over_sources);
  RUN(stalled_viewer_harms_nobody);
  RUN(key_requests_are_merged);
  RUN(same_seed_same_trace);
  return CHECK_END();
}
