"""STUN and TURN servers of a configuration: their URLs read (RFC 7064, 7065), their names looked up."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine import Address
from .configuration import RTCIceServer

_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[^\]]+\]|[^:?]+)(?::(?P<port>\d+))?(?:\?transport=(?P<transport>udp|tcp))?", re.I
)
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
            match = _URL.fullmatch(url)
            assert match is not None  # configuration.py has looked at it
            scheme = match["scheme"].lower()
            transport = "tls" if scheme.endswith("s") else (match["transport"] or "udp").lower()
            host, port = match["host"].strip("[]"), int(match["port"] or _PORTS[scheme])
            turn = scheme.startswith("turn")
            found.append(IceServer(url, turn, host, port, transport, server.username or "", server.credential or ""))
    return found
