"""H.264 by libx264 through PyAV: constrained baseline, no lag; Annex B comes out, with parameter sets in each key frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encode import USUAL, VideoEncoder

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

# aiortc's names. A program may set them before an encoder is made: DEFAULT_BITRATE is at 640 x 480 for who asks for none.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL

HEADROOM = 4
"""How often the bitrate fits into the most that a running encoder can be raised to."""


class H264Encoder(VideoEncoder):
    """Its bitrate changes without a key frame, up to four times what it was at a change of size."""

    CODEC = "libx264"
    RATES = __name__

    def _tune(self, context: VideoCodecContext, bps: int) -> None:
        # x264 takes another bitrate only while that is its maximum too (CBR), and none above the maximum that it began with.
        self._most = most = bps * HEADROOM
        context.bit_rate = most
        context.options = {
            "profile": "baseline",
            "preset": "veryfast",
            "tune": "zerolatency",
            "maxrate": str(most),
            "bufsize": str(most // 4),
            "forced-idr": "1",
            "sc_threshold": "0",  # a change of scene is no key frame: those are asked for
        }
        context.open()
        context.bit_rate = bps

    def _retune(self, context: VideoCodecContext, bps: int) -> bool:
        if bps > self._most:
            return False
        context.bit_rate = bps
        return True
