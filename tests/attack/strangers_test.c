/* Strangers: datagrams of somebody who knows no key, from addresses of their own or under a peer's, at a relay that works (A2 to A6).
 * Each must change nothing, cost no byte of an answer, and end in one drop counter. */
#include "attack.h"
#include "rig.h"
#include "snapshot.h"
#include "wire/stun.h"

/* The true packets go on as if nothing had been: n more of the publisher's, each of them at the viewer. */
static void check_media_goes_on(rig_t *r, int64_t from, int n) {
  rig_forget(r);
  uint64_t in = rig_recv_stats(r, 1)->packets, out = rig_send_stats(r, 2)->packets;
  for (int i = 0; i < n; i++) rig_vp8(r, 0, 100, from + i, 3000 * (from + i - 500), true, false);
  CHECK_EQ(rig_recv_stats(r, 1)->packets, in + (uint64_t)n);
  CHECK_EQ(rig_send_stats(r, 2)->packets, out + (uint64_t)n);
  CHECK_EQ(rig_media_n(r, 1, 9000), n);
  CHECK_EQ(rig_transport_stats(r, 1)->state, RTC_T_CONNECTED);
  CHECK_EQ(rig_transport_stats(r, 2)->state, RTC_T_CONNECTED);
}

/* A2: latching a media address from a packet (RTP Bleed). RTP and RTCP from three addresses that passed no check, with the
 * publisher's SSRC and the numbers that come next, and among it true packets of a peer. */
static void a2_media_from_strangers(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  uint64_t dice = 7;
  enum { N = 100000 };
  for (int i = 0; i < N; i++) {
    uint8_t b[200];
    size_t n = 12 + attack_dice(&dice) % 180;
    attack_fill(&dice, b, n);
    b[0] = 0x80;
    b[1] = i % 3 ? 96 : 200;
    rtc_put16(b + 2, (uint16_t)(520 + i));
    rtc_put32(b + 8, 100);
    if (i % 10 == 9) { /* a true one, seen on the way */
      rtc_rtp_t h = {.ssrc = 77, .seq = (uint16_t)i, .pt = 96};
      rtc_rtp_write(b, &h);
      int len = rtc_srtp_protect(&r.peer[0].tx, b, 40, sizeof b, i);
      CHECK(len > 0);
      n = (size_t)len;
    }
    rtc_path_t path = rig_path(900 + i % 3);
    rig_raw(&r, &path, b, n);
  }
  check_unchanged(&r, &before, N);
  CHECK_EQ(rig_drops(&r, RTC_DROP_PATH), N);
  check_media_goes_on(&r, 520, 100);
  rig_close(&r);
}

/* A3: a hang-up after so many bad packets. RTP and RTCP with wrong tags under the peers' own addresses, true packets between them. */
static void a3_wrong_tags(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  uint64_t dice = 9;
  int n = (int)(100000 * check_scale()), round = n / 10, next = 520;
  for (int at = 0; at < n; at += round, next += 100) {
    quiet(&r);
    snap(&r, &before);
    for (int i = 0; i < round; i++) {
      uint8_t b[120];
      attack_fill(&dice, b, sizeof b);
      b[0] = 0x80;
      b[1] = i % 4 ? 96 : 201;
      rtc_put16(b + 2, (uint16_t)(i % 4 ? next + i % 1000 : 24));
      if (i % 3) rtc_put32(b + 8, 100);
      rig_raw(&r, &r.peer[i / 8 % 2].path, b, sizeof b);
    }
    check_unchanged(&r, &before, (uint64_t)round);
    check_media_goes_on(&r, next, 100);
  }
  CHECK_EQ(rig_drops(&r, RTC_DROP_RTP_AUTH) + rig_drops(&r, RTC_DROP_RTCP_AUTH), (uint64_t)n);
  CHECK_EQ(rig_recv_stats(&r, 1)->packets, 1020);
  CHECK_EQ(rig_recv_stats(&r, 1)->lost, 0);
  rig_close(&r);
}

/* A4: failed integrity that ends a session. Checks with every single bit wrong, cut at each length, with wrong passwords, of strangers
 * or under a peer's address; answers that nobody asked for. */
static void a4_forged_checks(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  snap(&r, &before);
  uint8_t good[256], b[256];
  size_t n = rig_write_check(good, sizeof good, "user-9:them", "password-of-user-9-is-long", true);
  rtc_path_t path = rig_path(900);
  uint64_t sent = 0, indications = 0;
  for (size_t bit = 0; bit < n * 8; bit++) {
    if (bit >= (n - 8) * 8 && bit < (n - 6) * 8) continue; /* FINGERPRINT's type: what follows the integrity is not looked at */
    memcpy(b, good, n);
    b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    rtc_stun_t m;
    if (b[0] <= 3 && rtc_stun_parse(&m, b, n) == 0 && m.type == RTC_STUN_BINDING_INDICATION) indications++;
    rig_raw(&r, bit & 1 ? &path : &r.peer[1].path, b, n);
    sent++;
  }
  for (size_t cut = 0; cut < n; cut++, sent++) rig_raw(&r, &path, good, cut);
  for (int i = 0; i < 100000; i++, sent++) {
    char user[40], pwd[40];
    snprintf(user, sizeof user, "user-%d:%d", i % 12, i);
    snprintf(pwd, sizeof pwd, "password-of-user-%d-is-wrong", i % 12);
    path = rig_path(1000 + i);
    rig_check(&r, i % 5 ? &path : &r.peer[i % 2].path, user, pwd, true);
  }
  for (int i = 0; i < 1000; i++, sent++) { /* answers: no integrity, or a peer's */
    uint8_t tid[12] = {(uint8_t)i};
    rtc_wr_t w = rtc_wr(b, sizeof b);
    rtc_stun_begin(&w, i & 1 ? RTC_STUN_BINDING_SUCCESS : RTC_STUN_BINDING_ERROR, tid);
    if (!(i & 1)) rtc_stun_put_error(&w, 487, NULL);
    int len = rtc_stun_end(&w, i & 2 ? (const uint8_t *)"password-of-user-1-is-long" : NULL, i & 2 ? 26 : 0);
    CHECK(len > 0);
    rig_raw(&r, i & 4 ? &path : &r.peer[0].path, b, (size_t)len);
  }
  check_unchanged(&r, &before, sent - indications);
  check_media_goes_on(&r, 520, 100);
  rig_forget(&r);
  path = rig_path(900);
  rig_raw(&r, &path, good, n); /* and the true one passes */
  CHECK_EQ(r.got_n, 1);
  CHECK(r.got_n && r.got[0].len <= 100);
  rig_close(&r);
}

/* A5, B1: every length 0 .. 64 with every first byte, from a stranger and under the name of a peer. */
static void a5_short_datagrams(void) {
  for (int from = 0; from < 2; from++) {
    rig_t r;
    snapshot_t before;
    open_relay(&r);
    quiet(&r);
    snap(&r, &before);
    rtc_path_t path = from ? r.peer[0].path : rig_path(999);
    uint64_t sent = 0;
    for (int fill = 0; fill < 3; fill++)
      for (size_t len = 0; len <= 64; len++)
        for (int first = 0; first < 256; first++) {
          uint8_t b[64];
          for (int i = 0; i < 64; i++) b[i] = fill == 0 ? 0 : fill == 1 ? 0xff : (uint8_t)(first * 7 + i * 31 + (int)len);
          b[0] = (uint8_t)first;
          if (fill == 2 && first < 4) rtc_put32(b + 4, 0x2112A442);
          if (fill == 2 && len >= 20) rtc_put16(b + 2, (uint16_t)(len - 20));
          rig_raw(&r, &path, b, len);
          sent++;
        }
    check_unchanged(&r, &before, sent);
    check_media_goes_on(&r, 520, 100);
    rig_close(&r);
  }
}

/* A6: reflection, amplification, and state kept for a forged source. Every kind of datagram, each from an address of its own. */
static void a6_spoofed_sources(void) {
  rig_t r;
  snapshot_t before;
  open_relay(&r);
  quiet(&r);
  uint64_t dice = 5;
  int n = (int)(100000 * check_scale()), fds = attack_fds();
  snap(&r, &before);
  int64_t held = attack_held();
  for (int i = 0; i < n; i++) {
    uint8_t b[200];
    char user[40];
    size_t len = sizeof b;
    attack_fill(&dice, b, sizeof b);
    rtc_path_t path = rig_path(0);
    uint8_t ip[4] = {(uint8_t)(172 + i / 500000), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
    rtc_addr_set(&path.remote, ip, 4, (uint16_t)attack_dice(&dice));
    switch (i % 5) {
      case 0: /* a check of a user that there is, with a password of the sender's own */
        snprintf(user, sizeof user, "user-%d:x", i % 3 ? 9 : 1);
        len = rig_write_check(b, sizeof b, user, "password-of-somebody-else", true);
        break;
      case 1: /* and of nobody */
        snprintf(user, sizeof user, "nobody-%d:x", i);
        len = rig_write_check(b, sizeof b, user, "password-of-somebody-else", true);
        break;
      case 2: /* a handshake */
        b[0] = 22;
        rtc_put16(b + 1, 0xfefd);
        rtc_put16(b + 11, sizeof b - 13);
        b[13] = 1;
        break;
      case 3:
        b[0] = 0x80;
        b[1] = 200;
        break;
      default:
        b[0] = 0x80;
        b[1] = 96;
        break;
    }
    rig_raw(&r, &path, b, len);
  }
  int64_t grown = attack_held() - held;
  CHECK_EQ(grown, 0);
  CHECK_EQ(attack_fds(), fds);
  check_figure("spoofed_sources", n);
  check_figure("bytes_held_for_them", (double)grown);
  check_unchanged(&r, &before, (uint64_t)n);
  check_media_goes_on(&r, 520, 100);
  rig_close(&r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(a2_media_from_strangers);
  RUN(a3_wrong_tags);
  RUN(a4_forged_checks);
  RUN(a5_short_datagrams);
  RUN(a6_spoofed_sources);
  return CHECK_END();
}
