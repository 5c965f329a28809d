/* A loop's TCP, from outside: what strangers may do, and what a peer that reads nothing costs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "rig.h"
#include "tcp_door.h"

static void say(int fd, const void *p, size_t n) {
  uint8_t frame[2 + 4096];
  frame[0] = (uint8_t)(n >> 8);
  frame[1] = (uint8_t)n;
  memcpy(frame + 2, p, n);
  if (send(fd, frame, n + 2, MSG_NOSIGNAL) != (ssize_t)n + 2) exit(2);
}

static size_t check_of(uint8_t *out, const char *user) { return (size_t)rig_write_check(out, 512, user, PASSWORD, false); }

static bool is_closed(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  char c;
  return poll(&p, 1, 10000) == 1 && recv(fd, &c, 1, 0) <= 0;
}

static uint64_t strangers(rtc_loop_t *l) {
  rtc_stats_t s = {0};
  CHECK_EQ(rtc_loop_submit(l, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s}, 1, NULL), 0);
  CHECK_EQ(rtc_loop_step(l), 0);
  return s.hub.drops[RTC_DROP_STRANGER];
}

static void the_longest_waiting_goes(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  static int fd[MOST + 10];
  for (uint32_t i = 0; i < MOST; i++) {
    fd[i] = dial(&at);
    if (i % 64 == 63) step_until(l, &l->conns.accepted_n, i + 1);
  }
  CHECK_EQ(strangers(l), 0);
  uint8_t p[512];
  say(fd[0], p, check_of(p, USER)); /* this one is somebody's */
  step_until(l, &l->conns.unclaimed_n, MOST - 1);
  for (uint32_t i = MOST; i < MOST + 10; i++) {
    fd[i] = dial(&at);
    for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); strangers(l) != i - MOST && rtc_clock_now() < end;) poll(NULL, 0, 1);
    if (i > MOST) CHECK(is_closed(fd[i - MOST]));
  }
  CHECK_EQ(l->conns.unclaimed_n, MOST);
  CHECK_EQ(strangers(l), 9);
  for (int i = 0; i < MOST + 10; i++) close(fd[i]);
  step_until(l, &l->conns.accepted_n, 0);
  CHECK_EQ(l->conns.unclaimed_n, 0);
  CHECK_EQ(l->socks.n, 1);
  rtc_loop_free(l);
}

static void strangers_words(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  uint8_t p[2048] = {0x80, 0x60};
  /* Neither media, nor what is too large, nor too much of what is a check but nobody's. */
  int fd = dial(&at);
  say(fd, p, 40);
  step_until(l, &l->conns.accepted_n, 1);
  step_until(l, &l->conns.accepted_n, 0);
  CHECK(is_closed(fd));
  close(fd);
  fd = dial(&at);
  say(fd, p, RTC_PKT_DATA + 1);
  step_until(l, &l->conns.accepted_n, 1);
  step_until(l, &l->conns.accepted_n, 0);
  CHECK(is_closed(fd));
  close(fd);
  fd = dial(&at);
  size_t n = check_of(p, "nobody:else");
  for (size_t sent = 0; sent <= BYTES; sent += n + 2) {
    CHECK_EQ(strangers(l), 2);
    say(fd, p, n);
  }
  step_until(l, &l->conns.accepted_n, 0);
  CHECK(is_closed(fd));
  CHECK_EQ(strangers(l), 3);
  close(fd);
  rtc_loop_free(l);
}

/* Whom nobody claims goes after 10 s; a claimed one stays as long as its transport. */
static void time_passes(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  int mute = dial(&at), known = dial(&at);
  uint8_t p[512];
  say(known, p, check_of(p, USER));
  step_until(l, &l->conns.accepted_n, 2);
  step_until(l, &l->conns.unclaimed_n, 1);
  CHECK(rtc_loop_next_at(l) != RTC_NEVER);
  for (uint32_t i = 0; i < l->socks.n; i++) l->socks.v[i]->since -= RTC_SEC(9) - RTC_MS(500);
  l->conns.look_at = 0;
  CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(l->conns.accepted_n, 2);
  for (uint32_t i = 0; i < l->socks.n; i++) l->socks.v[i]->since -= RTC_SEC(2);
  l->conns.look_at = 0;
  CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(l->conns.accepted_n, 1);
  CHECK(is_closed(mute));
  CHECK_EQ(strangers(l), 1);
  rtc_cmd_t end = {.op = RTC_OP_CLOSE, .id = 1};
  CHECK_EQ(rtc_loop_submit(l, &end, 1, NULL), 0);
  CHECK_EQ(rtc_loop_step(l), 0);
  l->conns.look_at = 0;
  CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(l->conns.accepted_n, 0);
  CHECK_EQ(strangers(l), 1);
  CHECK_EQ(l->conns.look_at, RTC_NEVER);
  close(mute);
  close(known);
  rtc_loop_free(l);
}

/* No descriptor left: who waits stays where he is, nothing spins, and later it goes on. */
static void no_descriptor_left(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  int fd = dial(&at), probe = dup(fd);
  struct rlimit r, full;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
  full = r;
  full.rlim_cur = (rlim_t)probe;
  close(probe);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
  step_until(l, &l->conns.paused_n, 1);
  CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(l->conns.accepted_n, 0);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
  l->conns.look_at = 0;
  CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(l->conns.paused_n, 0);
  step_until(l, &l->conns.accepted_n, 1);
  close(fd);
  rtc_loop_free(l);
}

/* What the kernel does not take waits up to the cap; datagrams beyond it are lost whole, and the others arrive whole. */
static void a_peer_that_does_not_read(void) {
  rtc_addr_t at;
  rtc_udp_fault_t why;
  CHECK_EQ(rtc_addr_parse(&at, "127.0.0.1", 0), 0);
  rtc_addr_t bound;
  int sys, listener = rtc_stream_listen(&at, &bound, &sys);
  rtc_stream_t *s = rtc_stream_connect(&(rtc_stream_cfg_t){.remote = bound}, &why);
  static rtc_stream_scratch_t x;
  if (!s || listener < 0) exit(2);
  int small = 16384;
  CHECK_EQ(setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  CHECK_EQ(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  struct pollfd p = {.fd = listener, .events = POLLIN};
  poll(&p, 1, 10000);
  int fd = accept(listener, NULL, NULL);
  rtc_pool_t *pool = rtc_pool_new(RTC_UDP_BATCH);
  rtc_pkt_t *v[RTC_UDP_BATCH];
  uint32_t number = 0, taken[4096], n = 0, before_open = 0;
  for (int i = 0; i < RTC_UDP_BATCH; i++) v[i] = rtc_pkt_get(pool);
  bool lost = false;
  for (int round = 0; round < 4000 && n < 4000 && !(lost && round > 40); round++) {
    int sent = 0;
    for (int i = 0; i < RTC_UDP_BATCH; i++, number++) {
      v[i]->len = 600 + number % 700;
      memset(v[i]->data, (int)(number % 251), v[i]->len);
      /* One at a time, to know which are taken. */
      int one = rtc_stream_send(s, &v[i], 1, &x);
      if (one && n < 4096) taken[n++] = number;
      sent += one;
    }
    if (!round) before_open = n;
    lost |= sent < RTC_UDP_BATCH;
    rtc_stream_push(s, &x);
  }
  CHECK(lost);
  CHECK(before_open > 0);
  CHECK(s->out_n > RTC_STREAM_OUT_BYTES - 2 * 1302 && s->out_n <= RTC_STREAM_OUT_BYTES);
  CHECK(rtc_stream_waits(s));
  rtc_stream_t *far = rtc_stream_accepted(fd, RTC_FRAMING_LENGTH);
  static rtc_stream_scratch_t y;
  uint32_t got = 0;
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(20); got < n && rtc_clock_now() < end;) {
    rtc_stream_push(s, &x);
    const uint8_t *data;
    size_t len;
    if (!rtc_stream_read(far, &y)) continue;
    while (rtc_stream_next(far, &data, &len)) {
      uint32_t is = got < n ? taken[got++] : UINT32_MAX;
      CHECK(data && len == 600 + is % 700 && data[0] == is % 251 && data[len - 1] == is % 251);
    }
  }
  CHECK_EQ(got, n);
  CHECK(!rtc_stream_waits(s));
  rtc_stream_free(s);
  CHECK(!rtc_stream_read(far, &y));
  CHECK(far->state == RTC_STREAM_ENDED && !far->why[0]);
  rtc_stream_free(far);
  for (int i = 0; i < RTC_UDP_BATCH; i++) rtc_pkt_put(v[i]);
  rtc_pool_free(pool);
  close(listener);
}

/* Datagrams in a stream that comes in pieces of every size, too large ones among them. */
static void pieces(rtc_framing_t framing, const uint8_t *all, size_t all_n, const size_t *want, int want_n) {
  static rtc_stream_scratch_t x;
  for (size_t piece = 1; piece <= 70; piece++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) exit(2);
    rtc_stream_t s = {.fd = pair[0], .framing = (uint8_t)framing, .connected = true, .state = RTC_STREAM_OPEN};
    int got = 0;
    for (size_t at = 0; at < all_n; at += piece) {
      size_t n = all_n - at < piece ? all_n - at : piece;
      if (send(pair[1], all + at, n, 0) != (ssize_t)n) exit(2);
      const uint8_t *p;
      size_t len;
      if (!rtc_stream_read(&s, &x)) continue;
      for (; rtc_stream_next(&s, &p, &len); got++) {
        CHECK(got < want_n && len == want[got]);
        CHECK_EQ(p == NULL, len > RTC_PKT_DATA);
      }
    }
    CHECK_EQ(got, want_n);
    CHECK_EQ(s.state, RTC_STREAM_OPEN);
    close(pair[0]);
    close(pair[1]);
  }
}

static void pieces_of_every_size(void) {
  static uint8_t all[16384];
  static const size_t lens[] = {1, 0, 40, RTC_PKT_DATA, RTC_PKT_DATA + 1, 3, 4000, 2};
  size_t n = 0;
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    n += rtc_framing_head(RTC_FRAMING_LENGTH, all + n, lens[i]);
    memset(all + n, 0xab, lens[i]);
    n += lens[i];
  }
  pieces(RTC_FRAMING_LENGTH, all, n, lens, sizeof lens / sizeof *lens);
  /* ChannelData of 5 bytes, STUN without attributes, ChannelData too large, STUN of 24. */
  memset(all, 0, sizeof all);
  n = 0;
  static const uint8_t head[4][4] = {{0x40, 1, 0, 5}, {0, 1, 0, 0}, {0x41, 0, 0x10, 1}, {1, 1, 0, 4}};
  static const size_t bytes[] = {12, 20, 4 + 0x1004, 24}, want[] = {9, 20, 4 + 0x1001, 24};
  for (int i = 0; i < 4; n += bytes[i++]) memcpy(all + n, head[i], 4);
  pieces(RTC_FRAMING_TURN, all, n, want, 4);
}

int main(void) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < 1000) {
    r.rlim_cur = 1000;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0) perror("RLIMIT_NOFILE");
  }
  RUN(pieces_of_every_size);
  RUN(a_peer_that_does_not_read);
  RUN(the_longest_waiting_goes);
  RUN(strangers_words);
  RUN(time_passes);
  RUN(no_descriptor_left);
  return CHECK_END();
}
