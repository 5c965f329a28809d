/* AV1 (RTP payload format for AV1 §4.4, §5): the OBUs of a temporal unit as payloads, each filled before the next one is begun; an OBU
 * that does not fit goes on in the next. Sizes are left out of OBUs: each element has its length before it, but not the last one of up
 * to three, which the header counts. */
#include "wire/payload/obu.h"
#include "wire/payload/payload.h"

enum { HEAD = 1, PART_LEAST = 16 /* less of an OBU is not worth the end of a payload */, MAX_LEAST = 64 };

typedef struct obu {
  uint8_t head;
  size_t head_len, data, len; /* data: where it begins, len: how long it is */
} obu_t;

/* False when it is none, or has no size: in a stream all do (AV1 bitstream §5.2). */
static bool read(obu_t *o, const uint8_t *p, size_t n, size_t at) {
  rtc_rd_t r = rtc_rd(p + at, n - at);
  o->head = rtc_rd8(&r);
  o->head_len = o->head & OBU_EXTENDED ? 2 : 1;
  if (o->head_len == 2) (void)rtc_rd8(&r);
  uint64_t len = rtc_leb128_get(&r);
  if (r.bad || o->head & OBU_FORBIDDEN || !(o->head & OBU_SIZED) || len > rtc_rd_left(&r)) return false;
  o->data = n - rtc_rd_left(&r);
  o->len = (size_t)len;
  return true;
}

/* What says nothing to who gets packets: §5 has delimiters and tile lists left out. */
static bool goes(uint8_t head) {
  uint8_t type = rtc_obu_type(head);
  return type != OBU_DELIMITER && type != OBU_TILE_LIST && type != OBU_PADDING;
}

/* To the next OBU that goes out, from the end of the last one: `pos`, `unit`, which is 0 when there is none. */
static void seek(rtc_split_t *s) {
  s->parts = s->unit = 0;
  for (obu_t o; s->pos < s->len && read(&o, s->frame, s->len, s->pos); s->pos = o.data + o.len) {
    if (!goes(o.head)) continue;
    s->unit = o.head_len + o.len;
    return;
  }
}

/* The next n bytes of the OBU, without the size that it has in the stream. */
static void take(rtc_split_t *s, size_t n, uint8_t *out) {
  size_t data = n;
  if (!s->parts) {
    obu_t o;
    if (!read(&o, s->frame, s->len, s->pos)) return; /* it was read when the walk began */
    if (out) {
      *out++ = (uint8_t)(o.head & ~OBU_SIZED);
      if (o.head_len == 2) *out++ = s->frame[s->pos + 1];
    }
    s->pos = o.data;
    data -= o.head_len;
  }
  if (out && data) memcpy(out, s->frame + s->pos, data);
  s->pos += data;
  s->unit -= n;
  s->parts = 1;
  if (!s->unit) seek(s);
}

/* How much of the OBU goes into what is left of a payload as its element number i; 0: the payload ends here. */
static size_t room_for(const rtc_split_t *s, size_t i, size_t room) {
  if (s->unit + rtc_leb128_put(NULL, s->unit) <= room) return s->unit;
  if (i > 0 && room < PART_LEAST) return 0;
  if (i >= AV1_W_MAX) return room - rtc_leb128_put(NULL, room);
  return s->unit < room ? s->unit : room;
}

/* Writes a payload of so many elements; when that is not known, 0, it counts them into *elements. Its length. */
static size_t payload(rtc_split_t *s, size_t *elements, uint8_t *out) {
  uint8_t head = (uint8_t)((s->parts ? AV1_Z : 0) | s->head);
  size_t len = HEAD, i = 0, said = 0;
  bool open = false;
  while (s->unit && !open && len < s->max) {
    size_t n = room_for(s, i, s->max - len);
    if (!n) break;
    i++;
    open = n < s->unit;
    said = rtc_leb128_put(NULL, n);
    bool bare = i == *elements && i <= AV1_W_MAX;
    if (out && !bare) (void)rtc_leb128_put(out + len, n);
    take(s, n, out ? out + len + (bare ? 0 : said) : NULL);
    len += said + n;
  }
  s->head = 0;
  *elements = i;
  if (out) out[0] = (uint8_t)(head | (open ? AV1_Y : 0) | (i <= AV1_W_MAX ? i << AV1_W_SHIFT : 0));
  return i <= AV1_W_MAX ? len - said : len;
}

int rtc_av1_split_next(rtc_split_t *s, uint8_t *out, size_t cap) {
  rtc_split_t at = *s;
  size_t elements = 0, n = payload(&at, &elements, NULL);
  if (cap < n) return RTC_ENOBUFS;
  (void)payload(s, &elements, out);
  return (int)n;
}

/* A coded video sequence begins with a sequence header and a key frame (AV1 bitstream §7.5). */
static bool begins_sequence(const rtc_split_t *s) {
  bool sequence = false, still = false;
  obu_t o;
  for (size_t at = s->pos; at < s->len && read(&o, s->frame, s->len, at); at = o.data + o.len) {
    uint8_t type = rtc_obu_type(o.head), first = o.len ? s->frame[o.data] : 0xff;
    if (type == OBU_SEQUENCE) {
      sequence = true;
      still = first & 0x08; /* reduced_still_picture_header: all of them are key frames, and do not say so */
    }
    if (type == OBU_FRAME || type == OBU_FRAME_HEADER) return sequence && (still || !(first & 0xe0)); /* show_existing_frame, frame_type */
  }
  return false;
}

static size_t count(rtc_split_t s, size_t *bytes) {
  size_t n = 0;
  for (*bytes = 0; s.unit; n++) {
    size_t elements = 0;
    *bytes += payload(&s, &elements, NULL);
  }
  return n;
}

/* Nothing of a unit goes out that cannot be read to its end. */
int rtc_av1_split_init(rtc_split_t *s) {
  obu_t o;
  for (size_t at = 0; at < s->len; at = o.data + o.len)
    if (!read(&o, s->frame, s->len, at)) return RTC_EINVAL;
  seek(s);
  s->head = begins_sequence(s) ? AV1_N : 0;
  size_t bytes, n = count(*s, &bytes);
  if (n == 0 || n > UINT16_MAX) return RTC_EINVAL;
  s->left = (uint16_t)n;
  rtc_split_t even = *s; /* of about one size, where that does not make more of them: where OBUs meet something is lost */
  for (size_t slack = 0; slack <= PART_LEAST; slack += PART_LEAST) {
    even.max = bytes / n + (bytes % n != 0) + slack;
    size_t all;
    if (even.max < MAX_LEAST || even.max >= s->max || count(even, &all) != n) continue;
    s->max = even.max;
    break;
  }
  return 0;
}
