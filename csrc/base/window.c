#include "base/window.h"

#include <string.h>

#include "base/err.h"

enum { WORD = 64, WORDS = RTC_WINDOW_SIZE / WORD };

static uint64_t bit_of(uint64_t n) { return (uint64_t)1 << (n % WORD); }
static unsigned word_of(uint64_t n) { return (unsigned)(n / WORD % WORDS); }

void rtc_window_init(rtc_window_t *w) {
  memset(w->bits, 0, sizeof w->bits);
  w->top = -1;
}

int rtc_window_check(const rtc_window_t *w, int64_t n) {
  if (n < 0) return RTC_EINVAL;
  if (n > w->top) return 0;
  if (w->top - n >= RTC_WINDOW_SIZE) return RTC_EREPLAY;
  return w->bits[word_of((uint64_t)n)] & bit_of((uint64_t)n) ? RTC_EREPLAY : 0;
}

/* Bits from..from+count-1 become unseen, a word at a time (the idea of RFC 6479, but exact to the bit). */
static void clear_run(rtc_window_t *w, uint64_t from, uint64_t count) {
  while (count > 0) {
    uint64_t at = from % WORD, run = WORD - at;
    if (run > count) run = count;
    uint64_t mask = run == WORD ? ~(uint64_t)0 : (((uint64_t)1 << run) - 1) << at;
    w->bits[word_of(from)] &= ~mask;
    from += run;
    count -= run;
  }
}

void rtc_window_commit(rtc_window_t *w, int64_t n) {
  if (n > w->top) {
    /* Unsigned, since top may be -1 and n INT64_MAX. */
    uint64_t top = (uint64_t)w->top, ahead = (uint64_t)n - top;
    if (ahead >= RTC_WINDOW_SIZE)
      memset(w->bits, 0, sizeof w->bits);
    else if (ahead > 1)
      clear_run(w, top + 1, ahead - 1);
    w->top = n;
  }
  w->bits[word_of((uint64_t)n)] |= bit_of((uint64_t)n);
}
