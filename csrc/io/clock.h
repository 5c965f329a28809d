/* clock: the only clock. Monotonic microseconds for everything; the wall clock as an offset to it, for NTP times. */
#ifndef RTC_IO_CLOCK_H
#define RTC_IO_CLOCK_H

#include "base/time.h"

rtc_time_t rtc_clock_now(void);
/* Wall clock minus monotonic clock. The two are read together, so a step of the wall clock moves it. */
int64_t rtc_clock_unix_offset(void);
/* Processor time of the calling thread. */
int64_t rtc_clock_thread_cpu_us(void);

#endif
