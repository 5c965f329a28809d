"""Names that a peer tells (E2): answers of who was not asked, names without end, and names that are none of ours to look up."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import rtcengine._core
from rtcengine import NetworkOptions, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
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


NAMES = (
    "host.example",
    "localhost",
    "a.b.local",
    "local",
    "host.local.",
    "host.local.example",
    "a_b.local",
    "127.1",
    "0x7f000001",
)


class Eye:
    """Sees all look-ups of this process's Python, whoever asks for them and on which thread, and datagrams to name servers."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.open = True
        sys.addaudithook(self.look)  # one cannot be taken away again

    def look(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.open:
            return
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
            self.seen.append(f"{event} {args[0]}")
        elif event in ("socket.sendto", "socket.connect") and isinstance(args[1], tuple) and args[1][1] in (53, 853):
            self.seen.append(f"{event} {args[1]}")


async def test_e2_names_that_are_not_looked_up() -> None:
    """Of a candidate, of a c= or o= line, of raddr: a look-up would tell whoever serves that name where we are, and let the
    peer choose what we ask. Names of multicast DNS alone are asked for, and by other means."""
    loop = asyncio.get_running_loop()
    network = NetworkOptions(addresses=(HERE,), tcp=True)
    a, b = RTCPeerConnection(network=network), RTCPeerConnection(network=network)
    eye = Eye()
    try:
        a.addTransceiver("audio")
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        assert b.localDescription is not None
        lines = [line for line in b.localDescription.sdp.splitlines() if not line.startswith("a=end-of-candidates")]
        kept = [line for line in lines if not line.startswith("a=candidate")]
        told = [f"a=candidate:{i} 1 udp {2130706431 - i} {name} {5000 + i} typ host" for i, name in enumerate(NAMES)]
        told += [f"a=candidate:s{i} 1 udp {1000 - i} {HERE} 9 typ srflx raddr {name} rport 9" for i, name in enumerate(NAMES)]
        told += [f"a=candidate:t{i} 1 tcp {900 - i} {name} 9 typ host tcptype passive" for i, name in enumerate(NAMES)]
        text = re.sub(r"IN IP4 \S+", "IN IP4 host.example", "\r\n".join([*kept, *told, ""]))
        assert "c=IN IP4 host.example\r\n" in text and "IN IP4 host.example\r\ns=" in text
        await a.setRemoteDescription(RTCSessionDescription(text, "answer"))
        for name in NAMES:
            with contextlib.suppress(OperationError, ValueError):
                await a.addIceCandidate(RTCIceCandidate(1, "x", name, 9, 2130706431, "udp", "host", sdpMLineIndex=0))
        for candidate in b.localDescription.sdp.splitlines():
            if candidate.startswith("a=candidate"):
                await a.addIceCandidate({"candidate": candidate[2:], "sdpMLineIndex": 0})
        await until(lambda: a.connectionState == "connected", what="it connects by what is an address")
        assert eye.seen == []
        await loop.getaddrinfo("localhost", 1)  # such an eye does see
        assert eye.seen == ["socket.getaddrinfo localhost"]
    finally:
        eye.open = False
        await asyncio.gather(a.close(), b.close())


def test_the_engine_looks_no_name_up() -> None:
    """Its part in C is not even linked to what could."""
    assert b"recvmmsg" in (linked := Path(rtcengine._core.__file__).read_bytes())
    assert not any(name in linked for name in (b"getaddrinfo", b"gethostby", b"res_query", b"res_search"))
