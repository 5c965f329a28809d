"""Encoded frames on their way to Python: what a frame is, and the iterator that gives them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_FRAMES, MOST_BYTES = 64, 4 << 20
"""What waits for one of several readers, as in the engine (csrc/engine/frame.h) for the only one."""


@dataclass(slots=True, kw_only=True)  # frozen, it would take four times as long to make
class EncodedFrame:
    """One encoded frame as the peer sent it. H.264 and H.265 are Annex B streams with start codes, AV1 has OBUs with sizes.

    `data` is read-only memory that belongs to the frame; `bytes(frame.data)` copies it. `timestamp` is the RTP time, in
    units of 1 / `clock_rate` s, and does not wrap. `key`: a decoder can begin here (always for sound). `lost`: packets
    given up between the frame before and this one. `arrived`: time.monotonic() of its last packet. `level` of sound: dBov, 0 to
    -127 (silence), as its sender says (RFC 6464), and `voice`: whether it hears speech in it; None when it says nothing.
    `rotation` of a picture: degrees clockwise (0, 90, 180, 270) that bring it upright, and whether it is `mirrored`, left for
    right (3GPP TS 26.114 §7.4.5). `capture_time`: Unix time of its capture by its sender's clock, as abs-capture-time or the
    latest sender report has it; None before either has come.
    """

    data: memoryview = field(repr=False)
    timestamp: int
    clock_rate: int
    codec: str
    key: bool
    lost: int
    arrived: float
    level: int | None = None
    voice: bool | None = None
    rotation: int = 0
    mirrored: bool = False
    capture_time: float | None = None


class FrameShare:
    """Frames of one receiver, for as many streams as there are. The only one takes them from the engine, where they wait; of
    several whoever comes first takes what is there for all, and each has a queue of its own. `ask_key` asks the peer for a key
    frame, which a stream needs that was too slow: of the only one the engine knows, of one among several nobody else does."""

    def __init__(self, take: Callable[[], EncodedFrame | None], ask_key: Callable[[], None] = lambda: None) -> None:
        self._take = take
        self.ask_key = ask_key
        self._streams: list[FrameStream] = []

    def open(self) -> FrameStream:
        """One more, from the next frame on, or the next key frame when others read already."""
        if self._streams:
            self._share_out()
        stream = FrameStream(self, skipping=bool(self._streams))
        self._streams.append(stream)
        return stream

    def take(self, stream: FrameStream) -> EncodedFrame | None:
        """The next one for a stream that has none waiting."""
        if len(self._streams) == 1:
            frame = self._take()
            return frame if frame is None or not stream.skips(frame) else self.take(stream)
        self._share_out()
        return stream.pop()

    def wake(self) -> None:
        """There may be frames."""
        for stream in self._streams:
            stream.wake()

    def give(self, frame: EncodedFrame) -> None:
        """One that is not taken from anywhere, to all streams."""
        for stream in self._streams:
            stream.put(frame)
            stream.wake()

    def close(self) -> None:
        """Ends all streams."""
        for stream in list(self._streams):
            stream.close()

    def drop(self, stream: FrameStream) -> None:
        """It takes no more."""
        if stream in self._streams:
            if len(self._streams) > 1:
                self._share_out()
            self._streams.remove(stream)

    def _share_out(self) -> None:
        while (frame := self._take()) is not None:
            for stream in self._streams:
                stream.put(frame)


class FrameStream:
    """Frames of one receiver, in order: `async for frame in stream`. Ends when the receiver or the engine is closed, or
    by `close`. What is not taken waits: 64 frames or 4 MiB, then the oldest go, of video all up to the next key frame. One
    task at a time takes frames."""

    def __init__(self, share: FrameShare, *, skipping: bool = False) -> None:
        self._share = share
        self._woken: asyncio.Future[None] | None = None
        self._waiting: deque[EncodedFrame] = deque()
        self._bytes = 0
        self._skipping = self._asked = skipping  # up to a key frame, which who opens another stream asks for
        self.dropped = 0
        self.closed = False

    def __aiter__(self) -> FrameStream:
        return self

    async def __anext__(self) -> EncodedFrame:
        while not self.closed:
            if (frame := self.pop() or self._share.take(self)) is not None:
                return frame
            if self._woken is not None:
                raise RuntimeError("another task waits for frames")
            if self._skipping and not self._asked:  # not before: a key frame costs whoever gets the stream
                self._asked = True
                self._share.ask_key()
            self._woken = asyncio.get_running_loop().create_future()
            try:
                await self._woken
            finally:
                self._woken = None
        raise StopAsyncIteration

    def pop(self) -> EncodedFrame | None:
        """The oldest that waits here."""
        if not self._waiting:
            return None
        frame = self._waiting.popleft()
        self._bytes -= len(frame.data)
        return frame

    def skips(self, frame: EncodedFrame) -> bool:
        """Whether it waits for a key frame and this is none."""
        self._skipping = self._skipping and not frame.key
        self.dropped += self._skipping
        return self._skipping

    def put(self, frame: EncodedFrame) -> None:
        """For the share: one more waits, at the cap in place of others."""
        if self.skips(frame):
            return
        self._waiting.append(frame)
        self._bytes += len(frame.data)
        if len(self._waiting) > MOST_FRAMES or (self._bytes > MOST_BYTES and len(self._waiting) > 1):
            self.pop()
            self.dropped += 1
            while self._waiting and not self._waiting[0].key:
                self.pop()
                self.dropped += 1
            self._skipping, self._asked = not self._waiting, False

    def wake(self) -> None:
        """There may be frames."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def close(self) -> None:
        """Ends the iteration. Idempotent."""
        if not self.closed:
            self.closed = True
            self._share.drop(self)
            self._waiting.clear()
            self.wake()
