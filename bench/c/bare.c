/* bare: the least that a relay can cost. For every datagram that comes it sends ready bytes to the same addresses as the relay
 * would: by sendmmsg of 64, with a RUN above 1 as UDP_SEGMENT runs of so many to each address (so it waits for so many
 * datagrams). Only the time stamp of what came is copied; no cipher, no state.
 *
 *   bare RUN VIEWERS PORT BYTES     viewers at 127.1.x.y:PORT, datagrams of BYTES
 * "stat" on stdin: a line of JSON with the loop's CPU time, datagrams and system calls. An end of file ends it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { RUN_MAX = 16, BUFFER = 4 << 20, STAMP_AT = 32 };

static int fd;
static unsigned viewers, run_len;
static size_t bytes;
static struct sockaddr_in to[LOAD_VIEWERS_MAX];
static uint8_t ready[RUN_MAX][LOAD_DATAGRAM];
static _Atomic uint64_t sent, refused, calls;

/* One run of datagrams to every viewer. */
static void send_all(void) {
  struct iovec iov[RUN_MAX];
  union {
    char room[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
  } control = {{0}};
  for (unsigned i = 0; i < run_len; i++) iov[i] = (struct iovec){ready[i], bytes};
  static struct mmsghdr msg[LOAD_BATCH];
  for (unsigned at = 0; at < viewers;) {
    unsigned n = viewers - at < LOAD_BATCH ? viewers - at : LOAD_BATCH;
    for (unsigned i = 0; i < n; i++) {
      struct msghdr *m = &msg[i].msg_hdr;
      *m = (struct msghdr){.msg_name = &to[at + i], .msg_namelen = sizeof to[0], .msg_iov = iov, .msg_iovlen = run_len};
      if (run_len == 1) continue;
      m->msg_control = &control;
      m->msg_controllen = sizeof control;
      struct cmsghdr *c = CMSG_FIRSTHDR(m);
      *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(uint16_t)), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
      uint16_t segment = (uint16_t)bytes;
      memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    int done = sendmmsg(fd, msg, n, 0);
    calls++;
    if (done > 0)
      sent += (uint64_t)done * run_len;
    else
      refused++;
    at += done > 0 ? (unsigned)done : 1;
  }
}

static void *loop(void *arg) {
  (void)arg;
  static uint8_t data[LOAD_BATCH][LOAD_DATAGRAM];
  static struct iovec iov[LOAD_BATCH];
  static struct mmsghdr msg[LOAD_BATCH];
  unsigned filled = 0;
  int got = 0;
  while (got >= 0 || errno == EINTR) {
    for (int i = 0; i < LOAD_BATCH; i++) {
      iov[i] = (struct iovec){data[i], sizeof data[i]};
      msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    got = recvmmsg(fd, msg, LOAD_BATCH, MSG_WAITFORONE, NULL);
    calls++;
    for (int i = 0; i < got; i++) {
      const uint8_t *mark = memmem(data[i], msg[i].msg_len < 64 ? msg[i].msg_len : 64, LOAD_MARK, sizeof LOAD_MARK);
      if (!mark) continue;
      memcpy(ready[filled] + STAMP_AT, mark, LOAD_STAMP);
      ready[filled][3]++; /* the viewers take a sample of the numbers */
      if (++filled < run_len) continue;
      filled = 0;
      send_all();
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  run_len = argc == 5 ? (unsigned)atoi(argv[1]) : 0;
  if (run_len < 1 || run_len > RUN_MAX) {
    fprintf(stderr, "usage: bare RUN VIEWERS PORT BYTES, RUN 1 to %d\n", RUN_MAX);
    return 2;
  }
  viewers = (unsigned)atoi(argv[2]);
  bytes = (size_t)atoi(argv[4]);
  if (viewers < 1 || viewers > LOAD_VIEWERS_MAX || bytes < 64 || bytes > LOAD_DATAGRAM) return 2;
  for (unsigned i = 0; i < viewers; i++)
    to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3])), .sin_addr = load_ip(i + 1)};
  for (unsigned i = 0; i < RUN_MAX; i++) {
    memset(ready[i], (int)i, bytes);
    ready[i][0] = 0x80;
    ready[i][1] = 96;
    ready[i][3] = (uint8_t)i;
  }
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  int buffer = BUFFER;
  struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof me;
  pthread_t thread;
  clockid_t clock;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) < 0 || bind(fd, (struct sockaddr *)&me, sizeof me) < 0 ||
      getsockname(fd, (struct sockaddr *)&me, &len) < 0 || pthread_create(&thread, NULL, loop, NULL) != 0 ||
      pthread_getcpuclockid(thread, &clock) != 0) {
    fprintf(stderr, "bare: %s\n", strerror(errno));
    return 1;
  }
  printf("{\"port\": %u}\n", ntohs(me.sin_port));
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    printf("{\"cpu_ns\": %ld, \"sent\": %lu, \"refused\": %lu, \"calls\": %lu}\n", load_ns(clock), sent, refused, calls);
    fflush(stdout);
  }
  return 0;
}
