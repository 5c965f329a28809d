"""VP8 and VP9 by libvpx, set up for live pictures: the library itself where the extension was built with it, else PyAV."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .._core import VpxEncoder, vpx_version
from .core import CoreCoder, layers_of
from .encode import USUAL, AvCoder, Coder, VideoEncoder, spare_threads

# aiortc's names. A program may set them before an encoder is made: DEFAULT_BITRATE is at 640 x 480 for who asks for none.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL


@lru_cache
def own_version() -> str:
    """Of the libvpx that encodes, like "v1.12.0"; "" when the extension was built without it, or it is not here."""
    return vpx_version()


class VpxCoder(CoreCoder):
    """Follows bitrate and frame rate without a key frame, in VP9 the size too: then a side is halved at most from one picture
    to the next, and a smaller one is reached in steps."""

    def __init__(self, codec: str, size: tuple[int, int], bps: int, fps: float, layers: int, screen: bool) -> None:
        vp8 = codec == "vp8"
        core = VpxEncoder(
            codec,
            *size,
            bps,
            fps,
            # VP8's spin while they wait for each other: on a busy machine a picture then takes ten times as long.
            threads=1 if vp8 else spare_threads(4),
            layers=layers,
            screen=screen,
            resilient=vp8,  # which costs VP8 nothing, and refreshes what stands still
            drop=True,
        )
        super().__init__(core, size, bps, fps, layers)
        self.resizes = not vp8

    def next_size(self, width: int, height: int) -> tuple[int, int] | None:
        if self.resizes:
            width, height = max(width, half(self.size[0])), max(height, half(self.size[1]))
        return super().next_size(width, height)


def half(side: int) -> int:
    """The least even side that a picture of this side can be predicted for."""
    return (side + 3) // 4 * 2


class AvVpxCoder(AvCoder):
    """libvpx takes no other bitrate through FFmpeg once it runs."""

    def __init__(self, codec: str, size: tuple[int, int], bps: int, fps: float) -> None:
        vp8 = codec == "vp8"
        super().__init__("libvpx" if vp8 else "libvpx-vp9", size, bps, fps, threads=1 if vp8 else 4)
        self._context.bit_rate = bps
        self._context.options = {
            "deadline": "realtime",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "minrate": str(bps),
            "maxrate": str(bps),
            "bufsize": str(bps),
            **({"cpu-used": "-6", "static-thresh": "1"} if vp8 else {"cpu-used": "8", "row-mt": "1"}),
        }


class VpxVideoEncoder(VideoEncoder):
    RATES = __name__

    def __init__(self, fmtp: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(fmtp, **options)
        self.writes = not own_version()

    def open(self, size: tuple[int, int], bps: int, fps: float) -> Coder:
        if self.writes:
            return AvVpxCoder(self.CODEC, size, bps, fps)
        return VpxCoder(self.CODEC, size, bps, fps, layers_of(self.temporal_layers), self.screen)


class Vp8Encoder(VpxVideoEncoder):
    """Another size costs a key frame, at most one in 5 s (`VideoEncoder`)."""

    CODEC = "vp8"


class Vp9Encoder(VpxVideoEncoder):
    """Another size costs none, unless it is larger than the first one since the last time it did."""

    CODEC = "vp9"
