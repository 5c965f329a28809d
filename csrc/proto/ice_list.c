/* ice_list: candidates of both sides and the pairs that they form (RFC 8445 §6.1.2). */
#include <stdlib.h>

#include "proto/ice_impl.h"

/* Room for one more in `v`, which holds n: where it now lies, NULL when there is none. */
static void *more(void *v, int n, int *room, int most, const void *few, size_t size) {
  if (n < *room) return v;
  if (*room == most) return NULL;
  void *all = malloc((size_t)most * size);
  if (!all) return NULL;
  memcpy(all, v, (size_t)n * size);
  if (v != few) free(v);
  *room = most;
  return all;
}

/* These move what there is: no pointer into the list lives across them. */
static bool more_local(rtc_ice_t *c) {
  void *v = more(c->local, c->local_n, &c->local_room, RTC_ICE_CANDS, c->few_local, sizeof *c->local);
  if (v) c->local = v;
  return v;
}

static bool more_remote(rtc_ice_t *c) {
  void *v = more(c->remote, c->remote_n, &c->remote_room, RTC_ICE_CANDS, c->few_remote, sizeof *c->remote);
  if (v) c->remote = v;
  return v;
}

static bool more_pairs(rtc_ice_t *c) {
  void *v = more(c->pair, c->pair_n, &c->pair_room, RTC_ICE_PAIRS, c->few_pairs, sizeof *c->pair);
  if (v) c->pair = v;
  return v;
}

static bool no_ip(const rtc_addr_t *a) {
  static const uint8_t none[16];
  return memcmp(a->ip, none, sizeof none) == 0;
}

static bool link_local(const rtc_addr_t *a) { return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80; }

/* §6.1.2.2: one family, and IPv6 link-local ones among themselves; not a base with itself, where nobody could tell who sent what. TCP, as
 * RFC 6544 §6.2 has it, once there is a connection. */
static bool may_pair(const rtc_ice_cand_t *l, const rtc_ice_cand_t *r) {
  const rtc_addr_t *ours = &l->base, *theirs = &r->addr;
  if (no_ip(ours) || rtc_addr_eq(ours, theirs) || l->tcp != r->tcp || (l->tcp && !rtc_addr_eq(&l->peer, theirs))) return false;
  return rtc_addr_is_v4(ours) == rtc_addr_is_v4(theirs) && link_local(ours) == link_local(theirs);
}

rtc_path_t rtc_ice_path(const rtc_ice_t *c, const rtc_ice_pair_t *p) {
  const rtc_ice_cand_t *l = &c->local[p->local];
  return (rtc_path_t){.remote = c->remote[p->remote].addr, .local = l->base, .sock = l->sock};
}

/* §6.1.2.3. */
static uint64_t priority_of(const rtc_ice_t *c, uint32_t local, uint32_t remote) {
  uint64_t g = c->controlling ? local : remote, d = c->controlling ? remote : local;
  return ((g < d ? g : d) << 32) + 2 * (g > d ? g : d) + (g > d);
}

void rtc_ice_sort(rtc_ice_t *c) {
  for (int i = 0; i < c->pair_n; i++) {
    rtc_ice_pair_t *p = &c->pair[i];
    p->priority = priority_of(c, c->local[p->local].priority, c->remote[p->remote].priority);
  }
}

static void drop_pair(rtc_ice_t *c, int i) {
  int last = --c->pair_n;
  if (c->selected == last) c->selected = i;
  c->pair[i] = c->pair[last];
}

/* The pair that gives way to a more important one: the least important that is not in use. -1: none. */
static int least(const rtc_ice_t *c, uint64_t priority) {
  int found = -1;
  for (int i = 0; i < c->pair_n; i++) {
    const rtc_ice_pair_t *p = &c->pair[i];
    if (i == c->selected || p->state == RTC_PAIR_SUCCEEDED || p->triggered || p->priority >= priority) continue;
    if (found < 0 || p->priority < c->pair[found].priority) found = i;
  }
  return found;
}

static bool same_base(const rtc_ice_cand_t *a, const rtc_ice_cand_t *b) { return a->sock == b->sock && rtc_addr_eq(&a->base, &b->base); }

/* The new pair's place, or -1: there is one like it, or no room for its like. */
static int add_pair(rtc_ice_t *c, int local, int remote, rtc_time_t now) {
  const rtc_ice_cand_t *l = &c->local[local], *r = &c->remote[remote];
  uint64_t priority = priority_of(c, l->priority, r->priority);
  for (int i = 0; i < c->pair_n; i++) { /* §6.1.2.4: alike are those that leave from one base */
    rtc_ice_pair_t *p = &c->pair[i];
    if (p->remote != remote || !same_base(&c->local[p->local], l)) continue;
    if (p->priority < priority) {
      p->local = (uint8_t)local;
      p->priority = priority;
    }
    return -1;
  }
  if (!more_pairs(c)) {
    int gone = least(c, priority);
    if (gone < 0) return -1;
    drop_pair(c, gone);
  }
  if (c->started == RTC_NEVER) c->started = now;
  c->failed = c->failed && c->revoked;
  c->pair[c->pair_n] =
      (rtc_ice_pair_t){.priority = priority, .local = (uint8_t)local, .remote = (uint8_t)remote, .seen_as = (uint8_t)local};
  return c->pair_n++;
}

void rtc_ice_repair(rtc_ice_t *c, rtc_time_t now) {
  c->pair_n = 0;
  for (int l = 0; l < c->local_n; l++)
    for (int r = 0; r < c->remote_n; r++)
      if (may_pair(&c->local[l], &c->remote[r])) add_pair(c, l, r, now);
}

static int find_local(const rtc_ice_t *c, const rtc_ice_cand_t *like) {
  for (int i = 0; i < c->local_n; i++)
    if (rtc_addr_eq(&c->local[i].addr, &like->addr) && same_base(&c->local[i], like)) return i;
  return -1;
}

static int find_remote(const rtc_ice_t *c, const rtc_addr_t *addr, bool tcp) {
  for (int i = 0; i < c->remote_n; i++)
    if (c->remote[i].tcp == tcp && rtc_addr_eq(&c->remote[i].addr, addr)) return i;
  return -1;
}

static bool fits(const rtc_ice_cand_t *cand) { return cand->type <= RTC_ICE_RELAY && cand->priority && cand->priority < UINT32_C(1) << 31; }

int rtc_ice_add_local(rtc_ice_t *c, const rtc_ice_cand_t *cand, rtc_time_t now) {
  if (!fits(cand)) return RTC_EINVAL;
  int i = find_local(c, cand);
  if (i >= 0) { /* known, or learnt from an answer before it was told */
    c->local[i] = *cand;
    rtc_ice_sort(c);
    return 0;
  }
  if (!more_local(c)) return RTC_ENOBUFS;
  c->local[c->local_n++] = *cand;
  for (int r = 0; r < c->remote_n; r++)
    if (may_pair(cand, &c->remote[r])) add_pair(c, c->local_n - 1, r, now);
  rtc_ice_plan(c);
  return 0;
}

int rtc_ice_add_remote(rtc_ice_t *c, const rtc_ice_cand_t *cand, rtc_time_t now) {
  if (!fits(cand) || !cand->addr.port || no_ip(&cand->addr)) return RTC_EINVAL;
  int i = find_remote(c, &cand->addr, cand->tcp);
  if (i >= 0) { /* what was learnt from a check is now known by name (RFC 8838 §11.4) */
    c->remote[i] = *cand;
    rtc_ice_sort(c);
    return 0;
  }
  if (!more_remote(c)) return RTC_ENOBUFS;
  c->remote[c->remote_n++] = *cand;
  for (int l = 0; l < c->local_n; l++)
    if (may_pair(&c->local[l], cand)) add_pair(c, l, c->remote_n - 1, now);
  rtc_ice_plan(c);
  return 0;
}

int rtc_ice_add_path(rtc_ice_t *c, const rtc_path_t *path, rtc_time_t now) {
  if (!path->remote.port || no_ip(&path->remote)) return RTC_EINVAL;
  /* The earlier told, the better: a host candidate's type preference, the local preference going down (§5.1.2.1). */
  uint32_t rank = 65535u - (uint32_t)(c->remote_n < 65535 ? c->remote_n : 65535);
  rtc_ice_cand_t ours = {.base = path->local, .addr = path->local, .sock = path->sock, .priority = (126u << 24) | (65535u << 8) | 255u};
  rtc_ice_cand_t theirs = {.addr = path->remote, .priority = (126u << 24) | (rank << 8) | 255u, .foundation = (uint32_t)c->remote_n};
  int l = find_local(c, &ours), r = find_remote(c, &theirs.addr, false);
  if ((l < 0 && !more_local(c)) || (r < 0 && !more_remote(c))) return RTC_ENOBUFS;
  if (l < 0) c->local[l = c->local_n++] = ours;
  if (r < 0) c->remote[r = c->remote_n++] = theirs;
  add_pair(c, l, r, now);
  rtc_ice_plan(c);
  return 0;
}

void rtc_ice_lose(rtc_ice_t *c, uint32_t sock, rtc_time_t now) {
  for (int i = c->pair_n - 1; i >= 0; i--) {
    if (c->local[c->pair[i].local].sock != sock) continue;
    if (i == c->selected) c->selected = -1;
    drop_pair(c, i);
  }
  uint8_t place[RTC_ICE_CANDS];
  int n = 0;
  for (int i = 0; i < c->local_n; i++) {
    place[i] = (uint8_t)n;
    if (c->local[i].sock != sock) c->local[n++] = c->local[i];
  }
  c->local_n = n;
  for (int i = 0; i < c->pair_n; i++) { /* what a pair is seen as has its socket */
    rtc_ice_pair_t *p = &c->pair[i];
    p->local = place[p->local];
    p->seen_as = place[p->seen_as];
  }
  if (c->has_path && c->path.sock == sock) rtc_ice_leave(c, now);
  rtc_ice_plan(c);
}

/* The candidate of ours that a datagram came to: by its address, else by its socket. -1: none of this socket. */
static int local_of(const rtc_ice_t *c, const rtc_path_t *from) {
  int found = -1;
  for (int i = 0; i < c->local_n; i++) {
    const rtc_ice_cand_t *l = &c->local[i];
    if (l->sock != from->sock) continue;
    bool exact = memcmp(l->base.ip, from->local.ip, sizeof l->base.ip) == 0;
    if (exact && (l->type == RTC_ICE_HOST || l->type == RTC_ICE_RELAY)) return i;
    if (found < 0 || exact) found = i;
  }
  return found;
}

/* The candidate of ours that listens where a connection came to, -1: none. */
static int listener_of(const rtc_ice_t *c, const rtc_path_t *from) {
  for (int i = 0; i < c->local_n; i++) {
    const rtc_ice_cand_t *l = &c->local[i];
    if (!l->tcp || l->peer.port || l->base.port != from->local.port || memcmp(l->base.ip, from->local.ip, sizeof l->base.ip)) continue;
    return i;
  }
  return -1;
}

/* A connection that came in: a candidate of its own, like the one that listens where it came to. -1: nothing does, or no room. */
static int connection_of(rtc_ice_t *c, const rtc_path_t *from) {
  int i = listener_of(c, from);
  if (i < 0 || !more_local(c)) return -1;
  c->local[c->local_n] = c->local[i];
  c->local[c->local_n].sock = from->sock;
  c->local[c->local_n].peer = from->remote;
  return c->local_n++;
}

bool rtc_ice_serves(const rtc_ice_t *c, const rtc_path_t *from) { return local_of(c, from) >= 0 || listener_of(c, from) >= 0; }

bool rtc_ice_was_told(const rtc_ice_t *c, const rtc_addr_t *addr) {
  return find_remote(c, addr, false) >= 0 || find_remote(c, addr, true) >= 0;
}

/* Room for a peer-reflexive candidate: that of another one which nothing is sent to, when all places are taken. -1: none. */
static int place_for_remote(rtc_ice_t *c) {
  if (more_remote(c)) return c->remote_n++;
  int in_use = c->selected >= 0 ? c->pair[c->selected].remote : -1, found = -1;
  for (int i = 0; i < c->remote_n && found < 0; i++)
    if (c->remote[i].type == RTC_ICE_PRFLX && i != in_use) found = i;
  for (int i = c->pair_n - 1; found >= 0 && i >= 0; i--)
    if (c->pair[i].remote == found) drop_pair(c, i);
  return found;
}

int rtc_ice_find(rtc_ice_t *c, const rtc_path_t *from, bool learn, uint32_t priority, rtc_time_t now) {
  int best = -1;
  for (int i = 0; i < c->pair_n; i++) {
    rtc_path_t path = rtc_ice_path(c, &c->pair[i]);
    if (!rtc_path_eq(&path, from)) continue;
    if (memcmp(path.local.ip, from->local.ip, sizeof path.local.ip) == 0) return i;
    if (best < 0) best = i;
  }
  if (best >= 0 || !learn) return best;
  int l = local_of(c, from);
  if (l < 0) l = connection_of(c, from);
  int r = l < 0 ? -1 : find_remote(c, &from->remote, c->local[l].tcp);
  if (l < 0) return -1;
  if (r < 0) {
    r = place_for_remote(c);
    if (r < 0) return -1;
    if (!priority || priority >> 31) priority = 1;
    c->remote[r] = (rtc_ice_cand_t){.addr = from->remote,
                                    .tcp = c->local[l].tcp,
                                    .priority = priority,
                                    .type = RTC_ICE_PRFLX,
                                    .foundation = (uint32_t)rtc_ice_random(c)};
  }
  return add_pair(c, l, r, now);
}

void rtc_ice_seen_as(rtc_ice_t *c, rtc_ice_pair_t *p, const rtc_addr_t *mapped) {
  const rtc_ice_cand_t *base = &c->local[p->local];
  if (no_ip(&base->base)) return; /* which of our own addresses it is was never told */
  for (int i = 0; i < c->local_n; i++) {
    const rtc_addr_t *a = &c->local[i].addr; /* without a port: the socket's, and no NAT that we know of */
    bool same = a->port ? rtc_addr_eq(a, mapped) : memcmp(a->ip, mapped->ip, sizeof a->ip) == 0;
    if (!same || c->local[i].sock != base->sock) continue;
    p->seen_as = (uint8_t)i;
    return;
  }
  if (!more_local(c)) return;
  base = &c->local[p->local];
  p->seen_as = (uint8_t)c->local_n;
  c->local[c->local_n++] = (rtc_ice_cand_t){.addr = *mapped,
                                            .base = base->base,
                                            .sock = base->sock,
                                            .type = RTC_ICE_PRFLX,
                                            .tcp = base->tcp,
                                            .peer = base->peer,
                                            .priority = (110u << 24) | (base->priority & 0xffffff),
                                            .foundation = (uint32_t)rtc_ice_random(c)};
}
