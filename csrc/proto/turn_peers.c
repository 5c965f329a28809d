/* turn_peers: who may send to us and by what form: permissions (RFC 8656 §9), channels (§12), Send and Data indications (§11). */
#include "proto/turn_impl.h"

enum { CHANNEL_FIRST = 0x4000, CHANNEL_LAST = 0x4fff, CHANNEL_HEADER = 4, ATTR_HEADER = 4 };

static rtc_turn_permit_t *find_permit(const rtc_turn_t *t, const rtc_addr_t *peer) {
  for (int i = 0; i < t->permit_n; i++) {
    const rtc_turn_permit_t *p = &t->permit[i];
    if (p->grant && memcmp(p->ip, peer->ip, sizeof p->ip) == 0) return (rtc_turn_permit_t *)p;
  }
  return NULL;
}

static rtc_turn_channel_t *find_channel(const rtc_turn_t *t, const rtc_addr_t *peer) {
  for (int i = 0; i < t->channel_n; i++) {
    const rtc_turn_channel_t *c = &t->channel[i];
    if (c->number && rtc_addr_eq(&c->peer, peer)) return (rtc_turn_channel_t *)c;
  }
  return NULL;
}

/* In use: something was sent since it was renewed. */
static bool wanted(rtc_time_t used, rtc_time_t until, uint32_t life_ms) { return used > until - RTC_MS(life_ms); }

static void free_permit(rtc_turn_t *t, rtc_turn_permit_t *p) {
  *p = (rtc_turn_permit_t){.ask.at = RTC_NEVER};
  while (t->permit_n && !t->permit[t->permit_n - 1].grant) t->permit_n--;
}

void rtc_turn_permit_due(rtc_turn_t *t, rtc_turn_permit_t *p, rtc_time_t now) {
  bool unheard = p->ask.live; /* given up */
  p->ask.live = false;
  p->ask.tries = 0;
  if (p->grant != RTC_TURN_GRANTED || now >= p->until) {
    free_permit(t, p); /* who is sent to next asks anew */
  } else if (unheard || wanted(p->used, p->until, RTC_TURN_PERMIT_MS)) {
    rtc_turn_begin(t, &p->ask, now);
  } else {
    p->ask.at = p->until;
  }
}

void rtc_turn_permit_answer(rtc_turn_permit_t *p, bool yes, rtc_time_t now) {
  p->grant = yes ? RTC_TURN_GRANTED : RTC_TURN_REFUSED;
  p->until = now + RTC_MS(yes ? RTC_TURN_PERMIT_MS : RTC_TURN_REFUSED_MS);
  p->ask = (rtc_turn_ask_t){.at = yes ? p->until - RTC_MS(RTC_TURN_EARLY_MS) : p->until};
}

void rtc_turn_channel_due(rtc_turn_t *t, rtc_turn_channel_t *c, rtc_time_t now) {
  bool unheard = c->ask.live;
  c->ask.live = false;
  c->ask.tries = 0;
  if (c->grant == RTC_TURN_GRANTED && now < c->until) {
    if (unheard || wanted(c->used, c->until, RTC_TURN_CHANNEL_MS))
      rtc_turn_begin(t, &c->ask, now);
    else
      c->ask.at = c->until;
    return;
  }
  if (c->grant != RTC_TURN_NONE) { /* it has ended; or nobody knows whether it ever stood */
    c->until = c->grant == RTC_TURN_ASKED ? now + RTC_MS(RTC_TURN_CHANNEL_MS) : now;
    c->grant = RTC_TURN_NONE;
    c->ask.at = c->until + RTC_MS(RTC_TURN_REST_MS);
    return;
  }
  *c = (rtc_turn_channel_t){.ask.at = RTC_NEVER};
  while (t->channel_n && !t->channel[t->channel_n - 1].number) t->channel_n--;
}

void rtc_turn_channel_answer(rtc_turn_channel_t *c, bool yes, rtc_time_t now) {
  c->grant = yes ? RTC_TURN_GRANTED : RTC_TURN_REFUSED;
  c->until = now + RTC_MS(yes ? RTC_TURN_CHANNEL_MS : RTC_TURN_REFUSED_MS);
  c->ask = (rtc_turn_ask_t){.at = yes ? c->until - RTC_MS(RTC_TURN_EARLY_MS) : c->until};
}

/* Its permission, made if need be; NULL and *err. */
static rtc_turn_permit_t *permit_for(rtc_turn_t *t, const rtc_addr_t *peer, int *err, rtc_time_t now) {
  *err = RTC_ESTATE;
  if (t->state != RTC_TURN_READY && t->state != RTC_TURN_CLOSING) return NULL;
  rtc_turn_permit_t *p = find_permit(t, peer);
  *err = RTC_EAUTH;
  if (p && p->grant == RTC_TURN_REFUSED) return NULL;
  if (p) {
    p->used = now;
    if (p->grant == RTC_TURN_GRANTED && !p->ask.live && p->ask.at == p->until) { /* it was to run out */
      p->ask.at = now;
      rtc_turn_plan(t);
    }
    return p;
  }
  *err = RTC_ESTATE;
  if (t->state != RTC_TURN_READY) return NULL;
  int i = 0;
  while (i < t->permit_n && t->permit[i].grant) i++;
  *err = RTC_ENOBUFS;
  if (i == RTC_TURN_PERMITS) return NULL;
  if (i == t->permit_n) t->permit_n++;
  p = &t->permit[i];
  *p = (rtc_turn_permit_t){.grant = RTC_TURN_ASKED, .used = now};
  memcpy(p->ip, peer->ip, sizeof p->ip);
  rtc_turn_begin(t, &p->ask, now);
  rtc_turn_plan(t);
  return p;
}

int rtc_turn_meet(rtc_turn_t *t, const rtc_addr_t *peer, rtc_time_t now) {
  int err;
  return permit_for(t, peer, &err, now) ? 0 : err;
}

static bool taken(const rtc_turn_t *t, uint16_t number) {
  for (int i = 0; i < t->channel_n; i++)
    if (t->channel[i].number == number) return true;
  return false;
}

/* A channel for the peer is asked for: one that rests is bound again, under its number. */
static void open_channel(rtc_turn_t *t, rtc_turn_channel_t *c, const rtc_addr_t *peer, rtc_time_t now) {
  if (t->state != RTC_TURN_READY || (c && c->grant != RTC_TURN_NONE)) return;
  if (!c) {
    int i = 0;
    while (i < t->channel_n && t->channel[i].number) i++;
    if (i == RTC_TURN_CHANNELS) return;
    if (i == t->channel_n) t->channel_n++;
    while (taken(t, t->next_number)) t->next_number = t->next_number == CHANNEL_LAST ? CHANNEL_FIRST : (uint16_t)(t->next_number + 1);
    c = &t->channel[i];
    *c = (rtc_turn_channel_t){.peer = *peer, .number = t->next_number};
    t->next_number = t->next_number == CHANNEL_LAST ? CHANNEL_FIRST : (uint16_t)(t->next_number + 1);
  }
  c->grant = RTC_TURN_ASKED;
  c->used = now;
  rtc_turn_begin(t, &c->ask, now);
  rtc_turn_plan(t);
}

static void pad_to_four(uint8_t *end, size_t n) { memset(end, 0, (4 - n % 4) % 4); }

/* RFC 8656 §11.1: header, XOR-PEER-ADDRESS, DATA. */
static int wrap_in_send(rtc_turn_t *t, const rtc_addr_t *peer, uint8_t *p, size_t n, size_t *len) {
  const size_t head = RTC_STUN_HEADER + ATTR_HEADER + (rtc_addr_is_v4(peer) ? 8 : 20) + ATTR_HEADER;
  size_t padded = (n + 3) & ~(size_t)3;
  uint8_t tid[RTC_STUN_TID];
  rtc_put64(tid, t->seed += 0x9e3779b97f4a7c15u); /* nobody answers: it only has to differ */
  rtc_put32(tid + 8, 0);
  rtc_wr_t w = rtc_wr(p - head, head);
  rtc_stun_begin(&w, RTC_STUN_SEND, tid);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, peer, tid);
  rtc_wr16(&w, RTC_STUN_A_DATA);
  rtc_wr16(&w, (uint16_t)n);
  rtc_put16(p - head + 2, (uint16_t)(head - RTC_STUN_HEADER + padded));
  pad_to_four(p + n, n);
  *len = head + padded;
  return (int)head;
}

int rtc_turn_wrap(rtc_turn_t *t, const rtc_addr_t *peer, uint8_t *p, size_t n, bool channel, size_t *len, rtc_time_t now) {
  int err;
  rtc_turn_channel_t *c = find_channel(t, peer);
  if (n > UINT16_MAX - RTC_TURN_HEAD) return RTC_EINVAL;
  bool stands = c && c->grant == RTC_TURN_GRANTED && now < c->until;
  if (!permit_for(t, peer, &err, now)) return err;
  if (channel) open_channel(t, c, peer, now);
  if (!stands) return wrap_in_send(t, peer, p, n, len);
  c->used = now;
  if (!c->ask.live && c->ask.at == c->until) { /* it was to run out */
    c->ask.at = now;
    rtc_turn_plan(t);
  }
  rtc_put16(p - CHANNEL_HEADER, c->number);
  rtc_put16(p - CHANNEL_HEADER + 2, (uint16_t)n);
  *len = CHANNEL_HEADER + n;
  if (t->stream) {
    pad_to_four(p + n, n);
    *len = CHANNEL_HEADER + ((n + 3) & ~(size_t)3);
  }
  return CHANNEL_HEADER;
}

int rtc_turn_channel_data(const rtc_turn_t *t, const uint8_t *p, size_t n, rtc_addr_t *peer, size_t *len, rtc_time_t now) {
  if (n < CHANNEL_HEADER) return RTC_EPROTO;
  size_t inner = rtc_get16(p + 2), left = n - CHANNEL_HEADER;
  if (inner > left || left - inner > 3) return RTC_EPROTO; /* there may be padding, by UDP too (§12.5) */
  if (t->state != RTC_TURN_READY && t->state != RTC_TURN_CLOSING) return RTC_EAUTH;
  uint16_t number = rtc_get16(p);
  for (int i = 0; i < t->channel_n; i++) {
    const rtc_turn_channel_t *c = &t->channel[i];
    /* One that was asked for may stand before we hear so. */
    if (c->number != number || (c->grant != RTC_TURN_ASKED && (c->grant != RTC_TURN_GRANTED || now >= c->until))) continue;
    *peer = c->peer;
    *len = inner;
    return CHANNEL_HEADER;
  }
  return RTC_EAUTH;
}

int rtc_turn_data(const rtc_turn_t *t, const rtc_stun_t *m) {
  if (m->type != RTC_STUN_DATA || !m->has_peer || !m->data || m->unknown_n) return RTC_EPROTO;
  if (t->state != RTC_TURN_READY && t->state != RTC_TURN_CLOSING) return RTC_EAUTH;
  const rtc_turn_permit_t *p = find_permit(t, &m->peer);
  return p && p->grant != RTC_TURN_REFUSED ? 0 : RTC_EAUTH;
}
