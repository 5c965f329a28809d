/* udp_sys: what the two UDP backends share and nobody else sees: system headers, addresses and control messages.
 * A file that includes this begins with the two feature macros of udp.c. */
#ifndef RTC_IO_UDP_SYS_H
#define RTC_IO_UDP_SYS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/udp.h"

typedef union rtc_sockaddr {
  struct sockaddr sa;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} rtc_sockaddr_t;

/* Room for one address, one counter and one segment size, aligned as control messages must be. */
typedef union rtc_udp_control {
  struct cmsghdr align;
  uint8_t bytes[128];
} rtc_udp_control_t;

/* Length of the address, 0 when `a` is not of the socket's family. */
socklen_t rtc_sockaddr_set(rtc_sockaddr_t *s, const rtc_addr_t *a, bool v6);
void rtc_sockaddr_get(const rtc_sockaddr_t *s, rtc_addr_t *a);

/* Fills in a message header for one datagram out: goal, bytes, and where it leaves from. False: the goal is of another family. */
bool rtc_udp_fill_out(const rtc_udp_t *u, const rtc_pkt_t *k, struct msghdr *m, struct iovec *iov, rtc_sockaddr_t *to,
                      rtc_udp_control_t *control);
/* After a refusal: the address it was to leave from may not be ours any more (a host that has changed networks under a call). Then any
 * will do, and the peer's agent takes it for a NAT that has moved us. True when there was one to take back. */
bool rtc_udp_any_source(struct msghdr *m, int why);
/* fill_out's counterpart for one datagram in (k NULL: the caller says where to), and what came back with it. */
void rtc_udp_fill_in(rtc_pkt_t *k, struct msghdr *m, struct iovec *iov, rtc_sockaddr_t *from, rtc_udp_control_t *control);
void rtc_udp_take_in(rtc_udp_t *u, rtc_pkt_t *k, struct msghdr *m, size_t len);
void rtc_udp_take_path(rtc_udp_t *u, rtc_path_t *path, rtc_time_t *at, struct msghdr *m);

/* Waits until the socket takes datagrams, at most *wait_us, which shrinks. False: it still takes none. */
bool rtc_udp_wait_writable(const rtc_udp_t *u, int64_t *wait_us);
/* Datagrams that may not be cut (DF) need no identification, which costs the kernel a shared counter each: about a tenth of its way out.
 * keep_whole asks for that; after EMSGSIZE let_cut takes it back for the socket: true when there was something to take back. */
void rtc_udp_keep_whole(rtc_udp_t *u);
bool rtc_udp_let_cut(rtc_udp_t *u);

/* udp_posix.c */
int rtc_udp_posix_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n);
int rtc_udp_posix_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us);

/* udp_gro.c: asks the kernel to join. False: it cannot. */
bool rtc_udp_gro_start(int fd);

/* udp_linux.c: scratch is theirs, and whether `runs` stays set. False: out of memory. */
bool rtc_udp_linux_init(rtc_udp_t *u);
int rtc_udp_linux_recv(rtc_udp_t *u, rtc_pkt_t **slots, int n);
int rtc_udp_linux_send(rtc_udp_t *u, rtc_pkt_t *const *v, int n, int64_t *wait_us);

#endif
