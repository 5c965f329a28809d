"""Sound of any rate and layout as packets of 20 ms: Opus, G.711 and G.722."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from .decode import TELEPHONE
from .encode import Encoded, rtp_time
from .loudness import Loudness, dbov, mean_square

Samples = npt.NDArray[np.int16]


class SoundEncoder(ABC):
    """The common part: frames are brought to the codec's rate and channels, and cut into packets. Where the frames' times leave
    out more than `SLACK_MS`, packets begin anew at the new time; what is less is taken for jitter of the source. Times that go
    back go on where the last frame ended."""

    SLACK_MS = 60

    def __init__(self, rate: int, channels: int, clock_rate: int | None = None) -> None:
        """`clock_rate`: of RTP, where that is not the samples'."""
        self.rate, self.channels = rate, channels
        self.clock_rate = clock_rate if clock_rate is not None else rate
        self.packet = rate // 50
        self.loudness = Loudness()
        self.heard: list[tuple[int, bool]] = []
        """Of each packet that `encode` gave last: its level in dBov, and whether `hears`, where that is there, hears speech."""
        self.hears: Callable[[Samples, int], bool] | None = None  # of samples and their rate: whether somebody speaks in them
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self._rest: Samples = np.zeros((0, channels), np.int16)
        self._at: int | None = None  # time of the first sample of the rest
        self._due = 0  # time at which the next frame goes on
        self._shift = 0  # of times that went back

    def set_bitrate(self, bps: int | None) -> None:
        """Nothing, for a codec that has one rate."""
        return

    def encode(self, frame: av.AudioFrame, force_key: bool = False, *, at: int | None = None) -> list[Encoded]:
        """Packets that are full with this frame; the rest waits for the next one."""
        self.heard = []
        if at is not None:
            at = at * self.rate // self.clock_rate
        else:
            at = rtp_time(frame, self.rate) if frame.pts is not None else self._due - self._shift
        slack, late = self.SLACK_MS * self.rate // 1000, at + self._shift - self._due
        found = []
        if self._at is None or late > slack:
            found = self._cut(flush=True)
            self._at = self._due = at + self._shift
        elif late < -slack:
            self._shift -= late
        self._rest = np.concatenate((self._rest, self._samples(frame)))
        self._due += frame.samples * self.rate // frame.sample_rate
        return found + self._cut(flush=False)

    def _cut(self, flush: bool) -> list[Encoded]:
        found = []
        while len(self._rest) >= self.packet or (flush and len(self._rest)):
            now, self._rest = self._rest[: self.packet], self._rest[self.packet :]
            if len(now) < self.packet:
                now = np.concatenate((now, np.zeros((self.packet - len(now), self.channels), np.int16)))
            assert self._at is not None
            square = mean_square(now)
            self.loudness.add(square, self.packet / self.rate)
            voice = self.hears(now, self.rate) if self.hears is not None else False
            at = self._at * self.clock_rate // self.rate
            found.append(Encoded(self._packet(now), at, True))
            self.heard.append((dbov(square), voice))
            self._at += self.packet
        return found

    def _samples(self, frame: av.AudioFrame) -> Samples:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        layout = "stereo" if self.channels == 2 else "mono"
        if form == ("s16", layout, self.rate):
            return self._rows(frame)
        if self._resampler is None or form != self._form:
            self._resampler, self._form = av.AudioResampler("s16", layout, self.rate), form
        rows = [self._rows(f) for f in self._resampler.resample(frame)]
        return np.concatenate(rows) if rows else np.zeros((0, self.channels), np.int16)

    def _rows(self, frame: av.AudioFrame) -> Samples:
        return frame.to_ndarray().reshape(-1, self.channels).astype(np.int16, copy=False)

    @abstractmethod
    def _packet(self, samples: Samples) -> bytes:
        """One packet of just its size."""


class OpusStream(SoundEncoder):
    """Opus by the receiver's wishes (RFC 7587 §6.1): one channel unless it says stereo=1, maxaveragebitrate, in-band FEC."""

    MONO, STEREO, LEAST, MOST = 48_000, 96_000, 6_000, 510_000  # bits per second

    def __init__(self, fmtp: Mapping[str, Any] | None = None) -> None:
        from .opus import OpusEncoder

        said = fmtp or {}
        super().__init__(48000, 2 if str(said.get("stereo", "0")) == "1" else 1)
        usual = self.STEREO if self.channels == 2 else self.MONO
        most = str(said.get("maxaveragebitrate", ""))
        self._most = min(self.MOST, max(self.LEAST, int(most))) if most.isdecimal() else self.MOST
        self._usual = min(usual, self._most)
        self._encoder = OpusEncoder(channels=self.channels, bitrate=self._usual, fec=str(said.get("useinbandfec", "0")) == "1")

    def set_bitrate(self, bps: int | None) -> None:
        """At once; what the receiver and Opus allow is kept to."""
        self._encoder.bitrate = self._usual if bps is None else min(self._most, max(self.LEAST, bps))

    def _packet(self, samples: Samples) -> bytes:
        return self._encoder.encode(samples)


class TelephoneStream(SoundEncoder):
    """PCMU, PCMA or G.722, one channel."""

    def __init__(self, codec: str) -> None:
        name, rate = TELEPHONE[codec.lower()]
        super().__init__(rate, 1, clock_rate=8000)
        context: Any = av.CodecContext.create(name, "w")
        context.sample_rate, context.layout, context.format = rate, "mono", "s16"
        context.time_base = Fraction(1, rate)
        self._context = context

    def _packet(self, samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.rate
        return b"".join(bytes(p) for p in self._context.encode(frame))
