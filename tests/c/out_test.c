#include "check.h"
#include "engine/state.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static void publish(rtc_hub_t *h, rtc_srtp_t *tx, int seq, rtc_time_t now) {
  rtc_pkt_t *k = rtc_hub_slot(h);
  if (!k) exit(2);
  rtc_rtp_t rtp = {.ssrc = 5, .seq = (uint16_t)seq, .pt = 111};
  rtc_rtp_write(k->data, &rtp);
  int n = rtc_srtp_protect(tx, k->data, RTC_RTP_HEADER + 5, RTC_PKT_DATA, seq);
  if (n < 0) exit(2);
  k->len = (uint32_t)n;
  k->path = rig_path(0);
  k->at = now;
  rtc_hub_recv(h, k, now);
}

/* More packets whose copies wait than there is room to remember: they are made, none is lost. */
static void more_packets_than_are_remembered(void) {
  enum { PACKETS = RTC_FANS_MAX + 2 }; /* the first one joins, and is sent alone */
  rig_t r;
  rig_open(&r, 4096);
  int from = rig_join(&r, GCM), to = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(from, false);
  rtc_send_cfg_t out = rig_send(to, false, 9000);
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 1, &out);
  rig_link(&r, 1, 1);
  rig_drain(&r);
  rig_forget(&r);
  for (int i = 0; i < PACKETS; i++) publish(r.hub, &r.peer[from].tx, i, r.now);
  CHECK_EQ(rtc_hub_pending(r.hub), PACKETS);
  CHECK(r.hub->out.sealed > 0); /* at one more than it remembers */
  rig_drain(&r);
  CHECK_EQ(rig_media_n(&r, to, 9000), PACKETS);
  CHECK_EQ(rig_drops(&r, RTC_DROP_OUT_QUEUE) + rig_drops(&r, RTC_DROP_SEAL), 0);
  rig_close(&r);
}

/* A room with more viewers than the queue's usual cap: every one of them gets every packet. */
static void more_viewers_than_places(void) {
  enum { VIEWERS = 9000, PACKETS = 3 };
  rtc_hub_cfg_t cfg = {.slots = 32768};
  rtc_hub_t *h = rtc_hub_new(&cfg, RTC_SEC(1));
  rtc_time_t now = RTC_SEC(1);
  rtc_dtls_keys_t keys = {.profile = GCM};
  for (uint32_t i = 0; i <= VIEWERS; i++) {
    rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = i + 1, .u.transport = rig_transport(i + 1)};
    rtc_path_t path = rig_path((int)i);
    if (rtc_hub_exec(h, &c, now) < 0 || rtc_hub_connect_with_keys(h, i + 1, &keys, &path, now) < 0) exit(2);
    if (i == 0) {
      rtc_recv_cfg_t in = rig_recv(0, false);
      c = (rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in};
    } else {
      c = (rtc_cmd_t){.op = RTC_OP_SEND, .id = i, .u.send = rig_send((int)i, false, 9000)};
    }
    if (rtc_hub_exec(h, &c, now) < 0) exit(2);
    if (i && rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = i, .u.link = 1}, now) < 0) exit(2);
  }
  rtc_srtp_t tx;
  if (rtc_srtp_init(&tx, GCM, keys.remote_key, 16, keys.remote_salt, 12, 1) < 0) exit(2);
  static uint16_t got[VIEWERS + 1];
  for (int i = 0; i < PACKETS; i++) {
    publish(h, &tx, i, now);
    CHECK_EQ(rtc_hub_pending(h), VIEWERS);
    rtc_pkt_t *out[100];
    for (int m; (m = rtc_hub_pop(h, out, 100)) > 0;)
      for (int j = 0; j < m; j++) {
        unsigned to = (unsigned)(out[j]->path.remote.ip[14] << 8 | out[j]->path.remote.ip[15]);
        if (to <= VIEWERS) got[to]++;
        rtc_pkt_put(out[j]);
      }
  }
  int missing = 0;
  for (int i = 1; i <= VIEWERS; i++) missing += got[i] != PACKETS;
  CHECK_EQ(missing, 0);
  /* They leave one after another, in no order; then all at once. */
  for (uint32_t i = 0; i < VIEWERS; i += 2)
    if (rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = (i * 7919) % VIEWERS + 2}, now) < 0) exit(2);
  rtc_srtp_clear(&tx);
  rtc_hub_free(h);
}

/* A driver that pops too little: what is taken makes room again, the rest keeps its order, the loss is counted. */
static void slow_driver(void) {
  rig_t r;
  rig_open(&r, 32768);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, false, 100);
  rig_add_send(&r, 1, &a);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_RATE, .id = 1, .u.rate_bps = 1000000000});
  rtc_pkt_t *out[64];
  uint64_t popped = 0, want = 0;
  int64_t last = -1;
  for (uint32_t i = 0; i < 20000; i++) {
    rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = calloc(1, 20), .len = 20, .ts = i}};
    if (rtc_hub_exec(r.hub, &c, r.now) < 0) exit(2);
    r.now += 100;
    want++;
    if (i % 64 != 0) continue;
    int n = rtc_hub_pop(r.hub, out, 32);
    for (int j = 0; j < n; j++) {
      int64_t index;
      int len = rtc_srtp_unprotect(&r.peer[0].rx, out[j]->data, out[j]->len, &index);
      CHECK(len > 0 && index > last);
      last = index;
      popped++;
      rtc_pkt_put(out[j]);
    }
  }
  uint64_t lost = rig_drops(&r, RTC_DROP_OUT_QUEUE);
  CHECK_EQ(popped + rtc_hub_pending(r.hub) + lost, want);
  CHECK(rtc_hub_pending(r.hub) >= 8192 - 64); /* full, also after thousands were taken */
  rig_close(&r);
}

/* Counters of what goes out: wire bytes. */
static void bytes_are_those_of_the_wire(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, false, 100);
  rig_add_send(&r, 1, &a);
  for (uint32_t i = 0; i < 10; i++) rig_frame(&r, 1, 100, i * 960, true);
  rig_pass(&r, RTC_SEC(3));
  rtc_stats_t s;
  rig_stats(&r, &s);
  CHECK_EQ(s.transport[0].out_packets, r.datagrams);
  CHECK_EQ(s.hub.out_packets, r.datagrams);
  CHECK_EQ(s.transport[0].out_bytes, s.hub.out_bytes);
  rig_close(&r);
}

int main(void) {
  RUN(more_viewers_than_places);
  RUN(more_packets_than_are_remembered);
  RUN(slow_driver);
  RUN(bytes_are_those_of_the_wire);
  return CHECK_END();
}
