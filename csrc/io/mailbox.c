#include "io/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "io/socks.h"

/* Two stacks, each only ever pushed to or taken whole, so an old head cannot be mistaken for a new one. */
static void push(_Atomic(rtc_batch_t *) *head, rtc_batch_t *b) {
  b->next = atomic_load_explicit(head, memory_order_relaxed);
  while (!atomic_compare_exchange_weak(head, &b->next, b)) continue;
}

static rtc_batch_t *take_all(_Atomic(rtc_batch_t *) *head) {
  rtc_batch_t *oldest = NULL, *b = atomic_exchange(head, NULL);
  while (b) {
    rtc_batch_t *next = b->next;
    b->next = oldest;
    oldest = b;
    b = next;
  }
  return oldest;
}

static _Atomic uint16_t *gauge(rtc_mailbox_t *m, uint32_t sender) { return &m->frames[sender % RTC_MAIL_GAUGES]; }

void rtc_mailbox_init(rtc_mailbox_t *m) {
  atomic_init(&m->in, NULL);
  atomic_init(&m->out, NULL);
  atomic_init(&m->tickets, 0);
  for (int i = 0; i < RTC_MAIL_GAUGES; i++) atomic_init(&m->frames[i], 0);
  atomic_init(&m->commands, 0);
  atomic_init(&m->refused, 0);
  m->ready = NULL;
}

void rtc_mailbox_clear(rtc_mailbox_t *m) {
  for (rtc_batch_t *b = rtc_mailbox_take(m), *next; b; b = next) {
    next = b->next;
    rtc_mailbox_done(m, b);
  }
  for (rtc_batch_t *b; (b = rtc_mailbox_collect(m));) free(b);
}

void rtc_mailbox_drop(const rtc_cmd_t *cmd, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (cmd[i].op == RTC_OP_SOCKET)
      rtc_sock_free(cmd[i].u.sock);
    else
      rtc_cmd_drop(&cmd[i], 1);
  }
}

static void uncount(rtc_mailbox_t *m, const rtc_cmd_t *cmd, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (cmd[i].op == RTC_OP_FRAME) atomic_fetch_sub(gauge(m, cmd[i].id), 1);
  }
}

/* Counts commands and frames in; nothing is counted when one is over its cap. */
static int count(rtc_mailbox_t *m, const rtc_cmd_t *cmd, uint32_t n) {
  uint32_t had = atomic_fetch_add(&m->commands, n);
  if (n > RTC_MAIL_COMMANDS || had > RTC_MAIL_COMMANDS - n) {
    atomic_fetch_sub(&m->commands, n);
    atomic_fetch_add(&m->refused, 1);
    return RTC_ENOBUFS;
  }
  for (uint32_t i = 0; i < n; i++) {
    if (cmd[i].op != RTC_OP_FRAME) continue;
    if (atomic_fetch_add(gauge(m, cmd[i].id), 1) < RTC_MAIL_FRAMES) continue;
    uncount(m, cmd, i + 1);
    atomic_fetch_sub(&m->commands, n);
    atomic_fetch_add(&m->refused, 1);
    return RTC_ENOBUFS;
  }
  return 0;
}

int rtc_mailbox_post(rtc_mailbox_t *m, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket) {
  int err = n ? count(m, cmd, n) : RTC_EINVAL;
  if (err < 0) {
    rtc_mailbox_drop(cmd, n);
    return err;
  }
  rtc_batch_t *b = malloc(sizeof *b + n * sizeof *cmd);
  if (!b) {
    uncount(m, cmd, n);
    atomic_fetch_sub(&m->commands, n);
    rtc_mailbox_drop(cmd, n);
    return RTC_ENOMEM;
  }
  b->n = n;
  b->err = 0;
  b->index = b->begun = 0;
  b->ticket = ticket ? atomic_fetch_add(&m->tickets, 1) + 1 : 0;
  memcpy(b->cmd, cmd, n * sizeof *cmd);
  if (ticket) *ticket = b->ticket;
  push(&m->in, b);
  return 0;
}

rtc_batch_t *rtc_mailbox_take(rtc_mailbox_t *m) { return take_all(&m->in); }

bool rtc_mailbox_done(rtc_mailbox_t *m, rtc_batch_t *b) {
  uncount(m, b->cmd, b->n);
  rtc_mailbox_drop(b->cmd + b->begun, b->n - b->begun); /* what the others owned has passed on */
  if (!b->ticket) {
    atomic_fetch_sub(&m->commands, b->n);
    free(b);
    return false;
  }
  push(&m->out, b);
  return true;
}

rtc_batch_t *rtc_mailbox_collect(rtc_mailbox_t *m) {
  if (!m->ready) m->ready = take_all(&m->out);
  rtc_batch_t *b = m->ready;
  if (!b) return NULL;
  m->ready = b->next;
  atomic_fetch_sub(&m->commands, b->n);
  return b;
}
