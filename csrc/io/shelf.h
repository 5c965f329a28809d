/* shelf: frames between the loop and their owner. One queue a receiver that the owner has opened (engine/frame.h has its caps), guarded by
 * one lock that is held for moving pointers alone, once a frame and never for a packet; the loop's side never waits for it: what it
 * cannot put now it keeps. Frames of a receiver that is not open are let go. */
#ifndef RTC_IO_SHELF_H
#define RTC_IO_SHELF_H

#include <pthread.h>

#include "base/map.h"
#include "engine/frame.h"

typedef struct rtc_shelf {
  pthread_mutex_t lock;
  rtc_map_t places;                         /* by receiver */
  struct rtc_shelf_place *told, *told_last; /* have something new */
} rtc_shelf_t;

int rtc_shelf_init(rtc_shelf_t *s, const uint8_t seed[16]); /* 0 or RTC_ENOMEM */
void rtc_shelf_clear(rtc_shelf_t *s);

/* Owner's side, any thread. */
int rtc_shelf_open(rtc_shelf_t *s, uint32_t receiver); /* 0 or RTC_ENOMEM; open already: 0 */
void rtc_shelf_close(rtc_shelf_t *s, uint32_t receiver);
rtc_frame_t *rtc_shelf_get(rtc_shelf_t *s, uint32_t receiver); /* the caller's to free(), NULL when there is none */
/* A receiver that has got frames since it was named last; 0: none. */
uint32_t rtc_shelf_news(rtc_shelf_t *s);

/* Loop's side. enter: false, somebody holds the lock just now. put takes f over: how many frames were dropped, *skip: it goes on at a key
 * frame; *first: the owner has to be woken. */
bool rtc_shelf_enter(rtc_shelf_t *s);
uint32_t rtc_shelf_put(rtc_shelf_t *s, rtc_frame_t *f, bool *skip, bool *first);
void rtc_shelf_leave(rtc_shelf_t *s);

#endif
