#include "base/addr.h"

#include "base/bytes.h"
#include "base/err.h"

enum { GROUPS = 8, TEXT_MAX = 64 };

void rtc_addr_set(rtc_addr_t *a, const uint8_t *ip, size_t n, uint16_t port) {
  memset(a, 0, sizeof *a);
  if (n == 4) {
    a->ip[10] = a->ip[11] = 0xff;
    memcpy(a->ip + 12, ip, 4);
  } else if (n == 16) {
    memcpy(a->ip, ip, 16);
  } else {
    return;
  }
  a->port = port;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static int hex_of(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Four decimal numbers, up to the end of the text. No leading zeros: some readers take them for octal. */
static bool parse_v4(const char *s, uint8_t ip[4]) {
  for (int i = 0; i < 4; i++) {
    if (i && *s++ != '.') return false;
    if (!is_digit(*s) || (s[0] == '0' && is_digit(s[1]))) return false;
    unsigned v = 0;
    for (; is_digit(*s); s++)
      if ((v = v * 10 + (unsigned)(*s - '0')) > 255) return false;
    ip[i] = (uint8_t)v;
  }
  return *s == 0;
}

/* "%" and a number (RFC 4007 §11.2, without interface names, which only the system could resolve). */
static bool parse_scope(const char *s, uint32_t *scope) {
  uint64_t v = 0;
  if (!is_digit(*s)) return false;
  for (; is_digit(*s); s++)
    if ((v = v * 10 + (unsigned)(*s - '0')) > UINT32_MAX) return false;
  *scope = (uint32_t)v;
  return *s == 0;
}

/* RFC 4291 §2.2: groups of hex digits, one "::" for one or more zero groups, dotted decimal for the last two. */
static bool parse_v6(const char *s, uint8_t ip[16], uint32_t *scope) {
  uint8_t b[16] = {0};
  int n = 0, gap = -1; /* groups so far; how many stood before "::" */
  if (s[0] == ':') {
    if (s[1] != ':') return false;
    s += 2;
    gap = 0;
  }
  while (*s && *s != '%') {
    if (n == GROUPS) return false;
    const char *start = s;
    unsigned v = 0;
    for (; hex_of(*s) >= 0 && s - start < 4; s++) v = v << 4 | (unsigned)hex_of(*s);
    if (*s == '.') {
      char tail[16];
      size_t len = strcspn(start, "%");
      if (n > GROUPS - 2 || len >= sizeof tail) return false;
      memcpy(tail, start, len);
      tail[len] = 0;
      if (!parse_v4(tail, b + 2 * n)) return false;
      n += 2;
      s = start + len;
      break;
    }
    if (s == start) return false;
    rtc_put16(b + 2 * n++, (uint16_t)v);
    if (*s == 0 || *s == '%') break;
    if (*s++ != ':') return false;
    if (*s == ':') {
      if (gap >= 0) return false;
      gap = n;
      s++;
    } else if (*s == 0 || *s == '%') {
      return false; /* a single colon at the end */
    }
  }
  if (*s == '%' && !parse_scope(s + 1, scope)) return false;
  if (gap < 0 ? n != GROUPS : n >= GROUPS) return false;
  if (gap >= 0) {
    size_t after = 2 * (size_t)(n - gap);
    memmove(b + 16 - after, b + 2 * gap, after);
    memset(b + 2 * gap, 0, (size_t)(2 * (GROUPS - n)));
  }
  memcpy(ip, b, 16);
  return true;
}

int rtc_addr_parse(rtc_addr_t *a, const char *text, uint16_t port) {
  if (!text) return RTC_EINVAL;
  uint8_t ip[16];
  uint32_t scope = 0;
  rtc_addr_t out;
  if (parse_v4(text, ip)) {
    rtc_addr_set(&out, ip, 4, port);
  } else {
    if (!parse_v6(text, ip, &scope)) return RTC_EINVAL;
    rtc_addr_set(&out, ip, 16, port);
    if (scope && rtc_addr_is_v4(&out)) return RTC_EINVAL; /* ::ffff:a.b.c.d has no zones */
    out.scope = scope;
  }
  *a = out;
  return 0;
}

static void put_text(rtc_wr_t *w, const char *s) { rtc_wr_bytes(w, s, strlen(s)); }
static void put_number(rtc_wr_t *w, uint32_t v, uint32_t base) {
  char digits[10];
  size_t n = sizeof digits;
  do digits[--n] = "0123456789abcdef"[v % base];
  while ((v /= base) != 0);
  rtc_wr_bytes(w, digits + n, sizeof digits - n);
}

/* RFC 5952 §4: lower case, no leading zeros, "::" for the longest run of two or more zero groups, the first of equals. */
static void write_v6(rtc_wr_t *w, const uint8_t ip[16]) {
  int best = -1, best_len = 1;
  for (int i = 0; i < GROUPS; i++) {
    int n = 0;
    while (i + n < GROUPS && rtc_get16(ip + 2 * (i + n)) == 0) n++;
    if (n > best_len) best = i, best_len = n;
    i += n;
  }
  for (int i = 0; i < GROUPS;) {
    if (i == best) {
      put_text(w, "::");
      i += best_len;
      continue;
    }
    if (i && i != best + best_len) put_text(w, ":");
    put_number(w, rtc_get16(ip + 2 * i++), 16);
  }
}

int rtc_addr_write(const rtc_addr_t *a, char *out, size_t cap) {
  uint8_t text[TEXT_MAX];
  rtc_wr_t w = rtc_wr(text, sizeof text);
  if (rtc_addr_is_v4(a)) {
    for (int i = 0; i < 4; i++) {
      if (i) put_text(&w, ".");
      put_number(&w, a->ip[12 + i], 10);
    }
  } else {
    put_text(&w, "[");
    write_v6(&w, a->ip);
    if (a->scope) {
      put_text(&w, "%");
      put_number(&w, a->scope, 10);
    }
    put_text(&w, "]");
  }
  put_text(&w, ":");
  put_number(&w, a->port, 10);
  size_t n = rtc_wr_len(&w);
  rtc_wr8(&w, 0);
  if (cap <= n) {
    if (cap) out[0] = 0;
    return RTC_ENOBUFS;
  }
  memcpy(out, text, n + 1);
  return (int)n;
}
