"""A sink that reads and forgets."""

from __future__ import annotations

import asyncio

from ...media.track import MediaStreamError, MediaStreamTrack


class MediaBlackhole:
    """Consumes tracks, and keeps nothing of them."""

    def __init__(self) -> None:
        self._tracks: dict[MediaStreamTrack, asyncio.Task[None] | None] = {}

    def addTrack(self, track: MediaStreamTrack) -> None:
        """One more, which is read from the next `start` on."""
        self._tracks.setdefault(track, None)

    async def start(self) -> None:
        """Begins to read."""
        for track, task in self._tracks.items():
            if task is None:
                self._tracks[track] = asyncio.ensure_future(_consume(track))

    async def stop(self) -> None:
        """Reads no more."""
        tasks = [task for task in self._tracks.values() if task is not None]
        self._tracks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _consume(track: MediaStreamTrack) -> None:
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        return
