/* records: an association's DTLS records when its handshake is history: OpenSSL's session, the largest thing that a peer has, is
 * freed, and proto/dtlsrec goes on with its keys. It is the only writer from then on. */
#include <stdio.h>
#include <string.h>

#include "engine/state.h"

int rtc_records_take_over(rtc_transport_t *t) {
  rtc_dtls_records_t k;
  int err = rtc_dtls_export_records(t->dtls, &k);
  if (err < 0) return err;
  const rtc_dtlsrec_cfg_t cfg = {.key_len = k.key_len,
                                 .local_key = k.local_key,
                                 .remote_key = k.remote_key,
                                 .local_salt = k.local_salt,
                                 .remote_salt = k.remote_salt,
                                 .next_seq = k.next_seq,
                                 .nonce_base = k.nonce_base,
                                 .seen = &k.seen};
  err = rtc_dtlsrec_init(&t->rec, &cfg);
  rtc_cleanse(&k, sizeof k);
  t->handed = true;
  return err;
}

static void drop(rtc_hub_t *h, int why) {
  rtc_hub_drop(h, why == RTC_EAUTH ? RTC_DROP_DTLS_AUTH : why == RTC_EREPLAY ? RTC_DROP_DTLS_REPLAY : RTC_DROP_DTLS_FORM);
}

/* Application data is for SCTP; where it is not agreed nobody takes it. */
static void on_content(rtc_transport_t *t, const rtc_dtlsrec_content_t *c, rtc_time_t now) {
  char why[RTC_WHY_MAX];
  if (rtc_dtlsrec_is_close_notify(c)) {
    rtc_transport_close(t, RTC_WHY_CLOSE_NOTIFY, "", now);
  } else if (rtc_dtlsrec_is_fatal(c)) {
    snprintf(why, sizeof why, "connection: alert %d of the peer", c->description);
    rtc_transport_close(t, RTC_WHY_DTLS, why, now);
  }
}

void rtc_records_in(rtc_transport_t *t, rtc_pkt_t *k, rtc_time_t now) {
  bool authentic = false;
  for (size_t at = 0; at < k->len && t->state != RTC_T_CLOSED;) {
    rtc_dtlsrec_content_t c;
    int err = rtc_dtlsrec_open(&t->rec, k->data, k->len, &at, &c);
    if (err < 0) {
      drop(t->hub, err);
      continue;
    }
    if (!authentic) {
      authentic = true;
      t->in_packets++;
      t->in_bytes += k->len;
      rtc_transport_on_heard(t, &k->path, now);
    }
    on_content(t, &c, now);
  }
}

void rtc_records_close(rtc_transport_t *t) {
  rtc_hub_t *h = t->hub;
  rtc_pkt_t *k = rtc_pkt_get(h->pool);
  if (!k) {
    rtc_hub_drop(h, RTC_DROP_POOL); /* the peer's consent ends in time */
    return;
  }
  int n = rtc_dtlsrec_close(&t->rec, k->data, RTC_PKT_DATA);
  if (n <= 0) {
    rtc_pkt_put(k);
    return;
  }
  k->len = (uint32_t)n;
  h->st.dtls_out++;
  rtc_out_clear_text(t, k);
}
