/* tcp_door: a loop with a listener for ICE over TCP and one transport behind it, and strangers that connect to it. */
#ifndef TESTS_TCP_DOOR_H
#define TESTS_TCP_DOOR_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/loop_state.h"
#include "test_cert.h"

enum { LISTENER = 64, MOST = 256, BYTES = 8192 };
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

#endif
