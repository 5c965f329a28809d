# payload: wire/payload/payload.h, with codecs as the numbers that CODECS gives to their names.

cdef extern from "<stdbool.h>":
    ctypedef unsigned char c_bool "bool"

cdef extern from "wire/payload/payload.h":
    ctypedef enum rtc_codec_t:
        pass
    enum:
        RTC_SPLIT_HEAD_MAX
        RTC_LAYER_REFS
    ctypedef struct rtc_layer_t:
        uint8_t tid
        bint sync
        bint up
        bint droppable
        uint8_t refs
        uint8_t ref[3]
    ctypedef struct rtc_split_t:
        pass
    int rtc_split_init(rtc_split_t *s, rtc_codec_t codec, const uint8_t *frame, size_t n, size_t max, uint32_t picture_id,
                       bint key)
    int rtc_split_layer(rtc_split_t *s, const rtc_layer_t *layer, uint8_t tl0)
    int rtc_split_single(rtc_split_t *s)
    int rtc_split_next(rtc_split_t *s, uint8_t *out, size_t cap, c_bool *last)
    ctypedef struct rtc_payload_info_t:
        bint start
        bint key
    rtc_payload_info_t rtc_payload_look(rtc_codec_t codec, const uint8_t *p, size_t n)
    ctypedef struct rtc_picture_size_t:
        uint16_t width
        uint16_t height
    rtc_picture_size_t rtc_payload_size(rtc_codec_t codec, const uint8_t *p, size_t n)
    enum:
        RTC_JOIN_BYTES
    ctypedef struct rtc_join_t:
        pass
    void rtc_join_init(rtc_join_t *j, rtc_codec_t codec, uint8_t *out, size_t cap)
    int rtc_join_put(rtc_join_t *j, const uint8_t *p, size_t n)
    int rtc_join_end(rtc_join_t *j)
    ctypedef struct rtc_vp8_desc_t:
        bint start
        bint non_ref
        bint has_picture_id
        bint long_picture_id
        bint has_tl0
        bint has_tid
        bint has_keyidx
        uint8_t partition
        uint8_t tl0
        uint8_t tid
        uint8_t keyidx
        bint layer_sync
        uint16_t picture_id
        uint8_t len
    int rtc_vp8_parse(rtc_vp8_desc_t *d, const uint8_t *p, size_t n)


cdef int put_layer(rtc_layer_t *out, layer) except -1:
    memset(out, 0, sizeof(rtc_layer_t))
    tid, sync, up, droppable, references = layer
    # What is beyond C's types would be cut; what the descriptors cannot say is refused there.
    if not 0 <= tid <= 255 or len(references) > RTC_LAYER_REFS or not all(0 <= back <= 255 for back in references):
        raise ValueError(f"a layer that cannot be said: {layer}")
    out.tid, out.sync, out.up, out.droppable, out.refs = tid, sync, up, droppable, len(references)
    for i, back in enumerate(references):
        out.ref[i] = back
    return 0


def payload_split(int codec, frame, size_t max, uint32_t picture_id, layer, uint8_t tl0, bint single):
    """Payloads of one frame, or None when it cannot be split so."""
    cdef Py_buffer view
    cdef rtc_split_t s
    cdef rtc_layer_t said
    cdef c_bool last
    cdef uint8_t *out = NULL
    cdef size_t cap
    cdef int n
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    try:
        if rtc_split_init(&s, <rtc_codec_t>codec, <const uint8_t *>view.buf, <size_t>view.len, max, picture_id, False) < 0:
            return None
        if layer is not None:
            put_layer(&said, layer)
            if rtc_split_layer(&s, &said, tl0) < 0:
                return None
        if single and rtc_split_single(&s) < 0:
            return None
        cap = min(max, <size_t>view.len + RTC_SPLIT_HEAD_MAX)
        out = <uint8_t *>malloc(cap)
        if out == NULL:
            raise MemoryError
        payloads = []
        while True:
            n = rtc_split_next(&s, out, cap, &last)
            if n < 0:
                raise err_exception(n, "payload")
            if n == 0:
                return payloads
            payloads.append(PyBytes_FromStringAndSize(<char *>out, n))
    finally:
        free(out)
        PyBuffer_Release(&view)


def payload_look(int codec, payload):
    """(starts a frame, of a key frame)"""
    cdef Py_buffer view
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    cdef rtc_payload_info_t info = rtc_payload_look(<rtc_codec_t>codec, <const uint8_t *>view.buf, <size_t>view.len)
    PyBuffer_Release(&view)
    return info.start, info.key


cdef int put_payload(rtc_join_t *j, payload) except -1:
    cdef Py_buffer view
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    cdef int r = rtc_join_put(j, <const uint8_t *>view.buf, <size_t>view.len) if view.len else RTC_EPROTO
    PyBuffer_Release(&view)
    return r == 0


def payload_join(int codec, list payloads):
    """The frame, None when they are none."""
    cdef rtc_join_t j
    cdef int n
    rtc_join_init(&j, <rtc_codec_t>codec, NULL, RTC_JOIN_BYTES)
    for payload in payloads:
        if not put_payload(&j, payload):
            return None
    n = rtc_join_end(&j)
    if n < 0:
        return None
    cdef bytes out = PyBytes_FromStringAndSize(NULL, n)
    rtc_join_init(&j, <rtc_codec_t>codec, <uint8_t *>PyBytes_AS_STRING(out), <size_t>n)
    for payload in payloads:
        if not put_payload(&j, payload):
            return None
    return out if rtc_join_end(&j) == n else None


def payload_size(int codec, payload):
    """(width, height), zeros where it does not say."""
    cdef Py_buffer view
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    cdef rtc_picture_size_t size = rtc_payload_size(<rtc_codec_t>codec, <const uint8_t *>view.buf, <size_t>view.len)
    PyBuffer_Release(&view)
    return size.width, size.height


def payload_vp8(payload):
    """The fields of Vp8Descriptor in its order."""
    cdef Py_buffer view
    cdef rtc_vp8_desc_t d
    PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
    cdef Py_ssize_t n = view.len
    cdef int r = rtc_vp8_parse(&d, <const uint8_t *>view.buf, <size_t>n)
    PyBuffer_Release(&view)
    if r < 0:
        raise RtpFormatError(f"{n} bytes that do not begin with a VP8 payload descriptor")
    return (
        d.start,
        d.partition,
        d.non_ref,
        d.picture_id if d.has_picture_id else None,
        d.long_picture_id,
        d.tl0 if d.has_tl0 else None,
        d.tid if d.has_tid else None,
        d.layer_sync,
        d.keyidx if d.has_keyidx else None,
        d.len,
    )
