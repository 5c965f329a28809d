/* pkt: fixed-size packet slots from a pool, with head and tail room, counted by reference. One pool belongs to
 * one thread; no slot crosses a thread. Guarantee: get and put neither allocate nor free once the pool has
 * grown to its working size; it grows by chunks up to its cap, then get returns NULL (the caller counts a drop). */
#ifndef RTC_BASE_PKT_H
#define RTC_BASE_PKT_H

#include "base/addr.h"
#include "base/time.h"

enum {
  RTC_PKT_HEAD = 64,   /* room before data, for longer headers */
  RTC_PKT_DATA = 1536, /* largest datagram taken in or sent */
  RTC_PKT_TAIL = 64,   /* SRTP tag + index <= 20, and what a batched cipher may write past the end */
  RTC_PKT_CHUNK = 256, /* slots a growth step */
  RTC_PKT_RUN = 3,     /* tag[3] of a packet that goes out is a rtc_run_t */
};

/* What a packet is to the one before it on its way to the socket. */
typedef enum rtc_run {
  RTC_RUN_ALONE,
  RTC_RUN_JOINS,   /* may be given to the kernel as one with the one before */
  RTC_RUN_REFUSED, /* set by who sends: the kernel took what begins here only one by one, and so it will be with this goal */
} rtc_run_t;

typedef struct rtc_pool rtc_pool_t;
typedef struct rtc_pkt rtc_pkt_t;

struct rtc_pkt {
  rtc_pkt_t *next; /* for whoever owns the packet: one intrusive list at a time */
  rtc_pool_t *pool;
  uint32_t refs;
  uint32_t len;    /* bytes at data */
  uint8_t *data;   /* inside buf; buf + RTC_PKT_HEAD after get */
  rtc_time_t at;   /* arrival, or when it may leave */
  rtc_path_t path; /* whence it came, or whereto it goes */
  uint64_t tag[4]; /* the owner's own notes (engine/out.h says what they are there) */
  uint8_t buf[RTC_PKT_HEAD + RTC_PKT_DATA + RTC_PKT_TAIL];
};

/* cap = most slots ever (rounded up to a chunk). NULL when memory is out. */
rtc_pool_t *rtc_pool_new(uint32_t cap);
/* Frees all chunks; no packet of it may be in use any more. NULL is allowed. */
void rtc_pool_free(rtc_pool_t *p);
uint32_t rtc_pool_used(const rtc_pool_t *p);

/* A slot with refs 1, data at the head mark, len 0, next NULL; NULL at the cap. */
rtc_pkt_t *rtc_pkt_get(rtc_pool_t *p);
static inline rtc_pkt_t *rtc_pkt_ref(rtc_pkt_t *k) {
  k->refs++;
  return k;
}
/* Drops one reference; the last one gives the slot back. NULL is allowed. */
void rtc_pkt_put(rtc_pkt_t *k);
/* Bytes that may be written from data on, tail room included. */
static inline size_t rtc_pkt_cap(const rtc_pkt_t *k) { return (size_t)(k->buf + sizeof k->buf - k->data); }

#endif
