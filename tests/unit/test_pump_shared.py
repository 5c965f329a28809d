"""One track to several peers: all get every frame, and what can be is encoded once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcengine.media import send
from rtcengine.media.limits import Limits
from rtcengine.media.pattern import read_number
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from tests.unit.media_kit import gray, take, wire
from tests.util import until


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Codecs of the encoders that are made."""
    found: list[str] = []
    make = send.make_encoder

    def noted(codec: str, *arguments: Any) -> Any:
        found.append(codec)
        return make(codec, *arguments)

    monkeypatch.setattr(send, "make_encoder", noted)
    return found


def numbers(frames: list[Any]) -> list[int]:
    return [read_number(gray(frame)) for frame in frames]


def whole(found: list[int]) -> bool:
    """In order, none twice. A slow machine's camera leaves some out."""
    return found == sorted(set(found))


async def test_one_encoding_for_two(made: list[str]) -> None:
    async with wire("VP8") as one, wire("VP8", within=True) as two:
        camera = SyntheticCamera(320, 240)
        one.pump.set_track(camera)
        await take(one.remote, 3)
        two.pump.set_track(camera)
        first, second = await asyncio.gather(take(one.remote, 20), take(two.remote, 20))
        assert made == ["vp8"] and whole(numbers(first)) and whole(numbers(second))
        assert two.remote.broken == 0 and two.pump.counts.keys >= 1  # it begins with a key frame, which it asked for
        assert (two.pump.counts.width, two.pump.counts.height) == (320, 240)
        # Either peer's wish for a key frame is met, for both.
        keys = one.pump.counts.keys
        two.remote._request_key()
        await until(lambda: one.pump.counts.keys == two.pump.counts.keys + keys - 1 > keys - 1, what="a key frame for both")
        # The one that encodes leaves: the other goes on, with an encoder of its own.
        one.pump.set_track(None)
        await until(lambda: made == ["vp8", "vp8"], what="another encoder")
        assert whole(numbers(await take(two.remote, 10)))
        assert camera.readyState == "live"


async def test_other_limits_and_other_codecs_are_encoded_apart(made: list[str]) -> None:
    async with wire("VP8") as one, wire("VP8", within=True) as two, wire("H264", within=True) as three:
        camera = SyntheticCamera(320, 240)
        for side in (one, two, three):
            side.pump.set_track(camera)
        found = await asyncio.gather(*(take(side.remote, 10) for side in (one, two, three)))
        assert sorted(made) == ["h264", "vp8"] and all(whole(numbers(frames)) for frames in found)
        two.pump.set_limits(Limits(scale_down_by=2.0))
        await until(lambda: len(made) == 3, what="an encoder of its own")
        async with asyncio.timeout(20):
            while (await two.remote.recv()).width != 160:  # type: ignore[union-attr]
                pass
        assert (await one.remote.recv()).width == 320  # type: ignore[union-attr]
        two.pump.set_limits(Limits())
        async with asyncio.timeout(20):
            while (await two.remote.recv()).width != 320:  # type: ignore[union-attr]
                pass
        assert len(made) == 3  # it takes the first one's again


async def test_sound_for_two(made: list[str]) -> None:
    async with wire("opus") as one, wire("opus", within=True) as two:
        microphone = SyntheticMicrophone()
        for side in (one, two):
            side.pump.set_track(microphone)
        found = await asyncio.gather(*(take(side.remote, 50) for side in (one, two)))
        assert made == ["opus"]
        for frames in found:
            assert [f.pts for f in frames] == [n * 960 for n in range(50)]
        two.pump.close()
        await take(one.remote, 5)
        microphone.stop()


async def test_a_stalled_peer_costs_the_other_no_frame(made: list[str]) -> None:
    async with wire("VP8") as one, wire("VP8", within=True) as two:
        camera = SyntheticCamera(320, 240)
        for side in (one, two):
            side.pump.set_track(camera)
        await asyncio.gather(take(one.remote, 3), take(two.remote, 3))

        def full(*arguments: Any, **named: Any) -> None:
            raise BufferError("64 frames wait")

        two.pump.sender = _Stalled(two.pump.sender, full)  # type: ignore[assignment]
        before = one.pump.counts.frames
        seen = numbers(await take(one.remote, 20))
        assert whole(seen) and one.pump.counts.frames - before >= 20 and two.pump.counts.dropped >= 15
        assert made == ["vp8"]


class _Stalled:
    """A sender whose engine takes nothing."""

    def __init__(self, sender: Any, send_frame: Any) -> None:
        self._sender, self.send_frame = sender, send_frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)
