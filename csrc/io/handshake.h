/* handshake: a helper thread for what is dear (a DTLS handshake step takes up to 300 us), so that a storm of joins
 * does not delay forwarding. Takes a job from the loop's thread, owns its DTLS object while it works on it, and gives it back.
 * put and get belong to one thread, the loop's. */
#ifndef RTC_IO_HANDSHAKE_H
#define RTC_IO_HANDSHAKE_H

#include <stdbool.h>

#include "engine/hub.h"
#include "io/wake.h"

typedef struct rtc_handshake rtc_handshake_t;

/* Starts the thread. `done` is signalled when jobs come back. NULL: out of memory, descriptors or threads. */
rtc_handshake_t *rtc_handshake_new(rtc_wake_t *done, bool portable);
/* False while RTC_HUB_JOBS_MAX jobs are out: ask before taking one from the hub. */
bool rtc_handshake_room(const rtc_handshake_t *h);
/* There must be room. */
void rtc_handshake_put(rtc_handshake_t *h, const rtc_job_t *job);
/* A job that has come back: 1 or 0. */
int rtc_handshake_get(rtc_handshake_t *h, rtc_job_t *job);
/* Joins the thread after its present job. All jobs can then be got back; those not begun come as they were. */
void rtc_handshake_stop(rtc_handshake_t *h);
void rtc_handshake_free(rtc_handshake_t *h); /* stops first; NULL allowed */

#endif
