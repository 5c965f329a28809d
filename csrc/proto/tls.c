#include "proto/tls.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rtc_tls {
  SSL_CTX *ctx;
  SSL *ssl;
  BIO *in, *out; /* the session's */
  int err;       /* once it has ended */
  char why[RTC_TLS_WHY_MAX];
};

static bool use_authorities(SSL_CTX *ctx, const rtc_tls_cfg_t *cfg) {
  if (!cfg->ca_len) return SSL_CTX_set_default_verify_paths(ctx) == 1;
  BIO *b = cfg->ca_len <= INT_MAX ? BIO_new_mem_buf(cfg->ca_pem, (int)cfg->ca_len) : NULL;
  int n = 0;
  for (X509 *one; b && (one = PEM_read_bio_X509(b, NULL, NULL, NULL)); X509_free(one))
    n += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), one) == 1;
  BIO_free(b);
  ERR_clear_error(); /* the end of the text is one */
  return n > 0;
}

/* Whom the certificate has to name, and what the server is asked for (RFC 6066 §3: no addresses). */
static bool use_name(SSL *ssl, const char *name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1) return true;
  ERR_clear_error();
  return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int prepare(rtc_tls_t *t, const rtc_tls_cfg_t *cfg) {
  t->ctx = SSL_CTX_new(TLS_client_method());
  if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1) return RTC_ENOMEM;
  SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(t->ctx, cfg->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
  if (!cfg->insecure && !use_authorities(t->ctx, cfg)) return RTC_EINVAL;
  t->ssl = SSL_new(t->ctx);
  t->in = BIO_new(BIO_s_mem());
  t->out = BIO_new(BIO_s_mem());
  if (!t->ssl || !t->in || !t->out) return RTC_ENOMEM;
  BIO_set_mem_eof_return(t->in, -1); /* more may come */
  BIO_set_mem_eof_return(t->out, -1);
  BIO_up_ref(t->in); /* SSL has one reference, we have the other */
  BIO_up_ref(t->out);
  SSL_set_bio(t->ssl, t->in, t->out);
  SSL_set_connect_state(t->ssl);
  return use_name(t->ssl, cfg->name) ? 0 : RTC_EINVAL;
}

rtc_tls_t *rtc_tls_new(const rtc_tls_cfg_t *cfg, int *err) {
  *err = RTC_EINVAL;
  if (!cfg->name || !*cfg->name) return NULL;
  *err = RTC_ENOMEM;
  rtc_tls_t *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *err = prepare(t, cfg);
  if (*err == 0) return t;
  ERR_clear_error();
  rtc_tls_free(t);
  return NULL;
}

void rtc_tls_free(rtc_tls_t *t) {
  if (!t) return;
  SSL_free(t->ssl);
  BIO_free(t->in);
  BIO_free(t->out);
  SSL_CTX_free(t->ctx);
  free(t);
}

int rtc_tls_feed(rtc_tls_t *t, const uint8_t *p, size_t n) {
  while (n && !t->err) {
    int some = n < INT_MAX ? (int)n : INT_MAX;
    if (BIO_write(t->in, p, some) != some) return RTC_ENOMEM;
    p += some;
    n -= (size_t)some;
  }
  return 0;
}

static int end(rtc_tls_t *t, int err, const char *why) {
  t->err = err;
  snprintf(t->why, sizeof t->why, "%s", why ? why : "unknown error");
  ERR_clear_error();
  return err;
}

/* What an unhappy result means: 0, nothing yet, or the end. */
static int judge(rtc_tls_t *t, int result) {
  int kind = SSL_get_error(t->ssl, result);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return 0;
  if (kind == SSL_ERROR_ZERO_RETURN) return end(t, RTC_ECLOSED, "");
  long verdict = SSL_get_verify_result(t->ssl);
  if (SSL_get_verify_mode(t->ssl) == SSL_VERIFY_PEER && verdict != X509_V_OK)
    return end(t, RTC_EAUTH, X509_verify_cert_error_string(verdict));
  return end(t, RTC_EPROTO, ERR_reason_error_string(ERR_peek_error()));
}

int rtc_tls_read(rtc_tls_t *t, uint8_t *out, size_t cap) {
  if (t->err) return t->err;
  ERR_clear_error();
  if (!SSL_is_init_finished(t->ssl)) {
    int r = SSL_do_handshake(t->ssl);
    if (r != 1) return judge(t, r);
  }
  if (!cap) return 0;
  int n = SSL_read(t->ssl, out, cap < INT_MAX ? (int)cap : INT_MAX);
  return n > 0 ? n : judge(t, n);
}

bool rtc_tls_open(const rtc_tls_t *t) { return !t->err && SSL_is_init_finished(t->ssl); }

int rtc_tls_write(rtc_tls_t *t, const uint8_t *p, size_t n) {
  if (!rtc_tls_open(t)) return RTC_ESTATE;
  if (!n) return 0;
  if (n > INT_MAX) return RTC_EINVAL;
  ERR_clear_error();
  int r = SSL_write(t->ssl, p, (int)n); /* a memory BIO takes all of it */
  return r == (int)n ? 0 : end(t, RTC_EPROTO, ERR_reason_error_string(ERR_peek_error()));
}

void rtc_tls_close(rtc_tls_t *t) {
  if (!rtc_tls_open(t)) return;
  SSL_shutdown(t->ssl);
  ERR_clear_error();
}

const uint8_t *rtc_tls_pending(const rtc_tls_t *t, size_t *n) {
  char *p = NULL;
  long len = BIO_get_mem_data(t->out, &p);
  *n = len > 0 ? (size_t)len : 0;
  return (const uint8_t *)p;
}

void rtc_tls_sent(rtc_tls_t *t, size_t n) {
  uint8_t away[1024];
  while (n) {
    int got = BIO_read(t->out, away, (int)(n < sizeof away ? n : sizeof away));
    if (got <= 0) return;
    n -= (size_t)got;
  }
}

const char *rtc_tls_why(const rtc_tls_t *t) { return t->why; }
