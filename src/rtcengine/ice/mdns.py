"""Multicast DNS (RFC 6762) as ICE candidates need it: one question for an address, and the answers to it."""

from __future__ import annotations

import ipaddress
import re
import struct

GROUPS = (("224.0.0.251", 5353), ("ff02::fb", 5353))
_NAME = re.compile(r"[A-Za-z0-9-]{1,63}\.local", re.I)
_A, _AAAA, _IN, _UNICAST = 1, 28, 1, 0x8000
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
MAX_RECORDS = 64


def is_name(name: str) -> bool:
    """One label and .local, as browsers make them; no other name is asked for."""
    return _NAME.fullmatch(name) is not None


def query(name: str) -> bytes:
    """A message that asks for the addresses, of either family, of a name that `is_name` takes; answers may come to us alone."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.lower().split(".")) + b"\0"
    asked = b"".join(labels + struct.pack("!HH", kind, _IN | _UNICAST) for kind in (_A, _AAAA))
    return _HEADER.pack(0, 0, 2, 0, 0, 0) + asked


def addresses(message: bytes, name: str) -> list[str]:
    """The addresses that a response gives for the name; none of what is no response, or broken."""
    try:
        return _addresses(message, name.lower())
    except (struct.error, IndexError, ValueError):
        return []


def _addresses(message: bytes, name: str) -> list[str]:
    _, flags, questions, answers, authorities, more = _HEADER.unpack_from(message)
    if not flags & 0x8000 or questions > MAX_RECORDS or answers + authorities + more > MAX_RECORDS:
        return []
    at = _HEADER.size
    for _ in range(questions):
        at = _read_name(message, at)[1] + 4
    found = []
    for _ in range(answers + authorities + more):
        owner, at = _read_name(message, at)
        kind, _, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        data = message[at : at + length]
        at += length
        if owner == name and len(data) == {_A: 4, _AAAA: 16}.get(kind):
            found.append(str(ipaddress.ip_address(data)))
    return found


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """A name, in lower case, and where what follows it begins. Pointers go back only, so this ends."""
    labels: list[str] = []
    end, limit = -1, at
    while (length := message[at]) != 0:
        if length >= 0xC0:
            goal = (length & 0x3F) << 8 | message[at + 1]
            end = at + 2 if end < 0 else end
            if goal >= limit:
                raise ValueError("a pointer forward")
            at = limit = goal
            continue
        if length > 63 or len(labels) > 16:
            raise ValueError("no label")
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    return ".".join(labels), at + 1 if end < 0 else end
