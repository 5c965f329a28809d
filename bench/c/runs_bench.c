/* Forwarding frames to many viewers over loopback, with runs as one (UDP GSO) and without: CPU of this thread for each packet that
 * leaves (median of frames), from the publisher's datagram in the hub to the kernel's answer. Viewers are sockets, emptied between the
 * frames, which is not counted. Arguments: packets a frame (8), bytes of payload (1150), how much these differ (0). Build: gcc -O2 -Icsrc
 * -DRTC_HAVE_IPSEC_MB=1 bench/c/runs_bench.c csrc/{base,wire,wire/payload,proto,engine}/X.c (all of them)
 * csrc/io/{udp,udp_sys,udp_linux,udp_posix,clock}.c -lIPSec_MB -lssl -lcrypto -o runs_bench */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/hub.h"
#include "io/udp.h"
#include "wire/rtp.h"

enum { MOST = 500, FRAMES = 60, WARM = 10 };

static int packets = 8, payload = 1150, spread;
static rtc_udp_t viewer[MOST];

static int64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(bool fine, const char *what) {
  if (fine) return;
  fprintf(stderr, "failed: %s\n", what);
  exit(1);
}

static rtc_transport_cfg_t transport(uint32_t id) {
  rtc_transport_cfg_t t = {.reduced_rtcp = true, .cname = "bench"};
  snprintf(t.ice.local_ufrag, sizeof t.ice.local_ufrag, "user-%u", id);
  snprintf(t.ice.local_pwd, sizeof t.ice.local_pwd, "password-of-user-%u-is-long", id);
  rtc_extmap_init(&t.ext);
  must(rtc_extmap_set(&t.ext, RTC_EXT_TWCC, 3) == 0 && rtc_extmap_set(&t.ext, RTC_EXT_ABS_SEND_TIME, 2) == 0, "extensions");
  return t;
}

static void join(rtc_hub_t *h, uint32_t id, const rtc_dtls_keys_t *keys, const rtc_addr_t *to) {
  rtc_path_t path = {.remote = *to};
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id, .u.transport = transport(id)};
  must(rtc_hub_exec(h, &c, RTC_SEC(1)) == 0 && rtc_hub_connect_with_keys(h, id, keys, &path, RTC_SEC(1)) == 0, "transport");
}

static uint64_t empty(rtc_udp_t *u) {
  uint64_t n = 0;
  for (int got; (got = rtc_udp_discard(u, RTC_UDP_BATCH)) > 0;) n += (uint64_t)got;
  return n;
}

static void flush(rtc_hub_t *h, rtc_udp_t *u) {
  rtc_pkt_t *v[RTC_UDP_BATCH];
  int64_t wait_us = 0;
  for (int n; (n = rtc_hub_pop(h, v, RTC_UDP_BATCH)) > 0;) {
    rtc_udp_send(u, v, n, &wait_us);
    for (int i = 0; i < n; i++) rtc_pkt_put(v[i]);
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* One publisher, so many viewers. */
static void measure(int viewers, bool single, int pending) {
  rtc_sealer_t sealer;
  must(rtc_sealer_init(&sealer, RTC_SEALER_BEST) == 0, "sealer");
  rtc_hub_cfg_t cfg = {.sealer = &sealer};
  rtc_hub_t *h = rtc_hub_new(&cfg, RTC_SEC(1));
  must(h, "hub");
  rtc_udp_t u;
  rtc_udp_cfg_t own = {.send_buffer = 4 << 20, .single = single};
  int sys;
  must(rtc_addr_parse(&own.bind, "127.0.0.1", 0) == 0 && rtc_udp_open(&u, &own, &sys) == 0, "socket");
  rtc_hub_runs(h, 0, u.runs);
  rtc_dtls_keys_t keys = {.profile = RTC_SRTP_AEAD_AES_128_GCM};
  rtc_addr_t publisher;
  must(rtc_addr_parse(&publisher, "127.0.0.2", 9) == 0, "address");
  join(h, 1, &keys, &publisher);
  rtc_recv_cfg_t in = {.transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = -1, .clock_rate = 90000, .ssrc = 5};
  must(rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_RECV, .id = 1, .u.recv = in}, RTC_SEC(1)) == 0, "receiver");
  for (uint32_t i = 0; i < (uint32_t)viewers; i++) {
    memset(keys.local_key, (int)i, 16);
    join(h, i + 2, &keys, &viewer[i].bound);
    rtc_send_cfg_t out = {.transport = i + 2,
                          .video = true,
                          .codec = RTC_CODEC_VP8,
                          .pt = 96,
                          .rtx_pt = -1,
                          .clock_rate = 90000,
                          .ssrc = i + 10,
                          .ext_mask = 1u << RTC_EXT_TWCC | 1u << RTC_EXT_ABS_SEND_TIME};
    must(rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = i + 2, .u.send = out}, RTC_SEC(1)) == 0, "sender");
    must(rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = i + 2, .u.link = 1}, RTC_SEC(1)) == 0, "link");
  }
  flush(h, &u);
  rtc_srtp_t tx;
  must(rtc_srtp_init(&tx, keys.profile, keys.remote_key, 16, keys.remote_salt, 12, 1) == 0, "keys");
  double cost[FRAMES];
  int64_t index = 0;
  uint64_t sent = 0, arrived = 0, calls = 0;
  for (int f = 0; f < FRAMES; f++) {
    rtc_time_t now = RTC_SEC(1) + f * RTC_MS(33);
    rtc_hub_tick(h, now);
    flush(h, &u);
    for (int i = 0; i < viewers; i++) empty(&viewer[i]);
    rtc_stats_t before = {0}, after = {0};
    must(rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &before}, now) == 0, "stats");
    uint64_t calls_before = u.count.send_calls;
    int64_t start = cpu_ns(), own_work = 0;
    for (int i = 0; i < packets; i++, index++) {
      int64_t mine = cpu_ns();
      rtc_pkt_t *k = rtc_hub_slot(h);
      must(k, "slot");
      rtc_rtp_t r = {.ssrc = 5, .seq = (uint16_t)index, .ts = (uint32_t)f * 3000, .pt = 96, .marker = i == packets - 1};
      rtc_rtp_write(k->data, &r);
      size_t len = (size_t)(payload - (spread ? i * 7 % (spread + 1) : 0));
      memset(k->data + RTC_RTP_HEADER, 7, len);
      k->data[RTC_RTP_HEADER] = i == 0 ? 0x10 : 0;
      k->data[RTC_RTP_HEADER + 1] = f == 0 ? 0x10 : 0x11;
      int n = rtc_srtp_protect(&tx, k->data, RTC_RTP_HEADER + len, RTC_PKT_DATA, index);
      must(n > 0, "protect");
      k->len = (uint32_t)n;
      k->path.remote = publisher;
      k->at = now;
      own_work += cpu_ns() - mine;
      rtc_hub_recv(h, k, now);
      if (rtc_hub_pending(h) >= (uint32_t)pending) flush(h, &u);
    }
    flush(h, &u);
    int64_t took = cpu_ns() - start - own_work;
    must(rtc_hub_exec(h, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &after}, now) == 0, "stats");
    uint64_t got = 0;
    for (int i = 0; i < viewers; i++) got += empty(&viewer[i]);
    if (f < WARM) continue;
    uint64_t left = after.hub.out_packets - before.hub.out_packets;
    cost[f - WARM] = (double)took / (double)left;
    sent += left;
    arrived += got;
    calls += u.count.send_calls - calls_before;
  }
  qsort(cost, FRAMES - WARM, sizeof cost[0], compare);
  printf("%4d viewers, %-9s flush at %4d: %5.0f ns a packet, %.4f calls a packet, runs of %.1f, %llu of %llu arrived\n", viewers,
         single ? "one by one" : "runs", pending, cost[(FRAMES - WARM) / 2], (double)calls / (double)sent,
         u.count.runs_sent ? (double)u.count.run_datagrams / (double)u.count.runs_sent : 1.0, (unsigned long long)arrived,
         (unsigned long long)sent);
  rtc_srtp_clear(&tx);
  rtc_hub_free(h);
  rtc_udp_close(&u);
  rtc_sealer_clear(&sealer);
}

int main(int argc, char **argv) {
  if (argc > 1) packets = atoi(argv[1]);
  if (argc > 2) payload = atoi(argv[2]);
  if (argc > 3) spread = atoi(argv[3]);
  must(packets > 0 && payload > 2 + spread && spread >= 0 && payload <= 1300, "arguments");
  for (int i = 0; i < MOST; i++) {
    rtc_udp_cfg_t cfg = {.recv_buffer = 1 << 18};
    int sys;
    must(rtc_addr_parse(&cfg.bind, "127.0.0.1", 0) == 0 && rtc_udp_open(&viewer[i], &cfg, &sys) == 0, "viewer");
  }
  static const int counts[] = {100, 500};
  for (int c = 0; c < 2; c++) {
    measure(counts[c], true, 1024);
    measure(counts[c], false, 2048);
    measure(counts[c], false, 1024);
    measure(counts[c], false, 4096);
  }
  for (int i = 0; i < MOST; i++) rtc_udp_close(&viewer[i]);
  return 0;
}
