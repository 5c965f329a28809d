/* own_heap: see own_heap.c. A program that is linked without it finds the names weak, and NULL. */
#ifndef RTC_BENCH_OWN_HEAP_H
#define RTC_BENCH_OWN_HEAP_H

#include <stddef.h>
#include <stdint.h>

enum { OWN_HEAP_OWNERS = 4 };
#ifndef OWN_HEAP_WEAK
#define OWN_HEAP_WEAK
#endif
extern OWN_HEAP_WEAK int own_heap_owner;
extern OWN_HEAP_WEAK int64_t own_heap_held[OWN_HEAP_OWNERS], own_heap_calls[OWN_HEAP_OWNERS]; /* bytes now; allocations ever */

#endif
