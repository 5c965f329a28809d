#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/dtls_impl.h"

/* Ephemeral keys and AEAD (RFC 8827 §6.5), RSA for peers and certificates of that kind; the CBC suite is what older
 * stacks still have. There is no NULL, anonymous or export suite in it. */
static const char CIPHERS[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA";
static const char GROUPS[] = "X25519:P-256:P-384:P-521:P-224";
/* In our order, which is what counts when we are the server: GCM costs a fraction of SHA-1 per packet. */
static const char PROFILES[] = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";

enum {
  SECURITY_LEVEL = 2, /* 112 bits: RSA from 2048. Set here, so that it does not differ between distributions */
  CERT_LIST_MAX = RTC_DTLS_MESSAGE_MAX,
};

/* Without encrypt-then-MAC (RFC 7366), which only the CBC suites know: where it is agreed, OpenSSL 3.0 ends an association at the
 * first record whose MAC is wrong, which anybody can send. The other way round such a record is dropped (RFC 6347 §4.1.2.1). */
static const uint64_t OPTIONS = SSL_OP_NO_ENCRYPT_THEN_MAC | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE;

/* An encrypted key must not make OpenSSL ask on the terminal. */
static int no_password(char *buf, int size, int writing, void *user) {
  (void)buf;
  (void)size;
  (void)writing;
  (void)user;
  return -1;
}

/* In this library context the peer's key in a certificate is found fast (dtls_lib.c), and so is our own. */
static X509 *read_cert(const char *pem, size_t n) {
  BIO *bio = n > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)n);
  X509 *made = X509_new_ex(rtc_dtls_lib(), NULL), *cert = made;
  if (!bio || !made || !PEM_read_bio_X509(bio, &cert, no_password, NULL)) {
    if (cert) X509_free(made); /* else it has been freed */
    cert = NULL;
  }
  BIO_free(bio);
  return cert;
}

static EVP_PKEY *read_key(const char *pem, size_t n) {
  if (n > INT_MAX) return NULL;
  char *name = NULL, *header = NULL;
  uint8_t *der = NULL;
  long len = 0;
  EVP_PKEY *key = NULL;
  BIO *bio = BIO_new_mem_buf(pem, (int)n);
  if (bio && PEM_read_bio(bio, &name, &header, &der, &len) == 1 && !strcmp(name, PEM_STRING_PKCS8INF) && !*header)
    key = rtc_dtls_p256_read(der, (size_t)len);
  BIO_free(bio);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(der, (size_t)len);
  if (key) return key;
  bio = BIO_new_mem_buf(pem, (int)n);
  key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
  BIO_free(bio);
  return key;
}

static bool use_pem(rtc_dtls_ctx_t *c, const char *cert_pem, size_t cert_len, const char *key_pem, size_t key_len) {
  if (!cert_pem || !key_pem) return false;
  c->cert = read_cert(cert_pem, cert_len);
  c->key = read_key(key_pem, key_len);
  if (!c->cert || !c->key || !(EVP_PKEY_is_a(c->key, "EC") || EVP_PKEY_is_a(c->key, "RSA"))) return false;
  SSL *trial = rtc_dtls_ctx_ssl(c);
  bool fit = trial && SSL_check_private_key(trial) == 1;
  SSL_free(trial);
  return fit;
}

static bool set_versions(SSL_CTX *s) {
#ifdef DTLS1_3_VERSION /* OpenSSL 4.1 and later */
  int newest = DTLS1_3_VERSION;
#else
  int newest = DTLS1_2_VERSION;
#endif
  return SSL_CTX_set_min_proto_version(s, DTLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(s, newest) == 1;
}

static bool configure(SSL_CTX *s) {
  SSL_CTX_set_security_level(s, SECURITY_LEVEL);
  SSL_CTX_set_options(s, OPTIONS);
  SSL_CTX_clear_options(s, SSL_OP_COOKIE_EXCHANGE); /* a STUN check has proved the source already */
  SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(s, CERT_LIST_MAX);
  SSL_CTX_set_verify(s, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_cert_verify_callback(s, rtc_dtls_verify, NULL);
  return set_versions(s) && SSL_CTX_set_cipher_list(s, CIPHERS) == 1 && SSL_CTX_set1_groups_list(s, GROUPS) == 1 &&
         SSL_CTX_set_tlsext_use_srtp(s, PROFILES) == 0; /* the one that returns 0 for success */
}

SSL_CTX *rtc_dtls_settings_new(void) {
  SSL_CTX *s = SSL_CTX_new_ex(rtc_dtls_lib(), NULL, DTLS_method());
  if (s && configure(s)) return s;
  SSL_CTX_free(s);
  return NULL;
}

/* One for the process, as the library context is: it holds nothing of a certificate, and each peer connection has one of its own. */
static SSL_CTX *settings;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void make_settings(void) { settings = rtc_dtls_settings_new(); }

static SSL_CTX *shared_settings(void) {
  SSL_CTX *s = CRYPTO_THREAD_run_once(&once, make_settings) ? settings : NULL;
  return s && SSL_CTX_up_ref(s) == 1 ? s : NULL;
}

SSL *rtc_dtls_ctx_ssl(const rtc_dtls_ctx_t *c) {
  SSL *ssl = SSL_new(c->ssl_ctx);
  if (ssl && SSL_use_certificate(ssl, c->cert) == 1 && SSL_use_PrivateKey(ssl, c->key) == 1) return ssl;
  SSL_free(ssl);
  return NULL;
}

rtc_dtls_ctx_t *rtc_dtls_ctx_new(const char *cert_pem, size_t cert_len, const char *key_pem, size_t key_len, int *err) {
  *err = RTC_ESTATE;
  if (rtc_crypto_flaw(rtc_crypto_number())) return NULL;
  rtc_dtls_ctx_t *c = calloc(1, sizeof *c);
  *err = RTC_ENOMEM;
  if (!c) return NULL;
  atomic_init(&c->refs, 1);
  c->ssl_ctx = shared_settings();
  c->bio = rtc_dtls_bio_method();
  if (c->ssl_ctx && c->bio) {
    if (use_pem(c, cert_pem, cert_len, key_pem, key_len)) {
      *err = 0;
      return c;
    }
    *err = RTC_EINVAL;
  }
  ERR_clear_error();
  rtc_dtls_ctx_free(c);
  return NULL;
}

rtc_dtls_ctx_t *rtc_dtls_ctx_ref(rtc_dtls_ctx_t *c) {
  atomic_fetch_add(&c->refs, 1);
  return c;
}

void rtc_dtls_ctx_free(rtc_dtls_ctx_t *c) {
  if (!c || atomic_fetch_sub(&c->refs, 1) > 1) return;
  SSL_CTX_free(c->ssl_ctx);
  X509_free(c->cert);
  EVP_PKEY_free(c->key);
  BIO_meth_free(c->bio);
  free(c);
}

int rtc_dtls_ctx_fingerprint(const rtc_dtls_ctx_t *c, int bits, uint8_t out[64]) {
  uint8_t *der = NULL;
  int n = i2d_X509(c->cert, &der);
  if (n <= 0) return RTC_EINVAL;
  int len = rtc_sha(bits, der, (size_t)n, out);
  OPENSSL_free(der);
  return len;
}
