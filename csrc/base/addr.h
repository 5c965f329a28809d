/* addr: an address and the way a datagram went. Plain values, compared by content; no sockaddr here. */
#ifndef RTC_BASE_ADDR_H
#define RTC_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* IPv4 is held as ::ffff:a.b.c.d, so one form compares both families. Host-order port. */
typedef struct rtc_addr {
  uint8_t ip[16];
  uint16_t port;
  uint16_t reserved; /* always 0 */
  uint32_t scope;    /* IPv6 scope id, 0 else */
} rtc_addr_t;

/* One way between us and a peer: which socket of ours, our own address on it (replies leave from the
 * address that was asked), the peer's address. `local.port` is 0 when the socket tells it. */
typedef struct rtc_path {
  rtc_addr_t remote;
  rtc_addr_t local;
  uint32_t sock; /* index of the loop's socket */
} rtc_path_t;

static inline bool rtc_addr_is_v4(const rtc_addr_t *a) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(a->ip, mapped, 12) == 0;
}
static inline bool rtc_addr_eq(const rtc_addr_t *a, const rtc_addr_t *b) { return memcmp(a, b, sizeof *a) == 0; }
/* Same peer on the same socket: what identifies a path. Our own address is how to answer, not who it is. */
static inline bool rtc_path_eq(const rtc_path_t *a, const rtc_path_t *b) {
  return a->sock == b->sock && rtc_addr_eq(&a->remote, &b->remote);
}

/* Set from 4 or 16 bytes in network order. n other than 4 or 16 gives the zero address. */
void rtc_addr_set(rtc_addr_t *a, const uint8_t *ip, size_t n, uint16_t port);
/* Parse "192.0.2.1" or "2001:db8::1" (with %scope number); 0 or RTC_EINVAL. No name is ever looked up. */
int rtc_addr_parse(rtc_addr_t *a, const char *text, uint16_t port);
/* Write "192.0.2.1:5000" or "[2001:db8::1]:5000" with its end mark; cap >= 64 always suffices. Returns the length,
 * or RTC_ENOBUFS and an empty text. */
int rtc_addr_write(const rtc_addr_t *a, char *out, size_t cap);

#endif
