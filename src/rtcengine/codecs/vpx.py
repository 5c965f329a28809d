"""VP8 and VP9 by libvpx through PyAV, set up for live pictures: no lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encode import USUAL, VideoEncoder

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

# aiortc's names. A program may set them before an encoder is made: DEFAULT_BITRATE is at 640 x 480 for who asks for none.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL


class Vp8Encoder(VideoEncoder):
    """libvpx takes no other bitrate through FFmpeg once it runs: it is opened again, which costs a key frame."""

    CODEC = "libvpx"
    RATES = __name__
    MOST_THREADS = 1  # they spin while they wait for each other: on a busy machine a picture then takes ten times as long

    def _tune(self, context: VideoCodecContext, bps: int) -> None:
        context.bit_rate = bps
        context.options = {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "minrate": str(bps),
            "maxrate": str(bps),
            "bufsize": str(bps),
            "static-thresh": "1",
        }


class Vp9Encoder(VideoEncoder):
    """One layer, as Vp8Encoder."""

    CODEC = "libvpx-vp9"
    RATES = __name__

    def _tune(self, context: VideoCodecContext, bps: int) -> None:
        context.bit_rate = bps
        context.options = {
            "deadline": "realtime",
            "cpu-used": "8",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "row-mt": "1",
            "minrate": str(bps),
            "maxrate": str(bps),
            "bufsize": str(bps),
        }
