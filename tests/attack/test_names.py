"""Names ending in .local (E2): answers of who was not asked, and names without end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCIceCandidate, RTCPeerConnection
from rtcengine.peer import link
from rtcengine.peer.errors import OperationError
from rtcengine.peer.names import resolve
from tests.unit.test_mdns import NAME, labels, record, response
from tests.util import until

HERE = "127.0.0.1"


def answer(ip: str) -> bytes:
    return response(record(labels(NAME), 1, socket.inet_aton(ip)))


class Responder(asyncio.DatagramProtocol):
    """Lets strangers speak first, then answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.append(addr)


async def test_e2_answers_of_strangers() -> None:
    """From another port than was asked, or from beyond our links, an answer is none, however often and well it is put."""
    loop = asyncio.get_running_loop()
    transport, responder = await loop.create_datagram_endpoint(Responder, local_addr=(HERE, 0))
    group = transport.get_extra_info("sockname")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((HERE, 0))
        try:
            asking = asyncio.ensure_future(resolve(NAME, [group]))
            await until(lambda: bool(responder.asked), what="the question")
            for i in range(100):
                stranger.sendto(answer(f"203.0.113.{i}"), responder.asked[0])
            await until(lambda: len(responder.asked) > 2, what="the question again")  # two messages at a time
            assert not asking.done()
            transport.sendto(answer("192.0.2.7"), responder.asked[0])
            assert await asking == "192.0.2.7"
            far = asyncio.ensure_future(resolve(NAME, [group], [ipaddress.ip_network("10.0.0.0/8")]))
            known = len(responder.asked)
            await until(lambda: len(responder.asked) > known, what="the question from elsewhere")
            transport.sendto(answer("192.0.2.8"), responder.asked[known])
            await until(lambda: len(responder.asked) > known + 2, what="it asks again")
            assert not far.done()
            far.cancel()
        finally:
            transport.close()


async def test_e2_names_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that tells three hundred names has as many looked up as it may have candidates."""
    looked_up: list[str] = []

    async def never(name: str) -> str | None:
        looked_up.append(name)
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(link, "resolve", never)
    network = NetworkOptions(addresses=(HERE,))
    a, b = RTCPeerConnection(network=network), RTCPeerConnection(network=network)
    try:
        a.addTransceiver("audio")
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        for i in range(300):
            name = f"{i:036x}.local"
            with contextlib.suppress(OperationError):  # there are too many, it says
                await a.addIceCandidate(RTCIceCandidate(1, str(i), name, 9, 2130706431, "udp", "host", sdpMLineIndex=0))
        await until(lambda: len(looked_up) > 10, what="some are looked up")
        [report] = (await a.report()).transports
        assert len(looked_up) <= link.MAX_CANDIDATES and len(report.remote) <= link.MAX_CANDIDATES
        assert len(report.pairs) <= 100
    finally:
        await asyncio.gather(a.close(), b.close())
