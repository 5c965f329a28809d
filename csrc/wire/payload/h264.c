/* H.264 (RFC 6184 §5.4): single NAL units, STAP-A and FU-A, what packetization-mode 1 allows.
 * A payload cannot tell whether one before it opened the same picture: parameter sets and SEI may precede the slice in packets
 * of their own. So all that can open a picture is `start`; of several in one picture the first in order is the true one. */
#include "base/bytes.h"
#include "wire/payload/payload.h"

enum { SLICE = 1, PARTITION_A = 2, IDR = 5, SEI = 6, SPS = 7, PPS = 8, AUD = 9, STAP_A = 24, FU_A = 28, FU_START = 0x80 };

/* A slice opens a picture when its first macroblock is 0: ue(v) of 0 is a single set bit. */
static bool opens(uint8_t type, const uint8_t *data, size_t n) {
  if (type == SLICE || type == PARTITION_A || type == IDR) return n > 0 && data[0] & 0x80;
  return type == SEI || type == SPS || type == PPS || type == AUD;
}

static rtc_payload_info_t look_nal(uint8_t type, const uint8_t *data, size_t n) {
  bool start = opens(type, data, n);
  return (rtc_payload_info_t){.start = start, .key = start && (type == IDR || type == SPS)};
}

/* The first unit decides on the start, any unit on the key. One that does not fit spoils the payload. */
static rtc_payload_info_t look_stap(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  rtc_payload_info_t all = none;
  rtc_rd_t r = rtc_rd(p, n);
  for (bool first = true; rtc_rd_left(&r) > 0; first = false) {
    size_t len = rtc_rd16(&r);
    const uint8_t *nal = rtc_rd_take(&r, len);
    if (!nal || len == 0) return none;
    rtc_payload_info_t one = look_nal(nal[0] & 0x1f, nal + 1, len - 1);
    if (first) all.start = one.start;
    all.key = all.key || one.key;
  }
  all.key = all.key && all.start;
  return all;
}

rtc_payload_info_t rtc_h264_look(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  if (n < 2 || p[0] & 0x80) return none; /* every unit has a byte after its header; F = 1 says that it is damaged */
  uint8_t type = p[0] & 0x1f;
  if (type == STAP_A) return look_stap(p + 1, n - 1);
  if (type == FU_A) return n > 2 && p[1] & FU_START ? look_nal(p[1] & 0x1f, p + 2, n - 2) : none;
  return type < STAP_A ? look_nal(type, p + 1, n - 1) : none;
}
