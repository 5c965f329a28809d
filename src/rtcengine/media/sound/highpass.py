"""What lies below speech goes: rumble, wind, direct current."""

from __future__ import annotations

import math

import numpy as np

from .blocks import Block, check_rate


class HighPass:
    """A second-order Butterworth high-pass, 12 dB an octave below `cutoff` Hz. No delay to speak of."""

    STEP = 40  # samples that one product deals with: a part of a block at every rate

    def __init__(self, rate: int, channels: int = 1, cutoff: float = 80.0) -> None:
        check_rate(rate)
        if not 0 < cutoff < rate / 2:
            raise ValueError(f"a cutoff of {cutoff} Hz is not between 0 and half of {rate}")
        b, a = _butterworth(cutoff / rate)
        # A recursion by samples would be slow in Python. The same filter in state space, STEP samples at a time, in rows:
        # out = state @ seen + in @ through; state = state @ carry + in @ entered.
        step, enter = np.array([[-a[1], 1.0], [-a[2], 0.0]]), np.array([b[1] - a[1] * b[0], b[2] - a[2] * b[0]])
        powers = [np.linalg.matrix_power(step, n) for n in range(self.STEP + 1)]
        answer = [b[0], *(float((power @ enter)[0]) for power in powers[: self.STEP - 1])]
        many = range(self.STEP)
        self._through = np.array([[answer[y - x] if y >= x else 0.0 for y in many] for x in many])
        self._seen = np.array([powers[y][0] for y in many]).T
        self._carry = powers[self.STEP].T
        self._entered = np.array([powers[self.STEP - 1 - x] @ enter for x in many])
        self._state = np.zeros((channels, 2))

    def __call__(self, block: Block) -> Block:
        """The block, filtered."""
        parts = block.reshape(len(block), -1, self.STEP)
        found, entered = parts @ self._through, parts @ self._entered
        for n in range(parts.shape[1]):
            found[:, n] += self._state @ self._seen
            self._state = self._state @ self._carry + entered[:, n]
        return np.asarray(found.reshape(block.shape), np.float32)


def _butterworth(frequency: float) -> tuple[list[float], list[float]]:
    """Coefficients of numerator and denominator; `frequency` as a part of the sampling rate."""
    w = math.tan(math.pi * frequency)
    norm = 1 / (1 + math.sqrt(2) * w + w * w)
    return [norm, -2 * norm, norm], [1.0, 2 * (w * w - 1) * norm, (1 - math.sqrt(2) * w + w * w) * norm]
