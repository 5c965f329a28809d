/* The storm: 100,000 hostile datagrams at 2,000 a second from sockets that know no key, before, while and after 20 sessions connect to a
 * relay's loop with true sockets, threads and handshakes, and send media through it. Every session connects and lives, no packet that
 * the kernel delivered is lost, and no stranger gets a byte. Nothing is timed: what the kernel dropped is counted apart. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"
#include "io/clock.h"
#include "io/loop.h"
#include "storm.h"
#include "test_cert.h"

enum {
  SESSIONS = 20,
  CLIENT_LOOPS = 2,
  PER_LOOP = SESSIONS / CLIENT_LOOPS,
  STRANGERS = 16, /* sockets */
  RATE = 2000,    /* datagrams a second */
  BURST = 64,     /* most at once, after a pause of this process */
  FRAME_US = 20000,
  FRAME_BYTES = 80,
  PATIENCE_S = 60, /* for what must come in the end, whatever else the machine does */
};

typedef struct side {
  rtc_loop_t *loop;
  uint8_t state[SESSIONS + 1]; /* by transport */
  int connected;               /* how many ever were */
  rtc_stats_t stats;
  rtc_loop_info_t info;
} side_t;

typedef struct storm {
  side_t relay, client[CLIENT_LOOPS];
  rtc_fingerprint_t print;
  int sessions; /* added so far */
  bool linked[SESSIONS];
  uint32_t ts;
  rtc_time_t frame_at, send_at; /* next due */
  stranger_t stranger[STRANGERS];
  hostile_t hostile;
} storm_t;

static side_t *client_of(storm_t *s, int session) { return &s->client[session / PER_LOOP]; }

static rtc_loop_t *make_loop(const char *first_ip, int sockets) {
  rtc_addr_t bind[RTC_LOOP_SOCKETS];
  for (int i = 0; i < sockets; i++) {
    if (rtc_addr_parse(&bind[i], first_ip, 0) < 0) exit(2);
    bind[i].ip[15] = (uint8_t)(bind[i].ip[15] + i);
  }
  rtc_loop_cfg_t cfg = {.bind = bind,
                        .bind_n = sockets,
                        .recv_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .send_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .cert_pem = TEST_CERT,
                        .cert_len = sizeof TEST_CERT - 1,
                        .key_pem = TEST_KEY,
                        .key_len = sizeof TEST_KEY - 1};
  rtc_udp_fault_t why;
  rtc_loop_t *l = rtc_loop_new(&cfg, &why);
  if (!l || rtc_loop_start(l) < 0) {
    fprintf(stderr, "storm: no loop: %s\n", strerror(why.sys));
    exit(2);
  }
  return l;
}

static void look(side_t *d) {
  rtc_event_t e;
  rtc_loop_look(d->loop);
  while (rtc_loop_event(d->loop, &e)) {
    if (e.type != RTC_EV_TRANSPORT || e.id > SESSIONS) continue;
    bool was = d->state[e.id] >= RTC_T_CONNECTED;
    d->state[e.id] = e.state;
    d->connected += !was && (e.state == RTC_T_CONNECTED || e.state == RTC_T_STALLED);
    if (e.state == RTC_T_CLOSED) fprintf(stderr, "storm: transport %u closed: reason %d %s\n", e.id, e.reason, e.text);
  }
}

/* Executes a batch that must succeed. */
static void run(side_t *d, const rtc_cmd_t *c, uint32_t n) {
  uint64_t want, ticket;
  int err = 1;
  uint32_t at = 0;
  if (rtc_loop_submit(d->loop, c, n, &want) < 0) exit(2);
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(PATIENCE_S); rtc_clock_now() < end;) {
    look(d);
    while (rtc_loop_acked(d->loop, &ticket, &err, &at))
      if (ticket == want) {
        if (err < 0) fprintf(stderr, "storm: command %d: %s\n", c[at].op, rtc_err_text(err));
        CHECK_EQ(err, 0);
        return;
      }
    struct pollfd p = {.fd = rtc_loop_event_fd(d->loop), .events = POLLIN};
    poll(&p, 1, 10);
  }
  CHECK(!"a batch is carried out");
}

static const rtc_stats_t *stats(side_t *d) {
  static rtc_transport_stats_t t[1 + CLIENT_LOOPS][SESSIONS];
  static rtc_recv_stats_t r[1 + CLIENT_LOOPS][SESSIONS];
  static rtc_send_stats_t s[1 + CLIENT_LOOPS][SESSIONS];
  static const side_t *of[1 + CLIENT_LOOPS];
  int i = 0;
  while (of[i] && of[i] != d) i++;
  of[i] = d;
  d->stats =
      (rtc_stats_t){.transport_cap = SESSIONS, .recv_cap = SESSIONS, .send_cap = SESSIONS, .transport = t[i], .recv = r[i], .send = s[i]};
  run(d, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &d->stats}, 1);
  rtc_loop_info(d->loop, &d->info);
  return &d->stats;
}

static rtc_cmd_t transport(const storm_t *s, int session, bool client) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = (uint32_t)session + 1};
  rtc_transport_cfg_t *t = &c.u.transport;
  const char *near = client ? "client" : "server", *far = client ? "server" : "client";
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s%d", near, session);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s%d", far, session);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "password-of-the-%s-%d", near, session);
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "password-of-the-%s-%d", far, session);
  t->dtls_client = client;
  t->ice_role = client ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
  t->fp_n = 1;
  t->fp[0] = s->print;
  t->reduced_rtcp = true;
  rtc_extmap_init(&t->ext);
  return c;
}

/* Without repair: a packet that is lost stays lost, and shows. */
static rtc_cmd_t receiver(int session) {
  return (rtc_cmd_t){.op = RTC_OP_RECV,
                     .id = (uint32_t)session + 1,
                     .u.recv = {.transport = (uint32_t)session + 1, .codec = RTC_CODEC_OPUS, .pt = 111, .rtx_pt = -1, .clock_rate = 48000}};
}

static rtc_cmd_t sender(int session, uint32_t ssrc) {
  return (rtc_cmd_t){
      .op = RTC_OP_SEND,
      .id = (uint32_t)session + 1,
      .u.send = {.transport = (uint32_t)session + 1, .codec = RTC_CODEC_OPUS, .pt = 111, .rtx_pt = -1, .clock_rate = 48000, .ssrc = ssrc}};
}

static void add_session(storm_t *s) {
  int n = s->sessions++;
  uint32_t id = (uint32_t)n + 1;
  rtc_cmd_t here[3] = {transport(s, n, false), receiver(n), sender(n, HOSTILE_SSRC + 1000 + id)};
  run(&s->relay, here, 3);
  rtc_loop_info_t info;
  rtc_loop_info(s->relay.loop, &info);
  rtc_cmd_t there[4] = {transport(s, n, true), receiver(n), sender(n, HOSTILE_SSRC + id), {.op = RTC_OP_PATH, .id = id}};
  there[3].u.path = (rtc_path_t){.remote = info.bound[0], .sock = (uint32_t)(n % PER_LOOP)};
  run(client_of(s, n), there, 4);
}

/* Session n watches session n - 1, the first one the last, from when its client has its keys: what came before would be lost on it. */
static void link_sessions(storm_t *s) {
  for (int n = 0; n < s->sessions; n++) {
    int source = n ? n - 1 : SESSIONS - 1;
    if (s->linked[n] || source >= s->sessions || client_of(s, n)->state[n + 1] != RTC_T_CONNECTED) continue;
    run(&s->relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = (uint32_t)n + 1, .u.link = (uint32_t)source + 1}, 1);
    s->linked[n] = true;
  }
}

static void send_frames(storm_t *s) {
  s->ts += 960;
  for (int n = 0; n < s->sessions; n++) {
    side_t *c = client_of(s, n);
    if (c->state[n + 1] != RTC_T_CONNECTED) continue;
    rtc_cmd_t f = {.op = RTC_OP_FRAME, .id = (uint32_t)n + 1, .u.frame = {.data = calloc(1, FRAME_BYTES), .len = FRAME_BYTES, .ts = s->ts}};
    (void)!rtc_loop_submit(c->loop, &f, 1, NULL); /* refused: not sent, and so not missed */
  }
}

/* Hostile datagrams and frames that are due, answers to strangers, events; waits a little. */
static void turn(storm_t *s) {
  rtc_time_t now = rtc_clock_now();
  if (now >= s->frame_at) {
    s->frame_at = now + FRAME_US;
    send_frames(s);
  }
  for (int i = 0; i < BURST && s->send_at <= now; i++) {
    hostile_send(&s->hostile, &s->stranger[s->hostile.sent % STRANGERS], s->sessions ? s->sessions : 1);
    s->send_at += RTC_SEC(1) / RATE;
  }
  if (s->send_at < now) s->send_at = now; /* a pause is not made good in one burst */
  for (int i = 0; i < STRANGERS; i++) stranger_listen(&s->stranger[i]);
  look(&s->relay);
  for (int i = 0; i < CLIENT_LOOPS; i++) look(&s->client[i]);
  link_sessions(s);
  usleep(500);
}

static bool all_connected(const storm_t *s) {
  int n = 0;
  for (int i = 0; i < SESSIONS; i++)
    if (!s->linked[i]) return false;
  for (int i = 0; i < CLIENT_LOOPS; i++) n += s->client[i].connected;
  return n == SESSIONS && s->relay.connected == SESSIONS;
}

static uint64_t received(const rtc_stats_t *s) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < s->recv_n; i++) n += s->recv[i].packets;
  return n;
}

static uint64_t sent(const rtc_stats_t *s) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < s->send_n; i++) n += s->send[i].packets;
  return n;
}

/* What is refused before anybody's key was asked for. */
static uint64_t refused(const rtc_stats_t *s) {
  const uint64_t *d = s->hub.drops;
  return d[RTC_DROP_SHORT] + d[RTC_DROP_STUN_FORM] + d[RTC_DROP_STUN_USER] + d[RTC_DROP_STUN_AUTH] + d[RTC_DROP_PATH];
}

typedef struct sums {
  uint64_t published, in, forwarded, out;       /* media: by clients, at the relay, by the relay, at clients */
  uint64_t lost_in, lost_out, refused, unknown; /* lost_*: by the kernel's own count; unknown: other drops */
} sums_t;

static void sum_up(storm_t *s, sums_t *x) {
  *x = (sums_t){0};
  const rtc_stats_t *r = stats(&s->relay);
  x->in = received(r);
  x->forwarded = sent(r);
  x->refused = refused(r);
  x->lost_in = s->relay.info.kernel_drops;
  x->lost_out = r->hub.drops[RTC_DROP_SEND];
  for (int i = 0; i < RTC_DROP_COUNT; i++) x->unknown += r->hub.drops[i];
  x->unknown -= x->refused + x->lost_out;
  for (int i = 0; i < CLIENT_LOOPS; i++) {
    const rtc_stats_t *c = stats(&s->client[i]);
    x->published += sent(c);
    x->out += received(c);
    x->lost_in += c->hub.drops[RTC_DROP_SEND];
    x->lost_out += s->client[i].info.kernel_drops;
  }
}

static bool settled(const storm_t *s, const sums_t *x) {
  return x->in + x->lost_in >= x->published && x->out + x->lost_out >= x->forwarded &&
         x->refused + s->relay.info.kernel_drops >= s->hostile.sent;
}

static void open_storm(storm_t *s) {
  int err;
  rtc_dtls_ctx_t *ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  if (!ctx || rtc_dtls_ctx_fingerprint(ctx, 256, s->print.value) != 32) exit(2);
  s->print.bits = 256;
  s->print.len = 32;
  rtc_dtls_ctx_free(ctx);
  s->relay.loop = make_loop("127.0.0.1", 1);
  static const char *const ips[CLIENT_LOOPS] = {"127.0.1.1", "127.0.2.1"};
  for (int i = 0; i < CLIENT_LOOPS; i++) s->client[i].loop = make_loop(ips[i], PER_LOOP);
  rtc_loop_info_t info;
  rtc_loop_info(s->relay.loop, &info);
  for (int i = 0; i < STRANGERS; i++) stranger_open(&s->stranger[i], info.bound[0].port);
  hostile_init(&s->hostile);
  s->send_at = s->frame_at = rtc_clock_now();
}

static void close_storm(storm_t *s) {
  for (int i = 0; i < STRANGERS; i++) close(s->stranger[i].fd);
  for (int i = 0; i < CLIENT_LOOPS; i++) rtc_loop_free(s->client[i].loop);
  rtc_loop_free(s->relay.loop);
}

static void storm_of_strangers(void) {
  static storm_t s;
  static sums_t x;
  uint64_t all = 100000 * (uint64_t)check_scale(), before = all / 10, step = all / 100;
  open_storm(&s);
  while (s.hostile.sent < before) turn(&s);
  rtc_time_t end = rtc_clock_now() + RTC_SEC(PATIENCE_S);
  for (uint64_t next = s.hostile.sent; s.sessions < SESSIONS || !all_connected(&s); turn(&s)) {
    if (s.sessions < SESSIONS && s.hostile.sent >= next) {
      add_session(&s);
      next += step;
      end = rtc_clock_now() + RTC_SEC(PATIENCE_S);
    }
    if (rtc_clock_now() > end) break;
  }
  CHECK(all_connected(&s));
  uint64_t set_up = s.hostile.sent, rest = all / 2 > all - set_up || set_up > all ? all / 2 : all - set_up;
  while (s.hostile.sent < set_up + rest) turn(&s);
  sum_up(&s, &x);
  for (end = rtc_clock_now() + RTC_SEC(PATIENCE_S); !settled(&s, &x) && rtc_clock_now() < end; sum_up(&s, &x)) usleep(10000);

  int alive = 0;
  for (int i = 1; i <= SESSIONS; i++) {
    uint8_t here = s.relay.state[i], there = client_of(&s, i - 1)->state[i];
    alive += (here == RTC_T_CONNECTED || here == RTC_T_STALLED) && (there == RTC_T_CONNECTED || there == RTC_T_STALLED);
  }
  CHECK_EQ(alive, SESSIONS);
  CHECK(x.published > 0 && x.in <= x.published && x.published - x.in <= x.lost_in);
  CHECK(x.forwarded > 0 && x.out <= x.forwarded && x.forwarded - x.out <= x.lost_out);
  CHECK(x.refused <= s.hostile.sent && s.hostile.sent - x.refused <= s.relay.info.kernel_drops);
  CHECK_EQ(x.unknown, 0);
  CHECK(s.hostile.sent >= all && hostile_complete(&s.hostile));
  uint64_t bytes = 0;
  for (int i = 0; i < STRANGERS; i++) {
    CHECK(s.stranger[i].got <= s.stranger[i].sent);
    bytes += s.stranger[i].got;
  }
  CHECK_EQ(bytes, 0);
  check_figure("hostile_datagrams", (double)s.hostile.sent);
  check_figure("while_sessions_connected", (double)(set_up - before));
  check_figure("hostile_refused", (double)x.refused);
  check_figure("sessions_alive", alive);
  check_figure("media_published", (double)x.published);
  check_figure("media_at_viewers", (double)x.out);
  check_figure("media_lost_in", (double)(x.published - x.in));
  check_figure("media_lost_out", (double)(x.forwarded - x.out));
  check_figure("kernel_drops_in", (double)x.lost_in);
  check_figure("kernel_drops_out", (double)x.lost_out);
  check_figure("bytes_to_strangers", (double)bytes);
  close_storm(&s);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(storm_of_strangers);
  return CHECK_END();
}
