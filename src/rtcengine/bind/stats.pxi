# stats: rows that the engine fills in one go, then read out by name.

cdef extern from "engine/stats.h":
    enum:
        RTC_DROP_COUNT
    const char *rtc_drop_name(int drop)
    ctypedef struct rtc_hub_stats_t:
        int64_t now
        uint64_t in_packets
        uint64_t in_bytes
        uint64_t out_packets
        uint64_t out_bytes
        uint64_t rtp_in
        uint64_t rtp_out
        uint64_t rtcp_in
        uint64_t rtcp_out
        uint64_t stun_in
        uint64_t stun_out
        uint64_t dtls_in
        uint64_t dtls_out
        uint64_t turn_in
        uint64_t turn_out
        uint64_t forwarded
        uint64_t *drops
        uint32_t pool_used
    ctypedef struct rtc_ice_flow_t:
        uint64_t packets_in
        uint64_t bytes_in
        uint64_t packets_out
        uint64_t bytes_out
    ctypedef struct rtc_transport_stats_t:
        uint32_t id
        uint8_t state
        uint8_t ice_state
        bint has_path
        bint nominated
        rtc_path_t path
        uint64_t in_packets
        uint64_t in_bytes
        uint64_t out_packets
        uint64_t out_bytes
        int64_t heard
        int64_t added
        int64_t connected
        uint32_t stun_requests
        uint32_t stun_answers
        int64_t rtt_us
        uint16_t srtp_profile
        bint dtls_client
        int64_t pacer_bps
        uint32_t twcc_sent
        uint32_t twcc_received
        uint64_t twcc_told
        uint64_t twcc_missing
        uint32_t pair_requests
        uint32_t pair_answers
        uint32_t pair_requests_in
        uint32_t pair_answers_out
        uint32_t pair_consents
        int64_t pair_rtt_us
        int64_t pair_rtt_sum_us
        rtc_ice_flow_t pair_flow
    ctypedef struct rtc_recv_stats_t:
        uint32_t id
        uint32_t transport
        uint32_t ssrc
        uint64_t packets
        uint64_t bytes
        uint64_t repeated
        int64_t lost
        double jitter_s
        uint64_t rtx_packets
        uint64_t rtx_bytes
        uint64_t came_packets
        uint64_t came_bytes
        uint64_t nacks
        uint64_t nack_messages
        uint64_t pli
        uint64_t fir
        uint64_t frames
        uint64_t key_frames
        uint16_t width
        uint16_t height
        uint64_t frames_given
        uint64_t frames_dropped
        uint64_t frames_late
        uint64_t frames_broken
        uint64_t red_blocks
        uint64_t red_bytes
        uint64_t frames_restored
        int64_t last
        uint32_t sr_n
        uint32_t sr_packets
        uint32_t sr_bytes
        uint64_t sr_ntp
        int64_t sr_at
    ctypedef struct rtc_send_stats_t:
        uint32_t id
        uint32_t transport
        uint32_t ssrc
        uint32_t source
        uint64_t packets
        uint64_t bytes
        uint64_t rtx_packets
        uint64_t rtx_bytes
        uint64_t rtx_refused
        uint64_t nacks
        uint64_t nack_messages
        uint64_t pli
        uint64_t fir
        int64_t lost
        double fraction_lost
        double jitter_s
        int64_t rtt_us
        uint32_t reports
        int64_t report
        uint32_t rtt_n
        int64_t rtt_sum_us
        uint64_t remb_bps
        bint waiting
    ctypedef struct rtc_pair_stats_t:
        uint8_t local
        uint8_t remote
        uint8_t state
        bint nominated
        uint64_t priority
        uint32_t requests_out
        uint32_t answers_in
        uint32_t requests_in
        uint32_t answers_out
        uint32_t consents_out
        int64_t rtt_us
        int64_t rtt_sum_us
        rtc_ice_flow_t flow
    ctypedef struct rtc_ice_cand_t:
        rtc_addr_t addr
        rtc_addr_t base
        uint32_t sock
        uint32_t priority
        uint32_t foundation
        uint8_t type
        bint tcp
        rtc_addr_t peer
    ctypedef struct rtc_ice_stats_t:
        int64_t now
        uint32_t local_n
        uint32_t remote_n
        uint32_t pair_n
        int selected
        rtc_ice_cand_t *local
        rtc_ice_cand_t *remote
        rtc_pair_stats_t *pair
    ctypedef struct rtc_stats_t:
        rtc_hub_stats_t hub
        uint32_t transport_cap
        uint32_t recv_cap
        uint32_t send_cap
        uint32_t transport_n
        uint32_t recv_n
        uint32_t send_n
        rtc_transport_stats_t *transport
        rtc_recv_stats_t *recv
        rtc_send_stats_t *send

cdef class StatsRows:
    """Room for the rows of so many objects. To be read only after the batch that fills it is acknowledged."""

    cdef rtc_stats_t s

    def __cinit__(self, uint32_t transports, uint32_t receivers, uint32_t senders):
        self.s.transport = <rtc_transport_stats_t *>calloc(transports + 1, sizeof(rtc_transport_stats_t))
        self.s.recv = <rtc_recv_stats_t *>calloc(receivers + 1, sizeof(rtc_recv_stats_t))
        self.s.send = <rtc_send_stats_t *>calloc(senders + 1, sizeof(rtc_send_stats_t))
        if self.s.transport == NULL or self.s.recv == NULL or self.s.send == NULL:
            raise MemoryError
        self.s.transport_cap, self.s.recv_cap, self.s.send_cap = transports, receivers, senders

    def __dealloc__(self):
        free(self.s.transport)
        free(self.s.recv)
        free(self.s.send)

    def needed(self):
        """How many transports, receivers and senders there were: rows beyond the room are missing."""
        return self.s.transport_n, self.s.recv_n, self.s.send_n

    def short(self):
        """Whether there was not room for all."""
        return self.s.transport_n > self.s.transport_cap or self.s.recv_n > self.s.recv_cap or self.s.send_n > self.s.send_cap

    def one(self):
        """Of a single transport: when it was (monotonic seconds), its row, receivers and senders by id."""
        receivers = {self.s.recv[n].id: recv_row(&self.s.recv[n]) for n in range(self.s.recv_n)}
        senders = {self.s.send[n].id: send_row(&self.s.send[n]) for n in range(self.s.send_n)}
        return self.s.hub.now / 1e6, transport_row(&self.s.transport[0]), receivers, senders

    def hub(self):
        cdef rtc_hub_stats_t *h = &self.s.hub
        return {
            "now": h.now, "in_packets": h.in_packets, "in_bytes": h.in_bytes, "out_packets": h.out_packets,
            "out_bytes": h.out_bytes, "rtp_in": h.rtp_in, "rtp_out": h.rtp_out, "rtcp_in": h.rtcp_in, "rtcp_out": h.rtcp_out,
            "stun_in": h.stun_in, "stun_out": h.stun_out, "dtls_in": h.dtls_in, "dtls_out": h.dtls_out,
            "turn_in": h.turn_in, "turn_out": h.turn_out,
            "forwarded": h.forwarded, "pool_used": h.pool_used,
            "drops": {rtc_drop_name(n).decode(): h.drops[n] for n in range(RTC_DROP_COUNT)},
        }

    def transports(self):
        return [transport_row(&self.s.transport[n]) for n in range(min(self.s.transport_n, self.s.transport_cap))]

    def receivers(self):
        return [recv_row(&self.s.recv[n]) for n in range(min(self.s.recv_n, self.s.recv_cap))]

    def senders(self):
        return [send_row(&self.s.send[n]) for n in range(min(self.s.send_n, self.s.send_cap))]


cdef class IceRows:
    """Room for the candidates and pairs of one transport. To be read only after the batch that fills it is acknowledged."""

    cdef rtc_ice_stats_t *s

    def __cinit__(self):
        self.s = <rtc_ice_stats_t *>calloc(1, sizeof(rtc_ice_stats_t))
        if self.s == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.s)

    def now(self):
        return self.s.now

    def selected(self):
        """Place of the pair that is used, -1 for none."""
        return self.s.selected

    def local(self):
        return [cand_row(&self.s.local[n]) for n in range(self.s.local_n)]

    def remote(self):
        return [cand_row(&self.s.remote[n]) for n in range(self.s.remote_n)]

    def pairs(self):
        return [pair_row(&self.s.pair[n]) for n in range(self.s.pair_n)]


cdef dict cand_row(const rtc_ice_cand_t *c):
    return {"address": get_addr(&c.addr), "type": CANDIDATE_TYPES[c.type], "priority": c.priority}


cdef dict pair_row(const rtc_pair_stats_t *p):
    return {
        "local": p.local, "remote": p.remote, "state": PAIR_STATES[p.state], "nominated": bool(p.nominated), "priority": p.priority,
        "requests_sent": p.requests_out, "responses_received": p.answers_in, "requests_received": p.requests_in,
        "responses_sent": p.answers_out, "consent_requests_sent": p.consents_out, "rtt_us": p.rtt_us, "rtt_sum_us": p.rtt_sum_us,
        "packets_received": p.flow.packets_in, "bytes_received": p.flow.bytes_in, "packets_sent": p.flow.packets_out,
        "bytes_sent": p.flow.bytes_out,
    }


cdef dict transport_row(const rtc_transport_stats_t *t):
    return {
        "id": t.id, "state": t.state, "ice_state": ICE_STATES[t.ice_state], "remote": get_addr(&t.path.remote) if t.has_path else None,
        "local": get_addr(&t.path.local) if t.has_path else None, "nominated": t.nominated, "in_packets": t.in_packets,
        "in_bytes": t.in_bytes, "out_packets": t.out_packets, "out_bytes": t.out_bytes, "heard": t.heard, "added": t.added,
        "connected": t.connected, "stun_requests": t.stun_requests, "stun_answers": t.stun_answers, "rtt_us": t.rtt_us,
        "srtp_profile": t.srtp_profile, "dtls_client": t.dtls_client, "pacer_bps": t.pacer_bps, "twcc_sent": t.twcc_sent,
        "twcc_received": t.twcc_received, "twcc_told": t.twcc_told, "twcc_missing": t.twcc_missing, "pair_requests": t.pair_requests, "pair_answers": t.pair_answers,
        "pair_requests_in": t.pair_requests_in, "pair_answers_out": t.pair_answers_out, "pair_consents": t.pair_consents,
        "pair_rtt_us": t.pair_rtt_us, "pair_rtt_sum_us": t.pair_rtt_sum_us, "pair_packets_in": t.pair_flow.packets_in,
        "pair_bytes_in": t.pair_flow.bytes_in, "pair_packets_out": t.pair_flow.packets_out, "pair_bytes_out": t.pair_flow.bytes_out,
    }


cdef dict recv_row(const rtc_recv_stats_t *r):
    return {
        "id": r.id, "transport": r.transport, "ssrc": r.ssrc, "packets": r.packets, "bytes": r.bytes, "repeated": r.repeated,
        "lost": r.lost, "jitter_s": r.jitter_s, "rtx_packets": r.rtx_packets, "nacks": r.nacks, "pli": r.pli, "fir": r.fir,
        "rtx_bytes": r.rtx_bytes, "came_packets": r.came_packets, "came_bytes": r.came_bytes, "nack_messages": r.nack_messages,
        "frames": r.frames, "key_frames": r.key_frames, "width": r.width, "height": r.height,
        "frames_given": r.frames_given, "frames_dropped": r.frames_dropped, "frames_late": r.frames_late, "frames_broken": r.frames_broken, "last": r.last,
        "red_blocks": r.red_blocks, "red_bytes": r.red_bytes, "frames_restored": r.frames_restored,
        "sr_n": r.sr_n, "sr_packets": r.sr_packets, "sr_bytes": r.sr_bytes, "sr_ntp": r.sr_ntp, "sr_at": r.sr_at,
    }


cdef dict send_row(const rtc_send_stats_t *s):
    return {
        "id": s.id, "transport": s.transport, "ssrc": s.ssrc, "source": s.source, "packets": s.packets, "bytes": s.bytes,
        "rtx_packets": s.rtx_packets, "rtx_bytes": s.rtx_bytes, "rtx_refused": s.rtx_refused, "nacks": s.nacks,
        "nack_messages": s.nack_messages, "pli": s.pli,
        "fir": s.fir, "lost": s.lost, "fraction_lost": s.fraction_lost, "jitter_s": s.jitter_s, "rtt_us": s.rtt_us,
        "reports": s.reports, "report": s.report, "rtt_n": s.rtt_n, "rtt_sum_us": s.rtt_sum_us,
        "remb_bps": s.remb_bps, "waiting": s.waiting,
    }
