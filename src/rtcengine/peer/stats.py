"""Statistics of a connection in the W3C's types, names and units (webrtc-stats), from the engine's counters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .connection import RTCPeerConnection
    from .engine_driver import EngineDriver


class RTCStatsReport(dict[str, Any]):
    """Statistics by their ids."""


class Stats(dict[str, Any]):
    """One object of statistics: a mapping whose entries are attributes too. What is not known is not there."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


async def report(driver: EngineDriver, peer: RTCPeerConnection, selector: Any = None) -> RTCStatsReport:
    """Of everything, or of one track, sender or receiver."""
    found = RTCStatsReport()
    now = time.time() * 1000
    found["P"] = Stats(id="P", type="peer-connection", timestamp=now, dataChannelsOpened=0, dataChannelsClosed=0)
    stats = await driver.engine.stats()
    for link in driver.links.values():
        row = stats.transports.get(link.transport.id)
        if row is not None:
            id = f"T{link.id}"
            found[id] = Stats(
                id=id,
                type="transport",
                timestamp=now,
                bytesSent=row.out_bytes,
                bytesReceived=row.in_bytes,
                packetsSent=row.out_packets,
                packetsReceived=row.in_packets,
                dtlsState=link.dtls_state,
                iceState=link.ice_state,
            )
    return found
