"""Runs the peers that are programs (GStreamer, FFmpeg, aiortc) and reads the JSON lines that they write."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from tests.interop.nat import Node
from tests.interop.netns import Namespace
from tests.util import until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# python3-gi is a package of the system's Python, which is seldom the one that runs the tests.
SYSTEM_PYTHON = os.environ.get("RTCENGINE_TEST_SYSTEM_PYTHON", "/usr/bin/python3")

Event = dict[str, Any]
CommandLine = Callable[..., list[str]]


class PeerFailed(Exception):
    """A peer reported an error or ended before what was waited for."""


class PeerProgram:
    """A running peer: ``events`` holds what it has reported, oldest first. ``traced``: SIGUSR1 has it tell where it is."""

    def __init__(self, process: asyncio.subprocess.Process, *, traced: bool = False) -> None:
        self._traced = traced
        self.events: list[Event] = []
        self.errors: deque[str] = deque(maxlen=50)
        self._process = process
        self._news = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_errors())]

    @property
    def counts(self) -> dict[str, int]:
        """The latest frame counts by kind."""
        for event in reversed(self.events):
            if event["event"] == "counts":
                return {"video": event.get("video", 0), "audio": event.get("audio", 0)}
        return {"video": 0, "audio": 0}

    async def wait(self, name: str, matches: Callable[[Event], bool] = lambda _e: True, timeout: float = 20.0) -> Event:
        """The first event of that name that matches, past or to come; PeerFailed when the peer fails or ends before."""

        def found() -> Event | None:
            ended = self._tasks[0].done()  # before the look at the events: then none can come any more
            for event in self.events:
                if event["event"] == name and matches(event):
                    return event
            failure = next((e["message"] for e in self.events if e["event"] == "error"), None)
            if failure is not None or ended:
                raise PeerFailed(f"no event {name}: {failure or 'the peer ended'}\n" + "\n".join(self.errors))
            return None

        try:
            event: Event = await until(found, timeout=timeout, what=f"event {name}")
        except AssertionError as late:
            if self._traced:
                self._process.send_signal(signal.SIGUSR1)
                with contextlib.suppress(AssertionError):
                    await until(lambda: any("most recent call first" in line for line in self.errors), timeout=3)
            late.add_note(f"its last events: {self.events[-3:]}\n" + "\n".join(self.errors))
            raise
        return event

    async def wait_frames(self, video: int = 30, audio: int = 30, timeout: float = 30.0) -> Event:
        """Wait until the counts reach so many frames of each kind."""
        return await self.wait("counts", lambda e: e.get("video", 0) >= video and e.get("audio", 0) >= audio, timeout=timeout)

    async def news(self) -> None:
        """Wait until there are more events than at the last call; for one reader."""
        await self._news.wait()
        self._news.clear()

    def tell(self, **command: Any) -> None:
        """Send a line to a peer that reads them (``program(.., commands=True)``)."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ended(self, timeout: float = 15.0) -> int:
        """Wait until the peer ends by itself; its exit status."""
        async with asyncio.timeout(timeout):
            return await self._process.wait()

    async def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, on which a peer ends its session properly; SIGKILL after ``timeout`` seconds. The exit status."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(timeout):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks)
        assert self._process.returncode is not None
        return self._process.returncode

    async def _read_events(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if isinstance(event, dict) and "event" in event:
                self.events.append(event)
                self._news.set()
            else:
                self.errors.append(line.decode(errors="replace").rstrip())

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())


@asynccontextmanager
async def program(
    argv: Sequence[str], netns: Namespace | Node | None = None, *, commands: bool = False
) -> AsyncIterator[PeerProgram]:
    """Run a peer's command line, inside a network namespace if given; it is stopped when the context ends. ``commands``: it
    reads JSON lines, and ends with its input."""
    process = await asyncio.create_subprocess_exec(
        *(netns.command(*argv) if netns else argv),
        stdin=asyncio.subprocess.PIPE if commands else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=1 << 20,
    )
    peer = PeerProgram(process, traced=str(HERE / "gst_peer.py") in argv)
    try:
        yield peer
    finally:
        await peer.stop()


def gst(mode: Literal["publish", "watch"], url: str, *args: str) -> list[str]:
    """The command line of gst_peer.py."""
    return [SYSTEM_PYTHON, str(HERE / "gst_peer.py"), mode, url, *args]


def ffmpeg(url: str, *args: str) -> list[str]:
    """The command line of ffmpeg_peer.py as publisher."""
    return [sys.executable, str(HERE / "ffmpeg_peer.py"), "publish", url, *args]


def aiortc(mode: Literal["publish", "watch"], url: str, *args: str) -> list[str]:
    """The command line of aiortc_peer.py."""
    return [sys.executable, "-m", "tests.interop.aiortc_peer", mode, url, *args]
