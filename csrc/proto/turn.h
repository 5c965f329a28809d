/* turn: one allocation on a TURN server, the client's side (RFC 8656) with long-term credentials (RFC 8489 §9.2). Owns credentials, nonce,
 * the allocation's lifetime, permissions and channels, and the form that data takes to and from the server; does not know sockets, ICE or
 * what is carried. Guarantee: once there is a key nothing but a challenge (401, 438) is believed without MESSAGE-INTEGRITY, and no answer
 * at all whose transaction id is not that of a request under way; data is taken from peers that were given a permission alone. */
#ifndef RTC_PROTO_TURN_H
#define RTC_PROTO_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "wire/stun.h"

enum {
  RTC_TURN_USER_MAX = 508, /* RFC 8489 §14.3 */
  RTC_TURN_PASSWORD_MAX = 512,
  RTC_TURN_REALM_MAX = 256, /* these two: what fits a request beside the longest name */
  RTC_TURN_NONCE_MAX = 512,
  RTC_TURN_ALGORITHMS_MAX = 64,
  RTC_TURN_TEXT_MAX = 96,
  RTC_TURN_PERMITS = 100,  /* addresses of peers that may send to us: as many as ICE has pairs */
  RTC_TURN_CHANNELS = 100, /* and those that have a channel */
  RTC_TURN_HEAD = 48,      /* most that wrapping puts before the data, and after it */
  RTC_TURN_TAIL = 3,
  RTC_TURN_REQUEST_MAX = 1536, /* no request is longer */
  /* RFC 8489 §6.2.1 begins with 500 ms and doubles for ever: with a third of the datagrams lost each way two exchanges then take more than
   * 10 s one time in seven. A request has some 100 bytes, and a wrong guess costs a repeat. */
  RTC_TURN_RTO_MS = 150,
  RTC_TURN_RTO_MAX_MS = 600,
  RTC_TURN_GIVE_UP_MS = 15000,
  RTC_TURN_GOODBYE_MS = 2000, /* how long a deallocation is repeated */
  RTC_TURN_TRIES = 5,         /* challenges answered in a row */
  /* A server keeps what was given back for a moment, to answer repeats of that; an Allocate from the same address is then refused (437). */
  RTC_TURN_MISMATCHES = 3,
  RTC_TURN_MISMATCH_MS = 1000,
  RTC_TURN_RETRY_MS = 5000,     /* a refresh that was refused is tried again */
  RTC_TURN_PERMIT_MS = 300000,  /* RFC 8656 §9 */
  RTC_TURN_CHANNEL_MS = 600000, /* §12 */
  RTC_TURN_EARLY_MS = 60000,    /* what stands is renewed so long before its end */
  RTC_TURN_REST_MS = 300000,    /* a channel's number is given to nobody else so long after its end (§12) */
  RTC_TURN_REFUSED_MS = 60000,  /* a peer that the server refuses is asked for again after this */
  RTC_TURN_NO_ANSWER = 701,     /* code of an allocation that ends because nobody answers (as W3C's RTCPeerConnectionIceErrorEvent) */
};

typedef enum rtc_turn_state {
  RTC_TURN_ASKING,
  RTC_TURN_READY,
  RTC_TURN_CLOSING,
  RTC_TURN_CLOSED,
  RTC_TURN_FAILED, /* code and text say why; nothing is sent any more */
} rtc_turn_state_t;

typedef struct rtc_turn_cfg {
  const char *username, *password;
  bool v6;       /* the relayed address's family; else IPv4 */
  bool stream;   /* to the server by TCP or TLS: nothing is repeated, ChannelData is padded (§12.5) */
  uint64_t seed; /* random */
} rtc_turn_cfg_t;

/* A request under way, or the time for the next. */
typedef struct rtc_turn_ask {
  rtc_time_t at, since; /* at: when something is due */
  uint32_t wait_ms;
  uint8_t tries; /* challenges answered */
  bool live;     /* out and not answered */
  uint8_t tid[RTC_STUN_TID];
} rtc_turn_ask_t;

typedef enum rtc_turn_grant { RTC_TURN_NONE, RTC_TURN_ASKED, RTC_TURN_GRANTED, RTC_TURN_REFUSED } rtc_turn_grant_t;

typedef struct rtc_turn_permit {
  uint8_t ip[16];
  uint8_t grant; /* rtc_turn_grant_t; NONE: the place is free */
  rtc_time_t until, used;
  rtc_turn_ask_t ask;
} rtc_turn_permit_t;

typedef struct rtc_turn_channel {
  rtc_addr_t peer;
  uint16_t number; /* 0: the place is free */
  uint8_t grant;   /* NONE: the number rests */
  rtc_time_t until, used;
  rtc_turn_ask_t ask;
} rtc_turn_channel_t;

typedef struct rtc_turn {
  uint8_t state; /* rtc_turn_state_t */
  bool v6, stream;
  /* When FAILED: STUN's error or RTC_TURN_NO_ANSWER. Before that, of an allocation asked for: an error that somebody has answered without
   * a key. It ends nothing, but when nothing better comes it says why: servers cannot sign for a name they do not know. */
  uint16_t code;
  char text[RTC_TURN_TEXT_MAX];
  rtc_addr_t relayed, mapped; /* when READY; mapped is zero when the server does not tell */
  rtc_addr_t alternate;       /* when FAILED with 300, else zero */
  rtc_time_t expires, at;     /* at: next thing due */
  uint64_t seed;
  uint16_t next_number;
  uint8_t mismatches;
  uint8_t permit_n, channel_n; /* places in use lie below these */
  bool keyed, sha256, hashed;  /* hashed: USERHASH instead of USERNAME */
  uint8_t key[32], userhash[32], algorithms[RTC_TURN_ALGORITHMS_MAX];
  uint16_t realm_len, nonce_len, algorithms_len;
  uint8_t realm[RTC_TURN_REALM_MAX], nonce[RTC_TURN_NONCE_MAX];
  char username[RTC_TURN_USER_MAX + 1], password[RTC_TURN_PASSWORD_MAX + 1];
  rtc_turn_ask_t ask; /* Allocate, Refresh */
  rtc_turn_permit_t permit[RTC_TURN_PERMITS];
  rtc_turn_channel_t channel[RTC_TURN_CHANNELS];
} rtc_turn_t;

/* Copies the texts; the first request is due at once. 0 or RTC_EINVAL (a text is too long, or the name is empty). */
RTC_MUST_USE int rtc_turn_init(rtc_turn_t *t, const rtc_turn_cfg_t *cfg, rtc_time_t now);
void rtc_turn_clear(rtc_turn_t *t);
/* Gives the allocation back: ends in CLOSED when the server has answered, or after RTC_TURN_GOODBYE_MS. */
void rtc_turn_close(rtc_turn_t *t, rtc_time_t now);

/* There is no way to the server any more, and with a stream no allocation (RFC 8656 §7.1): FAILED with RTC_TURN_NO_ANSWER. */
void rtc_turn_lost(rtc_turn_t *t);

/* A parsed answer from the server's address: 1 when it was one to a request of ours and authentic where it must be, else 0 and nothing has
 * changed. */
RTC_MUST_USE int rtc_turn_on_stun(rtc_turn_t *t, const rtc_stun_t *m, const uint8_t *raw, rtc_time_t now);
/* The next request that is due: its length (at most RTC_TURN_REQUEST_MAX), 0 when none is, RTC_ENOBUFS. Until 0: it sees to time-outs. */
RTC_MUST_USE int rtc_turn_pop(rtc_turn_t *t, uint8_t *out, size_t cap, rtc_time_t now);
static inline rtc_time_t rtc_turn_next_at(const rtc_turn_t *t) { return t->at; }

/* A peer that will be sent to: asks for its permission, where it has none. Requests that are due leave before the data. 0, RTC_ESTATE (no
 * allocation), RTC_EAUTH (the server refuses this peer) or RTC_ENOBUFS (RTC_TURN_PERMITS). */
RTC_MUST_USE int rtc_turn_meet(rtc_turn_t *t, const rtc_addr_t *peer, rtc_time_t now);
/* Puts n bytes at p into the form that takes them to the peer: ChannelData when its channel stands, else a Send indication. RTC_TURN_HEAD
 * bytes before p and RTC_TURN_TAIL behind its end are written to. channel: worth one, which is asked for. *len: all bytes. How many of
 * them lie before p, or an error as above. */
RTC_MUST_USE int rtc_turn_wrap(rtc_turn_t *t, const rtc_addr_t *peer, uint8_t *p, size_t n, bool channel, size_t *len, rtc_time_t now);
/* ChannelData from the server: the offset of its data, *len and *peer; RTC_EPROTO, or RTC_EAUTH (no such channel). */
RTC_MUST_USE int rtc_turn_channel_data(const rtc_turn_t *t, const uint8_t *p, size_t n, rtc_addr_t *peer, size_t *len, rtc_time_t now);
/* A Data indication from the server: m->data and m->peer may be used. 0, RTC_EPROTO, or RTC_EAUTH (not a peer that we have met). */
RTC_MUST_USE int rtc_turn_data(const rtc_turn_t *t, const rtc_stun_t *m);

#endif
