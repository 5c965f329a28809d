"""Frames as arrays: views where the format allows, and what is made of arrays is what they hold."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.media.arrays import image, picture_of, planes, sound, sound_of


@pytest.mark.parametrize(
    ("format", "shapes"),
    [
        ("yuv420p", [(45, 83), (23, 42), (23, 42)]),
        ("nv12", [(45, 83), (23, 42, 2)]),
        ("gray", [(45, 83)]),
        ("rgb24", [(45, 83, 3)]),
        ("bgra", [(45, 83, 4)]),
    ],
)
def test_planes_are_views(format: str, shapes: list[tuple[int, ...]]) -> None:
    frame = av.VideoFrame(83, 45, format)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    found = planes(frame)
    assert [a.shape for a in found] == shapes and all(a.dtype == np.uint8 for a in found)
    for number, array in enumerate(found):
        array[...] = 17 + number
        array.reshape(-1)[:1] if array.flags.c_contiguous else None
        assert bytes(frame.planes[number])[0] == 17 + number  # the frame has it
        assert np.from_dlpack(array).ctypes.data == array.ctypes.data
        assert array[-1].max() == array[0].min() == 17 + number


def test_planes_outlive_the_frame() -> None:
    frame = av.VideoFrame(64, 48, "gray")
    frame.planes[0].update(bytes([9]) * frame.planes[0].buffer_size)
    (array,) = planes(frame)
    del frame
    many = [np.full(64 * 48, 200, np.uint8) for _ in range(100)]
    assert int(array.sum()) == 9 * 64 * 48 and len(many) == 100


def test_formats_without_planes_in_bytes() -> None:
    with pytest.raises(ValueError, match="planes of yuv420p10le are none of yuv420p"):
        planes(av.VideoFrame(64, 48, "yuv420p10le"))


def test_pictures_back_and_forth() -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(0, 256, (48, 64, 3), np.uint8)
    like = av.VideoFrame(64, 48)
    like.pts, like.time_base = 4500, Fraction(1, 90000)
    frame = picture_of(array, like=like)
    assert (frame.pts, frame.time_base, frame.format.name) == (4500, Fraction(1, 90000), "rgb24")
    assert (image(frame) == array).all() and (image(frame, "bgr24") == array[:, :, ::-1]).all()
    assert image(frame, "gray").shape == (48, 64)


@pytest.mark.parametrize(("kind", "format"), [(np.int16, "s16"), (np.float32, "flt")])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_back_and_forth(kind: Any, format: str, channels: int) -> None:
    array = (1000 * np.random.default_rng(2).standard_normal((960, channels)) / (1 if kind is np.int16 else 4000)).astype(kind)
    frame = sound_of(48000, array, pts=960)
    assert (frame.format.name, frame.samples, frame.pts, frame.time_base) == (format, 960, 960, Fraction(1, 48000))
    rate, found = sound(frame)
    assert rate == 48000 and (found == array).all() and found.dtype == kind
    found[0] = 0
    assert (sound(frame)[1][0] == 0).all()  # a view
    planar = av.AudioResampler(format=f"{format}p", layout=frame.layout.name, rate=48000).resample(frame)[0]
    assert (sound(planar)[1] == found).all()


def test_what_is_no_sound() -> None:
    for wrong in (np.zeros((10, 3), np.int16), np.zeros(10, np.int32), np.zeros((2, 2, 2), np.int16)):
        with pytest.raises(ValueError, match="is no sound"):
            sound_of(48000, wrong)
    assert sound_of(8000, np.zeros(160, np.int16)).layout.name == "mono"
