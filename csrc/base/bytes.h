/* bytes: big-endian cursors with a sticky error, so that a parser checks once at its end. A reader that has
 * failed returns zeros and stays failed; a writer that has no room writes nothing more. */
#ifndef RTC_BASE_BYTES_H
#define RTC_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t rtc_get16(const uint8_t *p) { return (uint16_t)((p[0] << 8) | p[1]); }
static inline uint32_t rtc_get24(const uint8_t *p) { return ((uint32_t)p[0] << 16) | ((uint32_t)p[1] << 8) | p[2]; }
static inline uint32_t rtc_get32(const uint8_t *p) {
  return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline uint64_t rtc_get64(const uint8_t *p) { return ((uint64_t)rtc_get32(p) << 32) | rtc_get32(p + 4); }
static inline void rtc_put16(uint8_t *p, uint16_t v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
}
static inline void rtc_put24(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 16);
  p[1] = (uint8_t)(v >> 8);
  p[2] = (uint8_t)v;
}
static inline void rtc_put32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}
static inline void rtc_put64(uint8_t *p, uint64_t v) {
  rtc_put32(p, (uint32_t)(v >> 32));
  rtc_put32(p + 4, (uint32_t)v);
}

typedef struct rtc_rd {
  const uint8_t *p, *end;
  bool bad;
} rtc_rd_t;
static inline rtc_rd_t rtc_rd(const uint8_t *p, size_t n) {
  rtc_rd_t r = {p, n ? p + n : p, false}; /* NULL with 0 is a fine reader of nothing */
  return r;
}
static inline size_t rtc_rd_left(const rtc_rd_t *r) { return r->bad ? 0 : (size_t)(r->end - r->p); }
/* n bytes, or NULL with the error set. */
static inline const uint8_t *rtc_rd_take(rtc_rd_t *r, size_t n) {
  if (r->bad || (size_t)(r->end - r->p) < n) {
    r->bad = true;
    return NULL;
  }
  const uint8_t *p = r->p;
  if (n) r->p += n;
  return p;
}
static inline uint8_t rtc_rd8(rtc_rd_t *r) {
  const uint8_t *p = rtc_rd_take(r, 1);
  return p ? p[0] : 0;
}
static inline uint16_t rtc_rd16(rtc_rd_t *r) {
  const uint8_t *p = rtc_rd_take(r, 2);
  return p ? rtc_get16(p) : 0;
}
static inline uint32_t rtc_rd24(rtc_rd_t *r) {
  const uint8_t *p = rtc_rd_take(r, 3);
  return p ? rtc_get24(p) : 0;
}
static inline uint32_t rtc_rd32(rtc_rd_t *r) {
  const uint8_t *p = rtc_rd_take(r, 4);
  return p ? rtc_get32(p) : 0;
}
static inline uint64_t rtc_rd64(rtc_rd_t *r) {
  const uint8_t *p = rtc_rd_take(r, 8);
  return p ? rtc_get64(p) : 0;
}

typedef struct rtc_wr {
  uint8_t *start, *p, *end;
  bool bad;
} rtc_wr_t;
static inline rtc_wr_t rtc_wr(uint8_t *p, size_t cap) {
  rtc_wr_t w = {p, p, cap ? p + cap : p, false};
  return w;
}
static inline size_t rtc_wr_len(const rtc_wr_t *w) { return (size_t)(w->p - w->start); }
static inline size_t rtc_wr_left(const rtc_wr_t *w) { return w->bad ? 0 : (size_t)(w->end - w->p); }
/* Room for n bytes that the caller fills, or NULL with the error set. */
static inline uint8_t *rtc_wr_room(rtc_wr_t *w, size_t n) {
  if (w->bad || (size_t)(w->end - w->p) < n) {
    w->bad = true;
    return NULL;
  }
  uint8_t *p = w->p;
  if (n) w->p += n;
  return p;
}
static inline void rtc_wr8(rtc_wr_t *w, uint8_t v) {
  uint8_t *p = rtc_wr_room(w, 1);
  if (p) p[0] = v;
}
static inline void rtc_wr16(rtc_wr_t *w, uint16_t v) {
  uint8_t *p = rtc_wr_room(w, 2);
  if (p) rtc_put16(p, v);
}
static inline void rtc_wr24(rtc_wr_t *w, uint32_t v) {
  uint8_t *p = rtc_wr_room(w, 3);
  if (p) rtc_put24(p, v);
}
static inline void rtc_wr32(rtc_wr_t *w, uint32_t v) {
  uint8_t *p = rtc_wr_room(w, 4);
  if (p) rtc_put32(p, v);
}
static inline void rtc_wr64(rtc_wr_t *w, uint64_t v) {
  uint8_t *p = rtc_wr_room(w, 8);
  if (p) rtc_put64(p, v);
}
static inline void rtc_wr_bytes(rtc_wr_t *w, const void *src, size_t n) {
  uint8_t *p = rtc_wr_room(w, n);
  if (p && n) memcpy(p, src, n);
}

#endif
