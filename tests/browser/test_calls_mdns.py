"""Calls in which one side hides its addresses behind names of multicast DNS, and is found by them alone: of the other side
nothing is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rtcengine import NetworkOptions, RTCPeerConnection, RTCSessionDescription, SyntheticCamera
from rtcengine.ice import mdns
from tests.browser import media
from tests.browser.call import Call, call
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage, firefox
from tests.browser.relay import Pages

pytestmark = pytest.mark.asyncio(loop_scope="session")
long = pytest.mark.long


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hiding() -> AsyncIterator[ChromiumPage]:
    """Chromium as it is for a page that may use no camera: it looks names up only if it makes them too."""
    async with chromium(fake_devices=False, mdns=True) as page:
        yield page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hiding_fox() -> AsyncIterator[FirefoxPage]:
    """Firefox as it is for a page that may use no camera; like Chromium it looks names up by what answers for its own."""
    async with firefox(fake_devices=False, mdns=True, prefs={"media.navigator.permission.disabled": False}) as page:
        yield page


def addresses(sdp: str) -> list[str]:
    return [line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate")]


def mute(sdp: str) -> str:
    """Without candidates, as if none had been found."""
    return re.sub(r"a=candidate[^\n]*\n", "", sdp)


async def negotiate(made: Call, *, we_offer: bool, ours_told: bool) -> tuple[str, str]:
    """Whole descriptions, ours and the page's; of one side the candidates are left out on the way."""
    if we_offer:
        await made.ours.setLocalDescription()
    else:
        offer = await made("describe", {"type": "offer", "gather": True})
        passed = mute(offer) if ours_told else offer
        await made.ours.setRemoteDescription(RTCSessionDescription(passed, "offer"))
        await made.ours.setLocalDescription()
    assert made.ours.localDescription is not None
    ours = made.ours.localDescription
    await made("hear", {"type": ours.type, "sdp": ours.sdp if ours_told else mute(ours.sdp)})
    if not we_offer:
        return ours.sdp, offer
    answer = await made("describe", {"type": "answer", "gather": True})
    await made.ours.setRemoteDescription(RTCSessionDescription(mute(answer) if ours_told else answer, "answer"))
    return ours.sdp, answer


async def one_way(page: Page, ours: RTCPeerConnection, *, we_offer: bool, ours_told: bool) -> None:
    """Our picture to the page."""
    async with call(page, ours) as made:
        ours.addTrack(SyntheticCamera(320, 240, 30))
        if not we_offer:
            await page.evaluate("call.pc.addTransceiver('video', { direction: 'recvonly' })")
        described = await negotiate(made, we_offer=we_offer, ours_told=ours_told)
        told = addresses(described[0 if ours_told else 1])
        assert told and all(map(mdns.is_name, told))
        await made.connected()
        await media.wait_frames(page, 20)


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=long)], ids=["we offer", "it offers"])
async def test_a_page_that_hides(we_offer: bool, hiding: ChromiumPage, pages: Pages) -> None:
    ours = RTCPeerConnection(network=NetworkOptions())
    await one_way(await pages.open(hiding), ours, we_offer=we_offer, ours_told=False)


@pytest.mark.parametrize("we_offer", [pytest.param(True, marks=long), False], ids=["we offer", "it offers"])
async def test_we_hide(we_offer: bool, hiding: ChromiumPage, pages: Pages) -> None:
    ours = RTCPeerConnection(network=NetworkOptions(hide=True))
    await one_way(await pages.open(hiding), ours, we_offer=we_offer, ours_told=True)


@long
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_firefox_hides(we_offer: bool, hiding_fox: FirefoxPage, pages: Pages) -> None:
    ours = RTCPeerConnection(network=NetworkOptions())
    await one_way(await pages.open(hiding_fox), ours, we_offer=we_offer, ours_told=False)


@long
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_we_hide_from_firefox(we_offer: bool, hiding_fox: FirefoxPage, pages: Pages) -> None:
    ours = RTCPeerConnection(network=NetworkOptions(hide=True))
    await one_way(await pages.open(hiding_fox), ours, we_offer=we_offer, ours_told=True)
