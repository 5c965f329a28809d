/* thread: starts a named thread that takes no signals (they belong to the program's own threads). */
#ifndef RTC_IO_THREAD_H
#define RTC_IO_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* 0 or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_thread_start(pthread_t *t, void *(*run)(void *), void *arg);
/* Called by the thread itself, which works on every system. At most 15 characters. */
void rtc_thread_name(const char *name);
/* Called by the thread itself: where cores are scarce, the program's other threads go first. Linux; elsewhere nothing happens. */
void rtc_thread_stand_back(void);

#endif
