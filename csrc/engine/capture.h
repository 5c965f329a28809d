/* capture: what a transport sends and receives, copied by the loop's thread for whoever writes it down: media as it is without SRTP, STUN
 * and DTLS as they are on the wire. One ring serves all transports of one loop that were given it; when its reader is behind, packets are
 * counted and lost, and nothing waits. Counted by reference: owner, commands under way and transports hold one each. */
#ifndef RTC_ENGINE_CAPTURE_H
#define RTC_ENGINE_CAPTURE_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/bytering.h"
#include "base/time.h"
#include "wire/demux.h"

enum { RTC_CAPTURE_BYTES = 4194304 }; /* that wait for the reader */

typedef struct rtc_capture rtc_capture_t;

/* What stands before each datagram. */
typedef struct rtc_capture_head {
  rtc_time_t at;
  rtc_path_t path;
  uint32_t transport;
  uint8_t kind; /* rtc_kind_t: STUN, DTLS, RTP, RTCP */
  bool sent;
} rtc_capture_head_t;

/* bytes: of the ring; wire: STUN and DTLS too; port: ours, where a path does not tell it. NULL: memory is out. */
rtc_capture_t *rtc_capture_new(uint64_t bytes, bool wire, uint16_t port);
rtc_capture_t *rtc_capture_ref(rtc_capture_t *c); /* NULL allowed, as below */
void rtc_capture_free(rtc_capture_t *c);          /* gives one reference back */

/* The loop's side. */
void rtc_capture_put(rtc_capture_t *c, const rtc_capture_head_t *h, const uint8_t *p, size_t n);
/* The reader's: the datagram's length, or -1 when none waits. out has room for RTC_CAPTURE_DATAGRAM. */
enum { RTC_CAPTURE_DATAGRAM = 2048 };
int rtc_capture_get(rtc_capture_t *c, rtc_capture_head_t *h, uint8_t *out);
uint64_t rtc_capture_dropped(const rtc_capture_t *c);

#endif
