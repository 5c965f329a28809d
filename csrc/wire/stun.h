/* stun: STUN messages (RFC 8489) as ICE (RFC 8445) and TURN (RFC 8656) use them: parse into a view, check integrity and
 * fingerprint, and write. Attributes after MESSAGE-INTEGRITY are ignored but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. */
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
  RTC_STUN_ALLOCATE = 0x0003, /* TURN: requests; an answer has one of the class bits besides */
  RTC_STUN_REFRESH = 0x0004,
  RTC_STUN_PERMIT = 0x0008,
  RTC_STUN_BIND = 0x0009,
  RTC_STUN_SEND = 0x0016, /* TURN: indications */
  RTC_STUN_DATA = 0x0017,
  RTC_STUN_CLASS = 0x0110, /* mask of the class: */
  RTC_STUN_SUCCESS = 0x0100,
  RTC_STUN_ERROR = 0x0110,
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
  uint16_t data_len;     /* TURN DATA */
  const uint8_t *reason; /* of ERROR-CODE: a text, whatever bytes it has */
  uint16_t reason_len;
  const uint8_t *algorithms; /* PASSWORD-ALGORITHMS */
  uint16_t algorithms_len;
  bool has_priority, has_use_candidate, has_controlling, has_controlled, has_mapped, has_integrity, has_fingerprint, has_relayed, has_peer,
      has_lifetime, has_alternate, has_integrity256;
  uint32_t priority, lifetime;
  uint64_t tie_breaker;
  uint16_t error; /* 0 or 300..699 */
  uint16_t unknown_n;
  uint16_t unknown[8]; /* comprehension-required attributes not known here */
  rtc_addr_t mapped;   /* XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS when only that is there */
  rtc_addr_t relayed, peer, alternate;
  uint16_t integrity_off;                      /* offset of the MESSAGE-INTEGRITY attribute */
  uint16_t integrity256_off, integrity256_len; /* and of MESSAGE-INTEGRITY-SHA256, which may be cut short */
} rtc_stun_t;

/* Checks the form: length, cookie, attribute bounds, FINGERPRINT when present (wrong: RTC_EPROTO). 0 or RTC_EPROTO. */
RTC_MUST_USE int rtc_stun_parse(rtc_stun_t *m, const uint8_t *p, size_t n);
/* MESSAGE-INTEGRITY over the parsed message with this key (short-term: the password). 0 or RTC_EAUTH. */
RTC_MUST_USE int rtc_stun_check(const rtc_stun_t *m, const uint8_t *p, const uint8_t *key, size_t key_len);
/* The same of MESSAGE-INTEGRITY-SHA256. */
RTC_MUST_USE int rtc_stun_check256(const rtc_stun_t *m, const uint8_t *p, const uint8_t *key, size_t key_len);

/* Writing: begin, attributes, then end, which adds integrity (key may be NULL: none) and fingerprint.
 * end returns the message's length or RTC_ENOBUFS. */
void rtc_stun_begin(rtc_wr_t *w, uint16_t type, const uint8_t tid[12]);
void rtc_stun_put(rtc_wr_t *w, uint16_t attr, const void *value, size_t n);
void rtc_stun_put_xor_addr(rtc_wr_t *w, uint16_t attr, const rtc_addr_t *a, const uint8_t tid[12]);
void rtc_stun_put_error(rtc_wr_t *w, int code, const char *reason); /* reason may be NULL: empty */
RTC_MUST_USE int rtc_stun_end(rtc_wr_t *w, const uint8_t *key, size_t key_len);
RTC_MUST_USE int rtc_stun_end256(rtc_wr_t *w, const uint8_t *key, size_t key_len); /* the same with MESSAGE-INTEGRITY-SHA256 */

/* Whether a request's USERNAME is `first:second` (RFC 8445 §7.2.2); second "": whatever stands behind the colon, but something. */
bool rtc_stun_username_is(const rtc_stun_t *m, const char *first, const char *second);
/* The answer to a Binding request that has been authenticated by pwd: success, which tells the asker's address, or an error without words:
 * RTC_STUN_UNKNOWN_ATTRIBUTE (with their list) or another. Its length, at most RTC_STUN_ANSWER_MAX, or RTC_ENOBUFS. */
RTC_MUST_USE int rtc_stun_answer(const rtc_stun_t *m, const rtc_addr_t *asker, int code, const char *pwd, uint8_t *out, size_t cap);

enum { /* error codes */
       RTC_STUN_UNKNOWN_ATTRIBUTE = 420,
       RTC_STUN_ROLE_CONFLICT = 487,
};

enum { RTC_STUN_ANSWER_MAX = 100 };

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
       RTC_STUN_A_FAMILY = 0x0017, /* REQUESTED-ADDRESS-FAMILY */
       RTC_STUN_A_TRANSPORT = 0x0019,
       RTC_STUN_A_INTEGRITY256 = 0x001c,
       RTC_STUN_A_ALGORITHM = 0x001d, /* PASSWORD-ALGORITHM */
       RTC_STUN_A_USERHASH = 0x001e,
       RTC_STUN_A_XOR_MAPPED = 0x0020,
       RTC_STUN_A_PRIORITY = 0x0024,
       RTC_STUN_A_USE_CANDIDATE = 0x0025,
       RTC_STUN_A_ALGORITHMS = 0x8002, /* PASSWORD-ALGORITHMS */
       RTC_STUN_A_ALTERNATE = 0x8023,  /* ALTERNATE-SERVER */
       RTC_STUN_A_FINGERPRINT = 0x8028,
       RTC_STUN_A_CONTROLLED = 0x8029,
       RTC_STUN_A_CONTROLLING = 0x802a,
};

#endif
