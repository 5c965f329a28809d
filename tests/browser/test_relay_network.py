"""What lies between browser and relay: loss, a path that could carry more, another network, pages without https."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages, Served, Stats, frames, join, longest_gap, time_pictures
from tests.interop.netns import drop_udp
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_plays_while_3_percent_are_lost(
    served: Served, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages
) -> None:
    publisher, viewer, foxy = await pages.open(chrome), await pages.open(chrome), await pages.open(fox)
    viewers = [viewer, foxy]
    await join(publisher, served.page("lossy"), *viewers, codec="VP8")
    await asyncio.gather(*(media.wait_frames(v, 30) for v in viewers))
    before = await asyncio.gather(*map(media.stats, (publisher, *viewers)))
    async with drop_udp(3, served.relay.engine.port) as loss:
        await asyncio.gather(*map(time_pictures, viewers))
        await media.wait_frames(publisher_clock := viewer, 150, timeout=30)
        gaps = await asyncio.gather(*map(longest_gap, viewers))
        after = await asyncio.gather(*map(media.stats, (publisher, *viewers)))
        dropped = await loss.dropped()
    sent = frames(after[0]) - frames(before[0])
    print(sent, dropped, gaps)
    for b, a in zip(before, after, strict=True):
        print(frames(a) - frames(b), {k: v for kind in ("inbound", "outbound") for k, v in a[kind].get("video", {}).items() if k in ("nackCount", "pliCount", "freezeCount", "totalFreezesDuration", "retransmittedPacketsSent", "retransmittedPacketsReceived", "packetsLost", "packetsReceived", "packetsSent")})
    s = await served.relay.stats()
    print(list(s.receivers.values()), list(s.senders.values()), s.hub)


async def test_sends_more_when_the_path_takes_it(served: Served, noisy_chrome: ChromiumPage, pages: Pages) -> None:
    publisher, viewer = await pages.open(noisy_chrome), await pages.open(noisy_chrome)
    reply = await media.whip_publish(
        publisher,
        served.whip("rate"),
        codec="VP8",
        max_bitrate=3_000_000,
        video={"width": 640, "height": 480, "frameRate": 30},
    )
    last = await media.wait_connected(publisher)
    begin = last["now"]
    await media.whep_watch(viewer, served.whep("rate"))
    for _ in range(24):
        await asyncio.sleep(0.5)
        now = await media.stats(publisher)
        v = now["outbound"]["video"]
        print("%.1f" % ((now["now"] - begin) / 1000), int(8000 * (v["bytesSent"] - last["outbound"]["video"]["bytesSent"]) / (now["now"] - last["now"])), now["pair"].get("availableOutgoingBitrate"), v["targetBitrate"], v["frameWidth"], v["qualityLimitationReason"], v["framesPerSecond"])
        last = now
    print(reply.body)
    s = await served.relay.stats()
    print(s.transports)
