/* Handshakes among strangers: ICE and DTLS of two engines in virtual time while others throw ClientHellos and scraps at the server
 * (A1, A5), and handshakes with whom the fingerprints do not name (A11). */
#include "attack.h"
#include "hellos.h"
#include "pair.h"

enum { LINK_MS = 10, SERVER = 0, CLIENT = 1 };

static void put_datagram(pair_t *p, int side, const rtc_path_t *from, const uint8_t *b, size_t n) {
  rtc_pkt_t *k = rtc_hub_slot(p->hub[side]);
  if (!k) exit(2);
  memcpy(k->data, b, n);
  k->len = (uint32_t)n;
  k->path = *from;
  k->at = rtc_sim_now(p->sim);
  rtc_hub_recv(p->hub[side], k, k->at);
  rtc_sim_flush(p->sim, p->at[side]);
}

static rtc_hub_stats_t hub_stats(pair_t *p, int side) {
  rtc_stats_t s = {0};
  do_(p, side, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  return s.hub;
}

static void pass(pair_t *p, rtc_time_t us) {
  rtc_sim_run(p->sim, rtc_sim_now(p->sim) + us);
  look(p);
}

typedef struct thrower {
  hellos_t hello;
  uint64_t dice, sent;
} thrower_t;

/* From other hosts, from other ports of the client's host, and, while it has passed no check, from the client's own address. */
static void foreign_hello(pair_t *p, thrower_t *h, bool before) {
  rtc_path_t from = rtc_sim_path(p->sim, p->at[SERVER], p->at[CLIENT]);
  uint64_t r = attack_dice(&h->dice);
  uint8_t ip[4] = {203, 0, (uint8_t)(r >> 8), (uint8_t)r}, near[4] = {10, 0, 0, 2};
  if (h->sent % 3 || !before) rtc_addr_set(&from.remote, h->sent % 2 ? ip : near, 4, (uint16_t)(20000 + (r >> 16) % 30000));
  bool null = h->sent % 4 < 2;
  put_datagram(p, SERVER, &from, null ? h->hello.null_cipher : h->hello.valid, null ? h->hello.null_n : h->hello.valid_n);
  h->sent++;
}

/* A1: 10,000 foreign ClientHellos before ICE, as many during and after it: 200 of 200 connect and stay. */
static void a1_foreign_client_hellos(void) {
  enum { HANDSHAKES = 200 };
  int each = (int)(50 * check_scale()), connected = 0;
  thrower_t h = {.dice = 3};
  hellos_make(&h.hello);
  CHECK(h.hello.valid_n > h.hello.null_n && h.hello.valid[13] == 1 && h.hello.null_cipher[13] == 1);
  for (uint64_t i = 0; i < HANDSHAKES; i++) {
    pair_t p;
    open_pair(&p, i + 1, i % 2, -1);
    rtc_link_t link = {.delay_us = RTC_MS(LINK_MS)};
    both_ways(&p, &link);
    h.sent = 0;
    for (int k = 0; k < each; k++) foreign_hello(&p, &h, true);
    for (int k = 0; k < each; k++) { /* 6 of LINK_MS */
      rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(LINK_MS * 6) / each);
      foreign_hello(&p, &h, false);
    }
    bool up = until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER;
    for (int k = 0; k < each; k++) foreign_hello(&p, &h, false);
    pass(&p, RTC_SEC(40)); /* past consent's end and the hand-over of the records */
    connected += up && p.last[0].state == RTC_T_CONNECTED && p.last[1].state == RTC_T_CONNECTED;
    rtc_hub_stats_t s = hub_stats(&p, SERVER);
    CHECK_EQ(h.sent, (uint64_t)each * 3);
    CHECK_EQ(s.drops[RTC_DROP_PATH], h.sent);
    CHECK_EQ(s.out_packets, rtc_sim_link_stats(p.sim, p.at[SERVER], p.at[CLIENT])->sent); /* nothing to anybody else */
    close_pair(&p);
  }
  CHECK_EQ(connected, HANDSHAKES);
  check_figure("foreign_hellos", each * 3.0 * HANDSHAKES);
  check_figure("connected_of_200", connected);
}

/* One of them: zeros, ones, noise, or a record whose framing is right. A plain alert is what it says (DTLS 1.2 has no other), and is
 * left out. */
static size_t scrap(uint8_t b[64], int i, int fill) {
  size_t len = (size_t)(i % 65);
  for (int k = 0; k < 64; k++) b[k] = fill == 0 ? 0 : fill == 1 ? 0xff : (uint8_t)(i * 7 + k * 31);
  b[0] = (uint8_t)(i / 65);
  if (fill < 3 || len < 13) return len;
  rtc_put16(b + 1, 0xfefd);
  rtc_put16(b + 3, (uint16_t)(i % 2));
  rtc_put16(b + 11, (uint16_t)(len - 13));
  return b[0] == 21 && len == 15 ? 0 : len;
}

/* A5 while the handshake runs: every length 0 .. 64 with every first byte, to both sides under the other's true address. */
static void a5_scraps_in_the_handshake(void) {
  for (int fill = 0; fill < 8; fill++) {
    pair_t p;
    open_pair(&p, 31 + (uint64_t)fill, fill / 4, -1);
    rtc_link_t link = {.delay_us = RTC_MS(LINK_MS)};
    both_ways(&p, &link);
    rtc_path_t from[2];
    for (int side = 0; side < 2; side++) from[side] = rtc_sim_path(p.sim, p.at[side], p.at[1 - side]);
    for (int i = 0; i < 65 * 256; i++) {
      uint8_t b[64];
      size_t len = scrap(b, i, fill % 4);
      for (int side = 0; side < 2; side++) put_datagram(&p, side, &from[side], b, len);
      if (i % 100 == 0) pass(&p, RTC_MS(1));
    }
    for (int side = 0; side < 2; side++) CHECK(p.last[side].state != RTC_T_CLOSED);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(20)) != RTC_NEVER);
    close_pair(&p);
  }
}

typedef enum kind { RIGHT, ONE_BIT, ALL_ZERO, CUT, OTHER_NAME } kind_t;
typedef struct mismatch {
  int n;
  struct {
    int bits;
    kind_t kind;
  } fp[3];
  bool refused; /* as a command: there is no handshake at all */
} mismatch_t;

static rtc_fingerprint_t print_of(const pair_t *p, int bits, kind_t kind) {
  rtc_fingerprint_t f = {.bits = (uint16_t)bits};
  int n = rtc_dtls_ctx_fingerprint(p->ctx, bits, f.value);
  if (n <= 0) exit(2);
  f.len = (uint8_t)n;
  if (kind == ONE_BIT) f.value[n - 1] ^= 1;
  if (kind == ALL_ZERO) memset(f.value, 0, sizeof f.value);
  if (kind == CUT) f.len = 16;
  if (kind == OTHER_NAME) f.bits = bits == 256 ? 384 : 256;
  return f;
}

static void give_streams(pair_t *p, int side) {
  do_(p, side,
      &(rtc_cmd_t){
          .op = RTC_OP_RECV, .id = 1, .u.recv = {.transport = 1, .codec = RTC_CODEC_OPUS, .pt = 111, .rtx_pt = -1, .clock_rate = 48000}});
  do_(p, side,
      &(rtc_cmd_t){.op = RTC_OP_SEND,
                   .id = 1,
                   .u.send = {.transport = 1, .codec = RTC_CODEC_OPUS, .pt = 111, .rtx_pt = -1, .clock_rate = 48000, .ssrc = 5}});
}

/* Both sides have something to say all the while. Closed sides refuse it; the frame is taken all the same. */
static void say_something(pair_t *p) {
  for (int side = 0; side < 2; side++) {
    rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = calloc(1, 80), .len = 80}};
    (void)!rtc_hub_exec(p->hub[side], &c, rtc_sim_now(p->sim));
    rtc_sim_flush(p->sim, p->at[side]);
  }
}

/* True when media flows both ways; exits when it flows one way only. */
static bool try_fingerprints(const mismatch_t *m, int strict, bool server_is_dtls_client) {
  pair_t p;
  open_hubs(&p, 77);
  bool refused = false;
  for (int side = 0; side < 2; side++) {
    rtc_cmd_t c = transport_of(&p, side, server_is_dtls_client);
    rtc_transport_cfg_t *t = &c.u.transport;
    if (side == strict) {
      t->fp_n = (uint8_t)m->n;
      for (int i = 0; i < m->n; i++) t->fp[i] = print_of(&p, m->fp[i].bits, m->fp[i].kind);
    }
    int err = rtc_hub_exec(p.hub[side], &c, rtc_sim_now(p.sim));
    CHECK(err == 0 || (side == strict && m->refused));
    refused |= err < 0;
    if (err == 0) give_streams(&p, side);
  }
  CHECK_EQ(refused, m->refused);
  if (!refused || strict == SERVER) dial(&p);
  for (int i = 0; i < 1000; i++) {
    say_something(&p);
    pass(&p, RTC_MS(5));
  }
  uint64_t in[2], out[2];
  for (int side = 0; side < 2; side++) {
    rtc_hub_stats_t s = hub_stats(&p, side);
    in[side] = s.rtp_in;
    out[side] = s.rtp_out;
  }
  bool flows = in[0] && in[1] && out[0] && out[1];
  if (!flows) { /* not one packet, either way */
    CHECK_EQ(in[0] + in[1] + out[0] + out[1], 0);
    for (int side = 0; side < 2 && !refused; side++) {
      CHECK_EQ(p.last[side].state, RTC_T_CLOSED);
      CHECK_EQ(p.last[side].reason, RTC_WHY_DTLS);
      CHECK_EQ(p.last[side].connected, 0);
    }
    if (!refused) CHECK(!strcmp(p.last[strict].text, "fingerprint mismatch"));
  }
  close_pair(&p);
  return flows;
}

/* A11: every fingerprint that was told must fit the certificate (RFC 8122 asks for one of each hash that we know). */
static void a11_fingerprint_mismatches(void) {
  static const mismatch_t wrong[] = {
      {1, {{256, ONE_BIT}}, false},
      {1, {{384, ONE_BIT}}, false},
      {1, {{512, ONE_BIT}}, false},
      {1, {{256, ALL_ZERO}}, false},
      {2, {{256, RIGHT}, {512, ONE_BIT}}, false},
      {2, {{384, ONE_BIT}, {256, RIGHT}}, false},
      {3, {{1, ONE_BIT}, {256, RIGHT}, {512, RIGHT}}, false},
      {1, {{256, OTHER_NAME}}, true},
      {1, {{512, OTHER_NAME}}, true},
      {1, {{256, CUT}}, true},
      {1, {{1, RIGHT}}, true}, /* SHA-1 alone proves nothing */
      {0, {{0}}, true},
  };
  static const mismatch_t right[] = {
      {1, {{256, RIGHT}}, false},
      {1, {{384, RIGHT}}, false},
      {1, {{512, RIGHT}}, false},
      {3, {{1, RIGHT}, {256, RIGHT}, {512, RIGHT}}, false},
  };
  enum { WRONG = sizeof wrong / sizeof wrong[0], RIGHTS = sizeof right / sizeof right[0] };
  int failed = 0;
  for (int run = 0; run < 4; run++) { /* each side checks the other, in each role */
    for (int i = 0; i < WRONG; i++) failed += !try_fingerprints(&wrong[i], run & 1, run >> 1);
    for (int i = 0; i < RIGHTS; i++) CHECK(try_fingerprints(&right[i], run & 1, run >> 1));
  }
  CHECK_EQ(failed, 4 * WRONG);
  check_figure("mismatches", 4 * WRONG);
  check_figure("mismatches_failed", failed);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(a1_foreign_client_hellos);
  RUN(a5_scraps_in_the_handshake);
  RUN(a11_fingerprint_mismatches);
  return CHECK_END();
}
