/* Splitting AV1: payloads written by hand from the payload format's §4.4 and §5, units of chance against the OBUs they were made of. */
#include "check.h"
#include "wire/payload/payload.h"

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

enum { OBUS_MAX = 12, STREAM_MAX = OBUS_MAX * 5010 };

/* want: the payloads, with a bar between them; NULL: refused. */
typedef struct row {
  const char *frame;
  size_t max;
  const char *want;
} row_t;

#define TEN "00010203040506070809"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const row_t table[] = {
    {"32 02 3011", 1200, "10 30 3011"},
    {"12 00 32 02 3011", 1200, "10 30 3011"},                                 /* no delimiter */
    {"12 00 0a 02 0000 32 02 1011", 1200, "28 03 080000 30 1011"},            /* N: a sequence and its key frame */
    {"0a 02 0000 1a 02 1011 22 01 ff", 1200, "38 03 080000 03 181011 20 ff"}, /* header and tiles apart */
    {"0a 02 0800 32 02 ff11", 1200, "28 03 080800 30 ff11"},                  /* still pictures */
    {"0a 02 0000 32 02 3011", 1200, "20 03 080000 30 3011"},                  /* a frame that is no key */
    {"0a 02 0000 32 02 9011", 1200, "20 03 080000 30 9011"},                  /* shown again */
    {"32 02 1011", 1200, "10 30 1011"},                                       /* no sequence header */
    {"0a 02 0000", 1200, "10 08 0000"},                                       /* nor a frame */
    {"36 08 02 3011", 1200, "10 34 08 3011"},                                 /* an extension */
    {"32 82 80 00 3011", 1200, "10 30 3011"},                                 /* a size that is longer than need be */
    {"2a 00", 1200, "10 28"},                                                 /* an OBU of its header alone */
    {"2a 00 2a 00 2a 00 32 01 30", 1200, "00 01 28 01 28 01 28 02 30 30"},    /* more than three: all have lengths */
    {"7a 03 000000 42 02 0000 32 01 30 12 00", 1200, "10 30 30"},             /* padding, a tile list */
    {"32 3e" SIXTY "3c 3d", 64, "10 30" SIXTY "3c 3d"},                       /* of just the size */
    {"2a 01 aa 32 3c" SIXTY, 64, "60 02 28aa 30" TEN TEN TEN TEN TEN "000102030405060708 | 90 09"},
    {"", 1200, NULL},
    {"12 00", 1200, NULL},   /* nothing is left */
    {"30 3011", 1200, NULL}, /* no size */
    {"32 03 3011", 1200, NULL},
    {"32 02 3011 32", 1200, NULL},
    {"32 02 3011 36 08", 1200, NULL},
    {"b2 02 3011", 1200, NULL}, /* damaged */
    {"32 ff ff ff ff ff ff ff ff 00", 1200, NULL},
    {"32 02 3011", 63, NULL},
};

static void by_hand(void) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const row_t *row = &table[i];
    uint8_t frame[256], want[256], out[1200];
    size_t len = check_hex(frame, sizeof frame, row->frame);
    uint8_t *heap = malloc(len ? len : 1);
    if (len) memcpy(heap, frame, len);
    rtc_split_t s;
    int err = rtc_split_init(&s, RTC_CODEC_AV1, heap, len, row->max, 0, true);
    if ((err < 0) != !row->want) fprintf(stderr, "%s: %d\n", row->frame, err);
    CHECK_EQ(err, row->want ? 0 : RTC_EINVAL);
    bool last = err < 0;
    for (const char *at = row->want; !last && at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
      char one[256];
      snprintf(one, sizeof one, "%.*s", (int)strcspn(at, "|"), at);
      size_t n = check_hex(want, sizeof want, one);
      CHECK_EQ(rtc_split_next(&s, out, n - 1, &last), RTC_ENOBUFS);
      CHECK(!last);
      CHECK_EQ(rtc_split_next(&s, out, n, &last), n);
      CHECK_MEM(out, want, n);
      CHECK_EQ(last, !strchr(at, '|'));
    }
    if (err == 0) CHECK_EQ(rtc_split_next(&s, out, sizeof out, &last), 0);
    free(heap);
  }
}

/* Payloads of one OBU: full but for the evening out, as many as are needed. */
static void in_parts(void) {
  static uint8_t frame[4 + 30000], joined[sizeof frame];
  for (size_t n = 200; n < 30000; n += 1 + below(200)) {
    frame[0] = 0x32;
    frame[1] = (uint8_t)(n | 0x80);
    frame[2] = (uint8_t)(n >> 7);
    size_t head = n < 16384 ? 3 : 4;
    if (head == 4) frame[2] |= 0x80, frame[3] = (uint8_t)(n >> 14);
    size_t len = head + n, max = 64 + below(1300), most = 0, least = SIZE_MAX;
    for (size_t i = head; i < len; i++) frame[i] = (uint8_t)below(256);
    rtc_split_t s;
    rtc_join_t j;
    uint8_t out[1400];
    bool last = false;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_AV1, frame, len, max, 0, false), 0);
    size_t count = (n + 1 + max - 2) / (max - 1);
    CHECK_EQ(s.left, count);
    rtc_join_init(&j, RTC_CODEC_AV1, joined, sizeof joined);
    for (int got; (got = rtc_split_next(&s, out, max, &last)) > 0;) {
      CHECK_EQ(rtc_join_put(&j, out, (size_t)got), 0);
      if ((size_t)got > most) most = (size_t)got;
      if ((size_t)got < least) least = (size_t)got;
    }
    CHECK_EQ(rtc_join_end(&j), (int)len);
    CHECK_MEM(joined, frame, len);
    if (most > 64) CHECK(most - least <= count);
  }
}

/* OBUs of chance, with extensions, delimiters and padding among them. */
static void of_chance(void) {
  static uint8_t stream[STREAM_MAX], want[STREAM_MAX], joined[STREAM_MAX];
  for (int round = 0; round < 3000; round++) {
    size_t len = 0, wanted = 0, count = 1 + below((uint32_t)OBUS_MAX), max = 64 + below(1300);
    for (size_t i = 0; i < count; i++) {
      size_t n = below(4) ? below(90) : below(5000), at = len;
      uint8_t type = (uint8_t)(i ? below(16) : 6);
      stream[len++] = (uint8_t)((uint32_t)type << 3 | below(2) << 2 | 2 | below(2));
      if (stream[at] & 4) stream[len++] = (uint8_t)below(256);
      if (n > 127) stream[len++] = (uint8_t)(n | 0x80);
      stream[len++] = (uint8_t)(n > 127 ? n >> 7 : n);
      for (size_t k = 0; k < n; k++) stream[len++] = (uint8_t)below(256);
      if (type == 2 || type == 8 || type == 15) continue;
      memcpy(want + wanted, stream + at, len - at);
      wanted += len - at;
    }
    uint8_t *heap = malloc(len), *out = malloc(max);
    memcpy(heap, stream, len);
    rtc_split_t s;
    rtc_join_t j;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_AV1, heap, len, max, 0, false), 0);
    rtc_join_init(&j, RTC_CODEC_AV1, joined, sizeof joined);
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
    CHECK(payloads <= 1 + bytes / (max / 2)); /* each is filled */
    free(heap);
    free(out);
  }
}

static void as_many_as_there_may_be(void) {
  enum { PARTS = 65535, ROOM = 63, HEAD = 5 };
  static uint8_t frame[HEAD + PARTS * ROOM];
  rtc_split_t s;
  for (size_t more = 0; more < 2; more++) {
    size_t n = PARTS * ROOM - 1 + more;
    for (size_t i = 0; i < 4; i++) frame[1 + i] = (uint8_t)(n >> (7 * i) | (i < 3 ? 0x80 : 0));
    frame[0] = 0x32;
    CHECK_EQ(rtc_split_init(&s, RTC_CODEC_AV1, frame, HEAD + n, 64, 0, true), more ? RTC_EINVAL : 0);
    if (!more) CHECK_EQ(s.left, PARTS);
  }
}

int main(void) {
  RUN(by_hand);
  RUN(in_parts);
  RUN(of_chance);
  RUN(as_many_as_there_may_be);
  return CHECK_END();
}
