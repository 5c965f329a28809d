/* cmd: what an owner tells the engine. Plain records, executed in order on the engine's thread; a batch is atomic:
 * no packet is handled between its commands. Ids are chosen by the owner (not 0, never reused); each kind has its own space. What can fail
 * is checked by the owner first; still a command returns an error rather than doing half of it. A peer may
 * close while a command is under way: closing, accepting or capturing what is closed, and linking what is gone, is no error. */
#ifndef RTC_ENGINE_CMD_H
#define RTC_ENGINE_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "engine/capture.h"
#include "engine/event.h"
#include "engine/stats.h"
#include "proto/consent.h"
#include "proto/dtls.h"
#include "proto/ice.h"
#include "proto/turn.h"
#include "wire/payload/payload.h"
#include "wire/rtpext.h"

enum {
  RTC_MID_MAX = 16,
  RTC_RID_MAX = 16,
  RTC_CNAME_MAX = 63,
  RTC_LOCAL_UFRAG_MAX = 32,
  RTC_CAPTURED_US = 10000000, /* how long ago a frame may have been captured */
  RTC_RECV_OTHERS = 15,       /* payload types that a section's sender may change to */
  RTC_RECV_TONES = 4,         /* and those of its telephone events */
  RTC_RED_LEVELS = 2,         /* earlier frames that a packet of ours repeats */
  RTC_RED_MORE_LOSS = 5       /* percent, from which it repeats two if nothing is set: one alone leaves a gap in 0.25 % and more */
};

/* path.sock of what goes by way of an allocation: its id and this bit. Real sockets are numbered below. */
enum { RTC_RELAYED_SOCK = 0x40000000 };

typedef struct rtc_ice_cfg { /* end-marked texts */
  char local_ufrag[RTC_LOCAL_UFRAG_MAX + 1], local_pwd[RTC_PWD_MAX + 1];
  char remote_ufrag[RTC_UFRAG_MAX + 1], remote_pwd[RTC_PWD_MAX + 1]; /* may be empty for a lite answerer */
} rtc_ice_cfg_t;

/* Lite answers checks and sends none; the others are a full agent, which checks the addresses that it is given or asked from. A conflict of
 * roles changes that of one side (RFC 8445 §7.3.1.1). */
typedef enum rtc_ice_role { RTC_ICE_ROLE_LITE, RTC_ICE_ROLE_CONTROLLING, RTC_ICE_ROLE_CONTROLLED } rtc_ice_role_t;

/* One DTLS association and what it carries. */
typedef struct rtc_transport_cfg {
  rtc_ice_cfg_t ice;
  uint8_t ice_role;  /* rtc_ice_role_t */
  bool ice_survives; /* full agents: failed ICE and lost consent are told, and RTC_OP_RESTART begins anew; else they close it */
  bool dtls_client;  /* our DTLS role */
  bool certs;        /* the peer's certificates are wanted: an event brings them */
  /* Above 0: a finished handshake with the right fingerprint waits so long for RTC_OP_ACCEPT, and then closes it. Until then it has no
   * keys: no media, no RTCP in either direction. */
  uint32_t hold_ms;
  rtc_dtls_ctx_t *dtls; /* whose certificate it shows; NULL: the hub's. A reference (rtc_dtls_ctx_ref) that passes to the engine, always */
  uint8_t fp_n;
  rtc_fingerprint_t fp[RTC_DTLS_FINGERPRINT_MAX];
  rtc_extmap_t ext;  /* ids agreed for the BUNDLE group (RFC 9143 §9.4: one meaning an id) */
  bool ext_two_byte; /* extmap-allow-mixed: the two-byte form may be used */
  bool reduced_rtcp; /* RFC 5506 agreed: feedback may go without a report before it */
  uint32_t ssrc;     /* our SSRC where no sender's fits (receiver reports) */
  char cname[RTC_CNAME_MAX + 1];
} rtc_transport_cfg_t;

/* What is not known of the peer when a full agent's transport is made before its description came. */
typedef struct rtc_peer_cfg {
  char remote_ufrag[RTC_UFRAG_MAX + 1], remote_pwd[RTC_PWD_MAX + 1];
  bool dtls_client; /* our DTLS role */
  uint8_t fp_n;
  rtc_fingerprint_t fp[RTC_DTLS_FINGERPRINT_MAX];
} rtc_peer_cfg_t;

/* What a later negotiation may change of a transport that lives. */
typedef struct rtc_agree_cfg {
  rtc_extmap_t ext;
  bool ext_two_byte, reduced_rtcp;
} rtc_agree_cfg_t;

typedef struct rtc_recv_pt {
  uint8_t codec;      /* rtc_codec_t */
  int16_t pt, rtx_pt; /* rtx_pt -1: none */
  uint32_t clock_rate;
} rtc_recv_pt_t;

typedef struct rtc_tone_pt { /* telephone events (RFC 4733): between the packets of a stream of sound, under its SSRC */
  int16_t pt;                /* -1: none */
  uint32_t rate;             /* units of their duration a second */
} rtc_tone_pt_t;

/* One stream that the peer sends. */
typedef struct rtc_recv_cfg {
  uint32_t transport;
  bool video;
  uint8_t codec;      /* rtc_codec_t */
  int16_t pt, rtx_pt; /* -1: none */
  uint32_t clock_rate;
  uint32_t ssrc, rtx_ssrc; /* as declared; 0: found by MID, RID or payload type */
  char mid[RTC_MID_MAX + 1], rid[RTC_RID_MAX + 1];
  bool nack, pli, fir, twcc;
  bool frames; /* as RTC_OP_FRAMES from the start */
  uint8_t other_n;
  rtc_recv_pt_t other[RTC_RECV_OTHERS]; /* the peer may change to these whenever it likes (RFC 3264 §5.1) */
  uint8_t tone_n;
  rtc_tone_pt_t tone[RTC_RECV_TONES]; /* told as RTC_EV_TONE, and not forwarded */
  bool has_red;
  int16_t red_pt; /* of sound: packets that repeat earlier ones (RFC 2198) */
} rtc_recv_cfg_t;

/* One stream that we send. */
typedef struct rtc_send_cfg {
  uint32_t transport;
  bool video;
  uint8_t codec;
  int16_t pt, rtx_pt; /* -1: none */
  uint32_t clock_rate;
  uint32_t ssrc, rtx_ssrc;                         /* rtx_ssrc 0: no repair by RTX */
  char mid[RTC_MID_MAX + 1], rid[RTC_RID_MAX + 1]; /* rid: of one stream among several of a section (RFC 8852) */
  uint32_t ext_mask;                               /* bit per rtc_ext_t agreed for this section */
  bool nack;
  bool has_tone;
  rtc_tone_pt_t tone; /* for RTC_OP_TONE, where there is one */
  bool single_units;  /* H.264 in packetization-mode 0: frames whose units do not fit into packets are refused */
  bool has_red;
  int16_t red_pt;     /* as above: frames go out with it; what a receiver brings with it, where pt is the same on both sides */
  uint8_t red_levels; /* frames that are repeated, 1 to RTC_RED_LEVELS; 0: as many as the peer's loss is worth */
} rtc_send_cfg_t;

typedef struct rtc_stun_cfg {
  uint32_t number; /* of the query, as its event says it */
  rtc_path_t path; /* remote: the server; local and sock: our base */
} rtc_stun_cfg_t;

typedef struct rtc_ice_ends { /* no more candidates come from these sides */
  bool local, remote;
} rtc_ice_ends_t;

/* One encoded frame for a sender that no receiver is linked to. data is malloc'd and passes to the engine, always. */
typedef struct rtc_frame_cfg {
  uint8_t *data;
  uint32_t len;
  uint32_t ts;
  bool key, layered;    /* layered: `layer` is said */
  bool begins;          /* of sound: the first after silence, which its packet's marker says (RFC 3551 §4.1) */
  bool has_level;       /* of sound: level goes with its packets, to a peer that has agreed to it */
  uint8_t level;        /* as RFC 6464 §3 has it: voice in the highest bit, -dBov below */
  bool has_orientation; /* likewise with the last packet of a picture */
  uint8_t orientation;  /* as rtc_orientation_byte writes it */
  rtc_layer_t layer;    /* VP8, VP9 */
  /* Of video: dependency descriptors go with its packets, to a peer that has agreed to them. layers: of the key frame's pattern, 1 to 3;
   * 0: as `layered` says. */
  bool described;
  uint8_t layers;
  rtc_picture_size_t size; /* of a key frame; zeros: not said */
  rtc_time_t captured;     /* within RTC_CAPTURED_US; any other: now */
} rtc_frame_cfg_t;

/* A tone in place of frames, which are passed over until its last packet is out. What is left of the tone before ends with this. */
typedef struct rtc_tone_cfg {
  uint8_t code, volume; /* as rtc_telephone_t has them */
  rtc_time_t length_us;
} rtc_tone_cfg_t;

/* An allocation on a TURN server. One real socket holds one with a server at most (RFC 8656 §3). */
typedef struct rtc_turn_server {
  rtc_path_t path;    /* remote: the server, local: our address or zero, sock: the real socket */
  uint32_t transport; /* whose end ends it too; 0: it ends by RTC_OP_TURN_CLOSE alone */
  bool v6, stream;    /* as rtc_turn_cfg_t has them */
  char username[RTC_TURN_USER_MAX + 1], password[RTC_TURN_PASSWORD_MAX + 1];
} rtc_turn_server_t;

typedef enum rtc_op {
  RTC_OP_TRANSPORT = 1, /* id = new transport, u.transport */
  RTC_OP_RESTART,       /* id = transport, u.ice: new ICE credentials; path and consent go on until they are used */
  RTC_OP_PATH,          /* id = transport (full), u.path: an address to check; RTC_ESTATE: another transport talks to it */
  RTC_OP_LOCAL,         /* id = transport (full), u.cand: one more candidate of ours; RTC_ENOBUFS beyond RTC_ICE_CANDS */
  RTC_OP_REMOTE,        /* the same of the peer */
  RTC_OP_LOCAL_LOST,    /* id = transport (full), u.path.sock: the socket is no more, nor our candidates that it has */
  RTC_OP_ICE_END,       /* id = transport (full), u.ends */
  RTC_OP_ROLE,          /* id = transport (full), u.controlling */
  RTC_OP_STUN,          /* id = transport (full), u.stun: asks a STUN server for our address; RTC_ENOBUFS beyond RTC_SRFLX_QUERIES */
  RTC_OP_PEER,          /* id = transport made without fingerprints, u.peer: who is expected; once */
  RTC_OP_ACCEPT,        /* id = transport that is held: its keys are used from now on; RTC_ESTATE before its handshake is over */
  RTC_OP_CLOSE,         /* id = transport: BYE, close_notify, freed; ends in RTC_T_CLOSED with RTC_WHY_COMMAND and u.why */
  RTC_OP_TURN,          /* id = new allocation (below RTC_RELAYED_SOCK), u.turn; RTC_ESTATE: that way has one already */
  RTC_OP_TURN_CLOSE,    /* id = allocation, 0: all. It is given back and ends in RTC_TURN_CLOSED; of one that is gone: nothing */
  RTC_OP_RECV,          /* id = new receiver, u.recv */
  RTC_OP_SEND,          /* id = new sender, u.send */
  RTC_OP_AGREE,         /* id = transport, u.agree: as negotiated anew */
  RTC_OP_RECV_AGREE,    /* id = receiver, u.recv: the same of a receiver; transport and frames are passed over */
  RTC_OP_SEND_AGREE,    /* the same of a sender, by u.send, whose SSRCs and medium stay: RTC_EINVAL for others */
  RTC_OP_RECV_END,      /* id = receiver: gone, its viewers are without source; what is gone already: no error */
  RTC_OP_SEND_END,      /* id = sender: says BYE and is gone; likewise. Its SSRC must not come again on this transport */
  RTC_OP_LINK,      /* id = sender, u.link = receiver that feeds it from its next key frame on, the one of before until then; 0 unlinks */
  RTC_OP_KEYFRAME,  /* id = receiver: ask its publisher for a key frame */
  RTC_OP_FRAME,     /* id = sender, u.frame */
  RTC_OP_TONE,      /* id = sender with a payload type for them, u.tone */
  RTC_OP_FRAMES,    /* id = receiver, u.on: its frames are wanted, while forwarding goes on; no change: no effect */
  RTC_OP_RATE,      /* id = transport, u.rate_bps: pace of what is paced */
  RTC_OP_CAPTURE,   /* id = transport, u.capture: what is written down of it from now on, NULL: nothing; passes to the engine, always */
  RTC_OP_ICE_STATS, /* id = transport, u.ice_stats: filled in, as below */
  RTC_OP_STATS,     /* id = transport, 0 for all, u.stats: filled in; the caller's memory, valid until the batch is acknowledged */
  /* The driver's own, none of the hub's. */
  RTC_OP_SOCKET,       /* id = new socket, as path.sock names it, u.sock: passes to the driver, always */
  RTC_OP_SOCKET_CLOSE, /* id = socket: closed, after what was to be sent on it; no such socket: no effect */
} rtc_op_t;

typedef struct rtc_cmd {
  uint16_t op;
  uint32_t id;
  union {
    rtc_transport_cfg_t transport;
    rtc_ice_cfg_t ice;
    rtc_path_t path;
    rtc_ice_cand_t cand;
    rtc_ice_ends_t ends;
    rtc_stun_cfg_t stun;
    bool controlling;
    rtc_turn_server_t turn;
    rtc_recv_cfg_t recv;
    rtc_send_cfg_t send;
    rtc_agree_cfg_t agree;
    rtc_peer_cfg_t peer;
    uint32_t link;
    bool on;
    int64_t rate_bps;
    rtc_frame_cfg_t frame;
    rtc_tone_cfg_t tone;
    rtc_stats_t *stats;
    rtc_ice_stats_t *ice_stats;
    rtc_capture_t *capture;
    char why[RTC_WHY_MAX];
    struct rtc_sock *sock; /* io/socks.h */
  } u;
} rtc_cmd_t;

/* Of commands that will not be executed: gives back what would have passed to the engine. */
void rtc_cmd_drop(const rtc_cmd_t *c, uint32_t n);

#endif
