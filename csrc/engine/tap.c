/* tap: a receiver's frames to its owner, while its packets go on to the viewers. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

/* How long a frame waits for what it lacks: for repair where that was agreed, else for packets that overtook each other. */
static rtc_time_t wait_of(const rtc_recv_cfg_t *cfg) {
  if (cfg->nack) return cfg->video ? RTC_TAP_REPAIR_US : RTC_TAP_REPAIR_AUDIO_US;
  return RTC_TAP_REORDER_US;
}

int rtc_tap_open(rtc_recv_t *r) {
  if (r->tap) return 0;
  rtc_tap_t *p = calloc(1, sizeof *p);
  if (!p) return RTC_ENOMEM;
  if (rtc_framebuf_init(&p->buf, (rtc_codec_t)r->cfg.codec, r->cfg.video, wait_of(&r->cfg)) < 0) {
    free(p);
    return RTC_ENOMEM;
  }
  r->tap = p;
  if (r->highest >= 0) rtc_recv_ask_key(r); /* else when the first packet has come and begins none */
  return 0;
}

static void unlist(rtc_recv_t *r) {
  rtc_hub_t *h = r->transport->hub;
  rtc_recv_t *before = NULL;
  for (rtc_recv_t *i = h->framed; i && r->tap->listed; before = i, i = i->tap->next) {
    if (i != r) continue;
    if (before)
      before->tap->next = r->tap->next;
    else
      h->framed = r->tap->next;
    if (h->framed_last == r) h->framed_last = before;
    r->tap->listed = false;
    return;
  }
}

void rtc_tap_close(rtc_recv_t *r) {
  if (!r->tap) return;
  unlist(r);
  r->transport->hub->tapped -= r->tap->buf.held;
  rtc_framebuf_clear(&r->tap->buf);
  rtc_frameq_clear(&r->tap->ready);
  free(r->tap);
  r->tap = NULL;
}

void rtc_tap_renew(rtc_recv_t *r) {
  if (!r->tap) return;
  r->transport->hub->tapped -= r->tap->buf.held;
  rtc_framebuf_reset(&r->tap->buf);
}

int rtc_tap_codec(rtc_recv_t *r) {
  if (!r->tap) return 0;
  r->transport->hub->tapped -= r->tap->buf.held;
  rtc_framebuf_clear(&r->tap->buf);
  if (rtc_framebuf_init(&r->tap->buf, (rtc_codec_t)r->cfg.codec, r->cfg.video, wait_of(&r->cfg)) == 0) return 0;
  memset(&r->tap->buf, 0, sizeof r->tap->buf);
  rtc_tap_close(r);
  return RTC_ENOMEM;
}

static void list(rtc_recv_t *r) {
  rtc_hub_t *h = r->transport->hub;
  if (r->tap->listed) return;
  r->tap->listed = true;
  r->tap->next = NULL;
  if (h->framed)
    h->framed_last->tap->next = r;
  else
    h->framed = r;
  h->framed_last = r;
}

/* What its first packet says of how loud it is. The history still has it: it is as deep as what waits here. */
static int16_t level_of(const rtc_recv_t *r, const rtc_framebuf_frame_t *f) {
  rtc_pkt_t *k = r->cfg.video ? NULL : rtc_history_get(&r->history, f->first);
  rtc_media_t m;
  if (!k || !rtc_send_view(&m, k, f->first, &r->transport->cfg->ext)) return RTC_FRAME_NO_LEVEL;
  if (!rtc_ext_has(&m.ext, RTC_EXT_AUDIO_LEVEL) || m.ext.len[RTC_EXT_AUDIO_LEVEL] < 1) return RTC_FRAME_NO_LEVEL;
  return m.ext.p[RTC_EXT_AUDIO_LEVEL][0];
}

static void give(rtc_recv_t *r, const rtc_framebuf_frame_t *f, rtc_frame_t *out) {
  out->receiver = r->id;
  out->ts = f->ts;
  out->lost = f->lost;
  out->at = f->at;
  out->codec = r->cfg.codec;
  out->video = r->cfg.video;
  out->key = f->key;
  out->level = level_of(r, f);
  r->tap->given++;
  if (rtc_frameq_put(&r->tap->ready, out) && r->tap->ready.skip) rtc_recv_ask_key(r);
  if (r->tap->ready.n) list(r);
}

/* What is whole: joined into a block of its size. */
static void collect(rtc_recv_t *r, rtc_time_t now) {
  rtc_tap_t *p = r->tap;
  rtc_framebuf_frame_t f;
  while (rtc_framebuf_pop(&p->buf, &f, now)) {
    int len = rtc_framebuf_join(&p->buf, &f, NULL, SIZE_MAX);
    rtc_frame_t *out = len > 0 ? malloc(sizeof *out + (size_t)len) : NULL;
    if (out) {
      out->len = (uint32_t)len;
      if (rtc_framebuf_join(&p->buf, &f, out->data, (size_t)len) != len) {
        free(out);
        out = NULL;
      }
    }
    rtc_framebuf_done(&p->buf, &f);
    if (out) {
      give(r, &f, out);
    } else {
      p->broken++;
      rtc_framebuf_skip(&p->buf);
    }
  }
  if (!p->buf.want_key) return;
  p->buf.want_key = false;
  rtc_recv_ask_key(r);
}

void rtc_tap_on_packet(rtc_recv_t *r, const rtc_media_t *m, int64_t ts, rtc_time_t now) {
  rtc_framebuf_t *b = &r->tap->buf;
  rtc_hub_t *h = r->transport->hub;
  uint32_t had = b->held;
  if (h->tapped >= h->slots / RTC_TAP_PART) rtc_framebuf_empty(b); /* slots have to remain for what comes */
  rtc_framebuf_on_packet(b, m->pkt, m->index, ts, m->rtp.hdr_len, m->rtp.payload_len, m->rtp.marker, now);
  collect(r, now);
  h->tapped += b->held - had;
}

void rtc_tap_tick(rtc_recv_t *r, rtc_time_t now) {
  uint32_t had = r->tap->buf.held;
  collect(r, now);
  r->transport->hub->tapped += r->tap->buf.held - had;
}

bool rtc_hub_has_frames(const rtc_hub_t *h) { return h->framed != NULL; }

rtc_frame_t *rtc_hub_frame(rtc_hub_t *h) {
  rtc_recv_t *r = h->framed;
  if (!r) return NULL;
  rtc_frame_t *f = rtc_frameq_get(&r->tap->ready);
  if (r->tap->ready.n) return f;
  h->framed = r->tap->next;
  if (!h->framed) h->framed_last = NULL;
  r->tap->listed = false;
  return f;
}

void rtc_hub_frames_dropped(rtc_hub_t *h, uint32_t receiver, uint32_t n, bool key) {
  rtc_recv_t *r = rtc_map_get(&h->recvs, &receiver);
  if (!r || !r->tap) return;
  r->tap->dropped += n;
  if (!key) return;
  rtc_recv_ask_key(r);
  rtc_transport_arm(r->transport);
}
