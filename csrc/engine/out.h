/* out: the last stop before the socket. What leaves waits here in sending order: packets, and notes of copies that are still to be
 * made from a fan. Just before they are popped, those of one way (a transport's path) are moved side by side, so that they can be
 * sent as one; then, RTC_SEAL_BATCH at a time, copies are made, stamped in this order, and protected side by side.
 * Owns what waits and the fans; inside engine alone. */
#ifndef RTC_ENGINE_OUT_H
#define RTC_ENGINE_OUT_H

#include "engine/fan.h"
#include "engine/hub.h"
#include "proto/srtp.h"

enum {
  RTC_SEAL_BATCH = 64, /* packets protected together */
  RTC_OUT_MAX = 8192,  /* datagrams waiting for pop, and one more for every sender: a packet to all of them always fits */
  RTC_FANS_MAX = 256,  /* packets whose copies wait; one more, and all that waits is made at once */
  RTC_RUN_MAX = 64,    /* packets the kernel takes as one (UDP_MAX_SEGMENTS of Linux before 6.9), and their bytes */
  RTC_RUN_BYTES = 65000,
  RTC_RUN_PAD_MAX = 255,    /* RTP padding of one packet (RFC 3550 §5.1: its length is one byte) */
  RTC_RUN_PAD_PERCENT = 3,  /* and of a run, of what it is without */
  RTC_RUN_SOCKETS_MAX = 64, /* of the driver whose runs are known by a bit, not in a map: path.sock below this */
};

typedef struct rtc_transport rtc_transport_t;

typedef enum rtc_out_kind { RTC_OUT_CLEAR, RTC_OUT_RTP, RTC_OUT_RTCP } rtc_out_kind_t;

/* Something under way to the socket. */
typedef struct rtc_out_item {
  rtc_pkt_t *pkt;      /* NULL: still to be made, from fan; or lost */
  rtc_fan_t *fan;      /* NULL once it is made */
  rtc_transport_t *to; /* NULL: to a path alone. It may be gone once the item is sealed */
  int64_t index;       /* of RTP */
  uint32_t ts, ssrc;   /* of a copy */
  uint32_t next;       /* place of the next one on the same way, 0: none; until arranged */
  rtc_stamps_t at;
  uint16_t wire;    /* bytes on the wire */
  uint8_t kind;     /* rtc_out_kind_t */
  uint8_t pt, form; /* of a copy: payload type, and which of the fan's heads */
  uint8_t pad;      /* RTP padding to add */
  uint8_t run;      /* how many the kernel may take as one, this one first; 0: it belongs to the one before */
  bool head;        /* first of its way: what follows up to the next head goes to the same place */
  bool video;       /* media that may be padded */
} rtc_out_item_t;

/* Places first <= sealed <= arranged <= n. */
typedef struct rtc_out {
  rtc_out_item_t *v, *spare; /* spare: where v is arranged into */
  uint32_t first, sealed, arranged, n, cap;
  uint64_t round; /* of arranging: what a transport noted in an earlier one means nothing */
  bool chained;   /* two that wait have the same way */
  rtc_fan_t *fan;
  uint32_t fan_n;
  rtc_time_t window_us, leave_at; /* how long what waits may be held together, and until when it is */
} rtc_out_t;

int rtc_out_init(rtc_out_t *o);
int rtc_out_reserve(rtc_out_t *o, uint32_t senders); /* 0 or RTC_ENOMEM */
void rtc_out_clear(rtc_out_t *o);

/* Takes over k whatever comes. On the transport's path: as it is, as RTCP, or as RTP under index with these stamps (video: RTP padding
 * may be added, to make a run of equal sizes). */
void rtc_out_clear_text(rtc_transport_t *t, rtc_pkt_t *k);
void rtc_out_rtcp(rtc_transport_t *t, rtc_pkt_t *k);
void rtc_out_rtp(rtc_transport_t *t, rtc_pkt_t *k, int64_t index, rtc_stamps_t at, bool video);
/* To a path given, as it is (STUN answers). */
void rtc_out_to(rtc_hub_t *h, rtc_pkt_t *k, const rtc_path_t *path);

/* A fan for this packet, which lives until all that waits has been made. */
rtc_fan_t *rtc_out_fan(rtc_hub_t *h, const rtc_media_t *m);
/* A copy for this transport: fan, form, index, ts, ssrc, pt and video are set. */
void rtc_out_copy(rtc_transport_t *t, const rtc_out_item_t *copy);

void rtc_out_seal(rtc_hub_t *h);                /* makes and protects all that waits: before keys go */
rtc_time_t rtc_out_next_at(const rtc_out_t *o); /* until when it is held, RTC_NEVER when it is not */

/* runs.c: marks what the kernel may take as one among n items, those of one way side by side, and says where padding helps. */
void rtc_runs_plan(const rtc_hub_t *h, rtc_out_item_t *v, uint32_t n);

#endif
