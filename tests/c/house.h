/* house: a publisher, a relay and viewers in the simulator, for the tests of the engine. Keys are agreed beforehand, or the
 * peers meet by ICE and DTLS. */
#ifndef RTC_TESTS_HOUSE_H
#define RTC_TESTS_HOUSE_H

#include "base/bytes.h"
#include "engine/hub.h"
#include "sim/sim.h"

enum { HOUSE_VIEWERS = 8 };

typedef struct house {
  rtc_sim_t *sim;
  rtc_hub_t *pub, *relay, *view[HOUSE_VIEWERS];
  int pub_at, relay_at, view_at[HOUSE_VIEWERS], viewers;
  uint32_t frame;
} house_t;

/* Ids: transport 1 and sender/receiver 1 (video), 2 (audio) at the publisher and its relay side; viewer v has transport 10 + v at the
 * relay (senders 100 + 2v, 101 + 2v) and transport 1, receivers 1 and 2 at its own. */
void house_open(house_t *h, uint64_t seed, int viewers, rtc_srtp_profile_t profile);
/* The same, but nobody is connected yet, and not a datagram has been sent: the publisher and the viewers will check the relay's address
 * and be the DTLS clients. */
void house_meet(house_t *h, uint64_t seed, int viewers, rtc_dtls_ctx_t *dtls);
void house_close(house_t *h);
/* Exec that must succeed. */
void house_do(rtc_hub_t *hub, const rtc_cmd_t *c, rtc_time_t now);
/* Publishes one VP8-shaped frame of n bytes and one Opus packet, then lets `us` pass. */
void house_frame(house_t *h, uint32_t n, bool key, rtc_time_t us);
/* The same at 30 a second for a while, key frames when the publisher is asked. */
void house_stream(house_t *h, int frames, uint32_t n);
void house_stats(rtc_hub_t *hub, rtc_stats_t *out); /* arrays are static: one call at a time */
const rtc_recv_stats_t *house_recv(const rtc_stats_t *s, uint32_t id);
const rtc_send_stats_t *house_send(const rtc_stats_t *s, uint32_t id);

#endif
