"""How sound is sent between two peers: as the other's description says, as the program says, as the way allows."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import (
    EncodedFrame,
    InvalidModificationError,
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from rtcengine.codecs.opus import OpusEncoder, repeated
from rtcengine.peer.effects import CodecUse, Encoding, MediaPlan
from rtcengine.peer.errors import RangeError
from rtcengine.peer.parameters import RTCRtpEncodingParameters
from rtcengine.peer.streams import packet_ms
from tests.unit.lossy import lossy
from tests.unit.media_kit import take, wire
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.unit.test_opus import band, noise, voice
from tests.util import until

RATE = 48000


class Sound(MediaStreamTrack):
    """These samples over and over, 20 ms at a time and in two channels, the second of which is half as loud."""

    kind = "audio"

    def __init__(self, samples: Any, hint: str = "") -> None:
        super().__init__()
        self.samples, self.at, self.start = samples, 0, time.monotonic()
        self.contentHint = hint

    async def recv(self) -> Any:
        await asyncio.sleep(self.start + self.at / RATE - time.monotonic())
        begin = self.at % (len(self.samples) - 960)
        left = self.samples[begin : begin + 960]
        both = np.stack((left, left // 2), axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.at, Fraction(1, RATE)
        self.at += 960
        return frame


def opus(**parameters: int) -> list[RTCRtpCodecCapability]:
    return [RTCRtpCodecCapability("audio/opus", RATE, 2, dict(parameters))]


async def call(a: RTCPeerConnection, b: RTCPeerConnection, wish: list[RTCRtpCodecCapability], extra: str = "") -> None:
    """b wishes; `extra`: lines that its answer has besides."""
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)
    b.getTransceivers()[0].setCodecPreferences(wish)
    await b.setLocalDescription()
    answer = re.sub(r"(a=rtpmap:)", extra + r"\1", b.localDescription.sdp, count=1)
    await a.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await connected(a, b)


async def encoded(track: Any, count: int) -> list[EncodedFrame]:
    found: list[EncodedFrame] = []
    async with asyncio.timeout(30):
        async for frame in track.encoded():
            found.append(frame)
            if len(found) == count:
                break
    return found


def steps(frames: list[EncodedFrame]) -> set[int]:
    """Milliseconds from one to the next."""
    return {(b.timestamp - a.timestamp) // 48 for a, b in itertools.pairwise(frames)}


def inbound(report: Any) -> Any:
    return next(s for s in report.values() if s["type"] == "inbound-rtp")


async def test_the_other_sides_wish() -> None:
    """Two channels, a bandwidth, a rate: between two of ours what one prefers the other does."""
    async with two() as (a, b):
        a.addTrack(Sound(noise(3, 3000)))
        heard = gather_tracks(b)
        await call(a, b, opus(stereo=1, maxplaybackrate=16000, maxaveragebitrate=20000, minptime=10))
        assert "a=fmtp:111 stereo=1;maxplaybackrate=16000;maxaveragebitrate=20000;minptime=10" in b.localDescription.sdp
        frames = await encoded(heard[0], 100)
        assert all(f.data[0] & 4 and band(bytes(f.data)) <= 16000 for f in frames)
        assert sum(len(f.data) for f in frames) * 8 / 2 < 24_000
        sound = (await heard[0].recv()).to_ndarray().reshape(-1, 2).astype(float)
        assert 0.3 < sound[:, 1].std() / sound[:, 0].std() < 0.7


async def test_a_wish_is_checked() -> None:
    async with two() as (a, _):
        transceiver = a.addTransceiver("audio")
        wrong: list[dict[str, Any]] = [{"stero": 1}, {"stereo": "1\r\na=x"}, {"stereo": -1}]
        for parameters in wrong:
            with pytest.raises(InvalidModificationError, match="capabilities"):
                transceiver.setCodecPreferences([RTCRtpCodecCapability("audio/opus", RATE, 2, parameters)])
        with pytest.raises(InvalidModificationError, match="capabilities"):
            transceiver.setCodecPreferences([RTCRtpCodecCapability("audio/opus", 24000, 2, {"stereo": 1})])
        with pytest.raises(InvalidModificationError, match="capabilities"):
            transceiver.setCodecPreferences([RTCRtpCodecCapability("audio/PCMU", 8000, None, {"stereo": 1})])
        transceiver.setCodecPreferences(opus(usedtx=1))
        await a.setLocalDescription()
        assert "a=fmtp:111 usedtx=1\r\n" in a.localDescription.sdp


@pytest.mark.parametrize(("extra", "ms"), [("a=ptime:40\r\n", 40), ("a=maxptime:10\r\n", 10), ("a=ptime:55\r\n", 60), ("", 20)])
async def test_packets_as_long_as_the_peer_wants(extra: str, ms: int) -> None:
    async with two() as (a, b):
        a.addTrack(Sound(voice(3)))
        heard = gather_tracks(b)
        await call(a, b, opus(minptime=10), extra)
        assert steps(await encoded(heard[0], 20)) == {ms}


async def test_packets_as_long_as_the_program_wants() -> None:
    """It goes before the peer's wish, from one packet to the next; not before what the peer takes."""
    async with two() as (a, b):
        sender = a.addTrack(Sound(voice(3)))
        heard = gather_tracks(b)
        await call(a, b, opus(minptime=10), "a=ptime:40\r\na=maxptime:40\r\n")
        for wish, ms in ((10, 10), (60, 40), (None, 40), (20, 20)):
            parameters = sender.getParameters()
            parameters.encodings[0].ptime = wish
            await sender.setParameters(parameters)
            assert sender.getParameters().encodings[0].ptime == wish

            async def settled(ms: int = ms) -> bool:
                return steps(await encoded(heard[0], 5)) == {ms}

            await until(settled, what=f"packets of {ms} ms")
        parameters = sender.getParameters()
        parameters.encodings[0].ptime = 0
        with pytest.raises(RangeError, match="ptime"):
            await sender.setParameters(parameters)
        video = a.addTransceiver("video", sendEncodings=[RTCRtpEncodingParameters(ptime=10)]).sender
        assert video.getParameters().encodings[0].ptime is None


OPUS = CodecUse(111, "opus", 48000, 2, None, (), None)
G711 = CodecUse(0, "PCMU", 8000, None, None, (), None)


@pytest.mark.parametrize(
    ("codec", "fmtp", "ptime", "most", "wish", "ms"),
    [
        (OPUS, None, None, None, None, 20),
        (OPUS, "minptime=10", 30, None, None, 20),
        (OPUS, "minptime=40", None, None, None, 40),
        (OPUS, "minptime=60", None, 20, None, 20),
        (OPUS, "ptime=60;maxptime=40", None, None, None, 40),
        (OPUS, "ptime=x;maxptime=-1;minptime=", None, None, None, 20),
        (OPUS, None, 120, None, None, 60),
        (OPUS, None, 2.5, None, None, 10),
        (OPUS, None, None, 2.5, None, 10),
        (OPUS, None, 20, None, 50, 40),
        (OPUS, None, 20, 30, 60, 20),
        (G711, None, 30, None, None, 30),
        (G711, "minptime=60", None, None, None, 20),
        (G711, None, 10, 120, 50, 50),
    ],
)
def test_how_long_packets_are(
    codec: CodecUse, fmtp: str | None, ptime: float | None, most: float | None, wish: int | None, ms: int
) -> None:
    media = MediaPlan("0", "audio", 1, (codec,), (), True, ptime_ms=ptime, max_ptime_ms=most)
    assert packet_ms(media, Encoding(1, 2, ptime_ms=wish), replace(codec, fmtp=fmtp)) == ms


@pytest.mark.parametrize("codec", ["PCMU", "G722"])
async def test_other_codecs_in_other_lengths(codec: str) -> None:
    async with two() as (a, b):
        a.addTrack(Sound(voice(3)))
        heard = gather_tracks(b)
        await call(a, b, [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == codec], "a=ptime:30\r\n")
        frames = await encoded(heard[0], 20)
        assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(frames)} == {240}
        assert {len(f.data) for f in frames} == {240}


async def test_silence_is_no_loss() -> None:
    """usedtx=1: what is not sent is heard as silence without a gap, and nobody counts it as lost."""
    async with two() as (a, b):
        a.addTrack(Sound(np.concatenate((voice(1), np.zeros(2 * RATE, np.int16)))))
        heard = gather_tracks(b)
        await call(a, b, opus(usedtx=1))
        frames = [await asyncio.wait_for(heard[0].recv(), 10) for _ in range(200)]
        assert [f.pts for f in frames] == [sum(f.samples for f in frames[:n]) for n in range(200)]
        stats = inbound(await b.getStats())
        assert stats.packetsLost == 0 and stats.packetsReceived < 150
        assert stats.concealedSamples == stats.concealmentEvents == 0 and stats.totalSamplesReceived >= 200 * 960
        assert a.getSenders()[0].track.at / RATE > 3.9
        (told,) = (s for s in (await a.getStats()).values() if s["type"] == "remote-inbound-rtp")
        assert told.packetsLost == 0 and told.fractionLost == 0


async def test_a_rate_is_kept_to_while_it_runs() -> None:
    async with two() as (a, b):
        sender = a.addTrack(Sound(noise(3, 3000)))
        heard = gather_tracks(b)
        await negotiate(a, b)
        await connected(a, b)
        for bps in (16_000, 64_000, 8_000):
            parameters = sender.getParameters()
            parameters.encodings[0].maxBitrate = bps
            await sender.setParameters(parameters)

            async def settled(bps: int = bps) -> bool:
                return 0.7 * bps < sum(len(f.data) for f in await encoded(heard[0], 25)) * 8 * 2 < 1.3 * bps

            await until(settled, what=f"{bps} bit/s")


async def test_hints_are_told_to_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    class Seen(OpusEncoder):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append((options["hint"], options["bitrate"]))

    monkeypatch.setattr("rtcengine.codecs.opus.OpusEncoder", Seen)
    async with two() as (a, b):
        track = Sound(voice(1), "speech")
        sender = a.addTrack(track)
        heard = gather_tracks(b)
        await negotiate(a, b)
        await connected(a, b)
        parameters = sender.getParameters()
        parameters.encodings[0].maxBitrate = 20_000
        await sender.setParameters(parameters)
        await encoded(heard[0], 10)
        for hint in ("music", "speech-recognition", ""):
            track.contentHint = hint
            await until(lambda hint=hint: made[-1][0] == hint, what=f"an encoder for {hint!r}")
            await encoded(heard[0], 5)
        assert made[-3:] == [("music", 20_000), ("speech-recognition", 20_000), ("", 20_000)]


async def test_redundancy_follows_what_the_peer_loses() -> None:
    """It is told by reports, reaches the encoder of who shares one too, and goes again."""
    async with wire("opus", fmtp={"useinbandfec": "1"}) as w:
        w.pump.set_track(Sound(voice(3), "speech"))
        w.pump.set_limits(replace(w.pump._limits, max_bitrate=24_000))
        frames = await encoded(w.remote, 30)
        assert not any(repeated(bytes(f.data)) for f in frames)
        for percent, there in ((10, True), (0, False)):
            assert w.sender.on_loss is not None
            w.sender.on_loss(percent)

            async def settled(there: bool = there) -> bool:
                found = [repeated(bytes(f.data)) for f in await encoded(w.remote, 10)]
                return any(found) if there else not any(found)

            await until(settled, what=f"redundancy for {percent} %")


async def test_what_gets_lost_is_reported_and_met() -> None:
    """The peer's reports tell of it, and from then on its redundancy comes."""

    async def every_eighth(port: int) -> int:
        return (await ways.enter_async_context(lossy(port, lambda n: n % 8 == 0))).port

    async with AsyncExitStack() as ways, wire("opus", fmtp={"useinbandfec": "1"}, way=every_eighth) as w:
        told: list[int] = []
        on_loss = w.sender.on_loss
        assert on_loss is not None
        w.sender.on_loss = lambda percent: (told.append(percent), on_loss(percent))  # type: ignore[func-returns-value]
        w.pump.set_limits(replace(w.pump._limits, max_bitrate=24_000))
        w.pump.set_track(Sound(voice(3), "speech"))

        async def met() -> bool:
            return bool(told) and any(repeated(bytes(f.data)) for f in await encoded(w.remote, 10))

        await until(met, what="redundancy")
        assert 5 <= told[0] <= 25
        frames = await take(w.remote, 100)
        assert [f.pts for f in frames] == [frames[0].pts + sum(f.samples for f in frames[:n]) for n in range(100)]
