# err: results below zero as Python's exceptions. The one place that maps them.

cdef extern from "base/err.h":
    enum:
        RTC_ENOMEM
        RTC_EINVAL
        RTC_ESTATE
        RTC_ENOBUFS
        RTC_ECLOSED
    const char *rtc_err_text(int err)

CLOSED = RTC_ECLOSED


def err_text(int err):
    """What a result below zero means."""
    return rtc_err_text(err).decode()


cdef object err_exception(int err, str what):
    kind = {RTC_ENOMEM: MemoryError, RTC_EINVAL: ValueError, RTC_ENOBUFS: BufferError}.get(err, RuntimeError)
    return kind(f"{what}: {err_text(err)}")
