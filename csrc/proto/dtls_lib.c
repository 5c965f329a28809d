/* A library context of OpenSSL in which a handshake finds what it needs without a search. OpenSSL 3.0 and 3.1 go through every type of
 * key and every decoder that they have for each certificate, which takes a sixth of a handshake. This one passes on all of the default
 * provider, but of those two kinds only what a peer of ours may bring. Later versions remember what they found. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <string.h>

#include "proto/dtls_impl.h"

enum { FEW = 24 };
static const char NAME[] = "rtc-few";

/* One for the process, as OpenSSL's own is, made once and never freed: threads keep random generators in it until they end. */
static struct {
  OSSL_LIB_CTX *lib; /* NULL: the default one it is */
  OSSL_PROVIDER *all;
  OSSL_ALGORITHM keys[FEW + 1], decoders[FEW + 1];
} few;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

/* "EC:id-ecPublicKey:1.2.840.." */
static bool wanted(const OSSL_ALGORITHM *a) {
  static const char *const names[] = {"EC", "RSA", "RSA-PSS", "X25519", "ED25519", "ED448", "HMAC"};
  size_t n = strcspn(a->algorithm_names, ":");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strlen(names[i]) == n && memcmp(names[i], a->algorithm_names, n) == 0) return true;
  return false;
}

static bool reads_public_key(const OSSL_ALGORITHM *a) {
  return strstr(a->property_definition, "input=der") && strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
}

/* Those of the default provider that pass; none when they change from call to call, or are too many. */
static bool choose(OSSL_ALGORITHM out[FEW + 1], int operation) {
  int changing = 0, n = 0;
  const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(few.all, operation, &changing);
  for (; a && a->algorithm_names && n <= FEW; a++) {
    if (!wanted(a) || (operation == OSSL_OP_DECODER && !reads_public_key(a))) continue;
    if (n < FEW) out[n] = *a;
    n++;
  }
  return !changing && n > 0 && n <= FEW;
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *changing) {
  (void)provider;
  *changing = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return few.keys;
    case OSSL_OP_DECODER:
      return few.decoders;
    case OSSL_OP_ENCODER:
    case OSSL_OP_STORE:
      return NULL;
    default:
      return OSSL_PROVIDER_query_operation(few.all, operation, changing);
  }
}

static int capabilities(void *provider, const char *what, OSSL_CALLBACK *each, void *arg) {
  (void)provider;
  return OSSL_PROVIDER_get_capabilities(few.all, what, each, arg);
}

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
  static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                            {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
                                            {0, NULL}};
  (void)handle;
  (void)in;
  *out = functions;
  *context = OSSL_PROVIDER_get0_provider_ctx(few.all); /* the algorithms are called with it */
  return 1;
}

static void make(void) {
  if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() > 1) return;
  ERR_set_mark();
  /* Where an administrator has left the default provider out (FIPS), nothing of it is used. */
  if (OSSL_PROVIDER_available(NULL, "default")) few.all = OSSL_PROVIDER_try_load(NULL, "default", 1);
  OSSL_LIB_CTX *lib = few.all ? OSSL_LIB_CTX_new() : NULL;
  if (lib && choose(few.keys, OSSL_OP_KEYMGMT) && choose(few.decoders, OSSL_OP_DECODER) && OSSL_PROVIDER_add_builtin(lib, NAME, init) &&
      OSSL_PROVIDER_load(lib, NAME))
    few.lib = lib;
  else
    OSSL_LIB_CTX_free(lib);
  ERR_pop_to_mark();
}

OSSL_LIB_CTX *rtc_dtls_lib(void) { return CRYPTO_THREAD_run_once(&once, make) ? few.lib : NULL; }
