/* TLS1-PRF as the provider of dtls_lib.c has it, in place of OpenSSL's: a handshake calls it five times, and each time OpenSSL 3.0 looks
 * for a MAC and a digest and copies their contexts a dozen times. Only for the two hashes that our suites have. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum { SECRET_MAX = 128, SEED_MAX = 512 };

typedef struct prf {
  int bits; /* of the hash; 0: none has been set */
  size_t secret_len, seed_len;
  uint8_t secret[SECRET_MAX], seed[SEED_MAX];
} prf_t;

static void *new_prf(void *provider) {
  (void)provider;
  prf_t *k = OPENSSL_malloc(sizeof *k);
  if (k) k->bits = 0, k->secret_len = k->seed_len = 0;
  return k;
}

static void reset(void *context) {
  prf_t *k = context;
  rtc_cleanse(k->secret, k->secret_len);
  rtc_cleanse(k->seed, k->seed_len);
  k->bits = 0;
  k->secret_len = k->seed_len = 0;
}

static void free_prf(void *context) {
  if (!context) return;
  reset(context);
  OPENSSL_free(context);
}

static int bits_of(const char *name) {
  if (!OPENSSL_strcasecmp(name, "SHA2-256") || !OPENSSL_strcasecmp(name, "SHA256")) return 256;
  if (!OPENSSL_strcasecmp(name, "SHA2-384") || !OPENSSL_strcasecmp(name, "SHA384")) return 384;
  return 0;
}

/* Several seeds count as one. */
static int set(void *context, const OSSL_PARAM *p) {
  prf_t *k = context;
  for (; p && p->key; p++) {
    if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0) {
      if (p->data_type != OSSL_PARAM_UTF8_STRING || !(k->bits = bits_of(p->data))) return 0;
    } else if (strcmp(p->key, OSSL_KDF_PARAM_SECRET) == 0) {
      if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size > SECRET_MAX) return 0;
      if (p->data_size) memcpy(k->secret, p->data, p->data_size);
      k->secret_len = p->data_size;
    } else if (strcmp(p->key, OSSL_KDF_PARAM_SEED) == 0) {
      if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size > SEED_MAX - k->seed_len) return 0;
      if (p->data_size) memcpy(k->seed + k->seed_len, p->data, p->data_size);
      k->seed_len += p->data_size;
    }
  }
  return 1;
}

static int derive(void *context, unsigned char *out, size_t n, const OSSL_PARAM *params) {
  prf_t *k = context;
  if (!set(k, params) || !k->bits || !k->secret_len || !k->seed_len || !n) return 0;
  return rtc_tls_prf(k->bits, k->secret, k->secret_len, k->seed, k->seed_len, out, n) == 0;
}

static const OSSL_PARAM *settable(void *context, void *provider) {
  static const OSSL_PARAM known[] = {OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, NULL, 0),
                                     OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, NULL, 0),
                                     OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, NULL, 0), OSSL_PARAM_END};
  (void)context;
  (void)provider;
  return known;
}

const OSSL_DISPATCH rtc_dtls_prf[] = {{OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_prf},
                                      {OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_prf},
                                      {OSSL_FUNC_KDF_RESET, (void (*)(void))reset},
                                      {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
                                      {OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, (void (*)(void))settable},
                                      {OSSL_FUNC_KDF_SET_CTX_PARAMS, (void (*)(void))set},
                                      {0, NULL}};
