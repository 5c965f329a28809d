# red: wire/payload/red.h.

cdef extern from "wire/payload/red.h":
    enum:
        RTC_RED_BLOCKS
        RTC_RED_HEAD
        RTC_RED_BACK_MAX
        RTC_RED_BLOCK_MAX
    ctypedef struct rtc_red_block_t:
        uint8_t pt
        uint16_t back_ts
        uint16_t off
        uint16_t len
    ctypedef struct rtc_red_t:
        uint8_t n
        rtc_red_block_t block[32]
    int rtc_red_parse(rtc_red_t *r, const uint8_t *p, size_t n)
    ctypedef struct rtc_red_part_t:
        uint8_t pt
        uint16_t back_ts
        uint16_t len
        const uint8_t *p
    int rtc_red_write(uint8_t *out, size_t cap, const rtc_red_part_t *part, size_t n, uint8_t pt)


def red_parse(payload):
    """(payload type, offset, bytes) of each block, or None when it is malformed."""
    cdef Py_buffer view
    cdef rtc_red_t red
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    try:
        if rtc_red_parse(&red, <const uint8_t *>view.buf, <size_t>view.len) < 0:
            return None
        return [
            (red.block[i].pt, red.block[i].back_ts,
             PyBytes_FromStringAndSize(<char *>view.buf + red.block[i].off, red.block[i].len))
            for i in range(red.n)
        ]
    finally:
        PyBuffer_Release(&view)


def red_write(list blocks):
    """The payload of these, the packet's own last, or None for what cannot be said."""
    cdef rtc_red_part_t part[RTC_RED_BLOCKS]
    cdef bytes data, own
    cdef size_t room = 1
    cdef int n = len(blocks) - 1
    if not 0 <= n < RTC_RED_BLOCKS:
        return None
    for i in range(n):
        pt, back, data = blocks[i]
        if not (0 <= pt <= 127 and 0 <= back <= RTC_RED_BACK_MAX and len(data) <= RTC_RED_BLOCK_MAX):
            return None
        part[i].pt, part[i].back_ts, part[i].len = pt, back, <uint16_t>len(data)
        part[i].p = <const uint8_t *>PyBytes_AS_STRING(data)
        room += RTC_RED_HEAD + len(data)
    pt, back, own = blocks[n]
    if back != 0 or not 0 <= pt <= 127:
        return None
    cdef bytes out = PyBytes_FromStringAndSize(NULL, room)
    cdef int r = rtc_red_write(<uint8_t *>PyBytes_AS_STRING(out), room, part, n, pt)
    if r < 0:
        raise err_exception(r, "redundancy")
    return out + own
