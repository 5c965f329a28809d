"""The test picture and the test tone as devices, for who asks for them by name."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from typing import Any

import av

from ..pattern import Pattern, Tone
from ..sound.echo import echo_cancellation_available
from ..track import AUDIO_PTIME, VIDEO_CLOCK_RATE
from .source import Device
from .space import AudioSpace, Mode, Span, VideoSpace

CAMERA, MICROPHONE, GROUP = "synthetic-camera", "synthetic-microphone", "synthetic"
SIZES = ((320, 180), (320, 240), (640, 360), (640, 480), (1280, 720), (1920, 1080))
RATES = Span(1.0, 60.0)


class _Pace:
    """When the next of something that comes so often is due; one that is late goes on from now."""

    def __init__(self, every: float) -> None:
        self._start, self._every, self._closed = time.monotonic(), every, threading.Event()

    def due(self, number: int) -> int:
        """Waits for it, or for a later one when it is past."""
        number = max(number, int((time.monotonic() - self._start) / self._every))
        self._closed.wait(max(0.0, self._start + number * self._every - time.monotonic()))
        return number


class CameraSource:
    """Pattern's pictures, numbered from 0."""

    def __init__(self) -> None:
        self._pattern = Pattern()
        self._rate = 30.0
        self._number = -1
        self._pace = _Pace(1 / self._rate)

    def open(self, mode: Mode | None) -> None:
        assert mode is not None
        self._pattern, self._rate, self._number = Pattern(mode.width, mode.height), mode.fastest, -1
        self._pace = _Pace(1 / self._rate)

    def read(self) -> av.VideoFrame:
        self._number = self._pace.due(self._number + 1)
        return self._pattern.video_frame(self._number, int(self._number * VIDEO_CLOCK_RATE / self._rate))

    def close(self) -> None:
        pass


class MicrophoneSource:
    """Tone's sound, 20 ms at a time, 48 kHz, two channels."""

    def __init__(self) -> None:
        self._tone = Tone()
        self._number = -1
        self._pace = _Pace(AUDIO_PTIME)

    def open(self, mode: Mode | None) -> None:
        self._tone, self._number, self._pace = Tone(), -1, _Pace(AUDIO_PTIME)

    def read(self) -> av.AudioFrame:
        self._number = self._pace.due(self._number + 1)
        rate = self._tone.sample_rate
        samples = int(rate * AUDIO_PTIME)
        frame = av.AudioFrame.from_ndarray(self._tone.samples(samples).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, self._number * samples, Fraction(1, rate)
        return frame

    def close(self) -> None:
        pass


def microphone_space() -> AudioSpace:
    """What FFmpeg's resampler and media/sound can make of sound; nothing is done to it that is not asked for."""
    values: dict[str, Any] = {
        "sampleRate": Span(8000, 48000),
        "channelCount": (1, 2),
        "sampleSize": (16,),
        "latency": Span(0.01, 0.06),
        "echoCancellation": (False, True) if echo_cancellation_available() else (False,),
        "autoGainControl": (False, True),
        "noiseSuppression": (False, True),
    }
    return AudioSpace(values, {"sampleRate": 48000, "channelCount": 2, "latency": AUDIO_PTIME})


def devices() -> list[Device]:
    """Both."""
    camera = VideoSpace(tuple(Mode(*size, RATES) for size in SIZES))
    return [
        Device("video", CAMERA, "Synthetic camera", GROUP, CameraSource, lambda: camera),
        Device("audio", MICROPHONE, "Synthetic microphone", GROUP, MicrophoneSource, microphone_space),
    ]
