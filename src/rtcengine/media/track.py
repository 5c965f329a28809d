"""Tracks: where pictures and sound come from, as aiortc and the W3C have them."""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Generator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pyee.asyncio import AsyncIOEventEmitter

from .handlers import Handler

if TYPE_CHECKING:
    import av

    from .tee import FrameReader

AUDIO_PTIME = 0.020
VIDEO_CLOCK_RATE = 90000
VIDEO_PTIME = 1 / 30
VIDEO_TIME_BASE = Fraction(1, VIDEO_CLOCK_RATE)


class MediaStreamError(Exception):
    """The track has ended: nothing more comes."""


def convert_timebase(pts: int, from_base: Fraction, to_base: Fraction) -> int:
    """A time in units of another base."""
    return pts if from_base == to_base else int(pts * from_base / to_base)


class Done:
    """What is done already, for those who await it."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


CONTENT_HINTS = {
    "audio": ("", "speech", "speech-recognition", "music"),
    "video": ("", "motion", "detail", "text"),
}


class MediaStreamTrack(AsyncIOEventEmitter, metaclass=ABCMeta):
    """One source of pictures or sound; subclasses set `kind` and write `recv`.

    "ended" comes once, when it is stopped or its source has no more; "mute" and "unmute" when its source pauses and goes
    on. `enabled` False sends black or silence in its place, whoever reads it. `error` is why its source ended, None when it
    was not by a failure.

    Any thread may read its properties, call getSettings, getCapabilities and getConstraints, and set `enabled` and
    `contentHint`; all else is for the thread of its event loop (docs/media.md, "Threads").
    """

    kind = "unknown"
    error: Exception | None = None
    onended = Handler("ended")
    onmute = Handler("mute")
    onunmute = Handler("unmute")
    __content_hint = ""

    def __init__(self) -> None:
        super().__init__()
        self.__ended = False
        self.__muted = False
        self._id = str(uuid.uuid4())
        self.enabled = True

    @property
    def id(self) -> str:
        return self._id

    @property
    def readyState(self) -> str:
        """ "live" or "ended"."""
        return "ended" if self.__ended else "live"

    @property
    def muted(self) -> bool:
        """Whether its source gives nothing at the moment."""
        return self.__muted

    @property
    def label(self) -> str:
        """The source's name for people, "" for none."""
        return ""

    @property
    def contentHint(self) -> str:
        """What it shows or sounds like (W3C mst-content-hint): "motion", "detail", "text"; "speech", "speech-recognition",
        "music"; "" for nothing known. TypeError for another kind's or an unknown one."""
        return self.__content_hint

    @contentHint.setter
    def contentHint(self, hint: str) -> None:
        known = CONTENT_HINTS.get(self.kind, ("",))
        if hint not in known:
            raise TypeError(f"contentHint of {self.kind} is one of {', '.join(map(repr, known))}, not {hint!r}")
        self.__content_hint = hint

    def getSettings(self) -> dict[str, Any]:
        """The properties that can be constrained as they are now; empty for sources that have none."""
        return {}

    def getCapabilities(self) -> dict[str, Any]:
        """What these properties can be: {"min": .., "max": ..} of numbers, lists of others."""
        return {}

    def getConstraints(self) -> dict[str, Any]:
        """What was applied last."""
        return {}

    async def applyConstraints(self, constraints: Any = None) -> None:
        """Other constraints in place of all before. OverconstrainedError when they cannot be met, and all stays as it was. A
        source without capabilities takes any that requires nothing."""
        from .devices.constraints import parse
        from .devices.errors import OverconstrainedError
        from .devices.select import failed_constraint

        if failed := failed_constraint([{}], parse(constraints)):
            raise OverconstrainedError(failed, f"a track that is no device's has no {failed}")

    def clone(self) -> MediaStreamTrack:
        """Another track of the same source, with an id, an end and what is enabled of its own. Those of devices are as the
        W3C has them. One of another track reads what that one reads, so that it ends with it."""
        twin = self._copy()
        twin.enabled = self.enabled
        twin.contentHint = self.__content_hint
        twin._set_muted(self.muted)
        if self.readyState == "ended":
            twin.stop()
        return twin

    def _copy(self) -> MediaStreamTrack:
        from .tee import twin_of

        return twin_of(self)

    @abstractmethod
    async def recv(self) -> av.AudioFrame | av.VideoFrame | av.Packet[Any]:
        """The next frame, or the next packet of a source that is encoded. MediaStreamError when it has ended."""

    def frames(self, maxsize: int = 4, drop: str = "latest") -> FrameReader:
        """`async for frame in track.frames()`: every frame beside whoever else reads, from the first iteration on; it ends with
        the track. Of what is not taken `maxsize` frames wait: with `drop` "latest" the oldest make way for the newest, with
        "fifo" those that come are left out. `dropped` counts them."""
        from .tee import FrameReader

        return FrameReader(self, maxsize, drop)

    def filter(self, text: str) -> MediaStreamTrack:
        """Another track, of what FFmpeg's filters make of this one's frames: `track.filter("scale=320:-2,hflip")`, on a thread,
        beside whoever else reads. ValueError names the filter that is not known, or does not fit. It ends with this track;
        stopping it does not stop this one."""
        from .derived import FilteredTrack

        return FilteredTrack(self, text)

    def map(self, function: Callable[[Any], Any]) -> MediaStreamTrack:
        """Another track, of what a function makes of this one's frames: a frame, or None to leave it out. The function is
        called on a thread, a coroutine function awaited; one that is slow gets the newest picture. What it may not do is change
        the frame, which others read. It ends and is stopped as `filter`'s; what the function raises ends it as its `error`."""
        from .derived import MappedTrack

        return MappedTrack(self, function)

    def stop(self) -> Done:
        """Ends the track, at once; awaiting it is allowed and does nothing."""
        if not self.__ended:
            self.__ended = True
            self.emit("ended")
            self.remove_all_listeners()  # nothing will be told any more
        return Done()

    def _set_muted(self, muted: bool) -> None:
        """For its source, which knows."""
        if muted != self.__muted and not self.__ended:
            self.__muted = muted
            self.emit("mute" if muted else "unmute")


class AudioStreamTrack(MediaStreamTrack):
    """Silence: 20 ms at a time, 8 kHz, one channel."""

    kind = "audio"

    _start: float
    _timestamp: int

    async def recv(self) -> av.AudioFrame | av.VideoFrame | av.Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        import av

        rate = 8000
        samples = int(AUDIO_PTIME * rate)
        # Subclasses written for aiortc keep the same two attributes, and find none before the first frame.
        if hasattr(self, "_timestamp"):
            self._timestamp += samples
            await asyncio.sleep(self._start + self._timestamp / rate - time.monotonic())
        else:
            self._start, self._timestamp = time.monotonic(), 0
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.sample_rate, frame.time_base = self._timestamp, rate, Fraction(1, rate)
        return frame


class VideoStreamTrack(MediaStreamTrack):
    """Green pictures of 640 x 480, 30 a second; subclasses write `recv` and take its pace from `next_timestamp`."""

    kind = "video"

    _start: float
    _timestamp: int

    async def next_timestamp(self) -> tuple[int, Fraction]:
        """Waits until the next picture is due: its pts and time base."""
        if self.readyState != "live":
            raise MediaStreamError
        if hasattr(self, "_timestamp"):
            self._timestamp += int(VIDEO_PTIME * VIDEO_CLOCK_RATE)
            await asyncio.sleep(self._start + self._timestamp / VIDEO_CLOCK_RATE - time.monotonic())
        else:
            self._start, self._timestamp = time.monotonic(), 0
        return self._timestamp, VIDEO_TIME_BASE

    async def recv(self) -> av.AudioFrame | av.VideoFrame | av.Packet[Any]:
        import av

        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(width=640, height=480)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))  # I420 of zeros is green
        frame.pts, frame.time_base = pts, time_base
        return frame
