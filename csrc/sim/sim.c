#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "wire/demux.h"

typedef struct flight {
  rtc_time_t at;
  uint64_t order; /* ties go in sending order */
  int from, to;
  rtc_addr_t src, dst;
  uint32_t len;
  uint8_t data[RTC_PKT_DATA];
} flight_t;

typedef struct wire {
  rtc_link_t cfg;
  rtc_link_stats_t st;
  rtc_time_t busy_until, last_at;
  bool losing;
} wire_t;
typedef struct node {
  rtc_hub_t *hub; /* NULL: a box */
  rtc_sim_box_t box;
  void *arg;
  rtc_addr_t addr;
  uint32_t sock;
} node_t;

struct rtc_sim {
  rtc_time_t now;
  uint64_t rng, order, trace;
  int node_n;
  node_t node[RTC_SIM_NODES];
  wire_t *wires[RTC_SIM_NODES][RTC_SIM_NODES];
  flight_t **heap;
  uint32_t heap_n, heap_cap;
};

/* xorshift64*: good enough for dice, the same everywhere. */
static uint64_t draw(rtc_sim_t *s) {
  s->rng ^= s->rng >> 12;
  s->rng ^= s->rng << 25;
  s->rng ^= s->rng >> 27;
  return s->rng * 2685821657736338717u;
}
static double unit(rtc_sim_t *s) { return (double)(draw(s) >> 11) / 9007199254740992.0; }
static bool happens(rtc_sim_t *s, double p) { return p > 0 && unit(s) < p; }

rtc_sim_t *rtc_sim_new(uint64_t seed) {
  rtc_sim_t *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->rng = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
  if (!s->rng) s->rng = 1;
  s->trace = 0xcbf29ce484222325u;
  s->now = RTC_SEC(1);
  return s;
}

void rtc_sim_free(rtc_sim_t *s) {
  if (!s) return;
  for (uint32_t i = 0; i < s->heap_n; i++) free(s->heap[i]);
  for (int a = 0; a < s->node_n; a++)
    for (int b = 0; b < s->node_n; b++) free(s->wires[a][b]);
  free(s->heap);
  free(s);
}

static int add_node(rtc_sim_t *s, const node_t *node) {
  if (s->node_n == RTC_SIM_NODES) return RTC_ENOBUFS;
  int n = s->node_n;
  for (int i = 0; i <= n; i++) {
    s->wires[n][i] = calloc(1, sizeof(wire_t));
    if (i < n) s->wires[i][n] = calloc(1, sizeof(wire_t));
    if (!s->wires[n][i] || (i < n && !s->wires[i][n])) return RTC_ENOMEM;
  }
  uint32_t sock = 0;
  for (int i = 0; i < n; i++) sock += node->hub && s->node[i].hub == node->hub;
  s->node[s->node_n] = *node;
  s->node[s->node_n++].sock = sock;
  return n;
}

int rtc_sim_add(rtc_sim_t *s, rtc_hub_t *hub, const rtc_addr_t *addr) { return add_node(s, &(node_t){.hub = hub, .addr = *addr}); }

int rtc_sim_add_box(rtc_sim_t *s, rtc_sim_box_t box, void *arg, const rtc_addr_t *addr) {
  return add_node(s, &(node_t){.box = box, .arg = arg, .addr = *addr});
}

void rtc_sim_move(rtc_sim_t *s, int node, const rtc_addr_t *addr) { s->node[node].addr = *addr; }
void rtc_sim_link(rtc_sim_t *s, int from, int to, const rtc_link_t *link) { s->wires[from][to]->cfg = *link; }
const rtc_link_stats_t *rtc_sim_link_stats(const rtc_sim_t *s, int from, int to) { return &s->wires[from][to]->st; }
rtc_time_t rtc_sim_now(const rtc_sim_t *s) { return s->now; }
uint64_t rtc_sim_trace(const rtc_sim_t *s) { return s->trace; }

rtc_path_t rtc_sim_path(const rtc_sim_t *s, int from, int to) {
  return (rtc_path_t){.remote = s->node[to].addr, .local = s->node[from].addr, .sock = s->node[from].sock};
}

static bool before(const flight_t *a, const flight_t *b) { return a->at != b->at ? a->at < b->at : a->order < b->order; }

static void heap_put(rtc_sim_t *s, flight_t *f) {
  if (s->heap_n == s->heap_cap) {
    uint32_t cap = s->heap_cap ? s->heap_cap * 2 : 256;
    flight_t **v = realloc(s->heap, cap * sizeof(flight_t *));
    if (!v) {
      free(f);
      return;
    }
    s->heap = v;
    s->heap_cap = cap;
  }
  uint32_t i = s->heap_n++;
  for (; i && before(f, s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
  s->heap[i] = f;
}

static flight_t *heap_pop(rtc_sim_t *s) {
  flight_t *top = s->heap[0], *last = s->heap[--s->heap_n];
  uint32_t i = 0;
  for (;;) {
    uint32_t c = 2 * i + 1;
    if (c >= s->heap_n) break;
    if (c + 1 < s->heap_n && before(s->heap[c + 1], s->heap[c])) c++;
    if (!before(s->heap[c], last)) break;
    s->heap[i] = s->heap[c];
    i = c;
  }
  if (s->heap_n) s->heap[i] = last;
  return top;
}

static void note(rtc_sim_t *s, const void *p, size_t n) {
  const uint8_t *b = p;
  for (size_t i = 0; i < n; i++) s->trace = (s->trace ^ b[i]) * 0x100000001b3u;
}

/* Gilbert: the chance to leave a run of losses gives its mean length, the chance to enter keeps the mean rate. */
static bool lost(rtc_sim_t *s, wire_t *w) {
  const rtc_link_t *c = &w->cfg;
  if (c->loss <= 0) return false;
  if (c->burst <= 1) return happens(s, c->loss);
  double leave = 1 / c->burst, enter = c->loss >= 1 ? 1 : c->loss * leave / (1 - c->loss);
  w->losing = w->losing ? !happens(s, leave) : happens(s, enter);
  return w->losing;
}

static void launch(rtc_sim_t *s, int from, int to, const uint8_t *p, size_t n, rtc_time_t at) {
  flight_t *f = malloc(sizeof *f);
  if (!f) return;
  f->at = at;
  f->order = s->order++;
  f->from = from;
  f->to = to;
  f->src = s->node[from].addr;
  f->dst = s->node[to].addr;
  f->len = (uint32_t)n;
  memcpy(f->data, p, n);
  if (happens(s, s->wires[from][to]->cfg.corrupt) && f->len) {
    f->data[draw(s) % f->len] ^= (uint8_t)(1u << (draw(s) & 7));
    s->wires[from][to]->st.corrupted++;
  }
  heap_put(s, f);
}

void rtc_sim_send(rtc_sim_t *s, int from, const rtc_addr_t *goal, const uint8_t *p, size_t n) {
  int to = 0;
  while (to < s->node_n && !rtc_addr_eq(&s->node[to].addr, goal)) to++;
  if (to == s->node_n || n > RTC_PKT_DATA) return;
  wire_t *w = s->wires[from][to];
  const rtc_link_t *c = &w->cfg;
  w->st.sent++;
  if (c->mtu && n > c->mtu) {
    w->st.too_big++;
    return;
  }
  if ((s->now >= c->down_from && s->now < c->down_until) || lost(s, w)) {
    w->st.lost++;
    return;
  }
  rtc_time_t at = s->now;
  if (c->rate_bps) {
    if (w->busy_until < s->now) w->busy_until = s->now;
    int64_t waiting = (w->busy_until - s->now) * c->rate_bps / 8000000;
    if (waiting + (int64_t)n > (c->queue_bytes ? c->queue_bytes : 65536)) {
      w->st.overflow++;
      return;
    }
    w->busy_until += (int64_t)(n + 28) * 8000000 / c->rate_bps;
    at = w->busy_until;
  }
  at += c->delay_us + (c->jitter_us ? (rtc_time_t)(draw(s) % (uint64_t)c->jitter_us) : 0);
  if (happens(s, c->reorder)) {
    at += 1 + (rtc_time_t)(draw(s) % (uint64_t)(c->jitter_us + 10000));
    w->st.reordered++;
  } else {
    if (at < w->last_at) at = w->last_at;
    w->last_at = at;
  }
  launch(s, from, to, p, n, at);
  if (happens(s, c->duplicate)) {
    launch(s, from, to, p, n, at + 1 + (rtc_time_t)(draw(s) % 5000));
    w->st.duplicated++;
  }
}

static void run_jobs(rtc_sim_t *s, rtc_hub_t *h) {
  rtc_job_t job;
  while (rtc_hub_job(h, &job)) {
    rtc_job_work(&job);
    rtc_hub_job_done(h, &job, s->now);
  }
}

static int node_of(const rtc_sim_t *s, const rtc_hub_t *hub, uint32_t sock) {
  int n = 0;
  while (s->node[n].hub != hub || s->node[n].sock != sock) n++;
  return n;
}

void rtc_sim_flush(rtc_sim_t *s, int node) {
  rtc_hub_t *h = s->node[node].hub;
  rtc_pkt_t *out[64];
  run_jobs(s, h);
  for (int n; (n = rtc_hub_pop(h, out, 64)) > 0;)
    for (int i = 0; i < n; i++) {
      rtc_sim_send(s, node_of(s, h, out[i]->path.sock), &out[i]->path.remote, out[i]->data, out[i]->len);
      rtc_pkt_put(out[i]);
    }
}

static void deliver(rtc_sim_t *s, flight_t *f) {
  node_t *n = &s->node[f->to];
  wire_t *w = s->wires[f->from][f->to];
  if (!rtc_addr_eq(&n->addr, &f->dst)) { /* it has moved away meanwhile */
    w->st.lost++;
    return;
  }
  rtc_pkt_t *k = n->hub ? rtc_hub_slot(n->hub) : NULL;
  if (n->hub && !k) {
    rtc_hub_dropped(n->hub, RTC_DROP_POOL);
    return;
  }
  rtc_kind_t kind = rtc_demux(f->data, f->len);
  uint32_t plain = kind == RTC_KIND_RTP ? 12 : kind == RTC_KIND_RTCP ? 8 : f->len < 2 ? f->len : 2;
  int64_t head[4] = {f->at, f->from, f->to, f->len};
  note(s, head, sizeof head);
  note(s, f->data, plain);
  w->st.delivered++;
  if (n->box) {
    n->box(n->arg, f->to, &f->src, &f->dst, f->data, f->len);
    return;
  }
  memcpy(k->data, f->data, f->len);
  k->len = f->len;
  k->at = s->now;
  k->path = (rtc_path_t){.remote = f->src, .local = f->dst, .sock = n->sock};
  rtc_hub_recv(n->hub, k, s->now);
  rtc_sim_flush(s, f->to);
}

void rtc_sim_run(rtc_sim_t *s, rtc_time_t until) {
  for (;;) {
    rtc_time_t at = s->heap_n ? s->heap[0]->at : RTC_NEVER;
    int due = -1;
    for (int i = 0; i < s->node_n; i++) {
      rtc_time_t t = s->node[i].hub ? rtc_hub_next_at(s->node[i].hub) : RTC_NEVER;
      if (t < at) {
        at = t;
        due = i;
      }
    }
    if (at > until) break;
    if (at > s->now) s->now = at;
    if (due >= 0) {
      rtc_hub_tick(s->node[due].hub, s->now);
      rtc_sim_flush(s, due);
    } else {
      flight_t *f = heap_pop(s);
      deliver(s, f);
      free(f);
    }
  }
  if (until != RTC_NEVER && until > s->now) s->now = until;
}
