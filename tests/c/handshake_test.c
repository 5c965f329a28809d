/* The helper thread alone: what goes in comes back, worked on or, after stop, as it was. */
#include "io/handshake.h"

#include <poll.h>

#include "check.h"
#include "test_cert.h"

static rtc_dtls_ctx_t *ctx;

/* A client that has something to do: its ClientHello. */
static rtc_job_t job(uint32_t id) {
  rtc_fingerprint_t fp = {.bits = 256};
  fp.len = (uint8_t)rtc_dtls_ctx_fingerprint(ctx, 256, fp.value);
  return (rtc_job_t){.transport = id, .dtls = rtc_dtls_new(ctx, true, &fp, 1)};
}

static bool worked(const rtc_job_t *j) {
  uint8_t out[RTC_DTLS_MTU];
  return rtc_dtls_get(j->dtls, out, sizeof out) > 0;
}

static void jobs_come_back_worked_on(bool portable) {
  rtc_wake_t done;
  CHECK_EQ(rtc_wake_init(&done, portable), 0);
  rtc_handshake_t *h = rtc_handshake_new(&done, portable);
  CHECK(h != NULL);
  if (!h) return;
  rtc_job_t got;
  CHECK(!rtc_handshake_get(h, &got));
  for (uint32_t id = 1; id <= 20; id++) {
    rtc_job_t j = job(id);
    rtc_handshake_put(h, &j);
  }
  uint32_t next = 1;
  struct pollfd p = {.fd = rtc_wake_fd(&done), .events = POLLIN};
  while (next <= 20 && poll(&p, 1, 10000) == 1) {
    rtc_wake_drain(&done);
    for (; rtc_handshake_get(h, &got); next++) {
      CHECK_EQ(got.transport, next);
      CHECK(worked(&got));
      rtc_dtls_free(got.dtls);
    }
  }
  CHECK_EQ(next, 21);
  rtc_handshake_free(h);
  rtc_wake_clear(&done);
}

static void eventfd_wakes_the_loop(void) { jobs_come_back_worked_on(false); }
static void pipe_wakes_the_loop(void) { jobs_come_back_worked_on(true); }

static void all_come_back_after_stop(void) {
  rtc_wake_t done;
  CHECK_EQ(rtc_wake_init(&done, false), 0);
  rtc_handshake_t *h = rtc_handshake_new(&done, false);
  CHECK(h != NULL);
  if (!h) return;
  int put = 0, back = 0;
  for (; rtc_handshake_room(h); put++) {
    rtc_job_t j = job((uint32_t)put + 1);
    rtc_handshake_put(h, &j);
  }
  CHECK_EQ(put, RTC_HUB_JOBS_MAX); /* nothing was taken back, so all of them are out */
  rtc_handshake_stop(h);
  rtc_handshake_stop(h);
  for (rtc_job_t got; rtc_handshake_get(h, &got); back++) rtc_dtls_free(got.dtls);
  CHECK_EQ(back, put);
  CHECK(rtc_handshake_room(h));
  rtc_handshake_free(h);
  rtc_handshake_free(NULL);
  rtc_wake_clear(&done);
}

int main(void) {
  int err;
  ctx = rtc_dtls_ctx_new(TEST_CERT, sizeof TEST_CERT - 1, TEST_KEY, sizeof TEST_KEY - 1, &err);
  CHECK(ctx != NULL);
  RUN(eventfd_wakes_the_loop);
  RUN(pipe_wakes_the_loop);
  RUN(all_come_back_after_stop);
  rtc_dtls_ctx_free(ctx);
  return CHECK_END();
}
