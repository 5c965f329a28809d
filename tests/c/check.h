/* check: the C tests' few words. A test file has static void functions, and main lists them with RUN. With CHECK_ARGS the
 * program's argument chooses one of them. */
#ifndef RTC_TESTS_CHECK_H
#define RTC_TESTS_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((unused)) int check_failed_, check_count_;
static __attribute__((unused)) const char *check_only_;
#define CHECK_ARGS(argc, argv) (check_only_ = (argc) > 1 ? (argv)[1] : NULL)

#define CHECK(cond)                                                            \
  do {                                                                         \
    check_count_++;                                                            \
    if (!(cond)) {                                                             \
      check_failed_++;                                                         \
      fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #cond); \
    }                                                                          \
  } while (0)
#define CHECK_EQ(a, b)                                                                                    \
  do {                                                                                                    \
    long long check_a_ = (long long)(a), check_b_ = (long long)(b);                                       \
    check_count_++;                                                                                       \
    if (check_a_ != check_b_) {                                                                           \
      check_failed_++;                                                                                    \
      fprintf(stderr, "%s:%d: %s == %lld, %s == %lld\n", __FILE__, __LINE__, #a, check_a_, #b, check_b_); \
    }                                                                                                     \
  } while (0)
#define CHECK_MEM(a, b, n)                                                        \
  do {                                                                            \
    check_count_++;                                                               \
    if (memcmp((a), (b), (n)) != 0) {                                             \
      check_failed_++;                                                            \
      fprintf(stderr, "%s:%d: %s differs from %s\n", __FILE__, __LINE__, #a, #b); \
    }                                                                             \
  } while (0)
#define RUN(f)                                                               \
  do {                                                                       \
    int check_before_ = check_failed_;                                       \
    if (check_only_ && strcmp(check_only_, #f) != 0) break;                  \
    f();                                                                     \
    printf("%s %s\n", check_failed_ == check_before_ ? "ok" : "FAILED", #f); \
  } while (0)
/* At the end of main: how many checks ran, exit code. No check at all is a failure. */
#define CHECK_END() (printf("%d checks, %d failed\n", check_count_, check_failed_), (check_failed_ || !check_count_) ? 1 : 0)

/* How many times as much as usual a test should count to: the environment's RTC_SCALE, for the long runs. */
static inline int64_t check_scale(void) {
  const char *s = getenv("RTC_SCALE");
  long n = s ? strtol(s, NULL, 10) : 1;
  return n > 0 ? n : 1;
}

/* What a test measured while it checked, for build/figures.jsonl. */
static inline void check_figure(const char *name, double value) { printf("figure %s %g\n", name, value); }

/* "0a 0b.." to bytes; returns how many. Aborts the test program on a wrong digit. */
static inline size_t check_hex(uint8_t *out, size_t cap, const char *s) {
  size_t n = 0;
  int hi = -1;
  for (; *s; s++) {
    int v;
    if (*s == ' ' || *s == '\n') continue;
    if (*s >= '0' && *s <= '9')
      v = *s - '0';
    else if (*s >= 'a' && *s <= 'f')
      v = *s - 'a' + 10;
    else if (*s >= 'A' && *s <= 'F')
      v = *s - 'A' + 10;
    else {
      fprintf(stderr, "check_hex: bad digit\n");
      exit(2);
    }
    if (hi < 0)
      hi = v;
    else {
      if (n == cap) {
        fprintf(stderr, "check_hex: no room\n");
        exit(2);
      }
      out[n++] = (uint8_t)(hi << 4 | v);
      hi = -1;
    }
  }
  return n;
}

#endif
