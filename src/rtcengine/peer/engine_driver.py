"""The driver on the engine: carries out the effects of a negotiation."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from ..certificate import Certificate
from ..engine import dtls_context
from ..ice.watch import watch
from ..media.receive import RemoteTrack
from ..media.transform import Transform
from ..types import Fingerprint
from .channels import Channels
from .configuration import RTCConfiguration, RTCIceTransportPolicy, VerifyPeer
from .driver import PeerEvents, RTCDataChannelParameters, TransportFacts
from .effects import (
    AddRemoteCandidate,
    CloseData,
    CloseTransport,
    ConnectTransport,
    Effect,
    OpenData,
    OpenTransport,
    Receive,
    RestartIce,
    Send,
    StopReceiving,
    StopSending,
    TransportPlan,
)
from .errors import InvalidStateError
from .gather import Gatherer
from .link import Link
from .network import NetworkOptions
from .own_names import OwnNames
from .pool import MAX_AHEAD, Ahead
from .report import TransportReport
from .servers import read_servers
from .shared import lease, release
from .streams import Incoming, Outgoing

if TYPE_CHECKING:
    from ..engine import Batch, Capture, Engine
    from ..stats import IceStats
    from .connection import RTCPeerConnection
    from .stats import Statistics


class EngineDriver:
    """One connection's transports, streams and channels."""

    def __init__(self, peer: RTCPeerConnection, configuration: RTCConfiguration, network: NetworkOptions | None = None) -> None:
        self.network = network if network is not None else NetworkOptions()
        self.events: PeerEvents = peer
        self.cname = secrets.token_urlsafe(12)
        self._peer = peer
        self._configuration = configuration
        self._engine: Engine | None = self.network.engine
        self._leased = False
        self._unwatch: Callable[[], None] | None = None
        self.links: dict[int, Link] = {}
        self.pool: list[Link] = []
        self._pool_for: object = None
        self.incoming: dict[str, Incoming] = {}
        self.outgoing: dict[str, Outgoing] = {}
        self.channels = Channels(peer)
        self._names = OwnNames()
        self._stats: Statistics | None = None
        self._capture: Capture | None = None
        given = configuration.certificates
        self.certificate = given[0].certificate if given else Certificate.generate()
        self._dtls: object = dtls_context(self.certificate)  # now, and not when a transport needs it, which then has it

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = lease(self)
            self._leased = True
        return self._engine

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        return (Fingerprint("sha-256", self.certificate.digest("sha-256")),)

    @property
    def verify_peer(self) -> VerifyPeer | None:
        return self._configuration.verify_peer

    def configure(self, configuration: RTCConfiguration) -> None:
        self._configuration = configuration

    def gather_ahead(self, size: int, ice: tuple[str, str]) -> None:
        """What other servers told is not used (RFC 9429 §4.1.18), and what is for other credentials cannot be."""
        if not size and not self.pool:
            return
        wanted = (ice, read_servers(self._configuration.iceServers), self._configuration.iceTransportPolicy)
        with self.engine.together():
            batch = self.engine.batch()
            while len(self.pool) > (size if wanted == self._pool_for else 0):
                self.pool.pop().close(batch)
            self._pool_for = wanted
            while len(self.pool) < min(size, MAX_AHEAD):
                self.pool.append(Link(self, TransportPlan(-1, *ice, controlling=True), batch, Ahead()))
                self._follow_addresses()
            batch.submit()

    def gatherer(self) -> Gatherer:
        relay_only = self._configuration.iceTransportPolicy is RTCIceTransportPolicy.RELAY
        return Gatherer(self.network, read_servers(self._configuration.iceServers), self._names, relay_only=relay_only)

    def remote_track(self, kind: str, id: str) -> RemoteTrack:
        return RemoteTrack(kind, id)

    def set_track(self, sender: Any, track: Any) -> None:
        for outgoing in self.outgoing.values():
            if outgoing.owner is sender:
                outgoing.set_track(track)

    def set_transform(self, sender: Any, transform: Transform | None) -> None:
        for outgoing in self.outgoing.values():
            if outgoing.owner is sender:
                outgoing.set_transform(transform)

    def choose_layer(self, receiver: Any) -> None:
        for incoming in self.incoming.values():
            if incoming.owner is receiver:
                incoming.follow()

    def send_tone(self, sender: Any, code: int, ms: float) -> None:
        for outgoing in self.outgoing.values():
            if outgoing.owner is sender:
                outgoing.send_tone(code, ms)

    def create_data_channel(self, parameters: RTCDataChannelParameters) -> Any:
        return self.channels.create(parameters)

    @property
    def sctp(self) -> Any:
        return self.channels.sctp

    def facts(self, transport: int) -> TransportFacts | None:
        return self.links[transport].facts() if transport in self.links else None

    def source_of(self, receiver: Any) -> int:
        found = (one.receiver for one in self.incoming.values() if one.owner is receiver)
        return next((one.ssrc for one in found if one is not None), 0)

    async def gathered(self) -> None:
        """Servers have a second each, five at most; what they say later is told later."""
        loop = asyncio.get_running_loop()
        servers = read_servers(self._configuration.iceServers)
        until = loop.time() + min(5.0, max(1.0, len(servers)))
        # Again, since one that is restarted meanwhile gathers anew.
        while (under_way := [link.gathering for link in self.links.values() if link.gathering]) and loop.time() < until:
            await asyncio.wait(under_way, timeout=until - loop.time())

    def _on_addresses(self) -> None:
        here = self.network.present()
        if self.pool:
            size, ice = len(self.pool), self.pool[0].ice
            self.gather_ahead(0, ice)
            self.gather_ahead(size, ice)
        lost = [link.follow(here) for link in self.links.values()]
        if any(lost):
            self.events.on_address_lost()

    # --- effects

    def apply(self, effects: Sequence[Effect]) -> None:
        if not effects:
            return
        with self.engine.together():
            self._carry_out(effects)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        batch = self.engine.batch()
        self._forget_senders(batch)
        candidates: list[AddRemoteCandidate] = []
        for effect in effects:
            if isinstance(effect, AddRemoteCandidate):
                candidates.append(effect)
            else:
                self._apply(batch, effect)
        self._agree(batch)
        batch.submit()
        for outgoing in self.outgoing.values():
            outgoing.follow()
        for incoming in self.incoming.values():
            incoming.follow()
        # Each by itself: one that the engine refuses must not take the others with it.
        for effect in candidates:
            if effect.id in self.links:
                self.links[effect.id].add_remote(effect.candidate)

    def _apply(self, batch: Batch, effect: Effect) -> None:
        # By isinstance, not by match: a class pattern looks its fields up by names made each time, which CPython's cache of
        # attributes then keeps, and with each of them the megabyte of memory that it happens to lie in.
        if isinstance(effect, Receive):
            media = effect.media
            self._incoming(media.mid).apply(batch, media, self.links[media.transport])
        elif isinstance(effect, Send):
            media = effect.media
            self._outgoing(media.mid).apply(batch, media, self.links[media.transport])
        elif isinstance(effect, OpenTransport):
            self._open(batch, effect.transport)
        elif isinstance(effect, ConnectTransport):
            self.links[effect.id].connect(batch, effect.remote, effect.role, effect.controlling)
        elif isinstance(effect, RestartIce):
            self.links[effect.id].restart(effect.ice_ufrag, effect.ice_pwd)
        elif isinstance(effect, CloseTransport):
            self.links.pop(effect.id).close(batch)
        elif isinstance(effect, StopSending):
            self._stop_sending(batch, effect.mid)
        elif isinstance(effect, StopReceiving):
            if effect.mid in self.incoming:
                self.incoming.pop(effect.mid).end(batch)
        elif isinstance(effect, OpenData):
            self.channels.open(effect.data)
        elif isinstance(effect, CloseData):
            self.channels.close()

    def _follow_addresses(self) -> None:
        if self.network.follows and self._unwatch is None:
            self._unwatch = watch(self._on_addresses)

    def _open(self, batch: Batch, plan: TransportPlan) -> None:
        self._follow_addresses()
        link = next((one for one in self.pool if one.becomes(plan, batch)), None)
        if link is None:
            link = Link(self, plan, batch)
        else:
            self.pool.remove(link)
        self.links[plan.id] = link
        self._dtls = None
        if self._capture is not None and not self._capture.stopped:
            batch.capture(link.transport, self._capture)

    def _incoming(self, mid: str) -> Incoming:
        if mid not in self.incoming:
            transceiver = self._peer.transceiver_of(mid)
            assert transceiver is not None
            self.incoming[mid] = Incoming(self.engine, transceiver.receiver)
        return self.incoming[mid]

    def _outgoing(self, mid: str) -> Outgoing:
        if mid not in self.outgoing:
            transceiver = self._peer.transceiver_of(mid)
            assert transceiver is not None
            self.outgoing[mid] = Outgoing(transceiver.sender)
        return self.outgoing[mid]

    def _stop_sending(self, batch: Batch, mid: str) -> None:
        outgoing = self.outgoing.get(mid)
        if outgoing is None:
            return
        outgoing.pause()
        transceiver = self._peer.transceiver_of(mid)
        if transceiver is None or transceiver.direction == "stopped":
            outgoing.end(batch)
            del self.outgoing[mid]

    def _forget_senders(self, batch: Batch) -> None:
        """Those that sent nothing any more when their transceiver was stopped, which no effect tells of. A peer may give their
        section's name to another one."""
        for mid, outgoing in list(self.outgoing.items()):
            transceiver = self._peer.transceiver_of(mid)
            if transceiver is None or transceiver.sender is not outgoing.owner:
                outgoing.end(batch)
                del self.outgoing[mid]

    def _agree(self, batch: Batch) -> None:
        """One meaning an id in a BUNDLE group (RFC 9143 §9.4), so that all media of a link go together."""
        for link in self.links.values():
            streams: list[Incoming | Outgoing] = [*self.incoming.values(), *self.outgoing.values()]
            plans = [one.plan for one in streams if one.plan is not None and one.plan.transport == link.id]
            extensions = {id: uri for plan in plans for uri, id in plan.extensions}
            link.agree(batch, extensions, bool(plans) and all(plan.reduced_rtcp for plan in plans))

    # --- the end, and numbers

    async def capture(self, path: str | os.PathLike[str], wire: bool, limit: int) -> Capture:
        if self._capture is not None and not self._capture.stopped:
            raise InvalidStateError(f"{self._capture!r} goes on")
        self._capture = self.engine.open_capture(path, wire=wire, limit=limit)
        batch = self.engine.batch()
        for link in self.links.values():
            if link.transport.state != "closed":
                batch.capture(link.transport, self._capture)
        await batch.commit()
        return self._capture

    def report(self) -> Awaitable[tuple[TransportReport, ...]]:
        return self._report([(link, link.ask_pairs()) for link in self.links.values()])

    async def _report(self, asked: list[tuple[Link, Awaitable[IceStats] | None]]) -> tuple[TransportReport, ...]:
        return tuple([await link.report(pairs) for link, pairs in asked])

    async def get_stats(self, selector: Any = None) -> Any:
        if self._stats is None:
            from .stats import Statistics

            self._stats = Statistics(self, self._peer)
        return await self._stats.report(selector)

    def close(self) -> Coroutine[Any, Any, None]:
        self.channels.close()  # those that nobody negotiated have no effect that would
        return self._close()

    async def _close(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        for outgoing in self.outgoing.values():
            outgoing.close()
        for incoming in self.incoming.values():
            incoming.forget()
        links = [*self.links.values(), *self.pool]
        if self._engine is not None and links and not self._engine.closed:
            batch = self._engine.batch()
            for link in links:
                link.close(batch)
            batch.submit()
        self.links.clear()
        self.pool.clear()
        if self._capture is not None:
            await self._capture.stop()
        self._names.close()
        if self._leased:
            await release(self)
