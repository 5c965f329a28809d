/* joins_bench: what a join costs, from C and in memory alone. The C side of bench/joins.py.
 *
 *   joins_bench handshakes SECONDS CERT KEY    DTLS handshakes of a server: CPU of its calls alone, the client's are left out
 *   joins_bench joins N CERT KEY               whole joins of viewers, by the thread that has the work
 *   joins_memory memory N CERT KEY             heap bytes of a viewer at each stage of its life
 *   joins_memory steady N SECONDS CERT KEY     allocations while N viewers watch
 *
 * joins_memory is this with own_heap.c. Answers are lines of JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "engine/state.h"
#include "load.h"
#define OWN_HEAP_WEAK __attribute__((weak))
#include "own_heap.h"

static void die(const char *what) {
  fprintf(stderr, "joins_bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static rtc_dtls_ctx_t *ctx;
static rtc_fingerprint_t print = {.bits = 256, .len = 32};

static void read_identity(const char *cert_path, const char *key_path) {
  char text[2][8192];
  size_t n[2];
  for (int i = 0; i < 2; i++) {
    FILE *f = fopen(i ? key_path : cert_path, "r");
    if (!f) die(i ? key_path : cert_path);
    n[i] = fread(text[i], 1, sizeof text[i], f);
    fclose(f);
  }
  int err;
  ctx = rtc_dtls_ctx_new(text[0], n[0], text[1], n[1], &err);
  if (!ctx || rtc_dtls_ctx_fingerprint(ctx, 256, print.value) != 32) die("certificate");
}

/* OpenSSL's time-outs: none runs off here, however slow the machine. */
int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  (void)zone;
  *tv = (struct timeval){.tv_sec = 1700000000};
  return 0;
}

static int64_t spent; /* the server's nanoseconds */

static int64_t cpu(void) { return load_ns(CLOCK_THREAD_CPUTIME_ID); }

static bool move(rtc_dtls_t *from, rtc_dtls_t *to) {
  uint8_t p[RTC_DTLS_MTU];
  bool any = false;
  for (int n; (n = rtc_dtls_get(from, p, sizeof p)) > 0; any = true) (void)rtc_dtls_put(to, p, (size_t)n);
  return any;
}

/* The server's part, as io/handshake and engine/transport do it: work, datagrams, then SRTP keys, and the record keys that
 * OpenSSL's session is given up for. Functions of their own: so a profiler can tell the server's work from the client's. */
static __attribute__((noinline)) rtc_dtls_t *server_begin(void) {
  rtc_dtls_t *d = rtc_dtls_new(ctx, false, &print, 1);
  if (!d) die("association");
  return d;
}

static __attribute__((noinline)) void server_work(rtc_dtls_t *server, rtc_dtls_t *client) {
  move(client, server);
  rtc_dtls_work(server);
  move(server, client);
}

static __attribute__((noinline)) void server_end(rtc_dtls_t *server) {
  rtc_dtls_keys_t keys;
  rtc_dtls_records_t records;
  if (rtc_dtls_keys(server, &keys) < 0 || rtc_dtls_export_records(server, &records) < 0) die("keys");
  rtc_dtls_free(server);
}

static void handshake(void) {
  int64_t at = cpu();
  rtc_dtls_t *server = server_begin();
  spent += cpu() - at;
  rtc_dtls_t *client = rtc_dtls_new(ctx, true, &print, 1);
  if (!client) die("association");
  for (int turn = 0; turn < 10 && rtc_dtls_state(client) != RTC_DTLS_CONNECTED; turn++) {
    rtc_dtls_work(client);
    at = cpu();
    server_work(server, client);
    spent += cpu() - at;
  }
  rtc_dtls_work(client);
  at = cpu();
  server_end(server);
  spent += cpu() - at;
  rtc_dtls_free(client);
}

/* What no server can do without: an ECDHE key and its secret, a signature, and one verified. Warm keys, nothing parsed. */
static void arithmetic(void) {
  static EVP_PKEY *own, *peer;
  static uint8_t signature[128], secret[32], text[100];
  static size_t signature_n;
  if (!own) own = EVP_EC_gen("P-256");
  if (!peer) peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
  size_t n = sizeof signature, secret_n = sizeof secret;
  EVP_MD_CTX *m = EVP_MD_CTX_new();
  if (EVP_DigestSignInit(m, NULL, EVP_sha256(), NULL, own) != 1 || EVP_DigestSign(m, signature, &n, text, sizeof text) != 1) die("sign");
  signature_n = n;
  EVP_MD_CTX_free(m);
  m = EVP_MD_CTX_new();
  if (EVP_DigestVerifyInit(m, NULL, EVP_sha256(), NULL, own) != 1 || EVP_DigestVerify(m, signature, signature_n, text, sizeof text) != 1)
    die("verify");
  EVP_MD_CTX_free(m);
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
  EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
  if (EVP_PKEY_derive_init(c) != 1 || EVP_PKEY_derive_set_peer(c, peer) != 1 || EVP_PKEY_derive(c, secret, &secret_n) != 1) die("derive");
  EVP_PKEY_CTX_free(c);
  EVP_PKEY_free(key);
}

static void handshakes(double seconds) {
  int64_t floor_ns = 0;
  int n = 0;
  for (int i = 0; i < 50; i++) {
    handshake();
    arithmetic();
  }
  spent = 0;
  for (int64_t start = cpu(); (double)(cpu() - start) < seconds * 1e9; n++) {
    handshake();
    int64_t at = cpu();
    arithmetic();
    floor_ns += cpu() - at;
  }
  printf("{\"handshakes\": %d, \"server_us\": %.2f, \"per_s\": %.0f, \"arithmetic_us\": %.2f}\n", n, (double)spent / 1e3 / n,
         n / ((double)spent / 1e9), (double)floor_ns / 1e3 / n);
}

/* A server's hub and one of clients, datagrams handed over in memory. Client 0 publishes, the others watch it. */
enum { CLIENTS_MAX = 20000, SSRC_AUDIO = 2, PT_VIDEO = 96, PT_RTX = 97, PT_AUDIO = 111, AUDIO = 1 << 20 /* ids of senders of sound */ };

static rtc_hub_t *server, *clients;
static rtc_time_t now = RTC_SEC(1);
static int64_t loop_ns, helper_ns; /* the server's */
static uint32_t connected;
static bool leaving;
static bool seen[CLIENTS_MAX + 2];

static void owner(int who) {
  if (&own_heap_owner) own_heap_owner = who;
}

/* What the server does: on the clock, and charged with its memory. */
#define SERVER(ns, call)   \
  do {                     \
    owner(1);              \
    int64_t begun = cpu(); \
    call;                  \
    (ns) += cpu() - begun; \
    owner(0);              \
  } while (0)

static rtc_addr_t addr_of(uint32_t who) {
  uint8_t ip[4] = {10, (uint8_t)(who >> 16), (uint8_t)(who >> 8), (uint8_t)who};
  rtc_addr_t a;
  rtc_addr_set(&a, ip, 4, 5000);
  return a;
}
static uint32_t who_is(const rtc_addr_t *a) { return (uint32_t)a->ip[13] << 16 | (uint32_t)a->ip[14] << 8 | a->ip[15]; }

static rtc_addr_t server_addr(void) {
  static const uint8_t ip[4] = {192, 0, 2, 1};
  rtc_addr_t a;
  rtc_addr_set(&a, ip, 4, 8189);
  return a;
}

static bool to_server(void) {
  rtc_pkt_t *out[RTC_SEAL_BATCH];
  int n = rtc_hub_pop(clients, out, RTC_SEAL_BATCH);
  for (int i = 0; i < n; i++) {
    rtc_pkt_t *k;
    SERVER(loop_ns, {
      k = rtc_hub_slot(server);
      if (!k) die("slot");
      memcpy(k->data, out[i]->data, out[i]->len);
      k->len = out[i]->len;
      k->at = now;
      k->path = (rtc_path_t){.remote = addr_of(out[i]->path.sock)};
      rtc_hub_recv(server, k, now);
    });
    rtc_pkt_put(out[i]);
  }
  return n > 0;
}

static bool to_clients(void) {
  rtc_pkt_t *out[RTC_SEAL_BATCH];
  int n;
  SERVER(loop_ns, n = rtc_hub_pop(server, out, RTC_SEAL_BATCH));
  for (int i = 0; i < n; i++) {
    rtc_pkt_t *k = rtc_hub_slot(clients);
    if (!k) die("slot");
    memcpy(k->data, out[i]->data, out[i]->len);
    k->len = out[i]->len;
    k->at = now;
    k->path = (rtc_path_t){.remote = server_addr(), .sock = who_is(&out[i]->path.remote)};
    SERVER(loop_ns, rtc_pkt_put(out[i]));
    rtc_hub_recv(clients, k, now);
  }
  return n > 0;
}

static void jobs(void) {
  rtc_job_t job;
  for (;;) {
    int got;
    SERVER(loop_ns, got = rtc_hub_job(server, &job));
    if (!got) break;
    SERVER(helper_ns, rtc_job_work(&job));
    SERVER(loop_ns, rtc_hub_job_done(server, &job, now));
  }
  while (rtc_hub_job(clients, &job)) {
    rtc_job_work(&job);
    rtc_hub_job_done(clients, &job, now);
  }
}

static void events(void) {
  rtc_event_t e;
  for (;;) {
    int got;
    SERVER(loop_ns, got = rtc_hub_event(server, &e));
    if (!got) break;
    if (e.type != RTC_EV_TRANSPORT) continue;
    if (e.state == RTC_T_CLOSED && !leaving) die("a transport has closed");
    connected += e.state == RTC_T_CONNECTED && !seen[e.id];
    seen[e.id] |= e.state == RTC_T_CONNECTED;
  }
  while (rtc_hub_event(clients, &e)) continue;
}

static void settle(void) {
  for (bool more = true; more;) {
    more = to_server();
    jobs();
    more |= to_clients();
    events();
  }
}

static void pass(rtc_time_t us) {
  for (rtc_time_t end = now + us; now < end; now += RTC_MS(1)) {
    if (rtc_hub_next_at(server) <= now) SERVER(loop_ns, rtc_hub_tick(server, now));
    if (rtc_hub_next_at(clients) <= now) rtc_hub_tick(clients, now);
    settle();
  }
}

static void tell(rtc_hub_t *h, const rtc_cmd_t *c) {
  int err = 0;
  if (h == server)
    SERVER(loop_ns, err = rtc_hub_exec(h, c, now));
  else
    err = rtc_hub_exec(h, c, now);
  if (err < 0) {
    fprintf(stderr, "joins_bench: command %d: %s\n", c->op, rtc_err_text(err));
    exit(1);
  }
}

static void add_transport(rtc_hub_t *h, uint32_t who) {
  rtc_cmd_t c = {.op = RTC_OP_TRANSPORT, .id = who + 1};
  rtc_transport_cfg_t *t = &c.u.transport;
  bool client = h == clients;
  snprintf(t->ice.local_ufrag, sizeof t->ice.local_ufrag, "%s%u", client ? "view" : "serve", who);
  snprintf(t->ice.remote_ufrag, sizeof t->ice.remote_ufrag, "%s%u", client ? "serve" : "view", who);
  snprintf(t->ice.local_pwd, sizeof t->ice.local_pwd, "a-password-of-32-characters-long");
  snprintf(t->ice.remote_pwd, sizeof t->ice.remote_pwd, "a-password-of-32-characters-long");
  snprintf(t->cname, sizeof t->cname, "0123456789abcdef");
  t->dtls_client = client;
  t->ice_role = client ? RTC_ICE_ROLE_CONTROLLING : RTC_ICE_ROLE_LITE;
  t->reduced_rtcp = true;
  t->fp_n = 1;
  t->fp[0] = print;
  rtc_extmap_init(&t->ext);
  tell(h, &c);
}

static void add_stream(rtc_hub_t *h, bool sends, bool video, uint32_t who, uint32_t link) {
  uint32_t ssrc = (sends && h == server ? 1000 + 4 * who : 0) + (video ? 1 : SSRC_AUDIO);
  rtc_cmd_t c = {.op = sends ? RTC_OP_SEND : RTC_OP_RECV, .id = who + 1 + (video ? 0 : AUDIO)};
  uint8_t codec = video ? RTC_CODEC_VP8 : RTC_CODEC_OPUS;
  int16_t pt = video ? PT_VIDEO : PT_AUDIO, rtx = video ? PT_RTX : -1;
  uint32_t rate = video ? 90000 : 48000;
  if (sends)
    c.u.send = (rtc_send_cfg_t){.transport = who + 1,
                                .video = video,
                                .codec = codec,
                                .pt = pt,
                                .rtx_pt = rtx,
                                .clock_rate = rate,
                                .ssrc = ssrc,
                                .rtx_ssrc = video ? ssrc + 2 : 0,
                                .nack = video};
  else
    c.u.recv = (rtc_recv_cfg_t){
        .transport = who + 1, .video = video, .codec = codec, .pt = pt, .rtx_pt = rtx, .clock_rate = rate, .nack = video, .pli = video};
  tell(h, &c);
  if (!link) return;
  rtc_cmd_t l = {.op = RTC_OP_LINK, .id = c.id, .u.link = link};
  tell(h, &l);
}

static void add_client(uint32_t who) {
  add_transport(server, who);
  if (who) {
    add_stream(server, true, true, who, 1);
    add_stream(server, true, false, who, 1 + AUDIO);
  } else {
    add_stream(server, false, true, 0, 0);
    add_stream(server, false, false, 0, 0);
  }
  add_transport(clients, who);
  for (int video = 0; video < 2; video++) add_stream(clients, !who, video, who, 0);
  rtc_cmd_t path = {.op = RTC_OP_PATH, .id = who + 1, .u.path = {.remote = server_addr(), .sock = who}};
  tell(clients, &path);
}

static void publish(bool key) {
  static uint32_t frames;
  static const uint8_t key_frame[10] = {0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01};
  for (int video = 0; video < 2; video++) {
    rtc_cmd_t c = {.op = RTC_OP_FRAME, .id = video ? 1 : 1 + AUDIO};
    size_t n = video ? 2000 : 100;
    c.u.frame = (rtc_frame_cfg_t){.data = calloc(1, n), .len = (uint32_t)n, .ts = frames * 960, .key = key};
    if (!c.u.frame.data) die("frame");
    memcpy(c.u.frame.data, key_frame, sizeof key_frame);
    if (!key) c.u.frame.data[0] |= 1;
    tell(clients, &c);
  }
  frames++;
  pass(RTC_MS(20));
}

static void make_hubs(void) {
  rtc_hub_cfg_t cfg = {.dtls = ctx, .slots = 1 << 20};
  if (!(clients = rtc_hub_new(&cfg, now))) die("hub");
  cfg.seed[0] = 1;
  SERVER(loop_ns, server = rtc_hub_new(&cfg, now));
  if (!server) die("hub");
}

/* What the server holds now, without packet slots and tables that all share. */
static int64_t held(void) { return &own_heap_owner ? own_heap_held[1] : 0; }

static void connect_all(uint32_t n) {
  for (uint32_t who = 1; who <= n; who++) {
    add_client(who);
    if (who % 64 && who != n) continue;
    for (int ms = 0; connected < who + 1 && ms < 1000; ms++) pass(RTC_MS(1));
  }
  if (connected != n + 1) die("not all connected");
}

/* n viewers join, a few at a time: CPU of the server's two threads for each. */
static void joins(uint32_t n) {
  make_hubs();
  add_client(0);
  while (connected < 1) pass(RTC_MS(1));
  connect_all(50);
  pass(RTC_SEC(3));
  publish(true);
  loop_ns = helper_ns = 0;
  connected -= 50;
  for (uint32_t who = 51; who <= 50 + n; who++) {
    add_client(who);
    if (who % 8 && who != 50 + n) continue;
    for (int ms = 0; connected < who + 1 - 50 && ms < 1000; ms++) pass(RTC_MS(1));
  }
  int64_t join = loop_ns;
  pass(RTC_SEC(3)); /* records are handed over */
  printf("{\"joins\": %u, \"loop_us\": %.2f, \"loop_3s_us\": %.2f, \"helper_us\": %.2f}\n", n, (double)join / 1e3 / n,
         (double)loop_ns / 1e3 / n, (double)helper_ns / 1e3 / n);
}

/* Heap bytes a viewer holds in the server at each stage of its life, with one sender of video and one of sound. */
static void memory(uint32_t n) {
  if (!&own_heap_owner) die("built without own_heap");
  make_hubs();
  add_client(0);
  while (connected < 1) pass(RTC_MS(1));
  pass(RTC_SEC(3));
  publish(true);
  /* Packet slots are the pool's, not a viewer's. */
  rtc_pkt_t *list = NULL;
  owner(1);
  for (uint32_t i = 0; i < 16 * n; i++) {
    rtc_pkt_t *k = rtc_hub_slot(server);
    if (!k) break;
    k->next = list;
    list = k;
  }
  for (rtc_pkt_t *k; (k = list);) {
    list = k->next;
    rtc_pkt_put(k);
  }
  owner(0);
  int64_t at[6] = {held()};
  for (uint32_t who = 1; who <= n; who++) add_transport(server, who);
  at[1] = held();
  for (uint32_t who = 1; who <= n; who++) {
    add_stream(server, true, true, who, 1);
    add_stream(server, true, false, who, 1 + AUDIO);
  }
  at[2] = held();
  for (uint32_t who = 1; who <= n; who++) {
    add_transport(clients, who);
    for (int video = 0; video < 2; video++) add_stream(clients, false, video, who, 0);
    rtc_cmd_t path = {.op = RTC_OP_PATH, .id = who + 1, .u.path = {.remote = server_addr(), .sock = who}};
    tell(clients, &path);
    if (who % 64 && who != n) continue;
    for (int ms = 0; connected < who + 1 && ms < 1000; ms++) pass(RTC_MS(1));
  }
  if (connected != n + 1) die("not all connected");
  at[3] = held();
  publish(true);
  pass(RTC_SEC(35));
  at[4] = held();
  for (uint32_t who = 1; who <= n; who++) {
    rtc_cmd_t c = {.op = RTC_OP_CLOSE, .id = who + 1};
    tell(server, &c);
  }
  leaving = true;
  pass(RTC_MS(100));
  at[5] = held();
  printf("{\"viewers\": %u, \"transport\": %.0f, \"senders\": %.0f, \"connecting\": %.0f, \"settled\": %.0f, \"after_leaving\": %.0f, ", n,
         (double)(at[1] - at[0]) / n, (double)(at[2] - at[1]) / n, (double)(at[3] - at[0]) / n, (double)(at[4] - at[0]) / n,
         (double)(at[5] - at[0]) / n);
  printf(
      "\"sizes\": {\"rtc_transport_t\": %zu, \"rtc_send_t\": %zu, \"rtc_agreed_t\": %zu, \"rtc_srtp_src_t\": %zu, \"rtc_rtx_t map\": "
      "%zu}}\n",
      sizeof(rtc_transport_t), sizeof(rtc_send_t), sizeof(rtc_agreed_t), sizeof(rtc_srtp_src_t), RTC_RTX_MAP * sizeof(rtc_rtx_entry_t));
}

/* n viewers watch; how often the server asks for memory in `seconds` of media, reports and consent. */
static void steady(uint32_t n, int seconds) {
  if (!&own_heap_owner) die("built without own_heap");
  make_hubs();
  add_client(0);
  while (connected < 1) pass(RTC_MS(1));
  connect_all(n);
  publish(true);
  for (int i = 0; i < 40 * 50; i++) publish(i % 100 == 0); /* 40 s: all that is made once has been made */
  int64_t before = own_heap_calls[1];
  uint64_t sent = server->st.rtp_out, stun = server->st.stun_out, rtcp = server->st.rtcp_out + server->st.rtcp_in;
  for (int i = 0; i < seconds * 50; i++) publish(i % 100 == 0);
  printf("{\"viewers\": %u, \"seconds\": %d, \"packets\": %lu, \"rtcp\": %lu, \"checks\": %lu, \"allocations\": %ld}\n", n, seconds,
         server->st.rtp_out - sent, server->st.rtcp_out + server->st.rtcp_in - rtcp, server->st.stun_out - stun,
         own_heap_calls[1] - before);
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "handshakes") == 0) {
    read_identity(argv[3], argv[4]);
    handshakes(atof(argv[2]));
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "joins") == 0) {
    read_identity(argv[3], argv[4]);
    joins((uint32_t)atoi(argv[2]));
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "memory") == 0) {
    read_identity(argv[3], argv[4]);
    memory((uint32_t)atoi(argv[2]));
    return 0;
  }
  if (argc == 6 && strcmp(argv[1], "steady") == 0) {
    read_identity(argv[4], argv[5]);
    steady((uint32_t)atoi(argv[2]), atoi(argv[3]));
    return 0;
  }
  fprintf(stderr, "usage: joins_bench handshakes SECONDS CERT KEY\n");
  return 2;
}
