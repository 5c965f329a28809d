"""Keys of a telephone (RFC 4733): those that a browser sends are told, and ours disturb nothing of the sound that it hears."""

from __future__ import annotations

from typing import Any

import pytest

from rtcengine import DtmfTone, NetworkOptions, RTCPeerConnection, SyntheticMicrophone
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, take
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DIAL = """
const sender = call.pc.getSenders().find((s) => s.track && s.track.kind === "audio");
call.tones = [];
sender.dtmf.ontonechange = (event) => call.tones.push(event.tone);
const can = sender.dtmf.canInsertDTMF;
sender.dtmf.insertDTMF(arg, 100, 70);
return can;
"""
HEARD = """
let found = null;
(await call.pc.getStats()).forEach((s) => { if (s.type === "inbound-rtp" && s.kind === "audio") found = s; });
return found && { received: found.packetsReceived, lost: found.packetsLost };
"""
KEYS = "0123456789*#ABCD"


async def dialled(page: Any, pages: Pages, we_offer: bool) -> None:
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        sender = ours.addTrack(SyntheticMicrophone())
        await made("add", {"audio": True})
        await made.negotiate(we_offer)
        await made.connected()
        track, keys, told = made.track("audio"), [], []
        track.on("dtmf", keys.append)
        await take(track, 10)

        assert await page.evaluate(DIAL, KEYS)
        await until(lambda: len(keys) == len(KEYS), timeout=20, what="all keys of the browser")
        assert "".join(key.tone for key in keys) == KEYS
        assert all(isinstance(key, DtmfTone) and 90 <= key.duration <= 130 for key in keys)
        await take(track, 20)
        inbound = next(s for s in (await ours.getStats()).values() if s["type"] == "inbound-rtp")
        assert inbound.packetsLost == 0

        assert sender.dtmf is not None and sender.dtmf.canInsertDTMF
        sender.dtmf.on("tonechange", lambda event: told.append(event.tone))
        before = await page.evaluate(HEARD)
        sender.dtmf.insertDTMF(KEYS[:4] + ",9")
        await until(lambda: told == [*KEYS[:4], ",", "9", ""], what="our keys")

        async def goes_on() -> bool:
            heard = await page.evaluate(HEARD)
            assert heard["lost"] == 0
            return bool(heard["received"] > before["received"] + 150)

        await until(goes_on, what="the sound after our keys")


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=pytest.mark.long)], ids=["we offer", "it offers"])
async def test_chromium(we_offer: bool, chrome: ChromiumPage, pages: Pages) -> None:
    await dialled(await pages.open(chrome), pages, we_offer)


@pytest.mark.parametrize("we_offer", [pytest.param(True, marks=pytest.mark.long), False], ids=["we offer", "it offers"])
async def test_firefox(we_offer: bool, fox: FirefoxPage, pages: Pages) -> None:
    """Beside Opus it has events at 8 kHz alone."""
    await dialled(await pages.open(fox), pages, we_offer)
