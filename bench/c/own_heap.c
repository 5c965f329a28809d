/* own_heap: who holds how much heap memory in one program. Each block is charged to whoever own_heap_owner names when it is allocated, by
 * what glibc takes for it; whoever frees it. For bench/c/joins_bench.c, with glibc; one thread. */
#include "own_heap.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

void *__libc_malloc(size_t n);
void __libc_free(void *p);

typedef struct head {
  uint32_t offset, owner; /* of what was given out from what glibc gave us */
  uint64_t n;
} head_t;

int own_heap_owner;
int64_t own_heap_held[OWN_HEAP_OWNERS], own_heap_calls[OWN_HEAP_OWNERS];

/* A chunk of glibc's: eight bytes of its own, in steps of 16, 32 at least. */
static int64_t chunk(uint64_t n) { return n < 24 ? 32 : (int64_t)((n + 8 + 15) & ~(uint64_t)15); }

static void *get(size_t align, size_t n) {
  if (align < 16) align = 16;
  if (n > SIZE_MAX / 2) return NULL;
  uint8_t *base = __libc_malloc(n + align + sizeof(head_t));
  if (!base) return NULL;
  uint8_t *p = (uint8_t *)(((uintptr_t)base + sizeof(head_t) + align - 1) & ~(uintptr_t)(align - 1));
  ((head_t *)(void *)p)[-1] = (head_t){(uint32_t)(p - base), (uint32_t)own_heap_owner, n};
  own_heap_held[own_heap_owner] += chunk(n);
  own_heap_calls[own_heap_owner]++;
  return p;
}

void *malloc(size_t n) { return get(16, n); }

void free(void *p) {
  if (!p) return;
  head_t h = ((head_t *)p)[-1];
  own_heap_held[h.owner] -= chunk(h.n);
  __libc_free((uint8_t *)p - h.offset);
}

void *calloc(size_t items, size_t n) {
  if (n && items > SIZE_MAX / n) return NULL;
  void *p = get(16, items * n);
  if (p) memset(p, 0, items * n);
  return p;
}

void *realloc(void *old, size_t n) {
  void *p = get(16, n);
  if (!p || !old) return p;
  uint64_t was = ((head_t *)old)[-1].n;
  memcpy(p, old, was < n ? was : n);
  free(old);
  return p;
}

void *aligned_alloc(size_t align, size_t n) { return get(align, n); }

int posix_memalign(void **out, size_t align, size_t n) {
  *out = get(align, n);
  return *out ? 0 : ENOMEM;
}
