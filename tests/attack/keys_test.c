/* Attacks on SRTP itself: rows B1 to B5. Through a relay: relay_test.c; what stays in memory: secrets_test.c. */
#include "srtp_pair.h"

static bool is_gcm(int profile) { return profiles[profile] >= RTC_SRTP_AEAD_AES_128_GCM; }

/* B1: every length from 0 to 64, of garbage with plausible first bytes and of packets that are in order, in memory exactly as long. */
static void b1_short_packets(void) {
  uint64_t seed = 1;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    pair_init(&d, profiles[i]);
    int64_t index = 0, got;
    for (size_t n = 0; n <= 64; n++) {
      for (int round = 0; round < 64; round++) {
        uint8_t *p = malloc(n + RTC_SRTP_OVERHEAD);
        uint8_t *q = malloc(n ? n : 1);
        if (!p || !q) exit(2);
        for (size_t j = 0; j < n; j++) p[j] = q[j] = (uint8_t)rnd(&seed);
        if (n && round % 8) p[0] = q[0] = (uint8_t)(round % 2 ? 0x80 : 0x80 | (p[0] & 0x3f));
        int r = rtc_srtp_unprotect(&d.rx, q, n, &got); /* too short ends before any cipher */
        CHECK(n < 12 + rtc_srtp_tag_len(profiles[i]) ? r == RTC_EPROTO : r < 0);
        r = rtc_srtp_unprotect_rtcp(&d.rx, q, n);
        CHECK(n < (is_gcm(i) ? 28 : 22) ? r == RTC_EPROTO : r < 0);
        if (n >= 12) {
          rtc_put16(p + 2, (uint16_t)index);
          rtc_put32(p + 8, 0x1000 + (uint32_t)i);
        }
        r = rtc_srtp_protect(&d.tx, p, n, n + RTC_SRTP_OVERHEAD, index);
        CHECK(r == RTC_EPROTO || (n >= 12 && r == (int)(n + rtc_srtp_tag_len(profiles[i]))));
        if (r > 0) {
          CHECK_EQ(rtc_srtp_unprotect(&d.rx, p, (size_t)r, &got), n);
          CHECK_EQ(got, index++);
        } else {
          CHECK(n < 12 || round % 2 == 0); /* a plain header is always taken */
        }
        for (size_t j = 0; j < n; j++) p[j] = (uint8_t)rnd(&seed);
        if (n) p[0] = 0x80;
        if (n >= 8) rtc_put32(p + 4, 0x2000 + (uint32_t)i);
        r = rtc_srtp_protect_rtcp(&d.tx, p, n, n + RTC_SRTP_OVERHEAD);
        CHECK_EQ(r < 0, n < 8);
        if (r > 0) CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, p, (size_t)r), n);
        free(p);
        free(q);
      }
    }
    CHECK(index >= 53 * 32); /* half of the headers from 12 bytes on are plain */
    pair_clear(&d);
  }
}

/* B2 and B3: what a sender says, and a network that loses, repeats, reorders and forges. The model keeps every index that was taken
 * and the highest. */
enum { KEEP = 2048 };
typedef struct run {
  int64_t arrivals, taken, replays, top;
  int64_t replayed_in, valid_out, forged_in, wrong; /* all must be 0 */
} run_t;

static run_t hostile_run(rtc_srtp_profile_t profile, uint64_t seed, int64_t start, int64_t sent, int per_step, size_t loss_in) {
  static uint8_t wire[KEEP][ROOM];
  static size_t len[KEEP];
  run_t m = {.top = -1};
  uint8_t *seen = calloc((size_t)sent, 1);
  int burst = 0;
  pair_t d;
  pair_init(&d, profile);
  if (!seen) exit(2);
  for (int64_t k = 0; k < sent; k++) {
    len[k % KEEP] = sealed(&d.tx, wire[k % KEEP], 0xabcdef01, start + k);
    if (burst == 0 && below(&seed, loss_in) == 0) burst = 1 + (int)below(&seed, below(&seed, 8) ? 50 : 5000);
    if (burst > 0 && burst--) continue;
    for (int a = 0; a < per_step; a++, m.arrivals++) {
      uint8_t p[ROOM], plain[ROOM];
      size_t back = a == 0 ? 0 : below(&seed, a == 1 ? 8 : KEEP);
      int64_t which = k - (int64_t)back, index = start + which, got = -1;
      if (which < 0) continue;
      size_t n = len[which % KEEP];
      bool forged = below(&seed, 16) == 0;
      memcpy(p, wire[which % KEEP], n);
      if (forged) p[below(&seed, n)] ^= (uint8_t)(1 << below(&seed, 8));
      int r = rtc_srtp_unprotect(&d.rx, p, n, &got);
      bool fresh = !seen[which] && index > m.top - RTC_WINDOW_SIZE;
      if (forged) {
        m.forged_in += r >= 0;
      } else if (r >= 0) {
        m.taken++;
        m.replayed_in += !fresh;
        m.wrong += got != index || (size_t)r != make_rtp(plain, 0xabcdef01, index) || memcmp(plain, p, (size_t)r) != 0;
        seen[which] = 1;
        if (index > m.top) m.top = index;
      } else {
        m.valid_out += fresh;
        m.replays++;
        m.wrong += r != RTC_EREPLAY;
      }
    }
  }
  free(seen);
  pair_clear(&d);
  CHECK_EQ(m.replayed_in, 0);
  CHECK_EQ(m.valid_out, 0);
  CHECK_EQ(m.forged_in, 0);
  CHECK_EQ(m.wrong, 0);
  return m;
}

/* 10^6 arrivals a profile, more than half of them replays. */
static void b2_replays(void) {
  static const int64_t starts[4] = {65500, 0, 32767, 65535};
  enum { SENT = 4 * 65536 + 3000 };
  int64_t arrivals = 0;
  for (int64_t round = 0; round < check_scale(); round++)
    for (int i = 0; i < 4; i++) {
      run_t m = hostile_run(profiles[i], 42 + (uint64_t)(round * 4 + i), starts[(i + round) % 4], SENT, 5, 4000);
      CHECK(m.arrivals >= 1000000 && m.taken > 200000 && m.replays > 100000);
      CHECK(m.top - starts[(i + round) % 4] >= 4 * 65536);
      arrivals += m.arrivals;
    }
  check_figure("arrivals", (double)arrivals);
}

/* RTCP indices: a gap is no matter, order none, a duplicate never. */
static void b2_rtcp_replays(void) {
  for (int i = 0; i < 4; i++) {
    enum { N = 3000 };
    static uint8_t wire[N][64];
    static int len[N], seen[N];
    uint64_t seed = 3;
    int64_t top = -1;
    pair_t d;
    pair_init(&d, profiles[i]);
    memset(seen, 0, sizeof seen);
    for (uint32_t k = 0; k < N; k++) len[k] = rtc_srtp_protect_rtcp(&d.tx, wire[k], make_rtcp(wire[k], 4, k), sizeof wire[k]);
    for (int k = 0; k < N * 3; k++) {
      uint8_t p[64], plain[64];
      size_t at = below(&seed, 1 + (size_t)k / 3);
      memcpy(p, wire[at], (size_t)len[at]);
      int r = rtc_srtp_unprotect_rtcp(&d.rx, p, (size_t)len[at]);
      int fresh = !seen[at] && (int64_t)at > top - RTC_WINDOW_SIZE;
      CHECK_EQ(r, fresh ? 32 : RTC_EREPLAY);
      if (r > 0) {
        make_rtcp(plain, 4, (uint32_t)at);
        CHECK_MEM(p, plain, 32);
        seen[at] = 1;
        if ((int64_t)at > top) top = (int64_t)at;
      }
    }
    pair_clear(&d);
  }
}

/* What was evicted to make room for others is no door for its old packets. */
static void b2_replays_after_eviction(void) {
  for (int i = 0; i < 4; i++) {
    enum { SSRCS = 2 * RTC_SRTP_SSRC_MAX };
    static uint8_t wire[SSRCS][ROOM], rtcp[SSRCS][ROOM];
    size_t n[SSRCS], rn[SSRCS];
    uint8_t p[ROOM];
    int64_t got;
    pair_t d[2];
    for (int k = 0; k < 2; k++) pair_init(&d[k], profiles[i]);
    for (uint32_t s = 0; s < SSRCS; s++) {
      rtc_srtp_t *tx = &d[s / RTC_SRTP_SSRC_MAX].tx;
      n[s] = sealed(tx, wire[s], s, 500 + s);
      CHECK(opened(&d[0].rx, wire[s], n[s], &got) >= 0);
      rn[s] = (size_t)rtc_srtp_protect_rtcp(tx, rtcp[s], make_rtcp(rtcp[s], s, s), ROOM);
      memcpy(p, rtcp[s], rn[s]);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(&d[0].rx, p, rn[s]), 32);
    }
    for (uint32_t s = 0; s < SSRCS; s++) {
      CHECK_EQ(opened(&d[0].rx, wire[s], n[s], &got), RTC_EREPLAY);
      memcpy(p, rtcp[s], rn[s]);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(&d[0].rx, p, rn[s]), RTC_EREPLAY);
    }
    for (int k = 0; k < 2; k++) pair_clear(&d[k]);
  }
}

/* Four wraps from each of 0xFFF0 .. 0xFFFF, a tenth lost, in bursts up to 5000: every packet that arrives opens under its index. */
static void b3_roll_over(void) {
  enum { SENT = 4 * 65536 + 5000 };
  int64_t taken = 0;
  for (int64_t round = 0; round < (check_scale() > 1 ? 4 : 1); round++)
    for (int i = 0; i < 16; i++) {
      run_t m = hostile_run(profiles[(i + round) % 4], 1000 + (uint64_t)(round * 16 + i), 0xfff0 + i, SENT, 1, 5700);
      CHECK(m.taken > SENT / 2 && m.taken < SENT * 95 / 100); /* a sixteenth was forged */
      CHECK(m.top >= 0xfff0 + i + SENT - 5001);
      taken += m.taken;
    }
  check_figure("packets", (double)taken);
}

/* The first packets are lost around a wrap, forged ones come first: the first true one settles the roll-over. */
static void b3_late_first_packet(void) {
  static const int64_t firsts[] = {0, 1, 32767, 32768, 65535, 65536, 65541, 98304, 131070};
  for (int i = 0; i < 4; i++)
    for (size_t k = 0; k < sizeof firsts / sizeof firsts[0]; k++) {
      pair_t d;
      uint8_t p[ROOM];
      int64_t got = -7;
      pair_init(&d, profiles[i]);
      size_t n = sealed(&d.tx, p, 77, firsts[k]);
      for (size_t bit = 0; bit < n * 8; bit += 5) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(opened(&d.rx, p, n, &got) < 0);
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
      }
      CHECK_EQ(d.rx.src_n, 0);
      for (int64_t at = firsts[k]; at < firsts[k] + 300000; at += 30000) {
        n = sealed(&d.tx, p, 77, at + 1);
        CHECK(opened(&d.rx, p, n, &got) >= 0);
        CHECK_EQ(got, at + 1);
      }
      pair_clear(&d);
    }
}

/* B4: nonces as they are on the wire. What is encrypted is zeros, so the bytes sent are the keystream, and a (key, nonce) that comes
 * twice shows the same bytes twice. */
typedef struct streams {
  uint64_t *v, n, cap, repeats;
} streams_t;

static void streams_note(streams_t *s, const uint8_t *p) {
  uint64_t x = rtc_get64(p), i = x % s->cap;
  for (; s->v[i]; i = (i + 1) % s->cap) {
    if (s->v[i] != x) continue;
    s->repeats++;
    return;
  }
  s->v[i] = x;
  s->n++;
}

static size_t zeros(uint8_t *p, uint32_t ssrc, int64_t index) {
  memset(p, 0, 12 + 16);
  p[0] = 0x80;
  rtc_put16(p + 2, (uint16_t)index);
  rtc_put32(p + 8, ssrc);
  return 12 + 16;
}

/* Every index once and then again and again: repairs under the same number, restarts below it, other SSRCs and back, single and in
 * batches. 10^6 calls a profile, of which those that would repeat a nonce are refused. */
static void b4_nonces(void) {
  int64_t calls = 250000 * check_scale(), sealed_n = 0, refused = 0;
  for (int i = 0; i < 4; i++) {
    streams_t s = {.cap = (uint64_t)calls * 4};
    s.v = calloc(s.cap, sizeof *s.v);
    if (!s.v) exit(2);
    uint64_t seed = (uint64_t)i;
    int64_t next[8] = {0};
    rtc_sealer_t sealer = {0};
    CHECK_EQ(rtc_sealer_init(&sealer, RTC_SEALER_BEST), 0);
    pair_t d;
    pair_init(&d, profiles[i]);
    for (int64_t k = 0; k < calls;) {
      uint8_t p[8][ROOM];
      rtc_srtp_job_t jobs[8];
      int n = below(&seed, 2) ? 1 : 8;
      for (int j = 0; j < n; j++, k++) {
        size_t which = below(&seed, 8);
        int64_t index = next[which];
        size_t what = below(&seed, 64);
        if (what < 16) /* a number that was used, or was left out */
          index -= index > 2000 ? 1 + (int64_t)below(&seed, 2000) : 0;
        else if (what == 16) /* far ahead, so that numbers wrap many times */
          index += (int64_t)below(&seed, 20000);
        else
          index += (int64_t)below(&seed, 2);
        if (index >= next[which]) next[which] = index + 1;
        size_t len = zeros(p[j], 100 + (uint32_t)which, index);
        jobs[j] = (rtc_srtp_job_t){.s = &d.tx, .p = p[j], .len = len, .cap = ROOM, .index = index};
      }
      if (n == 1)
        jobs[0].result = rtc_srtp_protect(&d.tx, p[0], jobs[0].len, ROOM, jobs[0].index);
      else
        rtc_srtp_protect_batch(&sealer, jobs, n);
      for (int j = 0; j < n; j++) {
        CHECK(jobs[j].result > 0 || jobs[j].result == RTC_EREPLAY);
        if (jobs[j].result > 0) streams_note(&s, p[j] + 12);
        sealed_n += jobs[j].result > 0;
        refused += jobs[j].result < 0;
      }
      uint8_t rtcp[64] = {0};
      rtc_put32(rtcp, 0x81c90007);
      rtc_put32(rtcp + 4, 100 + (uint32_t)below(&seed, 8));
      if (k % 7 == 0 && rtc_srtp_protect_rtcp(&d.tx, rtcp, 32, sizeof rtcp) > 0) streams_note(&s, rtcp + 8);
    }
    CHECK_EQ(s.repeats, 0);
    CHECK(s.n > (uint64_t)calls / 2);
    free(s.v);
    rtc_sealer_clear(&sealer);
    pair_clear(&d);
  }
  CHECK(refused > calls / 4);
  check_figure("sealed", (double)sealed_n);
  check_figure("refused", (double)refused);
}

/* A key is not used past 2^48 RTP and 2^31 RTCP packets (RFC 3711 §9.2). */
static void b4_key_limits(void) {
  const int64_t limit = INT64_C(1) << 48;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    uint8_t p[ROOM];
    pair_init(&d, profiles[i]);
    sealed(&d.tx, p, 10, limit - 1);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, make_rtp(p, 10, limit), ROOM, limit), RTC_ESTATE);
    CHECK_EQ(rtc_srtp_protect(&d.tx, p, make_rtp(p, 11, limit), ROOM, limit), RTC_ESTATE);
    CHECK(rtc_srtp_protect_rtcp(&d.tx, p, make_rtcp(p, 10, 0), ROOM) > 0);
    CHECK_EQ(d.tx.src_n, 1);
    d.tx.src[0].rtcp_index = 0x7fffffff;
    CHECK(rtc_srtp_protect_rtcp(&d.tx, p, make_rtcp(p, 10, 0), ROOM) > 0);
    for (int k = 0; k < 3; k++) CHECK_EQ(rtc_srtp_protect_rtcp(&d.tx, p, make_rtcp(p, 10, 0), ROOM), RTC_ESTATE);
    pair_clear(&d);
  }
}

/* B5: 10^6 packets with one wrong bit: none is taken, nothing changes, and the right one opens afterwards. */
static void b5_flipped_bits(void) {
  uint64_t seed = 7;
  int64_t flips = 0, accepted = 0;
  for (int i = 0; i < 4; i++) {
    pair_t d;
    snapshot_t before;
    uint8_t p[ROOM], q[ROOM], r[ROOM];
    int64_t got = 0;
    pair_init(&d, profiles[i]);
    for (int64_t index = 65500; flips < 250000 * check_scale() * (i + 1); index++) {
      size_t n = sealed(&d.tx, p, 5, index);
      int rn = rtc_srtp_protect_rtcp(&d.tx, r, make_rtcp(r, 5, (uint32_t)index), sizeof r);
      snap(&before, &d.rx);
      int taken = 0;
      for (int k = 0; k < 500; k++, flips++) {
        bool rtcp = k % 5 == 0;
        size_t len = rtcp ? (size_t)rn : n, bit = below(&seed, len * 8);
        memcpy(q, rtcp ? r : p, len);
        q[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += (rtcp ? rtc_srtp_unprotect_rtcp(&d.rx, q, len) : rtc_srtp_unprotect(&d.rx, q, len, &got)) >= 0;
      }
      CHECK_EQ(taken, 0);
      accepted += taken;
      check_unchanged(&before, &d.rx);
      size_t plain = make_rtp(q, 5, index);
      CHECK_EQ(rtc_srtp_unprotect(&d.rx, p, n, &got), plain);
      CHECK_MEM(p, q, plain);
      CHECK_EQ(got, index);
      CHECK_EQ(rtc_srtp_unprotect_rtcp(&d.rx, r, (size_t)rn), 32);
    }
    pair_clear(&d);
  }
  CHECK(flips >= 1000000);
  check_figure("flips", (double)flips);
  check_figure("accepted", (double)accepted);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(b1_short_packets);
  RUN(b2_replays);
  RUN(b2_rtcp_replays);
  RUN(b2_replays_after_eviction);
  RUN(b3_roll_over);
  RUN(b3_late_first_packet);
  RUN(b4_nonces);
  RUN(b4_key_limits);
  RUN(b5_flipped_bits);
  return CHECK_END();
}
