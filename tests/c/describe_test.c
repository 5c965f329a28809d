#include "engine/describe.h"

#include "check.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;
enum { FRAME_US = 33333 };

/* The descriptor of what the hub has sent; NULL: it has none. */
static const uint8_t *said(const rig_got_t *g, size_t *n) {
  rtc_extmap_t map = rig_telling(1).ext;
  rtc_ext_view_t v;
  rtc_rtpext_parse(&v, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.has_ext ? g->rtp.ext_len : 0, &map);
  *n = rtc_ext_has(&v, RTC_EXT_DEPENDENCY) ? v.len[RTC_EXT_DEPENDENCY] : 0;
  return *n ? v.p[RTC_EXT_DEPENDENCY] : NULL;
}

static void send_frame(rig_t *r, rtc_frame_cfg_t f, uint8_t first) {
  f.data = malloc(f.len);
  if (!f.data) exit(2);
  memset(f.data, first, f.len);
  f.described = true;
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = 1, .u.frame = f});
  rig_pass(r, FRAME_US);
}

/* A peer that agrees to descriptors. */
static int join_telling(rig_t *r) {
  rtc_transport_cfg_t t = rig_telling((uint32_t)r->peer_n + 1);
  return rig_join_as(r, GCM, &t);
}

static void open_sender(rig_t *r, bool agreed) {
  rig_open(r, 0);
  rtc_send_cfg_t a = rig_send(join_telling(r), true, 100);
  a.rtx_ssrc = 101;
  if (agreed) a.ext_mask |= 1u << RTC_EXT_DEPENDENCY;
  rig_add_send(r, 1, &a);
}

static const rtc_layer_t three[] = {{.tid = 0, .refs = 1, .ref = {4}},
                                    {.tid = 2, .sync = true, .droppable = true, .refs = 1, .ref = {1}},
                                    {.tid = 1, .sync = true, .refs = 1, .ref = {2}},
                                    {.tid = 2, .droppable = true, .refs = 2, .ref = {1, 3}}};

/* Each packet says where its frame begins and ends, and the first one of a key frame what it is of, whatever the frame holds; so do
 * repairs, which nothing else describes. */
static void every_packet_is_described(void) {
  for (uint8_t layers = 1; layers <= 3; layers += 2) {
    rig_t r;
    open_sender(&r, true);
    static rtc_depdesc_structure_t s;
    memset(&s, 0, sizeof s);
    for (uint32_t i = 0; i < 40; i++) {
      bool key = i % 20 == 0;
      rtc_frame_cfg_t f = {.len = i % 3 ? 3000 : 5, .ts = i * 3000, .key = key, .layers = layers, .size = {640, 360}};
      f.layered = layers == 3;
      if (f.layered) f.layer = three[i % 4];
      if (key) f.layer.refs = 0;
      send_frame(&r, f, (uint8_t)i);
      int n = rig_media_n(&r, 0, 100);
      CHECK_EQ(n, i % 3 ? 3 : 1);
      for (int k = 0; k < n; k++) {
        size_t len;
        const uint8_t *p = said(rig_media(&r, 0, 100, k), &len);
        rtc_depdesc_t d;
        CHECK(p && rtc_depdesc_parse(&d, &s, p, len) == 0 && d.placed);
        CHECK_EQ(d.number, i);
        CHECK_EQ(d.start, k == 0);
        CHECK_EQ(d.end, k == n - 1);
        CHECK_EQ(d.key, key && k == 0);
        CHECK_EQ(d.frame.temporal, layers == 3 ? three[i % 4].tid : 0);
        CHECK_EQ(d.frame.diff_n, key ? 0 : layers == 3 ? three[i % 4].refs : 1);
        CHECK_EQ(d.frame.chain[0], key ? 0 : layers == 3 && i % 4 ? i % 4 : layers == 3 ? 4 : 1);
        CHECK_EQ(s.target_n, layers);
        CHECK_EQ(s.sized, layers == 1); /* of three layers there is no room for it without the two-byte form */
        if (s.sized) CHECK(s.width[0] == 640 && s.height[0] == 360);
        CHECK_EQ(rig_media(&r, 0, 100, k)->data[rig_media(&r, 0, 100, k)->len - 1], i);
      }
      rig_forget(&r);
    }
    rig_close(&r);
  }
}

static void repairs_are_described(void) {
  rig_t r;
  open_sender(&r, true);
  send_frame(&r, (rtc_frame_cfg_t){.len = 2000, .ts = 0, .key = true}, 1);
  int n = rig_media_n(&r, 0, 100);
  CHECK_EQ(n, 2);
  for (int k = 0; k < n; k++) {
    uint8_t b[64];
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_rtcp_write_nack(&w, 4711, 100, &rig_media(&r, 0, 100, k)->rtp.seq, 1);
    rig_rtcp(&r, 0, b, rtc_wr_len(&w));
    rig_pass(&r, FRAME_US);
    CHECK_EQ(rig_media_n(&r, 0, 101), k + 1);
    const rig_got_t *g = rig_media(&r, 0, 100, k), *again = rig_media(&r, 0, 101, k);
    size_t len, had;
    const uint8_t *p = said(again, &len), *q = said(g, &had);
    CHECK_EQ(len, had);
    CHECK(p && q && memcmp(p, q, len) == 0);
    CHECK_EQ(again->rtp.payload_len, g->rtp.payload_len + 2);
    CHECK_MEM(again->data + again->rtp.hdr_len + 2, g->data + g->rtp.hdr_len, g->rtp.payload_len);
  }
  rig_close(&r);
}

static void who_has_not_agreed_is_told_nothing(void) {
  rig_t r;
  open_sender(&r, false);
  send_frame(&r, (rtc_frame_cfg_t){.len = 2000, .ts = 0, .key = true}, 1);
  CHECK_EQ(rig_media_n(&r, 0, 100), 2);
  for (int k = 0; k < 2; k++) {
    size_t len;
    CHECK(!said(rig_media(&r, 0, 100, k), &len));
  }
  rig_close(&r);
}

/* A publisher (peer 0, receiver 1) and viewers of it (senders 2 to 4, SSRCs 9000 to 9002), the last of which has not agreed. */
static void open_relay(rig_t *r) {
  rig_open(r, 0);
  int pub = join_telling(r);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  in.pli = in.frames = true;
  rig_add_recv(r, 1, &in);
  for (uint32_t v = 0; v < 3; v++) {
    rtc_send_cfg_t out = rig_send(join_telling(r), true, 9000 + v);
    if (v < 2) out.ext_mask |= 1u << RTC_EXT_DEPENDENCY;
    rig_add_send(r, 2 + v, &out);
  }
}

/* A packet whose payload says the opposite of its descriptor. */
static void publish(rig_t *r, int64_t index, bool start, bool end, bool key) {
  static int64_t ts;
  if (start) ts += 3000;
  rtc_depdesc_structure_t s;
  rtc_depdesc_t d = {.start = start, .end = end, .number = (uint16_t)index, .key = key && start};
  rtc_depdesc_layers(&s, 1, (rtc_picture_size_t){320, 180});
  rtc_depdesc_place(&d.frame, &s, key, NULL, 1);
  uint8_t b[16], payload[40] = {start ? 0x10 : 0, key ? 0x11 : 0x10};
  int n = rtc_depdesc_write(&d, &s, b, sizeof b);
  CHECK(n > 0);
  rig_rtp(r, 0,
          &(rig_rtp_t){.ssrc = 100,
                       .index = index,
                       .ts = ts,
                       .pt = 96,
                       .marker = end,
                       .mid = "1",
                       .dep = b,
                       .dep_n = (uint8_t)n,
                       .payload = payload,
                       .len = sizeof payload});
}

/* Viewers begin at a key frame that only its descriptor tells, one that comes late at the next one; frames for the owner likewise. */
static void key_frames_by_descriptor(void) {
  rig_t r;
  open_relay(&r);
  rig_link(&r, 2, 1);
  rig_link(&r, 4, 1);
  int64_t i = 500;
  for (; i < 506; i += 2) { /* looks like key frames */
    publish(&r, i, true, false, false);
    publish(&r, i + 1, false, true, false);
  }
  CHECK_EQ(rig_media_n(&r, 1, 9000), 0);
  CHECK(!rtc_hub_has_frames(r.hub));
  publish(&r, i, true, false, true);
  publish(&r, i + 1, false, true, true);
  publish(&r, i + 2, true, true, false);
  i += 3;
  CHECK_EQ(rig_media_n(&r, 1, 9000), 3);
  CHECK_EQ(rig_media_n(&r, 3, 9002), 3);
  rig_link(&r, 3, 1);
  for (int k = 0; k < 3; k++, i++) publish(&r, i, true, true, false);
  CHECK_EQ(rig_media_n(&r, 2, 9001), 0);
  publish(&r, i, true, true, true);
  CHECK_EQ(rig_media_n(&r, 2, 9001), 1);
  size_t n;
  rtc_depdesc_t d;
  const uint8_t *p = said(rig_media(&r, 2, 9001, 0), &n);
  CHECK(p && rtc_depdesc_look(&d, p, n) == 0 && d.key && d.start);
  CHECK(!said(rig_media(&r, 3, 9002, 0), &n));
  int keys = 0, frames = 0;
  for (rtc_frame_t *f; (f = rtc_hub_frame(r.hub)); frames++) {
    if (!frames) CHECK(f->key);
    keys += f->key;
    free(f);
  }
  CHECK_EQ(keys, 2);
  CHECK_EQ(frames, 6);
  const rtc_recv_stats_t *s = rig_recv_stats(&r, 1);
  CHECK_EQ(s->key_frames, 2);
  CHECK(s->width == 320 && s->height == 180);
  rig_close(&r);
}

/* What is no descriptor leaves it to the payload. */
static void broken_descriptors(void) {
  rig_t r;
  open_relay(&r);
  rig_link(&r, 2, 1);
  const uint8_t b[2] = {0x80, 0}, payload[40] = {0x10, 0x10};
  rig_rtp(&r, 0,
          &(rig_rtp_t){.ssrc = 100,
                       .index = 1,
                       .ts = 0,
                       .pt = 96,
                       .marker = true,
                       .mid = "1",
                       .dep = b,
                       .dep_n = 2,
                       .payload = payload,
                       .len = sizeof payload});
  CHECK_EQ(rig_media_n(&r, 1, 9000), 1);
  rig_close(&r);
}

int main(void) {
  RUN(every_packet_is_described);
  RUN(repairs_are_described);
  RUN(who_has_not_agreed_is_told_nothing);
  RUN(key_frames_by_descriptor);
  RUN(broken_descriptors);
  return CHECK_END();
}
