/* csrcs: whose media a mixer put into a stream. */
#include "proto/csrcs.h"

#include "base/bytes.h"
#include "check.h"

/* A packet with these sources; levels NULL: none are told. */
static void packet(rtc_csrcs_t *s, rtc_time_t at, uint32_t ts, const char *ids, const char *levels) {
  uint8_t list[60], raw[15];
  size_t n = check_hex(raw, sizeof raw, ids), levels_n = 0;
  for (size_t i = 0; i < n; i++) rtc_put32(list + 4 * i, 0xc0ffee00u + raw[i]);
  if (levels) levels_n = check_hex(raw, sizeof raw, levels);
  uint8_t *p = malloc(n ? 4 * n : 1), *q = malloc(levels_n ? levels_n : 1); /* not a byte more than there is */
  if (!p || !q) exit(2);
  memcpy(p, list, 4 * n);
  memcpy(q, raw, levels_n);
  rtc_csrcs_on(s, p, n, levels ? q : NULL, levels_n, ts, at);
  free(p);
  free(q);
}

/* "ID:level@ms " of each. */
static void check_is(const rtc_csrcs_t *s, const char *want) {
  char got[400] = "";
  for (uint32_t i = 0; i < s->n && i < 12; i++)
    sprintf(got + strlen(got), "%s%x:%d@%d", i ? " " : "", s->v[i].id & 0xff, s->v[i].level, (int)(s->v[i].at / 1000));
  if (strcmp(got, want) != 0) fprintf(stderr, "%s, not %s\n", got, want);
  CHECK(strcmp(got, want) == 0);
}

static void newest_first(void) {
  rtc_csrcs_t s = {0};
  check_is(&s, "");
  packet(&s, RTC_MS(0), 100, "01 02", NULL);
  check_is(&s, "1:-1@0 2:-1@0");
  packet(&s, RTC_MS(20), 200, "03", "05");
  check_is(&s, "3:5@20 1:-1@0 2:-1@0");
  packet(&s, RTC_MS(40), 300, "02 01", "7f 80"); /* the upper bit is reserved (RFC 6465 §3) */
  check_is(&s, "2:127@40 1:0@40 3:5@20");
  CHECK(s.v[0].ts == 300 && s.v[1].ts == 300 && s.v[2].ts == 200 && s.v[0].id == 0xc0ffee02);
  packet(&s, RTC_MS(60), 400, "01 02 03", "0a"); /* levels for some of them alone */
  check_is(&s, "1:10@60 2:-1@60 3:-1@60");
  packet(&s, RTC_MS(80), 500, "03", "01 02 03 04"); /* and for more than there are */
  check_is(&s, "3:1@80 1:10@60 2:-1@60");
  packet(&s, RTC_MS(90), 500, "", NULL);
  check_is(&s, "3:1@80 1:10@60 2:-1@60");
  packet(&s, RTC_MS(70), 450, "02", NULL); /* came earlier, was whole later */
  check_is(&s, "2:-1@80 3:1@80 1:10@60");
  packet(&s, RTC_MS(100), 600, "04 04 04", "01 02 03"); /* named three times */
  check_is(&s, "4:1@100 2:-1@80 3:1@80 1:10@60");
}

static void told_for_ten_seconds(void) {
  rtc_csrcs_t s = {0};
  packet(&s, RTC_SEC(5), 0, "01", NULL);
  packet(&s, RTC_SEC(7), 0, "02 03", NULL);
  CHECK_EQ(rtc_csrcs_n(&s, RTC_SEC(7)), 3);
  CHECK_EQ(rtc_csrcs_n(&s, RTC_SEC(15)), 3);
  CHECK_EQ(rtc_csrcs_n(&s, RTC_SEC(15) + 1), 2);
  CHECK_EQ(rtc_csrcs_n(&s, RTC_SEC(17) + 1), 0);
  packet(&s, RTC_SEC(20), 0, "01", NULL);
  CHECK_EQ(rtc_csrcs_n(&s, RTC_SEC(20)), 1);
}

/* More than there is room for: the longest silent ones go, and what is kept never grows. */
static void caps(void) {
  rtc_csrcs_t s = {0};
  uint8_t id[4];
  for (uint32_t i = 0; i < 10000; i++) {
    rtc_put32(id, i);
    rtc_csrcs_on(&s, id, 1, NULL, 0, i, i);
    CHECK(s.n <= 32);
  }
  CHECK_EQ(s.n, 32);
  for (uint32_t i = 0; i < 32; i++) CHECK_EQ(s.v[i].id, 9999 - i);
  rtc_put32(id, 9968);
  rtc_csrcs_on(&s, id, 1, NULL, 0, 10000, 10000); /* the last one comes again */
  CHECK(s.n == 32 && s.v[0].id == 9968 && s.v[1].id == 9999 && s.v[31].id == 9969);
}

int main(void) {
  RUN(newest_first);
  RUN(told_for_ten_seconds);
  RUN(caps);
  return CHECK_END();
}
