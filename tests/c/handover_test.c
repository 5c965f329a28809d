/* A transport's records pass from OpenSSL to proto/dtlsrec: when, and when not; what it does with datagrams from then on. */
#include <openssl/ssl.h>

#include "engine/state.h"
#include "pair.h"
#include "proto/dtls_impl.h"

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

static bool is_handed(pair_t *p, int side) {
  const rtc_transport_t *t = transport(p, side);
  CHECK_EQ(t->handed, t->dtls == NULL);
  CHECK_EQ(t->handed, t->rec.key_len != 0);
  return t->handed;
}

static void connect_pair(pair_t *p, uint64_t seed, bool server_is_dtls_client) {
  open_pair(p, seed, server_is_dtls_client, -1);
  CHECK(until(p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
}

/* Connected, and without the reports that would tell the other side so. */
static void connect_silent_pair(pair_t *p, uint64_t seed, bool server_is_dtls_client) {
  connect_pair(p, seed, server_is_dtls_client);
  for (int i = 0; i < 2; i++) transport(p, i)->report_at = RTC_NEVER;
}

/* Both have handed over, 31 s later at the latest. */
static void hand_over_pair(pair_t *p, uint64_t seed, bool server_is_dtls_client) {
  connect_pair(p, seed, server_is_dtls_client);
  pass(p, RTC_SEC(31));
  for (int i = 0; i < 2; i++) CHECK(is_handed(p, i));
}

static uint64_t drops(pair_t *p, int side, rtc_drop_t why) { return p->hub[side]->st.drops[why]; }

/* A datagram of the other side. */
static void inject(pair_t *p, int side, const uint8_t *b, size_t n) {
  rtc_pkt_t *k = rtc_hub_slot(p->hub[side]);
  memcpy(k->data, b, n);
  k->len = (uint32_t)n;
  k->at = rtc_sim_now(p->sim);
  k->path = rtc_sim_path(p->sim, p->at[side], p->at[1 - side]);
  rtc_hub_recv(p->hub[side], k, rtc_sim_now(p->sim));
}

/* The DTLS client has heard the peer's Finished: at once. The server waits. */
static void who_hands_over_when(void) {
  for (int role = 0; role < 2; role++) {
    pair_t p;
    connect_silent_pair(&p, 1, role);
    int server = role ? 1 : 0;
    pass(&p, RTC_MS(5));
    CHECK(is_handed(&p, 1 - server));
    CHECK(!is_handed(&p, server));
    rtc_time_t connected = transport(&p, server)->connected;
    rtc_sim_run(p.sim, connected + RTC_HAND_OVER_US - RTC_MS(1)); /* nobody says anything */
    CHECK(!is_handed(&p, server));
    pass(&p, RTC_MS(2));
    CHECK(is_handed(&p, server));
    for (int i = 0; i < 2; i++) CHECK_EQ(transport(&p, i)->hand_at, RTC_NEVER);
    pass(&p, RTC_SEC(60));
    for (int i = 0; i < 2; i++) CHECK_EQ(p.last[i].state, RTC_T_CONNECTED);
    close_pair(&p);
  }
}

/* The first packet under the new keys tells that the peer has finished. One that is not authentic tells nothing. */
static void media_hands_over(void) {
  for (int rtcp = 0; rtcp < 2; rtcp++) {
    pair_t p;
    connect_silent_pair(&p, 2, false);
    rtc_transport_t *peer = transport(&p, 1);
    uint8_t b[100] = {0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 'x'}, report[100] = {0x80, 201, 0, 1, 0, 0, 0, 9};
    if (rtcp) memcpy(b, report, sizeof b);
    int n = rtcp ? rtc_srtp_protect_rtcp(&peer->tx, b, 8, sizeof b) : rtc_srtp_protect(&peer->tx, b, 13, sizeof b, 1);
    CHECK(n > 0);
    uint8_t forged[100];
    memcpy(forged, b, sizeof b);
    forged[9] ^= 1;
    inject(&p, 0, forged, (size_t)n);
    pass(&p, RTC_MS(50));
    CHECK(!is_handed(&p, 0));
    CHECK_EQ(drops(&p, 0, rtcp ? RTC_DROP_RTCP_AUTH : RTC_DROP_RTP_AUTH), 1);
    inject(&p, 0, b, (size_t)n);
    pass(&p, RTC_MS(1));
    CHECK(is_handed(&p, 0));
    close_pair(&p);
  }
}

/* A peer that neither sends nor receives a stream reports all the same, and that is enough. */
static void reports_hand_over(void) {
  for (int role = 0; role < 2; role++) {
    pair_t p;
    connect_pair(&p, 10, role);
    pass(&p, RTC_SEC(2));
    for (int i = 0; i < 2; i++) CHECK(is_handed(&p, i));
    close_pair(&p);
  }
}

/* Application data by DTLS does as well; forged data does not. */
static void data_hands_over(void) {
  pair_t p;
  connect_silent_pair(&p, 3, false);
  pass(&p, RTC_MS(5));
  rtc_transport_t *client = transport(&p, 1);
  uint8_t b[64], forged[64];
  int n = rtc_dtlsrec_seal(&client->rec, (const uint8_t *)"data", 4, b, sizeof b);
  memcpy(forged, b, sizeof b);
  forged[n - 1] ^= 1;
  inject(&p, 0, forged, (size_t)n);
  rtc_sim_flush(p.sim, p.at[0]);
  pass(&p, RTC_MS(1));
  CHECK(!is_handed(&p, 0));
  inject(&p, 0, b, (size_t)n);
  rtc_sim_flush(p.sim, p.at[0]);
  pass(&p, RTC_MS(1));
  CHECK(is_handed(&p, 0));
  inject(&p, 0, b, (size_t)n); /* OpenSSL has read it; it does not come in again */
  CHECK_EQ(drops(&p, 0, RTC_DROP_DTLS_REPLAY), 1);
  close_pair(&p);
}

/* The server's last flight is lost, again and again: it is there to repeat it when the client asks. */
static void last_flight_is_repeated(void) {
  for (int role = 0; role < 2; role++) {
    pair_t p;
    open_pair(&p, 4, role, -1);
    int server = role ? 1 : 0;
    rtc_link_t link = {.delay_us = 20000}, dead = {.delay_us = 20000, .loss = 1};
    both_ways(&p, &link);
    while (transport(&p, server)->state != RTC_T_CONNECTED && rtc_sim_now(p.sim) < RTC_SEC(10)) {
      /* Its first flight has gone through when the client's state says so; the next one will not. */
      const rtc_dtls_t *client = transport(&p, 1 - server)->dtls;
      if (client && client->verified) rtc_sim_link(p.sim, p.at[server], p.at[1 - server], &dead);
      pass(&p, RTC_MS(1));
    }
    pass(&p, RTC_SEC(3));
    CHECK_EQ(p.last[server].state, RTC_T_CONNECTED);
    CHECK(p.last[1 - server].state < RTC_T_CONNECTED);
    CHECK(!is_handed(&p, server));
    rtc_sim_link(p.sim, p.at[server], p.at[1 - server], &link);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(3)) != RTC_NEVER);
    pass(&p, RTC_SEC(31));
    for (int i = 0; i < 2; i++) CHECK(is_handed(&p, i));
    do_(&p, server, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}); /* after all those repeats the numbers are right */
    rtc_sim_flush(p.sim, p.at[server]);
    pass(&p, RTC_MS(100));
    CHECK_EQ(p.last[1 - server].reason, RTC_WHY_CLOSE_NOTIFY);
    close_pair(&p);
  }
}

/* close_notify, whoever says it, whichever of them have handed over. */
static void closing(void) {
  for (int role = 0; role < 2; role++) {
    for (int closer = 0; closer < 2; closer++) {
      for (int late = 0; late < 2; late++) {
        pair_t p;
        connect_silent_pair(&p, 5, role);
        pass(&p, late ? RTC_SEC(31) : RTC_MS(5));
        CHECK_EQ(is_handed(&p, 0) + is_handed(&p, 1), 1 + late);
        do_(&p, closer, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
        rtc_sim_flush(p.sim, p.at[closer]);
        pass(&p, RTC_MS(100));
        CHECK_EQ(p.last[closer].reason, RTC_WHY_COMMAND);
        CHECK_EQ(p.last[1 - closer].reason, RTC_WHY_CLOSE_NOTIFY);
        for (int i = 0; i < 2; i++) CHECK_EQ(rtc_hub_next_at(p.hub[i]), RTC_NEVER);
        close_pair(&p);
      }
    }
  }
}

/* After the hand-over every datagram that is not what it should be is dropped, counted, and answered by nothing. */
static void strange_datagrams(void) {
  pair_t p;
  hand_over_pair(&p, 6, false);
  rtc_transport_t *us = transport(&p, 0), *peer = transport(&p, 1);
  uint64_t out = p.hub[0]->st.out_packets, in = us->in_packets;
  uint8_t b[3][64], d[256];
  int n[3];
  for (int i = 0; i < 3; i++) n[i] = rtc_dtlsrec_seal(&peer->rec, (const uint8_t *)"data", 4, b[i], sizeof b[i]);
  static const uint8_t hello[64] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 1};
  inject(&p, 0, hello, sizeof hello); /* a handshake begins anew, or an old flight comes late */
  CHECK_EQ(drops(&p, 0, RTC_DROP_DTLS_FORM), 1);
  memcpy(d, b[0], sizeof b[0]);
  d[20] ^= 4;
  inject(&p, 0, d, (size_t)n[0]);
  CHECK_EQ(drops(&p, 0, RTC_DROP_DTLS_AUTH), 1);
  inject(&p, 0, b[0], (size_t)n[0]);
  inject(&p, 0, b[0], (size_t)n[0]);
  CHECK_EQ(drops(&p, 0, RTC_DROP_DTLS_REPLAY), 1);
  memcpy(d, b[2], (size_t)n[2]); /* two in one datagram, the later one first, and a rest */
  memcpy(d + n[2], b[1], (size_t)n[1]);
  d[n[2] + n[1]] = 23;
  inject(&p, 0, d, (size_t)(n[2] + n[1] + 1));
  CHECK_EQ(drops(&p, 0, RTC_DROP_DTLS_FORM), 2);
  CHECK_EQ(us->in_packets, in + 2);
  for (uint8_t first = 20; first < 64; first++) { /* all that is taken for DTLS */
    for (size_t len = 1; len < 60; len++) {
      memset(d, 0x5a, sizeof d);
      d[0] = first;
      inject(&p, 0, d, len);
    }
  }
  CHECK_EQ(p.hub[0]->st.out_packets, out);
  CHECK_EQ(us->state, RTC_T_CONNECTED);
  CHECK_EQ(rtc_hub_pending(p.hub[0]), 0);
  close_pair(&p);
}

/* An alert made by hand, under the peer's key. */
static size_t alert(rtc_dtlsrec_t *r, uint8_t level, uint8_t description, uint8_t b[39]) {
  uint8_t spare[2] = {0}, aad[13], iv[12];
  CHECK(rtc_dtlsrec_seal(r, spare, 2, b, 39) == 39); /* header and nonce are right, but for the type */
  b[0] = 21;
  b[21] = level;
  b[22] = description;
  memcpy(aad, b + 3, 8);
  memcpy(aad + 8, b, 3);
  rtc_put16(aad + 11, 2);
  memcpy(iv, r->out.salt, 4);
  memcpy(iv + 4, b + 13, 8);
  CHECK_EQ(rtc_gcm_seal(&r->out.gcm, iv, aad, sizeof aad, b + 21, 2, b + 23), 0);
  return 39;
}

static void fatal_alert(void) {
  pair_t p;
  hand_over_pair(&p, 7, true);
  uint8_t b[39];
  size_t n = alert(&transport(&p, 1)->rec, 1, 100, b); /* no_renegotiation, a warning */
  inject(&p, 0, b, n);
  CHECK_EQ(transport(&p, 0)->state, RTC_T_CONNECTED);
  n = alert(&transport(&p, 1)->rec, 2, 80, b);
  inject(&p, 0, b, n);
  look(&p);
  CHECK_EQ(p.last[0].state, RTC_T_CLOSED);
  CHECK_EQ(p.last[0].reason, RTC_WHY_DTLS);
  CHECK(!strcmp(p.last[0].text, "connection: alert 80 of the peer"));
  close_pair(&p);
}

/* Ciphers that dtlsrec does not have: OpenSSL stays, and says close_notify. */
static void other_ciphers_stay(void) {
  static const char *const suites[] = {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA"};
  for (int i = 0; i < 2; i++) {
    pair_t p;
    open_pair(&p, 8, false, -1);
    rtc_dtls_t *client = transport(&p, 1)->dtls;
    CHECK(rtc_dtls_prepare(client) && SSL_set_cipher_list(client->ssl, suites[i]));
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    pass(&p, RTC_SEC(40));
    for (int side = 0; side < 2; side++) {
      CHECK(!is_handed(&p, side));
      CHECK_EQ(transport(&p, side)->hand_at, RTC_NEVER); /* it is not asked again */
    }
    do_(&p, i, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
    rtc_sim_flush(p.sim, p.at[i]);
    pass(&p, RTC_MS(100));
    CHECK_EQ(p.last[1 - i].reason, RTC_WHY_CLOSE_NOTIFY);
    close_pair(&p);
  }
}

/* While a helper has the object it is not touched; when it comes back, it goes. */
static void helper_has_it(void) {
  pair_t p;
  rtc_job_t job;
  connect_silent_pair(&p, 9, false);
  pass(&p, RTC_SEC(29));
  rtc_hub_t *h = p.hub[0];
  static const uint8_t late[64] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 1};
  inject(&p, 0, late, sizeof late);
  rtc_time_t now = transport(&p, 0)->hand_at;
  for (int i = 0; i < 2; i++) { /* it waits in the list, then it is out: not yet, and no deadline that does not get on */
    if (i) CHECK_EQ(rtc_hub_job(h, &job), 1);
    rtc_transport_tick(transport(&p, 0), now);
    rtc_transport_arm(transport(&p, 0));
    CHECK(!is_handed(&p, 0) && rtc_hub_next_at(h) > now);
  }
  rtc_job_work(&job);
  inject(&p, 0, late, sizeof late); /* and another one comes meanwhile */
  rtc_hub_job_done(h, &job, now);
  CHECK(!is_handed(&p, 0));
  CHECK_EQ(rtc_hub_job(h, &job), 1);
  rtc_job_work(&job);
  rtc_hub_job_done(h, &job, now);
  CHECK_EQ(rtc_hub_next_at(h), now);
  rtc_hub_tick(h, now);
  CHECK(transport(&p, 0)->handed);
  CHECK_EQ(rtc_hub_job(h, &job), 1); /* to be freed, which is dear too */
  CHECK(job.spent);
  rtc_job_work(&job);
  CHECK(!job.dtls);
  rtc_hub_job_done(h, &job, now);
  CHECK(is_handed(&p, 0));
  CHECK_EQ(rtc_hub_job(h, &job), 0);
  close_pair(&p);
}

int main(void) {
  RUN(who_hands_over_when);
  RUN(media_hands_over);
  RUN(reports_hand_over);
  RUN(data_hands_over);
  RUN(last_flight_is_repeated);
  RUN(closing);
  RUN(strange_datagrams);
  RUN(fatal_alert);
  RUN(other_ciphers_stay);
  RUN(helper_has_it);
  return CHECK_END();
}
