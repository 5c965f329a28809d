#define _GNU_SOURCE
#include "io/capfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int temporary(int *copy) {
  char name[] = "/tmp/capfile-XXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0);
  unlink(name);
  *copy = dup(fd);
  return fd;
}

static void put(rtc_capture_t *c, int n) {
  uint8_t data[1000] = {0x80, 96};
  rtc_capture_head_t h = {.at = 1000, .transport = 3, .kind = RTC_KIND_RTP, .sent = true};
  for (int i = 0; i < n; i++) rtc_capture_put(c, &h, data, sizeof data);
}

static void all_is_written_before_the_end(void) {
  int copy, fd = temporary(&copy);
  rtc_capture_t *c = rtc_capture_new(RTC_CAPTURE_BYTES, true, 0);
  rtc_capfile_t *f = rtc_capfile_new(fd, c, 0);
  CHECK(f != NULL);
  put(c, 2000);
  rtc_capfile_stop(f);
  rtc_capfile_stop(f);
  rtc_capfile_info_t i;
  rtc_capfile_info(f, &i);
  CHECK_EQ(i.packets, 2000);
  CHECK_EQ(i.dropped, 0);
  CHECK_EQ(i.error, 0);
  struct stat s;
  CHECK_EQ(fstat(copy, &s), 0);
  CHECK_EQ(s.st_size, i.bytes);
  CHECK(s.st_size > 2000 * 1028);
  rtc_capfile_free(f);
  rtc_capture_free(c);
  close(copy);
}

static void the_limit(void) {
  int copy, fd = temporary(&copy);
  rtc_capture_t *c = rtc_capture_new(RTC_CAPTURE_BYTES, true, 0);
  rtc_capfile_t *f = rtc_capfile_new(fd, c, 100000);
  put(c, 500);
  rtc_capfile_stop(f);
  rtc_capfile_info_t i;
  rtc_capfile_info(f, &i);
  struct stat s;
  CHECK_EQ(fstat(copy, &s), 0);
  CHECK(s.st_size <= 100000 && s.st_size > 90000);
  CHECK(i.packets > 80);
  CHECK_EQ(i.packets + i.dropped, 500);
  rtc_capfile_free(f);
  rtc_capture_free(c);
  close(copy);
}

static void a_full_disk(void) {
  int fd = open("/dev/full", O_WRONLY);
  rtc_capture_t *c = rtc_capture_new(RTC_CAPTURE_BYTES, true, 0);
  rtc_capfile_t *f = rtc_capfile_new(fd, c, 0);
  put(c, 500);
  rtc_capfile_stop(f);
  rtc_capfile_info_t i;
  rtc_capfile_info(f, &i);
  CHECK_EQ(i.error, ENOSPC);
  CHECK_EQ(i.packets, 0);
  CHECK_EQ(i.dropped, 500);
  rtc_capfile_free(f);
  rtc_capture_free(c);
}

int main(void) {
  RUN(all_is_written_before_the_end);
  RUN(the_limit);
  RUN(a_full_disk);
  return CHECK_END();
}
