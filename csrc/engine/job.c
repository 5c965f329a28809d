#include "engine/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

void rtc_keying_init(rtc_keying_t *k, const rtc_dtls_keys_t *keys) {
  memset(k, 0, sizeof *k);
  k->profile = keys->profile;
  size_t key_len = rtc_srtp_key_len(keys->profile), salt_len = rtc_srtp_salt_len(keys->profile);
  k->err = rtc_srtp_init(&k->rx, keys->profile, keys->remote_key, key_len, keys->remote_salt, salt_len, 0);
  if (k->err == 0) k->err = rtc_srtp_init(&k->tx, keys->profile, keys->local_key, key_len, keys->local_salt, salt_len, 1);
  if (k->err < 0) rtc_srtp_clear(&k->rx);
}

void rtc_keying_free(rtc_keying_t *k) {
  if (!k) return;
  rtc_srtp_clear(&k->rx);
  rtc_srtp_clear(&k->tx);
  free(k->certs);
  free(k);
}

void rtc_job_work(rtc_job_t *j) {
  if (j->spent) {
    rtc_dtls_free(j->dtls);
    j->dtls = NULL;
    return;
  }
  rtc_dtls_work(j->dtls);
  if (j->keyed || j->keying || rtc_dtls_state(j->dtls) != RTC_DTLS_CONNECTED) return;
  j->keying = calloc(1, sizeof *j->keying);
  if (!j->keying) return; /* the hub tries it itself */
  rtc_dtls_keys_t keys;
  int err = rtc_dtls_keys(j->dtls, &keys);
  if (err == 0)
    rtc_keying_init(j->keying, &keys);
  else
    j->keying->err = err;
  rtc_cleanse(&keys, sizeof keys);
  if (err == 0 && j->certs) j->keying->certs = rtc_dtls_peer_certs(j->dtls);
}
