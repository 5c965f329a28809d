/* framebuf: from the packets of one stream to its frames. Owns references to packets that wait, and the rule of how long; does not know
 * how a frame is joined, who asks for repair, or what a frame costs. Guarantee: frames come in the order of their numbers, each once and
 * whole; a video frame that is not whole wait_us after something later came is given up, with all before the next key frame, and a
 * complete key frame is never kept waiting by what lies before it; audio goes on after the gap and tells its length, but what a later
 * packet repeats of it stands in for what is missing. At most cap packets are held. Out is what is whole: the rhythm of playing (an
 * adaptive delay) is for a module of its own behind this one. */
#ifndef RTC_PROTO_FRAMEBUF_H
#define RTC_PROTO_FRAMEBUF_H

#include "base/pkt.h"
#include "base/time.h"
#include "wire/payload/payload.h"

enum {
  RTC_FRAMEBUF_VIDEO_CAP = 2048, /* packets held, which is also the most of a frame */
  RTC_FRAMEBUF_AUDIO_CAP = 64,
  RTC_FRAMEBUF_LOOK_BACK = 16 /* how far before a key frame's first known packet its parameter sets may lie */
};

typedef struct rtc_framebuf_item {
  rtc_pkt_t *pkt; /* NULL: empty */
  int64_t index, ts;
  uint16_t off, len;      /* of the payload in pkt->data */
  bool marker, key, copy; /* copy: it is not the packet of this number but one that repeats it */
} rtc_framebuf_item_t;

typedef struct rtc_framebuf {
  rtc_framebuf_item_t *item; /* cap of them, by number */
  uint32_t cap, held;
  uint8_t codec;
  bool video, waiting, want_key;   /* waiting: for a key frame; want_key: ask for one, then clear this */
  rtc_time_t wait_us, since;       /* since: the frame at next lacks something, RTC_NEVER when it does not */
  int64_t next, end, highest;      /* next: first number not given out, -1 before the first packet; [next, end): here, and of one frame */
  int64_t key_at, key_end, key_ts; /* newest key frame that has begun at next or behind it, -1: none */
  int64_t key_seen;                /* first of its packets that told so */
  int64_t last, last_ts;           /* end of what was given out last, -1: nothing yet; its time */
  uint64_t given_up;               /* times that something was given up */
} rtc_framebuf_t;

/* A frame that is whole: packets first .. first + count - 1. */
typedef struct rtc_framebuf_frame {
  int64_t first, ts;
  uint32_t count;
  uint64_t lost; /* numbers between the frame before and it that were given up */
  rtc_time_t at; /* when its last packet came */
  bool key, copy;
} rtc_framebuf_frame_t;

RTC_MUST_USE int rtc_framebuf_init(rtc_framebuf_t *b, rtc_codec_t codec, bool video, rtc_time_t wait_us); /* 0 or RTC_ENOMEM */
void rtc_framebuf_clear(rtc_framebuf_t *b);
/* Forgets everything: the numbers begin anew. */
void rtc_framebuf_reset(rtc_framebuf_t *b);
/* A packet with its payload at off, and what that starts; takes a reference of its own. What is late, or here already, is passed over. */
void rtc_framebuf_on_packet(rtc_framebuf_t *b, rtc_pkt_t *k, int64_t index, int64_t ts, uint16_t off, uint16_t len, bool marker,
                            rtc_payload_info_t info, rtc_time_t now);
/* Of sound: what packet `index` of time ts repeats of an earlier one, of time copy_ts. Kept in the place of the packet that it was,
 * by the times of those around it, if that is missing, and until it comes. */
void rtc_framebuf_on_copy(rtc_framebuf_t *b, rtc_pkt_t *k, int64_t index, int64_t ts, int64_t copy_ts, uint16_t off, uint16_t len);
/* Next frame: 1, then it has to be joined or passed over; 0: none. */
int rtc_framebuf_pop(rtc_framebuf_t *b, rtc_framebuf_frame_t *out, rtc_time_t now);
/* Joins what was popped last. out NULL: only counts. As rtc_join_end. */
RTC_MUST_USE int rtc_framebuf_join(const rtc_framebuf_t *b, const rtc_framebuf_frame_t *f, uint8_t *out, size_t cap);
/* Its packets go. */
void rtc_framebuf_done(rtc_framebuf_t *b, const rtc_framebuf_frame_t *f);
/* All that is held goes, to make room for others; video goes on at the next key frame. */
void rtc_framebuf_empty(rtc_framebuf_t *b);
/* What is out is not wanted, or cannot be used: nothing more before a key frame. */
void rtc_framebuf_skip(rtc_framebuf_t *b);
/* When the frame that is waited for is to be given up: then pop. */
static inline rtc_time_t rtc_framebuf_next_at(const rtc_framebuf_t *b) { return b->since == RTC_NEVER ? RTC_NEVER : b->since + b->wait_us; }

#endif
