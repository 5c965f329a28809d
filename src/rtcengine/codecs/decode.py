"""Decoders: encoded frames in, PyAV frames out. Each belongs to one stream and one thread at a time; `DecodedStream`
gives one a thread of its own, so that neither the event loop nor packets wait for it."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from . import libopus, opus
from .about import About, tell
from .loudness import Loudness, mean_square
from .registry import new_decoder

if TYPE_CHECKING:
    import av

    from ..frames import EncodedFrame, FrameStream


class DecodeError(ValueError):
    """A frame that its codec's decoder cannot read. Of video, what follows needs a key frame."""


class Decoder(Protocol):
    """`decode` gives the frames that one encoded frame holds, with `pts` and `time_base` by its RTP time; DecodeError."""

    def decode(self, frame: EncodedFrame) -> list[Any]: ...


VIDEO = {"vp8": ("vp8",), "vp9": ("vp9",), "h264": ("h264",), "h265": ("hevc",), "av1": ("libdav1d", "av1")}
"""PyAV's decoders by codec, the best first."""


class VideoDecoder:
    """VP8, VP9, H.264, H.265 or AV1 by PyAV, without delay: a picture comes out with the frame that holds it."""

    def __init__(self, codec: str, channels: int = 0) -> None:
        import av

        if codec.lower() not in VIDEO:
            raise ValueError(f"codec {codec!r}: VP8, VP9, H264, H265 and AV1 are known")
        names = VIDEO[codec.lower()]
        known = [name for name in names if name in av.codecs_available]
        if not known:
            raise ValueError(f"PyAV has no decoder for {codec}")
        self.codec = codec
        self._errors: tuple[type[Exception], ...] = (av.FFmpegError, ValueError)
        context: Any = av.CodecContext.create(known[0], "r")
        context.thread_type = "SLICE"
        context.options = {"flags": "low_delay"} if known[0] != "libdav1d" else {"max_frame_delay": "1"}
        self._context = context
        self._packet: Any = av.Packet
        self._waiting = True  # for a key frame

    def decode(self, frame: EncodedFrame) -> list[av.VideoFrame]:
        """Nothing before the first key frame, nor after a broken frame until the next one."""
        if self._waiting and not frame.key:
            return []
        packet = self._packet(frame.data)
        packet.pts = packet.dts = frame.timestamp
        packet.time_base = time_base = Fraction(1, frame.clock_rate)
        try:
            pictures = list(self._context.decode(packet))
        except self._errors as error:
            self._waiting = True
            raise DecodeError(f"{self.codec} frame of {len(frame.data)} bytes: {error}") from error
        self._waiting = False
        for picture in pictures:
            if picture.pts is None:
                picture.pts = frame.timestamp
            picture.time_base = time_base
        return pictures


class OpusDecoder:
    """Opus by libopus, 48 kHz. What was lost on the way is filled in: the last packet of it from the next one's redundancy
    where that has any, the rest by concealment. So is what was not sent, being silence (DTX): that is comfort noise. Beyond a
    second neither is, and the sound begins anew."""

    SAMPLE_RATE = 48000
    LONGEST = 48000  # samples that are filled in
    _UNIT, _MOST = 120, 5760  # of what libopus makes up, and of what a packet holds

    def __init__(self, channels: int = 2) -> None:
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, not {channels}")
        opuslib = libopus.load()
        self.channels = channels
        self._error: type[Exception] = opuslib.OpusError
        self._decoder: Any = opuslib.Decoder(self.SAMPLE_RATE, channels)
        self._api: Any = opuslib.api.decoder
        # One for all packets: ctypes' casts are cycles, so that a new one each would stay until Python's collector comes.
        self._pcm = ctypes.cast((ctypes.c_int16 * (channels * self._MOST))(), ctypes.POINTER(ctypes.c_int16))
        self._end: int | None = None  # RTP time at which the next packet goes on
        self._step = 960  # samples of the packet before
        self.made_up = 0
        """Samples that were concealed before the packet that was decoded last."""

    def decode(self, frame: EncodedFrame) -> list[av.AudioFrame]:
        data, time = bytes(frame.data), frame.timestamp
        gap = time - self._end if self._end is not None else 0
        self.made_up, found = 0, []
        try:
            if 0 < gap <= self.LONGEST and gap % self._UNIT == 0:
                found = self._fill(data, time, gap, again=frame.lost > 0)
            pcm = self._decode(data, self._MOST)
        except self._error as error:
            raise DecodeError(f"Opus packet of {len(data)} bytes: {error}") from error
        found.append(self._frame(pcm, time))
        self._step = found[-1].samples
        self._end = time + self._step
        return found

    def _fill(self, data: bytes, end: int, gap: int, again: bool) -> list[av.AudioFrame]:
        """The `gap` before `end`; `again`: the packet that goes on there may say what the one before it said."""
        last = min(gap, self._api.get_nb_samples(self._decoder.decoder_state, data, len(data))) if again and data else 0
        found, at = [], end - gap
        while at < end - last:
            size = min(self._step, end - last - at)
            found.append(self._frame(self._decode(b"", size), at))
            at += size
        if last:
            found.append(self._frame(self._decode(data, last, fec=True), at))
            self.made_up = gap - min(last, opus.repeated(data))
        return found

    def _decode(self, data: bytes, samples: int, *, fec: bool = False) -> bytes:
        """So many samples at most, int16; no data: of what libopus makes up."""
        count = self._api.libopus_decode(self._decoder.decoder_state, data, len(data), self._pcm, samples, int(fec))
        if count < 0:
            raise self._error(count)
        return ctypes.string_at(self._pcm, 2 * self.channels * count)

    def _frame(self, pcm: bytes, timestamp: int) -> av.AudioFrame:
        return audio_frame(pcm, self.channels, self.SAMPLE_RATE, timestamp)


TELEPHONE = {"pcmu": ("pcm_mulaw", 8000), "pcma": ("pcm_alaw", 8000), "g722": ("g722", 16000)}
"""FFmpeg's names of G.711 and G.722, and samples a second. The RTP clock of G.722 has 8000 all the same (RFC 3551 §4.5.2)."""


class TelephoneDecoder:
    """PCMU, PCMA or G.722 by PyAV, one channel, however many are wanted. Times count samples. What was lost is filled in by
    what was heard last, for a second at most."""

    def __init__(self, codec: str, channels: int = 1) -> None:
        import av

        from .conceal import Concealer

        if codec.lower() not in TELEPHONE:
            raise ValueError(f"codec {codec!r}: PCMU, PCMA and G722 are known")
        self._errors: tuple[type[Exception], ...] = (av.FFmpegError, ValueError)
        name, self._rate = TELEPHONE[codec.lower()]
        context: Any = av.CodecContext.create(name, "r")
        context.sample_rate, context.layout = self._rate, "mono"
        self._context = context
        self._name = codec
        self._packet: Any = av.Packet
        self._concealer = Concealer(self._rate)
        self._end: int | None = None  # time at which the next packet goes on
        self._step = self._rate // 50  # samples of the packet before
        self.made_up = 0
        """As OpusDecoder has it."""

    def decode(self, frame: EncodedFrame) -> list[av.AudioFrame]:
        time = frame.timestamp * self._rate // frame.clock_rate
        gap = time - self._end if self._end is not None and frame.lost else 0
        self.made_up = gap if 0 < gap <= self._rate else 0
        try:
            found = list(self._context.decode(self._packet(frame.data)))
        except self._errors as error:
            raise DecodeError(f"{self._name} packet of {len(frame.data)} bytes: {error}") from error
        filled = [
            audio_frame(self._concealer.more(min(self._step, time - at)).tobytes(), 1, self._rate, at)
            for at in range(time - self.made_up, time, self._step)
        ]
        self._end = time
        for sound in found:
            sound.pts, sound.time_base = self._end, Fraction(1, self._rate)
            self._end += sound.samples
            self._step = sound.samples
            self._concealer.heard(sound.to_ndarray()[0])
        return filled + found


def audio_frame(pcm: bytes, channels: int, rate: int, timestamp: int) -> av.AudioFrame:
    """int16 samples, interleaved, as PyAV has them."""
    import av
    import numpy as np

    samples = np.frombuffer(pcm, dtype=np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo" if channels == 2 else "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, timestamp, Fraction(1, rate)
    return frame


def make_decoder(codec: str, channels: int = 2) -> Decoder:
    """The decoder for a codec as SDP names it. ValueError for one that is not known."""
    return new_decoder(codec, channels)


@dataclass(slots=True)
class DecodeCounts:
    """`frames` that came out of `decoded` ones, `keys` of them key frames, or `samples` of one channel, as loud as `loudness`
    says, `concealed` of them in place of what was lost, `concealments` times; the latest picture of `width` and `height`.
    `level` (dBov) and `voice` of the latest sound, as its sender says. `timestamp`, `arrived`, `capture_time` and `csrcs`: of
    the latest that was decoded, None before."""

    decoded: int = 0
    keys: int = 0
    decode_s: float = 0.0
    frames: int = 0
    samples: int = 0
    concealed: int = 0
    concealments: int = 0
    width: int = 0
    height: int = 0
    timestamp: int = 0
    arrived: float | None = None
    capture_time: float | None = None
    csrcs: bytes = b""
    level: int | None = None
    voice: bool | None = None
    loudness: Loudness = field(default_factory=Loudness)


class DecodedStream:
    """`async for frame in stream`: the frames of a FrameStream as av.VideoFrame or av.AudioFrame, decoded on a thread of the
    stream's own. A broken frame is counted in `broken`, `on_broken` is called (a key frame has to be asked for), and the
    iteration goes on. `counts`: to go on counting in. Pictures that a phone sends on their side are turned `upright`, unless
    that is False; what their sender says of frames else is told by `about`."""

    def __init__(
        self,
        frames: FrameStream,
        *,
        channels: int = 2,
        on_broken: Callable[[DecodeError], None] | None = None,
        counts: DecodeCounts | None = None,
        upright: bool = True,
    ) -> None:
        self.broken = 0
        self.upright = upright
        self.counts = counts if counts is not None else DecodeCounts()
        self._frames = frames
        self._codec = ""  # of the decoder: that of the frames, which the peer may change under way
        self._channels = channels
        self._on_broken = on_broken
        self._decoder: Decoder | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtc-decode")
        self._ready: list[Any] = []
        self._turn: Callable[[Any], Any] | None = None

    def __aiter__(self) -> DecodedStream:
        return self

    async def __anext__(self) -> Any:
        loop = asyncio.get_running_loop()
        while not self._ready:
            try:
                frame = await self._frames.__anext__()
            except StopAsyncIteration:
                self.close()
                raise
            try:
                self._ready = (await loop.run_in_executor(self._thread, self._decode, frame))[::-1]
            except DecodeError as error:
                self.broken += 1
                if self._on_broken is not None:
                    self._on_broken(error)
        return self._ready.pop()

    def _decode(self, frame: EncodedFrame) -> list[Any]:
        if self._decoder is None or frame.codec != self._codec:
            self._codec = frame.codec
            self._decoder = make_decoder(self._codec, self._channels)
        started, counts = time.perf_counter(), self.counts
        found = self._decoder.decode(frame)
        counts.decode_s += time.perf_counter() - started
        if found:
            counts.decoded += 1
            counts.keys += frame.key
            counts.frames += len(found)
            counts.timestamp, counts.arrived, counts.capture_time = frame.timestamp, frame.arrived, frame.capture_time
            counts.csrcs = frame.csrcs
            if hasattr(found[-1], "samples"):
                counts.level, counts.voice = frame.level, frame.voice
                if isinstance(self._decoder, OpusDecoder | TelephoneDecoder):
                    counts.concealed += self._decoder.made_up
                    counts.concealments += self._decoder.made_up > 0
                for sound in found:
                    counts.samples += sound.samples
                    counts.loudness.add(mean_square(sound.to_ndarray()), sound.samples / sound.sample_rate)
            else:
                counts.width, counts.height = found[-1].width, found[-1].height
        if frame.capture_time is not None or frame.rotation:
            for each in found:
                _tell(each, frame)
        return [self._turned(each) for each in found] if frame.rotation and self.upright else found

    def _turned(self, picture: Any) -> Any:
        if self._turn is None:
            from .upright import Upright

            self._turn = Upright()
        return self._turn(picture)

    def close(self) -> None:
        """Ends the iteration and its thread. Idempotent."""
        self._frames.close()
        self._thread.shutdown(wait=False)


def _tell(decoded: Any, frame: EncodedFrame) -> None:
    moment = frame.capture_time
    if moment is not None:  # sound that fills a gap is older
        moment += float(decoded.pts * decoded.time_base) - frame.timestamp / frame.clock_rate
    tell(decoded, About(moment, None, frame.rotation))
