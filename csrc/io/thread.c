#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#include "io/thread.h"

#include <signal.h>
#ifdef __linux__
#include <errno.h>
#include <sys/resource.h>
#endif

int rtc_thread_start(pthread_t *t, void *(*run)(void *), void *arg) {
  sigset_t all, old;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0) return RTC_ENOBUFS;
  int r = pthread_create(t, NULL, run, arg);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return r == 0 ? 0 : RTC_ENOBUFS;
}

void rtc_thread_stand_back(void) {
#ifdef __linux__
  /* Against a thread of equal rank a third of the core is left: joining gets slower, not starved. */
  enum { STEPS = 5 };
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, 0); /* on Linux a thread's own */
  if (nice != -1 || errno == 0) (void)setpriority(PRIO_PROCESS, 0, nice + STEPS);
#endif
}

void rtc_thread_name(const char *name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#else
  (void)name;
#endif
}
