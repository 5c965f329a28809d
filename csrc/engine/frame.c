#include "engine/frame.h"

#include <stdlib.h>

rtc_frame_t *rtc_frameq_get(rtc_frameq_t *q) {
  rtc_frame_t *f = q->first;
  if (!f) return NULL;
  q->first = f->next;
  if (!q->first) q->last = NULL;
  q->n--;
  q->bytes -= f->len;
  f->next = NULL;
  return f;
}

static uint32_t drop_first(rtc_frameq_t *q) {
  free(rtc_frameq_get(q));
  return 1;
}

static bool is_full(const rtc_frameq_t *q, uint32_t more) { return q->n == RTC_FRAMES_MAX || (q->n && q->bytes + more > RTC_FRAMES_BYTES); }

uint32_t rtc_frameq_put(rtc_frameq_t *q, rtc_frame_t *f) {
  uint32_t dropped = 0;
  if (f->key) q->skip = false;
  while (!q->skip && is_full(q, f->len)) {
    dropped += drop_first(q);
    if (!f->video) continue;
    while (q->n && !q->first->key) dropped += drop_first(q);
    q->skip = !q->n && !f->key;
  }
  if (q->skip) {
    free(f);
    dropped++;
  } else {
    f->next = NULL;
    if (q->last)
      q->last->next = f;
    else
      q->first = f;
    q->last = f;
    q->n++;
    q->bytes += f->len;
  }
  q->dropped += dropped;
  return dropped;
}

void rtc_frameq_clear(rtc_frameq_t *q) {
  while (q->n) drop_first(q);
}
