/* tap: frames of a receiver to its owner, and the queue they wait in. */
#include "check.h"
#include "engine/state.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static rtc_frame_t *frame(int n, bool video, bool key, uint32_t len) {
  rtc_frame_t *f = malloc(sizeof *f + len);
  if (!f) exit(2);
  *f = (rtc_frame_t){.ts = n, .video = video, .key = key, .len = len};
  return f;
}

/* The times of all that waits, one after the other. */
static void check_queue(rtc_frameq_t *q, int first, int n) {
  CHECK_EQ(q->n, n);
  for (int i = 0; i < n; i++) {
    rtc_frame_t *f = rtc_frameq_get(q);
    CHECK(f && f->ts == first + i);
    free(f);
  }
  CHECK(!rtc_frameq_get(q) && q->bytes == 0);
}

static void queue_of_sound(void) {
  rtc_frameq_t q = {0};
  for (int i = 0; i < RTC_FRAMES_MAX; i++) CHECK_EQ(rtc_frameq_put(&q, frame(i, false, true, 10)), 0);
  for (int i = 0; i < 100; i++) CHECK_EQ(rtc_frameq_put(&q, frame(RTC_FRAMES_MAX + i, false, true, 10)), 1);
  CHECK(!q.skip);
  CHECK_EQ(q.dropped, 100);
  check_queue(&q, 100, RTC_FRAMES_MAX);
}

static void queue_of_video(void) {
  rtc_frameq_t q = {0};
  for (int i = 0; i < RTC_FRAMES_MAX; i++) CHECK_EQ(rtc_frameq_put(&q, frame(i, true, i % 40 == 0, 10)), 0);
  CHECK_EQ(rtc_frameq_put(&q, frame(64, true, false, 10)), 40); /* all before the key frame that waits */
  CHECK(!q.skip);
  for (int i = 65; i < 104; i++) CHECK_EQ(rtc_frameq_put(&q, frame(i, true, false, 10)), 0);
  CHECK_EQ(rtc_frameq_put(&q, frame(104, true, false, 10)), 65); /* there is none, and what comes is none */
  CHECK(q.skip && q.n == 0);
  CHECK_EQ(rtc_frameq_put(&q, frame(105, true, false, 10)), 1);
  CHECK_EQ(rtc_frameq_put(&q, frame(106, true, true, 10)), 0);
  CHECK(!q.skip);
  CHECK_EQ(rtc_frameq_put(&q, frame(107, true, false, 10)), 0);
  check_queue(&q, 106, 2);
  for (int i = 0; i < RTC_FRAMES_MAX; i++) CHECK_EQ(rtc_frameq_put(&q, frame(i, true, i == 0, 10)), 0);
  CHECK_EQ(rtc_frameq_put(&q, frame(64, true, true, 10)), 64); /* a key frame takes the place of all */
  check_queue(&q, 64, 1);
  CHECK_EQ(q.dropped, 40 + 65 + 1 + 64);
}

static void queue_of_bytes(void) {
  rtc_frameq_t q = {0};
  enum { BIG = 1 << 20 };
  for (int i = 0; i < 4; i++) CHECK_EQ(rtc_frameq_put(&q, frame(i, true, true, BIG)), 0);
  CHECK_EQ(rtc_frameq_put(&q, frame(4, true, true, 1)), 1);
  CHECK(q.bytes <= RTC_FRAMES_BYTES);
  CHECK_EQ(rtc_frameq_put(&q, frame(5, true, true, RTC_FRAMES_BYTES)), 4); /* one alone, however big */
  CHECK_EQ(q.n, 1);
  rtc_frameq_clear(&q);
  CHECK(q.n == 0 && q.bytes == 0);
}

/* A publisher (peer 0, receiver 1) whose frames are wanted, and a viewer (peer 1, sender 2). */
static void open_tap(rig_t *r, bool video, uint32_t slots) {
  rig_open(r, slots);
  rtc_transport_cfg_t telling = rig_telling(1);
  int pub = rig_join_as(r, GCM, &telling), view = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, video);
  in.frames = true;
  rtc_send_cfg_t out = rig_send(view, video, 9000);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
}

static void packet(rig_t *r, int64_t index, int64_t ts, bool start, bool key, bool marker) {
  uint8_t p[600] = {start ? 0x10 : 0, key ? 0 : 1, (uint8_t)index};
  rig_rtp(r, 0, &(rig_rtp_t){.ssrc = 100, .index = index, .ts = ts, .pt = 96, .marker = marker, .payload = p, .len = sizeof p});
}

/* Three packets a frame. */
static void picture(rig_t *r, int64_t n, bool key) {
  for (int64_t i = 0; i < 3; i++) packet(r, 3 * n + i, 3000 * n, i == 0, key, i == 2);
}

static int take_all(rig_t *r, int64_t *last_ts) {
  int n = 0;
  for (rtc_frame_t *f; (f = rtc_hub_frame(r->hub)); n++) {
    *last_ts = f->ts;
    free(f);
  }
  return n;
}

static void frames_while_forwarding(void) {
  static const int64_t starts[] = {0, 21840, 21845, 100000};
  for (size_t k = 0; k < 4; k++) {
    rig_t r;
    open_tap(&r, true, 0);
    r.now += 12345;
    int64_t base = starts[k] % 21845; /* the first packet's roll-over is 0 */
    for (int64_t n = 0; n < 50; n++) {
      picture(&r, base + n, n == 0);
      rtc_frame_t *f = rtc_hub_frame(r.hub);
      CHECK(f != NULL);
      if (!f) break;
      CHECK(f->receiver == 1 && f->video && f->key == (n == 0) && f->codec == RTC_CODEC_VP8 && f->lost == 0);
      CHECK_EQ(f->len, 3 * 599);
      CHECK_EQ(f->ts, 3000 * (base + n));
      for (uint32_t i = 0; i < 3; i++) CHECK_EQ(f->data[i * 599 + 1], (uint8_t)(3 * (base + n) + i));
      free(f);
      CHECK(!rtc_hub_frame(r.hub) && !rtc_hub_has_frames(r.hub));
    }
    CHECK_EQ(rig_media_n(&r, 1, 9000), 150);
    CHECK_EQ(rig_recv_stats(&r, 1)->frames_given, 50);
    CHECK_EQ(rig_recv_stats(&r, 1)->frames_late, 0);
    rig_close(&r);
  }
}

static void sound(void) {
  rig_t r;
  open_tap(&r, false, 0);
  for (int64_t i = 0; i < 50; i++) {
    uint8_t p[80] = {(uint8_t)i};
    if (i == 20) continue;
    rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = i, .ts = 960 * i, .pt = 111, .payload = p, .len = sizeof p});
    rig_pass(&r, RTC_MS(20));
  }
  rig_pass(&r, RTC_SEC(1));
  for (int64_t i = 0; i < 50; i++) {
    if (i == 20) continue;
    rtc_frame_t *f = rtc_hub_frame(r.hub);
    CHECK(f && f->ts == 960 * i && f->len == 80 && f->data[0] == i && f->key && !f->video);
    CHECK(f && f->lost == (i == 21));
    free(f);
  }
  CHECK(!rtc_hub_frame(r.hub));
  rig_close(&r);
}

/* Lost and not repaired: what cannot be decoded is left out, and a key frame is asked for until one comes. */
static void loss_asks_for_a_key_frame(void) {
  rig_t r;
  int64_t last = -1;
  open_tap(&r, true, 0);
  picture(&r, 0, true);
  rig_pass(&r, RTC_MS(100));
  uint64_t asked = rig_recv_stats(&r, 1)->pli;
  packet(&r, 3, 3000, true, false, false);
  packet(&r, 5, 3000, false, false, true);
  picture(&r, 2, false);
  CHECK_EQ(take_all(&r, &last), 1);
  rig_pass(&r, RTC_TAP_REPAIR_US + RTC_MS(1000));
  CHECK(rig_recv_stats(&r, 1)->pli > asked);
  CHECK_EQ(rig_recv_stats(&r, 1)->frames_late, 1);
  picture(&r, 3, false);
  CHECK_EQ(take_all(&r, &last), 0);
  picture(&r, 4, true);
  picture(&r, 5, false);
  CHECK_EQ(take_all(&r, &last), 2);
  CHECK_EQ(last, 15000);
  asked = rig_recv_stats(&r, 1)->pli;
  rig_pass(&r, RTC_SEC(5));
  CHECK_EQ(rig_recv_stats(&r, 1)->pli, asked);
  rig_close(&r);
}

/* Nobody takes frames: the newest wait, from a key frame on; the rest is counted, and forwarded all the same. */
static void owner_sleeps(void) {
  rig_t r;
  int64_t last = -1;
  open_tap(&r, true, 0);
  for (int64_t n = 0; n < 1000; n++) {
    picture(&r, n, n % 50 == 0);
    rig_pass(&r, RTC_MS(10));
  }
  CHECK_EQ(rig_recv_stats(&r, 1)->frames_given, 1000);
  rtc_frame_t *f = rtc_hub_frame(r.hub);
  CHECK(f && f->key);
  free(f);
  int n = take_all(&r, &last) + 1;
  CHECK(n >= 50 && n <= RTC_FRAMES_MAX);
  CHECK_EQ(last, 999 * 3000);
  CHECK_EQ(rig_recv_stats(&r, 1)->frames_dropped, (uint64_t)(1000 - n));
  CHECK_EQ(rig_send_stats(&r, 2)->packets, 3000);
  rig_close(&r);
}

/* Switched on in the middle: it begins at a key frame, which is asked for; off: everything goes. */
static void on_and_off(void) {
  rig_t r;
  int64_t last = -1;
  open_tap(&r, true, 0);
  for (int round = 0; round < 3; round++) {
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAMES, .id = 1, .u.on = false});
    for (int64_t n = 0; n < 10; n++) picture(&r, 100 * round + n, n == 0);
    CHECK_EQ(take_all(&r, &last), 0);
    rig_pass(&r, RTC_SEC(5));
    uint64_t asked = rig_recv_stats(&r, 1)->pli;
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAMES, .id = 1, .u.on = true});
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAMES, .id = 1, .u.on = true});
    rig_pass(&r, RTC_MS(100));
    CHECK(rig_recv_stats(&r, 1)->pli > asked);
    picture(&r, 100 * round + 10, false);
    CHECK_EQ(take_all(&r, &last), 0);
    picture(&r, 100 * round + 11, true);
    picture(&r, 100 * round + 12, false);
    CHECK_EQ(take_all(&r, &last), 2);
  }
  picture(&r, 400, true); /* waits when the transport goes */
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  rtc_event_t e;
  rig_events(&r, 1, &e);
  CHECK(!rtc_hub_frame(r.hub));
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAMES, .id = 1, .u.on = false}); /* of what is gone: no error */
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_FRAMES, .id = 1, .u.on = true}, r.now), RTC_EINVAL);
  rig_close(&r);
}

/* Another SSRC in the section: numbers and times begin anew, at a key frame. */
static void another_ssrc(void) {
  rig_t r;
  int64_t last = -1;
  open_tap(&r, true, 0);
  for (int64_t n = 100; n < 110; n++) picture(&r, n, n == 100);
  CHECK_EQ(take_all(&r, &last), 10);
  for (int64_t i = 0; i < 10; i++) rig_vp8(&r, 0, 200, 7 + i, 3000 * i, true, i == 2);
  uint8_t p[] = {0x10, 1};
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 200, .index = 17, .ts = 30000, .pt = 96, .marker = true, .payload = p, .len = sizeof p});
  CHECK_EQ(take_all(&r, &last), 9);
  CHECK_EQ(last, 30000);
  rig_close(&r);
}

/* A frame that never ends, of many publishers at once: what waits stays a part of the pool. */
static void frames_leave_slots(void) {
  rig_t r;
  enum { SLOTS = 1024, PUBLISHERS = 8 };
  rig_open(&r, SLOTS);
  for (int i = 0; i < PUBLISHERS; i++) {
    rtc_recv_cfg_t in = rig_recv(rig_join(&r, GCM), true);
    in.frames = true;
    rig_add_recv(&r, (uint32_t)i + 1, &in);
  }
  for (int64_t n = 0; n < 2000; n++)
    for (int i = 0; i < PUBLISHERS; i++) {
      uint8_t p[100] = {n ? 0 : 0x10};
      rig_rtp(&r, i, &(rig_rtp_t){.ssrc = 100, .index = n, .ts = 0, .pt = 96, .mid = "1", .payload = p, .len = sizeof p});
      CHECK(rig_pool(&r) <= SLOTS / 2 + SLOTS / RTC_TAP_PART + 300);
    }
  CHECK_EQ(rig_drops(&r, RTC_DROP_POOL), 0);
  CHECK(!rtc_hub_frame(r.hub));
  rig_close(&r);
}

/* A payload that is no frame of the codec counts as broken, and the next key frame is waited for. */
static void broken(void) {
  rig_t r;
  int64_t last = -1;
  open_tap(&r, true, 0);
  picture(&r, 0, true);
  packet(&r, 3, 3000, false, false, true);
  picture(&r, 2, false);
  CHECK_EQ(take_all(&r, &last), 1);
  CHECK_EQ(rig_recv_stats(&r, 1)->frames_broken, 1);
  picture(&r, 3, true);
  CHECK_EQ(take_all(&r, &last), 1);
  CHECK_EQ(last, 9000);
  rig_close(&r);
}

static void send_sr(rig_t *r, uint32_t ssrc, uint64_t ntp, uint32_t ts) {
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_sr(&w, &(rtc_sr_t){.ssrc = ssrc, .ntp = ntp, .rtp_ts = ts}, NULL, 0);
  rig_rtcp(r, 0, b, rtc_wr_len(&w));
}

/* A frame of two packets with these elements; what its owner gets. */
static rtc_frame_t told(rig_t *r, uint32_t ssrc, int64_t n, int64_t ts, bool key, const void *first, size_t first_n, const void *last,
                        size_t last_n) {
  for (int64_t i = 0; i < 2; i++) {
    uint8_t p[40] = {i ? 0 : 0x10, key ? 0 : 1};
    rig_rtp(r, 0,
            &(rig_rtp_t){.ssrc = ssrc,
                         .index = 2 * n + i,
                         .ts = ts,
                         .pt = 96,
                         .marker = i,
                         .payload = p,
                         .len = sizeof p,
                         .ext = i ? last : first,
                         .ext_len = i ? last_n : first_n});
  }
  rtc_frame_t *f = rtc_hub_frame(r->hub), out = {.len = 0};
  CHECK(f != NULL);
  if (f) out = *f;
  free(f);
  return out;
}

/* The last packet says how the picture is turned, and it stays so until another word; of another stream nothing is known. */
static void orientation_is_kept(void) {
  static const uint8_t left[] = {RIG_TURN_ID << 4, 0x01}, right[] = {RIG_TURN_ID << 4, 0xfb};
  rig_t r;
  open_tap(&r, true, 0);
  CHECK_EQ(told(&r, 100, 0, 0, true, NULL, 0, NULL, 0).orientation, RTC_FRAME_NO_ORIENTATION);
  CHECK_EQ(told(&r, 100, 1, 3000, false, NULL, 0, left, 2).orientation, 1);
  CHECK_EQ(told(&r, 100, 2, 6000, false, NULL, 0, NULL, 0).orientation, 1);
  CHECK_EQ(told(&r, 100, 3, 9000, true, left, 2, right, 2).orientation, 0x0b); /* the last counts, unknown bits do not */
  CHECK_EQ(told(&r, 100, 4, 12000, true, NULL, 0, NULL, 0).orientation, 0x0b);
  CHECK_EQ(told(&r, 200, 0, 0, true, NULL, 0, NULL, 0).orientation, RTC_FRAME_NO_ORIENTATION);
  rig_close(&r);
}

/* By the sender's reports; where its frames tell it by themselves, by that, and between such frames by the clock. */
static void moments_of_capture(void) {
  static const int64_t starts[] = {90000, INT64_C(0xfffffff0)};
  const int64_t epoch = 1700000000000000;
  for (int k = 0; k < 2; k++) {
    rig_t r;
    open_tap(&r, true, 0);
    int64_t ts = starts[k], n = 0;
    CHECK_EQ(told(&r, 100, n++, ts, true, NULL, 0, NULL, 0).captured_us, 0);
    send_sr(&r, 100, 0, (uint32_t)ts); /* of a sender without a clock */
    CHECK_EQ(told(&r, 100, n++, ts += 3000, false, NULL, 0, NULL, 0).captured_us, 0);
    send_sr(&r, 100, rtc_ntp_from_unix_us(epoch), (uint32_t)(ts + 4500)); /* it may be ahead of the frames */
    CHECK_EQ(told(&r, 100, n++, ts, false, NULL, 0, NULL, 0).captured_us, epoch - 50000);
    CHECK_EQ(told(&r, 100, n++, ts += 90000, false, NULL, 0, NULL, 0).captured_us, epoch + 950000);
    uint8_t when[17] = {RIG_MOMENT_ID << 4 | 7};
    rtc_put64(when + 1, rtc_ntp_from_unix_us(epoch + 5000000));
    CHECK_EQ(told(&r, 100, n++, ts += 3000, false, when, 9, NULL, 0).captured_us, epoch + 5000000);
    CHECK_EQ(told(&r, 100, n++, ts += 9000, false, NULL, 0, NULL, 0).captured_us, epoch + 5100000);
    when[0] = RIG_MOMENT_ID << 4 | 15; /* with the offset of a clock, which is not of use here */
    CHECK_EQ(told(&r, 100, n++, ts += 9000, false, when, 17, NULL, 0).captured_us, epoch + 5000000);
    CHECK_EQ(told(&r, 100, n++, ts, false, (const uint8_t[9]){RIG_MOMENT_ID << 4 | 7}, 9, NULL, 0).captured_us,
             epoch + 5000000);        /* 0 is none */
    when[0] = RIG_MOMENT_ID << 4 | 3; /* too short to be one */
    CHECK_EQ(told(&r, 100, n++, ts += 9000, false, when, 5, NULL, 0).captured_us, epoch + 5100000);
    send_sr(&r, 100, rtc_ntp_from_unix_us(epoch), (uint32_t)(ts += 90000 * RTC_TAP_MOMENT_S));
    CHECK_EQ(told(&r, 100, n++, ts, false, NULL, 0, NULL, 0).captured_us, epoch);
    CHECK_EQ(told(&r, 200, 0, 0, true, NULL, 0, NULL, 0).captured_us, 0); /* another stream: nothing is known of it */
    rig_close(&r);
  }
}

static void mixed(rtc_frame_t *f, int n, rtc_csrc_t *out) {
  CHECK(f && f->csrc_n == n);
  if (f && f->csrc_n == n) memcpy(out, f->data + f->len, (size_t)n * sizeof *out);
  free(f);
}

/* What a mixer tells goes with frames, also with those that say nothing, for ten seconds. */
static void contributing_sources(void) {
  rig_t r;
  rtc_csrc_t c[3] = {0};
  static const uint32_t who[] = {71, 72};
  static const uint8_t heard[] = {RIG_HEARD_ID << 4 | 1, 0x85, 0x7f}, p[80] = {1};
  open_tap(&r, false, 0);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = 0, .ts = 0, .pt = 111, .payload = p, .len = sizeof p});
  mixed(rtc_hub_frame(r.hub), 0, c);
  rig_pass(&r, RTC_MS(20));
  rig_rtp_t one = {.ssrc = 100,
                   .index = 1,
                   .ts = 960,
                   .pt = 111,
                   .payload = p,
                   .len = sizeof p,
                   .csrc = who,
                   .csrc_n = 2,
                   .ext = heard,
                   .ext_len = sizeof heard};
  rig_rtp(&r, 0, &one);
  mixed(rtc_hub_frame(r.hub), 2, c);
  rtc_time_t then = r.now;
  CHECK(c[0].id == 71 && c[0].level == 5 && c[0].ts == 960 && c[0].at == then);
  CHECK(c[1].id == 72 && c[1].level == 127);
  CHECK_EQ(rig_media(&r, 1, 9000, 1)->rtp.csrc_n, 2); /* and on to the viewer */
  rig_pass(&r, RTC_SEC(4));
  one = (rig_rtp_t){.ssrc = 100, .index = 2, .ts = 192960, .pt = 111, .payload = p, .len = sizeof p, .csrc = who + 1, .csrc_n = 1};
  rig_rtp(&r, 0, &one);
  mixed(rtc_hub_frame(r.hub), 2, c);
  CHECK(c[0].id == 72 && c[0].level == RTC_CSRC_NO_LEVEL && c[0].at == r.now && c[1].id == 71 && c[1].at == then);
  rig_pass(&r, then + RTC_SEC(10) + RTC_MS(1) - r.now);
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = 3, .ts = 480000, .pt = 111, .payload = p, .len = sizeof p});
  mixed(rtc_hub_frame(r.hub), 1, c);
  CHECK_EQ(c[0].id, 72);
  rig_close(&r);

  open_tap(&r, true, 0); /* of pictures: who is seen; the last packet of each tells */
  static const uint8_t head[] = {0x10, 0}, rest[] = {0, 0};
  rig_rtp(&r, 0, &(rig_rtp_t){.ssrc = 100, .index = 0, .ts = 0, .pt = 96, .payload = head, .len = 2, .csrc = who, .csrc_n = 2});
  rig_rtp(&r, 0,
          &(rig_rtp_t){.ssrc = 100, .index = 1, .ts = 0, .pt = 96, .marker = true, .payload = rest, .len = 2, .csrc = who, .csrc_n = 2});
  mixed(rtc_hub_frame(r.hub), 2, c);
  CHECK(c[0].id == 71 && c[0].level == RTC_CSRC_NO_LEVEL && c[1].id == 72);
  rig_close(&r);
}

int main(void) {
  RUN(queue_of_sound);
  RUN(queue_of_video);
  RUN(queue_of_bytes);
  RUN(frames_while_forwarding);
  RUN(sound);
  RUN(loss_asks_for_a_key_frame);
  RUN(owner_sleeps);
  RUN(on_and_off);
  RUN(another_ssrc);
  RUN(frames_leave_slots);
  RUN(broken);
  RUN(orientation_is_kept);
  RUN(moments_of_capture);
  RUN(contributing_sources);
  return CHECK_END();
}
