/* attack: what the attack programs share: dice, and what this process holds. */
#ifndef RTC_TESTS_ATTACK_H
#define RTC_TESTS_ATTACK_H

#include <dirent.h>
#include <malloc.h>

#include "check.h"
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define ATTACK_SANITIZED 1
size_t __sanitizer_get_current_allocated_bytes(void); /* its header is not everywhere */
#endif

/* Bytes of the heap that are in use now. */
static inline int64_t attack_held(void) {
#ifdef ATTACK_SANITIZED
  return (int64_t)__sanitizer_get_current_allocated_bytes();
#else
  struct mallinfo2 m = mallinfo2();
  return (int64_t)(m.uordblks + m.hblkhd);
#endif
}

static inline int attack_fds(void) {
  DIR *d = opendir("/proc/self/fd");
  if (!d) exit(2);
  int n = 0;
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

/* splitmix64 */
static inline uint64_t attack_dice(uint64_t *state) {
  uint64_t x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static inline void attack_fill(uint64_t *state, uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)attack_dice(state);
}

#endif
