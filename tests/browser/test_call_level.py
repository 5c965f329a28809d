"""How loud sound is (RFC 6464): what Chromium says of ours, and what is read of its."""

from __future__ import annotations

import math

import pytest

from rtcengine import AudioStreamTrack, NetworkOptions, RTCPeerConnection
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, take
from tests.unit.test_audio_level import Whistle
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOUD = 0.25 / math.sqrt(2)
PAGES = """
const receiver = call.pc.getReceivers().find((r) => r.track.kind === "audio");
const source = receiver.getSynchronizationSources()[0];
return source && source.audioLevel !== undefined ? source.audioLevel : null;
"""


@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_levels_both_ways(we_offer: bool, chrome: ChromiumPage, pages: Pages) -> None:
    """Chromium finds our tone as loud as it is, and silence silent; we find its microphone's beep where it says it has one."""
    page = await pages.open(chrome)
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        sender = ours.addTrack(Whistle())
        await made("add", {"audio": {"autoGainControl": False, "noiseSuppression": False, "echoCancellation": False}})
        await made.negotiate(we_offer)
        await made.connected()

        async def hears(level: float) -> bool:
            heard = await page.evaluate(PAGES)
            return heard is not None and abs(heard - level) <= 0.1 * level + 1e-6

        await until(lambda: hears(LOUD), what="the tone's level in Chromium")
        sender.replaceTrack(AudioStreamTrack())
        await until(lambda: hears(0), what="a level of silence in Chromium")

        track, receiver = made.track("audio"), made.ours.getReceivers()[0]
        levels: list[float] = []

        async def beeped() -> bool:
            await take(track, 1)
            (source,) = receiver.getSynchronizationSources()
            assert source.audioLevel is not None and source.voiceActivityFlag is not None
            levels.append(source.audioLevel)
            return max(levels) > 0.01 and min(levels) < max(levels) / 3  # the fake microphone beeps and is silent

        await until(beeped, what="the beep of Chromium's microphone")
        inbound = next(s for s in (await ours.getStats()).values() if s["type"] == "inbound-rtp")
        assert inbound.totalAudioEnergy > 0 and inbound.totalSamplesDuration > 0
