"""SFrame from a publisher to viewers: the relay between them forwards what it cannot read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import av
import pytest

from rtcengine import NetworkOptions, Recorder, SFrameTransform, SyntheticCamera, SyntheticMicrophone
from rtcengine.media.pattern import read_number
from rtcengine.whip import WhepClient, WhipClient
from tests.browser.relay import serve
from tests.unit.media_kit import numbers
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))
KEY = os.urandom(32)


def sframe(key: bytes = KEY, suite: str = "AES_256_GCM_SHA512_128") -> SFrameTransform:
    return SFrameTransform(suite, key, kid=1000)


def in_order(seen: list[int], layers: int) -> bool:
    """None comes twice, but of the one in which a viewer goes over to another layer: there it may come in both."""
    return seen == sorted(seen) and len(seen) - len(set(seen)) < layers


async def loud(track: Any) -> None:
    """The tone comes through."""
    async with asyncio.timeout(30):
        while abs((await track.recv()).to_ndarray().astype(int)).max() < 1000:
            pass


@pytest.mark.parametrize("layers", [pytest.param(1, marks=pytest.mark.long), 2])
async def test_viewers_see_what_the_relay_cannot(layers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "seen.webm"
    async with serve() as served, WhipClient(served.whip("live"), network=HERE) as out:
        camera, microphone = SyntheticCamera(640, 360), SyntheticMicrophone()
        await out.publish(camera, microphone, transform=sframe(), layers=layers)
        room = served.relay.rooms["live"]
        read_there: list[Any] = []

        async def spy() -> None:
            async for frame in room.video.frames():
                read_there.append(frame)

        spying = asyncio.ensure_future(spy())
        async with WhepClient(served.whep("live"), network=HERE) as first:
            stream = await first.watch(transform=sframe())
            (video,), (audio,) = stream.getVideoTracks(), stream.getAudioTracks()
            async with Recorder(str(path), video, audio) as recorder:
                seen = await numbers(video, 20)
                assert in_order(seen, layers)
                await loud(audio)
                await until(lambda: recorder.frames > 100, what="something is recorded")
            # Late, and at once: it begins with a key frame that only its descriptor tells.
            async with WhepClient(served.whep("live"), network=HERE) as late:
                (other,) = (await late.watch(audio=False, transform=sframe())).getVideoTracks()
                seen, more = await asyncio.gather(numbers(other, 20), numbers(video, 20))
                assert in_order(seen, layers) and in_order(more, layers)
                assert other.broken == video.broken == audio.broken == 0
                size = (await other.recv()).width
            # Without a key, and with another one: nothing.
            async with (
                WhepClient(served.whep("live"), network=HERE) as blind,
                WhepClient(served.whep("live"), network=HERE) as wrong,
            ):
                (dark,) = (await blind.watch(audio=False)).getVideoTracks()
                (deaf,) = (await wrong.watch(audio=False, transform=sframe(os.urandom(32)))).getVideoTracks()
                reads = [asyncio.ensure_future(track.recv()) for track in (dark, deaf)]
                await until(lambda: dark.broken > 2 and deaf.broken > 20, what="frames that cannot be read")
                assert not any(read.done() for read in reads)
                for read in reads:
                    read.cancel()
                told = [r.getMessage() for r in caplog.records if r.name == "rtcengine.media" and r.levelno >= logging.ERROR]
                assert len(told) == 1 and "SFrameAuthError" in told[0] and "KID 1000" in told[0]
                seen = await numbers(video, 10)
                assert in_order(seen, layers) and video.broken == 0, "they do no harm to others"
        assert size == 640
        stats = await served.relay.stats()
        sizes = {(r.width, r.height) for r in stats.receivers.values()} - {(0, 0)}
        assert sizes == set([(640, 360), (320, 180)][:layers]), "descriptors tell"
        assert read_there == []
        spying.cancel()
        await asyncio.gather(spying, return_exceptions=True)
    with av.open(str(path)) as file:
        shown = [read_number(f.to_ndarray(format="gray")) for f in file.decode(video=0)]
    assert len(shown) > 20 and in_order(shown, layers), "what is recorded is decrypted"


async def test_what_cannot_be_encrypted_is_not_published() -> None:
    async with serve() as served, WhipClient(served.whip("live"), network=HERE) as out:
        with pytest.raises(ValueError, match="H264 cannot go out encrypted"):
            await out.publish(SyntheticCamera(320, 240), codecs=["H264"], transform=sframe())
        await out.publish(SyntheticCamera(320, 240), codecs=["opus"], transform=sframe())
        assert served.relay.rooms["live"].video.codec == "VP8"


async def test_a_new_session_goes_on_with_its_numbers() -> None:
    """The relay ends the publisher's session: it comes back, and no counter comes twice."""
    async with serve() as served, WhipClient(served.whip("live"), network=HERE) as out:
        await out.publish(SyntheticCamera(320, 240), transform=sframe())
        async with WhepClient(served.whep("live"), network=HERE) as client:
            (video,) = (await client.watch(audio=False, transform=sframe())).getVideoTracks()
            await numbers(video, 5)
            assert out.pc is not None
            before = out.pc
            session = next(s for s in served.relay.sessions if s.publishes)
            await served.relay.end(session)
            await until(lambda: out.state == "connected" and out.pc is not before, timeout=30, what="it is back")
            async with asyncio.timeout(30):
                with contextlib.suppress(ValueError):
                    await numbers(video, 5)
            await numbers(video, 5)
            assert video.broken == 0
