/* viewers: the load side of bench/relay.py and bench/joins.py. One publisher and any number of viewers in one thread: ICE checks and DTLS
 * by the engine's own checking client (a hub without a loop), then one stream published at a given rate and counted at the viewers.
 *
 *   viewers COUNT PAYLOAD SECURE [CERT KEY FINGERPRINT]   SECURE: "pv", "v" or "-": which of publisher and viewers use ICE, DTLS and
 *                                                         SRTP; FINGERPRINT: SHA-256 of the other side's certificate, hex
 * Commands on stdin: "peer I PORT" (of 127.0.0.1, for each I from 0), "names N" (number I is engine N + I over there),
 * "connect [AT_ONCE]" (32 under way when nothing else is said), "run RATE SECONDS BURST" (packets a second, BURST of them together), an
 * end of file. Answers are lines of JSON. All viewers share one socket on the wildcard address and are told apart by the address that a
 * datagram was sent to, so that the load side costs little. The delay is the kernel's receive stamp minus the publisher's: this process's
 * own scheduling is not in it. One packet in 16 is authenticated and opened, the others are only counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/state.h"
#include "io/clock.h"
#include "load.h"

enum {
  PORT_FIRST = 40000,
  BUFFER = 64 << 20,
  SAMPLES = 1 << 20,
  PUBLISH_BATCH = 16,
  FRAME_PACKETS = 8, /* of the made-up video */
  SSRC = 0x5eed0001,
  PT = 96,
  LINGER_NS = 300000000, /* how long packets of a run may be on their way */
};

static uint32_t viewers, named_from;
static size_t payload;
static bool publisher_secure, viewers_secure;
static int view_fd, pub_fd;
static uint16_t peer_port[LOAD_VIEWERS_MAX + 1];
static rtc_hub_t *hub;
static rtc_transport_t *transport[LOAD_VIEWERS_MAX + 1];
static int64_t begun_ns[LOAD_VIEWERS_MAX + 1];
static double took_ms[LOAD_VIEWERS_MAX + 1]; /* of those connected, in their order */
static int connected;

static struct {
  uint64_t received, wire, forged;
  uint32_t kernel_drops, kernel_drops_before;
  int64_t last_ns;
  uint32_t sample_n;
  int32_t sample[SAMPLES]; /* delays in nanoseconds, 2 s at most */
} seen;

static void die(const char *what) {
  fprintf(stderr, "viewers: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void set(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof value) < 0 && name != SO_RCVBUFFORCE) die("setsockopt");
}

static int open_socket(uint32_t ip, uint16_t first, uint16_t *port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0) die("socket");
  set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
  set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER); /* granted to root alone */
  set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  set(fd, IPPROTO_IP, IP_PKTINFO, 1);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
  for (uint16_t p = first; p < first + 1000; p++) {
    a.sin_port = htons(p);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0) continue;
    *port = p;
    return fd;
  }
  die("bind");
  return -1;
}

static void on_media(uint32_t viewer, uint8_t *p, size_t n, int64_t stamp_ns) {
  seen.received++;
  seen.wire += n;
  if (((uint32_t)p[3] + viewer) % 16) return;
  if (viewers_secure) {
    int64_t index;
    int len = rtc_srtp_unprotect(&transport[viewer]->rx, p, n, &index);
    if (len < 0) {
      seen.forged++;
      return;
    }
    n = (size_t)len;
  }
  const uint8_t *mark = memmem(p, n, LOAD_MARK, sizeof LOAD_MARK);
  int64_t sent;
  if (!mark || mark + LOAD_STAMP > p + n || !stamp_ns) return;
  memcpy(&sent, mark + sizeof LOAD_MARK, sizeof sent);
  int64_t delay = stamp_ns - sent;
  if (seen.sample_n < SAMPLES) seen.sample[seen.sample_n++] = delay < INT32_MAX ? (int32_t)delay : INT32_MAX;
}

static void on_datagram(uint32_t who, uint8_t *p, size_t n, int64_t stamp_ns) {
  bool media = n > 12 && p[0] >> 6 == 2 && ((p[1] & 0x7f) < 64 || (p[1] & 0x7f) >= 96);
  if (media && who) {
    if (transport[who] || !viewers_secure) on_media(who, p, n, stamp_ns);
    return;
  }
  if (!hub || n > RTC_PKT_DATA) return;
  rtc_pkt_t *k = rtc_hub_slot(hub);
  if (!k) return;
  memcpy(k->data, p, n);
  k->len = (uint32_t)n;
  k->at = rtc_clock_now();
  k->path = (rtc_path_t){.sock = who};
  if (rtc_addr_parse(&k->path.remote, "127.0.0.1", peer_port[who]) < 0) abort();
  rtc_hub_recv(hub, k, k->at);
}

static int drain(int fd) {
  static uint8_t data[LOAD_BATCH][LOAD_DATAGRAM + 128];
  static union {
    char room[256];
    struct cmsghdr align;
  } control[LOAD_BATCH];
  static struct iovec iov[LOAD_BATCH];
  static struct mmsghdr msg[LOAD_BATCH];
  for (int i = 0; i < LOAD_BATCH; i++) {
    iov[i] = (struct iovec){data[i], sizeof data[i]};
    msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = &control[i], .msg_controllen = sizeof control[i]};
  }
  uint64_t before = seen.received;
  int got = recvmmsg(fd, msg, LOAD_BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < got; i++) {
    uint32_t who = 0;
    int64_t stamp_ns = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg[i].msg_hdr); c; c = CMSG_NXTHDR(&msg[i].msg_hdr, c)) {
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        who = fd == view_fd ? ntohl(info.ipi_addr.s_addr) & 0xffff : 0;
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        stamp_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL && fd == view_fd) {
        memcpy(&seen.kernel_drops, CMSG_DATA(c), sizeof seen.kernel_drops);
      }
    }
    if (who <= viewers && (who || fd == pub_fd)) on_datagram(who, data[i], msg[i].msg_len, stamp_ns);
  }
  if (seen.received != before) seen.last_ns = load_ns(CLOCK_MONOTONIC);
  return got > 0 ? got : 0;
}

static void send_from(rtc_pkt_t *k) {
  uint32_t who = k->path.sock;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(peer_port[who]), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct iovec iov = {k->data, k->len};
  union {
    char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
  } control = {{0}};
  struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1};
  if (who) {
    struct in_pktinfo from = {.ipi_spec_dst = load_ip(who)};
    m.msg_control = &control;
    m.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof from), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
    memcpy(CMSG_DATA(c), &from, sizeof from);
  }
  if (sendmsg(who ? view_fd : pub_fd, &m, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED) die("sendmsg");
}

static void serve(void) {
  if (!hub) return;
  rtc_time_t now = rtc_clock_now();
  if (rtc_hub_next_at(hub) <= now) rtc_hub_tick(hub, now);
  rtc_job_t job;
  while (rtc_hub_job(hub, &job)) {
    rtc_job_work(&job);
    rtc_hub_job_done(hub, &job, rtc_clock_now());
  }
  rtc_pkt_t *out[LOAD_BATCH];
  for (int n; (n = rtc_hub_pop(hub, out, LOAD_BATCH)) > 0;)
    for (int i = 0; i < n; i++) {
      send_from(out[i]);
      rtc_pkt_put(out[i]);
    }
  rtc_event_t e;
  while (rtc_hub_event(hub, &e)) {
    if (e.type != RTC_EV_TRANSPORT) continue;
    uint32_t who = e.id - 1;
    if (e.state == RTC_T_CLOSED) {
      fprintf(stderr, "viewers: number %u closed: reason %d %s\n", who, e.reason, e.text);
      exit(1);
    }
    if (e.state != RTC_T_CONNECTED || transport[who]) continue;
    transport[who] = rtc_map_get(&hub->transports, &e.id);
    took_ms[connected++] = (double)(load_ns(CLOCK_MONOTONIC) - begun_ns[who]) / 1e6;
  }
}

static char *read_all(const char *path, size_t *n) {
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 8192);
  if (!f || !text) die(path);
  *n = fread(text, 1, 8191, f);
  fclose(f);
  return text;
}

static rtc_fingerprint_t fingerprint;

static void make_hub(char **argv) {
  size_t cert_len, key_len;
  int err = 0;
  char *cert = read_all(argv[0], &cert_len), *key = read_all(argv[1], &key_len);
  rtc_hub_cfg_t cfg = {.dtls = rtc_dtls_ctx_new(cert, cert_len, key, key_len, &err)};
  if (!cfg.dtls || rtc_random(cfg.seed, sizeof cfg.seed) < 0 || !(hub = rtc_hub_new(&cfg, rtc_clock_now()))) die("hub");
  fingerprint = (rtc_fingerprint_t){.bits = 256, .len = 32};
  for (size_t i = 0; i < 32; i++)
    if (sscanf(argv[2] + 2 * i, "%2hhx", &fingerprint.value[i]) != 1) die("fingerprint");
  free(cert);
  free(key);
}

static void add(uint32_t who) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = who + 1};
  rtc_transport_cfg_t *t = &c.u.transport;
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "load%u", named_from + who);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "engine%u", named_from + who);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "password-of-the-load-side");
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "password-of-the-engine-side");
  t->ice_role = RTC_ICE_ROLE_CONTROLLING;
  t->dtls_client = true;
  t->fp_n = 1;
  t->fp[0] = fingerprint;
  rtc_extmap_init(&t->ext);
  begun_ns[who] = load_ns(CLOCK_MONOTONIC);
  rtc_cmd_t path = {.op = RTC_OP_PATH, .id = who + 1, .u.path.sock = who};
  rtc_time_t now = rtc_clock_now();
  if (rtc_addr_parse(&path.u.path.remote, "127.0.0.1", peer_port[who]) < 0 || rtc_hub_exec(hub, &c, now) < 0 ||
      rtc_hub_exec(hub, &path, now) < 0)
    die("transport");
}

static int by_time(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* at_once: how many may be under way. With few nobody's timers run out. */
static void connect_all(int at_once) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(peer_port[0]), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(pub_fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  int64_t start = load_ns(CLOCK_MONOTONIC), end = start + (int64_t)60 * 1000000000;
  uint32_t first = publisher_secure ? 0 : 1, next = first, last = viewers_secure ? viewers : first - 1;
  int want = (int)(last + 1 - first);
  while (connected < want && load_ns(CLOCK_MONOTONIC) < end) {
    while (next <= last && (int)(next - first) < connected + at_once) add(next++);
    if (!drain(view_fd) && !drain(pub_fd)) usleep(200);
    serve();
  }
  double seconds = (double)(load_ns(CLOCK_MONOTONIC) - start) / 1e9;
  qsort(took_ms, (size_t)connected, sizeof took_ms[0], by_time);
  printf("{\"connected\": %d, \"wanted\": %d, \"seconds\": %.3f, \"p50_ms\": %.1f, \"slowest_ms\": %.1f, \"profile\": %d}\n", connected,
         want, seconds, connected ? took_ms[connected / 2] : -1, connected ? took_ms[connected - 1] : -1,
         viewers_secure && transport[1] ? transport[1]->profile : 0);
  fflush(stdout);
}

static uint64_t published; /* over all runs: sequence numbers go on */

/* Sends n packets that are due. A frame is FRAME_PACKETS packets of VP8, the first of a run a key frame. */
static int publish(int n, bool *key) {
  static uint8_t data[PUBLISH_BATCH][LOAD_DATAGRAM + 128];
  struct iovec iov[PUBLISH_BATCH];
  struct mmsghdr msg[PUBLISH_BATCH];
  memset(msg, 0, sizeof msg);
  for (int i = 0; i < n; i++) {
    uint64_t number = published + (uint64_t)i;
    bool first = number % FRAME_PACKETS == 0;
    uint8_t *p = data[i], *body = p + RTC_RTP_HEADER;
    rtc_rtp_t r = {.ts = (uint32_t)(number / FRAME_PACKETS * 3000),
                   .ssrc = SSRC,
                   .seq = (uint16_t)(number + 1000),
                   .pt = PT,
                   .marker = number % FRAME_PACKETS == FRAME_PACKETS - 1};
    rtc_rtp_write(p, &r);
    memset(body, (int)number, payload);
    body[0] = first ? 0x10 : 0x00; /* RFC 7741: S */
    static const uint8_t key_frame[10] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
    memcpy(body + 1, key_frame, sizeof key_frame);
    if (!(first && *key)) body[1] = 0x11;
    if (first) *key = false;
    int64_t now = load_ns(CLOCK_REALTIME);
    memcpy(body + 16, LOAD_MARK, sizeof LOAD_MARK);
    memcpy(body + 16 + sizeof LOAD_MARK, &now, sizeof now);
    int len = (int)(RTC_RTP_HEADER + payload);
    if (publisher_secure) len = rtc_srtp_protect(&transport[0]->tx, p, (size_t)len, sizeof data[i], (int64_t)number + 1000);
    if (len < 0) die("protect");
    iov[i] = (struct iovec){p, (size_t)len};
    msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
  }
  int sent = sendmmsg(pub_fd, msg, (unsigned)n, MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN && errno != ECONNREFUSED) die("publish");
  /* What was numbered and not sent is a loss that the viewers will show: there is none but in a full send buffer. */
  published += (uint64_t)n;
  return n;
}

static int by_value(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static double percentile(double part) { return seen.sample_n ? seen.sample[(uint32_t)((double)(seen.sample_n - 1) * part)] / 1e3 : -1; }

static void run(double rate, double seconds, int burst) {
  while (drain(view_fd)) continue; /* of an earlier run */
  seen.received = seen.wire = seen.forged = 0;
  seen.sample_n = 0;
  seen.kernel_drops_before = seen.kernel_drops;
  published += (FRAME_PACKETS - published % FRAME_PACKETS) % FRAME_PACKETS;
  bool key = true;
  uint64_t sent = 0, want = ((uint64_t)(rate * seconds / FRAME_PACKETS) + 1) * FRAME_PACKETS;
  int64_t start = load_ns(CLOCK_MONOTONIC), cpu = load_ns(CLOCK_THREAD_CPUTIME_ID), end = 0;
  /* A machine that stops us for a while must not turn the pause into one burst: what is more than 5 ms late shifts the rest. */
  int64_t shift = 0, late_ns = 0;
  while (sent < want || seen.received < want * viewers) {
    int64_t now = load_ns(CLOCK_MONOTONIC), due = start + shift + (int64_t)((double)sent / rate * 1e9);
    if (sent < want && due <= now) {
      if (now - due > 5000000) {
        late_ns += now - due;
        shift += now - due;
      }
      int n = 1 + (int)((double)(now - start - shift) / 1e9 * rate) - (int)sent;
      n = n < 1 ? burst : (n + burst - 1) / burst * burst;
      if (n > PUBLISH_BATCH) n = PUBLISH_BATCH;
      if ((uint64_t)n > want - sent) n = (int)(want - sent);
      sent += (uint64_t)publish(n, &key);
      if (sent == want) end = load_ns(CLOCK_MONOTONIC);
    } else if (sent == want && now - (seen.last_ns > end ? seen.last_ns : end) > LINGER_NS) {
      break;
    }
    int got = drain(view_fd);
    if (!got) {
      drain(pub_fd);
      serve();
      int64_t wait = sent < want ? start + shift + (int64_t)((double)sent / rate * 1e9) - load_ns(CLOCK_MONOTONIC) : 500000;
      if (wait > 500000) wait = 500000;
      if (wait > 20000) nanosleep(&(struct timespec){.tv_nsec = wait - 10000}, NULL);
    }
  }
  double took = (double)(end - start) / 1e9;
  qsort(seen.sample, seen.sample_n, sizeof seen.sample[0], by_value);
  printf(
      "{\"published\": %lu, \"rate\": %.1f, \"expected\": %lu, \"received\": %lu, \"viewer_drops\": %u, \"forged\": %lu, "
      "\"wire\": %.1f, \"late\": %.4f, \"tail\": %.4f, \"load_cpu\": %.3f, \"samples\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      sent, (double)sent / took, sent * viewers, seen.received, seen.kernel_drops - seen.kernel_drops_before, seen.forged,
      seen.received ? (double)seen.wire / (double)seen.received : 0, (double)late_ns / 1e9 / took,
      seen.last_ns > end ? (double)(seen.last_ns - end) / 1e9 : 0, (double)(load_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e9 / took,
      seen.sample_n, percentile(0.5), percentile(0.99));
  fflush(stdout);
}

static bool command(const char *line) {
  unsigned who, port;
  int burst;
  double rate, seconds;
  if (sscanf(line, "peer %u %u", &who, &port) == 2 && who <= viewers)
    peer_port[who] = (uint16_t)port;
  else if (strncmp(line, "connect", 7) == 0)
    connect_all(atoi(line + 7) > 0 ? atoi(line + 7) : 32);
  else if (sscanf(line, "names %u", &named_from) == 1)
    return true;
  else if (sscanf(line, "run %lf %lf %d", &rate, &seconds, &burst) == 3 && rate > 0 && burst > 0 && FRAME_PACKETS % burst == 0)
    run(rate, seconds, burst);
  else
    return false;
  return true;
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 7) {
    fprintf(stderr, "usage: viewers COUNT PAYLOAD SECURE [CERT KEY FINGERPRINT]\n");
    return 2;
  }
  viewers = (uint32_t)atoi(argv[1]);
  payload = (size_t)atoi(argv[2]);
  publisher_secure = strchr(argv[3], 'p') != NULL;
  viewers_secure = strchr(argv[3], 'v') != NULL;
  bool secure = publisher_secure || viewers_secure;
  if (viewers < 1 || viewers > LOAD_VIEWERS_MAX || payload < 64 || payload > 1400 || (secure && argc != 7)) {
    fprintf(stderr, "viewers: 1 to %d viewers, 64 to 1400 bytes; a secure side needs a certificate\n", LOAD_VIEWERS_MAX);
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1000);
  uint16_t port, pub_port;
  view_fd = open_socket(INADDR_ANY, PORT_FIRST, &port);
  pub_fd = open_socket(INADDR_LOOPBACK, PORT_FIRST, &pub_port);
  if (secure) make_hub(argv + 4);
  printf("{\"port\": %u, \"publisher\": %u}\n", port, pub_port);
  fflush(stdout);
  /* Commands are read by hand: a line must not wait inside a stdio buffer while poll sees nothing. */
  char text[65536];
  size_t n = 0;
  for (;;) {
    struct pollfd p[3] = {{.fd = 0, .events = POLLIN}, {.fd = view_fd, .events = POLLIN}, {.fd = pub_fd, .events = POLLIN}};
    poll(p, 3, 20);
    if (p[1].revents || p[2].revents)
      while (drain(view_fd) || drain(pub_fd)) continue;
    serve();
    if (!p[0].revents) continue;
    ssize_t got = read(0, text + n, sizeof text - 1 - n);
    if (got <= 0) return 0;
    n += (size_t)got;
    text[n] = 0;
    for (char *end; (end = memchr(text, '\n', n));) {
      *end = 0;
      if (!command(text)) {
        fprintf(stderr, "viewers: not understood: %s\n", text);
        return 2;
      }
      n -= (size_t)(end + 1 - text);
      memmove(text, end + 1, n + 1);
    }
  }
}
