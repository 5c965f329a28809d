/* The public API as a C program meets it: its errors, both ways of running, and a whole call with a checking client beside it. */
#define _GNU_SOURCE
#include "rtcengine.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "check.h"
#include "io/clock.h"
#include "io/loop.h"
#include "test_cert.h"

static const char UFRAG[] = "server", PWD[] = "password-of-the-server", CLIENT_UFRAG[] = "client", CLIENT_PWD[] = "password-of-the-client";
static const char *const LOOPBACK[] = {"127.0.0.1"};

static char print[8 + 96] = "sha-256 ";

static rtcengine_options_t options(void) {
  return (rtcengine_options_t){.cert_pem = TEST_CERT, .key_pem = TEST_KEY, .addresses = LOOPBACK, .address_n = 1};
}

static rtcengine_t *make(void) {
  rtcengine_options_t o = options();
  char why[200];
  rtcengine_t *e = rtcengine_new(&o, why, sizeof why);
  if (!e) {
    fprintf(stderr, "%s\n", why);
    exit(2);
  }
  if (!print[8]) CHECK_EQ(rtcengine_fingerprint(e, print + 8, 96), 95);
  return e;
}

static rtcengine_transport_t transport(void) {
  return (rtcengine_transport_t){.local_ufrag = UFRAG, .local_pwd = PWD, .fingerprint = print, .reduced_rtcp = true, .cname = "c"};
}

static rtcengine_stream_t video(uint32_t on, uint32_t ssrc) {
  return (rtcengine_stream_t){.transport = on,
                              .video = true,
                              .codec = RTCENGINE_VP8,
                              .pt = 96,
                              .rtx_pt = 97,
                              .clock_rate = 90000,
                              .ssrc = ssrc,
                              .nack = true,
                              .pli = true};
}

static void refused(rtcengine_options_t o, const char *word) {
  char why[200] = "unset";
  rtcengine_t *e = rtcengine_new(&o, why, sizeof why);
  CHECK(!e);
  CHECK(strstr(why, word));
  if (!strstr(why, word)) fprintf(stderr, "  \"%s\" is not in \"%s\"\n", word, why);
  CHECK(!rtcengine_new(&o, NULL, 0));
  char tiny[4] = "xyz";
  CHECK(!rtcengine_new(&o, tiny, sizeof tiny));
  CHECK_EQ(tiny[3], 0);
  rtcengine_free(e);
}

static void unusable_options(void) {
  static const char *const seventeen[17] = {"127.0.0.1"}, *const name[] = {"localhost"}, *const hole[] = {NULL},
                           *const far[] = {"192.0.2.77"};
  rtcengine_options_t o = options();
  o.cert_pem = NULL;
  refused(o, "certificate and its key are needed");
  o = options();
  o.key_pem = "nonsense";
  refused(o, "cannot be used");
  o = options();
  o.addresses = seventeen;
  o.address_n = 17;
  refused(o, "17 addresses");
  o.address_n = 0;
  refused(o, "0 addresses");
  o.address_n = 1;
  o.addresses = name;
  refused(o, "localhost");
  o.addresses = hole;
  refused(o, "NULL");
  o.addresses = far;
  refused(o, strerror(EADDRNOTAVAIL));
  char why[40];
  CHECK(!rtcengine_new(NULL, why, sizeof why));
  CHECK(why[0]);

  rtcengine_t *e = make();
  o = options();
  o.port = rtcengine_port(e);
  CHECK(o.port);
  refused(o, strerror(EADDRINUSE));
  rtcengine_free(e);
}

static void both_families_have_one_port(void) {
  rtcengine_options_t o = {.cert_pem = TEST_CERT, .key_pem = TEST_KEY};
  char why[200] = "";
  rtcengine_t *e = rtcengine_new(&o, why, sizeof why);
  CHECK(e);
  CHECK_EQ(why[0], 0);
  CHECK(rtcengine_port(e) > 0);
  rtcengine_free(e);
}

static void texts(void) {
  CHECK(strcmp(rtcengine_error_text(RTCENGINE_EINVAL), rtcengine_error_text(RTCENGINE_ESTATE)));
  CHECK(strlen(rtcengine_error_text(-77)) > 0);
  CHECK(strlen(rtcengine_error_text(0)) > 0);
  int major, minor, patch;
  CHECK_EQ(sscanf(rtcengine_version(), "%d.%d.%d", &major, &minor, &patch), 3);
  rtcengine_t *e = make();
  char out[96];
  CHECK_EQ(rtcengine_fingerprint(e, out, 95), RTCENGINE_ENOBUFS);
  CHECK_EQ(rtcengine_fingerprint(e, out, 96), 95);
  CHECK_EQ(strlen(out), 95);
  for (int i = 0; i < 95; i++) CHECK(i % 3 == 2 ? out[i] == ':' : strchr("0123456789ABCDEF", out[i]) != NULL);
  rtcengine_free(e);
}

static void nothing_given(void) {
  rtcengine_t *e = make();
  rtcengine_event_t v;
  rtcengine_counts_t n;
  rtcengine_transport_t t = transport();
  rtcengine_stream_t s = video(1, 1);
  uint8_t byte = 0;
  rtcengine_free(NULL);
  CHECK_EQ(rtcengine_port(NULL), 0);
  CHECK_EQ(rtcengine_fingerprint(NULL, print, sizeof print), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_fingerprint(e, NULL, 0), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_start(NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_fd(NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_wait_us(NULL), -1);
  CHECK_EQ(rtcengine_step(NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_event_fd(NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_next_event(NULL, &v), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_next_event(e, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_counts(NULL, &n), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_counts(e, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_transport(NULL, 1, &t), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_transport(e, 1, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_restart_ice(NULL, 1, UFRAG, PWD, NULL, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_close_transport(NULL, 1), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_receiver(NULL, 1, &s), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_receiver(e, 1, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_sender(NULL, 1, &s), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_sender(e, 1, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_link(NULL, 1, 1), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_ask_keyframe(NULL, 1), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_send_frame(NULL, 1, &byte, 1, 0, true), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_send_frame(e, 1, NULL, 1, 0, true), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_send_frame(e, 1, &byte, 0, 0, true), RTCENGINE_EINVAL);
  rtcengine_free(e);
}

static void unusable_transports(void) {
  rtcengine_t *e = make();
  char long_text[400];
  memset(long_text, 'x', sizeof long_text);
  long_text[399] = 0;
  rtcengine_extension_t x[] = {{3, "urn:ietf:params:rtp-hdrext:sdes:mid"}};
#define WRONG(...)                                                 \
  do {                                                             \
    rtcengine_transport_t t = transport();                         \
    __VA_ARGS__;                                                   \
    CHECK_EQ(rtcengine_add_transport(e, 1, &t), RTCENGINE_EINVAL); \
  } while (0)
  WRONG(t.local_ufrag = NULL);
  WRONG(t.local_ufrag = "abc");
  WRONG(t.local_ufrag = "with:colon");
  WRONG(t.local_ufrag = long_text);
  WRONG(t.local_pwd = NULL);
  WRONG(t.local_pwd = "twenty-one-characters");
  WRONG(t.local_pwd = long_text);
  WRONG(t.remote_ufrag = "client");
  WRONG(t.remote_pwd = CLIENT_PWD);
  WRONG(t.cname = long_text);
  WRONG(t.extension_n = 1);
  WRONG(t.extensions = x; t.extension_n = -1);
  WRONG(t.extensions = &(rtcengine_extension_t){0, x[0].uri}; t.extension_n = 1);
  WRONG(t.extensions = &(rtcengine_extension_t){15, x[0].uri}; t.extension_n = 1);
  WRONG(t.extensions = &(rtcengine_extension_t){1, NULL}; t.extension_n = 1);
  char wrong[sizeof print];
  static const struct {
    int at;
    char c;
  } slips[] = {{0, 'x'}, {4, '1'}, {8, 'G'}, {9, ' '}, {9, 0}, {10, '-'}, {102, 0}, {101, 'x'}};
  WRONG(t.fingerprint = NULL);
  WRONG(t.fingerprint = "");
  WRONG(t.fingerprint = "sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33");
  for (size_t i = 0; i < sizeof slips / sizeof *slips; i++) {
    memcpy(wrong, print, sizeof wrong);
    wrong[slips[i].at] = slips[i].c;
    WRONG(t.fingerprint = wrong);
  }
  char more[sizeof print + 3];
  snprintf(more, sizeof more, "%s:00", print);
  WRONG(t.fingerprint = more);
#undef WRONG

  rtcengine_transport_t t = transport();
  CHECK_EQ(rtcengine_add_transport(e, 0, &t), RTCENGINE_EINVAL);
  char lower[sizeof print];
  for (size_t i = 0; i < sizeof print; i++) lower[i] = (char)(print[i] >= 'A' && print[i] <= 'F' ? print[i] + 32 : print[i]);
  t.fingerprint = lower;
  t.extensions = (rtcengine_extension_t[]){x[0], {4, "urn:example:unknown"}, {200, "urn:3gpp:video-orientation"}};
  t.extension_n = 3;
  t.mixed_extensions = true;
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), 0); /* what failed has left nothing behind */
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), RTCENGINE_EINVAL);
  t.local_ufrag = "other";
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), RTCENGINE_EINVAL);
  t.local_ufrag = UFRAG;
  CHECK_EQ(rtcengine_add_transport(e, 2, &t), RTCENGINE_EINVAL); /* the user name is in use */
  CHECK_EQ(rtcengine_restart_ice(e, 1, "again", CLIENT_PWD, CLIENT_UFRAG, CLIENT_PWD), 0);
  CHECK_EQ(rtcengine_restart_ice(e, 1, "abc", CLIENT_PWD, NULL, NULL), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_restart_ice(e, 3, "third", CLIENT_PWD, NULL, NULL), RTCENGINE_EINVAL);
  rtcengine_free(e);
}

static void unusable_streams(void) {
  rtcengine_t *e = make();
  rtcengine_transport_t t = transport();
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), 0);
#define WRONG(...)                                                                  \
  do {                                                                              \
    rtcengine_stream_t s = video(1, 11);                                            \
    s.rtx_ssrc = 12;                                                                \
    __VA_ARGS__;                                                                    \
    CHECK_EQ(rtcengine_add_sender(e, 1, &s), RTCENGINE_EINVAL);                     \
    if (!only_sender) CHECK_EQ(rtcengine_add_receiver(e, 1, &s), RTCENGINE_EINVAL); \
  } while (0)
  bool only_sender = false;
  WRONG(s.transport = 2);
  WRONG(s.codec = 0);
  WRONG(s.codec = RTCENGINE_AV1 + 1);
  WRONG(s.codec = RTCENGINE_OPUS);
  WRONG(s.video = false);
  WRONG(s.pt = -1);
  WRONG(s.pt = 128);
  WRONG(s.rtx_pt = 128);
  WRONG(s.rtx_pt = -1);
  WRONG(s.rtx_pt = s.pt);
  WRONG(s.clock_rate = 0);
  WRONG(s.mid = "seventeen letters");
  only_sender = true;
  WRONG(s.ssrc = 0);
  WRONG(s.rtx_pt = 0);
  WRONG(s.extension_n = 1);
  WRONG(s.extensions = (const char *const[]){NULL}; s.extension_n = 1);
#undef WRONG
  rtcengine_stream_t s = video(1, 11);
  s.mid = "sixteen letters!";
  s.extensions = (const char *const[]){"urn:ietf:params:rtp-hdrext:sdes:mid", "urn:example:unknown"};
  s.extension_n = 2;
  CHECK_EQ(rtcengine_add_sender(e, 0, &s), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_sender(e, 1, &s), 0);
  CHECK_EQ(rtcengine_add_sender(e, 1, &s), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_add_sender(e, 2, &s), RTCENGINE_EINVAL); /* the SSRC is in use */
  CHECK_EQ(rtcengine_add_receiver(e, 1, &s), 0);
  rtcengine_stream_t vp9 = video(1, 21);
  vp9.codec = RTCENGINE_VP9;
  vp9.pt = 98;
  vp9.rtx_pt = 0;
  CHECK_EQ(rtcengine_add_receiver(e, 2, &vp9), 0);
  CHECK_EQ(rtcengine_link(e, 1, 2), RTCENGINE_EINVAL); /* another codec */
  CHECK_EQ(rtcengine_link(e, 1, 1), 0);
  CHECK_EQ(rtcengine_link(e, 1, 0), 0);
  CHECK_EQ(rtcengine_ask_keyframe(e, 1), 0);
  CHECK_EQ(rtcengine_ask_keyframe(e, 9), RTCENGINE_EINVAL);
  uint8_t frame[100] = {0x10};
  CHECK_EQ(rtcengine_send_frame(e, 1, frame, sizeof frame, 0, true), RTCENGINE_ESTATE); /* not connected */
  CHECK_EQ(rtcengine_send_frame(e, 9, frame, sizeof frame, 0, true), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_close_transport(e, 1), 0);
  CHECK_EQ(rtcengine_close_transport(e, 1), 0);
  CHECK_EQ(rtcengine_add_receiver(e, 3, &vp9), RTCENGINE_EINVAL);
  CHECK_EQ(rtcengine_link(e, 1, 1), 0); /* both are gone */
  rtcengine_free(e);
}

/* Runs what is stepped, for at most so long. */
static void wait(rtcengine_t *e, bool threaded, int ms) {
  if (threaded) {
    poll(&(struct pollfd){.fd = rtcengine_event_fd(e), .events = POLLIN}, 1, ms);
    return;
  }
  int64_t us = rtcengine_wait_us(e);
  CHECK(us >= -1);
  if (us >= 0 && us / 1000 < ms) ms = (int)((us + 999) / 1000);
  poll(&(struct pollfd){.fd = rtcengine_fd(e), .events = POLLIN}, 1, ms);
  CHECK_EQ(rtcengine_step(e), 0);
}

/* Events of one call that have come and that nobody has asked for yet. */
static rtcengine_event_t kept[64];
static rtc_event_t client_kept[64];
static int kept_n, client_kept_n;

static bool take(rtcengine_event_type_t type, int state, rtcengine_event_t *out) {
  for (int i = 0; i < kept_n; i++) {
    if (kept[i].type != type || (type == RTCENGINE_EV_TRANSPORT && kept[i].state != state)) continue;
    *out = kept[i];
    memmove(kept + i, kept + i + 1, (size_t)(--kept_n - i) * sizeof *kept);
    return true;
  }
  return false;
}

/* An event of that kind, come already or to come; false after 10 s. */
static bool await_event(rtcengine_t *e, bool threaded, rtcengine_event_type_t type, int state, rtcengine_event_t *out) {
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end; wait(e, threaded, 50)) {
    while (kept_n < 64 && rtcengine_next_event(e, &kept[kept_n]) == 1) kept_n++;
    if (take(type, state, out)) return true;
  }
  return false;
}

/* The other side: a checking client on a thread of its own. */
static rtc_loop_t *start_client(uint16_t port) {
  rtc_addr_t bind, remote;
  CHECK_EQ(rtc_addr_parse(&bind, "127.0.0.1", 0), 0);
  CHECK_EQ(rtc_addr_parse(&remote, "127.0.0.1", port), 0);
  rtc_loop_cfg_t cfg = {.bind = &bind, .bind_n = 1, .cert_pem = TEST_CERT, .key_pem = TEST_KEY};
  cfg.cert_len = sizeof TEST_CERT - 1;
  cfg.key_len = sizeof TEST_KEY - 1;
  rtc_udp_fault_t why;
  rtc_loop_t *l = rtc_loop_new(&cfg, &why);
  kept_n = client_kept_n = 0;
  if (!l || rtc_loop_start(l) < 0) exit(2);
  rtc_cmd_t c[4] = {
      {.op = RTC_OP_TRANSPORT, .id = 1}, {.op = RTC_OP_PATH, .id = 1}, {.op = RTC_OP_SEND, .id = 1}, {.op = RTC_OP_RECV, .id = 1}};
  rtc_transport_cfg_t *t = &c[0].u.transport;
  strcpy(t->ice.local_ufrag, CLIENT_UFRAG);
  strcpy(t->ice.local_pwd, CLIENT_PWD);
  strcpy(t->ice.remote_ufrag, UFRAG);
  strcpy(t->ice.remote_pwd, PWD);
  t->ice_role = RTC_ICE_ROLE_CONTROLLING;
  t->dtls_client = t->reduced_rtcp = true;
  t->fp_n = 1;
  t->fp[0].bits = 256;
  for (const char *p = print + 8; t->fp[0].len < 32; p += 3)
    t->fp[0].len = (uint8_t)(t->fp[0].len + check_hex(t->fp[0].value + t->fp[0].len, 1, (char[]){p[0], p[1], 0}));
  rtc_extmap_init(&t->ext);
  c[1].u.path.remote = remote;
  c[2].u.send = (rtc_send_cfg_t){.transport = 1,
                                 .video = true,
                                 .codec = RTC_CODEC_VP8,
                                 .pt = 96,
                                 .rtx_pt = 97,
                                 .clock_rate = 90000,
                                 .ssrc = 501,
                                 .rtx_ssrc = 502,
                                 .nack = true};
  c[3].u.recv = (rtc_recv_cfg_t){
      .transport = 1, .video = true, .codec = RTC_CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000, .nack = true, .pli = true};
  CHECK_EQ(rtc_loop_submit(l, c, 4, NULL), 0);
  return l;
}

static bool client_take(rtc_event_type_t type, rtc_tstate_t state, rtc_event_t *out) {
  for (int i = 0; i < client_kept_n; i++) {
    if (client_kept[i].type != type || (type == RTC_EV_TRANSPORT && client_kept[i].state != state)) continue;
    *out = client_kept[i];
    memmove(client_kept + i, client_kept + i + 1, (size_t)(--client_kept_n - i) * sizeof *client_kept);
    return true;
  }
  return false;
}

static bool client_event(rtc_loop_t *l, rtc_event_type_t type, rtc_tstate_t state, rtc_event_t *out, rtcengine_t *stepped) {
  for (rtc_time_t end = rtc_clock_now() + RTC_SEC(10); rtc_clock_now() < end;) {
    rtc_loop_look(l);
    while (client_kept_n < 64 && rtc_loop_event(l, &client_kept[client_kept_n])) client_kept_n++;
    if (client_take(type, state, out)) return true;
    if (stepped)
      wait(stepped, false, 5);
    else
      poll(&(struct pollfd){.fd = rtc_loop_event_fd(l), .events = POLLIN}, 1, 50);
  }
  return false;
}

static void client_frame(rtc_loop_t *l, uint32_t ts, bool key) {
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = 1, .u.frame = {.data = calloc(1, 3000), .len = 3000, .ts = ts, .key = key}};
  c.u.frame.data[0] = key ? 0x10 : 0x11;
  CHECK_EQ(rtc_loop_submit(l, &c, 1, NULL), 0);
}

/* Connect, receive, send back, send frames of our own, and see the peer leave or be left. */
static void call(bool threaded, bool peer_leaves) {
  rtcengine_t *e = make();
  rtcengine_event_t v = {0};
  rtc_event_t c;
  if (threaded) {
    CHECK(rtcengine_fd(e) >= 0);
    CHECK_EQ(rtcengine_step(e), 0); /* until it is started it may be stepped */
    CHECK_EQ(rtcengine_start(e), 0);
    CHECK_EQ(rtcengine_start(e), RTCENGINE_ESTATE);
    CHECK_EQ(rtcengine_step(e), RTCENGINE_ESTATE);
    CHECK_EQ(rtcengine_fd(e), RTCENGINE_ESTATE);
  }
  CHECK_EQ(rtcengine_wait_us(e), -1);
  rtcengine_transport_t t = transport();
  t.remote_ufrag = CLIENT_UFRAG;
  t.remote_pwd = CLIENT_PWD;
  rtcengine_stream_t in = video(1, 0), back = video(1, 601), own = video(1, 701);
  back.rtx_ssrc = 602;
  own.rtx_pt = 0;
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), 0);
  if (!threaded) CHECK(rtcengine_wait_us(e) > 0); /* the time limit of connecting */
  CHECK_EQ(rtcengine_add_receiver(e, 1, &in), 0);
  CHECK_EQ(rtcengine_add_sender(e, 1, &back), 0);
  CHECK_EQ(rtcengine_add_sender(e, 2, &own), 0);
  CHECK_EQ(rtcengine_link(e, 1, 1), 0);

  rtc_loop_t *client = start_client(rtcengine_port(e));
  CHECK(await_event(e, threaded, RTCENGINE_EV_TRANSPORT, RTCENGINE_CONNECTED, &v));
  CHECK_EQ(v.id, 1);
  CHECK_EQ(v.reason[0], 0);
  CHECK(strncmp(v.remote, "127.0.0.1:", 10) == 0);
  CHECK(client_event(client, RTC_EV_TRANSPORT, RTC_T_CONNECTED, &c, threaded ? NULL : e));

  CHECK(client_event(client, RTC_EV_KEYFRAME, 0, &c, threaded ? NULL : e)); /* the link asks for one */
  client_frame(client, 9000, true);
  CHECK(await_event(e, threaded, RTCENGINE_EV_RECEIVER, 0, &v));
  CHECK_EQ(v.id, 1);
  CHECK_EQ(v.ssrc, 501);
  CHECK(client_event(client, RTC_EV_RECV, 0, &c, threaded ? NULL : e));
  CHECK_EQ(c.ssrc, 601);

  CHECK(await_event(e, threaded, RTCENGINE_EV_KEYFRAME_WANTED, 0, &v));
  CHECK_EQ(v.id, 2);
  uint8_t frame[3000] = {0x10};
  CHECK_EQ(rtcengine_send_frame(e, 1, frame, sizeof frame, 0, true), RTCENGINE_ESTATE); /* it is linked */
  rtcengine_counts_t before, after;
  CHECK_EQ(rtcengine_counts(e, &before), 0);
  CHECK_EQ(rtcengine_send_frame(e, 2, frame, sizeof frame, 0xffffff00u, true), 0);
  CHECK_EQ(rtcengine_send_frame(e, 2, frame, sizeof frame, 2744, false), 0);
  rtc_time_t end = rtc_clock_now() + RTC_SEC(10);
  do { /* three packets a frame, as fast as they are paced */
    wait(e, threaded, 5);
    CHECK_EQ(rtcengine_counts(e, &after), 0);
  } while (after.packets_out < before.packets_out + 6 && rtc_clock_now() < end);
  CHECK(after.packets_out >= before.packets_out + 6);
  CHECK(after.bytes_out >= before.bytes_out + 6000);
  CHECK(after.forwarded >= 3);
  CHECK(after.packets_in > 0 && after.bytes_in > after.packets_in);

  if (peer_leaves) {
    CHECK_EQ(rtc_loop_submit(client, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}, 1, NULL), 0);
    CHECK(await_event(e, threaded, RTCENGINE_EV_TRANSPORT, RTCENGINE_CLOSED, &v));
    CHECK(strcmp(v.reason, "closed by the peer") == 0);
  } else {
    CHECK_EQ(rtcengine_close_transport(e, 1), 0);
    CHECK(await_event(e, threaded, RTCENGINE_EV_TRANSPORT, RTCENGINE_CLOSED, &v));
    CHECK(strcmp(v.reason, "closed by us") == 0);
    CHECK(client_event(client, RTC_EV_TRANSPORT, RTC_T_CLOSED, &c, threaded ? NULL : e));
    CHECK_EQ(c.reason, RTC_WHY_CLOSE_NOTIFY);
  }
  CHECK_EQ(rtcengine_next_event(e, &v), 0);
  CHECK_EQ(rtcengine_add_receiver(e, 2, &in), RTCENGINE_EINVAL);
  rtc_loop_free(client);
  rtcengine_free(e);
}

static void threaded_and_left(void) { call(true, true); }
static void threaded_and_leaving(void) { call(true, false); }
static void stepped_and_left(void) { call(false, true); }
static void stepped_and_leaving(void) { call(false, false); }

/* An event that comes with a command's result must still wake who polls for events. */
static void commands_swallow_no_wake_up(void) {
  rtcengine_t *e = make();
  CHECK_EQ(rtcengine_start(e), 0);
  rtcengine_transport_t t = transport();
  struct pollfd p = {.fd = rtcengine_event_fd(e), .events = POLLIN};
  for (uint32_t id = 1; id <= 50; id++) {
    CHECK_EQ(rtcengine_add_transport(e, id, &t), 0);
    CHECK_EQ(rtcengine_close_transport(e, id), 0);
    rtcengine_event_t v;
    int got = 0;
    while (!got && poll(&p, 1, 10000) == 1) got = rtcengine_next_event(e, &v);
    CHECK_EQ(got, 1);
    CHECK_EQ(v.id, id);
    CHECK_EQ(v.state, RTCENGINE_CLOSED);
    CHECK_EQ(rtcengine_next_event(e, &v), 0);
  }
  rtcengine_free(e);
}

static void another_certificate(void) {
  rtcengine_t *e = make();
  CHECK_EQ(rtcengine_start(e), 0);
  rtcengine_transport_t t = transport();
  char other[sizeof print];
  memcpy(other, print, sizeof other);
  other[8] = other[8] == '0' ? '1' : '0';
  t.fingerprint = other;
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), 0);
  rtc_loop_t *client = start_client(rtcengine_port(e));
  rtcengine_event_t v = {0};
  CHECK(await_event(e, true, RTCENGINE_EV_TRANSPORT, RTCENGINE_CLOSED, &v));
  CHECK(strstr(v.reason, "DTLS failed: ") && strstr(v.reason, "fingerprint"));
  rtc_loop_free(client);
  rtcengine_free(e);
}

static void goodbye_at_free(void) {
  rtcengine_t *e = make();
  CHECK_EQ(rtcengine_start(e), 0);
  rtcengine_transport_t t = transport();
  CHECK_EQ(rtcengine_add_transport(e, 1, &t), 0);
  rtc_loop_t *client = start_client(rtcengine_port(e));
  rtc_event_t c;
  CHECK(client_event(client, RTC_EV_TRANSPORT, RTC_T_CONNECTED, &c, NULL));
  rtcengine_free(e);
  CHECK(client_event(client, RTC_EV_TRANSPORT, RTC_T_CLOSED, &c, NULL));
  CHECK_EQ(c.reason, RTC_WHY_CLOSE_NOTIFY);
  rtc_loop_free(client);
}

int main(void) {
  RUN(texts);
  RUN(unusable_options);
  RUN(both_families_have_one_port);
  RUN(nothing_given);
  RUN(unusable_transports);
  RUN(unusable_streams);
  RUN(threaded_and_left);
  RUN(threaded_and_leaving);
  RUN(stepped_and_left);
  RUN(stepped_and_leaving);
  RUN(commands_swallow_no_wake_up);
  RUN(another_certificate);
  RUN(goodbye_at_free);
  return CHECK_END();
}
