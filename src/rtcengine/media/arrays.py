"""Frames as NumPy arrays, and arrays as frames. What is a view shares the frame's memory, which lives as long as the array; who
writes to it writes to the frame. NumPy's arrays speak DLPack: `torch.from_dlpack(planes(frame)[0])` copies nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_STEPS = {  # bytes of a pixel in each plane, and what each plane's sides are divided by
    "yuv420p": ((1, 1), (1, 2), (1, 2)),
    "yuvj420p": ((1, 1), (1, 2), (1, 2)),
    "nv12": ((1, 1), (2, 2)),
    "nv21": ((1, 1), (2, 2)),
    "gray": ((1, 1),),
    "rgb24": ((3, 1),),
    "bgr24": ((3, 1),),
    "rgba": ((4, 1),),
    "bgra": ((4, 1),),
    "argb": ((4, 1),),
}

_SAMPLES = {"s16": np.int16, "flt": np.float32, "s32": np.int32, "dbl": np.float64, "u8": np.uint8}


def planes(frame: av.VideoFrame) -> tuple[NDArray[np.uint8], ...]:
    """Views of a picture's planes, uint8. yuv420p: Y (height, width), U and V (height/2, width/2), halves rounded up; nv12: Y,
    and UV (height/2, width/2, 2); gray: (height, width); rgb24, bgr24: (height, width, 3); rgba, bgra, argb: (height, width,
    4). Rows may lie further apart than they are long. ValueError for another format: `frame.reformat` makes one of these."""
    steps = _STEPS.get(frame.format.name)
    if steps is None:
        raise ValueError(f"planes of {frame.format.name} are none of {', '.join(_STEPS)}")
    found = []
    for plane, (pixel, by) in zip(frame.planes, steps, strict=True):
        height, width = -(-frame.height // by), -(-frame.width // by)
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * pixel]  # type: ignore[call-overload]
        found.append(rows if pixel == 1 else rows.reshape(height, width, pixel, copy=False))
    return tuple(found)


def image(frame: av.VideoFrame, format: str = "rgb24") -> NDArray[np.uint8]:
    """The picture as one array of its own: rgb24, bgr24 (height, width, 3), rgba (height, width, 4), gray (height, width)."""
    return np.ascontiguousarray(frame.to_ndarray(format=format))


def sound(frame: av.AudioFrame) -> tuple[int, NDArray[Any]]:
    """Samples a second, and a view of the samples (samples, channels) in the frame's own type: int16 for s16, float32 for flt,
    int32 for s32; of planar formats (s16p, fltp) a copy. What others call a rate and an array."""
    channels = frame.layout.nb_channels
    kind = _SAMPLES.get(frame.format.packed.name)
    if kind is None:
        raise ValueError(f"samples of {frame.format.name} have no type in NumPy")
    if frame.format.is_planar and channels > 1:
        each = [np.frombuffer(plane, kind)[: frame.samples] for plane in frame.planes]  # type: ignore[call-overload]
        return frame.sample_rate, np.stack(each, axis=1)
    whole = np.frombuffer(frame.planes[0], kind)  # type: ignore[call-overload]
    return frame.sample_rate, whole[: frame.samples * channels].reshape(frame.samples, channels)


def picture_of(array: NDArray[np.uint8], format: str = "rgb24", *, like: av.VideoFrame | None = None) -> av.VideoFrame:
    """A picture of an array as `image` gives it, at the time of `like`."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=format)
    if like is not None:
        frame.pts = like.pts
        if like.time_base is not None:
            frame.time_base = like.time_base
    return frame


def sound_of(rate: int, array: NDArray[Any], *, pts: int | None = None) -> av.AudioFrame:
    """Sound of an array of (samples,) or (samples, channels), one or two of them, int16 or float32 from -1 to 1. `pts` counts
    samples."""
    if array.ndim == 1:
        array = array[:, None]
    formats = {np.dtype(np.int16): "s16", np.dtype(np.float32): "flt"}
    if array.ndim != 2 or array.shape[1] not in (1, 2) or array.dtype not in formats:
        raise ValueError(f"{array.dtype} of shape {array.shape} is no sound: int16 or float32 of (samples, 1 or 2)")
    layout = "stereo" if array.shape[1] == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(array).reshape(1, -1), format=formats[array.dtype], layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame
