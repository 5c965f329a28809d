"""Payload types and extension ids that keep their meaning: over renegotiation, and within a bundle (RFC 9143 §9.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..sdp import MediaSection
from ..sdp.codecs import Meaning, is_repair, meaning, rtx_of
from .errors import OperationError

Key = tuple[str, Meaning | None, bool]
"""Kind, what the codec means, and whether its retransmissions are meant. Without a meaning it is nobody else's."""

# RFC 5761 §4 keeps 64 to 95 for RTCP; the dynamic ones first.
_FREE = (*range(96, 128), *range(35, 64))


class PayloadTypes:
    """Numbers by meaning, learned from sections in the order of `sections` (the newest first), then given."""

    def __init__(self, sections: Iterable[MediaSection]) -> None:
        self._meanings: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        for section in sections:
            for key, number in meanings(section).items():
                self._learn(number, key)
            # Whatever else has a number keeps it, understood or not.
            for codec in section.codecs:
                self._learn(codec.payload_type, (section.kind, meaning(codec), False))

    def _learn(self, number: int, key: Key) -> None:
        if number not in self._meanings:
            self._meanings[number] = key
            self._numbers.setdefault(key, number)

    def give(self, key: Key, preferred: int, own: Mapping[Key, int]) -> int:
        """The number of a meaning: its section's own (`meanings`), else one known, else a free one."""
        mine = own.get(key)
        if mine is not None and self._meanings.get(mine, key) == key:
            return mine
        known = self._numbers.get(key)
        if known is not None:
            return known
        free: int | None = next((n for n in (preferred, *_FREE) if n not in self._meanings), None)
        if free is None:
            raise OperationError("no payload type is left")
        self._learn(free, key)
        return free


def meanings(section: MediaSection) -> dict[Key, int]:
    """Numbers of the section's codecs and of their retransmissions."""
    repairs = rtx_of(section.codecs)
    found: dict[Key, int] = {}
    for codec in section.codecs:
        means = None if is_repair(codec) else meaning(codec)
        if means is not None:
            found.setdefault((section.kind, means, False), codec.payload_type)
            if codec.payload_type in repairs:
                found.setdefault((section.kind, means, True), repairs[codec.payload_type].payload_type)
    return found


class ExtensionIds:
    """One id a URI, the same in every section."""

    def __init__(self, sections: Iterable[list[tuple[str, int]]]) -> None:
        self._ids: dict[str, int] = {}
        self._taken: set[int] = set()
        for entries in sections:
            for uri, number in entries:
                self._ids.setdefault(uri, number)
                self._taken.add(number)

    def give(self, uri: str) -> int:
        known = self._ids.get(uri)
        if known is not None:
            return known
        # 15 ends the one-byte form (RFC 8285 §4.2); beyond it both forms are mixed, which every offer of ours allows.
        number: int = next(n for n in (*range(1, 15), *range(16, 256)) if n not in self._taken)
        self._ids[uri] = number
        self._taken.add(number)
        return number
