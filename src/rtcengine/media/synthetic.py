"""A camera and a microphone that every machine has: the test picture and the test tone as tracks, in real time."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from typing import TYPE_CHECKING

from ..codecs.about import captured_at, tell
from .pattern import Pattern, Tone
from .track import AUDIO_PTIME, VIDEO_CLOCK_RATE, MediaStreamError, MediaStreamTrack

if TYPE_CHECKING:
    import av


class SyntheticCamera(MediaStreamTrack):
    """Pattern's pictures. A reader that is late misses pictures, as it would of a camera: `number` is that of the last one
    given, and `pattern.read_number` finds it in the picture."""

    kind = "video"

    def __init__(self, width: int = 640, height: int = 360, fps: int = 30) -> None:
        super().__init__()
        if fps < 1:
            raise ValueError(f"fps is {fps}, not 1 or more")
        self._pattern = Pattern(width, height)
        self._fps = fps
        self._start: float | None = None
        self.number = -1

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._start is None:
            self._start = time.monotonic()
        number = max(self.number + 1, int((time.monotonic() - self._start) * self._fps))
        await asyncio.sleep(self._start + number / self._fps - time.monotonic())
        pts = number * VIDEO_CLOCK_RATE // self._fps
        frame = await asyncio.to_thread(self._pattern.video_frame, number, pts)
        if self.readyState != "live":
            raise MediaStreamError
        self.number = number
        tell(frame, captured_at(self._start + number / self._fps))
        return frame


class SyntheticMicrophone(MediaStreamTrack):
    """Tone's sound: 48 kHz, two channels unless told otherwise, 20 ms at a time. A reader that is late gets what it missed."""

    kind = "audio"

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, not {channels}")
        self._tone = Tone(channels=channels)
        self._position = 0
        self._start: float | None = None

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        import av

        rate, layout = self._tone.sample_rate, "stereo" if self._tone.channels == 2 else "mono"
        if self._start is None:
            self._start = time.monotonic()
        await asyncio.sleep(self._start + self._position / rate - time.monotonic())
        if self.readyState != "live":
            raise MediaStreamError
        samples = int(AUDIO_PTIME * rate)
        frame = av.AudioFrame.from_ndarray(self._tone.samples(samples).reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, self._position, Fraction(1, rate)
        tell(frame, captured_at(self._start + self._position / rate))
        self._position += samples
        return frame
