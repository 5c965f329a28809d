#include "wire/demux.h"

#include "check.h"

static const rtc_kind_t N = RTC_KIND_NONE, S = RTC_KIND_STUN, D = RTC_KIND_DTLS, T = RTC_KIND_TURN, R = RTC_KIND_RTP, C = RTC_KIND_RTCP;

/* RFC 7983 §7 as a table of ranges, written apart from the code. */
static rtc_kind_t by_rfc(int b0, int b1) {
  const struct {
    int from, to;
    rtc_kind_t kind;
  } rows[] = {{0, 3, S}, {4, 15, N}, {16, 19, N}, {20, 63, D}, {64, 79, T}, {80, 127, N}, {128, 191, R}, {192, 255, N}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (b0 >= rows[i].from && b0 <= rows[i].to)
      return rows[i].kind == R && (b1 & 0x7f) >= 64 && (b1 & 0x7f) <= 95 && b1 >= 128 ? C : rows[i].kind;
  return N;
}

static void every_first_two_bytes(void) {
  uint8_t p[20] = {0};
  int wrong = 0;
  for (int b0 = 0; b0 < 256; b0++)
    for (int b1 = 0; b1 < 256; b1++) {
      p[0] = (uint8_t)b0, p[1] = (uint8_t)b1;
      wrong += rtc_demux(p, sizeof p) != by_rfc(b0, b1);
    }
  CHECK_EQ(wrong, 0);
}

static void known_packets(void) {
  static const struct {
    const char *what, *bytes;
    int kind;
  } rows[] = {
      {"Binding request", "0001 0000 2112a442 000102030405060708090a0b", RTC_KIND_STUN},
      {"Binding success", "0101 0000 2112a442 000102030405060708090a0b", RTC_KIND_STUN},
      {"DTLS handshake", "16 feff 0000 000000000000 0000", RTC_KIND_DTLS},
      {"DTLS change cipher spec", "14 fefd 0000 000000000000 0001", RTC_KIND_DTLS},
      {"DTLS 1.3 unified header", "2f 0000 0010 00000000 00000000", RTC_KIND_DTLS},
      {"channel data", "4000 0000", RTC_KIND_TURN},
      {"RTP, pt 96", "8060 0001 00000000 00000001", RTC_KIND_RTP},
      {"RTP, pt 111 and marker", "80ef 0001 00000000 00000001", RTC_KIND_RTP},
      {"RTP, pt 63 and marker", "80bf 0001 00000000 00000001", RTC_KIND_RTP},
      {"RTP, pt 96 and marker", "80e0 0001 00000000 00000001", RTC_KIND_RTP},
      {"SR", "80c8 0001 00000001", RTC_KIND_RTCP},
      {"PLI", "81ce 0002 00000001", RTC_KIND_RTCP},
      {"RTCP 192", "80c0 0001 00000001", RTC_KIND_RTCP},
      {"RTCP 223", "80df 0001 00000001", RTC_KIND_RTCP},
      {"ZRTP", "1000 0000 5a525450 00000000 00000000 00000000", RTC_KIND_NONE},
      {"version 1", "4060 0001 00000000 00000001", RTC_KIND_TURN}, /* 64 is a channel, whatever was meant */
      {"version 3", "c060 0001 00000000 00000001", RTC_KIND_NONE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint8_t p[64];
    size_t n = check_hex(p, sizeof p, rows[i].bytes);
    if ((int)rtc_demux(p, n) != rows[i].kind) fprintf(stderr, "%s\n", rows[i].what);
    CHECK_EQ(rtc_demux(p, n), rows[i].kind);
  }
}

/* Each kind at each length, from buffers of exactly that length. */
static void too_short_is_nothing(void) {
  static const struct {
    uint8_t b0, b1;
    int kind;
    size_t least;
  } rows[] = {{0, 1, RTC_KIND_STUN, 20},   {22, 254, RTC_KIND_DTLS, 13}, {64, 0, RTC_KIND_TURN, 4},
              {128, 96, RTC_KIND_RTP, 12}, {128, 200, RTC_KIND_RTCP, 8}, {128, 223, RTC_KIND_RTCP, 8}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t n = 0; n <= 64; n++) {
      uint8_t *p = calloc(1, n ? n : 1);
      if (n > 0) p[0] = rows[i].b0;
      if (n > 1) p[1] = rows[i].b1;
      CHECK_EQ(rtc_demux(p, n), n >= rows[i].least ? rows[i].kind : RTC_KIND_NONE);
      free(p);
    }
  CHECK_EQ(rtc_demux(NULL, 0), RTC_KIND_NONE);
}

static void random_bytes_at_every_length(void) {
  uint64_t x = 88172645463325252u;
  int wrong = 0;
  for (size_t n = 0; n <= 64; n++)
    for (int round = 0; round < 2000; round++) {
      uint8_t *p = malloc(n ? n : 1);
      for (size_t i = 0; i < n; i++) x ^= x << 13, x ^= x >> 7, x ^= x << 17, p[i] = (uint8_t)(x >> 24);
      rtc_kind_t got = rtc_demux(p, n);
      wrong += got != N && (n < 2 || got != by_rfc(p[0], p[1]));
      if (n >= 20) wrong += got != by_rfc(p[0], p[1]);
      free(p);
    }
  CHECK_EQ(wrong, 0);
}

int main(void) {
  RUN(every_first_two_bytes);
  RUN(known_packets);
  RUN(too_short_is_nothing);
  RUN(random_bytes_at_every_length);
  return CHECK_END();
}
