"""What kind of NAT is between: a STUN server with two addresses and two ports, and a client that classifies (RFC 5780 §4).

Written without the engine and without aioice, which are under test behind these NATs. The server runs in the test's own
event loop, on sockets of another namespace (`Node.bind_udp`); it also serves agents that gather.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from tests.interop.nat import STUN, Node

T = TypeVar("T")
Address = tuple[str, int]

PORTS = (3478, 3479)
_COOKIE = 0x2112A442
_REQUEST, _RESPONSE = 0x0001, 0x0101
_CHANGE_REQUEST, _XOR_MAPPED_ADDRESS, _OTHER_ADDRESS = 0x0003, 0x0020, 0x802C
_CHANGE_IP, _CHANGE_PORT = 4, 2
ROUNDS = 3


@dataclass(frozen=True)
class Behaviour:
    """RFC 4787's words: ``independent``, ``address`` (-dependent) or ``address-and-port``."""

    mapping: str
    filtering: str


def _message(kind: int, transaction: bytes, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack("!HH", name, len(value)) + value for name, value in attributes)
    return struct.pack("!HHI", kind, len(body), _COOKIE) + transaction + body


def _attributes(data: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at + 4 <= len(data):
        name, length = struct.unpack_from("!HH", data, at)
        found[name] = data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found


def _pack(address: Address, mask: int) -> bytes:
    ip = int(ipaddress.IPv4Address(address[0]))
    return struct.pack("!xBHI", 1, address[1] ^ mask >> 16, ip ^ mask)


def _unpack(value: bytes, mask: int) -> Address:
    port, ip = struct.unpack("!xxHI", value)
    return str(ipaddress.IPv4Address(ip ^ mask)), port ^ mask >> 16


class StunServer:
    """Answers binding requests on four sockets, from another one when the request asks so."""

    def __init__(self, node: Node) -> None:
        places = [(ip, port) for ip in STUN for port in PORTS]
        self._sockets = dict(zip(places, node.bind_udp(places), strict=True))
        loop = asyncio.get_running_loop()
        for place, sock in self._sockets.items():
            loop.add_reader(sock, self._read, place, sock)

    def _read(self, place: Address, sock: socket.socket) -> None:
        data, source = sock.recvfrom(2048)
        if len(data) < 20 or struct.unpack_from("!HxxI", data) != (_REQUEST, _COOKIE):
            return
        change = int.from_bytes(_attributes(data).get(_CHANGE_REQUEST, b""), "big")
        ip = _other(STUN, place[0]) if change & _CHANGE_IP else place[0]
        port = _other(PORTS, place[1]) if change & _CHANGE_PORT else place[1]
        other = (_other(STUN, place[0]), _other(PORTS, place[1]))
        answer = _message(
            _RESPONSE,
            data[8:20],
            (_XOR_MAPPED_ADDRESS, _pack(source, _COOKIE)),
            (_OTHER_ADDRESS, _pack(other, 0)),
        )
        self._sockets[ip, port].sendto(answer, source)

    def close(self) -> None:
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()


def _other(pair: tuple[T, T], one: T) -> T:
    return pair[1] if one == pair[0] else pair[0]


@asynccontextmanager
async def stun_server(node: Node) -> AsyncIterator[Address]:
    """The server in that namespace; gives its first address."""
    server = StunServer(node)
    try:
        yield STUN[0], PORTS[0]
    finally:
        server.close()


async def mapped(sock: socket.socket, server: Address, timeout: float = 5.0) -> Address:
    """Our address as that server sees it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        while True:
            transaction = os.urandom(12)
            await loop.sock_sendto(sock, _message(_REQUEST, transaction), server)
            try:
                async with asyncio.timeout(0.5):
                    while True:
                        data, source = await loop.sock_recvfrom(sock, 2048)
                        if data[8:20] == transaction and source == server:
                            return _unpack(_attributes(data)[_XOR_MAPPED_ADDRESS], _COOKIE)
            except TimeoutError:
                continue


async def _lets_in(sock: socket.socket, server: Address, change: int) -> bool:
    """Whether an answer reaches us that comes from elsewhere. A plain request follows each such one, and its answer comes
    after the other's or instead of it: nothing is decided by waiting."""
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS):
        changed, plain = os.urandom(12), os.urandom(12)
        await loop.sock_sendto(sock, _message(_REQUEST, changed, (_CHANGE_REQUEST, change.to_bytes(4, "big"))), server)
        await loop.sock_sendto(sock, _message(_REQUEST, plain), server)
        while True:
            async with asyncio.timeout(5.0):
                data, _source = await loop.sock_recvfrom(sock, 2048)
            if data[8:20] == changed:
                return True
            if data[8:20] == plain:
                break
    return False


async def classify(node: Node) -> Behaviour:
    """Of the NAT between this node and the STUN server, which must run. A socket that asks about filtering has not spoken
    to the server's other address before (RFC 5780 §4.4)."""
    first, second = STUN
    one, other = PORTS
    mapping_sock, filtering_sock = node.bind_udp([("0.0.0.0", 0)] * 2)
    with mapping_sock, filtering_sock:
        seen = [await mapped(mapping_sock, server) for server in ((first, one), (second, one), (second, other))]
        if seen[0] == seen[1] == seen[2]:
            mapping = "independent"
        else:
            mapping = "address" if seen[1] == seen[2] else "address-and-port"
        await mapped(filtering_sock, (first, one))
        if await _lets_in(filtering_sock, (first, one), _CHANGE_IP | _CHANGE_PORT):
            filtering = "independent"
        else:
            changed_port = await _lets_in(filtering_sock, (first, one), _CHANGE_PORT)
            filtering = "address" if changed_port else "address-and-port"
    return Behaviour(mapping, filtering)
