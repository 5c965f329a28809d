/* capfile: writes what a capture holds into a pcapng file, on a thread of its own ("rtc-capture") that looks every RTC_CAPFILE_LOOK_MS.
 * The loop's thread is never waited for, and never waits. */
#ifndef RTC_IO_CAPFILE_H
#define RTC_IO_CAPFILE_H

#include "engine/capture.h"

enum { RTC_CAPFILE_LOOK_MS = 20 };

typedef struct rtc_capfile rtc_capfile_t;

typedef struct rtc_capfile_info {
  uint64_t packets, bytes; /* written */
  uint64_t dropped;        /* lost before the writer, beyond the limit, or after an error */
  int error;               /* errno of a write that failed; nothing is written after it. 0 */
} rtc_capfile_info_t;

/* fd: an empty file, taken over always; limit: bytes that it may have, 0 none. Takes a reference. NULL: memory or threads are out. */
rtc_capfile_t *rtc_capfile_new(int fd, rtc_capture_t *c, uint64_t limit);
/* Writes what still waits and closes the file. Idempotent. */
void rtc_capfile_stop(rtc_capfile_t *f);
void rtc_capfile_free(rtc_capfile_t *f); /* stops first; NULL allowed */
void rtc_capfile_info(rtc_capfile_t *f, rtc_capfile_info_t *out);

#endif
