/* new_cert: certificates made on the spot, where one fixed one is not enough. For tests alone. */
#ifndef RTC_TESTS_NEW_CERT_H
#define RTC_TESTS_NEW_CERT_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "check.h"
#include "proto/dtls.h"

typedef struct new_cert {
  char cert[4096], key[4096];
  uint8_t der[4096];
  size_t der_n;
} new_cert_t;

static inline void new_cert_text(BIO *b, char *out, size_t cap) {
  int n = BIO_read(b, out, (int)cap - 1);
  BIO_free(b);
  if (n <= 0) exit(2);
  out[n] = 0;
}

static inline void new_cert_make(new_cert_t *c, bool rsa) {
  EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  X509 *x = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
  X509_set_version(x, 2);
  X509_gmtime_adj(X509_getm_notBefore(x), -86400);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"someone", -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  if (!X509_sign(x, key, EVP_sha256())) exit(2);
  BIO *cert = BIO_new(BIO_s_mem()), *private_key = BIO_new(BIO_s_mem());
  if (!PEM_write_bio_X509(cert, x) || !PEM_write_bio_PrivateKey(private_key, key, NULL, NULL, 0, NULL, NULL)) exit(2);
  new_cert_text(cert, c->cert, sizeof c->cert);
  new_cert_text(private_key, c->key, sizeof c->key);
  uint8_t *p = c->der;
  c->der_n = (size_t)i2d_X509(x, &p);
  X509_free(x);
  EVP_PKEY_free(key);
}

static inline rtc_dtls_ctx_t *new_cert_ctx(const new_cert_t *c) {
  int err;
  rtc_dtls_ctx_t *ctx = rtc_dtls_ctx_new(c->cert, strlen(c->cert), c->key, strlen(c->key), &err);
  if (!ctx) exit(2);
  return ctx;
}

#endif
