/* telephone: the payload of a telephone event (RFC 4733 §2.3): which tone, how loud, how long so far. */
#ifndef RTC_WIRE_TELEPHONE_H
#define RTC_WIRE_TELEPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { RTC_TELEPHONE_LEN = 4, RTC_TELEPHONE_VOLUME_MAX = 63, RTC_TELEPHONE_DURATION_MAX = 65535 };

typedef struct rtc_telephone {
  uint8_t code;      /* 0 to 15: the keys 0123456789*#ABCD (§3.2); others are of other services */
  bool end;          /* the event is over */
  uint8_t volume;    /* -dBm0, 0 to 63 */
  uint16_t duration; /* so far, in units of the RTP clock */
} rtc_telephone_t;

/* 0 or RTC_EPROTO. What follows the first event belongs to nothing that we agree to. */
RTC_MUST_USE int rtc_telephone_parse(rtc_telephone_t *e, const uint8_t *p, size_t n);
void rtc_telephone_write(const rtc_telephone_t *e, uint8_t out[RTC_TELEPHONE_LEN]);

#endif
