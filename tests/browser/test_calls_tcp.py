"""Calls with browsers by ICE-TCP alone (RFC 6544): we have no socket of UDP, so that nothing else connects."""

from __future__ import annotations

from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")


def by_tcp(**where: Any) -> RTCPeerConnection:
    return RTCPeerConnection(network=NetworkOptions(tcp=True, udp=False, **where))


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=pytest.mark.long)], ids=["we offer", "it offers"])
async def test_chromium(we_offer: bool, chrome: ChromiumPage, pages: Pages) -> None:
    """Chromium connects and never listens."""
    used = await talk(await pages.open(chrome), by_tcp(addresses=(HERE,)), we_offer=we_offer, trickle=we_offer, way="tcp")
    assert used.protocols == {"tcp"} and used.page_theirs["port"] == used.ours["port"] != 9


@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_firefox(we_offer: bool, fox: FirefoxPage, pages: Pages) -> None:
    used = await talk(await pages.open(fox), by_tcp(), we_offer=we_offer, trickle=we_offer, way="tcp")
    assert used.protocols == {"tcp"}
