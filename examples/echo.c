/* Sends a browser's media back, without Python: each receiver feeds a sender on the same transport.
 *
 *   echo [--step] UFRAG PASSWORD FINGERPRINT AUDIO_PT CODEC VIDEO_PT RTX_PT CERT KEY PORT [ID=URI ..]
 *
 * UFRAG and PASSWORD are ours, FINGERPRINT is the browser's ("sha-256 AB:CD:.."), payload types and extensions are those of its offer. The
 * first line says what an answer needs: port, fingerprint, SSRCs of audio, video and repair. Ends on SIGTERM. --step: all on this thread.
 *
 *   cc echo.c $(pkg-config --cflags --libs librtcengine) -o echo */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rtcengine.h>

enum { PEER = 1, AUDIO = 1, VIDEO = 2, EXTENSIONS = 14 };

static int check(int result, const char *what) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", what, rtcengine_error_text(result));
  exit(1);
}

static const char *read_text(const char *path, char text[1 << 16]) {
  FILE *f = fopen(path, "r");
  check(f && fread(text, 1, (1 << 16) - 1, f) ? 0 : RTCENGINE_EINVAL, path);
  fclose(f);
  return text;
}

static int codec(const char *name) {
  static const char *const names[] = {"opus", "VP8", "VP9", "H264", "AV1"};
  for (int i = 0; i < 5; i++)
    if (strcasecmp(name, names[i]) == 0) return RTCENGINE_OPUS + i;
  return check(RTCENGINE_EINVAL, "no such codec");
}

/* A receiver and a sender that it feeds have the same number. */
static void echo(rtcengine_t *e, uint32_t id, rtcengine_stream_t s, const uint32_t ssrc[2]) {
  check(rtcengine_add_receiver(e, id, &s), "receiver");
  s.ssrc = ssrc[0], s.rtx_ssrc = s.rtx_pt ? ssrc[1] : 0;
  check(rtcengine_add_sender(e, id, &s), "sender");
  check(rtcengine_link(e, id, id), "link");
}

static void tell_events(rtcengine_t *e) {
  static const char *const states[] = {"new", "checked", "connected", "stalled", "closed"};
  for (rtcengine_event_t v; check(rtcengine_next_event(e, &v), "event");) {
    if (v.type == RTCENGINE_EV_TRANSPORT) printf("transport %s %s %s\n", states[v.state], v.remote, v.reason);
    if (v.type == RTCENGINE_EV_RECEIVER) printf("receiver %s %u\n", v.id == AUDIO ? "audio" : "video", v.ssrc);
  }
}

int main(int argc, char **argv) {
  static const char usage[] = "echo [--step] UFRAG PASSWORD FINGERPRINT AUDIO_PT CODEC VIDEO_PT RTX_PT CERT KEY PORT [ID=URI ..]";
  static char cert[1 << 16], key[1 << 16], why[200], print[96];
  bool step = argc > 1 && strcmp(argv[1], "--step") == 0;
  char **a = argv + 1 + step;
  if (argc < 11 + step || argc > 11 + step + EXTENSIONS) return fprintf(stderr, "usage: %s\n", usage), 2;

  rtcengine_extension_t extensions[EXTENSIONS];
  int n = 0;
  for (char **x = a + 10; *x; x++)
    extensions[n++] = (rtcengine_extension_t){.id = (uint8_t)atoi(*x), .uri = strchr(*x, '=') ? strchr(*x, '=') + 1 : NULL};
  rtcengine_options_t options = {.cert_pem = read_text(a[7], cert), .key_pem = read_text(a[8], key), .port = (uint16_t)atoi(a[9])};
  rtcengine_t *e = rtcengine_new(&options, why, sizeof why);
  if (!e) return fprintf(stderr, "%s\n", why), 1;
  if (!step) check(rtcengine_start(e), "start");
  uint32_t ssrc[3];
  if (getentropy(ssrc, sizeof ssrc) != 0) return 1;
  rtcengine_transport_t t = {.local_ufrag = a[0], .local_pwd = a[1], .fingerprint = a[2], .reduced_rtcp = true, .cname = "echo"};
  t.extensions = extensions, t.extension_n = n;
  check(rtcengine_add_transport(e, PEER, &t), "transport");
  rtcengine_stream_t audio = {.transport = PEER, .codec = RTCENGINE_OPUS, .pt = atoi(a[3]), .clock_rate = 48000, .mid = "0"};
  rtcengine_stream_t video = {.transport = PEER, .video = true, .codec = codec(a[4]), .pt = atoi(a[5]), .rtx_pt = atoi(a[6])};
  video.clock_rate = 90000, video.mid = "1";
  video.nack = video.pli = audio.transport_cc = video.transport_cc = true;
  echo(e, AUDIO, audio, (uint32_t[]){ssrc[0], 0});
  echo(e, VIDEO, video, ssrc + 1);
  check(rtcengine_fingerprint(e, print, sizeof print), "fingerprint");
  printf("ready %u %s %u %u %u\n", rtcengine_port(e), print, ssrc[0], ssrc[1], ssrc[2]);

  sigset_t signals;
  sigemptyset(&signals), sigaddset(&signals, SIGTERM), sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  struct pollfd p[2] = {{.fd = check(step ? rtcengine_fd(e) : rtcengine_event_fd(e), "descriptor"), .events = POLLIN},
                        {.fd = signalfd(-1, &signals, 0), .events = POLLIN}};
  while (!p[1].revents) {
    tell_events(e), fflush(stdout);
    int64_t us = step ? rtcengine_wait_us(e) : -1;
    poll(p, 2, us < 0 ? -1 : (int)((us + 999) / 1000));
    if (step) check(rtcengine_step(e), "step");
  }
  rtcengine_free(e);
  return close(p[1].fd);
}
