"""Chromium and Firefox behind NATs, called by an RTCPeerConnection of ours behind another."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from itertools import product

import pytest
import pytest_asyncio

from tests.figures import note
from tests.interop import nat_probe, nat_turn
from tests.interop.nat import KINDS, Network, network
from tests.interop.nat_call import call, connection_peer
from tests.interop.nat_probe import stun_server
from tests.interop.pipe_peer import longest_gap

STARTS_S = 60.0  # a browser on a busy machine
MOST_S = {"chromium": 3.5, "firefox": 7.0}


@pytest_asyncio.fixture
async def net() -> AsyncIterator[Network]:
    async with network() as net, stun_server(net.public), nat_turn.turn_server(net.public):
        yield net


def browser_peer(name: str) -> list[str]:
    host, port = nat_probe.STUN[0], nat_probe.PORTS[0]
    argv = [sys.executable, "-m", "tests.interop.nat_browser_peer", name, "--stun", f"stun:{host}:{port}"]
    return [*argv, "--turn", nat_turn.URL, "--user", nat_turn.USER, "--password", nat_turn.PASSWORD]


OURS = connection_peer("rtcengine", "--trickle")

RELAYED = {("port", "symmetric"), ("symmetric", "port"), ("symmetric", "symmetric")}
# In every run: one that only checks from both ends open, and one that nothing opens but a relay.
TELLING = {("chromium", "port", "port"), ("firefox", "symmetric", "symmetric")}
PAIRS = [
    pytest.param(*row, marks=[] if row in TELLING else [pytest.mark.long])
    for row in product(("chromium", "firefox"), KINDS, KINDS)
]


@pytest.mark.parametrize(("browser", "its", "ours"), PAIRS)
async def test_pairs(net: Network, browser: str, its: str, ours: str) -> None:
    """Who offers alternates with the kinds."""
    peers = [browser_peer(browser), OURS]
    homes = [await net.nat(its), await net.nat(ours)]
    we_offer = (KINDS.index(its) + KINDS.index(ours)) % 2 == 0
    if we_offer:
        peers.reverse()
        homes.reverse()
    async with call(peers, *homes, timeout=STARTS_S) as both:
        us = both[0] if we_offer else both[1]
        relayed = (its, ours) in RELAYED
        # A browser may begin by a relay and find the better pair a moment later.
        await us.wait("pair", lambda e: ("relay" in (e["local"], e["remote"])) == relayed, timeout=30)


# Who is moved, and how.
MOVES = [
    pytest.param(*row, marks=[pytest.mark.long])
    for row in product(("chromium", "firefox"), ("ours", "its"), ("flush", "renumber", "move_host"))
]


@pytest.mark.parametrize("offers", ["ours", "its"])
@pytest.mark.parametrize(("browser", "who", "change"), MOVES)
async def test_moves(net: Network, browser: str, who: str, change: str, offers: str) -> None:
    """A NAT gives other addresses, which nobody has to be told; or the host has another address: ours notices by itself, a
    page by what its program knows of networks."""
    moved, far = await net.nat("symmetric" if change == "flush" else "port"), await net.nat("full-cone")
    homes = {"ours": moved, "its": far} if who == "ours" else {"ours": far, "its": moved}
    peers = {"ours": OURS, "its": browser_peer(browser)}
    order = ["ours", "its"] if offers == "ours" else ["its", "ours"]
    async with call([peers[n] for n in order], *(homes[n] for n in order), timeout=STARTS_S) as both:
        most = MOST_S[browser]
        begin = time.monotonic()
        await getattr(moved, change)()
        if who == "its" and change == "move_host":
            both[order.index("its")].tell(do="restart")
        end = time.monotonic()
        for peer in both:
            await peer.wait("counts", lambda e: bool(e["at"] > end + most), timeout=30)
        gaps = [longest_gap(peer, begin) for peer in both]
        note("moved", browser=browser, who=who, change=change, offers=offers, gaps=[round(g, 3) for g in gaps])
        assert max(gaps) <= most
