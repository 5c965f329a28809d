/* drop: why a datagram was not used. A bad packet changes nothing but one of these counters. */
#ifndef RTC_ENGINE_DROP_H
#define RTC_ENGINE_DROP_H

#define RTC_DROPS(X)                                                                    \
  X(SHORT, "short")     /* too short, or no known protocol */                           \
  X(TOO_BIG, "too_big") /* larger than a slot */                                        \
  X(STUN_FORM, "stun_form")                                                             \
  X(STUN_USER, "stun_user") /* no transport has this user name */                       \
  X(STUN_AUTH, "stun_auth")                                                             \
  X(PATH, "path")             /* from a source that passed no check, or is another's */ \
  X(DTLS_QUEUE, "dtls_queue") /* too many handshakes or records waiting */              \
  X(DTLS_FORM, "dtls_form")   /* handshake over, and neither data nor alert */          \
  X(DTLS_AUTH, "dtls_auth")                                                             \
  X(DTLS_REPLAY, "dtls_replay")                                                         \
  X(TURN_FORM, "turn_form") /* from a TURN server, neither an answer nor data */        \
  X(TURN_AUTH, "turn_auth") /* an answer to nothing that was asked, or not authentic */ \
  X(TURN_PEER, "turn_peer") /* from or to a peer without a permission */                \
  X(TURN_GONE, "turn_gone") /* to be sent by an allocation that is not there */         \
  X(NO_KEYS, "no_keys")     /* media before the handshake is done */                    \
  X(HELD, "held")           /* media before the owner has accepted the peer */          \
  X(RTP_FORM, "rtp_form")                                                               \
  X(RTP_AUTH, "rtp_auth")                                                               \
  X(RTP_REPLAY, "rtp_replay")                                                           \
  X(RTP_STREAM, "rtp_stream") /* authentic, but no section takes it */                  \
  X(RTP_PT, "rtp_pt")         /* authentic, but a payload type not agreed */            \
  X(RTX_FORM, "rtx_form")                                                               \
  X(RED_FORM, "red_form")                                                               \
  X(RTCP_FORM, "rtcp_form")                                                             \
  X(RTCP_AUTH, "rtcp_auth")                                                             \
  X(RTCP_REPLAY, "rtcp_replay")                                                         \
  X(POOL, "pool")           /* no slot free */                                          \
  X(OUT_QUEUE, "out_queue") /* no room among what is to be sent */                      \
  X(SEAL, "seal")           /* could not be protected (key limit, index used) */        \
  X(PACER, "pacer")         /* the pacer's queue is full */                             \
  X(SEND, "send")           /* the kernel refused it */                                 \
  X(SOCKET, "socket")       /* the socket that it was to leave by is closed */          \
  X(STREAM, "stream")       /* the connection that it was to leave by takes no more */  \
  X(STRANGER, "stranger")   /* a connection that nobody claimed, closed */

#define RTC_DROP_ENUM(name, text) RTC_DROP_##name,
typedef enum rtc_drop { RTC_DROPS(RTC_DROP_ENUM) RTC_DROP_COUNT } rtc_drop_t;
#undef RTC_DROP_ENUM

/* "short", "stun_auth" ..; NULL beyond the list. */
const char *rtc_drop_name(int drop);

#endif
