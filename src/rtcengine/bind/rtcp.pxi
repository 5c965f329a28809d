# rtcp: wire/rtcp.h and wire/twccfb.h: compound packets as rows (name, fields in the order of rtcengine.rtp's class).

from libc.stdint cimport int32_t

cdef extern from "base/bytes.h":
    ctypedef struct rtc_rd_t:
        pass
    rtc_rd_t rtc_rd(const uint8_t *p, size_t n)
    ctypedef struct rtc_wr_t:
        bint bad
    rtc_wr_t rtc_wr(uint8_t *p, size_t cap)
    size_t rtc_wr_len(const rtc_wr_t *w)
    void rtc_wr8(rtc_wr_t *w, uint8_t v)
    void rtc_wr16(rtc_wr_t *w, uint16_t v)
    void rtc_wr_bytes(rtc_wr_t *w, const void *src, size_t n)

cdef extern from "base/time.h":
    int64_t RTC_NEVER

cdef extern from "wire/rtcp.h":
    enum:
        RTC_RTCP_SR
        RTC_RTCP_RR
        RTC_RTCP_SDES
        RTC_RTCP_BYE
        RTC_RTCP_RTPFB
        RTC_RTCP_PSFB
        RTC_FB_NACK
        RTC_FB_TWCC
        RTC_FB_PLI
        RTC_FB_FIR
        RTC_FB_AFB
    ctypedef struct rtc_rtcp_t:
        uint8_t type
        uint8_t count
        uint32_t ssrc
        uint32_t media
        const uint8_t *body
        size_t len
    ctypedef struct rtc_sr_t:
        uint32_t ssrc
        uint32_t rtp_ts
        uint32_t packets
        uint32_t octets
        uint64_t ntp
    ctypedef struct rtc_rb_t:
        uint32_t ssrc
        uint8_t fraction
        int32_t lost
        uint32_t highest
        uint32_t jitter
        uint32_t lsr
        uint32_t dlsr
    ctypedef struct rtc_fir_t:
        uint32_t ssrc
        uint8_t seq
    int rtc_rtcp_next(rtc_rd_t *r, rtc_rtcp_t *out)
    int rtc_rtcp_read_sr(const rtc_rtcp_t *b, rtc_sr_t *out)
    int rtc_rtcp_read_rbs(const rtc_rtcp_t *b, rtc_rb_t *out, int cap)
    int rtc_rtcp_read_nack(const rtc_rtcp_t *b, uint16_t *out, int cap)
    int rtc_rtcp_read_fir(const rtc_rtcp_t *b, rtc_fir_t *out, int cap)
    int rtc_rtcp_read_remb(const rtc_rtcp_t *b, uint64_t *bps, uint32_t *ssrcs, int cap)
    int rtc_rtcp_read_bye(const rtc_rtcp_t *b, uint32_t *ssrcs, int cap)
    int rtc_rtcp_read_cname(const rtc_rtcp_t *b, uint32_t *ssrc, const uint8_t **cname)
    void rtc_rtcp_write_sr(rtc_wr_t *w, const rtc_sr_t *sr, const rtc_rb_t *rbs, int n)
    void rtc_rtcp_write_rr(rtc_wr_t *w, uint32_t ssrc, const rtc_rb_t *rbs, int n)
    void rtc_rtcp_write_sdes_cname(rtc_wr_t *w, uint32_t ssrc, const char *cname)
    void rtc_rtcp_write_bye(rtc_wr_t *w, const uint32_t *ssrcs, int n)
    void rtc_rtcp_write_nack(rtc_wr_t *w, uint32_t ssrc, uint32_t media, const uint16_t *seqs, int n)
    void rtc_rtcp_write_pli(rtc_wr_t *w, uint32_t ssrc, uint32_t media)
    void rtc_rtcp_write_fir(rtc_wr_t *w, uint32_t ssrc, const rtc_fir_t *firs, int n)
    void rtc_rtcp_write_remb(rtc_wr_t *w, uint32_t ssrc, uint64_t bps, const uint32_t *ssrcs, int n)

cdef extern from "wire/twccfb.h":
    enum:
        RTC_TWCC_MAX
    ctypedef struct rtc_twccfb_t:
        uint16_t base
        int n
        uint8_t fb_count
    int rtc_twccfb_write(rtc_wr_t *w, uint32_t ssrc, uint32_t media, uint16_t base, const int64_t *at, int n,
                         uint8_t fb_count)
    int rtc_twccfb_read(const rtc_rtcp_t *b, rtc_twccfb_t *out, int64_t *at, int cap)

cdef enum:
    RB_MAX = 31  # what the count of a header can say
    SEQS_MAX = 65536  # a NACK names no more different numbers
    SMALL = 1500  # what nearly all compound packets fit into


# malloc that raises; freed by the caller.
cdef void *rtcp_room(size_t n, size_t size) except NULL:
    cdef void *p = malloc(n * size + 1)
    if p == NULL:
        raise MemoryError
    return p


def rtcp_parse(data):
    """Rows of a compound or reduced-size packet."""
    cdef Py_buffer view
    cdef rtc_rd_t r
    cdef rtc_rtcp_t b
    cdef int more
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        rows = []
        r = rtc_rd(<const uint8_t *>view.buf, <size_t>view.len)
        more = rtc_rtcp_next(&r, &b) if 0 < view.len <= RTP_MAX else RTC_EPROTO
        while more > 0:
            rows.append(rtcp_row(&b))
            more = rtc_rtcp_next(&r, &b)
        if more < 0:
            raise RtpFormatError(f"{view.len} bytes that are not RTCP" if not rows else f"no RTCP after {len(rows)} packets")
        return rows
    finally:
        PyBuffer_Release(&view)


cdef int rtcp_whole(int n, str name) except -1:
    if n < 0:
        raise RtpFormatError(f"a malformed {name}")
    return n


cdef list rtcp_reports(const rtc_rtcp_t *b):
    cdef rtc_rb_t rbs[RB_MAX]
    cdef rtc_rb_t *rb
    rows = []
    for i in range(rtcp_whole(rtc_rtcp_read_rbs(b, rbs, RB_MAX), "report")):
        rb = &rbs[i]
        rows.append((rb.ssrc, rb.fraction, rb.lost, rb.highest, rb.jitter, rb.lsr, rb.dlsr))
    return rows


cdef list rtcp_seqs(const rtc_rtcp_t *b):
    cdef int i, cap = <int>(b.len // 4) * 17  # a PID and 16 bits
    cdef uint16_t *seqs = <uint16_t *>rtcp_room(cap, sizeof(uint16_t))
    try:
        return [seqs[i] for i in range(rtcp_whole(rtc_rtcp_read_nack(b, seqs, cap), "NACK"))]
    finally:
        free(seqs)


cdef list rtcp_requests(const rtc_rtcp_t *b):
    cdef int i, cap = <int>(b.len // sizeof(rtc_fir_t)) + 1
    cdef rtc_fir_t *firs = <rtc_fir_t *>rtcp_room(cap, sizeof(rtc_fir_t))
    try:
        return [(firs[i].ssrc, firs[i].seq) for i in range(rtcp_whole(rtc_rtcp_read_fir(b, firs, cap), "FIR"))]
    finally:
        free(firs)


cdef tuple rtcp_arrivals(const rtc_rtcp_t *b):
    cdef rtc_twccfb_t fb
    cdef int i
    cdef int64_t *at = <int64_t *>rtcp_room(RTC_TWCC_MAX, sizeof(int64_t))
    try:
        rtcp_whole(rtc_twccfb_read(b, &fb, at, RTC_TWCC_MAX), "transport feedback")
        arrivals = [None if at[i] == RTC_NEVER else at[i] for i in range(fb.n)]
    finally:
        free(at)
    return b.ssrc, b.media, fb.base, arrivals, fb.fb_count


cdef tuple rtcp_row(const rtc_rtcp_t *b):
    cdef rtc_sr_t sr
    cdef uint32_t ssrc
    cdef uint32_t ssrcs[256]
    cdef const uint8_t *text
    cdef uint64_t bps
    cdef int i, n
    if b.type == RTC_RTCP_SR:
        rtcp_whole(rtc_rtcp_read_sr(b, &sr), "sender report")
        return "SR", (sr.ssrc, sr.ntp, sr.rtp_ts, sr.packets, sr.octets, rtcp_reports(b))
    if b.type == RTC_RTCP_RR:
        return "RR", (b.ssrc, rtcp_reports(b))
    if b.type == RTC_RTCP_SDES:
        n = rtc_rtcp_read_cname(b, &ssrc, &text)
        if n >= 0:
            return "SDES", (ssrc, text[:n].decode("utf-8", "replace"))
    elif b.type == RTC_RTCP_BYE:
        n = rtcp_whole(rtc_rtcp_read_bye(b, ssrcs, RB_MAX), "BYE")
        return "BYE", ([ssrcs[i] for i in range(n)],)
    elif b.type == RTC_RTCP_RTPFB and b.count == RTC_FB_NACK:
        return "NACK", (b.ssrc, b.media, rtcp_seqs(b))
    elif b.type == RTC_RTCP_RTPFB and b.count == RTC_FB_TWCC:
        return "TWCC", rtcp_arrivals(b)
    elif b.type == RTC_RTCP_PSFB and b.count == RTC_FB_PLI:
        return "PLI", (b.ssrc, b.media)
    elif b.type == RTC_RTCP_PSFB and b.count == RTC_FB_FIR:
        return "FIR", (b.ssrc, rtcp_requests(b))
    elif b.type == RTC_RTCP_PSFB and b.count == RTC_FB_AFB:
        n = rtc_rtcp_read_remb(b, &bps, ssrcs, 256)
        if n >= 0:
            return "REMB", (b.ssrc, bps, [ssrcs[i] for i in range(n)])
    return "OTHER", (b.type, b.count, PyBytes_FromStringAndSize(<const char *>b.body, <Py_ssize_t>b.len))


def rtcp_serialize(rows):
    """The compound packet of rows."""
    cdef uint8_t small[SMALL]
    cdef uint8_t *large = NULL
    out = rtcp_bytes(small, SMALL, rows)
    if out is None:
        large = <uint8_t *>rtcp_room(RTP_MAX, 1)
        try:
            out = rtcp_bytes(large, RTP_MAX, rows)
        finally:
            free(large)
    if out is None:
        raise RtpFormatError(f"no room: a compound packet has at most {RTP_MAX} bytes")
    return out


# None when there is no room.
cdef object rtcp_bytes(uint8_t *out, size_t cap, rows):
    cdef rtc_wr_t w = rtc_wr(out, cap)
    cdef size_t before
    try:
        for name, fields in rows:
            before = rtc_wr_len(&w)
            rtcp_write(&w, name, fields, cap)
            if w.bad:
                return None
            if rtc_wr_len(&w) == before:
                raise RtpFormatError(f"{name} names nothing")
    except OverflowError as error:
        raise RtpFormatError(f"a value does not fit its field: {error}") from None
    return PyBytes_FromStringAndSize(<char *>out, <Py_ssize_t>rtc_wr_len(&w))


cdef int rtcp_count(items, int most, str what) except -1:
    if len(items) > most:
        raise RtpFormatError(f"{len(items)} {what}: at most {most} are possible")
    return <int>len(items)


cdef int rtcp_put_reports(rtc_rb_t *rbs, reports) except -1:
    cdef rtc_rb_t *rb
    cdef int n = rtcp_count(reports, RB_MAX, "report blocks")
    for i in range(n):
        rb = &rbs[i]
        rb.ssrc, rb.fraction, rb.lost, rb.highest, rb.jitter, rb.lsr, rb.dlsr = reports[i]
    return n


cdef int rtcp_put_ssrcs(uint32_t *out, ssrcs, int most) except -1:
    cdef int n = rtcp_count(ssrcs, most, "SSRCs")
    for i in range(n):
        out[i] = ssrcs[i]
    return n


cdef int rtcp_write(rtc_wr_t *w, str name, tuple fields, size_t cap) except -1:
    cdef rtc_sr_t sr
    cdef rtc_rb_t rbs[RB_MAX]
    cdef uint32_t ssrcs[256]
    cdef bytes raw
    if name == "SR":
        sr.ssrc, sr.ntp, sr.rtp_ts, sr.packets, sr.octets, reports = fields
        rtc_rtcp_write_sr(w, &sr, rbs, rtcp_put_reports(rbs, reports))
    elif name == "RR":
        ssrc, reports = fields
        rtc_rtcp_write_rr(w, ssrc, rbs, rtcp_put_reports(rbs, reports))
    elif name == "SDES":
        ssrc, cname = fields
        raw = cname.encode("utf-8", "replace")
        if b"\0" in raw or len(raw) > 255:
            raise RtpFormatError("a CNAME has at most 255 bytes of UTF-8 and no NUL")
        rtc_rtcp_write_sdes_cname(w, ssrc, raw)
    elif name == "BYE":
        rtc_rtcp_write_bye(w, ssrcs, rtcp_put_ssrcs(ssrcs, fields[0], RB_MAX))
    elif name == "NACK":
        rtcp_write_nack(w, fields[0], fields[1], fields[2])
    elif name == "TWCC":
        rtcp_write_twcc(w, fields[0], fields[1], fields[2], fields[3], fields[4], cap)
    elif name == "PLI":
        ssrc, media = fields
        rtc_rtcp_write_pli(w, ssrc, media)
    elif name == "FIR":
        rtcp_write_fir(w, fields[0], fields[1])
    elif name == "REMB":
        ssrc, bps, named = fields
        rtc_rtcp_write_remb(w, ssrc, bps, ssrcs, rtcp_put_ssrcs(ssrcs, named, 255))
    else:
        rtcp_write_other(w, fields[0], fields[1], fields[2])
    return 0


cdef int rtcp_write_nack(rtc_wr_t *w, uint32_t ssrc, uint32_t media, numbers) except -1:
    cdef int n = rtcp_count(numbers, SEQS_MAX, "sequence numbers")
    cdef uint16_t *seqs = <uint16_t *>rtcp_room(n, sizeof(uint16_t))
    try:
        for i in range(n):
            seqs[i] = numbers[i]
        rtc_rtcp_write_nack(w, ssrc, media, seqs, n)
    finally:
        free(seqs)
    return 0


cdef int rtcp_write_fir(rtc_wr_t *w, uint32_t ssrc, requests) except -1:
    cdef int n = rtcp_count(requests, SEQS_MAX, "requests")
    cdef rtc_fir_t *firs = <rtc_fir_t *>rtcp_room(n, sizeof(rtc_fir_t))
    try:
        for i in range(n):
            firs[i].ssrc, firs[i].seq = requests[i]
        rtc_rtcp_write_fir(w, ssrc, firs, n)
    finally:
        free(firs)
    return 0


cdef int rtcp_write_twcc(rtc_wr_t *w, uint32_t ssrc, uint32_t media, uint16_t base, arrivals, uint8_t fb_count,
                         size_t cap) except -1:
    cdef int n = rtcp_count(arrivals, RTC_TWCC_MAX, "arrivals"), done = 0
    cdef int64_t *at = <int64_t *>rtcp_room(n, sizeof(int64_t))
    try:
        for i in range(n):
            us = arrivals[i]
            if us is not None and abs(us) >= 1 << 62:
                raise RtpFormatError(f"an arrival at {us} us")
            at[i] = RTC_NEVER if us is None else us
        if n:
            done = rtc_twccfb_write(w, ssrc, media, base, at, n, fb_count)
    finally:
        free(at)
    if 0 < done < n and cap < RTP_MAX:
        w.bad = True  # there may be more room
    elif 0 < done < n:
        raise RtpFormatError(f"{done} of {n} arrivals fit in one transport feedback: those from there on go in another")
    return 0


cdef int rtcp_write_other(rtc_wr_t *w, int packet_type, int count, data) except -1:
    cdef bytes body = bytes(data)
    if not 192 <= packet_type <= 223 or not 0 <= count <= RB_MAX or len(body) % 4 or len(body) > RTP_MAX:
        raise RtpFormatError(f"RTCP type {packet_type} (192 to 223), count {count} (0 to 31), {len(body)} bytes (whole words)")
    rtc_wr8(w, 0x80 | <uint8_t>count)
    rtc_wr8(w, <uint8_t>packet_type)
    rtc_wr16(w, <uint16_t>(len(body) // 4))
    rtc_wr_bytes(w, PyBytes_AS_STRING(body), <size_t>len(body))
    return 0
