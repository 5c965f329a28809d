"""Noise that goes on is taken out of sound."""

from __future__ import annotations

import numpy as np

from .blocks import Block
from .spectrum import Bins, NoiseFloor, Spectra


class NoiseSuppressor:
    """Takes `strength` dB of steady noise at most, by a Wiener filter of spectra of 20 ms, the signal-to-noise ratio being that
    of the decision before (Ephraim and Malah 1984). All channels are filtered alike. What comes out is 10 ms late."""

    REMEMBER = 0.95
    LEAST_RATIO = 10 ** (-25 / 10)

    def __init__(self, rate: int, channels: int = 1, strength: float = 12.0) -> None:
        if not 0 < strength <= 40:
            raise ValueError(f"{strength} dB of noise suppression is not between 0 and 40")
        self._spectra = Spectra(rate, channels)
        self._floor = NoiseFloor(self._spectra.bins)
        self._least = 10 ** (-strength / 20)
        self._was: Bins = np.zeros(self._spectra.bins)  # speech's share of the last spectrum, in units of its noise

    def __call__(self, block: Block) -> Block:
        """The block before, without its noise."""
        spectrum = self._spectra.read(block)
        power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
        ratio = power / self._floor.update(power)
        likely = self.REMEMBER * self._was + (1 - self.REMEMBER) * np.maximum(ratio - 1, 0)
        likely = np.maximum(likely, self.LEAST_RATIO)
        gain = likely / (1 + likely)
        self._was = gain * gain * ratio
        return self._spectra.write(spectrum * np.maximum(gain, self._least))
