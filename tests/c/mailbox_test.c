/* links: io/mailbox.c io/thread.c */
#include "io/mailbox.h"

#include <pthread.h>

#include "check.h"
#include "io/thread.h"

static rtc_cmd_t frame(uint32_t sender) {
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = sender};
  c.u.frame.data = malloc(8);
  c.u.frame.len = 8;
  return c;
}

/* What the engine does with a batch: takes over the frames of the first `begun` commands. */
static void engine_took(rtc_batch_t *b, uint32_t begun) {
  for (b->begun = 0; b->begun < begun; b->begun++) {
    if (b->cmd[b->begun].op == RTC_OP_FRAME) free(b->cmd[b->begun].u.frame.data);
  }
}

static void order_and_results(void) {
  rtc_mailbox_t m;
  rtc_mailbox_init(&m);
  CHECK(rtc_mailbox_take(&m) == NULL);
  CHECK(rtc_mailbox_collect(&m) == NULL);
  uint64_t ticket[5];
  for (uint32_t i = 0; i < 5; i++) {
    rtc_cmd_t c[2] = {{.op = RTC_OP_KEYFRAME, .id = i}, {.op = RTC_OP_RATE, .id = 10 * i, .u.rate_bps = 7}};
    CHECK_EQ(rtc_mailbox_post(&m, c, 2, &ticket[i]), 0);
    CHECK(ticket[i] > 0);
  }
  uint32_t i = 0;
  for (rtc_batch_t *b = rtc_mailbox_take(&m), *next; b; b = next, i++) {
    next = b->next;
    CHECK_EQ(b->n, 2);
    CHECK_EQ(b->cmd[0].id, i);
    CHECK_EQ(b->cmd[1].id, 10 * i);
    CHECK_EQ(b->cmd[1].u.rate_bps, 7);
    if (i == 3) {
      b->err = RTC_EINVAL;
      b->index = 1;
    }
    b->begun = 2;
    CHECK(rtc_mailbox_done(&m, b));
  }
  CHECK_EQ(i, 5);
  for (i = 0; i < 5; i++) {
    rtc_batch_t *b = rtc_mailbox_collect(&m);
    CHECK(b != NULL);
    if (!b) break;
    CHECK_EQ(b->ticket, ticket[i]);
    CHECK_EQ(b->err, i == 3 ? RTC_EINVAL : 0);
    CHECK_EQ(b->index, i == 3 ? 1 : 0);
    free(b);
  }
  CHECK(rtc_mailbox_collect(&m) == NULL);
  CHECK_EQ(rtc_mailbox_post(&m, NULL, 0, NULL), RTC_EINVAL);
  rtc_mailbox_clear(&m);
}

/* The leak check of the sanitizer sees frames that nobody frees, and those freed twice. */
static void frames_have_one_owner(void) {
  rtc_mailbox_t m;
  rtc_mailbox_init(&m);
  for (uint32_t begun = 0; begun <= 3; begun++) {
    rtc_cmd_t c[3] = {frame(1), frame(2), frame(1)};
    CHECK_EQ(rtc_mailbox_post(&m, c, 3, NULL), 0);
    rtc_batch_t *b = rtc_mailbox_take(&m);
    CHECK(b && !b->next);
    if (!b) return;
    engine_took(b, begun);
    CHECK(!rtc_mailbox_done(&m, b));
  }
  rtc_cmd_t left = frame(9), asked = frame(9);
  uint64_t ticket;
  CHECK_EQ(rtc_mailbox_post(&m, &left, 1, NULL), 0);
  CHECK_EQ(rtc_mailbox_post(&m, &asked, 1, &ticket), 0);
  rtc_mailbox_clear(&m);
}

static void the_cap_is_per_sender(void) {
  rtc_mailbox_t m;
  rtc_mailbox_init(&m);
  for (int i = 0; i < RTC_MAIL_FRAMES; i++) {
    rtc_cmd_t c = frame(5);
    CHECK_EQ(rtc_mailbox_post(&m, &c, 1, NULL), 0);
  }
  rtc_cmd_t over = frame(5), other = frame(6);
  CHECK_EQ(rtc_mailbox_post(&m, &over, 1, NULL), RTC_ENOBUFS);
  CHECK_EQ(rtc_mailbox_post(&m, &other, 1, NULL), 0);
  rtc_cmd_t mixed[2] = {frame(6), frame(5)}; /* all or nothing */
  CHECK_EQ(rtc_mailbox_post(&m, mixed, 2, NULL), RTC_ENOBUFS);
  for (rtc_batch_t *b = rtc_mailbox_take(&m), *next; b; b = next) {
    next = b->next;
    engine_took(b, b->n);
    rtc_mailbox_done(&m, b);
  }
  for (uint32_t s = 5; s < 7; s++) {
    for (int i = 0; i < RTC_MAIL_FRAMES; i++) {
      rtc_cmd_t c = frame(s);
      CHECK_EQ(rtc_mailbox_post(&m, &c, 1, NULL), 0);
    }
  }
  rtc_mailbox_clear(&m);
}

/* Results that nobody collects hold their places, so neither way can grow without end. */
static void the_cap_is_of_all_commands(void) {
  enum { BATCH = 16, BATCHES = RTC_MAIL_COMMANDS / BATCH };
  rtc_mailbox_t m;
  rtc_mailbox_init(&m);
  rtc_cmd_t c[BATCH] = {{.op = RTC_OP_KEYFRAME, .id = 1}};
  uint64_t ticket;
  for (int i = 0; i < BATCHES; i++) CHECK_EQ(rtc_mailbox_post(&m, c, BATCH, i % 2 ? &ticket : NULL), 0);
  CHECK_EQ(rtc_mailbox_post(&m, c, 1, &ticket), RTC_ENOBUFS);
  rtc_cmd_t lost = frame(1); /* freed, as every frame that is not taken */
  CHECK_EQ(rtc_mailbox_post(&m, &lost, 1, NULL), RTC_ENOBUFS);
  CHECK_EQ(m.refused, 2);
  for (rtc_batch_t *b = rtc_mailbox_take(&m), *next; b; b = next) {
    next = b->next;
    b->begun = b->n;
    rtc_mailbox_done(&m, b);
  }
  CHECK_EQ(m.commands, RTC_MAIL_COMMANDS / 2);
  for (int i = 0; i < BATCHES / 2; i++) CHECK_EQ(rtc_mailbox_post(&m, c, BATCH, NULL), 0);
  CHECK_EQ(rtc_mailbox_post(&m, c, 1, NULL), RTC_ENOBUFS);
  rtc_batch_t *b = rtc_mailbox_collect(&m);
  CHECK(b != NULL);
  free(b);
  CHECK_EQ(rtc_mailbox_post(&m, c, BATCH, NULL), 0);
  CHECK_EQ(m.refused, 3);
  rtc_mailbox_clear(&m);
  CHECK_EQ(m.commands, 0);
}

enum { POSTERS = 3, POSTS = 2000 };

static void *poster(void *arg) {
  rtc_mailbox_t *m = arg;
  for (uint32_t i = 0; i < POSTS; i++) {
    rtc_cmd_t c = {.op = RTC_OP_KEYFRAME, .id = i};
    uint64_t ticket;
    if (rtc_mailbox_post(m, &c, 1, &ticket) < 0) break;
  }
  return NULL;
}

/* The other side of a loop at the same time: each result comes once. */
static void *collector(void *arg) {
  rtc_mailbox_t *m = arg;
  static int64_t sum;
  sum = 0;
  for (int n = 0; n < POSTERS * POSTS;) {
    rtc_batch_t *b = rtc_mailbox_collect(m);
    if (!b) continue;
    sum += (int64_t)b->ticket;
    n++;
    free(b);
  }
  return &sum;
}

static void threads(void) {
  rtc_mailbox_t m;
  rtc_mailbox_init(&m);
  pthread_t p[POSTERS], c;
  for (int i = 0; i < POSTERS; i++) CHECK_EQ(rtc_thread_start(&p[i], poster, &m), 0);
  CHECK_EQ(rtc_thread_start(&c, collector, &m), 0);
  for (int n = 0; n < POSTERS * POSTS;) {
    for (rtc_batch_t *b = rtc_mailbox_take(&m), *next; b; b = next, n++) {
      next = b->next;
      b->begun = b->n;
      rtc_mailbox_done(&m, b);
    }
  }
  for (int i = 0; i < POSTERS; i++) pthread_join(p[i], NULL);
  void *sum;
  pthread_join(c, &sum);
  int64_t total = POSTERS * POSTS;
  CHECK_EQ(*(int64_t *)sum, total * (total + 1) / 2);
  rtc_mailbox_clear(&m);
}

int main(void) {
  RUN(order_and_results);
  RUN(frames_have_one_owner);
  RUN(the_cap_is_per_sender);
  RUN(the_cap_is_of_all_commands);
  RUN(threads);
  return CHECK_END();
}
