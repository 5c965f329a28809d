/* Attacks on keys, end to end: what a relay takes in and what its viewers see on the wire. Rows B2, B3, B4. */
#include "check.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM, CM = RTC_SRTP_AES_CM_128_HMAC_SHA1_80;

/* Publishers are peers 0 and 1 (receivers 1 and 2), viewers the others: sender 100 + i, SSRC 9000 + 10 i, linked to receiver 1. */
static void open_relay(rig_t *r, int viewers) {
  rig_open(r, 0);
  for (uint32_t i = 0; i < 2; i++) {
    rtc_recv_cfg_t in = rig_recv(rig_join(r, i ? CM : GCM), true);
    rig_add_recv(r, 1 + i, &in);
  }
  for (uint32_t i = 0; i < (uint32_t)viewers; i++) {
    rtc_send_cfg_t out = rig_send(rig_join(r, i % 2 ? CM : GCM), true, 9000 + 10 * i);
    rig_add_send(r, 100 + i, &out);
    rig_link(r, 100 + i, 1);
  }
}

/* A packet of peer 0 as it is on the wire. */
static size_t media(rig_t *r, uint8_t *p, size_t cap, int64_t index) {
  rtc_rtp_t h = {.ts = (uint32_t)(3000 * index), .ssrc = 77, .seq = (uint16_t)index, .pt = 96};
  rtc_rtp_write(p, &h);
  memset(p + 12, (int)index, 50);
  p[12] = 0x10;
  p[13] = index % 50 ? 0x11 : 0x10;
  int n = rtc_srtp_protect(&r->peer[0].tx, p, 62, cap, index);
  if (n < 0) exit(2);
  return (size_t)n;
}

/* Every packet comes again at once and later; each viewer gets it once. A request that is repeated counts once. */
static void b2_replays_through_a_relay(void) {
  enum { N = 2000, BACK = 600 };
  static uint8_t wire[N][128];
  size_t len[N];
  rig_t r;
  open_relay(&r, 2);
  int seen[2] = {0, 0};
  for (int i = 0; i < N; i++) {
    len[i] = media(&r, wire[i], sizeof wire[i], 65000 + i);
    for (int j = 0; j < 2; j++) rig_raw(&r, &r.peer[0].path, wire[i], len[i]);
    if (i >= BACK) rig_raw(&r, &r.peer[0].path, wire[i - BACK], len[i - BACK]);
    for (int v = 0; v < 2; v++) seen[v] += rig_media_n(&r, 2 + v, 0);
    rig_forget(&r);
  }
  for (int v = 0; v < 2; v++) CHECK_EQ(seen[v], N);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, N);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_REPLAY), N + N - BACK);
  CHECK_EQ(r.unread, 0);

  uint8_t pli[64];
  rtc_wr_t w = rtc_wr(pli, sizeof pli);
  rtc_rtcp_write_pli(&w, 4711, 9000);
  int n = rtc_srtp_protect_rtcp(&r.peer[2].tx, pli, rtc_wr_len(&w), sizeof pli);
  CHECK(n > 0);
  for (int i = 0; i < 100; i++) rig_raw(&r, &r.peer[2].path, pli, (size_t)n);
  CHECK_EQ(rig_send_stats(&r, 100)->pli, 1);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTCP_REPLAY), 99);
  rig_close(&r);
}

/* Numbers of new streams and of their RTX lie below 2^15, so that one who misses the first packets finds the roll-over. */
static void b3_streams_begin_low(void) {
  int high = 0;
  for (int round = 0; round < 8; round++) {
    rig_t r;
    open_relay(&r, 60);
    for (int i = 0; i < round; i++) { /* other draws */
      rtc_send_cfg_t out = rig_send(2, true, 500 + 10 * (uint32_t)i);
      rig_add_send(&r, 500 + (uint32_t)i, &out);
    }
    for (uint32_t i = 0; i < 60; i++) { /* again, with what is drawn now */
      rtc_send_cfg_t out = rig_send(2 + (int)i, true, 7000 + 10 * i);
      rig_add_send(&r, 1000 + i, &out);
      rig_link(&r, 1000 + i, 1);
    }
    rig_vp8(&r, 0, 100, 60000, 0, true, true);
    for (int v = 0; v < 60; v++) {
      const rig_got_t *first = rig_media(&r, 2 + v, 9000 + 10 * (uint32_t)v, 0), *again = rig_media(&r, 2 + v, 7000 + 10 * (uint32_t)v, 0);
      CHECK(first && again);
      high += first && first->index >= 32768;
      high += again && again->index >= 32768;
    }
    rig_close(&r);
  }
  CHECK_EQ(high, 0);
}

/* Each (viewer, SSRC, index) that opens names the nonce that it was made with. Sorted to count repeats. */
typedef struct nonce {
  int64_t index;
  uint32_t ssrc;
  int peer;
} nonce_t;

static int order(const void *a, const void *b) {
  const nonce_t *x = a, *y = b;
  if (x->peer != y->peer) return x->peer < y->peer ? -1 : 1;
  if (x->ssrc != y->ssrc) return x->ssrc < y->ssrc ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* Viewers ask for repairs all the time, are linked from one publisher to the other and back, and a publisher changes its SSRC. */
static void b4_nonces_of_a_relay(void) {
  enum { VIEWERS = 4 };
  int64_t steps = 20000 * check_scale(), n = 0, cap = steps * 16;
  nonce_t *v = malloc((size_t)cap * sizeof *v);
  if (!v) exit(2);
  rig_t r;
  open_relay(&r, VIEWERS);
  uint64_t seed = 1;
  uint32_t ssrc[2] = {100, 200};
  int64_t at[2] = {65000, 30000};
  int repairs = 0;
  for (int64_t i = 0; i < steps; i++) {
    for (int p = 0; p < 2; p++) {
      rig_vp8(&r, p, ssrc[p], at[p], 3000 * i, true, i % 20 == 0);
      at[p]++;
    }
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t viewer = (uint32_t)(seed >> 33) % VIEWERS;
    int peer = 2 + (int)viewer;
    const rig_got_t *last = rig_media(&r, peer, 9000 + 10 * viewer, 0);
    if (last) {
      uint8_t b[64];
      uint16_t seqs[4];
      for (int j = 0; j < 4; j++) seqs[j] = (uint16_t)(last->rtp.seq - 3 + j);
      rtc_wr_t w = rtc_wr(b, sizeof b);
      rtc_rtcp_write_nack(&w, 4711, 9000 + 10 * viewer, seqs, 4);
      rig_rtcp(&r, peer, b, rtc_wr_len(&w));
    }
    if (i % 97 == 50) rig_link(&r, 100 + viewer, 1 + (uint32_t)(i % 2));
    if (i % 1009 == 500 && ssrc[0] < 100 + 50) { /* a peer's own sending side keeps 64 */
      ssrc[0]++;
      at[0] = 1000 + i % 30000;
    }
    rig_pass(&r, RTC_MS(4));
    for (int g = 0; g < r.got_n && n < cap; g++) {
      const rig_got_t *got = &r.got[g];
      if (got->peer < 2 || !got->media) continue;
      repairs += got->rtp.ssrc % 10 == 1;
      v[n++] = (nonce_t){.index = got->index, .ssrc = got->rtp.ssrc, .peer = got->peer};
    }
    rig_forget(&r);
  }
  int64_t repeats = 0;
  qsort(v, (size_t)n, sizeof *v, order);
  for (int64_t i = 1; i < n; i++) repeats += order(&v[i - 1], &v[i]) == 0;
  CHECK_EQ(repeats, 0);
  CHECK_EQ(r.unread, 0);                     /* a repeated one would be a replay to its viewer */
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0); /* nor had one to be refused */
  CHECK(n > 2 * steps && repairs > 1000);
  check_figure("packets", (double)n);
  check_figure("repairs", repairs);
  free(v);
  rig_close(&r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(b2_replays_through_a_relay);
  RUN(b3_streams_begin_low);
  RUN(b4_nonces_of_a_relay);
  return CHECK_END();
}
