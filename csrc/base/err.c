#include "base/err.h"

const char *rtc_err_text(int err) {
  switch (err) {
    case RTC_OK:
      return "ok";
#define RTC_ERR_CASE(name, value, text) \
  case name:                            \
    return text;
      RTC_ERRORS(RTC_ERR_CASE)
#undef RTC_ERR_CASE
    default:
      return "unknown error";
  }
}
