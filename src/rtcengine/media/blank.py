"""What a disabled track is sent as (W3C mediacapture-main §4.3.1): black, and silence."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

BLACK, GREY = 16, 128
BLACK_FRAMERATE = 1.0


def blank(frame: av.VideoFrame | av.AudioFrame) -> Any:
    """Of the frame's size, or of its length and form."""
    if isinstance(frame, av.VideoFrame):
        picture = np.full((frame.height // 2 * 3, frame.width & ~1), GREY, np.uint8)
        picture[: frame.height // 2 * 2] = BLACK
        return av.VideoFrame.from_ndarray(picture, format="yuv420p")
    silence = av.AudioFrame(format=frame.format.name, layout=frame.layout.name, samples=frame.samples)
    for plane in silence.planes:
        plane.update(bytes(plane.buffer_size))
    silence.sample_rate = frame.sample_rate
    return silence
