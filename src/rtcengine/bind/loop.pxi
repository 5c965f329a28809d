# loop: commands in, events and results out. A record is copied field by field; what it means is engine.py's.

import os

cdef extern from "base/crypto.h":
    const char *rtc_crypto_version()
    uint32_t rtc_crypto_number()
    const char *rtc_crypto_flaw(uint32_t number)

cdef extern from "io/clock.h":
    int64_t rtc_clock_now()

cdef extern from "wire/rtpext.h":
    enum:
        RTC_EXT_UNKNOWN
    ctypedef struct rtc_extmap_t:
        pass
    void rtc_extmap_init(rtc_extmap_t *m)
    int rtc_extmap_set(rtc_extmap_t *m, int kind, uint8_t id)
    uint8_t rtc_ext_of_uri(const char *uri, size_t n)

cdef extern from "wire/payload/payload.h":
    enum:
        RTC_CODEC_OPUS
        RTC_CODEC_VP8
        RTC_CODEC_VP9
        RTC_CODEC_H264
        RTC_CODEC_AV1
        RTC_CODEC_PCMU
        RTC_CODEC_PCMA

cdef extern from "proto/dtls.h":
    ctypedef struct rtc_dtls_ctx_t:
        pass
    ctypedef struct rtc_certs_t:
        uint32_t len
        uint8_t *data
    rtc_dtls_ctx_t *rtc_dtls_ctx_new(const char *cert, size_t cert_len, const char *key, size_t key_len, int *err)
    rtc_dtls_ctx_t *rtc_dtls_ctx_ref(rtc_dtls_ctx_t *c)
    void rtc_dtls_ctx_free(rtc_dtls_ctx_t *c)

cdef extern from "engine/cmd.h":
    enum:
        RTC_DTLS_FINGERPRINT_MAX
        RTC_OP_TRANSPORT
        RTC_OP_RESTART
        RTC_OP_PATH
        RTC_OP_LOCAL
        RTC_OP_REMOTE
        RTC_OP_ICE_END
        RTC_OP_ROLE
        RTC_OP_PEER
        RTC_OP_ACCEPT
        RTC_OP_CLOSE
        RTC_OP_TURN
        RTC_OP_TURN_CLOSE
        RTC_RELAYED_SOCK
        RTC_OP_RECV
        RTC_OP_SEND
        RTC_OP_LINK
        RTC_OP_KEYFRAME
        RTC_OP_FRAME
        RTC_OP_FRAMES
        RTC_OP_RATE
        RTC_OP_STATS
        RTC_OP_AGREE
        RTC_OP_RECV_AGREE
        RTC_OP_SEND_AGREE
        RTC_OP_RECV_END
        RTC_OP_SEND_END
        RTC_RECV_OTHERS
        RTC_OP_SOCKET
        RTC_OP_SOCKET_CLOSE
    ctypedef struct rtc_fingerprint_t:
        uint16_t bits
        uint8_t len
        uint8_t value[64]
    ctypedef struct rtc_ice_cfg_t:
        char local_ufrag[33]
        char local_pwd[257]
        char remote_ufrag[257]
        char remote_pwd[257]
    ctypedef struct rtc_transport_cfg_t:
        rtc_ice_cfg_t ice
        uint8_t ice_role
        bint ice_survives
        bint dtls_client
        bint certs
        uint32_t hold_ms
        rtc_dtls_ctx_t *dtls
        uint8_t fp_n
        rtc_fingerprint_t fp[8]
        rtc_extmap_t ext
        bint ext_two_byte
        bint reduced_rtcp
        uint32_t ssrc
        char cname[64]
    ctypedef struct rtc_peer_cfg_t:
        char remote_ufrag[257]
        char remote_pwd[257]
        bint dtls_client
        uint8_t fp_n
        rtc_fingerprint_t fp[8]
    ctypedef struct rtc_agree_cfg_t:
        rtc_extmap_t ext
        bint ext_two_byte
        bint reduced_rtcp
    ctypedef struct rtc_recv_pt_t:
        uint8_t codec
        int16_t pt
        int16_t rtx_pt
        uint32_t clock_rate
    ctypedef struct rtc_recv_cfg_t:
        uint32_t transport
        bint video
        uint8_t codec
        int16_t pt
        int16_t rtx_pt
        uint32_t clock_rate
        uint32_t ssrc
        uint32_t rtx_ssrc
        char mid[17]
        char rid[17]
        bint nack
        bint pli
        bint fir
        bint twcc
        bint frames
        uint8_t other_n
        rtc_recv_pt_t other[15]
    ctypedef struct rtc_send_cfg_t:
        uint32_t transport
        bint video
        uint8_t codec
        int16_t pt
        int16_t rtx_pt
        uint32_t clock_rate
        uint32_t ssrc
        uint32_t rtx_ssrc
        char mid[17]
        uint32_t ext_mask
        bint nack
    ctypedef struct rtc_ice_cand_t:
        rtc_addr_t addr
        rtc_addr_t base
        uint32_t sock
        uint32_t priority
        uint32_t foundation
        uint8_t type
    ctypedef struct rtc_ice_ends_t:
        bint local
        bint remote
    ctypedef struct rtc_turn_server_t:
        rtc_path_t path
        uint32_t transport
        bint v6
        bint stream
        char username[509]
        char password[513]
    ctypedef struct rtc_frame_cfg_t:
        uint8_t *data
        uint32_t len
        uint32_t ts
        bint key
        int64_t captured
    ctypedef struct rtc_sock_t "struct rtc_sock":
        pass
    ctypedef union rtc_cmd_u:
        rtc_transport_cfg_t transport
        rtc_ice_cfg_t ice
        rtc_path_t path
        rtc_ice_cand_t cand
        rtc_ice_ends_t ends
        bint controlling
        rtc_turn_server_t turn
        rtc_recv_cfg_t recv
        rtc_send_cfg_t send
        rtc_agree_cfg_t agree
        rtc_peer_cfg_t peer
        uint32_t link
        bint on
        int64_t rate_bps
        rtc_frame_cfg_t frame
        rtc_stats_t *stats
        rtc_sock_t *sock
        char why[96]
    ctypedef struct rtc_cmd_t:
        uint16_t op
        uint32_t id
        rtc_cmd_u u
    void rtc_cmd_drop(const rtc_cmd_t *c, uint32_t n)

cdef extern from "engine/event.h":
    enum:
        RTC_EV_TRANSPORT
        RTC_EV_RECV
        RTC_EV_KEYFRAME
        RTC_EV_TURN
    ctypedef struct rtc_event_t:
        uint8_t type
        uint8_t state
        uint8_t reason
        bint has_path
        uint8_t ice
        bint controlling
        uint8_t local_type
        uint8_t remote_type
        uint16_t srtp_profile
        uint16_t code
        uint32_t id
        uint32_t ssrc
        rtc_path_t path
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
        uint8_t *data

cdef extern from "io/udp.h":
    enum:
        RTC_UDP_BUFFER_DEFAULT
        RTC_UDP_BUFFER_SMALL
    ctypedef struct rtc_udp_fault_t:
        int err
        int sys
        int index

cdef extern from "io/socks.h":
    enum:
        RTC_SOCK_FIRST
    rtc_addr_t rtc_sock_bound(const rtc_sock_t *s)
    void rtc_sock_free(rtc_sock_t *s)

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
EVENT_TURN = RTC_EV_TURN
RELAYED_SOCK = RTC_RELAYED_SOCK
# In the order of rtc_ice_role_t, rtc_ice_type_t, rtc_turn_state_t and rtc_ice_state_t.
ICE_ROLES = ("lite", "controlling", "controlled")
CANDIDATE_TYPES = ("host", "srflx", "prflx", "relay")
TURN_STATES = ("asking", "ready", "closing", "closed", "failed")
ICE_STATES = ("new", "checking", "connected", "completed", "disconnected", "failed")
CODECS = {
    "opus": RTC_CODEC_OPUS,
    "vp8": RTC_CODEC_VP8,
    "vp9": RTC_CODEC_VP9,
    "h264": RTC_CODEC_H264,
    "av1": RTC_CODEC_AV1,
    "pcmu": RTC_CODEC_PCMU,
    "pcma": RTC_CODEC_PCMA,
}

CODEC_NAMES = {number: name for name, number in CODECS.items()}


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


cdef int put_ice(rtc_ice_cfg_t *out, object ice) except -1:
    put_text(out.local_ufrag, sizeof(out.local_ufrag), ice.local_ufrag, "local_ufrag")
    put_text(out.local_pwd, sizeof(out.local_pwd), ice.local_pwd, "local_pwd")
    put_text(out.remote_ufrag, sizeof(out.remote_ufrag), ice.remote_ufrag, "remote_ufrag")
    put_text(out.remote_pwd, sizeof(out.remote_pwd), ice.remote_pwd, "remote_pwd")
    return 0


cdef uint8_t ext_kind(str uri):
    cdef bytes raw = uri.encode()
    return rtc_ext_of_uri(raw, len(raw))


cdef int put_fingerprints(rtc_fingerprint_t *out, object fingerprints, dict bits) except -1:
    cdef bytes digest
    cdef int n = 0
    if len(fingerprints) > RTC_DTLS_FINGERPRINT_MAX:
        raise ValueError(f"more than {RTC_DTLS_FINGERPRINT_MAX} fingerprints")
    for name, digest in fingerprints:
        if len(digest) > <Py_ssize_t>sizeof(out.value):
            raise ValueError(f"a {name} digest of {len(digest)} bytes")
        out[n].bits = bits[name]
        out[n].len = <uint8_t>len(digest)
        memcpy(out[n].value, PyBytes_AS_STRING(digest), len(digest))
        n += 1
    return n


cdef int put_extensions(rtc_extmap_t *out, object extensions) except -1:
    rtc_extmap_init(out)
    for number, uri in extensions.items():
        if ext_kind(uri) != RTC_EXT_UNKNOWN and rtc_extmap_set(out, ext_kind(uri), number) < 0:
            raise ValueError(f"extension id {number}")
    return 0


cdef int put_recv(rtc_recv_cfg_t *r, uint32_t transport, object config) except -1:
    r.transport = transport
    r.video = config.video
    r.codec = CODECS[config.codec.lower()]
    r.pt = config.pt
    r.rtx_pt = -1 if config.rtx_pt is None else config.rtx_pt
    r.clock_rate = config.clock_rate
    r.ssrc = config.ssrc
    r.rtx_ssrc = config.rtx_ssrc
    put_text(r.mid, sizeof(r.mid), config.mid, "mid")
    put_text(r.rid, sizeof(r.rid), config.rid, "rid")
    r.nack = config.nack
    r.pli = config.pli
    r.fir = config.fir
    r.twcc = config.twcc
    r.frames = config.frames
    if len(config.others) > RTC_RECV_OTHERS:
        raise ValueError(f"more than {RTC_RECV_OTHERS} other payload types")
    for other in config.others:
        r.other[r.other_n].codec = CODECS[other.codec.lower()]
        r.other[r.other_n].pt = other.pt
        r.other[r.other_n].rtx_pt = -1 if other.rtx_pt is None else other.rtx_pt
        r.other[r.other_n].clock_rate = other.clock_rate
        r.other_n += 1
    return 0


cdef int put_send(rtc_send_cfg_t *s, uint32_t transport, object config) except -1:
    s.transport = transport
    s.video = config.video
    s.codec = CODECS[config.codec.lower()]
    s.pt = config.pt
    s.rtx_pt = -1 if config.rtx_pt is None else config.rtx_pt
    s.clock_rate = config.clock_rate
    s.ssrc = config.ssrc
    s.rtx_ssrc = config.rtx_ssrc
    put_text(s.mid, sizeof(s.mid), config.mid, "mid")
    for uri in config.extensions:
        if ext_kind(uri) != RTC_EXT_UNKNOWN:
            s.ext_mask |= <uint32_t>1 << ext_kind(uri)
    s.nack = config.nack
    return 0


cdef class DtlsContext:
    """A certificate and its key as DTLS uses them; lives while this or an association holds it. ValueError for unusable ones."""

    cdef rtc_dtls_ctx_t *c
    cdef object __weakref__

    def __init__(self, bytes cert, bytes key):
        cdef int err = 0
        if self.c != NULL:
            raise RuntimeError("made already")
        self.c = rtc_dtls_ctx_new(cert, len(cert), key, len(key), &err)
        if self.c == NULL:
            raise err_exception(err, "certificate and key")

    def __dealloc__(self):
        rtc_dtls_ctx_free(self.c)


cdef class Commands:
    """Commands for one batch, in order. Adding one checks what its record can hold: ValueError, OverflowError."""

    cdef rtc_cmd_t *v
    cdef readonly uint32_t n
    cdef uint32_t cap
    cdef readonly list rows

    def __cinit__(self):
        self.rows = []

    def __dealloc__(self):
        rtc_cmd_drop(self.v, self.n)
        free(self.v)

    cdef rtc_cmd_t *add(self, uint16_t op, uint32_t id) except NULL:
        # The record counts only once it is complete: done() is called last.
        cdef rtc_cmd_t *v
        if self.n == self.cap:
            v = <rtc_cmd_t *>realloc(self.v, (2 * self.cap + 8) * sizeof(rtc_cmd_t))
            if v == NULL:
                raise MemoryError
            self.v = v
            self.cap = 2 * self.cap + 8
        v = &self.v[self.n]
        memset(v, 0, sizeof(rtc_cmd_t))
        v.op = op
        v.id = id
        return v

    cdef done(self):
        self.n += 1

    def transport(self, uint32_t id, config, dict bits, DtlsContext context, uint32_t hold_ms):
        """config: TransportConfig; bits: digest names to their lengths in bits; context: None for the loop's own."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_TRANSPORT, id)
        cdef rtc_transport_cfg_t *t = &c.u.transport
        put_ice(&t.ice, config.ice)
        t.ice_role = ICE_ROLES.index(config.ice_role)
        t.ice_survives = config.ice_survives
        t.dtls_client = config.dtls_client
        t.fp_n = put_fingerprints(t.fp, config.fingerprints, bits)
        put_extensions(&t.ext, config.extensions)
        t.ext_two_byte = config.two_byte
        t.reduced_rtcp = config.reduced_rtcp
        t.ssrc = config.ssrc
        put_text(t.cname, sizeof(t.cname), config.cname, "cname")
        t.certs = config.remote_certificates
        t.hold_ms = hold_ms
        if context is not None:
            t.dtls = rtc_dtls_ctx_ref(context.c)
        self.done()

    def peer(self, uint32_t id, ice, fingerprints, dict bits, bint dtls_client):
        """ice: IceConfig, of which the remote half counts; bits: as for transport."""
        cdef rtc_peer_cfg_t *p = &self.add(RTC_OP_PEER, id).u.peer
        put_text(p.remote_ufrag, sizeof(p.remote_ufrag), ice.remote_ufrag, "remote_ufrag")
        put_text(p.remote_pwd, sizeof(p.remote_pwd), ice.remote_pwd, "remote_pwd")
        p.fp_n = put_fingerprints(p.fp, fingerprints, bits)
        p.dtls_client = dtls_client
        self.done()

    def restart(self, uint32_t id, ice):
        """ice: IceConfig."""
        put_ice(&self.add(RTC_OP_RESTART, id).u.ice, ice)
        self.done()

    def candidate(self, uint32_t id, bint local, candidate, uint32_t sock, uint32_t foundation):
        """candidate: IceCandidate; sock: number of the loop's socket, of ours."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_LOCAL if local else RTC_OP_REMOTE, id)
        put_addr(&c.u.cand.addr, candidate.address)
        if local:
            put_addr(&c.u.cand.base, candidate.base or candidate.address)
            c.u.cand.sock = sock
        c.u.cand.priority = candidate.priority
        c.u.cand.foundation = foundation
        c.u.cand.type = CANDIDATE_TYPES.index(candidate.type)
        self.done()

    def end_of_candidates(self, uint32_t id, bint local, bint remote):
        cdef rtc_cmd_t *c = self.add(RTC_OP_ICE_END, id)
        c.u.ends.local = local
        c.u.ends.remote = remote
        self.done()

    def role(self, uint32_t id, bint controlling):
        self.add(RTC_OP_ROLE, id).u.controlling = controlling
        self.done()

    def path(self, uint32_t id, address, uint32_t sock):
        """address: (IP, port); sock: number of the loop's socket."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_PATH, id)
        put_addr(&c.u.path.remote, address)
        c.u.path.sock = sock
        self.done()

    def accept(self, uint32_t id):
        self.add(RTC_OP_ACCEPT, id)
        self.done()

    def close(self, uint32_t id, str why):
        cdef rtc_cmd_t *c = self.add(RTC_OP_CLOSE, id)
        put_text(c.u.why, sizeof(c.u.why), why, "reason")
        self.done()

    def turn(self, uint32_t id, server, uint32_t sock, base, uint32_t transport, bint v6, bint stream, username, credential):
        """server: (IP, port); sock: number of the loop's socket; base: our (IP, port), or None when the socket says it."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_TURN, id)
        put_addr(&c.u.turn.path.remote, server)
        if base is not None:
            put_addr(&c.u.turn.path.local, base)
        c.u.turn.path.sock = sock
        c.u.turn.transport = transport
        c.u.turn.v6 = v6
        c.u.turn.stream = stream
        put_text(c.u.turn.username, sizeof(c.u.turn.username), username, "username")
        put_text(c.u.turn.password, sizeof(c.u.turn.password), credential, "credential")
        self.done()

    def turn_close(self, uint32_t id):
        self.add(RTC_OP_TURN_CLOSE, id)
        self.done()

    def receive(self, uint32_t id, uint32_t transport, config, bint agree=False):
        """config: RecvConfig; agree: of a receiver that lives, else a new one."""
        put_recv(&self.add(RTC_OP_RECV_AGREE if agree else RTC_OP_RECV, id).u.recv, transport, config)
        self.done()

    def send(self, uint32_t id, uint32_t transport, config, bint agree=False):
        """config: SendConfig; agree: of a sender that lives, else a new one."""
        put_send(&self.add(RTC_OP_SEND_AGREE if agree else RTC_OP_SEND, id).u.send, transport, config)
        self.done()

    def agree(self, uint32_t id, extensions, bint two_byte, bint reduced_rtcp):
        cdef rtc_agree_cfg_t *a = &self.add(RTC_OP_AGREE, id).u.agree
        put_extensions(&a.ext, extensions)
        a.ext_two_byte = two_byte
        a.reduced_rtcp = reduced_rtcp
        self.done()

    def end(self, uint32_t id, bint receiver):
        self.add(RTC_OP_RECV_END if receiver else RTC_OP_SEND_END, id)
        self.done()

    def link(self, uint32_t id, uint32_t receiver):
        self.add(RTC_OP_LINK, id).u.link = receiver
        self.done()

    def keyframe(self, uint32_t id):
        self.add(RTC_OP_KEYFRAME, id)
        self.done()

    def frames(self, uint32_t id, bint on):
        self.add(RTC_OP_FRAMES, id).u.on = on
        self.done()

    def close_socket(self, uint32_t number):
        self.add(RTC_OP_SOCKET_CLOSE, number)
        self.done()

    def rate(self, uint32_t id, int64_t bps):
        self.add(RTC_OP_RATE, id).u.rate_bps = bps
        self.done()

    def stats(self, StatsRows rows):
        """The rows are filled in when the batch is acknowledged, and belong to the engine until then."""
        self.add(RTC_OP_STATS, 0).u.stats = &rows.s
        self.rows.append(rows)
        self.done()


cdef class FrameData:
    """The bytes of one frame, by the buffer protocol, read-only: the block that the engine made."""

    cdef rtc_frame_t *f

    def __dealloc__(self):
        free(self.f)

    def __len__(self):
        return self.f.len

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.f.data, self.f.len, 1, flags)


cdef object bind_error(object address, int number):
    host, port = address
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return OSError(number, f"cannot bind UDP {where}: {os.strerror(number)}")


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


@cython.no_gc_clear  # what the thread writes to must outlive it
cdef class Loop:
    """One engine thread. Stopped and freed with the object at the latest."""

    cdef rtc_loop_t *loop
    cdef dict asked  # by ticket: commands whose rows the engine fills in

    def __cinit__(self, *args):
        self.asked = {}

    def __init__(self, list addresses, bytes cert, bytes key, int recv_buffer, int send_buffer, bint portable,
                 int64_t window_us, bint openssl):
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
        cfg.openssl = openssl
        cfg.cert_pem, cfg.cert_len = cert, len(cert)
        cfg.key_pem, cfg.key_len = key, len(key)
        self.loop = rtc_loop_new(&cfg, &why)
        if self.loop != NULL:
            return
        if why.index >= 0:
            raise bind_error(addresses[why.index], why.sys)
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

    def submit(self, Commands commands):
        """Ticket under which acks() tells the result. The commands are used up."""
        cdef uint64_t ticket = 0
        cdef int err = rtc_loop_submit(self.loop, commands.v, commands.n, &ticket)
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
        cdef rtc_cmd_t c
        put_addr(&bind, address)
        memset(&c, 0, sizeof(c))
        c.op = RTC_OP_SOCKET
        c.id = number
        c.u.sock = rtc_loop_open_udp(self.loop, &bind, recv_buffer, send_buffer, &why)
        if c.u.sock == NULL:
            raise bind_error(address, why.sys) if why.sys else err_exception(why.err, "UDP socket")
        bind = rtc_sock_bound(c.u.sock)
        cdef int err = rtc_loop_submit(self.loop, &c, 1, NULL)
        if err < 0:
            raise err_exception(err, "UDP socket")
        return get_addr(&bind)

    def frame(self, uint32_t sender, const uint8_t[::1] data, uint32_t timestamp, bint key):
        """One encoded frame, copied. Any thread. BufferError when too many wait."""
        cdef rtc_cmd_t c
        memset(&c, 0, sizeof(c))
        c.op = RTC_OP_FRAME
        c.id = sender
        c.u.frame.len = <uint32_t>data.shape[0]
        c.u.frame.data = <uint8_t *>malloc(c.u.frame.len if c.u.frame.len else 1)
        if c.u.frame.data == NULL:
            raise MemoryError
        if c.u.frame.len:
            memcpy(c.u.frame.data, &data[0], c.u.frame.len)
        c.u.frame.ts = timestamp
        c.u.frame.key = key
        c.u.frame.captured = rtc_clock_now()
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

    def frames_news(self):
        """Receivers that have got frames since they were named last."""
        cdef uint32_t receiver
        found = []
        while True:
            receiver = rtc_loop_frames_news(self.loop)
            if receiver == 0:
                return found
            found.append(receiver)

    def take_frame(self, uint32_t receiver):
        """The oldest frame that waits: (data, RTP time, key, packets missing before it, monotonic microseconds, codec); or None."""
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
        return memoryview(data), f.ts, bool(f.key), f.lost, f.at, CODEC_NAMES[f.codec]

    def event_fd(self):
        """Readable when there are events or results."""
        return rtc_loop_event_fd(self.loop)

    def look(self):
        """Before events and acks: what comes from now on makes event_fd readable again."""
        rtc_loop_look(self.loop)

    def events(self):
        """All that wait: (type, id, state, reason, text, ssrc, srtp_profile, remote or None, added, checked, connected,
        first media), times in monotonic microseconds or 0, (ICE state, controlling, local type, remote type), and the
        peer's certificates or None; of an allocation the last but one is (code, relayed address or None)."""
        cdef rtc_event_t e
        found = []
        while rtc_loop_event(self.loop, &e):
            remote = get_addr(&e.path.remote) if e.has_path else None
            times = (e.added, e.checked, e.connected, e.first_media)
            ice = (ICE_STATES[e.ice], bool(e.controlling), CANDIDATE_TYPES[e.local_type], CANDIDATE_TYPES[e.remote_type])
            certs = take_certs(e.certs) if e.certs != NULL else None
            if e.type == RTC_EV_TURN:
                ice = (e.code, get_addr(&e.path.local) if e.path.local.port else None)
            found.append((e.type, e.id, e.state, e.reason, e.text.decode(), e.ssrc, e.srtp_profile, remote, times, ice, certs))
        return found

    def acks(self):
        """Results that wait: (ticket, 0 or error, number of the command that failed)."""
        cdef uint64_t ticket
        cdef int err
        cdef uint32_t index
        found = []
        while rtc_loop_acked(self.loop, &ticket, &err, &index):
            self.asked.pop(ticket, None)
            found.append((ticket, err, index))
        return found

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
