"""Two RTCPeerConnections with codecs that are not the first choice: AV1, and encoders of a program's own."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from rtcengine import EncodedFrame, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, SyntheticCamera
from rtcengine.codecs import register
from rtcengine.codecs.decode import VideoDecoder, make_decoder
from rtcengine.codecs.encode import Encoded, make_encoder
from rtcengine.codecs.vpx import Vp8Encoder
from rtcengine.media.pattern import Pattern, read_number
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.util import until


def prefer(pc: RTCPeerConnection, name: str) -> None:
    codecs = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.name == name]
    assert codecs
    pc.getTransceivers()[0].setCodecPreferences(codecs)


async def numbers(track: Any, n: int) -> list[int]:
    return [read_number(f.to_ndarray(format="gray")) for f in await take(track, n)]


async def sent_as(pc: RTCPeerConnection) -> str:
    stats = await pc.getStats()
    (codec,) = {stats[s["codecId"]]["mimeType"] for s in stats.values() if s["type"] == "outbound-rtp"}
    return str(codec)


async def test_av1() -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        a.addTrack(SyntheticCamera(320, 240, 30))
        prefer(a, "AV1")
        await negotiate(a, b)
        await connected(a, b)
        seen = await numbers(tracks[0], 15)
        assert seen == sorted(set(seen))
        assert await sent_as(a) == "video/AV1"
        before = await sent_keys(a)
        a.getSenders()[0].replaceTrack(SyntheticCamera(640, 360, 30))
        await until(lambda: shows(tracks[0], 640), what="pictures of another size")
        assert await sent_keys(a) > before


async def shows(track: Any, width: int) -> bool:
    return bool((await take(track, 1))[0].width == width)


async def sent_keys(pc: RTCPeerConnection) -> int:
    return sum(s["keyFramesEncoded"] for s in (await pc.getStats()).values() if s["type"] == "outbound-rtp")


async def test_h264_in_packets_of_one_unit() -> None:
    """An offer with packetization-mode 0 alone, by who receives."""
    async with two() as (a, b):
        a.addTransceiver("video", "recvonly")
        codecs = [
            c for c in RTCRtpReceiver.getCapabilities("video").codecs if c.parameters.get("packetization-mode") in (0, "0")
        ]
        a.getTransceivers()[0].setCodecPreferences(codecs)
        tracks = gather_tracks(a)
        b.addTrack(SyntheticCamera(640, 480, 30))
        await negotiate(a, b)
        await connected(a, b)
        seen = await numbers(tracks[0], 10)
        assert seen == sorted(set(seen)) and await sent_as(b) == "video/H264"
        assert b.localDescription is not None and "packetization-mode=1" not in b.localDescription.sdp
        stats = await b.getStats()
        (sent,) = [s for s in stats.values() if s["type"] == "outbound-rtp"]
        assert sent["packetsSent"] > 2 * sent["framesSent"]  # of many small ones


class Counting:
    """An encoder of a program's own: the two methods, and nothing else."""

    made: ClassVar[list[Counting]] = []

    def __init__(self, fmtp: Any) -> None:
        self.encoder, self.frames, self.bitrates = Vp8Encoder(), 0, set[int | None]()
        self.made.append(self)

    def encode(self, frame: Any, force_key: bool = False, *, at: int | None = None) -> list[Encoded]:
        self.frames += 1
        return self.encoder.encode(frame, force_key, at=at)

    def set_bitrate(self, bps: int | None) -> None:
        self.bitrates.add(bps)
        self.encoder.set_bitrate(bps)


class Plain:
    """A decoder of a program's own: whatever comes, its picture is of a number of its own."""

    made: ClassVar[list[Plain]] = []

    def __init__(self, channels: int) -> None:
        self.pattern, self.frames = Pattern(160, 120), 0
        self.made.append(self)

    def decode(self, frame: EncodedFrame) -> list[Any]:
        self.frames += 1
        return [self.pattern.video_frame(1000 + self.frames, frame.timestamp)]


async def test_a_codec_of_ones_own() -> None:
    Counting.made.clear()
    Plain.made.clear()
    first = register("VP8", encoder=Counting)
    second = register("vp8", decoder=Plain)
    try:
        async with two() as (a, b):
            tracks = gather_tracks(b)
            a.addTrack(SyntheticCamera(320, 240, 30))
            await negotiate(a, b)
            await connected(a, b)
            assert {(f.width, f.height) for f in await take(tracks[0], 10)} == {(160, 120)}
            assert await sent_as(a) == "video/VP8"
    finally:
        first()
        second()
    (mine,), (theirs,) = Counting.made, Plain.made
    assert mine.frames >= 10 and mine.bitrates == {None} and theirs.frames >= 10
    assert isinstance(make_encoder("VP8"), Vp8Encoder) and isinstance(make_decoder("VP8"), VideoDecoder)


def test_who_came_last_is_asked() -> None:
    one = register("VP8", encoder=lambda fmtp: Vp8Encoder(fmtp, bitrate=1))
    other = register("VP8", encoder=Counting)
    assert isinstance(make_encoder("VP8"), Counting)
    one()
    one()  # once is enough
    assert isinstance(make_encoder("VP8"), Counting)
    other()
    assert type(make_encoder("VP8")) is Vp8Encoder
    fmtp = {"packetization-mode": "1"}
    assert make_encoder("H264", fmtp).fmtp == fmtp  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("codec", "arguments", "why"),
    [
        ("VP7", {"encoder": Counting}, "'VP7' has no payload format"),
        ("", {"decoder": Counting}, "'' has no payload format"),
        (None, {"decoder": Counting}, "None has no payload format"),
        ("H265", {"encoder": Counting}, "H265 is not sent"),
        ("VP8", {}, "nothing to register"),
        ("VP8", {"encoder": 1}, "the encoder for VP8 is called to make one"),
        ("VP8", {"encoder": Counting, "decoder": "VP8"}, "the decoder for VP8 is called to make one"),
    ],
)
def test_what_cannot_be_registered(codec: Any, arguments: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        register(codec, **arguments)
