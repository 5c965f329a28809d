/* turn: the client against a server in the test, over a network that loses and delays; against servers that refuse, forge and fall silent.
 */
#include "proto/turn.h"

#include "check.h"
#include "turn_server.h"

enum { FLIGHTS = 4096, KEPT = 64 };

typedef struct flight {
  rtc_time_t at;
  rtc_addr_t from, to;
  size_t n;
  uint8_t p[1600];
} flight_t;

typedef struct net {
  rtc_time_t now, delay;
  double loss;
  uint64_t rng;
  rtc_turn_t turn;
  turn_server_t server;
  rtc_addr_t client, peer[4];
  flight_t *v;
  int n;
  int ignored;       /* answers that the client did not take */
  uint64_t requests; /* of the client */
  int got_n;         /* data that came to the client */
  size_t got_len;    /* of the latest */
  uint8_t got[1600];
  rtc_addr_t got_from;
  int peer_n; /* data that came to peers */
  size_t peer_len;
  uint8_t peer_got[1600];
} net_t;

static double dice(net_t *w) {
  w->rng ^= w->rng >> 12;
  w->rng ^= w->rng << 25;
  w->rng ^= w->rng >> 27;
  return (double)((w->rng * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static void carry(void *arg, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n) {
  net_t *w = arg;
  if (w->n == FLIGHTS || dice(w) < w->loss) return;
  flight_t *f = &w->v[w->n++];
  *f = (flight_t){.at = w->now + w->delay, .from = *from, .to = *to, .n = n};
  memcpy(f->p, p, n);
}

static rtc_addr_t at(const char *ip, uint16_t port) {
  rtc_addr_t a;
  if (rtc_addr_parse(&a, ip, port) < 0) exit(2);
  return a;
}

static void open_net(net_t *w, uint64_t seed, bool stream) {
  rtc_addr_t server = at("192.0.2.1", 3478);
  memset(w, 0, sizeof *w);
  w->now = RTC_SEC(1);
  w->delay = RTC_MS(20);
  w->rng = seed * 0x9e3779b97f4a7c15u + 1;
  w->v = calloc(FLIGHTS, sizeof *w->v);
  if (!w->v) exit(2);
  w->client = at("10.0.0.1", 5000);
  for (int i = 0; i < 4; i++) w->peer[i] = at("198.51.100.7", (uint16_t)(6000 + i));
  turn_server_init(&w->server, &server, carry, w);
  rtc_turn_cfg_t cfg = {.username = "alice", .password = "secret of alice", .stream = stream, .seed = seed};
  CHECK_EQ(rtc_turn_init(&w->turn, &cfg, w->now), 0);
}

static void close_net(net_t *w) {
  rtc_turn_clear(&w->turn);
  free(w->v);
}

static void to_client(net_t *w, const uint8_t *p, size_t n) {
  rtc_stun_t m;
  rtc_addr_t peer;
  size_t len;
  if ((p[0] & 0xc0) == 0x40) {
    int off = rtc_turn_channel_data(&w->turn, p, n, &peer, &len, w->now);
    if (off < 0) {
      w->ignored++;
      return;
    }
    w->got_n++;
    w->got_from = peer;
    w->got_len = len;
    memcpy(w->got, p + off, len);
    return;
  }
  if (rtc_stun_parse(&m, p, n) < 0) {
    w->ignored++;
    return;
  }
  if (m.type != RTC_STUN_DATA) {
    w->ignored += !rtc_turn_on_stun(&w->turn, &m, p, w->now);
    return;
  }
  if (rtc_turn_data(&w->turn, &m) < 0) {
    w->ignored++;
    return;
  }
  w->got_n++;
  w->got_from = m.peer;
  w->got_len = m.data_len;
  memcpy(w->got, m.data, m.data_len);
}

static void flush(net_t *w) {
  uint8_t out[RTC_TURN_REQUEST_MAX];
  for (int n; (n = rtc_turn_pop(&w->turn, out, sizeof out, w->now)) != 0;) {
    CHECK(n > 0);
    if (n < 0) return;
    w->requests++;
    carry(w, &w->client, &w->server.addr, out, (size_t)n);
  }
}

static void run(net_t *w, rtc_time_t until) {
  for (;;) {
    flush(w);
    int first = -1;
    for (int i = 0; i < w->n; i++)
      if (first < 0 || w->v[i].at < w->v[first].at) first = i;
    rtc_time_t next = rtc_turn_next_at(&w->turn);
    CHECK(next > w->now); /* nothing spins */
    if (first >= 0 && w->v[first].at <= next) next = w->v[first].at;
    if (next > until) break;
    if (next > w->now) w->now = next;
    if (first < 0 || w->v[first].at > w->now) continue;
    flight_t f = w->v[first];
    memmove(&w->v[first], &w->v[first + 1], (size_t)(w->n - first - 1) * sizeof f);
    w->n--;
    if (rtc_addr_eq(&f.to, &w->client)) {
      to_client(w, f.p, f.n);
    } else if (memcmp(f.to.ip, w->peer[0].ip, 16) == 0) {
      w->peer_n++;
      w->peer_len = f.n;
      memcpy(w->peer_got, f.p, f.n);
    } else {
      turn_server_in(&w->server, &f.from, &f.to, f.p, f.n, w->now);
    }
  }
  w->now = until;
}

static void pass(net_t *w, int ms) { run(w, w->now + RTC_MS(ms)); }

/* 0 or what wrapping said. */
static int send_to(net_t *w, const rtc_addr_t *peer, const uint8_t *p, size_t n, bool channel) {
  uint8_t room[RTC_TURN_HEAD + 1600];
  size_t len;
  memset(room, 0xee, sizeof room);
  if (n) memcpy(room + RTC_TURN_HEAD, p, n);
  int err = rtc_turn_meet(&w->turn, peer, w->now);
  if (err < 0) return err;
  flush(w); /* requests before data */
  int head = rtc_turn_wrap(&w->turn, peer, room + RTC_TURN_HEAD, n, channel, &len, w->now);
  if (head < 0) return head;
  CHECK(head <= RTC_TURN_HEAD && len <= (size_t)head + n + RTC_TURN_TAIL);
  CHECK(!w->turn.stream || len % 4 == 0);
  carry(w, &w->client, &w->server.addr, room + RTC_TURN_HEAD - head, len);
  return 0;
}

static void peer_sends(net_t *w, int peer, const uint8_t *p, size_t n) { carry(w, &w->peer[peer], &w->turn.relayed, p, n); }

static void ready(net_t *w) {
  pass(w, 1000);
  CHECK_EQ(w->turn.state, RTC_TURN_READY);
}

static void allocation(void) {
  for (int sha256 = 0; sha256 < 2; sha256++) {
    net_t w;
    open_net(&w, 1, false);
    w.server.sha256 = sha256;
    if (sha256) w.server.nonce = "obMatJos2wAAA-and-more"; /* both features, RFC 8489 §18.1 */
    ready(&w);
    CHECK_EQ(w.server.requests[RTC_STUN_ALLOCATE], 2);
    CHECK_EQ(w.server.challenges, 1);
    CHECK_EQ(w.turn.sha256, sha256);
    CHECK(rtc_addr_eq(&w.turn.mapped, &w.client));
    CHECK(rtc_addr_eq(&w.turn.relayed, &w.server.v[0].relayed));
    CHECK_EQ(w.ignored, 0);
    w.server.nonce = sha256 ? "obMatJos2wAAA-and-another" : "second"; /* the old one is stale */
    CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"hello", 5, true), 0);
    pass(&w, 1000);
    CHECK(w.server.stale >= 1);
    CHECK_EQ(w.turn.permit[0].grant, RTC_TURN_GRANTED);
    CHECK_EQ(w.turn.channel[0].grant, RTC_TURN_GRANTED);
    rtc_turn_close(&w.turn, w.now);
    pass(&w, 1000);
    CHECK_EQ(w.turn.state, RTC_TURN_CLOSED);
    CHECK_EQ(turn_server_alive(&w.server, w.now), 0);
    CHECK(rtc_turn_next_at(&w.turn) == RTC_NEVER);
    close_net(&w);
  }
}

static void loss(void) {
  enum { RUNS = 2000 };
  int late = 0;
  rtc_time_t sum = 0;
  for (int seed = 1; seed <= RUNS; seed++) {
    net_t w;
    open_net(&w, (uint64_t)seed, false);
    w.loss = 0.3;
    rtc_time_t begun = w.now;
    while (w.turn.state == RTC_TURN_ASKING && w.now < begun + RTC_SEC(10)) pass(&w, 50);
    late += w.turn.state != RTC_TURN_READY;
    sum += w.now - begun;
    close_net(&w);
  }
  CHECK(late <= RUNS / 500);
  check_figure("late_per_mille", late * 1000.0 / RUNS);
  check_figure("mean_ms", (double)sum / RUNS / 1000);
}

static void refused(void) {
  static const struct {
    int code;
    const char *text;
  } rows[] = {{300, "Try Alternate"},
              {403, "Forbidden"},
              {437, "Allocation Mismatch"},
              {440, "Address Family not Supported"},
              {441, "Wrong Credentials"},
              {442, "Unsupported Transport Protocol"},
              {486, "Allocation Quota Reached"},
              {508, "Insufficient Capacity"},
              {499, ""}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    net_t w;
    open_net(&w, 2, false);
    w.server.refuse = rows[i].code;
    w.server.alternate = at("203.0.113.9", 3479);
    pass(&w, rows[i].code == 437 ? RTC_TURN_MISMATCHES * (RTC_TURN_MISMATCH_MS + 40) + 1000 : 1000);
    CHECK_EQ(w.server.requests[RTC_STUN_ALLOCATE], 2 + (rows[i].code == 437 ? RTC_TURN_MISMATCHES : 0));
    CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
    CHECK_EQ(w.turn.code, rows[i].code);
    CHECK(strcmp(w.turn.text, rows[i].text) == 0);
    CHECK_EQ(rtc_addr_eq(&w.turn.alternate, &w.server.alternate), rows[i].code == 300);
    CHECK(rtc_turn_next_at(&w.turn) == RTC_NEVER);
    close_net(&w);
  }
  net_t w;
  open_net(&w, 3, false);
  w.server.password = "another";
  pass(&w, 1000);
  CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn.code, 401);
  CHECK(strcmp(w.turn.text, "Unauthorized") == 0);
  CHECK_EQ(w.requests, 2);
  close_net(&w);
}

/* An error without integrity ends nothing; when nothing better comes, it is what is told. */
static void refused_without_key(void) {
  net_t w;
  open_net(&w, 19, false);
  w.server.unsigned_no = true;
  w.server.refuse = 441;
  pass(&w, RTC_TURN_GIVE_UP_MS - 100);
  CHECK_EQ(w.turn.state, RTC_TURN_ASKING);
  pass(&w, 300);
  CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn.code, 441);
  CHECK(strcmp(w.turn.text, "Wrong Credentials") == 0);
  close_net(&w);
  open_net(&w, 20, false);
  w.server.unsigned_no = true;
  w.server.refuse = 441;
  pass(&w, 5000);
  w.server.refuse = 0;
  pass(&w, 1000);
  CHECK_EQ(w.turn.state, RTC_TURN_READY);
  CHECK_EQ(w.turn.code, 0);
  close_net(&w);
}

/* What was given back a moment ago is still there. */
static void not_yet_gone(void) {
  net_t w;
  open_net(&w, 18, false);
  w.server.refuse = 437;
  pass(&w, 1500);
  CHECK_EQ(w.turn.state, RTC_TURN_ASKING);
  w.server.refuse = 0;
  pass(&w, 1000);
  CHECK_EQ(w.turn.state, RTC_TURN_READY);
  close_net(&w);
}

static void nobody_there(void) {
  for (int stream = 0; stream < 2; stream++) {
    net_t w;
    open_net(&w, 4, stream);
    w.server.silent = true;
    pass(&w, RTC_TURN_GIVE_UP_MS - 1);
    CHECK_EQ(w.turn.state, RTC_TURN_ASKING);
    pass(&w, 1);
    CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
    CHECK_EQ(w.turn.code, RTC_TURN_NO_ANSWER);
    if (stream)
      CHECK_EQ(w.requests, 1); /* RFC 8489 §6.2.2 */
    else
      CHECK(w.requests > 10 && w.requests < 30);
    close_net(&w);
  }
  net_t w; /* it falls silent later: the allocation lasts as long as it was granted for, and no longer */
  open_net(&w, 5, false);
  ready(&w);
  w.server.silent = true;
  run(&w, RTC_SEC(600));
  CHECK_EQ(w.turn.state, RTC_TURN_READY);
  pass(&w, 2000);
  CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn.code, RTC_TURN_NO_ANSWER);
  close_net(&w);
  open_net(&w, 6, false); /* and a goodbye that nobody hears ends too */
  ready(&w);
  w.server.silent = true;
  rtc_turn_close(&w.turn, w.now);
  pass(&w, RTC_TURN_GOODBYE_MS - 1);
  CHECK_EQ(w.turn.state, RTC_TURN_CLOSING);
  pass(&w, 1);
  CHECK_EQ(w.turn.state, RTC_TURN_CLOSED);
  close_net(&w);
  open_net(&w, 7, false); /* nothing to give back */
  rtc_turn_close(&w.turn, w.now);
  CHECK_EQ(w.turn.state, RTC_TURN_CLOSED);
  close_net(&w);
}

/* An answer with the transaction id of what is under way, by whoever sees it but has no key. */
static void seen_but_without_key(void) {
  net_t w;
  open_net(&w, 8, false);
  w.server.unsigned_yes = true;
  pass(&w, 5000);
  CHECK_EQ(w.turn.state, RTC_TURN_ASKING);
  CHECK(w.ignored > 3);
  w.server.unsigned_yes = false;
  w.server.wrong_key = true;
  pass(&w, 5000);
  CHECK_EQ(w.turn.state, RTC_TURN_ASKING);
  w.server.wrong_key = false;
  pass(&w, 1000);
  CHECK_EQ(w.turn.state, RTC_TURN_READY);
  w.server.unsigned_yes = true; /* permissions and channels: asked for in vain */
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 5000);
  CHECK_EQ(w.turn.permit[0].grant, RTC_TURN_ASKED);
  CHECK_EQ(w.turn.channel[0].grant, RTC_TURN_ASKED);
  close_net(&w);
}

/* From the server's address, without its knowledge: answers and challenges of all kinds, with other transaction ids; data of peers that are
 * none. Nothing changes at all. */
static void forged(void) {
  net_t w;
  open_net(&w, 9, false);
  ready(&w);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  w.server.silent = true;
  CHECK_EQ(send_to(&w, &w.peer[1], (const uint8_t *)"x", 1, true), 0); /* a request is under way all the time */
  static const uint16_t methods[] = {RTC_STUN_ALLOCATE, RTC_STUN_REFRESH, RTC_STUN_PERMIT, RTC_STUN_BIND, 1};
  static const int codes[] = {0, 300, 401, 403, 437, 438, 486, 500};
  const rtc_turn_t before = w.turn;
  rtc_addr_t stranger = at("203.0.113.66", 6666);
  int taken = 0;
  for (int i = 0; i < 100000; i++) {
    uint8_t p[300], tid[12], v[4];
    for (size_t k = 0; k < sizeof tid; k++) tid[k] = (uint8_t)(dice(&w) * 256);
    int code = codes[i / 5 % 8];
    rtc_wr_t b = rtc_wr(p, sizeof p);
    rtc_stun_begin(&b, methods[i % 5] | (code ? RTC_STUN_ERROR : RTC_STUN_SUCCESS), tid);
    if (code) rtc_stun_put_error(&b, code, NULL);
    rtc_stun_put(&b, RTC_STUN_A_REALM, "evil", 4);
    rtc_stun_put(&b, RTC_STUN_A_NONCE, "evil", 4);
    rtc_put32(v, i % 2 ? 0 : 600);
    rtc_stun_put(&b, RTC_STUN_A_LIFETIME, v, 4);
    rtc_stun_put_xor_addr(&b, RTC_STUN_A_RELAYED, &stranger, tid);
    int n = rtc_stun_end(&b, i % 3 ? (const uint8_t *)"not the key" : NULL, i % 3 ? 11 : 0);
    rtc_stun_t m;
    CHECK(n > 0 && rtc_stun_parse(&m, p, (size_t)n) == 0);
    taken += rtc_turn_on_stun(&w.turn, &m, p, w.now);
    b = rtc_wr(p, sizeof p);
    rtc_stun_begin(&b, RTC_STUN_DATA, tid);
    rtc_stun_put_xor_addr(&b, RTC_STUN_A_PEER, &stranger, tid);
    rtc_stun_put(&b, RTC_STUN_A_DATA, "data", 4);
    n = rtc_stun_end(&b, NULL, 0);
    CHECK(n > 0 && rtc_stun_parse(&m, p, (size_t)n) == 0);
    taken += rtc_turn_data(&w.turn, &m) != RTC_EAUTH;
    rtc_addr_t peer;
    size_t len;
    rtc_put16(p, (uint16_t)(0x4002 + i % 0xf00));
    rtc_put16(p + 2, 20);
    taken += rtc_turn_channel_data(&w.turn, p, 24, &peer, &len, w.now) != RTC_EAUTH;
  }
  CHECK_EQ(taken, 0);
  CHECK_MEM(&before, &w.turn, sizeof before);
  close_net(&w);
}

/* The list of algorithms is taken out of a challenge: it is not one then (RFC 8489 §9.2.5), before there is a key and after. */
static void downgrade(void) {
  net_t w;
  open_net(&w, 10, false);
  w.server.nonce = "obMatJos2wAAA-and-more"; /* says that it has algorithms, and names none */
  pass(&w, 2000);
  CHECK(!w.turn.keyed && w.turn.state == RTC_TURN_ASKING);
  w.server.sha256 = true;
  pass(&w, 2000);
  CHECK(w.turn.state == RTC_TURN_READY && w.turn.sha256);
  w.server.sha256 = false;
  w.server.nonce = "plain";
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, false), 0);
  pass(&w, 5000);
  CHECK(w.turn.sha256);
  CHECK_EQ(w.turn.permit[0].grant, RTC_TURN_ASKED);
  CHECK_EQ(w.turn.nonce_len, strlen("obMatJos2wAAA-and-more"));
  close_net(&w);
}

static void fill(uint8_t *p, size_t n, unsigned seed) {
  for (size_t i = 0; i < n; i++) p[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
}

/* Byte for byte both ways and in both forms, by datagrams and by a stream. */
static void data(void) {
  for (int stream = 0; stream < 2; stream++) {
    net_t w;
    open_net(&w, 11, stream);
    ready(&w);
    for (int form = 0; form < 2; form++) {
      for (size_t n = 0; n <= 1400; n += n < 20 ? 1 : 97) {
        uint8_t p[1400], q[1400];
        fill(p, n, (unsigned)n);
        fill(q, n, (unsigned)n + 7);
        int peer_n = w.peer_n, got_n = w.got_n;
        CHECK_EQ(send_to(&w, &w.peer[0], p, n, form), 0);
        pass(&w, 100);
        peer_sends(&w, 0, q, n);
        pass(&w, 100);
        CHECK_EQ(w.peer_n, peer_n + 1);
        CHECK_EQ(w.peer_len, n);
        CHECK_MEM(w.peer_got, p, n);
        CHECK_EQ(w.got_n, got_n + 1);
        CHECK_EQ(w.got_len, n);
        CHECK_MEM(w.got, q, n);
        CHECK(rtc_addr_eq(&w.got_from, &w.peer[0]));
      }
      if (form == 0) CHECK(w.server.indications > 60 && w.server.channel_data == 0);
    }
    CHECK(w.server.channel_data > 60);
    CHECK_EQ(w.server.dropped, 0); /* the permission was asked for before the first data left */
    CHECK_EQ(w.server.requests[RTC_STUN_PERMIT], 1);
    close_net(&w);
  }
}

static void malformed_channel_data(void) {
  net_t w;
  open_net(&w, 12, false);
  ready(&w);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  uint8_t p[16] = {0x40, 0, 0, 8};
  rtc_addr_t peer;
  size_t len;
  for (size_t n = 0; n <= sizeof p; n++) {
    int want = n < 12 ? RTC_EPROTO : n <= 15 ? 4 : RTC_EPROTO;
    CHECK_EQ(rtc_turn_channel_data(&w.turn, p, n, &peer, &len, w.now), want);
    if (want > 0) CHECK_EQ(len, 8);
  }
  p[1] = 1; /* not bound */
  CHECK_EQ(rtc_turn_channel_data(&w.turn, p, 12, &peer, &len, w.now), RTC_EAUTH);
  close_net(&w);
}

/* Two hours with a word each 20 s and a nonce that goes stale now and then: all that was granted stands all the time. */
static void hours(void) {
  net_t w;
  open_net(&w, 13, false);
  w.loss = 0.05;
  while (w.turn.state == RTC_TURN_ASKING) pass(&w, 50);
  static const char *const nonces[] = {"n0", "n1", "n2", "n3"};
  int sent = 0;
  for (int i = 0; i < 360; i++) {
    if (i % 7 == 3) w.server.nonce = nonces[i / 7 % 4];
    CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"tick", 4, true), 0);
    peer_sends(&w, 0, (const uint8_t *)"tock", 4);
    sent++;
    pass(&w, 20000);
    CHECK_EQ(w.turn.state, RTC_TURN_READY);
    CHECK_EQ(turn_server_alive(&w.server, w.now), 1);
  }
  CHECK(w.peer_n > sent * 8 / 10 && w.got_n > sent * 8 / 10); /* but for the loss of two ways */
  CHECK(w.server.dropped < 8);                                /* none but before the first permission came through */
  CHECK_EQ(w.turn.channel_n, 1);
  CHECK(w.server.stale > 20);
  CHECK(w.server.requests[RTC_STUN_REFRESH] < 60 && w.server.requests[RTC_STUN_PERMIT] < 60 && w.server.requests[RTC_STUN_BIND] < 60);
  close_net(&w);
}

/* Who is not sent to any more is not asked for any more; a channel's number rests before it goes. */
static void idle_peers(void) {
  net_t w;
  open_net(&w, 14, false);
  ready(&w);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  uint16_t number = w.turn.channel[0].number;
  run(&w, RTC_SEC(299));
  CHECK_EQ(w.turn.permit_n, 1);
  run(&w, RTC_SEC(303));
  CHECK_EQ(w.turn.permit_n, 0);
  run(&w, RTC_SEC(604));
  CHECK_EQ(w.turn.channel[0].grant, RTC_TURN_NONE);
  CHECK_EQ(w.turn.channel[0].number, number);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0); /* again, under the same number */
  pass(&w, 1000);
  CHECK_EQ(w.turn.channel[0].grant, RTC_TURN_GRANTED);
  CHECK_EQ(w.turn.channel[0].number, number);
  run(&w, RTC_SEC(604 + 600 + 290));
  CHECK_EQ(w.turn.channel_n, 1);
  run(&w, RTC_SEC(604 + 600 + 310));
  CHECK_EQ(w.turn.channel_n, 0);
  CHECK_EQ(w.turn.state, RTC_TURN_READY);
  close_net(&w);
}

static void peers_refused(void) {
  net_t w;
  open_net(&w, 15, false);
  ready(&w);
  w.server.refuse_peer = 403;
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, false), 0);
  pass(&w, 1000);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, false), RTC_EAUTH);
  CHECK_EQ(w.server.requests[RTC_STUN_PERMIT], 1);
  w.server.refuse_peer = 0;
  pass(&w, RTC_TURN_REFUSED_MS);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, false), 0);
  pass(&w, 1000);
  CHECK_EQ(w.peer_n, 1);
  w.server.refuse_peer = 508; /* of a channel: it goes on without */
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  CHECK_EQ(w.turn.channel[0].grant, RTC_TURN_REFUSED);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  CHECK_EQ(w.peer_n, 3);
  close_net(&w);
}

static void server_forgets(void) {
  net_t w;
  open_net(&w, 16, false);
  ready(&w);
  memset(w.server.v, 0, sizeof w.server.v);
  CHECK_EQ(send_to(&w, &w.peer[0], (const uint8_t *)"x", 1, false), 0);
  pass(&w, 1000);
  CHECK_EQ(w.turn.state, RTC_TURN_FAILED);
  CHECK_EQ(w.turn.code, 437);
  CHECK_EQ(rtc_turn_meet(&w.turn, &w.peer[0], w.now), RTC_ESTATE);
  close_net(&w);
}

static void caps(void) {
  net_t w;
  open_net(&w, 17, false);
  CHECK_EQ(rtc_turn_meet(&w.turn, &w.peer[0], w.now), RTC_ESTATE); /* not yet */
  ready(&w);
  rtc_addr_t a = at("198.51.100.7", 1);
  for (int i = 0; i <= RTC_TURN_PERMITS; i++) {
    a.ip[15] = (uint8_t)i;
    CHECK_EQ(send_to(&w, &a, (const uint8_t *)"x", 1, false), i < RTC_TURN_PERMITS ? 0 : RTC_ENOBUFS);
  }
  pass(&w, 1000);
  a.ip[15] = 0;
  for (int i = 0; i <= RTC_TURN_CHANNELS; i++, a.port++) CHECK_EQ(send_to(&w, &a, (const uint8_t *)"x", 1, true), 0);
  pass(&w, 1000);
  CHECK_EQ(w.turn.channel_n, RTC_TURN_CHANNELS);
  CHECK_EQ(w.server.requests[RTC_STUN_BIND], RTC_TURN_CHANNELS);
  int indications = w.server.indications;
  a.port--;
  CHECK_EQ(send_to(&w, &a, (const uint8_t *)"x", 1, true), 0); /* one without a channel is sent to all the same */
  pass(&w, 1000);
  CHECK_EQ(w.server.indications, indications + 1);
  close_net(&w);
}

static void texts(void) {
  rtc_turn_t t;
  char big[RTC_TURN_PASSWORD_MAX + 2];
  memset(big, 'x', sizeof big);
  big[sizeof big - 1] = 0;
  CHECK_EQ(rtc_turn_init(&t, &(rtc_turn_cfg_t){.username = "", .password = "p"}, 0), RTC_EINVAL);
  CHECK_EQ(rtc_turn_init(&t, &(rtc_turn_cfg_t){.username = "u", .password = big}, 0), RTC_EINVAL);
  CHECK_EQ(rtc_turn_init(&t, &(rtc_turn_cfg_t){.username = big, .password = "p"}, 0), RTC_EINVAL);
  big[RTC_TURN_USER_MAX] = 0;
  CHECK_EQ(rtc_turn_init(&t, &(rtc_turn_cfg_t){.username = big, .password = "p"}, 0), 0);
  uint8_t out[RTC_TURN_REQUEST_MAX], p[1200], nonce[RTC_TURN_NONCE_MAX], realm[RTC_TURN_REALM_MAX];
  memset(nonce, 'n', sizeof nonce);
  memset(realm, 'r', sizeof realm);
  CHECK(rtc_turn_pop(&t, out, sizeof out, 0) > 0);
  rtc_wr_t w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_ALLOCATE | RTC_STUN_ERROR, out + 8);
  rtc_stun_put_error(&w, 401, NULL);
  rtc_stun_put(&w, RTC_STUN_A_REALM, realm, sizeof realm);
  rtc_stun_put(&w, RTC_STUN_A_NONCE, nonce, sizeof nonce);
  rtc_stun_t m;
  int n = rtc_stun_end(&w, NULL, 0);
  CHECK(n > 0 && rtc_stun_parse(&m, p, (size_t)n) == 0);
  CHECK_EQ(rtc_turn_on_stun(&t, &m, p, 0), 1);
  n = rtc_turn_pop(&t, out, sizeof out, 0); /* the longest of all: it fits */
  CHECK(n > 1200 && n <= RTC_TURN_REQUEST_MAX);
  w = rtc_wr(p, sizeof p);
  rtc_stun_begin(&w, RTC_STUN_ALLOCATE | RTC_STUN_ERROR, out + 8);
  rtc_stun_put_error(&w, 486, "\x01\xff<b>\n");
  n = rtc_stun_end(&w, t.key, 16);
  CHECK(n > 0 && rtc_stun_parse(&m, p, (size_t)n) == 0);
  CHECK_EQ(rtc_turn_on_stun(&t, &m, p, 0), 1);
  CHECK(strcmp(t.text,
               "?"
               "?<b>?") == 0);
  rtc_turn_clear(&t);
}

int main(void) {
  RUN(allocation);
  RUN(loss);
  RUN(refused);
  RUN(refused_without_key);
  RUN(not_yet_gone);
  RUN(nobody_there);
  RUN(seen_but_without_key);
  RUN(forged);
  RUN(downgrade);
  RUN(data);
  RUN(malformed_channel_data);
  RUN(hours);
  RUN(idle_peers);
  RUN(peers_refused);
  RUN(server_forgets);
  RUN(caps);
  RUN(texts);
  return CHECK_END();
}
