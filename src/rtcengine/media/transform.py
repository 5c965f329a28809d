"""Encoded transforms: what a program does to frames between an encoder and the peer, or between the peer and a decoder."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..engine import EncodedFrame, EngineError, FrameStream, Receiver
from ..frames import FrameQueue, FrameShare
from ..rtp import Extension
from ..sframe import SFrameError
from .tap import KeyWish, tap

if TYPE_CHECKING:
    from typing_extensions import Buffer

log = logging.getLogger("rtcengine.media")

MOST_WAITING = 64
"""Frames that wait while a transform is awaited."""


@dataclass(slots=True, kw_only=True)
class TransformFrame:
    """One encoded frame on its way through a transform, which may put other `data` into it.

    `timestamp`: its RTP time, mod 2^32. `key`: a decoder can begin here (always for sound). `kind`: "audio" or "video".
    `ssrc`: of the stream that it goes out or comes by. `outgoing`: from an encoder to the peer. `metadata`: what else is known,
    by the names of W3C's RTCEncodedVideoFrameMetadata where they are there: mimeType, payloadType, mid, clockRate; going out
    also rid, width, height and temporalIndex; coming in receiveTime (time.monotonic()), lost, level and voice.
    """

    data: Buffer = field(repr=False)
    timestamp: int
    key: bool
    kind: str
    ssrc: int
    codec: str
    outgoing: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)


Transformed: TypeAlias = "Buffer | TransformFrame | None"
Transform: TypeAlias = "Callable[[TransformFrame], Transformed | Awaitable[Transformed]]"
"""Gives other data, the frame (with other data in it, or as it is), or None to leave it out. One that has an attribute `opaque`
that is true gives what nobody without a key can read."""

T = TypeVar("T")

_WHOLE = {"opus", "pcmu", "pcma", "g722"}
_VP8 = "vp8"


def is_opaque(transform: Transform | None) -> bool:
    """Whether it says that nobody on the way can read what it gives."""
    return bool(getattr(transform, "opaque", False))


def check_codec(transform: Transform | None, codec: str) -> None:
    """ValueError when the codec's RTP packets need to be readable, and the transform's data is not
    (docs/decisions/0016-encrypted-frames.md)."""
    if is_opaque(transform) and codec.lower() not in {*_WHOLE, _VP8}:
        raise ValueError(f"{codec} cannot go out encrypted: what is in a frame tells its packets; VP8 and codecs of sound can")


def why_unsendable(transform: Transform | None, codec: str, extensions: frozenset[str]) -> str:
    """Empty when frames behind the transform can be sent."""
    if not is_opaque(transform) or codec.lower() in _WHOLE:
        return ""
    try:
        check_codec(transform, codec)
    except ValueError as error:
        return str(error)
    if Extension.DEPENDENCY_DESCRIPTOR not in extensions:
        return "the peer has not agreed to dependency descriptors, without which nobody can tell key frames that are encrypted"
    return ""


def check_readable(codec: str, data: Buffer, key: bool) -> None:
    """ValueError when packets cannot be made of a frame that a transform has changed."""
    head = bytes(memoryview(data).cast("B")[:4])
    if codec == "h264" and not head.startswith((b"\0\0\1", b"\0\0\0\1")):
        raise ValueError("what was H.264 has no start code at its beginning: a transform has to leave those, and a byte after")
    # VP9 bitstream §6.2: marker, profile, show_existing_frame, frame_type.
    if codec == "vp9" and (head[0] >> 6 != 2 or (head[0] & 0x0C == 0) != key):
        raise ValueError("what was VP9 does not begin as such a frame any more: a transform has to leave its first byte")


class Transforming(Generic[T]):
    """Frames through a transform in their order, with a ticket that goes past it. One that fails is dropped and, of video, all
    after it up to a key frame that does not; that is asked for, less and less often while nothing succeeds. Each kind of
    failure is logged once. While a transform is awaited 64 frames wait; then the newest are dropped. `on_dropped` is told of
    each frame that goes no further, and whether by a failure."""

    def __init__(
        self,
        transform: Transform,
        of: str,
        give: Callable[[T, Buffer], None],
        ask_key: Callable[[], None],
        on_dropped: Callable[[bool], None],
    ) -> None:
        self._transform = transform
        self._of = of
        self._hand_on, self._key, self._on_dropped = give, KeyWish(ask_key), on_dropped
        self._waiting: deque[tuple[TransformFrame, T]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._full = False  # up to a key frame
        self._skipping = False  # likewise, behind the transform
        self._logged: set[type[BaseException]] = set()
        self._failing = False
        self._closed = False

    @property
    def transform(self) -> Transform:
        return self._transform

    @transform.setter
    def transform(self, transform: Transform) -> None:
        self._transform = transform
        self._logged.clear()
        self._key.helped()

    def feed(self, frame: TransformFrame, ticket: T) -> None:
        """One more."""
        if self._task is None:
            result = self._begin(frame, ticket)
            if result is not None:
                self._task = asyncio.ensure_future(self._work(result, frame, ticket))
            return
        self._full = self._full and not (frame.key and len(self._waiting) < MOST_WAITING)
        if self._full or len(self._waiting) >= MOST_WAITING:
            if not self._full:
                log.warning("the transform of %s is too slow: frames are dropped", self._of)
                self._key.wish()
            self._full = frame.kind == "video"
            self._on_dropped(True)
            return
        self._waiting.append((frame, ticket))

    def close(self) -> None:
        """What is under way is dropped, and all that comes. Idempotent."""
        self._closed = True
        self.flush()

    def flush(self) -> None:
        """What is under way is dropped."""
        self._waiting.clear()
        self._full = False
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self, frame: TransformFrame, ticket: T) -> Awaitable[Transformed] | None:
        """What has to be waited for; None when the frame is done with."""
        try:
            result = self._transform(frame)
        except Exception as error:
            self._fail(frame, error)
            return None
        if isinstance(result, bytes) or not inspect.isawaitable(result):
            self._finish(result, frame, ticket)
            return None
        return result

    async def _work(self, awaited: Awaitable[Transformed] | None, frame: TransformFrame, ticket: T) -> None:
        try:
            while awaited is not None:
                try:
                    result = await awaited
                except asyncio.CancelledError as error:
                    if self._closed or (task := asyncio.current_task()) is None or task.cancelling():
                        raise
                    self._fail(frame, error)  # something of the transform's own was cancelled
                except Exception as error:
                    self._fail(frame, error)
                else:
                    self._finish(result, frame, ticket)
                awaited = None
                while self._waiting and awaited is None:
                    frame, ticket = self._waiting.popleft()
                    awaited = self._begin(frame, ticket)
        except EngineError:
            self._waiting.clear()  # there is nobody to give it to any more
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    def _finish(self, result: Transformed, frame: TransformFrame, ticket: T) -> None:
        if self._closed:
            return
        if result is None:
            self._on_dropped(False)
            return
        data = result.data if isinstance(result, TransformFrame) else result
        try:
            if not memoryview(data).nbytes:
                raise ValueError("a transform gave an empty frame")
            if frame.outgoing and frame.kind == "video":
                check_readable(frame.codec.lower(), data, frame.key)
        except (TypeError, ValueError) as error:
            self._fail(frame, error)
            return
        failed, self._failing = self._failing, False
        self._skipping = self._skipping and not frame.key
        if not self._skipping:
            self._key.helped()
            self._hand_on(ticket, data)
            return
        self._on_dropped(True)
        if failed:  # it works again
            self._key.helped()
            self._key.wish()

    def _fail(self, frame: TransformFrame, error: BaseException) -> None:
        if type(error) not in self._logged:
            self._logged.add(type(error))
            trace = None if isinstance(error, SFrameError) else error
            text = "the transform of %s fails: %s: %s (such frames are dropped, and this is said once)"
            log.error(text, self._of, type(error).__name__, error, exc_info=trace)
        self._failing = True
        self._on_dropped(True)
        if frame.kind == "video":
            self._skipping = True
            self._key.wish()


class TransformedFrames:
    """A receiver's frames behind a transform, for any number of readers: each goes through it once."""

    def __init__(
        self,
        receiver: Receiver,
        transform: Transform,
        ask_key: Callable[[], None],
        on_dropped: Callable[[bool], None],
    ) -> None:
        self.receiver = receiver
        self._kind = "video" if receiver.config.video else "audio"
        of = f"{self._kind} from the peer"
        self._work: Transforming[EncodedFrame] = Transforming(transform, of, self._give, ask_key, on_dropped)
        self._share = FrameShare(lambda: None, ask_key)
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._readers = 0

    def set_transform(self, transform: Transform) -> None:
        """From the next frame on."""
        self._work.transform = transform
        if self._task is not None and self._kind == "video":
            self.receiver.ask_key_frame()

    @asynccontextmanager
    async def tap(self, queue: FrameQueue | None = None) -> AsyncIterator[FrameStream]:
        """As `tap` of the receiver."""
        self._readers += 1
        stream = self._share.open(queue)
        if self._task is None:
            self._error = None
            self._work.flush()  # of former readers
            self._task = asyncio.ensure_future(self._run())
        elif self._kind == "video":
            self.receiver.ask_key_frame()
        try:
            yield stream
            if self._error is not None:
                raise self._error
        finally:
            stream.close()
            self._readers -= 1
            if not self._readers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        try:
            async with tap(self.receiver) as frames:
                async for frame in frames:
                    self._work.feed(self._to_transform(frame), frame)
        except EngineError as error:
            self._error = error
        finally:
            if self._task is asyncio.current_task():
                self._task = None
                self._share.close()

    def _to_transform(self, frame: EncodedFrame) -> TransformFrame:
        config = self.receiver.config
        numbers = {**{other.codec: other.pt for other in config.others}, config.codec: config.pt}
        metadata = {
            "mimeType": f"{self._kind}/{frame.codec}",
            "payloadType": numbers.get(frame.codec, config.pt),
            "mid": config.mid,
            "clockRate": frame.clock_rate,
            "receiveTime": frame.arrived,
            "lost": frame.lost,
            "level": frame.level,
            "voice": frame.voice,
        }
        return TransformFrame(
            data=frame.data,
            timestamp=frame.timestamp & 0xFFFFFFFF,
            key=frame.key,
            kind=self._kind,
            ssrc=self.receiver.ssrc,
            codec=frame.codec,
            outgoing=False,
            metadata=metadata,
        )

    def _give(self, frame: EncodedFrame, data: Buffer) -> None:
        if data is not frame.data:
            frame = replace(frame, data=memoryview(data).toreadonly())
        self._share.give(frame)
