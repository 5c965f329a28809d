#include "wire/payload/payload.h"

/* One row a codec. Those without `splits` are only forwarded. */
typedef struct row {
  rtc_payload_info_t (*look)(const uint8_t *p, size_t n);
  rtc_picture_size_t (*size)(const uint8_t *p, size_t n);
  int (*join)(rtc_join_t *j, const uint8_t *p, size_t n);
  bool splits, whole, layers; /* whole: a frame is one payload; layers: its head says of them */
  size_t (*head)(const rtc_split_t *s, uint8_t *out);
  /* Of a codec that is not cut at any byte. */
  int (*init)(rtc_split_t *s);
  int (*next)(rtc_split_t *s, uint8_t *out, size_t cap);
} row_t;

static const row_t rows[RTC_CODEC_COUNT] = {
    [RTC_CODEC_OPUS] = {.look = rtc_opus_look, .join = rtc_whole_join, .splits = true, .whole = true},
    [RTC_CODEC_VP8] =
        {.look = rtc_vp8_look, .size = rtc_vp8_size, .join = rtc_vp8_join, .splits = true, .layers = true, .head = rtc_vp8_split_head},
    [RTC_CODEC_VP9] =
        {.look = rtc_vp9_look, .size = rtc_vp9_size, .join = rtc_vp9_join, .splits = true, .layers = true, .head = rtc_vp9_split_head},
    [RTC_CODEC_H264] = {.look = rtc_h264_look,
                        .size = rtc_h264_size,
                        .join = rtc_h264_join,
                        .splits = true,
                        .init = rtc_h264_split_init,
                        .next = rtc_h264_split_next},
    [RTC_CODEC_AV1] = {.look = rtc_av1_look,
                       .size = rtc_av1_size,
                       .join = rtc_av1_join,
                       .splits = true,
                       .init = rtc_av1_split_init,
                       .next = rtc_av1_split_next},
    [RTC_CODEC_PCMU] = {.look = rtc_opus_look, .join = rtc_whole_join, .splits = true, .whole = true},
    [RTC_CODEC_PCMA] = {.look = rtc_opus_look, .join = rtc_whole_join, .splits = true, .whole = true},
    [RTC_CODEC_G722] = {.look = rtc_opus_look, .join = rtc_whole_join, .splits = true, .whole = true},
    [RTC_CODEC_H265] = {.look = rtc_h265_look, .join = rtc_h265_join},
};

enum { MAX_LEAST = 64 };

/* The row, or NULL for a value that is no codec. */
static const row_t *row_of(int codec) { return codec > RTC_CODEC_NONE && codec < RTC_CODEC_COUNT ? &rows[codec] : NULL; }

static int count_payloads(rtc_split_t *s, const row_t *row) {
  size_t room = s->max - (row->head ? row->head(s, NULL) : 0), count = s->len / room + (s->len % room != 0);
  if (count > (row->whole ? 1 : UINT16_MAX)) return RTC_EINVAL;
  s->left = (uint16_t)count;
  return 0;
}

int rtc_split_init(rtc_split_t *s, rtc_codec_t codec, const uint8_t *frame, size_t len, size_t max, uint32_t picture_id, bool key) {
  const row_t *row = row_of((int)codec);
  if (!row || !row->splits || len == 0 || max < MAX_LEAST) return RTC_EINVAL;
  *s = (rtc_split_t){.frame = frame, .len = len, .max = max, .picture_id = picture_id, .key = key, .codec = (uint8_t)codec};
  if (row->init) return row->init(s);
  return count_payloads(s, row);
}

int rtc_split_layer(rtc_split_t *s, const rtc_layer_t *layer, uint8_t tl0) {
  const row_t *row = row_of(s->codec);
  if (!row || !row->layers || s->pos || layer->tid > RTC_LAYER_TID_MAX || layer->refs > RTC_LAYER_REFS) return RTC_EINVAL;
  for (int i = 0; i < layer->refs; i++)
    if (layer->ref[i] < 1 || layer->ref[i] > RTC_LAYER_REF_MAX) return RTC_EINVAL;
  if (s->codec == RTC_CODEC_VP9 && rtc_vp9_is_key(s->frame[0]) != (layer->refs == 0)) return RTC_EINVAL;
  rtc_split_t with = *s;
  with.layered = true;
  with.layer = *layer;
  with.tl0 = tl0;
  int err = count_payloads(&with, row);
  if (err == 0) *s = with;
  return err;
}

int rtc_split_single(rtc_split_t *s) { return s->codec == RTC_CODEC_H264 ? rtc_h264_split_single(s) : RTC_EINVAL; }

/* Even pieces, each behind its codec's head. */
static int cut(rtc_split_t *s, const row_t *row, uint8_t *out, size_t cap) {
  size_t head = row->head ? row->head(s, NULL) : 0;
  size_t todo = s->len - s->pos, n = todo / s->left + (todo % s->left != 0);
  if (cap < head + n) return RTC_ENOBUFS;
  if (head) (void)row->head(s, out);
  memcpy(out + head, s->frame + s->pos, n);
  s->pos += n;
  return (int)(head + n);
}

int rtc_split_next(rtc_split_t *s, uint8_t *out, size_t cap, bool *last) {
  *last = false;
  if (s->left == 0) return 0;
  const row_t *row = &rows[s->codec];
  int n = row->next ? row->next(s, out, cap) : cut(s, row, out, cap);
  if (n < 0) return n;
  s->left--;
  *last = s->left == 0;
  return n;
}

rtc_payload_info_t rtc_payload_look(rtc_codec_t codec, const uint8_t *p, size_t n) {
  const row_t *row = row_of((int)codec);
  return row ? row->look(p, n) : (rtc_payload_info_t){false, false};
}

rtc_picture_size_t rtc_payload_size(rtc_codec_t codec, const uint8_t *p, size_t n) {
  const row_t *row = row_of((int)codec);
  return row && row->size ? row->size(p, n) : (rtc_picture_size_t){0, 0};
}

void rtc_join_init(rtc_join_t *j, rtc_codec_t codec, uint8_t *out, size_t cap) {
  *j = (rtc_join_t){.out = out, .cap = cap < RTC_JOIN_BYTES ? cap : RTC_JOIN_BYTES, .codec = (uint8_t)codec};
}

int rtc_join_put(rtc_join_t *j, const uint8_t *p, size_t n) {
  const row_t *row = row_of(j->codec);
  if (!row || n == 0) return RTC_EPROTO;
  if (j->payloads == RTC_JOIN_PAYLOADS) return RTC_ENOBUFS;
  int err = row->join(j, p, n);
  j->payloads++;
  return err;
}

int rtc_join_end(rtc_join_t *j) { return j->open || j->len == 0 ? RTC_EPROTO : (int)j->len; }
