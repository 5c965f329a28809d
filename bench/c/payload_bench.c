/* payload_bench: how many payloads a second one thread splits frames into, and joins. Prints "CODEC split|join PAYLOADS_A_SECOND" a line.
 *
 *   payload_bench FRAME_BYTES MOST SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/payload/payload.h"

enum { PAYLOADS = 4096, ROOM = 1500 };

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Bytes that hold no start code; for H.264 behind four of them. */
static void fill(uint8_t *frame, size_t n, rtc_codec_t codec) {
  uint32_t x = 1;
  for (size_t i = 0; i < n; i++) {
    x = x * 1664525 + 1013904223;
    frame[i] = (uint8_t)((x >> 24) % 255 + 1);
  }
  for (size_t i = 0; codec == RTC_CODEC_H264 && i < 4; i++) memcpy(frame + i * (n / 4), (uint8_t[]){0, 0, 0, 1, 0x65}, 5);
  if (codec == RTC_CODEC_VP9) frame[0] = 0x82;
}

static int split(rtc_codec_t codec, const uint8_t *frame, size_t n, size_t most, uint8_t (*out)[ROOM], uint16_t *len) {
  rtc_split_t s;
  bool last = false;
  int count = 0;
  if (rtc_split_init(&s, codec, frame, n, most, 1, false) < 0) exit(1);
  while (!last && count < PAYLOADS) {
    int wrote = rtc_split_next(&s, out[count], ROOM, &last);
    if (wrote <= 0) exit(1);
    len[count++] = (uint16_t)wrote;
  }
  return count;
}

static int join(rtc_codec_t codec, uint8_t (*in)[ROOM], const uint16_t *len, int count, uint8_t *out, size_t cap) {
  rtc_join_t j;
  rtc_join_init(&j, codec, out, cap);
  for (int i = 0; i < count; i++)
    if (rtc_join_put(&j, in[i], len[i]) < 0) exit(1);
  if (rtc_join_end(&j) < 0) exit(1);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const size_t n = strtoul(argv[1], NULL, 10), most = strtoul(argv[2], NULL, 10);
  const double seconds = strtod(argv[3], NULL);
  uint8_t *frame = malloc(n), *whole = malloc(2 * n + 64), (*payloads)[ROOM] = malloc(PAYLOADS * sizeof *payloads);
  uint16_t len[PAYLOADS];
  if (!frame || !whole || !payloads || most > ROOM) return 1;
  static const struct {
    const char *name;
    rtc_codec_t codec;
  } codecs[] = {{"VP8", RTC_CODEC_VP8}, {"VP9", RTC_CODEC_VP9}, {"H264", RTC_CODEC_H264}};
  for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++) {
    const rtc_codec_t codec = codecs[c].codec;
    fill(frame, n, codec);
    int count = 0;
    for (int way = 0; way < 2; way++) {
      long done = 0;
      double begin = cpu(), now;
      do {
        for (int i = 0; i < 20; i++) {
          if (way == 0) count = split(codec, frame, n, most, payloads, len);
          done += way == 0 ? count : join(codec, payloads, len, count, whole, 2 * n + 64);
        }
        now = cpu();
      } while (now - begin < seconds);
      printf("%s %s %.0f\n", codecs[c].name, way ? "join" : "split", (double)done / (now - begin));
    }
  }
  free(frame);
  free(whole);
  free(payloads);
  return 0;
}
