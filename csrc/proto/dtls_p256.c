/* Keys on P-256 in PKCS #8 with their public half (RFC 5958, RFC 5915), as certificates are made with. In DER all but the numbers is the
 * same in each, and OpenSSL 3 would try all its decoders on it, which takes longer than the arithmetic of a handshake. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum { SECRET = 32 };

static const uint8_t HEAD[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                               0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
static const uint8_t MIDDLE[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
_Static_assert(RTC_P256_PKCS8 == sizeof HEAD + SECRET + sizeof MIDDLE + RTC_P256_POINT, "the parts of a key");

static EVP_PKEY *key_of(uint8_t priv[SECRET], uint8_t pub[RTC_P256_POINT]) {
  uint8_t native[SECRET];
  char group[] = "P-256";
  BIGNUM *number = BN_bin2bn(priv, SECRET, NULL);
  EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(rtc_dtls_lib(), "EC", NULL);
  EVP_PKEY *key = NULL;
  if (c && number && BN_bn2nativepad(number, native, sizeof native) == SECRET && EVP_PKEY_fromdata_init(c) == 1) {
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                           OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, RTC_P256_POINT),
                           OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof native), OSSL_PARAM_construct_end()};
    if (EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) != 1) key = NULL;
  }
  rtc_cleanse(native, sizeof native);
  BN_clear_free(number);
  EVP_PKEY_CTX_free(c);
  return key;
}

EVP_PKEY *rtc_dtls_p256_read(const uint8_t *der, size_t n) {
  uint8_t priv[SECRET], pub[RTC_P256_POINT];
  if (n != RTC_P256_PKCS8) return NULL;
  if (memcmp(der, HEAD, sizeof HEAD) || memcmp(der + sizeof HEAD + SECRET, MIDDLE, sizeof MIDDLE)) return NULL;
  memcpy(priv, der + sizeof HEAD, SECRET);
  memcpy(pub, der + n - RTC_P256_POINT, RTC_P256_POINT);
  EVP_PKEY *key = key_of(priv, pub);
  rtc_cleanse(priv, sizeof priv);
  return key;
}

bool rtc_dtls_p256_write(const EVP_PKEY *key, uint8_t out[RTC_P256_PKCS8]) {
  BIGNUM *number = NULL;
  size_t n = 0;
  uint8_t *priv = out + sizeof HEAD, *middle = priv + SECRET, *pub = middle + sizeof MIDDLE;
  memcpy(out, HEAD, sizeof HEAD);
  memcpy(middle, MIDDLE, sizeof MIDDLE);
  const bool written = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 && BN_bn2binpad(number, priv, SECRET) == SECRET &&
                       EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub, RTC_P256_POINT, &n) == 1 && n == RTC_P256_POINT;
  BN_clear_free(number);
  return written;
}
