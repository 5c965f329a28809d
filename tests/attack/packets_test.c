/* Attacks on the parsers of authentic packets: rows C1 to C5 and C7. Whatever is read lies on the heap in its exact size, so that the
 * address sanitizer sees one byte too many. The same end to end: forwarding_test.c. */
#include <dirent.h>
#include <time.h>

#include "check.h"
#include "wire/payload/payload.h"
#include "wire/rtcp.h"
#include "wire/rtp.h"
#include "wire/rtpext.h"
#include "wire/twccfb.h"

static uint64_t state = 88172645463325252u;
static uint32_t rnd(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 24);
}

static uint8_t *exact(const uint8_t *p, size_t n) {
  uint8_t *q = malloc(n ? n : 1);
  if (!q) exit(2);
  if (n) memcpy(q, p, n);
  return q;
}

/* Kind k at id k + 1: ids 1 to 14, which the one-byte form has; kinds beyond have none. */
static rtc_extmap_t plain_map(void) {
  rtc_extmap_t m;
  rtc_extmap_init(&m);
  for (int k = 0; k < 14; k++) CHECK_EQ(rtc_extmap_set(&m, (rtc_ext_t)k, (uint8_t)(k + 1)), 0);
  return m;
}

/* RFC 8285 §4.2 and §4.3 as they stand there, into offsets by id; how many of the ids 1 to 14 there are. */
static int reference(bool two, const uint8_t *p, size_t n, size_t at[15], size_t len[15]) {
  memset(at, 0, 15 * sizeof *at);
  for (size_t i = 0; i < n;) {
    size_t id = two ? p[i] : p[i] >> 4, l, head = two ? 2 : 1;
    if (p[i] == 0) {
      i++;
      continue;
    }
    if (!two && (id == 0 || id == 15)) break;
    if (two && i + 1 == n) break;
    l = two ? p[i + 1] : (p[i] & 15u) + 1u;
    if (i + head + l > n) break;
    if (id <= 14) at[id] = i + head, len[id] = l;
    i += head + l;
  }
  int found = 0;
  for (int id = 1; id <= 14; id++) found += at[id] != 0;
  return found;
}

/* All pairs of first bytes, in both forms, at lengths that cut the first element short, just end it and go past it; behind them zeros,
 * or elements that are in order. */
static void c1_first_two_bytes(void) {
  static const size_t lengths[] = {2, 3, 4, 7, 8, 16, 17, 20, 256, 257, 300};
  rtc_extmap_t m = plain_map();
  int wrong = 0, found = 0;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t n = lengths[i], at[15], len[15];
    for (int fill = 0; fill < 2; fill++) {
      uint8_t *p = calloc(1, n);
      if (!p) exit(2);
      for (size_t k = 2; fill && k < n; k++) p[k] = (uint8_t)(k % 2 ? k : 0x10 * (1 + k % 14)); /* one-byte heads on even places */
      for (int pair = 0; pair < 65536; pair++) {
        p[0] = (uint8_t)(pair >> 8), p[1] = (uint8_t)pair;
        for (int two = 0; two < 2; two++) {
          rtc_ext_view_t v;
          rtc_rtpext_parse(&v, two ? (uint16_t)(0x1000 | (pair & 15)) : 0xbede, p, n, &m);
          int want = reference(two, p, n, at, len);
          found += want;
          wrong += __builtin_popcount(v.have) != want;
          for (int id = 1; id <= 14; id++)
            if (at[id]) wrong += !rtc_ext_has(&v, (rtc_ext_t)(id - 1)) || v.p[id - 1] != p + at[id] || v.len[id - 1] != len[id];
        }
      }
      free(p);
    }
  }
  CHECK_EQ(wrong, 0);
  CHECK(found > 1000000);
}

/* 10^6 random sets of elements: what is written is read again, at the places told, with zeros as padding, in exactly the bytes told;
 * with one byte less there is no room, and nothing is written past the end. */
static void c2_rewrites(void) {
  static uint8_t data[512];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7 + 1);
  int64_t wrong = 0, one = 0, two = 0, rounds = 1000000 * check_scale();
  for (int64_t round = 0; round < rounds; round++) {
    rtc_extmap_t m;
    rtc_ext_view_t v, back;
    rtc_extmap_init(&m);
    memset(&v, 0, sizeof v);
    bool wide = round % 2, allow_two = rnd() % 4 != 0;
    for (int k = 0; k < RTC_EXT_COUNT; k++) {
      if (rnd() % 3) wrong += rtc_extmap_set(&m, (rtc_ext_t)k, (uint8_t)(wide ? 1 + rnd() % 255 : 1 + rnd() % 14)) != 0;
      uint8_t len = (uint8_t)(wide ? (rnd() % 8 ? rnd() % 20 : rnd() % 256) : 1 + rnd() % 16);
      if (rnd() % 2) rtc_ext_put(&v, (rtc_ext_t)k, data + rnd() % 256, len);
    }
    uint8_t out[4096];
    uint16_t at[RTC_EXT_COUNT];
    int n = rtc_rtpext_write(out, sizeof out, &v, &m, allow_two, at);
    wrong += n < 0 || n % 4;
    uint16_t profile = (uint16_t)(n > 0 ? out[0] << 8 | out[1] : 0);
    one += profile == 0xbede;
    two += profile == 0x1000;
    wrong += n > 0 && (out[2] << 8 | out[3]) != n / 4 - 1;
    memset(&back, 0, sizeof back);
    if (n > 0) rtc_rtpext_parse(&back, profile, out + 4, (size_t)n - 4, &m);
    size_t used = 4;
    for (int k = 0; k < RTC_EXT_COUNT; k++) {
      bool fits = m.id_of[k] <= 14 && v.len[k] >= 1 && v.len[k] <= 16;
      bool want = rtc_ext_has(&v, (rtc_ext_t)k) && m.id_of[k] && (fits || allow_two);
      wrong += rtc_ext_has(&back, (rtc_ext_t)k) != want || (at[k] != 0) != want;
      if (!want) continue;
      wrong += back.len[k] != v.len[k] || memcmp(back.p[k], v.p[k], v.len[k]) != 0 || back.p[k] != out + at[k];
      used += v.len[k] + (profile == 0x1000 ? 2u : 1u);
      if (!fits) wrong += profile != 0x1000;
    }
    if (n <= 0) continue;
    wrong += (used + 3) / 4 * 4 != (size_t)n;
    for (size_t i = used; i < (size_t)n; i++) wrong += out[i] != 0;
    uint8_t *room = malloc((size_t)n); /* exactly enough, then one too few */
    wrong += rtc_rtpext_write(room, (size_t)n, &v, &m, allow_two, NULL) != n || memcmp(room, out, (size_t)n) != 0;
    free(room);
    room = malloc((size_t)n - 1);
    wrong += rtc_rtpext_write(room, (size_t)n - 1, &v, &m, allow_two, at) != RTC_ENOBUFS;
    free(room);
  }
  CHECK_EQ(wrong, 0);
  CHECK(one > rounds * 4 / 10 && two > rounds * 2 / 10);
  check_figure("rewrites", (double)rounds);
}

/* Every last byte under every size of payload and padding together, with and without an extension before them. */
static void c3_paddings(void) {
  int wrong = 0, taken = 0;
  for (size_t size = 0; size < 256; size++)
    for (int pad = 0; pad < 256; pad++)
      for (int ext = 0; ext < 2; ext++) {
        uint8_t buf[300] = {(uint8_t)(0xa0 | ext << 4), 96};
        size_t head = 12;
        if (ext) rtc_put32(buf + 12, 0xbede0001), head = 20;
        memset(buf + head, 0x55, size);
        if (size) buf[head + size - 1] = (uint8_t)pad;
        uint8_t *p = exact(buf, head + size);
        rtc_rtp_t r;
        wrong += rtc_rtp_parse(&r, p, head + size) != 0;
        bool good = rtc_rtp_parse_payload(&r, p, head + size) == 0, want = size > 0 && pad > 0 && (size_t)pad <= size;
        wrong += good != want || (good && (r.pad_len != pad || r.payload_len != size - (size_t)pad));
        taken += good;
        free(p);
      }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(taken, 255 * 256); /* 1 + 2 + .. + 255, twice */
}

/* All readers on whatever the walk gives; how many blocks there were. */
static int read_all(const uint8_t *bytes, size_t n) {
  uint8_t *p = exact(bytes, n);
  rtc_rd_t r = rtc_rd(p, n);
  rtc_rtcp_t b;
  int blocks = 0;
  while (rtc_rtcp_next(&r, &b) == 1) {
    rtc_sr_t sr;
    rtc_rb_t rb[31];
    uint16_t seqs[17];
    rtc_fir_t firs[3];
    uint64_t bps;
    uint32_t ssrcs[31], ssrc;
    const uint8_t *cname = NULL;
    rtc_twccfb_t fb;
    rtc_time_t at[40];
    blocks++;
    CHECK(b.body >= p + 4 && b.body + b.len <= p + n);
    CHECK(rtc_rtcp_read_sr(&b, &sr) <= 0);
    CHECK(rtc_rtcp_read_rbs(&b, rb, 31) <= 31);
    CHECK(rtc_rtcp_read_nack(&b, seqs, 17) <= 17);
    CHECK(rtc_rtcp_read_fir(&b, firs, 3) <= 3);
    CHECK(rtc_rtcp_read_remb(&b, &bps, ssrcs, 31) <= 31);
    CHECK(rtc_rtcp_read_bye(&b, ssrcs, 31) <= 31);
    int name = rtc_rtcp_read_cname(&b, &ssrc, &cname);
    CHECK(name < 0 || (cname >= b.body && cname + name <= b.body + b.len));
    int read = rtc_twccfb_read(&b, &fb, at, 40);
    CHECK(read == RTC_EPROTO || (read == 0 && fb.n >= 1 && fb.n <= 40));
  }
  free(p);
  return blocks;
}

enum { SEEDS = 256, SEED_MAX = 2048 };
typedef struct seeds {
  int n;
  size_t len[SEEDS];
  uint8_t p[SEEDS][SEED_MAX];
} seeds_t;

/* The seeds of the fuzz target, which begin with a byte for it alone; and every type of block with everything that it may hold. */
static void load_seeds(seeds_t *s) {
  DIR *dir = opendir("tests/fuzz/rtcp/seeds");
  char name[512];
  if (!dir) exit(2); /* run from elsewhere */
  for (struct dirent *e; (e = readdir(dir)) && s->n < SEEDS;) {
    uint8_t lead;
    snprintf(name, sizeof name, "tests/fuzz/rtcp/seeds/%s", e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(name, "rb");
    if (!f) continue;
    if (fread(&lead, 1, 1, f) == 1) s->len[s->n] = fread(s->p[s->n], 1, SEED_MAX, f), s->n++;
    fclose(f);
  }
  closedir(dir);
  rtc_wr_t w = rtc_wr(s->p[s->n], SEED_MAX);
  rtc_sr_t sr = {.ssrc = 1};
  rtc_rb_t rb[2] = {{.ssrc = 1}, {.ssrc = 2}};
  uint16_t seqs[3] = {1, 100, 200};
  uint32_t ssrcs[3] = {1, 2, 3};
  rtc_fir_t firs[2] = {{1, 1}, {2, 2}};
  rtc_time_t at[5] = {1000, RTC_NEVER, 2000, 90000, 3000};
  rtc_rtcp_write_sr(&w, &sr, rb, 2);
  rtc_rtcp_write_sdes_cname(&w, 1, "name");
  rtc_rtcp_write_nack(&w, 1, 2, seqs, 3);
  rtc_rtcp_write_pli(&w, 1, 2);
  rtc_rtcp_write_fir(&w, 1, firs, 2);
  rtc_rtcp_write_remb(&w, 1, 1000000, ssrcs, 3);
  CHECK_EQ(rtc_twccfb_write(&w, 1, 2, 65534, at, 5, 1), 5);
  rtc_rtcp_write_bye(&w, ssrcs, 3);
  CHECK(!w.bad);
  s->len[s->n++] = rtc_wr_len(&w);
}

/* Each seed cut at every length, with every count in each of its blocks, and with every block a word longer or shorter than it is. */
static void c4_compounds_that_lie(void) {
  static seeds_t s;
  int64_t runs = 0, blocks = 0;
  load_seeds(&s);
  CHECK(s.n > 40);
  for (int i = 0; i < s.n; i++) {
    uint8_t *p = s.p[i];
    size_t n = s.len[i];
    for (size_t cut = 0; cut <= n; cut++, runs++) blocks += read_all(p, cut);
    for (size_t at = 0; at + 4 <= n; at += 4 + 4 * (size_t)rtc_get16(p + at + 2)) {
      uint8_t first = p[at];
      for (int count = 0; count < 64; count++, runs++) {
        p[at] = (uint8_t)(0x80 | count); /* its padding bit too */
        blocks += read_all(p, n);
      }
      p[at] = first;
      uint16_t words = rtc_get16(p + at + 2);
      static const int by[] = {-2, -1, 1, 2, 3, 0x4000, 0x7fff};
      for (size_t k = 0; k < sizeof by / sizeof *by; k++, runs++) {
        rtc_put16(p + at + 2, (uint16_t)(words + by[k]));
        blocks += read_all(p, n);
      }
      rtc_put16(p + at + 2, words);
    }
  }
  CHECK(runs > 5000 && blocks > 10000);
}

/* 10^6 of them (10^7 in the long run) with bytes changed, cut and moved together. */
static void c4_mutated_compounds(void) {
  static seeds_t s;
  int64_t blocks = 0, rounds = 1000000 * check_scale();
  load_seeds(&s);
  for (int64_t round = 0; round < rounds; round++) {
    uint8_t buf[SEED_MAX];
    int i = (int)(rnd() % (uint32_t)s.n);
    size_t n = s.len[i];
    memcpy(buf, s.p[i], n);
    for (uint32_t k = rnd() % 4 + 1; k > 0 && n > 0; k--) {
      size_t at = rnd() % n;
      switch (rnd() % 5) {
        case 0:
          buf[at] ^= (uint8_t)(1u << rnd() % 8);
          break;
        case 1:
          buf[at] = (uint8_t)rnd();
          break;
        case 2: /* a head, where one may be */
          at &= ~(size_t)3;
          if (at + 4 > n) break;
          buf[at] = (uint8_t)(0x80 | (rnd() & 0x3f));
          buf[at + 1] = (uint8_t)(199 + rnd() % 10);
          rtc_put16(buf + at + 2, (uint16_t)(rnd() % 8 ? rnd() % (n / 4) : rnd()));
          break;
        case 3:
          n = rnd() % 4 ? n & ~(size_t)3 : at;
          break;
        default: /* the front of one, the rest of another */
          i = (int)(rnd() % (uint32_t)s.n);
          if (at < s.len[i]) memcpy(buf + at, s.p[i] + at, s.len[i] - at), n = s.len[i];
          break;
      }
    }
    blocks += read_all(buf, n);
  }
  CHECK(blocks > rounds);
  check_figure("packets", (double)rounds);
  check_figure("blocks", (double)blocks);
}

/* Best of some runs of reading one message; the result is checked each time. */
static double read_seconds(const uint8_t *p, size_t n, int want) {
  static rtc_time_t at[RTC_TWCC_MAX];
  uint8_t *q = exact(p, n);
  rtc_rd_t r = rtc_rd(q, n);
  rtc_rtcp_t b;
  double best = 1e9;
  CHECK_EQ(rtc_rtcp_next(&r, &b), 1);
  for (int i = 0; i < 30; i++) {
    rtc_twccfb_t fb = {0};
    struct timespec t0, t1;
    (void)timespec_get(&t0, TIME_UTC);
    int res = rtc_twccfb_read(&b, &fb, at, RTC_TWCC_MAX);
    (void)timespec_get(&t1, TIME_UTC);
    CHECK_EQ(res < 0 ? res : fb.n, want);
    double s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    if (s < best) best = s;
  }
  free(q);
  return best;
}

/* 65,535 statuses in every form, also in far more bytes than a datagram holds. A byte of a lie costs no more than some bytes of an honest
 * message that is as full as one may be. */
static void c5_status_counts_that_lie(void) {
  enum { N = RTC_TWCC_MAX, TIMES = 10 };
  static const struct {
    uint16_t chunk;
    int chunks, deltas, want;
  } t[] = {
      {0x1fff, 9, 0, N},          /* eight and a bit runs of lost ones: 18 bytes for 65,535 statuses */
      {0x3fff, 9, 65535, N},      /* all received */
      {0x3fff, 9, 102, 102},      /* the same with 102 deltas */
      {0x5fff, 9, 131070, N},     /* large */
      {0x7fff, 9, 0, RTC_EPROTO}, /* reserved */
      {0xffff, 9363, 0, RTC_EPROTO},
      {0xc000, 9363, 0, N},
      {0xbfff, 4682, 65535, N},
      {0x0000, 60000, 0, RTC_EPROTO}, /* runs of nothing */
      {0x0001, 700, 0, RTC_EPROTO},
  };
  static uint8_t p[1 << 18], honest[8192];
  rtc_time_t at[N];
  for (int i = 0; i < N; i++) at[i] = i * 1000 + (i % 7 ? 0 : 40000);
  rtc_wr_t w = rtc_wr(honest, sizeof honest);
  int wrote = rtc_twccfb_write(&w, 1, 2, 3, at, N, 4);
  CHECK_EQ(wrote, N);
  double per_byte = read_seconds(honest, rtc_wr_len(&w), N) / (double)rtc_wr_len(&w), worst = 0;
  for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
    size_t body = 16 + (size_t)t[i].chunks * 2 + (size_t)t[i].deltas, n = 4 + (body + 3) / 4 * 4;
    memset(p, 0, n);
    p[0] = 0x80 | RTC_FB_TWCC;
    p[1] = RTC_RTCP_RTPFB;
    rtc_put16(p + 2, (uint16_t)(n / 4 - 1));
    rtc_put16(p + 14, 65535);
    for (int c = 0; c < t[i].chunks; c++) rtc_put16(p + 20 + 2 * c, t[i].chunk);
    double s = read_seconds(p, n, t[i].want), as_honest = per_byte * (double)(n > rtc_wr_len(&w) ? n : rtc_wr_len(&w));
    if (s / as_honest > worst) worst = s / as_honest;
  }
  CHECK(worst < TIMES);
  check_figure("cost_ratio", worst);
}

/* 2 x 10^6 payloads a codec, random and with heads that lead far, of every length up to 64. */
static void c7_descriptors(void) {
  int64_t starts[RTC_CODEC_COUNT] = {0}, rounds = 30800 * check_scale(), wrong = 0;
  for (int64_t round = 0; round < rounds; round++) {
    for (size_t n = 0; n <= 64; n++) {
      uint8_t buf[64];
      for (size_t i = 0; i < n; i++) buf[i] = (uint8_t)rnd();
      for (size_t i = 1; round % 3 == 0 && i < n; i++) buf[i] |= 0x80; /* what goes on and on */
      uint8_t *p = exact(buf, n);
      for (int c = RTC_CODEC_OPUS; c < RTC_CODEC_COUNT; c++) {
        rtc_payload_info_t got = rtc_payload_look((rtc_codec_t)c, p, n);
        wrong += got.key && !got.start;
        bool bare = c == RTC_CODEC_OPUS || (c >= RTC_CODEC_PCMU && c <= RTC_CODEC_G722);
        wrong += got.start && n < 2 && !bare; /* there is no descriptor with something behind it in one byte */
        starts[c] += got.start;
      }
      rtc_vp8_desc_t d;
      wrong += rtc_vp8_parse(&d, p, n) == 0 && (d.len < 1 || d.len > n || d.len > 6);
      free(p);
    }
  }
  CHECK_EQ(wrong, 0);
  for (int c = RTC_CODEC_OPUS; c < RTC_CODEC_COUNT; c++) CHECK(starts[c] > rounds / 5);
  check_figure("payloads_a_codec", (double)(rounds * 65));
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(c1_first_two_bytes);
  RUN(c2_rewrites);
  RUN(c3_paddings);
  RUN(c4_compounds_that_lie);
  RUN(c4_mutated_compounds);
  RUN(c5_status_counts_that_lie);
  RUN(c7_descriptors);
  return CHECK_END();
}
