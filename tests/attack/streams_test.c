/* Streams: strangers at a TCP listener for ICE (E14): many, mute, slow, talkative, with words of others. */
#define _GNU_SOURCE
#include <unistd.h>

#include "attack.h"
#include "rig.h"
#include "tcp_door.h"

enum { CROWD = 2 * MOST };

static void write_all(int fd, const void *p, size_t n) {
  if (send(fd, p, n, MSG_NOSIGNAL) != (ssize_t)n) exit(2);
}

static void say(int fd, const uint8_t *p, size_t n) {
  uint8_t frame[2 + 1600] = {(uint8_t)(n >> 8), (uint8_t)n};
  memcpy(frame + 2, p, n);
  write_all(fd, frame, n + 2);
}

static size_t check_of(uint8_t *out, const char *user, const char *pwd) { return (size_t)rig_write_check(out, 512, user, pwd, false); }

/* Steps until something has been said to it, ten seconds at most: bytes, -1 when it has been closed and nothing came. */
static ssize_t heard(rtc_loop_t *l, int fd) {
  uint8_t b[512];
  ssize_t n = -1;
  struct pollfd p = {.fd = fd, .events = POLLIN};
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); poll(&p, 1, 1) == 0 && rtc_clock_now() < end;) CHECK_EQ(rtc_loop_step(l), 0);
  if (p.revents) n = recv(fd, b, sizeof b, 0);
  return n > 0 ? n : -1;
}

static void years_pass(rtc_loop_t *l, int seconds) {
  for (uint32_t i = 0; i < l->socks.n; i++) l->socks.v[i]->since -= RTC_SEC(seconds);
  l->conns.look_at = 0;
}

/* Twice as many mute ones as are borne: a peer that has said who it is stays and is answered, and one that comes last gets in. */
static void e14_crowds(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  static int fd[CROWD];
  uint8_t p[512];
  int peer = dial(&at);
  say(peer, p, check_of(p, USER, PASSWORD));
  step_until(l, &l->conns.accepted_n, 1);
  step_until(l, &l->conns.unclaimed_n, 0);
  CHECK(heard(l, peer) > 0);
  int64_t held = 0;
  for (uint32_t i = 0; i < CROWD; i++) {
    fd[i] = dial(&at);
    for (int step = 0; step < 3; step++) CHECK_EQ(rtc_loop_step(l), 0);
    CHECK(l->conns.unclaimed_n <= MOST);
    if (i == MOST) held = attack_held();
  }
  step_until(l, &l->conns.unclaimed_n, MOST);
  CHECK(attack_held() - held < 65536);
  say(peer, p, check_of(p, USER, PASSWORD));
  CHECK(heard(l, peer) > 0);
  say(fd[CROWD - 1], p, check_of(p, USER, PASSWORD));
  step_until(l, &l->conns.unclaimed_n, MOST - 1);
  CHECK(heard(l, fd[CROWD - 1]) > 0);
  for (int i = 0; i < CROWD; i++) close(fd[i]);
  close(peer);
  rtc_loop_free(l);
}

/* A byte now and then of what never gets whole: it has its ten seconds, not ten from each byte. A frame begun by a peer that is known costs
 * nobody anything, and its end comes when it likes. */
static void e14_slow_words(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  uint8_t p[512], head[2] = {1, 0};
  int slow = dial(&at), known = dial(&at);
  say(known, p, check_of(p, USER, PASSWORD));
  step_until(l, &l->conns.accepted_n, 2);
  step_until(l, &l->conns.unclaimed_n, 1);
  CHECK(heard(l, known) > 0);
  write_all(slow, head, 2);
  size_t n = check_of(p, USER, PASSWORD);
  p[0] = 0;
  write_all(known, (uint8_t[2]){0, (uint8_t)n}, 2);
  write_all(known, p, n / 2);
  for (int i = 0; i < 3; i++) {
    write_all(slow, p, 1);
    for (int step = 0; step < 20; step++) CHECK_EQ(rtc_loop_step(l), 0);
    years_pass(l, 4);
    CHECK_EQ(rtc_loop_step(l), 0);
    CHECK_EQ(l->conns.accepted_n, i < 2 ? 2 : 1);
  }
  CHECK_EQ(heard(l, slow), -1);
  write_all(known, p + n / 2, n - n / 2);
  CHECK(heard(l, known) > 0);
  close(slow);
  close(known);
  rtc_loop_free(l);
}

/* First words that are nobody's check: media, a handshake, something large, checks with a wrong password or for nobody, without end.
 * Not a byte is answered, and each is closed. */
static void e14_words_of_strangers(void) {
  rtc_addr_t at;
  rtc_loop_t *l = make(&at);
  uint8_t p[1600], media[40] = {0x80, 96}, hello[40] = {22, 0xfe, 0xfd};
  struct {
    const uint8_t *p;
    size_t n;
  } first[] = {{media, sizeof media}, {hello, sizeof hello}, {p, RTC_PKT_DATA + 1}};
  memset(p, 1, sizeof p);
  for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
    int fd = dial(&at);
    step_until(l, &l->conns.accepted_n, 1);
    say(fd, first[i].p, first[i].n);
    step_until(l, &l->conns.accepted_n, 0);
    CHECK_EQ(heard(l, fd), -1);
    close(fd);
  }
  for (int i = 0; i < 2; i++) {
    int fd = dial(&at);
    step_until(l, &l->conns.accepted_n, 1);
    size_t n = i ? check_of(p, USER, "not-the-password-of-someone") : check_of(p, "nobody:else", PASSWORD);
    for (size_t sent = 0; sent < 2 * BYTES && l->conns.accepted_n; sent += n + 2) {
      uint8_t frame[2 + 512] = {(uint8_t)(n >> 8), (uint8_t)n};
      memcpy(frame + 2, p, n);
      if (send(fd, frame, n + 2, MSG_NOSIGNAL) < 0) break;
      for (int step = 0; step < 3; step++) CHECK_EQ(rtc_loop_step(l), 0);
      CHECK_EQ(l->conns.unclaimed_n, l->conns.accepted_n);
    }
    step_until(l, &l->conns.accepted_n, 0);
    CHECK_EQ(heard(l, fd), -1);
    close(fd);
  }
  rtc_loop_free(l);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(e14_crowds);
  RUN(e14_slow_words);
  RUN(e14_words_of_strangers);
  return CHECK_END();
}
