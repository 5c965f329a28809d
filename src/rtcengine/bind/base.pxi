# base: what several bindings share: C types, texts and addresses in and out.

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset, strlen

cdef extern from "base/addr.h":
    ctypedef struct rtc_addr_t:
        uint8_t ip[16]
        uint16_t port
        uint32_t scope
    ctypedef struct rtc_path_t:
        rtc_addr_t remote
        rtc_addr_t local
        uint32_t sock
    int rtc_addr_parse(rtc_addr_t *a, const char *text, uint16_t port)
    int rtc_addr_write(const rtc_addr_t *a, char *out, size_t cap)


cdef int put_text(char *out, size_t cap, str text, str what) except -1:
    cdef bytes raw = text.encode()
    if <size_t>len(raw) >= cap or b"\0" in raw:
        raise ValueError(f"{what} is longer than {cap - 1} bytes or holds a NUL")
    memcpy(out, PyBytes_AS_STRING(raw), len(raw))
    out[len(raw)] = 0
    return 0


cdef int put_addr(rtc_addr_t *out, object address) except -1:
    host, port = address
    cdef bytes raw = host.encode()
    if not 0 <= port <= 65535 or rtc_addr_parse(out, raw, port) < 0:
        raise ValueError(f"not an IP address and a port: {host!r}, {port!r}")
    return 0


cdef tuple get_addr(const rtc_addr_t *a):
    cdef char text[80]
    rtc_addr_write(a, text, sizeof(text))
    host, _, port = text[:strlen(text)].decode().rpartition(":")
    return host.strip("[]"), int(port)
