/* dtls: two associations at any point of their handshake, and someone between them who sends noise, changes, cuts, repeats and
 * keeps back their datagrams. OpenSSL's randomness and clock are ours, so an input is the same run each time.
 * Input: flags (1 byte: bits 0-2 steps of the handshake before, bit 3 the server shows another certificate, bit 4 the client
 * does), then operations: what (1), its bytes. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD: the short way to have OpenSSL's randomness in hand */
#include <openssl/rand.h>

#include "../c/dtls_net.h"
#include "fuzz.h"

enum { OPERATIONS = 64, HALF_OPEN_MAX = 128 * 1024, HONEST_MAX = 80 * 1024 };
static const uint8_t MESSAGE[] = "application data of the genuine peer";

static int our_random(unsigned char *p, int n) {
  for (int i = 0; i < n; i++) p[i] = (uint8_t)dice();
  return 1;
}
static int our_status(void) { return 1; }

static void set_up(void) {
  static const RAND_METHOD ours = {.bytes = our_random, .pseudorand = our_random, .status = our_status};
  static bool done;
  if (done) return;
  done = true;
  if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) || !RAND_set_rand_method(&ours)) exit(2);
  EVP_PKEY *keys[2] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-256")};
  for (int i = 0; i < 2; i++) {
    identity_make(&ids[i], keys[i], "someone", 0);
    ids[i].ctx = ctx_of(&ids[i]);
    EVP_PKEY_free(keys[i]);
  }
  static net_t first; /* what OpenSSL loads once is not any peer's */
  connected(&first);
  net_clear(&first);
}

/* Only what the genuine peer has sent may come out. */
static void read_app(rtc_dtls_t *d) {
  uint8_t message[RTC_DTLS_MTU];
  for (int n; (n = rtc_dtls_recv(d, message, sizeof message)) != 0;)
    MUST(n == sizeof MESSAGE && memcmp(message, MESSAGE, sizeof MESSAGE) == 0);
}

static void check_state(const net_t *n, bool impostor[2], int64_t held_before) {
  for (int i = 0; i < 2; i++) MUST(!impostor[1 - i] || rtc_dtls_state(n->d[i]) != RTC_DTLS_CONNECTED);
  if (both(n, RTC_DTLS_CONNECTED)) {
    rtc_dtls_keys_t c, s;
    MUST(rtc_dtls_keys(n->d[0], &c) == 0 && rtc_dtls_keys(n->d[1], &s) == 0 && c.profile == s.profile);
    MUST(memcmp(c.local_key, s.remote_key, sizeof c.local_key) == 0 && memcmp(c.remote_key, s.local_key, sizeof c.local_key) == 0);
  }
  MUST(held - held_before <= HALF_OPEN_MAX + HONEST_MAX); /* OpenSSL's memory of the one under attack, and of its peer */
  for (int i = 0; i < 2; i++) read_app(n->d[i]);
  MUST(check_failed_ == 0);
}

static void inject(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  uint8_t *copy = fuzz_copy(p, n);
  int r = rtc_dtls_put(d, copy, n);
  MUST(r == 0 || r == RTC_ENOBUFS || r == RTC_ECLOSED || (r == RTC_EPROTO && n < 13));
  fuzz_free(copy, n);
  rtc_dtls_work(d);
}

/* One of the datagrams in flight reaches its goal changed: bytes overwritten, cut, or with a tail. */
static void deliver_changed(net_t *n, rtc_rd_t *r) {
  uint8_t pick = rtc_rd8(r);
  uint16_t at = rtc_rd16(r);
  size_t len;
  const uint8_t *bytes = fuzz_take(r, rtc_rd8(r) % 32, &len);
  if (!n->in_air) return;
  datagram_t *a = &n->air[(pick & 31) % n->in_air];
  uint8_t p[RTC_DTLS_MTU + 64];
  size_t size = a->n;
  memcpy(p, a->data, size);
  if (pick & 0x80) {
    size = at % (size + 1);
  } else if (pick & 0x40) {
    if (len) memcpy(p + size, bytes, len);
    size += len;
  } else {
    for (size_t i = 0; i < len && at % size + i < size; i++) p[at % size + i] = bytes[i];
  }
  inject(n->d[a->to], p, size);
}

static void operation(net_t *n, rtc_rd_t *r) {
  uint8_t what = rtc_rd8(r);
  rtc_dtls_t *d = n->d[what >> 7];
  switch (what & 7) {
    case 0: {
      size_t len, most = rtc_rd16(r) % 2048;
      const uint8_t *p = fuzz_take(r, most, &len);
      bool was_connected = rtc_dtls_state(d) == RTC_DTLS_CONNECTED;
      inject(d, p, len);
      MUST(!was_connected || rtc_dtls_state(d) == RTC_DTLS_CONNECTED); /* who has no key can't end it */
      break;
    }
    case 1:
    case 2:
      deliver_changed(n, r);
      break;
    case 3:
      (void)net_step(n);
      return;
    case 4: { /* what is in flight is lost, and time passes */
      n->in_air = 0;
      rtc_time_t wait = rtc_time_min(rtc_dtls_timeout_in(n->d[0]), rtc_dtls_timeout_in(n->d[1]));
      if (wait != RTC_NEVER) clock_us += wait;
      break;
    }
    case 5:
      n->doubled = what & 8;
      n->reversed = what & 16;
      n->split = what & 32;
      break;
    case 6: {
      int sent = rtc_dtls_send(d, MESSAGE, sizeof MESSAGE);
      MUST(sent == 0 || sent == RTC_ENOBUFS || (sent == RTC_ECLOSED || sent == RTC_ESTATE));
      break;
    }
    default:
      if (what & 0x70) return; /* seldom, since it ends things */
      rtc_dtls_close(d);
  }
  for (int i = 0; i < 2; i++) collect(n, i);
}

void fuzz_one(const uint8_t *data, size_t size) {
  set_up();
  static net_t n;
  rtc_rd_t r = rtc_rd(data, size);
  uint8_t flags = rtc_rd8(&r);
  bool impostor[2] = {flags & 0x10, flags & 0x08}; /* shows a certificate whose fingerprint the other does not know */
  int64_t held_before = held;
  dice_state = 1;
  clock_us = 1700000000000000;
  memset(&n, 0, sizeof n);
  rtc_fingerprint_t fp[2] = {fingerprint(0, 256), fingerprint(1, 256)};
  n.d[0] = rtc_dtls_new(ids[impostor[0] ? 1 : 0].ctx, true, &fp[1], 1);
  n.d[1] = rtc_dtls_new(ids[impostor[1] ? 0 : 1].ctx, false, &fp[0], 1);
  if (!n.d[0] || !n.d[1]) abort();
  for (int i = flags & 7; i; i--) (void)net_step(&n);
  for (int i = 0; i < OPERATIONS && rtc_rd_left(&r); i++) {
    operation(&n, &r);
    check_state(&n, impostor, held_before);
  }
  for (int i = 0; i < 8 && net_step(&n); i++) check_state(&n, impostor, held_before);
  net_clear(&n);
}
