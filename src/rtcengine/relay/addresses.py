"""Which addresses of this machine a peer may be told: those of its interfaces that are up."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SIOCGIFADDR = 0x8915


def _ipv4() -> Iterator[Address]:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)
            except OSError:  # no IPv4 address on this one
                continue
            yield ipaddress.IPv4Address(answer[20:24])


def _ipv6() -> Iterator[Address]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:  # no IPv6
        return
    for line in lines:
        yield ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))


def _by_route() -> Iterator[Address]:
    """The address towards the default route: connecting a datagram socket sends nothing."""
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((target, 9))
            except OSError:  # no route of that family
                continue
            yield ipaddress.ip_address(sock.getsockname()[0])


def local_addresses() -> list[Address]:
    """Addresses of the interfaces, loopback and link-local ones left out, IPv4 first, each once."""
    found = [*_ipv4(), *_ipv6()] if sys.platform == "linux" else list(_by_route())
    usable = [a for a in dict.fromkeys(found) if not (a.is_loopback or a.is_link_local or a.is_unspecified)]
    return sorted(usable, key=lambda a: a.version)
