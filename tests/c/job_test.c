/* What a helper thread does of a handshake: OpenSSL's work, the ciphers at its end, and freeing what nobody needs any more. */
#include "engine/job.h"

#include "dtls_net.h"

static rtc_job_t job_of(net_t *n, int side) { return (rtc_job_t){.transport = 1, .dtls = n->d[side]}; }

/* Both sides' ciphers come with the step that ends the handshake, once, and fit each other. */
static void ciphers_come_with_the_end(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  rtc_job_t job[2] = {job_of(&n, 0), job_of(&n, 1)};
  for (int turn = 0; turn < 20 && !(job[0].keying && job[1].keying); turn++) {
    for (int i = 0; i < 2; i++) {
      rtc_job_work(&job[i]);
      CHECK_EQ(job[i].keying != NULL, rtc_dtls_state(n.d[i]) == RTC_DTLS_CONNECTED);
      uint8_t p[RTC_DTLS_MTU];
      for (int len; (len = rtc_dtls_get(n.d[i], p, sizeof p)) > 0;) (void)rtc_dtls_put(n.d[1 - i], p, (size_t)len);
    }
  }
  CHECK(job[0].keying && job[1].keying);
  if (!job[0].keying || !job[1].keying) return;
  for (int i = 0; i < 2; i++) {
    rtc_keying_t *k = job[i].keying;
    CHECK_EQ(k->err, 0);
    CHECK_EQ(k->profile, RTC_SRTP_AEAD_AES_128_GCM);
    rtc_job_work(&job[i]);
    CHECK(job[i].keying == k);
    uint8_t p[64] = {0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 'x'};
    int64_t index;
    int len = rtc_srtp_protect(&k->tx, p, 13, sizeof p, 1);
    CHECK_EQ(len, 13 + RTC_GCM_TAG);
    CHECK_EQ(rtc_srtp_unprotect(&job[1 - i].keying->rx, p, (size_t)len, &index), 13);
  }
  rtc_job_t again = job_of(&n, 0);
  again.keyed = true; /* the transport has taken them */
  rtc_job_work(&again);
  CHECK(!again.keying);
  for (int i = 0; i < 2; i++) rtc_keying_free(job[i].keying);
  net_clear(&n);
}

static void a_spent_association_goes(void) {
  net_t n;
  net_init(&n, ECDSA_A, ECDSA_B);
  int64_t before = held;
  rtc_job_t job = job_of(&n, 1);
  job.spent = true;
  rtc_job_work(&job);
  CHECK(!job.dtls && held < before);
  n.d[1] = NULL;
  net_clear(&n);
}

/* OpenSSL's session is there from the first work on, not for a peer that has yet to say a word. */
static void nothing_is_held_before_the_first_word(void) {
  rtc_fingerprint_t f = fingerprint_of(&ids[ECDSA_A], 256);
  int64_t before = held;
  rtc_dtls_t *d = rtc_dtls_new(ids[ECDSA_B].ctx, false, &f, 1);
  rtc_job_t job = {.transport = 1, .dtls = d};
  rtc_job_work(&job);
  CHECK_EQ(held, before);
  static const uint8_t hello[20] = {22, 0xfe, 0xfd};
  CHECK_EQ(rtc_dtls_put(d, hello, sizeof hello), 0);
  rtc_job_work(&job);
  CHECK(held > before);
  rtc_dtls_free(d);
}

int main(void) {
  start();
  RUN(ciphers_come_with_the_end);
  RUN(a_spent_association_goes);
  RUN(nothing_is_held_before_the_first_word);
  return finish();
}
