/* heap: deadlines. An intrusive binary min-heap; each entry is embedded in its owner and knows its place, so
 * moving a deadline is O(log n) and asking for the next is O(1). */
#ifndef RTC_BASE_HEAP_H
#define RTC_BASE_HEAP_H

#include <stdint.h>

#include "base/time.h"

typedef struct rtc_heap_entry {
  rtc_time_t at;
  uint32_t place; /* index + 1 in the heap, 0 when not in it */
} rtc_heap_entry_t;

typedef struct rtc_heap {
  rtc_heap_entry_t **v;
  uint32_t n, cap;
} rtc_heap_t;

void rtc_heap_init(rtc_heap_t *h);
void rtc_heap_clear(rtc_heap_t *h); /* forgets all entries and frees the array */
/* Room for n entries in all, so that set below n cannot fail. 0 or RTC_ENOMEM. */
int rtc_heap_reserve(rtc_heap_t *h, uint32_t n);
/* Adds, or moves when already in; at == RTC_NEVER removes. Room must have been reserved. */
void rtc_heap_set(rtc_heap_t *h, rtc_heap_entry_t *e, rtc_time_t at);
static inline rtc_heap_entry_t *rtc_heap_top(const rtc_heap_t *h) { return h->n ? h->v[0] : 0; }

#endif
