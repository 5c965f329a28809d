/* describe: what the dependency descriptors of a sender's own frames say, for peers that have agreed to the extension. Owns the
 * numbering of frames and what the last key frame has told of layers. Knows neither packets nor ids. */
#ifndef RTC_ENGINE_DESCRIBE_H
#define RTC_ENGINE_DESCRIBE_H

#include "engine/cmd.h"
#include "wire/depdesc.h"

typedef struct rtc_describe {
  uint16_t number, lowest; /* of the next frame; of the newest one of the lowest layer */
  uint8_t layers;          /* as the last key frame said; 0 before */
} rtc_describe_t;

enum { RTC_DESCRIBE_ROOM = 32 };

/* Of one frame: the first packet's, and that of each other. The last packet sets the bit in its first byte. */
enum { RTC_DESCRIBE_END = 0x40 };
typedef struct rtc_described {
  bool begun;              /* the first packet has been made */
  uint8_t first_n, rest_n; /* 0: nothing is said */
  uint8_t first[RTC_DESCRIBE_ROOM], rest[RTC_DESCRIBE_ROOM];
} rtc_described_t;

/* One more frame. two_byte: elements of more than 16 bytes may be sent. */
void rtc_describe_next(rtc_describe_t *e, rtc_described_t *out, const rtc_frame_cfg_t *f, bool two_byte);

#endif
