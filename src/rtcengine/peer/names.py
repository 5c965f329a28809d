"""Names that a peer tells instead of addresses: those ending in .local, by multicast DNS. No other is looked up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Any

from ..engine import Address
from ..ice import mdns

REPEATS_S = (0.0, 0.25, 1.0, 2.0)
"""When it is asked, after the time before (RFC 6762 §5.2 has a second between the first two; a call does not wait so long)."""


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, name: str, found: asyncio.Future[str]) -> None:
        self._name, self._found = name, found

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for address in mdns.addresses(data, self._name):
            if not self._found.done():
                self._found.set_result(address)


async def resolve(name: str, groups: Sequence[Address] = mdns.GROUPS) -> str | None:
    """The address behind the name, None when nobody answers in five seconds or so."""
    if not mdns.is_name(name):
        return None
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()
    ways: list[tuple[asyncio.DatagramTransport, Address]] = []
    try:
        for group in groups:
            family = socket.AF_INET6 if ":" in group[0] else socket.AF_INET
            with contextlib.suppress(OSError):  # no such family here
                way, _ = await loop.create_datagram_endpoint(lambda: _Ear(name, found), family=family)
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
