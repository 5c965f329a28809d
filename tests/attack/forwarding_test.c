/* Attacks by authentic packets, end to end: a publisher that may send what it likes, a viewer behind the relay. Rows C1 to C3 and C6. */
#include "check.h"
#include "heap.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;

static void open_relay(rig_t *r, rtc_codec_t codec) {
  rig_open(r, 0);
  rtc_recv_cfg_t in = rig_recv(rig_join(r, GCM), true);
  rtc_send_cfg_t out = rig_send(rig_join(r, GCM), true, 9000);
  in.codec = out.codec = (uint8_t)codec;
  out.ext_mask = UINT32_MAX >> (32 - RTC_EXT_COUNT);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
}

/* Protects and sends n plain bytes as they are, as the publisher. */
static void send_plain(rig_t *r, const uint8_t *plain, size_t n, int64_t index) {
  uint8_t p[RTC_PKT_DATA + RTC_PKT_TAIL];
  memcpy(p, plain, n);
  rtc_put16(p + 2, (uint16_t)index);
  int len = rtc_srtp_protect(&r->peer[0].tx, p, n, sizeof p, index);
  if (len < 0) exit(2);
  rig_raw(r, &r->peer[0].path, p, (size_t)len);
}

static size_t vp8_head(uint8_t *p, uint16_t profile, const uint8_t *ext, size_t ext_len) {
  rtc_rtp_t h = {.ssrc = 77, .pt = 96, .has_ext = true};
  rtc_rtp_write(p, &h);
  rtc_put16(p + 12, profile);
  rtc_put16(p + 14, (uint16_t)(ext_len / 4));
  memcpy(p + 16, ext, ext_len);
  return 16 + ext_len;
}

/* All pairs of first bytes in both forms, with one element behind them: every packet is forwarded once, its payload whole, and under no
 * id that the viewer does not know. */
static void c1_through_a_relay(void) {
  rig_t r;
  open_relay(&r, RTC_CODEC_VP8);
  rig_vp8(&r, 0, 77, 1000, 0, true, true);
  rig_forget(&r);
  int wrong = 0;
  uint64_t mids_unknown = rig_drops(&r, RTC_DROP_RTP_STREAM);
  for (int pair = 0; pair < 65536; pair++)
    for (int two = 0; two < 2; two++) {
      uint8_t p[64], ext[8] = {(uint8_t)(pair >> 8), (uint8_t)pair, RIG_ABS_ID << 4 | 2, 1, 2, 3, 0, 0};
      if (two) ext[2] = RIG_ABS_ID, ext[3] = 3;
      size_t n = vp8_head(p, two ? 0x1000 : 0xbede, ext, sizeof ext);
      rtc_put32(p + n, 0x00112233u + (uint32_t)pair);
      send_plain(&r, p, n + 4, 1001 + pair * 2 + two);
      uint64_t unknown = rig_drops(&r, RTC_DROP_RTP_STREAM); /* an element that is read as a MID nobody has */
      bool mid = unknown > mids_unknown;
      mids_unknown = unknown;
      wrong += rig_media_n(&r, 1, 9000) != !mid;
      const rig_got_t *g = rig_media(&r, 1, 9000, 0);
      if (g) {
        wrong += g->rtp.payload_len != 4 || rtc_get32(g->data + g->rtp.hdr_len) != 0x00112233u + (uint32_t)pair;
        rtc_extmap_t map = rig_transport(1).ext;
        rtc_ext_view_t v;
        rtc_rtpext_parse(&v, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.ext_len, &map);
        wrong += v.have != (1u << RTC_EXT_MID | 1u << RTC_EXT_TWCC | 1u << RTC_EXT_ABS_SEND_TIME);
      }
      bool is_mid = !two ? (pair >> 12) == RIG_MID_ID || (pair >> 8 == 0 && (pair >> 4 & 15) == RIG_MID_ID)
                         : pair >> 8 == RIG_MID_ID || (pair >> 8 == 0 && (pair & 255) == RIG_MID_ID);
      wrong += mid && !is_mid; /* only where one stands */
      rig_forget(&r);
    }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(r.unread, 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_FORM), 0);
  rig_close(&r);
}

/* Random elements in packets up to a whole slot, for a viewer with other ids: what fits arrives as it was, what has outgrown its slot is
 * dropped and counted, and no datagram is longer than one may be. */
static void c2_through_a_relay(void) {
  enum { N = 20000 };
  rig_t r;
  rig_open(&r, 0);
  int sent = 0, came = 0, wrong = 0;
  for (uint32_t t = 1; t <= 2; t++) { /* publisher and viewer agreed on different ids, in either form */
    rtc_transport_cfg_t cfg = rig_transport(t);
    rtc_extmap_init(&cfg.ext);
    for (int k = 0; k < RTC_EXT_COUNT; k++) CHECK_EQ(rtc_extmap_set(&cfg.ext, (rtc_ext_t)k, (uint8_t)(t == 1 ? 15 - k : 200 + k)), 0);
    cfg.ext_two_byte = true;
    rig_join_as(&r, GCM, &cfg);
  }
  rtc_recv_cfg_t in = rig_recv(0, true);
  rtc_send_cfg_t out = rig_send(1, true, 9000);
  in.mid[0] = 0;
  out.ext_mask = UINT32_MAX >> (32 - RTC_EXT_COUNT);
  rig_add_recv(&r, 1, &in);
  rig_add_send(&r, 2, &out);
  rig_link(&r, 2, 1);
  uint64_t seed = 5;
  for (int i = 0; i < N; i++) {
    uint8_t p[RTC_PKT_DATA], ext[256] = {0}, dependency[256];
    size_t at = 0, dependency_len = 0;
    for (int k = RTC_EXT_AUDIO_LEVEL; k < RTC_EXT_COUNT; k++) { /* those that are forwarded among them */
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      size_t len = 1 + (size_t)(seed >> 40) % 16;
      if (seed >> 60 < 8 || at + 1 + len > sizeof ext) continue;
      ext[at++] = (uint8_t)((15 - k) << 4 | (int)(len - 1));
      for (size_t b = 0; b < len; b++) ext[at + b] = (uint8_t)(seed >> (b % 8 * 8));
      if (k == RTC_EXT_DEPENDENCY) memcpy(dependency, ext + at, len), dependency_len = len;
      at += len;
    }
    size_t head = vp8_head(p, 0xbede, ext, (at + 3) / 4 * 4), room = RTC_PKT_DATA - 16 - head;
    size_t payload = i % 3 ? room - (size_t)(seed >> 33) % 10 : 3 + (size_t)(seed >> 33) % (room - 3);
    memset(p + head, i, payload);
    p[head] = 0x10;
    p[head + 1] = i ? 0x11 : 0x10;
    send_plain(&r, p, head + payload, 3000 + i);
    sent++;
    const rig_got_t *g = rig_media(&r, 1, 9000, 0);
    if (g) {
      came++;
      wrong += g->len > RTC_PKT_DATA || g->rtp.payload_len != payload || memcmp(g->data + g->rtp.hdr_len, p + head, payload) != 0;
      rtc_extmap_t map;
      rtc_ext_view_t v;
      rtc_extmap_init(&map);
      for (int k = 0; k < RTC_EXT_COUNT; k++) wrong += rtc_extmap_set(&map, (rtc_ext_t)k, (uint8_t)(200 + k)) != 0;
      rtc_rtpext_parse(&v, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.ext_len, &map);
      wrong += v.len[RTC_EXT_DEPENDENCY] != dependency_len;
      wrong += dependency_len && memcmp(v.p[RTC_EXT_DEPENDENCY], dependency, dependency_len) != 0;
    }
    rig_forget(&r);
  }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(r.unread, 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_TOO_BIG), sent - came);
  CHECK(came > N * 9 / 10 && sent - came > N / 100);
  rig_close(&r);
}

/* Every padding under every size: a lie is a packet of wrong form, the rest arrives without its padding. */
static void c3_through_a_relay(void) {
  rig_t r;
  open_relay(&r, RTC_CODEC_VP8);
  rig_vp8(&r, 0, 77, 1000, 0, true, true);
  rig_forget(&r);
  int64_t index = 1001, lies = 0, wrong = 0;
  for (size_t size = 0; size < 256; size++)
    for (int pad = 0; pad < 256; pad++) {
      uint8_t p[300] = {0xa0, 96};
      rtc_put32(p + 8, 77);
      memset(p + 12, 0x11, size);
      if (size) p[12 + size - 1] = (uint8_t)pad;
      send_plain(&r, p, 12 + size, index++);
      bool lie = size == 0 || pad == 0 || (size_t)pad > size;
      lies += lie;
      const rig_got_t *g = rig_media(&r, 1, 9000, 0);
      wrong += rig_media_n(&r, 1, 9000) != !lie;
      if (g) wrong += g->rtp.padding || g->rtp.payload_len != size - (size_t)pad;
      rig_forget(&r);
    }
  CHECK_EQ(wrong, 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_FORM), lies);
  CHECK_EQ(lies, 65536 - 255 * 128);
  rig_close(&r);
}

/* STAP-A whose units are longer than the rest, FU-A of head alone, at every length, in memory exactly as long. */
static void c6_units_that_lie(void) {
  int64_t runs = 0, wrong = 0;
  for (size_t n = 0; n <= 40; n++)
    for (int head = 0; head < 256; head++)
      for (int length = 0; length < 65536; length += length < 64 ? 1 : 4093) {
        uint8_t *p = malloc(n ? n : 1);
        if (!p) exit(2);
        memset(p, 0xe5, n); /* of every unit: IDR, first macroblock 0; as FU-A: a start */
        if (n) p[0] = (uint8_t)head;
        if (n > 1 && (head & 0x1f) == 28) p[1] = length % 2 ? 0x87 : 0x85; /* start of an SPS, of an IDR */
        if (n > 2 && (head & 0x1f) == 24) rtc_put16(p + 1, (uint16_t)length);
        rtc_payload_info_t got = rtc_payload_look(RTC_CODEC_H264, p, n);
        int type = head & 0x1f;
        bool one_fits = n > 4 && length >= 2 && (size_t)length + 3 == n; /* the only one, with a byte behind its own head */
        if (type == 24 && got.start) wrong += !(one_fits && !(head & 0x80));
        if (type == 28 && got.start) wrong += n <= 2;
        if (n < 2) wrong += got.start || got.key;
        runs++;
        free(p);
      }
  CHECK_EQ(wrong, 0);
  CHECK(runs > 500000);
}

/* FU-A that never end: what is held is bounded, and a picture after them is seen. */
static void c6_endless_units(void) {
  rig_t r;
  open_relay(&r, RTC_CODEC_H264);
  uint8_t p[400];
  memset(p, 0xaa, sizeof p);
  p[0] = 0x80;
  p[1] = 96;
  rtc_put32(p + 8, 77);
  p[12] = 0x7c;
  int64_t n = 200000 * check_scale();
  uint32_t most = 0;
  size_t before = 0;
  for (int64_t i = 0; i < n; i++) {
    p[13] = i % 1000 ? 0x05 : 0x85; /* middle, now and then a start of an IDR that never ends */
    rtc_put32(p + 4, (uint32_t)(i / 1000) * 3000);
    send_plain(&r, p, i % 1000 ? 300 + (size_t)(i % 100) : 20, 500 + i);
    if (r.got_n > 1000) rig_forget(&r);
    if (i % 1000 == 999 && rig_pool(&r) > most) most = rig_pool(&r);
    if (i == n / 10) before = heap_bytes();
  }
  CHECK(most <= 1024 + 64);
  CHECK(heap_bytes() <= before + 4096);
  rig_forget(&r);
  p[13] = 0x85;
  rtc_put32(p + 4, 77777);
  send_plain(&r, p, 100, 500 + n);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 1);
  check_figure("packets", (double)n);
  check_figure("held_slots", most);
  rig_close(&r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(c1_through_a_relay);
  RUN(c2_through_a_relay);
  RUN(c3_through_a_relay);
  RUN(c6_units_that_lie);
  RUN(c6_endless_units);
  return CHECK_END();
}
