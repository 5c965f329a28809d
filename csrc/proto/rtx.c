#include "proto/rtx.h"

#include <stdlib.h>

#include "base/err.h"

/* ---- history ---- */

int rtc_history_init(rtc_history_t *h, uint32_t cap) {
  *h = (rtc_history_t){0};
  if (cap == 0 || (cap & (cap - 1)) != 0) return RTC_EINVAL;
  h->cap = cap;
  return 0;
}

static bool open_places(rtc_history_t *h) {
  rtc_pkt_t **v = calloc(h->cap, sizeof *v);
  int64_t *index = calloc(h->cap, sizeof *index);
  if (!v || !index) {
    free(v);
    free(index);
    return false;
  }
  h->v = v;
  h->index = index;
  return true;
}

void rtc_history_clear(rtc_history_t *h) {
  for (uint32_t i = 0; h->v && i < h->cap; i++) rtc_pkt_put(h->v[i]);
  free(h->v);
  free(h->index);
  *h = (rtc_history_t){0};
}

void rtc_history_put(rtc_history_t *h, int64_t index, rtc_pkt_t *k) {
  if (h->cap == 0 || (!h->v && !open_places(h))) return;
  uint32_t i = (uint32_t)index & (h->cap - 1);
  if (h->v[i] && h->index[i] > index) return; /* it came so late that its place holds a newer one */
  rtc_pkt_t *old = h->v[i];
  h->v[i] = rtc_pkt_ref(k);
  h->index[i] = index;
  rtc_pkt_put(old);
}

rtc_pkt_t *rtc_history_get(const rtc_history_t *h, int64_t index) {
  if (!h->v) return NULL;
  uint32_t i = (uint32_t)index & (h->cap - 1);
  return h->v[i] && h->index[i] == index ? h->v[i] : NULL;
}

/* ---- per viewer ---- */

void rtc_rtx_init(rtc_rtx_t *r) { *r = (rtc_rtx_t){0}; }

void rtc_rtx_clear(rtc_rtx_t *r) {
  free(r->v);
  *r = (rtc_rtx_t){0};
}

static rtc_rtx_entry_t *entry(const rtc_rtx_t *r, int64_t seq) { return &r->v[(uint64_t)seq % RTC_RTX_MAP]; }

int rtc_rtx_put(rtc_rtx_t *r, int64_t seq, int64_t src, uint32_t bytes) {
  if (seq < 0) return RTC_EINVAL;
  r->sent_bytes += bytes;
  if (!r->v) {
    r->v = malloc(RTC_RTX_MAP * sizeof *r->v);
    if (!r->v) return RTC_ENOMEM;
    for (int i = 0; i < RTC_RTX_MAP; i++) r->v[i] = (rtc_rtx_entry_t){.seq = -1};
  }
  rtc_rtx_entry_t *e = entry(r, seq);
  if (e->seq < seq) *e = (rtc_rtx_entry_t){.seq = seq, .src = src};
  return 0;
}

static int64_t refuse(rtc_rtx_t *r, int err) {
  r->refused++;
  return err;
}

int64_t rtc_rtx_ask(rtc_rtx_t *r, int64_t seq, uint32_t bytes, rtc_time_t gap_us, rtc_time_t now) {
  if (!r->v || seq < 0) return RTC_EINVAL;
  rtc_rtx_entry_t *e = entry(r, seq);
  if (e->seq != seq) return RTC_EINVAL;
  if (gap_us < RTC_RTX_MIN_GAP_US) gap_us = RTC_RTX_MIN_GAP_US;
  if (e->tries >= RTC_RTX_TRIES || (e->tries > 0 && (uint32_t)now - e->at < (uint64_t)gap_us)) return refuse(r, RTC_EREPLAY);
  uint64_t budget = RTC_RTX_START + r->sent_bytes * RTC_RTX_PERCENT / 100;
  if (r->repaired_bytes + bytes > budget) return refuse(r, RTC_ENOBUFS);
  e->tries++;
  e->at = (uint32_t)now;
  r->repaired++;
  r->repaired_bytes += bytes;
  return e->src;
}
