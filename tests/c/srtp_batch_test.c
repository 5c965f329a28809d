/* proto/srtp: a batch is as its single calls in order, with failures among them and numbers that wrap inside it. */
#include "srtp_pair.h"

enum { JOBS = 96, SSRC = 0x5eed };

static rtc_sealer_t *sealer; /* of the round: none, then the best there is */

typedef struct slots {
  uint8_t byte[JOBS][ROOM];
  size_t len[JOBS];
} slots_t;

/* Every ninth is no RTP, every eleventh repeats the number before it; two SSRCs take turns. */
static void fill(slots_t *s, int64_t first) {
  for (int i = 0; i < JOBS; i++) {
    int64_t index = first + (i % 11 == 10 ? i - 2 : i) / 2;
    s->len[i] = make_rtp(s->byte[i], SSRC + (uint32_t)(i & 1), index);
    if (i % 9 == 8) s->byte[i][0] = 0x40;
  }
}

static void as_single(rtc_srtp_profile_t p, int64_t first, int64_t warm) {
  static slots_t one, all, wire;
  rtc_srtp_job_t jobs[JOBS];
  pair_t a, b;
  int done = 0, sealed_n = 0, opened_n = 0;
  pair_init(&a, p);
  pair_init(&b, p);
  for (uint32_t k = 0; k < 2 && warm >= 0; k++) { /* so that the roll-over of `first` is known */
    uint8_t copy[ROOM];
    CHECK(sealed(&a.tx, copy, SSRC + k, warm) > 0);
    CHECK(sealed(&b.tx, copy, SSRC + k, warm) > 0);
  }
  fill(&one, first);
  fill(&all, first);
  for (int i = 0; i < JOBS; i++) jobs[i] = (rtc_srtp_job_t){&b.tx, all.byte[i], all.len[i], ROOM, RTC_SRTP_ESTIMATE, 1};
  done = rtc_srtp_protect_batch(sealer, jobs, JOBS);
  for (int i = 0; i < JOBS; i++) {
    int64_t index = rtc_srtp_estimate(&a.tx, one.byte[i], one.len[i]);
    int n = index < 0 ? (int)index : rtc_srtp_protect(&a.tx, one.byte[i], one.len[i], ROOM, index);
    CHECK_EQ(jobs[i].result, n);
    if (i % 9 == 8) CHECK_EQ(n, RTC_EPROTO);
    sealed_n += n >= 0;
    if (n < 0) continue;
    CHECK_EQ(jobs[i].index, index);
    CHECK_MEM(one.byte[i], all.byte[i], (size_t)n);
  }
  CHECK_EQ(done, sealed_n);
  CHECK(sealed_n > JOBS / 2 && sealed_n < JOBS);

  wire = all;
  for (int i = 0; i < JOBS; i++) {
    size_t n = jobs[i].result < 0 ? 0 : (size_t)jobs[i].result;
    if (i % 7 == 6 && n) {
      all.byte[i][n - 1] ^= 1;
      wire.byte[i][n - 1] ^= 1;
    }
    jobs[i] = (rtc_srtp_job_t){&b.rx, all.byte[i], n, 0, 0, 1};
    wire.len[i] = n;
  }
  done = rtc_srtp_unprotect_batch(jobs, JOBS);
  for (int i = 0; i < JOBS; i++) {
    int64_t index = 0;
    int n = rtc_srtp_unprotect(&a.rx, wire.byte[i], wire.len[i], &index);
    CHECK_EQ(jobs[i].result, n);
    opened_n += n >= 0;
    if (n < 0) continue;
    CHECK_EQ(jobs[i].index, index);
    CHECK_MEM(wire.byte[i], all.byte[i], (size_t)n);
  }
  CHECK_EQ(done, opened_n);
  if (first >> 16 > 1)
    CHECK_EQ(opened_n, 0); /* a receiver that has heard nothing tries roll-over 0 and 1 */
  else
    CHECK(opened_n > 0 && opened_n < sealed_n);
  pair_clear(&a);
  pair_clear(&b);
}

static void as_single_calls(void) {
  for (size_t i = 0; i < 4; i++) {
    as_single(profiles[i], 1, -1);
    as_single(profiles[i], 65535 - 20, -1);
    as_single(profiles[i], 0x20000 - 20, 0x20000 - 30);
    as_single(profiles[i], INT32_MAX - 20, INT32_MAX - 30);
  }
}

static void of_many_sessions(void) {
  static slots_t s;
  static pair_t pairs[JOBS];
  rtc_srtp_job_t jobs[JOBS];
  for (int i = 0; i < JOBS; i++) {
    pair_init(&pairs[i], profiles[i % 4]);
    s.len[i] = make_rtp(s.byte[i], SSRC, 7);
    jobs[i] = (rtc_srtp_job_t){&pairs[i].tx, s.byte[i], s.len[i], ROOM, 7, 0};
  }
  CHECK_EQ(rtc_srtp_protect_batch(sealer, jobs, JOBS), JOBS);
  for (int i = 0; i < JOBS; i++) jobs[i] = (rtc_srtp_job_t){&pairs[i].rx, s.byte[i], (size_t)jobs[i].result, 0, 0, 0};
  CHECK_EQ(rtc_srtp_unprotect_batch(jobs, JOBS), JOBS);
  for (int i = 0; i < JOBS; i++) {
    uint8_t want[ROOM];
    CHECK_EQ(jobs[i].result, make_rtp(want, SSRC, 7));
    CHECK_MEM(s.byte[i], want, s.len[i]);
    pair_clear(&pairs[i]);
  }
}

static void refused(void) {
  uint8_t p[ROOM];
  pair_t d;
  pair_init(&d, RTC_SRTP_AEAD_AES_128_GCM);
  size_t n = make_rtp(p, SSRC, 5);
  const struct {
    rtc_srtp_t *s;
    size_t cap;
    int64_t index;
    int want;
  } t[] = {
      {&d.tx, n + RTC_SRTP_OVERHEAD - 1, 5, RTC_ENOBUFS},
      {&d.tx, ROOM, 6, RTC_EINVAL},
      {&d.tx, ROOM, -2, RTC_EINVAL},
      {&d.rx, ROOM, 5, RTC_ESTATE},
  };
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    rtc_srtp_job_t job = {t[i].s, p, n, t[i].cap, t[i].index, 1};
    CHECK_EQ(rtc_srtp_protect_batch(sealer, &job, 1), 0);
    CHECK_EQ(job.result, t[i].want);
  }
  rtc_srtp_job_t job = {&d.tx, p, n, 0, 0, 1};
  CHECK_EQ(rtc_srtp_unprotect_batch(&job, 1), 0);
  CHECK_EQ(job.result, RTC_ESTATE);
  CHECK_EQ(rtc_srtp_protect_batch(sealer, NULL, 0), 0);
  CHECK_EQ(rtc_srtp_unprotect_batch(NULL, 0), 0);
  pair_clear(&d);
}

int main(void) {
  rtc_sealer_t best;
  CHECK_EQ(rtc_sealer_init(&best, RTC_SEALER_BEST), RTC_OK);
  for (int round = 0; round < 2; round++) {
    RUN(as_single_calls);
    RUN(of_many_sessions);
    RUN(refused);
    sealer = &best;
  }
  rtc_sealer_clear(&best);
  return CHECK_END();
}
