"""Addresses that a peer must not make us send to: ourselves, the cloud's metadata, the networks behind us.

IPv6 has many spellings of one IPv4 address; each is taken back to it first. A name is never looked up, and what is no
address by the strict form (octal, hexadecimal, short) is refused, since systems read it differently.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NOWHERE = ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
_OURSELVES = ("127.0.0.0/8", "::1/128")
_LINK = ("169.254.0.0/16", "fe80::/10")
_METADATA = ("169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "fd00:ec2::254/128", "168.63.129.16/32")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15")
_PRIVATE_V6 = ("fc00::/7", "fec0::/10", "100::/64")
_NETWORKS = [
    (ipaddress.ip_network(network), why)
    for why, networks in (
        ("no host", _NOWHERE),
        ("loopback", _OURSELVES),
        ("metadata", _METADATA),
        ("link-local", _LINK),
        ("private", _PRIVATE + _PRIVATE_V6),
    )
    for network in networks
]
_NAT64 = [ipaddress.IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48")]
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def why_denied(address: str) -> str:
    """ "" for an address out in the open; else why not, in a word or two."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    for one in _spellings(ip):
        for network, why in _NETWORKS:
            if one in network:
                return why
    return ""


def _spellings(ip: Address) -> Iterator[Address]:
    """The address, and what IPv4 address it may end up at."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    value = int(ip)
    ip = ipaddress.IPv6Address(value)  # without a scope
    yield ip
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    embedded = ip in _COMPATIBLE or ip in _TRANSLATED or any(ip in network for network in _NAT64)
    if (embedded and value > 1) or value >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(value & 0xFFFFFFFF)
