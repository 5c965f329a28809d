#include "proto/framebuf.h"

#include "check.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

/* Every case runs from these first numbers: they do not wrap inside, but a wire's 16 bits would. */
static const int64_t firsts[] = {0, 1, 65530, 65535, 1000000};
enum { FIRSTS = sizeof firsts / sizeof *firsts, WAIT = 100000 };

typedef struct rig {
  rtc_pool_t *pool;
  rtc_framebuf_t b;
  rtc_time_t now;
  int64_t base;
  char out[4096]; /* what came: "k" or "d", timestamp / 3000, "-LOST", "c" for one that another packet repeated */
} rig_t;

static void open_rig(rig_t *r, rtc_codec_t codec, int64_t base) {
  *r = (rig_t){.pool = rtc_pool_new(8192), .base = base};
  if (rtc_framebuf_init(&r->b, codec, codec != RTC_CODEC_OPUS, WAIT) < 0) exit(2);
}

static void close_rig(rig_t *r) {
  rtc_framebuf_clear(&r->b);
  CHECK_EQ(rtc_pool_used(r->pool), 0);
  rtc_pool_free(r->pool);
}

static void collect(rig_t *r) {
  rtc_framebuf_frame_t f;
  while (rtc_framebuf_pop(&r->b, &f, r->now)) {
    int n = rtc_framebuf_join(&r->b, &f, NULL, SIZE_MAX);
    char text[32];
    snprintf(text, sizeof text, "%s%c%" PRId64, r->out[0] ? " " : "", n < 0 ? '!' : f.key ? 'k' : 'd', f.ts / 3000);
    strcat(r->out, text);
    if (f.lost) {
      snprintf(text, sizeof text, "-%" PRIu64, f.lost);
      strcat(r->out, text);
    }
    if (f.copy) strcat(r->out, "c");
    rtc_framebuf_done(&r->b, &f);
    if (n < 0) rtc_framebuf_skip(&r->b);
  }
}

static void put(rig_t *r, int64_t n, int64_t frame, bool marker, const char *hex) {
  rtc_pkt_t *k = rtc_pkt_get(r->pool);
  if (!k) exit(2);
  k->len = (uint32_t)(12 + check_hex(k->data + 12, 64, hex));
  k->at = r->now;
  rtc_framebuf_on_packet(&r->b, k, r->base + n, frame * 3000, 12, (uint16_t)(k->len - 12), marker,
                         rtc_payload_look((rtc_codec_t)r->b.codec, k->data + 12, k->len - 12), r->now);
  rtc_pkt_put(k);
  CHECK(r->b.held <= r->b.cap);
  collect(r);
}

/* A packet of sound that repeats those of the `repeats` frames before its own, every `apart`-th. */
static void put_doubled(rig_t *r, int64_t n, int64_t frame, int repeats, int apart) {
  rtc_pkt_t *k = rtc_pkt_get(r->pool);
  if (!k) exit(2);
  k->len = 32;
  rtc_framebuf_on_packet(&r->b, k, r->base + n, frame * 3000, 12, 20, false, (rtc_payload_info_t){true, true}, r->now);
  for (int i = 1; i <= repeats; i++) rtc_framebuf_on_copy(&r->b, k, r->base + n, frame * 3000, (frame - i * apart) * 3000, 12, 20);
  rtc_pkt_put(k);
  CHECK(r->b.held <= r->b.cap);
  collect(r);
}

static void pass(rig_t *r, rtc_time_t us) {
  r->now += us;
  collect(r);
}

/* Each word is a packet: number, then "k" (key frame's start), "s" (another frame's), "c" (goes on), "p" (padding), with "." when it is
 * marked as the frame's last; frame number behind "@". "+" lets WAIT pass. "r" and "R" are one of sound that repeats one or two before it,
 * "f" one that repeats the last but one. */
static void play(rig_t *r, const char *script) {
  for (const char *s = script; *s;) {
    if (*s == ' ') {
      s++;
      continue;
    }
    if (*s == '+') {
      pass(r, WAIT);
      s++;
      continue;
    }
    char *end;
    long n = strtol(s, &end, 10);
    char kind = *end++;
    bool marker = *end == '.';
    if (marker) end++;
    long frame = strtol(end + 1, &end, 10);
    s = end;
    if (kind == 'r' || kind == 'R' || kind == 'f') {
      put_doubled(r, n, frame, kind == 'R' ? 2 : 1, kind == 'f' ? 2 : 1);
      continue;
    }
    put(r, n, frame, marker, kind == 'k' ? "10 00 aa" : kind == 's' ? "10 01 aa" : kind == 'c' ? "00 bb" : "");
  }
}

typedef struct row {
  const char *name, *script, *want;
  bool asks;
} row_t;

static void play_all(rtc_codec_t codec, const row_t *t, size_t n) {
  for (size_t f = 0; f < FIRSTS; f++)
    for (size_t i = 0; i < n; i++) {
      rig_t r;
      open_rig(&r, codec, firsts[f]);
      play(&r, t[i].script);
      if (strcmp(r.out, t[i].want) != 0) fprintf(stderr, "%s from %" PRId64 ": %s\n", t[i].name, firsts[f], r.out);
      CHECK(strcmp(r.out, t[i].want) == 0);
      if (r.b.want_key != t[i].asks) fprintf(stderr, "%s from %" PRId64 ": asks\n", t[i].name, firsts[f]);
      CHECK_EQ(r.b.want_key, t[i].asks);
      close_rig(&r);
    }
}

static void video(void) {
  static const row_t t[] = {
      {"in order", "0k@0 1c.@0 2s.@1 3s@2 4c@2 5c.@2", "k0 d1 d2", false},
      {"no marks: the next frame tells", "0k@0 1c@0 2s@1 3s@2", "k0 d1", false},
      {"reordered inside a frame", "1c.@0 0k@0 2s.@1", "k0 d1", true},
      {"frames in turn", "0k.@0 3s.@3 2s.@2 1s.@1", "k0 d1 d2 d3", false},
      {"twice", "0k.@0 0k.@0 1s.@1 1s.@1 0k.@0", "k0 d1", false},
      {"a repair in time", "0k.@0 2s.@2 1s.@1", "k0 d1 d2", false},
      {"no repair", "0k.@0 2s.@2 + 3s.@3", "k0", true},
      {"and one too late", "0k.@0 2s.@2 + 1s.@1 3s.@3 4k.@4", "k0 k4-3", true},
      {"a key frame is not kept waiting", "0k.@0 2s.@2 3k@3 4c.@3", "k0 k3-2", false},
      {"but until it is whole an older frame may come", "0k.@0 2k@2 1s.@1 3c.@2", "k0 d1 k2", false},
      {"a key frame that lacks something", "0k.@0 1k@1 3s.@2 +", "k0", true},
      {"the newest key frame counts", "0k.@0 2k@2 4k.@4 5s.@5 3c.@2", "k0 k4-3 d5", false},
      {"no key frame yet", "0s.@0 1s.@1 2k.@2 3s.@3", "k2 d3", true},
      {"joins in the middle", "0c@0 1c.@0 2k.@1", "k1", true},
      {"padding between frames", "0k.@0 1p@0 2p@0 3s.@1 4p@1 5s.@2", "k0 d1 d2", false},
      {"padding in a frame", "0k@0 1p@0 2c.@0", "k0", false},
      {"padding that is lost", "0k.@0 2s.@1 +", "k0", true},
      {"a frame without a start", "0k.@0 1c.@1 2s.@2 3k.@3", "k0 !1 k3-1", true},
  };
  play_all(RTC_CODEC_VP8, t, sizeof t / sizeof *t);
}

static void audio(void) {
  static const row_t t[] = {
      {"in order", "0s@0 1s@1 2s@2", "k0 k1 k2", false},
      {"reordered", "0s@0 2s@2 1s@1 3s@3", "k0 k1 k2 k3", false},
      {"a gap is told", "0s@0 3s@3 4s@4 +", "k0 k3-2 k4", false},
      {"two gaps", "0s@0 2s@2 4s@4 + +", "k0 k2-1 k4-1", false},
      {"too late", "0s@0 2s@2 + 1s@1 3s@3", "k0 k2-1 k3", false},
      {"nothing sent in a packet", "0s@0 1p@1 2s@2", "k0 k2", false},
      {"nothing sent behind a gap", "0s@0 2p@2 3p@3 4s@4 + 5p@5 6s@6", "k0 k4-1 k6", false},
      {"far ahead", "0s@0 200s@200 201s@201", "k0 k200-199 k201", false},
  };
  play_all(RTC_CODEC_OPUS, t, sizeof t / sizeof *t);
}

/* What later packets repeat stands in for those that are missing, in their places, and for none that is there. */
static void doubled(void) {
  static const row_t t[] = {
      {"all is there", "0R@0 1R@1 2R@2", "k0 k1 k2", false},
      {"one is lost", "0r@0 2r@2 3r@3", "k0 k1c k2 k3", false},
      {"two are lost, and one is repeated", "0r@0 3r@3 + 4r@4", "k0 k2-1c k3 k4", false},
      {"two are lost", "0R@0 3R@3 4R@4", "k0 k1c k2c k3 k4", false},
      {"each other one", "0r@0 2r@2 4r@4 6r@6", "k0 k1c k2 k3c k4 k5c k6", false},
      {"three are lost", "0R@0 4R@4 +", "k0 k2-1c k3c k4", false},
      {"overtaken", "0r@0 2r@2 1r@1 3r@3", "k0 k1c k2 k3", false},
      {"while it waits, the true one takes its place", "0r@0 3r@3 2r@2 1r@1", "k0 k1c k2 k3", false},
      {"behind silence", "0r@0 2r@100 3r@101", "k0 k99c k100 k101", false},
      {"in silence", "0r@0 1r@100 2r@101", "k0 k100 k101", false},
      {"the one before the last", "0f@0 1f@1 3f@3 4f@4 5f@5", "k0 k1 k2c k3 k4 k5", false},
      {"the same, two in a row", "0f@0 1f@1 4f@4 5f@5", "k0 k1 k2c k3c k4 k5", false},
      {"the first ones", "1R@1 2R@2", "k1 k2", false},
      {"too late", "0s@0 2s@2 + 3R@3", "k0 k2-1 k3", false},
      {"mixed with others", "0s@0 2r@2 3s@3 5s@5 6R@6", "k0 k1c k2 k3 k4c k5 k6", false},
      {"a packet without sound between", "0s@0 1p@1 3r@3 4r@4", "k0 k2c k3 k4", false},
      {"padding before it", "0s@0 1p@0 2p@0 4r@2 5r@3", "k0 k1c k2 k3", false},
      {"padding behind it", "0s@0 2p@1 3p@1 4r@2 5r@3", "k0 k1c k2 k3", false},
      {"padding around it", "0s@0 1p@0 3p@1 4p@1 5r@2", "k0 k1c k2", false},
      {"padding that is lost", "0s@0 2r@1 3r@2 +", "k0 k1-1 k2", false},
  };
  play_all(RTC_CODEC_OPUS, t, sizeof t / sizeof *t);
  rig_t r;
  open_rig(&r, RTC_CODEC_VP8, 0);
  play(&r, "0k.@0 2r@2"); /* a picture is not repeated */
  CHECK(strcmp(r.out, "k0") == 0 && r.b.held == 1);
  close_rig(&r);
}

/* Parameter sets go before the slice in packets of their own: the frame begins with them. */
static void h264(void) {
  for (size_t f = 0; f < FIRSTS; f++) {
    rig_t r;
    open_rig(&r, RTC_CODEC_H264, firsts[f]);
    put(&r, 0, 0, true, "41 9a");
    put(&r, 1, 1, false, "67 42");
    put(&r, 2, 1, false, "68 ce");
    put(&r, 3, 1, true, "65 88");
    put(&r, 4, 2, true, "41 9a");
    put(&r, 6, 3, false, "68 ce"); /* the SPS comes after what follows it */
    put(&r, 7, 3, true, "65 88");
    put(&r, 5, 3, false, "67 42");
    put(&r, 8, 4, false, "7c 81 9a"); /* a unit that does not end with its picture */
    put(&r, 9, 4, true, "7c 01 00");
    put(&r, 10, 5, true, "41 9a");
    put(&r, 11, 6, true, "65 88");
    CHECK(strcmp(r.out, "k1 d2 k3 !4 k6-1") == 0);
    r.out[0] = 0;
    put(&r, 13, 7, false, "68 ce"); /* and here it does not come */
    put(&r, 14, 7, true, "65 88");
    put(&r, 15, 8, true, "41 9a");
    CHECK(strcmp(r.out, "") == 0);
    pass(&r, WAIT);
    CHECK(strcmp(r.out, "k7-2 d8") == 0);
    close_rig(&r);
  }
}

static void deadlines(void) {
  rig_t r;
  open_rig(&r, RTC_CODEC_VP8, 0);
  CHECK_EQ(rtc_framebuf_next_at(&r.b), RTC_NEVER);
  play(&r, "0k.@0 1s@1");
  CHECK_EQ(rtc_framebuf_next_at(&r.b), RTC_NEVER); /* nothing is known to be missing */
  pass(&r, 10);
  play(&r, "3s.@2");
  CHECK_EQ(rtc_framebuf_next_at(&r.b), 10 + WAIT);
  pass(&r, WAIT - 1);
  CHECK(!r.b.waiting);
  pass(&r, 1);
  CHECK(r.b.waiting && r.b.want_key);
  CHECK_EQ(rtc_framebuf_next_at(&r.b), RTC_NEVER);
  CHECK_EQ(r.b.given_up, 1);
  close_rig(&r);
}

/* A frame without end, and one of as many packets as may be. */
static void caps(void) {
  rig_t r;
  open_rig(&r, RTC_CODEC_VP8, 5);
  for (int64_t i = 0; i < 100000; i++) put(&r, i, 0, false, i ? "00 bb" : "10 00");
  CHECK(strcmp(r.out, "") == 0);
  CHECK(r.b.waiting && r.b.want_key && r.b.held <= RTC_FRAMEBUF_LOOK_BACK + 1);
  CHECK_EQ(r.b.given_up, 1);
  for (int64_t i = 0; i < RTC_FRAMEBUF_VIDEO_CAP; i++) put(&r, 100000 + i, 1, i == RTC_FRAMEBUF_VIDEO_CAP - 1, i ? "00 bb" : "10 00");
  CHECK(strcmp(r.out, "k1") == 0);
  r.out[0] = 0;
  play(&r, "102048s.@2 102050s.@4"); /* and while one waits for repair, more comes than can be held */
  for (int64_t i = 0; i < 3000; i++) put(&r, 102051 + i, 5 + i, true, "10 01");
  play(&r, "105060k.@5000 105061s.@5001");
  CHECK(strcmp(r.out, "d2 k5000-3011 d5001") == 0);
  close_rig(&r);
}

/* Numbers and times that jump anywhere: nothing grows, nothing is read that is not there, no packet is kept. */
static void jumps(void) {
  static const rtc_codec_t codecs[] = {RTC_CODEC_OPUS, RTC_CODEC_VP8, RTC_CODEC_H264, RTC_CODEC_VP9, RTC_CODEC_AV1, RTC_CODEC_H265};
  for (size_t c = 0; c < 6; c++) {
    rig_t r;
    open_rig(&r, codecs[c], 0);
    int64_t n = 0, ts = 0;
    for (int64_t i = 0; i < 200000 * check_scale(); i++) {
      uint32_t what = below(100);
      n += what < 80 ? 1 : what < 90 ? (int64_t)below(20) - 10 : what < 95 ? (int64_t)below(5000) - 2500 : 0;
      if (what == 99) n = (int64_t)below(0xffffff) << below(30);
      ts += what % 3 ? 0 : (int64_t)below(9000) - 1000;
      rtc_pkt_t *k = rtc_pkt_get(r.pool);
      if (!k) exit(2);
      size_t len = below(6);
      for (size_t b = 0; b < len; b++) k->data[b] = (uint8_t)below(256);
      rtc_framebuf_on_packet(&r.b, k, n, ts, 0, (uint16_t)len, below(4) == 0, rtc_payload_look(codecs[c], k->data, len), r.now);
      if (c == 0 && below(2)) rtc_framebuf_on_copy(&r.b, k, n, ts, ts + 2000 - (int64_t)below(20000), 0, (uint16_t)below(6));
      rtc_pkt_put(k);
      CHECK(r.b.held <= r.b.cap && rtc_pool_used(r.pool) <= r.b.held && (c == 0 || rtc_pool_used(r.pool) == r.b.held));
      r.out[0] = 0;
      pass(&r, below(2000));
    }
    close_rig(&r);
  }
}

/* Losses that are repaired before the wait is over leave nothing out. */
static void repaired(void) {
  rig_t r;
  open_rig(&r, RTC_CODEC_VP8, 65000);
  int64_t late[64];
  int late_n = 0;
  for (int64_t i = 0; i < 3000; i++) {
    r.out[0] = i % 3 ? r.out[0] : 0;
    bool lose = i && below(10) == 0 && late_n < 64;
    if (lose)
      late[late_n++] = i;
    else
      put(&r, i, i / 3, i % 3 == 2, i == 0 ? "10 00" : i % 3 ? "00 bb" : "10 01");
    if (late_n && below(4) == 0) {
      int64_t l = late[--late_n];
      put(&r, l, l / 3, l % 3 == 2, l % 3 ? "00 bb" : "10 01");
    }
    r.now += 1000;
    while (late_n && late[0] < i - 50) {
      put(&r, late[0], late[0] / 3, late[0] % 3 == 2, late[0] % 3 ? "00 bb" : "10 01");
      memmove(late, late + 1, (size_t)--late_n * sizeof *late);
    }
    r.out[0] = 0;
  }
  while (late_n) {
    int64_t l = late[--late_n];
    put(&r, l, l / 3, l % 3 == 2, l % 3 ? "00 bb" : "10 01");
  }
  CHECK_EQ(r.b.given_up, 0);
  CHECK(!r.b.want_key);
  CHECK_EQ(r.b.last, 65000 + 3000);
  close_rig(&r);
}

int main(void) {
  RUN(video);
  RUN(audio);
  RUN(doubled);
  RUN(h264);
  RUN(deadlines);
  RUN(caps);
  RUN(jumps);
  RUN(repaired);
  return CHECK_END();
}
