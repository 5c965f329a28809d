"""The engine: one C thread that owns sockets, timers and packets, steered by batches of commands and heard by events.

Nothing here runs for a packet. Everything belongs to the asyncio loop that called `Engine.start`; only `Sender.send_frame`
may be called from any thread. A program that blocks that loop, or holds the GIL, delays events and commands, no media.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import _core
from .certificate import Certificate
from .config import (
    DIGEST_BITS,
    IceConfig,
    RecvConfig,
    SendConfig,
    TransportConfig,
    check_credentials,
    check_stream,
    check_transport,
)
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
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "HubStats",
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
    """The present state of a transport: several changes between two looks are one event."""

    transport: Transport
    state: str
    reason: str
    error: str
    remote: Address | None


class Transport:
    """One DTLS association with one peer. Made by `Batch.transport`.

    `state`: new, checked (a path passed its check), connected (DTLS done, fingerprint right), stalled (connected, but
    nothing authentic came for 3 s) or closed; then `reason` is command, consent (RFC 7675), close_notify, dtls or timeout,
    and `error` says more where there is more to say. `on_event` is called on the asyncio loop for each change.
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
        self.receivers: list[Receiver] = []
        self.senders: list[Sender] = []
        self._engine = engine
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    def __repr__(self) -> str:
        return f"<Transport {self.id} {self.state}{f' ({self.reason})' if self.reason else ''}>"

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

    def __repr__(self) -> str:
        return f"<Receiver {self.id} {self.config.codec} of transport {self.transport.id}>"


class Sender:
    """One stream that we send, fed by a receiver (`Batch.link`) or by `send_frame`. `on_keyframe` is called when the peer
    wants a key frame of a sender that `send_frame` feeds."""

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


class Batch:
    """Commands that the engine carries out together, with no packet in between. Nothing happens before `commit` or
    `submit`. ValueError for what a command cannot hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._commands = _core.Commands()
        self._names: list[str] = []
        self._made: list[Transport | Receiver | Sender] = []
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
        """One more (IP, port) of the peer to check. For a transport that checks."""
        if not transport.config.checker:
            raise ValueError("this transport answers checks and sends none")
        self._commands.path(self._own(transport), address, self._engine._socket_for(address))
        self._names.append(f"path of transport {transport.id}")

    def close(self, transport: Transport) -> None:
        """BYE, close_notify, all freed. Of a transport that is closed already: nothing."""
        self._commands.close(self._own(transport))
        self._names.append(f"close of transport {transport.id}")

    def receive(self, transport: Transport, config: RecvConfig) -> Receiver:
        """A stream that the peer of this transport sends."""
        check_stream(config)
        receiver = Receiver(next(self._engine._receiver_ids), transport, config)
        self._commands.receive(receiver.id, self._own(transport), config)
        return self._add(receiver, f"receiver {receiver.id} of transport {transport.id}")

    def send(self, transport: Transport, config: SendConfig) -> Sender:
        """A stream that the peer of this transport gets."""
        check_stream(config)
        sender = Sender(next(self._engine._sender_ids), transport, config)
        self._commands.send(sender.id, self._own(transport), config)
        return self._add(sender, f"sender {sender.id} of transport {transport.id}")

    def link(self, sender: Sender, receiver: Receiver | None) -> None:
        """Feeds the sender from the receiver, from the next key frame on; None: from nobody. Codecs must be the same."""
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

    def rate(self, transport: Transport, bps: int) -> None:
        """Pace of what is paced on this transport, in bits a second."""
        if bps <= 0:
            raise ValueError("a rate is above 0")
        self._commands.rate(self._own(transport), bps)
        self._names.append(f"rate of transport {transport.id}")

    async def commit(self) -> None:
        """Returns when the engine's thread has carried out all of it. EngineError names the command that failed. Then, and
        when this is cancelled, the transports that the batch made are closed again."""
        if not self._names:
            return
        future = self._engine._submit(self)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            self._engine._undo(self._made)
            raise

    def submit(self) -> None:
        """The same without waiting; a failure is logged."""
        if self._names:
            self._engine._submit(self).add_done_callback(log_failure)

    def _own(self, transport: Transport) -> int:
        if transport._engine is not self._engine:
            raise ValueError(f"{transport!r} belongs to another engine")
        return transport.id

    def _add[T: (Transport, Receiver, Sender)](self, made: T, name: str) -> T:
        self._made.append(made)
        self._names.append(name)
        return made
