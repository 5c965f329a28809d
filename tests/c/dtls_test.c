/* dtls: both roles against each other: handshakes over bad networks, who is refused, what is agreed, application data. */
#include "dtls_net.h"

static void handshakes(void) {
  static const int pairs[][2] = {{ECDSA_A, ECDSA_B}, {ECDSA_A, RSA_A}, {RSA_A, ECDSA_A}, {RSA_A, RSA_A}, {ECDSA_A, ECDSA_A}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    net_t n;
    net_init(&n, pairs[i][0], pairs[i][1]);
    rtc_dtls_keys_t k;
    uint8_t der[4096];
    CHECK_EQ(rtc_dtls_keys(n.d[0], &k), RTC_ESTATE);
    CHECK(rtc_dtls_timeout_in(n.d[0]) == 0 && rtc_dtls_timeout_in(n.d[1]) == RTC_NEVER);
    CHECK(!*rtc_dtls_version(n.d[0]) && !*rtc_dtls_cipher(n.d[1]) && rtc_dtls_peer_cert(n.d[0], der, sizeof der) == 0);
    net_run(&n, RTC_SEC(1));
    check_connected(&n);
    CHECK_EQ(clock_us, n.began); /* no time-out was needed */
    CHECK_EQ(rtc_dtls_keys(n.d[1], &k), 0);
    CHECK_EQ(k.profile, RTC_SRTP_AEAD_AES_128_GCM);
    CHECK(!strncmp(rtc_dtls_version(n.d[0]), "DTLSv1.", 7) && strstr(rtc_dtls_cipher(n.d[1]), "AES128-GCM"));
    CHECK_EQ(rtc_dtls_peer_cert(n.d[0], der, sizeof der), ids[pairs[i][1]].der_n);
    CHECK_MEM(der, ids[pairs[i][1]].der, ids[pairs[i][1]].der_n);
    CHECK_EQ(rtc_dtls_peer_cert(n.d[1], der, 10), RTC_ENOBUFS);
    CHECK(rtc_dtls_timeout_in(n.d[0]) == RTC_NEVER && rtc_dtls_timeout_in(n.d[1]) == RTC_NEVER);
    CHECK_EQ(rtc_dtls_error(n.d[0])[0], 0);
    net_clear(&n);
  }
}

/* The peer's own certificate first, then what it showed besides, of either role alike; what is too much has failed before. */
static void all_that_a_peer_showed(void) {
  rtc_dtls_ctx_t *c = rtc_dtls_ctx_new(ids[ECDSA_B].cert, ids[ECDSA_B].cert_n, ids[ECDSA_B].key, ids[ECDSA_B].key_n, &(int){0});
  const uint8_t *p = ids[RSA_A].der;
  X509 *second = d2i_X509(NULL, &p, (long)ids[RSA_A].der_n);
  SSL_CTX *own = rtc_dtls_settings_new();                                      /* the others' are left alone */
  CHECK(c && own && second && SSL_CTX_add_extra_chain_cert(own, second) == 1); /* takes it over */
  SSL_CTX_free(c->ssl_ctx);
  c->ssl_ctx = own;
  identity_t longer = ids[ECDSA_B];
  longer.ctx = c;
  for (int role = 0; role < 2; role++) {
    net_t n;
    net_of(&n, role ? &ids[ECDSA_A] : &longer, role ? &longer : &ids[ECDSA_A]);
    rtc_dtls_t *one = n.d[role ? 0 : 1], *other = n.d[role ? 1 : 0];
    CHECK(!rtc_dtls_peer_certs(one));
    net_run(&n, RTC_SEC(1));
    check_connected(&n);
    rtc_certs_t *got = rtc_dtls_peer_certs(one);
    size_t first = ids[ECDSA_B].der_n, next = ids[RSA_A].der_n;
    CHECK(got && got->len == first + next + 6);
    if (got && got->len == first + next + 6) {
      CHECK_EQ(rtc_get24(got->data), first);
      CHECK_MEM(got->data + 3, ids[ECDSA_B].der, first);
      CHECK_EQ(rtc_get24(got->data + 3 + first), next);
      CHECK_MEM(got->data + 6 + first, ids[RSA_A].der, next);
    }
    free(got);
    got = rtc_dtls_peer_certs(other);
    CHECK(got && got->len == ids[ECDSA_A].der_n + 3);
    free(got);
    net_clear(&n);
  }
  rtc_dtls_ctx_free(c);
}

/* Keys of all kinds that a peer may bring, where associations find few algorithms (dtls_lib.c) as where they find all. */
static void keys_of_all_kinds(void) {
  EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521"), EVP_RSA_gen(3072)};
  bool few = OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2;
  CHECK_EQ(few, rtc_dtls_lib() != NULL);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    identity_t id;
    identity_make(&id, keys[i], "someone", 0);
    id.ctx = ctx_of(&id);
    for (int side = 0; side < 2; side++) {
      net_t n;
      net_of(&n, side ? &ids[ECDSA_A] : &id, side ? &id : &ids[ECDSA_A]);
      net_run(&n, RTC_SEC(1));
      check_connected(&n);
      net_clear(&n);
    }
    rtc_dtls_ctx_free(id.ctx);
    EVP_PKEY_free(keys[i]);
  }
}

/* Flights of all lengths around one and two datagrams: none is longer than it may be, and none fails for that. */
static void certificates_of_all_lengths(void) {
  static const char *const suites[] = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA"};
  BIO *in = BIO_new_mem_buf(ids[RSA_A].key, (int)ids[RSA_A].key_n);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
  BIO_free(in);
  for (int padding = 1; padding < 1300; padding += padding < 160 ? 1 : 31) {
    identity_t id;
    identity_make(&id, key, "someone", padding);
    id.ctx = ctx_of(&id);
    net_t n;
    net_of(&n, &id, &id);
    CHECK(SSL_set_cipher_list(n.d[0]->ssl, suites[padding % 3]));
    net_run(&n, RTC_SEC(1));
    check_connected(&n);
    CHECK_EQ(clock_us, n.began);
    uint8_t msg[RTC_DTLS_MTU] = {1}, got[RTC_DTLS_MTU];
    size_t max = rtc_dtls_data_max(n.d[0]);
    n.biggest = 0;
    CHECK_EQ(rtc_dtls_send(n.d[0], msg, max), 0);
    net_step(&n);
    net_step(&n);
    CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), max);
    CHECK(n.biggest > RTC_DTLS_MTU - 16 && n.biggest <= RTC_DTLS_MTU); /* CBC fills blocks of 16 */
    net_clear(&n);
    rtc_dtls_ctx_free(id.ctx);
  }
  EVP_PKEY_free(key);
}

static void loss_of_each_datagram(void) {
  static const int kinds[] = {ECDSA_A, RSA_A}; /* RSA's flights are longer */
  for (size_t k = 0; k < 2; k++) {
    net_t n;
    net_init(&n, kinds[k], kinds[k]);
    net_run(&n, RTC_SEC(1));
    int total = n.sent;
    CHECK(total >= 4);
    net_clear(&n);
    for (int first = 0; first < total; first++) {
      for (int second = first; second < total + 3; second++) { /* one alone, and then each pair, retransmissions too */
        net_init(&n, kinds[k], kinds[k]);
        n.lose[0] = first;
        n.lose[1] = second;
        n.lose_n = 2;
        net_run(&n, RTC_SEC(5));
        check_connected(&n);
        CHECK(clock_us - n.began <= RTC_MS(first == second ? 110 : 410));
        net_clear(&n);
      }
    }
  }
}

static void heavy_loss(void) {
  int connected = 0;
  for (uint32_t seed = 1; seed <= 100; seed++) {
    net_t n;
    net_init(&n, ECDSA_A, RSA_A);
    dice_state = seed;
    n.lose_percent = 30;
    n.shuffled = seed % 2;
    n.split = seed % 5 == 0;
    n.doubled = seed % 3 == 0;
    net_run(&n, RTC_SEC(40));
    connected += both(&n, RTC_DTLS_CONNECTED);
    net_clear(&n);
  }
  CHECK_EQ(connected, 100);
}

/* Puts what waits at one side over to the other, or loses it; how many datagrams. */
static int carry(net_t *n, int from, bool lost) {
  n->in_air = 0;
  collect(n, from);
  int count = n->in_air;
  for (int i = 0; i < count && !lost; i++) CHECK_EQ(rtc_dtls_put(n->d[1 - from], n->air[i].data, n->air[i].n), 0);
  n->in_air = 0;
  if (!lost) rtc_dtls_work(n->d[1 - from]);
  return count;
}

static void time_out(net_t *n, int side) {
  clock_us += rtc_dtls_timeout_in(n->d[side]);
  rtc_dtls_work(n->d[side]);
}

/* A flight that was repeated can be had once more without another time-out, and does no harm when it was not needed. */
static void repeated_flights_go_out_again(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  rtc_dtls_t *client = n.d[0], *server = n.d[1];
  rtc_dtls_work(client);
  CHECK(!rtc_dtls_wants_again(client));
  CHECK_EQ(carry(&n, 0, true), 1);
  time_out(&n, 0);
  CHECK(rtc_dtls_wants_again(client));
  CHECK_EQ(carry(&n, 0, true), 1);
  CHECK_EQ(rtc_dtls_again(client), 0);
  CHECK(!rtc_dtls_wants_again(client)); /* once */
  CHECK_EQ(carry(&n, 0, false), 1);
  CHECK_EQ(rtc_dtls_state(server), RTC_DTLS_HANDSHAKE);
  CHECK(!rtc_dtls_wants_again(server));
  CHECK(carry(&n, 1, false) >= 1);
  int flight = carry(&n, 0, false); /* client's certificate to Finished */
  CHECK(flight >= 1);
  CHECK_EQ(rtc_dtls_state(server), RTC_DTLS_CONNECTED);
  CHECK(!rtc_dtls_wants_again(server));
  CHECK_EQ(carry(&n, 1, true), 1);
  time_out(&n, 0);
  CHECK_EQ(carry(&n, 0, true), flight);
  CHECK_EQ(rtc_dtls_again(client), 0);
  CHECK_EQ(carry(&n, 0, false), flight); /* nobody has had these */
  CHECK(rtc_dtls_wants_again(server));
  CHECK_EQ(carry(&n, 1, true), 1);
  CHECK_EQ(rtc_dtls_again(client), 0);
  CHECK_EQ(carry(&n, 0, false), flight); /* these it has: OpenSSL drops them, but they are a question */
  CHECK_EQ(carry(&n, 1, true), 0);
  CHECK(rtc_dtls_wants_again(server));
  time_out(&n, 0);
  CHECK(carry(&n, 0, false) >= 1);
  CHECK(rtc_dtls_wants_again(server)); /* a finished one is asked */
  CHECK_EQ(carry(&n, 1, true), 1);
  CHECK_EQ(rtc_dtls_again(server), 0);
  CHECK_EQ(carry(&n, 1, false), 1);
  check_connected(&n);
  CHECK_EQ(rtc_dtls_again(client), RTC_ESTATE); /* it has all it needs, and so knows that the server has */
  rtc_dtls_close(server);
  CHECK_EQ(rtc_dtls_again(server), RTC_ESTATE);
  net_clear(&n);
}

/* Small MTUs make every message several datagrams; a browser's ClientHello is two. */
static void fragments_in_any_order(void) {
  for (uint32_t seed = 0; seed < 40; seed++) {
    net_t n;
    net_init(&n, RSA_A, RSA_A);
    dice_state = seed;
    CHECK(SSL_set_mtu(n.d[0]->ssl, 300) > 0);
    if (seed % 2) CHECK(SSL_set_mtu(n.d[1]->ssl, 300) > 0);
    n.split = true;
    n.reversed = seed < 2;
    n.shuffled = seed >= 2;
    n.doubled = seed % 4 == 3;
    net_run(&n, RTC_SEC(5));
    check_connected(&n);
    CHECK(n.sent > 6);
    net_clear(&n);
  }
}

/* The Finished of each side overtakes its ChangeCipherSpec, once twice over. It is kept, so no time-out is needed. */
static void finished_first(void) {
  for (int doubled = 0; doubled < 2; doubled++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    n.split = true;
    n.doubled = doubled;
    int swapped = 0;
    do {
      datagram_t *last = n.in_air > 1 ? &n.air[n.in_air - 1] : NULL;
      if (last && rtc_get16(last->data + 3) == 1 && last[-1].data[0] == 20) {
        datagram_t t = *last;
        *last = last[-1];
        last[-1] = t;
        swapped++;
      }
    } while (net_step(&n));
    check_connected(&n);
    CHECK(swapped >= 2 && clock_us == n.began);
    CHECK(!n.d[0]->early && !n.d[1]->early);
    net_clear(&n);
  }
}

static void client_hello_in_two_datagrams(void) {
  for (int backwards = 0; backwards < 2; backwards++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    n.split = true;
    /* Longer than a small MTU, as a browser's is longer than a common one. */
    uint8_t longer[1 + 199];
    memset(longer, 'x', sizeof longer);
    longer[0] = 199;
    CHECK(SSL_set_mtu(n.d[0]->ssl, 256) > 0 && SSL_set_alpn_protos(n.d[0]->ssl, longer, sizeof longer) == 0);
    rtc_dtls_work(n.d[0]);
    collect(&n, 0);
    CHECK_EQ(n.in_air, 2);
    for (int i = 0; i < 2; i++) {
      const datagram_t *a = &n.air[backwards ? 1 - i : i];
      CHECK_EQ(rtc_dtls_put(n.d[1], a->data, a->n), 0);
      rtc_dtls_work(n.d[1]);
      CHECK_EQ(n.d[1]->out.count > 0, i == 1); /* answered when it is whole, and without a cookie's round trip */
    }
    n.in_air = 0;
    collect(&n, 1);
    net_run(&n, RTC_SEC(1));
    check_connected(&n);
    CHECK_EQ(clock_us, n.began);
    net_clear(&n);
  }
}

typedef struct mismatch {
  int side; /* whose expectation is wrong */
  int n;
  int bits[3];
  int wrong; /* which of them */
} mismatch_t;

static void wrong_fingerprints(void) {
  static const mismatch_t table[] = {
      {0, 1, {256}, 0},         {1, 1, {256}, 0},         {0, 1, {384}, 0},           {1, 1, {512}, 0},
      {0, 2, {256, 512}, 1},    {1, 2, {256, 512}, 0},    {1, 2, {1, 256}, 0},        {0, 2, {256, 1}, 1},
      {1, 3, {1, 384, 512}, 1}, {0, 3, {1, 384, 512}, 2}, {1, 3, {256, 256, 256}, 2},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    for (int good = 0; good < 2; good++) { /* the same with every one right passes */
      const mismatch_t *t = &table[i];
      net_t n;
      net_init(&n, ECDSA_A, ECDSA_B);
      rtc_fingerprint_t f[3];
      for (int k = 0; k < t->n; k++) f[k] = fingerprint(t->side ? ECDSA_A : ECDSA_B, t->bits[k]);
      if (!good) f[t->wrong].value[f[t->wrong].len - 1] ^= 1;
      rtc_dtls_free(n.d[t->side]);
      n.d[t->side] = rtc_dtls_new(ids[t->side ? ECDSA_B : ECDSA_A].ctx, t->side == 0, f, t->n);
      net_run(&n, RTC_SEC(60));
      if (good) {
        check_connected(&n);
      } else {
        rtc_dtls_t *strict = n.d[t->side], *other = n.d[1 - t->side];
        rtc_dtls_keys_t k;
        CHECK_EQ(rtc_dtls_state(strict), RTC_DTLS_FAILED);
        CHECK(!strcmp(rtc_dtls_error(strict), "fingerprint mismatch"));
        CHECK_EQ(rtc_dtls_keys(strict, &k), RTC_ESTATE);
        CHECK_EQ(rtc_dtls_send(strict, (const uint8_t *)"x", 1), RTC_ESTATE);
        CHECK_EQ(rtc_dtls_peer_cert(strict, f[0].value, 64), 0);
        CHECK_EQ(rtc_dtls_state(other), RTC_DTLS_FAILED); /* by the alert, at once */
        CHECK(strstr(rtc_dtls_error(other), "alert"));
        CHECK_EQ(clock_us, n.began);
        CHECK_EQ(rtc_dtls_put(strict, n.air[0].data, 100), RTC_ECLOSED);
      }
      net_clear(&n);
    }
  }
}

static void new_refuses(void) {
  rtc_fingerprint_t f[9];
  for (int i = 0; i < 9; i++) f[i] = fingerprint(ECDSA_A, 256);
  rtc_dtls_ctx_t *c = ids[ECDSA_A].ctx;
  CHECK(!rtc_dtls_new(c, true, f, 0) && !rtc_dtls_new(c, true, NULL, 1) && !rtc_dtls_new(c, true, f, 9) && !rtc_dtls_new(NULL, true, f, 1));
  f[0].len = 31;
  CHECK(!rtc_dtls_new(c, true, f, 1));
  f[0] = fingerprint(ECDSA_A, 256);
  f[0].bits = 255;
  CHECK(!rtc_dtls_new(c, true, f, 1));
  f[0] = fingerprint(ECDSA_A, 1);
  CHECK(!rtc_dtls_new(c, false, f, 1));
  rtc_dtls_t *d = rtc_dtls_new(c, false, f, 2);
  CHECK(d != NULL);
  rtc_dtls_free(d);
  rtc_dtls_free(NULL);
}

static void ctx_refuses(void) {
  int err = 0;
  const identity_t *a = &ids[ECDSA_A], *b = &ids[ECDSA_B], *weak = &ids[RSA_WEAK];
  CHECK(!rtc_dtls_ctx_new("no pem", 6, a->key, a->key_n, &err) && err == RTC_EINVAL);
  CHECK(!rtc_dtls_ctx_new(a->cert, a->cert_n, "", 0, &err) && err == RTC_EINVAL);
  CHECK(!rtc_dtls_ctx_new(NULL, 0, a->key, a->key_n, &err) && err == RTC_EINVAL);
  CHECK(!rtc_dtls_ctx_new(a->cert, a->cert_n, b->key, b->key_n, &err) && err == RTC_EINVAL);
  CHECK(!rtc_dtls_ctx_new(a->cert, a->cert_n / 2, a->key, a->key_n, &err) && err == RTC_EINVAL);
  CHECK(!rtc_dtls_ctx_new(weak->cert, weak->cert_n, weak->key, weak->key_n, &err) && err == RTC_EINVAL);

  char locked[4096];
  BIO *in = BIO_new_mem_buf(a->key, (int)a->key_n), *out = BIO_new(BIO_s_mem());
  EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
  CHECK(PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL));
  size_t n = bio_text(out, locked, sizeof locked);
  CHECK(!rtc_dtls_ctx_new(a->cert, a->cert_n, locked, n, &err) && err == RTC_EINVAL); /* and nothing is asked on the terminal */
  EVP_PKEY_free(key);
  BIO_free(in);
}

static void associations_keep_their_ctx(void) {
  int err;
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  rtc_fingerprint_t f = fingerprint(ECDSA_A, 256);
  rtc_dtls_ctx_t *c = rtc_dtls_ctx_new(ids[ECDSA_B].cert, ids[ECDSA_B].cert_n, ids[ECDSA_B].key, ids[ECDSA_B].key_n, &err);
  rtc_dtls_free(n.d[1]);
  n.d[1] = rtc_dtls_new(c, false, &f, 1);
  rtc_dtls_ctx_free(c);
  net_run(&n, RTC_SEC(1));
  check_connected(&n);
  net_clear(&n);
}

static void weak_clients_are_refused(void) {
  for (int kind = 0; kind < 4; kind++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    SSL *client = n.d[0]->ssl;
    SSL_set_security_level(client, 0);
    if (kind == 0) CHECK(SSL_set_cipher_list(client, "eNULL"));
    if (kind == 1) CHECK(SSL_set_cipher_list(client, "aNULL"));
    if (kind == 2) CHECK(SSL_set_min_proto_version(client, DTLS1_VERSION) && SSL_set_max_proto_version(client, DTLS1_VERSION));
    if (kind == 3) SSL_certs_clear(client);
    net_run(&n, RTC_SEC(60));
    CHECK(both(&n, RTC_DTLS_FAILED));
    CHECK(!strncmp(rtc_dtls_error(n.d[1]), "handshake: ", 11));
    net_clear(&n);
  }
}

static void timeouts(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  rtc_dtls_work(n.d[0]);
  uint8_t out[RTC_DTLS_MTU];
  CHECK(rtc_dtls_get(n.d[0], out, 10) == RTC_ENOBUFS && rtc_dtls_get(n.d[0], out, sizeof out) > 0);
  CHECK_EQ(rtc_dtls_timeout_in(n.d[0]), RTC_MS(100));
  rtc_dtls_work(n.d[0]); /* too early: nothing to do */
  CHECK_EQ(rtc_dtls_get(n.d[0], out, sizeof out), 0);
  int64_t want = RTC_MS(100), began = clock_us;
  int sends = 1;
  while (rtc_dtls_state(n.d[0]) == RTC_DTLS_HANDSHAKE && sends < 100) {
    clock_us += want;
    rtc_dtls_work(n.d[0]);
    if (rtc_dtls_state(n.d[0]) != RTC_DTLS_HANDSHAKE) break;
    int64_t next = rtc_dtls_timeout_in(n.d[0]); /* doubles up to a cap, which it keeps */
    CHECK(next == want * 2 || (next >= want && next >= RTC_SEC(1) && next <= RTC_SEC(3)));
    want = next;
    while (rtc_dtls_get(n.d[0], out, sizeof out) > 0) sends++;
  }
  CHECK_EQ(rtc_dtls_state(n.d[0]), RTC_DTLS_FAILED);
  CHECK(!strcmp(rtc_dtls_error(n.d[0]), "handshake: timed out"));
  CHECK(clock_us - began > RTC_SEC(10) && clock_us - began <= RTC_MS(RTC_DTLS_GIVE_UP_MS));
  CHECK(sends > 8 && sends < 20);
  CHECK_EQ(rtc_dtls_timeout_in(n.d[0]), RTC_NEVER);
  net_clear(&n);
}

static void application_data(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  uint8_t msg[1300], got[1300];
  for (size_t i = 0; i < sizeof msg; i++) msg[i] = (uint8_t)dice();
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 10), RTC_ESTATE);
  CHECK_EQ(rtc_dtls_data_max(n.d[0]), 0);
  net_run(&n, RTC_SEC(1));
  check_connected(&n);
  size_t max = rtc_dtls_data_max(n.d[0]);
  CHECK_EQ(max, 1163);
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 0), RTC_EINVAL);
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, max + 1), RTC_EINVAL);
  CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), 0);
  for (int round = 0; round < 100; round++) {
    for (int side = 0; side < 2; side++) {
      size_t len = round == 0 ? max : 1 + dice() % max;
      CHECK_EQ(rtc_dtls_send(n.d[side], msg, len), 0);
      net_step(&n);
      net_step(&n);
      CHECK_EQ(rtc_dtls_recv(n.d[1 - side], got, sizeof got), len);
      CHECK_MEM(got, msg, len);
      CHECK_EQ(rtc_dtls_recv(n.d[1 - side], got, sizeof got), 0);
    }
  }
  CHECK_EQ(n.biggest, RTC_DTLS_MTU);
  /* Too small a buffer loses that message, not the next. */
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 100), 0);
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 7), 0);
  net_step(&n);
  net_step(&n);
  CHECK_EQ(rtc_dtls_recv(n.d[1], got, 50), RTC_ENOBUFS);
  CHECK_EQ(rtc_dtls_recv(n.d[1], got, 50), 7);
  /* Both queues have their cap, and work again once taken from. */
  int sent = 0;
  while (rtc_dtls_send(n.d[0], msg, 1000) == 0 && sent < 100) sent++;
  CHECK_EQ(sent, 16);
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 1000), RTC_ENOBUFS);
  net_step(&n);
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 500), 0);
  net_step(&n);
  net_step(&n);
  int received = 0;
  while (rtc_dtls_recv(n.d[1], got, sizeof got) == 1000) received++;
  CHECK_EQ(received, 16); /* the seventeenth found no room */
  CHECK_EQ(rtc_dtls_send(n.d[0], msg, 9), 0);
  net_step(&n);
  net_step(&n);
  CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), 9);
  net_clear(&n);
}

static void closing(void) {
  for (int side = 0; side < 2; side++) {
    net_t n;
    connected(&n);
    uint8_t got[64];
    rtc_dtls_keys_t k;
    CHECK_EQ(rtc_dtls_send(n.d[side], (const uint8_t *)"last", 4), 0);
    rtc_dtls_close(n.d[side]);
    rtc_dtls_close(n.d[side]);
    CHECK_EQ(rtc_dtls_state(n.d[side]), RTC_DTLS_CLOSED);
    net_run(&n, RTC_SEC(1));
    CHECK(both(&n, RTC_DTLS_CLOSED));
    CHECK_EQ(rtc_dtls_recv(n.d[1 - side], got, sizeof got), 4);
    CHECK_EQ(rtc_dtls_keys(n.d[side], &k), RTC_ESTATE);
    CHECK_EQ(rtc_dtls_send(n.d[side], got, 4), RTC_ESTATE);
    CHECK_EQ(rtc_dtls_put(n.d[side], n.air[0].data, 40), RTC_ECLOSED);
    CHECK(rtc_dtls_timeout_in(n.d[side]) == RTC_NEVER && !*rtc_dtls_error(n.d[side]));
    net_clear(&n);
  }
  net_t n; /* before and during a handshake */
  net_init(&n, ECDSA_A, ECDSA_B);
  rtc_dtls_close(n.d[1]);
  rtc_dtls_work(n.d[0]);
  rtc_dtls_close(n.d[0]);
  rtc_dtls_work(n.d[0]);
  CHECK(both(&n, RTC_DTLS_CLOSED));
  net_clear(&n);
}

static void renegotiation_is_refused(void) {
  net_t n;
  connected(&n);
  SSL_clear_options(n.d[0]->ssl, SSL_OP_NO_RENEGOTIATION);
  CHECK_EQ(SSL_renegotiate(n.d[0]->ssl), 1);
  SSL_do_handshake(n.d[0]->ssl);
  collect(&n, 0);
  CHECK_EQ(n.in_air, 1);
  CHECK_EQ(rtc_dtls_put(n.d[1], n.air[0].data, n.air[0].n), 0);
  rtc_dtls_work(n.d[1]);
  n.in_air = 0;
  collect(&n, 1);
  CHECK(n.in_air == 1 && n.air[0].data[0] == 21); /* an alert, no handshake */
  CHECK_EQ(rtc_dtls_state(n.d[1]), RTC_DTLS_CONNECTED);
  CHECK(SSL_is_init_finished(n.d[1]->ssl));
  net_clear(&n);
}

/* What a finished association holds, and that freeing gives all of it back. */
static void memory(void) {
  net_t warm;
  connected(&warm); /* OpenSSL's own tables come with the first */
  net_clear(&warm);
  enum { PAIRS = 20 };
  net_t n[PAIRS];
  int64_t before = held;
  for (int i = 0; i < PAIRS; i++) connected(&n[i]);
  int64_t each = (held - before) / (2 * PAIRS);
  for (int i = 0; i < PAIRS; i++) {
    CHECK(n[i].d[0]->in.buf == NULL && n[i].d[0]->out.buf == NULL && n[i].d[1]->in.buf == NULL && n[i].d[1]->out.buf == NULL);
    net_clear(&n[i]);
  }
  CHECK(each > 1000 && each < 48 * 1024);
  CHECK_EQ(held, before);
  printf("finished association: %d bytes of OpenSSL's, %d of ours\n", (int)each, (int)(sizeof(rtc_dtls_t) + sizeof(rtc_fingerprint_t)));
}

int main(void) {
  start();
  RUN(handshakes);
  RUN(all_that_a_peer_showed);
  RUN(keys_of_all_kinds);
  RUN(certificates_of_all_lengths);
  RUN(loss_of_each_datagram);
  RUN(heavy_loss);
  RUN(repeated_flights_go_out_again);
  RUN(fragments_in_any_order);
  RUN(finished_first);
  RUN(client_hello_in_two_datagrams);
  RUN(wrong_fingerprints);
  RUN(new_refuses);
  RUN(ctx_refuses);
  RUN(associations_keep_their_ctx);
  RUN(weak_clients_are_refused);
  RUN(timeouts);
  RUN(application_data);
  RUN(closing);
  RUN(renegotiation_is_refused);
  RUN(memory);
  return finish();
}
