#include "engine/describe.h"

static uint8_t write(const rtc_depdesc_t *d, const rtc_depdesc_structure_t *s, uint8_t *out, bool two_byte) {
  int n = rtc_depdesc_write(d, s, out, RTC_DESCRIBE_ROOM);
  return n > 0 && (two_byte || n <= RTC_DEPDESC_ONE_BYTE) ? (uint8_t)n : 0;
}

void rtc_describe_next(rtc_describe_t *e, rtc_described_t *out, const rtc_frame_cfg_t *f, bool two_byte) {
  rtc_depdesc_structure_t s;
  rtc_depdesc_t d = {.start = true, .number = e->number, .key = f->key};
  if (f->key) e->layers = f->layers ? f->layers : f->layered ? 3 : 1;
  rtc_depdesc_layers(&s, e->layers, f->size);
  rtc_depdesc_place(&d.frame, &s, f->key, f->layered ? &f->layer : NULL, (uint16_t)(e->number - e->lowest));
  out->first_n = write(&d, &s, out->first, two_byte);
  if (!out->first_n) { /* less of it fits */
    rtc_depdesc_layers(&s, e->layers, (rtc_picture_size_t){0, 0});
    out->first_n = write(&d, &s, out->first, two_byte);
  }
  d.start = d.key = false;
  out->rest_n = write(&d, &s, out->rest, two_byte);
  if (!d.frame.temporal) e->lowest = e->number;
  e->number++;
}
