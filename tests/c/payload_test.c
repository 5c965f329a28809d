#include "wire/payload/payload.h"

#include "check.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

/* The bytes on the heap in their exact size, so that a sanitizer sees any read past them. */
static rtc_payload_info_t look(rtc_codec_t codec, const uint8_t *p, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  if (n) memcpy(copy, p, n);
  rtc_payload_info_t i = rtc_payload_look(codec, copy, n);
  free(copy);
  return i;
}

/* want: "" nothing, "s" starts a frame, "sk" a key frame. */
typedef struct row {
  const char *hex, *want;
} row_t;
static void look_table(rtc_codec_t codec, const row_t *t, size_t rows) {
  for (size_t i = 0; i < rows; i++) {
    uint8_t buf[256];
    rtc_payload_info_t got = look(codec, buf, check_hex(buf, sizeof buf, t[i].hex));
    char text[3] = {0};
    if (got.start) strcat(text, "s");
    if (got.key) strcat(text, "k");
    if (strcmp(text, t[i].want) != 0) fprintf(stderr, "codec %d, %s: \"%s\", wanted \"%s\"\n", (int)codec, t[i].hex, text, t[i].want);
    CHECK(strcmp(text, t[i].want) == 0);
  }
}
#define LOOK(codec, t) look_table(codec, t, sizeof t / sizeof *t)

static void test_vp8_look(void) {
  static const row_t t[] = {
      {"", ""},
      {"10", ""}, /* a descriptor alone is no frame */
      {"10 00", "sk"},
      {"10 50", "sk"}, /* other bits of the frame tag */
      {"10 01", "s"},
      {"30 00", "sk"}, /* N */
      {"00 00", ""},   /* continues */
      {"11 00", ""},   /* starts partition 1 */
      {"17 00", ""},
      {"18 00", "sk"},    /* a reserved bit is ignored */
      {"90 00 00", "sk"}, /* X without anything */
      {"90 80 7f 00", "sk"},
      {"90 80 80", ""},    /* 15 bits cut */
      {"90 80 80 00", ""}, /* nothing behind it */
      {"90 80 ff ff 01", "s"},
      {"90 e0 80 01 07 c0 00", "sk"}, /* Chromium with temporal layers */
      {"90 e0 80 01 07 c0", ""},
      {"90 e0 80 01 07", ""},
      {"90 10 1f 00", "sk"}, /* K alone has the octet too */
      {"90 10", ""},
      {"90", ""},
  };
  LOOK(RTC_CODEC_VP8, t);
}

static void test_vp8_parse(void) {
  uint8_t p[8];
  rtc_vp8_desc_t d;
  size_t n = check_hex(p, sizeof p, "b2 f0 92 34 07 ab");
  CHECK_EQ(rtc_vp8_parse(&d, p, n), 0);
  CHECK(d.start && d.non_ref && d.partition == 2 && d.len == 6);
  CHECK(d.has_picture_id && d.long_picture_id && d.picture_id == 0x1234);
  CHECK(d.has_tl0 && d.tl0 == 7);
  CHECK(d.has_tid && d.tid == 2 && d.layer_sync && d.has_keyidx && d.keyidx == 11);
  for (size_t cut = 0; cut < n; cut++) CHECK_EQ(rtc_vp8_parse(&d, p, cut), RTC_EPROTO);
  n = check_hex(p, sizeof p, "80 80 12");
  CHECK_EQ(rtc_vp8_parse(&d, p, n), 0);
  CHECK(!d.start && !d.non_ref && d.has_picture_id && !d.long_picture_id && d.picture_id == 0x12 && d.len == 3);
  CHECK(!d.has_tl0 && !d.has_tid && !d.has_keyidx);
  n = check_hex(p, sizeof p, "00");
  CHECK_EQ(rtc_vp8_parse(&d, p, n), 0);
  CHECK(!d.has_picture_id && d.len == 1);
}

static void test_vp9_look(void) {
  static const row_t t[] = {
      {"", ""},
      {"08", ""},
      {"08 00", "sk"},       /* B, not P */
      {"48 00", "s"},        /* P */
      {"00 00", ""},         /* a later part of a key frame */
      {"04 00", ""},         /* its end */
      {"0c 00", "sk"},       /* in one packet */
      {"88 12 00", "sk"},    /* 7-bit picture id */
      {"88 92 34 00", "sk"}, /* 15 bits */
      {"88 92 34", ""},
      {"88 92", ""},
      {"a8 92 34 00 05 00", "sk"}, /* layer indices, TL0PICIDX (not flexible) */
      {"a8 92 34 00 05", ""},
      {"a8 92 34 02 05 00", ""},   /* spatial layer 1 of a key picture */
      {"a8 92 34 e0 05 00", "sk"}, /* temporal bits do not matter */
      {"b8 92 34 00 00", "sk"},    /* flexible: no TL0PICIDX */
      {"d8 12 02 00", "s"},        /* flexible with one P_DIFF */
      {"d8 12 03 03 02 00", "s"},
      {"d8 12 03 03 03 00", ""}, /* a fourth reference is not allowed */
      {"d8 12 03 03", ""},
      {"0a 00 00", "sk"},           /* structure: one layer, nothing else */
      {"0a 10 0280 01e0 00", "sk"}, /* its size */
      {"0a 10 0280 01e0", ""},
      {"0a 10 0280 01", ""},
      {"0a 30 0280 01e0 0140 00f0 00", "sk"},         /* two layers */
      {"0a 18 0280 01e0 01 00 00", "sk"},             /* a group of one picture without references */
      {"0a 18 0280 01e0 02 04 01 08 01 02 00", "sk"}, /* two, with one and two references */
      {"0a 18 0280 01e0 02 04 01 08 01 02", ""},
      {"0a 18 0280 01e0 ff 04 01 00", ""}, /* a count that lies */
      {"8a 92 34 08 00 00", "sk"},         /* a group of no picture */
  };
  LOOK(RTC_CODEC_VP9, t);
}

static void test_h264_look(void) {
  static const row_t t[] = {
      {"", ""},
      {"65", ""},
      {"65 88", "sk"}, /* IDR, first macroblock 0 */
      {"65 40", ""},   /* a later slice of the picture */
      {"41 9a", "s"},
      {"41 40", ""},
      {"01 80", "s"},
      {"67 42", "sk"}, /* SPS */
      {"68 ce", "s"},  /* PPS */
      {"06 05", "s"},  /* SEI */
      {"09 10", "s"},  /* AUD */
      {"0c ff", ""},   /* filler */
      {"e5 88", ""},   /* F set: damaged */
      {"00 88", ""},
      {"78 0002 6742 0002 68ce", "sk"}, /* STAP-A: SPS, PPS */
      {"78 0002 0910 0002 6742", "sk"}, /* AUD first */
      {"78 0002 0605 0002 419a", "s"},
      {"78 0002 419a 0002 4140", "s"},
      {"78 0002 4140 0002 419a", ""}, /* the first unit decides */
      {"78 0002 4140 0002 6742", ""}, /* on the start, and there is no key without one */
      {"78 0003 6742 0002 68ce", ""}, /* lengths lie */
      {"78 0002 6742 0003 68ce", ""},
      {"78 0002 6742 0000", ""},
      {"78 0002 6742 00", ""},
      {"78 0000", ""},
      {"78 00", ""},
      {"78", ""},
      {"78 0001 67", "sk"},
      {"78 0001 65", ""}, /* a slice without data */
      {"7c 85 88", "sk"}, /* FU-A, start, IDR */
      {"7c 85 40", ""},
      {"7c 05 88", ""}, /* middle */
      {"7c 45 88", ""}, /* end */
      {"7c 81 9a", "s"},
      {"7c 87 42", "sk"},
      {"7c 85", ""},
      {"79 85 88", ""}, /* STAP-B, MTAP, FU-B: not of mode 1 */
      {"7a 85 88", ""},
      {"7d 85 88", ""},
      {"7f 85 88", ""},
  };
  LOOK(RTC_CODEC_H264, t);
}

static void test_h265_look(void) {
  static const row_t t[] = {
      {"", ""},
      {"4001", ""},      /* a header alone */
      {"4001 0c", "sk"}, /* VPS */
      {"4201 01", "sk"}, /* SPS */
      {"4401 c1", "s"},  /* PPS */
      {"4601 50", "s"},  /* AUD */
      {"4e01 05", "s"},  /* prefix SEI */
      {"5001 05", ""},   /* suffix SEI */
      {"2601 af", "sk"}, /* IDR_W_RADL, first slice */
      {"2601 2f", ""},   /* a later slice */
      {"2801 af", "sk"}, /* IDR_N_LP */
      {"2a01 af", "sk"}, /* CRA */
      {"2001 af", "sk"}, /* BLA */
      {"1201 af", "s"},  /* RASL: no random access point */
      {"0201 d0", "s"},  /* TRAIL_R */
      {"0201 50", ""},
      {"8201 d0", ""},                        /* F */
      {"6001 0003 40010c 0003 42010c", "sk"}, /* AP of VPS, SPS */
      {"6001 0003 4401c1 0003 2601af", "sk"}, /* PPS, then the IDR */
      {"6001 0003 0201d0", "s"},
      {"6001 0004 40010c", ""}, /* lengths lie */
      {"6001 0001 40", ""},
      {"6001", ""},
      {"6201 93 af", "sk"}, /* FU of an IDR, S */
      {"6201 13 af", ""},
      {"6201 53 af", ""},
      {"6201 81 d0", "s"},
      {"6201 93", ""},
      {"6401 93 af", ""}, /* PACI */
  };
  LOOK(RTC_CODEC_H265, t);
}

static void test_av1_look(void) {
  static const row_t t[] = {
      {"", ""},
      {"18", ""},               /* N, W = 1, no OBU */
      {"18 08", "sk"},          /* a sequence header */
      {"18 0a 01 00", "sk"},    /* with its own size field */
      {"10 30 00", "s"},        /* a frame */
      {"10 18 00", "s"},        /* a frame header */
      {"10 28 00", "s"},        /* metadata */
      {"10 20 00", ""},         /* a tile group is never first */
      {"10 78 00", ""},         /* nor padding */
      {"10 b0 00", ""},         /* forbidden bit */
      {"90 30 00", ""},         /* Z: continues */
      {"98 08 00", ""},         /* Z and N exclude each other */
      {"28 01 08 30 00", "sk"}, /* W = 2: a length, then to the end */
      {"20 02 30 00 30", "s"},
      {"08 01 08 02 30 00", "sk"}, /* W = 0: each has a length */
      {"00 02 30 00", "s"},
      {"00 00 30 00", ""}, /* an element of nothing */
      {"00 03 30 00", ""}, /* length lies */
      {"00 ff ff ff ff ff ff ff ff ff", ""},
      {"00 ff ff ff ff ff ff ff ff 7f", ""},
      {"00 82 00 30 00", "s"}, /* a length in two bytes */
      {"00 82 80 80 80 80 80 80 00 30 00", "s"},
      {"00 82", ""},
      {"00", ""},
  };
  LOOK(RTC_CODEC_AV1, t);
}

static void test_opus_and_others(void) {
  static const row_t t[] = {{"", "sk"}, {"fc", "sk"}, {"fc ff fe", "sk"}};
  LOOK(RTC_CODEC_OPUS, t);
  uint8_t p[2] = {0x10, 0};
  static const int none[] = {RTC_CODEC_NONE, RTC_CODEC_COUNT, 200, -1};
  for (size_t i = 0; i < 4; i++) {
    rtc_payload_info_t got = look((rtc_codec_t)none[i], p, 2);
    CHECK(!got.start && !got.key);
  }
}

/* Splits, joins and compares; sizes must be even and within max. */
static void split_vp8(size_t len, size_t max, uint32_t picture_id, bool key) {
  uint8_t *frame = malloc(len), *joined = malloc(len), *out = malloc(max);
  for (size_t i = 0; i < len; i++) frame[i] = (uint8_t)below(256);
  frame[0] = (uint8_t)((frame[0] & 0xfe) | !key);
  rtc_split_t s;
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, frame, len, max, picture_id, key), 0);
  size_t want = (len + max - 5) / (max - 4), got = 0, pos = 0, least = SIZE_MAX, most = 0;
  bool last = false;
  for (int n; (n = rtc_split_next(&s, out, max, &last)) > 0; got++) {
    rtc_vp8_desc_t d;
    CHECK(n > 4 && (size_t)n <= max);
    CHECK_EQ(rtc_vp8_parse(&d, out, (size_t)n), 0);
    CHECK(d.len == 4 && d.start == (got == 0) && !d.non_ref && d.partition == 0);
    CHECK(d.has_picture_id && d.long_picture_id && d.picture_id == (picture_id & 0x7fff) && !d.has_tl0 && !d.has_tid && !d.has_keyidx);
    rtc_payload_info_t info = look(RTC_CODEC_VP8, out, (size_t)n);
    CHECK(info.start == (got == 0) && info.key == (got == 0 && key));
    size_t part = (size_t)n - 4;
    if (part < least) least = part;
    if (part > most) most = part;
    CHECK(pos + part <= len);
    if (pos + part > len) break;
    memcpy(joined + pos, out + 4, part);
    pos += part;
    CHECK_EQ(last, pos == len);
  }
  CHECK_EQ(got, want);
  CHECK_EQ(pos, len);
  CHECK_MEM(joined, frame, len);
  CHECK(most - least <= 1);
  CHECK_EQ(rtc_split_next(&s, out, max, &last), 0);
  CHECK(!last);
  free(frame);
  free(joined);
  free(out);
}

static void test_split_vp8(void) {
  static const size_t maxes[] = {64, 65, 100, 1000, 1188, 1200};
  static const uint32_t ids[] = {0, 1, 127, 128, 0x7fff, 0x8000, 65535, 0xffffffff};
  for (size_t m = 0; m < sizeof maxes / sizeof *maxes; m++) {
    size_t room = maxes[m] - 4;
    for (size_t k = 1; k <= 5; k++) {
      for (size_t off = 0; off < 3; off++) split_vp8(k * room - 1 + off, maxes[m], ids[(k + off) % 8], k % 2);
    }
    for (int i = 0; i < 100; i++) split_vp8(1 + below(20000), maxes[m], below(1 << 16), below(2));
    split_vp8(1, maxes[m], ids[m], true);
  }
}

static void test_split_bytes(void) {
  uint8_t frame[5] = {1, 2, 3, 4, 5}, out[64];
  rtc_split_t s;
  bool last = false;
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, frame, 5, 64, 0x1234, false), 0);
  CHECK_EQ(rtc_split_next(&s, out, 8, &last), RTC_ENOBUFS); /* nothing has changed */
  CHECK(!last);
  CHECK_EQ(rtc_split_next(&s, out, 9, &last), 9);
  CHECK(last);
  uint8_t want[9];
  check_hex(want, 9, "90 80 9234 0102030405");
  CHECK_MEM(out, want, 9);
}

/* Descriptors by hand (RFC 9628 §4.2), and what comes back. */
static void test_split_vp9(void) {
  static const struct {
    uint8_t first; /* of the frame: profile, show_existing_frame, frame_type */
    bool key;
  } t[] = {{0x82, true}, {0x86, false}, {0x8a, false}, {0xa2, true}, {0x92, true}, {0xb0, true}, {0xb2, false}, {0xb4, false}};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    for (size_t len = 1; len < 4000; len += 1 + len / 3) {
      uint8_t frame[4000], out[1200], joined[4000];
      for (size_t k = 1; k < len; k++) frame[k] = (uint8_t)below(256);
      frame[0] = t[i].first;
      size_t head = t[i].key ? 3 : 4, count = (len + 1199 - head) / (1200 - head), got = 0;
      rtc_split_t s;
      rtc_join_t j;
      bool last = false;
      CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP9, frame, len, 1200, 0x12345, false), 0);
      rtc_join_init(&j, RTC_CODEC_VP9, joined, len);
      for (int n; (n = rtc_split_next(&s, out, sizeof out, &last)) > 0; got++) {
        uint8_t want[4] = {(uint8_t)(0x90 | (t[i].key ? 0 : 0x40) | (got ? 0 : 0x08) | (got + 1 < count ? 0 : 0x04)), 0xa3, 0x45, 0x02};
        CHECK_MEM(out, want, head);
        CHECK_EQ(last, got + 1 == count);
        rtc_payload_info_t info = look(RTC_CODEC_VP9, out, (size_t)n);
        CHECK(info.start == (got == 0) && info.key == (got == 0 && t[i].key));
        CHECK_EQ(rtc_join_put(&j, out, (size_t)n), 0);
      }
      CHECK_EQ(got, count);
      CHECK_EQ(rtc_join_end(&j), (int)len);
      CHECK_MEM(joined, frame, len);
    }
  }
}

/* Descriptors that say a layer, by hand (RFC 7741 §4.2, RFC 9628 §4.2), and what comes back of VP8's. */
static void test_split_layers(void) {
  static const struct {
    rtc_codec_t codec;
    uint8_t first; /* of the frame */
    rtc_layer_t layer;
    const char *head, *next; /* of the first payload, and of a later one */
  } t[] = {
      {RTC_CODEC_VP8, 0x10, {.tid = 0, .up = true}, "90 e0 9234 77 00", "80 e0 9234 77 00"},
      {RTC_CODEC_VP8, 0x11, {.tid = 2, .sync = true, .droppable = true}, "b0 e0 9234 77 a0", "a0 e0 9234 77 a0"},
      {RTC_CODEC_VP8, 0x11, {.tid = 1, .refs = 3, .ref = {1, 2, 3}}, "90 e0 9234 77 40", "80 e0 9234 77 40"},
      {RTC_CODEC_VP9, 0x82, {.tid = 0, .up = true}, "b8 9234 10", "b0 9234 10"},
      {RTC_CODEC_VP9,
       0x86,
       {.tid = 2, .up = true, .sync = true, .droppable = true, .refs = 1, .ref = {1}},
       "f8 9234 50 02",
       "f0 9234 50 02"},
      {RTC_CODEC_VP9, 0x86, {.tid = 3, .refs = 3, .ref = {1, 3, 127}}, "f8 9234 60 03 07 fe", "f0 9234 60 03 07 fe"},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    for (size_t len = 1; len < 3000; len += 1 + len / 2) {
      uint8_t frame[3000], out[1000], joined[3000], head[8];
      for (size_t k = 1; k < len; k++) frame[k] = (uint8_t)below(256);
      frame[0] = t[i].first;
      rtc_split_t s;
      rtc_join_t j;
      CHECK_EQ(rtc_split_init(&s, t[i].codec, frame, len, sizeof out, 0x1234, false), 0);
      CHECK_EQ(rtc_split_layer(&s, &t[i].layer, 0x77), 0);
      rtc_join_init(&j, t[i].codec, joined, len);
      size_t n_head = check_hex(head, sizeof head, t[i].head), got = 0, want = (len + sizeof out - n_head - 1) / (sizeof out - n_head);
      bool last = false;
      for (int n; (n = rtc_split_next(&s, out, sizeof out, &last)) > 0; got++) {
        check_hex(head, sizeof head, got ? t[i].next : t[i].head);
        if (t[i].codec == RTC_CODEC_VP9 && last) head[0] |= 0x04;
        CHECK_MEM(out, head, n_head);
        CHECK_EQ(rtc_join_put(&j, out, (size_t)n), 0);
        rtc_vp8_desc_t d;
        if (t[i].codec != RTC_CODEC_VP8) continue;
        CHECK_EQ(rtc_vp8_parse(&d, out, (size_t)n), 0);
        CHECK(d.len == n_head && d.has_tl0 && d.tl0 == 0x77 && d.has_tid && d.tid == t[i].layer.tid && !d.has_keyidx);
        CHECK(d.layer_sync == t[i].layer.sync && d.non_ref == t[i].layer.droppable && d.picture_id == 0x1234 && d.start == (got == 0));
      }
      CHECK_EQ(got, want);
      CHECK_EQ(rtc_join_end(&j), (int)len);
      CHECK_MEM(joined, frame, len);
    }
  }
}

static void test_split_layers_refuses(void) {
  static const struct {
    rtc_codec_t codec;
    uint8_t first;
    rtc_layer_t layer;
  } t[] = {
      {RTC_CODEC_VP8, 0x10, {.tid = 4}},
      {RTC_CODEC_VP8, 0x10, {.refs = 4}},
      {RTC_CODEC_VP9, 0x86, {.refs = 1, .ref = {0}}},
      {RTC_CODEC_VP9, 0x86, {.refs = 1, .ref = {128}}},
      {RTC_CODEC_VP9, 0x86, {.refs = 0}},             /* no key frame, and made of nothing */
      {RTC_CODEC_VP9, 0x82, {.refs = 1, .ref = {1}}}, /* the reverse */
      {RTC_CODEC_OPUS, 0, {.tid = 0}},
  };
  uint8_t frame[100] = {0}, out[100];
  rtc_split_t s;
  bool last;
  static const rtc_layer_t lowest = {.tid = 0};
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    frame[0] = t[i].first;
    CHECK_EQ(rtc_split_init(&s, t[i].codec, frame, sizeof frame, 1000, 0, false), 0);
    CHECK_EQ(rtc_split_layer(&s, &t[i].layer, 0), RTC_EINVAL);
    CHECK_EQ(s.left, 1); /* as it was */
    CHECK(!s.layered);
  }
  frame[0] = 0x10;
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, frame, sizeof frame, 64, 0, false), 0);
  CHECK(rtc_split_next(&s, out, sizeof out, &last) > 0);
  CHECK_EQ(rtc_split_layer(&s, &lowest, 0), RTC_EINVAL); /* a payload is out already */
  static uint8_t large[65535 * 60];
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, large, sizeof large, 64, 0, false), 0);
  CHECK_EQ(rtc_split_layer(&s, &lowest, 0), RTC_EINVAL); /* with two bytes more in each they are too many */
}

static void test_split_opus(void) {
  uint8_t frame[1500], out[1500];
  for (size_t i = 0; i < sizeof frame; i++) frame[i] = (uint8_t)i;
  for (size_t len = 1; len <= 1200; len++) {
    rtc_split_t s;
    bool last = false;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_OPUS, frame, len, 1200, 0, true), 0);
    CHECK_EQ(rtc_split_next(&s, out, len - 1, &last), RTC_ENOBUFS);
    CHECK_EQ(rtc_split_next(&s, out, len, &last), len);
    CHECK(last);
    CHECK_MEM(out, frame, len);
    CHECK_EQ(rtc_split_next(&s, out, sizeof out, &last), 0);
  }
}

static void test_split_refuses(void) {
  static uint8_t frame[70000];
  rtc_split_t s;
  static const struct {
    int codec;
    size_t len, max;
  } t[] = {
      {RTC_CODEC_VP8, 0, 1200},
      {RTC_CODEC_VP8, 10, 63},
      {RTC_CODEC_VP8, 10, 0},
      {RTC_CODEC_OPUS, 0, 1200},
      {RTC_CODEC_OPUS, 1201, 1200},
      {RTC_CODEC_NONE, 10, 1200},
      {RTC_CODEC_VP9, 0, 1200},
      {RTC_CODEC_VP9, 65535u * 61 + 1, 64},
      {RTC_CODEC_H264, 0, 1200},
      {RTC_CODEC_H264, 10, 1200}, /* zeros: no unit */
      {RTC_CODEC_H265, 10, 1200},
      {RTC_CODEC_AV1, 10, 1200}, /* OBUs without sizes */
      {RTC_CODEC_COUNT, 10, 1200},
      {-1, 10, 1200},
      {RTC_CODEC_VP8, 65535u * 60 + 1, 64},
      {RTC_CODEC_VP8, SIZE_MAX, 1200},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++)
    CHECK_EQ(rtc_split_init(&s, (rtc_codec_t)t[i].codec, frame, t[i].len, t[i].max, 0, true), RTC_EINVAL);
  CHECK_EQ(rtc_split_init(&s, RTC_CODEC_VP8, frame, 65535u * 60, 64, 0, true), 0); /* as many as there may be */
  CHECK_EQ(s.left, 65535);
}

int main(void) {
  RUN(test_vp8_look);
  RUN(test_vp8_parse);
  RUN(test_vp9_look);
  RUN(test_h264_look);
  RUN(test_h265_look);
  RUN(test_av1_look);
  RUN(test_opus_and_others);
  RUN(test_split_vp8);
  RUN(test_split_bytes);
  RUN(test_split_vp9);
  RUN(test_split_layers);
  RUN(test_split_layers_refuses);
  RUN(test_split_opus);
  RUN(test_split_refuses);
  return CHECK_END();
}
