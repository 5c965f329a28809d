#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "proto/dtls_impl.h"

enum {
  PREFIX = 2, /* length before each datagram in a queue */
  QUEUE_BYTES = RTC_DTLS_IN_BYTES + PREFIX * RTC_DTLS_IN_MAX,
  CONTENT_CCS = 20, /* record content types (RFC 6347 §4.1) */
  CONTENT_HANDSHAKE = 22,
  CONTENT_LAST = 25,
  HANDSHAKE_HEADER = 12,
};

bool rtc_dtls_queue_full(const dtls_queue_t *q, size_t n) {
  return q->count == RTC_DTLS_IN_MAX || n > UINT16_MAX || q->tail - q->head + PREFIX + n > QUEUE_BYTES;
}

uint8_t *rtc_dtls_queue_room(dtls_queue_t *q, size_t n) {
  if (rtc_dtls_queue_full(q, n)) return NULL;
  if (!q->buf && !(q->buf = malloc(QUEUE_BYTES))) return NULL;
  if (q->tail + PREFIX + n > QUEUE_BYTES) {
    memmove(q->buf, q->buf + q->head, q->tail - q->head);
    q->tail -= q->head;
    q->head = 0;
  }
  return q->buf + q->tail + PREFIX;
}

void rtc_dtls_queue_push(dtls_queue_t *q, size_t n) {
  rtc_put16(q->buf + q->tail, (uint16_t)n);
  q->tail += PREFIX + (uint32_t)n;
  q->count++;
}

const uint8_t *rtc_dtls_queue_peek(const dtls_queue_t *q, size_t *n) {
  if (!q->count) return NULL;
  *n = rtc_get16(q->buf + q->head);
  return q->buf + q->head + PREFIX;
}

void rtc_dtls_queue_pop(dtls_queue_t *q) {
  if (!q->count) return;
  q->head += PREFIX + rtc_get16(q->buf + q->head);
  if (!--q->count) q->head = q->tail = 0;
}

void rtc_dtls_queue_clear(dtls_queue_t *q) {
  free(q->buf);
  memset(q, 0, sizeof *q);
}

/* Whether each handshake message begun in this record of epoch 0 claims a length that we are ready to store. */
static bool messages_fit(const uint8_t *p, size_t n) {
  while (n >= HANDSHAKE_HEADER) {
    size_t fragment = rtc_get24(p + 9);
    if (rtc_get24(p + 1) > RTC_DTLS_MESSAGE_MAX) return false;
    if (fragment > n - HANDSHAKE_HEADER) return true; /* malformed: OpenSSL drops it */
    p += HANDSHAKE_HEADER + fragment;
    n -= HANDSHAKE_HEADER + fragment;
  }
  return true;
}

/* The state machine has read the peer's ChangeCipherSpec, so the next epoch's records are read, not laid by. */
static bool past_ccs(const SSL *ssl) {
  OSSL_HANDSHAKE_STATE s = SSL_get_state(ssl);
  return s == TLS_ST_SR_CHANGE || s == TLS_ST_CR_CHANGE || SSL_is_init_finished(ssl);
}

/* How many bytes of a datagram OpenSSL may see: whole records up to the first that would make it store more for a
 * half-open peer than we allow. Judges nothing else: malformed records are OpenSSL's to drop. */
static size_t admit(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  if (past_ccs(d->ssl)) return n;
  size_t at = 0;
  while (n - at >= RTC_DTLS_RECORD_HEADER) {
    const uint8_t *r = p + at;
    size_t len = rtc_get16(r + 11);
    if (r[0] < CONTENT_CCS || r[0] > CONTENT_LAST || len > n - at - RTC_DTLS_RECORD_HEADER) break;
    if (rtc_get16(r + 3) != 0) {
      if (d->early == RTC_DTLS_EARLY_MAX) return at;
      d->early++;
    } else if (r[0] == CONTENT_HANDSHAKE && !messages_fit(r + RTC_DTLS_RECORD_HEADER, len)) {
      return at;
    }
    at += RTC_DTLS_RECORD_HEADER + len;
  }
  return n;
}

/* One datagram a call, as a socket would; what does not fit the caller's buffer is cut off. */
static int bio_read(BIO *b, char *out, int cap) {
  rtc_dtls_t *d = BIO_get_data(b);
  const uint8_t *p;
  size_t n;
  BIO_clear_retry_flags(b);
  while ((p = rtc_dtls_queue_peek(&d->in, &n))) {
    size_t take = admit(d, p, n);
    if (take > (size_t)cap) take = (size_t)cap;
    if (take) memcpy(out, p, take);
    rtc_dtls_queue_pop(&d->in);
    if (take) return (int)take; /* never 0, which would mean the end */
  }
  BIO_set_retry_read(b);
  return -1;
}

/* A full outbox loses the datagram, as the network may; the handshake's timer sends it again. */
static int bio_write(BIO *b, const char *p, int n) {
  rtc_dtls_t *d = BIO_get_data(b);
  BIO_clear_retry_flags(b);
  if (n <= 0 || n > RTC_DTLS_MTU) return -1;
  uint8_t *room = rtc_dtls_queue_room(&d->out, (size_t)n);
  if (room) {
    memcpy(room, p, (size_t)n);
    rtc_dtls_queue_push(&d->out, (size_t)n);
  }
  return n;
}

static long bio_ctrl(BIO *b, int cmd, long number, void *pointer) {
  (void)number;
  (void)pointer;
  rtc_dtls_t *d = BIO_get_data(b);
  switch (cmd) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    case BIO_CTRL_PENDING: {
      size_t n;
      return rtc_dtls_queue_peek(&d->in, &n) ? (long)n : 0;
    }
    default: /* among them the time-out (ours is the timer) and MTU questions (SSL_OP_NO_QUERY_MTU) */
      return 0;
  }
}

BIO_METHOD *rtc_dtls_bio_method(void) {
  BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rtc datagrams");
  if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) && BIO_meth_set_ctrl(m, bio_ctrl)) return m;
  BIO_meth_free(m);
  return NULL;
}

BIO *rtc_dtls_bio_new(rtc_dtls_t *d) {
  BIO *b = BIO_new(d->ctx->bio);
  if (!b) return NULL;
  BIO_set_data(b, d);
  BIO_set_init(b, 1);
  return b;
}
