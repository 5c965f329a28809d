/* ice: two agents agree on a pair, with all that may be between them, and what is no part of it. */
#include "proto/ice.h"

#include "check.h"
#include "ice_net.h"

static void texts_and_candidates_are_checked(void) {
  static rtc_ice_t c;
  char long_text[300];
  memset(long_text, 'a', sizeof long_text);
  long_text[257] = 0;
  CHECK_EQ(rtc_ice_init(&c, "abc", LP, RU, RP, true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, LU, "short", RU, RP, true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, "a:cd", LP, RU, RP, true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, LU, LP, "", RP, true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, LU, LP, RU, "", true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, LU, LP, "", "", true, 1), 0); /* not known yet */
  CHECK_EQ(rtc_ice_set_remote(&c, "", ""), RTC_EINVAL);
  CHECK_EQ(rtc_ice_set_remote(&c, RU, "short"), RTC_EINVAL);
  CHECK_EQ(rtc_ice_set_remote(&c, RU, RP), 0);
  CHECK_EQ(rtc_ice_init(&c, NULL, LP, RU, RP, true, 1), RTC_EINVAL);
  CHECK_EQ(rtc_ice_init(&c, LU, LP, RU, long_text, true, 1), RTC_EINVAL);
  long_text[256] = 0;
  CHECK_EQ(rtc_ice_init(&c, long_text, long_text, long_text, long_text, true, 1), 0);
  rtc_ice_cand_t k = cand(0, 1, 1), bad = k;
  bad.priority = 0;
  CHECK_EQ(rtc_ice_add_local(&c, &bad, 0), RTC_EINVAL);
  bad.priority = UINT32_C(1) << 31;
  CHECK_EQ(rtc_ice_add_remote(&c, &bad, 0), RTC_EINVAL);
  bad = k;
  bad.type = 4;
  CHECK_EQ(rtc_ice_add_local(&c, &bad, 0), RTC_EINVAL);
  bad = k;
  bad.addr.port = 0;
  CHECK_EQ(rtc_ice_add_remote(&c, &bad, 0), RTC_EINVAL);
  CHECK(c.local_n == 0 && c.remote_n == 0 && rtc_ice_state(&c) == RTC_ICE_NEW && rtc_ice_next_at(&c) == RTC_NEVER);
  rtc_path_t p = {.remote = host(1, 1)}, to;
  uint8_t out[1300];
  CHECK_EQ(rtc_ice_add_path(&c, &p, 0), 0);
  CHECK_EQ(rtc_ice_pop(&c, out, 100, &to, 0), RTC_ENOBUFS);
  CHECK_EQ(rtc_ice_state(&c), RTC_ICE_CHECKING);
  rtc_ice_clear(&c);
}

/* Both roles, and both claiming the same one: always one controls, both agree on the pair, and nobody moves once it is nominated. */
static void two_agents_agree(void) {
  for (int roles = 0; roles < 4; roles++) {
    static net_t n;
    net_open(&n, roles & 1, roles & 2);
    give(&n, 0, 1, 10);
    give(&n, 0, 2, 20);
    give(&n, 1, 1, 10);
    give(&n, 1, 2, 20);
    for (int s = 0; s < 2; s++) rtc_ice_end(&n.side[s], true, true, n.now);
    run(&n, RTC_SEC(2));
    CHECK(n.side[0].controlling != n.side[1].controlling);
    CHECK_EQ(n.side[0].conflicts + n.side[1].conflicts > 0, roles == 0 || roles == 3);
    for (int s = 0; s < 2; s++) {
      CHECK_EQ(state(&n, s), RTC_ICE_COMPLETED);
      CHECK(n.side[s].nominated && at_host(&n, s) == 2 && goal(&n, s) == 2);
      CHECK(n.side[s].rtt_us == RTC_MS(20));
    }
    int moved = n.moved[0] + n.moved[1], sent = n.sent[0] + n.sent[1];
    run(&n, RTC_SEC(60));
    CHECK_EQ(n.moved[0] + n.moved[1], moved);
    int kept = n.sent[0] + n.sent[1] - sent; /* every 4 to 6 s, each side */
    CHECK(kept >= 20 && kept <= 30);
    for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_COMPLETED);
  }
}

/* The best pair is dead: the next best is nominated soon, and not before it was waited for. */
static void best_that_works(void) {
  static net_t n;
  net_open(&n, true, false);
  for (int h = 1; h <= 3; h++) give(&n, 0, h, (uint32_t)h);
  give(&n, 1, 1, 10);
  n.dead[0][3] = true;
  run(&n, RTC_MS(100));
  CHECK(n.side[0].has_path && !n.side[0].nominated && n.nominating[0] == 0);
  run(&n, RTC_SEC(1));
  CHECK(n.side[0].nominated && n.side[1].nominated && at_host(&n, 0) == 2 && goal(&n, 1) == 2);
  CHECK_EQ(state(&n, 0), RTC_ICE_CONNECTED); /* more may come */
  rtc_ice_end(&n.side[0], true, true, n.now);
  CHECK_EQ(state(&n, 0), RTC_ICE_COMPLETED);
}

static void first_requests_are_paced(void) {
  static net_t n;
  net_open(&n, true, false);
  for (int h = 1; h <= 10; h++) {
    rtc_ice_cand_t c = cand(1, h, (uint32_t)h);
    CHECK_EQ(rtc_ice_add_remote(&n.side[0], &c, 0), 0);
  }
  rtc_ice_cand_t ours = cand(0, 1, 1);
  CHECK_EQ(rtc_ice_add_local(&n.side[0], &ours, 0), 0);
  bool seen[16] = {false};
  rtc_time_t last = -RTC_SEC(1);
  int first = 0, all = 0;
  for (rtc_time_t now = 0; now < RTC_MS(600); now += RTC_MS(1)) {
    uint8_t out[1300];
    rtc_path_t to;
    while (rtc_ice_pop(&n.side[0], out, sizeof out, &to, now) > 0) {
      all++;
      if (seen[to.remote.ip[15]]) continue;
      seen[to.remote.ip[15]] = true;
      CHECK(now - last >= RTC_MS(RTC_ICE_TA_MS));
      CHECK_EQ(to.remote.ip[15], 10 - first); /* the most important first */
      last = now;
      first++;
    }
  }
  CHECK_EQ(first, 10);
  CHECK(all <= 600 / RTC_ICE_TA_MS + 30); /* repeats slow down with the pairs under way */
}

/* No candidate was told to one side: it learns the other's address from its check, and so does the other its own. */
static void reflexive_both_ways(void) {
  static net_t n;
  net_open(&n, true, false);
  rtc_ice_cand_t a = cand(0, 1, 5), b = cand(1, 2, 5);
  n.nat[0] = host(7, 77); /* 10.7.0.77 */
  CHECK(!rtc_ice_add_local(&n.side[0], &a, 0) && !rtc_ice_add_local(&n.side[1], &b, 0) && !rtc_ice_add_remote(&n.side[0], &b, 0));
  run(&n, RTC_SEC(1));
  for (int s = 0; s < 2; s++) CHECK(state(&n, s) == RTC_ICE_CONNECTED && n.side[s].nominated);
  const rtc_ice_t *c = &n.side[1];
  CHECK_EQ(c->remote[c->pair[c->selected].remote].type, RTC_ICE_PRFLX);
  CHECK(rtc_addr_eq(&c->path.remote, &n.nat[0]));
  CHECK_EQ(c->remote[c->pair[c->selected].remote].priority, (110u << 24) | (5u << 8) | 255u);
  c = &n.side[0];
  CHECK_EQ(c->local[c->pair[c->selected].seen_as].type, RTC_ICE_PRFLX);
  CHECK(rtc_addr_eq(&c->local[c->pair[c->selected].seen_as].addr, &n.nat[0]));
  /* Told later: now known by name. */
  rtc_ice_cand_t told = {.addr = n.nat[0], .priority = 100u << 24, .type = RTC_ICE_SRFLX};
  CHECK_EQ(rtc_ice_add_remote(&n.side[1], &told, n.now), 0);
  CHECK_EQ(n.side[1].remote_n, 1);
}

/* Trickled one by one at any time, the working one last. */
static void trickle(void) {
  static net_t n;
  net_open(&n, false, true);
  n.dead[0][1] = n.dead[1][1] = true;
  give(&n, 0, 1, 9);
  run(&n, RTC_SEC(1));
  give(&n, 1, 1, 9);
  run(&n, RTC_SEC(3));
  CHECK(state(&n, 0) == RTC_ICE_CHECKING && !n.side[0].has_path);
  give(&n, 0, 2, 1);
  run(&n, RTC_SEC(1));
  give(&n, 1, 2, 1);
  run(&n, RTC_SEC(1));
  for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated && at_host(&n, s) == 2 && goal(&n, s) == 2);
}

/* 30 % lost each way: connected and nominated within 10 s, all of them. */
static void through_loss(void) {
  for (uint64_t seed = 1; seed <= 300 * (uint64_t)check_scale(); seed++) {
    static net_t n;
    net_open(&n, seed & 1, seed & 2);
    n.loss = 0.3;
    n.rng = seed * 0x9e3779b97f4a7c15u;
    n.delay = RTC_MS(25);
    give(&n, 0, 1, 1);
    give(&n, 1, 1, 1);
    give(&n, 1, 2, 2);
    run(&n, RTC_SEC(10));
    for (int s = 0; s < 2; s++) CHECK(n.side[s].has_path && n.side[s].nominated);
    CHECK(goal(&n, 0) == at_host(&n, 1));
  }
}

static void silence_loss_and_failure(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  run(&n, RTC_SEC(10));
  n.silent[1] = true;
  run(&n, RTC_SEC(4));
  CHECK_EQ(state(&n, 0), RTC_ICE_CONNECTED);
  run(&n, RTC_SEC(9));
  CHECK_EQ(state(&n, 0), RTC_ICE_DISCONNECTED);
  n.silent[1] = false; /* and back */
  run(&n, RTC_SEC(3));
  for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_CONNECTED);
  n.silent[1] = true;
  run(&n, RTC_SEC(31));
  CHECK_EQ(state(&n, 0), RTC_ICE_FAILED);
  CHECK(!n.side[0].has_path && rtc_ice_next_at(&n.side[0]) == RTC_NEVER);
  int sent = n.sent[0];
  n.silent[1] = false; /* it would answer, but may not be asked (RFC 7675 §5.1) */
  run(&n, RTC_SEC(5));
  CHECK_EQ(n.sent[0], sent);
  CHECK_EQ(rtc_ice_restart(&n.side[0], LU2, LP2, RU2, RP2, n.now), 0);
  CHECK_EQ(rtc_ice_restart(&n.side[1], RU2, RP2, LU2, LP2, n.now), 0);
  CHECK_EQ(state(&n, 0), RTC_ICE_CHECKING);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  run(&n, RTC_SEC(1));
  for (int s = 0; s < 2; s++) CHECK_EQ(state(&n, s), RTC_ICE_CONNECTED);
}

/* Nobody is there: not failed before its time, and still open to what comes later. */
static void nobody_answers(void) {
  static net_t n;
  net_open(&n, true, false);
  n.silent[1] = true;
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  run(&n, RTC_MS(RTC_ICE_PATIENCE_MS - 100));
  CHECK_EQ(state(&n, 0), RTC_ICE_CHECKING);
  run(&n, RTC_MS(200));
  CHECK_EQ(state(&n, 0), RTC_ICE_FAILED);
  n.silent[1] = false;
  give(&n, 1, 2, 1);
  CHECK_EQ(state(&n, 0), RTC_ICE_CHECKING);
  run(&n, RTC_SEC(2));
  CHECK_EQ(state(&n, 0), RTC_ICE_CONNECTED);
}

/* The old path carries on until another is nominated; the old credentials hold until the new ones are used. */
static void restart(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 1, 1, 1);
  run(&n, RTC_SEC(2));
  rtc_path_t before = n.side[0].path;
  CHECK_EQ(rtc_ice_restart(&n.side[0], "x", LP2, RU2, RP2, n.now), RTC_EINVAL);
  CHECK_EQ(rtc_ice_restart(&n.side[0], LU2, LP2, RU2, RP2, n.now), 0);
  run(&n, RTC_SEC(8)); /* the peer has not followed: it keeps asking with the old ones, and is answered */
  CHECK(n.side[0].has_path && rtc_path_eq(&n.side[0].path, &before) && rtc_ice_knows(&n.side[0], &before));
  CHECK_EQ(state(&n, 1), RTC_ICE_CONNECTED);
  CHECK_EQ(rtc_ice_restart(&n.side[1], RU2, RP2, LU2, LP2, n.now), 0);
  give(&n, 0, 2, 7);
  give(&n, 1, 2, 7);
  CHECK(at_host(&n, 0) == 1 && at_host(&n, 1) == 1);
  run(&n, RTC_SEC(2));
  for (int s = 0; s < 2; s++) {
    CHECK(n.side[s].nominated && at_host(&n, s) == 2 && goal(&n, s) == 2);
    CHECK(!n.side[s].has_old && n.side[s].used);
  }
}

/* A relayed pair, or one of TCP, that works before the peer's other candidates are known is not settled on at once. */
static void last_resorts_wait_for_better_ones(void) {
  for (int kind = 0; kind < 3; kind++) {
    for (int ended = 0; ended < 2; ended++) {
      static net_t n;
      net_open(&n, true, false);
      n.delay = RTC_MS(1);
      rtc_ice_cand_t ours = cand(0, 1, 1), theirs = cand(1, 1, 1);
      if (kind == 1) theirs.type = RTC_ICE_RELAY;
      ours.tcp = theirs.tcp = kind == 2;
      if (kind) ours.priority = theirs.priority = 1;
      CHECK_EQ(rtc_ice_add_local(&n.side[1], &theirs, n.now), 0);
      if (kind == 2) ours.peer = theirs.addr;
      CHECK_EQ(rtc_ice_add_local(&n.side[0], &ours, n.now), 0);
      CHECK_EQ(rtc_ice_add_remote(&n.side[0], &theirs, n.now), 0);
      if (ended) rtc_ice_end(&n.side[0], true, true, n.now);
      run(&n, RTC_MS(40));
      CHECK_EQ(n.side[0].nominated, !kind || ended);
      give(&n, 0, 2, 7);
      give(&n, 1, 2, 7);
      run(&n, RTC_SEC(1));
      CHECK(n.side[0].nominated && goal(&n, 0) == (kind && !ended ? 2 : 1));
    }
  }
}

/* A NAT may open by a check of the peer that comes later than a relay answers. */
static void a_relay_waits_for_what_may_open(void) {
  static net_t n;
  net_open(&n, true, false);
  rtc_ice_cand_t ours = cand(0, 1, 1), theirs = cand(1, 1, 1);
  theirs.type = RTC_ICE_RELAY, ours.priority = theirs.priority = 1;
  CHECK(!rtc_ice_add_local(&n.side[1], &theirs, 0) && !rtc_ice_add_local(&n.side[0], &ours, 0) &&
        !rtc_ice_add_remote(&n.side[0], &theirs, 0));
  give(&n, 0, 2, 7), give(&n, 1, 2, 7);
  rtc_ice_end(&n.side[0], true, true, n.now);
  n.dead[1][2] = true;
  run(&n, RTC_MS(600));
  CHECK(n.side[0].has_path && !n.side[0].nominated && goal(&n, 0) == 1);
  n.dead[1][2] = false, run(&n, RTC_MS(600));
  CHECK(n.side[0].nominated && goal(&n, 0) == 2);
}

/* RFC 6544: connections are of one session, but the one in use outlives a restart until another path is chosen. */
static void restarts_forget_connections(void) {
  static net_t n;
  net_open(&n, true, false);
  rtc_ice_cand_t listens = cand(1, 1, 1);
  listens.tcp = true;
  CHECK_EQ(rtc_ice_add_local(&n.side[1], &listens, n.now), 0);
  for (int i = 0; i < 2 * RTC_ICE_CANDS; i++) {
    rtc_ice_cand_t connects = cand(0, 1, 1);
    connects.tcp = true;
    connects.sock = (uint32_t)(i < RTC_ICE_CANDS ? 100 + i : 1); /* nobody answers to the first ones */
    connects.peer = listens.addr;
    CHECK_EQ(rtc_ice_add_local(&n.side[0], &connects, n.now), 0);
    CHECK_EQ(rtc_ice_add_remote(&n.side[0], &listens, n.now), 0);
    CHECK_EQ(n.side[0].pair_n, 1);
    if (i >= RTC_ICE_CANDS) break;
    CHECK_EQ(rtc_ice_restart(&n.side[0], i % 2 ? LU2 : LU, i % 2 ? LP2 : LP, RU, RP, n.now), 0);
    CHECK(n.side[0].local_n == 0 && n.side[0].pair_n == 0);
  }
  CHECK_EQ(rtc_ice_restart(&n.side[1], RU, RP, n.side[0].creds.local_ufrag, n.side[0].creds.local_pwd, n.now), 0);
  run(&n, RTC_SEC(2));
  CHECK_EQ(state(&n, 0), RTC_ICE_CONNECTED);
  rtc_path_t path = n.side[0].path;
  CHECK_EQ(rtc_ice_restart(&n.side[0], "left3", LP2, RU2, RP2, n.now), 0);
  CHECK(n.side[0].local_n == 1 && n.side[0].pair_n == 1 && rtc_path_eq(&n.side[0].path, &path));
}

/* Media goes on while both restart, each in its time, to other addresses or the same, with loss and without. */
static void restart_under_media(void) {
  for (uint64_t seed = 1; seed <= 60 * (uint64_t)check_scale(); seed++) {
    static net_t n;
    net_open(&n, seed & 1, !(seed & 1));
    n.rng = seed * 0x9e3779b97f4a7c15u;
    n.delay = RTC_MS(10 + (int)(seed % 5) * 10);
    give(&n, 0, 1, 1);
    give(&n, 1, 1, 1);
    stream(&n, RTC_SEC(2));
    n.loss = seed % 3 ? 0 : 0.05;
    bool moves = seed & 4;
    for (int round = 0; round < 4; round++) {
      bool back = round & 1;
      const char *lu = back ? LU : LU2, *lp = back ? LP : LP2, *ru = back ? RU : RU2, *rp = back ? RP : RP2;
      int h = moves ? 2 + round : 1;
      CHECK_EQ(rtc_ice_restart(&n.side[0], lu, lp, ru, rp, n.now), 0);
      stream(&n, RTC_MS(20 * (int)(seed % 40)));
      CHECK_EQ(rtc_ice_restart(&n.side[1], ru, rp, lu, lp, n.now), 0);
      give(&n, 0, h, (uint32_t)(7 + round));
      give(&n, 1, h, (uint32_t)(7 + round));
      stream(&n, RTC_SEC(3));
      for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated && n.side[s].used && !n.side[s].has_old);
      CHECK(at_host(&n, 0) == goal(&n, 1) && goal(&n, 0) == at_host(&n, 1));
      if (moves && n.loss == 0) CHECK(at_host(&n, 0) == h && goal(&n, 0) == h);
    }
    for (int s = 0; s < 2; s++) CHECK(n.media_gap[s] > 0 && n.media_gap[s] <= (n.loss > 0 ? RTC_MS(300) : RTC_MS(200)));
  }
}

/* A peer of RFC 5245 nominates all that it checks: both end on the best pair and stay there. */
static void an_aggressive_peer(void) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    static net_t n;
    net_open(&n, false, true);
    n.aggressive = 1;
    n.rng = seed * 0x9e3779b97f4a7c15u;
    n.loss = seed & 1 ? 0.2 : 0;
    for (int h = 1; h <= 3; h++) give(&n, 0, h, (uint32_t)h);
    for (int h = 1; h <= 2; h++) give(&n, 1, h, (uint32_t)h);
    run(&n, RTC_SEC(10));
    for (int s = 0; s < 2; s++) CHECK(n.side[s].nominated && state(&n, s) == RTC_ICE_CONNECTED);
    CHECK(at_host(&n, 0) == goal(&n, 1) && goal(&n, 0) == at_host(&n, 1));
    int moved = n.moved[0];
    run(&n, RTC_SEC(60));
    if (!n.loss) CHECK(n.moved[0] == moved && at_host(&n, 0) == 3 && goal(&n, 0) == 2);
  }
}

/* A path that is another's: given up for the next best, even when it was chosen; without another one there is none. */
static void a_path_is_refused(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  give(&n, 0, 2, 2);
  give(&n, 1, 1, 1);
  run(&n, RTC_SEC(1));
  CHECK(at_host(&n, 0) == 2 && n.side[0].nominated);
  rtc_path_t path = n.side[0].path;
  rtc_ice_refuse(&n.side[0], &path, n.now);
  CHECK(at_host(&n, 0) != 2 && !n.side[0].nominated && !rtc_ice_knows(&n.side[0], &path));
  run(&n, RTC_SEC(3));
  CHECK(at_host(&n, 0) == 1 && n.side[0].nominated);
  path = n.side[0].path;
  rtc_ice_refuse(&n.side[0], &path, n.now);
  CHECK(!n.side[0].has_path && !n.side[0].nominated);
  static net_t lone; /* an address is not paired with itself */
  net_open(&lone, true, false);
  rtc_ice_cand_t c = cand(0, 1, 1);
  CHECK(rtc_ice_add_local(&lone.side[0], &c, 0) == 0 && rtc_ice_add_remote(&lone.side[0], &c, 0) == 0);
  CHECK(lone.side[0].pair_n == 0 && rtc_ice_state(&lone.side[0]) == RTC_ICE_NEW);
  rtc_ice_end(&lone.side[0], true, true, 0);
  run(&lone, RTC_MS(RTC_ICE_PATIENCE_MS - 1));
  CHECK(rtc_ice_state(&lone.side[0]) == RTC_ICE_NEW);
  run(&lone, RTC_MS(2));
  CHECK(rtc_ice_state(&lone.side[0]) == RTC_ICE_FAILED);
}

/* What a stranger can send, or a peer with the wrong password: no answer, no change. */
static void strangers(void) {
  static net_t n;
  net_open(&n, true, false);
  give(&n, 0, 1, 1);
  static const struct {
    const char *user, *pwd;
    uint16_t type;
  } table[] = {{"left:rght", RP, 1}, {"left:rght", "", 1}, {"rght:left", LP, 1},    {"left:rghx", LP, 1},     {"left:", LP, 1},
               {"leftrght", LP, 1},  {"", LP, 1},          {"left:rght", LP, 0x11}, {"left:rght", RP, 0x101}, {"left:rght", RP, 0x111}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    uint8_t b[300], out[128], tid[12] = {1}, four[4] = {0, 0, 1, 1};
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_stun_begin(&w, table[i].type, tid);
    rtc_stun_put(&w, RTC_STUN_A_USERNAME, table[i].user, strlen(table[i].user));
    rtc_stun_put(&w, RTC_STUN_A_PRIORITY, four, 4);
    int len = rtc_stun_end(&w, (const uint8_t *)table[i].pwd, strlen(table[i].pwd));
    rtc_stun_t m;
    CHECK(len > 0 && rtc_stun_parse(&m, b, (size_t)len) == 0);
    rtc_path_t from = {.remote = host(1, 1), .local = host(0, 1), .sock = 1};
    size_t out_len = 9;
    CHECK_EQ(rtc_ice_on_stun(&n.side[0], &m, b, &from, out, sizeof out, &out_len, 0), RTC_ICE_DROP);
    CHECK(out_len == 0 && n.side[0].remote_n == 0 && n.side[0].pair_n == 0 && !n.side[0].used && !rtc_ice_knows(&n.side[0], &from));
  }
}

static void caps(void) {
  static net_t n;
  net_open(&n, true, false);
  for (int h = 1; h <= 5; h++) {
    rtc_ice_cand_t c = cand(0, h, (uint32_t)h);
    CHECK_EQ(rtc_ice_add_local(&n.side[0], &c, 0), 0);
  }
  for (int i = 0; i < 100000; i++) {
    rtc_ice_cand_t c = cand(1, i % 250, (uint32_t)i % 60000);
    c.addr.port = (uint16_t)(1 + i / 250);
    CHECK_EQ(rtc_ice_add_remote(&n.side[0], &c, 0), i < RTC_ICE_CANDS ? 0 : RTC_ENOBUFS);
  }
  CHECK(n.side[0].remote_n == RTC_ICE_CANDS && n.side[0].pair_n == RTC_ICE_PAIRS);
  /* The most important pairs are those that are left. */
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < n.side[0].pair_n; i++) least = n.side[0].pair[i].priority < least ? n.side[0].pair[i].priority : least;
  CHECK(least >= (((uint64_t)((126u << 24) | (3u << 8) | 255u)) << 32));
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(texts_and_candidates_are_checked);
  RUN(two_agents_agree);
  RUN(best_that_works);
  RUN(first_requests_are_paced);
  RUN(reflexive_both_ways);
  RUN(trickle);
  RUN(through_loss);
  RUN(silence_loss_and_failure);
  RUN(nobody_answers);
  RUN(restart);
  RUN(last_resorts_wait_for_better_ones);
  RUN(a_relay_waits_for_what_may_open);
  RUN(restarts_forget_connections);
  RUN(restart_under_media);
  RUN(an_aggressive_peer);
  RUN(a_path_is_refused);
  RUN(strangers);
  RUN(caps);
  return CHECK_END();
}
