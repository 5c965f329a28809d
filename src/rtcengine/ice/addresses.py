"""Which addresses of this machine a peer may be told, those of its interfaces that are up, and which networks it is in."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from itertools import zip_longest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# linux/rtnetlink.h, if_addr.h, if.h, sockios.h
_RTM_NEWADDR, _RTM_GETADDR, _NLMSG_DONE, _NLMSG_ERROR = 20, 22, 3, 2
_NLM_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_UNUSABLE = 0x08 | 0x20 | 0x40  # duplicate, deprecated, tentative
_SIOCGIFFLAGS = 0x8913
_UP_AND_RUNNING = 0x1 | 0x40

_UNROUTED = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
_UNROUTED_V6 = ("::1/128", "fe80::/10", "fc00::/7")

_BELOW_IPV4 = [ipaddress.ip_network(n) for n in ("fc00::/7", "fec0::/10", "2002::/16", "2001::/32", "3ffe::/16")]

_HEADER = struct.Struct("=IHHII")
_IFADDRMSG = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def _netlink() -> Iterator[Interface]:
    """All addresses that Linux knows (RTM_GETADDR), secondary ones too. OSError where netlink is not to be had."""
    up = _interfaces_up()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(1.0)
        ask = _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        sock.send(_HEADER.pack(_HEADER.size + len(ask), _RTM_GETADDR, _NLM_REQUEST_DUMP, 1, 0) + ask)
        while True:
            data = sock.recv(1 << 16)
            while data:
                length, kind = _HEADER.unpack_from(data)[:2]
                if kind == _NLMSG_ERROR:
                    raise OSError("netlink refused to list addresses")
                if kind == _NLMSG_DONE:
                    return
                if kind == _RTM_NEWADDR:
                    yield from _address(data[_HEADER.size : length], up)
                data = data[_padded(length) :]


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _address(message: bytes, up: set[int]) -> Iterator[Interface]:
    """The address in one ifaddrmsg. On a point-to-point link IFA_LOCAL is ours and IFA_ADDRESS the other end's."""
    family, prefix, flags, _, interface = _IFADDRMSG.unpack_from(message)
    found: dict[int, bytes] = {}
    rest = message[_IFADDRMSG.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        found[kind] = rest[_ATTRIBUTE.size : length]
        rest = rest[_padded(max(length, _ATTRIBUTE.size)) :]
    if _IFA_FLAGS in found:
        flags = int.from_bytes(found[_IFA_FLAGS], sys.byteorder)
    raw = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if raw and interface in up and not flags & _UNUSABLE and family in (socket.AF_INET, socket.AF_INET6):
        yield ipaddress.ip_interface((raw, prefix))


def _interfaces_up() -> set[int]:
    """Indexes of the interfaces that are up and have a link."""
    import fcntl

    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, struct.pack("256s", name.encode()[:15]))
            except OSError:  # gone meanwhile
                continue
            (flags,) = struct.unpack_from("=16xH", answer)
            if flags & _UP_AND_RUNNING == _UP_AND_RUNNING:
                found.add(index)
    return found


def _by_route() -> Iterator[Address]:
    """The address towards the default route: connecting a datagram socket sends nothing."""
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((target, 9))
                yield ipaddress.ip_address(sock.getsockname()[0])
        except OSError:  # no such family, or no route of it
            continue


def local_addresses() -> list[Address]:
    """Addresses of the interfaces, loopback and link-local ones left out, each once, the best first."""
    try:
        found = [one.ip for one in _netlink()] if sys.platform == "linux" else list(_by_route())
    except OSError:  # a sandbox without netlink
        found = list(_by_route())
    usable = [a for a in dict.fromkeys(found) if not (a.is_loopback or a.is_link_local or a.is_unspecified)]
    return by_preference(usable)


def by_preference(addresses: list[Address]) -> list[Address]:
    """IPv6 and IPv4 by turns, IPv6 first, so that a family that does not work holds up the other by one check at a time
    (RFC 8421 §4). Behind both what RFC 6724 §2.1 ranks below IPv4: addresses of sites, and those of tunnels."""
    best = [a for a in addresses if a.version == 6 and not _ranks_low(a)]
    four = [a for a in addresses if a.version == 4]
    turns = [a for pair in zip_longest(best, four) for a in pair if a is not None]
    return turns + [a for a in addresses if _ranks_low(a)]


def _ranks_low(address: Address) -> bool:
    return any(address in network for network in _BELOW_IPV4)


def local_networks() -> list[Network]:
    """Networks that this machine has a link to; where it does not tell, those that nobody routes."""
    try:
        if sys.platform == "linux":
            return list(dict.fromkeys(one.network for one in _netlink()))
    except OSError:
        pass
    return [ipaddress.ip_network(network) for network in _UNROUTED + _UNROUTED_V6]
