#include "proto/dtls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h> /* struct timeval alone */

#include "base/bytes.h"
#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum {
  TIMEOUT_CAP_MS = 1200, /* OpenSSL gives up after 12 repeats: after 12 s with this, which still leaves 11 tries in 10 s */
  AEAD_UNCOUNTED = 24,   /* nonce and tag of an encrypted Finished, which OpenSSL forgets when it fills a datagram with a flight */
  RECORD_MAX = 16384,    /* most plain bytes in one record */
  TURNS_MAX = 2048,      /* of the work loop, more than a full inbox can cause: a bound should OpenSSL ever not get on */
};
static const char EXPORTER[] = "EXTRACTOR-dtls_srtp"; /* RFC 5764 §4.2 */

static void fail(rtc_dtls_t *d, const char *what, const char *why) {
  if (d->state == RTC_DTLS_FAILED || d->state == RTC_DTLS_CLOSED) return;
  snprintf(d->error, sizeof d->error, "%s%s%s", what, why ? ": " : "", why ? why : "");
  d->state = RTC_DTLS_FAILED;
  rtc_dtls_queue_clear(&d->in);
  rtc_dtls_early_clear(d);
  rtc_dtls_queue_clear(&d->app);
}

static void closed(rtc_dtls_t *d) {
  d->state = RTC_DTLS_CLOSED;
  rtc_dtls_queue_clear(&d->in);
  rtc_dtls_early_clear(d);
}

static void fail_with_ssl_reason(rtc_dtls_t *d) {
  const char *why = ERR_reason_error_string(ERR_peek_error());
  fail(d, d->state == RTC_DTLS_CONNECTED ? "connection" : "handshake", why ? why : "unknown reason");
}

static bool matches_all(const rtc_dtls_t *d, X509 *cert) {
  uint8_t *der = NULL, digest[64];
  int n = i2d_X509(cert, &der);
  bool ok = n > 0;
  /* Every one is computed and compared, whatever the ones before gave. */
  for (int i = 0; n > 0 && i < d->fp_n; i++) {
    const rtc_fingerprint_t *f = &d->fps[i];
    int len = rtc_sha(f->bits, der, (size_t)n, digest);
    ok &= len == f->len && rtc_equal_ct(digest, f->value, f->len);
  }
  OPENSSL_free(der);
  return ok;
}

int rtc_dtls_verify(X509_STORE_CTX *store, void *unused) {
  (void)unused;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  X509 *cert = X509_STORE_CTX_get0_cert(store);
  rtc_dtls_t *d = ssl ? SSL_get_app_data(ssl) : NULL;
  if (!d || !cert || !matches_all(d, cert)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    if (d) fail(d, "fingerprint mismatch", NULL);
    return 0;
  }
  d->verified = true;
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

static bool fingerprints_fit(const rtc_fingerprint_t *fps, int n) {
  if (!fps || n < 1 || n > RTC_DTLS_FINGERPRINT_MAX) return false;
  bool strong = false;
  for (int i = 0; i < n; i++) {
    int want = fps[i].bits == 1 ? 20 : fps[i].bits == 256 ? 32 : fps[i].bits == 384 ? 48 : fps[i].bits == 512 ? 64 : 0;
    if (!want || fps[i].len != want) return false;
    strong = strong || fps[i].bits != 1;
  }
  return strong;
}

/* Next time-out from the last one that ran off (0: a flight has just gone out). */
static unsigned next_timeout(SSL *ssl, unsigned last_us) {
  rtc_dtls_t *d = SSL_get_app_data(ssl);
  if (!last_us) return RTC_DTLS_FIRST_TIMEOUT_MS * 1000u;
  d->waited_ms += last_us / 1000u;
  return last_us * 2 > TIMEOUT_CAP_MS * 1000u ? TIMEOUT_CAP_MS * 1000u : last_us * 2;
}

bool rtc_dtls_prepare(rtc_dtls_t *d) {
  if (d->ssl) return true;
  SSL *ssl = rtc_dtls_ctx_ssl(d->ctx);
  BIO *bio = ssl ? rtc_dtls_bio_new(d) : NULL;
  if (bio) SSL_set_bio(ssl, bio, bio);
  if (!bio) {
    SSL_free(ssl);
    return false;
  }
  SSL_set_app_data(ssl, d);
  SSL_set_msg_callback(ssl, rtc_dtls_note_header);
  SSL_set_msg_callback_arg(ssl, d);
  DTLS_set_timer_cb(ssl, next_timeout);
  if (d->client)
    SSL_set_connect_state(ssl);
  else
    SSL_set_accept_state(ssl);
  d->ssl = ssl;
  return SSL_set_mtu(ssl, RTC_DTLS_MTU - AEAD_UNCOUNTED) > 0;
}

rtc_dtls_t *rtc_dtls_new(rtc_dtls_ctx_t *c, bool client, const rtc_fingerprint_t *fps, int n) {
  if (!c || !fingerprints_fit(fps, n)) return NULL;
  rtc_dtls_t *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->ctx = rtc_dtls_ctx_ref(c);
  d->client = client;
  d->fp_n = (uint8_t)n;
  d->epoch1.reading = -1;
  rtc_window_init(&d->epoch1.seen);
  d->fps = malloc((size_t)n * sizeof *fps);
  if (!d->fps) {
    rtc_dtls_free(d);
    return NULL;
  }
  memcpy(d->fps, fps, (size_t)n * sizeof *fps);
  return d;
}

void rtc_dtls_free(rtc_dtls_t *d) {
  if (!d) return;
  SSL_free(d->ssl); /* OpenSSL wipes its keys */
  rtc_cleanse(&d->epoch1, sizeof d->epoch1);
  if (d->app.buf) rtc_cleanse(d->app.buf, d->app.cap);
  rtc_dtls_queue_clear(&d->in);
  rtc_dtls_early_clear(d);
  rtc_dtls_queue_clear(&d->out);
  rtc_dtls_queue_clear(&d->app);
  free(d->flight);
  free(d->fps);
  rtc_dtls_ctx_free(d->ctx);
  free(d);
}

int rtc_dtls_put(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  if (d->state == RTC_DTLS_FAILED || d->state == RTC_DTLS_CLOSED) return RTC_ECLOSED;
  if (n < RTC_DTLS_RECORD_HEADER) return RTC_EPROTO;
  uint8_t *room = rtc_dtls_queue_room(&d->in, n);
  if (!room) return RTC_ENOBUFS;
  memcpy(room, p, n);
  rtc_dtls_queue_push(&d->in, n);
  return 0;
}

/* True to go on with the next datagram, false when there is nothing more to do now. */
static bool go_on_after(rtc_dtls_t *d, int result) {
  switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ: /* also after one dropped record, with more waiting in its datagram or the inbox */
      return rtc_dtls_has_input(d) || SSL_has_pending(d->ssl);
    case SSL_ERROR_ZERO_RETURN:
      SSL_shutdown(d->ssl); /* our own close_notify */
      closed(d);
      return false;
    default:
      fail_with_ssl_reason(d);
      return false;
  }
}

static bool handshake(rtc_dtls_t *d) {
  d->state = RTC_DTLS_HANDSHAKE;
  /* Made here: where there is time for it, and not for a peer that never says a word. */
  if (!rtc_dtls_prepare(d)) {
    fail(d, "handshake", "out of memory");
    return false;
  }
  int r = SSL_do_handshake(d->ssl);
  if (r != 1) return go_on_after(d, r);
  if (!d->verified || !SSL_get0_peer_certificate(d->ssl)) { /* cannot be, and must not be */
    fail(d, "handshake", "peer not verified");
    return false;
  }
  SSL_set_mtu(d->ssl, RTC_DTLS_MTU); /* for application data every byte is counted */
  size_t max = DTLS_get_data_mtu(d->ssl);
  d->data_max = (uint16_t)(max > RTC_DTLS_MTU ? RTC_DTLS_MTU : max);
  d->state = RTC_DTLS_CONNECTED;
  rtc_dtls_note_connected(d);
  return true;
}

/* One message of the peer. At the cap it is dropped, but read all the same: a close_notify may stand behind it. */
static bool receive(rtc_dtls_t *d) {
  uint8_t message[RECORD_MAX];
  int n = SSL_read(d->ssl, message, sizeof message);
  if (n <= 0) return go_on_after(d, n);
  rtc_dtls_note_read(d);
  uint8_t *room = rtc_dtls_queue_room(&d->app, (size_t)n);
  if (room) {
    memcpy(room, message, (size_t)n);
    rtc_dtls_queue_push(&d->app, (size_t)n);
  }
  return true;
}

/* A media-only peer's association is silent from now on: give back what its handshake needed, once. */
static void trim(rtc_dtls_t *d) {
  if (d->trimmed || d->state != RTC_DTLS_CONNECTED || rtc_dtls_has_input(d) || d->out.count || d->app.count) return;
  d->trimmed = true;
  rtc_dtls_queue_clear(&d->in);
  rtc_dtls_queue_clear(&d->out);
  rtc_dtls_queue_clear(&d->app);
  SSL_free_buffers(d->ssl);
}

/* Before a write: unlike a read, OpenSSL's DTLS does not make again what trim has given back. */
static bool untrim(rtc_dtls_t *d) { return !d->trimmed || SSL_alloc_buffers(d->ssl) == 1; }

/* Whether there may be something to do. An idle connection is left alone: a read would get its buffers anew. */
static bool busy(const rtc_dtls_t *d) {
  switch (d->state) {
    case RTC_DTLS_NEW:
      return d->client || d->in.count;
    case RTC_DTLS_HANDSHAKE:
      return true;
    case RTC_DTLS_CONNECTED:
      return rtc_dtls_has_input(d) || SSL_has_pending(d->ssl);
    default:
      return false;
  }
}

static uint32_t waiting(const dtls_queue_t *q) { return q->tail - q->head; }

/* What work has written is the flight that may have to go out again; without memory it cannot. */
static void keep_flight(rtc_dtls_t *d, bool again) {
  uint8_t *block;
  uint32_t n;
  if (!rtc_dtls_queue_copy(&d->out, &block, &n)) return;
  free(d->flight);
  d->flight = block;
  d->flight_n = n;
  d->again = again;
}

/* A finished server has no timer, and hears nothing of a copy of what it has. But who sends that lacks our last flight. The question is
 * not authentic, so the answer is no longer than it. */
static bool asks_again(const rtc_dtls_t *d) {
  size_t n;
  const uint8_t *p = rtc_dtls_queue_peek(&d->in, &n);
  return d->state == RTC_DTLS_CONNECTED && p && rtc_dtls_of_handshake(p[0]) && n >= d->flight_n;
}

void rtc_dtls_work(rtc_dtls_t *d) {
  if (!busy(d)) return;
  ERR_clear_error();
  rtc_dtls_state_t was = d->state;
  bool asked = asks_again(d);
  uint32_t had = waiting(&d->out);
  long late = was == RTC_DTLS_HANDSHAKE ? DTLSv1_handle_timeout(d->ssl) : 0;
  if (late < 0 || d->waited_ms >= RTC_DTLS_GIVE_UP_MS) fail(d, "handshake", "timed out");
  bool more = true;
  for (int turn = 0; turn < TURNS_MAX && more && busy(d); turn++) more = d->state == RTC_DTLS_CONNECTED ? receive(d) : handshake(d);
  /* A finished server writes only when the client has repeated its last flight. */
  if (d->state <= RTC_DTLS_CONNECTED && waiting(&d->out) > had)
    keep_flight(d, late > 0 || was == RTC_DTLS_CONNECTED);
  else if (asked)
    d->again = true;
  ERR_clear_error();
}

bool rtc_dtls_wants_again(const rtc_dtls_t *d) { return d->again; }

int rtc_dtls_again(rtc_dtls_t *d) {
  d->again = false;
  if (d->state > RTC_DTLS_CONNECTED || rtc_dtls_settled(d)) return RTC_ESTATE;
  return rtc_dtls_queue_paste(&d->out, d->flight, d->flight_n) ? 0 : RTC_ENOBUFS;
}

int rtc_dtls_get(rtc_dtls_t *d, uint8_t *out, size_t cap) {
  size_t n;
  const uint8_t *p = rtc_dtls_queue_peek(&d->out, &n);
  if (!p) {
    rtc_dtls_queue_clear(&d->out); /* its memory: a flight is seldom */
    trim(d);
    return 0;
  }
  if (n > cap) return RTC_ENOBUFS;
  memcpy(out, p, n);
  rtc_dtls_queue_pop(&d->out);
  return (int)n;
}

rtc_time_t rtc_dtls_timeout_in(rtc_dtls_t *d) {
  struct timeval left;
  if (d->state == RTC_DTLS_NEW && d->client) return 0;
  if (d->state != RTC_DTLS_HANDSHAKE || DTLSv1_get_timeout(d->ssl, &left) != 1) return RTC_NEVER;
  rtc_time_t in = RTC_SEC(left.tv_sec) + left.tv_usec;
  if (in <= RTC_MS(TIMEOUT_CAP_MS)) return in;
  d->again = true; /* the wall clock was set back: until OpenSSL's time has come, copies do */
  return RTC_MS(TIMEOUT_CAP_MS);
}

rtc_dtls_state_t rtc_dtls_state(const rtc_dtls_t *d) { return d->state; }
const char *rtc_dtls_error(const rtc_dtls_t *d) { return d->error; }

static bool agreed(const rtc_dtls_t *d) { return d->verified && SSL_is_init_finished(d->ssl) && d->state >= RTC_DTLS_CONNECTED; }

int rtc_dtls_keys(const rtc_dtls_t *d, rtc_dtls_keys_t *out) {
  memset(out, 0, sizeof *out);
  if (d->state != RTC_DTLS_CONNECTED) return RTC_ESTATE;
  const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(d->ssl);
  rtc_srtp_profile_t profile = p ? (rtc_srtp_profile_t)p->id : RTC_SRTP_NONE;
  size_t key = rtc_srtp_key_len(profile), salt = rtc_srtp_salt_len(profile);
  if (!key) return RTC_EPROTO;
  /* client key, server key, client salt, server salt (RFC 5764 §4.2) */
  uint8_t m[2 * (sizeof out->local_key + sizeof out->local_salt)];
  if (SSL_export_keying_material(d->ssl, m, 2 * (key + salt), EXPORTER, sizeof EXPORTER - 1, NULL, 0, 0) != 1) {
    ERR_clear_error();
    return RTC_EPROTO;
  }
  const uint8_t *client_salt = m + 2 * key;
  out->profile = profile;
  memcpy(d->client ? out->local_key : out->remote_key, m, key);
  memcpy(d->client ? out->remote_key : out->local_key, m + key, key);
  memcpy(d->client ? out->local_salt : out->remote_salt, client_salt, salt);
  memcpy(d->client ? out->remote_salt : out->local_salt, client_salt + salt, salt);
  rtc_cleanse(m, sizeof m);
  return 0;
}

const char *rtc_dtls_version(const rtc_dtls_t *d) { return agreed(d) ? SSL_get_version(d->ssl) : ""; }
const char *rtc_dtls_cipher(const rtc_dtls_t *d) { return agreed(d) ? SSL_get_cipher_name(d->ssl) : ""; }

int rtc_dtls_peer_cert(const rtc_dtls_t *d, uint8_t *out, size_t cap) {
  X509 *cert = agreed(d) ? SSL_get0_peer_certificate(d->ssl) : NULL;
  int n = cert ? i2d_X509(cert, NULL) : 0;
  if (n <= 0) return 0;
  if ((size_t)n > cap) return RTC_ENOBUFS;
  return i2d_X509(cert, &out);
}

/* One more certificate behind those that are there, as far as there is room. */
static void add_cert(rtc_certs_t *out, X509 *cert) {
  int n = i2d_X509(cert, NULL);
  if (n <= 0 || (size_t)n + 3 > RTC_DTLS_CERTS_MAX - out->len) return;
  uint8_t *p = out->data + out->len;
  rtc_put24(p, (uint32_t)n);
  p += 3;
  out->len += 3 + (uint32_t)i2d_X509(cert, &p);
}

rtc_certs_t *rtc_dtls_peer_certs(const rtc_dtls_t *d) {
  X509 *own = agreed(d) ? SSL_get0_peer_certificate(d->ssl) : NULL;
  rtc_certs_t *out = own ? malloc(sizeof *out + RTC_DTLS_CERTS_MAX) : NULL;
  if (!out) return NULL;
  out->len = 0;
  add_cert(out, own);
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(d->ssl);
  /* A client's chain begins with the server's own certificate; a server's has only what follows it. */
  for (int i = d->client ? 1 : 0; i < sk_X509_num(chain); i++) add_cert(out, sk_X509_value(chain, i));
  rtc_certs_t *fit = realloc(out, sizeof *out + out->len);
  return fit ? fit : out;
}

size_t rtc_dtls_data_max(const rtc_dtls_t *d) { return d->state == RTC_DTLS_CONNECTED ? d->data_max : 0; }

int rtc_dtls_send(rtc_dtls_t *d, const uint8_t *p, size_t n) {
  if (d->state != RTC_DTLS_CONNECTED) return RTC_ESTATE;
  if (!n || n > d->data_max) return RTC_EINVAL;
  if (rtc_dtls_queue_full(&d->out, RTC_DTLS_MTU) || !untrim(d)) return RTC_ENOBUFS;
  ERR_clear_error();
  if (SSL_write(d->ssl, p, (int)n) == (int)n) return 0;
  fail_with_ssl_reason(d);
  ERR_clear_error();
  return RTC_ECLOSED;
}

int rtc_dtls_recv(rtc_dtls_t *d, uint8_t *out, size_t cap) {
  size_t n;
  const uint8_t *p = rtc_dtls_queue_peek(&d->app, &n);
  if (!p) return 0;
  bool fits = n <= cap;
  if (fits) memcpy(out, p, n);
  rtc_dtls_queue_pop(&d->app);
  return fits ? (int)n : RTC_ENOBUFS;
}

void rtc_dtls_close(rtc_dtls_t *d) {
  if (d->state == RTC_DTLS_FAILED || d->state == RTC_DTLS_CLOSED) return;
  ERR_clear_error();
  if (d->state == RTC_DTLS_CONNECTED && untrim(d)) SSL_shutdown(d->ssl);
  ERR_clear_error();
  closed(d);
}
