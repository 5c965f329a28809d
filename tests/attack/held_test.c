/* Held: a peer whose handshake is over and whom nobody has accepted yet (E12): it has keys, and talks as if it were welcome. */
#include "attack.h"
#include "engine/state.h"
#include "pair.h"

enum { HOLD_MS = 8000, HELD = 0, PEER = 1 };
static const uint8_t FRAME[] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 1, 2, 3};

static const rtc_transport_t *transport(const pair_t *p, int side) {
  uint32_t id = 1;
  const rtc_transport_t *t = rtc_map_get(&p->hub[side]->transports, &id);
  if (!t) exit(2);
  return t;
}

static void pass(pair_t *p, int ms) {
  rtc_sim_run(p->sim, rtc_sim_now(p->sim) + RTC_MS(ms));
  look(p);
}

static int exec(pair_t *p, int side, const rtc_cmd_t *c) {
  int err = rtc_hub_exec(p->hub[side], c, rtc_sim_now(p->sim));
  rtc_sim_flush(p->sim, p->at[side]);
  return err;
}

static int frame(pair_t *p, int side) {
  uint8_t *data = malloc(sizeof FRAME);
  memcpy(data, FRAME, sizeof FRAME);
  return exec(p, side, &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = data, .len = sizeof FRAME, .key = true}});
}

/* Side 0 holds side 1, each with a stream to send and one to take. */
static void open_held(pair_t *p, uint64_t seed) {
  open_hubs(p, seed);
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(p, i, false);
    c.u.transport.hold_ms = i == HELD ? HOLD_MS : 0;
    do_(p, i, &c);
    rtc_recv_cfg_t in = {
        .transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000, .frames = true};
    rtc_send_cfg_t out = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000};
    out.ssrc = 100 + (uint32_t)i;
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = 1, .u.send = out});
  }
  dial(p);
  for (int i = 0; i < 2000 && p->last[PEER].state != RTC_T_CONNECTED; i++) pass(p, 1);
  CHECK_EQ(p->last[PEER].state, RTC_T_CONNECTED);
}

/* Two hundred frames and reports of a peer that is held, then its acceptance: nothing of before is taken, kept or answered. */
static void e12_media_before_accept(void) {
  pair_t p;
  open_held(&p, 1);
  for (int i = 0; i < 200; i++) {
    CHECK_EQ(frame(&p, PEER), 0);
    CHECK(frame(&p, HELD) < 0);
    pass(&p, 20);
  }
  const rtc_hub_stats_t *st = &p.hub[HELD]->st;
  CHECK_EQ(p.last[HELD].state, RTC_T_HELD);
  CHECK(st->drops[RTC_DROP_HELD] >= 200);
  CHECK_EQ(transport(&p, HELD)->recvs->packets, 0);
  CHECK_EQ(st->rtp_in + st->rtcp_in, 0);
  CHECK_EQ(st->rtp_out + st->rtcp_out, 0);
  CHECK(!rtc_hub_has_frames(p.hub[HELD]));
  CHECK_EQ(exec(&p, HELD, &(rtc_cmd_t){.op = RTC_OP_ACCEPT, .id = 1}), 0);
  pass(&p, 20);
  CHECK_EQ(p.last[HELD].state, RTC_T_CONNECTED);
  CHECK_EQ(transport(&p, HELD)->recvs->packets, 0);
  CHECK_EQ(frame(&p, PEER), 0);
  pass(&p, 100);
  CHECK_EQ(transport(&p, HELD)->recvs->packets, 1);
  close_pair(&p);
}

/* It keeps consent alive and talks on: that buys no time. */
static void e12_never_accepted(void) {
  pair_t p;
  open_held(&p, 2);
  for (int i = 0; i < 2 * HOLD_MS / 100 && p.last[HELD].state == RTC_T_HELD; i++) {
    (void)frame(&p, PEER);
    pass(&p, 100);
  }
  CHECK_EQ(p.last[HELD].state, RTC_T_CLOSED);
  CHECK_EQ(p.last[HELD].reason, RTC_WHY_TIMEOUT);
  CHECK_EQ(p.hub[HELD]->st.rtp_in, 0);
  close_pair(&p);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(e12_media_before_accept);
  RUN(e12_never_accepted);
  return CHECK_END();
}
