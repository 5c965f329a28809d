#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/udp_sys.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum { BACKLOG = 128 };

static int set_options(int fd) {
  int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
  (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ? -1 : 0;
}

static void end(rtc_stream_t *s, const char *why) {
  if (s->state == RTC_STREAM_ENDED) return;
  s->state = RTC_STREAM_ENDED;
  snprintf(s->why, sizeof s->why, "%s", why);
}

static int connect_to(rtc_stream_t *s, const rtc_stream_cfg_t *cfg) {
  bool v6 = !rtc_addr_is_v4(&cfg->remote);
  rtc_sockaddr_t sa;
  s->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  if (s->fd < 0 || set_options(s->fd) != 0) return errno;
  if (cfg->has_bind) {
    socklen_t n = rtc_sockaddr_set(&sa, &cfg->bind, v6);
    if (!n) return EAFNOSUPPORT;
    if (bind(s->fd, &sa.sa, n) != 0) return errno;
  }
  socklen_t n = rtc_sockaddr_set(&sa, &cfg->remote, v6);
  if (connect(s->fd, &sa.sa, n) != 0 && errno != EINPROGRESS) return errno;
  n = sizeof sa;
  if (getsockname(s->fd, &sa.sa, &n) != 0) return errno;
  rtc_sockaddr_get(&sa, &s->local);
  return 0;
}

rtc_stream_t *rtc_stream_connect(const rtc_stream_cfg_t *cfg, rtc_udp_fault_t *why) {
  *why = (rtc_udp_fault_t){RTC_ENOMEM, 0, 0};
  rtc_stream_t *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->fd = -1;
  s->framing = cfg->framing;
  s->remote = cfg->remote;
  if (cfg->tls) s->tls = rtc_tls_new(cfg->tls, &why->err);
  if (!cfg->tls || s->tls) {
    why->sys = connect_to(s, cfg);
    if (!why->sys) return s;
    why->err = RTC_EINVAL;
  }
  rtc_stream_free(s);
  return NULL;
}

int rtc_stream_listen(const rtc_addr_t *at, rtc_addr_t *bound, int *sys) {
  bool v6 = !rtc_addr_is_v4(at);
  rtc_sockaddr_t sa;
  socklen_t n = rtc_sockaddr_set(&sa, at, v6);
  int on = 1, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  /* What an earlier listener accepted may still be closing on this port. */
  bool ok = fd >= 0 && set_options(fd) == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  if (ok && v6) ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
  if (ok && bind(fd, &sa.sa, n) == 0 && listen(fd, BACKLOG) == 0 && getsockname(fd, &sa.sa, &n) == 0) {
    rtc_sockaddr_get(&sa, bound);
    return fd;
  }
  *sys = errno;
  if (fd >= 0) close(fd);
  return -1;
}

rtc_stream_t *rtc_stream_accepted(int fd, rtc_framing_t framing) {
  rtc_stream_t *s = calloc(1, sizeof *s);
  rtc_sockaddr_t ours, theirs;
  socklen_t n = sizeof ours, m = sizeof theirs;
  if (!s || set_options(fd) != 0 || getsockname(fd, &ours.sa, &n) != 0 || getpeername(fd, &theirs.sa, &m) != 0) {
    free(s);
    close(fd);
    return NULL;
  }
  s->fd = fd;
  s->framing = (uint8_t)framing;
  s->connected = true;
  s->state = RTC_STREAM_OPEN;
  rtc_sockaddr_get(&ours, &s->local);
  rtc_sockaddr_get(&theirs, &s->remote);
  return s;
}

void rtc_stream_free(rtc_stream_t *s) {
  if (!s) return;
  if (s->tls && s->connected && s->state == RTC_STREAM_OPEN) { /* a goodbye if there is room for it */
    size_t n;
    rtc_tls_close(s->tls);
    const uint8_t *p = rtc_tls_pending(s->tls, &n);
    if (n) (void)!send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (s->fd >= 0) close(s->fd);
  rtc_tls_free(s->tls);
  free(s->out);
  free(s);
}

/* How many bytes the kernel took; what it refuses for good ends the stream. */
static size_t put(rtc_stream_t *s, const uint8_t *p, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t r = send(s->fd, p + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r > 0) {
      done += (size_t)r;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      end(s, strerror(errno));
      break;
    }
  }
  return done;
}

/* Sends what waits. */
static void drain(rtc_stream_t *s) {
  if (s->tls) {
    size_t n;
    const uint8_t *p = rtc_tls_pending(s->tls, &n);
    if (n) rtc_tls_sent(s->tls, put(s, p, n));
    return;
  }
  if (!s->out_n) return;
  size_t done = put(s, s->out + s->out_head, s->out_n);
  s->out_head += (uint32_t)done;
  s->out_n -= (uint32_t)done;
  if (!s->out_n) s->out_head = 0;
}

/* The handshake may be over: what has waited for it is written. */
static void open_tls(rtc_stream_t *s) {
  if (s->state != RTC_STREAM_OPENING || !rtc_tls_open(s->tls)) return;
  s->state = RTC_STREAM_OPEN;
  if (s->out_n && rtc_tls_write(s->tls, s->out + s->out_head, s->out_n) < 0) end(s, rtc_tls_why(s->tls));
  free(s->out);
  s->out = NULL;
  s->out_n = s->out_head = 0;
}

/* Whether the connection stands; a failure ends the stream. */
static bool is_connected(rtc_stream_t *s) {
  int err = 0;
  socklen_t n = sizeof err, m = sizeof(rtc_sockaddr_t);
  rtc_sockaddr_t peer;
  if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0) err = errno;
  if (err) {
    end(s, strerror(err));
    return false;
  }
  return getpeername(s->fd, &peer.sa, &m) == 0; /* not yet: ENOTCONN */
}

void rtc_stream_push(rtc_stream_t *s, rtc_stream_scratch_t *x) {
  if (s->state == RTC_STREAM_ENDED) return;
  if (!s->connected) {
    if (!is_connected(s)) return;
    s->connected = true;
    if (!s->tls) s->state = RTC_STREAM_OPEN;
  }
  if (s->tls && s->state == RTC_STREAM_OPENING) {
    if (rtc_tls_read(s->tls, x->plain, 0) < 0) end(s, rtc_tls_why(s->tls));
    open_tls(s);
  }
  drain(s);
}

bool rtc_stream_waits(const rtc_stream_t *s) {
  size_t n = 0;
  if (s->state == RTC_STREAM_ENDED) return false;
  if (!s->connected) return true;
  if (s->tls) rtc_tls_pending(s->tls, &n);
  return s->tls ? n > 0 : s->out_n > 0;
}

/* What came, unsealed, behind what is there; how many bytes. */
static size_t unseal(rtc_stream_t *s, const uint8_t *p, size_t n, uint8_t *out, size_t cap) {
  size_t got = 0;
  int r = rtc_tls_feed(s->tls, p, n);
  while (r >= 0 && got < cap && (r = rtc_tls_read(s->tls, out + got, cap - got)) > 0) got += (size_t)r;
  open_tls(s);
  if (r < 0) {
    s->ending = true;
    snprintf(s->why, sizeof s->why, "%s", r == RTC_ENOMEM ? rtc_err_text(r) : rtc_tls_why(s->tls));
  }
  drain(s);
  return got;
}

bool rtc_stream_read(rtc_stream_t *s, rtc_stream_scratch_t *x) {
  if (s->state == RTC_STREAM_ENDED || !s->connected) return false;
  uint8_t *to = s->tls ? x->sealed : x->plain + s->part_n;
  ssize_t n;
  do n = recv(s->fd, to, RTC_STREAM_READ, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (n <= 0) {
    end(s, n < 0 ? strerror(errno) : "");
    return false;
  }
  s->in_bytes += (uint64_t)n;
  size_t got = (size_t)n;
  if (s->tls) got = unseal(s, x->sealed, got, x->plain + s->part_n, RTC_STREAM_PLAIN);
  memcpy(x->plain, s->part, s->part_n);
  s->at = x->plain;
  s->left = s->part_n + got;
  s->part_n = 0;
  return true;
}

static int through(rtc_stream_t *s, const char *why) {
  s->left = 0;
  if (why) end(s, why);
  if (s->ending && s->state != RTC_STREAM_ENDED) s->state = RTC_STREAM_ENDED;
  return 0;
}

int rtc_stream_next(rtc_stream_t *s, const uint8_t **p, size_t *n) {
  if (s->skip) {
    uint32_t some = s->skip < s->left ? s->skip : (uint32_t)s->left;
    s->at += some;
    s->left -= some;
    s->skip -= some;
  }
  rtc_framed_t f;
  int r = s->skip || s->state == RTC_STREAM_ENDED ? 0 : rtc_framing_look(s->framing, s->at, s->left, &f);
  if (r < 0) return through(s, "what came is not framed as it should be");
  if (r == 0 && (s->skip || s->state == RTC_STREAM_ENDED)) return through(s, NULL);
  if (r == 0 || (f.len <= RTC_PKT_DATA && f.total > s->left)) {
    memcpy(s->part, s->at, s->left);
    s->part_n = (uint32_t)s->left;
    return through(s, NULL);
  }
  *n = f.len;
  *p = NULL;
  if (f.len > RTC_PKT_DATA) {
    s->skip = (uint32_t)f.total;
    return 1;
  }
  *p = s->at + f.head;
  s->at += f.total;
  s->left -= f.total;
  return 1;
}

static size_t frame(const rtc_stream_t *s, const rtc_pkt_t *k, uint8_t *out) {
  size_t n = rtc_framing_head(s->framing, out, k->len), pad = rtc_framing_tail(s->framing, k->data, k->len);
  memcpy(out + n, k->data, k->len);
  memset(out + n + k->len, 0, pad);
  return n + k->len + pad;
}

/* Behind what waits; false: there is no room for all of it. */
static bool keep(rtc_stream_t *s, const uint8_t *p, size_t n) {
  if (s->out_n + n > RTC_STREAM_OUT_BYTES) return false;
  if (!s->out) s->out = malloc(RTC_STREAM_OUT_BYTES);
  if (!s->out) return false;
  if (s->out_head + s->out_n + n > RTC_STREAM_OUT_BYTES) {
    memmove(s->out, s->out + s->out_head, s->out_n);
    s->out_head = 0;
  }
  memcpy(s->out + s->out_head + s->out_n, p, n);
  s->out_n += (uint32_t)n;
  return true;
}

int rtc_stream_send(rtc_stream_t *s, rtc_pkt_t *const *v, int n, rtc_stream_scratch_t *x) {
  int sent = 0;
  size_t all = 0, waits = 0;
  if (s->state == RTC_STREAM_ENDED) return 0;
  bool open = s->state == RTC_STREAM_OPEN;
  if (s->tls && open) rtc_tls_pending(s->tls, &waits);
  for (int i = 0; i < n; i++) {
    uint8_t *at = x->gather + all;
    size_t len = frame(s, v[i], at);
    if (!open || (!s->tls && s->out_n)) { /* others wait before it */
      sent += keep(s, at, len);
    } else if (waits + all + len <= RTC_STREAM_OUT_BYTES) {
      all += len;
      sent++;
    }
  }
  if (!open || !all) return sent;
  if (s->tls) {
    if (rtc_tls_write(s->tls, x->gather, all) < 0) end(s, rtc_tls_why(s->tls));
    drain(s);
    return sent;
  }
  size_t done = put(s, x->gather, all);
  if (done < all && s->state != RTC_STREAM_ENDED && !keep(s, x->gather + done, all - done)) end(s, rtc_err_text(RTC_ENOMEM));
  return sent;
}
