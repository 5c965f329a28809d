/* payload: codecs' RTP payload formats, one row a codec. Splitting an encoded frame into payloads, and telling
 * from a payload whether a frame starts there and whether it is a key frame. Joining lives with its frame buffer. */
#ifndef RTC_WIRE_PAYLOAD_H
#define RTC_WIRE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum rtc_codec {
  RTC_CODEC_NONE,
  RTC_CODEC_OPUS,
  RTC_CODEC_VP8,
  RTC_CODEC_VP9,
  RTC_CODEC_H264,
  RTC_CODEC_AV1,
  RTC_CODEC_COUNT
} rtc_codec_t;

/* Walks one encoded frame: the caller owns it, no copy is kept. */
typedef struct rtc_split {
  const uint8_t *frame;
  size_t len, pos;
  size_t max;          /* largest payload, descriptor included */
  uint32_t picture_id; /* VP8: 15 bits */
  bool key;
  uint8_t codec;
  uint16_t left; /* payloads still to come, so that sizes come out even */
} rtc_split_t;

/* max >= 64. RTC_EINVAL for a codec that cannot be split here (Opus and VP8 can), an empty frame, one longer than its codec
 * allows: Opus is never split (RFC 7587 §4.2), and no frame has more than 65535 payloads. */
RTC_MUST_USE int rtc_split_init(rtc_split_t *s, rtc_codec_t codec, const uint8_t *frame, size_t len, size_t max, uint32_t picture_id,
                                bool key);
/* Next payload into out: its length, 0 at the end, or RTC_ENOBUFS. *last is set with the frame's final payload
 * (the RTP marker for video). */
RTC_MUST_USE int rtc_split_next(rtc_split_t *s, uint8_t *out, size_t cap, bool *last);

typedef struct rtc_payload_info {
  bool start, key; /* this payload starts a frame; that frame is a key frame */
} rtc_payload_info_t;
/* Bounded look at one payload of a codec; anything malformed gives {false, false}. Opus: start and key always. */
rtc_payload_info_t rtc_payload_look(rtc_codec_t codec, const uint8_t *p, size_t n);

/* Per codec, used by the table above. `start` without certainty is told where the bytes allow no more: see each file. `key`
 * comes with `start` only: later payloads of the frame do not say it in every format. */
rtc_payload_info_t rtc_opus_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_vp8_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_vp9_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_h264_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_av1_look(const uint8_t *p, size_t n);

/* VP8 descriptor (RFC 7741 §4.2) as parsed. */
typedef struct rtc_vp8_desc {
  bool start, non_ref, has_picture_id, long_picture_id, has_tl0, has_tid, has_keyidx;
  uint8_t partition, tl0, tid, keyidx;
  bool layer_sync;
  uint16_t picture_id;
  uint8_t len;
} rtc_vp8_desc_t;
RTC_MUST_USE int rtc_vp8_parse(rtc_vp8_desc_t *d, const uint8_t *p, size_t n); /* 0 or RTC_EPROTO */

/* Writes the descriptor of the payload that s gives next; always RTC_VP8_SPLIT_HEAD bytes. */
enum { RTC_VP8_SPLIT_HEAD = 4 };
void rtc_vp8_split_head(const rtc_split_t *s, uint8_t *out);

#endif
