/* dtls: both roles against each other over a network of this file's making, with OpenSSL's clock and memory in hand. */
#include "proto/dtls.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/time.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "check.h"
#include "proto/dtls_impl.h"

/* OpenSSL's DTLS timers ask gettimeofday. This one stands still but for what the tests add. */
static int64_t clock_us = 1700000000000000;
int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
  (void)tz;
  tv->tv_sec = clock_us / 1000000;
  tv->tv_usec = clock_us % 1000000;
  return 0;
}

/* OpenSSL's memory, counted: each block has its size before it. */
enum { BLOCK = 16 };
static int64_t held;
static void *counted_realloc(void *p, size_t n, const char *file, int line) {
  (void)file;
  (void)line;
  uint8_t *old = p ? (uint8_t *)p - BLOCK : NULL;
  size_t was = 0;
  if (old) memcpy(&was, old, sizeof was);
  if (n > SIZE_MAX / 2) return NULL;
  uint8_t *q = realloc(old, n + BLOCK);
  if (!q) return NULL;
  memcpy(q, &n, sizeof n);
  held += (int64_t)n - (int64_t)was;
  return q + BLOCK;
}
static void *counted_malloc(size_t n, const char *file, int line) { return n ? counted_realloc(NULL, n, file, line) : NULL; }
static void counted_free(void *p, const char *file, int line) {
  (void)file;
  (void)line;
  if (!p) return;
  size_t was;
  memcpy(&was, (uint8_t *)p - BLOCK, sizeof was);
  held -= (int64_t)was;
  free((uint8_t *)p - BLOCK);
}

static uint64_t dice_state = 1;
static uint32_t dice(void) { /* splitmix64 */
  uint64_t x = dice_state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(x >> 33);
}

/* Certificates */

typedef struct identity {
  char cert[4096], key[4096];
  size_t cert_n, key_n;
  uint8_t der[4096];
  size_t der_n;
  rtc_dtls_ctx_t *ctx;
} identity_t;

enum { ECDSA_A, ECDSA_B, RSA_A, RSA_WEAK, IDENTITIES };
static identity_t ids[IDENTITIES];

static size_t bio_text(BIO *b, char *out, size_t cap) {
  int n = BIO_read(b, out, (int)cap);
  BIO_free(b);
  if (n <= 0 || (size_t)n >= cap) exit(2);
  return (size_t)n;
}

static void identity_make(identity_t *id, EVP_PKEY *key, const char *name) {
  X509 *x = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
  X509_set_version(x, 2);
  X509_gmtime_adj(X509_getm_notBefore(x), -86400);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  if (!X509_sign(x, key, EVP_sha256())) exit(2);
  BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
  if (!PEM_write_bio_X509(c, x) || !PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL)) exit(2);
  id->cert_n = bio_text(c, id->cert, sizeof id->cert);
  id->key_n = bio_text(k, id->key, sizeof id->key);
  uint8_t *p = id->der;
  id->der_n = (size_t)i2d_X509(x, &p);
  X509_free(x);
  EVP_PKEY_free(key);
}

static void identities_make(void) {
  identity_make(&ids[ECDSA_A], EVP_EC_gen("P-256"), "a");
  identity_make(&ids[ECDSA_B], EVP_EC_gen("P-256"), "b");
  identity_make(&ids[RSA_A], EVP_RSA_gen(2048), "rsa");
  identity_make(&ids[RSA_WEAK], EVP_RSA_gen(1024), "weak");
  for (int i = 0; i <= RSA_A; i++) {
    int err;
    ids[i].ctx = rtc_dtls_ctx_new(ids[i].cert, ids[i].cert_n, ids[i].key, ids[i].key_n, &err);
    if (!ids[i].ctx || err) exit(2);
  }
}

static rtc_fingerprint_t fingerprint(int id, int bits) {
  rtc_fingerprint_t f = {.bits = (uint16_t)bits};
  int n = rtc_sha(bits, ids[id].der, ids[id].der_n, f.value);
  if (n <= 0) exit(2);
  f.len = (uint8_t)n;
  return f;
}

/* The network: datagrams in flight between client (0) and server (1), in the order in which they were sent. */

enum { FLIGHT_MAX = 64, LOSSES = 8 };
typedef struct datagram {
  int to;
  size_t n;
  uint8_t data[RTC_DTLS_MTU];
} datagram_t;

typedef struct net {
  rtc_dtls_t *d[2];
  datagram_t air[FLIGHT_MAX];
  int in_air;
  int sent;         /* datagrams so far */
  int lose[LOSSES]; /* numbers of those that are lost */
  int lose_n;
  uint32_t lose_percent;
  bool reversed, shuffled, doubled, split; /* split: a datagram for each record */
  void (*between)(struct net *);           /* called before each delivery */
  int64_t began;
  size_t biggest;
} net_t;

static void net_init(net_t *n, int client_id, int server_id) {
  memset(n, 0, sizeof *n);
  rtc_fingerprint_t of_client = fingerprint(client_id, 256), of_server = fingerprint(server_id, 256);
  n->d[0] = rtc_dtls_new(ids[client_id].ctx, true, &of_server, 1);
  n->d[1] = rtc_dtls_new(ids[server_id].ctx, false, &of_client, 1);
  if (!n->d[0] || !n->d[1]) exit(2);
  n->began = clock_us;
}
static void net_clear(net_t *n) {
  rtc_dtls_free(n->d[0]);
  rtc_dtls_free(n->d[1]);
}

static bool is_lost(net_t *n, int number) {
  for (int i = 0; i < n->lose_n; i++)
    if (n->lose[i] == number) return true;
  return n->lose_percent && dice() % 100 < n->lose_percent;
}

static void launch(net_t *n, int to, const uint8_t *p, size_t len) {
  if (is_lost(n, n->sent++) || n->in_air == FLIGHT_MAX) return;
  datagram_t *a = &n->air[n->in_air++];
  a->to = to;
  a->n = len;
  memcpy(a->data, p, len);
}

static void collect(net_t *n, int from) {
  uint8_t out[RTC_DTLS_MTU];
  int got;
  while ((got = rtc_dtls_get(n->d[from], out, sizeof out)) > 0) {
    size_t len = (size_t)got;
    CHECK(len <= RTC_DTLS_MTU);
    if (len > n->biggest) n->biggest = len;
    for (size_t at = 0; at < len;) {
      size_t piece = n->split ? 13u + rtc_get16(out + at + 11) : len;
      launch(n, 1 - from, out + at, piece);
      at += piece;
    }
  }
  CHECK_EQ(got, 0);
}

/* Delivers all that is in the air, then lets both work once; false when nothing moved. */
static bool net_step(net_t *n) {
  bool moved = n->in_air > 0;
  datagram_t air[FLIGHT_MAX];
  int count = n->in_air;
  memcpy(air, n->air, sizeof air);
  n->in_air = 0;
  for (int i = 0; n->shuffled && i < count; i++) {
    int j = (int)(dice() % (uint32_t)count);
    datagram_t t = air[i];
    air[i] = air[j];
    air[j] = t;
  }
  for (int i = 0; i < count; i++) {
    const datagram_t *a = &air[n->reversed ? count - 1 - i : i];
    if (n->between) n->between(n);
    (void)rtc_dtls_put(n->d[a->to], a->data, a->n);
    if (n->doubled) (void)rtc_dtls_put(n->d[a->to], a->data, a->n);
    if (n->between) rtc_dtls_work(n->d[a->to]);
  }
  for (int i = 0; i < 2; i++) {
    rtc_dtls_work(n->d[i]);
    collect(n, i);
  }
  return moved || n->in_air > 0;
}

/* Runs until both are at rest, no longer than this much virtual time. */
static void net_run(net_t *n, int64_t limit_us) {
  int64_t end = clock_us + limit_us;
  for (int turn = 0; turn < 10000; turn++) {
    if (net_step(n)) continue;
    rtc_time_t wait = rtc_time_min(rtc_dtls_timeout_in(n->d[0]), rtc_dtls_timeout_in(n->d[1]));
    if (wait == RTC_NEVER || clock_us + wait > end) return;
    clock_us += wait;
  }
  CHECK(!"the network came to no rest");
}

static bool both(const net_t *n, rtc_dtls_state_t s) { return rtc_dtls_state(n->d[0]) == s && rtc_dtls_state(n->d[1]) == s; }

static void check_connected(const net_t *n) {
  CHECK(both(n, RTC_DTLS_CONNECTED));
  rtc_dtls_keys_t c, s;
  CHECK_EQ(rtc_dtls_keys(n->d[0], &c), 0);
  CHECK_EQ(rtc_dtls_keys(n->d[1], &s), 0);
  CHECK_EQ(c.profile, s.profile);
  CHECK_MEM(c.local_key, s.remote_key, sizeof c.local_key);
  CHECK_MEM(c.remote_key, s.local_key, sizeof c.local_key);
  CHECK_MEM(c.local_salt, s.remote_salt, sizeof c.local_salt);
  CHECK_MEM(c.remote_salt, s.local_salt, sizeof c.local_salt);
  CHECK(memcmp(c.local_key, c.remote_key, 16) != 0 && memcmp(c.local_salt, c.remote_salt, 12) != 0);
}

/* Tests */

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

static void client_hello_in_two_datagrams(void) {
  for (int backwards = 0; backwards < 2; backwards++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    n.split = true;
    /* Longer than a small MTU, as a browser's is longer than a common one. */
    CHECK(SSL_set_mtu(n.d[0]->ssl, 256) > 0 && SSL_set_cipher_list(n.d[0]->ssl, "ALL"));
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

static void server_chooses_profile(void) {
  static const struct {
    const char *offer;
    rtc_srtp_profile_t want;
  } table[] = {
      {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", RTC_SRTP_AEAD_AES_128_GCM}, /* Chromium */
      {"SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32", RTC_SRTP_AEAD_AES_128_GCM},
      {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", RTC_SRTP_AEAD_AES_256_GCM},
      {"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", RTC_SRTP_AES_CM_128_HMAC_SHA1_80},
      {"SRTP_AES128_CM_SHA1_32", RTC_SRTP_NONE}, /* agreed on nothing: fit for data alone */
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    CHECK_EQ(SSL_set_tlsext_use_srtp(n.d[0]->ssl, table[i].offer), 0);
    net_run(&n, RTC_SEC(1));
    rtc_dtls_keys_t k;
    if (table[i].want) {
      check_connected(&n);
      CHECK_EQ(rtc_dtls_keys(n.d[1], &k), 0);
      CHECK_EQ(k.profile, table[i].want);
    } else {
      CHECK(both(&n, RTC_DTLS_CONNECTED));
      CHECK_EQ(rtc_dtls_keys(n.d[0], &k), RTC_EPROTO);
      CHECK_EQ(rtc_dtls_keys(n.d[1], &k), RTC_EPROTO);
    }
    net_clear(&n);
  }
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

static size_t record(uint8_t *p, uint8_t type, uint16_t epoch, uint64_t seq, const uint8_t *body, size_t n) {
  p[0] = type;
  rtc_put16(p + 1, 0xfefd);
  rtc_put64(p + 3, ((uint64_t)epoch << 48) | seq);
  rtc_put16(p + 11, (uint16_t)n);
  memcpy(p + 13, body, n);
  return 13 + n;
}

static size_t fragment(uint8_t *p, uint8_t type, uint32_t length, uint16_t seq, uint32_t at, uint32_t n) {
  memset(p, 0, 12 + n);
  p[0] = type;
  rtc_put24(p + 1, length);
  rtc_put16(p + 4, seq);
  rtc_put24(p + 6, at);
  rtc_put24(p + 9, n);
  return 12 + n;
}

/* A9: fragments that carry nothing must not keep anybody busy; each call returns, and the real handshake goes on. */
static void empty_fragments(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  uint8_t many[1400], f[64], p[1500];
  for (uint64_t i = 0; i < 200; i++) {
    size_t at = 0;
    while (at + 25 <= sizeof many) at += record(many + at, 22, 0, 1000 + i * 60 + at / 25, f, fragment(f, 1, 300, 0, 0, 0));
    (void)rtc_dtls_put(n.d[1], many, at);
    rtc_dtls_work(n.d[1]);
    (void)rtc_dtls_put(n.d[1], p, record(p, 22, 0, 20000 + i, f, 0));
    (void)rtc_dtls_put(n.d[1], p, record(p, 20, 0, 30000 + i, (const uint8_t *)"\1", 1));
    rtc_dtls_work(n.d[1]);
  }
  CHECK_EQ(n.d[1]->in.count, 0);
  net_clear(&n);
}

/* A8: what a half-open peer can make us hold. */
static void half_open_memory(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  int64_t before = held;
  uint8_t f[1300], p[1500], junk[1300] = {0};
  for (uint16_t seq = 0; seq < 40; seq++) { /* the first piece of a big message, as many as it takes */
    static const uint32_t lengths[] = {16000, 0xffffff, 8192, 8192};
    for (int i = 0; i < 4; i++) {
      size_t len = record(p, 22, 0, 1000u + seq * 8u + (unsigned)i, f, fragment(f, 11, lengths[i], seq, 0, 1200));
      (void)rtc_dtls_put(n.d[1], p, len);
    }
    for (int i = 0; i < 4; i++) (void)rtc_dtls_put(n.d[1], p, record(p, i % 2 ? 22 : 21, 1, seq * 8u + (unsigned)i, junk, 1300));
    rtc_dtls_work(n.d[1]);
  }
  int64_t grown = held - before;
  CHECK(grown <= 192 * 1024);
  CHECK(n.d[1]->early <= RTC_DTLS_EARLY_MAX);
  printf("half-open peer with all it can leave behind: +%d bytes\n", (int)grown);
  net_clear(&n);
}

static void connected(net_t *n) {
  net_init(n, ECDSA_A, ECDSA_B);
  net_run(n, RTC_SEC(1));
  check_connected(n);
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

/* A7 and more: what is not authentic is dropped, and does not move the replay window. */
static void forged_records_after_the_handshake(void) {
  net_t n;
  connected(&n);
  uint8_t p[200], body[150] = {1, 2, 3}, got[64];
  const uint8_t fatal[2] = {2, 40}, notify[2] = {1, 0};
  for (uint16_t epoch = 0; epoch < 4; epoch++) {
    for (uint8_t type = 20; type <= 24; type++) {
      static const uint64_t seqs[] = {0, 5, 1000, 0xffffffffffff};
      for (int i = 0; i < 4; i++) {
        CHECK_EQ(rtc_dtls_put(n.d[1], p, record(p, type, epoch, seqs[i], body, sizeof body)), 0);
        rtc_dtls_work(n.d[1]);
      }
    }
    CHECK_EQ(rtc_dtls_put(n.d[1], p, record(p, 21, epoch, 77, fatal, 2)), 0);
    CHECK_EQ(rtc_dtls_put(n.d[1], p, record(p, 21, epoch, 78, notify, 2)), 0);
    rtc_dtls_work(n.d[1]);
  }
  CHECK(both(&n, RTC_DTLS_CONNECTED));
  for (int i = 0; i < 1000; i++) {
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
  CHECK(n.d[0]->out.count > 0);
  for (int i = 0; i < 5; i++) net_step(&n);
  CHECK_EQ(rtc_dtls_state(n.d[1]), RTC_DTLS_CONNECTED);
  CHECK(SSL_is_init_finished(n.d[1]->ssl));
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
  CHECK(each > 1000 && each < 32 * 1024);
  CHECK_EQ(held, before);
  printf("finished association: %d bytes of OpenSSL's, %d of ours\n", (int)each, (int)(sizeof(rtc_dtls_t) + sizeof(rtc_fingerprint_t)));
}

int main(void) {
  if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free)) return 2;
  identities_make();
  RUN(handshakes);
  RUN(loss_of_each_datagram);
  RUN(heavy_loss);
  RUN(fragments_in_any_order);
  RUN(client_hello_in_two_datagrams);
  RUN(wrong_fingerprints);
  RUN(new_refuses);
  RUN(ctx_refuses);
  RUN(associations_keep_their_ctx);
  RUN(server_chooses_profile);
  RUN(weak_clients_are_refused);
  RUN(timeouts);
  RUN(garbage_changes_nothing);
  RUN(empty_fragments);
  RUN(half_open_memory);
  RUN(application_data);
  RUN(forged_records_after_the_handshake);
  RUN(closing);
  RUN(renegotiation_is_refused);
  RUN(inbox_has_a_cap);
  RUN(memory);
  for (int i = 0; i < IDENTITIES; i++) rtc_dtls_ctx_free(ids[i].ctx);
  return CHECK_END();
}
