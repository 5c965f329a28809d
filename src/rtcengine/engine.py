"""The engine: one C thread that owns sockets, timers and packets, steered by batches of commands and heard by events.

Nothing here runs for a packet. Everything belongs to the asyncio loop that called `Engine.start`; only
`Sender.send_frame` may be called from any thread. A program that blocks that loop, or holds the GIL, delays events and
commands, no media.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from . import _core
from .certificate import Certificate
from .config import (
    DIGEST_BITS,
    IceCandidate,
    IceConfig,
    RecvConfig,
    SendConfig,
    TransportConfig,
    check_candidate,
    check_credentials,
    check_stream,
    check_transport,
)
from .frames import EncodedFrame, FrameStream
from .stats import (
    PROFILES,
    STATES,
    Address,
    EngineStats,
    HubStats,
    LoopStats,
    ReceiverStats,
    SenderStats,
    TransportStats,
)

__all__ = [
    "Address",
    "Batch",
    "Certificate",
    "EncodedFrame",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "FrameStream",
    "HubStats",
    "IceCandidate",
    "IceConfig",
    "LoopStats",
    "Receiver",
    "ReceiverStats",
    "RecvConfig",
    "SendConfig",
    "Sender",
    "SenderStats",
    "Transport",
    "TransportConfig",
    "TransportEvent",
    "TransportStats",
    "TransportTimes",
]

log = logging.getLogger("rtcengine")

REASONS = ("", "command", "consent", "close_notify", "dtls", "timeout")
# How far a state is along; a stalled transport is a connected one.
RANK = {"new": 0, "checked": 1, "connected": 2, "stalled": 2, "closed": 3}


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

    `state`: new, checked (a path passed its check), connected (DTLS done, fingerprint right), stalled (connected, but
    nothing authentic came for 3 s) or closed; then `reason` is command, consent (RFC 7675), close_notify, dtls or
    timeout, and `error` says more where there is more to say. `on_event` is called on the asyncio loop for each change.
    Of a full ICE agent: `ice_state` as W3C's RTCIceTransportState has them, `controlling`: its present role, and the
    types of the candidates behind `remote` (`local_type`, `remote_type`).
    """

    def __init__(self, engine: Engine, id: int, config: TransportConfig, on_event: EventHandler | None) -> None:
        self.id = id
        self.config = config
        self.on_event = on_event
        self.state = "new"
        self.reason = ""
        self.error = ""
        self.remote: Address | None = None
        self.times = TransportTimes()
        self.srtp_profile = ""
        self.ice_state = "new"
        self.controlling = config.ice_role == "controlling"
        self.local_type = self.remote_type = ""
        self.receivers: list[Receiver] = []
        self.senders: list[Sender] = []
        self._engine = engine
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

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


class Receiver:
    """One stream that the peer sends. `ssrc` is 0 until its first authentic packet, which calls `on_active`."""

    def __init__(self, id: int, transport: Transport, config: RecvConfig) -> None:
        self.id = id
        self.transport = transport
        self.config = config
        self.ssrc = 0
        self.on_active: Callable[[], None] | None = None
        self.wants_frames = config.frames
        self._stream: FrameStream | None = None

    def frames(self) -> FrameStream:
        """Its encoded frames, for a receiver whose config or whose `Batch.frames` asks for them. One iteration at a time;
        forwarding to viewers goes on beside it."""
        if not self.wants_frames:
            raise EngineError(f"{self!r} was not told to give frames (RecvConfig.frames, Batch.frames)")
        if self._stream is not None and not self._stream.closed:
            raise EngineError(f"frames of {self!r} are being taken already")
        self._stream = FrameStream(self._take_frame)
        if self.transport.state == "closed" or self.transport._engine._closed:
            self._stream.close()
        return self._stream

    def _take_frame(self) -> EncodedFrame | None:
        core = self.transport._engine._core
        taken = core.take_frame(self.id) if core is not None else None
        if taken is None:
            return None
        data, timestamp, key, lost, at = taken
        return EncodedFrame(
            data=data,
            timestamp=timestamp,
            clock_rate=self.config.clock_rate,
            codec=self.config.codec,
            key=key,
            lost=lost,
            arrived=at / 1e6,
        )

    def __repr__(self) -> str:
        return f"<Receiver {self.id} {self.config.codec} of transport {self.transport.id}>"


class Sender:
    """One stream that we send, fed by a receiver (`Batch.link`) or by `send_frame`. `on_keyframe` is called when the
    peer wants a key frame of a sender that `send_frame` feeds."""

    def __init__(self, id: int, transport: Transport, config: SendConfig) -> None:
        self.id = id
        self.transport = transport
        self.config = config
        self.on_keyframe: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Sender {self.id} {self.config.codec} of transport {self.transport.id}>"

    def send_frame(self, data: bytes | bytearray | memoryview, timestamp: int, key: bool) -> None:
        """One encoded frame (Opus, VP8), copied before this returns. Any thread; never blocks.

        `timestamp` in units of the clock rate, taken mod 2^32. BufferError when 64 frames of this sender wait for the
        engine's thread; EngineClosed when the transport or the engine is closed.
        """
        if self.transport.state == "closed":
            raise EngineClosed(f"transport {self.transport.id} is closed")
        if not len(data):
            raise ValueError("an empty frame")
        core = self.transport._engine._running()
        try:
            core.frame(self.id, data, timestamp & 0xFFFFFFFF, key)
        except RuntimeError as error:
            raise EngineClosed(str(error)) from None


EventHandler = Callable[[TransportEvent], None]
Made = TypeVar("Made", Transport, Receiver, Sender)


class Batch:
    """Commands that the engine carries out together, with no packet in between. Nothing happens before `commit` or
    `submit`. ValueError for what a command cannot hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._commands = _core.Commands()
        self._names: list[str] = []
        self._made: list[Transport | Receiver | Sender] = []
        self._frames: dict[Receiver, bool] = {}  # whose frames are wanted from now on, or no more
        self._sent = False

    def transport(self, config: TransportConfig, on_event: EventHandler | None = None) -> Transport:
        """A new transport."""
        check_transport(config)
        transport = Transport(self._engine, next(self._engine._transport_ids), config, on_event)
        bits = {name: DIGEST_BITS[name.lower()] for name, _ in config.fingerprints}
        self._commands.transport(transport.id, config, bits)
        return self._add(transport, f"transport {transport.id}")

    def restart(self, transport: Transport, ice: IceConfig) -> None:
        """New ICE credentials (RFC 8445 §9). Media goes on over the old path until the new ones are used."""
        check_credentials("local", ice.local_ufrag, ice.local_pwd)
        if ice.remote_ufrag or ice.remote_pwd:
            check_credentials("remote", ice.remote_ufrag, ice.remote_pwd)
        self._commands.restart(self._own(transport), ice)
        self._names.append(f"restart of transport {transport.id}")

    def path(self, transport: Transport, address: Address) -> None:
        """One more (IP, port) of the peer to check, from whatever socket reaches it. For full agents."""
        self._commands.path(self._full(transport), address, self._engine._socket_for(address))
        self._names.append(f"path of transport {transport.id}")

    def local_candidate(self, transport: Transport, candidate: IceCandidate) -> None:
        """One more candidate of ours, at any time. Its base, or its address, is of the family and port of a bound one.
        For full agents; 50 are the most."""
        check_candidate(candidate)
        sock = self._engine._socket_of(candidate.base or candidate.address)
        self._candidate(transport, True, candidate, sock)

    def remote_candidate(self, transport: Transport, candidate: IceCandidate) -> None:
        """One more candidate of the peer, at any time. No name is looked up. For full agents; 50 are the most."""
        check_candidate(candidate)
        self._candidate(transport, False, candidate, 0)

    def end_of_candidates(self, transport: Transport, *, local: bool = False, remote: bool = False) -> None:
        """No more candidates will come from these sides (RFC 8838 §8.2)."""
        self._commands.end_of_candidates(self._full(transport), local, remote)
        self._names.append(f"end of candidates of transport {transport.id}")

    def role(self, transport: Transport, controlling: bool) -> None:
        """Another ICE role, for full agents."""
        self._commands.role(self._full(transport), controlling)
        self._names.append(f"role of transport {transport.id}")

    def close(self, transport: Transport) -> None:
        """BYE, close_notify, all freed. Of a transport that is closed already: nothing."""
        self._commands.close(self._own(transport))
        self._names.append(f"close of transport {transport.id}")

    def receive(self, transport: Transport, config: RecvConfig) -> Receiver:
        """A stream that the peer of this transport sends."""
        check_stream(config)
        receiver = Receiver(next(self._engine._receiver_ids), transport, config)
        self._commands.receive(receiver.id, self._own(transport), config)
        if config.frames:
            self._frames[receiver] = True
        return self._add(receiver, f"receiver {receiver.id} of transport {transport.id}")

    def send(self, transport: Transport, config: SendConfig) -> Sender:
        """A stream that the peer of this transport gets."""
        check_stream(config)
        sender = Sender(next(self._engine._sender_ids), transport, config)
        self._commands.send(sender.id, self._own(transport), config)
        return self._add(sender, f"sender {sender.id} of transport {transport.id}")

    def link(self, sender: Sender, receiver: Receiver | None) -> None:
        """Feeds the sender from the receiver, from its next key frame on; None: from nobody. One codec for both."""
        self._own(sender.transport)
        if receiver is not None:
            self._own(receiver.transport)
            ours, theirs = sender.config, receiver.config
            if (ours.codec.lower(), ours.clock_rate) != (theirs.codec.lower(), theirs.clock_rate):
                raise ValueError(f"{receiver!r} cannot feed {sender!r}: codec or clock rate differ")
        self._commands.link(sender.id, receiver.id if receiver is not None else 0)
        self._names.append(f"link of sender {sender.id}")

    def keyframe(self, receiver: Receiver) -> None:
        """Asks the receiver's peer for a key frame."""
        self._own(receiver.transport)
        self._commands.keyframe(receiver.id)
        self._names.append(f"key frame of receiver {receiver.id}")

    def frames(self, receiver: Receiver, wanted: bool) -> None:
        """Whether Python gets the receiver's frames (`Receiver.frames`) from now on; video begins at the next key frame,
        which is asked for."""
        self._own(receiver.transport)
        self._commands.frames(receiver.id, wanted)
        self._frames[receiver] = wanted
        self._names.append(f"frames of receiver {receiver.id}")

    def rate(self, transport: Transport, bps: int) -> None:
        """Pace of what is paced on this transport, in bits a second."""
        if bps <= 0:
            raise ValueError("a rate is above 0")
        self._commands.rate(self._own(transport), bps)
        self._names.append(f"rate of transport {transport.id}")

    async def commit(self) -> None:
        """Returns when the engine's thread has carried out all of it. EngineError names the command that failed. Then,
        and when this is cancelled, the transports that the batch made are closed again."""
        if not self._names:
            return
        future = self._engine._submit(self)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(log_failure)
            self._engine._undo(self._made)
            raise

    def submit(self) -> None:
        """The same without waiting; a failure is logged."""
        if self._names:
            self._engine._submit(self).add_done_callback(log_failure)

    def _candidate(self, transport: Transport, local: bool, candidate: IceCandidate, sock: int) -> None:
        foundation = zlib.crc32(candidate.foundation.encode())
        self._commands.candidate(self._full(transport), local, candidate, sock, foundation)
        self._names.append(f"{'local' if local else 'remote'} candidate of transport {transport.id}")

    def _full(self, transport: Transport) -> int:
        if transport.config.ice_role == "lite":
            raise ValueError("this transport answers checks and sends none")
        return self._own(transport)

    def _own(self, transport: Transport) -> int:
        if transport._engine is not self._engine:
            raise ValueError(f"{transport!r} belongs to another engine")
        return transport.id

    def _add(self, made: Made, name: str) -> Made:
        self._made.append(made)
        self._names.append(name)
        return made


def log_failure(future: asyncio.Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("%s", error)


class Engine:
    """One engine thread with its UDP sockets.

    `udp`: (IP, port) pairs to bind at start. Port 0 is a free one, the same for all of them. An address of a family
    that this machine lacks is left out as long as another one remains. `recv_buffer`, `send_buffer`: bytes asked for, a
    socket; what was granted is in `features`. `coalesce`: seconds, 0 to 0.005, that packets may at most be held while
    the thread is busy, so that several to one peer leave as one; 0: never. `portable`: only what POSIX has; `openssl`: its
    ciphers alone, one packet after the other (for tests and measurements).
    """

    def __init__(
        self,
        certificate: Certificate,
        *,
        udp: Sequence[Address] = (("0.0.0.0", 0), ("::", 0)),
        recv_buffer: int = _core.BUFFER_DEFAULT,
        send_buffer: int = _core.BUFFER_DEFAULT,
        coalesce: float = 0.005,
        portable: bool = False,
        openssl: bool = False,
    ) -> None:
        if not 0 <= coalesce <= 0.005:
            raise ValueError(f"coalesce is {coalesce}, not 0 to 0.005 seconds")
        self._coalesce_us = round(coalesce * 1e6)
        self.certificate = certificate
        self._udp = [(host, port) for host, port in udp]
        self._buffers = (recv_buffer, send_buffer)
        self._portable = portable
        self._openssl = openssl
        self._core: _core.Loop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None
        self._closed = False
        self._bound: list[Address] = []
        self._transport_ids = itertools.count(1)
        self._receiver_ids = itertools.count(1)
        self._sender_ids = itertools.count(1)
        # What lives, by id. Ids are never used again, so an event of what is gone finds nothing here.
        self._transports: dict[int, Transport] = {}
        self._receivers: dict[int, Receiver] = {}
        self._senders: dict[int, Sender] = {}
        # By ticket: who waits for which batch.
        self._pending: dict[int, tuple[Batch, asyncio.Future[None]]] = {}

    async def start(self) -> None:
        """Binds and starts the thread. OSError when an address cannot be bound, ValueError when it is none or when the
        certificate cannot be used."""
        if self._closed:
            raise EngineClosed("the engine is closed")
        if self._core is not None:
            raise EngineError("the engine runs already")
        loop = asyncio.get_running_loop()
        certificate = self.certificate
        options = (*self._buffers, self._portable, self._coalesce_us, self._openssl)
        core = _core.Loop(self._udp, certificate.cert_pem, certificate.key_pem, *options)
        core.start()
        self._core, self._loop = core, loop
        self._bound = core.info()["bound"]
        loop.add_reader(core.event_fd(), self._drain)

    async def close(self) -> None:
        """BYE and close_notify to every peer, thread joined. No callback is called from now on. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._closed = True
        if self._core is None:
            return
        assert self._loop is not None
        self._loop.remove_reader(self._core.event_fd())
        await asyncio.to_thread(self._core.stop)
        self._take_acks(self._core)
        for transport in list(self._transports.values()):
            self._forget(transport)
            transport._set_state("closed", "command")

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if getattr(self, "_core", None) is not None and not self._closed:
            warn(f"unclosed {self!r}", ResourceWarning, source=self)

    @property
    def closed(self) -> bool:
        """Whether `close` has begun."""
        return self._closed

    @property
    def addresses(self) -> list[Address]:
        """The (IP, port) pairs really bound."""
        return list(self._bound)

    @property
    def port(self) -> int:
        """The port of the first address."""
        if not self._bound:
            raise EngineError("the engine has not been started")
        return self._bound[0][1]

    @property
    def features(self) -> dict[str, Any]:
        """What the sending and receiving side uses here, buffer sizes in bytes a socket, and the crypto library.

        `gso`: packets to one viewer that come together are sent as one; known once the engine has been started, and
        false again when no network device here takes them so.
        """
        native = sys.platform == "linux" and not self._portable
        info = self._core.info() if self._core is not None else {"recv_buffer": [], "send_buffer": [], "gso": False}
        return {
            "recvmmsg": native,
            "sendmmsg": native,
            "gso": info["gso"],
            "rcvbuf": info["recv_buffer"],
            "sndbuf": info["send_buffer"],
            "crypto": _core.crypto_version(),
            "sealer": _core.sealer_backend(),
        }

    def batch(self) -> Batch:
        """An empty batch of commands."""
        return Batch(self)

    async def stats(self) -> EngineStats:
        """All counters at one moment."""
        room = (len(self._transports), len(self._receivers), len(self._senders))
        while True:
            rows = _core.StatsRows(*(n + 16 for n in room))
            batch = Batch(self)
            batch._commands.stats(rows)
            batch._names.append("statistics")
            await asyncio.shield(self._submit(batch))
            if all(need <= had + 16 for need, had in zip(rows.needed(), room, strict=True)):
                info = self._running().info()
                return EngineStats.of(rows.hub(), rows.transports(), rows.receivers(), rows.senders(), info)
            room = rows.needed()

    def _running(self) -> _core.Loop:
        if self._closed:
            raise EngineClosed("the engine is closed")
        if self._core is None:
            raise EngineError("the engine has not been started")
        return self._core

    def _socket_for(self, address: Address) -> int:
        """Number of the socket of the address's family."""
        v6 = ":" in address[0]
        for number, (host, _) in enumerate(self._bound):
            if (":" in host) == v6:
                return number
        raise ValueError(f"no socket of ours can reach {address[0]}: bound are {self._bound}")

    def _socket_of(self, base: Address) -> int:
        """Number of the socket that is bound to this address, or to all of its family with this port."""
        v6 = ":" in base[0]
        for number, (host, port) in enumerate(self._bound):
            if (":" in host) == v6 and port == base[1] and host in (base[0], "::" if v6 else "0.0.0.0"):
                return number
        raise ValueError(f"no socket of ours is bound to {base}: bound are {self._bound}")

    def _submit(self, batch: Batch) -> asyncio.Future[None]:
        core = self._running()
        if batch._sent:
            raise EngineError("this batch was sent before")
        batch._sent = True
        for receiver, wanted in batch._frames.items():
            if wanted:
                core.frames_open(receiver.id)
        try:
            ticket = core.submit(batch._commands)
        except Exception as error:
            for receiver in batch._frames:
                if not receiver.wants_frames or receiver in batch._made:
                    core.frames_close(receiver.id)
            if isinstance(error, RuntimeError):
                raise EngineClosed(str(error)) from None
            raise
        for receiver, wanted in batch._frames.items():
            receiver.wants_frames = wanted
            if not wanted:
                self._end_frames(receiver)
        for made in batch._made:
            self._register(made)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending[ticket] = (batch, future)
        return future

    def _register(self, made: Transport | Receiver | Sender) -> None:
        if isinstance(made, Transport):
            self._transports[made.id] = made
        elif isinstance(made, Receiver):
            self._receivers[made.id] = made
            made.transport.receivers.append(made)
        else:
            self._senders[made.id] = made
            made.transport.senders.append(made)

    def _forget(self, transport: Transport) -> None:
        self._transports.pop(transport.id, None)
        for receiver in transport.receivers:
            self._receivers.pop(receiver.id, None)
            self._end_frames(receiver)
        for sender in transport.senders:
            self._senders.pop(sender.id, None)

    def _end_frames(self, receiver: Receiver) -> None:
        """Ends the iteration, and lets go what waits."""
        if receiver._stream is not None:
            receiver._stream.close()
        if self._core is not None:
            self._core.frames_close(receiver.id)

    def _undo(self, made: list[Transport | Receiver | Sender]) -> None:
        """Takes back what a batch made that failed or that nobody waits for."""
        commands = _core.Commands()
        for one in made:
            if isinstance(one, Transport):
                self._forget(one)
                one._set_state("closed", "command")
                commands.close(one.id)
            elif isinstance(one, Receiver):
                self._receivers.pop(one.id, None)
                self._end_frames(one)
            else:
                self._senders.pop(one.id, None)
        if commands.n and not self._closed and self._core is not None:
            self._core.submit(commands)

    def _drain(self) -> None:
        """Everything that the engine has to say, in one go."""
        core = self._core
        if core is None or self._closed:
            return
        core.look()
        events = core.events()
        self._take_acks(core)
        for event in events:
            self._dispatch(event)
        if self._closed:  # by a callback
            return
        for id in core.frames_news():
            receiver = self._receivers.get(id)
            if receiver is not None and receiver._stream is not None:
                receiver._stream.wake()

    def _take_acks(self, core: _core.Loop) -> None:
        for ticket, err, index in core.acks():
            batch, future = self._pending.pop(ticket, (None, None))
            if batch is None or future is None:
                continue
            error: EngineError | None = None
            if err == _core.CLOSED:
                error = EngineClosed("the engine was closed before")
            elif err:
                error = EngineError(f"{batch._names[index]}: {_core.err_text(err)}")
            if error is not None:
                self._undo(batch._made)
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _dispatch(self, event: _core.Event) -> None:
        kind, id, state, reason, text, ssrc, profile, remote, times, ice = event
        if kind == _core.EVENT_TRANSPORT:
            if (transport := self._transports.get(id)) is not None:
                self._on_transport(transport, STATES[state], REASONS[reason], text, profile, remote, times, ice)
        elif kind == _core.EVENT_RECEIVER:
            if (receiver := self._receivers.get(id)) is not None:
                receiver.ssrc = ssrc
                self._call(receiver.on_active)
        elif (sender := self._senders.get(id)) is not None:
            self._call(sender.on_keyframe)

    def _on_transport(
        self,
        transport: Transport,
        state: str,
        reason: str,
        text: str,
        profile: int,
        remote: Address | None,
        times: tuple[int, int, int, int],
        ice: tuple[str, bool, str, str],
    ) -> None:
        if state == "closed":
            self._forget(transport)
        if remote is not None:
            transport.remote = remote
        transport.srtp_profile = PROFILES.get(profile, "")
        if transport.config.ice_role != "lite":
            transport.ice_state, transport.controlling, *types = ice
            if remote is not None:
                transport.local_type, transport.remote_type = types
        added, *later = times
        transport.times = TransportTimes(added / 1e6, *((t - added) / 1e6 if t else None for t in later))
        transport._set_state(state, reason, text)
        if transport.on_event is not None:
            event = TransportEvent(transport, state, reason, text, transport.remote, transport.ice_state)
            self._call(transport.on_event, event)

    def _call(self, callback: Callable[..., None] | None, *args: object) -> None:
        """A callback that fails must not take the others' events with it."""
        if callback is None or self._closed:
            return
        try:
            callback(*args)
        except Exception as error:
            assert self._loop is not None
            self._loop.call_exception_handler({"message": f"{callback!r} failed", "exception": error})
