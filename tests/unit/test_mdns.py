"""Names that end in .local: what is asked, what answers are taken, and a responder that is asked over a socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection
from rtcengine.ice import mdns
from rtcengine.peer.names import resolve
from rtcengine.peer.own_names import OwnNames
from tests.util import until

from .peer_kit import exchange

NAME = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 0x8001, 120, len(data)) + data


def response(*records: bytes, questions: bytes = b"", flags: int = 0x8400) -> bytes:
    return struct.pack("!6H", 0, flags, 1 if questions else 0, len(records), 0, 0) + questions + b"".join(records)


V4, V6 = socket.inet_aton("192.0.2.7"), socket.inet_pton(socket.AF_INET6, "2001:db8::7")


def test_what_is_asked() -> None:
    """One question a message: Chromium reads no other."""
    for alone, of in ((True, 0x8001), (False, 1)):
        for kind, message in zip((1, 28), mdns.queries(NAME.upper().replace("LOCAL", "local"), alone=alone), strict=True):
            assert struct.unpack_from("!6H", message) == (0, 0, 1, 0, 0, 0)
            assert message[12:] == labels(NAME) + struct.pack("!HH", kind, of)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (response(record(labels(NAME), 1, V4), record(labels(NAME.upper()), 28, V6)), ["192.0.2.7", "2001:db8::7"]),
        (response(record(b"\xc0\x0c", 1, V4), questions=labels(NAME) + struct.pack("!HH", 1, 1)), ["192.0.2.7"]),
        (response(record(labels("other.local"), 1, V4)), []),
        (response(record(labels(NAME), 1, V4[:3])), []),
        (response(record(labels(NAME), 16, V4)), []),
        (response(record(labels(NAME), 1, V4), flags=0), []),
        (response(record(b"\xc0\x0c", 1, V4)), []),  # a pointer to itself
        (response(record(labels(NAME), 1, V4))[:-1], []),
        (mdns.queries(NAME, alone=True)[0], []),
        (b"", []),
    ],
)
def test_what_is_taken(message: bytes, found: list[str]) -> None:
    assert mdns.addresses(message, NAME) == found


def test_names_that_are_asked_for() -> None:
    assert mdns.is_name(NAME) and mdns.is_name("a.LOCAL")
    assert not any(map(mdns.is_name, ["example.org", "a.b.local", ".local", "local", "a_b.local", f"{'a' * 64}.local"]))


class Responder(asyncio.DatagramProtocol):
    """Answers from the second time on that it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        if self.asked > 2 and data == mdns.queries(NAME, alone=True)[0]:
            self.transport.sendto(response(record(labels(NAME), 1, V4)), addr)


async def test_a_responder_is_asked_again() -> None:
    loop = asyncio.get_running_loop()
    transport, responder = await loop.create_datagram_endpoint(Responder, local_addr=("127.0.0.1", 0))
    try:
        assert await resolve(NAME, [transport.get_extra_info("sockname")]) == "192.0.2.7"
        assert responder.asked >= 2
        assert await resolve("example.org", [transport.get_extra_info("sockname")]) is None
    finally:
        transport.close()


def test_what_is_answered() -> None:
    v4, v6 = (question for message in mdns.queries(NAME, alone=True) for question in mdns.questions(message))
    assert (v4, v6) == (mdns.Question(0, NAME, 1), mdns.Question(0, NAME, 28))
    for to_one in (True, False):
        assert mdns.addresses(mdns.answer(v4, "192.0.2.7", to_one=to_one), NAME) == ["192.0.2.7"]
        assert mdns.addresses(mdns.answer(v6, "2001:db8::7", to_one=to_one), NAME) == ["2001:db8::7"]
        assert mdns.addresses(mdns.answer(v6, "192.0.2.7", to_one=to_one), NAME) == []
    asked = mdns.Question(77, NAME, 255)
    to_one, to_all = (mdns.answer(asked, "192.0.2.7", to_one=one) for one in (True, False))
    # RFC 6762 §6.7: the id and the question come back, and no record says that others are to be forgotten.
    assert struct.unpack_from("!6H", to_one) == (77, 0x8400, 1, 1, 0, 0)
    assert struct.unpack_from("!6H", to_all) == (0, 0x8400, 0, 1, 0, 0)
    assert to_one.endswith(labels(NAME) + struct.pack("!HHIH", 1, 1, 120, 4) + V4)
    assert to_all.endswith(labels(NAME) + struct.pack("!HHIH", 1, 0x8001, 120, 4) + V4)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        mdns.queries(NAME, alone=True)[0][:-1],
        response(record(labels(NAME), 1, V4)),
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels("a.b.local") + struct.pack("!HH", 1, 1),  # no name of a candidate
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels(NAME) + struct.pack("!HH", 16, 1),  # TXT
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack("!HH", 1, 1),
        struct.pack("!6H", 0, 0, 65535, 0, 0, 0),
    ],
)
def test_what_is_no_question(message: bytes) -> None:
    assert mdns.questions(message) == []


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """One of our own, so that no responder of the machine hears us."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        free: int = sock.getsockname()[1]
    monkeypatch.setattr(mdns, "GROUPS", (("224.0.0.251", free),))
    return free


async def test_our_own_names_are_answered_for_while_they_are_used(port: int) -> None:
    here = [("127.0.0.1", port)]
    one, other = OwnNames(), OwnNames()
    name = one.of("192.0.2.7")
    assert mdns.is_name(name) and name == one.of("192.0.2.7") != other.of("192.0.2.7")
    assert await resolve(name, here) == "192.0.2.7"
    one.close()
    kept = other.of("192.0.2.7")
    assert await resolve(kept, here) == "192.0.2.7"
    loop = asyncio.get_running_loop()
    ears: asyncio.Queue[bytes] = asyncio.Queue()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            ears.put_nowait(data)

    way, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    way.sendto(mdns.queries(name, alone=True)[0], here[0])
    way.sendto(mdns.queries(kept, alone=True)[0], here[0])  # answered after the other would have been
    assert mdns.addresses(await asyncio.wait_for(ears.get(), 5), kept) == ["192.0.2.7"]
    way.close()
    other.close()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))  # nobody has it any more


@pytest.mark.parametrize("udp", [True, False])
async def test_hidden_addresses(port: int, udp: bool) -> None:
    """Descriptions and statistics have names, and the call connects: by our checks or our connection."""
    hidden = NetworkOptions(addresses=("127.0.0.1",), hide=True, tcp=not udp, udp=udp)
    a, b = RTCPeerConnection(network=hidden), RTCPeerConnection(network=replace(hidden, hide=False))
    try:
        a.addTransceiver("audio")
        await exchange(a, b)
        await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
        assert a.localDescription is not None
        told = [line.split()[4] for line in a.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
        assert told and all(map(mdns.is_name, told)) and len(set(told)) == 1
        assert await resolve(told[0], [("127.0.0.1", port)]) == "127.0.0.1"
        local = [s for s in (await a.getStats()).values() if s["type"] == "local-candidate"]
        assert {s["address"] for s in local} == set(told)
    finally:
        await a.close()
        await b.close()


async def test_nothing_is_told_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine lets us have no responder: what is to be hidden is not told instead."""
    monkeypatch.setattr(mdns, "GROUPS", ())
    pc = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1", "::1"), hide=True, announce={"::1": "2001:db8::1"}))
    try:
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        assert pc.localDescription is not None
        told = [line.split()[4] for line in pc.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
        assert told == ["2001:db8::1"]
    finally:
        await pc.close()
