"""Our WHIP and WHEP clients: publish, watch, come back, end. Against our relay, and against aiortc's (below)."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import av
import pytest

from rtcengine import NetworkOptions, SyntheticCamera, SyntheticMicrophone
from rtcengine.media.pattern import read_number
from rtcengine.media.record import Recorder
from rtcengine.whip import WhepClient, WhipClient, WhipError
from tests.browser.relay import Served, serve
from tests.interop import aiortc_whip
from tests.publisher import synthetic
from tests.unit.media_kit import numbers
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))


def publisher(url: str, **options: Any) -> AbstractAsyncContextManager[WhipClient]:
    return synthetic(url, width=320, height=240, network=HERE, **options)


def sessions(served: Served) -> int:
    return len(list(served.relay.sessions))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_publish_watch_and_record(codec: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.webm" if codec == "VP8" else "a.mp4")
    async with serve() as served:
        async with (
            publisher(served.whip("live"), codecs=[codec, "opus"], max_bitrate=500_000) as out,
            WhepClient(served.whep("live"), network=HERE) as client,
        ):
            assert out.state == "connected"
            stream = await client.watch()
            (video,), (audio,) = stream.getVideoTracks(), stream.getAudioTracks()
            async with Recorder(str(path), video, audio) as recorder:  # and it is decoded beside
                seen = await numbers(video, 20)
                assert seen == sorted(set(seen))
                sound = await audio.recv()
                assert sound.sample_rate == 48000
                await until(lambda: recorder.frames > 250, what="something is recorded, whenever pictures begin")
            assert served.relay.rooms["live"].video.codec == codec
            assert sessions(served) == 2
        await until(lambda: not sessions(served), what="both are gone: they said so")
        assert client.state == out.state == "closed"
        assert (video.readyState, audio.readyState) == ("ended", "ended")
    with av.open(str(path)) as file:
        shown = [(read_number(f.to_ndarray(format="gray")), f.time or 0.0) for f in file.decode(video=0)]
    assert len(shown) > 30
    for (before, at), (number, later) in itertools.pairwise(shown):  # a slow machine's camera leaves some out
        assert number > before and abs((later - at) - (number - before) / 30) < 0.002
    with av.open(str(path)) as file:
        assert sum(f.samples for f in file.decode(audio=0)) > 40_000


async def test_an_ice_restart_keeps_the_session() -> None:
    async with (
        serve() as served,
        publisher(served.whip("live")) as out,
        WhepClient(served.whep("live"), network=HERE) as client,
    ):
        (video,) = (await client.watch(audio=False)).getVideoTracks()
        await numbers(video, 3)
        for one in (out, client):
            states: list[str] = []
            one.on("statechange", lambda one=one, states=states: states.append(one.state))
            session = one._resource.session_url  # type: ignore[union-attr]
            before = one.pc.localDescription.sdp  # type: ignore[union-attr]
            one.pc.restartIce()  # type: ignore[union-attr]
            await until(lambda states=states: states == ["reconnecting", "connected"], what="it is back")
            assert one._resource.session_url == session  # type: ignore[union-attr]
            after = one.pc.localDescription.sdp  # type: ignore[union-attr]
            assert ufrag(before) != ufrag(after)
        seen = await numbers(video, 10)
        assert seen == sorted(set(seen)) and sessions(served) == 2


def ufrag(sdp: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))


async def test_a_session_that_is_gone_is_made_anew() -> None:
    async with (
        serve() as served,
        publisher(served.whip("live")) as out,
        WhepClient(served.whep("live"), network=HERE) as client,
    ):
        (video,) = (await client.watch(audio=False)).getVideoTracks()
        last = (await numbers(video, 3))[-1]
        first = client._resource.session_url  # type: ignore[union-attr]
        for session in list(served.relay.sessions):
            await served.relay.end(session)
        await until(lambda: out.state == client.state == "connected" and sessions(served) == 2, what="both are back")
        assert client._resource.session_url != first  # type: ignore[union-attr]
        seen = await numbers(video, 10)  # the same track goes on
        assert video.readyState == "live" and seen == sorted(set(seen)) and seen[-1] > last


async def test_what_is_refused_is_said() -> None:
    async with serve(token="secret") as served:
        with pytest.raises(WhipError, match="401.*token") as refused:
            async with publisher(served.whip("live"), token="wrong"):
                pass
        assert refused.value.status == 401 and refused.value.for_good
        async with publisher(served.whip("live"), token="secret") as out:
            with pytest.raises(RuntimeError, match="is connected"):
                await out.publish(SyntheticMicrophone())
        with pytest.raises(WhipError, match="cannot be reached"):
            async with publisher("http://127.0.0.1:1/live/whip"):
                pass
        with pytest.raises(ValueError, match="no address of http"):
            async with publisher("ftp://example.net/live"):
                pass
        assert not sessions(served)


async def test_who_cannot_come_back_gives_up() -> None:
    async with serve() as served:
        camera = SyntheticCamera(320, 240)
        async with WhipClient(served.whip("live"), network=HERE, patience_s=1.0) as client:
            await client.publish(camera)
            served.relay.draining = True  # 503 from now on
            for session in list(served.relay.sessions):
                await served.relay.end(session)
            with pytest.raises(WhipError, match="503"):
                async with asyncio.timeout(30):
                    await client.closed()
            assert client.state == "closed" and "503" in client.failure
        camera.stop()


async def test_aiortc_serves() -> None:
    """Another server: without trickling, behind a redirect, its session elsewhere on the same host."""
    async with aiortc_whip.serve() as (room, url):
        room.links.append('<stun:127.0.0.1:9>; rel="ice-server"')
        async with (
            publisher(f"{url}/moved/whip", token="s3cret"),
            WhepClient(f"{url}/whep", network=HERE, token="s3cret") as client,
        ):
            await until(lambda: len(room.tracks) == 2, what="it has both tracks")
            stream = await client.watch()
            seen = await numbers(stream.getVideoTracks()[0], 10)
            assert seen == sorted(set(seen))
            assert (await stream.getAudioTracks()[0].recv()).sample_rate == 48000
            assert client.pc is not None
            assert client.pc.getConfiguration().iceServers[0].urls == ["stun:127.0.0.1:9"]  # type: ignore[index]
            async with WhepClient(f"{url}/whep", network=HERE, token="s3cret", trickle=False) as whole:
                await whole.watch()
            assert "a=end-of-candidates" in room.offers[2]
        assert room.deleted == 3
        assert all("a=candidate:" in offer and "a=group:BUNDLE 0 1" in offer for offer in room.offers)
        with pytest.raises(WhipError, match="401: a token is needed"):
            async with publisher(f"{url}/whip", token="other"):
                pass
