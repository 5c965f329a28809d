"""H.264 by encoders in hardware that FFmpeg knows, for who asks for them in RTCENGINE_H264, like "h264_nvenc,h264_v4l2m2m"."""

from __future__ import annotations

import logging
import os

from .encode import AvCoder

log = logging.getLogger("rtcengine.codecs")

VARIABLE = "RTCENGINE_H264"

# Options for pictures that go out as they come.
HARDWARE: dict[str, dict[str, str]] = {
    "h264_nvenc": {
        "preset": "p3",
        "tune": "ull",
        "profile": "baseline",
        "rc": "cbr",
        "delay": "0",
        "zerolatency": "1",
        "forced-idr": "1",
    },
    "h264_amf": {"usage": "ultralowlatency", "profile": "constrained_baseline", "rc": "cbr", "forced_idr": "1"},
    "h264_videotoolbox": {"realtime": "1", "profile": "constrained_baseline", "prio_speed": "1"},
    "h264_v4l2m2m": {},
    "h264_vaapi": {"profile": "constrained_baseline", "rc_mode": "CBR", "async_depth": "1"},
}

_told: set[str] = set()


def wanted() -> list[str]:
    """What the environment names, the first choice first."""
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if name not in HARDWARE:
            tell_once(name, f"{VARIABLE} names {name}, but {', '.join(HARDWARE)} are known")
    return [name for name in names if name in HARDWARE]


def tell_once(name: str, text: str) -> None:
    """Once in a process: every stream would say the same."""
    if name not in _told:
        _told.add(name)
        log.warning("%s", text)


class HardwareCoder(AvCoder):
    """What it cannot do is said when it is made, by FFmpeg's error, or a ValueError where FFmpeg was built without it."""

    def __init__(self, name: str, size: tuple[int, int], bps: int, fps: float) -> None:
        super().__init__(name, size, bps, fps)
        self.name = name
        self._context.bit_rate = bps
        self._context.max_b_frames = 0
        self._context.options = {**HARDWARE[name], "maxrate": str(bps), "bufsize": str(bps // 2)}
        self._context.open()
