# sockets: UDP sockets and TCP connections that are opened for a loop, in the thread of who asks, so that what is wrong is told at once.

import os

cdef extern from "io/udp.h":
    enum:
        RTC_UDP_BUFFER_DEFAULT
        RTC_UDP_BUFFER_SMALL
    ctypedef struct rtc_udp_fault_t:
        int err
        int sys
        int index

cdef extern from "wire/framing.h":
    enum:
        RTC_FRAMING_LENGTH
        RTC_FRAMING_TURN

cdef extern from "proto/tls.h":
    ctypedef struct rtc_tls_cfg_t:
        const char *name
        const char *ca_pem
        size_t ca_len
        bint insecure

cdef extern from "io/stream.h":
    ctypedef struct rtc_stream_cfg_t:
        rtc_addr_t remote
        rtc_addr_t bind
        bint has_bind
        uint8_t framing
        const rtc_tls_cfg_t *tls

cdef extern from "io/socks.h":
    rtc_sock_t *rtc_sock_open_tcp(const rtc_stream_cfg_t *cfg, rtc_udp_fault_t *why)
    rtc_sock_t *rtc_sock_listen(const rtc_addr_t *bind, rtc_udp_fault_t *why)


cdef object address_error(str what, object address, int number):
    host, port = address
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return OSError(number, f"cannot {what} {where}: {os.strerror(number)}")


cdef rtc_sock_t *listen_tcp(object address) except NULL:
    cdef rtc_addr_t bind
    cdef rtc_udp_fault_t why
    put_addr(&bind, address)
    cdef rtc_sock_t *s = rtc_sock_listen(&bind, &why)
    if s == NULL:
        raise address_error("bind TCP", address, why.sys) if why.sys else err_exception(why.err, "TCP socket")
    return s


cdef rtc_sock_t *open_tcp(object remote, object local, bint turn, object tls) except NULL:
    """local: (IP, port) to leave from, or None; tls: TlsConfig or None."""
    cdef rtc_stream_cfg_t cfg
    cdef rtc_tls_cfg_t secret
    cdef rtc_udp_fault_t why
    cdef bytes name, pem
    memset(&cfg, 0, sizeof(cfg))
    put_addr(&cfg.remote, remote)
    if local is not None:
        put_addr(&cfg.bind, local)
        cfg.has_bind = True
    cfg.framing = RTC_FRAMING_TURN if turn else RTC_FRAMING_LENGTH
    if tls is not None:
        name, pem = tls.server_name.encode(), tls.ca_pem
        if b"\0" in name:
            raise ValueError("a server's name holds a NUL")
        secret.name, secret.ca_pem, secret.ca_len, secret.insecure = name, pem, len(pem), tls.insecure
        cfg.tls = &secret
    cdef rtc_sock_t *s = rtc_sock_open_tcp(&cfg, &why)
    if s == NULL:
        raise address_error("connect to TCP", remote, why.sys) if why.sys else err_exception(why.err, "TLS name and authorities")
    return s
