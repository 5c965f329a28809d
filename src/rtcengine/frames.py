"""Encoded frames on their way to Python: what a frame is, and the iterator that gives them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_FRAMES, MOST_BYTES = 64, 4 << 20
"""What waits for one of several readers, as in the engine (csrc/engine/frame.h) for the only one."""

UNTIL_KEYFRAME, LATEST, FIFO = "until_keyframe", "latest", "fifo"
"""What makes way at the cap: see FrameQueue."""


@dataclass(slots=True, kw_only=True)  # frozen, it would take four times as long to make
class EncodedFrame:
    """One encoded frame as the peer sent it. H.264 and H.265 are Annex B streams with start codes, AV1 has OBUs with sizes.

    `data` is read-only memory that belongs to the frame; `bytes(frame.data)` copies it. `timestamp` is the RTP time, in
    units of 1 / `clock_rate` s, and does not wrap. `key`: a decoder can begin here (always for sound). `lost`: packets
    given up between the frame before and this one. `arrived`: time.monotonic() of its last packet. `level` of sound: dBov, 0 to
    -127 (silence), as its sender says (RFC 6464), and `voice`: whether it hears speech in it; None when it says nothing.
    `rotation` of a picture: degrees clockwise (0, 90, 180, 270) that bring it upright, and whether it is `mirrored`, left for
    right (3GPP TS 26.114 §7.4.5). `capture_time`: Unix time of its capture by its sender's clock, as abs-capture-time or the
    latest sender report has it; None before either has come. `csrcs`: whose media a mixer put into the stream lately, as
    the engine keeps it, for `getContributingSources`.
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
    csrcs: bytes = field(default=b"", repr=False)


class FrameQueue:
    """Frames that wait for one reader: `most` of them, and 4 MiB (one frame at least). At the cap `drop` says what goes. By
    "until_keyframe" the oldest does, and of video all up to the next key frame with it, so that who slept finds the newest;
    when no key frame waits, all that comes is left out up to one. By "fifo" what waits is kept, and what comes is left out, of
    video up to a key frame that finds room. "latest" is the first without its key frames: of sound, whose frames all are such.
    `ask_key` asks for the key frame once the reader is back, since one costs whoever gets the stream. `dropped` counts."""

    __slots__ = ("_asked", "_bytes", "_frames", "_skipping", "ask_key", "drop", "dropped", "most")

    def __init__(self, most: int = MOST_FRAMES, drop: str = UNTIL_KEYFRAME) -> None:
        if most < 1:
            raise ValueError(f"maxsize is {most}, not 1 or more")
        if drop not in (UNTIL_KEYFRAME, LATEST, FIFO):
            raise ValueError(f'drop is "until_keyframe", "latest" or "fifo", not {drop!r}')
        self.most, self.drop = most, drop
        self.ask_key: Callable[[], None] | None = None
        self.dropped = 0
        self.begin()

    @classmethod
    def of(cls, kind: str, most: int, drop: str) -> FrameQueue:
        """For frames of "audio" or "video". ValueError for a policy that leaves what nobody could decode."""
        if kind == "video" and drop == LATEST:
            raise ValueError('pictures by "latest" could not be decoded: drop is "until_keyframe" or "fifo" for video')
        return cls(most, drop)

    def begin(self, *, skipping: bool = False) -> None:
        """Empty, for another stream; `skipping`: up to a key frame."""
        self._frames: deque[EncodedFrame] = deque()
        self._bytes = 0
        self._skipping = skipping
        self._asked = skipping

    def skips(self, frame: EncodedFrame) -> bool:
        """Whether it waits for a key frame and this is none, which is counted."""
        if not self._skipping:
            return False
        if frame.key:
            self._skipping = False
            return False
        self.dropped += 1
        return True

    def put(self, frame: EncodedFrame) -> None:
        """One more, at the cap in place of others, or of itself."""
        if self.drop == FIFO and self._full(len(frame.data)):
            self.dropped += 1
            self._skipping, self._asked = True, self._asked and not frame.key
            return
        if self.skips(frame):
            return
        self._frames.append(frame)
        self._bytes += len(frame.data)
        self._asked = False
        while len(self._frames) > self.most or (len(self._frames) > 1 and self._bytes > MOST_BYTES):
            self._leave_out()

    def pop(self) -> EncodedFrame | None:
        """The oldest."""
        frame = self._frames.popleft() if self._frames else None
        if frame is not None:
            self._bytes -= len(frame.data)
        if self._skipping and not self._asked and self.ask_key is not None and not self._full(0):
            self._asked = True
            self.ask_key()
        return frame

    def _full(self, more: int) -> bool:
        return len(self._frames) >= self.most or bool(self._frames and self._bytes + more > MOST_BYTES)

    def _leave_out(self) -> None:
        """The oldest, up to the next key frame."""
        while self._frames:
            self._bytes -= len(self._frames.popleft().data)
            self.dropped += 1
            if self._frames and self._frames[0].key:
                return
        self._skipping = True


class FrameShare:
    """Frames of one receiver, for as many streams as there are. The only one takes them from the engine, where they wait; of
    several whoever comes first takes what is there for all, and each has a queue of its own. `ask_key` asks the peer for a key
    frame, which a stream needs that was too slow: of the only one the engine knows, of one among several nobody else does."""

    def __init__(self, take: Callable[[], EncodedFrame | None], ask_key: Callable[[], None] = lambda: None) -> None:
        self._take = take
        self.ask_key = ask_key
        self._streams: list[FrameStream] = []

    def open(self, queue: FrameQueue | None = None) -> FrameStream:
        """One more, from the next frame on, or the next key frame when others read already. `queue`: for what it does not take
        at once; without one that stays where it is taken from, as long as nobody else reads."""
        if self._streams:
            self._share_out()
        stream = FrameStream(self, queue, skipping=bool(self._streams))
        stream.queue.ask_key = self.ask_key
        self._streams.append(stream)
        return stream

    def take(self, stream: FrameStream) -> EncodedFrame | None:
        """The next one for a stream that has none waiting."""
        if len(self._streams) == 1 and not stream.eager:
            frame = self._take()
            return frame if frame is None or not stream.queue.skips(frame) else self.take(stream)
        self._share_out()
        return stream.queue.pop()

    def wake(self) -> None:
        """There may be frames."""
        if any(stream.eager for stream in self._streams):
            self._share_out()
        for stream in self._streams:
            stream.wake()

    def give(self, frame: EncodedFrame) -> None:
        """One that is not taken from anywhere, to all streams."""
        for stream in self._streams:
            stream.queue.put(frame)
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
                stream.queue.put(frame)


class FrameStream:
    """Frames of one receiver, in order: `async for frame in stream`. Ends when the receiver or the engine is closed, or
    by `close`. What is not taken waits: 64 frames or 4 MiB, then the oldest go, of video all up to the next key frame; or as
    the `queue` has it that it was opened with. One task at a time takes frames."""

    def __init__(self, share: FrameShare, queue: FrameQueue | None = None, *, skipping: bool = False) -> None:
        self._share = share
        self._woken: asyncio.Future[None] | None = None
        self.eager = queue is not None
        """Takes what comes at once, however slow its reader is."""
        self.queue = queue if queue is not None else FrameQueue()
        self.queue.begin(skipping=skipping)
        self.closed = False

    @property
    def dropped(self) -> int:
        """By its queue."""
        return self.queue.dropped

    def __aiter__(self) -> FrameStream:
        return self

    async def __anext__(self) -> EncodedFrame:
        while not self.closed:
            if (frame := self.queue.pop() or self._share.take(self)) is not None:
                return frame
            if self._woken is not None:
                raise RuntimeError("another task waits for frames")
            self._woken = asyncio.get_running_loop().create_future()
            try:
                await self._woken
            finally:
                self._woken = None
        raise StopAsyncIteration

    def wake(self) -> None:
        """There may be frames."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def close(self) -> None:
        """Ends the iteration. Idempotent."""
        if not self.closed:
            self.closed = True
            self._share.drop(self)
            self.queue.begin()
            self.wake()
