"""STUN and TURN servers of a configuration: their URLs read (RFC 7064, 7065), their names looked up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine import Address
from .configuration import SERVER_URL, RTCIceServer

_PORTS = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}


@dataclass(frozen=True, slots=True)
class IceServer:
    """One URL. `transport`: udp, tcp or tls."""

    url: str
    turn: bool
    host: str
    port: int
    transport: str
    username: str = ""
    credential: str = field(default="", repr=False)

    async def addresses(self) -> list[Address]:
        """Its addresses, each family's first. OSError when there is none."""
        loop = asyncio.get_running_loop()
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        found = await loop.getaddrinfo(self.host, self.port, type=kind)
        first: dict[int, Address] = {}
        for family, _, _, _, address in found:
            if family in (socket.AF_INET, socket.AF_INET6):
                first.setdefault(family, (str(address[0]), int(address[1])))
        return list(first.values())


def read_servers(servers: Iterable[RTCIceServer] | None) -> list[IceServer]:
    """Of a configuration that has been checked."""
    found = []
    for server in servers or ():
        for url in [server.urls] if isinstance(server.urls, str) else server.urls:
            match = SERVER_URL.fullmatch(url)
            assert match is not None  # configuration.py has looked at it
            scheme, host, port, query = match.groups()
            scheme = scheme.lower()
            transport = "tls" if scheme.endswith("s") else (query or "?transport=udp").lower().partition("=")[2]
            turn = scheme.startswith("turn")
            where = host.strip("[]"), int(port or _PORTS[scheme])
            found.append(IceServer(url, turn, *where, transport, server.username or "", server.credential or ""))
    return found
