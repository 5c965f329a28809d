"""Names that a peer tells instead of addresses: those ending in .local, by multicast DNS. No other is looked up."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from ..engine import Address
from ..ice import mdns
from ..ice.addresses import Network, local_networks

REPEATS_S = (0.0, 0.25, 1.0, 2.0)
"""When it is asked, after the time before (RFC 6762 §5.2 has a second between the first two; a call does not wait so long)."""


class _Ear(asyncio.DatagramProtocol):
    """Hears answers from the port that was asked, on a link of ours; others may come from anywhere (RFC 6762 §6, §11)."""

    def __init__(self, name: str, found: asyncio.Future[str], port: int, near: Sequence[Network]) -> None:
        self._name, self._found, self._port, self._near = name, found, port, near

    def datagram_received(self, data: bytes, addr: Any) -> None:
        source = ipaddress.ip_address(addr[0].partition("%")[0])
        if self._found.done() or addr[1] != self._port or not any(source in network for network in self._near):
            return
        for address in mdns.addresses(data, self._name):
            if not self._found.done():
                self._found.set_result(address)


async def resolve(name: str, groups: Sequence[Address] = mdns.GROUPS, near: Sequence[Network] | None = None) -> str | None:
    """The address behind the name, None when nobody answers in five seconds or so. `near`: networks from which answers are
    taken, those of our links when it is None."""
    if not mdns.is_name(name):
        return None
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()
    networks = local_networks() if near is None else near
    ways: list[tuple[asyncio.DatagramTransport, Address]] = []
    try:
        for group in groups:
            family = socket.AF_INET6 if ":" in group[0] else socket.AF_INET
            with contextlib.suppress(OSError):  # no such family here
                ear = _Ear(name, found, group[1], networks)
                way, _ = await loop.create_datagram_endpoint(lambda ear=ear: ear, family=family)  # type: ignore[misc]
                ways.append((way, group))
        for wait in (*REPEATS_S[1:], 2.0):
            for way, group in ways:
                way.sendto(mdns.query(name), group)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(found), wait)
        return None
    finally:
        for way, _ in ways:
            way.close()
