/* stun: STUN messages (RFC 8489) as ICE uses them (RFC 8445): parse into a view, check integrity and
 * fingerprint, and write. Attributes after MESSAGE-INTEGRITY are ignored but FINGERPRINT. */
#ifndef RTC_WIRE_STUN_H
#define RTC_WIRE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"

enum {
  RTC_STUN_BINDING_REQUEST = 0x0001,
  RTC_STUN_BINDING_INDICATION = 0x0011,
  RTC_STUN_BINDING_SUCCESS = 0x0101,
  RTC_STUN_BINDING_ERROR = 0x0111,
  RTC_STUN_HEADER = 20,
  RTC_STUN_TID = 12,
};

typedef struct rtc_stun {
  uint16_t type;      /* method and class as on the wire */
  const uint8_t *tid; /* 12 bytes */
  const uint8_t *username;
  uint16_t username_len;
  const uint8_t *realm;
  uint16_t realm_len;
  const uint8_t *nonce;
  uint16_t nonce_len;
  const uint8_t *data;
  uint16_t data_len; /* TURN DATA */
  bool has_priority, has_use_candidate, has_controlling, has_controlled, has_mapped, has_integrity, has_fingerprint, has_relayed, has_peer,
      has_lifetime;
  uint32_t priority, lifetime;
  uint64_t tie_breaker;
  uint16_t error; /* 0 or 300..699 */
  uint16_t unknown_n;
  uint16_t unknown[8]; /* comprehension-required attributes not known here */
  rtc_addr_t mapped;   /* XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS when only that is there */
  rtc_addr_t relayed, peer;
  uint16_t integrity_off; /* offset of the MESSAGE-INTEGRITY attribute */
} rtc_stun_t;

/* Checks the form: length, cookie, attribute bounds, FINGERPRINT when present (wrong: RTC_EPROTO). 0 or RTC_EPROTO. */
RTC_MUST_USE int rtc_stun_parse(rtc_stun_t *m, const uint8_t *p, size_t n);
/* MESSAGE-INTEGRITY over the parsed message with this key (short-term: the password). 0 or RTC_EAUTH. */
RTC_MUST_USE int rtc_stun_check(const rtc_stun_t *m, const uint8_t *p, const uint8_t *key, size_t key_len);

/* Writing: begin, attributes, then end, which adds integrity (key may be NULL: none) and fingerprint.
 * end returns the message's length or RTC_ENOBUFS. */
void rtc_stun_begin(rtc_wr_t *w, uint16_t type, const uint8_t tid[12]);
void rtc_stun_put(rtc_wr_t *w, uint16_t attr, const void *value, size_t n);
void rtc_stun_put_xor_addr(rtc_wr_t *w, uint16_t attr, const rtc_addr_t *a, const uint8_t tid[12]);
void rtc_stun_put_error(rtc_wr_t *w, int code, const char *reason); /* reason may be NULL: empty */
RTC_MUST_USE int rtc_stun_end(rtc_wr_t *w, const uint8_t *key, size_t key_len);

enum { /* attribute numbers */
       RTC_STUN_A_MAPPED = 0x0001,
       RTC_STUN_A_USERNAME = 0x0006,
       RTC_STUN_A_INTEGRITY = 0x0008,
       RTC_STUN_A_ERROR = 0x0009,
       RTC_STUN_A_UNKNOWN = 0x000a,
       RTC_STUN_A_CHANNEL = 0x000c,
       RTC_STUN_A_LIFETIME = 0x000d,
       RTC_STUN_A_PEER = 0x0012,
       RTC_STUN_A_DATA = 0x0013,
       RTC_STUN_A_REALM = 0x0014,
       RTC_STUN_A_NONCE = 0x0015,
       RTC_STUN_A_RELAYED = 0x0016,
       RTC_STUN_A_TRANSPORT = 0x0019,
       RTC_STUN_A_XOR_MAPPED = 0x0020,
       RTC_STUN_A_PRIORITY = 0x0024,
       RTC_STUN_A_USE_CANDIDATE = 0x0025,
       RTC_STUN_A_FINGERPRINT = 0x8028,
       RTC_STUN_A_CONTROLLED = 0x8029,
       RTC_STUN_A_CONTROLLING = 0x802a,
};

#endif
