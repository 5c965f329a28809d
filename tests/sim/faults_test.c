/* What the engine does when the network does what networks do: a publisher, a relay and two viewers meet by ICE and DTLS and stream
 * sound and picture, in virtual time, through each fault at three strengths. What has to hold stands in one table.
 *   faults_test FAULT STRENGTH FIRST_SEED SEEDS       (strength 0 to 2; --list names the faults) */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "engine/state.h"
#include "house.h"
#include "test_cert.h"

/* Clocks and dice are the test's, for OpenSSL too: the same seed is the same run to the last byte. */

static rtc_sim_t *clock_of;
static int64_t wall_step_us; /* what somebody has set the wall clock by */
static bool asked_forbidden; /* while true nobody may ask a clock */
static int asked;

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  (void)zone;
  rtc_time_t now = (clock_of ? rtc_sim_now(clock_of) : 0) + wall_step_us;
  asked += asked_forbidden;
  tv->tv_sec = 1700000000 + now / 1000000;
  tv->tv_usec = now % 1000000;
  return 0;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
  asked += asked_forbidden;
  return (int)syscall(SYS_clock_gettime, id, ts);
}

static uint64_t dice_state;

static int dice_bytes(unsigned char *p, int n) {
  for (int i = 0; i < n; i++) { /* splitmix64 */
    uint64_t x = dice_state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    p[i] = (unsigned char)(x >> 33);
  }
  return 1;
}
static int dice_ready(void) { return 1; }
static const RAND_METHOD DICE = {.bytes = dice_bytes, .pseudorand = dice_bytes, .status = dice_ready};

/* The faults */

enum { VIEWERS = 2, STRENGTHS = 3, FRAMES = 240, TAIL = 60, ALL = 1000 /* per mille */ };

typedef enum act { LINKS, LINKS_CONNECTED, FEEDBACK_LINKS, FIRST_VIEWER, OUTAGE, REBIND, WALL_CLOCK } act_t;

/* What one strength is, and what has to hold. Shares are per mille of the packets that the publisher has sent since the viewer joined, but
 * for the last ones, whose loss nobody can notice. Sound is not repaired: its shares are (1 - loss)^2 less five deviations. */
typedef struct strength {
  rtc_link_t link; /* of all links, or as act says */
  rtc_time_t act;  /* how long, how far or how often */
  int connect_ms, video, sound;
} strength_t;

typedef struct fault {
  const char *name;
  act_t act;
  strength_t s[STRENGTHS];
} fault_t;

#define WIRE .delay_us = 20000, .jitter_us = 2000
static const fault_t FAULTS[] = {
    {"loss",
     LINKS,
     {{{WIRE, .loss = 0.02}, 0, 10000, 999, 890}, {{WIRE, .loss = 0.10}, 0, 10000, 980, 680}, {{WIRE, .loss = 0.30}, 0, 10000, 750, 330}}},
    /* The network counts packets: a run that is over in milliseconds of media would last for all of a handshake's repeats. */
    {"burst",
     LINKS_CONNECTED,
     {{{WIRE, .loss = 0.02, .burst = 3}, 0, 1000, 980, 830},
      {{WIRE, .loss = 0.05, .burst = 5}, 0, 1000, 930, 690},
      {{WIRE, .loss = 0.10, .burst = 8}, 0, 1000, 900, 460}}},
    {"one_way_loss",
     FEEDBACK_LINKS,
     {{{WIRE, .loss = 0.05}, 0, 10000, ALL, ALL}, {{WIRE, .loss = 0.15}, 0, 10000, ALL, ALL}, {{WIRE, .loss = 0.30}, 0, 10000, ALL, ALL}}},
    {"duplicate",
     LINKS,
     {{{WIRE, .duplicate = 0.05}, 0, 1000, ALL, ALL},
      {{WIRE, .duplicate = 0.20}, 0, 1000, ALL, ALL},
      {{WIRE, .duplicate = 1.0}, 0, 1000, ALL, ALL}}},
    {"reorder",
     LINKS,
     {{{WIRE, .reorder = 0.01}, 0, 1000, ALL, ALL},
      {{WIRE, .reorder = 0.10}, 0, 1000, ALL, ALL},
      {{WIRE, .reorder = 0.50}, 0, 1000, ALL, ALL}}},
    {"jitter",
     LINKS,
     {{{.delay_us = 20000, .jitter_us = 20000}, 0, 1000, ALL, ALL},
      {{.delay_us = 20000, .jitter_us = 100000}, 0, 3000, ALL, ALL},
      {{.delay_us = 20000, .jitter_us = 300000}, 0, 5000, ALL, ALL}}},
    /* While nothing is authenticated a flipped bit is as good as a forged message: what UDP's checksum lets pass can end a handshake. */
    {"corrupt",
     LINKS_CONNECTED,
     {{{WIRE, .corrupt = 0.005}, 0, 1000, 999, 950},
      {{WIRE, .corrupt = 0.02}, 0, 1000, 990, 890},
      {{WIRE, .corrupt = 0.10}, 0, 1000, 980, 680}}},
    {"outage", OUTAGE, {{{WIRE}, RTC_SEC(1), 3000, 0, 0}, {{WIRE}, RTC_SEC(3), 5000, 0, 0}, {{WIRE}, RTC_SEC(5), 8000, 0, 0}}},
    {"rate",
     FIRST_VIEWER,
     {{{WIRE, .rate_bps = 4000000}, 0, 1000, ALL, ALL},
      {{WIRE, .rate_bps = 1500000, .queue_bytes = 32768}, 0, 1000, ALL, ALL},
      {{WIRE, .rate_bps = 700000, .queue_bytes = 16384}, 0, 1000, 500, 500}}},
    {"mtu",
     LINKS,
     {{{WIRE, .mtu = 1400}, 0, 1000, ALL, ALL}, {{WIRE, .mtu = 1232}, 0, 1000, ALL, ALL}, {{WIRE, .mtu = 1200}, 0, 1000, ALL, ALL}}},
    {"rebind", REBIND, {{{WIRE}, 1, 1000, 0, 0}, {{WIRE}, 2, 1000, 0, 0}, {{WIRE}, 3, 1000, 0, 0}}},
    {"wall_clock",
     WALL_CLOCK,
     {{{WIRE}, RTC_SEC(3600), 1000, ALL, ALL},
      {{WIRE}, -RTC_SEC(3600), 1000, ALL, ALL},
      {{WIRE, .loss = 0.10}, -RTC_SEC(3600), 10000, 980, 680}}},
};
enum { FAULTS_N = sizeof FAULTS / sizeof FAULTS[0] };

typedef struct scene {
  house_t h;
  const fault_t *fault;
  const strength_t *s;
  int connect_ms;
  rtc_time_t resumed_us;      /* longest time from the end of a fault to the next whole key frame at a viewer */
  int64_t joined[VIEWERS][2]; /* the publisher's number that a viewer began with: sound, picture */
} scene_t;

static void links(scene_t *c, const rtc_link_t *l) {
  house_t *h = &c->h;
  static const rtc_link_t clean = {WIRE};
  bool in = c->fault->act != FIRST_VIEWER, media = in && c->fault->act != FEEDBACK_LINKS;
  rtc_sim_link(h->sim, h->pub_at, h->relay_at, media ? l : &clean);
  rtc_sim_link(h->sim, h->relay_at, h->pub_at, in ? l : &clean);
  for (int v = 0; v < VIEWERS; v++) {
    rtc_sim_link(h->sim, h->relay_at, h->view_at[v], media || (!in && v == 0) ? l : &clean);
    rtc_sim_link(h->sim, h->view_at[v], h->relay_at, in || v == 0 ? l : &clean);
  }
}

static rtc_transport_t *transport_of(rtc_hub_t *h, uint32_t id) { return rtc_map_get(&h->transports, &id); }
static rtc_send_t *sender_of(rtc_hub_t *h, uint32_t id) { return rtc_map_get(&h->sends, &id); }
static rtc_recv_t *receiver_of(rtc_hub_t *h, uint32_t id) { return rtc_map_get(&h->recvs, &id); }

static bool is_up(rtc_hub_t *h, uint32_t id) {
  rtc_transport_t *t = transport_of(h, id);
  return t && (t->state == RTC_T_CONNECTED || t->state == RTC_T_STALLED);
}

static bool all_up(const house_t *h) {
  bool up = is_up(h->pub, 1) && is_up(h->relay, 1);
  for (int v = 0; v < VIEWERS; v++) up = up && is_up(h->relay, 10 + (uint32_t)v) && is_up(h->view[v], 1);
  return up;
}

/* The wall clock jumps. */
static void set_wall_clock(scene_t *c) {
  if (c->fault->act == WALL_CLOCK) wall_step_us = c->s->act;
}

static void meet(scene_t *c) {
  rtc_time_t start = rtc_sim_now(c->h.sim);
  rtc_link_t l = c->s->link;
  if (c->fault->act == OUTAGE) {
    l.down_from = start + RTC_MS(50);
    l.down_until = l.down_from + c->s->act;
  }
  if (c->fault->act == LINKS_CONNECTED) l = (rtc_link_t){WIRE};
  links(c, &l);
  while (!all_up(&c->h) && rtc_sim_now(c->h.sim) - start < RTC_SEC(30)) {
    rtc_sim_run(c->h.sim, rtc_sim_now(c->h.sim) + RTC_MS(5));
    if (rtc_sim_now(c->h.sim) - start >= RTC_MS(45)) set_wall_clock(c);
  }
  c->connect_ms = (int)((rtc_sim_now(c->h.sim) - start) / 1000);
  CHECK(all_up(&c->h));
  CHECK(c->connect_ms <= c->s->connect_ms);
  if (c->fault->act == LINKS_CONNECTED) links(c, &c->s->link);
}

static void play(scene_t *c, int frames) {
  for (int i = 0; i < frames; i++) house_stream(&c->h, 1, 400 + c->h.frame * 977 % 5600);
}

/* How far a viewer is. */
typedef struct mark {
  int64_t highest;
  uint64_t key_frames, given_up;
} mark_t;

static mark_t mark(const rtc_recv_t *r) { return (mark_t){r->highest, r->key_frames, r->nack->given_up}; }

/* It has something new, and either all that came before it or a key frame. */
static bool goes_on(const rtc_recv_t *r, mark_t m) {
  return r->highest > m.highest && (r->key_frames > m.key_frames || (!r->nack->n && r->nack->given_up == m.given_up));
}

/* Plays until it goes on for every viewer; counts from the last mark on. */
static void play_until_it_goes_on(scene_t *c, const mark_t *m) {
  rtc_time_t end = rtc_sim_now(c->h.sim);
  for (int v = 0; v < VIEWERS; v++) {
    while (!goes_on(receiver_of(c->h.view[v], 1), m[v]) && rtc_sim_now(c->h.sim) - end < RTC_SEC(20)) play(c, 1);
  }
  rtc_time_t took = rtc_sim_now(c->h.sim) - end;
  if (took > c->resumed_us) c->resumed_us = took;
}

static void cut(scene_t *c) {
  rtc_link_t l = c->s->link;
  l.down_from = rtc_sim_now(c->h.sim);
  l.down_until = l.down_from + c->s->act;
  links(c, &l);
  play(c, (int)(c->s->act * 30 / RTC_SEC(1)));
  rtc_sim_run(c->h.sim, l.down_until);
  mark_t m[VIEWERS];
  for (int v = 0; v < VIEWERS; v++) m[v] = mark(receiver_of(c->h.view[v], 1));
  play_until_it_goes_on(c, m);
}

/* A NAT gives somebody another address: of a viewer, then of the publisher, then of the viewer again. */
static void rebind(scene_t *c) {
  for (int i = 0; i < (int)c->s->act; i++) {
    uint8_t ip[4] = {10, 0, 1, (uint8_t)(1 + i)};
    rtc_addr_t a;
    rtc_addr_set(&a, ip, 4, (uint16_t)(9000 + i));
    rtc_sim_move(c->h.sim, i % 2 ? c->h.pub_at : c->h.view_at[0], &a);
    rtc_sim_run(c->h.sim, rtc_sim_now(c->h.sim) + RTC_MS(50)); /* what was under way */
    mark_t m[VIEWERS];
    for (int v = 0; v < VIEWERS; v++) m[v] = mark(receiver_of(c->h.view[v], 1));
    play_until_it_goes_on(c, m);
    play(c, 30);
  }
}

/* Afterwards */

/* Each packet that a viewer still has is what the publisher sent, as far as that one still has it; of those, how many there are from the
 * first one that came, per mille. */
static int arrived(scene_t *c, int v, bool video) {
  house_t *h = &c->h;
  uint32_t id = video ? 1 : 2, at = 100 + 2 * (uint32_t)v + !video;
  rtc_send_t *from = sender_of(h->pub, id), *way = sender_of(h->relay, at);
  rtc_recv_t *to = receiver_of(h->view[v], id);
  int64_t first = -1, top = from->top - (video ? TAIL : TAIL / 3), there = 0, wrong = 0;
  for (int64_t i = from->top - from->own.cap + 1; i <= top; i++) {
    rtc_pkt_t *sent = rtc_history_get(&from->own, i), *got = rtc_history_get(&to->history, i + way->seq_off);
    rtc_media_t a, b;
    if (!got) continue;
    if (first < 0) first = i;
    there++;
    bool same = sent && rtc_send_view(&a, sent, i, &from->transport->cfg->ext) && rtc_send_view(&b, got, i, &to->transport->cfg->ext) &&
                a.rtp.payload_len == b.rtp.payload_len && a.rtp.marker == b.rtp.marker &&
                !memcmp(sent->data + a.rtp.hdr_len, got->data + b.rtp.hdr_len, a.rtp.payload_len);
    wrong += !same;
  }
  CHECK_EQ(wrong, 0);
  CHECK(there > 0);
  /* Too few of sound are kept for a share. */
  return video ? (int)(there * ALL / (top - first + 1)) : (int)((int64_t)to->packets * ALL / (from->top - way->from + 1));
}

/* No packet twice: what came is no more than what was sent. */
static void nothing_twice(scene_t *c) {
  house_t *h = &c->h;
  for (uint32_t id = 1; id <= 2; id++) {
    uint64_t sent = sender_of(h->pub, id)->packets, relayed = receiver_of(h->relay, id)->packets;
    CHECK(relayed <= sent);
    for (int v = 0; v < VIEWERS; v++) CHECK(receiver_of(h->view[v], id)->packets <= relayed);
  }
}

/* What must be counted, and what must not. */
static void drops(scene_t *c) {
  house_t *h = &c->h;
  rtc_hub_t *all[2 + VIEWERS] = {h->pub, h->relay, h->view[0], h->view[1]};
  uint64_t sum[RTC_DROP_COUNT] = {0};
  rtc_link_stats_t net = {0};
  for (int i = 0; i < 2 + VIEWERS; i++) {
    for (int d = 0; d < RTC_DROP_COUNT; d++) sum[d] += all[i]->st.drops[d];
    for (int j = 0; j < 2 + VIEWERS; j++) {
      const rtc_link_stats_t *l = rtc_sim_link_stats(h->sim, i, j);
      net.duplicated += l->duplicated;
      net.corrupted += l->corrupted;
      net.too_big += l->too_big;
      net.lost += l->lost;
      net.overflow += l->overflow;
    }
  }
  CHECK_EQ(net.too_big, 0);
  CHECK_EQ(sum[RTC_DROP_POOL] + sum[RTC_DROP_OUT_QUEUE] + sum[RTC_DROP_SEAL] + sum[RTC_DROP_PACER] + sum[RTC_DROP_TOO_BIG], 0);
  CHECK_EQ(sum[RTC_DROP_RTX_FORM] + sum[RTC_DROP_RTP_PT] + sum[RTC_DROP_RTP_STREAM], 0);
  uint64_t replayed = sum[RTC_DROP_RTP_REPLAY] + sum[RTC_DROP_RTCP_REPLAY], forged = sum[RTC_DROP_RTP_AUTH] + sum[RTC_DROP_RTCP_AUTH];
  if (!strcmp(c->fault->name, "duplicate")) CHECK(replayed > net.duplicated * 9 / 10 && replayed <= net.duplicated);
  if (!strcmp(c->fault->name, "corrupt")) CHECK(forged > net.corrupted * 8 / 10 && forged <= net.corrupted);
  if (c->fault->s[0].link.loss > 0) CHECK(net.lost > 0);
  if (!net.corrupted) CHECK_EQ(forged, 0);
  if (!net.duplicated && !net.corrupted) CHECK_EQ(replayed, 0); /* a flipped bit of the number may look like one */
}

static void close_one(scene_t *c, rtc_hub_t *hub, int at, uint32_t id) {
  house_do(hub, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id}, rtc_sim_now(c->h.sim));
  rtc_sim_flush(c->h.sim, at);
}

/* Goodbye, and then nobody holds a slot any more. */
static void leave(scene_t *c) {
  house_t *h = &c->h;
  rtc_hub_t *all[2 + VIEWERS] = {h->pub, h->relay, h->view[0], h->view[1]};
  static const rtc_link_t clean = {WIRE};
  links(c, &clean);
  close_one(c, h->pub, h->pub_at, 1);
  for (int v = 0; v < VIEWERS; v++) close_one(c, h->view[v], h->view_at[v], 1);
  close_one(c, h->relay, h->relay_at, 1);
  for (int v = 0; v < VIEWERS; v++) close_one(c, h->relay, h->relay_at, 10 + (uint32_t)v);
  rtc_sim_run(h->sim, rtc_sim_now(h->sim) + RTC_SEC(1));
  rtc_event_t e;
  for (int i = 0; i < 2 + VIEWERS; i++) {
    while (rtc_hub_event(all[i], &e)) continue;
    rtc_stats_t s;
    house_stats(all[i], &s);
    CHECK_EQ(s.transport_n, 0);
    CHECK_EQ(s.hub.pool_used, 0);
  }
}

/* Of all runs of a strength. */
typedef struct worst {
  int connect_ms, video, sound, resume_ms;
} worst_t;

static int most(int a, int b) { return a > b ? a : b; }
static int least(int a, int b) { return a < b ? a : b; }

/* One run; its trace. */
static uint64_t run(const fault_t *f, int strength, uint64_t seed, worst_t *w) {
  scene_t c = {.fault = f, .s = &f->s[strength]};
  int err;
  dice_state = seed;
  wall_step_us = 0;
  rtc_dtls_ctx_t *dtls = rtc_dtls_ctx_new(TEST_CERT, sizeof TEST_CERT - 1, TEST_KEY, sizeof TEST_KEY - 1, &err);
  if (!dtls) exit(2);
  house_meet(&c.h, seed, VIEWERS, dtls);
  clock_of = c.h.sim;
  meet(&c);
  asked = 0;
  asked_forbidden = f->act == WALL_CLOCK;
  play(&c, 60);
  if (f->act == OUTAGE) cut(&c);
  if (f->act == REBIND) rebind(&c);
  play(&c, FRAMES - 60);
  rtc_sim_run(c.h.sim, rtc_sim_now(c.h.sim) + RTC_SEC(2));
  asked_forbidden = false;
  CHECK_EQ(asked, 0);
  CHECK(all_up(&c.h));
  CHECK(c.resumed_us <= (f->act == REBIND ? RTC_MS(1500) : RTC_SEC(1)));
  for (int v = 0; v < VIEWERS; v++) {
    int p = arrived(&c, v, true), s = arrived(&c, v, false);
    bool spared = f->act == FIRST_VIEWER && v > 0; /* what one viewer's network does is not felt by another */
    CHECK(p >= (spared ? ALL : c.s->video));
    CHECK(s >= (spared ? ALL : c.s->sound));
    if (!spared) {
      w->video = least(w->video, p);
      w->sound = least(w->sound, s);
    }
  }
  nothing_twice(&c);
  drops(&c);
  leave(&c);
  uint64_t trace = rtc_sim_trace(c.h.sim);
  w->connect_ms = most(w->connect_ms, c.connect_ms);
  w->resume_ms = most(w->resume_ms, (int)(c.resumed_us / 1000));
  clock_of = NULL;
  house_close(&c.h);
  rtc_dtls_ctx_free(dtls);
  return trace;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--list")) {
    for (int i = 0; i < FAULTS_N; i++) puts(FAULTS[i].name);
    return 0;
  }
  const fault_t *f = NULL;
  for (int i = 0; i < FAULTS_N && argc == 5; i++)
    if (!strcmp(FAULTS[i].name, argv[1])) f = &FAULTS[i];
  int strength = argc == 5 ? atoi(argv[2]) : -1;
  if (!f || strength < 0 || strength >= STRENGTHS) {
    fprintf(stderr, "usage: faults_test FAULT STRENGTH FIRST_SEED SEEDS | --list\n");
    return 2;
  }
  int err;
  rtc_dtls_ctx_free(rtc_dtls_ctx_new(TEST_CERT, sizeof TEST_CERT - 1, TEST_KEY, sizeof TEST_KEY - 1, &err)); /* what a process makes once */
  if (RAND_set_rand_method(&DICE) != 1) return 2;
  uint64_t first = strtoull(argv[3], NULL, 10), seeds = strtoull(argv[4], NULL, 10);
  worst_t w = {0, ALL, ALL, 0};
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    int before = check_failed_;
    uint64_t trace = run(f, strength, seed, &w), again = run(f, strength, seed, &w);
    CHECK(trace == again);
    if (check_failed_ != before) printf("FAILED %s %d seed %d, trace %016llx\n", f->name, strength, (int)seed, (unsigned long long)trace);
  }
  check_figure("connect_ms", w.connect_ms);
  check_figure("video_permille", w.video);
  check_figure("sound_permille", w.sound);
  check_figure("resume_ms", w.resume_ms);
  return CHECK_END();
}
