/* dtlsrec: records taken over from OpenSSL, with OpenSSL on the other side; replays, forgeries, limits; what it saves. */
#include "proto/dtlsrec.h"

#include <malloc.h>

#include "dtls_net.h"

static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                     "ECDHE-RSA-AES256-GCM-SHA384"};
static const int suite_ids[] = {ECDSA_A, RSA_A, ECDSA_A, RSA_A};
enum { SUITES = 4 };

static void rec_of(rtc_dtlsrec_t *r, const rtc_dtls_records_t *k) {
  const rtc_dtlsrec_cfg_t cfg = {k->key_len,     k->local_key, k->remote_key, k->local_salt,
                                 k->remote_salt, k->next_seq,  k->nonce_base, &k->seen};
  CHECK_EQ(rtc_dtlsrec_init(r, &cfg), 0);
}

static void take_over(net_t *n, int side, rtc_dtlsrec_t *r) {
  rtc_dtls_records_t k;
  CHECK_EQ(rtc_dtls_export_records(n->d[side], &k), 0);
  rec_of(r, &k);
}

static void connected_by(net_t *n, int suite) {
  net_init(n, suite_ids[suite], suite_ids[suite]);
  CHECK(SSL_set_cipher_list(n->d[0]->ssl, suites[suite]));
  net_run(n, RTC_SEC(1));
  check_connected(n);
  CHECK(!strcmp(rtc_dtls_cipher(n->d[1]), suites[suite]));
}

/* Opens a datagram of one record: the content's length, or why not. */
static int open_one(rtc_dtlsrec_t *r, uint8_t *p, size_t n, rtc_dtlsrec_content_t *c) {
  size_t at = 0;
  int err = rtc_dtlsrec_open(r, p, n, &at, c);
  CHECK_EQ(at, n);
  return err < 0 ? err : (int)c->n;
}

static void pattern(uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)dice();
}

static bool openssl_gets(rtc_dtls_t *d, const uint8_t *record, size_t n, const uint8_t *want, size_t want_n) {
  uint8_t got[RTC_DTLS_MTU];
  CHECK_EQ(rtc_dtls_put(d, record, n), 0);
  rtc_dtls_work(d);
  int len = rtc_dtls_recv(d, got, sizeof got);
  return len == (int)want_n && memcmp(got, want, want_n) == 0;
}

static bool openssl_says(rtc_dtls_t *d, rtc_dtlsrec_t *r, const uint8_t *p, size_t n) {
  uint8_t record[RTC_DTLS_MTU];
  CHECK_EQ(rtc_dtls_send(d, p, n), 0);
  int len = rtc_dtls_get(d, record, sizeof record);
  rtc_dtlsrec_content_t c;
  return open_one(r, record, (size_t)len, &c) == (int)n && c.type == RTC_DTLSREC_TYPE_DATA && memcmp(c.p, p, n) == 0;
}

static void talks_to_openssl(void) {
  for (int suite = 0; suite < SUITES; suite++) {
    for (int side = 0; side < 2; side++) {
      net_t n;
      rtc_dtlsrec_t r;
      connected_by(&n, suite);
      rtc_dtls_t *peer = n.d[1 - side];
      take_over(&n, side, &r);
      uint8_t msg[RTC_DTLS_MTU], record[RTC_DTLS_MTU];
      for (int i = 0; i < 100; i++) {
        size_t len = i ? 1 + dice() % 1163 : 1163;
        pattern(msg, len);
        CHECK_EQ(rtc_dtlsrec_seal(&r, msg, len, record, sizeof record), len + RTC_DTLSREC_OVERHEAD);
        CHECK(openssl_gets(peer, record, len + RTC_DTLSREC_OVERHEAD, msg, len));
        CHECK(openssl_says(peer, &r, msg, len));
      }
      CHECK_EQ(r.forged, 0);
      rtc_dtlsrec_clear(&r);
      net_clear(&n);
    }
  }
}

/* Each side's object is as good as the other's, and both may go. */
static void both_sides_hand_over(void) {
  net_t n;
  rtc_dtlsrec_t r[2];
  connected_by(&n, 0);
  for (int i = 0; i < 2; i++) take_over(&n, i, &r[i]);
  net_clear(&n);
  for (int i = 0; i < 200; i++) {
    uint8_t b[300], want[300 - RTC_DTLSREC_OVERHEAD];
    pattern(want, sizeof want);
    memcpy(b + RTC_DTLSREC_HEAD, want, sizeof want); /* sealed where it lies */
    CHECK_EQ(rtc_dtlsrec_seal(&r[i & 1], b + RTC_DTLSREC_HEAD, sizeof want, b, sizeof b), sizeof b);
    rtc_dtlsrec_content_t c;
    CHECK_EQ(open_one(&r[1 - (i & 1)], b, sizeof b, &c), sizeof want);
    CHECK_MEM(c.p, want, sizeof want);
  }
  for (int i = 0; i < 2; i++) rtc_dtlsrec_clear(&r[i]);
}

static void close_notify_both_ways(void) {
  for (int suite = 0; suite < SUITES; suite++) {
    for (int side = 0; side < 2; side++) {
      net_t n;
      rtc_dtlsrec_t r;
      uint8_t b[RTC_DTLS_MTU];
      rtc_dtlsrec_content_t c;
      connected_by(&n, suite); /* ours goes out */
      take_over(&n, side, &r);
      CHECK_EQ(rtc_dtlsrec_close(&r, b, RTC_DTLSREC_ALERT - 1), RTC_ENOBUFS);
      CHECK_EQ(rtc_dtlsrec_close(&r, b, sizeof b), RTC_DTLSREC_ALERT);
      CHECK_EQ(rtc_dtlsrec_close(&r, b, sizeof b), RTC_ECLOSED);
      CHECK_EQ(rtc_dtlsrec_seal(&r, (const uint8_t *)"x", 1, b + 100, 100), RTC_ECLOSED);
      CHECK_EQ(rtc_dtls_put(n.d[1 - side], b, RTC_DTLSREC_ALERT), 0);
      rtc_dtls_work(n.d[1 - side]);
      CHECK_EQ(rtc_dtls_state(n.d[1 - side]), RTC_DTLS_CLOSED);
      CHECK_EQ(open_one(&r, b, RTC_DTLSREC_ALERT, &c), RTC_ESTATE);
      rtc_dtlsrec_clear(&r);
      net_clear(&n);
      connected_by(&n, suite); /* the peer's comes in */
      take_over(&n, side, &r);
      rtc_dtls_close(n.d[1 - side]);
      int len = rtc_dtls_get(n.d[1 - side], b, sizeof b);
      CHECK_EQ(len, RTC_DTLSREC_ALERT);
      CHECK_EQ(open_one(&r, b, (size_t)len, &c), 2);
      CHECK(rtc_dtlsrec_is_close_notify(&c) && !rtc_dtlsrec_is_fatal(&c));
      rtc_dtlsrec_clear(&r);
      net_clear(&n);
    }
  }
}

/* Numbers and nonces under one key */

enum { USED_MAX = 4096 };
typedef struct used {
  uint64_t seq[USED_MAX], nonce[USED_MAX];
  int n;
} used_t;

static void note_used(used_t *u, const uint8_t *p, size_t n) {
  for (size_t at = 0; at + 13 <= n; at += 13u + rtc_get16(p + at + 11)) {
    if (rtc_get16(p + at + 3) != 1 || u->n == USED_MAX) continue;
    u->seq[u->n] = rtc_get64(p + at + 3) << 16;
    u->nonce[u->n++] = rtc_get64(p + at + 13);
  }
}

static used_t used[2]; /* by sender */
static void note_air(net_t *n) {
  for (int i = 0; i < n->in_air; i++) note_used(&used[1 - n->air[i].to], n->air[i].data, n->air[i].n);
  n->in_air = 0;
}

/* Whatever OpenSSL has written before, repeats of its last flight among it, no nonce or number comes twice. */
static void no_nonce_twice(void) {
  for (int suite = 0; suite < SUITES; suite++) {
    for (int repeats = 0; repeats < 4; repeats++) {
      net_t n;
      memset(used, 0, sizeof used);
      net_init(&n, suite_ids[suite], suite_ids[suite]);
      CHECK(SSL_set_cipher_list(n.d[0]->ssl, suites[suite]));
      /* By hand, to see all; the server's last flight is lost `repeats` times. */
      int lost = 0;
      for (int turn = 0; turn < 100; turn++) {
        bool moved = false;
        for (int i = 0; i < 2; i++) {
          rtc_dtls_work(n.d[i]);
          collect(&n, i);
          datagram_t air[FLIGHT_MAX];
          int count = n.in_air;
          memcpy(air, n.air, sizeof air);
          note_air(&n);
          moved |= count > 0;
          bool last = i == 1 && rtc_dtls_state(n.d[1]) == RTC_DTLS_CONNECTED && count > 0;
          if (last && lost++ < repeats) continue;
          for (int k = 0; k < count; k++) CHECK_EQ(rtc_dtls_put(n.d[1 - i], air[k].data, air[k].n), 0);
        }
        rtc_time_t wait = rtc_dtls_timeout_in(n.d[0]);
        if (!moved && wait == RTC_NEVER) break;
        if (!moved) clock_us += wait;
      }
      CHECK(both(&n, RTC_DTLS_CONNECTED));
      CHECK_EQ(used[1].n, repeats + 1);
      uint8_t msg[50] = {1}, b[RTC_DTLS_MTU];
      for (int i = 0; i < 2; i++) {
        for (int k = 0; k < repeats; k++) {
          CHECK_EQ(rtc_dtls_send(n.d[i], msg, sizeof msg), 0);
          collect(&n, i);
          note_air(&n);
        }
        rtc_dtlsrec_t r;
        take_over(&n, i, &r);
        for (int k = 0; k < 1000; k++) {
          int len = rtc_dtlsrec_seal(&r, msg, sizeof msg, b, sizeof b);
          CHECK(len > 0);
          note_used(&used[i], b, (size_t)len);
        }
        CHECK_EQ(rtc_dtlsrec_close(&r, b, sizeof b), RTC_DTLSREC_ALERT);
        note_used(&used[i], b, RTC_DTLSREC_ALERT);
        rtc_dtlsrec_clear(&r);
        const used_t *u = &used[i];
        CHECK(u->n >= 1002 + repeats);
        int twice = 0;
        for (int a = 0; a < u->n; a++)
          for (int c = 0; c < a; c++) twice += u->seq[a] == u->seq[c] || u->nonce[a] == u->nonce[c];
        CHECK_EQ(twice, 0);
      }
      net_clear(&n);
    }
  }
}

/* OpenSSL's own rule is watched, not believed: when nonces do not run with the numbers, it keeps its session. */
static void other_nonces_are_not_taken_over(void) {
  net_t n;
  rtc_dtls_records_t k;
  connected(&n);
  uint8_t record[13 + 26] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 26};
  rtc_dtls_note_written(n.d[0], record, sizeof record);
  CHECK_EQ(rtc_dtls_export_records(n.d[0], &k), RTC_EPROTO);
  CHECK_EQ(rtc_dtls_state(n.d[0]), RTC_DTLS_CONNECTED);
  net_clear(&n);
}

/* What OpenSSL has read before the hand-over is not let in again after it; what it has refused is not held against the real one. */
static void replay_across_the_hand_over(void) {
  for (int side = 0; side < 2; side++) {
    net_t n;
    rtc_dtlsrec_t r;
    rtc_dtlsrec_content_t c;
    uint8_t b[6][RTC_DTLS_MTU], forged[RTC_DTLS_MTU];
    int len[6];
    connected(&n);
    rtc_dtls_t *ours = n.d[side], *peer = n.d[1 - side];
    for (int i = 0; i < 6; i++) {
      CHECK_EQ(rtc_dtls_send(peer, (const uint8_t *)"abcdef" + i, 1), 0);
      len[i] = rtc_dtls_get(peer, b[i], sizeof b[i]);
    }
    memcpy(forged, b[5], sizeof forged);
    forged[len[5] - 1] ^= 1;
    CHECK_EQ(rtc_dtls_settled(ours), side == 0);
    (void)rtc_dtls_put(ours, forged, (size_t)len[5]);
    forged[5] = 0xff; /* a number out of reach */
    (void)rtc_dtls_put(ours, forged, (size_t)len[5]);
    rtc_dtls_work(ours);
    CHECK_EQ(rtc_dtls_settled(ours), side == 0);
    uint8_t two[2 * RTC_DTLS_MTU]; /* two records in one datagram, the second one before the first */
    memcpy(two, b[3], (size_t)len[3]);
    memcpy(two + len[3], b[1], (size_t)len[1]);
    CHECK(openssl_gets(ours, two, (size_t)(len[3] + len[1]), (const uint8_t *)"d", 1));
    CHECK(rtc_dtls_settled(ours));
    CHECK_EQ(rtc_dtls_recv(ours, forged, 1), 1);
    take_over(&n, side, &r);
    for (int i = 0; i < 6; i++) CHECK_EQ(open_one(&r, b[i], (size_t)len[i], &c), i == 1 || i == 3 ? RTC_EREPLAY : 1);
    rtc_dtlsrec_clear(&r);
    net_clear(&n);
  }
}

/* Data that overtakes the peer's Finished waits for it, is read, and does not come in again after the hand-over. */
static void data_before_finished(void) {
  net_t n;
  rtc_dtlsrec_t r;
  rtc_dtlsrec_content_t c;
  net_init(&n, ECDSA_A, ECDSA_B);
  n.split = true;
  while (rtc_dtls_state(n.d[1]) != RTC_DTLS_CONNECTED) net_step(&n);
  CHECK_EQ(n.in_air, 2); /* ChangeCipherSpec, Finished */
  datagram_t air[2];
  memcpy(air, n.air, sizeof air);
  n.in_air = 0;
  uint8_t data[RTC_DTLS_MTU], got[8];
  CHECK_EQ(rtc_dtls_send(n.d[1], (const uint8_t *)"early", 5), 0);
  int len = rtc_dtls_get(n.d[1], data, sizeof data);
  (void)rtc_dtls_put(n.d[0], air[0].data, air[0].n);
  (void)rtc_dtls_put(n.d[0], data, (size_t)len);
  rtc_dtls_work(n.d[0]);
  CHECK(rtc_dtls_state(n.d[0]) == RTC_DTLS_HANDSHAKE && rtc_dtls_recv(n.d[0], got, sizeof got) == 0);
  (void)rtc_dtls_put(n.d[0], air[1].data, air[1].n);
  rtc_dtls_work(n.d[0]);
  CHECK(both(&n, RTC_DTLS_CONNECTED));
  CHECK_EQ(rtc_dtls_recv(n.d[0], got, sizeof got), 5);
  CHECK_MEM(got, "early", 5);
  take_over(&n, 0, &r);
  CHECK_EQ(open_one(&r, data, (size_t)len, &c), RTC_EREPLAY);
  rtc_dtlsrec_clear(&r);
  net_clear(&n);
}

static void export_refuses(void) {
  net_t n;
  rtc_dtls_records_t k;
  uint8_t b[RTC_DTLS_MTU];
  net_init(&n, ECDSA_A, ECDSA_B);
  CHECK_EQ(rtc_dtls_export_records(n.d[0], &k), RTC_ESTATE);
  net_run(&n, RTC_SEC(1));
  check_connected(&n);
  CHECK(!rtc_dtls_settled(n.d[1]) && rtc_dtls_settled(n.d[0]));
  CHECK_EQ(rtc_dtls_send(n.d[0], (const uint8_t *)"x", 1), 0);
  CHECK_EQ(rtc_dtls_export_records(n.d[0], &k), RTC_ESTATE); /* it waits to be sent */
  int len = rtc_dtls_get(n.d[0], b, sizeof b);
  CHECK_EQ(rtc_dtls_put(n.d[1], b, (size_t)len), 0);
  CHECK_EQ(rtc_dtls_export_records(n.d[1], &k), RTC_ESTATE); /* it waits to be read */
  rtc_dtls_work(n.d[1]);
  CHECK_EQ(rtc_dtls_export_records(n.d[1], &k), 0);
  CHECK_EQ(rtc_dtls_recv(n.d[1], b, sizeof b), 1); /* read, and still to be had */
  /* From here on it does not write any more. */
  CHECK_EQ(rtc_dtls_state(n.d[1]), RTC_DTLS_CLOSED);
  CHECK_EQ(rtc_dtls_send(n.d[1], b, 1), RTC_ESTATE);
  CHECK_EQ(rtc_dtls_put(n.d[1], b, 100), RTC_ECLOSED);
  CHECK_EQ(rtc_dtls_export_records(n.d[1], &k), RTC_ESTATE);
  rtc_dtls_close(n.d[1]);
  rtc_dtls_work(n.d[1]);
  CHECK_EQ(rtc_dtls_get(n.d[1], b, sizeof b), 0);
  net_clear(&n);
  static const char *const others[] = {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA"};
  for (int i = 0; i < 2; i++) { /* these stay with OpenSSL, and go on */
    net_init(&n, ECDSA_A, ECDSA_B);
    CHECK(SSL_set_cipher_list(n.d[0]->ssl, others[i]));
    net_run(&n, RTC_SEC(1));
    check_connected(&n);
    for (int side = 0; side < 2; side++) {
      CHECK_EQ(rtc_dtls_export_records(n.d[side], &k), RTC_EPROTO);
      CHECK_EQ(rtc_dtls_send(n.d[side], (const uint8_t *)"still", 5), 0);
      len = rtc_dtls_get(n.d[side], b, sizeof b);
      CHECK(openssl_gets(n.d[1 - side], b, (size_t)len, (const uint8_t *)"still", 5));
    }
    net_clear(&n);
  }
}

/* By itself, with keys made up */

static void pair_at(rtc_dtlsrec_t r[2], size_t key_len, int64_t seq, uint64_t nonce_base) {
  uint8_t key[2][32], salt[2][4];
  pattern(key[0], 64);
  pattern(salt[0], 8);
  for (int i = 0; i < 2; i++) {
    const rtc_dtlsrec_cfg_t cfg = {key_len, key[i], key[1 - i], salt[i], salt[1 - i], seq, nonce_base, NULL};
    CHECK_EQ(rtc_dtlsrec_init(&r[i], &cfg), 0);
  }
}

static void pair_clear(rtc_dtlsrec_t r[2]) {
  for (int i = 0; i < 2; i++) rtc_dtlsrec_clear(&r[i]);
}

enum { SMALL = 5, SMALL_RECORD = SMALL + RTC_DTLSREC_OVERHEAD };
static void small(rtc_dtlsrec_t *r, uint8_t *out) {
  CHECK_EQ(rtc_dtlsrec_seal(r, (const uint8_t *)"small", SMALL, out, SMALL_RECORD), SMALL_RECORD);
}

static const int64_t starts[] = {0, 65530, 65535, INT64_C(0x7fffffff), INT64_C(0xfffffffe), RTC_DTLSREC_SEQ_END - 2000};

static void header_is_right(void) {
  rtc_dtlsrec_t r[2];
  uint8_t b[SMALL_RECORD];
  pair_at(r, 16, INT64_C(0x010203040506), UINT64_C(0xfffffffffffffff0));
  small(&r[0], b);
  static const uint8_t want[] = {23, 0xfe,           0xfd, 0, 1, 1, 2, 3, 4, 5,   6,
                                 0,  8 + SMALL + 16, 0,    0, 1, 2, 3, 4, 4, 0xf6}; /* the nonce wraps */
  CHECK_MEM(b, want, sizeof want);
  pair_clear(r);
}

static void any_order_once_each(void) {
  for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
    enum { COUNT = 1500 };
    static uint8_t b[COUNT][SMALL_RECORD];
    rtc_dtlsrec_t r[2];
    rtc_dtlsrec_content_t c;
    pair_at(r, s % 2 ? 32 : 16, starts[s], dice());
    for (int i = 0; i < COUNT; i++) small(&r[0], b[i]);
    int order[COUNT];
    for (int i = 0; i < COUNT; i++) order[i] = i;
    for (int i = 0; i + 1 < COUNT; i++) { /* near ones change places */
      int j = i + (int)(dice() % 100), t = order[i];
      if (j >= COUNT) continue;
      order[i] = order[j];
      order[j] = t;
    }
    uint8_t copy[SMALL_RECORD];
    for (int i = 0; i < COUNT; i++) {
      for (int again = 0; again < 2; again++) {
        memcpy(copy, b[order[i]], sizeof copy);
        CHECK_EQ(open_one(&r[1], copy, sizeof copy, &c), again ? RTC_EREPLAY : SMALL);
      }
    }
    memcpy(copy, b[0], sizeof copy);
    CHECK_EQ(open_one(&r[1], copy, sizeof copy, &c), RTC_EREPLAY); /* behind the window */
    pair_clear(r);
  }
}

static void forgeries_change_nothing(void) {
  rtc_dtlsrec_t r[2];
  rtc_dtlsrec_content_t c;
  uint8_t b[SMALL_RECORD], copy[SMALL_RECORD];
  pair_at(r, 16, 70000, 5);
  small(&r[0], b);
  for (size_t bit = 0; bit < 8 * sizeof b; bit++) {
    memcpy(copy, b, sizeof b);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    size_t at = 0;
    int err = rtc_dtlsrec_open(&r[1], copy, sizeof copy, &at, &c);
    CHECK(err == RTC_EAUTH || err == RTC_EPROTO);
    CHECK(!c.p && at > 0 && at <= sizeof copy);
    bool framing = bit / 8 < 5 || bit / 8 == 11 || bit / 8 == 12; /* type, version, epoch, length */
    CHECK(framing || err == RTC_EAUTH);
    CHECK_EQ(r[1].seen.top, -1);
  }
  uint64_t forged = r[1].forged;
  CHECK(forged >= 8 * (sizeof b - 13));
  CHECK_EQ(open_one(&r[1], b, sizeof b, &c), SMALL); /* the real one after them all */
  CHECK_EQ(r[1].forged, forged);
  small(&r[0], b);
  memcpy(copy, b, sizeof b);
  r[1].forged = RTC_DTLSREC_FORGED_MAX - 1;
  copy[30] ^= 1;
  CHECK_EQ(open_one(&r[1], copy, sizeof copy, &c), RTC_EAUTH);
  CHECK_EQ(open_one(&r[1], b, sizeof b, &c), RTC_ESTATE); /* more than the cipher stands */
  pair_clear(r);
}

/* Several records in a datagram, with what has no place among them: each is judged by itself. */
static void mixed_datagrams(void) {
  rtc_dtlsrec_t r[2];
  rtc_dtlsrec_content_t c;
  uint8_t d[8 * SMALL_RECORD + 64];
  pair_at(r, 32, 0, 0);
  size_t n = 0, at = 0;
  static const int want[] = {0, RTC_EPROTO, 0, RTC_EREPLAY, RTC_EPROTO, RTC_EPROTO, RTC_EPROTO, RTC_EPROTO, 0, RTC_EPROTO};
  uint8_t first[SMALL_RECORD];
  small(&r[0], first);
  memcpy(d, first, sizeof first);
  n += SMALL_RECORD;
  static const uint8_t ccs[] = {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1}; /* of the peer's old last flight */
  memcpy(d + n, ccs, sizeof ccs);
  n += sizeof ccs;
  small(&r[0], d + n);
  n += SMALL_RECORD;
  memcpy(d + n, first, sizeof first); /* once more */
  n += SMALL_RECORD;
  for (int kind = 0; kind < 4; kind++, n += SMALL_RECORD) {
    small(&r[0], d + n);
    if (kind == 0) d[n] = 22;       /* a handshake record of this epoch */
    if (kind == 1) d[n + 4] = 2;    /* of the next epoch */
    if (kind == 2) d[n + 4] = 0;    /* in the clear */
    if (kind == 3) d[n + 2] = 0xff; /* DTLS 1.0 */
  }
  small(&r[0], d + n);
  n += SMALL_RECORD;
  memcpy(d + n, first, 12); /* cut off */
  n += 12;
  size_t i = 0;
  for (; at < n && i < sizeof want / sizeof want[0]; i++) CHECK_EQ(rtc_dtlsrec_open(&r[1], d, n, &at, &c), want[i]);
  CHECK(i == sizeof want / sizeof want[0] && at == n);
  at = 0;
  CHECK_EQ(rtc_dtlsrec_open(&r[1], first, SMALL_RECORD - 1, &at, &c), RTC_EPROTO); /* longer than its datagram */
  CHECK_EQ(at, SMALL_RECORD - 1);
  pair_clear(r);
}

static void lengths(void) {
  static uint8_t msg[RTC_DTLSREC_CONTENT_MAX + 1], b[RTC_DTLSREC_CONTENT_MAX + 1 + RTC_DTLSREC_OVERHEAD];
  rtc_dtlsrec_t r[2];
  rtc_dtlsrec_content_t c;
  pair_at(r, 16, 0, 0);
  CHECK_EQ(rtc_dtlsrec_seal(&r[0], msg, 0, b, sizeof b), RTC_EINVAL);
  CHECK_EQ(rtc_dtlsrec_seal(&r[0], msg, RTC_DTLSREC_CONTENT_MAX + 1, b, sizeof b), RTC_EINVAL);
  CHECK_EQ(rtc_dtlsrec_seal(&r[0], msg, 10, b, 10 + RTC_DTLSREC_OVERHEAD - 1), RTC_ENOBUFS);
  CHECK_EQ(r[0].next_seq, 0);
  int len = rtc_dtlsrec_seal(&r[0], msg, RTC_DTLSREC_CONTENT_MAX, b, sizeof b);
  CHECK_EQ(open_one(&r[1], b, (size_t)len, &c), RTC_DTLSREC_CONTENT_MAX);
  for (size_t n = 0; n < RTC_DTLSREC_OVERHEAD; n++) { /* records too short for nonce and tag, and what is none */
    memset(b, 0, sizeof b);
    b[0] = 23;
    rtc_put16(b + 1, 0xfefd);
    b[4] = 1;
    b[10] = 77;
    if (n >= 13) rtc_put16(b + 11, (uint16_t)(n - 13));
    if (n) CHECK_EQ(open_one(&r[1], b, n, &c), RTC_EPROTO);
  }
  CHECK_EQ(r[1].forged, 0);
  pair_clear(r);
}

static void numbers_end(void) {
  rtc_dtlsrec_t r[2];
  rtc_dtlsrec_content_t c;
  uint8_t b[SMALL_RECORD];
  pair_at(r, 16, RTC_DTLSREC_SEQ_END - 2, 0);
  for (int i = 0; i < 2; i++) {
    small(&r[0], b);
    CHECK_EQ(open_one(&r[1], b, sizeof b, &c), SMALL);
  }
  CHECK_EQ(rtc_dtlsrec_seal(&r[0], b, SMALL, b, sizeof b), RTC_ESTATE);
  CHECK_EQ(rtc_dtlsrec_close(&r[0], b, sizeof b), RTC_ESTATE);
  pair_clear(r);
}

static void init_refuses(void) {
  rtc_dtlsrec_t r;
  uint8_t zero[32] = {0}, b[64];
  rtc_dtlsrec_cfg_t cfg = {15, zero, zero, zero, zero, 0, 0, NULL};
  CHECK_EQ(rtc_dtlsrec_init(&r, &cfg), RTC_EINVAL);
  cfg.key_len = 24;
  CHECK_EQ(rtc_dtlsrec_init(&r, &cfg), RTC_EINVAL);
  cfg.key_len = 16;
  cfg.next_seq = -1;
  CHECK_EQ(rtc_dtlsrec_init(&r, &cfg), RTC_EINVAL);
  CHECK_EQ(rtc_dtlsrec_seal(&r, zero, 1, b, sizeof b), RTC_ESTATE); /* no keys, no record */
  rtc_dtlsrec_clear(&r);
  rtc_dtlsrec_clear(&r);
}

/* Alerts other than close_notify: fatal ones end it, warnings do not, and one of a wrong length is none. */
static void alerts(void) {
  net_t n;
  rtc_dtlsrec_t r;
  rtc_dtls_records_t k;
  rtc_dtlsrec_content_t c;
  connected(&n);
  CHECK_EQ(rtc_dtls_export_records(n.d[0], &k), 0);
  rec_of(&r, &k);
  static const struct {
    uint8_t n, bytes[3];
    bool fatal, closes;
  } table[] = {{2, {2, 20}, true, false}, {2, {1, 100}, false, false}, {2, {1, 0}, false, true},
               {2, {2, 0}, false, true},  {1, {2}, false, false},      {3, {2, 20, 1}, false, false}};
  rtc_gcm_t g;
  CHECK_EQ(rtc_gcm_init(&g, k.remote_key, k.key_len, true), 0);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    size_t len = table[i].n;
    uint8_t b[64] = {21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, (uint8_t)i, 0, (uint8_t)(24 + len)}, iv[12], aad[13];
    memcpy(b + 21, table[i].bytes, len);
    memcpy(iv, k.remote_salt, 4);
    memcpy(iv + 4, b + 13, 8);
    memcpy(aad, b + 3, 8);
    memcpy(aad + 8, b, 3);
    rtc_put16(aad + 11, (uint16_t)len);
    CHECK_EQ(rtc_gcm_seal(&g, iv, aad, 13, b + 21, len, b + 21 + len), 0);
    CHECK_EQ(open_one(&r, b, 37 + len, &c), len == 2 ? 2 : RTC_EPROTO);
    if (len != 2) continue;
    CHECK_EQ(rtc_dtlsrec_is_fatal(&c), table[i].fatal);
    CHECK_EQ(rtc_dtlsrec_is_close_notify(&c), table[i].closes);
  }
  rtc_gcm_clear(&g);
  rtc_dtlsrec_clear(&r);
  net_clear(&n);
}

/* What 2,000 associations hold, before and after; and all of it comes back. */
static void memory(void) {
  enum { PAIRS = 1000 };
  net_t *n = malloc(sizeof *n);
  rtc_dtls_t **d = malloc(2 * PAIRS * sizeof *d);
  rtc_dtlsrec_t *r = malloc(2 * PAIRS * sizeof *r);
  if (!n || !d || !r) exit(2);
  connected(n); /* OpenSSL's own tables come with the first */
  take_over(n, 0, &r[0]);
  uint8_t b[64];
  CHECK_EQ(rtc_dtlsrec_close(&r[0], b, sizeof b), RTC_DTLSREC_ALERT);
  rtc_dtlsrec_clear(&r[0]);
  net_clear(n);
  int64_t before = held;
  size_t heap = mallinfo2().uordblks;
  for (int i = 0; i < PAIRS; i++) {
    connected(n);
    for (int side = 0; side < 2; side++) d[2 * i + side] = n->d[side];
  }
  int64_t full = (held - before) / (2 * PAIRS);
  size_t heap_full = (mallinfo2().uordblks - heap) / (2 * PAIRS);
  for (int i = 0; i < 2 * PAIRS; i++) {
    rtc_dtls_records_t k;
    CHECK_EQ(rtc_dtls_export_records(d[i], &k), 0);
    rec_of(&r[i], &k);
    rtc_dtls_free(d[i]);
  }
  CHECK_EQ(held, before);
  size_t heap_after = mallinfo2().uordblks > heap ? (mallinfo2().uordblks - heap) / (2 * PAIRS) : 0;
  for (int i = 0; i < 2 * PAIRS; i++) {
    CHECK_EQ(rtc_dtlsrec_close(&r[i], b, sizeof b), RTC_DTLSREC_ALERT);
    rtc_dtlsrec_content_t c;
    CHECK_EQ(open_one(&r[i ^ 1], b, RTC_DTLSREC_ALERT, &c), i % 2 ? RTC_ESTATE : 2); /* the first of a pair has closed by then */
  }
  int64_t ciphers = (held - before) / (2 * PAIRS);
  for (int i = 0; i < 2 * PAIRS; i++) rtc_dtlsrec_clear(&r[i]);
  CHECK_EQ(held, before);
  CHECK(full > 20000 && ciphers < 4096);
  printf("an association of %d: %d bytes of OpenSSL's and %d of ours before (heap: %d), %d after (heap: %d), %d more when it has talked\n",
         2 * PAIRS, (int)full, (int)sizeof(rtc_dtls_t), (int)heap_full, (int)sizeof(rtc_dtlsrec_t), (int)heap_after, (int)ciphers);
  free(r);
  free(d);
  free(n);
}

int main(void) {
  start();
  RUN(talks_to_openssl);
  RUN(both_sides_hand_over);
  RUN(close_notify_both_ways);
  RUN(no_nonce_twice);
  RUN(other_nonces_are_not_taken_over);
  RUN(replay_across_the_hand_over);
  RUN(data_before_finished);
  RUN(export_refuses);
  RUN(header_is_right);
  RUN(any_order_once_each);
  RUN(forgeries_change_nothing);
  RUN(mixed_datagrams);
  RUN(lengths);
  RUN(numbers_end);
  RUN(init_refuses);
  RUN(alerts);
  RUN(memory);
  return finish();
}
