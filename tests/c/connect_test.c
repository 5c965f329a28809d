/* Two engines find each other from nothing but addresses, credentials and fingerprints: ICE checks, DTLS, keys, first frame; in
 * virtual time. */
#include "pair.h"

static void connects_in_a_few_round_trips(void) {
  for (int role = 0; role < 2; role++) {
    pair_t p;
    open_pair(&p, 1, role, -1);
    rtc_link_t link = {.delay_us = 20000};
    both_ways(&p, &link);
    rtc_time_t took = until(&p, RTC_T_CONNECTED, RTC_SEC(5));
    CHECK(took <= RTC_MS(40) * 4); /* one for the check, two for DTLS 1.2, one of grace */
    CHECK_EQ(p.last[0].srtp_profile, RTC_SRTP_AEAD_AES_128_GCM);
    CHECK_EQ(p.last[1].srtp_profile, RTC_SRTP_AEAD_AES_128_GCM);
    close_pair(&p);
  }
}

/* 30 % lost each way: every one of 100 (of 2,000 in tests/sim) is connected within 10 s. */
static void connects_through_loss(void) {
  int late = 0;
  rtc_time_t longest = 0;
  for (uint64_t seed = 1; seed <= 100 * (uint64_t)check_scale(); seed++) {
    pair_t p;
    open_pair(&p, seed, seed & 1, -1);
    rtc_link_t link = {.delay_us = 25000, .jitter_us = 5000, .loss = 0.3, .duplicate = 0.02};
    both_ways(&p, &link);
    rtc_time_t took = until(&p, RTC_T_CONNECTED, RTC_SEC(10));
    if (took == RTC_NEVER) {
      late++;
      fprintf(stderr, "seed %d: %d %d\n", (int)seed, p.last[0].state, p.last[1].state);
    } else if (took > longest) {
      longest = took;
    }
    close_pair(&p);
  }
  CHECK_EQ(late, 0);
  check_figure("longest_s", (double)longest / 1e6);
}

/* Half lost each way, or a third in runs: OpenSSL ends after 12 repeats in a row. That they go out twice leaves it enough of them. */
static void connects_through_worse(void) {
  int never = 0;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    pair_t p;
    open_pair(&p, seed, seed & 1, -1);
    rtc_link_t link = {.delay_us = 25000, .jitter_us = 5000, .loss = seed & 2 ? 0.5 : 0.3, .burst = seed & 2 ? 1 : 3};
    both_ways(&p, &link);
    never += until(&p, RTC_T_CONNECTED, RTC_SEC(25)) == RTC_NEVER;
    close_pair(&p);
  }
  CHECK_EQ(never, 0);
}

static void wrong_fingerprint_gets_nothing(void) {
  for (int side = 0; side < 2; side++) {
    pair_t p;
    open_pair(&p, 5, false, side);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(5));
    look(&p);
    CHECK_EQ(p.last[side].state, RTC_T_CLOSED);
    CHECK_EQ(p.last[side].reason, RTC_WHY_DTLS);
    CHECK(strlen(p.last[side].text) > 0);
    CHECK_EQ(p.last[side].connected, 0);
    close_pair(&p);
  }
}

/* Nobody answers any more: consent ends after 30 s, not before. Closing is told to the peer. */
static void consent_and_close(void) {
  pair_t p;
  open_pair(&p, 8, false, -1);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(300));
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
  rtc_link_t dead = {.loss = 1};
  both_ways(&p, &dead);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(20));
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(15));
  look(&p);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(p.last[i].state, RTC_T_CLOSED);
    CHECK_EQ(p.last[i].reason, RTC_WHY_CONSENT);
  }
  close_pair(&p);

  open_pair(&p, 9, false, -1);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  rtc_sim_flush(p.sim, p.at[1]);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(100));
  look(&p);
  CHECK_EQ(p.last[0].reason, RTC_WHY_CLOSE_NOTIFY);
  CHECK_EQ(p.last[1].reason, RTC_WHY_COMMAND);
  do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}); /* once more: no error */
  close_pair(&p);
}

/* The client's address changes under it: it goes on from the new one as soon as its checks come from there. */
static void address_moves(void) {
  pair_t p;
  open_pair(&p, 12, false, -1);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  uint8_t ip[4] = {10, 0, 0, 77};
  rtc_addr_t moved;
  rtc_addr_set(&moved, ip, 4, 7777);
  rtc_sim_move(p.sim, p.at[1], &moved);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(8));
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
  CHECK(rtc_addr_eq(&p.last[0].path.remote, &moved));
  close_pair(&p);
}

/* Restart: new credentials on both sides, the association goes on. */
static void restart_keeps_the_association(void) {
  pair_t p;
  open_pair(&p, 14, false, -1);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  rtc_ice_cfg_t ice[2] = {{"serverfrag2", "server-password-2-long-enough", "clientfrag2", "client-password-2-long-enough"},
                          {"clientfrag2", "client-password-2-long-enough", "serverfrag2", "server-password-2-long-enough"}};
  do_(&p, 0, &(rtc_cmd_t){.op = RTC_OP_RESTART, .id = 1, .u.ice = ice[0]});
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(10)); /* the old ones still hold */
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
  do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_RESTART, .id = 1, .u.ice = ice[1]});
  rtc_sim_flush(p.sim, p.at[1]);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(60));
  look(&p);
  for (int i = 0; i < 2; i++) CHECK_EQ(p.last[i].state, RTC_T_CONNECTED);
  close_pair(&p);
}

static void nobody_there(void) {
  pair_t p;
  open_pair(&p, 15, false, -1);
  rtc_link_t dead = {.loss = 1};
  both_ways(&p, &dead);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(29));
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_NEW);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(2));
  look(&p);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(p.last[i].state, RTC_T_CLOSED);
    CHECK_EQ(p.last[i].reason, RTC_WHY_TIMEOUT);
  }
  close_pair(&p);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(connects_in_a_few_round_trips);
  RUN(connects_through_loss);
  RUN(connects_through_worse);
  RUN(wrong_fingerprint_gets_nothing);
  RUN(consent_and_close);
  RUN(address_moves);
  RUN(restart_keeps_the_association);
  RUN(nobody_there);
  return CHECK_END();
}
