#include "base/window.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 64, WORDS = RTC_WINDOW_SIZE / WORD };

static uint64_t bit_of(uint64_t n) { return (uint64_t)1 << (n % WORD); }
static uint64_t *ring(rtc_window_t *w) { return w->wide ? w->wide : w->bits; }
static size_t word_of(const rtc_window_t *w, uint64_t n) { return n / WORD & (w->words - 1); }

void rtc_window_init(rtc_window_t *w) {
  memset(w, 0, sizeof *w);
  w->size = RTC_WINDOW_SIZE;
  w->words = WORDS;
  w->top = -1;
}

int rtc_window_init_size(rtc_window_t *w, uint32_t size) {
  rtc_window_init(w);
  if (size < RTC_WINDOW_SIZE_LEAST || size > RTC_WINDOW_SIZE_MOST) return RTC_EINVAL;
  w->size = size;
  while (w->words * WORD < size) w->words *= 2;
  if (w->words == WORDS) return RTC_OK;
  w->wide = calloc(w->words, sizeof *w->wide);
  return w->wide ? RTC_OK : RTC_ENOMEM;
}

void rtc_window_clear(rtc_window_t *w) {
  free(w->wide);
  w->wide = NULL;
}

void rtc_window_above(rtc_window_t *w, int64_t top) {
  memset(ring(w), top < 0 ? 0 : 0xff, w->words * sizeof *w->bits);
  w->top = top;
}

int rtc_window_check(const rtc_window_t *w, int64_t n) {
  if (n < 0) return RTC_EINVAL;
  if (n > w->top) return 0;
  if (w->top - n >= w->size) return RTC_EREPLAY;
  const uint64_t *bits = w->wide ? w->wide : w->bits;
  return bits[word_of(w, (uint64_t)n)] & bit_of((uint64_t)n) ? RTC_EREPLAY : 0;
}

/* Bits from..from+count-1 become unseen, a word at a time (the idea of RFC 6479, but exact to the bit). */
static void clear_run(rtc_window_t *w, uint64_t from, uint64_t count) {
  while (count > 0) {
    uint64_t at = from % WORD, run = WORD - at;
    if (run > count) run = count;
    uint64_t mask = run == WORD ? ~(uint64_t)0 : (((uint64_t)1 << run) - 1) << at;
    ring(w)[word_of(w, from)] &= ~mask;
    from += run;
    count -= run;
  }
}

void rtc_window_commit(rtc_window_t *w, int64_t n) {
  if (n > w->top) {
    /* Unsigned, since top may be -1 and n INT64_MAX. */
    uint64_t top = (uint64_t)w->top, ahead = (uint64_t)n - top;
    if (ahead >= (uint64_t)w->words * WORD)
      memset(ring(w), 0, w->words * sizeof *w->bits);
    else if (ahead > 1)
      clear_run(w, top + 1, ahead - 1);
    w->top = n;
  }
  ring(w)[word_of(w, (uint64_t)n)] |= bit_of((uint64_t)n);
}
