/* heap: how much is allocated now, whichever allocator there is. */
#ifndef RTC_TESTS_HEAP_H
#define RTC_TESTS_HEAP_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc ships no header for it */
static inline size_t heap_bytes(void) { return __sanitizer_get_current_allocated_bytes(); }
#else
#include <malloc.h>
static inline size_t heap_bytes(void) { return mallinfo2().uordblks; }
#endif

#endif
