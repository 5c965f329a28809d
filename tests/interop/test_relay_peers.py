"""Other implementations publish to the relay and watch it: aiortc, GStreamer's webrtcbin, FFmpeg's WHIP muxer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from rtcengine import NetworkOptions
from rtcengine.engine import EngineStats
from rtcengine.relay.session import Session
from rtcengine.stats import ReceiverStats, SenderStats
from tests.browser import media
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.relay import Served, serve
from tests.browser.serve import blank_page_server
from tests.interop import aiortc_peer, peers
from tests.interop.netns import Namespace, namespace, run
from tests.interop.test_peers import write_certificate
from tests.publisher import synthetic
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
    assert sorted(publisher.describe().lower().split(" + ")) == sorted(["opus", codec.lower()])
    for kind, stream in (await streams(served, publisher)).items():
        assert stream.packets >= FRAMES
        assert 0 <= stream.lost <= stream.packets // 100, kind
        assert stream.jitter_s < 0.2, kind
        assert stream.key_frames >= 1 or kind == "audio"


def is_reported(sender: SenderStats) -> bool:
    """The viewer's reports have come, with the time that ours took to it and back."""
    return sender.rtt_us > 0


async def see(served: Served, viewer: peers.PeerProgram) -> None:
    """It decodes sound and pictures; when it does not, who sends and who gets what is told."""
    try:
        await viewer.wait_frames(FRAMES, FRAMES)
    except AssertionError as late:
        for _ in range(2):
            stats = await served.relay.stats()
            late.add_note(f"in: {[r.packets for r in stats.receivers.values()]}, out: {list(stats.senders.values())}")
            await asyncio.sleep(0.5)
        raise


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


async def only_ipv6(ns: Namespace, host: str = "1") -> tuple[str, str]:
    """Take IPv4 from the namespace's link and give it IPv6: our address and theirs."""
    ours, theirs = f"fd99:{ns.number:x}::{host}", f"fd99:{ns.number:x}::2"
    await run("ip", "-4", "address", "flush", "dev", ns.link)
    await ns.run("ip", "-4", "address", "flush", "dev", "eth0")
    # Duplicates cannot be: without their detection the addresses are usable at once.
    await run("ip", "address", "add", f"{ours}/64", "dev", ns.link, "nodad")
    await ns.run("ip", "address", "add", f"{theirs}/64", "dev", "eth0", "nodad")
    return ours, theirs


async def remotes(served: Served) -> set[str]:
    """The addresses that the relay sends media to."""
    stats = await served.relay.stats()
    return {t.remote[0] for t in stats.transports.values() if t.remote}


async def source_towards(ns: Namespace, family: int) -> str:
    """The address that the kernel chooses for what leaves towards the namespace."""
    target = ns.address if family == 4 else f"fd99:{ns.number:x}::2"
    found = re.search(r"src (\S+)", await run("ip", "route", "get", target))
    assert found is not None
    return found[1]


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


@pytest.mark.parametrize("codec", ["VP8", pytest.param("H264", marks=pytest.mark.long)])
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
            await see(served, viewer)
            await check_viewer(served)
            assert await viewer.stop() == 0
        await check_publisher(served, "VP8")


# GStreamer 1.22 has stopped here, sound and pictures at the same moment and without a word, in two runs of about seventy.
@pytest.mark.long
async def test_gstreamer_watches_a_browser_in_h264(page: Page) -> None:
    async with sound_relay() as served:
        await media.whip_publish(page, served.whip("room"), codec="H264")
        await media.wait_connected(page)
        async with peers.program(peers.gst("watch", served.whep("room"), "--codec", "H264")) as viewer:
            await see(served, viewer)
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


@pytest.mark.parametrize("role", ["passive", pytest.param("active", marks=pytest.mark.long)])
async def test_ffmpeg_publishes(role: str, page: Page, tmp_path: Path) -> None:
    """As DTLS server, its default, with the certificate that it makes itself (P-224 in PyAV's wheels), and as client: there
    with one on P-256, as it does not name P-224 among its groups and OpenSSL then refuses such a client's certificate."""
    options = ["--dtls-active", *write_certificate(tmp_path)] if role == "active" else []
    async with sound_relay() as served:
        async with peers.program(peers.ffmpeg(served.whip("room"), *options)) as publisher:
            await publisher.wait("counts", timeout=60)
            whep = served.whep("room")
            async with peers.program(peers.gst("watch", whep, "--codec", "H264")) as viewer, watching(page, whep):
                await check_page(page, "H264")
                await see(served, viewer)
                await check_viewer(served)
            await check_publisher(served, "H264")
            session = publisher_of(served)
            assert session.transport is not None
            assert session.transport.config.dtls_client == (role == "passive")
            video = session.section("video")
            assert video is not None
            assert video.streams[0].rtx_ssrc is not None  # named by its FID group alone, without an a=ssrc line of its own
            assert await publisher.stop() == 0


async def test_over_ipv6_alone() -> None:
    """A publisher and two viewers in a network that has no IPv4."""
    async with namespace() as ns, chromium(netns=ns.name) as page:
        ours, theirs = await only_ipv6(ns)
        async with sound_relay(host="::", public_ips=(ours,)) as served:
            base = f"http://[{ours}]:{served.server.port}"
            room = f"{base}/room"
            async with peers.program(peers.gst("publish", f"{room}/whip"), ns) as publisher:
                await connected(publisher)
                await page.goto(f"{base}/healthz")  # an empty page of that origin; the room's own would watch by itself
                async with peers.program(peers.gst("watch", f"{room}/whep"), ns) as viewer, watching(page, f"{room}/whep"):
                    await check_page(page, "VP8")
                    await see(served, viewer)
                    assert await remotes(served) == {theirs}
                    pair = (await media.stats(page))["pair"]
                    assert pair["remote"]["address"] == ours
                    assert await viewer.stop() == 0, viewer.events[-1]
                await check_publisher(served, "VP8")


async def test_over_ipv6_loopback() -> None:
    """Our own publisher and a viewer meet the relay at ::1."""
    here = NetworkOptions(addresses=("::1",))
    async with sound_relay(host="::1", public_ips=("::1",)) as served, synthetic(served.whip("room"), network=here):
        async with aiortc_peer.watch(served.whep("room")) as viewer:
            await until(lambda: min(viewer.frames.values()) >= FRAMES, timeout=30)
        transport = publisher_of(served).transport
        assert transport is not None and transport.remote is not None
        assert transport.remote[0] == "::1"


@pytest.mark.parametrize("family", [4, 6])
async def test_replies_leave_from_the_address_that_was_asked(family: int) -> None:
    """The relay's machine has two addresses on one link; its peers are told of the second, the kernel would take the first."""
    async with namespace() as ns:
        if family == 4:
            first, second = ns.host_address, ns.host_address.removesuffix(".1") + ".3"
            await run("ip", "address", "add", f"{second}/24", "dev", ns.link)
        else:
            second, _ = await only_ipv6(ns, "3")
            first = second.removesuffix("3") + "1"
            # Of two addresses alike the kernel takes the one that was added last.
            await run("ip", "address", "add", f"{first}/64", "dev", ns.link, "nodad")
        assert await source_towards(ns, family) == first
        async with sound_relay(host="::" if family == 6 else "0.0.0.0", public_ips=(second,)) as served:
            host = f"[{first}]" if family == 6 else first
            room = f"http://{host}:{served.server.port}/room"
            async with peers.program(peers.gst("publish", f"{room}/whip"), ns) as publisher:
                await connected(publisher)
                async with peers.program(peers.aiortc("watch", f"{room}/whep"), ns) as viewer:
                    await see(served, viewer)
                    stats = await served.relay.stats()
                    assert [t.local and t.local[0] for t in stats.transports.values()] == [second, second]
