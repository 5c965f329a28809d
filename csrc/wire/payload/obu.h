/* obu: the headers of AV1's units (AV1 bitstream §5.3), as a stream and the payload format have them. */
#ifndef RTC_WIRE_PAYLOAD_OBU_H
#define RTC_WIRE_PAYLOAD_OBU_H

#include "base/bytes.h"

enum { OBU_FORBIDDEN = 0x80, OBU_EXTENDED = 0x04, OBU_SIZED = 0x02, LEB128_MAX = 8 };
enum { OBU_SEQUENCE = 1, OBU_DELIMITER = 2, OBU_FRAME_HEADER = 3, OBU_METADATA = 5, OBU_FRAME = 6, OBU_TILE_LIST = 8, OBU_PADDING = 15 };

/* The aggregation header of a payload (RTP payload format for AV1 §4.4). */
enum { AV1_Z = 0x80, AV1_Y = 0x40, AV1_W_SHIFT = 4, AV1_W_MAX = 3, AV1_N = 0x08 };

static inline uint8_t rtc_obu_type(uint8_t head) { return head >> 3 & 0x0f; }

/* The error is set when it does not end. */
static inline uint64_t rtc_leb128_get(rtc_rd_t *r) {
  uint64_t v = 0;
  for (int i = 0; i < LEB128_MAX; i++) {
    uint8_t b = rtc_rd8(r);
    v |= (uint64_t)(b & 0x7f) << (7 * i);
    if (!(b & 0x80)) return v;
  }
  r->bad = true;
  return 0;
}

/* Its length; with out NULL only that. */
static inline size_t rtc_leb128_put(uint8_t *out, size_t v) {
  size_t n = 0;
  do {
    if (out) out[n] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    n++;
    v >>= 7;
  } while (v > 0);
  return n;
}

#endif
