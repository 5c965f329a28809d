#include "proto/dtls_cert.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "check.h"
#include "proto/dtls.h"
#include "proto/dtls_impl.h"

enum { NOON_2030 = 1893499200 };

static X509 *read_cert(const rtc_cert_t *c) {
  BIO *b = BIO_new_mem_buf(c->cert_pem, (int)c->cert_len);
  X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
  BIO_free(b);
  return x;
}

static EVP_PKEY *read_key(const rtc_cert_t *c) {
  BIO *b = BIO_new_mem_buf(c->key_pem, (int)c->key_len);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
  BIO_free(b);
  return key;
}

static bool is_at(const ASN1_TIME *t, int64_t s) { return ASN1_TIME_cmp_time_t(t, (time_t)s) == 0; }

/* OpenSSL finds in it what was asked for, byte for byte as it would write it, and the signature is right. */
static void check_made(const rtc_cert_t *c, const char *name, int64_t from_s, int64_t until_s) {
  X509 *x = read_cert(c);
  EVP_PKEY *key = read_key(c);
  CHECK(x && key);
  char cn[80] = "";
  CHECK(X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn) > 0 && !strcmp(cn, name));
  CHECK(X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0 && X509_get_version(x) == 2);
  CHECK(is_at(X509_get0_notBefore(x), from_s) && is_at(X509_get0_notAfter(x), until_s));
  CHECK(X509_check_private_key(x, key) == 1 && X509_verify(x, key) == 1);
  const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
  CHECK(serial->length == 20 && serial->type == V_ASN1_INTEGER);
  uint8_t *ours = NULL, *theirs = NULL;
  const int n = i2d_X509(x, &ours); /* as it was read */
  CHECK(i2d_re_X509_tbs(x, NULL) > 0 && i2d_X509(x, &theirs) == n);
  CHECK_MEM(ours, theirs, (size_t)n);
  OPENSSL_free(ours);
  OPENSSL_free(theirs);
  X509_free(x);
  EVP_PKEY_free(key);
}

static void made(void) {
  static const char longest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  static const struct {
    const char *name;
    int64_t from_s, until_s;
  } rows[] = {
      {"a", NOON_2030, NOON_2030 + 1},
      {"0011223344556677", NOON_2030, NOON_2030 + 30 * 86400},
      {longest, 0, 2524607999},          /* the last second of the short form of times */
      {longest, 2524607999, 2524608000}, /* and the first of the long one */
      {longest, 2524608000, 253402300799},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    rtc_cert_t c;
    CHECK(rtc_dtls_cert_make(&c, rows[i].name, rows[i].from_s, rows[i].until_s) == 0);
    check_made(&c, rows[i].name, rows[i].from_s, rows[i].until_s);
    int err;
    rtc_dtls_ctx_t *ctx = rtc_dtls_ctx_new(c.cert_pem, c.cert_len, c.key_pem, c.key_len, &err);
    CHECK(ctx && !err);
    rtc_dtls_ctx_free(ctx);
  }
}

static void refused(void) {
  rtc_cert_t c;
  char name[RTC_CERT_NAME_LEN + 2];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = 0;
  CHECK(rtc_dtls_cert_make(&c, "", 0, 1) == RTC_EINVAL);
  CHECK(rtc_dtls_cert_make(&c, name, 0, 1) == RTC_EINVAL);
  CHECK(rtc_dtls_cert_make(&c, "a", 1, 1) == RTC_EINVAL);
}

/* No two are alike: each has a key and a number of its own. */
static void of_its_own(void) {
  rtc_cert_t a, b;
  CHECK(!rtc_dtls_cert_make(&a, "a", 0, 1) && !rtc_dtls_cert_make(&b, "a", 0, 1));
  X509 *x = read_cert(&a), *y = read_cert(&b);
  CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)) != 0);
  CHECK(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(y)) == 0);
  X509_free(x);
  X509_free(y);
}

/* The key goes the fast way back: PKCS #8 as this module writes it is what it reads. */
static void keys_go_the_fast_way(void) {
  rtc_cert_t c;
  CHECK(!rtc_dtls_cert_make(&c, "a", 0, 1));
  EVP_PKEY *key = read_key(&c);
  uint8_t der[RTC_P256_PKCS8];
  CHECK(rtc_dtls_p256_write(key, der));
  EVP_PKEY *again = rtc_dtls_p256_read(der, sizeof der);
  CHECK(again && EVP_PKEY_eq(key, again) == 1);
  EVP_PKEY_free(again);
  CHECK(!rtc_dtls_p256_read(der, sizeof der - 1));
  der[0] ^= 1;
  CHECK(!rtc_dtls_p256_read(der, sizeof der));
  EVP_PKEY_free(key);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(made);
  RUN(refused);
  RUN(of_its_own);
  RUN(keys_go_the_fast_way);
  return CHECK_END();
}
