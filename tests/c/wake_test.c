/* links: io/wake.c io/thread.c */
#include "io/wake.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "io/thread.h"

static bool readable(const rtc_wake_t *w, int wait_ms) {
  struct pollfd p = {.fd = rtc_wake_fd(w), .events = POLLIN};
  return poll(&p, 1, wait_ms) == 1;
}

static void one_signal(bool portable) {
  rtc_wake_t w;
  CHECK_EQ(rtc_wake_init(&w, portable), 0);
  CHECK(!readable(&w, 0));
  rtc_wake_drain(&w); /* nothing there: must not block */
  for (int i = 0; i < 3; i++) {
    rtc_wake_signal(&w);
    rtc_wake_signal(&w);
    CHECK(readable(&w, 0));
    rtc_wake_drain(&w);
    CHECK(!readable(&w, 0));
  }
  rtc_wake_clear(&w);
  rtc_wake_clear(&w);
}

static void eventfd_wakes(void) { one_signal(false); }
static void pipe_wakes(void) { one_signal(true); }

enum { ROUNDS = 20000 };
typedef struct race {
  rtc_wake_t w;
  _Atomic int put;
} race_t;

static void *producer(void *arg) {
  race_t *r = arg;
  for (int i = 0; i < ROUNDS; i++) {
    atomic_fetch_add_explicit(&r->put, 1, memory_order_relaxed);
    rtc_wake_signal(&r->w);
  }
  return NULL;
}

/* Each number that was announced is seen though most signals cost no write: else the sleeper sleeps for ever. */
static void no_wake_up_is_lost(void) {
  for (int portable = 0; portable < 2; portable++) {
    race_t r = {.put = 0};
    CHECK_EQ(rtc_wake_init(&r.w, portable), 0);
    pthread_t t;
    CHECK_EQ(rtc_thread_start(&t, producer, &r), 0);
    int seen = 0;
    while (seen < ROUNDS && readable(&r.w, 10000)) {
      rtc_wake_drain(&r.w);
      seen = atomic_load_explicit(&r.put, memory_order_relaxed);
    }
    CHECK_EQ(seen, ROUNDS);
    pthread_join(t, NULL);
    rtc_wake_clear(&r.w);
  }
}

int main(void) {
  RUN(eventfd_wakes);
  RUN(pipe_wakes);
  RUN(no_wake_up_is_lost);
  return CHECK_END();
}
