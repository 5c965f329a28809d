/* The ring is read by the report that is due and by later ones that start again at a late number, so entries stay after done. */
#include "proto/arrival.h"

#include "base/seq.h"

/* What a report costs on the wire: IP and UDP 28, SRTCP 20, message 20, chunks and deltas of a usual interval 20. */
enum { REPORT_BYTES = 88, SHARE = 20 /* one part in 20: 5 % */, START_US = 100000 };

static rtc_time_t *slot(rtc_arrival_t *a, int64_t seq) { return &a->at[(uint64_t)seq % RTC_ARRIVAL_MAX]; }

void rtc_arrival_init(rtc_arrival_t *a) {
  *a = (rtc_arrival_t){.from = -1, .top = -1, .due = RTC_NEVER, .late = RTC_NEVER, .last_report = RTC_NEVER, .interval = START_US};
  for (int i = 0; i < RTC_ARRIVAL_MAX; i++) a->at[i] = RTC_NEVER;
}

/* Moves the top to seq; the numbers between are not seen, and what falls out of the ring cannot be reported. */
static void advance(rtc_arrival_t *a, int64_t seq) {
  int64_t first = a->top + 1, lowest = seq - RTC_ARRIVAL_MAX + 1;
  for (int64_t i = first > lowest ? first : lowest; i < seq; i++) *slot(a, i) = RTC_NEVER;
  a->top = seq;
  if (a->from < lowest) a->from = lowest;
}

/* A report becomes due one interval after the last. After silence the old rate says nothing: counting starts anew. */
static void schedule(rtc_arrival_t *a, rtc_time_t now) {
  if (a->last_report == RTC_NEVER || a->last_report + a->interval + RTC_ARRIVAL_SLACK_US < now) {
    a->last_report = now;
    a->interval = START_US;
    a->bytes = 0;
  }
  a->due = a->last_report + a->interval;
  a->late = a->due + RTC_ARRIVAL_SLACK_US;
}

void rtc_arrival_on_packet(rtc_arrival_t *a, uint16_t seq, uint32_t bytes, rtc_time_t now) {
  int64_t index;
  if (a->top < 0) {
    index = (int64_t)seq + 0x10000; /* one cycle up, so that late numbers stay above zero */
    a->from = a->top = index;
  } else {
    index = rtc_seq_near(a->top, seq);
    if (index > a->top)
      advance(a, index);
    else if (index <= a->top - RTC_ARRIVAL_MAX || *slot(a, index) != RTC_NEVER)
      return;
    if (index < a->from) a->from = index;
  }
  *slot(a, index) = now;
  if (a->due == RTC_NEVER) schedule(a, now);
  a->bytes += bytes;
  if (a->top - a->from >= RTC_ARRIVAL_MAX / 2) a->due = rtc_time_min(a->due, now);
  if (a->due <= now) a->late = a->due;
}

int rtc_arrival_peek(const rtc_arrival_t *a, uint16_t *base, rtc_time_t *at, int cap, rtc_time_t now) {
  if (now < a->due) return 0;
  int64_t n = a->top - a->from + 1;
  if (n > cap) n = cap;
  *base = (uint16_t)a->from;
  for (int i = 0; i < (int)n; i++) at[i] = a->at[(uint64_t)(a->from + i) % RTC_ARRIVAL_MAX];
  return (int)n;
}

void rtc_arrival_done(rtc_arrival_t *a, int n, rtc_time_t now) {
  if (n <= 0 || a->due == RTC_NEVER) return;
  a->fb_count++;
  a->from += n;
  if (a->from <= a->top) return; /* the rest is still due */
  a->from = a->top + 1;
  a->due = a->late = RTC_NEVER;
  rtc_time_t span = now > a->last_report ? now - a->last_report : 1;
  rtc_time_t wait = a->bytes > 0 ? REPORT_BYTES * SHARE * span / a->bytes : RTC_ARRIVAL_MAX_US;
  if (wait < RTC_ARRIVAL_MIN_US) wait = RTC_ARRIVAL_MIN_US;
  if (wait > RTC_ARRIVAL_MAX_US) wait = RTC_ARRIVAL_MAX_US;
  a->interval = wait;
  a->last_report = now;
  a->bytes = 0;
}

rtc_time_t rtc_arrival_next_at(const rtc_arrival_t *a) { return a->late; }
