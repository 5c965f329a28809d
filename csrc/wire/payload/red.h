/* red: the payload of a packet that repeats frames of earlier packets before its own (RFC 2198 §3). What blocks hold is their codecs'
 * business; nothing is kept or copied but by the writer. */
#ifndef RTC_WIRE_RED_H
#define RTC_WIRE_RED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
  RTC_RED_BLOCKS = 32,        /* of a packet that is read, its own among them */
  RTC_RED_HEAD = 4,           /* before each repeated block; one byte before the packet's own */
  RTC_RED_BACK_MAX = 0x3fff,  /* 14 bits */
  RTC_RED_BLOCK_MAX = 0x03ff, /* 10 bits */
};

typedef struct rtc_red_block {
  uint8_t pt;
  uint16_t back_ts;  /* how much older than the packet's own, in units of the RTP clock */
  uint16_t off, len; /* in the payload; of the packet's own whatever is left, perhaps nothing */
} rtc_red_block_t;

typedef struct rtc_red {
  uint8_t n;                             /* 1 at least */
  rtc_red_block_t block[RTC_RED_BLOCKS]; /* as they stand, usually the oldest first; the last is the packet's own */
} rtc_red_t;

/* 0 or RTC_EPROTO, for more blocks than RTC_RED_BLOCKS too. */
RTC_MUST_USE int rtc_red_parse(rtc_red_t *r, const uint8_t *p, size_t n);

typedef struct rtc_red_part {
  uint8_t pt;
  uint16_t back_ts, len;
  const uint8_t *p;
} rtc_red_part_t;

/* What goes before the packet's own block, of type pt: all heads and the n parts that are repeated. Its length; RTC_EINVAL for what the
 * fields cannot say, or too many parts; RTC_ENOBUFS. */
RTC_MUST_USE int rtc_red_write(uint8_t *out, size_t cap, const rtc_red_part_t *part, size_t n, uint8_t pt);

#endif
