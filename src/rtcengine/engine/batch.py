"""Commands that the engine carries out together."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from .. import _core
from ..config import (
    DIGEST_BITS,
    IceCandidate,
    IceConfig,
    RecvConfig,
    SendConfig,
    TransportConfig,
    check_candidate,
    check_credentials,
    check_fingerprints,
    check_number,
    check_stream,
    check_transport,
)
from ..ice.priority import tcp_priority
from ..stats import Address
from .capture import Capture
from .handles import EventHandler, Receiver, Sender, Socket, Transport, log
from .stun import StunQuery
from .turn import Allocation

if TYPE_CHECKING:
    from .engine import Engine

WILDCARDS = ("0.0.0.0", "::")
Made = TypeVar("Made", Transport, Receiver, Sender, Allocation)


class Batch:
    """Commands that the engine carries out together, with no packet in between. Nothing happens before `commit` or
    `submit`. ValueError for what a command cannot hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._commands = _core.Commands()
        self._names: list[str] = []
        self._made: list[Transport | Receiver | Sender | Allocation] = []
        self._frames: dict[Receiver, bool] = {}  # whose frames are wanted from now on, or no more
        self._ended: list[Receiver | Sender] = []
        self._closing: list[Socket] = []
        self._queries: list[StunQuery] = []
        self._sent = False

    def transport(self, config: TransportConfig, on_event: EventHandler | None = None) -> Transport:
        """A new transport. ValueError also for a certificate that cannot be used."""
        check_transport(config)
        transport = Transport(self._engine, next(self._engine._transport_ids), config, on_event)
        bits = {name: DIGEST_BITS[name.lower()] for name, _ in config.fingerprints}
        transport._context = self._engine._context_of(config.certificate)
        hold_ms = round(config.verify_timeout * 1000) if config.verify is not None else 0
        self._commands.transport(transport.id, config, bits, transport._context, hold_ms)
        return self._add(transport, f"transport {transport.id}")

    def meet(
        self, transport: Transport, ice: IceConfig, fingerprints: tuple[tuple[str, bytes], ...], *, dtls_client: bool
    ) -> None:
        """Who is expected on a transport that was made without knowing: the remote half of `ice`. Once."""
        check_credentials("remote", ice.remote_ufrag, ice.remote_pwd)
        check_fingerprints(fingerprints)
        bits = {name: DIGEST_BITS[name.lower()] for name, _ in fingerprints}
        self._commands.peer(self._full(transport), ice, fingerprints, bits, dtls_client)
        self._names.append(f"peer of transport {transport.id}")

    def restart(self, transport: Transport, ice: IceConfig) -> None:
        """New ICE credentials (RFC 8445 §9). Media goes on over the old path until the new ones are used."""
        check_credentials("local", ice.local_ufrag, ice.local_pwd)
        if ice.remote_ufrag or ice.remote_pwd:
            check_credentials("remote", ice.remote_ufrag, ice.remote_pwd)
        self._commands.restart(self._own(transport), ice)
        self._names.append(f"restart of transport {transport.id}")

    def path(self, transport: Transport, address: Address, base: Socket | Allocation | None = None) -> None:
        """One more (IP, port) of the peer to check, from `base`, or from whatever socket bound at the start reaches it. For
        full agents."""
        sock = self._engine._socket_for(address) if base is None else self._socket(base)
        self._commands.path(self._full(transport), address, sock)
        self._names.append(f"path of transport {transport.id}")

    def local_candidate(self, transport: Transport, candidate: IceCandidate, base: Socket | Allocation | None = None) -> None:
        """One more candidate of ours, at any time, reached by the socket or allocation `base`; without, by the one that its
        base, or its address, is that of. For full agents; 50 are the most."""
        check_candidate(candidate)
        if candidate.tcp and not (isinstance(base, Socket) and base.tcp):
            raise ValueError("a candidate of TCP is reached by a TCP socket")
        if base is None:
            sock = self._engine._socket_of(candidate.base or candidate.address)
        else:
            sock = self._socket(base)
            if candidate.base is None and base.address[0] not in WILDCARDS:
                candidate = replace(candidate, base=base.address)
        peer = base.remote if isinstance(base, Socket) else None
        self._candidate(transport, True, candidate, sock, peer)

    def lose_candidates(self, transport: Transport, base: Socket | Allocation) -> None:
        """Our candidates that this base has are no more, before it is closed. When the pair in use is among them, the others
        are checked. For full agents."""
        self._commands.local_lost(self._full(transport), base.number)
        self._names.append(f"loss of a base of transport {transport.id}")

    def remote_candidate(self, transport: Transport, candidate: IceCandidate) -> None:
        """One more candidate of the peer, at any time. No name is looked up. For full agents; 50 are the most."""
        check_candidate(candidate)
        self._candidate(transport, False, candidate, 0)

    def stun_query(self, transport: Transport, base: Socket | Address, server: Address) -> StunQuery:
        """Asks the STUN server (IP, port) which address of ours it sees behind `base`, a socket or an address that one is
        bound to; `await` what this returns after the batch is on its way. For full agents; 16 are the most."""
        if isinstance(base, Socket):
            sock, host = self._socket(base), base.address[0]
        else:
            sock, host = self._engine._socket_of(base), base[0]
        if (":" in host) != (":" in server[0]):
            raise ValueError(f"{host} cannot reach {server[0]}: one is IPv6")
        if not 1 <= server[1] <= 65535:
            raise ValueError(f"port {server[1]} of a STUN server")
        query = StunQuery(next(self._engine._query_numbers), transport, server)
        ours = None if host in WILDCARDS else (host, 0)
        self._commands.stun(self._full(transport), query.number, server, ours, sock)
        self._queries.append(query)
        self._names.append(f"STUN query of transport {transport.id}")
        return query

    def tcp_connect(
        self, transport: Transport, candidate: IceCandidate, local: str | None = None, *, preference: int = 8191
    ) -> Socket:
        """Connects to a candidate of the peer that listens (tcptype passive), from the IP `local` or what the system chooses,
        and has the connection checked. OSError when it cannot be tried; what becomes of it the socket tells. `preference`: 0
        to 8191, larger for what is preferred among connections."""
        candidate = replace(candidate, tcp=True)
        check_candidate(candidate)
        self._full(transport)
        priority = tcp_priority("active", preference)
        socket = self._engine.connect_tcp(candidate.address, local)
        ours = IceCandidate(address=socket.address, type="host", priority=priority, foundation="tcp", tcp=True)
        self.local_candidate(transport, ours, socket)
        self.remote_candidate(transport, candidate)
        return socket

    def capture(self, transport: Transport, capture: Capture) -> None:
        """From now on the capture has what this transport sends and receives. One at a time: the last one given."""
        if capture.stopped:
            raise ValueError(f"{capture!r} takes no more")
        self._commands.capture(self._own(transport), capture._core)
        capture.transports.add(transport.id)
        self._names.append(f"capture of transport {transport.id}")

    def _end_capture(self, transport: int) -> None:
        """Of one that may be gone."""
        self._commands.capture(transport, None)
        self._names.append(f"end of the capture of transport {transport}")

    def end_of_candidates(self, transport: Transport, *, local: bool = False, remote: bool = False) -> None:
        """No more candidates will come from these sides (RFC 8838 §8.2)."""
        self._commands.end_of_candidates(self._full(transport), local, remote)
        self._names.append(f"end of candidates of transport {transport.id}")

    def role(self, transport: Transport, controlling: bool) -> None:
        """Another ICE role, for full agents."""
        self._commands.role(self._full(transport), controlling)
        self._names.append(f"role of transport {transport.id}")

    def accept(self, transport: Transport) -> None:
        """The peer of a transport that is held (`TransportConfig.verify`) is the right one: media may flow. Nothing happens
        to one that is accepted or closed already; EngineError before its handshake is over."""
        self._commands.accept(self._own(transport))
        self._names.append(f"accepting transport {transport.id}")

    def close(self, transport: Transport, reason: str = "") -> None:
        """BYE, close_notify, all freed. Of a transport that is closed already: nothing. `reason`, at most 95 bytes, becomes
        its `error`; the peer does not hear it."""
        self._commands.close(self._own(transport), reason)
        self._names.append(f"close of transport {transport.id}")

    def turn(
        self,
        server: Address,
        username: str,
        credential: str,
        *,
        base: Socket | Address | None = None,
        transport: Transport | None = None,
        ipv6: bool = False,
        on_event: Callable[[Allocation], None] | None = None,
    ) -> Allocation:
        """An allocation on the TURN server at this (IP, port), with long-term credentials; `Allocation.wait` tells its
        address. It is reached from `base`, a socket or the (IP, port) of one, or from whatever socket reaches
        it; a socket holds one allocation with a server at most. `ipv6`: the family of the relayed address.
        It ends with `transport`, when one is given, or by
        `close_turn`."""
        if not username:
            raise ValueError("a TURN server wants a user name")
        near: Address | None = None
        if base is None:
            sock = self._engine._socket_for(server)
        elif isinstance(base, Socket):
            sock = self._socket(base)
        else:
            sock, near = self._engine._socket_of(base), base
        allocation = Allocation(self._engine, next(self._engine._allocation_ids), server, on_event)
        owner = self._own(transport) if transport is not None else 0
        stream = isinstance(base, Socket) and base.tcp
        self._commands.turn(
            allocation.id,
            server,
            sock,
            near,
            owner,
            ipv6,
            stream,
            username,
            credential,
        )
        return self._add(allocation, f"allocation {allocation.id} on {server[0]}")

    def close_turn(self, allocation: Allocation) -> None:
        """Gives the allocation back. Of one that is closed already: nothing."""
        if allocation._engine is not self._engine:
            raise ValueError(f"{allocation!r} belongs to another engine")
        self._commands.turn_close(allocation.id)
        self._names.append(f"close of allocation {allocation.id}")

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

    def agree(self, transport: Transport, extensions: Mapping[int, str], *, two_byte: bool, reduced_rtcp: bool) -> None:
        """What a later negotiation changed, see `TransportConfig`."""
        self._commands.agree(self._own(transport), extensions, two_byte, reduced_rtcp)
        self._names.append(f"agreement on transport {transport.id}")

    def reconfigure(self, stream: Receiver | Sender, config: RecvConfig | SendConfig) -> None:
        """Other payload types, codecs, ids or feedback for a stream that lives. A sender keeps SSRCs and
        numbering; `frames` of a receiver is as it was."""
        check_stream(config)
        if isinstance(stream, Receiver) and isinstance(config, RecvConfig):
            self._commands.receive(stream.id, self._own(stream.transport), config, True)
        elif isinstance(stream, Sender) and isinstance(config, SendConfig):
            self._commands.send(stream.id, self._own(stream.transport), config, True)
        else:
            raise TypeError("a receiver has a RecvConfig, a sender a SendConfig")
        stream.config = config
        self._names.append(f"agreement on {stream!r}")

    def end(self, stream: Receiver | Sender) -> None:
        """The stream is gone, a sender with BYE. The SSRC of a sender must not be used again on its transport."""
        self._commands.end(stream.id, isinstance(stream, Receiver))
        self._own(stream.transport)
        self._ended.append(stream)
        self._names.append(f"end of {stream!r}")

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

    def tone(self, sender: Sender, code: int, seconds: float, *, volume: int = 10) -> None:
        """A telephone event (RFC 4733) in place of frames, for a sender whose config has `tones`: 0 to 9, then * # A B C D;
        `volume` is -dBm0, 0 to 63. The engine's thread sends its packets. One that is under way ends with it."""
        if sender.config.tones is None:
            raise ValueError(f"{sender!r} has no payload type for telephone events")
        check_number("code", code, 0, 255)
        check_number("volume", volume, 0, 63)
        if not 0.001 <= seconds <= 60:
            raise ValueError(f"a tone of {seconds} s: 0.001 to 60 is allowed")
        self._own(sender.transport)
        self._commands.tone(sender.id, code, volume, round(seconds * 1e6))
        self._names.append(f"tone of sender {sender.id}")

    def close_socket(self, socket: Socket) -> None:
        """Closes it, after what was to be sent on it. Of one that is closed already: nothing."""
        if socket._engine is not self._engine:
            raise ValueError(f"{socket!r} belongs to another engine")
        self._commands.close_socket(socket.number)
        self._closing.append(socket)
        self._names.append(f"close of socket {socket.number}")

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
            self._engine._send(self, None)

    def _candidate(
        self, transport: Transport, local: bool, candidate: IceCandidate, sock: int, peer: Address | None = None
    ) -> None:
        foundation = zlib.crc32(candidate.foundation.encode())
        self._commands.candidate(self._full(transport), local, candidate, sock, foundation, peer)
        self._names.append(f"{'local' if local else 'remote'} candidate of transport {transport.id}")

    def _socket(self, socket: Socket | Allocation) -> int:
        if socket._engine is not self._engine:
            raise ValueError(f"{socket!r} belongs to another engine")
        if socket.closed:
            raise ValueError(f"{socket!r} is closed")
        return socket.number

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
