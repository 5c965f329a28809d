#include "base/map.h"

#include <stdbool.h>

#include "base/err.h"
#include "check.h"

static const uint8_t seed[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Key 00..0f, input 00 01 ..: the designers' vectors; checked with OpenSSL's SIPHASH. */
static void siphash_vectors(void) {
  static const struct {
    size_t n;
    uint64_t hash;
  } rows[] = {{0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},  {8, 0x93f5f5799a932462},
              {9, 0x9e0082df0ba9e4b0},  {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}, {24, 0xb8ad50c6f649af94},
              {31, 0x32d892fad841c342}, {40, 0x0e3ea96b5304a7d0}, {63, 0x958a324ceb064572}, {64, 0xacd2c40b8502cad8}};
  uint8_t in[64];
  for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    CHECK(rtc_siphash(in, rows[i].n, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u) == rows[i].hash);
}

static void put_get_replace_delete(void) {
  static const uint32_t widths[] = {1, 2, 4, 7, 8, 24, 56, 63, 64};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
    uint8_t *key = calloc(1, widths[i]), *other = calloc(1, widths[i]); /* exact, for the address sanitizer */
    int a, b;
    rtc_map_t m;
    rtc_map_init(&m, widths[i], seed);
    key[0] = other[0] = 9;
    other[widths[i] - 1] ^= 1; /* the last byte counts */
    CHECK(m.slots == NULL);
    CHECK(rtc_map_get(&m, key) == NULL);
    CHECK(rtc_map_del(&m, key) == NULL);
    CHECK(m.slots == NULL);
    CHECK_EQ(rtc_map_put(&m, key, &a), 0);
    CHECK(rtc_map_get(&m, key) == &a);
    CHECK(rtc_map_get(&m, other) == NULL);
    CHECK_EQ(rtc_map_put(&m, other, &b), 0);
    CHECK_EQ(rtc_map_put(&m, key, &b), 0);
    CHECK_EQ(m.used, 2);
    CHECK(rtc_map_get(&m, key) == &b);
    key[0]++; /* the map has its own copy */
    CHECK(rtc_map_get(&m, key) == NULL);
    key[0]--;
    CHECK(rtc_map_del(&m, key) == &b);
    CHECK(rtc_map_del(&m, key) == NULL);
    CHECK(rtc_map_get(&m, key) == NULL);
    CHECK(rtc_map_get(&m, other) == &b);
    rtc_map_clear(&m);
    CHECK(rtc_map_get(&m, other) == NULL);
    CHECK_EQ(rtc_map_put(&m, key, &a), 0); /* and it may be used again */
    CHECK(rtc_map_get(&m, key) == &a);
    rtc_map_clear(&m);
    free(key);
    free(other);
  }
}

static void wrong_arguments(void) {
  static const uint32_t widths[] = {0, 65, UINT32_MAX};
  int a;
  rtc_map_t m;
  for (size_t i = 0; i < 3; i++) {
    rtc_map_init(&m, widths[i], seed);
    CHECK_EQ(rtc_map_put(&m, "", &a), RTC_EINVAL);
    rtc_map_clear(&m);
  }
  rtc_map_init(&m, 4, seed);
  CHECK_EQ(rtc_map_put(&m, "abcd", NULL), RTC_EINVAL);
  CHECK_EQ(m.used, 0);
}

/* Random puts and deletes of a small set of keys against an array, walks included. */
static void agrees_with_a_plain_array(void) {
  enum { KEYS = 5000 };
  static uint8_t values[KEYS], seen[KEYS];
  static bool in[KEYS];
  memset(in, 0, sizeof in);
  rtc_map_t m;
  rtc_map_init(&m, 4, seed);
  uint64_t x = 88172645463325252u;
  uint32_t n = 0;
  int wrong = 0;
  for (int round = 0; round < 400000; round++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    uint32_t key = (uint32_t)(x % (round / 20000 % 2 ? KEYS / 50 : KEYS));
    bool want_in = (x >> 40 & 15) < (round / 50000 % 2 ? 4 : 11);
    if (want_in) {
      wrong += rtc_map_put(&m, &key, &values[key]) != 0;
      n += !in[key];
    } else {
      wrong += rtc_map_del(&m, &key) != (in[key] ? &values[key] : NULL);
      n -= in[key];
    }
    in[key] = want_in;
    uint32_t probe = (uint32_t)(x >> 20) % KEYS;
    wrong += rtc_map_get(&m, &probe) != (in[probe] ? &values[probe] : NULL);
    wrong += m.used != n || m.used + m.dead > m.cap / 4 * 3;
    if (round % 20000) continue;
    memset(seen, 0, sizeof seen);
    uint32_t pos = 0;
    for (uint8_t *v; (v = rtc_map_next(&m, &pos)) != NULL;) seen[v - values]++;
    for (int k = 0; k < KEYS; k++) wrong += seen[k] != in[k];
  }
  CHECK_EQ(wrong, 0);
  rtc_map_clear(&m);
}

/* Every slot that is not free would make a search longer; with few keys alive the table must stay small and mostly free. */
static void a_million_comings_and_goings(void) {
  enum { ALIVE = 10 };
  rtc_map_t m;
  int value;
  rtc_map_init(&m, 8, seed);
  uint32_t widest = 0;
  int wrong = 0;
  for (uint64_t n = 0; n < 1000000; n++) {
    wrong += rtc_map_put(&m, &n, &value) != 0;
    uint64_t old = n - ALIVE;
    if (n >= ALIVE) wrong += rtc_map_del(&m, &old) != &value;
    if (m.cap > widest) widest = m.cap;
    wrong += m.used + m.dead > m.cap / 4 * 3;
  }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(m.used, ALIVE);
  CHECK(widest <= 64);
  rtc_map_clear(&m);
}

/* The longest and the mean run of slots that are not free, with a table filled to the brim: what a search may cost. */
static void probes_stay_short(void) {
  rtc_map_t m;
  int value;
  rtc_map_init(&m, 4, seed);
  for (uint32_t n = 0; n < 49152; n++) CHECK_EQ(rtc_map_put(&m, &n, &value), 0);
  CHECK_EQ(m.cap, 65536); /* 3/4 full */
  uint32_t run = 0, longest = 0;
  for (uint32_t i = 0; i < m.cap; i++) {
    void *v;
    memcpy(&v, m.slots + 16 * (size_t)i, sizeof v);
    run = v ? run + 1 : 0;
    if (run > longest) longest = run;
  }
  CHECK(longest < 300);
  uint32_t full = 49152;
  CHECK_EQ(rtc_map_put(&m, &full, &value), 0);
  CHECK_EQ(m.cap, 131072);
  for (uint32_t n = 0; n <= 49152; n++) CHECK(rtc_map_del(&m, &n) == &value);
  for (uint32_t n = 0; n < 200000; n++) { /* and it goes on with an empty, big table */
    CHECK_EQ(rtc_map_put(&m, &n, &value), 0);
    CHECK(rtc_map_del(&m, &n) == &value);
  }
  CHECK_EQ(m.used, 0);
  rtc_map_clear(&m);
}

static void a_walk_may_delete_what_it_stands_on(void) {
  enum { N = 1000 };
  static uint32_t keys[N];
  rtc_map_t m;
  rtc_map_init(&m, 4, seed);
  for (uint32_t n = 0; n < N; n++) {
    keys[n] = n;
    CHECK_EQ(rtc_map_put(&m, &n, &keys[n]), 0);
  }
  uint32_t pos = 0, met = 0;
  for (uint32_t *k; (k = rtc_map_next(&m, &pos)) != NULL; met++)
    if (*k % 3) CHECK(rtc_map_del(&m, k) == k);
  CHECK_EQ(met, N);
  CHECK_EQ(m.used, (N + 2) / 3);
  for (uint32_t n = 0; n < N; n++) CHECK((rtc_map_get(&m, &n) != NULL) == (n % 3 == 0));
  rtc_map_clear(&m);
}

static void the_seed_decides_the_places(void) {
  uint8_t other[16] = {1};
  int same = 0;
  for (uint8_t n = 0; n < 200; n++) {
    rtc_map_t a, b;
    rtc_map_init(&a, 1, seed);
    rtc_map_init(&b, 1, other);
    same += rtc_siphash(&n, 1, a.k0, a.k1) % 1024 == rtc_siphash(&n, 1, b.k0, b.k1) % 1024;
  }
  CHECK(same < 10);
}

int main(void) {
  RUN(siphash_vectors);
  RUN(put_get_replace_delete);
  RUN(wrong_arguments);
  RUN(agrees_with_a_plain_array);
  RUN(a_million_comings_and_goings);
  RUN(probes_stay_short);
  RUN(a_walk_may_delete_what_it_stands_on);
  RUN(the_seed_decides_the_places);
  return CHECK_END();
}
