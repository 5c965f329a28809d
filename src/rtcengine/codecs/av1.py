"""AV1 by SVT-AV1 through PyAV, set up for live pictures: OBUs with their sizes, a sequence header in each key frame."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .encode import USUAL, AvCoder, Coder, VideoEncoder, scaled
from .framerate import CHANGED

if TYPE_CHECKING:
    import av

# As in the other codecs' modules. A program may set them before an encoder is made.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL

LEAST_SIDE = 64
LARGE = 1280 * 720
EXACT, FAST, EXACT_UP_TO = 8, 12, 640 * 480
"""Presets of SVT-AV1, and the largest picture of the first: those from 9 on leave a block of the picture before in a few of a
hundred, and 8 takes too long for more (docs/decisions/0017-av1-block-by-block.md)."""

_opening = threading.Lock()


@contextmanager
def ordinary_threads() -> Iterator[None]:
    """SVT-AV1, run by root, gives the thread that opens it and those that it starts the highest real-time priority: whatever
    is started from here later would have it too, and nothing else would run. Afterwards all have the priority that this thread
    had before."""
    if not hasattr(os, "sched_getscheduler") or not os.path.isdir("/proc/self/task"):
        yield
        return
    with _opening:
        policy, given, before = os.sched_getscheduler(0), os.sched_getparam(0), set(_threads())
        try:
            yield
        finally:
            for thread in (0, *(set(_threads()) - before)):
                try:
                    if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                        os.sched_setscheduler(thread, policy, given)
                except OSError:
                    continue  # it has ended


def _threads() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/task")]


class Av1Coder(AvCoder):
    """FFmpeg lets nothing of SVT-AV1 change once it runs, and that believes in the frame rate it was opened for: another one
    has it opened again as another bitrate does."""

    def __init__(self, size: tuple[int, int], bps: int, fps: float) -> None:
        super().__init__("libsvtav1", size, bps, fps)
        self._fps = fps
        # It says what it does on stderr, and that it was closed in the middle of a stream, as live ones are.
        os.environ.setdefault("SVT_LOG", "0")
        context = self._context
        context.bit_rate = bps
        area = size[0] * size[1]
        settings = {"rtc": 1, "pred-struct": 1, "rc": 2, "lookahead": 0, "scd": 0, "lp": 1 if area <= LARGE else 2}
        # Else every fourth picture is mixed with those before it, and has blocks of theirs where it differs most.
        settings["enable-tf"] = 0
        params = ":".join(f"{name}={value}" for name, value in settings.items())
        context.options = {"preset": str(EXACT if area <= EXACT_UP_TO else FAST), "svtav1-params": params}
        with ordinary_threads():
            context.open()

    def set_rate(self, bps: int, fps: float) -> bool:
        return super().set_rate(bps, fps) and 1 / CHANGED < fps / self._fps < CHANGED


class Av1Encoder(VideoEncoder):
    """Another size costs a key frame, and so do another bitrate and frame rate. Smaller pictures than SVT-AV1 takes are
    enlarged."""

    CODEC = "av1"
    RATES = __name__

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        width, height = super().size(frame)
        by = min(1.0, width / LEAST_SIDE, height / LEAST_SIDE)
        return max(LEAST_SIDE, scaled(width, by)), max(LEAST_SIDE, scaled(height, by))

    def open(self, size: tuple[int, int], bps: int, fps: float) -> Coder:
        return Av1Coder(size, bps, fps)
