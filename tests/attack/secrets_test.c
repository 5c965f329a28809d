/* B7: what is left of keys when all is over. The whole memory of the process is searched, as a core dump would show it; freed blocks too,
 * which the address sanitizer keeps as they were. */
#define _GNU_SOURCE /* pread */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "base/crypto.h"
#include "engine/state.h"
#include "pair.h"
#include "proto/dtls_impl.h"

enum { SECRETS = 16, SECRET_MAX = 48, MASK = 0xa5 };

/* Kept under a mask, so that the list is not found itself. */
typedef struct secrets {
  int n;
  struct {
    const char *what;
    size_t len;
    uint8_t masked[SECRET_MAX];
  } v[SECRETS];
} secrets_t;

static void keep(secrets_t *s, const char *what, uint8_t *p, size_t n) {
  if (s->n == SECRETS || n > SECRET_MAX || n < 8) exit(2);
  s->v[s->n].what = what;
  s->v[s->n].len = n;
  for (size_t i = 0; i < n; i++) s->v[s->n].masked[i] = p[i] ^ MASK;
  s->n++;
  rtc_cleanse(p, n);
}

/* Not the system's generator, which keeps some of what it gave. */
static void make_secret(uint8_t *p, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    p[i] = (uint8_t)(seed >> 56);
  }
}

static bool is_at(const uint8_t *p, const uint8_t *masked, size_t n) {
  for (size_t i = 0; i < n; i++)
    if ((p[i] ^ MASK) != masked[i]) return false;
  return true;
}

__attribute__((no_sanitize("address", "undefined"))) static int search_chunk(const secrets_t *s, const uint8_t *p, size_t n,
                                                                             const bool *begins) {
  int found = 0;
  for (size_t i = 0; i + 8 <= n; i++) {
    if (!begins[p[i] << 8 | p[i + 1]]) continue;
    for (int k = 0; k < s->n; k++) {
      if (i + s->v[k].len > n || !is_at(p + i, s->v[k].masked, s->v[k].len)) continue;
      fprintf(stderr, "found: %s\n", s->v[k].what);
      found++;
    }
  }
  return found;
}

/* Copies of the secrets in all memory that can be written, but for the sanitizer's own books (gigabytes, never touched by us). */
static int search(const secrets_t *s) {
  enum { CHUNK = 1 << 16, OVERLAP = SECRET_MAX };
  static uint8_t chunk[CHUNK];
  static bool begins[65536];
  char line[512];
  int found = 0, mem = open("/proc/self/mem", O_RDONLY);
  size_t bytes = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (mem < 0 || !maps) exit(2);
  memset(begins, 0, sizeof begins);
  for (int k = 0; k < s->n; k++) begins[(s->v[k].masked[0] ^ MASK) << 8 | (s->v[k].masked[1] ^ MASK)] = true;
  while (fgets(line, sizeof line, maps)) {
    unsigned long long from, to;
    char may[8];
    if (sscanf(line, "%llx-%llx %7s", &from, &to, may) != 3 || may[0] != 'r' || may[1] != 'w' || to - from > (1ull << 30)) continue;
    while (from < to) {
      ssize_t n = pread(mem, chunk, to - from < CHUNK ? (size_t)(to - from) : CHUNK, (off_t)from);
      if (n <= 0) break;
      found += search_chunk(s, chunk, (size_t)n, begins);
      rtc_cleanse(chunk, sizeof chunk);
      bytes += (size_t)n;
      from += n > OVERLAP && from + (unsigned long long)n < to ? (unsigned long long)(n - OVERLAP) : (unsigned long long)n;
    }
  }
  fclose(maps);
  close(mem);
  CHECK(bytes > 1 << 20);
  return found;
}

/* The search itself: a copy on the heap is found, and one in a block that was freed as it is. */
static void the_search_finds(void) {
  secrets_t s = {0};
  uint8_t *p = malloc(64), *copy = malloc(64);
  if (!p || !copy) exit(2);
  make_secret(p + 13, 32, 1);
  memcpy(copy + 5, p + 13, 32);
  keep(&s, "planted", p + 13, 32);
  CHECK_EQ(search(&s), 1);
  rtc_cleanse(copy, 64);
  CHECK_EQ(search(&s), 0);
  free(p);
  free(copy);
}

/* Master keys as DTLS gives them, and the session keys that SRTP works with. */
static void keep_keys(secrets_t *s, const rtc_dtls_t *d) {
  rtc_dtls_keys_t k;
  uint8_t derived[32], master[48];
  CHECK_EQ(rtc_dtls_keys(d, &k), 0);
  size_t key = rtc_srtp_key_len(k.profile), salt = rtc_srtp_salt_len(k.profile);
  for (uint8_t label = 0; label <= 3; label += 3) {
    CHECK_EQ(rtc_srtp_kdf(k.local_key, key, k.local_salt, salt, label, derived, key), 0);
    keep(s, label ? "SRTCP key, ours" : "SRTP key, ours", derived, key);
    CHECK_EQ(rtc_srtp_kdf(k.remote_key, key, k.remote_salt, salt, label, derived, key), 0);
    keep(s, label ? "SRTCP key, theirs" : "SRTP key, theirs", derived, key);
  }
  keep(s, "SRTP master key, ours", k.local_key, key);
  keep(s, "SRTP master key, theirs", k.remote_key, key);
  keep(s, "SRTP master salt, ours", k.local_salt, salt);
  keep(s, "SRTP master salt, theirs", k.remote_salt, salt);
  CHECK_EQ(SSL_SESSION_get_master_key(SSL_get_session(d->ssl), master, sizeof master), sizeof master);
  keep(s, "DTLS master secret", master, sizeof master);
}

/* Two engines connect by ICE and DTLS, talk, and close; they themselves live on. */
static void b7_keys_are_wiped(void) {
  for (int role = 0; role < 2; role++) {
    pair_t p;
    secrets_t s = {0};
    open_pair(&p, 7, role, -1);
    CHECK(until(&p, RTC_T_CONNECTED, RTC_SEC(5)) != RTC_NEVER);
    for (int side = 0; side < 2 && !s.n; side++) { /* the DTLS server's association is there until its peer has spoken */
      uint32_t id = 1;
      const rtc_transport_t *t = rtc_map_get(&p.hub[side]->transports, &id);
      if (t && t->dtls) keep_keys(&s, t->dtls);
    }
    CHECK_EQ(s.n, 9);
    for (int side = 0; side < 2; side++) do_(&p, side, &(rtc_cmd_t){.op = RTC_OP_CLOSE, .id = 1});
    rtc_sim_flush(p.sim, p.at[0]);
    rtc_sim_flush(p.sim, p.at[1]);
    rtc_sim_run(p.sim, rtc_sim_now(p.sim) + RTC_SEC(1));
    look(&p);
    CHECK(p.last[0].state == RTC_T_CLOSED && p.last[1].state == RTC_T_CLOSED);
    int found = search(&s);
    CHECK_EQ(found, 0);
    check_figure("copies", found);
    close_pair(&p);
  }
}

/* Master keys that an application gives (rtcengine.srtp), in every profile: gone as soon as the session is made but for what works,
 * all gone when it is cleared. */
static void b7_master_keys_are_wiped(void) {
  static const rtc_srtp_profile_t profiles[] = {RTC_SRTP_AEAD_AES_128_GCM, RTC_SRTP_AEAD_AES_256_GCM, RTC_SRTP_AES_CM_128_HMAC_SHA1_80};
  for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
    secrets_t s = {0};
    uint8_t key[32], salt[14], session[32];
    rtc_srtp_t tx, rx;
    size_t key_len = rtc_srtp_key_len(profiles[i]), salt_len = rtc_srtp_salt_len(profiles[i]);
    make_secret(key, key_len, 2 * i + 10);
    make_secret(salt, salt_len, 2 * i + 11);
    CHECK_EQ(rtc_srtp_kdf(key, key_len, salt, salt_len, 0, session, key_len), 0);
    CHECK_EQ(rtc_srtp_init(&tx, profiles[i], key, key_len, salt, salt_len, 1), 0);
    CHECK_EQ(rtc_srtp_init(&rx, profiles[i], key, key_len, salt, salt_len, 0), 0);
    keep(&s, "SRTP master key", key, key_len);
    keep(&s, "SRTP master salt", salt, salt_len);
    CHECK_EQ(search(&s), 0);
    keep(&s, "SRTP key", session, key_len);
    rtc_srtp_clear(&tx);
    rtc_srtp_clear(&rx);
    CHECK_EQ(search(&s), 0);
  }
}

int main(int argc, char **argv) {
  CHECK_ARGS(argc, argv);
  RUN(the_search_finds);
  RUN(b7_keys_are_wiped);
  RUN(b7_master_keys_are_wiped);
  return CHECK_END();
}
