/* seq: wrapping wire numbers to int64 and back. Inside the engine every sequence number and RTP time is int64;
 * wrapping exists only at the wire. */
#ifndef RTC_BASE_SEQ_H
#define RTC_BASE_SEQ_H

#include <stdint.h>

/* The int64 number nearest to `ref` whose low 16 bits are `seq`. May be below zero when ref is small. */
static inline int64_t rtc_seq_near(int64_t ref, uint16_t seq) { return ref + (int16_t)(uint16_t)(seq - (uint16_t)ref); }
/* The same for 32-bit RTP times. */
static inline int64_t rtc_ts_near(int64_t ref, uint32_t ts) { return ref + (int32_t)(ts - (uint32_t)ref); }

#endif
