"""Encoders of the extension, which call a codec's library: they follow what FFmpeg would have to open it again for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..payload import TemporalLayer
from .encode import Encoded

if TYPE_CHECKING:
    import av

    from .._core import CoreEncoder

MOST_LAYERS = 3


class CoreCoder:
    """Follows bitrate and frame rate without a key frame, and a size with the cost that its library says."""

    resizes = False

    def __init__(self, core: CoreEncoder, size: tuple[int, int], bps: int, fps: float, layers: int) -> None:
        self._core = core
        self.size = size
        self._layered = layers > 1
        self._rate = bps, fps

    def encode(self, picture: av.VideoFrame, time: int, key: bool) -> list[Encoded]:
        planes = picture.planes
        found = self._core.encode(planes, [plane.line_size for plane in planes], time, key)
        if found is None:
            return []
        data, time, key, layer = found
        return [Encoded(data, time, key, TemporalLayer(*layer) if self._layered else None)]

    def next_size(self, width: int, height: int) -> tuple[int, int] | None:
        if (width, height) != self.size:
            self._core.set_size(width, height)
            self.size = width, height
        return self.size

    def set_rate(self, bps: int, fps: float) -> bool:
        if (bps, fps) != self._rate:
            self._core.set_rate(bps, fps)
            self._rate = bps, fps
        return True

    def set_screen(self, on: bool) -> None:
        self._core.set_screen(on)


def layers_of(wanted: int) -> int:
    return max(1, min(wanted, MOST_LAYERS))
