"""Gathering: what addresses of ours a peer may try, found one after the other; all servers are asked at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import IceCandidate
from ..engine import Address, Allocation, EngineError, Socket, StunError, Transport, TurnError
from ..ice.priority import foundation, priority
from ..types import Candidate
from .allocations import Allocations
from .network import NetworkOptions
from .own_names import OwnNames
from .servers import IceServer
from .tcp import TcpSide

log = logging.getLogger("rtcengine.peer")

MAX_BASES = 8
"""Sockets that each server is asked from."""


MAX_ALTERNATES = 3
"""Servers that one is followed to, each named by the one before."""

NO_ANSWER = 701
"""The W3C's errorCode of a server that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A candidate for the agent, and what the peer is told of it."""

    local: IceCandidate | None
    """None: nothing is to be checked by it before a connection is made."""
    told: Candidate
    base: Allocation | Socket | None = None
    """What it is reached by, when that is no socket of UDP at its local base."""


@dataclass(frozen=True, slots=True)
class RTCIceCandidateError:
    """A server that gave no candidate (W3C §4.8.2.2, RTCPeerConnectionIceErrorEvent)."""

    url: str
    errorCode: int
    errorText: str
    address: str | None = None
    port: int | None = None


Found = asyncio.Queue[Gathered | RTCIceCandidateError | None]


@dataclass(frozen=True, slots=True)
class _Question:
    """One address of a server, asked from one base of ours."""

    server: IceServer
    address: Address
    transport: Transport
    base: Address
    preference: int


class Gatherer:
    """One round: `hosts` at once, then `run`."""

    def __init__(
        self, network: NetworkOptions, servers: Sequence[IceServer], names: OwnNames, *, relay_only: bool = False
    ) -> None:
        self._network = network
        self._servers = servers
        self._names = names
        self._relay_only = relay_only
        self.tcp = network.tcp and not relay_only
        """Whether the peer meets us by TCP."""

    def _bases(self, sockets: Mapping[str, Socket]) -> list[Address]:
        network = self._network
        if network.udp and network.shared_port and network.engine is not None:
            return [(ip, port) for ip in network.to_bind() for _, port in network.engine.addresses[:1]]
        return [s.address for s in sockets.values()]

    @property
    def asks(self) -> bool:
        """Whether there is more than host candidates."""
        return bool(self._servers)

    def hosts(self, sockets: Mapping[str, Socket], tcp: TcpSide | None = None) -> list[Gathered]:
        """Candidates of the sockets, which are given by their IP addresses, and of TCP."""
        if self._relay_only:
            return []
        told = self._network.announce
        found = [host_candidate(base, 65535 - i, told.get(base[0], base[0])) for i, base in enumerate(self._bases(sockets))]
        found += [Gathered(*offered) for offered in (tcp.offered() if tcp is not None and self.tcp else ())]
        return [shown for one in found if (shown := self._shown(one)) is not None]

    async def run(
        self, transport: Transport, sockets: Mapping[str, Socket], allocations: Allocations
    ) -> AsyncIterator[Gathered | RTCIceCandidateError]:
        """What servers know of the same sockets, and servers that gave none."""
        bases = self._bases(sockets)
        found: Found = asyncio.Queue()
        asking = [asyncio.ensure_future(self._ask(server, transport, bases, allocations, found)) for server in self._servers]
        try:
            for _ in asking:
                while (one := await found.get()) is not None:
                    yield one
        finally:
            for task in asking:
                task.cancel()

    def _shown(self, found: Gathered) -> Gathered | None:
        """As the peer is told it. None: it is to be hidden, and no name of ours would be answered for."""
        ip = found.told.address
        if not self._network.hide or ip in self._network.announce.values():
            return found
        try:
            return replace(found, told=replace(found.told, address=self._names.of(ip)))
        except OSError as error:
            log.warning("no candidate for %s, which is to be hidden: %s", ip, error)
            return None

    def _related(self, address: Address, base: Address) -> Address:
        """What stands in raddr and rport."""
        if self._network.hide and address[0] == base[0]:
            return ("::" if ":" in base[0] else "0.0.0.0", 9)
        return address

    async def _ask(
        self, server: IceServer, transport: Transport, bases: list[Address], allocations: Allocations, found: Found
    ) -> None:
        try:
            if server.turn or not self._relay_only:
                await self._ask_from(server, transport, bases, allocations, found)
        except OSError as error:
            self._fail(found, server, NO_ANSWER, f"{server.host} cannot be looked up: {error.strerror or error}")
        except Exception as error:
            log.exception("asking %s failed", server.url)
            self._fail(found, server, NO_ANSWER, str(error))
        finally:
            found.put_nowait(None)

    async def _ask_from(
        self, server: IceServer, transport: Transport, bases: list[Address], allocations: Allocations, found: Found
    ) -> None:
        asked: list[Coroutine[Any, Any, None]] = []
        if not self._network.udp:
            if server.transport == "udp":
                self._fail(found, server, NO_ANSWER, "UDP is not to be used")
                return
            bases = [(ip, 0) for ip in self._network.to_bind()]
        for address in await server.addresses():
            near = [(i, base) for i, base in enumerate(bases[:MAX_BASES]) if (":" in base[0]) == (":" in address[0])]
            # A stream has an address of its own: one is enough.
            for i, base in near if server.transport == "udp" else near[:1]:
                question = _Question(server, address, transport, base, 65535 - i)
                asked.append(self._turn(question, allocations, found) if server.turn else self._stun(question, found))
        if not asked:
            self._fail(found, server, NO_ANSWER, "no address of ours has its family")
        await asyncio.gather(*asked)

    async def _stun(self, asked: _Question, found: Found) -> None:
        server, base = asked.server, asked.base
        if server.transport != "udp":
            self._fail(found, server, NO_ANSWER, "a server is asked for our address over UDP alone")
            return
        batch = asked.transport.engine.batch()
        query = batch.stun_query(asked.transport, base, asked.address)
        batch.submit()
        try:
            mapped = await query
        except StunError as error:
            self._fail(found, server, error.code or NO_ANSWER, str(error), base)
            return
        if mapped != base:
            found.put_nowait(learnt_candidate("srflx", mapped, base, self._related(base, base), asked.preference, server.url))

    async def _turn(self, asked: _Question, allocations: Allocations, found: Found) -> None:
        """A server that names another is followed there (RFC 8489 §10)."""
        server, base, address = asked.server, asked.base, asked.address
        tried = [address]
        while True:
            try:
                relay = allocations.get(server, address, base, asked.transport)
                relayed, mapped = await relay.allocation.wait()
                break
            except TurnError as error:
                why = self._why_not(error.alternate, tried) if error.alternate is not None else ""
                if error.alternate is None or why:
                    self._fail(found, server, error.code or NO_ANSWER, f"TURN refused: {error}{why}", base)
                    return
                address = error.alternate
                tried.append(address)
            except (OSError, ValueError, EngineError) as error:
                self._fail(found, server, NO_ANSWER, str(error), base)
                return
        if mapped is not None and mapped != base and not self._relay_only and relay.socket is None:
            found.put_nowait(learnt_candidate("srflx", mapped, base, self._related(base, base), asked.preference, server.url))
        related = self._related(mapped or base, base)
        found.put_nowait(learnt_candidate("relay", relayed, relay.allocation, related, asked.preference, server.url))

    def _why_not(self, alternate: Address, tried: list[Address]) -> str:
        """What keeps us from asking another server. Over UDP anybody may have named it: it is trusted as a peer is."""
        ip = alternate[0]
        why = self._network.deny(ip) if self._network.deny is not None else ""
        if alternate in tried or len(tried) > MAX_ALTERNATES:
            why = "one too many"
        elif (":" in ip) != (":" in tried[0][0]):
            why = "of another family"
        return f", and {ip}, which it names instead, is {why}" if why else ""

    def _fail(self, found: Found, server: IceServer, code: int, text: str, base: Address | None = None) -> None:
        error = RTCIceCandidateError(server.url, code, text, *(base or (None, None)))
        found.put_nowait(error)


def host_candidate(base: Address, preference: int, told: str) -> Gathered:
    """`told`: the address that the peer hears."""
    number, name = priority("host", preference), foundation("host", base[0])
    local = IceCandidate(address=(told, base[1]), type="host", priority=number, foundation=name, base=base)
    return Gathered(local, Candidate(name, 1, "udp", number, told, base[1], "host"))


def learnt_candidate(
    kind: str, address: Address, base: Allocation | Address, related: Address, preference: int, server: str
) -> Gathered:
    """What a server has told; `related` goes into raddr and rport (RFC 8839 §5.1)."""
    near = base.address if isinstance(base, Allocation) else base
    number, name = priority(kind, preference), foundation(kind, near[0], server)
    local = IceCandidate(address=address, type=kind, priority=number, foundation=name, base=near)
    told = Candidate(name, 1, "udp", number, address[0], address[1], kind, related[0], related[1])
    return Gathered(local, told, base if isinstance(base, Allocation) else None)
