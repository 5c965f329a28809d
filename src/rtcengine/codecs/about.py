"""What is known of a frame beside its picture or sound: when it was captured, how it is turned."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class About:
    """`capture_time`: Unix time of its capture by the clock of who captured it, None while that is not known. `captured`: the
    same in time.monotonic(), of what this program captured. `rotation`: degrees clockwise (0, 90, 180, 270) that bring a
    picture upright."""

    capture_time: float | None = None
    captured: float | None = None
    rotation: int = 0


UNKNOWN = About()


def about(frame: Any) -> About:
    """Of an av.VideoFrame or av.AudioFrame. What is made of a frame by FFmpeg's filters, or by `reformat`, has it still; of
    others nothing is known but what is in them: a picture of a phone's file says how it is turned."""
    told = frame.opaque
    if isinstance(told, About):
        return told
    turned = -getattr(frame, "rotation", 0) % 360
    return About(rotation=turned) if turned in (90, 180, 270) else UNKNOWN


def tell(frame: Any, known: About) -> None:
    """Of a frame that is made just now."""
    # A copy of its own: PyAV keeps what a frame has by its address, and lets go of it with the first of two that have the same.
    frame.opaque = About(known.capture_time, known.captured, known.rotation)


def pass_on(frame: Any, made: Any) -> None:
    """What is known of a frame is so of what is made of it, but for the moment, which goes with their times."""
    known = about(frame)
    if known.capture_time is None or frame.pts is None or made.pts is None:
        return
    late = float(made.pts * made.time_base - frame.pts * frame.time_base)
    captured = None if known.captured is None else known.captured + late
    tell(made, replace(known, capture_time=known.capture_time + late, captured=captured))


def captured_at(moment: float) -> About:
    """Of what was captured here at a time of time.monotonic()."""
    return About(time.time() - time.monotonic() + moment, moment)
