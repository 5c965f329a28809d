"""/metrics: the relay's counters as Prometheus reads them (text exposition format 0.0.4).

Base units, `_total` for what only rises, and no label that grows with the number of sessions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from ..stats import STATES, EngineStats
from .session import PUBLISH, WATCH

if TYPE_CHECKING:
    from .relay import Relay

Labels = dict[str, str]
Sample = tuple[Labels, float]


class Family(NamedTuple):
    """One metric with all its samples; `name` without the project's prefix."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


class StreamTotals:
    """Sums over streams of now and before. A stream's counters go when it ends, but a Prometheus counter must not fall, so
    growth is added up at each look; what a stream counted between the last look and its end is left out."""

    def __init__(self) -> None:
        self.sums: Counter[tuple[str, str]] = Counter()
        # By direction and id of a stream: its SSRC and the highest values seen.
        self._seen: dict[tuple[str, int], tuple[int, dict[str, int]]] = {}

    def look(self, stats: EngineStats) -> None:
        """Adds what has grown since the last look. `in` and `out`: streams of publishers and to viewers."""
        seen: dict[tuple[str, int], tuple[int, dict[str, int]]] = {}
        for direction, rows in (("in", stats.receivers), ("out", stats.senders)):
            for row in rows.values():
                counts = {"bytes": row.bytes, "lost": row.lost, "nacks": row.nacks}
                counts |= {"pli": row.pli, "fir": row.fir, "rtx": row.rtx_packets}
                key = direction, row.id
                ssrc, marks = self._seen.get(key, (row.ssrc, {}))
                if ssrc != row.ssrc:  # the publisher began a new stream: its losses are counted from 0 again
                    marks = marks | {"lost": 0}
                for name, value in counts.items():
                    mark = marks.get(name, 0)
                    self.sums[direction, name] += max(0, value - mark)
                    counts[name] = max(value, mark)  # losses shrink when a packet comes late: they were added once
                seen[key] = row.ssrc, counts
        self._seen = seen

    def both(self, name: str, flip: bool = False) -> list[Sample]:
        """The samples of both directions. `flip`: for feedback, which goes against the media it is about."""
        other = {"in": "out", "out": "in"}
        return [({"dir": d}, self.sums[other[d] if flip else d, name]) for d in ("in", "out")]


_totals: WeakKeyDictionary[Relay, StreamTotals] = WeakKeyDictionary()


@cache
def _version() -> str:
    try:
        return version("rtcengine")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


def _one(value: float, **labels: str) -> list[Sample]:
    return [(labels, value)]


def _in_out(first: float, second: float) -> list[Sample]:
    return [({"dir": "in"}, first), ({"dir": "out"}, second)]


def _state_of_relay(relay: Relay, stats: EngineStats) -> Iterable[Family]:
    crypto = str(relay.engine.features["crypto"])
    roles = Counter(session.role for session in relay.sessions)
    states = Counter(transport.state for transport in stats.transports.values())
    yield Family("build_info", "gauge", "Versions, as labels of a 1.", _one(1, version=_version(), crypto=crypto))
    yield Family("rooms", "gauge", "Rooms with a publisher or a viewer.", _one(len(relay.rooms)))
    yield Family("sessions", "gauge", "WHIP and WHEP sessions.", [({"role": r}, roles[r]) for r in (PUBLISH, WATCH)])
    yield Family(
        "transports",
        "gauge",
        "Transports by state; stalled: connected, but nothing authentic came for 3 s.",
        [({"state": s}, states[s]) for s in STATES if s != "closed"],
    )
    yield Family("draining", "gauge", "1 when the relay takes no new sessions.", _one(int(relay.draining)))


def _datagrams(stats: EngineStats) -> Iterable[Family]:
    hub = stats.hub
    yield Family("udp_packets_total", "counter", "Datagrams.", _in_out(hub["in_packets"], hub["out_packets"]))
    yield Family("udp_bytes_total", "counter", "Bytes of datagrams.", _in_out(hub["in_bytes"], hub["out_bytes"]))
    yield Family("rtp_packets_total", "counter", "RTP packets, RTX included.", _in_out(hub["rtp_in"], hub["rtp_out"]))
    yield Family("rtcp_packets_total", "counter", "RTCP packets.", _in_out(hub["rtcp_in"], hub["rtcp_out"]))
    yield Family("stun_packets_total", "counter", "STUN messages.", _in_out(hub["stun_in"], hub["stun_out"]))
    yield Family("dtls_packets_total", "counter", "DTLS datagrams.", _in_out(hub["dtls_in"], hub["dtls_out"]))
    turn = _in_out(hub["turn_in"], hub["turn_out"])
    yield Family("turn_packets_total", "counter", "Datagrams of peers by way of a TURN server.", turn)
    yield Family("forwarded_packets_total", "counter", "Media packets given to viewers.", _one(hub["forwarded"]))
    drops = [({"reason": reason}, count) for reason, count in hub["drops"].items()]
    yield Family("drops_total", "counter", "Datagrams not used or not sent, by reason.", drops)


def _streams(totals: StreamTotals) -> Iterable[Family]:
    yield Family("rtp_bytes_total", "counter", "Media payload, each packet once.", totals.both("bytes"))
    yield Family(
        "rtp_lost_total",
        "counter",
        "Media packets lost on the way, before repair: in, from publishers; out, as viewers report.",
        totals.both("lost"),
    )
    yield Family("rtx_packets_total", "counter", "Retransmissions (RFC 4588).", totals.both("rtx"))
    yield Family(
        "nack_total",
        "counter",
        "Packets asked for again: in, by viewers of us; out, by us of publishers.",
        totals.both("nacks", flip=True),
    )
    yield Family("pli_total", "counter", "Key frames asked for by PLI.", totals.both("pli", flip=True))
    yield Family("fir_total", "counter", "Key frames asked for by FIR.", totals.both("fir", flip=True))


def _machine(stats: EngineStats) -> Iterable[Family]:
    loop = stats.loop
    calls: list[Sample] = [({"call": "recv"}, loop.recv_calls), ({"call": "send"}, loop.send_calls)]
    yield Family("cpu_seconds_total", "counter", "CPU time of the engine's thread.", _one(loop.cpu_seconds))
    yield Family("syscalls_total", "counter", "System calls that moved datagrams.", calls)
    yield Family("kernel_drops_total", "counter", "Datagrams lost to a full receive buffer.", _one(loop.kernel_drops))
    yield Family("send_refused_total", "counter", "Datagrams that the kernel did not take.", _one(loop.send_refused))
    yield Family("coalescing_seconds", "gauge", "How long packets are held for others to the same viewers.", _one(loop.window))
    yield Family("gso_runs_total", "counter", "Runs of packets to one viewer sent as one.", _one(loop.gso_runs))
    yield Family("gso_datagrams_total", "counter", "Packets in those runs.", _one(loop.gso_datagrams))
    yield Family("gso_refused_total", "counter", "Runs that the kernel took only one by one.", _one(loop.gso_refused))
    yield Family("frames_refused_total", "counter", "Frames for a stream that takes none.", _one(loop.frames_refused))
    yield Family("batches_refused_total", "counter", "Commands that met a full mailbox.", _one(loop.batches_refused))
    buffers = _in_out(min(loop.recv_buffer, default=0), min(loop.send_buffer, default=0))
    yield Family("udp_buffer_bytes", "gauge", "Smallest socket buffer that the kernel granted.", buffers)
    yield Family("packet_slots_used", "gauge", "Packet slots in use.", _one(stats.hub["pool_used"]))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def write(families: Iterable[Family]) -> str:
    """The exposition: HELP and TYPE of each family, then its samples."""
    lines = []
    for family in families:
        name = f"rtcengine_{family.name}"
        lines += [f"# HELP {name} {_escaped(family.help)}", f"# TYPE {name} {family.kind}"]
        for labels, value in family.samples:
            pairs = ",".join('{}="{}"'.format(k, _escaped(v).replace('"', r"\"")) for k, v in labels.items())
            lines.append(f"{name}{f'{{{pairs}}}' if pairs else ''} {_number(value)}")
    return "\n".join(lines) + "\n"


def render(relay: Relay, stats: EngineStats) -> str:
    """All of /metrics."""
    totals = _totals.setdefault(relay, StreamTotals())
    totals.look(stats)
    return write([*_state_of_relay(relay, stats), *_datagrams(stats), *_streams(totals), *_machine(stats)])
