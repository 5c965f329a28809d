/* fuzz: what the targets share. A target is a file X_fuzz.c with fuzz_one; entry.c times it for libFuzzer, and driver.c is
 * what runs it where there is no clang. Its seeds are X/seeds/, the edges they must reach X/edges. */
#ifndef RTC_TESTS_FUZZ_H
#define RTC_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* One input. Anything wrong ends the program: by MUST, or by a sanitizer. */
void fuzz_one(const uint8_t *data, size_t size);

/* A rule that holds for every input. */
#define MUST(cond)                                                            \
  do {                                                                        \
    if (!(cond)) {                                                            \
      fprintf(stderr, "%s:%d: MUST(%s) failed\n", __FILE__, __LINE__, #cond); \
      abort();                                                                \
    }                                                                         \
  } while (0)

/* A heap block of exactly n bytes, so that the address sanitizer sees the first one read or written beyond. */
static inline uint8_t *fuzz_room(size_t n) {
  uint8_t *p = calloc(n ? n : 1, 1);
  if (!p) abort();
  return n ? p : p + 1; /* of nothing not even the first byte may be touched */
}
static inline void fuzz_free(uint8_t *p, size_t n) { free(n ? p : p - 1); }
static inline uint8_t *fuzz_copy(const uint8_t *src, size_t n) {
  uint8_t *p = fuzz_room(n);
  if (n) memcpy(p, src, n);
  return p;
}

/* What is left of the input, at most `most` bytes of it. */
static inline const uint8_t *fuzz_take(rtc_rd_t *r, size_t most, size_t *n) {
  *n = rtc_rd_left(r) < most ? rtc_rd_left(r) : most;
  return rtc_rd_take(r, *n);
}

#endif
