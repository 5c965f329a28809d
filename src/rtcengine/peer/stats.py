"""Statistics of a connection in the W3C's types, names and units (webrtc-stats), from the engine's counters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..engine import EngineError, OneTransportStats
from .errors import InvalidAccessError
from .stats_rtp import ReceivedRows, SentRows
from .stats_transport import TransportRows, certificate
from .stats_types import RTCPeerConnectionStats, RTCStats, RTCStatsReport, wall_ms
from .transceiver import RTCRtpReceiver, RTCRtpSender

if TYPE_CHECKING:
    from .connection import RTCPeerConnection
    from .engine_driver import EngineDriver
    from .link import Link
    from .streams import Layer, Stream


SHARED_S = 0.010
"""How long a report serves who asks again, unless a state, track or stream has changed: much of what a report costs is asking
the engine's thread. libwebrtc keeps one for 50 ms. Its `timestamp` says when it was made."""

Owner = RTCRtpSender | RTCRtpReceiver


@dataclass(frozen=True, slots=True)
class _Whole:
    """A report of everything, with the streams in it by their owners. `about`: what there was."""

    about: tuple[object, ...] = ()
    made: float = float("-inf")
    report: RTCStatsReport = field(default_factory=RTCStatsReport)
    streams: tuple[tuple[Owner, RTCStats], ...] = ()


class Statistics:
    """Of one connection. What its reports have in common is kept from one to the next."""

    def __init__(self, driver: EngineDriver, peer: RTCPeerConnection) -> None:
        self._driver, self._peer = driver, peer
        self._own = certificate(driver.certificate.der, None)
        self._transports: dict[Link, TransportRows] = {}
        self._received: dict[Stream, ReceivedRows] = {}
        self._sent: dict[Layer, SentRows] = {}
        self._last = _Whole()

    async def report(self, selector: Any = None) -> RTCStatsReport:
        """Of everything, or of one track, sender or receiver: their streams and all that these refer to. InvalidAccessError for
        a track that is not of exactly one sender or receiver (W3C webrtc §8.2). A mapping of its own; what is in it may be in
        others too."""
        owner = self._owner(selector)
        last = self._last
        if time.monotonic() - last.made >= SHARED_S or last.about != self._about():
            last = self._last = await self._make()
        if owner is None:
            return RTCStatsReport(last.report)
        return _referred(last.report, [stream for one, stream in last.streams if one is owner])

    def _about(self) -> tuple[object, ...]:
        """Other than it was when something has changed that is no counter."""
        driver = self._driver
        states = [(x.transport.id, x.dtls_state, x.ice_state, x.transport.controlling) for x in driver.links.values()]
        addresses = [(x.ufrag, len(x.local), len(x.remote)) for x in driver.links.values()]
        incoming = [(id(x.receiver), id(one.plan)) for one in driver.incoming.values() for x in one.streams]
        outgoing = [(id(one.layers), id(one.plan), id(one.owner.track)) for one in driver.outgoing.values()]
        return (*states, *addresses, *incoming, *outgoing, driver.channels.opened, driver.channels.closed)

    async def _make(self) -> _Whole:
        links = list(self._driver.links.values())
        rows = await self._rows(links)
        about, made = self._about(), time.monotonic()
        known = [r for r in rows if r is not None]
        now = wall_ms(known[0].now if known else made)
        found = RTCStatsReport()
        found["P"] = own = RTCPeerConnectionStats(id="P", type="peer-connection", timestamp=now)
        own["dataChannelsOpened"], own["dataChannelsClosed"] = self._driver.channels.opened, self._driver.channels.closed
        for link, row in zip(links, rows, strict=True):
            self._of_link(link).add(found, row, now)
        return _Whole(about, made, found, tuple(self._streams(found, known, now)))

    async def _rows(self, links: list[Link]) -> list[OneTransportStats | None]:
        if not links:
            return []
        try:
            return await self._driver.engine.transport_stats([link.transport for link in links])
        except EngineError:  # it has been closed meanwhile
            return [None] * len(links)

    def _owner(self, selector: Any) -> Owner | None:
        if selector is None:
            return None
        both: list[Owner] = [*self._peer.getSenders(), *self._peer.getReceivers()]
        if isinstance(selector, RTCRtpSender | RTCRtpReceiver):
            return selector
        owners = [one for one in both if one.track is selector or selector in getattr(one, "layers", {}).values()]
        if len(owners) != 1:
            raise InvalidAccessError(f"the track is of {len(owners)} senders and receivers, not of one")
        return owners[0]

    def _of_link(self, link: Link) -> TransportRows:
        if link not in self._transports:
            live = self._driver.links.values()
            self._transports = {one: rows for one, rows in self._transports.items() if one in live}
            self._transports[link] = TransportRows(link, self._own)
        return self._transports[link]

    def _streams(self, found: RTCStatsReport, known: list[OneTransportStats], now: float) -> Iterator[tuple[Owner, RTCStats]]:
        """Adds them all."""
        receivers = known[0].receivers if len(known) == 1 else {id: row for r in known for id, row in r.receivers.items()}
        senders = known[0].senders if len(known) == 1 else {id: row for r in known for id, row in r.senders.items()}
        incoming = [(stream, one) for one in self._driver.incoming.values() for stream in one.streams]
        outgoing = [(layer, one) for one in self._driver.outgoing.values() for layer in one.layers]
        if len(self._received) != len(incoming) or not all(stream in self._received for stream, _ in incoming):
            self._received = {stream: self._received.get(stream) or ReceivedRows(one, stream) for stream, one in incoming}
        if len(self._sent) != len(outgoing) or not all(layer in self._sent for layer, _ in outgoing):
            self._sent = {layer: self._sent.get(layer) or SentRows(one, layer) for layer, one in outgoing}
        for into, of in incoming:
            if (row := self._received[into].add(found, receivers, now)) is not None:
                yield of.owner, row
        for layer, one in outgoing:
            if (stream := self._sent[layer].add(found, senders, now)) is not None:
                yield one.owner, stream


def _referred(found: RTCStatsReport, first: Iterable[RTCStats]) -> RTCStatsReport:
    """These, and what they refer to, and so on."""
    chosen = RTCStatsReport()
    waiting = list(first)
    while waiting:
        one = waiting.pop()
        chosen.add(one)
        for name, value in one.items():
            if name.endswith("Id") and value in found and value not in chosen:
                waiting.append(found[value])
    return chosen


__all__ = ["RTCStatsReport", "Statistics"]
