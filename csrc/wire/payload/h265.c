/* H.265 (RFC 7798 §4.4): single NAL units, aggregation packets and fragmentation units, without DONL (sprop-max-don-diff = 0).
 *   |F|Type 6|LayerId 6|TID 3|  of a unit and of a payload  FU header: |S|E|FuType 6|
 * As in H.264 all that can open a picture is `start`: parameter sets and SEI may precede its slices in packets of their own. */
#include "base/bytes.h"
#include "wire/payload/payload.h"

enum { VCL_END = 32, IRAP_FIRST = 16, IRAP_LAST = 21, VPS = 32, SPS = 33, PPS = 34, AUD = 35, SEI = 39, AP = 48, FU = 49 };
enum { HEAD = 2, FORBIDDEN = 0x80, NOT_TYPE = 0x81, FIRST_SLICE = 0x80, FU_START = 0x80, FU_END = 0x40, FU_TYPE = 0x3f };

static uint8_t type_of(uint8_t head) { return head >> 1 & 0x3f; }

static rtc_payload_info_t look_nal(uint8_t type, const uint8_t *data, size_t n) {
  bool slice = type < VCL_END;
  bool start = slice ? n > 0 && data[0] & FIRST_SLICE : type == VPS || type == SPS || type == PPS || type == AUD || type == SEI;
  bool key = (type >= IRAP_FIRST && type <= IRAP_LAST) || type == VPS || type == SPS;
  return (rtc_payload_info_t){.start = start, .key = start && key};
}

/* The first unit decides on the start, any unit on the key. One that does not fit spoils the payload. */
static rtc_payload_info_t look_ap(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  rtc_payload_info_t all = none;
  rtc_rd_t r = rtc_rd(p, n);
  for (bool first = true; rtc_rd_left(&r) > 0; first = false) {
    size_t len = rtc_rd16(&r);
    const uint8_t *nal = rtc_rd_take(&r, len);
    if (!nal || len < HEAD) return none;
    rtc_payload_info_t one = look_nal(type_of(nal[0]), nal + HEAD, len - HEAD);
    if (first) all.start = one.start;
    all.key = all.key || one.key;
  }
  all.key = all.key && all.start;
  return all;
}

rtc_payload_info_t rtc_h265_look(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  if (n <= HEAD || p[0] & FORBIDDEN) return none; /* every unit has a byte after its header */
  uint8_t type = type_of(p[0]);
  if (type == AP) return look_ap(p + HEAD, n - HEAD);
  if (type == FU) return n > HEAD + 1 && p[HEAD] & FU_START ? look_nal(p[HEAD] & FU_TYPE, p + HEAD + 1, n - HEAD - 1) : none;
  return type < AP ? look_nal(type, p + HEAD, n - HEAD) : none;
}

static int join_ap(rtc_join_t *j, const uint8_t *p, size_t n) {
  rtc_rd_t r = rtc_rd(p, n);
  while (rtc_rd_left(&r) > 0) {
    size_t len = rtc_rd16(&r);
    const uint8_t *nal = rtc_rd_take(&r, len);
    if (!nal || len < HEAD || type_of(nal[0]) >= AP) return RTC_EPROTO; /* they do not nest (§4.4.2) */
    int err = rtc_join_unit(j, nal[0], nal + 1, len - 1);
    if (err < 0) return err;
  }
  return 0;
}

/* §4.4.3: the unit's header is the payload's with the FU header's type. */
static int join_fu(rtc_join_t *j, const uint8_t *p, size_t n) {
  if (n <= HEAD + 1) return RTC_EPROTO;
  uint8_t type = p[HEAD] & FU_TYPE;
  bool start = p[HEAD] & FU_START;
  if (start == j->open || type >= AP || (!start && type != type_of(j->head))) return RTC_EPROTO;
  j->head = (uint8_t)((p[0] & NOT_TYPE) | type << 1);
  j->open = !(p[HEAD] & FU_END);
  if (start) {
    int err = rtc_join_unit(j, j->head, p + 1, 1);
    if (err < 0) return err;
  }
  return rtc_join_add(j, p + HEAD + 1, n - HEAD - 1);
}

int rtc_h265_join(rtc_join_t *j, const uint8_t *p, size_t n) {
  if (n <= HEAD || p[0] & FORBIDDEN) return RTC_EPROTO;
  uint8_t type = type_of(p[0]);
  if (type == FU) return join_fu(j, p, n);
  if (j->open) return RTC_EPROTO;
  if (type == AP) return join_ap(j, p + HEAD, n - HEAD);
  return type < AP ? rtc_join_unit(j, p[0], p + 1, n - 1) : RTC_EPROTO;
}
