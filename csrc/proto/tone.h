/* tone: telephone events over time (RFC 4733 §2.5). Sending: when the packets of one tone go out, and what each says. Receiving: which
 * tones a stream's events amount to. Does not know RTP headers, nor what a tone means. Guarantee: a tone that is sent has a packet each
 * RTC_TONE_STEP_US and RTC_TONE_ENDS that tell its end, however late it is asked; one that is too long for the field goes on in segments
 * (§2.5.1.3). One that is received is told once, when its end has come by any packet of it, or by none for RTC_TONE_QUIET_US; what is
 * repeated or late changes nothing. */
#ifndef RTC_PROTO_TONE_H
#define RTC_PROTO_TONE_H

#include "base/time.h"
#include "wire/telephone.h"

enum {
  RTC_TONE_STEP_US = 20000,
  RTC_TONE_ENDS = 3,           /* §2.5.1.4 */
  RTC_TONE_QUIET_US = 1000000, /* more than a sender's thread may be held up */
  RTC_TONE_MAX_US = 60000000,
  RTC_TONES_MAX = 32 /* received and not yet told; with more the oldest go */
};

typedef struct rtc_tone_tx {
  uint8_t code, volume, copies; /* copies: so many have gone out of the packet that is due */
  bool begun;
  uint32_t rate; /* units of duration a second */
  rtc_time_t start, next;
  rtc_time_t length, segment, at; /* from the start: its end, where the segment began, what the packet that is due says */
} rtc_tone_tx_t;

typedef struct rtc_tone_packet {
  rtc_telephone_t event;
  bool marker;
  rtc_time_t shift_us; /* how much later than the tone its segment began: its RTP time is that of the tone and so much */
} rtc_tone_packet_t;

void rtc_tone_tx_init(rtc_tone_tx_t *t); /* no tone */
/* 0, or RTC_EINVAL for a length that is not of 1 us to RTC_TONE_MAX_US, a code or volume beyond its field, no rate. What is left of the
 * tone before is forgotten: pop with `all` before that. */
RTC_MUST_USE int rtc_tone_tx_start(rtc_tone_tx_t *t, uint8_t code, uint8_t volume, rtc_time_t length_us, uint32_t rate, rtc_time_t now);
/* Next packet that is due: 1; 0: none. Packets whose time has passed are left out but for ends. `cut`: the tone ends now. */
int rtc_tone_tx_pop(rtc_tone_tx_t *t, rtc_tone_packet_t *out, bool cut, rtc_time_t now);
static inline rtc_time_t rtc_tone_tx_next_at(const rtc_tone_tx_t *t) { return t->next; } /* RTC_NEVER: there is none under way */

typedef struct rtc_tone {
  uint8_t code, volume;
  rtc_time_t length_us;
} rtc_tone_t;

typedef struct rtc_tone_rx {
  bool known, open; /* known: ts is; open: that tone has not ended */
  int64_t ts;       /* of its latest segment */
  uint32_t rate;
  rtc_telephone_t event; /* the longest so far of that */
  uint64_t before;       /* length of the segments before */
  rtc_time_t heard;
  uint32_t first, n; /* of done */
  rtc_tone_t done[RTC_TONES_MAX];
} rtc_tone_rx_t;

void rtc_tone_rx_init(rtc_tone_rx_t *t);
/* An event with its RTP time, unwrapped; rate: units of its duration a second. */
void rtc_tone_rx_on_packet(rtc_tone_rx_t *t, const rtc_telephone_t *e, int64_t ts, bool marker, uint32_t rate, rtc_time_t now);
void rtc_tone_rx_renew(rtc_tone_rx_t *t); /* another stream begins: a tone that is open is over */
void rtc_tone_rx_tick(rtc_tone_rx_t *t, rtc_time_t now);
/* Next tone that is over: 1; 0: none. */
int rtc_tone_rx_pop(rtc_tone_rx_t *t, rtc_tone_t *out);
static inline rtc_time_t rtc_tone_rx_next_at(const rtc_tone_rx_t *t) { return t->open ? t->heard + RTC_TONE_QUIET_US : RTC_NEVER; }

#endif
