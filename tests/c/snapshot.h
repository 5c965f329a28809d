/* snapshot: what the hub of a rig knows and has done, to show that something changed nothing of it. */
#ifndef RTC_TESTS_SNAPSHOT_H
#define RTC_TESTS_SNAPSHOT_H

#include "check.h"
#include "engine/state.h"
#include "rig.h"

enum { SNAPSHOT_ROWS = 8 };

/* All that statistics tell of transports and streams, the addresses that lead to a transport, and the sum of all drops. */
typedef struct snapshot {
  rtc_transport_stats_t transport[SNAPSHOT_ROWS];
  rtc_recv_stats_t recv[SNAPSHOT_ROWS];
  rtc_send_stats_t send[SNAPSHOT_ROWS];
  uint32_t n, pool, paths;
  uint64_t drops, in, out;
  rtc_time_t next_at;
} snapshot_t;

static inline void snap(rig_t *r, snapshot_t *s) {
  rtc_stats_t st;
  memset(s, 0, sizeof *s);
  rig_stats(r, &st);
  if (st.transport_n > SNAPSHOT_ROWS || st.recv_n > SNAPSHOT_ROWS || st.send_n > SNAPSHOT_ROWS) exit(2);
  s->n = st.transport_n;
  s->paths = r->hub->paths.used;
  s->pool = st.hub.pool_used;
  s->in = st.hub.in_packets;
  s->out = r->datagrams;
  s->next_at = rtc_hub_next_at(r->hub);
  memcpy(s->transport, st.transport, st.transport_n * sizeof *st.transport);
  memcpy(s->recv, st.recv, st.recv_n * sizeof *st.recv);
  memcpy(s->send, st.send, st.send_n * sizeof *st.send);
  for (int i = 0; i < RTC_DROP_COUNT; i++) s->drops += st.hub.drops[i];
}

/* This many datagrams came since, and had no effect but one counted drop each. */
static inline void check_unchanged(rig_t *r, const snapshot_t *before, uint64_t datagrams) {
  snapshot_t after;
  rtc_event_t e;
  snap(r, &after);
  CHECK_EQ(after.n, before->n);
  CHECK_EQ(after.paths, before->paths);
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

/* A relay at work: publisher (peer 0, receiver 1), viewer (peer 1, sender 2), and transport 9 that waits for its first check. */
static inline void open_relay(rig_t *r) {
  rig_open(r, 0);
  int pub = rig_join(r, RTC_SRTP_AEAD_AES_128_GCM), view = rig_join(r, RTC_SRTP_AEAD_AES_128_GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
  rig_wait_for(r, 9);
  for (int i = 0; i < 20; i++) rig_vp8(r, pub, 100, 500 + i, 3000 * i, true, i == 0);
}

static inline void quiet(rig_t *r) {
  rtc_event_t e;
  while (rtc_hub_event(r->hub, &e)) {}
  rig_forget(r);
}

#endif
