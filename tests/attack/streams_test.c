/* Streams: strangers at a TCP listener for ICE (E14): many, mute, slow, talkative, with words of others. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/loop_state.h"
#include "rig.h"
#include "test_cert.h"

enum { LISTENER = 64, MOST = 256, BYTES = 8192, CROWD = 2 * MOST };
static const char USER[] = "someone:else", PASSWORD[] = "password-of-someone-here";

/* Stepped by the test, so that it can set clocks back. */
static rtc_loop_t *make(rtc_addr_t *at) {
  rtc_udp_fault_t why;
  rtc_loop_cfg_t cfg = {.cert_pem = TEST_CERT, .cert_len = sizeof TEST_CERT - 1, .key_pem = TEST_KEY, .key_len = sizeof TEST_KEY - 1};
  rtc_loop_t *l = rtc_loop_new(&cfg, &why);
  rtc_addr_t any;
  if (!l || rtc_addr_parse(&any, "127.0.0.1", 0) < 0) exit(2);
  rtc_cmd_t c[2] = {{.op = RTC_OP_SOCKET, .id = LISTENER, .u.sock = rtc_sock_listen(&any, &why)}, {.op = RTC_OP_TRANSPORT, .id = 1}};
  if (!c[0].u.sock) exit(2);
  *at = rtc_sock_bound(c[0].u.sock);
  rtc_transport_cfg_t *t = &c[1].u.transport;
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "someone");
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "%s", PASSWORD);
  t->fp_n = 1;
  t->fp[0] = (rtc_fingerprint_t){.bits = 256, .len = 32};
  rtc_extmap_init(&t->ext);
  CHECK_EQ(rtc_loop_submit(l, c, 2, NULL), 0);
  CHECK_EQ(rtc_loop_step(l), 0);
  return l;
}

static int dial(const rtc_addr_t *at) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(at->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) exit(2);
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0) exit(2);
  return fd;
}

/* Steps until this is so, ten seconds at most. */
static void step_until(rtc_loop_t *l, const uint32_t *what, uint32_t want) {
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); *what != want && rtc_clock_now() < end; poll(NULL, 0, 1))
    CHECK_EQ(rtc_loop_step(l), 0);
  CHECK_EQ(*what, want);
}

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
