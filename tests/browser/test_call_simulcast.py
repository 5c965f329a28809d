"""A browser's simulcast in a call: each of its layers received, by its name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCConfiguration, RTCPeerConnection
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.figures import note

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

HERE = NetworkOptions(addresses=("127.0.0.1",))
LAYERS = {"chromium": {"l": 240, "m": 480, "h": 960}, "firefox": {"m": 320, "h": 640}}
CAMERAS = {
    "chromium": {"width": 960, "height": 540, "frameRate": 15},
    "firefox": {"width": 640, "height": 480},
}


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_each_layer_of_a_browser(browser: str, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages) -> None:
    page = await pages.open(chrome if browser == "chromium" else fox)
    ours = RTCPeerConnection(RTCConfiguration(receive_simulcast=True), network=HERE)
    async with call(page, ours) as made:
        wanted = LAYERS[browser]
        await made("addLayers", {"video": CAMERAS[browser], "layers": list(wanted)})
        await made.negotiate(False)
        await made.connected()
        (receiver,) = ours.getReceivers()
        assert list(receiver.layers) == list(wanted)

        async def reaches(track: Any, width: int) -> int:
            """Browsers begin with the smallest, and may scale while they find out what there is room for."""
            async with asyncio.timeout(40):
                while (frame := await track.recv()).width != width:
                    pass
            return int(frame.width)

        found = await asyncio.gather(*(reaches(receiver.layers[rid], width) for rid, width in wanted.items()))
        assert list(found) == list(wanted.values())
        for rid in reversed(wanted):
            receiver.layer = rid
            await reaches(receiver.track, wanted[rid])
        rows = [row for row in (await receiver.getStats()).values() if row["type"] == "inbound-rtp"]
        note("layers of a browser", browser=browser, widths={row["rid"]: row["frameWidth"] for row in rows})
        assert {row["rid"] for row in rows} == set(wanted)
