/* Splitting H.264: payloads written by hand from RFC 6184 §5.6 to §5.8, streams of chance against the units they were made of. */
#include "check.h"
#include "wire/payload/payload.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

enum { UNITS_MAX = 40, STREAM_MAX = 40 * 5010 };

/* The frame on the heap in its exact size, so that a sanitizer sees any read past it. */
static uint8_t *copy(const uint8_t *p, size_t n) {
  uint8_t *heap = malloc(n ? n : 1);
  if (n) memcpy(heap, p, n);
  return heap;
}

/* want: the one payload; NULL: refused. */
typedef struct row {
  const char *frame;
  size_t max;
  const char *want;
} row_t;

#define TEN "00010203040506070809"
#define FIFTY TEN TEN TEN TEN TEN

static const row_t table[] = {
    {"000001 6588", 1200, "6588"},
    {"00000001 6588", 1200, "6588"},
    {"0000000000 000001 6588 0000", 1200, "6588"},                   /* zeros before and behind */
    {"00000001 6742 00000001 68ce", 1200, "78 0002 6742 0002 68ce"}, /* parameter sets go together */
    {"000001 0910 000001 2742 000001 48ce 000001 6588", 1200, "78 0002 0910 0002 2742 0002 48ce 0002 6588"}, /* the highest NRI */
    {"000001 0605 000001 019a", 1200, "18 0002 0605 0002 019a"},
    {"000001 6588 000001 0b 000001 0a", 1200, "6588"},             /* ends of stream and sequence */
    {"000001 0cffff80 000001 419a", 1200, "419a"},                 /* filler */
    {"000001 000001 419a 000001", 1200, "419a"},                   /* units without a byte */
    {"000001 4100000301 000001 41", 1200, "4100000301"},           /* what is escaped stays so */
    {"000001 65" FIFTY TEN "0a0b0c", 64, "65" FIFTY TEN "0a0b0c"}, /* of just the size */
    {"", 1200, NULL},
    {"00", 1200, NULL},
    {"000001", 1200, NULL},
    {"00000001 0b", 1200, NULL},
    {"6588", 1200, NULL},           /* no start code */
    {"01 000001 6588", 1200, NULL}, /* something before it */
    {"000002 6588", 1200, NULL},
    {"000001 e588", 1200, NULL},             /* damaged */
    {"000001 6000", 1200, NULL},             /* its zeros are no part of it, then it is too short */
    {"000001 6088", 1200, NULL},             /* type 0 */
    {"000001 7888", 1200, NULL},             /* would be taken for a STAP-A, */
    {"000001 7c85", 1200, NULL},             /* or an FU-A */
    {"000001 6742 000001 7f85", 1200, NULL}, /* wherever it stands */
    {"000001 6588", 63, NULL},
};

static void by_hand(void) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const row_t *row = &table[i];
    uint8_t frame[256], want[256], out[1200];
    size_t len = check_hex(frame, sizeof frame, row->frame);
    uint8_t *heap = copy(frame, len);
    rtc_split_t s;
    int err = rtc_split_init(&s, RTC_CODEC_H264, heap, len, row->max, 0, true);
    if ((err < 0) != !row->want) fprintf(stderr, "%s: %d\n", row->frame, err);
    CHECK_EQ(err, row->want ? 0 : RTC_EINVAL);
    if (err == 0 && row->want) {
      bool last = false;
      size_t n = check_hex(want, sizeof want, row->want);
      CHECK_EQ(rtc_split_next(&s, out, n - 1, &last), RTC_ENOBUFS);
      CHECK(!last);
      CHECK_EQ(rtc_split_next(&s, out, n, &last), n);
      CHECK_MEM(out, want, n);
      CHECK(last);
      CHECK_EQ(rtc_split_next(&s, out, sizeof out, &last), 0);
      CHECK(!last);
    }
    free(heap);
  }
}

/* RFC 6184 §5.8: the header goes in two, the first part says S, the last E, and parts are even. */
static void in_parts(void) {
  uint8_t frame[4 + 500] = {0, 0, 1, 0x65}, out[64];
  for (size_t n = 64; n < 500; n++) {
    for (size_t i = 1; i < n; i++) frame[3 + i] = (uint8_t)(i % 251 + 1);
    rtc_split_t s;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_H264, frame, 3 + n, 64, 0, true), 0);
    if (n == 64) {
      CHECK_EQ(s.left, 1);
      continue;
    }
    size_t count = (n - 1 + 61) / 62, at = 1, least = SIZE_MAX, most = 0;
    CHECK_EQ(s.left, count);
    bool last = false;
    for (size_t i = 0; i < count; i++) {
      int got = rtc_split_next(&s, out, sizeof out, &last);
      CHECK(got > 2 && got <= 64);
      CHECK_EQ(out[0], 0x7c);
      CHECK_EQ(out[1], 5 | (i == 0 ? 0x80 : 0) | (i + 1 == count ? 0x40 : 0));
      size_t part = (size_t)got - 2;
      CHECK_MEM(out + 2, frame + 3 + at, part);
      at += part;
      if (part < least) least = part;
      if (part > most) most = part;
      CHECK_EQ(last, i + 1 == count);
    }
    CHECK_EQ(at, n);
    CHECK(most - least <= 1);
  }
}

/* Units of chance behind start codes of three or four bytes, with zeros between them: joined they are the same units. */
static void of_chance(void) {
  static uint8_t stream[STREAM_MAX], want[STREAM_MAX], joined[STREAM_MAX];
  for (int round = 0; round < 3000; round++) {
    size_t len = 0, wanted = 0, count = 1 + below(UNITS_MAX), max = 64 + below(1300);
    for (size_t i = 0; i < count; i++) {
      size_t zeros = 2 + below(3), n = 2 + (below(4) ? below(90) : below(5000)), body = 0;
      while (zeros--) stream[len++] = 0;
      stream[len++] = 1;
      uint8_t *unit = stream + len;
      do unit[0] = (uint8_t)(below(4) << 5 | (1 + below(23)));
      while ((unit[0] & 0x1f) >= 10 && (unit[0] & 0x1f) <= 12);
      for (body = 1; body < n; body++) {
        unit[body] = (uint8_t)(below(3) ? below(256) : below(3));
        if (body > 1 && !unit[body - 1] && !unit[body - 2] && unit[body] < 4) unit[body] = 3; /* escaped, as encoders do */
      }
      if (!unit[n - 1]) unit[n - 1] = 0x80;
      len += n;
      memcpy(want + wanted, (uint8_t[]){0, 0, 0, 1}, 4);
      memcpy(want + wanted + 4, unit, n);
      wanted += 4 + n;
    }
    uint8_t *heap = copy(stream, len), *out = malloc(max);
    rtc_split_t s;
    rtc_join_t j;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_H264, heap, len, max, 0, false), 0);
    rtc_join_init(&j, RTC_CODEC_H264, joined, sizeof joined);
    bool last = false;
    size_t payloads = s.left, got = 0, bytes = 0;
    for (int n; (n = rtc_split_next(&s, out, max, &last)) > 0; got++) {
      CHECK((size_t)n <= max);
      CHECK_EQ(rtc_join_put(&j, out, (size_t)n), 0);
      CHECK_EQ(last, got + 1 == payloads);
      bytes += (size_t)n;
    }
    CHECK_EQ(got, payloads);
    CHECK_EQ(rtc_join_end(&j), (int)wanted);
    CHECK_MEM(joined, want, wanted);
    CHECK(payloads <= 1 + 2 * (bytes / (max / 2))); /* neighbours that fit went together */
    free(heap);
    free(out);
  }
}

/* packetization-mode 0: units alone, or nothing. */
static void units_alone(void) {
  static const row_t t[] = {
      {"00000001 6742 00000001 68ce 000001 6588", 64, "6742|68ce|6588"},
      {"000001 0cffff80 000001 419a 000001 0a", 64, "419a"},
      {"000001 65" FIFTY TEN "0a0b0c", 64, "65" FIFTY TEN "0a0b0c"},
      {"000001 6742 000001 65" FIFTY TEN "0a0b0c0d", 64, NULL},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    uint8_t frame[256], want[256], out[64];
    size_t len = check_hex(frame, sizeof frame, t[i].frame);
    uint8_t *heap = copy(frame, len);
    rtc_split_t s;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_H264, heap, len, t[i].max, 0, true), 0);
    CHECK_EQ(rtc_split_single(&s), t[i].want ? 0 : RTC_EINVAL);
    CHECK_EQ(s.single, t[i].want != NULL);
    bool last = false;
    for (const char *at = t[i].want; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
      char one[256];
      snprintf(one, sizeof one, "%.*s", (int)strcspn(at, "|"), at);
      size_t n = check_hex(want, sizeof want, one);
      CHECK_EQ(rtc_split_next(&s, out, n - 1, &last), RTC_ENOBUFS);
      CHECK_EQ(rtc_split_next(&s, out, sizeof out, &last), n);
      CHECK_MEM(out, want, n);
      CHECK_EQ(last, !strchr(at, '|'));
    }
    if (t[i].want) CHECK_EQ(rtc_split_next(&s, out, sizeof out, &last), 0);
    free(heap);
  }
  static const uint8_t vp8[] = {1, 2};
  rtc_split_t s;
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, vp8, sizeof vp8, 64, 0, true), 0);
  CHECK_EQ(rtc_split_single(&s), RTC_EINVAL);
}

static void as_many_as_there_may_be(void) {
  enum { PARTS = 65535, ROOM = 62 };
  static uint8_t frame[4 + PARTS * ROOM + 1] = {0, 0, 1, 0x65};
  memset(frame + 4, 0xff, sizeof frame - 4);
  rtc_split_t s;
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_H264, frame, sizeof frame - 1, 64, 0, true), 0);
  CHECK_EQ(s.left, PARTS);
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_H264, frame, sizeof frame, 64, 0, true), RTC_EINVAL);
}

int main(void) {
  RUN(by_hand);
  RUN(in_parts);
  RUN(of_chance);
  RUN(units_alone);
  RUN(as_many_as_there_may_be);
  return CHECK_END();
}
