/* depdesc: the dependency descriptor (AV1 RTP specification, appendix A), a header extension that says of each packet which frame it is
 * of, where a frame begins and ends, and what it depends on. It is readable where the payload is not. Parsing needs the structure that
 * came with the last key frame; the caller keeps it. What one frame says is compared with the templates of the structure: only what
 * differs is written. */
#ifndef RTC_WIRE_DEPDESC_H
#define RTC_WIRE_DEPDESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/payload/payload.h"

enum {
  RTC_DEPDESC_TEMPLATES = 64, /* as their ids have bits */
  RTC_DEPDESC_TARGETS = 32,
  RTC_DEPDESC_SPATIAL = 4, /* AV1 has bits for so many layers */
  RTC_DEPDESC_TEMPORAL = 8,
  RTC_DEPDESC_DIFFS = 8,     /* frames that one frame depends on: AV1 has seven */
  RTC_DEPDESC_SHORT = 3,     /* bytes without anything of its own */
  RTC_DEPDESC_ONE_BYTE = 16, /* that an element of the one-byte form has room for (RFC 8285 §4.2) */
  RTC_DEPDESC_LONG = 255
};

/* A frame's part in a decode target. */
typedef enum rtc_dti { RTC_DTI_NOT_PRESENT, RTC_DTI_DISCARDABLE, RTC_DTI_SWITCH, RTC_DTI_REQUIRED } rtc_dti_t;

/* A frame's place, or a template's. */
typedef struct rtc_depdesc_place {
  uint8_t spatial, temporal, diff_n;
  uint16_t diff[RTC_DEPDESC_DIFFS];   /* so many frames before it are those that it depends on: 1 to 16 in a template, to 4096 in a frame */
  uint8_t dti[RTC_DEPDESC_TARGETS];   /* rtc_dti_t by decode target */
  uint8_t chain[RTC_DEPDESC_TARGETS]; /* by chain: so many frames before it is the chain's last one; to 15 in a template */
} rtc_depdesc_place_t;

/* What holds from one key frame to the next. No structure: template_n is 0. */
typedef struct rtc_depdesc_structure {
  uint8_t offset; /* id of the first template */
  uint8_t template_n, target_n, chain_n, spatial_n;
  uint8_t protected_by[RTC_DEPDESC_TARGETS]; /* the chain of a decode target; of no meaning without chains */
  bool sized;
  uint32_t width[RTC_DEPDESC_SPATIAL], height[RTC_DEPDESC_SPATIAL]; /* 1 to 65536 */
  rtc_depdesc_place_t template[RTC_DEPDESC_TEMPLATES];
} rtc_depdesc_structure_t;

typedef struct rtc_depdesc {
  bool start, end; /* of its frame */
  uint8_t template;
  uint16_t number; /* of the frame, mod 2^16 */
  bool key;        /* it brings a structure: the first packet of a key frame */
  bool has_active;
  uint32_t active; /* decode targets that are sent, a bit each */
  bool placed;     /* frame is known: there is a structure that has the template */
  rtc_depdesc_place_t frame;
} rtc_depdesc_t;

/* What can be said without a structure: start, end, template, number and key, the rest is zero. RTC_EPROTO for less than three bytes. */
RTC_MUST_USE int rtc_depdesc_look(rtc_depdesc_t *d, const uint8_t *p, size_t n);
/* All of it. s: the structure that is known, replaced by one that comes with it. RTC_EPROTO: cut off, beyond the limits above, a template
 * that s does not have; then s is as before. */
RTC_MUST_USE int rtc_depdesc_parse(rtc_depdesc_t *d, rtc_depdesc_structure_t *s, const uint8_t *p, size_t n);
/* Its length, at most RTC_DEPDESC_LONG. d->key: the structure goes with it; d->template is chosen here, d->placed not asked. RTC_EINVAL:
 * no template of s has the frame's layers, or a number is too large; RTC_ENOBUFS. */
RTC_MUST_USE int rtc_depdesc_write(const rtc_depdesc_t *d, const rtc_depdesc_structure_t *s, uint8_t *out, size_t cap);

/* The structure of W3C's L1T1, L1T2 or L1T3 (layers 1 to 3) for frames as csrc/codec/layers.c has them. Sides 0: not said. */
void rtc_depdesc_layers(rtc_depdesc_structure_t *s, uint8_t layers, rtc_picture_size_t size);
/* The place of a frame in it. layer NULL: each frame depends on the one before it. since: frames since the last one of the lowest layer. */
void rtc_depdesc_place(rtc_depdesc_place_t *f, const rtc_depdesc_structure_t *s, bool key, const rtc_layer_t *layer, uint16_t since);

#endif
