"""What lies between browser and relay: packets get lost, a path could carry more than at first."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages, Served, frames, join, longest_gap, time_pictures
from tests.figures import note
from tests.interop.netns import drop_udp
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_plays_while_3_percent_are_lost(served: Served, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages) -> None:
    """Lost on each of the two ways, in both directions: repairs are asked for and come, and pictures go on."""
    publisher = await pages.open(chrome)
    viewers = [await pages.open(chrome), await pages.open(fox)]
    everybody = [publisher, *viewers]
    await join(publisher, served.page("lossy"), *viewers, codec="VP8")
    await asyncio.gather(*(media.wait_frames(viewer, 30) for viewer in viewers))
    async with drop_udp(3, served.relay.engine.port) as loss:
        before = await asyncio.gather(*map(media.stats, everybody))
        loop = (await served.relay.stats()).loop
        await asyncio.gather(*map(time_pictures, viewers))

        async def sent_enough() -> bool:
            return frames(await media.stats(publisher)) >= frames(before[0]) + 200

        await until(sent_enough, timeout=30, interval=0.25)
        after = await asyncio.gather(*map(media.stats, everybody))
        gaps = await asyncio.gather(*map(longest_gap, viewers))
        sound = await asyncio.gather(*map(media.audio_level, viewers))
        assert await loss.dropped() > 20
    sent, *received = [frames(b) - frames(a) for a, b in zip(before, after, strict=True)]
    out = after[0]["outbound"]["video"]
    assert out["nackCount"] > 0 and out["retransmittedPacketsSent"] > 0  # the relay asked, the publisher repaired
    stats = await served.relay.stats()
    runs = stats.loop.gso_runs - loop.gso_runs
    note("3 % lost", runs=runs, refused=stats.loop.gso_refused)
    assert runs > 50 or not served.relay.engine.features["gso"]  # what was lost and repaired was of padded runs
    senders = stats.senders
    room = served.relay.rooms["lossy"]
    repairs = [senders[session.senders["video"].id].rtx_packets for session in room.viewers.values()]
    assert all(repairs) and len(repairs) == len(viewers), repairs
    for viewer, decoded, gap, level in zip(after[1:], received, gaps, sound, strict=True):
        report = f"{decoded} of {sent} decoded, longest gap {gap:.2f} s: {viewer['inbound']['video']}"
        note("3 % lost", sent=sent, decoded=decoded, longest_gap_s=round(gap, 3))
        assert viewer["inbound"]["video"]["nackCount"] > 0, report
        assert decoded >= 0.9 * sent, report
        assert gap <= 1, report
        assert level > 0.01, report


async def test_sends_more_when_the_path_takes_it(served: Served, noisy_chrome: ChromiumPage, pages: Pages) -> None:
    """Our transport-wide feedback lets the browser's estimate rise; it gets no REMB that would do so in its stead."""
    publisher, viewer = await pages.open(noisy_chrome), await pages.open(noisy_chrome)
    camera = {"width": 640, "height": 480, "frameRate": 30}
    reply = await media.whip_publish(publisher, served.whip("rate"), video=camera, max_bitrate=3_000_000)
    assert "goog-remb" in reply.offer
    assert "goog-remb" not in reply.body and "a=rtcp-fb:96 transport-cc" in reply.body
    begin = last = await media.wait_connected(publisher)
    await media.whep_watch(viewer, served.whep("rate"))
    await media.wait_frames(viewer, 1)
    rate = 0.0

    async def above_2_megabits() -> bool:
        nonlocal last, rate
        now = await media.stats(publisher)
        if now["now"] - last["now"] >= 1000:  # over a second: one key frame must not decide
            grown = now["outbound"]["video"]["bytesSent"] - last["outbound"]["video"]["bytesSent"]
            rate = 8000 * grown / (now["now"] - last["now"])
            last = now
        return rate > 2e6 and bool(now["pair"].get("availableOutgoingBitrate", 0) > 2e6)

    await until(above_2_megabits, timeout=12, interval=0.2, what="2 Mb/s sent and available")
    note("rate rises", seconds=round((last["now"] - begin["now"]) / 1000, 2), sent_bps=round(rate))
    assert last["now"] - begin["now"] < 10_000
    publishing = served.relay.rooms["rate"].publisher
    assert publishing is not None and publishing.transport is not None
    assert (await served.relay.stats()).transports[publishing.transport.id].twcc_sent > 10
    # What the publisher sends reaches the viewer.
    then = await media.stats(viewer)
    now = await media.wait_frames(viewer, 60)
    grown = now["inbound"]["video"]["bytesReceived"] - then["inbound"]["video"]["bytesReceived"]
    assert 8000 * grown / (now["now"] - then["now"]) > 1.8e6
