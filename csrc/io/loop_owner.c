/* loop_owner: making, holding and ending a loop, and what passes between it and its owner. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "base/crypto.h"
#include "io/clock.h"
#include "io/loop_state.h"
#include "io/thread.h"

enum { ALL_SOCKETS = (1 << RTC_LOOP_SOCKETS) - 1 };

static bool forked(const rtc_loop_t *l) { return l->pid && l->pid != getpid(); }

int rtc_loop_reserve(rtc_loop_t *l) {
  uint32_t own = (uint32_t)l->udp_n + 1, need = own + 1 + rtc_socks_fds_max(&l->socks);
  if (need <= l->polled_cap) return 0;
  struct pollfd *p = realloc(l->polled, 2 * need * sizeof *p);
  if (!p) return RTC_ENOMEM;
  if (!l->polled) {
    for (int i = 0; i < l->udp_n; i++) p[i] = (struct pollfd){.fd = l->udp[i].fd, .events = POLLIN};
    p[l->udp_n] = (struct pollfd){.fd = rtc_wake_fd(&l->wake), .events = POLLIN};
  }
  l->polled = p;
  l->polled_cap = 2 * need;
  return 0;
}

/* Nothing will execute these any more. */
static void refuse_commands(rtc_loop_t *l) {
  bool wanted = false;
  for (rtc_batch_t *b = rtc_mailbox_take(&l->mail), *next; b; b = next) {
    next = b->next;
    b->err = RTC_ECLOSED;
    wanted |= rtc_mailbox_done(&l->mail, b);
  }
  if (wanted) rtc_wake_signal(&l->owner);
}

/* What nobody has collected. */
static void drop_events(rtc_loop_t *l) {
  for (rtc_event_t e; rtc_ring_get(&l->events, &e);) free(e.certs);
}

static int open_hub(rtc_loop_t *l, const rtc_loop_cfg_t *cfg) {
  rtc_hub_cfg_t h = {.slots = cfg->slots, .srtp_window = cfg->srtp_window, .unix_offset_us = rtc_clock_unix_offset()};
  int err = RTC_ENOMEM;
  l->dtls = rtc_dtls_ctx_new(cfg->cert_pem, cfg->cert_len, cfg->key_pem, cfg->key_len, &err);
  if (!l->dtls) return err;
  h.dtls = l->dtls;
  h.sealer = &l->sealer;
  err = rtc_sealer_init(&l->sealer, cfg->openssl ? RTC_SEALER_OPENSSL : RTC_SEALER_BEST);
  if (err < 0) return err;
  err = rtc_random(h.seed, sizeof h.seed);
  if (err < 0) return err;
  l->hub = rtc_hub_new(&h, rtc_clock_now());
  rtc_cleanse(&h, sizeof h);
  uint32_t part = cfg->slots / RTC_LOOP_FLUSH_PART;
  l->flush_at = cfg->slots && part < RTC_LOOP_FLUSH ? part : RTC_LOOP_FLUSH;
  l->later_cap = cfg->slots && part < RTC_LOOP_LATER ? part : RTC_LOOP_LATER;
  return l->hub ? 0 : RTC_ENOMEM;
}

static int open_all(rtc_loop_t *l, const rtc_loop_cfg_t *cfg, rtc_udp_fault_t *why) {
  if (cfg->bind_n < 0 || cfg->bind_n > RTC_LOOP_SOCKETS) return RTC_EINVAL;
  int err = rtc_ring_init(&l->events, RTC_LOOP_EVENTS, sizeof(rtc_event_t));
  if (err == 0) err = rtc_wake_init(&l->wake, cfg->portable);
  if (err == 0) err = rtc_wake_init(&l->owner, cfg->portable);
  uint8_t seed[16];
  if (err == 0) err = rtc_random(seed, sizeof seed);
  if (err == 0) err = rtc_shelf_init(&l->shelf, seed);
  if (err == 0) l->has_shelf = true;
  if (err == 0) err = rtc_random(seed, sizeof seed);
  if (err == 0) err = rtc_socks_init(&l->socks, cfg->portable, seed);
  if (err == 0) err = open_hub(l, cfg);
  if (err < 0) return err;
  rtc_udp_cfg_t udp = {.recv_buffer = cfg->recv_buffer, .send_buffer = cfg->send_buffer, .portable = cfg->portable, .single = cfg->single};
  int n = cfg->bind_n ? rtc_udp_open_all(l->udp, cfg->bind, cfg->bind_n, &udp, why) : 0;
  if (n > 0) l->udp_n = n;
  for (int i = 0; i < l->udp_n; i++) {
    rtc_hub_runs(l->hub, (uint32_t)i, l->udp[i].runs);
    if (l->udp[i].runs) atomic_store(&l->counts.runs, true);
  }
  return n < 0 ? why->err : rtc_loop_reserve(l);
}

rtc_loop_t *rtc_loop_new(const rtc_loop_cfg_t *cfg, rtc_udp_fault_t *why) {
  *why = (rtc_udp_fault_t){RTC_ENOMEM, 0, -1};
  rtc_loop_t *l = aligned_alloc(_Alignof(rtc_loop_t), sizeof *l); /* malloc does not promise the ring's alignment */
  if (!l) return NULL;
  memset(l, 0, sizeof *l);
  l->portable = cfg->portable;
  l->single = cfg->single;
  l->conns.look_at = RTC_NEVER;
  l->conns.number = RTC_SOCK_ACCEPTED;
  rtc_coalesce_init(&l->coalesce, cfg->window_us < RTC_WINDOW_MAX_US ? cfg->window_us : RTC_WINDOW_MAX_US, rtc_clock_now());
  l->epoll_fd = l->socks.epoll_fd = l->wake.rd = l->wake.wr = l->owner.rd = l->owner.wr = -1;
  rtc_mailbox_init(&l->mail);
  int err = open_all(l, cfg, why);
  if (err == 0) return l;
  why->err = err;
  rtc_loop_free(l);
  return NULL;
}

int rtc_loop_start(rtc_loop_t *l) {
  if (atomic_load(&l->state) != RTC_LOOP_NEW) return RTC_ESTATE;
  l->helper = rtc_handshake_new(&l->wake, l->portable);
  if (!l->helper) return RTC_ENOBUFS;
  l->pid = getpid();
  atomic_store(&l->state, RTC_LOOP_RUNNING);
  if (rtc_thread_start(&l->thread, rtc_loop_run, l) == 0) return 0;
  atomic_store(&l->state, RTC_LOOP_NEW);
  l->pid = 0;
  rtc_handshake_free(l->helper);
  l->helper = NULL;
  return RTC_ENOBUFS;
}

void rtc_loop_stop(rtc_loop_t *l) {
  if (forked(l)) return;
  int was = atomic_exchange(&l->state, RTC_LOOP_STOPPED);
  if (was == RTC_LOOP_STOPPED) return;
  if (was == RTC_LOOP_RUNNING) {
    atomic_store(&l->stop, true);
    rtc_wake_signal(&l->wake);
    pthread_join(l->thread, NULL);
  } else if (l->hub) {
    rtc_loop_finish(l);
  }
  /* After this a submitter either sees the flag or has posted what is refused here. */
  atomic_store(&l->closed, true);
  refuse_commands(l);
  rtc_socks_clear(&l->socks);
}

static void close_fds(rtc_loop_t *l) {
  for (int i = 0; i < l->udp_n; i++) rtc_udp_close(&l->udp[i]);
  if (l->epoll_fd >= 0) close(l->epoll_fd);
  l->epoll_fd = -1;
  rtc_wake_clear(&l->wake);
  rtc_wake_clear(&l->owner);
}

void rtc_loop_free(rtc_loop_t *l) {
  if (!l) return;
  if (forked(l)) {
    /* The threads are not here, and what they were in the middle of cannot be taken apart, the table of sockets among it: only
     * descriptors that never change go. */
    close_fds(l);
    return;
  }
  rtc_loop_stop(l);
  rtc_handshake_free(l->helper);
  while (l->slot_n) rtc_pkt_put(l->slots[--l->slot_n]);
  rtc_hub_free(l->hub);
  rtc_sealer_clear(&l->sealer);
  rtc_dtls_ctx_free(l->dtls);
  rtc_mailbox_clear(&l->mail);
  if (l->has_shelf) rtc_shelf_clear(&l->shelf);
  drop_events(l);
  rtc_ring_clear(&l->events);
  free(l->polled);
  free(l->conns.scratch);
  close_fds(l);
  free(l);
}

int rtc_loop_post(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket) {
  int err = forked(l) ? RTC_ESTATE : atomic_load(&l->closed) ? RTC_ECLOSED : 0;
  if (err < 0) {
    rtc_mailbox_drop(cmd, n);
    return err;
  }
  err = rtc_mailbox_post(&l->mail, cmd, n, ticket);
  if (err < 0) return err;
  if (atomic_load(&l->closed)) refuse_commands(l);
  return 0;
}

void rtc_loop_nudge(rtc_loop_t *l) {
  if (!forked(l)) rtc_wake_signal(&l->wake);
}

int rtc_loop_submit(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket) {
  int err = rtc_loop_post(l, cmd, n, ticket);
  if (err == 0) rtc_loop_nudge(l);
  return err;
}

int rtc_loop_event_fd(const rtc_loop_t *l) { return rtc_wake_fd(&l->owner); }

void rtc_loop_look(rtc_loop_t *l) {
  if (!forked(l)) rtc_wake_drain(&l->owner); /* the descriptor is shared: a child would take its parent's wake-up */
}

int rtc_loop_event(rtc_loop_t *l, rtc_event_t *out) {
  if (rtc_ring_get(&l->events, out)) return 1;
  /* Room again: the loop must hear of it, or what waits inside would wait for the next packet. */
  if (atomic_exchange(&l->starved, false)) rtc_wake_signal(&l->wake);
  return 0;
}

int rtc_loop_acked(rtc_loop_t *l, uint64_t *ticket, int *err, uint32_t *index) {
  rtc_batch_t *b = rtc_mailbox_collect(&l->mail);
  if (!b) return 0;
  *ticket = b->ticket;
  *err = b->err;
  *index = b->index;
  free(b);
  return 1;
}

void rtc_loop_info(const rtc_loop_t *l, rtc_loop_info_t *out) {
  const rtc_loop_counts_t *c = &l->counts;
  memset(out, 0, sizeof *out);
  out->socket_n = l->udp_n;
  out->portable = l->portable;
  for (int i = 0; i < l->udp_n; i++) {
    out->bound[i] = l->udp[i].bound;
    out->recv_buffer[i] = l->udp[i].recv_buffer;
    out->send_buffer[i] = l->udp[i].send_buffer;
  }
  out->cpu_us = atomic_load_explicit(&c->cpu_us, memory_order_relaxed);
  out->steps = atomic_load_explicit(&c->steps, memory_order_relaxed);
  out->recv_calls = atomic_load_explicit(&c->recv_calls, memory_order_relaxed);
  out->send_calls = atomic_load_explicit(&c->send_calls, memory_order_relaxed);
  out->kernel_drops = atomic_load_explicit(&c->kernel_drops, memory_order_relaxed);
  out->send_refused = atomic_load_explicit(&c->send_refused, memory_order_relaxed);
  out->put_off = atomic_load_explicit(&c->put_off, memory_order_relaxed);
  out->window_us = atomic_load_explicit(&c->window_us, memory_order_relaxed);
  out->runs = atomic_load_explicit(&c->runs, memory_order_relaxed);
  out->gso_runs = atomic_load_explicit(&c->gso_runs, memory_order_relaxed);
  out->gso_datagrams = atomic_load_explicit(&c->gso_datagrams, memory_order_relaxed);
  out->gso_refused = atomic_load_explicit(&c->gso_refused, memory_order_relaxed);
  out->batches_refused = atomic_load_explicit(&l->mail.refused, memory_order_relaxed);
  out->frames_refused = atomic_load_explicit(&c->frames_refused, memory_order_relaxed);
}

int rtc_loop_frames_open(rtc_loop_t *l, uint32_t receiver) { return forked(l) ? RTC_ESTATE : rtc_shelf_open(&l->shelf, receiver); }

void rtc_loop_frames_close(rtc_loop_t *l, uint32_t receiver) {
  if (!forked(l)) rtc_shelf_close(&l->shelf, receiver);
}

uint32_t rtc_loop_frames_news(rtc_loop_t *l) { return forked(l) ? 0 : rtc_shelf_news(&l->shelf); }

rtc_frame_t *rtc_loop_frame(rtc_loop_t *l, uint32_t receiver) { return forked(l) ? NULL : rtc_shelf_get(&l->shelf, receiver); }

rtc_sock_t *rtc_loop_open_udp(const rtc_loop_t *l, const rtc_addr_t *bind, int recv_buffer, int send_buffer, rtc_udp_fault_t *why) {
  rtc_udp_cfg_t cfg = {.bind = *bind, .recv_buffer = recv_buffer, .send_buffer = send_buffer, .portable = l->portable, .single = l->single};
  return rtc_sock_open_udp(&cfg, why);
}

int rtc_loop_fds(const rtc_loop_t *l, int *out, int cap) {
  int n = 0;
  for (int i = 0; i < l->udp_n && n < cap; i++) out[n++] = l->udp[i].fd;
  if (n < cap) out[n++] = rtc_wake_fd(&l->wake);
  if (n < cap && l->socks.epoll_fd >= 0) out[n++] = l->socks.epoll_fd;
  for (uint32_t i = 0; l->socks.epoll_fd < 0 && i < l->socks.n && n < cap; i++) out[n++] = l->socks.v[i]->udp.fd;
  return n;
}

int rtc_loop_fd(rtc_loop_t *l) {
#ifdef __linux__
  if (atomic_load(&l->state) != RTC_LOOP_NEW) return RTC_ESTATE;
  if (l->epoll_fd >= 0) return l->epoll_fd;
  if (l->portable) return RTC_ESTATE; /* its sockets come and go */
  int fds[RTC_LOOP_SOCKETS + 2], n = rtc_loop_fds(l, fds, RTC_LOOP_SOCKETS + 2);
  int e = epoll_create1(EPOLL_CLOEXEC);
  if (e < 0) return RTC_ENOBUFS;
  for (int i = 0; i < n; i++) {
    struct epoll_event ev = {.events = EPOLLIN};
    if (epoll_ctl(e, EPOLL_CTL_ADD, fds[i], &ev) == 0) continue;
    close(e);
    return RTC_ENOBUFS;
  }
  return l->epoll_fd = e;
#else
  (void)l;
  return RTC_ESTATE;
#endif
}

rtc_time_t rtc_loop_next_at(const rtc_loop_t *l) {
  rtc_time_t at = rtc_hub_next_at(l->hub);
  return l->conns.look_at < at ? l->conns.look_at : at;
}

int rtc_loop_step(rtc_loop_t *l) {
  if (atomic_load(&l->state) != RTC_LOOP_NEW) return RTC_ESTATE;
  l->steps++;
  rtc_wake_drain(&l->wake);
  rtc_loop_turn(l, ALL_SOCKETS, true);
  return 0;
}

int rtc_loop_fingerprint(const rtc_loop_t *l, char *out, size_t cap) {
  static const char hex[] = "0123456789ABCDEF";
  uint8_t digest[64];
  int n = rtc_dtls_ctx_fingerprint(l->dtls, 256, digest);
  if (n < 0) return n;
  if (cap < (size_t)n * 3) return RTC_ENOBUFS;
  for (int i = 0; i < n; i++) {
    out[i * 3] = hex[digest[i] >> 4];
    out[i * 3 + 1] = hex[digest[i] & 15];
    out[i * 3 + 2] = i + 1 < n ? ':' : 0;
  }
  return n * 3 - 1;
}
