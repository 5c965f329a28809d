#include "wire/rtcp.h"

#include "check.h"

static uint32_t seed = 1;
static uint32_t rnd(void) { return seed = seed * 1664525u + 1013904223u, seed >> 8; }

/* Bytes on the heap in their exact size, so that a sanitizer sees any read past them. */
typedef struct exact {
  uint8_t *p;
  size_t n;
} exact_t;
static exact_t exact(const void *src, size_t n) {
  exact_t e = {malloc(n ? n : 1), n};
  if (n) memcpy(e.p, src, n);
  return e;
}
static exact_t exact_hex(const char *hex) {
  uint8_t buf[512];
  return exact(buf, check_hex(buf, sizeof buf, hex));
}

static int first(exact_t e, rtc_rtcp_t *b) {
  rtc_rd_t r = rtc_rd(e.p, e.n);
  return rtc_rtcp_next(&r, b);
}

/* Blocks until the end or the first error: "201 206 0", "200 -5". */
static void walk(const char *hex, const char *want) {
  exact_t e = exact_hex(hex);
  rtc_rd_t r = rtc_rd(e.p, e.n);
  rtc_rtcp_t b;
  char got[256] = "";
  int res;
  do {
    res = rtc_rtcp_next(&r, &b);
    snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", *got ? " " : "", res > 0 ? b.type : res);
  } while (res > 0);
  if (strcmp(got, want) != 0) fprintf(stderr, "%s: %s, wanted %s\n", hex, got, want);
  CHECK(strcmp(got, want) == 0);
  CHECK_EQ(rtc_rtcp_next(&r, &b), res); /* the end and an error both stay */
  free(e.p);
}

static void test_walk(void) {
  static const struct {
    const char *hex, *want;
  } t[] = {
      {"", "0"},
      {"80", "-5"},
      {"80c9 00", "-5"},
      {"80c9 0001 00000001", "201 0"},
      {"80c9 0001 00000001 81ce 0002 00000001 00000002", "201 206 0"},
      {"81ce 0002 00000001 00000002", "206 0"}, /* reduced size: no report first */
      {"40c9 0001 00000001", "-5"},             /* version 1 */
      {"80c9 0001 00000001 40c9 0001 00000001", "201 -5"},
      {"80c9 0002 00000001", "-5"}, /* length beyond the packet */
      {"80c9 ffff 00000001", "-5"},
      {"80c9 0000", "-5"}, /* below the least of an RR */
      {"80c8 0005 00000001 00000002 00000003 00000004 00000005", "-5"},
      {"81ce 0001 00000001", "-5"},
      {"81cd 0001 00000001", "-5"},
      {"80cc 0001 00000001", "-5"}, /* APP without a name */
      {"80ca 0000", "202 0"},       /* empty SDES and BYE are allowed */
      {"80cb 0000", "203 0"},
      {"80cf 0001 00000001", "207 0"},
      {"80c0 0000", "0"}, /* unknown types are skipped by their length */
      {"80d0 0001 ffffffff 80c9 0001 00000001", "201 0"},
      {"80d0 0002 ffffffff", "-5"},
      {"80c9 0001 00000001 80ff 0000", "201 0"},
      {"a0c9 0002 00000001 00000004", "201 0"}, /* padding of a word */
      {"a0c9 0002 00000001 00000001", "201 0"}, /* of a byte: libwebrtc does that */
      {"a0c9 0002 00000001 00000000", "-5"},
      {"a0c9 0002 00000001 00000005", "-5"}, /* eats the sender's SSRC */
      {"a0c9 0002 00000001 00000009", "-5"}, /* more than there is */
      {"a0c9 0000", "-5"},
      {"80c9 0001 00000001 00", "201 -5"},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) walk(t[i].hex, t[i].want);
}

static void test_walk_fields(void) {
  rtc_rtcp_t b;
  exact_t e = exact_hex("a1ce 0003 11223344 55667788 00000004");
  CHECK_EQ(first(e, &b), 1);
  CHECK_EQ(b.type, RTC_RTCP_PSFB);
  CHECK_EQ(b.count, RTC_FB_PLI);
  CHECK_EQ(b.ssrc, 0x11223344);
  CHECK_EQ(b.media, 0x55667788);
  CHECK_EQ(b.len, 8);
  CHECK(b.body == e.p + 4);
  free(e.p);
  e = exact_hex("80cb 0001 11223344"); /* a BYE of nobody: its first word is a reason */
  CHECK_EQ(first(e, &b), 1);
  CHECK_EQ(b.ssrc, 0);
  free(e.p);
}

static bool same_rb(const rtc_rb_t *a, const rtc_rb_t *b) {
  return a->ssrc == b->ssrc && a->fraction == b->fraction && a->lost == b->lost && a->highest == b->highest && a->jitter == b->jitter &&
         a->lsr == b->lsr && a->dlsr == b->dlsr;
}

static void test_reports(void) {
  rtc_sr_t sr = {.ssrc = 0xcafebabe, .rtp_ts = 0x80000001, .packets = 7, .octets = 0xfffffff0, .ntp = 0x0123456789abcdefull}, got;
  rtc_rb_t rb[31], back[31];
  static const int32_t lost[] = {0, 1, -1, 0x7fffff, -0x800000};
  for (int i = 0; i < 31; i++) {
    rb[i] = (rtc_rb_t){
        .ssrc = rnd(), .fraction = (uint8_t)rnd(), .lost = lost[i % 5], .highest = rnd(), .jitter = rnd(), .lsr = rnd(), .dlsr = rnd()};
  }
  static const int counts[] = {0, 1, 2, 30, 31};
  for (size_t c = 0; c < 5; c++) {
    for (int is_sr = 0; is_sr < 2; is_sr++) {
      uint8_t buf[1024];
      rtc_wr_t w = rtc_wr(buf, sizeof buf);
      int n = counts[c];
      if (is_sr)
        rtc_rtcp_write_sr(&w, &sr, rb, n);
      else
        rtc_rtcp_write_rr(&w, sr.ssrc, rb, n);
      CHECK(!w.bad);
      CHECK_EQ(rtc_wr_len(&w), (is_sr ? 28 : 8) + 24 * n);
      exact_t e = exact(buf, rtc_wr_len(&w));
      rtc_rtcp_t b;
      CHECK_EQ(first(e, &b), 1);
      CHECK_EQ(b.ssrc, sr.ssrc);
      CHECK_EQ(rtc_rtcp_read_rbs(&b, back, 31), n);
      for (int i = 0; i < n; i++) CHECK(same_rb(&back[i], &rb[i]));
      CHECK_EQ(rtc_rtcp_read_rbs(&b, back, 1), n < 1 ? n : 1);
      CHECK_EQ(rtc_rtcp_read_sr(&b, &got), is_sr ? 0 : RTC_EPROTO);
      if (is_sr) {
        CHECK(got.ssrc == sr.ssrc && got.ntp == sr.ntp && got.rtp_ts == sr.rtp_ts && got.packets == sr.packets && got.octets == sr.octets);
      }
      if (n < 31) { /* one report more than there is */
        e.p[0]++;
        CHECK_EQ(first(e, &b), 1);
        CHECK_EQ(rtc_rtcp_read_rbs(&b, back, 31), RTC_EPROTO);
      }
      free(e.p);
    }
  }
}

static void test_lost_is_clamped(void) {
  rtc_rb_t rb[2] = {{.lost = 0x7fffffff}, {.lost = -0x7fffffff}}, back[2];
  uint8_t buf[64];
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  rtc_rtcp_write_rr(&w, 1, rb, 2);
  rtc_rtcp_t b;
  rtc_rd_t r = rtc_rd(buf, rtc_wr_len(&w));
  CHECK_EQ(rtc_rtcp_next(&r, &b), 1);
  CHECK_EQ(rtc_rtcp_read_rbs(&b, back, 2), 2);
  CHECK_EQ(back[0].lost, 0x7fffff);
  CHECK_EQ(back[1].lost, -0x800000);
}

static void test_sdes(void) {
  char name[300];
  for (size_t len = 0; len <= 256; len++) {
    uint8_t buf[512];
    memset(name, 'x', sizeof name);
    name[len] = 0;
    rtc_wr_t w = rtc_wr(buf, sizeof buf);
    rtc_rtcp_write_sdes_cname(&w, 0x01020304, name);
    if (len == 256) {
      CHECK(w.bad && rtc_wr_len(&w) == 0);
      break;
    }
    size_t n = rtc_wr_len(&w);
    CHECK(!w.bad && n % 4 == 0 && n >= 4 + 6 + len + 1 && n <= 4 + 6 + len + 4);
    exact_t e = exact(buf, n);
    rtc_rtcp_t b;
    uint32_t ssrc = 0;
    const uint8_t *cname = NULL;
    CHECK_EQ(first(e, &b), 1);
    CHECK_EQ(rtc_rtcp_read_cname(&b, &ssrc, &cname), len);
    CHECK_EQ(ssrc, 0x01020304);
    if (len) CHECK_MEM(cname, name, len);
    free(e.p);
  }
}

static void test_sdes_forms(void) {
  static const struct {
    const char *hex;
    int len;
    uint32_t ssrc;
  } t[] = {
      {"81ca 0002 00000009 01 01 61 00", 1, 9},
      {"81ca 0003 00000009 02 01 62 01 01 61 0000", 1, 9},                    /* NAME first */
      {"82ca 0005 00000008 02 01 62 00 00000009 01 01 61 00 00000000", 1, 9}, /* CNAME in the second chunk */
      {"82ca 0004 00000008 00 000000 00000009 01 00", RTC_EPROTO, 0},         /* cut: length says one word more */
      {"81ca 0001 00000009", RTC_EPROTO, 0},                                  /* no end mark */
      {"81ca 0002 00000009 01 02 61 00", 2, 9},                               /* the text may be any byte */
      {"81ca 0002 00000009 01 03 61 00", RTC_EPROTO, 0},                      /* length lies */
      {"81ca 0002 00000009 01 ff 61 00", RTC_EPROTO, 0},
      {"81ca 0002 00000009 02 02 61 00", RTC_EPROTO, 0}, /* item ends the body, no CNAME */
      {"81ca 0002 00000009 02 01 61 01", RTC_EPROTO, 0}, /* type without a length */
      {"82ca 0002 00000009 00 000000", RTC_EPROTO, 0},   /* two chunks promised */
      {"80ca 0002 00000009 01 01 61 00", RTC_EPROTO, 0}, /* none promised */
      {"80c9 0001 00000009", RTC_EPROTO, 0},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    exact_t e = exact_hex(t[i].hex);
    rtc_rtcp_t b;
    uint32_t ssrc = 0;
    const uint8_t *cname = NULL;
    if (first(e, &b) == 1)
      CHECK_EQ(rtc_rtcp_read_cname(&b, &ssrc, &cname), t[i].len);
    else
      CHECK_EQ(t[i].len, RTC_EPROTO);
    CHECK_EQ(ssrc, t[i].ssrc);
    free(e.p);
  }
}

static void test_bye(void) {
  static const struct {
    const char *hex;
    int n;
  } t[] = {
      {"80cb 0000", 0},
      {"81cb 0001 00000005", 1},
      {"82cb 0002 00000005 00000006", 2},
      {"82cb 0001 00000005", RTC_EPROTO}, /* a source is missing */
      {"9fcb 0001 00000005", RTC_EPROTO},
      {"81cb 0002 00000005 03 627965", 1},          /* "bye" */
      {"81cb 0002 00000005 04 627965", RTC_EPROTO}, /* its length lies */
      {"81cb 0002 00000005 ff 627965", RTC_EPROTO},
      {"81cb 0002 00000005 00 000000", 1},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    exact_t e = exact_hex(t[i].hex);
    rtc_rtcp_t b;
    uint32_t ssrc[4] = {0};
    CHECK_EQ(first(e, &b), 1);
    CHECK_EQ(rtc_rtcp_read_bye(&b, ssrc, 4), t[i].n);
    if (t[i].n > 0) CHECK_EQ(ssrc[0], 5);
    if (t[i].n > 1) CHECK_EQ(ssrc[1], 6);
    free(e.p);
  }
  uint8_t buf[64];
  uint32_t two[2] = {5, 6};
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  rtc_rtcp_write_bye(&w, two, 2);
  uint8_t want[12];
  CHECK_EQ(check_hex(want, sizeof want, t[2].hex), rtc_wr_len(&w));
  CHECK_MEM(buf, want, sizeof want);
}

static void test_nack(void) {
  static const uint16_t starts[] = {0, 1, 100, 32760, 32767, 32768, 65500, 65519, 65520, 65534, 65535};
  for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
    for (int round = 0; round < 200; round++) {
      uint16_t seqs[200], back[200];
      int n = 1 + (int)(rnd() % 200);
      uint32_t step = 1 + rnd() % 30;
      uint16_t at = starts[s];
      for (int i = 0; i < n; i++, at = (uint16_t)(at + 1 + rnd() % step)) seqs[i] = at;
      uint8_t buf[1024];
      rtc_wr_t w = rtc_wr(buf, sizeof buf);
      rtc_rtcp_write_nack(&w, 1, 2, seqs, n);
      CHECK(!w.bad);
      exact_t e = exact(buf, rtc_wr_len(&w));
      rtc_rtcp_t b;
      CHECK_EQ(first(e, &b), 1);
      CHECK(b.ssrc == 1 && b.media == 2 && b.count == RTC_FB_NACK);
      CHECK_EQ(rtc_rtcp_read_nack(&b, back, 200), n);
      CHECK_MEM(back, seqs, (size_t)n * 2);
      int cap = (int)(rnd() % (uint32_t)n);
      CHECK_EQ(rtc_rtcp_read_nack(&b, back, cap), cap);
      free(e.p);
    }
  }
}

static void test_nack_bytes(void) {
  uint8_t buf[64], want[64];
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  uint16_t seqs[] = {65535, 65535, 0, 15, 16, 40}; /* 16 above, one beyond, a repeated one */
  rtc_rtcp_write_nack(&w, 0x0a0b0c0d, 0x01020304, seqs, 6);
  CHECK_EQ(check_hex(want, sizeof want, "81cd 0005 0a0b0c0d 01020304 ffff 8001 0010 0000 0028 0000"), rtc_wr_len(&w));
  CHECK_MEM(buf, want, rtc_wr_len(&w));
  w = rtc_wr(buf, sizeof buf);
  rtc_rtcp_write_nack(&w, 1, 2, seqs, 0); /* a NACK of nothing is no NACK */
  CHECK(!w.bad && rtc_wr_len(&w) == 0);
  static const char *const malformed[] = {"81cd 0002 00000001 00000002", "a1cd 0003 00000001 00000002 00010001"};
  for (size_t i = 0; i < 2; i++) {
    exact_t e = exact_hex(malformed[i]);
    rtc_rtcp_t b;
    uint16_t out[4];
    CHECK_EQ(first(e, &b), 1);
    CHECK_EQ(rtc_rtcp_read_nack(&b, out, 4), RTC_EPROTO);
    free(e.p);
  }
}

static void test_pli_fir(void) {
  uint8_t buf[64], want[64];
  rtc_wr_t w = rtc_wr(buf, sizeof buf);
  rtc_fir_t firs[2] = {{0x11111111, 255}, {0x22222222, 0}}, back[2];
  rtc_rtcp_write_pli(&w, 0x0a0b0c0d, 0x01020304);
  rtc_rtcp_write_fir(&w, 0x0a0b0c0d, firs, 2);
  rtc_rtcp_write_fir(&w, 0x0a0b0c0d, firs, 0);
  size_t n = check_hex(want, sizeof want,
                       "81ce 0002 0a0b0c0d 01020304"
                       "84ce 0006 0a0b0c0d 00000000 11111111 ff000000 22222222 00000000");
  CHECK_EQ(rtc_wr_len(&w), n);
  CHECK_MEM(buf, want, n);
  rtc_rtcp_t b;
  rtc_rd_t r = rtc_rd(buf, n);
  CHECK_EQ(rtc_rtcp_next(&r, &b), 1);
  CHECK_EQ(rtc_rtcp_read_fir(&b, back, 2), RTC_EPROTO); /* a PLI */
  CHECK_EQ(rtc_rtcp_next(&r, &b), 1);
  CHECK_EQ(rtc_rtcp_read_fir(&b, back, 2), 2);
  CHECK(back[0].ssrc == firs[0].ssrc && back[0].seq == 255 && back[1].ssrc == firs[1].ssrc && back[1].seq == 0);
  CHECK_EQ(rtc_rtcp_read_fir(&b, back, 1), 1);
  static const char *const malformed[] = {"84ce 0002 00000001 00000000", "84ce 0003 00000001 00000000 11111111",
                                          "84ce 0005 00000001 00000000 11111111 01000000 22222222"};
  for (size_t i = 0; i < 3; i++) {
    exact_t e = exact_hex(malformed[i]);
    CHECK_EQ(first(e, &b), 1);
    CHECK_EQ(rtc_rtcp_read_fir(&b, back, 2), RTC_EPROTO);
    free(e.p);
  }
}

static void test_remb(void) {
  static const uint64_t rates[] = {0, 1, 0x3ffff, 0x40000, 1000000, 123456789, 0xffffffffull, UINT64_MAX, 0xffffc00000000000ull};
  uint32_t ssrcs[255], back[255];
  for (int i = 0; i < 255; i++) ssrcs[i] = rnd();
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    for (int n = 0; n <= 255; n += i % 2 ? 85 : 5) {
      uint8_t buf[2048];
      rtc_wr_t w = rtc_wr(buf, sizeof buf);
      rtc_rtcp_write_remb(&w, 3, rates[i], ssrcs, n);
      exact_t e = exact(buf, rtc_wr_len(&w));
      rtc_rtcp_t b;
      uint64_t bps = 1;
      CHECK_EQ(first(e, &b), 1);
      CHECK_EQ(rtc_rtcp_read_remb(&b, &bps, back, 255), n);
      if (n) CHECK_MEM(back, ssrcs, (size_t)n * 4);
      CHECK(bps <= rates[i] && rates[i] - bps <= rates[i] >> 17); /* 18 bits of mantissa, rounded down */
      if (rates[i] <= 0x3ffff) CHECK_EQ(bps, rates[i]);
      e.p[16]++; /* one SSRC more than there is; 255 wraps to none */
      CHECK_EQ(rtc_rtcp_read_remb(&b, &bps, back, 255), n == 255 ? 0 : RTC_EPROTO);
      free(e.p);
    }
  }
  static const struct {
    const char *hex;
    int n;
  } t[] = {
      {"8fce 0004 00000001 00000000 52454d42 00 03d090", 0},          /* exponent 0, 250000 */
      {"8fce 0004 00000001 00000000 52454d43 00 03d090", RTC_EPROTO}, /* other application feedback */
      {"8fce 0003 00000001 00000000 52454d42", RTC_EPROTO},           {"8fce 0004 00000001 00000000 52454d42 00 fc0001", 0}, /* 1 << 63 */
      {"8fce 0004 00000001 00000000 52454d42 00 fc0003", RTC_EPROTO},                                                        /* 3 << 63 */
      {"8fce 0004 00000001 00000000 52454d42 ff 000001", RTC_EPROTO}, {"81ce 0004 00000001 00000000 52454d42 00 000001", RTC_EPROTO},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    exact_t e = exact_hex(t[i].hex);
    rtc_rtcp_t b;
    uint64_t bps = 0;
    CHECK_EQ(first(e, &b), 1);
    CHECK_EQ(rtc_rtcp_read_remb(&b, &bps, back, 255), t[i].n);
    if (i == 0) CHECK_EQ(bps, 250000);
    if (i == 3) CHECK(bps == 1ull << 63);
    free(e.p);
  }
}

/* Every writer at every capacity: whole, or nothing and bad. */
static void write_any(rtc_wr_t *w, int which) {
  rtc_sr_t sr = {.ssrc = 1};
  rtc_rb_t rb[2] = {{.ssrc = 1}, {.ssrc = 2}};
  uint16_t seqs[3] = {1, 100, 200};
  uint32_t ssrcs[3] = {1, 2, 3};
  rtc_fir_t firs[2] = {{1, 1}, {2, 2}};
  switch (which) {
    case 0:
      rtc_rtcp_write_sr(w, &sr, rb, 2);
      break;
    case 1:
      rtc_rtcp_write_rr(w, 1, rb, 2);
      break;
    case 2:
      rtc_rtcp_write_sdes_cname(w, 1, "name");
      break;
    case 3:
      rtc_rtcp_write_bye(w, ssrcs, 3);
      break;
    case 4:
      rtc_rtcp_write_nack(w, 1, 2, seqs, 3);
      break;
    case 5:
      rtc_rtcp_write_pli(w, 1, 2);
      break;
    case 6:
      rtc_rtcp_write_fir(w, 1, firs, 2);
      break;
    default:
      rtc_rtcp_write_remb(w, 1, 1000000, ssrcs, 3);
      break;
  }
}
static void test_no_room(void) {
  for (int which = 0; which < 8; which++) {
    uint8_t whole[256];
    rtc_wr_t w = rtc_wr(whole, sizeof whole);
    write_any(&w, which);
    size_t full = rtc_wr_len(&w);
    CHECK(full > 0 && full == ((size_t)rtc_get16(whole + 2) + 1) * 4);
    for (size_t cap = 0; cap <= full; cap++) {
      uint8_t *p = malloc(cap ? cap : 1);
      w = rtc_wr(p, cap);
      write_any(&w, which);
      CHECK_EQ(rtc_wr_len(&w), cap == full ? full : 0);
      CHECK_EQ(w.bad, cap != full);
      free(p);
    }
  }
  uint8_t buf[2048];
  rtc_rb_t rb[32] = {{0}};
  uint32_t ssrcs[256] = {0};
  for (int bad = 0; bad < 5; bad++) { /* counts that no header can hold */
    rtc_wr_t w = rtc_wr(buf, sizeof buf);
    if (bad == 0) rtc_rtcp_write_rr(&w, 1, rb, 32);
    if (bad == 1) rtc_rtcp_write_rr(&w, 1, rb, -1);
    if (bad == 2) rtc_rtcp_write_bye(&w, ssrcs, 32);
    if (bad == 3) rtc_rtcp_write_remb(&w, 1, 1, ssrcs, 256);
    if (bad == 4) rtc_rtcp_write_remb(&w, 1, 1, ssrcs, -1);
    CHECK(w.bad && rtc_wr_len(&w) == 0);
  }
}

int main(void) {
  RUN(test_walk);
  RUN(test_walk_fields);
  RUN(test_reports);
  RUN(test_lost_is_clamped);
  RUN(test_sdes);
  RUN(test_sdes_forms);
  RUN(test_bye);
  RUN(test_nack);
  RUN(test_nack_bytes);
  RUN(test_pli_fir);
  RUN(test_remb);
  RUN(test_no_room);
  return CHECK_END();
}
