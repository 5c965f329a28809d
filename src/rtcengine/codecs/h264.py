"""H.264 by libx264 through PyAV: constrained baseline, no lag, no spontaneous key frames; Annex B comes out."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType


class H264Encoder:
    """Encodes I420 pictures of one size. `bitrate` is in bits per second. Parameter sets come with each key frame."""

    def __init__(self, width: int, height: int, *, fps: int = 30, bitrate: int = 800_000) -> None:
        codec = av.CodecContext.create("libx264", "w")
        codec.width = width
        codec.height = height
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, 90_000)
        codec.framerate = Fraction(fps, 1)
        codec.bit_rate = bitrate
        codec.gop_size = 3000
        codec.options = {
            "profile": "baseline",
            "preset": "veryfast",
            "tune": "zerolatency",
            "maxrate": str(bitrate),
            "bufsize": str(bitrate),
            "forced-idr": "1",
        }
        self._codec = codec

    def encode(self, picture: npt.NDArray[np.uint8], timestamp: int, *, key: bool = False) -> list[tuple[bytes, bool]]:
        """Encoded frames with whether each is a key frame, as Vp8Encoder gives them."""
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = timestamp
        frame.pict_type = PictureType.I if key else PictureType.NONE
        return [(bytes(packet), packet.is_keyframe) for packet in self._codec.encode(frame)]
