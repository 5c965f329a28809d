"""Streams: names under which tracks belong together (W3C mediacapture-main §4.2)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pyee.asyncio import AsyncIOEventEmitter


class Track(Protocol):
    """As much of a track as negotiation looks at."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...


class MediaStream(AsyncIOEventEmitter):
    """Tracks that are played together. "addtrack" and "removetrack" tell what the peer changed."""

    def __init__(self, tracks: Iterable[Any] = (), *, id: str | None = None) -> None:
        super().__init__()
        self.id = id if id is not None else str(uuid.uuid4())
        self._tracks = list(tracks)

    def getTracks(self) -> list[Any]:
        return list(self._tracks)

    def getAudioTracks(self) -> list[Any]:
        return [track for track in self._tracks if track.kind == "audio"]

    def getVideoTracks(self) -> list[Any]:
        return [track for track in self._tracks if track.kind == "video"]

    def getTrackById(self, id: str) -> Any:
        return next((track for track in self._tracks if track.id == id), None)

    def addTrack(self, track: Any) -> None:
        if track not in self._tracks:
            self._tracks.append(track)

    def removeTrack(self, track: Any) -> None:
        if track in self._tracks:
            self._tracks.remove(track)

    @property
    def active(self) -> bool:
        return any(getattr(track, "readyState", "live") == "live" for track in self._tracks)


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
