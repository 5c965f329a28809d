#include "engine/drop.h"

#include <stddef.h>

const char *rtc_drop_name(int drop) {
#define RTC_DROP_TEXT(name, text) text,
  static const char *const names[] = {RTC_DROPS(RTC_DROP_TEXT)};
#undef RTC_DROP_TEXT
  return drop >= 0 && drop < RTC_DROP_COUNT ? names[drop] : NULL;
}
