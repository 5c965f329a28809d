/* payload: joining the payloads of a frame, codec by codec. */
#include "check.h"
#include "wire/payload/payload.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

/* Payloads are parted by "|". Each lies on the heap in its exact size, and so does the frame, whose length the first pass tells. Returns
 * that, or the error. */
static int join(rtc_codec_t codec, const char *hex, uint8_t *frame, size_t cap) {
  int told = 0;
  for (int pass = 0; pass < 2; pass++) {
    uint8_t *out = pass ? malloc((size_t)told) : NULL;
    rtc_join_t j;
    rtc_join_init(&j, codec, out, pass ? (size_t)told : SIZE_MAX);
    int err = 0;
    for (const char *s = hex; s && err == 0;) {
      char part[512] = {0};
      const char *end = strchr(s, '|');
      memcpy(part, s, end ? (size_t)(end - s) : strlen(s));
      uint8_t raw[256];
      size_t n = check_hex(raw, sizeof raw, part);
      uint8_t *p = malloc(n ? n : 1);
      memcpy(p, raw, n);
      err = rtc_join_put(&j, p, n);
      free(p);
      s = end ? end + 1 : NULL;
    }
    if (err == 0) err = rtc_join_end(&j);
    if (pass) {
      CHECK_EQ(err, told);
      if (err > 0) memcpy(frame, out, (size_t)err < cap ? (size_t)err : cap);
    }
    free(out);
    if (err < 0) return err;
    told = err;
  }
  return told;
}

/* want: the frame, or NULL: RTC_EPROTO. */
typedef struct row {
  const char *payloads, *want;
} row_t;
static void join_table(rtc_codec_t codec, const row_t *t, size_t rows) {
  for (size_t i = 0; i < rows; i++) {
    uint8_t want[512], got[512] = {0};
    int n = t[i].want ? (int)check_hex(want, sizeof want, t[i].want) : RTC_EPROTO;
    int r = join(codec, t[i].payloads, got, sizeof got);
    if (r != n || (n > 0 && memcmp(got, want, (size_t)n) != 0)) fprintf(stderr, "codec %d, %s\n", (int)codec, t[i].payloads);
    CHECK_EQ(r, n);
    if (r == n && n > 0) CHECK_MEM(got, want, (size_t)n);
  }
}
#define JOIN(codec, t) join_table(codec, t, sizeof t / sizeof *t)

static void whole(void) {
  static const row_t t[] = {{"fc ff fe", "fc ff fe"}, {"00", "00"}, {"", NULL}, {"fc | fc", NULL}};
  JOIN(RTC_CODEC_OPUS, t);
  JOIN(RTC_CODEC_PCMU, t);
  JOIN(RTC_CODEC_PCMA, t);
  JOIN(RTC_CODEC_G722, t);
}

static void vp8(void) {
  static const row_t t[] = {
      {"10 00 01", "00 01"},
      {"90 80 81 23 00 | 80 80 81 23 01", "00 01"},
      {"10 00 | 00 01 | 00 02", "00 01 02"},
      {"10 00 | 11 01", "00 01"}, /* a second partition begins */
      {"00 01", NULL},            /* the first part is missing */
      {"11 01", NULL},
      {"10 00 | 10 00", NULL}, /* two frames */
      {"10", NULL},
      {"90 80 80", NULL},
      {"10 00 | 00", NULL},
  };
  JOIN(RTC_CODEC_VP8, t);
}

static void vp9(void) {
  static const row_t t[] = {
      {"0c 01 02", "01 02"},
      {"08 01 | 00 02 | 04 03", "01 02 03"},
      {"ac 80 01 00 05 aa | ac 80 01 02 05 bb", "aa bb"}, /* two layers of a picture */
      {"a8 80 01 00 05 aa | a4 80 01 00 05 bb | ac 80 01 02 05 cc", "aa bb cc"},
      {"08 01", NULL},             /* its end is missing */
      {"04 01", NULL},             /* its beginning is */
      {"08 01 | 0c 02", NULL},     /* begun twice */
      {"0c 01 | 04 02", NULL},     /* goes on after its end */
      {"ac 80 01 02 05 bb", NULL}, /* the lowest layer is missing */
      {"0c", NULL},
      {"0a 10 0280", NULL},
  };
  JOIN(RTC_CODEC_VP9, t);
}

static void h264(void) {
  static const row_t t[] = {
      {"65 88 84", "00000001 65 88 84"},
      {"67 42 | 68 ce | 65 88", "00000001 6742 00000001 68ce 00000001 6588"},
      {"78 0002 6742 0003 68ce3c", "00000001 6742 00000001 68ce3c"},
      {"78 0001 67", "00000001 67"},
      {"7c 85 88 | 7c 05 01 02 | 7c 45 03", "00000001 65 88 01 02 03"},
      {"78 0002 6742 | 7c 85 88 | 7c 45 03", "00000001 6742 00000001 65 8803"},
      {"5c 81 9a | 5c 41 03", "00000001 41 9a03"}, /* nal_ref_idc is the indicator's */
      {"7c c5 88", "00000001 65 88"},              /* both marks: one piece */
      {"7c 85 88", NULL},                          /* its end is missing */
      {"7c 85 88 | 7c 05 01", NULL},
      {"7c 05 88 | 7c 45 03", NULL}, /* its beginning is */
      {"7c 45 03", NULL},
      {"7c 85 88 | 7c 85 88", NULL},
      {"7c 85 88 | 7c 41 03", NULL}, /* another unit goes on */
      {"7c 85 88 | 65 88", NULL},
      {"7c 85 88 | 78 0002 6742", NULL},
      {"7c 85", NULL},
      {"7c", NULL},
      {"7c 80 88", NULL},
      {"7c 9c 88", NULL},
      {"78 0003 6742", NULL}, /* lengths lie */
      {"78 0000", NULL},
      {"78 00", NULL},
      {"78 0002 7c85", NULL}, /* an aggregate holds units alone */
      {"78 0004 78000167", NULL},
      {"65", NULL},
      {"e5 88", NULL}, /* damaged */
      {"00 88", NULL},
      {"79 85 88", NULL},
      {"7d 85 88", NULL},
      {"7f 85 88", NULL},
      {"", NULL},
  };
  JOIN(RTC_CODEC_H264, t);
}

static void h265(void) {
  static const row_t t[] = {
      {"4001 0c", "00000001 4001 0c"},
      {"4001 0c | 2601 af aa", "00000001 4001 0c 00000001 2601 af aa"},
      {"6001 0003 40010c 0003 42010c | 0203 d0", "00000001 40010c 00000001 42010c 00000001 0203 d0"},
      {"6203 93 af aa | 6203 13 bb | 6203 53 cc", "00000001 2603 af aa bb cc"},
      {"6201 d3 af", "00000001 2601 af"}, /* begins and ends */
      {"6201 93 af", NULL},               /* its end is missing */
      {"6201 13 af", NULL},               /* its beginning is */
      {"6201 93 af | 6201 93 af", NULL},
      {"6201 93 af | 6201 54 af", NULL}, /* of another type */
      {"6201 93 af | 2601 af", NULL},    /* broken off */
      {"6201 b0 af", NULL},              /* no FU holds an AP */
      {"6001 0003 600100", NULL},
      {"6001 0004 40010c", NULL},
      {"6001 0001 40", NULL},
      {"6401 93 af", NULL},
      {"c001 0c", NULL},
      {"4001", NULL},
      {"", NULL},
  };
  JOIN(RTC_CODEC_H265, t);
}

static void av1(void) {
  static const row_t t[] = {
      {"10 30 aa bb", "32 02 aa bb"},
      {"10 30", "32 00"},                            /* an OBU of a header alone */
      {"10 34 08 aa", "36 08 01 aa"},                /* with an extension */
      {"18 0a 01 00", "0a 01 00"},                   /* has its size already */
      {"28 02 08 00 30 aa", "0a 01 00 32 01 aa"},    /* W = 2 */
      {"00 02 08 00 02 30 aa", "0a 01 00 32 01 aa"}, /* W = 0 */
      {"20 01 10 30 aa", "32 01 aa"},                /* the delimiter goes */
      {"20 02 30 aa 10", "32 01 aa"},
      {"50 30 aa | 90 bb", "32 02 aa bb"}, /* Y, then Z */
      {"50 30 | d0 aa | 90 bb", "32 02 aa bb"},
      {"60 02 08 00 30 | a0 02 aa bb 20 cc", "0a 01 00 32 02 aa bb 22 01 cc"},
      {"50 30 aa", NULL},            /* its end is missing */
      {"90 30 aa", NULL},            /* its beginning is */
      {"50 30 aa | 10 30 bb", NULL}, /* broken off */
      {"10 34", NULL},               /* the extension is missing */
      {"10 b0 00", NULL},            /* forbidden bit */
      {"10", NULL},
      {"20 01 08", NULL}, /* W = 2, and one is there */
      {"20 01 08 00", "0a 00 02 00"},
      {"00 03 30 00", NULL}, /* length lies */
      {"00 00 30", NULL},
      {"00 ff ff ff ff ff ff ff ff 7f", NULL},
      {"10 10", NULL},                   /* nothing is in it but a delimiter */
      {"20 02 40 aa 30 bb", "32 01 bb"}, /* tile lists are passed over */
  };
  static const row_t delimiter[] = {{"20 01 10 10", NULL}};
  JOIN(RTC_CODEC_AV1, t);
  JOIN(RTC_CODEC_AV1, delimiter);
}

/* Sizes take as many bytes as they need, whatever the pieces. */
static void av1_sizes(void) {
  static const size_t lens[] = {1, 126, 127, 128, 129, 16383, 16384, 16385, 300000};
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    size_t len = lens[i], pos = 0;
    uint8_t *body = malloc(len), *out = malloc(len + 8);
    for (size_t k = 0; k < len; k++) body[k] = (uint8_t)below(256);
    rtc_join_t j;
    rtc_join_init(&j, RTC_CODEC_AV1, out, len + 8);
    while (pos < len) {
      uint8_t p[1200];
      size_t n = pos ? 1 : 2, room = 1 + below(1000), part = len - pos < room ? len - pos : room;
      p[0] = (uint8_t)(0x10 | (pos ? 0x80 : 0) | (pos + part < len ? 0x40 : 0));
      p[1] = 0x30;
      memcpy(p + n, body + pos, part);
      CHECK_EQ(rtc_join_put(&j, p, n + part), 0);
      pos += part;
    }
    int n = rtc_join_end(&j);
    size_t v = 0, at = 1, bits = 0;
    do v |= (size_t)(out[at] & 0x7f) << bits, bits += 7;
    while (out[at++] & 0x80);
    CHECK_EQ(out[0], 0x32);
    CHECK_EQ(v, len);
    CHECK_EQ(n, at + len);
    CHECK_MEM(out + at, body, len);
    free(body);
    free(out);
  }
}

/* What is split joins to what it was. */
static void split_and_joined(void) {
  static const int codecs[] = {RTC_CODEC_OPUS, RTC_CODEC_VP8, RTC_CODEC_PCMU, RTC_CODEC_PCMA, RTC_CODEC_G722};
  for (int round = 0; round < 200; round++) {
    rtc_codec_t codec = (rtc_codec_t)codecs[round % 5];
    size_t len = 1 + below(codec == RTC_CODEC_VP8 ? 20000 : 1200);
    uint8_t *frame = malloc(len), *out = malloc(len), p[1200];
    for (size_t i = 0; i < len; i++) frame[i] = (uint8_t)below(256);
    rtc_split_t s;
    rtc_join_t j;
    bool last = false;
    CHECK_EQ(rtc_split_init(&s, codec, frame, len, sizeof p, 7, true), 0);
    rtc_join_init(&j, codec, out, len);
    for (int n; (n = rtc_split_next(&s, p, sizeof p, &last)) > 0;) CHECK_EQ(rtc_join_put(&j, p, (size_t)n), 0);
    CHECK_EQ(rtc_join_end(&j), (int)len);
    CHECK_MEM(out, frame, len);
    free(frame);
    free(out);
  }
}

/* A unit that never ends, in more payloads than a frame may have or in more bytes; a buffer that is too small. */
static void caps(void) {
  uint8_t p[1400] = {0x7c, 0x85};
  rtc_join_t j;
  rtc_join_init(&j, RTC_CODEC_H264, NULL, SIZE_MAX);
  int err = 0, n = 0;
  for (; n < 1000000 && err == 0; n++, p[1] = 0x05) err = rtc_join_put(&j, p, 3);
  CHECK_EQ(err, RTC_ENOBUFS);
  CHECK_EQ(n, RTC_JOIN_PAYLOADS + 1);
  static uint8_t big[8192] = {0x7c, 0x85};
  rtc_join_init(&j, RTC_CODEC_H264, NULL, SIZE_MAX);
  for (err = n = 0; n < 1000000 && err == 0; n++, big[1] = 0x05) err = rtc_join_put(&j, big, sizeof big);
  CHECK_EQ(err, RTC_ENOBUFS);
  CHECK(j.len <= RTC_JOIN_BYTES);
  CHECK(n < RTC_JOIN_PAYLOADS);
  /* Units of one byte are what grows most: five of three. */
  p[0] = 0x78;
  for (size_t i = 1; i + 3 <= sizeof p; i += 3) p[i] = 0, p[i + 1] = 1, p[i + 2] = 0x67;
  rtc_join_init(&j, RTC_CODEC_H264, NULL, SIZE_MAX);
  for (err = n = 0; n < 1000000 && err == 0; n++) err = rtc_join_put(&j, p, 1399);
  CHECK_EQ(err, RTC_ENOBUFS);
  CHECK(j.len <= RTC_JOIN_BYTES);
  uint8_t small[4];
  rtc_join_init(&j, RTC_CODEC_VP8, small, sizeof small);
  static const uint8_t five[] = {0x10, 0, 1, 2, 3, 4}, four[] = {0x10, 0, 1, 2, 3};
  CHECK_EQ(rtc_join_put(&j, five, sizeof five), RTC_ENOBUFS);
  rtc_join_init(&j, RTC_CODEC_VP8, small, sizeof small);
  CHECK_EQ(rtc_join_put(&j, four, sizeof four), 0);
  CHECK_EQ(rtc_join_end(&j), 4);
  rtc_join_init(&j, RTC_CODEC_AV1, small, 2); /* no room for the size */
  static const uint8_t obu[] = {0x10, 0x30, 0xaa};
  CHECK_EQ(rtc_join_put(&j, obu, sizeof obu), RTC_ENOBUFS);
}

static void no_codec(void) {
  static const int none[] = {RTC_CODEC_NONE, RTC_CODEC_COUNT, 200};
  for (size_t i = 0; i < 3; i++) {
    rtc_join_t j;
    rtc_join_init(&j, (rtc_codec_t)none[i], NULL, SIZE_MAX);
    CHECK_EQ(rtc_join_put(&j, (const uint8_t *)"ab", 2), RTC_EPROTO);
    CHECK_EQ(rtc_join_end(&j), RTC_EPROTO);
  }
}

int main(void) {
  RUN(whole);
  RUN(vp8);
  RUN(vp9);
  RUN(h264);
  RUN(h265);
  RUN(av1);
  RUN(av1_sizes);
  RUN(split_and_joined);
  RUN(caps);
  RUN(no_codec);
  return CHECK_END();
}
