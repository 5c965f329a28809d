"""Modes of V4L2 cameras, from tables: no test machine has one. Numbers and structs are those of linux/videodev2.h, the first
camera's table (tests/vectors/c920.txt) is what the driver of a Logitech C920 says, the others' are made up."""

from __future__ import annotations

import errno
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rtcengine.media.devices import v4l2
from rtcengine.media.devices.constraints import parse
from rtcengine.media.devices.select import select_settings
from rtcengine.media.devices.space import Mode, Span, VideoSpace
from rtcengine.media.devices.v4l2 import Camera, read_camera

C920_RATES = Path(__file__).resolve().parents[1] / "vectors" / "c920.txt"


def rates(path: Path) -> dict[str, dict[tuple[int, int], tuple[float, ...]]]:
    """Each format with its sizes, each size with the pictures a second."""
    found: dict[str, dict[tuple[int, int], tuple[float, ...]]] = {}
    for line in path.read_text().splitlines():
        first, *more = line.split()
        if first == "#":
            continue
        if not more:
            sizes = found[first] = {}
        else:
            width, height = map(int, first.split("x"))
            sizes[width, height] = tuple(map(float, more))
    return found


def times(table: dict[str, dict[tuple[int, int], tuple[float, ...]]]) -> dict[str, Any]:
    """As a driver has it: how long a picture lasts."""

    def time(rate: float) -> tuple[int, int]:
        return (1 / Fraction(rate)).as_integer_ratio()

    return {name: {size: tuple(map(time, those)) for size, those in sizes.items()} for name, sizes in table.items()}


C920 = times(rates(C920_RATES))
CAPTURE, METADATA, DEVICE_CAPS = 1, 0x00800000, 0x80000000


def driver(table: dict[str, Any], *, node: int = CAPTURE, whole: int = CAPTURE | METADATA | DEVICE_CAPS) -> v4l2.Ioctl:
    """Answers as a kernel's driver. A size may be six numbers, for any between, and a time six, likewise."""
    formats = list(table)

    def of(request: int, buffer: bytearray) -> bytes:
        if request == v4l2.QUERYCAP:
            names = (b"uvcvideo", b"HD Pro Webcam C920", b"usb-0000:00:14.0-2")
            return struct.pack(v4l2.CAPABILITY, *names, 0x060000, whole, node)
        index = struct.unpack_from("<I", buffer)[0]
        if request == v4l2.ENUM_FMT:
            fourcc = int.from_bytes(formats[index].encode(), "little")
            return struct.pack(v4l2.FORMAT, index, 1, 0, b"described", fourcc, 0)
        fourcc = struct.unpack_from("<I", buffer, 4)[0]
        sizes = table[fourcc.to_bytes(4, "little").decode()]
        if request == v4l2.ENUM_FRAMESIZES:
            size = list(sizes)[index]
            return struct.pack(v4l2.FRAMESIZE, index, fourcc, 1 if len(size) == 2 else 3, *size, *[0] * (6 - len(size)))
        assert request == v4l2.ENUM_FRAMEINTERVALS
        size = struct.unpack_from("<II", buffer, 8)
        times = sizes.get(size) or next(t for s, t in sizes.items() if len(s) == 6)
        time = times[index]
        return struct.pack(v4l2.INTERVAL, index, fourcc, *size, 1 if len(time) == 2 else 3, *time, *[0] * (6 - len(time)))

    def ioctl(request: int, buffer: bytearray) -> None:
        assert len(buffer) == request >> 16 & 0x3FFF  # as the request's number says
        try:
            answer = of(request, buffer)
        except (IndexError, StopIteration):
            raise OSError(errno.EINVAL, "no more") from None
        assert len(answer) == len(buffer)
        buffer[:] = answer

    return ioctl


def test_structs_have_the_sizes_that_the_requests_say() -> None:
    for request, form in (
        (v4l2.QUERYCAP, v4l2.CAPABILITY),
        (v4l2.ENUM_FMT, v4l2.FORMAT),
        (v4l2.ENUM_FRAMESIZES, v4l2.FRAMESIZE),
        (v4l2.ENUM_FRAMEINTERVALS, v4l2.INTERVAL),
    ):
        assert struct.calcsize(form) == request >> 16 & 0x3FFF


def test_a_webcams_modes() -> None:
    camera = read_camera(driver(C920))
    assert camera is not None and (camera.name, camera.bus) == ("HD Pro Webcam C920", "usb-0000:00:14.0-2")
    table = rates(C920_RATES)
    assert camera.modes == tuple(
        Mode(*size, those, pixels)  # H.264 is not taken from cameras
        for name, pixels in (("YUYV", "yuyv422"), ("MJPG", "mjpeg"))
        for size, those in table[name].items()
    )
    assert len(camera.modes) == 19 + 17 and camera.modes[14] == Mode(1280, 720, (10.0, 7.5, 5.0), "yuyv422")


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        (True, Mode(640, 480, (30.0,), "yuyv422")),
        ({"width": 1280, "height": 720}, Mode(1280, 720, (30.0,), "mjpeg")),
        ({"width": 1280, "height": 720, "frameRate": 10}, Mode(1280, 720, (10.0,), "yuyv422")),
        ({"width": 1920, "frameRate": 5}, Mode(1920, 1080, (5.0,), "yuyv422")),
        ({"width": {"min": 2000}}, Mode(2304, 1296, (2.0,), "yuyv422")),
        ({"width": {"min": 2000}, "height": {"min": 1500}}, Mode(2304, 1536, (2.0,), "yuyv422")),
        ({"width": 320, "frameRate": 20}, Mode(320, 240, (20.0,), "yuyv422")),
        ({"width": 960, "height": 720}, Mode(960, 720, (30.0,), "mjpeg")),
        # 2304x1536 has nearly the shape that is wanted, and 2 pictures a second.
        ({"width": 1280, "height": 960}, Mode(1920, 1080, (30.0,), "mjpeg")),
        ({"width": 1000, "height": 700, "frameRate": {"max": 12}}, Mode(1280, 720, (15.0,), "mjpeg")),
    ],
)
def test_what_a_webcam_is_opened_with(given: Any, mode: Mode) -> None:
    camera = read_camera(driver(C920))
    assert camera is not None
    space, constraints = VideoSpace(camera.modes), parse(given)
    chosen = select_settings(space.possible(constraints), constraints, space.rank)
    assert chosen is not None and space.mode_for(chosen) == mode


def test_a_camera_that_takes_any_size() -> None:
    any_rate = ((1, 90, 1, 1, 1, 1),)
    camera = read_camera(driver({"YU12": {(32, 2592, 2, 32, 1944, 2): any_rate}}))
    assert camera is not None
    assert {(m.width, m.height) for m in camera.modes} >= {(320, 180), (640, 480), (1920, 1080), (2592, 1944)}
    assert all(mode.rates == Span(1.0, 90.0) and mode.format == "yuv420p" for mode in camera.modes)
    assert (3840, 2160) not in {(m.width, m.height) for m in camera.modes}


def test_nodes_that_capture_nothing() -> None:
    assert read_camera(driver(C920, node=METADATA)) is None
    assert read_camera(driver({}, whole=CAPTURE)) == Camera("HD Pro Webcam C920", "usb-0000:00:14.0-2", ())
    with pytest.raises(OSError):
        read_camera(refuse)


def refuse(request: int, buffer: bytearray) -> None:
    raise OSError(errno.ENOTTY, "not a typewriter")


def test_a_list_without_end_is_left() -> None:
    honest = driver(C920)

    def ioctl(request: int, buffer: bytearray) -> None:
        if request == v4l2.ENUM_FMT:
            buffer[:4] = bytes(4)  # the first for ever
        honest(request, buffer)

    camera = read_camera(ioctl)
    assert camera is not None and len(camera.modes) == len(C920["YUYV"])


def test_pictures_that_take_no_time_are_none() -> None:
    honest = driver(C920)

    def ioctl(request: int, buffer: bytearray) -> None:
        honest(request, buffer)
        if request == v4l2.ENUM_FRAMEINTERVALS:
            buffer[20:28] = bytes(8)

    camera = read_camera(ioctl)
    assert camera is not None and camera.modes == ()
