#include "io/shelf.h"

#include <stdatomic.h>

#include "check.h"
#include "io/thread.h"

static const uint8_t SEED[16] = {1};

static rtc_frame_t *frame(uint32_t receiver, int64_t ts, bool video, bool key) {
  rtc_frame_t *f = calloc(1, sizeof *f + 100);
  if (!f) exit(2);
  f->receiver = receiver;
  f->len = 100;
  f->ts = ts;
  f->video = video;
  f->key = key;
  return f;
}

static uint32_t put(rtc_shelf_t *s, uint32_t receiver, int64_t ts, bool key, bool *skip, bool *first) {
  CHECK(rtc_shelf_enter(s));
  uint32_t dropped = rtc_shelf_put(s, frame(receiver, ts, true, key), skip, first);
  rtc_shelf_leave(s);
  return dropped;
}

static void open_and_close(void) {
  rtc_shelf_t s;
  bool skip, first;
  CHECK_EQ(rtc_shelf_init(&s, SEED), 0);
  CHECK_EQ(put(&s, 7, 0, true, &skip, &first), 0); /* nobody has opened it: let go */
  CHECK(!first && !rtc_shelf_get(&s, 7) && rtc_shelf_news(&s) == 0);
  for (uint32_t id = 1; id <= 5; id++) CHECK_EQ(rtc_shelf_open(&s, id), 0);
  CHECK_EQ(rtc_shelf_open(&s, 3), 0); /* again */
  for (uint32_t id = 1; id <= 5; id++) {
    CHECK_EQ(put(&s, id, id, true, &skip, &first), 0);
    CHECK(first && !skip);
    CHECK_EQ(put(&s, id, id + 10, false, &skip, &first), 0);
    CHECK(!first); /* it is told already */
  }
  rtc_shelf_close(&s, 1);
  rtc_shelf_close(&s, 3);
  rtc_shelf_close(&s, 5);
  rtc_shelf_close(&s, 5);
  CHECK_EQ(rtc_shelf_news(&s), 2);
  CHECK_EQ(put(&s, 2, 22, false, &skip, &first), 0);
  CHECK(first);
  CHECK_EQ(rtc_shelf_news(&s), 4);
  CHECK_EQ(rtc_shelf_news(&s), 2);
  CHECK_EQ(rtc_shelf_news(&s), 0);
  static const int64_t want[] = {2, 12, 22};
  for (int i = 0; i < 3; i++) {
    rtc_frame_t *f = rtc_shelf_get(&s, 2);
    CHECK(f && f->ts == want[i]);
    free(f);
  }
  CHECK(!rtc_shelf_get(&s, 2) && !rtc_shelf_get(&s, 1));
  rtc_shelf_clear(&s); /* what waits for 4 goes with it */
}

static void cap(void) {
  rtc_shelf_t s;
  bool skip, first;
  CHECK_EQ(rtc_shelf_init(&s, SEED), 0);
  CHECK_EQ(rtc_shelf_open(&s, 1), 0);
  for (int i = 0; i < RTC_FRAMES_MAX; i++) CHECK_EQ(put(&s, 1, i, i == 0, &skip, &first), 0);
  CHECK_EQ(put(&s, 1, 64, false, &skip, &first), RTC_FRAMES_MAX + 1);
  CHECK(skip);
  CHECK_EQ(put(&s, 1, 65, true, &skip, &first), 0);
  CHECK(!skip);
  rtc_frame_t *f = rtc_shelf_get(&s, 1);
  CHECK(f && f->ts == 65);
  free(f);
  rtc_shelf_clear(&s);
}

typedef struct duel {
  rtc_shelf_t s;
  _Atomic bool over;
  uint64_t put, dropped, busy;
} duel_t;

static void *loop_side(void *arg) {
  duel_t *d = arg;
  for (int64_t i = 0; i < 20000 * check_scale();) {
    if (!rtc_shelf_enter(&d->s)) {
      d->busy++;
      continue;
    }
    bool skip, first;
    d->dropped += rtc_shelf_put(&d->s, frame(1 + (uint32_t)(i & 1), i, false, true), &skip, &first);
    rtc_shelf_leave(&d->s);
    d->put++;
    i++;
  }
  atomic_store(&d->over, true);
  return NULL;
}

/* One thread puts, one takes: each frame is taken or counted as dropped, in order. */
static void two_threads(void) {
  duel_t d = {0};
  CHECK_EQ(rtc_shelf_init(&d.s, SEED), 0);
  CHECK_EQ(rtc_shelf_open(&d.s, 1), 0);
  CHECK_EQ(rtc_shelf_open(&d.s, 2), 0);
  pthread_t t;
  CHECK_EQ(rtc_thread_start(&t, loop_side, &d), 0);
  uint64_t taken = 0;
  int64_t last[3] = {-1, -1, -1};
  bool in_order = true;
  for (bool over = false; !over;) {
    over = atomic_load(&d.over);
    for (uint32_t id; (id = rtc_shelf_news(&d.s));)
      for (rtc_frame_t *f; (f = rtc_shelf_get(&d.s, id)); taken++) {
        in_order = in_order && f->ts > last[id];
        last[id] = f->ts;
        free(f);
      }
  }
  pthread_join(t, NULL);
  CHECK(in_order);
  CHECK_EQ(taken + d.dropped, d.put);
  rtc_shelf_clear(&d.s);
}

int main(void) {
  RUN(open_and_close);
  RUN(cap);
  RUN(two_threads);
  return CHECK_END();
}
