#include "codec/aom.h"

#include "check.h"
#include "drawn.h"

/* What is the same with and without libaom. */
static const rtc_video_cfg_t usual = {
    .width = 640, .height = 360, .bitrate_bps = 2000000, .fps = 30, .threads = 1, .layers = 1, .min_q = 10, .max_q = 63};

#if RTC_HAVE_AOM

#include <aom/aom_decoder.h>
#include <aom/aomdx.h>

enum { W = DRAWN_W, H = DRAWN_H };

typedef struct run {
  rtc_aom_t *e;
  aom_codec_ctx_t decoder;
  uint8_t *picture;
  uint32_t w, h;
  int n; /* pictures given */
  rtc_video_packet_t got;
} run_t;

static void begin(run_t *r, const rtc_video_cfg_t *cfg) {
  int err = 1;
  *r = (run_t){.e = rtc_aom_new(cfg, &err), .picture = malloc(1280 * 722 * 3 / 2), .w = cfg->width, .h = cfg->height};
  CHECK_EQ(err, 0);
  CHECK_EQ(aom_codec_dec_init(&r->decoder, aom_codec_av1_dx(), NULL, 0), 0);
  drawn_begin();
}

static void end(run_t *r) {
  rtc_aom_free(r->e);
  aom_codec_destroy(&r->decoder);
  free(r->picture);
}

/* Types of the OBUs in the packet, each of which has to have its size (AV1 §5.3): a bit for each; 0 when they do not add up. */
static unsigned obus(const rtc_video_packet_t *p) {
  unsigned types = 0;
  for (size_t at = 0; at < p->len;) {
    uint8_t head = p->data[at++];
    types |= 1u << (head >> 3 & 15);
    if (!(head & 2) || head & 0x81) return 0;
    at += head >> 2 & 1;
    size_t size = 0;
    for (unsigned shift = 0; at < p->len; shift += 7) {
      uint8_t byte = p->data[at++];
      size |= (size_t)(byte & 127) << shift;
      if (!(byte & 128)) break;
    }
    if (size > p->len - at) return 0;
    at += size;
  }
  return types;
}

/* Bytes of the next picture's packet, 0 when it was left out. */
static size_t encode(run_t *r, bool key) {
  drawn_picture(r->picture, r->w, r->h, r->n);
  const uint8_t *p = r->picture;
  uint32_t w = r->w, h = r->h;
  rtc_video_picture_t picture = {{p, p + w * h, p + w * h * 5 / 4}, {(int)w, (int)w / 2, (int)w / 2}};
  int got = rtc_aom_encode(r->e, &picture, r->n++ * 7, key, &r->got);
  CHECK(got == 0 || got == 1);
  if (got != 1) return 0;
  CHECK_EQ(r->got.pts, (r->n - 1) * 7);
  enum { SEQUENCE = 1 << 1, DELIMITER = 1 << 2, FRAME = 1 << 6 };
  unsigned types = obus(&r->got);
  CHECK((types & FRAME) && !(types & DELIMITER));
  CHECK_EQ((types & SEQUENCE) != 0, r->got.key);
  return r->got.len;
}

/* The picture of a packet as a sum of its luma, checked against the one that was given; 0 and a failed check without one. */
static uint64_t decode(run_t *r, aom_codec_ctx_t *decoder, double *noise) {
  CHECK_EQ(aom_codec_decode(decoder, r->got.data, r->got.len, NULL), 0);
  aom_codec_iter_t iter = NULL;
  aom_image_t *i = aom_codec_get_frame(decoder, &iter);
  CHECK(i && i->d_w == r->w && i->d_h == r->h);
  if (!i || i->d_w != r->w || i->d_h != r->h) return 0;
  uint64_t sum = 1;
  double error = 0;
  for (uint32_t y = 0; y < r->h; y++) {
    const uint8_t *row = i->planes[0] + (size_t)y * (size_t)i->stride[0];
    for (uint32_t x = 0; x < r->w; x++) {
      int d = row[x] - r->picture[y * r->w + x];
      error += d * d;
      sum = sum * 31 + row[x];
    }
  }
  if (noise) *noise = error / (r->w * r->h);
  return sum;
}

static double kbps(size_t bytes, int frames, double fps) { return (double)bytes * 8 / 1000 * fps / frames; }

/* Down and up again: what goes out follows within a second, and no key frame. */
static void test_rate(void) {
  static const struct {
    uint32_t bps;
    int seconds;
    double least, most; /* of it, in the second second */
  } steps[] = {{2000000, 3, 0.75, 1.2}, {300000, 3, 0.75, 1.2}, {1000000, 3, 0.75, 1.2}, {100000, 4, 0.3, 1.5}, {2500000, 4, 0.4, 1.2}};
  for (uint8_t layers = 1; layers <= 3; layers += 2) {
    run_t r;
    rtc_video_cfg_t cfg = usual;
    cfg.drop = true;
    cfg.layers = layers;
    begin(&r, &cfg);
    int keys = 0;
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
      CHECK_EQ(rtc_aom_set_rate(r.e, steps[s].bps, 30), 0);
      for (int second = 0; second < steps[s].seconds; second++) {
        size_t bytes = 0;
        int frames = 0;
        for (int i = 0; i < 30; i++) {
          size_t n = encode(&r, false);
          bytes += n;
          frames += n > 0;
          keys += n > 0 && r.got.key;
        }
        double want = steps[s].bps / 1000.0, got = kbps(bytes, 30, 30);
        if (second == 0) continue;
        double least = second == 1 ? steps[s].least : 0.75, most = second == 1 ? steps[s].most : 1.2;
        if (layers > 1) most = s == 0 ? 1.6 : most + 0.15; /* each layer finds its own way: three seconds at first */
        if (got > most * want || got < least * want)
          fprintf(stderr, "%d layers, step %zu, second %d: %.0f kb/s in %d frames\n", layers, s, second, got, frames);
        CHECK(got < most * want && got > least * want);
        if (s != 3) CHECK(frames >= 29); /* coarser ones do */
      }
    }
    CHECK_EQ(keys, 1);
    end(&r);
  }
}

/* The rate in bits per second stays what it is with a third of the frames, and with all again. */
static void test_frame_rate(void) {
  static const double steps[] = {30, 10, 30, 60, 5};
  run_t r;
  rtc_video_cfg_t cfg = usual;
  cfg.bitrate_bps = 600000;
  begin(&r, &cfg);
  int keys = 0;
  for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
    CHECK_EQ(rtc_aom_set_rate(r.e, 600000, steps[s]), 0);
    size_t bytes = 0;
    int from = (int)steps[s], frames = 4 * from;
    for (int i = 0; i < frames; i++) {
      size_t n = encode(&r, false);
      if (i >= from) bytes += n;
      keys += r.got.key;
    }
    double got = kbps(bytes, frames - from, steps[s]);
    if (got < 480 || got > 720) fprintf(stderr, "%g frames a second: %.0f kb/s\n", steps[s], got);
    CHECK(got > 480 && got < 720);
  }
  CHECK_EQ(keys, 1);
  end(&r);
}

static void test_keys(void) {
  for (uint8_t layers = 1; layers <= 3; layers++) {
    run_t r;
    rtc_video_cfg_t cfg = usual;
    cfg.layers = layers;
    begin(&r, &cfg);
    for (int n = 0; n < 60; n++) {
      bool asked = n == 17 || n == 18 || n == 40;
      CHECK(encode(&r, asked) > 0);
      CHECK_EQ(r.got.key, n == 0 || asked);
      if (r.got.key) CHECK(r.got.layer.tid == 0 && r.got.layer.refs == 0);
      double noise = 0;
      CHECK(decode(&r, &r.decoder, &noise) != 0 && noise < 400); /* 22 dB: what is shown is what was drawn */
    }
    end(&r);
  }
}

/* Each size in turn begins with a key frame, and no decoder minds. */
static void test_size(void) {
  static const struct {
    uint32_t w, h;
  } steps[] = {{640, 360}, {320, 180}, {480, 270}, {160, 90}, {64, 64}, {16, 16}, {8, 2}, {642, 362}, {360, 640}, {1280, 720}, {1280, 722}};
  for (uint8_t layers = 1; layers <= 3; layers++) {
    run_t r;
    rtc_video_cfg_t cfg = usual;
    cfg.layers = layers;
    begin(&r, &cfg);
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
      CHECK_EQ(rtc_aom_set_size(r.e, steps[s].w, steps[s].h), 1);
      r.w = steps[s].w;
      r.h = steps[s].h;
      for (int i = 0; i < 5; i++) {
        CHECK(encode(&r, false) > 0);
        CHECK_EQ(r.got.key, i == 0);
        CHECK_EQ(r.got.layer.refs == 0, i == 0);
        double noise = 0;
        CHECK(decode(&r, &r.decoder, &noise) != 0);
        if (r.w > 8) CHECK(noise < 400);
        CHECK_EQ(rtc_aom_set_size(r.e, r.w, r.h), 0); /* which it has */
      }
    }
    end(&r);
  }
}

/* Without the upper layers a half or a quarter of the frames is left, the same pictures as with them. */
static void test_layers(void) {
  static const uint8_t order[3][4] = {{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2}};
  for (uint8_t layers = 2; layers <= 3; layers++) {
    run_t r;
    rtc_video_cfg_t cfg = usual;
    cfg.layers = layers;
    cfg.bitrate_bps = 1000000;
    begin(&r, &cfg);
    aom_codec_ctx_t lower[2];
    for (int i = 0; i < 2; i++) CHECK_EQ(aom_codec_dec_init(&lower[i], aom_codec_av1_dx(), NULL, 0), 0);
    size_t bytes[3] = {0};
    int frames[3] = {0};
    for (int n = 0; n < 240; n++) {
      size_t len = encode(&r, false);
      CHECK(len > 0);
      CHECK_EQ(r.got.layer.tid, order[layers - 1][n % 4]);
      CHECK_EQ(r.got.layer.droppable, r.got.layer.tid == layers - 1);
      uint64_t whole = decode(&r, &r.decoder, NULL);
      for (int top = 0; top < layers - 1; top++)
        if (r.got.layer.tid <= top) CHECK_EQ(decode(&r, &lower[top], NULL), whole);
      for (int top = r.got.layer.tid; n >= 120 && top < layers; top++) {
        bytes[top] += len;
        frames[top]++;
      }
    }
    CHECK_EQ(frames[0] << (layers - 1), 120);
    CHECK_EQ(frames[layers - 2] * 2, 120);
    for (int top = 0; top < layers; top++) {
      char name[64];
      snprintf(name, sizeof name, "AV1 L1T%d up to layer %d, kb/s", layers, top);
      check_figure(name, kbps(bytes[top], 120, 30));
    }
    CHECK(bytes[0] < bytes[layers - 1] * (layers == 2 ? 75 : 60) / 100);
    for (int i = 0; i < 2; i++) aom_codec_destroy(&lower[i]);
    end(&r);
  }
}

/* All that can be set, one after the other: nothing fails, and what comes is decoded. */
static void test_settings(void) {
  for (int bit = 0; bit < 6; bit++) {
    run_t r;
    rtc_video_cfg_t cfg = usual;
    cfg.screen = bit == 0;
    cfg.resilient = bit == 1;
    cfg.drop = bit == 2;
    cfg.denoise = bit == 3;
    if (bit == 4) cfg.threads = 4;
    if (bit == 5) cfg.cpu_used = 5;
    cfg.width = bit == 4 ? 1280 : 318;
    cfg.height = bit == 4 ? 720 : 178;
    begin(&r, &cfg);
    int keyed = 6; /* for what a picture shows is another kind */
    for (int n = 0; n < 12; n++) {
      if (n == 6) CHECK_EQ(rtc_aom_set_screen(r.e, bit != 0), 0);
      if (encode(&r, false) == 0) {
        if (n == keyed) keyed++;
        continue;
      }
      CHECK_EQ(r.got.key, n == 0 || n == keyed);
      double noise = 0;
      CHECK(decode(&r, &r.decoder, &noise) != 0 && noise < 400);
    }
    end(&r);
  }
}

/* Rates too low for any picture leave pictures out; rows with more than the picture are skipped. */
static void test_rows_and_drops(void) {
  run_t r;
  rtc_video_cfg_t cfg = usual;
  cfg.drop = true;
  cfg.bitrate_bps = 5000;
  begin(&r, &cfg);
  int left_out = 0;
  for (int n = 0; n < 90; n++) left_out += encode(&r, false) == 0;
  CHECK(left_out > 30 && left_out < 90);
  end(&r);

  uint32_t sum[2] = {0};
  for (int wide = 0; wide < 2; wide++) {
    enum { w = 33, h = 17, cw = 17, ch = 9 };
    int row = w + wide * 31, half = cw + wide * 5;
    uint8_t *y = malloc((size_t)row * h), *u = malloc((size_t)half * ch), *v = malloc((size_t)half * ch);
    memset(y, 200, (size_t)row * h);
    memset(u, 77, (size_t)half * ch);
    memset(v, 77, (size_t)half * ch);
    for (int i = 0; i < h; i++) memset(y + i * row, 20 + i, w);
    for (int i = 0; i < ch; i++) memset(u + i * half, 90, cw), memset(v + i * half, 140, cw);
    int err;
    rtc_video_cfg_t small = usual;
    small.width = w;
    small.height = h;
    rtc_aom_t *e = rtc_aom_new(&small, &err);
    rtc_video_packet_t out;
    rtc_video_picture_t picture = {{y, u, v}, {row, half, half}};
    CHECK_EQ(rtc_aom_encode(e, &picture, -5, false, &out), 1);
    CHECK_EQ(out.pts, -5);
    for (size_t i = 0; i < out.len; i++) sum[wide] = sum[wide] * 31 + out.data[i];
    for (int i = 0; i < 3; i++) {
      rtc_video_picture_t narrow = picture;
      narrow.stride[i] = i ? cw - 1 : w - 1;
      CHECK_EQ(rtc_aom_encode(e, &narrow, 0, false, &out), RTC_EINVAL);
    }
    CHECK_EQ(rtc_aom_encode(e, &picture, 1, false, &out), 1); /* a wrong call has no effect */
    CHECK(!out.key);
    rtc_aom_free(e);
    free(y);
    free(u);
    free(v);
  }
  CHECK_EQ(sum[0], sum[1]);
}

static void test_wrong(void) {
  enum { WRONG = 8 };
  rtc_video_cfg_t wrong[WRONG];
  for (int i = 0; i < WRONG; i++) wrong[i] = usual;
  wrong[0].width = 0;
  wrong[1].height = 16384;
  wrong[2].bitrate_bps = 999;
  wrong[3].fps = 1001;
  wrong[4].threads = 0;
  wrong[5].layers = 4;
  wrong[6].min_q = 64;
  wrong[7].cpu_used = 4;
  for (int i = 0; i < WRONG; i++) {
    int err = 1;
    CHECK(rtc_aom_new(&wrong[i], &err) == NULL);
    CHECK_EQ(err, RTC_EINVAL);
  }
  int err;
  rtc_aom_t *e = rtc_aom_new(&usual, &err);
  CHECK_EQ(rtc_aom_set_rate(e, 0, 30), RTC_EINVAL);
  CHECK_EQ(rtc_aom_set_rate(e, 100000, -1), RTC_EINVAL);
  CHECK_EQ(rtc_aom_set_size(e, 0, 2), RTC_EINVAL);
  CHECK_EQ(rtc_aom_set_size(e, 16384, 2), RTC_EINVAL);
  CHECK_EQ(rtc_aom_set_size(e, 640, 360), 1); /* as it is: the first frame is a key frame */
  rtc_aom_free(e);
  rtc_aom_free(NULL);
  char version[32], small[3];
  int n = rtc_aom_version(version, sizeof version);
  CHECK(n > 3 && strchr(version, '.') && version[n] == 0);
  CHECK_EQ(rtc_aom_version(small, sizeof small), RTC_ENOBUFS);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(test_rate);
  RUN(test_frame_rate);
  RUN(test_keys);
  RUN(test_size);
  RUN(test_layers);
  RUN(test_settings);
  RUN(test_rows_and_drops);
  RUN(test_wrong);
  return CHECK_END();
}

#else

static void test_absent(void) {
  int err = 1;
  CHECK_EQ(rtc_aom_version(NULL, 0), RTC_ESTATE);
  CHECK(rtc_aom_new(&usual, &err) == NULL);
  CHECK_EQ(err, RTC_ESTATE);
  CHECK_EQ(rtc_aom_set_rate(NULL, 100000, 30), RTC_ESTATE);
  CHECK_EQ(rtc_aom_set_size(NULL, 640, 360), RTC_ESTATE);
  CHECK_EQ(rtc_aom_set_screen(NULL, true), RTC_ESTATE);
  CHECK_EQ(rtc_aom_encode(NULL, NULL, 0, false, NULL), RTC_ESTATE);
  rtc_aom_free(NULL);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(test_absent);
  return CHECK_END();
}

#endif
