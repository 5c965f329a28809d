"""Sockets of multicast DNS (RFC 6762), on all links of the machine."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct

from ..ice import mdns
from ..ice.addresses import local_addresses


def listen(group: mdns.Group) -> socket.socket:
    """At the group's port, beside other programs that have it. OSError when that cannot be."""
    family = family_of(group)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", group[1]))
        joined = 0
        for level, _, link in _links(family):
            option = socket.IPV6_JOIN_GROUP if family == socket.AF_INET6 else socket.IP_ADD_MEMBERSHIP
            with contextlib.suppress(OSError):
                sock.setsockopt(level, option, socket.inet_pton(family, group[0]) + link)
                joined += 1
        if not joined:
            raise OSError("no link has multicast")
    except OSError:
        sock.close()
        raise
    return sock


def send(sock: socket.socket, message: bytes, group: mdns.Group) -> None:
    """On every link; by one without multicast it does not go."""
    for level, option, link in _links(family_of(group)):
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, link)
            sock.sendto(message, group)


def family_of(group: mdns.Group) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in group[0] else socket.AF_INET


def _links(family: int) -> list[tuple[int, int, bytes]]:
    """What tells a socket which link to send by."""
    if family == socket.AF_INET6:
        indexes = [index for index, _ in socket.if_nameindex()]
        return [(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("@i", index)) for index in indexes]
    here = [a for a in local_addresses() if isinstance(a, ipaddress.IPv4Address)] or [ipaddress.IPv4Address("127.0.0.1")]
    return [(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, a.packed) for a in here]
