/* The decoder of public keys on curves as the provider of dtls_lib.c has it. In DER a key on P-256, which nearly every peer has, differs
 * from another in its point alone, and OpenSSL 3.0 makes the curve anew for each: that is more than its whole certificate costs without.
 * What is of another form is the default provider's, whose keys these are. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <string.h>

#include "proto/dtls_impl.h"

enum { POINT = 65, FUNCTIONS = 16 };

/* RFC 5480 §2: ecPublicKey, prime256v1, a bit string. */
static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                               0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static struct {
  OSSL_DISPATCH functions[FUNCTIONS + 1];
  OSSL_FUNC_decoder_decode_fn *other;
  OSSL_FUNC_BIO_read_ex_fn *read;
  OSSL_FUNC_BIO_ctrl_fn *ctrl;
  EC_GROUP *p256;
} spki;

static EC_KEY *key_of(const uint8_t *point) {
  EC_KEY *key = EC_KEY_new_ex(NULL, NULL);
  if (key && EC_KEY_set_group(key, spki.p256) == 1 && EC_KEY_oct2key(key, point, POINT, NULL) == 1) return key;
  EC_KEY_free(key);
  return NULL;
}

/* The default provider's keys have this form, and its decoders hand them over so: by the address of a pointer, which is taken. */
static int hand_over(EC_KEY *key, OSSL_CALLBACK *take, void *arg) {
  int kind = OSSL_OBJECT_PKEY;
  char type[] = "EC";
  OSSL_PARAM object[] = {OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &kind),
                         OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, type, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof key), OSSL_PARAM_construct_end()};
  int ok = take(object, arg);
  EC_KEY_free(key); /* NULL when it was taken */
  return ok;
}

static int decode(void *context, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *take, void *arg, OSSL_PASSPHRASE_CALLBACK *ask,
                  void *ask_arg) {
  uint8_t der[sizeof head + POINT + 1];
  size_t n = 0;
  long at = spki.ctrl(in, BIO_C_FILE_TELL, 0, NULL);
  if (at >= 0 && spki.read(in, der, sizeof der, &n) && n == sizeof der - 1 && memcmp(der, head, sizeof head) == 0 &&
      der[sizeof head] == POINT_CONVERSION_UNCOMPRESSED) {
    EC_KEY *key = key_of(der + sizeof head);
    if (key) return hand_over(key, take, arg);
  }
  if (at >= 0 && spki.ctrl(in, BIO_C_FILE_SEEK, at, NULL) < 0) return 0;
  return spki.other(context, in, selection, take, arg, ask, ask_arg);
}

const OSSL_DISPATCH *rtc_dtls_spki(const OSSL_DISPATCH *decoder, const OSSL_DISPATCH *core) {
  int n = 0;
  for (; core->function_id; core++) {
    if (core->function_id == OSSL_FUNC_BIO_READ_EX) spki.read = OSSL_FUNC_BIO_read_ex(core);
    if (core->function_id == OSSL_FUNC_BIO_CTRL) spki.ctrl = OSSL_FUNC_BIO_ctrl(core);
  }
  for (; decoder->function_id && n < FUNCTIONS; decoder++, n++) {
    spki.functions[n] = *decoder;
    if (decoder->function_id != OSSL_FUNC_DECODER_DECODE) continue;
    spki.other = OSSL_FUNC_decoder_decode(decoder);
    spki.functions[n].function = (void (*)(void))decode;
  }
  if (!spki.p256) spki.p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  return n < FUNCTIONS && spki.other && spki.read && spki.ctrl && spki.p256 ? spki.functions : NULL;
}
