/* tls: the client's side of TLS 1.2 and 1.3 over whatever carries bytes, as TURN over TLS needs it (RFC 8656 §3.1). Knows no socket: bytes
 * come by feed and leave by pending. The server has to prove that it is who the name says, by the system's authorities or those given.
 * Guarantee: nothing is written or read before that. OpenSSL's handshake has its own clock and randomness, and reads the system's
 * authorities from where they are. */
#ifndef RTC_PROTO_TLS_H
#define RTC_PROTO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct rtc_tls_cfg {
  const char *name; /* the server's: a DNS name, or an IP address in text */
  const char *ca_pem;
  size_t ca_len; /* 0: the system's authorities */
  bool insecure; /* whoever it is: for tests */
} rtc_tls_cfg_t;

typedef struct rtc_tls rtc_tls_t;

enum { RTC_TLS_WHY_MAX = 96 };

/* NULL and *err: RTC_EINVAL (no name, no certificate in ca_pem) or RTC_ENOMEM. */
rtc_tls_t *rtc_tls_new(const rtc_tls_cfg_t *cfg, int *err);
void rtc_tls_free(rtc_tls_t *t); /* NULL allowed */

/* Bytes that came. 0, RTC_ENOMEM. */
RTC_MUST_USE int rtc_tls_feed(rtc_tls_t *t, const uint8_t *p, size_t n);
/* Goes on with the handshake and reads up to cap bytes; how many, 0 when there are none now, RTC_ECLOSED when the server has ended it,
 * RTC_EAUTH when it is not who it should be, RTC_EPROTO; rtc_tls_why says more. */
RTC_MUST_USE int rtc_tls_read(rtc_tls_t *t, uint8_t *out, size_t cap);
bool rtc_tls_open(const rtc_tls_t *t); /* the handshake is over */
/* All n bytes, once it is open. 0, RTC_ESTATE before, RTC_EPROTO. */
RTC_MUST_USE int rtc_tls_write(rtc_tls_t *t, const uint8_t *p, size_t n);
void rtc_tls_close(rtc_tls_t *t); /* close_notify, to be sent */
/* Bytes to be sent, of which the first n have been: they stay until then. */
const uint8_t *rtc_tls_pending(const rtc_tls_t *t, size_t *n);
void rtc_tls_sent(rtc_tls_t *t, size_t n);
const char *rtc_tls_why(const rtc_tls_t *t);

#endif
