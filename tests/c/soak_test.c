/* Four roll-overs of the numbers, with loss on both hops: nobody loses the count, and what can be repaired is. */
#include "check.h"
#include "house.h"

/* Both streams of a hub's table: frames of five packets and sound, until `packets` video packets have been sent. */
static void soak(uint64_t seed, rtc_srtp_profile_t profile, uint64_t packets) {
  house_t h;
  rtc_stats_t s;
  house_open(&h, seed, 2, profile);
  rtc_link_t bad = {.delay_us = 15000, .jitter_us = 2000, .loss = 0.02, .burst = 3, .duplicate = 0.002, .reorder = 0.002};
  rtc_sim_link(h.sim, h.pub_at, h.relay_at, &bad);
  rtc_sim_link(h.sim, h.relay_at, h.view_at[0], &bad);
  rtc_sim_link(h.sim, h.relay_at, h.view_at[1], &bad);
  uint64_t sent = 0, sound = 0;
  while (sent < packets) {
    house_stream(&h, 3000, 5500);
    house_stats(h.pub, &s);
    sent = house_send(&s, 1)->packets;
    sound = house_send(&s, 2)->packets;
  }
  rtc_sim_run(h.sim, rtc_sim_now(h.sim) + RTC_SEC(2));
  house_stats(h.relay, &s);
  CHECK(s.hub.pool_used < 1024 + 64 + 200);
  for (int d = 0; d < RTC_DROP_COUNT; d++) {
    if (d == RTC_DROP_RTP_REPLAY || d == RTC_DROP_RTCP_REPLAY) continue; /* the network's duplicates */
    if (s.hub.drops[d]) fprintf(stderr, "relay dropped %d for %s\n", (int)s.hub.drops[d], rtc_drop_name(d));
    CHECK_EQ(s.hub.drops[d], 0);
  }
  uint64_t mended = house_recv(&s, 1)->packets;
  CHECK(mended + 5 >= sent && mended <= sent);
  for (int v = 0; v < 2; v++) {
    house_stats(h.view[v], &s);
    const rtc_recv_stats_t *video = house_recv(&s, 1), *audio = house_recv(&s, 2);
    printf("viewer %d: %llu of %llu (%llu by RTX, %lld lost on the way), sound %llu of %llu\n", v, (unsigned long long)video->packets,
           (unsigned long long)sent, (unsigned long long)video->rtx_packets, (long long)video->lost, (unsigned long long)audio->packets,
           (unsigned long long)sound);
    CHECK(video->packets + 10 >= mended && video->packets <= mended);
    CHECK(video->rtx_packets > sent / 100);
    CHECK(audio->packets > sound * 95 / 100); /* sound is not repaired */
    CHECK_EQ(s.hub.drops[RTC_DROP_RTP_AUTH] + s.hub.drops[RTC_DROP_RTCP_AUTH] + s.hub.drops[RTC_DROP_RTX_FORM], 0);
  }
  house_close(&h);
}

static void four_roll_overs(void) { soak(3, RTC_SRTP_AEAD_AES_128_GCM, 4 * 65536 + 1000); }
static void one_roll_over_in_counter_mode(void) { soak(4, RTC_SRTP_AES_CM_128_HMAC_SHA1_80, 65536 + 1000); }

int main(void) {
  RUN(four_roll_overs);
  RUN(one_roll_over_in_counter_mode);
  return CHECK_END();
}
