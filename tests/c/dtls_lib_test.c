/* dtls_lib: what its provider does in its own way gives what the default provider gives. On versions of OpenSSL where associations use
 * the default context these compare that with itself. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/crypto.h"
#include "check.h"
#include "proto/dtls_impl.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

static int prf(OSSL_LIB_CTX *lib, const char *hash, uint8_t *secret, size_t secret_n, uint8_t *text, size_t cut, size_t text_n,
               uint8_t *out, size_t n) {
  char name[16];
  snprintf(name, sizeof name, "%s", hash);
  OSSL_PARAM p[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
                    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, secret_n),
                    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, text, cut),
                    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, text + cut, text_n - cut),
                    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, NULL, 0),
                    OSSL_PARAM_construct_end()};
  EVP_KDF *kdf = EVP_KDF_fetch(lib, "TLS1-PRF", NULL);
  EVP_KDF_CTX *c = EVP_KDF_CTX_new(kdf);
  int ok = c && EVP_KDF_derive(c, out, n, p) == 1;
  EVP_KDF_CTX_free(c);
  EVP_KDF_free(kdf);
  return ok;
}

static void the_prf(void) {
  static const char *const names[] = {"SHA256", "SHA384", "SHA2-256", "SHA2-384"};
  uint8_t secret[128], text[300], a[200], b[200], c[200];
  for (int i = 0; i < 800; i++) {
    const char *hash = names[i % 4];
    size_t secret_n = 1 + below(sizeof secret), text_n = 2 + below(sizeof text - 1), n = 1 + below(sizeof a),
           cut = 1 + below((uint32_t)text_n - 1);
    CHECK(RAND_bytes(secret, (int)secret_n) == 1 && RAND_bytes(text, (int)text_n) == 1);
    CHECK(prf(NULL, hash, secret, secret_n, text, cut, text_n, a, n));
    CHECK(prf(rtc_dtls_lib(), hash, secret, secret_n, text, cut, text_n, b, n));
    CHECK_EQ(rtc_tls_prf(i % 2 ? 384 : 256, secret, secret_n, text, text_n, c, n), 0);
    CHECK_MEM(a, b, n);
    CHECK_MEM(a, c, n);
  }
  CHECK_EQ(rtc_tls_prf(512, secret, 48, text, 64, c, 40), RTC_EINVAL);
  CHECK(!prf(rtc_dtls_lib(), "SHA256", secret, 48, text, 0, 0, a, 40)); /* no seed */
  if (rtc_dtls_lib()) CHECK(!prf(rtc_dtls_lib(), "SHA512", secret, 48, text, 1, 64, a, 40));
}

static void keys_for_x25519(void) {
  uint8_t first[32] = {0};
  for (int i = 0; i < 64; i++) {
    uint8_t priv[32] = {0}, pub[32] = {0}, want[32] = {0};
    size_t n = 32, m = 32, w = 32;
    EVP_PKEY *made = EVP_PKEY_Q_keygen(rtc_dtls_lib(), NULL, "X25519");
    CHECK(made && EVP_PKEY_get_raw_private_key(made, priv, &n) == 1 && EVP_PKEY_get_raw_public_key(made, pub, &m) == 1);
    EVP_PKEY *again = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, priv, sizeof priv);
    CHECK(again && EVP_PKEY_get_raw_public_key(again, want, &w) == 1);
    CHECK(n == 32 && m == 32 && w == 32);
    CHECK_MEM(pub, want, 32);
    CHECK(!(priv[0] & 7) && !(priv[31] & 0x80) && (priv[31] & 0x40)); /* RFC 7748 §5 */
    if (i == 0) memcpy(first, priv, 32);
    CHECK(i == 0 || memcmp(priv, first, 32) != 0);
    EVP_PKEY_free(made);
    EVP_PKEY_free(again);
  }
}

/* Whether both contexts make the same key of it, or none. */
static void read_alike(const uint8_t *der, int n, bool good) {
  const uint8_t *p = der, *q = der;
  EVP_PKEY *few = d2i_PUBKEY_ex(NULL, &p, n, rtc_dtls_lib(), NULL), *all = d2i_PUBKEY_ex(NULL, &q, n, NULL, NULL);
  CHECK(!few == !good && !all == !good);
  if (few && all) {
    uint8_t a[600] = {0}, b[600] = {0};
    size_t an = 0, bn = 0;
    if (EVP_PKEY_is_a(all, "RSA")) {
      BIGNUM *of_few = NULL, *of_all = NULL;
      CHECK(EVP_PKEY_get_bn_param(few, OSSL_PKEY_PARAM_RSA_N, &of_few) && EVP_PKEY_get_bn_param(all, OSSL_PKEY_PARAM_RSA_N, &of_all));
      CHECK_EQ(BN_cmp(of_few, of_all), 0);
      BN_free(of_few);
      BN_free(of_all);
    } else {
      CHECK(EVP_PKEY_get_octet_string_param(few, OSSL_PKEY_PARAM_PUB_KEY, a, sizeof a, &an));
      CHECK(EVP_PKEY_get_octet_string_param(all, OSSL_PKEY_PARAM_PUB_KEY, b, sizeof b, &bn));
      CHECK(an > 0 && an == bn);
      CHECK_MEM(a, b, an);
    }
    CHECK_EQ(EVP_PKEY_get_bits(few), EVP_PKEY_get_bits(all));
  }
  EVP_PKEY_free(few);
  EVP_PKEY_free(all);
}

static int der_of(EVP_PKEY *key, const char *form, uint8_t out[800]) {
  if (form) CHECK(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form) == 1);
  uint8_t *p = out;
  int n = i2d_PUBKEY(key, NULL);
  CHECK(n > 0 && n <= 800);
  return i2d_PUBKEY(key, &p);
}

static void public_keys(void) {
  uint8_t der[800];
  for (int i = 0; i < 32; i++) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int n = der_of(key, NULL, der);
    CHECK_EQ(n, 91);
    read_alike(der, n, true);
    der[n - 1 - i] ^= 1; /* as good as never on the curve */
    read_alike(der, n, false);
    der[n - 1 - i] ^= 1;
    read_alike(der, n - 1 - i, false);
    der[26] = i & 1 ? 6 : 7; /* hybrid: one is right */
    const uint8_t *p = der, *q = der;
    EVP_PKEY *few = d2i_PUBKEY_ex(NULL, &p, n, rtc_dtls_lib(), NULL), *all = d2i_PUBKEY_ex(NULL, &q, n, NULL, NULL);
    CHECK_EQ(few != NULL, all != NULL);
    EVP_PKEY_free(few);
    EVP_PKEY_free(all);
    n = der_of(key, "compressed", der);
    CHECK_EQ(n, 59);
    read_alike(der, n, true);
    EVP_PKEY_free(key);
  }
  memset(der + 26, 0, sizeof der - 26);
  static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
  memcpy(der, head, sizeof head);
  read_alike(der, 91, false); /* the point at infinity is one byte, and no key */
  EVP_PKEY *others[] = {EVP_EC_gen("P-384"), EVP_EC_gen("P-521"), EVP_RSA_gen(2048), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    read_alike(der, der_of(others[i], NULL, der), true);
    EVP_PKEY_free(others[i]);
  }
}

int main(void) {
  RUN(the_prf);
  RUN(keys_for_x25519);
  RUN(public_keys);
  return CHECK_END();
}
