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
from . import multicast

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


class _Way:
    """A group, or one responder, and how it is asked. Where we may have the group's own port the answers go to all, as browsers
    give no others."""

    def __init__(self, name: str, group: Address) -> None:
        self._name, self._group = name, group
        self._sock, self._to_all = _socket(group)
        self._ear: asyncio.DatagramTransport | None = None

    async def listen(self, ear: _Ear) -> None:
        self._ear, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: ear, sock=self._sock)

    def ask(self) -> None:
        for message in mdns.queries(self._name, alone=not self._to_all):
            if self._to_all:
                multicast.send(self._sock, message, self._group)
            else:
                with contextlib.suppress(OSError):  # no way there now
                    self._sock.sendto(message, self._group)

    def close(self) -> None:
        (self._ear or self._sock).close()


async def resolve(name: str, groups: Sequence[Address] = mdns.GROUPS, near: Sequence[Network] | None = None) -> str | None:
    """The address behind the name, None when nobody answers in five seconds or so. `near`: networks from which answers are
    taken, those of our links when it is None."""
    if not mdns.is_name(name):
        return None
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    networks = local_networks() if near is None else near
    ways: list[_Way] = []
    try:
        for group in groups:
            with contextlib.suppress(OSError):  # no such family here
                ways.append(_Way(name, group))
                await ways[-1].listen(_Ear(name, found, group[1], networks))
        for wait in (*REPEATS_S[1:], 2.0):
            for way in ways:
                way.ask()
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(found), wait)
        return None
    finally:
        for way in ways:
            way.close()


def _socket(group: Address) -> tuple[socket.socket, bool]:
    """And whether what all are told comes to it."""
    if ipaddress.ip_address(group[0]).is_multicast:
        with contextlib.suppress(OSError):  # the port is another's alone
            return multicast.listen(group), True
    sock = socket.socket(multicast.family_of(group), socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock, False
