/* mailbox: batches of commands on their way to a loop, and back when they are done. Any thread posts, without a lock; the loop
 * takes them all in order; who posted collects the results. A batch is one block of memory that goes round, so answering cannot
 * fail. Guarantee: every batch that was posted comes back or, when nobody wants its
 * result, is freed, with what commands hold that were not executed. */
#ifndef RTC_IO_MAILBOX_H
#define RTC_IO_MAILBOX_H

#include <stdatomic.h>

#include "engine/cmd.h"

enum {
  RTC_MAIL_COMMANDS = 65536, /* commands that may wait, for the loop or for who collects their result; then posting fails */
  RTC_MAIL_FRAMES = 64,      /* frames of one sender that may wait; then posting fails */
  RTC_MAIL_GAUGES = 1024     /* senders counted apart; further ones share */
};

typedef struct rtc_batch {
  struct rtc_batch *next;
  uint64_t ticket; /* 0: nobody wants the result */
  int err;         /* RTC_E* of the command that failed, 0 */
  uint32_t index;  /* which one; those before it took effect, those after it did not */
  uint32_t begun;  /* commands given to the engine, the one that failed included */
  uint32_t n;
  rtc_cmd_t cmd[];
} rtc_batch_t;

typedef struct rtc_mailbox {
  _Atomic(rtc_batch_t *) in, out; /* newest first */
  _Atomic uint64_t tickets;
  _Atomic uint16_t frames[RTC_MAIL_GAUGES];
  _Atomic uint32_t commands; /* that wait */
  _Atomic uint64_t refused;  /* batches that met a cap */
  rtc_batch_t *ready;        /* the collector's, oldest first */
} rtc_mailbox_t;

void rtc_mailbox_init(rtc_mailbox_t *m);
/* Frees what is left. Nobody else may use it any more. */
void rtc_mailbox_clear(rtc_mailbox_t *m);

/* Copies the commands. ticket may be NULL, else it gets a number above 0 under which the result comes. What commands hold
 * (rtc_mailbox_drop) is taken over always. 0, RTC_EINVAL (n is 0), RTC_ENOMEM, or RTC_ENOBUFS, counted: too many frames of a sender wait,
 * or too many commands. */
RTC_MUST_USE int rtc_mailbox_post(rtc_mailbox_t *m, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket);
/* Frees what these commands own: frame data, sockets. */
void rtc_mailbox_drop(const rtc_cmd_t *cmd, uint32_t n);
/* All that was posted, oldest first; NULL when there is nothing. Each goes back by rtc_mailbox_done. */
rtc_batch_t *rtc_mailbox_take(rtc_mailbox_t *m);
/* The batch is through; err, index and begun are set. True when somebody waits for the result. */
bool rtc_mailbox_done(rtc_mailbox_t *m, rtc_batch_t *b);
/* Next result, in the order they were done: its batch, which the caller frees by free(); NULL when there is none. One thread at a time. */
rtc_batch_t *rtc_mailbox_collect(rtc_mailbox_t *m);

#endif
