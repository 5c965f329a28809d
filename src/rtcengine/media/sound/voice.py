"""Whether somebody speaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...codecs.loudness import dbov, mean_square
from .blocks import RATES, Block
from .spectrum import Bins, NoiseFloor, Spectra


class VoiceDetector:
    """Speech stands out of noise in part of the spectrum: the likelihood ratio of both, averaged over the bins of speech (Sohn,
    Kim and Sung 1999). `speaking` stays for `hangover` blocks of 10 ms, over the pauses within words. Noise that begins is
    taken for speech for about a second."""

    BAND = (150.0, 4000.0)
    LEAST = -60  # dBov; what is softer is no speech
    REMEMBER = 0.9

    def __init__(self, rate: int, channels: int = 1, *, threshold: float = 0.7, hangover: int = 15) -> None:
        self._spectra = Spectra(rate, channels)
        low, high = (round(hertz * 2 / 100) for hertz in self.BAND)
        self._band = slice(low, min(high, self._spectra.bins))
        self._floor = NoiseFloor(self._spectra.bins)
        self._threshold, self._hangover = threshold, hangover
        self._left = 0
        self._was: Bins = np.zeros(self._spectra.bins)
        self.speaking = False
        self.ratio = 0.0

    def __call__(self, block: Block) -> bool:
        """With this block."""
        spectrum = self._spectra.read(block)
        power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
        ratio = np.minimum(power / self._floor.update(power), 1000.0)
        likely = self.REMEMBER * self._was + (1 - self.REMEMBER) * np.maximum(ratio - 1, 0) + 1e-3
        share = likely / (1 + likely)
        self._was = share * share * ratio
        self.ratio = float((ratio * share - np.log1p(likely))[self._band].mean())
        if self.ratio > self._threshold and dbov(mean_square(block)) >= self.LEAST:
            self._left = self._hangover + 1
        self._left = max(0, self._left - 1)
        self.speaking = self._left > 0
        return self.speaking


class Listener:
    """A VoiceDetector for who has samples in rows of a time each, 20 ms at a time."""

    def __init__(self) -> None:
        self._detector: VoiceDetector | None = None

    def __call__(self, samples: npt.NDArray[Any], rate: int) -> bool:
        """Whether somebody speaks in any of them. False for a rate that cannot be looked at."""
        if rate not in RATES:
            return False
        if self._detector is None:
            self._detector = VoiceDetector(rate)
        sound = samples.mean(axis=1, dtype=np.float32)[np.newaxis] / np.float32(32768)
        size = rate // 100
        heard = [self._detector(sound[:, at : at + size]) for at in range(0, sound.shape[1] - size + 1, size)]
        return any(heard)
