"""A level meter."""

from __future__ import annotations

import av

from ...codecs.loudness import SILENCE, dbov, linear, mean_square
from .blocks import samples


class LevelMeter:
    """How loud frames are: `level` in dBov (RFC 6464), `linear` from 0 to 1 as the W3C's audioLevel, of the latest; `peak`, the
    greatest sample since `reset`, from 0 to 1."""

    def __init__(self) -> None:
        self.level = SILENCE
        self.peak = 0.0

    @property
    def linear(self) -> float:
        return linear(self.level)

    def __call__(self, frame: av.AudioFrame) -> int:
        """Of this frame, in dBov."""
        sound = samples(frame)
        self.level = dbov(mean_square(sound))
        if sound.size:
            self.peak = max(self.peak, float(abs(sound).max()))
        return self.level

    def reset(self) -> None:
        """Peaks are counted from now on."""
        self.peak = 0.0
