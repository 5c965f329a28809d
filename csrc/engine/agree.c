/* agree: what a later negotiation changes of transports and streams that live: ids, payload types, streams that end. */
#include "engine/state.h"
#include "proto/srtp.h"

static int on_transport(rtc_hub_t *h, const rtc_cmd_t *c) {
  rtc_transport_t *t = rtc_map_get(&h->transports, &c->id);
  if (!t || t->state == RTC_T_CLOSED) return RTC_EINVAL;
  t->cfg->ext = c->u.agree.ext;
  t->cfg->ext_two_byte = c->u.agree.ext_two_byte;
  t->cfg->reduced_rtcp = c->u.agree.reduced_rtcp;
  for (rtc_send_t *s = t->sends; s; s = s->next) rtc_send_reshape(s);
  return 0;
}

static int on_receiver(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  bool end = c->op == RTC_OP_RECV_END;
  rtc_recv_t *r = rtc_map_get(&h->recvs, &c->id);
  if (!r) return end ? 0 : RTC_EINVAL;
  rtc_transport_t *t = r->transport;
  int err = 0;
  if (end) {
    rtc_out_seal(h);
    rtc_map_del(&h->recvs, &c->id);
    rtc_recv_free(r);
  } else {
    err = rtc_recv_agree(r, &c->u.recv, now);
  }
  rtc_transport_arm(t);
  return err;
}

static int on_sender(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  bool end = c->op == RTC_OP_SEND_END;
  rtc_send_t *s = rtc_map_get(&h->sends, &c->id);
  if (!s) return end ? 0 : RTC_EINVAL;
  rtc_transport_t *t = s->transport;
  int err = 0;
  if (end) {
    if (t->keyed && s->live) rtc_report_bye(t, s, now);
    rtc_out_seal(h);
    rtc_map_del(&h->sends, &c->id);
    rtc_srtp_end(&t->tx, s->cfg.ssrc);
    if (s->cfg.rtx_ssrc) rtc_srtp_end(&t->tx, s->cfg.rtx_ssrc);
    rtc_send_free(s);
  } else {
    err = rtc_send_agree(s, &c->u.send);
  }
  rtc_transport_arm(t);
  return err;
}

int rtc_agree_exec(rtc_hub_t *h, const rtc_cmd_t *c, rtc_time_t now) {
  if (c->op == RTC_OP_AGREE) return on_transport(h, c);
  if (c->op == RTC_OP_RECV_AGREE || c->op == RTC_OP_RECV_END) return on_receiver(h, c, now);
  return on_sender(h, c, now);
}
