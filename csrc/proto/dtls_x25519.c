/* New keys for X25519 as the provider of dtls_lib.c makes them. OpenSSL 3.0 computes the public half in portable C, by a table; the same
 * number comes from the ladder that derives secrets (RFC 7748 §6.1: base point 9), which it has in assembly: a fifth less time. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/dtls_impl.h"

enum { KEY = 32, FUNCTIONS = 32 };

static struct {
  OSSL_DISPATCH functions[FUNCTIONS + 1];
  void *provider;
  OSSL_FUNC_keymgmt_new_fn *empty;
  OSSL_FUNC_keymgmt_free_fn *free;
  OSSL_FUNC_keymgmt_import_fn *import;
  OSSL_FUNC_keyexch_newctx_fn *begin;
  OSSL_FUNC_keyexch_init_fn *init;
  OSSL_FUNC_keyexch_set_peer_fn *set_peer;
  OSSL_FUNC_keyexch_derive_fn *derive;
  OSSL_FUNC_keyexch_freectx_fn *end;
  void *nine; /* the base point as somebody's key */
} x;

/* With both halves nothing is computed or compared. */
static void *key_of(uint8_t priv[KEY], uint8_t pub[KEY]) {
  OSSL_PARAM halves[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, KEY), OSSL_PARAM_construct_end(),
                         OSSL_PARAM_construct_end()};
  if (priv) halves[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, priv, KEY);
  void *key = x.empty(x.provider);
  if (key && x.import(key, priv ? OSSL_KEYMGMT_SELECT_KEYPAIR : OSSL_KEYMGMT_SELECT_PUBLIC_KEY, halves) == 1) return key;
  x.free(key);
  return NULL;
}

static bool times_nine(uint8_t priv[KEY], uint8_t pub[KEY]) {
  size_t n = KEY;
  void *key = key_of(priv, pub), *agreement = key ? x.begin(x.provider) : NULL;
  bool ok = agreement && x.init(agreement, key, NULL) == 1 && x.set_peer(agreement, x.nine) == 1 &&
            x.derive(agreement, pub, &n, KEY) == 1 && n == KEY;
  if (agreement) x.end(agreement);
  x.free(key);
  return ok;
}

static void *generate(void *how, OSSL_CALLBACK *progress, void *arg) {
  (void)how;
  (void)progress;
  (void)arg;
  uint8_t priv[KEY], pub[KEY] = {0};
  void *key = NULL;
  if (RAND_priv_bytes(priv, KEY) == 1) {
    priv[0] &= 248; /* RFC 7748 §5 */
    priv[KEY - 1] = (uint8_t)((priv[KEY - 1] & 127) | 64);
    if (times_nine(priv, pub)) key = key_of(priv, pub);
  }
  rtc_cleanse(priv, sizeof priv);
  return key;
}

static void (*function(const OSSL_DISPATCH *table, int id))(void) {
  for (; table->function_id; table++)
    if (table->function_id == id) return table->function;
  return NULL;
}

const OSSL_DISPATCH *rtc_dtls_x25519(const OSSL_DISPATCH *keys, const OSSL_DISPATCH *exchange, void *provider) {
  int n = 0;
  for (; keys[n].function_id && n < FUNCTIONS; n++) {
    x.functions[n] = keys[n];
    if (keys[n].function_id == OSSL_FUNC_KEYMGMT_GEN) x.functions[n].function = (void (*)(void))generate;
  }
  x.provider = provider;
  x.empty = (OSSL_FUNC_keymgmt_new_fn *)function(keys, OSSL_FUNC_KEYMGMT_NEW);
  x.free = (OSSL_FUNC_keymgmt_free_fn *)function(keys, OSSL_FUNC_KEYMGMT_FREE);
  x.import = (OSSL_FUNC_keymgmt_import_fn *)function(keys, OSSL_FUNC_KEYMGMT_IMPORT);
  x.begin = (OSSL_FUNC_keyexch_newctx_fn *)function(exchange, OSSL_FUNC_KEYEXCH_NEWCTX);
  x.init = (OSSL_FUNC_keyexch_init_fn *)function(exchange, OSSL_FUNC_KEYEXCH_INIT);
  x.set_peer = (OSSL_FUNC_keyexch_set_peer_fn *)function(exchange, OSSL_FUNC_KEYEXCH_SET_PEER);
  x.derive = (OSSL_FUNC_keyexch_derive_fn *)function(exchange, OSSL_FUNC_KEYEXCH_DERIVE);
  x.end = (OSSL_FUNC_keyexch_freectx_fn *)function(exchange, OSSL_FUNC_KEYEXCH_FREECTX);
  if (n == FUNCTIONS || !x.empty || !x.free || !x.import || !x.begin || !x.init || !x.set_peer || !x.derive || !x.end) return NULL;
  uint8_t nine[KEY] = {9};
  if (!x.nine) x.nine = key_of(NULL, nine);
  return x.nine ? x.functions : NULL;
}
