/* datagrams: what tests of sockets send. They make and free the pool. */
#ifndef RTC_TESTS_DATAGRAMS_H
#define RTC_TESTS_DATAGRAMS_H

#include <stdlib.h>
#include <string.h>

#include "io/udp.h"

static rtc_pool_t *pool;

static rtc_addr_t addr(const char *text, uint16_t port) {
  rtc_addr_t a;
  if (rtc_addr_parse(&a, text, port) < 0) exit(2);
  return a;
}

/* Its first four bytes are the number, the others that number's lowest byte. */
static rtc_pkt_t *packet(const rtc_addr_t *to, uint32_t number, uint32_t len) {
  rtc_pkt_t *k = rtc_pkt_get(pool);
  if (!k) exit(2);
  memset(k->data, (int)(number & 0xff), len);
  if (len >= 4) memcpy(k->data, &number, 4);
  k->len = len;
  memset(&k->path, 0, sizeof k->path);
  k->path.remote = *to;
  return k;
}

static int send_all(rtc_udp_t *u, rtc_pkt_t **v, int n) {
  int64_t wait_us = 0;
  int sent = rtc_udp_send(u, v, n, &wait_us);
  for (int i = 0; i < n; i++) rtc_pkt_put(v[i]);
  return sent;
}

#endif
