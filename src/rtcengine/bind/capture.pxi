# capture: what transports send and receive, written to a file by a thread of its own.

from posix.unistd cimport close

cdef extern from "engine/capture.h":
    enum:
        RTC_CAPTURE_BYTES
    ctypedef struct rtc_capture_t:
        pass
    rtc_capture_t *rtc_capture_new(uint64_t bytes, bint wire, uint16_t port)
    rtc_capture_t *rtc_capture_ref(rtc_capture_t *c)
    void rtc_capture_free(rtc_capture_t *c) nogil

cdef extern from "io/capfile.h":
    ctypedef struct rtc_capfile_t:
        pass
    ctypedef struct rtc_capfile_info_t:
        uint64_t packets
        uint64_t bytes
        uint64_t dropped
        int error
    rtc_capfile_t *rtc_capfile_new(int fd, rtc_capture_t *c, uint64_t limit)
    void rtc_capfile_stop(rtc_capfile_t *f) nogil
    void rtc_capfile_free(rtc_capfile_t *f) nogil
    void rtc_capfile_info(rtc_capfile_t *f, rtc_capfile_info_t *out) nogil


cdef class Capture:
    """A capture and the thread that writes it."""

    cdef rtc_capture_t *c
    cdef rtc_capfile_t *f

    def __init__(self, int fd, uint64_t limit, bint wire, uint16_t port):
        """fd: an empty file, which is taken over always."""
        if self.c != NULL:
            raise RuntimeError("made already")
        self.c = rtc_capture_new(RTC_CAPTURE_BYTES, wire, port)
        if self.c == NULL:
            close(fd)
            raise MemoryError
        self.f = rtc_capfile_new(fd, self.c, limit)
        if self.f == NULL:
            raise MemoryError

    def __dealloc__(self):
        with nogil:
            rtc_capfile_free(self.f)
            rtc_capture_free(self.c)

    def stop(self):
        """Writes what still waits, closes the file. Idempotent."""
        with nogil:
            rtc_capfile_stop(self.f)

    def info(self):
        """(packets, bytes, dropped, errno of a write that failed or 0)."""
        cdef rtc_capfile_info_t i
        with nogil:
            rtc_capfile_info(self.f, &i)
        return i.packets, i.bytes, i.dropped, i.error
