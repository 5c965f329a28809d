/* AV1 (RTP payload format for AV1 §4.4), aggregation header:  |Z|Y|W W|N|-|-|-|  Z: continues an OBU, W: number of OBU elements
 * (0: each has its length), N: first packet of a coded video sequence. Whether Z = 0 opens the temporal unit or only one of its
 * later OBUs cannot be told for certain: an OBU that never comes first (a tile group, padding) is excluded. */
#include "base/bytes.h"
#include "wire/payload/payload.h"

enum { Z = 0x80, W_SHIFT = 4, N = 0x08, LEB128_MAX = 8, OBU_FORBIDDEN = 0x80 };
enum { OBU_SEQUENCE = 1, OBU_DELIMITER = 2, OBU_FRAME_HEADER = 3, OBU_METADATA = 5, OBU_FRAME = 6 };

/* The length of an OBU element; the error is set when it does not end. */
static uint64_t leb128(rtc_rd_t *r) {
  uint64_t v = 0;
  for (int i = 0; i < LEB128_MAX; i++) {
    uint8_t b = rtc_rd8(r);
    v |= (uint64_t)(b & 0x7f) << (7 * i);
    if (!(b & 0x80)) return v;
  }
  r->bad = true;
  return 0;
}

static bool may_open(uint8_t obu) {
  uint8_t type = obu >> 3 & 0x0f;
  if (obu & OBU_FORBIDDEN) return false;
  return type == OBU_SEQUENCE || type == OBU_DELIMITER || type == OBU_FRAME_HEADER || type == OBU_METADATA || type == OBU_FRAME;
}

rtc_payload_info_t rtc_av1_look(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  rtc_rd_t r = rtc_rd(p, n);
  uint8_t head = rtc_rd8(&r);
  if (head & Z) return none;
  int elements = head >> W_SHIFT & 3;
  uint64_t len = elements == 1 ? rtc_rd_left(&r) : leb128(&r);
  if (r.bad || len == 0 || len > rtc_rd_left(&r) || !may_open(r.p[0])) return none;
  return (rtc_payload_info_t){.start = true, .key = head & N};
}
