#include "proto/srflx.h"

#include <string.h>

void rtc_srflx_init(rtc_srflx_t *q, uint32_t mark, const rtc_mark_key_t *key) { *q = (rtc_srflx_t){.mark = mark, .key = *key}; }

int rtc_srflx_add(rtc_srflx_t *q, uint32_t number, const rtc_path_t *path, rtc_time_t now) {
  static const uint8_t none[16];
  if (!number || !path->remote.port || memcmp(path->remote.ip, none, sizeof none) == 0) return RTC_EINVAL;
  int place = q->n;
  for (int i = 0; i < q->n; i++) {
    const rtc_srflx_query_t *e = &q->v[i];
    if (e->number == number) return RTC_EINVAL;
    bool same = rtc_path_eq(&e->path, path) && memcmp(e->path.local.ip, path->local.ip, sizeof path->local.ip) == 0;
    if (same && e->known && !e->news) place = i;
  }
  if (place == RTC_SRFLX_QUERIES) return RTC_ENOBUFS;
  q->n += place == q->n;
  q->v[place] = (rtc_srflx_query_t){.number = number, .path = *path, .at = now};
  return 0;
}

static void drop(rtc_srflx_t *q, int i) {
  q->n--;
  memmove(&q->v[i], &q->v[i + 1], (size_t)(q->n - i) * sizeof q->v[0]);
}

static void rest(rtc_srflx_query_t *e, uint64_t random, rtc_time_t now) {
  e->asking = false;
  e->sends = 0;
  e->at = now + (rtc_time_t)((750 + random % 501) * RTC_SRFLX_KEEP_MS);
}

static void on_answer(rtc_srflx_query_t *e, const rtc_stun_t *m, uint64_t random, rtc_time_t now) {
  if (m->type == RTC_STUN_BINDING_SUCCESS) {
    e->news = e->news || !e->known || !rtc_addr_eq(&e->mapped, &m->mapped);
    e->mapped = m->mapped;
    e->known = true;
  } else if (!e->known) { /* one that was answered before stays: a server may be busy */
    e->error = m->error;
    e->news = true;
  }
  rest(e, random, now);
  if (e->error) e->at = RTC_NEVER;
}

bool rtc_srflx_on_stun(rtc_srflx_t *q, const rtc_stun_t *m, const rtc_path_t *from, uint64_t random, rtc_time_t now) {
  bool success = m->type == RTC_STUN_BINDING_SUCCESS, error = m->type == RTC_STUN_BINDING_ERROR;
  if (!success && !error) return false;
  for (int i = 0; i < q->n; i++) {
    rtc_srflx_query_t *e = &q->v[i];
    if (!e->asking || memcmp(e->tid, m->tid, sizeof e->tid) || !rtc_path_eq(&e->path, from)) continue;
    if (success ? m->unknown_n || !m->has_mapped || !m->mapped.port : !m->error) return false;
    on_answer(e, m, random, now);
    return true;
  }
  return false;
}

static void give_up(rtc_srflx_query_t *e, uint64_t random, rtc_time_t now) {
  rest(e, random, now);
  if (e->known) return; /* a server that is away now may come back */
  e->error = RTC_SRFLX_NO_ANSWER;
  e->news = true;
  e->at = RTC_NEVER;
}

/* A first request waits for its turn too. */
static rtc_time_t due_at(const rtc_srflx_t *q, const rtc_srflx_query_t *e) {
  return !e->asking && e->at != RTC_NEVER && q->pace_at > e->at ? q->pace_at : e->at;
}

int rtc_srflx_pop(rtc_srflx_t *q, uint64_t random, uint8_t *out, size_t cap, rtc_path_t *path, rtc_time_t now) {
  for (int i = 0; i < q->n; i++) {
    rtc_srflx_query_t *e = &q->v[i];
    if (due_at(q, e) > now) continue;
    if (e->sends == RTC_SRFLX_SENDS) {
      give_up(e, random, now);
      continue;
    }
    if (!e->asking) rtc_mark_write(e->tid, random, q->mark, &q->key);
    rtc_wr_t w = rtc_wr(out, cap);
    rtc_stun_begin(&w, RTC_STUN_BINDING_REQUEST, e->tid);
    int n = rtc_stun_end(&w, NULL, 0);
    if (n < 0) return n;
    if (!e->asking) q->pace_at = now + RTC_MS(RTC_SRFLX_TA_MS);
    uint32_t wait = (uint32_t)RTC_SRFLX_RTO_MS << e->sends;
    e->at = now + RTC_MS(wait < RTC_SRFLX_RTO_MAX_MS ? wait : RTC_SRFLX_RTO_MAX_MS);
    e->asking = true;
    e->sends++;
    *path = e->path;
    return n;
  }
  return 0;
}

rtc_time_t rtc_srflx_next_at(const rtc_srflx_t *q) {
  rtc_time_t at = RTC_NEVER;
  for (int i = 0; i < q->n; i++) at = rtc_time_min(at, due_at(q, &q->v[i]));
  return at;
}

const rtc_srflx_query_t *rtc_srflx_due(const rtc_srflx_t *q, int *i, rtc_time_t now) {
  for (; *i < q->n; ++*i) {
    const rtc_srflx_query_t *e = &q->v[*i];
    if (e->known && !e->news && !e->asking && e->at <= now) return e;
  }
  return NULL;
}

void rtc_srflx_unused(rtc_srflx_t *q, int *i) {
  if (q->v[*i].unused) {
    drop(q, *i);
    return;
  }
  q->v[*i].unused = true;
  ++*i;
}

bool rtc_srflx_news(rtc_srflx_t *q, rtc_srflx_query_t *out) {
  for (int i = 0; i < q->n; i++) {
    if (!q->v[i].news) continue;
    q->v[i].news = false;
    *out = q->v[i];
    if (out->error) drop(q, i);
    return true;
  }
  return false;
}
