#include "wire/rtpext.h"

#include "check.h"

static uint64_t state = 88172645463325252u;
static uint32_t rnd(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 24);
}

/* Kind k at id k + 1: ids 1 to 14, which the one-byte form has; kinds beyond have none. */
static rtc_extmap_t plain_map(void) {
  rtc_extmap_t m;
  rtc_extmap_init(&m);
  for (int k = 0; k < 14; k++) CHECK_EQ(rtc_extmap_set(&m, (rtc_ext_t)k, (uint8_t)(k + 1)), 0);
  return m;
}

/* Reads from a buffer of exactly n bytes. Slices are given as offsets by *at, since the buffer is gone afterwards. */
static void parse_exact(rtc_ext_view_t *v, size_t at[RTC_EXT_COUNT], uint16_t profile, const uint8_t *p, size_t n, const rtc_extmap_t *m) {
  uint8_t *q = malloc(n ? n : 1);
  if (n) memcpy(q, p, n);
  memset(v, 0x5a, sizeof *v);
  rtc_rtpext_parse(v, profile, q, n, m);
  for (int k = 0; k < RTC_EXT_COUNT; k++) {
    if (!rtc_ext_has(v, (rtc_ext_t)k)) {
      CHECK(v->p[k] == NULL && v->len[k] == 0);
      continue;
    }
    at[k] = (size_t)(v->p[k] - q);
    CHECK(v->p[k] > q && at[k] + v->len[k] <= n);
  }
  CHECK_EQ(v->have >> RTC_EXT_COUNT, 0);
  free(q);
}

static void the_map_goes_both_ways(void) {
  rtc_extmap_t m;
  rtc_extmap_init(&m);
  for (int i = 0; i < 256; i++) CHECK_EQ(m.kind_of[i], RTC_EXT_UNKNOWN);
  for (int k = 0; k < RTC_EXT_COUNT; k++) CHECK_EQ(m.id_of[k], 0);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, 0), RTC_EINVAL);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_COUNT, 1), RTC_EINVAL);
  CHECK_EQ(rtc_extmap_set(&m, (rtc_ext_t)RTC_EXT_UNKNOWN, 1), RTC_EINVAL);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, 4), 0);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, 4), 0);
  CHECK_EQ(m.kind_of[4], RTC_EXT_MID);
  CHECK_EQ(m.id_of[RTC_EXT_MID], 4);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, 5), 0); /* the kind moves */
  CHECK_EQ(m.kind_of[4], RTC_EXT_UNKNOWN);
  CHECK_EQ(m.kind_of[5], RTC_EXT_MID);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_TWCC, 5), 0); /* the id moves */
  CHECK_EQ(m.id_of[RTC_EXT_MID], 0);
  CHECK_EQ(m.id_of[RTC_EXT_TWCC], 5);
  CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, 255), 0);
  CHECK_EQ(m.kind_of[255], RTC_EXT_MID);
}

static void kinds_by_uri(void) {
#define URI(name, uri) {RTC_EXT_##name, uri},
  static const struct {
    int kind;
    const char *uri;
  } all[] = {RTC_EXTS(URI)};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    size_t n = strlen(all[i].uri);
    CHECK_EQ(rtc_ext_of_uri(all[i].uri, n), all[i].kind);
    CHECK_EQ(rtc_ext_of_uri(all[i].uri, n - 1), RTC_EXT_UNKNOWN);
    CHECK_EQ(rtc_ext_of_uri(all[i].uri, n + 1), RTC_EXT_UNKNOWN);
  }
  CHECK_EQ(rtc_ext_of_uri("", 0), RTC_EXT_UNKNOWN);
}

/* What is found, as "id:offset+length" in order of id. */
static void examples(void) {
  static const struct {
    const char *what;
    uint16_t profile;
    const char *bytes, *want;
  } rows[] = {
      {"RFC 8285 §4.2's shape", 0xbede, "10aa 21bbbb 0000 33cccccccc", "1:1+1 2:3+2 3:8+4 "},
      {"16 bytes, the longest of the one-byte form", 0xbede, "4f 000102030405060708090a0b0c0d0e0f 000000", "4:1+16 "},
      {"id 15 ends it", 0xbede, "10aa f0bb 20cc", "1:1+1 "},
      {"id 15 ends it, whatever its length", 0xbede, "10aa ff 20cc00", "1:1+1 "},
      {"id 0 with a length ends it (§4.1.2)", 0xbede, "10aa 01bbbb 20cc 00", "1:1+1 "},
      {"the last element does not fit", 0xbede, "10aa 23bbbb", "1:1+1 "},
      {"nothing after the last head", 0xbede, "10aa 20", "1:1+1 "},
      {"an id that comes twice", 0xbede, "10aa 11bbbb 00", "1:3+2 "},
      {"all padding", 0xbede, "00000000 00000000", ""},
      {"no bytes", 0xbede, "", ""},
      {"two-byte form", 0x1000, "01 01 aa 02 00 00 03 03 bbbbbb 00", "1:2+1 2:5+0 3:8+3 "},
      {"two-byte form, ids over 14 are known ones or skipped", 0x1000, "0f 01 aa ff 02 bbbb 01 01 cc 00", "1:9+1 "},
      {"two-byte form with appbits", 0x100f, "01 01 aa 00", "1:2+1 "},
      {"two-byte form: a lone id", 0x1000, "01 01 aa 02", "1:2+1 "},
      {"two-byte form: too long by one", 0x1000, "01 01 aa 02 02 bb", "1:2+1 "},
      {"two-byte form: empty at the very end", 0x1000, "01 01 aa 00 00 00 02 00", "1:2+1 2:8+0 "},
      {"other profiles", 0xbedf, "10aa0000", ""},
      {"other profiles", 0x1010, "0101aa00", ""},
      {"other profiles", 0x0fff, "0101aa00", ""},
      {"other profiles", 0x0000, "0101aa00", ""},
  };
  rtc_extmap_t m = plain_map();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t p[64];
    char got[200] = "";
    size_t at[RTC_EXT_COUNT], n = check_hex(p, sizeof p, rows[i].bytes);
    rtc_ext_view_t v;
    parse_exact(&v, at, rows[i].profile, p, n, &m);
    for (int k = 0; k < RTC_EXT_COUNT; k++)
      if (rtc_ext_has(&v, (rtc_ext_t)k)) sprintf(got + strlen(got), "%d:%zu+%d ", k + 1, at[k], v.len[k]);
    if (strcmp(got, rows[i].want) != 0) fprintf(stderr, "%s: %s\n", rows[i].what, got);
    CHECK(strcmp(got, rows[i].want) == 0);
  }
}

static void random_bytes_at_every_length(void) {
  rtc_extmap_t m = plain_map();
  size_t at[RTC_EXT_COUNT];
  int found = 0;
  for (size_t n = 0; n <= 64; n++)
    for (int round = 0; round < 1000; round++) {
      uint8_t p[64];
      rtc_ext_view_t v;
      for (size_t i = 0; i < n; i++) p[i] = round % 2 ? (uint8_t)rnd() : (uint8_t)(rnd() & 0x1f);
      parse_exact(&v, at, round % 4 < 2 ? 0xbede : 0x1000, p, n, &m);
      found += v.have != 0;
    }
  CHECK(found > 10000);
}

static void nothing_to_write(void) {
  rtc_extmap_t m = plain_map(), none;
  rtc_extmap_init(&none);
  rtc_ext_view_t v;
  memset(&v, 0, sizeof v);
  uint8_t out[8], big[20] = {0};
  uint16_t at[RTC_EXT_COUNT];
  CHECK_EQ(rtc_rtpext_write(out, sizeof out, &v, &m, true, NULL), 0);
  CHECK_EQ(rtc_rtpext_write(out, 0, &v, &m, true, NULL), 0);
  rtc_ext_put(&v, RTC_EXT_RID, big, 17);
  memset(at, 0x5a, sizeof at);
  CHECK_EQ(rtc_rtpext_write(out, sizeof out, &v, &none, true, at), 0); /* not mapped */
  CHECK_EQ(rtc_rtpext_write(out, sizeof out, &v, &m, false, at), 0);   /* does not fit the one-byte form */
  for (int k = 0; k < RTC_EXT_COUNT; k++) CHECK_EQ(at[k], 0);
}

static void the_form_is_chosen(void) {
  static const struct {
    uint8_t id, len;
    bool allow_two;
    uint16_t profile; /* 0: left out */
  } rows[] = {{1, 1, true, 0xbede},  {14, 16, true, 0xbede}, {14, 17, true, 0x1000},   {14, 0, true, 0x1000},
              {15, 1, true, 0x1000}, {16, 1, true, 0x1000},  {255, 255, true, 0x1000}, {14, 16, false, 0xbede},
              {14, 17, false, 0},    {14, 0, false, 0},      {15, 1, false, 0},        {255, 1, false, 0}};
  uint8_t data[255], out[300];
  for (int i = 0; i < 255; i++) data[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_extmap_t m;
    rtc_extmap_init(&m);
    CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_MID, rows[i].id), 0);
    CHECK_EQ(rtc_extmap_set(&m, RTC_EXT_TWCC, 7), 0);
    rtc_ext_view_t v, back;
    memset(&v, 0, sizeof v);
    rtc_ext_put(&v, RTC_EXT_MID, data, rows[i].len);
    rtc_ext_put(&v, RTC_EXT_TWCC, data + 3, 2);
    int n = rtc_rtpext_write(out, sizeof out, &v, &m, rows[i].allow_two, NULL);
    CHECK(n > 0 && n % 4 == 0);
    uint16_t profile = (uint16_t)(out[0] << 8 | out[1]);
    CHECK_EQ(profile, rows[i].profile ? rows[i].profile : 0xbede);
    CHECK_EQ(out[2] << 8 | out[3], n / 4 - 1);
    rtc_rtpext_parse(&back, profile, out + 4, (size_t)n - 4, &m);
    CHECK_EQ(rtc_ext_has(&back, RTC_EXT_MID), rows[i].profile != 0);
    CHECK(rtc_ext_has(&back, RTC_EXT_TWCC) && back.len[RTC_EXT_TWCC] == 2); /* the other one is there in any case */
    CHECK_MEM(back.p[RTC_EXT_TWCC], data + 3, 2);
  }
}

static void send_times(void) {
  CHECK_EQ(rtc_abs_send_time(0), 0);
  CHECK_EQ(rtc_abs_send_time(1000000), 1 << 18);
  CHECK_EQ(rtc_abs_send_time(63999999), 0xffffff);
  CHECK_EQ(rtc_abs_send_time(64000000), 0); /* wraps every 64 s */
  CHECK_EQ(rtc_abs_send_time(INT64_C(10000000) * 64000000 + 500000), 1 << 17);
}

/* 3GPP TS 26.114 §7.4.5: C is bit 3, F bit 2, R1 and R0 quarters of a turn; bits above are not there yet. */
static void orientations(void) {
  static const struct {
    uint8_t byte;
    bool back, flip;
    uint16_t turn;
  } rows[] = {{0x00, false, false, 0}, {0x01, false, false, 90}, {0x02, false, false, 180}, {0x03, false, false, 270},
              {0x04, false, true, 0},  {0x08, true, false, 0},   {0x09, true, false, 90},   {0x0f, true, true, 270}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_orientation_t o = rtc_orientation_read(rows[i].byte | 0xf0);
    CHECK(o.back == rows[i].back && o.flip == rows[i].flip);
    CHECK_EQ(o.turn, rows[i].turn);
    CHECK_EQ(rtc_orientation_byte(o), rows[i].byte);
  }
}

int main(void) {
  RUN(the_map_goes_both_ways);
  RUN(kinds_by_uri);
  RUN(examples);
  RUN(random_bytes_at_every_length);
  RUN(nothing_to_write);
  RUN(the_form_is_chosen);
  RUN(send_times);
  RUN(orientations);
  return CHECK_END();
}
