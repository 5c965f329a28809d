#include "codec/lib.h"

#include <string.h>

#if RTC_HAVE_VPX || RTC_HAVE_AOM

#include <dlfcn.h>

int rtc_lib_open(void **handle, const char *soname, const rtc_lib_entry_t *entries, size_t count, void *table) {
  *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  if (!*handle) return RTC_ESTATE;
  for (size_t i = 0; i < count; i++) {
    void *found = dlsym(*handle, entries[i].name);
    if (!found) {
      rtc_lib_close(handle);
      return RTC_ESTATE;
    }
    memcpy((char *)table + entries[i].at, &found, sizeof found); /* POSIX: a function's address is one of data too */
  }
  return RTC_OK;
}

void rtc_lib_close(void **handle) {
  if (*handle) dlclose(*handle);
  *handle = NULL;
}

#else

int rtc_lib_open(void **handle, const char *soname, const rtc_lib_entry_t *entries, size_t count, void *table) {
  (void)soname, (void)entries, (void)count, (void)table;
  *handle = NULL;
  return RTC_ESTATE;
}

void rtc_lib_close(void **handle) { *handle = NULL; }

#endif

int rtc_lib_say(const char *version, char *out, size_t cap) {
  size_t n = strlen(version);
  if (n < cap) memcpy(out, version, n + 1);
  return n < cap ? (int)n : RTC_ENOBUFS;
}
