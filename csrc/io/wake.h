/* wake: lets one thread wake another that sleeps in poll. An eventfd, else a pipe. Signals that come before the
 * sleeper has looked cost one system call together. Guarantee: what was done before signal is seen after drain. */
#ifndef RTC_IO_WAKE_H
#define RTC_IO_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

typedef struct rtc_wake {
  int rd, wr; /* the same for an eventfd; -1 when closed */
  _Atomic bool armed;
} rtc_wake_t;

/* portable: the pipe, also where there is an eventfd. 0, or RTC_ENOBUFS when the process has no descriptor left. */
RTC_MUST_USE int rtc_wake_init(rtc_wake_t *w, bool portable);
void rtc_wake_clear(rtc_wake_t *w);
/* Any thread. */
void rtc_wake_signal(rtc_wake_t *w);
/* The sleeper, before it looks at what it was woken for. */
void rtc_wake_drain(rtc_wake_t *w);
/* Readable when signalled. */
static inline int rtc_wake_fd(const rtc_wake_t *w) { return w->rd; }

#endif
