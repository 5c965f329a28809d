"""One side of a call whose signalling is lines of JSON on standard input and output, so that it needs no network for it.

It reads {"do": "start", "offerer": bool}, {"do": "signal", "value": ..} (what the far end gave as an event "signal") and what
a peer adds; it ends with its input. It writes events: signal {value}; state {value, ..}; pair {local, remote}: candidate
types of the pair in use; counts {video, at}: frames of the far end's video and when the last came (time.monotonic(), which
all processes share); error {message}. `connect` and `longest_gap` are the test's side.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.interop.peers import PeerProgram


class PipePeer(ABC):
    """What every such peer has; `start`, `on_signal` and `close` are its own, as is `do_NAME` for more commands."""

    def __init__(self) -> None:
        self.frames = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def start(self, offerer: bool) -> None: ...

    @abstractmethod
    async def on_signal(self, value: Any) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    def report(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)

    def signal(self, **value: object) -> None:
        """What the far end gets in `on_signal`."""
        self.report("signal", value=value)

    def frame(self, at: float) -> None:
        """One frame of the far end's video has come."""
        self.frames += 1
        self.report("counts", video=self.frames, at=at)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A task whose failure is the peer's."""
        task = asyncio.ensure_future(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as e:
            traceback.print_exc()
            self.report("error", message=f"{type(e).__name__}: {e}")

    async def run(self) -> None:
        """Until the input ends, or on SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
        reader = asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        try:
            async for line in reader:
                command = json.loads(line)
                await self._guard(self._obey(command.pop("do"), command))
        except asyncio.CancelledError:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.close()

    async def _obey(self, name: str, command: dict[str, Any]) -> None:
        if name == "start":
            await self.start(**command)
        elif name == "signal":
            await self.on_signal(command["value"])
        else:
            await getattr(self, f"do_{name}")(**command)


def run_peer(peer: Callable[[], PipePeer]) -> None:
    async def main() -> None:
        await peer().run()

    asyncio.run(main())


@asynccontextmanager
async def connect(offerer: PeerProgram, answerer: PeerProgram) -> AsyncIterator[None]:
    """Start both and carry what they signal, as long as the context lasts."""

    async def carry(source: PeerProgram, target: PeerProgram) -> None:
        done = 0
        while True:
            for event in source.events[done:]:
                if event["event"] == "signal":
                    target.tell(do="signal", value=event["value"])
            done = len(source.events)
            await source.news()

    tasks = [asyncio.ensure_future(carry(*pair)) for pair in ((offerer, answerer), (answerer, offerer))]
    answerer.tell(do="start", offerer=False)
    offerer.tell(do="start", offerer=True)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def longest_gap(peer: PeerProgram, since: float) -> float:
    """Seconds: the longest without a frame from `since` on, up to the last one that came."""
    times = sorted(e["at"] for e in peer.events if e["event"] == "counts" and "at" in e)
    before = [t for t in times if t < since][-1:] or [since]
    after = [t for t in times if t >= since]
    return max((b - a for a, b in zip(before + after, after, strict=False)), default=float("inf"))
