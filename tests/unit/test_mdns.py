"""Names that end in .local: what is asked, what answers are taken, and a responder that is asked over a socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from rtcengine.ice import mdns
from rtcengine.peer.names import resolve

NAME = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 0x8001, 120, len(data)) + data


def response(*records: bytes, questions: bytes = b"", flags: int = 0x8400) -> bytes:
    return struct.pack("!6H", 0, flags, 1 if questions else 0, len(records), 0, 0) + questions + b"".join(records)


V4, V6 = socket.inet_aton("192.0.2.7"), socket.inet_pton(socket.AF_INET6, "2001:db8::7")


def test_what_is_asked() -> None:
    message = mdns.query(NAME.upper().replace("LOCAL", "local"))
    assert struct.unpack_from("!6H", message) == (0, 0, 2, 0, 0, 0)
    assert message[12:] == labels(NAME) + struct.pack("!HH", 1, 0x8001) + labels(NAME) + struct.pack("!HH", 28, 0x8001)


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
        (mdns.query(NAME), []),
        (b"", []),
    ],
)
def test_what_is_taken(message: bytes, found: list[str]) -> None:
    assert mdns.addresses(message, NAME) == found


def test_names_that_are_asked_for() -> None:
    assert mdns.is_name(NAME) and mdns.is_name("a.LOCAL")
    assert not any(map(mdns.is_name, ["example.org", "a.b.local", ".local", "local", "a_b.local", f"{'a' * 64}.local"]))


class Responder(asyncio.DatagramProtocol):
    """Answers from its second question on."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        if self.asked > 1 and data == mdns.query(NAME):
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
