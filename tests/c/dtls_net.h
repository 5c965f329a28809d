/* dtls_net: two associations and the network between them, with OpenSSL's clock and memory in hand. For one test program
 * each: it defines gettimeofday. */
#ifndef RTC_TESTS_DTLS_NET_H
#define RTC_TESTS_DTLS_NET_H

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/time.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "check.h"
#include "proto/dtls.h"
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
static inline void *counted_realloc(void *p, size_t n, const char *file, int line) {
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
static inline void *counted_malloc(size_t n, const char *file, int line) { return n ? counted_realloc(NULL, n, file, line) : NULL; }
static inline void counted_free(void *p, const char *file, int line) {
  (void)file;
  (void)line;
  if (!p) return;
  size_t was;
  memcpy(&was, (uint8_t *)p - BLOCK, sizeof was);
  held -= (int64_t)was;
  free((uint8_t *)p - BLOCK);
}

static uint64_t dice_state = 1;
static inline uint32_t dice(void) { /* splitmix64 */
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

static inline size_t bio_text(BIO *b, char *out, size_t cap) {
  int n = BIO_read(b, out, (int)cap);
  BIO_free(b);
  if (n <= 0 || (size_t)n >= cap) exit(2);
  return (size_t)n;
}

/* padding: bytes of a comment, to make the certificate longer. */
static inline void identity_make(identity_t *id, EVP_PKEY *key, const char *name, int padding) {
  X509 *x = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
  X509_set_version(x, 2);
  X509_gmtime_adj(X509_getm_notBefore(x), -86400);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  if (padding) {
    char comment[2048];
    memset(comment, 'x', sizeof comment);
    comment[padding] = 0;
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, comment);
    if (!e || !X509_add_ext(x, e, -1)) exit(2);
    X509_EXTENSION_free(e);
  }
  if (!X509_sign(x, key, EVP_sha256())) exit(2);
  BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
  if (!PEM_write_bio_X509(c, x) || !PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL)) exit(2);
  id->cert_n = bio_text(c, id->cert, sizeof id->cert);
  id->key_n = bio_text(k, id->key, sizeof id->key);
  uint8_t *p = id->der;
  id->der_n = (size_t)i2d_X509(x, &p);
  X509_free(x);
}

static inline rtc_dtls_ctx_t *ctx_of(const identity_t *id) {
  int err;
  rtc_dtls_ctx_t *c = rtc_dtls_ctx_new(id->cert, id->cert_n, id->key, id->key_n, &err);
  if (!c || err) exit(2);
  return c;
}

static inline void identities_make(void) {
  EVP_PKEY *keys[IDENTITIES] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-256"), EVP_RSA_gen(2048), EVP_RSA_gen(1024)};
  for (int i = 0; i < IDENTITIES; i++) {
    identity_make(&ids[i], keys[i], "someone", 0);
    EVP_PKEY_free(keys[i]);
    if (i != RSA_WEAK) ids[i].ctx = ctx_of(&ids[i]);
  }
}

static inline rtc_fingerprint_t fingerprint_of(const identity_t *id, int bits) {
  rtc_fingerprint_t f = {.bits = (uint16_t)bits};
  int n = rtc_sha(bits, id->der, id->der_n, f.value);
  if (n <= 0) exit(2);
  f.len = (uint8_t)n;
  return f;
}

static inline rtc_fingerprint_t fingerprint(int id, int bits) { return fingerprint_of(&ids[id], bits); }

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

static inline void net_of(net_t *n, const identity_t *client, const identity_t *server) {
  memset(n, 0, sizeof *n);
  rtc_fingerprint_t of_client = fingerprint_of(client, 256), of_server = fingerprint_of(server, 256);
  n->d[0] = rtc_dtls_new(client->ctx, true, &of_server, 1);
  n->d[1] = rtc_dtls_new(server->ctx, false, &of_client, 1);
  for (int i = 0; i < 2; i++) CHECK(n->d[i] && rtc_dtls_prepare(n->d[i]));
  if (!n->d[0] || !n->d[1]) exit(2);
  n->began = clock_us;
}
static inline void net_init(net_t *n, int client_id, int server_id) { net_of(n, &ids[client_id], &ids[server_id]); }
static inline void net_clear(net_t *n) {
  rtc_dtls_free(n->d[0]);
  rtc_dtls_free(n->d[1]);
}

static inline bool is_lost(net_t *n, int number) {
  for (int i = 0; i < n->lose_n; i++)
    if (n->lose[i] == number) return true;
  return n->lose_percent && dice() % 100 < n->lose_percent;
}

static inline void launch(net_t *n, int to, const uint8_t *p, size_t len) {
  if (is_lost(n, n->sent++) || n->in_air == FLIGHT_MAX) return;
  datagram_t *a = &n->air[n->in_air++];
  a->to = to;
  a->n = len;
  memcpy(a->data, p, len);
}

static inline void collect(net_t *n, int from) {
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
static inline bool net_step(net_t *n) {
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
static inline void net_run(net_t *n, int64_t limit_us) {
  int64_t end = clock_us + limit_us;
  int turn = 0;
  for (; turn < 10000; turn++) {
    if (net_step(n)) continue;
    rtc_time_t wait = rtc_time_min(rtc_dtls_timeout_in(n->d[0]), rtc_dtls_timeout_in(n->d[1]));
    if (wait == RTC_NEVER || clock_us + wait > end) return;
    clock_us += wait;
  }
  CHECK(turn < 10000); /* it came to no rest */
}

static inline bool both(const net_t *n, rtc_dtls_state_t s) { return rtc_dtls_state(n->d[0]) == s && rtc_dtls_state(n->d[1]) == s; }

static inline void check_connected(const net_t *n) {
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

static inline void connected(net_t *n) {
  net_init(n, ECDSA_A, ECDSA_B);
  net_run(n, RTC_SEC(1));
  check_connected(n);
}

static inline void start(void) {
  if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free)) exit(2);
  identities_make();
}
static inline int finish(void) {
  for (int i = 0; i < IDENTITIES; i++) rtc_dtls_ctx_free(ids[i].ctx);
  return CHECK_END();
}

#endif
