/* The hand-over of an association's records from OpenSSL to another writer and reader of them: what must be known of those that have
 * passed is watched here, the keys are derived once more. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum {
  CONTENT_DATA = 23,
  NONCE = 8,
  GCM_LEAST = NONCE + RTC_GCM_TAG, /* bytes in the shortest record */
  SECRET = 48,
  RANDOM = 32,
  SALT = 4,
  /* Numbers left out between OpenSSL's last record and ours. None that OpenSSL has used can be unknown here, since each
   * goes through our BIO; but a nonce used twice would give the key away, and a gap costs nothing. */
  SEQ_GAP = 16,
};

static int64_t sequence_of(const uint8_t *header) { return (int64_t)(rtc_get64(header + 3) & 0xffffffffffff); }
static bool in_epoch1(const uint8_t *header) { return rtc_get16(header + 3) == 1; }

void rtc_dtls_note_written(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  dtls_epoch1_t *e = &d->epoch1;
  while (n >= RTC_DTLS_RECORD_HEADER) {
    size_t body = rtc_get16(p + 11);
    if (body > n - RTC_DTLS_RECORD_HEADER) break;
    if (in_epoch1(p)) {
      int64_t seq = sequence_of(p);
      uint64_t base = body < GCM_LEAST ? 0 : rtc_get64(p + RTC_DTLS_RECORD_HEADER) - (uint64_t)seq;
      e->odd |= body < GCM_LEAST || (e->next_seq && base != e->nonce_base);
      e->nonce_base = base;
      if (seq >= e->next_seq) e->next_seq = seq + 1;
    }
    p += RTC_DTLS_RECORD_HEADER + body;
    n -= RTC_DTLS_RECORD_HEADER + body;
  }
}

/* OpenSSL shows each header before it has checked the record; rtc_dtls_note_read follows when the record was good. */
void rtc_dtls_note_header(int written, int version, int type, const void *p, size_t n, SSL *ssl, void *association) {
  (void)version;
  (void)ssl;
  rtc_dtls_t *d = association;
  if (written || type != SSL3_RT_HEADER || n != RTC_DTLS_RECORD_HEADER) return;
  const uint8_t *header = p;
  d->epoch1.reading = header[0] == CONTENT_DATA && in_epoch1(header) ? sequence_of(header) : -1;
}

void rtc_dtls_note_read(rtc_dtls_t *d) {
  dtls_epoch1_t *e = &d->epoch1;
  if (e->reading >= 0 && rtc_window_check(&e->seen, e->reading) == 0)
    rtc_window_commit(&e->seen, e->reading);
  else /* cannot be while nothing is given to OpenSSL that it would lay by (dtls_bio.c) */
    e->unsure = true;
  e->reading = -1;
}

bool rtc_dtls_settled(const rtc_dtls_t *d) {
  /* In a full handshake, and there is no other (no tickets, no session cache), the server's Finished comes last (RFC 6347 §4.2). */
  return d->state == RTC_DTLS_CONNECTED && (d->client || d->epoch1.seen.top >= 0);
}

/* Key length and hash of the PRF (RFC 5288 §3, RFC 5289 §3.2); false when the suite is none of ours. */
static bool suite_of(const SSL *ssl, size_t *key_len, int *hash) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  switch (cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0) {
    case 0xc02b: /* ECDHE_ECDSA, ECDHE_RSA _WITH_AES_128_GCM_SHA256 */
    case 0xc02f:
      *key_len = 16;
      *hash = 256;
      return true;
    case 0xc02c: /* .. _WITH_AES_256_GCM_SHA384 */
    case 0xc030:
      *key_len = 32;
      *hash = 384;
      return true;
    default:
      return false;
  }
}

/* 0; RTC_EPROTO: not of a kind that can be handed over; RTC_ENOMEM. */
static int derive(rtc_dtls_t *d) {
  dtls_epoch1_t *e = &d->epoch1;
  static const char label[] = "key expansion"; /* RFC 5246 §6.3 */
  enum { LABEL = sizeof label - 1 };
  uint8_t secret[SECRET], seed[LABEL + 2 * RANDOM];
  int hash = 0;
  size_t key_len = 0;
  if (e->key_len) return 0;
  if (SSL_version(d->ssl) != DTLS1_2_VERSION || !suite_of(d->ssl, &key_len, &hash)) return RTC_EPROTO;
  const SSL_SESSION *session = SSL_get_session(d->ssl);
  bool ok = session && SSL_SESSION_get_master_key(session, secret, sizeof secret) == sizeof secret &&
            SSL_get_server_random(d->ssl, seed + LABEL, RANDOM) == RANDOM &&
            SSL_get_client_random(d->ssl, seed + LABEL + RANDOM, RANDOM) == RANDOM;
  memcpy(seed, label, LABEL);
  if (ok && rtc_tls_prf(hash, secret, sizeof secret, seed, sizeof seed, e->block, 2 * (key_len + SALT)) == 0) e->key_len = (uint8_t)key_len;
  rtc_cleanse(secret, sizeof secret);
  return e->key_len ? 0 : RTC_ENOMEM; /* nothing else can fail in it */
}

void rtc_dtls_note_connected(rtc_dtls_t *d) { (void)derive(d); /* else it is tried again */ }

static void take_block(const rtc_dtls_t *d, rtc_dtls_records_t *out) {
  size_t key = out->key_len = d->epoch1.key_len;
  const uint8_t *keys = d->epoch1.block, *salts = keys + 2 * key;
  memcpy(d->client ? out->local_key : out->remote_key, keys, key);
  memcpy(d->client ? out->remote_key : out->local_key, keys + key, key);
  memcpy(d->client ? out->local_salt : out->remote_salt, salts, SALT);
  memcpy(d->client ? out->remote_salt : out->local_salt, salts + SALT, SALT);
}

int rtc_dtls_export_records(rtc_dtls_t *d, rtc_dtls_records_t *out) {
  const dtls_epoch1_t *e = &d->epoch1;
  memset(out, 0, sizeof *out);
  if (d->state != RTC_DTLS_CONNECTED || rtc_dtls_has_input(d) || d->out.count || SSL_has_pending(d->ssl)) return RTC_ESTATE;
  if (e->odd || e->unsure || !e->next_seq) return RTC_EPROTO;
  ERR_clear_error();
  int err = derive(d);
  ERR_clear_error();
  if (err < 0) return err;
  take_block(d, out);
  out->next_seq = e->next_seq + SEQ_GAP;
  out->nonce_base = e->nonce_base;
  out->seen = e->seen;
  d->state = RTC_DTLS_CLOSED; /* so that it never writes again: it would take the same numbers */
  return 0;
}
