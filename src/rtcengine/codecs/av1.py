"""AV1 by libaom, set up for live pictures: OBUs with their sizes, a sequence header in each key frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .._core import AomEncoder, aom_version
from .core import CoreCoder, layers_of
from .encode import USUAL, Coder, VideoEncoder, spare_threads

# As in the other codecs' modules. A program may set them before an encoder is made.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL

FINEST, COARSEST = 10, 63  # quantizers


@lru_cache
def own_version() -> str:
    """Of the libaom that encodes, like "v3.6.0"; "" when the extension was built without it, or it is not here: nothing else
    encodes AV1 then."""
    return aom_version()


class Av1Encoder(VideoEncoder):
    """Another size costs a key frame."""

    CODEC = "av1"
    RATES = __name__

    def __init__(self, fmtp: Mapping[str, Any] | None = None, **options: Any) -> None:
        if not own_version():
            raise RuntimeError("AV1 is encoded by libaom, which is not here: install libaom-dev and build again")
        super().__init__(fmtp, **options)
        self.writes = False

    def open(self, size: tuple[int, int], bps: int, fps: float) -> Coder:
        layers = layers_of(self.temporal_layers)
        core = AomEncoder(
            "av1",
            *size,
            bps,
            fps,
            threads=spare_threads(4),
            layers=layers,
            min_q=FINEST,
            max_q=COARSEST,
            screen=self.screen,
            drop=True,
        )
        return CoreCoder(core, size, bps, fps, layers)
