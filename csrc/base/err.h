/* err: the short list of results below zero. A bad packet is not an error but a counted drop reason
 * (engine/drop.h); these say that a caller asked for something that cannot be done. */
#ifndef RTC_BASE_ERR_H
#define RTC_BASE_ERR_H

#define RTC_ERRORS(X)                                         \
  X(RTC_ENOMEM, -1, "out of memory")                          \
  X(RTC_EINVAL, -2, "invalid argument")                       \
  X(RTC_ESTATE, -3, "not possible in this state")             \
  X(RTC_ENOBUFS, -4, "no room: a buffer or a cap is reached") \
  X(RTC_EPROTO, -5, "malformed or unexpected protocol data")  \
  X(RTC_EAUTH, -6, "authentication failed")                   \
  X(RTC_EREPLAY, -7, "replayed or already used index")        \
  X(RTC_ECLOSED, -8, "closed")

#define RTC_ERR_ENUM(name, value, text) name = value,
typedef enum rtc_err { RTC_OK = 0, RTC_ERRORS(RTC_ERR_ENUM) } rtc_err_t;
#undef RTC_ERR_ENUM

#define RTC_MUST_USE __attribute__((warn_unused_result))

/* Static text for a result; "unknown error" for a value not in the list. */
const char *rtc_err_text(int err);

#endif
