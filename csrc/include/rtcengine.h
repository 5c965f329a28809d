/* rtcengine: the engine for C programs. One object owns sockets, transports and streams; media is received, repaired, relayed
 * and sent by it, on a thread of its own or inside step().
 *
 * In: ICE-lite transports whose credentials, fingerprint and payload types you give; DTLS-SRTP; forwarding of a received stream to any
 * number of senders; frames of your own (Opus, VP8); RTCP, NACK, RTX, transport-wide feedback. Not in: SDP, a full ICE agent, codecs.
 *
 * Ids of transports, receivers and senders are yours: not 0, never used twice. Functions return 0 (or what they say) or an
 * error below zero that rtcengine_error_text explains. One thread at a time may use an engine; all pointers given are only read
 * during the call. Link with `pkg-config --libs librtcengine`. */
#ifndef RTCENGINE_H
#define RTCENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RTCENGINE_API __attribute__((visibility("default")))

typedef struct rtcengine rtcengine_t;

typedef struct rtcengine_options {
  const char *cert_pem, *key_pem; /* texts, ended by 0; ECDSA P-256 is what everybody takes */
  const char *const *addresses;   /* to bind, e.g. {"0.0.0.0", "::"}; NULL: these two */
  int address_n;
  uint16_t port;    /* 0: a free one, the same for all addresses */
  uint32_t packets; /* most packet slots of 2 KiB; 0: 32768 */
} rtcengine_options_t;

enum { RTCENGINE_OPUS = 1, RTCENGINE_VP8, RTCENGINE_VP9, RTCENGINE_H264, RTCENGINE_AV1 };            /* codecs */
enum { RTCENGINE_NEW, RTCENGINE_CHECKED, RTCENGINE_CONNECTED, RTCENGINE_STALLED, RTCENGINE_CLOSED }; /* states */

/* NULL: why (when not NULL) holds a sentence. */
RTCENGINE_API rtcengine_t *rtcengine_new(const rtcengine_options_t *options, char *why, size_t why_cap);
/* Says goodbye to all peers, stops the thread when there is one, frees everything. NULL is allowed. */
RTCENGINE_API void rtcengine_free(rtcengine_t *e);
RTCENGINE_API uint16_t rtcengine_port(const rtcengine_t *e);
RTCENGINE_API const char *rtcengine_error_text(int error);
RTCENGINE_API const char *rtcengine_version(void);
/* "AB:CD:.." of the certificate's SHA-256 for an SDP; needs 96 bytes. Its length, or an error. */
RTCENGINE_API int rtcengine_fingerprint(const rtcengine_t *e, char *out, size_t cap);

/* Either start it once: a thread runs it from then on .. */
RTCENGINE_API int rtcengine_start(rtcengine_t *e);
/* .. or drive it yourself: wait until fd is readable or wait_us is over (-1: no deadline), then step. */
RTCENGINE_API int rtcengine_fd(rtcengine_t *e);
RTCENGINE_API int64_t rtcengine_wait_us(const rtcengine_t *e);
RTCENGINE_API int rtcengine_step(rtcengine_t *e);

typedef struct rtcengine_extension {
  uint8_t id;
  const char *uri;
} rtcengine_extension_t;

typedef struct rtcengine_transport {
  const char *local_ufrag, *local_pwd;     /* 4 to 32 and 22 to 256 characters */
  const char *remote_ufrag, *remote_pwd;   /* may be NULL: any peer that knows ours */
  const char *fingerprint;                 /* of the peer's certificate: "sha-256 AB:CD:.." */
  bool dtls_client;                        /* false: the peer says setup:active */
  const rtcengine_extension_t *extensions; /* as agreed for the whole BUNDLE group */
  int extension_n;
  const char *cname;
} rtcengine_transport_t;

typedef struct rtcengine_stream { /* one direction of one section */
  uint32_t transport;
  bool video;
  int codec;      /* RTCENGINE_OPUS .. */
  int pt, rtx_pt; /* rtx_pt -1: none */
  uint32_t clock_rate;
  uint32_t ssrc, rtx_ssrc;      /* receivers: 0 when not declared; senders: ours, rtx_ssrc 0 for none */
  const char *mid;              /* may be NULL */
  bool nack, pli, transport_cc; /* feedback agreed; PLI and transport-wide feedback are of receivers */
} rtcengine_stream_t;

RTCENGINE_API int rtcengine_add_transport(rtcengine_t *e, uint32_t id, const rtcengine_transport_t *t);
RTCENGINE_API int rtcengine_close_transport(rtcengine_t *e, uint32_t id); /* with its receivers and senders */
RTCENGINE_API int rtcengine_add_receiver(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s);
RTCENGINE_API int rtcengine_add_sender(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s);
/* Feeds a sender from a receiver (of any transport, same codec), from the next key frame on; receiver 0 unlinks. */
RTCENGINE_API int rtcengine_link(rtcengine_t *e, uint32_t sender, uint32_t receiver);
RTCENGINE_API int rtcengine_ask_keyframe(rtcengine_t *e, uint32_t receiver);
/* One encoded frame (Opus or VP8) for a sender that nothing is linked to; timestamp in the codec's clock. */
RTCENGINE_API int rtcengine_send_frame(rtcengine_t *e, uint32_t sender, const uint8_t *data, size_t len, uint32_t timestamp, bool key);

typedef struct rtcengine_event {
  enum { RTCENGINE_EV_TRANSPORT = 1, RTCENGINE_EV_RECEIVER, RTCENGINE_EV_KEYFRAME_WANTED } type;
  uint32_t id;        /* transport, receiver or sender */
  int state;          /* of a transport; RTCENGINE_CLOSED is its last event */
  const char *reason; /* why it closed: static text, "" else */
  char remote[64];    /* "192.0.2.1:5000", "" when there is no path */
} rtcengine_event_t;

/* Next event: 1 or 0. Wait for event_fd to be readable when the thread runs; after step() when it does not. */
RTCENGINE_API int rtcengine_next_event(rtcengine_t *e, rtcengine_event_t *out);
RTCENGINE_API int rtcengine_event_fd(const rtcengine_t *e);

typedef struct rtcengine_counts {
  uint64_t packets_in, packets_out, forwarded, dropped;
} rtcengine_counts_t;
RTCENGINE_API int rtcengine_counts(rtcengine_t *e, rtcengine_counts_t *out);

#ifdef __cplusplus
}
#endif

#endif
