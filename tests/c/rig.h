/* rig: one hub and peers made by hand. A test says what each peer sends, packet by packet, and sees what the hub sends back, opened.
 * Keys are agreed beforehand; where two engines should talk, house.h has them. */
#ifndef RTC_TESTS_RIG_H
#define RTC_TESTS_RIG_H

#include "base/bytes.h"
#include "engine/hub.h"
#include "wire/rtcp.h"
#include "wire/rtp.h"

enum {
  RIG_PEERS = 64,
  RIG_KEPT = 4096,
  RIG_ABS_ID = 2,
  RIG_TWCC_ID = 3,
  RIG_MID_ID = 4,
  RIG_TURN_ID = 5,
  RIG_MOMENT_ID = 6,
  RIG_DEP_ID = 7,
  RIG_HEARD_ID = 8
};

typedef struct rig_got { /* a datagram from the hub */
  int peer;              /* -1: to an address that is no peer's */
  bool rtcp, media;      /* neither: STUN or DTLS, as it is */
  rtc_time_t at;
  rtc_addr_t to;
  rtc_rtp_t rtp; /* of plain text */
  int64_t index;
  uint32_t len;
  uint8_t data[RTC_PKT_DATA + RTC_PKT_TAIL];
} rig_got_t;

typedef struct rig_peer {
  uint32_t id; /* of its transport */
  rtc_path_t path;
  rtc_srtp_t tx, rx;
} rig_peer_t;

typedef struct rig {
  rtc_hub_t *hub;
  rtc_time_t now;
  int peer_n;
  rig_peer_t peer[RIG_PEERS];
  rig_got_t *got; /* RIG_KEPT of them; what comes beyond is only counted */
  int got_n;
  uint64_t unread, spins, ticks, datagrams; /* unread: SRTP that its peer could not open; spins: deadlines that did not get on */
} rig_t;

typedef struct rig_rtp {
  uint32_t ssrc;
  int64_t index, ts;
  uint8_t pt;
  bool marker;
  const char *mid;
  int twcc;        /* transport-wide number + 1; 0: none */
  const void *ext; /* more elements in the one-byte form */
  size_t ext_len;
  const uint8_t *dep; /* a dependency descriptor of 1 to 16 bytes */
  uint8_t dep_n;
  uint8_t pad;
  const uint32_t *csrc;
  uint8_t csrc_n;
  const void *payload;
  size_t len;
} rig_rtp_t;

void rig_open(rig_t *r, uint32_t slots);
void rig_close(rig_t *r);
/* A connected peer: its number; the transport's id is that + 1. */
int rig_join(rig_t *r, rtc_srtp_profile_t profile);
int rig_join_as(rig_t *r, rtc_srtp_profile_t profile, const rtc_transport_cfg_t *cfg);
/* A transport without keys that waits for its first check: user "user-ID", password "password-of-user-ID-is-long". */
void rig_wait_for(rig_t *r, uint32_t id);
rtc_transport_cfg_t rig_transport(uint32_t id);
/* That of a peer which has also agreed to tell how pictures are turned, and when they were captured. */
rtc_transport_cfg_t rig_telling(uint32_t id);
rtc_path_t rig_path(int n);
/* Must succeed. */
void rig_do(rig_t *r, const rtc_cmd_t *c);
/* VP8 96 with RTX 97, or Opus 111; mid "1" or "0". */
rtc_recv_cfg_t rig_recv(int peer, bool video);
rtc_send_cfg_t rig_send(int peer, bool video, uint32_t ssrc);
void rig_add_recv(rig_t *r, uint32_t id, const rtc_recv_cfg_t *cfg);
void rig_add_send(rig_t *r, uint32_t id, const rtc_send_cfg_t *cfg);
void rig_link(rig_t *r, uint32_t sender, uint32_t receiver);
void rig_frame(rig_t *r, uint32_t sender, uint32_t n, uint32_t ts, bool key);

/* What a peer sends; false when the test's own protection failed. */
void rig_rtp(rig_t *r, int peer, const rig_rtp_t *p);
/* A VP8 packet of ~n bytes: start of a frame or not, key or not. */
void rig_vp8(rig_t *r, int peer, uint32_t ssrc, int64_t index, int64_t ts, bool start, bool key);
void rig_rtcp(rig_t *r, int peer, const uint8_t *p, size_t n);
void rig_raw(rig_t *r, const rtc_path_t *from, const uint8_t *p, size_t n);
/* A Binding request with these credentials. */
void rig_check(rig_t *r, const rtc_path_t *from, const char *user, const char *pwd, bool nominate);
size_t rig_write_check(uint8_t *out, size_t cap, const char *user, const char *pwd, bool nominate);

/* Time passes, deadlines are kept, what comes out is kept. */
void rig_pass(rig_t *r, rtc_time_t us);
void rig_drain(rig_t *r);
void rig_forget(rig_t *r);

/* Among what is kept: RTP packets to a peer (ssrc 0: any), the i-th of them, RTCP blocks of a type (count -1: any). */
int rig_media_n(const rig_t *r, int peer, uint32_t ssrc);
const rig_got_t *rig_media(const rig_t *r, int peer, uint32_t ssrc, int i);
int rig_block_n(const rig_t *r, int peer, int type, int count);
bool rig_block(const rig_t *r, int peer, int type, int count, int i, rtc_rtcp_t *out);
void rig_stats(rig_t *r, rtc_stats_t *out);
uint64_t rig_drops(rig_t *r, rtc_drop_t why);
uint32_t rig_pool(rig_t *r);
const rtc_recv_stats_t *rig_recv_stats(rig_t *r, uint32_t id);
const rtc_send_stats_t *rig_send_stats(rig_t *r, uint32_t id);
const rtc_transport_stats_t *rig_transport_stats(rig_t *r, uint32_t id);
/* Events until there are none; the last one of this transport in *out: true when there was one. */
bool rig_events(rig_t *r, uint32_t transport, rtc_event_t *out);

#endif
