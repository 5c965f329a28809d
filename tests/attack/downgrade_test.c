/* B6 in DTLS: which SRTP profile is agreed on is ours to choose, whatever the order of the offer, and none with a tag of 32 bits. What
 * a description may ask for: test_downgrades.py. */
#include "dtls_net.h"

static void b6_profiles(void) {
  static const struct {
    const char *offer;
    rtc_srtp_profile_t want;
  } table[] = {
      {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", RTC_SRTP_AEAD_AES_128_GCM}, /* Chromium */
      {"SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32", RTC_SRTP_AEAD_AES_128_GCM},
      {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", RTC_SRTP_AEAD_AES_256_GCM},
      {"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", RTC_SRTP_AES_CM_128_HMAC_SHA1_80},
      {"SRTP_AES128_CM_SHA1_32", RTC_SRTP_NONE}, /* agreed on nothing: fit for data alone */
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    net_t n;
    net_init(&n, ECDSA_A, ECDSA_B);
    CHECK_EQ(SSL_set_tlsext_use_srtp(n.d[0]->ssl, table[i].offer), 0);
    net_run(&n, RTC_SEC(1));
    rtc_dtls_keys_t k;
    if (table[i].want) {
      check_connected(&n);
      CHECK_EQ(rtc_dtls_keys(n.d[1], &k), 0);
      CHECK_EQ(k.profile, table[i].want);
    } else {
      CHECK(both(&n, RTC_DTLS_CONNECTED));
      CHECK_EQ(rtc_dtls_keys(n.d[0], &k), RTC_EPROTO);
      CHECK_EQ(rtc_dtls_keys(n.d[1], &k), RTC_EPROTO);
    }
    net_clear(&n);
  }
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  start();
  RUN(b6_profiles);
  return finish();
}
