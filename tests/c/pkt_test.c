#include "base/pkt.h"

#include "check.h"

static void a_new_packet_is_clean(void) {
  rtc_pool_t *p = rtc_pool_new(1);
  rtc_pkt_t *k = rtc_pkt_get(p);
  CHECK(k != NULL);
  k->at = 5;
  k->len = 9;
  k->data += 7;
  k->tag[3] = 1;
  k->path.sock = 4;
  k->path.remote.port = 5;
  k->next = k;
  rtc_pkt_put(k);
  rtc_pkt_t *again = rtc_pkt_get(p);
  CHECK(again == k); /* the warm one comes first */
  CHECK_EQ(again->refs, 1);
  CHECK_EQ(again->len, 0);
  CHECK_EQ(again->at, 0);
  CHECK_EQ(again->tag[3], 0);
  CHECK_EQ(again->path.sock, 0);
  CHECK_EQ(again->path.remote.port, 0);
  CHECK(again->next == NULL);
  CHECK(again->pool == p);
  CHECK(again->data == again->buf + RTC_PKT_HEAD);
  CHECK_EQ(rtc_pkt_cap(again), RTC_PKT_DATA + RTC_PKT_TAIL);
  again->data -= RTC_PKT_HEAD;
  CHECK_EQ(rtc_pkt_cap(again), RTC_PKT_HEAD + RTC_PKT_DATA + RTC_PKT_TAIL);
  memset(again->data, 0xaa, rtc_pkt_cap(again));
  rtc_pkt_put(again);
  rtc_pool_free(p);
}

static void slots_and_their_data_start_cache_lines(void) {
  rtc_pool_t *p = rtc_pool_new(2 * RTC_PKT_CHUNK);
  for (int i = 0; i < 2 * RTC_PKT_CHUNK; i++) {
    rtc_pkt_t *k = rtc_pkt_get(p);
    CHECK_EQ((uintptr_t)k % 64, 0);
    CHECK_EQ((uintptr_t)k->data % 64, 0);
  }
  rtc_pool_free(p);
}

static void the_last_reference_gives_the_slot_back(void) {
  rtc_pool_t *p = rtc_pool_new(1);
  rtc_pkt_t *k = rtc_pkt_get(p);
  CHECK(rtc_pkt_ref(k) == k);
  CHECK_EQ(k->refs, 2);
  rtc_pkt_put(k);
  CHECK_EQ(rtc_pool_used(p), 1);
  CHECK_EQ(k->refs, 1);
  rtc_pkt_put(k);
  CHECK_EQ(rtc_pool_used(p), 0);
  rtc_pkt_put(NULL);
  rtc_pool_free(p);
  rtc_pool_free(NULL);
}

static void the_cap_is_rounded_up_and_held(void) {
  static const struct {
    uint32_t cap, slots;
  } rows[] = {{0, 0}, {1, RTC_PKT_CHUNK}, {RTC_PKT_CHUNK, RTC_PKT_CHUNK}, {RTC_PKT_CHUNK + 1, 2 * RTC_PKT_CHUNK}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_pool_t *p = rtc_pool_new(rows[i].cap);
    rtc_pkt_t *held = NULL, *k;
    uint32_t n = 0;
    while (n <= rows[i].slots && (k = rtc_pkt_get(p)) != NULL) {
      k->next = held;
      held = k;
      n++;
    }
    CHECK_EQ(n, rows[i].slots);
    CHECK_EQ(rtc_pool_used(p), rows[i].slots);
    CHECK(rtc_pkt_get(p) == NULL);
    if (held) { /* one back, one out again */
      k = held->next;
      rtc_pkt_put(held);
      held = rtc_pkt_get(p);
      CHECK(held != NULL);
      CHECK(rtc_pkt_get(p) == NULL);
      held->next = k;
    }
    while (held) {
      k = held->next;
      rtc_pkt_put(held);
      held = k;
    }
    CHECK_EQ(rtc_pool_used(p), 0);
    rtc_pool_free(p);
  }
  rtc_pool_t *p = rtc_pool_new(UINT32_MAX); /* no overflow while rounding, and no memory before it is used */
  rtc_pkt_t *k = rtc_pkt_get(p);
  CHECK(k != NULL);
  rtc_pkt_put(k);
  rtc_pool_free(p);
}

/* Random gets and puts: no slot is ever given to two owners, and a grown pool uses no slot that it has not used. */
static void no_slot_has_two_owners(void) {
  enum { N = 3 * RTC_PKT_CHUNK };
  static rtc_pkt_t *held[N], *known[N];
  rtc_pool_t *p = rtc_pool_new(N);
  for (int i = 0; i < N; i++) known[i] = held[i] = rtc_pkt_get(p);
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < N; i++) held[i]->len = (uint32_t)i;
  for (int round = 0; round < 200000; round++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    int i = (int)(x % N);
    if (held[i]) {
      CHECK_EQ(held[i]->len, i);
      rtc_pkt_put(held[i]);
      held[i] = NULL;
    } else {
      held[i] = rtc_pkt_get(p);
      CHECK(held[i] != NULL);
      CHECK_EQ(held[i]->len, 0);
      held[i]->len = (uint32_t)i;
    }
  }
  uint32_t used = 0;
  for (int i = 0; i < N; i++) {
    used += held[i] != NULL;
    if (!held[i]) continue;
    int found = 0;
    for (int j = 0; j < N; j++) found += known[j] == held[i];
    CHECK_EQ(found, 1);
  }
  CHECK_EQ(rtc_pool_used(p), used);
  rtc_pool_free(p);
}

int main(void) {
  RUN(a_new_packet_is_clean);
  RUN(slots_and_their_data_start_cache_lines);
  RUN(the_last_reference_gives_the_slot_back);
  RUN(the_cap_is_rounded_up_and_held);
  RUN(no_slot_has_two_owners);
  return CHECK_END();
}
