/* hub: the whole engine without a thread, a socket or a clock. Datagrams in (recv), deadlines (next_at, tick), datagrams
 * out (pop), commands (exec), events (event), and handshakes as jobs that the driver may run on a helper thread. Owns all
 * transports, receivers, senders and packet slots; belongs to one thread at a time. Drivers: io/loop (threads, sockets), sim/ (virtual
 * time). */
#ifndef RTC_ENGINE_HUB_H
#define RTC_ENGINE_HUB_H

#include "base/pkt.h"
#include "engine/cmd.h"
#include "engine/event.h"
#include "engine/frame.h"
#include "engine/job.h"

typedef struct rtc_hub rtc_hub_t;

enum { RTC_HUB_JOBS_MAX = 256 /* handshakes that may wait; further ClientHellos are dropped (the peer repeats them) */ };

typedef struct rtc_hub_cfg {
  rtc_dtls_ctx_t *dtls;   /* of transports without their own; borrowed: outlives the hub. NULL allowed in simulations that give keys */
  rtc_sealer_t *sealer;   /* borrowed: runs the ciphers of a batch side by side; NULL: one packet after the other */
  uint32_t slots;         /* most packet slots; 0: 32768 */
  uint8_t seed[32];       /* random bytes: hash keys, SSRC and sequence starts, transaction ids */
  uint32_t srtp_window;   /* see rtc_srtp_window; 0: 1024 */
  int64_t unix_offset_us; /* wall clock minus monotonic clock, for NTP times */
} rtc_hub_cfg_t;

rtc_hub_t *rtc_hub_new(const rtc_hub_cfg_t *cfg, rtc_time_t now);
/* Frees everything at once and says goodbye to nobody: close transports and pop before. Jobs that are out must be given back first. */
void rtc_hub_free(rtc_hub_t *h);

/* A slot to receive into; NULL at the cap. */
rtc_pkt_t *rtc_hub_slot(rtc_hub_t *h);
/* One datagram: data, len, path (remote, local, sock) and at are set. Takes over the caller's reference. */
void rtc_hub_recv(rtc_hub_t *h, rtc_pkt_t *k, rtc_time_t now);
/* Whether it is media, RTCP or data of a connected transport: a driver with many datagrams at hand takes these first. */
bool rtc_hub_urgent(const rtc_hub_t *h, const rtc_pkt_t *k);
/* A socket that was connected is so no more: what was allocated by way of it is lost. */
void rtc_hub_disconnected(rtc_hub_t *h, uint32_t sock, rtc_time_t now);
/* Whether a transport is reached this way, because a check of this path was authentic or it sends checks there. */
bool rtc_hub_knows(const rtc_hub_t *h, const rtc_path_t *path);
/* The driver could not use a datagram (too big for a slot, no slot). */
void rtc_hub_dropped(rtc_hub_t *h, rtc_drop_t why);

void rtc_hub_tick(rtc_hub_t *h, rtc_time_t now);
rtc_time_t rtc_hub_next_at(const rtc_hub_t *h);

/* How many datagrams wait to be sent. */
uint32_t rtc_hub_pending(const rtc_hub_t *h);
/* Up to cap datagrams (path.remote: goal, path.local: our address or zero, path.sock: socket), protected and ready; each is the
 * caller's and goes back by rtc_pkt_put. Those of one transport come in sending order and side by side. Call until 0 after every recv
 * batch, tick, exec and job. */
int rtc_hub_pop(rtc_hub_t *h, rtc_pkt_t **out, int cap);

/* The window: what is put into an empty queue may be held so long (0 to RTC_WINDOW_MAX_US), for what comes to the same goals meanwhile to
 * leave with it; pop gives nothing until then, and next_at says when. A full queue ends it early, and so does 0, which it is at first: pop
 * then. */
enum { RTC_WINDOW_MAX_US = 5000 };
void rtc_hub_window(rtc_hub_t *h, int64_t window_us);

/* Runs: packets to one goal that the kernel takes as one (UDP GSO) because they are equally long, the last one perhaps shorter. Off until
 * the driver says that a socket sends them; then all packets of a run but its first have tag[RTC_PKT_RUN] RTC_RUN_JOINS, a run is not
 * divided between two pops of RTC_RUN_MAX, and video may be padded. */
void rtc_hub_runs(rtc_hub_t *h, uint32_t sock, bool on);
/* The kernel did not take a run to this path: none there any more, until the transport's path is another. */
void rtc_hub_run_refused(rtc_hub_t *h, const rtc_path_t *path);

/* One command: 0 or RTC_E* (then nothing has changed). A frame's data and a transport's certificate pass to the hub, always; nothing else
 * does. */
RTC_MUST_USE int rtc_hub_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now);

/* Next event: 1 or 0. */
int rtc_hub_event(rtc_hub_t *h, rtc_event_t *out);

/* Next frame of a receiver whose owner wants them (RTC_OP_FRAMES), the caller's to free(); NULL when there is none. What is not collected
 * waits as engine/frame.h says. dropped: the driver had no place for n frames of it; key: it goes on at a key frame. */
rtc_frame_t *rtc_hub_frame(rtc_hub_t *h);
bool rtc_hub_has_frames(const rtc_hub_t *h);
void rtc_hub_frames_dropped(rtc_hub_t *h, uint32_t receiver, uint32_t n, bool key);

/* A handshake that needs work: the driver calls rtc_job_work on any thread, one at a time for one job, then done. 1 or 0. */
int rtc_hub_job(rtc_hub_t *h, rtc_job_t *out);
void rtc_hub_job_done(rtc_hub_t *h, const rtc_job_t *job, rtc_time_t now);

/* Simulation and tests only: a transport that counts as connected with these keys and this path, without ICE and DTLS. */
RTC_MUST_USE int rtc_hub_connect_with_keys(rtc_hub_t *h, uint32_t transport, const rtc_dtls_keys_t *keys, const rtc_path_t *path,
                                           rtc_time_t now);

#endif
