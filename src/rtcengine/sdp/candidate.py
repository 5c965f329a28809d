"""Candidates between text and value (RFC 8839 §5.1, tcptype of RFC 6544, ufrag of RFC 8838)."""

from __future__ import annotations

import re

from ..types import Candidate
from .errors import Malformed
from .lines import fields, number, token

_FOUNDATION = re.compile(r"[A-Za-z0-9+/]{1,32}")
_ADDRESS = re.compile(r"[A-Za-z0-9.:_%\-]{1,255}")  # literal, name, or IPv6 with a zone
_TCP_TYPES = ("active", "passive", "so")


def parse_candidate(text: str) -> Candidate:
    """Reads `candidate:...` as browsers' JavaScript gives it, with or without "a=" and "candidate:" before it.

    Unknown extension attributes are kept. Raises ValueError that says what is wrong.
    """
    text = text.removeprefix("a=").removeprefix("candidate:")
    parts = fields(text, "candidate", 8)
    foundation, component, transport, priority, address, port, typ, kind = parts[:8]
    if not _FOUNDATION.fullmatch(foundation):
        raise Malformed("candidate foundation is not 1 to 32 letters, digits, + or /")
    if typ != "typ":
        raise Malformed("candidate has no typ after its port")
    rest = parts[8:]
    if len(rest) % 2:
        raise Malformed("candidate extensions are not pairs")
    related_address = related_port = tcp_type = None
    extensions = []
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        if name == "raddr" and related_address is None:
            related_address = _address(value)
        elif name == "rport" and related_port is None:
            related_port = number(value, "rport", 65535)
        elif name == "tcptype" and tcp_type is None:
            if value not in _TCP_TYPES:
                raise Malformed("tcptype is not active, passive or so")
            tcp_type = value
        else:
            extensions.append((name, value))
    return Candidate(
        foundation=foundation,
        component=number(component, "candidate component", 256, 1),
        transport=token(transport, "candidate transport", 32),
        priority=number(priority, "candidate priority", 2**32 - 1),
        address=_address(address),
        port=number(port, "candidate port", 65535),
        type=token(kind, "candidate type", 32),
        related_address=related_address,
        related_port=related_port,
        tcp_type=tcp_type,
        extensions=tuple(extensions),
    )


def format_candidate(candidate: Candidate) -> str:
    """The value as it stands after "a=", beginning with "candidate:"."""
    c = candidate
    parts = [f"candidate:{c.foundation} {c.component} {c.transport} {c.priority} {c.address} {c.port} typ {c.type}"]
    if c.related_address is not None:
        parts.append(f"raddr {c.related_address}")
    if c.related_port is not None:
        parts.append(f"rport {c.related_port}")
    if c.tcp_type is not None:
        parts.append(f"tcptype {c.tcp_type}")
    parts.extend(f"{name} {value}" for name, value in c.extensions)
    return " ".join(parts)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise Malformed("candidate address is neither an IP address nor a name")
    return text
