/* ice: a full ICE agent for one component (RFC 8445; trickle RFC 8838, consent RFC 7675). Owns both sides' candidates, their
 * pairs, the checks of these and the choice of one; does not know DTLS, sockets or how candidates were gathered: owners tell them, with
 * priorities and foundations. Guarantee: nothing is learnt and no answer is written before MESSAGE-INTEGRITY has passed; a path is
 * chosen only after it has answered a check of ours; nothing is sent but checks when consent is lost. */
#ifndef RTC_PROTO_ICE_H
#define RTC_PROTO_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/time.h"
#include "wire/stun.h"

enum {
  RTC_ICE_TEXT_MAX = 256, /* user names and passwords (RFC 8839 §5.4) */
  RTC_ICE_CANDS = 50,     /* of each side; peer-reflexive ones among them */
  RTC_ICE_PAIRS = 100,    /* RFC 8445 §6.1.2.5; the least important give way */
  RTC_ICE_FEW_LOCAL = 4,
  RTC_ICE_FEW_REMOTE = 8,
  RTC_ICE_FEW_PAIRS = 12,
  RTC_ICE_TA_MS = 50,  /* between first requests of different pairs (§14.2) */
  RTC_ICE_RTO_MS = 50, /* first repeat with one pair; Ta times the pairs under way when these are more */
  RTC_ICE_RTO_MAX_MS = 400,
  RTC_ICE_GIVE_UP_MS = 30000,    /* a check that was repeated for so long has failed */
  RTC_ICE_NOMINATE_MS = 150,     /* how long a better pair than the best valid one is waited for */
  RTC_ICE_RELAY_MS = 1000,       /* the same when that is relayed: a NAT may open by a later check of the peer */
  RTC_ICE_KEEP_MS = 5000,        /* between checks of the chosen pair, +- 20 % (RFC 7675 §5.1) */
  RTC_ICE_CONSENT_MS = 30000,    /* consent lasts this long from the latest answer */
  RTC_ICE_SILENT_MS = 1000,      /* what came on the chosen pair has stopped for this long: it is checked before its time */
  RTC_ICE_SILENT_LEAST_MS = 300, /* the same where it came densely: RTC_ICE_SILENT_GAPS times what lay between two packets */
  RTC_ICE_SILENT_GAPS = 16,
  RTC_ICE_LOST_MS = 5000,      /* nothing authentic for this long: disconnected */
  RTC_ICE_PATIENCE_MS = 39500, /* no failure before this (RFC 8863 §4) */
};

typedef enum rtc_ice_type { RTC_ICE_HOST, RTC_ICE_SRFLX, RTC_ICE_PRFLX, RTC_ICE_RELAY } rtc_ice_type_t;

/* As W3C's RTCIceTransportState has them. */
typedef enum rtc_ice_state {
  RTC_ICE_NEW,
  RTC_ICE_CHECKING,
  RTC_ICE_CONNECTED,    /* a pair is usable */
  RTC_ICE_COMPLETED,    /* it is nominated, and neither side has more candidates */
  RTC_ICE_DISCONNECTED, /* nothing authentic came for RTC_ICE_LOST_MS, and checks are in vain */
  RTC_ICE_FAILED,       /* no pair works, or consent is lost; a restart begins anew */
} rtc_ice_state_t;

typedef enum rtc_pair_state {
  RTC_PAIR_FROZEN,
  RTC_PAIR_WAITING,
  RTC_PAIR_IN_PROGRESS,
  RTC_PAIR_SUCCEEDED,
  RTC_PAIR_FAILED
} rtc_pair_state_t;

typedef struct rtc_ice_cand {
  rtc_addr_t addr;     /* as the peer is told, or told us */
  rtc_addr_t base;     /* ours only: the address that datagrams leave from, zero when the socket decides */
  uint32_t sock;       /* ours only */
  uint32_t priority;   /* RFC 8445 §5.1.2 */
  uint32_t foundation; /* any number that is equal for equal foundations */
  uint8_t type;        /* rtc_ice_type_t */
  /* RFC 6544. Ours: a connection, whose socket reaches `peer` alone, or without peer what listens: then a check that comes by a connection
   * to `base` makes a candidate of that. The peer's: what listens, or the far end of a connection. */
  bool tcp;
  rtc_addr_t peer;
} rtc_ice_cand_t;

typedef struct rtc_ice_flow { /* what went over a pair besides STUN; its owner counts */
  uint64_t packets_in, bytes_in, packets_out, bytes_out;
} rtc_ice_flow_t;

typedef struct rtc_ice_pair {
  uint64_t priority;
  uint8_t local, remote; /* places of its candidates */
  uint8_t seen_as;       /* place of the candidate that the peer sees us as: by the address in its answer */
  uint8_t state;         /* rtc_pair_state_t */
  bool live;             /* a request is out and not answered */
  bool nominating;       /* that request has USE-CANDIDATE */
  bool as_controlling;   /* the role it told */
  bool triggered;        /* the peer has asked: checked before the others, also when a pair is chosen */
  bool wanted;           /* the controlling peer has nominated it; holds once our own check passes */
  uint8_t tid[12];
  uint32_t wait_ms, sends; /* repeats of this request; only a single one gives a round trip time (Karn) */
  rtc_time_t at, since, sent;
  rtc_time_t answered;  /* latest answer, 0 before */
  rtc_time_t asked_at;  /* latest valid request of the peer, 0 before */
  rtc_time_t wanted_at; /* latest nomination by the controlling peer, 0 before */
  int64_t rtt_us;       /* 0 unknown */
  int64_t rtt_sum_us;   /* one for each answer: of a repeated request, whose own is unknown, the one before */
  uint32_t repeats_out; /* of these requests, repeats */
  uint32_t requests_out, answers_in, requests_in, answers_out;
  uint32_t consents_out; /* requests since it was chosen */
  rtc_ice_flow_t flow;
} rtc_ice_pair_t;

typedef struct rtc_ice_creds {
  char local_ufrag[RTC_ICE_TEXT_MAX + 1], local_pwd[RTC_ICE_TEXT_MAX + 1];
  char remote_ufrag[RTC_ICE_TEXT_MAX + 1], remote_pwd[RTC_ICE_TEXT_MAX + 1];
} rtc_ice_creds_t;

typedef struct rtc_ice {
  bool controlling;
  bool has_path;
  bool nominated; /* the chosen pair is, by us or by the peer */
  bool revoked;   /* consent was lost: not even checks go out before a restart (RFC 7675 §5.1) */
  bool failed, lost;
  bool local_end, remote_end; /* no more candidates will come */
  bool used;                  /* a request or answer has passed with the present credentials */
  bool has_old;
  rtc_path_t path; /* where to send; valid when has_path */
  int selected;    /* pair of `path`; -1: none, or one from before a restart */
  int pair_n, local_n, remote_n;
  rtc_time_t heard;     /* last authenticated packet of any kind on `path` */
  rtc_time_t flowed;    /* the same without STUN */
  rtc_time_t gap_us;    /* between two of these, a sliding mean */
  rtc_time_t elsewhere; /* first such packet on another pair that works, since `heard`; RTC_NEVER when none */
  rtc_time_t expires;   /* consent; RTC_NEVER before the first answer */
  rtc_time_t asking;    /* first request since `heard`, RTC_NEVER when none */
  rtc_time_t started;   /* of checking, RTC_NEVER before the first pair */
  rtc_time_t valid_since;
  rtc_time_t pace_at; /* earliest next first request */
  rtc_time_t plan_at; /* next thing to do for pairs other than the chosen one */
  uint64_t tie_breaker, seed;
  rtc_mark_key_t mark_key; /* of transaction ids: whose they are */
  uint32_t mark;
  uint32_t rank;                         /* of what the peer may learn from our checks, above that of other peer-reflexive ones */
  uint32_t requests, answers, conflicts; /* counters; conflicts: 487 sent or received */
  int64_t rtt_us;
  rtc_ice_creds_t creds, old; /* old: good until the new ones are first used */
  /* In here at first, which is enough for most; one that needs more gets room for the most there may be. */
  rtc_ice_cand_t *local, *remote;
  rtc_ice_pair_t *pair;
  int local_room, remote_room, pair_room;
  rtc_ice_cand_t few_local[RTC_ICE_FEW_LOCAL], few_remote[RTC_ICE_FEW_REMOTE];
  rtc_ice_pair_t few_pairs[RTC_ICE_FEW_PAIRS];
} rtc_ice_t;

typedef enum rtc_ice_result {
  RTC_ICE_DROP = 0, /* nothing learnt; an error answer may still be due */
  RTC_ICE_OK = 1,
  RTC_ICE_MOVED = 2 /* path chosen or changed */
} rtc_ice_result_t;

/* Copies the texts; those of the peer may be empty until set_remote: then its checks are answered and none is sent. 0 or RTC_EINVAL
 * (ufrag 4..256, pwd 22..256 characters, no colon in the local ufrag). seed: random. */
RTC_MUST_USE int rtc_ice_init(rtc_ice_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                              const char *remote_pwd, bool controlling, uint64_t seed);
void rtc_ice_clear(rtc_ice_t *c);
/* Which number the transaction ids carry from now on, so that who has the key knows whose answer comes. */
void rtc_ice_mark(rtc_ice_t *c, uint32_t number, const rtc_mark_key_t *key);
/* New credentials: the checks begin anew with our candidates, those of the peer are to be told again; only the address that is
 * talked to stays, and the path until another one is nominated (§9). 0 or RTC_EINVAL. */
RTC_MUST_USE int rtc_ice_restart(rtc_ice_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                                 const char *remote_pwd, rtc_time_t now);
/* The peer's, not known when init was called. 0 or RTC_EINVAL. */
RTC_MUST_USE int rtc_ice_set_remote(rtc_ice_t *c, const char *remote_ufrag, const char *remote_pwd);
static inline bool rtc_ice_introduced(const rtc_ice_t *c) { return c->creds.remote_pwd[0] != 0; }
void rtc_ice_set_role(rtc_ice_t *c, bool controlling);

/* One more candidate of ours or of the peer; one that is known already is no error. 0, RTC_ENOBUFS beyond RTC_ICE_CANDS, RTC_EINVAL. */
RTC_MUST_USE int rtc_ice_add_local(rtc_ice_t *c, const rtc_ice_cand_t *cand, rtc_time_t now);
RTC_MUST_USE int rtc_ice_add_remote(rtc_ice_t *c, const rtc_ice_cand_t *cand, rtc_time_t now);
/* For who is given an address rather than candidates: this one pair, ours being whatever the socket has. As above. */
RTC_MUST_USE int rtc_ice_add_path(rtc_ice_t *c, const rtc_path_t *path, rtc_time_t now);
/* The socket is no more: our candidates that it has and their pairs go; what is left is checked when the chosen pair is among them. */
void rtc_ice_lose(rtc_ice_t *c, uint32_t sock, rtc_time_t now);
void rtc_ice_end(rtc_ice_t *c, bool local, bool remote, rtc_time_t now); /* no more will come from these sides */

/* How well a check suits this agent, of several that have one user name; more is better: that it came to a socket of its candidates counts
 * most, then that it names the peer, then that the peer has told the address. */
int rtc_ice_fits(const rtc_ice_t *c, const rtc_stun_t *m, const rtc_path_t *from);
/* A parsed STUN message (a request by its USERNAME, or an answer). When an answer is due it is written to out and *out_len set
 * (0 else); it goes back to `from`. rtc_ice_result_t, or RTC_ENOBUFS (cap < 100) with nothing changed. */
RTC_MUST_USE int rtc_ice_on_stun(rtc_ice_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out, size_t cap,
                                 size_t *out_len, rtc_time_t now);
/* This path cannot be used: it is another's. What is chosen then is the best of the other valid ones, if any. */
void rtc_ice_refuse(rtc_ice_t *c, const rtc_path_t *path, rtc_time_t now);
/* Something authentic other than STUN came from this path; it may choose another one. */
void rtc_ice_on_heard(rtc_ice_t *c, const rtc_path_t *from, rtc_time_t now);
/* True for the chosen path and those that passed a check of either side: DTLS and media come from there only. */
bool rtc_ice_knows(const rtc_ice_t *c, const rtc_path_t *from);
/* Next request that is due: writes it to out, its goal to *path, returns its length; 0 when none is due, RTC_ENOBUFS when cap is
 * too small (1300 always suffices). Call until 0: it also sees to time-outs. */
RTC_MUST_USE int rtc_ice_pop(rtc_ice_t *c, uint8_t *out, size_t cap, rtc_path_t *path, rtc_time_t now);
rtc_time_t rtc_ice_next_at(const rtc_ice_t *c);
rtc_ice_state_t rtc_ice_state(const rtc_ice_t *c);

#endif
