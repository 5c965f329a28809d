/* coalesce: how long packets may be held so that more of them leave as one run. Knows how busy the loop is and what holding has
 * brought; owns two numbers, no queue. Guarantee: 0 while the loop has time to spare, and soon again where runs do not form. */
#ifndef RTC_IO_COALESCE_H
#define RTC_IO_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum {
  RTC_COALESCE_PERIOD_US = 20000, /* between decisions */
  RTC_COALESCE_LEAST_US = 250,    /* the first window; below it is none */
  RTC_COALESCE_BUSY_PERCENT = 85, /* of the time: above, the window grows */
  RTC_COALESCE_IDLE_PERCENT = 60, /* below, it shrinks */
  RTC_COALESCE_GAIN_PERCENT = 10, /* of the datagrams that must have ridden with others for holding to go on */
  RTC_COALESCE_REST_US = 2000000, /* after it brought too little */
};

typedef struct rtc_coalesce {
  int64_t window_us, most_us;
  rtc_time_t since, rest_until;
  int64_t waited_us;     /* in this period: with nothing to do */
  uint64_t sent, joined; /* as they stood when it began */
} rtc_coalesce_t;

void rtc_coalesce_init(rtc_coalesce_t *c, int64_t most_us, rtc_time_t now);
static inline void rtc_coalesce_waited(rtc_coalesce_t *c, int64_t us) { c->waited_us += us; }
/* sent: datagrams so far; joined: those of them that left in a run behind another. True when a period was over and the window is
 * another now. */
bool rtc_coalesce_tick(rtc_coalesce_t *c, uint64_t sent, uint64_t joined, rtc_time_t now);

#endif
