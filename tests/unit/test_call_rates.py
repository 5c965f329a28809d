"""Senders of a peer connection follow what setParameters says while they run, and their receiver sees one key frame."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import MediaStreamTrack, RTCRtpEncodingParameters, RTCRtpSender, SyntheticCamera, TransformFrame
from rtcengine.codecs.decode import make_decoder
from rtcengine.engine.handles import Sender
from rtcengine.media.limits import Limits
from rtcengine.media.pattern import read_number
from rtcengine.payload import FrameDescription, TemporalLayer
from tests.unit.media_kit import gray, take, take_while, wire
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.unit.test_rates import demanding
from tests.util import until


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return demanding()


class Demanding(MediaStreamTrack):
    """Thirty pictures a second by their times, given twice as fast, there and back."""

    kind = "video"

    def __init__(self, pictures: list[np.ndarray]) -> None:
        super().__init__()
        self.pictures, self.given = [*pictures, *pictures[-2:0:-1]], 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(1 / 60)
        frame = av.VideoFrame.from_ndarray(self.pictures[self.given % len(self.pictures)], format="yuv420p")
        frame.pts, frame.time_base = 3000 * self.given, Fraction(1, 90_000)
        self.given += 1
        return frame


async def stat(pc: Any, kind: str, name: str) -> Any:
    return next(s[name] for s in (await pc.getStats()).values() if s["type"] == kind and s["kind"] == "video")


async def change(sender: RTCRtpSender, **to: Any) -> None:
    """In one size, at whatever rate this machine can encode."""
    parameters = sender.getParameters()
    parameters.degradationPreference = "maintain-framerate-and-resolution"
    for name, value in to.items():
        setattr(parameters.encodings[0], name, value)
    await sender.setParameters(parameters)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["VP8", pytest.param("VP9", marks=pytest.mark.long), "H264", "AV1"])
async def test_max_bitrate(codec: str, pictures: list[np.ndarray]) -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        transceiver = a.addTransceiver(Demanding(pictures), "sendonly")
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in known if c.mimeType.lower() == f"video/{codec.lower()}"][:1])
        sender = transceiver.sender

        async def rate() -> float:
            """Of the next 30 frames by their time, in kbit/s: on a busy machine there are fewer a second, each larger."""
            begun, size = await stat(a, "outbound-rtp", "framesEncoded"), await stat(a, "outbound-rtp", "bytesSent")
            shown = await take(tracks[0], 30)
            count = await stat(a, "outbound-rtp", "framesEncoded") - begun
            apart = (shown[-1].time - shown[0].time) / (len(shown) - 1)
            return (await stat(a, "outbound-rtp", "bytesSent") - size) * 8 / (count * apart) / 1000

        await negotiate(a, b)
        await change(sender, maxBitrate=2_000_000)
        await connected(a, b)
        await take(tracks[0], 60)
        # The first may have gone out before anybody read, who then asked for one.
        keys = await stat(a, "outbound-rtp", "keyFramesEncoded")
        for kbps in (300, 1000):
            await change(sender, maxBitrate=kbps * 1000)
            await take(tracks[0], 30)
            assert 0.7 * kbps < await rate() < 1.25 * kbps
        assert await stat(b, "inbound-rtp", "keyFramesDecoded") == 1
        assert await stat(a, "outbound-rtp", "keyFramesEncoded") == keys <= 2


@pytest.mark.slow
async def test_smaller_pictures_of_vp9() -> None:
    """And back, without a key frame: a receiver decodes what is predicted from pictures of another size."""
    limits = Limits()
    async with wire("VP9", limits) as pair:
        pair.pump.set_track(SyntheticCamera(640, 480))
        sizes = []
        for by in (1.0, 2.0, 4.0, 1.0):
            pair.pump.set_limits(Limits(scale_down_by=by))
            frames = await take_while(pair.remote, lambda f, by=by: f.width != 640 / by)
            frames += await take(pair.remote, 10)
            numbers = [read_number(gray(f)) for f in frames]
            assert numbers == sorted(set(numbers))
            sizes.append((frames[-1].width, frames[-1].height))
        assert sizes == [(640, 480), (320, 240), (160, 120), (640, 480)]
        assert pair.pump.counts.keys == 1


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
async def test_temporal_layers(codec: str) -> None:
    """Their descriptors are read by the engine that receives them, and all pictures come."""
    async with wire(codec, Limits(temporal_layers=3)) as pair:
        pair.pump.set_track(SyntheticCamera(320, 240))
        numbers = [read_number(gray(frame)) for frame in await take(pair.remote, 30)]
        assert numbers == sorted(set(numbers))
        await until(lambda: pair.pump.counts.frames >= 30, what="frames sent")
        assert pair.pump.counts.keys == 1 and pair.pump.counts.dropped == 0


@pytest.mark.parametrize(
    ("codec", "mode", "indexes"), [("VP8", "L1T2", {0, 1}), ("VP8", "L1T3", {0, 1, 2}), ("VP9", "L1T3", {0, 1, 2})]
)
async def test_scalability_modes(codec: str, mode: str, indexes: set[int]) -> None:
    """By the W3C's name: the lowest layer alone, which whoever forwards may leave as it is, is a half or a quarter of the
    pictures, and can be decoded."""
    layers: dict[int, int] = {}

    def note(frame: TransformFrame) -> TransformFrame:
        layers[frame.timestamp] = frame.metadata["temporalIndex"]
        return frame

    async with two() as (a, b):
        tracks: list[Any] = gather_tracks(b)
        wanted = RTCRtpEncodingParameters(scalabilityMode=mode)
        transceiver = a.addTransceiver(SyntheticCamera(320, 240, 30), "sendonly", sendEncodings=[wanted])
        transceiver.setCodecPreferences([c for c in RTCRtpSender.getCapabilities("video").codecs if c.name == codec])
        await negotiate(a, b)
        await connected(a, b)
        await take(tracks[0], 5)
        assert transceiver.sender.getParameters().encodings[0].scalabilityMode == mode
        assert await stat(a, "outbound-rtp", "scalabilityMode") == mode
        transceiver.sender.transform = note
        await until(lambda: layers, what="frames that are noted")
        async with tracks[0].encoded() as frames, asyncio.timeout(30):
            found = [await anext(frames) for _ in range(48)]
    told = [layers[frame.timestamp & 0xFFFFFFFF] for frame in found]
    lowest = [frame for frame, layer in zip(found, told, strict=True) if layer == 0]
    assert set(told) == indexes and len(lowest) / len(found) == pytest.approx(0.5 ** (len(indexes) - 1), abs=0.08)
    for chosen in (found, lowest):
        decoder = make_decoder(codec)
        numbers = [read_number(gray(picture)) for frame in chosen for picture in decoder.decode(frame)]
        assert len(numbers) == len(chosen) and numbers == sorted(set(numbers))


async def test_screens_are_told_by_their_hint() -> None:
    async with wire("VP8") as pair:
        camera = SyntheticCamera(320, 240)
        camera.contentHint = "text"
        pair.pump.set_track(camera)
        await take(pair.remote, 3)
        assert pair.pump._encoder.screen  # type: ignore[union-attr]
        camera.contentHint = "motion"
        await take(pair.remote, 5)
        assert not pair.pump._encoder.screen  # type: ignore[union-attr]


def test_limits_of_layers() -> None:
    for layers in (0, 4):
        with pytest.raises(ValueError, match="temporal_layers"):
            Limits(temporal_layers=layers)


async def test_layers_of_av1_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its payloads have no place for them: dependency descriptors go with every frame, and pictures come in their order."""
    sent: list[tuple[TemporalLayer | None, FrameDescription | None]] = []
    really = Sender.send_frame

    def send_frame(self: Sender, *frame: Any, **told: Any) -> None:
        sent.append((frame[3], told["description"]))
        really(self, *frame, **told)

    monkeypatch.setattr(Sender, "send_frame", send_frame)
    async with two() as (a, b):
        tracks = gather_tracks(b)
        encodings = [RTCRtpEncodingParameters(scalabilityMode="L1T3")]
        transceiver = a.addTransceiver(SyntheticCamera(320, 240), "sendonly", sendEncodings=encodings)
        transceiver.setCodecPreferences([c for c in RTCRtpSender.getCapabilities("video").codecs if c.name == "AV1"])
        await negotiate(a, b)
        await connected(a, b)
        numbers = [read_number(gray(frame)) for frame in await take(tracks[0], 20)]
        assert numbers == sorted(set(numbers))
        assert await stat(a, "outbound-rtp", "framesSent") >= 20
    assert {description for _, description in sent} == {FrameDescription(3, 320, 240)}
    ids = [layer.id for layer, _ in sent if layer is not None]
    assert len(ids) == len(sent) >= 20 and set(ids) == {0, 1, 2} and ids[0] == 0
