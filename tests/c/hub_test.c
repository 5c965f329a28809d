#include "check.h"
#include "rig.h"
#include "shop.h"
#include "snapshot.h"

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
  job.keying = calloc(1, sizeof *job.keying); /* it has been worked on, and its ciphers are to be freed */
  if (!job.keying) exit(2);
  rtc_keying_init(job.keying, &(rtc_dtls_keys_t){.profile = RTC_SRTP_AEAD_AES_128_GCM});
  CHECK_EQ(job.keying->err, 0);
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
  RUN(impossible_commands);
  RUN(handshakes_wait_in_line);
  RUN(closed_with_a_job_out);
  RUN(freed_alive);
  return CHECK_END();
}
