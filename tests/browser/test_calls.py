"""Browsers and an RTCPeerConnection of ours call each other: pictures and sound, in all ways to negotiate and to meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pytest

from rtcengine import (
    NetworkOptions,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    SyntheticMicrophone,
)
from tests.browser.call import call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import HERE, talk
from tests.interop.coturn import PASSWORD, USER, Coturn
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUES: dict[str, tuple[Any, ...]] = {
    "browser": ("chromium", "firefox"),
    "we_offer": (True, False),
    "trickle": (True, False),
    "bundle": ("balanced", "max-bundle", "max-compat"),
    "codec": ("VP8", "H264"),
    "way": ("udp", "tcp", "turn"),
}


@dataclass(frozen=True)
class Kind:
    """How a call is made. `bundle`: the policy of both ends; `way`: by which alone they can meet, turn being our relay."""

    browser: str
    we_offer: bool
    trickle: bool
    bundle: str
    codec: Any
    way: str

    def __str__(self) -> str:
        said = ("we" if self.we_offer else "it", "trickle" if self.trickle else "whole")
        return "-".join((self.browser, *said, self.bundle, self.codec, self.way))

    @property
    def is_there(self) -> bool:
        """Firefox has H.264 only by a plug-in that it would download."""
        return (self.browser, self.codec) != ("firefox", "H264")

    def pairs(self) -> Iterator[tuple[Any, ...]]:
        """Each two of its values."""
        named = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return itertools.combinations(named, 2)


ALL = [kind for values in itertools.product(*VALUES.values()) if (kind := Kind(*values)).is_there]
# Each pair of values that can be is in one of them.
PAIRWISE = [
    Kind("chromium", False, False, "balanced", "H264", "tcp"),
    Kind("chromium", False, False, "max-bundle", "H264", "turn"),
    Kind("chromium", False, True, "balanced", "VP8", "udp"),
    Kind("chromium", False, True, "max-compat", "VP8", "turn"),
    Kind("chromium", True, False, "max-compat", "H264", "udp"),
    Kind("chromium", True, True, "max-bundle", "H264", "tcp"),
    Kind("firefox", False, True, "max-bundle", "VP8", "udp"),
    Kind("firefox", True, False, "balanced", "VP8", "turn"),
    Kind("firefox", True, True, "max-compat", "VP8", "tcp"),
]
LONG = [pytest.param(kind, id=str(kind), marks=pytest.mark.long) for kind in ALL if kind not in PAIRWISE]


@pytest.fixture
def browsers(chrome: ChromiumPage, fox: FirefoxPage) -> dict[str, Page]:
    return {"chromium": chrome, "firefox": fox}


def peer(kind: Kind, turn: Coturn) -> RTCPeerConnection:
    """Ours, which has what `way` says and nothing else."""
    configuration = RTCConfiguration(bundlePolicy=RTCBundlePolicy(kind.bundle))
    match kind.way:
        case "tcp":  # at the machine's own address: Firefox does not connect to loopback
            network = NetworkOptions(tcp=True, udp=False)
        case "turn":
            configuration.iceServers = [RTCIceServer(f"turn:{HERE}:{turn.port}", USER, PASSWORD)]
            configuration.iceTransportPolicy = RTCIceTransportPolicy.RELAY
            network = NetworkOptions(addresses=(HERE,))
        case _:
            network = NetworkOptions(addresses=(HERE,))
    return RTCPeerConnection(configuration, network=network)


async def test_each_pair_is_there() -> None:
    assert set(PAIRWISE) <= set(ALL)
    assert {pair for kind in PAIRWISE for pair in kind.pairs()} == {pair for kind in ALL for pair in kind.pairs()}


@pytest.mark.parametrize("kind", [*(pytest.param(kind, id=str(kind)) for kind in PAIRWISE), *LONG])
async def test_pictures_and_sound(kind: Kind, browsers: dict[str, Page], pages: Pages, turn: Coturn) -> None:
    page = await pages.open(browsers[kind.browser])
    used = await talk(
        page,
        peer(kind, turn),
        we_offer=kind.we_offer,
        trickle=kind.trickle,
        codec=kind.codec,
        configuration={"bundlePolicy": kind.bundle},
        bundle=kind.bundle,
        way=kind.way,
    )
    assert used.protocols == {"tcp" if kind.way == "tcp" else "udp"}
    assert used.ours["type"] == ("relay" if kind.way == "turn" else "host")
    if kind.way == "tcp":  # browsers connect and do not listen
        assert used.page_theirs["port"] == used.ours["port"] != 9


@pytest.mark.parametrize("we_offer", [True, pytest.param(False, marks=pytest.mark.long)], ids=["we offer", "it offers"])
@pytest.mark.parametrize("browser", ["chromium", pytest.param("firefox", marks=pytest.mark.long)])
async def test_without_bundle(browser: str, we_offer: bool, browsers: dict[str, Page], pages: Pages) -> None:
    """An offer that groups nothing: each section has a transport of its own."""
    page = await pages.open(browsers[browser])
    ours = RTCPeerConnection(
        RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_COMPAT), network=NetworkOptions(addresses=(HERE,))
    )
    used: list[int] = []

    async def count() -> None:
        transports = [s for s in (await ours.getStats()).values() if s["type"] == "transport"]
        assert all(t["packetsReceived"] > 10 for t in transports)
        used.append(len(transports))

    policy = {"bundlePolicy": "max-compat"}
    await talk(page, ours, we_offer=we_offer, trickle=False, configuration=policy, grouped=False, then=count)
    assert used == [2]


def is_closed(pc: RTCPeerConnection) -> bool:
    return pc.connectionState == "closed"


async def test_either_side_hangs_up(chrome: ChromiumPage, pages: Pages) -> None:
    for we_close in (True, False):
        page = await pages.open(chrome)
        ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
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
