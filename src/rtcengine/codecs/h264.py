"""H.264 by libx264 through PyAV: constrained baseline, no lag; Annex B comes out, with parameter sets in each key frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import av

from ..sdp.h264 import LEVELS, Level, level, receivable
from .bounds import Bounds, blocks
from .encode import USUAL, AvCoder, Coder, Encoded, VideoEncoder
from .h264_hardware import HardwareCoder, tell_once, wanted

# aiortc's names. A program may set them before an encoder is made: DEFAULT_BITRATE is at 640 x 480 for who asks for none.
DEFAULT_BITRATE, MIN_BITRATE, MAX_BITRATE, MAX_FRAME_RATE = USUAL

CEILING = 10_000_000
"""The bitrate that an encoder can be raised to while it runs, unless it begins above half of it: the most of level 3.0."""
HEADROOM_FPS = 60.0
"""The level that pictures say is one for so many a second, or more where there are more, so that a rate that rises needs no
other."""
JITTER = 1.1
"""By how much the measured frame rate may be above that of a level."""
UNIT = 1100
"""The most bytes of a unit that has to fit into a packet."""
BUFFER_S = 0.5
LEAST_BUFFER = 400_000  # bits: of a key frame at a low rate something is still to be seen


class H264Coder(AvCoder):
    """x264 takes another bitrate while it runs only if that is its maximum too (CBR), and none above the maximum that it began
    with. It believes in the frame rate that it was opened for: of fewer frames each gets more. The pictures say the level that
    they need, which is none above the peer's unless they are beyond that."""

    def __init__(self, size: tuple[int, int], bps: int, fps: float, unit: int | None = None, peer: Level | None = None) -> None:
        super().__init__("libx264", size, bps, fps)
        self._fps = fps
        most = max(CEILING, 2 * bps)
        self._blocks = blocks(*size)
        found = least_level(size, max(HEADROOM_FPS, fps), most)
        if peer is not None and found > peer:
            # How often pictures come is seen to before; their times may jitter.
            found = max(peer, least_level(size, 1.0, bps))
        self._level, self._by_peer = found, found == peer
        self._most = most = min(most, found.bps)
        context = self._context
        context.bit_rate = most
        context.options = {
            "profile": "baseline",
            "preset": "veryfast",
            "tune": "zerolatency",
            "maxrate": str(most),
            "bufsize": str(min(found.buffer_bits, max(LEAST_BUFFER, int(bps * BUFFER_S)))),
            "level": found.name,
            "forced-idr": "1",
            "sc_threshold": "0",  # a change of scene is no key frame: those are asked for
            **({"x264-params": f"slice-max-size={unit}"} if unit is not None else {}),
        }
        context.open()
        context.bit_rate = bps

    def set_rate(self, bps: int, fps: float) -> bool:
        beyond = not self._by_peer and self._blocks * fps > JITTER * self._level.second_blocks
        if bps > self._most or beyond:
            return False
        self._context.bit_rate = min(self._most, round(bps * self._fps / fps))
        return True


def least_level(size: tuple[int, int], fps: float, bps: int) -> Level:
    """That such pictures fit into, the highest one where they fit into none."""
    width, height = size
    for one in LEVELS:
        holds = Bounds(one.picture_blocks).holds(width, height)
        if holds and blocks(width, height) * fps <= one.second_blocks and bps <= one.bps:
            return one
    return LEVELS[-1]


class H264Encoder(VideoEncoder):
    """Its bitrate changes without a key frame, up to 10 Mbit/s or twice what it was opened with, and not above the
    peer's level; another size costs one. For a peer that names packetization-mode 0 pictures are cut into slices of a packet
    each.

    With RTCENGINE_H264 encoders in hardware are tried first, in the order named there. What one cannot do x264 does, from there
    on."""

    CODEC = "h264"
    RATES = __name__

    def __init__(self, fmtp: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(fmtp, **options)
        self._unit = UNIT if str(self.fmtp.get("packetization-mode", "1")) == "0" else None
        self._hardware = wanted() if self._unit is None else []
        said = "profile-level-id" in self.fmtp
        self._level = level(self.fmtp) if said else None
        self._peer = receivable(self.fmtp) if said else None

    def _bitrate(self, width: int, height: int) -> int:
        wanted = super()._bitrate(width, height)
        return wanted if self._peer is None else min(wanted, self._peer.bps)

    def open(self, size: tuple[int, int], bps: int, fps: float) -> Coder:
        while self._hardware:
            try:
                return HardwareCoder(self._hardware[0], size, bps, fps)
            except (av.FFmpegError, ValueError) as error:
                self._give_up(error)
        return H264Coder(size, bps, fps, self._unit, self._level)

    def encode(self, frame: av.VideoFrame, force_key: bool = False, *, at: int | None = None) -> list[Encoded]:
        try:
            return super().encode(frame, force_key, at=at)
        except av.FFmpegError as error:
            if not isinstance(self._coder, HardwareCoder):
                raise
            self._give_up(error)
            self._coder = None
            return self.encode(frame, force_key, at=at)

    def _give_up(self, error: Exception) -> None:
        name = self._hardware.pop(0)
        tell_once(name, f"{name} does not encode here, {self._hardware[0] if self._hardware else 'libx264'} does: {error}")
