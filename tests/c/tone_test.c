#include "proto/tone.h"

#include "check.h"

#define MS RTC_MS

typedef struct said {
  rtc_time_t at;
  rtc_tone_packet_t p;
} said_t;

/* All packets of a tone that began at `start`, asked for at its deadlines plus `late`. */
static int all_of(rtc_tone_tx_t *t, said_t *out, int cap, rtc_time_t late) {
  int n = 0;
  for (rtc_time_t at; (at = rtc_tone_tx_next_at(t)) != RTC_NEVER;) {
    rtc_tone_packet_t p;
    while (rtc_tone_tx_pop(t, &p, false, at + late))
      if (n < cap) out[n++] = (said_t){at + late, p};
  }
  return n;
}

/* A packet each step, the first with the marker, three that tell the end. */
static void a_tone_is_sent(void) {
  static const uint32_t rates[] = {8000, 48000};
  for (int i = 0; i < 2; i++) {
    rtc_tone_tx_t t;
    said_t s[32];
    rtc_tone_packet_t p;
    rtc_tone_tx_init(&t);
    CHECK_EQ(rtc_tone_tx_next_at(&t), RTC_NEVER);
    CHECK_EQ(rtc_tone_tx_pop(&t, &p, false, MS(5)), 0);
    CHECK_EQ(rtc_tone_tx_start(&t, 5, 10, MS(90), rates[i], MS(1000)), 0);
    CHECK_EQ(rtc_tone_tx_pop(&t, &p, false, MS(1019)), 0);
    int n = all_of(&t, s, 32, 0);
    static const int64_t at[] = {20, 40, 60, 80, 90, 110, 130}, ms[] = {20, 40, 60, 80, 90, 90, 90};
    CHECK_EQ(n, 7);
    for (int k = 0; k < n && k < 7; k++) {
      CHECK_EQ(s[k].at, MS(1000 + at[k]));
      CHECK_EQ(s[k].p.event.duration, ms[k] * rates[i] / 1000);
      CHECK(s[k].p.event.code == 5 && s[k].p.event.volume == 10 && s[k].p.shift_us == 0);
      CHECK_EQ(s[k].p.marker, k == 0);
      CHECK_EQ(s[k].p.event.end, k >= 4);
    }
    CHECK_EQ(rtc_tone_tx_pop(&t, &p, false, RTC_SEC(9)), 0);
  }
}

/* A field of 16 bits holds 1.36 s at 48 kHz: segments, the last packet of each three times, and one end (RFC 4733 §2.5.1.3). */
static void a_long_tone_has_segments(void) {
  rtc_tone_tx_t t;
  static said_t s[400];
  rtc_tone_tx_init(&t);
  CHECK_EQ(rtc_tone_tx_start(&t, 11, 0, MS(6000), 48000, 0), 0);
  int n = all_of(&t, s, 400, 0), ends = 0, markers = 0;
  CHECK_EQ(n, 6000 / 20 + 2 * 5); /* five segments */
  for (int k = 0; k < n; k++) {
    ends += s[k].p.event.end;
    markers += s[k].p.marker;
    rtc_time_t so_far = s[k].p.shift_us + (rtc_time_t)s[k].p.event.duration * 1000 / 48;
    CHECK_EQ(so_far, k < n - 2 ? s[k].at : MS(6000));
    CHECK_EQ(s[k].p.shift_us % MS(1360), 0);
    if (k) CHECK(s[k].p.shift_us >= s[k - 1].p.shift_us);
  }
  CHECK_EQ(ends, 3);
  CHECK_EQ(markers, 1);
}

/* Who is asked late says what holds by then, and the end all the same. */
static void late_is_no_burst(void) {
  rtc_tone_tx_t t;
  said_t s[32];
  rtc_tone_tx_init(&t);
  CHECK_EQ(rtc_tone_tx_start(&t, 1, 0, MS(200), 8000, 0), 0);
  CHECK_EQ(all_of(&t, s, 32, MS(95)), 1 + 3);
  CHECK(s[0].p.marker && !s[0].p.event.end && s[0].p.event.duration == 100 * 8);
  CHECK(s[3].p.event.end && s[3].p.event.duration == 200 * 8);
  CHECK_EQ(rtc_tone_tx_start(&t, 1, 0, MS(200), 8000, 0), 0);
  CHECK_EQ(all_of(&t, s, 32, RTC_SEC(5)), 3);
  CHECK(s[0].p.marker && s[0].p.event.end && s[0].p.event.duration == 200 * 8);
}

/* The next one begins before it was over: its end goes out now, as long as it was. */
static void a_tone_is_cut(void) {
  static const struct {
    int64_t cut_ms, said, left; /* left: packets that are still to come; said: milliseconds */
  } rows[] = {{5, 20, 3}, {50, 60, 3}, {95, 100, 3}, {105, 100, 2}, {125, 100, 1}, {141, 0, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_tone_tx_t t;
    rtc_tone_packet_t p;
    rtc_tone_tx_init(&t);
    CHECK_EQ(rtc_tone_tx_start(&t, 3, 0, MS(100), 8000, 0), 0);
    while (rtc_tone_tx_next_at(&t) <= MS(rows[i].cut_ms)) CHECK_EQ(rtc_tone_tx_pop(&t, &p, false, rtc_tone_tx_next_at(&t)), 1);
    int n = 0;
    while (rtc_tone_tx_pop(&t, &p, true, MS(rows[i].cut_ms))) {
      n++;
      CHECK(p.event.end);
      CHECK_EQ(p.event.duration, rows[i].said * 8);
    }
    CHECK_EQ(n, rows[i].left);
    CHECK_EQ(rtc_tone_tx_next_at(&t), RTC_NEVER);
  }
}

static void tones_that_cannot_be(void) {
  rtc_tone_tx_t t;
  rtc_tone_tx_init(&t);
  CHECK_EQ(rtc_tone_tx_start(&t, 0, 0, 0, 8000, 0), RTC_EINVAL);
  CHECK_EQ(rtc_tone_tx_start(&t, 0, 0, RTC_TONE_MAX_US + 1, 8000, 0), RTC_EINVAL);
  CHECK_EQ(rtc_tone_tx_start(&t, 0, 64, MS(100), 8000, 0), RTC_EINVAL);
  CHECK_EQ(rtc_tone_tx_start(&t, 0, 0, MS(100), 0, 0), RTC_EINVAL);
  CHECK_EQ(rtc_tone_tx_next_at(&t), RTC_NEVER);
  CHECK_EQ(rtc_tone_tx_start(&t, 0, 0, 1, 8000, 0), 0); /* the shortest: no duration of zero, which would mean without end */
  rtc_tone_packet_t p;
  CHECK(rtc_tone_tx_pop(&t, &p, false, 1) && p.marker && p.event.end && p.event.duration == 1);
}

typedef struct heard {
  int64_t ts;
  uint16_t duration;
  uint8_t code;
  bool end, marker;
  rtc_time_t at;
} heard_t;

static void take(rtc_tone_rx_t *r, const heard_t *h) {
  rtc_telephone_t e = {.code = h->code, .end = h->end, .volume = 10, .duration = h->duration};
  rtc_tone_rx_tick(r, h->at);
  rtc_tone_rx_on_packet(r, &e, h->ts, h->marker, 8000, h->at);
}

#define TONE(r, c, ms)                            \
  do {                                            \
    rtc_tone_t got_ = {0};                        \
    CHECK_EQ(rtc_tone_rx_pop((r), &got_), 1);     \
    CHECK(got_.code == (c) && got_.volume == 10); \
    CHECK_EQ(got_.length_us, MS(ms));             \
  } while (0)
#define NO_TONE(r)                            \
  do {                                        \
    rtc_tone_t got_;                          \
    CHECK_EQ(rtc_tone_rx_pop((r), &got_), 0); \
  } while (0)

static void a_tone_is_told_once(void) {
  static const heard_t h[] = {{1000, 160, 5, false, true, MS(20)},
                              {1000, 320, 5, false, false, MS(40)},
                              {1000, 800, 5, true, false, MS(100)},
                              {1000, 800, 5, true, false, MS(120)},
                              {1000, 480, 5, false, false, MS(121)} /* late */};
  rtc_tone_rx_t r;
  rtc_tone_rx_init(&r);
  take(&r, &h[0]);
  take(&r, &h[1]);
  NO_TONE(&r);
  CHECK_EQ(rtc_tone_rx_next_at(&r), MS(40) + RTC_TONE_QUIET_US);
  for (int i = 2; i < 5; i++) take(&r, &h[i]);
  TONE(&r, 5, 100);
  NO_TONE(&r);
  CHECK_EQ(rtc_tone_rx_next_at(&r), RTC_NEVER);
  take(&r, &(heard_t){200, 160, 6, true, true, MS(130)}); /* older than what was told */
  NO_TONE(&r);
}

/* All of it but one packet is lost; the ends are; it is the next tone that tells. */
static void losses(void) {
  rtc_tone_rx_t r;
  rtc_tone_rx_init(&r);
  take(&r, &(heard_t){5000, 800, 7, true, false, MS(100)});
  TONE(&r, 7, 100);
  take(&r, &(heard_t){9000, 640, 8, false, true, MS(600)});
  rtc_tone_rx_tick(&r, MS(600) + RTC_TONE_QUIET_US - 1);
  NO_TONE(&r);
  rtc_tone_rx_tick(&r, MS(600) + RTC_TONE_QUIET_US);
  TONE(&r, 8, 80);
  take(&r, &(heard_t){20000, 480, 1, false, true, MS(2000)});
  take(&r, &(heard_t){21000, 160, 2, false, false, MS(2100)}); /* its first one is lost as well */
  TONE(&r, 1, 60);
  take(&r, &(heard_t){22500, 160, 2, true, true, MS(2200)}); /* the same key again */
  TONE(&r, 2, 20);
  TONE(&r, 2, 20);
  NO_TONE(&r);
  take(&r, &(heard_t){30000, 480, 4, false, true, MS(3000)});
  rtc_tone_rx_renew(&r);
  TONE(&r, 4, 60);
  take(&r, &(heard_t){10, 480, 4, true, true, MS(3000)}); /* another stream's time */
  TONE(&r, 4, 60);
}

/* What one side sends the other tells, whatever its length, with every third packet lost. */
static void what_is_sent_is_told(void) {
  static const int64_t ms[] = {40, 100, 1360, 1370, 6000, 9000};
  for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
    for (int drop = 0; drop < 3; drop++) {
      rtc_tone_tx_t t;
      rtc_tone_rx_t r;
      static said_t s[1000];
      rtc_tone_tx_init(&t);
      rtc_tone_rx_init(&r);
      CHECK_EQ(rtc_tone_tx_start(&t, 9, 10, MS(ms[i]), 48000, 0), 0);
      int n = all_of(&t, s, 1000, 0);
      for (int k = 0; k < n; k++)
        if (k % 3 != drop)
          rtc_tone_rx_on_packet(&r, &s[k].p.event, (INT64_C(1) << 32) - 1000 + s[k].p.shift_us * 48 / 1000, s[k].p.marker, 48000, s[k].at);
      TONE(&r, 9, ms[i]);
      NO_TONE(&r);
    }
}

static void a_flood_is_bounded(void) {
  rtc_tone_rx_t r;
  rtc_tone_rx_init(&r);
  for (int i = 0; i < 1000; i++) take(&r, &(heard_t){1000 * i, (uint16_t)(8 * (i + 1)), (uint8_t)(i & 15), true, true, MS(i)});
  for (int i = 1000 - RTC_TONES_MAX; i < 1000; i++) TONE(&r, i & 15, i + 1);
  NO_TONE(&r);
}

int main(void) {
  RUN(a_tone_is_sent);
  RUN(a_long_tone_has_segments);
  RUN(late_is_no_burst);
  RUN(a_tone_is_cut);
  RUN(tones_that_cannot_be);
  RUN(a_tone_is_told_once);
  RUN(losses);
  RUN(what_is_sent_is_told);
  RUN(a_flood_is_bounded);
  return CHECK_END();
}
