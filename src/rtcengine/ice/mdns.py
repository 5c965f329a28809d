"""Multicast DNS (RFC 6762) as ICE candidates need it: questions for an address, and the answers to them."""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass

Group = tuple[str, int]
GROUPS: tuple[Group, ...] = (("224.0.0.251", 5353), ("ff02::fb", 5353))
_NAME = re.compile(r"[A-Za-z0-9-]{1,63}\.local", re.I)
_A, _AAAA, _IN, _UNICAST = 1, 28, 1, 0x8000
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
MAX_RECORDS = 64
TTL_S = 120
_ANY, _FLUSH, _ANSWER = 255, 0x8000, 0x8400


@dataclass(frozen=True, slots=True)
class Question:
    """For the addresses, or those of one family, of a name in lower case. `id` is that of its message."""

    id: int
    name: str
    kind: int

    def fits(self, ip: str) -> bool:
        return self.kind in (_AAAA if ":" in ip else _A, _ANY)


def is_name(name: str) -> bool:
    """One label and .local, as browsers make them; no other name is asked for."""
    return _NAME.fullmatch(name) is not None


def queries(name: str, *, alone: bool) -> list[bytes]:
    """Messages that ask for the addresses, of either family, of a name that `is_name` takes: one a family, since there are
    responders that read one question a message. `alone`: the answers may come to us alone (§5.4)."""
    head, of = _HEADER.pack(0, 0, 1, 0, 0, 0), _IN | (_UNICAST if alone else 0)
    return [head + _labels(name) + struct.pack("!HH", kind, of) for kind in (_A, _AAAA)]


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


def questions(message: bytes) -> list[Question]:
    """What a query asks for that an address answers; none of what is no query, or broken."""
    try:
        id, flags, n, *_ = _HEADER.unpack_from(message)
        if flags & 0x8000 or n > MAX_RECORDS:
            return []
        at, found = _HEADER.size, []
        for _ in range(n):
            name, at = _read_name(message, at)
            kind, of = struct.unpack_from("!HH", message, at)
            at += 4
            if is_name(name) and kind in (_A, _AAAA, _ANY) and of & ~_UNICAST in (_IN, _ANY):
                found.append(Question(id, name, kind))
        return found
    except (struct.error, IndexError, ValueError):
        return []


def answer(question: Question, ip: str, *, to_one: bool) -> bytes:
    """That the name has this address, and no other. `to_one`: to who is no responder itself, with the question (§6.7); else to
    all. A question for the other family has no record in its answer."""
    address = ipaddress.ip_address(ip)
    kind, fits = _A if address.version == 4 else _AAAA, question.fits(ip)
    labels = _labels(question.name)
    head = _HEADER.pack(question.id if to_one else 0, _ANSWER, int(to_one), int(fits), 0, 0)
    asked = labels + struct.pack("!HH", question.kind, _IN) if to_one else b""
    record = labels + _RECORD.pack(kind, _IN if to_one else _IN | _FLUSH, TTL_S, len(address.packed)) + address.packed
    return head + asked + (record if fits else b"")


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.lower().split(".")) + b"\0"


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
