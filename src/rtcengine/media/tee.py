"""One source for many readers: each has a queue of its own, and all get the same frames, which nobody should change."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .inbox import Inbox
from .track import Done, MediaStreamError, MediaStreamTrack

log = logging.getLogger("rtcengine.media")


IDLE_S = 2.0
"""Who reads a track itself and has not for so long is not a reader any more, until the next time."""


class Tee:
    """Reads a track while there are readers, from the first `start` on; by `recv` where that is not the track's."""

    def __init__(self, track: MediaStreamTrack, recv: Callable[[], Awaitable[Any]] | None = None) -> None:
        self._track = track
        self._recv = recv
        self._readers: set[Inbox] = set()
        self._own: Inbox | None = None  # of those who read the track itself, which they do not say when they stop
        self._task: asyncio.Task[None] | None = None

    def start(self, reader: Inbox) -> None:
        """This one gets frames from now on, on the loop that runs."""
        self._readers.add(reader)
        reader.begin()
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    def leave(self, reader: Inbox) -> None:
        """The source is not interrupted: who reads it last looks after the frame that it waits for."""
        self._readers.discard(reader)

    async def _run(self) -> None:
        try:
            while self._readers:
                frame = await (self._recv or self._track.recv)()
                for reader in list(self._readers):
                    if reader is self._own and not reader.wanted and not reader.read_within(IDLE_S):
                        self._readers.discard(reader)
                        reader.clear()
                    else:
                        reader.put(frame)
        except MediaStreamError:
            self._end()
        except Exception:
            log.exception("%r failed, and is not read any more", self._track)
            self._end()
        finally:
            self._task = None

    @property
    def reading(self) -> bool:
        return self._task is not None

    def _end(self) -> None:
        readers, self._readers = self._readers, set()
        for reader in readers:
            reader.end()


class TeeTrack(MediaStreamTrack):
    """What a reader of a Tee holds. `waits`: how many frames, None for an Inbox's own number."""

    def __init__(self, tee: Tee, source: MediaStreamTrack, waits: int | None = None, *, kept: bool = False) -> None:
        super().__init__()
        self.kind = source.kind
        self._source = source
        self._tee = tee
        self._inbox = Inbox(source.kind, waits, kept=kept)

    @property
    def dropped(self) -> int:
        """Frames that nobody took in time."""
        return self._inbox.dropped

    @property
    def label(self) -> str:
        return self._source.label

    def getSettings(self) -> dict[str, Any]:
        return self._source.getSettings()

    def getCapabilities(self) -> dict[str, Any]:
        return self._source.getCapabilities()

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._tee.start(self._inbox)
        frame = await self._inbox.get()
        if frame is None:
            self.stop()
        if self.readyState != "live":
            raise MediaStreamError
        return frame

    def stop(self) -> Done:
        super().stop()
        self._tee.leave(self._inbox)
        self._inbox.end()
        for listener in (self.stop, self._inbox.end):
            with contextlib.suppress(KeyError):  # not a twin's, or the track tells nobody any more
                self._source.remove_listener("ended", listener)
        return Done()

    def _copy(self) -> MediaStreamTrack:
        return twin_of(self._source)


class FrameReader:
    """What `MediaStreamTrack.frames` gives. `close` ends it early, as does `async with`. Any thread may read `dropped`; all
    else is for the thread of its event loop."""

    def __init__(self, track: MediaStreamTrack, maxsize: int, drop: str) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize is {maxsize}, not 1 or more")
        if drop not in ("latest", "fifo"):
            other = ' ("until_keyframe" is for frames that are encoded)' if drop == "until_keyframe" else ""
            raise ValueError(f'drop is "latest" or "fifo", not {drop!r}{other}')
        self._track, self._maxsize, self._kept = track, maxsize, drop == "fifo"
        self._twin: TeeTrack | None = None
        self._closed = False

    @property
    def dropped(self) -> int:
        return self._twin.dropped if self._twin is not None else 0

    def __aiter__(self) -> FrameReader:
        return self

    async def __anext__(self) -> Any:
        if self._twin is None and not self._closed:
            if self._track.readyState != "live":
                raise StopAsyncIteration
            self._twin = twin_of(self._track, self._maxsize, kept=self._kept)
        try:
            if self._closed or self._twin is None:
                raise StopAsyncIteration
            return await self._twin.recv()
        except MediaStreamError:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        if self._twin is not None:
            self._twin.stop()

    async def __aenter__(self) -> FrameReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def twin_of(track: MediaStreamTrack, waits: int | None = None, *, kept: bool = False, lasting: bool = False) -> TeeTrack:
    """A track that reads what `track` reads, whose `recv` goes by way of the same Tee from now on. It ends with it, at once, or
    when it is `lasting` once what waits has been taken."""
    tee: Tee | None = track.__dict__.get("_own_tee")
    if tee is None:
        tee = track.__dict__["_own_tee"] = Tee(track, track.recv)
        # As without a Tee: who is slow gets the newest picture.
        own = tee._own = Inbox(track.kind, 1 if track.kind == "video" else None)

        async def recv() -> Any:
            if track.readyState != "live":
                raise MediaStreamError
            tee.start(own)
            frame = await own.get()
            if frame is None or track.readyState != "live":
                raise MediaStreamError
            return frame

        track.__dict__["recv"] = recv
        track.once("ended", own.end)
    twin = TeeTrack(tee, track, waits, kept=kept)
    # One whose source is not being read would wait for ever.
    track.once("ended", twin._inbox.end if lasting else twin.stop)
    return twin
