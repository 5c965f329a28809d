/* Servers: what a STUN or TURN server may do that is not what it should be, and who pretends to be one (E10, E11). */
#include "attack.h"
#include "engine/state.h"
#include "rig.h"
#include "turn_server.h"
#include "wire/stun.h"

enum { AGENT = 1, SERVER = 1, OTHER = 2, STRANGER = 3, PEER = 4, ALLOCATION = 7, TURN_PORT = 3478 };

static rtc_path_t at(int n) {
  rtc_path_t p = rig_path(n);
  if (n == SERVER || n == OTHER) p.remote.port = TURN_PORT;
  return p;
}

/* A hub with one full agent. */
static void open_agent(rig_t *r) {
  rig_open(r, 512);
  rtc_transport_cfg_t cfg = rig_transport(AGENT);
  cfg.ice_role = RTC_ICE_ROLE_CONTROLLING;
  cfg.ice_survives = true;
  snprintf(cfg.ice.remote_ufrag, sizeof cfg.ice.remote_ufrag, "them");
  snprintf(cfg.ice.remote_pwd, sizeof cfg.ice.remote_pwd, "password-of-them-is-long");
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = AGENT, .u.transport = cfg});
}

/* --- STUN */

static void ask(rig_t *r, uint32_t number, int server) {
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_STUN, .id = AGENT, .u.stun = {number, at(server)}});
  rig_pass(r, RTC_MS(60));
}

/* The transaction of the latest request to a server. */
static void tid_to(const rig_t *r, int server, uint8_t tid[RTC_STUN_TID]) {
  rtc_addr_t to = at(server).remote;
  memset(tid, 0, RTC_STUN_TID);
  for (int i = 0; i < r->got_n; i++)
    if (rtc_addr_eq(&r->got[i].to, &to)) memcpy(tid, r->got[i].data + 8, RTC_STUN_TID);
}

static void answer(rig_t *r, const rtc_path_t *from, const uint8_t *tid, int error, uint16_t port) {
  uint8_t b[200];
  rtc_addr_t mapped;
  rtc_addr_set(&mapped, (uint8_t[4]){203, 0, 113, 9}, 4, port);
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_stun_begin(&w, error ? RTC_STUN_BINDING_ERROR : RTC_STUN_BINDING_SUCCESS, tid);
  if (error)
    rtc_stun_put_error(&w, error, NULL);
  else
    rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &mapped, tid);
  int n = rtc_stun_end(&w, NULL, 0);
  CHECK(n > 0);
  rig_raw(r, from, b, (size_t)n);
}

/* What queries have told: how many, and the port of the latest. */
static int told(rig_t *r, uint16_t *port) {
  rtc_event_t e;
  int n = 0;
  while (rtc_hub_event(r->hub, &e)) {
    if (e.type != RTC_EV_STUN) continue;
    n++;
    *port = e.path.remote.port;
  }
  return n;
}

/* An address of ours comes from the server that was asked, in answer to what it was asked, once. */
static void e10_forged_answers(void) {
  rig_t r;
  uint8_t tid[RTC_STUN_TID], other[RTC_STUN_TID], b[RTC_STUN_TID];
  uint16_t port = 0;
  open_agent(&r);
  ask(&r, 1, SERVER);
  ask(&r, 2, OTHER);
  tid_to(&r, SERVER, tid);
  tid_to(&r, OTHER, other);
  CHECK(memcmp(tid, other, sizeof tid) != 0);
  rtc_path_t server = at(SERVER), stranger = at(STRANGER), elsewhere = server;
  elsewhere.sock = 5;
  for (int error = 0; error < 500; error += 420) {
    answer(&r, &stranger, tid, error, 666);
    answer(&r, &elsewhere, tid, error, 666); /* another socket of ours */
    answer(&r, &server, other, error, 666);  /* what another was asked */
    for (size_t bit = 0; bit < 8 * sizeof tid; bit++) {
      memcpy(b, tid, sizeof tid);
      b[bit / 8] ^= (uint8_t)(1 << bit % 8);
      answer(&r, &server, b, error, 666);
    }
  }
  answer(&r, &server, tid, 0, 0); /* no address at all */
  CHECK_EQ(told(&r, &port), 0);
  answer(&r, &server, tid, 0, 1234);
  CHECK_EQ(told(&r, &port), 1);
  CHECK_EQ(port, 1234);
  for (int i = 0; i < 100; i++) answer(&r, &server, tid, 0, (uint16_t)(2000 + i)); /* and again, with others */
  CHECK_EQ(told(&r, &port), 0);
  rig_close(&r);
}

/* --- TURN */

typedef struct turn {
  rig_t r; /* first */
  turn_server_t server;
  int seen; /* of what the hub has sent */
  rtc_turn_state_t state;
  rtc_addr_t relayed;
} turn_t;

static void from_server(void *arg, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n) {
  turn_t *t = arg;
  rtc_path_t path = at(SERVER);
  (void)to;
  if (rtc_addr_eq(from, &path.remote)) rig_raw(&t->r, &path, p, n);
}

/* Carries between hub and server until both are quiet, and some time passes. */
static void pump(turn_t *t, int ms) {
  rtc_addr_t us = at(SERVER).local;
  for (int i = 0; i <= ms; i += 10) {
    for (; t->seen < t->r.got_n; t->seen++) {
      rig_got_t g = t->r.got[t->seen];
      if (rtc_addr_eq(&g.to, &t->server.addr)) turn_server_in(&t->server, &us, &t->server.addr, g.data, g.len, t->r.now);
    }
    rig_pass(&t->r, RTC_MS(10));
  }
  rtc_event_t e;
  while (rtc_hub_event(t->r.hub, &e)) {
    if (e.type != RTC_EV_TURN) continue;
    t->state = (rtc_turn_state_t)e.state;
    t->relayed = e.path.local;
  }
}

static void open_turn(turn_t *t) {
  *t = (turn_t){.state = RTC_TURN_ASKING};
  open_agent(&t->r);
  rtc_addr_t a = at(SERVER).remote;
  turn_server_init(&t->server, &a, from_server, t);
  rtc_cmd_t c = {.op = RTC_OP_TURN, .id = ALLOCATION, .u.turn = {.path = at(SERVER)}};
  snprintf(c.u.turn.username, sizeof c.u.turn.username, "alice");
  snprintf(c.u.turn.password, sizeof c.u.turn.password, "secret of alice");
  rig_do(&t->r, &c);
}

/* An allocation that lets in PEER, which has been checked by way of it. */
static void meet(turn_t *t) {
  open_turn(t);
  pump(t, 200);
  CHECK_EQ(t->state, RTC_TURN_READY);
  rtc_ice_cand_t ours = {
      .addr = t->relayed, .base = t->relayed, .sock = RTC_RELAYED_SOCK | ALLOCATION, .priority = 9, .type = RTC_ICE_RELAY};
  rtc_ice_cand_t theirs = {.addr = at(PEER).remote, .priority = 9, .type = RTC_ICE_HOST};
  rig_do(&t->r, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = AGENT, .u.cand = ours});
  rig_do(&t->r, &(rtc_cmd_t){.op = RTC_OP_REMOTE, .id = AGENT, .u.cand = theirs});
  pump(t, 300);
  CHECK(t->server.indications > 0);
}

static uint64_t unwrapped(turn_t *t) {
  rtc_stats_t s;
  rig_stats(&t->r, &s);
  return s.hub.turn_in;
}

static size_t indication(uint8_t *out, size_t cap, const rtc_addr_t *peer, const void *data, size_t n) {
  uint8_t tid[RTC_STUN_TID] = {7};
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, RTC_STUN_DATA, tid);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, peer, tid);
  rtc_stun_put(&w, RTC_STUN_A_DATA, data, n);
  int len = rtc_stun_end(&w, NULL, 0);
  CHECK(len > 0);
  return len > 0 ? (size_t)len : 0;
}

static size_t channel(uint8_t *out, uint16_t number, size_t claims, size_t n) {
  memset(out, 0x80, n + 4);
  rtc_put16(out, number);
  rtc_put16(out + 2, (uint16_t)claims);
  return n + 4;
}

/* Only the server's word is unwrapped, of peers that were asked for, once, and as long as it says. */
static void e11_forged_data(void) {
  turn_t t;
  uint8_t b[1600], in[1200] = {0x80, 96}, two[1400];
  meet(&t);
  rtc_path_t server = at(SERVER), stranger = at(STRANGER);
  rtc_addr_t peer = at(PEER).remote, nobody = at(50).remote;
  uint64_t before = unwrapped(&t);
  for (int i = 0; i < 2; i++) { /* from elsewhere: an address, a socket */
    stranger.sock = i ? 5 : 0;
    if (i) stranger.remote = server.remote;
    rig_raw(&t.r, &stranger, b, indication(b, sizeof b, &peer, in, 40));
    for (uint16_t n = 0x4000; n < 0x5000; n++) rig_raw(&t.r, &stranger, b, channel(b, n, 40, 40));
  }
  CHECK_EQ(unwrapped(&t), before);
  for (int i = 0; i < 200; i++) { /* of peers that we have not let in, among them the same address in another spelling of it */
    rig_raw(&t.r, &server, b, indication(b, sizeof b, &nobody, in, 40));
    rig_raw(&t.r, &server, b, channel(b, (uint16_t)(0x4000 + i), 40, 40));
    nobody = at(51 + i).remote;
  }
  CHECK_EQ(unwrapped(&t), before);
  CHECK_EQ(rig_drops(&t.r, RTC_DROP_TURN_PEER), 400);
  for (size_t claims = 41; claims < 1500; claims += 97) rig_raw(&t.r, &server, b, channel(b, 0x4000, claims, 40));
  rig_raw(&t.r, &server, b, channel(b, 0x4000, 40, 60)); /* and much after it */
  CHECK_EQ(unwrapped(&t), before);
  size_t n = indication(two, sizeof two, &peer, in, 40);
  rig_raw(&t.r, &server, b, indication(b, sizeof b, &peer, two, n)); /* one within one */
  CHECK_EQ(unwrapped(&t), before + 1);
  rig_raw(&t.r, &server, b, indication(b, sizeof b, &peer, in, 40)); /* the true one */
  CHECK_EQ(unwrapped(&t), before + 2);
  CHECK_EQ(rig_transport_stats(&t.r, AGENT)->state, RTC_T_NEW); /* whatever it said: nothing of it was a check's answer */
  rig_close(&t.r);
}

/* A server that finds every nonce stale, or every password wrong, is asked a few times. */
static void e11_endless_challenges(void) {
  for (int code = 401; code <= 438; code += 37) {
    turn_t t;
    int n = 0, asked = 0;
    open_turn(&t);
    for (rtc_time_t end = t.r.now + RTC_SEC(60); t.r.now < end;) {
      for (; n < t.r.got_n; n++) {
        rig_got_t g = t.r.got[n];
        uint8_t b[300];
        char nonce[32];
        rtc_wr_t w = rtc_wr(b, sizeof b);
        rtc_path_t server = at(SERVER);
        snprintf(nonce, sizeof nonce, "nonce-%d", ++asked);
        rtc_stun_begin(&w, RTC_STUN_ALLOCATE | RTC_STUN_ERROR, g.data + 8);
        rtc_stun_put_error(&w, asked == 1 ? 401 : code, NULL);
        rtc_stun_put(&w, RTC_STUN_A_REALM, code == 401 ? nonce : "realm", code == 401 ? strlen(nonce) : 5);
        rtc_stun_put(&w, RTC_STUN_A_NONCE, nonce, strlen(nonce));
        int len = rtc_stun_end(&w, NULL, 0);
        CHECK(len > 0);
        if (asked < 1000) rig_raw(&t.r, &server, b, (size_t)len);
      }
      rig_pass(&t.r, RTC_MS(50));
    }
    CHECK(asked <= 8);
    pump(&t, 0);
    CHECK_EQ(t.state, RTC_TURN_FAILED);
    rig_close(&t.r);
  }
}

/* Somebody between us and the server, who has no key: an end of the allocation or a refusal that is not signed. */
static void e11_unsigned_answers(void) {
  turn_t t;
  meet(&t);
  t.server.silent = true;
  pump(&t, 1); /* what is under way */
  int from = t.r.got_n, answered = 0;
  rig_pass(&t.r, RTC_SEC(540)); /* until it refreshes: requests that this server leaves alone */
  for (int i = from; i < t.r.got_n; i++) {
    rig_got_t g = t.r.got[i];
    rtc_path_t server = at(SERVER);
    uint16_t type = rtc_get16(g.data);
    if (!rtc_addr_eq(&g.to, &t.server.addr) || type == RTC_STUN_SEND) continue;
    for (int code = 0; code < 2; code++) {
      uint8_t b[200];
      rtc_wr_t w = rtc_wr(b, sizeof b);
      rtc_stun_begin(&w, (uint16_t)(type | (code ? RTC_STUN_SUCCESS : RTC_STUN_ERROR)), g.data + 8);
      if (!code) rtc_stun_put_error(&w, 437, NULL);
      if (code) rtc_stun_put(&w, RTC_STUN_A_LIFETIME, "\0\0\0\0", 4);
      int len = rtc_stun_end(&w, code ? (const uint8_t *)"a key of his own" : NULL, code ? 16 : 0);
      CHECK(len > 0);
      rig_raw(&t.r, &server, b, (size_t)len);
      answered++;
    }
  }
  CHECK(answered > 0);
  CHECK_EQ(rig_drops(&t.r, RTC_DROP_TURN_AUTH), answered);
  t.seen = t.r.got_n;
  pump(&t, 0);
  CHECK_EQ(t.state, RTC_TURN_READY);
  rig_close(&t.r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(e10_forged_answers);
  RUN(e11_forged_data);
  RUN(e11_endless_challenges);
  RUN(e11_unsigned_answers);
  return CHECK_END();
}
