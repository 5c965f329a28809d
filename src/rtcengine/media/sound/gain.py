"""Everybody is as loud as everybody else, and nothing clips."""

from __future__ import annotations

import math

import numpy as np

from ...codecs.loudness import mean_square
from .blocks import Block

SILENT_DB = -120.0


class GainControl:
    """Brings speech to `target` dBov, raising it by `most` dB at most. The level of speech is learnt from blocks in which
    somebody speaks; gain goes down fast and up slowly, and stays where it is meanwhile. What else is heard is not raised above
    `noise` dBov. A Limiter keeps peaks below full scale."""

    UP, UP_FIRST, DOWN = 0.12, 0.4, 0.6  # dB in 10 ms; UP_FIRST during the first FIRST blocks with speech
    FIRST = 150
    LEARN, LEARN_LOUD = 0.02, 0.15  # of a block's difference, softer or louder than speech so far
    LEARN_SOFT = 0.05  # dB
    LEARN_NOISE = 0.01

    def __init__(self, rate: int, *, target: float = -20.0, most: float = 30.0, noise: float = -50.0) -> None:
        self._target, self._most, self._noise = target, most, noise
        self._speech: float | None = None  # dBov
        self._background = SILENT_DB
        self._heard = 0
        self._limiter = Limiter(rate)
        self.gain = 0.0
        """In dB, that of the last block."""

    def __call__(self, block: Block, speaking: bool) -> Block:
        """The block; `speaking`: whether speech is in it."""
        square = mean_square(block)
        level = 10 * math.log10(square) if square > 0 else SILENT_DB
        before = self.gain
        self._learn(max(level, SILENT_DB), speaking)
        if self._speech is not None:
            wanted = min(self._most, self._target - self._speech)
            if wanted > 0:
                wanted = max(0.0, min(wanted, self._noise - self._background))
            if speaking or wanted < self.gain:
                up = self.UP_FIRST if self._heard < self.FIRST else self.UP
                self.gain += min(up, max(-self.DOWN, wanted - self.gain))
        ramp = np.linspace(10 ** (before / 20), 10 ** (self.gain / 20), block.shape[1] + 1, dtype=np.float32)[1:]
        return self._limiter(block * ramp)

    def _learn(self, level: float, speaking: bool) -> None:
        if not speaking:
            # Down at once, up slowly: what is between words is not all background.
            self._background += (level - self._background) * (self.LEARN_NOISE if level > self._background else 0.2)
            return
        self._heard += 1
        if self._speech is None:
            self._speech = level
        elif level > self._speech - 12:
            self._speech += (level - self._speech) * (self.LEARN_LOUD if level > self._speech + 6 else self.LEARN)
        elif level > self._background + 10:  # somebody who is softer, or the end of a word; below, a pause
            self._speech -= self.LEARN_SOFT


class Limiter:
    """No sample is above `top` dBov. The gain is lowered at once and comes back by `BACK` dB in a millisecond."""

    BACK = 0.1

    def __init__(self, rate: int, top: float = -1.0) -> None:
        self._size = rate // 1000
        self._top = 10 ** (top / 20)
        self._back = 10 ** (self.BACK / 20)
        self._gain = 1.0

    def __call__(self, block: Block) -> Block:
        """The block, limited."""
        if self._gain == 1.0 and abs(block).max(initial=0.0) <= self._top:
            return block
        peaks = abs(block).reshape(len(block), -1, self._size).max(axis=(0, 2))
        allowed = np.minimum(1.0, self._top / np.maximum(peaks, 1e-9))
        # The gain at the edges of milliseconds, straight in between: on neither side above what is allowed there.
        edges = np.minimum(np.append(allowed[:1], allowed), np.append(allowed, 1.0))
        edges[0] = min(edges[0], self._gain)
        for n in range(1, len(edges)):
            edges[n] = min(edges[n], edges[n - 1] * self._back)
        self._gain = float(edges[-1])
        places = np.arange(block.shape[1], dtype=np.float32) / self._size
        gains: Block = np.interp(places, np.arange(len(edges)), edges).astype(np.float32)
        return block * gains
