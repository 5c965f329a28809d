/* fan: what the viewers of one packet share until each has had its copy: the plaintext, and the heads of the forms that they agreed
 * on. A copy is made from it just before it is protected, so that what waits for 500 viewers is one packet and 500 notes, and the
 * slots that are written are those that have just been sent. Owned by out.h. */
#ifndef RTC_ENGINE_FAN_H
#define RTC_ENGINE_FAN_H

#include "base/pkt.h"
#include "engine/cmd.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"

enum {
  RTC_FAN_HEADS = 4,  /* forms of one packet; a viewer with a further one gets a copy made at once */
  RTC_HEAD_MAX = 128, /* bytes of a head that is kept; the same for longer ones */
};

/* A media packet that has been opened: a view that lives while it is handled. */
typedef struct rtc_media {
  rtc_pkt_t *pkt;
  rtc_rtp_t rtp;
  rtc_ext_view_t ext;
  int64_t index;
  bool repaired, whole;
  uint16_t front;          /* bytes before its payload that repeat earlier ones (redundant.c); whole: they are part of that */
  rtc_payload_info_t info; /* what it starts, where it was looked at */
} rtc_media_t;

/* What a viewer's head depends on, besides the packet and numbers; zeros where nothing is, so that it is compared as bytes. */
typedef struct rtc_shape {
  uint32_t mask; /* extensions agreed, a bit a kind */
  uint8_t id_of[RTC_EXT_COUNT];
  uint8_t two_byte, mid_len;
  char mid[RTC_MID_MAX];
} rtc_shape_t;

/* Where the stamps of a packet go, as offsets from its data; 0: none. */
typedef struct rtc_stamps {
  uint16_t abs_send_time, twcc;
} rtc_stamps_t;

typedef struct rtc_head {
  rtc_shape_t shape;
  bool named;
  uint8_t len;
  rtc_stamps_t at;
  uint8_t bytes[RTC_HEAD_MAX];
} rtc_head_t;

typedef struct rtc_fan {
  rtc_media_t m; /* holds a reference to m.pkt */
  int head_n;
  rtc_head_t head[RTC_FAN_HEADS];
} rtc_fan_t;

void rtc_shape_init(rtc_shape_t *s, const rtc_send_cfg_t *cfg, const rtc_extmap_t *ids, bool two_byte);

/* The head of a copy of m, with payload type, SSRC, number and time left 0; stamps are blank. named: with the MID. rid: the name of
 * the stream as the extension rid_kind, NULL: without. Its length, or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_head_write(uint8_t *out, size_t cap, const rtc_media_t *m, const rtc_shape_t *s, const rtc_extmap_t *ids, bool named,
                                rtc_ext_t rid_kind, const char *rid, rtc_stamps_t *at);
/* Those four, into a head. */
void rtc_head_number(uint8_t *head, uint8_t pt, uint16_t seq, uint32_t ts, uint32_t ssrc);

/* The head for this shape, written when it is the first of it: its place, or -1 when it can not be kept or the copy would not fit. */
int rtc_fan_head(rtc_fan_t *f, const rtc_shape_t *s, const rtc_extmap_t *ids, bool named);
/* A copy into k, whose slot is fresh: everything but stamps and path. */
void rtc_fan_copy(const rtc_fan_t *f, int head, rtc_pkt_t *k, uint8_t pt, int64_t seq, uint32_t ts, uint32_t ssrc);

#endif
