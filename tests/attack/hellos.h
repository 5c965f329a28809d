/* hellos: ClientHellos that strangers send. */
#ifndef RTC_TESTS_HELLOS_H
#define RTC_TESTS_HELLOS_H

#include "base/bytes.h"
#include "check.h"
#include "proto/dtls.h"
#include "test_cert.h"

typedef struct hellos {
  uint8_t valid[RTC_DTLS_MTU], null_cipher[200];
  size_t valid_n, null_n;
} hellos_t;

/* A ClientHello that knows no cipher but NULL, for a server that would answer it with an alert and end the handshake. */
static inline size_t hello_write_null(uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap);
  uint8_t zero[8] = {0}, random[32] = {7};
  size_t body = 2 + 32 + 1 + 1 + 4 + 2;
  rtc_wr8(&w, 22);
  rtc_wr16(&w, 0xfefd);
  rtc_wr_bytes(&w, zero, 8);
  rtc_wr16(&w, (uint16_t)(12 + body));
  rtc_wr8(&w, 1);
  rtc_wr24(&w, (uint32_t)body);
  rtc_wr16(&w, 0); /* message number */
  rtc_wr24(&w, 0);
  rtc_wr24(&w, (uint32_t)body);
  rtc_wr16(&w, 0xfefd);
  rtc_wr_bytes(&w, random, 32);
  rtc_wr16(&w, 0); /* no session, no cookie */
  rtc_wr16(&w, 2);
  rtc_wr16(&w, 0x0002); /* TLS_RSA_WITH_NULL_SHA */
  rtc_wr16(&w, 0x0100); /* no compression */
  if (w.bad) exit(2);
  return rtc_wr_len(&w);
}

static inline void hellos_make(hellos_t *h) {
  int err;
  h->null_n = hello_write_null(h->null_cipher, sizeof h->null_cipher);
  rtc_dtls_ctx_t *ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  rtc_fingerprint_t any = {.bits = 256, .len = 32};
  rtc_dtls_t *d = ctx ? rtc_dtls_new(ctx, true, &any, 1) : NULL;
  if (!d) exit(2);
  rtc_dtls_work(d);
  int n = rtc_dtls_get(d, h->valid, sizeof h->valid);
  if (n <= 0) exit(2);
  h->valid_n = (size_t)n;
  rtc_dtls_free(d);
  rtc_dtls_ctx_free(ctx);
}

#endif
