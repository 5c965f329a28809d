/* window: which of the last numbers have been seen, 1024 of them if nothing else is said; for replay (RFC 3711 §3.3.2) and for never
 * using an index twice. check never changes anything; commit is called after authentication. Zeroed memory is not valid: call init.
 * Owns memory beside itself only where it was made for more than 1024: then it is moved, not copied, and cleared. */
#ifndef RTC_BASE_WINDOW_H
#define RTC_BASE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
  RTC_WINDOW_SIZE = 1024,
  RTC_WINDOW_SIZE_LEAST = 64,   /* RFC 3711 §3.3.2 */
  RTC_WINDOW_SIZE_MOST = 32768, /* half of the sequence numbers: an index further back is another one's */
};

typedef struct rtc_window {
  int64_t top;                         /* highest committed, -1 before the first */
  uint32_t size;                       /* how far behind top a number is still taken */
  uint32_t words;                      /* of the ring: a power of 2 */
  uint64_t *wide;                      /* the ring, where it does not fit here: NULL when it does */
  uint64_t bits[RTC_WINDOW_SIZE / 64]; /* the ring: bit (n % 64) of word (n / 64 % words) */
} rtc_window_t;

void rtc_window_init(rtc_window_t *w);
/* Of another size: 0, RTC_EINVAL outside the bounds, RTC_ENOMEM. */
RTC_MUST_USE int rtc_window_init_size(rtc_window_t *w, uint32_t size);
void rtc_window_clear(rtc_window_t *w);
/* All up to top has been seen; top -1: nothing. */
void rtc_window_above(rtc_window_t *w, int64_t top);
/* 0 when n is new and inside or above the window, RTC_EREPLAY when seen or too old, RTC_EINVAL when n < 0. */
int rtc_window_check(const rtc_window_t *w, int64_t n);
/* Marks n as seen. n must have passed check. */
void rtc_window_commit(rtc_window_t *w, int64_t n);

#endif
