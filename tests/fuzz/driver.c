/* driver: runs a target without libFuzzer. First the seeds, then, for the seconds asked for, mutations of them that are
 * kept when they reach new edges or reach known ones a new number of times.
 *   X_fuzz SEEDS_DIR SECONDS RANDOM_SEED CRASH_FILE    searches; an input that ends the program is left in CRASH_FILE
 *   X_fuzz FILE..                                      runs files (to look into a crash)
 * Edges come from -fsanitize-coverage=trace-pc, which gcc and clang both know; this file is built without it. */
#define _POSIX_C_SOURCE 200809L /* scandir, clock_gettime */
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <time.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_cov_trace_pc(void);
const char *__asan_default_options(void);

enum { MAP = 1 << 16, INPUT_MAX = 4096, CORPUS_MAX = 8192 };

typedef struct input {
  uint8_t *p;
  size_t n;
} input_t;

static uint8_t hits[MAP]; /* of this input, by edge */
static uint8_t seen[MAP]; /* of all inputs: a bit for each power of two of hits */
static uint32_t touched[MAP], touched_n;
static uintptr_t last_pc;
static input_t corpus[CORPUS_MAX];
static size_t corpus_n;
static uint64_t executions, random_state;
static const char *crash_file;
static input_t current;

/* An edge is a pair of blocks that ran one after the other. The loader asks which of a function's clones to take before the sanitizers have
 * begun: this must work then. */
__attribute__((no_sanitize_address, no_sanitize_undefined)) void __sanitizer_cov_trace_pc(void) {
  uintptr_t pc = (uintptr_t)__builtin_return_address(0) - (uintptr_t)fuzz_one; /* the same in every run */
  uint64_t x = ((uint64_t)pc ^ ((uint64_t)last_pc << 20)) * 0x9e3779b97f4a7c15u;
  uint32_t edge = (uint32_t)(x >> 48);
  last_pc = pc;
  if (hits[edge] == 0) touched[touched_n++] = edge;
  if (hits[edge] < UINT8_MAX) hits[edge]++;
}

const char *__asan_default_options(void) { return "handle_abort=1:detect_leaks=1"; }

static void keep_crash(void) {
  FILE *f = crash_file ? fopen(crash_file, "wb") : NULL;
  if (!f) return;
  fwrite(current.p, 1, current.n, f);
  fclose(f);
}

static uint32_t dice(uint32_t sides) { /* splitmix64 */
  uint64_t x = random_state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((x >> 32) * sides >> 32);
}

/* True when it reached something new. */
static int run(const uint8_t *p, size_t n) {
  int news = 0;
  current = (input_t){fuzz_copy(p, n), n};
  last_pc = 0;
  touched_n = 0;
  LLVMFuzzerTestOneInput(current.p, n);
  executions++;
  for (uint32_t i = 0; i < touched_n; i++) {
    uint8_t bit = (uint8_t)(1u << (31 - __builtin_clz(hits[touched[i]])));
    news |= !(seen[touched[i]] & bit);
    seen[touched[i]] |= bit;
    hits[touched[i]] = 0;
  }
  fuzz_free(current.p, n);
  current = (input_t){0};
  return news;
}

static void keep(const uint8_t *p, size_t n) {
  size_t i = corpus_n < CORPUS_MAX ? corpus_n++ : dice(CORPUS_MAX);
  if (corpus[i].p) fuzz_free(corpus[i].p, corpus[i].n);
  corpus[i] = (input_t){fuzz_copy(p, n), n};
}

static size_t read_file(const char *path, uint8_t *b, size_t cap) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    perror(path);
    exit(2);
  }
  size_t n = fread(b, 1, cap, f);
  fclose(f);
  return n;
}

/* In the order of their names, so that a run with the same random seed is the same run. */
static void run_seeds(const char *dir) {
  struct dirent **names;
  int n = scandir(dir, &names, NULL, alphasort);
  if (n < 0) {
    perror(dir);
    exit(2);
  }
  for (int i = 0; i < n; i++) {
    char path[4096];
    static uint8_t b[1 << 16];
    if (names[i]->d_name[0] != '.') {
      snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
      size_t len = read_file(path, b, sizeof b);
      run(b, len);
      if (len <= INPUT_MAX) keep(b, len);
    }
    free(names[i]);
  }
  free(names);
}

static size_t insert(uint8_t *b, size_t n, size_t at, const uint8_t *p, size_t len) {
  if (len > INPUT_MAX - n) len = INPUT_MAX - n;
  memmove(b + at + len, b + at, n - at);
  memmove(b + at, p, len);
  return n + len;
}

/* One change in place; the new length. */
static size_t mutate(uint8_t *b, size_t n) {
  static const uint8_t edge_values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 20, 31, 32, 63, 64, 127, 128, 192, 224, 254, 255};
  uint8_t scrap[64];
  size_t at = dice((uint32_t)n + 1), left = n - at;
  uint32_t len = 1 + dice(dice(4) ? 8 : 64);
  if (left == 0 || dice(8) == 0) { /* grow: noise, a repetition, or a piece of another input */
    const input_t *other = &corpus[dice((uint32_t)corpus_n)];
    for (uint32_t i = 0; i < len; i++) scrap[i] = (uint8_t)dice(256);
    if (dice(2) && other->n) {
      size_t from = dice((uint32_t)other->n);
      if (len > other->n - from) len = (uint32_t)(other->n - from);
      memcpy(scrap, other->p + from, len);
    }
    return insert(b, n, at, scrap, len);
  }
  switch (dice(7)) {
    case 0:
      b[at] ^= (uint8_t)(1u << dice(8));
      return n;
    case 1:
      b[at] = edge_values[dice(sizeof edge_values)];
      return n;
    case 2:
      b[at] = (uint8_t)dice(256);
      return n;
    case 3:
      b[at] = (uint8_t)(b[at] + 1 - 2 * (int)dice(2));
      return n;
    case 4:
      if (left >= 2) rtc_put16(b + at, (uint16_t)(dice(2) ? dice(65536) : rtc_get16(b + at) + dice(9) - 4));
      return n;
    case 5:
      if (len > left) len = (uint32_t)left;
      memmove(b + at, b + at + len, left - len);
      return n - len;
    default:
      return dice(4) ? n : at;
  }
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void search(double until) {
  static uint8_t b[INPUT_MAX];
  if (corpus_n == 0) keep((const uint8_t *)"", 0);
  while (seconds() < until) {
    for (int i = 0; i < 16; i++) {
      const input_t *from = &corpus[dice(2) ? dice((uint32_t)corpus_n) : (uint32_t)corpus_n - 1 - dice((uint32_t)corpus_n) / 4];
      size_t n = from->n;
      if (n) memcpy(b, from->p, n);
      for (uint32_t times = 1 + dice(1u << dice(5)); times; times--) n = mutate(b, n);
      if (run(b, n)) keep(b, n);
    }
  }
}

int main(int argc, char **argv) {
  static uint8_t b[1 << 16];
  if (argc != 5 || strspn(argv[2], "0123456789.") != strlen(argv[2])) {
    for (int i = 1; i < argc; i++) run(b, read_file(argv[i], b, sizeof b));
    return argc < 2;
  }
  random_state = strtoull(argv[3], NULL, 10);
  crash_file = argv[4];
  __sanitizer_set_death_callback(keep_crash);
  double end = seconds() + strtod(argv[2], NULL);
  run_seeds(argv[1]);
  size_t seeds = corpus_n, edges = 0;
  search(end);
  for (size_t i = 0; i < MAP; i++) edges += seen[i] != 0;
  for (size_t i = 0; i < corpus_n; i++) fuzz_free(corpus[i].p, corpus[i].n);
  printf("executions %llu, edges %zu, seeds %zu, kept %zu\n", (unsigned long long)executions, edges, seeds, corpus_n - seeds);
  return 0;
}
