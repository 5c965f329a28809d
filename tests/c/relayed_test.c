/* relayed: two engines that reach each other by a TURN server alone: full ICE, DTLS and media through allocations, with loss, with a nonce
 * that goes stale, with a server that is not what it should be. */
#include "engine/out.h"
#include "pair.h"
#include "turn_server.h"

enum { HOSTS = 2, RELAY_NODES = 4, ALLOCATION = 7 };

typedef struct world {
  pair_t p; /* first: pair.h's functions take it */
  turn_server_t server;
  int node[1 + RELAY_NODES]; /* the server's own, and those of relayed addresses */
  rtc_event_t turn[HOSTS];   /* latest of each allocation */
} world_t;

static world_t *world; /* where the server's datagrams go */

static void from_server(void *arg, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n) {
  (void)arg;
  int node = rtc_addr_eq(from, &world->server.addr) ? 0 : 1 + from->port - 50000;
  if (node <= RELAY_NODES) rtc_sim_send(world->p.sim, world->node[node], to, p, n);
}

static void to_server(void *arg, int node, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n) {
  (void)node;
  turn_server_in(arg, from, to, p, n, rtc_sim_now(world->p.sim));
}

static void link_all(world_t *w, const rtc_link_t *link) {
  for (int i = 0; i < HOSTS; i++) {
    rtc_sim_link(w->p.sim, w->p.at[i], w->node[0], link);
    rtc_sim_link(w->p.sim, w->node[0], w->p.at[i], link);
  }
}

static void open_world(world_t *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  world = w;
  open_hubs(&w->p, seed);
  rtc_addr_t a;
  CHECK_EQ(rtc_addr_parse(&a, "192.0.2.1", 3478), 0);
  turn_server_init(&w->server, &a, from_server, w);
  for (int i = 0; i <= RELAY_NODES; i++) {
    a.port = i ? (uint16_t)(50000 + i - 1) : 3478;
    w->node[i] = rtc_sim_add_box(w->p.sim, to_server, &w->server, &a);
    CHECK(w->node[i] >= 0);
  }
  rtc_link_t near = {.delay_us = 10000}, none = {.loss = 1};
  link_all(w, &near);
  both_ways(&w->p, &none); /* no other way than by the server */
}

static void close_world(world_t *w) { close_pair(&w->p); }

static rtc_cmd_t turn_of(const world_t *w, int side, uint32_t transport) {
  rtc_cmd_t c = {.op = RTC_OP_TURN, .id = ALLOCATION};
  c.u.turn.path = rtc_sim_path(w->p.sim, w->p.at[side], w->node[0]);
  c.u.turn.transport = transport;
  snprintf(c.u.turn.username, sizeof c.u.turn.username, "alice");
  snprintf(c.u.turn.password, sizeof c.u.turn.password, "secret of alice");
  return c;
}

static void do_now(world_t *w, int side, const rtc_cmd_t *c) {
  do_(&w->p, side, c);
  rtc_sim_flush(w->p.sim, w->p.at[side]);
}

static void hear(world_t *w) {
  rtc_event_t e;
  for (int i = 0; i < HOSTS; i++)
    while (rtc_hub_event(w->p.hub[i], &e)) {
      if (e.type == RTC_EV_TRANSPORT) w->p.last[i] = e;
      if (e.type != RTC_EV_TURN) continue;
      CHECK_EQ(e.id, ALLOCATION);
      w->turn[i] = e;
    }
}

static void pass(world_t *w, int ms) {
  rtc_sim_run(w->p.sim, rtc_sim_now(w->p.sim) + RTC_MS(ms));
  hear(w);
}

static bool both(const world_t *w, rtc_turn_state_t state) { return w->turn[0].state == state && w->turn[1].state == state; }

/* Milliseconds until both allocations stand, -1: not in ten seconds. */
static int allocate(world_t *w) {
  for (int i = 0; i < HOSTS; i++) {
    rtc_cmd_t c = turn_of(w, i, 0);
    do_now(w, i, &c);
  }
  int ms = 0;
  for (; !both(w, RTC_TURN_READY) && ms < 10000; ms += 10) pass(w, 10);
  return both(w, RTC_TURN_READY) ? ms : -1;
}

/* Transports that know each other's relayed address and nothing else. */
static void meet(world_t *w) {
  for (int i = 0; i < HOSTS; i++) {
    rtc_cmd_t c = transport_of(&w->p, i, false);
    c.u.transport.ice_role = i ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_CONTROLLED;
    do_now(w, i, &c);
  }
  for (int i = 0; i < HOSTS; i++) {
    rtc_ice_cand_t ours = {.addr = w->turn[i].path.local,
                           .base = w->turn[i].path.local,
                           .sock = RTC_RELAYED_SOCK | ALLOCATION,
                           .priority = 0xffffff,
                           .type = RTC_ICE_RELAY};
    rtc_ice_cand_t theirs = {.addr = w->turn[1 - i].path.local, .priority = 0xffffff, .type = RTC_ICE_RELAY};
    do_now(w, i, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = 1, .u.cand = ours});
    do_now(w, i, &(rtc_cmd_t){.op = RTC_OP_REMOTE, .id = 1, .u.cand = theirs});
    do_now(w, i, &(rtc_cmd_t){.op = RTC_OP_ICE_END, .id = 1, .u.ends = {true, true}});
  }
}

static bool connected(world_t *w, int most_ms) {
  for (int ms = 0; ms < most_ms; ms += 10) {
    pass(w, 10);
    if (w->p.last[0].state == RTC_T_CONNECTED && w->p.last[1].state == RTC_T_CONNECTED) return true;
  }
  return false;
}

static void streams(world_t *w) {
  rtc_send_cfg_t s = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000, .ssrc = 10};
  s.rtx_ssrc = 11;
  s.nack = true;
  rtc_recv_cfg_t r = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000, .ssrc = 10};
  r.rtx_ssrc = 11;
  r.nack = r.pli = r.frames = true;
  for (int i = 0; i < HOSTS; i++) {
    do_now(w, i, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = 1, .u.send = s});
    do_now(w, i, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = r});
  }
}

static uint8_t byte_of(int side, int frame, size_t i) {
  return (uint8_t)((unsigned)side * 101u + (unsigned)frame * 7u + (unsigned)i * 13u);
}

static void send_frame(world_t *w, int side, int frame, size_t n) {
  static const uint8_t start[10] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
  rtc_cmd_t c = {
      .op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = malloc(n), .len = (uint32_t)n, .ts = (uint32_t)frame * 3000, .key = true}};
  c.u.frame.captured = rtc_sim_now(w->p.sim);
  for (size_t i = 0; i < n; i++) c.u.frame.data[i] = i < sizeof start ? start[i] : byte_of(side, frame, i);
  do_now(w, side, &c);
}

/* Frames that came whole and byte for byte. */
static int take_frames(world_t *w, int side, size_t n) {
  int good = 0;
  for (rtc_frame_t *f; (f = rtc_hub_frame(w->p.hub[side]));) {
    bool same = f->len == n;
    for (size_t i = 10; same && i < n; i++) same = f->data[i] == byte_of(1 - side, (int)(f->ts / 3000), i);
    good += same;
    free(f);
  }
  return good;
}

static void exchange(world_t *w, int frames, int from, int *got) {
  for (int f = from; f < from + frames; f++) {
    for (int i = 0; i < HOSTS; i++) send_frame(w, i, f, 3000);
    pass(w, 33);
    for (int i = 0; i < HOSTS; i++) got[i] += take_frames(w, i, 3000);
  }
  pass(w, 1000);
  for (int i = 0; i < HOSTS; i++) got[i] += take_frames(w, i, 3000);
}

static uint64_t drops(world_t *w, int side, rtc_drop_t why) {
  rtc_stats_t s = {0};
  do_(&w->p, side, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  return s.hub.drops[why];
}

static uint32_t slots(world_t *w, int side) {
  rtc_stats_t s = {0};
  do_(&w->p, side, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  return s.hub.pool_used;
}

static void relay_alone(void) {
  world_t w;
  open_world(&w, 1);
  CHECK(allocate(&w) >= 0);
  for (int i = 0; i < HOSTS; i++) {
    CHECK(w.turn[i].has_path);
    CHECK_EQ(w.turn[i].path.remote.port, 5000 + i); /* as the server sees it */
    CHECK_EQ(w.turn[i].path.local.port, 50000 + i);
  }
  meet(&w);
  CHECK(connected(&w, 2000));
  for (int i = 0; i < HOSTS; i++) {
    CHECK_EQ(w.p.last[i].local_type, RTC_ICE_RELAY);
    CHECK_EQ(w.p.last[i].remote_type, RTC_ICE_RELAY);
    CHECK_EQ(w.p.last[i].path.sock, RTC_RELAYED_SOCK | ALLOCATION);
  }
  streams(&w);
  int got[HOSTS] = {0};
  exchange(&w, 30, 1, got);
  w.server.nonce = "another"; /* and now all of it goes stale */
  rtc_sim_run(w.p.sim, rtc_sim_now(w.p.sim) + RTC_SEC(600));
  exchange(&w, 30, 31, got);
  CHECK(w.server.stale > 0);
  for (int i = 0; i < HOSTS; i++) {
    CHECK_EQ(got[i], 60);
    for (rtc_drop_t d = RTC_DROP_TURN_FORM; d <= RTC_DROP_TURN_GONE; d++) CHECK_EQ(drops(&w, i, d), 0);
  }
  CHECK(w.server.channel_data > 300);
  CHECK(w.server.indications < 60); /* the checks before the channels */
  CHECK_EQ(w.server.dropped, 0);
  for (int i = 0; i < HOSTS; i++) do_now(&w, i, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  for (int i = 0; i < HOSTS; i++) do_now(&w, i, &(rtc_cmd_t){.op = RTC_OP_TURN_CLOSE, .id = ALLOCATION});
  pass(&w, 1000);
  CHECK(both(&w, RTC_TURN_CLOSED));
  CHECK_EQ(w.p.last[0].reason, RTC_WHY_COMMAND);
  CHECK_EQ(turn_server_alive(&w.server, rtc_sim_now(w.p.sim)), 0);
  for (int i = 0; i < HOSTS; i++) CHECK_EQ(slots(&w, i), 0);
  for (int i = 0; i < HOSTS; i++) CHECK(rtc_hub_next_at(w.p.hub[i]) == RTC_NEVER);
  close_world(&w);
}

/* 30 % of the datagrams lost each way, between both engines and the server. */
static void loss(void) {
  int worst = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    world_t w;
    open_world(&w, seed);
    rtc_link_t bad = {.delay_us = 10000, .loss = 0.3};
    link_all(&w, &bad);
    int ms = allocate(&w);
    CHECK(ms >= 0);
    if (ms > worst) worst = ms;
    meet(&w);
    CHECK(connected(&w, 30000));
    close_world(&w);
  }
  check_figure("allocation_worst_ms", worst);
}

/* The transport's end ends it, after its goodbyes. */
static void with_its_transport(void) {
  world_t w;
  open_world(&w, 3);
  CHECK(allocate(&w) >= 0);
  meet(&w);
  CHECK(connected(&w, 2000));
  do_now(&w, 0, &(rtc_cmd_t){.op = RTC_OP_TURN_CLOSE, .id = ALLOCATION});
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].state, RTC_TURN_CLOSED);
  pass(&w, 8000); /* consent is asked for, by what is not there any more */
  CHECK(drops(&w, 0, RTC_DROP_TURN_GONE) > 0);
  rtc_cmd_t c = turn_of(&w, 0, 1); /* another one, the transport's */
  do_now(&w, 0, &c);
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].state, RTC_TURN_READY);
  do_now(&w, 0, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].state, RTC_TURN_CLOSED);
  close_world(&w);

  open_world(&w, 4); /* goodbye goes out by what ends with it */
  rtc_cmd_t t = transport_of(&w.p, 0, false);
  t.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLED;
  do_now(&w, 0, &t);
  c = turn_of(&w, 0, 1);
  do_now(&w, 0, &c);
  c = turn_of(&w, 1, 0);
  do_now(&w, 1, &c);
  pass(&w, 1000);
  CHECK(both(&w, RTC_TURN_READY));
  rtc_cmd_t other = transport_of(&w.p, 1, false);
  other.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLING;
  do_now(&w, 1, &other);
  for (int i = 0; i < HOSTS; i++) {
    rtc_path_t path = {.remote = w.turn[1 - i].path.local, .local = w.turn[i].path.local, .sock = RTC_RELAYED_SOCK | ALLOCATION};
    do_now(&w, i, &(rtc_cmd_t){.op = RTC_OP_PATH, .id = 1, .u.path = path});
  }
  CHECK(connected(&w, 2000));
  do_now(&w, 0, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].state, RTC_TURN_CLOSED);
  CHECK_EQ(w.p.last[1].state, RTC_T_CLOSED);
  CHECK_EQ(w.p.last[1].reason, RTC_WHY_CLOSE_NOTIFY);
  close_world(&w);
}

static void commands_refused(void) {
  world_t w;
  open_world(&w, 5);
  rtc_hub_t *h = w.p.hub[0];
  rtc_time_t now = rtc_sim_now(w.p.sim);
  rtc_cmd_t good = turn_of(&w, 0, 0), c = good;
  c.id = 0;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  c.id = RTC_RELAYED_SOCK;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  c = good;
  c.u.turn.path.sock = RTC_RELAYED_SOCK | 1; /* an allocation by way of another */
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  c = good;
  c.u.turn.path.remote.port = 0;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  c = good;
  c.u.turn.username[0] = 0;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  c = good;
  c.u.turn.transport = 99;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_EINVAL);
  CHECK(rtc_hub_next_at(h) == RTC_NEVER);
  CHECK_EQ(rtc_hub_exec(h, &good, now), 0);
  CHECK_EQ(rtc_hub_exec(h, &good, now), RTC_EINVAL);
  c = good;
  c.id = 8;
  CHECK_EQ(rtc_hub_exec(h, &c, now), RTC_ESTATE); /* the same way to the same server */
  c = (rtc_cmd_t){.op = RTC_OP_TURN_CLOSE, .id = 12345};
  CHECK_EQ(rtc_hub_exec(h, &c, now), 0); /* gone is gone */
  close_world(&w);
}

static void told_why(void) {
  world_t w;
  open_world(&w, 6);
  w.server.password = "another";
  rtc_cmd_t c = turn_of(&w, 0, 0);
  do_now(&w, 0, &c);
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn[0].code, 401);
  CHECK(strcmp(w.turn[0].text, "Unauthorized") == 0);
  w.server.password = "secret of alice";
  w.server.refuse = 300;
  CHECK_EQ(rtc_addr_parse(&w.server.alternate, "203.0.113.9", 3479), 0);
  do_now(&w, 0, &c);
  pass(&w, 1000);
  CHECK_EQ(w.turn[0].code, 300);
  CHECK(w.turn[0].has_path && rtc_addr_eq(&w.turn[0].path.remote, &w.server.alternate));
  w.server.silent = true;
  do_now(&w, 0, &c);
  pass(&w, RTC_TURN_GIVE_UP_MS + 10);
  CHECK_EQ(w.turn[0].code, RTC_TURN_NO_ANSWER);
  CHECK(!w.turn[0].has_path);
  close_world(&w);
}

/* A connection that ends takes its allocations with it, and no others. */
static void disconnected(void) {
  world_t w;
  open_world(&w, 9);
  CHECK(allocate(&w) >= 0);
  rtc_hub_disconnected(w.p.hub[0], 1, rtc_sim_now(w.p.sim));
  pass(&w, 10);
  CHECK_EQ(w.turn[0].state, RTC_TURN_READY);
  rtc_hub_disconnected(w.p.hub[0], 0, rtc_sim_now(w.p.sim));
  pass(&w, 10);
  CHECK_EQ(w.turn[0].state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn[0].code, RTC_TURN_NO_ANSWER);
  CHECK(rtc_hub_next_at(w.p.hub[0]) == RTC_NEVER);
  do_now(&w, 1, &(rtc_cmd_t){.op = RTC_OP_TURN_CLOSE, .id = ALLOCATION});
  rtc_hub_disconnected(w.p.hub[1], 0, rtc_sim_now(w.p.sim)); /* before the server has answered */
  pass(&w, 1);
  CHECK_EQ(w.turn[1].state, RTC_TURN_CLOSED);
  rtc_cmd_t again = turn_of(&w, 0, 0); /* its id and its way are free */
  do_now(&w, 0, &again);
  close_world(&w);
}

static void recv_from(world_t *w, const rtc_addr_t *from, const uint8_t *p, size_t n) {
  rtc_pkt_t *k = rtc_hub_slot(w->p.hub[0]);
  if (!k) exit(2);
  memcpy(k->data, p, n);
  k->len = (uint32_t)n;
  k->path = rtc_sim_path(w->p.sim, w->p.at[0], w->node[0]);
  k->path.remote = *from;
  rtc_hub_recv(w->p.hub[0], k, rtc_sim_now(w->p.sim));
  rtc_sim_flush(w->p.sim, w->p.at[0]);
}

/* What nobody asked for, from the server's address and from others: counted, and nothing else. */
static void strangers(void) {
  world_t w;
  open_world(&w, 7);
  CHECK(allocate(&w) >= 0);
  meet(&w);
  CHECK(connected(&w, 2000));
  rtc_addr_t stranger, server = w.server.addr;
  CHECK_EQ(rtc_addr_parse(&stranger, "203.0.113.66", 6666), 0);
  uint8_t p[128] = {0x47, 0, 0, 20};
  uint64_t short_before = drops(&w, 0, RTC_DROP_SHORT);
  recv_from(&w, &server, p, 24); /* no such channel */
  CHECK_EQ(drops(&w, 0, RTC_DROP_TURN_PEER), 1);
  recv_from(&w, &server, p, 20); /* cut short */
  CHECK_EQ(drops(&w, 0, RTC_DROP_TURN_FORM), 1);
  p[0] = 0x40;
  recv_from(&w, &stranger, p, 24); /* a channel that stands, but not the server */
  CHECK_EQ(drops(&w, 0, RTC_DROP_SHORT), short_before + 1);
  rtc_put16(p + 2, 4);
  memset(p + 4, 0x40, 4);
  recv_from(&w, &server, p, 8); /* ChannelData within ChannelData */
  CHECK_EQ(drops(&w, 0, RTC_DROP_SHORT), short_before + 2);
  static const uint8_t tid[12] = "who knows";
  for (int i = 0; i < 3; i++) {
    rtc_wr_t b = rtc_wr(p, sizeof p);
    rtc_stun_begin(&b, i == 2 ? RTC_STUN_REFRESH | RTC_STUN_SUCCESS : RTC_STUN_DATA, tid);
    if (i != 1) rtc_stun_put_xor_addr(&b, RTC_STUN_A_PEER, &stranger, tid);
    rtc_stun_put(&b, RTC_STUN_A_DATA, "data", 4);
    int n = rtc_stun_end(&b, NULL, 0);
    CHECK(n > 0);
    recv_from(&w, &server, p, (size_t)n);
  }
  CHECK_EQ(drops(&w, 0, RTC_DROP_TURN_PEER), 2);
  CHECK_EQ(drops(&w, 0, RTC_DROP_TURN_FORM), 2);
  CHECK_EQ(drops(&w, 0, RTC_DROP_TURN_AUTH), 1);
  streams(&w);
  int got[HOSTS] = {0};
  exchange(&w, 10, 1, got);
  CHECK(got[0] == 10 && got[1] == 10);
  close_world(&w);
}

/* A socket that sends runs: what goes by an allocation is never one of them. */
static void no_runs(void) {
  world_t w;
  open_world(&w, 8);
  CHECK(allocate(&w) >= 0);
  meet(&w);
  CHECK(connected(&w, 2000));
  streams(&w);
  for (int i = 0; i < HOSTS; i++) rtc_hub_runs(w.p.hub[i], 0, true);
  send_frame(&w, 0, 1, 100);
  pass(&w, 1000);
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = calloc(1, 20000), .len = 20000, .ts = 6000, .key = true}};
  c.u.frame.captured = rtc_sim_now(w.p.sim);
  do_(&w.p, 0, &c);
  rtc_pkt_t *out[64];
  int popped = 0;
  for (int n; (n = rtc_hub_pop(w.p.hub[0], out, 64)) > 0;)
    for (int i = 0; i < n; i++) {
      CHECK_EQ(out[i]->tag[RTC_PKT_RUN], RTC_RUN_ALONE);
      CHECK_EQ(out[i]->path.sock, 0);
      CHECK(rtc_addr_eq(&out[i]->path.remote, &w.server.addr));
      popped++;
      rtc_pkt_put(out[i]);
    }
  CHECK(popped > 0);
  close_world(&w);
}

int main(void) {
  RUN(relay_alone);
  RUN(loss);
  RUN(with_its_transport);
  RUN(commands_refused);
  RUN(told_why);
  RUN(disconnected);
  RUN(strangers);
  RUN(no_runs);
  return CHECK_END();
}
