/* Two engines find each other from nothing but addresses, credentials and fingerprints: ICE checks, DTLS, keys, first frame; in
 * virtual time. */
#include "pair.h"
#include "proto/srflx.h"

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

/* Closed while the helper works on a flight that the peer has repeated: the goodbye goes out when the association is back. */
static void goodbye_waits_for_the_helper(void) {
  pair_t p;
  open_pair(&p, 16, false, -1);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  static const uint8_t record[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 1, 0};
  rtc_pkt_t *k = rtc_hub_slot(p.hub[0]);
  memcpy(k->data, record, sizeof record);
  k->len = sizeof record;
  k->path = p.last[0].path;
  rtc_hub_recv(p.hub[0], k, rtc_sim_now(p.sim));
  rtc_job_t job;
  CHECK_EQ(rtc_hub_job(p.hub[0], &job), 1);
  do_(&p, 0, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  rtc_job_work(&job);
  rtc_hub_job_done(p.hub[0], &job, rtc_sim_now(p.sim));
  rtc_sim_flush(p.sim, p.at[0]);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(1));
  look(&p);
  CHECK_EQ(p.last[1].state, RTC_T_CLOSED);
  CHECK_EQ(p.last[1].reason, RTC_WHY_CLOSE_NOTIFY);
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

/* Two full agents, told each other's candidates; roles: bit n, whether side n believes that it controls. */
static void open_full(pair_t *p, uint64_t seed, int roles, bool survives) {
  open_hubs(p, seed);
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(p, i, seed & 1);
    c.u.transport.ice_role = roles >> i & 1 ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_CONTROLLED;
    c.u.transport.ice_survives = survives;
    do_(p, i, &c);
  }
}

static void tell_candidates(pair_t *p) {
  for (int i = 0; i < 2; i++) {
    rtc_path_t path = rtc_sim_path(p->sim, p->at[i], p->at[1 - i]), back = rtc_sim_path(p->sim, p->at[1 - i], p->at[i]);
    rtc_ice_cand_t ours = {.addr = back.remote, .base = back.remote, .sock = path.sock, .priority = 126u << 24};
    rtc_ice_cand_t theirs = {.addr = path.remote, .priority = 126u << 24};
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = 1, .u.cand = ours});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_REMOTE, .id = 1, .u.cand = theirs});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_ICE_END, .id = 1, .u.ends = {true, true}});
    rtc_sim_flush(p->sim, p->at[i]);
  }
}

/* What the one pair of a quiet call has after minutes on a perfect wire. */
static void pair_rows(pair_t *p, int side, bool no_conflict) {
  static rtc_ice_stats_t ice;
  rtc_transport_stats_t row;
  rtc_stats_t s = {.transport_cap = 1, .transport = &row};
  do_(p, side, &(rtc_cmd_t){.op = RTC_OP_ICE_STATS, .id = 1, .u.ice_stats = &ice});
  do_(p, side, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  CHECK(ice.now == rtc_sim_now(p->sim) && ice.local_n == 1 && ice.remote_n == 1 && ice.pair_n == 1 && ice.selected == 0);
  const rtc_pair_stats_t *r = &ice.pair[0];
  CHECK(r->state == RTC_PAIR_SUCCEEDED && r->nominated && r->local == 0 && r->remote == 0 && r->priority > 0);
  CHECK(rtc_addr_eq(&ice.remote[0].addr, &row.path.remote));
  CHECK_EQ(r->flow.packets_out, row.out_packets);
  CHECK_EQ(r->flow.bytes_out, row.out_bytes);
  CHECK(r->flow.packets_out > 0 && r->flow.packets_in > 0 && r->flow.bytes_in > r->flow.packets_in);
  CHECK(r->consents_out >= 300 / 6 && r->consents_out < r->requests_out);
  if (!no_conflict) return;
  CHECK_EQ(r->flow.packets_in, row.in_packets);
  CHECK(r->answers_in == row.stun_answers && r->requests_in == row.stun_requests && r->answers_out == r->requests_in);
  CHECK(r->requests_out == r->answers_in && r->rtt_us == 0 && r->rtt_sum_us == 0); /* the wire takes no time */
}

static void full_agents_connect(void) {
  for (int roles = 0; roles < 4; roles++) {
    pair_t p;
    open_full(&p, (uint64_t)roles + 20, roles, false);
    tell_candidates(&p);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(300));
    look(&p);
    CHECK(p.last[0].controlling != p.last[1].controlling);
    for (int i = 0; i < 2; i++) {
      CHECK_EQ(p.last[i].state, RTC_T_CONNECTED);
      CHECK_EQ(p.last[i].ice, RTC_ICE_COMPLETED);
      CHECK(p.last[i].local_type == RTC_ICE_HOST && p.last[i].remote_type == RTC_ICE_HOST);
    }
    for (int i = 0; i < 2; i++) pair_rows(&p, i, roles == 1 || roles == 2);
    do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
    rtc_sim_flush(p.sim, p.at[1]);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(100));
    look(&p);
    CHECK_EQ(p.last[0].reason, RTC_WHY_CLOSE_NOTIFY);
    close_pair(&p);
  }
}

/* The answerer's way to us is open, and its ClientHello here, before its answer is: that is kept, and nobody waits for a time-out. */
static void dtls_before_the_answer(void) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    pair_t p;
    open_hubs(&p, seed);
    rtc_link_t link = {.delay_us = 5000};
    both_ways(&p, &link);
    rtc_cmd_t all = transport_of(&p, 0, false), c = all;
    c.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLING;
    c.u.transport.ice.remote_ufrag[0] = c.u.transport.ice.remote_pwd[0] = 0;
    c.u.transport.fp_n = 0;
    do_(&p, 0, &c);
    c = transport_of(&p, 1, false);
    c.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLED;
    do_(&p, 1, &c);
    tell_candidates(&p);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(20 + (int)seed));
    look(&p);
    CHECK(p.last[0].state == RTC_T_NEW && p.last[1].state == RTC_T_CHECKED);
    const rtc_transport_cfg_t *t = &all.u.transport;
    rtc_cmd_t peer = {.op = RTC_OP_PEER, .id = 1, .u.peer = {.fp_n = 1, .fp = {t->fp[0]}}};
    memcpy(peer.u.peer.remote_ufrag, t->ice.remote_ufrag, sizeof peer.u.peer.remote_ufrag);
    memcpy(peer.u.peer.remote_pwd, t->ice.remote_pwd, sizeof peer.u.peer.remote_pwd);
    do_(&p, 0, &peer);
    rtc_sim_flush(p.sim, p.at[0]);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) <= RTC_MS(40)); /* a check, two round trips of DTLS 1.2 */
    close_pair(&p);
  }
}

/* Nobody collects an event, as when Python is blocked, from the first candidate to minutes later: checks, nomination, DTLS and consent go
 * on by themselves, and then the truth is there. */
static void nobody_looks(void) {
  pair_t p;
  open_full(&p, 60, 1, false);
  tell_candidates(&p);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(120));
  look(&p);
  for (int i = 0; i < 2; i++) {
    CHECK(p.last[i].state == RTC_T_CONNECTED && p.last[i].ice == RTC_ICE_COMPLETED);
    CHECK(p.last[i].connected - p.last[i].added < RTC_SEC(1));
  }
  close_pair(&p);
}

/* A lite peer never controls: a full agent that believes the peer does is told so, and takes over. */
static void a_lite_peer(void) {
  for (int role = RTC_ICE_ROLE_CONTROLLING; role <= RTC_ICE_ROLE_CONTROLLED; role++) {
    pair_t p;
    open_hubs(&p, 61);
    for (int i = 0; i < 2; i++) {
      rtc_cmd_t c = transport_of(&p, i, false);
      if (i == 1) c.u.transport.ice_role = (uint8_t)role;
      do_(&p, i, &c);
    }
    dial(&p);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    CHECK(p.last[1].controlling);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(120));
    look(&p);
    for (int i = 0; i < 2; i++) CHECK_EQ(p.last[i].state, RTC_T_CONNECTED);
    close_pair(&p);
  }
}

static void full_agents_connect_through_loss(void) {
  int late = 0;
  rtc_time_t longest = 0;
  for (uint64_t seed = 1; seed <= 100 * (uint64_t)check_scale(); seed++) {
    pair_t p;
    open_full(&p, seed, (int)(seed & 3), false);
    rtc_link_t link = {.delay_us = 25000, .jitter_us = 5000, .loss = 0.3, .duplicate = 0.02};
    both_ways(&p, &link);
    tell_candidates(&p);
    rtc_time_t took = until(&p, RTC_T_CONNECTED, RTC_SEC(10));
    late += took == RTC_NEVER;
    longest = took != RTC_NEVER && took > longest ? took : longest;
    close_pair(&p);
  }
  CHECK_EQ(late, 0);
  check_figure("longest_full_s", (double)longest / 1e6);
}

/* The address of either side changes under it: both go on, and nobody is told of more than a moment's silence. */
static void full_agents_follow_a_move(void) {
  for (int side = 0; side < 2; side++) {
    pair_t p;
    open_full(&p, 33, 2, false);
    tell_candidates(&p);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(2));
    uint8_t ip[4] = {10, 0, 0, 78};
    rtc_addr_t moved;
    rtc_addr_set(&moved, ip, 4, 7778);
    rtc_sim_move(p.sim, p.at[side], &moved);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(60));
    look(&p);
    for (int i = 0; i < 2; i++)
      CHECK(p.last[i].state == RTC_T_CONNECTED && p.last[i].ice >= RTC_ICE_CONNECTED && p.last[i].ice <= RTC_ICE_COMPLETED);
    rtc_stats_t s;
    rtc_transport_stats_t row;
    s = (rtc_stats_t){.transport_cap = 1, .transport = &row};
    do_(&p, 1 - side, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
    CHECK(rtc_addr_eq(&row.path.remote, &moved) && row.nominated);
    close_pair(&p);
  }
}

/* Nothing gets through for a minute: told as failed, nothing is sent, and a restart takes up the same association. */
static void full_agents_survive(void) {
  pair_t p;
  open_full(&p, 40, 1, true);
  tell_candidates(&p);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
  rtc_time_t connected = p.last[0].connected;
  rtc_link_t dead = {.loss = 1}, fine = {.delay_us = 1000};
  both_ways(&p, &dead);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(15));
  look(&p);
  for (int i = 0; i < 2; i++) CHECK_EQ(p.last[i].ice, RTC_ICE_DISCONNECTED);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(45));
  look(&p);
  for (int i = 0; i < 2; i++) CHECK(p.last[i].ice == RTC_ICE_FAILED && p.last[i].state != RTC_T_CLOSED && !p.last[i].has_path);
  both_ways(&p, &fine);
  rtc_ice_cfg_t ice[2] = {{"serverfrag2", "server-password-2-long-enough", "clientfrag2", "client-password-2-long-enough"},
                          {"clientfrag2", "client-password-2-long-enough", "serverfrag2", "server-password-2-long-enough"}};
  for (int i = 0; i < 2; i++) do_(&p, i, &(rtc_cmd_t){.op = RTC_OP_RESTART, .id = 1, .u.ice = ice[i]});
  tell_candidates(&p);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(5));
  look(&p);
  for (int i = 0; i < 2; i++) CHECK(p.last[i].ice == RTC_ICE_COMPLETED && p.last[i].has_path && p.last[i].connected > 0);
  CHECK_EQ(p.last[0].connected, connected);
  close_pair(&p);
}

/* Several transports of few hubs: n of them, each with one of the others, every one telling all addresses of its hub. */
typedef struct crowd {
  rtc_sim_t *sim;
  rtc_dtls_ctx_t *ctx;
  rtc_hub_t *hub[2];
  int node[2][4], node_n[2]; /* addresses of each hub */
  int n;
  int at[4]; /* hub of each transport; its id is its number and one */
  rtc_event_t last[4];
} crowd_t;

static void crowd_do(crowd_t *c, int who, rtc_cmd_t cmd) {
  cmd.id = (uint32_t)who + 1;
  int err = rtc_hub_exec(c->hub[c->at[who]], &cmd, rtc_sim_now(c->sim));
  if (err < 0) {
    fprintf(stderr, "command %d: %s\n", cmd.op, rtc_err_text(err));
    exit(2);
  }
}

/* hubs: of each transport, "0101". Even transports meet the next odd one. */
static void crowd_open(crowd_t *c, uint64_t seed, const char *hubs, const int addresses[2]) {
  int err;
  *c = (crowd_t){.sim = rtc_sim_new(seed), .n = (int)strlen(hubs)};
  clock_of = c->sim;
  c->ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  for (int h = 0; h < 2; h++) {
    rtc_hub_cfg_t cfg = {.dtls = c->ctx, .slots = 4096};
    memset(cfg.seed, (int)seed * 2 + h, sizeof cfg.seed);
    c->hub[h] = rtc_hub_new(&cfg, rtc_sim_now(c->sim));
    for (int i = 0; i < addresses[h]; i++) {
      uint8_t ip[4] = {10, 0, (uint8_t)h, (uint8_t)(i + 1)};
      rtc_addr_t a;
      rtc_addr_set(&a, ip, 4, 5000);
      c->node[h][c->node_n[h]++] = rtc_sim_add(c->sim, c->hub[h], &a);
    }
  }
  rtc_link_t link = {.delay_us = 5000, .jitter_us = 3000};
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < c->node_n[h]; i++)
      for (int g = 0; g < 2; g++)
        for (int j = 0; j < c->node_n[g]; j++) rtc_sim_link(c->sim, c->node[h][i], c->node[g][j], &link);
  for (int i = 0; i < c->n; i++) c->at[i] = hubs[i] - '0';
}

/* Transports from .. to - 1 begin; roles: a bit for each, whether it believes that it controls. */
static void crowd_dial(crowd_t *c, int from, int to, int roles) {
  pair_t p = {.ctx = c->ctx};
  for (int i = from; i < to; i++) {
    rtc_cmd_t cmd = transport_of(&p, i & 1, false);
    rtc_transport_cfg_t *t = &cmd.u.transport;
    snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "ufrag%d", i);
    snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "ufrag%d", i ^ 1);
    t->ice_role = roles >> i & 1 ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_CONTROLLED;
    crowd_do(c, i, cmd);
  }
  for (int i = from; i < to; i++) {
    int ours = c->at[i], theirs = c->at[i ^ 1];
    for (int k = 0; k < c->node_n[ours]; k++) {
      rtc_path_t path = rtc_sim_path(c->sim, c->node[ours][k], c->node[theirs][0]);
      rtc_ice_cand_t cand = {.addr = path.local, .base = path.local, .sock = path.sock, .priority = (126u << 24) - (uint32_t)k};
      crowd_do(c, i, (rtc_cmd_t){.op = RTC_OP_LOCAL, .u.cand = cand});
    }
    for (int k = 0; k < c->node_n[theirs]; k++) {
      rtc_path_t path = rtc_sim_path(c->sim, c->node[ours][0], c->node[theirs][k]);
      rtc_ice_cand_t cand = {.addr = path.remote, .priority = (126u << 24) - (uint32_t)k};
      crowd_do(c, i, (rtc_cmd_t){.op = RTC_OP_REMOTE, .u.cand = cand});
    }
    crowd_do(c, i, (rtc_cmd_t){.op = RTC_OP_ICE_END, .u.ends = {true, true}});
    rtc_sim_flush(c->sim, c->node[ours][0]);
  }
}

static bool crowd_connected(crowd_t *c, rtc_time_t us) {
  rtc_sim_run(c->sim, rtc_sim_now(c->sim) + us);
  rtc_event_t e;
  for (int h = 0; h < 2; h++)
    while (rtc_hub_event(c->hub[h], &e))
      if (e.type == RTC_EV_TRANSPORT) c->last[e.id - 1] = e;
  bool all = true;
  for (int i = 0; i < c->n; i++) all = all && c->last[i].state == RTC_T_CONNECTED && c->last[i].ice == RTC_ICE_COMPLETED;
  return all;
}

static void crowd_close(crowd_t *c) {
  for (int h = 0; h < 2; h++) rtc_hub_free(c->hub[h]);
  rtc_dtls_ctx_free(c->ctx);
  rtc_sim_free(c->sim);
  clock_of = NULL;
}

/* All connected, each on a way of its own; how long it took, RTC_NEVER when it did not. */
static rtc_time_t crowd_meets(crowd_t *c) {
  rtc_time_t took = 0;
  while (!crowd_connected(c, RTC_MS(50)) && took < RTC_SEC(10)) took += RTC_MS(50);
  if (took >= RTC_SEC(10) || !crowd_connected(c, RTC_SEC(40))) return RTC_NEVER;
  for (int i = 0; i < c->n; i++)
    for (int j = 0; j < i; j++)
      if (c->at[i] == c->at[j] && rtc_path_eq(&c->last[i].path, &c->last[j].path)) return RTC_NEVER;
  return took;
}

/* Two transports of one hub with each other, by sockets that both of them use. */
static void two_of_one_hub(void) {
  for (uint64_t seed = 1; seed <= 60 * (uint64_t)check_scale(); seed++) {
    crowd_t c;
    crowd_open(&c, seed, "00", (int[]){2 + (int)(seed % 3), 0});
    crowd_dial(&c, 0, 2, (int)(seed & 3));
    rtc_time_t took = crowd_meets(&c);
    CHECK(took < RTC_SEC(1));
    crowd_close(&c);
  }
}

/* Two transports, by one socket, with two of another hub: all check the same addresses, each answer reaches who asked, and each ends on a
 * way of its own. Both at once, or one after the other. */
static void two_with_one_address(void) {
  static const int addresses[][2] = {{1, 2}, {2, 1}, {2, 2}};
  for (int k = 0; k < 3; k++)
    for (uint64_t seed = 1; seed <= 40 * (uint64_t)check_scale(); seed++) {
      crowd_t c;
      crowd_open(&c, seed, "0101", addresses[k]);
      int roles = seed & 2 ? 5 : 10;
      if (seed & 1) {
        crowd_dial(&c, 0, 4, roles);
      } else {
        crowd_dial(&c, 0, 2, (int)(seed >> 1));
        rtc_sim_run(c.sim, rtc_sim_now(c.sim) + RTC_SEC(2));
        crowd_dial(&c, 2, 4, (int)(seed >> 1));
      }
      rtc_time_t took = crowd_meets(&c);
      CHECK(took < RTC_SEC(2));
      crowd_close(&c);
    }
}

typedef struct server {
  rtc_sim_t *sim;
  int heard;
} server_t;

/* Says where a Binding request came from. */
static void stun_server(void *arg, int node, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n) {
  (void)to;
  server_t *s = arg;
  rtc_stun_t m;
  uint8_t out[RTC_STUN_ANSWER_MAX];
  if (rtc_stun_parse(&m, p, n) < 0 || m.type != RTC_STUN_BINDING_REQUEST) return;
  s->heard++;
  rtc_wr_t w = rtc_wr(out, sizeof out);
  rtc_stun_begin(&w, RTC_STUN_BINDING_SUCCESS, m.tid);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, from, m.tid);
  int len = rtc_stun_end(&w, NULL, 0);
  if (len > 0) rtc_sim_send(s->sim, node, from, out, (size_t)len);
}

/* Two agents of one hub ask one server by one socket, which loses 30 % each way: each ends with its address or a code, nearly all with the
 * address; a binding whose candidate was told is kept open, the other is not. */
static void servers_are_asked(void) {
  int answered = 0, asked = 0;
  for (uint64_t seed = 1; seed <= 50 * (uint64_t)check_scale(); seed++) {
    pair_t p;
    open_hubs(&p, seed);
    uint8_t ip[4] = {192, 0, 2, 1};
    rtc_addr_t addr;
    rtc_addr_set(&addr, ip, 4, 3478);
    server_t asked_one = {.sim = p.sim};
    int server = rtc_sim_add_box(p.sim, stun_server, &asked_one, &addr);
    rtc_link_t link = {.delay_us = 25000, .loss = 0.3}, fine = {.delay_us = 25000};
    rtc_sim_link(p.sim, p.at[1], server, &link);
    rtc_sim_link(p.sim, server, p.at[1], &link);
    rtc_path_t path = rtc_sim_path(p.sim, p.at[1], server);
    for (uint32_t id = 1; id <= 2; id++) {
      rtc_cmd_t c = transport_of(&p, 1, false);
      c.id = id;
      c.u.transport.ice_survives = true;
      snprintf(c.u.transport.ice.local_ufrag, sizeof c.u.transport.ice.local_ufrag, "ufrag%d", (int)id);
      do_(&p, 1, &c);
      do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_STUN, .id = id, .u.stun = {.number = id + 10, .path = path}});
    }
    rtc_sim_flush(p.sim, p.at[1]);
    int ends = 0;
    bool kept = false;
    rtc_event_t e;
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(6));
    while (rtc_hub_event(p.hub[1], &e)) {
      if (e.type != RTC_EV_STUN) continue;
      ends++;
      CHECK(e.query == e.id + 10 && e.has_path == (e.stun_error == 0));
      CHECK(e.has_path ? rtc_addr_eq(&e.path.remote, &path.local) : e.stun_error == RTC_SRFLX_NO_ANSWER);
      answered += e.has_path;
      rtc_ice_cand_t cand = {.addr = path.local, .base = path.local, .priority = 100u << 24, .type = RTC_ICE_SRFLX};
      kept = kept || (e.id == 1 && e.has_path);
      if (e.id == 1 && e.has_path) do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = 1, .u.cand = cand});
    }
    CHECK_EQ(ends, 2);
    asked += ends;
    rtc_sim_link(p.sim, p.at[1], server, &fine);
    rtc_sim_link(p.sim, server, p.at[1], &fine);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(60)); /* the one that nobody uses ends here */
    asked_one.heard = 0;
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(200));
    rtc_stats_t s = {0};
    do_(&p, 1, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
    CHECK(kept ? asked_one.heard >= 8 && asked_one.heard <= 14 : asked_one.heard == 0);
    CHECK_EQ(s.hub.drops[RTC_DROP_STUN_AUTH], 0);
    while (rtc_hub_event(p.hub[1], &e)) CHECK(e.type != RTC_EV_STUN); /* nothing new */
    close_pair(&p);
  }
  CHECK(answered * 100 >= asked * 96);
  check_figure("answered_percent", 100.0 * answered / asked);
}

/* What a lite transport is not told, and what is no role. */
static void lite_takes_no_candidates(void) {
  pair_t p;
  open_pair(&p, 50, false, -1);
  rtc_ice_cand_t k = {.addr = {.port = 9}, .priority = 1};
  rtc_time_t now = rtc_sim_now(p.sim);
  for (int op = RTC_OP_PATH; op <= RTC_OP_STUN; op++)
    CHECK_EQ(rtc_hub_exec(p.hub[0], &(rtc_cmd_t){.op = (uint16_t)op, .id = 1, .u.cand = k}, now), RTC_EINVAL);
  rtc_cmd_t c = transport_of(&p, 0, false);
  c.id = 2;
  snprintf(c.u.transport.ice.local_ufrag, sizeof c.u.transport.ice.local_ufrag, "another");
  c.u.transport.ice_survives = true;
  CHECK_EQ(rtc_hub_exec(p.hub[0], &c, now), RTC_EINVAL);
  c.u.transport.ice_survives = false;
  c.u.transport.ice_role = 3;
  CHECK_EQ(rtc_hub_exec(p.hub[0], &c, now), RTC_EINVAL);
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
  RUN(goodbye_waits_for_the_helper);
  RUN(nobody_there);
  RUN(full_agents_connect);
  RUN(dtls_before_the_answer);
  RUN(nobody_looks);
  RUN(a_lite_peer);
  RUN(full_agents_connect_through_loss);
  RUN(full_agents_follow_a_move);
  RUN(full_agents_survive);
  RUN(two_of_one_hub);
  RUN(two_with_one_address);
  RUN(servers_are_asked);
  RUN(lite_takes_no_candidates);
  return CHECK_END();
}
