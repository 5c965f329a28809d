# cmd: what an owner tells a loop, as records. One is copied field by field; what it means is the engine's in Python.

cdef extern from "wire/rtpext.h":
    enum:
        RTC_EXT_UNKNOWN
    ctypedef struct rtc_extmap_t:
        pass
    void rtc_extmap_init(rtc_extmap_t *m)
    int rtc_extmap_set(rtc_extmap_t *m, int kind, uint8_t id)
    uint8_t rtc_ext_of_uri(const char *uri, size_t n)
    ctypedef struct rtc_orientation_t:
        bint back
        bint flip
        uint16_t turn
    rtc_orientation_t rtc_orientation_read(uint8_t b)
    uint8_t rtc_orientation_byte(rtc_orientation_t o)

cdef extern from "wire/payload/payload.h":
    enum:
        RTC_CODEC_OPUS
        RTC_CODEC_VP8
        RTC_CODEC_VP9
        RTC_CODEC_H264
        RTC_CODEC_AV1
        RTC_CODEC_PCMU
        RTC_CODEC_PCMA
        RTC_CODEC_G722
        RTC_CODEC_H265

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
        RTC_OP_LOCAL_LOST
        RTC_OP_ICE_END
        RTC_OP_ROLE
        RTC_OP_STUN
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
        RTC_OP_CAPTURE
        RTC_OP_ICE_STATS
        RTC_OP_STATS
        RTC_OP_AGREE
        RTC_OP_RECV_AGREE
        RTC_OP_SEND_AGREE
        RTC_OP_RECV_END
        RTC_OP_SEND_END
        RTC_OP_TONE
        RTC_RECV_OTHERS
        RTC_RED_MORE_LOSS
        RTC_RECV_TONES
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
    ctypedef struct rtc_tone_pt_t:
        int16_t pt
        uint32_t rate
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
        uint8_t tone_n
        rtc_tone_pt_t tone[4]
        bint has_red
        int16_t red_pt
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
        char rid[17]
        uint32_t ext_mask
        bint nack
        bint has_tone
        rtc_tone_pt_t tone
        bint single_units
        bint has_red
        int16_t red_pt
        uint8_t red_levels
    ctypedef struct rtc_stun_cfg_t:
        uint32_t number
        rtc_path_t path
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
        bint begins
        bint has_level
        uint8_t level
        bint layered
        bint has_orientation
        uint8_t orientation
        rtc_layer_t layer
        bint described
        uint8_t layers
        rtc_picture_size_t size
        int64_t captured
    ctypedef struct rtc_tone_cfg_t:
        uint8_t code
        uint8_t volume
        int64_t length_us
    ctypedef struct rtc_sock_t "struct rtc_sock":
        pass
    ctypedef union rtc_cmd_u:
        rtc_transport_cfg_t transport
        rtc_ice_cfg_t ice
        rtc_path_t path
        rtc_ice_cand_t cand
        rtc_ice_ends_t ends
        rtc_stun_cfg_t stun
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
        rtc_tone_cfg_t tone
        rtc_stats_t *stats
        rtc_ice_stats_t *ice_stats
        rtc_capture_t *capture
        rtc_sock_t *sock
        char why[96]
    ctypedef struct rtc_cmd_t:
        uint16_t op
        uint32_t id
        rtc_cmd_u u
    void rtc_cmd_drop(const rtc_cmd_t *c, uint32_t n)

cdef extern from "io/socks.h":
    enum:
        RTC_SOCK_FIRST
    rtc_addr_t rtc_sock_bound(const rtc_sock_t *s)
    void rtc_sock_free(rtc_sock_t *s)

# In the order of rtc_ice_role_t, rtc_ice_type_t, rtc_turn_state_t and rtc_ice_state_t.
ICE_ROLES = ("lite", "controlling", "controlled")
CANDIDATE_TYPES = ("host", "srflx", "prflx", "relay")
RED_MORE_LOSS = RTC_RED_MORE_LOSS
CODECS = {
    "opus": RTC_CODEC_OPUS,
    "vp8": RTC_CODEC_VP8,
    "vp9": RTC_CODEC_VP9,
    "h264": RTC_CODEC_H264,
    "av1": RTC_CODEC_AV1,
    "pcmu": RTC_CODEC_PCMU,
    "pcma": RTC_CODEC_PCMA,
    "g722": RTC_CODEC_G722,
    "h265": RTC_CODEC_H265,
}

CODEC_NAMES = {number: name for name, number in CODECS.items()}


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
    if len(config.tones) > RTC_RECV_TONES:
        raise ValueError(f"more than {RTC_RECV_TONES} payload types of telephone events")
    for tone in config.tones:
        r.tone[r.tone_n].pt, r.tone[r.tone_n].rate = tone.pt, tone.rate
        r.tone_n += 1
    if config.red_pt is not None:
        r.has_red, r.red_pt = True, config.red_pt
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
    put_text(s.rid, sizeof(s.rid), config.rid, "rid")
    for uri in config.extensions:
        if ext_kind(uri) != RTC_EXT_UNKNOWN:
            s.ext_mask |= <uint32_t>1 << ext_kind(uri)
    s.nack = config.nack
    if config.tones is not None:
        s.has_tone = True
        s.tone.pt, s.tone.rate = config.tones.pt, config.tones.rate
    s.single_units = config.single_units
    if config.red_pt is not None:
        s.has_red, s.red_pt, s.red_levels = True, config.red_pt, config.red_levels
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

    def candidate(self, uint32_t id, bint local, candidate, uint32_t sock, uint32_t foundation, peer):
        """candidate: IceCandidate; sock: number of the loop's socket, of ours; peer: what it is connected to, or None."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_LOCAL if local else RTC_OP_REMOTE, id)
        put_addr(&c.u.cand.addr, candidate.address)
        if local:
            put_addr(&c.u.cand.base, candidate.base or candidate.address)
            c.u.cand.sock = sock
            if peer is not None:
                put_addr(&c.u.cand.peer, peer)
        c.u.cand.tcp = candidate.tcp
        c.u.cand.priority = candidate.priority
        c.u.cand.foundation = foundation
        c.u.cand.type = CANDIDATE_TYPES.index(candidate.type)
        self.done()

    def stun(self, uint32_t id, uint32_t number, server, base, uint32_t sock):
        """server: (IP, port); base: ours, or None when the socket decides; sock: number of the loop's socket."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_STUN, id)
        c.u.stun.number = number
        put_addr(&c.u.stun.path.remote, server)
        if base is not None:
            put_addr(&c.u.stun.path.local, base)
        c.u.stun.path.sock = sock
        self.done()

    def local_lost(self, uint32_t id, uint32_t sock):
        """sock: number of a socket or of an allocation."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_LOCAL_LOST, id)
        c.u.path.sock = sock
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

    def capture(self, uint32_t id, Capture capture):
        """capture: None ends it."""
        cdef rtc_cmd_t *c = self.add(RTC_OP_CAPTURE, id)
        if capture is not None:
            c.u.capture = rtc_capture_ref(capture.c)
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

    def tone(self, uint32_t id, uint8_t code, uint8_t volume, int64_t length_us):
        cdef rtc_cmd_t *c = self.add(RTC_OP_TONE, id)
        c.u.tone.code, c.u.tone.volume, c.u.tone.length_us = code, volume, length_us
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

    def ice_stats(self, uint32_t id, IceRows rows):
        """As stats, of one transport."""
        self.add(RTC_OP_ICE_STATS, id).u.ice_stats = rows.s
        self.rows.append(rows)
        self.done()

    def stats(self, StatsRows rows, uint32_t transport=0):
        """Of one transport, or of all. The rows are filled in when the batch is acknowledged, and belong to the engine until
        then."""
        self.add(RTC_OP_STATS, transport).u.stats = &rows.s
        self.rows.append(rows)
        self.done()
