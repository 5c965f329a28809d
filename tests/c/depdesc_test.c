#include "wire/depdesc.h"

#include "check.h"

static rtc_depdesc_structure_t known;

/* Parses from a block of exactly n bytes. */
static int parse(rtc_depdesc_t *d, rtc_depdesc_structure_t *s, const uint8_t *p, size_t n) {
  uint8_t *q = malloc(n ? n : 1);
  if (n) memcpy(q, p, n);
  int err = rtc_depdesc_parse(d, s, q, n);
  free(q);
  return err;
}

static int parse_hex(rtc_depdesc_t *d, rtc_depdesc_structure_t *s, const char *hex) {
  uint8_t p[256];
  return parse(d, s, p, check_hex(p, sizeof p, hex));
}

/* As Chrome sends AV1 in nine layers: three sizes, three rates. */
static const char chrome[] =
    "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820ac1282503157f974000ca864"
    "330e222222eca8655304224230eca877530077004200ef008601df010d";

static void a_browser_s(void) {
  rtc_depdesc_t d;
  memset(&known, 0, sizeof known);
  CHECK_EQ(parse_hex(&d, &known, chrome), 0);
  CHECK(d.start && d.end && d.key && d.placed);
  CHECK_EQ(d.number, 0x0172);
  CHECK_EQ(d.active, 0x1ff);
  CHECK_EQ(known.target_n, 9);
  CHECK_EQ(known.chain_n, 3);
  CHECK_EQ(known.spatial_n, 3);
  CHECK(known.sized);
  const uint32_t width[] = {120, 240, 480}, height[] = {67, 135, 270};
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(known.width[i], width[i]);
    CHECK_EQ(known.height[i], height[i]);
  }
  CHECK_EQ(d.frame.spatial, 0);
  CHECK_EQ(d.frame.temporal, 0);
  CHECK_EQ(d.frame.diff_n, 0);
  /* The frames after it, in another size, and which targets are sent. */
  static const struct {
    const char *hex;
    int start, end, number, spatial, diffs;
  } rows[] = {
      {"86017340fc", 1, 0, 0x173, 1, 1}, {"46017340fc", 0, 1, 0x173, 1, 1}, {"860173", 1, 0, 0x173, 1, 1}, {"0b0174", 0, 0, 0x174, 2, 1}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    CHECK_EQ(parse_hex(&d, &known, rows[i].hex), 0);
    CHECK(d.placed && !d.key);
    CHECK_EQ(d.start, rows[i].start);
    CHECK_EQ(d.end, rows[i].end);
    CHECK_EQ(d.number, rows[i].number);
    CHECK_EQ(d.frame.spatial, rows[i].spatial);
    CHECK_EQ(d.frame.diff_n, rows[i].diffs);
    CHECK_EQ(d.has_active, strlen(rows[i].hex) > 6);
  }
}

static void bits_by_hand(void) {
  rtc_depdesc_structure_t s;
  rtc_depdesc_t d = {.start = true, .end = true, .number = 1, .key = true};
  uint8_t out[32], want[32];
  rtc_depdesc_layers(&s, 1, (rtc_picture_size_t){0, 0});
  rtc_depdesc_place(&d.frame, &s, true, NULL, 0);
  size_t n = check_hex(want, sizeof want, "c00001 80003a410100");
  CHECK_EQ(rtc_depdesc_write(&d, &s, out, sizeof out), n);
  CHECK_MEM(out, want, n);
  d = (rtc_depdesc_t){.start = true, .number = 0xffff};
  rtc_depdesc_place(&d.frame, &s, false, NULL, 1);
  n = check_hex(want, sizeof want, "81ffff");
  CHECK_EQ(rtc_depdesc_write(&d, &s, out, sizeof out), n);
  CHECK_MEM(out, want, n);
}

/* Of the patterns of csrc/codec/layers.c. */
static const rtc_layer_t two[] = {{.tid = 0, .refs = 1, .ref = {2}}, {.tid = 1, .sync = true, .droppable = true, .refs = 1, .ref = {1}}};
static const rtc_layer_t three[] = {{.tid = 0, .refs = 1, .ref = {4}},
                                    {.tid = 2, .sync = true, .droppable = true, .refs = 1, .ref = {1}},
                                    {.tid = 1, .sync = true, .refs = 1, .ref = {2}},
                                    {.tid = 2, .droppable = true, .refs = 2, .ref = {1, 3}}};

static void our_layers(void) {
  static const struct {
    uint8_t layers, period;
    const rtc_layer_t *pattern;
  } rows[] = {{1, 1, NULL}, {2, 2, two}, {3, 4, three}};
  for (size_t r = 0; r < 3; r++) {
    for (int sized = 0; sized < 2; sized++) {
      rtc_depdesc_structure_t s, got = {0};
      rtc_depdesc_layers(&s, rows[r].layers, sized ? (rtc_picture_size_t){1280, 720} : (rtc_picture_size_t){0, 0});
      for (uint16_t i = 0; i < 9; i++) {
        rtc_depdesc_t d = {.start = true, .number = i, .key = i == 0}, e;
        const rtc_layer_t *l = rows[r].pattern ? &rows[r].pattern[i % rows[r].period] : NULL;
        rtc_depdesc_place(&d.frame, &s, i == 0, l, (uint16_t)(i % rows[r].period ? i % rows[r].period : rows[r].period));
        uint8_t out[64];
        int n = rtc_depdesc_write(&d, &s, out, sizeof out);
        CHECK(n >= RTC_DEPDESC_SHORT);
        if (i == 0) CHECK(n <= RTC_DEPDESC_ONE_BYTE || (rows[r].layers == 3 && sized));
        if (i && !(rows[r].layers == 3 && i % 4 == 3)) CHECK_EQ(n, RTC_DEPDESC_SHORT); /* a template says it all */
        CHECK_EQ(parse(&e, &got, out, (size_t)n), 0);
        CHECK(e.placed);
        CHECK_EQ(e.frame.temporal, l && i ? l->tid : 0);
        CHECK_EQ(e.frame.diff_n, i == 0 ? 0 : l ? l->refs : 1);
        for (int k = 0; k < e.frame.diff_n; k++) CHECK_EQ(e.frame.diff[k], l ? l->ref[k] : 1);
        for (int t = 0; t < got.target_n; t++) CHECK((e.frame.dti[t] == RTC_DTI_NOT_PRESENT) == (t < e.frame.temporal));
        CHECK_EQ(got.sized, sized);
        CHECK_EQ(got.target_n, rows[r].layers);
        if (sized) CHECK(got.width[0] == 1280 && got.height[0] == 720);
      }
    }
  }
}

static void what_no_template_says(void) {
  rtc_depdesc_structure_t s, got;
  rtc_depdesc_layers(&s, 2, (rtc_picture_size_t){0, 0});
  rtc_depdesc_t d = {.start = true, .end = true, .number = 77}, e;
  const rtc_layer_t odd = {.tid = 1, .refs = 3, .ref = {1, 5, 127}};
  rtc_depdesc_place(&d.frame, &s, false, &odd, 200);
  d.has_active = true;
  d.active = 2;
  uint8_t out[64];
  int n = rtc_depdesc_write(&d, &s, out, sizeof out);
  CHECK(n > RTC_DEPDESC_SHORT);
  got = s;
  CHECK_EQ(parse(&e, &got, out, (size_t)n), 0);
  CHECK_EQ(e.active, 2);
  CHECK_EQ(e.frame.diff_n, 3);
  CHECK_EQ(e.frame.diff[2], 127);
  CHECK_EQ(e.frame.dti[0], RTC_DTI_NOT_PRESENT);
  CHECK_EQ(e.frame.dti[1], RTC_DTI_REQUIRED);
  CHECK_EQ(e.frame.chain[0], 200);
  for (int cap = 0; cap < n; cap++) CHECK_EQ(rtc_depdesc_write(&d, &s, out, (size_t)cap), RTC_ENOBUFS);
  d.frame.diff[1] = 4096;
  CHECK(rtc_depdesc_write(&d, &s, out, sizeof out) > n);
  d.frame.diff[1] = 4097;
  CHECK_EQ(rtc_depdesc_write(&d, &s, out, sizeof out), RTC_EINVAL);
  d.frame.diff[1] = 5;
  d.frame.temporal = 2;
  CHECK_EQ(rtc_depdesc_write(&d, &s, out, sizeof out), RTC_EINVAL);
  d.frame.temporal = 1;
  s.template[1].diff[0] = 17;
  CHECK_EQ(rtc_depdesc_write(&d, &s, out, sizeof out), RTC_EINVAL);
  /* A layer above those that were said of is the highest of them. */
  rtc_depdesc_layers(&s, 2, (rtc_picture_size_t){0, 0});
  rtc_depdesc_place(&d.frame, &s, false, &(rtc_layer_t){.tid = 3, .refs = 1, .ref = {1}}, 3);
  CHECK_EQ(d.frame.temporal, 1);
}

static void without_a_structure(void) {
  rtc_depdesc_t d;
  memset(&known, 0, sizeof known);
  CHECK_EQ(parse_hex(&d, &known, "c3017540fc"), 0);
  CHECK(d.start && d.end && !d.key && !d.placed);
  CHECK_EQ(d.number, 0x175);
  CHECK_EQ(d.frame.diff_n, 0);
  CHECK_EQ(parse_hex(&d, &known, "c30175"), 0);
  CHECK(!d.placed);
}

static void what_is_cut_off(void) {
  uint8_t p[256];
  size_t n = check_hex(p, sizeof p, chrome);
  rtc_depdesc_t d;
  static rtc_depdesc_structure_t before;
  rtc_depdesc_layers(&before, 3, (rtc_picture_size_t){64, 64});
  for (size_t k = 0; k < n; k++) {
    known = before;
    if (k == RTC_DEPDESC_SHORT) continue; /* a whole one */
    CHECK_EQ(parse(&d, &known, p, k), RTC_EPROTO);
    CHECK_MEM(&known, &before, sizeof known);
  }
}

static void what_is_too_much(void) {
  rtc_depdesc_t d;
  memset(&known, 0, sizeof known);
  /* More templates than ids; a fifth size; a ninth rate. */
  CHECK_EQ(parse_hex(&d, &known, "800001 8000 000000000000000000000000000000000000000000000000"), RTC_EPROTO);
  CHECK_EQ(parse_hex(&d, &known, "800001 8000 2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), RTC_EPROTO);
  CHECK_EQ(parse_hex(&d, &known, "800001 8000 155555555555555555ffffffffffffff"), RTC_EPROTO);
  CHECK_EQ(known.template_n, 0);
  /* A template that the structure does not have. */
  rtc_depdesc_layers(&known, 1, (rtc_picture_size_t){0, 0});
  CHECK_EQ(parse_hex(&d, &known, "820001"), RTC_EPROTO);
  /* Frames that one depends on, one more than there is room for. */
  CHECK_EQ(parse_hex(&d, &known, "810001 12082082082080"), 0);
  CHECK_EQ(d.frame.diff_n, RTC_DEPDESC_DIFFS);
  CHECK_EQ(parse_hex(&d, &known, "810001 1208208208208200"), RTC_EPROTO);
}

int main(void) {
  RUN(a_browser_s);
  RUN(bits_by_hand);
  RUN(our_layers);
  RUN(what_no_template_says);
  RUN(without_a_structure);
  RUN(what_is_cut_off);
  RUN(what_is_too_much);
  return CHECK_END();
}
