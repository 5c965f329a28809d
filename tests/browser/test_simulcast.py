"""Simulcast (RFC 8853) through the relay: ours watched by Chromium layer by layer, the browsers' watched by us."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from rtcengine import NetworkOptions, WhepClient, WhipClient
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from rtcengine.relay.session import Session
from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages, Served, longest_gap, time_pictures
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = NetworkOptions(addresses=("127.0.0.1",))
CAMERA: media.Constraints = {"width": 960, "height": 540, "frameRate": 15}
WIDTHS = {"h": 960, "m": 480, "l": 240}


def session(served: Served, room: str, publishes: bool) -> Session:
    return next(s for s in served.relay.sessions if s.room.name == room and s.publishes == publishes)


async def wait_width(page: Page, width: int) -> None:
    """The page decodes pictures this wide."""

    async def seen() -> bool:
        return bool((await media.stats(page))["inbound"].get("video", {}).get("frameWidth") == width)

    await until(seen, timeout=15, what=f"pictures {width} wide")


async def is_wide(page: Page, width: int) -> bool:
    return bool(await page.evaluate("document.querySelector('video')?.videoWidth") == width)


async def is_fluent(page: Page) -> bool:
    return await longest_gap(page) < 0.5


@pytest.mark.parametrize("codec", ["VP8", pytest.param("H264", marks=pytest.mark.long)])
async def test_chromium_watches_each_of_our_layers(codec: str, served: Served, chrome: ChromiumPage, pages: Pages) -> None:
    """From one layer to the next it misses no picture, and asks for none again."""
    page, room = await pages.open(chrome), f"ours-{codec}"
    async with WhipClient(served.whip(room), network=HERE) as client:
        await client.publish(SyntheticCamera(640, 360), SyntheticMicrophone(), codecs=[codec, "opus"], layers=3)
        await media.whep_watch(page, served.whep(room) + "?layer=l")
        await wait_width(page, 160)
        viewer = session(served, room, publishes=False)
        await time_pictures(page)
        for layer, width in (("m", 320), ("h", 640), ("l", 160), ("h", 640)):
            await until(lambda: is_fluent(page), what="pictures are shown")
            before = (await media.stats(page))["inbound"]["video"]
            await served.relay.subscribe(viewer, layer)
            await wait_width(page, width)
            after = (await media.stats(page))["inbound"]["video"]
            gap = await longest_gap(page)
            note("change of layer", codec=codec, to=layer, gap_ms=round(gap * 1000))
            assert after["keyFramesDecoded"] == before["keyFramesDecoded"] + 1
            assert gap < 0.5
            assert after["packetsLost"] == 0 and after.get("framesDropped", 0) <= before.get("framesDropped", 0) + 5
        own = await pages.open(chrome, served.page(room) + "?layer=m")
        await until(lambda: is_wide(own, 320), timeout=20, what="the relay's own page has the layer of its address")
        with pytest.raises(media.SignallingError, match="404: no layer 'x': the publisher sends the layers h, m, l"):
            await media.whep_watch(await pages.open(chrome), served.whep(room) + "?layer=x")


async def widths(served: Served, room: str, layer: str) -> set[int]:
    """How wide the next pictures of a layer are, as a viewer of ours decodes them."""
    async with WhepClient(f"{served.whep(room)}?layer={layer}", network=HERE) as client:
        [track] = (await client.watch(audio=False)).getVideoTracks()
        return {(await track.recv()).width for _ in range(10)}


async def test_we_watch_each_of_chromiums_layers(served: Served, chrome: ChromiumPage, pages: Pages) -> None:
    """And who has chosen none gets the best one that there is: the next one when its publisher switches that off."""
    page, room = await pages.open(chrome), "chromiums"
    await media.whip_publish(page, served.whip(room), video=CAMERA, layers=["l", "m", "h"])
    await media.wait_connected(page)
    publisher = session(served, room, publishes=True)
    layers = publisher.layers
    assert layers is not None
    await until(lambda: sorted(layers.flowing) == ["h", "l", "m"], timeout=20, what="all layers come")
    for layer, width in WIDTHS.items():
        assert await widths(served, room, layer) == {width}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(WhepClient(served.whep(room), network=HERE))
        [track] = (await client.watch(audio=False)).getVideoTracks()
        for switched, on, width in ((None, True, 960), ("h", False, 480), ("m", False, 240), ("h", True, 960)):
            if switched:
                await media.switch_layer(page, switched, on)  # type: ignore[arg-type]
            async with asyncio.timeout(15):
                while (await track.recv()).width != width:
                    pass
    stats = await served.relay.stats()
    sizes = {rid: stats.receivers[receiver.id].width for rid, receiver in layers.receivers.items()}
    assert sizes == WIDTHS


@pytest.mark.long
async def test_we_watch_each_of_firefoxs_layers(served: Served, fox: FirefoxPage, pages: Pages) -> None:
    page, room = await pages.open(fox), "firefoxs"
    await media.whip_publish(page, served.whip(room), video={"width": 640, "height": 480}, layers=["h", "m"])
    await media.wait_connected(page)
    layers = session(served, room, publishes=True).layers
    assert layers is not None
    await until(lambda: sorted(layers.flowing) == ["h", "m"], timeout=20, what="both layers come")
    assert await widths(served, room, "h") == {640}
    assert await widths(served, room, "m") == {320}
