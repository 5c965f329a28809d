/* dtls_impl: what dtls.c (the association), dtls_ctx.c (certificate and settings), dtls_cert.c (new certificates), dtls_p256.c (their
 * keys), dtls_lib.c (OpenSSL's algorithms), dtls_bio.c (datagrams to and from OpenSSL) and dtls_export.c (handing the records over) share.
 * Private to these, the only ones that know openssl/ssl.h; here its types are names alone. */
#ifndef RTC_PROTO_DTLS_IMPL_H
#define RTC_PROTO_DTLS_IMPL_H

#include <stdatomic.h>

#include "proto/dtls.h"

enum {
  RTC_DTLS_RECORD_HEADER = 13,
  /* A handshake message may claim 16 MB, OpenSSL reserves up to 16 KB for each of ten, and beside them it has 60 KB of buffers. Real
   * messages are under 3 KB, six of them in a flight; with these limits a half-open peer can make us hold 128 KB in all. */
  RTC_DTLS_MESSAGE_MAX = 4096,
  RTC_DTLS_MESSAGES = 8, /* numbers 0 .. 7: a handshake without renegotiation has no more */
  RTC_DTLS_MESSAGES_BYTES = 8192,
  /* For records of the next epoch that have overtaken the peer's ChangeCipherSpec, or its Finished: a Finished, and the first
   * application data behind it. */
  RTC_DTLS_EARLY_BYTES = 2048,
};

/* Datagrams in order, copied, each with its length before it. Memory comes with the first one. */
typedef struct dtls_queue {
  uint8_t *buf; /* grown by doubling up to RTC_DTLS_IN_BYTES + two bytes a datagram */
  uint32_t cap, head, tail, newest, count;
  uint32_t taken; /* bytes of the oldest that have been read: its first records */
} dtls_queue_t;

bool rtc_dtls_queue_full(const dtls_queue_t *q, size_t n);
/* Room for n more bytes at the end, which count once pushed with their final number; NULL when full or out of memory. */
uint8_t *rtc_dtls_queue_room(dtls_queue_t *q, size_t n);
void rtc_dtls_queue_push(dtls_queue_t *q, size_t n);
/* The oldest, or NULL; it stays until popped. */
const uint8_t *rtc_dtls_queue_peek(const dtls_queue_t *q, size_t *n);
void rtc_dtls_queue_pop(dtls_queue_t *q);
/* All that waits, as one block of n bytes (the caller's, by free), and a block put in at the end: false when out of memory, or there is
 * no room. */
bool rtc_dtls_queue_copy(const dtls_queue_t *q, uint8_t **block, uint32_t *n);
bool rtc_dtls_queue_paste(dtls_queue_t *q, const uint8_t *block, uint32_t n);
/* Gives the memory back and drops what was waiting; the queue stays usable. */
void rtc_dtls_queue_clear(dtls_queue_t *q);

struct rtc_dtls_ctx {
  struct ssl_ctx_st *ssl_ctx; /* settings, which all share */
  struct x509_st *cert;
  struct evp_pkey_st *key;
  struct bio_method_st *bio; /* one for all: OpenSSL has few BIO type numbers to give */
  atomic_int refs;
};

/* What is seen of the records of epoch 1, so that another writer can go on with them. OpenSSL tells none of it. */
typedef struct dtls_epoch1 {
  int64_t next_seq;    /* one past the highest number written */
  uint64_t nonce_base; /* explicit nonce minus number, of the records written */
  bool odd;            /* which was not the same for all of them */
  bool unsure;         /* application data was read, it is not known from which record */
  int64_t reading;     /* number of the record of application data that OpenSSL has begun to read; -1: none */
  rtc_window_t seen;   /* numbers of those that proved authentic */
  uint8_t key_len;     /* of the key block's keys; 0: it has not been derived */
  uint8_t block[72];   /* client's and server's key, client's and server's salt (RFC 5246 §6.3): no MAC keys with AEAD */
} dtls_epoch1_t;

struct rtc_dtls {
  rtc_dtls_ctx_t *ctx;
  struct ssl_st *ssl;
  dtls_queue_t in, out, app;
  rtc_dtls_state_t state;
  bool client, verified, trimmed;
  uint8_t fp_n;
  uint16_t data_max;
  uint32_t plain_records;                /* of epoch 0 that OpenSSL has read */
  uint16_t announced[RTC_DTLS_MESSAGES]; /* lengths of plain handshake messages of which fragments were let through */
  uint16_t early_n;
  uint8_t *early; /* RTC_DTLS_EARLY_BYTES once there is one: whole records laid by, one behind the other */
  rtc_fingerprint_t *fps;
  dtls_epoch1_t epoch1;
  uint8_t *flight; /* the datagrams of the last flight, each with its length before it */
  uint32_t flight_n;
  bool again;         /* and it should go out once more */
  uint32_t waited_ms; /* time-outs that ran off, all flights together */
  char error[96];
};

/* dtls_lib.c: where associations find algorithms; NULL: OpenSSL's default context. It lives as long as the process. */
struct ossl_lib_ctx_st *rtc_dtls_lib(void);
/* What its provider has of its own. The PRF of TLS 1.2 (dtls_prf.c); and, made of functions that the default provider has and to be used
 * in their place, or NULL when these are not what they should be: a decoder of public keys on curves (dtls_spki.c; core: OpenSSL's
 * functions for providers), and keys for X25519 (dtls_x25519.c; provider: what the functions are called with). */
extern const struct ossl_dispatch_st rtc_dtls_prf[];
const struct ossl_dispatch_st *rtc_dtls_spki(const struct ossl_dispatch_st *decoder, const struct ossl_dispatch_st *core);
const struct ossl_dispatch_st *rtc_dtls_x25519(const struct ossl_dispatch_st *keys, const struct ossl_dispatch_st *exchange,
                                               void *provider);

/* dtls_p256.c: a key in PKCS #8, the private number inside and the public point at its end. read: NULL for another. */
enum { RTC_P256_POINT = 65, RTC_P256_PKCS8 = 138 };
struct evp_pkey_st *rtc_dtls_p256_read(const uint8_t *der, size_t n);
bool rtc_dtls_p256_write(const struct evp_pkey_st *key, uint8_t out[RTC_P256_PKCS8]);

/* A record of a handshake: its messages, or ChangeCipherSpec. */
bool rtc_dtls_of_handshake(uint8_t type);
struct bio_method_st *rtc_dtls_bio_method(void);

/* dtls_ctx.c: what every association is set up with but a certificate, new, NULL when memory is out; a session with both. */
struct ssl_ctx_st *rtc_dtls_settings_new(void);
struct ssl_st *rtc_dtls_ctx_ssl(const rtc_dtls_ctx_t *c);
struct bio_st *rtc_dtls_bio_new(rtc_dtls_t *d);
/* Whether OpenSSL would be given anything now. */
bool rtc_dtls_has_input(const rtc_dtls_t *d);
void rtc_dtls_early_clear(rtc_dtls_t *d);

/* OpenSSL's session, which comes with the first work: for tests that set something up in it. False: out of memory. */
bool rtc_dtls_prepare(rtc_dtls_t *d);

/* dtls_export.c: each datagram that OpenSSL writes; each record header that it reads (its message callback); each message that it
 * has read out. */
void rtc_dtls_note_written(rtc_dtls_t *d, const uint8_t *p, size_t n);
void rtc_dtls_note_header(int written, int version, int type, const void *p, size_t n, struct ssl_st *ssl, void *d);
void rtc_dtls_note_read(rtc_dtls_t *d);
/* The handshake is over: derives what the export needs while somebody has the time for it. */
void rtc_dtls_note_connected(rtc_dtls_t *d);

/* Called during the handshake, when the peer's certificate has come: 1 lets it go on, 0 ends it with an alert. */
int rtc_dtls_verify(struct x509_store_ctx_st *store, void *unused);

#endif
