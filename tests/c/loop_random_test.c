/* Two loops with threads, and owners who command both at random while the network brings what it likes: transports that come, connect and
 * go, streams, links, frames, restarts, statistics, garbage; and at the end of each round the loops are stopped under them. For the
 * thread sanitizer above all. Whoever waits, waits for results; that none come any more is a stall. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/thread.h"
#include "io/udp_sys.h"
#include "test_cert.h"

enum { OWNERS = 4, ROUNDS = 5, OPS = 50000, PAIRS = RTC_LOOP_SOCKETS, WAITING_MAX = 200, STALL_S = 60, DONE = 1 << 16 };

/* One loop and who collects from it. Tickets that have come back stand in done, by their number. */
typedef struct side {
  rtc_loop_t *l;
  pthread_t collector;
  _Atomic bool over;
  _Atomic int64_t wanted, results; /* tickets */
  _Atomic int64_t connected, closed, streams, keys;
  _Atomic uint64_t done[DONE];
} side_t;

static side_t sides[2]; /* 0: lite, 1: checks it */
static _Atomic uint32_t pair[PAIRS], next_id;
static _Atomic int64_t ops, refused;
static _Atomic bool stalled;
static rtc_fingerprint_t print;

static rtc_loop_t *make(void) {
  rtc_addr_t bind[PAIRS];
  rtc_udp_fault_t why;
  for (int i = 0; i < PAIRS; i++) { /* a socket for each pair: two transports cannot share both ends */
    uint8_t ip[4] = {127, 0, 0, (uint8_t)(1 + i)};
    rtc_addr_set(&bind[i], ip, 4, 0);
  }
  rtc_loop_cfg_t cfg = {.bind = bind,
                        .bind_n = PAIRS,
                        .slots = 8192,
                        .cert_pem = TEST_CERT,
                        .cert_len = sizeof TEST_CERT - 1,
                        .key_pem = TEST_KEY,
                        .key_len = sizeof TEST_KEY - 1};
  rtc_loop_t *l = rtc_loop_new(&cfg, &why);
  if (!l || rtc_loop_start(l) < 0) exit(2);
  return l;
}

static rtc_addr_t bound(const rtc_loop_t *l, uint32_t socket) {
  rtc_loop_info_t info;
  rtc_loop_info(l, &info);
  return info.bound[socket];
}

/* Takes all that is there; how many tickets. */
static int64_t take(side_t *s) {
  rtc_event_t e;
  uint64_t ticket;
  uint32_t index;
  int err;
  int64_t n = 0;
  rtc_loop_look(s->l);
  while (rtc_loop_event(s->l, &e)) {
    if (e.type == RTC_EV_TRANSPORT && e.state == RTC_T_CONNECTED) atomic_fetch_add(&s->connected, 1);
    if (e.type == RTC_EV_TRANSPORT && e.state == RTC_T_CLOSED) atomic_fetch_add(&s->closed, 1);
    if (e.type == RTC_EV_RECV) atomic_fetch_add(&s->streams, 1);
    if (e.type == RTC_EV_KEYFRAME) atomic_fetch_add(&s->keys, 1);
  }
  for (; rtc_loop_acked(s->l, &ticket, &err, &index); n++) {
    atomic_store(&s->done[ticket % DONE], ticket);
    atomic_fetch_add(&s->results, 1);
  }
  return n;
}

static void *collector(void *arg) {
  side_t *s = arg;
  struct pollfd p = {.fd = rtc_loop_event_fd(s->l), .events = POLLIN};
  while (!atomic_load(&s->over)) {
    poll(&p, 1, 20);
    take(s);
  }
  return NULL;
}

/* One look more at a loop that is waited for: when nothing has come from it for STALL_S it stalls. */
typedef struct patience {
  int64_t seen;
  rtc_time_t since;
} patience_t;

static void be_patient(patience_t *p, side_t *s) {
  int64_t seen = atomic_load(&s->results) + atomic_load(&s->connected);
  rtc_time_t now = rtc_clock_now();
  if (seen != p->seen || !p->since) *p = (patience_t){seen, now};
  if (now - p->since > RTC_SEC(STALL_S)) atomic_store(&stalled, true);
  sched_yield();
}

/* Until not too many results are out; until a ticket's is there; until this many have connected. */
static void await_room(side_t *s) {
  patience_t p = {0};
  while (!atomic_load(&stalled) && atomic_load(&s->wanted) - atomic_load(&s->results) >= WAITING_MAX) be_patient(&p, s);
}
static void await_result(side_t *s, uint64_t ticket) {
  patience_t p = {0};
  while (!atomic_load(&stalled) && atomic_load(&s->done[ticket % DONE]) != ticket) be_patient(&p, s);
}
static void await_connected(side_t *s, int64_t n) {
  patience_t p = {0};
  while (!atomic_load(&stalled) && atomic_load(&s->connected) < n) be_patient(&p, s);
}

/* Submits; true when it was accepted. A ticket may be waited for. */
static bool submit(side_t *s, const rtc_cmd_t *c, uint32_t n, bool wait) {
  uint64_t ticket;
  await_room(s);
  atomic_fetch_add(&s->wanted, 1); /* before: the result may be there at once */
  int err = rtc_loop_submit(s->l, c, n, &ticket);
  if (err < 0) {
    atomic_fetch_sub(&s->wanted, 1);
    if (err != RTC_ECLOSED) atomic_fetch_add(&refused, 1);
    return false;
  }
  if (wait) await_result(s, ticket);
  return true;
}

static uint32_t dice(uint64_t *state) { /* splitmix64 */
  uint64_t x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(x >> 33);
}

static void credentials(rtc_ice_cfg_t *ice, int side, uint32_t id, uint32_t version) {
  snprintf(ice->local_ufrag, sizeof ice->local_ufrag, "%s%u-%u", side ? "client" : "server", id, version);
  snprintf(ice->remote_ufrag, sizeof ice->remote_ufrag, "%s%u-%u", side ? "server" : "client", id, version);
  snprintf(ice->local_pwd, sizeof ice->local_pwd, "password-of-the-%s-%u", side ? "client" : "server", version);
  snprintf(ice->remote_pwd, sizeof ice->remote_pwd, "password-of-the-%s-%u", side ? "server" : "client", version);
}

/* A transport with a stream each way, at both loops, in the place of an older one. */
static void open_pair(uint32_t place) {
  uint32_t id = atomic_fetch_add(&next_id, 1) + 1, old = atomic_exchange(&pair[place], id);
  for (int side = 0; side < 2; side++) {
    rtc_cmd_t c[5] = {{.op = RTC_OP_CLOSE, .id = old},
                      {.op = RTC_OP_TRANSPORT, .id = id},
                      {.op = RTC_OP_RECV, .id = id},
                      {.op = RTC_OP_SEND, .id = id},
                      {.op = RTC_OP_PATH, .id = id}};
    rtc_transport_cfg_t *t = &c[1].u.transport;
    credentials(&t->ice, side, id, 0);
    t->dtls_client = side == 1;
    t->ice_role = side == 1 ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
    t->fp_n = 1;
    t->fp[0] = print;
    rtc_extmap_init(&t->ext);
    c[2].u.recv = (rtc_recv_cfg_t){.transport = id, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000};
    c[2].u.recv.nack = c[2].u.recv.pli = true;
    c[3].u.send = (rtc_send_cfg_t){.transport = id, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000};
    c[3].u.send.ssrc = id * 4 + (uint32_t)side * 2;
    c[3].u.send.rtx_ssrc = c[3].u.send.ssrc + 1;
    c[4].u.path = (rtc_path_t){.remote = bound(sides[0].l, place), .sock = place};
    submit(&sides[side], c, side ? 5 : 4, false);
  }
}

static void send_frame(side_t *s, uint32_t id, uint64_t *d) {
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = id, .u.frame = {.len = 20 + dice(d) % 3000, .ts = dice(d), .key = dice(d) % 4 == 0}};
  c.u.frame.data = calloc(1, c.u.frame.len);
  if (!c.u.frame.data) exit(2);
  c.u.frame.data[0] = c.u.frame.key ? 0x10 : 0x11;
  if (dice(d) % 2)
    submit(s, &c, 1, false);
  else if (rtc_loop_submit(s->l, &c, 1, NULL) == RTC_ENOBUFS) /* nobody asks for the result */
    atomic_fetch_add(&refused, 1);
}

static void ask_stats(side_t *s) {
  rtc_transport_stats_t t[8];
  rtc_recv_stats_t r[8];
  rtc_send_stats_t w[8];
  rtc_stats_t out = {.transport_cap = 8, .recv_cap = 8, .send_cap = 8, .transport = t, .recv = r, .send = w};
  rtc_cmd_t c = {.op = RTC_OP_STATS, .u.stats = &out};
  submit(s, &c, 1, true);
  if (atomic_load(&stalled)) pthread_exit(NULL); /* never, or the loop writes where nobody is any more: the test ends here */
}

static void throw_garbage(int fd, uint64_t *d) {
  static const uint8_t first[] = {0, 1, 20, 22, 23, 80, 128, 144, 200, 255};
  uint8_t p[400];
  rtc_sockaddr_t to;
  size_t n = dice(d) % sizeof p;
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)dice(d);
  p[0] = first[dice(d) % sizeof first];
  rtc_addr_t a = bound(sides[dice(d) % 2].l, dice(d) % PAIRS);
  socklen_t len = rtc_sockaddr_set(&to, &a, false);
  (void)!sendto(fd, p, n, MSG_DONTWAIT, &to.sa, len);
}

typedef struct owner {
  pthread_t thread;
  uint64_t dice;
  int64_t ops;
} owner_t;

static void *owner(void *arg) {
  owner_t *o = arg;
  uint64_t *d = &o->dice;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  for (int64_t i = 0; i < o->ops && !atomic_load(&stalled); i++) {
    side_t *s = &sides[dice(d) % 2];
    uint32_t place = dice(d) % PAIRS, id = atomic_load(&pair[place]), other = atomic_load(&pair[dice(d) % PAIRS]);
    uint32_t what = dice(d) % 1000;
    rtc_cmd_t c = {.id = id};
    if (what < 2) {
      open_pair(place);
    } else if (what < 600) {
      send_frame(s, id, d);
    } else if (what < 700) {
      throw_garbage(fd, d);
    } else if (what < 780) {
      ask_stats(s);
    } else if (what < 840) {
      c.op = RTC_OP_LINK;
      c.u.link = dice(d) % 3 ? other : 0;
      submit(s, &c, 1, false);
    } else if (what < 890) {
      c.op = RTC_OP_KEYFRAME;
      submit(s, &c, 1, false);
    } else if (what < 920) {
      c.op = RTC_OP_RATE;
      c.u.rate_bps = 100000 + dice(d) % 50000000;
      submit(s, &c, 1, false);
    } else if (what < 924) {
      uint32_t version = dice(d);
      for (int side = 0; side < 2; side++) {
        rtc_cmd_t r = {.op = RTC_OP_RESTART, .id = id};
        credentials(&r.u.ice, side, id, version);
        submit(&sides[side], &r, 1, false);
      }
    } else if (what < 925) {
      c.op = RTC_OP_CLOSE;
      submit(s, &c, 1, dice(d) % 2);
    } else {
      rtc_loop_info_t info;
      rtc_loop_info(s->l, &info);
    }
    atomic_fetch_add(&ops, 1);
  }
  close(fd);
  return NULL;
}

/* Submits until the loops refuse, which must be soon after they are stopped. */
static void *latecomer(void *arg) {
  uint64_t d = (uint64_t)(uintptr_t)arg;
  for (int closed = 0; closed < 2 && !atomic_load(&stalled);) {
    closed = 0;
    for (int side = 0; side < 2; side++) {
      rtc_cmd_t c = {.op = dice(&d) % 2 ? RTC_OP_CLOSE : RTC_OP_KEYFRAME, .id = atomic_load(&pair[dice(&d) % PAIRS])};
      closed += rtc_loop_submit(sides[side].l, &c, 1, NULL) == RTC_ECLOSED;
    }
    sched_yield();
  }
  return NULL;
}

static void round_of(int64_t n, uint64_t seed) {
  owner_t o[OWNERS];
  pthread_t late[2];
  for (int i = 0; i < 2; i++) {
    memset(&sides[i], 0, sizeof sides[i]);
    sides[i].l = make();
  }
  for (int i = 0; i < PAIRS; i++) atomic_store(&pair[i], 0);
  for (int i = 0; i < 2; i++) CHECK_EQ(rtc_thread_start(&sides[i].collector, collector, &sides[i]), 0);
  for (uint32_t i = 0; i < PAIRS; i++) open_pair(i);
  for (int i = 0; i < 2; i++) await_connected(&sides[i], PAIRS);
  for (int i = 0; i < OWNERS; i++) {
    o[i].dice = seed * OWNERS + (uint64_t)i;
    o[i].ops = n / OWNERS;
    CHECK_EQ(rtc_thread_start(&o[i].thread, owner, &o[i]), 0);
  }
  for (int i = 0; i < OWNERS; i++) pthread_join(o[i].thread, NULL);
  CHECK(!atomic_load(&stalled));
  if (atomic_load(&stalled)) exit(1); /* a loop that stands still cannot be stopped */
  for (int i = 0; i < 2; i++) CHECK_EQ(rtc_thread_start(&late[i], latecomer, (void *)(uintptr_t)(seed * 2 + (uint64_t)i)), 0);
  for (int i = 0; i < 2; i++) rtc_loop_stop(sides[i].l);
  for (int i = 0; i < 2; i++) pthread_join(late[i], NULL);
  for (int i = 0; i < 2; i++) {
    side_t *s = &sides[i];
    atomic_store(&s->over, true);
    pthread_join(s->collector, NULL);
    take(s);
    CHECK_EQ(s->results, s->wanted);
    rtc_loop_free(s->l);
  }
}

static void commands_at_random(void) {
  int64_t connected = 0, closed = 0, streams = 0, keys = 0, n = OPS * check_scale();
  for (int round = 0; round < ROUNDS; round++) {
    round_of(n / ROUNDS, (uint64_t)round + 1);
    for (int i = 0; i < 2; i++) {
      connected += sides[i].connected;
      closed += sides[i].closed;
      streams += sides[i].streams;
      keys += sides[i].keys;
    }
  }
  printf("%lld operations: %lld connected, %lld closed, %lld streams, %lld key frames asked, %lld refused\n", (long long)ops,
         (long long)connected, (long long)closed, (long long)streams, (long long)keys, (long long)refused);
  check_figure("operations", (double)ops);
  CHECK(ops >= n - OWNERS * ROUNDS);
  CHECK(connected >= 2 * ROUNDS * PAIRS && closed >= 2 * ROUNDS * PAIRS && streams >= ROUNDS * PAIRS && keys >= ROUNDS * PAIRS);
}

int main(void) {
  int err;
  rtc_dtls_ctx_t *ctx = rtc_dtls_ctx_new(TEST_CERT, sizeof TEST_CERT - 1, TEST_KEY, sizeof TEST_KEY - 1, &err);
  if (!ctx) return 2;
  print.bits = 256;
  print.len = (uint8_t)rtc_dtls_ctx_fingerprint(ctx, 256, print.value);
  rtc_dtls_ctx_free(ctx);
  RUN(commands_at_random);
  return CHECK_END();
}
