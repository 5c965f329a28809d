/* name: transports that share a user name each get the checks that are theirs. */
#include "check.h"
#include "rig.h"

#define USER "shared"
#define PWD "one-password-for-all-of-them"

static rtc_cmd_t transport_of(uint32_t id, const char *remote, bool lite) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = id, .u.transport = rig_transport(id)};
  rtc_ice_cfg_t *ice = &c.u.transport.ice;
  memset(ice, 0, sizeof *ice);
  snprintf(ice->local_ufrag, sizeof ice->local_ufrag, USER);
  snprintf(ice->local_pwd, sizeof ice->local_pwd, PWD);
  if (*remote) {
    snprintf(ice->remote_ufrag, sizeof ice->remote_ufrag, "%s", remote);
    snprintf(ice->remote_pwd, sizeof ice->remote_pwd, "password-of-the-peer-%s", remote);
  }
  c.u.transport.ice_role = lite ? RTC_ICE_ROLE_LITE : RTC_ICE_ROLE_CONTROLLED;
  c.u.transport.ice_survives = !lite;
  return c;
}

static void add(rig_t *r, uint32_t id, uint32_t sock, const char *remote) {
  rtc_cmd_t c = transport_of(id, remote, false);
  rig_do(r, &c);
  rtc_path_t path = rig_path(0);
  rtc_ice_cand_t ours = {.addr = path.local, .base = path.local, .sock = sock, .priority = 126u << 24};
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_LOCAL, .id = id, .u.cand = ours});
}

static uint32_t requests_of(rig_t *r, uint32_t id) {
  static rtc_transport_stats_t rows[8];
  rtc_stats_t s = {.transport = rows, .transport_cap = 8};
  rig_do(r, &(rtc_cmd_t){.op = RTC_OP_STATS, .u.stats = &s});
  for (uint32_t i = 0; i < s.transport_n; i++)
    if (rows[i].id == id) return rows[i].stun_requests;
  return 0;
}

/* The transport that took the check, 0: none. */
static uint32_t taker(rig_t *r, int peer, uint32_t sock, const char *user, const char *pwd) {
  uint32_t before[5] = {0}, found = 0;
  for (uint32_t id = 1; id < 5; id++) before[id] = requests_of(r, id);
  rtc_path_t from = rig_path(peer);
  from.sock = sock;
  rig_check(r, &from, user, pwd, false);
  for (uint32_t id = 1; id < 5; id++)
    if (requests_of(r, id) > before[id]) found = found ? 99 : id;
  return found;
}

static void by_socket(void) {
  rig_t r;
  rig_open(&r, 0);
  for (uint32_t id = 1; id <= 3; id++) add(&r, id, id + 10, "");
  for (uint32_t id = 1; id <= 3; id++) CHECK_EQ(taker(&r, (int)id, id + 10, USER ":any", PWD), id);
  CHECK_EQ(taker(&r, 1, 13, USER ":any", PWD), 3); /* the same peer elsewhere */
  CHECK_EQ(taker(&r, 2, 12, USER ":any", "not-the-password-of-any-of-them"), 0);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1}); /* the first of them, the middle and the last */
  CHECK_EQ(taker(&r, 2, 12, USER ":any", PWD), 2);
  add(&r, 4, 11, "");
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 3});
  CHECK_EQ(taker(&r, 2, 12, USER ":any", PWD), 2);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 4});
  CHECK_EQ(taker(&r, 2, 12, USER ":any", PWD), 2);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 2});
  uint64_t unknown = rig_drops(&r, RTC_DROP_STUN_USER);
  CHECK_EQ(taker(&r, 2, 12, USER ":any", PWD), 0);
  CHECK_EQ(rig_drops(&r, RTC_DROP_STUN_USER), unknown + 1);
  rig_close(&r);
}

/* Behind one socket the peer's name tells them apart, or where the peer has said that it is, else the first takes it. */
static void behind_one_socket(void) {
  rig_t r;
  rig_open(&r, 0);
  add(&r, 1, 7, "alpha");
  add(&r, 2, 7, "beta");
  CHECK_EQ(taker(&r, 1, 7, USER ":alpha", PWD), 1);
  CHECK_EQ(taker(&r, 2, 7, USER ":beta", PWD), 2);
  add(&r, 3, 7, "beta");
  CHECK_EQ(taker(&r, 3, 7, USER ":beta", PWD), 2);
  rtc_path_t path = rig_path(4);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_REMOTE, .id = 3, .u.cand = {.addr = path.remote, .priority = 126u << 24}});
  CHECK_EQ(taker(&r, 4, 7, USER ":beta", PWD), 3);
  CHECK_EQ(taker(&r, 4, 7, USER ":alpha", PWD), 1); /* the name counts more */
  rig_close(&r);
}

static void restart(rig_t *r, uint32_t id, const char *user, int expected) {
  rtc_cmd_t c = {.op = RTC_OP_RESTART, .id = id};
  snprintf(c.u.ice.local_ufrag, sizeof c.u.ice.local_ufrag, "%s", user);
  snprintf(c.u.ice.local_pwd, sizeof c.u.ice.local_pwd, "password-of-restart-%s", user);
  CHECK_EQ(rtc_hub_exec(r->hub, &c, r->now), expected);
}

/* All restart to one other name, one after the other; both names lead to each until the peer follows. */
static void restarts(void) {
  rig_t r;
  rig_open(&r, 0);
  for (uint32_t id = 1; id <= 3; id++) add(&r, id, id + 10, "");
  restart(&r, 2, "second", 0);
  restart(&r, 2, "second", RTC_EINVAL);
  restart(&r, 2, USER, RTC_EINVAL); /* its own of before */
  restart(&r, 1, "second", 0);
  restart(&r, 3, "second", 0);
  for (uint32_t id = 1; id <= 3; id++) {
    CHECK_EQ(taker(&r, (int)id, id + 10, USER ":any", PWD), id);
    CHECK_EQ(taker(&r, (int)id, id + 10, "second:any", "password-of-restart-second"), id);
    CHECK_EQ(taker(&r, (int)id, id + 10, USER ":any", PWD), 0); /* it has followed */
  }
  restart(&r, 1, "third", 0);
  CHECK_EQ(taker(&r, 2, 12, "second:any", "password-of-restart-second"), 2);
  CHECK_EQ(taker(&r, 1, 11, "third:any", "password-of-restart-third"), 1);
  rig_close(&r);
}

/* A lite agent has no candidates to be told apart by. */
static void lite_agents_share_nothing(void) {
  rig_t r;
  rig_open(&r, 0);
  rtc_cmd_t first = transport_of(1, "peer", true), second = transport_of(2, "peer", true), full = transport_of(2, "peer", false);
  rig_do(&r, &first);
  CHECK_EQ(rtc_hub_exec(r.hub, &second, r.now), RTC_EINVAL);
  CHECK_EQ(rtc_hub_exec(r.hub, &full, r.now), RTC_EINVAL);
  rig_do(&r, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
  CHECK_EQ(rtc_hub_exec(r.hub, &full, r.now), 0);
  second.id = 3;
  CHECK_EQ(rtc_hub_exec(r.hub, &second, r.now), RTC_EINVAL);
  rig_close(&r);
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(by_socket);
  RUN(behind_one_socket);
  RUN(restarts);
  RUN(lite_agents_share_nothing);
  return CHECK_END();
}
