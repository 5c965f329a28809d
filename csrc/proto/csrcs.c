#include "proto/csrcs.h"

#include <string.h>

#include "base/bytes.h"

/* To the front, from where it stood or in place of the oldest. */
static void put(rtc_csrcs_t *s, const rtc_csrc_t *c) {
  uint32_t i = 0;
  while (i < s->n && s->v[i].id != c->id) i++;
  if (i == s->n && s->n < RTC_CSRCS_MAX) s->n++;
  if (i == RTC_CSRCS_MAX) i--;
  memmove(s->v + 1, s->v, i * sizeof *s->v);
  s->v[0] = *c;
}

void rtc_csrcs_on(rtc_csrcs_t *s, const uint8_t *list, size_t n, const uint8_t *levels, size_t levels_n, uint32_t ts, rtc_time_t at) {
  if (s->n && at < s->v[0].at) at = s->v[0].at; /* of packets that overtook each other */
  for (size_t i = n; i-- > 0;) {                /* the first of them ends up in front */
    int16_t level = i < levels_n ? (int16_t)(levels[i] & 0x7f) : RTC_CSRC_NO_LEVEL;
    put(s, &(rtc_csrc_t){.at = at, .id = rtc_get32(list + 4 * i), .ts = ts, .level = level});
  }
}

uint32_t rtc_csrcs_n(const rtc_csrcs_t *s, rtc_time_t now) {
  uint32_t n = s->n;
  while (n > 0 && now - s->v[n - 1].at > RTC_CSRCS_US) n--;
  return n;
}
