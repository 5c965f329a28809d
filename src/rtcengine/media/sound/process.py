"""A track whose sound is made better on its way."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import av
import numpy as np

from ...codecs.about import pass_on
from ...codecs.loudness import SILENCE, dbov, mean_square
from ..derived import DerivedTrack
from ..track import Done, MediaStreamTrack
from .blocks import Block, Blocks, samples, to_frame
from .echo import MISSING, EchoCanceller, echo_cancellation_available
from .gain import GainControl
from .highpass import HighPass
from .noise import NoiseSuppressor
from .voice import VoiceDetector


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is done to sound, named as W3C's constraints are."""

    high_pass: bool = True
    noise_suppression: bool = True
    auto_gain: bool = True
    echo_cancellation: bool = False


class Chain:
    """All that is wanted, block by block, in the order in which it has to be: echo, high-pass, voice, noise, gain."""

    def __init__(self, rate: int, channels: int, wanted: Wanted) -> None:
        self.echo = EchoCanceller(rate, channels) if wanted.echo_cancellation else None
        self._high_pass = HighPass(rate, channels) if wanted.high_pass else None
        self._voice = VoiceDetector(rate, channels)
        self._noise = NoiseSuppressor(rate, channels) if wanted.noise_suppression else None
        self._gain = GainControl(rate) if wanted.auto_gain else None

    @property
    def speaking(self) -> bool:
        return self._voice.speaking

    def __call__(self, block: Block) -> Block:
        if self.echo is not None:
            block = self.echo(block)
        if self._high_pass is not None:
            block = self._high_pass(block)
        speaking = self._voice(block)
        if self._noise is not None:
            block = self._noise(block)
        return self._gain(block, speaking) if self._gain is not None else block


class Processor:
    """Frames in, frames out: of 10 ms or multiples of it, 16 bits, in the source's channels and rate (48 kHz for rates that
    are not processed). One thread gives frames; any may tell `played`. `level` (dBov): of the latest."""

    def __init__(self, wanted: Wanted) -> None:
        if wanted.echo_cancellation and not echo_cancellation_available():
            raise RuntimeError(MISSING)
        self.level = SILENCE
        self._wanted = wanted
        self._blocks = Blocks()
        self._chain: Chain | None = None
        self._far: av.AudioResampler | None = None
        self._far_rest: Block = np.zeros((0, 0), np.float32)
        self._lock = threading.Lock()
        self._pts = 0

    @property
    def speaking(self) -> bool:
        return self._chain is not None and self._chain.speaking

    def played(self, frame: av.AudioFrame) -> None:
        """What is played now, of any rate and layout. Does nothing without echo cancellation, and before a frame was given."""
        with self._lock:
            if self._chain is None or self._chain.echo is None:
                return
            if self._far is None:
                self._far = av.AudioResampler("fltp", self._blocks.layout, self._blocks.rate)
            rows = [self._far_rest, *(samples(f) for f in self._far.resample(frame))]
            sound, size = np.concatenate(rows, axis=1), self._blocks.size
            whole = sound.shape[1] - sound.shape[1] % size
            for at in range(0, whole, size):
                self._chain.echo.play(sound[:, at : at + size])
            self._far_rest = sound[:, whole:]

    def __call__(self, frame: av.AudioFrame, *, silent: bool = False) -> av.AudioFrame | None:
        """None while less than 10 ms are there. `silent`: silence in its place."""
        with self._lock:
            anew, sound = self._blocks.put(frame)
            rate, size = self._blocks.rate, self._blocks.size
            if anew:
                self._chain = Chain(rate, self._blocks.channels, self._wanted)
                self._far, self._far_rest = None, np.zeros((self._blocks.channels, 0), np.float32)
            assert self._chain is not None
            if not sound.shape[1]:
                return None
            if silent:
                sound = np.zeros_like(sound)
            blocks = [self._chain(sound[:, at : at + size]) for at in range(0, sound.shape[1], size)]
        sound = np.concatenate(blocks, axis=1)
        self.level = dbov(mean_square(sound))
        if frame.pts is not None and frame.time_base is not None:
            end = round(frame.pts * frame.time_base * rate) + frame.samples * rate // frame.sample_rate
            self._pts = end - self._blocks.waiting - sound.shape[1]
        found = to_frame(sound, rate, self._blocks.layout, self._pts)
        self._pts += sound.shape[1]
        pass_on(frame, found)
        return found


class ProcessedTrack(DerivedTrack):
    """Reads a track of sound for whoever reads this one; stopping either stops both. Frames are those of a Processor.
    `speaking` and `level` (dBov): of the latest. For echo cancellation `played` has to be told what the loudspeaker gets. Any
    thread may call `played` and read these two, besides what a MediaStreamTrack allows."""

    def __init__(self, track: MediaStreamTrack, wanted: Wanted) -> None:
        if track.kind != "audio":
            raise ValueError(f"a track of {track.kind} is no sound to be processed")
        self._processor = Processor(wanted)
        super().__init__(track, track, "audio")

    @property
    def speaking(self) -> bool:
        return self._processor.speaking

    @property
    def level(self) -> float:
        return self._processor.level

    async def _process(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        found = self._processor(frame, silent=not self._track.enabled)
        return [] if found is None else [found]

    def played(self, frame: av.AudioFrame) -> None:
        """What is played now, of any rate and layout. Does nothing without echo cancellation, and before a frame was read."""
        self._processor.played(frame)

    def stop(self) -> Done:
        super().stop()
        if self._track.readyState == "live":
            self._track.stop()
        return Done()


def process(
    track: MediaStreamTrack,
    *,
    high_pass: bool = True,
    noise_suppression: bool = True,
    auto_gain: bool = True,
    echo_cancellation: bool = False,
) -> ProcessedTrack:
    """The track with its sound made better. RuntimeError for echo cancellation where `echo_cancellation_available()` is not."""
    return ProcessedTrack(track, Wanted(high_pass, noise_suppression, auto_gain, echo_cancellation))
