"""How loud sound is, as RFC 6464 and webrtc-stats count it: the mean square against that of the loudest signal there can be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SILENCE = -127
"""dBov of silence, and the least that there is (RFC 6464 §3)."""


def dbov(mean_square: float) -> int:
    """Of samples between -1 and 1: 0, as loud as can be, to -127."""
    return SILENCE if mean_square <= 10 ** (SILENCE / 10) else min(0, round(10 * math.log10(mean_square)))


def linear(level: int) -> float:
    """The W3C's audioLevel of a level in dBov: 0 to 1 (webrtc §5.4)."""
    return 0.0 if level <= SILENCE else float(10 ** (level / 20))


def mean_square(samples: npt.NDArray[Any]) -> float:
    """Of samples of any shape, as loud as 1 at most. Integers are taken for what PyAV's formats of their size mean."""
    if not samples.size:
        return 0.0
    single = samples.reshape(-1).astype(np.float32, copy=False)  # six digits are enough
    full = 1.0
    if samples.dtype.kind == "u":
        single, full = single - 128, 128.0
    elif samples.dtype.kind == "i":
        full = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return min(1.0, float(np.dot(single, single)) / single.size / full**2)


@dataclass(slots=True)
class Loudness:
    """Of all sound so far, as webrtc-stats has it: `level` of the latest, linear; `energy`, the sum of level² by seconds, and
    `seconds`."""

    level: float = 0.0
    energy: float = 0.0
    seconds: float = 0.0

    def add(self, square: float, seconds: float) -> None:
        """Sound of this mean square."""
        self.level = math.sqrt(square)
        self.energy += square * seconds
        self.seconds += seconds
