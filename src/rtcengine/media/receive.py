"""From the engine to a track: what the peer sends, decoded on a thread while somebody reads it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..codecs.decode import DecodeCounts, DecodedStream
from ..engine import EngineError, Receiver
from ..frames import MOST_FRAMES, UNTIL_KEYFRAME, FrameQueue
from .encoded import EncodedReader
from .handlers import Handler
from .tap import KeyWish, tap
from .timeline import Timeline
from .tones import tone_of
from .track import Done, MediaStreamError, MediaStreamTrack
from .transform import Transform, TransformedFrames

if TYPE_CHECKING:
    import av

    from ..engine import EncodedFrame, FrameStream

log = logging.getLogger("rtcengine.media")

VIDEO_WAITS, AUDIO_WAITS = 4, 64


class RemoteTrack(MediaStreamTrack):
    """What a peer sends. The first `recv` begins to decode, at a key frame; who has not read for `IDLE_S` ends it, until the
    next `recv`. "dtmf" comes with a DtmfTone for each telephone event that the peer sends, whether somebody reads or not.
    Meanwhile the newest frames wait here, `VIDEO_WAITS` or `AUDIO_WAITS`: a reader that is slow misses the older ones
    (`dropped`). Times begin at 0 and go on when the peer's stream is another. Pictures come `upright`, whichever way the peer's
    phone is held; set to False they come as they are, and `rtcengine.codecs.about` tells how they are turned. Any thread may
    read `dropped`, `broken` and `counts`, and set `upright`, besides what a MediaStreamTrack allows.
    """

    upright = True

    VIDEO_WAITS, AUDIO_WAITS, IDLE_S = VIDEO_WAITS, AUDIO_WAITS, 10.0
    ondtmf = Handler("dtmf", lambda _, tone: tone)
    _settings: Mapping[str, Any] = MappingProxyType({})  # of its own once something was decoded

    def __init__(self, kind: str, id: str | None = None) -> None:
        super().__init__()
        self.kind = kind
        if id is not None:
            self._id = id
        self.dropped = 0
        self.broken = 0
        self.counts = DecodeCounts()
        self._receiver: Receiver | None = None
        self._request_key: Callable[[], None] = lambda: None
        self._key = KeyWish(lambda: self._request_key())
        self._ready: deque[av.AudioFrame | av.VideoFrame] | tuple[()] = ()  # a queue once somebody reads
        self._news: asyncio.Event | None = None  # once somebody reads
        self._readers = 0
        self._read_at = 0.0
        self._times: Timeline | None = None
        self._task: asyncio.Task[None] | None = None
        self._taken: list[FrameStream] = []  # by those who want frames as they came
        self._transform: Transform | None = None
        self._transformed: TransformedFrames | None = None
        self._attached: asyncio.Event | None = None
        self._set_muted(True)

    def attach(self, receiver: Receiver, request_key: Callable[[], None] | None = None) -> None:
        """The stream to read from now on. `request_key` asks its peer for a key frame after a frame that is broken; without
        it the engine does. The track is muted until something comes."""
        self.detach()
        if self.readyState != "live":
            return
        self._receiver = receiver
        receiver.on_tone = self._on_tone
        self._request_key = request_key if request_key is not None else receiver.ask_key_frame
        if receiver.ssrc:
            self._set_muted(False)
        else:
            before = receiver.on_active
            receiver.on_active = lambda: self._on_active(receiver, before)
        if self._attached is not None:
            self._attached.set()
        if self._readers:
            self._start()

    def detach(self) -> None:
        """Nothing comes until there is another stream; who reads waits."""
        if self._receiver is not None:
            self._receiver.on_tone = None
        self._receiver = None
        self._halt()
        for stream in self._taken:
            stream.close()
        if self._times is not None:
            self._times.cut()
        self._set_muted(True)

    @property
    def transform(self) -> Transform | None:
        """What frames go through before anybody reads or decodes them: the first one, and none, from the next key frame on,
        another one from the next frame on. A frame for which it fails is left out (`broken`)."""
        return self._transform

    @transform.setter
    def transform(self, transform: Transform | None) -> None:
        had, self._transform = self._transform, transform
        if transform is had:
            return
        if had is not None and transform is not None:
            if self._transformed is not None:
                self._transformed.set_transform(transform)
            return
        self._transformed = None
        reading = self._task is not None
        self._halt()
        for stream in self._taken:
            stream.close()
        if reading:
            self._start()

    async def recv(self) -> av.AudioFrame | av.VideoFrame | av.Packet[Any]:
        self._readers += 1
        ready, news = self._queue()
        try:
            self._start()
            while self.readyState == "live" and not ready:
                news.clear()
                await news.wait()
            if self.readyState != "live":
                raise MediaStreamError
            return ready.popleft()
        finally:
            self._readers -= 1
            self._read_at = time.monotonic()

    def encoded(self, maxsize: int = MOST_FRAMES, drop: str = UNTIL_KEYFRAME) -> EncodedReader:
        """`async for frame in track.encoded()`: frames as the peer encoded them, beside `recv` or alone; nothing is decoded for
        that. Video begins at a key frame. Any number of iterations, each at its own pace; they end with the track and wait
        while it has none. Of what is not taken `maxsize` frames wait, and 4 MiB at most. Beyond that, by `drop`:
        "until_keyframe": the oldest go, of video all up to a key frame, which is asked for. "fifo": those that come are left
        out, of video up to a key frame, which is asked for once there is room. "latest", of sound alone: the oldest go.
        `dropped` counts them. ValueError for what cannot be."""
        queue = FrameQueue.of(self.kind, maxsize, drop)
        return EncodedReader(queue, self._encoded(queue))

    async def _encoded(self, queue: FrameQueue) -> AsyncGenerator[EncodedFrame, None]:
        while self.readyState == "live":
            if self._receiver is None or not self._receiver.is_open:
                self._attached = self._attached or asyncio.Event()
                self._attached.clear()
                await self._attached.wait()
                continue
            receiver = self._receiver
            try:
                async with self._tap(receiver, queue) as stream:
                    self._taken.append(stream)
                    try:
                        async for frame in stream:
                            yield frame
                    finally:
                        self._taken.remove(stream)
            except EngineError:
                if receiver.is_open:
                    raise
            if receiver is self._receiver and not receiver.is_open:
                self.lost()

    def lost(self) -> None:
        """What it came by is gone for good."""
        self.stop()

    def getSettings(self) -> dict[str, Any]:
        """Of what was decoded last; empty before."""
        return dict(self._settings)

    def stop(self) -> Done:
        super().stop()
        self._receiver = None
        self._halt()
        for stream in self._taken:
            stream.close()
        if self._attached is not None:
            self._attached.set()
        if self._news is not None:
            ready, news = self._queue()
            ready.clear()
            news.set()
        return Done()

    def _queue(self) -> tuple[deque[av.AudioFrame | av.VideoFrame], asyncio.Event]:
        """What waits for readers, and whether something has come. Most of what a track weighs that nobody reads."""
        if self._news is None or isinstance(self._ready, tuple):
            self._ready, self._news = deque(), asyncio.Event()
        return self._ready, self._news

    def _on_active(self, receiver: Receiver, before: Callable[[], None] | None) -> None:
        if before is not None:
            before()
        if receiver is self._receiver:
            self._set_muted(False)

    def _on_tone(self, code: int, volume: int, seconds: float) -> None:
        if (tone := tone_of(code, volume, seconds)) is not None and self.readyState == "live":
            self.emit("dtmf", tone)

    def _start(self) -> None:
        if self._receiver is not None and self._task is None:
            self._queue()[0].clear()
            self._task = asyncio.ensure_future(self._pull(self._receiver))

    def _halt(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _tap(self, receiver: Receiver, queue: FrameQueue | None = None) -> AbstractAsyncContextManager[FrameStream]:
        if self._transform is None:
            return tap(receiver, queue)
        if self._transformed is None or self._transformed.receiver is not receiver:
            self._transformed = TransformedFrames(receiver, self._transform, self._request_key, self._on_dropped)
        return self._transformed.tap(queue)

    def _on_dropped(self, failed: bool) -> None:
        self.broken += failed

    async def _pull(self, receiver: Receiver) -> None:
        try:
            async with self._tap(receiver) as stream:
                decoded = DecodedStream(stream, on_broken=lambda _: self._on_broken(), counts=self.counts, upright=self.upright)
                try:
                    async for frame in decoded:
                        decoded.upright = self.upright
                        self._put(frame)
                        if not self._readers and time.monotonic() - self._read_at > self.IDLE_S:
                            break
                finally:
                    decoded.close()
        except Exception as error:
            if receiver.is_open or not isinstance(error, EngineError):
                log.exception("%r ends: it cannot be decoded", self)
                self.stop()
        if self._task is asyncio.current_task():
            self._task = None
            if not receiver.is_open:
                self.lost()

    def _on_broken(self) -> None:
        self.broken += 1
        self._key.wish()

    def _put(self, frame: Any) -> None:
        self._key.helped()
        rate = frame.time_base.denominator
        if self._times is None or self._times.clock_rate != rate:
            self._times = Timeline(rate)
        frame.pts = self._times.at(frame.pts, time.monotonic())
        self._settings = _settings(frame)
        ready, news = self._queue()
        if len(ready) >= (self.VIDEO_WAITS if self.kind == "video" else self.AUDIO_WAITS):
            ready.popleft()
            self.dropped += 1
        ready.append(frame)
        news.set()


def _settings(frame: Any) -> dict[str, Any]:
    if hasattr(frame, "sample_rate"):
        return {"sampleRate": frame.sample_rate, "channelCount": frame.layout.nb_channels, "sampleSize": 16}
    return {"width": frame.width, "height": frame.height, "aspectRatio": round(frame.width / frame.height, 10)}
