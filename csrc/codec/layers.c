#include "codec/layers.h"

typedef struct place {
  uint8_t tid, uses, updates;
  bool sync;
} place_t;

enum { PERIOD = 4, REF_FAR = 127 /* 7 bits in RFC 9628 */ };

/* The upper half of the frames is never used again, so that whoever lacks one of them lacks nothing else. */
static const place_t patterns[RTC_LAYERS_MAX][PERIOD] = {
    {{0, RTC_BUF_ALL, RTC_BUF_LAST, false}},
    {{0, RTC_BUF_LAST, RTC_BUF_LAST, false}, {1, RTC_BUF_LAST, 0, true}},
    {{0, RTC_BUF_LAST, RTC_BUF_LAST, false},
     {2, RTC_BUF_LAST, 0, true},
     {1, RTC_BUF_LAST, RTC_BUF_GOLDEN, true},
     {2, RTC_BUF_LAST | RTC_BUF_GOLDEN, 0, false}},
};
static const uint8_t periods[RTC_LAYERS_MAX] = {1, 2, 4};

void rtc_layers_init(rtc_layers_t *l, uint8_t count) {
  if (count < 1) count = 1;
  if (count > RTC_LAYERS_MAX) count = RTC_LAYERS_MAX;
  *l = (rtc_layers_t){.count = count};
}

void rtc_layers_begin(rtc_layers_t *l) {
  l->at = 0;
  l->anew = true;
}

static void add_ref(rtc_layer_frame_t *f, int64_t back) {
  uint8_t n = back < 1 ? 1 : back > REF_FAR ? REF_FAR : (uint8_t)back, at = 0;
  while (at < f->refs && f->ref[at] < n) at++;
  if (at < f->refs && f->ref[at] == n) return;
  for (uint8_t i = f->refs++; i > at; i--) f->ref[i] = f->ref[i - 1];
  f->ref[at] = n;
}

void rtc_layers_next(const rtc_layers_t *l, bool key, rtc_layer_frame_t *f) {
  if (key) {
    *f = (rtc_layer_frame_t){.updates = RTC_BUF_ALL, .free = l->count == 1};
    return;
  }
  const place_t *p = &patterns[l->count - 1][l->at];
  *f = (rtc_layer_frame_t){.tid = p->tid,
                           .sync = p->sync,
                           .droppable = p->updates == 0,
                           .free = l->count == 1 && !l->anew,
                           .uses = p->uses,
                           .updates = p->updates};
  if (l->anew) {
    f->uses = RTC_BUF_LAST;
    f->updates = RTC_BUF_ALL;
  }
  /* With one layer each frame has the one before it in a buffer; whoever has that one has had the older ones. */
  if (l->count == 1) add_ref(f, 1);
  for (int b = 0; l->count > 1 && b < RTC_LAYERS_BUFFERS; b++) {
    if (f->uses >> b & 1) add_ref(f, l->frames - l->held[b]);
  }
}

void rtc_layers_commit(rtc_layers_t *l, const rtc_layer_frame_t *f) {
  bool key = f->refs == 0;
  if (key) l->at = 0;
  l->anew = false;
  for (int b = 0; b < RTC_LAYERS_BUFFERS; b++) {
    if (f->updates >> b & 1) l->held[b] = l->frames;
  }
  l->frames++;
  l->at = (uint8_t)((l->at + 1) % periods[l->count - 1]);
}

uint8_t rtc_layers_decimator(const rtc_layers_t *l, uint8_t tid) {
  uint8_t one_in = 1;
  for (uint8_t above = tid; above + 1 < l->count; above++) one_in = (uint8_t)(one_in * 2);
  return one_in;
}
