"""Frames that nobody else reads: PyAV's encoders change the times and types of what they are given."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter


def own_picture(
    reformatter: VideoReformatter, frame: av.VideoFrame, width: int, height: int, form: str, other: bool = True
) -> av.VideoFrame:
    """The picture in this size and pixel format, always another frame unless `other` is False."""
    picture = reformatter.reformat(frame, width=width, height=height, format=form)
    if picture is not frame or not other:
        return picture
    picture = av.VideoFrame(width, height, form)
    for source, target in zip(frame.planes, picture.planes, strict=True):
        rows = np.frombuffer(memoryview(source), np.uint8).reshape(source.height, source.line_size)
        mine = np.frombuffer(memoryview(target), np.uint8).reshape(target.height, target.line_size)
        used = min(source.line_size, target.line_size)
        mine[:, :used] = rows[:, :used]
    return picture


def own_sound(frame: av.AudioFrame) -> av.AudioFrame:
    """The sound with its time, always another frame."""
    sound = av.AudioFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name, layout=frame.layout.name)
    sound.sample_rate, sound.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        sound.time_base = frame.time_base
    return sound
