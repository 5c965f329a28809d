/* AV1 (RTP payload format for AV1 §4.4), aggregation header:  |Z|Y|W W|N|-|-|-|  Z: continues an OBU, W: number of OBU elements
 * (0: each has its length), N: first packet of a coded video sequence. Whether Z = 0 opens the temporal unit or only one of its
 * later OBUs cannot be told for certain: an OBU that never comes first (a tile group, padding) is excluded. */
#include "base/bytes.h"
#include "wire/payload/bits.h"
#include "wire/payload/obu.h"
#include "wire/payload/payload.h"

static bool may_open(uint8_t obu) {
  uint8_t type = rtc_obu_type(obu);
  if (obu & OBU_FORBIDDEN) return false;
  return type == OBU_SEQUENCE || type == OBU_DELIMITER || type == OBU_FRAME_HEADER || type == OBU_METADATA || type == OBU_FRAME;
}

rtc_payload_info_t rtc_av1_look(const uint8_t *p, size_t n) {
  const rtc_payload_info_t none = {false, false};
  rtc_rd_t r = rtc_rd(p, n);
  uint8_t head = rtc_rd8(&r);
  if (head & AV1_Z) return none;
  int elements = head >> AV1_W_SHIFT & 3;
  uint64_t len = elements == 1 ? rtc_rd_left(&r) : rtc_leb128_get(&r);
  if (r.bad || len == 0 || len > rtc_rd_left(&r) || !may_open(r.p[0])) return none;
  return (rtc_payload_info_t){.start = true, .key = head & AV1_N};
}

/* What stands before the size of a sequence that is no still picture (AV1 bitstream §5.5.1). */
static void skip_operating_points(rtc_bits_t *b) {
  unsigned delay_bits = 0;
  if (rtc_bits_get(b, 1)) { /* timing_info */
    rtc_bits_skip(b, 64);
    if (rtc_bits_get(b, 1)) (void)rtc_bits_ue(b);
    if (rtc_bits_get(b, 1)) { /* decoder_model_info */
      delay_bits = rtc_bits_get(b, 5) + 1;
      rtc_bits_skip(b, 42);
    }
  }
  bool display_delay = rtc_bits_get(b, 1);
  for (uint32_t left = rtc_bits_get(b, 5) + 1; left > 0; left--) {
    rtc_bits_skip(b, 12);
    if (rtc_bits_get(b, 5) > 7) rtc_bits_skip(b, 1);
    if (delay_bits && rtc_bits_get(b, 1)) rtc_bits_skip(b, 2 * delay_bits + 1);
    if (display_delay && rtc_bits_get(b, 1)) rtc_bits_skip(b, 4);
  }
}

static rtc_picture_size_t sequence_size(const uint8_t *p, size_t n) {
  rtc_bits_t b = rtc_bits(p, n);
  rtc_bits_skip(&b, 4); /* profile, still_picture */
  if (rtc_bits_get(&b, 1))
    rtc_bits_skip(&b, 5);
  else
    skip_operating_points(&b);
  unsigned wide = rtc_bits_get(&b, 4) + 1, high = rtc_bits_get(&b, 4) + 1;
  uint32_t width = rtc_bits_get(&b, wide) + 1, height = rtc_bits_get(&b, high) + 1;
  return b.bad ? rtc_picture_size(0, 0) : rtc_picture_size(width, height);
}

rtc_picture_size_t rtc_av1_size(const uint8_t *p, size_t n) {
  rtc_rd_t r = rtc_rd(p, n);
  uint8_t head = rtc_rd8(&r);
  int elements = head >> AV1_W_SHIFT & 3;
  for (int i = 1; !(head & AV1_Z) && rtc_rd_left(&r) > 0; i++) {
    uint64_t len = i == elements ? rtc_rd_left(&r) : rtc_leb128_get(&r);
    const uint8_t *obu = len && len <= rtc_rd_left(&r) ? rtc_rd_take(&r, (size_t)len) : NULL;
    if (!obu) break;
    if (rtc_obu_type(obu[0]) != OBU_SEQUENCE) continue;
    rtc_rd_t in = rtc_rd(obu, (size_t)len);
    if (rtc_rd8(&in) & OBU_EXTENDED) (void)rtc_rd8(&in);
    if (obu[0] & OBU_SIZED) (void)rtc_leb128_get(&in);
    return in.bad ? rtc_picture_size(0, 0) : sequence_size(in.p, rtc_rd_left(&in));
  }
  return rtc_picture_size(0, 0);
}

/* An OBU is whole: it gets its size, which is mostly left out on the way (§4.5). */
static int close_obu(rtc_join_t *j) {
  size_t raw = j->len - j->unit, head = j->head & OBU_EXTENDED ? 2 : 1;
  if (raw < head) return RTC_EPROTO;
  if (j->head & OBU_SIZED) return 0;
  uint8_t size[LEB128_MAX];
  size_t n = rtc_leb128_put(size, raw - head);
  if (n > j->cap - j->len) return RTC_ENOBUFS;
  if (j->out) {
    uint8_t *at = j->out + j->unit;
    at[0] |= OBU_SIZED;
    memmove(at + head + n, at + head, raw - head);
    memcpy(at + head, size, n);
  }
  j->len += n;
  return 0;
}

static int add_element(rtc_join_t *j, const uint8_t *p, size_t n, bool goes_on) {
  if (!j->open) {
    if (p[0] & OBU_FORBIDDEN) return RTC_EPROTO;
    j->unit = j->len;
    j->head = p[0];
  }
  j->open = goes_on;
  uint8_t type = rtc_obu_type(j->head);
  if (type == OBU_DELIMITER || type == OBU_TILE_LIST) return 0; /* §5: to be passed over */
  int err = rtc_join_add(j, p, n);
  return err < 0 || goes_on ? err : close_obu(j);
}

int rtc_av1_join(rtc_join_t *j, const uint8_t *p, size_t n) {
  rtc_rd_t r = rtc_rd(p, n);
  uint8_t bits = rtc_rd8(&r);
  int elements = bits >> AV1_W_SHIFT & 3;
  if (((bits & AV1_Z) != 0) != j->open || rtc_rd_left(&r) == 0) return RTC_EPROTO;
  for (int i = 1; rtc_rd_left(&r) > 0; i++) {
    uint64_t len = i == elements ? rtc_rd_left(&r) : rtc_leb128_get(&r);
    const uint8_t *obu = len && len <= rtc_rd_left(&r) ? rtc_rd_take(&r, (size_t)len) : NULL;
    if (!obu) return RTC_EPROTO;
    bool last = rtc_rd_left(&r) == 0;
    if (last && elements && i != elements) return RTC_EPROTO;
    int err = add_element(j, obu, (size_t)len, last && bits & AV1_Y);
    if (err < 0) return err;
  }
  return 0;
}
