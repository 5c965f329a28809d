#include "io/coalesce.h"

#include "check.h"

enum { PERIOD = RTC_COALESCE_PERIOD_US, MOST = 5000 };

typedef struct step {
  int busy;              /* percent of a period */
  uint64_t sent, joined; /* in it */
  int64_t window_us;     /* after it */
} step_t;

static rtc_time_t now;

static void play(rtc_coalesce_t *c, const step_t *v, int n) {
  static uint64_t sent, joined;
  for (int i = 0; i < n; i++) {
    rtc_coalesce_waited(c, (int64_t)PERIOD * (100 - v[i].busy) / 100);
    now += PERIOD;
    sent += v[i].sent;
    joined += v[i].joined;
    int64_t was = c->window_us;
    CHECK_EQ(rtc_coalesce_tick(c, sent, joined, now), was != v[i].window_us);
    CHECK_EQ(c->window_us, v[i].window_us);
    if (c->window_us != v[i].window_us) fprintf(stderr, "step %d\n", i);
  }
}

static void grows_and_shrinks(void) {
  rtc_coalesce_t c;
  rtc_coalesce_init(&c, MOST, now);
  c.sent = c.joined = 0;
  static const step_t v[] = {{10, 1000, 0, 0},      {85, 1000, 0, 0},       {86, 1000, 0, 250},    {99, 1000, 500, 500},
                             {99, 1000, 500, 1000}, {100, 1000, 500, 2000}, {99, 1000, 500, 4000}, {99, 1000, 700, 5000},
                             {99, 1000, 700, 5000}, {70, 1000, 700, 5000},  {59, 1000, 700, 2500}, {59, 1000, 700, 1250},
                             {70, 1000, 700, 1250}, {90, 1000, 700, 2500},  {10, 1000, 700, 1250}, {10, 1000, 700, 625},
                             {10, 1000, 700, 312},  {10, 1000, 700, 156},   {10, 1000, 700, 0}};
  play(&c, v, sizeof v / sizeof v[0]);
}

/* Where no runs form holding only delays: it ends, and is tried again after a rest. */
static void brings_nothing(void) {
  rtc_coalesce_t c;
  rtc_coalesce_init(&c, MOST, now);
  rtc_coalesce_tick(&c, 0, 0, now);
  step_t v[] = {{99, 1000, 0, 250}, {99, 1000, 99, 0}};
  rtc_coalesce_t start = c;
  uint64_t sent = 0, joined = 0;
  for (int i = 0; i < 2; i++) {
    now += PERIOD;
    sent += v[i].sent;
    joined += v[i].joined;
    rtc_coalesce_tick(&start, sent, joined, now);
    CHECK_EQ(start.window_us, v[i].window_us);
  }
  rtc_time_t ended = now;
  while (start.window_us == 0 && now < ended + 3 * RTC_COALESCE_REST_US) {
    now += PERIOD;
    rtc_coalesce_tick(&start, sent, joined, now);
  }
  CHECK(now >= ended + RTC_COALESCE_REST_US && now <= ended + RTC_COALESCE_REST_US + PERIOD);
}

static void decides_once_a_period(void) {
  rtc_coalesce_t c;
  rtc_coalesce_init(&c, MOST, now);
  for (int i = 1; i < PERIOD; i += 500) CHECK(!rtc_coalesce_tick(&c, 0, 0, now + i));
  CHECK(rtc_coalesce_tick(&c, 0, 0, now + PERIOD)); /* busy all the time */
  rtc_coalesce_init(&c, 100, now);
  CHECK(rtc_coalesce_tick(&c, 0, 0, now + PERIOD));
  CHECK_EQ(c.window_us, 100); /* never above the most */
  rtc_coalesce_init(&c, MOST, now);
  rtc_coalesce_waited(&c, 10 * PERIOD); /* clocks are read at other moments */
  CHECK(!rtc_coalesce_tick(&c, 0, 0, now + PERIOD));
}

int main(void) {
  RUN(grows_and_shrinks);
  RUN(brings_nothing);
  RUN(decides_once_a_period);
  return CHECK_END();
}
