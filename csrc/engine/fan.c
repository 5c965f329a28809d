/* fan: heads written once for all viewers that agreed on the same, and copies made from them. */
#include "engine/fan.h"

#include <string.h>

#include "base/bytes.h"

/* Extensions whose meaning survives forwarding. MID, the two stamps and transmission offset are ours to write. */
#define FORWARDED                                                                                                                   \
  ((1u << RTC_EXT_AUDIO_LEVEL) | (1u << RTC_EXT_VIDEO_ORIENTATION) | (1u << RTC_EXT_PLAYOUT_DELAY) | (1u << RTC_EXT_CONTENT_TYPE) | \
   (1u << RTC_EXT_VIDEO_TIMING) | (1u << RTC_EXT_COLOR_SPACE) | (1u << RTC_EXT_ABS_CAPTURE_TIME) | (1u << RTC_EXT_DEPENDENCY) |     \
   (1u << RTC_EXT_CSRC_AUDIO_LEVEL))

void rtc_shape_init(rtc_shape_t *s, const rtc_send_cfg_t *cfg, const rtc_extmap_t *ids, bool two_byte) {
  memset(s, 0, sizeof *s);
  s->mask = cfg->ext_mask;
  s->two_byte = two_byte;
  s->mid_len = (uint8_t)strlen(cfg->mid);
  memcpy(s->mid, cfg->mid, s->mid_len);
  memcpy(s->id_of, ids->id_of, sizeof s->id_of);
}

int rtc_head_write(uint8_t *out, size_t cap, const rtc_media_t *m, const rtc_shape_t *s, const rtc_extmap_t *ids, bool named,
                   rtc_ext_t rid_kind, const char *rid, rtc_stamps_t *at) {
  static const uint8_t blank[3] = {0, 0, 0};
  rtc_ext_view_t ext;
  ext.have = m->ext.have & s->mask & FORWARDED;
  for (uint32_t left = ext.have; left; left &= left - 1) {
    int e = __builtin_ctz(left);
    ext.p[e] = m->ext.p[e];
    ext.len[e] = m->ext.len[e];
  }
  if (named && s->mid_len && (s->mask >> RTC_EXT_MID & 1u)) rtc_ext_put(&ext, RTC_EXT_MID, (const uint8_t *)s->mid, s->mid_len);
  if (rid && (s->mask >> rid_kind & 1u)) rtc_ext_put(&ext, rid_kind, (const uint8_t *)rid, (uint8_t)strlen(rid));
  if (s->mask >> RTC_EXT_ABS_SEND_TIME & 1u) rtc_ext_put(&ext, RTC_EXT_ABS_SEND_TIME, blank, 3);
  if (s->mask >> RTC_EXT_TWCC & 1u) rtc_ext_put(&ext, RTC_EXT_TWCC, blank, 2);

  size_t fixed = RTC_RTP_HEADER + (size_t)m->rtp.csrc_n * 4;
  if (fixed > cap) return RTC_ENOBUFS;
  uint16_t where[RTC_EXT_COUNT] = {0};
  int ext_len = rtc_rtpext_write(out + fixed, cap - fixed, &ext, ids, s->two_byte, where);
  if (ext_len < 0) return ext_len;
  rtc_rtp_t r = {.marker = m->rtp.marker, .has_ext = ext_len > 0};
  rtc_rtp_write(out, &r);
  out[0] = (uint8_t)(out[0] | m->rtp.csrc_n);
  memcpy(out + RTC_RTP_HEADER, m->pkt->data + RTC_RTP_HEADER, fixed - RTC_RTP_HEADER);
  *at = (rtc_stamps_t){0};
  if (where[RTC_EXT_ABS_SEND_TIME]) at->abs_send_time = (uint16_t)(fixed + where[RTC_EXT_ABS_SEND_TIME]);
  if (where[RTC_EXT_TWCC]) at->twcc = (uint16_t)(fixed + where[RTC_EXT_TWCC]);
  return (int)fixed + ext_len;
}

void rtc_head_number(uint8_t *head, uint8_t pt, uint16_t seq, uint32_t ts, uint32_t ssrc) {
  head[1] = (uint8_t)((head[1] & 0x80) | pt);
  rtc_put16(head + 2, seq);
  rtc_put32(head + 4, ts);
  rtc_put32(head + 8, ssrc);
}

int rtc_fan_head(rtc_fan_t *f, const rtc_shape_t *s, const rtc_extmap_t *ids, bool named) {
  for (int i = 0; i < f->head_n; i++) {
    if (f->head[i].named == named && memcmp(&f->head[i].shape, s, sizeof *s) == 0) return i;
  }
  if (f->head_n == RTC_FAN_HEADS) return -1;
  rtc_head_t *d = &f->head[f->head_n];
  int len = rtc_head_write(d->bytes, sizeof d->bytes, &f->m, s, ids, named, RTC_EXT_RID, NULL, &d->at);
  if (len < 0 || (size_t)len + f->m.rtp.payload_len > RTC_PKT_DATA) return -1;
  d->shape = *s;
  d->named = named;
  d->len = (uint8_t)len;
  return f->head_n++;
}

void rtc_fan_copy(const rtc_fan_t *f, int head, rtc_pkt_t *k, uint8_t pt, int64_t seq, uint32_t ts, uint32_t ssrc) {
  const rtc_head_t *d = &f->head[head];
  memcpy(k->data, d->bytes, sizeof d->bytes); /* a constant length costs less than the right one */
  rtc_head_number(k->data, pt, (uint16_t)seq, ts, ssrc);
  memcpy(k->data + d->len, f->m.pkt->data + f->m.rtp.hdr_len, f->m.rtp.payload_len);
  k->len = (uint32_t)d->len + f->m.rtp.payload_len;
}
