"""Frames of any rate, format and layout as blocks of 10 ms, and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Block = npt.NDArray[np.float32]
"""10 ms of sound: a row a channel, samples between -1 and 1."""
RATES = (8000, 16000, 32000, 48000)
USUAL_RATE = 48000


def check_rate(rate: int) -> None:
    """ValueError for one that blocks do not have."""
    if rate not in RATES:
        raise ValueError(f"sound of {rate} Hz is not processed, only of {', '.join(map(str, RATES))}")


class Blocks:
    """Takes frames apart. `rate` and `channels` are the last frame's; another rate than those of RATES becomes 48 kHz."""

    def __init__(self) -> None:
        self.rate, self.channels, self.layout = 0, 0, ""
        self._form: tuple[object, ...] = ()
        self._resampler: av.AudioResampler | None = None
        self._rest: Block = np.zeros((0, 0), np.float32)

    def put(self, frame: av.AudioFrame) -> tuple[bool, Block]:
        """All whole blocks there are now, side by side, and whether they begin anew, in another form. What is over waits for
        the next frame."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        anew = form != self._form
        if anew:
            self._form, self.layout, self.channels = form, frame.layout.name, len(frame.layout.channels)
            self.rate = frame.sample_rate if frame.sample_rate in RATES else USUAL_RATE
            same = frame.sample_rate == self.rate
            self._resampler = None if same else av.AudioResampler("fltp", frame.layout, self.rate)
            self._rest = np.zeros((self.channels, 0), np.float32)
        frames = [frame] if self._resampler is None else self._resampler.resample(frame)
        sound = np.concatenate([self._rest, *(samples(f) for f in frames)], axis=1)
        whole = sound.shape[1] - sound.shape[1] % self.size
        self._rest = sound[:, whole:]
        return anew, sound[:, :whole]

    @property
    def size(self) -> int:
        """Samples of a block."""
        return self.rate // 100

    @property
    def waiting(self) -> int:
        """Samples that no block has had yet."""
        return int(self._rest.shape[1])


def samples(frame: av.AudioFrame) -> Block:
    """A row a channel, between -1 and 1."""
    found: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        found = found.reshape(-1, len(frame.layout.channels)).T
    sound = found.astype(np.float32)
    if found.dtype.kind == "u":
        return (sound - 128) / np.float32(128)
    return sound / np.float32(2.0 ** (8 * found.dtype.itemsize - 1)) if found.dtype.kind == "i" else sound


def to_int16(sound: Block) -> npt.NDArray[np.int16]:
    """What is louder than can be is clipped."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def to_frame(sound: Block, rate: int, layout: str, pts: int) -> av.AudioFrame:
    """16 bits, interleaved, as encoders want it; `pts` in samples."""
    frame = av.AudioFrame.from_ndarray(to_int16(sound).T.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame
