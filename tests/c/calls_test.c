/* Two engines that live on make and end call after call: ICE on both sides, DTLS, media, the end by either. What a call took of the heap
 * comes back. 200 calls, 1,000 in the long runs; under the sanitizers not a byte may be lost either. */
#include <malloc.h>

#include "pair.h"
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc ships no header for it */
static int64_t held(void) { return (int64_t)__sanitizer_get_current_allocated_bytes(); }
#else
static int64_t held(void) { return (int64_t)mallinfo2().uordblks; }
#endif

enum { SENDER = 10, RECEIVER = 20, FRAMES = 5 };

static void add_stream(pair_t *p, int side, uint32_t call) {
  rtc_cmd_t send = {.op = RTC_OP_SEND, .id = SENDER + call}, recv = {.op = RTC_OP_RECV, .id = RECEIVER + call};
  send.u.send = (rtc_send_cfg_t){.transport = call, .codec = RTC_CODEC_VP8, .video = true, .pt = 96, .rtx_pt = 97, .clock_rate = 90000};
  send.u.send.ssrc = 5000u + (uint32_t)side;
  send.u.send.rtx_ssrc = 6000u + (uint32_t)side;
  send.u.send.nack = true;
  recv.u.recv = (rtc_recv_cfg_t){.transport = call, .codec = RTC_CODEC_VP8, .video = true, .pt = 96, .rtx_pt = 97, .clock_rate = 90000};
  recv.u.recv.ssrc = 5000u + (uint32_t)(1 - side);
  recv.u.recv.rtx_ssrc = 6000u + (uint32_t)(1 - side);
  recv.u.recv.nack = recv.u.recv.pli = recv.u.recv.frames = true;
  do_(p, side, &send);
  do_(p, side, &recv);
}

static void open_call(pair_t *p, uint32_t call) {
  for (int i = 0; i < 2; i++) {
    rtc_cmd_t c = transport_of(p, i, call & 1);
    c.id = call;
    c.u.transport.ice_role = (i == 1) == ((call & 2) != 0) ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_CONTROLLED;
    do_(p, i, &c);
    add_stream(p, i, call);
  }
  for (int i = 0; i < 2; i++) {
    rtc_path_t path = rtc_sim_path(p->sim, p->at[i], p->at[1 - i]), back = rtc_sim_path(p->sim, p->at[1 - i], p->at[i]);
    rtc_ice_cand_t ours = {.addr = back.remote, .base = back.remote, .sock = path.sock, .priority = 126u << 24};
    rtc_ice_cand_t theirs = {.addr = path.remote, .priority = 126u << 24};
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = call, .u.cand = ours});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_REMOTE, .id = call, .u.cand = theirs});
    do_(p, i, &(rtc_cmd_t){.op = RTC_OP_ICE_END, .id = call, .u.ends = {true, true}});
    rtc_sim_flush(p->sim, p->at[i]);
  }
}

static int take_frames(rtc_hub_t *h) {
  int n = 0;
  for (rtc_frame_t *f; (f = rtc_hub_frame(h)); n++) free(f);
  return n;
}

/* Pictures both ways; how many came. */
static int talk(pair_t *p, uint32_t call) {
  enum { BYTES = 3000 };
  int came = 0;
  for (uint32_t n = 0; n < FRAMES; n++) {
    for (int i = 0; i < 2; i++) {
      uint8_t *picture = calloc(1, BYTES);
      if (!picture) exit(2);
      picture[0] = 0x10; /* a key frame (RFC 6386 §9.1) */
      do_(p, i,
          &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = SENDER + call, .u.frame = {.data = picture, .len = BYTES, .ts = n * 3000, .key = true}});
      rtc_sim_flush(p->sim, p->at[i]);
    }
    rtc_sim_run(p->sim, rtc_sim_now(p->sim) + RTC_MS(33));
    for (int i = 0; i < 2; i++) came += take_frames(p->hub[i]);
  }
  return came;
}

static void close_call(pair_t *p, uint32_t call) {
  int first = call >> 1 & 1;
  do_(p, first, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = call});
  rtc_sim_flush(p->sim, p->at[first]);
  CHECK(until(p, RTC_T_CLOSED, RTC_SEC(5)) != RTC_NEVER);
}

static void what_a_call_took_comes_back(void) {
  enum { WARM = 20 };
  pair_t p;
  int64_t start = 0, most = 0;
  int64_t calls = 200 * check_scale();
  open_hubs(&p, 70);
  rtc_link_t link = {.delay_us = 1000};
  both_ways(&p, &link);
  for (int64_t i = 1; i <= calls; i++) {
    uint32_t call = (uint32_t)i * 100;
    open_call(&p, call);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    CHECK_EQ(talk(&p, call), 2 * FRAMES);
    if (held() > most) most = held();
    close_call(&p, call);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(40)); /* nothing of it is waited for any more */
    look(&p);
    if (i == WARM) start = held();
  }
  for (int i = 0; i < 2; i++) {
    rtc_stats_t s = {0};
    do_(&p, i, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
    CHECK(s.transport_n == 0 && s.recv_n == 0 && s.send_n == 0 && s.hub.pool_used == 0);
  }
  int64_t end = held();
  close_pair(&p);
  check_figure("calls", (double)calls);
  check_figure("bytes_kept", (double)(end - start));
  check_figure("bytes_of_a_call", (double)(most - start));
  CHECK(end <= start + 256); /* of all the calls since the first ones together */
  CHECK(most > start + 10000);
}

int main(void) {
  RUN(what_a_call_took_comes_back);
  return CHECK_END();
}
