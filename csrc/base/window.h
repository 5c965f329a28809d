/* window: which of the last 1024 numbers have been seen; for replay (RFC 3711 §3.3.2) and for never using an
 * index twice. check never changes anything; commit is called after authentication. Zeroed memory is not valid:
 * call init. */
#ifndef RTC_BASE_WINDOW_H
#define RTC_BASE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { RTC_WINDOW_SIZE = 1024 };

typedef struct rtc_window {
  int64_t top;                         /* highest committed, -1 before the first */
  uint64_t bits[RTC_WINDOW_SIZE / 64]; /* a ring: bit (n % 1024) */
} rtc_window_t;

void rtc_window_init(rtc_window_t *w);
/* 0 when n is new and inside or above the window, RTC_EREPLAY when seen or too old, RTC_EINVAL when n < 0. */
int rtc_window_check(const rtc_window_t *w, int64_t n);
/* Marks n as seen. n must have passed check. */
void rtc_window_commit(rtc_window_t *w, int64_t n);

#endif
