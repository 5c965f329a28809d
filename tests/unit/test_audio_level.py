"""How loud sound is (RFC 6464): told with each packet, forwarded, read, and what is made of it in the W3C's terms."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import AudioStreamTrack
from rtcengine.codecs.encode import make_encoder
from rtcengine.codecs.loudness import SILENCE, Loudness, dbov, linear, mean_square
from rtcengine.rtp import Extension
from tests.unit.engine_pair import AUDIO, MID, OPUS_FRAME, relayed
from tests.unit.media_kit import take
from tests.unit.test_compat import connected, gather_tracks, negotiate, two
from tests.util import until

LEVELS = [(0, True), (-1, False), (-42, True), (-126, False), (-127, True), (None, False)]
EXTENSIONS = {4: MID, 6: Extension.AUDIO_LEVEL.value}


@pytest.mark.parametrize("agreed", [True, False])
async def test_what_is_told_comes(agreed: bool) -> None:
    """From sender to receiver, and by way of a relay to a viewer; only where both have agreed."""
    told = frozenset({MID, Extension.AUDIO_LEVEL.value} if agreed else {MID})
    async with relayed(AUDIO, EXTENSIONS, told) as (source, came, seen):
        frames = came.frames(), seen.frames()
        for number, (level, voice) in enumerate(LEVELS):
            source.send_frame(OPUS_FRAME, 960 * number, True, level=level, voice=voice)
        async with asyncio.timeout(20):
            for stream in frames:
                found = [(f.level, f.voice) for f in [await anext(stream) for _ in LEVELS]]
                silent = (None, None)
                assert found == [(level, voice) if agreed and level is not None else silent for level, voice in LEVELS]
        for level in (1, -128):
            with pytest.raises(ValueError, match="dBov"):
                source.send_frame(OPUS_FRAME, 0, True, level=level)


class Whistle(AudioStreamTrack):
    """A tone of a quarter of the greatest amplitude: -15 dBov."""

    async def recv(self) -> Any:
        frame: Any = await super().recv()
        wave = 8192 * np.sin(2 * np.pi * 440 * (frame.pts + np.arange(160)) / 8000)
        frame.planes[0].update(wave.astype(np.int16).tobytes())
        return frame


async def test_a_peer_connection_tells_and_is_told() -> None:
    async with two() as (a, b):
        heard = gather_tracks(b)
        a.addTrack(Whistle())
        await negotiate(a, b)
        await connected(a, b)
        receiver, loud = b.getReceivers()[0], pytest.approx(0.25 / math.sqrt(2), rel=0.1)
        await take(heard[0], 50)
        (source,) = receiver.getSynchronizationSources()
        assert source.audioLevel == loud and source.voiceActivityFlag in (True, False)
        inbound = next(s for s in (await b.getStats()).values() if s["type"] == "inbound-rtp")
        assert inbound.audioLevel == loud and inbound.totalSamplesDuration >= 1
        assert math.sqrt(inbound.totalAudioEnergy / inbound.totalSamplesDuration) == loud
        outbound = next(s for s in (await a.getStats()).values() if s["type"] == "media-source")
        assert outbound.audioLevel == loud and outbound.totalSamplesDuration >= 1
        assert math.sqrt(outbound.totalAudioEnergy / outbound.totalSamplesDuration) == loud
        a.getSenders()[0].track.enabled = False

        async def silent() -> bool:
            await heard[0].recv()
            return receiver.getSynchronizationSources()[0].audioLevel == 0

        await until(silent, what="a level of silence")


async def test_contributing_sources_are_told_for_ten_seconds() -> None:
    """As the engine keeps them (`proto/csrcs.h`): microseconds of the monotonic clock, CSRC, RTP time, -dBov or -1."""
    now = time.monotonic()
    rows = [
        (now, 0xFFFFFFFF, 4_000_000_000, 0),
        (now - 5, 7, 8, 20),
        (now - 9, 9, 10, 127),
        (now - 9.5, 1, 2, -1),
        (now - 11, 3, 4, 5),
    ]
    async with two() as (a, _):
        receiver = a.addTransceiver("audio").receiver
        assert receiver.getContributingSources() == []
        receiver.track.counts.csrcs = b"".join(struct.pack("@qIIh6x", int(at * 1e6), *rest) for at, *rest in rows)
        found = receiver.getContributingSources()
    assert [(one.source, one.rtpTimestamp) for one in found] == [(0xFFFFFFFF, 4_000_000_000), (7, 8), (9, 10), (1, 2)]
    assert [one.audioLevel for one in found] == [1, pytest.approx(0.1), 0, None]
    assert found[0].timestamp - found[1].timestamp == pytest.approx(5000, abs=1)
    assert found[0].timestamp == pytest.approx(1000 * time.time(), abs=5000)


@pytest.mark.parametrize("codec", ["opus", "PCMU", "PCMA", "G722"])
def test_encoders_measure(codec: str) -> None:
    """A tone of half the amplitude is at -9 dBov: 6, and 3 since it is a sine; whatever the frames' rate and layout."""
    wave = (16384 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)).astype(np.int16)
    encoder: Any = make_encoder(codec)
    levels: list[int] = []
    for at in range(0, 44100, 441):
        sound = np.repeat(wave[at : at + 441], 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 44100, None
        assert len(encoder.encode(frame)) == len(encoder.heard)
        levels += [level for level, *_ in encoder.heard]
    assert len(levels) >= 48 and set(levels[2:-1]) == {-9}


@pytest.mark.parametrize(
    ("square", "level"), [(0, -127), (1e-13, -127), (1, 0), (4, 0), (0.5, -3), (0.25, -6), (1e-5, -50), (10**-12.6, -126)]
)
def test_levels(square: float, level: int) -> None:
    assert dbov(square) == level


def test_linear_levels() -> None:
    """W3C webrtc §5.4: 127 is 0, all else 10^(-level / 20)."""
    assert [linear(level) for level in (0, -20, -126, SILENCE)] == [1.0, 0.1, pytest.approx(5.0e-7, rel=0.01), 0.0]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, np.uint8])
def test_mean_square_of_all_formats(dtype: Any) -> None:
    half = {np.uint8: 192, np.int16: 1 << 14, np.int32: 1 << 30}.get(dtype, 0.5)
    assert mean_square(np.full((2, 100), half, dtype)) == pytest.approx(0.25)
    assert mean_square(np.zeros((2, 0), dtype)) == 0


def test_energy_adds_up() -> None:
    """webrtc-stats: the square of the level by time."""
    heard = Loudness()
    for square in (0.25, 0.01, 0.04):
        heard.add(square, 0.02)
    assert (heard.level, heard.energy, heard.seconds) == (pytest.approx(0.2), pytest.approx(0.006), pytest.approx(0.06))
