#define _GNU_SOURCE
#include "io/capfile.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/thread.h"
#include "wire/pcapng.h"

enum { BLOCK = RTC_CAPTURE_DATAGRAM + RTC_PCAPNG_EXTRA, BUFFER = 1 << 16, COUNTS_ROOM = 64 };

struct rtc_capfile {
  int fd;
  rtc_capture_t *capture;
  uint64_t limit;
  int64_t unix_offset; /* wall clock minus ours, once for the whole file: its stamps never go back */
  pthread_t thread;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t stopping;
  bool running, stop;
  rtc_capfile_info_t info;
  size_t n;
  uint64_t waiting; /* packets in buf */
  uint8_t buf[BUFFER];
};

static void flush(rtc_capfile_t *f) {
  for (size_t at = 0; at < f->n;) {
    ssize_t n = write(f->fd, f->buf + at, f->n - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      f->info.error = n < 0 ? errno : EIO;
      f->info.packets -= f->waiting;
      f->info.dropped += f->waiting;
      break;
    }
    at += (size_t)n;
  }
  f->n = 0;
  f->waiting = 0;
}

/* Whether a block of this length, or an error's, may be put into the buffer; counted when it is. */
static bool fits(rtc_capfile_t *f, int n, size_t reserve) {
  if (n < 0 || f->info.error || (f->limit && f->info.bytes + (uint64_t)n + reserve > f->limit)) return false;
  f->n += (size_t)n;
  f->info.bytes += (uint64_t)n;
  return true;
}

static const char *word(uint8_t kind, bool sent) {
  switch (kind) {
    case RTC_KIND_RTP:
      return sent ? "RTP before SRTP" : "RTP out of SRTP";
    case RTC_KIND_RTCP:
      return sent ? "RTCP before SRTCP" : "RTCP out of SRTCP";
    case RTC_KIND_STUN:
      return "STUN";
    default:
      return "DTLS";
  }
}

static void write_packet(rtc_capfile_t *f, const rtc_capture_head_t *h, const uint8_t *data, size_t len) {
  char comment[RTC_PCAPNG_COMMENT];
  snprintf(comment, sizeof comment, "%s, transport %u: %s", h->sent ? "sent" : "received", h->transport, word(h->kind, h->sent));
  const rtc_pcapng_packet_t p = {.unix_ns = (h->at + f->unix_offset) * 1000,
                                 .sent = h->sent,
                                 .from = h->sent ? h->path.local : h->path.remote,
                                 .to = h->sent ? h->path.remote : h->path.local,
                                 .comment = comment,
                                 .data = data,
                                 .len = len};
  if (BUFFER - f->n < BLOCK) flush(f);
  if (!fits(f, rtc_pcapng_write_packet(f->buf + f->n, BUFFER - f->n, &p), COUNTS_ROOM)) {
    f->info.dropped++;
    return;
  }
  f->info.packets++;
  f->waiting++;
}

static void drain(rtc_capfile_t *f) {
  rtc_capture_head_t h;
  uint8_t data[RTC_CAPTURE_DATAGRAM];
  for (int n; (n = rtc_capture_get(f->capture, &h, data)) >= 0;) write_packet(f, &h, data, (size_t)n);
  flush(f);
}

static void *run(void *arg) {
  rtc_capfile_t *f = arg;
  rtc_thread_name("rtc-capture");
  rtc_thread_stand_back();
  pthread_mutex_lock(&f->lock);
  while (!f->stop) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += RTC_CAPFILE_LOOK_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&f->stopping, &f->lock, &until);
    drain(f);
  }
  pthread_mutex_unlock(&f->lock);
  return NULL;
}

rtc_capfile_t *rtc_capfile_new(int fd, rtc_capture_t *c, uint64_t limit) {
  rtc_capfile_t *f = calloc(1, sizeof *f);
  if (!f) {
    close(fd);
    return NULL;
  }
  f->fd = fd;
  f->capture = rtc_capture_ref(c);
  f->limit = limit;
  f->unix_offset = rtc_clock_unix_offset();
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->stopping, NULL);
  fits(f, rtc_pcapng_write_head(f->buf, BUFFER, "rtcengine"), 0);
  f->running = rtc_thread_start(&f->thread, run, f) == 0;
  if (f->running) return f;
  rtc_capfile_free(f);
  return NULL;
}

void rtc_capfile_stop(rtc_capfile_t *f) {
  if (!f->running) return;
  pthread_mutex_lock(&f->lock);
  f->stop = true;
  pthread_cond_signal(&f->stopping);
  pthread_mutex_unlock(&f->lock);
  pthread_join(f->thread, NULL);
  f->running = false;
  drain(f); /* what came before the owner's word and after the thread's last look */
  uint64_t dropped = f->info.dropped + rtc_capture_dropped(f->capture);
  int64_t unix_ns = (rtc_clock_now() + f->unix_offset) * 1000;
  fits(f, rtc_pcapng_write_counts(f->buf, BUFFER, unix_ns, f->info.packets + dropped, dropped), 0);
  flush(f);
  if (close(f->fd) < 0 && !f->info.error) f->info.error = errno;
  f->fd = -1;
}

void rtc_capfile_free(rtc_capfile_t *f) {
  if (!f) return;
  rtc_capfile_stop(f);
  if (f->fd >= 0) close(f->fd);
  rtc_capture_free(f->capture);
  pthread_cond_destroy(&f->stopping);
  pthread_mutex_destroy(&f->lock);
  free(f);
}

void rtc_capfile_info(rtc_capfile_t *f, rtc_capfile_info_t *out) {
  pthread_mutex_lock(&f->lock);
  *out = f->info;
  pthread_mutex_unlock(&f->lock);
  out->dropped += rtc_capture_dropped(f->capture);
}
