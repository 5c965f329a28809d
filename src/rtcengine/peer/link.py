"""A link: one ICE and DTLS transport of a connection on the engine, from its sockets to its states."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..certificate import Certificate
from ..config import IceCandidate, IceConfig
from ..engine import (
    Address,
    Allocation,
    Batch,
    Engine,
    EngineError,
    Socket,
    Transport,
    TransportConfig,
    TransportEvent,
    TransportTimes,
)
from ..sdp import RemoteTransport
from ..stats import IceStats
from ..types import Candidate, DtlsRole
from .allocations import Allocations
from .configuration import VerifyPeer
from .driver import PeerEvents, TransportFacts
from .effects import TransportPlan
from .gather import Gathered, Gatherer, RTCIceCandidateError
from .names import resolve
from .network import NetworkOptions
from .pool import Ahead
from .report import TransportReport
from .tcp import TcpSide

MAX_CANDIDATES = 50
"""Of each side, as many as the agent takes."""

# What an engine's transport says of DTLS; the rest depends on why it was closed.
_DTLS = {"new": "new", "checked": "connecting", "held": "connecting", "connected": "connected", "stalled": "connected"}


class LinkHost(Protocol):
    """What a link needs of its connection."""

    @property
    def engine(self) -> Engine: ...
    @property
    def network(self) -> NetworkOptions: ...
    @property
    def events(self) -> PeerEvents: ...
    @property
    def cname(self) -> str: ...
    @property
    def certificate(self) -> Certificate: ...
    @property
    def verify_peer(self) -> VerifyPeer | None: ...

    def gatherer(self) -> Gatherer: ...


@dataclass
class Peer:
    """The other side, as its description says."""

    remote: RemoteTransport
    role: DtlsRole
    told: list[Candidate] = field(default_factory=list)
    names: set[asyncio.Task[None]] = field(default_factory=set)


class Link:
    """Opened by its constructor; the number is the effects' one. `ahead`: there is none yet (pool.py)."""

    def __init__(self, host: LinkHost, plan: TransportPlan, batch: Batch, ahead: Ahead | None = None) -> None:
        self.id = plan.id
        self.local: list[Candidate] = []
        self.ice_state, self.dtls_state = "new", "new"
        self._host = host
        self._ahead = ahead
        self._events: PeerEvents | Ahead = host.events if ahead is None else ahead
        self._ice = (plan.ice_ufrag, plan.ice_pwd)
        self._used = self._ice  # what the engine's agent has
        self._controlling = plan.controlling
        self._sockets: dict[str, Socket] = {}
        self._tcp = TcpSide(host.engine, host.network)
        self._peer: Peer | None = None
        self._agreed: tuple[dict[int, str], bool] = ({}, False)
        self.gathering: asyncio.Task[None] | None = None  # None: that is over
        self._allocations = Allocations(host.network)
        self._closed = False
        self._known = TransportTimes()  # those that the journal has
        self._refused: list[str] = []  # of the peer's candidates, and why
        self._errors: list[RTCIceCandidateError] = []
        self._ended = ""
        config = TransportConfig(
            ice=IceConfig(*self._ice),
            ice_role="controlling" if plan.controlling else "controlled",
            ice_survives=True,
            cname=host.cname,
            certificate=host.certificate,
            verify=_verifier(host.verify_peer) if host.verify_peer is not None else None,
        )
        self.transport: Transport = batch.transport(config, self._on_event)
        self._gather()

    # --- what is known of it

    @property
    def ufrag(self) -> str:
        """Ours, of the agent that runs."""
        return self._used[0]

    @property
    def ice(self) -> tuple[str, str]:
        """Our credentials that candidates are gathered for."""
        return self._ice

    @property
    def remote(self) -> Sequence[Candidate]:
        """What the peer told of itself."""
        return self._peer.told if self._peer is not None else ()

    @property
    def role(self) -> DtlsRole | None:
        """Ours in DTLS, once the peer is known."""
        return self._peer.role if self._peer is not None else None

    def facts(self) -> TransportFacts:
        known = self.transport
        return TransportFacts(known.controlling, tuple(self.remote), tuple(known.remote_certificates), self._pair())

    def _pair(self) -> tuple[Candidate, Candidate] | None:
        known = self.transport
        if known.remote is None or self.ice_state not in ("connected", "completed", "disconnected"):
            return None
        ours = based(self.local, known.local, known.tcp)
        return (ours, at(self.remote, known.remote, known.tcp)) if ours is not None else None

    def ask_pairs(self) -> Awaitable[IceStats] | None:
        """None when its transport is gone."""
        try:
            return self._host.engine.ice_stats(self.transport)
        except EngineError:
            return None

    async def report(self, pairs: Awaitable[IceStats] | None) -> TransportReport:
        """`pairs`: of `ask_pairs`. What it says besides is of the moment at which it is first awaited."""
        made = TransportReport(
            id=self.id,
            ice_state=self.ice_state,
            dtls_state=self.dtls_state,
            local=tuple(self.local),
            remote=tuple(self.remote),
            refused=tuple(self._refused),
            errors=tuple(self._errors),
            ended=self._ended,
        )
        try:
            return made if pairs is None else replace(made, pairs=(await pairs).pairs)
        except EngineError:  # it has ended meanwhile
            return made

    # --- what is asked of it

    def becomes(self, plan: TransportPlan, batch: Batch) -> bool:
        """One of the pool is this transport from now on. False: it has other credentials, or has ended."""
        if self._ahead is None or self._ice != (plan.ice_ufrag, plan.ice_pwd) or self.transport.state == "closed":
            return False
        self.id = plan.id
        if plan.controlling != self._controlling:
            self._controlling = plan.controlling
            batch.role(self.transport, plan.controlling)
        self._ahead.pass_on(self._host.events, plan.id)
        return True

    def restart(self, ufrag: str, pwd: str) -> None:
        """Gathers anew for other credentials; the agent takes them with the peer's answer."""
        self._ice = (ufrag, pwd)
        self.local.clear()
        self._gather()

    def follow(self, here: list[str]) -> bool:
        """The machine has other addresses than before, these. What is new is told to the peer if candidates still are;
        else it is tried alone, as no more are told of the present credentials (RFC 8838 §13). True when a restart is
        called for: the address in use is gone, or none is in use and there is a new one."""
        if self._closed or self.transport.state == "closed" or not here:
            return False
        new = [address for address in here if address not in self._sockets]
        if self.gathering is not None:
            self._gather()
            return False
        used = self._used_address()
        self._bind(here)
        batch = self._host.engine.batch()
        for found in self._host.gatherer().hosts({a: self._sockets[a] for a in new if a in self._sockets}):
            self._take_local(batch, found)
        batch.submit()
        return used not in here if used is not None else bool(new)

    def _used_address(self) -> str | None:
        local = self.transport.local
        if local is None or self.ice_state not in ("connected", "completed", "disconnected"):
            return None
        return (self._allocations.base_of(local) or local)[0]

    def connect(self, batch: Batch, remote: RemoteTransport, role: DtlsRole, controlling: bool) -> None:
        """The peer is known, or has other credentials or roles than before."""
        if self.transport.state == "closed":
            return
        before = self._peer
        ice = IceConfig(*self._ice, remote.ice_ufrag, remote.ice_pwd)
        if before is None:
            fingerprints = tuple((f.algorithm, f.digest) for f in remote.fingerprints)
            batch.meet(self.transport, ice, fingerprints, dtls_client=role is DtlsRole.CLIENT)
            self._peer = Peer(remote, role)
        elif (before.remote.ice_ufrag, before.remote.ice_pwd) != (remote.ice_ufrag, remote.ice_pwd) or self._used != self._ice:
            batch.restart(self.transport, ice)
            self._tcp.restart(batch, self.transport)
            if self.gathering is None:  # said before, of candidates that now count for the new credentials
                batch.end_of_candidates(self.transport, local=True)
            _cancel(before)
            self._peer = Peer(remote, role)
        else:
            before.remote, before.role = remote, role
        self._used = self._ice
        if controlling != self._controlling:
            self._controlling = controlling
            batch.role(self.transport, controlling)

    def add_remote(self, candidate: Candidate | None) -> None:
        """One more address of the peer; None: there are no more."""
        peer = self._peer
        if peer is None or self.transport.state == "closed":
            return
        if candidate is None and not peer.names:
            self._end_of_remote()
        elif candidate is None:
            task = asyncio.ensure_future(self._end_after_names(peer))
            peer.names.add(task)
            task.add_done_callback(peer.names.discard)
        elif candidate.component != 1 or candidate in peer.told or len(peer.told) >= MAX_CANDIDATES:
            return
        elif candidate.ip is not None:
            peer.told.append(candidate)
            self._tell(candidate, str(candidate.ip))
        elif candidate.is_mdns and self._host.network.mdns:
            peer.told.append(candidate)
            task = asyncio.ensure_future(self._look_up(peer, candidate))
            peer.names.add(task)
            task.add_done_callback(peer.names.discard)

    def agree(self, batch: Batch, extensions: Mapping[int, str], reduced_rtcp: bool) -> None:
        """What the media on it have agreed on, all together."""
        wanted = (dict(extensions), reduced_rtcp)
        if wanted != self._agreed and self.transport.state != "closed":
            self._agreed = wanted
            batch.agree(self.transport, extensions, two_byte=any(id > 14 for id in extensions), reduced_rtcp=reduced_rtcp)

    def close(self, batch: Batch) -> None:
        """Ends it. Its sockets go with it."""
        if self._closed:
            return
        self._closed = True
        if self._ahead is not None:
            self._ahead.end()
        if self.gathering is not None:
            self.gathering.cancel()
            self.gathering = None
        if self._peer is not None:
            _cancel(self._peer)
        if self.transport.state == "closed":
            self._close_sockets(batch)
        else:  # a handshake that is being worked on lets us say goodbye only after it: the end is told then
            batch.close(self.transport)

    def _close_sockets(self, batch: Batch) -> None:
        self._allocations.close(batch)
        for socket in self._sockets.values():
            batch.close_socket(socket)
        self._sockets.clear()
        self._tcp.close(batch)

    # --- gathering

    def _gather(self) -> None:
        if self.gathering is not None:
            self.gathering.cancel()
        gatherer = self._host.gatherer()
        self._tcp_wanted = gatherer.tcp
        self.gathering = asyncio.ensure_future(self._run_gathering(gatherer, self._ice[0]))

    async def _run_gathering(self, gatherer: Gatherer, ufrag: str) -> None:
        events, network = self._events, self._host.network
        events.on_gathering_state(self.id, "gathering")
        self._errors.clear()
        here = network.to_bind()
        with self._host.engine.together():
            self._bind(here)
            self._tcp.listen(here if gatherer.tcp else [])
            batch = self._host.engine.batch()
            for host in gatherer.hosts(self._sockets, self._tcp):
                self._add_local(batch, host, ufrag)
            if not gatherer.asks:
                self._end_of_local(batch)
            self._submit(batch)
        if gatherer.asks:
            async for found in gatherer.run(self.transport, self._sockets, self._allocations):
                batch = self._host.engine.batch()
                if isinstance(found, RTCIceCandidateError):
                    self._errors.append(found)
                    events.on_candidate_error(self.id, found)
                else:
                    self._add_local(batch, found, ufrag)
                self._submit(batch)
            batch = self._host.engine.batch()
            self._end_of_local(batch)
            self._submit(batch)
        events.on_local_candidate(self.id, None, ufrag)
        self.gathering = None
        events.on_gathering_state(self.id, "complete")

    def _submit(self, batch: Batch) -> None:
        """Unless who was told of a candidate has closed it."""
        if not self._closed:
            batch.submit()

    def _bind(self, addresses: list[str]) -> None:
        """A socket an address; those that are gone from the machine are closed."""
        engine, network = self._host.engine, self._host.network
        if network.shared_port:
            self._sockets = {}
            return
        if not network.udp:
            return
        batch = engine.batch()
        for address in [a for a in self._sockets if a not in addresses]:
            socket = self._sockets.pop(address)
            bases: list[Socket | Allocation] = [socket, *self._allocations.lose(batch, socket.address)]
            for base in bases if self.transport.state != "closed" else ():
                batch.lose_candidates(self.transport, base)
            batch.close_socket(socket)
        batch.submit()
        for address in addresses:
            if address in self._sockets:
                continue
            try:
                self._sockets[address] = engine.open_udp((address, 0), ports=network.ports)
            except OSError as error:  # an address that has just gone, or no free port: the others may do
                self._events.on_moment(self.id, f"no candidate for {address}: {error}")

    def _add_local(self, batch: Batch, found: Gathered, ufrag: str) -> None:
        if self._take_local(batch, found):
            self._events.on_local_candidate(self.id, found.told, ufrag)

    def _take_local(self, batch: Batch, found: Gathered) -> bool:
        """False: it is there already, or one too many."""
        if self.transport.state == "closed" or found.told in self.local or len(self.local) >= MAX_CANDIDATES:
            return False
        if found.local is not None:
            batch.local_candidate(self.transport, found.local, found.base)
        self.local.append(found.told)
        return True

    def _end_of_local(self, batch: Batch) -> None:
        if self.transport.state != "closed":
            batch.end_of_candidates(self.transport, local=True)

    # --- the peer's candidates

    def _tell(self, candidate: Candidate, ip: str) -> None:
        tcp = candidate.protocol == "tcp"
        if not 0 < candidate.port < 65536 or (candidate.protocol != "udp" and not tcp):
            return
        if tcp and (candidate.tcp_type != "passive" or not self._tcp_wanted):  # who connects comes by itself
            return
        if self._host.network.deny is not None and (why := self._host.network.deny(ip)):
            self._refuse(f"{ip} is {why}")
            return
        kind = candidate.type if candidate.type in ("host", "srflx", "prflx", "relay") else "host"
        priority = min(max(candidate.priority, 1), 0x7FFFFFFF)
        address: Address = (ip, candidate.port)
        theirs = IceCandidate(address=address, type=kind, priority=priority, foundation=candidate.foundation, tcp=tcp)
        if tcp:
            self._tcp.connect(self.transport, theirs)
            return
        batch = self._host.engine.batch()
        batch.remote_candidate(self.transport, theirs)
        batch.submit()

    def _refuse(self, why: str) -> None:
        if len(self._refused) < MAX_CANDIDATES:
            self._refused.append(why)
            self._events.on_moment(self.id, f"a candidate of the peer is not tried: {why}")

    async def _look_up(self, peer: Peer, candidate: Candidate) -> None:
        ip = await resolve(candidate.address)
        if self._peer is not peer or self.transport.state == "closed":
            return
        if ip is None:
            self._refuse(f"{candidate.address} was not found")
        else:
            self._tell(candidate, ip)

    async def _end_after_names(self, peer: Peer) -> None:
        """Those that are still being looked up."""
        mine = asyncio.current_task()
        while waiting := [task for task in peer.names if task is not mine]:
            await asyncio.wait(waiting)
        if self._peer is peer:
            self._end_of_remote()

    def _end_of_remote(self) -> None:
        if self.transport.state != "closed":
            batch = self._host.engine.batch()
            batch.end_of_candidates(self.transport, remote=True)
            batch.submit()

    # --- states

    def _note_times(self, times: TransportTimes) -> None:
        """As the engine's thread has them, whatever kept us from hearing of it."""
        before, self._known = self._known, times
        for name, what in (("checked", "a check is answered"), ("connected", "DTLS is over"), ("first_media", "first media")):
            after = getattr(times, name)
            if after is not None and getattr(before, name) is None and times.added is not None:
                self._events.on_moment(self.id, what, times.added + after)

    def _on_event(self, event: TransportEvent) -> None:
        if self._closed:
            if event.state == "closed":
                batch = self.transport.engine.batch()
                self._close_sockets(batch)
                batch.submit()
            return
        ice, dtls = event.ice_state, _DTLS.get(event.state)
        if event.state == "closed":
            # Not by us, which was before: "command" and "timeout" are a peer that was not accepted.
            dtls = "failed" if event.reason in ("dtls", "command", "timeout") else "closed"
            ice = "closed" if event.reason == "close_notify" else ice
            self._ended = _end_text(event)
            self._events.on_moment(self.id, self._ended)
        self._note_times(event.transport.times)
        if ice != self.ice_state:
            self.ice_state = ice
            self._events.on_ice_state(self.id, ice)
        if dtls is not None and dtls != self.dtls_state and not self._closed:
            self.dtls_state = dtls
            self._events.on_dtls_state(self.id, dtls)


_ENDS = {"dtls": "the DTLS handshake failed", "command": "the peer was not accepted", "timeout": "time ran out"}
_ENDS |= {"consent": "consent ran out", "close_notify": "the peer said goodbye"}


def _end_text(event: TransportEvent) -> str:
    """Not by us."""
    said = _ENDS.get(event.reason, event.reason)
    return f"{said}: {event.error}" if event.error else said


def _verifier(ask: VerifyPeer) -> Callable[[Transport], Awaitable[bool]]:
    async def verify(transport: Transport) -> bool:
        answer = ask(transport.remote_certificates)
        return (await answer if inspect.isawaitable(answer) else answer) is True

    return verify


def based(candidates: Sequence[Candidate], base: Address | None, tcp: bool) -> Candidate | None:
    """The candidate at this address of ours; when another was announced for it, the one with its port, or of TCP the one that
    connects; else the only one."""
    candidates = [one for one in candidates if (one.protocol == "tcp") == tcp]
    if base is not None:
        fitting = [one for one in candidates if one.port == base[1]] or [one for one in candidates if one.tcp_type == "active"]
        if fitting:
            return min(fitting, key=lambda one: one.address != base[0])
    return candidates[0] if len(candidates) == 1 else None


def at(candidates: Sequence[Candidate], address: Address, tcp: bool) -> Candidate:
    """The peer's at this address; one that was never told was learned from its checks (RFC 8445 §7.3.1.3)."""
    protocol = "tcp" if tcp else "udp"
    fitting = (one for one in candidates if (one.address, one.port) == address and one.protocol == protocol)
    return next(fitting, Candidate("", 1, protocol, 0, *address, "prflx"))


def _cancel(peer: Peer) -> None:
    for task in peer.names:
        task.cancel()
