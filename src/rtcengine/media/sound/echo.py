"""What the loudspeaker plays is taken out of what the microphone hears, where the extra `apm` is installed."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from .blocks import Block, check_rate

MISSING = "echo cancellation needs the extra apm: pip install 'rtcengine[apm]'"


@functools.cache
def echo_cancellation_available() -> bool:
    """Whether EchoCanceller can be made: the extra `apm` (pywebrtc-audio, libwebrtc's AEC3) is installed."""
    try:
        importlib.import_module("pywebrtc_audio")
    except ImportError:
        return False
    return True


class EchoCanceller:
    """libwebrtc's AEC3. `play` is told what is played, when it is played; `delay_ms`: how long that takes to be heard, where
    that is known; else it is found out. A high-pass is part of it."""

    MOST = 25  # blocks played that no block heard has been matched with

    def __init__(self, rate: int, channels: int = 1, *, delay_ms: int = 0) -> None:
        check_rate(rate)
        if not echo_cancellation_available():
            raise RuntimeError(MISSING)
        library: Any = importlib.import_module("pywebrtc_audio")
        self._canceller = library.EchoCanceller(rate, channels, delay_ms)
        self._shape = (channels, rate // 100)
        self._played: list[Block] = []

    def play(self, block: Block) -> None:
        """A block that is played now, in as many channels."""
        self._played.append(block)
        del self._played[: -self.MOST]

    def __call__(self, block: Block) -> Block:
        """A block that is heard, without echo."""
        far = self._played.pop(0) if self._played else np.zeros(self._shape, np.float32)
        near = np.ascontiguousarray(block.T).reshape(-1)
        found = self._canceller.process(near, np.ascontiguousarray(far.T).reshape(-1))
        return np.asarray(found, np.float32).reshape(-1, self._shape[0]).T
