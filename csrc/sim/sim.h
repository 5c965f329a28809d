/* sim: engines in a virtual network under a virtual clock. Owns the network and what is in flight, borrows the hubs; knows nothing
 * of their protocols. Guarantee: the same seed, links and commands give the same trace. */
#ifndef RTC_SIM_SIM_H
#define RTC_SIM_SIM_H

#include "engine/hub.h"

/* One direction between two nodes. Zero is a perfect wire. */
typedef struct rtc_link {
  rtc_time_t delay_us, jitter_us;   /* jitter: uniform, added; keeps order unless reorder says otherwise */
  double loss, burst;               /* probability a packet; burst: mean length of a run of losses, <= 1: single */
  double duplicate, reorder;        /* probability; a reordered packet overtakes by up to jitter_us + 10 ms */
  double corrupt;                   /* probability that one bit is flipped */
  int64_t rate_bps;                 /* 0: unlimited */
  uint32_t queue_bytes;             /* with a rate: tail drop beyond; 0: 64 KiB */
  uint32_t mtu;                     /* larger datagrams vanish; 0: none */
  rtc_time_t down_from, down_until; /* an outage */
} rtc_link_t;

typedef struct rtc_link_stats {
  uint64_t sent, delivered, lost, duplicated, reordered, corrupted, too_big, overflow;
} rtc_link_stats_t;

typedef struct rtc_sim rtc_sim_t;
/* What is no engine: a server, a relay. Called with what came to its node; it answers by rtc_sim_send. */
typedef void (*rtc_sim_box_t)(void *arg, int node, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n);
enum { RTC_SIM_NODES = 64 };

rtc_sim_t *rtc_sim_new(uint64_t seed);
void rtc_sim_free(rtc_sim_t *s);
/* Adds a hub under an address; its number (0 ..) or RTC_E*. The same hub again: another address, on its next socket. */
RTC_MUST_USE int rtc_sim_add(rtc_sim_t *s, rtc_hub_t *hub, const rtc_addr_t *addr);
RTC_MUST_USE int rtc_sim_add_box(rtc_sim_t *s, rtc_sim_box_t box, void *arg, const rtc_addr_t *addr);
/* A box's datagram, from its node's address. */
void rtc_sim_send(rtc_sim_t *s, int node, const rtc_addr_t *to, const uint8_t *p, size_t n);
/* A node's address changes (NAT rebinding): what it sends from now on comes from there, what is under way to the old is lost. */
void rtc_sim_move(rtc_sim_t *s, int node, const rtc_addr_t *addr);
void rtc_sim_link(rtc_sim_t *s, int from, int to, const rtc_link_t *link);
const rtc_link_stats_t *rtc_sim_link_stats(const rtc_sim_t *s, int from, int to);
rtc_time_t rtc_sim_now(const rtc_sim_t *s);
/* The path by which `from` reaches `to`. */
rtc_path_t rtc_sim_path(const rtc_sim_t *s, int from, int to);
/* Lets time pass until t, or until nothing is left to happen before it. */
void rtc_sim_run(rtc_sim_t *s, rtc_time_t until);
/* Sends what a hub has to say after commands were executed at rtc_sim_now. */
void rtc_sim_flush(rtc_sim_t *s, int node);
/* Hash over all deliveries: time, nodes, length and the bytes that no cipher touches (first 12 of RTP, first 8 of RTCP, first 2 of the
 * rest). */
uint64_t rtc_sim_trace(const rtc_sim_t *s);

#endif
