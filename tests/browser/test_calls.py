"""Browsers and an RTCPeerConnection of ours call each other: pictures and sound both ways, either side offering."""

from __future__ import annotations

from functools import partial

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticMicrophone
from tests.browser import media
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, talk
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

def peer() -> RTCPeerConnection:
    return RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_chromium(we_offer: bool, codec: media.Codec, chrome: ChromiumPage, pages: Pages) -> None:
    await talk(await pages.open(chrome), peer(), we_offer=we_offer, trickle=codec == "VP8", codec=codec)


@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_firefox(we_offer: bool, fox: FirefoxPage, pages: Pages) -> None:
    await talk(await pages.open(fox), peer(), we_offer=we_offer, trickle=we_offer)


def is_closed(pc: RTCPeerConnection) -> bool:
    return pc.connectionState == "closed"


async def test_either_side_hangs_up(chrome: ChromiumPage, pages: Pages) -> None:
    for we_close in (True, False):
        page = await pages.open(chrome)
        ours = peer()
        async with call(page, ours) as made:
            ours.addTrack(SyntheticMicrophone())
            await made.negotiate(True)
            await made.connected()
            if we_close:
                await ours.close()

                async def gone(page: Page = page) -> bool:
                    return bool(await page.evaluate("call.pc.getReceivers()[0].transport.state === 'closed'"))

                await until(gone, what="the page's DTLS is closed")
            else:
                await page.evaluate("call.pc.close()")
                await until(partial(is_closed, ours), what="we hear its goodbye")
