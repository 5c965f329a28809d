/* out: the last stop before the socket. Packets wait here in sending order as plaintext and are protected together just
 * before they are popped, so that a batch of viewers is one batch of ciphers. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

int rtc_out_init(rtc_out_t *o) {
  *o = (rtc_out_t){0};
  return rtc_out_reserve(o, 0);
}

int rtc_out_reserve(rtc_out_t *o, uint32_t senders) {
  uint32_t want = RTC_OUT_MAX + senders;
  if (want <= o->cap) return 0;
  if (o->cap) want += want / 4; /* not for every single one */
  rtc_out_item_t *v = realloc(o->v, want * sizeof *v);
  if (!v) return RTC_ENOMEM;
  o->v = v;
  o->cap = want;
  return 0;
}

void rtc_out_clear(rtc_out_t *o) {
  for (uint32_t i = o->first; i < o->n; i++) rtc_pkt_put(o->v[i].pkt);
  free(o->v);
  *o = (rtc_out_t){0};
}

/* The places of what was popped are free again. */
static void close_up(rtc_out_t *o) {
  memmove(o->v, o->v + o->first, (o->n - o->first) * sizeof *o->v);
  o->n -= o->first;
  o->sealed -= o->first;
  o->first = 0;
}

static bool put(rtc_hub_t *h, rtc_pkt_t *k, rtc_srtp_t *srtp, int64_t index) {
  rtc_out_t *o = &h->out;
  if (o->n == o->cap && o->first) close_up(o);
  if (o->n == o->cap) {
    rtc_hub_drop(h, RTC_DROP_OUT_QUEUE);
    rtc_pkt_put(k);
    return false;
  }
  o->v[o->n++] = (rtc_out_item_t){k, srtp, index};
  return true;
}

void rtc_out_put(rtc_transport_t *t, rtc_pkt_t *k, rtc_srtp_t *srtp, int64_t index) {
  if (!t->consent.has_path) {
    rtc_pkt_put(k);
    return;
  }
  k->path = t->consent.path;
  size_t len = k->len + (srtp ? rtc_srtp_tag_len(srtp->profile) + (index < 0 ? 4 : 0) : 0);
  if (!put(t->hub, k, srtp, index)) return;
  t->out_packets++;
  t->out_bytes += len;
}

void rtc_out_to(rtc_hub_t *h, rtc_pkt_t *k, const rtc_path_t *path) {
  k->path = *path;
  put(h, k, NULL, 0);
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

void rtc_out_seal(rtc_hub_t *h) {
  rtc_out_t *o = &h->out;
  rtc_srtp_job_t jobs[RTC_SEAL_BATCH];
  rtc_out_item_t *items[RTC_SEAL_BATCH];
  while (o->sealed < o->n) {
    int n = 0;
    for (; o->sealed < o->n && n < RTC_SEAL_BATCH; o->sealed++) {
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
}

uint32_t rtc_hub_pending(const rtc_hub_t *h) { return h->out.n - h->out.first; }

int rtc_hub_pop(rtc_hub_t *h, rtc_pkt_t **out, int cap) {
  rtc_out_t *o = &h->out;
  rtc_out_seal(h);
  int n = 0;
  while (n < cap && o->first < o->n) {
    rtc_pkt_t *k = o->v[o->first++].pkt;
    if (!k) continue;
    h->st.out_packets++;
    h->st.out_bytes += k->len;
    out[n++] = k;
  }
  if (o->first == o->n) o->first = o->sealed = o->n = 0;
  return n;
}
