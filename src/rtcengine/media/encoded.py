"""Encoded frames for one reader, as `RemoteTrack.encoded` and a relay's `Track.encoded` give them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..frames import EncodedFrame, FrameQueue


class EncodedReader:
    """`async for frame in reader`. `aclose` ends it early, as do `async with` and going out of use. One task uses it.
    Any thread may read `dropped`; all else is for the thread of its event loop."""

    def __init__(self, queue: FrameQueue, frames: AsyncGenerator[EncodedFrame, None]) -> None:
        self._queue, self._frames = queue, frames

    @property
    def dropped(self) -> int:
        """Frames that were left out since it was slow."""
        return self._queue.dropped

    def __aiter__(self) -> EncodedReader:
        return self

    async def __anext__(self) -> EncodedFrame:
        return await self._frames.__anext__()

    async def aclose(self) -> None:
        """Idempotent."""
        await self._frames.aclose()

    async def __aenter__(self) -> EncodedReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
