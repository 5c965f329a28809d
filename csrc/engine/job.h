/* job: the part of a transport's handshake that a helper thread can do, so that the hub's goes on forwarding: OpenSSL's work and,
 * when that is over, SRTP's key derivation and ciphers. Touches the job alone; who has it, owns its association. */
#ifndef RTC_ENGINE_JOB_H
#define RTC_ENGINE_JOB_H

#include "proto/dtls.h"

/* Both directions' ciphers, on their way to the transport. */
typedef struct rtc_keying {
  int err; /* 0, or why there are none */
  rtc_srtp_profile_t profile;
  rtc_srtp_t rx, tx;
  rtc_certs_t *certs; /* the peer's, where they are wanted */
} rtc_keying_t;

void rtc_keying_init(rtc_keying_t *k, const rtc_dtls_keys_t *keys);
void rtc_keying_free(rtc_keying_t *k); /* NULL allowed */

typedef struct rtc_job {
  uint32_t transport;
  rtc_dtls_t *dtls;
  bool keyed;           /* the transport has its keys */
  bool certs;           /* and wants to know the peer's certificates */
  bool spent;           /* nobody needs the association any more: the work is to free it, then dtls is NULL */
  rtc_keying_t *keying; /* what this job has brought, NULL: nothing. It passes to the hub with the job */
} rtc_job_t;

/* May take 300 us. Nothing is left to do when it is called once more. */
void rtc_job_work(rtc_job_t *j);

#endif
