"""Sound of any rate and layout as packets of 10 to 60 ms: Opus, G.711 and G.722."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

from . import opus
from .decode import TELEPHONE
from .encode import Encoded, rtp_time
from .loudness import Loudness, dbov, mean_square

Samples = npt.NDArray[np.int16]
USUAL_MS = 20


class Heard(NamedTuple):
    """Of one packet: its `level` in dBov, whether somebody speaks (`voice`), whether it is the first after silence
    (`begins`)."""

    level: int
    voice: bool
    begins: bool


class SoundEncoder(ABC):
    """The common part: frames are brought to the codec's rate and channels, and cut into packets. Where the frames' times leave
    out more than `SLACK_MS`, packets begin anew at the new time; what is less is taken for jitter of the source. Times that go
    back go on where the last frame ended."""

    SLACK_MS = 60

    def __init__(self, rate: int, channels: int, clock_rate: int | None = None) -> None:
        """`clock_rate`: of RTP, where that is not the samples'."""
        self.rate, self.channels = rate, channels
        self.clock_rate = clock_rate if clock_rate is not None else rate
        self.packet = rate * USUAL_MS // 1000
        self.loudness = Loudness()
        self.heard: list[Heard] = []
        """Of each packet that `encode` gave last; voice by `hears`, where that is there."""
        self.hears: Callable[[Samples, int], bool] | None = None  # of samples and their rate: whether somebody speaks in them
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self._rest: Samples = np.zeros((0, channels), np.int16)
        self._at: int | None = None  # time of the first sample of the rest
        self._due = 0  # time at which the next frame goes on
        self._shift = 0  # of times that went back
        self._quiet = True  # nothing was sent last

    def set_bitrate(self, bps: int | None) -> None:
        """Nothing, for a codec that has one rate."""
        return

    def set_packet_ms(self, ms: int) -> None:
        """How much each packet holds from the next one on."""
        self.packet = self.rate * ms // 1000

    def set_loss(self, percent: int) -> None:
        """How many packets are lost on the way: nothing, for a codec that can do nothing about it."""
        return

    def set_hint(self, hint: str) -> None:
        """What it sounds like, as MediaStreamTrack.contentHint says it: nothing, for a codec to which all sounds are alike."""
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
            self._at += len(now)
            if data := self._packet(now):
                found.append(Encoded(data, at, True))
                self.heard.append(Heard(dbov(square), voice, self._quiet))
            self._quiet = not data
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
        """One packet of just its size; no bytes: it is not to be sent, being silence."""


class OpusStream(SoundEncoder):
    """Opus by the receiver's wishes (RFC 7587 §6.1): one channel unless it says stereo=1, maxaveragebitrate, maxplaybackrate,
    cbr, usedtx, useinbandfec. In-band FEC costs bits: there is none before a loss is told of."""

    MONO, STEREO, LEAST, MOST = 48_000, 96_000, 6_000, 510_000  # bits per second
    PART = ((12_000, 1 / 3), (16_000, 1 / 2), (24_000, 3 / 4))  # of these, by the samples a second that are played

    def __init__(self, fmtp: Mapping[str, Any] | None = None) -> None:
        said = {name: str(value) for name, value in (fmtp or {}).items()}
        super().__init__(48000, 2 if said.get("stereo") == "1" else 1)
        rate = _number(said, "maxplaybackrate", 8_000, 48_000)
        part = next((part for most, part in self.PART if rate <= most), 1.0)
        usual = self.STEREO if self.channels == 2 else self.MONO
        self._most = _number(said, "maxaveragebitrate", self.LEAST, self.MOST)
        self._usual = min(int(usual * part), self._most)
        self._options: dict[str, Any] = {name: said.get(word) == "1" for name, word in _SWITCHES.items()}
        self._options |= {"channels": self.channels, "max_rate": rate}
        self._hint, self._loss, self._bps = "", 0, self._usual
        self._encoder = self._make()

    def set_bitrate(self, bps: int | None) -> None:
        """At once; what the receiver and Opus allow is kept to."""
        wanted = self._usual if bps is None else min(self._most, max(self.LEAST, bps))
        if wanted != self._bps:
            self._encoder.bitrate = self._bps = wanted

    def set_loss(self, percent: int) -> None:
        if percent != self._loss:
            self._encoder.loss = self._loss = percent

    def set_hint(self, hint: str) -> None:
        hint = hint if hint in opus.USES else ""  # a track of a program's own may say anything
        if hint != self._hint:
            self._hint = hint
            self._encoder = self._make()  # libopus has it said before the first packet

    def _make(self) -> opus.OpusEncoder:
        return opus.OpusEncoder(bitrate=self._bps, loss=self._loss, hint=self._hint, **self._options)

    def _packet(self, samples: Samples) -> bytes:
        return self._encoder.encode(samples)


_SWITCHES = {"fec": "useinbandfec", "dtx": "usedtx", "cbr": "cbr"}


def _number(said: Mapping[str, str], name: str, least: int, most: int) -> int:
    """A parameter within its bounds; `most` where there is none that can be read."""
    text = said.get(name, "")
    return min(most, max(least, int(text))) if text.isdecimal() and len(text) < 10 else most


class TelephoneStream(SoundEncoder):
    """PCMU, PCMA or G.722, one channel."""

    def __init__(self, codec: str, fmtp: Mapping[str, Any] | None = None) -> None:
        name, rate = TELEPHONE[codec.lower()]
        super().__init__(rate, 1, clock_rate=8000)
        context: Any = av.CodecContext.create(name, "w")
        context.sample_rate, context.layout, context.format = rate, "mono", "s16"
        context.time_base = Fraction(1, rate)
        if name == "g722":
            context.options = {"frame_size": str(rate // 100)}  # else it gives 20 ms at a time, whatever it gets
        self._context = context

    def _packet(self, samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.rate
        return b"".join(bytes(p) for p in self._context.encode(frame))
