/* What a capture is given of a relay with a publisher (peer 0, transport 1) and a viewer (peer 1, transport 2). */
#include "engine/capture.h"

#include "check.h"
#include "rig.h"

static void capture(rig_t *r, uint32_t transport, rtc_capture_t *c) {
  rtc_cmd_t cmd = {.op = RTC_OP_CAPTURE, .id = transport, .u.capture = rtc_capture_ref(c)};
  rig_do(r, &cmd);
}

static void open_relay(rig_t *r) {
  rig_open(r, 2048);
  for (int i = 0; i < 2; i++) rig_join(r, RTC_SRTP_AEAD_AES_128_GCM);
  rtc_recv_cfg_t recv = rig_recv(0, true);
  rtc_send_cfg_t send = rig_send(1, true, 9000);
  rig_add_recv(r, 1, &recv);
  rig_add_send(r, 2, &send);
  rig_link(r, 2, 1);
  rig_vp8(r, 0, 100, 500, 0, true, true);
}

typedef struct seen {
  int n[2][RTC_KIND_RTCP + 1]; /* received and sent, by kind */
  rtc_capture_head_t last;
  int len;
  uint8_t data[RTC_CAPTURE_DATAGRAM];
} seen_t;

static void look(rtc_capture_t *c, uint32_t transport, seen_t *s) {
  memset(s, 0, sizeof *s);
  for (int n; (n = rtc_capture_get(c, &s->last, s->data)) >= 0; s->len = n) {
    s->n[s->last.sent][s->last.kind]++;
    CHECK_EQ(s->last.transport, transport);
    if (s->last.kind >= RTC_KIND_RTP) CHECK_EQ(rtc_demux(s->data, (size_t)n), s->last.kind);
  }
}

static void media_without_srtp(void) {
  rig_t r;
  seen_t s;
  open_relay(&r);
  rtc_capture_t *pub = rtc_capture_new(1 << 20, true, 0), *view = rtc_capture_new(1 << 20, true, 4321);
  capture(&r, 1, pub);
  capture(&r, 2, view);
  rig_forget(&r);
  for (int i = 1; i <= 10; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, false);
  look(pub, 1, &s);
  CHECK_EQ(s.n[0][RTC_KIND_RTP], 10);
  CHECK_EQ(s.n[1][RTC_KIND_RTP], 0);
  CHECK(rtc_addr_eq(&s.last.path.remote, &r.peer[0].path.remote));
  look(view, 2, &s);
  CHECK_EQ(s.n[1][RTC_KIND_RTP], 10);
  CHECK_EQ(s.n[0][RTC_KIND_RTP], 0);
  CHECK_EQ(s.last.path.local.port, r.peer[1].path.local.port ? r.peer[1].path.local.port : 4321);
  const rig_got_t *got = rig_media(&r, 1, 9000, 9); /* what the viewer opened is what was written down */
  CHECK(got && got->len == (uint32_t)s.len);
  if (got) CHECK_MEM(got->data, s.data, (size_t)s.len);
  rig_pass(&r, RTC_SEC(2));
  look(pub, 1, &s);
  CHECK(s.n[1][RTC_KIND_RTCP] > 0);
  uint8_t pli[12];
  rtc_wr_t w = rtc_wr(pli, sizeof pli);
  rtc_rtcp_write_pli(&w, 7, 9000);
  look(view, 2, &s);
  rig_rtcp(&r, 1, pli, rtc_wr_len(&w));
  look(view, 2, &s);
  CHECK_EQ(s.n[0][RTC_KIND_RTCP], 1);
  CHECK_EQ(s.len, sizeof pli);
  CHECK_MEM(s.data, pli, sizeof pli);
  rtc_capture_free(pub);
  rtc_capture_free(view);
  rig_close(&r);
}

/* What was not authentic is not written down as media. */
static void forged_packets(void) {
  rig_t r;
  seen_t s;
  open_relay(&r);
  rtc_capture_t *c = rtc_capture_new(1 << 20, true, 0);
  capture(&r, 1, c);
  uint8_t b[60] = {0x80, 96, 2, 8, 0, 0, 0, 0, 0, 0, 0, 100};
  rig_raw(&r, &r.peer[0].path, b, sizeof b);
  b[1] = 200;
  rig_raw(&r, &r.peer[0].path, b, sizeof b);
  look(c, 1, &s);
  CHECK_EQ(s.n[0][RTC_KIND_RTP] + s.n[0][RTC_KIND_RTCP], 0);
  rtc_capture_free(c);
  rig_close(&r);
}

static void checks_as_they_are(void) {
  rig_t r;
  seen_t s;
  rig_open(&r, 512);
  rig_wait_for(&r, 1);
  for (int wire = 0; wire < 2; wire++) {
    rtc_capture_t *c = rtc_capture_new(1 << 16, wire, 0);
    capture(&r, 1, c);
    rtc_path_t from = rig_path(3);
    rig_check(&r, &from, "user-1:them", "password-of-user-1-is-long", true);
    look(c, 1, &s);
    CHECK_EQ(s.n[0][RTC_KIND_STUN], wire);
    CHECK_EQ(s.n[1][RTC_KIND_STUN], wire);
    if (wire) CHECK_MEM(s.data, r.got[r.got_n - 1].data, (size_t)s.len);
    rtc_capture_free(c);
  }
  rig_close(&r);
}

/* A reader that sleeps costs it packets, and nobody else. */
static void nobody_reads(void) {
  rig_t r;
  open_relay(&r);
  rtc_capture_t *c = rtc_capture_new(4096, true, 0);
  capture(&r, 2, c);
  rig_forget(&r);
  for (int i = 1; i <= 100; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, false);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 100);
  seen_t s;
  look(c, 2, &s);
  CHECK(s.n[1][RTC_KIND_RTP] > 0);
  CHECK_EQ((uint64_t)s.n[1][RTC_KIND_RTP] + rtc_capture_dropped(c), 100);
  rtc_capture_free(c);
  rig_close(&r);
}

/* Begun, changed for another, ended, and of what is gone; whoever lets go last frees it (the sanitizers tell). */
static void begin_and_end(void) {
  rig_t r;
  seen_t s;
  open_relay(&r);
  rtc_capture_t *a = rtc_capture_new(1 << 16, true, 0), *b = rtc_capture_new(1 << 16, true, 0);
  capture(&r, 2, a);
  rig_vp8(&r, 0, 100, 501, 3000, true, false);
  capture(&r, 2, b);
  rig_vp8(&r, 0, 100, 502, 6000, true, false);
  capture(&r, 2, NULL);
  rig_vp8(&r, 0, 100, 503, 9000, true, false);
  look(a, 2, &s);
  CHECK_EQ(s.n[1][RTC_KIND_RTP], 1);
  look(b, 2, &s);
  CHECK_EQ(s.n[1][RTC_KIND_RTP], 1);
  capture(&r, 77, a);
  capture(&r, 2, a);
  rtc_capture_free(a); /* the transport's is the last reference now */
  rtc_cmd_t close = {.op = RTC_OP_CLOSE, .id = 1};
  capture(&r, 1, b);
  rig_do(&r, &close);
  capture(&r, 1, b);
  look(b, 1, &s);
  CHECK(s.n[1][RTC_KIND_RTCP] > 0); /* its goodbye */
  rtc_cmd_t never = {.op = RTC_OP_CAPTURE, .id = 1, .u.capture = rtc_capture_ref(b)};
  rtc_cmd_drop(&never, 1);
  rtc_capture_free(b);
  rig_close(&r);
}

int main(void) {
  RUN(media_without_srtp);
  RUN(forged_packets);
  RUN(checks_as_they_are);
  RUN(nobody_reads);
  RUN(begin_and_end);
  return CHECK_END();
}
