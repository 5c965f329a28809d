"""What stands for the engine's own things in Python: a transport, what it receives and what it sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _core
from ..config import PayloadType, RecvConfig, SendConfig, TransportConfig
from ..frames import EncodedFrame, FrameQueue, FrameShare, FrameStream
from ..payload import FrameDescription, TemporalLayer
from ..stats import STATES, Address
from .stun import StunQuery

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .engine import Engine

log = logging.getLogger("rtcengine")

# How far a state is along; a stalled transport is a connected one.
RANK = {"new": 0, "checked": 1, "held": 2, "connected": 3, "stalled": 3, "closed": 4}


RED_MORE_LOSS = _core.RED_MORE_LOSS
"""Percent of loss from which on a packet of RED repeats two frames, where `SendConfig.red_levels` is 0."""


def csrc_rows(csrcs: bytes) -> list[tuple[int, int, int, int]]:
    """What `EncodedFrame.csrcs` holds, newest first: time.monotonic() in microseconds, CSRC, RTP time, -dBov or -1."""
    return _core.csrc_rows(csrcs)


class EngineError(Exception):
    """The engine refused a command, or a transport ended while its state was waited for."""


class EngineClosed(EngineError):
    """The engine, or the transport in question, is closed."""


@dataclass(frozen=True, slots=True)
class TransportTimes:
    """`added` is a time of time.monotonic(); the others are seconds since then, None for what has not happened."""

    added: float | None = None
    checked: float | None = None
    connected: float | None = None
    first_media: float | None = None


NO_TIMES = TransportTimes()


@dataclass(frozen=True, slots=True)
class TransportEvent:
    """The present state of a transport: several changes between two looks are one event. `ice_state`: of a full agent."""

    transport: Transport
    state: str
    reason: str
    error: str
    remote: Address | None
    ice_state: str


class Transport:
    """One DTLS association with one peer. Made by `Batch.transport`.

    `state`: new, checked (a path passed its check), held (DTLS done, fingerprint right, `TransportConfig.verify` has yet to
    accept the peer), connected (media may flow), stalled (connected, but nothing authentic came for 3 s) or closed; then
    `reason` is command, consent (RFC 7675), close_notify, dtls or timeout, and `error` says more where there is more to
    say. `on_event` is called on the asyncio loop for each change.
    `remote_certificates`: what the peer showed, DER, its own first; empty before the handshake is over.
    Of a full ICE agent: `ice_state` as W3C's RTCIceTransportState has them, `controlling`: its present role, and the
    types of the candidates behind `remote` (`local_type`, `remote_type`), `local`: the address of ours that it is sent from,
    `tcp`: whether by TCP.
    """

    # Of these and their senders there are ten thousands in a relay.
    __slots__ = (
        "__weakref__",
        "_asked",
        "_context",
        "_engine",
        "_verifying",
        "_waiting",
        "config",
        "controlling",
        "error",
        "ice_state",
        "id",
        "local",
        "local_type",
        "on_event",
        "queries",
        "reason",
        "receivers",
        "remote",
        "remote_certificates",
        "remote_type",
        "senders",
        "srtp_profile",
        "state",
        "tcp",
        "times",
    )

    def __init__(self, engine: Engine, id: int, config: TransportConfig, on_event: EventHandler | None) -> None:
        self.id = id
        self.config = config
        self.on_event = on_event
        self.state = "new"
        self.reason = ""
        self.error = ""
        self.remote: Address | None = None
        self.times = NO_TIMES
        self.srtp_profile = ""
        self.remote_certificates: list[bytes] = []
        self.ice_state = "new"
        self.controlling = config.ice_role == "controlling"
        self.local_type = self.remote_type = ""
        self.local: Address | None = None
        self.tcp = False
        self.receivers: list[Receiver] = []
        self.senders: list[Sender] = []
        self.queries: dict[int, StunQuery] = {}  # to STUN servers, by number
        self._engine = engine
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._context: _core.DtlsContext | None = None  # while it lives, so that others share it
        self._asked = False
        self._verifying: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Transport {self.id} {self.state}{f' ({self.reason})' if self.reason else ''}>"

    @property
    def engine(self) -> Engine:
        """The engine that it belongs to."""
        return self._engine

    async def wait(self, state: str) -> None:
        """Returns once the transport is in this state or past it. EngineError when it closes before."""
        if state not in STATES:
            raise ValueError(f"no such state: {state!r}")
        if self._has_reached(state):
            return
        if self.state == "closed":
            raise self._ended()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (state, future)
        self._waiting.append(entry)
        try:
            await future
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def _has_reached(self, state: str) -> bool:
        if state in ("stalled", "closed") or self.state == "closed":
            return self.state == state
        return RANK[self.state] >= RANK[state]

    def _ended(self) -> EngineError:
        kind = EngineClosed if self.reason == "command" else EngineError
        return kind(f"transport {self.id} closed: {self.error or self.reason}")

    def _set_state(self, state: str, reason: str = "", error: str = "") -> None:
        self.state, self.reason, self.error = state, reason, error
        for entry in list(self._waiting):
            wanted, future = entry
            if future.done():
                continue
            if self._has_reached(wanted):
                future.set_result(None)
            elif state == "closed":
                future.set_exception(self._ended())


class Socket:
    """One socket of the engine, opened while it runs (`Engine.open_udp`, `listen_tcp`, `connect_tcp`, `connect_turn`). It is
    closed by `Batch.close_socket` or with the engine. `address`: the (IP, port) really bound; `remote`: where a connection
    goes to.

    `state`: open, or of a connection connecting, connected or closed; then `error` says why, or nothing when the peer has
    closed it in order. `on_change` is called on the asyncio loop for each change. One that has ended is still to be closed.
    """

    def __init__(self, engine: Engine, number: int, address: Address, remote: Address | None = None, tcp: bool = False) -> None:
        self.number = number
        self.address = address
        self.remote = remote
        self.tcp = tcp
        self.state = "open" if remote is None else "connecting"
        self.error = ""
        self.on_change: Callable[[Socket], None] | None = None
        self._engine = engine

    @property
    def closed(self) -> bool:
        """Whether it has ended, or been closed."""
        return self.state == "closed"

    def __repr__(self) -> str:
        return f"<Socket {self.number} {self.address} {self.state}>"


class Receiver:
    """One stream that the peer sends. `ssrc` is 0 until its first authentic packet, which calls `on_active`. `on_tone` is
    called with each telephone event that is over: its code, its volume (-dBm0) and how many seconds it was."""

    __slots__ = ("__weakref__", "_share", "config", "id", "on_active", "on_tone", "ssrc", "taps", "transport", "wants_frames")

    def __init__(self, id: int, transport: Transport, config: RecvConfig) -> None:
        self.id = id
        self.transport = transport
        self.config = config
        self.ssrc = 0
        self.on_active: Callable[[], None] | None = None
        self.on_tone: Callable[[int, int, float], None] | None = None
        self.wants_frames = config.frames
        self._share: FrameShare | None = None
        self.taps = 0  # who wants frames, for those who switch them on and off together

    def frames(self, queue: FrameQueue | None = None) -> FrameStream:
        """Its encoded frames from now on, for a receiver whose config or whose `Batch.frames` asks for them; each call gives a
        stream of its own, whose frames wait in the engine, or in a `queue` of the caller's. Forwarding to viewers goes on
        beside it."""
        if not self.wants_frames:
            raise EngineError(f"{self!r} was not told to give frames (RecvConfig.frames, Batch.frames)")
        if self._share is None:
            self._share = FrameShare(self._take_frame, self.ask_key_frame)
        stream = self._share.open(queue)
        if self.transport.state == "closed" or self.transport._engine._closed:
            stream.close()
        return stream

    def ask_key_frame(self) -> None:
        """Asks the peer for one, if it is still there."""
        if self.is_open:
            batch = self.transport._engine.batch()
            batch.keyframe(self)
            batch.submit()

    @property
    def is_open(self) -> bool:
        """Whether the engine still has it."""
        return not self.transport._engine.closed and self.transport.state != "closed"

    def _take_frame(self) -> EncodedFrame | None:
        core = self.transport._engine._core
        taken = core.take_frame(self.id) if core is not None else None
        if taken is None:
            return None
        data, timestamp, key, lost, at, codec, level, rotation, mirrored, captured_us, csrcs = taken
        used: RecvConfig | PayloadType = self.config
        if used.codec.lower() != codec:
            used = next((one for one in self.config.others if one.codec.lower() == codec), used)
        return EncodedFrame(
            data=data,
            timestamp=timestamp,
            clock_rate=used.clock_rate,
            codec=used.codec,
            key=key,
            lost=lost,
            arrived=at / 1e6,
            level=-(level & 0x7F) if level >= 0 else None,
            voice=level > 0x7F if level >= 0 else None,
            rotation=rotation,
            mirrored=mirrored,
            capture_time=captured_us / 1e6 if captured_us else None,
            csrcs=csrcs,
        )

    def __repr__(self) -> str:
        return f"<Receiver {self.id} {self.config.codec} of transport {self.transport.id}>"


class Sender:
    """One stream that we send, fed by a receiver (`Batch.link`) or by `send_frame`, which any thread may call. `on_keyframe` is
    called when the peer wants a key frame of a sender that `send_frame` feeds; `on_loss`, of one of sound, when the peer's
    reports say that another percentage of its packets gets lost: a greater one at once, a smaller one step by step."""

    __slots__ = ("__weakref__", "config", "id", "on_keyframe", "on_loss", "transport")

    def __init__(self, id: int, transport: Transport, config: SendConfig) -> None:
        self.id = id
        self.transport = transport
        self.config = config
        self.on_keyframe: Callable[[], None] | None = None
        self.on_loss: Callable[[int], None] | None = None

    def __repr__(self) -> str:
        return f"<Sender {self.id} {self.config.codec} of transport {self.transport.id}>"

    def send_frame(
        self,
        data: Buffer,
        timestamp: int,
        key: bool,
        layer: TemporalLayer | None = None,
        *,
        level: int | None = None,
        voice: bool = False,
        rotation: int | None = None,
        mirrored: bool = False,
        captured: float | None = None,
        description: FrameDescription | None = None,
        begins: bool = False,
    ) -> None:
        """One encoded frame in any buffer, copied before this returns. Any thread; never blocks. H.264 is an Annex B stream
        with start codes, AV1 OBUs with their sizes, VP9 of one spatial layer. `layer` says where a VP8 or VP9 frame stands
        among temporal layers, and an AV1 frame that has a `description`: of all frames of a sender, or of none.

        `timestamp` in units of the clock rate, taken mod 2^32. `level`: how loud a frame of sound is, 0 to -127 dBov, and
        `voice` whether speech is in it; a peer that has agreed to RFC 6464 (`SendConfig.extensions`) is told. `begins`: it is
        the first after silence in which nothing was sent, which its marker says (RFC 3551 §4.1). `rotation` (0, 90, 180, 270):
        degrees clockwise that bring a picture upright, and whether it is `mirrored`, left for right: likewise by
        video-orientation. `captured`: time.monotonic() of the capture, for sender reports and abs-capture-time; now when it is
        None, or not within the last 10 s. `description`: of video, dependency descriptors go with it to a peer that has agreed
        to them; then VP8 may hold what nobody on the way can read. BufferError when 64 frames of this sender wait for the
        engine's thread; EngineClosed when the transport or the engine is closed.
        """
        transport = self.transport
        if transport.state == "closed":
            raise EngineClosed(f"transport {transport.id} is closed")
        if level is not None and not -127 <= level <= 0:
            raise ValueError(f"a level of {level} dBov is not of 0 to -127")
        if rotation not in (None, 0, 90, 180, 270):
            raise ValueError(f"a rotation of {rotation} degrees is not 0, 90, 180 or 270")
        if description is not None and not (0 <= description.layers <= 3 and all(0 <= n <= 0xFFFF for n in description[1:])):
            raise ValueError(f"{description} is not of 0 to 3 layers and sides of 0 to 65535")
        core = transport._engine._running()
        turn, at = -1 if rotation is None else rotation, 0 if captured is None else max(1, int(captured * 1e6))
        heard = -1 if level is None else voice << 7 | -level
        try:
            core.frame(self.id, data, timestamp & 0xFFFFFFFF, key, layer, heard, turn, mirrored, at, description, begins)
        except RuntimeError as error:
            raise EngineClosed(str(error)) from None


EventHandler = Callable[[TransportEvent], None]
