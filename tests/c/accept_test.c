/* Certificates of a transport's own, what the peer showed, and handshakes that wait until the owner has accepted the peer: not a byte of
 * media before. */
#include "engine/state.h"
#include "new_cert.h"
#include "pair.h"
#include "proto/dtls_impl.h"

enum { HOLD_MS = 10000 };
static new_cert_t made[2][2]; /* side, kind: 0 ECDSA, 1 RSA */
static const uint8_t FRAME[] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 1, 2, 3};

static rtc_transport_t *transport(pair_t *p, int side) {
  uint32_t id = 1;
  rtc_transport_t *t = rtc_map_get(&p->hub[side]->transports, &id);
  if (!t) exit(2);
  return t;
}

static void pass(pair_t *p, rtc_time_t us) {
  rtc_sim_run(p->sim, rtc_sim_now(p->sim) + us);
  look(p);
}

static int exec(pair_t *p, int side, rtc_cmd_t c) {
  int err = rtc_hub_exec(p->hub[side], &c, rtc_sim_now(p->sim));
  rtc_sim_flush(p->sim, p->at[side]);
  return err;
}

static int accept_on(pair_t *p, int side) { return exec(p, side, (rtc_cmd_t){.op = RTC_OP_ACCEPT, .id = 1}); }

static int frame(pair_t *p, int side) {
  uint8_t *data = malloc(sizeof FRAME);
  memcpy(data, FRAME, sizeof FRAME);
  return exec(p, side, (rtc_cmd_t){.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = data, .len = sizeof FRAME, .key = true}});
}

/* A pair of which `holds` has a bit a side; each sends a stream and takes the other's. */
static void open_held(pair_t *p, uint64_t seed, bool server_is_dtls_client, int holds, uint32_t hold_ms) {
  open_hubs(p, seed);
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(p, i, server_is_dtls_client);
    c.u.transport.hold_ms = holds >> i & 1 ? hold_ms : 0;
    do_(p, i, &c);
    rtc_recv_cfg_t in = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000};
    rtc_send_cfg_t out = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000};
    out.ssrc = 100 + (uint32_t)i;
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = 1, .u.send = out});
  }
  dial(p);
}

static void until_held(pair_t *p, int side) {
  for (int i = 0; i < 1000 && (p->last[side].state != RTC_T_HELD || p->last[1 - side].state != RTC_T_CONNECTED); i++) pass(p, RTC_MS(1));
  CHECK_EQ(p->last[side].state, RTC_T_HELD);
  CHECK_EQ(p->last[1 - side].state, RTC_T_CONNECTED);
}

static uint64_t got(pair_t *p, int side) { return transport(p, side)->recvs->packets; }
static uint64_t drops(pair_t *p, int side, rtc_drop_t why) { return p->hub[side]->st.drops[why]; }

static void not_a_byte_before_it(void) {
  for (int n = 0; n < 4; n++) {
    pair_t p;
    int side = n & 1, other = 1 - side;
    open_held(&p, (uint64_t)n + 1, n >> 1, 1 << side, HOLD_MS);
    CHECK_EQ(accept_on(&p, side), RTC_ESTATE); /* there is nothing to accept yet */
    until_held(&p, side);
    uint64_t rtp_out = p.hub[side]->st.rtp_out, rtcp_out = p.hub[side]->st.rtcp_out;
    for (int i = 0; i < 10; i++) {
      CHECK_EQ(frame(&p, other), 0);
      CHECK_EQ(frame(&p, side), RTC_ESTATE);
      pass(&p, RTC_MS(300));
    }
    CHECK_EQ(p.last[side].state, RTC_T_HELD);
    CHECK_EQ(p.last[side].connected, 0);
    CHECK_EQ(got(&p, side), 0);
    CHECK_EQ(got(&p, other), 0);
    CHECK(drops(&p, side, RTC_DROP_HELD) >= 10); /* and the other's reports */
    CHECK_EQ(drops(&p, side, RTC_DROP_NO_KEYS), 0);
    CHECK_EQ(p.hub[side]->st.rtp_out, rtp_out);
    CHECK_EQ(p.hub[side]->st.rtcp_out, rtcp_out);
    uint64_t early = drops(&p, side, RTC_DROP_HELD);

    CHECK_EQ(accept_on(&p, side), 0);
    CHECK_EQ(accept_on(&p, side), 0); /* once more: no error */
    look(&p);
    CHECK_EQ(p.last[side].state, RTC_T_CONNECTED);
    CHECK(p.last[side].connected > 0);
    CHECK_EQ(frame(&p, other), 0);
    CHECK_EQ(frame(&p, side), 0);
    pass(&p, RTC_MS(300));
    CHECK_EQ(got(&p, side), 1);
    CHECK_EQ(got(&p, other), 1);
    CHECK_EQ(drops(&p, side, RTC_DROP_HELD), early);
    pass(&p, RTC_SEC(60));
    CHECK_EQ(p.last[side].state, RTC_T_CONNECTED);
    close_pair(&p);
  }
}

static void both_hold(void) {
  pair_t p;
  open_held(&p, 11, false, 3, HOLD_MS);
  CHECK(until(&p, RTC_T_HELD, RTC_SEC(5)) != RTC_NEVER);
  CHECK_EQ(accept_on(&p, 0), 0);
  pass(&p, RTC_SEC(2));
  CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
  CHECK_EQ(p.last[1].state, RTC_T_HELD);
  CHECK_EQ(accept_on(&p, 1), 0);
  CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(1)) != RTC_NEVER);
  close_pair(&p);
}

/* Who says nothing has refused; the peer is told. */
static void time_out_refuses(void) {
  for (int side = 0; side < 2; side++) {
    pair_t p;
    open_held(&p, 12, side, 1 << side, HOLD_MS);
    until_held(&p, side);
    pass(&p, RTC_MS(HOLD_MS - 200));
    CHECK_EQ(p.last[side].state, RTC_T_HELD);
    pass(&p, RTC_MS(400));
    CHECK_EQ(p.last[side].state, RTC_T_CLOSED);
    CHECK_EQ(p.last[side].reason, RTC_WHY_TIMEOUT);
    CHECK(!strcmp(p.last[side].text, "the peer was not accepted in time"));
    CHECK_EQ(p.last[1 - side].reason, RTC_WHY_CLOSE_NOTIFY);
    CHECK_EQ(accept_on(&p, side), 0); /* too late, which is no error and changes nothing */
    close_pair(&p);
  }
}

static void refused_with_a_reason(void) {
  pair_t p;
  open_held(&p, 13, true, 2, HOLD_MS);
  until_held(&p, 1);
  CHECK_EQ(exec(&p, 1, (rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1, .u.why = "not who it should be"}), 0);
  CHECK_EQ(accept_on(&p, 1), 0);
  pass(&p, RTC_MS(100));
  CHECK_EQ(p.last[1].state, RTC_T_CLOSED);
  CHECK_EQ(p.last[1].reason, RTC_WHY_COMMAND);
  CHECK(!strcmp(p.last[1].text, "not who it should be"));
  CHECK_EQ(p.last[0].reason, RTC_WHY_CLOSE_NOTIFY);
  close_pair(&p);
}

/* OpenSSL's session may go while the owner thinks; a peer who leaves meanwhile is gone. */
static void held_for_long(void) {
  for (int side = 0; side < 2; side++) {
    pair_t p;
    open_held(&p, 14, false, 1 << side, 90000);
    until_held(&p, side);
    pass(&p, RTC_SEC(60));
    CHECK_EQ(p.last[side].state, RTC_T_HELD);
    CHECK(transport(&p, side)->handed && !transport(&p, side)->dtls);
    CHECK_EQ(accept_on(&p, side), 0);
    CHECK_EQ(frame(&p, 1 - side), 0);
    pass(&p, RTC_MS(200));
    CHECK_EQ(p.last[side].state, RTC_T_CONNECTED);
    CHECK_EQ(got(&p, side), 1);
    close_pair(&p);

    open_held(&p, 15, false, 1 << side, 90000);
    until_held(&p, side);
    CHECK_EQ(exec(&p, 1 - side, (rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}), 0);
    pass(&p, RTC_MS(200));
    CHECK_EQ(p.last[side].reason, RTC_WHY_CLOSE_NOTIFY);
    close_pair(&p);

    open_held(&p, 16, false, 1 << side, 90000);
    until_held(&p, side);
    both_ways(&p, &(rtc_link_t){.loss = 1});
    pass(&p, RTC_SEC(40));
    CHECK_EQ(p.last[side].reason, RTC_WHY_CONSENT);
    close_pair(&p);
  }
}

/* A wrong fingerprint is not asked about. */
static void wrong_fingerprint_is_never_held(void) {
  pair_t p;
  open_hubs(&p, 17);
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(&p, i, false);
    c.u.transport.hold_ms = HOLD_MS;
    if (i == 0) c.u.transport.fp[0].value[5] ^= 1;
    do_(&p, i, &c);
  }
  dial(&p);
  rtc_event_t e;
  for (int i = 0; i < 2000; i++) {
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(1));
    while (rtc_hub_event(p.hub[0], &e)) {
      CHECK(e.state != RTC_T_HELD);
      p.last[0] = e;
    }
  }
  CHECK_EQ(p.last[0].reason, RTC_WHY_DTLS);
  close_pair(&p);
}

/* Of each kind, in both roles, two transports of a hub each with its own; nothing of a certificate stays. */
static void certificates_of_their_own(void) {
  for (int n = 0; n < 8; n++) {
    pair_t p;
    open_hubs(&p, 20 + (uint64_t)n);
    const new_cert_t *of[2] = {&made[0][n & 1], &made[1][n >> 1 & 1]};
    rtc_dtls_ctx_t *ctx[2];
    for (int i = 0; i < 2; i++) ctx[i] = new_cert_ctx(of[i]);
    for (int i = 0; i < 2; i++) {
      rtc_cmd_t c = transport_of(&p, i, n >> 2);
      c.u.transport.dtls = rtc_dtls_ctx_ref(ctx[i]);
      c.u.transport.certs = i == 0;
      int len = rtc_dtls_ctx_fingerprint(ctx[1 - i], 256, c.u.transport.fp[0].value);
      CHECK_EQ(len, 32);
      do_(&p, i, &c);
    }
    for (int i = 0; i < 2; i++) CHECK_EQ(atomic_load(&ctx[i]->refs), 2); /* ours, and the association's */
    dial(&p);
    rtc_event_t e;
    rtc_certs_t *certs = NULL;
    for (int i = 0; i < 1000 && p.last[0].state != RTC_T_CONNECTED; i++) {
      rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_MS(1));
      while (rtc_hub_event(p.hub[0], &e)) {
        p.last[0] = e;
        if (!e.certs) continue;
        CHECK(!certs);
        certs = e.certs;
      }
    }
    look(&p);
    for (int i = 0; i < 2; i++) CHECK_EQ(p.last[i].state, RTC_T_CONNECTED);
    CHECK(certs && certs->len == of[1]->der_n + 3);
    if (certs) CHECK_MEM(certs->data + 3, of[1]->der, of[1]->der_n);
    if (certs) CHECK_EQ(rtc_get24(certs->data), of[1]->der_n);
    free(certs);
    CHECK(!p.last[1].certs); /* not asked for */
    pass(&p, RTC_SEC(35));
    for (int i = 0; i < 2; i++) {
      CHECK(transport(&p, i)->handed);
      CHECK_EQ(atomic_load(&ctx[i]->refs), 1);
      rtc_dtls_ctx_free(ctx[i]);
    }
    pass(&p, RTC_SEC(35));
    CHECK_EQ(p.last[0].state, RTC_T_CONNECTED);
    close_pair(&p);
  }
}

/* A reference passes with its command whatever comes of it; so do certificates that nobody collects. */
static void nothing_stays(void) {
  pair_t p;
  open_hubs(&p, 30);
  rtc_dtls_ctx_t *ctx = new_cert_ctx(&made[0][0]);
  rtc_cmd_t c = transport_of(&p, 0, false);
  c.u.transport.certs = true;
  c.u.transport.dtls = rtc_dtls_ctx_ref(ctx);
  CHECK_EQ(exec(&p, 0, c), 0);
  CHECK_EQ(atomic_load(&ctx->refs), 2);
  c.u.transport.dtls = rtc_dtls_ctx_ref(ctx);
  CHECK_EQ(exec(&p, 0, c), RTC_EINVAL); /* the id is taken */
  CHECK_EQ(atomic_load(&ctx->refs), 2);
  c.u.transport.dtls = rtc_dtls_ctx_ref(ctx);
  rtc_cmd_drop(&c, 1);
  CHECK_EQ(atomic_load(&ctx->refs), 2);
  CHECK_EQ(exec(&p, 0, (rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}), 0);
  CHECK_EQ(atomic_load(&ctx->refs), 1);
  rtc_dtls_ctx_free(ctx);
  look(&p);

  /* Connected, and the hub freed before anybody looked. */
  for (int i = 0; i < 2; i++) {
    c = transport_of(&p, i, false);
    c.id = 1;
    c.u.transport.certs = true;
    c.u.transport.hold_ms = i ? HOLD_MS : 0;
    do_(&p, i, &c);
  }
  dial(&p);
  rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(1));
  for (int i = 0; i < 2; i++) CHECK(transport(&p, i)->certs);
  CHECK(transport(&p, 1)->held);
  close_pair(&p);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  for (int i = 0; i < 4; i++) new_cert_make(&made[i >> 1][i & 1], i & 1);
  RUN(not_a_byte_before_it);
  RUN(both_hold);
  RUN(time_out_refuses);
  RUN(refused_with_a_reason);
  RUN(held_for_long);
  RUN(wrong_fingerprint_is_never_held);
  RUN(certificates_of_their_own);
  RUN(nothing_stays);
  return CHECK_END();
}
