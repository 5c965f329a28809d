#include "base/addr.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "check.h"

static void text_and_back(void) {
  static const struct {
    const char *in, *out;
  } rows[] = {
      {"0.0.0.0", "0.0.0.0:7"},
      {"192.0.2.1", "192.0.2.1:7"},
      {"255.255.255.255", "255.255.255.255:7"},
      {"::", "[::]:7"},
      {"::1", "[::1]:7"},
      {"1::", "[1::]:7"},
      {"ABCD:EF01::abcd:ef01", "[abcd:ef01::abcd:ef01]:7"},
      {"2001:DB8::1", "[2001:db8::1]:7"},
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "[2001:db8::1]:7"},
      {"2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:7"}, /* RFC 5952 §4.2.2: one group is not shortened */
      {"2001:db8::1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:7"},
      {"2001:0:0:1:0:0:0:1", "[2001:0:0:1::1]:7"},       /* §4.2.3: the longest */
      {"2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:7"}, /* the first of equals */
      {"0:0:1:0:0:0:0:0", "[0:0:1::]:7"},
      {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:7"},
      {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:7"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:7"},
      {"fe80::1%2", "[fe80::1%2]:7"},
      {"fe80::%10", "[fe80::%10]:7"},
      {"fe80::1%0", "[fe80::1]:7"},
      {"::ffff:192.0.2.1", "192.0.2.1:7"}, /* one form for both spellings */
      {"::ffff:c000:201", "192.0.2.1:7"},
      {"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1:7"},
      {"64:ff9b::192.0.2.33", "[64:ff9b::c000:221]:7"},
      {"1:2:3:4:5:6:1.2.3.4", "[1:2:3:4:5:6:102:304]:7"},
      {"::1.2.3.4%3", "[::102:304%3]:7"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_addr_t a, b;
    char text[64];
    memset(&a, 0x5a, sizeof a);
    CHECK_EQ(rtc_addr_parse(&a, rows[i].in, 7), 0);
    int n = rtc_addr_write(&a, text, sizeof text);
    if (strcmp(text, rows[i].out) != 0) fprintf(stderr, "%s: %s\n", rows[i].in, text);
    CHECK(strcmp(text, rows[i].out) == 0);
    CHECK_EQ(n, strlen(rows[i].out));
    CHECK_EQ(a.reserved, 0);
    char *end = strrchr(text, ':'), *start = text + (text[0] == '['); /* and read again it is the same */
    end[text[0] == '[' ? -1 : 0] = 0;
    CHECK_EQ(rtc_addr_parse(&b, start, 7), 0);
    CHECK(rtc_addr_eq(&a, &b));
  }
}

static void junk_is_refused(void) {
  static const char *const rows[] = {
      "",
      " ",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "01.2.3.4",
      "1.2.3.00",
      "0x1.2.3.4",
      "1.2.3.4:80",
      "1.2.3.-4",
      "1.2.3.+4",
      "1.2.3.4%1",
      "99999999999.1.1.1",
      "localhost",
      "example.org",
      ":",
      ":::",
      ":1",
      "1:",
      "::1:",
      ":1::2",
      "1::2::3",
      "1:::2",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8:",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4::5:6:7:8",
      "12345::",
      "00001::",
      "g::",
      "::g",
      "[::1]",
      "::1%",
      "::1%eth0",
      "::1%1x",
      "::1%-1",
      "::1% 1",
      "::1%4294967296",
      "::1%99999999999999999999999",
      "%1",
      "::%",
      "::1%1%2",
      "::1.2.3",
      "::1.2.3.256",
      "::1.2.3.4.5",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::01.2.3.4",
      "::ffff:1.2.3.4%1",
      "::1/64",
      "::1\n",
      "1:2:3:4:5:1.2.3.4",
      "\xc2\xb2::",
      "::111111111111111.2.3.4",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    rtc_addr_t a, before;
    memset(&a, 0x5a, sizeof a);
    before = a;
    int got = rtc_addr_parse(&a, rows[i], 1);
    if (got != RTC_EINVAL) fprintf(stderr, "accepted: \"%s\"\n", rows[i]);
    CHECK_EQ(got, RTC_EINVAL);
    CHECK_MEM(&a, &before, sizeof a);
  }
  rtc_addr_t a;
  CHECK_EQ(rtc_addr_parse(&a, NULL, 1), RTC_EINVAL);
}

/* Near-addresses by the hundred thousand: the same verdict and bytes as the system's reader. */
static void agrees_with_the_system(void) {
  static const char *const bits[] = {"0", "1",   "00",  "ffff", "db8",   "::", ":",  ":",  ":",  ":",      "1.2.3.4", ".",
                                     ".", "255", "256", "12a",  "abcde", "7:", "8:", "9:", "a:", "0:0:0:", "1.2.3.4", "::ffff:"};
  uint64_t x = 0x2545f4914f6cdd1du;
  int wrong = 0, good = 0;
  for (int round = 0; round < 400000; round++) {
    char text[128] = "";
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    int parts = 1 + (int)(x >> 59) % 11;
    uint64_t y = x;
    for (int i = 0; i < parts; i++, y = y * 6364136223846793005u + 1442695040888963407u)
      strcat(text, bits[(y >> 33) % (sizeof bits / sizeof *bits)]);
    uint8_t v4[4], v6[16];
    rtc_addr_t a, want;
    memset(&want, 0, sizeof want);
    int ok = 1;
    if (inet_pton(AF_INET, text, v4) == 1)
      rtc_addr_set(&want, v4, 4, 9);
    else if (inet_pton(AF_INET6, text, v6) == 1)
      rtc_addr_set(&want, v6, 16, 9);
    else
      ok = 0;
    int got = rtc_addr_parse(&a, text, 9);
    int differs = got != (ok ? 0 : RTC_EINVAL) || (ok && !rtc_addr_eq(&a, &want));
    if (differs) fprintf(stderr, "%s: system %d, ours %d\n", text, ok, got);
    wrong += differs;
    good += ok;
  }
  CHECK_EQ(wrong, 0);
  CHECK(good > 2000);
}

static void random_bytes_at_every_length(void) {
  uint64_t x = 88172645463325252u;
  for (size_t n = 0; n <= 64; n++)
    for (int round = 0; round < 2000; round++) {
      char *text = malloc(n + 1); /* exact, for the address sanitizer */
      for (size_t i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        text[i] = round % 2 ? (char)(x >> 24) : "0123456789abcdefF::::....%"[(x >> 24) % 26];
      }
      text[n] = 0;
      rtc_addr_t a;
      uint8_t v4[4], v6[16];
      int ok = inet_pton(AF_INET, text, v4) == 1 || inet_pton(AF_INET6, text, v6) == 1;
      if (!strchr(text, '%')) CHECK_EQ(rtc_addr_parse(&a, text, 1), ok ? 0 : RTC_EINVAL);
      if (strchr(text, '%')) (void)rtc_addr_parse(&a, text, 1); /* zones are ours alone: only that it reads no byte too far */
      free(text);
    }
}

static void written_as_the_system_writes(void) {
  uint64_t x = 0x9e3779b97f4a7c15u;
  int wrong = 0;
  for (int round = 0; round < 100000; round++) {
    uint8_t ip[16];
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    for (int i = 0; i < 8; i++) { /* many zero groups */
      int zero = x >> (8 + i) & 1;
      ip[2 * i] = (uint8_t)(zero ? 0 : x >> (i * 5));
      ip[2 * i + 1] = (uint8_t)(zero ? 0 : x >> (i * 7));
    }
    ip[0] |= 1; /* ::a.b.c.d, long deprecated, is the one thing that it writes otherwise */
    char want[80] = "[", got[64];
    inet_ntop(AF_INET6, ip, want + 1, 64);
    strcat(want, "]:65535");
    rtc_addr_t a;
    rtc_addr_set(&a, ip, 16, 65535);
    wrong += rtc_addr_write(&a, got, sizeof got) != (int)strlen(want) || strcmp(got, want) != 0;
  }
  CHECK_EQ(wrong, 0);
}

static void set_takes_4_or_16_bytes(void) {
  static const uint8_t ip[17] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  static const rtc_addr_t none;
  for (size_t n = 0; n <= 17; n++) {
    rtc_addr_t a;
    memset(&a, 0x5a, sizeof a);
    rtc_addr_set(&a, ip, n, 80);
    if (n == 4 || n == 16) {
      CHECK_MEM(a.ip + 16 - n, ip, n);
      CHECK_EQ(rtc_addr_is_v4(&a), n == 4);
      CHECK_EQ(a.port, 80);
      CHECK_EQ(a.scope, 0);
    } else {
      CHECK(rtc_addr_eq(&a, &none));
    }
  }
}

static void no_room_is_told(void) {
  rtc_addr_t a;
  CHECK_EQ(rtc_addr_parse(&a, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", 65535), 0);
  char full[64];
  int n = rtc_addr_write(&a, full, sizeof full);
  CHECK_EQ(n, 58);
  for (size_t cap = 0; cap <= 64; cap++) {
    char *out = malloc(cap ? cap : 1);
    out[0] = 'x';
    int got = rtc_addr_write(&a, out, cap);
    if (cap > (size_t)n) {
      CHECK_EQ(got, n);
      CHECK(strcmp(out, full) == 0);
    } else {
      CHECK_EQ(got, RTC_ENOBUFS);
      CHECK(cap ? out[0] == 0 : out[0] == 'x');
    }
    free(out);
  }
}

static void paths_are_told_apart_by_socket_and_peer(void) {
  rtc_path_t a, b;
  memset(&a, 0, sizeof a);
  CHECK_EQ(rtc_addr_parse(&a.remote, "192.0.2.1", 5000), 0);
  b = a;
  CHECK(rtc_path_eq(&a, &b));
  CHECK_EQ(rtc_addr_parse(&b.local, "192.0.2.9", 1), 0); /* how to answer, not who */
  CHECK(rtc_path_eq(&a, &b));
  b.sock = 1;
  CHECK(!rtc_path_eq(&a, &b));
  b = a;
  b.remote.port++;
  CHECK(!rtc_path_eq(&a, &b));
}

int main(void) {
  RUN(text_and_back);
  RUN(junk_is_refused);
  RUN(agrees_with_the_system);
  RUN(random_bytes_at_every_length);
  RUN(written_as_the_system_writes);
  RUN(set_takes_4_or_16_bytes);
  RUN(no_room_is_told);
  RUN(paths_are_told_apart_by_socket_and_peer);
  return CHECK_END();
}
