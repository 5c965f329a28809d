/* out: the last stop before the socket. Packets wait here in sending order as plaintext. Just before they are popped, those of
 * one way (a transport's path) are moved side by side, in their order, so that they can be sent as one; and they are protected
 * together, so that a batch of viewers is one batch of ciphers. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

int rtc_out_init(rtc_out_t *o) {
  *o = (rtc_out_t){.round = 1}; /* transports begin with 0 */
  return rtc_out_reserve(o, 0);
}

int rtc_out_reserve(rtc_out_t *o, uint32_t senders) {
  uint32_t want = RTC_OUT_MAX + senders;
  if (want <= o->cap) return 0;
  if (o->cap) want += want / 4; /* not for every single one */
  rtc_out_item_t *spare = malloc(want * sizeof *spare), *v = spare ? realloc(o->v, want * sizeof *v) : NULL;
  if (!v) {
    free(spare);
    return RTC_ENOMEM;
  }
  free(o->spare);
  o->spare = spare;
  o->v = v;
  o->cap = want;
  return 0;
}

void rtc_out_clear(rtc_out_t *o) {
  for (uint32_t i = o->first; i < o->n; i++) rtc_pkt_put(o->v[i].pkt);
  free(o->v);
  free(o->spare);
  *o = (rtc_out_t){0};
}

/* What waits in chains becomes what waits side by side; the places of what was popped are free again. */
static void gather(rtc_out_t *o) {
  rtc_out_item_t *from = o->v, *to = o->spare;
  uint32_t n = o->arranged - o->first;
  memcpy(to, from + o->first, n * sizeof *to);
  for (uint32_t i = o->arranged; i < o->n; i++) {
    if (!from[i].head) continue;
    uint32_t j = i;
    do {
      to[n++] = from[j];
      j = from[j].next;
    } while (j);
  }
  o->v = to;
  o->spare = from;
  o->arranged -= o->first;
  o->sealed -= o->first;
  o->n = n;
  o->first = 0;
}

static void arrange(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  if (o->arranged == o->n) return;
  if (o->chained) {
    gather(o);
    rtc_runs_plan(h, o->v + o->arranged, o->n - o->arranged);
  }
  o->arranged = o->n;
  o->chained = false;
  o->round++;
}

static void close_up(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  arrange(h); /* chains are places */
  memmove(o->v, o->v + o->first, (o->n - o->first) * sizeof *o->v);
  o->n -= o->first;
  o->sealed -= o->first;
  o->arranged -= o->first;
  o->first = 0;
}

static bool put(rtc_hub_t *h, rtc_out_item_t item) {
  rtc_out_t *o = &h->out;
  if (o->n == o->cap && o->first) close_up(h);
  if (o->n == o->cap) {
    rtc_hub_drop(h, RTC_DROP_OUT_QUEUE);
    rtc_pkt_put(item.pkt);
    return false;
  }
  o->v[o->n++] = item;
  return true;
}

/* The newest item follows the transport's last one that waits, if that goes to the same place. */
static void chain(rtc_out_t *o, rtc_transport_t *t) {
  uint32_t here = o->n - 1;
  bool moved = !rtc_path_eq(&t->out_path, &t->consent.path);
  if (t->out_round == o->round && !moved) {
    o->v[t->out_last].next = here;
    o->v[here].head = false;
    o->chained = true;
  }
  if (moved) {
    t->out_path = t->consent.path;
    t->no_run = false;
  }
  t->out_round = o->round;
  t->out_last = here;
}

static void put_for(rtc_transport_t *t, rtc_pkt_t *k, rtc_srtp_t *srtp, int64_t index, bool video) {
  if (!t->consent.has_path) {
    rtc_pkt_put(k);
    return;
  }
  k->path = t->consent.path;
  size_t len = k->len + (srtp ? rtc_srtp_tag_len(srtp->profile) + (index < 0 ? 4 : 0) : 0);
  rtc_out_item_t item = {.pkt = k, .srtp = srtp, .index = index, .to = t, .wire = (uint16_t)len, .head = true, .video = video, .run = 1};
  if (!put(t->hub, item)) return;
  chain(&t->hub->out, t);
  t->out_packets++;
  t->out_bytes += len;
}

void rtc_out_put(rtc_transport_t *t, rtc_pkt_t *k, rtc_srtp_t *srtp, int64_t index) { put_for(t, k, srtp, index, false); }

void rtc_out_video(rtc_transport_t *t, rtc_pkt_t *k, rtc_srtp_t *srtp, int64_t index) { put_for(t, k, srtp, index, true); }

void rtc_out_to(rtc_hub_t *h, rtc_pkt_t *k, const rtc_path_t *path) {
  k->path = *path;
  put(h, (rtc_out_item_t){.pkt = k, .head = true, .run = 1});
}

/* What came of protecting an item: its new length, or an error and it is lost. */
static void settle(rtc_hub_t *h, rtc_out_item_t *i, int n) {
  i->srtp = NULL;
  if (n >= 0) {
    i->pkt->len = (uint32_t)n;
    return;
  }
  rtc_hub_drop(h, RTC_DROP_SEAL);
  rtc_pkt_put(i->pkt);
  i->pkt = NULL;
}

/* Protects the next batch of what is arranged. */
static void seal_batch(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  rtc_srtp_job_t jobs[RTC_SEAL_BATCH];
  rtc_out_item_t *items[RTC_SEAL_BATCH];
  int n = 0;
  for (; o->sealed < o->arranged && n < RTC_SEAL_BATCH; o->sealed++) {
    rtc_out_item_t *i = &o->v[o->sealed];
    if (!i->srtp) continue;
    rtc_pkt_t *k = i->pkt;
    if (i->index < 0) {
      settle(h, i, rtc_srtp_protect_rtcp(i->srtp, k->data, k->len, rtc_pkt_cap(k)));
      continue;
    }
    items[n] = i;
    jobs[n++] = (rtc_srtp_job_t){.s = i->srtp, .p = k->data, .len = k->len, .cap = rtc_pkt_cap(k), .index = i->index};
  }
  rtc_srtp_protect_batch(h->cfg.sealer, jobs, n);
  for (int i = 0; i < n; i++) settle(h, items[i], jobs[i].result);
}

void rtc_out_seal(rtc_hub_t *h) {
  arrange(h);
  while (h->out.sealed < h->out.n) seal_batch(h);
}

uint32_t rtc_hub_pending(const rtc_hub_t *h) { return h->out.n - h->out.first; }

int rtc_hub_pop(rtc_hub_t *h, rtc_pkt_t **out, int cap) {
  rtc_out_t *o = &h->out;
  arrange(h);
  int n = 0;
  while (n < cap && o->first < o->n) {
    if (o->first == o->sealed) seal_batch(h); /* no earlier: it is still in the cache when it is sent */
    rtc_out_item_t *i = &o->v[o->first];
    if (n && i->run > cap - n) break; /* the whole run the next time */
    o->first++;
    rtc_pkt_t *k = i->pkt;
    if (!k) continue;
    k->tag[RTC_PKT_RUN] = i->run ? RTC_RUN_ALONE : RTC_RUN_JOINS;
    h->st.out_packets++;
    h->st.out_bytes += k->len;
    out[n++] = k;
  }
  if (o->first == o->n) o->first = o->sealed = o->arranged = o->n = 0;
  return n;
}
