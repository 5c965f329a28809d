#include "proto/nack.h"

#include <string.h>

/* A stated round trip beyond this is no measurement; it also keeps the sums below from overflowing. */
#define RTT_MAX_US RTC_SEC(10)

void rtc_nack_init(rtc_nack_t *n) {
  memset(n, 0, sizeof *n);
  n->highest = -1;
}

static void drop_first(rtc_nack_t *n, int count) {
  n->n -= count;
  memmove(n->item, n->item + count, (size_t)n->n * sizeof n->item[0]);
}

/* The first item not below seq; n->n when there is none. */
static int find(const rtc_nack_t *n, int64_t seq) {
  int lo = 0, hi = n->n;
  while (lo < hi) {
    int mid = lo + (hi - lo) / 2;
    if (n->item[mid].seq < seq)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

static void give_up(rtc_nack_t *n, int64_t count) {
  if (count <= 0) return;
  n->given_up += (uint64_t)count;
  n->want_key = true;
}

/* Gives up the oldest items below seq. */
static void give_up_below(rtc_nack_t *n, int64_t seq) {
  int old = find(n, seq);
  give_up(n, old);
  drop_first(n, old);
}

/* Follows the numbers first .. end-1, all above those followed now. */
static void follow(rtc_nack_t *n, int64_t first, int64_t end, rtc_time_t at) {
  int64_t fit = end - RTC_NACK_MAX > first ? end - RTC_NACK_MAX : first;
  give_up(n, fit - first);
  int over = n->n + (int)(end - fit) - RTC_NACK_MAX;
  if (over > 0) {
    give_up(n, over);
    drop_first(n, over);
  }
  for (int64_t seq = fit; seq < end; seq++) n->item[n->n++] = (rtc_nack_item_t){.seq = seq, .at = at};
}

void rtc_nack_on_packet(rtc_nack_t *n, int64_t seq, rtc_time_t now) {
  if (n->highest < 0) {
    n->highest = seq;
    return;
  }
  if (seq > n->highest) {
    int64_t first = n->highest + 1;
    n->highest = seq;
    follow(n, first, seq, now + RTC_NACK_REORDER_US);
    give_up_below(n, seq - RTC_NACK_AGE);
    return;
  }
  int i = find(n, seq);
  if (i == n->n || n->item[i].seq != seq) return;
  if (n->item[i].tries > 0) n->recovered++; /* without a question it was only late */
  n->n--;
  memmove(n->item + i, n->item + i + 1, (size_t)(n->n - i) * sizeof n->item[0]);
}

void rtc_nack_on_key(rtc_nack_t *n, int64_t seq) {
  drop_first(n, find(n, seq));
  if (seq > n->highest && n->highest >= 0) n->highest = seq - 1; /* its own packet is still to be counted */
  if (seq >= n->highest) n->want_key = false;                    /* all that was given up is older */
}

/* Each wait is an eighth of a round trip longer than the one before: a link that does not answer is asked less. */
static rtc_time_t wait_after(int tries, rtc_time_t rtt_us) {
  rtc_time_t rtt = rtt_us > RTT_MAX_US ? RTT_MAX_US : rtt_us;
  if (rtt < RTC_NACK_MIN_WAIT_US) rtt = RTC_NACK_MIN_WAIT_US;
  return rtt + rtt / 8 * (tries - 1);
}

int rtc_nack_pop(rtc_nack_t *n, int64_t *seqs, int cap, rtc_time_t rtt_us, rtc_time_t now) {
  int out = 0, kept = 0;
  for (int i = 0; i < n->n; i++) {
    rtc_nack_item_t k = n->item[i];
    if (k.at <= now && k.tries >= RTC_NACK_TRIES) {
      give_up(n, 1);
      continue;
    }
    if (k.at <= now && out < cap) {
      k.at = now + wait_after(++k.tries, rtt_us);
      seqs[out++] = k.seq;
    }
    n->item[kept++] = k;
  }
  n->n = kept;
  n->asked += (uint64_t)out;
  return out;
}

rtc_time_t rtc_nack_next_at(const rtc_nack_t *n) {
  rtc_time_t at = RTC_NEVER;
  for (int i = 0; i < n->n; i++) at = rtc_time_min(at, n->item[i].at);
  return at;
}
