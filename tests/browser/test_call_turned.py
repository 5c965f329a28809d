"""Pictures on their side, sent by ours: browsers show them upright, told how they are turned (Chromium) or not (Firefox)."""

from __future__ import annotations

from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, VideoStreamTrack
from rtcengine.rtp import Extension
from tests.browser.call import call
from tests.browser.drivers import Page
from tests.browser.relay import Pages
from tests.browser.talk import HERE
from tests.unit.test_rotation import corner
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What the page shows: width, height, and the red of the middle of each quarter, row by row.
SHOWN = """
if (!window.shown) {
  window.shown = document.createElement("video");
  Object.assign(shown, {muted: true, autoplay: true});
  shown.srcObject = new MediaStream([call.pc.getReceivers().find((r) => r.track.kind === "video").track]);
  document.body.append(shown);
  shown.play().catch(() => {});
}
if (!shown.videoWidth || shown.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
const canvas = new OffscreenCanvas(shown.videoWidth, shown.videoHeight), context = canvas.getContext("2d");
context.drawImage(shown, 0, 0);
const at = (x, y) => context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data[0];
return [canvas.width, canvas.height, at(1/4, 1/4), at(3/4, 1/4), at(1/4, 3/4), at(3/4, 3/4)];
"""


class OnItsSide(VideoStreamTrack):
    """The quarter that is bright is the upper left one, of 320 x 240, once the picture is turned."""

    def __init__(self, turned: int) -> None:
        super().__init__()
        self.turned = turned

    async def recv(self) -> Any:
        pts, time_base = await self.next_timestamp()
        frame = corner(self.turned, 320, 240)
        frame.pts, frame.time_base = pts, time_base
        return frame


@pytest.mark.parametrize("browser", ["chromium", pytest.param("firefox", marks=pytest.mark.long)])
@pytest.mark.parametrize("turned", [90, pytest.param(180, marks=pytest.mark.long), pytest.param(270, marks=pytest.mark.long)])
async def test_shown_upright(browser: str, turned: int, pages: Pages, chrome: Page, fox: Page) -> None:
    page = await pages.open(chrome if browser == "chromium" else fox)
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        ours.addTrack(OnItsSide(turned))
        await made.negotiate(True)
        assert (Extension.VIDEO_ORIENTATION in ours.remoteDescription.sdp) == (browser == "chromium")
        await made.connected()

        async def upright() -> bool:
            found = await page.evaluate(SHOWN)
            return found is not None and found[:2] == [320, 240] and found[2] > 180 and max(found[3:]) < 80

        await until(upright, timeout=20, what="the picture upright")
