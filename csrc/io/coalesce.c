#include "io/coalesce.h"

void rtc_coalesce_init(rtc_coalesce_t *c, int64_t most_us, rtc_time_t now) { *c = (rtc_coalesce_t){.most_us = most_us, .since = now}; }

static int64_t next_window(rtc_coalesce_t *c, int64_t busy_percent, uint64_t sent, uint64_t joined, rtc_time_t now) {
  int64_t w = c->window_us;
  if (w && joined * 100 < sent * RTC_COALESCE_GAIN_PERCENT) {
    c->rest_until = now + RTC_COALESCE_REST_US;
    return 0;
  }
  if (busy_percent < RTC_COALESCE_IDLE_PERCENT) return w > RTC_COALESCE_LEAST_US ? w / 2 : 0;
  if (busy_percent <= RTC_COALESCE_BUSY_PERCENT || now < c->rest_until) return w;
  w = w ? 2 * w : RTC_COALESCE_LEAST_US;
  return w < c->most_us ? w : c->most_us;
}

bool rtc_coalesce_tick(rtc_coalesce_t *c, uint64_t sent, uint64_t joined, rtc_time_t now) {
  int64_t passed = now - c->since, was = c->window_us;
  if (passed < RTC_COALESCE_PERIOD_US) return false;
  int64_t busy = passed > c->waited_us ? passed - c->waited_us : 0;
  c->window_us = next_window(c, busy * 100 / passed, sent - c->sent, joined - c->joined, now);
  c->since = now;
  c->waited_us = 0;
  c->sent = sent;
  c->joined = joined;
  return c->window_us != was;
}
