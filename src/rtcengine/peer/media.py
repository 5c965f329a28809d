"""Tracks and streams as negotiation has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..media.stream import MediaStream


class Track(Protocol):
    """As much of a track as negotiation looks at."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RTCTrackEvent:
    """The W3C's event: the track with what it came by."""

    track: Any
    receiver: Any
    streams: tuple[MediaStream, ...]
    transceiver: Any


def stream_ids(streams: Iterable[MediaStream | str]) -> list[str]:
    """Ids of streams, each once; ids themselves are taken too."""
    ids = []
    for stream in streams:
        id = stream if isinstance(stream, str) else getattr(stream, "id", None)
        if not isinstance(id, str):
            raise TypeError("a stream is neither a MediaStream nor an id")
        if not id.isascii() or not id or any(c.isspace() or not c.isprintable() for c in id):
            raise ValueError(f"{id!a} cannot be written as the id of a stream (RFC 8830)")
        ids.append(id)
    return list(dict.fromkeys(ids))
