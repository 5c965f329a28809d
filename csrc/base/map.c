#include "base/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* A slot is a value pointer, then the key rounded up to 8 bytes. Value NULL: never used since the last rehash,
 * so a search may stop. Value &gravestone: deleted, a search goes on. Linear probing; cap is a power of two. */
enum { CAP_MIN = 16, KEY_MAX = 64 };
#define CAP_MAX ((uint32_t)1 << 30)
static const char gravestone;
#define DEAD ((void *)(uintptr_t)&gravestone)

static size_t stride_of(const rtc_map_t *m) { return sizeof(void *) + ((m->key_len + 7u) & ~(size_t)7); }
static uint8_t *slot_at(const rtc_map_t *m, uint32_t i) { return m->slots + (size_t)i * stride_of(m); }
static void *value_at(const rtc_map_t *m, uint32_t i) {
  void *v;
  memcpy(&v, slot_at(m, i), sizeof v);
  return v;
}
static void set_value(rtc_map_t *m, uint32_t i, void *v) { memcpy(slot_at(m, i), &v, sizeof v); }
static uint8_t *key_at(const rtc_map_t *m, uint32_t i) { return slot_at(m, i) + sizeof(void *); }
static uint32_t home_of(const rtc_map_t *m, const void *key) { return (uint32_t)rtc_siphash(key, m->key_len, m->k0, m->k1) & (m->cap - 1); }

static uint64_t le64(const uint8_t *p) {
  uint64_t v = 0;
  for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
  return v;
}
static uint64_t rotl(uint64_t v, int n) { return v << n | v >> (64 - n); }
static void sip_round(uint64_t v[4]) {
  v[0] += v[1], v[2] += v[3];
  v[1] = rotl(v[1], 13) ^ v[0], v[3] = rotl(v[3], 16) ^ v[2];
  v[0] = rotl(v[0], 32);
  v[2] += v[1], v[0] += v[3];
  v[1] = rotl(v[1], 17) ^ v[2], v[3] = rotl(v[3], 21) ^ v[0];
  v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson and Bernstein 2012): two rounds a word, four at the end. */
uint64_t rtc_siphash(const uint8_t *p, size_t n, uint64_t k0, uint64_t k1) {
  uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
  uint64_t last = (uint64_t)n << 56; /* the length's low byte stands above the rest of the input */
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    uint64_t word = le64(p + i);
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
  }
  for (int shift = 0; i < n; i++, shift += 8) last |= (uint64_t)p[i] << shift;
  v[3] ^= last;
  sip_round(v);
  sip_round(v);
  v[0] ^= last;
  v[2] ^= 0xff;
  for (int r = 0; r < 4; r++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void rtc_map_init(rtc_map_t *m, uint32_t key_len, const uint8_t seed[16]) {
  memset(m, 0, sizeof *m);
  m->key_len = key_len;
  m->k0 = le64(seed);
  m->k1 = le64(seed + 8);
}

void rtc_map_clear(rtc_map_t *m) {
  free(m->slots);
  m->slots = NULL;
  m->cap = m->used = m->dead = 0;
}

/* The key's slot: true. Else false, and *at is where it would go: the first dead slot on the way, else the empty
 * one that ended the search. There is always an empty one (load <= 3/4, dead slots included). */
static bool find(const rtc_map_t *m, const void *key, uint32_t *at) {
  uint32_t mask = m->cap - 1, i = home_of(m, key);
  bool have_dead = false;
  for (;; i = (i + 1) & mask) {
    void *v = value_at(m, i);
    if (!v) break;
    if (v == DEAD) {
      if (!have_dead) *at = i;
      have_dead = true;
    } else if (memcmp(key_at(m, i), key, m->key_len) == 0) {
      *at = i;
      return true;
    }
  }
  if (!have_dead) *at = i;
  return false;
}

void *rtc_map_get(const rtc_map_t *m, const void *key) {
  uint32_t at;
  return m->used && find(m, key, &at) ? value_at(m, at) : NULL;
}

/* A table that is at most half full once one more is in, without dead slots. Half leaves a quarter of the table
 * before the next rehash, so rehashing is O(1) a put in the long run, also when keys only come and go. */
static int rehash(rtc_map_t *m) {
  rtc_map_t to = *m;
  to.cap = CAP_MIN;
  to.dead = 0;
  while (to.cap / 2 < m->used + 1) {
    if (to.cap >= CAP_MAX) return RTC_ENOMEM;
    to.cap *= 2;
  }
  to.slots = calloc(to.cap, stride_of(m));
  if (!to.slots) return RTC_ENOMEM;
  for (uint32_t i = 0; i < m->cap; i++) {
    void *v = value_at(m, i);
    if (!v || v == DEAD) continue;
    uint32_t at = home_of(&to, key_at(m, i)); /* keys are distinct: the next empty slot will do */
    while (value_at(&to, at)) at = (at + 1) & (to.cap - 1);
    memcpy(slot_at(&to, at), slot_at(m, i), stride_of(m));
  }
  free(m->slots);
  *m = to;
  return 0;
}

int rtc_map_put(rtc_map_t *m, const void *key, void *value) {
  if (!value || m->key_len == 0 || m->key_len > KEY_MAX) return RTC_EINVAL;
  uint32_t at = 0;
  if (m->cap && find(m, key, &at)) {
    set_value(m, at, value);
    return 0;
  }
  if (m->cap && value_at(m, at) == DEAD) {
    m->dead--;
  } else if (m->used + m->dead + 1 > m->cap / 4 * 3) {
    int err = rehash(m);
    if (err) return err;
    (void)find(m, key, &at);
  }
  memcpy(key_at(m, at), key, m->key_len);
  set_value(m, at, value);
  m->used++;
  return 0;
}

void *rtc_map_del(rtc_map_t *m, const void *key) {
  uint32_t at;
  if (!m->used || !find(m, key, &at)) return NULL;
  void *v = value_at(m, at);
  uint32_t mask = m->cap - 1;
  set_value(m, at, DEAD);
  m->used--;
  m->dead++;
  /* Dead slots just before an empty one hold no search up: bury them at once. Nothing moves, so a walk goes on. */
  if (!value_at(m, (at + 1) & mask)) {
    for (; value_at(m, at) == DEAD; at = (at - 1) & mask) {
      set_value(m, at, NULL);
      m->dead--;
    }
  }
  return v;
}

void *rtc_map_next(const rtc_map_t *m, uint32_t *pos) {
  while (*pos < m->cap) {
    void *v = value_at(m, (*pos)++);
    if (v && v != DEAD) return v;
  }
  return NULL;
}
