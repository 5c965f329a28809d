/* A DTLS association under attack by who can send under the peer's address: forged records (A7), what a half-open peer makes us hold
 * (A8), fragments that carry nothing (A9), a certificate made to keep OpenSSL busy for ever (A10). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/ecerr.h>
#include <openssl/err.h>

#include "attack.h"
#include "dtls_net.h"
#include "dtls_wire.h"
#include "proto/dtlsrec.h"
#include "shop.h"

/* How often OpenSSL is asked to go on: bounded work is counted, not timed. Stands before the library's. */
static int asked;
int SSL_do_handshake(SSL *s) {
  static int (*real)(SSL *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "SSL_do_handshake");
  asked++;
  return real(s);
}

/* Every epoch, type and length to 63, numbers that would push a replay window to its end, alerts. i: 0 .. FORGERIES - 1. */
enum { EPOCHS = 4, TYPES = 5, LENGTHS = 64, FORGERIES = EPOCHS * TYPES * (LENGTHS + 4) + EPOCHS * 2 };
static size_t forge(uint8_t *p, int i) {
  static const uint64_t seqs[] = {0, 5, 1000, 0xffffffffffff};
  static const uint8_t body[150] = {1, 2, 3}, fatal[2] = {2, 40}, notify[2] = {1, 0};
  int kind = i % (LENGTHS + 4), which = i / (LENGTHS + 4);
  if (which >= EPOCHS * TYPES) return record(p, 21, (uint16_t)(kind / 2), 77, i % 2 ? fatal : notify, 2);
  uint8_t type = (uint8_t)(20 + which % TYPES);
  return record(p, type, (uint16_t)(which / TYPES), seqs[i % 4], body, kind < LENGTHS ? (size_t)kind : sizeof body);
}

static void deliver(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  CHECK_EQ(rtc_dtls_put(d, p, n), 0);
  rtc_dtls_work(d);
}

/* A7: a window that moves before the tag is checked. Forged records of every epoch, then 1,000 good ones, each of them accepted once;
 * as OpenSSL reads them, and as our own reader does after it. */
static void a7_forged_records(void) {
  net_t n;
  connected(&n);
  uint8_t p[200], got[64];
  int accepted = 0, rounds = (int)(1000 * check_scale());
  for (int i = 0; i < FORGERIES; i++) deliver(n.d[1], p, forge(p, i));
  CHECK(both(&n, RTC_DTLS_CONNECTED));
  for (int i = 0; i < rounds; i++) {
    CHECK_EQ(rtc_dtls_send(n.d[0], (const uint8_t *)&i, sizeof i), 0);
    collect(&n, 0);
    datagram_t seen = n.air[0];
    net_step(&n);
    deliver(n.d[1], seen.data, seen.n); /* replayed */
    int back = -1;
    CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), sizeof i);
    memcpy(&back, got, sizeof back);
    accepted += back == i;
    CHECK_EQ(rtc_dtls_recv(n.d[1], got, sizeof got), 0);
  }
  CHECK_EQ(accepted, rounds);

  rtc_dtls_records_t k;
  rtc_dtlsrec_t reader;
  rtc_dtlsrec_content_t c;
  CHECK_EQ(rtc_dtls_export_records(n.d[1], &k), 0);
  const rtc_dtlsrec_cfg_t cfg = {k.key_len, k.local_key, k.remote_key, k.local_salt, k.remote_salt, k.next_seq, k.nonce_base, &k.seen};
  CHECK_EQ(rtc_dtlsrec_init(&reader, &cfg), 0);
  accepted = 0;
  for (int i = 0; i < FORGERIES; i++) {
    size_t at = 0, len = forge(p, i);
    CHECK(rtc_dtlsrec_open(&reader, p, len, &at, &c) < 0);
  }
  for (int i = 0; i < rounds; i++) {
    CHECK_EQ(rtc_dtls_send(n.d[0], (const uint8_t *)&i, sizeof i), 0);
    collect(&n, 0);
    datagram_t seen = n.air[--n.in_air], again = seen;
    size_t at = 0;
    CHECK_EQ(rtc_dtlsrec_open(&reader, seen.data, seen.n, &at, &c), 0);
    accepted += c.n == sizeof i && !memcmp(c.p, &i, sizeof i);
    at = 0;
    CHECK_EQ(rtc_dtlsrec_open(&reader, again.data, again.n, &at, &c), RTC_EREPLAY);
  }
  CHECK_EQ(accepted, rounds);
  rtc_dtlsrec_clear(&reader);
  net_clear(&n);
}

static void do_jobs(shop_t *s) {
  rtc_job_t job;
  while (rtc_hub_job(s->r.hub, &job)) {
    rtc_dtls_work(job.dtls);
    rtc_hub_job_done(s->r.hub, &job, s->r.now);
    rig_drain(&s->r);
  }
}

static void throw(shop_t * s, uint32_t id, const uint8_t *p, size_t n) {
  rtc_path_t path = rig_path((int)id);
  rig_raw(&s->r, &path, p, n);
}

/* Everything that a half-open peer can leave behind: a handshake begun, the first pieces of all the messages that OpenSSL keeps for
 * later, records of the next epoch, and an inbox that nobody has emptied. */
static void leave_all_behind(shop_t *s, uint32_t id, bool say_hello) {
  static const uint32_t lengths[] = {16000, 0xffffff, 8192, RTC_DTLS_MESSAGE_MAX};
  uint8_t f[1300], p[1500], junk[1300] = {0};
  if (say_hello) {
    rtc_fingerprint_t any = {.bits = 256, .len = 32};
    rtc_dtls_t *d = rtc_dtls_new(ids[ECDSA_A].ctx, true, &any, 1);
    if (!d) exit(2);
    rtc_dtls_work(d);
    int n = rtc_dtls_get(d, p, sizeof p);
    CHECK(n > 0);
    throw(s, id, p, (size_t)n);
    do_jobs(s);
    rtc_dtls_free(d);
  }
  for (uint16_t seq = 0; seq < 14; seq++) {
    for (int i = 0; i < 4; i++)
      throw(s, id, p, record(p, 22, 0, 1000u + seq * 8u + (unsigned)i, f, fragment(f, 11, lengths[i], seq, 0, 1200)));
    for (int i = 0; i < 2; i++) throw(s, id, p, record(p, i ? 22 : 21, 1, seq * 8u + (unsigned)i, junk, 1300));
    do_jobs(s);
  }
  for (int i = 0; i < 20; i++) throw(s, id, p, record(p, 22, 0, 5000u + (unsigned)i, f, fragment(f, 11, RTC_DTLS_MESSAGE_MAX, 3, 0, 1200)));
}

/* 30 s go by, in which every second one goes on to check. */
static int end_all(shop_t *s, uint32_t first, uint32_t n) {
  int closed = 0;
  rtc_event_t e;
  for (int i = 0; i < 31; i++) {
    for (uint32_t id = first; i % 5 == 4 && i < 30 && id < first + n; id++)
      if (id / 2 % 2) shop_check(s, id);
    clock_us += RTC_SEC(1);
    rig_pass(&s->r, RTC_SEC(1));
    do_jobs(s);
    while (rtc_hub_event(s->r.hub, &e)) closed += e.state == RTC_T_CLOSED;
  }
  CHECK_EQ(rtc_hub_next_at(s->r.hub), RTC_NEVER);
  return closed;
}

/* A8: 1,000 half-open peers cost at most 128 KiB each, and nothing of it is left after 30 s. */
static void a8_half_open_peers(void) {
  enum { PEERS = 1000, MOST = 128 * 1024 };
  shop_t s;
  open_shop(&s, 0);
  int64_t before = 0, most = 0, sum = 0;
  /* The first round lets tables, pool and OpenSSL's own caches grow to what such a crowd needs. */
  for (uint32_t round = 0; round < 2; round++) {
    uint32_t first = 1 + round * PEERS;
    before = attack_held();
    for (uint32_t id = first; id < first + PEERS; id++) shop_add(&s, id);
    for (uint32_t id = first; id < first + PEERS; id++) {
      int64_t at = attack_held();
      leave_all_behind(&s, id, id % 2);
      int64_t grown = attack_held() - at;
      if (grown > most) most = grown;
      sum += grown;
    }
    CHECK_EQ(end_all(&s, first, PEERS), PEERS);
  }
  CHECK(most <= MOST);
  CHECK(sum > 2 * PEERS * 16 * 1024); /* it did leave something */
  int64_t left = attack_held() - before;
  CHECK(left <= 0);
  CHECK_EQ(rig_pool(&s.r), 0);
  check_figure("half_open_peers", PEERS);
  check_figure("bytes_a_peer_at_most", (double)most);
  check_figure("bytes_a_peer_after_30_s", (double)left / PEERS);
  close_shop(&s);
}

/* A9: fragments that carry nothing must not keep anybody busy: OpenSSL is asked at most once a record and twice more, and the real
 * handshake goes on. */
static void a9_empty_fragments(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  uint8_t many[1400], f[64], p[1500];
  int worst = 0, records = (int)(sizeof many / 25);
  for (uint64_t i = 0; i < 200; i++) {
    size_t at = 0;
    while (at + 25 <= sizeof many) at += record(many + at, 22, 0, 1000 + i * 60 + at / 25, f, fragment(f, 1, 300, 0, 0, 0));
    asked = 0;
    deliver(n.d[1], many, at);
    if (asked > worst) worst = asked;
    CHECK_EQ(rtc_dtls_put(n.d[1], p, record(p, 22, 0, 20000 + i, f, 0)), 0);
    CHECK_EQ(rtc_dtls_put(n.d[1], p, record(p, 20, 0, 30000 + i, (const uint8_t *)"\1", 1)), 0);
    asked = 0;
    rtc_dtls_work(n.d[1]);
    if (asked > worst) worst = asked;
    CHECK_EQ(n.d[1]->in.count, 0);
  }
  CHECK(worst > 0 && worst <= records + 2);
  check_figure("asked_for_a_datagram_of_empty_fragments", worst);
  net_run(&n, RTC_SEC(5));
  check_connected(&n);
  net_clear(&n);
}

/* DER: a value with its tag and length before it. */
static size_t der(uint8_t *out, uint8_t tag, const uint8_t *p, size_t n) {
  uint8_t copy[600];
  if (n > sizeof copy) exit(2);
  memcpy(copy, p, n);
  size_t at = 0;
  out[at++] = tag;
  if (n >= 128) out[at++] = n >= 256 ? 0x82 : 0x81;
  if (n >= 256) out[at++] = (uint8_t)(n >> 8);
  out[at++] = (uint8_t)n;
  memcpy(out + at, copy, n);
  return at + n;
}

static size_t der_hex(uint8_t *out, const char *hex) { return check_hex(out, 600, hex); }

/* Parameters of a curve, written out: y^2 = x^3 + x + 399 over 697 = 17 * 41, which is no prime, with a compressed point. Its y is a
 * root of 409, for which OpenSSL before 3.0.2 (CVE-2022-0778) seeks for ever. */
static size_t write_curve(uint8_t *out) {
  uint8_t b[600];
  size_t n = der_hex(b,
                     "020101"                         /* version */
                     "300d06072a8648ce3d0101020202b9" /* prime field, 697 */
                     "3008040200010402018f"           /* a, b */
                     "0403020002"                     /* the point, x = 2 */
                     "02020295020101");               /* order, cofactor */
  return der(out, 0x30, b, n);
}

static size_t write_crafted_certificate(uint8_t *out) {
  static const char ECDSA_SHA256[] = "300a06082a8648ce3d040302", NAME[] = "300f310d300b06035504030c0474657374";
  static const char VALID[] = "3022180f32303230303130313030303030305a180f32303939303130313030303030305a";
  uint8_t key[600], spki[600], tbs[1200], b[600];
  size_t n = der_hex(b, "06072a8648ce3d0201"); /* an EC key */
  n += write_curve(b + n);
  size_t key_n = der(key, 0x30, b, n);
  key_n += der_hex(key + key_n, "030400020002"); /* a compressed point again */
  size_t spki_n = der(spki, 0x30, key, key_n);
  size_t tbs_n = der_hex(tbs, "a003020102020101");
  tbs_n += der_hex(tbs + tbs_n, ECDSA_SHA256);
  tbs_n += der_hex(tbs + tbs_n, NAME);
  tbs_n += der_hex(tbs + tbs_n, VALID);
  tbs_n += der_hex(tbs + tbs_n, NAME);
  memcpy(tbs + tbs_n, spki, spki_n);
  tbs_n += spki_n;
  size_t at = der(b, 0x30, tbs, tbs_n);
  at += der_hex(b + at, ECDSA_SHA256);
  at += der_hex(b + at, "030900300602010102010 1");
  return der(out, 0x30, b, at);
}

/* Puts the crafted certificate into the Certificate message among what is in the air: 1 when there was one. */
static int swap_certificate(net_t *n, const uint8_t *cert, size_t cert_n) {
  int swapped = 0;
  for (int i = 0; i < n->in_air; i++) {
    datagram_t *a = &n->air[i], old = *a;
    a->n = 0;
    for (size_t at = 0; at + 13 <= old.n;) {
      const uint8_t *r = old.data + at;
      size_t len = rtc_get16(r + 11);
      if (r[0] == 22 && rtc_get16(r + 3) == 0 && r[13] == 11) {
        uint8_t body[RTC_DTLS_MTU];
        size_t message = 6 + cert_n;
        fragment(body, 11, (uint32_t)message, rtc_get16(r + 17), 0, (uint32_t)message);
        rtc_put24(body + 12, (uint32_t)(3 + cert_n));
        rtc_put24(body + 15, (uint32_t)cert_n);
        memcpy(body + 18, cert, cert_n);
        a->n += record(a->data + a->n, 22, 0, rtc_get64(r + 3), body, 12 + message);
        swapped++;
      } else {
        memcpy(a->data + a->n, r, 13 + len);
        a->n += 13 + len;
      }
      at += 13 + len;
    }
  }
  return swapped;
}

/* A10: a session's peer names the crafted certificate's fingerprint, so nothing but OpenSSL stands before its key. The handshake ends;
 * that this test ends shows the rest. */
static void a10_crafted_certificate(void) {
  uint8_t cert[700], curve[600];
  size_t cert_n = write_crafted_certificate(cert), curve_n = write_curve(curve);
  const uint8_t *p = curve;
  ERR_clear_error();
  CHECK(!d2i_ECPKParameters(NULL, &p, (long)curve_n));
  CHECK_EQ(ERR_GET_REASON(ERR_peek_error()), EC_R_INVALID_COMPRESSED_POINT); /* it got as far as the root, and found none */
  p = cert;
  X509 *x = d2i_X509(NULL, &p, (long)cert_n);
  CHECK(x && p == cert + cert_n && !X509_get0_pubkey(x));
  X509_free(x);
  ERR_clear_error();
  for (int victim = 0; victim < 2; victim++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    rtc_dtls_free(n.d[victim]);
    rtc_fingerprint_t f = {.bits = 256, .len = 32};
    CHECK_EQ(rtc_sha(256, cert, cert_n, f.value), 32);
    n.d[victim] = rtc_dtls_new(ids[victim ? ECDSA_B : ECDSA_A].ctx, victim == 0, &f, 1);
    if (!n.d[victim]) exit(2);
    int swapped = 0;
    for (int i = 0; i < 20 && rtc_dtls_state(n.d[victim]) != RTC_DTLS_FAILED; i++) {
      swapped += swap_certificate(&n, cert, cert_n);
      net_step(&n);
    }
    CHECK(swapped > 0);
    CHECK_EQ(rtc_dtls_state(n.d[victim]), RTC_DTLS_FAILED);
    CHECK(!strncmp(rtc_dtls_error(n.d[victim]), "handshake: ", 11));
    rtc_dtls_keys_t k;
    CHECK_EQ(rtc_dtls_keys(n.d[victim], &k), RTC_ESTATE);
    net_clear(&n);
  }
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  start();
  RUN(a7_forged_records);
  RUN(a8_half_open_peers);
  RUN(a9_empty_fragments);
  RUN(a10_crafted_certificate);
  return finish();
}
