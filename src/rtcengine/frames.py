"""Encoded frames on their way to Python: what a frame is, and the iterator that gives them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrame:
    """One encoded frame as the peer sent it. H.264 is an Annex B stream with start codes, AV1 has OBUs with sizes.

    `data` is read-only memory that belongs to the frame; `bytes(frame.data)` copies it. `timestamp` is the RTP time, in
    units of 1 / `clock_rate` s, and does not wrap. `key`: a decoder can begin here (always for sound). `lost`: packets
    given up between the frame before and this one. `arrived`: time.monotonic() of its last packet.
    """

    data: memoryview = field(repr=False)
    timestamp: int
    clock_rate: int
    codec: str
    key: bool
    lost: int
    arrived: float


class FrameStream:
    """Frames of one receiver, in order: `async for frame in stream`. Ends when the receiver or the engine is closed, or
    by `close`. What is not taken waits in the engine: 64 frames or 4 MiB, then the oldest go, of video all up to the next
    key frame. One task at a time takes frames."""

    def __init__(self, take: Callable[[], EncodedFrame | None]) -> None:
        self._take = take
        self._news = asyncio.Event()
        self.closed = False

    def __aiter__(self) -> FrameStream:
        return self

    async def __anext__(self) -> EncodedFrame:
        while not self.closed:
            self._news.clear()
            if (frame := self._take()) is not None:
                return frame
            await self._news.wait()
        raise StopAsyncIteration

    def wake(self) -> None:
        """There may be frames."""
        self._news.set()

    def close(self) -> None:
        """Ends the iteration. Idempotent."""
        self.closed = True
        self._news.set()
