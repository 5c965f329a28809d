#include "check.h"
#include "house.h"

/* A publisher with the layers "l" (stream 1 of the house) and "h" (stream 3), and a viewer who begins with "l". */
enum { LOW = 1, HIGH = 3, VIEWER = 100 };

static void put_ids(rtc_extmap_t *m) {
  rtc_extmap_init(m);
  CHECK_EQ(rtc_extmap_set(m, RTC_EXT_TWCC, 3), 0);
  CHECK_EQ(rtc_extmap_set(m, RTC_EXT_MID, 4), 0);
  CHECK_EQ(rtc_extmap_set(m, RTC_EXT_RID, 5), 0);
  CHECK_EQ(rtc_extmap_set(m, RTC_EXT_RRID, 6), 0);
}

static rtc_cmd_t sending(uint32_t id, const char *rid) {
  rtc_cmd_t c = {.op = RTC_OP_SEND, .id = id};
  c.u.send = (rtc_send_cfg_t){.transport = 1,
                              .video = true,
                              .codec = RTC_CODEC_VP8,
                              .pt = 96,
                              .rtx_pt = 97,
                              .clock_rate = 90000,
                              .ssrc = 1000 * id,
                              .rtx_ssrc = 1000 * id + 1,
                              .mid = "1",
                              .nack = true,
                              .ext_mask = 1u << RTC_EXT_TWCC | 1u << RTC_EXT_MID | 1u << RTC_EXT_RID | 1u << RTC_EXT_RRID};
  snprintf(c.u.send.rid, sizeof c.u.send.rid, "%s", rid);
  return c;
}

static rtc_cmd_t receiving(uint32_t id, const char *rid) {
  rtc_cmd_t c = {.op = RTC_OP_RECV, .id = id};
  c.u.recv = (rtc_recv_cfg_t){.transport = 1,
                              .video = true,
                              .codec = RTC_CODEC_VP8,
                              .pt = 96,
                              .rtx_pt = 97,
                              .clock_rate = 90000,
                              .mid = "1",
                              .nack = true,
                              .pli = true,
                              .twcc = true};
  snprintf(c.u.recv.rid, sizeof c.u.recv.rid, "%s", rid);
  return c;
}

static void publish(house_t *h, uint64_t seed) {
  house_open(h, seed, 1, RTC_SRTP_AEAD_AES_128_GCM);
  rtc_time_t now = rtc_sim_now(h->sim);
  rtc_cmd_t agree = {.op = RTC_OP_AGREE, .id = 1, .u.agree = {.reduced_rtcp = true}};
  put_ids(&agree.u.agree.ext);
  house_do(h->pub, &agree, now);
  house_do(h->relay, &agree, now);
  rtc_cmd_t low = sending(LOW, "l"), high = sending(HIGH, "h"), from_low = receiving(LOW, "l"), from_high = receiving(HIGH, "h");
  low.op = RTC_OP_SEND_AGREE;
  from_low.op = RTC_OP_RECV_AGREE;
  house_do(h->pub, &low, now);
  house_do(h->pub, &high, now);
  house_do(h->relay, &from_low, now);
  house_do(h->relay, &from_high, now);
}

/* Both layers at 30 a second, the high one only if wanted; key frames where the publisher is asked for them. */
static void stream(house_t *h, int frames, bool with_high) {
  static uint8_t frame[8000];
  static bool key[4] = {0};
  if (h->frame == 0) key[LOW] = key[HIGH] = true;
  for (int i = 0; i < frames; i++) {
    rtc_event_t e;
    while (rtc_hub_event(h->pub, &e))
      if (e.type == RTC_EV_KEYFRAME && e.id < 4) key[e.id] = true;
    for (uint32_t id = LOW; id <= HIGH; id += HIGH - LOW) {
      if (id == HIGH && !with_high) continue;
      uint32_t n = id == LOW ? 2000 : 7000;
      frame[0] = key[id] ? 0x10 : 0x11;
      rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = id, .u.frame = {.data = malloc(n), .len = n, .ts = h->frame * 3000, .key = key[id]}};
      if (!c.u.frame.data) exit(2);
      memcpy(c.u.frame.data, frame, n);
      house_do(h->pub, &c, rtc_sim_now(h->sim));
      key[id] = false;
    }
    h->frame++;
    rtc_sim_flush(h->sim, h->pub_at);
    rtc_sim_run(h->sim, rtc_sim_now(h->sim) + 33333);
  }
}

static void link_to(house_t *h, uint32_t receiver) {
  house_do(h->relay, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = VIEWER, .u.link = receiver}, rtc_sim_now(h->sim));
}

static uint32_t source(house_t *h) {
  rtc_stats_t s;
  house_stats(h->relay, &s);
  return house_send(&s, VIEWER)->source;
}

static rtc_recv_stats_t seen(house_t *h) {
  rtc_stats_t s;
  house_stats(h->view[0], &s);
  return *house_recv(&s, 1);
}

/* RID tells the layers of one section apart (RFC 8852), RRID their repairs. */
static void layers_are_told_apart(void) {
  house_t h;
  rtc_stats_t s;
  publish(&h, 3);
  rtc_link_t bad = {.delay_us = 20000, .loss = 0.05};
  rtc_sim_link(h.sim, h.pub_at, h.relay_at, &bad);
  stream(&h, 300, true);
  rtc_sim_run(h.sim, rtc_sim_now(h.sim) + RTC_SEC(1));
  house_stats(h.pub, &s);
  uint64_t low = house_send(&s, LOW)->packets, high = house_send(&s, HIGH)->packets;
  CHECK(house_send(&s, LOW)->rtx_packets > 5 && house_send(&s, HIGH)->rtx_packets > 20);
  CHECK(high > 2 * low);
  house_stats(h.relay, &s);
  CHECK(house_recv(&s, LOW)->packets > low * 98 / 100 && house_recv(&s, LOW)->packets <= low);
  CHECK(house_recv(&s, HIGH)->packets > high * 98 / 100 && house_recv(&s, HIGH)->packets <= high);
  CHECK(house_recv(&s, LOW)->rtx_packets > 5 && house_recv(&s, HIGH)->rtx_packets > 20);
  CHECK_EQ(s.hub.drops[RTC_DROP_RTP_STREAM], 0);
  house_close(&h);
}

/* A viewer who changes layers gets the one of before until there is a key frame of the other: no picture is missed, no number. */
static void a_change_misses_nothing(void) {
  house_t h;
  publish(&h, 4);
  stream(&h, 30, true);
  CHECK_EQ(source(&h), LOW);
  for (int i = 0; i < 6; i++) {
    const uint32_t to = i % 2 ? LOW : HIGH;
    const rtc_recv_stats_t before = seen(&h);
    link_to(&h, to);
    CHECK_EQ(source(&h), to == LOW ? HIGH : LOW);
    stream(&h, 30, true);
    CHECK_EQ(source(&h), to);
    const rtc_recv_stats_t after = seen(&h);
    CHECK(after.frames >= before.frames + 29 && after.frames <= before.frames + 31);
    CHECK_EQ(after.key_frames, before.key_frames + 1);
    CHECK_EQ(after.lost, 0);
  }
  house_close(&h);
}

static void a_silent_layer_takes_nothing_away(void) {
  house_t h;
  publish(&h, 5);
  stream(&h, 30, false);
  link_to(&h, HIGH);
  rtc_recv_stats_t before = seen(&h);
  stream(&h, 60, false);
  CHECK_EQ(source(&h), LOW);
  CHECK(seen(&h).frames >= before.frames + 59);
  stream(&h, 30, true); /* it begins, with a key frame */
  CHECK_EQ(source(&h), HIGH);
  CHECK_EQ(seen(&h).lost, 0);
  house_close(&h);
}

static void a_change_can_be_taken_back(void) {
  house_t h;
  publish(&h, 6);
  stream(&h, 30, false);
  link_to(&h, HIGH);
  link_to(&h, LOW);
  stream(&h, 30, true);
  CHECK_EQ(source(&h), LOW);
  link_to(&h, HIGH);
  link_to(&h, 0);
  stream(&h, 30, true);
  CHECK_EQ(source(&h), 0);
  house_close(&h);
}

/* Whose layer ends goes on with the one that is wanted; the end of that one takes the wish away. */
static void layers_end(void) {
  house_t h;
  rtc_stats_t s;
  publish(&h, 7);
  stream(&h, 30, true);
  link_to(&h, HIGH);
  house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_RECV_END, .id = LOW}, rtc_sim_now(h.sim));
  CHECK_EQ(source(&h), HIGH);
  uint64_t before = seen(&h).frames;
  stream(&h, 60, true);
  CHECK(seen(&h).frames > before + 20);
  rtc_cmd_t again = receiving(LOW, "l");
  again.id = 4;
  house_do(h.relay, &again, rtc_sim_now(h.sim));
  link_to(&h, 4);
  house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_RECV_END, .id = 4}, rtc_sim_now(h.sim));
  stream(&h, 30, true);
  CHECK_EQ(source(&h), HIGH);
  /* A sender may end with its wish, and both layers with it. */
  house_do(h.relay, &again, rtc_sim_now(h.sim));
  link_to(&h, 4);
  house_do(h.relay, &(rtc_cmd_t){.op = RTC_OP_SEND_END, .id = VIEWER}, rtc_sim_now(h.sim));
  stream(&h, 10, true);
  house_stats(h.relay, &s);
  CHECK(house_send(&s, VIEWER) == NULL);
  house_close(&h);
}

int main(void) {
  RUN(layers_are_told_apart);
  RUN(a_change_misses_nothing);
  RUN(a_silent_layer_takes_nothing_away);
  RUN(a_change_can_be_taken_back);
  RUN(layers_end);
  return CHECK_END();
}
