/* stats: counters as they stand, copied out in one go. Arrays are the caller's, with their capacity; *_n says how many there are
 * (maybe more than fitted). Times are the engine's monotonic clock. */
#ifndef RTC_ENGINE_STATS_H
#define RTC_ENGINE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "engine/drop.h"
#include "proto/ice.h"

typedef struct rtc_hub_stats {
  rtc_time_t now;
  uint64_t in_packets, in_bytes, out_packets, out_bytes; /* datagrams */
  uint64_t rtp_in, rtp_out, rtcp_in, rtcp_out, stun_in, stun_out, dtls_in, dtls_out;
  uint64_t turn_in, turn_out; /* data by way of an allocation */
  uint64_t forwarded;         /* media packets given to viewers */
  uint64_t drops[RTC_DROP_COUNT];
  uint32_t pool_used;
} rtc_hub_stats_t;

typedef struct rtc_transport_stats {
  uint32_t id;
  uint8_t state;     /* rtc_tstate_t */
  uint8_t ice_state; /* rtc_ice_state_t, of full agents */
  bool has_path, nominated;
  rtc_path_t path;
  uint64_t in_packets, in_bytes, out_packets, out_bytes; /* without STUN */
  rtc_time_t heard, added, connected;
  uint32_t stun_requests, stun_answers;
  int64_t rtt_us; /* of checks, or by reports; 0 unknown */
  uint16_t srtp_profile;
  bool dtls_client;
  int64_t pacer_bps;
  uint32_t twcc_sent, twcc_received; /* messages of feedback */
  uint64_t twcc_told, twcc_missing;  /* packets of ours that the peer's told of, and of these those that it lacked then */
  /* Of a full agent's chosen pair, as below, but requests without repeats. */
  uint32_t pair_requests, pair_answers, pair_requests_in, pair_answers_out, pair_consents;
  int64_t pair_rtt_us, pair_rtt_sum_us;
  rtc_ice_flow_t pair_flow;
} rtc_transport_stats_t;

/* A full agent's candidates and pairs, for who asks (RTC_OP_ICE_STATS); all empty of a lite one. */
typedef struct rtc_pair_stats {
  uint8_t local, remote; /* places of its candidates below */
  uint8_t state;         /* rtc_pair_state_t */
  bool nominated;
  uint64_t priority;
  uint32_t requests_out, answers_in, requests_in, answers_out, consents_out;
  int64_t rtt_us, rtt_sum_us; /* rtt 0: unknown */
  rtc_ice_flow_t flow;
} rtc_pair_stats_t;

typedef struct rtc_ice_stats {
  rtc_time_t now;
  uint32_t local_n, remote_n, pair_n;
  int selected; /* pair that is used, -1 none */
  rtc_ice_cand_t local[RTC_ICE_CANDS], remote[RTC_ICE_CANDS];
  rtc_pair_stats_t pair[RTC_ICE_PAIRS];
} rtc_ice_stats_t;

typedef struct rtc_recv_stats {
  uint32_t id, transport, ssrc;
  uint64_t packets, bytes, repeated; /* authentic media, each once, repaired ones too; repeated: not needed or too late */
  int64_t lost;                      /* on the way, repaired or not (RFC 3550: may be below zero) */
  double jitter_s;
  uint64_t rtx_packets, rtx_bytes;   /* by the stream of repairs, of use or not; bytes with their heads (RFC 4588 §4) */
  uint64_t came_packets, came_bytes; /* all authentic ones, repairs among them */
  uint64_t nacks, nack_messages, pli, fir, frames, key_frames;       /* nacks: numbers asked for */
  uint16_t width, height;                                            /* of the pictures, 0 where no key frame has told */
  uint64_t frames_given, frames_dropped, frames_late, frames_broken; /* to the owner, since they are wanted */
  uint64_t red_blocks, red_bytes; /* earlier frames that packets repeat, of use or not (RFC 2198); bytes with their heads */
  uint64_t frames_restored;       /* among those given: their packets did not come in time, others repeated them */
  rtc_time_t last;
  /* The publisher's own word, by its latest report: sr_at 0 before the first, sr_ntp is its clock. */
  uint32_t sr_n, sr_packets, sr_bytes;
  uint64_t sr_ntp;
  rtc_time_t sr_at;
} rtc_recv_stats_t;

typedef struct rtc_send_stats {
  uint32_t id, transport, ssrc, source; /* source: receiver that feeds it, 0 none */
  uint64_t packets, bytes, rtx_packets, rtx_bytes, rtx_refused;
  uint64_t nacks, nack_messages, pli, fir; /* asked by the viewer */
  int64_t lost;                            /* as the peer reports */
  double fraction_lost, jitter_s;
  int64_t rtt_us;     /* 0 unknown */
  uint32_t reports;   /* of the peer on it */
  rtc_time_t report;  /* the latest, 0 before */
  uint32_t rtt_n;     /* how often the round trip was told */
  int64_t rtt_sum_us; /* all of these together */
  uint64_t remb_bps;
  bool waiting; /* for a key frame */
} rtc_send_stats_t;

typedef struct rtc_stats {
  rtc_hub_stats_t hub;
  uint32_t transport_cap, recv_cap, send_cap;
  uint32_t transport_n, recv_n, send_n;
  rtc_transport_stats_t *transport;
  rtc_recv_stats_t *recv;
  rtc_send_stats_t *send;
} rtc_stats_t;

#endif
