# video: codec/video.h, and what the encoders of vpx.pxi and aom.pxi have in common. They encode without the GIL, from the planes'
# own memory.

from threading import Lock as encoder_lock

cdef extern from "codec/layers.h":
    ctypedef struct rtc_layer_frame_t:
        uint8_t tid
        bint sync
        bint droppable
        uint8_t refs
        uint8_t ref[3]

cdef extern from "codec/video.h":
    enum:
        RTC_VIDEO_THREADS_MAX
    ctypedef struct rtc_video_cfg_t:
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
    ctypedef struct rtc_video_picture_t:
        const uint8_t *plane[3]
        int stride[3]
    ctypedef struct rtc_video_packet_t:
        const uint8_t *data
        size_t len
        int64_t pts
        bint key
        rtc_layer_frame_t layer


cdef class CoreEncoder:
    """One thread at a time: RuntimeError for a second one. The class of a library opens what is wanted, and calls it."""

    cdef rtc_video_cfg_t wanted  # its size is that of the pictures from now on
    cdef object busy

    def __cinit__(self, codec, uint32_t width, uint32_t height, uint32_t bitrate, double fps, *, unsigned int threads=1,
                  uint8_t layers=1, uint8_t min_q=2, uint8_t max_q=63, int cpu_used=0, bint screen=False, bint resilient=False,
                  bint drop=False, bint denoise=False):
        self.busy = encoder_lock()
        if not -16 <= cpu_used <= 16:
            raise ValueError(f"cpu_used is {cpu_used}, not -16 to 16")
        memset(&self.wanted, 0, sizeof(self.wanted))
        cdef rtc_video_cfg_t *c = &self.wanted
        c.width, c.height, c.bitrate_bps, c.fps = width, height, bitrate, fps
        c.threads = min(threads, <unsigned int>RTC_VIDEO_THREADS_MAX)
        c.layers, c.min_q, c.max_q, c.cpu_used = layers, min_q, max_q, cpu_used
        c.screen, c.resilient, c.drop, c.denoise = screen, resilient, drop, denoise

    cdef int opened(self, codec, int err) except -1:
        if err < 0:
            raise err_exception(err, f"a {codec} encoder for {self.wanted.width} x {self.wanted.height}")
        return 0

    cdef int put_rate(self, uint32_t bitrate, double fps) noexcept nogil:
        return RTC_ESTATE

    cdef int put_size(self, uint32_t width, uint32_t height) noexcept nogil:
        return RTC_ESTATE

    cdef int put_screen(self, c_bool on) noexcept nogil:
        return RTC_ESTATE

    cdef int put_picture(self, const rtc_video_picture_t *picture, int64_t pts, c_bool key, rtc_video_packet_t *out) noexcept nogil:
        return RTC_ESTATE

    cdef int enter(self) except -1:
        if not self.busy.acquire(False):
            raise RuntimeError("the encoder is in use by another thread")
        return 0

    def set_rate(self, uint32_t bitrate, double fps):
        """From the next picture on, without a key frame."""
        self.enter()
        cdef int err
        with nogil:
            err = self.put_rate(bitrate, fps)
        self.busy.release()
        if err < 0:
            raise err_exception(err, f"{bitrate} bit/s in {fps} pictures a second")

    def set_size(self, uint32_t width, uint32_t height):
        """Of the pictures from now on. Whether the next one will be a key frame."""
        self.enter()
        cdef int err
        with nogil:
            err = self.put_size(width, height)
        if err >= 0:
            self.wanted.width, self.wanted.height = width, height
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
            err = self.put_screen(said)
        self.busy.release()
        if err < 0:
            raise err_exception(err, "screen content")

    def encode(self, planes, strides, int64_t pts, bint key):
        """(bytes, pts, key, layer as TemporalLayer has it) of an I420 picture of just the size, None when it was left out. Of
        planes, which are not copied, nothing is used after the return."""
        cdef Py_buffer views[3]
        cdef rtc_video_picture_t picture
        cdef rtc_video_packet_t out
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
                columns = self.wanted.width if held == 1 else (self.wanted.width + 1) // 2
                rows = self.wanted.height if held == 1 else (self.wanted.height + 1) // 2
                picture.plane[held - 1] = <const uint8_t *>views[held - 1].buf
                picture.stride[held - 1] = stride
                if stride < columns or views[held - 1].len < stride * (rows - 1) + columns:
                    raise ValueError(f"a plane of {views[held - 1].len} bytes in rows of {stride} for {columns} x {rows}")
            with nogil:
                err = self.put_picture(&picture, pts, force, &out)
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
