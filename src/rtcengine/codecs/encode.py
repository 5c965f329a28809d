"""Encoders: PyAV frames in, encoded frames with their RTP times out. Each belongs to one stream and one thread at a time."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import av
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from .decode import TELEPHONE
from .own import own_picture

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

VIDEO_CLOCK = 90_000
LEAST_BITRATE = 30_000


class Encoded(NamedTuple):
    """One encoded frame; `timestamp` in units of its codec's RTP clock, not wrapped."""

    data: bytes
    timestamp: int
    key: bool


class Rates(NamedTuple):
    """What an encoder takes when nobody has said: `default` at 640 x 480, by the size else, within `least` and `most`."""

    default: int
    least: int
    most: int
    max_frame_rate: int


USUAL = Rates(737_280, 200_000, 2_500_000, 30)


class Encoder(Protocol):
    """`encode` gives what is ready with this frame. The size, format or rate of frames may change at any time. `at`: the
    frame's time in the codec's RTP clock, for who does not go by its `pts`."""

    def encode(self, frame: Any, force_key: bool = False, *, at: int | None = None) -> list[Encoded]: ...

    def set_bitrate(self, bps: int | None) -> None:
        """In bits per second; None: what suits the frames."""


class VideoEncoder(ABC):
    """The common part of video encoders: I420 of even size for a PyAV codec that is opened again when the size changes, and
    no key frames but the first and those asked for. The frames given are not touched: others may be reading them."""

    CODEC = ""
    RATES = ""  # the module with its constants
    MOST_THREADS = 4

    def __init__(self, *, fps: int | None = None, bitrate: int | None = None) -> None:
        self.rates = self._rates()
        self.fps = fps if fps is not None else self.rates.max_frame_rate
        self.scale_down_by = 1.0  # both sides
        self._wanted = bitrate
        self._context: VideoCodecContext | None = None
        self._opened = 0  # bitrate
        self._reformatter = VideoReformatter()

    def set_bitrate(self, bps: int | None) -> None:
        self._wanted = bps

    @property
    def bitrate(self) -> int:
        """What is aimed at, in bits per second."""
        if self._wanted is not None:
            return max(LEAST_BITRATE, self._wanted)
        return default_bitrate(self._context.width, self._context.height, self.rates) if self._context is not None else 0

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height that a frame goes out with."""
        return scaled(frame.width, self.scale_down_by), scaled(frame.height, self.scale_down_by)

    def encode(self, frame: av.VideoFrame, force_key: bool = False, *, at: int | None = None) -> list[Encoded]:
        """One encoded frame for each."""
        width, height = self.size(frame)
        if self._context is None or (self._context.width, self._context.height) != (width, height):
            self._open(width, height)
        elif self.bitrate != self._opened:
            if not self._retune(self._context, self.bitrate):
                self._open(width, height)
            self._opened = self.bitrate
        context = self._context
        assert context is not None
        picture = own_picture(self._reformatter, frame, width, height, "yuv420p")
        # A decoder's picture has the type that it was sent as, which would be asked for here.
        picture.pict_type = PictureType.I if force_key else PictureType.NONE
        picture.pts = rtp_time(frame, VIDEO_CLOCK) if at is None else at
        picture.time_base = Fraction(1, VIDEO_CLOCK)
        return [Encoded(bytes(p), p.pts if p.pts is not None else picture.pts, p.is_keyframe) for p in context.encode(picture)]

    def _open(self, width: int, height: int) -> None:
        context: VideoCodecContext = av.CodecContext.create(self.CODEC, "w")  # type: ignore[assignment]
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, VIDEO_CLOCK), Fraction(self.fps)
        context.gop_size = 3000
        spare = max(1, (os.cpu_count() or 1) // 2)  # there are other streams, and the engine
        context.thread_count = 1 if width * height <= 1280 * 720 else min(self.MOST_THREADS, spare)
        self._context = context
        self._opened = self.bitrate
        self._tune(context, self._opened)

    @classmethod
    def _rates(cls) -> Rates:
        """Read when an encoder is made: programs set the constants of its module."""
        module = sys.modules[cls.RATES]
        return Rates(module.DEFAULT_BITRATE, module.MIN_BITRATE, module.MAX_BITRATE, module.MAX_FRAME_RATE)

    @abstractmethod
    def _tune(self, context: VideoCodecContext, bps: int) -> None:
        """Options of a codec that is not open yet."""

    def _retune(self, context: VideoCodecContext, bps: int) -> bool:
        """Another bitrate for a codec that runs; False when it has to be opened again, which costs a key frame."""
        return False


def scaled(side: int, by: float) -> int:
    """Even, for the chroma of 4:2:0."""
    return max(2, int(side / by) & ~1)


def default_bitrate(width: int, height: int, rates: Rates | None = None) -> int:
    """For who has not said: by default 740 kbit/s at 640 x 480, 2.2 Mbit/s at 1280 x 720."""
    by = rates if rates is not None else USUAL
    return min(by.most, max(by.least, round(by.default * width * height / (640 * 480))))


def rtp_time(frame: Any, clock_rate: int) -> int:
    """A frame's time in a codec's clock; 0 of a frame that has none."""
    pts, base = frame.pts, frame.time_base  # each reading makes a Fraction anew
    if pts is None or base is None:
        return 0
    time, rest = divmod(pts * base.numerator * clock_rate, base.denominator)
    # round() of the fraction, without making one for each frame.
    return int(time + (2 * rest > base.denominator or (2 * rest == base.denominator and time & 1)))


def make_encoder(codec: str, fmtp: Mapping[str, Any] | None = None) -> Encoder:
    """The encoder for a codec as SDP names it, with the peer's format parameters. ValueError for one that is not known."""
    from . import h264, sound, vpx

    name = codec.lower()
    if name == "opus":
        return sound.OpusStream(fmtp)
    if name in TELEPHONE:
        return sound.TelephoneStream(name)
    video: dict[str, Callable[[], VideoEncoder]]
    video = {"vp8": vpx.Vp8Encoder, "vp9": vpx.Vp9Encoder, "h264": h264.H264Encoder}
    if name not in video:
        raise ValueError(f"codec {codec!r}: opus, PCMU, PCMA, G722, VP8, VP9 and H264 can be encoded")
    return video[name]()
