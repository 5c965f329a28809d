/* state: the engine's own structures, seen by the files of engine/ alone. One hub owns everything; a transport owns its keys,
 * receivers and senders; a receiver owns the shared history of its stream; a sender knows what it sent under its own numbers. */
#ifndef RTC_ENGINE_STATE_H
#define RTC_ENGINE_STATE_H

#include "base/heap.h"
#include "base/map.h"
#include "base/seq.h"
#include "engine/capture.h"
#include "engine/describe.h"
#include "engine/frame.h"
#include "engine/hub.h"
#include "engine/out.h"
#include "proto/arrival.h"
#include "proto/csrcs.h"
#include "proto/dtlsrec.h"
#include "proto/framebuf.h"
#include "proto/nack.h"
#include "proto/pacer.h"
#include "proto/rtx.h"
#include "proto/rxstat.h"
#include "proto/srflx.h"
#include "proto/tone.h"
#include "wire/demux.h"
#include "wire/rtp.h"

enum {
  RTC_SSRC_ROUTES_FEW = 4,
  RTC_SSRC_ROUTES_MAX = 64,    /* SSRCs learnt a transport; beyond, the longest silent one is forgotten */
  RTC_HAND_OVER_US = 30000000, /* after this the peer will not ask for our last flight again, heard or not */
  RTC_AGAIN_US = 50000,        /* a finished server's flight that was repeated goes out once more after this */
  RTC_EARLY_MAX = 16,          /* DTLS datagrams kept while the helper has the object */
  RTC_HISTORY_VIDEO = 1024,    /* packets of a stream kept for repair */
  RTC_HISTORY_AUDIO = 64,
  RTC_HISTORY_LEAST = 64,        /* a history's depth when many share the pool */
  RTC_KEY_GAP_US = 500000,       /* at most two key-frame requests a second upstream */
  RTC_KEY_GAP_MAX_US = 4000000,  /* when nobody answers them .. */
  RTC_KEY_TRIES = 12,            /* .. so many times: fewer may all have been lost, at 30 % one of 2,000,000 times */
  RTC_PACER_START_BPS = 3000000, /* until somebody says better */
  RTC_PACER_DRAIN_US = 100000,   /* our own frames wait no longer than this */
  RTC_REPORT_US = 1000000,       /* mean time between reports */
  RTC_REPORT_FIRST_US = 150000,
  RTC_SSRC_QUIET_US = 1000000, /* an SSRC must be silent this long before a former one may take its place again */
  RTC_SRS_KEPT = 4,
  RTC_TAP_REPAIR_US = 500000, /* how long a frame waits for repair */
  RTC_TAP_REPAIR_AUDIO_US = 200000,
  RTC_TAP_REORDER_US = 60000, /* and without any */
  RTC_TAP_MOMENT_S = 10,      /* how far times of capture are reckoned on from one that was told */
  RTC_TAP_PART = 4,           /* at most this part of the slots waits in frame buffers, all receivers together */
  RTC_RTP_MAX = 1200,         /* largest RTP packet that we make ourselves, before SRTP */
  RTC_SEND_SPARE = 40,        /* of it, for extensions and the number of a repair */
};

typedef struct rtc_recv rtc_recv_t;
typedef struct rtc_send rtc_send_t;

/* What a receiver has whose owner wants frames. */
typedef struct rtc_tap {
  rtc_framebuf_t buf;
  rtc_frameq_t ready;
  rtc_recv_t *next; /* in the hub's list of those that have frames */
  bool listed;
  int16_t orientation; /* as said last: it holds until something else is said */
  bool has_moment;     /* abs-capture-time came: of the frame at moment_ts */
  uint64_t moment_ntp;
  int64_t moment_ts;
  rtc_csrcs_t *csrcs;                        /* NULL before the first */
  uint64_t given, dropped, broken, restored; /* dropped: by who drives the hub; restored: from a packet that repeats them */
} rtc_tap_t;

struct rtc_recv {
  uint32_t id;
  rtc_transport_t *transport;
  rtc_recv_t *next; /* of the transport */
  rtc_recv_cfg_t cfg;
  uint32_t ssrc, rtx_ssrc;     /* as seen; 0 before */
  bool active_event;           /* RTC_EV_RECV is due */
  int64_t highest, highest_ts; /* -1 before the first packet */
  rtc_time_t since;            /* of this SSRC */
  bool gone;                   /* its BYE has come, and nothing since */
  rtc_rxstat_t stat;           /* of what came by itself: repair does not hide a loss */
  uint64_t reported;           /* packets of stat at the last report */
  rtc_nack_t *nack;            /* NULL when not agreed, and before the first packet */
  rtc_history_t history;
  rtc_tone_rx_t *tones; /* NULL before the first event */
  rtc_tap_t *tap;       /* NULL: nobody wants frames */
  rtc_send_t **viewers; /* linked senders */
  uint32_t viewer_n, viewer_cap;
  rtc_send_t *wanted_by; /* those that change to it at its next key frame, and have another source until then */
  bool key_wanted;
  rtc_time_t key_asked, key_gap; /* when asked last; how long to wait before the next */
  uint8_t fir_seq, key_tries;    /* tries: requests since the last key frame */
  int64_t probe_seq;             /* highest number ever timed: only a first request tells the round trip (Karn) */
  rtc_time_t probe_at;           /* when it was asked for, RTC_NEVER when nothing is timed */
  rtc_time_t last;
  int64_t key_ts;          /* of the latest key frame */
  rtc_picture_size_t size; /* and as far as it was told */
  uint64_t packets, bytes, repeated, rtx_packets, rtx_bytes, nacks, nack_messages, pli, fir, frames, key_frames;
  uint64_t came_packets, came_bytes, red_blocks, red_bytes;
  uint32_t sr_n, sr_packets, sr_bytes; /* as the publisher reports */
};

struct rtc_send {
  uint32_t id;
  uint32_t viewer_at; /* its place among the source's viewers */

  /* What each forwarded packet touches, side by side. */
  rtc_transport_t *transport;
  rtc_recv_t *source;    /* NULL: fed by frames */
  bool waiting;          /* for a key frame of the source */
  bool live;             /* something has been sent under this SSRC */
  bool mid_known;        /* the peer has reported on it: MID may be left out (as RFC 9143 §7.2.3 allows) */
  int64_t seq_off, from; /* our number = source's + seq_off, for source numbers >= from */
  int64_t ts_off;
  int64_t top, top_ts; /* highest sent, -1 before; RTP time of the newest */
  rtc_time_t top_at;
  uint64_t packets, bytes;
  rtc_rtx_t rtx;
  rtc_shape_t shape;
  rtc_send_cfg_t cfg;

  rtc_send_t *next;                 /* of the transport */
  rtc_recv_t *wanted;               /* its source from that one's next key frame on; NULL: there is no change to come */
  rtc_send_t *want_next, **want_at; /* of those that want the same */
  int64_t rtx_next;                 /* next number of the RTX stream */
  uint16_t picture_id;              /* of frames that we packetize */
  uint8_t tl0;                      /* TL0PICIDX of the newest one, where layers are said */
  rtc_describe_t describe;          /* of frames whose descriptors are wanted */
  rtc_history_t own;                /* plaintext of frames that we packetized (source NULL), by our number */
  /* sender reports */
  bool has_map;
  int64_t map_ts;
  rtc_time_t map_at; /* frames: RTP time at a moment of ours */
  struct {
    uint32_t ntp; /* middle 32 bits */
    rtc_time_t at;
  } sr[RTC_SRS_KEPT]; /* the latest, to know the echo of one: whose clock it had does not matter then */
  uint32_t sr_n;
  rtc_time_t key_told;      /* last RTC_EV_KEYFRAME; RTC_NEVER before */
  bool key_event, key_owed; /* owed: wanted again too soon, told when it is time */
  bool loss_event;
  uint8_t loss;        /* percent, as told */
  rtc_tone_tx_t *tone; /* NULL before the first */
  int64_t tone_ts;     /* RTP time of the latest */
  uint64_t rtx_packets, rtx_bytes, nacks, nack_messages, pli, fir, remb_bps;
  int fir_last; /* last FIR number seen, -1 before */
  int64_t lost;
  double fraction_lost, jitter_s;
  int64_t rtt_us, rtt_sum_us;
  uint32_t reports, rtt_n;
  rtc_time_t reported; /* 0 before */
};

typedef struct rtc_route {
  uint32_t ssrc;
  rtc_recv_t *recv;
  bool rtx;
  rtc_time_t used;
} rtc_route_t;

/* What stays of a transport's configuration: credentials and fingerprints are consent's and the association's. */
typedef struct rtc_agreed {
  rtc_extmap_t ext;
  bool ext_two_byte, reduced_rtcp, dtls_client;
  uint32_t ssrc;
  char cname[RTC_CNAME_MAX + 1];
} rtc_agreed_t;

/* One of a transport's user names. */
typedef struct rtc_name rtc_name_t;
struct rtc_name {
  uint8_t key[RTC_LOCAL_UFRAG_MAX];
  rtc_transport_t *transport; /* NULL: not in use */
  rtc_name_t *next;           /* of another one that has the same */
};

struct rtc_transport {
  rtc_heap_entry_t timer; /* first: the heap's entries lead here */
  uint32_t id;

  /* What each forwarded packet touches, side by side. out_*: of out.c, its last packet that waits, in which round, whereto it goes */
  rtc_capture_t *capture; /* NULL: nobody writes down what it sends and receives */
  bool keyed, no_run;     /* no_run: the kernel has refused a run to out_path */
  uint16_t twcc_next;
  uint32_t out_last;
  uint64_t out_round, out_packets, out_bytes;
  rtc_time_t first_media;
  rtc_hub_t *hub;
  rtc_path_t out_path;

  rtc_agreed_t *cfg;
  bool has_path;
  rtc_path_t path;       /* whereto it is sent; way.c keeps both as the agent says */
  rtc_consent_t consent; /* lite agents' */
  rtc_ice_t *ice;        /* full agents'; NULL for lite ones */
  rtc_ice_flow_t flow;   /* counters as they stood when the chosen pair was credited with them */
  rtc_srflx_t *srflx;    /* NULL until a server is asked */
  bool ice_survives;
  bool shared; /* another full agent here has checked one of its paths */
  uint8_t ice_state;
  rtc_name_t name, old_name;             /* old: of before the last restart that the peer has followed */
  rtc_path_t *mapped;                    /* paths under which the hub finds it */
  int mapped_n, mapped_room, mapped_cap; /* there is room for mapped_room of them now, for mapped_cap at most */

  rtc_dtls_t *dtls;          /* NULL when keys were given, or records have been handed over */
  rtc_dtls_ctx_t *meet_with; /* whose association is made when the peer is known; NULL: the hub's, or made */
  bool busy;                 /* a helper has dtls: do not touch it */
  bool queued;               /* in the hub's job list */
  bool dtls_started;
  rtc_transport_t *next_job;
  rtc_pkt_t *early, *early_last;
  int early_n;         /* DTLS datagrams that came while busy, or before there was a way to answer */
  rtc_time_t dtls_at;  /* its time-out, RTC_NEVER */
  rtc_time_t again_at; /* when a flight that was repeated goes out once more, RTC_NEVER */
  rtc_time_t hand_at;  /* when its records go over to rec, RTC_NEVER */
  bool handed;         /* they have: dtls is gone, or going */
  rtc_dtlsrec_t rec;

  uint16_t profile;
  rtc_srtp_t rx, tx;
  uint32_t hold_ms;     /* 0: keys are used at once */
  rtc_keying_t *held;   /* the keys, while the owner has yet to accept the peer */
  rtc_time_t held_till; /* RTC_NEVER when it is not waited for */
  bool wants_certs;
  rtc_certs_t *certs; /* the peer's, until they are told */

  uint8_t state, reason;
  char text[RTC_WHY_MAX];
  bool dirty, closing;
  rtc_transport_t *next_dirty;
  rtc_time_t added, checked, connected;
  rtc_time_t heard; /* last authentic packet from any of its paths */

  rtc_recv_t *recvs;
  rtc_send_t *sends;
  rtc_route_t *route; /* NULL until something has come */
  int route_n, route_room;
  bool wants_arrivals;    /* some receiver wants transport-wide feedback */
  rtc_arrival_t *arrival; /* NULL until then, and until the first packet that has a number of it */
  uint32_t fb_media;      /* media SSRC named in that feedback */
  rtc_pacer_t pacer;
  bool pacer_fixed; /* the owner has set the rate */
  rtc_time_t rate_at;
  uint64_t rate_bytes;  /* to size it else */
  rtc_time_t report_at; /* next RTCP report */
  bool has_clock;
  uint64_t clock_off; /* publisher's NTP time minus rtc_ntp_from_unix_us(our clock), modulo 2^64: one for all its streams */
  int64_t rtt_us;
  uint64_t in_packets, in_bytes;
  uint32_t twcc_sent, twcc_received;
  uint64_t twcc_told, twcc_missing;
};

/* An allocation. */
typedef struct rtc_relayed rtc_relayed_t;
struct rtc_relayed {
  rtc_heap_entry_t timer; /* first: the heap's entries lead here */
  uint32_t id, transport;
  rtc_hub_t *hub;
  rtc_path_t path; /* to the server */
  uint8_t told;    /* the state that the owner knows */
  bool dirty;
  rtc_relayed_t *next_dirty;
  rtc_turn_t turn;
};

/* What the map of servers compares: no padding bytes. */
typedef struct rtc_relayed_key {
  rtc_addr_t server;
  uint32_t sock;
} rtc_relayed_key_t;

typedef enum rtc_relayed_result {
  RTC_RELAYED_OTHER, /* not from a server of ours, or nothing of an allocation */
  RTC_RELAYED_DONE,
  RTC_RELAYED_INNER, /* k is now what a peer sent, and its path the allocation's */
} rtc_relayed_result_t;

struct rtc_hub {
  rtc_hub_cfg_t cfg;
  rtc_pool_t *pool;
  rtc_map_t paths;                    /* sock + remote -> transport */
  rtc_transport_t *last;              /* the one that was found last; NULL: paths have changed since */
  rtc_path_t last_path;               /* and where */
  rtc_map_t ufrags;                   /* local user name -> the first that has it */
  rtc_map_t transports, recvs, sends; /* by id */
  rtc_heap_t timers;
  rtc_map_t relayed;      /* allocations by id */
  rtc_map_t turn_servers; /* and by sock + server */
  rtc_heap_t relayed_timers;
  rtc_relayed_t *relayed_dirty, *relayed_last;
  rtc_out_t out;
  uint64_t run_socks;               /* a bit per socket of the driver: runs are taken there */
  rtc_map_t run_more;               /* sockets with numbers beyond these bits: runs are taken by those in here */
  uint32_t slots;                   /* the pool's cap */
  uint32_t kept_cap;                /* of all histories together */
  uint32_t tapped;                  /* packets in frame buffers */
  rtc_recv_t *framed, *framed_last; /* have frames */
  rtc_transport_t *dirty, *dirty_last;
  rtc_transport_t *jobs, *jobs_last;
  uint32_t job_n;
  uint64_t k0, k1, draw; /* pseudo-random numbers: SipHash of a counter */
  rtc_mark_key_t mark;   /* of transaction ids: a transport's number */
  rtc_hub_stats_t st;
};

/* Microseconds in units of a clock. Spans may be a liar's: no overflow whatever they are, right within 2^63 units. */
static inline int64_t rtc_ticks(int64_t us, uint32_t rate) {
  return (int64_t)((uint64_t)(us / 1000000) * rate + (uint64_t)(us % 1000000 * (int64_t)rate / 1000000));
}

/* hub.c */
uint64_t rtc_hub_draw(rtc_hub_t *h);
static inline void rtc_hub_drop(rtc_hub_t *h, rtc_drop_t why) { h->st.drops[why]++; }
void rtc_hub_touch(rtc_transport_t *t); /* something changed that the owner should hear of */
/* True when no other transport lives at this address, that is, has settled there and has been heard from it lately. */
bool rtc_hub_path_free(const rtc_transport_t *t, const rtc_path_t *path, rtc_time_t now);
void rtc_hub_map_path(rtc_transport_t *t, const rtc_path_t *path, rtc_time_t now); /* datagrams of this path are t's, if it is free */
void rtc_hub_unmap_paths(rtc_transport_t *t);

/* name.c: user names */
/* n, which must not be in use, says from now on that t has this name. 0; RTC_EINVAL: t has it already, or another that is no full agent
 * or would have to share it with one that is none; RTC_ENOMEM. */
int rtc_name_put(rtc_name_t *n, rtc_transport_t *t, const char *ufrag);
void rtc_name_drop(rtc_name_t *n);                 /* one that is not in use too */
void rtc_name_move(rtc_name_t *n, rtc_name_t *to); /* what `to` was is dropped */
/* Who a check is for, NULL: nobody. Of several whom it suits best. */
rtc_transport_t *rtc_name_find(const rtc_hub_t *h, const rtc_stun_t *m, const rtc_path_t *from);

/* transport.c: ICE, DTLS, life */
rtc_transport_t *rtc_transport_new(rtc_hub_t *h, uint32_t id, const rtc_transport_cfg_t *cfg, rtc_time_t now, int *err);
void rtc_transport_free(rtc_transport_t *t);
int rtc_transport_meet(rtc_transport_t *t, const rtc_peer_cfg_t *peer, rtc_time_t now); /* RTC_OP_PEER */
int rtc_transport_restart(rtc_transport_t *t, const rtc_ice_cfg_t *ice, rtc_time_t now);
int rtc_transport_accept(rtc_transport_t *t, rtc_time_t now);
void rtc_transport_close(rtc_transport_t *t, rtc_reason_t why, const char *text, rtc_time_t now);
void rtc_transport_part(rtc_transport_t *t); /* the goodbye of one that was closed while a helper had its association */
void rtc_transport_on_stun(rtc_transport_t *t, rtc_pkt_t *k, const rtc_stun_t *m, rtc_time_t now);
void rtc_transport_on_dtls(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now);            /* takes over k */
void rtc_transport_on_heard(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now); /* something authentic came */
void rtc_transport_on_srtp(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now);  /* and it was media or RTCP */
void rtc_transport_job_done(rtc_transport_t *t, const rtc_job_t *job, rtc_time_t now);   /* takes over the job's keying */
int rtc_transport_set_keys(rtc_transport_t *t, rtc_keying_t *k, rtc_time_t now);         /* takes over what is in k, or tells its error */
void rtc_transport_tick(rtc_transport_t *t, rtc_time_t now);
void rtc_transport_arm(rtc_transport_t *t); /* sets its timer from all its deadlines */

/* way.c: ICE, lite or full: which way datagrams go */
int rtc_way_new(rtc_transport_t *t, const rtc_transport_cfg_t *cfg); /* 0, RTC_EINVAL, RTC_ENOMEM */
void rtc_way_free(rtc_transport_t *t);
int rtc_way_meet(rtc_transport_t *t, const rtc_peer_cfg_t *peer, rtc_time_t now);
int rtc_way_restart(rtc_transport_t *t, const rtc_ice_cfg_t *ice, rtc_time_t now);
bool rtc_way_used(const rtc_transport_t *t); /* the peer has followed the latest restart */
bool rtc_way_on_server(rtc_transport_t *t, const rtc_stun_t *m, const rtc_path_t *from, rtc_time_t now); /* true: it was one's answer */
/* The next thing that a server has said: true and *e. */
bool rtc_way_news(rtc_transport_t *t, rtc_event_t *e);
int rtc_way_exec(rtc_transport_t *t, const rtc_cmd_t *c, rtc_time_t now);
/* As rtc_consent_on_stun says. */
int rtc_way_on_stun(rtc_transport_t *t, const rtc_stun_t *m, const rtc_pkt_t *k, uint8_t *out, size_t cap, size_t *n, rtc_time_t now);
void rtc_way_on_heard(rtc_transport_t *t, const rtc_path_t *from, rtc_time_t now); /* DTLS, SRTP */
bool rtc_way_open(const rtc_transport_t *t);                                       /* DTLS may begin */
bool rtc_way_settled(const rtc_transport_t *t);                                    /* it has a path, of a full agent a nominated one */
rtc_time_t rtc_way_heard(const rtc_transport_t *t);
bool rtc_way_knows(const rtc_transport_t *t, const rtc_path_t *from);
bool rtc_way_tick(rtc_transport_t *t, rtc_time_t now); /* sends checks; false: it has to be closed */
rtc_time_t rtc_way_next_at(const rtc_transport_t *t);
void rtc_way_event(const rtc_transport_t *t, rtc_event_t *e);
void rtc_way_stats(const rtc_transport_t *t, rtc_transport_stats_t *o);
/* Writes it down as sent or received by the address of ours that the path's socket has. */
void rtc_way_capture(const rtc_transport_t *t, const rtc_path_t *path, rtc_kind_t kind, bool sent, const uint8_t *p, size_t n,
                     rtc_time_t at);
void rtc_way_rows(rtc_transport_t *t, rtc_ice_stats_t *o, rtc_time_t now);

/* relayed.c: allocations on TURN servers */
int rtc_relayed_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now);
void rtc_relayed_on_closed(const rtc_transport_t *t, rtc_time_t now);
void rtc_relayed_free_all(rtc_hub_t *h);
bool rtc_relayed_is_server(const rtc_hub_t *h, const rtc_path_t *path);
rtc_relayed_result_t rtc_relayed_in(rtc_hub_t *h, rtc_pkt_t *k, rtc_kind_t kind, rtc_time_t now);
void rtc_relayed_meet(rtc_hub_t *h, const rtc_path_t *path, rtc_time_t now); /* before something is queued for this path */
bool rtc_relayed_wrap(rtc_hub_t *h, rtc_pkt_t *k);                           /* at the very last; false: dropped, and counted */
void rtc_relayed_tick(rtc_hub_t *h, rtc_time_t now);
int rtc_relayed_event(rtc_hub_t *h, rtc_event_t *e);
static inline rtc_time_t rtc_relayed_next_at(const rtc_hub_t *h) {
  return rtc_heap_top(&h->relayed_timers) ? rtc_heap_top(&h->relayed_timers)->at : RTC_NEVER;
}

/* records.c: DTLS without OpenSSL, after the handshake */
int rtc_records_take_over(rtc_transport_t *t);                         /* as rtc_dtls_export_records says; then dtls is spent */
void rtc_records_in(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now); /* borrows k; may close t */
void rtc_records_close(rtc_transport_t *t);                            /* says close_notify */

/* recv.c: a media packet inward */
rtc_recv_t *rtc_recv_new(rtc_transport_t *t, uint32_t id, const rtc_recv_cfg_t *cfg, int *err);
void rtc_recv_free(rtc_recv_t *r);
void rtc_recv_rtp(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now); /* borrows k */
void rtc_recv_ask_key(rtc_recv_t *r);                                /* merged with other wishes; arms the timer */
void rtc_recv_tones(rtc_recv_t *r, rtc_time_t now);                  /* one may have ended by silence */
static inline rtc_time_t rtc_recv_tones_at(const rtc_recv_t *r) { return r->tones ? rtc_tone_rx_next_at(r->tones) : RTC_NEVER; }
int rtc_recv_agree(rtc_recv_t *r, const rtc_recv_cfg_t *cfg, rtc_time_t now); /* 0, or an error and no change */
void rtc_recv_bye(rtc_recv_t *r);                                             /* the source has said goodbye */

/* redundant.c: sound that is sent twice */
/* m has the payload type for that: from now on it is seen as its own frame alone, with the type of that. False: malformed. */
bool rtc_redundant_open(rtc_recv_t *r, rtc_media_t *m);
void rtc_redundant_view(rtc_media_t *m);                                          /* the same of one that was kept, whatever it is */
void rtc_redundant_give(rtc_recv_t *r, const rtc_media_t *m, int64_t ts);         /* what it repeats, to the frame buffer */
const rtc_media_t *rtc_redundant_whole(const rtc_media_t *m, rtc_media_t *whole); /* with what it repeats */
/* Whether s takes it so. */
static inline bool rtc_redundant_wanted(const rtc_send_t *s, const rtc_media_t *m) {
  return m->front && s->cfg.has_red && s->cfg.pt == m->rtp.pt;
}
/* Writes what goes between the head of k, a packet of time ts, and its own frame of that length: how much, 0: it goes as it is. begins:
 * it is the first after silence. */
size_t rtc_redundant_write(const rtc_send_t *s, rtc_pkt_t *k, size_t head, size_t own, int64_t ts, bool begins);

/* agree.c: what a later negotiation changes */
int rtc_agree_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now);

/* tap.c: frames to the owner */
int rtc_tap_open(rtc_recv_t *r); /* 0 or RTC_ENOMEM; open already: 0 */
void rtc_tap_close(rtc_recv_t *r);
int rtc_tap_codec(rtc_recv_t *r);  /* it has another codec: as renew; RTC_ENOMEM: closed */
void rtc_tap_renew(rtc_recv_t *r); /* the stream begins afresh */
void rtc_tap_on_packet(rtc_recv_t *r, const rtc_media_t *m, int64_t ts, rtc_time_t now);
void rtc_tap_tick(rtc_recv_t *r, rtc_time_t now);
static inline rtc_time_t rtc_tap_next_at(const rtc_recv_t *r) { return r->tap ? rtc_framebuf_next_at(&r->tap->buf) : RTC_NEVER; }

/* relay.c: from one receiver to its viewers */
/* r feeds s from now on, or where something else does and runs, from r's next key frame. 0, or RTC_ENOMEM and no change. */
RTC_MUST_USE int rtc_relay_link(rtc_send_t *s, rtc_recv_t *r, rtc_time_t now);
void rtc_relay_unlink(rtc_send_t *s);                /* what is wanted is still */
void rtc_relay_unwant(rtc_send_t *s);                /* the source stays what it is */
void rtc_relay_ended(rtc_recv_t *r);                 /* nobody has it or wants it any more */
void rtc_relay_renew(rtc_send_t *s, rtc_time_t now); /* its source has begun afresh */
/* join_at: number from which a viewer who waits may begin, -1 when it may not yet. */
void rtc_relay_forward(rtc_recv_t *r, const rtc_media_t *m, int64_t join_at, rtc_time_t now);

/* send.c: a media packet outward */
rtc_send_t *rtc_send_new(rtc_transport_t *t, uint32_t id, const rtc_send_cfg_t *cfg, int *err);
void rtc_send_free(rtc_send_t *s);
int rtc_send_agree(rtc_send_t *s, const rtc_send_cfg_t *cfg); /* 0 or RTC_EINVAL and no change */
void rtc_send_reshape(rtc_send_t *s);                         /* the transport's extension ids are others */
int rtc_send_frame(rtc_send_t *s, const rtc_frame_cfg_t *f, rtc_time_t now);
int rtc_send_tone(rtc_send_t *s, const rtc_tone_cfg_t *c, rtc_time_t now);
void rtc_send_tone_tick(rtc_send_t *s, rtc_time_t now);
static inline rtc_time_t rtc_send_tone_at(const rtc_send_t *s) { return s->tone ? rtc_tone_tx_next_at(s->tone) : RTC_NEVER; }
/* Sends one packet under the sender's own number, from plaintext that stays as it is: a copy made at once, or one of the fan's. */
void rtc_send_packet(rtc_send_t *s, const rtc_media_t *m, int64_t seq, int64_t ts, rtc_time_t now);
void rtc_send_forward(rtc_send_t *s, rtc_fan_t *f, int64_t seq, int64_t ts, rtc_time_t now);
/* A view of plaintext that was kept; false when it is none. */
bool rtc_send_view(rtc_media_t *m, rtc_pkt_t *k, int64_t index, const rtc_extmap_t *ext);
void rtc_send_on_nack(rtc_send_t *s, const uint16_t *seqs, int n, rtc_time_t now);
void rtc_send_on_key_wanted(rtc_send_t *s, rtc_time_t now);
void rtc_send_tell_key(rtc_send_t *s, rtc_time_t now); /* what is owed and due */
rtc_time_t rtc_send_key_at(const rtc_send_t *s);
void rtc_send_pace(rtc_transport_t *t, rtc_time_t now); /* lets out what the pacer allows */

/* feedback.c (inward) and report.c (outward): RTCP */
void rtc_feedback_rtcp(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now); /* borrows k */
void rtc_report_tick(rtc_transport_t *t, rtc_time_t now);
rtc_time_t rtc_report_next_at(const rtc_transport_t *t);
void rtc_report_bye(rtc_transport_t *t, const rtc_send_t *only, rtc_time_t now); /* NULL: of all senders */
void rtc_report_soon(rtc_transport_t *t, rtc_time_t now);                        /* a report is worth sending early */

/* For who writes down what it sends and receives. */
static inline void rtc_captured(const rtc_transport_t *t, const rtc_path_t *path, rtc_kind_t kind, bool sent, const uint8_t *p, size_t n,
                                rtc_time_t at) {
  if (t->capture) rtc_way_capture(t, path, kind, sent, p, n, at);
}

/* keep.c: histories of plaintext, which share half of the pool */
int rtc_keep_open(rtc_hub_t *h, rtc_history_t *k, uint32_t cap); /* 0 or RTC_ENOMEM */
void rtc_keep_close(rtc_hub_t *h, rtc_history_t *k);
void rtc_keep_empty(rtc_history_t *k);
uint32_t rtc_keep_depth(const rtc_hub_t *h, const rtc_history_t *k); /* how far back a number may lie; 0: closed */
void rtc_keep_put(rtc_hub_t *h, rtc_history_t *k, int64_t index, rtc_pkt_t *pkt);

/* stats.c */
/* Of the transport with this id alone, 0 for all; a transport that is gone has no rows. */
void rtc_stats_fill(rtc_hub_t *h, uint32_t id, rtc_stats_t *s, rtc_time_t now);

#endif
