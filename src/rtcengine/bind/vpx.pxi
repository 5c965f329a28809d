# vpx: codec/vpx.h as one object, an encoder.

cdef extern from "codec/vpx.h":
    ctypedef enum rtc_vpx_codec_t:
        RTC_VPX_VP8
        RTC_VPX_VP9
    ctypedef struct rtc_vpx_t:
        pass
    int rtc_vpx_version(char *out, size_t cap) nogil
    rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_video_cfg_t *cfg, int *err) nogil
    void rtc_vpx_free(rtc_vpx_t *e) nogil
    int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps) nogil
    int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) nogil
    int rtc_vpx_set_screen(rtc_vpx_t *e, c_bool on) nogil
    int rtc_vpx_encode(rtc_vpx_t *e, const rtc_video_picture_t *picture, int64_t pts, c_bool key, rtc_video_packet_t *out) nogil


def vpx_version():
    """Of the libvpx that encodes, like "v1.12.0"; "" when this was built without, or it is not on this machine."""
    cdef char text[64]
    return text.decode() if rtc_vpx_version(text, sizeof(text)) >= 0 else ""


cdef class VpxEncoder(CoreEncoder):
    """VP8 or VP9."""

    cdef rtc_vpx_t *own

    def __cinit__(self, codec, *_, **__):
        numbers = {"vp8": RTC_VPX_VP8, "vp9": RTC_VPX_VP9}
        if codec not in numbers:
            raise ValueError(f"codec {codec!r}: vp8 or vp9")
        cdef rtc_vpx_codec_t number = numbers[codec]
        cdef int err = 0
        with nogil:
            self.own = rtc_vpx_new(number, &self.wanted, &err)
        self.opened(codec, err)

    def __dealloc__(self):
        rtc_vpx_free(self.own)

    cdef int put_rate(self, uint32_t bitrate, double fps) noexcept nogil:
        return rtc_vpx_set_rate(self.own, bitrate, fps)

    cdef int put_size(self, uint32_t width, uint32_t height) noexcept nogil:
        return rtc_vpx_set_size(self.own, width, height)

    cdef int put_screen(self, c_bool on) noexcept nogil:
        return rtc_vpx_set_screen(self.own, on)

    cdef int put_picture(self, const rtc_video_picture_t *picture, int64_t pts, c_bool key, rtc_video_packet_t *out) noexcept nogil:
        return rtc_vpx_encode(self.own, picture, pts, key, out)
