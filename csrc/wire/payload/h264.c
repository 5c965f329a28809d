/* H.264 (RFC 6184 §5.4): single NAL units, STAP-A and FU-A, what packetization-mode 1 allows.
 * A payload cannot tell whether one before it opened the same picture: parameter sets and SEI may precede the slice in packets
 * of their own. So all that can open a picture is `start`; of several in one picture the first in order is the true one. */
#include "base/bytes.h"
#include "wire/payload/bits.h"
#include "wire/payload/payload.h"

enum { SLICE = 1, PARTITION_A = 2, IDR = 5, SEI = 6, SPS = 7, PPS = 8, AUD = 9, STAP_A = 24, FU_A = 28, FU_START = 0x80, FU_END = 0x40 };
enum { NAL_TYPE = 0x1f, NAL_NOT_TYPE = 0xe0 };

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

static void skip_scaling_list(rtc_bits_t *b, int n) {
  int last = 8, next = 8;
  for (int i = 0; i < n && next && !b->bad; i++) {
    uint32_t v = rtc_bits_ue(b); /* se(v): 0, 1, -1, 2, -2 .. */
    next = (int)(((uint32_t)last + (v & 1 ? v / 2 + 1 : 0u - v / 2)) & 0xff);
    if (next) last = next;
  }
}

/* The chroma format of a sequence's samples; of most profiles it is 4:2:0 (§7.3.2.1.1). */
static uint32_t chroma_of(rtc_bits_t *b, uint32_t profile) {
  static const uint8_t with[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  if (!memchr(with, (int)profile, sizeof with)) return 1;
  uint32_t chroma = rtc_bits_ue(b);
  if (chroma == 3) rtc_bits_skip(b, 1);
  (void)rtc_bits_ue(b);
  (void)rtc_bits_ue(b);
  rtc_bits_skip(b, 1);
  if (rtc_bits_get(b, 1))
    for (int i = 0; i < (chroma == 3 ? 12 : 8); i++)
      if (rtc_bits_get(b, 1)) skip_scaling_list(b, i < 6 ? 16 : 64);
  return chroma;
}

/* Of a sequence parameter set without its header (H.264 §7.3.2.1.1): macroblocks, less what is cropped. */
static rtc_picture_size_t sps_size(const uint8_t *p, size_t n) {
  uint8_t plain[256]; /* more than stands before the size */
  size_t len = 0, zeros = 0;
  for (size_t i = 0; i < n && len < sizeof plain; i++) { /* emulation_prevention_three_byte */
    bool extra = zeros >= 2 && p[i] == 3;
    zeros = p[i] ? 0 : zeros + 1;
    if (!extra) plain[len++] = p[i];
  }
  rtc_bits_t b = rtc_bits(plain, len);
  uint32_t profile = rtc_bits_get(&b, 8);
  rtc_bits_skip(&b, 16);
  (void)rtc_bits_ue(&b);
  uint32_t chroma = chroma_of(&b, profile);
  (void)rtc_bits_ue(&b);
  uint32_t order = rtc_bits_ue(&b);
  if (order == 0) {
    (void)rtc_bits_ue(&b);
  } else if (order == 1) {
    rtc_bits_skip(&b, 1);
    (void)rtc_bits_ue(&b);
    (void)rtc_bits_ue(&b);
    for (uint32_t left = rtc_bits_ue(&b); left > 0 && !b.bad; left--) (void)rtc_bits_ue(&b);
  }
  (void)rtc_bits_ue(&b);
  rtc_bits_skip(&b, 1);
  uint64_t width = 16 * ((uint64_t)rtc_bits_ue(&b) + 1), height = 16 * ((uint64_t)rtc_bits_ue(&b) + 1);
  bool frames = rtc_bits_get(&b, 1);
  if (!frames) {
    rtc_bits_skip(&b, 1);
    height *= 2;
  }
  rtc_bits_skip(&b, 1);
  if (rtc_bits_get(&b, 1)) {
    uint64_t across = chroma == 1 || chroma == 2 ? 2 : 1, down = (chroma == 1 ? 2u : 1u) * (frames ? 1u : 2u);
    uint64_t left = across * rtc_bits_ue(&b), right = across * rtc_bits_ue(&b);
    uint64_t top = down * rtc_bits_ue(&b), bottom = down * rtc_bits_ue(&b);
    width = left + right < width ? width - left - right : 0;
    height = top + bottom < height ? height - top - bottom : 0;
  }
  return b.bad ? rtc_picture_size(0, 0) : rtc_picture_size(width, height);
}

rtc_picture_size_t rtc_h264_size(const uint8_t *p, size_t n) {
  if (n < 2 || p[0] & 0x80) return rtc_picture_size(0, 0);
  uint8_t type = p[0] & NAL_TYPE;
  if (type == SPS) return sps_size(p + 1, n - 1);
  if (type != STAP_A) return rtc_picture_size(0, 0);
  rtc_rd_t r = rtc_rd(p + 1, n - 1);
  while (rtc_rd_left(&r) > 0) {
    size_t len = rtc_rd16(&r);
    const uint8_t *nal = rtc_rd_take(&r, len);
    if (!nal || len == 0) break;
    if ((nal[0] & NAL_TYPE) == SPS) return sps_size(nal + 1, len - 1);
  }
  return rtc_picture_size(0, 0);
}

static int join_stap(rtc_join_t *j, const uint8_t *p, size_t n) {
  rtc_rd_t r = rtc_rd(p, n);
  while (rtc_rd_left(&r) > 0) {
    size_t len = rtc_rd16(&r);
    const uint8_t *nal = rtc_rd_take(&r, len);
    if (!nal || len == 0 || (nal[0] & NAL_TYPE) >= STAP_A) return RTC_EPROTO; /* they do not nest (RFC 6184 §5.7) */
    int err = rtc_join_unit(j, nal[0], nal + 1, len - 1);
    if (err < 0) return err;
  }
  return 0;
}

/* RFC 6184 §5.8: the unit's header is made of the indicator's upper bits and the FU header's type. */
static int join_fu(rtc_join_t *j, const uint8_t *p, size_t n) {
  if (n < 3) return RTC_EPROTO;
  uint8_t head = (uint8_t)((p[0] & NAL_NOT_TYPE) | (p[1] & NAL_TYPE)), type = head & NAL_TYPE;
  bool start = p[1] & FU_START;
  if (start == j->open || type == 0 || type >= STAP_A || (!start && type != (j->head & NAL_TYPE))) return RTC_EPROTO;
  j->head = head;
  j->open = !(p[1] & FU_END);
  return start ? rtc_join_unit(j, head, p + 2, n - 2) : rtc_join_add(j, p + 2, n - 2);
}

int rtc_h264_join(rtc_join_t *j, const uint8_t *p, size_t n) {
  uint8_t type = p[0] & NAL_TYPE;
  if (p[0] & 0x80 || n < 2) return RTC_EPROTO;
  if (type == FU_A) return join_fu(j, p, n);
  if (j->open || type == 0) return RTC_EPROTO;
  if (type == STAP_A) return join_stap(j, p + 1, n - 1);
  return type < STAP_A ? rtc_join_unit(j, p[0], p + 1, n - 1) : RTC_EPROTO;
}
