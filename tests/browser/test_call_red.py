"""Sound that is sent twice (RED, RFC 2198) between a browser and ours, over a way that loses: nobody has to make any up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, RTCRtpSender, SyntheticMicrophone
from tests.browser.between import HERE, Side, between, is_media
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.relay import Pages
from tests.browser.talk import take
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PREFER = """
const known = RTCRtpReceiver.getCapabilities("audio").codecs;
const named = arg.flatMap((name) => known.filter((codec) => codec.mimeType === `audio/${name}`));
for (const transceiver of call.pc.getTransceivers())
  if (transceiver.receiver.track.kind === "audio") transceiver.setCodecPreferences(named);
return named.length;
"""
STATS = """
let found = null;
(await call.pc.getStats()).forEach((s) => { if (s.type === "inbound-rtp" && s.kind === "audio") found = s; });
return found;
"""


def each(n: int) -> Callable[[Side, bytes], bool]:
    """Each n-th packet of sound, on either way. What the browser probes with is padding between them."""
    count: Counter[Side] = Counter()

    def lost(to: Side, data: bytes) -> bool:
        sound = is_media(data) and not data[0] & 0x20
        count[to] += sound
        return sound and count[to] % n == 0

    return lost


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=pytest.mark.long)], ids=["we offer", "it offers"])
async def test_chromium(we_offer: bool, chrome: ChromiumPage, pages: Pages) -> None:
    page = await pages.open(chrome)
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        ours.addTrack(SyntheticMicrophone())
        await made("add", {"audio": True})
        known = {codec.name: codec for codec in RTCRtpSender.getCapabilities("audio").codecs}
        names = ["red", "opus"]
        if we_offer:
            ours.getTransceivers()[0].setCodecPreferences([known[name] for name in names])
        await ours.setLocalDescription()  # so that its address is known
        with between(ours) as made.way:
            await made.negotiate(True)
            await made.connected()
            if not we_offer:  # anew, by the page
                assert await page.evaluate(PREFER, names) == 2
                await made.negotiate(False)
            track = made.track("audio")
            await take(track, 20)
            made.way.lost_if = each(8)
            frames = await take(track, 150)
            assert [f.pts for f in frames] == [frames[0].pts + sum(f.samples for f in frames[:n]) for n in range(150)]
            stats: Any = next(s for s in (await ours.getStats()).values() if s["type"] == "inbound-rtp")
            assert stats.packetsLost >= 10 and stats.concealedSamples == 0
            used = stats.fecPacketsReceived - stats.fecPacketsDiscarded
            assert stats.packetsLost - 1 <= used <= stats.packetsLost  # of a gap under way

            async def hears_all() -> bool:
                """Of a while in which much is lost. What comes late, on a machine that is busy, it makes up too."""
                before = after = await page.evaluate(STATS)
                while after["packetsLost"] < before["packetsLost"] + 6:
                    await take(track, 10)
                    after = await page.evaluate(STATS)
                return bool(after["concealedSamples"] == before["concealedSamples"])

            await until(hears_all, timeout=30, what="the page makes nothing up")
