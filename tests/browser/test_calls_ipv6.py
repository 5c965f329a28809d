"""Calls with browsers over IPv6, where there is nothing else, and where there is a choice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rtcengine import NetworkOptions, RTCPeerConnection
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import Ends, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")
long = pytest.mark.long
SIX, FOUR = "::1", "127.0.0.1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looped() -> AsyncIterator[ChromiumPage]:
    """Chromium that has candidates on loopback, as the machine may have no IPv6 elsewhere. Firefox of these tests has them."""
    async with chromium(args=["--allow-loopback-in-peer-connection"]) as page:
        yield page


async def called(page: Page, addresses: tuple[str, ...], we_offer: bool) -> Ends:
    ours = RTCPeerConnection(network=NetworkOptions(addresses=addresses))
    return await talk(page, ours, we_offer=we_offer, trickle=True, way=" and ".join(addresses))


def by_six(used: Ends) -> bool:
    return all(":" in end["address"] for end in (used.ours, used.theirs))


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=long)], ids=["we offer", "it offers"])
async def test_chromium_by_ipv6_alone(we_offer: bool, looped: ChromiumPage, pages: Pages) -> None:
    assert by_six(await called(await pages.open(looped), (SIX,), we_offer))


@long
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_firefox_by_ipv6_alone(we_offer: bool, fox: FirefoxPage, pages: Pages) -> None:
    assert by_six(await called(await pages.open(fox), (SIX,), we_offer))


@long
async def test_chromium_by_ipv6_where_both_work(looped: ChromiumPage, pages: Pages) -> None:
    """Who offers chooses."""
    assert by_six(await called(await pages.open(looped), (SIX, FOUR), True))
