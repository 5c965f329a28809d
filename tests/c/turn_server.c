#include "turn_server.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"

void turn_server_init(turn_server_t *s, const rtc_addr_t *addr, turn_send_t send, void *arg) {
  *s = (turn_server_t){.addr = *addr,
                       .relay = *addr,
                       .user = "alice",
                       .password = "secret of alice",
                       .realm = "example.org",
                       .nonce = "first-nonce",
                       .lifetime = 600,
                       .send = send,
                       .arg = arg};
}

int turn_server_alive(const turn_server_t *s, rtc_time_t now) {
  int n = 0;
  for (int i = 0; i < TURN_ALLOCATIONS; i++) n += s->v[i].client.port && s->v[i].until > now;
  return n;
}

static size_t key_of(const turn_server_t *s, uint8_t key[64]) {
  char text[512];
  int n = snprintf(text, sizeof text, "%s:%s:%s", s->user, s->realm, s->wrong_key ? "another" : s->password);
  if (s->sha256) return rtc_sha(256, (const uint8_t *)text, (size_t)n, key) == 32 ? 32 : 0;
  return rtc_md5((const uint8_t *)text, (size_t)n, key) == 0 ? 16 : 0;
}

static void put_algorithms(rtc_wr_t *w) {
  static const uint8_t both[8] = {0, 2, 0, 0, 0, 1, 0, 0};
  rtc_stun_put(w, RTC_STUN_A_ALGORITHMS, both, sizeof both);
}

static void finish(turn_server_t *s, rtc_wr_t *w, const rtc_addr_t *to, bool sign) {
  uint8_t key[64];
  size_t n = key_of(s, key);
  int len = !sign ? rtc_stun_end(w, NULL, 0) : s->sha256 ? rtc_stun_end256(w, key, n) : rtc_stun_end(w, key, n);
  if (len > 0) s->send(s->arg, &s->addr, to, w->start, (size_t)len);
  s->answers++;
}

static void no(turn_server_t *s, const rtc_stun_t *m, const rtc_addr_t *to, int code, bool sign) {
  uint8_t out[1024];
  rtc_wr_t w = rtc_wr(out, sizeof out);
  rtc_stun_begin(&w, m->type | RTC_STUN_ERROR, m->tid);
  rtc_stun_put_error(&w, code, code == 401 ? "Unauthorized" : code == 438 ? "Stale Nonce" : NULL);
  if (code == 401 || code == 438) {
    rtc_stun_put(&w, RTC_STUN_A_REALM, s->realm, strlen(s->realm));
    rtc_stun_put(&w, RTC_STUN_A_NONCE, s->nonce, strlen(s->nonce));
    if (s->sha256) put_algorithms(&w);
    s->challenges += code == 401;
    s->stale += code == 438;
  }
  if (code == 300) {
    uint8_t v[8] = {0, 1};
    rtc_put16(v + 2, s->alternate.port);
    memcpy(v + 4, s->alternate.ip + 12, 4);
    rtc_stun_put(&w, RTC_STUN_A_ALTERNATE, v, sizeof v);
  }
  finish(s, &w, to, sign && !s->unsigned_no);
}

/* The server's own check: 0, or the error to answer with. */
static int judge(turn_server_t *s, const rtc_stun_t *m, const uint8_t *p) {
  uint8_t key[64], hash[64];
  char text[256];
  bool wrong = s->wrong_key;
  s->wrong_key = false;
  size_t n = key_of(s, key);
  s->wrong_key = wrong;
  if (!m->nonce || !m->realm) return 401;
  if (m->nonce_len != strlen(s->nonce) || memcmp(m->nonce, s->nonce, m->nonce_len) != 0) return 438;
  if (s->sha256) {
    int len = snprintf(text, sizeof text, "%s:%s", s->user, s->realm);
    if (rtc_sha(256, (const uint8_t *)text, (size_t)len, hash) != 32) return 500;
    return !m->username && m->algorithms && rtc_stun_check256(m, p, key, n) == 0 ? 0 : 401;
  }
  if (!m->username || m->username_len != strlen(s->user) || memcmp(m->username, s->user, m->username_len) != 0) return 401;
  return rtc_stun_check(m, p, key, n) == 0 ? 0 : 401;
}

static turn_allocation_t *of_client(turn_server_t *s, const rtc_addr_t *client, rtc_time_t now) {
  for (int i = 0; i < TURN_ALLOCATIONS; i++)
    if (rtc_addr_eq(&s->v[i].client, client) && s->v[i].until > now) return &s->v[i];
  return NULL;
}

/* An attribute that the parser has no view of. */
static const uint8_t *attribute(const uint8_t *p, size_t n, uint16_t want) {
  for (size_t at = RTC_STUN_HEADER; at + 4 <= n; at += 4 + ((rtc_get16(p + at + 2) + 3u) & ~3u))
    if (rtc_get16(p + at) == want) return p + at + 4;
  return NULL;
}

static void permit(turn_allocation_t *a, const rtc_addr_t *peer, rtc_time_t now) {
  int i = 0;
  while (i < a->permit_n && memcmp(a->permit[i].ip, peer->ip, 16) != 0) i++;
  if (i == TURN_PEERS) return;
  if (i == a->permit_n) a->permit_n++;
  memcpy(a->permit[i].ip, peer->ip, 16);
  a->permit[i].until = now + RTC_SEC(300);
}

static bool permitted(const turn_allocation_t *a, const rtc_addr_t *peer, rtc_time_t now) {
  for (int i = 0; i < a->permit_n; i++)
    if (memcmp(a->permit[i].ip, peer->ip, 16) == 0) return a->permit[i].until > now;
  return false;
}

/* 0 or an error: neither half of a binding may be another's (RFC 8656 §12.2). */
static int bind_channel(turn_allocation_t *a, uint16_t number, const rtc_addr_t *peer, rtc_time_t now) {
  int i = 0;
  if (number < 0x4000 || number > 0x4fff) return 400;
  for (; i < a->channel_n; i++) {
    bool same_number = a->channel[i].number == number, same_peer = rtc_addr_eq(&a->channel[i].peer, peer);
    if (same_number && same_peer) break;
    if ((same_number || same_peer) && a->channel[i].until > now) return 400;
  }
  if (i == TURN_PEERS) return 508;
  if (i == a->channel_n) a->channel_n++;
  a->channel[i].number = number;
  a->channel[i].peer = *peer;
  a->channel[i].until = now + RTC_SEC(600);
  permit(a, peer, now);
  return 0;
}

static void on_request(turn_server_t *s, const rtc_addr_t *from, const rtc_stun_t *m, const uint8_t *p, size_t n, rtc_time_t now) {
  uint8_t out[512], v[4];
  const uint8_t *found;
  if (m->type < 16) s->requests[m->type]++;
  if (s->silent) return;
  int err = judge(s, m, p);
  if (err) {
    no(s, m, from, err, false);
    return;
  }
  turn_allocation_t *a = of_client(s, from, now);
  rtc_wr_t w = rtc_wr(out, sizeof out);
  rtc_stun_begin(&w, m->type | RTC_STUN_SUCCESS, m->tid);
  switch (m->type) {
    case RTC_STUN_ALLOCATE:
      found = attribute(p, n, RTC_STUN_A_TRANSPORT);
      if (s->refuse || !found || found[0] != 17) {
        no(s, m, from, s->refuse ? s->refuse : 442, true);
        return;
      }
      for (int i = 0; !a && i < TURN_ALLOCATIONS; i++) {
        if (s->v[i].client.port && s->v[i].until > now) continue;
        a = &s->v[i];
        *a = (turn_allocation_t){.client = *from, .relayed = s->relay};
        a->relayed.port = (uint16_t)(50000 + i);
      }
      if (!a) {
        no(s, m, from, 486, true);
        return;
      }
      a->until = now + RTC_SEC(s->lifetime);
      rtc_stun_put_xor_addr(&w, RTC_STUN_A_RELAYED, &a->relayed, m->tid);
      rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, from, m->tid);
      rtc_put32(v, s->lifetime);
      rtc_stun_put(&w, RTC_STUN_A_LIFETIME, v, 4);
      break;
    case RTC_STUN_REFRESH:
      if (!a) {
        no(s, m, from, 437, true);
        return;
      }
      a->until = m->has_lifetime && !m->lifetime ? now : now + RTC_SEC(s->lifetime);
      rtc_put32(v, m->has_lifetime && !m->lifetime ? 0 : s->lifetime);
      rtc_stun_put(&w, RTC_STUN_A_LIFETIME, v, 4);
      break;
    case RTC_STUN_PERMIT:
    case RTC_STUN_BIND:
      found = attribute(p, n, RTC_STUN_A_CHANNEL);
      err = !a ? 437 : s->refuse_peer ? s->refuse_peer : !m->has_peer || (m->type == RTC_STUN_BIND && !found) ? 400 : 0;
      if (!err && m->type == RTC_STUN_BIND) err = bind_channel(a, rtc_get16(found), &m->peer, now);
      if (err) {
        no(s, m, from, err, true);
        return;
      }
      permit(a, &m->peer, now);
      break;
    default:
      no(s, m, from, 400, true);
      return;
  }
  finish(s, &w, from, !s->unsigned_yes);
}

static void from_client(turn_server_t *s, const rtc_addr_t *from, const uint8_t *p, size_t n, rtc_time_t now) {
  rtc_stun_t m;
  turn_allocation_t *a = of_client(s, from, now);
  if (n >= 4 && (p[0] & 0xc0) == 0x40) {
    size_t len = rtc_get16(p + 2);
    for (int i = 0; a && i < a->channel_n; i++) {
      if (a->channel[i].number != rtc_get16(p) || a->channel[i].until <= now || len > n - 4) continue;
      if (!permitted(a, &a->channel[i].peer, now)) break;
      s->channel_data++;
      s->send(s->arg, &a->relayed, &a->channel[i].peer, p + 4, len);
      return;
    }
    s->dropped++;
    return;
  }
  if (rtc_stun_parse(&m, p, n) < 0) return;
  if (m.type != RTC_STUN_SEND) {
    if (!(m.type & RTC_STUN_CLASS)) on_request(s, from, &m, p, n, now);
    return;
  }
  if (!a || !m.has_peer || !m.data || !permitted(a, &m.peer, now)) {
    s->dropped++;
    return;
  }
  s->indications++;
  s->send(s->arg, &a->relayed, &m.peer, m.data, m.data_len);
}

static void from_peer(turn_server_t *s, turn_allocation_t *a, const rtc_addr_t *from, const uint8_t *p, size_t n, rtc_time_t now) {
  uint8_t out[2048];
  if (!permitted(a, from, now)) {
    s->dropped++;
    return;
  }
  for (int i = 0; i < a->channel_n; i++) {
    if (!rtc_addr_eq(&a->channel[i].peer, from) || a->channel[i].until <= now) continue;
    rtc_put16(out, a->channel[i].number);
    rtc_put16(out + 2, (uint16_t)n);
    memcpy(out + 4, p, n);
    s->channel_data++;
    s->send(s->arg, &s->addr, &a->client, out, n + 4);
    return;
  }
  static const uint8_t tid[12] = "indication!";
  rtc_wr_t w = rtc_wr(out, sizeof out);
  rtc_stun_begin(&w, RTC_STUN_DATA, tid);
  rtc_stun_put_xor_addr(&w, RTC_STUN_A_PEER, from, tid);
  rtc_stun_put(&w, RTC_STUN_A_DATA, p, n);
  int len = rtc_stun_end(&w, NULL, 0);
  s->indications++;
  if (len > 0) s->send(s->arg, &s->addr, &a->client, out, (size_t)len);
}

void turn_server_in(turn_server_t *s, const rtc_addr_t *from, const rtc_addr_t *to, const uint8_t *p, size_t n, rtc_time_t now) {
  if (rtc_addr_eq(to, &s->addr)) {
    from_client(s, from, p, n, now);
    return;
  }
  for (int i = 0; i < TURN_ALLOCATIONS; i++)
    if (rtc_addr_eq(to, &s->v[i].relayed) && s->v[i].client.port && s->v[i].until > now) from_peer(s, &s->v[i], from, p, n, now);
}
