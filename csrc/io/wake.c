#define _GNU_SOURCE
#include "io/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

static int set_flags(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return -1;
  return fcntl(fd, F_SETFL, O_NONBLOCK);
}

int rtc_wake_init(rtc_wake_t *w, bool portable) {
  w->rd = w->wr = -1;
  atomic_init(&w->armed, false);
#ifdef __linux__
  if (!portable) {
    w->rd = w->wr = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->rd >= 0) return 0;
  }
#else
  (void)portable;
#endif
  int fd[2];
  if (pipe(fd) != 0) return RTC_ENOBUFS;
  w->rd = fd[0];
  w->wr = fd[1];
  if (set_flags(fd[0]) != 0 || set_flags(fd[1]) != 0) {
    rtc_wake_clear(w);
    return RTC_ENOBUFS;
  }
  return 0;
}

void rtc_wake_clear(rtc_wake_t *w) {
  if (w->wr >= 0 && w->wr != w->rd) close(w->wr);
  if (w->rd >= 0) close(w->rd);
  w->rd = w->wr = -1;
}

void rtc_wake_signal(rtc_wake_t *w) {
  if (atomic_exchange(&w->armed, true)) return;
  uint64_t one = 1;
  ssize_t n;
  do n = write(w->wr, &one, sizeof one);
  while (n < 0 && errno == EINTR);
}

void rtc_wake_drain(rtc_wake_t *w) {
  uint64_t buf[8];
  ssize_t n;
  do n = read(w->rd, buf, sizeof buf);
  while (n < 0 && errno == EINTR);
  /* Only now: a signaller who finds it armed has written or relies on the look that follows this. */
  atomic_store(&w->armed, false);
}
