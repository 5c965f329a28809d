/* runs: packets on one way that the kernel may take as one (UDP GSO). It cuts what it gets into pieces of equal length, the last one
 * perhaps shorter; so video packets before the last one are made as long as the longest by RTP padding, when that costs little. Others
 * (audio, repairs, RTCP) keep their length and can only be the last. The plaintext for repair lies elsewhere: nothing of this is in it. */
#include "engine/state.h"

/* How many from v on are one run. Before each step all but the last may be padded to `most` within the rules. */
static uint32_t run_length(const rtc_out_item_t *v, uint32_t n) {
  uint32_t most = v[0].wire, least = most, sum = most, k = 1;
  for (; k < n && k < RTC_RUN_MAX && v[k - 1].video; k++) {
    uint32_t len = v[k].wire, top = len > most ? len : most;
    if (len > most && !v[k].video) break; /* not for the sake of another kind */
    uint32_t padding = k * top - sum;
    if (top - least > RTC_RUN_PAD_MAX || padding * 100 > (sum + len) * RTC_RUN_PAD_PERCENT || k * top + len > RTC_RUN_BYTES) break;
    sum += len;
    most = top;
    if (len < least) least = len;
  }
  return k;
}

static void pad(rtc_out_item_t *i, uint32_t n) {
  i->pad = (uint8_t)n;
  i->wire = (uint16_t)(i->wire + n);
  i->to->out_bytes += n;
}

/* v are all on one way. */
static void cut(rtc_out_item_t *v, uint32_t n) {
  for (uint32_t len; n > 1; v += len, n -= len) {
    len = run_length(v, n);
    uint32_t most = 0;
    for (uint32_t i = 0; i < len; i++) {
      if (v[i].wire > most) most = v[i].wire;
      v[i].run = 0;
    }
    v[0].run = (uint8_t)len;
    for (uint32_t i = 0; i + 1 < len; i++) pad(&v[i], most - v[i].wire);
  }
}

static bool allowed(const rtc_hub_t *h, const rtc_out_item_t *i) {
  if (!i->to || i->to->no_run) return false;
  uint32_t sock = i->to->out_path.sock;
  return sock < RTC_RUN_SOCKETS_MAX ? h->run_socks >> sock & 1u : rtc_map_get(&h->run_more, &sock) != NULL;
}

void rtc_runs_plan(const rtc_hub_t *h, rtc_out_item_t *v, uint32_t n) {
  for (uint32_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && !v[end].head; end++) {}
    if (end - i > 1 && allowed(h, &v[i])) cut(v + i, end - i);
  }
}
