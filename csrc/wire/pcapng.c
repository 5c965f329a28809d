#include "wire/pcapng.h"

#include "base/bytes.h"

enum {
  BLOCK_SECTION = 0x0a0d0d0a,
  BLOCK_INTERFACE = 1,
  BLOCK_COUNTS = 5,
  BLOCK_PACKET = 6,
  ORDER_MAGIC = 0x1a2b3c4d,
  LINK_RAW = 101, /* IPv4 or IPv6 by its first four bits */
  OPT_END = 0,
  OPT_COMMENT = 1,
  OPT_IF_NAME = 2,
  OPT_IF_TSRESOL = 9,
  OPT_EPB_FLAGS = 2,
  OPT_ISB_IFRECV = 4,
  OPT_ISB_IFDROP = 5,
  INBOUND = 1,
  OUTBOUND = 2,
  UDP_HEAD = 8,
  IP4_HEAD = 20,
  IP6_HEAD = 40,
  IP_UDP = 17,
  HOPS = 64,
};

static void pad4(rtc_wr_t *w) {
  while (!w->bad && rtc_wr_len(w) % 4) rtc_wr8(w, 0);
}

static void option(rtc_wr_t *w, uint16_t code, const void *value, size_t n) {
  rtc_wr16(w, code);
  rtc_wr16(w, (uint16_t)n);
  rtc_wr_bytes(w, value, n);
  pad4(w);
}

static void option64(rtc_wr_t *w, uint16_t code, uint64_t value) {
  uint8_t b[8];
  rtc_put64(b, value);
  option(w, code, b, sizeof b);
}

static size_t begin(rtc_wr_t *w, uint32_t type) {
  size_t at = rtc_wr_len(w);
  rtc_wr32(w, type);
  rtc_wr32(w, 0);
  return at;
}

/* The length stands at both ends of a block. */
static void end(rtc_wr_t *w, size_t at) {
  uint32_t n = (uint32_t)(rtc_wr_len(w) - at) + 4;
  rtc_wr32(w, n);
  if (!w->bad) rtc_put32(w->start + at + 4, n);
}

static int done(const rtc_wr_t *w) { return w->bad ? RTC_ENOBUFS : (int)rtc_wr_len(w); }

int rtc_pcapng_write_head(uint8_t *out, size_t cap, const char *interface) {
  rtc_wr_t w = rtc_wr(out, cap);
  size_t at = begin(&w, BLOCK_SECTION);
  rtc_wr32(&w, ORDER_MAGIC);
  rtc_wr16(&w, 1);
  rtc_wr16(&w, 0);
  rtc_wr64(&w, UINT64_MAX); /* the section's length is not known */
  end(&w, at);
  at = begin(&w, BLOCK_INTERFACE);
  rtc_wr16(&w, LINK_RAW);
  rtc_wr16(&w, 0);
  rtc_wr32(&w, 0); /* packets are whole */
  option(&w, OPT_IF_NAME, interface, strlen(interface));
  option(&w, OPT_IF_TSRESOL, &(uint8_t){9}, 1);
  option(&w, OPT_END, NULL, 0);
  end(&w, at);
  return done(&w);
}

/* The ones' complement sum of RFC 1071, not yet folded. */
static uint32_t sum(const uint8_t *p, size_t n) {
  uint32_t s = 0;
  for (size_t i = 0; i + 1 < n; i += 2) s += rtc_get16(p + i);
  return n % 2 ? s + ((uint32_t)p[n - 1] << 8) : s;
}

static uint16_t fold(uint32_t s) {
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return (uint16_t)~s;
}

/* Addresses stand in the header just as its pseudo header sums them (RFC 768, RFC 8200 §8.1). */
static void udp(rtc_wr_t *w, const rtc_pcapng_packet_t *p, const uint8_t *addresses, size_t addresses_len) {
  uint16_t len = (uint16_t)(UDP_HEAD + p->len);
  uint8_t *h = rtc_wr_room(w, UDP_HEAD);
  rtc_wr_bytes(w, p->data, p->len);
  if (w->bad || !h) return;
  rtc_put16(h, p->from.port);
  rtc_put16(h + 2, p->to.port);
  rtc_put16(h + 4, len);
  rtc_put16(h + 6, 0);
  uint16_t check = fold(sum(addresses, addresses_len) + IP_UDP + len + sum(h, len));
  rtc_put16(h + 6, check ? check : 0xffff); /* 0 would say that there is none */
}

static void ip4(rtc_wr_t *w, const rtc_pcapng_packet_t *p) {
  uint8_t *h = rtc_wr_room(w, IP4_HEAD);
  if (!h) return;
  memset(h, 0, IP4_HEAD);
  h[0] = 0x45;
  rtc_put16(h + 2, (uint16_t)(IP4_HEAD + UDP_HEAD + p->len));
  h[8] = HOPS;
  h[9] = IP_UDP;
  memcpy(h + 12, p->from.ip + 12, 4);
  memcpy(h + 16, p->to.ip + 12, 4);
  rtc_put16(h + 10, fold(sum(h, IP4_HEAD)));
  udp(w, p, h + 12, 8);
}

static void ip6(rtc_wr_t *w, const rtc_pcapng_packet_t *p) {
  uint8_t *h = rtc_wr_room(w, IP6_HEAD);
  if (!h) return;
  memset(h, 0, IP6_HEAD);
  h[0] = 0x60;
  rtc_put16(h + 4, (uint16_t)(UDP_HEAD + p->len));
  h[6] = IP_UDP;
  h[7] = HOPS;
  memcpy(h + 8, p->from.ip, 16);
  memcpy(h + 24, p->to.ip, 16);
  udp(w, p, h + 8, 32);
}

int rtc_pcapng_write_packet(uint8_t *out, size_t cap, const rtc_pcapng_packet_t *p) {
  bool v4 = rtc_addr_is_v4(&p->from) || rtc_addr_is_v4(&p->to); /* an end that is not known is all zeros in either family */
  size_t len = (size_t)(v4 ? IP4_HEAD : IP6_HEAD) + UDP_HEAD + p->len, text = strlen(p->comment);
  if (len > UINT16_MAX) return RTC_EINVAL;
  rtc_wr_t w = rtc_wr(out, cap);
  size_t at = begin(&w, BLOCK_PACKET);
  rtc_wr32(&w, 0); /* the interface */
  rtc_wr64(&w, (uint64_t)p->unix_ns);
  rtc_wr32(&w, (uint32_t)len);
  rtc_wr32(&w, (uint32_t)len);
  if (v4)
    ip4(&w, p);
  else
    ip6(&w, p);
  pad4(&w);
  uint8_t flags[4] = {0, 0, 0, p->sent ? OUTBOUND : INBOUND};
  option(&w, OPT_EPB_FLAGS, flags, sizeof flags);
  option(&w, OPT_COMMENT, p->comment, text < RTC_PCAPNG_COMMENT ? text : RTC_PCAPNG_COMMENT);
  option(&w, OPT_END, NULL, 0);
  end(&w, at);
  return done(&w);
}

int rtc_pcapng_write_counts(uint8_t *out, size_t cap, int64_t unix_ns, uint64_t taken, uint64_t dropped) {
  rtc_wr_t w = rtc_wr(out, cap);
  size_t at = begin(&w, BLOCK_COUNTS);
  rtc_wr32(&w, 0);
  rtc_wr64(&w, (uint64_t)unix_ns);
  option64(&w, OPT_ISB_IFRECV, taken);
  option64(&w, OPT_ISB_IFDROP, dropped);
  option(&w, OPT_END, NULL, 0);
  end(&w, at);
  return done(&w);
}
