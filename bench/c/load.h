/* load: what the viewers' tool and the bare loops agree on. A published datagram carries MARK and the time it was sent; whoever
 * relays it keeps both, so that a viewer can tell the delay. Viewers live at 127.1.x.y of one port; the publisher is number 0. */
#ifndef RTC_BENCH_LOAD_H
#define RTC_BENCH_LOAD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <time.h>

enum { LOAD_VIEWERS_MAX = 12000, LOAD_BATCH = 64, LOAD_DATAGRAM = 1536, LOAD_STAMP = 16 /* MARK, then 8 bytes of nanoseconds */ };
static const uint8_t LOAD_MARK[8] = {0x9e, 'l', 'o', 'a', 'd', 0xa7, 0x31, 0xc5};

static inline struct in_addr load_ip(uint32_t viewer) { return (struct in_addr){htonl(0x7f010000u | viewer)}; }

/* CLOCK_REALTIME: the one that the kernel stamps received datagrams with. */
static inline int64_t load_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
