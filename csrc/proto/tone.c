#include "proto/tone.h"

#include <string.h>

void rtc_tone_tx_init(rtc_tone_tx_t *t) { *t = (rtc_tone_tx_t){.next = RTC_NEVER}; }

int rtc_tone_tx_start(rtc_tone_tx_t *t, uint8_t code, uint8_t volume, rtc_time_t length_us, uint32_t rate, rtc_time_t now) {
  if (length_us < 1 || length_us > RTC_TONE_MAX_US || volume > RTC_TELEPHONE_VOLUME_MAX || !rate || rate > 1000000) return RTC_EINVAL;
  *t = (rtc_tone_tx_t){.code = code, .volume = volume, .rate = rate, .start = now, .length = length_us};
  t->at = length_us < RTC_TONE_STEP_US ? length_us : RTC_TONE_STEP_US;
  t->next = now + t->at;
  return 0;
}

static uint32_t units(const rtc_tone_tx_t *t, rtc_time_t us) { return (uint32_t)(us * t->rate / 1000000); }

/* The most that a segment may say, in whole steps. */
static rtc_time_t segment_max(const rtc_tone_tx_t *t) {
  rtc_time_t most = (rtc_time_t)RTC_TELEPHONE_DURATION_MAX * 1000000 / t->rate;
  return most - most % RTC_TONE_STEP_US;
}

static rtc_time_t segment_end(const rtc_tone_tx_t *t) {
  rtc_time_t full = t->segment + segment_max(t);
  return full < t->length ? full : t->length;
}

/* What the packet says that goes out now: as of the latest step, but no step over the end of a segment. */
static void catch_up(rtc_tone_tx_t *t, rtc_time_t now) {
  rtc_time_t steps = (now - t->start) / RTC_TONE_STEP_US * RTC_TONE_STEP_US, end = segment_end(t);
  if (now - t->start >= t->length && end == t->length) steps = end;
  if (steps > t->at) t->at = steps < end ? steps : end;
}

static void advance(rtc_tone_tx_t *t, rtc_time_t now) {
  rtc_time_t end = segment_end(t);
  if (t->at == end && ++t->copies < RTC_TONE_ENDS) {
    if (end == t->length) t->next = now + RTC_TONE_STEP_US;
    return; /* the last of a segment goes out again at once: the next one begins here */
  }
  t->copies = 0;
  if (t->at == t->length) {
    t->next = RTC_NEVER;
    return;
  }
  if (t->at == end) t->segment = end;
  rtc_time_t step = t->at + RTC_TONE_STEP_US;
  t->at = step < segment_end(t) ? step : segment_end(t);
  t->next = t->start + t->at;
}

int rtc_tone_tx_pop(rtc_tone_tx_t *t, rtc_tone_packet_t *out, bool cut, rtc_time_t now) {
  if (t->next == RTC_NEVER) return 0;
  if (cut && t->copies == 0) {
    rtc_time_t so_far = now - t->start;
    if (so_far < t->at) so_far = t->at; /* what would be said next: a tone of no length is none */
    if (so_far < t->length) t->length = so_far < segment_end(t) ? so_far : segment_end(t);
  }
  if (cut) t->next = now < t->next ? now : t->next;
  if (t->next > now) return 0;
  if (t->copies == 0) catch_up(t, now);
  *out = (rtc_tone_packet_t){.marker = !t->begun, .shift_us = t->segment};
  uint32_t duration = units(t, t->at - t->segment);
  out->event = (rtc_telephone_t){t->code, t->at == t->length, t->volume, (uint16_t)(duration ? duration : 1)}; /* 0 means without end */
  t->begun = true;
  advance(t, now);
  return 1;
}

void rtc_tone_rx_init(rtc_tone_rx_t *t) { memset(t, 0, sizeof *t); }

static void finish(rtc_tone_rx_t *t) {
  t->open = false;
  if (t->n == RTC_TONES_MAX) {
    t->first = (t->first + 1) % RTC_TONES_MAX;
    t->n--;
  }
  uint64_t all = t->before + t->event.duration;
  t->done[(t->first + t->n++) % RTC_TONES_MAX] =
      (rtc_tone_t){t->event.code, t->event.volume, (rtc_time_t)(all / t->rate * 1000000 + all % t->rate * 1000000 / t->rate)};
}

void rtc_tone_rx_on_packet(rtc_tone_rx_t *t, const rtc_telephone_t *e, int64_t ts, bool marker, uint32_t rate, rtc_time_t now) {
  if (!rate || (t->known && ts < t->ts)) return;
  if (t->known && ts == t->ts) {
    if (!t->open || e->code != t->event.code) return;
    if (e->duration > t->event.duration) t->event.duration = e->duration;
  } else {
    const bool goes_on = t->open && !marker && e->code == t->event.code;
    if (t->open && !goes_on) finish(t);
    t->before = goes_on ? t->before + t->event.duration : 0;
    t->event = *e;
    t->ts = ts;
    t->rate = rate;
    t->known = t->open = true;
  }
  t->heard = now;
  if (e->end) finish(t);
}

void rtc_tone_rx_renew(rtc_tone_rx_t *t) {
  if (t->open) finish(t);
  t->known = false;
}

void rtc_tone_rx_tick(rtc_tone_rx_t *t, rtc_time_t now) {
  if (rtc_tone_rx_next_at(t) <= now) finish(t);
}

int rtc_tone_rx_pop(rtc_tone_rx_t *t, rtc_tone_t *out) {
  if (!t->n) return 0;
  *out = t->done[t->first];
  t->first = (t->first + 1) % RTC_TONES_MAX;
  t->n--;
  return 1;
}
