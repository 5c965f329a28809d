/* payload: codecs' RTP payload formats, one row a codec. Splitting an encoded frame into payloads, telling from a payload
 * whether a frame starts there and whether it is a key frame, and joining a frame's payloads. */
#ifndef RTC_WIRE_PAYLOAD_H
#define RTC_WIRE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

typedef enum rtc_codec {
  RTC_CODEC_NONE,
  RTC_CODEC_OPUS,
  RTC_CODEC_VP8,
  RTC_CODEC_VP9,
  RTC_CODEC_H264,
  RTC_CODEC_AV1,
  RTC_CODEC_PCMU,
  RTC_CODEC_PCMA,
  RTC_CODEC_G722,
  RTC_CODEC_H265, /* forwarded and joined, not split */
  RTC_CODEC_COUNT
} rtc_codec_t;

/* Whether parameter sets may go before a picture in packets of their own, which look like its start. */
static inline bool rtc_codec_has_sets(uint8_t codec) { return codec == RTC_CODEC_H264 || codec == RTC_CODEC_H265; }

/* A frame's place among temporal layers, for the descriptors of VP8 and VP9. */
enum { RTC_LAYER_TID_MAX = 3, RTC_LAYER_REFS = 3, RTC_LAYER_REF_MAX = 127 };
typedef struct rtc_layer {
  uint8_t tid;
  bool sync;                         /* VP8's Y: above the lowest layer, made from its newest frame alone (RFC 7741 §4.2) */
  bool up;                           /* VP9's U: from here on a higher layer may be taken up (RFC 9628 §4.2) */
  bool droppable;                    /* VP8's N: no other frame was made from it */
  uint8_t refs, ref[RTC_LAYER_REFS]; /* VP9's P_DIFF: so many frames before it are those that it was made from; a key frame has none */
} rtc_layer_t;

enum { RTC_SPLIT_UNITS = 8 };
/* Where a unit of an Annex B stream lies; len 0: no more of them. */
typedef struct rtc_split_unit {
  size_t pos, len;
} rtc_split_unit_t;

/* Walks one encoded frame: the caller owns it, no copy is kept. */
typedef struct rtc_split {
  const uint8_t *frame;
  size_t len, pos;
  size_t max;          /* largest payload, descriptor included */
  uint32_t picture_id; /* VP8, VP9: 15 bits */
  bool key;
  uint8_t codec, head; /* head: first byte of the unit that is in parts */
  uint16_t left;       /* payloads still to come, so that sizes come out even */
  bool layered;        /* layer and tl0 are said */
  bool single;         /* H.264: each unit is a payload */
  uint8_t tl0;
  rtc_layer_t layer;
  size_t unit, parts; /* H.264, AV1: bytes of the unit at pos that are not out, and its parts still to come, 0 when none is */
  rtc_split_unit_t units[RTC_SPLIT_UNITS]; /* H.264: the first ones, so that a frame is searched once */
  size_t found, before;                    /* how many those are, and how many are before the one at pos */
} rtc_split_t;

/* max >= 64. RTC_EINVAL for a codec that is not split here (H.265), an empty frame, one longer than its codec allows: Opus, G.711 and G.722
 * are never split (RFC 7587 §4.2), and no frame has more than 65535 payloads. H.264 is an Annex B stream, AV1 a temporal unit of OBUs with
 * their sizes, and VP9 of one spatial layer, where each picture needs the one before it unless rtc_split_layer says otherwise. */
RTC_MUST_USE int rtc_split_init(rtc_split_t *s, rtc_codec_t codec, const uint8_t *frame, size_t len, size_t max, uint32_t picture_id,
                                bool key);
/* Before the first payload: what the frame's descriptors say of its layer; tl0 counts the frames of the lowest one, this among them if
 * it is one. RTC_EINVAL for a codec whose descriptors have no layers, and what they cannot say. */
RTC_MUST_USE int rtc_split_layer(rtc_split_t *s, const rtc_layer_t *layer, uint8_t tl0);
/* Before the first payload, of H.264: each unit is one, as packetization-mode 0 has it (RFC 6184 §6.2). RTC_EINVAL for another codec, and
 * for a unit of more than max. */
RTC_MUST_USE int rtc_split_single(rtc_split_t *s);
/* Next payload into out: its length, 0 at the end, or RTC_ENOBUFS and nothing has changed. *last is set with the frame's final payload
 * (the RTP marker for video). */
RTC_MUST_USE int rtc_split_next(rtc_split_t *s, uint8_t *out, size_t cap, bool *last);

typedef struct rtc_payload_info {
  bool start, key; /* this payload starts a frame; that frame is a key frame */
} rtc_payload_info_t;
/* Bounded look at one payload of a codec; anything malformed gives {false, false}. Opus, G.711 and G.722: start and key always. */
rtc_payload_info_t rtc_payload_look(rtc_codec_t codec, const uint8_t *p, size_t n);

typedef struct rtc_picture_size {
  uint16_t width, height;
} rtc_picture_size_t;
/* How large the pictures are that begin with this payload of a key frame; zeros where it does not say, or of no video. */
rtc_picture_size_t rtc_payload_size(rtc_codec_t codec, const uint8_t *p, size_t n);

/* Joins the payloads of one frame, in the order of their numbers. H.264 and H.265 come out as an Annex B stream with start codes of four
 * bytes, AV1 as OBUs that have their sizes, without temporal delimiters and tile lists, the others as they are. Two passes give a buffer of
 * the exact size: one with out NULL, which only counts. */
enum { RTC_JOIN_BYTES = 4 << 20, RTC_JOIN_PAYLOADS = 2048 /* the most that a frame may have */ };
typedef struct rtc_join {
  uint8_t *out;
  size_t cap, len;
  size_t unit; /* where the open unit began */
  uint16_t payloads;
  uint8_t codec, head; /* head: first byte of the open unit */
  bool open;           /* a unit goes on in the next payload */
} rtc_join_t;
void rtc_join_init(rtc_join_t *j, rtc_codec_t codec, uint8_t *out, size_t cap);
/* 0; RTC_EPROTO: no payload of this codec, or not at this place in a frame; RTC_ENOBUFS: over cap or what a frame may have. */
RTC_MUST_USE int rtc_join_put(rtc_join_t *j, const uint8_t *p, size_t n);
/* Length of the frame, or RTC_EPROTO: something is missing at its end, or nothing is in it. */
RTC_MUST_USE int rtc_join_end(rtc_join_t *j);
/* Bytes added to the frame: 0 or RTC_ENOBUFS. For the codecs' own files. */
static inline int rtc_join_add(rtc_join_t *j, const uint8_t *p, size_t n) {
  if (n > j->cap - j->len) return RTC_ENOBUFS;
  if (j->out && n) memcpy(j->out + j->len, p, n);
  j->len += n;
  return 0;
}

/* One unit of an Annex B stream: a start code, the first byte of its header, what follows that. */
static inline int rtc_join_unit(rtc_join_t *j, uint8_t head, const uint8_t *p, size_t n) {
  const uint8_t start[] = {0, 0, 0, 1, head};
  int err = rtc_join_add(j, start, sizeof start);
  return err < 0 ? err : rtc_join_add(j, p, n);
}

/* Per codec, used by the table above. `start` without certainty is told where the bytes allow no more: see each file. `key`
 * comes with `start` only: later payloads of the frame do not say it in every format. */
rtc_payload_info_t rtc_opus_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_vp8_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_vp9_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_h264_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_h265_look(const uint8_t *p, size_t n);
rtc_payload_info_t rtc_av1_look(const uint8_t *p, size_t n);
rtc_picture_size_t rtc_vp8_size(const uint8_t *p, size_t n);
rtc_picture_size_t rtc_vp9_size(const uint8_t *p, size_t n);
rtc_picture_size_t rtc_h264_size(const uint8_t *p, size_t n);
rtc_picture_size_t rtc_av1_size(const uint8_t *p, size_t n);
/* What both sides are, or zeros where one does not fit. */
static inline rtc_picture_size_t rtc_picture_size(uint64_t width, uint64_t height) {
  const bool fits = width > 0 && height > 0 && width <= UINT16_MAX && height <= UINT16_MAX;
  return (rtc_picture_size_t){fits ? (uint16_t)width : 0, fits ? (uint16_t)height : 0};
}
int rtc_whole_join(rtc_join_t *j, const uint8_t *p, size_t n);
int rtc_vp8_join(rtc_join_t *j, const uint8_t *p, size_t n);
int rtc_vp9_join(rtc_join_t *j, const uint8_t *p, size_t n);
int rtc_h264_join(rtc_join_t *j, const uint8_t *p, size_t n);
int rtc_h265_join(rtc_join_t *j, const uint8_t *p, size_t n);
int rtc_av1_join(rtc_join_t *j, const uint8_t *p, size_t n);

/* VP8 descriptor (RFC 7741 §4.2) as parsed. */
typedef struct rtc_vp8_desc {
  bool start, non_ref, has_picture_id, long_picture_id, has_tl0, has_tid, has_keyidx;
  uint8_t partition, tl0, tid, keyidx;
  bool layer_sync;
  uint16_t picture_id;
  uint8_t len;
} rtc_vp8_desc_t;
RTC_MUST_USE int rtc_vp8_parse(rtc_vp8_desc_t *d, const uint8_t *p, size_t n); /* 0 or RTC_EPROTO */

/* Writes the descriptor of the payload that s gives next, and returns its length, which is the same for the payloads of a frame; with out
 * NULL only that. */
enum { RTC_SPLIT_HEAD_MAX = 7 };
size_t rtc_vp8_split_head(const rtc_split_t *s, uint8_t *out);
size_t rtc_vp9_split_head(const rtc_split_t *s, uint8_t *out);
bool rtc_vp9_is_key(uint8_t first); /* by the first byte of a frame */
/* The payloads of an Annex B stream, and of a temporal unit: how many there are, and each. */
RTC_MUST_USE int rtc_h264_split_init(rtc_split_t *s);
RTC_MUST_USE int rtc_h264_split_single(rtc_split_t *s);
RTC_MUST_USE int rtc_h264_split_next(rtc_split_t *s, uint8_t *out, size_t cap);
RTC_MUST_USE int rtc_av1_split_init(rtc_split_t *s);
RTC_MUST_USE int rtc_av1_split_next(rtc_split_t *s, uint8_t *out, size_t cap);

#endif
