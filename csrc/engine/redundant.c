/* redundant: sound that is sent twice (RFC 2198). Of a packet that comes, its own frame is what all others see of it, as a view, and what
 * it repeats goes to the frame buffer; of one that goes out, what of before it repeats. Packets that are kept are noted as such, so that
 * they are told apart whatever number was agreed since. */
#include "engine/state.h"
#include "wire/payload/red.h"

enum { TAG = 0 }; /* of a packet that is kept: its own frame's place in the payload, above the type of that; 0: it repeats nothing */

static void note(rtc_pkt_t *k, uint16_t front, uint8_t pt) { k->tag[TAG] = (uint64_t)front << 8 | pt; }

void rtc_redundant_view(rtc_media_t *m) {
  uint64_t said = m->pkt->tag[TAG];
  if (!said) return;
  m->front = (uint16_t)(said >> 8);
  m->rtp.pt = said & 0x7f;
  m->rtp.hdr_len = (uint16_t)(m->rtp.hdr_len + m->front);
  m->rtp.payload_len = (uint16_t)(m->rtp.payload_len - m->front);
}

const rtc_media_t *rtc_redundant_whole(const rtc_media_t *m, rtc_media_t *whole) {
  if (m->whole) return m;
  *whole = *m;
  whole->whole = true;
  whole->rtp.hdr_len = (uint16_t)(m->rtp.hdr_len - m->front);
  whole->rtp.payload_len = (uint16_t)(m->rtp.payload_len + m->front);
  return whole;
}

bool rtc_redundant_open(rtc_recv_t *r, rtc_media_t *m) {
  rtc_red_t red;
  if (!m->rtp.payload_len) { /* padding alone, which takes a number: Chromium probes with such */
    m->rtp.pt = (uint8_t)r->cfg.pt;
    return true;
  }
  if (rtc_red_parse(&red, m->pkt->data + m->rtp.hdr_len, m->rtp.payload_len) < 0) return false;
  const rtc_red_block_t *own = &red.block[red.n - 1];
  note(m->pkt, own->off, own->pt);
  rtc_redundant_view(m);
  r->red_blocks += red.n - 1u;
  r->red_bytes += own->off;
  return true;
}

void rtc_redundant_give(rtc_recv_t *r, const rtc_media_t *m, int64_t ts) {
  const size_t at = (size_t)(m->rtp.hdr_len - m->front);
  rtc_red_t red;
  if (rtc_red_parse(&red, m->pkt->data + at, (size_t)m->front + m->rtp.payload_len) < 0) return;
  for (int i = red.n - 2; i >= 0; i--) { /* the newest first: its place is the surest */
    const rtc_red_block_t *b = &red.block[i];
    if (b->pt == r->cfg.pt) rtc_framebuf_on_copy(&r->tap->buf, m->pkt, m->index, ts, ts - b->back_ts, (uint16_t)(at + b->off), b->len);
  }
}

static int levels_of(const rtc_send_t *s) {
  if (s->cfg.red_levels) return s->cfg.red_levels;
  return s->loss >= RTC_RED_MORE_LOSS ? 2 : 1;
}

/* What a packet of time ts repeats of the one before it by `back`. False: there is no more of this sound. */
static bool repeats(const rtc_send_t *s, int back, int64_t ts, rtc_red_part_t *part, bool *begins) {
  int64_t index = s->top + 1 - back;
  rtc_pkt_t *k = rtc_history_get(&s->own, index);
  rtc_media_t m;
  if (!k || !rtc_send_view(&m, k, index, &s->transport->cfg->ext)) return false;
  int32_t age = (int32_t)((uint32_t)ts - m.rtp.ts);
  if (age <= 0 || age > RTC_RED_BACK_MAX) return false;
  *begins = m.rtp.marker;
  *part = (rtc_red_part_t){.pt = (uint8_t)s->cfg.pt, .back_ts = (uint16_t)age, .len = m.rtp.payload_len, .p = k->data + m.rtp.hdr_len};
  return true;
}

size_t rtc_redundant_write(const rtc_send_t *s, rtc_pkt_t *k, size_t head, size_t own, int64_t ts, bool begins) {
  rtc_red_part_t part[RTC_RED_LEVELS];
  size_t len = head + 1 + own;
  int n = 0;
  /* Behind silence nothing of before it is worth a bit: the marker says where sound began (RFC 3551 §4.1). */
  for (int back = 1; back <= levels_of(s) && !begins; back++) {
    rtc_red_part_t *p = &part[RTC_RED_LEVELS - 1 - n];
    if (!repeats(s, back, ts, p, &begins)) break;
    size_t more = RTC_RED_HEAD + (size_t)p->len;
    if (p->len == 0 || p->len > RTC_RED_BLOCK_MAX || len + more > RTC_RTP_MAX - RTC_SEND_SPARE) continue;
    len += more;
    n++;
  }
  if (!n) return 0;
  int front = rtc_red_write(k->data + head, RTC_PKT_DATA - head, part + RTC_RED_LEVELS - n, (size_t)n, (uint8_t)s->cfg.pt);
  if (front < 0) return 0;
  note(k, (uint16_t)front, (uint8_t)s->cfg.pt);
  return (size_t)front;
}
