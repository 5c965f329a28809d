"""Spectra of sound that overlap by half, and how much of them is noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .blocks import Block, check_rate

Bins = npt.NDArray[np.floating[Any]]


class Spectra:
    """Blocks to spectra and back. A spectrum is of the block and the one before, so what comes back is a block late."""

    def __init__(self, rate: int, channels: int) -> None:
        check_rate(rate)
        self.size = rate // 100
        self.bins = self.size + 1
        self._window = np.sqrt(np.hanning(2 * self.size + 1)[:-1]).astype(np.float32)  # squares add up to 1
        self._before = np.zeros((channels, self.size), np.float32)
        self._over = np.zeros((channels, self.size))

    def read(self, block: Block) -> npt.NDArray[np.complexfloating[Any, Any]]:
        """The spectrum up to this block, a row a channel."""
        both = np.concatenate((self._before, block), axis=1)
        self._before = block
        return np.asarray(np.fft.rfft(both * self._window))

    def write(self, spectrum: npt.NDArray[np.complexfloating[Any, Any]]) -> Block:
        """The block before that which the spectrum was read of."""
        both = np.fft.irfft(spectrum, 2 * self.size) * self._window
        found = self._over + both[:, : self.size]
        self._over = both[:, self.size :]
        return found.astype(np.float32)


class NoiseFloor:
    """The power of noise in each bin, tracked while somebody speaks too: each spectrum counts by how likely it has no speech
    (Gerkmann and Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low tracking delay", 2012)."""

    SPEECH = 31.6  # 15 dB: how far speech is expected to stand above noise
    KEEP, KEEP_LIKELY = 0.87, 0.9  # for 10 ms
    FIRST = 5  # spectra that are taken for noise
    LEAST = 1e-9  # power in a bin: below what 16 bits have

    def __init__(self, bins: int) -> None:
        self.power: Bins = np.full(bins, self.LEAST)
        self._likely: Bins = np.full(bins, 0.5)
        self._seen = 0

    def update(self, power: Bins) -> Bins:
        """What of a spectrum's power is noise."""
        if self._seen < self.FIRST:
            self._seen += 1
            self.power = self.power + (power - self.power) / self._seen
        else:
            ratio = np.minimum(power / self.power, 1000.0)
            speech = 1 / (1 + (1 + self.SPEECH) * np.exp(-ratio * (self.SPEECH / (1 + self.SPEECH))))
            self._likely = self.KEEP_LIKELY * self._likely + (1 - self.KEEP_LIKELY) * speech
            # Never certain for long, or louder noise would be taken for speech for ever.
            speech = np.where(self._likely > 0.99, np.minimum(speech, 0.99), speech)
            self.power = self.power + (1 - self.KEEP) * (1 - speech) * (power - self.power)
        self.power = np.maximum(self.power, self.LEAST)
        return self.power
