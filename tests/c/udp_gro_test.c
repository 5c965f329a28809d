/* links: io/udp.c io/udp_sys.c io/udp_linux.c io/udp_gro.c io/udp_posix.c io/clock.c base/addr.c base/pkt.c base/err.c */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "datagrams.h"
#include "io/clock.h"
#include "io/udp.h"

#ifdef __linux__

static bool no_joining; /* a kernel before 5.0 */

/* Stands before libc's. */
int setsockopt(int fd, int level, int option, const void *value, socklen_t n) {
  if (no_joining && level == IPPROTO_UDP) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return (int)syscall(SYS_setsockopt, fd, level, option, value, n);
}

static void open_sender(rtc_udp_t *u, const char *ip) {
  rtc_udp_cfg_t cfg = {.bind = addr(ip, 0)};
  int sys;
  CHECK_EQ(rtc_udp_open(u, &cfg, &sys), 0);
}

/* joins: one with the datagram before it. */
static rtc_pkt_t *member(const rtc_addr_t *to, uint32_t number, uint32_t len, bool joins) {
  rtc_pkt_t *k = packet(to, number, len);
  k->tag[RTC_PKT_RUN] = joins ? RTC_RUN_JOINS : RTC_RUN_ALONE;
  return k;
}

typedef struct joined {
  uint32_t len[400], number[400];
  int n, messages, most; /* datagrams, messages, and the most of one call */
  bool right;            /* each came from and to where it should, at a time of its message's */
} joined_t;

static void open_joined(rtc_udp_t *u, rtc_udp_scratch_t *scratch, rtc_udp_gro_t *gro, const char *ip) {
  rtc_udp_cfg_t cfg = {.bind = addr(ip, 0), .recv_buffer = 1 << 20, .lent = true};
  int sys;
  CHECK_EQ(rtc_udp_open(u, &cfg, &sys), 0);
  rtc_udp_lend(u, scratch, gro);
}

/* Takes in until n datagrams were there; every `skip`th has no slot. */
static void take_joined(rtc_udp_t *u, joined_t *j, int n, const rtc_udp_t *from, const rtc_addr_t *local, int skip) {
  struct pollfd p = {.fd = u->fd, .events = POLLIN};
  *j = (joined_t){.right = true};
  while (j->n < n && poll(&p, 1, 2000) == 1) {
    int got = rtc_udp_fetch(u);
    j->messages += got;
    if (got > j->most) j->most = got;
    for (; rtc_udp_left(u) && j->n < 400; j->n++) {
      rtc_pkt_t *k = skip && j->n % skip == 0 ? NULL : rtc_pkt_get(pool);
      rtc_udp_next(u, k);
      if (!k) continue;
      rtc_time_t now = rtc_clock_now();
      j->right &=
          rtc_addr_eq(&k->path.remote, &from->bound) && rtc_addr_eq(&k->path.local, local) && k->at > now - RTC_SEC(5) && k->at <= now;
      j->len[j->n] = k->len;
      if (k->len >= 4 && k->len <= RTC_PKT_DATA) memcpy(&j->number[j->n], k->data, 4);
      if (k->len > 4 && k->len <= RTC_PKT_DATA) j->right &= k->data[k->len - 1] == (uint8_t)j->number[j->n];
      rtc_pkt_put(k);
    }
  }
}

static void joined_datagrams_are_taken_apart(void) {
  static const struct {
    const char *name;
    int n, messages;
    uint32_t len[8];
    bool joins[8];
  } row[] = {
      {"equal", 4, 1, {1200, 1200, 1200, 1200}, {0, 1, 1, 1}},
      {"the last one shorter", 4, 1, {1200, 1200, 1200, 7}, {0, 1, 1, 1}},
      {"one by one", 3, 3, {500, 500, 500}, {0, 0, 0}},
      {"two runs and one", 6, 3, {900, 900, 800, 800, 800, 40}, {0, 1, 0, 1, 1, 0}},
      {"the largest that fits", 2, 1, {RTC_PKT_DATA, RTC_PKT_DATA}, {0, 1}},
      {"a byte each", 3, 1, {1, 1, 1}, {0, 1, 1}},
      {"an empty one", 3, 3, {100, 0, 100}, {0, 0, 0}},
  };
  static const char *const at[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};
  static joined_t j;
  rtc_udp_scratch_t *scratch = rtc_udp_scratch_new();
  rtc_udp_gro_t *gro = rtc_udp_gro_new();
  for (int f = 0; f < 4; f++) {
    rtc_udp_t a, b, c;
    rtc_addr_t near = addr(f < 2 ? "127.0.0.1" : "::1", 0);
    open_sender(&a, f < 2 ? "127.0.0.1" : "::1");
    open_joined(&b, scratch, gro, at[f]);
    open_joined(&c, scratch, gro, at[f]);
    CHECK(b.gro == gro && c.gro == gro);
    CHECK_EQ(rtc_udp_fetch(&b), 0);
    CHECK(!rtc_udp_left(&b));
    for (uint32_t r = 0; r < sizeof row / sizeof row[0]; r++) {
      rtc_udp_t *u = r % 2 ? &c : &b;
      rtc_addr_t to = near;
      to.port = u->bound.port;
      rtc_pkt_t *v[8];
      for (int i = 0; i < row[r].n; i++) v[i] = member(&to, r * 100 + (uint32_t)i, row[r].len[i], row[r].joins[i]);
      CHECK_EQ(send_all(&a, v, row[r].n), row[r].n);
      take_joined(u, &j, row[r].n, &a, &near, 0);
      CHECK(j.right && j.n == row[r].n);
      if (!a.count.runs_refused) CHECK_EQ(j.messages, row[r].messages);
      for (int i = 0; i < row[r].n; i++) {
        CHECK_EQ(j.len[i], row[r].len[i]);
        if (row[r].len[i] >= 4) CHECK_EQ(j.number[i], r * 100 + (uint32_t)i);
      }
    }
    rtc_udp_close(&a);
    rtc_udp_close(&b);
    rtc_udp_close(&c);
  }
  rtc_udp_gro_free(gro);
  rtc_udp_scratch_free(scratch);
}

/* More messages than a call takes, datagrams that are too big for a slot, and too few slots: each is accounted for, in order. */
static void joined_datagrams_of_all_kinds(void) {
  static joined_t j;
  rtc_udp_scratch_t *scratch = rtc_udp_scratch_new();
  rtc_udp_gro_t *gro = rtc_udp_gro_new();
  rtc_udp_t a, b;
  rtc_addr_t near = addr("127.0.0.1", 0);
  open_sender(&a, "127.0.0.1");
  open_joined(&b, scratch, gro, "127.0.0.1");
  for (int skip = 0; skip < 3; skip += 2) {
    rtc_pkt_t *v[RTC_UDP_BATCH];
    uint32_t n = 0;
    for (uint32_t run = 0; run < 15; run++) {
      for (uint32_t i = 0; i < 4; i++, n++) v[n] = member(&b.bound, n, 600 + run, i > 0);
    }
    CHECK_EQ(send_all(&a, v, (int)n), n);
    static uint8_t big[4000];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(b.bound.port)};
    memcpy(&to.sin_addr, b.bound.ip + 12, 4);
    CHECK_EQ(sendto(a.fd, big, sizeof big, 0, (struct sockaddr *)(void *)&to, sizeof to), sizeof big);
    take_joined(&b, &j, (int)n + 1, &a, &near, skip);
    CHECK(j.right && j.n == (int)n + 1);
    CHECK_EQ(j.most, RTC_UDP_FETCH);
    for (uint32_t i = 0; i < n; i++) {
      bool taken = !skip || i % (uint32_t)skip;
      CHECK_EQ(j.len[i], taken ? 600 + i / 4 : 0);
      CHECK_EQ(j.number[i], taken ? i : 0);
    }
    CHECK_EQ(j.len[n], skip ? 0 : RTC_UDP_TOO_BIG);
  }
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_udp_close(&a);
  rtc_udp_close(&b);
  rtc_udp_gro_free(gro);
  rtc_udp_scratch_free(scratch);
}

/* A kernel that cannot join, and a loop that does not ask: the usual way. */
static void without_joining_they_come_one_by_one(void) {
  rtc_udp_scratch_t *scratch = rtc_udp_scratch_new();
  rtc_udp_gro_t *gro = rtc_udp_gro_new();
  rtc_udp_t a, b, c;
  open_sender(&a, "127.0.0.1");
  no_joining = true;
  open_joined(&b, scratch, gro, "127.0.0.1");
  no_joining = false;
  open_joined(&c, scratch, NULL, "127.0.0.1");
  for (int i = 0; i < 2; i++) {
    rtc_udp_t *u = i ? &c : &b;
    CHECK(!u->gro);
    rtc_pkt_t *v[3];
    for (uint32_t k = 0; k < 3; k++) v[k] = member(&u->bound, k, 700, k > 0);
    CHECK_EQ(send_all(&a, v, 3), 3);
    struct pollfd p = {.fd = u->fd, .events = POLLIN};
    for (int seen = 0, got; seen < 3; seen += got) {
      CHECK_EQ(poll(&p, 1, 2000), 1);
      for (int k = 0; k < 3; k++) v[k] = rtc_pkt_get(pool);
      got = rtc_udp_recv(u, v, 3);
      CHECK(got > 0);
      for (int k = 0; k < got; k++) CHECK(v[k]->len == 700 && v[k]->data[0] == seen + k);
      for (int k = 0; k < 3; k++) rtc_pkt_put(v[k]);
      if (got <= 0) break;
    }
  }
  rtc_udp_close(&a);
  rtc_udp_close(&b);
  rtc_udp_close(&c);
  rtc_udp_gro_free(gro);
  rtc_udp_scratch_free(scratch);
}

int main(void) {
  pool = rtc_pool_new(512);
  RUN(joined_datagrams_are_taken_apart);
  RUN(joined_datagrams_of_all_kinds);
  RUN(without_joining_they_come_one_by_one);
  CHECK_EQ(rtc_pool_used(pool), 0);
  rtc_pool_free(pool);
  return CHECK_END();
}

#else

static void elsewhere_none_is_joined(void) { CHECK(!rtc_udp_gro_new()); }

int main(void) {
  RUN(elsewhere_none_is_joined);
  return CHECK_END();
}

#endif
