"""Encoded frames into a file as they are, by FFmpeg's muxers. Nothing here waits: it runs on whatever thread calls it."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..frames import EncodedFrame
from .output import close_output, open_output
from .timeline import Timeline

FITS = {
    "webm": {"opus", "vp8", "vp9", "av1"},
    "matroska": {"opus", "vp8", "vp9", "av1", "h264"},
    "mp4": {"opus", "vp9", "av1", "h264"},
    "mov": {"pcmu", "pcma", "h264"},
    "ogg": {"opus", "vp8"},
    "opus": {"opus"},
    "wav": {"pcmu", "pcma"},
    "ivf": {"vp8", "vp9", "av1"},
}
"""Codecs as SDP names them, in lower case, by the names of FFmpeg's muxers."""

_FOURCC = {"vp8": b"VP80", "vp9": b"VP90", "av1": b"AV01"}
_PCM = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}
LAST_S = {"audio": Fraction(1, 50), "video": Fraction(1, 30)}
"""How long the only frame of a stream is taken to last; else the last one lasts as long as the one before."""


class DoesNotFitError(ValueError):
    """The container cannot hold the codec."""


@dataclass(slots=True)
class _Stream:
    kind: str
    out: Any  # PyAV's, None until the header is written
    times: Timeline
    shift: int  # of its times, in its clock, against the beginning of the file
    time_base: Fraction
    held: Any = None  # the packet before, which lasts until the next one
    lasted: int = 0
    frames: int = 0


class Muxer:
    """One file. `begin` with the first frame of each stream, then `write` by the number of the stream, then `close`. Times
    begin at 0 with the frame that arrived first; a stream that jumps goes on (Timeline)."""

    def __init__(self, file: Any, format: str | None = None) -> None:
        """`file`: a path or a file-like object; `format`: of FFmpeg's muxer, else the name says it. OSError, ValueError."""
        self._container, self._output = open_output(file, format)
        self.format: str = self._container.format.name
        self._streams: list[_Stream] = []
        self._closed = False

    def check(self, codec: str) -> None:
        """DoesNotFitError."""
        fits = FITS.get(self.format)
        if fits is None:
            raise DoesNotFitError(f"{self.format} is none of {', '.join(FITS)}, which frames can go into as they are")
        if codec.lower() not in fits:
            raise DoesNotFitError(f"{codec} does not go into {self.format}, but {', '.join(sorted(fits))}")

    def begin(self, first: list[EncodedFrame]) -> None:
        """Writes the header: a stream for each frame, which is not written yet. Video begins with a key frame."""
        import av

        began = min(frame.arrived for frame in first)
        for frame in first:
            self.check(frame.codec)
        for frame in first:
            with av.open(io.BytesIO(_sample(frame)), format=_sample_format(frame.codec)) as sample:
                template = sample.streams[0]
                out = self._container.add_stream_from_template(template, opaque=True)
            out.time_base = Fraction(1, frame.clock_rate)
            if frame.rotation and hasattr(out, "set_display_rotation"):  # PyAV 18 has it
                out.set_display_rotation(-frame.rotation)
            kind = "video" if frame.codec.lower() in (*_FOURCC, "h264") else "audio"
            shift = round((frame.arrived - began) * frame.clock_rate)
            self._streams.append(_Stream(kind, out, Timeline(frame.clock_rate), shift, Fraction(1, frame.clock_rate)))
        self._container.start_encoding()

    def write(self, number: int, frame: EncodedFrame) -> None:
        """The next frame of a stream. OSError when the file cannot be written."""
        import av

        stream = self._streams[number]
        packet: Any = av.Packet(bytes(frame.data))
        packet.pts = packet.dts = stream.times.at(frame.timestamp, frame.arrived) + stream.shift
        packet.time_base, packet.is_keyframe, packet.stream = stream.time_base, frame.key, stream.out
        if stream.held is not None:
            stream.lasted = packet.pts - stream.held.pts
            self._put(stream)
        stream.held = packet
        stream.frames += 1

    @property
    def frames(self) -> list[int]:
        """Of each stream."""
        return [stream.frames for stream in self._streams]

    def close(self) -> None:
        """Ends the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            for stream in self._streams:
                if stream.held is not None:
                    stream.lasted = stream.lasted or int(LAST_S[stream.kind] / stream.time_base)
                    self._put(stream)
        finally:
            close_output(self._container, self._output)

    def _put(self, stream: _Stream) -> None:
        held, stream.held = stream.held, None
        held.duration = stream.lasted
        try:
            self._container.mux_one(held)
        except RuntimeError as error:  # PyAV's, of a file that had failed before
            raise (self._output.error if self._output is not None and self._output.error is not None else error) from error


# What a demuxer makes of one frame has all that the header needs: sizes, parameter sets, channels.


def _sample_format(codec: str) -> str:
    codec = codec.lower()
    return "h264" if codec == "h264" else "ivf" if codec in _FOURCC else "ogg" if codec == "opus" else "wav"


def _sample(frame: EncodedFrame) -> bytes:
    codec, data = frame.codec.lower(), bytes(frame.data)
    if codec == "h264":
        return data
    if codec in _FOURCC:
        head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _FOURCC[codec], 0, 0, frame.clock_rate, 1, 1, 0)
        return head + struct.pack("<IQ", len(data), 0) + data
    import av

    out = io.BytesIO()
    rate, layout, encoder = (48000, "stereo", "libopus") if codec == "opus" else (8000, "mono", _PCM[codec])
    with av.open(out, "w", format=_sample_format(codec)) as container:
        stream: Any = container.add_stream(encoder, rate=rate, layout=layout)
        silence = av.AudioFrame(format="s16", layout=layout, samples=rate // 50)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate, silence.pts = rate, 0
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return out.getvalue()
