/* srtp: protects and opens SRTP and SRTCP (RFC 3711, 7714) with one master key for one direction. Owns the
 * session keys and, per SSRC, the roll-over state and windows; does not know streams or transports.
 * Guarantees: nothing changes before a packet has passed authentication and replay; an index is never used twice
 * under one key (RTC_EREPLAY); the key limits 2^48 (RTP) and 2^31 (RTCP) end in RTC_ESTATE; clear wipes keys.
 * Not here: MKI, key derivation rates other than 0, NULL ciphers, RFC 6904 and 9335 (encrypted header extensions). */
#ifndef RTC_PROTO_SRTP_H
#define RTC_PROTO_SRTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/window.h"

typedef enum rtc_srtp_profile { /* RFC 5764 and 7714 protection profile numbers */
                                RTC_SRTP_NONE = 0,
                                RTC_SRTP_AES_CM_128_HMAC_SHA1_80 = 0x0001,
                                RTC_SRTP_AES_CM_128_HMAC_SHA1_32 = 0x0002, /* rtcengine.srtp alone; DTLS never offers it */
                                RTC_SRTP_AEAD_AES_128_GCM = 0x0007,
                                RTC_SRTP_AEAD_AES_256_GCM = 0x0008,
} rtc_srtp_profile_t;

enum {
  RTC_SRTP_SSRC_MAX = 64,   /* SSRCs followed a direction; at the cap the idlest is evicted on receive, refused on send */
  RTC_SRTP_GONE_MAX = 1024, /* evicted SSRCs remembered; past it a new SSRC is refused (RTC_ENOBUFS): time for a new key */
  RTC_SRTP_OVERHEAD = 20,   /* most bytes protect adds (RTCP: tag 16 + index 4) */
};

typedef struct rtc_srtp_src { /* one SSRC; all numbers are full indices (roll-over << 16 | sequence) */
  uint32_t ssrc;
  uint32_t rtcp_index; /* sending: next to use */
  uint64_t used;       /* for eviction: order of last use */
  rtc_window_t rtp;    /* window.top is the highest index */
  rtc_window_t rtcp;   /* receiving only */
} rtc_srtp_src_t;

/* What remains of an evicted SSRC. Without it everything the SSRC ever sent could be replayed to us, and a
 * roll-over above 1 could not be guessed again; with it the SSRC goes on above its highest indices. */
typedef struct rtc_srtp_gone {
  uint32_t ssrc;
  int32_t rtcp_top; /* as windows have it: -1 when there was none */
  int64_t rtp_top;
} rtc_srtp_gone_t;

typedef struct rtc_srtp_session { /* session keys of RTP or of RTCP (RFC 3711 §4.3) */
  uint8_t key[32], auth[20], salt[14];
} rtc_srtp_session_t;

typedef struct rtc_srtp {
  rtc_srtp_profile_t profile;
  int sending;
  rtc_gcm_t gcm_rtp, gcm_rtcp; /* AEAD profiles */
  rtc_ctr_t ctr_rtp, ctr_rtcp; /* CM profiles */
  rtc_hmac_t mac_rtp, mac_rtcp;
  uint8_t salt_rtp[14], salt_rtcp[14];
  rtc_sealer_t *opener;              /* receiving; borrowed from who owns the thread: its backend opens packets. NULL: OpenSSL does */
  uint32_t window;                   /* 0: RTC_WINDOW_SIZE */
  uint64_t clock;                    /* use counter for eviction */
  uint32_t src_n, src_cap, src_last; /* src_last: where the last packet's SSRC was found, tried first */
  rtc_srtp_src_t *src;               /* grown by doubling up to RTC_SRTP_SSRC_MAX, never per packet */
  uint32_t gone_n, gone_cap;
  rtc_srtp_gone_t *gone; /* evicted on receive, ended on send; the same, up to RTC_SRTP_GONE_MAX */
} rtc_srtp_t;

/* A hint: this one protects soon, with the SSRC that it protected last. */
static inline void rtc_srtp_prefetch(const rtc_srtp_t *s) {
  if (!s->src) return; /* no packet yet */
  const char *src = (const char *)(s->src + s->src_last);
  __builtin_prefetch(src, 1);
  __builtin_prefetch(src + 64, 1);
  __builtin_prefetch(src + 128, 1);
}

/* Sizes of a profile; 0 for an unknown one. */
size_t rtc_srtp_key_len(rtc_srtp_profile_t p);  /* 16 or 32 */
size_t rtc_srtp_salt_len(rtc_srtp_profile_t p); /* 14 (CM) or 12 (GCM) */
size_t rtc_srtp_tag_len(rtc_srtp_profile_t p);  /* of SRTP */

RTC_MUST_USE int rtc_srtp_init(rtc_srtp_t *s, rtc_srtp_profile_t p, const uint8_t *key, size_t key_len, const uint8_t *salt,
                               size_t salt_len, int sending);
/* From session keys, for vectors that start there (RFC 7714 §16-17); everything else begins with init. */
RTC_MUST_USE int rtc_srtp_init_session(rtc_srtp_t *s, rtc_srtp_profile_t p, const rtc_srtp_session_t *rtp, const rtc_srtp_session_t *rtcp,
                                       int sending);
/* How far behind the highest an index is still taken, of SRTP and SRTCP. Receiving, and before the first packet (RTC_ESTATE); RTC_EINVAL
 * outside base/window.h's bounds. */
RTC_MUST_USE int rtc_srtp_window(rtc_srtp_t *s, uint32_t size);
void rtc_srtp_clear(rtc_srtp_t *s); /* idempotent; all zeros is a cleared one */

/* Sending: this SSRC has ended and makes room for others. Should it come again, its numbers go on above those that it had. */
void rtc_srtp_end(rtc_srtp_t *s, uint32_t ssrc);

/* The key derivation function with rate 0 (RFC 3711 §4.3, 6188, 7714 §11): n bytes for one label. */
RTC_MUST_USE int rtc_srtp_kdf(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, uint8_t label, uint8_t *out,
                              size_t n);

/* Encrypts in place; index = roll-over << 16 | sequence, chosen by the caller, its low 16 bits those in the
 * header (RTC_EINVAL else). cap >= len + RTC_SRTP_OVERHEAD (RTC_ENOBUFS else). Returns the new length or RTC_E*. */
RTC_MUST_USE int rtc_srtp_protect(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap, int64_t index);
/* For callers that keep no roll-over: the index nearest to the highest that this SSRC has sent (roll-over 0 before
 * the first), by the receiver's rule; or RTC_EPROTO. */
RTC_MUST_USE int64_t rtc_srtp_estimate(const rtc_srtp_t *s, const uint8_t *p, size_t len);
/* Opens in place; index by RFC 3711 §3.3.1 (until the SSRC's first authenticated packet roll-over 0 and 1 are
 * both tried). Returns the plain length and *index; or RTC_EPROTO (form), RTC_EAUTH, RTC_EREPLAY; then p must
 * not be used any more, but for its header. */
RTC_MUST_USE int rtc_srtp_unprotect(rtc_srtp_t *s, uint8_t *p, size_t len, int64_t *index);
/* The same for RTCP, compound or reduced-size; the first four bytes after the first header are the SSRC. The index
 * counts from 0 per SSRC. unprotect_rtcp also takes packets that are authenticated but not encrypted (E = 0). */
RTC_MUST_USE int rtc_srtp_protect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap);
RTC_MUST_USE int rtc_srtp_unprotect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len);

/* One packet of a batch. `index` as protect takes it, or RTC_SRTP_ESTIMATE for what rtc_srtp_estimate gives when it is this
 * packet's turn; unprotect_batch sets it. `result` is what the single call returns. */
typedef struct rtc_srtp_job {
  rtc_srtp_t *s;
  uint8_t *p;
  size_t len, cap; /* cap: protect only */
  int64_t index;
  int result;
} rtc_srtp_job_t;

#define RTC_SRTP_ESTIMATE INT64_C(-1)

/* The same as n single calls in order, of one session or of several; packets may not overlap. A packet that fails spoils no
 * other. Both return how many did not fail. With a sealer protect runs its ciphers side by side; it may be NULL. */
int rtc_srtp_protect_batch(rtc_sealer_t *sealer, rtc_srtp_job_t *jobs, int n);
int rtc_srtp_unprotect_batch(rtc_srtp_job_t *jobs, int n);

#endif
