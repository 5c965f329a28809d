/* lib: a library as a table of its functions, loaded when an encoder is made: a relay, which encodes nothing, carries no page
 * of it, and a machine without it runs all the rest. Inside codec only. */
#ifndef RTC_CODEC_LIB_H
#define RTC_CODEC_LIB_H

#include <stddef.h>

#include "base/err.h"

/* A function's name in the library, and where its address goes in the table. */
typedef struct rtc_lib_entry {
  const char *name;
  size_t at;
} rtc_lib_entry_t;

/* By the name that a program linked against it would ask for: another version has another name. RTC_ESTATE: it is not here, or
 * lacks a function, and *handle is NULL. Each open has its close; the library is loaded once. */
RTC_MUST_USE int rtc_lib_open(void **handle, const char *soname, const rtc_lib_entry_t *entries, size_t count, void *table);
void rtc_lib_close(void **handle);

/* A version as the library says it: its length. RTC_ENOBUFS. */
RTC_MUST_USE int rtc_lib_say(const char *version, char *out, size_t cap);

#endif
