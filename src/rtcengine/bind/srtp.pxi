# srtp: proto/srtp.h as one object for both directions under one master key.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize

cdef extern from "base/err.h":
    enum:
        RTC_EPROTO
        RTC_EAUTH
        RTC_EREPLAY

cdef extern from "base/crypto.h":
    enum:
        RTC_SEALER_BEST
    ctypedef struct rtc_sealer_t:
        pass
    int rtc_sealer_init(rtc_sealer_t *s, int path)
    void rtc_sealer_clear(rtc_sealer_t *s)
    const char *rtc_sealer_backend(const rtc_sealer_t *s)

cdef extern from "base/window.h":
    enum:
        RTC_WINDOW_SIZE
        RTC_WINDOW_SIZE_LEAST
        RTC_WINDOW_SIZE_MOST

cdef extern from "proto/srtp.h":
    ctypedef enum rtc_srtp_profile_t:
        RTC_SRTP_AES_CM_128_HMAC_SHA1_80
        RTC_SRTP_AES_CM_128_HMAC_SHA1_32
        RTC_SRTP_AEAD_AES_128_GCM
        RTC_SRTP_AEAD_AES_256_GCM
    enum:
        RTC_SRTP_OVERHEAD
        RTC_SRTP_ESTIMATE
    ctypedef struct rtc_srtp_t:
        pass
    ctypedef struct rtc_srtp_job_t:
        rtc_srtp_t *s
        uint8_t *p
        size_t len
        size_t cap
        int64_t index
        int result
    size_t rtc_srtp_key_len(rtc_srtp_profile_t p)
    size_t rtc_srtp_salt_len(rtc_srtp_profile_t p)
    int rtc_srtp_init(rtc_srtp_t *s, rtc_srtp_profile_t p, const uint8_t *key, size_t key_len, const uint8_t *salt,
                      size_t salt_len, int sending)
    int rtc_srtp_window(rtc_srtp_t *s, uint32_t size)
    void rtc_srtp_clear(rtc_srtp_t *s)
    int64_t rtc_srtp_estimate(const rtc_srtp_t *s, const uint8_t *p, size_t len)
    int rtc_srtp_protect(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap, int64_t index)
    int rtc_srtp_unprotect(rtc_srtp_t *s, uint8_t *p, size_t len, int64_t *index)
    int rtc_srtp_protect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len, size_t cap)
    int rtc_srtp_unprotect_rtcp(rtc_srtp_t *s, uint8_t *p, size_t len)
    int rtc_srtp_protect_batch(rtc_sealer_t *sealer, rtc_srtp_job_t *jobs, int n) nogil
    int rtc_srtp_unprotect_batch(rtc_srtp_job_t *jobs, int n) nogil


cdef enum:
    SRTP_SMALL = 2048

cdef enum srtp_call:
    SRTP_PROTECT
    SRTP_UNPROTECT
    SRTP_PROTECT_RTCP
    SRTP_UNPROTECT_RTCP


class SrtpError(Exception):
    """A packet that SRTP cannot protect or open: the base of the others, and itself raised when a limit is reached."""

    __module__ = "rtcengine.srtp"


class SrtpAuthError(SrtpError):
    """The authentication tag is wrong: forged, damaged, or made with another key."""

    __module__ = "rtcengine.srtp"


class SrtpReplayError(SrtpError):
    """The index was seen before or lies the window (1024) or more below the highest (RFC 3711 §3.3.2); or it was sent already."""

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


def srtp_error(int code):
    """The exception, not raised, that a result below zero of protect_array or unprotect_array stands for."""
    if code >= 0:
        raise ValueError(f"{code} is a length, not an error")
    kind = {RTC_EAUTH: SrtpAuthError, RTC_EREPLAY: SrtpReplayError, RTC_EPROTO: SrtpFormatError}.get(code, SrtpError)
    return kind(err_text(code))


SRTP_OVERHEAD = RTC_SRTP_OVERHEAD
SRTP_WINDOW = RTC_WINDOW_SIZE
SRTP_WINDOW_LEAST = RTC_WINDOW_SIZE_LEAST
SRTP_WINDOW_MOST = RTC_WINDOW_SIZE_MOST


cdef object srtp_exception(int err):
    return err_exception(err, "SRTP") if err in (RTC_ENOMEM, RTC_EINVAL) else srtp_error(err)


# Runs the ciphers of one batch at a time. Making one takes milliseconds, so each is given back to `srtp_sealers` after use.
cdef class SrtpSealer:
    cdef rtc_sealer_t own

    def __cinit__(self):
        if rtc_sealer_init(&self.own, RTC_SEALER_BEST) != 0:
            raise MemoryError

    def __dealloc__(self):
        rtc_sealer_clear(&self.own)


cdef list srtp_sealers = []


def sealer_backend():
    """What runs the ciphers of batches on this machine: "OpenSSL" or "intel-ipsec-mb .."."""
    return rtc_sealer_backend(NULL).decode()


cdef SrtpSealer srtp_sealer():
    try:
        return srtp_sealers.pop()
    except IndexError:
        return SrtpSealer()


# Jobs of one batch, with the bytes to work on when they are copies (`bytes` NULL when they are the caller's).
cdef class SrtpJobs:
    cdef rtc_srtp_job_t *job
    cdef uint8_t *bytes
    cdef int n

    def __cinit__(self, Py_ssize_t n):
        if n > 0x7fffffff:
            raise ValueError(f"{n} packets are more than a batch takes")
        self.n = <int>n
        self.job = <rtc_srtp_job_t *>calloc(<size_t>n + 1, sizeof(rtc_srtp_job_t))
        if self.job == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.job)
        free(self.bytes)

    cdef int put(self, list packets, size_t room) except -1:
        """Copies of the packets, one behind the other, each with `room` spare bytes."""
        cdef Py_buffer view
        cdef size_t size = 0, used = 0, want
        cdef uint8_t *grown
        cdef int i
        for i in range(self.n):
            PyObject_GetBuffer(packets[i], &view, PyBUF_SIMPLE)
            try:
                want = used + <size_t>view.len + room
                if want > size:
                    size = want if want > 2 * size else 2 * size
                    grown = <uint8_t *>realloc(self.bytes, size)
                    if grown == NULL:
                        raise MemoryError
                    self.bytes = grown
                memcpy(self.bytes + used, view.buf, <size_t>view.len)
                self.job[i].len = <size_t>view.len
                self.job[i].cap = <size_t>view.len + room
                used = want
            finally:
                PyBuffer_Release(&view)
        used = 0
        for i in range(self.n):  # only now: growing has moved them
            self.job[i].p = self.bytes + used
            used += self.job[i].cap
        return 0

    cdef int place(self, uint8_t[::1] buffer, const int64_t[::1] offsets, const int64_t[::1] lengths) except -1:
        """Where packets lie in the caller's buffer; what follows each up to the next is its room."""
        cdef int64_t size = buffer.shape[0], at, n, end = 0
        cdef uint8_t *base = &buffer[0] if size else NULL
        cdef int i
        for i in range(self.n):
            at = offsets[i]
            n = lengths[i]
            if at < end or at > size or n < 0 or n > size - at:
                raise ValueError(f"packet {i}, {n} bytes at {at}, overlaps the one before it or leaves the buffer of {size}")
            self.job[i].p = base + at
            self.job[i].len = <size_t>n
            self.job[i].cap = <size_t>(size - at)
            if i:
                self.job[i - 1].cap = <size_t>(self.job[i].p - self.job[i - 1].p)
            end = at + n
        return 0

    cdef list results(self):
        return [
            srtp_error(self.job[i].result)
            if self.job[i].result < 0
            else PyBytes_FromStringAndSize(<char *>self.job[i].p, self.job[i].result)
            for i in range(self.n)
        ]


cdef class SrtpSession:
    """SRTP and SRTCP (RFC 3711, RFC 7714) under one master key, a sending and a receiving state.

    profile is the name in its RFC: AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80 or
    AES_CM_128_HMAC_SHA1_32. key is 16 bytes (32 for AES_256), salt is 12 (AEAD) or 14. window is how far behind the highest
    index a packet is still taken (RFC 3711 §3.3.2), SRTP and SRTCP, 64 to 32768. ValueError when they do not fit.

    Two sessions with the same key must never both send with the same SSRC: their key streams would be equal. With
    DTLS-SRTP, where each side has its own key, that takes two sessions: one sends with the local key, the other
    receives with the remote one. Packets are bytes-like and, but for the forms that say so, not changed. Any thread may
    call at any time. Up to 64 SSRCs a direction; when receiving,
    further ones take the place of the idlest (1024 times, then SrtpError), when sending they raise SrtpError.
    """

    cdef rtc_srtp_t tx
    cdef rtc_srtp_t rx
    cdef cython.pymutex tx_lock  # batches let go of the GIL
    cdef cython.pymutex rx_lock
    cdef readonly str profile
    cdef readonly int window

    def __cinit__(self, str profile not None, key, salt, *, int window=RTC_WINDOW_SIZE):
        if profile not in SRTP_PROFILES:
            raise ValueError(f"no SRTP profile {profile!r}; there are {', '.join(SRTP_PROFILES)}")
        number, key_len, salt_len = SRTP_PROFILES[profile]
        cdef const uint8_t[::1] k = key
        cdef const uint8_t[::1] s = salt
        if len(k) != key_len or len(s) != salt_len:
            raise ValueError(f"{profile} takes {key_len} bytes of key and {salt_len} of salt, not {len(k)} and {len(s)}")
        if not RTC_WINDOW_SIZE_LEAST <= window <= RTC_WINDOW_SIZE_MOST:
            raise ValueError(f"a replay window of {window} is not {RTC_WINDOW_SIZE_LEAST} to {RTC_WINDOW_SIZE_MOST}")
        self.profile = profile
        self.window = window
        cdef int r = rtc_srtp_init(&self.tx, number, &k[0], key_len, &s[0], salt_len, 1)
        if r == 0:
            r = rtc_srtp_init(&self.rx, number, &k[0], key_len, &s[0], salt_len, 0)
        if r == 0:
            r = rtc_srtp_window(&self.rx, <uint32_t>window)
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
        return self.one(packet, SRTP_PROTECT)

    def unprotect(self, packet):
        """The RTP packet in an SRTP packet.

        Raises SrtpAuthError, SrtpReplayError or SrtpFormatError; nothing is remembered of a packet that raised. The
        first packet of an SSRC may be of roll-over 0 or 1.
        """
        return self.one(packet, SRTP_UNPROTECT)

    def protect_rtcp(self, packet):
        """The SRTCP packet of an RTCP packet, compound or reduced-size.

        Indices count from 0 per SSRC of the first header. SrtpFormatError when it is not RTCP; SrtpError past 64 SSRCs
        or 2**31 packets of one SSRC (RFC 3711 §9.2).
        """
        return self.one(packet, SRTP_PROTECT_RTCP)

    def unprotect_rtcp(self, packet):
        """The RTCP packet in an SRTCP packet, also in one that is only authenticated (E = 0). Raises as unprotect."""
        return self.one(packet, SRTP_UNPROTECT_RTCP)

    # The packet is worked on in a copy, here when it is as short as packets are, so that the result is allocated once.
    cdef bytes one(self, packet, srtp_call call):
        cdef uint8_t small[SRTP_SMALL]
        cdef uint8_t *p = small
        cdef uint8_t *large = NULL
        cdef Py_buffer view
        cdef size_t n
        cdef int r
        PyObject_GetBuffer(packet, &view, PyBUF_SIMPLE)
        try:
            n = <size_t>view.len
            if n + RTC_SRTP_OVERHEAD > SRTP_SMALL:
                p = large = <uint8_t *>malloc(n + RTC_SRTP_OVERHEAD)
                if p == NULL:
                    raise MemoryError
            if n:
                memcpy(p, view.buf, n)
            r = self.run(p, n, call)
            if r < 0:
                raise srtp_exception(r)
            return PyBytes_FromStringAndSize(<char *>p, r)
        finally:
            free(large)
            PyBuffer_Release(&view)

    cdef int run(self, uint8_t *p, size_t n, srtp_call call) except? -1:
        cdef int64_t index = 0
        if call == SRTP_PROTECT:
            with self.tx_lock:
                index = rtc_srtp_estimate(&self.tx, p, n)
                return <int>index if index < 0 else rtc_srtp_protect(&self.tx, p, n, n + RTC_SRTP_OVERHEAD, index)
        if call == SRTP_PROTECT_RTCP:
            with self.tx_lock:
                return rtc_srtp_protect_rtcp(&self.tx, p, n, n + RTC_SRTP_OVERHEAD)
        with self.rx_lock:
            if call == SRTP_UNPROTECT:
                return rtc_srtp_unprotect(&self.rx, p, n, &index)
            return rtc_srtp_unprotect_rtcp(&self.rx, p, n)

    def protect_many(self, packets):
        """SRTP packets of RTP packets, as protect one after the other gives them, with the GIL let go of meanwhile.

        As many results, in order: bytes, or in the place of a packet that failed its SrtpError, not raised, since the
        packets around it have used their indices and must not be lost.
        """
        cdef list items = list(packets)
        cdef SrtpJobs jobs = SrtpJobs(len(items))
        jobs.put(items, RTC_SRTP_OVERHEAD)
        self.protect_jobs(jobs)
        return jobs.results()

    def unprotect_many(self, packets):
        """RTP packets in SRTP packets, as unprotect one after the other gives them, with the GIL let go of meanwhile.

        As many results, in order: bytes, or in the place of a packet that was refused its SrtpError, not raised.
        """
        cdef list items = list(packets)
        cdef SrtpJobs jobs = SrtpJobs(len(items))
        jobs.put(items, 0)
        self.unprotect_jobs(jobs)
        return jobs.results()

    def protect_array(self, buffer, offsets, lengths):
        """Protects RTP packets where they lie in one array, with the GIL let go of; returns the new lengths.

        buffer is a writable uint8 array of shape (size,), offsets and lengths are int64 arrays of shape (packets,), all
        contiguous and in bytes: packet i is buffer[offsets[i] : offsets[i] + lengths[i]]. Offsets ascend and packets do
        not overlap. Behind each packet, up to the next one's offset or the buffer's end, at least OVERHEAD bytes must
        be free for the tag. Returns an int64 array of shape (packets,): the length now, or below zero what failed
        (srtp_error tells; the other packets are not concerned). ValueError, with nothing changed, when arrays do not
        fit each other. Nobody else may use the buffer meanwhile.
        """
        return self.array(buffer, offsets, lengths, True)

    def unprotect_array(self, buffer, offsets, lengths):
        """Opens SRTP packets where they lie in one array, with the GIL let go of; returns the new lengths.

        Arguments and result are as in protect_array, but no room is needed behind packets. The bytes of a packet that
        was refused are undefined.
        """
        return self.array(buffer, offsets, lengths, False)

    cdef object array(self, uint8_t[::1] buffer, const int64_t[::1] offsets, const int64_t[::1] lengths, bint protect):
        from numpy import empty, int64

        if offsets.shape[0] != lengths.shape[0]:
            raise ValueError(f"{offsets.shape[0]} offsets and {lengths.shape[0]} lengths")
        cdef SrtpJobs jobs = SrtpJobs(offsets.shape[0])
        jobs.place(buffer, offsets, lengths)
        if protect:
            self.protect_jobs(jobs)
        else:
            self.unprotect_jobs(jobs)
        result = empty(jobs.n, int64)
        cdef int64_t[::1] out = result
        for i in range(jobs.n):
            out[i] = jobs.job[i].result
        return result

    cdef int lock(self, bint sending) except -1:
        if sending:
            self.tx_lock.acquire()
        else:
            self.rx_lock.acquire()
        return 0

    cdef int unlock(self, bint sending) except -1:
        if sending:
            self.tx_lock.release()
        else:
            self.rx_lock.release()
        return 0

    cdef int protect_jobs(self, SrtpJobs jobs) except -1:
        cdef SrtpSealer sealer = srtp_sealer()
        for i in range(jobs.n):
            jobs.job[i].s = &self.tx
            jobs.job[i].index = RTC_SRTP_ESTIMATE
        with self.tx_lock:
            with nogil:
                rtc_srtp_protect_batch(&sealer.own, jobs.job, jobs.n)
        srtp_sealers.append(sealer)
        return 0

    cdef int unprotect_jobs(self, SrtpJobs jobs) except -1:
        for i in range(jobs.n):
            jobs.job[i].s = &self.rx
        with self.rx_lock:
            with nogil:
                rtc_srtp_unprotect_batch(jobs.job, jobs.n)
        return 0


def protect_each(sessions, packets):
    """SRTP packets of RTP packets, packet i by session i, in one batch with the GIL let go of.

    A session may come several times; its packets go in order. Results are as in SrtpSession.protect_many. ValueError
    when there are not as many sessions as packets.
    """
    return srtp_each(list(sessions), list(packets), True)


def unprotect_each(sessions, packets):
    """RTP packets in SRTP packets, packet i by session i; otherwise as protect_each and SrtpSession.unprotect_many."""
    return srtp_each(list(sessions), list(packets), False)


cdef list srtp_each(list sessions, list packets, bint protect):
    cdef SrtpJobs jobs = SrtpJobs(len(packets))
    cdef SrtpSession s
    if len(sessions) != len(packets):
        raise ValueError(f"{len(sessions)} sessions and {len(packets)} packets")
    jobs.put(packets, RTC_SRTP_OVERHEAD if protect else 0)
    for i, session in enumerate(sessions):
        s = <SrtpSession?>session
        jobs.job[i].s = &s.tx if protect else &s.rx
        jobs.job[i].index = RTC_SRTP_ESTIMATE
    cdef SrtpSealer sealer = srtp_sealer() if protect else None
    # In one order everywhere, so that two batches of the same sessions never wait for each other.
    cdef list held = []
    try:
        for session in sorted(set(sessions), key=id):
            (<SrtpSession>session).lock(protect)
            held.append(session)
        with nogil:
            if protect:
                rtc_srtp_protect_batch(&sealer.own, jobs.job, jobs.n)
            else:
                rtc_srtp_unprotect_batch(jobs.job, jobs.n)
    finally:
        for session in held:
            (<SrtpSession>session).unlock(protect)
    if protect:
        srtp_sealers.append(sealer)
    return jobs.results()
