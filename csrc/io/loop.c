/* loop: what a loop does, turn after turn. */
#define _GNU_SOURCE
#include "io/loop.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/loop_state.h"
#include "io/thread.h"

enum {
  PUBLISH_US = 100000,
  FRAMES_RETRY_US = 1000,
  SOCKS_TURN = 64, /* sockets of peers that have their turn at a time */
  SOCK_BATCH = 16, /* datagrams that one of them is expected to have */
  AT_ONCE_US = 3,  /* a wait that took no longer did not wait */
  HOT_TURNS = 4,   /* without a look at all that could be ready */
};

/* NULL: there is none of this number, or it is not UDP. */
static rtc_udp_t *udp_of(rtc_loop_t *l, uint32_t sock) {
  if (sock < (uint32_t)l->udp_n) return &l->udp[sock];
  rtc_sock_t *s = rtc_socks_get(&l->socks, sock);
  return s && s->kind == RTC_SOCK_UDP ? &s->udp : NULL;
}

/* The kernel did not take some of these as one: the engine has to know where. */
static void tell_refused(rtc_loop_t *l, rtc_pkt_t *const *v, int n, uint32_t sock) {
  if (!udp_of(l, sock)->runs) {
    rtc_hub_runs(l->hub, sock, false);
    if (sock >= RTC_SOCK_FIRST) l->socks_run = false; /* one device is told for all */
  }
  for (int i = 0; i < n; i++) {
    if (v[i]->tag[RTC_PKT_RUN] == RTC_RUN_REFUSED) rtc_hub_run_refused(l->hub, &v[i]->path);
  }
}

static void send_of(rtc_loop_t *l, rtc_pkt_t *const *v, int n, uint32_t sock) {
  rtc_pkt_t *own[RTC_UDP_BATCH];
  int m = 0, sent = 0;
  for (int i = 0; i < n; i++) {
    if (v[i]->path.sock == sock) own[m++] = v[i];
  }
  rtc_udp_t *u = udp_of(l, sock);
  rtc_sock_t *s = u ? NULL : rtc_socks_get(&l->socks, sock);
  if (s && s->kind == RTC_SOCK_STREAM) sent = rtc_conns_send(l, s, own, m);
  if (u) {
    sent = rtc_udp_send(u, own, m, &l->wait_us);
    if (u->count.runs_refused) tell_refused(l, own, m, sock);
    rtc_udp_tally(u, &l->count);
  }
  for (; sent < m; sent++) rtc_hub_dropped(l->hub, u ? RTC_DROP_SEND : s ? RTC_DROP_STREAM : RTC_DROP_SOCKET);
}

/* Sends all that waits. Datagrams of one socket keep their order. */
static void flush(rtc_loop_t *l) {
  rtc_pkt_t *v[RTC_UDP_BATCH];
  for (int n; (n = rtc_hub_pop(l->hub, v, RTC_UDP_BATCH)) > 0;) {
    for (int i = 0; i < n; i++) {
      bool first = true;
      for (int j = 0; j < i && first; j++) first = v[j]->path.sock != v[i]->path.sock;
      if (first) send_of(l, v + i, n - i, v[i]->path.sock);
    }
    for (int i = 0; i < n; i++) rtc_pkt_put(v[i]);
  }
}

static void refill(rtc_loop_t *l) {
  while (l->slot_n < RTC_UDP_BATCH) {
    rtc_pkt_t *k = rtc_hub_slot(l->hub);
    if (!k) break;
    l->slots[l->slot_n++] = k;
  }
}

static void take(rtc_loop_t *l, rtc_pkt_t *k, rtc_time_t now) {
  if (k->len == RTC_UDP_TOO_BIG) {
    rtc_hub_dropped(l->hub, RTC_DROP_TOO_BIG);
    rtc_pkt_put(k);
    return;
  }
  /* A wall clock that was set meanwhile must not make an arrival of another day. */
  if (k->at > now || k->at < now - RTC_SEC(1)) k->at = now;
  rtc_hub_recv(l->hub, k, now);
  if (rtc_hub_pending(l->hub) >= l->flush_at) flush(l);
}

/* A thousand that join at once must not stand between two packets of media: while more datagrams wait behind a full batch, those that
 * are not media are put off, in their order, and have their turn a few at a time. */
static bool put_off(rtc_loop_t *l, rtc_pkt_t *k) {
  if (l->later_n >= l->later_cap || k->len == RTC_UDP_TOO_BIG || rtc_hub_urgent(l->hub, k)) return false;
  k->next = NULL;
  if (l->later)
    l->later_last->next = k;
  else
    l->later = k;
  l->later_last = k;
  l->later_n++;
  atomic_fetch_add_explicit(&l->counts.put_off, 1, memory_order_relaxed);
  return true;
}

void rtc_loop_take(rtc_loop_t *l, rtc_pkt_t *k, rtc_time_t now, bool crowded) {
  if (!(crowded || l->later) || !put_off(l, k)) take(l, k, now);
}

static void run_later(rtc_loop_t *l, uint32_t most) {
  for (; most && l->later; most--) {
    rtc_pkt_t *k = l->later;
    l->later = k->next;
    l->later_n--;
    k->next = NULL;
    take(l, k, rtc_clock_now());
  }
  flush(l);
  l->more |= l->later != NULL;
}

/* first: how many the first call asks for, of a socket that seldom has more. crowded: others wait behind this one. Returns whether
 * anything came. */
static bool receive(rtc_loop_t *l, rtc_udp_t *u, uint32_t sock, int first, bool crowded) {
  bool any = false;
  for (int batch = 0; batch < RTC_LOOP_BATCHES; batch++) {
    refill(l);
    int want = batch || l->slot_n < first ? l->slot_n : first;
    if (!want) {
      /* No slot: what came is lost now, rather than in the kernel where nobody can tell why. */
      for (int n = rtc_udp_discard(u, RTC_UDP_BATCH); n; n--) rtc_hub_dropped(l->hub, RTC_DROP_POOL);
      return any;
    }
    int n = rtc_udp_recv(u, l->slots, want);
    rtc_udp_tally(u, &l->count);
    if (!batch) u->came = n;
    if (!n) return any;
    any = true;
    rtc_time_t now = rtc_clock_now();
    for (int i = 0; i < n; i++) {
      l->slots[i]->path.sock = sock;
      rtc_loop_take(l, l->slots[i], now, crowded || n == want);
    }
    l->slot_n -= n;
    memmove(l->slots, l->slots + n, (size_t)l->slot_n * sizeof *l->slots);
    flush(l);
    if (n < want) break; /* drained, without another call to hear so */
  }
  return any;
}

/* The same of a socket whose datagrams come joined. */
static void receive_joined(rtc_loop_t *l, rtc_udp_t *u, uint32_t sock, bool crowded) {
  for (int batch = 0; batch < RTC_LOOP_BATCHES; batch++) {
    int n = rtc_udp_fetch(u);
    rtc_udp_tally(u, &l->count);
    rtc_time_t now = rtc_clock_now();
    while (rtc_udp_left(u)) {
      rtc_pkt_t *k = rtc_hub_slot(l->hub);
      rtc_udp_next(u, k);
      if (!k) {
        rtc_hub_dropped(l->hub, RTC_DROP_POOL);
        continue;
      }
      k->path.sock = sock;
      rtc_loop_take(l, k, now, crowded || n == RTC_UDP_FETCH);
    }
    flush(l);
    if (n < RTC_UDP_FETCH) return;
  }
}

/* How many to ask a socket of all peers for: each costs, whether it comes or not. */
static int expected(const rtc_udp_t *u) { return u->came > SOCK_BATCH / 2 ? RTC_UDP_BATCH : SOCK_BATCH; }

static void receive_socks(rtc_loop_t *l) {
  uint32_t ready[SOCKS_TURN], n = rtc_socks_ready(&l->socks, ready, SOCKS_TURN);
  for (uint32_t i = 0; i < n; i++) {
    rtc_sock_t *s = rtc_socks_get(&l->socks, ready[i]);
    if (s && s->kind == RTC_SOCK_UDP && s->udp.gro) receive_joined(l, &s->udp, s->number, n == SOCKS_TURN);
    if (s && s->kind == RTC_SOCK_UDP && !s->udp.gro) (void)receive(l, &s->udp, s->number, SOCK_BATCH, n == SOCKS_TURN);
    if (!s || s->kind == RTC_SOCK_UDP) continue;
    rtc_conns_ready(l, s, n == SOCKS_TURN);
    flush(l);
  }
  l->more |= n == SOCKS_TURN;
}

/* How long packets may wait for others from now on. */
static void coalesce(rtc_loop_t *l, rtc_time_t now) {
  const rtc_udp_counts_t *n = &l->count;
  if (!rtc_coalesce_tick(&l->coalesce, n->sent, n->run_datagrams - n->runs_sent, now)) return;
  rtc_hub_window(l->hub, l->coalesce.window_us);
  atomic_store_explicit(&l->counts.window_us, l->coalesce.window_us, memory_order_relaxed);
  flush(l);
}

static void publish(rtc_loop_t *l, rtc_time_t now) {
  rtc_loop_counts_t *c = &l->counts;
  const rtc_udp_counts_t *n = &l->count;
  bool runs = l->socks_run;
  for (int i = 0; i < l->udp_n; i++) runs |= l->udp[i].runs;
  atomic_store_explicit(&c->cpu_us, rtc_clock_thread_cpu_us(), memory_order_relaxed);
  atomic_store_explicit(&c->steps, l->steps, memory_order_relaxed);
  atomic_store_explicit(&c->recv_calls, n->recv_calls, memory_order_relaxed);
  atomic_store_explicit(&c->send_calls, n->send_calls, memory_order_relaxed);
  atomic_store_explicit(&c->kernel_drops, n->kernel_drops, memory_order_relaxed);
  atomic_store_explicit(&c->send_refused, n->refused, memory_order_relaxed);
  atomic_store_explicit(&c->gso_runs, n->runs_sent, memory_order_relaxed);
  atomic_store_explicit(&c->gso_datagrams, n->run_datagrams, memory_order_relaxed);
  atomic_store_explicit(&c->gso_refused, n->runs_refused, memory_order_relaxed);
  atomic_store_explicit(&c->runs, runs, memory_order_relaxed);
  atomic_store_explicit(&c->frames_refused, l->frames_refused, memory_order_relaxed);
  l->published = now;
}

static int add_socket(rtc_loop_t *l, const rtc_cmd_t *c) {
  int err = rtc_loop_reserve(l);
  if (err < 0) {
    rtc_sock_free(c->u.sock);
    return err;
  }
  if (c->id >= RTC_SOCK_ACCEPTED || rtc_conns_add(l, c->u.sock) < 0) {
    rtc_sock_free(c->u.sock);
    return c->id >= RTC_SOCK_ACCEPTED ? RTC_EINVAL : RTC_ENOMEM;
  }
  bool runs = c->u.sock->kind == RTC_SOCK_UDP && c->u.sock->udp.runs;
  err = rtc_socks_add(&l->socks, c->u.sock, c->id);
  if (err < 0) return err;
  rtc_hub_runs(l->hub, c->id, runs);
  l->socks_run |= runs;
  return 0;
}

/* What was said before on it is sent before it closes. */
static int close_socket(rtc_loop_t *l, const rtc_cmd_t *c) {
  rtc_sock_t *s = rtc_socks_get(&l->socks, c->id);
  if (!s || c->id >= RTC_SOCK_ACCEPTED) return 0;
  rtc_hub_window(l->hub, 0);
  flush(l);
  rtc_hub_window(l->hub, l->coalesce.window_us);
  rtc_hub_runs(l->hub, c->id, false);
  rtc_conns_remove(l, s);
  rtc_socks_del(&l->socks, c->id);
  return 0;
}

static int exec(rtc_loop_t *l, const rtc_cmd_t *c, rtc_time_t now) {
  if (c->op == RTC_OP_SOCKET) return add_socket(l, c);
  if (c->op == RTC_OP_SOCKET_CLOSE) return close_socket(l, c);
  return rtc_hub_exec(l->hub, c, now);
}

static void execute(rtc_loop_t *l, rtc_batch_t *b) {
  rtc_time_t now = rtc_clock_now();
  while (b->begun < b->n && b->err == 0) {
    const rtc_cmd_t *c = &b->cmd[b->begun];
    b->index = b->begun++;
    b->err = exec(l, c, now);
    if (b->err < 0 && c->op == RTC_OP_FRAME) l->frames_refused++;
  }
}

/* Runs what is in the mailbox; true when a result waits for its owner. */
static bool run_commands(rtc_loop_t *l) {
  bool wanted = false;
  for (rtc_batch_t *b = rtc_mailbox_take(&l->mail), *next; b; b = next) {
    next = b->next;
    execute(l, b);
    flush(l);
    if (b->ticket) publish(l, rtc_clock_now());
    wanted |= rtc_mailbox_done(&l->mail, b);
  }
  return wanted;
}

/* Moves events to the ring; true when there were some. */
static bool move_events(rtc_loop_t *l) {
  bool any = false;
  for (;;) {
    rtc_event_t e;
    while (rtc_ring_room(&l->events) && (rtc_hub_event(l->hub, &e) || rtc_conns_event(l, &e))) any = rtc_ring_put(&l->events, &e) == 0;
    if (rtc_ring_room(&l->events)) return any;
    /* Full. The collector wakes us when it sees this; it may have made room just before it could. */
    atomic_store(&l->starved, true);
    if (!rtc_ring_room(&l->events)) return any;
    atomic_store(&l->starved, false);
  }
}

/* Puts frames where their owner finds them; true when it has to be woken. */
static bool move_frames(rtc_loop_t *l) {
  l->frames_wait = rtc_hub_has_frames(l->hub) && !rtc_shelf_enter(&l->shelf);
  if (l->frames_wait || !rtc_hub_has_frames(l->hub)) return false;
  bool wake = false, skip, first;
  for (rtc_frame_t *f; (f = rtc_hub_frame(l->hub));) {
    uint32_t receiver = f->receiver, dropped = rtc_shelf_put(&l->shelf, f, &skip, &first);
    wake |= first;
    if (dropped) rtc_hub_frames_dropped(l->hub, receiver, dropped, skip);
  }
  rtc_shelf_leave(&l->shelf);
  return wake;
}

static void run_jobs(rtc_loop_t *l) {
  rtc_job_t job;
  if (!l->helper) {
    while (rtc_hub_job(l->hub, &job)) {
      rtc_job_work(&job);
      rtc_hub_job_done(l->hub, &job, rtc_clock_now());
      flush(l);
    }
    return;
  }
  int left = RTC_LOOP_LATER_TURN;
  for (; left && rtc_handshake_get(l->helper, &job); left--) {
    rtc_hub_job_done(l->hub, &job, rtc_clock_now());
    flush(l);
  }
  l->more |= !left;
  while (rtc_handshake_room(l->helper) && rtc_hub_job(l->hub, &job)) rtc_handshake_put(l->helper, &job);
}

void rtc_loop_turn(rtc_loop_t *l, uint32_t ready, bool socks) {
  l->wait_us = RTC_LOOP_STALL_US;
  l->more = false;
  bool tell = run_commands(l);
  uint32_t came = 0;
  bool many = false; /* then one call more a turn is nothing */
  for (int i = 0; i < l->udp_n; i++) {
    if (!(ready >> i & 1) || !receive(l, &l->udp[i], (uint32_t)i, expected(&l->udp[i]), false)) continue;
    came |= 1u << i;
    many |= l->udp[i].came > SOCK_BATCH / 2;
  }
  l->hot = many ? 0 : came;
  if (socks) receive_socks(l);
  if (l->later) run_later(l, l->helper ? RTC_LOOP_LATER_TURN : UINT32_MAX); /* who steps does not wait for us */
  rtc_time_t now = rtc_clock_now();
  if (rtc_hub_next_at(l->hub) <= now) {
    rtc_hub_tick(l->hub, now);
    flush(l);
  }
  run_jobs(l);
  rtc_conns_tick(l, now);
  rtc_conns_settle(l);
  if (l->helper && l->coalesce.most_us) coalesce(l, now); /* who steps by itself waits unseen */
  tell |= move_frames(l);
  tell |= move_events(l);
  if (tell) rtc_wake_signal(&l->owner);
  if (now - l->published >= PUBLISH_US) publish(l, now);
}

static void wait_for_work(rtc_loop_t *l, struct pollfd *p, uint32_t n) {
  rtc_time_t at = rtc_loop_next_at(l), now = rtc_clock_now();
  int64_t us = l->more ? 0 : at == RTC_NEVER ? -1 : at > now ? at - now : 0;
  if (l->frames_wait && (us < 0 || us > FRAMES_RETRY_US)) us = FRAMES_RETRY_US;
#ifdef __linux__
  struct timespec ts = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
  int r = ppoll(p, (nfds_t)n, us < 0 ? NULL : &ts, NULL);
#else
  int r = poll(p, (nfds_t)n, us < 0 ? -1 : us > 3600000000 ? 3600000 : (int)((us + 999) / 1000));
#endif
  rtc_time_t waited = rtc_clock_now() - now;
  rtc_coalesce_waited(&l->coalesce, waited);
  l->at_once = waited <= AT_ONCE_US;
  if (r > 0) return;
  for (uint32_t i = 0; i < n; i++) p[i].revents = 0;
}

/* The ids of all transports, to close them; NULL when there are none or memory is out. */
static rtc_transport_stats_t *list_transports(rtc_loop_t *l, uint32_t *n) {
  rtc_stats_t s = {0};
  rtc_cmd_t c = {.op = RTC_OP_STATS, .u.stats = &s};
  rtc_time_t now = rtc_clock_now();
  *n = 0;
  if (rtc_hub_exec(l->hub, &c, now) < 0 || !s.transport_n) return NULL;
  s.transport_cap = s.transport_n;
  s.transport = calloc(s.transport_cap, sizeof *s.transport);
  if (!s.transport || rtc_hub_exec(l->hub, &c, now) < 0) {
    free(s.transport);
    return NULL;
  }
  *n = s.transport_n < s.transport_cap ? s.transport_n : s.transport_cap;
  return s.transport;
}

void rtc_loop_finish(rtc_loop_t *l) {
  if (l->helper) {
    /* A transport whose handshake is away could not say goodbye. */
    rtc_handshake_stop(l->helper);
    rtc_job_t job;
    while (rtc_handshake_get(l->helper, &job)) rtc_hub_job_done(l->hub, &job, rtc_clock_now());
  }
  l->wait_us = RTC_LOOP_STALL_US;
  rtc_hub_window(l->hub, 0);
  run_later(l, UINT32_MAX);
  run_commands(l);
  uint32_t n;
  rtc_transport_stats_t *t = list_transports(l, &n);
  for (uint32_t i = 0; i < n; i++) {
    rtc_cmd_t c = {.op = RTC_OP_CLOSE, .id = t[i].id};
    if (rtc_hub_exec(l->hub, &c, rtc_clock_now()) < 0) continue; /* closed already */
    if (rtc_hub_pending(l->hub) >= RTC_UDP_BATCH) flush(l);
    l->wait_us = RTC_LOOP_STALL_US;
  }
  free(t);
  flush(l);
  rtc_cmd_t all = {.op = RTC_OP_TURN_CLOSE};
  if (rtc_hub_exec(l->hub, &all, rtc_clock_now()) == 0) flush(l);
  move_events(l);
  publish(l, rtc_clock_now());
  rtc_wake_signal(&l->owner);
}

/* Waits until something is ready; the fixed sockets among it by their bits. */
static uint32_t wait_for_any(rtc_loop_t *l, bool *socks) {
  uint32_t own = (uint32_t)l->udp_n + 1, ready = 0;
  struct pollfd *p = l->polled;
  uint32_t n = own + rtc_socks_fds(&l->socks, p + own);
  l->steps++;
  wait_for_work(l, p, n);
  if (p[l->udp_n].revents) rtc_wake_drain(&l->wake);
  for (int i = 0; i < l->udp_n; i++) ready |= p[i].revents ? 1u << i : 0;
  for (uint32_t i = own; i < n && !*socks; i++) *socks = p[i].revents;
  return ready;
}

void *rtc_loop_run(void *arg) {
  rtc_loop_t *l = arg;
  rtc_thread_name("rtc-loop");
  int left = 0; /* turns in which the sockets that had something are read without asking whether they have more */
  while (!atomic_load(&l->stop)) {
    bool socks = false, asked = !left;
    uint32_t ready = asked ? wait_for_any(l, &socks) : l->hot;
    rtc_loop_turn(l, ready, socks);
    /* Who did not have to wait for the last ones will seldom have to wait for the next ones. */
    left = !l->hot ? 0 : asked ? (l->at_once ? HOT_TURNS : 0) : left - 1;
  }
  rtc_loop_finish(l);
  return NULL;
}
