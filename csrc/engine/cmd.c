#include "engine/cmd.h"

#include <stdlib.h>

void rtc_cmd_drop(const rtc_cmd_t *c, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (c[i].op == RTC_OP_FRAME) free(c[i].u.frame.data);
    if (c[i].op == RTC_OP_TRANSPORT) rtc_dtls_ctx_free(c[i].u.transport.dtls);
    if (c[i].op == RTC_OP_CAPTURE) rtc_capture_free(c[i].u.capture);
  }
}
