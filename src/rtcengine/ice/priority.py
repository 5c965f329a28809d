"""Priorities and foundations of candidates (RFC 8445 §5.1.1.3, §5.1.2)."""

from __future__ import annotations

import zlib

TYPE_PREFERENCES = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}
TCP_PREFERENCE = 90
TCP_DIRECTIONS = {"active": 6, "passive": 4}


def priority(type: str, local_preference: int, component: int = 1) -> int:
    """`local_preference`: 0 to 65535, larger for what is preferred among candidates of one type."""
    if not 0 <= local_preference <= 65535:
        raise ValueError(f"a local preference of {local_preference} is not 0 to 65535")
    if not 1 <= component <= 256:
        raise ValueError(f"component {component} is not 1 to 256")
    return (TYPE_PREFERENCES[type] << 24) | (local_preference << 8) | (256 - component)


def tcp_priority(tcp_type: str, preference: int) -> int:
    """Of a host candidate (RFC 6544 §4.2): below those of UDP, and who connects before who listens. `preference`: 0 to 8191."""
    if not 0 <= preference <= 8191:
        raise ValueError(f"a preference of {preference} is not 0 to 8191")
    return (TCP_PREFERENCE << 24) | (TCP_DIRECTIONS[tcp_type] << 13 | preference) << 8 | 255


def foundation(type: str, base: str, server: str = "", protocol: str = "udp") -> str:
    """Equal for candidates of one type, base address, server and protocol, and for these alone (short of a collision)."""
    return str(zlib.crc32("|".join((type, base, server, protocol)).encode()))
