/* A packet may leave while its bucket is not in debt, and its whole size is charged: small rates need no special case. */
#include "proto/pacer.h"

#define RATE_MAX INT64_C(1000000000000) /* 1 Tb/s: keeps rate times burst far from overflow */

int64_t rtc_pacer_burst(int64_t rate_bps) {
  const int64_t most = INT64_C(8000000) * RTC_PACER_PICTURE_BYTES;
  int64_t least = rate_bps * RTC_PACER_BURST_US, picture = rate_bps * RTC_PACER_PICTURE_US;
  if (picture > most) picture = most;
  return picture > least ? picture : least;
}

static int64_t burst(const rtc_pacer_t *p) { return rtc_pacer_burst(p->rate_bps); }

/* Earned over `span`, never above one burst. The comparison by division cannot overflow after a long silence. */
static int64_t earn(const rtc_pacer_t *p, int64_t credit, rtc_time_t span) {
  int64_t room = burst(p) - credit;
  if (room <= 0) return burst(p);
  return span > room / p->rate_bps ? burst(p) : credit + p->rate_bps * span;
}

static void refill(rtc_pacer_t *p, rtc_time_t now) {
  if (now <= p->last) return;
  if (p->rate_bps > 0) {
    p->credit = earn(p, p->credit, now - p->last);
    p->audio_credit = earn(p, p->audio_credit, now - p->last);
  }
  p->last = now;
}

static void set_rate(rtc_pacer_t *p, int64_t rate_bps) {
  p->rate_bps = rate_bps < 0 ? 0 : rate_bps > RATE_MAX ? RATE_MAX : rate_bps;
  if (p->credit > burst(p)) p->credit = burst(p);
  if (p->audio_credit > burst(p)) p->audio_credit = burst(p);
}

void rtc_pacer_init(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now) {
  *p = (rtc_pacer_t){.last = now, .credit = INT64_MAX, .audio_credit = INT64_MAX};
  set_rate(p, rate_bps); /* starts with one burst */
}

void rtc_pacer_clear(rtc_pacer_t *p) {
  for (int c = 0; c < RTC_PACE_CLASSES; c++) {
    for (rtc_pkt_t *k = p->q[c].first, *next; k; k = next) {
      next = k->next;
      k->next = NULL;
      rtc_pkt_put(k);
    }
    p->q[c].first = p->q[c].last = NULL;
    p->q[c].n = 0;
  }
}

void rtc_pacer_set_rate(rtc_pacer_t *p, int64_t rate_bps, rtc_time_t now) {
  refill(p, now);
  set_rate(p, rate_bps);
}

int rtc_pacer_put(rtc_pacer_t *p, rtc_pkt_t *k, rtc_pace_t c, rtc_time_t now) {
  refill(p, now);
  if (p->q[c].n >= RTC_PACER_QUEUE_MAX) {
    p->dropped++;
    return RTC_ENOBUFS;
  }
  k->next = NULL;
  if (p->q[c].last)
    p->q[c].last->next = k;
  else
    p->q[c].first = k;
  p->q[c].last = k;
  p->q[c].n++;
  return 0;
}

/* The class whose turn it is; RTC_PACE_CLASSES when all queues that have credit are empty. */
static rtc_pace_t turn(const rtc_pacer_t *p) {
  if (p->rate_bps == 0) return RTC_PACE_CLASSES;
  if (p->q[RTC_PACE_AUDIO].n && p->audio_credit >= 0) return RTC_PACE_AUDIO;
  if (p->credit < 0) return RTC_PACE_CLASSES;
  rtc_pace_t c = RTC_PACE_REPAIR;
  while (c < RTC_PACE_CLASSES && p->q[c].n == 0) c++;
  return c;
}

rtc_pkt_t *rtc_pacer_pop(rtc_pacer_t *p, rtc_pace_t *c, rtc_time_t now) {
  refill(p, now);
  rtc_pace_t t = turn(p);
  if (t == RTC_PACE_CLASSES) return NULL;
  rtc_pkt_t *k = p->q[t].first;
  p->q[t].first = k->next;
  if (!k->next) p->q[t].last = NULL;
  p->q[t].n--;
  k->next = NULL;
  int64_t cost = (int64_t)k->len * 8 * 1000000;
  p->credit -= cost;
  if (t == RTC_PACE_AUDIO) p->audio_credit -= cost;
  *c = t;
  return k;
}

/* When a bucket is out of debt, and has earned `more` besides where it was in debt. */
static rtc_time_t clear_at(const rtc_pacer_t *p, int64_t credit, int64_t more) {
  return credit >= 0 ? p->last : p->last + (more - credit + p->rate_bps - 1) / p->rate_bps;
}

/* Several are waited for, a step's worth, so that they cost one wake-up and leave as one run; the last leaves no later for it. */
static int64_t together(const rtc_pacer_t *p) {
  const rtc_pkt_t *k = p->q[RTC_PACE_REPAIR].n ? p->q[RTC_PACE_REPAIR].first : p->q[RTC_PACE_VIDEO].first;
  int64_t others = p->q[RTC_PACE_REPAIR].n + p->q[RTC_PACE_VIDEO].n - INT64_C(1), step = p->rate_bps * RTC_PACER_STEP_US;
  int64_t cost = others * k->len * 8 * 1000000;
  return cost < step ? cost : step;
}

rtc_time_t rtc_pacer_next_at(const rtc_pacer_t *p) {
  rtc_time_t at = RTC_NEVER;
  if (p->rate_bps == 0) return at;
  if (p->q[RTC_PACE_AUDIO].n) at = clear_at(p, p->audio_credit, 0);
  if (p->q[RTC_PACE_REPAIR].n || p->q[RTC_PACE_VIDEO].n) at = rtc_time_min(at, clear_at(p, p->credit, together(p)));
  return at;
}
