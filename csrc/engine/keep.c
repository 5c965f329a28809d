/* keep: plaintext kept for repair. All histories together hold at most half of the pool's slots, so that however many streams
 * there are, slots remain to receive and to send with: when they want more, each one reaches less far back. */
#include "engine/state.h"

uint32_t rtc_keep_depth(const rtc_hub_t *h, const rtc_history_t *k) {
  uint32_t room = h->slots / 2;
  if (h->kept_cap <= room) return k->cap;
  uint32_t share = (uint32_t)((uint64_t)k->cap * room / h->kept_cap), least = k->cap < RTC_HISTORY_LEAST ? k->cap : RTC_HISTORY_LEAST;
  return share < least ? least : share;
}

static void drop(rtc_history_t *k, uint32_t place) {
  rtc_pkt_put(k->v[place]);
  k->v[place] = NULL;
}

/* What lies further back than the depth that is left. */
static void trim(const rtc_hub_t *h, rtc_history_t *k, int64_t top) {
  int64_t depth = rtc_keep_depth(h, k);
  for (uint32_t i = 0; k->v && i < k->cap; i++)
    if (k->v[i] && k->index[i] <= top - depth) drop(k, i);
}

static void trim_all(rtc_hub_t *h) {
  uint32_t pos = 0;
  for (rtc_recv_t *r; (r = rtc_map_next(&h->recvs, &pos));) trim(h, &r->history, r->highest);
  pos = 0;
  for (rtc_send_t *s; (s = rtc_map_next(&h->sends, &pos));) trim(h, &s->own, s->top);
}

int rtc_keep_open(rtc_hub_t *h, rtc_history_t *k, uint32_t cap) {
  int err = rtc_history_init(k, cap);
  if (err < 0) return err;
  h->kept_cap += cap;
  if (h->kept_cap > h->slots / 2) trim_all(h);
  return 0;
}

void rtc_keep_close(rtc_hub_t *h, rtc_history_t *k) {
  h->kept_cap -= k->cap;
  rtc_history_clear(k);
}

void rtc_keep_empty(rtc_history_t *k) {
  for (uint32_t i = 0; k->v && i < k->cap; i++) drop(k, i);
}

void rtc_keep_put(rtc_hub_t *h, rtc_history_t *k, int64_t index, rtc_pkt_t *pkt) {
  if (!k->cap) return;
  rtc_history_put(k, index, pkt);
  if (!k->v) return;
  int64_t old = index - rtc_keep_depth(h, k);
  uint32_t place = (uint32_t)old & (k->cap - 1);
  if (old >= 0 && k->v[place] && k->index[place] == old) drop(k, place);
}
