/* A library context of OpenSSL in which a handshake finds what it needs without a search. For each certificate OpenSSL 3.0 and 3.1 go
 * through every algorithm that they have at hand, every type of key and every decoder, which took a quarter of a handshake. This one
 * passes on of the default provider only what a handshake of ours may ask for, and does three things in its own way. Later versions
 * remember what they found. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <string.h>

#include "proto/dtls_impl.h"

enum { FEW = 24 };
static const char NAME[] = "rtc-few";

/* What of each operation is passed on; of those not named here, all. */
static const struct {
  int operation;
  const char *names;
} kept[] = {
    {OSSL_OP_DIGEST, " SHA1 SHA2-224 SHA2-256 SHA2-384 SHA2-512 "},
    {OSSL_OP_CIPHER, " NULL AES-128-GCM AES-256-GCM ChaCha20-Poly1305 AES-128-CBC AES-256-CBC AES-128-CBC-HMAC-SHA1 "},
    {OSSL_OP_MAC, " HMAC "},
    {OSSL_OP_KDF, " TLS1-PRF "},
    {OSSL_OP_RAND, " CTR-DRBG SEED-SRC "},
    {OSSL_OP_KEYEXCH, " ECDH X25519 "},
    {OSSL_OP_SIGNATURE, " RSA ECDSA ED25519 HMAC "},
    {OSSL_OP_KEYMGMT, " EC RSA X25519 ED25519 HMAC "},
    {OSSL_OP_DECODER, " EC RSA ED25519 "},
};
enum { KEPT = sizeof kept / sizeof kept[0] };

/* One for the process, as OpenSSL's own is, made once and never freed: threads keep random generators in it until they end. */
static struct {
  OSSL_LIB_CTX *lib; /* NULL: the default one it is */
  OSSL_PROVIDER *all;
  OSSL_ALGORITHM of[KEPT][FEW + 1];
} few;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

/* "EC:id-ecPublicKey:1.2.840.." */
static bool wanted(const OSSL_ALGORITHM *a, const char *names) {
  char word[64];
  size_t n = strcspn(a->algorithm_names, ":");
  if (n + 3 > sizeof word) return false;
  word[0] = ' ';
  memcpy(word + 1, a->algorithm_names, n);
  word[n + 1] = ' ';
  word[n + 2] = 0;
  return strstr(names, word) != NULL;
}

static bool reads_public_key(const OSSL_ALGORITHM *a) {
  return strstr(a->property_definition, "input=der") && strstr(a->property_definition, "structure=SubjectPublicKeyInfo");
}

/* Those of the default provider that pass; none when they change from call to call, or are too many. */
static bool choose(int k) {
  int changing = 0, n = 0;
  const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(few.all, kept[k].operation, &changing);
  for (; a && a->algorithm_names && n <= FEW; a++) {
    if (!wanted(a, kept[k].names) || (kept[k].operation == OSSL_OP_DECODER && !reads_public_key(a))) continue;
    if (n < FEW) few.of[k][n] = *a;
    n++;
  }
  return !changing && n > 0 && n <= FEW;
}

static bool choose_all(void) {
  for (int k = 0; k < KEPT; k++)
    if (!choose(k)) return false;
  return true;
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *changing) {
  (void)provider;
  *changing = 0;
  if (operation == OSSL_OP_ENCODER || operation == OSSL_OP_STORE) return NULL;
  for (int k = 0; k < KEPT; k++)
    if (kept[k].operation == operation) return few.of[k];
  return OSSL_PROVIDER_query_operation(few.all, operation, changing);
}

static int capabilities(void *provider, const char *what, OSSL_CALLBACK *each, void *arg) {
  (void)provider;
  return OSSL_PROVIDER_get_capabilities(few.all, what, each, arg);
}

static OSSL_ALGORITHM *find(int operation, const char *name) {
  for (int k = 0; k < KEPT; k++) {
    for (OSSL_ALGORITHM *a = few.of[k]; kept[k].operation == operation && a->algorithm_names; a++)
      if (wanted(a, name)) return a;
  }
  return NULL;
}

static void replace(OSSL_ALGORITHM *a, const OSSL_DISPATCH *functions) {
  if (a && functions) a->implementation = functions;
}

/* What this provider does in its own way. */
static void own(const OSSL_DISPATCH *core, void *provider) {
  OSSL_ALGORITHM *ec = find(OSSL_OP_DECODER, " EC "), *keys = find(OSSL_OP_KEYMGMT, " X25519 ");
  const OSSL_ALGORITHM *exchange = find(OSSL_OP_KEYEXCH, " X25519 ");
  replace(find(OSSL_OP_KDF, " TLS1-PRF "), rtc_dtls_prf);
  if (ec) replace(ec, rtc_dtls_spki(ec->implementation, core));
  if (keys && exchange) replace(keys, rtc_dtls_x25519(keys->implementation, exchange->implementation, provider));
}

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
  static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                            {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
                                            {0, NULL}};
  (void)handle;
  *out = functions;
  *context = OSSL_PROVIDER_get0_provider_ctx(few.all); /* the algorithms are called with it */
  own(in, *context);
  return 1;
}

static void make(void) {
  if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() > 1) return;
  ERR_set_mark();
  /* Where an administrator has left the default provider out (FIPS), nothing of it is used. */
  if (OSSL_PROVIDER_available(NULL, "default")) few.all = OSSL_PROVIDER_try_load(NULL, "default", 1);
  OSSL_LIB_CTX *lib = few.all ? OSSL_LIB_CTX_new() : NULL;
  if (lib && choose_all() && OSSL_PROVIDER_add_builtin(lib, NAME, init) && OSSL_PROVIDER_load(lib, NAME))
    few.lib = lib;
  else
    OSSL_LIB_CTX_free(lib);
  ERR_pop_to_mark();
}

OSSL_LIB_CTX *rtc_dtls_lib(void) { return CRYPTO_THREAD_run_once(&once, make) ? few.lib : NULL; }
