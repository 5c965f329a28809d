"""A TURN server over UDP that relays nothing: it writes down which peers it is asked about, or sends its clients elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from rtcengine import RTCIceServer
from rtcengine.stats import Address

USER, PASSWORD, REALM, NONCE = "carol", "secret-of-carol", "kit.example", b"of-the-day"
COOKIE = 0x2112A442
ALLOCATE, REFRESH, SEND, PERMISSION, CHANNEL = 3, 4, 6, 8, 9
METHODS = (ALLOCATE, REFRESH, SEND, PERMISSION, CHANNEL)
MAPPED_XOR, RELAYED, PEER, LIFETIME, ERROR, ALTERNATE = 0x0020, 0x0016, 0x0012, 0x000D, 0x0009, 0x8023


class TurnServer(asyncio.DatagramProtocol):
    """`peers`: whom permissions, channels and indications were for; `allocations`: requests for one; `alternate`: the answer
    to all of those."""

    def __init__(self, alternate: Address | None) -> None:
        self.alternate = alternate
        self.peers: list[str] = []
        self.allocations = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: Address = transport.get_extra_info("sockname")[:2]

    @property
    def server(self) -> RTCIceServer:
        host, port = self.address
        return RTCIceServer(f"turn:{host}:{port}", USER, PASSWORD)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        kind, length = struct.unpack_from("!HH", data)
        if kind >= 0x4000:  # data in a channel that was asked for
            return
        id, method = data[8:20], kind & 0xF
        attributes = dict(read(data[20 : 20 + length]))
        if PEER in attributes:
            self.peers.append(unmasked(attributes[PEER], id))
        if kind & 0x0110 or method not in METHODS:
            return
        self.allocations += method == ALLOCATE
        if self.alternate is not None:
            told = put(ALTERNATE, struct.pack("!BBH", 0, 1, self.alternate[1]) + socket.inet_aton(self.alternate[0]))
            self.answer(addr, kind | 0x0110, id, put(ERROR, b"\0\0\3\0Try Alternate") + told, signed=False)
        elif 0x0006 not in attributes:
            challenge = put(0x0014, REALM.encode()) + put(0x0015, NONCE)
            self.answer(addr, kind | 0x0110, id, put(ERROR, b"\0\0\4\1Unauthorized") + challenge, signed=False)
        else:
            lifetime = put(LIFETIME, struct.pack("!I", 600))
            given = put(RELAYED, masked(("192.0.2.200", 40000))) + put(MAPPED_XOR, masked(addr[:2])) + lifetime
            said = {ALLOCATE: given, REFRESH: lifetime}.get(method, b"")
            self.answer(addr, kind | 0x0100, id, said, signed=True)

    def answer(self, addr: Any, kind: int, id: bytes, body: bytes, *, signed: bool) -> None:
        if signed:
            key = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).digest()
            message = struct.pack("!HHI", kind, len(body) + 24, COOKIE) + id + body
            body += put(0x0008, hmac.digest(key, message, "sha1"))
        self.transport.sendto(struct.pack("!HHI", kind, len(body), COOKIE) + id + body, addr)


def read(body: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(body) >= 4:
        kind, length = struct.unpack_from("!HH", body)
        found.append((kind, body[4 : 4 + length]))
        body = body[4 + (length + 3 & ~3) :]
    return found


def put(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def masked(address: Address) -> bytes:
    ip = int.from_bytes(socket.inet_aton(address[0])) ^ COOKIE
    return struct.pack("!BBHI", 0, 1, address[1] ^ COOKIE >> 16, ip)


def unmasked(value: bytes, id: bytes) -> str:
    mask = COOKIE.to_bytes(4) + id
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    return socket.inet_ntop(socket.AF_INET if value[1] == 1 else socket.AF_INET6, packed)


@contextlib.asynccontextmanager
async def turn_server(host: str = "127.0.0.1", alternate: Address | None = None) -> AsyncIterator[TurnServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: TurnServer(alternate), local_addr=(host, 0))
    try:
        yield server
    finally:
        transport.close()
