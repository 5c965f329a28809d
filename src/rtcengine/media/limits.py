"""What one encoding of a track may use."""

from __future__ import annotations

from dataclasses import dataclass

from ..codecs.bounds import Bounds

MAINTAIN_FRAMERATE, MAINTAIN_RESOLUTION = "maintain-framerate", "maintain-resolution"
BALANCED, MAINTAIN_BOTH = "balanced", "maintain-framerate-and-resolution"
PREFERENCES = (MAINTAIN_FRAMERATE, MAINTAIN_RESOLUTION, BALANCED, MAINTAIN_BOTH)
"""The W3C's RTCDegradationPreference (mst-content-hint §4.2)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """As W3C's RTCRtpEncodingParameters. `max_bitrate` in bits per second; `scale_down_by` makes both sides smaller;
    `temporal_layers` of VP8, VP9 and AV1: without the highest half of the frames is left. `packet_ms`: how much sound a packet
    holds. `preference`: what is kept when there is too little for all; None: as the track's contentHint says. `bounds`: of the
    receiver."""

    active: bool = True
    max_bitrate: int | None = None
    max_framerate: float | None = None
    scale_down_by: float = 1.0
    temporal_layers: int = 1
    packet_ms: int = 20
    preference: str | None = None
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        if self.max_bitrate is not None and self.max_bitrate <= 0:
            raise ValueError(f"max_bitrate is {self.max_bitrate}, not above 0")
        if self.max_framerate is not None and self.max_framerate < 0:
            raise ValueError(f"max_framerate is {self.max_framerate}, below 0")
        if self.scale_down_by < 1:
            raise ValueError(f"scale_down_by is {self.scale_down_by}, below 1")
        if not 1 <= self.temporal_layers <= 3:
            raise ValueError(f"temporal_layers is {self.temporal_layers}, not 1 to 3")
        if self.packet_ms not in range(10, 61, 10):
            raise ValueError(f"packet_ms is {self.packet_ms}, not 10 to 60 in steps of 10")
        if self.preference is not None and self.preference not in PREFERENCES:
            raise ValueError(f"preference is {self.preference!r}, none of {', '.join(PREFERENCES)}")


class FrameGate:
    """Lets so many frames a second through, evenly."""

    EARLY = 0.1  # of the distance: a source's jitter costs no frame

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._due: float | None = None

    def reset(self) -> None:
        """The next frame passes."""
        self._due = None

    def passes(self, time: int, most: float | None) -> bool:
        """Whether a frame of this time goes on; `most` a second, None: all."""
        if most is None:
            self._due = None
            return True
        if most == 0:
            return False
        distance = self._clock_rate / most
        if self._due is not None and time < self._due - self.EARLY * distance:
            return False
        # Late by more than a distance: what was missed is not made up for.
        self._due = (self._due if self._due is not None and time - self._due < distance else time) + distance
        return True
