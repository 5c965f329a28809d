#include "wire/pcapng.h"

#include "base/bytes.h"
#include "check.h"

static rtc_addr_t at(const char *ip, uint16_t port) {
  rtc_addr_t a;
  CHECK_EQ(rtc_addr_parse(&a, ip, port), 0);
  return a;
}

/* The ones' complement sum over words: all ones over a header with its right checksum. */
static uint32_t total(const uint8_t *p, size_t n, uint32_t s) {
  for (size_t i = 0; i < n; i++) s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return s;
}

static void the_head(void) {
  uint8_t b[128];
  int n = rtc_pcapng_write_head(b, sizeof b, "eth0");
  CHECK_EQ(n, 28 + 40);
  CHECK_MEM(b, "\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c", 28);
  CHECK_MEM(b + 28, "\0\0\0\1\0\0\0\x28\0\x65\0\0\0\0\0\0\0\2\0\4eth0\0\x09\0\1\x09\0\0\0\0\0\0\0\0\0\0\x28", 40);
}

static void a_packet(const char *from, const char *to, bool v6) {
  for (size_t len = 0; len < 9; len++) {
    uint8_t b[512], data[9] = {0xff, 0xfe, 3, 4, 5, 6, 7, 8, 9};
    rtc_pcapng_packet_t p = {.unix_ns = 0x1122334455667788,
                             .sent = len % 2,
                             .from = at(from, 5000),
                             .to = at(to, 6000),
                             .comment = "hello",
                             .data = data,
                             .len = len};
    int n = rtc_pcapng_write_packet(b, sizeof b, &p);
    size_t ip = v6 ? 40 : 20, inner = ip + 8 + len, padded = (inner + 3) / 4 * 4;
    CHECK_EQ(n, 28 + padded + 8 + 12 + 4 + 4);
    CHECK_MEM(b, "\0\0\0\6", 4);
    CHECK_EQ(rtc_get32(b + 4), n);
    CHECK_EQ(rtc_get32(b + n - 4), n);
    CHECK(rtc_get64(b + 12) == 0x1122334455667788);
    CHECK_EQ(rtc_get32(b + 20), inner);
    CHECK_EQ(rtc_get32(b + 24), inner);
    const uint8_t *h = b + 28, *u = h + ip, *o = h + padded;
    CHECK_EQ(h[0] >> 4, v6 ? 6 : 4);
    CHECK_EQ(h[v6 ? 6 : 9], 17);
    CHECK_EQ(rtc_get16(h + (v6 ? 4 : 2)), v6 ? 8 + len : inner);
    if (!v6) CHECK_EQ(total(h, 20, 0), 0xffff);
    CHECK_EQ(total(u, 8 + len, total(h + (v6 ? 8 : 12), v6 ? 32 : 8, 17 + 8 + (uint32_t)len)), 0xffff);
    CHECK_EQ(rtc_get16(u), 5000);
    CHECK_EQ(rtc_get16(u + 2), 6000);
    CHECK_EQ(rtc_get16(u + 4), 8 + len);
    CHECK(rtc_get16(u + 6) != 0);
    CHECK_MEM(u + 8, data, len);
    CHECK_MEM(o, len % 2 ? "\0\2\0\4\0\0\0\2" : "\0\2\0\4\0\0\0\1", 8);
    CHECK_MEM(o + 8, "\0\1\0\5hello\0\0\0\0\0\0\0", 16);
    for (int cap = 0; cap < n; cap++) CHECK_EQ(rtc_pcapng_write_packet(b, (size_t)cap, &p), RTC_ENOBUFS);
  }
}

static void packets(void) {
  a_packet("192.0.2.1", "198.51.100.2", false);
  a_packet("0.0.0.0", "198.51.100.2", false);
  a_packet("2001:db8::1", "2001:db8::2", true);
}

/* An end that is not known is all zeros, and takes the other's family. */
static void an_end_that_is_not_known(void) {
  uint8_t b[256];
  rtc_pcapng_packet_t p = {.to = at("192.0.2.1", 9), .comment = "", .data = b, .len = 0};
  CHECK(rtc_pcapng_write_packet(b, sizeof b, &p) > 0);
  CHECK_MEM(b + 28 + 12, "\0\0\0\0\xc0\0\2\1", 8);
}

static void limits(void) {
  static uint8_t b[1 << 17], data[1 << 16];
  char text[200];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  rtc_pcapng_packet_t p = {.from = at("::1", 1), .to = at("::1", 2), .comment = text, .data = data, .len = UINT16_MAX - 48};
  int n = rtc_pcapng_write_packet(b, sizeof b, &p);
  CHECK(n > 0 && n <= UINT16_MAX - 48 + RTC_PCAPNG_EXTRA);
  p.len++;
  CHECK_EQ(rtc_pcapng_write_packet(b, sizeof b, &p), RTC_EINVAL);
}

static void the_counts(void) {
  uint8_t b[64];
  CHECK_EQ(rtc_pcapng_write_counts(b, sizeof b, 5, 7, 9), 52);
  CHECK_MEM(b, "\0\0\0\5\0\0\0\x34\0\0\0\0\0\0\0\0\0\0\0\5\0\4\0\x08\0\0\0\0\0\0\0\7\0\5\0\x08\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x34", 52);
}

int main(void) {
  RUN(the_head);
  RUN(packets);
  RUN(an_end_that_is_not_known);
  RUN(limits);
  RUN(the_counts);
  return CHECK_END();
}
