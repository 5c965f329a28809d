/* tap: a receiver's frames to its owner, while its packets go on to the viewers. */
#include <stdlib.h>
#include <string.h>

#include "engine/state.h"

/* How long a frame waits for what it lacks: for repair where that was agreed, else for packets that overtook each other. */
static rtc_time_t wait_of(const rtc_recv_cfg_t *cfg) {
  if (cfg->nack) return cfg->video ? RTC_TAP_REPAIR_US : RTC_TAP_REPAIR_AUDIO_US;
  return RTC_TAP_REORDER_US;
}

/* What was told of one stream says nothing of another. */
static void forget_told(rtc_tap_t *p) {
  p->orientation = RTC_FRAME_NO_ORIENTATION;
  p->has_moment = false;
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
  forget_told(p);
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
  free(r->tap->csrcs);
  free(r->tap);
  r->tap = NULL;
}

void rtc_tap_renew(rtc_recv_t *r) {
  if (!r->tap) return;
  r->transport->hub->tapped -= r->tap->buf.held;
  rtc_framebuf_reset(&r->tap->buf);
  forget_told(r->tap);
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

/* A mixer names whose media it mixed in each packet. */
static void read_csrcs(rtc_recv_t *r, int64_t index, rtc_time_t at) {
  rtc_pkt_t *k = rtc_history_get(&r->history, index);
  rtc_media_t m;
  if (!k || !(k->data[0] & 0x0f) || !rtc_send_view(&m, k, index, &r->transport->cfg->ext)) return;
  if (!r->tap->csrcs) r->tap->csrcs = calloc(1, sizeof *r->tap->csrcs);
  if (!r->tap->csrcs) return;
  bool heard = !r->cfg.video && rtc_ext_has(&m.ext, RTC_EXT_CSRC_AUDIO_LEVEL);
  rtc_csrcs_on(r->tap->csrcs, k->data + RTC_RTP_HEADER, m.rtp.csrc_n, heard ? m.ext.p[RTC_EXT_CSRC_AUDIO_LEVEL] : NULL,
               heard ? m.ext.len[RTC_EXT_CSRC_AUDIO_LEVEL] : 0, m.rtp.ts, at);
}

/* What a packet of the frame tells besides. The history still has it: it is about as deep as what waits here. */
static void read_told(rtc_recv_t *r, int64_t index, int64_t ts, rtc_frame_t *out) {
  rtc_pkt_t *k = rtc_history_get(&r->history, index);
  rtc_media_t m;
  if (!k || !rtc_send_view(&m, k, index, &r->transport->cfg->ext)) return;
  if (!r->cfg.video && rtc_ext_has(&m.ext, RTC_EXT_AUDIO_LEVEL) && m.ext.len[RTC_EXT_AUDIO_LEVEL] >= 1)
    out->level = m.ext.p[RTC_EXT_AUDIO_LEVEL][0];
  if (r->cfg.video && rtc_ext_has(&m.ext, RTC_EXT_VIDEO_ORIENTATION) && m.ext.len[RTC_EXT_VIDEO_ORIENTATION] >= 1)
    r->tap->orientation = m.ext.p[RTC_EXT_VIDEO_ORIENTATION][0] & 0x0f;
  if (!rtc_ext_has(&m.ext, RTC_EXT_ABS_CAPTURE_TIME) || m.ext.len[RTC_EXT_ABS_CAPTURE_TIME] < 8) return;
  if (!rtc_get64(m.ext.p[RTC_EXT_ABS_CAPTURE_TIME])) return;
  r->tap->has_moment = true;
  r->tap->moment_ntp = rtc_get64(m.ext.p[RTC_EXT_ABS_CAPTURE_TIME]);
  r->tap->moment_ts = ts;
}

/* When a frame was captured, by the sender's clock: as told with this frame or one near it, else by the latest sender report, whose
 * NTP time is 0 where the sender has no clock (RFC 3550 §6.4.1). */
static int64_t captured_us(const rtc_recv_t *r, int64_t ts) {
  const rtc_tap_t *p = r->tap;
  const rtc_rxstat_t *s = &r->stat;
  int64_t rate = s->clock_rate, near = RTC_TAP_MOMENT_S * rate;
  if (p->has_moment && ts - p->moment_ts <= near && p->moment_ts - ts <= near)
    return rtc_ntp_to_unix_us(p->moment_ntp) + (ts - p->moment_ts) * 1000000 / rate;
  if (s->sr_at == RTC_NEVER || !s->sr_ntp) return 0;
  return rtc_ntp_to_unix_us(s->sr_ntp) + (int64_t)(int32_t)((uint32_t)ts - s->sr_rtp) * 1000000 / rate;
}

static void give(rtc_recv_t *r, const rtc_framebuf_frame_t *f, rtc_frame_t *out) {
  out->receiver = r->id;
  out->ts = f->ts;
  out->lost = f->lost;
  out->at = f->at;
  out->codec = r->cfg.codec;
  out->video = r->cfg.video;
  out->key = f->key;
  out->level = RTC_FRAME_NO_LEVEL;
  read_told(r, f->first, f->ts, out);
  if (f->count > 1) read_told(r, f->first + f->count - 1, f->ts, out);
  out->orientation = r->tap->orientation;
  out->captured_us = captured_us(r, f->ts);
  r->tap->given++;
  r->tap->restored += f->copy;
  if (rtc_frameq_put(&r->tap->ready, out) && r->tap->ready.skip) rtc_recv_ask_key(r);
  if (r->tap->ready.n) list(r);
}

/* What is whole: joined into a block of its size. */
static void collect(rtc_recv_t *r, rtc_time_t now) {
  rtc_tap_t *p = r->tap;
  rtc_framebuf_frame_t f;
  while (rtc_framebuf_pop(&p->buf, &f, now)) {
    int len = rtc_framebuf_join(&p->buf, &f, NULL, SIZE_MAX);
    if (len > 0) read_csrcs(r, f.first + f.count - 1, f.at);
    uint32_t csrc_n = p->csrcs ? rtc_csrcs_n(p->csrcs, f.at) : 0;
    rtc_frame_t *out = len > 0 ? malloc(sizeof *out + (size_t)len + csrc_n * sizeof(rtc_csrc_t)) : NULL;
    if (out) {
      out->len = (uint32_t)len;
      out->csrc_n = (uint8_t)csrc_n;
      if (csrc_n) memcpy(out->data + len, p->csrcs->v, csrc_n * sizeof(rtc_csrc_t));
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
  rtc_framebuf_on_packet(b, m->pkt, m->index, ts, m->rtp.hdr_len, m->rtp.payload_len, m->rtp.marker, m->info, now);
  if (m->front) rtc_redundant_give(r, m, ts);
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
