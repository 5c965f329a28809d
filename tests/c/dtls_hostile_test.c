/* dtls under attack: what somebody who can fake the peer's address may send, before, during and after the handshake. */
#include "dtls_net.h"
#include "dtls_wire.h"

static size_t garbage(uint8_t *p, size_t cap) {
  size_t n = 13 + dice() % (cap - 13);
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)dice();
  switch (dice() % 4) {
    case 0: /* noise */
      break;
    case 1: /* a record of a later epoch */
      p[0] = (uint8_t)(20 + dice() % 4);
      rtc_put16(p + 1, 0xfefd);
      rtc_put16(p + 3, (uint16_t)(2 + dice() % 100));
      rtc_put16(p + 11, (uint16_t)(n - 13));
      break;
    case 2: /* application data and unknown types in the clear */
      p[0] = dice() % 2 ? 23 : 25;
      rtc_put16(p + 1, 0xfefd);
      rtc_put16(p + 3, 0);
      rtc_put16(p + 11, (uint16_t)(n - 13));
      break;
    default: /* wrong length or version */
      p[0] = 22;
      rtc_put16(p + 1, dice() % 2 ? 0xfefd : 0x0303);
      rtc_put16(p + 3, 0);
      rtc_put16(p + 11, (uint16_t)(n + dice() % 1000));
  }
  return n;
}

/* Records of the next epoch look right until their tag is checked. They fill what is kept for an early Finished. */
static void throw_next_epoch(net_t *n) {
  uint8_t p[100];
  for (int side = 0; side < 2; side++) {
    for (size_t i = 0; i < sizeof p; i++) p[i] = (uint8_t)dice();
    p[0] = dice() % 2 ? 22 : 21;
    rtc_put16(p + 1, 0xfefd);
    rtc_put16(p + 3, 1);
    rtc_put32(p + 5, 0);
    rtc_put16(p + 11, sizeof p - 13);
    (void)rtc_dtls_put(n->d[side], p, sizeof p);
    rtc_dtls_work(n->d[side]);
  }
}

static void forged_next_epoch(void) {
  for (uint32_t seed = 1; seed <= 40; seed++) {
    net_t n;
    net_init(&n, ECDSA_A, RSA_A);
    dice_state = seed;
    n.between = throw_next_epoch;
    n.split = seed % 2;
    n.shuffled = seed % 4 == 1;
    net_run(&n, RTC_SEC(10));
    check_connected(&n);
    CHECK(clock_us - n.began <= RTC_MS(1600));
    net_clear(&n);
  }
}

/* Too short for any suite, of all types; the first such of epoch 1 ended an association with OpenSSL 3.0.20. */
static void throw_short_ones(net_t *n) {
  uint8_t p[64];
  const uint8_t body[24] = {3, 1};
  for (int side = 0; side < 2; side++) {
    for (uint8_t type = 20; type <= 25; type++) {
      (void)rtc_dtls_put(n->d[side], p, record(p, type, 1, type, body, 2));
      (void)rtc_dtls_put(n->d[side], p, record(p, type, 1, type, body, dice() % sizeof body));
    }
    (void)rtc_dtls_put(n->d[side], p, record(p, 20, 0, 900, body, 1)); /* no such ChangeCipherSpec, no such alert */
    (void)rtc_dtls_put(n->d[side], p, record(p, 21, 0, 901, body, 2));
    rtc_dtls_work(n->d[side]);
  }
}

static void throw_garbage(net_t *n) {
  uint8_t p[1500];
  for (int i = 0; i < 100; i++) {
    for (int side = 0; side < 2; side++) {
      size_t len = garbage(p, sizeof p);
      (void)rtc_dtls_put(n->d[side], p, len);
      rtc_dtls_work(n->d[side]);
    }
  }
}

static void garbage_changes_nothing(void) {
  for (uint32_t seed = 1; seed <= 10; seed++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    dice_state = seed;
    uint8_t p[1500];
    for (int i = 0; i < 1000; i++) {
      size_t len = garbage(p, sizeof p);
      CHECK_EQ(rtc_dtls_put(n.d[1], p, len), 0);
      rtc_dtls_work(n.d[1]);
    }
    n.between = throw_garbage;
    net_run(&n, RTC_SEC(5));
    check_connected(&n);
    CHECK_EQ(clock_us, n.began);
    throw_garbage(&n);
    CHECK(both(&n, RTC_DTLS_CONNECTED));
    net_clear(&n);
  }
}

/* Pieces of big messages, as many as it takes, and records of every type of epochs that cannot be read yet. */
static void leave_behind_all(rtc_dtls_t *d) {
  static const uint8_t junk[1300];
  static const uint32_t lengths[] = {16000, 0xffffff, 8192, RTC_DTLS_MESSAGE_MAX};
  uint8_t f[1300], p[1500];
  for (uint16_t i = 0; i < 240; i++) {
    (void)rtc_dtls_put(d, p, record(p, 22, 0, 1000 + i, f, fragment(f, 11, lengths[i % 4], i / 4, 0, 1200)));
    for (uint8_t type = 20; type <= 25; type++)
      (void)rtc_dtls_put(d, p, record(p, type, 1 + i / 20 % 3, i * 8u + type, junk, i % 2 ? 60 : 1300));
    rtc_dtls_work(d);
  }
}

/* The client's last flight but for its Finished, so that the server waits for a record of epoch 1. */
static void up_to_ccs(net_t *n) {
  n->split = true;
  for (int step = 0; step < 10; step++) {
    if (n->in_air && n->air[n->in_air - 1].to == 1 && rtc_get16(n->air[n->in_air - 1].data + 3) == 1) {
      n->in_air--;
      break;
    }
    CHECK(net_step(n));
  }
  for (int i = 0; i < n->in_air; i++) CHECK_EQ(rtc_dtls_put(n->d[1], n->air[i].data, n->air[i].n), 0);
  rtc_dtls_work(n->d[1]);
  CHECK_EQ(SSL_get_state(n->d[1]->ssl), TLS_ST_SR_CHANGE);
}

/* A8: what a half-open peer can make us hold: one that has said nothing else, has said hello, or all but the last word. */
static void half_open_memory(void) {
  for (int stage = 0; stage < 3; stage++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    rtc_dtls_t *d = n.d[1];
    rtc_dtls_work(n.d[0]);
    int64_t before = held; /* what the client comes to hold after this counts too */
    if (stage == 1) {
      collect(&n, 0);
      CHECK_EQ(rtc_dtls_put(d, n.air[0].data, n.air[0].n), 0);
      rtc_dtls_work(d);
    }
    if (stage == 2) up_to_ccs(&n);
    leave_behind_all(d);
    int64_t grown = held + (d->early ? RTC_DTLS_EARLY_BYTES : 0) - before;
    printf("half-open peer at stage %d with all it can leave behind: +%d bytes\n", stage, (int)grown);
    CHECK(grown <= 128 * 1024);
    CHECK_EQ(rtc_dtls_state(d), RTC_DTLS_HANDSHAKE);
    net_clear(&n);
  }
}

static const char *const SUITES[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
                                     "ECDHE-ECDSA-AES128-SHA"};
enum { SUITE_N = sizeof SUITES / sizeof SUITES[0] };

static void connected_with(net_t *n, const char *suite) {
  net_init(n, ECDSA_A, ECDSA_B);
  CHECK(SSL_set_cipher_list(n->d[0]->ssl, suite));
  net_run(n, RTC_SEC(1));
  check_connected(n);
  CHECK(!strcmp(rtc_dtls_cipher(n->d[1]), suite));
}

/* A7: one record that anybody could send, of each type and epoch and of each length up to well beyond the shortest genuine one. */
static void each_forged_record(const net_t *n) {
  static const uint64_t seqs[] = {0, 5, 1000, 0xffffffffffff};
  uint8_t p[200], body[150] = {1, 2, 3};
  for (uint16_t epoch = 0; epoch < 4; epoch++) {
    for (uint8_t type = 19; type <= 26; type++) {
      for (size_t len = 0; len <= sizeof body; len++) {
        for (int side = 0; side < 2; side++) {
          CHECK_EQ(rtc_dtls_put(n->d[side], p, record(p, type, epoch, seqs[len % 4], body, len)), 0);
          rtc_dtls_work(n->d[side]);
        }
      }
    }
  }
  const uint8_t fatal[2] = {2, 40}, notify[2] = {1, 0};
  for (uint16_t epoch = 0; epoch < 4; epoch++) {
    CHECK_EQ(rtc_dtls_put(n->d[1], p, record(p, 21, epoch, 77, fatal, 2)), 0);
    CHECK_EQ(rtc_dtls_put(n->d[1], p, record(p, 21, epoch, 78, notify, 2)), 0);
    rtc_dtls_work(n->d[1]);
  }
}

/* A7 and more: what is not authentic is dropped, and does not move the replay window. */
static void forged_records_after_the_handshake(void) {
  for (int k = 0; k < SUITE_N; k++) {
    net_t n;
    connected_with(&n, SUITES[k]);
    each_forged_record(&n);
    CHECK(both(&n, RTC_DTLS_CONNECTED));
    uint8_t got[64];
    for (int i = 0; i < 300 && both(&n, RTC_DTLS_CONNECTED); i++) {
      CHECK_EQ(rtc_dtls_send(n.d[0], (const uint8_t *)&i, sizeof i), 0);
      datagram_t seen;
      collect(&n, 0);
      seen = n.air[0];
      net_step(&n);
      CHECK_EQ(rtc_dtls_put(n.d[1], seen.data, seen.n), 0); /* replayed */
      rtc_dtls_work(n.d[1]);
      int back = -1;
      CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), sizeof i);
      memcpy(&back, got, sizeof back);
      CHECK_EQ(back, i);
      CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), 0);
    }
    net_clear(&n);
  }
}

/* The same before the handshake is over: between the client's ChangeCipherSpec and its Finished, and before both. */
static void forged_records_before_the_finished(void) {
  for (int k = 0; k < SUITE_N; k++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    CHECK(SSL_set_cipher_list(n.d[0]->ssl, SUITES[k]));
    n.between = throw_short_ones;
    n.split = true;
    net_run(&n, RTC_SEC(5));
    check_connected(&n);
    CHECK_EQ(clock_us, n.began);
    net_clear(&n);
  }
}

/* A record of epoch 0 whose number is far ahead does not make the true ones look repeated. */
static void throw_far_ahead(net_t *n) {
  uint8_t p[14];
  for (int side = 0; side < 2; side++)
    (void)rtc_dtls_put(n->d[side], p, record(p, 20, 0, 0xfffffffff000u + dice() % 1000, (const uint8_t *)"\1", 1));
}

static void numbers_far_ahead(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  throw_far_ahead(&n);
  n.between = throw_far_ahead;
  net_run(&n, RTC_SEC(5));
  check_connected(&n);
  CHECK_EQ(clock_us, n.began);
  net_clear(&n);
}

static void inbox_has_a_cap(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  uint8_t p[30000] = {0};
  for (size_t len = 0; len < 13; len++) CHECK_EQ(rtc_dtls_put(n.d[1], p, len), RTC_EPROTO);
  for (int i = 0; i < RTC_DTLS_IN_MAX; i++) CHECK_EQ(rtc_dtls_put(n.d[1], p, 13), 0);
  CHECK_EQ(rtc_dtls_put(n.d[1], p, 13), RTC_ENOBUFS);
  rtc_dtls_work(n.d[1]);
  CHECK_EQ(rtc_dtls_put(n.d[1], p, sizeof p), RTC_ENOBUFS);
  CHECK_EQ(rtc_dtls_put(n.d[1], p, 15000), 0);
  CHECK_EQ(rtc_dtls_put(n.d[1], p, 15000), RTC_ENOBUFS);
  net_run(&n, RTC_SEC(5));
  check_connected(&n);
  net_clear(&n);
}

int main(void) {
  start();
  RUN(garbage_changes_nothing);
  RUN(forged_next_epoch);
  RUN(half_open_memory);
  RUN(forged_records_after_the_handshake);
  RUN(forged_records_before_the_finished);
  RUN(numbers_far_ahead);
  RUN(inbox_has_a_cap);
  return finish();
}
