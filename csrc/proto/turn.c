/* turn: an allocation's life and its requests. */
#include "proto/turn.h"

#include "base/crypto.h"
#include "proto/turn_impl.h"

enum { PROTOCOL_UDP = 17, FAMILY_V6 = 2, CHANNEL_FIRST = 0x4000 };

static uint64_t draw(rtc_turn_t *t) { /* splitmix64 */
  uint64_t x = t->seed += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void rtc_turn_begin(rtc_turn_t *t, rtc_turn_ask_t *a, rtc_time_t now) {
  rtc_put64(a->tid, draw(t));
  rtc_put32(a->tid + 8, (uint32_t)draw(t));
  a->live = true;
  a->at = a->since = now;
  a->wait_ms = RTC_TURN_RTO_MS;
}

void rtc_turn_plan(rtc_turn_t *t) {
  t->at = RTC_NEVER;
  if (t->state == RTC_TURN_CLOSED || t->state == RTC_TURN_FAILED) return;
  t->at = t->ask.at;
  if (t->state != RTC_TURN_READY) return;
  t->at = rtc_time_min(t->at, t->expires);
  for (int i = 0; i < t->permit_n; i++)
    if (t->permit[i].grant) t->at = rtc_time_min(t->at, t->permit[i].ask.at);
  for (int i = 0; i < t->channel_n; i++)
    if (t->channel[i].number) t->at = rtc_time_min(t->at, t->channel[i].ask.at);
}

int rtc_turn_init(rtc_turn_t *t, const rtc_turn_cfg_t *cfg, rtc_time_t now) {
  size_t user = strlen(cfg->username), password = strlen(cfg->password);
  memset(t, 0, sizeof *t);
  if (!user || user > RTC_TURN_USER_MAX || password > RTC_TURN_PASSWORD_MAX) return RTC_EINVAL;
  memcpy(t->username, cfg->username, user);
  memcpy(t->password, cfg->password, password);
  t->v6 = cfg->v6;
  t->stream = cfg->stream;
  t->seed = cfg->seed;
  t->next_number = CHANNEL_FIRST;
  rtc_turn_begin(t, &t->ask, now);
  rtc_turn_plan(t);
  return 0;
}

void rtc_turn_clear(rtc_turn_t *t) { rtc_cleanse(t, sizeof *t); }

/* What there is to say in place of a server that says nothing. */
static const char *phrase(int code) {
  static const struct {
    int code;
    const char *text;
  } known[] = {
      {300, "Try Alternate"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {420, "Unknown Attribute"},
      {437, "Allocation Mismatch"},
      {438, "Stale Nonce"},
      {440, "Address Family not Supported"},
      {441, "Wrong Credentials"},
      {442, "Unsupported Transport Protocol"},
      {486, "Allocation Quota Reached"},
      {500, "Server Error"},
      {508, "Insufficient Capacity"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].code == code) return known[i].text;
  return "";
}

static void note_why(rtc_turn_t *t, int code, const uint8_t *text, size_t n) {
  t->code = (uint16_t)code;
  if (!n) text = (const uint8_t *)phrase(code), n = strlen(phrase(code));
  if (n >= sizeof t->text) n = sizeof t->text - 1;
  for (size_t i = 0; i < n; i++) t->text[i] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '?'; /* whatever bytes the server sent */
  t->text[n] = 0;
}

void rtc_turn_fail(rtc_turn_t *t, int code, const uint8_t *text, size_t n) {
  t->state = RTC_TURN_FAILED;
  note_why(t, code, text, n);
}

static void fail(rtc_turn_t *t, int code, const char *text) { rtc_turn_fail(t, code, (const uint8_t *)text, strlen(text)); }

void rtc_turn_close(rtc_turn_t *t, rtc_time_t now) {
  if (t->state != RTC_TURN_ASKING && t->state != RTC_TURN_READY) return;
  /* An Allocate that is out may have been carried out; one without a key has not. */
  t->state = t->keyed || t->state == RTC_TURN_READY ? RTC_TURN_CLOSING : RTC_TURN_CLOSED;
  t->ask.tries = 0;
  rtc_turn_begin(t, &t->ask, now);
  rtc_turn_plan(t);
}

void rtc_turn_lost(rtc_turn_t *t) {
  if (t->state == RTC_TURN_CLOSING)
    t->state = RTC_TURN_CLOSED;
  else if (t->state < RTC_TURN_CLOSED)
    fail(t, RTC_TURN_NO_ANSWER, "the connection to the server has ended");
  rtc_turn_plan(t);
}

static void put32(rtc_wr_t *w, uint16_t attr, uint32_t v) {
  uint8_t b[4];
  rtc_put32(b, v);
  rtc_stun_put(w, attr, b, sizeof b);
}

static int write_main(const rtc_turn_t *t, uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap);
  bool asking = t->state == RTC_TURN_ASKING;
  rtc_stun_begin(&w, asking ? RTC_STUN_ALLOCATE : RTC_STUN_REFRESH, t->ask.tid);
  if (asking) put32(&w, RTC_STUN_A_TRANSPORT, (uint32_t)PROTOCOL_UDP << 24);
  if (t->state == RTC_TURN_CLOSING) put32(&w, RTC_STUN_A_LIFETIME, 0);
  /* Without it the address is IPv4's, and servers from before RFC 6156 do not know it. */
  if (t->v6) put32(&w, RTC_STUN_A_FAMILY, (uint32_t)FAMILY_V6 << 24);
  rtc_turn_sign(t, &w);
  return rtc_turn_end(t, &w);
}

static int write_permit(const rtc_turn_t *t, const rtc_turn_permit_t *p, uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_addr_t peer = {.port = 0};
  memcpy(peer.ip, p->ip, sizeof peer.ip);
  rtc_stun_begin(&w, RTC_STUN_PERMIT, p->ask.tid);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, &peer, p->ask.tid);
  rtc_turn_sign(t, &w);
  return rtc_turn_end(t, &w);
}

static int write_channel(const rtc_turn_t *t, const rtc_turn_channel_t *c, uint8_t *out, size_t cap) {
  rtc_wr_t w = rtc_wr(out, cap);
  rtc_stun_begin(&w, RTC_STUN_BIND, c->ask.tid);
  put32(&w, RTC_STUN_A_CHANNEL, (uint32_t)c->number << 16);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, &c->peer, c->ask.tid);
  rtc_turn_sign(t, &w);
  return rtc_turn_end(t, &w);
}

/* Nobody answers, or it is time to refresh. */
static void main_due(rtc_turn_t *t, rtc_time_t now) {
  bool unheard = t->ask.live;
  t->ask.live = false;
  t->ask.tries = 0;
  if (t->state == RTC_TURN_CLOSING)
    t->state = RTC_TURN_CLOSED;
  else if (t->state == RTC_TURN_ASKING && t->code)
    t->state = RTC_TURN_FAILED;
  else if (t->state == RTC_TURN_ASKING)
    fail(t, RTC_TURN_NO_ANSWER, "no answer from the server");
  else
    rtc_turn_begin(t, &t->ask, unheard ? now + RTC_MS(RTC_TURN_RTO_MAX_MS) : now);
}

/* True when this request is to be sent now, false when it is given up or not under way. */
static bool sendable(const rtc_turn_t *t, const rtc_turn_ask_t *a, rtc_time_t now) {
  return a->live && now - a->since < RTC_MS(t->state == RTC_TURN_CLOSING ? RTC_TURN_GOODBYE_MS : RTC_TURN_GIVE_UP_MS);
}

static void sent(const rtc_turn_t *t, rtc_turn_ask_t *a, rtc_time_t now) {
  rtc_time_t end = a->since + RTC_MS(t->state == RTC_TURN_CLOSING ? RTC_TURN_GOODBYE_MS : RTC_TURN_GIVE_UP_MS);
  a->at = t->stream ? end : rtc_time_min(end, now + RTC_MS(a->wait_ms));
  a->wait_ms = a->wait_ms * 2 > RTC_TURN_RTO_MAX_MS ? RTC_TURN_RTO_MAX_MS : a->wait_ms * 2;
}

/* One request that is due, and what else time brings: its length, 0 or RTC_ENOBUFS. */
static int step(rtc_turn_t *t, uint8_t *out, size_t cap, rtc_time_t now) {
  int n = 0;
  if (t->ask.at <= now) {
    if (!sendable(t, &t->ask, now)) main_due(t, now);
    if (t->state >= RTC_TURN_CLOSED) return 0;
    if (t->ask.at <= now) {
      n = write_main(t, out, cap);
      if (n > 0) sent(t, &t->ask, now);
      return n;
    }
  }
  for (int i = 0; i < t->permit_n && t->state == RTC_TURN_READY; i++) {
    rtc_turn_permit_t *p = &t->permit[i];
    if (!p->grant || p->ask.at > now) continue;
    if (!sendable(t, &p->ask, now)) rtc_turn_permit_due(t, p, now);
    if (!p->grant || !sendable(t, &p->ask, now)) continue;
    n = write_permit(t, p, out, cap);
    if (n > 0) sent(t, &p->ask, now);
    return n;
  }
  for (int i = 0; i < t->channel_n && t->state == RTC_TURN_READY; i++) {
    rtc_turn_channel_t *c = &t->channel[i];
    if (!c->number || c->ask.at > now) continue;
    if (!sendable(t, &c->ask, now)) rtc_turn_channel_due(t, c, now);
    if (!c->number || !sendable(t, &c->ask, now)) continue;
    n = write_channel(t, c, out, cap);
    if (n > 0) sent(t, &c->ask, now);
    return n;
  }
  return 0;
}

int rtc_turn_pop(rtc_turn_t *t, uint8_t *out, size_t cap, rtc_time_t now) {
  if (t->at > now) return 0;
  if (t->state == RTC_TURN_READY && now >= t->expires) fail(t, RTC_TURN_NO_ANSWER, "no answer from the server to refreshes");
  int n = step(t, out, cap, now);
  rtc_turn_plan(t);
  return n;
}

/* The request that this answers, and what it was for; NULL: none. */
static rtc_turn_ask_t *asked(rtc_turn_t *t, const rtc_stun_t *m, rtc_turn_permit_t **permit, rtc_turn_channel_t **channel) {
  uint16_t method = m->type & (uint16_t)~RTC_STUN_CLASS;
  if (t->ask.live && memcmp(t->ask.tid, m->tid, RTC_STUN_TID) == 0)
    return method == (t->state == RTC_TURN_ASKING ? RTC_STUN_ALLOCATE : RTC_STUN_REFRESH) ? &t->ask : NULL;
  for (int i = 0; i < t->permit_n && method == RTC_STUN_PERMIT; i++) {
    *permit = &t->permit[i];
    if ((*permit)->grant && (*permit)->ask.live && memcmp((*permit)->ask.tid, m->tid, RTC_STUN_TID) == 0) return &(*permit)->ask;
  }
  *permit = NULL;
  for (int i = 0; i < t->channel_n && method == RTC_STUN_BIND; i++) {
    *channel = &t->channel[i];
    if ((*channel)->number && (*channel)->ask.live && memcmp((*channel)->ask.tid, m->tid, RTC_STUN_TID) == 0) return &(*channel)->ask;
  }
  *channel = NULL;
  return NULL;
}

/* A lifetime from the server, counted from when it was asked, so that it never ends there first. */
static void lives(rtc_turn_t *t, uint32_t lifetime_s) {
  const uint32_t most = 86400; /* nobody means more */
  int64_t ms = (int64_t)(lifetime_s < most ? lifetime_s : most) * 1000;
  int64_t early = ms / 2 < RTC_TURN_EARLY_MS ? ms / 2 : RTC_TURN_EARLY_MS;
  t->expires = t->ask.since + RTC_MS(ms);
  t->ask = (rtc_turn_ask_t){.at = t->expires - RTC_MS(early)};
}

static void granted(rtc_turn_t *t, const rtc_stun_t *m) {
  if (t->state == RTC_TURN_CLOSING) {
    t->state = RTC_TURN_CLOSED;
  } else if (t->state == RTC_TURN_READY) {
    if (m->has_lifetime && m->lifetime)
      lives(t, m->lifetime);
    else
      fail(t, 437, "the server has ended the allocation");
  } else if (!m->has_relayed || !m->relayed.port || rtc_addr_is_v4(&m->relayed) == t->v6 || !m->has_lifetime || !m->lifetime) {
    fail(t, 500, "the server's answer has no address of this family, or no lifetime");
  } else {
    t->state = RTC_TURN_READY;
    t->code = 0;
    t->relayed = m->relayed;
    if (m->has_mapped) t->mapped = m->mapped;
    lives(t, m->lifetime);
  }
}

static void refused(rtc_turn_t *t, const rtc_stun_t *m, rtc_time_t now) {
  if (t->state == RTC_TURN_CLOSING) {
    t->state = RTC_TURN_CLOSED;
  } else if (t->state == RTC_TURN_ASKING && m->error == 437 && t->mismatches < RTC_TURN_MISMATCHES) {
    t->mismatches++;
    rtc_turn_begin(t, &t->ask, now + RTC_MS(RTC_TURN_MISMATCH_MS));
  } else if (t->state == RTC_TURN_ASKING || m->error == 437) {
    rtc_turn_fail(t, m->error, m->reason, m->reason_len);
    /* Whether to go there is the owner's choice: it knows which addresses are none to talk to. */
    if (m->error == 300 && m->has_alternate) t->alternate = m->alternate;
  } else { /* the allocation stands until it ends */
    t->ask = (rtc_turn_ask_t){.at = now + RTC_MS(RTC_TURN_RETRY_MS)};
  }
}

static bool challenged(rtc_turn_t *t, rtc_turn_ask_t *a, const rtc_stun_t *m, rtc_time_t now) {
  int r = rtc_turn_challenge(t, m);
  if (!r) return false;
  if (a->tries < RTC_TURN_TRIES && r > 0) {
    a->tries++;
    rtc_turn_begin(t, a, now);
  } else if (a == &t->ask && t->state == RTC_TURN_ASKING) {
    rtc_turn_fail(t, m->error, m->reason, m->reason_len);
  } else { /* whoever says so has not shown that it may: wait for another answer, or the end */
    a->at = rtc_time_min(a->at, now + RTC_MS(RTC_TURN_RTO_MAX_MS));
  }
  return true;
}

int rtc_turn_on_stun(rtc_turn_t *t, const rtc_stun_t *m, const uint8_t *raw, rtc_time_t now) {
  uint16_t class = m->type & RTC_STUN_CLASS;
  bool no = class == RTC_STUN_ERROR;
  if (t->state == RTC_TURN_CLOSED || t->state == RTC_TURN_FAILED) return 0;
  if ((!no && class != RTC_STUN_SUCCESS) || no != (m->error != 0) || m->unknown_n) return 0;
  rtc_turn_permit_t *permit = NULL;
  rtc_turn_channel_t *channel = NULL;
  rtc_turn_ask_t *a = asked(t, m, &permit, &channel);
  if (!a) return 0;
  if (m->error == 401 || m->error == 438) {
    if (!challenged(t, a, m, now)) return 0;
  } else if (t->keyed && rtc_turn_check(t, m, raw) < 0) {
    if (no && t->state == RTC_TURN_ASKING) note_why(t, m->error, m->reason, m->reason_len);
    return 0;
  } else if (a == &t->ask) {
    if (no)
      refused(t, m, now);
    else
      granted(t, m);
  } else if (no && m->error == 437) { /* the server has no allocation of ours any more */
    rtc_turn_fail(t, m->error, m->reason, m->reason_len);
  } else if (permit) {
    rtc_turn_permit_answer(permit, !no, now);
  } else {
    rtc_turn_channel_answer(channel, !no, now);
  }
  rtc_turn_plan(t);
  return 1;
}
