/* rtcengine: the engine for C programs. One object owns sockets, transports and streams; media is received, repaired, relayed
 * and sent by it, on a thread of its own or inside step().
 *
 * In: ICE-lite transports whose credentials, fingerprint and payload types you give; DTLS-SRTP; forwarding of a received stream to any
 * number of senders; frames of your own (Opus, VP8); RTCP, NACK, RTX, transport-wide feedback. Not in: SDP, a full ICE agent, codecs.
 *
 * Ids of transports, receivers and senders are yours: not 0, never used twice, each kind counted apart. Functions return 0 (or what they
 * say) or an error below zero that rtcengine_error_text explains; after an error nothing has changed. A command returns when the engine
 * has carried it out. What you pass in is copied or read during the call; a structure's fields left at zero are "none" or "no".
 *
 * Threads: one at a time may use an engine, any one; the engine's own thread never calls you. After fork() the child may only free it.
 * Link with `pkg-config --cflags --libs librtcengine`; examples/echo.c is a whole program. */
#ifndef RTCENGINE_H
#define RTCENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RTCENGINE_API __attribute__((visibility("default")))
#else
#define RTCENGINE_API
#endif

typedef struct rtcengine rtcengine_t;

enum { /* errors */
       RTCENGINE_ENOMEM = -1,
       RTCENGINE_EINVAL = -2,  /* an argument cannot be, names nothing that is there, or an id is in use */
       RTCENGINE_ESTATE = -3,  /* not now: e.g. a frame before the transport is connected, step() beside the thread */
       RTCENGINE_ENOBUFS = -4, /* the buffer is too small, or a limit is reached */
       RTCENGINE_ECLOSED = -8
};

enum { RTCENGINE_OPUS = 1, RTCENGINE_VP8, RTCENGINE_VP9, RTCENGINE_H264, RTCENGINE_AV1 }; /* codecs */

enum {                      /* states of a transport */
       RTCENGINE_NEW,       /* nothing authentic has come */
       RTCENGINE_CHECKED,   /* a path has passed its ICE check */
       RTCENGINE_CONNECTED, /* DTLS done, fingerprint right: media flows */
       RTCENGINE_STALLED,   /* connected, but its peer, which sends, has been silent for 3 s; connected again when it is heard */
       RTCENGINE_CLOSED     /* gone, with its receivers and senders */
};

typedef struct rtcengine_options {
  const char *cert_pem, *key_pem; /* texts; ECDSA P-256 is what everybody takes */
  const char *const *addresses;   /* to bind, e.g. {"0.0.0.0", "::"}; NULL: these two, or the one that this machine has */
  int address_n;                  /* at most 16 */
  uint16_t port;                  /* 0: a free one, the same for all addresses */
  uint32_t packets;               /* most packet slots of 2 KiB; 0: 32768 */
} rtcengine_options_t;

/* Binds. NULL: why (when not NULL) holds a sentence. */
RTCENGINE_API rtcengine_t *rtcengine_new(const rtcengine_options_t *options, char *why, size_t why_cap);
/* Says goodbye to all peers, stops the thread when there is one, frees everything. NULL is allowed. */
RTCENGINE_API void rtcengine_free(rtcengine_t *e);
RTCENGINE_API uint16_t rtcengine_port(const rtcengine_t *e);
RTCENGINE_API const char *rtcengine_error_text(int error); /* static */
RTCENGINE_API const char *rtcengine_version(void);         /* "1.2.3" */
/* "AB:CD:.." of the certificate's SHA-256 for an SDP; needs 96 bytes. Its length, or an error. */
RTCENGINE_API int rtcengine_fingerprint(const rtcengine_t *e, char *out, size_t cap);

/* Either start it once: a thread (and a helper for handshakes) runs it until free .. */
RTCENGINE_API int rtcengine_start(rtcengine_t *e);
/* .. or drive it yourself: wait until fd is readable or wait_us is over (-1: no deadline), then step. The fd is the engine's (Linux only:
 * RTCENGINE_ESTATE elsewhere). A step takes what has come and what is due, handshakes included, and never waits for more. Commands step,
 * too: ask for wait_us again after them. */
RTCENGINE_API int rtcengine_fd(rtcengine_t *e);
RTCENGINE_API int64_t rtcengine_wait_us(const rtcengine_t *e);
RTCENGINE_API int rtcengine_step(rtcengine_t *e);

typedef struct rtcengine_extension { /* a=extmap; those that the engine does not know are passed over */
  uint8_t id;                        /* 1 to 255; above 14 with mixed_extensions alone */
  const char *uri;
} rtcengine_extension_t;

typedef struct rtcengine_transport {
  const char *local_ufrag, *local_pwd;     /* 4 to 32 and 22 to 256 characters */
  const char *remote_ufrag, *remote_pwd;   /* of the peer's SDP; both NULL: any peer that knows ours */
  const char *fingerprint;                 /* of the peer's certificate: "sha-256 AB:CD:.." (or sha-384, sha-512) */
  bool dtls_client;                        /* false: the peer says setup:active */
  bool mixed_extensions;                   /* a=extmap-allow-mixed was agreed */
  bool reduced_rtcp;                       /* a=rtcp-rsize was agreed */
  const rtcengine_extension_t *extensions; /* as agreed for the whole BUNDLE group */
  int extension_n;
  const char *cname; /* in our reports; at most 63 characters */
} rtcengine_transport_t;

typedef struct rtcengine_stream { /* one direction of one section */
  uint32_t transport;
  bool video;
  int codec;      /* RTCENGINE_OPUS .. */
  int pt, rtx_pt; /* rtx_pt 0: none */
  uint32_t clock_rate;
  uint32_t ssrc, rtx_ssrc;       /* receivers: 0 when not declared; senders: ours, random, rtx_ssrc 0 for none */
  const char *mid;               /* may be NULL; at most 16 characters */
  const char *rid;               /* of one layer of a simulcast (RFC 8853); the same */
  bool nack, pli, fir;           /* a=rtcp-fb agreed; pli and fir: of receivers */
  bool transport_cc;             /* of receivers: tell the peer what came when */
  const char *const *extensions; /* of senders: URIs agreed for this section; NULL: all of the transport */
  int extension_n;
} rtcengine_stream_t;

RTCENGINE_API int rtcengine_add_transport(rtcengine_t *e, uint32_t id, const rtcengine_transport_t *t);
/* New ICE credentials; media goes on over the old path until the peer uses them. */
RTCENGINE_API int rtcengine_restart_ice(rtcengine_t *e, uint32_t id, const char *local_ufrag, const char *local_pwd,
                                        const char *remote_ufrag, const char *remote_pwd);
/* With its receivers and senders; its last event follows. One that its peer has closed already is no error. */
RTCENGINE_API int rtcengine_close_transport(rtcengine_t *e, uint32_t id);
RTCENGINE_API int rtcengine_add_receiver(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s);
RTCENGINE_API int rtcengine_add_sender(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s);
/* Feeds a sender from a receiver (of any transport; same codec and clock rate), from its next key frame on, which is asked for;
 * a picture goes on as it is until then. Receiver 0 unlinks. Either may be gone with its transport: that is no error. */
RTCENGINE_API int rtcengine_link(rtcengine_t *e, uint32_t sender, uint32_t receiver);
RTCENGINE_API int rtcengine_ask_keyframe(rtcengine_t *e, uint32_t receiver);
/* One encoded frame (Opus or VP8) for a sender that nothing is linked to; timestamp in the codec's clock, any start, wraps. */
RTCENGINE_API int rtcengine_send_frame(rtcengine_t *e, uint32_t sender, const uint8_t *data, size_t len, uint32_t timestamp, bool key);

typedef enum rtcengine_event_type {
  RTCENGINE_EV_TRANSPORT = 1,   /* the present state of a transport; several changes between two looks are one event */
  RTCENGINE_EV_RECEIVER,        /* the first packet of a receiver has come */
  RTCENGINE_EV_KEYFRAME_WANTED, /* by the peer, of a sender that send_frame feeds */
} rtcengine_event_type_t;

typedef struct rtcengine_event {
  rtcengine_event_type_t type;
  uint32_t id;      /* transport, receiver or sender */
  uint32_t ssrc;    /* of receiver or sender */
  int state;        /* of a transport; RTCENGINE_CLOSED is its last event */
  char reason[128]; /* why it closed, "" else */
  char remote[64];  /* "192.0.2.1:5000", "[2001:db8::1]:5000", "" when there is no path */
} rtcengine_event_t;

/* Next event: 1 or 0. Take them all when event_fd is readable (it may be so for nothing), or after each step; none is ever lost. The
 * fd is the engine's. */
RTCENGINE_API int rtcengine_next_event(rtcengine_t *e, rtcengine_event_t *out);
RTCENGINE_API int rtcengine_event_fd(const rtcengine_t *e);

typedef struct rtcengine_counts {
  uint64_t packets_in, bytes_in, packets_out, bytes_out; /* datagrams */
  uint64_t forwarded;                                    /* media packets given to senders */
  uint64_t dropped;                                      /* datagrams of no use, or that could not be sent */
} rtcengine_counts_t;
RTCENGINE_API int rtcengine_counts(rtcengine_t *e, rtcengine_counts_t *out);

#ifdef __cplusplus
}
#endif

#endif
