#include "wire/framing.h"

#include "base/bytes.h"

enum { STUN_HEADER = 20, CHANNEL_HEADER = 4, CHANNEL_FIRST = 0x40, CHANNEL_LAST = 0x4f };

static size_t padding(size_t n) { return (4 - n % 4) % 4; }

static int look_turn(const uint8_t *p, size_t n, rtc_framed_t *out) {
  if (!n) return 0;
  bool channel = p[0] >= CHANNEL_FIRST && p[0] <= CHANNEL_LAST;
  if (!channel && p[0] & 0xc0) return RTC_EPROTO;
  if (n < CHANNEL_HEADER) return 0;
  size_t len = rtc_get16(p + 2);
  if (!channel && len % 4) return RTC_EPROTO;
  out->head = 0;
  out->len = len + (channel ? CHANNEL_HEADER : STUN_HEADER);
  out->total = out->len + (channel ? padding(len) : 0);
  return 1;
}

int rtc_framing_look(rtc_framing_t kind, const uint8_t *p, size_t n, rtc_framed_t *out) {
  if (kind == RTC_FRAMING_TURN) return look_turn(p, n, out);
  if (n < 2) return 0;
  out->head = 2;
  out->len = rtc_get16(p);
  out->total = 2 + out->len;
  return 1;
}

size_t rtc_framing_head(rtc_framing_t kind, uint8_t *out, size_t n) {
  if (kind != RTC_FRAMING_LENGTH) return 0;
  rtc_put16(out, (uint16_t)n);
  return 2;
}

size_t rtc_framing_tail(rtc_framing_t kind, const uint8_t *p, size_t n) {
  if (kind != RTC_FRAMING_TURN || n < CHANNEL_HEADER || p[0] < CHANNEL_FIRST || p[0] > CHANNEL_LAST) return 0;
  return padding(n);
}
