#include "base/err.h"

#include <limits.h>

#include "check.h"

static void every_error_has_its_own_text(void) {
#define ENTRY(name, value, text) {name, value, text},
  static const struct {
    int err, value;
    const char *text;
  } all[] = {RTC_ERRORS(ENTRY)};
  enum { N = sizeof all / sizeof *all };
  for (int i = 0; i < N; i++) {
    CHECK_EQ(all[i].err, all[i].value);
    CHECK(all[i].err < 0);
    CHECK(strcmp(rtc_err_text(all[i].err), all[i].text) == 0);
    for (int j = 0; j < i; j++) {
      CHECK(all[i].err != all[j].err);
      CHECK(strcmp(all[i].text, all[j].text) != 0);
    }
  }
}

static void other_values_are_unknown(void) {
  static const int odd[] = {1, 7, -9, -100, INT_MIN, INT_MAX};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) CHECK(strcmp(rtc_err_text(odd[i]), "unknown error") == 0);
  CHECK(strcmp(rtc_err_text(RTC_OK), "ok") == 0);
}

int main(void) {
  RUN(every_error_has_its_own_text);
  RUN(other_values_are_unknown);
  return CHECK_END();
}
