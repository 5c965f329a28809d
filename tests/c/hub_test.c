#include "check.h"
#include "rig.h"
#include "test_cert.h"
#include "wire/stun.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

/* A relay at work: publisher (peer 0, receiver 1), viewer (peer 1, sender 2), and transport 9 that waits for its first check. */
static void open_relay(rig_t *r) {
  rig_open(r, 0);
  int pub = rig_join(r, GCM), view = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
  rig_wait_for(r, 9);
  for (int i = 0; i < 20; i++) rig_vp8(r, pub, 100, 500 + i, 3000 * i, true, i == 0);
}

/* All that statistics tell of transports and streams, and the sum of all drops. */
typedef struct snapshot {
  rtc_transport_stats_t transport[8];
  rtc_recv_stats_t recv[8];
  rtc_send_stats_t send[8];
  uint32_t n, pool;
  uint64_t drops, in, out;
  rtc_time_t next_at;
} snapshot_t;

static void snap(rig_t *r, snapshot_t *s) {
  rtc_stats_t st;
  memset(s, 0, sizeof *s);
  rig_stats(r, &st);
  s->n = st.transport_n;
  s->pool = st.hub.pool_used;
  s->in = st.hub.in_packets;
  s->out = r->datagrams;
  s->next_at = rtc_hub_next_at(r->hub);
  memcpy(s->transport, st.transport, st.transport_n * sizeof *st.transport);
  memcpy(s->recv, st.recv, st.recv_n * sizeof *st.recv);
  memcpy(s->send, st.send, st.send_n * sizeof *st.send);
  for (int i = 0; i < RTC_DROP_COUNT; i++) s->drops += st.hub.drops[i];
}

static void check_unchanged(rig_t *r, const snapshot_t *before, uint64_t datagrams) {
  snapshot_t after;
  rtc_event_t e;
  snap(r, &after);
  CHECK_EQ(after.n, before->n);
  CHECK_EQ(after.pool, before->pool);
  CHECK_EQ(after.out, before->out); /* not one byte out */
  CHECK_EQ(after.next_at, before->next_at);
  CHECK_EQ(after.in - before->in, datagrams);
  CHECK_EQ(after.drops - before->drops, datagrams); /* each for one reason */
  CHECK_MEM(after.transport, before->transport, sizeof after.transport);
  CHECK_MEM(after.recv, before->recv, sizeof after.recv);
  CHECK_MEM(after.send, before->send, sizeof after.send);
  CHECK_EQ(rtc_hub_event(r->hub, &e), 0);
}

static void quiet(rig_t *r) {
  rtc_event_t e;
  while (rtc_hub_event(r->hub, &e)) {}
  rig_forget(r);
}

/* Every length 0 .. 64 with every first byte, from a stranger and under the name of a peer (A5, B1). */
static void short_datagrams(void) {
  for (int from = 0; from < 2; from++) {
    rig_t r;
    snapshot_t before;
    open_relay(&r);
    quiet(&r);
    snap(&r, &before);
    rtc_path_t path = from ? r.peer[0].path : rig_path(999);
    uint64_t sent = 0;
    for (int fill = 0; fill < 3; fill++)
      for (size_t len = 0; len <= 64; len++)
        for (int first = 0; first < 256; first++) {
          uint8_t b[64];
          for (int i = 0; i < 64; i++) b[i] = fill == 0 ? 0 : fill == 1 ? 0xff : (uint8_t)(first * 7 + i * 31 + (int)len);
          b[0] = (uint8_t)first;
          if (fill == 2 && first < 4) rtc_put32(b + 4, 0x2112A442);
          if (fill == 2 && len >= 20) rtc_put16(b + 2, (uint16_t)(len - 20));
          rig_raw(&r, &path, b, len);
          sent++;
        }
    check_unchanged(&r, &before, sent);
    rig_vp8(&r, 0, 100, 520, 60000, true, false);
    CHECK_EQ(rig_media_n(&r, 1, 9000), 1);
    rig_close(&r);
  }
}

/* RTP and RTCP from three addresses that passed no check, among it true packets of a peer (A2). */
static void media_from_strangers(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  uint32_t rnd = 7;
  for (int i = 0; i < 100000; i++) {
    uint8_t b[200];
    size_t n = 12 + (rnd = rnd * 1664525 + 1013904223) % 180;
    for (size_t j = 0; j < n; j++) b[j] = (uint8_t)(rnd >> (j & 15));
    b[0] = 0x80;
    b[1] = i % 3 ? 96 : 200;
    rtc_put16(b + 2, (uint16_t)(520 + i));
    rtc_put32(b + 8, 100);
    if (i % 10 == 9) { /* a true one, seen on the way */
      rtc_rtp_t h = {.ssrc = 77, .seq = (uint16_t)i, .pt = 96};
      rtc_rtp_write(b, &h);
      int len = rtc_srtp_protect(&r.peer[0].tx, b, 40, sizeof b, i);
      CHECK(len > 0);
      n = (size_t)len;
    }
    rtc_path_t path = rig_path(900 + i % 3);
    rig_raw(&r, &path, b, n);
  }
  check_unchanged(&r, &before, 100000);
  CHECK_EQ(rig_drops(&r, RTC_DROP_PATH), 100000);
  rig_close(&r);
}

/* Packets with wrong tags under the peer's own address end nothing and lose nothing of what is true (A3). */
static void wrong_tags(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  uint32_t rnd = 9;
  for (int i = 0; i < 100000; i++) {
    uint8_t b[120];
    for (size_t j = 0; j < sizeof b; j++) b[j] = (uint8_t)((rnd = rnd * 1664525 + 1013904223) >> 24);
    b[0] = 0x80;
    b[1] = i % 4 ? 96 : 201;
    rtc_put16(b + 2, i % 4 ? (uint16_t)(500 + i) : (uint16_t)24);
    if (i % 3) rtc_put32(b + 8, 100);
    rig_raw(&r, &r.peer[0].path, b, sizeof b);
  }
  check_unchanged(&r, &before, 100000);
  for (int i = 0; i < 1000; i++) rig_vp8(&r, 0, 100, 520 + i, 3000 * (20 + i), true, false);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1020);
  CHECK_EQ(rig_send_stats(&r, 2)->packets, 1020);
  rig_close(&r);
}

/* Checks with one bit wrong, a wrong password, no integrity, of strangers or under a peer's address; answers that nobody asked for
 * (A4, A6). */
static void forged_checks(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  uint8_t good[256], b[256];
  size_t n = rig_write_check(good, sizeof good, "user-9:them", "password-of-user-9-is-long", true);
  rtc_path_t path = rig_path(900);
  uint64_t sent = 0, indications = 0;
  for (size_t bit = 0; bit < n * 8; bit++) {
    if (bit >= (n - 8) * 8 && bit < (n - 6) * 8) continue; /* FINGERPRINT's type: what follows the integrity is not looked at */
    memcpy(b, good, n);
    b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    rtc_stun_t m;
    if (b[0] <= 3 && rtc_stun_parse(&m, b, n) == 0 && m.type == RTC_STUN_BINDING_INDICATION) indications++;
    rig_raw(&r, bit & 1 ? &path : &r.peer[1].path, b, n);
    sent++;
  }
  for (size_t cut = 0; cut < n; cut++, sent++) rig_raw(&r, &path, good, cut);
  for (int i = 0; i < 20000; i++, sent++) {
    char user[40], pwd[40];
    snprintf(user, sizeof user, "user-%d:%d", i % 12, i);
    snprintf(pwd, sizeof pwd, "password-of-user-%d-is-wrong", i % 12);
    path = rig_path(1000 + i);
    rig_check(&r, &path, user, pwd, true);
  }
  for (int i = 0; i < 1000; i++, sent++) { /* answers: no integrity, or a peer's */
    uint8_t tid[12] = {(uint8_t)i};
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_stun_begin(&w, i & 1 ? RTC_STUN_BINDING_SUCCESS : RTC_STUN_BINDING_ERROR, tid);
    if (!(i & 1)) rtc_stun_put_error(&w, 487, NULL);
    int len = rtc_stun_end(&w, i & 2 ? (const uint8_t *)"password-of-user-1-is-long" : NULL, i & 2 ? 26 : 0);
    CHECK(len > 0);
    rig_raw(&r, i & 4 ? &path : &r.peer[0].path, b, (size_t)len);
  }
  check_unchanged(&r, &before, sent - indications);
  path = rig_path(900);
  rig_raw(&r, &path, good, n); /* and the true one passes */
  CHECK_EQ(r.got_n, 1);
  CHECK(r.got_n && r.got[0].len <= n + 100);
  rig_close(&r);
}

/* Commands that cannot be are refused and change nothing. */
static void impossible_commands(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  rtc_transport_cfg_t again = rig_transport(9);
  rtc_recv_cfg_t in = rig_recv(0, true), nowhere = rig_recv(70, true), odd = in;
  rtc_send_cfg_t out = rig_send(0, true, 5), lost = rig_send(70, true, 5);
  odd.pt = 128;
  const rtc_cmd_t bad[] = {
      {.op = 0, .id = 1},
      {.op = 99, .id = 1},
      {.op = RTC_OP_TRANSPORT, .id = 0, .u.transport = rig_transport(50)},
      {.op = RTC_OP_TRANSPORT, .id = 9, .u.transport = rig_transport(50)},
      {.op = RTC_OP_TRANSPORT, .id = 60, .u.transport = again}, /* its user name is taken */
      {.op = RTC_OP_RECV, .id = 0, .u.recv = in},
      {.op = RTC_OP_RECV, .id = 1, .u.recv = in},
      {.op = RTC_OP_RECV, .id = 5, .u.recv = nowhere},
      {.op = RTC_OP_RECV, .id = 5, .u.recv = odd},
      {.op = RTC_OP_SEND, .id = 0, .u.send = out},
      {.op = RTC_OP_SEND, .id = 2, .u.send = out},
      {.op = RTC_OP_SEND, .id = 5, .u.send = lost},
      {.op = RTC_OP_KEYFRAME, .id = 77},
      {.op = RTC_OP_RATE, .id = 1, .u.rate_bps = 0},
      {.op = RTC_OP_RATE, .id = 77, .u.rate_bps = 1},
      {.op = RTC_OP_RESTART, .id = 1, .u.ice = again.ice},
      {.op = RTC_OP_PATH, .id = 9, .u.path = rig_path(5)}, /* a lite agent checks nobody */
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(rtc_hub_exec(r.hub, &bad[i], r.now), RTC_EINVAL);
  for (int i = 0; i < 3; i++) { /* a frame's data is taken, whatever comes */
    rtc_cmd_t f = {.op = RTC_OP_FRAME, .id = i == 0 ? 77 : 2, .u.frame = {.data = malloc(10), .len = i == 1 ? 10 : 0}};
    CHECK(rtc_hub_exec(r.hub, &f, r.now) < 0);
  }
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = 77, .u.link = 1}, r.now), 0);
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 77}, r.now), 0);
  check_unchanged(&r, &before, 0);
  rig_close(&r);
}

typedef struct shop { /* a hub that does DTLS, with transports 1 .. n that have passed a check */
  rig_t r;
  rtc_dtls_ctx_t *ctx;
} shop_t;

static void open_shop(shop_t *s, uint32_t n) {
  int err;
  s->r = (rig_t){.now = RTC_SEC(1), .got = malloc(RIG_KEPT * sizeof(rig_got_t))};
  s->ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  if (!s->ctx || !s->r.got) exit(2);
  rtc_hub_cfg_t cfg = {.dtls = s->ctx, .slots = 2048};
  s->r.hub = rtc_hub_new(&cfg, s->r.now);
  for (uint32_t i = 1; i <= n; i++) {
    rtc_transport_cfg_t t = rig_transport(i);
    t.fp_n = 1;
    t.fp[0] = (rtc_fingerprint_t){.bits = 256, .len = 32};
    rig_do(&s->r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = i, .u.transport = t});
    char user[40], pwd[40];
    snprintf(user, sizeof user, "user-%u:x", i);
    snprintf(pwd, sizeof pwd, "password-of-user-%u-is-long", i);
    rtc_path_t path = rig_path((int)i);
    rig_check(&s->r, &path, user, pwd, true);
  }
}

static void close_shop(shop_t *s) {
  rig_close(&s->r);
  rtc_dtls_ctx_free(s->ctx);
}

static void hello(shop_t *s, int from) {
  static const uint8_t record[40] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 27, 1};
  rtc_path_t path = rig_path(from);
  rig_raw(&s->r, &path, record, sizeof record);
}

/* More handshakes than may wait: the cap holds, the rest is dropped and may come again; the order is kept (join storm). */
static void handshakes_wait_in_line(void) {
  shop_t s;
  open_shop(&s, 300);
  for (int i = 1; i <= 300; i++) hello(&s, i);
  CHECK_EQ(rig_drops(&s.r, RTC_DROP_DTLS_QUEUE), 300 - RTC_HUB_JOBS_MAX);
  for (int i = 1; i <= 300; i++) hello(&s, 1000 + i); /* strangers have no place at all */
  CHECK_EQ(rig_drops(&s.r, RTC_DROP_PATH), 300);
  rtc_job_t job;
  uint32_t n = 0;
  while (rtc_hub_job(s.r.hub, &job)) {
    CHECK_EQ(job.transport, ++n);
    rtc_hub_job_done(s.r.hub, &job, s.r.now);
  }
  CHECK_EQ(n, RTC_HUB_JOBS_MAX);
  hello(&s, 300);
  CHECK_EQ(rtc_hub_job(s.r.hub, &job), 1);
  CHECK_EQ(job.transport, 300);
  for (int i = 0; i < 30; i++) hello(&s, 300); /* comes while the helper has it */
  CHECK_EQ(rig_drops(&s.r, RTC_DROP_DTLS_QUEUE), 300 - RTC_HUB_JOBS_MAX + 14);
  rtc_hub_job_done(s.r.hub, &job, s.r.now);
  CHECK_EQ(rtc_hub_job(s.r.hub, &job), 1); /* so there is more to do */
  rtc_hub_job_done(s.r.hub, &job, s.r.now);
  CHECK_EQ(rig_pool(&s.r), 0);
  close_shop(&s);
}

/* Closed while the helper has it: its end is told when it is back, once; and while it stands in line: at once. */
static void closed_with_a_job_out(void) {
  shop_t s;
  rtc_event_t e;
  rtc_job_t job;
  open_shop(&s, 3);
  quiet(&s.r);
  for (int i = 1; i <= 3; i++) hello(&s, i);
  CHECK_EQ(rtc_hub_job(s.r.hub, &job), 1);
  hello(&s, 1);
  for (uint32_t i = 1; i <= 2; i++) rig_do(&s.r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = i});
  CHECK_EQ(rtc_hub_event(s.r.hub, &e), 1);
  CHECK_EQ(e.id, 2);
  CHECK_EQ(e.state, RTC_T_CLOSED);
  CHECK_EQ(rtc_hub_event(s.r.hub, &e), 0);
  rig_pass(&s.r, RTC_SEC(40)); /* the third is not heard of again */
  CHECK_EQ(rtc_hub_event(s.r.hub, &e), 1);
  CHECK_EQ(e.id, 3);
  CHECK_EQ(e.reason, RTC_WHY_CONSENT);
  rtc_hub_job_done(s.r.hub, &job, s.r.now);
  CHECK_EQ(rtc_hub_event(s.r.hub, &e), 1);
  CHECK_EQ(e.id, 1);
  CHECK_EQ(e.reason, RTC_WHY_COMMAND);
  CHECK_EQ(rtc_hub_event(s.r.hub, &e), 0);
  CHECK_EQ(rtc_hub_job(s.r.hub, &job), 0);
  CHECK_EQ(rig_pool(&s.r), 0);
  close_shop(&s);
}

/* Freed with everything under way: packets to send, to pace, in histories, handshakes in line, events unread. */
static void freed_alive(void) {
  shop_t s;
  open_shop(&s, 5);
  for (int i = 1; i <= 5; i++) hello(&s, i);
  close_shop(&s);
  rig_t r;
  open_relay(&r);
  rtc_send_cfg_t own = rig_send(1, true, 9100);
  rig_add_send(&r, 3, &own);
  for (uint32_t i = 0; i < 3; i++) rig_frame(&r, 3, 90000, i * 3000, i == 0);
  rtc_cmd_t f = {.op = RTC_OP_FRAME, .id = 3, .u.frame = {.data = calloc(1, 9000), .len = 9000, .ts = 9000}};
  CHECK_EQ(rtc_hub_exec(r.hub, &f, r.now + RTC_MS(50)), 0); /* and nobody pops */
  CHECK(rtc_hub_pending(r.hub) > 0);
  rig_close(&r);
}

int main(void) {
  RUN(short_datagrams);
  RUN(media_from_strangers);
  RUN(wrong_tags);
  RUN(forged_checks);
  RUN(impossible_commands);
  RUN(handshakes_wait_in_line);
  RUN(closed_with_a_job_out);
  RUN(freed_alive);
  return CHECK_END();
}
