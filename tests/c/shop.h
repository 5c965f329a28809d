/* shop: a rig whose hub does DTLS, and peers that have passed their check. */
#ifndef RTC_TESTS_SHOP_H
#define RTC_TESTS_SHOP_H

#include "check.h"
#include "rig.h"
#include "test_cert.h"

typedef struct shop { /* a hub that does DTLS, with transports 1 .. n that have passed a check */
  rig_t r;
  rtc_dtls_ctx_t *ctx;
} shop_t;

static inline void shop_check(shop_t *s, uint32_t id) {
  char user[40], pwd[40];
  snprintf(user, sizeof user, "user-%u:x", id);
  snprintf(pwd, sizeof pwd, "password-of-user-%u-is-long", id);
  rtc_path_t path = rig_path((int)id);
  rig_check(&s->r, &path, user, pwd, true);
}

static inline void shop_add(shop_t *s, uint32_t id) {
  rtc_transport_cfg_t t = rig_transport(id);
  t.fp_n = 1;
  t.fp[0] = (rtc_fingerprint_t){.bits = 256, .len = 32};
  rig_do(&s->r, &(rtc_cmd_t){.op = RTC_OP_TRANSPORT, .id = id, .u.transport = t});
  shop_check(s, id);
}

static inline void open_shop(shop_t *s, uint32_t n) {
  int err;
  s->r = (rig_t){.now = RTC_SEC(1), .got = malloc(RIG_KEPT * sizeof(rig_got_t))};
  s->ctx = rtc_dtls_ctx_new(TEST_CERT, strlen(TEST_CERT), TEST_KEY, strlen(TEST_KEY), &err);
  if (!s->ctx || !s->r.got) exit(2);
  rtc_hub_cfg_t cfg = {.dtls = s->ctx, .slots = 2048};
  s->r.hub = rtc_hub_new(&cfg, s->r.now);
  for (uint32_t i = 1; i <= n; i++) shop_add(s, i);
}

static inline void close_shop(shop_t *s) {
  rig_close(&s->r);
  rtc_dtls_ctx_free(s->ctx);
}

#endif
