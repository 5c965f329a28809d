"""Encoders: PyAV frames in, encoded frames with their RTP times out. Each belongs to one stream and one thread at a time."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import av
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from ..payload import TemporalLayer
from .framerate import FrameRate
from .own import own_picture
from .registry import new_encoder

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

VIDEO_CLOCK = 90_000
LEAST_BITRATE = 30_000
STEP_S = 5
"""Of the frames' time, between two key frames that only another size costs."""
SAME_SHAPE = 0.02
"""How much longer one side may be for a picture to be of the same shape."""


class Encoded(NamedTuple):
    """One encoded frame; `timestamp` in units of its codec's RTP clock, not wrapped; `layer` of one in layers."""

    data: bytes
    timestamp: int
    key: bool
    layer: TemporalLayer | None = None


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


class Coder(Protocol):
    """What encodes pictures, opened for a size. The pictures it gets are I420 in its `size`; it may write no byte of them.
    `resizes`: another size costs no key frame."""

    size: tuple[int, int]
    resizes: bool

    def encode(self, picture: av.VideoFrame, time: int, key: bool) -> list[Encoded]: ...

    def next_size(self, width: int, height: int) -> tuple[int, int] | None:
        """The size of the next picture on the way to the one that is wanted, which it is now ready for; None: it has to be
        opened again for that, which costs a key frame."""

    def set_rate(self, bps: int, fps: float) -> bool:
        """From the next picture on; False: it has to be opened again for that."""

    def set_screen(self, on: bool) -> None: ...


class VideoEncoder(ABC):
    """The common part of video encoders: what is wanted, and pictures of even size for a coder that keeps to it; a codec's own
    class has `open`. No key frames but the first, those asked for and where the coder is opened again. The frames given are
    not touched: others may be reading them. Bitrate and frame rate, which is told from the frames' times, are followed from
    one frame to the next, and so is the size where that is free. Where it costs a key frame the newest wish waits until the
    last one was met `STEP_S` ago, or a key frame is due anyway; pictures have the size of before meanwhile. A picture of
    another shape, of a screen that turned, is not made to fit: its size is taken at once."""

    CODEC = ""  # as SDP names it, in lower case
    RATES = ""  # the module with its constants, where that has some

    def __init__(self, fmtp: Mapping[str, Any] | None = None, *, fps: int | None = None, bitrate: int | None = None) -> None:
        """`fmtp`: the peer's format parameters."""
        self.fmtp = dict(fmtp or {})
        self.rates = self._rates()
        self.fps = fps if fps is not None else self.rates.max_frame_rate
        self.scale_down_by = 1.0  # both sides
        self.screen = False  # text and sharp edges, mostly still
        self.temporal_layers = 1  # of VP8, VP9 and AV1, up to 3
        self.writes = True  # the coder changes the picture that it gets, or keeps it
        self._wanted = bitrate
        self._coder: Coder | None = None
        self._opened: tuple[int, bool] = (1, False)  # layers and screen, as the coder has them
        self._shape = 0, 0  # of the frames that the coder's size was chosen for
        self._stepped: int | None = None  # when a size cost a key frame, in the RTP clock
        self._frame_rate = FrameRate(self.fps, VIDEO_CLOCK)
        self._reformatter = VideoReformatter()

    def set_bitrate(self, bps: int | None) -> None:
        self._wanted = bps

    @property
    def bitrate(self) -> int:
        """What is aimed at, in bits per second."""
        return self._bitrate(*self._coder.size) if self._coder is not None else max(LEAST_BITRATE, self._wanted or 0)

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height that a frame shall go out with."""
        return scaled(frame.width, self.scale_down_by), scaled(frame.height, self.scale_down_by)

    @property
    def coded_size(self) -> tuple[int, int] | None:
        """Width and height of the last picture, which may be on their way to those that are wanted; None before the first."""
        return self._coder.size if self._coder is not None else None

    def encode(self, frame: av.VideoFrame, force_key: bool = False, *, at: int | None = None) -> list[Encoded]:
        """One encoded frame for each; none where the bitrate has no room for it."""
        time = rtp_time(frame, VIDEO_CLOCK) if at is None else at
        coder = self._ready(frame, time, self._frame_rate.on(time), force_key)
        return coder.encode(own_picture(self._reformatter, frame, *coder.size, "yuv420p", self.writes), time, force_key)

    def _ready(self, frame: av.VideoFrame, time: int, fps: float, key: bool) -> Coder:
        coder, wanted = self._coder, self.size(frame)
        if coder is not None and self._opened[0] != self.temporal_layers:
            coder = None
        size = wanted
        if coder is not None and wanted != coder.size and not (coder.resizes or key):
            if not coder.set_rate(self._bitrate(*coder.size), fps):
                coder = None  # with a key frame whatever the size
            elif self._may_step(frame, time):
                self._stepped = time
            else:
                size = coder.size
        bps = self._bitrate(*size)
        if coder is not None and (coder.next_size(*size) is None or not coder.set_rate(bps, fps)):
            coder = None
        if coder is None:
            self._coder = coder = self.open(size, bps, fps)
        elif self._opened[1] != self.screen:
            coder.set_screen(self.screen)
        if size == wanted:
            self._shape = frame.width, frame.height
        self._opened = self.temporal_layers, self.screen
        return coder

    def _may_step(self, frame: av.VideoFrame, time: int) -> bool:
        if self._stepped is None or not 0 <= time - self._stepped < STEP_S * VIDEO_CLOCK:
            return True
        width, height = self._shape
        return abs(frame.width * height - width * frame.height) > SAME_SHAPE * frame.width * height

    def _bitrate(self, width: int, height: int) -> int:
        return default_bitrate(width, height, self.rates) if self._wanted is None else max(LEAST_BITRATE, self._wanted)

    @classmethod
    def _rates(cls) -> Rates:
        """Read when an encoder is made: programs set the constants of its module."""
        if not cls.RATES:
            return USUAL
        module = sys.modules[cls.RATES]
        return Rates(module.DEFAULT_BITRATE, module.MIN_BITRATE, module.MAX_BITRATE, module.MAX_FRAME_RATE)

    @abstractmethod
    def open(self, size: tuple[int, int], bps: int, fps: float) -> Coder:
        """What encodes pictures of this size at this rate."""


def spare_threads(most: int) -> int:
    """There are other streams, and the engine."""
    return max(1, min(most, (os.cpu_count() or 1) // 2))


class AvCoder:
    """A coder of PyAV's. Another size, and another bitrate unless its class can do better, has it opened again."""

    resizes = False
    HYSTERESIS = 0.1  # of the bitrate: a change by less is not worth a key frame

    def __init__(self, name: str, size: tuple[int, int], bps: int, fps: float, *, threads: int = 4) -> None:
        context: VideoCodecContext = av.CodecContext.create(name, "w")  # type: ignore[assignment]
        self.size = size
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, VIDEO_CLOCK), Fraction(fps).limit_denominator(1000)
        context.gop_size = 3000
        context.thread_count = 1 if size[0] * size[1] <= 1280 * 720 else spare_threads(threads)
        self._context = context
        self._bps = bps

    def encode(self, picture: av.VideoFrame, time: int, key: bool) -> list[Encoded]:
        # A decoder's picture has the type that it was sent as, which would be asked for here.
        picture.pict_type = PictureType.I if key else PictureType.NONE
        picture.pts, picture.time_base = time, Fraction(1, VIDEO_CLOCK)
        return [Encoded(bytes(p), p.pts if p.pts is not None else time, p.is_keyframe) for p in self._context.encode(picture)]

    def next_size(self, width: int, height: int) -> tuple[int, int] | None:
        return self.size if self.size == (width, height) else None

    def set_rate(self, bps: int, fps: float) -> bool:
        return abs(bps - self._bps) <= self.HYSTERESIS * self._bps

    def set_screen(self, on: bool) -> None:
        """There is nothing to set."""


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
    return new_encoder(codec, fmtp)
