/* event: what the engine tells its owner. State is level-triggered: an event carries the present values, so that
 * an owner who slept finds the truth and nothing is lost however late it looks. */
#ifndef RTC_ENGINE_EVENT_H
#define RTC_ENGINE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "proto/dtls.h"

typedef enum rtc_event_type {
  RTC_EV_TRANSPORT = 1, /* id = transport: state, path, times */
  RTC_EV_RECV,          /* id = receiver: its first authentic packet has come (ssrc) */
  RTC_EV_KEYFRAME,      /* id = sender fed by rtc_frame commands: a key frame is wanted now */
  RTC_EV_TURN,          /* id = allocation: state (rtc_turn_state_t READY, CLOSED, FAILED; the last two are its last event), code, text;
                           path.local: the relayed address, path.remote: ours as the server sees it, or a 300's other server */
  RTC_EV_STUN,          /* id = transport: what a query of RTC_OP_STUN brought, or another address than before */
  RTC_EV_LOSS,          /* id = sender of sound fed by rtc_frame commands: how many of 100 packets get lost, another number than before */
  RTC_EV_TONE,          /* id = receiver: a telephone event is over */
  RTC_EV_SOCKET,        /* id = socket that connects: RTC_T_CONNECTED, or RTC_T_CLOSED and text, "" when the peer closed it in order */
} rtc_event_type_t;

typedef enum rtc_tstate {
  RTC_T_NEW,       /* nothing authentic has come */
  RTC_T_CHECKED,   /* a path has passed its check */
  RTC_T_CONNECTED, /* DTLS done, fingerprint right, media may flow */
  RTC_T_STALLED,   /* connected, but nothing authentic came for RTC_STALL_MS */
  RTC_T_CLOSED,    /* freed; the last event of this id */
  RTC_T_HELD,      /* between checked and connected: DTLS done, fingerprint right, the owner has yet to accept it */
} rtc_tstate_t;

typedef enum rtc_reason {
  RTC_WHY_NONE,
  RTC_WHY_COMMAND,      /* the owner closed it */
  RTC_WHY_CONSENT,      /* consent ran out (RFC 7675) */
  RTC_WHY_CLOSE_NOTIFY, /* the peer closed DTLS */
  RTC_WHY_DTLS,         /* handshake failed; text says how */
  RTC_WHY_TIMEOUT,      /* not connected in RTC_SETUP_MS, or not accepted in time */
} rtc_reason_t;

enum { RTC_WHY_MAX = 96 };
enum { RTC_STALL_MS = 3000, RTC_SETUP_MS = 30000 };

typedef struct rtc_event {
  uint8_t type;   /* rtc_event_type_t */
  uint8_t state;  /* rtc_tstate_t, or as type says */
  uint8_t reason; /* rtc_reason_t, when closed */
  bool has_path;
  uint8_t ice;                     /* rtc_ice_state_t, of full agents */
  bool controlling;                /* of full agents: the role as it is now */
  uint8_t local_type, remote_type; /* rtc_ice_type_t of the candidates behind path */
  bool tcp;                        /* that path */
  uint16_t srtp_profile;           /* when connected */
  uint16_t code;                   /* of an allocation that failed: STUN's error, or RTC_TURN_NO_ANSWER */
  uint32_t id;
  uint32_t ssrc;
  rtc_path_t path;                                   /* of a query: remote is our address as the server sees it, when has_path */
  uint32_t query;                                    /* its number */
  uint16_t stun_error;                               /* above 0, it is over: the server's code, or RTC_SRFLX_NO_ANSWER */
  uint8_t loss;                                      /* percent; at once as the peer says it, less bit by bit */
  uint8_t tone, volume;                              /* as rtc_telephone_t has them */
  rtc_time_t tone_us;                                /* how long it was */
  rtc_time_t added, checked, connected, first_media; /* monotonic; 0 when it has not happened */
  rtc_certs_t *certs;                                /* once, with the handshake's end, where they are wanted: the collector's to free() */
  char text[RTC_WHY_MAX];                            /* why it closed, where there is more to say, or "" */
} rtc_event_t;

#endif
