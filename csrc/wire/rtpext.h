/* rtpext: RTP header extensions in both forms of RFC 8285. Ids are per section and mapped to kinds; reading
 * gives slices of the caller's bytes, writing picks the one-byte form when every element fits it. */
#ifndef RTC_WIRE_RTPEXT_H
#define RTC_WIRE_RTPEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* name, URI */
#define RTC_EXTS(X)                                                                                        \
  X(MID, "urn:ietf:params:rtp-hdrext:sdes:mid")                                                            \
  X(RID, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id")                                                  \
  X(RRID, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id")                                        \
  X(ABS_SEND_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")                           \
  X(TWCC, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")                     \
  X(AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level")                                            \
  X(VIDEO_ORIENTATION, "urn:3gpp:video-orientation")                                                       \
  X(PLAYOUT_DELAY, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay")                           \
  X(CONTENT_TYPE, "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type")                       \
  X(VIDEO_TIMING, "http://www.webrtc.org/experiments/rtp-hdrext/video-timing")                             \
  X(COLOR_SPACE, "http://www.webrtc.org/experiments/rtp-hdrext/color-space")                               \
  X(TOFFSET, "urn:ietf:params:rtp-hdrext:toffset")                                                         \
  X(ABS_CAPTURE_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time")                     \
  X(DEPENDENCY, "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension") \
  X(CSRC_AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:csrc-audio-level")

#define RTC_EXT_ENUM(name, uri) RTC_EXT_##name,
typedef enum rtc_ext { RTC_EXTS(RTC_EXT_ENUM) RTC_EXT_COUNT } rtc_ext_t;
#undef RTC_EXT_ENUM
enum { RTC_EXT_UNKNOWN = 255 };

/* Both directions of the id mapping of one section. */
typedef struct rtc_extmap {
  uint8_t kind_of[256];         /* id -> rtc_ext_t, RTC_EXT_UNKNOWN when not mapped */
  uint8_t id_of[RTC_EXT_COUNT]; /* rtc_ext_t -> id, 0 when not mapped */
} rtc_extmap_t;

/* Elements of one packet, by kind; slices point into the packet. */
typedef struct rtc_ext_view {
  const uint8_t *p[RTC_EXT_COUNT];
  uint8_t len[RTC_EXT_COUNT];
  uint32_t have; /* bit per kind */
} rtc_ext_view_t;

void rtc_extmap_init(rtc_extmap_t *m);
/* id 1..255 (15 is allowed in the two-byte form only). 0 or RTC_EINVAL; an id or kind already mapped is moved. */
RTC_MUST_USE int rtc_extmap_set(rtc_extmap_t *m, rtc_ext_t kind, uint8_t id);
/* The kind of a URI, or RTC_EXT_UNKNOWN. */
uint8_t rtc_ext_of_uri(const char *uri, size_t n);

/* Elements with known ids; unknown ones are skipped, reading stops at id 15 (one-byte form, RFC 8285 §4.2) and
 * at the first element that does not fit. Of an id that comes twice the last counts. Never fails: a broken
 * extension is an extension with fewer elements. An unknown profile gives none. */
void rtc_rtpext_parse(rtc_ext_view_t *v, uint16_t profile, const uint8_t *p, size_t n, const rtc_extmap_t *m);
static inline bool rtc_ext_has(const rtc_ext_view_t *v, rtc_ext_t k) { return (v->have >> k) & 1u; }
static inline void rtc_ext_put(rtc_ext_view_t *v, rtc_ext_t k, const uint8_t *p, uint8_t n) {
  v->p[k] = p;
  v->len[k] = n;
  v->have |= 1u << k;
}
/* Writes profile, length, elements and padding for all kinds in v that m maps. Returns bytes (0 when there is
 * nothing to write), or RTC_ENOBUFS. Where an element landed is put in at[kind] (offset from out, 0 when it is
 * left out) when at is not NULL, so that stamps can be filled in later. Two-byte form only when allow_two, else
 * elements that do not fit the one-byte form are left out. No slice of v may lie in out. */
RTC_MUST_USE int rtc_rtpext_write(uint8_t *out, size_t cap, const rtc_ext_view_t *v, const rtc_extmap_t *m, bool allow_two,
                                  uint16_t at[RTC_EXT_COUNT]);

/* abs-send-time: 24 bits of seconds in 6.18 fixed point; modulo 64 s first, since a shifted clock time overflows. */
static inline uint32_t rtc_abs_send_time(int64_t us) { return (uint32_t)((((uint64_t)us % 64000000u) << 18) / 1000000u); }

/* video-orientation (3GPP TS 26.114 §7.4.5): 0 0 0 0 C F R1 R0. */
typedef struct rtc_orientation {
  bool back, flip; /* the camera looks away from its user; the picture is mirrored, left for right */
  uint16_t turn;   /* degrees clockwise that bring the picture upright: 0, 90, 180, 270 */
} rtc_orientation_t;

static inline rtc_orientation_t rtc_orientation_read(uint8_t b) {
  return (rtc_orientation_t){.back = b >> 3 & 1, .flip = b >> 2 & 1, .turn = (uint16_t)(90 * (b & 3))};
}
static inline uint8_t rtc_orientation_byte(rtc_orientation_t o) {
  return (uint8_t)((o.back ? 8 : 0) | (o.flip ? 4 : 0) | (o.turn / 90 & 3));
}

#endif
