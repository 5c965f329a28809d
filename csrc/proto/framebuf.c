#include "proto/framebuf.h"

#include <stdlib.h>

int rtc_framebuf_init(rtc_framebuf_t *b, rtc_codec_t codec, bool video, rtc_time_t wait_us) {
  uint32_t cap = video ? RTC_FRAMEBUF_VIDEO_CAP : RTC_FRAMEBUF_AUDIO_CAP;
  *b = (rtc_framebuf_t){.cap = cap, .codec = (uint8_t)codec, .video = video, .wait_us = wait_us};
  b->item = calloc(cap, sizeof *b->item);
  if (!b->item) return RTC_ENOMEM;
  rtc_framebuf_reset(b);
  return 0;
}

void rtc_framebuf_clear(rtc_framebuf_t *b) {
  if (b->item) rtc_framebuf_reset(b);
  free(b->item);
  b->item = NULL;
}

static rtc_framebuf_item_t *place(const rtc_framebuf_t *b, int64_t index) { return &b->item[(uint64_t)index & (b->cap - 1)]; }

static const rtc_framebuf_item_t *at(const rtc_framebuf_t *b, int64_t index) {
  const rtc_framebuf_item_t *i = place(b, index);
  return i->pkt && i->index == index ? i : NULL;
}

static void take_out(rtc_framebuf_t *b, rtc_framebuf_item_t *p) {
  if (!p->pkt) return;
  rtc_pkt_put(p->pkt);
  p->pkt = NULL;
  b->held--;
}

/* Numbers below `next` are done with. */
static void move_to(rtc_framebuf_t *b, int64_t next) {
  int64_t all = b->next + b->cap;
  for (int64_t i = b->next; i < next && i < all && b->held; i++) {
    rtc_framebuf_item_t *p = place(b, i);
    if (p->index < next) take_out(b, p);
  }
  b->next = b->end = next;
  b->since = RTC_NEVER;
  if (b->key_at < next) b->key_at = -1;
}

void rtc_framebuf_reset(rtc_framebuf_t *b) {
  for (uint32_t i = 0; i < b->cap; i++) {
    rtc_pkt_put(b->item[i].pkt);
    b->item[i].pkt = NULL;
  }
  b->held = 0;
  b->next = b->end = b->highest = b->key_at = b->key_end = b->key_ts = b->last = -1;
  b->since = RTC_NEVER;
  b->waiting = b->video;
}

/* First number of the key frame of which this packet looks like the start: parameter sets may lie before it, lost ones too. */
static int64_t first_of(const rtc_framebuf_t *b, int64_t index, int64_t ts) {
  int64_t first = index;
  if (!rtc_codec_has_sets(b->codec)) return index;
  for (int64_t i = index - 1; i >= b->next && i >= index - RTC_FRAMEBUF_LOOK_BACK; i--) {
    const rtc_framebuf_item_t *p = at(b, i);
    if (!p) continue;
    if (p->ts != ts) return i + 1;
    first = i;
  }
  /* What was given out last belongs to an earlier frame. */
  return b->last == b->next && index - b->next <= RTC_FRAMEBUF_LOOK_BACK ? b->next : first;
}

static void on_key(rtc_framebuf_t *b, int64_t index, int64_t ts) {
  int64_t first = first_of(b, index, ts);
  bool same = b->key_at >= 0 && ts == b->key_ts;
  if (b->key_at >= 0 && ts < b->key_ts) return;
  if (!same || index < b->key_seen) b->key_seen = index;
  if (same && first >= b->key_at) return;
  b->key_at = b->key_end = first;
  b->key_ts = ts;
}

void rtc_framebuf_skip(rtc_framebuf_t *b) {
  if (!b->video || b->next < 0) return;
  int64_t tail = b->highest - RTC_FRAMEBUF_LOOK_BACK, key = b->key_at;
  b->waiting = key < 0;
  b->since = RTC_NEVER;
  if (b->waiting) b->want_key = true;
  if (key >= 0)
    move_to(b, key);
  else if (tail > b->next)
    move_to(b, tail);
}

/* What comes is further ahead than can be held. */
static void make_room(rtc_framebuf_t *b, int64_t index) {
  b->given_up += !b->waiting;
  if (!b->video) {
    move_to(b, index);
    return;
  }
  rtc_framebuf_skip(b);
  if (index - b->next < b->cap) return;
  b->waiting = b->want_key = true;
  move_to(b, index - RTC_FRAMEBUF_LOOK_BACK);
}

void rtc_framebuf_on_packet(rtc_framebuf_t *b, rtc_pkt_t *k, int64_t index, int64_t ts, uint16_t off, uint16_t len, bool marker,
                            rtc_payload_info_t info, rtc_time_t now) {
  (void)now;
  if (index < 0) return;
  if (b->next < 0) b->next = b->end = b->video && index > RTC_FRAMEBUF_LOOK_BACK ? index - RTC_FRAMEBUF_LOOK_BACK : b->video ? 0 : index;
  if (index < b->next) return;
  if (index - b->next >= b->cap) make_room(b, index);
  rtc_framebuf_item_t *p = place(b, index);
  if (p->pkt && !p->copy) return; /* within cap of next a place is one number's */
  take_out(b, p);
  *p = (rtc_framebuf_item_t){.pkt = rtc_pkt_ref(k), .index = index, .ts = ts, .off = off, .len = len, .marker = marker, .key = info.key};
  b->held++;
  if (index > b->highest) b->highest = index;
  if (!b->video) return;
  if (info.start && info.key) on_key(b, index, ts);
  if (!b->waiting) return;
  if (b->key_at >= 0) {
    b->waiting = false;
    move_to(b, b->key_at);
    return;
  }
  b->want_key = true;
  if (index - RTC_FRAMEBUF_LOOK_BACK > b->next) move_to(b, index - RTC_FRAMEBUF_LOOK_BACK);
}

void rtc_framebuf_on_copy(rtc_framebuf_t *b, rtc_pkt_t *k, int64_t index, int64_t ts, int64_t copy_ts, uint16_t off, uint16_t len) {
  if (b->video || b->last < 0 || !len || copy_ts >= ts) return;
  int64_t above = index, above_ts = ts, below = b->next - 1, below_ts = b->last_ts;
  for (int64_t i = index - 1; i >= b->next; i--) {
    const rtc_framebuf_item_t *p = at(b, i);
    if (!p) continue;
    if (p->ts < copy_ts || (p->ts == copy_ts && p->len)) { /* padding has the time of what went before it */
      below = i;
      below_ts = p->ts;
      break;
    }
    above = i;
    above_ts = p->ts;
  }
  int64_t missing = above - below - 1;
  if (missing < 1 || copy_ts <= below_ts) return;
  /* Packets are about as long as each other; after silence the nearest that is missing is it. */
  int64_t back = ((above_ts - copy_ts) * (missing + 1) + (above_ts - below_ts) / 2) / (above_ts - below_ts);
  index = above - (back < 1 ? 1 : back > missing ? missing : back);
  *place(b, index) =
      (rtc_framebuf_item_t){.pkt = rtc_pkt_ref(k), .index = index, .ts = copy_ts, .off = off, .len = len, .key = true, .copy = true};
  b->held++;
}

void rtc_framebuf_empty(rtc_framebuf_t *b) {
  if (!b->held) return;
  b->given_up++;
  b->key_at = -1;
  move_to(b, b->highest + 1);
  b->waiting = b->want_key = b->video;
}

/* Whether the frame that starts at first is whole; *end is as far as it is known to be here. */
static bool is_whole(const rtc_framebuf_t *b, int64_t first, int64_t *end) {
  const rtc_framebuf_item_t *head = at(b, first), *p;
  while ((p = at(b, *end))) {
    if (p->ts != head->ts) return true;
    ++*end;
    if (p->marker || !b->video) return true;
  }
  return false;
}

/* The frame at next will not be whole in time. */
static void give_up(rtc_framebuf_t *b) {
  b->given_up++;
  if (b->video) {
    /* Of a key frame that lacks what may go before it the rest is tried: a decoder knows parameter sets from earlier. */
    if (b->key_at == b->next) b->key_at = b->key_seen > b->end ? b->key_seen : -1;
    if (b->key_at >= 0) b->key_end = b->key_at;
    rtc_framebuf_skip(b);
    return;
  }
  int64_t i = b->end;
  while (i <= b->highest && !at(b, i)) i++;
  move_to(b, i);
}

/* Whether it is a key frame, and whether anything is in it: padding takes numbers too. */
static bool describe(const rtc_framebuf_t *b, int64_t first, int64_t end, rtc_framebuf_frame_t *f) {
  bool any = false;
  *f = (rtc_framebuf_frame_t){.first = first, .count = (uint32_t)(end - first), .ts = at(b, first)->ts};
  if (b->last >= 0) f->lost = (uint64_t)(first - b->last);
  for (int64_t i = first; i < end; i++) {
    const rtc_framebuf_item_t *p = at(b, i);
    if (p->pkt->at > f->at) f->at = p->pkt->at;
    if (!p->len) continue;
    any = true;
    f->key = f->key || p->key;
    f->copy = f->copy || p->copy;
  }
  return any;
}

int rtc_framebuf_pop(rtc_framebuf_t *b, rtc_framebuf_frame_t *out, rtc_time_t now) {
  while (b->next >= 0 && !b->waiting) {
    int64_t end = b->end;
    bool whole = is_whole(b, b->next, &end);
    if (!whole && b->key_at > b->next && is_whole(b, b->key_at, &b->key_end)) {
      end = b->key_end;
      b->given_up++;
      move_to(b, b->key_at);
      whole = true;
    }
    b->end = end;
    if (whole) {
      if (describe(b, b->next, end, out)) return 1;
      if (b->last >= 0) b->last += end - b->next; /* its numbers came: they are not among what is lost */
      move_to(b, end);
      continue;
    }
    if (b->highest < end) return 0;
    if (b->since == RTC_NEVER) b->since = now;
    if (now - b->since < b->wait_us) return 0;
    give_up(b);
  }
  return 0;
}

int rtc_framebuf_join(const rtc_framebuf_t *b, const rtc_framebuf_frame_t *f, uint8_t *out, size_t cap) {
  rtc_join_t j;
  rtc_join_init(&j, (rtc_codec_t)b->codec, out, cap);
  for (int64_t i = f->first; i < f->first + f->count; i++) {
    const rtc_framebuf_item_t *p = at(b, i);
    if (!p || !p->len) continue;
    int err = rtc_join_put(&j, p->pkt->data + p->off, p->len);
    if (err < 0) return err;
  }
  return rtc_join_end(&j);
}

void rtc_framebuf_done(rtc_framebuf_t *b, const rtc_framebuf_frame_t *f) {
  b->last = f->first + f->count;
  b->last_ts = f->ts;
  move_to(b, b->last);
}
