/* Attacks on what joins packets into frames, by authentic peers: rows C6 to C8 where somebody wants the frames. What is only forwarded:
 * forwarding_test.c, packets_test.c and floods_test.c. Caps stand here as numbers, so that a cap that was raised is seen. */
#include "attack.h"
#include "engine/state.h"
#include "rig.h"
#include "wire/payload/payload.h"

static const rtc_srtp_profile_t GCM = RTC_SRTP_AEAD_AES_128_GCM;
enum { SLOTS = 1 << 15, FRAME_PACKETS = 2048, FRAME_BYTES = 4 << 20, HISTORY = 1024, OTHERS = 64 };

static uint64_t state = 88172645463325252u;
static uint32_t below(uint32_t n) { return (uint32_t)(attack_dice(&state) >> 33) % n; }

static uint8_t *exact(const uint8_t *p, size_t n) {
  uint8_t *q = malloc(n ? n : 1);
  if (!q) exit(2);
  if (n) memcpy(q, p, n);
  return q;
}

/* A publisher (peer 0, receiver 1) whose frames are wanted. */
static void open_tap(rig_t *r, rtc_codec_t codec) {
  rig_open(r, SLOTS);
  rtc_recv_cfg_t in = rig_recv(rig_join(r, GCM), true);
  in.codec = (uint8_t)codec;
  in.frames = true;
  rig_add_recv(r, 1, &in);
}

static const rtc_framebuf_t *waiting(rig_t *r) {
  uint32_t id = 1;
  const rtc_recv_t *in = rtc_map_get(&r->hub->recvs, &id);
  return &in->tap->buf;
}

static void send_payload(rig_t *r, int64_t index, int64_t ts, bool marker, const void *p, size_t n) {
  rig_rtp(r, 0, &(rig_rtp_t){.ssrc = 77, .index = index, .ts = ts, .pt = 96, .marker = marker, .mid = "1", .payload = p, .len = n});
  if (r->got_n > RIG_KEPT / 2) rig_forget(r);
}

/* The last of the frames that are there; how many there were. */
static int take_frames(rig_t *r, int64_t *ts, uint32_t *len) {
  int n = 0;
  for (rtc_frame_t *f; (f = rtc_hub_frame(r->hub)); n++) {
    *ts = f->ts;
    *len = f->len;
    free(f);
  }
  return n;
}

typedef struct endless {
  rtc_codec_t codec;
  size_t n; /* of each head */
  uint8_t first[4], more[4], whole[4];
} endless_t;

static const endless_t endless[] = {
    {RTC_CODEC_H264, 3, {0x7c, 0x85, 0x88}, {0x7c, 0x05, 0x11}, {0x65, 0x88, 0x84}},
    {RTC_CODEC_H265, 4, {0x62, 0x01, 0x93, 0xaf}, {0x62, 0x01, 0x13, 0x11}, {0x26, 0x01, 0xaf, 0x11}},
    {RTC_CODEC_AV1, 3, {0x58, 0x0a, 0x0b}, {0xd0, 0x11, 0x22}, {0x18, 0x0a, 0x0b}},
    {RTC_CODEC_VP8, 3, {0x10, 0x00, 0x01}, {0x00, 0x11, 0x22}, {0x10, 0x00, 0x01}},
    {RTC_CODEC_VP9, 3, {0x08, 0x49, 0x83}, {0x00, 0x11, 0x22}, {0x0c, 0x49, 0x83}},
};
enum { ENDLESS = sizeof endless / sizeof *endless, RENEWED = 5000 /* packets, more than a frame may have */ };

/* Fragments that never end, in order and shuffled, with a gap now and then and a new beginning now and then: what waits is bounded, and a
 * picture that follows is given out. */
static void c6_endless_frames(void) {
  uint32_t held = 0, slots = 0;
  int64_t n = 20000 * check_scale();
  for (size_t c = 0; c < ENDLESS; c++)
    for (int unsorted = 0; unsorted < 2; unsorted++) {
      const endless_t *e = &endless[c];
      rig_t r;
      open_tap(&r, e->codec);
      uint8_t p[200];
      int64_t early = 0, ts = 0, order[32], base = 0;
      uint32_t len = 0;
      memset(p, 0x55, sizeof p);
      for (int64_t i = 0; i < n; i++) {
        int at = (int)(i % 32);
        if (at == 0) {
          base = i;
          for (int k = 0; k < 32; k++) order[k] = k;
          for (int k = 31; unsorted && i && k > 0; k--) {
            int other = (int)below((uint32_t)k + 1);
            int64_t was = order[k];
            order[k] = order[other], order[other] = was;
          }
        }
        int64_t index = base + order[at];
        if (unsorted && index % 4999 == 4998) continue; /* is lost */
        memcpy(p, index % RENEWED ? e->more : e->first, e->n);
        send_payload(&r, index, index / RENEWED * 3000, false, p, sizeof p);
        if (i % 16 == 0) rig_pass(&r, RTC_MS(1));
        if (waiting(&r)->held > held) held = waiting(&r)->held;
        if (rig_pool(&r) > slots) slots = rig_pool(&r);
        if (i == n / 2) early = attack_held();
      }
      CHECK(attack_held() <= early + 4096);
      CHECK_EQ(take_frames(&r, &ts, &len), 0);
      memcpy(p, e->whole, e->n);
      send_payload(&r, n, n * 3000, true, p, sizeof p);
      CHECK_EQ(take_frames(&r, &ts, &len), 1);
      CHECK_EQ(ts, n * 3000);
      rig_close(&r);
    }
  CHECK(held > FRAME_PACKETS / 2 && held <= FRAME_PACKETS); /* the attack reached the cap, not more */
  CHECK(slots <= FRAME_PACKETS + HISTORY + OTHERS);
  check_figure("packets", (double)n * ENDLESS * 2);
  check_figure("held_slots", slots);
}

/* Frames as long as may be, which are whole, and which nobody takes. */
static void c6_frames_that_nobody_takes(void) {
  rig_t r;
  open_tap(&r, RTC_CODEC_VP8);
  uint8_t p[1000];
  memset(p, 0x55, sizeof p);
  int64_t before = 0, most = 0, frames = 12 * check_scale(), ts = 0;
  uint32_t len = 0;
  for (int64_t i = 0; i < frames * FRAME_PACKETS; i++) {
    int64_t at = i % FRAME_PACKETS;
    p[0] = at ? 0 : 0x10;
    p[1] = 0;
    send_payload(&r, i, i / FRAME_PACKETS * 3000, at == FRAME_PACKETS - 1, p, sizeof p);
    if (at < FRAME_PACKETS - 1) continue;
    if (i < FRAME_PACKETS) { /* slots are there from now on */
      CHECK_EQ(take_frames(&r, &ts, &len), 1);
      before = attack_held();
    }
    if (attack_held() - before > most) most = attack_held() - before;
  }
  CHECK(most > FRAME_BYTES / 4 && most <= FRAME_BYTES + 4096);
  check_figure("held_bytes", (double)most);
  rig_close(&r);
}

/* Payloads of every size, of which a frame has no end: joining ends at the frame's caps, in what it counts and in what it writes. */
static void c6_endless_joins(void) {
  static const size_t sizes[] = {5, 60, 1400, 2100, 65000};
  static uint8_t p[65536];
  uint8_t *room = malloc(FRAME_BYTES); /* exactly as much as a frame may have */
  if (!room) exit(2);
  for (size_t c = 0; c < ENDLESS; c++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
      for (int pass = 0; pass < 2; pass++) {
        rtc_join_t j;
        rtc_join_init(&j, endless[c].codec, pass ? room : NULL, SIZE_MAX);
        memset(p, 0x55, sizes[s]);
        memcpy(p, endless[c].first, endless[c].n);
        int err = rtc_join_put(&j, p, sizes[s]), n = 1;
        memcpy(p, endless[c].more, endless[c].n);
        for (; err == 0 && n <= 2 * FRAME_PACKETS; n++) err = rtc_join_put(&j, p, sizes[s]);
        CHECK_EQ(err, RTC_ENOBUFS);
        CHECK(j.len <= FRAME_BYTES);
        CHECK(n <= FRAME_PACKETS + 1);
        CHECK(n == FRAME_PACKETS + 1 || j.len > FRAME_BYTES - sizes[s]);
      }
  free(room);
}

typedef struct part {
  uint8_t n, p[40];
} part_t;
typedef struct lie {
  rtc_codec_t codec;
  const char *payloads; /* parted by "|" */
} lie_t;

enum { PARTS = 8 };
static int parts_of(const char *hex, part_t out[PARTS]) {
  int n = 0;
  for (const char *s = hex; s; n++) {
    char text[256] = {0};
    const char *end = strchr(s, '|');
    memcpy(text, s, end ? (size_t)(end - s) : strlen(s));
    out[n].n = (uint8_t)check_hex(out[n].p, sizeof out[n].p, text);
    s = end ? end + 1 : NULL;
  }
  return n;
}

/* Twice, as a frame is joined: counted, then written where there is just as much room, and once where there is a byte less. */
static int join(rtc_codec_t codec, const part_t *part, int parts) {
  int told = 0;
  for (int pass = 0; pass < 3; pass++) {
    size_t room = pass == 2 ? (size_t)told - 1 : (size_t)told;
    uint8_t *out = pass ? malloc(room ? room : 1) : NULL;
    rtc_join_t j;
    rtc_join_init(&j, codec, out, pass ? room : SIZE_MAX);
    int err = 0;
    for (int i = 0; i < parts && err == 0; i++) {
      uint8_t *p = exact(part[i].p, part[i].n);
      err = rtc_join_put(&j, p, part[i].n);
      free(p);
    }
    if (err == 0) err = rtc_join_end(&j);
    free(out);
    if (pass == 2) CHECK(err < 0);
    if (pass == 1) CHECK_EQ(err, told);
    if (pass == 0 && err < 0) return err;
    if (pass == 0) told = err;
  }
  return told;
}

/* Of every codec what lies about lengths, ends too early or stands in the wrong place: refused, and nothing beyond it is read. */
static void c7_joins_that_lie(void) {
  static const lie_t t[] = {
      {RTC_CODEC_VP8, "90"},                        /* its extension is not there */
      {RTC_CODEC_VP8, "90 80 81"},                  /* nor half of a picture's number */
      {RTC_CODEC_VP8, "90 f0 81 23 05"},            /* nor the layer's */
      {RTC_CODEC_VP8, "10"},                        /* a descriptor alone */
      {RTC_CODEC_VP8, "10 00 | 00"},                /* the same, later */
      {RTC_CODEC_VP8, "10 00 | 10 00"},             /* a second beginning */
      {RTC_CODEC_VP9, "9c 01"},                     /* nothing behind it */
      {RTC_CODEC_VP9, "5c 03 03 03 01 02"},         /* references without end */
      {RTC_CODEC_VP9, "0e f8 0000"},                /* eight sizes, which are not there */
      {RTC_CODEC_VP9, "0e 08 ff 0c 0c"},            /* 255 pictures of a group */
      {RTC_CODEC_VP9, "04 01"},                     /* an end without a beginning */
      {RTC_CODEC_VP9, "08 01 | 0c 02"},             /* two beginnings */
      {RTC_CODEC_H264, "78 0002 6742 ffff 68"},     /* a unit longer than all of it */
      {RTC_CODEC_H264, "78 0002 6742 00"},          /* half a length */
      {RTC_CODEC_H264, "78 0000"},                  /* a unit of nothing */
      {RTC_CODEC_H264, "78 0005 78000165 88"},      /* an aggregate in an aggregate */
      {RTC_CODEC_H264, "7c 85 | 7c 45 01"},         /* a fragment of heads alone */
      {RTC_CODEC_H264, "7c 05 01 | 7c 45 01"},      /* without a beginning */
      {RTC_CODEC_H264, "7c 85 01 | 7c 41 01"},      /* that goes on as another unit */
      {RTC_CODEC_H264, "7c 85 01 | 7c c5 01"},      /* begun twice */
      {RTC_CODEC_H264, "7c 85 01 | 65 88"},         /* into which a unit breaks */
      {RTC_CODEC_H264, "7c 9c 01 | 7c 5c 01"},      /* a fragment of fragments */
      {RTC_CODEC_H265, "6001 0003 420101 ffff 44"}, /* a unit longer than all of it */
      {RTC_CODEC_H265, "6001 0003 420101 00"},      /* half a length */
      {RTC_CODEC_H265, "6001 0001 42"},             /* a unit without its whole header */
      {RTC_CODEC_H265, "6001 0006 60010002 4201"},  /* an aggregate in an aggregate */
      {RTC_CODEC_H265, "6201 93 | 6201 53 01"},     /* a fragment of heads alone */
      {RTC_CODEC_H265, "6201 13 01 | 6201 53 01"},  /* without a beginning */
      {RTC_CODEC_H265, "6201 93 01 | 6201 41 01"},  /* that goes on as another unit */
      {RTC_CODEC_H265, "6201 93 01 | 6201 d3 01"},  /* begun twice */
      {RTC_CODEC_H265, "6201 93 01 | 2601 af"},     /* into which a unit breaks */
      {RTC_CODEC_H265, "6201 b1 01 | 6201 71 01"},  /* a fragment of fragments */
      {RTC_CODEC_H265, "6401 80 40 01"},            /* PACI, which nobody agreed to */
      {RTC_CODEC_AV1, "10"},                        /* no element */
      {RTC_CODEC_AV1, "00 7f 0a"},                  /* an element longer than all of it */
      {RTC_CODEC_AV1, "00 ffffffffffffffffff 0a"},  /* a length without end */
      {RTC_CODEC_AV1, "00 ffffffffffffff7f 0a"},    /* a length of 2^56 */
      {RTC_CODEC_AV1, "20 02 0a01"},                /* two told, one there */
      {RTC_CODEC_AV1, "90 0a01"},                   /* goes on without a beginning */
      {RTC_CODEC_AV1, "50 3201 | 10 3201"},         /* and begins without going on */
      {RTC_CODEC_AV1, "10 8a01"},                   /* the forbidden bit */
      {RTC_CODEC_AV1, "10 0e"},                     /* no room for its second head byte */
      {RTC_CODEC_OPUS, "fc 01 | fc 01"},            /* two packets in a frame */
      {RTC_CODEC_NONE, "00 01"},
  };
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    part_t part[PARTS];
    int got = join(t[i].codec, part, parts_of(t[i].payloads, part));
    if (got != RTC_EPROTO) fprintf(stderr, "codec %d, %s: %d\n", (int)t[i].codec, t[i].payloads, got);
    CHECK_EQ(got, RTC_EPROTO);
  }
}

static const lie_t honest[] = {
    {RTC_CODEC_VP8, "90 f0 81 23 05 e1 50 01 00 9d 01 2a 80 02 68 01 | 80 80 81 23 01 02 | 81 80 81 23 03"},
    {RTC_CODEC_VP9, "aa 80 01 00 05 18 02800168 82 49 83 42 00 27 f0 16 70 | a4 80 01 00 05 bb | ac 80 01 02 05 cc"},
    {RTC_CODEC_VP9, "fc 01 02 03 03 02 86 00"},
    {RTC_CODEC_H264, "78 000a 67420016 da028 0bfe58 0002 68ce | 7c 85 88 | 7c 05 01 02 | 7c 45 03"},
    {RTC_CODEC_H264, "67 64001f ac d940 5005 bb01 10 00 00 03 00 10 | 68 ce | 65 88"},
    {RTC_CODEC_H265, "6001 0003 40010c 0004 42010c 01 | 6201 93 af 01 | 6201 13 02 | 6201 53 03"},
    {RTC_CODEC_AV1, "18 0a0b 0000 0042 abbf c37f | 58 320102 | d0 0304 | 90 05"},
    {RTC_CODEC_AV1, "28 04 0a 02 0000 3201 02 | 00 02 3201 03 3a 01 02"},
};
enum { HONEST = sizeof honest / sizeof *honest };

/* Bits, bytes and lengths of frames in order are changed, payloads swapped, repeated and cut: no frame grows beyond its payloads by more
 * than what marks its units. */
static void c7_joins_of_anything(void) {
  int64_t rounds = 150000 * check_scale(), joined = 0;
  for (int64_t round = 0; round < rounds; round++) {
    const lie_t *h = &honest[below(HONEST)];
    part_t part[PARTS];
    int n = parts_of(h->payloads, part);
    for (uint32_t k = below(4); k > 0; k--) {
      part_t *p = &part[below((uint32_t)n)];
      uint32_t at = p->n ? below(p->n) : 0;
      switch (below(6)) {
        case 0:
          p->p[at] ^= (uint8_t)(1u << below(8));
          break;
        case 1:
          p->p[at < 4 ? at : at / 2] = (uint8_t)below(256);
          break;
        case 2:
          p->p[at] = below(2) ? 0xff : 0x80;
          break;
        case 3:
          p->n = (uint8_t)at;
          break;
        case 4:
          *p = part[below((uint32_t)n)];
          break;
        default:
          if (n < PARTS) part[n] = *p, n++;
          break;
      }
    }
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += part[i].n;
    int got = join(h->codec, part, n);
    CHECK(got > 0 || got == RTC_EPROTO);
    if (got > 0) CHECK((size_t)got <= 4 * bytes + 4);
    joined += got > 0;
  }
  CHECK(joined > rounds / 10 && joined < rounds * 9 / 10);
  check_figure("frames", (double)rounds);
}

/* The headers of codecs' own streams, out of which sizes are read: changed and cut they say nothing that is not there. */
static void c7_sizes(void) {
  int64_t rounds = 200000 * check_scale(), told = 0;
  for (int64_t round = 0; round < rounds; round++) {
    const lie_t *h = &honest[below(HONEST)];
    part_t part[PARTS];
    (void)parts_of(h->payloads, part);
    uint8_t buf[600];
    size_t n = part[0].n;
    memcpy(buf, part[0].p, n);
    if (round % 16 == 0)
      for (size_t more = below(500); more > 0; more--) buf[n++] = round % 32 ? 0 : (uint8_t)below(256); /* a header of no end */
    for (uint32_t k = below(4); k > 0 && n; k--) {
      uint32_t at = below((uint32_t)n);
      if (below(3)) buf[at] = (uint8_t)(below(3) ? below(256) : 0);
      if (!below(4)) n = at;
    }
    uint8_t *p = exact(buf, n);
    rtc_picture_size_t size = rtc_payload_size(h->codec, p, n);
    CHECK_EQ(!size.width, !size.height);
    told += size.width > 0;
    free(p);
  }
  CHECK(told > rounds / 10 && told < rounds * 9 / 10);
  /* An SPS of which everything is as long as it may be: profile 100, then numbers of 2^32 - 2. */
  uint8_t sps[600] = {0x67, 100, 0, 31};
  for (size_t i = 4; i < sizeof sps; i++) sps[i] = i % 9 < 4 ? 0 : 0xff;
  for (size_t n = 0; n <= sizeof sps; n++) {
    uint8_t *p = exact(sps, n);
    rtc_picture_size_t size = rtc_payload_size(RTC_CODEC_H264, p, n);
    CHECK_EQ(!size.width, !size.height);
    free(p);
  }
  check_figure("headers", (double)rounds);
}

/* Numbers and times that jump as far as those of a wire can: what waits is bounded, times do not overflow, the buffer does not stick, and
 * a picture that follows is given out. */
static void c8_jumps_of_frames(void) {
  for (size_t c = 0; c < ENDLESS; c++) {
    const endless_t *e = &endless[c];
    rig_t r;
    open_tap(&r, e->codec);
    int64_t n = 20000 * check_scale(), top = 60000, ts = 0, frames = 0, early = 0;
    uint32_t held = 0, slots = 0, len = 0;
    uint8_t p[40];
    memset(p, 0x55, sizeof p);
    for (int64_t i = 0; i < n; i++) {
      int64_t at = top + 1 + (below(8) ? 0 : below(4) ? below(3) : below(32000));
      if (i && below(16) == 0) at = top - below(900);
      if (i && rtc_window_check(&r.peer[0].tx.src[0].rtp, at) < 0) at = top + 1;
      if (at > top) top = at;
      bool whole = below(16) == 0;
      memcpy(p, whole ? e->whole : below(8) ? e->more : e->first, e->n);
      send_payload(&r, at, below(6) ? at / 4 * 3000 : (int64_t)below(UINT32_MAX), whole || below(8) == 0, p, sizeof p);
      if (below(8) == 0) rig_pass(&r, below(64) ? RTC_MS(below(20)) : RTC_SEC(below(100)));
      frames += take_frames(&r, &ts, &len);
      if (waiting(&r)->held > held) held = waiting(&r)->held;
      if (rig_pool(&r) > slots) slots = rig_pool(&r);
      if (i == n / 2) early = attack_held();
    }
    CHECK(attack_held() <= early + 4096);
    CHECK(held <= FRAME_PACKETS);
    CHECK(slots <= FRAME_PACKETS + HISTORY + OTHERS);
    CHECK(frames > n / 100);
    memcpy(p, e->whole, e->n);
    for (int64_t i = 1; i <= 2; i++) send_payload(&r, top + 10000 * i, 3000 * i, true, p, sizeof p); /* the first may be of a past */
    CHECK(take_frames(&r, &ts, &len) >= 1);
    rig_close(&r);
  }
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(c6_endless_frames);
  RUN(c6_frames_that_nobody_takes);
  RUN(c6_endless_joins);
  RUN(c7_joins_that_lie);
  RUN(c7_joins_of_anything);
  RUN(c7_sizes);
  RUN(c8_jumps_of_frames);
  return CHECK_END();
}
