"""Tracks into a file as their peers encoded them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, Protocol

from ..frames import EncodedFrame
from .mux import Muxer

log = logging.getLogger("rtcengine.media")

FIRST_S, MOST_HELD = 5.0, 64 << 20
"""So long, and for so many bytes, the file waits for the first frame of every track, once there is one: what is in it has to be
known before anything is written. A picture's first is a key frame, and not every sender makes one when it is asked."""


class Frames(Protocol):
    """Frames as they came: EncodedReader, or an asynchronous generator."""

    def __aiter__(self) -> AsyncIterator[EncodedFrame]: ...

    async def aclose(self) -> None: ...


class Encoded(Protocol):
    """A track that gives such: RemoteTrack, relay.Track."""

    kind: str

    def encoded(self) -> Frames: ...


class RecordError(Exception):
    """Nothing more is recorded, and why."""


class Recorder:
    """Writes what peers send into one file without decoding it: WebM, Matroska, MP4, Ogg, WAV, IVF.

    `file`: a path or a file-like object, `format`: one of FFmpeg's where the name does not say it. Video begins at a key frame,
    which is asked for. A file that cannot be written any more ends the recording, not the call: `error` says why, and
    `stop` raises it. While a disk stalls the newest frames wait, of pictures those from a key frame on. A track that gives
    nothing within `FIRST_S` of the others' first frame is left out, and said so. Any thread may read `frames` and `error`; all
    else is for the thread of its event loop.
    """

    def __init__(self, file: Any, *tracks: Encoded, format: str | None = None) -> None:
        self._muxer = Muxer(file, format)
        self._tracks = list(tracks)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtc-recorder")
        self._first: dict[int, EncodedFrame] = {}
        self._held: deque[tuple[int, EncodedFrame]] | None = deque()  # until the header is written
        self._held_bytes = 0
        self._complete = asyncio.Event()
        self._header: asyncio.Task[None] | None = None
        self._numbers: dict[int, int] = {}  # of the file's stream, by the place of the track
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping: asyncio.Task[None] | None = None
        self.error: RecordError | None = None
        self.frames = 0

    def add(self, track: Encoded) -> None:
        """One more, before `start`."""
        if self._tasks or self._stopping is not None:
            raise RuntimeError("the file has begun")
        self._tracks.append(track)

    async def start(self) -> None:
        """Begins to record."""
        if self._tasks or self._stopping is not None:
            raise RuntimeError("the file has begun")
        self._tasks = [asyncio.ensure_future(self._run(place, track)) for place, track in enumerate(self._tracks)]

    async def stop(self) -> None:
        """Ends the file, however long the disk takes. RecordError when it could not be written to its end. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)
        if self.error is not None:
            raise self.error

    async def ended(self) -> None:
        """Returns when no track has any more, or nothing can be written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Recorder:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._header is not None:  # what is held is written, of the tracks that have come
            self._complete.set()
            await self._header
        try:
            await self._on_thread(self._muxer.close)
        except OSError as error:
            self._fail(error)
        finally:
            self._thread.shutdown(wait=False)

    async def _run(self, place: int, track: Encoded) -> None:
        try:
            async with aclosing(track.encoded()) as frames:
                async for frame in frames:
                    if self.error is not None:
                        return
                    if self._held is not None:
                        await self._hold(place, frame)
                    elif place in self._numbers:
                        await self._write(place, frame)
                    else:
                        log.warning("%r is not recorded: it came too late", track)
                        return
            if self._header is not None:
                await asyncio.shield(self._header)
        except (OSError, ValueError) as error:
            self._fail(error)

    async def _hold(self, place: int, frame: EncodedFrame) -> None:
        assert self._held is not None
        self._held.append((place, frame))
        self._held_bytes += len(frame.data)
        self._first.setdefault(place, frame)
        if len(self._first) == len(self._tracks) or self._held_bytes > MOST_HELD:
            self._complete.set()
        if self._header is None:
            self._header = asyncio.ensure_future(self._begin())
        if self._complete.is_set():  # frames wait where they are bounded, however long the disk takes
            await asyncio.shield(self._header)

    async def _begin(self) -> None:
        """Writes the header when it is known, and what was held."""
        try:
            async with asyncio.timeout(FIRST_S):
                await self._complete.wait()
        except TimeoutError:
            self._complete.set()
        assert self._held is not None
        places = sorted(self._first)
        try:
            await self._on_thread(self._muxer.begin, [self._first[place] for place in places])
            self._numbers = {place: number for number, place in enumerate(places)}
            while self._held:
                place, frame = self._held.popleft()
                if place in self._numbers:
                    await self._write(place, frame)
        except (OSError, ValueError) as error:
            self._fail(error)
        self._held = None

    async def _write(self, place: int, frame: EncodedFrame) -> None:
        await self._on_thread(self._muxer.write, self._numbers[place], frame)
        self.frames += 1

    async def _on_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _fail(self, error: Exception) -> None:
        if self.error is None:
            self.error = RecordError(f"recording ended: {error}")
            self.error.__cause__ = error
            log.error("%s", self.error)
