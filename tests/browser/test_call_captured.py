"""When frames were captured (abs-capture-time), between ours and Chromium: each reads what the other tells, by one clock."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from rtcengine.codecs.about import about
from rtcengine.rtp import Extension
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.relay import Pages
from tests.browser.talk import BOTH, HERE, take
from tests.unit.media_kit import take_while
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SINCE_1900 = 2_208_988_800
LATE = 5.0  # seconds that a loaded machine may take; another clock or epoch would be hours away
SHOW = """
window.shown = document.createElement("video");
Object.assign(shown, {muted: true, autoplay: true, srcObject: new MediaStream(call.pc.getReceivers().map((r) => r.track))});
shown.play().catch(() => {});
"""
TOLD = """
const found = {};
for (const receiver of call.pc.getReceivers()) {
  const source = receiver.getSynchronizationSources()[0];
  found[receiver.track.kind] = source && source.captureTimestamp ? source.captureTimestamp : null;
}
return found;
"""


@pytest.mark.long
async def test_moments_both_ways(chrome: ChromiumPage, pages: Pages) -> None:
    page = await pages.open(chrome)
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        ours.addTrack(SyntheticMicrophone())
        ours.addTrack(SyntheticCamera(320, 240, 30))
        await made("add", BOTH)
        await made.negotiate(True)
        assert ours.remoteDescription.sdp.count(Extension.ABS_CAPTURE_TIME) == 2
        await made.connected()
        await page.evaluate(SHOW)

        async def told() -> dict[str, Any] | None:
            found = await page.evaluate(TOLD)
            return found if all(found.values()) else None

        for moment in (await until(told, timeout=20, what="moments in Chromium")).values():
            assert 0 <= time.time() - (moment / 1000 - SINCE_1900) < LATE
        for kind in ("audio", "video"):
            await take_while(made.track(kind), lambda frame: about(frame).capture_time is None)
            frames = await take(made.track(kind), 20)
            moments: list[Any] = [about(frame).capture_time for frame in frames]
            assert moments == sorted(moments) and 0 <= time.time() - moments[-1] < LATE
            assert moments[-1] - moments[0] == pytest.approx(float(frames[-1].time - frames[0].time), abs=0.05)
