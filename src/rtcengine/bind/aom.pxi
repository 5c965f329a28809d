# aom: codec/aom.h as one object, an encoder.

cdef extern from "codec/aom.h":
    ctypedef struct rtc_aom_t:
        pass
    int rtc_aom_version(char *out, size_t cap) nogil
    rtc_aom_t *rtc_aom_new(const rtc_video_cfg_t *cfg, int *err) nogil
    void rtc_aom_free(rtc_aom_t *e) nogil
    int rtc_aom_set_rate(rtc_aom_t *e, uint32_t bitrate_bps, double fps) nogil
    int rtc_aom_set_size(rtc_aom_t *e, uint32_t width, uint32_t height) nogil
    int rtc_aom_set_screen(rtc_aom_t *e, c_bool on) nogil
    int rtc_aom_encode(rtc_aom_t *e, const rtc_video_picture_t *picture, int64_t pts, c_bool key, rtc_video_packet_t *out) nogil


def aom_version():
    """Of the libaom that encodes, like "v3.6.0"; "" when this was built without, or it is not on this machine."""
    cdef char text[64]
    return text.decode() if rtc_aom_version(text, sizeof(text)) >= 0 else ""


cdef class AomEncoder(CoreEncoder):
    """AV1."""

    cdef rtc_aom_t *own

    def __cinit__(self, codec, *_, **__):
        if codec != "av1":
            raise ValueError(f"codec {codec!r}: av1")
        cdef int err = 0
        with nogil:
            self.own = rtc_aom_new(&self.wanted, &err)
        self.opened(codec, err)

    def __dealloc__(self):
        rtc_aom_free(self.own)

    cdef int put_rate(self, uint32_t bitrate, double fps) noexcept nogil:
        return rtc_aom_set_rate(self.own, bitrate, fps)

    cdef int put_size(self, uint32_t width, uint32_t height) noexcept nogil:
        return rtc_aom_set_size(self.own, width, height)

    cdef int put_screen(self, c_bool on) noexcept nogil:
        return rtc_aom_set_screen(self.own, on)

    cdef int put_picture(self, const rtc_video_picture_t *picture, int64_t pts, c_bool key, rtc_video_packet_t *out) noexcept nogil:
        return rtc_aom_encode(self.own, picture, pts, key, out)
