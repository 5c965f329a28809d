"""A track's pictures in a window of the desktop, by Tk, which comes with Python."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Self

from .arrays import image
from .screen import HEAD
from .track import MediaStreamTrack

START_S, END_S = 20.0, 5.0


class WindowError(RuntimeError):
    """There is no desktop, or no Tk."""


class Window:
    """Shows what a video track gives, the newest picture, and costs its other readers nothing::

        async with Window(track, "a call") as window:
            await window.closed()

    A larger window shows larger pictures, in whole multiples. The window is another process's: its end, or that of the display,
    is that of the window alone. WindowError where there is no display, or Python has no Tk (Debian: package python3-tk). Any
    thread may read `shown` and `process_id`; all else is for the thread of its event loop.
    """

    def __init__(self, track: MediaStreamTrack, title: str = "rtcengine") -> None:
        if track.kind != "video":
            raise ValueError(f"a track of {track.kind} cannot be shown")
        self.shown = 0
        """Pictures so far."""
        self._track, self._title = track, title
        self._closed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Semaphore(1)

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        program = (sys.executable, "-m", f"{__package__}.screen", self._title)
        process = self._process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                said = (await process.stdout.readline()).decode(errors="replace").strip()
        except TimeoutError:
            said = f"it does not open within {START_S:g} s"
        if said != "open":
            await self.close()
            raise WindowError(f"no window can be opened: {said or 'its process has ended'}")
        self._tasks = [asyncio.ensure_future(self._feed(process)), asyncio.ensure_future(self._follow(process))]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def process_id(self) -> int | None:
        """Of the window's process while it runs."""
        return self._process.pid if self._process is not None else None

    async def closed(self) -> None:
        """Waits until its user has closed the window, its display has gone, or the track has ended."""
        await self._closed.wait()

    async def close(self) -> None:
        """Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._closed.set()

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        """The next picture when the last one is on the screen."""
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has been closed: `_follow` sees that too
            async with self._track.frames(maxsize=1) as frames:
                while True:
                    await self._ready.acquire()
                    frame = await anext(frames, None)
                    if frame is None:
                        break
                    rgb = await asyncio.to_thread(image, frame)
                    process.stdin.write(HEAD.pack(frame.width, frame.height) + rgb.tobytes())
                    await process.stdin.drain()
        self._closed.set()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while dots := await process.stdout.read(64):
            self.shown += len(dots)
            for _ in dots:
                self._ready.release()
        self._closed.set()
