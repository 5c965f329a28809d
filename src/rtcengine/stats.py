"""What the engine has counted, copied out in one go: the fields of csrc/engine/stats.h by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

Address = tuple[str, int]
Row = dict[str, Any]

STATES = ("new", "checked", "connected", "stalled", "closed", "held")  # in the order of rtc_tstate_t
# SRTP protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2).
PROFILES = {
    0x0001: "AES_CM_128_HMAC_SHA1_80",
    0x0007: "AEAD_AES_128_GCM",
    0x0008: "AEAD_AES_256_GCM",
}


class HubStats(TypedDict):
    """Totals of one engine thread. Packets are datagrams; `drops`: datagrams not used or not sent, by reason."""

    now: float  # time.monotonic()
    in_packets: int
    in_bytes: int
    out_packets: int
    out_bytes: int
    rtp_in: int
    rtp_out: int
    rtcp_in: int
    rtcp_out: int
    stun_in: int
    stun_out: int
    dtls_in: int
    dtls_out: int
    turn_in: int
    turn_out: int
    forwarded: int  # media packets given to viewers
    pool_used: int  # packet slots
    drops: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportStats:
    """Times are of time.monotonic() in seconds, None for what has not happened. `heard`: last authenticated packet.
    `rtt_us` 0: unknown. STUN is not among packets and bytes. `twcc_told`: packets of ours that the peer's transport-wide
    feedback told of, `twcc_missing`: of these those that it lacked then. `pair_*`: of a full agent's chosen pair, its checks
    (`requests`) and what flowed over it."""

    id: int
    state: str
    ice_state: str
    remote: Address | None
    local: Address | None
    nominated: bool
    in_packets: int
    in_bytes: int
    out_packets: int
    out_bytes: int
    heard: float | None
    added: float | None
    connected: float | None
    stun_requests: int
    stun_answers: int
    rtt_us: int
    srtp_profile: str
    dtls_client: bool
    pacer_bps: int
    twcc_sent: int
    twcc_received: int
    twcc_told: int = 0
    twcc_missing: int = 0
    pair_requests: int = 0
    pair_answers: int = 0
    pair_requests_in: int = 0
    pair_answers_out: int = 0
    pair_consents: int = 0
    pair_rtt_us: int = 0
    pair_rtt_sum_us: int = 0
    pair_packets_in: int = 0
    pair_bytes_in: int = 0
    pair_packets_out: int = 0
    pair_bytes_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStats:
    """Authentic media of one stream. `lost` as RFC 3550 §6.4.1 counts it: may be below zero. `repeated`: duplicates.
    `came_packets`, `came_bytes`: all, repairs among them; `nacks`: numbers asked for by `nack_messages`.
    `width`, `height` of the pictures, 0 before a key frame has told. `last`: time.monotonic() of the last packet.
    Of the four of frames that Python wants, all 0 without: `frames_given`, those that were whole; `frames_dropped`, those of
    them that met a full queue; `frames_late`, how often something missing was given up; `frames_broken`, those that were no
    frames of the codec. `red_blocks`: earlier frames that packets of sound repeat (RFC 2198), of use or not, `red_bytes` of
    them; `frames_restored`, those that were given in place of packets that did not come. The publisher's
    own word is in its reports: `sr_n` of them, the latest with `sr_packets` and `sr_bytes` at `sr_ntp` of its clock (NTP),
    which came at `sr_at`, None before the first."""

    id: int
    transport: int
    ssrc: int
    packets: int
    bytes: int
    repeated: int
    lost: int
    jitter_s: float
    rtx_packets: int
    nacks: int
    pli: int
    fir: int
    frames: int
    key_frames: int
    width: int = 0
    height: int = 0
    rtx_bytes: int = 0
    came_packets: int = 0
    came_bytes: int = 0
    nack_messages: int = 0
    frames_given: int = 0
    frames_dropped: int = 0
    frames_late: int = 0
    frames_broken: int = 0
    red_blocks: int = 0
    red_bytes: int = 0
    frames_restored: int = 0
    last: float | None
    sr_n: int
    sr_packets: int
    sr_bytes: int
    sr_ntp: int
    sr_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStats:
    """One stream that we send. `source`: id of the receiver that feeds it, 0 for none. `nacks`, `pli`, `fir`: asked
    by the peer. `lost`, `fraction_lost`, `jitter_s`: as the peer reports; `reports` of them, the latest at `report`, None
    before. `rtt_us`, `remb_bps` 0: unknown; `rtt_n` round trips were told, `rtt_sum_us` all together. `waiting`: for a key
    frame."""

    id: int
    transport: int
    ssrc: int
    source: int
    packets: int
    bytes: int
    rtx_packets: int
    rtx_bytes: int
    rtx_refused: int
    nacks: int
    pli: int
    fir: int
    lost: int
    fraction_lost: float
    jitter_s: float
    rtt_us: int
    reports: int
    report: float | None
    rtt_n: int
    rtt_sum_us: int
    remb_bps: int
    waiting: bool
    nack_messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStats:
    """The thread behind it. `kernel_drops`: datagrams lost because a receive buffer was full; `send_refused`: those
    that the kernel did not take; `gso_runs`: several packets to one viewer that were given to the kernel as one, and
    `gso_datagrams`, the packets in them; `gso_refused`: those that then went one by one; `window`: seconds that
    packets are held now for others to the same viewers, 0 while the thread has time to spare; `frames_refused`: frames
    for a sender that does not exist or is fed by a receiver; `batches_refused`: commands that met a full mailbox.
    Buffers are bytes, one entry a socket."""

    cpu_seconds: float
    steps: int
    recv_calls: int
    send_calls: int
    kernel_drops: int
    send_refused: int
    window: float
    gso_runs: int
    gso_datagrams: int
    gso_refused: int
    frames_refused: int
    batches_refused: int
    recv_buffer: tuple[int, ...]
    send_buffer: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """All at one moment; the tables are by id."""

    hub: HubStats
    loop: LoopStats
    transports: dict[int, TransportStats]
    receivers: dict[int, ReceiverStats]
    senders: dict[int, SenderStats]

    @classmethod
    def of(cls, hub: Row, transports: list[Row], receivers: list[Row], senders: list[Row], info: Row) -> EngineStats:
        """From the binding's rows, which have C's units: microseconds, numbers for states and profiles."""
        hub["now"] /= 1e6
        counters = ["steps", "recv_calls", "send_calls", "kernel_drops", "send_refused", "frames_refused"]
        counters += ["batches_refused", "gso_runs", "gso_datagrams", "gso_refused"]
        loop = LoopStats(
            cpu_seconds=info["cpu_us"] / 1e6,
            window=info["window_us"] / 1e6,
            recv_buffer=tuple(info["recv_buffer"]),
            send_buffer=tuple(info["send_buffer"]),
            **{name: info[name] for name in counters},
        )
        return cls(
            hub=HubStats(**hub),  # type: ignore[typeddict-item]
            loop=loop,
            transports={row["id"]: _transport(row) for row in transports},
            receivers={row["id"]: _receiver(row) for row in receivers},
            senders={row["id"]: _sender(row) for row in senders},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStats:
    """One ICE candidate of ours or of the peer."""

    address: Address
    type: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStats:
    """One candidate pair, in the words of W3C's RTCIceCandidatePairStats; times are seconds. `local` is the candidate that
    the peer sees us as. Packets and bytes are those that went over the pair besides STUN while it was selected.
    `current_round_trip_time` is None before the first answer. `total_round_trip_time` over `responses_received` is the mean."""

    local: CandidateStats
    remote: CandidateStats
    state: str
    selected: bool
    nominated: bool
    priority: int
    requests_sent: int
    responses_received: int
    requests_received: int
    responses_sent: int
    consent_requests_sent: int
    current_round_trip_time: float | None
    total_round_trip_time: float
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IceStats:
    """Candidates and pairs of one transport at one moment; empty of a lite agent. `now`: time.monotonic()."""

    now: float
    local: tuple[CandidateStats, ...]
    remote: tuple[CandidateStats, ...]
    pairs: tuple[PairStats, ...]

    @property
    def selected(self) -> PairStats | None:
        """The pair that is used."""
        return next((pair for pair in self.pairs if pair.selected), None)

    @classmethod
    def of(cls, now: int, local: list[Row], remote: list[Row], pairs: list[Row], selected: int) -> IceStats:
        """From the binding's rows."""
        ours = tuple(CandidateStats(**row) for row in local)
        theirs = tuple(CandidateStats(**row) for row in remote)
        made = []
        for n, row in enumerate(pairs):
            row["local"], row["remote"] = ours[row["local"]], theirs[row["remote"]]
            row["current_round_trip_time"] = seconds(row.pop("rtt_us"))
            row["total_round_trip_time"] = row.pop("rtt_sum_us") / 1e6
            made.append(PairStats(**row, selected=n == selected))
        return cls(now=now / 1e6, local=ours, remote=theirs, pairs=tuple(made))


@dataclass(slots=True)
class OneTransportStats:
    """Of one transport and what it carries, at `now` of time.monotonic(). The rows have the fields of TransportStats,
    ReceiverStats and SenderStats, but, as they are asked for often, with states and profiles as numbers and times in
    microseconds, 0 for what has not happened."""

    now: float
    transport: Row
    receivers: dict[int, Row]
    senders: dict[int, Row]


def _transport(row: Row) -> TransportStats:
    row["state"] = STATES[row["state"]]
    row["srtp_profile"] = PROFILES.get(row["srtp_profile"], "")
    for name in ("heard", "added", "connected"):
        row[name] = seconds(row[name])
    return TransportStats(**row)


def _receiver(row: Row) -> ReceiverStats:
    row["last"], row["sr_at"] = seconds(row["last"]), seconds(row["sr_at"])
    return ReceiverStats(**row)


def _sender(row: Row) -> SenderStats:
    row["report"] = seconds(row["report"])
    return SenderStats(**row)


def seconds(us: int) -> float | None:
    """None for what has not happened, which C says by 0."""
    return us / 1e6 if us else None
