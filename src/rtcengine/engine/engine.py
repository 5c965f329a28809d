"""The engine itself: owns the thread's loop, sends it batches and hands out its events."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import itertools
import os
import random
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

from .. import _core
from ..certificate import Certificate
from ..config import TlsConfig
from ..stats import PROFILES, STATES, Address, EngineStats, IceStats, OneTransportStats
from .batch import Batch
from .capture import Capture
from .handles import EngineClosed, EngineError, Receiver, Sender, Socket, Transport, TransportEvent, TransportTimes, log
from .stun import StunQuery
from .turn import Allocation, TurnError

REASONS = ("", "command", "consent", "close_notify", "dtls", "timeout")


_contexts: WeakValueDictionary[Certificate, _core.DtlsContext] = WeakValueDictionary()


def dtls_context(certificate: Certificate) -> _core.DtlsContext:
    """What DTLS makes of a certificate, while somebody holds it: for who knows it long before a transport needs it. ValueError
    for one that cannot be used."""
    context = _contexts.get(certificate)
    if context is None:
        context = _contexts[certificate] = _core.DtlsContext(certificate.cert_pem, certificate.key_pem)
    return context


class Engine:
    """One engine thread with its UDP sockets.

    `certificate`: what DTLS shows for transports that bring none of their own.
    `udp`: (IP, port) pairs to bind at start, or none: `open_udp` binds later. Port 0 is a free one, the same for all of
    them. An address of a family that this machine lacks is left out as long as another one remains. `recv_buffer`,
    `send_buffer`: bytes asked for, a socket; what was granted is in `features`. `coalesce`: seconds, 0 to 0.005, that
    packets may at most be held while the thread is busy, so that several to one peer leave as one; 0: never.
    `portable`: only what POSIX has; `openssl`: its ciphers alone, one packet after the other (for tests and
    measurements). `srtp_window`: how far behind the highest number of its stream a packet is still taken (RFC 3711 §3.3.2).
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
        srtp_window: int = _core.SRTP_WINDOW,
    ) -> None:
        if not _core.SRTP_WINDOW_LEAST <= srtp_window <= _core.SRTP_WINDOW_MOST:
            raise ValueError(f"srtp_window is {srtp_window}, not {_core.SRTP_WINDOW_LEAST} to {_core.SRTP_WINDOW_MOST}")
        self._srtp_window = srtp_window
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
        self._query_numbers = itertools.count(1)
        self._socket_numbers = itertools.count(_core.SOCKET_FIRST)
        self._allocation_ids = itertools.count(1)
        # What lives, by id. Ids are never used again, so an event of what is gone finds nothing here.
        self._transports: dict[int, Transport] = {}
        self._receivers: dict[int, Receiver] = {}
        self._senders: dict[int, Sender] = {}
        self._sockets: dict[Address, Socket] = {}  # opened while it runs, by what is bound
        self._allocations: dict[int, Allocation] = {}
        self._tcp: dict[int, Socket] = {}  # by number
        # By ticket: who waits for which batch.
        self._pending: dict[int, tuple[Batch, asyncio.Future[None] | None]] = {}

    def open(self) -> None:
        """Binds and starts the thread; events go to the asyncio loop that runs now. OSError when an address cannot be bound,
        ValueError when it is none or when the certificate cannot be used."""
        if self._closed:
            raise EngineClosed("the engine is closed")
        if self._core is not None:
            raise EngineError("the engine runs already")
        loop = asyncio.get_running_loop()
        certificate = self.certificate
        options = (*self._buffers, self._portable, self._coalesce_us, self._openssl, self._srtp_window)
        core = _core.Loop(self._udp, certificate.cert_pem, certificate.key_pem, *options)
        core.start()
        self._core, self._loop = core, loop
        self._bound = core.info()["bound"]
        loop.add_reader(core.event_fd(), self._drain)

    async def start(self) -> None:
        """`open`, for those who await it."""
        self.open()

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
        self._take_acks(self._core.news()[1])
        for transport in list(self._transports.values()):
            self._forget(transport)
            transport._set_state("closed", "command")
        for socket in (*self._sockets.values(), *self._tcp.values()):
            socket.state = "closed"
        self._sockets.clear()
        self._tcp.clear()
        for allocation in self._allocations.values():
            allocation._set_state("closed")
        self._allocations.clear()

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
        """The (IP, port) pairs really bound at the start."""
        return list(self._bound)

    @property
    def port(self) -> int:
        """The port of the first address."""
        if not self._bound:
            raise EngineError("the engine has not been started" if self._core is None else "it was started without sockets")
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

    def open_udp(
        self,
        address: Address,
        *,
        ports: Sequence[int] | None = None,
        recv_buffer: int = _core.BUFFER_SMALL,
        send_buffer: int = _core.BUFFER_SMALL,
    ) -> Socket:
        """One more socket, bound to this (IP, port). OSError that names the address when it cannot be. With port 0 it gets a
        free one; of `ports`, when they are given, tried in random order. Batches made later may name it."""
        core = self._running()
        return _choose("UDP", address, ports, lambda one: self._open_udp(core, one, recv_buffer, send_buffer))

    def _open_udp(self, core: _core.Loop, address: Address, recv_buffer: int, send_buffer: int) -> Socket:
        number = next(self._socket_numbers)
        try:
            bound = core.open_udp(number, address, recv_buffer, send_buffer)
        except RuntimeError as error:
            raise EngineClosed(str(error)) from None
        socket = self._sockets[bound] = Socket(self, number, bound)
        return socket

    def listen_tcp(self, address: Address, *, ports: Sequence[int] | None = None) -> Socket:
        """A TCP socket that takes in connections of peers (RFC 6544), one for all transports: a connection is whose a check
        on it says, within 10 s. OSError that names the address when it cannot be bound. `ports` as `open_udp` has them."""
        core = self._running()
        return _choose("TCP", address, ports, lambda one: self._listen_tcp(core, one))

    def _listen_tcp(self, core: _core.Loop, address: Address) -> Socket:
        number = next(self._socket_numbers)
        return self._add_socket(Socket(self, number, core.listen_tcp(number, address), tcp=True))

    @property
    def listeners(self) -> list[Socket]:
        """The TCP sockets that listen."""
        return [socket for socket in self._tcp.values() if socket.remote is None]

    def connect_tcp(self, address: Address, local: str | None = None) -> Socket:
        """A TCP connection to a peer (RFC 6544), with a length before each datagram (RFC 4571), from the IP `local` or what
        the system chooses. It opens while others go on; what is sent meanwhile waits."""
        return self._connect(address, local, False, None)

    def connect_turn(self, address: Address, local: str | None = None, tls: TlsConfig | None = None) -> Socket:
        """The same to a TURN server (RFC 8656), whose messages it carries; `tls`: by TLS, and with whom. ValueError when that
        cannot be used."""
        return self._connect(address, local, True, tls)

    def _connect(self, address: Address, local: str | None, turn: bool, tls: TlsConfig | None) -> Socket:
        core = self._running()
        number = next(self._socket_numbers)
        bound = core.open_tcp(number, address, None if local is None else (local, 0), turn, tls)
        return self._add_socket(Socket(self, number, bound, address, tcp=True))

    def _add_socket(self, socket: Socket) -> Socket:
        self._tcp[socket.number] = socket
        return socket

    def open_capture(self, path: str | os.PathLike[str], *, wire: bool = False, limit: int = 0) -> Capture:
        """A new pcapng file for what transports send and receive (`Batch.capture`): RTP and RTCP without SRTP, and with `wire`
        STUN and DTLS as they are, at the price that Wireshark then takes the media for SRTP unless its DTLS is disabled.
        `limit`: bytes that it may have, 0 for any. OSError when it cannot be opened."""
        self._running()
        if limit < 0:
            raise ValueError(f"a limit of {limit} bytes")
        return Capture(self, path, wire, limit)

    def batch(self) -> Batch:
        """An empty batch of commands."""
        return Batch(self)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Batches that are submitted within wake the engine's thread once, at its end; each stays one by itself."""
        core = self._core
        if core is None or self._closed:  # each says so
            yield
            return
        core.hold()
        try:
            yield
        finally:
            core.nudge()

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

    def ice_stats(self, transport: Transport) -> Awaitable[IceStats]:
        """ICE candidates and pairs of one transport, asked for before this returns. EngineError when it is closed."""
        rows = _core.IceRows()
        batch = Batch(self)
        batch._commands.ice_stats(batch._own(transport), rows)
        batch._names.append(f"ICE statistics of transport {transport.id}")
        return self._ice_rows(rows, self._submit(batch))

    async def _ice_rows(self, rows: _core.IceRows, filled: asyncio.Future[None]) -> IceStats:
        await asyncio.shield(filled)
        return IceStats.of(rows.now(), rows.local(), rows.remote(), rows.pairs(), rows.selected())

    async def transport_stats(self, transports: Sequence[Transport]) -> list[OneTransportStats | None]:
        """Of these transports alone, all at one moment, whatever else the engine has; None for one that is gone."""
        while transports:
            batch = Batch(self)
            asked = []
            for one in transports:
                rows = _core.StatsRows(1, len(one.receivers), len(one.senders))
                batch._commands.stats(rows, one.id)
                batch._names.append("statistics")
                asked.append(rows)
            await self._submit(batch)
            if not any(rows.short() for rows in asked):  # by streams that were made meanwhile
                return [OneTransportStats(*rows.one()) if rows.needed()[0] else None for rows in asked]
        return []

    def _context_of(self, certificate: Certificate | None) -> _core.DtlsContext | None:
        """What DTLS makes of a certificate: one for all transports that show it."""
        return None if certificate is None or certificate == self.certificate else dtls_context(certificate)

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
        """Number of the socket that is bound to this address, or to all of its family with this port; or of the allocation
        that has it."""
        for allocation in self._allocations.values():
            if allocation.relayed == base:
                return allocation.number
        host, port = base
        for bound in (base, ("::" if ":" in host else "0.0.0.0", port)):
            if bound in self._bound:
                return self._bound.index(bound)
            if bound in self._sockets:
                return self._sockets[bound].number
        raise ValueError(f"no socket of ours is bound to {base}: bound are {self._bound} and {len(self._sockets)} others")

    def _submit(self, batch: Batch) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._send(batch, future)
        return future

    def _send(self, batch: Batch, future: asyncio.Future[None] | None) -> None:
        """`future`: who waits for it; None: a failure is logged."""
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
            for query in batch._queries:
                query._fail(str(error))
            if isinstance(error, RuntimeError):
                raise EngineClosed(str(error)) from None
            raise
        for receiver, wanted in batch._frames.items():
            receiver.wants_frames = wanted
            if not wanted:
                self._end_frames(receiver)
        for made in batch._made:
            self._register(made)
        for query in batch._queries:
            query.transport.queries[query.number] = query
        for ended in batch._ended:
            self._end(ended)
        for socket in batch._closing:
            socket.state = "closed"
            self._tcp.pop(socket.number, None)
            if self._sockets.get(socket.address) is socket:
                del self._sockets[socket.address]
        self._pending[ticket] = (batch, future)

    def _register(self, made: Transport | Receiver | Sender | Allocation) -> None:
        if isinstance(made, Transport):
            self._transports[made.id] = made
        elif isinstance(made, Receiver):
            self._receivers[made.id] = made
            made.transport.receivers.append(made)
        elif isinstance(made, Allocation):
            self._allocations[made.id] = made
        else:
            self._senders[made.id] = made
            made.transport.senders.append(made)

    def _drop_query(self, query: StunQuery, why: str) -> None:
        query.transport.queries.pop(query.number, None)
        query._fail(why)

    def _forget(self, transport: Transport) -> None:
        self._transports.pop(transport.id, None)
        transport._context = None
        if transport._verifying is not None:
            transport._verifying.cancel()
        for query in list(transport.queries.values()):
            self._drop_query(query, f"transport {transport.id} closed")
        for receiver in transport.receivers:
            self._receivers.pop(receiver.id, None)
            self._end_frames(receiver)
        for sender in transport.senders:
            self._senders.pop(sender.id, None)

    def _end(self, stream: Receiver | Sender) -> None:
        if isinstance(stream, Receiver):
            self._receivers.pop(stream.id, None)
            if stream in stream.transport.receivers:
                stream.transport.receivers.remove(stream)
            self._end_frames(stream)
        else:
            self._senders.pop(stream.id, None)
            if stream in stream.transport.senders:
                stream.transport.senders.remove(stream)

    def _end_frames(self, receiver: Receiver) -> None:
        """Ends the iteration, and lets go what waits."""
        if receiver._share is not None:
            receiver._share.close()
        if self._core is not None:
            self._core.frames_close(receiver.id)

    def _undo(self, made: list[Transport | Receiver | Sender | Allocation], closing: Sequence[Socket] = ()) -> None:
        """Takes back what a batch made that failed or that nobody waits for; what it was to close is closed."""
        commands = _core.Commands()
        for one in made:
            if isinstance(one, Transport):
                self._forget(one)
                one._set_state("closed", "command")
                commands.close(one.id, "")
            elif isinstance(one, Allocation):
                self._allocations.pop(one.id, None)
                one._set_state("closed")
                commands.turn_close(one.id)
            elif isinstance(one, Receiver):
                self._receivers.pop(one.id, None)
                self._end_frames(one)
            else:
                self._senders.pop(one.id, None)
        for socket in closing:
            commands.close_socket(socket.number)
        if commands.n and not self._closed and self._core is not None:
            self._core.submit(commands)

    def _drain(self) -> None:
        """Everything that the engine has to say, in one go."""
        core = self._core
        if core is None or self._closed:
            return
        events, acks, fed = core.news()
        if acks:
            self._take_acks(acks)
        for event in events:
            self._dispatch(event)
        if self._closed:  # by a callback
            return
        for id in fed:
            receiver = self._receivers.get(id)
            if receiver is not None and receiver._share is not None:
                receiver._share.wake()

    def _take_acks(self, acks: list[tuple[int, int, int]]) -> None:
        for ticket, err, index in acks:
            batch, future = self._pending.pop(ticket, (None, None))
            if batch is None:
                continue
            error: EngineError | None = None
            if err == _core.CLOSED:
                error = EngineClosed("the engine was closed before")
            elif err:
                error = EngineError(f"{batch._names[index]}: {_core.err_text(err)}")
            if error is not None:
                for query in batch._queries:
                    self._drop_query(query, str(error))
                self._undo(batch._made, batch._closing)
            if future is None:
                if error is not None:
                    log.error("%s", error)
            elif future.done():
                continue
            elif error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _dispatch(self, event: _core.Event) -> None:
        kind, id, state, reason, text, ssrc, profile, remote, times, ice, certificates = event
        if kind == _core.EVENT_TRANSPORT:
            if (transport := self._transports.get(id)) is not None:
                if certificates is not None:
                    transport.remote_certificates = certificates
                self._on_transport(transport, STATES[state], REASONS[reason], text, profile, remote, times, ice)
        elif kind == _core.EVENT_SOCKET:
            if (socket := self._tcp.get(id)) is not None:
                socket.state, socket.error = STATES[state], text
                self._call(socket.on_change, socket)
        elif kind == _core.EVENT_TURN:
            if (allocation := self._allocations.get(id)) is not None:
                self._on_allocation(allocation, _core.TURN_STATES[state], text, remote, *ice)
        elif kind == _core.EVENT_RECEIVER:
            if (receiver := self._receivers.get(id)) is not None:
                receiver.ssrc = ssrc
                self._call(receiver.on_active)
        elif kind == _core.EVENT_STUN:
            if (transport := self._transports.get(id)) is not None:
                self._on_stun(transport, ssrc, profile, remote)
        elif kind == _core.EVENT_TONE:
            if (receiver := self._receivers.get(id)) is not None:
                code, volume, length_us = ice
                self._call(receiver.on_tone, code, volume, length_us / 1e6)
        elif (sender := self._senders.get(id)) is not None:
            if kind == _core.EVENT_LOSS:
                self._call(sender.on_loss, *ice)
            else:
                self._call(sender.on_keyframe)

    def _on_stun(self, transport: Transport, number: int, error: int, address: Address | None) -> None:
        query = transport.queries.get(number)
        if query is None:
            return
        if error:
            del transport.queries[number]
        if query._tell(address, error):
            self._call(query.on_change, address)

    def _on_transport(
        self,
        transport: Transport,
        state: str,
        reason: str,
        text: str,
        profile: int,
        remote: Address | None,
        times: tuple[int, int, int, int],
        ice: tuple[str, bool, str, str, Address | None, bool],
    ) -> None:
        if state == "closed":
            self._forget(transport)
        if remote is not None:
            transport.remote = remote
        transport.srtp_profile = PROFILES.get(profile, "")
        if transport.config.ice_role != "lite":
            transport.ice_state, transport.controlling, local_type, remote_type, local, tcp = ice
            if remote is not None:
                transport.local_type, transport.remote_type = local_type, remote_type
                transport.local, transport.tcp = local, tcp
        added, *later = times
        transport.times = TransportTimes(added / 1e6, *((t - added) / 1e6 if t else None for t in later))
        if state == "connected":
            transport._context = None  # its work is done: who needs it again makes it anew
        transport._set_state(state, reason, text)
        if transport.on_event is not None:
            event = TransportEvent(transport, state, reason, text, transport.remote, transport.ice_state)
            self._call(transport.on_event, event)
        if state == "held" and not transport._asked and not self._closed:
            transport._asked = True
            self._verify(transport)

    def _verify(self, transport: Transport) -> None:
        """Asks whether the peer is the right one. Whatever is not a clear yes leaves it without keys."""
        assert transport.config.verify is not None and self._loop is not None
        try:
            answer = transport.config.verify(transport)
        except Exception as error:
            self._refuse(transport, error)
            return
        if inspect.isawaitable(answer):
            transport._verifying = self._loop.create_task(self._await_answer(transport, answer))
        else:
            self._take_answer(transport, answer)

    async def _await_answer(self, transport: Transport, answer: Awaitable[bool | None]) -> None:
        try:
            self._take_answer(transport, await answer)
        except Exception as error:
            self._refuse(transport, error)

    def _take_answer(self, transport: Transport, answer: bool | None) -> None:
        if answer is None or self._closed or transport.state == "closed":
            return
        batch = self.batch()
        if answer is True:
            batch.accept(transport)
        else:
            batch.close(transport, "the peer was refused")
        batch.submit()

    def _refuse(self, transport: Transport, error: Exception) -> None:
        if self._closed or transport.state == "closed":
            return
        batch = self.batch()
        batch.close(transport, f"the peer was refused: {error}".encode("ascii", "replace")[:95].decode().replace("\0", "?"))
        batch.submit()
        assert self._loop is not None
        self._loop.call_exception_handler({"message": f"verify of {transport!r} failed", "exception": error})

    def _on_allocation(
        self, allocation: Allocation, state: str, text: str, remote: Address | None, code: int, relayed: Address | None
    ) -> None:
        if state == "ready":
            allocation.relayed, allocation.mapped = relayed, remote
        else:
            del self._allocations[allocation.id]
        if state == "failed":
            allocation.error = TurnError(code, text, remote)
        allocation._set_state(state)
        self._call(allocation.on_event, allocation)

    def _call(self, callback: Callable[..., None] | None, *args: object) -> None:
        """A callback that fails must not take the others' events with it."""
        if callback is None or self._closed:
            return
        try:
            callback(*args)
        except Exception as error:
            assert self._loop is not None
            self._loop.call_exception_handler({"message": f"{callback!r} failed", "exception": error})


def _choose(what: str, address: Address, ports: Sequence[int] | None, bind: Callable[[Address], Socket]) -> Socket:
    """Bound to this address, or to a free one of these ports."""
    host, port = address
    if ports is None:
        return bind(address)
    if port:
        raise ValueError(f"port {port} and ports to choose from")
    for port in random.sample(ports, len(ports)):
        try:
            return bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"cannot bind {what} {host}: none of {len(ports)} ports is free")
