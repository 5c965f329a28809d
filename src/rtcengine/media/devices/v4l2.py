"""What a V4L2 camera says of itself: its name and its modes, by the ioctls of linux/videodev2.h."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from .space import Mode, Span, Values

Ioctl = Callable[[int, bytearray], None]
"""Request and its struct, filled in place; OSError as the system's."""

QUERYCAP, ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
CAPABILITY, FORMAT, FRAMESIZE, INTERVAL = "<16s32s32s3I12x", "<3I32s2I12x", "<9I8x", "<11I8x"
VIDEO_CAPTURE = 1
DEVICE_CAPS = 0x80000000
DISCRETE = 1

PIXELS = {
    "YUYV": "yuyv422",
    "UYVY": "uyvy422",
    "NV12": "nv12",
    "YU12": "yuv420p",
    "GREY": "gray",
    "RGB3": "rgb24",
    "BGR3": "bgr24",
    "MJPG": "mjpeg",
    "JPEG": "mjpeg",
}
"""FFmpeg's names of the formats that are taken, the first ones rather: those that are not coded."""
COMMON_SIZES = ((160, 120), (320, 180), (320, 240), (640, 360), (640, 480), (800, 600), (1280, 720), (1920, 1080), (3840, 2160))
"""Of a camera that takes any size."""
MOST = 256
"""Entries of a list that are asked for: a driver that never says that it was the last is cut off."""


@dataclass(frozen=True, slots=True)
class Camera:
    """`bus`: where it is plugged in."""

    name: str
    bus: str
    modes: tuple[Mode, ...]


def read_camera(ioctl: Ioctl) -> Camera | None:
    """None for a node that captures no pictures, as those for metadata. OSError when it does not answer."""
    _, card, bus, _, all_nodes, this_node = struct.unpack(CAPABILITY, _ask(ioctl, QUERYCAP, bytes(104)))
    if not (this_node if all_nodes & DEVICE_CAPS else all_nodes) & VIDEO_CAPTURE:
        return None
    modes: dict[tuple[int, int, str], Values] = {}
    for fourcc in _formats(ioctl):
        name = fourcc.to_bytes(4, "little").decode("ascii", "replace")
        if name in PIXELS:
            for width, height in _sizes(ioctl, fourcc):
                rates = _rates(ioctl, fourcc, width, height)
                if rates != ():
                    modes.setdefault((width, height, PIXELS[name]), rates)
    order = list(PIXELS.values())
    found = sorted(modes.items(), key=lambda item: order.index(item[0][2]))
    return Camera(_text(card), _text(bus), tuple(Mode(w, h, rates, pixels) for (w, h, pixels), rates in found))


def _formats(ioctl: Ioctl) -> Iterator[int]:
    for answer in _list(ioctl, ENUM_FMT, lambda i: struct.pack(FORMAT, i, VIDEO_CAPTURE, 0, b"", 0, 0)):
        yield struct.unpack(FORMAT, answer)[4]


def _sizes(ioctl: Ioctl, fourcc: int) -> Iterator[tuple[int, int]]:
    for answer in _list(ioctl, ENUM_FRAMESIZES, lambda i: struct.pack(FRAMESIZE, i, fourcc, *[0] * 7)):
        _, _, kind, *n = struct.unpack(FRAMESIZE, answer)
        if kind == DISCRETE:
            yield n[0], n[1]
            continue
        narrow, wide, step, low, high, rise = n
        step, rise = step or 1, rise or 1
        yield from (
            (w, h)
            for w, h in (*(c for c in COMMON_SIZES if c != (wide, high)), (wide, high))
            if narrow <= w <= wide and low <= h <= high and (w - narrow) % step == 0 and (h - low) % rise == 0
        )
        return


def _rates(ioctl: Ioctl, fourcc: int, width: int, height: int) -> Values:
    """A driver tells how long a picture lasts."""
    found: list[float] = []
    for answer in _list(ioctl, ENUM_FRAMEINTERVALS, lambda i: struct.pack(INTERVAL, i, fourcc, width, height, *[0] * 7)):
        _, _, _, _, kind, *n = struct.unpack(INTERVAL, answer)
        if not n[0] or not n[1]:
            continue
        if kind != DISCRETE:
            return Span(float(Fraction(n[3], n[2] or 1)), float(Fraction(n[1], n[0])))
        found.append(float(Fraction(n[1], n[0])))
    return tuple(sorted(set(found), reverse=True))


def _list(ioctl: Ioctl, request: int, make: Callable[[int], bytes]) -> Iterator[bytes]:
    for index in range(MOST):
        try:
            yield _ask(ioctl, request, make(index))
        except OSError:
            return


def _ask(ioctl: Ioctl, request: int, argument: bytes) -> bytes:
    buffer = bytearray(argument)
    ioctl(request, buffer)
    return bytes(buffer)


def _text(value: bytes) -> str:
    return value.split(b"\0")[0].decode("utf-8", "replace")
