#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum {
  PREFIX = 2, /* length before each datagram in a queue */
  QUEUE_BYTES = RTC_DTLS_IN_BYTES + PREFIX * RTC_DTLS_IN_MAX,
  QUEUE_FIRST = 2048, /* enough for the flights of a usual handshake */
  CONTENT_CCS = 20,   /* record content types (RFC 6347 §4.1, RFC 9147 §4) */
  CONTENT_ALERT = 21,
  CONTENT_HANDSHAKE = 22,
  CONTENT_ACK = 26,
  CONTENT_UNIFIED = 32, /* 32..63: DTLS 1.3's encrypted records, of another form */
  HANDSHAKE_HEADER = 12,
  ALERT_WARNING = 1, /* levels (RFC 5246 §7.2) */
  ALERT_FATAL = 2,
};

bool rtc_dtls_of_handshake(uint8_t type) { return type == CONTENT_CCS || type == CONTENT_HANDSHAKE; }

bool rtc_dtls_queue_full(const dtls_queue_t *q, size_t n) {
  return q->count == RTC_DTLS_IN_MAX || n > UINT16_MAX || q->tail - q->head + PREFIX + n > QUEUE_BYTES;
}

/* Room for n bytes behind what is there, which moves to the front; n was found to fit under the cap. */
static bool make_room(dtls_queue_t *q, size_t n) {
  if (q->tail + n <= q->cap) return true;
  if (q->head) {
    memmove(q->buf, q->buf + q->head, q->tail - q->head);
    q->tail -= q->head;
    q->newest -= q->head;
    q->head = 0;
  }
  if (q->tail + n <= q->cap) return true;
  size_t cap = q->cap ? q->cap : QUEUE_FIRST;
  while (cap < q->tail + n) cap *= 2;
  if (cap > QUEUE_BYTES) cap = QUEUE_BYTES;
  uint8_t *buf = malloc(cap);
  if (!buf) return false;
  if (q->buf) { /* not realloc: application data is wiped before its memory goes back */
    memcpy(buf, q->buf, q->tail);
    rtc_cleanse(q->buf, q->cap);
    free(q->buf);
  }
  q->buf = buf;
  q->cap = (uint32_t)cap;
  return true;
}

uint8_t *rtc_dtls_queue_room(dtls_queue_t *q, size_t n) {
  if (rtc_dtls_queue_full(q, n) || !make_room(q, PREFIX + n)) return NULL;
  return q->buf + q->tail + PREFIX;
}

void rtc_dtls_queue_push(dtls_queue_t *q, size_t n) {
  rtc_put16(q->buf + q->tail, (uint16_t)n);
  q->newest = q->tail;
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
  q->taken = 0;
  if (!--q->count) q->head = q->tail = 0;
}

/* Appends to the newest datagram; false when there is none of this kind or it would become too long. */
static bool join_newest(dtls_queue_t *q, const uint8_t *p, size_t n) {
  if (!q->count) return false;
  size_t was = rtc_get16(q->buf + q->newest);
  bool fits = was + n <= RTC_DTLS_MTU && q->tail - q->head + n <= QUEUE_BYTES;
  if (!rtc_dtls_of_handshake(q->buf[q->newest + PREFIX]) || !fits || !make_room(q, n)) return false;
  uint8_t *newest = q->buf + q->newest;
  memcpy(q->buf + q->tail, p, n);
  rtc_put16(newest, (uint16_t)(was + n));
  q->tail += (uint32_t)n;
  return true;
}

bool rtc_dtls_queue_copy(const dtls_queue_t *q, uint8_t **block, uint32_t *n) {
  *n = q->tail - q->head;
  *block = *n ? malloc(*n) : NULL;
  if (!*block) return false;
  memcpy(*block, q->buf + q->head, *n);
  return true;
}

bool rtc_dtls_queue_paste(dtls_queue_t *q, const uint8_t *block, uint32_t n) {
  for (uint32_t at = 0; at < n;) {
    uint32_t len = rtc_get16(block + at);
    uint8_t *room = rtc_dtls_queue_room(q, len);
    if (!room) return false;
    memcpy(room, block + at + PREFIX, len);
    rtc_dtls_queue_push(q, len);
    at += PREFIX + len;
  }
  return n > 0;
}

void rtc_dtls_queue_clear(dtls_queue_t *q) {
  free(q->buf);
  memset(q, 0, sizeof *q);
}

/* Whether there is room for a message of this number and length beside those that fragments have announced so far. */
static bool has_room(rtc_dtls_t *d, uint16_t number, size_t message) {
  if (number >= RTC_DTLS_MESSAGES || message > RTC_DTLS_MESSAGE_MAX) return false;
  if (message <= d->announced[number]) return true;
  size_t sum = message;
  for (int i = 0; i < RTC_DTLS_MESSAGES; i++) sum += i == number ? 0 : d->announced[i];
  if (sum > RTC_DTLS_MESSAGES_BYTES) return false;
  d->announced[number] = (uint16_t)message;
  return true;
}

/* Whether each fragment in a plain handshake record is whole, lies in its message, and the message is one that we are
 * ready to store. */
static bool fragments_fit(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  do {
    if (n < HANDSHAKE_HEADER) return false;
    size_t message = rtc_get24(p + 1), at = rtc_get24(p + 6), len = rtc_get24(p + 9);
    if (at + len > message || len > n - HANDSHAKE_HEADER) return false;
    if (!len && message) return false; /* OpenSSL takes it for the whole message, which then does not parse */
    if (!has_room(d, rtc_get16(p + 4), message)) return false;
    p += HANDSHAKE_HEADER + len;
    n -= HANDSHAKE_HEADER + len;
  } while (n);
  return true;
}

/* A record of epoch 0 is not authenticated, and OpenSSL ends the handshake at a malformed one or one that has no place
 * there. It is to be dropped (RFC 6347 §4.1.2.7): whoever can fake the peer's address must not end it with one datagram. */
static bool plain_record_fits(rtc_dtls_t *d, uint8_t type, const uint8_t *body, size_t n) {
  switch (type) {
    case CONTENT_CCS:
      return n == 1 && body[0] == 1;
    case CONTENT_ALERT:
      return n == 2 && (body[0] == ALERT_WARNING || body[0] == ALERT_FATAL);
    case CONTENT_HANDSHAKE:
      return fragments_fit(d, body, n);
    default:
#ifdef DTLS1_3_VERSION
      return type == CONTENT_ACK;
#else
      return false;
#endif
  }
}

/* The state machine has read the peer's ChangeCipherSpec: the next epoch's records can be opened. */
static bool past_ccs(const SSL *ssl) {
  OSSL_HANDSHAKE_STATE s = SSL_get_state(ssl);
  return s == TLS_ST_SR_CHANGE || s == TLS_ST_CR_CHANGE || SSL_is_init_finished(ssl);
}

static bool is_unified(uint8_t type) {
#ifdef DTLS1_3_VERSION
  return type >= CONTENT_UNIFIED && type < 2 * CONTENT_UNIFIED;
#else
  (void)type;
  return false;
#endif
}

/* Bytes of the shortest sealed record with anything in it. OpenSSL 3.0 up to 3.0.22 takes one without room for nonce and tag for an
 * error of its own, which ends an association (CVE-2026-75806). Before a suite is agreed no peer can write one at all. */
static size_t least_sealed(const SSL *ssl) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  if (!cipher) cipher = SSL_get_pending_cipher(ssl);
  switch (cipher ? SSL_CIPHER_get_cipher_nid(cipher) : NID_undef) {
    case NID_undef:
      return SIZE_MAX;
    case NID_aes_128_gcm:
    case NID_aes_256_gcm:
      return 8 + 16 + 1; /* explicit nonce, tag */
    case NID_chacha20_poly1305:
      return 16 + 1;
    default: /* AES-CBC with SHA-1: IV, and MAC and padding in two blocks (RFC 5246 §6.2.3.2) */
      return 16 + 2 * 16;
  }
}

/* Whether OpenSSL can use a record of epoch 1 now. Sooner it lays it by, whoever sent it, whatever its type: up to a hundred at
 * 17 KB each before 3.0.22 (CVE-2026-54874). It does so too, until the Finished has come, with all that is no handshake message. */
static bool due(const SSL *ssl, uint8_t type) { return SSL_is_init_finished(ssl) || (type == CONTENT_HANDSHAKE && past_ccs(ssl)); }

/* So it is us who lay them by, in their own size. What finds no room is lost, as in the network: the peer sends it again. */
static void lay_by(rtc_dtls_t *d, const uint8_t *r, size_t n) {
  if (d->early_n + n > RTC_DTLS_EARLY_BYTES) return;
  if (!d->early && !(d->early = malloc(RTC_DTLS_EARLY_BYTES))) return;
  memcpy(d->early + d->early_n, r, n);
  d->early_n = (uint16_t)(d->early_n + n);
}

void rtc_dtls_early_clear(rtc_dtls_t *d) {
  free(d->early);
  d->early = NULL;
  d->early_n = 0;
}

static size_t record_size(const uint8_t *r) { return RTC_DTLS_RECORD_HEADER + (size_t)rtc_get16(r + 11); }

/* The first of the laid by that OpenSSL can use now, or NULL. */
static uint8_t *early_due(const rtc_dtls_t *d) {
  for (size_t at = 0; at < d->early_n; at += record_size(d->early + at))
    if (due(d->ssl, d->early[at])) return d->early + at;
  return NULL;
}

bool rtc_dtls_has_input(const rtc_dtls_t *d) { return d->in.count || early_due(d); }

static size_t take_early(rtc_dtls_t *d, char *out, size_t cap) {
  uint8_t *r = early_due(d);
  size_t n = r ? record_size(r) : 0;
  if (!n || n > cap) return 0;
  memcpy(out, r, n);
  d->early_n = (uint16_t)(d->early_n - n);
  memmove(r, r + n, d->early_n - (size_t)(r - d->early));
  if (!d->early_n) rtc_dtls_early_clear(d);
  return n;
}

/* Bytes of the record at p; 0: none, or not whole. One of DTLS 1.3's form goes with all that follows it. */
static size_t record_at(const uint8_t *p, size_t left) {
  if (left && is_unified(p[0])) return left;
  if (left < RTC_DTLS_RECORD_HEADER || record_size(p) > left) return 0;
  return record_size(p);
}

/* Whether OpenSSL may see a record now; if only later, it is laid by. What cannot be authentic, or has no place, never reaches it:
 * what becomes of such differs from one version of it to the next. */
static bool admit(rtc_dtls_t *d, const uint8_t *r, size_t n) {
  if (is_unified(r[0])) return true;
  size_t body = n - RTC_DTLS_RECORD_HEADER;
  uint16_t epoch = rtc_get16(r + 3);
  if (epoch == 0) return !past_ccs(d->ssl) && plain_record_fits(d, r[0], r + RTC_DTLS_RECORD_HEADER, body);
  if (epoch != 1 || body < least_sealed(d->ssl)) return false; /* no renegotiation: there is no epoch 2 */
  if (due(d->ssl, r[0])) return true;
  lay_by(d, r, n);
  return false;
}

/* The number of a plain record proves nothing, but OpenSSL keeps a replay window of them: after one that is far ahead it would take all
 * true ones for repeated. So they are numbered as they come; what is repeated shows in the messages' own numbers. */
static void renumber(rtc_dtls_t *d, uint8_t *r) {
  if (!is_unified(r[0]) && rtc_get16(r + 3) == 0) rtc_put64(r + 3, d->plain_records++);
}

static size_t take_next(rtc_dtls_t *d, char *out, size_t cap) {
  const uint8_t *p;
  size_t n, took = 0;
  while (!took && (p = rtc_dtls_queue_peek(&d->in, &n))) {
    size_t left = n - d->in.taken, len = record_at(p + d->in.taken, left);
    if (len && len <= cap && admit(d, p + d->in.taken, len)) {
      memcpy(out, p + d->in.taken, len);
      renumber(d, (uint8_t *)out);
      took = len;
    }
    d->in.taken += (uint32_t)len;
    if (!len || len == left) rtc_dtls_queue_pop(&d->in);
  }
  return took;
}

/* One record a call, as if each had come by itself: whether OpenSSL may see one hangs on what it made of those before. */
static int bio_read(BIO *b, char *out, int cap) {
  rtc_dtls_t *d = BIO_get_data(b);
  BIO_clear_retry_flags(b);
  size_t n = cap > 0 ? take_early(d, out, (size_t)cap) : 0;
  if (!n && cap > 0) n = take_next(d, out, (size_t)cap);
  if (n) return (int)n; /* never 0, which would mean the end */
  BIO_set_retry_read(b);
  return -1;
}

/* OpenSSL repeats a flight with a datagram for each record. They are put together, so that the loss of any one of five
 * small datagrams does not cost the flight. A datagram that finds the outbox full, or is too long, is lost, as in the
 * network; the timer sends it again, and then a record at a time. */
static int bio_write(BIO *b, const char *p, int n) {
  rtc_dtls_t *d = BIO_get_data(b);
  const uint8_t *record = (const uint8_t *)p;
  BIO_clear_retry_flags(b);
  if (n > 0) rtc_dtls_note_written(d, record, (size_t)n);
  if (n <= 0 || n > RTC_DTLS_MTU) return n;
  if (rtc_dtls_of_handshake(record[0]) && join_newest(&d->out, record, (size_t)n)) return n;
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
      return rtc_dtls_queue_peek(&d->in, &n) ? (long)(n - d->in.taken) : 0;
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
