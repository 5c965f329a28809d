/* embed: the public C API over a loop. Texts become commands here; each call is a batch of one and waits for its result, which
 * takes as long as the loop's present step. */
#include "rtcengine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/loop.h"

#define VERSION "0.1.0"

struct rtcengine {
  rtc_loop_t *loop;
  bool threaded;
};

const char *rtcengine_error_text(int error) { return rtc_err_text(error); }
const char *rtcengine_version(void) { return VERSION; }

static void explain(char *why, size_t cap, const rtcengine_options_t *o, const rtc_udp_fault_t *f) {
  if (!why || !cap) return;
  if (f->index < 0)
    snprintf(why, cap, "the certificate, its key or the number of addresses is unusable (%s)", rtc_err_text(f->err));
  else
    snprintf(why, cap, "address %d, port %u: %s", f->index, o->port, f->sys ? strerror(f->sys) : rtc_err_text(f->err));
}

rtcengine_t *rtcengine_new(const rtcengine_options_t *o, char *why, size_t why_cap) {
  static const char *const any[] = {"0.0.0.0", "::"};
  const char *const *texts = o->addresses ? o->addresses : any;
  int n = o->addresses ? o->address_n : 2;
  rtc_addr_t bind[RTC_LOOP_SOCKETS];
  rtc_udp_fault_t fault = {.err = RTC_EINVAL, .index = -1};
  if (!o->cert_pem || !o->key_pem || n < 1 || n > RTC_LOOP_SOCKETS) {
    explain(why, why_cap, o, &fault);
    return NULL;
  }
  for (int i = 0; i < n; i++) {
    if (rtc_addr_parse(&bind[i], texts[i], o->port) == 0) continue;
    fault.index = i;
    explain(why, why_cap, o, &fault);
    return NULL;
  }
  rtcengine_t *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  rtc_loop_cfg_t cfg = {.bind = bind,
                        .bind_n = n,
                        .recv_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .send_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .cert_pem = o->cert_pem,
                        .key_pem = o->key_pem,
                        .cert_len = strlen(o->cert_pem),
                        .key_len = strlen(o->key_pem),
                        .slots = o->packets};
  e->loop = rtc_loop_new(&cfg, &fault);
  if (!e->loop) {
    explain(why, why_cap, o, &fault);
    free(e);
    return NULL;
  }
  return e;
}

void rtcengine_free(rtcengine_t *e) {
  if (!e) return;
  rtc_loop_free(e->loop);
  free(e);
}

uint16_t rtcengine_port(const rtcengine_t *e) {
  rtc_loop_info_t info;
  rtc_loop_info(e->loop, &info);
  return info.bound[0].port;
}

int rtcengine_fingerprint(const rtcengine_t *e, char *out, size_t cap) { return rtc_loop_fingerprint(e->loop, out, cap); }

int rtcengine_start(rtcengine_t *e) {
  int err = rtc_loop_start(e->loop);
  if (err == 0) e->threaded = true;
  return err;
}

int rtcengine_fd(rtcengine_t *e) { return rtc_loop_fd(e->loop); }

int64_t rtcengine_wait_us(const rtcengine_t *e) {
  rtc_time_t at = rtc_loop_next_at(e->loop);
  if (at == RTC_NEVER) return -1;
  rtc_time_t in = at - rtc_clock_now();
  return in > 0 ? in : 0;
}

int rtcengine_step(rtcengine_t *e) { return rtc_loop_step(e->loop); }

/* Submits one command and waits for its result. */
static int run(rtcengine_t *e, const rtc_cmd_t *c) {
  uint64_t want, ticket;
  int err = rtc_loop_submit(e->loop, c, 1, &want);
  while (err == 0) {
    int result;
    uint32_t index;
    if (!e->threaded) err = rtc_loop_step(e->loop);
    rtc_loop_look(e->loop);
    while (rtc_loop_acked(e->loop, &ticket, &result, &index))
      if (ticket == want) return result;
    struct pollfd p = {.fd = rtc_loop_event_fd(e->loop), .events = POLLIN};
    if (e->threaded) poll(&p, 1, 10);
  }
  return err;
}

static int copy(char *out, size_t cap, const char *text) {
  size_t n = text ? strlen(text) : 0;
  if (n >= cap) return RTC_EINVAL;
  if (n) memcpy(out, text, n);
  out[n] = 0;
  return 0;
}

/* "sha-256 AB:CD:..", upper or lower case. */
static int fingerprint(rtc_fingerprint_t *f, const char *text) {
  unsigned bits, byte;
  int used = 0;
  if (!text || sscanf(text, "%*1[sS]%*1[hH]%*1[aA]-%u %n", &bits, &used) != 1 || !used) return RTC_EINVAL;
  size_t want = bits == 1 ? 20 : bits / 8, n = 0;
  if (bits != 1 && bits != 256 && bits != 384 && bits != 512) return RTC_EINVAL;
  for (const char *p = text + used; n < want; p += 2) {
    if (n && *p++ != ':') return RTC_EINVAL;
    if (sscanf(p, "%2x", &byte) != 1) return RTC_EINVAL;
    f->value[n++] = (uint8_t)byte;
    if (n == want && p[2] != 0) return RTC_EINVAL;
  }
  f->bits = (uint16_t)bits;
  f->len = (uint8_t)n;
  return 0;
}

int rtcengine_add_transport(rtcengine_t *e, uint32_t id, const rtcengine_transport_t *t) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id};
  rtc_transport_cfg_t *o = &c.u.transport;
  int err = copy(o->ice.local_ufrag, sizeof o->ice.local_ufrag, t->local_ufrag);
  if (err == 0) err = copy(o->ice.local_pwd, sizeof o->ice.local_pwd, t->local_pwd);
  if (err == 0) err = copy(o->ice.remote_ufrag, sizeof o->ice.remote_ufrag, t->remote_ufrag);
  if (err == 0) err = copy(o->ice.remote_pwd, sizeof o->ice.remote_pwd, t->remote_pwd);
  if (err == 0) err = copy(o->cname, sizeof o->cname, t->cname);
  if (err == 0) err = fingerprint(&o->fp[0], t->fingerprint);
  rtc_extmap_init(&o->ext);
  for (int i = 0; err == 0 && i < t->extension_n; i++) {
    uint8_t kind = rtc_ext_of_uri(t->extensions[i].uri, strlen(t->extensions[i].uri));
    if (kind != RTC_EXT_UNKNOWN) err = rtc_extmap_set(&o->ext, (rtc_ext_t)kind, t->extensions[i].id);
  }
  o->fp_n = 1;
  o->dtls_client = t->dtls_client;
  o->reduced_rtcp = true;
  return err < 0 ? err : run(e, &c);
}

int rtcengine_close_transport(rtcengine_t *e, uint32_t id) { return run(e, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id}); }

static bool fits(const rtcengine_stream_t *s) {
  return s->codec >= RTCENGINE_OPUS && s->codec <= RTCENGINE_AV1 && s->pt >= 0 && s->pt <= 127 && s->rtx_pt >= -1 && s->rtx_pt <= 127;
}

static const uint8_t codecs[] = {[RTCENGINE_OPUS] = RTC_CODEC_OPUS,
                                 [RTCENGINE_VP8] = RTC_CODEC_VP8,
                                 [RTCENGINE_VP9] = RTC_CODEC_VP9,
                                 [RTCENGINE_H264] = RTC_CODEC_H264,
                                 [RTCENGINE_AV1] = RTC_CODEC_AV1};

int rtcengine_add_receiver(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s) {
  if (!fits(s)) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_RECV, .id = id};
  rtc_recv_cfg_t *o = &c.u.recv;
  *o = (rtc_recv_cfg_t){.transport = s->transport,
                        .video = s->video,
                        .codec = codecs[s->codec],
                        .pt = (int16_t)s->pt,
                        .rtx_pt = (int16_t)s->rtx_pt,
                        .clock_rate = s->clock_rate,
                        .ssrc = s->ssrc,
                        .rtx_ssrc = s->rtx_ssrc,
                        .nack = s->nack,
                        .pli = s->pli,
                        .twcc = s->transport_cc};
  int err = copy(o->mid, sizeof o->mid, s->mid);
  return err < 0 ? err : run(e, &c);
}

int rtcengine_add_sender(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s) {
  if (!fits(s)) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_SEND, .id = id};
  rtc_send_cfg_t *o = &c.u.send;
  *o = (rtc_send_cfg_t){.transport = s->transport,
                        .video = s->video,
                        .codec = codecs[s->codec],
                        .pt = (int16_t)s->pt,
                        .rtx_pt = (int16_t)s->rtx_pt,
                        .clock_rate = s->clock_rate,
                        .ssrc = s->ssrc,
                        .rtx_ssrc = s->rtx_ssrc,
                        .nack = s->nack,
                        .ext_mask = (1u << RTC_EXT_COUNT) - 1};
  int err = copy(o->mid, sizeof o->mid, s->mid);
  return err < 0 ? err : run(e, &c);
}

int rtcengine_link(rtcengine_t *e, uint32_t sender, uint32_t receiver) {
  return run(e, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = sender, .u.link = receiver});
}

int rtcengine_ask_keyframe(rtcengine_t *e, uint32_t receiver) { return run(e, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = receiver}); }

int rtcengine_send_frame(rtcengine_t *e, uint32_t sender, const uint8_t *data, size_t len, uint32_t timestamp, bool key) {
  if (!len || len > UINT32_MAX) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = sender, .u.frame = {.data = malloc(len), .len = (uint32_t)len, .ts = timestamp, .key = key}};
  if (!c.u.frame.data) return RTC_ENOMEM;
  memcpy(c.u.frame.data, data, len);
  return run(e, &c);
}

static const char *why_closed(uint8_t reason) {
  switch ((rtc_reason_t)reason) {
    case RTC_WHY_COMMAND: return "closed by us";
    case RTC_WHY_CONSENT: return "consent ran out";
    case RTC_WHY_CLOSE_NOTIFY: return "closed by the peer";
    case RTC_WHY_DTLS: return "the DTLS handshake failed";
    case RTC_WHY_TIMEOUT: return "not connected in time";
    case RTC_WHY_NONE: break;
  }
  return "";
}

int rtcengine_next_event(rtcengine_t *e, rtcengine_event_t *out) {
  rtc_event_t v;
  rtc_loop_look(e->loop);
  if (!rtc_loop_event(e->loop, &v)) return 0;
  *out = (rtcengine_event_t){.id = v.id, .state = v.state, .reason = v.state == RTC_T_CLOSED ? why_closed(v.reason) : ""};
  out->type = v.type == RTC_EV_TRANSPORT ? RTCENGINE_EV_TRANSPORT
              : v.type == RTC_EV_RECV    ? RTCENGINE_EV_RECEIVER
                                         : RTCENGINE_EV_KEYFRAME_WANTED;
  if (v.has_path) rtc_addr_write(&v.path.remote, out->remote, sizeof out->remote);
  return 1;
}

int rtcengine_event_fd(const rtcengine_t *e) { return rtc_loop_event_fd(e->loop); }

int rtcengine_counts(rtcengine_t *e, rtcengine_counts_t *out) {
  rtc_stats_t s = {0};
  int err = run(e, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  if (err < 0) return err;
  *out = (rtcengine_counts_t){.packets_in = s.hub.in_packets, .packets_out = s.hub.out_packets, .forwarded = s.hub.forwarded};
  for (int i = 0; i < RTC_DROP_COUNT; i++) out->dropped += s.hub.drops[i];
  return 0;
}
