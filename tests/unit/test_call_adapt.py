"""Two peer connections of ours: what the receiver sees when the sender has too little bitrate, by degradationPreference."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from rtcengine import RTCRtpSender, SyntheticCamera
from rtcengine.codecs import encode
from rtcengine.media import adapt
from rtcengine.media.limits import Limits
from rtcengine.peer.errors import InvalidStateError
from tests.unit.media_kit import take, take_while, wire
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.unit.test_call_rates import stat


@pytest.fixture(autouse=True)
def no_time_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long things have to last is tested by virtual time in test_adapt.py; how fast this machine is is no part of it."""
    for name, value in (("DOWN_S", 0.2), ("UP_S", 0.5), ("BUSY", 1e9)):
        monkeypatch.setattr(adapt, name, value)
    monkeypatch.setattr(encode, "STEP_S", 1)


async def change(sender: RTCRtpSender, preference: str | None, bps: int | None) -> None:
    parameters = sender.getParameters()
    parameters.degradationPreference, parameters.encodings[0].maxBitrate = preference, bps
    await sender.setParameters(parameters)


async def seen(track: Any, wanted: Callable[[int, float], bool]) -> tuple[int, float]:
    """Width and frame rate of twelve pictures in a row, once they are as wanted."""
    frames: list[Any] = await take(track, 12)

    def going(frame: Any) -> bool:
        frames.append(frame)
        del frames[0]
        return frames[0].width != frame.width or not wanted(frame.width, rate(frames))

    await take_while(track, going)
    return frames[-1].width, rate(frames)


def rate(frames: list[Any]) -> float:
    gaps = [b.pts - a.pts for a, b in itertools.pairwise(frames)]
    return 90_000 * len(gaps) / sum(gaps)


AS_WANTED: dict[str, Callable[[int, float], bool]] = {
    "maintain-framerate": lambda width, fps: width == 320 and fps > 25,
    "maintain-resolution": lambda width, fps: width == 640 and fps < 10,
    "balanced": lambda width, fps: width == 320 and 15 < fps < 25,
}


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("preference", AS_WANTED)
async def test_bitrate_falls_and_recovers(preference: str, codec: str) -> None:
    async with two() as (a, b):
        tracks = gather_tracks(b)
        transceiver = a.addTransceiver(SyntheticCamera(640, 360, 30), "sendonly")
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in known if c.name == codec][:1])
        await negotiate(a, b)
        await change(transceiver.sender, preference, None)
        await connected(a, b)
        await seen(tracks[0], lambda width, fps: width == 640 and fps > 25)
        assert await stat(a, "outbound-rtp", "qualityLimitationReason") == "none"

        await change(transceiver.sender, preference, 70_000)
        width, _ = await seen(tracks[0], AS_WANTED[preference])
        assert await stat(a, "outbound-rtp", "qualityLimitationReason") == "bandwidth"
        assert await stat(a, "outbound-rtp", "frameWidth") == width
        assert await stat(a, "outbound-rtp", "qualityLimitationResolutionChanges") == (width != 640)

        await change(transceiver.sender, preference, None)
        await seen(tracks[0], lambda width, fps: width == 640 and fps > 25)
        assert await stat(a, "outbound-rtp", "qualityLimitationReason") == "none"
        assert await stat(a, "outbound-rtp", "qualityLimitationResolutionChanges") == 2 * (width != 640)
        spent = await stat(a, "outbound-rtp", "qualityLimitationDurations")
        assert spent.keys() == {"none", "cpu", "bandwidth", "other"} and spent["cpu"] == spent["other"] == 0
        assert spent["none"] > 0 and spent["bandwidth"] > 0


async def test_the_parameter() -> None:
    async with two() as (a, _):
        sender = a.addTrack(SyntheticCamera())
        parameters = sender.getParameters()
        assert parameters.degradationPreference is None
        for wrong in ("fast", "", "Balanced", 1):
            parameters.degradationPreference = wrong  # type: ignore[assignment]
            with pytest.raises(TypeError, match=f"degradationPreference {wrong!r} is none of maintain-framerate, "):
                await sender.setParameters(parameters)
        for preference in ("maintain-framerate", "maintain-framerate-and-resolution", None, "balanced"):
            parameters.degradationPreference = preference
            await sender.setParameters(parameters)
            with pytest.raises(InvalidStateError):
                await sender.setParameters(parameters)
            parameters = sender.getParameters()
            assert parameters.degradationPreference == preference


async def test_by_the_tracks_hint() -> None:
    """Where the program has said nothing."""
    async with wire("VP9", Limits(max_bitrate=70_000)) as pair:
        camera = SyntheticCamera(640, 360)
        camera.contentHint = "text"
        pair.pump.set_track(camera)
        await seen(pair.remote, AS_WANTED["maintain-resolution"])
        camera.contentHint = "motion"
        await seen(pair.remote, AS_WANTED["maintain-framerate"])
        camera.contentHint = ""
        await seen(pair.remote, AS_WANTED["balanced"])
        pair.pump.set_limits(Limits(max_bitrate=70_000, preference="maintain-framerate-and-resolution"))
        await take_while(pair.remote, lambda frame: frame.width != 640)


async def test_by_what_the_way_has_room_for() -> None:
    """Of all to whom a track is sent in one encoding the least counts."""
    limits = Limits(preference="maintain-framerate")
    async with wire("VP8", limits) as one, wire("VP8", limits, within=True) as other:
        camera = SyntheticCamera(640, 360)
        one.pump.set_track(camera)
        await take(one.remote, 3)
        other.pump.set_track(camera)
        await take(other.remote, 3)
        one.pump.set_target(1_000_000)
        other.pump.set_target(70_000)
        for pair in (one, other):
            await seen(pair.remote, AS_WANTED["maintain-framerate"])
            assert pair.pump.counts.limitation.reason == "bandwidth"
        other.pump.set_target(None)
        for pair in (one, other):
            await take_while(pair.remote, lambda frame: frame.width != 640)
        assert {pair.pump.counts.limitation.changes for pair in (one, other)} == {2}


async def test_encoding_that_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "BUSY", 0.9)
    monkeypatch.setattr(adapt, "BUSY_S", 0.5)
    async with wire("VP9", Limits(preference="maintain-framerate")) as pair:
        on_encode_time = pair.pump._adapt.on_encode_time

        def slow(seconds: float, now: float) -> Any:
            return on_encode_time(0.080 / pair.pump._adapt.step.scale**2, now)

        monkeypatch.setattr(pair.pump._adapt, "on_encode_time", slow)
        pair.pump.set_track(SyntheticCamera(640, 360))
        await take_while(pair.remote, lambda frame: frame.width != 320)
        assert pair.pump.counts.limitation.reason == "cpu"
