# srtp: proto/srtp.h as one object for both directions under one master key.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize

cdef extern from "base/err.h":
    enum:
        RTC_EPROTO
        RTC_EAUTH
        RTC_EREPLAY

cdef extern from "proto/srtp.h":
    ctypedef enum rtc_srtp_profile_t:
        RTC_SRTP_AES_CM_128_HMAC_SHA1_80
        RTC_SRTP_AES_CM_128_HMAC_SHA1_32
        RTC_SRTP_AEAD_AES_128_GCM
        RTC_SRTP_AEAD_AES_256_GCM
    enum:
        RTC_SRTP_OVERHEAD
    ctypedef struct rtc_srtp_t:
        pass
    size_t rtc_srtp_key_len(rtc_srtp_profile_t p)
    size_t rtc_srtp_salt_len(rtc_srtp_profile_t p)
    int rtc_srtp_init(rtc_srtp_t *s, rtc_srtp_profile_t p, const uint8_t *key, size_t key_len, const uint8_t *salt,
                      size_t salt_len, int sending)
    void rtc_srtp_clear(rtc_srtp_t *s)
    int64_t rtc_srtp_estimate(const rtc_srtp_t *s, const uint8_t *p, size_t len)
    int rtc_srtp_protect(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap, int64_t index)
    int rtc_srtp_unprotect(rtc_srtp_t *s, uint8_t *p, size_t len, int64_t *index)
    int rtc_srtp_protect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap)
    int rtc_srtp_unprotect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len)


class SrtpError(Exception):
    """A packet that SRTP cannot protect or open: the base of the others, and itself raised when a limit is reached."""

    __module__ = "rtcengine.srtp"


class SrtpAuthError(SrtpError):
    """The authentication tag is wrong: forged, damaged, or made with another key."""

    __module__ = "rtcengine.srtp"


class SrtpReplayError(SrtpError):
    """The index was seen before or lies 1024 or more below the highest (RFC 3711 §3.3.2); or it was sent already."""

    __module__ = "rtcengine.srtp"


class SrtpFormatError(SrtpError, ValueError):
    """Not RTP or RTCP of version 2, too short, or longer than 65535 bytes."""

    __module__ = "rtcengine.srtp"


SRTP_PROFILES = {  # by name: number (RFC 5764 §4.1.2, RFC 7714 §14.2), bytes of key, bytes of salt
    name: (number, rtc_srtp_key_len(number), rtc_srtp_salt_len(number))
    for name, number in (
        ("AEAD_AES_128_GCM", RTC_SRTP_AEAD_AES_128_GCM),
        ("AEAD_AES_256_GCM", RTC_SRTP_AEAD_AES_256_GCM),
        ("AES_CM_128_HMAC_SHA1_80", RTC_SRTP_AES_CM_128_HMAC_SHA1_80),
        ("AES_CM_128_HMAC_SHA1_32", RTC_SRTP_AES_CM_128_HMAC_SHA1_32),
    )
}


cdef object srtp_exception(int err):
    if err in (RTC_ENOMEM, RTC_EINVAL):
        return err_exception(err, "SRTP")
    kind = {RTC_EAUTH: SrtpAuthError, RTC_EREPLAY: SrtpReplayError, RTC_EPROTO: SrtpFormatError}.get(err, SrtpError)
    return kind(err_text(err))


# A copy of any bytes-like object with `room` spare bytes behind it, to be worked on in place before anyone sees it.
cdef bytes srtp_copy(object packet, size_t room, size_t *n):
    cdef Py_buffer view
    PyObject_GetBuffer(packet, &view, PyBUF_SIMPLE)
    try:
        n[0] = <size_t>view.len
        out = PyBytes_FromStringAndSize(NULL, view.len + <Py_ssize_t>room)
        if view.len:
            memcpy(PyBytes_AS_STRING(out), view.buf, n[0])
    finally:
        PyBuffer_Release(&view)
    return out


cdef bytes srtp_result(bytes out, int n):
    if n < 0:
        raise srtp_exception(n)
    return out if n == len(out) else PyBytes_FromStringAndSize(PyBytes_AS_STRING(out), n)


cdef class SrtpSession:
    """SRTP and SRTCP (RFC 3711, RFC 7714) under one master key, a sending and a receiving state.

    profile is the name in its RFC: AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80 or
    AES_CM_128_HMAC_SHA1_32. key is 16 bytes (32 for AES_256), salt is 12 (AEAD) or 14. ValueError when they do not fit.

    Two sessions with the same key must never both send with the same SSRC: their key streams would be equal. With
    DTLS-SRTP, where each side has its own key, that takes two sessions: one sends with the local key, the other
    receives with the remote one. Packets are bytes-like and not changed. Up to 64 SSRCs a direction; when receiving,
    further ones take the place of the idlest (1024 times, then SrtpError), when sending they raise SrtpError.
    """

    cdef rtc_srtp_t tx
    cdef rtc_srtp_t rx
    cdef readonly str profile

    def __cinit__(self, str profile not None, key, salt):
        if profile not in SRTP_PROFILES:
            raise ValueError(f"no SRTP profile {profile!r}; there are {', '.join(SRTP_PROFILES)}")
        number, key_len, salt_len = SRTP_PROFILES[profile]
        cdef const uint8_t[::1] k = key
        cdef const uint8_t[::1] s = salt
        if len(k) != key_len or len(s) != salt_len:
            raise ValueError(f"{profile} takes {key_len} bytes of key and {salt_len} of salt, not {len(k)} and {len(s)}")
        self.profile = profile
        cdef int r = rtc_srtp_init(&self.tx, number, &k[0], key_len, &s[0], salt_len, 1)
        if r == 0:
            r = rtc_srtp_init(&self.rx, number, &k[0], key_len, &s[0], salt_len, 0)
        if r < 0:
            raise srtp_exception(r)

    def __dealloc__(self):
        rtc_srtp_clear(&self.tx)
        rtc_srtp_clear(&self.rx)

    def protect(self, packet):
        """The SRTP packet of an RTP packet.

        The roll-over count is kept per SSRC, from 0, by the rule of RFC 3711 §3.3.1: packets may come in any order
        within 1024 of the highest. The same sequence number again raises SrtpReplayError, since equal indices share a
        key stream; SrtpFormatError when it is not RTP; SrtpError past 64 SSRCs or 2**48 packets (§9.2).
        """
        cdef size_t n = 0
        cdef bytes out = srtp_copy(packet, RTC_SRTP_OVERHEAD, &n)
        cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(out)
        with cython.critical_section(self):
            index = rtc_srtp_estimate(&self.tx, p, n)
            r = <int>index if index < 0 else rtc_srtp_protect(&self.tx, p, n, n + RTC_SRTP_OVERHEAD, index)
        return srtp_result(out, r)

    def unprotect(self, packet):
        """The RTP packet in an SRTP packet.

        Raises SrtpAuthError, SrtpReplayError or SrtpFormatError; nothing is remembered of a packet that raised. The
        first packet of an SSRC may be of roll-over 0 or 1.
        """
        cdef size_t n = 0
        cdef int64_t index = 0
        cdef bytes out = srtp_copy(packet, 0, &n)
        cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(out)
        with cython.critical_section(self):
            r = rtc_srtp_unprotect(&self.rx, p, n, &index)
        return srtp_result(out, r)

    def protect_rtcp(self, packet):
        """The SRTCP packet of an RTCP packet, compound or reduced-size.

        Indices count from 0 per SSRC of the first header. SrtpFormatError when it is not RTCP; SrtpError past 64 SSRCs
        or 2**31 packets of one SSRC (RFC 3711 §9.2).
        """
        cdef size_t n = 0
        cdef bytes out = srtp_copy(packet, RTC_SRTP_OVERHEAD, &n)
        cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(out)
        with cython.critical_section(self):
            r = rtc_srtp_protect_rtcp(&self.tx, p, n, n + RTC_SRTP_OVERHEAD)
        return srtp_result(out, r)

    def unprotect_rtcp(self, packet):
        """The RTCP packet in an SRTCP packet, also in one that is only authenticated (E = 0). Raises as unprotect."""
        cdef size_t n = 0
        cdef bytes out = srtp_copy(packet, 0, &n)
        cdef uint8_t *p = <uint8_t *>PyBytes_AS_STRING(out)
        with cython.critical_section(self):
            r = rtc_srtp_unprotect_rtcp(&self.rx, p, n)
        return srtp_result(out, r)
