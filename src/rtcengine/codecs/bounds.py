"""What a receiver can decode, counted as standards count it: in macroblocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

BLOCK = 16
"""Both sides of a macroblock."""


def blocks(width: int, height: int) -> int:
    """How many macroblocks a picture has."""
    return -(-width // BLOCK) * -(-height // BLOCK)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a receiver can decode: macroblocks of a picture and of a second, pictures of a second; None: no word."""

    picture_blocks: int | None = None
    second_blocks: int | None = None
    fps: float | None = None

    def holds(self, width: int, height: int) -> bool:
        """Whether a picture may be so large. No side may be longer than that of a picture eight times as wide as it is high
        (H.264 §A.3.1, RFC 7741 §6.1)."""
        if self.picture_blocks is None:
            return True
        longest = math.isqrt(8 * self.picture_blocks) * BLOCK
        return blocks(width, height) <= self.picture_blocks and max(width, height) <= longest

    def least_scale(self, width: int, height: int) -> float:
        """What both sides have to be divided by at least."""
        if self.holds(width, height):
            return 1.0
        for across in range(-(-width // BLOCK) - 1, 0, -1):
            scale = width / (BLOCK * across)
            if self.holds(BLOCK * across, math.floor(height / scale)):
                return scale
        return float(max(width, height))

    def fps_of(self, width: int, height: int) -> float:
        """How many pictures of this size may come in a second."""
        most = math.inf if self.fps is None else self.fps
        return most if self.second_blocks is None else min(most, self.second_blocks / blocks(width, height))
