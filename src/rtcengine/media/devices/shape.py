"""A device's pictures and sound as one track's settings want them, by FFmpeg's filters."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import Any

import av
import av.filter

from ...codecs.about import about, captured_at, tell
from ..limits import FrameGate
from ..sound.process import Processor, Wanted
from ..track import VIDEO_CLOCK_RATE
from .select import Settings
from .space import NONE

NOTHING = Wanted(high_pass=False, noise_suppression=False, auto_gain=False)


class PictureShape:
    """Fewer and smaller pictures. Nothing is stretched or made up: what does not fit the shape is cut off around the middle."""

    def __init__(self, settings: Settings) -> None:
        self.width, self.height = int(settings["width"]), int(settings["height"])
        # A source's own rate needs no gate, whose pace would only add to its jitter.
        self._most = float(settings["frameRate"]) if settings["resizeMode"] != NONE else None
        self._gate = FrameGate(VIDEO_CLOCK_RATE)
        self._graph: av.filter.Graph | None = None
        self._made_for: tuple[int, int, str] | None = None
        self._lock = threading.Lock()  # two may read one track

    def passes(self, at: int) -> bool:
        """Whether a picture of this time, in units of 1/90000 s, is taken."""
        return self._gate.passes(at, self._most)

    def fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Of the size wanted; the same object where it has that already."""
        if (frame.width, frame.height) == (self.width, self.height):
            return frame
        key = frame.width, frame.height, frame.format.name
        with self._lock:
            if self._graph is None or self._made_for != key:
                self._graph, self._made_for = self._make(*key), key
            self._graph.push(frame)
            fitted = self._graph.pull()
        assert isinstance(fitted, av.VideoFrame)
        fitted.pts, fitted.time_base = frame.pts, frame.time_base
        return fitted

    def _make(self, width: int, height: int, pixels: str) -> av.filter.Graph:
        graph = av.filter.Graph()
        scale = max(self.width / width, self.height / height)
        kept = min(width, round(self.width / scale)), min(height, round(self.height / scale))
        clock = Fraction(1, VIDEO_CLOCK_RATE)
        steps = [
            graph.add_buffer(width=width, height=height, format=av.VideoFormat(pixels), time_base=clock),
            graph.add("crop", f"w={kept[0]}:h={kept[1]}:exact=1"),
            graph.add("scale", f"w={self.width}:h={self.height}"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph


class SoundShape:
    """Sound of the rate, channels and length of a frame wanted; its times count samples."""

    def __init__(self, settings: Settings) -> None:
        self._rate = int(settings["sampleRate"])
        layout = "mono" if settings["channelCount"] == 1 else "stereo"
        length = round(self._rate * settings["latency"])
        self._resampler = av.AudioResampler("s16", layout, self._rate, length)
        self._samples = 0
        self._heard = Fraction(0)  # seconds that were taken
        wanted = Wanted(
            high_pass=settings["noiseSuppression"],
            noise_suppression=settings["noiseSuppression"],
            auto_gain=settings["autoGainControl"],
            echo_cancellation=settings["echoCancellation"],
        )
        self._processor = Processor(wanted) if wanted != NOTHING else None

    def fit(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """What is ready."""
        known, heard = about(frame), self._heard
        self._heard += Fraction(frame.samples, frame.sample_rate)
        better = frame if self._processor is None else self._processor(frame)
        found = self._resampler.resample(better) if better is not None else []
        for out in found:
            out.pts, out.time_base = self._samples, Fraction(1, self._rate)
            if known.captured is not None:
                tell(out, captured_at(known.captured + float(Fraction(self._samples, self._rate) - heard)))
            self._samples += out.samples
        return found

    def played(self, frame: av.AudioFrame) -> None:
        """What a loudspeaker gives now, for echo cancellation."""
        if self._processor is not None:
            self._processor.played(frame)


Shape = PictureShape | SoundShape


def shape_of(kind: str, settings: Settings) -> Any:
    return PictureShape(settings) if kind == "video" else SoundShape(settings)
