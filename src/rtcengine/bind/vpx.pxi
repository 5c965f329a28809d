# vpx: codec/vpx.h as one object, an encoder. It encodes without the GIL, from the planes' own memory.

from threading import Lock as vpx_lock

cdef extern from "codec/layers.h":
    ctypedef struct rtc_layer_frame_t:
        uint8_t tid
        bint sync
        bint droppable
        uint8_t refs
        uint8_t ref[3]

cdef extern from "codec/vpx.h":
    ctypedef enum rtc_vpx_codec_t:
        RTC_VPX_VP8
        RTC_VPX_VP9
    enum:
        RTC_VPX_THREADS_MAX
    ctypedef struct rtc_vpx_cfg_t:
        uint32_t width
        uint32_t height
        uint32_t bitrate_bps
        double fps
        uint8_t threads
        uint8_t layers
        uint8_t min_q
        uint8_t max_q
        signed char cpu_used
        c_bool screen
        c_bool resilient
        c_bool drop
        c_bool denoise
    ctypedef struct rtc_vpx_picture_t:
        const uint8_t *plane[3]
        int stride[3]
    ctypedef struct rtc_vpx_packet_t:
        const uint8_t *data
        size_t len
        int64_t pts
        bint key
        rtc_layer_frame_t layer
    ctypedef struct rtc_vpx_t:
        pass
    int rtc_vpx_version(char *out, size_t cap) nogil
    rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_vpx_cfg_t *cfg, int *err) nogil
    void rtc_vpx_free(rtc_vpx_t *e) nogil
    int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps) nogil
    int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height) nogil
    int rtc_vpx_set_screen(rtc_vpx_t *e, c_bool on) nogil
    int rtc_vpx_encode(rtc_vpx_t *e, const rtc_vpx_picture_t *picture, int64_t pts, c_bool key, rtc_vpx_packet_t *out) nogil


def vpx_version():
    """Of the libvpx that encodes, like "v1.12.0"; "" when this was built without, or it is not on this machine."""
    cdef char text[64]
    return text.decode() if rtc_vpx_version(text, sizeof(text)) >= 0 else ""


cdef class VpxEncoder:
    """VP8 or VP9. One thread at a time: RuntimeError for a second one."""

    cdef rtc_vpx_t *own
    cdef uint32_t width, height
    cdef object busy

    def __cinit__(self, codec, uint32_t width, uint32_t height, uint32_t bitrate, double fps, *, unsigned int threads=1,
                  uint8_t layers=1, uint8_t min_q=2, uint8_t max_q=63, int cpu_used=0, bint screen=False, bint resilient=False,
                  bint drop=False, bint denoise=False):
        self.busy = vpx_lock()
        numbers = {"vp8": RTC_VPX_VP8, "vp9": RTC_VPX_VP9}
        if codec not in numbers:
            raise ValueError(f"codec {codec!r}: vp8 or vp9")
        if not -16 <= cpu_used <= 16:
            raise ValueError(f"cpu_used is {cpu_used}, not -16 to 16")
        cdef rtc_vpx_codec_t number = numbers[codec]
        cdef rtc_vpx_cfg_t c
        cdef int err = 0
        memset(&c, 0, sizeof(c))
        c.width, c.height, c.bitrate_bps, c.fps = width, height, bitrate, fps
        c.threads = min(threads, <unsigned int>RTC_VPX_THREADS_MAX)
        c.layers, c.min_q, c.max_q, c.cpu_used = layers, min_q, max_q, cpu_used
        c.screen, c.resilient, c.drop, c.denoise = screen, resilient, drop, denoise
        with nogil:
            self.own = rtc_vpx_new(number, &c, &err)
        if self.own == NULL:
            raise err_exception(err, f"a {codec} encoder for {width} x {height}")
        self.width, self.height = width, height

    def __dealloc__(self):
        rtc_vpx_free(self.own)

    cdef int enter(self) except -1:
        if not self.busy.acquire(False):
            raise RuntimeError("the encoder is in use by another thread")
        return 0

    def set_rate(self, uint32_t bitrate, double fps):
        """From the next picture on, without a key frame."""
        self.enter()
        cdef int err
        with nogil:
            err = rtc_vpx_set_rate(self.own, bitrate, fps)
        self.busy.release()
        if err < 0:
            raise err_exception(err, f"{bitrate} bit/s in {fps} pictures a second")

    def set_size(self, uint32_t width, uint32_t height):
        """Of the pictures from now on. Whether the next one will be a key frame."""
        self.enter()
        cdef int err
        with nogil:
            err = rtc_vpx_set_size(self.own, width, height)
        if err >= 0:
            self.width, self.height = width, height
        self.busy.release()
        if err < 0:
            raise err_exception(err, f"pictures of {width} x {height}")
        return err == 1

    def set_screen(self, bint on):
        """Text and sharp edges, mostly still."""
        self.enter()
        cdef int err
        cdef c_bool said = on
        with nogil:
            err = rtc_vpx_set_screen(self.own, said)
        self.busy.release()
        if err < 0:
            raise err_exception(err, "screen content")

    def encode(self, planes, strides, int64_t pts, bint key):
        """(bytes, pts, key, layer as TemporalLayer has it) of an I420 picture of just the size, None when it was left out. Of
        planes, which are not copied, nothing is used after the return."""
        cdef Py_buffer views[3]
        cdef rtc_vpx_picture_t picture
        cdef rtc_vpx_packet_t out
        cdef int held = 0, err = 0
        cdef c_bool force = key
        cdef Py_ssize_t rows, columns
        if len(planes) != 3 or len(strides) != 3:
            raise ValueError("an I420 picture has three planes")
        self.enter()
        try:
            for plane, stride in zip(planes, strides):
                PyObject_GetBuffer(plane, &views[held], PyBUF_SIMPLE)
                held += 1
                columns = self.width if held == 1 else (self.width + 1) // 2
                rows = self.height if held == 1 else (self.height + 1) // 2
                picture.plane[held - 1] = <const uint8_t *>views[held - 1].buf
                picture.stride[held - 1] = stride
                if stride < columns or views[held - 1].len < stride * (rows - 1) + columns:
                    raise ValueError(f"a plane of {views[held - 1].len} bytes in rows of {stride} for {columns} x {rows}")
            with nogil:
                err = rtc_vpx_encode(self.own, &picture, pts, force, &out)
            if err < 0:
                raise err_exception(err, "encoding")
            if err == 0:
                return None
            refs = tuple([out.layer.ref[i] for i in range(out.layer.refs)])
            layer = (out.layer.tid, bool(out.layer.sync), True, bool(out.layer.droppable), refs)
            return PyBytes_FromStringAndSize(<const char *>out.data, <Py_ssize_t>out.len), out.pts, bool(out.key), layer
        finally:
            for i in range(held):
                PyBuffer_Release(&views[i])
            self.busy.release()
