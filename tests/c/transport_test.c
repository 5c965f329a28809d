#include "check.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

/* The peer of rig_wait_for(id) checks; its part of the user name does not matter to a lite agent that was given none. */
static void check_as(rig_t *r, int path, uint32_t id, bool nominate) {
  char user[64], pwd[64];
  snprintf(user, sizeof user, "user-%u:peer", id);
  snprintf(pwd, sizeof pwd, "password-of-user-%u-is-long", id);
  rtc_path_t from = rig_path(path);
  rig_check(r, &from, user, pwd, nominate);
}

static rtc_event_t last_event(rig_t *r, uint32_t id) {
  rtc_event_t e = {0};
  rig_events(r, id, &e);
  return e;
}

/* Consent is over after 30 s without a check: from then on not one datagram, no goodbye either (RFC 7675 §5.1). */
static void nothing_goes_out_without_consent(void) {
  rig_t r;
  rig_open(&r, 0);
  rig_join(&r, GCM);
  check_as(&r, 0, 1, true); /* from now on consent counts */
  rig_pass(&r, RTC_MS(29900));
  CHECK(rtc_hub_next_at(r.hub) <= r.now + RTC_SEC(1));
  rig_forget(&r);
  rtc_time_t before = r.now;
  rig_pass(&r, RTC_SEC(10));
  rtc_event_t e = last_event(&r, 1);
  CHECK_EQ(e.state, RTC_T_CLOSED);
  CHECK_EQ(e.reason, RTC_WHY_CONSENT);
  for (int i = 0; i < r.got_n; i++) CHECK(r.got[i].at < before + RTC_MS(100));
  CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_BYE, -1), 0);
  CHECK_EQ(rtc_hub_next_at(r.hub), RTC_NEVER);
  rig_close(&r);
}

static void restart(rig_t *r, uint32_t id, const char *user) {
  rtc_cmd_t c = {.op = RTC_OP_RESTART, .id = id};
  snprintf(c.u.ice.local_ufrag, sizeof c.u.ice.local_ufrag, "%s", user);
  snprintf(c.u.ice.local_pwd, sizeof c.u.ice.local_pwd, "password-of-restart-%s", user);
  rig_do(r, &c);
}

/* Restarted twice before the peer followed: what it still uses are the first credentials. */
static void restart_twice_keeps_what_the_peer_uses(void) {
  rig_t r;
  rig_open(&r, 0);
  rig_wait_for(&r, 1);
  check_as(&r, 0, 1, true);
  CHECK_EQ(r.datagrams, 1);
  restart(&r, 1, "second");
  restart(&r, 1, "third");
  check_as(&r, 0, 1, false);
  CHECK_EQ(r.datagrams, 2);
  rtc_path_t from = rig_path(0);
  rig_check(&r, &from, "second:peer", "password-of-restart-second", true); /* nobody ever heard of these */
  CHECK_EQ(r.datagrams, 2);
  rig_check(&r, &from, "third:peer", "password-of-restart-third", true);
  CHECK_EQ(r.datagrams, 3);
  check_as(&r, 0, 1, false); /* the peer has followed: the old are gone */
  CHECK_EQ(r.datagrams, 3);
  restart(&r, 1, "fourth");
  rig_check(&r, &from, "third:peer", "password-of-restart-third", false);
  CHECK_EQ(r.datagrams, 4);
  rtc_cmd_t taken = {.op = RTC_OP_TRANSPORT, .id = 2, .u.transport = rig_transport(2)};
  snprintf(taken.u.transport.ice.local_ufrag, sizeof taken.u.transport.ice.local_ufrag, "second");
  CHECK_EQ(rtc_hub_exec(r.hub, &taken, r.now), 0); /* free again */
  snprintf(taken.u.transport.ice.local_ufrag, sizeof taken.u.transport.ice.local_ufrag, "third");
  taken.id = 3;
  CHECK_EQ(rtc_hub_exec(r.hub, &taken, r.now), RTC_EINVAL);
  rig_close(&r);
}

/* A peer that is heard keeps its address against another session's check from there, which anybody with a session can forge. */
static void address_in_use_is_not_taken_over(void) {
  rig_t r;
  rig_open(&r, 0);
  int a = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(a, true);
  rig_add_recv(&r, 1, &in);
  rig_wait_for(&r, 9);
  for (int i = 0; i < 200; i++) {
    rig_vp8(&r, a, 77, 100 + i, i * 3000, true, i == 0);
    check_as(&r, a, 9, true); /* "from" a's address */
    rig_pass(&r, RTC_MS(20));
  }
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 200);
  CHECK_EQ(rig_drops(&r, RTC_DROP_NO_KEYS), 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_PATH), 200);
  CHECK(!rig_transport_stats(&r, 9)->has_path); /* nor is anything of the other session's sent there */
  /* Once it has been silent for three seconds, the address may have a new owner (a browser's port used again). */
  rig_pass(&r, RTC_MS(3100));
  check_as(&r, a, 9, true);
  rig_vp8(&r, a, 77, 300, 600000, true, false);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 200);
  CHECK_EQ(rig_drops(&r, RTC_DROP_NO_KEYS), 1); /* it went to the new one */
  rig_close(&r);
}

/* What still comes from the address of one that was closed finds nobody, however lately it was somebody's. */
static void late_after_close(void) {
  rig_t r;
  rig_open(&r, 0);
  int a = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(a, true);
  rig_add_recv(&r, 1, &in);
  rig_vp8(&r, a, 77, 100, 0, true, true);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = r.peer[a].id});
  rtc_event_t e;
  CHECK(rig_events(&r, r.peer[a].id, &e) && e.state == RTC_T_CLOSED); /* and with this it is freed */
  rig_vp8(&r, a, 77, 101, 3000, true, false);
  CHECK_EQ(rig_drops(&r, RTC_DROP_PATH), 1);
  rig_close(&r);
}

/* A client with more addresses to try than a lite agent ever sees: each answer finds its way. */
static void client_hears_all_its_paths(void) {
  for (int answers = 0; answers < RTC_ICE_CANDS; answers += 9) {
    rig_t r;
    rig_open(&r, 0);
    rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = 1, .u.transport = rig_transport(1)};
    c.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLING;
    snprintf(c.u.transport.ice.remote_ufrag, sizeof c.u.transport.ice.remote_ufrag, "them");
    snprintf(c.u.transport.ice.remote_pwd, sizeof c.u.transport.ice.remote_pwd, "password-of-them-is-long-enough");
    rig_do(&r, &c);
    for (int i = 0; i < RTC_ICE_CANDS; i++) rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_PATH, .id = 1, .u.path = rig_path(i)});
    rig_pass(&r, RTC_MS(50 * RTC_ICE_CANDS));
    rtc_path_t from = rig_path(answers);
    for (int i = 0; i < r.got_n; i++) {
      rtc_stun_t m;
      if (!rtc_addr_eq(&r.got[i].to, &from.remote) || rtc_stun_parse(&m, r.got[i].data, r.got[i].len) < 0) continue;
      uint8_t b[128];
      rtc_wr_t w = rtc_wr(b, sizeof b);
      rtc_stun_begin(&w, RTC_STUN_BINDING_SUCCESS, m.tid);
      rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, &from.local, m.tid);
      int n = rtc_stun_end(&w, (const uint8_t *)"password-of-them-is-long-enough", 31);
      CHECK(n > 0);
      rig_raw(&r, &from, b, (size_t)n);
      break;
    }
    const rtc_transport_stats_t *t = rig_transport_stats(&r, 1);
    CHECK(t->has_path && rtc_path_eq(&t->path, &from));
    rig_close(&r);
  }
}

/* Two clients of one socket cannot both talk to the same address: the second is told so, the first lives on. */
static void client_does_not_take_anothers_address(void) {
  rig_t r;
  rig_open(&r, 0);
  int a = rig_join(&r, GCM);
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = 5, .u.transport = rig_transport(5)};
  c.u.transport.ice_role = RTC_ICE_ROLE_CONTROLLING;
  snprintf(c.u.transport.ice.remote_ufrag, sizeof c.u.transport.ice.remote_ufrag, "them");
  snprintf(c.u.transport.ice.remote_pwd, sizeof c.u.transport.ice.remote_pwd, "password-of-them-is-long-enough");
  rig_do(&r, &c);
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_PATH, .id = 5, .u.path = r.peer[a].path}, r.now), RTC_ESTATE);
  rtc_recv_cfg_t in = rig_recv(a, false);
  rig_add_recv(&r, 1, &in);
  rig_rtp(&r, a, &(rig_rtp_t){.ssrc = 5, .index = 1, .pt = 111, .payload = "x", .len = 1});
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1);
  rig_close(&r);
}

/* Silence for 3 s is told once, and its end once; a packet from any address that passed a check ends it. */
static void stall_and_recovery(void) {
  rig_t r;
  rtc_event_t e;
  rig_open(&r, 0);
  int a = rig_join(&r, GCM);
  check_as(&r, a, 1, true);
  check_as(&r, 50, 1, false); /* a second path of the same peer, not chosen */
  rtc_recv_cfg_t in = rig_recv(a, false);
  rig_add_recv(&r, 1, &in);
  (void)last_event(&r, 1);
  rig_pass(&r, RTC_MS(2900));
  CHECK(!rig_events(&r, 1, &e));
  rig_pass(&r, RTC_MS(200));
  CHECK(rig_events(&r, 1, &e));
  CHECK_EQ(e.state, RTC_T_STALLED);
  r.peer[a].path = rig_path(50);
  int changes = 0;
  for (int i = 0; i < 100; i++) { /* media from the other path alone, 2 s */
    rig_rtp(&r, a, &(rig_rtp_t){.ssrc = 5, .index = 1 + i, .ts = i * 960, .pt = 111, .payload = "x", .len = 1});
    rig_pass(&r, RTC_MS(20));
    if (rig_events(&r, 1, &e)) {
      changes++;
      CHECK_EQ(e.state, RTC_T_CONNECTED);
    }
  }
  CHECK_EQ(changes, 1);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 100);
  rig_pass(&r, RTC_SEC(4));
  CHECK(rig_events(&r, 1, &e));
  CHECK_EQ(e.state, RTC_T_STALLED);
  CHECK_EQ(r.spins, 0);
  rig_close(&r);
}

/* No slot left: consent, deadlines and everybody else go on; nothing spins. */
static void empty_pool_starves_nobody(void) {
  rig_t r;
  rtc_event_t e = {0};
  rig_open(&r, 256);
  int a = rig_join(&r, GCM), b = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(a, true);
  in.twcc = true;
  rig_add_recv(&r, 1, &in);
  rig_add_recv(&r, 2,
               &(rtc_recv_cfg_t){.transport = (uint32_t)b + 1, .codec = RTC_CODEC_OPUS, .pt = 111, .rtx_pt = -1, .clock_rate = 48000});
  check_as(&r, a, 1, true);
  check_as(&r, b, 2, true);
  for (int i = 0; i < 20; i++) {
    uint8_t payload[2] = {0x10, 0x10};
    rig_rtp(&r, a,
            &(rig_rtp_t){.ssrc = 7, .index = 2 * i, .pt = 96, .twcc = i + 1, .payload = payload, .len = 2}); /* NACK, TWCC, reports due */
  }
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = 1});
  rtc_pkt_t *held[256];
  int n = 0;
  while (n < 256 && (held[n] = rtc_hub_slot(r.hub))) n++;
  CHECK(n > 100);
  rtc_pkt_t *last = held[n - 1]; /* the only one: a receiving socket's */
  uint8_t check[256];
  for (int i = 0; i < 50; i++) {
    rig_pass(&r, RTC_SEC(1));
    last->len = (uint32_t)rig_write_check(check, sizeof check, "user-1:peer", "password-of-user-1-is-long", true);
    memcpy(last->data, check, last->len);
    last->path = r.peer[a].path;
    rtc_pkt_ref(last); /* still taken when the answer is to be written */
    rtc_hub_recv(r.hub, last, r.now);
  }
  CHECK_EQ(r.spins, 0);
  rig_events(&r, 1, &e);
  CHECK(e.state != RTC_T_CLOSED); /* its consent was renewed though no answer could be given */
  rtc_event_t other = {0};
  while (rtc_hub_event(r.hub, &other)) {}
  rtc_stats_t s;
  rig_stats(&r, &s);
  CHECK_EQ(s.transport_n, 1); /* the other's consent ended in time */
  while (n) rtc_pkt_put(held[--n]);
  rig_pass(&r, RTC_SEC(3));
  CHECK(r.got_n > 0);
  rig_close(&r);
}

/* Closing in each state ends in one last event, once, and gives all back. */
static void close_in_every_state(void) {
  for (int state = 0; state < 5; state++) {
    rig_t r;
    rtc_event_t e = {0};
    rig_open(&r, 0);
    uint32_t id = 1;
    if (state < 2) {
      rig_wait_for(&r, id);
      if (state == 1) check_as(&r, 0, id, true);
    } else {
      int a = rig_join(&r, GCM);
      rtc_recv_cfg_t in = rig_recv(a, true);
      rtc_send_cfg_t out = rig_send(a, true, 500);
      rig_add_recv(&r, 1, &in);
      rig_add_send(&r, 2, &out);
      rig_link(&r, 2, 1); /* an echo */
      for (int i = 0; i < 50; i++) rig_vp8(&r, a, 7, 10 + i, i * 3000, true, i == 0);
      if (state == 3) rig_pass(&r, RTC_SEC(5));
      if (state == 4) {
        rig_link(&r, 2, 0);
        for (uint32_t i = 0; i < 4; i++) rig_frame(&r, 2, 60000, i * 3000, i == 0); /* the pacer is full */
      }
    }
    (void)last_event(&r, id);
    rig_forget(&r);
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id});
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id});
    if (state >= 2) CHECK_EQ(rig_block_n(&r, 0, RTC_RTCP_BYE, -1), 1);
    CHECK_EQ(r.unread, 0);
    CHECK_EQ(rig_pool(&r), 0);
    uint64_t said = r.datagrams;
    check_as(&r, 0, id, true);
    rig_pass(&r, RTC_SEC(60));
    CHECK_EQ(r.datagrams, said);
    CHECK(rig_events(&r, id, &e));
    CHECK_EQ(e.state, RTC_T_CLOSED);
    CHECK_EQ(e.reason, RTC_WHY_COMMAND);
    CHECK(!rig_events(&r, id, &e));
    CHECK_EQ(rtc_hub_next_at(r.hub), RTC_NEVER);
    rig_close(&r);
  }
}

int main(void) {
  RUN(nothing_goes_out_without_consent);
  RUN(restart_twice_keeps_what_the_peer_uses);
  RUN(address_in_use_is_not_taken_over);
  RUN(late_after_close);
  RUN(client_hears_all_its_paths);
  RUN(client_does_not_take_anothers_address);
  RUN(stall_and_recovery);
  RUN(empty_pool_starves_nobody);
  RUN(close_in_every_state);
  return CHECK_END();
}
