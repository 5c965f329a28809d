/* storm: strangers' sockets, and what they throw at a relay: twelve kinds of datagrams in turn, none of which needs a key. */
#ifndef RTC_TESTS_STORM_H
#define RTC_TESTS_STORM_H

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"
#include "hellos.h"
#include "wire/stun.h"

enum { HOSTILE_SSRC = 0x5eed0000, HOSTILE_LENGTHS = 65, HOSTILE_SWEEP = HOSTILE_LENGTHS * 256 };

typedef struct stranger {
  int fd;
  uint64_t sent, got; /* bytes */
} stranger_t;

typedef struct hostile {
  uint64_t sent; /* datagrams that the kernel took */
  uint64_t tries, swept, dice;
  hellos_t hello;
} hostile_t;

/* A socket of its own host, that talks to this port on 127.0.0.1. */
static inline void stranger_open(stranger_t *s, uint16_t port) {
  static int opened;
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (opened++ % 4 ? 0x900 : 0))};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *s = (stranger_t){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
  if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to) < 0) exit(2);
}

static inline void stranger_listen(stranger_t *s) {
  uint8_t b[2048];
  for (ssize_t n; (n = recv(s->fd, b, sizeof b, 0)) >= 0;) s->got += (uint64_t)n;
}

static inline void hostile_init(hostile_t *h) {
  *h = (hostile_t){.dice = 11};
  hellos_make(&h->hello);
}

/* Whether every length with every first byte has been sent. */
static inline bool hostile_complete(const hostile_t *h) { return h->swept >= HOSTILE_SWEEP; }

static inline size_t hostile_sweep(hostile_t *h, uint8_t *b) {
  uint64_t i = h->swept++ % HOSTILE_SWEEP;
  attack_fill(&h->dice, b, HOSTILE_LENGTHS);
  b[0] = (uint8_t)(i / HOSTILE_LENGTHS);
  if (b[0] < 4) { /* STUN, but no indication, which would be no drop */
    b[1] = 1;
    rtc_put32(b + 4, 0x2112A442);
  }
  return i % HOSTILE_LENGTHS;
}

static inline size_t hostile_check(hostile_t *h, uint8_t *b, size_t cap, const char *user, bool with_integrity) {
  static const char pwd[] = "password-of-nobody-at-all";
  uint8_t tid[12], number[8] = {0x6e, 0, 0, 1, 0, 0, 0, 9};
  attack_fill(&h->dice, tid, sizeof tid);
  rtc_wr_t w = rtc_wr(b, cap);
  rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, tid);
  rtc_stun_put(&w, RTC_STUN_A_USERNAME, user, strlen(user));
  rtc_stun_put(&w, RTC_STUN_A_CONTROLLING, number, 8);
  rtc_stun_put(&w, RTC_STUN_A_PRIORITY, number, 4);
  rtc_stun_put(&w, RTC_STUN_A_USE_CANDIDATE, NULL, 0);
  int n = rtc_stun_end(&w, with_integrity ? (const uint8_t *)pwd : NULL, with_integrity ? sizeof pwd - 1 : 0);
  if (n < 0) exit(2);
  return (size_t)n;
}

static inline size_t hostile_answer(hostile_t *h, uint8_t *b, size_t cap) {
  uint8_t tid[12];
  attack_fill(&h->dice, tid, sizeof tid);
  rtc_wr_t w = rtc_wr(b, cap);
  bool error = tid[0] & 1;
  rtc_stun_begin(&w, error ? RTC_STUN_BINDING_ERROR : RTC_STUN_BINDING_SUCCESS, tid);
  if (error) rtc_stun_put_error(&w, 487, NULL);
  int n = rtc_stun_end(&w, (const uint8_t *)"password-of-nobody-at-all", 25);
  if (n < 0) exit(2);
  return (size_t)n;
}

/* The next one of a session's stream, or RTCP about it. */
static inline size_t hostile_media(hostile_t *h, uint8_t *b, int session, bool rtcp) {
  static const uint8_t kinds[] = {200, 201, 203, 205, 206};
  size_t n = 40 + attack_dice(&h->dice) % 200;
  attack_fill(&h->dice, b, n);
  b[0] = rtcp ? 0x81 : 0x80;
  b[1] = rtcp ? kinds[h->tries % 5] : 111;
  if (rtcp) rtc_put16(b + 2, (uint16_t)(n / 4 - 1));
  rtc_put32(b + (rtcp ? 4 : 8), (uint32_t)(HOSTILE_SSRC + 1 + session));
  return n;
}

/* A record of the coming epoch, or an alert in the clear. */
static inline size_t hostile_record(hostile_t *h, uint8_t *b) {
  size_t n = 13 + (h->tries % 2 ? 2 : 60);
  attack_fill(&h->dice, b, n);
  b[0] = h->tries % 2 ? 21 : 23;
  rtc_put16(b + 1, 0xfefd);
  rtc_put16(b + 3, h->tries % 2 ? 0 : 1);
  rtc_put16(b + 11, (uint16_t)(n - 13));
  if (h->tries % 2) rtc_put16(b + 13, 2 << 8 | 40);
  return n;
}

/* The next datagram, with a session's user name or SSRC where the kind has one. */
static inline void hostile_send(hostile_t *h, stranger_t *from, int sessions) {
  uint8_t b[RTC_DTLS_MTU];
  char user[40];
  size_t n;
  int session = (int)(attack_dice(&h->dice) % (uint64_t)sessions);
  snprintf(user, sizeof user, "server%d:client%d", session, session);
  switch (h->tries % 12) {
    case 3:
    case 4:
      n = hostile_check(h, b, sizeof b, h->tries % 12 == 3 ? user : "nobody:here", true);
      break;
    case 5:
      n = hostile_check(h, b, sizeof b, user, false);
      break;
    case 6:
      n = hostile_answer(h, b, sizeof b);
      break;
    case 7:
      memcpy(b, h->hello.valid, n = h->hello.valid_n);
      break;
    case 8:
      memcpy(b, h->hello.null_cipher, n = h->hello.null_n);
      break;
    case 9:
    case 10:
      n = hostile_media(h, b, session, h->tries % 12 == 10);
      break;
    case 11:
      n = hostile_record(h, b);
      break;
    default:
      n = hostile_sweep(h, b);
  }
  h->tries++;
  if (send(from->fd, b, n, 0) != (ssize_t)n) return;
  h->sent++;
  from->sent += n;
}

#endif
