/* count_alloc: how often one thread asks for heap memory. A library for LD_PRELOAD, with glibc, of bench/relay.py: count_alloc_watch
 * names the thread by its kernel id, count_alloc_total says how often it called. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void count_alloc_watch(int tid);
unsigned long count_alloc_total(void);

static _Atomic int watched;
static _Atomic unsigned long total;
static _Thread_local int self __attribute__((tls_model("initial-exec")));

static void count(void) {
  int who = watched;
  if (!who) return;
  if (!self) self = gettid();
  if (self == who) total++;
}

void count_alloc_watch(int tid) { watched = tid; }
unsigned long count_alloc_total(void) { return total; }

void *malloc(size_t n) {
  count();
  return __libc_malloc(n);
}

void *calloc(size_t items, size_t n) {
  count();
  return __libc_calloc(items, n);
}

void *realloc(void *p, size_t n) {
  count();
  return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n) {
  count();
  return __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n) {
  count();
  *out = __libc_memalign(align, n);
  return *out ? 0 : ENOMEM;
}
