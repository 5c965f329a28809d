"""Other implementations publish to the relay and watch it: aiortc, GStreamer's webrtcbin, FFmpeg's WHIP muxer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from rtcengine.engine import EngineStats
from rtcengine.relay.session import Session
from rtcengine.relay.synthetic import SyntheticPublisher
from rtcengine.stats import ReceiverStats, SenderStats
from tests.browser import media
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.relay import Served, serve
from tests.browser.serve import blank_page_server
from tests.interop import aiortc_peer, peers
from tests.interop.netns import Namespace, drop_udp, namespace, run
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAMES = 60
AUDIBLE = 0.01  # RMS; the tones of all peers are far above this
READY = 64  # packet slots that each socket's side of the loop keeps at hand

# What a well-behaved peer on a path without loss never causes.
FAULTS = [
    "short", "too_big", "stun_form", "stun_user", "stun_auth", "dtls_queue", "rtp_form", "rtp_auth", "rtp_replay",
    "rtp_stream", "rtp_pt", "rtx_form", "rtcp_form", "rtcp_auth", "rtcp_replay", "pool", "out_queue", "seal", "pacer", "send",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[ChromiumPage]:
    """One Chromium for all tests of this file."""
    async with chromium() as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: ChromiumPage) -> AsyncIterator[Page]:
    """A page of its own for a test."""
    async with blank_page_server() as url:
        opened = await browser.new_page()
        await opened.goto(url)
        yield opened
        await opened.close()


@asynccontextmanager
async def sound_relay(**settings: object) -> AsyncIterator[Served]:
    """A relay whose counters show no fault and that holds nothing any more when all have left."""
    async with serve(**settings) as served:
        yield served
        await until(lambda: not served.relay.sessions, what="the end of all sessions")
        stats = await served.relay.stats()
        assert served.relay.rooms == {}
        assert not stats.transports and not stats.receivers and not stats.senders
        assert stats.hub["pool_used"] <= READY
        assert {name: n for name, n in stats.hub["drops"].items() if name in FAULTS and n} == {}


def publisher_of(served: Served) -> Session:
    found = next(s for s in served.relay.sessions if s.publishes)
    assert found.transport is not None and found.transport.state == "connected"
    return found


async def streams(served: Served, publisher: Session) -> dict[str, ReceiverStats]:
    """What the publisher's streams have counted, by kind."""
    stats = await served.relay.stats()
    return {kind: stats.receivers[receiver.id] for kind, receiver in publisher.receivers.items()}


async def check_publisher(served: Served, codec: str) -> None:
    """Both streams come in without loss and in real time, and the publisher has answered a request for a key frame."""
    publisher = publisher_of(served)
    assert publisher.describe() == f"opus + {codec}" or publisher.describe() == f"{codec} + opus"
    for kind, stream in (await streams(served, publisher)).items():
        assert stream.packets >= FRAMES
        assert 0 <= stream.lost <= stream.packets // 100, kind
        assert stream.jitter_s < 0.2, kind
        assert stream.key_frames >= 1 or kind == "audio"


def is_reported(sender: SenderStats) -> bool:
    """The viewer's reports have come, with the time that ours took to it and back."""
    return sender.rtt_us > 0


async def check_viewer(served: Served) -> None:
    """All viewers report on what they get, and miss next to nothing of it."""
    viewers = [s for s in served.relay.sessions if not s.publishes]
    ids = [sender.id for viewer in viewers for sender in viewer.senders.values()]
    assert len(ids) == 2 * len(viewers) > 0

    async def reported() -> EngineStats | None:
        stats = await served.relay.stats()
        return stats if all(is_reported(stats.senders[id]) for id in ids) else None

    stats = await until(reported, timeout=20, what="reports of the viewers")
    for id in ids:
        sender = stats.senders[id]
        assert not sender.waiting
        assert sender.lost <= sender.packets // 100
        assert sender.rtt_us < 1_000_000


async def check_page(page: Page, codec: str) -> None:
    """The page decodes moving pictures of that codec, and audible sound."""
    now = await media.wait_frames(page, FRAMES)
    assert now["inbound"]["video"]["mimeType"].lower() == f"video/{codec}".lower()
    await media.wait_moving(page)
    assert await media.audio_level(page) > AUDIBLE


@asynccontextmanager
async def watching(page: Page, url: str) -> AsyncIterator[None]:
    """The page watches; its session is ended properly."""
    await media.whep_watch(page, url)
    yield
    assert await media.hang_up(page) == 200


@asynccontextmanager
async def synthetic(url: str) -> AsyncIterator[SyntheticPublisher]:
    """Our own publisher, VP8 and Opus."""
    publisher = SyntheticPublisher()
    await publisher.start(url)
    try:
        yield publisher
    finally:
        await publisher.close()


async def connected(peer: peers.PeerProgram) -> None:
    await peer.wait("state", lambda e: bool(e["value"] == "connected"))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_aiortc_publishes(codec: str, page: Page) -> None:
    async with sound_relay() as served:
        async with aiortc_peer.publish(served.whip("room"), codec=codec) as publisher:
            await until(lambda: publisher.pc.connectionState == "connected")
            async with watching(page, served.whep("room")):
                await check_page(page, codec)
                await check_viewer(served)
            await check_publisher(served, codec)
            assert (await streams(served, publisher_of(served)))["video"].pli >= 1  # the viewer came late


async def test_aiortc_watches() -> None:
    async with sound_relay() as served, synthetic(served.whip("room")):
        async with aiortc_peer.watch(served.whep("room")) as viewer:
            await until(lambda: min(viewer.frames.values()) >= FRAMES, timeout=30)
            assert viewer.sizes == {(640, 360)}
            await check_viewer(served)
        await check_publisher(served, "VP8")


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_gstreamer_publishes(codec: str, page: Page) -> None:
    async with sound_relay() as served:
        async with peers.program(peers.gst("publish", served.whip("room"), "--codec", codec)) as publisher:
            await connected(publisher)
            async with watching(page, served.whep("room")):
                await check_page(page, codec)
                await check_viewer(served)
            await check_publisher(served, codec)
            assert (await streams(served, publisher_of(served)))["video"].pli >= 1
            assert await publisher.stop() == 0


async def test_gstreamer_watches() -> None:
    async with sound_relay() as served, synthetic(served.whip("room")):
        async with peers.program(peers.gst("watch", served.whep("room"), "--codec", "VP8")) as viewer:
            await viewer.wait_frames(FRAMES, FRAMES)
            await check_viewer(served)
            assert await viewer.stop() == 0
        await check_publisher(served, "VP8")


async def test_gstreamer_watches_a_browser_in_h264(page: Page) -> None:
    async with sound_relay() as served:
        await media.whip_publish(page, served.whip("room"), codec="H264")
        await media.wait_connected(page)
        async with peers.program(peers.gst("watch", served.whep("room"), "--codec", "H264")) as viewer:
            await viewer.wait_frames(FRAMES, FRAMES)
            await check_viewer(served)
            assert await viewer.stop() == 0
        await check_publisher(served, "H264")
        assert await media.hang_up(page) == 200


async def test_one_publisher_all_viewers(page: Page) -> None:
    """Three implementations watch a fourth at once."""
    async with sound_relay() as served:
        whep = served.whep("room")
        async with peers.program(peers.gst("publish", served.whip("room"))) as publisher:
            await connected(publisher)
            async with (
                aiortc_peer.watch(whep) as first,
                peers.program(peers.gst("watch", whep)) as second,
                watching(page, whep),
            ):
                await check_page(page, "VP8")
                await second.wait_frames(FRAMES, FRAMES)
                await until(lambda: min(first.frames.values()) >= FRAMES, timeout=30)
                await check_viewer(served)
            await check_publisher(served, "VP8")


@pytest.mark.parametrize("role", ["passive", "active"])
async def test_ffmpeg_publishes(role: str, page: Page) -> None:
    """With the certificate that it makes itself, on P-224: as DTLS server, which is its default, and as client."""
    options = ["--dtls-active"] if role == "active" else []
    async with sound_relay() as served:
        async with peers.program(peers.ffmpeg(served.whip("room"), *options)) as publisher:
            await publisher.wait("counts")
            whep = served.whep("room")
            async with peers.program(peers.gst("watch", whep, "--codec", "H264")) as viewer, watching(page, whep):
                await check_page(page, "H264")
                await viewer.wait_frames(FRAMES, FRAMES)
                await check_viewer(served)
            await check_publisher(served, "H264")
            session = publisher_of(served)
            assert session.transport is not None
            assert session.transport.config.dtls_client == (role == "passive")
            assert await publisher.stop() == 0
