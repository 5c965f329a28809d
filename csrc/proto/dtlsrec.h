/* dtlsrec: the records of one DTLS 1.2 association whose handshake is over (RFC 6347 §4.1) under AES-GCM (RFC 5288):
 * application data and alerts, sealed and opened with keys that are given as plain bytes. Does not know the handshake, queues or
 * addresses; there is no renegotiation, so epoch 1 is the only one. Takes a few hundred bytes where OpenSSL's session takes tens of
 * thousands; the ciphers (1 KB each way) are made by the first record, so a peer of media alone never has them.
 * Guarantees: nothing changes before a record has passed authentication and replay; a sequence number, and so a nonce, is never
 * used twice; clear wipes keys. */
#ifndef RTC_PROTO_DTLSREC_H
#define RTC_PROTO_DTLSREC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/window.h"

enum {
  RTC_DTLSREC_HEADER = 13,
  RTC_DTLSREC_HEAD = RTC_DTLSREC_HEADER + 8,             /* with the explicit nonce: what stands before the content */
  RTC_DTLSREC_OVERHEAD = RTC_DTLSREC_HEAD + RTC_GCM_TAG, /* what a record adds: 37 bytes */
  RTC_DTLSREC_CONTENT_MAX = 16384,                       /* RFC 6347 §4.1 */
  RTC_DTLSREC_ALERT = RTC_DTLSREC_OVERHEAD + 2,          /* an alert's record */
  RTC_DTLSREC_SALT = 4,                                  /* the nonce's implicit part (RFC 5288 §3) */
};
#define RTC_DTLSREC_SEQ_END (INT64_C(1) << 48)     /* one past the last sequence number: it must not wrap (RFC 6347 §4.1) */
#define RTC_DTLSREC_FORGED_MAX (UINT64_C(1) << 36) /* forgeries that AES-GCM stands (RFC 9147 §4.5.3) */

typedef enum rtc_dtlsrec_type { RTC_DTLSREC_TYPE_ALERT = 21, RTC_DTLSREC_TYPE_DATA = 23 } rtc_dtlsrec_type_t;

typedef struct rtc_dtlsrec_cfg { /* copied by init */
  size_t key_len;                /* 16 or 32 */
  const uint8_t *local_key, *remote_key;
  const uint8_t *local_salt, *remote_salt; /* RTC_DTLSREC_SALT each */
  int64_t next_seq;                        /* of the next record out: above all that were sent under this key before */
  uint64_t nonce_base;                     /* explicit nonce = nonce_base + sequence number: that of whoever wrote before */
  const rtc_window_t *seen;                /* application data received before; NULL: none */
} rtc_dtlsrec_cfg_t;

typedef struct rtc_dtlsrec_way { /* one direction */
  rtc_gcm_t gcm;
  uint8_t salt[RTC_DTLSREC_SALT];
} rtc_dtlsrec_way_t;

typedef struct rtc_dtlsrec {
  rtc_dtlsrec_way_t out, in;
  uint8_t key_len; /* 0: not initialised, or cleared */
  bool closed;     /* we have said close_notify */
  int64_t next_seq;
  uint64_t nonce_base, forged;
  rtc_window_t seen;
} rtc_dtlsrec_t;

/* A record that was opened: its content lies in the datagram. Of an alert level and description besides. */
typedef struct rtc_dtlsrec_content {
  uint8_t type; /* rtc_dtlsrec_type_t */
  uint8_t level, description;
  const uint8_t *p;
  size_t n;
} rtc_dtlsrec_content_t;

/* 0, or RTC_EINVAL: a key's length, or next_seq below 0. */
RTC_MUST_USE int rtc_dtlsrec_init(rtc_dtlsrec_t *r, const rtc_dtlsrec_cfg_t *cfg);
void rtc_dtlsrec_clear(rtc_dtlsrec_t *r); /* idempotent; all zeros is a cleared one */

/* Application data as one record into out; p may be out + RTC_DTLSREC_HEAD. Its length; RTC_EINVAL when empty or longer than
 * RTC_DTLSREC_CONTENT_MAX, RTC_ENOBUFS when cap < n + RTC_DTLSREC_OVERHEAD, RTC_ECLOSED after close, RTC_ESTATE when the
 * sequence numbers are used up, RTC_ENOMEM. */
RTC_MUST_USE int rtc_dtlsrec_seal(rtc_dtlsrec_t *r, const uint8_t *p, size_t n, uint8_t *out, size_t cap);
/* close_notify as one record (RTC_DTLSREC_ALERT bytes): the last that is written. Results as above. */
RTC_MUST_USE int rtc_dtlsrec_close(rtc_dtlsrec_t *r, uint8_t *out, size_t cap);

/* The record at p[*at] of a datagram of n bytes, opened in place; *at moves behind it, or to n when nothing can follow. Call while
 * *at < n. 0 with *content; else the record is dropped: RTC_EPROTO (form, version, epoch or type, a record of the handshake among
 * them), RTC_EREPLAY, RTC_EAUTH, RTC_ESTATE (closed, or more forgeries than the cipher stands), RTC_ENOMEM. */
RTC_MUST_USE int rtc_dtlsrec_open(rtc_dtlsrec_t *r, uint8_t *p, size_t n, size_t *at, rtc_dtlsrec_content_t *content);

static inline bool rtc_dtlsrec_is_close_notify(const rtc_dtlsrec_content_t *c) {
  return c->type == RTC_DTLSREC_TYPE_ALERT && c->description == 0;
}
/* An alert that ends the association (RFC 5246 §7.2), close_notify apart. */
static inline bool rtc_dtlsrec_is_fatal(const rtc_dtlsrec_content_t *c) {
  return c->type == RTC_DTLSREC_TYPE_ALERT && c->description != 0 && c->level == 2;
}

#endif
