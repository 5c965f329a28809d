#define _GNU_SOURCE
#include "io/handshake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/ring.h"
#include "io/thread.h"

struct rtc_handshake {
  rtc_ring_t todo, done; /* each has room for every job that may be out, so putting cannot fail */
  rtc_wake_t wake;
  rtc_wake_t *owner;
  _Atomic bool stop;
  bool running;
  uint32_t out;
  pthread_t thread;
};

static void *run(void *arg) {
  rtc_handshake_t *h = arg;
  rtc_thread_name("rtc-dtls");
  rtc_thread_stand_back(); /* a handshake can wait for forwarding, not the other way round */
  struct pollfd p = {.fd = rtc_wake_fd(&h->wake), .events = POLLIN};
  while (!atomic_load(&h->stop)) {
    if (poll(&p, 1, -1) < 0 && errno != EINTR) break;
    rtc_wake_drain(&h->wake);
    rtc_job_t job;
    while (!atomic_load(&h->stop) && rtc_ring_get(&h->todo, &job)) {
      rtc_job_work(&job);
      (void)rtc_ring_put(&h->done, &job);
      rtc_wake_signal(h->owner);
    }
  }
  return NULL;
}

rtc_handshake_t *rtc_handshake_new(rtc_wake_t *done, bool portable) {
  rtc_handshake_t *h = aligned_alloc(_Alignof(rtc_handshake_t), sizeof *h); /* malloc does not promise the rings' alignment */
  if (!h) return NULL;
  memset(h, 0, sizeof *h);
  h->owner = done;
  atomic_init(&h->stop, false);
  h->wake.rd = h->wake.wr = -1;
  if (rtc_ring_init(&h->todo, RTC_HUB_JOBS_MAX, sizeof(rtc_job_t)) == 0 &&
      rtc_ring_init(&h->done, RTC_HUB_JOBS_MAX, sizeof(rtc_job_t)) == 0 && rtc_wake_init(&h->wake, portable) == 0 &&
      rtc_thread_start(&h->thread, run, h) == 0) {
    h->running = true;
    return h;
  }
  rtc_handshake_free(h);
  return NULL;
}

bool rtc_handshake_room(const rtc_handshake_t *h) { return h->out < RTC_HUB_JOBS_MAX; }

void rtc_handshake_put(rtc_handshake_t *h, const rtc_job_t *job) {
  if (rtc_ring_put(&h->todo, job) < 0) return;
  h->out++;
  rtc_wake_signal(&h->wake);
}

int rtc_handshake_get(rtc_handshake_t *h, rtc_job_t *job) {
  int got = rtc_ring_get(&h->done, job);
  if (!got && !h->running) got = rtc_ring_get(&h->todo, job);
  if (got) h->out--;
  return got;
}

void rtc_handshake_stop(rtc_handshake_t *h) {
  if (!h->running) return;
  atomic_store(&h->stop, true);
  rtc_wake_signal(&h->wake);
  pthread_join(h->thread, NULL);
  h->running = false;
}

void rtc_handshake_free(rtc_handshake_t *h) {
  if (!h) return;
  rtc_handshake_stop(h);
  rtc_ring_clear(&h->todo);
  rtc_ring_clear(&h->done);
  rtc_wake_clear(&h->wake);
  free(h);
}
