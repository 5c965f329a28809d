#include "base/window.h"

#include "base/err.h"
#include "check.h"

static const int64_t starts[] = {0, 1, 63, 64, 1023, 1024, 65535, 65536, INT32_MAX, (int64_t)1 << 32, (int64_t)1 << 47};
enum { STARTS = sizeof starts / sizeof *starts };

static void nothing_is_seen_at_first(void) {
  rtc_window_t w;
  memset(&w, 0xff, sizeof w);
  rtc_window_init(&w);
  CHECK_EQ(w.top, -1);
  CHECK_EQ(rtc_window_check(&w, 0), 0);
  CHECK_EQ(rtc_window_check(&w, INT64_MAX), 0);
  CHECK_EQ(rtc_window_check(&w, -1), RTC_EINVAL);
  CHECK_EQ(rtc_window_check(&w, INT64_MIN), RTC_EINVAL);
}

static void check_changes_nothing(void) {
  rtc_window_t w, before;
  rtc_window_init(&w);
  rtc_window_commit(&w, 100);
  before = w;
  for (int64_t n = -5; n < 3000; n++) (void)rtc_window_check(&w, n);
  CHECK_MEM(&w, &before, sizeof w);
}

static void the_edges(void) {
  for (int i = 0; i < STARTS; i++) {
    int64_t s = starts[i] + RTC_WINDOW_SIZE;
    rtc_window_t w;
    rtc_window_init(&w);
    rtc_window_commit(&w, s);
    CHECK_EQ(rtc_window_check(&w, s), RTC_EREPLAY);
    CHECK_EQ(rtc_window_check(&w, s + 1), 0);
    CHECK_EQ(rtc_window_check(&w, s - 1), 0);
    CHECK_EQ(rtc_window_check(&w, s - RTC_WINDOW_SIZE + 1), 0); /* the oldest in the window */
    CHECK_EQ(rtc_window_check(&w, s - RTC_WINDOW_SIZE), RTC_EREPLAY);
    rtc_window_commit(&w, s - RTC_WINDOW_SIZE + 1);
    CHECK_EQ(rtc_window_check(&w, s - RTC_WINDOW_SIZE + 1), RTC_EREPLAY);
    CHECK_EQ(w.top, s);
    rtc_window_commit(&w, s + 1);
    CHECK_EQ(rtc_window_check(&w, s + 1), RTC_EREPLAY); /* took over the bit of the one that fell out */
    CHECK_EQ(rtc_window_check(&w, s), RTC_EREPLAY);
  }
}

/* After a full window and a jump of any size, what is between the old top and the new is new, no more and no less. */
static void every_jump_clears_what_it_passes(void) {
  for (int i = 0; i < STARTS; i++) {
    for (int64_t jump = 1; jump <= 2 * RTC_WINDOW_SIZE + 3; jump += jump < 130 ? 1 : 61) {
      rtc_window_t w;
      rtc_window_init(&w);
      for (int64_t n = starts[i]; n < starts[i] + RTC_WINDOW_SIZE; n++) rtc_window_commit(&w, n);
      int64_t old = w.top, top = old + jump;
      rtc_window_commit(&w, top);
      int wrong = 0;
      for (int64_t n = top - RTC_WINDOW_SIZE + 1; n <= top; n++)
        wrong += rtc_window_check(&w, n) != (n <= old || n == top ? RTC_EREPLAY : 0);
      CHECK_EQ(wrong, 0);
    }
  }
  rtc_window_t w;
  rtc_window_init(&w);
  rtc_window_commit(&w, INT64_MAX); /* from -1: the difference does not fit int64 */
  CHECK_EQ(rtc_window_check(&w, INT64_MAX), RTC_EREPLAY);
  CHECK_EQ(rtc_window_check(&w, INT64_MAX - 1023), 0);
  CHECK_EQ(rtc_window_check(&w, INT64_MAX - 1024), RTC_EREPLAY);
}

static const uint32_t sizes[] = {64, 65, 100, 1023, 1024, 1025, 5000, 32768};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void sizes_have_bounds(void) {
  static const uint32_t wrong[] = {0, 1, 63, 32769, 65536, UINT32_MAX};
  rtc_window_t w;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK_EQ(rtc_window_init_size(&w, wrong[i]), RTC_EINVAL);
  for (int i = 0; i < SIZES; i++) {
    int64_t s = 100000, size = sizes[i];
    CHECK_EQ(rtc_window_init_size(&w, sizes[i]), 0);
    rtc_window_commit(&w, s);
    CHECK_EQ(rtc_window_check(&w, s - size + 1), 0);
    CHECK_EQ(rtc_window_check(&w, s - size), RTC_EREPLAY);
    rtc_window_above(&w, s + 5);
    for (int64_t n = s + 5 - 2 * size; n <= s + 5; n++) CHECK_EQ(rtc_window_check(&w, n), RTC_EREPLAY);
    CHECK_EQ(rtc_window_check(&w, s + 6), 0);
    rtc_window_commit(&w, s + 7);
    CHECK_EQ(rtc_window_check(&w, s + 6), 0);
    rtc_window_above(&w, -1);
    CHECK_EQ(rtc_window_check(&w, 0), 0);
    rtc_window_clear(&w);
    rtc_window_clear(&w);
  }
}

/* Against a plain array of everything ever committed, through reordering, repeats and jumps. */
static void agrees_with_a_plain_model(void) {
  enum { SPAN = 400000 };
  static unsigned char seen[SPAN];
  for (int i = 0; i < STARTS; i++) {
    memset(seen, 0, sizeof seen);
    rtc_window_t w;
    int64_t size = sizes[i % SIZES];
    CHECK_EQ(rtc_window_init_size(&w, (uint32_t)size), 0);
    uint64_t x = 0x9e3779b97f4a7c15u + (uint64_t)i;
    int64_t top = -1, near = 2000;
    int wrong = 0, accepted = 0;
    for (int round = 0; round < 60000; round++) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      near += (int64_t)(x % 7) - 1;
      if (x >> 54 == 0) near += 900 + (int64_t)(x >> 20 & 0x3ff);
      int64_t n = near - (int64_t)((x >> 32) % (uint64_t)(2 * size)) * ((x >> 12 & 3) == 0);
      if (n < 0 || n >= SPAN) continue;
      int want = top >= 0 && (n <= top - size || seen[n]) ? RTC_EREPLAY : 0;
      int got = rtc_window_check(&w, starts[i] + n);
      wrong += got != want;
      if (got == 0) {
        rtc_window_commit(&w, starts[i] + n);
        seen[n] = 1;
        if (n > top) top = n;
        accepted++;
      }
    }
    CHECK_EQ(wrong, 0);
    CHECK(accepted > 20000);
    CHECK_EQ(w.top, starts[i] + top);
    rtc_window_clear(&w);
  }
}

int main(void) {
  RUN(nothing_is_seen_at_first);
  RUN(check_changes_nothing);
  RUN(the_edges);
  RUN(every_jump_clears_what_it_passes);
  RUN(sizes_have_bounds);
  RUN(agrees_with_a_plain_model);
  return CHECK_END();
}
