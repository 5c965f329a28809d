# loop: commands in, events and results out.

cdef extern from "base/crypto.h":
    const char *rtc_crypto_version()
    uint32_t rtc_crypto_number()
    const char *rtc_crypto_flaw(uint32_t number)

cdef extern from "io/clock.h":
    int64_t rtc_clock_now()

cdef extern from "engine/event.h":
    enum:
        RTC_EV_TRANSPORT
        RTC_EV_RECV
        RTC_EV_KEYFRAME
        RTC_EV_STUN
        RTC_EV_TURN
        RTC_EV_SOCKET
        RTC_EV_LOSS
        RTC_EV_TONE
    ctypedef struct rtc_event_t:
        uint8_t type
        uint8_t state
        uint8_t reason
        bint has_path
        uint8_t ice
        bint controlling
        uint8_t local_type
        uint8_t remote_type
        bint tcp
        uint16_t srtp_profile
        uint16_t code
        uint32_t id
        uint32_t ssrc
        rtc_path_t path
        uint32_t query
        uint16_t stun_error
        uint8_t loss
        uint8_t tone
        uint8_t volume
        int64_t tone_us
        int64_t added
        int64_t checked
        int64_t connected
        int64_t first_media
        rtc_certs_t *certs
        char text[96]

cdef extern from "engine/frame.h":
    ctypedef struct rtc_frame_t:
        uint32_t receiver
        uint32_t len
        int64_t ts
        uint64_t lost
        int64_t at
        uint8_t codec
        bint key
        int16_t level
        int16_t orientation
        int64_t captured_us
        uint8_t csrc_n
        uint8_t *data

cdef extern from "proto/csrcs.h":
    ctypedef struct rtc_csrc_t:
        int64_t at
        uint32_t id
        uint32_t ts
        int16_t level

cdef extern from "io/loop.h":
    enum:
        RTC_LOOP_SOCKETS
    ctypedef struct rtc_loop_t:
        pass
    ctypedef struct rtc_loop_cfg_t:
        const rtc_addr_t *bind
        int bind_n
        int recv_buffer
        int send_buffer
        const char *cert_pem
        const char *key_pem
        size_t cert_len
        size_t key_len
        uint32_t slots
        uint32_t srtp_window
        bint portable
        bint openssl
        int64_t window_us
    ctypedef struct rtc_loop_info_t:
        int socket_n
        rtc_addr_t bound[16]
        int recv_buffer[16]
        int send_buffer[16]
        bint portable
        bint runs
        int64_t window_us
        int64_t cpu_us
        uint64_t steps
        uint64_t recv_calls
        uint64_t send_calls
        uint64_t kernel_drops
        uint64_t send_refused
        uint64_t gso_runs
        uint64_t gso_datagrams
        uint64_t gso_refused
        uint64_t frames_refused
        uint64_t batches_refused
    rtc_loop_t *rtc_loop_new(const rtc_loop_cfg_t *cfg, rtc_udp_fault_t *why)
    int rtc_loop_start(rtc_loop_t *l)
    void rtc_loop_stop(rtc_loop_t *l) nogil
    void rtc_loop_free(rtc_loop_t *l) nogil
    int rtc_loop_submit(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket)
    int rtc_loop_post(rtc_loop_t *l, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket)
    void rtc_loop_nudge(rtc_loop_t *l)
    rtc_sock_t *rtc_loop_open_udp(const rtc_loop_t *l, const rtc_addr_t *bind, int recv_buffer, int send_buffer,
                                  rtc_udp_fault_t *why)
    int rtc_loop_event_fd(const rtc_loop_t *l)
    void rtc_loop_look(rtc_loop_t *l)
    int rtc_loop_event(rtc_loop_t *l, rtc_event_t *out)
    int rtc_loop_acked(rtc_loop_t *l, uint64_t *ticket, int *err, uint32_t *index)
    void rtc_loop_info(const rtc_loop_t *l, rtc_loop_info_t *out)
    int rtc_loop_frames_open(rtc_loop_t *l, uint32_t receiver)
    void rtc_loop_frames_close(rtc_loop_t *l, uint32_t receiver)
    uint32_t rtc_loop_frames_news(rtc_loop_t *l)
    rtc_frame_t *rtc_loop_frame(rtc_loop_t *l, uint32_t receiver)

BUFFER_DEFAULT = RTC_UDP_BUFFER_DEFAULT
BUFFER_SMALL = RTC_UDP_BUFFER_SMALL
SOCKET_FIRST = RTC_SOCK_FIRST
MAX_SOCKETS = RTC_LOOP_SOCKETS
EVENT_TRANSPORT = RTC_EV_TRANSPORT
EVENT_RECEIVER = RTC_EV_RECV
EVENT_KEYFRAME = RTC_EV_KEYFRAME
EVENT_STUN = RTC_EV_STUN
EVENT_TURN = RTC_EV_TURN
EVENT_SOCKET = RTC_EV_SOCKET
EVENT_LOSS = RTC_EV_LOSS
EVENT_TONE = RTC_EV_TONE
RELAYED_SOCK = RTC_RELAYED_SOCK
TURN_STATES = ("asking", "ready", "closing", "closed", "failed")
ICE_STATES = ("new", "checking", "connected", "completed", "disconnected", "failed")
PAIR_STATES = ("frozen", "waiting", "in-progress", "succeeded", "failed")


def crypto_version():
    """Name and version of the crypto library in use."""
    return rtc_crypto_version().decode()


def crypto_number():
    """The version as OpenSSL numbers it."""
    return rtc_crypto_number()


def crypto_flaw(uint32_t number):
    """Why this version must not be used, or None."""
    cdef const char *flaw = rtc_crypto_flaw(number)
    return None if flaw == NULL else flaw.decode()


cdef class FrameData:
    """The bytes of one frame, by the buffer protocol, read-only: the block that the engine made."""

    cdef rtc_frame_t *f

    def __dealloc__(self):
        free(self.f)

    def __len__(self):
        return self.f.len

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.f.data, self.f.len, 1, flags)


cdef list take_certs(rtc_certs_t *certs):
    """Certificates in DER, each behind its length in three bytes; the block is freed."""
    cdef bytes block
    try:
        block = certs.data[:certs.len]
    finally:
        free(certs)
    found, at = [], 0
    while at < len(block):
        n = int.from_bytes(block[at:at + 3], "big")
        found.append(block[at + 3:at + 3 + n])
        at += 3 + n
    return found


def csrc_rows(const uint8_t[::1] kept not None):
    """(monotonic microseconds when it came, CSRC, RTP time, -dBov or -1) of each source that came with a frame, newest first."""
    cdef rtc_csrc_t c
    cdef Py_ssize_t at
    found = []
    for at in range(0, kept.shape[0] - <Py_ssize_t>sizeof(c) + 1, sizeof(c)):
        memcpy(&c, &kept[at], sizeof(c))
        found.append((c.at, c.id, c.ts, c.level))
    return found


@cython.no_gc_clear  # what the thread writes to must outlive it
cdef class Loop:
    """One engine thread. Stopped and freed with the object at the latest."""

    cdef rtc_loop_t *loop
    cdef int held
    cdef dict asked  # by ticket: commands whose rows the engine fills in

    def __cinit__(self, *args):
        self.asked = {}

    def __init__(self, list addresses, bytes cert, bytes key, int recv_buffer, int send_buffer, bint portable,
                 int64_t window_us, bint openssl, uint32_t srtp_window):
        """Binds the (IP, port) pairs: OSError when that fails, ValueError for an unusable certificate."""
        cdef rtc_addr_t bind[16]
        cdef rtc_loop_cfg_t cfg
        cdef rtc_udp_fault_t why
        if self.loop != NULL:
            raise RuntimeError("made already")
        if len(addresses) > RTC_LOOP_SOCKETS:
            raise ValueError(f"more than {RTC_LOOP_SOCKETS} addresses")
        memset(&cfg, 0, sizeof(cfg))
        for i, address in enumerate(addresses):
            put_addr(&bind[i], address)
        cfg.bind = bind
        cfg.bind_n = len(addresses)
        cfg.recv_buffer, cfg.send_buffer, cfg.portable, cfg.window_us = recv_buffer, send_buffer, portable, window_us
        cfg.openssl, cfg.srtp_window = openssl, srtp_window
        cfg.cert_pem, cfg.cert_len = cert, len(cert)
        cfg.key_pem, cfg.key_len = key, len(key)
        self.loop = rtc_loop_new(&cfg, &why)
        if self.loop != NULL:
            return
        if why.index >= 0:
            raise address_error("bind UDP", addresses[why.index], why.sys)
        raise err_exception(why.err, "certificate and key" if why.err == RTC_EINVAL else "engine loop")

    def __dealloc__(self):
        with nogil:
            rtc_loop_free(self.loop)

    def start(self):
        cdef int err = rtc_loop_start(self.loop)
        if err < 0:
            raise err_exception(err, "starting the engine's thread")

    def stop(self):
        """Goodbye to every peer, thread joined. Idempotent."""
        with nogil:
            rtc_loop_stop(self.loop)

    def hold(self):
        """Until as many calls of nudge what is submitted may wait: one wake-up is behind all of it."""
        self.held += 1

    def nudge(self):
        self.held -= 1
        if not self.held:
            rtc_loop_nudge(self.loop)

    cdef int post(self, const rtc_cmd_t *cmd, uint32_t n, uint64_t *ticket):
        return rtc_loop_post(self.loop, cmd, n, ticket) if self.held else rtc_loop_submit(self.loop, cmd, n, ticket)

    def submit(self, Commands commands):
        """Ticket under which acks() tells the result. The commands are used up."""
        cdef uint64_t ticket = 0
        cdef int err = self.post(commands.v, commands.n, &ticket)
        commands.n = 0  # what they hold has passed to the engine
        if err < 0:
            raise err_exception(err, "commands")
        if commands.rows:
            self.asked[ticket] = commands
        return ticket

    def open_udp(self, uint32_t number, address, int recv_buffer, int send_buffer):
        """Binds, and hands the socket to the thread; the (IP, port) really bound."""
        cdef rtc_addr_t bind
        cdef rtc_udp_fault_t why
        put_addr(&bind, address)
        cdef rtc_sock_t *s = rtc_loop_open_udp(self.loop, &bind, recv_buffer, send_buffer, &why)
        if s == NULL:
            raise address_error("bind UDP", address, why.sys) if why.sys else err_exception(why.err, "UDP socket")
        return self.hand_over(number, s)

    def listen_tcp(self, uint32_t number, address):
        """The same of a TCP socket that listens."""
        return self.hand_over(number, listen_tcp(address))

    def open_tcp(self, uint32_t number, remote, local, bint turn, tls):
        """The same of a TCP connection, which begins to open. local: (IP, port) to leave from, or None; tls: TlsConfig or None."""
        return self.hand_over(number, open_tcp(remote, local, turn, tls))

    cdef hand_over(self, uint32_t number, rtc_sock_t *s):
        cdef rtc_cmd_t c
        cdef rtc_addr_t bound = rtc_sock_bound(s)
        memset(&c, 0, sizeof(c))
        c.op = RTC_OP_SOCKET
        c.id = number
        c.u.sock = s
        cdef int err = self.post(&c, 1, NULL)
        if err < 0:
            raise err_exception(err, "socket")
        return get_addr(&bound)

    def frame(self, uint32_t sender, data, uint32_t timestamp, bint key, layer=None, int level=-1, int rotation=-1,
              bint mirrored=False, int64_t captured=0, description=None, bint begins=False):
        """One encoded frame, copied out of any buffer; `layer`: a TemporalLayer or None; `level`: its RFC 6464 byte,
        `rotation`: degrees clockwise to bring it upright, below 0: none; `captured`: monotonic microseconds, 0: now;
        `description`: a FrameDescription or None; `begins`: sound after silence. Any thread. BufferError when too many wait."""
        cdef rtc_cmd_t c
        cdef rtc_orientation_t o
        cdef Py_buffer view
        memset(&c, 0, sizeof(c))
        if layer is not None:
            put_layer(&c.u.frame.layer, layer)
            c.u.frame.layered = True
        if description is not None:
            c.u.frame.described = True
            c.u.frame.layers, c.u.frame.size.width, c.u.frame.size.height = description
        try:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        except BufferError as error:
            raise ValueError(str(error)) from None
        try:
            if not 0 < view.len <= 0xFFFFFFFF:
                raise ValueError("an empty frame" if not view.len else f"a frame of {view.len} bytes")
            c.u.frame.data = <uint8_t *>malloc(<size_t>view.len)
            if c.u.frame.data == NULL:
                raise MemoryError
            memcpy(c.u.frame.data, view.buf, <size_t>view.len)
            c.u.frame.len = <uint32_t>view.len
        finally:
            PyBuffer_Release(&view)
        c.op = RTC_OP_FRAME
        c.id = sender
        c.u.frame.ts = timestamp
        c.u.frame.key, c.u.frame.begins = key, begins
        c.u.frame.has_level, c.u.frame.level = level >= 0, <uint8_t>(level & 0xff)
        if rotation >= 0:
            o.back, o.flip, o.turn = False, mirrored, <uint16_t>rotation
            c.u.frame.has_orientation, c.u.frame.orientation = True, rtc_orientation_byte(o)
        c.u.frame.captured = captured if captured > 0 else rtc_clock_now()
        cdef int err = rtc_loop_submit(self.loop, &c, 1, NULL)
        if err < 0:
            raise err_exception(err, "frame")

    def frames_open(self, uint32_t receiver):
        """Room for the frames of this receiver, before they are asked for."""
        cdef int err = rtc_loop_frames_open(self.loop, receiver)
        if err < 0:
            raise err_exception(err, "frames")

    def frames_close(self, uint32_t receiver):
        rtc_loop_frames_close(self.loop, receiver)

    def take_frame(self, uint32_t receiver):
        """The oldest frame that waits: (data, RTP time, key, packets missing before it, monotonic microseconds, codec, RFC 6464 byte
        or -1, degrees clockwise to bring it upright, whether it is mirrored, microseconds since 1970 of its capture or 0, whose media
        a mixer put into it as `csrc_rows` reads it); or None."""
        cdef rtc_frame_t *f = rtc_loop_frame(self.loop, receiver)
        if f == NULL:
            return None
        cdef FrameData data
        try:
            data = FrameData.__new__(FrameData)
        except BaseException:
            free(f)
            raise
        data.f = f
        cdef rtc_orientation_t o = rtc_orientation_read(<uint8_t>(0 if f.orientation < 0 else f.orientation))
        return (memoryview(data), f.ts, bool(f.key), f.lost, f.at, CODEC_NAMES[f.codec], f.level, o.turn, bool(o.flip),
                f.captured_us, PyBytes_FromStringAndSize(<char *>f.data + f.len, f.csrc_n * sizeof(rtc_csrc_t)) if f.csrc_n else b"")

    def event_fd(self):
        """Readable when there are events or results."""
        return rtc_loop_event_fd(self.loop)

    def news(self):
        """All that waits: events, results, receivers that have got frames since they were named last. What comes from now on makes
        event_fd readable again."""
        rtc_loop_look(self.loop)
        return self.events(), self.acks(), self.fed()

    cdef list events(self):
        """(type, id, state, reason, text, ssrc, srtp_profile, remote or None, added, checked, connected,
        first media), times in monotonic microseconds or 0, (ICE state, controlling, local type, remote type, ours or None, by TCP),
        and the peer's certificates or None; of a tone the last but one is (code, volume, microseconds), of a loss (percent,), of an allocation the last but one is (code, relayed address or None); of a query to a STUN server its number stands in place of the SSRC, its error in place of the profile, our address
        as the remote one."""
        cdef rtc_event_t e
        found = []
        while rtc_loop_event(self.loop, &e):
            remote = get_addr(&e.path.remote) if e.has_path else None
            times = (e.added, e.checked, e.connected, e.first_media)
            local = get_addr(&e.path.local) if e.has_path and e.type == RTC_EV_TRANSPORT else None
            kinds = (CANDIDATE_TYPES[e.local_type], CANDIDATE_TYPES[e.remote_type])
            ice = (ICE_STATES[e.ice], bool(e.controlling), *kinds, local, bool(e.tcp))
            certs = take_certs(e.certs) if e.certs != NULL else None
            if e.type == RTC_EV_TURN:
                ice = (e.code, get_addr(&e.path.local) if e.path.local.port else None)
            elif e.type == RTC_EV_TONE:
                ice = (e.tone, e.volume, e.tone_us)
            elif e.type == RTC_EV_LOSS:
                ice = (e.loss,)
            stun = e.type == RTC_EV_STUN
            ssrc, profile = (e.query, e.stun_error) if stun else (e.ssrc, e.srtp_profile)
            found.append((e.type, e.id, e.state, e.reason, e.text.decode(), ssrc, profile, remote, times, ice, certs))
        return found

    cdef list acks(self):
        """(ticket, 0 or error, number of the command that failed)."""
        cdef uint64_t ticket
        cdef int err
        cdef uint32_t index
        found = []
        while rtc_loop_acked(self.loop, &ticket, &err, &index):
            self.asked.pop(ticket, None)
            found.append((ticket, err, index))
        return found

    cdef list fed(self):
        cdef uint32_t receiver
        found = []
        while True:
            receiver = rtc_loop_frames_news(self.loop)
            if receiver == 0:
                return found
            found.append(receiver)

    def info(self):
        """Sockets and counters, as rtc_loop_info_t names them."""
        cdef rtc_loop_info_t i
        rtc_loop_info(self.loop, &i)
        return {
            "bound": [get_addr(&i.bound[n]) for n in range(i.socket_n)],
            "recv_buffer": [i.recv_buffer[n] for n in range(i.socket_n)],
            "send_buffer": [i.send_buffer[n] for n in range(i.socket_n)],
            "portable": i.portable,
            "gso": bool(i.runs),
            "cpu_us": i.cpu_us,
            "steps": i.steps,
            "recv_calls": i.recv_calls,
            "send_calls": i.send_calls,
            "kernel_drops": i.kernel_drops,
            "send_refused": i.send_refused,
            "window_us": i.window_us,
            "gso_runs": i.gso_runs,
            "gso_datagrams": i.gso_datagrams,
            "gso_refused": i.gso_refused,
            "frames_refused": i.frames_refused,
            "batches_refused": i.batches_refused,
        }
