/* embed: the public C API over a loop. Texts become commands here; each call is a batch of one and waits for its result, which
 * takes as long as the loop's present step. */
#define _GNU_SOURCE
#include "rtcengine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "io/clock.h"
#include "io/loop.h"

#define VERSION "0.1.0"

_Static_assert((int)RTCENGINE_ENOMEM == RTC_ENOMEM && (int)RTCENGINE_EINVAL == RTC_EINVAL && (int)RTCENGINE_ESTATE == RTC_ESTATE &&
                   (int)RTCENGINE_ENOBUFS == RTC_ENOBUFS && (int)RTCENGINE_ECLOSED == RTC_ECLOSED,
               "errors are passed on as they are");
_Static_assert((int)RTCENGINE_NEW == RTC_T_NEW && (int)RTCENGINE_CHECKED == RTC_T_CHECKED && (int)RTCENGINE_CONNECTED == RTC_T_CONNECTED &&
                   (int)RTCENGINE_STALLED == RTC_T_STALLED && (int)RTCENGINE_CLOSED == RTC_T_CLOSED,
               "states are passed on as they are");

struct rtcengine {
  rtc_loop_t *loop;
  bool threaded;
};

const char *rtcengine_error_text(int error) { return rtc_err_text(error); }
const char *rtcengine_version(void) { return VERSION; }

static rtc_loop_t *open_loop(const rtcengine_options_t *o, char *why, size_t cap) {
  static const char *const any[] = {"0.0.0.0", "::"};
  const char *const *texts = o->addresses ? o->addresses : any;
  int n = o->addresses ? o->address_n : 2;
  if (!o->cert_pem || !o->key_pem) {
    snprintf(why, cap, "a certificate and its key are needed");
    return NULL;
  }
  if (n < 1 || n > RTC_LOOP_SOCKETS) {
    snprintf(why, cap, "%d addresses: 1 to %d can be bound", n, RTC_LOOP_SOCKETS);
    return NULL;
  }
  rtc_addr_t bind[RTC_LOOP_SOCKETS];
  for (int i = 0; i < n; i++) {
    if (texts[i] && rtc_addr_parse(&bind[i], texts[i], o->port) == 0) continue;
    snprintf(why, cap, "not an IP address: %s", texts[i] ? texts[i] : "NULL");
    return NULL;
  }
  rtc_loop_cfg_t cfg = {.bind = bind,
                        .window_us = RTC_WINDOW_MAX_US,
                        .bind_n = n,
                        .recv_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .send_buffer = RTC_UDP_BUFFER_DEFAULT,
                        .cert_pem = o->cert_pem,
                        .key_pem = o->key_pem,
                        .cert_len = strlen(o->cert_pem),
                        .key_len = strlen(o->key_pem),
                        .slots = o->packets};
  rtc_udp_fault_t f;
  rtc_loop_t *loop = rtc_loop_new(&cfg, &f);
  if (loop) return loop;
  if (f.index >= 0)
    snprintf(why, cap, "%s, UDP port %u: %s", texts[f.index], o->port, f.sys ? strerror(f.sys) : rtc_err_text(f.err));
  else if (f.err == RTC_EINVAL)
    snprintf(why, cap, "the certificate or its key cannot be used");
  else
    snprintf(why, cap, "%s", rtc_err_text(f.err));
  return NULL;
}

rtcengine_t *rtcengine_new(const rtcengine_options_t *o, char *why, size_t why_cap) {
  char unread[1];
  if (!why || !why_cap) {
    why = unread;
    why_cap = sizeof unread;
  }
  why[0] = 0;
  rtcengine_t *e = calloc(1, sizeof *e);
  if (!o || !e) {
    snprintf(why, why_cap, "%s", o ? rtc_err_text(RTC_ENOMEM) : "options are needed");
    free(e);
    return NULL;
  }
  e->loop = open_loop(o, why, why_cap);
  if (e->loop) return e;
  free(e);
  return NULL;
}

void rtcengine_free(rtcengine_t *e) {
  if (!e) return;
  rtc_loop_free(e->loop);
  free(e);
}

uint16_t rtcengine_port(const rtcengine_t *e) {
  if (!e) return 0;
  rtc_loop_info_t info;
  rtc_loop_info(e->loop, &info);
  return info.bound[0].port;
}

int rtcengine_fingerprint(const rtcengine_t *e, char *out, size_t cap) {
  return e && out ? rtc_loop_fingerprint(e->loop, out, cap) : RTC_EINVAL;
}

int rtcengine_start(rtcengine_t *e) {
  if (!e) return RTC_EINVAL;
  int err = rtc_loop_start(e->loop);
  if (err == 0) e->threaded = true;
  return err;
}

int rtcengine_fd(rtcengine_t *e) { return e ? rtc_loop_fd(e->loop) : RTC_EINVAL; }

int64_t rtcengine_wait_us(const rtcengine_t *e) {
  if (!e || e->threaded) return -1; /* the thread's deadlines are its own */
  rtc_time_t at = rtc_loop_next_at(e->loop);
  if (at == RTC_NEVER) return -1;
  rtc_time_t in = at - rtc_clock_now();
  return in > 0 ? in : 0;
}

int rtcengine_step(rtcengine_t *e) { return e ? rtc_loop_step(e->loop) : RTC_EINVAL; }

/* Until the thread has said something. Its descriptor is not drained: an event that came with the result must still wake whoever
 * waits for it. So it may be readable already, and then only a nap keeps this from spinning. */
static void await_thread(rtcengine_t *e) {
  struct pollfd p = {.fd = rtc_loop_event_fd(e->loop), .events = POLLIN};
  if (poll(&p, 1, 0) == 0)
    poll(&p, 1, 10);
  else
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* Submits one command and waits for its result. */
static int run(rtcengine_t *e, const rtc_cmd_t *c) {
  uint64_t want, ticket;
  int result;
  uint32_t index;
  int err = rtc_loop_submit(e->loop, c, 1, &want);
  while (err == 0) {
    if (!e->threaded) err = rtc_loop_step(e->loop);
    while (rtc_loop_acked(e->loop, &ticket, &result, &index)) {
      if (ticket == want) return result;
    }
    if (e->threaded) await_thread(e);
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

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "sha-256 AB:CD:.." (RFC 8122 §5), upper or lower case. */
static int fingerprint(rtc_fingerprint_t *f, const char *text) {
  static const struct {
    const char *name;
    uint16_t bits;
  } hashes[] = {{"sha-256 ", 256}, {"sha-384 ", 384}, {"sha-512 ", 512}};
  for (size_t i = 0; text && i < sizeof hashes / sizeof *hashes; i++) {
    if (strncasecmp(text, hashes[i].name, 8) != 0) continue;
    f->bits = hashes[i].bits;
    f->len = (uint8_t)(f->bits / 8);
    const char *p = text + 8;
    for (int n = 0; n < f->len; n++, p += 3) {
      int high = digit(p[0]), low = high < 0 ? -1 : digit(p[1]);
      if (low < 0 || p[2] != (n + 1 < f->len ? ':' : 0)) return RTC_EINVAL;
      f->value[n] = (uint8_t)(high << 4 | low);
    }
    return 0;
  }
  return RTC_EINVAL;
}

static int credentials(rtc_ice_cfg_t *o, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag, const char *remote_pwd) {
  int err = copy(o->local_ufrag, sizeof o->local_ufrag, local_ufrag);
  if (err == 0) err = copy(o->local_pwd, sizeof o->local_pwd, local_pwd);
  if (err == 0) err = copy(o->remote_ufrag, sizeof o->remote_ufrag, remote_ufrag);
  if (err == 0) err = copy(o->remote_pwd, sizeof o->remote_pwd, remote_pwd);
  return err;
}

static int extmap(rtc_extmap_t *o, const rtcengine_transport_t *t) {
  rtc_extmap_init(o);
  if (t->extension_n < 0 || (t->extension_n && !t->extensions)) return RTC_EINVAL;
  for (int i = 0; i < t->extension_n; i++) {
    const rtcengine_extension_t *x = &t->extensions[i];
    if (!x->uri || !x->id || (x->id > 14 && !t->mixed_extensions)) return RTC_EINVAL;
    uint8_t kind = rtc_ext_of_uri(x->uri, strlen(x->uri));
    int err = kind == RTC_EXT_UNKNOWN ? 0 : rtc_extmap_set(o, (rtc_ext_t)kind, x->id);
    if (err < 0) return err;
  }
  return 0;
}

int rtcengine_add_transport(rtcengine_t *e, uint32_t id, const rtcengine_transport_t *t) {
  if (!e || !t) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id};
  rtc_transport_cfg_t *o = &c.u.transport;
  o->fp_n = 1;
  o->dtls_client = t->dtls_client;
  o->ext_two_byte = t->mixed_extensions;
  o->reduced_rtcp = t->reduced_rtcp;
  int err = credentials(&o->ice, t->local_ufrag, t->local_pwd, t->remote_ufrag, t->remote_pwd);
  if (err == 0) err = copy(o->cname, sizeof o->cname, t->cname);
  if (err == 0) err = fingerprint(&o->fp[0], t->fingerprint);
  if (err == 0) err = extmap(&o->ext, t);
  return err < 0 ? err : run(e, &c);
}

int rtcengine_restart_ice(rtcengine_t *e, uint32_t id, const char *local_ufrag, const char *local_pwd, const char *remote_ufrag,
                          const char *remote_pwd) {
  if (!e) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_RESTART, .id = id};
  int err = credentials(&c.u.ice, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
  return err < 0 ? err : run(e, &c);
}

int rtcengine_close_transport(rtcengine_t *e, uint32_t id) { return e ? run(e, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = id}) : RTC_EINVAL; }

static bool fits(const rtcengine_stream_t *s) {
  return s && s->codec >= RTCENGINE_OPUS && s->codec <= RTCENGINE_AV1 && s->video == (s->codec != RTCENGINE_OPUS) && s->pt >= 0 &&
         s->pt <= 127 && s->rtx_pt >= 0 && s->rtx_pt <= 127 && (!s->rtx_pt || s->rtx_pt != s->pt);
}

static int16_t repair_pt(const rtcengine_stream_t *s) { return (int16_t)(s->rtx_pt ? s->rtx_pt : -1); }

static const uint8_t codecs[] = {[RTCENGINE_OPUS] = RTC_CODEC_OPUS,
                                 [RTCENGINE_VP8] = RTC_CODEC_VP8,
                                 [RTCENGINE_VP9] = RTC_CODEC_VP9,
                                 [RTCENGINE_H264] = RTC_CODEC_H264,
                                 [RTCENGINE_AV1] = RTC_CODEC_AV1};

int rtcengine_add_receiver(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s) {
  if (!e || !fits(s)) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_RECV, .id = id};
  rtc_recv_cfg_t *o = &c.u.recv;
  *o = (rtc_recv_cfg_t){.transport = s->transport,
                        .video = s->video,
                        .codec = codecs[s->codec],
                        .pt = (int16_t)s->pt,
                        .rtx_pt = repair_pt(s),
                        .clock_rate = s->clock_rate,
                        .ssrc = s->ssrc,
                        .rtx_ssrc = s->rtx_ssrc,
                        .nack = s->nack,
                        .pli = s->pli,
                        .fir = s->fir,
                        .twcc = s->transport_cc};
  int err = copy(o->mid, sizeof o->mid, s->mid);
  if (err == 0) err = copy(o->rid, sizeof o->rid, s->rid);
  return err < 0 ? err : run(e, &c);
}

static int mask(uint32_t *out, const rtcengine_stream_t *s) {
  *out = s->extensions ? 0 : (1u << RTC_EXT_COUNT) - 1;
  if (s->extension_n < 0 || (s->extension_n && !s->extensions)) return RTC_EINVAL;
  for (int i = 0; i < s->extension_n; i++) {
    const char *uri = s->extensions[i];
    if (!uri) return RTC_EINVAL;
    uint8_t kind = rtc_ext_of_uri(uri, strlen(uri));
    if (kind != RTC_EXT_UNKNOWN) *out |= 1u << kind;
  }
  return 0;
}

int rtcengine_add_sender(rtcengine_t *e, uint32_t id, const rtcengine_stream_t *s) {
  if (!e || !fits(s) || (s->rtx_ssrc && !s->rtx_pt)) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_SEND, .id = id};
  rtc_send_cfg_t *o = &c.u.send;
  *o = (rtc_send_cfg_t){.transport = s->transport,
                        .video = s->video,
                        .codec = codecs[s->codec],
                        .pt = (int16_t)s->pt,
                        .rtx_pt = repair_pt(s),
                        .clock_rate = s->clock_rate,
                        .ssrc = s->ssrc,
                        .rtx_ssrc = s->rtx_ssrc,
                        .nack = s->nack};
  int err = mask(&o->ext_mask, s);
  if (err == 0) err = copy(o->mid, sizeof o->mid, s->mid);
  if (err == 0) err = copy(o->rid, sizeof o->rid, s->rid);
  return err < 0 ? err : run(e, &c);
}

int rtcengine_link(rtcengine_t *e, uint32_t sender, uint32_t receiver) {
  return e ? run(e, &(rtc_cmd_t){.op = RTC_OP_LINK, .id = sender, .u.link = receiver}) : RTC_EINVAL;
}

int rtcengine_ask_keyframe(rtcengine_t *e, uint32_t receiver) {
  return e ? run(e, &(rtc_cmd_t){.op = RTC_OP_KEYFRAME, .id = receiver}) : RTC_EINVAL;
}

int rtcengine_send_frame(rtcengine_t *e, uint32_t sender, const uint8_t *data, size_t len, uint32_t timestamp, bool key) {
  if (!e || !data || !len || len > UINT32_MAX) return RTC_EINVAL;
  rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = sender, .u.frame = {.data = malloc(len), .len = (uint32_t)len, .ts = timestamp, .key = key}};
  if (!c.u.frame.data) return RTC_ENOMEM;
  memcpy(c.u.frame.data, data, len);
  return run(e, &c);
}

static const char *why_closed(uint8_t reason) {
  switch ((rtc_reason_t)reason) {
    case RTC_WHY_COMMAND:
      return "closed by us";
    case RTC_WHY_CONSENT:
      return "consent ran out";
    case RTC_WHY_CLOSE_NOTIFY:
      return "closed by the peer";
    case RTC_WHY_DTLS:
      return "DTLS failed";
    case RTC_WHY_TIMEOUT:
      return "not connected in time";
    case RTC_WHY_NONE:
      break;
  }
  return "";
}

static rtcengine_event_type_t type_of(const rtc_event_t *v) {
  switch ((rtc_event_type_t)v->type) {
    case RTC_EV_RECV:
      return RTCENGINE_EV_RECEIVER;
    case RTC_EV_KEYFRAME:
      return RTCENGINE_EV_KEYFRAME_WANTED;
    case RTC_EV_TURN:
    case RTC_EV_STUN:   /* nobody asks a server, nor makes an allocation here */
    case RTC_EV_SOCKET: /* none is opened here */
    case RTC_EV_TONE:   /* no payload type is for them */
    case RTC_EV_LOSS:   /* passed over */
    case RTC_EV_TRANSPORT:
      break;
  }
  return RTCENGINE_EV_TRANSPORT;
}

int rtcengine_next_event(rtcengine_t *e, rtcengine_event_t *out) {
  if (!e || !out) return RTC_EINVAL;
  rtc_event_t v;
  rtc_loop_look(e->loop);
  do {
    if (!rtc_loop_event(e->loop, &v)) return 0;
  } while (v.type == RTC_EV_LOSS); /* who sends frames here chooses their size without it */
  *out = (rtcengine_event_t){.type = type_of(&v), .id = v.id, .ssrc = v.ssrc, .state = v.state};
  if (v.state == RTC_T_CLOSED) snprintf(out->reason, sizeof out->reason, "%s%s%s", why_closed(v.reason), v.text[0] ? ": " : "", v.text);
  if (v.has_path) rtc_addr_write(&v.path.remote, out->remote, sizeof out->remote);
  return 1;
}

int rtcengine_event_fd(const rtcengine_t *e) { return e ? rtc_loop_event_fd(e->loop) : RTC_EINVAL; }

int rtcengine_counts(rtcengine_t *e, rtcengine_counts_t *out) {
  if (!e || !out) return RTC_EINVAL;
  rtc_stats_t s = {0};
  int err = run(e, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  if (err < 0) return err;
  *out = (rtcengine_counts_t){.packets_in = s.hub.in_packets,
                              .bytes_in = s.hub.in_bytes,
                              .packets_out = s.hub.out_packets,
                              .bytes_out = s.hub.out_bytes,
                              .forwarded = s.hub.forwarded};
  for (int i = 0; i < RTC_DROP_COUNT; i++) out->dropped += s.hub.drops[i];
  return 0;
}
