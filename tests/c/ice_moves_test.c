/* ice: addresses that change under a call: of a host, of a NAT; who notices, and after how long. */
#include "proto/ice.h"

#include "check.h"
#include "ice_net.h"

/* An address goes away under media and another one comes, which the peer is not told of. */
static void an_address_is_lost(void) {
  for (int controls = 0; controls < 2; controls++) {
    static net_t n;
    net_open(&n, controls == 0, controls == 1);
    give(&n, 0, 1, 1);
    give(&n, 0, 2, 9);
    give(&n, 1, 1, 1);
    stream(&n, RTC_SEC(2));
    CHECK_EQ(at_host(&n, 0), 2);
    rtc_ice_lose(&n.side[0], 1, n.now); /* not in use: nothing but the places of the others changes */
    stream(&n, RTC_SEC(8));
    CHECK(at_host(&n, 0) == 2 && n.side[0].nominated && n.side[0].local_n == 1 && n.side[0].pair_n == 1);
    CHECK_EQ(n.media_gap[0], RTC_MS(20));
    n.dead[0][2] = true;
    rtc_ice_lose(&n.side[0], 2, n.now);
    CHECK_EQ(state(&n, 0), RTC_ICE_DISCONNECTED);
    CHECK_EQ(n.side[0].pair_n, 0);
    rtc_ice_cand_t c = cand(0, 3, 5);
    CHECK_EQ(rtc_ice_add_local(&n.side[0], &c, n.now), 0);
    stream(&n, RTC_SEC(3));
    CHECK(at_host(&n, 0) == 3 && goal(&n, 1) == 3);
    for (int s = 0; s < 2; s++) {
      CHECK(n.side[s].nominated && state(&n, s) == RTC_ICE_CONNECTED);
      CHECK(n.media_gap[s] <= RTC_MS(1300));
    }
  }
}

/* When nothing takes its place it is as with a peer that is gone. */
static void the_only_address_is_lost(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  stream(&n, RTC_SEC(2));
  n.dead[0][1] = true;
  rtc_ice_lose(&n.side[0], 1, n.now);
  run(&n, RTC_SEC(20));
  for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_DISCONNECTED);
  run(&n, RTC_SEC(20));
  for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_FAILED);
  CHECK_EQ(rtc_ice_restart(&n.side[0], LU2, LP2, RU2, RP2, n.now), 0);
  CHECK_EQ(rtc_ice_restart(&n.side[1], RU2, RP2, LU2, LP2, n.now), 0);
  give(&n, 0, 2, 1);
  give(&n, 1, 1, 1);
  stream(&n, RTC_SEC(2));
  for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_CONNECTED);
}

/* What failed from one network may do from another. */
static void another_pair_takes_over(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 9);
  give(&n, 0, 2, 1);
  give(&n, 1, 1, 1);
  n.dead[0][2] = true;
  run(&n, RTC_SEC(40));
  CHECK_EQ(at_host(&n, 0), 1);
  n.dead[0][1] = true;
  n.dead[0][2] = false;
  rtc_ice_lose(&n.side[0], 1, n.now);
  run(&n, RTC_SEC(2));
  CHECK(at_host(&n, 0) == 2 && goal(&n, 1) == 2);
}

/* The controlled side is elsewhere, and nobody tells: what flows from there shows it at once. */
static void a_controlled_side_changes_its_address(void) {
  for (int k = 0; k < 2; k++) {
    static net_t n;
    net_open(&n, k, !k);
    give(&n, 0, 1, 1);
    give(&n, 1, 1, 1);
    stream(&n, RTC_SEC(7) + RTC_MS(130 * k));
    n.dead[k][1] = true;
    rtc_ice_lose(&n.side[k], 1, n.now);
    rtc_ice_cand_t c = cand(k, 2, 1);
    CHECK_EQ(rtc_ice_add_local(&n.side[k], &c, n.now), 0);
    stream(&n, RTC_SEC(1));
    for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated && n.media_gap[s] <= RTC_MS(300));
    CHECK(at_host(&n, k) == 2 && goal(&n, 1 - k) == 2);
  }
}

/* It restarts from elsewhere, where it has a relay alone, which it settles on late: what flows from there counts at once. */
static void who_restarts_from_elsewhere_is_followed(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  stream(&n, RTC_SEC(3));
  n.dead[0][1] = true;
  rtc_ice_lose(&n.side[0], 1, n.now);
  CHECK_EQ(rtc_ice_restart(&n.side[0], LU2, LP2, RU2, RP2, n.now), 0);
  CHECK_EQ(rtc_ice_restart(&n.side[1], RU2, RP2, LU2, LP2, n.now), 0);
  rtc_ice_cand_t relay = cand(0, 2, 1), theirs = cand(1, 1, 1);
  relay.type = RTC_ICE_RELAY;
  CHECK_EQ(rtc_ice_add_local(&n.side[0], &relay, n.now), 0);
  CHECK_EQ(rtc_ice_add_remote(&n.side[0], &theirs, n.now), 0);
  stream(&n, RTC_MS(600));
  CHECK(at_host(&n, 0) == 2 && goal(&n, 1) == 2 && !n.side[1].nominated);
  for (int s = 0; s < 2; s++) CHECK(n.media_gap[s] <= RTC_MS(300));
  stream(&n, RTC_SEC(2));
  CHECK(n.side[1].nominated && goal(&n, 1) == 2);
}

/* A pair that answers is kept, whatever flows by another. */
static void what_flows_elsewhere_moves_nothing_alone(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  give(&n, 1, 2, 2);
  n.dead[1][2] = true; /* for so long that the other one works first */
  run(&n, RTC_MS(80));
  n.dead[1][2] = false;
  stream(&n, RTC_SEC(2));
  CHECK(goal(&n, 0) == 2 && n.side[0].nominated);
  rtc_path_t other = n.side[0].path;
  other.remote = host(1, 1);
  CHECK(rtc_ice_knows(&n.side[0], &other));
  int sent = n.sent[0], moved = n.moved[0];
  for (int i = 0; i < 500; i++) {
    rtc_ice_on_heard(&n.side[0], &other, n.now);
    run(&n, RTC_MS(20));
  }
  CHECK(goal(&n, 0) == 2 && n.moved[0] == moved);
  CHECK(n.sent[0] - sent <= 12); /* one a second, no more */
}

/* A NAT gives one side another address: found again by its checks within a few seconds, whichever side it is. */
static void rebinding(void) {
  for (int moved = 0; moved < 2; moved++) {
    static net_t n;
    net_open(&n, true, false);
    give(&n, 0, 1, 1);
    give(&n, 1, 1, 1);
    n.nat[moved] = host(moved + 20, 5); /* from the start behind a NAT */
    rtc_ice_cand_t mapped = {.addr = n.nat[moved], .priority = 100u << 24, .type = RTC_ICE_SRFLX};
    CHECK_EQ(rtc_ice_add_remote(&n.side[1 - moved], &mapped, 0), 0);
    run(&n, RTC_SEC(5));
    CHECK(rtc_addr_eq(&n.side[1 - moved].path.remote, &n.nat[moved]));
    n.nat[moved] = host(moved + 20, 6);
    run(&n, RTC_SEC(12));
    CHECK(rtc_addr_eq(&n.side[1 - moved].path.remote, &n.nat[moved]));
    for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated && state(&n, s) == RTC_ICE_CONNECTED);
  }
}

/* Under a running call it takes little more than the second of silence that asks, whichever side is moved, whoever controls and whoever
 * heard the other last. */
static void rebinding_under_media(void) {
  for (int k = 0; k < 8; k++) {
    int moved = k & 1, last = k >> 1 & 1;
    static net_t n;
    net_open(&n, k < 4, k >= 4);
    give(&n, 0, 1, 1);
    give(&n, 1, 1, 1);
    n.nat[moved] = host(moved + 20, 5);
    rtc_ice_cand_t mapped = {.addr = n.nat[moved], .priority = 100u << 24, .type = RTC_ICE_SRFLX};
    CHECK_EQ(rtc_ice_add_remote(&n.side[1 - moved], &mapped, 0), 0);
    run(&n, RTC_SEC(1));
    for (int i = 0; i < 100; i++) {
      rtc_ice_on_heard(&n.side[1 - last], &n.side[1 - last].path, n.now);
      run(&n, RTC_MS(15));
      rtc_ice_on_heard(&n.side[last], &n.side[last].path, n.now);
      run(&n, RTC_MS(5));
    }
    n.nat[moved] = host(moved + 20, 6);
    run(&n, RTC_MS(1250));
    CHECK(rtc_addr_eq(&n.side[1 - moved].path.remote, &n.nat[moved]));
    for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated);
  }
}

/* A controlling peer that a NAT moves may not notice: its checks are answered as before. From the other side the chosen pair is silent,
 * and the peer asks by another. */
static void a_peer_moves_and_nominates_nothing(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1), give(&n, 1, 1, 1);
  stream(&n, RTC_SEC(1));
  n.once = 0;
  for (int i = 5; i < 8; i++) {
    n.nat[0] = host(20, i);
    stream(&n, RTC_SEC(4));
    CHECK(rtc_addr_eq(&n.side[1].path.remote, &n.nat[0]) && n.side[1].nominated && state(&n, 1) == RTC_ICE_CONNECTED);
  }
}

static uint32_t rank(const rtc_ice_t *c) { return c->remote[c->pair[c->selected].remote].priority; }

/* Who goes by priorities alone, as browsers do, follows a peer that a NAT moves: each of its addresses outranks the one before. */
static void a_later_address_ranks_higher(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  uint32_t before = 0;
  for (int i = 5; i < 9; i++) {
    n.nat[0] = host(20, i);
    stream(&n, RTC_SEC(3));
    CHECK(rtc_addr_eq(&n.side[1].path.remote, &n.nat[0]));
    CHECK(rank(&n.side[1]) > before && rank(&n.side[1]) < 126u << 24);
    before = rank(&n.side[1]);
  }
}

/* Flow that stops is asked after at once. */
static void asks_when_it_becomes_silent(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  run(&n, RTC_SEC(1));
  for (int i = 0; i < 50; i++) {
    rtc_ice_on_heard(&n.side[0], &n.side[0].path, n.now);
    run(&n, RTC_MS(20));
  }
  int before = n.sent[0];
  n.silent[1] = true;
  rtc_time_t stopped = n.side[0].flowed;
  CHECK(rtc_ice_next_at(&n.side[0]) <= stopped + RTC_MS(RTC_ICE_SILENT_MS));
  n.silent[1] = false;
  run(&n, RTC_MS(RTC_ICE_SILENT_MS + 100));
  CHECK(n.sent[0] > before);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(an_address_is_lost);
  RUN(the_only_address_is_lost);
  RUN(another_pair_takes_over);
  RUN(a_controlled_side_changes_its_address);
  RUN(who_restarts_from_elsewhere_is_followed);
  RUN(what_flows_elsewhere_moves_nothing_alone);
  RUN(rebinding);
  RUN(rebinding_under_media);
  RUN(a_peer_moves_and_nominates_nothing);
  RUN(a_later_address_ranks_higher);
  RUN(asks_when_it_becomes_silent);
  return CHECK_END();
}
