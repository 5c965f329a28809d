/* dtls: one DTLS-SRTP association over OpenSSL (RFC 6347, 5764, 8842), either role. Datagrams in, datagrams
 * out (each <= 1200 bytes), keys out. Does not know addresses, sockets or threads, but its handshake is dear:
 * rtc_dtls_work may run on a helper thread that owns the object meanwhile. OpenSSL has its own clock and
 * randomness (the one exception to "time is an argument"). Guarantee: CONNECTED is reported only after every
 * fingerprint check has passed in constant time; no application byte passes before. */
#ifndef RTC_PROTO_DTLS_H
#define RTC_PROTO_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "base/window.h"
#include "proto/srtp.h"

enum {
  RTC_DTLS_MTU = 1200,
  RTC_DTLS_FIRST_TIMEOUT_MS = 100,
  RTC_DTLS_GIVE_UP_MS = 30000,   /* of time-outs in all flights together: FAILED */
  RTC_DTLS_IN_MAX = 16,          /* datagrams that may wait in the inbox; further ones are dropped */
  RTC_DTLS_IN_BYTES = 20 * 1024, /* and their bytes together. Outbox and received application data are capped alike */
  RTC_DTLS_FINGERPRINT_MAX = 8,
  RTC_DTLS_CERTS_MAX = 4096 + 3, /* bytes of a peer's certificates: no message of a handshake is longer */
};

typedef struct rtc_dtls_ctx rtc_dtls_ctx_t; /* certificate, key, ciphers: one for many associations */
typedef struct rtc_dtls rtc_dtls_t;

typedef enum rtc_dtls_state { RTC_DTLS_NEW, RTC_DTLS_HANDSHAKE, RTC_DTLS_CONNECTED, RTC_DTLS_FAILED, RTC_DTLS_CLOSED } rtc_dtls_state_t;

typedef struct rtc_fingerprint {
  uint16_t bits; /* 1, 256, 384 or 512 */
  uint8_t len;
  uint8_t value[64];
} rtc_fingerprint_t;

typedef struct rtc_dtls_keys {
  rtc_srtp_profile_t profile;
  uint8_t local_key[32], local_salt[14], remote_key[32], remote_salt[14];
} rtc_dtls_keys_t;

/* Certificates in DER, the peer's own first, each behind its length in three bytes as TLS has them. One block, at most RTC_DTLS_CERTS_MAX.
 */
typedef struct rtc_certs {
  uint32_t len;
  uint8_t data[];
} rtc_certs_t;

/* What goes on with the association's records needs to know (DTLS 1.2, AES-GCM). Every explicit nonce under local_key was, and has to
 * be, nonce_base + the record's sequence number. */
typedef struct rtc_dtls_records {
  uint8_t key_len; /* 16 or 32 */
  uint8_t local_key[32], remote_key[32], local_salt[4], remote_salt[4];
  int64_t next_seq; /* above all that were sent in epoch 1 */
  uint64_t nonce_base;
  rtc_window_t seen; /* numbers of the application data received */
} rtc_dtls_records_t;

/* PEM texts of certificate and private key (ECDSA or RSA). NULL: *err tells which (RTC_EINVAL, RTC_ENOMEM;
 * RTC_ESTATE: the OpenSSL that is linked has a flaw, rtc_crypto_flaw). */
rtc_dtls_ctx_t *rtc_dtls_ctx_new(const char *cert_pem, size_t cert_len, const char *key_pem, size_t key_len, int *err);
/* Digest of the certificate (bits as in rtc_fingerprint_t): its length or RTC_EINVAL. */
RTC_MUST_USE int rtc_dtls_ctx_fingerprint(const rtc_dtls_ctx_t *c, int bits, uint8_t out[64]);
/* Counted: associations keep it alive. Whoever lets go last frees it, on any thread. ref gives c back. */
rtc_dtls_ctx_t *rtc_dtls_ctx_ref(rtc_dtls_ctx_t *c);
void rtc_dtls_ctx_free(rtc_dtls_ctx_t *c);

/* Fingerprints the peer's certificate must all match: 1 to RTC_DTLS_FINGERPRINT_MAX, of known hashes with their right
 * length, and not SHA-1 alone. NULL: not so, or out of memory. */
rtc_dtls_t *rtc_dtls_new(rtc_dtls_ctx_t *c, bool client, const rtc_fingerprint_t *fps, int n);
void rtc_dtls_free(rtc_dtls_t *d); /* wipes keys; NULL allowed */

/* Puts a datagram into the inbox (copied). 0; or dropped: RTC_ENOBUFS when full, RTC_EPROTO when too short for a record,
 * RTC_ECLOSED when FAILED or CLOSED. */
int rtc_dtls_put(rtc_dtls_t *d, const uint8_t *p, size_t n);
/* Starts (client), or works through inbox and due time-outs. May take 300 us. Idempotent when there is nothing to do. */
void rtc_dtls_work(rtc_dtls_t *d);
/* Next datagram to send into out (cap >= RTC_DTLS_MTU): its length, 0 when none. */
int rtc_dtls_get(rtc_dtls_t *d, uint8_t *out, size_t cap);
/* Microseconds until work should be called for a time-out, RTC_NEVER when none runs. */
rtc_time_t rtc_dtls_timeout_in(rtc_dtls_t *d);
/* Whether the last flight should go out once more, some time before the next time-out: it had to be repeated already, so the network
 * loses; or a finished server has been asked for it; or the wall clock, by which OpenSSL measures, was set back. Then the owner asks for
 * `again`: the same datagrams once more into the outbox. They cost no turn of OpenSSL's, which ends a handshake after 12; whoever got
 * the first ones drops these as replayed. 0, RTC_ENOBUFS, or RTC_ESTATE when the peer needs them no more. */
bool rtc_dtls_wants_again(const rtc_dtls_t *d);
RTC_MUST_USE int rtc_dtls_again(rtc_dtls_t *d);

rtc_dtls_state_t rtc_dtls_state(const rtc_dtls_t *d);
/* Why FAILED ("fingerprint mismatch", "handshake: ...", "connection: ..."), good until d is freed; "" else. */
const char *rtc_dtls_error(const rtc_dtls_t *d);
/* After CONNECTED: keys of the SRTP profile that was agreed. RTC_ESTATE before, RTC_EPROTO when none was agreed. */
RTC_MUST_USE int rtc_dtls_keys(const rtc_dtls_t *d, rtc_dtls_keys_t *out);
/* "DTLSv1.2", the cipher's and profile's names for statistics; "" before. */
const char *rtc_dtls_version(const rtc_dtls_t *d);
const char *rtc_dtls_cipher(const rtc_dtls_t *d);
/* Peer's certificate, DER: length (0 before), or RTC_ENOBUFS. */
int rtc_dtls_peer_cert(const rtc_dtls_t *d, uint8_t *out, size_t cap);
/* All that it showed, the caller's to free(); NULL: not agreed yet, or out of memory. */
rtc_certs_t *rtc_dtls_peer_certs(const rtc_dtls_t *d);
/* Application data (SCTP). send: 0; RTC_ESTATE unless CONNECTED, RTC_EINVAL when empty or too long for one datagram
 * (rtc_dtls_data_max), RTC_ENOBUFS when the outbox is full. recv: length of the next message, 0 when none, RTC_ENOBUFS
 * when it was longer than cap (and is lost). What comes while 16 messages wait is dropped, as the network drops. */
RTC_MUST_USE int rtc_dtls_send(rtc_dtls_t *d, const uint8_t *p, size_t n);
int rtc_dtls_recv(rtc_dtls_t *d, uint8_t *out, size_t cap);
/* Longest message that send takes with the agreed cipher (1163 for AES-GCM); 0 unless CONNECTED. */
size_t rtc_dtls_data_max(const rtc_dtls_t *d);
/* Whether the peer has finished its handshake for certain, and so will not ask for our last flight again: we are the client, or
 * application data has come. */
bool rtc_dtls_settled(const rtc_dtls_t *d);
/* The end of this object's part: the caller writes and reads the records from now on. state CLOSED without a word to the peer; what
 * recv has not been asked for yet stays there. RTC_ESTATE: not CONNECTED, or inbox or outbox still hold something (work, get, try
 * again). RTC_EPROTO: not DTLS 1.2 with AES-GCM, or it is not certain how the nonces go on or which records have been read; RTC_ENOMEM.
 * Then nothing has changed, and the object goes on. */
RTC_MUST_USE int rtc_dtls_export_records(rtc_dtls_t *d, rtc_dtls_records_t *out);
/* close_notify into the outbox; state CLOSED. */
void rtc_dtls_close(rtc_dtls_t *d);

#endif
