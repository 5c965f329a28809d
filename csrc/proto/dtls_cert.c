/* Written out in DER (X.690) here: all but a few numbers is the same in each, and through OpenSSL 3.0's encoders it takes five times as
 * long as the arithmetic. */
#include "proto/dtls_cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum { SERIAL = 20, SIG_ROOM = 72, DER_ROOM = 600, INTEGER = 0x02, BITS = 0x03, UTF8 = 0x0c, SEQUENCE = 0x30, SET = 0x31 };

static const uint8_t VERSION_3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
static const uint8_t ECDSA_SHA256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}; /* RFC 5758 §3.2 */
static const uint8_t COMMON_NAME[] = {0x06, 0x03, 0x55, 0x04, 0x03};
/* SubjectPublicKeyInfo up to the point (RFC 5480). */
static const uint8_t P256_POINT[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                     0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

/* Written from the end, so that a length is known when it is its turn. */
typedef struct der {
  uint8_t buf[DER_ROOM];
  size_t at;
} der_t;

static void put(der_t *d, const void *p, size_t n) {
  d->at -= n;
  memcpy(d->buf + d->at, p, n);
}

static void put_byte(der_t *d, uint8_t b) { put(d, &b, 1); }

/* What was written since `end` becomes the content of this tag. */
static void wrap(der_t *d, uint8_t tag, size_t end) {
  size_t n = end - d->at;
  put_byte(d, (uint8_t)n);
  if (n > 0xff) put_byte(d, (uint8_t)(n >> 8));
  if (n > 0x7f) put_byte(d, n > 0xff ? 0x82 : 0x81);
  put_byte(d, tag);
}

static void put_name(der_t *d, const char *name) {
  const size_t end = d->at;
  put(d, name, strlen(name));
  wrap(d, UTF8, end);
  put(d, COMMON_NAME, sizeof COMMON_NAME);
  wrap(d, SEQUENCE, end);
  wrap(d, SET, end);
  wrap(d, SEQUENCE, end);
}

static bool put_time(der_t *d, int64_t s) {
  uint8_t *text = NULL;
  ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)s); /* of two forms, up to 2049 and from then on (RFC 5280 §4.1.2.5) */
  int n = t ? i2d_ASN1_TIME(t, &text) : 0;
  if (n > 0) put(d, text, (size_t)n);
  OPENSSL_free(text);
  ASN1_TIME_free(t);
  return n > 0;
}

static bool put_serial(der_t *d) {
  uint8_t serial[SERIAL];
  if (RAND_bytes(serial, SERIAL) != 1) return false;
  serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and of one length */
  const size_t end = d->at;
  put(d, serial, SERIAL);
  wrap(d, INTEGER, end);
  return true;
}

/* TBSCertificate (RFC 5280 §4.1). */
static bool put_body(der_t *d, const uint8_t point[RTC_P256_POINT], const char *name, int64_t from_s, int64_t until_s) {
  const size_t end = d->at;
  put(d, point, RTC_P256_POINT);
  put(d, P256_POINT, sizeof P256_POINT);
  put_name(d, name);
  const size_t times = d->at;
  if (!put_time(d, until_s) || !put_time(d, from_s)) return false;
  wrap(d, SEQUENCE, times);
  put_name(d, name);
  put(d, ECDSA_SHA256, sizeof ECDSA_SHA256);
  if (!put_serial(d)) return false;
  put(d, VERSION_3, sizeof VERSION_3);
  wrap(d, SEQUENCE, end);
  return true;
}

static bool sign(EVP_PKEY *key, const uint8_t *p, size_t n, uint8_t sig[SIG_ROOM], size_t *sig_n) {
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  *sig_n = SIG_ROOM;
  bool done =
      c && EVP_DigestSignInit_ex(c, NULL, "SHA256", rtc_dtls_lib(), NULL, key, NULL) == 1 && EVP_DigestSign(c, sig, sig_n, p, n) == 1;
  EVP_MD_CTX_free(c);
  return done;
}

/* Length of the text; 0: no memory. */
static size_t write_pem(char out[RTC_CERT_PEM_ROOM], const char *what, const uint8_t *der, size_t n) {
  BIO *b = BIO_new(BIO_s_secmem());
  int len = b && PEM_write_bio(b, what, "", der, (long)n) > 0 ? BIO_read(b, out, RTC_CERT_PEM_ROOM) : 0;
  BIO_free(b);
  return len > 0 ? (size_t)len : 0;
}

static bool make(rtc_cert_t *out, EVP_PKEY *key, const char *name, int64_t from_s, int64_t until_s) {
  uint8_t secret[RTC_P256_PKCS8], sig[SIG_ROOM];
  size_t sig_n = 0;
  der_t body = {.at = DER_ROOM}, cert = {.at = DER_ROOM};
  if (!rtc_dtls_p256_write(key, secret)) return false;
  out->key_len = write_pem(out->key_pem, PEM_STRING_PKCS8INF, secret, sizeof secret);
  rtc_cleanse(secret, sizeof secret - RTC_P256_POINT);
  if (!put_body(&body, secret + sizeof secret - RTC_P256_POINT, name, from_s, until_s)) return false;
  if (!sign(key, body.buf + body.at, DER_ROOM - body.at, sig, &sig_n)) return false;
  put(&cert, sig, sig_n);
  put_byte(&cert, 0); /* bits that are left over */
  wrap(&cert, BITS, DER_ROOM);
  put(&cert, ECDSA_SHA256, sizeof ECDSA_SHA256);
  put(&cert, body.buf + body.at, DER_ROOM - body.at);
  wrap(&cert, SEQUENCE, DER_ROOM);
  out->cert_len = write_pem(out->cert_pem, PEM_STRING_X509, cert.buf + cert.at, DER_ROOM - cert.at);
  return out->cert_len && out->key_len;
}

int rtc_dtls_cert_make(rtc_cert_t *out, const char *name, int64_t from_s, int64_t until_s) {
  const size_t n = strlen(name);
  if (!n || n > RTC_CERT_NAME_LEN || from_s >= until_s) return RTC_EINVAL;
  ERR_set_mark();
  EVP_PKEY *key = EVP_PKEY_Q_keygen(rtc_dtls_lib(), NULL, "EC", "P-256");
  const bool made = key && make(out, key, name, from_s, until_s);
  EVP_PKEY_free(key);
  ERR_pop_to_mark();
  return made ? 0 : RTC_ENOMEM;
}
