"""Payload types and extension ids that keep their meaning: over renegotiation, and within a bundle (RFC 9143 §9.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..sdp import Codec, MediaSection
from ..sdp.codecs import find_rtx, is_repair, same_codec
from .errors import OperationError

Key = tuple[str, Codec, bool]
"""Kind, codec, and whether its retransmissions are meant."""

# RFC 5761 §4 keeps 64 to 95 for RTCP; the dynamic ones first.
_FREE = (*range(96, 128), *range(35, 64))


class PayloadTypes:
    """Numbers by meaning, learned from sections in the order of `sections` (the newest first), then given."""

    def __init__(self, sections: Iterable[MediaSection]) -> None:
        self._meanings: dict[int, Key] = {}
        for section in sections:
            for key, number in meanings(section):
                self._meanings.setdefault(number, key)
            # Whatever else has a number keeps it, understood or not.
            for codec in section.codecs:
                self._meanings.setdefault(codec.payload_type, (section.kind, codec, False))

    def give(self, kind: str, codec: Codec, rtx: bool, preferred: int, section: MediaSection | None) -> int:
        """The number for a codec, or for its retransmissions: the section's own, else one known, else a free one."""
        key = (kind, codec, rtx)
        own = next((number for k, number in meanings(section) if _same(k, key)), None) if section is not None else None
        if own is not None and _same(self._meanings.get(own, key), key):
            return own
        known = next((number for number, k in self._meanings.items() if _same(k, key)), None)
        if known is not None:
            return known
        free: int | None = next((n for n in (preferred, *_FREE) if n not in self._meanings), None)
        if free is None:
            raise OperationError("no payload type is left")
        self._meanings[free] = key
        return free


def meanings(section: MediaSection) -> Iterator[tuple[Key, int]]:
    for codec in section.codecs:
        if not is_repair(codec):
            yield (section.kind, codec, False), codec.payload_type
            rtx = find_rtx(section, codec.payload_type)
            if rtx is not None:
                yield (section.kind, codec, True), rtx.payload_type


def _same(a: Key, b: Key) -> bool:
    return a[0] == b[0] and a[2] == b[2] and same_codec(a[1], b[1])


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
