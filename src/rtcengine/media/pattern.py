"""A test picture and a test tone: something moves, a clock runs, and a machine can read the frame's number."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

# 5x7 glyphs, a row a number, the highest of 5 bits at the left.
_GLYPHS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    ":": (0, 4, 4, 0, 4, 4, 0),
    ".": (0, 0, 0, 0, 0, 12, 12),
    "#": (10, 10, 31, 10, 31, 10, 10),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
# Y, U, V of eight bars from white to black (BT.601, 75 %).
_BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (16, 128, 128),
)
CODE_BITS = 32

Plane = npt.NDArray[np.uint8]


def _text(text: str, scale: int) -> npt.NDArray[np.bool_]:
    rows = [[int(bit) for c in text for bit in f"{_GLYPHS[c][row]:05b}0"] for row in range(7)]
    return np.kron(np.array(rows, dtype=bool), np.ones((scale, scale), dtype=bool))


class Pattern:
    """I420 pictures, shape (height * 3 / 2, width), width and height even and at least 160 x 120.

    Colour bars, a bar that sweeps across, the time of day, the frame's number in digits, and below them the number once
    more as 32 black or white blocks, highest bit left, which `read_number` finds again after coding and scaling.
    """

    def __init__(self, width: int = 640, height: int = 360) -> None:
        if width % 2 or height % 2 or width < 160 or height < 120:
            raise ValueError(f"width and height must be even and at least 160 x 120, not {width} x {height}")
        self.width = width
        self.height = height
        self._base = np.zeros((height * 3 // 2, width), dtype=np.uint8)
        luma, u, v = self._planes(self._base)
        for i, (y_value, u_value, v_value) in enumerate(_BARS):
            left, right = i * width // 8, (i + 1) * width // 8
            luma[:, left:right] = y_value
            u[:, left // 2 : right // 2] = u_value
            v[:, left // 2 : right // 2] = v_value

    def _planes(self, picture: Plane) -> tuple[Plane, Plane, Plane]:
        w, h = self.width, self.height
        flat = picture.reshape(-1)
        chroma = flat[w * h :].reshape(2, h // 2, w // 2)
        return picture[:h], chroma[0], chroma[1]

    def frame(self, number: int, wall: float | None = None) -> Plane:
        """The picture with this number; `wall` is seconds since 1970, now when it is None."""
        picture = self._base.copy()
        luma, u, v = self._planes(picture)
        w, h = self.width, self.height
        wall = time.time() if wall is None else wall
        sweep = (number * max(2, w // 160)) % w
        luma[: h * 3 // 4, sweep : sweep + w // 40] = 235
        scale = max(1, w // 120)
        clock = time.strftime("%H:%M:%S", time.localtime(wall)) + f".{int(wall * 1000) % 1000:03d}"
        self._write(luma, u, v, _text(clock, scale), h // 6)
        self._write(luma, u, v, _text(f"#{number % 10**8}", scale), h // 6 + 9 * scale)
        self._code(luma, u, v, number)
        return picture

    def video_frame(self, number: int, pts: int, wall: float | None = None) -> av.VideoFrame:
        """The same as PyAV has it, its time in 1/90000 s."""
        import av

        frame = av.VideoFrame.from_ndarray(self.frame(number, wall), format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        return frame

    def _write(self, luma: Plane, u: Plane, v: Plane, mask: npt.NDArray[np.bool_], top: int) -> None:
        rows, columns = mask.shape
        left = max(0, (self.width - columns) // 2) & ~1
        top &= ~1
        border = 4
        box = slice(max(0, top - border), top + rows + border), slice(max(0, left - border), left + columns + border)
        luma[box] = 16
        for plane in (u, v):
            plane[box[0].start // 2 : box[0].stop // 2, box[1].start // 2 : box[1].stop // 2] = 128
        area = luma[top : top + rows, left : left + columns]
        area[mask[:, : area.shape[1]]] = 235

    def _code(self, luma: Plane, u: Plane, v: Plane, number: int) -> None:
        top, block = self.height * 7 // 8, self.width // CODE_BITS
        for plane in (u, v):
            plane[top // 2 :, :] = 128
        luma[top:, :] = 16
        for bit in range(CODE_BITS):
            if number >> (CODE_BITS - 1 - bit) & 1:
                luma[top:, bit * block : (bit + 1) * block] = 235


def read_number(luma: Plane) -> int:
    """The frame's number from the luma plane (height, width) of a Pattern picture, also a scaled or coded one."""
    height, width = luma.shape
    rows = luma[height * 15 // 16 - height // 64 : height * 15 // 16 + height // 64]
    number = 0
    for bit in range(CODE_BITS):
        left, right = bit * width // CODE_BITS, (bit + 1) * width // CODE_BITS
        middle = rows[:, left + (right - left) // 4 : right - (right - left) // 4]
        number = number << 1 | int(middle.mean() > 125)
    return number


class Tone:
    """A soft chord that beeps once a second: int16 samples of shape (samples, channels), 48 kHz, without a break from one
    call to the next."""

    def __init__(self, *, channels: int = 2, sample_rate: int = 48000) -> None:
        self.channels = channels
        self.sample_rate = sample_rate
        self._position = 0

    def samples(self, count: int) -> npt.NDArray[np.int16]:
        at = (self._position + np.arange(count)) / self.sample_rate
        self._position += count
        wave = 0.05 * np.sin(2 * np.pi * 220 * at) + 0.03 * np.sin(2 * np.pi * 330 * at)
        wave += np.where(at % 1.0 < 0.1, 0.2 * np.sin(2 * np.pi * 880 * at), 0.0)
        return np.repeat((wave * 32767).astype(np.int16)[:, None], self.channels, axis=1)
