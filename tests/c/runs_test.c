/* Packets to one viewer: side by side in their order, equally long where the rules allow it, repairs without any of that. */
#include "base/crypto.h"
#include "check.h"
#include "engine/state.h"
#include "rig.h"
#include "wire/rtp.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

/* ---- the rules, on items by themselves ---- */

typedef struct rule {
  const char *name;
  bool on;
  int n;
  int len[12]; /* on the wire; negative: not video */
  int run[12]; /* expected: how many from here, 0 for what joins */
  int end[12]; /* expected lengths */
} rule_t;

static void rules(void) {
  static const rule_t row[] = {
      {"equal", true, 3, {1000, 1000, 1000}, {3, 0, 0}, {1000, 1000, 1000}},
      {"padded to the largest, the last one not", true, 4, {1000, 998, 1003, 700}, {4, 0, 0, 0}, {1003, 1003, 1003, 700}},
      {"the largest is the last", true, 3, {1000, 998, 1010}, {3, 0, 0}, {1010, 1010, 1010}},
      {"one alone is never padded", true, 1, {1000}, {1}, {1000}},
      {"off", false, 3, {1000, 990, 1000}, {1, 1, 1}, {1000, 990, 1000}},
      {"audio ends a run", true, 4, {1000, 1000, -120, 1000}, {3, 0, 0, 1}, {1000, 1000, 120, 1000}},
      {"audio first is alone", true, 3, {-120, 1000, 1000}, {1, 2, 0}, {120, 1000, 1000}},
      {"audio does not begin a run of audio", true, 3, {-120, -120, -120}, {1, 1, 1}, {120, 120, 120}},
      {"audio longer than video does not make it longer", true, 2, {100, -101}, {1, 1}, {100, 101}},
      {"video before audio is padded too", true, 3, {1000, 990, -90}, {3, 0, 0}, {1000, 1000, 90}},
      {"3 % in all", true, 2, {1000, 1061}, {2, 0}, {1061, 1061}},
      {"above 3 %", true, 2, {1000, 1064}, {1, 1}, {1000, 1064}},
      {"a short one in between ends a run", true, 4, {1000, 300, 1000, 1000}, {2, 0, 2, 0}, {1000, 300, 1000, 1000}},
      {"255 bytes",
       true,
       10,
       {1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500, 1245, 1500},
       {10},
       {1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500}},
      {"256 bytes",
       true,
       10,
       {1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500, 1244, 1500},
       {9, 0, 0, 0, 0, 0, 0, 0, 0, 1},
       {1500, 1500, 1500, 1500, 1500, 1500, 1500, 1500, 1244, 1500}},
      {"a longer one that would cost too much begins anew", true, 4, {900, 900, 1200, 1200}, {2, 0, 2, 0}, {900, 900, 1200, 1200}},
  };
  for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
    const rule_t *t = &row[r];
    rtc_hub_t h = {.run_socks = t->on ? 1u << 3 : ~(uint64_t)(1u << 3)};
    rtc_transport_t to = {.out_bytes = 5, .out_path.sock = 3};
    rtc_out_item_t v[12];
    uint64_t added = 0;
    for (int i = 0; i < t->n; i++) {
      uint16_t wire = (uint16_t)abs(t->len[i]);
      v[i] = (rtc_out_item_t){.to = &to, .wire = wire, .head = i == 0, .video = t->len[i] > 0, .run = 1};
    }
    rtc_runs_plan(&h, v, (uint32_t)t->n);
    int failed = check_failed_;
    for (int i = 0; i < t->n; i++) {
      int n = t->end[i] - abs(t->len[i]);
      CHECK_EQ(v[i].run, t->run[i]);
      CHECK_EQ(v[i].wire, t->end[i]);
      CHECK_EQ(v[i].pad, n);
      added += (uint64_t)n;
    }
    CHECK_EQ(to.out_bytes, 5 + added);
    if (check_failed_ != failed) fprintf(stderr, "rule: %s\n", t->name);
  }
}

/* A run has at most 64 packets and 65,000 bytes; another way begins another run. */
static void caps(void) {
  static const struct {
    uint16_t wire;
    int first;
  } row[] = {{100, 64}, {1400, 46}, {1015, 64}, {1016, 63}};
  for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
    enum { N = 150, TURN = 130 };
    static rtc_out_item_t v[N];
    rtc_hub_t h = {.run_socks = 1};
    rtc_transport_t to = {.out_bytes = 0};
    for (int i = 0; i < N; i++) {
      v[i] = (rtc_out_item_t){.to = &to, .wire = row[r].wire, .head = i == 0 || i == TURN, .video = true, .run = 1};
    }
    rtc_runs_plan(&h, v, N);
    CHECK_EQ(v[0].run, row[r].first);
    int sum = 0;
    for (int i = 0; i < N; i += v[i].run) {
      CHECK(v[i].run >= 1 && v[i].run <= 64 && v[i].run * row[r].wire <= 65000);
      if (!v[i].run) break;
      sum += v[i].run;
      if (i < TURN) CHECK(i + v[i].run <= TURN);
    }
    CHECK_EQ(sum, N);
  }
}

/* ---- through the hub ---- */

enum { VIEWERS = 5, FIRST = 1000 };

/* A publisher with video 1 and audio 2, and viewers that get both. */
static int room(rig_t *r, bool runs) {
  rig_open(r, 0);
  if (runs) rtc_hub_runs(r->hub, 0, true);
  int p = rig_join(r, GCM);
  for (uint32_t s = 1; s <= 2; s++) {
    rtc_recv_cfg_t in = rig_recv(p, s == 1);
    rig_add_recv(r, s, &in);
  }
  for (int v = 0; v < VIEWERS; v++) {
    int n = rig_join(r, GCM);
    for (uint32_t s = 1; s <= 2; s++) {
      uint32_t id = (uint32_t)v * 10 + s;
      rtc_send_cfg_t out = rig_send(n, s == 1, id * 100);
      rig_add_send(r, id, &out);
      rig_link(r, id, s);
    }
  }
  rig_pass(r, RTC_MS(10));
  return p;
}

/* One packet from the publisher into the hub, and nothing else happens. */
static void put_in(rig_t *r, bool video, int64_t index, int64_t frame, bool start, bool key, size_t payload) {
  rtc_pkt_t *k = rtc_hub_slot(r->hub);
  if (!k) exit(2);
  rtc_rtp_t rtp = {.ssrc = video ? 5 : 6, .seq = (uint16_t)index, .ts = (uint32_t)(frame * 3000), .pt = video ? 96 : 111};
  rtc_rtp_write(k->data, &rtp);
  uint8_t *body = k->data + RTC_RTP_HEADER;
  memset(body, (int)(index & 0xff), payload);
  if (video) {
    body[0] = start ? 0x10 : 0;
    body[1] = key ? 0x10 : 0x11;
  }
  int n = rtc_srtp_protect(&r->peer[0].tx, k->data, RTC_RTP_HEADER + payload, RTC_PKT_DATA, index);
  if (n < 0) exit(2);
  k->len = (uint32_t)n;
  k->path = r->peer[0].path;
  k->at = r->now;
  rtc_hub_recv(r->hub, k, r->now);
}

static int peer_of(const rig_t *r, const rtc_path_t *path) {
  for (int i = 0; i < r->peer_n; i++)
    if (rtc_path_eq(&r->peer[i].path, path)) return i;
  return -1;
}

typedef struct seen {
  int n, runs, joined, padded;
  int64_t video, audio, twcc; /* last of each */
} seen_t;

/* What waits, popped `cap` at a time and so often at most, opened, and its order checked. */
static void pop(rig_t *r, int cap, int times, seen_t seen[RIG_PEERS]) {
  rtc_pkt_t *out[RTC_RUN_MAX];
  rtc_extmap_t ids;
  rtc_extmap_init(&ids);
  if (rtc_extmap_set(&ids, RTC_EXT_TWCC, RIG_TWCC_ID) < 0) exit(2);
  static rtc_path_t before;
  static uint32_t size, len_before;
  for (int m; times-- > 0 && (m = rtc_hub_pop(r->hub, out, cap)) > 0;) {
    for (int i = 0; i < m; i++) {
      rtc_pkt_t *k = out[i];
      bool joins = k->tag[RTC_PKT_RUN] == RTC_RUN_JOINS;
      int p = peer_of(r, &k->path);
      if (p < 0) exit(2);
      seen_t *s = &seen[p];
      if (joins) {
        CHECK(i > 0 || cap < RTC_RUN_MAX);
        CHECK(rtc_path_eq(&before, &k->path) && len_before == size && k->len <= size);
        s->joined++;
      } else {
        size = k->len;
        s->runs++;
      }
      before = k->path;
      len_before = k->len;
      s->n++;
      uint8_t type = k->data[1];
      if (type >= 192 && type <= 223) {
        rtc_pkt_put(k);
        continue;
      }
      int64_t index;
      int n = rtc_srtp_unprotect(&r->peer[p].rx, k->data, k->len, &index);
      rtc_rtp_t rtp;
      rtc_ext_view_t ext = {0};
      CHECK(n > 0 && rtc_rtp_parse(&rtp, k->data, (size_t)n) == 0 && rtc_rtp_parse_payload(&rtp, k->data, (size_t)n) == 0);
      if (rtp.has_ext) rtc_rtpext_parse(&ext, rtp.ext_profile, k->data + rtp.ext_off, rtp.ext_len, &ids);
      CHECK(ext.have >> RTC_EXT_TWCC & 1u);
      int64_t twcc = ext.p[RTC_EXT_TWCC] ? rtc_get16(ext.p[RTC_EXT_TWCC]) : -1, *last = rtp.pt == 111 ? &s->audio : &s->video;
      CHECK(s->twcc < 0 || twcc == (s->twcc + 1) % 65536);
      CHECK(*last < 0 || index == *last + 1);
      s->twcc = twcc;
      *last = index;
      s->padded += rtp.padding;
      if (rtp.padding) CHECK(rtp.pt == 96);
      uint8_t fill = k->data[rtp.hdr_len + rtp.payload_len - 1];
      for (int j = 2; j < rtp.payload_len; j++) CHECK_EQ(k->data[rtp.hdr_len + j], fill); /* the payload and not a byte of padding */
      rtc_pkt_put(k);
    }
  }
}

static void pop_all(rig_t *r, int cap, seen_t seen[RIG_PEERS]) { pop(r, cap, 1 << 20, seen); }

static void forget(seen_t seen[RIG_PEERS]) {
  for (int i = 0; i < RIG_PEERS; i++) seen[i] = (seen_t){.video = -1, .audio = -1, .twcc = -1};
}

/* Frames of 8 with audio between, from sequence numbers that wrap on the way. */
static void order_and_sizes(void) {
  static const int64_t starts[] = {0, 65530, 32765, 65535};
  static const int caps_of_pop[] = {RTC_RUN_MAX, 9, 7, 1};
  for (int runs = 0; runs < 2; runs++) {
    for (size_t c = 0; c < 4; c++) {
      rig_t r;
      room(&r, runs);
      static seen_t seen[RIG_PEERS];
      forget(seen);
      int64_t video = starts[c], audio = starts[c];
      for (int f = 0; f < 10; f++) {
        for (int i = 0; i < 8; i++) {
          put_in(&r, true, video++, f, i == 0, f == 0, i == 7 ? 500 : (size_t)(1000 - (i & 3)));
          if (i == 4) put_in(&r, false, audio++, f, false, false, 90);
        }
        r.now += RTC_MS(33);
        pop_all(&r, caps_of_pop[c], seen);
      }
      for (int v = 1; v <= VIEWERS; v++) {
        CHECK_EQ(seen[v].n, 90);
        /* video 0-4 and audio, then 5-7: two runs a frame. Padded: 1, 2, 3 of the first and 5, 6, which are shorter than 4. */
        CHECK_EQ(seen[v].runs, runs ? 20 : 90);
        CHECK_EQ(seen[v].joined, runs ? 70 : 0);
        CHECK_EQ(seen[v].padded > 0, runs);
      }
      rtc_stats_t s;
      rig_stats(&r, &s);
      for (int d = 0; d < RTC_DROP_COUNT; d++) CHECK_EQ(s.hub.drops[d], 0);
      uint64_t bytes = 0;
      for (uint32_t i = 0; i < s.transport_n; i++) bytes += s.transport[i].out_bytes;
      CHECK_EQ(bytes, s.hub.out_bytes);
      rig_close(&r);
    }
  }
}

static uint64_t random_state;
static uint32_t roll(uint32_t n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % n;
}

/* Anything in any order, popped in pieces or not for a long time: each viewer has all of it, in order. */
static void anything(void) {
  enum { STEPS = 3000 };
  for (uint64_t seed = 1; seed <= 6; seed++) {
    rig_t r;
    room(&r, true);
    random_state = seed;
    static seen_t seen[RIG_PEERS];
    forget(seen);
    int64_t video = roll(30000), audio = roll(30000);
    uint32_t sizes = 1 + roll(1000), patience = 1 + roll(400);
    int in = 0, joined = 0, padded = 0;
    for (int i = 0; i < STEPS; i++, in++) {
      size_t len = 1000 - roll(sizes);
      if (i == 0 || roll(4))
        put_in(&r, true, video++, i / 10, i == 0 || roll(10) == 0, i == 0, len);
      else
        put_in(&r, false, audio++, i / 10, false, false, 20 + len / 10);
      if (roll(patience) == 0) pop(&r, 1 + (int)roll(RTC_RUN_MAX), (int)roll(200), seen);
      if (roll(500) == 0) rtc_hub_runs(r.hub, 0, roll(3) > 0);
      if (roll(300) == 0) rtc_hub_run_refused(r.hub, &r.peer[1 + roll(VIEWERS - 1)].path);
      if (rtc_hub_pending(r.hub) > 7000) pop(&r, 1 + (int)roll(RTC_RUN_MAX), 20, seen);
    }
    pop_all(&r, RTC_RUN_MAX, seen);
    rtc_stats_t s;
    rig_stats(&r, &s);
    for (int d = 0; d < RTC_DROP_COUNT; d++) CHECK_EQ(s.hub.drops[d], 0);
    for (int v = 1; v <= VIEWERS; v++) {
      CHECK_EQ(seen[v].n, in);
      CHECK_EQ(seen[v].runs + seen[v].joined, in);
      joined += seen[v].joined;
      padded += seen[v].padded;
    }
    CHECK(joined > 0 && (padded > 0 || sizes < 2));
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s.transport_n; i++) bytes += s.transport[i].out_bytes;
    CHECK_EQ(bytes, s.hub.out_bytes);
    CHECK_EQ(rtc_hub_pending(r.hub), 0);
    rig_close(&r);
  }
}

/* The queue comes to its end, and what was popped makes room, while packets wait behind one another. */
static void closed_up(void) {
  enum { BEFORE = 1200, AFTER = 900 };
  rig_t r;
  room(&r, true);
  static seen_t seen[RIG_PEERS];
  forget(seen);
  for (int i = 0; i < BEFORE; i++) put_in(&r, true, FIRST + i, i / 10, i == 0, i == 0, 200);
  pop(&r, RTC_RUN_MAX, 50, seen);
  for (int i = BEFORE; i < BEFORE + AFTER; i++) put_in(&r, true, FIRST + i, i / 10, false, false, 200);
  CHECK((BEFORE + AFTER) * VIEWERS > (RTC_OUT_MAX + 2 * VIEWERS) * 5 / 4); /* more than there are places */
  pop_all(&r, RTC_RUN_MAX, seen);
  for (int v = 1; v <= VIEWERS; v++) CHECK_EQ(seen[v].n, BEFORE + AFTER);
  CHECK_EQ(rig_drops(&r, RTC_DROP_OUT_QUEUE), 0);
  rig_close(&r);
}

/* What is asked for again comes as the publisher sent it, whatever was added to the first copy. */
static void repair_is_without_padding(void) {
  rig_t r;
  room(&r, true);
  static seen_t seen[RIG_PEERS];
  forget(seen);
  for (int i = 0; i < 8; i++) put_in(&r, true, FIRST + i, 0, i == 0, true, i == 0 ? 1000 : 990);
  r.now += RTC_MS(1);
  pop_all(&r, RTC_RUN_MAX, seen);
  CHECK_EQ(seen[1].padded, 6); /* not the first, which is the longest, nor the last */
  rig_forget(&r);
  r.now += RTC_MS(200);
  rtc_pkt_t *out[8];
  while (rtc_hub_pop(r.hub, out, 1)) rtc_pkt_put(out[0]);
  uint8_t b[64] = {0x81, RTC_RTCP_RTPFB, 0, 3};
  int64_t first = seen[1].video - 7;
  rtc_put32(b + 4, 77);
  rtc_put32(b + 8, 100);
  rtc_put16(b + 12, (uint16_t)(first + 1));
  rtc_put16(b + 14, 3); /* and the two after it */
  rig_rtcp(&r, 1, b, 16);
  rig_pass(&r, RTC_MS(100));
  int n = 0;
  for (int i = 0; i < r.got_n; i++) {
    const rig_got_t *g = &r.got[i];
    if (g->peer != 1 || !g->media || g->rtp.pt != 97) continue;
    CHECK(!g->rtp.padding);
    CHECK_EQ(g->rtp.payload_len, 990 + 2);
    CHECK_EQ(rtc_get16(g->data + g->rtp.hdr_len), (uint16_t)(first + 1 + n));
    n++;
  }
  CHECK_EQ(n, 3);
  rig_close(&r);
}

/* The kernel has refused a run to one viewer: no run and no padding there, the others go on. Another path is another try. */
static void a_goal_that_refuses(void) {
  rig_t r;
  room(&r, true);
  static seen_t seen[RIG_PEERS];
  forget(seen);
  int64_t at = FIRST;
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 6; i++, at++) put_in(&r, true, at, round, i == 0, round == 0, i & 1 ? 1000 : 990);
    for (int p = 0; p < RIG_PEERS; p++) seen[p].runs = seen[p].padded = 0;
    pop_all(&r, RTC_RUN_MAX, seen);
    bool off = round == 1, all_off = round == 3;
    CHECK_EQ(seen[2].runs, off || all_off ? 6 : 1);
    CHECK_EQ(seen[2].padded, off || all_off ? 0 : 3);
    CHECK_EQ(seen[3].runs, all_off ? 6 : 1);
    CHECK_EQ(seen[3].padded, all_off ? 0 : 3);
    r.now += RTC_MS(33);
    if (round == 0) {
      rtc_path_t nobody = rig_path(99);
      rtc_hub_run_refused(r.hub, &nobody);
      rtc_hub_run_refused(r.hub, &r.peer[2].path);
    }
    if (round == 1) { /* its peer moves by a check */
      r.peer[2].path.remote.port = 7001;
      rig_check(&r, &r.peer[2].path, "user-3:x", "password-of-user-3-is-long", true);
    }
    if (round == 2) rtc_hub_runs(r.hub, 0, false);
  }
  rig_close(&r);
}

/* A viewer leaves while packets for it wait: they go out before its keys do, and nothing points to it afterwards. */
static void leaving_while_packets_wait(void) {
  rig_t r;
  room(&r, true);
  static seen_t seen[RIG_PEERS];
  forget(seen);
  for (int i = 0; i < 4; i++) put_in(&r, true, FIRST + i, 0, i == 0, true, 1000);
  if (rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 3}, r.now) < 0) exit(2);
  rtc_event_t e;
  while (rtc_hub_event(r.hub, &e)) {}
  for (int i = 4; i < 8; i++) put_in(&r, true, FIRST + i, 0, false, true, 1000);
  pop_all(&r, RTC_RUN_MAX, seen);
  CHECK_EQ(seen[1].n, 8);
  CHECK_EQ(seen[1].runs, 2);  /* what was sealed with the one who left, and the rest */
  CHECK_EQ(seen[2].n, 4 + 1); /* and its BYE */
  CHECK_EQ(seen[VIEWERS].n, 8);
  rig_close(&r);
}

/* With a window packets wait for others to the same viewer, and no longer than it says. */
static void held_together(void) {
  rig_t r;
  rtc_pkt_t *out[RTC_RUN_MAX];
  room(&r, true);
  static seen_t seen[RIG_PEERS];
  forget(seen);
  while (rtc_hub_pop(r.hub, out, 1)) rtc_pkt_put(out[0]);
  rtc_hub_window(r.hub, 3000);
  rtc_time_t until = r.now + 3000;
  for (int i = 0; i < 3; i++, r.now += 1000) {
    put_in(&r, true, FIRST + i, i, i == 0, i == 0, 1000);
    CHECK_EQ(rtc_hub_pop(r.hub, out, RTC_RUN_MAX), 0);
    CHECK(rtc_hub_next_at(r.hub) <= until);
  }
  CHECK_EQ(r.now, until);
  rtc_hub_tick(r.hub, r.now);
  pop_all(&r, RTC_RUN_MAX, seen);
  for (int v = 1; v <= VIEWERS; v++) {
    CHECK_EQ(seen[v].n, 3);
    CHECK_EQ(seen[v].runs, 1);
  }
  CHECK(rtc_hub_next_at(r.hub) > r.now);
  /* Half of the room is used: they leave before it is all gone. */
  int in = 0;
  for (; in < RTC_FANS_MAX; in++) {
    put_in(&r, true, FIRST + 3 + in, 9, false, false, 1000);
    int n = rtc_hub_pop(r.hub, out, 1);
    if (n) rtc_pkt_put(out[0]);
    if (n) break;
  }
  CHECK_EQ(in + 1, RTC_FANS_MAX / 2);
  while (rtc_hub_pop(r.hub, out, 1)) rtc_pkt_put(out[0]);
  /* Without a window what is held may leave now. */
  put_in(&r, true, FIRST + 4 + in, 9, false, false, 1000);
  CHECK_EQ(rtc_hub_pop(r.hub, out, 1), 0);
  rtc_hub_window(r.hub, 0);
  int left = 0;
  for (; rtc_hub_pop(r.hub, out, 1); left++) rtc_pkt_put(out[0]);
  CHECK_EQ(left, VIEWERS);
  /* Beyond the most it is the most. */
  rtc_hub_window(r.hub, INT64_MAX);
  put_in(&r, true, FIRST + 5 + in, 9, false, false, 1000);
  CHECK(rtc_hub_next_at(r.hub) <= r.now + RTC_WINDOW_MAX_US);
  rtc_hub_window(r.hub, -1);
  for (left = 0; rtc_hub_pop(r.hub, out, 1); left++) rtc_pkt_put(out[0]);
  CHECK_EQ(left, VIEWERS);
  rig_close(&r);
}

/* More forms of one packet than are kept, and heads too long to be: each viewer has what it agreed on. */
static void forms(void) {
  enum { OWN = RTC_FAN_HEADS + 3 };
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(p, true);
  rig_add_recv(&r, 1, &in);
  for (int v = 0; v < OWN; v++) {
    rtc_send_cfg_t out = rig_send(rig_join(&r, GCM), true, 100 + (uint32_t)v);
    snprintf(out.mid, sizeof out.mid, "%.*s", v + 1, "0123456789abcdef");
    rig_add_send(&r, (uint32_t)v + 1, &out);
    rig_link(&r, (uint32_t)v + 1, 1);
  }
  for (int i = 0; i < 20; i++) rig_vp8(&r, p, 5, FIRST + i, 3000 * i, true, i == 0);
  rig_drain(&r);
  for (int v = 0; v < OWN; v++) {
    CHECK_EQ(rig_media_n(&r, p + 1 + v, 100 + (uint32_t)v), 20);
    rtc_extmap_t ids;
    rtc_extmap_init(&ids);
    if (rtc_extmap_set(&ids, RTC_EXT_MID, RIG_MID_ID) < 0) exit(2);
    for (int i = 0; i < 20; i++) {
      const rig_got_t *g = rig_media(&r, p + 1 + v, 100 + (uint32_t)v, i);
      rtc_ext_view_t ext = {0};
      if (!g) break;
      rtc_rtpext_parse(&ext, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.ext_len, &ids);
      CHECK(rtc_ext_has(&ext, RTC_EXT_MID) && ext.len[RTC_EXT_MID] == v + 1);
    }
  }
  rig_close(&r);
}

int main(void) {
  RUN(rules);
  RUN(caps);
  RUN(order_and_sizes);
  RUN(anything);
  RUN(closed_up);
  RUN(repair_is_without_padding);
  RUN(a_goal_that_refuses);
  RUN(leaving_while_packets_wait);
  RUN(held_together);
  RUN(forms);
  return CHECK_END();
}
