#include "wire/rtp.h"

#include "check.h"

static uint8_t *exact(const uint8_t *p, size_t n) { /* so that the address sanitizer sees one byte too far */
  uint8_t *q = malloc(n ? n : 1);
  if (n) memcpy(q, p, n);
  return q;
}

static void fields(void) {
  static const struct {
    const char *bytes;
    rtc_rtp_t want;
  } rows[] = {
      {"8060 ffff 01020304 a1a2a3a4", {.ts = 0x01020304, .ssrc = 0xa1a2a3a4, .seq = 65535, .pt = 96, .hdr_len = 12}},
      {"80ef 0000 ffffffff 00000000 aabb", {.ts = 0xffffffff, .pt = 111, .marker = true, .hdr_len = 12, .payload_len = 2}},
      {"8200 7fff 00000000 00000001 11111111 22222222 aa", {.seq = 32767, .ssrc = 1, .csrc_n = 2, .hdr_len = 20, .payload_len = 1}},
      {"9060 0001 00000000 00000001 bede 0000",
       {.seq = 1, .ssrc = 1, .pt = 96, .has_ext = true, .ext_profile = 0xbede, .ext_off = 16, .hdr_len = 16}},
      {"9060 0001 00000000 00000001 1000 0001 00000000 aabbcc",
       {.seq = 1,
        .ssrc = 1,
        .pt = 96,
        .has_ext = true,
        .ext_profile = 0x1000,
        .ext_off = 16,
        .ext_len = 4,
        .hdr_len = 20,
        .payload_len = 3}},
      {"b160 0001 00000000 00000001 11111111 bede 0001 10aa0000 aa 000003",
       {.seq = 1,
        .ssrc = 1,
        .pt = 96,
        .csrc_n = 1,
        .padding = true,
        .has_ext = true,
        .ext_profile = 0xbede,
        .ext_off = 20,
        .ext_len = 4,
        .hdr_len = 24,
        .payload_len = 1,
        .pad_len = 3}},
      {"a060 0001 00000000 00000001 01", {.seq = 1, .ssrc = 1, .pt = 96, .padding = true, .hdr_len = 12, .pad_len = 1}},
      {"a060 0001 00000000 00000001 00000004", {.seq = 1, .ssrc = 1, .pt = 96, .padding = true, .hdr_len = 12, .pad_len = 4}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t bytes[64];
    size_t n = check_hex(bytes, sizeof bytes, rows[i].bytes);
    uint8_t *p = exact(bytes, n);
    rtc_rtp_t r;
    const rtc_rtp_t *w = &rows[i].want;
    memset(&r, 0x5a, sizeof r);
    CHECK_EQ(rtc_rtp_parse(&r, p, n), 0);
    CHECK_EQ(r.payload_len, 0);
    CHECK_EQ(r.pad_len, 0);
    CHECK_EQ(rtc_rtp_parse_payload(&r, p, n), 0);
    CHECK(r.ts == w->ts && r.ssrc == w->ssrc && r.seq == w->seq && r.pt == w->pt);
    CHECK(r.csrc_n == w->csrc_n && r.marker == w->marker && r.padding == w->padding && r.has_ext == w->has_ext);
    CHECK_EQ(r.ext_profile, w->ext_profile);
    CHECK_EQ(r.ext_off, w->ext_off);
    CHECK_EQ(r.ext_len, w->ext_len);
    CHECK_EQ(r.hdr_len, w->hdr_len);
    CHECK_EQ(r.payload_len, w->payload_len);
    CHECK_EQ(r.pad_len, w->pad_len);
    for (size_t cut = 0; cut < r.hdr_len; cut++) { /* every header cut short anywhere */
      uint8_t *q = exact(bytes, cut);
      rtc_rtp_t s;
      CHECK_EQ(rtc_rtp_parse(&s, q, cut), RTC_EPROTO);
      CHECK_EQ(rtc_rtp_parse_payload(&r, q, cut), RTC_EPROTO);
      free(q);
    }
    free(p);
  }
}

static void malformed(void) {
  static const struct {
    const char *what, *bytes;
    int header; /* what the header alone gives */
  } rows[] = {
      {"version 0", "0060 0001 00000000 00000001 aa", RTC_EPROTO},
      {"version 1", "4060 0001 00000000 00000001 aa", RTC_EPROTO},
      {"version 3", "c060 0001 00000000 00000001 aa", RTC_EPROTO},
      {"15 CSRCs that are not there", "8f60 0001 00000000 00000001 aabbccdd", RTC_EPROTO},
      {"extension without its head", "9060 0001 00000000 00000001 bede00", RTC_EPROTO},
      {"extension longer than the packet", "9060 0001 00000000 00000001 bede 0002 11223344 556677", RTC_EPROTO},
      {"extension of 65535 words", "9060 0001 00000000 00000001 bede ffff 11223344", RTC_EPROTO},
      {"padding of nothing", "a060 0001 00000000 00000001", 0},
      {"padding 0", "a060 0001 00000000 00000001 aabb00", 0},
      {"padding over the payload", "a060 0001 00000000 00000001 aabb04", 0},
      {"padding 255", "a060 0001 00000000 00000001 ff", 0},
      {"padding into the extension", "b060 0001 00000000 00000001 bede 0001 00000000 02", 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t bytes[64];
    size_t n = check_hex(bytes, sizeof bytes, rows[i].bytes);
    uint8_t *p = exact(bytes, n);
    rtc_rtp_t r;
    int got = rtc_rtp_parse(&r, p, n);
    if (got != rows[i].header) fprintf(stderr, "%s\n", rows[i].what);
    CHECK_EQ(got, rows[i].header);
    if (got == 0) {
      got = rtc_rtp_parse_payload(&r, p, n);
      if (got != RTC_EPROTO) fprintf(stderr, "%s\n", rows[i].what);
      CHECK_EQ(got, RTC_EPROTO);
    }
    free(p);
  }
}

static void the_largest_packet(void) {
  uint8_t *p = calloc(1, 65536);
  rtc_rtp_t r;
  p[0] = 0x9f;
  p[12 + 60 + 2] = 16363 >> 8; /* 12 + 15 * 4 + 4 + 4 * 16363 = 65528 */
  p[12 + 60 + 3] = 16363 & 255;
  CHECK_EQ(rtc_rtp_parse(&r, p, 65535), 0);
  CHECK_EQ(r.hdr_len, 65528);
  CHECK_EQ(r.ext_len, 65452);
  CHECK_EQ(rtc_rtp_parse_payload(&r, p, 65535), 0);
  CHECK_EQ(r.payload_len, 7);
  CHECK_EQ(rtc_rtp_parse(&r, p, 65536), RTC_EPROTO);
  p[0] = 0x80;
  CHECK_EQ(rtc_rtp_parse(&r, p, 65535), 0);
  CHECK_EQ(rtc_rtp_parse_payload(&r, p, 65536), RTC_EPROTO);
  CHECK_EQ(rtc_rtp_parse_payload(&r, p, 65535), 0);
  CHECK_EQ(r.payload_len, 65523);
  free(p);
}

static void written_and_read_again(void) {
  static const uint16_t seqs[] = {0, 1, 32767, 32768, 65535};
  for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++)
    for (int bits = 0; bits < 8; bits++)
      for (int pt = 0; pt < 128; pt++) {
        rtc_rtp_t w = {.ts = 0xfedcba98, .ssrc = 0x89abcdef, .seq = seqs[i], .pt = (uint8_t)pt, .csrc_n = 3}, r;
        w.marker = bits & 1, w.padding = (bits & 2) != 0, w.has_ext = (bits & 4) != 0;
        uint8_t p[RTC_RTP_HEADER + 4] = {0};
        rtc_rtp_write(p, &w);
        CHECK_EQ(rtc_rtp_parse(&r, p, sizeof p), 0);
        CHECK(r.ts == w.ts && r.ssrc == w.ssrc && r.seq == w.seq && r.pt == pt);
        CHECK(r.marker == w.marker && r.padding == w.padding && r.has_ext == w.has_ext);
        CHECK_EQ(r.csrc_n, 0);
      }
  uint8_t p[RTC_RTP_HEADER];
  rtc_rtp_write(p, &(rtc_rtp_t){.pt = 0xff}); /* a payload type never reaches the marker */
  CHECK_EQ(p[1], 0x7f);
}

/* Whatever is accepted lies inside the packet and adds up; a first byte with version 2 half of the time. */
static void random_bytes_at_every_length(void) {
  uint64_t x = 88172645463325252u;
  int wrong = 0, taken = 0, whole = 0;
  for (size_t n = 0; n <= 64; n++)
    for (int round = 0; round < 4000; round++) {
      uint8_t *p = malloc(n ? n : 1);
      for (size_t i = 0; i < n; i++) x ^= x << 13, x ^= x >> 7, x ^= x << 17, p[i] = (uint8_t)(x >> 24);
      if (n && round % 2) p[0] = (uint8_t)(0x80 | (p[0] & 0x33));
      if (n > 14 && round % 4 == 1) p[12 + 4 * (p[0] & 3) < (int)n - 3 ? 12 + 4 * (p[0] & 3) + 2 : 14] = 0;
      rtc_rtp_t r;
      if (rtc_rtp_parse(&r, p, n) == 0) {
        taken++;
        size_t sum = 12 + 4u * r.csrc_n + (r.has_ext ? 4u + r.ext_len : 0);
        wrong += n < 12 || p[0] >> 6 != 2 || r.hdr_len != sum || sum > n || r.ext_len % 4;
        wrong += r.has_ext ? r.ext_off + r.ext_len != r.hdr_len : r.ext_off || r.ext_len;
        if (rtc_rtp_parse_payload(&r, p, n) == 0) {
          whole++;
          wrong += (size_t)r.hdr_len + r.payload_len + r.pad_len != n || r.padding != (r.pad_len > 0);
        } else {
          wrong += !r.padding;
        }
      }
      free(p);
    }
  CHECK_EQ(wrong, 0);
  CHECK(taken > 20000 && whole > 10000);
}

int main(void) {
  RUN(fields);
  RUN(malformed);
  RUN(the_largest_packet);
  RUN(written_and_read_again);
  RUN(random_bytes_at_every_length);
  return CHECK_END();
}
