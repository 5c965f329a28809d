"""Tracks that are made of another one's frames: by FFmpeg's filters, or by a function."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av

from ..codecs.about import UNKNOWN, about, tell
from ..codecs.filters import FilterText, FrameFilter
from .blank import blank
from .tee import twin_of
from .track import Done, MediaStreamError, MediaStreamTrack

log = logging.getLogger("rtcengine.media")


class DerivedTrack(MediaStreamTrack):
    """Reads `source` for whoever reads this one. When `track` ends it does, at once, or when who reads has had what is left."""

    def __init__(self, track: MediaStreamTrack, source: MediaStreamTrack, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._track, self._source = track, source
        self._ready: deque[Any] = deque()
        self._reading = 0
        self._heard: list[tuple[str, Callable[[], None]]] = []
        self._left = False  # what was left is in `_ready`
        if track.readyState == "ended":
            super().stop()
        self._hear("ended", self._on_ended)

    @property
    def label(self) -> str:
        return self._track.label

    async def recv(self) -> Any:
        self._reading += 1
        try:
            while not self._ready:
                if self.readyState != "live":
                    raise MediaStreamError(str(self.error or "")) from self.error
                await self._read()
            return self._ready.popleft()
        finally:
            self._reading -= 1

    async def _read(self) -> None:
        """Some more, perhaps."""
        if self._left:
            self._end()
            return
        try:
            frame = await self._source.recv()
        except MediaStreamError:
            self._left = True
            self._ready.extend(await self._rest())
            return
        if isinstance(frame, av.Packet):
            raise TypeError(f"{self._track!r} gives encoded packets, which cannot be processed")
        self._ready.extend(await self._process(frame))

    @abstractmethod
    async def _process(self, frame: Any) -> list[Any]:
        """What is ready with it."""

    async def _rest(self) -> list[Any]:
        """What is ready at the end."""
        return []

    def stop(self) -> Done:
        super().stop()
        heard, self._heard = self._heard, []
        for event, listener in heard:
            with contextlib.suppress(KeyError):  # it has ended, and tells nobody any more
                self._track.remove_listener(event, listener)
        return Done()

    def _hear(self, event: str, listener: Callable[[], None]) -> None:
        """Of the other track, until this one ends."""
        if self.readyState == "live":
            self._track.on(event, listener)
            self._heard.append((event, listener))

    def _on_ended(self) -> None:
        if not self._reading:
            self._end()

    def _end(self) -> None:
        self.error = self.error or self._track.error
        self.stop()


class ThreadedTrack(DerivedTrack):
    """Its frames are made on a thread, beside whoever else reads the other track; those that it is not enabled for are made of
    black and silence. Stopping it leaves the other alone, as stopping a clone does. What fails ends it: `error` says why. Who
    is late gets the newest picture."""

    def __init__(self, track: MediaStreamTrack, kind: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtc-process")
        super().__init__(track, twin_of(track, 1 if track.kind == "video" else None, lasting=True), kind)
        self._hear("mute", self._follow)
        self._hear("unmute", self._follow)
        self._follow()

    def stop(self) -> Done:
        super().stop()
        self._ready.clear()
        self._source.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)
        return Done()

    async def _process(self, frame: Any) -> list[Any]:
        return await self._guard(self._make(frame) if self._track.enabled else self._make_blank(frame))

    async def _rest(self) -> list[Any]:
        return await self._guard(self._on_thread(self._finish))

    async def _make(self, frame: Any) -> list[Any]:
        """What is ready with it, in any way."""
        return await self._on_thread(self._work, frame)

    async def _make_blank(self, frame: Any) -> list[Any]:
        (empty,) = await self._on_thread(lambda: [like(frame, blank(frame))])
        return await self._make(empty)

    async def _on_thread(self, work: Callable[..., list[Any]], *args: Any) -> list[Any]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _guard(self, making: Awaitable[list[Any]]) -> list[Any]:
        try:
            found = await making
        except Exception as error:
            if self.readyState == "live":
                log.error("%r ends: %s", self, error, exc_info=None if isinstance(error, ValueError) else error)
                self.error = error
                self.stop()
            return []
        return found if self.readyState == "live" else []

    @abstractmethod
    def _work(self, frame: Any) -> list[Any]:
        """What is ready with it, on the thread."""

    def _finish(self) -> list[Any]:
        """What is ready at the end, likewise."""
        return []

    def _follow(self) -> None:
        self._set_muted(self._track.muted)


class FilteredTrack(ThreadedTrack):
    """What FFmpeg's filters make of another track (`MediaStreamTrack.filter`)."""

    def __init__(self, track: MediaStreamTrack, text: str) -> None:
        parsed = FilterText(text, track.kind)
        self._filter = FrameFilter(parsed)
        super().__init__(track, parsed.gives)

    def _work(self, frame: Any) -> list[Any]:
        return self._filter.put(frame)

    def _finish(self) -> list[Any]:
        return self._filter.end()


class MappedTrack(ThreadedTrack):
    """What a function makes of another track's frames (`MediaStreamTrack.map`)."""

    def __init__(self, track: MediaStreamTrack, function: Callable[[Any], Any]) -> None:
        if not callable(function):
            raise TypeError(f"{function!r} is no function")
        self._function = function
        super().__init__(track, track.kind)

    async def _make(self, frame: Any) -> list[Any]:
        if not inspect.iscoroutinefunction(self._function):
            return await super()._make(frame)
        return self._made(frame, await self._function(frame))

    def _work(self, frame: Any) -> list[Any]:
        return self._made(frame, self._function(frame))

    def _made(self, frame: Any, made: Any) -> list[Any]:
        if made is not None and not isinstance(made, av.VideoFrame if self.kind == "video" else av.AudioFrame):
            raise TypeError(f"{self._function!r} makes {made!r}, which is no frame of {self.kind}")
        return [] if made is None else [like(frame, made)]


def like(frame: Any, made: Any) -> Any:
    """What was made of a frame, with its time and what is known of it, where it has none of its own."""
    if made is frame:
        return made
    if made.pts is None:
        made.pts = frame.pts
        if frame.time_base is not None:
            made.time_base = frame.time_base
    if made.opaque is None and (known := about(frame)) is not UNKNOWN:
        tell(made, known)
    return made
