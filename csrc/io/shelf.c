#include "io/shelf.h"

#include <stdlib.h>

#include "base/err.h"

typedef struct rtc_shelf_place {
  struct rtc_shelf_place *next;
  uint32_t receiver;
  bool listed;
  rtc_frameq_t q;
} place_t;

int rtc_shelf_init(rtc_shelf_t *s, const uint8_t seed[16]) {
  *s = (rtc_shelf_t){0};
  rtc_map_init(&s->places, sizeof(uint32_t), seed);
  return pthread_mutex_init(&s->lock, NULL) == 0 ? 0 : RTC_ENOMEM;
}

void rtc_shelf_clear(rtc_shelf_t *s) {
  uint32_t pos = 0;
  for (place_t *p; (p = rtc_map_next(&s->places, &pos));) {
    rtc_frameq_clear(&p->q);
    free(p);
  }
  rtc_map_clear(&s->places);
  pthread_mutex_destroy(&s->lock);
}

int rtc_shelf_open(rtc_shelf_t *s, uint32_t receiver) {
  place_t *p = calloc(1, sizeof *p);
  if (!p) return RTC_ENOMEM;
  p->receiver = receiver;
  pthread_mutex_lock(&s->lock);
  int err = 0;
  bool had = rtc_map_get(&s->places, &receiver) != NULL;
  if (!had) err = rtc_map_put(&s->places, &receiver, p);
  pthread_mutex_unlock(&s->lock);
  if (had || err < 0) free(p);
  return err;
}

static void unlist(rtc_shelf_t *s, place_t *p) {
  place_t *before = NULL;
  for (place_t *i = s->told; i; before = i, i = i->next) {
    if (i != p) continue;
    if (before)
      before->next = p->next;
    else
      s->told = p->next;
    if (s->told_last == p) s->told_last = before;
    return;
  }
}

void rtc_shelf_close(rtc_shelf_t *s, uint32_t receiver) {
  pthread_mutex_lock(&s->lock);
  place_t *p = rtc_map_del(&s->places, &receiver);
  if (p && p->listed) unlist(s, p);
  pthread_mutex_unlock(&s->lock);
  if (!p) return;
  rtc_frameq_clear(&p->q);
  free(p);
}

rtc_frame_t *rtc_shelf_get(rtc_shelf_t *s, uint32_t receiver) {
  pthread_mutex_lock(&s->lock);
  place_t *p = rtc_map_get(&s->places, &receiver);
  rtc_frame_t *f = p ? rtc_frameq_get(&p->q) : NULL;
  pthread_mutex_unlock(&s->lock);
  return f;
}

uint32_t rtc_shelf_news(rtc_shelf_t *s) {
  uint32_t receiver = 0;
  pthread_mutex_lock(&s->lock);
  place_t *p = s->told;
  if (p) {
    s->told = p->next;
    if (!s->told) s->told_last = NULL;
    p->listed = false;
    receiver = p->receiver;
  }
  pthread_mutex_unlock(&s->lock);
  return receiver;
}

bool rtc_shelf_enter(rtc_shelf_t *s) { return pthread_mutex_trylock(&s->lock) == 0; }

void rtc_shelf_leave(rtc_shelf_t *s) { pthread_mutex_unlock(&s->lock); }

uint32_t rtc_shelf_put(rtc_shelf_t *s, rtc_frame_t *f, bool *skip, bool *first) {
  place_t *p = rtc_map_get(&s->places, &f->receiver);
  *skip = *first = false;
  if (!p) {
    free(f);
    return 0;
  }
  uint32_t dropped = rtc_frameq_put(&p->q, f);
  *skip = p->q.skip;
  if (p->listed || !p->q.n) return dropped;
  p->listed = *first = true;
  p->next = NULL;
  if (s->told_last)
    s->told_last->next = p;
  else
    s->told = p;
  s->told_last = p;
  return dropped;
}
