/* turn_server: a TURN server for tests (RFC 8656, one UDP socket), which can be made to behave badly. Addresses it relays at are its IP
 * with ports from 50000 on. No time passes in it but by `now`. */
#ifndef RTC_TESTS_TURN_SERVER_H
#define RTC_TESTS_TURN_SERVER_H

#include "base/time.h"
#include "wire/stun.h"

enum { TURN_ALLOCATIONS = 8, TURN_PEERS = 128 };

typedef void (*turn_send_t)(void *arg, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n);

typedef struct turn_allocation {
  rtc_addr_t client; /* port 0: free */
  rtc_addr_t relayed;
  rtc_time_t until;
  int permit_n, channel_n;
  struct {
    uint8_t ip[16];
    rtc_time_t until;
  } permit[TURN_PEERS];
  struct {
    rtc_addr_t peer;
    uint16_t number;
    rtc_time_t until;
  } channel[TURN_PEERS];
} turn_allocation_t;

typedef struct turn_server {
  rtc_addr_t addr, relay;              /* relay: its IP is that of relayed addresses */
  const char *user, *password, *realm; /* as a client must have them */
  const char *nonce;
  bool sha256;       /* offers SHA-256 and wants USERHASH */
  uint32_t lifetime; /* of allocations, seconds */
  int refuse;        /* error for Allocate once it is authentic; 0: none */
  int refuse_peer;   /* error for permissions and channels */
  bool unsigned_no;  /* errors carry no integrity */
  bool unsigned_yes; /* success answers carry no integrity */
  bool wrong_key;    /* or one by another key */
  bool silent;
  rtc_addr_t alternate; /* told with 300 */
  turn_send_t send;
  void *arg;
  turn_allocation_t v[TURN_ALLOCATIONS];
  /* counters */
  int requests[16]; /* by method */
  int challenges, stale, answers, indications, channel_data, dropped;
} turn_server_t;

void turn_server_init(turn_server_t *s, const rtc_addr_t *addr, turn_send_t send, void *arg);
/* A datagram that came to `to`: the server's own address or a relayed one. */
void turn_server_in(turn_server_t *s, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n, rtc_time_t now);
int turn_server_alive(const turn_server_t *s, rtc_time_t now); /* allocations */

#endif
