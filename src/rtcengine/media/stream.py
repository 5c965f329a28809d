"""MediaStream: tracks that are played together (W3C mediacapture-main §4.2)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

from .handlers import Handler


class MediaStream(AsyncIOEventEmitter):
    """Made of nothing, of another stream's tracks, or of tracks. "addtrack" and "removetrack" tell what the peer changed, not
    what the program did."""

    onaddtrack = Handler("addtrack", lambda _, track: track)
    onremovetrack = Handler("removetrack", lambda _, track: track)

    def __init__(self, tracks: MediaStream | Iterable[Any] = (), *, id: str | None = None) -> None:
        super().__init__()
        self._id = id if id is not None else str(uuid.uuid4())
        self._tracks: list[Any] = []
        for track in tracks.getTracks() if isinstance(tracks, MediaStream) else tracks:
            self.addTrack(track)

    @property
    def id(self) -> str:
        return self._id

    @property
    def active(self) -> bool:
        """Whether one of its tracks has not ended."""
        return any(getattr(track, "readyState", "live") == "live" for track in self._tracks)

    def getTracks(self) -> list[Any]:
        return list(self._tracks)

    def getAudioTracks(self) -> list[Any]:
        return [track for track in self._tracks if track.kind == "audio"]

    def getVideoTracks(self) -> list[Any]:
        return [track for track in self._tracks if track.kind == "video"]

    def getTrackById(self, id: str) -> Any:
        """None when there is none."""
        return next((track for track in self._tracks if track.id == id), None)

    def addTrack(self, track: Any) -> None:
        """One that is in it already is left as it is."""
        if getattr(track, "kind", None) not in ("audio", "video"):
            raise TypeError(f"{track!r} is no track of sound or pictures")
        if track not in self._tracks:
            self._tracks.append(track)

    def removeTrack(self, track: Any) -> None:
        """One that is not in it is no error."""
        if track in self._tracks:
            self._tracks.remove(track)

    def clone(self) -> MediaStream:
        """A stream with an id of its own, of clones of its tracks."""
        return MediaStream([track.clone() for track in self._tracks])

    def __repr__(self) -> str:
        return f"<MediaStream {self._id} of {len(self._tracks)} tracks>"
