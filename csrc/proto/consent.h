/* consent: a lite agent: which path the peer may be sent to, and whether it still wants us to (RFC 8445 §2.5, RFC 7675). It answers
 * checks and follows nomination; the full agent is ice.h. Owns credentials, the chosen path and the consent clock; does not know DTLS or
 * sockets. Guarantee: no path is chosen and no answer is written before MESSAGE-INTEGRITY has passed; an answer is never longer
 * than 100 bytes and goes to where the request came from. */
#ifndef RTC_PROTO_CONSENT_H
#define RTC_PROTO_CONSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "wire/stun.h"

enum {
  RTC_UFRAG_MAX = 256,
  RTC_PWD_MAX = 256,          /* RFC 8839 §5.4 */
  RTC_CONSENT_MS = 30000,     /* consent lasts this long from the last valid request */
  RTC_CONSENT_MOVE_MS = 1000, /* without USE-CANDIDATE the path moves when the present one was silent this long */
};

typedef struct rtc_consent {
  char *local_ufrag, *local_pwd, *remote_ufrag, *remote_pwd; /* owned; remote_* may be empty */
  bool has_path;
  rtc_path_t path;     /* where to send; valid when has_path */
  bool nominated;      /* by USE-CANDIDATE */
  rtc_time_t heard;    /* last authenticated packet of any kind on `path` (rtc_consent_on_heard) */
  rtc_time_t expires;  /* moved on by requests on `path`; RTC_NEVER before the first */
  rtc_path_t valid[4]; /* paths that passed a check lately, newest first */
  int valid_n;
  uint32_t requests;  /* counters */
  uint32_t conflicts; /* 487 sent */
  /* Credentials from before rtc_consent_restart, NULL when none: good until the new ones are first used. */
  char *old_local_ufrag, *old_local_pwd, *old_remote_ufrag;
  bool used; /* a request has passed with the present credentials */
} rtc_consent_t;

typedef enum rtc_consent_result {
  RTC_CONSENT_DROP = 0, /* nothing learnt; an error answer may still be due */
  RTC_CONSENT_OK = 1,
  RTC_CONSENT_MOVED = 2 /* path chosen or changed */
} rtc_consent_result_t;

/* Copies the texts. 0, RTC_EINVAL (ufrag 4..256, pwd 22..256 characters for local, no colon in its ufrag; remote the
 * same or both empty or NULL), RTC_ENOMEM. */
RTC_MUST_USE int rtc_consent_init(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                                  const char *remote_pwd);
void rtc_consent_clear(rtc_consent_t *c);
/* New credentials after an ICE restart; path and consent stay until the new ones are used. 0 or RTC_E*. */
RTC_MUST_USE int rtc_consent_restart(rtc_consent_t *c, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                                     const char *remote_pwd);
/* A parsed STUN message (a request by its USERNAME). Checks integrity, then changes state. When an answer
 * is due it is written to out and *out_len set (0 else); it goes back to `from`. A role conflict (487) and unknown
 * comprehension-required attributes (420) are answered with an error. rtc_consent_result_t, or RTC_ENOBUFS (cap < 100)
 * with nothing changed. */
RTC_MUST_USE int rtc_consent_on_stun(rtc_consent_t *c, const rtc_stun_t *m, const uint8_t *raw, const rtc_path_t *from, uint8_t *out,
                                     size_t cap, size_t *out_len, rtc_time_t now);
/* Something authenticated (STUN, DTLS, SRTP) came from this path. */
void rtc_consent_on_heard(rtc_consent_t *c, const rtc_path_t *from, rtc_time_t now);
/* True when `from` is the chosen path or one that has passed a check: DTLS and media are taken from there only. */
bool rtc_consent_knows(const rtc_consent_t *c, const rtc_path_t *from);
bool rtc_consent_expired(const rtc_consent_t *c, rtc_time_t now);
rtc_time_t rtc_consent_next_at(const rtc_consent_t *c); /* expiry */

#endif
