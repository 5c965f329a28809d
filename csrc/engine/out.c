/* out: from what waits to what is ready for the socket. */
#include "engine/out.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/state.h"

int rtc_out_init(rtc_out_t *o) {
  *o = (rtc_out_t){.round = 1}; /* transports begin with 0 */
  o->fan = calloc(RTC_FANS_MAX, sizeof *o->fan);
  return o->fan ? rtc_out_reserve(o, 0) : RTC_ENOMEM;
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

static void free_fans(rtc_out_t *o) {
  while (o->fan_n) rtc_pkt_put(o->fan[--o->fan_n].m.pkt);
}

void rtc_out_clear(rtc_out_t *o) {
  for (uint32_t i = o->first; i < o->n; i++) rtc_pkt_put(o->v[i].pkt);
  free_fans(o);
  free(o->fan);
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

/* A place for one more; NULL: there is none. */
static rtc_out_item_t *place(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  if (o->n == o->cap && o->first) close_up(h);
  if (o->n == o->cap) {
    rtc_hub_drop(h, RTC_DROP_OUT_QUEUE);
    return NULL;
  }
  if (o->first == o->n) o->leave_at = o->window_us ? h->st.now + o->window_us : RTC_NEVER;
  return &o->v[o->n++];
}

/* The newest item follows the transport's last one that waits, if that goes to the same place. */
static void chain(rtc_out_t *o, rtc_transport_t *t) {
  uint32_t here = o->n - 1;
  bool moved = !rtc_path_eq(&t->out_path, &t->path);
  if (t->out_round == o->round && !moved) {
    o->v[t->out_last].next = here;
    o->v[here].head = false;
    o->chained = true;
  }
  if (moved) t->no_run = false;
  t->out_path = t->path;
  t->out_round = o->round;
  t->out_last = here;
}

static bool put_for(rtc_transport_t *t, const rtc_out_item_t *item, size_t len) {
  rtc_out_item_t *i = t->has_path ? place(t->hub) : NULL;
  if (!i) return false;
  *i = *item;
  i->to = t;
  i->wire = (uint16_t)len;
  i->head = true;
  i->run = 1;
  chain(&t->hub->out, t);
  t->out_packets++;
  t->out_bytes += len;
  return true;
}

static void put_packet(rtc_transport_t *t, const rtc_out_item_t *item, size_t overhead) {
  rtc_pkt_t *k = item->pkt;
  if (put_for(t, item, k->len + overhead))
    k->path = t->path;
  else
    rtc_pkt_put(k);
}

void rtc_out_clear_text(rtc_transport_t *t, rtc_pkt_t *k) {
  if (t->has_path) rtc_captured(t, &t->path, RTC_KIND_DTLS, true, k->data, k->len, t->hub->st.now);
  put_packet(t, &(rtc_out_item_t){.pkt = k}, 0);
}

void rtc_out_rtcp(rtc_transport_t *t, rtc_pkt_t *k) {
  put_packet(t, &(rtc_out_item_t){.pkt = k, .kind = RTC_OUT_RTCP}, rtc_srtp_tag_len(t->tx.profile) + 4);
}

void rtc_out_rtp(rtc_transport_t *t, rtc_pkt_t *k, int64_t index, rtc_stamps_t at, bool video) {
  put_packet(t, &(rtc_out_item_t){.pkt = k, .kind = RTC_OUT_RTP, .index = index, .at = at, .video = video},
             rtc_srtp_tag_len(t->tx.profile));
}

void rtc_out_to(rtc_hub_t *h, rtc_pkt_t *k, const rtc_path_t *path) {
  if (path->sock & RTC_RELAYED_SOCK) rtc_relayed_meet(h, path, h->st.now);
  rtc_out_item_t *i = place(h);
  if (!i) {
    rtc_pkt_put(k);
    return;
  }
  k->path = *path;
  *i = (rtc_out_item_t){.pkt = k, .head = true, .run = 1};
}

rtc_fan_t *rtc_out_fan(rtc_hub_t *h, const rtc_media_t *m) {
  rtc_out_t *o = &h->out;
  if (o->fan_n == RTC_FANS_MAX) rtc_out_seal(h);
  rtc_fan_t *f = &o->fan[o->fan_n++];
  f->m = *m;
  f->head_n = 0;
  rtc_pkt_ref(m->pkt);
  return f;
}

void rtc_out_copy(rtc_transport_t *t, const rtc_out_item_t *copy) {
  rtc_out_item_t i = *copy;
  const rtc_head_t *d = &i.fan->head[i.form];
  i.kind = RTC_OUT_RTP;
  i.at = d->at;
  put_for(t, &i, (size_t)d->len + i.fan->m.rtp.payload_len + rtc_srtp_tag_len(t->tx.profile));
}

/* The copy that a note stands for. */
static void make(rtc_hub_t *h, rtc_out_item_t *i) {
  rtc_pkt_t *k = i->pkt = rtc_pkt_get(h->pool);
  if (k) {
    rtc_fan_copy(i->fan, i->form, k, i->pt, i->index, i->ts, i->ssrc);
    k->path = i->to->out_path;
  } else {
    rtc_hub_drop(h, RTC_DROP_POOL);
  }
  i->fan = NULL;
}

/* RFC 3550 §5.1: the P bit, and the last byte counts the padding, itself included. */
static void pad(rtc_pkt_t *k, uint8_t n) {
  memset(k->data + k->len, 0, n - 1u);
  k->len += n;
  k->data[k->len - 1] = n;
  k->data[0] |= 0x20;
}

static void stamp(rtc_hub_t *h, rtc_out_item_t *i) {
  rtc_pkt_t *k = i->pkt;
  if (i->at.abs_send_time) rtc_put24(k->data + i->at.abs_send_time, rtc_abs_send_time(h->st.now));
  if (i->at.twcc) rtc_put16(k->data + i->at.twcc, i->to->twcc_next++);
}

/* What came of protecting an item: its new length, or an error and it is lost. */
static void settle(rtc_hub_t *h, rtc_out_item_t *i, int n) {
  if (n >= 0) {
    i->pkt->len = (uint32_t)n;
    return;
  }
  rtc_hub_drop(h, RTC_DROP_SEAL);
  rtc_pkt_put(i->pkt);
  i->pkt = NULL;
}

/* What later items will touch of their transports, which lie anywhere: first where the keys are, then what is found there. */
static void fetch(const rtc_out_item_t *i, const rtc_out_item_t *end) {
  enum { FAR = 8, NEAR = 4 };
  if (i + FAR < end && i[FAR].to) {
    const rtc_transport_t *t = i[FAR].to;
    __builtin_prefetch(&t->keyed, 1);
    __builtin_prefetch(&t->out_path);
    __builtin_prefetch(&t->tx);
    __builtin_prefetch(&t->tx.salt_rtp);
    __builtin_prefetch(&t->tx.src);
  }
  if (i + NEAR < end && i[NEAR].to) rtc_srtp_prefetch(&i[NEAR].to->tx);
}

/* Makes and protects the next batch of what is arranged. */
static void seal_batch(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  rtc_srtp_job_t jobs[RTC_SEAL_BATCH];
  rtc_out_item_t *items[RTC_SEAL_BATCH];
  int n = 0;
  for (; o->sealed < o->arranged && n < RTC_SEAL_BATCH; o->sealed++) {
    rtc_out_item_t *i = &o->v[o->sealed];
    fetch(i, o->v + o->arranged);
    if (i->kind == RTC_OUT_CLEAR) continue;
    if (i->fan) make(h, i);
    rtc_pkt_t *k = i->pkt;
    if (!k) continue;
    if (i->kind == RTC_OUT_RTCP) {
      rtc_captured(i->to, &k->path, RTC_KIND_RTCP, true, k->data, k->len, h->st.now);
      settle(h, i, rtc_srtp_protect_rtcp(&i->to->tx, k->data, k->len, rtc_pkt_cap(k)));
      continue;
    }
    stamp(h, i);
    if (i->pad) pad(k, i->pad);
    rtc_captured(i->to, &k->path, RTC_KIND_RTP, true, k->data, k->len, h->st.now);
    items[n] = i;
    jobs[n++] = (rtc_srtp_job_t){.s = &i->to->tx, .p = k->data, .len = k->len, .cap = rtc_pkt_cap(k), .index = i->index};
  }
  if (o->sealed == o->n) free_fans(o);
  rtc_srtp_protect_batch(h->cfg.sealer, jobs, n);
  for (int i = 0; i < n; i++) settle(h, items[i], jobs[i].result);
}

void rtc_out_seal(rtc_hub_t *h) {
  arrange(h);
  while (h->out.sealed < h->out.n) seal_batch(h);
}

uint32_t rtc_hub_pending(const rtc_hub_t *h) { return h->out.n - h->out.first; }

void rtc_hub_window(rtc_hub_t *h, int64_t window_us) {
  h->out.window_us = window_us < 0 ? 0 : window_us > RTC_WINDOW_MAX_US ? RTC_WINDOW_MAX_US : window_us;
  if (!h->out.window_us) h->out.leave_at = RTC_NEVER;
}

rtc_time_t rtc_out_next_at(const rtc_out_t *o) { return o->n > o->first ? o->leave_at : RTC_NEVER; }

/* Half of the room is enough for what comes until the next look. */
static bool held(const rtc_hub_t *h) {
  const rtc_out_t *o = &h->out;
  return o->leave_at != RTC_NEVER && o->leave_at > h->st.now && o->sealed == o->first && o->n - o->first < RTC_OUT_MAX / 2 &&
         o->fan_n < RTC_FANS_MAX / 2;
}

int rtc_hub_pop(rtc_hub_t *h, rtc_pkt_t **out, int cap) {
  rtc_out_t *o = &h->out;
  if (held(h)) return 0;
  arrange(h);
  int n = 0;
  while (n < cap && o->first < o->n) {
    if (o->first == o->sealed) seal_batch(h); /* no earlier: it is still in the cache when it is sent */
    rtc_out_item_t *i = &o->v[o->first];
    if (n && i->run > cap - n) break; /* the whole run the next time */
    o->first++;
    rtc_pkt_t *k = i->pkt;
    if (!k) continue;
    if ((k->path.sock & RTC_RELAYED_SOCK) && !rtc_relayed_wrap(h, k)) {
      rtc_pkt_put(k);
      continue;
    }
    k->tag[RTC_PKT_RUN] = i->run ? RTC_RUN_ALONE : RTC_RUN_JOINS;
    h->st.out_packets++;
    h->st.out_bytes += k->len;
    out[n++] = k;
  }
  if (o->first == o->n) o->first = o->sealed = o->arranged = o->n = 0;
  return n;
}
