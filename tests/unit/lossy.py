"""A way between two engines that loses packets by plan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any


class Lossy(asyncio.DatagramProtocol):
    """A way to a port of this machine that loses, in this direction, each packet of media whose number, from 1 on, `loses`."""

    transport: asyncio.DatagramTransport

    def __init__(self, port: int, loses: Callable[[int], bool]) -> None:
        self.far, self.loses, self.media, self.lost = ("127.0.0.1", port), loses, 0, 0
        self.near: Any = None

    @property
    def port(self) -> int:
        """What to send to instead."""
        return int(self.transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if address == self.far:
            self.transport.sendto(data, self.near)
            return
        self.near = address
        media = 128 <= data[0] < 192 and not 192 <= data[1] < 224
        self.media += media
        if media and self.loses(self.media):
            self.lost += 1
        else:
            self.transport.sendto(data, self.far)


@asynccontextmanager
async def lossy(port: int, loses: Callable[[int], bool]) -> AsyncIterator[Lossy]:
    _, way = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Lossy(port, loses), ("127.0.0.1", 0))
    try:
        yield way
    finally:
        way.transport.close()
