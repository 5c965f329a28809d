"""Values that descriptions (sdp), connectivity (ice) and sessions (peer) share."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Media direction of a section, seen by whoever wrote the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> Direction:
        """The same flow seen by the other side."""
        if self is Direction.SENDONLY:
            return Direction.RECVONLY
        if self is Direction.RECVONLY:
            return Direction.SENDONLY
        return self


class DtlsRole(StrEnum):
    """Who sends the ClientHello: `client` is the side that says setup:active (RFC 8842 §5)."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digest of a certificate (RFC 8122): `algorithm` in lower case, as in "sha-256"."""

    algorithm: str
    digest: bytes

    @property
    def value(self) -> str:
        """Upper-case pairs of hex digits with colons, as SDP writes it."""
        return self.digest.hex(":").upper()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ICE candidate (RFC 8839 §5.1).

    `transport` keeps its spelling ("udp", "UDP"); `address` may be an IP address, a name or an mDNS `.local` name.
    `extensions` holds the pairs this class does not name, in order, e.g. ("generation", "0").
    """

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    related_address: str | None = None
    related_port: int | None = None
    tcp_type: str | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def protocol(self) -> str:
        """The transport in lower case."""
        return self.transport.lower()

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address when it is a literal one, else None: names need resolving first, and a zone is another machine's
        (RFC 4007 §11.2)."""
        return _literal(self.address)

    @property
    def is_mdns(self) -> bool:
        return self.address.lower().endswith(".local")

    @property
    def ufrag(self) -> str | None:
        """The user fragment a trickled candidate belongs to, when it says so (RFC 8838 §4.4)."""
        return self.extension("ufrag")

    def extension(self, name: str) -> str | None:
        return next((value for key, value in self.extensions if key == name), None)


@functools.lru_cache(maxsize=256)  # each is asked for several times
def _literal(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return None if "%" in address else ipaddress.ip_address(address)
    except ValueError:
        return None
