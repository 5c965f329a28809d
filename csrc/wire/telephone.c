#include "wire/telephone.h"

#include "base/bytes.h"

int rtc_telephone_parse(rtc_telephone_t *e, const uint8_t *p, size_t n) {
  if (n < RTC_TELEPHONE_LEN) return RTC_EPROTO;
  *e = (rtc_telephone_t){.code = p[0], .end = p[1] >> 7, .volume = p[1] & 0x3f, .duration = rtc_get16(p + 2)};
  return 0;
}

void rtc_telephone_write(const rtc_telephone_t *e, uint8_t out[RTC_TELEPHONE_LEN]) {
  out[0] = e->code;
  out[1] = (uint8_t)((e->end ? 0x80 : 0) | (e->volume & 0x3f));
  rtc_put16(out + 2, e->duration);
}
