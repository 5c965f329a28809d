# rtp: wire/rtp.h and wire/rtpext.h: one packet's bytes to the fields of rtcengine.rtp.RtpPacket, and back.

from types import MappingProxyType

cdef extern from "wire/rtp.h":
    enum:
        RTC_RTP_HEADER
    ctypedef struct rtc_rtp_t:
        uint32_t ts
        uint32_t ssrc
        uint16_t seq
        uint8_t pt
        uint8_t csrc_n
        bint marker
        bint padding
        bint has_ext
        uint16_t ext_profile
        uint16_t ext_off
        uint16_t ext_len
        uint16_t hdr_len
        uint16_t payload_len
        uint8_t pad_len
    int rtc_rtp_parse(rtc_rtp_t *r, const uint8_t *p, size_t n)
    int rtc_rtp_parse_payload(rtc_rtp_t *r, const uint8_t *p, size_t n)
    void rtc_rtp_write(uint8_t *out, const rtc_rtp_t *r)

cdef extern from "wire/rtpext.h":
    enum:
        RTC_EXT_COUNT
    ctypedef enum rtc_ext_t:
        pass
    ctypedef struct rtc_ext_view_t:
        const uint8_t *p[RTC_EXT_COUNT]
        uint8_t len[RTC_EXT_COUNT]
    bint rtc_ext_has(const rtc_ext_view_t *v, rtc_ext_t k)
    void rtc_ext_put(rtc_ext_view_t *v, rtc_ext_t k, const uint8_t *p, uint8_t n)
    void rtc_rtpext_parse(rtc_ext_view_t *v, uint16_t profile, const uint8_t *p, size_t n, const rtc_extmap_t *m)
    int rtc_rtpext_write(uint8_t *out, size_t cap, const rtc_ext_view_t *v, const rtc_extmap_t *m, bint allow_two,
                         uint16_t *at)

cdef extern from "base/bytes.h":
    uint32_t rtc_get32(const uint8_t *p)
    void rtc_put16(uint8_t *p, uint16_t v)
    void rtc_put32(uint8_t *p, uint32_t v)

cdef enum:
    RTP_MAX = 65535
    ONE_BYTE_FORM = 0xBEDE
    TWO_BYTE_FORM = 0x1000
    EXT_ROOM = 4096  # RTC_EXT_COUNT elements of 2 + 255 bytes, prefix and padding


class RtpFormatError(ValueError):
    """Bytes that are not well-formed RTP or RTCP, or values that do not fit the fields they would be written to."""

    __module__ = "rtcengine.rtp"


cdef class ExtensionIds:
    """The ids that one media section gave to header extensions (a=extmap, RFC 8285 §5): {1: "urn:ietf:params:..", ..}.

    Any URI will do. ids are 1 to 255, those above 14 for the two-byte form only. ValueError for other ids, an empty URI,
    or one that comes twice. by_id and by_uri are read-only mappings.
    """

    # C names extensions by kind; here a kind is only a place: that of ids[map * RTC_EXT_COUNT + kind]. Ids ascend, so
    # that those of the one-byte form are all in the first map.
    cdef rtc_extmap_t *maps
    cdef int n
    cdef tuple ids
    cdef tuple keys
    cdef readonly object by_id
    cdef readonly object by_uri

    def __cinit__(self, by_id):
        found = dict(by_id)
        for number, uri in found.items():
            if not 1 <= number <= 255:
                raise ValueError(f"extension id {number!r}: 1 to 255 are possible")
            if not uri:
                raise ValueError(f"extension id {number} without a URI")
        if len(set(found.values())) != len(found):
            raise ValueError("an extension has two ids")
        self.by_id = MappingProxyType(found)
        self.by_uri = MappingProxyType({uri: number for number, uri in found.items()})
        self.ids = tuple(sorted(found))
        self.keys = tuple([found[number] for number in self.ids])
        self.n = (len(found) + RTC_EXT_COUNT - 1) // RTC_EXT_COUNT
        self.maps = <rtc_extmap_t *>malloc(sizeof(rtc_extmap_t) * <size_t>(self.n + 1))
        if self.maps == NULL:
            raise MemoryError
        for i in range(self.n):
            rtc_extmap_init(&self.maps[i])
        for i, number in enumerate(self.ids):
            if rtc_extmap_set(&self.maps[i // RTC_EXT_COUNT], i % RTC_EXT_COUNT, number) < 0:
                raise ValueError(f"extension id {number}")

    def __dealloc__(self):
        free(self.maps)

    def __repr__(self):
        return f"ExtensionIds({dict(self.by_id)!r})"

    cdef dict read(self, uint16_t profile, const uint8_t *p, size_t n):
        cdef rtc_ext_view_t v
        cdef int k, m
        found = {}
        for m in range(min(self.n, 1) if profile == ONE_BYTE_FORM else self.n):
            rtc_rtpext_parse(&v, profile, p, n, &self.maps[m])
            for k in range(RTC_EXT_COUNT):
                if rtc_ext_has(&v, <rtc_ext_t>k):
                    found[self.keys[m * RTC_EXT_COUNT + k]] = PyBytes_FromStringAndSize(<const char *>v.p[k], v.len[k])
        return found


# For packets whose section is not known: extensions are then keyed by the number itself.
cdef ExtensionIds rtp_all_ids():
    cdef ExtensionIds all_ids = ExtensionIds({number: str(number) for number in range(1, 256)})
    all_ids.keys = all_ids.ids
    return all_ids


cdef ExtensionIds RTP_ALL_IDS = rtp_all_ids()


def rtp_parse(data, ExtensionIds ids=None):
    """The fields of RtpPacket in its order."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return rtp_read(<const uint8_t *>view.buf, <size_t>view.len, RTP_ALL_IDS if ids is None else ids)
    finally:
        PyBuffer_Release(&view)


cdef tuple rtp_read(const uint8_t *p, size_t n, ExtensionIds ids):
    cdef rtc_rtp_t h
    cdef int i
    if rtc_rtp_parse(&h, p, n) < 0 or rtc_rtp_parse_payload(&h, p, n) < 0:
        raise RtpFormatError(f"{n} bytes that are not an RTP packet")
    extensions, other = {}, None
    if h.has_ext:
        if h.ext_profile == ONE_BYTE_FORM or h.ext_profile & 0xfff0 == TWO_BYTE_FORM:
            extensions = ids.read(h.ext_profile, p + h.ext_off, h.ext_len)
        else:
            other = h.ext_profile, PyBytes_FromStringAndSize(<const char *>p + h.ext_off, h.ext_len)
    csrcs = [rtc_get32(p + RTC_RTP_HEADER + 4 * i) for i in range(h.csrc_n)]
    payload = PyBytes_FromStringAndSize(<const char *>p + h.hdr_len, h.payload_len)
    return h.pt, h.seq, h.ts, h.ssrc, payload, h.marker, csrcs, extensions, h.pad_len, other


# Elements in the dict's order: the k-th takes place k. Returns the bytes written.
cdef int rtp_put_extensions(uint8_t *out, dict extensions, ExtensionIds ids, bint two_byte, list keep) except -1:
    cdef rtc_ext_view_t v
    cdef rtc_extmap_t m
    cdef uint8_t used[256]
    cdef int k = 0
    cdef bytes value
    memset(&v, 0, sizeof(v))
    memset(used, 0, sizeof(used))
    rtc_extmap_init(&m)
    for key, data in extensions.items():
        number = key
        if isinstance(key, str):
            if ids is None:
                raise RtpFormatError(f"extension {key!r} by its URI needs ids")
            number = ids.by_uri.get(key)
            if number is None:  # not negotiated
                continue
        value = bytes(data)
        keep.append(value)
        if k == RTC_EXT_COUNT:
            raise RtpFormatError(f"more than {RTC_EXT_COUNT} extensions")
        if not 1 <= number <= 255 or len(value) > 255 or used[<uint8_t>number]:
            raise RtpFormatError(f"extension id {number}: 1 to 255 are possible, each once, with at most 255 bytes")
        used[<uint8_t>number] = 1
        if rtc_extmap_set(&m, k, number) < 0:
            raise RtpFormatError(f"extension id {number}")
        rtc_ext_put(&v, <rtc_ext_t>k, <const uint8_t *>PyBytes_AS_STRING(value), <uint8_t>len(value))
        k += 1
    cdef int n = rtc_rtpext_write(out, EXT_ROOM, &v, &m, two_byte, NULL)
    if n < 0:
        raise err_exception(n, "RTP header extensions")
    return n


def rtp_write(payload_type, sequence_number, timestamp, ssrc, payload, marker, csrcs, extensions, padding, other,
              ExtensionIds ids, two_byte):
    """The packet with the fields of RtpPacket in its order."""
    cdef rtc_rtp_t h
    cdef uint8_t ext[EXT_ROOM]
    cdef int ext_n = 0
    cdef list keep = []  # what elements point to
    memset(&h, 0, sizeof(h))
    try:
        h.seq, h.ts, h.ssrc, h.pad_len = sequence_number, timestamp, ssrc, padding
        if not 0 <= payload_type <= 127:
            raise RtpFormatError(f"payload type {payload_type}: 0 to 127 are possible")
        h.pt, h.marker, h.padding = payload_type, marker, padding != 0
        csrcs = tuple(csrcs)  # ours: nobody makes it longer while room is counted
        if len(csrcs) > 15:
            raise RtpFormatError(f"{len(csrcs)} CSRCs: at most 15 are possible")
        if extensions:
            if other is not None:
                raise RtpFormatError("a packet has one header extension: extensions or other_extension")
            ext_n = rtp_put_extensions(ext, extensions, ids, two_byte, keep)
        if other is None:
            h.has_ext = ext_n != 0
            return rtp_bytes(&h, csrcs, ext, ext_n, payload)
        h.has_ext = True
        return rtp_bytes_other(&h, csrcs, other[0], other[1], payload)
    except OverflowError as error:
        raise RtpFormatError(f"a value does not fit its field: {error}") from None


cdef bytes rtp_bytes_other(rtc_rtp_t *h, tuple csrcs, uint16_t profile, data, payload):
    cdef bytes whole = bytes(4) + bytes(data)
    if len(whole) % 4 or len(whole) > RTP_MAX:
        raise RtpFormatError(f"a header extension of {len(whole) - 4} bytes: it takes whole words of 4")
    cdef bytearray block = bytearray(whole)
    cdef uint8_t[::1] p = block
    rtc_put16(&p[0], profile)
    rtc_put16(&p[2], <uint16_t>(len(block) // 4 - 1))
    return rtp_bytes(h, csrcs, &p[0], <int>len(block), payload)


cdef bytes rtp_bytes(const rtc_rtp_t *h, tuple csrcs, const uint8_t *ext, int ext_n, payload):
    cdef Py_buffer view
    cdef uint8_t *p
    cdef size_t n
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    try:
        n = RTC_RTP_HEADER + 4 * <size_t>len(csrcs) + <size_t>ext_n + <size_t>view.len + h.pad_len
        if n > RTP_MAX:
            raise RtpFormatError(f"a packet of {n} bytes: at most {RTP_MAX} are possible")
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>n)
        p = <uint8_t *>PyBytes_AS_STRING(out)
        rtc_rtp_write(p, h)
        p[0] |= <uint8_t>len(csrcs)
        p += RTC_RTP_HEADER
        for csrc in csrcs:
            rtc_put32(p, csrc)
            p += 4
        memcpy(p, ext, <size_t>ext_n)
        p += ext_n
        if view.len:
            memcpy(p, view.buf, <size_t>view.len)
            p += view.len
        if h.pad_len:
            memset(p, 0, h.pad_len)
            p[h.pad_len - 1] = h.pad_len
    finally:
        PyBuffer_Release(&view)
    return out
