/* dtls_cert: certificates of one's own, as DTLS shows them: on P-256, signed by themselves, since a fingerprint in the description says
 * whose they are (RFC 8827 §6.5). Knows no clock: from when and until when is told. Key and serial number come from OpenSSL's
 * randomness. */
#ifndef RTC_PROTO_DTLS_CERT_H
#define RTC_PROTO_DTLS_CERT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
  RTC_CERT_NAME_LEN = 64, /* RFC 5280, ub-common-name */
  RTC_CERT_PEM_ROOM = 1024,
};

typedef struct rtc_cert {
  char cert_pem[RTC_CERT_PEM_ROOM], key_pem[RTC_CERT_PEM_ROOM]; /* the key in PKCS #8 */
  size_t cert_len, key_len;
} rtc_cert_t;

/* A new one. `name`: its common name, 1 to 64 characters of ASCII. Times in seconds since 1970. 0; RTC_EINVAL: no such name or times;
 * RTC_ENOMEM: OpenSSL has failed. Who takes it wipes key_pem. */
RTC_MUST_USE int rtc_dtls_cert_make(rtc_cert_t *out, const char *name, int64_t from_s, int64_t until_s);

#endif
