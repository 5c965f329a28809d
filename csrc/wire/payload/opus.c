/* Opus: a payload is a frame, and every frame can be decoded by itself (RFC 7587 §4.2). So it is with G.711 (RFC 3551 §4.5.14). */
#include "wire/payload/payload.h"

rtc_payload_info_t rtc_opus_look(const uint8_t *p, size_t n) {
  (void)p;
  (void)n; /* an empty payload is a frame that was not sent (DTX), not a fault */
  return (rtc_payload_info_t){true, true};
}

int rtc_whole_join(rtc_join_t *j, const uint8_t *p, size_t n) { return j->payloads ? RTC_EPROTO : rtc_join_add(j, p, n); }
