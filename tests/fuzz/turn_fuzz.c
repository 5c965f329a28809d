/* turn: a client whose server is the input: answers as they come, the same signed with the right key or with none under the transaction id
 * of the latest request, data both ways, and time.
 * Input: mode (1 byte: bit 0 stream, bit 1 IPv6), then records: what (1 byte), length (2), bytes. */
#include "base/crypto.h"
#include "fuzz.h"
#include "proto/turn.h"

enum { RECORDS = 100 };

typedef struct world {
  rtc_turn_t t;
  rtc_time_t now;
  uint8_t request[RTC_TURN_REQUEST_MAX]; /* the latest */
  size_t request_n;
} world_t;

static void settle(world_t *w) {
  int n, rounds = 0;
  uint8_t out[RTC_TURN_REQUEST_MAX];
  while ((n = rtc_turn_pop(&w->t, out, sizeof out, w->now)) != 0) {
    rtc_stun_t m;
    MUST(n > 0 && rtc_stun_parse(&m, out, (size_t)n) == 0 && rounds++ < 1000);
    MUST(m.has_integrity256 == (w->t.keyed && w->t.sha256) && m.has_integrity == (w->t.keyed && !w->t.sha256));
    memcpy(w->request, out, (size_t)n);
    w->request_n = (size_t)n;
  }
  MUST(rtc_turn_next_at(&w->t) > w->now);
  MUST(w->t.permit_n <= RTC_TURN_PERMITS && w->t.channel_n <= RTC_TURN_CHANNELS && strlen(w->t.text) < sizeof w->t.text);
}

static void pass(world_t *w, rtc_time_t us) {
  rtc_time_t end = w->now + us;
  for (int steps = 0; steps < 2000 && rtc_turn_next_at(&w->t) <= end; steps++) {
    w->now = rtc_turn_next_at(&w->t);
    settle(w);
  }
  if (end > w->now && rtc_turn_next_at(&w->t) > end) w->now = end;
}

/* A message of this type with these attributes, under this id. */
static int make(const world_t *w, uint8_t *out, size_t cap, uint16_t type, const uint8_t *tid, const uint8_t *p, size_t n, bool sign) {
  rtc_wr_t b = rtc_wr(out, cap);
  rtc_stun_begin(&b, type & 0x3fff, tid);
  for (size_t at = 0; n - at >= 4;) {
    uint16_t attr = rtc_get16(p + at), len = rtc_get16(p + at + 2);
    at += 4;
    if (len > n - at) break;
    if (attr != RTC_STUN_A_FINGERPRINT) rtc_stun_put(&b, attr, p + at, len);
    size_t padded = ((size_t)len + 3) & ~(size_t)3;
    if (padded > n - at) break;
    at += padded;
  }
  if (!sign || !w->t.keyed) return rtc_stun_end(&b, NULL, 0);
  return w->t.sha256 ? rtc_stun_end256(&b, w->t.key, 32) : rtc_stun_end(&b, w->t.key, 16);
}

static void deliver(world_t *w, const uint8_t *bytes, size_t n) {
  uint8_t *p = fuzz_copy(bytes, n);
  rtc_stun_t m;
  rtc_addr_t peer;
  size_t len;
  static rtc_turn_t before;
  before = w->t;
  if (n && (p[0] & 0xc0) == 0x40) {
    int off = rtc_turn_channel_data(&w->t, p, n, &peer, &len, w->now);
    MUST(off == RTC_EPROTO || off == RTC_EAUTH || (off == 4 && len <= n - 4));
  } else if (rtc_stun_parse(&m, p, n) == 0 && m.type == RTC_STUN_DATA) {
    int err = rtc_turn_data(&w->t, &m);
    MUST(err == RTC_EPROTO || err == RTC_EAUTH || (err == 0 && m.data && m.has_peer));
  } else if (rtc_stun_parse(&m, p, n) == 0) {
    bool authentic = (w->t.sha256 ? rtc_stun_check256(&m, p, w->t.key, 32) : rtc_stun_check(&m, p, w->t.key, 16)) == 0;
    int taken = rtc_turn_on_stun(&w->t, &m, p, w->now);
    if (before.keyed && !authentic && m.error != 401 && m.error != 438) MUST(!taken);
    if (taken && w->t.state == RTC_TURN_READY) MUST(w->t.relayed.port && rtc_addr_is_v4(&w->t.relayed) != w->t.v6);
    if (!taken) { /* but for what is told when nothing better comes */
      before.code = w->t.code;
      memcpy(before.text, w->t.text, sizeof before.text);
      MUST(memcmp(&before, &w->t, sizeof before) == 0);
    }
    settle(w);
  }
  fuzz_free(p, n);
}

/* What a server would say to the latest request. */
static void good_answer(world_t *w, bool challenge, uint8_t what) {
  static const char *const nonces[] = {"n", "obMatJos2wAAA", "obMatJos2gAAA", "other"};
  static const uint8_t both[8] = {0, 2, 0, 0, 0, 1, 0, 0};
  uint8_t attrs[256], out[512], lifetime[4];
  if (w->request_n < RTC_STUN_HEADER) return;
  uint16_t type = rtc_get16(w->request);
  const uint8_t *tid = w->request + 8;
  rtc_wr_t b = rtc_wr(attrs, sizeof attrs);
  if (challenge) {
    rtc_stun_put_error(&b, what & 16 ? 438 : 401, "x");
    rtc_stun_put(&b, RTC_STUN_A_REALM, "r", 1);
    const char *nonce = nonces[what >> 5 & 3];
    rtc_stun_put(&b, RTC_STUN_A_NONCE, nonce, strlen(nonce));
    if (strlen(nonce) > 5) rtc_stun_put(&b, RTC_STUN_A_ALGORITHMS, both, sizeof both);
  } else {
    rtc_addr_t a = {.port = 50000};
    if (!w->t.v6) memset(a.ip + 10, 0xff, 2);
    a.ip[0] = w->t.v6 ? 0x20 : 0;
    rtc_put32(lifetime, what & 16 ? 30 : 600);
    rtc_stun_put(&b, RTC_STUN_A_LIFETIME, lifetime, 4);
    rtc_stun_put_xor_addr(&b, RTC_STUN_A_RELAYED, &a, tid);
  }
  uint16_t class = challenge ? RTC_STUN_ERROR : RTC_STUN_SUCCESS;
  int n = make(w, out, sizeof out, type | class, tid, attrs, rtc_wr_len(&b), !challenge);
  MUST(n > 0);
  deliver(w, out, (size_t)n);
}

static void wrap(world_t *w, uint8_t what, const uint8_t *p, size_t n) {
  size_t room = RTC_TURN_HEAD + n + RTC_TURN_TAIL, len;
  uint8_t *b = fuzz_room(room);
  if (n) memcpy(b + RTC_TURN_HEAD, p, n);
  rtc_addr_t peer = {.port = (uint16_t)(1 + (what >> 6))};
  memset(peer.ip + 10, 0xff, 2);
  peer.ip[15] = what >> 5 & 1;
  if (what & 16) peer.ip[0] = 0x20;
  int r = rtc_turn_meet(&w->t, &peer, w->now);
  settle(w);
  if (r == 0) r = rtc_turn_wrap(&w->t, &peer, b + RTC_TURN_HEAD, n, what & 8, &len, w->now);
  MUST(r == RTC_ESTATE || r == RTC_EAUTH || r == RTC_ENOBUFS || (r >= 4 && r <= RTC_TURN_HEAD && len <= (size_t)r + n + RTC_TURN_TAIL));
  if (r > 0 && n) MUST(memcmp(b + RTC_TURN_HEAD, p, n) == 0);
  settle(w);
  fuzz_free(b, room);
}

void fuzz_one(const uint8_t *data, size_t size) {
  static world_t w;
  rtc_rd_t r = rtc_rd(data, size);
  uint8_t mode = rtc_rd8(&r), out[2048];
  rtc_turn_cfg_t cfg = {.username = "u", .password = "p", .stream = mode & 1, .v6 = mode & 2, .seed = 1};
  w = (world_t){.now = RTC_SEC(1)};
  MUST(rtc_turn_init(&w.t, &cfg, w.now) == 0);
  settle(&w);
  for (int i = 0; i < RECORDS && rtc_rd_left(&r) >= 3; i++) {
    uint8_t what = rtc_rd8(&r);
    size_t n = rtc_rd16(&r) % 1400;
    if (n > rtc_rd_left(&r)) n = rtc_rd_left(&r);
    const uint8_t *p = rtc_rd_take(&r, n);
    switch (what & 7) {
      case 0:
        deliver(&w, p, n);
        break;
      case 1:
      case 2:
        if (n >= 2 && w.request_n) {
          int len = make(&w, out, sizeof out, rtc_get16(p), w.request + 8, p + 2, n - 2, (what & 7) == 1);
          if (len > 0) deliver(&w, out, (size_t)len);
        }
        break;
      case 3:
        wrap(&w, what, p, n);
        break;
      case 4:
        pass(&w, (rtc_time_t)n * (what & 8 ? 1000000 : 10000));
        break;
      case 5:
        good_answer(&w, false, what);
        break;
      case 6:
        good_answer(&w, true, what);
        break;
      default:
        if (what & 128) rtc_turn_close(&w.t, w.now);
        settle(&w);
    }
  }
  rtc_turn_close(&w.t, w.now);
  pass(&w, RTC_MS(RTC_TURN_GOODBYE_MS));
  MUST(w.t.state == RTC_TURN_CLOSED || w.t.state == RTC_TURN_FAILED);
  MUST(rtc_turn_next_at(&w.t) == RTC_NEVER);
  rtc_turn_clear(&w.t);
}
