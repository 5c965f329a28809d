/* name: our user names, by which the hub finds the transport that a check is for. Full agents may share one, since an offer gives all that
 * it would bundle the same credentials (RFC 9143 §7.2): the answer may leave several of them, each with sockets of its own or behind one.
 */
#include <string.h>

#include "engine/state.h"

static void key_of(uint8_t key[RTC_LOCAL_UFRAG_MAX], const char *ufrag) {
  memset(key, 0, RTC_LOCAL_UFRAG_MAX);
  const char *end = memchr(ufrag, 0, RTC_LOCAL_UFRAG_MAX);
  memcpy(key, ufrag, end ? (size_t)(end - ufrag) : RTC_LOCAL_UFRAG_MAX);
}

static bool may_share(const rtc_name_t *first, const rtc_transport_t *t) {
  for (const rtc_name_t *n = first; n; n = n->next)
    if (n->transport == t || !n->transport->ice || !t->ice) return false;
  return true;
}

int rtc_name_put(rtc_name_t *n, rtc_transport_t *t, const char *ufrag) {
  rtc_name_t made = {.transport = t};
  key_of(made.key, ufrag);
  rtc_name_t *at = rtc_map_get(&t->hub->ufrags, made.key);
  if (!may_share(at, t)) return RTC_EINVAL;
  if (!at) {
    int err = rtc_map_put(&t->hub->ufrags, made.key, n);
    if (err < 0) return err;
  }
  *n = made;
  while (at && at->next) at = at->next;
  if (at) at->next = n; /* behind those of before: who cannot be told apart is found in the order of the offer */
  return 0;
}

/* `to` stands where n stood; NULL: nothing does. */
static void replace(rtc_name_t *n, rtc_name_t *to) {
  if (!n->transport) return;
  rtc_map_t *map = &n->transport->hub->ufrags;
  rtc_name_t *first = rtc_map_get(map, n->key), *after = to ? to : n->next;
  if (to) *to = *n;
  if (first != n) {
    while (first->next != n) first = first->next;
    first->next = after;
  } else if (after) {
    (void)rtc_map_put(map, n->key, after); /* the key is there: no memory is asked for */
  } else {
    rtc_map_del(map, n->key);
  }
  *n = (rtc_name_t){.transport = NULL};
}

void rtc_name_drop(rtc_name_t *n) { replace(n, NULL); }

void rtc_name_move(rtc_name_t *n, rtc_name_t *to) {
  rtc_name_drop(to);
  replace(n, to);
}

rtc_transport_t *rtc_name_find(const rtc_hub_t *h, const rtc_stun_t *m, const rtc_path_t *from) {
  uint8_t key[RTC_LOCAL_UFRAG_MAX] = {0};
  size_t len = 0;
  while (len < m->username_len && m->username[len] != ':') len++;
  if (len == 0 || len > sizeof key || len == m->username_len) return NULL;
  memcpy(key, m->username, len);
  const rtc_name_t *first = rtc_map_get(&h->ufrags, key);
  if (!first || !first->next) return first ? first->transport : NULL;
  rtc_transport_t *found = NULL;
  int best = -1;
  for (const rtc_name_t *n = first; n; n = n->next) {
    int fits = rtc_ice_fits(n->transport->ice, m, from);
    if (fits <= best) continue;
    best = fits;
    found = n->transport;
  }
  return found;
}
