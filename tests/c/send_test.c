#include "check.h"
#include "rig.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;
enum { FRAME_US = 33333 };

/* A publisher (peer 0, receiver 1) and a viewer (peer 1, sender 2, SSRC 9000, RTX 9001). */
static void open_relay(rig_t *r) {
  rig_open(r, 0);
  int pub = rig_join(r, GCM), view = rig_join(r, GCM);
  rtc_recv_cfg_t in = rig_recv(pub, true);
  rtc_send_cfg_t out = rig_send(view, true, 9000);
  rig_add_recv(r, 1, &in);
  rig_add_send(r, 2, &out);
  rig_link(r, 2, 1);
}

static void nack(rig_t *r, int peer, uint32_t media, const uint16_t *seqs, int n) {
  uint8_t b[1200];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_nack(&w, 4711, media, seqs, n);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static void report_block(rig_t *r, int peer, uint32_t ssrc) {
  uint8_t b[64];
  rtc_wr_t w = rtc_wr(b, sizeof b);
  rtc_rtcp_write_rr(&w, 4711, &(rtc_rb_t){.ssrc = ssrc}, 1);
  rig_rtcp(r, peer, b, rtc_wr_len(&w));
}

static bool has_mid(const rig_got_t *g) {
  rtc_extmap_t map = rig_transport(1).ext;
  rtc_ext_view_t v;
  rtc_rtpext_parse(&v, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.has_ext ? g->rtp.ext_len : 0, &map);
  return rtc_ext_has(&v, RTC_EXT_MID) && v.len[RTC_EXT_MID] == 1 && v.p[RTC_EXT_MID][0] == '1';
}

/* The MID goes with every packet until the peer has reported on this very SSRC; RTX packets keep it, since of their SSRC it may
 * never have seen one (RFC 9143 §9.2). */
static void mid_until_reported(void) {
  rig_t r;
  open_relay(&r);
  for (int i = 0; i < 10; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, i == 0);
  for (int i = 0; i < 10; i++) CHECK(has_mid(rig_media(&r, 1, 9000, i)));
  report_block(&r, 1, 1234);
  rig_vp8(&r, 0, 100, 510, 30000, true, false);
  CHECK(has_mid(rig_media(&r, 1, 9000, 10)));
  report_block(&r, 1, 9000);
  rig_vp8(&r, 0, 100, 511, 33000, true, false);
  CHECK(!has_mid(rig_media(&r, 1, 9000, 11)));
  nack(&r, 1, 9000, &(uint16_t){rig_media(&r, 1, 9000, 11)->rtp.seq}, 1);
  CHECK_EQ(rig_media_n(&r, 1, 9001), 1);
  CHECK(rig_media_n(&r, 1, 9001) && has_mid(rig_media(&r, 1, 9001, 0)));
  uint16_t two[2] = {rig_media(&r, 1, 9000, 9)->rtp.seq, rig_media(&r, 1, 9000, 10)->rtp.seq};
  nack(&r, 1, 9000, two, 2);
  const rtc_send_stats_t *s = rig_send_stats(&r, 2);
  CHECK(s->nacks == 3 && s->nack_messages == 2 && s->rtx_packets == 3);
  CHECK_EQ(s->rtx_bytes, 3 * (s->bytes / s->packets + 2)); /* its payload begins with the number of before */
  rig_close(&r);
}

/* RTX is the packet that was sent: its time, marker and payload behind its number. Once per round trip, three times, then no more. */
static void repair_repeats_what_was_sent(void) {
  static const int64_t starts[] = {1, 65530, 32765};
  for (size_t k = 0; k < 3; k++) {
    rig_t r;
    open_relay(&r);
    for (int i = 0; i < 20; i++) rig_vp8(&r, 0, 100, starts[k] + i, INT64_C(0xfffffff0) + 3000 * i, true, i == 0);
    for (int i = 0; i < 20; i++) nack(&r, 1, 9000, &(uint16_t){rig_media(&r, 1, 9000, i)->rtp.seq}, 1);
    rig_pass(&r, RTC_MS(20)); /* the pacer lets them out */
    CHECK_EQ(rig_media_n(&r, 1, 9001), 20);
    for (int i = 0; i < rig_media_n(&r, 1, 9001); i++) {
      const rig_got_t *a = rig_media(&r, 1, 9000, i), *b = rig_media(&r, 1, 9001, i);
      CHECK_EQ(b->rtp.pt, 97);
      CHECK_EQ(b->rtp.ts, a->rtp.ts);
      CHECK_EQ(b->rtp.marker, a->rtp.marker);
      CHECK_EQ(b->rtp.payload_len, a->rtp.payload_len + 2);
      CHECK_EQ(rtc_get16(b->data + b->rtp.hdr_len), a->rtp.seq);
      CHECK_MEM(b->data + b->rtp.hdr_len + 2, a->data + a->rtp.hdr_len, a->rtp.payload_len);
    }
    uint16_t one = rig_media(&r, 1, 9000, 3)->rtp.seq;
    for (int i = 0; i < 100; i++) {
      nack(&r, 1, 9000, &one, 1);
      rig_pass(&r, RTC_MS(5));
    }
    CHECK_EQ(rig_media_n(&r, 1, 9001), 22);
    for (int i = 1; i < rig_media_n(&r, 1, 9001); i++) CHECK_EQ(rig_media(&r, 1, 9001, i)->index, rig_media(&r, 1, 9001, i - 1)->index + 1);
    CHECK_EQ(r.unread, 0);
    rig_close(&r);
  }
}

/* What cannot be repeated (never sent, lost upstream as well, too old) costs no budget. */
static void absent_packets_cost_no_budget(void) {
  rig_t r;
  open_relay(&r);
  for (int i = 0; i < 5000; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, i == 0);
  uint16_t first = rig_media(&r, 1, 9000, 0)->rtp.seq;
  rig_forget(&r);
  for (int i = 0; i < 4000; i++) {
    nack(&r, 1, 9000, &(uint16_t){(uint16_t)(first + 1500 + i)}, 1);
    rig_pass(&r, RTC_MS(1));
  }
  const rtc_send_stats_t *s = rig_send_stats(&r, 2);
  CHECK(s->rtx_packets > 900 && s->rtx_packets <= 1024); /* as far back as the history goes */
  CHECK_EQ(rig_media_n(&r, 1, 9001), s->rtx_packets);
  CHECK_EQ(s->rtx_refused, 0);
  rig_close(&r);
}

/* A stream runs on from one source to another, to frames of our own and back: numbers without a gap, time never backwards and by the
 * clock. */
static void one_stream_over_many_sources(void) {
  rig_t r;
  open_relay(&r);
  int other = rig_join(&r, GCM);
  rtc_recv_cfg_t in = rig_recv(other, true);
  rig_add_recv(&r, 3, &in);
  int64_t index[2] = {65500, 7};
  uint32_t own = 0x80000000u;
  int sent = 0;
  for (int turn = 0; turn < 30; turn++) {
    int source = turn % 3; /* 0 and 1: publishers; 2: frames */
    rig_link(&r, 2, source == 0 ? 1 : source == 1 ? 3 : 0);
    for (int i = 0; i < 10; i++) {
      if (source == 2)
        rig_frame(&r, 2, 500, own += 3000, i == 0);
      else
        rig_vp8(&r, source ? other : 0, source ? 300 : 100, index[source]++,
                (source ? 123456789 : INT64_C(0xffff0000)) + 3000 * (turn * 10 + i), true, i == 0);
      sent++;
      rig_pass(&r, FRAME_US);
    }
  }
  CHECK_EQ(rig_media_n(&r, 1, 9000), sent);
  for (int i = 1; i < sent; i++) {
    const rig_got_t *a = rig_media(&r, 1, 9000, i - 1), *b = rig_media(&r, 1, 9000, i);
    if (!a || !b) break;
    CHECK_EQ(b->index, a->index + 1);
    int32_t step = (int32_t)(b->rtp.ts - a->rtp.ts);
    if (step < 2900 || step > 3100) fprintf(stderr, "packet %d: step %d\n", i, step);
    CHECK(step >= 2900 && step <= 3100);
  }
  CHECK_EQ(r.unread, 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
  rig_close(&r);
}

/* Linking what is linked changes nothing: the picture does not stop for a key frame. */
static void linking_again_is_no_change(void) {
  rig_t r;
  open_relay(&r);
  for (int i = 0; i < 10; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, i == 0);
  rig_link(&r, 2, 1);
  for (int i = 10; i < 20; i++) rig_vp8(&r, 0, 100, 500 + i, 3000 * i, true, false);
  CHECK_EQ(rig_media_n(&r, 1, 9000), 20);
  rig_close(&r);
}

/* What would make two streams share numbers, or more streams than the keys can follow, is refused when it is asked for. */
static void senders_that_cannot_be(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, true, 100), b = a;
  rig_add_send(&r, 1, &a);
#define ADD(i) rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = (i), .u.send = b}, r.now)
  CHECK_EQ(ADD(2), RTC_EINVAL); /* the same SSRCs */
  b.ssrc = 101, b.rtx_ssrc = 102;
  CHECK_EQ(ADD(2), RTC_EINVAL); /* another's RTX */
  b.ssrc = 102, b.rtx_ssrc = 100;
  CHECK_EQ(ADD(2), RTC_EINVAL);
  b.ssrc = 102, b.rtx_ssrc = 102;
  CHECK_EQ(ADD(2), RTC_EINVAL); /* both its own */
  b.ssrc = 102, b.rtx_ssrc = 103, b.rtx_pt = 128;
  CHECK_EQ(ADD(2), RTC_EINVAL);
  int added = 1, err = 0;
  for (uint32_t i = 2; i < 40 && !err; i++) {
    b = rig_send(p, true, 1000 + 2 * i);
    err = ADD(i);
    if (!err) added++;
  }
#undef ADD
  CHECK_EQ(err, RTC_ENOBUFS);
  CHECK_EQ(added, 31); /* 62 SSRCs, and our own for reports */
  for (uint32_t i = 1; i <= 31; i++) rig_frame(&r, i == 1 ? 1 : i, 300, 0, true);
  rig_pass(&r, RTC_SEC(3));
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
  CHECK_EQ(r.unread, 0);
  rig_close(&r);
}

/* Our own frames leave faster than they come: a pacer at the mean rate would let them pile up. */
static void own_frames_are_not_held_back(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, true, 100);
  rig_add_send(&r, 1, &a);
  for (uint32_t i = 0; i < 300; i++) { /* 8 Mb/s, key frames four times as big */
    rig_frame(&r, 1, i % 60 ? 33000 : 132000, i * 3000, i % 60 == 0);
    rig_pass(&r, FRAME_US);
    if (i < 299) rig_forget(&r);
  }
  rig_forget(&r);
  rtc_time_t from = r.now;
  rig_pass(&r, RTC_SEC(2));
  rtc_time_t late = 0;
  for (int i = 0; i < r.got_n; i++)
    if (r.got[i].media) late = r.got[i].at - from;
  CHECK(late < RTC_MS(100));
  CHECK_EQ(rig_drops(&r, RTC_DROP_PACER), 0);
  rig_close(&r);
}

/* Frames whose layer is said: TL0PICIDX counts those of the lowest one, over its end at 255, the picture id all (RFC 7741 §4.2). */
static void layers_are_said(void) {
  static const rtc_layer_t pattern[4] = {
      {.tid = 0}, {.tid = 2, .sync = true, .droppable = true}, {.tid = 1, .sync = true}, {.tid = 2, .droppable = true}};
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, true, 100);
  rig_add_send(&r, 1, &a);
  int tl0 = -1, id = -1;
  for (uint32_t i = 0; i < 4 * 300; i++) {
    uint8_t *data = calloc(1, 3000);
    if (!data) exit(2);
    data[0] = i ? 0x11 : 0x10;
    const rtc_layer_t *layer = &pattern[i % 4];
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAME,
                            .id = 1,
                            .u.frame = {.data = data, .len = 3000, .ts = i * 3000, .key = i == 0, .layered = true, .layer = *layer}});
    rig_pass(&r, FRAME_US);
    int n = rig_media_n(&r, p, 100);
    CHECK(n >= 3);
    for (int k = 0; k < n; k++) {
      const rig_got_t *g = rig_media(&r, p, 100, k);
      rtc_vp8_desc_t d;
      CHECK_EQ(rtc_vp8_parse(&d, g->data + g->rtp.hdr_len, g->rtp.payload_len), 0);
      CHECK(d.has_tl0 && d.has_tid && d.tid == layer->tid && d.layer_sync == layer->sync && d.non_ref == layer->droppable);
      if (k == 0) {
        if (i) CHECK_EQ(d.tl0, (tl0 + (layer->tid == 0)) & 0xff);
        if (i) CHECK_EQ(d.picture_id, (id + 1) & 0x7fff);
        tl0 = d.tl0;
        id = d.picture_id;
      }
      CHECK(d.tl0 == tl0 && d.picture_id == id);
    }
    rig_forget(&r);
  }
  rig_close(&r);
}

/* A key frame that is asked for again within half a second is told then, not forgotten. */
static void key_wish_is_deferred_not_lost(void) {
  rig_t r;
  rtc_event_t e;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, true, 100);
  rig_add_send(&r, 1, &a);
  rig_frame(&r, 1, 1000, 0, true);
  int told = 0;
  for (int i = 0; i < 40; i++) {
    uint8_t b[32];
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_rtcp_write_pli(&w, 4711, 100);
    if (i < 2) rig_rtcp(&r, p, b, rtc_wr_len(&w));
    rig_pass(&r, RTC_MS(50));
    while (rtc_hub_event(r.hub, &e)) told += e.type == RTC_EV_KEYFRAME;
    if (i == 5) CHECK_EQ(told, 1);
  }
  CHECK_EQ(told, 2);
  rig_frame(&r, 1, 1000, 3000, false);
  rig_close(&r);
}

/* A mixer's contributors go along (RFC 3550 §5.1), with the media and with its repair. */
static void contributors_are_forwarded(void) {
  rig_t r;
  open_relay(&r);
  for (int i = 0; i < 16; i++) {
    uint8_t b[200] = {(uint8_t)(0x80 | i), 96};
    rtc_put16(b + 2, (uint16_t)(10 + i));
    rtc_put32(b + 8, 100);
    for (int j = 0; j < i; j++) rtc_put32(b + 12 + 4 * j, 0xabcd0000u + (uint32_t)j);
    b[12 + 4 * i] = 0x10, b[13 + 4 * i] = i ? 0x11 : 0x10;
    int n = rtc_srtp_protect(&r.peer[0].tx, b, 20 + 4 * (size_t)i, sizeof b, 10 + i);
    CHECK(n > 0);
    rig_raw(&r, &r.peer[0].path, b, (size_t)n);
    nack(&r, 1, 9000, &(uint16_t){rig_media(&r, 1, 9000, i)->rtp.seq}, 1);
    rig_pass(&r, RTC_MS(10));
    for (int rtx = 0; rtx < 2; rtx++) {
      const rig_got_t *g = rig_media(&r, 1, 9000 + (uint32_t)rtx, i);
      CHECK_EQ(g->rtp.csrc_n, i);
      CHECK_EQ(g->rtp.payload_len, 8 + 2 * rtx);
      for (int j = 0; j < i; j++) CHECK_EQ(rtc_get32(g->data + 12 + 4 * j), 0xabcd0000u + (uint32_t)j);
    }
  }
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
  rig_close(&r);
}

/* A viewer's first packets: below 2^15, so that one who misses them finds the roll-over (RFC 3711 §3.3.1). */
static void numbers_start_low_and_roll_over(void) {
  for (int seed = 0; seed < 20; seed++) {
    rig_t r;
    rig_open(&r, 0);
    for (int i = 0; i < seed; i++) rig_join(&r, GCM); /* other random numbers */
    int p = rig_join(&r, GCM);
    rtc_send_cfg_t a = rig_send(p, false, 100);
    rig_add_send(&r, 1, &a);
    rig_frame(&r, 1, 30, 0, true);
    CHECK(rig_media(&r, p, 100, 0)->index < 0x8000);
    rig_close(&r);
  }
}

/* What is told beside a frame of our own: the moment with its first packet, how it is turned with its last; not in repairs, and to
 * nobody who has not agreed. */
static void frames_tell_moment_and_orientation(void) {
  static const rtc_time_t ago[] = {40000, RTC_CAPTURED_US, -1, INT64_MIN / 2};
  for (int k = 0; k < 5; k++) {
    bool agreed = k < 4;
    rig_t r;
    rig_open(&r, 0);
    rtc_transport_cfg_t telling = rig_telling(1);
    int p = rig_join_as(&r, GCM, &telling);
    rtc_send_cfg_t a = rig_send(p, true, 100);
    if (agreed) a.ext_mask |= 1u << RTC_EXT_VIDEO_ORIENTATION | 1u << RTC_EXT_ABS_CAPTURE_TIME;
    rig_add_send(&r, 1, &a);
    uint8_t *data = calloc(1, 3000);
    if (!data) exit(2);
    data[0] = 0x10;
    rtc_frame_cfg_t f = {
        .data = data, .len = 3000, .key = true, .has_orientation = true, .orientation = 0x09, .captured = r.now - (agreed ? ago[k] : 0)};
    rtc_time_t sent = r.now;
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = 1, .u.frame = f});
    rig_pass(&r, RTC_MS(200));
    int n = rig_media_n(&r, p, 100);
    CHECK(n >= 3);
    for (int i = 0; i < n; i++) {
      const rig_got_t *g = rig_media(&r, p, 100, i);
      rtc_extmap_t map = telling.ext;
      rtc_ext_view_t v;
      rtc_rtpext_parse(&v, g->rtp.ext_profile, g->data + g->rtp.ext_off, g->rtp.ext_len, &map);
      CHECK_EQ(rtc_ext_has(&v, RTC_EXT_ABS_CAPTURE_TIME), agreed && i == 0);
      CHECK_EQ(rtc_ext_has(&v, RTC_EXT_VIDEO_ORIENTATION), agreed && i == n - 1);
      if (agreed && i == 0)
        CHECK_EQ(rtc_ntp_to_unix_us(rtc_get64(v.p[RTC_EXT_ABS_CAPTURE_TIME])), 1700000000000000 + (k ? sent : sent - ago[0]));
      if (agreed && i == n - 1) CHECK_EQ(v.p[RTC_EXT_VIDEO_ORIENTATION][0], 0x09);
    }
    rig_close(&r);
  }
}

static rtc_send_cfg_t with_tones(int peer, uint32_t rate) {
  rtc_send_cfg_t c = rig_send(peer, false, 100);
  c.has_tone = true;
  c.tone = (rtc_tone_pt_t){.pt = 126, .rate = rate};
  return c;
}

static int tone(rig_t *r, uint32_t sender, uint8_t code, rtc_time_t length) {
  return rtc_hub_exec(r->hub, &(rtc_cmd_t){.op = RTC_OP_TONE, .id = sender, .u.tone = {code, 10, length}}, r->now);
}

/* Packets of its own payload type under the stream's SSRC and numbers, with the time of its beginning; meanwhile frames are passed
 * over, and what comes after goes on by the clock. */
static void a_tone_takes_the_place_of_frames(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t c = with_tones(p, 8000);
  rig_add_send(&r, 1, &c);
  for (int i = 0; i < 20; i++) {
    if (i == 5) CHECK_EQ(tone(&r, 1, 5, RTC_MS(100)), 0);
    rig_frame(&r, 1, 30, (uint32_t)(7000 + 960 * i), true);
    rig_pass(&r, RTC_MS(20));
  }
  int n = rig_media_n(&r, p, 100), first = 5, tones = 0;
  while (first + tones < n && rig_media(&r, p, 100, first + tones)->rtp.pt == 126) tones++;
  CHECK_EQ(tones, 5 + 2); /* each 20 ms, and the end twice more */
  CHECK_EQ(n, 20 - 7 + tones);
  for (int i = 0; i < n; i++) {
    const rig_got_t *g = rig_media(&r, p, 100, i);
    CHECK_EQ(g->index, rig_media(&r, p, 100, 0)->index + i);
    bool is_tone = i >= first && i < first + tones;
    CHECK_EQ(g->rtp.pt, is_tone ? 126 : 111);
    CHECK_EQ(g->rtp.marker, i == first);
    CHECK_EQ(g->rtp.ts, is_tone ? 7000 + 960 * 5 : 7000 + 960 * (i < first ? i : i - tones + 7));
    if (!is_tone) continue;
    const uint8_t *b = g->data + g->rtp.hdr_len;
    int k = i - first < 4 ? i - first : 4;
    CHECK_EQ(g->rtp.payload_len, 4);
    CHECK(b[0] == 5 && b[1] == (k == 4 ? 0x8a : 0x0a));
    CHECK_EQ(rtc_get16(b + 2), 160 * (k + 1)); /* its own clock */
  }
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
  rig_close(&r);
}

/* A stream may begin with one, and the next begins while its ends are still to go out; each has a time of its own. */
static void tones_without_frames(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t c = with_tones(p, 48000);
  rig_add_send(&r, 1, &c);
  for (uint8_t i = 0; i < 4; i++) {
    CHECK_EQ(tone(&r, 1, i, RTC_MS(60)), 0);
    rig_pass(&r, RTC_MS(70));
  }
  rig_pass(&r, RTC_MS(200));
  rig_frame(&r, 1, 30, 123, true);
  int n = rig_media_n(&r, p, 100);
  CHECK_EQ(n, 4 * 5 + 1);
  uint32_t start = rig_media(&r, p, 100, 0)->rtp.ts;
  for (int i = 0; i < n - 1; i++) {
    const rig_got_t *g = rig_media(&r, p, 100, i);
    const uint8_t *b = g->data + g->rtp.hdr_len;
    CHECK_EQ(b[0], i / 5);
    CHECK_EQ(b[1] >> 7, i % 5 >= 2);
    CHECK_EQ(g->rtp.marker, i % 5 == 0);
    CHECK_EQ(g->rtp.ts - start, 48 * 70 * (i / 5));
  }
  CHECK_EQ(rig_media(&r, p, 100, n - 1)->rtp.ts - start, 48 * (4 * 70 + 200));
  rig_close(&r);
}

/* Who forwards, or has agreed to none, sends none; what is agreed no more ends. */
static void tones_that_are_refused(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM), pub = rig_join(&r, GCM);
  rtc_send_cfg_t c = with_tones(p, 8000), none = rig_send(p, false, 100), bad = with_tones(p, 0);
  bad.ssrc = 102;
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = 2, .u.send = bad}, r.now), RTC_EINVAL);
  bad.tone = (rtc_tone_pt_t){.pt = 128, .rate = 8000};
  CHECK_EQ(rtc_hub_exec(r.hub, &(rtc_cmd_t){.op = RTC_OP_SEND, .id = 2, .u.send = bad}, r.now), RTC_EINVAL);
  rig_add_send(&r, 1, &none);
  CHECK_EQ(tone(&r, 1, 1, RTC_MS(100)), RTC_EINVAL);
  CHECK_EQ(tone(&r, 9, 1, RTC_MS(100)), RTC_EINVAL);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_SEND_AGREE, .id = 1, .u.send = c});
  CHECK_EQ(tone(&r, 1, 1, 0), RTC_EINVAL);
  CHECK_EQ(tone(&r, 1, 1, RTC_SEC(5)), 0);
  rig_pass(&r, RTC_MS(50));
  CHECK_EQ(rig_media_n(&r, p, 100), 2);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_SEND_AGREE, .id = 1, .u.send = none});
  rig_pass(&r, RTC_MS(50));
  rig_frame(&r, 1, 30, 0, true);
  CHECK_EQ(rig_media_n(&r, p, 100), 3);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_SEND_AGREE, .id = 1, .u.send = c});
  rtc_recv_cfg_t in = rig_recv(pub, false);
  rig_add_recv(&r, 1, &in);
  rig_link(&r, 1, 1);
  CHECK_EQ(tone(&r, 1, 1, RTC_MS(100)), RTC_ESTATE);
  rig_link(&r, 1, 0);
  CHECK_EQ(tone(&r, 1, 1, RTC_MS(100)), 0);
  rig_pass(&r, RTC_MS(30));
  rig_link(&r, 1, 1); /* while it goes on: the source's packets have the numbers from here on */
  for (int i = 0; i < 10; i++) {
    rig_rtp(&r, pub, &(rig_rtp_t){.ssrc = 5, .index = 1 + i, .ts = 960 * i, .pt = 111, .mid = "0", .payload = "a", .len = 1});
    rig_pass(&r, RTC_MS(20));
  }
  int n = rig_media_n(&r, p, 100);
  CHECK_EQ(n, 3 + 1 + 10);
  for (int i = 1; i < n; i++) CHECK_EQ(rig_media(&r, p, 100, i)->index, rig_media(&r, p, 100, i - 1)->index + 1);
  CHECK_EQ(rig_drops(&r, RTC_DROP_SEAL), 0);
  CHECK_EQ(r.spins, 0);
  rig_close(&r);
}

/* The marker says where sound begins after silence (RFC 3551 §4.1). */
static void a_talkspurt_is_marked(void) {
  rig_t r;
  rig_open(&r, 0);
  int p = rig_join(&r, GCM);
  rtc_send_cfg_t a = rig_send(p, false, 100);
  rig_add_send(&r, 1, &a);
  for (uint32_t i = 0; i < 6; i++) {
    uint8_t *data = malloc(30);
    if (!data) exit(2);
    memset(data, 1, 30);
    rtc_frame_cfg_t f = {.data = data, .len = 30, .ts = 960 * i, .key = true, .begins = i % 3 == 0};
    rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_FRAME, .id = 1, .u.frame = f});
  }
  CHECK_EQ(rig_media_n(&r, p, 100), 6);
  for (int i = 0; i < 6; i++) CHECK_EQ(rig_media(&r, p, 100, i)->rtp.marker, i % 3 == 0);
  rig_close(&r);
}

int main(void) {
  RUN(mid_until_reported);
  RUN(repair_repeats_what_was_sent);
  RUN(absent_packets_cost_no_budget);
  RUN(one_stream_over_many_sources);
  RUN(linking_again_is_no_change);
  RUN(senders_that_cannot_be);
  RUN(own_frames_are_not_held_back);
  RUN(layers_are_said);
  RUN(key_wish_is_deferred_not_lost);
  RUN(contributors_are_forwarded);
  RUN(numbers_start_low_and_roll_over);
  RUN(frames_tell_moment_and_orientation);
  RUN(a_tone_takes_the_place_of_frames);
  RUN(tones_without_frames);
  RUN(tones_that_are_refused);
  RUN(a_talkspurt_is_marked);
  return CHECK_END();
}
