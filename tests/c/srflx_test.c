/* srflx: queries to STUN servers: times, what is believed, what is kept open. */
#include "proto/srflx.h"

#include "check.h"

static const rtc_mark_key_t KEY = {1, 2};
static uint64_t rng = 88172645463325252u;

static uint64_t draw(void) { return rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17; }

static rtc_path_t path(uint8_t server) {
  uint8_t ip[4] = {192, 0, 2, server}, ours[4] = {10, 0, 0, 1};
  rtc_path_t p = {.sock = 3};
  rtc_addr_set(&p.remote, ip, 4, 3478);
  rtc_addr_set(&p.local, ours, 4, 5000);
  return p;
}

static rtc_addr_t seen_as(uint16_t port) {
  uint8_t ip[4] = {203, 0, 113, 5};
  rtc_addr_t a;
  rtc_addr_set(&a, ip, 4, port);
  return a;
}

typedef struct sent {
  uint8_t raw[64], tid[12];
  int len;
  rtc_path_t path;
} sent_t;

static bool pop(rtc_srflx_t *q, sent_t *s, rtc_time_t now) {
  s->len = rtc_srflx_pop(q, draw(), s->raw, sizeof s->raw, &s->path, now);
  if (s->len <= 0) return false;
  rtc_stun_t m;
  CHECK(rtc_stun_parse(&m, s->raw, (size_t)s->len) == 0 && m.type == RTC_STUN_BINDING_REQUEST && !m.username && !m.has_integrity);
  memcpy(s->tid, m.tid, 12);
  CHECK_EQ(rtc_mark_read(s->tid, &KEY), 9);
  return true;
}

/* code 0: success. mapped NULL: none. */
static bool answer(rtc_srflx_t *q, const sent_t *s, const rtc_path_t *from, int code, const rtc_addr_t *mapped, rtc_time_t now) {
  uint8_t b[128];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_stun_begin(&w, code ? RTC_STUN_BINDING_ERROR : RTC_STUN_BINDING_SUCCESS, s->tid);
  if (code) rtc_stun_put_error(&w, code, "no");
  if (mapped) rtc_stun_put_xor_addr(&w, RTC_STUN_A_XOR_MAPPED, mapped, s->tid);
  int n = rtc_stun_end(&w, NULL, 0);
  rtc_stun_t m;
  if (n < 0 || rtc_stun_parse(&m, b, (size_t)n)) exit(2);
  return rtc_srflx_on_stun(q, &m, from, draw(), now);
}

static void open_one(rtc_srflx_t *q, sent_t *s) {
  rtc_path_t p = path(1);
  rtc_srflx_init(q, 9, &KEY);
  CHECK(rtc_srflx_next_at(q) == RTC_NEVER && rtc_srflx_add(q, 1, &p, 0) == 0 && rtc_srflx_next_at(q) == 0);
  CHECK(pop(q, s, 0) && rtc_path_eq(&s->path, &p) && !pop(q, s, 0));
}

/* Seven requests with one transaction id at these moments; then it is over. */
static void nobody_answers(void) {
  static const int at_ms[] = {0, 250, 750, 1750, 2750, 3750, 4750};
  rtc_srflx_t q;
  sent_t s, first;
  open_one(&q, &first);
  for (int i = 1; i < RTC_SRFLX_SENDS; i++) {
    CHECK_EQ(rtc_srflx_next_at(&q), RTC_MS(at_ms[i]));
    CHECK(!pop(&q, &s, RTC_MS(at_ms[i]) - 1) && pop(&q, &s, RTC_MS(at_ms[i])));
    CHECK_MEM(s.tid, first.tid, 12);
  }
  rtc_srflx_query_t news;
  CHECK(!rtc_srflx_news(&q, &news) && rtc_srflx_next_at(&q) == RTC_MS(5750));
  CHECK(!pop(&q, &s, RTC_MS(5750)) && rtc_srflx_next_at(&q) == RTC_NEVER);
  CHECK(rtc_srflx_news(&q, &news) && news.number == 1 && news.error == RTC_SRFLX_NO_ANSWER && !news.known);
  CHECK(!rtc_srflx_news(&q, &news) && q.n == 0);
  rtc_addr_t a = seen_as(1);
  CHECK(!answer(&q, &first, &first.path, 0, &a, RTC_MS(5800))); /* too late */
}

static void what_is_believed(void) {
  rtc_srflx_t q;
  sent_t s;
  open_one(&q, &s);
  rtc_addr_t a = seen_as(4000), no_port = seen_as(0);
  rtc_path_t other = path(2), port = s.path, sock = s.path;
  port.remote.port++;
  sock.sock++;
  rtc_srflx_query_t news;
  CHECK(!answer(&q, &s, &other, 0, &a, 1) && !answer(&q, &s, &port, 0, &a, 1) && !answer(&q, &s, &sock, 0, &a, 1));
  CHECK(!answer(&q, &s, &other, 400, NULL, 1));
  CHECK(!answer(&q, &s, &s.path, 0, NULL, 1) && !answer(&q, &s, &s.path, 0, &no_port, 1));
  for (int i = 0; i < 96; i++) {
    sent_t wrong = s;
    wrong.tid[i / 8] ^= (uint8_t)(1u << i % 8);
    CHECK(!answer(&q, &wrong, &s.path, 0, &a, 1));
  }
  CHECK(!rtc_srflx_news(&q, &news) && rtc_srflx_next_at(&q) == RTC_MS(250));
  CHECK(answer(&q, &s, &s.path, 0, &a, 1));
  CHECK(rtc_srflx_news(&q, &news) && news.known && !news.error && rtc_addr_eq(&news.mapped, &a));
  CHECK(!answer(&q, &s, &s.path, 0, &no_port, 2) && !answer(&q, &s, &s.path, 0, &a, 2)); /* once */
}

static void a_server_refuses(void) {
  rtc_srflx_t q;
  sent_t s;
  open_one(&q, &s);
  CHECK(answer(&q, &s, &s.path, 420, NULL, 1));
  rtc_srflx_query_t news;
  CHECK(rtc_srflx_news(&q, &news) && news.error == 420 && q.n == 0 && rtc_srflx_next_at(&q) == RTC_NEVER);
}

/* Every 15 to 25 s, each time under a new transaction id; silence and errors change nothing, another address is told. */
static void bindings_are_kept_open(void) {
  rtc_srflx_t q;
  sent_t s, last;
  open_one(&q, &last);
  rtc_addr_t a = seen_as(4000), b = seen_as(4001);
  rtc_srflx_query_t news;
  CHECK(answer(&q, &last, &last.path, 0, &a, 0) && rtc_srflx_news(&q, &news));
  rtc_time_t now = 0;
  for (int i = 0; i < 40; i++) {
    rtc_time_t at = rtc_srflx_next_at(&q);
    CHECK(at - now >= RTC_SEC(15) && at - now <= RTC_SEC(25));
    now = at;
    int n = 0;
    CHECK(rtc_srflx_due(&q, &n, now - 1) == NULL);
    n = 0;
    CHECK(rtc_srflx_due(&q, &n, now) == &q.v[0]);
    CHECK(pop(&q, &s, now) && memcmp(s.tid, last.tid, 12));
    last = s;
    if (i == 10) { /* the server sleeps */
      while (q.v[0].asking) {
        now = rtc_srflx_next_at(&q);
        (void)pop(&q, &s, now);
      }
      CHECK(!rtc_srflx_news(&q, &news));
      continue;
    }
    CHECK(i == 20 ? answer(&q, &s, &s.path, 500, NULL, now) : answer(&q, &s, &s.path, 0, i < 30 ? &a : &b, now));
    CHECK_EQ(rtc_srflx_news(&q, &news), i == 30);
    if (i == 30) CHECK(rtc_addr_eq(&news.mapped, &b) && news.number == 1);
  }
  int n = 0;
  now = rtc_srflx_next_at(&q);
  rtc_srflx_unused(&q, &n); /* once more, then no longer */
  CHECK(n == 1 && q.n == 1 && pop(&q, &s, now) && answer(&q, &s, &s.path, 0, &b, now));
  n = 0;
  rtc_srflx_unused(&q, &n);
  CHECK(q.n == 0 && n == 0 && rtc_srflx_next_at(&q) == RTC_NEVER);
}

static void caps(void) {
  rtc_srflx_t q;
  rtc_srflx_init(&q, 9, &KEY);
  rtc_path_t p = path(1), bad = p;
  CHECK_EQ(rtc_srflx_add(&q, 0, &p, 0), RTC_EINVAL);
  bad.remote.port = 0;
  CHECK_EQ(rtc_srflx_add(&q, 1, &bad, 0), RTC_EINVAL);
  bad = (rtc_path_t){.remote.port = 1};
  CHECK_EQ(rtc_srflx_add(&q, 1, &bad, 0), RTC_EINVAL);
  for (uint32_t i = 1; i <= RTC_SRFLX_QUERIES; i++) {
    p = path((uint8_t)i);
    CHECK_EQ(rtc_srflx_add(&q, i, &p, 0), 0);
    CHECK_EQ(rtc_srflx_add(&q, i, &p, 0), RTC_EINVAL);
  }
  p = path(99);
  CHECK_EQ(rtc_srflx_add(&q, 99, &p, 0), RTC_ENOBUFS);
  p = path(1);
  CHECK_EQ(rtc_srflx_add(&q, 99, &p, 0), RTC_ENOBUFS); /* that one is under way */
  sent_t s;
  int first = 0;
  rtc_time_t last = -RTC_SEC(1);
  bool seen[256] = {false};
  for (rtc_time_t now = 0; now < RTC_SEC(1); now += RTC_MS(5))
    while (pop(&q, &s, now)) {
      if (seen[s.path.remote.ip[15]]) continue;
      seen[s.path.remote.ip[15]] = true;
      CHECK(now - last >= RTC_MS(RTC_SRFLX_TA_MS));
      last = now;
      first++;
      rtc_addr_t a = seen_as(7);
      if (s.path.remote.ip[15] == 1) CHECK(answer(&q, &s, &s.path, 0, &a, now));
    }
  CHECK_EQ(first, RTC_SRFLX_QUERIES);
  CHECK_EQ(rtc_srflx_add(&q, 99, &p, 0), RTC_ENOBUFS); /* not told yet */
  rtc_srflx_query_t news;
  CHECK(rtc_srflx_news(&q, &news) && news.number == 1);
  CHECK_EQ(rtc_srflx_add(&q, 99, &p, RTC_SEC(1)), 0); /* asked anew */
  CHECK(q.n == RTC_SRFLX_QUERIES && pop(&q, &s, RTC_SEC(1)));
  uint8_t small[27];
  rtc_srflx_init(&q, 9, &KEY);
  CHECK(rtc_srflx_add(&q, 1, &p, 0) == 0 && rtc_srflx_pop(&q, 1, small, sizeof small, &p, 0) == RTC_ENOBUFS);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(nobody_answers);
  RUN(what_is_believed);
  RUN(a_server_refuses);
  RUN(bindings_are_kept_open);
  RUN(caps);
  return CHECK_END();
}
